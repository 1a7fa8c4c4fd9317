// SPDX-License-Identifier: GPL-2.0
/*
 * An accept(2) that fails with a reserved call in its hands: the call is still
 * that thread's, and when the thread ends it is for all, whenever the failure
 * came. It fails because of a filter that the new socket may not be charged
 * for, net.core.optmem_max being too low.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <sched.h>
#include <signal.h>

#include "lib.h"
#include "lib_decide.h"
#include "lib_race.h"

#define PORT	5550
#define OPTMEM	131072

/* Where it is not the namespace's own it is the first one's, for all. */
static int charge_at_most(long bytes)
{
	int err = parley_sysctl_write("core/optmem_max", bytes), ns;
	pid_t child;

	if (err != -ENOENT)
		return err;
	child = parley_fork();
	if (child)
		return child < 0 ? child : -parley_reap(child);
	ns = open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET))
		_exit(1);
	_exit(!!parley_sysctl_write("core/optmem_max", bytes));
}

FIXTURE(fails) {
	int l;
	int call;
	long long id;
	struct parley_gate go;
};

FIXTURE_SETUP(fails)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, ~0U);
	struct sock_fprog filter = { .len = 1, .filter = &all };

	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_bound("127.0.0.1", PORT);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, setsockopt(self->l, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
				sizeof(filter)));
	ASSERT_EQ(0, listen(self->l, 8));
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, parley_gate_init(&self->go));
	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
}

FIXTURE_TEARDOWN(fails)
{
	EXPECT_EQ(0, charge_at_most(OPTMEM));
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(fails, still_mine)
{
	struct parley_thread other;
	int i;

	ASSERT_EQ(0, decide_call(self->l, self->id, PARLEY_ACCEPT,
				 PARLEY_DECIDE_RESERVE));
	ASSERT_EQ(0, charge_at_most(0));
	for (i = 0; i < 100; i++) {
		EXPECT_EQ(-ENOMEM, test_accept(self->l, 0));
		EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 1));
		EXPECT_EQ(0, parley_revents(self->l, POLLIN));
	}
	ASSERT_EQ(0, charge_at_most(OPTMEM));
	ASSERT_EQ(0, parley_thread_accept(&other, self->l));
	EXPECT_EQ(-EAGAIN, parley_thread_join(&other));
	EXPECT_TRUE(decide_waits(self->call));
	ASSERT_LE(0, test_accept(self->l, 0));
	EXPECT_EQ(POLLOUT, parley_wait(self->call, POLLOUT));
}

/* Fails until it is killed, or for as long as it is told. */
static void fail_on(int listener, long long id, struct parley_gate *go)
{
	if (decide_call(listener, id, PARLEY_ACCEPT, PARLEY_DECIDE_RESERVE))
		_exit(1);
	parley_gate_open(go);
	for (;;)
		if (test_accept(listener, 0) != -ENOMEM)
			_exit(2);
}

/* Nothing is lost, however often those who look for the dead come by. */
TEST_F(fails, thread_ends)
{
	unsigned int rounds = race_scale(10), i;
	unsigned long long end;
	pid_t child;

	ASSERT_EQ(0, charge_at_most(0));
	for (i = 0; i < rounds; i++) {
		child = parley_fork();
		ASSERT_LE(0, child);
		if (!child)
			fail_on(self->l, self->id, &self->go);
		ASSERT_EQ(0, parley_gate_wait(&self->go));
		/* They come ten times a second. */
		end = race_ticks_ns() + 250000000ULL;
		ASSERT_TRUE(parley_until(race_ticks_ns() > end));
		ASSERT_EQ(0, kill(child, SIGKILL));
		ASSERT_EQ(128 + SIGKILL, parley_reap(child));
		ASSERT_EQ(POLLIN, parley_wait(self->l, POLLIN)) {
			TH_LOG("round %u", i);
		}
		EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 1));
		ASSERT_EQ(0, decide_call(self->l, self->id, PARLEY_UNDECIDE,
					 PARLEY_DECIDE_AGAIN));
		ASSERT_EQ(self->id, decide_next_id(self->l, 0));
	}
	ASSERT_EQ(0, charge_at_most(OPTMEM));
	EXPECT_TRUE(decide_accepts(self->l, self->call));
}

TEST_HARNESS_MAIN
