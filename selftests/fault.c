// SPDX-License-Identifier: GPL-2.0
/*
 * No memory, and no copy from or to user space, while sockets come, get names,
 * listen and go: each time the errno that is documented, and nothing is changed
 * by a call that fails.
 */
#include "kselftest_harness.h"

#include <sched.h>

#include "lib_fault.h"

#define PORT	9100
#define MANY	600	/* descriptors */
#define WINDOW	256	/* port numbers of a set that take no memory */

FIXTURE(fault) {
	struct fault f;
	int fd[MANY];
};

FIXTURE_SETUP(fault)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_nofile(MANY + 100));
}

FIXTURE_TEARDOWN(fault)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* What makes a file says ENFILE to what is none. */
TEST_F(fault, socket)
{
	static const int type[] = { SOCK_STREAM, SOCK_SEQPACKET };
	long fd;
	int i;

	for (i = 0; i < 2; i++) {
		fault_start(&self->f, FAULT_ALL, FAULT_ANY);
		while (fault_next(&self->f)) {
			fd = FAULT(&self->f, socket(AF_PARLEY, type[i], 0));
			ASSERT_TRUE(fault_says(&self->f, fd, -ENFILE));
			if (fd >= 0)
				ASSERT_EQ(0, close(fd));
			ASSERT_EQ(0, parley_proto_sockets());
		}
		EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS));
	}
}

TEST_F(fault, socket_own)
{
	long fd;

	fault_start(&self->f, FAULT_ALL, FAULT_OWN);
	while (fault_next(&self->f)) {
		fd = FAULT(&self->f, socket(AF_PARLEY, SOCK_STREAM, 0));
		ASSERT_TRUE(fault_says(&self->f, fd, 0));
		if (fd >= 0)
			ASSERT_EQ(0, close(fd));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS));
}

TEST_F(fault, socketpair)
{
	int fd[2];
	long ret;

	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ret = FAULT(&self->f, socketpair(AF_PARLEY, SOCK_STREAM, 0, fd));
		ASSERT_TRUE(fault_says(&self->f, ret, -ENFILE));
		if (ret < 0) {
			ASSERT_EQ(0, parley_proto_sockets());
			continue;
		}
		ASSERT_TRUE(parley_talks(fd[0], fd[1]));
		ASSERT_EQ(0, close(fd[0]));
		ASSERT_EQ(0, close(fd[1]));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS));
}

/* A socket that could not be bound is as it was, and can be. */
static bool binds_with_faults(struct fault *f, const char *host, int port)
{
	struct parley_addr a;
	int fd, other;
	bool good;
	long ret;

	if (parley_addr(&a, host, port))
		return false;
	fault_start(f, FAULT_ALL, FAULT_ANY);
	while (fault_next(f)) {
		fd = parley_socket(0);
		ret = FAULT(f, bind(fd, &a.sa, a.len));
		if (!fault_says(f, ret, 0))
			return false;
		if (ret < 0 && (parley_port(fd) || bind(fd, &a.sa, a.len)))
			return false;
		/* And nobody else has it. */
		good = port ? parley_name_is(fd, host, port) :
			      parley_port(fd) > 0;
		other = parley_bound(host, parley_port(fd));
		close(fd);
		if (!good || other != -EADDRINUSE)
			return false;
	}
	return fault_seen(f, FAULT_COPIES);
}

TEST_F(fault, bind)
{
	EXPECT_TRUE(binds_with_faults(&self->f, "127.0.0.1", PORT));
	EXPECT_TRUE(binds_with_faults(&self->f, "::1", PORT));
	EXPECT_TRUE(binds_with_faults(&self->f, "::", PORT));
}

TEST_F(fault, autobind)
{
	EXPECT_TRUE(binds_with_faults(&self->f, "127.0.0.1", 0));
	EXPECT_TRUE(binds_with_faults(&self->f, "::1", 0));
}

/* The set of numbers in use needs memory when there are many of one kind. */
TEST_F(fault, autobind_many)
{
	struct parley_addr a;
	long ret;
	int i;

	for (i = 0; i < WINDOW; i++) {
		self->fd[i] = parley_bound("127.0.0.1", 0);
		ASSERT_LE(0, self->fd[i]);
	}
	ASSERT_EQ(0, parley_addr(&a, "127.0.0.1", 0));
	self->fd[i] = parley_socket(0);
	fault_start(&self->f, FAULT_MEMORY, FAULT_OWN);
	while (fault_next(&self->f)) {
		ret = FAULT(&self->f, bind(self->fd[i], &a.sa, a.len));
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		if (ret < 0) {
			ASSERT_EQ(0, parley_port(self->fd[i]));
			continue;
		}
		ASSERT_LT(0, parley_port(self->fd[i]));
		self->fd[++i] = parley_socket(0);
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS));
}

TEST_F(fault, listen)
{
	int fd, call;
	long ret;

	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		fd = parley_bound("127.0.0.1", PORT);
		ASSERT_LE(0, fd);
		ret = FAULT(&self->f, listen(fd, 1));
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		if (ret < 0) {
			ASSERT_EQ(0, parley_sockopt(fd, SOL_SOCKET, SO_ACCEPTCONN));
			ASSERT_EQ(-ECONNREFUSED, parley_call("127.0.0.1", PORT));
			ASSERT_TRUE(parley_name_is(fd, "127.0.0.1", PORT));
			ASSERT_EQ(0, listen(fd, 1));
		}
		call = parley_call("127.0.0.1", PORT);
		ASSERT_LE(0, call);
		ASSERT_EQ(1, parley_pending(fd));
		ASSERT_EQ(0, close(call));
		ASSERT_EQ(0, close(fd));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS));
}

TEST_F(fault, listen_again)
{
	int fd = parley_listener("127.0.0.1", PORT, 1);

	ASSERT_LE(0, fd);
	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ASSERT_EQ(0, FAULT(&self->f, listen(fd, 1 + self->f.nth)));
		ASSERT_EQ(1 + self->f.nth, parley_limit(fd));
	}
	EXPECT_TRUE(fault_came(&self->f, 0));
}

TEST_F(fault, names)
{
	struct parley_addr a = { .len = 0 };
	int l = parley_listener("127.0.0.1", PORT, 1), i;
	long ret;

	ASSERT_LE(0, l);
	ASSERT_EQ(0, parley_pair(l, self->fd));
	for (i = 0; i < 2; i++) {
		fault_start(&self->f, FAULT_ALL, FAULT_ANY);
		while (fault_next(&self->f)) {
			a.len = sizeof(a.ss);
			ret = FAULT(&self->f, i ?
				    getpeername(self->fd[0], &a.sa, &a.len) :
				    getsockname(self->fd[1], &a.sa, &a.len));
			ASSERT_TRUE(fault_says(&self->f, ret, 0));
			ASSERT_TRUE(parley_peer_is(self->fd[0], "127.0.0.1", PORT));
		}
		EXPECT_TRUE(fault_seen(&self->f, FAULT_COPIES));
		EXPECT_TRUE(parley_addr_is(&a, "127.0.0.1", PORT));
	}
}

/* To end needs no memory, or has what it needs: it never fails. */
TEST_F(fault, ends)
{
	struct linger now = { .l_onoff = 1 }, later = { .l_onoff = 1, .l_linger = 9 };
	char bytes[5000], got[sizeof(bytes)];
	int how;

	fault_bytes(bytes, sizeof(bytes), 7);
	for (how = 0; how < 4; how++) {
		fault_start(&self->f, FAULT_ALL, FAULT_ANY);
		while (fault_next(&self->f)) {
			int *fd = self->fd;

			ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_STREAM, 0, fd));
			if (how == 2)
				ASSERT_EQ(0, setsockopt(fd[0], SOL_SOCKET, SO_LINGER,
							&later, sizeof(later)));
			if (how == 3)
				ASSERT_EQ(0, setsockopt(fd[0], SOL_SOCKET, SO_LINGER,
							&now, sizeof(now)));
			ASSERT_EQ(sizeof(bytes), send(fd[0], bytes, sizeof(bytes), 0));
			ASSERT_EQ(0, FAULT(&self->f, how ? close(fd[0]) :
					   shutdown(fd[0], SHUT_WR)));
			ASSERT_EQ(sizeof(got), recv(fd[1], got, sizeof(got),
						    MSG_WAITALL));
			ASSERT_EQ(0, memcmp(bytes, got, sizeof(got)));
			ASSERT_EQ(how == 3 ? -1 : 0, recv(fd[1], got, 1, 0));
			if (how == 3)
				ASSERT_EQ(ECONNRESET, errno);
			if (!how)
				ASSERT_EQ(0, close(fd[0]));
			ASSERT_EQ(0, close(fd[1]));
		}
		EXPECT_TRUE(fault_came(&self->f, 0));
	}
}

/* A listener that is closed refuses all that is left, come what may. */
TEST_F(fault, listener_closes)
{
	int l, call, i;

	for (i = 0; i < 2; i++) {
		fault_start(&self->f, FAULT_ALL, FAULT_ANY);
		while (fault_next(&self->f)) {
			l = parley_listener("127.0.0.1", PORT, 4);
			call = parley_call("127.0.0.1", PORT);
			ASSERT_LE(0, l);
			ASSERT_LE(0, call);
			ASSERT_EQ(0, FAULT(&self->f, i ? close(l) : shutdown(l, SHUT_RD)));
			ASSERT_EQ(ECONNREFUSED, parley_so_error(call));
			ASSERT_EQ(PARLEY_REASON_LISTENER_CLOSED, parley_reason(call));
			ASSERT_EQ(0, close(call));
			if (!i)
				ASSERT_EQ(0, close(l));
		}
		EXPECT_TRUE(fault_came(&self->f, 0));
	}
}

FAULT_HARNESS_MAIN;
