// SPDX-License-Identifier: GPL-2.0
/*
 * Records in a ring: each is a header and its bytes, padded so that the next
 * header begins at a multiple of its size and lies within one page. A record
 * enters as a whole, with one step of head, and leaves as a whole. A ring has
 * either records or a stream in it.
 */
#include <linux/align.h>
#include <linux/mm.h>
#include <linux/uio.h>

#include "parley.h"

static size_t parley_record_size(u32 len)
{
	return sizeof(struct parley_record) +
	       ALIGN((size_t)len, sizeof(struct parley_record));
}

static void *parley_cursor_address(const struct parley_cursor *at)
{
	return page_address(at->page) + at->off;
}

/* Header, bytes and padding, behind what is there. Return: 0 or an error. */
static int parley_ring_put_record(struct parley_ring *ring,
				  struct iov_iter *from,
				  const struct parley_record *rec,
				  unsigned int *pages)
{
	long err = 0;

	if (!ring->wpage || ring->woff == PAGE_SIZE) {
		if (!parley_ring_extend(ring, pages))
			return -ENOMEM;
	}
	memcpy(page_address(ring->wpage) + ring->woff, rec, sizeof(*rec));
	ring->woff += sizeof(*rec);
	parley_ring_fill(ring, from, rec->len, pages, &err);
	/* What is skipped is never handed out. */
	ring->woff = ALIGN(ring->woff, sizeof(*rec));
	return err;
}

/**
 * parley_ring_write_record - append a record, or nothing
 * @ring: the ring; wlock is held
 * @from: its bytes, at least @rec->len
 * @rec: its length and flags
 * @limit: how much the ring is to hold. A record that is no longer than that
 *	enters where it fits, or where the ring is writable as poll(2) has it:
 *	so the ring may hold up to two thirds more
 * @pages: is increased by the number of new pages
 *
 * Context: process, may sleep and fault.
 * Return: 1, 0 where there is no space, -EMSGSIZE where there never will be,
 * -EFAULT, -ENOMEM; with these @from may be advanced, and nothing is written.
 */
int parley_ring_write_record(struct parley_ring *ring, struct iov_iter *from,
			     const struct parley_record *rec,
			     unsigned long limit, unsigned int *pages)
{
	struct parley_cursor start = { ring->wpage, ring->woff };
	size_t size = parley_record_size(rec->len);
	int err;

	lockdep_assert_held(&ring->wlock);

	if (rec->len > limit)
		return -EMSGSIZE;
	if (!parley_ring_writable(ring, limit) &&
	    parley_ring_used(ring) + size > limit)
		return 0;

	err = parley_ring_put_record(ring, from, rec, pages);
	if (err) {
		parley_ring_rewind(ring, &start);
		return err;
	}
	/* Pairs with the reader's acquire: bytes and links are there. */
	smp_store_release(&ring->head, ring->head + size);
	return 1;
}

/* Step to the next record. Return: false if there is none before @end. */
static bool parley_ring_next_record(struct parley_ring *ring,
				    struct parley_cursor *at,
				    struct parley_record *rec,
				    unsigned long left)
{
	if (!left)
		return false;
	if (!at->page || at->off == PAGE_SIZE)
		parley_ring_enter(ring, at);
	memcpy(rec, parley_cursor_address(at), sizeof(*rec));
	at->off += sizeof(*rec);
	return true;
}

/**
 * parley_ring_read_record - take a record out
 * @ring: the ring; rlock is held
 * @to: where its bytes go
 * @len: how many at most; what is left of the record is dropped
 * @peek: leave it where it is
 * @rec: its length and flags are stored here
 *
 * Context: process, may fault.
 * Return: bytes copied, -EAGAIN where there is no record, -EFAULT, and the
 * record stays.
 */
long parley_ring_read_record(struct parley_ring *ring, struct iov_iter *to,
			     size_t len, bool peek, struct parley_record *rec)
{
	struct parley_cursor at = { ring->rpage, ring->roff };

	lockdep_assert_held(&ring->rlock);

	if (!parley_ring_next_record(ring, &at, rec, parley_ring_used(ring)))
		return -EAGAIN;
	len = min_t(size_t, len, rec->len);
	if (parley_ring_copy(ring, &at, len, to) < len)
		return -EFAULT;
	if (!peek)
		parley_ring_skip(ring, parley_record_size(rec->len));
	return len;
}

/**
 * parley_ring_payload - the bytes of all records together
 * @ring: the ring; rlock is held
 *
 * Context: process.
 * Return: how many can be read, without headers and padding.
 */
unsigned long parley_ring_payload(struct parley_ring *ring)
{
	struct parley_cursor at = { ring->rpage, ring->roff };
	unsigned long left = parley_ring_used(ring);
	unsigned long bytes = 0;
	struct parley_record rec;

	lockdep_assert_held(&ring->rlock);

	while (parley_ring_next_record(ring, &at, &rec, left)) {
		size_t skip = ALIGN((size_t)rec.len, sizeof(rec));

		bytes += rec.len;
		left -= parley_record_size(rec.len);
		while (skip) {
			size_t chunk;

			if (at.off == PAGE_SIZE)
				parley_ring_enter(ring, &at);
			chunk = min_t(size_t, skip, PAGE_SIZE - at.off);
			at.off += chunk;
			skip -= chunk;
		}
	}
	return bytes;
}
