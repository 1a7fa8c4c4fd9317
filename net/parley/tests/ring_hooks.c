// SPDX-License-Identifier: GPL-2.0
/*
 * ring.c and ring_record.c, included here with their pages and their copying
 * replaced: the tests count the pages that are alive, let them run out, and
 * let a copy stop short as a page fault would. Also what all of those tests
 * begin and end with.
 */
#include <kunit/test.h>
#include <linux/gfp.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/poison.h>
#include <linux/sched/task.h>
#include <linux/uio.h>

/* Before the names below get another meaning for the rest of this file. */
#include "ring_kunit.h"

/* Pages that are allocated and not freed. */
atomic_t ring_pages;
/* How many more there are. */
atomic_t ring_page_budget;
/* How many more bytes can be copied; SIZE_MAX: no end. */
size_t ring_copy_budget;
/* The counter that is watched while bytes are copied, and where it began. */
const unsigned long *ring_watched;
unsigned long ring_watched_from;
/* Bytes copied since, and how often the counter was ahead of them. */
size_t ring_copied;
unsigned int ring_early;

static struct page *ring_alloc_page(gfp_t gfp)
{
	struct page *page;

	if (!atomic_add_unless(&ring_page_budget, -1, 0))
		return NULL;
	page = alloc_pages(gfp, 0);
	if (!page)
		return NULL;
	atomic_inc(&ring_pages);
	/* Nobody promises that a new page has no link. */
	set_page_private(page, POISON_INUSE);
	return page;
}

static void ring_free_page(struct page *page)
{
	atomic_dec(&ring_pages);
	__free_pages(page, 0);
}

static size_t ring_copy_allowed(size_t bytes)
{
	if (ring_copy_budget == SIZE_MAX)
		return bytes;
	bytes = min(bytes, ring_copy_budget);
	ring_copy_budget -= bytes;
	return bytes;
}

/* What the other side would see, were it to look in the middle of a copy. */
static size_t ring_copy_watched(size_t copied)
{
	if (!ring_watched)
		return copied;
	if (*ring_watched - ring_watched_from > ring_copied)
		ring_early++;
	ring_copied += copied;
	return copied;
}

static size_t ring_copy_from(void *addr, size_t bytes, struct iov_iter *from)
{
	bytes = ring_copy_allowed(bytes);
	return ring_copy_watched(_copy_from_iter(addr, bytes, from));
}

static size_t ring_copy_to(const void *addr, size_t bytes, struct iov_iter *to)
{
	bytes = ring_copy_allowed(bytes);
	return ring_copy_watched(_copy_to_iter(addr, bytes, to));
}

#undef alloc_page
#define alloc_page(gfp)		ring_alloc_page(gfp)
#undef __free_page
#define __free_page(page)	ring_free_page(page)
#define _copy_from_iter		ring_copy_from
#define _copy_to_iter		ring_copy_to

#include "../ring.c"
#include "../ring_record.c"

/* Repeats itself at no distance that a page or a chunk could be off by. */
u8 ring_byte(size_t pos)
{
	return ((u32)pos * 0x9e3779b1u) >> 24;
}

/* The same numbers in each run: what fails once, fails again. */
u32 ring_random(u32 *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/*
 * So many bytes will be in the ring, or could have been. By the writer: what a
 * reader has not said yet that it took still counts.
 */
void ring_attempt(struct ring_context *c, size_t more)
{
	c->peak = max(c->peak, c->written - READ_ONCE(c->consumed) + more);
}

/* Write the next @len bytes of the pattern. Return: parley_ring_write()'s. */
long ring_write(struct ring_context *c, size_t len, unsigned long limit)
{
	struct kvec vec = { .iov_base = c->out, .iov_len = len };
	struct iov_iter from;
	size_t i;
	long n;

	for (i = 0; i < len; i++)
		c->out[i] = ring_byte(c->written + i);
	iov_iter_kvec(&from, ITER_SOURCE, &vec, 1, len);
	ring_attempt(c, len);

	mutex_lock(&c->ring.wlock);
	n = parley_ring_write(&c->ring, &from, limit, &c->allocated);
	mutex_unlock(&c->ring.wlock);

	if (n > 0)
		c->written += n;
	return n;
}

/*
 * Ask for @len bytes with room for @room of them, and compare what comes with
 * the pattern. Return: as the function that @how means.
 */
long ring_take_room(struct ring_context *c, enum ring_take how,
		    size_t len, size_t room)
{
	struct kvec vec = { .iov_base = c->in, .iov_len = room };
	struct iov_iter to;
	long n, i;

	memset(c->in, RING_POISON, room);
	iov_iter_kvec(&to, ITER_DEST, &vec, 1, room);

	mutex_lock(&c->ring.rlock);
	if (how == RING_PEEK)
		n = parley_ring_peek(&c->ring, &to, len);
	else if (how == RING_SKIP)
		n = parley_ring_skip(&c->ring, len);
	else
		n = parley_ring_read(&c->ring, &to, len);
	mutex_unlock(&c->ring.rlock);

	if (how != RING_SKIP) {
		for (i = 0; i < n; i++)
			c->wrong += c->in[i] != ring_byte(c->consumed + i);
		i = max(n, 0L);
		if (memchr_inv(c->in + i, RING_POISON, room - i) ||
		    iov_iter_count(&to) != room - i)
			c->wrong++;
	}
	if (n > 0 && how != RING_PEEK)
		c->consumed += n;
	return n;
}

long ring_take(struct ring_context *c, enum ring_take how, size_t len)
{
	return ring_take_room(c, how, len, len);
}

/* As idle.c does. Return: whether the ring has no pages any more. */
bool ring_reclaim(struct ring_context *c)
{
	bool all;

	c->freed += parley_ring_reclaim(&c->ring, &all);
	if (all)
		c->peak = 0;
	return all;
}

static int ring_reclaimer_run(void *data)
{
	struct ring_reclaimer *r = data;
	bool all;

	while (!kthread_should_stop()) {
		r->freed += parley_ring_reclaim(r->ring, &all);
		WRITE_ONCE(r->rounds, r->rounds + 1);
		cond_resched();
	}
	return 0;
}

/* Returns when it is at work. */
void ring_reclaimer_start(struct kunit *test, struct ring_reclaimer *r)
{
	unsigned long end = jiffies + RING_PATIENCE;

	r->task = kthread_create(ring_reclaimer_run, r, "parley-reclaim");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, r->task);
	get_task_struct(r->task); /* put in ring_reclaimer_stop() */
	wake_up_process(r->task);
	while (!READ_ONCE(r->rounds) && time_before(jiffies, end))
		cond_resched();
}

void ring_reclaimer_stop(struct ring_reclaimer *r)
{
	kthread_stop(r->task);
	put_task_struct(r->task); /* hold in ring_reclaimer_start() */
}

/* What must be true whenever nobody is at work. */
void ring_expect_sane(struct kunit *test, struct ring_context *c)
{
	size_t used = c->written - c->consumed;

	KUNIT_EXPECT_EQ(test, c->wrong, 0);
	KUNIT_EXPECT_EQ(test, parley_ring_used(&c->ring), used);
	KUNIT_EXPECT_EQ(test, c->allocated - c->freed,
			atomic_read(&ring_pages));
	/*
	 * Pages are kept, but never more than were needed at once. Both ends
	 * may be in mid-page, or the reader at the end of a page more, which
	 * the writer has not got back.
	 */
	KUNIT_EXPECT_LE(test, atomic_read(&ring_pages),
			c->peak / PAGE_SIZE + 3);
}

void ring_expect_write(struct kunit *test, size_t len,
		       unsigned long limit, long want)
{
	struct ring_context *c = test->priv;

	KUNIT_ASSERT_LE(test, len, RING_BUFFER);
	KUNIT_EXPECT_EQ(test, ring_write(c, len, limit), want);
	ring_expect_sane(test, c);
}

void ring_expect_take(struct kunit *test, enum ring_take how, size_t len,
		      long want)
{
	struct ring_context *c = test->priv;

	KUNIT_ASSERT_LE(test, len, RING_BUFFER);
	KUNIT_EXPECT_EQ(test, ring_take(c, how, len), want);
	ring_expect_sane(test, c);
}

int ring_init(struct kunit *test)
{
	struct ring_context *c;

	atomic_set(&ring_pages, 0);
	atomic_set(&ring_page_budget, INT_MAX);
	ring_copy_budget = SIZE_MAX;
	ring_watched = NULL;

	c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	c->out = kunit_kmalloc(test, RING_BUFFER, GFP_KERNEL);
	c->in = kunit_kmalloc(test, RING_BUFFER, GFP_KERNEL);
	if (!c->out || !c->in)
		return -ENOMEM;
	parley_ring_init(&c->ring);
	test->priv = c;
	return 0;
}

/* However a test ended: each page is freed once, and is accounted for. */
void ring_exit(struct kunit *test)
{
	struct ring_context *c = test->priv;
	unsigned int pages;

	if (!c)
		return;
	ring_watched = NULL;
	pages = parley_ring_destroy(&c->ring);
	KUNIT_EXPECT_EQ(test, c->allocated, c->freed + pages);
	KUNIT_EXPECT_EQ(test, atomic_read(&ring_pages), 0);
	KUNIT_EXPECT_EQ(test, parley_ring_destroy(&c->ring), 0);
}

void ring_mix_desc(const struct ring_mix *mix, char *desc)
{
	strscpy(desc, mix->name, KUNIT_PARAM_DESC_SIZE);
}
