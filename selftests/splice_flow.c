// SPDX-License-Identifier: GPL-2.0
/*
 * splice() and sendfile() under way: waiting and not waiting, pipes that are
 * too short, ends and signals in between, and much data through a chain of
 * files, sockets and pipes, in which every byte arrives where it belongs.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "lib.h"

#define PORT	7660
#define PAGE	4096
#define MUCH	(256 * PAGE)

static unsigned char out[MUCH], in[MUCH];

FIXTURE(flow) {
	int l;
	int a[2];		/* two connections */
	int b[2];
	int pipe[2];
	struct parley_thread thread;
	struct parley_thread other;
};

FIXTURE_SETUP(flow)
{
	int i;

	for (i = 0; i < MUCH; i++)
		out[i] = i * 7 + i / PAGE + i / 65521;
	memset(in, 0xee, sizeof(in));
	signal(SIGPIPE, SIG_IGN);
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_pair(self->l, self->a));
	ASSERT_EQ(0, parley_pair(self->l, self->b));
	ASSERT_EQ(0, pipe(self->pipe));
}

FIXTURE_TEARDOWN(flow)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int queued(int fd)
{
	int value = -1;

	return ioctl(fd, FIONREAD, &value) ? -errno : value;
}

/* From a socket to a pipe, or from a pipe to a socket */
static long move(int from, int to, size_t n, int flags)
{
	long ret = syscall(SYS_splice, from, NULL, to, NULL, n, flags);

	return ret < 0 ? -errno : ret;
}

/* The socket may wait, this call must not. */
TEST_F(flow, nonblock)
{
	int fl = fcntl(self->a[1], F_GETFL);

	EXPECT_EQ(0, fl & O_NONBLOCK);
	EXPECT_EQ(-EAGAIN, move(self->a[1], self->pipe[1], PAGE,
				SPLICE_F_NONBLOCK));
	ASSERT_EQ(5, send(self->a[0], out, 5, 0));
	EXPECT_EQ(5, move(self->a[1], self->pipe[1], PAGE, SPLICE_F_NONBLOCK));
	EXPECT_EQ(-EAGAIN, move(self->a[1], self->pipe[1], PAGE,
				SPLICE_F_NONBLOCK));
	ASSERT_EQ(0, shutdown(self->a[0], SHUT_WR));
	EXPECT_EQ(0, move(self->a[1], self->pipe[1], PAGE, SPLICE_F_NONBLOCK));
	EXPECT_EQ(5, read(self->pipe[0], in, PAGE));
	EXPECT_EQ(0, memcmp(in, out, 5));
}

/* What the pipe has no room for stays in the socket. */
TEST_F(flow, short_pipe)
{
	long n, done = 0;

	ASSERT_EQ(PAGE, fcntl(self->pipe[1], F_SETPIPE_SZ, PAGE));
	ASSERT_EQ(10000, send(self->a[0], out, 10000, 0));
	while (done < 10000) {
		n = move(self->a[1], self->pipe[1], 10000, SPLICE_F_NONBLOCK);
		ASSERT_LT(0, n);
		ASSERT_GE(PAGE, n);
		EXPECT_EQ(10000 - done - n, queued(self->a[1]));
		EXPECT_EQ(-EAGAIN, move(self->a[1], self->pipe[1], 1,
					SPLICE_F_NONBLOCK));
		ASSERT_EQ(n, read(self->pipe[0], in + done, PAGE));
		done += n;
	}
	EXPECT_EQ(0, memcmp(in, out, 10000));
}

TEST_F(flow, nobody_reads_the_pipe)
{
	ASSERT_EQ(5, send(self->a[0], out, 5, 0));
	ASSERT_EQ(0, close(self->pipe[0]));
	EXPECT_EQ(-EPIPE, move(self->a[1], self->pipe[1], 5, 0));
	EXPECT_EQ(5, recv(self->a[1], in, 10, MSG_DONTWAIT));
	EXPECT_EQ(0, memcmp(in, out, 5));
}

TEST_F(flow, unconnected)
{
	int fd = parley_socket(0);

	EXPECT_EQ(-ENOTCONN, move(fd, self->pipe[1], 5, 0));
	EXPECT_EQ(-ENOTCONN, move(self->l, self->pipe[1], 5, 0));
	ASSERT_EQ(1, write(self->pipe[1], "x", 1));
	EXPECT_EQ(-ENOTCONN, move(self->pipe[0], fd, 5, 0));
	EXPECT_EQ(0, move(self->a[1], self->pipe[1], 0, 0));
}

struct job {
	int from;
	int to;
	size_t n;
};

static long do_move(void *arg)
{
	struct job *j = arg;

	return move(j->from, j->to, j->n, 0);
}

enum end { SAID, SHUT, CLOSED, ABORTED, OWN_SHUT };

static void end(enum end how, int self, int *peer)
{
	struct linger rude = { .l_onoff = 1, .l_linger = 0 };

	switch (how) {
	case SAID:
		send(*peer, "abc", 3, 0);
		break;
	case SHUT:
		shutdown(*peer, SHUT_RDWR);
		break;
	case ABORTED:
		setsockopt(*peer, SOL_SOCKET, SO_LINGER, &rude, sizeof(rude));
		close(*peer);
		break;
	case CLOSED:
		close(*peer);
		break;
	case OWN_SHUT:
		shutdown(self, SHUT_RDWR);
		break;
	}
}

TEST_F(flow, wakes_reader)
{
	static const long results[] = {
		[SAID] = 3, [SHUT] = 0, [CLOSED] = 0, [ABORTED] = -ECONNRESET,
		[OWN_SHUT] = 0,
	};
	struct job j = { .to = self->pipe[1], .n = PAGE };
	enum end e;
	int fd[2];

	for (e = SAID; e <= OWN_SHUT; e++) {
		ASSERT_EQ(0, parley_pair(self->l, fd));
		j.from = fd[1];
		ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_splice,
						 do_move, &j));
		ASSERT_EQ(0, parley_thread_blocked(&self->thread));
		end(e, fd[1], &fd[0]);
		EXPECT_EQ(results[e], parley_thread_join(&self->thread)) {
			TH_LOG("case %d", e);
		}
	}
}

static void fill(int fd)
{
	while (send(fd, out, PAGE, MSG_DONTWAIT) > 0)
		;
}

TEST_F(flow, wakes_writer)
{
	static const long results[] = {
		[SHUT] = -EPIPE, [CLOSED] = -ECONNRESET,
		[ABORTED] = -ECONNRESET, [OWN_SHUT] = -EPIPE,
	};
	struct job j = { .from = self->pipe[0], .n = 5 };
	enum end e;
	int fd[2];

	for (e = SHUT; e <= OWN_SHUT; e++) {
		ASSERT_EQ(0, parley_pair(self->l, fd));
		fill(fd[1]);
		ASSERT_EQ(5, write(self->pipe[1], out, 5));
		j.to = fd[1];
		ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_splice,
						 do_move, &j));
		ASSERT_EQ(0, parley_thread_blocked(&self->thread));
		end(e, fd[1], &fd[0]);
		EXPECT_EQ(results[e], parley_thread_join(&self->thread)) {
			TH_LOG("case %d", e);
		}
		/* What did not go is in the pipe. */
		ASSERT_EQ(5, read(self->pipe[0], in, PAGE)) {
			TH_LOG("case %d", e);
		}
	}
}

static void on_signal(int sig)
{
}

/* A signal ends the wait and takes no byte away. */
TEST_F(flow, interrupted)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct job j = { self->a[1], self->pipe[1], PAGE };

	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_splice, do_move,
					 &j));
	ASSERT_EQ(0, parley_thread_blocked(&self->thread));
	ASSERT_EQ(0, parley_thread_kill(&self->thread, SIGUSR1));
	EXPECT_EQ(-EINTR, parley_thread_join(&self->thread));
	ASSERT_EQ(5, send(self->a[0], out, 5, 0));
	EXPECT_EQ(5, move(self->a[1], self->pipe[1], PAGE, SPLICE_F_NONBLOCK));
}

/* File positions and what did not go: a full socket that does not wait. */
TEST_F(flow, sendfile_to_a_full_socket)
{
	int file = memfd_create("flow", MFD_CLOEXEC);
	long n, sent = 0, got = 0;
	off_t at = 0;

	ASSERT_LE(0, file);
	ASSERT_EQ(MUCH, write(file, out, MUCH));
	ASSERT_EQ(0, parley_nonblock(self->a[0], true));
	while (got < MUCH) {
		do {
			n = sendfile(self->a[0], file, &at, MUCH - at);
			ASSERT_TRUE(n >= 0 || errno == EAGAIN);
			sent += n > 0 ? n : 0;
			ASSERT_EQ(sent, at);
		} while (n > 0);
		n = recv(self->a[1], in + got, MUCH, MSG_DONTWAIT);
		ASSERT_LT(0, n);
		got += n;
		ASSERT_LE(got, sent);
	}
	EXPECT_EQ(0, memcmp(in, out, MUCH));
	/* sendfile() is for files that can be gone back in. */
	EXPECT_EQ(-1, sendfile(file, self->a[1], NULL, 1));
	EXPECT_EQ(EINVAL, errno);
}

/* User memory as it is when it is sent, and a pipe that is copied. */
TEST_F(flow, vmsplice_and_tee)
{
	struct iovec iov = { out, 2 * PAGE };
	int second[2];

	ASSERT_EQ(0, pipe(second));
	ASSERT_EQ(2 * PAGE, vmsplice(self->pipe[1], &iov, 1, 0));
	ASSERT_EQ(2 * PAGE, tee(self->pipe[0], second[1], 2 * PAGE, 0));
	ASSERT_EQ(2 * PAGE, move(self->pipe[0], self->a[0], 2 * PAGE,
				 SPLICE_F_MORE));
	/* Sent is sent. */
	memcpy(in + MUCH / 2, out, 2 * PAGE);
	memset(out, 0, 2 * PAGE);
	ASSERT_EQ(2 * PAGE, recv(self->a[1], in, 2 * PAGE, MSG_WAITALL));
	EXPECT_EQ(0, memcmp(in, in + MUCH / 2, 2 * PAGE));
	ASSERT_EQ(2 * PAGE, move(second[0], self->a[0], 2 * PAGE, 0));
	ASSERT_EQ(2 * PAGE, recv(self->a[1], in, 2 * PAGE, MSG_WAITALL));
}

static long do_sendfile(void *arg)
{
	struct job *j = arg;
	off_t at = 0;

	while (at < MUCH)
		if (sendfile(j->to, j->from, &at, MUCH - at) <= 0)
			return -errno;
	return shutdown(j->to, SHUT_WR) ? -errno : at;
}

/* A proxy: what comes in on one connection goes out on the other. */
static long do_proxy(void *arg)
{
	struct job *j = arg;
	int p[2];
	long n, m, sum = 0;

	if (pipe(p) || fcntl(p[1], F_SETPIPE_SZ, j->n) < 0)
		return -errno;
	while ((n = move(j->from, p[1], MUCH, SPLICE_F_MOVE)) > 0) {
		sum += n;
		for (; n; n -= m) {
			m = move(p[0], j->to, n, SPLICE_F_MORE);
			if (m <= 0)
				return m ?: -EPIPE;
		}
	}
	close(p[0]);
	close(p[1]);
	if (n < 0)
		return n;
	return shutdown(j->to, SHUT_WR) ? -errno : sum;
}

/* file - connection - pipe of one page, or of many - connection - file */
static void chain(struct __test_metadata *_metadata,
		  struct _test_data_flow *self, size_t room)
{
	int from = memfd_create("from", 0), to = memfd_create("to", 0);
	struct job file = { from, self->a[0], 0 };
	struct job proxy = { self->a[1], self->b[0], room };
	off_t at = 0;
	long n;

	ASSERT_EQ(MUCH, write(from, out, MUCH));
	ASSERT_EQ(0, parley_thread_start(&self->thread, 0, do_sendfile,
					 &file));
	ASSERT_EQ(0, parley_thread_start(&self->other, 0, do_proxy, &proxy));
	while ((n = move(self->b[1], self->pipe[1], MUCH, 0)) > 0)
		while (n) {
			long m = splice(self->pipe[0], NULL, to, &at, n, 0);

			ASSERT_LT(0, m);
			n -= m;
		}
	ASSERT_EQ(0, n);
	EXPECT_EQ(MUCH, parley_thread_join(&self->thread));
	EXPECT_EQ(MUCH, parley_thread_join(&self->other));
	ASSERT_EQ(MUCH, at);
	ASSERT_EQ(MUCH, pread(to, in, MUCH, 0));
	EXPECT_EQ(0, memcmp(in, out, MUCH));
}

TEST_F(flow, chain_with_a_short_pipe)
{
	chain(_metadata, self, PAGE);
}

TEST_F(flow, chain_with_a_long_pipe)
{
	chain(_metadata, self, 64 * PAGE);
}

/* Takes what it can into a pipe of its own; the sum of the bytes tells. */
static long do_take(void *arg)
{
	struct job *j = arg;
	unsigned char buf[PAGE];
	long n, m, i, sum = 0;
	int p[2];

	if (pipe(p))
		return -errno;
	while ((n = move(j->from, p[1], 1000, 0)) > 0)
		for (; n; n -= m) {
			m = read(p[0], buf, n);
			if (m <= 0)
				return -EIO;
			for (i = 0; i < m; i++)
				sum += buf[i];
		}
	close(p[0]);
	close(p[1]);
	return n ?: sum;
}

/* Who sees bytes that another one takes away goes on waiting. */
TEST_F(flow, two_readers)
{
	struct job j = { .from = self->a[1] };
	long i, sum = 0;

	for (i = 0; i < MUCH / 4; i++)
		sum += out[i];
	ASSERT_EQ(0, parley_thread_start(&self->thread, 0, do_take, &j));
	ASSERT_EQ(0, parley_thread_start(&self->other, 0, do_take, &j));
	for (i = 0; i < MUCH / 4; i += 512)
		ASSERT_EQ(512, send(self->a[0], out + i, 512, 0));
	ASSERT_EQ(0, shutdown(self->a[0], SHUT_WR));
	EXPECT_EQ(sum, parley_thread_join(&self->thread) +
		       parley_thread_join(&self->other));
}

/* A record at a time, as read() would have it. */
TEST_F(flow, records)
{
	int fd[2];

	ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_SEQPACKET, 0, fd));
	EXPECT_EQ(-EAGAIN, move(fd[1], self->pipe[1], PAGE, SPLICE_F_NONBLOCK));
	ASSERT_EQ(5, send(fd[0], out, 5, 0));
	ASSERT_EQ(3 * PAGE, send(fd[0], out, 3 * PAGE, 0));
	ASSERT_EQ(0, send(fd[0], out, 0, 0));
	ASSERT_EQ(10, send(fd[0], out, 10, 0));
	ASSERT_EQ(7, send(fd[0], out, 7, 0));
	EXPECT_EQ(5, move(fd[1], self->pipe[1], MUCH, 0));
	EXPECT_EQ(3 * PAGE, move(fd[1], self->pipe[1], MUCH, 0));
	ASSERT_EQ(5 + 3 * PAGE, read(self->pipe[0], in, MUCH));
	EXPECT_EQ(0, memcmp(in, out, 5));
	EXPECT_EQ(0, memcmp(in + 5, out, 3 * PAGE));
	EXPECT_EQ(0, move(fd[1], self->pipe[1], MUCH, 0));
	/* What was not asked for is lost. */
	EXPECT_EQ(4, move(fd[1], self->pipe[1], 4, 0));
	EXPECT_EQ(7, move(fd[1], self->pipe[1], MUCH, 0));
	EXPECT_EQ(11, read(self->pipe[0], in, MUCH));
	EXPECT_EQ(0, memcmp(in + 4, out, 7));
	/* Into such a socket: what is moved at once is a record. */
	ASSERT_EQ(2000, write(self->pipe[1], out, 2000));
	ASSERT_EQ(1500, move(self->pipe[0], fd[0], 1500, 0));
	ASSERT_EQ(500, move(self->pipe[0], fd[0], MUCH, 0));
	EXPECT_EQ(1500, recv(fd[1], in, MUCH, MSG_DONTWAIT));
	EXPECT_EQ(500, recv(fd[1], in, MUCH, MSG_DONTWAIT));
	ASSERT_EQ(0, close(fd[0]));
	EXPECT_EQ(0, move(fd[1], self->pipe[1], MUCH, 0));
	close(fd[1]);
}

/* Short and long records, two readers: none is cut by the other's length. */
TEST_F(flow, records_two_readers)
{
	struct job j = { };
	long i, n, k, sum = 0;
	int fd[2];

	ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_SEQPACKET, 0, fd));
	j.from = fd[1];
	ASSERT_EQ(0, parley_thread_start(&self->thread, 0, do_take, &j));
	ASSERT_EQ(0, parley_thread_start(&self->other, 0, do_take, &j));
	for (i = 0; i < 1000; i++) {
		n = i & 1 ? 1 : 1000;
		ASSERT_EQ(n, send(fd[0], out + i, n, 0));
		for (k = 0; k < n; k++)
			sum += out[i + k];
	}
	ASSERT_EQ(0, shutdown(fd[0], SHUT_WR));
	EXPECT_EQ(sum, parley_thread_join(&self->thread) +
		       parley_thread_join(&self->other));
	close(fd[0]);
	close(fd[1]);
}

TEST_HARNESS_MAIN
