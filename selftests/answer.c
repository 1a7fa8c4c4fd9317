// SPDX-License-Identifier: GPL-2.0
/*
 * What goes with a verdict of PARLEY_IOC_DECIDE: code, time to retry, reply
 * data, a grant of QoS that is never more than what was asked for; and what
 * is not a decision at all.
 */
#include "kselftest_harness.h"

#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib.h"
#include "lib_decide.h"
#include "lib_terms.h"

#define PORT	5350
#define MEMBERS	16	/* of struct parley_qos, each an __u32 */
#define SERVICE	5	/* which of the eight of a flowspec */

FIXTURE(answer) {
	int l;
	int call;
	int got;
	long long id;
	struct parley_decision d;
	struct parley_call_info info;
	char reply[TERMS_DATA_MAX + 1];
};

FIXTURE_SETUP(answer)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 64);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	terms_fill(self->reply, sizeof(self->reply), 1);
}

FIXTURE_TEARDOWN(answer)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* A call with @qos, looked at: its id. */
static long long offer_qos(int listener, int *call,
			   const struct parley_qos *qos)
{
	int err;

	*call = parley_socket(SOCK_NONBLOCK);
	if (*call < 0)
		return *call;
	err = terms_set_qos(*call, qos);
	if (!err)
		err = test_connect(*call, "127.0.0.1", PORT);
	return err == -EINPROGRESS ? decide_next_id(listener, 0) :
	       err ?: -EISCONN;
}

static int decide_reply(int fd, __u64 id, unsigned int verdict,
			const void *reply, unsigned int len)
{
	struct parley_decision d = {
		.verdict = verdict,
		.id = id,
		.reply = (uintptr_t)reply,
		.reply_len = len,
	};

	return decide(fd, &d);
}

static int decide_grant(int fd, __u64 id, const struct parley_qos *grant)
{
	struct parley_decision d = {
		.verdict = PARLEY_ACCEPT,
		.id = id,
		.flags = PARLEY_DECIDE_QOS | PARLEY_DECIDE_AGAIN,
		.qos = *grant,
	};

	return decide(fd, &d);
}

TEST_F(answer, code_and_retry)
{
	static const __u32 values[] = { 0, 1, 0x7fffffff, 0xffffffff };
	struct parley_refusal r;
	int i;

	for (i = 0; i < 4; i++) {
		self->id = decide_offer(self->l, &self->call);
		ASSERT_LT(0, self->id);
		ASSERT_EQ(0, decide_refuse(self->l, self->id, values[i],
					   values[3 - i], NULL));
		EXPECT_TRUE(decide_refused_is(self->call, PARLEY_REASON_SERVER,
					      values[i]));
		ASSERT_EQ(0, parley_refusal(self->call, &r));
		EXPECT_EQ(values[3 - i], r.retry_after_ms);
		EXPECT_EQ(0, r.data_len);
	}
}

/* Reply data of any length, up to the limit. */
TEST_F(answer, reply)
{
	static const unsigned int lengths[] = { 1, 100, 4095, 4096 };
	struct parley_refusal r;
	unsigned int v, i, n;

	for (v = PARLEY_ACCEPT; v <= PARLEY_REFUSE; v++) {
		for (i = 0; i < 4; i++) {
			n = lengths[i];
			self->id = decide_offer(self->l, &self->call);
			ASSERT_LT(0, self->id);
			EXPECT_EQ(-EMSGSIZE, decide_reply(self->l, self->id, v,
							  self->reply, 4097));
			EXPECT_EQ(0, decide_reply(self->l, self->id, v,
						  self->reply, n));
			/* The caller knows it with the verdict, not before. */
			EXPECT_EQ(v == PARLEY_REFUSE ? n : 0,
				  terms_len(self->call, PARLEY_REPLY_DATA));
			if (v == PARLEY_ACCEPT) {
				self->got = test_accept(self->l, 0);
				ASSERT_LE(0, self->got);
				EXPECT_TRUE(terms_reply_is(self->got,
							   self->reply, n));
			}
			EXPECT_TRUE(terms_reply_is(self->call, self->reply, n));
			ASSERT_EQ(0, parley_refusal(self->call, &r));
			EXPECT_EQ(v == PARLEY_REFUSE ? n : 0, r.data_len);
		}
	}
}

TEST_F(answer, reply_limit)
{
	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data", 3));
	EXPECT_EQ(-EMSGSIZE, decide_refuse(self->l, self->id, 0, 0, "four"));
	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data",
					 TERMS_DATA_MAX));
	EXPECT_EQ(-EMSGSIZE, decide_reply(self->l, self->id, PARLEY_REFUSE,
					  self->reply, TERMS_DATA_MAX + 1));
	EXPECT_TRUE(decide_waits(self->call));
	ASSERT_EQ(0, decide_reply(self->l, self->id, PARLEY_REFUSE,
				  self->reply, TERMS_DATA_MAX));
	EXPECT_TRUE(terms_reply_is(self->call, self->reply, TERMS_DATA_MAX));
}

/* The listener has a reply for acceptances that bring none, for no others. */
TEST_F(answer, reply_of_listener)
{
	ASSERT_EQ(0, terms_set_reply(self->l, "welcome", 7));
	self->id = decide_offer_approved(self->l, &self->call, 0);
	ASSERT_LT(0, self->id);
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(terms_reply_is(self->call, "welcome", 7));
	EXPECT_TRUE(terms_reply_is(self->got, "welcome", 7));

	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, decide_accept(self->l, self->id, 0, "you"));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(terms_reply_is(self->call, "you", 3));

	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, decide_refuse(self->l, self->id, 9, 0, NULL));
	EXPECT_TRUE(decide_refused_is(self->call, PARLEY_REASON_SERVER, 9));
	EXPECT_EQ(0, terms_len(self->call, PARLEY_REPLY_DATA));
}

/* A rule that accepts with a reply of its own, which stands. */
TEST_F(answer, reply_of_rules)
{
	struct parley_rule_answer yes = {
		.verdict = PARLEY_ACCEPT,
		.reply_len = 4,
	};

	ASSERT_EQ(0, terms_set_reply(self->l, "welcome", 7));
	ASSERT_EQ(0, terms_rule(self->l, &yes, "rule", 4));
	self->id = decide_offer_approved(self->l, &self->call, 0);
	ASSERT_LT(0, self->id);
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(terms_reply_is(self->call, "rule", 4));
	ASSERT_EQ(0, terms_info(self->got, &self->info));
	EXPECT_EQ(PARLEY_BY_SERVER, self->info.decided_by);
	/* But not for a refusal. */
	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, decide_call(self->l, self->id, PARLEY_REFUSE, 0));
	EXPECT_EQ(0, terms_len(self->call, PARLEY_REPLY_DATA));
}

/* A grant is what both ends have then, each from its side. */
TEST_F(answer, grant)
{
	struct parley_qos ask, grant;

	terms_qos_some(&ask);
	grant = ask;
	grant.send.token_rate = 1000;
	grant.send.service = PARLEY_SERVICE_BESTEFFORT;
	grant.recv.latency_us += 5;
	grant.recv.max_sdu = grant.recv.min_policed;
	self->id = offer_qos(self->l, &self->call, &ask);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, decide_grant(self->l, self->id, &grant));
	EXPECT_TRUE(terms_qos_is(self->call, &ask));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(terms_qos_is(self->call, &grant));
	ASSERT_EQ(0, terms_info(self->got, &self->info));
	EXPECT_TRUE(terms_qos_eq(&self->info.qos, &ask));
	EXPECT_TRUE(terms_qos_eq(&self->info.granted, &grant));
	terms_qos_swap(&grant);
	EXPECT_TRUE(terms_qos_is(self->got, &grant));
}

/* Nothing granted in particular: all that was asked for. */
TEST_F(answer, grant_of_all)
{
	struct parley_qos ask;

	terms_qos_some(&ask);
	self->id = offer_qos(self->l, &self->call, &ask);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, decide_call(self->l, self->id, PARLEY_ACCEPT, 0));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(terms_qos_is(self->call, &ask));
}

/* What the rules have granted stands, unless a grant comes with the verdict. */
TEST_F(answer, grant_of_rules)
{
	struct parley_rule_answer yes = {
		.verdict = PARLEY_ACCEPT,
		.flags = PARLEY_ANSWER_QOS,
	};
	struct parley_qos ask, grant;

	terms_qos_some(&ask);
	yes.grant = ask;
	yes.grant.send.token_rate = 77;
	ASSERT_EQ(0, terms_rule(self->l, &yes, NULL, 0));
	self->id = offer_qos(self->l, &self->call, &ask);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, decide_call(self->l, self->id, PARLEY_ACCEPT, 0));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(terms_qos_is(self->call, &yes.grant));

	/* The request is the bound, not what the rules said. */
	grant = ask;
	grant.send.token_rate = 78;
	self->id = offer_qos(self->l, &self->call, &ask);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, decide_grant(self->l, self->id, &grant));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(terms_qos_is(self->call, &grant));
}

/* Latency, delay variation and the smallest unit get better downwards. */
static bool better_downwards(int member)
{
	member %= 8;
	return member == 3 || member == 4 || member == 7;
}

/* Each member by one: to the one side it is a grant, to the other EINVAL. */
TEST_F(answer, grant_above)
{
	struct parley_qos ask, grant;
	int i, worse, better;
	__u32 *member;

	terms_qos_some(&ask);
	/* A service and one above it. */
	ask.send.service = PARLEY_SERVICE_CONTROLLEDLOAD;
	self->id = offer_qos(self->l, &self->call, &ask);
	ASSERT_LT(0, self->id);
	for (i = 0; i < MEMBERS; i++) {
		worse = better_downwards(i) ? 1 : -1;
		better = -worse;
		grant = ask;
		member = (__u32 *)&grant + i;
		*member += better;
		EXPECT_EQ(-EINVAL, decide_grant(self->l, self->id, &grant)) {
			TH_LOG("member %d, %u instead of %u", i, *member,
			       *member - better);
		}
		*member += worse;
		*member += worse;
		EXPECT_EQ(0, decide_grant(self->l, self->id, &grant)) {
			TH_LOG("member %d, %u instead of %u", i, *member,
			       *member - worse);
		}
		/* The highest number of all. */
		if (i % 8 == SERVICE)
			continue;
		*member = PARLEY_QOS_UNSPECIFIED;
		EXPECT_EQ(better_downwards(i) ? 0 : -EINVAL,
			  decide_grant(self->l, self->id, &grant)) {
			TH_LOG("member %d, unspecified", i);
		}
	}
	EXPECT_EQ(0, decide_grant(self->l, self->id, &ask));
}

/* Who asks for nothing in particular may be given any rate, but no latency. */
TEST_F(answer, grant_unasked)
{
	struct parley_qos none, grant;

	terms_qos_none(&none);
	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(0, decide_grant(self->l, self->id, &none));
	grant = none;
	grant.send.token_rate = 1;
	grant.send.bucket_size = 1;
	grant.send.peak_rate = 1;
	grant.recv.max_sdu = 1500;
	EXPECT_EQ(0, decide_grant(self->l, self->id, &grant));
	grant.recv.min_policed = 64;
	EXPECT_EQ(-EINVAL, decide_grant(self->l, self->id, &grant));
	grant.recv.min_policed = PARLEY_QOS_UNSPECIFIED;
	grant.recv.latency_us = 1000000;
	EXPECT_EQ(-EINVAL, decide_grant(self->l, self->id, &grant));
	grant.recv.latency_us = PARLEY_QOS_UNSPECIFIED;
	grant.send.service = PARLEY_SERVICE_CONTROLLEDLOAD;
	EXPECT_EQ(-EINVAL, decide_grant(self->l, self->id, &grant));
	/* A direction in which nothing will be sent. */
	memset(&grant.send, 0, sizeof(grant.send));
	grant.send.latency_us = PARLEY_QOS_UNSPECIFIED;
	grant.send.delay_variation_us = PARLEY_QOS_UNSPECIFIED;
	grant.send.min_policed = PARLEY_QOS_UNSPECIFIED;
	grant.send.max_sdu = PARLEY_QOS_UNSPECIFIED;
	EXPECT_EQ(0, decide_grant(self->l, self->id, &grant));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(terms_qos_is(self->call, &grant));
}

/* What is no flowspec is no grant either. */
TEST_F(answer, grant_of_nonsense)
{
	struct parley_qos none, grant;

	terms_qos_none(&none);
	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	grant = none;
	grant.send.token_rate = 0;
	EXPECT_EQ(-EINVAL, decide_grant(self->l, self->id, &grant));
	grant = none;
	grant.recv.bucket_size = 0;
	EXPECT_EQ(-EINVAL, decide_grant(self->l, self->id, &grant));
	grant = none;
	grant.send.token_rate = 100;
	grant.send.peak_rate = 99;
	EXPECT_EQ(-EINVAL, decide_grant(self->l, self->id, &grant));
	grant = none;
	grant.recv.service = 4;
	EXPECT_EQ(-EINVAL, decide_grant(self->l, self->id, &grant));
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 0, 0));
}

/* What goes with one verdict does not go with another. */
TEST_F(answer, not_with_this_verdict)
{
	struct parley_decision *d = &self->d;
	unsigned int v;

	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	for (v = 0; v < 4; v++) {
		memset(d, 0, sizeof(*d));
		d->id = self->id;
		d->verdict = v;
		if (v != PARLEY_REFUSE) {
			d->code = 1;
			EXPECT_EQ(-EINVAL, decide(self->l, d));
			d->code = 0;
			d->retry_after_ms = 1;
			EXPECT_EQ(-EINVAL, decide(self->l, d));
			d->retry_after_ms = 0;
		}
		if (v != PARLEY_ACCEPT) {
			d->flags = PARLEY_DECIDE_RESERVE;
			EXPECT_EQ(-EINVAL, decide(self->l, d));
			d->flags = PARLEY_DECIDE_QOS;
			terms_qos_none(&d->qos);
			EXPECT_EQ(-EINVAL, decide(self->l, d));
			d->flags = 0;
		}
		/* A grant without the flag. */
		memset(&d->qos, 0, sizeof(d->qos));
		d->qos.recv.min_policed = 1;
		EXPECT_EQ(-EINVAL, decide(self->l, d));
		d->qos.recv.min_policed = 0;
		if (v == PARLEY_DEFER || v == PARLEY_UNDECIDE) {
			d->reply = (uintptr_t)"reply";
			d->reply_len = 5;
			EXPECT_EQ(-EINVAL, decide(self->l, d));
		}
	}
	EXPECT_EQ(0, decide_call(self->l, self->id, PARLEY_ACCEPT, 0));
}

/* A verdict that is none, unknown flags, a struct of another version. */
TEST_F(answer, bad_struct)
{
	struct {
		struct parley_decision d;
		__u64 more[2];
	} later = {};

	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(-EINVAL, decide_call(self->l, self->id, 4, 0));
	EXPECT_EQ(-EINVAL, decide_call(self->l, self->id, ~0U, 0));
	EXPECT_EQ(-EINVAL, decide_call(self->l, self->id, PARLEY_ACCEPT, 8));
	EXPECT_EQ(-EINVAL, decide_call(self->l, self->id, PARLEY_ACCEPT,
				       0x80000000));
	self->d.id = self->id;
	EXPECT_EQ(-1, ioctl(self->l, PARLEY_IOC_DECIDE, &self->d));
	EXPECT_EQ(EINVAL, errno);
	self->d.size = PARLEY_DECISION_SIZE_VER0 - 8;
	EXPECT_EQ(-1, ioctl(self->l, PARLEY_IOC_DECIDE, &self->d));
	EXPECT_EQ(EINVAL, errno);
	later.d.id = self->id;
	later.d.size = sizeof(later);
	later.more[1] = 1;
	EXPECT_EQ(-1, ioctl(self->l, PARLEY_IOC_DECIDE, &later));
	EXPECT_EQ(E2BIG, errno);
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 0, 0));
	later.more[1] = 0;
	EXPECT_EQ(0, ioctl(self->l, PARLEY_IOC_DECIDE, &later));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 1));
}

TEST_F(answer, bad_pointers)
{
	long page = sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, mprotect(map + page, page, PROT_NONE));
	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(-1, ioctl(self->l, PARLEY_IOC_DECIDE, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->l, PARLEY_IOC_DECIDE, map + page - 8));
	EXPECT_EQ(-EFAULT, decide_reply(self->l, self->id, PARLEY_REFUSE,
					map + page - 8, 9));
	EXPECT_EQ(-EFAULT, decide_reply(self->l, self->id, PARLEY_ACCEPT, NULL,
					1));
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 0, 0));
	EXPECT_TRUE(decide_waits(self->call));
	/* No bytes, no pointer that matters. */
	EXPECT_EQ(0, decide_reply(self->l, self->id, PARLEY_ACCEPT, map + page,
				  0));
	EXPECT_TRUE(decide_accepts(self->l, self->call));
}

TEST_HARNESS_MAIN
