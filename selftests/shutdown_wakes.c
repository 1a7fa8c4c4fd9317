// SPDX-License-Identifier: GPL-2.0
/*
 * Shutting down, closing and aborting while somebody waits at the other end,
 * or at this one: whatever they wait in, they wake up and see why. Those in
 * send() and recv() are in shutdown.c, in splice() in splice_flow.c, in
 * recvmmsg() in mmsg.c, and with io_uring in uring_data.c.
 */
#include "kselftest_harness.h"

#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/uio.h>

#include "lib.h"
#include "lib_end.h"

#define PORT	7640
#define BUFFER	6144

static char bytes[1 << 16];

FIXTURE(wakes) {
	int l;
	struct parley_thread thread;
};

FIXTURE_SETUP(wakes)
{
	signal(SIGPIPE, SIG_IGN);
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_set_sockopt(self->l, SOL_SOCKET, SO_SNDBUF,
					BUFFER));
}

FIXTURE_TEARDOWN(wakes)
{
	EXPECT_EQ(0, parley_expect_clean());
}

struct waiter {
	int fd;
	int ep;
	unsigned int events;
};

static long wait_poll(void *arg)
{
	struct waiter *w = arg;
	struct pollfd p = { w->fd, w->events };

	if (syscall(SYS_poll, &p, 1, PARLEY_BOUND_MS) < 0)
		return -errno;
	return p.revents;
}

static long wait_select(void *arg)
{
	struct waiter *w = arg;
	fd_set set;
	long n;

	FD_ZERO(&set);
	FD_SET(w->fd, &set);
	n = syscall(SYS_select, w->fd + 1, w->events & POLLIN ? &set : NULL,
		    w->events & POLLOUT ? &set : NULL, NULL, NULL);
	return n < 0 ? -errno : n;
}

static long wait_epoll(void *arg)
{
	struct waiter *w = arg;
	struct epoll_event ev = {};

	if (syscall(SYS_epoll_wait, w->ep, &ev, 1, PARLEY_BOUND_MS) < 0)
		return -errno;
	return ev.events;
}

/* What a waiter with these events sees, for each of the ends */
static const struct {
	unsigned int in;		/* POLLIN | POLLRDHUP */
	unsigned int out;		/* POLLOUT, of a full connection */
} seen[END_EVENTS] = {
	[PEER_SHUTS_WRITE] = { POLLIN | POLLRDHUP, 0 },
	[PEER_SHUTS_READ] = { 0, POLLOUT },
	[PEER_SHUTS_BOTH] = { POLLIN | POLLRDHUP | POLLHUP,
			      POLLOUT | POLLHUP },
	[PEER_CLOSES] = { POLLIN | POLLRDHUP | POLLHUP,
			  POLLOUT | POLLHUP | POLLERR },
	[PEER_ABORTS] = { POLLIN | POLLRDHUP | POLLHUP | POLLERR,
			  POLLOUT | POLLHUP | POLLERR },
	[SELF_SHUTS_READ] = { POLLIN | POLLRDHUP, 0 },
	[SELF_SHUTS_WRITE] = { 0, POLLOUT },
	[SELF_SHUTS_BOTH] = { POLLIN | POLLRDHUP | POLLHUP, POLLOUT | POLLHUP },
};

static void fill(int fd)
{
	while (send(fd, bytes, 1000, MSG_DONTWAIT | MSG_NOSIGNAL) > 0 ||
	       send(fd, bytes, 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
}

/*
 * A closing peer is seen in steps: first that it has gone, then that it will
 * write no more. Whoever wakes in between sees a part.
 */
static bool is_part_of(unsigned int is, unsigned int all)
{
	return is && !(is & ~all);
}

static void each_end(struct __test_metadata *_metadata,
		     struct _test_data_wakes *self, long nr,
		     long (*fn)(void *arg), unsigned int flags)
{
	struct epoll_event ev = {};
	unsigned int all;
	struct waiter w;
	int fd[2], e, out;
	long result;

	for (e = 0; e < END_EVENTS; e++)
		for (out = 0; out < 2; out++) {
			all = out ? seen[e].out : seen[e].in;
			if (!all)
				continue;
			ASSERT_EQ(0, parley_pair(self->l, fd));
			if (out)
				fill(fd[1]);
			w.fd = fd[1];
			w.events = out ? POLLOUT : POLLIN | POLLRDHUP;
			w.ep = epoll_create1(0);
			ev.events = w.events | flags;
			ASSERT_EQ(0, epoll_ctl(w.ep, EPOLL_CTL_ADD, fd[1],
					       &ev));
			ASSERT_EQ(0, parley_thread_start(&self->thread, nr, fn,
							 &w));
			ASSERT_EQ(0, parley_thread_blocked(&self->thread));
			end_happen(e, fd[1], fd[0]);
			result = parley_thread_join(&self->thread);
			EXPECT_TRUE(nr == SYS_select ? result == 1 :
				    is_part_of(result, all)) {
				TH_LOG("case %d %d: %lx", e, out, result);
			}
			/* And in the end it is all there. */
			EXPECT_EQ(all, parley_revents(fd[1], w.events)) {
				TH_LOG("case %d %d", e, out);
			}
			close(w.ep);
			close(fd[0]);
			close(fd[1]);
		}
}

TEST_F(wakes, poll)
{
	each_end(_metadata, self, SYS_poll, wait_poll, 0);
}

TEST_F(wakes, select)
{
	each_end(_metadata, self, SYS_select, wait_select, 0);
}

TEST_F(wakes, epoll)
{
	each_end(_metadata, self, SYS_epoll_wait, wait_epoll, 0);
}

TEST_F(wakes, epoll_edge)
{
	each_end(_metadata, self, SYS_epoll_wait, wait_epoll, EPOLLET);
}

/* Readers that want more than a byte: what there is, then the end. */
enum reader { PEEK, ALL, LOWAT, VECTOR, READERS };

struct read_job {
	enum reader how;
	int fd;
};

static long do_read(void *arg)
{
	static char piece[2][8];
	struct iovec iov[2] = { { piece[0], 2 }, { piece[1], 8 } };
	struct read_job *j = arg;
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	long n;

	n = syscall(SYS_recvmsg, j->fd, &msg,
		    j->how == PEEK ? MSG_PEEK | MSG_WAITALL :
		    j->how == LOWAT ? 0 : MSG_WAITALL);
	return n < 0 ? -errno : n;
}

TEST_F(wakes, readers)
{
	static const enum end_event ends[] = {
		PEER_SHUTS_WRITE, PEER_SHUTS_BOTH, PEER_CLOSES, PEER_ABORTS,
		SELF_SHUTS_READ, SELF_SHUTS_BOTH,
	};
	struct read_job j;
	unsigned int i;
	int fd[2];

	for (j.how = PEEK; j.how < READERS; j.how++)
		for (i = 0; i < ARRAY_SIZE(ends); i++) {
			ASSERT_EQ(0, parley_pair(self->l, fd));
			j.fd = fd[1];
			ASSERT_EQ(0, parley_set_sockopt(fd[1], SOL_SOCKET,
							SO_RCVLOWAT,
							j.how == LOWAT ? 6 : 1));
			ASSERT_EQ(3, send(fd[0], "abc", 3, 0));
			ASSERT_EQ(0, parley_thread_start(&self->thread,
							 SYS_recvmsg, do_read,
							 &j));
			ASSERT_EQ(0, parley_thread_blocked(&self->thread));
			end_happen(ends[i], fd[1], fd[0]);
			EXPECT_EQ(3, parley_thread_join(&self->thread)) {
				TH_LOG("case %d %d", j.how, ends[i]);
			}
			close(fd[0]);
			close(fd[1]);
		}
}

/* Callers that wait for a verdict, which cannot come any more */
TEST_F(wakes, callers)
{
	int i, l, fd;

	for (i = 0; i < 3; i++) {
		l = parley_listener("127.0.0.1", PORT + 1, 4);
		ASSERT_LE(0, l);
		fd = parley_socket(0);
		ASSERT_EQ(0, parley_thread_connect(&self->thread, fd,
						   "127.0.0.1", PORT + 1));
		ASSERT_EQ(0, parley_thread_blocked(&self->thread));
		if (i == 0)
			shutdown(l, SHUT_RD);
		else if (i == 1)
			shutdown(l, SHUT_RDWR);
		else
			close(l);
		EXPECT_EQ(-ECONNREFUSED, parley_thread_join(&self->thread));
		EXPECT_EQ(PARLEY_REASON_LISTENER_CLOSED, parley_reason(fd));
		close(fd);
		if (i < 2)
			close(l);
	}
}

TEST_HARNESS_MAIN
