/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bytes of one direction, as ring.c keeps them. Part of parley.h, which
 * includes it.
 */
#ifndef _NET_PARLEY_RING_H
#define _NET_PARLEY_RING_H

#include <linux/atomic.h>
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
 * @wspare: pages that the writer took back and has not filled yet. wlock
 * @woff: bytes of @wpage in use. wlock
 * @wdone: enum parley_ring_end; only ever goes up
 * @want: the writer waits for space and has found none
 * @head: bytes ever written. Stored with release under wlock
 * @rlock: serialises readers; never taken by writers
 * @rpage: page that is being read, NULL before the first. rlock, or wlock once
 *	@dead is set
 * @roff: bytes of @rpage consumed. As @rpage
 * @rdone: nobody will read any more. Only ever set
 * @dead: the reader's socket is closed: the pages can go. Only ever set
 * @rwant: the reader waits for bytes and has found too few
 * @tail: bytes ever consumed. Stored with release under rlock
 * @first: the first page there is, for a reader without @rpage; written before
 *	@head moves
 * @held: the reader has not been told of the last bytes; xchg()
 * @seen: where head was, by its last bits, when pages were given back last.
 *	wlock
 * @spare: pages that were consumed, on their way back to the writer: the reader
 *	adds one, the writer takes all, neither with a lock
 *
 * The pages are a list, linked through page_private(), from the reader's to
 * the writer's; those in reserve are linked likewise. The two sides meet in
 * @head and @tail alone.
 */
struct parley_ring {
	struct mutex wlock; /* writers */
	struct page *wpage;
	struct page *wspare;
	unsigned int woff;
	u8 wdone;
	u8 want;
	unsigned long head;

	struct mutex rlock; /* readers */
	struct page *rpage;
	unsigned int roff;
	u8 rdone;
	u8 dead;
	u8 rwant;
	unsigned long tail;

	unsigned int held;
	u32 seen;
	struct page *first;
	struct page *spare;
};

void parley_ring_init(struct parley_ring *ring);
long parley_ring_write(struct parley_ring *ring, struct iov_iter *from,
		       unsigned long limit, unsigned int *pages);
long parley_ring_read(struct parley_ring *ring, struct iov_iter *to,
		      size_t len);
long parley_ring_peek(struct parley_ring *ring, struct iov_iter *to,
		      size_t len);
long parley_ring_skip(struct parley_ring *ring, size_t len);
bool parley_ring_finish(struct parley_ring *ring);
unsigned int parley_ring_bury(struct parley_ring *ring, bool *unread);
unsigned int parley_ring_reclaim(struct parley_ring *ring, bool *all);
unsigned int parley_ring_destroy(struct parley_ring *ring);

/* For ring.c and ring_record.c alone. */

/**
 * struct parley_cursor - a place in the list of pages
 * @page: the page, NULL before the first
 * @off: the byte in it; may be just behind its last one
 */
struct parley_cursor {
	struct page *page;
	unsigned int off;
};

bool parley_ring_extend(struct parley_ring *ring, unsigned int *pages);
size_t parley_ring_fill(struct parley_ring *ring, struct iov_iter *from,
			size_t len, unsigned int *pages, long *err);
void parley_ring_rewind(struct parley_ring *ring,
			const struct parley_cursor *to);
void parley_ring_enter(struct parley_ring *ring, struct parley_cursor *at);
size_t parley_ring_copy(struct parley_ring *ring, struct parley_cursor *at,
			size_t len, struct iov_iter *to);

/* ring_record.c: records in a ring, instead of a stream */

/**
 * struct parley_record - what precedes the bytes of each record
 * @len: how many there are
 * @flags: MSG_EOR, if the sender said so
 *
 * Starts at a multiple of its size, so that no page ends in it.
 */
struct parley_record {
	u32 len;
	u32 flags;
};

int parley_ring_write_record(struct parley_ring *ring, struct iov_iter *from,
			     const struct parley_record *rec,
			     unsigned long limit, unsigned int *pages);
long parley_ring_read_record(struct parley_ring *ring, struct iov_iter *to,
			     size_t len, bool peek, struct parley_record *rec);
unsigned long parley_ring_payload(struct parley_ring *ring);

static inline unsigned long parley_ring_used(const struct parley_ring *ring)
{
	unsigned long head, tail;

	/* Pairs with the reader. It only follows head, so it comes first. */
	tail = smp_load_acquire(&ring->tail);
	/* Pairs with the writer. */
	head = smp_load_acquire(&ring->head);
	return head - tail;
}

/* Whether there are bytes that the reader is to be told of, by the caller. */
static inline bool parley_ring_release(struct parley_ring *ring)
{
	/* xchg(): who takes it off has seen the bytes it stands for. */
	return READ_ONCE(ring->held) && xchg(&ring->held, 0);
}

/* Writable once a third is free, so that a writer is woken for a batch. */
static inline bool parley_ring_writable(const struct parley_ring *ring,
					unsigned long limit)
{
	unsigned long used = parley_ring_used(ring);

	return used < limit && limit - used >= limit / 3;
}

#endif /* _NET_PARLEY_RING_H */
