/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of ring.c and ring_record.c share: the ring under test, its
 * pattern of bytes, and the replaced pages and copies; see ring_hooks.c.
 */
#ifndef _NET_PARLEY_RING_KUNIT_H
#define _NET_PARLEY_RING_KUNIT_H

#include <kunit/test.h>
#include <linux/atomic.h>

#include "../parley.h"

#define RING_BUFFER	(16 * PAGE_SIZE)
#define RING_NO_LIMIT	(1024 * PAGE_SIZE)
#define RING_POISON	0xee
/* Longer than any machine needs: it only ends what would hang. */
#define RING_PATIENCE	(60 * HZ)

/**
 * struct ring_context - a ring under test
 * @ring: the ring
 * @allocated: pages, as the writing functions say
 * @freed: pages, as those say that give them back
 * @written: bytes of the pattern written
 * @consumed: bytes of the pattern consumed
 * @peak: the most bytes that were in the ring, or were to be, since it had no
 *	pages
 * @wrong: how often bytes came out that are not those of the pattern
 * @out: RING_BUFFER bytes to write from
 * @in: RING_BUFFER bytes to read into
 */
struct ring_context {
	struct parley_ring ring;
	unsigned int allocated;
	unsigned int freed;
	size_t written;
	size_t consumed;
	size_t peak;
	unsigned int wrong;
	u8 *out;
	u8 *in;
};

enum ring_take { RING_READ, RING_PEEK, RING_SKIP };

/**
 * struct ring_mix - what is written and taken at random
 * @name: what it is like
 * @chunk: how much at a time, at most
 * @limit: the limit, at most
 * @total: how much in all
 */
struct ring_mix {
	const char *name;
	size_t chunk;
	unsigned long limit;
	size_t total;
};

/**
 * struct ring_reclaimer - somebody who gives pages back, all the time
 * @ring: the ring
 * @task: the thread
 * @freed: pages
 * @rounds: how often it was done
 */
struct ring_reclaimer {
	struct parley_ring *ring;
	struct task_struct *task;
	unsigned int freed;
	unsigned int rounds;
};

extern atomic_t ring_pages;
extern atomic_t ring_page_budget;
extern size_t ring_copy_budget;
extern const unsigned long *ring_watched;
extern unsigned long ring_watched_from;
extern size_t ring_copied;
extern unsigned int ring_early;

u8 ring_byte(size_t pos);
u32 ring_random(u32 *seed);
void ring_attempt(struct ring_context *c, size_t more);
bool ring_reclaim(struct ring_context *c);
void ring_reclaimer_start(struct kunit *test, struct ring_reclaimer *r);
void ring_reclaimer_stop(struct ring_reclaimer *r);
long ring_write(struct ring_context *c, size_t len, unsigned long limit);
long ring_take_room(struct ring_context *c, enum ring_take how, size_t len,
		    size_t room);
long ring_take(struct ring_context *c, enum ring_take how, size_t len);
void ring_expect_sane(struct kunit *test, struct ring_context *c);
void ring_expect_write(struct kunit *test, size_t len, unsigned long limit,
		       long want);
void ring_expect_take(struct kunit *test, enum ring_take how, size_t len,
		      long want);
int ring_init(struct kunit *test);
void ring_exit(struct kunit *test);
void ring_mix_desc(const struct ring_mix *mix, char *desc);

#endif /* _NET_PARLEY_RING_KUNIT_H */
