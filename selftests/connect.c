// SPDX-License-Identifier: GPL-2.0
/*
 * connect(): blocking and non-blocking calls, how they end, how a caller
 * gives one up, and that the socket may call again after each failure.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"
#include "lib_race.h"

#define PORT	5000
#define MS	1000000ULL

FIXTURE(connect) {
	int l;
};

FIXTURE_VARIANT(connect) {
	const char *host;	/* of the listener */
	const char *dest;	/* that is called */
	const char *any;	/* the caller's family's wildcard */
};

FIXTURE_VARIANT_ADD(connect, v4) {
	.host = "127.0.0.1", .dest = "127.0.0.1", .any = "0.0.0.0",
};

FIXTURE_VARIANT_ADD(connect, v6) {
	.host = "::1", .dest = "::1", .any = "::",
};

FIXTURE_VARIANT_ADD(connect, dual) {
	.host = "::", .dest = "127.0.0.1", .any = "0.0.0.0",
};

FIXTURE_VARIANT_ADD(connect, mapped) {
	.host = "0.0.0.0", .dest = "::ffff:127.0.0.1", .any = "::",
};

FIXTURE_SETUP(connect)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(variant->host, PORT, 10);
	ASSERT_GE(self->l, 0);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(connect)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(connect, nonblocking)
{
	int fd, new;

	fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-EINPROGRESS, test_connect(fd, variant->dest, PORT));
	EXPECT_EQ(1, parley_pending(self->l));
	EXPECT_EQ(0, parley_revents(fd, POLLIN | POLLOUT | POLLRDHUP));
	EXPECT_EQ(0, parley_so_error(fd));
	EXPECT_EQ(-EALREADY, test_connect(fd, variant->dest, PORT));
	EXPECT_EQ(-EALREADY, test_connect(fd, variant->dest, PORT + 1));
	EXPECT_EQ(1, parley_pending(self->l));

	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	EXPECT_EQ(0, parley_pending(self->l));
	EXPECT_EQ(POLLOUT, parley_wait(fd, POLLIN | POLLOUT));
	EXPECT_EQ(0, parley_so_error(fd));
	EXPECT_EQ(-EISCONN, test_connect(fd, variant->dest, PORT));
	EXPECT_TRUE(parley_talks(fd, new));
	EXPECT_EQ(PARLEY_REASON_NONE, parley_reason(fd));
}

TEST_F(connect, blocking)
{
	struct parley_thread t;
	int fd, new;

	fd = parley_socket(0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, parley_thread_connect(&t, fd, variant->dest, PORT));
	ASSERT_EQ(POLLIN, parley_wait(self->l, POLLIN));
	ASSERT_EQ(0, parley_thread_blocked(&t));
	EXPECT_EQ(1, parley_pending(self->l));
	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	EXPECT_EQ(0, parley_thread_join(&t));
	EXPECT_TRUE(parley_talks(fd, new));
	EXPECT_EQ(-EISCONN, test_connect(fd, variant->dest, PORT));
}

/* connect() without O_NONBLOCK joins the call that is pending. */
TEST_F(connect, blocking_joins)
{
	struct parley_thread t[2];
	struct parley_stat st;
	int fd, new;

	fd = parley_call(variant->dest, PORT);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, parley_nonblock(fd, false));
	ASSERT_EQ(0, parley_thread_connect(&t[0], fd, variant->dest, PORT));
	ASSERT_EQ(0, parley_thread_blocked(&t[0]));
	/* Nobody looks at the address, it is the same call. */
	ASSERT_EQ(0, parley_thread_connect(&t[1], fd, variant->any, PORT + 1));
	ASSERT_EQ(0, parley_thread_blocked(&t[1]));
	EXPECT_EQ(1, parley_pending(self->l));
	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	EXPECT_EQ(0, parley_thread_join(&t[0]));
	EXPECT_EQ(0, parley_thread_join(&t[1]));
	EXPECT_TRUE(parley_talks(fd, new));
	EXPECT_EQ(PORT, parley_port(new));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(1, st.called);
}

TEST_F(connect, blocking_joins_and_fails)
{
	struct parley_thread t;
	int fd;

	fd = parley_call(variant->dest, PORT);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, parley_nonblock(fd, false));
	ASSERT_EQ(0, parley_thread_connect(&t, fd, variant->dest, PORT));
	ASSERT_EQ(0, parley_thread_blocked(&t));
	ASSERT_EQ(0, close(self->l));
	EXPECT_EQ(-ECONNREFUSED, parley_thread_join(&t));
	/* That was the error, it is not reported again. */
	EXPECT_EQ(0, parley_so_error(fd));
	EXPECT_EQ(PARLEY_REASON_LISTENER_CLOSED, parley_reason(fd));
}

TEST_F(connect, no_listener)
{
	struct parley_stat st;
	int fd, i, new;

	for (i = 0; i < 2; i++) {
		fd = parley_socket(i ? SOCK_NONBLOCK : 0);
		ASSERT_GE(fd, 0);
		EXPECT_EQ(-ECONNREFUSED,
			  test_connect(fd, variant->dest, PORT + 1));
		EXPECT_EQ(PARLEY_REASON_NO_LISTENER, parley_reason(fd));
		EXPECT_EQ(0, parley_so_error(fd));
		EXPECT_EQ(POLLHUP, parley_revents(fd, POLLIN) & ~POLLOUT);
		EXPECT_EQ(-ECONNREFUSED, test_connect(fd, variant->dest, 0));
		EXPECT_EQ(PARLEY_REASON_NO_LISTENER, parley_reason(fd));
		EXPECT_TRUE(parley_name_is(fd, variant->any, 0));
		ASSERT_EQ(0, parley_nonblock(fd, true));
		EXPECT_EQ(-EINPROGRESS,
			  test_connect(fd, variant->dest, PORT));
		EXPECT_EQ(PARLEY_REASON_NONE, parley_reason(fd));
		new = test_accept(self->l, 0);
		ASSERT_GE(new, 0);
		EXPECT_TRUE(parley_talks(fd, new));
	}
	/* A bound socket that does not listen is no listener. */
	fd = parley_bound(variant->host, PORT + 1);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-ECONNREFUSED, test_connect(parley_socket(0), variant->dest,
					      PORT + 1));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(7, st.called);
	EXPECT_EQ(5, st.refused);
	EXPECT_EQ(2, st.established);
}

TEST_F(connect, peer_gone)
{
	int pair[2];

	ASSERT_EQ(0, parley_pair(self->l, pair));
	ASSERT_EQ(0, close(pair[1]));
	EXPECT_EQ(-EISCONN, test_connect(pair[0], variant->dest, PORT));
	EXPECT_EQ(-EISCONN, parley_unspec(pair[0]));
	EXPECT_EQ(0, parley_pending(self->l));
}

TEST_F(connect, listener_does_not_call)
{
	EXPECT_EQ(-EINVAL, test_connect(self->l, variant->host, PORT));
	EXPECT_EQ(-EINVAL, parley_unspec(self->l));
	EXPECT_EQ(1, parley_sockopt(self->l, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_GE(parley_call(variant->dest, PORT), 0);
	EXPECT_EQ(1, parley_pending(self->l));
}

/* AF_UNSPEC takes the call back, as often as one likes. */
TEST_F(connect, unspec)
{
	struct parley_stat st;
	int fd, i, new;

	fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(0, parley_unspec(fd));
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(-EINPROGRESS,
			  test_connect(fd, variant->dest, PORT));
		EXPECT_EQ(1, parley_pending(self->l));
		EXPECT_EQ(0, parley_unspec(fd));
		EXPECT_EQ(0, parley_pending(self->l));
		EXPECT_EQ(0, parley_revents(self->l, POLLIN));
		EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
		EXPECT_EQ(0, parley_so_error(fd));
		EXPECT_TRUE(parley_name_is(fd, variant->any, 0));
	}
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(5, st.called);
	EXPECT_EQ(5, st.withdrawn);
	EXPECT_EQ(-EINPROGRESS, test_connect(fd, variant->dest, PORT));
	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	EXPECT_TRUE(parley_talks(fd, new));
	EXPECT_EQ(-EISCONN, parley_unspec(fd));
	EXPECT_TRUE(parley_talks(fd, new));
}

TEST_F(connect, unspec_ends_blocking)
{
	struct parley_thread t;
	int fd, new;

	fd = parley_socket(0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, parley_thread_connect(&t, fd, variant->dest, PORT));
	ASSERT_EQ(0, parley_thread_blocked(&t));
	EXPECT_EQ(0, parley_unspec(fd));
	EXPECT_EQ(-ECONNABORTED, parley_thread_join(&t));
	EXPECT_EQ(0, parley_pending(self->l));
	ASSERT_EQ(0, parley_nonblock(fd, true));
	EXPECT_EQ(-EINPROGRESS, test_connect(fd, variant->dest, PORT));
	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	EXPECT_TRUE(parley_talks(fd, new));
}

/* The last descriptor takes the call with it, an earlier one does not. */
TEST_F(connect, close_withdraws)
{
	struct parley_stat st;
	int fd, copy;

	fd = parley_call(variant->dest, PORT);
	ASSERT_GE(fd, 0);
	copy = dup(fd);
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(1, parley_pending(self->l));
	EXPECT_EQ(0, close(copy));
	EXPECT_EQ(0, parley_pending(self->l));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(1, st.withdrawn);
}

enum death { EXITS, KILLED, KILLED_BLOCKED };

TEST_F(connect, exit_withdraws)
{
	enum death how;
	int pid, fd;

	for (how = EXITS; how <= KILLED_BLOCKED; how++) {
		struct parley_gate gate;

		ASSERT_EQ(0, parley_gate_init(&gate));
		pid = parley_fork();
		ASSERT_GE(pid, 0);
		if (!pid) {
			fd = parley_socket(how == KILLED_BLOCKED ?
					   0 : SOCK_NONBLOCK);
			test_connect(fd, variant->dest, PORT);
			if (how == EXITS && parley_gate_wait(&gate))
				_exit(1);
			if (how == KILLED)
				pause();
			_exit(0);
		}
		ASSERT_EQ(POLLIN, parley_wait(self->l, POLLIN));
		ASSERT_EQ(1, parley_pending(self->l));
		if (how == KILLED_BLOCKED)
			ASSERT_EQ(0, parley_blocked(pid, SYS_connect));
		ASSERT_EQ(0, how == EXITS ? parley_gate_open(&gate) :
			  kill(pid, SIGKILL));
		EXPECT_EQ(how == EXITS ? 0 : 128 + SIGKILL, parley_reap(pid));
		EXPECT_EQ(0, parley_pending(self->l));
		EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	}
}

/* A caller that was forked is one caller. */
TEST_F(connect, fork_shares_call)
{
	struct parley_gate gate;
	int pid, fd;

	ASSERT_EQ(0, parley_gate_init(&gate));
	fd = parley_call(variant->dest, PORT);
	ASSERT_GE(fd, 0);
	pid = parley_fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(parley_gate_wait(&gate) ? 1 : 0);
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(1, parley_pending(self->l));
	EXPECT_EQ(0, parley_gate_open(&gate));
	EXPECT_EQ(0, parley_reap(pid));
	EXPECT_EQ(0, parley_pending(self->l));
}

TEST_F(connect, timeout_blocking)
{
	unsigned long long start;
	struct parley_stat st;
	int fd, i, new;

	fd = parley_socket(0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, parley_call_timeout(fd, 150));
	for (i = 0; i < 3; i++) {
		start = parley_now_ns();
		EXPECT_EQ(-ETIMEDOUT, test_connect(fd, variant->dest, PORT));
		EXPECT_GE(parley_now_ns() - start, 150 * MS);
		EXPECT_EQ(PARLEY_REASON_TIMED_OUT, parley_reason(fd));
		EXPECT_EQ(0, parley_so_error(fd));
		EXPECT_EQ(0, parley_pending(self->l));
		EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
		EXPECT_TRUE(parley_name_is(fd, variant->any, 0));
	}
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(3, st.withdrawn);
	ASSERT_EQ(0, parley_call_timeout(fd, 0));
	ASSERT_EQ(0, parley_nonblock(fd, true));
	EXPECT_EQ(-EINPROGRESS, test_connect(fd, variant->dest, PORT));
	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	EXPECT_TRUE(parley_talks(fd, new));
}

TEST_F(connect, timeout_nonblocking)
{
	unsigned long long start;
	int fd, i, new, forever;

	/* It comes first and is still there when the others are over. */
	forever = parley_socket(SOCK_NONBLOCK);
	ASSERT_EQ(0, parley_call_timeout(forever, 0));
	ASSERT_EQ(-EINPROGRESS, test_connect(forever, variant->dest, PORT));
	ASSERT_EQ(0, parley_sysctl_write("parley/connect_timeout_ms", 150));
	fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_GE(fd, 0);
	for (i = 0; i < 3; i++) {
		start = parley_now_ns();
		EXPECT_EQ(-EINPROGRESS,
			  test_connect(fd, variant->dest, PORT));
		EXPECT_EQ(POLLERR | POLLHUP, parley_wait(fd, 0));
		EXPECT_GE(parley_now_ns() - start, 150 * MS);
		EXPECT_EQ(1, parley_pending(self->l));
		EXPECT_EQ(ETIMEDOUT, parley_so_error(fd));
		EXPECT_EQ(0, parley_so_error(fd));
		EXPECT_EQ(POLLHUP, parley_revents(fd, 0));
		EXPECT_EQ(PARLEY_REASON_TIMED_OUT, parley_reason(fd));
	}
	ASSERT_EQ(0, parley_call_timeout(fd, 0));
	EXPECT_EQ(-EINPROGRESS, test_connect(fd, variant->dest, PORT));
	EXPECT_EQ(2, parley_pending(self->l));
	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	EXPECT_TRUE(parley_talks(forever, new));
	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	EXPECT_TRUE(parley_talks(fd, new));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
}

/* A time-out that has not come before the verdict does not come any more. */
TEST_F(connect, timeout_cancelled)
{
	int fd[2], new;

	fd[0] = parley_socket(SOCK_NONBLOCK);
	fd[1] = parley_socket(SOCK_NONBLOCK);
	ASSERT_EQ(0, parley_call_timeout(fd[0], 1000));
	ASSERT_EQ(0, parley_call_timeout(fd[1], 1000));
	ASSERT_EQ(-EINPROGRESS, test_connect(fd[0], variant->dest, PORT));
	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	ASSERT_EQ(-EINPROGRESS, test_connect(fd[1], variant->dest, PORT));
	EXPECT_EQ(POLLERR | POLLHUP, parley_wait(fd[1], 0));
	EXPECT_EQ(0, parley_so_error(fd[0]));
	EXPECT_TRUE(parley_talks(fd[0], new));
}

/* How a non-blocking caller gets to know that its call has failed. */
enum consumer { SO_ERROR_TELLS, CONNECT_TELLS, SEND_TELLS, RECV_TELLS };

TEST_F(connect, refused_and_again)
{
	enum consumer how;
	int fd, new, err;
	char c = 0;

	fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_GE(fd, 0);
	for (how = SO_ERROR_TELLS; how <= RECV_TELLS; how++) {
		EXPECT_EQ(-EINPROGRESS,
			  test_connect(fd, variant->dest, PORT));
		EXPECT_EQ(0, parley_revents(fd, POLLOUT));
		ASSERT_EQ(0, close(self->l));
		EXPECT_EQ(POLLERR | POLLHUP, parley_wait(fd, 0));
		EXPECT_EQ(PARLEY_REASON_LISTENER_CLOSED, parley_reason(fd));
		EXPECT_TRUE(parley_name_is(fd, variant->any, 0));
		self->l = parley_listener(variant->host, PORT, 10);
		ASSERT_GE(self->l, 0);
		switch (how) {
		case SO_ERROR_TELLS:
			err = -parley_so_error(fd);
			break;
		case CONNECT_TELLS:
			err = test_connect(fd, variant->dest, PORT);
			break;
		case SEND_TELLS:
			err = send(fd, &c, 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
			break;
		default:
			err = recv(fd, &c, 1, 0) < 0 ? -errno : 0;
		}
		EXPECT_EQ(-ECONNREFUSED, err)
			TH_LOG("consumer %d", how);
		EXPECT_EQ(0, parley_so_error(fd));
		EXPECT_EQ(0, parley_revents(fd, 0) & POLLERR);
		EXPECT_EQ(PARLEY_REASON_LISTENER_CLOSED, parley_reason(fd));
	}
	EXPECT_EQ(-EINPROGRESS, test_connect(fd, variant->dest, PORT));
	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	EXPECT_TRUE(parley_talks(fd, new));
}

/* What was bound stays bound, whatever becomes of the calls. */
TEST_F(connect, bound_caller_stays_bound)
{
	int fd, other, i, new;

	fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, parley_bind(fd, variant->dest, PORT + 1));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(-EINPROGRESS,
			  test_connect(fd, variant->dest, PORT));
		EXPECT_TRUE(parley_name_is(fd, variant->dest, PORT + 1));
		if (i == 0)
			EXPECT_EQ(0, parley_unspec(fd));
		if (i == 1) {
			EXPECT_EQ(0, close(self->l));
			EXPECT_EQ(ECONNREFUSED, parley_so_error(fd));
			self->l = parley_listener(variant->host, PORT, 10);
			ASSERT_GE(self->l, 0);
		}
		EXPECT_TRUE(parley_name_is(fd, variant->dest, PORT + 1));
		other = parley_socket(0);
		EXPECT_EQ(-EADDRINUSE,
			  parley_bind(other, variant->dest, PORT + 1));
		EXPECT_EQ(0, close(other));
	}
	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	EXPECT_TRUE(parley_peer_is(new, variant->host[1] != ':' ?
				   "127.0.0.1" : variant->dest[0] == '1' ?
				   "::ffff:127.0.0.1" : variant->dest,
				   PORT + 1));
}

/* A signal ends the wait and not the call. */
TEST_F(connect, interrupted)
{
	struct parley_thread t;
	int fd, new;

	ASSERT_EQ(0, parley_catch(SIGUSR1, 0));
	fd = parley_socket(0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, parley_thread_connect(&t, fd, variant->dest, PORT));
	ASSERT_EQ(0, parley_thread_blocked(&t));
	ASSERT_EQ(0, parley_thread_kill(&t, SIGUSR1));
	EXPECT_EQ(-EINTR, parley_thread_join(&t));
	EXPECT_EQ(1, parley_pending(self->l));
	EXPECT_EQ(0, parley_so_error(fd));
	ASSERT_EQ(0, parley_nonblock(fd, true));
	EXPECT_EQ(-EALREADY, test_connect(fd, variant->dest, PORT));
	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	EXPECT_EQ(POLLOUT, parley_wait(fd, POLLOUT));
	EXPECT_EQ(0, parley_so_error(fd));
	EXPECT_TRUE(parley_talks(fd, new));
}

TEST_F(connect, restarted)
{
	struct parley_thread t;
	struct parley_stat st;
	int fd, i, new;

	ASSERT_EQ(0, parley_catch(SIGUSR1, SA_RESTART));
	fd = parley_socket(0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, parley_thread_connect(&t, fd, variant->dest, PORT));
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, parley_thread_blocked(&t));
		ASSERT_EQ(0, parley_thread_kill(&t, SIGUSR1));
		ASSERT_TRUE(parley_until(parley_caught() == i));
	}
	ASSERT_EQ(0, parley_thread_blocked(&t));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(1, st.called);
	EXPECT_EQ(1, st.pending);
	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	EXPECT_EQ(0, parley_thread_join(&t));
	EXPECT_TRUE(parley_talks(fd, new));
}

/* SO_SNDTIMEO bounds the wait and not the call. */
TEST_F(connect, sndtimeo)
{
	unsigned long long start;
	int fd, new;

	fd = parley_socket(0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, parley_timeo(fd, SO_SNDTIMEO, 100));
	start = race_ticks_ns();
	EXPECT_EQ(-EINPROGRESS, test_connect(fd, variant->dest, PORT));
	/* Rounded to the kernel's ticks, as everywhere with SO_SNDTIMEO. */
	EXPECT_GE(race_ticks_ns() - start, 90 * MS);
	EXPECT_EQ(1, parley_pending(self->l));
	EXPECT_EQ(0, parley_so_error(fd));
	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	EXPECT_EQ(POLLOUT, parley_wait(fd, POLLOUT));
	EXPECT_EQ(0, parley_so_error(fd));
	EXPECT_TRUE(parley_talks(fd, new));
}

TEST_HARNESS_MAIN
