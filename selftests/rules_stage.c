// SPDX-License-Identifier: GPL-2.0
/*
 * When rules are asked: on arrival, within the caller's connect(2), or when
 * somebody accepts. Who is refused on arrival is never seen by anybody.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib_decide.h"
#include "lib_race.h"
#include "lib_rules.h"

#define HOST	"127.0.0.1"
#define PORT	7470
#define MANY	4000

FIXTURE(stage) {
	struct rules *t;
	int l;
};

FIXTURE_SETUP(stage)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	self->t = rules_new();
	ASSERT_NE(NULL, self->t);
}

FIXTURE_TEARDOWN(stage)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int connect_group(int l, __u64 group, int *fd)
{
	const struct rules_call c = { .terms.group = group };

	return rules_connect(l, &c, fd);
}

/* Nobody need accept for a caller to hear no, whether it waits or not. */
TEST_F(stage, refused_at_once)
{
	struct parley_rule *r = rules_refuse(self->t, 7);
	struct parley_stat st;
	int fd;

	rules_say(&r->then, 7, 100);
	rules_reply(self->t, &r->then, "not here");
	ASSERT_EQ(0, rules_set(self->l, self->t));
	fd = parley_socket(0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-ECONNREFUSED, test_connect(fd, HOST, PORT));
	EXPECT_TRUE(rules_refused_is(fd, 7, 100, "not here"));
	EXPECT_EQ(0, parley_so_error(fd));
	/* The same socket again, which got another port meanwhile or not. */
	EXPECT_EQ(-ECONNREFUSED, test_connect(fd, HOST, PORT));
	EXPECT_TRUE(rules_refused_is(fd, 7, 100, "not here"));
	EXPECT_EQ(-ECONNREFUSED, connect_group(self->l, 1, &fd));
	EXPECT_TRUE(rules_refused_is(fd, 7, 100, "not here"));
	EXPECT_EQ(POLLHUP, parley_revents(fd, POLLIN | POLLOUT));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(3, st.called);
	EXPECT_EQ(3, st.refused);
	EXPECT_EQ(0, st.pending);
	EXPECT_EQ(0, st.established);
}

/* Whatever can be seen at the listener now: nothing. */
static bool nothing_there(int l, int epoll)
{
	struct epoll_event event;
	int events;

	if (!decide_backlog_is(l, 0, 0, 0))
		return false;
	events = parley_revents(l, POLLIN | POLLRDNORM | POLLPRI);
	if (events)
		printf("# events %#x\n", events);
	if (epoll_wait(epoll, &event, 1, 0)) {
		printf("# epoll's events %#x\n", event.events);
		return false;
	}
	return !events;
}

/* Thousands are refused: nobody wakes up, nothing is counted. */
TEST_F(stage, refused_unseen)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLRDNORM | EPOLLPRI | EPOLLET,
	};
	unsigned int i, n = race_scale(MANY);
	struct parley_thread acceptor;
	struct decide_waiter decider;
	int epoll, fd;
	long sleeps;

	rules_refuse(self->t, 7);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	epoll = epoll_create1(0);
	ASSERT_LE(0, epoll);
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->l, &event));
	ASSERT_EQ(0, parley_thread_accept(&acceptor, self->l));
	ASSERT_EQ(0, parley_thread_blocked(&acceptor));
	ASSERT_EQ(0, decide_waiter_blocked(&decider, self->l,
					   PARLEY_NEXT_DEFERRED));
	sleeps = parley_thread_sleeps(&acceptor);
	ASSERT_LT(0, sleeps);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(-ECONNREFUSED, rules_connect(self->l, NULL, &fd));
		ASSERT_EQ(PARLEY_REASON_RULE, parley_reason(fd));
		close(fd);
		ASSERT_TRUE(nothing_there(self->l, epoll));
	}
	EXPECT_EQ(sleeps, parley_thread_sleeps(&acceptor));
	EXPECT_FALSE(parley_thread_done(&decider.thread));
	/* It was not deaf. */
	self->t->arg.count = 0;
	ASSERT_EQ(0, rules_set(self->l, self->t));
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	EXPECT_LE(0, parley_thread_join(&acceptor));
	ASSERT_EQ(-EINPROGRESS, rules_connect(self->l, NULL, &fd));
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, PARLEY_BOUND_MS));
	ASSERT_EQ(0, shutdown(self->l, SHUT_RDWR));
	parley_thread_join(&decider.thread);
}

/* Where there is no room no rule is asked, and none loses a token. */
TEST_F(stage, full_before_rules)
{
	struct parley_refusal r;
	int waits, fd, new;

	rules_group(rules_add(self->t, PARLEY_ACCEPT), 1);
	rules_refuse(self->t, 7);
	rules_once(&self->t->rule[1], 1);
	rules_say(&self->t->rule[1].over, 8, 0);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(0, listen(self->l, 1));
	ASSERT_EQ(1, parley_limit(self->l));
	ASSERT_EQ(-EINPROGRESS, connect_group(self->l, 1, &waits));
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 0, 0));

	EXPECT_EQ(-ECONNREFUSED, connect_group(self->l, 2, &fd));
	ASSERT_EQ(0, parley_refusal(fd, &r));
	EXPECT_EQ(PARLEY_REASON_BACKLOG_FULL, r.reason);
	EXPECT_EQ(0, r.code);
	EXPECT_EQ(0, r.retry_after_ms);
	EXPECT_EQ(0, r.data_len);
	EXPECT_EQ(-ECONNREFUSED, connect_group(self->l, 1, &fd));
	EXPECT_EQ(PARLEY_REASON_BACKLOG_FULL, parley_reason(fd));
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 0, 0));

	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(parley_talks(waits, new));
	EXPECT_EQ(-ECONNREFUSED, connect_group(self->l, 2, &fd));
	EXPECT_TRUE(rules_refused_is(fd, 7, 0, NULL));
	EXPECT_EQ(-ECONNREFUSED, connect_group(self->l, 2, &fd));
	EXPECT_TRUE(rules_refused_is(fd, 8, 0, NULL));
}

/* What is deferred on arrival takes its place in the backlog. */
TEST_F(stage, full_of_deferred)
{
	int one, two, fd;

	rules_add(self->t, PARLEY_DEFER);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(0, listen(self->l, 2));
	ASSERT_EQ(-EINPROGRESS, connect_group(self->l, 1, &one));
	ASSERT_EQ(-EINPROGRESS, connect_group(self->l, 1, &two));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 2, 0));
	EXPECT_EQ(-ECONNREFUSED, connect_group(self->l, 1, &fd));
	EXPECT_EQ(PARLEY_REASON_BACKLOG_FULL, parley_reason(fd));
	close(one);
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	EXPECT_EQ(-EINPROGRESS, connect_group(self->l, 1, &one));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 2, 0));
	close(self->l);
	EXPECT_TRUE(decide_refused_is(one, PARLEY_REASON_LISTENER_CLOSED, 0));
	EXPECT_TRUE(decide_refused_is(two, PARLEY_REASON_LISTENER_CLOSED, 0));
}

/* The namespace's own limit is none of the rules' business. */
TEST_F(stage, namespace_limit)
{
	int fd;

	rules_reply(self->t, &rules_add(self->t, PARLEY_ACCEPT)->then, "yes");
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(0, parley_sysctl_write("parley/max_pending", 0));
	EXPECT_EQ(-ECONNREFUSED, connect_group(self->l, 1, &fd));
	EXPECT_EQ(PARLEY_REASON_LIMIT, parley_reason(fd));
	EXPECT_TRUE(terms_reply_is(fd, NULL, 0));
	self->t->rule[0] = (struct parley_rule){ .then.verdict = PARLEY_DEFER };
	ASSERT_EQ(0, rules_set(self->l, self->t));
	EXPECT_EQ(-ECONNREFUSED, connect_group(self->l, 1, &fd));
	EXPECT_EQ(PARLEY_REASON_LIMIT, parley_reason(fd));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 0));
	EXPECT_EQ(0, parley_revents(self->l, POLLIN | POLLPRI));
}

static long wait_pri(void *arg)
{
	struct pollfd pfd = { .fd = *(int *)arg, .events = POLLPRI };
	int n = poll(&pfd, 1, -1);

	return n == 1 ? pfd.revents : -errno;
}

/* Those who wait for a deferral hear of it, those for an accept do not. */
TEST_F(stage, deferred)
{
	struct parley_thread poller, acceptor, caller;
	struct decide_waiter decider, other;
	int fd;

	rules_add(self->t, PARLEY_DEFER);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(0, parley_thread_start(&poller, SYS_poll, wait_pri,
					 &self->l));
	ASSERT_EQ(0, parley_thread_blocked(&poller));
	ASSERT_EQ(0, parley_thread_accept(&acceptor, self->l));
	ASSERT_EQ(0, parley_thread_blocked(&acceptor));
	ASSERT_EQ(0, decide_waiter_blocked(&other, self->l, 0));
	fd = parley_socket(0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_thread_connect(&caller, fd, HOST, PORT));
	EXPECT_EQ(POLLPRI, parley_thread_join(&poller));
	EXPECT_EQ(POLLPRI, parley_revents(self->l, POLLIN | POLLPRI));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	EXPECT_EQ(0, parley_thread_blocked(&caller));
	EXPECT_EQ(0, parley_thread_blocked(&acceptor));
	EXPECT_EQ(0, parley_thread_blocked(&other.thread));

	ASSERT_EQ(0, decide_waiter_start(&decider, self->l,
					 PARLEY_NEXT_DEFERRED));
	EXPECT_LT(0, decide_waiter_join(&decider));
	EXPECT_EQ(0, parley_revents(self->l, POLLIN | POLLPRI));
	ASSERT_EQ(0, terms_decide(self->l, decider.next.info.id,
				  PARLEY_ACCEPT));
	EXPECT_LE(0, parley_thread_join(&acceptor));
	EXPECT_EQ(0, parley_thread_join(&caller));
	ASSERT_EQ(0, shutdown(self->l, SHUT_RDWR));
	EXPECT_EQ(-EINVAL, decide_waiter_join(&other));
}

/* A decider who waits already is woken by the call that is deferred. */
TEST_F(stage, deferred_wakes_decider)
{
	struct decide_waiter decider;
	int fd;

	rules_add(self->t, PARLEY_DEFER);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(0, decide_waiter_blocked(&decider, self->l,
					   PARLEY_NEXT_DEFERRED));
	ASSERT_EQ(-EINPROGRESS, connect_group(self->l, 5, &fd));
	EXPECT_LT(0, decide_waiter_join(&decider));
	EXPECT_EQ(5, decider.next.info.group);
}

/* A yes on arrival stands, whatever the rules become until somebody accepts. */
TEST_F(stage, accepted_stays_so)
{
	struct parley_rule *r;
	int fd, new;

	rules_group(rules_refuse(self->t, 7), 1);
	r = rules_add(self->t, PARLEY_ACCEPT);
	rules_reply(self->t, &r->then, "as promised");
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(-EINPROGRESS, connect_group(self->l, 2, &fd));
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 0, 0));
	EXPECT_EQ(POLLIN, parley_revents(self->l, POLLIN | POLLPRI));
	EXPECT_TRUE(decide_waits(fd));
	EXPECT_TRUE(terms_reply_is(fd, NULL, 0));

	self->t->arg.count = 0;
	rules_say(&self->t->arg.otherwise, 9, 0);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ACCEPT));
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 0, 0));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(parley_talks(fd, new));
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_RULE, 1));
	EXPECT_TRUE(terms_reply_is(fd, "as promised", 11));
}

/* A yes on arrival where there are no rules is one, too. */
TEST_F(stage, accepted_without_rules)
{
	int fd, new;

	ASSERT_EQ(-EINPROGRESS, connect_group(self->l, 2, &fd));
	rules_refuse(self->t, 7);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_ACCEPT, PARLEY_RULE_NONE));
}

/* Calls that wait unjudged are judged by the rules that there are then. */
TEST_F(stage, judged_when_accepted)
{
	int fd, new;

	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ACCEPT));
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	rules_refuse(self->t, 7);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(-EINPROGRESS, connect_group(self->l, 1, &fd));
	EXPECT_TRUE(decide_waits(fd));
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 0, 0));
	EXPECT_EQ(POLLIN, parley_revents(self->l, POLLIN | POLLPRI));
	self->t->rule[0].then.code = 8;
	ASSERT_EQ(0, rules_set(self->l, self->t));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(rules_refused_is(fd, 8, 0, NULL));

	ASSERT_EQ(-EINPROGRESS, connect_group(self->l, 1, &fd));
	self->t->arg.count = 0;
	ASSERT_EQ(0, rules_set(self->l, self->t));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_ACCEPT, PARLEY_RULE_NONE));
}

/* Who has given up before the rules were asked has taken no token. */
TEST_F(stage, withdrawn_before_judged)
{
	struct parley_rule *r = rules_refuse(self->t, 1);
	int fd;

	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ACCEPT));
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	rules_once(r, 1);
	rules_say(&r->over, 2, 0);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(-EINPROGRESS, connect_group(self->l, 1, &fd));
	close(fd);
	ASSERT_EQ(-EINPROGRESS, connect_group(self->l, 1, &fd));
	ASSERT_EQ(0, parley_unspec(fd));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_EQ(1, rules_code(self->l, NULL));
	EXPECT_EQ(2, rules_code(self->l, NULL));
}

/* The stage is for calls that arrive: those that wait go on waiting. */
TEST_F(stage, switched)
{
	int fd[3], late, new, i;

	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ACCEPT));
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	rules_group(rules_refuse(self->t, 7), 1);
	rules_group(rules_add(self->t, PARLEY_DEFER), 2);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(-EINPROGRESS, connect_group(self->l, i + 1, &fd[i]));
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	EXPECT_TRUE(decide_backlog_is(self->l, 3, 0, 0));
	EXPECT_EQ(POLLIN, parley_revents(self->l, POLLIN | POLLPRI));
	EXPECT_TRUE(decide_waits(fd[0]));
	EXPECT_EQ(-ECONNREFUSED, connect_group(self->l, 1, &late));
	EXPECT_EQ(-EINPROGRESS, connect_group(self->l, 2, &late));
	EXPECT_TRUE(decide_backlog_is(self->l, 3, 1, 0));
	EXPECT_EQ(POLLIN | POLLPRI, parley_revents(self->l, POLLIN | POLLPRI));

	/* They are judged as they would have been. */
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(parley_talks(fd[2], new));
	EXPECT_TRUE(rules_refused_is(fd[0], 7, 0, NULL));
	EXPECT_TRUE(decide_waits(fd[1]));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 2, 0));

	/* And back. */
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ACCEPT));
	ASSERT_EQ(-EINPROGRESS, connect_group(self->l, 1, &late));
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 2, 0));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(rules_refused_is(late, 7, 0, NULL));
}

/* As it was set before listen(2), and before the rules were. */
TEST_F(stage, set_before)
{
	int l = parley_bound(HOST, PORT + 1), fd;

	ASSERT_LE(0, l);
	ASSERT_EQ(0, terms_set_stage(l, PARLEY_STAGE_ARRIVAL));
	rules_refuse(self->t, 7);
	ASSERT_EQ(0, rules_set(l, self->t));
	EXPECT_EQ(-ECONNREFUSED, rules_connect(l, NULL, &fd));
	EXPECT_EQ(PARLEY_REASON_NO_LISTENER, parley_reason(fd));
	ASSERT_EQ(0, listen(l, 5));
	EXPECT_EQ(-ECONNREFUSED, rules_connect(l, NULL, &fd));
	EXPECT_TRUE(rules_refused_is(fd, 7, 0, NULL));
}

TEST_HARNESS_MAIN
