// SPDX-License-Identifier: GPL-2.0
/*
 * Signals instead of polling: O_ASYNC with F_SETOWN and F_SETSIG on a listener,
 * on a caller and on a connection. The signal is blocked and fetched with
 * sigtimedwait(), so that nothing depends on when it comes.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <signal.h>

#include "lib.h"

#define PORT	6200
#define BUFFER	6144
#define LIMIT	(2 * BUFFER)

static char bytes[LIMIT];

/* Fetches one signal, waiting for it or not. */
static int fetch(int sig, siginfo_t *info, bool wait)
{
	struct timespec bound = { .tv_sec = wait ? PARLEY_BOUND_MS / 1000 : 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	memset(info, 0, sizeof(*info));
	return sigtimedwait(&set, info, &bound) < 0 ? -errno : 0;
}

/* Throws away what has come so far. */
static void forget(int sig)
{
	siginfo_t info;

	while (!fetch(sig, &info, false))
		;
}

/* Fetches signals until one says @band; -EAGAIN if the bound has passed. */
static int expect_band(int sig, int fd, int code, long band)
{
	siginfo_t info;
	int err;

	for (;;) {
		err = fetch(sig, &info, true);
		if (err)
			return err;
		if (info.si_fd != fd)
			return -EBADF;
		if (info.si_code == code && (info.si_band & band) == band)
			return 0;
	}
}

static int tell(int fd, int sig)
{
	int flags = fcntl(fd, F_GETFL);

	if (fcntl(fd, F_SETOWN, getpid()) || fcntl(fd, F_SETSIG, sig))
		return -errno;
	return fcntl(fd, F_SETFL, flags | O_ASYNC) ? -errno : 0;
}

FIXTURE(sigio) {
	int listener;
	int fd[2];		/* [0] called, [1] was accepted */
	int sig;
};

FIXTURE_SETUP(sigio)
{
	sigset_t set;

	ASSERT_EQ(0, parley_ns_enter());
	self->listener = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, parley_pair(self->listener, self->fd));
	ASSERT_EQ(0, parley_nonblock(self->listener, true));
	self->sig = SIGRTMIN + 3;
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, self->sig);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
}

FIXTURE_TEARDOWN(sigio)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(sigio, listener_plain)
{
	siginfo_t info;
	int fd;

	ASSERT_EQ(0, tell(self->listener, 0));
	EXPECT_EQ(-EAGAIN, fetch(SIGIO, &info, false));
	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fetch(SIGIO, &info, true));
	EXPECT_EQ(SIGIO, info.si_signo);
	EXPECT_EQ(-EAGAIN, fetch(SIGIO, &info, false));
	ASSERT_LE(0, test_accept(self->listener, 0));
}

TEST_F(sigio, listener)
{
	int fd;

	ASSERT_EQ(0, tell(self->listener, self->sig));
	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, expect_band(self->sig, self->listener, POLL_IN, POLLIN));
	/* Each call tells, also when the one before was not accepted. */
	forget(self->sig);
	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, expect_band(self->sig, self->listener, POLL_IN, POLLIN));
}

TEST_F(sigio, listener_quiet)
{
	siginfo_t info;
	int fd;

	ASSERT_EQ(0, tell(self->listener, self->sig));
	ASSERT_EQ(0, fcntl(self->listener, F_SETFL, O_NONBLOCK));
	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EAGAIN, fetch(self->sig, &info, false));
	/* And the connection does not take over what the listener had. */
	ASSERT_EQ(0, tell(self->listener, self->sig));
	fd = test_accept(self->listener, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFL) & O_ASYNC);
}

TEST_F(sigio, caller_accepted)
{
	int fd, got;

	fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, tell(fd, self->sig));
	ASSERT_EQ(-EINPROGRESS, test_connect(fd, "127.0.0.1", PORT));
	forget(self->sig);
	got = test_accept(self->listener, 0);
	ASSERT_LE(0, got);
	EXPECT_EQ(0, expect_band(self->sig, fd, POLL_OUT, POLLOUT));
	EXPECT_TRUE(parley_talks(fd, got));
}

TEST_F(sigio, caller_pending_is_quiet)
{
	siginfo_t info;
	int fd;

	fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, tell(fd, self->sig));
	ASSERT_EQ(-EINPROGRESS, test_connect(fd, "127.0.0.1", PORT));
	EXPECT_EQ(-EAGAIN, fetch(self->sig, &info, false));
}

TEST_F(sigio, caller_refused)
{
	int fd;

	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, tell(fd, self->sig));
	ASSERT_EQ(0, close(self->listener));
	EXPECT_EQ(0, expect_band(self->sig, fd, POLL_ERR, POLLERR));
	EXPECT_EQ(ECONNREFUSED, parley_so_error(fd));
}

TEST_F(sigio, caller_times_out)
{
	int fd;

	fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, tell(fd, self->sig));
	ASSERT_EQ(0, parley_call_timeout(fd, 20));
	ASSERT_EQ(-EINPROGRESS, test_connect(fd, "127.0.0.1", PORT));
	EXPECT_EQ(0, expect_band(self->sig, fd, POLL_ERR, POLLERR));
	EXPECT_EQ(ETIMEDOUT, parley_so_error(fd));
}

TEST_F(sigio, readable)
{
	ASSERT_EQ(0, tell(self->fd[1], self->sig));
	ASSERT_EQ(3, send(self->fd[0], bytes, 3, 0));
	EXPECT_EQ(0, expect_band(self->sig, self->fd[1], POLL_IN, POLLIN));
	ASSERT_EQ(3, recv(self->fd[1], bytes, 3, 0));
	forget(self->sig);
	ASSERT_EQ(3, send(self->fd[0], bytes, 3, 0));
	EXPECT_EQ(0, expect_band(self->sig, self->fd[1], POLL_IN, POLLIN));
}

TEST_F(sigio, room)
{
	siginfo_t info;

	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF,
					BUFFER));
	ASSERT_EQ(0, tell(self->fd[0], self->sig));
	ASSERT_EQ(LIMIT, send(self->fd[0], bytes, LIMIT, MSG_DONTWAIT));
	ASSERT_EQ(-1, send(self->fd[0], bytes, 1, MSG_DONTWAIT));
	forget(self->sig);
	ASSERT_EQ(10, recv(self->fd[1], bytes, 10, 0));
	EXPECT_EQ(-EAGAIN, fetch(self->sig, &info, false));
	ASSERT_EQ(LIMIT / 2, recv(self->fd[1], bytes, LIMIT / 2, 0));
	EXPECT_EQ(0, expect_band(self->sig, self->fd[0], POLL_OUT, POLLOUT));
}

TEST_F(sigio, end)
{
	ASSERT_EQ(0, tell(self->fd[1], self->sig));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(0, expect_band(self->sig, self->fd[1], POLL_IN, POLLIN));
	forget(self->sig);
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(0, expect_band(self->sig, self->fd[1], POLL_HUP, POLLHUP));
}

/* A client that only ever sleeps in sigwaitinfo(), a server that does too. */
TEST_F(sigio, conversation)
{
	int fd, got;

	ASSERT_EQ(0, tell(self->listener, self->sig));
	fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, fd);
	ASSERT_EQ(-EINPROGRESS, test_connect(fd, "127.0.0.1", PORT));
	ASSERT_EQ(0, expect_band(self->sig, self->listener, POLL_IN, POLLIN));
	forget(self->sig);
	ASSERT_EQ(0, tell(fd, SIGIO));
	got = test_accept(self->listener, SOCK_NONBLOCK);
	ASSERT_LE(0, got);
	ASSERT_EQ(0, tell(got, self->sig));
	ASSERT_EQ(4, send(fd, "ping", 4, 0));
	ASSERT_EQ(0, expect_band(self->sig, got, POLL_IN, POLLIN));
	ASSERT_EQ(4, recv(got, bytes, 10, 0));
	forget(SIGIO);
	ASSERT_EQ(4, send(got, "pong", 4, 0));
	ASSERT_EQ(0, expect_band(SIGIO, fd, POLL_IN, POLLIN));
	ASSERT_EQ(4, recv(fd, bytes, 10, 0));
	EXPECT_EQ(0, memcmp("pong", bytes, 4));
}

TEST_HARNESS_MAIN
