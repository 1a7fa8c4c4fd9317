// SPDX-License-Identifier: GPL-2.0
/*
 * sendmmsg() and recvmmsg(): many messages in one call, on a stream, where a
 * message is whatever fits into its buffers.
 */
#include "kselftest_harness.h"

#include <sys/uio.h>

#include "lib.h"

#define PORT	7690
#define N	40
#define PIECE	100

static unsigned char out[N][PIECE], in[N][PIECE];
static struct iovec iov[N];
static struct mmsghdr msgs[N];

static void prepare(void *mem, size_t len)
{
	int i;

	memset(msgs, 0, sizeof(msgs));
	for (i = 0; i < N; i++) {
		iov[i] = (struct iovec){ (char *)mem + i * PIECE, len };
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
		msgs[i].msg_len = 9999;
	}
}

FIXTURE(mmsg) {
	int l;
	int fd[2];
	struct parley_thread thread;
};

FIXTURE_SETUP(mmsg)
{
	int i;

	for (i = 0; i < N * PIECE; i++)
		out[i / PIECE][i % PIECE] = i ^ i / 251;
	memset(in, 0xee, sizeof(in));
	signal(SIGPIPE, SIG_IGN);
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_pair(self->l, self->fd));
}

FIXTURE_TEARDOWN(mmsg)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static long sum(int n)
{
	long all = 0;

	while (n-- > 0)
		all += msgs[n].msg_len;
	return all;
}

TEST_F(mmsg, many)
{
	int i;

	prepare(out, PIECE);
	ASSERT_EQ(N, sendmmsg(self->fd[0], msgs, N, 0));
	for (i = 0; i < N; i++)
		EXPECT_EQ(PIECE, msgs[i].msg_len);
	prepare(in, PIECE);
	ASSERT_EQ(N, recvmmsg(self->fd[1], msgs, N, 0, NULL));
	EXPECT_EQ(N * PIECE, sum(N));
	EXPECT_EQ(0, memcmp(in, out, sizeof(in)));
	for (i = 0; i < N; i++) {
		EXPECT_EQ(0, msgs[i].msg_hdr.msg_flags);
		EXPECT_EQ(0, msgs[i].msg_hdr.msg_namelen);
	}
	EXPECT_EQ(0, sendmmsg(self->fd[0], msgs, 0, 0));
	EXPECT_EQ(0, recvmmsg(self->fd[1], msgs, 0, 0, NULL));
}

/* As many as there are: the rest would have to wait. */
TEST_F(mmsg, some)
{
	prepare(in, PIECE);
	EXPECT_EQ(-1, recvmmsg(self->fd[1], msgs, N, MSG_DONTWAIT, NULL));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(250, send(self->fd[0], out, 250, 0));
	ASSERT_EQ(3, recvmmsg(self->fd[1], msgs, N, MSG_DONTWAIT, NULL));
	EXPECT_EQ(250, sum(3));
	EXPECT_EQ(50, msgs[2].msg_len);
	/* Only the first one is waited for. */
	ASSERT_EQ(250, send(self->fd[0], out, 250, 0));
	ASSERT_EQ(3, recvmmsg(self->fd[1], msgs, N, MSG_WAITFORONE, NULL));
	EXPECT_EQ(250, sum(3));
	EXPECT_EQ(0, memcmp(in, out, 250));
}

TEST_F(mmsg, no_room)
{
	int n, got = 0, sent;

	while (send(self->fd[0], out, PIECE, MSG_DONTWAIT) > 0)
		;
	prepare(out, PIECE);
	EXPECT_EQ(-1, sendmmsg(self->fd[0], msgs, N, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	while ((n = recv(self->fd[1], in, sizeof(in), MSG_DONTWAIT)) > 0)
		;
	/* What did not go in is told by the counts. */
	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF, 1));
	prepare(out, PIECE);
	sent = 0;
	while ((n = sendmmsg(self->fd[0], msgs, N, MSG_DONTWAIT)) > 0)
		sent += sum(n);
	while ((n = recv(self->fd[1], in, sizeof(in), MSG_DONTWAIT)) > 0)
		got += n;
	EXPECT_EQ(sent, got);
	EXPECT_LT(0, got);
}

TEST_F(mmsg, bad_memory)
{
	prepare(out, PIECE);
	iov[2].iov_base = (void *)8;
	ASSERT_EQ(2, sendmmsg(self->fd[0], msgs, N, 0));
	/* Those before are sent, the error comes with the next call. */
	EXPECT_EQ(-1, sendmmsg(self->fd[0], msgs + 2, N - 2, 0));
	EXPECT_EQ(EFAULT, errno);
	prepare(in, PIECE);
	iov[1].iov_base = (void *)8;
	ASSERT_EQ(1, recvmmsg(self->fd[1], msgs, N, MSG_DONTWAIT, NULL));
	prepare(in + 1, PIECE);
	/* An error after the first message is kept for the next call. */
	recvmmsg(self->fd[1], msgs, 1, MSG_DONTWAIT, NULL);
	EXPECT_EQ(1, recvmmsg(self->fd[1], msgs, 1, MSG_DONTWAIT, NULL));
	EXPECT_EQ(0, memcmp(in, out, 2 * PIECE));
}

TEST_F(mmsg, time_out)
{
	struct timespec ts = { .tv_nsec = 1 };

	/* The time is looked at after each message, as on every socket. */
	prepare(in, PIECE);
	ASSERT_EQ(2 * PIECE, send(self->fd[0], out, 2 * PIECE, 0));
	EXPECT_EQ(1, recvmmsg(self->fd[1], msgs, N, 0, &ts));
	ts.tv_nsec = -1;
	EXPECT_EQ(-1, recvmmsg(self->fd[1], msgs, N, 0, &ts));
	EXPECT_EQ(EINVAL, errno);
}

static long do_recvmmsg(void *arg)
{
	long n = syscall(SYS_recvmmsg, *(int *)arg, msgs, N, 0, NULL);

	return n < 0 ? -errno : n;
}

static long do_sendmmsg(void *arg)
{
	long n = syscall(SYS_sendmmsg, *(int *)arg, msgs, N, 0);

	return n < 0 ? -errno : n;
}

/* The peer ends it while two messages are there and the third is awaited. */
TEST_F(mmsg, wakes_reader)
{
	struct linger rude = { .l_onoff = 1, .l_linger = 0 };
	int fd[2], i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, parley_pair(self->l, fd));
		prepare(in, PIECE);
		ASSERT_EQ(2 * PIECE, send(fd[0], out, 2 * PIECE, 0));
		ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_recvmmsg,
						 do_recvmmsg, &fd[1]));
		ASSERT_EQ(0, parley_thread_blocked(&self->thread));
		switch (i) {
		case 0:
			shutdown(fd[0], SHUT_WR);
			break;
		case 1:
			close(fd[0]);
			break;
		case 2:
			setsockopt(fd[0], SOL_SOCKET, SO_LINGER, &rude,
				   sizeof(rude));
			close(fd[0]);
			break;
		case 3:
			shutdown(fd[1], SHUT_RD);
			break;
		}
		/* At the end, each message that remains is an empty one. */
		EXPECT_EQ(i == 2 ? 2 : N, parley_thread_join(&self->thread)) {
			TH_LOG("case %d", i);
		}
		EXPECT_EQ(2 * PIECE, sum(2));
		EXPECT_EQ(0, memcmp(in, out, 2 * PIECE));
		if (i != 2)
			continue;
		EXPECT_EQ(-1, recv(fd[1], in, 1, 0));
		EXPECT_EQ(ECONNRESET, errno);
	}
}

TEST_F(mmsg, wakes_writer)
{
	int fd[2], i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, parley_pair(self->l, fd));
		while (send(fd[1], out, PIECE, MSG_DONTWAIT) > 0)
			;
		prepare(out, PIECE);
		ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_sendmmsg,
						 do_sendmmsg, &fd[1]));
		ASSERT_EQ(0, parley_thread_blocked(&self->thread));
		if (i == 0)
			shutdown(fd[0], SHUT_RD);
		else if (i == 1)
			close(fd[0]);
		else
			shutdown(fd[1], SHUT_WR);
		EXPECT_EQ(i == 1 ? -ECONNRESET : -EPIPE,
			  parley_thread_join(&self->thread)) {
			TH_LOG("case %d", i);
		}
	}
}

TEST_HARNESS_MAIN
