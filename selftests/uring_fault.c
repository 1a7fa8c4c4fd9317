// SPDX-License-Identifier: GPL-2.0
/*
 * No memory, and no copy from or to user space, in what io_uring does for its
 * user: as with the system calls, no call and no byte is lost.
 */
#include "kselftest_harness.h"

#include <sched.h>

#include "lib_fault.h"
#include "lib_uring.h"

#define PORT	9950
#define LEN	9000	/* two pages and some */

enum { TAG = 1 };

static char out[LEN], in[LEN];

FIXTURE(uring_fault) {
	struct uring u;
	struct fault f;
	int fd[2];
	int l;
};

FIXTURE_SETUP(uring_fault)
{
	ASSERT_EQ(0, uring_init(&self->u, 8, 0));
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->l);
	fault_bytes(out, LEN, 5);
}

FIXTURE_TEARDOWN(uring_fault)
{
	uring_exit(&self->u);
	EXPECT_EQ(0, parley_expect_clean());
}

/* What became of a request that is prepared; it may have to be given twice. */
static long request(struct uring *u, struct fault *f, struct io_uring_sqe *sqe)
{
	int n;

	io_uring_sqe_set_data64(sqe, TAG);
	fault_arm(f);
	n = io_uring_submit(&u->ring);
	fault_disarm(f);
	if (n != 1 && io_uring_submit(&u->ring) != 1)
		return -EBADMSG;
	return uring_wait(u, TAG);
}

TEST_F(uring_fault, accept)
{
	struct io_uring_sqe *sqe;
	int call = -1;
	long fd;

	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		if (call < 0)
			call = parley_call("127.0.0.1", PORT);
		ASSERT_LE(0, call);
		sqe = uring_sqe(&self->u);
		io_uring_prep_accept(sqe, self->l, NULL, NULL, 0);
		fd = request(&self->u, &self->f, sqe);
		ASSERT_TRUE(fault_says(&self->f, fd, -ENFILE));
		if (fd < 0) {
			ASSERT_EQ(1, parley_pending(self->l));
			continue;
		}
		ASSERT_TRUE(parley_talks(call, fd));
		ASSERT_EQ(0, close(fd));
		ASSERT_EQ(0, close(call));
		call = -1;
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS));
}

TEST_F(uring_fault, send)
{
	struct io_uring_sqe *sqe;
	long n;

	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_STREAM, 0, self->fd));
		sqe = uring_sqe(&self->u);
		io_uring_prep_send(sqe, self->fd[0], out, LEN, 0);
		n = request(&self->u, &self->f, sqe);
		ASSERT_TRUE(fault_says(&self->f, n, 0));
		n = n < 0 ? 0 : n;
		ASSERT_EQ(n ? n : -1, recv(self->fd[1], in, LEN, MSG_DONTWAIT));
		ASSERT_TRUE(fault_bytes_are(in, n, 5));
		ASSERT_EQ(0, close(self->fd[0]));
		ASSERT_EQ(0, close(self->fd[1]));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_PAGES | FAULT_COPIES));
}

TEST_F(uring_fault, receive)
{
	struct io_uring_sqe *sqe;
	long n;

	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_STREAM, 0, self->fd));
		ASSERT_EQ(LEN, send(self->fd[0], out, LEN, 0));
		sqe = uring_sqe(&self->u);
		io_uring_prep_recv(sqe, self->fd[1], in, LEN, 0);
		n = request(&self->u, &self->f, sqe);
		ASSERT_TRUE(fault_says(&self->f, n, 0));
		n = n < 0 ? 0 : n;
		ASSERT_TRUE(fault_bytes_are(in, n, 5));
		ASSERT_EQ(n < LEN ? LEN - n : -1,
			  recv(self->fd[1], in, LEN, MSG_DONTWAIT));
		ASSERT_TRUE(fault_bytes_are(in, LEN - n, 5 + n));
		ASSERT_EQ(0, close(self->fd[0]));
		ASSERT_EQ(0, close(self->fd[1]));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_COPIES));
}

FAULT_HARNESS_MAIN;
