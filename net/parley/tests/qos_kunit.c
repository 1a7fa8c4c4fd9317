// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of qos.c: which wishes make sense, what is more than was asked, and
 * that a grant which is cut down loses what is too much and nothing else, and
 * still makes sense.
 */
#include <kunit/test.h>
#include <linux/prandom.h>

#include "../qos.c"

#define ANY		PARLEY_QOS_UNSPECIFIED
#define QOS_ROUNDS	20000
#define QOS_SEED	20240229ULL
#define QOS_MIDDLE	2	/* is a service, too, with one on each side */

/**
 * struct qos_member - a member of a flowspec
 * @name: its name
 * @offset: where it is
 * @high: a higher number is more; otherwise a lower one
 */
struct qos_member {
	const char *name;
	size_t offset;
	bool high;
};

#define QOS_MEMBER(member, high) \
	{ #member, offsetof(struct parley_flowspec, member), high }

static const struct qos_member qos_members[] = {
	QOS_MEMBER(token_rate, true),
	QOS_MEMBER(bucket_size, true),
	QOS_MEMBER(peak_rate, true),
	QOS_MEMBER(latency_us, false),
	QOS_MEMBER(delay_variation_us, false),
	QOS_MEMBER(service, true),
	QOS_MEMBER(max_sdu, true),
	QOS_MEMBER(min_policed, false),
};

#define QOS_MEMBERS	ARRAY_SIZE(qos_members)
#define QOS_PLACES	(2 * QOS_MEMBERS)

/* The places are those of send, then those of recv. */
static u32 *qos_at(struct parley_qos *qos, unsigned int place)
{
	void *flow = place < QOS_MEMBERS ? &qos->send : &qos->recv;

	return flow + qos_members[place % QOS_MEMBERS].offset;
}

static const char *qos_name(unsigned int place)
{
	return qos_members[place % QOS_MEMBERS].name;
}

static void qos_fill(struct parley_qos *qos, u32 value)
{
	unsigned int i;

	for (i = 0; i < QOS_PLACES; i++)
		*qos_at(qos, i) = value;
}

/* No member is there twice, none is missing. */
static void qos_test_complete(struct kunit *test)
{
	struct parley_qos qos = { };
	unsigned int i;

	KUNIT_ASSERT_EQ(test, sizeof(qos), QOS_PLACES * sizeof(u32));
	for (i = 0; i < QOS_PLACES; i++) {
		KUNIT_EXPECT_EQ_MSG(test, *qos_at(&qos, i), 0, "%s",
				    qos_name(i));
		*qos_at(&qos, i) = 1;
	}
}

static void qos_test_none(struct kunit *test)
{
	struct parley_qos none = parley_qos_none;
	unsigned int i;
	u32 want;

	for (i = 0; i < QOS_PLACES; i++) {
		want = ANY;
		if (qos_members[i % QOS_MEMBERS].offset ==
		    offsetof(struct parley_flowspec, service))
			want = PARLEY_SERVICE_BESTEFFORT;
		KUNIT_EXPECT_EQ_MSG(test, *qos_at(&none, i), want, "%s",
				    qos_name(i));
	}
	KUNIT_EXPECT_TRUE(test, parley_qos_valid(&none));
}

/**
 * struct qos_flow_case - a direction that makes sense, or not
 * @name: what is special about it
 * @flow: the direction
 * @valid: whether it makes sense
 */
struct qos_flow_case {
	const char *name;
	struct parley_flowspec flow;
	bool valid;
};

#define FLOW(kind, rate, bucket, peak, sdu, policed) {	\
	.service = PARLEY_SERVICE_##kind,		\
	.token_rate = (rate),				\
	.bucket_size = (bucket),			\
	.peak_rate = (peak),				\
	.latency_us = 0,				\
	.delay_variation_us = ANY,			\
	.max_sdu = (sdu),				\
	.min_policed = (policed),			\
}

static const struct qos_flow_case qos_flow_cases[] = {
	{ "nothing said", FLOW(BESTEFFORT, ANY, ANY, ANY, ANY, ANY), true },
	{ "all said", FLOW(GUARANTEED, 1000, 500, 2000, 300, 20), true },

	{ "rate 0", FLOW(BESTEFFORT, 0, 1, 1, ANY, ANY), false },
	{ "rate 1", FLOW(BESTEFFORT, 1, 1, 1, ANY, ANY), true },
	{ "bucket 0", FLOW(BESTEFFORT, 1, 0, 1, ANY, ANY), false },
	{ "load, rate 0", FLOW(CONTROLLEDLOAD, 0, 1, 1, ANY, ANY), false },
	{ "load, bucket 0", FLOW(CONTROLLEDLOAD, 1, 0, 1, ANY, ANY), false },
	{ "load, no rate", FLOW(CONTROLLEDLOAD, ANY, 1, ANY, ANY, ANY), true },
	{ "no rate, bucket 0", FLOW(BESTEFFORT, ANY, 0, ANY, ANY, ANY), false },

	{ "no traffic, all 0", FLOW(NOTRAFFIC, 0, 0, 0, 0, 0), true },
	{ "no traffic, rate 0", FLOW(NOTRAFFIC, 0, 9, 9, ANY, ANY), true },
	{ "no traffic, bucket 0", FLOW(NOTRAFFIC, 9, 0, 9, ANY, ANY), true },
	{ "no traffic, none said", FLOW(NOTRAFFIC, ANY, ANY, ANY, ANY, ANY),
	  true },
	{ "no traffic, low peak", FLOW(NOTRAFFIC, 9, 0, 8, ANY, ANY), false },

	{ "peak is rate", FLOW(BESTEFFORT, 100, 1, 100, ANY, ANY), true },
	{ "peak below rate", FLOW(BESTEFFORT, 100, 1, 99, ANY, ANY), false },
	{ "peak 0", FLOW(BESTEFFORT, 100, 1, 0, ANY, ANY), false },
	{ "no rate, peak 0", FLOW(BESTEFFORT, ANY, ANY, 0, ANY, ANY), false },
	{ "no rate, peak 1", FLOW(BESTEFFORT, ANY, ANY, 1, ANY, ANY), true },
	{ "no traffic, peak 0", FLOW(NOTRAFFIC, ANY, ANY, 0, ANY, ANY), true },
	{ "no peak", FLOW(BESTEFFORT, 100, 1, ANY, ANY, ANY), true },
	{ "peak, no rate", FLOW(BESTEFFORT, ANY, ANY, 100, ANY, ANY), true },
	{ "highest rate, no peak", FLOW(BESTEFFORT, ANY - 1, 1, ANY, ANY, ANY),
	  true },
	{ "highest rate, less peak",
	  FLOW(BESTEFFORT, ANY - 1, 1, ANY - 2, ANY, ANY), false },

	{ "guaranteed rate", FLOW(GUARANTEED, 1, 1, 1, ANY, ANY), true },
	{ "guaranteed 0", FLOW(GUARANTEED, 0, 1, 1, ANY, ANY), false },
	{ "guaranteed what", FLOW(GUARANTEED, ANY, 1, ANY, ANY, ANY), false },
	{ "better than guaranteed",
	  { 1, 1, 1, 1, 1, PARLEY_SERVICE_GUARANTEED + 1, 1, 1 }, false },
	{ "no service", { 1, 1, 1, 1, 1, ANY, 1, 1 }, false },

	{ "policed is sdu", FLOW(BESTEFFORT, 1, 1, 1, 100, 100), true },
	{ "policed above sdu", FLOW(BESTEFFORT, 1, 1, 1, 100, 101), false },
	{ "policed, no sdu", FLOW(BESTEFFORT, 1, 1, 1, ANY, 101), true },
	{ "sdu, not policed", FLOW(BESTEFFORT, 1, 1, 1, 100, ANY), true },
	{ "policed 0", FLOW(BESTEFFORT, 1, 1, 1, 100, 0), true },
};

static void qos_flow_desc(const struct qos_flow_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(qos_flow, qos_flow_cases, qos_flow_desc);

/* In whichever direction it is. */
static void qos_test_valid(struct kunit *test)
{
	const struct qos_flow_case *c = test->param_value;
	struct parley_qos qos = parley_qos_none;

	qos.send = c->flow;
	KUNIT_EXPECT_EQ(test, parley_qos_valid(&qos), c->valid);
	qos.recv = c->flow;
	KUNIT_EXPECT_EQ(test, parley_qos_valid(&qos), c->valid);
	qos.send = parley_qos_none.send;
	KUNIT_EXPECT_EQ(test, parley_qos_valid(&qos), c->valid);
}

/* Any member but the service may be left unsaid. */
static void qos_test_unsaid(struct kunit *test)
{
	const struct parley_flowspec flow =
		FLOW(CONTROLLEDLOAD, 1000, 500, 2000, 300, 20);
	unsigned int i;

	for (i = 0; i < QOS_PLACES; i++) {
		const size_t service = offsetof(struct parley_flowspec,
						service);
		struct parley_qos qos = { .send = flow, .recv = flow };
		bool may;

		may = qos_members[i % QOS_MEMBERS].offset != service;
		*qos_at(&qos, i) = ANY;
		KUNIT_EXPECT_EQ_MSG(test, parley_qos_valid(&qos), may, "%s",
				    qos_name(i));
	}
}

/* Makes one member better, or else worse, than it is. */
static void qos_change(struct parley_qos *qos, unsigned int place, bool better,
		       u32 by)
{
	if (better == qos_members[place % QOS_MEMBERS].high)
		*qos_at(qos, place) += by;
	else
		*qos_at(qos, place) -= by;
}

/* Each set of members that are better; all others are worse. */
static void qos_test_within_sets(struct kunit *test)
{
	struct parley_qos grant, asked;
	unsigned int set, i;

	qos_fill(&asked, QOS_MIDDLE);
	KUNIT_ASSERT_TRUE(test, parley_qos_within(&asked, &asked));
	for (set = 0; set < 1U << QOS_PLACES; set++) {
		grant = asked;
		for (i = 0; i < QOS_PLACES; i++)
			qos_change(&grant, i, set & BIT(i), 1);
		KUNIT_ASSERT_EQ_MSG(test, parley_qos_within(&grant, &asked),
				    !set, "better are %#x", set);
	}
}

/* One member alone, as much as numbers can differ. */
static void qos_test_within_far(struct kunit *test)
{
	struct parley_qos low, high;
	unsigned int i;

	for (i = 0; i < QOS_PLACES; i++) {
		bool more = qos_members[i % QOS_MEMBERS].high;

		qos_fill(&low, QOS_MIDDLE);
		high = low;
		*qos_at(&low, i) = 0;
		*qos_at(&high, i) = ANY;
		KUNIT_EXPECT_EQ_MSG(test, parley_qos_within(&low, &high), more,
				    "%s", qos_name(i));
		KUNIT_EXPECT_EQ_MSG(test, parley_qos_within(&high, &low),
				    !more, "%s", qos_name(i));
		/* What was not said is what is equal, too. */
		KUNIT_EXPECT_TRUE(test, parley_qos_within(&high, &high));
	}
}

/* Who did not ask for anything is given any rate, and no delay. */
static void qos_test_within_none(struct kunit *test)
{
	struct parley_qos grant = parley_qos_none;

	KUNIT_EXPECT_TRUE(test, parley_qos_within(&grant, &parley_qos_none));
	grant.send.token_rate = 1;
	grant.recv.bucket_size = 1;
	grant.recv.service = PARLEY_SERVICE_NOTRAFFIC;
	KUNIT_EXPECT_TRUE(test, parley_qos_within(&grant, &parley_qos_none));
	grant.send.latency_us = ANY - 1;
	KUNIT_EXPECT_FALSE(test, parley_qos_within(&grant, &parley_qos_none));
	grant = parley_qos_none;
	grant.send.service = PARLEY_SERVICE_CONTROLLEDLOAD;
	KUNIT_EXPECT_FALSE(test, parley_qos_within(&grant, &parley_qos_none));
}

/* Numbers that are often equal, next to each other, or at an end. */
static u32 qos_random(struct rnd_state *random)
{
	static const u32 ends[] = { 0, 1, 2, 3, ANY, ANY - 1, ANY - 2 };
	u32 dice = prandom_u32_state(random);

	if (dice & 1)
		return ends[(dice >> 1) % ARRAY_SIZE(ends)];
	dice = prandom_u32_state(random);
	return dice & 1 ? dice : dice % 16;
}

/* One direction that makes sense, after as many throws as it takes. */
static void qos_random_flow(struct rnd_state *random,
			    struct parley_flowspec *flow)
{
	struct parley_qos qos = parley_qos_none;
	unsigned int i;

	do {
		for (i = 0; i < QOS_MEMBERS; i++)
			*qos_at(&qos, i) = qos_random(random);
		qos.send.service = prandom_u32_state(random) % 4;
	} while (!parley_qos_valid(&qos));
	*flow = qos.send;
}

static void qos_random_fill(struct rnd_state *random, struct parley_qos *qos)
{
	qos_random_flow(random, &qos->send);
	qos_random_flow(random, &qos->recv);
}

/* Whether a member was cut down to what was asked, or so that it fits. */
static bool qos_is_cut(struct parley_qos *cut, struct parley_qos *asked,
		       unsigned int place)
{
	const struct parley_flowspec *flow;
	u32 value = *qos_at(cut, place);

	flow = place < QOS_MEMBERS ? &cut->send : &cut->recv;
	if (qos_at(cut, place) == &flow->token_rate &&
	    value == flow->peak_rate)
		return true;
	if (qos_at(cut, place) == &flow->min_policed && value == ANY)
		return true;
	return value == *qos_at(asked, place);
}

/* What became of a grant is within, makes sense, and is not needlessly less. */
static void qos_expect_cut(struct kunit *test, unsigned int round,
			   struct parley_qos *cut, struct parley_qos *grant,
			   struct parley_qos *asked)
{
	struct parley_qos more;
	unsigned int i;
	bool may;

	KUNIT_ASSERT_TRUE_MSG(test, parley_qos_within(cut, asked),
			      "round %u", round);
	KUNIT_ASSERT_TRUE_MSG(test, parley_qos_valid(cut), "round %u", round);
	for (i = 0; i < QOS_PLACES; i++) {
		if (*qos_at(cut, i) == *qos_at(grant, i))
			continue;
		KUNIT_ASSERT_TRUE_MSG(test, qos_is_cut(cut, asked, i),
				      "round %u: %s", round, qos_name(i));
		more = *cut;
		*qos_at(&more, i) = *qos_at(grant, i);
		may = parley_qos_within(&more, asked) &&
		      parley_qos_valid(&more);
		KUNIT_ASSERT_FALSE_MSG(test, may, "round %u: %s", round,
				       qos_name(i));
	}
}

static void qos_test_clamp(struct kunit *test)
{
	struct parley_qos grant, asked, cut, again;
	struct rnd_state random;
	unsigned int round;

	prandom_seed_state(&random, QOS_SEED);
	for (round = 0; round < QOS_ROUNDS; round++) {
		qos_random_fill(&random, &grant);
		qos_random_fill(&random, &asked);
		cut = grant;
		parley_qos_clamp(&cut, &asked);
		qos_expect_cut(test, round, &cut, &grant, &asked);
		/* What is within stays as it is. */
		again = cut;
		parley_qos_clamp(&again, &asked);
		KUNIT_ASSERT_EQ_MSG(test, memcmp(&again, &cut, sizeof(cut)), 0,
				    "round %u", round);
	}
}

/* Makes all members a bit worse, or some of them. */
static void qos_worsen(struct rnd_state *random, struct parley_qos *qos)
{
	unsigned int i;
	u32 now, room;

	for (i = 0; i < QOS_PLACES; i++) {
		now = *qos_at(qos, i);
		room = qos_members[i % QOS_MEMBERS].high ? now : ANY - now;
		if (room)
			qos_change(qos, i, false, qos_random(random) % room);
	}
}

/* Grants that are within from the start, which dice would hardly throw. */
static void qos_test_clamp_within(struct kunit *test)
{
	struct parley_qos grant, asked, cut;
	unsigned int round, tried = 0;
	struct rnd_state random;

	prandom_seed_state(&random, QOS_SEED + 1);
	for (round = 0; round < QOS_ROUNDS; round++) {
		qos_random_fill(&random, &asked);
		grant = asked;
		qos_worsen(&random, &grant);
		KUNIT_ASSERT_TRUE_MSG(test, parley_qos_within(&grant, &asked),
				      "round %u", round);
		if (!parley_qos_valid(&grant))
			continue;
		tried++;
		cut = grant;
		parley_qos_clamp(&cut, &asked);
		KUNIT_ASSERT_EQ_MSG(test, memcmp(&cut, &grant, sizeof(cut)), 0,
				    "round %u", round);
	}
	KUNIT_EXPECT_GT(test, tried, QOS_ROUNDS / 100);
}

static struct kunit_case qos_cases[] = {
	KUNIT_CASE(qos_test_complete),
	KUNIT_CASE(qos_test_none),
	KUNIT_CASE_PARAM(qos_test_valid, qos_flow_gen_params),
	KUNIT_CASE(qos_test_unsaid),
	KUNIT_CASE(qos_test_within_sets),
	KUNIT_CASE(qos_test_within_far),
	KUNIT_CASE(qos_test_within_none),
	KUNIT_CASE(qos_test_clamp),
	KUNIT_CASE(qos_test_clamp_within),
	{}
};

static struct kunit_suite qos_suite = {
	.name = "parley-qos",
	.test_cases = qos_cases,
};

kunit_test_suite(qos_suite);
