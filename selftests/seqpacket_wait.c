// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting with records: who blocks and what ends that, poll and epoll, and
 * how connections of records end.
 */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/epoll.h>

#include "lib.h"
#include "lib_end.h"
#include "lib_race.h"
#include "lib_record.h"

#define PORT	7500
#define BUFFER	6144
#define LIMIT	(2 * BUFFER)
/* The longest record of which one fits, and then no other of the kind. */
#define LONG	9000

static unsigned char out[4 * LIMIT], in[4 * LIMIT];

FIXTURE(seqwait) {
	int listener;
	int fd[2];		/* [0] called, [1] was accepted */
	struct parley_thread thread;
};

FIXTURE_SETUP(seqwait)
{
	sigset_t set;
	int i;

	for (i = 0; i < sizeof(out); i++)
		out[i] = i ^ i / 251;
	ASSERT_EQ(0, parley_ns_enter());
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	self->listener = record_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, parley_set_sockopt(self->listener, SOL_SOCKET, SO_SNDBUF,
					BUFFER));
	ASSERT_EQ(0, parley_set_sockopt(self->listener, SOL_SOCKET, SO_RCVBUF,
					BUFFER));
	ASSERT_EQ(0, parley_pair(self->listener, self->fd));
}

FIXTURE_TEARDOWN(seqwait)
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

/* A blocking send() or recv() as a thread. */
struct transfer {
	int fd;
	size_t len;
	int flags;
};

static struct transfer transfer;

static long do_send(void *arg)
{
	struct transfer *t = arg;
	long n = syscall(SYS_sendto, t->fd, out, t->len, t->flags, NULL, 0);

	return n < 0 ? -errno : n;
}

static long do_recv(void *arg)
{
	struct transfer *t = arg;
	long n = syscall(SYS_recvfrom, t->fd, in, t->len, t->flags, NULL, NULL);

	return n < 0 ? -errno : n;
}

static int send_start(struct parley_thread *t, int fd, size_t len)
{
	int err;

	transfer = (struct transfer){ fd, len, MSG_NOSIGNAL };
	err = parley_thread_start(t, SYS_sendto, do_send, &transfer);
	return err ?: parley_thread_blocked(t);
}

static int recv_start(struct parley_thread *t, int fd, size_t len, int flags)
{
	int err;

	transfer = (struct transfer){ fd, len, flags };
	err = parley_thread_start(t, SYS_recvfrom, do_recv, &transfer);
	return err ?: parley_thread_blocked(t);
}

TEST_F(seqwait, recv)
{
	struct parley_thread *t = &self->thread;

	ASSERT_EQ(0, recv_start(t, self->fd[1], sizeof(in), 0));
	ASSERT_EQ(7, record_put(self->fd[0], out, 7, 0));
	EXPECT_EQ(7, parley_thread_join(t));
	ASSERT_EQ(0, recv_start(t, self->fd[1], sizeof(in), MSG_PEEK));
	ASSERT_EQ(7, record_put(self->fd[0], out, 7, 0));
	EXPECT_EQ(7, parley_thread_join(t));
	EXPECT_EQ(7, record_get(self->fd[1], in, 9, 0, NULL));
	/* A record without a byte wakes as well, also who has no room. */
	ASSERT_EQ(0, recv_start(t, self->fd[1], sizeof(in), 0));
	ASSERT_EQ(0, record_put(self->fd[0], out, 0, 0));
	EXPECT_EQ(0, parley_thread_join(t));
	ASSERT_EQ(0, recv_start(t, self->fd[1], 0, MSG_TRUNC));
	ASSERT_EQ(7, record_put(self->fd[0], out, 7, 0));
	EXPECT_EQ(7, parley_thread_join(t));
	EXPECT_EQ(0, record_unsent(self->fd[0]));
}

/* It enters as a whole, or not at all; what is shorter need not wait. */
TEST_F(seqwait, send)
{
	struct parley_thread *t = &self->thread;

	ASSERT_EQ(LONG, record_put(self->fd[0], out, LONG, 0));
	ASSERT_EQ(0, send_start(t, self->fd[0], LONG));
	EXPECT_EQ(LONG, record_queued(self->fd[1]));
	ASSERT_EQ(100, record_put(self->fd[0], out, 100, 0));
	ASSERT_EQ(0, parley_thread_blocked(t));
	ASSERT_EQ(LONG, record_get(self->fd[1], in, sizeof(in), 0, NULL));
	EXPECT_EQ(LONG, parley_thread_join(t));
	EXPECT_EQ(100, record_get(self->fd[1], in, sizeof(in), 0, NULL));
	EXPECT_EQ(LONG, record_get(self->fd[1], in, sizeof(in), 0, NULL));
	EXPECT_EQ(0, memcmp(out, in, LONG));
}

TEST_F(seqwait, interrupted)
{
	struct parley_thread *t = &self->thread;

	ASSERT_EQ(0, parley_catch(SIGUSR1, 0));
	ASSERT_EQ(0, recv_start(t, self->fd[1], 100, 0));
	ASSERT_EQ(0, parley_thread_kill(t, SIGUSR1));
	EXPECT_EQ(-EINTR, parley_thread_join(t));
	ASSERT_EQ(LONG, record_put(self->fd[0], out, LONG, 0));
	ASSERT_EQ(0, send_start(t, self->fd[0], LONG));
	ASSERT_EQ(0, parley_thread_kill(t, SIGUSR1));
	EXPECT_EQ(-EINTR, parley_thread_join(t));
	EXPECT_EQ(LONG, record_queued(self->fd[1]));

	ASSERT_EQ(0, parley_catch(SIGUSR1, SA_RESTART));
	ASSERT_EQ(0, send_start(t, self->fd[0], LONG));
	ASSERT_EQ(0, parley_thread_kill(t, SIGUSR1));
	ASSERT_EQ(0, parley_thread_blocked(t));
	ASSERT_EQ(LONG, record_get(self->fd[1], in, sizeof(in), 0, NULL));
	EXPECT_EQ(LONG, parley_thread_join(t));
	/* With a time-out there is no going on. */
	ASSERT_EQ(0, parley_timeo(self->fd[0], SO_SNDTIMEO, 60000));
	ASSERT_EQ(0, send_start(t, self->fd[0], LONG));
	ASSERT_EQ(0, parley_thread_kill(t, SIGUSR1));
	EXPECT_EQ(-EINTR, parley_thread_join(t));
	EXPECT_EQ(LONG, record_queued(self->fd[1]));
}

TEST_F(seqwait, timeouts)
{
	__u64 begun;

	ASSERT_EQ(0, parley_timeo(self->fd[1], SO_RCVTIMEO, 60));
	begun = race_ticks_ns();
	EXPECT_EQ(-1, recv(self->fd[1], in, 1, 0));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LE(60, race_ticks_ms(begun));
	ASSERT_EQ(LONG, record_put(self->fd[0], out, LONG, 0));
	ASSERT_EQ(0, parley_timeo(self->fd[0], SO_SNDTIMEO, 60));
	begun = race_ticks_ns();
	EXPECT_EQ(-1, send(self->fd[0], out, LONG, 0));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LE(60, race_ticks_ms(begun));
	EXPECT_EQ(LONG, record_queued(self->fd[1]));
	ASSERT_EQ(0, parley_nonblock(self->fd[0], true));
	EXPECT_EQ(-1, write(self->fd[0], out, LONG));
	EXPECT_EQ(EAGAIN, errno);
}

/* A buffer that shrinks, or grows, under one who waits for room. */
TEST_F(seqwait, buffer_changes)
{
	struct parley_thread *t = &self->thread;
	int end;

	for (end = 0; end < 2; end++) {
		int name = end ? SO_RCVBUF : SO_SNDBUF;

		ASSERT_EQ(0, parley_set_sockopt(self->fd[end], SOL_SOCKET, name,
						LONG / 2));
		ASSERT_EQ(LONG, record_put(self->fd[0], out, LONG, 0));
		ASSERT_EQ(0, send_start(t, self->fd[0], LONG));
		ASSERT_EQ(0, parley_set_sockopt(self->fd[end], SOL_SOCKET, name,
						LONG / 2 - 1));
		/* It is too long now, and told so when there is room. */
		ASSERT_EQ(LONG, record_get(self->fd[1], in, LONG, 0, NULL));
		EXPECT_EQ(-EMSGSIZE, parley_thread_join(t));
		EXPECT_EQ(0, record_unsent(self->fd[0]));
		ASSERT_EQ(0, parley_set_sockopt(self->fd[end], SOL_SOCKET, name,
						10 * LONG));
	}

	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF,
					LONG / 2));
	ASSERT_EQ(LONG, record_put(self->fd[0], out, LONG, 0));
	ASSERT_EQ(0, send_start(t, self->fd[0], LONG));
	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF,
					4 * LONG));
	EXPECT_EQ(LONG, parley_thread_join(t));
	EXPECT_EQ(2 * LONG, record_queued(self->fd[1]));
}

/* POLLOUT: any record that is allowed at all enters at once. */
TEST_F(seqwait, poll_out)
{
	int n;

	for (n = 0; record_put(self->fd[0], out, 100, 0) == 100; n++)
		;
	EXPECT_EQ(0, parley_revents(self->fd[0], POLLOUT));
	while (!parley_revents(self->fd[0], POLLOUT)) {
		ASSERT_EQ(100, record_get(self->fd[1], in, 100, 0, NULL));
		n--;
	}
	EXPECT_LT(record_unsent(self->fd[0]), LIMIT - LIMIT / 3 + 1);
	EXPECT_GT(record_unsent(self->fd[0]), LIMIT - LIMIT / 3 - 200);
	ASSERT_EQ(LIMIT, record_put(self->fd[0], out, LIMIT, 0));
	EXPECT_EQ(-EAGAIN, record_put(self->fd[0], out, 0, 0));
	while (n--)
		ASSERT_EQ(100, record_get(self->fd[1], in, 100, 0, NULL));
	EXPECT_EQ(LIMIT, record_get(self->fd[1], in, sizeof(in), 0, NULL));
	EXPECT_EQ(0, memcmp(out, in, LIMIT));
}

static int watch(int epoll, int fd, unsigned int events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* The events of the next descriptor, 0 if there is none right now. */
static int next(int epoll)
{
	struct epoll_event event = {};
	int n = epoll_wait(epoll, &event, 1, 0);

	return n < 0 ? -errno : n ? (int)event.events : 0;
}

/* Each record is an edge, without a byte too, and with others unread. */
TEST_F(seqwait, edges_in)
{
	int epoll = epoll_create1(0);

	ASSERT_LE(0, epoll);
	ASSERT_EQ(0, watch(epoll, self->fd[1], EPOLLIN | EPOLLET));
	EXPECT_EQ(0, next(epoll));
	ASSERT_EQ(3, record_put(self->fd[0], out, 3, 0));
	EXPECT_EQ(EPOLLIN, next(epoll));
	EXPECT_EQ(0, next(epoll));
	ASSERT_EQ(0, record_put(self->fd[0], out, 0, 0));
	EXPECT_EQ(EPOLLIN, next(epoll));
	/* A part of it is all of it. */
	EXPECT_EQ(1, record_get(self->fd[1], in, 1, 0, NULL));
	EXPECT_EQ(0, next(epoll));
	EXPECT_EQ(0, record_get(self->fd[1], in, 1, 0, NULL));
	EXPECT_EQ(-EAGAIN, record_get(self->fd[1], in, 1, 0, NULL));
	ASSERT_EQ(0, record_put(self->fd[0], out, 0, 0));
	EXPECT_EQ(EPOLLIN, next(epoll));
}

TEST_F(seqwait, edges_out)
{
	int epoll = epoll_create1(0), n = 0;

	ASSERT_LE(0, epoll);
	ASSERT_EQ(0, watch(epoll, self->fd[0], EPOLLOUT | EPOLLET));
	EXPECT_EQ(EPOLLOUT, next(epoll));
	EXPECT_EQ(0, next(epoll));
	while (record_put(self->fd[0], out, 1000, 0) == 1000)
		n++;
	EXPECT_EQ(0, next(epoll));
	/* Not for each bit of room, but once there is plenty. */
	ASSERT_EQ(1000, record_get(self->fd[1], in, 1000, 0, NULL));
	EXPECT_EQ(0, next(epoll));
	while (--n)
		ASSERT_EQ(1000, record_get(self->fd[1], in, 1000, 0, NULL));
	EXPECT_EQ(EPOLLOUT, next(epoll));
	EXPECT_EQ(0, next(epoll));
}

/* What is in flight arrives first, then the end, as often as one likes. */
TEST_F(seqwait, shutdown)
{
	int flags;

	ASSERT_EQ(3, record_put(self->fd[0], out, 3, MSG_EOR));
	ASSERT_EQ(0, record_put(self->fd[0], out, 0, MSG_EOR));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(-EPIPE, record_put(self->fd[0], out, 1, 0));
	EXPECT_EQ(-EPIPE, record_put(self->fd[0], out, 0, 0));
	/* That is said before how long it may be. */
	EXPECT_EQ(-EPIPE, record_put(self->fd[0], out, LIMIT + 1, 0));
	EXPECT_EQ(-1, write(self->fd[0], out, 1));
	EXPECT_EQ(EPIPE, errno);
	/* SIGPIPE is for streams. */
	EXPECT_FALSE(piped());
	EXPECT_EQ(POLLIN | POLLRDHUP, parley_revents(self->fd[1], POLLIN |
						     POLLRDHUP));
	EXPECT_EQ(3, record_get(self->fd[1], in, 9, 0, &flags));
	EXPECT_EQ(0, record_get(self->fd[1], in, 9, 0, &flags));
	EXPECT_EQ(MSG_EOR, flags);
	EXPECT_EQ(0, record_get(self->fd[1], in, 9, 0, &flags));
	EXPECT_EQ(0, flags);
	EXPECT_EQ(0, recv(self->fd[1], in, 9, MSG_PEEK));
	EXPECT_EQ(0, recv(self->fd[1], in, 9, MSG_TRUNC));
	/* The other direction does not mind. */
	EXPECT_EQ(5, record_put(self->fd[1], out, 5, 0));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_RD));
	EXPECT_EQ(5, record_get(self->fd[0], in, 9, 0, NULL));
	EXPECT_EQ(0, record_get(self->fd[0], in, 9, 0, NULL));
	EXPECT_EQ(-EPIPE, record_put(self->fd[1], out, 5, 0));
	EXPECT_EQ(0, parley_so_error(self->fd[0]));
	EXPECT_EQ(0, parley_so_error(self->fd[1]));
}

TEST_F(seqwait, close)
{
	ASSERT_EQ(3, record_put(self->fd[0], out, 3, 0));
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(POLLIN | POLLHUP, parley_revents(self->fd[1], POLLIN));
	EXPECT_EQ(3, record_get(self->fd[1], in, 9, 0, NULL));
	EXPECT_EQ(0, record_get(self->fd[1], in, 9, 0, NULL));
	EXPECT_EQ(-EPIPE, record_put(self->fd[1], out, 1, 0));
	EXPECT_EQ(0, parley_so_error(self->fd[1]));
}

/* Who closes with something unread resets, were it a record without a byte. */
TEST_F(seqwait, reset)
{
	struct linger rude = { .l_onoff = 1, .l_linger = 0 };
	int i, fd[2];

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, parley_pair(self->listener, fd));
		if (i < 2) {
			ASSERT_EQ(i, record_put(fd[1], out, i, 0));
		} else {
			ASSERT_EQ(0, setsockopt(fd[0], SOL_SOCKET, SO_LINGER,
						&rude, sizeof(rude)));
		}
		ASSERT_EQ(3, record_put(fd[0], out, 3, 0));
		ASSERT_EQ(0, close(fd[0]));
		EXPECT_EQ(3, record_get(fd[1], in, 9, 0, NULL));
		EXPECT_EQ(-ECONNRESET, record_get(fd[1], in, 9, 0, NULL));
		EXPECT_EQ(0, record_get(fd[1], in, 9, 0, NULL));
		EXPECT_EQ(-EPIPE, record_put(fd[1], out, 1, 0));
		ASSERT_EQ(0, close(fd[1]));
	}
	ASSERT_EQ(3, record_put(self->fd[1], out, 3, 0));
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(-1, write(self->fd[1], out, 1));
	EXPECT_EQ(ECONNRESET, errno);
	EXPECT_FALSE(piped());
	EXPECT_EQ(-EPIPE, record_put(self->fd[1], out, 1, 0));
}

/* Sleepers: a reader of fd[1] and a writer to fd[0], where there is no room. */
TEST_F(seqwait, wakes_reader)
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
		ASSERT_EQ(0, recv_start(&self->thread, fd[1], 10, 0));
		end_happen(cases[i].event, fd[1], fd[0]);
		EXPECT_EQ(cases[i].result, parley_thread_join(&self->thread)) {
			TH_LOG("case %u", i);
		}
	}
}

TEST_F(seqwait, wakes_writer)
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
		ASSERT_EQ(LONG, record_put(fd[1], out, LONG, 0));
		ASSERT_EQ(0, send_start(&self->thread, fd[1], LONG));
		end_happen(cases[i].event, fd[1], fd[0]);
		EXPECT_EQ(cases[i].result, parley_thread_join(&self->thread)) {
			TH_LOG("case %u", i);
		}
	}
}

TEST_HARNESS_MAIN
