// SPDX-License-Identifier: GPL-2.0
/*
 * What rules say: yes, no, later, with all that goes with it, up to a rate and
 * beyond; and who is said to have decided. Which calls a rule is meant for is
 * in rules_match.c, what rates are under load in rules_race.c.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib_decide.h"
#include "lib_rules.h"

#define HOST	"127.0.0.1"
#define PORT	7450

FIXTURE(answer) {
	struct parley_qos qos;
	struct rules *t;
	int l;
};

FIXTURE_VARIANT(answer) {
	unsigned int stage;
	int refused;	/* what judge() says of a call that was refused */
};

FIXTURE_VARIANT_ADD(answer, accept) {
	.stage = PARLEY_STAGE_ACCEPT,
	.refused = -EAGAIN,
};

FIXTURE_VARIANT_ADD(answer, arrival) {
	.stage = PARLEY_STAGE_ARRIVAL,
	.refused = -ECONNREFUSED,
};

FIXTURE_SETUP(answer)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
	self->t = rules_new();
	ASSERT_NE(NULL, self->t);
}

FIXTURE_TEARDOWN(answer)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* A call, and an accept for it: what accept says, or else connect. */
static int judge(int l, const struct rules_call *c, int *fd)
{
	int err = rules_connect(l, c, fd);

	return err == -EINPROGRESS ? test_accept(l, 0) : err;
}

static int judge_group(int l, __u64 group, int *fd)
{
	const struct rules_call c = { .terms.group = group };

	return judge(l, &c, fd);
}

TEST_F(answer, accept_plainly)
{
	int fd, new;

	rules_add(self->t, PARLEY_ACCEPT);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	new = judge(self->l, NULL, &fd);
	ASSERT_LE(0, new);
	EXPECT_TRUE(parley_talks(fd, new));
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_RULE, 0));
	EXPECT_TRUE(terms_reply_is(fd, NULL, 0));
	EXPECT_TRUE(terms_reply_is(new, NULL, 0));
	EXPECT_EQ(PARLEY_REASON_NONE, parley_reason(fd));
}

/* With the rule's reply, or else with the listener's. */
TEST_F(answer, accept_with_reply)
{
	struct parley_rule *r = rules_add(self->t, PARLEY_ACCEPT);
	int fd, new;

	rules_bytes(self->t, "beside it", 9);
	rules_reply(self->t, &r->then, "welcome");
	rules_bytes(self->t, "beside it", 9);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	new = judge(self->l, NULL, &fd);
	ASSERT_LE(0, new);
	EXPECT_TRUE(terms_reply_is(fd, "welcome", 7));
	EXPECT_TRUE(terms_reply_is(new, "welcome", 7));

	ASSERT_EQ(0, terms_set_reply(self->l, "the usual", 9));
	new = judge(self->l, NULL, &fd);
	ASSERT_LE(0, new);
	EXPECT_TRUE(terms_reply_is(fd, "welcome", 7));
	r->then.reply = 0;
	r->then.reply_len = 0;
	ASSERT_EQ(0, rules_set(self->l, self->t));
	new = judge(self->l, NULL, &fd);
	ASSERT_LE(0, new);
	EXPECT_TRUE(terms_reply_is(fd, "the usual", 9));
	EXPECT_TRUE(terms_reply_is(new, "the usual", 9));
}

TEST_F(answer, refuse)
{
	struct parley_rule *r = rules_refuse(self->t, 0);
	int fd;

	/* What is said to those who are accepted is not said to others. */
	ASSERT_EQ(0, terms_set_reply(self->l, "the usual", 9));
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(variant->refused, judge(self->l, NULL, &fd));
	EXPECT_TRUE(rules_refused_is(fd, 0, 0, NULL));
	rules_say(&r->then, 42, 1500);
	rules_reply(self->t, &r->then, "go away");
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(variant->refused, judge(self->l, NULL, &fd));
	EXPECT_TRUE(rules_refused_is(fd, 42, 1500, "go away"));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 0));
	EXPECT_TRUE(decide_accepts_none(self->l));
}

/* The highest numbers, and the longest reply. */
TEST_F(answer, refuse_with_all_that_fits)
{
	struct parley_rule *r = rules_refuse(self->t, UINT32_MAX);
	char reply[4096 + 1];
	int fd;

	memset(reply, 'x', 4096);
	reply[0] = 'a';
	reply[4095] = 'z';
	reply[4096] = 0;
	rules_say(&r->then, UINT32_MAX, UINT32_MAX);
	rules_reply(self->t, &r->then, reply);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(variant->refused, judge(self->l, NULL, &fd));
	EXPECT_TRUE(rules_refused_is(fd, UINT32_MAX, UINT32_MAX, reply));
}

/* The next call of a socket has nothing of the last one's answer. */
TEST_F(answer, call_again)
{
	struct parley_rule *r;
	int fd, new;

	r = rules_refuse(self->t, 42);
	rules_group(r, 1);
	rules_reply(self->t, &r->then, "go away");
	rules_group(rules_refuse(self->t, 43), 2);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(variant->refused, judge_group(self->l, 1, &fd));
	EXPECT_TRUE(rules_refused_is(fd, 42, 0, "go away"));
	parley_so_error(fd);
	ASSERT_EQ(0, terms_set_group(fd, 2));
	if (variant->stage == PARLEY_STAGE_ACCEPT) {
		ASSERT_EQ(-EINPROGRESS, test_connect(fd, HOST, PORT));
		EXPECT_TRUE(terms_reply_is(fd, NULL, 0));
		EXPECT_EQ(PARLEY_REASON_NONE, parley_reason(fd));
		ASSERT_EQ(-EAGAIN, test_accept(self->l, 0));
	} else {
		ASSERT_EQ(-ECONNREFUSED, test_connect(fd, HOST, PORT));
	}
	EXPECT_TRUE(rules_refused_is(fd, 43, 0, NULL));
	parley_so_error(fd);
	ASSERT_EQ(0, terms_set_group(fd, 3));
	ASSERT_EQ(-EINPROGRESS, test_connect(fd, HOST, PORT));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_EQ(PARLEY_REASON_NONE, parley_reason(fd));
	EXPECT_TRUE(terms_reply_is(fd, NULL, 0));
	EXPECT_TRUE(parley_talks(fd, new));
}

TEST_F(answer, defer)
{
	struct parley_call_info info;
	int fd, new;

	rules_add(self->t, PARLEY_DEFER);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(-EAGAIN, judge(self->l, NULL, &fd));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	EXPECT_TRUE(decide_waits(fd));
	EXPECT_EQ(POLLPRI, parley_revents(self->l, POLLIN | POLLPRI));
	/* It is not given to who does not ask for such calls. */
	EXPECT_TRUE(decide_next_is_none(self->l, 0));
	ASSERT_EQ(0, terms_next(self->l, &info,
				PARLEY_NEXT_DEFERRED | PARLEY_NEXT_NOWAIT));
	EXPECT_EQ(PARLEY_INFO_DEFERRED, info.flags & PARLEY_INFO_DEFERRED);
	EXPECT_EQ(0, parley_revents(self->l, POLLIN | POLLPRI));

	ASSERT_EQ(0, terms_decide(self->l, info.id, PARLEY_ACCEPT));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_SERVER, PARLEY_RULE_NONE));
	EXPECT_TRUE(parley_talks(fd, new));
}

/* Deferred calls are asked about again when somebody wants that. */
TEST_F(answer, review)
{
	struct parley_call_info info;
	struct parley_rule *r;
	int one, two, new;

	r = rules_add(self->t, PARLEY_DEFER);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(-EAGAIN, judge_group(self->l, 1, &one));
	ASSERT_EQ(-EAGAIN, judge_group(self->l, 2, &two));
	rules_say(&r->then, 9, 0);
	rules_group(r, 1);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	/* What was judged stays so, until then. */
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 2, 0));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	ASSERT_EQ(2, decide_review(self->l));
	EXPECT_TRUE(decide_backlog_is(self->l, 2, 0, 0));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_refused_is(one, 9, 0, NULL));
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_RULE, PARLEY_RULE_NONE));
	EXPECT_TRUE(parley_talks(two, new));
	ASSERT_EQ(0, terms_info(new, &info));
	EXPECT_EQ(PARLEY_INFO_DEFERRED, info.flags & PARLEY_INFO_DEFERRED);
}

/* What is said where no rule is for a call. */
TEST_F(answer, otherwise)
{
	struct parley_rule_answer *o = &self->t->arg.otherwise;
	struct parley_rule *r = rules_refuse(self->t, 9);
	int fd, new;

	rules_group(r, 1);
	rules_reply(self->t, o, "well then");
	ASSERT_EQ(0, rules_set(self->l, self->t));
	new = judge(self->l, NULL, &fd);
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_RULE, PARLEY_RULE_NONE));
	EXPECT_TRUE(terms_reply_is(fd, "well then", 9));

	rules_say(o, 10, 20);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(variant->refused, judge(self->l, NULL, &fd));
	EXPECT_TRUE(rules_refused_is(fd, 10, 20, "well then"));
	ASSERT_EQ(variant->refused, judge_group(self->l, 1, &fd));
	EXPECT_TRUE(rules_refused_is(fd, 9, 0, NULL));

	*o = (struct parley_rule_answer){ .verdict = PARLEY_DEFER };
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(-EAGAIN, judge(self->l, NULL, &fd));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	EXPECT_TRUE(decide_waits(fd));
}

/* The default decides where there are no rules at all, too. */
TEST_F(answer, otherwise_only)
{
	int fd, new;

	rules_reply(self->t, &self->t->arg.otherwise, "yes");
	ASSERT_EQ(0, rules_set(self->l, self->t));
	new = judge(self->l, NULL, &fd);
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_RULE, PARLEY_RULE_NONE));
	EXPECT_TRUE(terms_reply_is(fd, "yes", 3));
	rules_say(&self->t->arg.otherwise, 5, 0);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(variant->refused, judge(self->l, NULL, &fd));
	EXPECT_TRUE(rules_refused_is(fd, 5, 0, "yes"));
}

/* A table that says nothing is as none. */
TEST_F(answer, nobody)
{
	int fd, new;

	new = judge(self->l, NULL, &fd);
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_ACCEPT, PARLEY_RULE_NONE));
	ASSERT_EQ(0, rules_set(self->l, self->t));
	new = judge(self->l, NULL, &fd);
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_ACCEPT, PARLEY_RULE_NONE));
	rules_add(self->t, PARLEY_ACCEPT);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	self->t->arg.count = 0;
	ASSERT_EQ(0, rules_set(self->l, self->t));
	new = judge(self->l, NULL, &fd);
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_ACCEPT, PARLEY_RULE_NONE));
}

TEST_F(answer, which_rule)
{
	int fd, new, i;

	for (i = 0; i < PARLEY_RULES_MAX; i++)
		rules_group(rules_add(self->t, PARLEY_ACCEPT), i);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	for (i = 0; i <= PARLEY_RULES_MAX; i = i * 2 + 1) {
		new = judge_group(self->l, i, &fd);
		ASSERT_LE(0, new);
		EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_RULE, i));
	}
	new = judge_group(self->l, PARLEY_RULES_MAX, &fd);
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_RULE, PARLEY_RULE_NONE));
}

/* What @asked is granted by a rule that grants @grant: both ends know it. */
static bool grants(int l, struct rules *t, const struct parley_qos *asked,
		   const struct parley_qos *grant,
		   const struct parley_qos *want)
{
	const struct rules_call c = { .terms.qos = asked };
	struct parley_qos none, swapped = *want;
	struct parley_call_info info;
	int fd, new;

	terms_qos_none(&none);
	terms_qos_swap(&swapped);
	t->rule[0].then.grant = *grant;
	if (rules_set(l, t))
		return false;
	new = judge(l, &c, &fd);
	return new >= 0 && !terms_info(new, &info) &&
	       terms_qos_eq(&info.qos, asked ? asked : &none) &&
	       terms_qos_eq(&info.granted, want) &&
	       terms_qos_is(fd, want) && terms_qos_is(new, &swapped) &&
	       !(info.flags & PARLEY_INFO_QOS) ==
	       (!asked || !memcmp(asked, &none, sizeof(none)));
}

TEST_F(answer, grant)
{
	struct parley_rule *r = rules_add(self->t, PARLEY_ACCEPT);
	struct parley_qos asked, none, grant, want;

	r->then.flags = PARLEY_ANSWER_QOS;
	terms_qos_some(&asked);
	terms_qos_none(&none);

	/* Just that; and less of everything. */
	EXPECT_TRUE(grants(self->l, self->t, &asked, &asked, &asked));
	want.send = (struct parley_flowspec){ 999999, 19999, 2999999, 40001,
		5001, PARLEY_SERVICE_BESTEFFORT, 5999, 701 };
	want.recv = (struct parley_flowspec){ 0, 0, 0, 50002, 6002,
		PARLEY_SERVICE_NOTRAFFIC, 7000, 802 };
	EXPECT_TRUE(grants(self->l, self->t, &asked, &want, &want));
	/* More of everything is cut down. */
	grant.send = (struct parley_flowspec){ 1000001, 20001, 3000001, 39999,
		4999, PARLEY_SERVICE_GUARANTEED, 6001, 699 };
	grant.recv = (struct parley_flowspec){ 2000002, 30002, 4000002, 50000,
		6000, PARLEY_SERVICE_GUARANTEED, 7002, 800 };
	EXPECT_TRUE(grants(self->l, self->t, &asked, &grant, &asked));
	/* Some of it is more, some is less. */
	grant = asked;
	want = asked;
	grant.send.token_rate++;
	grant.send.peak_rate++;
	grant.send.max_sdu--;
	want.send.max_sdu--;
	grant.recv.latency_us--;
	grant.recv.min_policed++;
	want.recv.min_policed++;
	EXPECT_TRUE(grants(self->l, self->t, &asked, &grant, &want));

	/* Nothing in particular: all that was asked. */
	EXPECT_TRUE(grants(self->l, self->t, &asked, &none, &(struct parley_qos)
			   { .send = { 1000000, 20000, 3000000,
				       PARLEY_QOS_UNSPECIFIED,
				       PARLEY_QOS_UNSPECIFIED,
				       PARLEY_SERVICE_BESTEFFORT, 6000,
				       PARLEY_QOS_UNSPECIFIED },
			     .recv = { 2000001, 30001, 4000001,
				       PARLEY_QOS_UNSPECIFIED,
				       PARLEY_QOS_UNSPECIFIED,
				       PARLEY_SERVICE_BESTEFFORT, 7001,
				       PARLEY_QOS_UNSPECIFIED } }));
}

/* Who did not ask is given any rate, but no delay and no better service. */
TEST_F(answer, grant_unasked)
{
	struct parley_rule *r = rules_add(self->t, PARLEY_ACCEPT);
	struct parley_qos grant, want, none;

	r->then.flags = PARLEY_ANSWER_QOS;
	terms_qos_some(&grant);
	terms_qos_none(&none);
	want = grant;
	want.send.service = PARLEY_SERVICE_BESTEFFORT;
	want.send.latency_us = PARLEY_QOS_UNSPECIFIED;
	want.send.delay_variation_us = PARLEY_QOS_UNSPECIFIED;
	want.send.min_policed = PARLEY_QOS_UNSPECIFIED;
	want.recv.service = PARLEY_SERVICE_BESTEFFORT;
	want.recv.latency_us = PARLEY_QOS_UNSPECIFIED;
	want.recv.delay_variation_us = PARLEY_QOS_UNSPECIFIED;
	want.recv.min_policed = PARLEY_QOS_UNSPECIFIED;
	EXPECT_TRUE(grants(self->l, self->t, NULL, &grant, &want));
	EXPECT_TRUE(grants(self->l, self->t, &none, &grant, &want));
	EXPECT_TRUE(grants(self->l, self->t, NULL, &none, &none));
}

/* Cut down, it is still something that makes sense: one could ask for it. */
TEST_F(answer, grant_makes_sense)
{
	struct parley_rule *r = rules_add(self->t, PARLEY_ACCEPT);
	const struct rules_call c = { .terms.qos = &self->qos };
	struct parley_qos grant, got;
	int fd, new, other;

	terms_qos_some(&self->qos);
	terms_qos_none(&grant);
	grant.send.peak_rate = self->qos.send.token_rate - 1;
	grant.recv.max_sdu = self->qos.recv.min_policed - 1;
	grant.recv.min_policed = 1;
	rules_grant(&r->then, &grant);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	new = judge(self->l, &c, &fd);
	ASSERT_LE(0, new);
	ASSERT_EQ(0, terms_qos(fd, &got));
	EXPECT_EQ(grant.send.peak_rate, got.send.peak_rate);
	EXPECT_GE(grant.send.peak_rate, got.send.token_rate);
	EXPECT_EQ(grant.recv.max_sdu, got.recv.max_sdu);
	EXPECT_LE(self->qos.recv.min_policed, got.recv.min_policed);
	other = parley_socket(0);
	ASSERT_LE(0, other);
	EXPECT_EQ(0, terms_set_qos(other, &got));
}

/* A rule that grants nothing in particular grants what was asked. */
TEST_F(answer, no_grant)
{
	struct parley_qos asked, zero = {};

	terms_qos_some(&asked);
	rules_add(self->t, PARLEY_ACCEPT);
	EXPECT_TRUE(grants(self->l, self->t, &asked, &zero, &asked));
	self->t->rule[0].then.flags = PARLEY_ANSWER_QOS;
	EXPECT_TRUE(grants(self->l, self->t, &asked, &asked, &asked));
}

/* The rules are asked before a call is looked at. */
TEST_F(answer, next_call)
{
	const struct rules_call c[] = {
		{ .terms.group = 1 }, { .terms.group = 2 }, { .terms.group = 3 }
	};
	const int begun[] = { variant->refused == -EAGAIN ? -EINPROGRESS :
			      -ECONNREFUSED, -EINPROGRESS, -EINPROGRESS };
	struct parley_call_info info;
	int fd[3], i, new;

	rules_group(rules_refuse(self->t, 7), 1);
	rules_group(rules_add(self->t, PARLEY_DEFER), 2);
	rules_reply(self->t, &rules_add(self->t, PARLEY_ACCEPT)->then, "old");
	ASSERT_EQ(0, rules_set(self->l, self->t));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(begun[i], rules_connect(self->l, &c[i], &fd[i]));
	ASSERT_EQ(0, terms_next(self->l, &info, PARLEY_NEXT_NOWAIT));
	EXPECT_EQ(3, info.group);
	/* Nothing is decided by its being shown. */
	EXPECT_EQ(0, info.decided_by);
	EXPECT_TRUE(rules_refused_is(fd[0], 7, 0, NULL));
	EXPECT_TRUE(decide_waits(fd[1]));
	EXPECT_TRUE(decide_waits(fd[2]));
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 1, 0));

	/* The rules have said yes, and are not asked again. */
	self->t->arg.count = 1;
	self->t->rule[0].match = 0;
	self->t->rule[0].group = 0;
	ASSERT_EQ(0, rules_set(self->l, self->t));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(parley_talks(fd[2], new));
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_RULE, 2));
	EXPECT_TRUE(terms_reply_is(fd[2], "old", 3));
}

TEST_HARNESS_MAIN
