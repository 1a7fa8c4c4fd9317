// SPDX-License-Identifier: GPL-2.0
/*
 * One socket, many descriptors: copies by dup(), fork() and SCM_RIGHTS are the
 * same socket, which lives as long as any of them.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "lib.h"

#define PORT	7610
#define CHILDREN	6
#define PIECES		2000

FIXTURE(shared) {
	int l;
	int fd[2];
	struct parley_thread thread;
};

FIXTURE_SETUP(shared)
{
	signal(SIGPIPE, SIG_IGN);
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 20);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_pair(self->l, self->fd));
}

FIXTURE_TEARDOWN(shared)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* What belongs to the socket, and what to the open file, is shared. */
TEST_F(shared, dup)
{
	int fd = dup(self->fd[0]), value;
	char c;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_nonblock(fd, true));
	EXPECT_EQ(O_NONBLOCK, fcntl(self->fd[0], F_GETFL) & O_NONBLOCK);
	ASSERT_EQ(0, parley_set_sockopt(fd, SOL_SOCKET, SO_RCVLOWAT, 7));
	EXPECT_EQ(7, parley_sockopt(self->fd[0], SOL_SOCKET, SO_RCVLOWAT));
	ASSERT_EQ(0, parley_set_sockopt(fd, SOL_SOCKET, SO_RCVLOWAT, 1));
	ASSERT_EQ(2, send(self->fd[1], "ab", 2, 0));
	ASSERT_EQ(1, recv(fd, &c, 1, 0));
	EXPECT_EQ('a', c);
	ASSERT_EQ(0, ioctl(self->fd[0], FIONREAD, &value));
	EXPECT_EQ(1, value);
	/* shutdown() is for all of them, close() for the one. */
	ASSERT_EQ(0, close(fd));
	fd = fcntl(self->fd[0], F_DUPFD_CLOEXEC, 100);
	ASSERT_LE(100, fd);
	ASSERT_EQ(0, shutdown(fd, SHUT_WR));
	EXPECT_EQ(-1, send(self->fd[0], "x", 1, 0));
	EXPECT_EQ(EPIPE, errno);
}

/* dup2() over the last descriptor closes what was there. */
TEST_F(shared, dup2)
{
	int fd[2];
	char c;

	ASSERT_EQ(0, parley_pair(self->l, fd));
	ASSERT_EQ(self->fd[0], dup2(fd[0], self->fd[0]));
	EXPECT_EQ(0, recv(self->fd[1], &c, 1, 0));
	ASSERT_EQ(0, close(fd[0]));
	EXPECT_TRUE(parley_talks(self->fd[0], fd[1]));
}

/* epoll watches the open file: it goes when the last descriptor does. */
TEST_F(shared, epoll_outlives_a_descriptor)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 5 };
	int ep = epoll_create1(0), fd = dup(self->fd[1]);

	ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd[1], &ev));
	ASSERT_EQ(0, close(self->fd[1]));
	ASSERT_EQ(1, send(self->fd[0], "x", 1, 0));
	ASSERT_EQ(1, epoll_wait(ep, &ev, 1, PARLEY_BOUND_MS));
	EXPECT_EQ(5, ev.data.u32);
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	EXPECT_EQ(-1, recv(self->fd[0], &fd, 1, 0));
	EXPECT_EQ(ECONNRESET, errno);
}

/* Whoever sleeps in a call keeps the socket, not the descriptor. */
static long do_recv(void *arg)
{
	char c;
	long n = syscall(SYS_recvfrom, *(int *)arg, &c, 1, 0, NULL, NULL);

	return n < 0 ? -errno : n;
}

TEST_F(shared, closed_by_another_thread)
{
	int fd = self->fd[1];

	ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_recvfrom, do_recv,
					 &fd));
	ASSERT_EQ(0, parley_thread_blocked(&self->thread));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(1, send(self->fd[0], "x", 1, 0));
	EXPECT_EQ(1, parley_thread_join(&self->thread));
	/* Now it is closed, with nothing unread. */
	EXPECT_EQ(POLLHUP, parley_wait(self->fd[0], POLLIN) & POLLHUP);
	EXPECT_EQ(0, recv(self->fd[0], &fd, 1, 0));
}

/* Parent and children write and read the same two sockets: whole pieces. */
static int write_pieces(int fd, unsigned char who)
{
	unsigned char piece[16];
	int i;

	memset(piece, who, sizeof(piece));
	for (i = 0; i < PIECES; i++)
		if (send(fd, piece, sizeof(piece), 0) != sizeof(piece))
			return 1;
	return 0;
}

static int read_pieces(int fd)
{
	unsigned char piece[16];
	int i, k, n;

	for (i = 0;; i++) {
		n = recv(fd, piece, sizeof(piece), 0);
		if (n <= 0)
			return n ? 100 : 0;
		if (n != sizeof(piece))
			return 101;
		for (k = 1; k < n; k++)
			if (piece[k] != piece[0])
				return 102;
	}
}

TEST_F(shared, written_by_many)
{
	unsigned char piece[16];
	int count[CHILDREN] = {};
	pid_t pid[CHILDREN];
	int i, k;

	for (i = 0; i < CHILDREN; i++) {
		pid[i] = parley_fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i]) {
			close(self->fd[1]);
			_exit(write_pieces(self->fd[0], i));
		}
	}
	/* The end comes when the last of them has gone. */
	ASSERT_EQ(0, close(self->fd[0]));
	while (recv(self->fd[1], piece, sizeof(piece), MSG_WAITALL) ==
	       sizeof(piece)) {
		for (k = 1; k < sizeof(piece); k++)
			ASSERT_EQ(piece[0], piece[k]);
		ASSERT_GT(CHILDREN, piece[0]);
		count[piece[0]]++;
	}
	for (i = 0; i < CHILDREN; i++) {
		EXPECT_EQ(PIECES, count[i]);
		EXPECT_EQ(0, parley_reap(pid[i]));
	}
}

TEST_F(shared, read_by_many)
{
	pid_t pid[CHILDREN];
	int i;

	for (i = 0; i < CHILDREN; i++) {
		pid[i] = parley_fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i]) {
			close(self->fd[0]);
			_exit(read_pieces(self->fd[1]));
		}
	}
	EXPECT_EQ(0, write_pieces(self->fd[0], 7));
	ASSERT_EQ(0, close(self->fd[0]));
	for (i = 0; i < CHILDREN; i++)
		EXPECT_EQ(0, parley_reap(pid[i]));
	EXPECT_EQ(0, recv(self->fd[1], &i, 1, 0));
}

/* A child's exit ends nothing while the parent has the socket. */
TEST_F(shared, child_exits)
{
	pid_t pid = parley_fork();

	ASSERT_LE(0, pid);
	if (!pid)
		raise(SIGKILL);
	EXPECT_EQ(128 + SIGKILL, parley_reap(pid));
	EXPECT_TRUE(parley_talks(self->fd[0], self->fd[1]));
	EXPECT_EQ(0, parley_revents(self->fd[1], POLLHUP) & POLLHUP);
}

/* Over exec: what is not close-on-exec stays, the rest is closed. */
TEST_F(shared, exec)
{
	char * const argv[] = { "/bin/busybox", "sh", "-c", "printf hi >&0",
				NULL };
	char buf[8];
	pid_t pid;
	int fd[2];

	ASSERT_EQ(0, parley_pair(self->l, fd));
	ASSERT_EQ(0, fcntl(fd[0], F_SETFD, FD_CLOEXEC));
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		dup2(self->fd[0], 0);
		execv(argv[0], argv);
		_exit(9);
	}
	ASSERT_EQ(0, close(self->fd[0]));
	ASSERT_EQ(0, close(fd[0]));
	EXPECT_EQ(0, parley_reap(pid));
	ASSERT_EQ(2, recv(self->fd[1], buf, sizeof(buf), MSG_WAITALL));
	EXPECT_EQ(0, memcmp(buf, "hi", 2));
	EXPECT_EQ(0, recv(fd[1], buf, 1, 0));
}

TEST_HARNESS_MAIN
