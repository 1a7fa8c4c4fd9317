// SPDX-License-Identifier: GPL-2.0
/*
 * Connections made through io_uring: accept, connect, their multishot and
 * linked forms, and that what is cancelled leaves nothing behind.
 */
#include "kselftest_harness.h"

#include "lib.h"
#include "lib_uring.h"

#define PORT	7670
#define CALLS	20

enum { ACCEPT = 1, CONNECT, TIMER, CLOSE, SOCKET };

FIXTURE(uring) {
	struct uring u;
	struct parley_addr addr;
	int l;
	struct parley_thread thread;
};

FIXTURE_SETUP(uring)
{
	int err = uring_init(&self->u, 64, 0);

	if (err == -EPERM)
		SKIP(return, "no io_uring here");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_addr(&self->addr, "127.0.0.1", PORT));
	self->l = parley_listener("127.0.0.1", PORT, 100);
	ASSERT_LE(0, self->l);
}

FIXTURE_TEARDOWN(uring)
{
	uring_exit(&self->u);
	EXPECT_EQ(0, parley_expect_clean());
}

static int go_accept(struct uring *u, int l)
{
	struct io_uring_sqe *sqe = uring_sqe(u);

	io_uring_prep_accept(sqe, l, NULL, NULL, 0);
	return uring_go(u, sqe, ACCEPT);
}

static int go_connect(struct uring *u, int fd, const struct parley_addr *a)
{
	struct io_uring_sqe *sqe = uring_sqe(u);

	io_uring_prep_connect(sqe, fd, &a->sa, a->len);
	return uring_go(u, sqe, CONNECT);
}

TEST_F(uring, accept)
{
	struct io_uring_sqe *sqe = uring_sqe(&self->u);
	struct parley_addr from = { .len = sizeof(from.ss) }, name;
	int fd, got;

	io_uring_prep_accept(sqe, self->l, &from.sa, &from.len, SOCK_CLOEXEC);
	ASSERT_EQ(0, uring_go(&self->u, sqe, ACCEPT));
	EXPECT_TRUE(uring_quiet(&self->u));
	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);
	got = uring_wait(&self->u, ACCEPT);
	ASSERT_LE(0, got);
	EXPECT_EQ(FD_CLOEXEC, fcntl(got, F_GETFD));
	ASSERT_EQ(0, parley_name(fd, &name));
	EXPECT_TRUE(parley_addr_eq(&name, &from));
	EXPECT_TRUE(parley_talks(fd, got));

	/* With a call that waits already there is nothing to wait for. */
	fd = parley_call("127.0.0.1", PORT);
	ASSERT_EQ(0, go_accept(&self->u, self->l));
	got = uring_wait(&self->u, ACCEPT);
	ASSERT_LE(0, got);
	EXPECT_TRUE(parley_talks(fd, got));
}

TEST_F(uring, accept_multishot)
{
	struct io_uring_sqe *sqe = uring_sqe(&self->u);
	int fd[CALLS], i, got;

	io_uring_prep_multishot_accept(sqe, self->l, NULL, NULL, 0);
	ASSERT_EQ(0, uring_go(&self->u, sqe, ACCEPT));
	for (i = 0; i < CALLS; i++) {
		fd[i] = parley_call("127.0.0.1", PORT);
		ASSERT_LE(0, fd[i]);
		/* One at a time, or many that wait together. */
		if (i < CALLS / 2) {
			got = uring_wait(&self->u, ACCEPT);
			ASSERT_LE(0, got);
			EXPECT_TRUE(self->u.flags & IORING_CQE_F_MORE);
			EXPECT_TRUE(parley_talks(fd[i], got));
		}
	}
	for (i = CALLS / 2; i < CALLS; i++) {
		got = uring_wait(&self->u, ACCEPT);
		ASSERT_LE(0, got);
		EXPECT_TRUE(self->u.flags & IORING_CQE_F_MORE);
		EXPECT_TRUE(parley_talks(fd[i], got));
	}
	EXPECT_LE(0, uring_cancel(&self->u, ACCEPT));
	EXPECT_EQ(-ECANCELED, uring_wait(&self->u, ACCEPT));
	EXPECT_FALSE(self->u.flags & IORING_CQE_F_MORE);
	/* Nobody takes the next call. */
	fd[0] = parley_call("127.0.0.1", PORT);
	EXPECT_TRUE(uring_quiet(&self->u));
	EXPECT_EQ(1, parley_pending(self->l));
	EXPECT_LE(0, test_accept(self->l, 0));
}

/* The listener ends while an accept waits. */
TEST_F(uring, accept_and_shutdown)
{
	struct io_uring_sqe *sqe;

	ASSERT_EQ(0, go_accept(&self->u, self->l));
	EXPECT_TRUE(uring_quiet(&self->u));
	sqe = uring_sqe(&self->u);
	io_uring_prep_shutdown(sqe, self->l, SHUT_RD);
	ASSERT_EQ(0, uring_go(&self->u, sqe, CLOSE));
	EXPECT_EQ(0, uring_wait(&self->u, CLOSE));
	EXPECT_EQ(-EINVAL, uring_wait(&self->u, ACCEPT));
}

TEST_F(uring, connect)
{
	int fd = parley_socket(0), got;

	ASSERT_EQ(0, go_connect(&self->u, fd, &self->addr));
	EXPECT_TRUE(uring_quiet(&self->u));
	EXPECT_EQ(1, parley_pending(self->l));
	got = test_accept(self->l, 0);
	ASSERT_LE(0, got);
	EXPECT_EQ(0, uring_wait(&self->u, CONNECT));
	EXPECT_TRUE(parley_talks(fd, got));
	ASSERT_EQ(0, go_connect(&self->u, fd, &self->addr));
	EXPECT_EQ(-EISCONN, uring_wait(&self->u, CONNECT));
}

/* Both ends in one ring */
TEST_F(uring, connect_and_accept)
{
	int fd = parley_socket(SOCK_NONBLOCK), got;

	ASSERT_EQ(0, go_accept(&self->u, self->l));
	ASSERT_EQ(0, go_connect(&self->u, fd, &self->addr));
	got = uring_wait(&self->u, ACCEPT);
	ASSERT_LE(0, got);
	/* A socket that does not wait may be told so. */
	EXPECT_EQ(0, uring_wait(&self->u, CONNECT));
	EXPECT_TRUE(parley_talks(fd, got));
}

TEST_F(uring, connect_refused)
{
	struct parley_addr nobody;
	int fd = parley_socket(0);

	ASSERT_EQ(0, parley_addr(&nobody, "127.0.0.1", PORT + 1));
	ASSERT_EQ(0, go_connect(&self->u, fd, &nobody));
	EXPECT_EQ(-ECONNREFUSED, uring_wait(&self->u, CONNECT));
	EXPECT_EQ(PARLEY_REASON_NO_LISTENER, parley_reason(fd));
	EXPECT_EQ(0, parley_so_error(fd));

	/* Waited for, and refused then. */
	ASSERT_EQ(0, go_connect(&self->u, fd, &self->addr));
	EXPECT_TRUE(uring_quiet(&self->u));
	ASSERT_EQ(0, close(self->l));
	EXPECT_EQ(-ECONNREFUSED, uring_wait(&self->u, CONNECT));
	EXPECT_EQ(PARLEY_REASON_LISTENER_CLOSED, parley_reason(fd));
}

TEST_F(uring, connect_times_out)
{
	int fd = parley_socket(0);

	ASSERT_EQ(0, parley_call_timeout(fd, 20));
	ASSERT_EQ(0, go_connect(&self->u, fd, &self->addr));
	EXPECT_EQ(-ETIMEDOUT, uring_wait(&self->u, CONNECT));
	EXPECT_EQ(PARLEY_REASON_TIMED_OUT, parley_reason(fd));
	EXPECT_EQ(0, parley_pending(self->l));
}

/* A linked timer ends the wait, as SO_SNDTIMEO does: the call goes on. */
TEST_F(uring, connect_with_linked_timer)
{
	struct __kernel_timespec ts = { .tv_nsec = 20000000 };
	struct io_uring_sqe *sqe;
	int fd = parley_socket(0), got;

	sqe = uring_sqe(&self->u);
	io_uring_prep_connect(sqe, fd, &self->addr.sa, self->addr.len);
	io_uring_sqe_set_data64(sqe, CONNECT);
	sqe->flags |= IOSQE_IO_LINK;
	sqe = uring_sqe(&self->u);
	io_uring_prep_link_timeout(sqe, &ts, 0);
	ASSERT_EQ(0, uring_go(&self->u, sqe, TIMER));
	EXPECT_EQ(-ETIME, uring_wait(&self->u, TIMER));
	EXPECT_EQ(-ECANCELED, uring_wait(&self->u, CONNECT));
	EXPECT_EQ(1, parley_pending(self->l));
	got = test_accept(self->l, 0);
	ASSERT_LE(0, got);
	EXPECT_TRUE(parley_talks(fd, got));
}

TEST_F(uring, connect_cancelled)
{
	int fd = parley_socket(0);

	ASSERT_EQ(0, go_connect(&self->u, fd, &self->addr));
	EXPECT_EQ(1, parley_pending(self->l));
	EXPECT_LE(0, uring_cancel(&self->u, CONNECT));
	EXPECT_EQ(-ECANCELED, uring_wait(&self->u, CONNECT));
	/* Nothing holds the socket any more: closing it takes the call back. */
	ASSERT_EQ(0, close(fd));
	EXPECT_TRUE(parley_until(!parley_pending(self->l)));
}

TEST_F(uring, accept_cancelled)
{
	int fd, got;

	ASSERT_EQ(0, go_accept(&self->u, self->l));
	EXPECT_LE(0, uring_cancel(&self->u, ACCEPT));
	EXPECT_EQ(-ECANCELED, uring_wait(&self->u, ACCEPT));
	fd = parley_call("127.0.0.1", PORT);
	EXPECT_EQ(1, parley_pending(self->l));
	got = test_accept(self->l, 0);
	ASSERT_LE(0, got);
	EXPECT_TRUE(parley_talks(fd, got));
}

static long do_call(void *arg)
{
	int *fd = arg;

	*fd = parley_call("127.0.0.1", PORT);
	return *fd < 0 ? *fd : 0;
}

/* A call and a cancellation at the same time: no call is lost between them. */
TEST_F(uring, accept_cancelled_in_a_race)
{
	int i, fd, got, taken = 0;

	for (i = 0; i < 200; i++) {
		ASSERT_EQ(0, go_accept(&self->u, self->l));
		ASSERT_EQ(0, parley_thread_start(&self->thread, 0, do_call,
						 &fd));
		uring_cancel(&self->u, ACCEPT);
		got = uring_wait(&self->u, ACCEPT);
		ASSERT_EQ(0, parley_thread_join(&self->thread));
		if (got < 0) {
			ASSERT_EQ(-ECANCELED, got);
			got = test_accept(self->l, 0);
		} else {
			taken++;
		}
		ASSERT_LE(0, got);
		ASSERT_TRUE(parley_talks(fd, got));
		close(fd);
		close(got);
	}
	TH_LOG("%d of %d were accepted by the ring", taken, i);
}

/* Into the ring's own table, where a descriptor is a place. */
TEST_F(uring, accept_direct)
{
	struct io_uring_sqe *sqe;
	int none[4] = { -1, -1, -1, -1 };
	char byte = 0;
	int fd;

	ASSERT_EQ(0, io_uring_register_files(&self->u.ring, none, 4));
	sqe = uring_sqe(&self->u);
	io_uring_prep_accept_direct(sqe, self->l, NULL, NULL, 0, 2);
	ASSERT_EQ(0, uring_go(&self->u, sqe, ACCEPT));
	fd = parley_call("127.0.0.1", PORT);
	ASSERT_EQ(0, uring_wait(&self->u, ACCEPT));
	ASSERT_EQ(1, send(fd, "x", 1, 0));
	sqe = uring_sqe(&self->u);
	io_uring_prep_recv(sqe, 2, &byte, 1, 0);
	sqe->flags |= IOSQE_FIXED_FILE;
	ASSERT_EQ(0, uring_go(&self->u, sqe, SOCKET));
	EXPECT_EQ(1, uring_wait(&self->u, SOCKET));
	EXPECT_EQ('x', byte);
	sqe = uring_sqe(&self->u);
	io_uring_prep_close_direct(sqe, 2);
	ASSERT_EQ(0, uring_go(&self->u, sqe, CLOSE));
	EXPECT_EQ(0, uring_wait(&self->u, CLOSE));
	/* The last reference may go a while later. */
	EXPECT_EQ(POLLIN, parley_wait(fd, POLLIN) & POLLIN);
	EXPECT_EQ(0, recv(fd, &byte, 1, 0));
}

/* socket(), connect() and close() as requests, one after the other */
TEST_F(uring, socket_and_close)
{
	struct io_uring_sqe *sqe = uring_sqe(&self->u);
	int fd;

	io_uring_prep_socket(sqe, AF_PARLEY, SOCK_STREAM, 0, 0);
	ASSERT_EQ(0, uring_go(&self->u, sqe, SOCKET));
	fd = uring_wait(&self->u, SOCKET);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, go_connect(&self->u, fd, &self->addr));
	ASSERT_EQ(1, parley_pending(self->l));
	/* Whoever waits through the ring holds the file. */
	sqe = uring_sqe(&self->u);
	io_uring_prep_close(sqe, fd);
	ASSERT_EQ(0, uring_go(&self->u, sqe, CLOSE));
	EXPECT_EQ(0, uring_wait(&self->u, CLOSE));
	EXPECT_EQ(1, parley_pending(self->l));
	EXPECT_LE(0, uring_cancel(&self->u, CONNECT));
	EXPECT_EQ(-ECANCELED, uring_wait(&self->u, CONNECT));
	EXPECT_TRUE(parley_until(!parley_pending(self->l)));
}

/* A process that dies with all of it under way */
TEST_F(uring, death)
{
	pid_t child = parley_fork();
	struct uring u;
	int fd;

	ASSERT_LE(0, child);
	if (!child) {
		if (uring_init(&u, 64, 0))
			_exit(1);
		fd = parley_socket(0);
		if (go_connect(&u, fd, &self->addr))
			_exit(2);
		if (parley_pending(self->l) != 1)
			_exit(3);
		fd = parley_listener("127.0.0.1", PORT + 1, 4);
		if (go_accept(&u, fd))
			_exit(4);
		raise(SIGKILL);
	}
	EXPECT_EQ(128 + SIGKILL, parley_reap(child));
	EXPECT_TRUE(parley_until(!parley_pending(self->l)));
	/* And nobody listens there any more. */
	EXPECT_TRUE(parley_until(parley_bound("127.0.0.1", PORT + 1) >= 0));
}

TEST_HARNESS_MAIN
