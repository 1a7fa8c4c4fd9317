// SPDX-License-Identifier: GPL-2.0
/*
 * epoll: level and edge triggered, one shot, exclusive; sockets registered
 * before they call, while their call is pending and when they are connected;
 * a server and its clients in one loop each.
 */
#include "kselftest_harness.h"

#include <sys/epoll.h>

#include "lib.h"

#define PORT	6100
#define FAILED	(EPOLLERR | EPOLLHUP)
#define BUFFER	6144
#define LIMIT	(2 * BUFFER)
#define SLEEPERS 4
#define CLIENTS	50

static char bytes[LIMIT];

static int watch(int epoll, int op, int fd, unsigned int events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(epoll, op, fd, &event) ? -errno : 0;
}

/* The events of the next descriptor, 0 if there is none right now. */
static int next(int epoll, int *fd, int timeout)
{
	struct epoll_event event = {};
	int n = epoll_wait(epoll, &event, 1, timeout);

	if (n < 0)
		return -errno;
	if (fd)
		*fd = n ? event.data.fd : -1;
	return n ? (int)event.events : 0;
}

FIXTURE(epoll) {
	int listener;
	int epoll;
	int fd[2];		/* [0] called, [1] was accepted */
};

FIXTURE_SETUP(epoll)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->epoll);
	self->listener = parley_listener("127.0.0.1", PORT, CLIENTS);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, parley_pair(self->listener, self->fd));
	ASSERT_EQ(0, parley_nonblock(self->listener, true));
}

FIXTURE_TEARDOWN(epoll)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(epoll, listener_level)
{
	int fd[2];

	ASSERT_EQ(0, watch(self->epoll, EPOLL_CTL_ADD, self->listener,
			   EPOLLIN));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
	fd[0] = parley_call("127.0.0.1", PORT);
	fd[1] = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd[1]);
	EXPECT_EQ(EPOLLIN, next(self->epoll, NULL, 0));
	EXPECT_EQ(EPOLLIN, next(self->epoll, NULL, 0));
	ASSERT_LE(0, test_accept(self->listener, 0));
	EXPECT_EQ(EPOLLIN, next(self->epoll, NULL, 0));
	ASSERT_LE(0, test_accept(self->listener, 0));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
}

TEST_F(epoll, listener_edge)
{
	int fd[3];

	ASSERT_EQ(0, watch(self->epoll, EPOLL_CTL_ADD, self->listener,
			   EPOLLIN | EPOLLET));
	fd[0] = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd[0]);
	EXPECT_EQ(EPOLLIN, next(self->epoll, NULL, 0));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
	/* Each call is an edge, also while others wait. */
	fd[1] = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd[1]);
	EXPECT_EQ(EPOLLIN, next(self->epoll, NULL, 0));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
	ASSERT_LE(0, test_accept(self->listener, 0));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
	ASSERT_LE(0, test_accept(self->listener, 0));
	EXPECT_EQ(-EAGAIN, test_accept(self->listener, 0));
	fd[2] = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd[2]);
	EXPECT_EQ(EPOLLIN, next(self->epoll, NULL, 0));
}

TEST_F(epoll, listener_oneshot)
{
	int fd;

	ASSERT_EQ(0, watch(self->epoll, EPOLL_CTL_ADD, self->listener,
			   EPOLLIN | EPOLLONESHOT));
	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);
	EXPECT_EQ(EPOLLIN, next(self->epoll, NULL, 0));
	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
	/* Armed again, it tells of what is still there. */
	ASSERT_EQ(0, watch(self->epoll, EPOLL_CTL_MOD, self->listener,
			   EPOLLIN | EPOLLONESHOT));
	EXPECT_EQ(EPOLLIN, next(self->epoll, NULL, 0));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
}

/* A caller that was registered before it called, in every mode. */
FIXTURE(caller) {
	int listener;
	int epoll;
	int fd;
};

FIXTURE_VARIANT(caller) {
	unsigned int mode;
};

FIXTURE_VARIANT_ADD(caller, level) { .mode = 0 };
FIXTURE_VARIANT_ADD(caller, edge) { .mode = EPOLLET };
FIXTURE_VARIANT_ADD(caller, oneshot) { .mode = EPOLLONESHOT };

FIXTURE_SETUP(caller)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->epoll);
	self->listener = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->listener);
	self->fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, watch(self->epoll, EPOLL_CTL_ADD, self->fd,
			   EPOLLIN | EPOLLOUT | variant->mode));
	/* That it hangs in the air is an event; then it may call. */
	ASSERT_EQ(EPOLLHUP, next(self->epoll, NULL, 0));
	ASSERT_EQ(-EINPROGRESS, test_connect(self->fd, "127.0.0.1", PORT));
	if (variant->mode & EPOLLONESHOT)
		ASSERT_EQ(0, watch(self->epoll, EPOLL_CTL_MOD, self->fd,
				   EPOLLIN | EPOLLOUT | EPOLLONESHOT));
	ASSERT_EQ(0, next(self->epoll, NULL, 0));
}

FIXTURE_TEARDOWN(caller)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(caller, accepted)
{
	int got = test_accept(self->listener, 0);

	ASSERT_LE(0, got);
	EXPECT_EQ(EPOLLOUT, next(self->epoll, NULL, PARLEY_BOUND_MS));
	EXPECT_EQ(variant->mode ? 0 : EPOLLOUT, next(self->epoll, NULL, 0));
	EXPECT_TRUE(parley_talks(self->fd, got));
}

TEST_F(caller, refused)
{
	int events;

	ASSERT_EQ(0, close(self->listener));
	events = next(self->epoll, NULL, PARLEY_BOUND_MS);
	EXPECT_EQ(FAILED, events & (FAILED | EPOLLOUT));
	EXPECT_EQ(ECONNREFUSED, parley_so_error(self->fd));
	EXPECT_EQ(variant->mode ? 0 : EPOLLHUP,
		  next(self->epoll, NULL, 0) & (FAILED | EPOLLOUT));
}

TEST_F(caller, times_out)
{
	int fd = parley_socket(SOCK_NONBLOCK), events, got;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_unspec(self->fd));
	ASSERT_EQ(0, watch(self->epoll, EPOLL_CTL_DEL, self->fd, 0));
	ASSERT_EQ(0, parley_call_timeout(fd, 50));
	ASSERT_EQ(-EINPROGRESS, test_connect(fd, "127.0.0.1", PORT));
	ASSERT_EQ(0, watch(self->epoll, EPOLL_CTL_ADD, fd,
			   EPOLLIN | EPOLLOUT | variant->mode));
	events = next(self->epoll, &got, PARLEY_BOUND_MS);
	EXPECT_EQ(fd, got);
	EXPECT_EQ(FAILED, events & (FAILED | EPOLLOUT));
	EXPECT_EQ(ETIMEDOUT, parley_so_error(fd));
}

/* After a refusal the same socket, still registered, calls again. */
TEST_F(caller, calls_again)
{
	int got;

	ASSERT_EQ(0, shutdown(self->listener, SHUT_RD));
	EXPECT_EQ(FAILED, next(self->epoll, NULL, PARLEY_BOUND_MS) & FAILED);
	ASSERT_EQ(ECONNREFUSED, parley_so_error(self->fd));
	ASSERT_EQ(0, listen(self->listener, 1));
	ASSERT_EQ(-EINPROGRESS, test_connect(self->fd, "127.0.0.1", PORT));
	if (variant->mode & EPOLLONESHOT)
		ASSERT_EQ(0, watch(self->epoll, EPOLL_CTL_MOD, self->fd,
				   EPOLLIN | EPOLLOUT | EPOLLONESHOT));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
	got = test_accept(self->listener, 0);
	ASSERT_LE(0, got);
	EXPECT_EQ(EPOLLOUT, next(self->epoll, NULL, PARLEY_BOUND_MS));
	EXPECT_TRUE(parley_talks(self->fd, got));
}

TEST_F(epoll, data_edge)
{
	ASSERT_EQ(0, watch(self->epoll, EPOLL_CTL_ADD, self->fd[1],
			   EPOLLIN | EPOLLRDHUP | EPOLLET));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
	ASSERT_EQ(2, send(self->fd[0], bytes, 2, 0));
	EXPECT_EQ(EPOLLIN, next(self->epoll, NULL, 0));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
	/* Read to the end; what comes then is an edge. */
	ASSERT_EQ(2, recv(self->fd[1], bytes, 10, MSG_DONTWAIT));
	ASSERT_EQ(-1, recv(self->fd[1], bytes, 10, MSG_DONTWAIT));
	ASSERT_EQ(2, send(self->fd[0], bytes, 2, 0));
	EXPECT_EQ(EPOLLIN, next(self->epoll, NULL, 0));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(EPOLLIN | EPOLLRDHUP, next(self->epoll, NULL, 0));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(EPOLLIN | EPOLLRDHUP | EPOLLHUP, next(self->epoll, NULL, 0));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
}

/*
 * An edge that is not read to the end: as with TCP, more data is a new edge,
 * so that nobody sleeps on what has arrived since.
 */
TEST_F(epoll, data_edge_left_over)
{
	ASSERT_EQ(0, watch(self->epoll, EPOLL_CTL_ADD, self->fd[1],
			   EPOLLIN | EPOLLET));
	ASSERT_EQ(4, send(self->fd[0], bytes, 4, 0));
	EXPECT_EQ(EPOLLIN, next(self->epoll, NULL, 0));
	ASSERT_EQ(2, recv(self->fd[1], bytes, 2, MSG_DONTWAIT));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
	ASSERT_EQ(4, send(self->fd[0], bytes, 4, 0));
	EXPECT_EQ(EPOLLIN, next(self->epoll, NULL, 0));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
}

TEST_F(epoll, room_edge)
{
	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF,
					BUFFER));
	ASSERT_EQ(0, watch(self->epoll, EPOLL_CTL_ADD, self->fd[0],
			   EPOLLOUT | EPOLLET));
	EXPECT_EQ(EPOLLOUT, next(self->epoll, NULL, 0));
	ASSERT_EQ(LIMIT, send(self->fd[0], bytes, LIMIT, MSG_DONTWAIT));
	ASSERT_EQ(-1, send(self->fd[0], bytes, 1, MSG_DONTWAIT));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
	/* A little room is not worth an edge, a third of it is. */
	ASSERT_EQ(10, recv(self->fd[1], bytes, 10, MSG_DONTWAIT));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
	ASSERT_EQ(LIMIT / 2, recv(self->fd[1], bytes, LIMIT / 2, MSG_DONTWAIT));
	EXPECT_EQ(EPOLLOUT, next(self->epoll, NULL, 0));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
}

TEST_F(epoll, reset_edge)
{
	ASSERT_EQ(1, send(self->fd[1], bytes, 1, 0));
	ASSERT_EQ(0, watch(self->epoll, EPOLL_CTL_ADD, self->fd[1],
			   EPOLLIN | EPOLLRDHUP | EPOLLET));
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(EPOLLIN | EPOLLRDHUP | FAILED, next(self->epoll, NULL, 0));
	EXPECT_EQ(0, next(self->epoll, NULL, 0));
	EXPECT_EQ(ECONNRESET, parley_so_error(self->fd[1]));
}

/* Processes that share a listener: one call, one of them is woken. */
TEST_F(epoll, exclusive_processes)
{
	struct parley_gate done;
	pid_t pid[SLEEPERS];
	int i, fd, epoll, served = 0, code;

	ASSERT_EQ(0, parley_gate_init(&done));
	for (i = 0; i < SLEEPERS; i++) {
		pid[i] = parley_fork();
		ASSERT_LE(0, pid[i]);
		if (pid[i])
			continue;
		epoll = epoll_create1(0);
		if (watch(epoll, EPOLL_CTL_ADD, self->listener,
			  EPOLLIN | EPOLLEXCLUSIVE))
			_exit(100);
		/* 1 for each time that it was woken, 10 for each call */
		for (code = 0;;) {
			if (next(epoll, NULL, -1) & EPOLLHUP)
				_exit(code);
			code++;
			fd = test_accept(self->listener, 0);
			if (fd >= 0) {
				code += 10;
				close(fd);
			}
			parley_gate_open(&done);
		}
	}
	for (i = 0; i < SLEEPERS; i++)
		ASSERT_EQ(0, parley_blocked(pid[i], SYS_epoll_wait));
	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);
	/* Accepted, and perhaps closed by now. */
	ASSERT_LT(0, parley_wait(fd, POLLOUT));
	ASSERT_EQ(0, parley_gate_wait(&done));
	for (i = 0; i < SLEEPERS; i++)
		ASSERT_EQ(0, parley_blocked(pid[i], SYS_epoll_wait));
	ASSERT_EQ(0, shutdown(self->listener, SHUT_RD));
	for (i = 0; i < SLEEPERS; i++) {
		code = parley_reap(pid[i]);
		EXPECT_TRUE(code == 0 || code == 11) {
			TH_LOG("process %d: %d", i, code);
		}
		served += code == 11;
	}
	EXPECT_EQ(1, served);
}

/* Whole conversations between a server's loop and its clients' loop. */
static int server_loop(int listener, int epoll)
{
	int served = 0, fd, events;
	char text[16];
	ssize_t n;

	if (watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN))
		return 1;
	while (served < CLIENTS) {
		events = next(epoll, &fd, PARLEY_BOUND_MS);
		if (events <= 0)
			return 2;
		if (fd == listener) {
			fd = test_accept(listener, SOCK_NONBLOCK);
			if (fd < 0 || watch(epoll, EPOLL_CTL_ADD, fd,
					    EPOLLIN | EPOLLRDHUP))
				return 3;
			continue;
		}
		n = recv(fd, text, sizeof(text), 0);
		if (n > 0 && send(fd, text, n, MSG_NOSIGNAL) != n)
			return 4;
		if (n < 0)
			return 5;
		if (n == 0) {
			close(fd);
			served++;
		}
	}
	return 0;
}

TEST_F(epoll, loops)
{
	int fd, i, err, events, value, done = 0;
	pid_t server;

	server = parley_fork();
	ASSERT_LE(0, server);
	if (!server)
		_exit(server_loop(self->listener, epoll_create1(0)));
	for (i = 0; i < CLIENTS; i++) {
		fd = parley_socket(SOCK_NONBLOCK);
		ASSERT_LE(0, fd);
		/* The server may be quicker than connect(). */
		err = test_connect(fd, "127.0.0.1", PORT);
		ASSERT_TRUE(!err || err == -EINPROGRESS);
		ASSERT_EQ(0, watch(self->epoll, EPOLL_CTL_ADD, fd, EPOLLOUT));
	}
	while (done < CLIENTS) {
		events = next(self->epoll, &fd, PARLEY_BOUND_MS);
		if (events == EPOLLOUT) {
			ASSERT_EQ(sizeof(fd), send(fd, &fd, sizeof(fd), 0));
			ASSERT_EQ(0, watch(self->epoll, EPOLL_CTL_MOD, fd,
					   EPOLLIN));
			continue;
		}
		ASSERT_EQ(EPOLLIN, events);
		ASSERT_EQ(sizeof(value), recv(fd, &value, sizeof(value), 0));
		EXPECT_EQ(fd, value);
		ASSERT_EQ(0, close(fd));
		done++;
	}
	EXPECT_EQ(0, parley_reap(server));
}

TEST_HARNESS_MAIN
