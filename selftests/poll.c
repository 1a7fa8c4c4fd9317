// SPDX-License-Identifier: GPL-2.0
/*
 * poll() and select(): what a listener, a caller and a connected socket show,
 * before, while and after something happens, and who is woken by it.
 */
#include "kselftest_harness.h"

#include <sys/ioctl.h>
#include <sys/select.h>

#include "lib.h"

#define PORT	6000
#define EVENTS	(POLLIN | POLLRDNORM | POLLOUT | POLLPRI | POLLRDHUP)
#define FAILED	(POLLERR | POLLHUP)
/* What SO_SNDBUF and SO_RCVBUF are set to; they become twice as much. */
#define BUFFER	6144
#define LIMIT	(2 * BUFFER)

/* A thread that sits in poll(). */
struct watch {
	struct parley_thread thread;
	int fd;
	short events;
};

static long watch_poll(void *arg)
{
	struct watch *w = arg;
	struct pollfd pfd = { .fd = w->fd, .events = w->events };
	long n = syscall(SYS_poll, &pfd, 1, PARLEY_BOUND_MS);

	return n < 0 ? -errno : n ? pfd.revents : -ETIMEDOUT;
}

static int watch_start(struct watch *w, int fd, short events)
{
	int err;

	w->fd = fd;
	w->events = events;
	err = parley_thread_start(&w->thread, SYS_poll, watch_poll, w);
	return err ?: parley_thread_blocked(&w->thread);
}

static long watch_end(struct watch *w)
{
	return parley_thread_join(&w->thread);
}

static char bytes[LIMIT];

/* Fills what fits; how much that was. */
static ssize_t fill(int fd)
{
	return send(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
}

static ssize_t drain(int fd, size_t n)
{
	return recv(fd, bytes, n, MSG_DONTWAIT);
}

FIXTURE(poll) {
	int listener;
	int fd[2];		/* [0] called, [1] was accepted */
	struct watch watch;
};

FIXTURE_SETUP(poll)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->listener = parley_listener("127.0.0.1", PORT, 16);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, parley_pair(self->listener, self->fd));
	ASSERT_EQ(0, parley_nonblock(self->listener, true));
}

FIXTURE_TEARDOWN(poll)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(poll, never_called)
{
	int fd = parley_socket(0);

	EXPECT_EQ(POLLHUP, parley_revents(fd, EVENTS));
	EXPECT_EQ(POLLHUP, parley_revents(fd, 0));
	ASSERT_EQ(0, parley_bind(fd, "127.0.0.1", 0));
	EXPECT_EQ(POLLHUP, parley_revents(fd, EVENTS));
	/* Nobody listens at a bound socket either. */
	ASSERT_EQ(0, listen(fd, 1));
	EXPECT_EQ(0, parley_revents(fd, EVENTS));
}

TEST_F(poll, listener)
{
	int fd[2], got;

	EXPECT_EQ(0, parley_revents(self->listener, EVENTS));
	fd[0] = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd[0]);
	EXPECT_EQ(POLLIN | POLLRDNORM, parley_revents(self->listener, EVENTS));
	fd[1] = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd[1]);
	got = test_accept(self->listener, 0);
	ASSERT_LE(0, got);
	EXPECT_EQ(POLLIN | POLLRDNORM, parley_revents(self->listener, EVENTS));
	/* The second call is withdrawn, and nothing is left to accept. */
	ASSERT_EQ(0, close(fd[1]));
	EXPECT_EQ(0, parley_revents(self->listener, EVENTS));
	EXPECT_EQ(-EAGAIN, test_accept(self->listener, 0));
}

TEST_F(poll, listener_wakes)
{
	int fd;

	ASSERT_EQ(0, watch_start(&self->watch, self->listener, EVENTS));
	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);
	EXPECT_EQ(POLLIN | POLLRDNORM, watch_end(&self->watch));
}

TEST_F(poll, listener_shut)
{
	ASSERT_EQ(0, watch_start(&self->watch, self->listener, EVENTS));
	ASSERT_EQ(0, shutdown(self->listener, SHUT_RD));
	EXPECT_TRUE(watch_end(&self->watch) & POLLHUP);
	EXPECT_EQ(-EINVAL, test_accept(self->listener, 0));
}

TEST_F(poll, caller_accepted)
{
	int fd, got;

	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, parley_revents(fd, EVENTS));
	ASSERT_EQ(0, watch_start(&self->watch, fd, EVENTS));
	got = test_accept(self->listener, 0);
	ASSERT_LE(0, got);
	EXPECT_EQ(POLLOUT, watch_end(&self->watch));
	EXPECT_EQ(POLLOUT, parley_revents(fd, EVENTS));
	EXPECT_EQ(POLLOUT, parley_revents(got, EVENTS));
	EXPECT_EQ(0, parley_so_error(fd));
	EXPECT_TRUE(parley_talks(fd, got));
}

/* The ways in which a program may learn why its call has failed. */
enum consumer { BY_SO_ERROR, BY_CONNECT, BY_SEND, BY_RECV };

static int consume(int fd, enum consumer how)
{
	char byte = 0;

	switch (how) {
	case BY_SO_ERROR:
		return -parley_so_error(fd);
	case BY_CONNECT:
		return test_connect(fd, "127.0.0.1", PORT);
	case BY_SEND:
		return send(fd, &byte, 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
	case BY_RECV:
		return recv(fd, &byte, 1, 0) < 0 ? -errno : 0;
	}
	return -EBADMSG;
}

TEST_F(poll, caller_refused)
{
	enum consumer how;
	int fd[BY_RECV + 1];

	for (how = BY_SO_ERROR; how <= BY_RECV; how++) {
		fd[how] = parley_call("127.0.0.1", PORT);
		ASSERT_LE(0, fd[how]);
	}
	ASSERT_EQ(0, watch_start(&self->watch, fd[0], EVENTS));
	ASSERT_EQ(0, close(self->listener));
	EXPECT_EQ(FAILED, watch_end(&self->watch) & FAILED);
	for (how = BY_SO_ERROR; how <= BY_RECV; how++) {
		EXPECT_EQ(FAILED, parley_revents(fd[how], 0));
		EXPECT_EQ(FAILED, parley_revents(fd[how], EVENTS) & FAILED);
		EXPECT_EQ(0, parley_revents(fd[how], POLLOUT) & POLLOUT);
		EXPECT_EQ(-ECONNREFUSED, consume(fd[how], how)) {
			TH_LOG("consumer %d", how);
		}
		EXPECT_EQ(POLLHUP, parley_revents(fd[how], 0));
		EXPECT_EQ(0, parley_so_error(fd[how]));
		EXPECT_EQ(PARLEY_REASON_LISTENER_CLOSED,
			  parley_reason(fd[how]));
	}
}

/* Refused at once: connect() said so, there is nothing more to consume. */
TEST_F(poll, caller_refused_at_once)
{
	int fd = parley_socket(SOCK_NONBLOCK);

	ASSERT_LE(0, fd);
	ASSERT_EQ(-ECONNREFUSED, test_connect(fd, "127.0.0.1", PORT + 1));
	EXPECT_EQ(POLLHUP, parley_revents(fd, 0));
	EXPECT_EQ(0, parley_so_error(fd));
}

TEST_F(poll, caller_times_out)
{
	__u64 begun;
	int fd;

	fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_call_timeout(fd, 150));
	begun = parley_now_ns();
	ASSERT_EQ(-EINPROGRESS, test_connect(fd, "127.0.0.1", PORT));
	EXPECT_EQ(FAILED, parley_wait(fd, EVENTS) & FAILED);
	EXPECT_LE(150 * 1000000ULL, parley_now_ns() - begun);
	EXPECT_EQ(ETIMEDOUT, parley_so_error(fd));
	EXPECT_EQ(POLLHUP, parley_revents(fd, 0));
	EXPECT_EQ(PARLEY_REASON_TIMED_OUT, parley_reason(fd));
	EXPECT_EQ(0, parley_revents(self->listener, EVENTS));
	EXPECT_EQ(-EAGAIN, test_accept(self->listener, 0));
}

TEST_F(poll, caller_takes_back)
{
	int fd;

	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, watch_start(&self->watch, fd, EVENTS));
	ASSERT_EQ(0, parley_unspec(fd));
	/* Its own doing is no error, but the wait is over. */
	EXPECT_EQ(POLLHUP, watch_end(&self->watch));
	EXPECT_EQ(POLLHUP, parley_revents(fd, EVENTS));
}

TEST_F(poll, readable)
{
	ASSERT_EQ(0, watch_start(&self->watch, self->fd[1], POLLIN));
	ASSERT_EQ(5, send(self->fd[0], "hello", 5, 0));
	EXPECT_EQ(POLLIN, watch_end(&self->watch));
	EXPECT_EQ(POLLIN | POLLRDNORM | POLLOUT,
		  parley_revents(self->fd[1], EVENTS));
	/* The other direction is another matter. */
	EXPECT_EQ(POLLOUT, parley_revents(self->fd[0], EVENTS));
	ASSERT_EQ(4, drain(self->fd[1], 4));
	EXPECT_EQ(POLLIN | POLLRDNORM | POLLOUT,
		  parley_revents(self->fd[1], EVENTS));
	ASSERT_EQ(1, drain(self->fd[1], 4));
	EXPECT_EQ(POLLOUT, parley_revents(self->fd[1], EVENTS));
}

/* Writable means that a third of the limit is free. */
TEST_F(poll, writable)
{
	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF,
					BUFFER));
	ASSERT_EQ(LIMIT, parley_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF));
	ASSERT_EQ(LIMIT, fill(self->fd[0]));
	ASSERT_EQ(-1, fill(self->fd[0]));
	ASSERT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, parley_revents(self->fd[0], EVENTS));
	EXPECT_EQ(POLLIN | POLLRDNORM | POLLOUT,
		  parley_revents(self->fd[1], EVENTS));
	ASSERT_EQ(LIMIT / 3 - 1, drain(self->fd[1], LIMIT / 3 - 1));
	EXPECT_EQ(0, parley_revents(self->fd[0], EVENTS));
	/* There is room all the same for those who do not ask. */
	ASSERT_EQ(1, send(self->fd[0], bytes, 1, MSG_DONTWAIT));
	ASSERT_EQ(1, drain(self->fd[1], 1));
	ASSERT_EQ(0, watch_start(&self->watch, self->fd[0], EVENTS));
	ASSERT_EQ(1, drain(self->fd[1], 1));
	EXPECT_EQ(POLLOUT, watch_end(&self->watch));
	ASSERT_EQ(1, send(self->fd[0], bytes, 1, MSG_DONTWAIT));
	EXPECT_EQ(0, parley_revents(self->fd[0], EVENTS));
}

TEST_F(poll, writable_by_larger_buffer)
{
	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF,
					BUFFER));
	ASSERT_EQ(LIMIT, fill(self->fd[0]));
	EXPECT_EQ(0, parley_revents(self->fd[0], EVENTS));
	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF,
					4 * BUFFER));
	EXPECT_EQ(POLLOUT, parley_revents(self->fd[0], EVENTS));
}

TEST_F(poll, peer_shut_write)
{
	ASSERT_EQ(0, watch_start(&self->watch, self->fd[1],
				 POLLIN | POLLRDHUP));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(POLLIN | POLLRDHUP, watch_end(&self->watch));
	EXPECT_EQ(POLLIN | POLLRDNORM | POLLOUT | POLLRDHUP,
		  parley_revents(self->fd[1], EVENTS));
	/* Its own reading goes on as before. */
	EXPECT_EQ(0, parley_revents(self->fd[0], POLLIN | POLLRDHUP));
	ASSERT_EQ(0, shutdown(self->fd[1], SHUT_WR));
	EXPECT_EQ(POLLIN | POLLRDHUP | POLLHUP,
		  parley_revents(self->fd[1], POLLIN | POLLRDHUP));
	EXPECT_EQ(POLLIN | POLLRDHUP | POLLHUP,
		  parley_revents(self->fd[0], POLLIN | POLLRDHUP));
}

TEST_F(poll, own_shut_read)
{
	ASSERT_EQ(0, watch_start(&self->watch, self->fd[1],
				 POLLIN | POLLRDHUP));
	ASSERT_EQ(0, shutdown(self->fd[1], SHUT_RD));
	EXPECT_EQ(POLLIN | POLLRDHUP, watch_end(&self->watch));
	EXPECT_EQ(0, parley_revents(self->fd[0], POLLIN | POLLRDHUP));
}

TEST_F(poll, peer_closed)
{
	ASSERT_EQ(0, watch_start(&self->watch, self->fd[1], POLLIN));
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(POLLIN | POLLHUP, watch_end(&self->watch));
	EXPECT_EQ(POLLIN | POLLRDHUP | POLLHUP,
		  parley_revents(self->fd[1], POLLIN | POLLRDHUP));
	EXPECT_EQ(0, parley_so_error(self->fd[1]));
}

TEST_F(poll, peer_reset)
{
	ASSERT_EQ(1, send(self->fd[1], bytes, 1, 0));
	ASSERT_EQ(0, watch_start(&self->watch, self->fd[1], POLLIN));
	ASSERT_EQ(0, close(self->fd[0]));
	/* The error may be seen a moment before the end. */
	EXPECT_TRUE(watch_end(&self->watch) & POLLERR);
	EXPECT_EQ(POLLIN | POLLERR | POLLHUP,
		  parley_revents(self->fd[1], POLLIN));
	EXPECT_EQ(ECONNRESET, parley_so_error(self->fd[1]));
	/* It was the error's turn, now it is a plain end. */
	EXPECT_EQ(POLLIN | POLLRDHUP | POLLHUP,
		  parley_revents(self->fd[1], POLLIN | POLLRDHUP));
	EXPECT_EQ(0, drain(self->fd[1], 1));
}

/* Somebody who waits for room learns that there is no use in waiting. */
TEST_F(poll, full_and_peer_closed)
{
	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF,
					BUFFER));
	ASSERT_EQ(LIMIT, fill(self->fd[0]));
	ASSERT_EQ(0, watch_start(&self->watch, self->fd[0], POLLOUT));
	ASSERT_EQ(0, close(self->fd[1]));
	EXPECT_TRUE(watch_end(&self->watch) & POLLERR);
	EXPECT_EQ(FAILED, parley_revents(self->fd[0], POLLOUT) & FAILED);
}

TEST_F(poll, rcvlowat)
{
	int inq = 0;

	ASSERT_EQ(0, parley_set_sockopt(self->fd[1], SOL_SOCKET, SO_RCVLOWAT,
					100));
	ASSERT_EQ(99, send(self->fd[0], bytes, 99, 0));
	EXPECT_EQ(0, parley_revents(self->fd[1], POLLIN | POLLRDNORM));
	ASSERT_EQ(0, watch_start(&self->watch, self->fd[1], POLLIN));
	ASSERT_EQ(1, send(self->fd[0], bytes, 1, 0));
	EXPECT_EQ(POLLIN, watch_end(&self->watch));
	ASSERT_EQ(0, ioctl(self->fd[1], FIONREAD, &inq));
	EXPECT_EQ(100, inq);
	ASSERT_EQ(1, drain(self->fd[1], 1));
	EXPECT_EQ(0, parley_revents(self->fd[1], POLLIN));
	/* 99 bytes are enough for another mark, and for the end. */
	ASSERT_EQ(0, parley_set_sockopt(self->fd[1], SOL_SOCKET, SO_RCVLOWAT,
					99));
	EXPECT_EQ(POLLIN, parley_revents(self->fd[1], POLLIN));
	ASSERT_EQ(0, parley_set_sockopt(self->fd[1], SOL_SOCKET, SO_RCVLOWAT,
					100));
	ASSERT_EQ(0, watch_start(&self->watch, self->fd[1], POLLIN));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(POLLIN, watch_end(&self->watch));
}

/* A mark that the buffer can never reach must not put a reader to sleep. */
TEST_F(poll, rcvlowat_beyond_buffer)
{
	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF,
					BUFFER));
	ASSERT_EQ(0, parley_set_sockopt(self->fd[1], SOL_SOCKET, SO_RCVLOWAT,
					10 * LIMIT));
	ASSERT_EQ(0, watch_start(&self->watch, self->fd[1], POLLIN));
	ASSERT_EQ(LIMIT, fill(self->fd[0]));
	EXPECT_EQ(POLLIN, watch_end(&self->watch));
}

TEST_F(poll, one_of_many)
{
	struct pollfd pfd[12];
	int i, got;

	for (i = 0; i < 12; i++) {
		pfd[i].fd = parley_call("127.0.0.1", PORT);
		pfd[i].events = POLLOUT;
		ASSERT_LE(0, pfd[i].fd);
	}
	EXPECT_EQ(0, poll(pfd, 12, 0));
	got = test_accept(self->listener, 0);
	ASSERT_LE(0, got);
	EXPECT_EQ(1, poll(pfd, 12, PARLEY_BOUND_MS));
	for (i = 0; i < 12; i++)
		EXPECT_EQ(i ? 0 : POLLOUT, pfd[i].revents);
}

static int selected(int fd)
{
	struct timeval now = {};
	fd_set r, w, x;

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&x);
	FD_SET(fd, &r);
	FD_SET(fd, &w);
	FD_SET(fd, &x);
	if (select(fd + 1, &r, &w, &x, &now) < 0)
		return -errno;
	return FD_ISSET(fd, &r) | FD_ISSET(fd, &w) << 1 | FD_ISSET(fd, &x) << 2;
}

TEST_F(poll, select)
{
	int fd[2], got;

	EXPECT_EQ(0, selected(self->listener));
	fd[0] = parley_call("127.0.0.1", PORT);
	fd[1] = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd[1]);
	EXPECT_EQ(1, selected(self->listener));
	EXPECT_EQ(0, selected(fd[0]));
	got = test_accept(self->listener, 0);
	ASSERT_LE(0, got);
	EXPECT_EQ(2, selected(fd[0]));
	ASSERT_EQ(1, send(fd[0], bytes, 1, 0));
	EXPECT_EQ(3, selected(got));
	/* As with TCP, a failed call is readable and writable. */
	ASSERT_EQ(0, close(self->listener));
	EXPECT_EQ(3, selected(fd[1]));
	EXPECT_EQ(ECONNREFUSED, parley_so_error(fd[1]));
}

TEST_HARNESS_MAIN
