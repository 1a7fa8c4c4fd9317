// SPDX-License-Identifier: GPL-2.0
/*
 * How connections end: half-closed, closed, reset and aborted, seen by readers
 * and writers that come afterwards and by those that were asleep.
 */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/ioctl.h>

#include "lib.h"
#include "lib_end.h"

#define PORT	6500
#define BUFFER	6144
#define LIMIT	(2 * BUFFER)

static char bytes[4 * LIMIT];

FIXTURE(shutdown) {
	int listener;
	int fd[2];		/* [0] called, [1] was accepted */
	struct parley_thread thread;
};

FIXTURE_SETUP(shutdown)
{
	sigset_t set;

	ASSERT_EQ(0, parley_ns_enter());
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	self->listener = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, parley_set_sockopt(self->listener, SOL_SOCKET, SO_SNDBUF,
					BUFFER));
	ASSERT_EQ(0, parley_pair(self->listener, self->fd));
	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF,
					BUFFER));
}

FIXTURE_TEARDOWN(shutdown)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Is there a SIGPIPE? It is taken away by asking. */
static bool piped(void)
{
	struct timespec now = {};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	return sigtimedwait(&set, NULL, &now) == SIGPIPE;
}

static long get(int fd, size_t n)
{
	long got = recv(fd, bytes, n, MSG_DONTWAIT);

	return got < 0 ? -errno : got;
}

static long put(int fd, size_t n)
{
	long sent = send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	return sent < 0 ? -errno : sent;
}

TEST_F(shutdown, arguments)
{
	int fd = parley_socket(0);

	EXPECT_EQ(-1, shutdown(self->fd[0], 3));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, shutdown(self->fd[0], -1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, shutdown(fd, SHUT_RDWR));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_EQ(-1, shutdown(self->listener, SHUT_WR));
	EXPECT_EQ(ENOTCONN, errno);
	EXPECT_TRUE(parley_talks(self->fd[0], self->fd[1]));
}

TEST_F(shutdown, write)
{
	ASSERT_EQ(3, put(self->fd[0], 3));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(-EPIPE, put(self->fd[0], 1));
	EXPECT_FALSE(piped());
	EXPECT_EQ(-1, write(self->fd[0], bytes, 1));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_TRUE(piped());
	/* The rest, then the end, as often as one likes. */
	EXPECT_EQ(2, get(self->fd[1], 2));
	EXPECT_EQ(1, get(self->fd[1], 2));
	EXPECT_EQ(0, get(self->fd[1], 2));
	EXPECT_EQ(0, get(self->fd[1], 2));
	/* The other direction does not mind, and once more is no error. */
	EXPECT_EQ(5, put(self->fd[1], 5));
	EXPECT_EQ(5, get(self->fd[0], 9));
	EXPECT_EQ(-EAGAIN, get(self->fd[0], 9));
	EXPECT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(0, parley_so_error(self->fd[0]));
	EXPECT_EQ(0, parley_so_error(self->fd[1]));
}

TEST_F(shutdown, read)
{
	ASSERT_EQ(3, put(self->fd[1], 3));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_RD));
	EXPECT_EQ(3, get(self->fd[0], 9));
	EXPECT_EQ(0, get(self->fd[0], 9));
	EXPECT_EQ(-EPIPE, put(self->fd[1], 1));
	EXPECT_EQ(-1, write(self->fd[1], bytes, 1));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_TRUE(piped());
	/* The other direction does not mind. */
	EXPECT_EQ(5, put(self->fd[0], 5));
	EXPECT_EQ(5, get(self->fd[1], 9));
}

TEST_F(shutdown, both)
{
	ASSERT_EQ(3, put(self->fd[0], 3));
	ASSERT_EQ(4, put(self->fd[1], 4));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_RDWR));
	EXPECT_EQ(4, get(self->fd[0], 9));
	EXPECT_EQ(0, get(self->fd[0], 9));
	EXPECT_EQ(3, get(self->fd[1], 9));
	EXPECT_EQ(0, get(self->fd[1], 9));
	EXPECT_EQ(-EPIPE, put(self->fd[0], 1));
	EXPECT_EQ(-EPIPE, put(self->fd[1], 1));
	EXPECT_FALSE(piped());
	/* An end that is read to the end is no connection to call from. */
	EXPECT_EQ(-EISCONN, test_connect(self->fd[0], "127.0.0.1", PORT));
}

TEST_F(shutdown, close_in_order)
{
	ASSERT_EQ(3, put(self->fd[0], 3));
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(3, get(self->fd[1], 9));
	EXPECT_EQ(0, get(self->fd[1], 9));
	EXPECT_EQ(-EPIPE, put(self->fd[1], 1));
	EXPECT_FALSE(piped());
	EXPECT_EQ(-1, write(self->fd[1], bytes, 1));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_TRUE(piped());
	EXPECT_EQ(0, parley_so_error(self->fd[1]));
	EXPECT_EQ(-EISCONN, test_connect(self->fd[1], "127.0.0.1", PORT));
}

/* The server says everything it has to say and goes. */
TEST_F(shutdown, close_at_once)
{
	int fd = parley_call("127.0.0.1", PORT), got;

	ASSERT_LE(0, fd);
	got = test_accept(self->listener, 0);
	ASSERT_LE(0, got);
	ASSERT_EQ(LIMIT, put(got, LIMIT));
	ASSERT_EQ(0, close(got));
	ASSERT_EQ(POLLOUT, parley_revents(fd, POLLOUT) & POLLOUT);
	EXPECT_EQ(LIMIT, get(fd, sizeof(bytes)));
	EXPECT_EQ(0, get(fd, 1));
}

TEST_F(shutdown, close_one_of_two_descriptors)
{
	int fd = dup(self->fd[0]);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(-EAGAIN, get(self->fd[1], 1));
	EXPECT_TRUE(parley_talks(fd, self->fd[1]));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(0, get(self->fd[1], 1));
}

TEST_F(shutdown, exit)
{
	pid_t child = parley_fork();

	ASSERT_LE(0, child);
	if (!child) {
		close(self->fd[1]);
		_exit(send(self->fd[0], bytes, 3, 0) == 3 ? 0 : 1);
	}
	ASSERT_EQ(0, close(self->fd[0]));
	ASSERT_EQ(0, parley_reap(child));
	EXPECT_EQ(3, get(self->fd[1], 9));
	EXPECT_EQ(0, get(self->fd[1], 9));
}

TEST_F(shutdown, sigpipe_kills)
{
	pid_t child;

	ASSERT_EQ(0, close(self->fd[1]));
	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child) {
		sigset_t set;

		sigemptyset(&set);
		sigprocmask(SIG_SETMASK, &set, NULL);
		signal(SIGPIPE, SIG_DFL);
		if (send(self->fd[0], bytes, 1, MSG_NOSIGNAL) != -1)
			_exit(1);
		if (write(self->fd[0], bytes, 1) != -1)
			_exit(2);
		_exit(3);
	}
	EXPECT_EQ(128 + SIGPIPE, parley_reap(child));
}

/* Who closes with something unread resets: what is in flight comes first. */
static int reset(int *fd)
{
	if (put(fd[1], 1) != 1 || put(fd[0], 3) != 3)
		return -EIO;
	return close(fd[0]) ? -errno : 0;
}

TEST_F(shutdown, reset_seen_by_reader)
{
	ASSERT_EQ(0, reset(self->fd));
	EXPECT_EQ(3, get(self->fd[1], 9));
	EXPECT_EQ(-ECONNRESET, get(self->fd[1], 9));
	EXPECT_EQ(0, get(self->fd[1], 9));
	EXPECT_EQ(0, parley_so_error(self->fd[1]));
	EXPECT_EQ(-EPIPE, put(self->fd[1], 1));
}

TEST_F(shutdown, reset_seen_by_writer)
{
	ASSERT_EQ(0, reset(self->fd));
	EXPECT_EQ(-1, write(self->fd[1], bytes, 1));
	EXPECT_EQ(ECONNRESET, errno);
	EXPECT_FALSE(piped());
	EXPECT_EQ(-EPIPE, put(self->fd[1], 1));
	EXPECT_EQ(3, get(self->fd[1], 9));
	EXPECT_EQ(0, get(self->fd[1], 9));
}

TEST_F(shutdown, reset_seen_by_so_error)
{
	ASSERT_EQ(0, reset(self->fd));
	EXPECT_EQ(ECONNRESET, parley_so_error(self->fd[1]));
	EXPECT_EQ(0, parley_so_error(self->fd[1]));
	EXPECT_EQ(3, get(self->fd[1], 9));
	EXPECT_EQ(0, get(self->fd[1], 9));
	EXPECT_EQ(-EPIPE, put(self->fd[1], 1));
}

/* Read to the last byte, closing is in order. */
TEST_F(shutdown, no_reset_when_all_was_read)
{
	ASSERT_EQ(LIMIT, put(self->fd[1], LIMIT));
	ASSERT_EQ(LIMIT, get(self->fd[0], LIMIT));
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(0, parley_so_error(self->fd[1]));
	EXPECT_EQ(0, get(self->fd[1], 9));
}

TEST_F(shutdown, linger_aborts)
{
	struct linger rude = { .l_onoff = 1, .l_linger = 0 };

	ASSERT_EQ(0, setsockopt(self->fd[0], SOL_SOCKET, SO_LINGER, &rude,
				sizeof(rude)));
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(-ECONNRESET, get(self->fd[1], 9));
	EXPECT_EQ(0, get(self->fd[1], 9));
	EXPECT_EQ(-EPIPE, put(self->fd[1], 1));
}

TEST_F(shutdown, linger_waits_for_nobody)
{
	struct linger polite = { .l_onoff = 1, .l_linger = 3000 };

	/* The data is with the peer already, there is nothing to wait for. */
	ASSERT_EQ(0, setsockopt(self->fd[0], SOL_SOCKET, SO_LINGER, &polite,
				sizeof(polite)));
	ASSERT_EQ(3, put(self->fd[0], 3));
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(3, get(self->fd[1], 9));
	EXPECT_EQ(0, get(self->fd[1], 9));
}

/* Sleepers: a reader of fd[1] and a writer to fd[0], whose buffer is full. */
static long do_recv(void *arg)
{
	long n = syscall(SYS_recvfrom, *(int *)arg, bytes, 10, 0, NULL, NULL);

	return n < 0 ? -errno : n;
}

static long do_send(void *arg)
{
	long n = syscall(SYS_sendto, *(int *)arg, bytes, 10, MSG_NOSIGNAL,
			 NULL, 0);

	return n < 0 ? -errno : n;
}

TEST_F(shutdown, wakes_reader)
{
	static const struct {
		enum end_event event;
		long result;
	} cases[] = {
		{ PEER_SHUTS_WRITE, 0 },
		{ PEER_SHUTS_BOTH, 0 },
		{ PEER_CLOSES, 0 },
		{ PEER_ABORTS, -ECONNRESET },
		{ SELF_SHUTS_READ, 0 },
		{ SELF_SHUTS_BOTH, 0 },
	};
	unsigned int i;
	int fd[2];

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, parley_pair(self->listener, fd));
		ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_recvfrom,
						 do_recv, &fd[1]));
		ASSERT_EQ(0, parley_thread_blocked(&self->thread));
		end_happen(cases[i].event, fd[1], fd[0]);
		EXPECT_EQ(cases[i].result, parley_thread_join(&self->thread)) {
			TH_LOG("case %u", i);
		}
	}
}

TEST_F(shutdown, wakes_writer)
{
	static const struct {
		enum end_event event;
		long result;
	} cases[] = {
		{ PEER_SHUTS_READ, -EPIPE },
		{ PEER_SHUTS_BOTH, -EPIPE },
		/* The full buffer is what it has not read. */
		{ PEER_CLOSES, -ECONNRESET },
		{ PEER_ABORTS, -ECONNRESET },
		{ SELF_SHUTS_WRITE, -EPIPE },
		{ SELF_SHUTS_BOTH, -EPIPE },
	};
	unsigned int i;
	int fd[2];

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, parley_pair(self->listener, fd));
		ASSERT_EQ(LIMIT, put(fd[1], sizeof(bytes)));
		ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_sendto,
						 do_send, &fd[1]));
		ASSERT_EQ(0, parley_thread_blocked(&self->thread));
		end_happen(cases[i].event, fd[1], fd[0]);
		EXPECT_EQ(cases[i].result, parley_thread_join(&self->thread)) {
			TH_LOG("case %u", i);
		}
	}
}

/* What does not concern a sleeper does not end its call. */
TEST_F(shutdown, leaves_others_asleep)
{
	struct parley_thread *t = &self->thread;
	int inq = -1;

	ASSERT_EQ(0, parley_thread_start(t, SYS_recvfrom, do_recv,
					 &self->fd[1]));
	ASSERT_EQ(0, parley_thread_blocked(t));
	ASSERT_EQ(0, shutdown(self->fd[1], SHUT_WR));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_RD));
	ASSERT_EQ(0, parley_thread_blocked(t));
	ASSERT_EQ(2, put(self->fd[0], 2));
	EXPECT_EQ(2, parley_thread_join(t));
	ASSERT_EQ(0, ioctl(self->fd[1], FIONREAD, &inq));
	EXPECT_EQ(0, inq);
}

/* The same for a reader that insists on more: what it has, then the error. */
static long do_recv_all(void *arg)
{
	long n = syscall(SYS_recvfrom, *(int *)arg, bytes, 10, MSG_WAITALL,
			 NULL, NULL);

	return n < 0 ? -errno : n;
}

TEST_F(shutdown, partial_read_and_reset)
{
	struct linger rude = { .l_onoff = 1, .l_linger = 0 };

	ASSERT_EQ(3, put(self->fd[0], 3));
	ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_recvfrom,
					 do_recv_all, &self->fd[1]));
	ASSERT_EQ(0, parley_thread_blocked(&self->thread));
	ASSERT_EQ(0, setsockopt(self->fd[0], SOL_SOCKET, SO_LINGER, &rude,
				sizeof(rude)));
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(3, parley_thread_join(&self->thread));
	EXPECT_EQ(-ECONNRESET, get(self->fd[1], 1));
	EXPECT_EQ(0, get(self->fd[1], 1));
}

/* A writer that has got rid of a part of it says how much that was. */
static long do_send_much(void *arg)
{
	long n = syscall(SYS_sendto, *(int *)arg, bytes, sizeof(bytes),
			 MSG_NOSIGNAL, NULL, 0);

	return n < 0 ? -errno : n;
}

TEST_F(shutdown, partial_write)
{
	ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_sendto,
					 do_send_much, &self->fd[0]));
	ASSERT_EQ(0, parley_thread_blocked(&self->thread));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(LIMIT, parley_thread_join(&self->thread));
	EXPECT_EQ(-EPIPE, put(self->fd[0], 1));
	EXPECT_EQ(LIMIT, get(self->fd[1], sizeof(bytes)));
	EXPECT_EQ(0, get(self->fd[1], 1));
}

TEST_F(shutdown, partial_write_and_reset)
{
	ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_sendto,
					 do_send_much, &self->fd[0]));
	ASSERT_EQ(0, parley_thread_blocked(&self->thread));
	ASSERT_EQ(0, close(self->fd[1]));
	EXPECT_EQ(LIMIT, parley_thread_join(&self->thread));
	/* The error was kept for the next one who asks. */
	EXPECT_EQ(-ECONNRESET, put(self->fd[0], 1));
	EXPECT_EQ(-EPIPE, put(self->fd[0], 1));
	EXPECT_EQ(0, get(self->fd[0], 1));
}

TEST_HARNESS_MAIN
