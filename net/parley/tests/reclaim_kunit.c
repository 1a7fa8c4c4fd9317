// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of parley_ring_reclaim(): what it gives back and what it leaves alone,
 * and that nobody who ends a ring at the same time takes it for a writer.
 */
#include <linux/mm.h>
#include <linux/uio.h>

#include "ring_kunit.h"

static void reclaim_expect(struct kunit *test, unsigned int pages, bool all)
{
	struct ring_context *c = test->priv;
	unsigned int before = c->freed;

	KUNIT_EXPECT_EQ(test, ring_reclaim(c), all);
	KUNIT_EXPECT_EQ(test, c->freed - before, pages);
	KUNIT_EXPECT_EQ(test, c->ring.seen, (u32)c->ring.head);
	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&c->ring.wlock));
	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&c->ring.rlock));
	ring_expect_sane(test, c);
}

static void reclaim_test_new(struct kunit *test)
{
	reclaim_expect(test, 0, true);
	reclaim_expect(test, 0, true);
}

/* Once nothing was written between two looks, nothing is left. */
static void reclaim_test_idle(struct kunit *test)
{
	struct ring_context *c = test->priv;
	int i;

	for (i = 0; i < 5; i++) {
		ring_expect_write(test, 3 * PAGE_SIZE, RING_NO_LIMIT,
				  3 * PAGE_SIZE);
		ring_expect_take(test, RING_READ, RING_BUFFER, 3 * PAGE_SIZE);
		/* The two that were read to their end, then the last one. */
		reclaim_expect(test, 2, false);
		reclaim_expect(test, 1, true);
		reclaim_expect(test, 0, true);
		KUNIT_EXPECT_EQ(test, atomic_read(&ring_pages), 0);
	}
	/* In mid-page as well. */
	ring_expect_write(test, 100, RING_NO_LIMIT, 100);
	ring_expect_take(test, RING_READ, 100, 100);
	reclaim_expect(test, 0, false);
	reclaim_expect(test, 1, true);
	/* And what begins anew is complete. */
	ring_expect_take(test, RING_PEEK, 1, 0);
	ring_expect_write(test, 5000, RING_NO_LIMIT, 5000);
	ring_expect_take(test, RING_PEEK, 5000, 5000);
	ring_expect_take(test, RING_READ, 5000, 5000);
	KUNIT_EXPECT_EQ(test, c->written, c->ring.head);
}

/* What has not been read stays, however long that is. */
static void reclaim_test_unread(struct kunit *test)
{
	int i;

	ring_expect_write(test, 3 * PAGE_SIZE, RING_NO_LIMIT, 3 * PAGE_SIZE);
	for (i = 0; i < 3; i++)
		reclaim_expect(test, 0, false);
	ring_expect_take(test, RING_READ, 3 * PAGE_SIZE - 1, 3 * PAGE_SIZE - 1);
	/* What was read of it is given back, but for the page of the rest. */
	reclaim_expect(test, 2, false);
	reclaim_expect(test, 0, false);
	ring_expect_take(test, RING_READ, 2, 1);
	/* It is the writes that count. */
	reclaim_expect(test, 1, true);
}

/* A pair in use keeps its page, and gives back what it does not need. */
static void reclaim_test_in_use(struct kunit *test)
{
	struct ring_context *c = test->priv;
	int i;

	ring_expect_write(test, 100, RING_NO_LIMIT, 100);
	ring_expect_take(test, RING_READ, 100, 100);
	for (i = 0; i < 10; i++) {
		reclaim_expect(test, 0, false);
		ring_expect_write(test, 100, RING_NO_LIMIT, 100);
		ring_expect_take(test, RING_READ, 100, 100);
	}
	KUNIT_EXPECT_EQ(test, c->allocated, 1);
	ring_expect_write(test, 8 * PAGE_SIZE, RING_NO_LIMIT, 8 * PAGE_SIZE);
	ring_expect_take(test, RING_READ, 6 * PAGE_SIZE, 6 * PAGE_SIZE);
	reclaim_expect(test, 6, false);
	ring_expect_take(test, RING_READ, RING_BUFFER, 2 * PAGE_SIZE);
}

/* Those that a failed write left count as in reserve, or as the last one. */
static void reclaim_test_fault(struct kunit *test)
{
	ring_copy_budget = 0;
	ring_expect_write(test, 10, RING_NO_LIMIT, -EFAULT);
	reclaim_expect(test, 1, true);
	ring_copy_budget = SIZE_MAX;
	ring_expect_write(test, 10, RING_NO_LIMIT, 10);
	ring_expect_take(test, RING_READ, 10, 10);
}

/* A writer at work, perhaps hanging in a page fault, is left alone. */
static void reclaim_test_busy_writer(struct kunit *test)
{
	struct ring_context *c = test->priv;
	unsigned int pages;
	bool all = true;

	ring_expect_write(test, 3 * PAGE_SIZE, RING_NO_LIMIT, 3 * PAGE_SIZE);
	ring_expect_take(test, RING_READ, RING_BUFFER, 3 * PAGE_SIZE);
	reclaim_expect(test, 2, false);
	mutex_lock(&c->ring.wlock);
	pages = parley_ring_reclaim(&c->ring, &all);
	mutex_unlock(&c->ring.wlock);
	KUNIT_EXPECT_EQ(test, pages, 0);
	KUNIT_EXPECT_FALSE(test, all);
	ring_expect_sane(test, c);
	reclaim_expect(test, 1, true);
}

/* So is a reader, but for what it has no use for. */
static void reclaim_test_busy_reader(struct kunit *test)
{
	struct ring_context *c = test->priv;
	unsigned int pages;
	bool all = true;

	ring_expect_write(test, 3 * PAGE_SIZE, RING_NO_LIMIT, 3 * PAGE_SIZE);
	c->ring.seen = c->ring.head;
	ring_expect_take(test, RING_READ, RING_BUFFER, 3 * PAGE_SIZE);
	mutex_lock(&c->ring.rlock);
	pages = parley_ring_reclaim(&c->ring, &all);
	mutex_unlock(&c->ring.rlock);
	c->freed += pages;
	KUNIT_EXPECT_EQ(test, pages, 2);
	KUNIT_EXPECT_FALSE(test, all);
	ring_expect_sane(test, c);
	reclaim_expect(test, 1, true);
}

/* What has ended, or is buried, has nothing that could be given back twice. */
static void reclaim_test_ended(struct kunit *test)
{
	struct ring_context *c = test->priv;
	bool unread = false;

	ring_expect_write(test, 2 * PAGE_SIZE, RING_NO_LIMIT, 2 * PAGE_SIZE);
	ring_expect_take(test, RING_READ, PAGE_SIZE + 1, PAGE_SIZE + 1);
	WRITE_ONCE(c->ring.wdone, PARLEY_RING_CLOSING);
	KUNIT_EXPECT_TRUE(test, parley_ring_finish(&c->ring));
	reclaim_expect(test, 1, false);
	WRITE_ONCE(c->ring.dead, 1);
	c->freed += parley_ring_bury(&c->ring, &unread);
	c->consumed = c->written;
	KUNIT_EXPECT_TRUE(test, unread);
	reclaim_expect(test, 0, true);
	KUNIT_EXPECT_EQ(test, atomic_read(&ring_pages), 0);
}

/* Across the wrap of the counters, equal is still equal. */
static void reclaim_test_counters_wrap(struct kunit *test)
{
	struct ring_context *c = test->priv;
	int i;

	c->ring.head = ULONG_MAX - 99;
	c->ring.tail = ULONG_MAX - 99;
	for (i = 0; i < 3; i++) {
		ring_expect_write(test, 100, RING_NO_LIMIT, 100);
		ring_expect_take(test, RING_READ, 100, 100);
	}
	KUNIT_EXPECT_EQ(test, c->ring.head, 200);
	reclaim_expect(test, 0, false);
	reclaim_expect(test, 1, true);
}

/* Whatever is taken away under a writer and a reader, no byte is. */
static void reclaim_test_race_data(struct kunit *test)
{
	struct ring_context *c = test->priv;
	struct ring_reclaimer r = { .ring = &c->ring };
	u32 seed = 3;
	int i;

	ring_reclaimer_start(test, &r);
	for (i = 0; i < 30000 && !c->wrong; i++) {
		size_t len = ring_random(&seed) % 9000 + 1;
		long in, out;

		in = ring_write(c, len, RING_NO_LIMIT);
		out = ring_take(c, RING_READ, RING_BUFFER);
		if (in != len || out != len)
			break;
		if (i % 64 == 0)
			cond_resched();
	}
	ring_reclaimer_stop(&r);
	c->freed += r.freed;
	KUNIT_EXPECT_EQ(test, i, 30000);
	KUNIT_EXPECT_GT(test, r.freed, 0);
	c->peak = RING_BUFFER;
	ring_expect_sane(test, c);
	kunit_info(test, "%u looks, %u pages\n", r.rounds, r.freed);
}

static void reclaim_race_put(struct parley_ring *ring, struct ring_context *c)
{
	struct kvec vec = { .iov_base = c->out, .iov_len = 3 * PAGE_SIZE };
	struct iov_iter from;

	iov_iter_kvec(&from, ITER_SOURCE, &vec, 1, vec.iov_len);
	mutex_lock(&ring->wlock);
	parley_ring_write(ring, &from, RING_NO_LIMIT, &c->allocated);
	mutex_unlock(&ring->wlock);
}

/*
 * Nobody writes, so who ends the writing, or frees what a closed reader has
 * left, must succeed at the first attempt: there is nobody who would look
 * after it, for who gives pages back does not.
 */
static void reclaim_test_race_end(struct kunit *test)
{
	struct ring_context *c = test->priv;
	struct ring_reclaimer r = { .ring = &c->ring };
	unsigned int late = 0, kept = 0, missed = 0;
	int i;

	ring_reclaimer_start(test, &r);
	for (i = 0; i < 20000; i++) {
		unsigned int pages;
		bool unread = false;

		WRITE_ONCE(c->ring.wdone, PARLEY_RING_CLOSING);
		smp_mb(); /* as in parley_local_check_end() */
		late += !parley_ring_finish(&c->ring);
		WRITE_ONCE(c->ring.wdone, PARLEY_RING_OPEN);

		reclaim_race_put(&c->ring, c);
		pages = parley_ring_bury(&c->ring, &unread);
		c->freed += pages;
		/* None was in reserve, none was read: no others to be freed. */
		kept += pages != 3;
		missed += !unread;
		if (i % 64 == 0)
			cond_resched();
	}
	ring_reclaimer_stop(&r);
	c->freed += r.freed;
	KUNIT_EXPECT_EQ(test, late, 0);
	KUNIT_EXPECT_EQ(test, kept, 0);
	KUNIT_EXPECT_EQ(test, missed, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&ring_pages), 0);
	kunit_info(test, "%u looks\n", r.rounds);
}

static struct kunit_case reclaim_cases[] = {
	KUNIT_CASE(reclaim_test_new),
	KUNIT_CASE(reclaim_test_idle),
	KUNIT_CASE(reclaim_test_unread),
	KUNIT_CASE(reclaim_test_in_use),
	KUNIT_CASE(reclaim_test_fault),
	KUNIT_CASE(reclaim_test_busy_writer),
	KUNIT_CASE(reclaim_test_busy_reader),
	KUNIT_CASE(reclaim_test_ended),
	KUNIT_CASE(reclaim_test_counters_wrap),
	KUNIT_CASE(reclaim_test_race_data),
	KUNIT_CASE(reclaim_test_race_end),
	{}
};

static struct kunit_suite reclaim_suite = {
	.name = "parley-reclaim",
	.init = ring_init,
	.exit = ring_exit,
	.test_cases = reclaim_cases,
};

kunit_test_suite(reclaim_suite);
