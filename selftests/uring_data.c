// SPDX-License-Identifier: GPL-2.0
/*
 * Data through io_uring: requests that wait for bytes or for room, for all or
 * for some, with buffers of the ring's choice, and what ends them.
 */
#include "kselftest_harness.h"

#include <sys/mman.h>

#include "lib.h"
#include "lib_uring.h"

#define PORT	7680
#define BIG	(1024 * 1024)
#define BUFFERS	8
#define ROOM	256
#define GROUP	1

enum { RECV = 1, SEND, POLL, SHUT, SPLICE_IN, SPLICE_OUT, MANY = 100 };

static unsigned char out[BIG], in[BIG];

FIXTURE(uring) {
	struct uring u;
	int l;
	int fd[2];
	struct parley_thread thread;
};

FIXTURE_SETUP(uring)
{
	int i, err = uring_init(&self->u, 128, 0);

	if (err == -EPERM)
		SKIP(return, "no io_uring here");
	ASSERT_EQ(0, err);
	for (i = 0; i < BIG; i++)
		out[i] = i * 5 + i / 4099;
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 100);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_pair(self->l, self->fd));
}

FIXTURE_TEARDOWN(uring)
{
	uring_exit(&self->u);
	EXPECT_EQ(0, parley_expect_clean());
}

static int go_recv(struct uring *u, int fd, size_t n, int flags)
{
	struct io_uring_sqe *sqe = uring_sqe(u);

	io_uring_prep_recv(sqe, fd, in, n, flags);
	return uring_go(u, sqe, RECV);
}

static int go_send(struct uring *u, int fd, size_t n, int flags)
{
	struct io_uring_sqe *sqe = uring_sqe(u);

	io_uring_prep_send(sqe, fd, out, n, flags | MSG_NOSIGNAL);
	return uring_go(u, sqe, SEND);
}

TEST_F(uring, recv)
{
	ASSERT_EQ(0, go_recv(&self->u, self->fd[1], 100, 0));
	EXPECT_TRUE(uring_quiet(&self->u));
	ASSERT_EQ(3, send(self->fd[0], out, 3, 0));
	EXPECT_EQ(3, uring_wait(&self->u, RECV));
	EXPECT_EQ(0, memcmp(in, out, 3));
	ASSERT_EQ(3, send(self->fd[0], out, 3, 0));
	ASSERT_EQ(0, go_recv(&self->u, self->fd[1], 100, 0));
	EXPECT_EQ(3, uring_wait(&self->u, RECV));
}

TEST_F(uring, waitall)
{
	int i;

	ASSERT_EQ(0, go_recv(&self->u, self->fd[1], 1000, MSG_WAITALL));
	for (i = 0; i < 1000; i += 100) {
		EXPECT_TRUE(uring_quiet(&self->u));
		ASSERT_EQ(100, send(self->fd[0], out + i, 100, 0));
	}
	EXPECT_EQ(1000, uring_wait(&self->u, RECV));
	EXPECT_EQ(0, memcmp(in, out, 1000));
	/* Cut short by the end: what there is. */
	ASSERT_EQ(0, go_recv(&self->u, self->fd[1], 1000, MSG_WAITALL));
	ASSERT_EQ(100, send(self->fd[0], out, 100, 0));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(100, uring_wait(&self->u, RECV));
	ASSERT_EQ(0, go_recv(&self->u, self->fd[1], 1000, MSG_WAITALL));
	EXPECT_EQ(0, uring_wait(&self->u, RECV));
}

/* More than there is room for: all of it, once somebody reads. */
TEST_F(uring, send_waitall)
{
	long n, got = 0;

	ASSERT_EQ(0, go_send(&self->u, self->fd[0], BIG, MSG_WAITALL));
	EXPECT_TRUE(uring_quiet(&self->u));
	while (got < BIG) {
		ASSERT_EQ(POLLIN, parley_wait(self->fd[1], POLLIN));
		/* Lets the ring go on with what it has to do. */
		io_uring_get_events(&self->u.ring);
		n = recv(self->fd[1], in + got, BIG - got, MSG_DONTWAIT);
		ASSERT_LT(0, n);
		got += n;
		io_uring_get_events(&self->u.ring);
	}
	EXPECT_EQ(BIG, uring_wait(&self->u, SEND));
	EXPECT_EQ(0, memcmp(in, out, BIG));
}

static long fill(int fd)
{
	long n, sum = 0;

	while ((n = send(fd, out, 4096, MSG_DONTWAIT)) > 0)
		sum += n;
	return sum;
}

TEST_F(uring, send_waits_for_room)
{
	long full = fill(self->fd[0]);

	ASSERT_EQ(0, go_send(&self->u, self->fd[0], 10, 0));
	EXPECT_TRUE(uring_quiet(&self->u));
	ASSERT_EQ(full, recv(self->fd[1], in, full, MSG_WAITALL));
	EXPECT_EQ(10, uring_wait(&self->u, SEND));
	EXPECT_EQ(10, recv(self->fd[1], in, BIG, MSG_DONTWAIT));
}

TEST_F(uring, messages)
{
	struct iovec to[2] = { { out, 10 }, { out + 10, 5000 } };
	struct iovec from[2] = { { in, 4000 }, { in + 4000, 4000 } };
	struct msghdr send = { .msg_iov = to, .msg_iovlen = 2 };
	struct msghdr recv = { .msg_iov = from, .msg_iovlen = 2 };
	struct io_uring_sqe *sqe;

	sqe = uring_sqe(&self->u);
	io_uring_prep_recvmsg(sqe, self->fd[1], &recv, 0);
	ASSERT_EQ(0, uring_go(&self->u, sqe, RECV));
	sqe = uring_sqe(&self->u);
	io_uring_prep_sendmsg(sqe, self->fd[0], &send, 0);
	ASSERT_EQ(0, uring_go(&self->u, sqe, SEND));
	EXPECT_EQ(5010, uring_wait(&self->u, SEND));
	EXPECT_EQ(5010, uring_wait(&self->u, RECV));
	EXPECT_EQ(0, memcmp(in, out, 5010));
	/* There is nothing that bytes could stay in until they are sent. */
	sqe = uring_sqe(&self->u);
	io_uring_prep_send_zc(sqe, self->fd[0], out, 10, 0, 0);
	ASSERT_EQ(0, uring_go(&self->u, sqe, SEND));
	EXPECT_EQ(-EOPNOTSUPP, uring_wait(&self->u, SEND));
}

/* What ends a read that waits, and a write. */
TEST_F(uring, ends)
{
	struct linger rude = { .l_onoff = 1, .l_linger = 0 };
	struct io_uring_sqe *sqe;
	int fd[2];

	/* A request of the ring's own, on the same socket */
	ASSERT_EQ(0, go_recv(&self->u, self->fd[1], 10, 0));
	sqe = uring_sqe(&self->u);
	io_uring_prep_shutdown(sqe, self->fd[1], SHUT_RD);
	ASSERT_EQ(0, uring_go(&self->u, sqe, SHUT));
	EXPECT_EQ(0, uring_wait(&self->u, SHUT));
	EXPECT_EQ(0, uring_wait(&self->u, RECV));

	ASSERT_EQ(0, parley_pair(self->l, fd));
	ASSERT_EQ(0, go_recv(&self->u, fd[1], 10, 0));
	ASSERT_EQ(0, close(fd[0]));
	EXPECT_EQ(0, uring_wait(&self->u, RECV));

	ASSERT_EQ(0, parley_pair(self->l, fd));
	ASSERT_EQ(0, go_recv(&self->u, fd[1], 10, 0));
	ASSERT_EQ(0, setsockopt(fd[0], SOL_SOCKET, SO_LINGER, &rude,
				sizeof(rude)));
	ASSERT_EQ(0, close(fd[0]));
	EXPECT_EQ(-ECONNRESET, uring_wait(&self->u, RECV));

	ASSERT_EQ(0, parley_pair(self->l, fd));
	fill(fd[1]);
	ASSERT_EQ(0, go_send(&self->u, fd[1], 10, 0));
	EXPECT_TRUE(uring_quiet(&self->u));
	ASSERT_EQ(0, shutdown(fd[0], SHUT_RD));
	EXPECT_EQ(-EPIPE, uring_wait(&self->u, SEND));

	ASSERT_EQ(0, parley_pair(self->l, fd));
	fill(fd[1]);
	ASSERT_EQ(0, go_send(&self->u, fd[1], 10, 0));
	ASSERT_EQ(0, close(fd[0]));
	EXPECT_EQ(-ECONNRESET, uring_wait(&self->u, SEND));
}

TEST_F(uring, cancelled)
{
	ASSERT_EQ(0, go_recv(&self->u, self->fd[1], 10, 0));
	EXPECT_LE(0, uring_cancel(&self->u, RECV));
	EXPECT_EQ(-ECANCELED, uring_wait(&self->u, RECV));
	ASSERT_EQ(3, send(self->fd[0], out, 3, 0));
	EXPECT_EQ(3, recv(self->fd[1], in, 10, MSG_DONTWAIT));

	fill(self->fd[0]);
	ASSERT_EQ(0, go_send(&self->u, self->fd[0], 10, 0));
	EXPECT_LE(0, uring_cancel(&self->u, SEND));
	EXPECT_EQ(-ECANCELED, uring_wait(&self->u, SEND));
	/* Nothing holds the socket any more. */
	ASSERT_EQ(0, close(self->fd[0]));
	while (recv(self->fd[1], in, BIG, 0) > 0)
		;
	EXPECT_EQ(0, recv(self->fd[1], in, BIG, 0));
}

TEST_F(uring, recv_multishot)
{
	static unsigned char room[BUFFERS][ROOM];
	struct io_uring_buf_reg reg = {
		.ring_entries = BUFFERS, .bgid = GROUP,
	};
	int mask = io_uring_buf_ring_mask(BUFFERS);
	struct io_uring_buf_ring *br;
	struct io_uring_sqe *sqe;
	int i, n, id;

	br = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)br);
	reg.ring_addr = (unsigned long)br;
	ASSERT_EQ(0, io_uring_register_buf_ring(&self->u.ring, &reg, 0));
	io_uring_buf_ring_init(br);
	for (i = 0; i < BUFFERS; i++)
		io_uring_buf_ring_add(br, room[i], ROOM, i, mask, i);
	io_uring_buf_ring_advance(br, BUFFERS);

	sqe = uring_sqe(&self->u);
	io_uring_prep_recv_multishot(sqe, self->fd[1], NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	ASSERT_EQ(0, uring_go(&self->u, sqe, RECV));
	for (i = 0; i < 5 * BUFFERS; i++) {
		n = 1 + i * 37 % ROOM;
		ASSERT_EQ(n, send(self->fd[0], out + i, n, 0));
		ASSERT_EQ(n, uring_wait(&self->u, RECV));
		ASSERT_TRUE(self->u.flags & IORING_CQE_F_MORE);
		ASSERT_TRUE(self->u.flags & IORING_CQE_F_BUFFER);
		id = self->u.flags >> IORING_CQE_BUFFER_SHIFT;
		ASSERT_EQ(0, memcmp(room[id], out + i, n));
		io_uring_buf_ring_add(br, room[id], ROOM, id, mask, 0);
		io_uring_buf_ring_advance(br, 1);
	}
	/* More than the buffers hold: they are used up, nothing is lost. */
	ASSERT_EQ(BUFFERS * ROOM + 10,
		  send(self->fd[0], out, BUFFERS * ROOM + 10, 0));
	for (i = 0; (n = uring_wait(&self->u, RECV)) > 0; i += n) {
		id = self->u.flags >> IORING_CQE_BUFFER_SHIFT;
		ASSERT_EQ(0, memcmp(room[id], out + i, n));
	}
	EXPECT_EQ(-ENOBUFS, n);
	EXPECT_FALSE(self->u.flags & IORING_CQE_F_MORE);
	EXPECT_EQ(BUFFERS * ROOM, i);
	ASSERT_EQ(10, recv(self->fd[1], in, BIG, MSG_DONTWAIT));
	EXPECT_EQ(0, memcmp(in, out + i, 10));
	/* And the end. */
	io_uring_buf_ring_add(br, room[0], ROOM, 0, mask, 0);
	io_uring_buf_ring_advance(br, 1);
	sqe = uring_sqe(&self->u);
	io_uring_prep_recv_multishot(sqe, self->fd[1], NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	ASSERT_EQ(0, uring_go(&self->u, sqe, RECV));
	EXPECT_TRUE(uring_quiet(&self->u));
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(0, uring_wait(&self->u, RECV));
	EXPECT_FALSE(self->u.flags & IORING_CQE_F_MORE);
}

TEST_F(uring, poll)
{
	struct io_uring_sqe *sqe = uring_sqe(&self->u);
	int i;

	io_uring_prep_poll_add(sqe, self->fd[0], POLLOUT);
	ASSERT_EQ(0, uring_go(&self->u, sqe, POLL));
	EXPECT_EQ(POLLOUT, uring_wait(&self->u, POLL));

	sqe = uring_sqe(&self->u);
	io_uring_prep_poll_multishot(sqe, self->fd[1], POLLIN | POLLRDHUP);
	ASSERT_EQ(0, uring_go(&self->u, sqe, POLL));
	EXPECT_TRUE(uring_quiet(&self->u));
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(3, send(self->fd[0], out, 3, 0));
		EXPECT_EQ(POLLIN, uring_wait(&self->u, POLL));
		EXPECT_TRUE(self->u.flags & IORING_CQE_F_MORE);
		/* Less than there is: the next one comes all the same. */
		ASSERT_EQ(2, recv(self->fd[1], in, 2, MSG_DONTWAIT));
	}
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(POLLIN | POLLRDHUP, uring_wait(&self->u, POLL));
	EXPECT_LE(0, uring_cancel(&self->u, POLL));
	do {
		i = uring_wait(&self->u, POLL);
	} while (i >= 0);
	EXPECT_EQ(-ECANCELED, i);
}

TEST_F(uring, splice)
{
	struct io_uring_sqe *sqe;
	int p[2], b[2];

	ASSERT_EQ(0, pipe(p));
	ASSERT_EQ(0, parley_pair(self->l, b));
	sqe = uring_sqe(&self->u);
	io_uring_prep_splice(sqe, self->fd[1], -1, p[1], -1, 5000, 0);
	io_uring_sqe_set_data64(sqe, SPLICE_IN);
	sqe->flags |= IOSQE_IO_LINK;
	sqe = uring_sqe(&self->u);
	io_uring_prep_splice(sqe, p[0], -1, b[0], -1, 5000, 0);
	ASSERT_EQ(5000, send(self->fd[0], out, 5000, 0));
	ASSERT_EQ(0, uring_go(&self->u, sqe, SPLICE_OUT));
	EXPECT_EQ(5000, uring_wait(&self->u, SPLICE_IN));
	EXPECT_EQ(5000, uring_wait(&self->u, SPLICE_OUT));
	ASSERT_EQ(5000, recv(b[1], in, 5000, MSG_WAITALL));
	EXPECT_EQ(0, memcmp(in, out, 5000));
	/* A worker that waits for bytes is told of the end. */
	sqe = uring_sqe(&self->u);
	io_uring_prep_splice(sqe, self->fd[1], -1, p[1], -1, 5000, 0);
	ASSERT_EQ(0, uring_go(&self->u, sqe, SPLICE_IN));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(0, uring_wait(&self->u, SPLICE_IN));
}

TEST_F(uring, registered_files)
{
	struct io_uring_sqe *sqe;
	int i;

	ASSERT_EQ(0, io_uring_register_files(&self->u.ring, self->fd, 2));
	/* The table holds them: nothing else is needed. */
	ASSERT_EQ(0, close(self->fd[0]));
	ASSERT_EQ(0, close(self->fd[1]));
	for (i = 0; i < 50; i++) {
		sqe = uring_sqe(&self->u);
		io_uring_prep_recv(sqe, 1, in, 100, 0);
		sqe->flags |= IOSQE_FIXED_FILE;
		ASSERT_EQ(0, uring_go(&self->u, sqe, RECV));
		sqe = uring_sqe(&self->u);
		io_uring_prep_send(sqe, 0, out + i, 100, 0);
		sqe->flags |= IOSQE_FIXED_FILE;
		ASSERT_EQ(0, uring_go(&self->u, sqe, SEND));
		ASSERT_EQ(100, uring_wait(&self->u, SEND));
		ASSERT_EQ(100, uring_wait(&self->u, RECV));
		ASSERT_EQ(0, memcmp(in, out + i, 100));
	}
	ASSERT_EQ(0, io_uring_unregister_files(&self->u.ring));
}

/* A thread of the kernel's makes the calls. */
TEST_F(uring, sqpoll)
{
	struct uring u;
	int i;

	ASSERT_EQ(0, uring_init(&u, 64, IORING_SETUP_SQPOLL));
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, go_recv(&u, self->fd[1], 100, MSG_WAITALL));
		ASSERT_EQ(0, go_send(&u, self->fd[0], 100, 0));
		ASSERT_EQ(100, uring_wait(&u, SEND));
		ASSERT_EQ(100, uring_wait(&u, RECV));
	}
	EXPECT_EQ(0, memcmp(in, out, 100));
	uring_exit(&u);
}

/* Many connections in one ring: each answers what it got. */
TEST_F(uring, crowd)
{
	enum { PAIRS = 20, ROUNDS = 100 };
	static unsigned char buf[PAIRS][64];
	int fd[PAIRS][2], left[PAIRS], i, n, round = 0;
	struct io_uring_sqe *sqe;

	for (i = 0; i < PAIRS; i++) {
		ASSERT_EQ(0, parley_pair(self->l, fd[i]));
		left[i] = 2 * ROUNDS;
		sqe = uring_sqe(&self->u);
		io_uring_prep_recv(sqe, fd[i][1], buf[i], 64, MSG_WAITALL);
		ASSERT_EQ(0, uring_go(&self->u, sqe, MANY + i));
		ASSERT_EQ(64, send(fd[i][0], out + i, 64, 0));
	}
	for (round = 1; round <= 2 * ROUNDS; round++)
		for (i = 0; i < PAIRS; i++) {
			n = uring_wait(&self->u, MANY + i);
			ASSERT_EQ(64, n);
			ASSERT_EQ(0, memcmp(buf[i], out + i, 64));
			if (!--left[i])
				continue;
			sqe = uring_sqe(&self->u);
			/* It goes back, and is received there. */
			io_uring_prep_recv(sqe, fd[i][1 - round % 2], buf[i],
					   64, MSG_WAITALL);
			ASSERT_EQ(0, uring_go(&self->u, sqe, MANY + i));
			sqe = uring_sqe(&self->u);
			io_uring_prep_send(sqe, fd[i][round % 2], out + i, 64,
					   0);
			ASSERT_EQ(0, uring_go(&self->u, sqe, SEND));
			ASSERT_EQ(64, uring_wait(&self->u, SEND));
		}
}

TEST_HARNESS_MAIN
