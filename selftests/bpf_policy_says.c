// SPDX-License-Identifier: GPL-2.0
/*
 * What a policy says: verdicts, and numbers that are none; what it gives along;
 * and who wins where rules and a filter have their say, too.
 */
#include "kselftest_harness.h"

#include <limits.h>

#include "lib_bpf_script.h"
#include "lib_decide.h"

#define HOST	"127.0.0.1"
#define PORT	8560

FIXTURE(says) {
	struct policy p;
	struct script *s;
	struct script_seen *saw;	/* by condition() */
	int l;
};

FIXTURE_VARIANT(says) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(says, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(says, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

FIXTURE_SETUP(says)
{
	if (!policy_possible())
		SKIP(return, NO_POLICIES);
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
	ASSERT_EQ(0, script_start_for(&self->p, self->l, &self->s));
	self->saw = &self->s->seen[SCRIPT_CONDITION];
}

FIXTURE_TEARDOWN(says)
{
	policy_end(&self->p);
	EXPECT_EQ(0, policy_expect_clean());
}

TEST_F(says, verdicts)
{
	static const int faults[] = {
		3, 4, -1, -2, INT_MIN, INT_MAX, 0x100, 0x10000, 0x102, 255,
		-EPERM, -ENOLINK,
	};
	size_t i;

	self->s->verdict = PARLEY_ACCEPT;
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(self->l, NULL));
	self->s->verdict = PARLEY_REFUSE;
	EXPECT_EQ(PARLEY_REFUSE, script_verdict(self->l, NULL));
	self->s->verdict = PARLEY_DEFER;
	EXPECT_EQ(PARLEY_DEFER, script_verdict(self->l, NULL));
	/* Whatever was to go with it does not. */
	self->s->refusal = 1;
	self->s->code = 1;
	self->s->retry_after_ms = 2;
	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		self->s->verdict = faults[i];
		EXPECT_TRUE(filter_refuses(self->l, NULL,
					   PARLEY_REASON_POLICY_FAULT, 0, 0))
			TH_LOG("returned %d", faults[i]);
	}
	EXPECT_TRUE(script_ran(self->s, 3 + i, 1, 1, 0));
}

/* A refused call: @fd is the caller, which connect(2) may have told. */
static int refused(int l, int *fd)
{
	int err = rules_connect(l, NULL, fd);

	if (err == -ECONNREFUSED)
		return 0;
	if (err != -EINPROGRESS || test_accept(l, 0) != -EAGAIN)
		return -EBADMSG;
	return parley_so_error(*fd) == ECONNREFUSED ? 0 : -EBADMSG;
}

/* Code and retry-after; the last ones count. */
TEST_F(says, refusal)
{
	self->s->verdict = PARLEY_REFUSE;
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_POLICY, 0, 0));
	self->s->refusal = 1;
	self->s->code = 0xfedcba98;
	self->s->retry_after_ms = ~0U;
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_POLICY,
				   0xfedcba98, ~0U));
	EXPECT_EQ(0, self->saw->refusal_ret);
	/* They go with nothing else. */
	self->s->verdict = PARLEY_ACCEPT;
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(self->l, NULL));
	EXPECT_EQ(0, self->saw->refusal_ret);
	self->s->verdict = PARLEY_DEFER;
	EXPECT_EQ(PARLEY_DEFER, script_verdict(self->l, NULL));
}

/* What does not last: code and retry-after of a call that was put off. */
TEST_F(says, refusal_after_defer)
{
	int fd;

	self->s->verdict = PARLEY_DEFER;
	self->s->refusal = 1;
	self->s->code = 9;
	ASSERT_EQ(-EINPROGRESS, rules_connect(self->l, NULL, &fd));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	self->s->refusal = 0;
	self->s->verdict = PARLEY_REFUSE;
	EXPECT_EQ(1, decide_review(self->l));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_refused_is(fd, PARLEY_REASON_POLICY, 0));
}

/* Reply data of this length: with a yes and with a no. */
static bool reply_is(struct script *s, int l, __u32 len)
{
	int fd = -1, new = -1;
	bool good;

	s->reply_len = len;
	s->verdict = PARLEY_REFUSE;
	good = !refused(l, &fd) && terms_reply_is(fd, s->reply, len);
	close(fd);
	s->verdict = PARLEY_ACCEPT;
	good = good && rules_connect(l, NULL, &fd) == -EINPROGRESS;
	if (good) {
		new = test_accept(l, 0);
		good = new >= 0 && terms_reply_is(fd, s->reply, len) &&
		       terms_reply_is(new, s->reply, len);
		close(fd);
		close(new);
	}
	return good && !s->seen[SCRIPT_CONDITION].reply_ret[0];
}

TEST_F(says, reply)
{
	const __u32 max = parley_sysctl_read("parley/max_call_data");
	int fd;

	terms_fill(self->s->reply, SCRIPT_REPLY, 77);
	self->s->replies = 1;
	EXPECT_TRUE(reply_is(self->s, self->l, 1));
	EXPECT_TRUE(reply_is(self->s, self->l, 1000));
	EXPECT_TRUE(reply_is(self->s, self->l, max));
	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data",
					 TERMS_DATA_MAX));
	EXPECT_TRUE(reply_is(self->s, self->l, max + 1));
	EXPECT_TRUE(reply_is(self->s, self->l, TERMS_DATA_MAX));

	self->s->verdict = PARLEY_REFUSE;
	self->s->reply_len = TERMS_DATA_MAX + 1;
	ASSERT_EQ(0, refused(self->l, &fd));
	EXPECT_EQ(-EMSGSIZE, self->saw->reply_ret[0]);
	EXPECT_TRUE(terms_reply_is(fd, "", 0));
	self->s->reply_len = 0;
	ASSERT_EQ(0, refused(self->l, &fd));
	EXPECT_EQ(-EINVAL, self->saw->reply_ret[0]);
	EXPECT_TRUE(terms_reply_is(fd, "", 0));
	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data", 5));
	self->s->reply_len = 6;
	ASSERT_EQ(0, refused(self->l, &fd));
	EXPECT_EQ(-EMSGSIZE, self->saw->reply_ret[0]);
	EXPECT_TRUE(reply_is(self->s, self->l, 5));
}

TEST_F(says, reply_once)
{
	int fd;

	terms_fill(self->s->reply, 4, 1);
	self->s->verdict = PARLEY_REFUSE;
	self->s->replies = 2;
	self->s->reply_len = 4;
	ASSERT_EQ(0, refused(self->l, &fd));
	EXPECT_EQ(0, self->saw->reply_ret[0]);
	EXPECT_EQ(-EALREADY, self->saw->reply_ret[1]);
	EXPECT_TRUE(terms_reply_is(fd, self->s->reply, 4));
}

/* Not with a fault, and not with a call that is put off. */
TEST_F(says, reply_without_verdict)
{
	int fd, new;

	self->s->replies = 1;
	self->s->reply_len = 4;
	self->s->verdict = 5;
	ASSERT_EQ(0, refused(self->l, &fd));
	EXPECT_EQ(0, self->saw->reply_ret[0]);
	EXPECT_TRUE(terms_reply_is(fd, "", 0));

	self->s->verdict = PARLEY_DEFER;
	ASSERT_EQ(-EINPROGRESS, rules_connect(self->l, NULL, &fd));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	ASSERT_EQ(0, decide_call(self->l, decide_next_id(self->l,
							 PARLEY_NEXT_DEFERRED),
				 PARLEY_ACCEPT, 0));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(terms_reply_is(fd, "", 0));
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_SERVER, PARLEY_RULE_NONE));
}

/* The listener's own reply is for acceptances without one. */
TEST_F(says, reply_of_the_listener)
{
	int fd;

	ASSERT_EQ(0, terms_set_reply(self->l, "own", 3));
	ASSERT_EQ(-EINPROGRESS, rules_connect(self->l, NULL, &fd));
	ASSERT_LE(0, test_accept(self->l, 0));
	EXPECT_TRUE(terms_reply_is(fd, "own", 3));
	memcpy(self->s->reply, "said", 4);
	self->s->replies = 1;
	self->s->reply_len = 4;
	ASSERT_EQ(-EINPROGRESS, rules_connect(self->l, NULL, &fd));
	ASSERT_LE(0, test_accept(self->l, 0));
	EXPECT_TRUE(terms_reply_is(fd, "said", 4));
}

/* What is granted, as both ends have it. */
static bool grant_is(struct script *s, int l, const struct parley_qos *asked,
		     const struct parley_qos *want)
{
	const struct rules_call c = { .terms = { .qos = asked } };
	struct filter_said said;

	return !filter_ask(l, &c, &said) && said.verdict == PARLEY_ACCEPT &&
	       terms_qos_eq(&said.info.granted, want);
}

TEST_F(says, grant)
{
	struct parley_qos asked, want;

	terms_qos_some(&asked);
	EXPECT_TRUE(grant_is(self->s, self->l, &asked, &asked));
	self->s->grants = 2;
	self->s->grant = asked;
	self->s->grant.send.token_rate /= 2;
	self->s->grant.recv.latency_us *= 2;
	want = self->s->grant;
	EXPECT_TRUE(grant_is(self->s, self->l, &asked, &want));
	EXPECT_EQ(0, self->saw->qos_ret[0]);
	EXPECT_EQ(-EALREADY, self->saw->qos_ret[1]);
	/* Above what was asked: cut down. */
	self->s->grant.recv.bucket_size = PARLEY_QOS_UNSPECIFIED;
	self->s->grant.send.latency_us = 0;
	want.send.latency_us = asked.send.latency_us;
	EXPECT_TRUE(grant_is(self->s, self->l, &asked, &want));
	/* Who asks for nothing may be given less all the same. */
	terms_qos_none(&asked);
	terms_qos_none(&self->s->grant);
	self->s->grant.send.token_rate = 1000;
	want = self->s->grant;
	EXPECT_TRUE(grant_is(self->s, self->l, &asked, &want));
}

TEST_F(says, bad_grants)
{
	struct parley_qos asked, none;

	terms_qos_some(&asked);
	terms_qos_none(&none);
	self->s->grants = 2;
	self->s->grant = none;
	self->s->grant.send.service = 4;
	EXPECT_TRUE(grant_is(self->s, self->l, &asked, &asked));
	EXPECT_EQ(-EINVAL, self->saw->qos_ret[0]);
	EXPECT_EQ(-EINVAL, self->saw->qos_ret[1]);
	self->s->grant = none;
	self->s->grant.recv.token_rate = 0;
	EXPECT_TRUE(grant_is(self->s, self->l, &asked, &asked));
	EXPECT_EQ(-EINVAL, self->saw->qos_ret[0]);
	self->s->grant = none;
	self->s->grant.recv.token_rate = 1000;
	self->s->grant.recv.peak_rate = 999;
	EXPECT_TRUE(grant_is(self->s, self->l, &asked, &asked));
	EXPECT_EQ(-EINVAL, self->saw->qos_ret[0]);
}

/* Nothing is to be said any more when the verdict is known. */
TEST_F(says, too_late)
{
	const struct script_seen *seen = self->s->seen;
	int fd, i;

	self->s->refusal = 1;
	self->s->replies = 2;
	self->s->reply_len = 4;
	self->s->grants = 2;
	terms_qos_none(&self->s->grant);
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(self->l, NULL));
	/* One that is accepted here, and then dropped. */
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_REFUSE));
	ASSERT_EQ(0, refused(self->l, &fd));
	EXPECT_TRUE(script_ran(self->s, 2, 1, 1, 1));
	EXPECT_EQ(0, seen[SCRIPT_CONDITION].refusal_ret);
	for (i = SCRIPT_ESTABLISHED; i <= SCRIPT_DROPPED; i++) {
		EXPECT_EQ(-EPERM, seen[i].refusal_ret);
		EXPECT_EQ(-EPERM, seen[i].reply_ret[0]);
		EXPECT_EQ(-EPERM, seen[i].reply_ret[1]);
		EXPECT_EQ(-EPERM, seen[i].qos_ret[0]);
		EXPECT_EQ(-EPERM, seen[i].qos_ret[1]);
	}
}

/* What each stage says by its number is a verdict, or 3 for no stage. */
#define ABSENT	3

static const __u32 filter_word[] = {
	[PARLEY_ACCEPT] = PARLEY_FILTER_ACCEPT,
	[PARLEY_REFUSE] = PARLEY_FILTER_REFUSE,
	[PARLEY_DEFER] = PARLEY_FILTER_DEFER,
};

static int rank(int verdict)
{
	return verdict == PARLEY_REFUSE ? 2 : verdict == PARLEY_DEFER;
}

/* The first of those who said the strictest word, and what it was. */
static int winner(const int *say, int *verdict)
{
	int i, by = -1;

	for (i = 0; i < 3; i++)
		if (say[i] != ABSENT && (by < 0 ||
					 rank(say[i]) > rank(say[by])))
			by = i;
	*verdict = by < 0 ? PARLEY_ACCEPT : say[by];
	return by;
}

static int set_stages(struct script *s, int l, const int *say)
{
	struct parley_rule_answer a = {
		.verdict = say[0] == ABSENT ? PARLEY_ACCEPT : say[0],
	};
	int err;

	/* An empty table that accepts is none. */
	err = say[0] == ABSENT ? decide_rules(l, PARLEY_ACCEPT) :
				 terms_rule(l, &a, NULL, 0);
	filter_detach(l);
	if (!err && say[1] != ABSENT)
		err = filter_say(l, filter_word[say[1]]);
	if (!err)
		err = policy_choose(l, say[2] == ABSENT ? "" : SCRIPT_NAME);
	s->verdict = say[2] == ABSENT ? PARLEY_REFUSE : say[2];
	return err;
}

static bool stages_agree(struct script *s, int l, const int *say)
{
	static const int by[] = {
		PARLEY_BY_RULE, PARLEY_BY_FILTER, PARLEY_BY_POLICY
	};
	static const int reason[] = {
		PARLEY_REASON_RULE, PARLEY_REASON_FILTER, PARLEY_REASON_POLICY
	};
	struct filter_said said;
	int verdict, who;

	who = winner(say, &verdict);
	if (set_stages(s, l, say) || filter_ask(l, NULL, &said) ||
	    said.verdict != verdict)
		return false;
	if (verdict == PARLEY_ACCEPT)
		return said.info.decided_by ==
		       (who < 0 ? PARLEY_BY_ACCEPT : by[who]);
	return verdict != PARLEY_REFUSE || said.refusal.reason == reason[who];
}

/* All of what three stages may say: the strictest wins, the first of equals. */
TEST_F(says, with_rules_and_filter)
{
	unsigned int asked = 0, est = 0, dropped = 0;
	int i, verdict;

	for (i = 0; i < 64; i++) {
		const int say[] = { i & 3, i >> 2 & 3, i >> 4 & 3 };

		EXPECT_TRUE(stages_agree(self->s, self->l, say))
			TH_LOG("rules %d, filter %d, policy %d", say[0],
			       say[1], say[2]);
		winner(say, &verdict);
		asked += say[2] != ABSENT;
		est += say[2] != ABSENT && verdict == PARLEY_ACCEPT;
		dropped += say[2] == PARLEY_ACCEPT && verdict != PARLEY_ACCEPT;
	}
	/* It was asked each time, and told when its word did not count. */
	EXPECT_TRUE(script_ran(self->s, asked, est, est, dropped));
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* Reply and code: of the first who won; a reply also of the next ones. */
TEST_F(says, reply_of_the_winner)
{
	struct parley_rule_answer a = {
		.verdict = PARLEY_REFUSE, .code = 3, .reply_len = 4,
	};
	struct parley_refusal r;
	int fd;

	memcpy(self->s->reply, "mine", 4);
	self->s->verdict = PARLEY_REFUSE;
	self->s->replies = 1;
	self->s->reply_len = 4;
	self->s->refusal = 1;
	self->s->code = 4;
	ASSERT_EQ(0, terms_rule(self->l, &a, "rule", 4));
	ASSERT_EQ(0, refused(self->l, &fd));
	EXPECT_TRUE(terms_reply_is(fd, "rule", 4));
	ASSERT_EQ(0, parley_refusal(fd, &r));
	EXPECT_EQ(3, r.code);
	a.reply_len = 0;
	ASSERT_EQ(0, terms_rule(self->l, &a, NULL, 0));
	ASSERT_EQ(0, refused(self->l, &fd));
	EXPECT_TRUE(terms_reply_is(fd, "mine", 4));
	ASSERT_EQ(0, parley_refusal(fd, &r));
	EXPECT_EQ(3, r.code);
	EXPECT_EQ(PARLEY_REASON_RULE, r.reason);
	/* Not of who lost. */
	self->s->verdict = PARLEY_ACCEPT;
	ASSERT_EQ(0, refused(self->l, &fd));
	EXPECT_TRUE(terms_reply_is(fd, "", 0));
}

/* Of several grants, the least. */
TEST_F(says, least_grant)
{
	struct parley_rule_answer a = {
		.verdict = PARLEY_ACCEPT, .flags = PARLEY_ANSWER_QOS,
	};
	struct parley_qos none, want;

	terms_qos_none(&none);
	a.grant = none;
	a.grant.send.token_rate = 500;
	a.grant.recv.token_rate = 2000;
	ASSERT_EQ(0, terms_rule(self->l, &a, NULL, 0));
	self->s->grants = 1;
	self->s->grant = none;
	self->s->grant.send.token_rate = 600;
	self->s->grant.recv.token_rate = 1000;
	want = none;
	want.send.token_rate = 500;
	want.recv.token_rate = 1000;
	EXPECT_TRUE(grant_is(self->s, self->l, &none, &want));
}

TEST_HARNESS_MAIN
