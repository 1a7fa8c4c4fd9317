// SPDX-License-Identifier: GPL-2.0
/*
 * SO_SNDBUF and SO_RCVBUF of streams: how much enters is what getsockopt(2)
 * shows, to the byte, also when it is changed on the way; and who sleeps for
 * room, or in poll, learns of it.
 */
#include "kselftest_harness.h"

#include <sys/epoll.h>

#include "lib.h"
#include "lib_record.h"

#define PORT	7700

static char bytes[1 << 20];

FIXTURE(sockbuf) {
	int listener;
	int fd[2];		/* [0] called, [1] was accepted */
	struct parley_thread thread;
};

FIXTURE_SETUP(sockbuf)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->listener = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, parley_pair(self->listener, self->fd));
}

FIXTURE_TEARDOWN(sockbuf)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int sndbuf(int fd, int value)
{
	return parley_set_sockopt(fd, SOL_SOCKET, SO_SNDBUF, value);
}

static int rcvbuf(int fd, int value)
{
	return parley_set_sockopt(fd, SOL_SOCKET, SO_RCVBUF, value);
}

/* All that enters, in portions. */
static long fill(int fd, size_t portion)
{
	long sum = 0, n;

	while ((n = record_put(fd, bytes, portion, 0)) > 0)
		sum += n;
	return n == -EAGAIN ? sum : n;
}

TEST_F(sockbuf, exact)
{
	static const size_t portions[] = { 1, 100, 4096, 65536, sizeof(bytes) };
	static const int buffers[] = { 1, 2304, 5000, 20000, 90000 };
	int i, k, limit;

	for (i = 0; i < ARRAY_SIZE(buffers); i++) {
		for (k = 0; k < ARRAY_SIZE(portions); k++) {
			/* A byte at a time takes its time. */
			if (!k && i > 2)
				continue;
			ASSERT_EQ(0, sndbuf(self->fd[0], buffers[i]));
			ASSERT_EQ(0, rcvbuf(self->fd[1], buffers[i]));
			limit = record_limit(self->fd[0], self->fd[1]);
			EXPECT_EQ(limit, fill(self->fd[0], portions[k]));
			EXPECT_EQ(limit, record_queued(self->fd[1]));
			EXPECT_EQ(limit, record_unsent(self->fd[0]));
			EXPECT_EQ(limit, record_get(self->fd[1], NULL, limit,
						    MSG_TRUNC, NULL));
		}
	}
}

/* Each end counts for what it sends by its own SO_SNDBUF only. */
TEST_F(sockbuf, directions)
{
	ASSERT_EQ(0, sndbuf(self->fd[0], 4000));
	ASSERT_EQ(0, sndbuf(self->fd[1], 6000));
	EXPECT_EQ(8000, fill(self->fd[0], 777));
	EXPECT_EQ(12000, fill(self->fd[1], 777));
}

TEST_F(sockbuf, default_and_inherited)
{
	int fd[2];

	EXPECT_EQ(record_limit(self->fd[0], self->fd[1]),
		  fill(self->fd[0], 10000));
	EXPECT_EQ(record_limit(self->fd[1], self->fd[0]),
		  fill(self->fd[1], 10000));
	/* What a listener has, accepted sockets have. */
	ASSERT_EQ(0, sndbuf(self->listener, 3000));
	ASSERT_EQ(0, rcvbuf(self->listener, 4000));
	ASSERT_EQ(0, parley_pair(self->listener, fd));
	EXPECT_EQ(6000, fill(fd[1], 1000));
	EXPECT_EQ(8000, fill(fd[0], 1000));
}

/* Up and down, with data under way that is more than the new size. */
TEST_F(sockbuf, changes)
{
	int end, got;

	for (end = 0; end < 2; end++) {
		int (*set)(int fd, int value) = end ? rcvbuf : sndbuf;
		int fd = self->fd[end];

		ASSERT_EQ(0, set(fd, 10000));
		EXPECT_EQ(20000, fill(self->fd[0], 999));
		ASSERT_EQ(0, set(fd, 15000));
		EXPECT_EQ(10000, fill(self->fd[0], 999));
		ASSERT_EQ(0, set(fd, 5000));
		EXPECT_EQ(0, fill(self->fd[0], 999));
		EXPECT_EQ(0, parley_revents(self->fd[0], POLLOUT));
		/* Nothing of it is lost, and room counts from the new size. */
		got = record_get(self->fd[1], bytes, 20001, 0, NULL);
		EXPECT_EQ(20001, got);
		EXPECT_EQ(1, fill(self->fd[0], 999));
		ASSERT_EQ(0, set(fd, 5001));
		EXPECT_EQ(2, fill(self->fd[0], 999));
		EXPECT_EQ(10002, record_get(self->fd[1], bytes, sizeof(bytes),
					    0, NULL));
		ASSERT_EQ(0, set(fd, 100000));
	}
}

static long do_send(void *arg)
{
	long n = syscall(SYS_sendto, *(int *)arg, bytes, 10000, MSG_NOSIGNAL,
			 NULL, 0);

	return n < 0 ? -errno : n;
}

static int send_start(struct parley_thread *t, int *fd)
{
	int err = parley_thread_start(t, SYS_sendto, do_send, fd);

	return err ?: parley_thread_blocked(t);
}

/* Who waits for room goes on when the own buffer grows. */
TEST_F(sockbuf, growing_wakes)
{
	ASSERT_EQ(0, sndbuf(self->fd[0], 10000));
	ASSERT_EQ(20000, fill(self->fd[0], 5000));
	ASSERT_EQ(0, send_start(&self->thread, &self->fd[0]));
	ASSERT_EQ(0, sndbuf(self->fd[0], 20000));
	EXPECT_EQ(10000, parley_thread_join(&self->thread));
	EXPECT_EQ(30000, record_queued(self->fd[1]));
}

TEST_F(sockbuf, growing_wakes_poll)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET };
	int epoll = epoll_create1(0);

	ASSERT_LE(0, epoll);
	ASSERT_EQ(0, sndbuf(self->fd[0], 10000));
	ASSERT_EQ(20000, fill(self->fd[0], 5000));
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->fd[0], &event));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	ASSERT_EQ(0, sndbuf(self->fd[0], 20000));
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(EPOLLOUT, event.events);
	EXPECT_EQ(20000, fill(self->fd[0], 5000));
}

/*
 * When the other end's grows, nobody is told of it: it counts when something
 * is read, and from the next send on. As there is something to be read,
 * nobody waits for ever.
 */
TEST_F(sockbuf, peer_growing)
{
	ASSERT_EQ(0, rcvbuf(self->fd[1], 10000));
	ASSERT_EQ(20000, fill(self->fd[0], 5000));
	ASSERT_EQ(0, send_start(&self->thread, &self->fd[0]));
	ASSERT_EQ(0, rcvbuf(self->fd[1], 40000));
	EXPECT_EQ(POLLOUT, parley_revents(self->fd[0], POLLOUT));
	ASSERT_EQ(1, record_get(self->fd[1], bytes, 1, 0, NULL));
	EXPECT_EQ(10000, parley_thread_join(&self->thread));
	EXPECT_EQ(29999, record_queued(self->fd[1]));
}

/*
 * A reader who wants more than the buffers can hold gets what there is, also
 * when they have shrunk since: writer and reader never wait for each other.
 */
TEST_F(sockbuf, less_than_lowat)
{
	ASSERT_EQ(0, parley_set_sockopt(self->fd[1], SOL_SOCKET, SO_RCVLOWAT,
					500000));
	ASSERT_EQ(0, sndbuf(self->fd[0], 10000));
	ASSERT_EQ(20000, fill(self->fd[0], 5000));
	EXPECT_EQ(POLLIN, parley_wait(self->fd[1], POLLIN));
	EXPECT_EQ(20000, record_get(self->fd[1], bytes, sizeof(bytes), 0,
				    NULL));
	ASSERT_EQ(5000, record_put(self->fd[0], bytes, 5000, 0));
	EXPECT_EQ(0, parley_revents(self->fd[1], POLLIN));
	ASSERT_EQ(0, sndbuf(self->fd[0], 2500));
	EXPECT_EQ(POLLIN, parley_wait(self->fd[1], POLLIN));
}

static long do_recv(void *arg)
{
	static char room[100000];

	return recv(*(int *)arg, room, sizeof(room), 0);
}

/* The same, with both asleep: who finds no room tells who wants more. */
TEST_F(sockbuf, less_than_lowat_asleep)
{
	struct parley_thread reader;

	ASSERT_EQ(0, parley_set_sockopt(self->fd[1], SOL_SOCKET, SO_RCVLOWAT,
					75000));
	ASSERT_EQ(0, parley_thread_start(&reader, SYS_recvfrom, do_recv,
					 &self->fd[1]));
	ASSERT_EQ(0, parley_thread_blocked(&reader));
	ASSERT_EQ(70000, record_put(self->fd[0], bytes, 70000, 0));
	ASSERT_EQ(0, parley_thread_blocked(&reader));
	ASSERT_EQ(0, sndbuf(self->fd[0], 30000));
	ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_sendto, do_send,
					 &self->fd[0]));
	EXPECT_EQ(80000, parley_thread_join(&reader));
	EXPECT_EQ(10000, parley_thread_join(&self->thread));
}

TEST_HARNESS_MAIN
