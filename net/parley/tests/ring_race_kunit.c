// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of ring.c with a writer and a reader, or a writer and somebody who
 * ends it, at work at the same time.
 */
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/task.h>
#include <linux/uio.h>
#include <linux/wait.h>

#include "ring_kunit.h"

/**
 * struct ring_stream - a writer and a reader at the same time
 * @c: the ring
 * @mix: what is written
 * @wait: each waits for the other here
 */
struct ring_stream {
	struct ring_context *c;
	const struct ring_mix *mix;
	wait_queue_head_t wait;
};

static const struct ring_mix ring_streams[] = {
	{ "hardly any space", 64, 10, 4 * 1024 },
	{ "less than a page", 500, 1000, 128 * 1024 },
	{ "a page", 2 * PAGE_SIZE, PAGE_SIZE, 4096 * 1024 },
	{ "many pages", RING_BUFFER, 50 * PAGE_SIZE, 4096 * 1024 },
};

KUNIT_ARRAY_PARAM(ring_stream, ring_streams, ring_mix_desc);

static bool ring_stream_may_write(struct ring_stream *s)
{
	return parley_ring_writable(&s->c->ring, s->mix->limit) ||
	       kthread_should_stop();
}

/* Until everything is written, or the test wants no more. */
static int ring_stream_write(void *data)
{
	struct ring_stream *s = data;
	struct ring_context *c = s->c;
	u32 seed = 1;

	while (c->written < s->mix->total && !kthread_should_stop()) {
		size_t len = ring_random(&seed) % s->mix->chunk + 1;
		long n;

		n = ring_write(c, min(len, s->mix->total - c->written),
			       s->mix->limit);
		if (n < 0)
			return n;
		if (n > 0)
			wake_up(&s->wait);
		else if (!wait_event_timeout(s->wait, ring_stream_may_write(s),
					     RING_PATIENCE))
			return -ETIMEDOUT;
	}
	return 0;
}

static bool ring_stream_step(struct ring_stream *s, u32 *seed)
{
	struct ring_context *c = s->c;
	size_t len = ring_random(seed) % s->mix->chunk + 1;

	if (!wait_event_timeout(s->wait, parley_ring_used(&c->ring),
				RING_PATIENCE))
		return false;
	/* What a peek sees, the read after it must see. */
	if (ring_random(seed) % 8 == 0 && ring_take(c, RING_PEEK, len) <= 0)
		return false;
	if (ring_take(c, RING_READ, len) <= 0)
		return false;
	wake_up(&s->wait);
	return true;
}

/* The caller's, until kthread_stop(): threads may end before that. */
static struct task_struct *ring_thread(struct kunit *test, int (*fn)(void *),
				       void *data)
{
	struct task_struct *task = kthread_create(fn, data, "parley-ring");

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	get_task_struct(task);
	wake_up_process(task);
	return task;
}

static int ring_thread_stop(struct task_struct *task)
{
	int ret = kthread_stop(task);

	put_task_struct(task);
	return ret;
}

static void ring_test_stream(struct kunit *test)
{
	struct ring_stream s = {
		.c = test->priv,
		.mix = test->param_value,
	};
	struct task_struct *writer;
	u32 seed = 2;

	init_waitqueue_head(&s.wait);
	writer = ring_thread(test, ring_stream_write, &s);
	while (s.c->consumed < s.mix->total && !s.c->wrong) {
		if (!ring_stream_step(&s, &seed))
			break;
	}
	/* Nothing may end the test before the writer is gone. */
	KUNIT_EXPECT_EQ(test, ring_thread_stop(writer), 0);
	KUNIT_EXPECT_EQ(test, s.c->consumed, s.mix->total);
	ring_expect_sane(test, s.c);
}

/**
 * struct ring_funeral - a writer that goes on until somebody ends it
 * @c: the ring
 * @limit: how much may be in it
 * @pages: pages that the writer buried
 * @unread: whether bytes were buried, by whomever
 */
struct ring_funeral {
	struct ring_context *c;
	unsigned long limit;
	unsigned int pages;
	bool unread;
};

/* As parley_local_send(), with its barriers. */
static int ring_funeral_write(void *data)
{
	struct ring_funeral *f = data;
	struct parley_ring *ring = &f->c->ring;
	struct kvec vec = { .iov_base = f->c->out, .iov_len = RING_BUFFER };
	struct iov_iter from;
	long n;

	do {
		iov_iter_kvec(&from, ITER_SOURCE, &vec, 1, 3 * PAGE_SIZE / 2);
		n = -EPIPE;
		mutex_lock(&ring->wlock);
		if (!READ_ONCE(ring->rdone) && !READ_ONCE(ring->wdone))
			n = parley_ring_write(ring, &from, f->limit,
					      &f->c->allocated);
		mutex_unlock(&ring->wlock);
		smp_mb(); /* pairs with those in the tests */
		if (READ_ONCE(ring->dead))
			f->pages += parley_ring_bury(ring, &f->unread);
		if (READ_ONCE(ring->wdone) == PARLEY_RING_CLOSING)
			parley_ring_finish(ring);
		cond_resched();
	} while (n >= 0);
	return n;
}

/* A new ring, and its writer at work until there are @early bytes. */
static struct task_struct *ring_funeral_begin(struct kunit *test,
					      struct ring_funeral *f,
					      unsigned long early)
{
	unsigned long end = jiffies + RING_PATIENCE;
	struct parley_ring *ring = &f->c->ring;
	struct task_struct *writer;

	memset(ring, 0, sizeof(*ring));
	parley_ring_init(ring);
	writer = ring_thread(test, ring_funeral_write, f);
	while (parley_ring_used(ring) < early && time_before(jiffies, end))
		cond_resched();
	return writer;
}

/*
 * Whoever comes last, reader or writer: no page and no byte is left. Nor is
 * there, with somebody who gives pages back, whom neither must wait for.
 */
static void ring_test_funeral(struct kunit *test)
{
	struct ring_context *c = test->priv;
	int round;

	for (round = 1; round <= 100; round++) {
		/* Each round at another moment, half of them after a read. */
		unsigned long early = round % 8 * PAGE_SIZE;
		struct ring_funeral f = {
			.c = c,
			.limit = 200 * PAGE_SIZE,
		};
		struct ring_reclaimer r = { .ring = &c->ring };
		struct task_struct *writer;

		writer = ring_funeral_begin(test, &f, early);
		if (round % 4 < 2)
			ring_reclaimer_start(test, &r);
		if (round % 2) {
			mutex_lock(&c->ring.rlock);
			parley_ring_skip(&c->ring, early);
			mutex_unlock(&c->ring.rlock);
		}
		WRITE_ONCE(c->ring.rdone, 1);
		WRITE_ONCE(c->ring.dead, 1);
		smp_mb(); /* pairs with the one in ring_funeral_write() */
		c->freed += parley_ring_bury(&c->ring, &f.unread);
		/* Its result is -EINTR if it never came to run. */
		ring_thread_stop(writer);
		if (round % 4 < 2)
			ring_reclaimer_stop(&r);
		c->freed += f.pages + r.freed;

		KUNIT_ASSERT_EQ(test, parley_ring_used(&c->ring), 0);
		KUNIT_ASSERT_EQ(test, atomic_read(&ring_pages), 0);
		KUNIT_ASSERT_EQ(test, c->allocated, c->freed);
	}
}

/* Who ends the writing or who writes: one says so, after the last byte. */
static void ring_test_finish_race(struct kunit *test)
{
	struct ring_context *c = test->priv;
	int round;

	for (round = 0; round < 100; round++) {
		unsigned long end = jiffies + RING_PATIENCE;
		struct ring_funeral f = {
			.c = c,
			.limit = 200 * PAGE_SIZE,
		};
		struct ring_reclaimer r = { .ring = &c->ring };
		struct task_struct *writer;
		unsigned long head;
		u8 wdone;

		/* A byte at least: the writer is there and will look. */
		writer = ring_funeral_begin(test, &f,
					    1 + round % 8 * PAGE_SIZE);
		if (round % 2)
			ring_reclaimer_start(test, &r);
		WRITE_ONCE(c->ring.wdone, PARLEY_RING_CLOSING);
		smp_mb(); /* pairs with the one in ring_funeral_write() */
		parley_ring_finish(&c->ring);
		do {
			cond_resched();
			/* Pairs with parley_ring_finish(), as readers do. */
			wdone = smp_load_acquire(&c->ring.wdone);
		} while (wdone != PARLEY_RING_CLOSED &&
			 time_before(jiffies, end));
		head = READ_ONCE(c->ring.head);
		ring_thread_stop(writer);
		if (round % 2)
			ring_reclaimer_stop(&r);
		c->freed += r.freed + parley_ring_destroy(&c->ring);

		KUNIT_ASSERT_EQ(test, wdone, PARLEY_RING_CLOSED);
		KUNIT_ASSERT_EQ(test, c->ring.head, head);
	}
}

static struct kunit_case ring_race_cases[] = {
	KUNIT_CASE_PARAM(ring_test_stream, ring_stream_gen_params),
	KUNIT_CASE(ring_test_funeral),
	KUNIT_CASE(ring_test_finish_race),
	{}
};

static struct kunit_suite ring_race_suite = {
	.name = "parley-ring-race",
	.init = ring_init,
	.exit = ring_exit,
	.test_cases = ring_race_cases,
};

kunit_test_suite(ring_race_suite);
