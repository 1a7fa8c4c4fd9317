// SPDX-License-Identifier: GPL-2.0
/*
 * PARLEY_IOC_DECIDE: each verdict on calls in each state, which calls cannot
 * be decided, what the backlog counts meanwhile, and listeners that are closed
 * with calls in all states. What goes with a verdict is in answer.c,
 * reservations are in reserve.c, deferral is in defer.c.
 */
#include "kselftest_harness.h"

#include <stdint.h>

#include "lib.h"
#include "lib_decide.h"
#include "lib_terms.h"

#define PORT	5300
#define CODE	0xfedcba98U
#define RETRY	4000000000U
#define AGAIN	PARLEY_DECIDE_AGAIN

FIXTURE(verdict) {
	int l;
	int call;
	int got;
	long long id;
	struct parley_decision d;
	struct parley_call_info info;
};

FIXTURE_SETUP(verdict)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 64);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(verdict)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Each verdict on a call that is pending and was given. */

TEST_F(verdict, accept)
{
	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(0, decide_call(self->l, self->id, PARLEY_ACCEPT, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 1));
	EXPECT_EQ(POLLIN, parley_revents(self->l, POLLIN | POLLPRI));
	/* Only accept(2) makes a connection of it. */
	EXPECT_TRUE(decide_waits(self->call));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(parley_talks(self->call, self->got));
	ASSERT_EQ(0, terms_info(self->got, &self->info));
	EXPECT_EQ(self->id, self->info.id);
	EXPECT_EQ(PARLEY_BY_SERVER, self->info.decided_by);
	EXPECT_EQ(PARLEY_INFO_SEEN, self->info.flags);
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 0));
	EXPECT_EQ(-ENOENT, decide_call(self->l, self->id, PARLEY_ACCEPT, 0));
}

TEST_F(verdict, refuse)
{
	struct parley_refusal r;

	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(0, decide_refuse(self->l, self->id, CODE, RETRY, "not now"));
	EXPECT_TRUE(decide_refused_is(self->call, PARLEY_REASON_SERVER, CODE));
	ASSERT_EQ(0, parley_refusal(self->call, &r));
	EXPECT_EQ(RETRY, r.retry_after_ms);
	EXPECT_EQ(7, r.data_len);
	EXPECT_TRUE(terms_reply_is(self->call, "not now", 7));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 0));
	EXPECT_TRUE(decide_accepts_none(self->l));
	EXPECT_EQ(-ENOENT, decide_call(self->l, self->id, PARLEY_ACCEPT, 0));
	EXPECT_EQ(-ENOENT, decide_call(self->l, self->id, PARLEY_REFUSE,
				       AGAIN));
	/* The same socket calls again, and nothing is left of that. */
	ASSERT_EQ(-EINPROGRESS, test_connect(self->call, "127.0.0.1", PORT));
	ASSERT_EQ(0, parley_refusal(self->call, &r));
	EXPECT_EQ(0, r.reason | r.code | r.retry_after_ms | r.data_len);
	EXPECT_EQ(0, terms_len(self->call, PARLEY_REPLY_DATA));
	EXPECT_TRUE(decide_accepts(self->l, self->call));
}

TEST_F(verdict, refuse_blocking)
{
	struct parley_thread t;
	int fd = parley_socket(0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_nonblock(self->l, false));
	ASSERT_EQ(0, parley_thread_connect(&t, fd, "127.0.0.1", PORT));
	ASSERT_EQ(POLLIN, parley_wait(self->l, POLLIN));
	self->id = decide_next_id(self->l, 0);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, parley_thread_blocked(&t));
	EXPECT_EQ(0, decide_refuse(self->l, self->id, 1, 0, NULL));
	EXPECT_EQ(-ECONNREFUSED, parley_thread_join(&t));
	EXPECT_EQ(PARLEY_REASON_SERVER, parley_reason(fd));
	EXPECT_EQ(0, terms_len(fd, PARLEY_REPLY_DATA));
}

TEST_F(verdict, defer)
{
	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(0, decide_call(self->l, self->id, PARLEY_DEFER, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	/* Who deferred it has seen it. */
	EXPECT_EQ(0, parley_revents(self->l, POLLIN | POLLPRI));
	EXPECT_TRUE(decide_accepts_none(self->l));
	EXPECT_TRUE(decide_waits(self->call));
}

TEST_F(verdict, undecide)
{
	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(0, decide_call(self->l, self->id, PARLEY_UNDECIDE, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 0, 0));
	EXPECT_EQ(POLLIN, parley_revents(self->l, POLLIN | POLLPRI));
	/* Given again, but the id is known to who asked before, too. */
	EXPECT_EQ(self->id, decide_next_id(self->l, 0));
	EXPECT_EQ(0, decide_call(self->l, self->id, PARLEY_UNDECIDE, 0));
	EXPECT_EQ(0, decide_call(self->l, self->id, PARLEY_ACCEPT, 0));
	EXPECT_TRUE(decide_next_is_none(self->l, 0));
	EXPECT_TRUE(decide_accepts(self->l, self->call));
}

/* Each verdict on a call that is deferred. */

TEST_F(verdict, deferred_accept)
{
	self->id = decide_offer_deferred(self->l, &self->call);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(0, decide_accept(self->l, self->id, 0, "after all"));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 1));
	EXPECT_EQ(-EALREADY, decide_call(self->l, self->id, PARLEY_ACCEPT, 0));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(parley_talks(self->call, self->got));
	EXPECT_TRUE(terms_reply_is(self->call, "after all", 9));
	EXPECT_TRUE(terms_reply_is(self->got, "after all", 9));
	ASSERT_EQ(0, terms_info(self->got, &self->info));
	EXPECT_EQ(PARLEY_INFO_SEEN | PARLEY_INFO_DEFERRED, self->info.flags);
	EXPECT_EQ(PARLEY_BY_SERVER, self->info.decided_by);
}

TEST_F(verdict, deferred_refuse)
{
	self->id = decide_offer_deferred(self->l, &self->call);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(0, decide_refuse(self->l, self->id, 3, 0, NULL));
	EXPECT_TRUE(decide_refused_is(self->call, PARLEY_REASON_SERVER, 3));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 0));
	EXPECT_EQ(-ENOENT, decide_refuse(self->l, self->id, 4, 0, NULL));
}

TEST_F(verdict, deferred_defer)
{
	int i;

	self->id = decide_offer_deferred(self->l, &self->call);
	ASSERT_LT(0, self->id);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, decide_call(self->l, self->id, PARLEY_DEFER, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	/* Undecided it is unseen, and deferred once more it is seen. */
	EXPECT_EQ(0, decide_call(self->l, self->id, PARLEY_UNDECIDE, 0));
	EXPECT_EQ(POLLPRI, parley_revents(self->l, POLLIN | POLLPRI));
	EXPECT_EQ(0, decide_call(self->l, self->id, PARLEY_DEFER, 0));
	EXPECT_EQ(0, parley_revents(self->l, POLLIN | POLLPRI));
	EXPECT_TRUE(decide_next_is_none(self->l, PARLEY_NEXT_DEFERRED));
}

TEST_F(verdict, deferred_undecide)
{
	self->id = decide_offer_deferred(self->l, &self->call);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(0, decide_call(self->l, self->id, PARLEY_UNDECIDE, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	EXPECT_EQ(POLLPRI, parley_revents(self->l, POLLIN | POLLPRI));
	EXPECT_TRUE(decide_next_is_none(self->l, 0));
	/* Deferred calls can be decided, seen or not. */
	EXPECT_EQ(0, decide_call(self->l, self->id, PARLEY_ACCEPT, 0));
	EXPECT_EQ(POLLIN, parley_revents(self->l, POLLIN | POLLPRI));
	EXPECT_TRUE(decide_accepts(self->l, self->call));
}

/* Each verdict on a call that is approved: only with AGAIN. */

TEST_F(verdict, approved_again)
{
	static const struct {
		unsigned int verdict, pending, deferred, approved;
		short events;
	} to[] = {
		{ PARLEY_ACCEPT, 0, 0, 1, POLLIN },
		{ PARLEY_REFUSE, 0, 0, 0, 0 },
		{ PARLEY_DEFER, 0, 1, 0, 0 },
		{ PARLEY_UNDECIDE, 1, 0, 0, POLLIN },
	};
	unsigned int i, v;

	for (i = 0; i < 4; i++) {
		self->id = decide_offer_approved(self->l, &self->call, 0);
		ASSERT_LT(0, self->id);
		for (v = 0; v < 4; v++)
			EXPECT_EQ(-EALREADY, decide_call(self->l, self->id, v,
							 0));
		EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 1));
		EXPECT_TRUE(decide_next_is_none(self->l, PARLEY_NEXT_DEFERRED |
						PARLEY_NEXT_REWIND));
		EXPECT_EQ(0, decide_call(self->l, self->id, to[i].verdict,
					 AGAIN));
		EXPECT_TRUE(decide_backlog_is(self->l, to[i].pending,
					      to[i].deferred, to[i].approved));
		EXPECT_EQ(to[i].events, parley_revents(self->l,
						       POLLIN | POLLPRI));
		if (to[i].verdict == PARLEY_REFUSE) {
			EXPECT_TRUE(decide_refused_is(self->call,
						      PARLEY_REASON_SERVER, 0));
		} else {
			EXPECT_TRUE(decide_waits(self->call));
		}
		if (to[i].verdict == PARLEY_UNDECIDE)
			EXPECT_EQ(self->id, decide_next_id(self->l, 0));
		ASSERT_EQ(0, close(self->call));
		EXPECT_EQ(-ENOENT, decide_call(self->l, self->id, PARLEY_ACCEPT,
					       AGAIN));
	}
}

/* AGAIN does no harm where nothing was decided. */
TEST_F(verdict, again_at_first)
{
	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(0, decide_call(self->l, self->id, PARLEY_DEFER, AGAIN));
	EXPECT_EQ(0, decide_call(self->l, self->id, PARLEY_UNDECIDE, AGAIN));
	EXPECT_EQ(0, decide_call(self->l, self->id, PARLEY_ACCEPT, AGAIN));
	EXPECT_EQ(0, decide_accept(self->l, self->id, AGAIN, "second"));
	EXPECT_EQ(0, decide_accept(self->l, self->id, AGAIN, "third"));
	EXPECT_TRUE(decide_accepts(self->l, self->call));
	EXPECT_TRUE(terms_reply_is(self->call, "third", 5));
}

/* What was said with an approval that was taken back is forgotten. */
TEST_F(verdict, taken_back)
{
	struct parley_qos ask, grant;

	terms_qos_some(&ask);
	grant = ask;
	grant.send.token_rate /= 2;
	self->call = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, self->call);
	ASSERT_EQ(0, terms_set_qos(self->call, &ask));
	ASSERT_EQ(-EINPROGRESS, test_connect(self->call, "127.0.0.1", PORT));
	self->id = decide_next_id(self->l, 0);
	ASSERT_LT(0, self->id);
	self->d.id = self->id;
	self->d.flags = PARLEY_DECIDE_QOS;
	self->d.qos = grant;
	self->d.reply = (uintptr_t)"once";
	self->d.reply_len = 4;
	ASSERT_EQ(0, decide(self->l, &self->d));
	ASSERT_EQ(0, decide_call(self->l, self->id, PARLEY_UNDECIDE, AGAIN));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_EQ(0, terms_len(self->call, PARLEY_REPLY_DATA));
	EXPECT_TRUE(terms_qos_is(self->call, &ask));
	ASSERT_EQ(0, terms_info(self->got, &self->info));
	EXPECT_EQ(PARLEY_BY_ACCEPT, self->info.decided_by);
}

/* accept(2) collects in the order of approval, and then the oldest pending. */
TEST_F(verdict, order_of_approval)
{
	static const int order[] = { 3, 1, 4, 0, 2, 5 };
	int call[6], i;
	long long id[6];

	for (i = 0; i < 6; i++) {
		id[i] = decide_offer(self->l, &call[i]);
		ASSERT_LT(0, id[i]);
	}
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, decide_call(self->l, id[order[i]], PARLEY_ACCEPT,
					 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 3, 0, 3));
	for (i = 0; i < 6; i++)
		EXPECT_TRUE(decide_accepts(self->l, call[order[i]]));
	EXPECT_TRUE(decide_accepts_none(self->l));
}

/* Decided once, the rules have nothing to say any more. */
TEST_F(verdict, rules_are_not_asked)
{
	self->id = decide_offer_approved(self->l, &self->call, 0);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_REFUSE));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	ASSERT_EQ(0, terms_info(self->got, &self->info));
	EXPECT_EQ(PARLEY_BY_SERVER, self->info.decided_by);
}

/* A call in each of the states that it may wait in. */
enum { PENDING, SEEN, DEFERRED, UNSEEN, APPROVED, RESERVED, STATES };

static long long offer(int listener, int *call, int state)
{
	long long id;

	switch (state) {
	case APPROVED:
		return decide_offer_approved(listener, call, 0);
	case RESERVED:
		return decide_offer_approved(listener, call,
					     PARLEY_DECIDE_RESERVE);
	case DEFERRED:
		return decide_offer_deferred(listener, call);
	case UNSEEN:
		id = decide_offer_deferred(listener, call);
		return decide_call(listener, id, PARLEY_UNDECIDE, 0) ?: id;
	case SEEN:
		return decide_offer(listener, call);
	default:
		id = decide_offer(listener, call);
		return decide_call(listener, id, PARLEY_UNDECIDE, 0) ?: id;
	}
}

/* Who has gone is not there to be decided, and not in anybody's way. */
TEST_F(verdict, caller_gone)
{
	struct parley_stat st;
	int i, k;

	for (i = 0; i < 2; i++) {
		for (k = 0; k < STATES; k++) {
			if (k == RESERVED)
				continue;
			self->id = offer(self->l, &self->call, k);
			ASSERT_LT(0, self->id);
			ASSERT_EQ(0, i ? parley_unspec(self->call) :
				  close(self->call));
			EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 0));
			EXPECT_EQ(0, parley_revents(self->l,
						    POLLIN | POLLPRI));
			EXPECT_EQ(-ENOENT, decide_call(self->l, self->id,
						       PARLEY_ACCEPT, AGAIN));
			EXPECT_TRUE(decide_accepts_none(self->l));
			EXPECT_TRUE(decide_next_is_none(self->l,
							PARLEY_NEXT_DEFERRED |
							PARLEY_NEXT_REWIND));
		}
	}
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(2 * (STATES - 1), st.withdrawn);
}

/* ENOENT: only what was given, or is deferred, can be decided. */
TEST_F(verdict, no_such_call)
{
	unsigned int v;

	/* Of two calls the first one tells the number of the second. */
	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, close(self->call));
	self->call = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call);
	self->id++;
	for (v = 0; v < 4; v++) {
		EXPECT_EQ(-ENOENT, decide_call(self->l, 0, v, 0));
		EXPECT_EQ(-ENOENT, decide_call(self->l, ~0ULL, v, AGAIN));
		EXPECT_EQ(-ENOENT, decide_call(self->l, self->id + 1, v, 0));
		/* Nobody has looked at it. */
		EXPECT_EQ(-ENOENT, decide_call(self->l, self->id, v, 0));
		EXPECT_EQ(-ENOENT, decide_call(self->l, self->id, v, AGAIN));
	}
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 0, 0));
	EXPECT_TRUE(decide_accepts(self->l, self->call));
	for (v = 0; v < 4; v++)
		EXPECT_EQ(-ENOENT, decide_call(self->l, self->id, v, AGAIN));
}

TEST_F(verdict, only_listeners)
{
	int fd, pair[2];

	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(-EINVAL, decide_call(self->call, self->id, PARLEY_ACCEPT, 0));
	fd = parley_socket(0);
	EXPECT_EQ(-EINVAL, decide_call(fd, self->id, PARLEY_ACCEPT, 0));
	ASSERT_EQ(0, parley_bind(fd, "127.0.0.1", PORT + 1));
	EXPECT_EQ(-EINVAL, decide_call(fd, self->id, PARLEY_ACCEPT, 0));
	ASSERT_EQ(0, listen(fd, 8));
	EXPECT_EQ(-ENOENT, decide_call(fd, self->id, PARLEY_ACCEPT, 0));
	ASSERT_EQ(0, parley_pair(fd, pair));
	EXPECT_EQ(-EINVAL, decide_call(pair[0], self->id, PARLEY_ACCEPT, 0));
	EXPECT_EQ(-EINVAL, decide_call(pair[1], self->id, PARLEY_ACCEPT, 0));
	EXPECT_EQ(0, decide_call(self->l, self->id, PARLEY_ACCEPT, 0));
	ASSERT_EQ(0, shutdown(self->l, SHUT_RD));
	EXPECT_EQ(-EINVAL, decide_call(self->l, self->id, PARLEY_ACCEPT, 0));
	ASSERT_EQ(0, listen(self->l, 8));
	EXPECT_EQ(-ENOENT, decide_call(self->l, self->id, PARLEY_ACCEPT, 0));
}

/* Whatever state it is in, a call takes one place of the backlog. */
TEST_F(verdict, backlog)
{
	int call[STATES], i, fd;
	struct parley_backlog b;
	long long id[STATES];

	ASSERT_EQ(0, listen(self->l, STATES));
	for (i = 0; i < STATES; i++) {
		id[i] = offer(self->l, &call[i], STATES - 1 - i);
		ASSERT_LT(0, id[i]);
	}
	EXPECT_TRUE(decide_backlog_is(self->l, 2, 2, 2));
	ASSERT_EQ(0, parley_backlog(self->l, &b));
	EXPECT_EQ(STATES, b.limit);
	for (i = 0; i < STATES; i++) {
		fd = parley_socket(0);
		EXPECT_EQ(-ECONNREFUSED, test_connect(fd, "127.0.0.1", PORT));
		EXPECT_EQ(PARLEY_REASON_BACKLOG_FULL, parley_reason(fd));
		/* With each that goes there is one place. */
		ASSERT_EQ(0, close(call[i]));
		call[i] = parley_call("127.0.0.1", PORT);
		ASSERT_LE(0, call[i]);
	}
	EXPECT_TRUE(decide_backlog_is(self->l, STATES, 0, 0));
}

/* And of the namespace. */
TEST_F(verdict, pending_limit)
{
	struct parley_stat st;
	int call[STATES], i, fd;

	ASSERT_EQ(0, parley_sysctl_write("parley/max_pending", STATES));
	for (i = 0; i < STATES; i++)
		ASSERT_LT(0, offer(self->l, &call[i], STATES - 1 - i));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(STATES, st.pending);
	fd = parley_socket(0);
	EXPECT_EQ(-ECONNREFUSED, test_connect(fd, "127.0.0.1", PORT));
	EXPECT_EQ(PARLEY_REASON_LIMIT, parley_reason(fd));
	for (i = 0; i < STATES; i++)
		EXPECT_TRUE(decide_waits(call[i]));
}

/* The end of listening is the end of all calls, approved ones too. */
FIXTURE(closing) {
	int l;
	int call[STATES];
};

FIXTURE_VARIANT(closing) {
	int how;		/* -1: close() */
};

FIXTURE_VARIANT_ADD(closing, close) { .how = -1 };
FIXTURE_VARIANT_ADD(closing, shut_rd) { .how = SHUT_RD };
FIXTURE_VARIANT_ADD(closing, shut_rdwr) { .how = SHUT_RDWR };

FIXTURE_SETUP(closing)
{
	int i;

	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 64);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, terms_set_reply(self->l, "welcome", 7));
	for (i = 0; i < STATES; i++)
		ASSERT_LT(0, offer(self->l, &self->call[i], STATES - 1 - i));
}

FIXTURE_TEARDOWN(closing)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(closing, refuses_all)
{
	struct parley_refusal r;
	struct parley_stat st;
	int i;

	ASSERT_EQ(0, variant->how < 0 ? close(self->l) :
		  shutdown(self->l, variant->how));
	for (i = 0; i < STATES; i++) {
		EXPECT_TRUE(decide_refused_is(self->call[i],
					      PARLEY_REASON_LISTENER_CLOSED,
					      0));
		ASSERT_EQ(0, parley_refusal(self->call[i], &r));
		EXPECT_EQ(0, r.retry_after_ms | r.data_len);
	}
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(0, st.pending);
	EXPECT_EQ(STATES, st.refused);
	if (variant->how < 0)
		return;
	/* The next ones are not affected, nor is what was reserved. */
	ASSERT_EQ(0, listen(self->l, 8));
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	EXPECT_TRUE(decide_accepts_none(self->l));
	ASSERT_LT(0, offer(self->l, &self->call[0], APPROVED));
	EXPECT_TRUE(decide_accepts(self->l, self->call[0]));
}

TEST_HARNESS_MAIN
