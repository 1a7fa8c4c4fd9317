// SPDX-License-Identifier: GPL-2.0
/*
 * send() and recv() and their flags, the exact limits of the buffers,
 * time-outs, and addresses that cannot be read or written.
 */
#include "kselftest_harness.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "lib.h"
#include "lib_race.h"

#define PORT	6400
#define PAGE	4096
#define SIZE	(5 * PAGE)

static unsigned char out[SIZE], in[SIZE];

static void prepare(void)
{
	int i;

	for (i = 0; i < SIZE; i++)
		out[i] = i ^ i / 251;
	memset(in, 0xee, sizeof(in));
}

FIXTURE(data) {
	int listener;
	int fd[2];		/* [0] called, [1] was accepted */
	struct parley_thread thread;
};

FIXTURE_SETUP(data)
{
	prepare();
	ASSERT_EQ(0, parley_ns_enter());
	self->listener = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, parley_pair(self->listener, self->fd));
}

FIXTURE_TEARDOWN(data)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int queued(int fd)
{
	int value = -1;

	return ioctl(fd, FIONREAD, &value) ? -errno : value;
}

static int unread(int fd)
{
	int value = -1;

	return ioctl(fd, SIOCOUTQ, &value) ? -errno : value;
}

TEST_F(data, plain)
{
	ASSERT_EQ(3, write(self->fd[0], "abc", 3));
	ASSERT_EQ(3, send(self->fd[0], "def", 3, 0));
	ASSERT_EQ(6, queued(self->fd[1]));
	EXPECT_EQ(6, unread(self->fd[0]));
	EXPECT_EQ(0, queued(self->fd[0]));
	EXPECT_EQ(0, unread(self->fd[1]));
	/* A stream has no messages. */
	ASSERT_EQ(4, read(self->fd[1], in, 4));
	EXPECT_EQ(0, memcmp("abcd", in, 4));
	EXPECT_EQ(2, unread(self->fd[0]));
	ASSERT_EQ(2, recv(self->fd[1], in, sizeof(in), 0));
	EXPECT_EQ(0, memcmp("ef", in, 2));
	EXPECT_EQ(0, unread(self->fd[0]));
	EXPECT_EQ(-1, recv(self->fd[1], in, 1, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(data, nothing)
{
	EXPECT_EQ(0, send(self->fd[0], out, 0, 0));
	EXPECT_EQ(0, parley_revents(self->fd[1], POLLIN));
	ASSERT_EQ(1, send(self->fd[0], out, 1, 0));
	EXPECT_EQ(0, recv(self->fd[1], in, 0, MSG_DONTWAIT));
	EXPECT_EQ(1, queued(self->fd[1]));
}

TEST_F(data, messages)
{
	struct iovec iov[3] = {
		{ out, 10 }, { out + 10, 0 }, { out + 10, 5000 },
	};
	char control[64];
	struct sockaddr_storage name;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };

	ASSERT_EQ(5010, sendmsg(self->fd[0], &msg, 0));
	iov[0] = (struct iovec){ in, 4999 };
	iov[1] = (struct iovec){ in + 4999, 1 };
	iov[2] = (struct iovec){ in + 5000, 5000 };
	msg.msg_name = &name;
	msg.msg_namelen = sizeof(name);
	msg.msg_control = control;
	msg.msg_controllen = sizeof(control);
	msg.msg_flags = 0x7f;
	ASSERT_EQ(5010, recvmsg(self->fd[1], &msg, 0));
	EXPECT_EQ(0, memcmp(out, in, 5010));
	/* As with TCP: no name, no control data, no flags. */
	EXPECT_EQ(0, msg.msg_namelen);
	EXPECT_EQ(0, msg.msg_controllen);
	EXPECT_EQ(0, msg.msg_flags);
}

TEST_F(data, addressed)
{
	struct parley_addr to;
	int fd = parley_socket(0);

	ASSERT_EQ(0, parley_addr(&to, "127.0.0.1", PORT));
	EXPECT_EQ(-1, sendto(self->fd[0], out, 1, 0, &to.sa, to.len));
	EXPECT_EQ(EISCONN, errno);
	EXPECT_EQ(-1, sendto(fd, out, 1, 0, &to.sa, to.len));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(0, queued(self->fd[1]));
}

TEST_F(data, unconnected)
{
	int fd = parley_socket(0);

	EXPECT_EQ(-1, send(fd, out, 1, MSG_NOSIGNAL));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(-1, recv(fd, in, 1, 0));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(0, unread(fd));
	EXPECT_EQ(-1, send(self->listener, out, 1, MSG_NOSIGNAL));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(-1, recv(self->listener, in, 1, 0));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(-EINVAL, queued(self->listener));
	EXPECT_EQ(-EINVAL, unread(self->listener));
}

TEST_F(data, peek)
{
	int i;

	ASSERT_EQ(SIZE, send(self->fd[0], out, SIZE, 0));
	ASSERT_EQ(100, recv(self->fd[1], in, 100, 0));
	/* Over page boundaries, more than once, more than there is. */
	for (i = 0; i < 2; i++) {
		memset(in, 0, sizeof(in));
		ASSERT_EQ(3 * PAGE, recv(self->fd[1], in, 3 * PAGE, MSG_PEEK));
		EXPECT_EQ(0, memcmp(out + 100, in, 3 * PAGE));
	}
	EXPECT_EQ(SIZE - 100, queued(self->fd[1]));
	EXPECT_EQ(SIZE - 100, unread(self->fd[0]));
	EXPECT_EQ(SIZE - 100, recv(self->fd[1], in, SIZE, MSG_PEEK));
	EXPECT_EQ(SIZE - 100, recv(self->fd[1], in, SIZE, 0));
	EXPECT_EQ(0, memcmp(out + 100, in, SIZE - 100));
	EXPECT_EQ(-1, recv(self->fd[1], in, 1, MSG_PEEK | MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(0, recv(self->fd[1], in, 1, MSG_PEEK));
	EXPECT_EQ(0, recv(self->fd[1], in, 1, 0));
}

/* A blocking recv() as a thread. */
struct receive {
	int fd;
	size_t size;
	int flags;
};

static struct receive receive;

static long do_receive(void *arg)
{
	struct receive *r = arg;
	long n = syscall(SYS_recvfrom, r->fd, in, r->size, r->flags, NULL,
			 NULL);

	return n < 0 ? -errno : n;
}

static int receive_start(struct parley_thread *t, int fd, size_t size,
			 int flags)
{
	int err;

	receive = (struct receive){ fd, size, flags };
	err = parley_thread_start(t, SYS_recvfrom, do_receive, &receive);
	return err ?: parley_thread_blocked(t);
}

TEST_F(data, recv_blocks)
{
	ASSERT_EQ(0, receive_start(&self->thread, self->fd[1], SIZE, 0));
	ASSERT_EQ(7, send(self->fd[0], out, 7, 0));
	EXPECT_EQ(7, parley_thread_join(&self->thread));
	EXPECT_EQ(0, memcmp(out, in, 7));
	ASSERT_EQ(0, receive_start(&self->thread, self->fd[1], SIZE, MSG_PEEK));
	ASSERT_EQ(7, send(self->fd[0], out, 7, 0));
	EXPECT_EQ(7, parley_thread_join(&self->thread));
	EXPECT_EQ(7, queued(self->fd[1]));
}

TEST_F(data, waitall)
{
	ASSERT_EQ(0, receive_start(&self->thread, self->fd[1], SIZE,
				   MSG_WAITALL));
	ASSERT_EQ(1, send(self->fd[0], out, 1, 0));
	ASSERT_EQ(0, parley_thread_blocked(&self->thread));
	ASSERT_EQ(PAGE, send(self->fd[0], out + 1, PAGE, 0));
	ASSERT_EQ(0, parley_thread_blocked(&self->thread));
	ASSERT_EQ(SIZE - PAGE - 1, send(self->fd[0], out + 1 + PAGE,
					SIZE - PAGE - 1, 0));
	EXPECT_EQ(SIZE, parley_thread_join(&self->thread));
	EXPECT_EQ(0, memcmp(out, in, SIZE));
	/* What is there must do when there is to be no waiting. */
	ASSERT_EQ(9, send(self->fd[0], out, 9, 0));
	EXPECT_EQ(9, recv(self->fd[1], in, SIZE, MSG_WAITALL | MSG_DONTWAIT));
	EXPECT_EQ(-1, recv(self->fd[1], in, 1, MSG_WAITALL | MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
}

/* More than fits into the buffer at once. */
TEST_F(data, waitall_beyond_buffer)
{
	size_t sent = 0;
	ssize_t n;

	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF, 1));
	ASSERT_GT(SIZE, parley_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF));
	ASSERT_EQ(0, receive_start(&self->thread, self->fd[1], SIZE,
				   MSG_WAITALL));
	while (sent < SIZE) {
		n = send(self->fd[0], out + sent, SIZE - sent, 0);
		ASSERT_LT(0, n);
		sent += n;
	}
	EXPECT_EQ(SIZE, parley_thread_join(&self->thread));
	EXPECT_EQ(0, memcmp(out, in, SIZE));
}

TEST_F(data, waitall_cut_short)
{
	ASSERT_EQ(0, parley_catch(SIGUSR1, 0));
	ASSERT_EQ(0, receive_start(&self->thread, self->fd[1], 100,
				   MSG_WAITALL));
	ASSERT_EQ(10, send(self->fd[0], out, 10, 0));
	ASSERT_EQ(0, parley_thread_blocked(&self->thread));
	ASSERT_EQ(0, parley_thread_kill(&self->thread, SIGUSR1));
	EXPECT_EQ(10, parley_thread_join(&self->thread));
	/* The same when the time is over. */
	ASSERT_EQ(0, parley_timeo(self->fd[1], SO_RCVTIMEO, 2000));
	ASSERT_EQ(0, receive_start(&self->thread, self->fd[1], 100,
				   MSG_WAITALL));
	ASSERT_EQ(10, send(self->fd[0], out, 10, 0));
	EXPECT_EQ(10, parley_thread_join(&self->thread));
	ASSERT_EQ(0, parley_timeo(self->fd[1], SO_RCVTIMEO, 0));
	ASSERT_EQ(0, receive_start(&self->thread, self->fd[1], 100,
				   MSG_WAITALL));
	ASSERT_EQ(10, send(self->fd[0], out, 10, 0));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(10, parley_thread_join(&self->thread));
}

TEST_F(data, interrupted)
{
	ASSERT_EQ(0, parley_catch(SIGUSR1, 0));
	ASSERT_EQ(0, receive_start(&self->thread, self->fd[1], 100, 0));
	ASSERT_EQ(0, parley_thread_kill(&self->thread, SIGUSR1));
	EXPECT_EQ(-EINTR, parley_thread_join(&self->thread));
	ASSERT_EQ(0, parley_catch(SIGUSR1, SA_RESTART));
	ASSERT_EQ(0, receive_start(&self->thread, self->fd[1], 100, 0));
	ASSERT_EQ(0, parley_thread_kill(&self->thread, SIGUSR1));
	ASSERT_EQ(0, parley_thread_blocked(&self->thread));
	ASSERT_EQ(1, send(self->fd[0], out, 1, 0));
	EXPECT_EQ(1, parley_thread_join(&self->thread));
}

TEST_F(data, truncate)
{
	ASSERT_EQ(SIZE, send(self->fd[0], out, SIZE, 0));
	/* Thrown away, without a buffer to throw it into. */
	EXPECT_EQ(PAGE + 1, recv(self->fd[1], NULL, PAGE + 1, MSG_TRUNC));
	EXPECT_EQ(SIZE - PAGE - 1, queued(self->fd[1]));
	EXPECT_EQ(10, recv(self->fd[1], in, 10, 0));
	EXPECT_EQ(0, memcmp(out + PAGE + 1, in, 10));
	EXPECT_EQ(SIZE - PAGE - 11, recv(self->fd[1], NULL, SIZE, MSG_TRUNC));
	EXPECT_EQ(0, queued(self->fd[1]));
}

TEST_F(data, out_of_band)
{
	EXPECT_EQ(-1, send(self->fd[0], out, 1, MSG_OOB));
	EXPECT_EQ(EOPNOTSUPP, errno);
	ASSERT_EQ(1, send(self->fd[0], out, 1, 0));
	EXPECT_EQ(-1, recv(self->fd[1], in, 1, MSG_OOB));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(1, queued(self->fd[1]));
}

/* Exactly as much as the smaller of the two numbers says, in any portions. */
TEST_F(data, limits)
{
	const int buffers[][2] = {
		{ 6000, 30000 }, { 30000, 6000 }, { 1, 30000 }, { 30000, 1 },
		{ 4999, 4999 }, { 8192, 8192 },
	};
	const int portions[] = { 1, 1000, 4096, 5000, SIZE };
	int i, p, limit, other, fd[2], sum;
	ssize_t n;

	for (i = 0; i < 6; i++) {
		for (p = 0; p < 5; p++) {
			ASSERT_EQ(0, parley_pair(self->listener, fd));
			ASSERT_EQ(0, parley_set_sockopt(fd[0], SOL_SOCKET,
							SO_SNDBUF,
							buffers[i][0]));
			ASSERT_EQ(0, parley_set_sockopt(fd[1], SOL_SOCKET,
							SO_RCVBUF,
							buffers[i][1]));
			limit = parley_sockopt(fd[0], SOL_SOCKET, SO_SNDBUF);
			other = parley_sockopt(fd[1], SOL_SOCKET, SO_RCVBUF);
			limit = limit < other ? limit : other;
			for (sum = 0;; sum += n) {
				n = send(fd[0], out, portions[p], MSG_DONTWAIT);
				if (n <= 0)
					break;
			}
			EXPECT_EQ(EAGAIN, errno);
			EXPECT_EQ(limit, sum) {
				TH_LOG("buffers %d and %d, portions of %d",
				       buffers[i][0], buffers[i][1],
				       portions[p]);
			}
			EXPECT_EQ(sum, queued(fd[1]));
			EXPECT_EQ(sum, unread(fd[0]));
			/* As much again as was taken out. */
			ASSERT_EQ(77, recv(fd[1], in, 77, 0));
			EXPECT_EQ(77, send(fd[0], out, SIZE, MSG_DONTWAIT));
			close(fd[0]);
			close(fd[1]);
		}
	}
}

TEST_F(data, shrunk_buffer)
{
	ASSERT_EQ(SIZE, send(self->fd[0], out, SIZE, 0));
	ASSERT_EQ(0, parley_set_sockopt(self->fd[1], SOL_SOCKET, SO_RCVBUF, 1));
	EXPECT_EQ(-1, send(self->fd[0], out, 1, MSG_DONTWAIT));
	EXPECT_EQ(EAGAIN, errno);
	/* What was there already stays. */
	EXPECT_EQ(SIZE, recv(self->fd[1], in, SIZE, MSG_DONTWAIT));
	EXPECT_EQ(0, memcmp(out, in, SIZE));
	EXPECT_EQ(1, send(self->fd[0], out, 1, MSG_DONTWAIT));
}

TEST_F(data, partial_writes)
{
	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF,
					4096));
	ASSERT_EQ(0, parley_nonblock(self->fd[0], true));
	EXPECT_EQ(8192, write(self->fd[0], out, SIZE));
	EXPECT_EQ(-1, write(self->fd[0], out, SIZE));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(5000, read(self->fd[1], in, 5000));
	EXPECT_EQ(5000, write(self->fd[0], out, SIZE));
}

TEST_F(data, timeouts)
{
	__u64 begun;

	ASSERT_EQ(0, parley_timeo(self->fd[1], SO_RCVTIMEO, 60));
	begun = race_ticks_ns();
	EXPECT_EQ(-1, recv(self->fd[1], in, 1, 0));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LE(60, race_ticks_ms(begun));
	/* Half of it is better than nothing. */
	ASSERT_EQ(3, send(self->fd[0], out, 3, 0));
	begun = race_ticks_ns();
	EXPECT_EQ(3, recv(self->fd[1], in, 10, MSG_WAITALL));
	EXPECT_LE(60, race_ticks_ms(begun));

	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF,
					4096));
	ASSERT_EQ(0, parley_timeo(self->fd[0], SO_SNDTIMEO, 60));
	begun = race_ticks_ns();
	EXPECT_EQ(8192, send(self->fd[0], out, SIZE, 0));
	EXPECT_LE(60, race_ticks_ms(begun));
	begun = race_ticks_ns();
	EXPECT_EQ(-1, send(self->fd[0], out, SIZE, 0));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LE(60, race_ticks_ms(begun));
}

TEST_F(data, unreadable)
{
	unsigned char *page = parley_half_there(out);
	struct iovec iov[3] = {
		{ out, 5000 }, { page + PAGE, 10 }, { out, 10 },
	};
	size_t sum;
	ssize_t n;

	ASSERT_NE(NULL, page);
	EXPECT_EQ(-1, send(self->fd[0], page + PAGE, 10, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, queued(self->fd[1]));
	/* What was counted has gone, what has not gone was not counted. */
	n = send(self->fd[0], page + PAGE - 100, 200, 0);
	EXPECT_TRUE(n == 100 || (n < 0 && errno == EFAULT));
	sum = n < 0 ? 0 : n;
	EXPECT_EQ(sum, queued(self->fd[1]));
	ASSERT_EQ(sum, recv(self->fd[1], NULL, sum, MSG_TRUNC | MSG_DONTWAIT));
	n = writev(self->fd[0], iov, 3);
	EXPECT_TRUE((n > 0 && n <= 5000) || (n < 0 && errno == EFAULT));
	sum = n < 0 ? 0 : n;
	EXPECT_EQ(sum, queued(self->fd[1]));
	/* And the connection is as good as before. */
	ASSERT_EQ(10, send(self->fd[0], out + 7, 10, 0));
	ASSERT_EQ(sum + 10, recv(self->fd[1], in, SIZE, 0));
	EXPECT_EQ(0, memcmp(out, in, sum));
	EXPECT_EQ(0, memcmp(out + 7, in + sum, 10));
}

TEST_F(data, unwritable)
{
	unsigned char *page = parley_half_there(out);
	struct iovec iov[3] = {
		{ in, 5000 }, { page + PAGE, 10 }, { in, 10 },
	};
	ssize_t n, sum;

	ASSERT_NE(NULL, page);
	ASSERT_EQ(SIZE, send(self->fd[0], out, SIZE, 0));
	EXPECT_EQ(-1, recv(self->fd[1], page + PAGE, 10, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(SIZE, queued(self->fd[1]));
	n = recv(self->fd[1], page + PAGE - 100, 200, 0);
	EXPECT_TRUE(n == 100 || (n < 0 && errno == EFAULT));
	sum = n < 0 ? 0 : n;
	EXPECT_EQ(0, memcmp(out, page + PAGE - 100, sum));
	EXPECT_EQ(SIZE - sum, queued(self->fd[1]));
	n = readv(self->fd[1], iov, 3);
	EXPECT_TRUE((n > 0 && n <= 5000) || (n < 0 && errno == EFAULT));
	n = n < 0 ? 0 : n;
	EXPECT_EQ(0, memcmp(out + sum, in, n));
	sum += n;
	/* Nothing is lost. */
	ASSERT_EQ(SIZE - sum, recv(self->fd[1], in, SIZE, 0));
	EXPECT_EQ(0, memcmp(out + sum, in, SIZE - sum));
}

static long do_send(void *arg)
{
	long n = syscall(SYS_sendto, *(int *)arg, out, 3, MSG_NOSIGNAL, NULL,
			 0);

	return n < 0 ? -errno : n;
}

TEST_F(data, send_while_pending)
{
	int fd = parley_call("127.0.0.1", PORT), got;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, send(fd, out, 1, MSG_NOSIGNAL));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, parley_nonblock(fd, false));
	ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_sendto, do_send,
					 &fd));
	ASSERT_EQ(0, parley_thread_blocked(&self->thread));
	got = test_accept(self->listener, 0);
	ASSERT_LE(0, got);
	EXPECT_EQ(3, parley_thread_join(&self->thread));
	EXPECT_EQ(3, recv(got, in, 10, MSG_DONTWAIT));
}

TEST_F(data, send_while_pending_in_vain)
{
	int fd = parley_call("127.0.0.1", PORT);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_nonblock(fd, false));
	ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_sendto, do_send,
					 &fd));
	ASSERT_EQ(0, parley_thread_blocked(&self->thread));
	ASSERT_EQ(0, close(self->listener));
	EXPECT_EQ(-ECONNREFUSED, parley_thread_join(&self->thread));
	EXPECT_EQ(0, parley_so_error(fd));
}

TEST_F(data, socketpair)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd[2], i;

	ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_STREAM | SOCK_NONBLOCK, 0, fd));
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(parley_name_is(fd[i], "0.0.0.0", 0));
		ASSERT_EQ(0, getsockopt(fd[i], SOL_SOCKET, SO_PEERCRED, &cred,
					&len));
		EXPECT_EQ(getpid(), cred.pid);
		EXPECT_EQ(getuid(), cred.uid);
		EXPECT_EQ(getgid(), cred.gid);
		EXPECT_EQ(-1, recv(fd[i], in, 1, 0));
		EXPECT_EQ(EAGAIN, errno);
	}
	EXPECT_TRUE(parley_talks(fd[0], fd[1]));
	EXPECT_EQ(-EISCONN, test_connect(fd[0], "127.0.0.1", PORT));
}

TEST_HARNESS_MAIN
