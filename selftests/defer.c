// SPDX-License-Identifier: GPL-2.0
/*
 * Deferral: calls that are put off wait aside while others are served; how
 * poll(2), epoll(7) and SIGIO tell of them; and PARLEY_IOC_REVIEW, by which all
 * of them are judged anew. Those that nobody decides are in defer_timeout.c.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>

#include "lib.h"
#include "lib_decide.h"
#include "lib_terms.h"

#define PORT	5450
#define CALLS	6

FIXTURE(defer) {
	int l;
	int call[CALLS];
	long long id[CALLS];
	struct parley_next_call next;
};

FIXTURE_SETUP(defer)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 64);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(defer)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Who is put off is in nobody's way: accept(2) goes on to the next one. */
TEST_F(defer, parked_by_rules)
{
	int i;

	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	for (i = 0; i < 3; i++) {
		self->call[i] = parley_call("127.0.0.1", PORT);
		ASSERT_LE(0, self->call[i]);
	}
	/* Nobody has asked the rules so far. */
	EXPECT_TRUE(decide_backlog_is(self->l, 3, 0, 0));
	EXPECT_EQ(POLLIN, parley_revents(self->l, POLLIN | POLLPRI));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 3, 0));
	EXPECT_EQ(POLLPRI, parley_revents(self->l, POLLIN | POLLPRI));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_ACCEPT));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	self->call[3] = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call[3]);
	EXPECT_TRUE(decide_accepts(self->l, self->call[3]));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(decide_waits(self->call[i]));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 3, 0));
}

TEST_F(defer, parked_by_server)
{
	int i;

	for (i = 0; i < 4; i++) {
		self->id[i] = decide_offer(self->l, &self->call[i]);
		ASSERT_LT(0, self->id[i]);
	}
	ASSERT_EQ(0, decide_call(self->l, self->id[0], PARLEY_DEFER, 0));
	ASSERT_EQ(0, decide_call(self->l, self->id[2], PARLEY_DEFER, 0));
	EXPECT_TRUE(decide_accepts(self->l, self->call[1]));
	EXPECT_TRUE(decide_accepts(self->l, self->call[3]));
	EXPECT_TRUE(decide_accepts_none(self->l));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 2, 0));
	ASSERT_EQ(0, decide_call(self->l, self->id[2], PARLEY_ACCEPT, 0));
	EXPECT_TRUE(decide_accepts(self->l, self->call[2]));
	EXPECT_TRUE(decide_waits(self->call[0]));
}

/* A server that sleeps in accept(2) does so through deferrals. */
TEST_F(defer, accept_sleeps_on)
{
	struct parley_thread t;

	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	ASSERT_EQ(0, parley_nonblock(self->l, false));
	ASSERT_EQ(0, parley_thread_accept(&t, self->l));
	ASSERT_EQ(0, parley_thread_blocked(&t));
	self->call[0] = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call[0]);
	EXPECT_EQ(POLLPRI, parley_wait(self->l, POLLPRI));
	EXPECT_EQ(0, parley_thread_blocked(&t));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_ACCEPT));
	ASSERT_EQ(1, decide_review(self->l));
	EXPECT_LE(0, parley_thread_join(&t));
	EXPECT_EQ(POLLOUT, parley_wait(self->call[0], POLLOUT));
}

/* Put off in connect(2): accept(2) never hears of it. */
TEST_F(defer, on_arrival)
{
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	self->call[0] = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call[0]);
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	EXPECT_EQ(POLLPRI, parley_revents(self->l, POLLIN | POLLPRI));
	EXPECT_TRUE(decide_accepts_none(self->l));
	EXPECT_TRUE(decide_waits(self->call[0]));
	EXPECT_EQ(-EALREADY, test_connect(self->call[0], "127.0.0.1", PORT));
}

/* EPOLLPRI stands for calls that are deferred and that nobody has seen. */
TEST_F(defer, poll)
{
	struct pollfd pfd = { .fd = self->l, .events = POLLPRI };
	int i;

	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	for (i = 0; i < 3; i++) {
		self->call[i] = parley_call("127.0.0.1", PORT);
		ASSERT_LE(0, self->call[i]);
	}
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(1, poll(&pfd, 1, 0));
		EXPECT_EQ(POLLPRI, pfd.revents);
		self->id[i] = decide_next_id(self->l, PARLEY_NEXT_DEFERRED);
		ASSERT_LT(0, self->id[i]);
	}
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	/* New again, one by one and all of them. */
	ASSERT_EQ(0, decide_call(self->l, self->id[1], PARLEY_UNDECIDE, 0));
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	ASSERT_EQ(self->id[1], decide_next_id(self->l, PARLEY_NEXT_DEFERRED));
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	ASSERT_EQ(self->id[0], decide_next_id(self->l, PARLEY_NEXT_DEFERRED |
					      PARLEY_NEXT_REWIND));
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	/* Whatever takes the unseen ones away. */
	ASSERT_EQ(0, close(self->call[1]));
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	ASSERT_EQ(0, decide_call(self->l, self->id[2], PARLEY_ACCEPT, 0));
	EXPECT_EQ(0, poll(&pfd, 1, 0));
}

/* Who sleeps in poll(2) is woken by each way to defer. */
static long wait_urgent(void *arg)
{
	struct pollfd pfd = { .fd = *(int *)arg, .events = POLLPRI };

	return poll(&pfd, 1, -1) == 1 ? pfd.revents : -errno;
}

TEST_F(defer, poll_wakes)
{
	struct parley_thread t;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, parley_thread_start(&t, SYS_poll, wait_urgent,
						 &self->l));
		ASSERT_EQ(0, parley_thread_blocked(&t));
		ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
		ASSERT_EQ(0, terms_set_stage(self->l, i == 1 ?
					     PARLEY_STAGE_ARRIVAL :
					     PARLEY_STAGE_ACCEPT));
		if (i < 2) {
			self->call[i] = parley_call("127.0.0.1", PORT);
			ASSERT_LE(0, self->call[i]);
			EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
		} else {
			ASSERT_EQ(0, decide_call(self->l, self->id[0],
						 PARLEY_UNDECIDE, 0));
		}
		EXPECT_EQ(POLLPRI, parley_thread_join(&t));
		self->id[i] = decide_next_id(self->l, PARLEY_NEXT_DEFERRED);
		ASSERT_LT(0, self->id[i]);
	}
}

static int next_event(int epoll)
{
	struct epoll_event event = {};
	int n = epoll_wait(epoll, &event, 1, 0);

	return n < 0 ? -errno : n ? (int)event.events : 0;
}

TEST_F(defer, epoll_level)
{
	struct epoll_event event = { .events = EPOLLPRI };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->l, &event));
	self->id[0] = decide_offer_deferred(self->l, &self->call[0]);
	ASSERT_LT(0, self->id[0]);
	EXPECT_EQ(0, next_event(epoll));
	ASSERT_EQ(0, decide_call(self->l, self->id[0], PARLEY_UNDECIDE, 0));
	EXPECT_EQ(EPOLLPRI, next_event(epoll));
	EXPECT_EQ(EPOLLPRI, next_event(epoll));
	ASSERT_EQ(self->id[0], decide_next_id(self->l, PARLEY_NEXT_DEFERRED));
	EXPECT_EQ(0, next_event(epoll));
}

/* Each deferral is an edge, also while others are unseen. */
TEST_F(defer, epoll_edge)
{
	struct epoll_event event = { .events = EPOLLPRI | EPOLLET };
	int i, epoll = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->l, &event));
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	for (i = 0; i < 3; i++) {
		self->call[i] = parley_call("127.0.0.1", PORT);
		ASSERT_LE(0, self->call[i]);
		EXPECT_EQ(EPOLLPRI, next_event(epoll));
		EXPECT_EQ(0, next_event(epoll));
	}
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ACCEPT));
	self->call[3] = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call[3]);
	next_event(epoll);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_EQ(EPOLLPRI, next_event(epoll));
	for (i = 0; i < 4; i++) {
		self->id[i] = decide_next_id(self->l, PARLEY_NEXT_DEFERRED);
		ASSERT_LT(0, self->id[i]);
	}
	EXPECT_EQ(0, next_event(epoll));
	/* Undecided, it is as one that has just been deferred. */
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, decide_call(self->l, self->id[i], PARLEY_UNDECIDE,
					 0));
		EXPECT_EQ(EPOLLPRI, next_event(epoll));
		EXPECT_EQ(0, next_event(epoll));
	}
}

/* SIGIO says POLL_PRI for a deferral. */
TEST_F(defer, sigio)
{
	struct timespec bound = { .tv_sec = PARLEY_BOUND_MS / 1000 };
	int flags = fcntl(self->l, F_GETFL), sig = SIGRTMIN + 4;
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	self->call[0] = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call[0]);
	ASSERT_EQ(0, fcntl(self->l, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(self->l, F_SETSIG, sig));
	ASSERT_EQ(0, fcntl(self->l, F_SETFL, flags | O_ASYNC));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	ASSERT_EQ(sig, sigtimedwait(&set, &info, &bound));
	EXPECT_EQ(self->l, info.si_fd);
	EXPECT_EQ(POLL_PRI, info.si_code);
	EXPECT_EQ(POLLPRI, info.si_band & (POLLPRI | POLLIN));

	/* And in connect(2), where no call arrives for accept(2). */
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	self->call[1] = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call[1]);
	ASSERT_EQ(sig, sigtimedwait(&set, &info, &bound));
	EXPECT_EQ(POLL_PRI, info.si_code);
}

/* REVIEW: all that are deferred, in the order of their arrival. */
TEST_F(defer, review)
{
	int i;

	EXPECT_EQ(0, decide_review(self->l));
	for (i = 0; i < CALLS; i++) {
		self->id[i] = decide_offer(self->l, &self->call[i]);
		ASSERT_LT(0, self->id[i]);
	}
	EXPECT_EQ(0, decide_review(self->l));
	/* Some that are seen and some that are not, in no order. */
	ASSERT_EQ(0, decide_call(self->l, self->id[4], PARLEY_DEFER, 0));
	ASSERT_EQ(0, decide_call(self->l, self->id[3], PARLEY_DEFER, 0));
	ASSERT_EQ(0, decide_call(self->l, self->id[1], PARLEY_DEFER, 0));
	ASSERT_EQ(0, decide_call(self->l, self->id[3], PARLEY_UNDECIDE, 0));
	EXPECT_EQ(3, decide_review(self->l));
	EXPECT_TRUE(decide_backlog_is(self->l, CALLS, 0, 0));
	EXPECT_EQ(POLLIN, parley_revents(self->l, POLLIN | POLLPRI));
	EXPECT_EQ(0, decide_review(self->l));
	EXPECT_EQ(self->id[1], decide_next_id(self->l, 0));
	EXPECT_EQ(self->id[3], decide_next_id(self->l, 0));
	ASSERT_EQ(0, decide_next(self->l, 0, &self->next));
	EXPECT_EQ(self->id[4], self->next.info.id);
	/* That it was deferred once is still true. */
	EXPECT_EQ(PARLEY_INFO_DEFERRED,
		  self->next.info.flags & PARLEY_INFO_DEFERRED);
	EXPECT_TRUE(decide_next_is_none(self->l, PARLEY_NEXT_DEFERRED));
	for (i = 0; i < CALLS; i++)
		EXPECT_TRUE(decide_accepts(self->l, self->call[i]));
}

/* What is approved is decided, and stays so. */
TEST_F(defer, review_of_approved)
{
	self->id[0] = decide_offer_deferred(self->l, &self->call[0]);
	ASSERT_LT(0, self->id[0]);
	ASSERT_EQ(0, decide_call(self->l, self->id[0], PARLEY_ACCEPT, 0));
	EXPECT_EQ(0, decide_review(self->l));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 1));
}

/* The rules are asked again, and may have changed. */
TEST_F(defer, review_by_rules)
{
	int i;

	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	for (i = 0; i < 3; i++) {
		self->call[i] = parley_call("127.0.0.1", PORT);
		ASSERT_LE(0, self->call[i]);
	}
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(3, decide_review(self->l));
		EXPECT_EQ(POLLIN, parley_revents(self->l, POLLIN | POLLPRI));
		EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
		EXPECT_EQ(POLLPRI, parley_revents(self->l, POLLIN | POLLPRI));
	}
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_REFUSE));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 3, 0));
	EXPECT_EQ(3, decide_review(self->l));
	EXPECT_TRUE(decide_waits(self->call[0]));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(decide_refused_is(self->call[i],
					      PARLEY_REASON_RULE, 0));
}

/* Also about a call that they had accepted, and the server has put off. */
TEST_F(defer, review_of_judged)
{
	self->id[0] = decide_offer_deferred(self->l, &self->call[0]);
	ASSERT_LT(0, self->id[0]);
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_REFUSE));
	EXPECT_EQ(1, decide_review(self->l));
	EXPECT_TRUE(decide_waits(self->call[0]));
	EXPECT_TRUE(decide_next_is_none(self->l, PARLEY_NEXT_DEFERRED));
	EXPECT_TRUE(decide_refused_is(self->call[0], PARLEY_REASON_RULE, 0));
}

TEST_F(defer, review_only_listeners)
{
	int fd = parley_socket(0), pair[2];

	EXPECT_EQ(-EINVAL, decide_review(fd));
	ASSERT_EQ(0, parley_bind(fd, "127.0.0.1", PORT + 1));
	EXPECT_EQ(-EINVAL, decide_review(fd));
	ASSERT_EQ(0, parley_pair(self->l, pair));
	EXPECT_EQ(-EINVAL, decide_review(pair[0]));
	EXPECT_EQ(-EINVAL, decide_review(pair[1]));
	self->call[0] = parley_call("127.0.0.1", PORT);
	EXPECT_EQ(-EINVAL, decide_review(self->call[0]));
	ASSERT_EQ(0, shutdown(self->l, SHUT_RD));
	EXPECT_EQ(-EINVAL, decide_review(self->l));
}

/* Each reviewed call wakes one that sleeps in accept(2). */
TEST_F(defer, review_wakes)
{
	struct parley_thread t[3];
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_LT(0, decide_offer_deferred(self->l, &self->call[i]));
	ASSERT_EQ(0, parley_nonblock(self->l, false));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, parley_thread_accept(&t[i], self->l));
		ASSERT_EQ(0, parley_thread_blocked(&t[i]));
	}
	EXPECT_EQ(3, decide_review(self->l));
	for (i = 0; i < 3; i++)
		EXPECT_LE(0, parley_thread_join(&t[i]));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(POLLOUT, parley_wait(self->call[i], POLLOUT));
}

TEST_HARNESS_MAIN
