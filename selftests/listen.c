// SPDX-License-Identifier: GPL-2.0
/*
 * listen(): the length of the backlog and what caps it, what a full one
 * says, how a listener stops, the counters, and very many listeners.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PORT	5000
#define MANY	100

FIXTURE(listen) {
	int calls[MANY];
};

FIXTURE_VARIANT(listen) {
	const char *host;
	const char *dest;
};

FIXTURE_VARIANT_ADD(listen, v4) {
	.host = "127.0.0.1", .dest = "127.0.0.1",
};

FIXTURE_VARIANT_ADD(listen, v6) {
	.host = "::1", .dest = "::1",
};

FIXTURE_VARIANT_ADD(listen, dual) {
	.host = "::", .dest = "127.0.0.1",
};

FIXTURE_SETUP(listen)
{
	ASSERT_EQ(0, parley_ns_enter());
}

FIXTURE_TEARDOWN(listen)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Starts @n calls; the number of those that became pending. */
static int start_calls(int *calls, int n, const char *dest, int port)
{
	int i;

	for (i = 0; i < n; i++) {
		calls[i] = parley_call(dest, port);
		if (calls[i] < 0)
			break;
	}
	return i;
}

/* The reason of the refusal that another call meets, or -EINPROGRESS. */
static int refused_for(const char *dest, int port)
{
	int fd, err;

	fd = parley_socket(SOCK_NONBLOCK);
	if (fd < 0)
		return fd;
	err = test_connect(fd, dest, port);
	if (err == -ECONNREFUSED)
		err = parley_reason(fd);
	close(fd);
	return err;
}

/* The calls that have failed with ECONNREFUSED for @reason. */
static int count_refused(int *calls, int n, int reason)
{
	int i, count = 0;

	for (i = 0; i < n; i++)
		count += parley_wait(calls[i], 0) == (POLLERR | POLLHUP) &&
			 parley_so_error(calls[i]) == ECONNREFUSED &&
			 parley_reason(calls[i]) == reason;
	return count;
}

static int do_listen(int fd, int backlog)
{
	return listen(fd, backlog) ? -errno : 0;
}

TEST_F(listen, needs_an_address)
{
	int l, fd, call, pair[2];

	fd = parley_socket(0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-EINVAL, do_listen(fd, 5));
	EXPECT_EQ(0, parley_sockopt(fd, SOL_SOCKET, SO_ACCEPTCONN));
	ASSERT_EQ(0, parley_bind(fd, variant->host, PORT + 1));
	EXPECT_EQ(PARLEY_REASON_NO_LISTENER,
		  refused_for(variant->dest, PORT + 1));
	EXPECT_EQ(0, do_listen(fd, 5));
	EXPECT_EQ(1, parley_sockopt(fd, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_EQ(-EINPROGRESS, refused_for(variant->dest, PORT + 1));

	/* Neither a caller nor a connected socket can become a listener. */
	l = parley_listener(variant->host, PORT, 5);
	ASSERT_GE(l, 0);
	ASSERT_EQ(0, parley_pair(l, pair));
	call = parley_call(variant->dest, PORT);
	ASSERT_GE(call, 0);
	EXPECT_EQ(-EINVAL, do_listen(call, 5));
	EXPECT_EQ(-EINVAL, do_listen(pair[0], 5));
	EXPECT_EQ(-EINVAL, do_listen(pair[1], 5));
	EXPECT_EQ(0, parley_sockopt(pair[1], SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_EQ(1, parley_pending(l));
	EXPECT_TRUE(parley_talks(pair[0], pair[1]));
}

TEST_F(listen, exact_limit)
{
	static const int limits[] = { 1, 2, 5, 64 };
	struct parley_backlog b;
	struct parley_stat st;
	int l, i, n;

	for (i = 0; i < 4; i++) {
		n = limits[i];
		l = parley_listener(variant->host, PORT, n);
		ASSERT_GE(l, 0);
		EXPECT_EQ(n, start_calls(self->calls, n, variant->dest, PORT));
		ASSERT_EQ(0, parley_backlog(l, &b));
		EXPECT_EQ((unsigned int)n, b.limit);
		EXPECT_EQ((unsigned int)n, b.pending);
		EXPECT_EQ(0U, b.deferred);
		EXPECT_EQ(0U, b.approved);
		EXPECT_EQ(PARLEY_REASON_BACKLOG_FULL,
			  refused_for(variant->dest, PORT));
		ASSERT_EQ(0, parley_stat(&st));
		EXPECT_EQ(n, st.pending);
		EXPECT_GE(st.calls, n);
		/* A place becomes free by accept() and by a withdrawal. */
		ASSERT_EQ(0, close(self->calls[n / 2]));
		EXPECT_EQ(n - 1, parley_pending(l));
		self->calls[n / 2] = parley_call(variant->dest, PORT);
		EXPECT_GE(self->calls[n / 2], 0);
		EXPECT_EQ(PARLEY_REASON_BACKLOG_FULL,
			  refused_for(variant->dest, PORT));
		EXPECT_GE(test_accept(l, 0), 0);
		EXPECT_EQ(n - 1, parley_pending(l));
		EXPECT_GE(parley_call(variant->dest, PORT), 0);
		EXPECT_EQ(PARLEY_REASON_BACKLOG_FULL,
			  refused_for(variant->dest, PORT));
		EXPECT_EQ(n, parley_pending(l));
		ASSERT_EQ(0, close(l));
	}
}

/* A full backlog is told at once, also to who would wait. */
TEST_F(listen, full_does_not_block)
{
	int l, fd, other;

	l = parley_listener(variant->host, PORT, 1);
	other = parley_listener(variant->host, PORT + 1, 1);
	ASSERT_GE(l, 0);
	ASSERT_GE(other, 0);
	ASSERT_GE(parley_call(variant->dest, PORT), 0);
	fd = parley_socket(0);
	EXPECT_EQ(-ECONNREFUSED, test_connect(fd, variant->dest, PORT));
	EXPECT_EQ(PARLEY_REASON_BACKLOG_FULL, parley_reason(fd));
	/* The other listener's backlog is its own. */
	EXPECT_EQ(-EINPROGRESS, refused_for(variant->dest, PORT + 1));
	EXPECT_GE(test_accept(l, 0), 0);
	ASSERT_EQ(0, parley_nonblock(fd, true));
	EXPECT_EQ(-EINPROGRESS, test_connect(fd, variant->dest, PORT));
}

TEST_F(listen, caps)
{
	int l = parley_bound(variant->host, PORT);

	ASSERT_GE(l, 0);
	ASSERT_EQ(0, parley_sysctl_write("core/somaxconn", 50));
	ASSERT_EQ(0, parley_sysctl_write("parley/max_backlog", 20));
	EXPECT_EQ(0, do_listen(l, 0));
	EXPECT_EQ(1, parley_limit(l));
	EXPECT_EQ(0, do_listen(l, 19));
	EXPECT_EQ(19, parley_limit(l));
	EXPECT_EQ(0, do_listen(l, 21));
	EXPECT_EQ(20, parley_limit(l));
	EXPECT_EQ(20, start_calls(self->calls, 21, variant->dest, PORT));
	ASSERT_EQ(0, parley_sysctl_write("parley/max_backlog", 60));
	/* It counts when listen() is called. */
	EXPECT_EQ(20, parley_limit(l));
	EXPECT_EQ(0, do_listen(l, 1000));
	EXPECT_EQ(50, parley_limit(l));
	EXPECT_EQ(30, start_calls(self->calls + 20, 31, variant->dest, PORT));
	ASSERT_EQ(0, parley_sysctl_write("core/somaxconn", 70));
	EXPECT_EQ(0, do_listen(l, -1));
	EXPECT_EQ(60, parley_limit(l));
	ASSERT_EQ(0, parley_sysctl_write("core/somaxconn", 0));
	EXPECT_EQ(0, do_listen(l, 5));
	EXPECT_EQ(1, parley_limit(l));
	EXPECT_EQ(50, parley_pending(l));
}

TEST_F(listen, grow_and_shrink)
{
	int l, i;

	l = parley_listener(variant->host, PORT, 3);
	ASSERT_GE(l, 0);
	EXPECT_EQ(3, start_calls(self->calls, 4, variant->dest, PORT));
	EXPECT_EQ(0, do_listen(l, 5));
	EXPECT_EQ(2, start_calls(self->calls + 3, 3, variant->dest, PORT));
	EXPECT_EQ(0, do_listen(l, 2));
	EXPECT_EQ(2, parley_limit(l));
	EXPECT_EQ(5, parley_pending(l));
	/* There is room again only when the length is below the new limit. */
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(PARLEY_REASON_BACKLOG_FULL,
			  refused_for(variant->dest, PORT));
		EXPECT_GE(test_accept(l, 0), 0);
	}
	EXPECT_EQ(1, parley_pending(l));
	EXPECT_EQ(1, start_calls(self->calls, 2, variant->dest, PORT));
	EXPECT_EQ(2, parley_pending(l));
}

/* The sum over all listeners is limited too. */
TEST_F(listen, max_pending)
{
	struct parley_stat st;
	int l[2];

	l[0] = parley_listener(variant->host, PORT, 10);
	l[1] = parley_listener(variant->host, PORT + 1, 10);
	ASSERT_GE(l[0], 0);
	ASSERT_GE(l[1], 0);
	ASSERT_EQ(0, parley_sysctl_write("parley/max_pending", 3));
	EXPECT_EQ(2, start_calls(self->calls, 2, variant->dest, PORT));
	EXPECT_EQ(1, start_calls(self->calls + 2, 2, variant->dest, PORT + 1));
	EXPECT_EQ(PARLEY_REASON_LIMIT, refused_for(variant->dest, PORT));
	EXPECT_EQ(PARLEY_REASON_LIMIT, refused_for(variant->dest, PORT + 1));
	/* Nobody there is nobody there. */
	EXPECT_EQ(PARLEY_REASON_NO_LISTENER,
		  refused_for(variant->dest, PORT + 2));
	EXPECT_EQ(2, parley_pending(l[0]));
	EXPECT_EQ(1, parley_pending(l[1]));
	EXPECT_GE(test_accept(l[0], 0), 0);
	EXPECT_EQ(1, start_calls(self->calls + 10, 2, variant->dest, PORT + 1));
	ASSERT_EQ(0, close(self->calls[2]));
	EXPECT_EQ(1, start_calls(self->calls + 20, 2, variant->dest, PORT));
	ASSERT_EQ(0, close(l[0]));
	EXPECT_EQ(2, start_calls(self->calls + 30, 3, variant->dest, PORT + 1));
	ASSERT_EQ(0, parley_sysctl_write("parley/max_pending", 0));
	ASSERT_EQ(0, close(l[1]));
	l[0] = parley_listener(variant->host, PORT, 10);
	EXPECT_EQ(PARLEY_REASON_LIMIT, refused_for(variant->dest, PORT));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(0, st.pending);
}

TEST_F(listen, close_refuses_all)
{
	struct parley_stat st;
	int l;

	l = parley_listener(variant->host, PORT, MANY);
	ASSERT_GE(l, 0);
	ASSERT_EQ(MANY, start_calls(self->calls, MANY, variant->dest, PORT));
	ASSERT_EQ(0, close(l));
	EXPECT_EQ(MANY, count_refused(self->calls, MANY,
				      PARLEY_REASON_LISTENER_CLOSED));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(MANY, st.called);
	EXPECT_EQ(MANY, st.refused);
	EXPECT_EQ(0, st.pending);
	EXPECT_EQ(PARLEY_REASON_NO_LISTENER, refused_for(variant->dest, PORT));
	EXPECT_GE(parley_listener(variant->host, PORT, MANY), 0);
}

TEST_F(listen, close_refuses_blocked)
{
	struct parley_thread t[8];
	int l, i;

	l = parley_listener(variant->host, PORT, MANY);
	ASSERT_GE(l, 0);
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, parley_thread_connect(&t[i], parley_socket(0),
						   variant->dest, PORT));
	}
	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, parley_thread_blocked(&t[i]));
	EXPECT_EQ(8, parley_pending(l));
	ASSERT_EQ(0, close(l));
	for (i = 0; i < 8; i++)
		EXPECT_EQ(-ECONNREFUSED, parley_thread_join(&t[i]));
}

/* Only the last descriptor closes it; a process that dies closes its own. */
TEST_F(listen, death_refuses_all)
{
	struct parley_gate gate;
	int l, pid;

	ASSERT_EQ(0, parley_gate_init(&gate));
	l = parley_listener(variant->host, PORT, MANY);
	ASSERT_GE(l, 0);
	pid = parley_fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		parley_gate_wait(&gate);
		_exit(0);
	}
	ASSERT_EQ(0, close(l));
	ASSERT_EQ(MANY, start_calls(self->calls, MANY, variant->dest, PORT));
	EXPECT_EQ(0, parley_revents(self->calls[0], 0));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, parley_reap(pid));
	EXPECT_EQ(MANY, count_refused(self->calls, MANY,
				      PARLEY_REASON_LISTENER_CLOSED));
}

static const int stops[] = { SHUT_RD, SHUT_RDWR };

TEST_F(listen, shutdown)
{
	struct parley_thread t[4];
	struct parley_stat st;
	int l, i, k;

	l = parley_listener(variant->host, PORT, MANY);
	ASSERT_GE(l, 0);
	for (k = 0; k < 2; k++) {
		for (i = 0; i < 4; i++)
			ASSERT_EQ(0, parley_thread_accept(&t[i], l));
		for (i = 0; i < 4; i++)
			ASSERT_EQ(0, parley_thread_blocked(&t[i]));
		ASSERT_EQ(0, shutdown(l, stops[k]));
		for (i = 0; i < 4; i++)
			EXPECT_EQ(-EINVAL, parley_thread_join(&t[i]));
		EXPECT_EQ(0, do_listen(l, MANY));
		ASSERT_EQ(MANY, start_calls(self->calls, MANY, variant->dest,
					    PORT));
		ASSERT_EQ(0, shutdown(l, stops[k]));
		EXPECT_EQ(MANY, count_refused(self->calls, MANY,
					      PARLEY_REASON_LISTENER_CLOSED));
		for (i = 0; i < MANY; i++)
			ASSERT_EQ(0, close(self->calls[i]));
		EXPECT_EQ(0, parley_sockopt(l, SOL_SOCKET, SO_ACCEPTCONN));
		EXPECT_EQ(-EINVAL, test_accept(l, 0));
		EXPECT_EQ(PARLEY_REASON_NO_LISTENER,
			  refused_for(variant->dest, PORT));
		EXPECT_EQ(-EADDRINUSE, parley_bound(variant->host, PORT));
		EXPECT_TRUE(parley_name_is(l, variant->host, PORT));
		EXPECT_EQ(0, do_listen(l, MANY));
		EXPECT_EQ(1, parley_sockopt(l, SOL_SOCKET, SO_ACCEPTCONN));
		EXPECT_EQ(-EINPROGRESS, refused_for(variant->dest, PORT));
	}
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(2 * MANY + 4, st.called);
	EXPECT_EQ(2 * MANY + 2, st.refused);
	EXPECT_EQ(2, st.withdrawn);
}

TEST_F(listen, shutdown_write)
{
	int l, call;

	l = parley_listener(variant->host, PORT, 5);
	ASSERT_GE(l, 0);
	call = parley_call(variant->dest, PORT);
	ASSERT_GE(call, 0);
	EXPECT_EQ(-1, shutdown(l, SHUT_WR));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(1, parley_pending(l));
	EXPECT_GE(test_accept(l, 0), 0);
	EXPECT_EQ(POLLOUT, parley_wait(call, POLLOUT));
}

TEST_F(listen, counters)
{
	struct parley_stat st;
	int l, i, fd;

	l = parley_listener(variant->host, PORT, 10);
	ASSERT_GE(l, 0);
	ASSERT_EQ(10, start_calls(self->calls, 11, variant->dest, PORT));
	for (i = 0; i < 3; i++)
		ASSERT_GE(test_accept(l, 0), 0);
	for (i = 3; i < 7; i++)
		ASSERT_EQ(0, close(self->calls[i]));
	fd = parley_socket(0);
	EXPECT_EQ(-ECONNREFUSED, test_connect(fd, variant->dest, PORT + 1));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(12, st.called);	/* 10, one full, one nobody there */
	EXPECT_EQ(3, st.established);
	EXPECT_EQ(2, st.refused);
	EXPECT_EQ(4, st.withdrawn);
	EXPECT_EQ(3, st.pending);
	/* the listener, 10 - 4 callers, 3 accepted, the refused one */
	EXPECT_TRUE(parley_until(!parley_stat(&st) && st.sockets == 11));
	EXPECT_EQ(11, parley_proto_sockets());
	ASSERT_EQ(0, close(l));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(5, st.refused);
	EXPECT_EQ(0, st.pending);
}

/* Another network namespace has its own listeners, counters and ports. */
TEST_F(listen, namespaces)
{
	struct parley_stat st;
	int l, other;

	l = parley_listener(variant->host, PORT, 10);
	ASSERT_GE(l, 0);
	ASSERT_GE(parley_call(variant->dest, PORT), 0);
	ASSERT_EQ(0, parley_ns_enter());
	EXPECT_EQ(PARLEY_REASON_NO_LISTENER, refused_for(variant->dest, PORT));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(1, st.called);
	EXPECT_EQ(0, st.pending);
	other = parley_listener(variant->host, PORT, 10);
	ASSERT_GE(other, 0);
	ASSERT_GE(parley_call(variant->dest, PORT), 0);
	EXPECT_EQ(1, parley_pending(l));
	EXPECT_EQ(1, parley_pending(other));
	/* A socket stays in the namespace that it was made in. */
	EXPECT_GE(test_accept(l, 0), 0);
	EXPECT_EQ(1, parley_pending(other));
}

#define LISTENERS	10000

FIXTURE(scale) {
	int fd[LISTENERS];
};

FIXTURE_SETUP(scale)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_nofile(LISTENERS + 100));
}

FIXTURE_TEARDOWN(scale)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(scale, ten_thousand_listeners)
{
	static const int which[] = { 0, LISTENERS / 2, LISTENERS - 1 };
	struct parley_stat st;
	int i, call, new;

	for (i = 0; i < LISTENERS; i++) {
		self->fd[i] = parley_listener("127.0.0.1", 2000 + i, 1);
		ASSERT_GE(self->fd[i], 0);
	}
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(LISTENERS, st.sockets);
	for (i = 0; i < 3; i++) {
		call = parley_call("127.0.0.1", 2000 + which[i]);
		ASSERT_GE(call, 0);
		new = test_accept(self->fd[which[i]], 0);
		ASSERT_GE(new, 0);
		EXPECT_TRUE(parley_talks(call, new));
		EXPECT_EQ(-EADDRINUSE, parley_bound("0.0.0.0",
						    2000 + which[i]));
	}
	EXPECT_EQ(PARLEY_REASON_NO_LISTENER,
		  refused_for("127.0.0.1", 2000 + LISTENERS));
}

TEST_HARNESS_MAIN
