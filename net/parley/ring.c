// SPDX-License-Identifier: GPL-2.0
/*
 * The bytes of one direction: a list of pages that the writer extends and the
 * reader consumes. The two never take the same lock: what one side tells the
 * other are head and tail, two counters of bytes, each stored with release by
 * its owner and loaded with acquire by the other. Knows nothing of sockets;
 * tests/ring_kunit.c tests it by itself.
 *
 * Who may touch a page: the writer the last of the list, the reader those
 * from rpage up to where head says. A page that is read to its end stays the
 * list's first until the next one is entered, since the writer may be about
 * to link that next one to it.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/uio.h>

#include "parley.h"

static struct page *parley_page_next(const struct page *page)
{
	return (struct page *)page_private(page);
}

static void parley_page_free(struct page *page)
{
	set_page_private(page, 0);
	__free_page(page);
}

/**
 * parley_ring_init - make an empty ring
 * @ring: zeroed memory
 *
 * Context: process.
 */
void parley_ring_init(struct parley_ring *ring)
{
	mutex_init(&ring->wlock);
	mutex_init(&ring->rlock);
}

/* The writer goes on to a new page. *@pages counts those allocated. */
static bool parley_ring_extend(struct parley_ring *ring, unsigned int *pages)
{
	struct page *page;

	lockdep_assert_held(&ring->wlock);

	page = xchg(&ring->spare, NULL);
	if (!page) {
		page = alloc_page(GFP_KERNEL_ACCOUNT);
		if (!page)
			return false;
		++*pages;
	}
	set_page_private(page, 0);

	/* The reader sees the link through head, which moves later. */
	if (ring->wpage)
		set_page_private(ring->wpage, (unsigned long)page);
	else
		ring->first = page;
	ring->wpage = page;
	ring->woff = 0;
	return true;
}

/**
 * parley_ring_write - append bytes
 * @ring: the ring; wlock is held
 * @from: the bytes; advanced by what was taken
 * @limit: how many unread bytes the ring may hold afterwards
 * @pages: is increased by the number of pages allocated
 *
 * Context: process, may sleep and fault.
 * Return: bytes taken, 0 where there is no space; -EFAULT or -ENOMEM if
 * nothing could be taken.
 */
long parley_ring_write(struct parley_ring *ring, struct iov_iter *from,
		       unsigned long limit, unsigned int *pages)
{
	/* Pairs with the reader's release: its pages are its no longer. */
	unsigned long used = ring->head - smp_load_acquire(&ring->tail);
	size_t want, done = 0;
	long err = 0;

	lockdep_assert_held(&ring->wlock);

	if (used >= limit)
		return 0;
	want = min_t(size_t, iov_iter_count(from), limit - used);

	while (done < want) {
		size_t chunk, copied;

		if (!ring->wpage || ring->woff == PAGE_SIZE) {
			if (!parley_ring_extend(ring, pages)) {
				err = -ENOMEM;
				break;
			}
		}
		chunk = min_t(size_t, want - done, PAGE_SIZE - ring->woff);
		copied = copy_from_iter(page_address(ring->wpage) + ring->woff,
					chunk, from);
		ring->woff += copied;
		done += copied;
		if (copied < chunk) {
			err = -EFAULT;
			break;
		}
	}

	if (!done)
		return err;
	/* Pairs with the reader's acquire: bytes and links are there. */
	smp_store_release(&ring->head, ring->head + done);
	return done;
}

/* A page is read. Keep it for the writer if it has none in reserve. */
static void parley_ring_recycle(struct parley_ring *ring, struct page *page,
				unsigned int *pages)
{
	page = xchg(&ring->spare, page);
	if (page) {
		parley_page_free(page);
		++*pages;
	}
}

/* Where the reader is, or how far a peek has come. */
struct parley_cursor {
	struct page *page;
	unsigned int off;
};

/* Step to the page with the next byte, which head says is there. */
static void parley_ring_enter(struct parley_ring *ring,
			      struct parley_cursor *at)
{
	at->page = at->page ? parley_page_next(at->page) : ring->first;
	at->off = 0;
}

/*
 * By address, not by page: before 6.5 copy_page_to_iter() hands the very page
 * to a pipe that the data is spliced into.
 */
static size_t parley_ring_copy(const struct parley_cursor *at, size_t len,
			       struct iov_iter *to)
{
	return copy_to_iter(page_address(at->page) + at->off, len, to);
}

static size_t parley_ring_avail(struct parley_ring *ring, size_t len)
{
	/* Pairs with the writer's release. */
	return min_t(size_t, len, smp_load_acquire(&ring->head) - ring->tail);
}

/* Consume up to @len bytes, into @to or, where that is NULL, into nothing. */
static long parley_ring_consume(struct parley_ring *ring, struct iov_iter *to,
				size_t len, unsigned int *pages)
{
	struct parley_cursor at = { ring->rpage, ring->roff };
	size_t want = parley_ring_avail(ring, len);
	size_t done = 0;

	lockdep_assert_held(&ring->rlock);

	while (done < want) {
		size_t chunk, copied;

		if (!at.page || at.off == PAGE_SIZE) {
			struct page *old = at.page;

			parley_ring_enter(ring, &at);
			if (old)
				parley_ring_recycle(ring, old, pages);
		}
		chunk = min_t(size_t, want - done, PAGE_SIZE - at.off);
		copied = to ? parley_ring_copy(&at, chunk, to) : chunk;
		at.off += copied;
		done += copied;
		if (copied < chunk)
			break;
	}

	ring->rpage = at.page;
	ring->roff = at.off;
	/* Pairs with the writer's acquire: the space is free. */
	smp_store_release(&ring->tail, ring->tail + done);
	return want && !done ? -EFAULT : (long)done;
}

/**
 * parley_ring_read - take bytes out
 * @ring: the ring; rlock is held
 * @to: where they go
 * @len: how many at most
 * @pages: is increased by the number of pages freed
 *
 * Context: process, may fault.
 * Return: bytes, 0 where there are none, -EFAULT if none could be copied.
 */
long parley_ring_read(struct parley_ring *ring, struct iov_iter *to,
		      size_t len, unsigned int *pages)
{
	return parley_ring_consume(ring, to, len, pages);
}

/**
 * parley_ring_skip - throw bytes away
 * @ring: the ring; rlock is held
 * @len: how many at most
 * @pages: is increased by the number of pages freed
 *
 * Context: process.
 * Return: bytes thrown away.
 */
long parley_ring_skip(struct parley_ring *ring, size_t len,
		      unsigned int *pages)
{
	return parley_ring_consume(ring, NULL, len, pages);
}

/**
 * parley_ring_peek - copy bytes and leave them where they are
 * @ring: the ring; rlock is held
 * @to: where they go
 * @len: how many at most
 *
 * Context: process, may fault.
 * Return: as parley_ring_read().
 */
long parley_ring_peek(struct parley_ring *ring, struct iov_iter *to,
		      size_t len)
{
	struct parley_cursor at = { ring->rpage, ring->roff };
	size_t want = parley_ring_avail(ring, len);
	size_t done = 0;

	lockdep_assert_held(&ring->rlock);

	while (done < want) {
		size_t chunk, copied;

		if (!at.page || at.off == PAGE_SIZE)
			parley_ring_enter(ring, &at);
		chunk = min_t(size_t, want - done, PAGE_SIZE - at.off);
		copied = parley_ring_copy(&at, chunk, to);
		at.off += copied;
		done += copied;
		if (copied < chunk)
			break;
	}
	return want && !done ? -EFAULT : (long)done;
}

/**
 * parley_ring_destroy - free every page
 * @ring: the ring; nobody else uses it, now or later
 *
 * Context: any.
 * Return: how many pages were freed.
 */
unsigned int parley_ring_destroy(struct parley_ring *ring)
{
	struct page *page = ring->rpage ?: ring->first;
	unsigned int pages = 0;

	while (page) {
		struct page *next = parley_page_next(page);

		parley_page_free(page);
		pages++;
		page = next;
	}
	if (ring->spare) {
		parley_page_free(ring->spare);
		pages++;
	}
	ring->rpage = NULL;
	ring->roff = 0;
	ring->wpage = NULL;
	ring->woff = 0;
	ring->first = NULL;
	ring->spare = NULL;
	return pages;
}

/**
 * parley_ring_finish - head is final, as soon as no write is under way
 * @ring: the ring; wdone is PARLEY_RING_CLOSING
 *
 * As with parley_ring_bury(), who ends the writing and the writer both call
 * this, and one of them succeeds.
 *
 * Context: process.
 * Return: true if wdone is PARLEY_RING_CLOSED by this.
 */
bool parley_ring_finish(struct parley_ring *ring)
{
	if (!mutex_trylock(&ring->wlock))
		return false;
	/* Pairs with the reader's acquire: it sees the last byte. */
	smp_store_release(&ring->wdone, PARLEY_RING_CLOSED);
	mutex_unlock(&ring->wlock);
	return true;
}

/**
 * parley_ring_bury - free the pages of a ring whose reader is closed
 * @ring: the ring; dead is set
 * @unread: is set to true if that threw away bytes that were never read
 *
 * Both ends call this, the reader when it closes and the writer after each
 * write that may have raced with that, so the reader never waits for a
 * writer who hangs in a page fault.
 *
 * Context: process.
 * Return: how many pages were freed, 0 if a writer is at work and will do it.
 */
unsigned int parley_ring_bury(struct parley_ring *ring, bool *unread)
{
	unsigned int pages;

	if (!mutex_trylock(&ring->wlock))
		return 0;
	pages = parley_ring_destroy(ring);
	*unread = ring->head != ring->tail;
	/* Whatever was there counts as read, so that nothing seems unsent. */
	smp_store_release(&ring->tail, ring->head);
	mutex_unlock(&ring->wlock);
	return pages;
}
