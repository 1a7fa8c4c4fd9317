// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of rule.c: how often a rule with a rate applies, to the nanosecond,
 * and that any number of askers at once get just the tokens that there are.
 */
#include <kunit/test.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/prandom.h>
#include <linux/sched/task.h>

#include "../parley.h"

#define DAY_NS		(24ULL * 60 * 60 * NSEC_PER_SEC)
#define DAY_MS		(24U * 60 * 60 * 1000)
#define YEAR_NS		(365 * DAY_NS)
#define RATE_START	(3 * NSEC_PER_SEC)	/* somebody just booted */
#define RATE_STEPS	30000
#define RATE_SEED	19991231ULL
#define RATE_THREADS	6

/**
 * struct rate_case - a rate
 * @name: what is special about it
 * @rate: it
 * @token: nanoseconds from one token to the next
 */
struct rate_case {
	const char *name;
	struct parley_rule_rate rate;
	u64 token;
};

/* Where tokens are no whole number of nanoseconds they are a bit dearer. */
static const struct rate_case rate_cases[] = {
	{ "one a second", { 1, 1000, 1 }, NSEC_PER_SEC },
	{ "one a second, burst 2", { 1, 1000, 2 }, NSEC_PER_SEC },
	{ "ten a second, burst 20", { 10, 1000, 20 }, 100000000 },
	{ "thousand in a minute", { 1000, 60000, 50 }, 60000000 },
	{ "three in a millisecond", { 3, 1, 3 }, 333334 },
	{ "seven in a millisecond", { 7, 1, 7 }, 142858 },
	{ "three in a day", { 3, DAY_MS, 5 }, DAY_NS / 3 },
	{ "one a day", { 1, DAY_MS, 30 }, DAY_NS },
	{ "one in a nanosecond", { 1000000, 1, 9 }, 1 },
	{ "hardly less", { 999999, 1, 9 }, 2 },
	{ "more than there is time for", { U32_MAX, 1, 9 }, 1 },
	{ "more than half of it", { 666667, 1, 9 }, 2 },
	{ "a number without factors", { 999983, DAY_MS, 4 }, 86401469 },
};

static void rate_desc(const struct rate_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(rate, rate_cases, rate_desc);

/* How many tokens there are at @now; they are gone then. */
static u64 rate_drain(atomic64_t *due, const struct parley_rule_rate *rate,
		      u64 now)
{
	u64 n = 0;

	while (n <= rate->burst && parley_bucket_take(due, rate, now))
		n++;
	return n;
}

/* What was written next to the cases is what they say. */
static void rate_test_token(struct kunit *test)
{
	const struct rate_case *c = test->param_value;
	u64 ns = c->rate.interval_ms * (u64)NSEC_PER_MSEC;

	KUNIT_EXPECT_GE(test, c->token * c->rate.calls, ns);
	KUNIT_EXPECT_LT(test, (c->token - 1) * c->rate.calls, ns);
}

/* Full at the start, empty after the burst, one more after each token. */
static void rate_test_refill(struct kunit *test)
{
	const struct rate_case *c = test->param_value;
	atomic64_t due = ATOMIC64_INIT(0);
	u64 now = RATE_START;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, rate_drain(&due, &c->rate, now), c->rate.burst);
	for (i = 0; i < 20; i++) {
		KUNIT_ASSERT_FALSE(test, parley_bucket_take(&due, &c->rate,
							    now));
		KUNIT_ASSERT_FALSE(test,
				   parley_bucket_take(&due, &c->rate,
						      now + c->token - 1));
		now += c->token;
		KUNIT_ASSERT_TRUE(test,
				  parley_bucket_take(&due, &c->rate, now));
	}
	KUNIT_EXPECT_FALSE(test, parley_bucket_take(&due, &c->rate, now));
}

/* After each time that is not enough to fill it, and each that is. */
static void rate_test_partly(struct kunit *test)
{
	const struct rate_case *c = test->param_value;
	atomic64_t due = ATOMIC64_INIT(0);
	u64 now = RATE_START;
	u64 n;

	rate_drain(&due, &c->rate, now);
	for (n = 0; n <= c->rate.burst + 2; n++) {
		u64 most = min_t(u64, n, c->rate.burst);

		now += n * c->token;
		KUNIT_ASSERT_EQ_MSG(test, rate_drain(&due, &c->rate, now),
				    most, "after %llu tokens", n);
	}
	/* Not used for long: no more than the burst. */
	now += 10 * YEAR_NS;
	KUNIT_EXPECT_EQ(test, rate_drain(&due, &c->rate, now), c->rate.burst);
	KUNIT_EXPECT_FALSE(test, parley_bucket_take(&due, &c->rate,
						    now + c->token - 1));
}

/* Clocks begin at zero, and a bucket is full then, too. */
static void rate_test_early(struct kunit *test)
{
	const struct rate_case *c = test->param_value;
	const u64 starts[] = { 0, 1, c->token - 1, c->token, c->token + 1 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(starts); i++) {
		atomic64_t due = ATOMIC64_INIT(0);

		KUNIT_EXPECT_EQ_MSG(test,
				    rate_drain(&due, &c->rate, starts[i]),
				    c->rate.burst, "at %llu", starts[i]);
		KUNIT_EXPECT_EQ_MSG(test,
				    rate_drain(&due, &c->rate,
					       starts[i] + c->token),
				    1, "at %llu", starts[i]);
	}
}

/* Who read the clock before others, and comes after them, gets no more. */
static void rate_test_late_asker(struct kunit *test)
{
	const struct rate_case *c = test->param_value;
	atomic64_t due = ATOMIC64_INIT(0);
	u64 now = RATE_START;

	KUNIT_EXPECT_EQ(test, rate_drain(&due, &c->rate, now), c->rate.burst);
	KUNIT_EXPECT_FALSE(test, parley_bucket_take(&due, &c->rate, now - 1));
	KUNIT_EXPECT_FALSE(test, parley_bucket_take(&due, &c->rate, 0));
	/* And who did so has taken nothing from who comes in time. */
	now += c->token;
	KUNIT_EXPECT_TRUE(test, parley_bucket_take(&due, &c->rate, now));
}

static u64 rate_random(struct rnd_state *random, u64 limit)
{
	return mul_u64_u32_shr(limit, prandom_u32_state(random), 32);
}

/*
 * Against a bucket as one would draw it: what is in there, in nanoseconds,
 * grows with the time up to a full bucket, and a token costs what it costs.
 */
static void rate_test_model(struct kunit *test)
{
	const struct rate_case *c = test->param_value;
	const u64 full = c->token * c->rate.burst;
	atomic64_t due = ATOMIC64_INIT(0);
	u64 level = full, now = RATE_START;
	struct rnd_state random;
	unsigned int step;

	prandom_seed_state(&random, RATE_SEED);
	for (step = 0; step < RATE_STEPS; step++) {
		u32 dice = prandom_u32_state(&random) % 32;
		u64 by = 0;
		bool want;

		/* Mostly at once or soon, now and then much later. */
		if (dice == 0)
			by = rate_random(&random, 2 * full);
		else if (dice < 16)
			by = rate_random(&random, 2 * c->token);
		else if (dice < 19)
			by = c->token + dice - 17;
		now += by;
		level = min(level + by, full);
		want = level >= c->token;
		if (want)
			level -= c->token;
		KUNIT_ASSERT_EQ_MSG(test,
				    parley_bucket_take(&due, &c->rate, now),
				    want, "step %u", step);
	}
}

/* As large as rules may be, in a machine that has run for long. */
static void rate_test_largest(struct kunit *test)
{
	static const struct parley_rule_rate century = { 1, DAY_MS, 36500 };
	static const struct parley_rule_rate most = { U32_MAX, 1, U32_MAX };
	atomic64_t due = ATOMIC64_INIT(0);
	u64 now = 30 * YEAR_NS;

	KUNIT_EXPECT_EQ(test, rate_drain(&due, &century, now), 36500);
	KUNIT_EXPECT_FALSE(test,
			   parley_bucket_take(&due, &century,
					      now + DAY_NS - 1));
	now += 36500 * DAY_NS;
	KUNIT_EXPECT_EQ(test, rate_drain(&due, &century, now), 36500);

	/* Four thousand million at once are taken in one go: two are left. */
	atomic64_set(&due, now + U32_MAX - 2);
	KUNIT_EXPECT_TRUE(test, parley_bucket_take(&due, &most, now));
	KUNIT_EXPECT_TRUE(test, parley_bucket_take(&due, &most, now));
	KUNIT_EXPECT_FALSE(test, parley_bucket_take(&due, &most, now));
	KUNIT_EXPECT_TRUE(test, parley_bucket_take(&due, &most, now + 1));
}

/**
 * struct rate_crowd - many who ask at once
 * @rate: how many may
 * @due: the bucket
 * @now: the clock
 * @tick: it goes on by so much with each who asks
 * @tries: how often each asks
 * @ready: how many are there; they start together, once it is one more
 * @abort: they do not, since some are missing
 * @taken: how many tokens they got
 * @task: they
 */
struct rate_crowd {
	struct parley_rule_rate rate;
	atomic64_t due;
	atomic64_t now;
	u64 tick;
	unsigned int tries;
	atomic_t ready;
	bool abort;
	atomic_t taken;
	struct task_struct *task[RATE_THREADS];
};

static int rate_crowd_main(void *arg)
{
	struct rate_crowd *c = arg;
	unsigned int i;

	atomic_inc(&c->ready);
	while (atomic_read(&c->ready) <= RATE_THREADS) {
		if (READ_ONCE(c->abort))
			return -EINTR;
		cond_resched();
	}
	for (i = 0; i < c->tries; i++) {
		u64 now = atomic64_add_return(c->tick, &c->now);

		if (parley_bucket_take(&c->due, &c->rate, now))
			atomic_inc(&c->taken);
		if (i % 64 == 0)
			cond_resched();
	}
	return 0;
}

/* All of them ask; afterwards they are gone. Return: how many were there. */
static unsigned int rate_crowd_run(struct rate_crowd *c)
{
	unsigned int i, n = 0;

	atomic_set(&c->ready, 0);
	atomic_set(&c->taken, 0);
	for (i = 0; i < RATE_THREADS; i++) {
		c->task[i] = kthread_create(rate_crowd_main, c, "parley-rate");
		if (IS_ERR(c->task[i]))
			break;
		get_task_struct(c->task[i]);
		wake_up_process(c->task[i]);
		n++;
	}
	WRITE_ONCE(c->abort, n < RATE_THREADS);
	while (n == RATE_THREADS && atomic_read(&c->ready) < RATE_THREADS)
		cond_resched();
	atomic_inc(&c->ready);
	for (i = 0; i < n; i++) {
		kthread_stop(c->task[i]);
		put_task_struct(c->task[i]);
	}
	return n;
}

/* The clock stands still: the burst, and not one more. */
static void rate_test_crowd_burst(struct kunit *test)
{
	static const u32 bursts[] = { 1, 2, 7, 100, 2999 };
	struct rate_crowd *c;
	unsigned int i;

	c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c);
	c->tries = 500;
	for (i = 0; i < ARRAY_SIZE(bursts); i++) {
		c->rate = (struct parley_rule_rate){ 1, DAY_MS, bursts[i] };
		atomic64_set(&c->due, 0);
		atomic64_set(&c->now, RATE_START);
		KUNIT_ASSERT_EQ(test, rate_crowd_run(c), RATE_THREADS);
		KUNIT_EXPECT_EQ(test, atomic_read(&c->taken), bursts[i]);
	}
	/* More than all of them ask for. */
	c->rate.burst = RATE_THREADS * c->tries + 1;
	atomic64_set(&c->due, 0);
	KUNIT_ASSERT_EQ(test, rate_crowd_run(c), RATE_THREADS);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->taken), RATE_THREADS * c->tries);
	KUNIT_EXPECT_TRUE(test,
			  parley_bucket_take(&c->due, &c->rate, RATE_START));
	KUNIT_EXPECT_FALSE(test,
			   parley_bucket_take(&c->due, &c->rate, RATE_START));
}

/*
 * The clock runs, ten times as fast as tokens come: what was in the bucket and
 * what came into it was taken, or is there.
 */
static void rate_test_crowd_refill(struct kunit *test)
{
	const u64 token = NSEC_PER_MSEC;
	struct rate_crowd *c;
	u64 left, elapsed;

	c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c);
	c->tries = 3000;
	c->tick = token / 10;
	c->rate = (struct parley_rule_rate){ 1, 1, 500 };
	atomic64_set(&c->now, RATE_START);
	/* The first token is taken here: it says when the time begins. */
	KUNIT_ASSERT_TRUE(test,
			  parley_bucket_take(&c->due, &c->rate, RATE_START));
	KUNIT_ASSERT_EQ(test, rate_crowd_run(c), RATE_THREADS);
	elapsed = atomic64_read(&c->now) - RATE_START;
	KUNIT_ASSERT_EQ(test, elapsed, RATE_THREADS * c->tries * c->tick);
	left = rate_drain(&c->due, &c->rate, RATE_START + elapsed);
	KUNIT_EXPECT_EQ(test, 1 + atomic_read(&c->taken) + left,
			500 + div64_u64(elapsed, token));
}

static struct kunit_case rate_kunit_cases[] = {
	KUNIT_CASE_PARAM(rate_test_token, rate_gen_params),
	KUNIT_CASE_PARAM(rate_test_refill, rate_gen_params),
	KUNIT_CASE_PARAM(rate_test_partly, rate_gen_params),
	KUNIT_CASE_PARAM(rate_test_early, rate_gen_params),
	KUNIT_CASE_PARAM(rate_test_late_asker, rate_gen_params),
	KUNIT_CASE_PARAM(rate_test_model, rate_gen_params),
	KUNIT_CASE(rate_test_largest),
	KUNIT_CASE(rate_test_crowd_burst),
	KUNIT_CASE(rate_test_crowd_refill),
	{}
};

static struct kunit_suite rate_suite = {
	.name = "parley-rule-rate",
	.test_cases = rate_kunit_cases,
};

kunit_test_suite(rate_suite);
