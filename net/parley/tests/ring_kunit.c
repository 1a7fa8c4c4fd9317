// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of ring.c with one thing happening at a time.
 */
#include <linux/mm.h>
#include <linux/uio.h>

#include "ring_kunit.h"

static void ring_test_empty(struct kunit *test)
{
	struct ring_context *c = test->priv;

	ring_expect_take(test, RING_READ, 100, 0);
	ring_expect_take(test, RING_PEEK, 100, 0);
	ring_expect_take(test, RING_SKIP, 100, 0);
	ring_expect_take(test, RING_READ, 0, 0);
	ring_expect_write(test, 0, RING_NO_LIMIT, 0);
	KUNIT_EXPECT_EQ(test, c->allocated, 0);
	KUNIT_EXPECT_EQ(test, c->freed, 0);

	/* Empty again is as empty as new, but for the page. */
	ring_expect_write(test, 10, RING_NO_LIMIT, 10);
	ring_expect_take(test, RING_READ, 100, 10);
	ring_expect_take(test, RING_READ, 100, 0);
	ring_expect_take(test, RING_PEEK, 100, 0);
	ring_expect_take(test, RING_SKIP, 100, 0);
	KUNIT_EXPECT_EQ(test, c->allocated, 1);
}

static const size_t ring_sizes[] = {
	1, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1,
	2 * PAGE_SIZE - 1, 2 * PAGE_SIZE, 2 * PAGE_SIZE + 1, 15 * PAGE_SIZE,
};

static void ring_size_desc(const size_t *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%zu bytes", *size);
}

KUNIT_ARRAY_PARAM(ring_size, ring_sizes, ring_size_desc);

/* Sizes that end at, before and behind the end of a page. */
static void ring_test_boundary(struct kunit *test)
{
	const size_t size = *(const size_t *)test->param_value;
	struct ring_context *c = test->priv;
	int round;

	ring_expect_write(test, size, RING_NO_LIMIT, size);
	KUNIT_EXPECT_EQ(test, c->allocated, DIV_ROUND_UP(size, PAGE_SIZE));
	ring_expect_take(test, RING_READ, size, size);
	ring_expect_take(test, RING_READ, 1, 0);

	/* From wherever the round before ended. */
	for (round = 0; round < 4; round++) {
		ring_expect_write(test, size, RING_NO_LIMIT, size);
		ring_expect_take(test, RING_READ, size - 1, size - 1);
		ring_expect_write(test, 1, RING_NO_LIMIT, 1);
		ring_expect_take(test, RING_READ, RING_BUFFER, 2);
		ring_expect_take(test, RING_READ, size, 0);
	}
}

static void ring_test_wrap(struct kunit *test)
{
	struct ring_context *c = test->priv;
	int i;

	/* One writer's chunk after the other, then all of them in one. */
	for (i = 0; i < 100; i++)
		ring_expect_write(test, 500, RING_NO_LIMIT, 500);
	ring_expect_take(test, RING_READ, RING_BUFFER, 50000);
	/* And the other way round. */
	ring_expect_write(test, RING_BUFFER, RING_NO_LIMIT, RING_BUFFER);
	while (c->consumed + 300 <= c->written)
		ring_expect_take(test, RING_READ, 300, 300);
	ring_expect_take(test, RING_READ, 300, c->written - c->consumed);
}

static void ring_test_full(struct kunit *test)
{
	const unsigned long limit = 10000;

	ring_expect_write(test, 6000, limit, 6000);
	ring_expect_write(test, 6000, limit, 4000);
	ring_expect_write(test, 6000, limit, 0);
	ring_expect_write(test, 0, limit, 0);
	/* One byte of space is one byte of space. */
	ring_expect_take(test, RING_READ, 1, 1);
	ring_expect_write(test, 6000, limit, 1);
	ring_expect_write(test, 1, limit, 0);
	/* A peek makes none. */
	ring_expect_take(test, RING_PEEK, 5000, 5000);
	ring_expect_write(test, 1, limit, 0);
	ring_expect_take(test, RING_SKIP, 5000, 5000);
	ring_expect_write(test, 6000, limit, 5000);
	ring_expect_take(test, RING_READ, RING_BUFFER, 10000);
}

/* SO_SNDBUF and SO_RCVBUF may shrink at any time, below what is there too. */
static void ring_test_limit_shrinks(struct kunit *test)
{
	ring_expect_write(test, 20000, 20000, 20000);
	ring_expect_write(test, 100, 8000, 0);
	ring_expect_write(test, 100, 0, 0);
	ring_expect_take(test, RING_READ, 12000, 12000);
	ring_expect_write(test, 100, 8000, 0);
	ring_expect_take(test, RING_READ, 40, 40);
	ring_expect_write(test, 100, 8000, 40);
	ring_expect_write(test, 100, 8001, 1);
	ring_expect_write(test, 100, RING_NO_LIMIT, 100);
	ring_expect_take(test, RING_READ, RING_BUFFER, 8101);
}

static void ring_test_writable(struct kunit *test)
{
	struct ring_context *c = test->priv;

	KUNIT_EXPECT_TRUE(test, parley_ring_writable(&c->ring, 1));
	KUNIT_EXPECT_FALSE(test, parley_ring_writable(&c->ring, 0));

	ring_expect_write(test, 1, 9000, 1);
	KUNIT_EXPECT_FALSE(test, parley_ring_writable(&c->ring, 0));
	KUNIT_EXPECT_FALSE(test, parley_ring_writable(&c->ring, 1));
	KUNIT_EXPECT_TRUE(test, parley_ring_writable(&c->ring, 2));
	ring_expect_write(test, 5999, 9000, 5999);
	KUNIT_EXPECT_TRUE(test, parley_ring_writable(&c->ring, 9000));
	ring_expect_write(test, 1, 9000, 1);
	KUNIT_EXPECT_FALSE(test, parley_ring_writable(&c->ring, 9000));
	ring_expect_take(test, RING_SKIP, 1, 1);
	KUNIT_EXPECT_TRUE(test, parley_ring_writable(&c->ring, 9000));
	/* Below what is there, free space must not become a huge number. */
	KUNIT_EXPECT_FALSE(test, parley_ring_writable(&c->ring, 5999));
	KUNIT_EXPECT_FALSE(test, parley_ring_writable(&c->ring, 6000));
}

static void ring_test_peek(struct kunit *test)
{
	struct ring_context *c = test->priv;
	const size_t used = 3 * PAGE_SIZE + 100;
	unsigned int freed;

	/* Both ends in mid-page. */
	ring_expect_write(test, 1000, RING_NO_LIMIT, 1000);
	ring_expect_take(test, RING_READ, 1000, 1000);
	ring_expect_write(test, used, RING_NO_LIMIT, used);
	ring_expect_take(test, RING_PEEK, 1, 1);
	ring_expect_take(test, RING_PEEK, PAGE_SIZE - 1000, PAGE_SIZE - 1000);
	ring_expect_take(test, RING_PEEK, PAGE_SIZE - 999, PAGE_SIZE - 999);
	ring_expect_take(test, RING_PEEK, RING_BUFFER, used);
	ring_expect_take(test, RING_PEEK, RING_BUFFER, used);
	KUNIT_EXPECT_EQ(test, c->freed, 0);

	/* At the end of a page, before the reader has entered the next. */
	ring_expect_take(test, RING_READ, PAGE_SIZE - 1000, PAGE_SIZE - 1000);
	freed = c->freed;
	ring_expect_take(test, RING_PEEK, 1, 1);
	ring_expect_take(test, RING_PEEK, 2 * PAGE_SIZE, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, c->freed, freed);
	ring_expect_take(test, RING_READ, RING_BUFFER, 2 * PAGE_SIZE + 1100);
	ring_expect_take(test, RING_PEEK, RING_BUFFER, 0);
}

static void ring_test_skip(struct kunit *test)
{
	ring_expect_write(test, 5 * PAGE_SIZE, RING_NO_LIMIT, 5 * PAGE_SIZE);
	ring_expect_take(test, RING_SKIP, 0, 0);
	ring_expect_take(test, RING_SKIP, 10, 10);
	ring_expect_take(test, RING_READ, 10, 10);
	ring_expect_take(test, RING_SKIP, PAGE_SIZE, PAGE_SIZE);
	ring_expect_take(test, RING_READ, 10, 10);
	/* To the end of a page, and one byte into the next. */
	ring_expect_take(test, RING_SKIP, PAGE_SIZE - 30, PAGE_SIZE - 30);
	ring_expect_take(test, RING_PEEK, 10, 10);
	ring_expect_take(test, RING_SKIP, 1, 1);
	ring_expect_take(test, RING_READ, 10, 10);
	ring_expect_take(test, RING_SKIP, RING_BUFFER, 3 * PAGE_SIZE - 11);
	ring_expect_write(test, 10, RING_NO_LIMIT, 10);
	ring_expect_take(test, RING_READ, 10, 10);
}

/* More is asked for than there is room: what does not fit stays. */
static void ring_test_short_room(struct kunit *test)
{
	struct ring_context *c = test->priv;
	const size_t room = PAGE_SIZE + 7;
	int i;

	ring_expect_write(test, 4 * PAGE_SIZE, RING_NO_LIMIT, 4 * PAGE_SIZE);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, ring_take_room(c, RING_PEEK, RING_BUFFER,
						     room), room);
		ring_expect_sane(test, c);
		KUNIT_EXPECT_EQ(test, ring_take_room(c, RING_READ, RING_BUFFER,
						     room), room);
		ring_expect_sane(test, c);
	}
	ring_expect_take(test, RING_READ, RING_BUFFER, PAGE_SIZE - 21);
}

static void ring_watch(const unsigned long *counter)
{
	ring_watched = counter;
	ring_watched_from = *counter;
	ring_copied = 0;
	ring_early = 0;
}

/*
 * A counter says that bytes can be read, or space be used, and must say so
 * only once they have been copied: races rarely show that it did too early.
 */
static void ring_test_order(struct kunit *test)
{
	struct ring_context *c = test->priv;

	ring_expect_write(test, 100, RING_NO_LIMIT, 100);
	ring_watch(&c->ring.head);
	ring_expect_write(test, 5 * PAGE_SIZE, RING_NO_LIMIT, 5 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, ring_copied, 5 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, ring_early, 0);

	ring_watch(&c->ring.tail);
	ring_expect_take(test, RING_PEEK, 3 * PAGE_SIZE, 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, ring_early, 0);

	ring_watch(&c->ring.tail);
	ring_expect_take(test, RING_READ, 3 * PAGE_SIZE, 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, ring_copied, 3 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, ring_early, 0);
}

static const size_t ring_faults[] = {
	0, 1, PAGE_SIZE - 101, PAGE_SIZE - 100, PAGE_SIZE - 99, 2 * PAGE_SIZE,
};

KUNIT_ARRAY_PARAM(ring_fault, ring_faults, ring_size_desc);

/* The writer's memory ends after some bytes: those are in, no others. */
static void ring_test_write_fault(struct kunit *test)
{
	const size_t good = *(const size_t *)test->param_value;

	ring_expect_write(test, 100, RING_NO_LIMIT, 100);
	ring_copy_budget = good;
	ring_expect_write(test, 3 * PAGE_SIZE, RING_NO_LIMIT,
			  good ?: -EFAULT);
	ring_expect_write(test, 3 * PAGE_SIZE, RING_NO_LIMIT, -EFAULT);

	ring_copy_budget = SIZE_MAX;
	ring_expect_take(test, RING_PEEK, RING_BUFFER, 100 + good);
	ring_expect_write(test, 2 * PAGE_SIZE, RING_NO_LIMIT, 2 * PAGE_SIZE);
	ring_expect_take(test, RING_READ, 100 + good, 100 + good);
	ring_expect_take(test, RING_READ, RING_BUFFER, 2 * PAGE_SIZE);
}

/* A fault at the very first byte leaves a page without bytes at the end. */
static void ring_test_write_fault_fresh(struct kunit *test)
{
	ring_copy_budget = 0;
	ring_expect_write(test, 10, RING_NO_LIMIT, -EFAULT);
	ring_expect_take(test, RING_PEEK, 10, 0);
	ring_expect_take(test, RING_SKIP, 10, 0);
	ring_copy_budget = PAGE_SIZE;
	ring_expect_write(test, PAGE_SIZE + 1, RING_NO_LIMIT, PAGE_SIZE);
	ring_copy_budget = SIZE_MAX;
	/* The reader comes to the end of the last page that has bytes. */
	ring_expect_take(test, RING_READ, RING_BUFFER, PAGE_SIZE);
	ring_expect_take(test, RING_READ, RING_BUFFER, 0);
	ring_expect_write(test, 10, RING_NO_LIMIT, 10);
	ring_expect_take(test, RING_READ, RING_BUFFER, 10);
}

/* The reader's memory ends after some bytes: no other is consumed. */
static void ring_test_read_fault(struct kunit *test)
{
	const size_t good = *(const size_t *)test->param_value;

	/* From where the faults of the table are at a page's end, too. */
	ring_expect_write(test, 100, RING_NO_LIMIT, 100);
	ring_expect_take(test, RING_READ, 100, 100);
	ring_expect_write(test, 3 * PAGE_SIZE, RING_NO_LIMIT, 3 * PAGE_SIZE);
	ring_copy_budget = good;
	ring_expect_take(test, RING_PEEK, RING_BUFFER, good ?: -EFAULT);
	ring_expect_take(test, RING_PEEK, RING_BUFFER, -EFAULT);
	ring_copy_budget = good;
	ring_expect_take(test, RING_READ, RING_BUFFER, good ?: -EFAULT);
	ring_expect_take(test, RING_READ, RING_BUFFER, -EFAULT);
	/* To throw bytes away, no memory is touched. */
	ring_expect_take(test, RING_SKIP, 10, 10);

	ring_copy_budget = SIZE_MAX;
	ring_expect_take(test, RING_READ, RING_BUFFER,
			 3 * PAGE_SIZE - good - 10);
}

static const int ring_budgets[] = { 0, 1, 3 };

static void ring_budget_desc(const int *pages, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%d pages", *pages);
}

KUNIT_ARRAY_PARAM(ring_budget, ring_budgets, ring_budget_desc);

static void ring_test_no_memory(struct kunit *test)
{
	const int budget = *(const int *)test->param_value;
	const long fits = budget * PAGE_SIZE;

	atomic_set(&ring_page_budget, budget);
	ring_expect_write(test, 5 * PAGE_SIZE, RING_NO_LIMIT, fits ?: -ENOMEM);
	ring_expect_write(test, 1, RING_NO_LIMIT, -ENOMEM);
	/* No page, but also no need of one. */
	ring_expect_write(test, 1, fits, 0);

	atomic_set(&ring_page_budget, INT_MAX);
	ring_expect_write(test, PAGE_SIZE, RING_NO_LIMIT, PAGE_SIZE);
	ring_expect_take(test, RING_READ, RING_BUFFER, fits + PAGE_SIZE);
}

/* Pages that are read to their ends come back to the writer, all of them. */
static void ring_test_spare(struct kunit *test)
{
	struct ring_context *c = test->priv;
	int i;

	for (i = 0; i < 50; i++) {
		ring_expect_write(test, PAGE_SIZE, RING_NO_LIMIT, PAGE_SIZE);
		ring_expect_take(test, RING_READ, PAGE_SIZE, PAGE_SIZE);
	}
	KUNIT_EXPECT_EQ(test, c->allocated, 2);
	KUNIT_EXPECT_EQ(test, c->freed, 0);

	/* With pages on the reader's as well as on the writer's side. */
	for (i = 0; i < 50; i++) {
		ring_expect_write(test, 700, RING_NO_LIMIT, 700);
		ring_expect_take(test, RING_READ, 700, 700);
	}
	KUNIT_EXPECT_EQ(test, c->allocated, 2);

	/* What is in reserve serves where there is nothing to be had. */
	ring_expect_write(test, 8 * PAGE_SIZE, RING_NO_LIMIT, 8 * PAGE_SIZE);
	ring_expect_take(test, RING_SKIP, RING_BUFFER, 8 * PAGE_SIZE);
	atomic_set(&ring_page_budget, 0);
	for (i = 0; i < 50; i++) {
		ring_expect_write(test, 8 * PAGE_SIZE, RING_NO_LIMIT,
				  8 * PAGE_SIZE);
		ring_expect_take(test, RING_READ, 5 * PAGE_SIZE, 5 * PAGE_SIZE);
		/* Those that came back are taken before all have. */
		ring_expect_write(test, 4 * PAGE_SIZE, RING_NO_LIMIT,
				  4 * PAGE_SIZE);
		ring_expect_take(test, RING_READ, RING_BUFFER, 7 * PAGE_SIZE);
	}
	KUNIT_EXPECT_EQ(test, c->freed, 0);
}

static void ring_expect_buried(struct kunit *test, unsigned int pages)
{
	struct ring_context *c = test->priv;
	bool unread = false;

	KUNIT_EXPECT_EQ(test, atomic_read(&ring_pages), pages);
	KUNIT_EXPECT_EQ(test, parley_ring_bury(&c->ring, &unread), pages);
	KUNIT_EXPECT_EQ(test, unread, c->consumed != c->written);
	c->freed += pages;
	/* What nobody will read any more does not count as unsent. */
	c->consumed = c->written;
	ring_expect_sane(test, c);
	KUNIT_EXPECT_EQ(test, atomic_read(&ring_pages), 0);
	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&c->ring.wlock));
}

static void ring_test_bury(struct kunit *test)
{
	struct ring_context *c = test->priv;

	ring_expect_buried(test, 0);
	ring_expect_write(test, 3 * PAGE_SIZE, RING_NO_LIMIT, 3 * PAGE_SIZE);
	ring_expect_buried(test, 3);
	ring_expect_buried(test, 0);

	/*
	 * A writer that did not see it coming writes once more and buries
	 * that itself.
	 */
	ring_expect_write(test, 3 * PAGE_SIZE, RING_NO_LIMIT, 3 * PAGE_SIZE);
	ring_expect_buried(test, 3);

	/* The reader has taken a page off the list, into reserve. */
	ring_expect_write(test, 3 * PAGE_SIZE, RING_NO_LIMIT, 3 * PAGE_SIZE);
	ring_expect_take(test, RING_READ, PAGE_SIZE + 10, PAGE_SIZE + 10);
	KUNIT_EXPECT_NOT_NULL(test, c->ring.spare);
	ring_expect_buried(test, 3);
	KUNIT_EXPECT_NULL(test, c->ring.spare);
}

/* A writer may hang in a page fault: whoever closes must not wait for it. */
static void ring_test_bury_busy(struct kunit *test)
{
	struct ring_context *c = test->priv;
	unsigned int pages;
	bool unread = false;

	ring_expect_write(test, 3 * PAGE_SIZE, RING_NO_LIMIT, 3 * PAGE_SIZE);
	ring_expect_take(test, RING_READ, 10, 10);
	mutex_lock(&c->ring.wlock);
	pages = parley_ring_bury(&c->ring, &unread);
	mutex_unlock(&c->ring.wlock);
	KUNIT_EXPECT_EQ(test, pages, 0);
	KUNIT_EXPECT_FALSE(test, unread);
	ring_expect_sane(test, c);
	ring_expect_buried(test, 3);
}

/* No more bytes come once a ring is closed; those that came stay. */
static void ring_test_finish(struct kunit *test)
{
	struct ring_context *c = test->priv;
	bool finished;

	ring_expect_write(test, 100, RING_NO_LIMIT, 100);
	WRITE_ONCE(c->ring.wdone, PARLEY_RING_CLOSING);

	/* Not as long as a write may be under way, and without waiting. */
	mutex_lock(&c->ring.wlock);
	finished = parley_ring_finish(&c->ring);
	mutex_unlock(&c->ring.wlock);
	KUNIT_EXPECT_FALSE(test, finished);
	KUNIT_EXPECT_EQ(test, c->ring.wdone, PARLEY_RING_CLOSING);

	KUNIT_EXPECT_TRUE(test, parley_ring_finish(&c->ring));
	KUNIT_EXPECT_EQ(test, c->ring.wdone, PARLEY_RING_CLOSED);
	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&c->ring.wlock));
	ring_expect_take(test, RING_READ, 200, 100);
}

/* The counters wrap on 32 bits after 4 GiB; only differences may matter. */
static void ring_test_counters_wrap(struct kunit *test)
{
	const unsigned long start = ULONG_MAX - PAGE_SIZE - 10;
	struct ring_context *c = test->priv;
	const unsigned long limit = 9000;

	c->ring.head = start;
	c->ring.tail = start;
	KUNIT_EXPECT_TRUE(test, parley_ring_writable(&c->ring, limit));
	ring_expect_take(test, RING_READ, 10, 0);

	ring_expect_write(test, 6000, limit, 6000);
	KUNIT_ASSERT_LT(test, c->ring.head, c->ring.tail);
	KUNIT_EXPECT_TRUE(test, parley_ring_writable(&c->ring, limit));
	ring_expect_write(test, 6000, limit, 3000);
	KUNIT_EXPECT_FALSE(test, parley_ring_writable(&c->ring, limit));
	ring_expect_write(test, 6000, limit, 0);
	ring_expect_take(test, RING_PEEK, RING_BUFFER, 9000);
	ring_expect_take(test, RING_READ, 4000, 4000);
	ring_expect_write(test, 6000, limit, 4000);
	ring_expect_take(test, RING_SKIP, 1000, 1000);
	ring_expect_take(test, RING_READ, RING_BUFFER, 8000);
	KUNIT_EXPECT_EQ(test, c->ring.tail, start + 13000);
}

/* A burial while the two counters are on different sides. */
static void ring_test_counters_wrap_bury(struct kunit *test)
{
	struct ring_context *c = test->priv;

	c->ring.head = ULONG_MAX - 9;
	c->ring.tail = ULONG_MAX - 9;
	ring_expect_write(test, 20, RING_NO_LIMIT, 20);
	ring_expect_buried(test, 1);
	KUNIT_EXPECT_EQ(test, c->ring.tail, 10);
}

static const struct ring_mix ring_mixes[] = {
	{ "bytes", 7, 10, 8 * 1024 },
	{ "lines", 300, PAGE_SIZE, 128 * 1024 },
	{ "pages", 2 * PAGE_SIZE, 5 * PAGE_SIZE, 1024 * 1024 },
	{ "many pages", RING_BUFFER, 40 * PAGE_SIZE, 4096 * 1024 },
};

KUNIT_ARRAY_PARAM(ring_mix, ring_mixes, ring_mix_desc);

static void ring_test_random(struct kunit *test)
{
	static const enum ring_take how[] = {
		RING_READ, RING_PEEK, RING_READ, RING_SKIP,
	};
	const struct ring_mix *mix = test->param_value;
	struct ring_context *c = test->priv;
	u32 seed = mix->chunk;

	while (c->consumed < mix->total && !c->wrong) {
		unsigned long limit = ring_random(&seed) % mix->limit + 1;
		size_t len = ring_random(&seed) % mix->chunk + 1;
		size_t used = c->written - c->consumed;

		ring_expect_write(test, len, limit,
				  used < limit ? min(len, limit - used) : 0);
		len = ring_random(&seed) % mix->chunk + 1;
		used = c->written - c->consumed;
		ring_expect_take(test, how[ring_random(&seed) % 4], len,
				 min(len, used));
	}
	KUNIT_EXPECT_EQ(test, c->wrong, 0);
}

static struct kunit_case ring_cases[] = {
	KUNIT_CASE(ring_test_empty),
	KUNIT_CASE_PARAM(ring_test_boundary, ring_size_gen_params),
	KUNIT_CASE(ring_test_wrap),
	KUNIT_CASE(ring_test_full),
	KUNIT_CASE(ring_test_limit_shrinks),
	KUNIT_CASE(ring_test_writable),
	KUNIT_CASE(ring_test_peek),
	KUNIT_CASE(ring_test_skip),
	KUNIT_CASE(ring_test_short_room),
	KUNIT_CASE(ring_test_order),
	KUNIT_CASE_PARAM(ring_test_write_fault, ring_fault_gen_params),
	KUNIT_CASE(ring_test_write_fault_fresh),
	KUNIT_CASE_PARAM(ring_test_read_fault, ring_fault_gen_params),
	KUNIT_CASE_PARAM(ring_test_no_memory, ring_budget_gen_params),
	KUNIT_CASE(ring_test_spare),
	KUNIT_CASE(ring_test_bury),
	KUNIT_CASE(ring_test_bury_busy),
	KUNIT_CASE(ring_test_finish),
	KUNIT_CASE(ring_test_counters_wrap),
	KUNIT_CASE(ring_test_counters_wrap_bury),
	KUNIT_CASE_PARAM(ring_test_random, ring_mix_gen_params),
	{}
};

static struct kunit_suite ring_suite = {
	.name = "parley-ring",
	.init = ring_init,
	.exit = ring_exit,
	.test_cases = ring_cases,
};

kunit_test_suite(ring_suite);
