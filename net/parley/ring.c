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
 * to link that next one to it. Pages that were read go back to the writer, as
 * many as there are: data that flows needs no new ones. Who is idle gives
 * them back to the kernel, see parley_ring_reclaim().
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/uio.h>

#include "parley.h"

/*
 * Copies are by address and by these names: copy_page_to_iter() would hand the
 * very page to a pipe that the data is spliced into, before 6.5; and
 * copy_to_iter() would find out each time that a page is no slab object. That
 * a copy stays within its page is what the loops below are about.
 */
#define parley_copy_in(addr, len, from)	_copy_from_iter(addr, len, from)
#define parley_copy_out(addr, len, to)	_copy_to_iter(addr, len, to)

/* Held while a ring's wlock is taken to give pages back, not to write. */
static DEFINE_MUTEX(parley_ring_reclaiming);

static struct page *parley_page_next(const struct page *page)
{
	return (struct page *)page_private(page);
}

static void parley_page_link(struct page *page, struct page *next)
{
	set_page_private(page, (unsigned long)next);
}

/* Free a list. Return: how many pages it had. */
static unsigned int parley_page_free_list(struct page *page)
{
	unsigned int pages = 0;

	while (page) {
		struct page *next = parley_page_next(page);

		parley_page_link(page, NULL);
		__free_page(page);
		pages++;
		page = next;
	}
	return pages;
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

/* A page for the writer: one that was in use before, if there is one. */
static struct page *parley_ring_page(struct parley_ring *ring,
				     unsigned int *pages)
{
	struct page *page = ring->wspare;

	if (!page && READ_ONCE(ring->spare))
		page = xchg(&ring->spare, NULL);
	if (page) {
		ring->wspare = parley_page_next(page);
		return page;
	}
	page = alloc_page(GFP_KERNEL_ACCOUNT);
	if (page)
		++*pages;
	return page;
}

/**
 * parley_ring_extend - the writer goes on to another page
 * @ring: the ring; wlock is held
 * @pages: is increased if the page is a new one
 *
 * Context: process, may sleep.
 * Return: false if there is no memory.
 */
bool parley_ring_extend(struct parley_ring *ring, unsigned int *pages)
{
	struct page *page;

	lockdep_assert_held(&ring->wlock);

	page = parley_ring_page(ring, pages);
	if (!page)
		return false;
	parley_page_link(page, NULL);

	/* The reader sees the link through head, which moves later. */
	if (ring->wpage)
		parley_page_link(ring->wpage, page);
	else
		ring->first = page;
	ring->wpage = page;
	ring->woff = 0;
	return true;
}

/**
 * parley_ring_rewind - the writer takes back what the reader cannot know of
 * @ring: the ring; wlock is held
 * @to: where the writer was; head has not moved since
 *
 * Context: process.
 */
void parley_ring_rewind(struct parley_ring *ring,
			const struct parley_cursor *to)
{
	struct page **link = &ring->wspare;
	struct page *page;

	lockdep_assert_held(&ring->wlock);

	page = to->page ? parley_page_next(to->page) : ring->first;
	if (to->page)
		parley_page_link(to->page, NULL);
	else
		ring->first = NULL;
	while (page) {
		struct page *next = parley_page_next(page);

		parley_page_link(page, *link);
		*link = page;
		page = next;
	}
	ring->wpage = to->page;
	ring->woff = to->off;
}

/**
 * parley_ring_fill - copy bytes behind those that are there
 * @ring: the ring; wlock is held
 * @from: the bytes; advanced by what was copied
 * @len: how many
 * @pages: is increased by the number of new pages
 * @err: -EFAULT or -ENOMEM if that ended it
 *
 * The reader knows of nothing until head moves.
 *
 * Context: process, may sleep and fault.
 * Return: how many bytes were copied.
 */
size_t parley_ring_fill(struct parley_ring *ring, struct iov_iter *from,
			size_t len, unsigned int *pages, long *err)
{
	size_t done = 0;

	while (done < len) {
		size_t chunk, copied;

		if (!ring->wpage || ring->woff == PAGE_SIZE) {
			if (!parley_ring_extend(ring, pages)) {
				*err = -ENOMEM;
				break;
			}
		}
		chunk = min_t(size_t, len - done, PAGE_SIZE - ring->woff);
		copied = parley_copy_in(page_address(ring->wpage) + ring->woff,
					chunk, from);
		ring->woff += copied;
		done += copied;
		if (copied < chunk) {
			*err = -EFAULT;
			break;
		}
	}
	return done;
}

/**
 * parley_ring_write - append bytes
 * @ring: the ring; wlock is held
 * @from: the bytes; advanced by what was taken
 * @limit: how many unread bytes the ring may hold afterwards
 * @pages: is increased by the number of new pages
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
	size_t want, done;
	long err = 0;

	lockdep_assert_held(&ring->wlock);

	if (used >= limit)
		return 0;
	want = min_t(size_t, iov_iter_count(from), limit - used);
	done = parley_ring_fill(ring, from, want, pages, &err);
	if (!done)
		return err;
	/* Pairs with the reader's acquire: bytes and links are there. */
	smp_store_release(&ring->head, ring->head + done);
	return done;
}

/* A page is read: back to the writer, who takes them all at once. */
static void parley_ring_recycle(struct parley_ring *ring, struct page *page)
{
	struct page *next = READ_ONCE(ring->spare);

	do {
		parley_page_link(page, next);
	} while (!try_cmpxchg(&ring->spare, &next, page));
}

/**
 * parley_ring_enter - step to the page with the next byte
 * @ring: the ring; rlock is held, and head says that the byte is there
 * @at: at the end of a page
 *
 * Context: process.
 */
void parley_ring_enter(struct parley_ring *ring, struct parley_cursor *at)
{
	at->page = at->page ? parley_page_next(at->page) : ring->first;
	at->off = 0;
}

/**
 * parley_ring_copy - copy bytes and leave them where they are
 * @ring: the ring; rlock is held
 * @at: from where; advanced
 * @len: how many; head says that they are there
 * @to: where they go
 *
 * Context: process, may fault.
 * Return: how many were copied.
 */
size_t parley_ring_copy(struct parley_ring *ring, struct parley_cursor *at,
			size_t len, struct iov_iter *to)
{
	size_t done = 0;

	while (done < len) {
		size_t chunk, copied;

		if (!at->page || at->off == PAGE_SIZE)
			parley_ring_enter(ring, at);
		chunk = min_t(size_t, len - done, PAGE_SIZE - at->off);
		copied = parley_copy_out(page_address(at->page) + at->off,
					 chunk, to);
		at->off += copied;
		done += copied;
		if (copied < chunk)
			break;
	}
	return done;
}

static size_t parley_ring_avail(struct parley_ring *ring, size_t len)
{
	/* Pairs with the writer's release. */
	return min_t(size_t, len, smp_load_acquire(&ring->head) - ring->tail);
}

/*
 * Consume @want bytes that are there, into @to or, where that is NULL, into
 * nothing. Return: how many it were.
 */
static size_t parley_ring_consume(struct parley_ring *ring,
				  struct iov_iter *to, size_t want)
{
	struct parley_cursor at = { ring->rpage, ring->roff };
	size_t done = 0;

	lockdep_assert_held(&ring->rlock);

	while (done < want) {
		size_t chunk, copied;

		if (!at.page || at.off == PAGE_SIZE) {
			struct page *old = at.page;

			parley_ring_enter(ring, &at);
			if (old)
				parley_ring_recycle(ring, old);
		}
		chunk = min_t(size_t, want - done, PAGE_SIZE - at.off);
		copied = chunk;
		if (to)
			copied = parley_copy_out(page_address(at.page) + at.off,
						 chunk, to);
		at.off += copied;
		done += copied;
		if (copied < chunk)
			break;
	}

	ring->rpage = at.page;
	ring->roff = at.off;
	/* Pairs with the writer's acquire: the space is free. */
	smp_store_release(&ring->tail, ring->tail + done);
	return done;
}

/**
 * parley_ring_read - take bytes out
 * @ring: the ring; rlock is held
 * @to: where they go
 * @len: how many at most
 *
 * Context: process, may fault.
 * Return: bytes, 0 where there are none, -EFAULT if none could be copied.
 */
long parley_ring_read(struct parley_ring *ring, struct iov_iter *to,
		      size_t len)
{
	size_t want = parley_ring_avail(ring, len);
	size_t done = parley_ring_consume(ring, to, want);

	return want && !done ? -EFAULT : (long)done;
}

/**
 * parley_ring_skip - throw bytes away
 * @ring: the ring; rlock is held
 * @len: how many at most
 *
 * Context: process.
 * Return: bytes thrown away.
 */
long parley_ring_skip(struct parley_ring *ring, size_t len)
{
	return parley_ring_consume(ring, NULL, parley_ring_avail(ring, len));
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
	size_t done;

	lockdep_assert_held(&ring->rlock);

	done = parley_ring_copy(ring, &at, want, to);
	return want && !done ? -EFAULT : (long)done;
}

/* Free the pages between the two sides, who are not at work. */
static unsigned int parley_ring_free_data(struct parley_ring *ring)
{
	unsigned int pages;

	pages = parley_page_free_list(ring->rpage ?: ring->first);
	ring->rpage = NULL;
	ring->roff = 0;
	ring->wpage = NULL;
	ring->woff = 0;
	ring->first = NULL;
	return pages;
}

/* Free the pages in reserve. wlock is held, or nobody uses the ring. */
static unsigned int parley_ring_free_spare(struct parley_ring *ring)
{
	unsigned int pages;

	pages = parley_page_free_list(ring->wspare);
	ring->wspare = NULL;
	return pages + parley_page_free_list(xchg(&ring->spare, NULL));
}

/**
 * parley_ring_reclaim - give pages back that are not in use
 * @ring: the ring
 * @all: whether the ring has no pages any more
 *
 * Those in reserve go each time; the last one goes too if nothing has been
 * written since the last time and all of it was read. Called once a second or
 * so, this costs data that flows next to nothing. Who is at work is left alone.
 *
 * Context: process.
 * Return: how many pages were freed.
 */
unsigned int parley_ring_reclaim(struct parley_ring *ring, bool *all)
{
	unsigned int pages;
	bool idle;

	*all = false;
	mutex_lock(&parley_ring_reclaiming);
	if (!mutex_trylock(&ring->wlock)) {
		mutex_unlock(&parley_ring_reclaiming);
		return 0;
	}
	pages = parley_ring_free_spare(ring);
	idle = (u32)ring->head == ring->seen && !parley_ring_used(ring);
	ring->seen = ring->head;
	if (idle && mutex_trylock(&ring->rlock)) {
		pages += parley_ring_free_data(ring);
		/* A reader may have added one in between. */
		pages += parley_ring_free_spare(ring);
		*all = true;
		mutex_unlock(&ring->rlock);
	}
	mutex_unlock(&ring->wlock);
	mutex_unlock(&parley_ring_reclaiming);
	return pages;
}

/*
 * For who must not wait for a writer: one may hang in a page fault. Whoever
 * gives pages back does not. Return: false if there is a writer at work, who
 * has yet to look at what the caller of this did before.
 */
static bool parley_ring_try_writers(struct parley_ring *ring)
{
	bool locked;

	if (mutex_trylock(&ring->wlock))
		return true;
	mutex_lock(&parley_ring_reclaiming);
	locked = mutex_trylock(&ring->wlock);
	mutex_unlock(&parley_ring_reclaiming);
	return locked;
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
	return parley_ring_free_data(ring) + parley_ring_free_spare(ring);
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
	if (!parley_ring_try_writers(ring))
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

	if (!parley_ring_try_writers(ring))
		return 0;
	pages = parley_ring_destroy(ring);
	*unread = ring->head != ring->tail;
	/* Whatever was there counts as read, so that nothing seems unsent. */
	smp_store_release(&ring->tail, ring->head);
	mutex_unlock(&ring->wlock);
	return pages;
}
