// SPDX-License-Identifier: GPL-2.0
/*
 * A process that waits at a listener is woken for a call and killed before it
 * can look: the call is for the next one who waits. All are on one processor,
 * which the test keeps until both have happened.
 */
#include "kselftest_harness.h"

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "lib.h"
#include "lib_decide.h"

#define PORT	5270

FIXTURE(killed) {
	int l;
	int call;
	pid_t first;
	struct parley_thread acceptor;
	struct decide_waiter decider;
};

FIXTURE_SETUP(killed)
{
	cpu_set_t one;

	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->l);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	self->first = parley_fork();
	ASSERT_LE(0, self->first);
}

FIXTURE_TEARDOWN(killed)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Return: the call that woke @victim, which is dead. */
static int call_and_kill(pid_t victim)
{
	struct sched_param most = { .sched_priority = 1 }, usual = {};
	int call;

	if (sched_setscheduler(0, SCHED_FIFO, &most))
		return -errno;
	call = parley_call("127.0.0.1", PORT);
	kill(victim, SIGKILL);
	sched_setscheduler(0, SCHED_OTHER, &usual);
	return call;
}

TEST_F(killed, accept)
{
	if (!self->first)
		_exit(test_accept(self->l, 0) < 0);

	ASSERT_EQ(0, parley_blocked(self->first, SYS_accept4));
	ASSERT_EQ(0, parley_thread_accept(&self->acceptor, self->l));
	ASSERT_EQ(0, parley_thread_blocked(&self->acceptor));

	self->call = call_and_kill(self->first);
	ASSERT_LE(0, self->call);
	EXPECT_EQ(128 + SIGKILL, parley_reap(self->first));
	EXPECT_LE(0, parley_thread_join(&self->acceptor));
	EXPECT_EQ(POLLOUT, parley_wait(self->call, POLLOUT));
}

TEST_F(killed, next_call)
{
	struct parley_next_call next = {};

	if (!self->first)
		_exit(decide_next(self->l, 0, &next) < 0);

	ASSERT_EQ(0, parley_blocked(self->first, SYS_ioctl));
	ASSERT_EQ(0, decide_waiter_blocked(&self->decider, self->l, 0));

	self->call = call_and_kill(self->first);
	ASSERT_LE(0, self->call);
	EXPECT_EQ(128 + SIGKILL, parley_reap(self->first));
	EXPECT_LT(0, decide_waiter_join(&self->decider));
}

TEST_HARNESS_MAIN
