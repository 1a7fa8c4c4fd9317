// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of pace.c: senders on a clock of their own keep to rate, bucket and
 * peak, whatever they send, and however late they are woken.
 */
#include <kunit/test.h>
#include <linux/prandom.h>

#include "../pace.c"

#define ANY		PARLEY_QOS_UNSPECIFIED
#define PACE_SECONDS	10
#define PACE_SEED	20260201ULL
#define PACE_LATE_NS	(10 * NSEC_PER_MSEC)

/**
 * struct pace_case - a grant
 * @name: what is special about it
 * @rate: token_rate
 * @bucket: bucket_size
 * @peak: peak_rate
 * @policed: min_policed
 */
struct pace_case {
	const char *name;
	u32 rate;
	u32 bucket;
	u32 peak;
	u32 policed;
};

static const struct pace_case pace_cases[] = {
	{ "10 KB/s", 10000, ANY, ANY, ANY },
	{ "1 MB/s", 1000000, ANY, ANY, ANY },
	{ "100 MB/s", 100000000, ANY, ANY, ANY },
	{ "highest", ANY - 1, ANY, ANY, ANY },
	{ "highest bucket", 1000000, ANY - 1, ANY, ANY },
	{ "small bucket", 1000000, 1500, ANY, ANY },
	{ "least bucket", 100000000, 1, ANY, ANY },
	{ "peak", 1000000, 2000000, 3000000, ANY },
	{ "peak is rate", 1000000, 2000000, 1000000, ANY },
	{ "peak alone", ANY, ANY, 1000000, ANY },
	{ "policed", 1000000, 10000, ANY, 1000 },
	{ "policed above bucket", 1000000, 100, ANY, 1000 },
};

static void pace_desc(const struct pace_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(pace, pace_cases, pace_desc);

static struct parley_flowspec pace_flow(const struct pace_case *c)
{
	return (struct parley_flowspec) {
		.token_rate		= c->rate,
		.bucket_size		= c->bucket,
		.peak_rate		= c->peak,
		.latency_us		= ANY,
		.delay_variation_us	= ANY,
		.service		= PARLEY_SERVICE_BESTEFFORT,
		.max_sdu		= ANY,
		.min_policed		= c->policed,
	};
}

static struct parley_pace *pace_new(struct kunit *test,
				    const struct pace_case *c)
{
	struct parley_flowspec flow = pace_flow(c);
	struct parley_pace *pace = parley_pace_new(&flow, false, GFP_KERNEL);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pace);
	return pace;
}

/**
 * struct pace_run - a sender on a clock of its own
 * @pace: how fast it may send
 * @begin: when it began
 * @now: its clock
 * @sent: bytes
 * @turns: how often it tried
 */
struct pace_run {
	struct parley_pace *pace;
	u64 begin;
	u64 now;
	u64 sent;
	unsigned int turns;
};

static struct pace_run pace_begin(struct kunit *test,
				  const struct pace_case *c)
{
	struct parley_pace *pace = pace_new(test, c);
	u64 now = pace->credit[PARLEY_PACE_RATE].at ?:
		  pace->credit[PARLEY_PACE_PEAK].at;

	return (struct pace_run) { .pace = pace, .begin = now, .now = now };
}

/* Sends what may be sent of @count, and then waits until it is due. */
static void pace_turn(struct kunit *test, struct pace_run *run, size_t count)
{
	size_t room = parley_pace_room(run->pace, run->now, count);
	u64 ready;

	parley_pace_spent(run->pace, room, room);
	run->sent += room;
	run->turns++;
	if (room == count)
		return;
	ready = atomic64_read(&run->pace->ready);
	/* Cut short, with nothing to wait for: it would try for ever. */
	KUNIT_ASSERT_LT(test, run->now, ready);
	run->now = ready;
}

/* What may have been sent by now at the most. */
static u64 pace_most(const struct pace_run *run, const struct pace_case *c)
{
	u64 most = U64_MAX, ns = run->now - run->begin;
	struct parley_credit *credit = run->pace->credit;

	if (c->rate != ANY)
		most = div_u64(credit[PARLEY_PACE_RATE].depth, NSEC_PER_SEC) +
		       mul_u64_u32_div(ns + PACE_LATE_NS, c->rate,
				       NSEC_PER_SEC);
	if (c->peak != ANY)
		most = min(most, mul_u64_u32_div(ns + PACE_LATE_NS, c->peak,
						 NSEC_PER_SEC));
	return most;
}

/* A sender who never tires is given the rate, and the bucket on top of it. */
static void pace_test_greedy(struct kunit *test)
{
	const struct pace_case *c = test->param_value;
	struct pace_run run = pace_begin(test, c);
	u32 rate = c->rate != ANY ? c->rate : c->peak;
	u64 policed = c->policed != ANY ? c->policed : 0;
	u64 least;

	while (run.now - run.begin < PACE_SECONDS * NSEC_PER_SEC) {
		pace_turn(test, &run, SIZE_MAX);
		KUNIT_ASSERT_LE(test, run.sent, pace_most(&run, c) + policed);
	}
	/* As exact as the clock, but for a batch that is still to come. */
	least = mul_u64_u32_div(run.now - run.begin, rate, NSEC_PER_SEC);
	KUNIT_EXPECT_LE(test, least - div_u64(least, 500), run.sent);
	/* Two hundred wake-ups a second, or what a small bucket makes of it. */
	KUNIT_EXPECT_LE(test, run.turns, 10 + PACE_SECONDS *
			(c->bucket < rate / 100 ? 10000 : 400));
	parley_pace_free(run.pace);
}

/* As late as it may be, each time: the rate does not suffer. */
static void pace_test_late(struct kunit *test)
{
	const struct pace_case *c = test->param_value;
	struct rnd_state rnd;
	struct pace_run run;
	u64 least;

	/* A peak is not made up for. */
	if (c->rate == ANY || c->peak == c->rate)
		return;
	run = pace_begin(test, c);
	prandom_seed_state(&rnd, PACE_SEED);
	while (run.now - run.begin < PACE_SECONDS * NSEC_PER_SEC) {
		pace_turn(test, &run, SIZE_MAX);
		run.now += prandom_u32_state(&rnd) % PACE_LATE_NS;
	}
	least = mul_u64_u32_div(run.now - run.begin, c->rate, NSEC_PER_SEC);
	KUNIT_EXPECT_LE(test, least - div_u64(least, 250), run.sent);
	KUNIT_EXPECT_LE(test, run.sent, pace_most(&run, c) +
			(c->policed != ANY ? c->policed : 0));
	parley_pace_free(run.pace);
}

/* Pieces of all sizes, with pauses: never more than was granted. */
static void pace_test_mixed(struct kunit *test)
{
	const struct pace_case *c = test->param_value;
	struct pace_run run = pace_begin(test, c);
	u32 rate = c->rate != ANY ? c->rate : c->peak;
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, PACE_SEED);
	for (i = 0; i < 20000; i++) {
		u32 size = prandom_u32_state(&rnd) % (rate / 50) + 1;

		pace_turn(test, &run, size);
		if (!(i % 10))
			run.now += prandom_u32_state(&rnd) % 100000000;
		KUNIT_ASSERT_LE(test, run.sent, pace_most(&run, c) +
				(c->policed != ANY ? c->policed : 0));
	}
	KUNIT_EXPECT_LT(test, 0, run.sent);
	parley_pace_free(run.pace);
}

static void pace_test_nothing(struct kunit *test)
{
	struct parley_flowspec flow = parley_qos_none.send;

	KUNIT_EXPECT_NULL(test, parley_pace_new(&flow, true, GFP_KERNEL));
	flow.bucket_size = 1;
	flow.latency_us = 1;
	flow.min_policed = 1;
	KUNIT_EXPECT_NULL(test, parley_pace_new(&flow, true, GFP_KERNEL));
	/* The length of a record is no matter for a stream. */
	flow.max_sdu = 10;
	KUNIT_EXPECT_NULL(test, parley_pace_new(&flow, false, GFP_KERNEL));
	flow.token_rate = 10;
	flow.service = PARLEY_SERVICE_NOTRAFFIC;
	KUNIT_EXPECT_NULL(test, parley_pace_new(&flow, true, GFP_KERNEL));
}

/* One at a time, at full length or not at all. */
static bool pace_record(struct parley_pace *pace, u64 now, size_t len)
{
	bool fits = parley_pace_fits(pace, now, len);

	parley_pace_spent(pace, fits ? len : 0, fits);
	return fits;
}

static void pace_test_records(struct kunit *test)
{
	static const struct pace_case c = { "", 1000, 100, ANY, ANY };
	struct parley_pace *pace = pace_new(test, &c);
	u64 now = pace->credit[PARLEY_PACE_RATE].at;

	KUNIT_EXPECT_TRUE(test, pace_record(pace, now, 60));
	KUNIT_EXPECT_FALSE(test, pace_record(pace, now, 60));
	/* 20 bytes more are there in 20 ms. */
	KUNIT_EXPECT_EQ(test, atomic64_read(&pace->ready),
			now + 20 * NSEC_PER_MSEC);
	/* A shorter one may still go, and then only a batch is waited for. */
	KUNIT_EXPECT_TRUE(test, pace_record(pace, now, 40));
	KUNIT_EXPECT_EQ(test, atomic64_read(&pace->ready),
			now + 5 * NSEC_PER_MSEC);
	now += 60 * NSEC_PER_MSEC;
	KUNIT_EXPECT_TRUE(test, pace_record(pace, now, 60));
	KUNIT_EXPECT_FALSE(test, pace_record(pace, now, 1));
	parley_pace_free(pace);
}

/* More than the bucket: it goes when that is full, and the next one pays. */
static void pace_test_record_above(struct kunit *test)
{
	static const struct pace_case c = { "", 1000, 100, ANY, ANY };
	struct parley_pace *pace = pace_new(test, &c);
	u64 now = pace->credit[PARLEY_PACE_RATE].at;

	KUNIT_EXPECT_TRUE(test, pace_record(pace, now, 1));
	KUNIT_EXPECT_FALSE(test, pace_record(pace, now, 5000));
	KUNIT_EXPECT_EQ(test, atomic64_read(&pace->ready),
			now + NSEC_PER_MSEC);
	now += NSEC_PER_MSEC;
	KUNIT_EXPECT_TRUE(test, pace_record(pace, now, 5000));
	KUNIT_EXPECT_FALSE(test, pace_record(pace, now, 0));
	KUNIT_EXPECT_FALSE(test, pace_record(pace, now, 5000));
	KUNIT_EXPECT_EQ(test, atomic64_read(&pace->ready),
			now + 5000 * NSEC_PER_MSEC);
	/* What is owed comes first, also before a record without bytes. */
	now += 4900 * NSEC_PER_MSEC;
	KUNIT_EXPECT_FALSE(test, pace_record(pace, now - 1, 0));
	KUNIT_EXPECT_TRUE(test, pace_record(pace, now, 0));
	now += 100 * NSEC_PER_MSEC;
	KUNIT_EXPECT_TRUE(test, pace_record(pace, now, 5000));
	parley_pace_free(pace);
}

/* Records without bytes cost what is policed. */
static void pace_test_record_policed(struct kunit *test)
{
	static const struct pace_case c = { "", 1000, 100, ANY, 50 };
	struct parley_pace *pace = pace_new(test, &c);
	u64 now = pace->credit[PARLEY_PACE_RATE].at;

	KUNIT_EXPECT_TRUE(test, pace_record(pace, now, 0));
	KUNIT_EXPECT_TRUE(test, pace_record(pace, now, 0));
	KUNIT_EXPECT_FALSE(test, pace_record(pace, now, 0));
	KUNIT_EXPECT_EQ(test, atomic64_read(&pace->ready),
			now + 50 * NSEC_PER_MSEC);
	parley_pace_free(pace);
}

static void pace_test_max_sdu(struct kunit *test)
{
	struct parley_flowspec flow = parley_qos_none.send;
	struct parley_pace *pace;

	KUNIT_EXPECT_EQ(test, parley_pace_max(NULL), SIZE_MAX);
	flow.max_sdu = 10;
	pace = parley_pace_new(&flow, true, GFP_KERNEL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, pace);
	KUNIT_EXPECT_EQ(test, parley_pace_max(pace), 10);
	/* Apart from that it is free. */
	KUNIT_EXPECT_TRUE(test, pace_record(pace, 1, 10));
	KUNIT_EXPECT_TRUE(test, parley_pace_ready(pace));
	KUNIT_EXPECT_EQ(test, parley_pace_room(pace, 1, 1 << 30), 1 << 30);
	parley_pace_free(pace);
}

static struct kunit_case pace_kunit_cases[] = {
	KUNIT_CASE_PARAM(pace_test_greedy, pace_gen_params),
	KUNIT_CASE_PARAM(pace_test_late, pace_gen_params),
	KUNIT_CASE_PARAM(pace_test_mixed, pace_gen_params),
	KUNIT_CASE(pace_test_nothing),
	KUNIT_CASE(pace_test_records),
	KUNIT_CASE(pace_test_record_above),
	KUNIT_CASE(pace_test_record_policed),
	KUNIT_CASE(pace_test_max_sdu),
	{}
};

static struct kunit_suite pace_suite = {
	.name = "parley-pace",
	.test_cases = pace_kunit_cases,
};

kunit_test_suite(pace_suite);
