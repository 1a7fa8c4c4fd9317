// SPDX-License-Identifier: GPL-2.0
/*
 * Signals at a certain point of a system call. connect(2) that begins again
 * after one, and finds its answer there: the handler has given it. accept(2)
 * and PARLEY_IOC_NEXT_CALL, where what was taken came to nothing and the signal
 * came with that: the next call is not taken.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "lib.h"
#include "lib_decide.h"

#define HOST	"127.0.0.1"
#define PORT	7910

enum answer { TAKE, CLOSE };

static struct {
	int listener;
	enum answer how;
	int said;
} server;

static void answer(int sig)
{
	if (server.how == TAKE)
		server.said = test_accept(server.listener, 0);
	else
		server.said = close(server.listener) ? -errno : 0;
}

FIXTURE(restart) {
	struct parley_thread thread;
	int fd;
};

FIXTURE_SETUP(restart)
{
	struct sigaction sa = {
		.sa_handler = answer,
		.sa_flags = SA_RESTART,
	};

	ASSERT_EQ(0, parley_ns_enter());
	server.listener = parley_listener(HOST, PORT, 4);
	ASSERT_LE(0, server.listener);
	ASSERT_EQ(0, parley_nonblock(server.listener, true));
	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	self->fd = parley_socket(0);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, parley_thread_connect(&self->thread, self->fd, HOST,
					   PORT));
	ASSERT_EQ(0, parley_thread_blocked(&self->thread));
}

FIXTURE_TEARDOWN(restart)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(restart, accepted)
{
	struct parley_stat st;

	server.how = TAKE;
	ASSERT_EQ(0, parley_thread_kill(&self->thread, SIGUSR1));
	EXPECT_EQ(0, parley_thread_join(&self->thread));
	ASSERT_LE(0, server.said);
	EXPECT_TRUE(parley_talks(self->fd, server.said));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(1, st.called);
	EXPECT_EQ(-EISCONN, test_connect(self->fd, HOST, PORT));
}

TEST_F(restart, refused)
{
	struct parley_stat st;

	server.how = CLOSE;
	ASSERT_EQ(0, parley_thread_kill(&self->thread, SIGUSR1));
	EXPECT_EQ(-ECONNREFUSED, parley_thread_join(&self->thread));
	EXPECT_EQ(0, server.said);
	EXPECT_EQ(PARLEY_REASON_LISTENER_CLOSED, parley_reason(self->fd));
	EXPECT_EQ(0, parley_so_error(self->fd));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(1, st.called);
}

FIXTURE(refused) {
	int l;
	int call[2];
	pid_t pid;
};

FIXTURE_VARIANT(refused) {
	bool nonblock;
	bool next;		/* PARLEY_IOC_NEXT_CALL, not accept(2) */
};

FIXTURE_VARIANT_ADD(refused, accept) {
};

FIXTURE_VARIANT_ADD(refused, accept_nonblock) {
	.nonblock = true,
};

FIXTURE_VARIANT_ADD(refused, next_call) {
	.next = true,
};

FIXTURE_SETUP(refused)
{
	int i;

	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 4);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, variant->nonblock));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_REFUSE));
	for (i = 0; i < 2; i++) {
		self->call[i] = parley_call(HOST, PORT);
		ASSERT_LE(0, self->call[i]);
	}
}

FIXTURE_TEARDOWN(refused)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Who is told of the first one's end, by @sig. */
static int tell(int fd, pid_t pid, int sig)
{
	if (fcntl(fd, F_SETOWN, pid) || fcntl(fd, F_SETSIG, sig))
		return -errno;
	return fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) ? -errno : 0;
}

static int take(int listener, bool next)
{
	struct parley_next_call arg = {};

	return next ? decide_next(listener, 0, &arg) :
		      test_accept(listener, 0);
}

TEST_F(refused, interrupted)
{
	ASSERT_EQ(0, parley_catch(SIGUSR1, 0));
	ASSERT_EQ(0, tell(self->call[0], getpid(), SIGUSR1));
	EXPECT_EQ(-EINTR, take(self->l, variant->next));
	EXPECT_EQ(1, parley_caught());
	EXPECT_EQ(PARLEY_REASON_RULE, parley_reason(self->call[0]));
	EXPECT_EQ(1, parley_pending(self->l));
	EXPECT_TRUE(decide_waits(self->call[1]));
}

/* Who dies of it does not take what others could. */
TEST_F(refused, killed)
{
	struct parley_gate gate;

	ASSERT_EQ(0, parley_gate_init(&gate));
	self->pid = parley_fork();
	if (!self->pid) {
		if (parley_gate_wait(&gate))
			_exit(1);
		take(self->l, variant->next);
		_exit(2);
	}
	ASSERT_LT(0, self->pid);
	ASSERT_EQ(0, tell(self->call[0], self->pid, SIGKILL));
	ASSERT_EQ(0, parley_gate_open(&gate));
	EXPECT_EQ(128 + SIGKILL, parley_reap(self->pid));
	EXPECT_EQ(PARLEY_REASON_RULE, parley_reason(self->call[0]));
	EXPECT_EQ(1, parley_pending(self->l));
	EXPECT_TRUE(decide_waits(self->call[1]));
}

TEST_HARNESS_MAIN
