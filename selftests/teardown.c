// SPDX-License-Identifier: GPL-2.0
/*
 * Processes that are killed in every blocking call, and network namespaces
 * that die with calls pending, connections open and data on the way: the
 * other side sees the right thing, and nothing is left.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>

#include "lib.h"

#define PORT	6600
#define BUFFER	6144
#define LIMIT	(2 * BUFFER)

static char bytes[4 * LIMIT];

FIXTURE(killed) {
	int listener;
	int fd[2];		/* [0] called, [1] was accepted */
	struct parley_stat st;
};

FIXTURE_SETUP(killed)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->listener = parley_listener("127.0.0.1", PORT, 8);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, parley_set_sockopt(self->listener, SOL_SOCKET, SO_SNDBUF,
					BUFFER));
	ASSERT_EQ(0, parley_pair(self->listener, self->fd));
	ASSERT_EQ(0, parley_nonblock(self->listener, true));
}

FIXTURE_TEARDOWN(killed)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Waits until the child sleeps in system call @nr, kills it, and buries it. */
static int murder(pid_t child, long nr)
{
	int err = parley_blocked(child, nr);

	kill(child, SIGKILL);
	return parley_reap(child) == 128 + SIGKILL ? err : -ECHILD;
}

TEST_F(killed, in_connect)
{
	pid_t child = parley_fork();

	ASSERT_LE(0, child);
	if (!child)
		_exit(test_connect(parley_socket(0), "127.0.0.1", PORT) + 1);
	ASSERT_LT(0, parley_wait(self->listener, POLLIN));
	ASSERT_EQ(1, parley_pending(self->listener));
	ASSERT_EQ(0, murder(child, SYS_connect));
	EXPECT_EQ(0, parley_pending(self->listener));
	EXPECT_EQ(0, parley_revents(self->listener, POLLIN));
	EXPECT_EQ(-EAGAIN, test_accept(self->listener, 0));
	ASSERT_EQ(0, parley_stat(&self->st));
	EXPECT_EQ(1, self->st.withdrawn);
	EXPECT_EQ(0, self->st.pending);
}

/* Several callers, of which the one in the middle dies. */
TEST_F(killed, in_connect_among_others)
{
	int first, last, got;
	pid_t child;

	first = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, first);
	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(first);
		_exit(test_connect(parley_socket(0), "127.0.0.1", PORT) + 1);
	}
	ASSERT_TRUE(parley_until(parley_pending(self->listener) == 2));
	last = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, last);
	ASSERT_EQ(0, murder(child, SYS_connect));
	got = test_accept(self->listener, 0);
	ASSERT_LE(0, got);
	EXPECT_TRUE(parley_talks(first, got));
	got = test_accept(self->listener, 0);
	ASSERT_LE(0, got);
	EXPECT_TRUE(parley_talks(last, got));
	EXPECT_EQ(-EAGAIN, test_accept(self->listener, 0));
}

TEST_F(killed, in_accept)
{
	pid_t child;
	int fd, got;

	ASSERT_EQ(0, parley_nonblock(self->listener, false));
	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(test_accept(self->listener, 0) < 0);
	ASSERT_EQ(0, murder(child, SYS_accept4));
	/* The call that comes now is for the living. */
	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);
	got = test_accept(self->listener, 0);
	ASSERT_LE(0, got);
	EXPECT_TRUE(parley_talks(fd, got));
}

/* The server dies in accept() while a call comes: it may not take it along. */
TEST_F(killed, in_accept_with_a_call)
{
	int i, fd, got;
	pid_t child;

	ASSERT_EQ(0, parley_nonblock(self->listener, false));
	for (i = 0; i < 20; i++) {
		child = parley_fork();
		ASSERT_LE(0, child);
		if (!child) {
			got = test_accept(self->listener, 0);
			_exit(got < 0);
		}
		ASSERT_EQ(0, parley_blocked(child, SYS_accept4));
		fd = parley_socket(SOCK_NONBLOCK);
		ASSERT_EQ(0, kill(child, SIGKILL));
		test_connect(fd, "127.0.0.1", PORT);
		ASSERT_LE(0, parley_reap(child));
		if (parley_pending(self->listener)) {
			got = test_accept(self->listener, 0);
			ASSERT_LE(0, got);
			EXPECT_TRUE(parley_talks(fd, got));
			close(got);
		} else {
			/* It was accepted, and closed with its process. */
			EXPECT_EQ(POLLIN | POLLHUP,
				  parley_revents(fd, POLLIN) & ~POLLERR);
		}
		close(fd);
	}
}

TEST_F(killed, with_the_listener)
{
	struct parley_gate ready;
	int fd, listener;
	pid_t child;

	ASSERT_EQ(0, parley_gate_init(&ready));
	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child) {
		listener = parley_listener("127.0.0.1", PORT + 1, 4);
		parley_gate_open(&ready);
		_exit(poll(NULL, 0, -1) + (listener < 0));
	}
	ASSERT_EQ(0, parley_gate_wait(&ready));
	fd = parley_call("127.0.0.1", PORT + 1);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, murder(child, SYS_poll));
	EXPECT_EQ(POLLERR | POLLHUP, parley_wait(fd, 0));
	EXPECT_EQ(ECONNREFUSED, parley_so_error(fd));
	EXPECT_EQ(PARLEY_REASON_LISTENER_CLOSED, parley_reason(fd));
	/* The port is free for the next one. */
	EXPECT_LE(0, parley_listener("127.0.0.1", PORT + 1, 4));
}

TEST_F(killed, in_recv)
{
	pid_t child = parley_fork();
	char byte;

	ASSERT_LE(0, child);
	if (!child) {
		close(self->fd[1]);
		_exit(recv(self->fd[0], &byte, 1, 0) + 1);
	}
	ASSERT_EQ(0, close(self->fd[0]));
	ASSERT_EQ(0, murder(child, SYS_recvfrom));
	EXPECT_EQ(0, recv(self->fd[1], &byte, 1, MSG_DONTWAIT));
	EXPECT_EQ(-1, send(self->fd[1], &byte, 1, MSG_NOSIGNAL));
	EXPECT_EQ(EPIPE, errno);
}

TEST_F(killed, in_send)
{
	pid_t child = parley_fork();

	ASSERT_LE(0, child);
	if (!child) {
		close(self->fd[0]);
		send(self->fd[1], bytes, sizeof(bytes), 0);
		_exit(1);
	}
	ASSERT_EQ(0, close(self->fd[1]));
	ASSERT_EQ(0, murder(child, SYS_sendto));
	/* What had been sent arrives. */
	EXPECT_EQ(LIMIT, recv(self->fd[0], bytes, sizeof(bytes), MSG_WAITALL));
	EXPECT_EQ(0, recv(self->fd[0], bytes, 1, MSG_DONTWAIT));
	EXPECT_EQ(0, parley_so_error(self->fd[0]));
}

TEST_F(killed, in_poll_with_unread_data)
{
	pid_t child = parley_fork();

	ASSERT_LE(0, child);
	if (!child) {
		struct pollfd pfd = { .fd = self->fd[0], .events = POLLPRI };

		close(self->fd[1]);
		_exit(poll(&pfd, 1, -1) + 1);
	}
	ASSERT_EQ(0, close(self->fd[0]));
	ASSERT_EQ(3, send(self->fd[1], bytes, 3, 0));
	ASSERT_EQ(0, murder(child, SYS_poll));
	EXPECT_EQ(ECONNRESET, parley_so_error(self->fd[1]));
	EXPECT_EQ(0, recv(self->fd[1], bytes, 1, MSG_DONTWAIT));
}

/* A whole server in epoll_wait(): listener, connections, and a pending call. */
TEST_F(killed, in_epoll_wait)
{
	struct epoll_event event = { .events = EPOLLPRI };
	int fd, epoll;
	pid_t child;

	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);
	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(fd);
		close(self->fd[0]);
		epoll = epoll_create1(0);
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, self->listener, &event) ||
		    epoll_ctl(epoll, EPOLL_CTL_ADD, self->fd[1], &event))
			_exit(1);
		_exit(epoll_wait(epoll, &event, 1, -1) + 1);
	}
	ASSERT_EQ(0, close(self->listener));
	ASSERT_EQ(0, close(self->fd[1]));
	ASSERT_EQ(0, parley_revents(fd, POLLOUT));
	ASSERT_EQ(0, murder(child, SYS_epoll_wait));
	EXPECT_EQ(POLLERR | POLLHUP, parley_wait(fd, 0));
	EXPECT_EQ(ECONNREFUSED, parley_so_error(fd));
	EXPECT_EQ(0, recv(self->fd[0], bytes, 1, MSG_DONTWAIT));
}

/* Threads of one process, each in another call, go together. */
static long blocking_accept(void *arg)
{
	return test_accept(*(int *)arg, 0);
}

static long blocking_connect(void *arg)
{
	return test_connect(*(int *)arg, "127.0.0.1", PORT);
}

static long blocking_recv(void *arg)
{
	return recv(*(int *)arg, bytes, 1, 0);
}

static long blocking_send(void *arg)
{
	return send(*(int *)arg, bytes, sizeof(bytes), 0);
}

static void many_calls(int own, int connection, struct parley_gate *ready)
{
	static struct parley_thread t[5];
	int pair[2], caller = parley_socket(0), second = parley_socket(0);

	if (socketpair(AF_PARLEY, SOCK_STREAM, 0, pair) ||
	    parley_set_sockopt(pair[0], SOL_SOCKET, SO_SNDBUF, BUFFER) ||
	    parley_thread_start(&t[0], SYS_accept4, blocking_accept, &own) ||
	    parley_thread_start(&t[1], SYS_connect, blocking_connect,
				&caller) ||
	    parley_thread_start(&t[2], SYS_connect, blocking_connect,
				&second) ||
	    parley_thread_start(&t[3], SYS_recvfrom, blocking_recv,
				&connection) ||
	    parley_thread_start(&t[4], SYS_sendto, blocking_send, &pair[0]))
		_exit(1);
	for (int i = 0; i < 5; i++)
		if (parley_thread_blocked(&t[i]))
			_exit(2);
	parley_gate_open(ready);
	poll(NULL, 0, -1);
	_exit(3);
}

TEST_F(killed, in_many_threads)
{
	struct parley_gate ready;
	pid_t child;
	int own;

	ASSERT_EQ(0, parley_gate_init(&ready));
	own = parley_listener("127.0.0.1", PORT + 1, 4);
	ASSERT_LE(0, own);
	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(self->fd[1]);
		many_calls(own, self->fd[0], &ready);
	}
	ASSERT_EQ(0, close(self->fd[0]));
	ASSERT_EQ(0, close(own));
	ASSERT_EQ(0, parley_gate_wait(&ready));
	EXPECT_EQ(2, parley_pending(self->listener));
	ASSERT_EQ(0, murder(child, SYS_poll));
	EXPECT_EQ(0, parley_pending(self->listener));
	EXPECT_EQ(-EAGAIN, test_accept(self->listener, 0));
	EXPECT_EQ(0, recv(self->fd[1], bytes, 1, MSG_DONTWAIT));
	EXPECT_LE(0, parley_listener("127.0.0.1", PORT + 1, 4));
}

/*
 * A namespace with everything in it, whose processes die. It is given a
 * number in the fixture's namespace, so that netlink tells when it is gone
 * itself; until then its counters can be looked at through a descriptor.
 */
#define NSID	77

FIXTURE(netns) {
	int monitor;
	int home;
	int other;
	pid_t child;
};

/* The messages of the monitor, until one of @type comes for NSID. */
static int nsid_event(int monitor, int type)
{
	char buf[4096];
	struct nlmsghdr *msg = (struct nlmsghdr *)buf;
	struct rtattr *attr;
	ssize_t n;
	int left;

	for (;;) {
		if (parley_wait(monitor, POLLIN) < 0)
			return -ETIME;
		n = recv(monitor, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < (ssize_t)NLMSG_SPACE(sizeof(struct rtgenmsg)))
			return -EBADMSG;
		if (msg->nlmsg_type != type)
			continue;
		attr = (void *)msg + NLMSG_SPACE(sizeof(struct rtgenmsg));
		left = n - NLMSG_SPACE(sizeof(struct rtgenmsg));
		for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
			if (attr->rta_type == NETNSA_NSID &&
			    *(int *)RTA_DATA(attr) == NSID)
				return 0;
	}
}

static int nsid_set(int monitor, int ns)
{
	struct {
		struct nlmsghdr msg;
		struct rtgenmsg gen;
		char pad[3];
		struct rtattr fd_attr;
		int fd;
		struct rtattr id_attr;
		int id;
	} request = {
		.msg = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = RTM_NEWNSID,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.fd_attr = { RTA_LENGTH(sizeof(int)), NETNSA_FD },
		.fd = ns,
		.id_attr = { RTA_LENGTH(sizeof(int)), NETNSA_NSID },
		.id = NSID,
	};

	if (send(monitor, &request, sizeof(request), 0) != sizeof(request))
		return -errno;
	return nsid_event(monitor, RTM_NEWNSID);
}

static int nsid_monitor(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int group = RTNLGRP_NSID;

	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
		       sizeof(group)))
		return -errno;
	return fd;
}

/* Listeners, pending calls, connections with data in both directions. */
static void inhabit(struct parley_gate *ready)
{
	int listener, fd[2], i;

	if (parley_ns_enter())
		_exit(1);
	listener = parley_listener("0.0.0.0", PORT, 16);
	if (listener < 0 || parley_listener("::1", PORT + 1, 1) < 0)
		_exit(2);
	for (i = 0; i < 3; i++) {
		if (parley_pair(listener, fd) ||
		    send(fd[0], bytes, sizeof(bytes), 0) != sizeof(bytes) ||
		    send(fd[1], bytes, 100, 0) != 100)
			_exit(3);
		if (i == 2)
			close(fd[0]);
	}
	for (i = 0; i < 5; i++)
		if (parley_call("127.0.0.1", PORT) < 0 ||
		    parley_bound("127.0.0.1", 0) < 0)
			_exit(4);
	if (parley_call("::1", PORT + 1) < 0 ||
	    socketpair(AF_PARLEY, SOCK_STREAM, 0, fd) ||
	    send(fd[0], bytes, sizeof(bytes), 0) != sizeof(bytes))
		_exit(5);
	parley_gate_open(ready);
	poll(NULL, 0, -1);
	_exit(6);
}

FIXTURE_SETUP(netns)
{
	struct parley_gate ready;
	char path[64];

	ASSERT_EQ(0, parley_ns_enter());
	self->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->home);
	self->monitor = nsid_monitor();
	ASSERT_LE(0, self->monitor);
	ASSERT_EQ(0, parley_gate_init(&ready));
	self->child = parley_fork();
	ASSERT_LE(0, self->child);
	if (!self->child)
		inhabit(&ready);
	ASSERT_EQ(0, parley_gate_wait(&ready));
	snprintf(path, sizeof(path), "/proc/%d/ns/net", self->child);
	self->other = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->other);
	ASSERT_EQ(0, nsid_set(self->monitor, self->other));
}

FIXTURE_TEARDOWN(netns)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(netns, dies)
{
	struct parley_stat st;

	ASSERT_EQ(0, setns(self->other, CLONE_NEWNET));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(6, st.pending);
	EXPECT_LT(15, st.sockets);
	EXPECT_LT(3 * (long)sizeof(bytes) / 4096, st.pages);
	ASSERT_EQ(0, murder(self->child, SYS_poll));
	EXPECT_TRUE(parley_until(!parley_stat(&st) && !st.sockets &&
				 !st.calls && !st.pending && !st.pages));
	EXPECT_EQ(0, parley_proto_sockets());
	EXPECT_EQ(9, st.called);
	EXPECT_EQ(3, st.established);
	EXPECT_EQ(6, st.refused + st.withdrawn);
	/* With the last reference the namespace goes too. */
	ASSERT_EQ(0, setns(self->home, CLONE_NEWNET));
	ASSERT_EQ(0, close(self->other));
	EXPECT_EQ(0, nsid_event(self->monitor, RTM_DELNSID));
}

/* Nobody looks while it dies. */
TEST_F(netns, dies_alone)
{
	ASSERT_EQ(0, close(self->other));
	ASSERT_EQ(0, murder(self->child, SYS_poll));
	EXPECT_EQ(0, nsid_event(self->monitor, RTM_DELNSID));
}

/* A socket that outlives the processes of its namespace keeps it alive. */
TEST_F(netns, survives_in_a_socket)
{
	int fd;

	ASSERT_EQ(0, setns(self->other, CLONE_NEWNET));
	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, setns(self->home, CLONE_NEWNET));
	ASSERT_EQ(0, close(self->other));
	ASSERT_EQ(0, murder(self->child, SYS_poll));
	EXPECT_EQ(POLLERR | POLLHUP, parley_wait(fd, 0));
	EXPECT_EQ(ECONNREFUSED, parley_so_error(fd));
	/* It calls again, in a place where nobody is left. */
	EXPECT_EQ(-ECONNREFUSED, test_connect(fd, "127.0.0.1", PORT));
	EXPECT_EQ(PARLEY_REASON_NO_LISTENER, parley_reason(fd));
	EXPECT_EQ(0, parley_revents(self->monitor, POLLIN));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(0, nsid_event(self->monitor, RTM_DELNSID));
}

TEST_HARNESS_MAIN
