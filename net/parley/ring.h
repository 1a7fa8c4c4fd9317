/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bytes of one direction, as ring.c keeps them. Part of parley.h, which
 * includes it.
 */
#ifndef _NET_PARLEY_RING_H
#define _NET_PARLEY_RING_H

#include <linux/mutex.h>
#include <linux/types.h>

struct iov_iter;
struct page;

/**
 * enum parley_ring_end - whether more bytes can come
 * @PARLEY_RING_OPEN: yes
 * @PARLEY_RING_CLOSING: no write begins any more; one may be under way
 * @PARLEY_RING_CLOSED: head is final
 */
enum parley_ring_end {
	PARLEY_RING_OPEN,
	PARLEY_RING_CLOSING,
	PARLEY_RING_CLOSED
};

/**
 * struct parley_ring - bytes on their way from one writer to one reader
 * @wlock: serialises writers; never taken by the reader of live data
 * @wpage: page that is being filled. wlock
 * @woff: bytes of @wpage in use. wlock
 * @head: bytes ever written. Stored with release under wlock
 * @rlock: serialises readers; never taken by writers
 * @rpage: page that is being read, NULL before the first. rlock, or wlock once
 *	@dead is set
 * @roff: bytes of @rpage consumed. As @rpage
 * @tail: bytes ever consumed. Stored with release under rlock
 * @first: the first page there ever was; written once before @head moves
 * @spare: one consumed page on its way back to the writer; xchg()
 * @wdone: enum parley_ring_end; only ever goes up
 * @rdone: nobody will read any more. Only ever set
 * @dead: the reader's socket is closed: the pages can go. Only ever set
 * @want: the writer waits for space and has found none
 *
 * The pages are a list, linked through page_private(), from the reader's to
 * the writer's. The two sides meet in @head and @tail alone.
 */
struct parley_ring {
	struct mutex wlock; /* writers */
	struct page *wpage;
	unsigned int woff;
	u8 wdone;
	u8 want;
	unsigned long head;

	struct mutex rlock; /* readers */
	struct page *rpage;
	unsigned int roff;
	u8 rdone;
	u8 dead;
	unsigned long tail;

	struct page *first;
	struct page *spare;
};

void parley_ring_init(struct parley_ring *ring);
long parley_ring_write(struct parley_ring *ring, struct iov_iter *from,
		       unsigned long limit, unsigned int *pages);
long parley_ring_read(struct parley_ring *ring, struct iov_iter *to,
		      size_t len, unsigned int *pages);
long parley_ring_peek(struct parley_ring *ring, struct iov_iter *to,
		      size_t len);
long parley_ring_skip(struct parley_ring *ring, size_t len,
		      unsigned int *pages);
bool parley_ring_finish(struct parley_ring *ring);
unsigned int parley_ring_bury(struct parley_ring *ring, bool *unread);
unsigned int parley_ring_destroy(struct parley_ring *ring);

static inline unsigned long parley_ring_used(const struct parley_ring *ring)
{
	unsigned long head, tail;

	/* Pairs with the reader. It only follows head, so it comes first. */
	tail = smp_load_acquire(&ring->tail);
	/* Pairs with the writer. */
	head = smp_load_acquire(&ring->head);
	return head - tail;
}

/* Writable once a third is free, so that a writer is woken for a batch. */
static inline bool parley_ring_writable(const struct parley_ring *ring,
					unsigned long limit)
{
	unsigned long used = parley_ring_used(ring);

	return used < limit && limit - used >= limit / 3;
}

#endif /* _NET_PARLEY_RING_H */
