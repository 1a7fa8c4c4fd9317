// SPDX-License-Identifier: GPL-2.0
/*
 * parley_accept(): all that a condition is told, each verdict and what goes
 * with it, the order of calls, and waiting. What goes wrong is in
 * libparley_fails.c, many threads are in libparley_race.c.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"
#include "lib_condition.h"
#include "lib_terms.h"

#define PORT	5400
#define GROUP	0xfedcba9876543210ULL
#define NOWAIT	PARLEY_ACCEPT_NOWAIT
#define REVIEW	PARLEY_ACCEPT_REVIEW
#define STRICT	PARLEY_ACCEPT_STRICT

FIXTURE(told) {
	int l;
	int call;
	int got;
	struct condition c;
	struct parley_qos qos;
	struct parley_call_info info;
};

FIXTURE_VARIANT(told) {
	const char *host;	/* where the listener is */
	const char *from;	/* where the call is from */
	const char *to;		/* where it goes */
	const char *seen_from;	/* as the server sees it */
	const char *seen_to;
};

FIXTURE_VARIANT_ADD(told, v4) {
	.host = "0.0.0.0", .from = "127.0.0.9", .to = "127.0.0.5",
	.seen_from = "127.0.0.9", .seen_to = "127.0.0.5",
};

FIXTURE_VARIANT_ADD(told, v6) {
	.host = "::1", .from = "::1", .to = "::1",
	.seen_from = "::1", .seen_to = "::1",
};

FIXTURE_VARIANT_ADD(told, dual) {
	.host = "::", .from = "127.0.0.9", .to = "127.0.0.5",
	.seen_from = "::ffff:127.0.0.9", .seen_to = "::ffff:127.0.0.5",
};

FIXTURE_SETUP(told)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(variant->host, PORT, 16);
	ASSERT_LE(0, self->l);
	self->call = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, self->call);
	ASSERT_EQ(0, parley_bind(self->call, variant->from, PORT + 1));
	self->c.verdict = PARLEY_ACCEPT;
	terms_qos_some(&self->qos);
}

FIXTURE_TEARDOWN(told)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Each parameter of WSPAccept's condition function, and what Linux adds. */
TEST_F(told, everything)
{
	static const gid_t groups[] = { 0, 7, 4242, 4294967294U };
	struct parley_addr a;

	ASSERT_EQ(0, setgroups(4, groups));
	ASSERT_EQ(0, terms_set_data(self->call, "let\0me", 6));
	ASSERT_EQ(0, terms_set_qos(self->call, &self->qos));
	ASSERT_EQ(0, terms_set_group(self->call, GROUP));
	ASSERT_EQ(-EINPROGRESS, test_connect(self->call, variant->to, PORT));
	self->got = condition_accept(self->l, &self->c, 0);
	ASSERT_LE(0, self->got);

	EXPECT_EQ(1, self->c.asked);
	EXPECT_TRUE(self->c.fresh);
	EXPECT_TRUE(parley_addr_is(&self->c.caller, variant->seen_from,
				   PORT + 1));
	EXPECT_TRUE(parley_addr_is(&self->c.callee, variant->seen_to, PORT));
	ASSERT_EQ(0, parley_peer(self->got, &a));
	EXPECT_TRUE(parley_addr_eq(&a, &self->c.caller));
	ASSERT_EQ(0, parley_name(self->got, &a));
	EXPECT_TRUE(parley_addr_eq(&a, &self->c.callee));

	ASSERT_EQ(6, self->c.data_len);
	EXPECT_EQ(0, memcmp("let\0me", self->c.data, 6));
	ASSERT_TRUE(self->c.has_qos);
	EXPECT_TRUE(terms_qos_eq(&self->qos, &self->c.asked_qos));
	EXPECT_FALSE(self->c.group_qos);
	EXPECT_EQ(GROUP, self->c.group);
	ASSERT_EQ(4, self->c.groups_len);
	EXPECT_EQ(0, memcmp(groups, self->c.groups, sizeof(groups)));

	ASSERT_EQ(0, parley_get_call_info(self->got, &self->info));
	EXPECT_EQ(self->info.id, self->c.info.id);
	EXPECT_LT(0, self->c.info.id);
	EXPECT_EQ(getpid(), self->c.info.pid);
	EXPECT_EQ(0, self->c.info.uid);
	EXPECT_EQ(0, self->c.info.gid);
	EXPECT_EQ(self->info.cgroup_id, self->c.info.cgroup_id);
	EXPECT_EQ(self->info.netns_cookie, self->c.info.netns_cookie);
	EXPECT_EQ(PARLEY_BY_SERVER, self->info.decided_by);
	EXPECT_TRUE(parley_talks(self->call, self->got));
}

TEST_F(told, nothing)
{
	ASSERT_EQ(0, setgroups(0, NULL));
	ASSERT_EQ(-EINPROGRESS, test_connect(self->call, variant->to, PORT));
	self->got = condition_accept(self->l, &self->c, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(self->c.no_data);
	EXPECT_EQ(0, self->c.data_len);
	EXPECT_FALSE(self->c.has_qos);
	EXPECT_FALSE(self->c.group_qos);
	EXPECT_EQ(0, self->c.group);
	EXPECT_TRUE(self->c.no_groups);
	EXPECT_EQ(0, self->c.groups_len);
}

/* More than there is room for at first: the call is shown just once. */
TEST_F(told, very_much)
{
	static gid_t groups[CONDITION_GROUPS];
	static char data[65536];
	size_t i;

	for (i = 0; i < CONDITION_GROUPS; i++)
		groups[i] = 3 * i;
	ASSERT_EQ(0, setgroups(CONDITION_GROUPS, groups));
	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data", 65536));
	terms_fill(data, sizeof(data), 1);
	ASSERT_EQ(0, terms_set_data(self->call, data, sizeof(data)));
	ASSERT_EQ(-EINPROGRESS, test_connect(self->call, variant->to, PORT));

	self->c.reply = data;
	self->c.reply_len = sizeof(data);
	self->c.in_place = true;
	self->got = condition_accept(self->l, &self->c, 0);
	ASSERT_LE(0, self->got);
	EXPECT_EQ(1, self->c.asked);
	ASSERT_EQ(sizeof(data), self->c.data_len);
	EXPECT_EQ(0, memcmp(data, self->c.data, sizeof(data)));
	ASSERT_EQ(CONDITION_GROUPS, self->c.groups_len);
	EXPECT_EQ(0, memcmp(groups, self->c.groups, sizeof(groups)));
	EXPECT_TRUE(terms_reply_is(self->call, data, sizeof(data)));
}

TEST_F(told, label)
{
	char label[4096] = "";
	socklen_t len = sizeof(label) - 1;
	int err;

	ASSERT_EQ(-EINPROGRESS, test_connect(self->call, variant->to, PORT));
	self->got = condition_accept(self->l, &self->c, 0);
	ASSERT_LE(0, self->got);
	err = terms_get(self->got, PARLEY_PEERSEC, label, &len);
	if (err) {
		/* No security module has any. */
		EXPECT_EQ(-ENOPROTOOPT, err);
		EXPECT_FALSE(self->c.has_label);
	} else {
		EXPECT_TRUE(self->c.has_label);
		EXPECT_STREQ(label, self->c.label);
	}
}

FIXTURE(accept) {
	int l;
	int call;
	int other;
	int got;
	struct condition c;
	struct parley_qos qos;
	struct parley_refusal r;
	struct parley_backlog b;
	struct parley_call_info info;
};

FIXTURE_SETUP(accept)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 16);
	ASSERT_LE(0, self->l);
	terms_qos_some(&self->qos);
	self->call = terms_call("127.0.0.1", PORT, &(struct terms) {
		.data = "one", .len = 3, .qos = &self->qos });
	ASSERT_LE(0, self->call);
}

FIXTURE_TEARDOWN(accept)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(accept, with_reply)
{
	self->c.reply = "welcome";
	self->c.reply_len = 7;
	self->got = condition_accept(self->l, &self->c, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(terms_reply_is(self->call, "welcome", 7));
	EXPECT_TRUE(terms_reply_is(self->got, "welcome", 7));
	EXPECT_EQ(0, fcntl(self->got, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(0, fcntl(self->got, F_GETFD));
	EXPECT_TRUE(parley_talks(self->call, self->got));
}

TEST_F(accept, with_reply_in_place)
{
	self->c.reply = "well\0come";
	self->c.reply_len = 9;
	self->c.in_place = true;
	self->got = condition_accept(self->l, &self->c,
				     SOCK_NONBLOCK | SOCK_CLOEXEC);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(terms_reply_is(self->call, "well\0come", 9));
	EXPECT_EQ(O_NONBLOCK, fcntl(self->got, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->got, F_GETFD));
}

/* A reply in its buffer that it did not say the length of is none. */
TEST_F(accept, with_default_reply)
{
	ASSERT_EQ(0, terms_set_reply(self->l, "default", 7));
	self->c.in_place = true;
	ASSERT_LE(0, condition_accept(self->l, &self->c, 0));
	EXPECT_TRUE(terms_reply_is(self->call, "default", 7));
}

TEST_F(accept, with_grant)
{
	struct parley_qos grant = self->qos;

	grant.send.token_rate /= 2;
	grant.recv.latency_us *= 2;
	self->c.qos = &grant;
	self->got = condition_accept(self->l, &self->c, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(terms_qos_is(self->call, &grant));
	terms_qos_swap(&grant);
	EXPECT_TRUE(terms_qos_is(self->got, &grant));
}

TEST_F(accept, without_grant)
{
	self->got = condition_accept(self->l, &self->c, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(terms_qos_is(self->call, &self->qos));
}

static int just(const struct parley_offer *offer, struct parley_answer *answer,
		void *arg)
{
	return PARLEY_ACCEPT;
}

TEST_F(accept, fills_addr)
{
	struct parley_addr a = { .len = sizeof(a.ss) }, own;
	unsigned char room[16];
	socklen_t len = 4;
	int fd;

	fd = parley_accept(self->l, &a.sa, &a.len, just, NULL, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_name(self->call, &own));
	EXPECT_TRUE(parley_addr_eq(&a, &own));

	/* Cut off where the room ends, as accept(2) does. */
	memset(room, 0xee, sizeof(room));
	self->other = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->other);
	fd = parley_accept(self->l, (struct sockaddr *)room, &len, just, NULL,
			   0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(sizeof(struct sockaddr_in), len);
	ASSERT_EQ(0, parley_name(self->other, &own));
	EXPECT_EQ(0, memcmp(room, &own.sa, 4));
	EXPECT_EQ(0xee, room[4]);
}

TEST_F(accept, refuse)
{
	self->c.verdict = PARLEY_REFUSE;
	self->c.code = 0x80000007;
	self->c.retry_after_ms = 1500;
	self->c.reply = "go away";
	self->c.reply_len = 7;
	EXPECT_EQ(-ECONNREFUSED, condition_accept(self->l, &self->c, 0));
	EXPECT_LT(0, parley_wait(self->call, POLLOUT));
	EXPECT_EQ(ECONNREFUSED, parley_so_error(self->call));
	ASSERT_EQ(0, parley_get_refusal(self->call, &self->r));
	EXPECT_EQ(PARLEY_REASON_SERVER, self->r.reason);
	EXPECT_EQ(0x80000007, self->r.code);
	EXPECT_EQ(1500, self->r.retry_after_ms);
	EXPECT_EQ(7, self->r.data_len);
	EXPECT_TRUE(terms_reply_is(self->call, "go away", 7));
	EXPECT_EQ(-EAGAIN, condition_accept(self->l, &self->c, NOWAIT));
	EXPECT_EQ(1, self->c.asked);
}

TEST_F(accept, defer)
{
	self->c.verdict = PARLEY_DEFER;
	EXPECT_EQ(-EBUSY, condition_accept(self->l, &self->c, 0));
	ASSERT_EQ(0, parley_get_backlog(self->l, &self->b));
	EXPECT_EQ(0, self->b.pending);
	EXPECT_EQ(1, self->b.deferred);
	EXPECT_EQ(0, parley_revents(self->l, POLLIN | POLLPRI));

	/* It is not asked about again, others are. */
	EXPECT_EQ(-EAGAIN, condition_accept(self->l, &self->c, NOWAIT));
	EXPECT_EQ(1, self->c.asked);
	self->other = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->other);
	self->c.verdict = PARLEY_ACCEPT;
	self->got = condition_accept(self->l, &self->c, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(condition_saw(&self->c, self->other));
	EXPECT_TRUE(parley_talks(self->other, self->got));

	/* Unless that is wanted. */
	self->c.verdict = PARLEY_DEFER;
	EXPECT_EQ(-EBUSY, condition_accept(self->l, &self->c, REVIEW));
	EXPECT_EQ(3, self->c.asked);
	EXPECT_TRUE(condition_saw(&self->c, self->call));
	EXPECT_EQ(PARLEY_INFO_DEFERRED | PARLEY_INFO_SEEN | PARLEY_INFO_QOS,
		  self->c.info.flags);
	EXPECT_EQ(-EAGAIN, condition_accept(self->l, &self->c, NOWAIT));
	self->c.verdict = PARLEY_ACCEPT;
	self->got = condition_accept(self->l, &self->c, REVIEW);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(parley_talks(self->call, self->got));
	EXPECT_EQ(-EAGAIN, condition_accept(self->l, &self->c, REVIEW | NOWAIT));
}

/* What rules deferred is news to the condition. */
TEST_F(accept, deferred_by_rules)
{
	ASSERT_EQ(0, terms_rule(self->l, &(struct parley_rule_answer) {
		.verdict = PARLEY_DEFER }, NULL, 0));
	self->got = condition_accept(self->l, &self->c, NOWAIT);
	ASSERT_LE(0, self->got);
	EXPECT_EQ(1, self->c.asked);
	EXPECT_TRUE(self->c.info.flags & PARLEY_INFO_DEFERRED);
	EXPECT_TRUE(parley_talks(self->call, self->got));
}

/* What rules refuse it does not hear of. */
TEST_F(accept, refused_by_rules)
{
	ASSERT_EQ(0, terms_rule(self->l, &(struct parley_rule_answer) {
		.verdict = PARLEY_REFUSE, .code = 3 }, NULL, 0));
	EXPECT_EQ(-EAGAIN, condition_accept(self->l, &self->c, NOWAIT));
	EXPECT_EQ(0, self->c.asked);
	EXPECT_EQ(PARLEY_REASON_RULE, parley_reason(self->call));
}

/* REVIEW starts again with the oldest, then it goes on from there. */
TEST_F(accept, review_order)
{
	int fd[4], i;

	fd[0] = self->call;
	for (i = 1; i < 4; i++) {
		fd[i] = parley_call("127.0.0.1", PORT);
		ASSERT_LE(0, fd[i]);
	}
	self->c.verdict = PARLEY_DEFER;
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(-EBUSY, condition_accept(self->l, &self->c, NOWAIT));
		EXPECT_TRUE(condition_saw(&self->c, fd[i]));
	}
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(-EBUSY, condition_accept(self->l, &self->c,
						   NOWAIT | (i ? 0 : REVIEW)));
		EXPECT_TRUE(condition_saw(&self->c, fd[i]));
	}
	EXPECT_EQ(-EAGAIN, condition_accept(self->l, &self->c, NOWAIT));
	EXPECT_EQ(4, parley_review(self->l));
	EXPECT_EQ(0, parley_review(self->l));
	self->c.verdict = PARLEY_ACCEPT;
	for (i = 0; i < 4; i++) {
		self->got = condition_accept(self->l, &self->c, NOWAIT);
		ASSERT_LE(0, self->got);
		EXPECT_TRUE(condition_saw(&self->c, fd[i]));
		EXPECT_TRUE(parley_talks(fd[i], self->got));
	}
}

/* Winsock's order: a deferred call is at the head until it is decided. */
TEST_F(accept, strict)
{
	__u64 id;
	int i;

	self->other = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->other);
	self->c.verdict = PARLEY_DEFER;
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-EBUSY, condition_accept(self->l, &self->c, STRICT));
		EXPECT_TRUE(condition_saw(&self->c, self->call));
	}
	id = self->c.info.id;
	self->c.verdict = PARLEY_REFUSE;
	EXPECT_EQ(-ECONNREFUSED, condition_accept(self->l, &self->c, STRICT));
	EXPECT_EQ(id, self->c.info.id);
	self->c.verdict = PARLEY_ACCEPT;
	self->got = condition_accept(self->l, &self->c, STRICT);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(condition_saw(&self->c, self->other));
	EXPECT_TRUE(parley_talks(self->other, self->got));
	EXPECT_EQ(-EAGAIN, condition_accept(self->l, &self->c, STRICT | NOWAIT));
}

/* Without a condition it is accept4(2). */
TEST_F(accept, unconditional)
{
	struct parley_addr a = { .len = sizeof(a.ss) };

	EXPECT_EQ(-1, parley_accept(self->l, NULL, NULL, NULL, NULL, NOWAIT));
	EXPECT_EQ(EINVAL, errno);
	self->got = parley_accept(self->l, &a.sa, &a.len, NULL, NULL,
				  SOCK_CLOEXEC);
	ASSERT_LE(0, self->got);
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->got, F_GETFD));
	EXPECT_EQ(parley_port(self->call), parley_addr_port(&a));
	ASSERT_EQ(0, parley_get_call_info(self->got, &self->info));
	EXPECT_EQ(PARLEY_BY_ACCEPT, self->info.decided_by);
}

FIXTURE(waits) {
	int l;
	int got;
	struct condition c;
	struct parley_thread t;
};

FIXTURE_SETUP(waits)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 16);
	ASSERT_LE(0, self->l);
}

FIXTURE_TEARDOWN(waits)
{
	EXPECT_EQ(0, parley_expect_clean());
}

struct blocking {
	int fd;
	struct condition *c;
};

static long accept_blocking(void *arg)
{
	struct blocking *b = arg;

	return condition_accept(b->fd, b->c, 0);
}

TEST_F(waits, for_a_call)
{
	struct blocking b = { self->l, &self->c };
	int call;

	ASSERT_EQ(0, parley_thread_start(&self->t, SYS_ioctl, accept_blocking,
					 &b));
	ASSERT_EQ(0, parley_thread_blocked(&self->t));
	call = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, call);
	self->got = parley_thread_join(&self->t);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(parley_talks(call, self->got));
}

TEST_F(waits, not_if_told_so)
{
	EXPECT_EQ(-EAGAIN, condition_accept(self->l, &self->c, NOWAIT));
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	EXPECT_EQ(-EAGAIN, condition_accept(self->l, &self->c, 0));
	ASSERT_EQ(0, parley_nonblock(self->l, false));
	ASSERT_EQ(0, parley_timeo(self->l, SO_RCVTIMEO, 20));
	EXPECT_EQ(-EAGAIN, condition_accept(self->l, &self->c, 0));
	EXPECT_EQ(0, self->c.asked);
}

TEST_F(waits, until_a_signal)
{
	struct blocking b = { self->l, &self->c };
	int call;

	ASSERT_EQ(0, parley_catch(SIGUSR1, 0));
	ASSERT_EQ(0, parley_thread_start(&self->t, SYS_ioctl, accept_blocking,
					 &b));
	ASSERT_EQ(0, parley_thread_blocked(&self->t));
	ASSERT_EQ(0, parley_thread_kill(&self->t, SIGUSR1));
	EXPECT_EQ(-EINTR, parley_thread_join(&self->t));

	ASSERT_EQ(0, parley_catch(SIGUSR2, SA_RESTART));
	ASSERT_EQ(0, parley_thread_start(&self->t, SYS_ioctl, accept_blocking,
					 &b));
	ASSERT_EQ(0, parley_thread_blocked(&self->t));
	ASSERT_EQ(0, parley_thread_kill(&self->t, SIGUSR2));
	ASSERT_TRUE(parley_until(parley_caught() == 2));
	ASSERT_EQ(0, parley_thread_blocked(&self->t));
	call = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, call);
	self->got = parley_thread_join(&self->t);
	ASSERT_LE(0, self->got);
	EXPECT_EQ(1, self->c.asked);
}

TEST_F(waits, until_the_listener_closes)
{
	struct blocking b = { self->l, &self->c };

	ASSERT_EQ(0, parley_thread_start(&self->t, SYS_ioctl, accept_blocking,
					 &b));
	ASSERT_EQ(0, parley_thread_blocked(&self->t));
	ASSERT_EQ(0, shutdown(self->l, SHUT_RD));
	EXPECT_EQ(-EINVAL, parley_thread_join(&self->t));
	EXPECT_EQ(0, self->c.asked);
}

TEST_HARNESS_MAIN
