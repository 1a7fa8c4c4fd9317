// SPDX-License-Identifier: GPL-2.0
/*
 * PARLEY_DEFER_TIMEOUT: the default verdict on calls that were put off and that
 * nobody has decided, beside the callers' own time-outs and through all that
 * may happen to a deferred call meanwhile.
 */
#include "kselftest_harness.h"

#include <sys/epoll.h>

#include "lib.h"
#include "lib_decide.h"
#include "lib_terms.h"

#define PORT	5500
#define MS	1000000ULL
#define SOON_MS	40
#define LONG_MS	60000		/* longer than any test lasts */
#define MANY	50

FIXTURE(timeout) {
	int l;
	int call;
	int got;
	int other;
	long long id;
	unsigned long long begun;
	struct parley_next_call next;
	struct parley_call_info info;
	struct parley_defer_timeout t;
};

FIXTURE_SETUP(timeout)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 64);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(timeout)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* A call whose caller has so much patience, put off in its connect(2). */
static int defer_patient(int listener, unsigned int ms)
{
	int err, fd = parley_socket(SOCK_NONBLOCK);

	if (fd < 0)
		return fd;
	err = terms_set_stage(listener, PARLEY_STAGE_ARRIVAL) ?:
	      decide_rules(listener, PARLEY_DEFER) ?:
	      parley_call_timeout(fd, ms) ?:
	      test_connect(fd, "127.0.0.1", PORT);
	return err == -EINPROGRESS ? fd : err ?: -EISCONN;
}

/* What is left of the deferral of a call, or -errno. */
static long long time_left(int listener, long long id)
{
	struct parley_next_call next = {};
	int err;

	err = decide_call(listener, id, PARLEY_UNDECIDE, 0) ?:
	      decide_next(listener, PARLEY_NEXT_DEFERRED, &next);
	if (err)
		return err;
	return next.info.id == (__u64)id ? (long long)next.info.defer_timeout_ns :
	       -ESTALE;
}

TEST_F(timeout, refuses)
{
	struct parley_refusal r;

	ASSERT_EQ(0, terms_set_reply(self->l, "welcome", 7));
	ASSERT_EQ(0, terms_set_defer(self->l, SOON_MS, PARLEY_REFUSE));
	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	self->begun = parley_now_ns();
	ASSERT_EQ(0, decide_call(self->l, self->id, PARLEY_DEFER, 0));
	EXPECT_TRUE(decide_refused_is(self->call, PARLEY_REASON_DEFER_EXPIRED,
				      0));
	EXPECT_LE(SOON_MS * MS, parley_now_ns() - self->begun);
	ASSERT_EQ(0, parley_refusal(self->call, &r));
	EXPECT_EQ(0, r.retry_after_ms | r.data_len);
	EXPECT_EQ(0, terms_len(self->call, PARLEY_REPLY_DATA));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 0));
	EXPECT_EQ(-ENOENT, decide_call(self->l, self->id, PARLEY_ACCEPT, 0));
	EXPECT_EQ(0, decide_review(self->l));
}

TEST_F(timeout, accepts)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_EQ(0, terms_set_reply(self->l, "welcome", 7));
	ASSERT_EQ(0, terms_set_defer(self->l, SOON_MS, PARLEY_ACCEPT));
	self->begun = parley_now_ns();
	self->id = decide_offer_deferred(self->l, &self->call);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->l, &event));
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, PARLEY_BOUND_MS));
	EXPECT_LE(SOON_MS * MS, parley_now_ns() - self->begun);
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 1));
	EXPECT_TRUE(decide_waits(self->call));
	EXPECT_EQ(-EALREADY, decide_call(self->l, self->id, PARLEY_REFUSE, 0));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(parley_talks(self->call, self->got));
	ASSERT_EQ(0, terms_info(self->got, &self->info));
	EXPECT_EQ(PARLEY_BY_TIMEOUT, self->info.decided_by);
	EXPECT_EQ(PARLEY_RULE_NONE, self->info.rule);
	EXPECT_LE(SOON_MS * MS, self->info.age_ns);
	EXPECT_TRUE(terms_reply_is(self->call, "welcome", 7));
}

/* Who sleeps in accept(2) gets it. */
TEST_F(timeout, accept_wakes)
{
	struct parley_thread t;

	ASSERT_EQ(0, terms_set_defer(self->l, SOON_MS, PARLEY_ACCEPT));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	ASSERT_EQ(0, parley_nonblock(self->l, false));
	ASSERT_EQ(0, parley_thread_accept(&t, self->l));
	ASSERT_EQ(0, parley_thread_blocked(&t));
	self->call = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call);
	EXPECT_LE(0, parley_thread_join(&t));
	EXPECT_EQ(POLLOUT, parley_wait(self->call, POLLOUT));
}

/* The rules put off, on arrival or later, and the same happens. */
TEST_F(timeout, of_rules)
{
	int i;

	ASSERT_EQ(0, terms_set_defer(self->l, SOON_MS, PARLEY_REFUSE));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, terms_set_stage(self->l, i ? PARLEY_STAGE_ARRIVAL :
					     PARLEY_STAGE_ACCEPT));
		self->call = parley_call("127.0.0.1", PORT);
		ASSERT_LE(0, self->call);
		EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
		EXPECT_TRUE(decide_refused_is(self->call,
					      PARLEY_REASON_DEFER_EXPIRED, 0));
	}
}

/* Decided in time: the deadline means nothing any more. */
TEST_F(timeout, decided_before)
{
	int call[2];
	long long id[2];

	ASSERT_EQ(0, terms_set_defer(self->l, SOON_MS, PARLEY_REFUSE));
	id[0] = decide_offer_deferred(self->l, &call[0]);
	ASSERT_LT(0, id[0]);
	/* It may be late already on a slow machine, but then it is over. */
	if (decide_call(self->l, id[0], PARLEY_ACCEPT, 0)) {
		EXPECT_EQ(PARLEY_REASON_DEFER_EXPIRED, parley_reason(call[0]));
		return;
	}
	id[1] = decide_offer_deferred(self->l, &call[1]);
	ASSERT_LT(0, id[1]);
	EXPECT_TRUE(decide_refused_is(call[1], PARLEY_REASON_DEFER_EXPIRED, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 1));
	EXPECT_TRUE(decide_accepts(self->l, call[0]));
}

/* The sysctl is what a socket begins with. */
TEST_F(timeout, sysctl)
{
	int fd;

	ASSERT_EQ(0, terms_defer(self->l, &self->t));
	EXPECT_EQ(0, self->t.timeout_ms);
	EXPECT_EQ(PARLEY_REFUSE, self->t.verdict);
	EXPECT_EQ(0, parley_sysctl_read("parley/defer_timeout_ms"));
	ASSERT_EQ(0, parley_sysctl_write("parley/defer_timeout_ms", SOON_MS));
	ASSERT_EQ(0, close(self->l));
	self->l = parley_listener("127.0.0.1", PORT, 64);
	ASSERT_LE(0, self->l);
	self->id = decide_offer_deferred(self->l, &self->call);
	ASSERT_LT(0, self->id);
	EXPECT_TRUE(decide_refused_is(self->call, PARLEY_REASON_DEFER_EXPIRED,
				      0));
	ASSERT_EQ(0, terms_defer(self->l, &self->t));
	EXPECT_EQ(SOON_MS, self->t.timeout_ms);
	EXPECT_EQ(PARLEY_REFUSE, self->t.verdict);
	/* What it was told otherwise is not changed by the sysctl. */
	fd = parley_socket(0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, terms_set_defer(fd, 0, PARLEY_ACCEPT));
	ASSERT_EQ(0, parley_sysctl_write("parley/defer_timeout_ms", 7));
	ASSERT_EQ(0, terms_defer(fd, &self->t));
	EXPECT_EQ(0, self->t.timeout_ms);
	EXPECT_EQ(PARLEY_ACCEPT, self->t.verdict);
}

/* A change is for calls that are deferred from then on. */
TEST_F(timeout, changed)
{
	int call[3];
	long long id[3], left;

	ASSERT_EQ(0, terms_set_defer(self->l, 0, PARLEY_ACCEPT));
	id[0] = decide_offer_deferred(self->l, &call[0]);
	ASSERT_LT(0, id[0]);
	ASSERT_EQ(0, terms_set_defer(self->l, LONG_MS, PARLEY_ACCEPT));
	id[1] = decide_offer_deferred(self->l, &call[1]);
	ASSERT_LT(0, id[1]);
	ASSERT_EQ(0, terms_set_defer(self->l, SOON_MS, PARLEY_REFUSE));
	id[2] = decide_offer_deferred(self->l, &call[2]);
	ASSERT_LT(0, id[2]);
	EXPECT_TRUE(decide_refused_is(call[2], PARLEY_REASON_DEFER_EXPIRED, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 2, 0));
	EXPECT_EQ(0, time_left(self->l, id[0]));
	left = time_left(self->l, id[1]);
	EXPECT_LT(0, left);
	EXPECT_GE((LONG_MS - SOON_MS) * MS, left);
}

/* Time that has passed is not given back, whatever happens to the call. */
TEST_F(timeout, kept)
{
	const unsigned int all = PARLEY_NEXT_DEFERRED | PARLEY_NEXT_REWIND;
	unsigned long long deferred, asked;
	long long left;
	int i;

	ASSERT_EQ(0, terms_set_defer(self->l, LONG_MS, PARLEY_REFUSE));
	self->begun = parley_now_ns();
	self->id = decide_offer_deferred(self->l, &self->call);
	ASSERT_LT(0, self->id);
	deferred = parley_now_ns();
	ASSERT_EQ(0, terms_set_defer(self->l, 10 * LONG_MS, PARLEY_ACCEPT));
	for (i = 0; i < 5; i++) {
		switch (i) {
		case 0:
			ASSERT_EQ(0, decide_call(self->l, self->id,
						 PARLEY_DEFER, 0));
			break;
		case 1:
			ASSERT_EQ(self->id, decide_next_id(self->l, all));
			break;
		case 2:
			ASSERT_EQ(1, decide_review(self->l));
			ASSERT_EQ(self->id, decide_next_id(self->l, 0));
			ASSERT_EQ(0, decide_call(self->l, self->id,
						 PARLEY_DEFER, 0));
			break;
		case 3:
			ASSERT_EQ(0, decide_call(self->l, self->id,
						 PARLEY_ACCEPT, 0));
			ASSERT_EQ(0, decide_call(self->l, self->id,
						 PARLEY_DEFER,
						 PARLEY_DECIDE_AGAIN));
			break;
		case 4:
			ASSERT_EQ(1, decide_review(self->l));
			ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
			EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
			break;
		}
		asked = parley_now_ns();
		left = time_left(self->l, self->id);
		EXPECT_GE((long long)(LONG_MS * MS - (asked - deferred)), left);
		EXPECT_LE((long long)(LONG_MS * MS -
				      (parley_now_ns() - self->begun)), left) {
			TH_LOG("step %d", i);
		}
	}
}

/* Reviewed, a call is not deferred; put off once more it is late. */
TEST_F(timeout, passed_while_pending)
{
	int clock;

	ASSERT_EQ(0, terms_set_defer(self->l, SOON_MS, PARLEY_REFUSE));
	self->id = decide_offer_deferred(self->l, &self->call);
	ASSERT_LT(0, self->id);
	if (decide_review(self->l) != 1) {
		EXPECT_EQ(PARLEY_REASON_DEFER_EXPIRED,
			  parley_reason(self->call));
		return;
	}
	ASSERT_EQ(self->id, decide_next_id(self->l, 0));
	/* One that is deferred after it tells when its time has passed. */
	ASSERT_LT(0, decide_offer_deferred(self->l, &clock));
	EXPECT_TRUE(decide_refused_is(clock, PARLEY_REASON_DEFER_EXPIRED, 0));
	EXPECT_TRUE(decide_waits(self->call));
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 0, 0));
	ASSERT_EQ(0, terms_set_defer(self->l, LONG_MS, PARLEY_ACCEPT));
	ASSERT_EQ(0, decide_call(self->l, self->id, PARLEY_DEFER, 0));
	EXPECT_TRUE(decide_refused_is(self->call, PARLEY_REASON_DEFER_EXPIRED,
				      0));
}

/* The same while it is approved. */
TEST_F(timeout, passed_while_approved)
{
	int clock;

	ASSERT_EQ(0, terms_set_defer(self->l, SOON_MS, PARLEY_REFUSE));
	self->id = decide_offer_deferred(self->l, &self->call);
	ASSERT_LT(0, self->id);
	if (decide_call(self->l, self->id, PARLEY_ACCEPT, 0)) {
		EXPECT_EQ(PARLEY_REASON_DEFER_EXPIRED,
			  parley_reason(self->call));
		return;
	}
	ASSERT_LT(0, decide_offer_deferred(self->l, &clock));
	EXPECT_TRUE(decide_refused_is(clock, PARLEY_REASON_DEFER_EXPIRED, 0));
	EXPECT_TRUE(decide_waits(self->call));
	ASSERT_EQ(0, decide_call(self->l, self->id, PARLEY_DEFER,
				 PARLEY_DECIDE_AGAIN));
	EXPECT_TRUE(decide_refused_is(self->call, PARLEY_REASON_DEFER_EXPIRED,
				      0));
}

/* The caller's patience ends first. */
TEST_F(timeout, caller_first)
{
	unsigned int verdict;

	for (verdict = PARLEY_ACCEPT; verdict <= PARLEY_REFUSE; verdict++) {
		ASSERT_EQ(0, terms_set_defer(self->l, LONG_MS, verdict));
		self->begun = parley_now_ns();
		self->call = defer_patient(self->l, SOON_MS);
		ASSERT_LE(0, self->call);
		EXPECT_EQ(POLLERR | POLLHUP, parley_wait(self->call, 0));
		EXPECT_LE(SOON_MS * MS, parley_now_ns() - self->begun);
		EXPECT_EQ(ETIMEDOUT, parley_so_error(self->call));
		EXPECT_EQ(PARLEY_REASON_TIMED_OUT, parley_reason(self->call));
		EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 0));
		EXPECT_TRUE(decide_accepts_none(self->l));
	}
}

/* The server's ends first. */
TEST_F(timeout, server_first)
{
	ASSERT_EQ(0, terms_set_defer(self->l, SOON_MS, PARLEY_REFUSE));
	self->call = defer_patient(self->l, LONG_MS);
	ASSERT_LE(0, self->call);
	EXPECT_TRUE(decide_refused_is(self->call, PARLEY_REASON_DEFER_EXPIRED,
				      0));
}

/* Accepted by default, but not by anybody before the caller has gone. */
TEST_F(timeout, one_after_the_other)
{
	ASSERT_EQ(0, terms_set_defer(self->l, SOON_MS, PARLEY_ACCEPT));
	self->call = defer_patient(self->l, 40 * SOON_MS);
	ASSERT_LE(0, self->call);
	EXPECT_EQ(POLLIN, parley_wait(self->l, POLLIN));
	EXPECT_EQ(POLLERR | POLLHUP, parley_wait(self->call, 0));
	EXPECT_EQ(ETIMEDOUT, parley_so_error(self->call));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 0));
	EXPECT_TRUE(decide_accepts_none(self->l));
}

/* Many at once, of which none is forgotten. */
TEST_F(timeout, many)
{
	struct parley_stat st;
	int call[MANY], i;

	ASSERT_EQ(0, terms_set_defer(self->l, SOON_MS, PARLEY_REFUSE));
	for (i = 0; i < MANY; i++)
		ASSERT_LT(0, decide_offer_deferred(self->l, &call[i]));
	for (i = 0; i < MANY; i++)
		EXPECT_TRUE(decide_refused_is(call[i],
					      PARLEY_REASON_DEFER_EXPIRED, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 0));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(MANY, st.refused);
	EXPECT_EQ(0, st.pending);
}

/* A listener that is closed before does not leave a timer behind. */
TEST_F(timeout, closed_before)
{
	ASSERT_EQ(0, terms_set_defer(self->l, LONG_MS, PARLEY_ACCEPT));
	self->id = decide_offer_deferred(self->l, &self->call);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, close(self->l));
	EXPECT_TRUE(decide_refused_is(self->call, PARLEY_REASON_LISTENER_CLOSED,
				      0));
}

TEST_F(timeout, option)
{
	int pair[2];

	EXPECT_EQ(-EINVAL, terms_set_defer(self->l, 1, PARLEY_DEFER));
	EXPECT_EQ(-EINVAL, terms_set_defer(self->l, 1, PARLEY_UNDECIDE));
	EXPECT_EQ(-EINVAL, terms_set_defer(self->l, 0, 4));
	EXPECT_EQ(0, terms_set_defer(self->l, ~0U, PARLEY_ACCEPT));
	ASSERT_EQ(0, terms_defer(self->l, &self->t));
	EXPECT_EQ(~0U, self->t.timeout_ms);
	EXPECT_EQ(PARLEY_ACCEPT, self->t.verdict);
	ASSERT_EQ(0, parley_pair(self->l, pair));
	EXPECT_EQ(-EINVAL, terms_set_defer(pair[0], 1, PARLEY_ACCEPT));
	EXPECT_EQ(-EINVAL, terms_set_defer(pair[1], 1, PARLEY_ACCEPT));
	EXPECT_EQ(-EINVAL, terms_defer(pair[0], &self->t));
	EXPECT_EQ(-EINVAL, terms_defer(pair[1], &self->t));
	/* Longer than anybody lives. */
	self->id = decide_offer_deferred(self->l, &self->call);
	ASSERT_LT(0, self->id);
	EXPECT_LT((1ULL << 31) * MS, time_left(self->l, self->id));
}

TEST_HARNESS_MAIN
