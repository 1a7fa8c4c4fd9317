// SPDX-License-Identifier: GPL-2.0
/*
 * Rules with a rate, one call after another: what is said up to the rate and
 * beyond, which calls take of it, and whose it is. Under load they are in
 * rules_race.c.
 */
#include "kselftest_harness.h"

#include <unistd.h>

#include "lib_decide.h"
#include "lib_rules.h"

#define HOST	"127.0.0.1"
#define PORT	7460

FIXTURE(rate) {
	struct rules *t;
	int l;
};

FIXTURE_VARIANT(rate) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(rate, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(rate, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

static int listener(int port, unsigned int stage)
{
	int l = parley_listener(HOST, port, 10);
	int err;

	if (l < 0)
		return l;
	err = parley_nonblock(l, true) ?: terms_set_stage(l, stage);
	return err ?: l;
}

FIXTURE_SETUP(rate)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = listener(PORT, variant->stage);
	ASSERT_LE(0, self->l);
	self->t = rules_new();
	ASSERT_NE(NULL, self->t);
}

FIXTURE_TEARDOWN(rate)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int code_group(int l, __u64 group)
{
	const struct rules_call c = { .terms.group = group };

	return rules_code(l, &c);
}

/* How many of the next @n calls are answered in this way? */
static int count(int l, int code, int n)
{
	int i, hits = 0;

	for (i = 0; i < n; i++)
		hits += rules_code(l, NULL) == code;
	return hits;
}

/* Just so many, and then never one more. */
TEST_F(rate, burst)
{
	static const __u32 bursts[] = { 1, 2, 3, 17, 100 };
	struct parley_rule *r = rules_add(self->t, PARLEY_ACCEPT);
	unsigned int i;

	rules_say(&r->over, 9, 0);
	for (i = 0; i < ARRAY_SIZE(bursts); i++) {
		rules_once(r, bursts[i]);
		ASSERT_EQ(0, rules_set(self->l, self->t));
		EXPECT_EQ(bursts[i], count(self->l, 0, bursts[i]));
		EXPECT_EQ(20, count(self->l, 9, 20));
	}
}

TEST_F(rate, over_refuses)
{
	struct parley_rule *r = rules_refuse(self->t, 1);
	int fd, err;

	rules_once(r, 1);
	rules_reply(self->t, &r->then, "the first");
	rules_say(&r->over, 2, 86400000);
	rules_reply(self->t, &r->over, "too many");
	ASSERT_EQ(0, rules_set(self->l, self->t));
	EXPECT_EQ(1, rules_code(self->l, NULL));
	err = rules_connect(self->l, NULL, &fd);
	if (err == -EINPROGRESS)
		err = test_accept(self->l, 0);
	EXPECT_GT(0, err);
	EXPECT_TRUE(rules_refused_is(fd, 2, 86400000, "too many"));
}

/* Rules that say the same, and with the same bytes, when there are too many. */
TEST_F(rate, over_shares)
{
	struct rules_call c = {};
	struct parley_rule *r, *first = NULL;
	int fd, i;

	for (i = 1; i <= 2; i++) {
		r = rules_refuse(self->t, i);
		rules_group(r, i);
		rules_once(r, 1);
		if (first)
			r->over = first->over;
		else
			rules_reply(self->t, &r->over, "too many");
		rules_say(&r->over, 10 + i, 0);
		first = r;
	}
	ASSERT_EQ(0, rules_set(self->l, self->t));
	for (i = 1; i <= 2; i++) {
		c.terms.group = i;
		EXPECT_EQ(i, rules_code(self->l, &c));
		if (rules_connect(self->l, &c, &fd) == -EINPROGRESS)
			test_accept(self->l, 0);
		EXPECT_TRUE(rules_refused_is(fd, 10 + i, 0, "too many"));
	}
}

/* It is the same rule that decides. */
TEST_F(rate, over_accepts)
{
	struct parley_rule *r;
	struct parley_qos qos;
	int fd, new;

	terms_qos_none(&qos);
	qos.send.token_rate = 77;
	rules_group(rules_refuse(self->t, 1), 1);
	r = rules_refuse(self->t, 2);
	rules_once(r, 1);
	rules_reply(self->t, &r->over, "better late");
	rules_grant(&r->over, &qos);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	EXPECT_EQ(2, rules_code(self->l, NULL));
	ASSERT_EQ(-EINPROGRESS, rules_connect(self->l, NULL, &fd));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_RULE, 1));
	EXPECT_TRUE(terms_reply_is(fd, "better late", 11));
	EXPECT_TRUE(terms_qos_is(fd, &qos));
}

TEST_F(rate, over_defers)
{
	struct parley_rule *r = rules_add(self->t, PARLEY_ACCEPT);
	int fd;

	rules_once(r, 2);
	r->over.verdict = PARLEY_DEFER;
	ASSERT_EQ(0, rules_set(self->l, self->t));
	EXPECT_EQ(2, count(self->l, 0, 2));
	ASSERT_EQ(-EINPROGRESS, rules_connect(self->l, NULL, &fd));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	EXPECT_TRUE(decide_waits(fd));
}

/* The rules after it are not asked, even beyond its rate. */
TEST_F(rate, no_next_rule)
{
	struct parley_rule *r = rules_refuse(self->t, 1);

	rules_once(r, 1);
	rules_say(&r->over, 2, 0);
	rules_refuse(self->t, 3);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	EXPECT_EQ(1, rules_code(self->l, NULL));
	EXPECT_EQ(5, count(self->l, 2, 5));
}

/* Only calls that the rule is for take of its rate, in every respect. */
TEST_F(rate, others_take_nothing)
{
	struct rules_call c = { .terms = { "data", 4, NULL, 1 } };
	struct parley_rule *r;
	int i;

	rules_group(rules_refuse(self->t, 1), 1);
	r = rules_refuse(self->t, 2);
	rules_group(r, 2);
	rules_uid(r, 0, 0);
	rules_data(self->t, r, 0, "data", NULL);
	rules_once(r, 1);
	rules_say(&r->over, 3, 0);
	rules_say(&self->t->arg.otherwise, 4, 0);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	for (i = 0; i < 5; i++) {
		c.terms.group = 1;
		EXPECT_EQ(1, rules_code(self->l, &c));
		c.terms.group = 3;
		EXPECT_EQ(4, rules_code(self->l, &c));
		c.terms.group = 2;
		c.terms.data = "date";
		EXPECT_EQ(4, rules_code(self->l, &c));
		c.terms.data = "data";
	}
	EXPECT_EQ(2, rules_code(self->l, &c));
	EXPECT_EQ(3, rules_code(self->l, &c));
}

/* Each rule has its own, and each listener with the same table. */
TEST_F(rate, apart)
{
	int other = listener(PORT + 1, variant->stage);
	struct parley_rule *r;
	int i;

	ASSERT_LE(0, other);
	for (i = 1; i <= 3; i++) {
		r = rules_refuse(self->t, i);
		rules_group(r, i);
		rules_once(r, i);
		rules_say(&r->over, 10 + i, 0);
	}
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(0, rules_set(other, self->t));
	for (i = 1; i <= 3; i++) {
		EXPECT_EQ(i, code_group(self->l, i));
		EXPECT_EQ(i, code_group(other, i));
	}
	EXPECT_EQ(11, code_group(self->l, 1));
	EXPECT_EQ(2, code_group(self->l, 2));
	EXPECT_EQ(12, code_group(self->l, 2));
	EXPECT_EQ(3, code_group(self->l, 3));
	EXPECT_EQ(3, code_group(self->l, 3));
	EXPECT_EQ(13, code_group(self->l, 3));
	EXPECT_EQ(11, code_group(other, 1));
	EXPECT_EQ(2, code_group(other, 2));
	EXPECT_EQ(12, code_group(other, 2));
}

/* A new table begins anew, even if it is the same; to look changes nothing. */
TEST_F(rate, fresh)
{
	struct parley_rule *r = rules_refuse(self->t, 1);
	int i;

	rules_once(r, 3);
	rules_say(&r->over, 2, 0);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, rules_set(self->l, self->t));
		EXPECT_EQ(1, rules_code(self->l, NULL));
		EXPECT_TRUE(rules_is(self->l, self->t));
		EXPECT_EQ(2, count(self->l, 1, 2));
		EXPECT_TRUE(rules_is(self->l, self->t));
		EXPECT_EQ(2, count(self->l, 2, 2));
	}
	/* Nor does listening again. */
	ASSERT_EQ(0, listen(self->l, 5));
	EXPECT_EQ(2, rules_code(self->l, NULL));
}

/* Full again is what it is after a while, and no more than full. */
TEST_F(rate, refill)
{
	struct parley_rule *r = rules_refuse(self->t, 1);

	rules_once(r, 1);
	r->rate.interval_ms = 1;
	rules_say(&r->over, 2, 0);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	EXPECT_EQ(1, rules_code(self->l, NULL));
	EXPECT_TRUE(parley_until(rules_code(self->l, NULL) == 1));
	EXPECT_TRUE(parley_until(rules_code(self->l, NULL) == 1));
}

/* However often one asks, time is not to be cheated. */
TEST_F(rate, never_faster)
{
	const unsigned long long token = 5000000, burst = 3, calls = 15;
	struct parley_rule *r = rules_refuse(self->t, 1);
	unsigned long long begun, took;
	unsigned int i;

	rules_once(r, burst);
	r->rate.calls = 2;
	r->rate.interval_ms = 10;
	rules_say(&r->over, 2, 0);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	begun = parley_now_ns();
	for (i = 0; i < calls; i++)
		ASSERT_TRUE(parley_until(rules_code(self->l, NULL) == 1));
	took = parley_now_ns() - begun;
	EXPECT_LE((calls - burst) * token, took);
}

TEST_HARNESS_MAIN
