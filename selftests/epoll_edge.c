// SPDX-License-Identifier: GPL-2.0
/*
 * Edge-triggered epoll under load, with readers and writers that do less each
 * time than they could: an event that is lost is waited for in vain.
 */
#include "kselftest_harness.h"

#include <sys/epoll.h>

#include "lib.h"
#include "lib_race.h"

#define PORT	7630
#define PAIRS	32
#define EVENTS	64
#define BUFFER	4096

static unsigned char out[1 << 16], in[1 << 16];

FIXTURE(edge) {
	int l;
	int fd[PAIRS][2];
	int ep;
	struct race_random r;
	struct parley_thread thread;
};

FIXTURE_SETUP(edge)
{
	__u64 seed = race_seed();
	int i;

	TH_LOG("PARLEY_STORM_SEED=%llu", (unsigned long long)seed);
	race_random_init(&self->r, seed, 0);
	for (i = 0; i < sizeof(out); i++)
		out[i] = i ^ i / 251;
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_set_sockopt(self->l, SOL_SOCKET, SO_RCVBUF,
					BUFFER));
	self->ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->ep);
	for (i = 0; i < PAIRS; i++) {
		ASSERT_EQ(0, parley_pair(self->l, self->fd[i]));
		ASSERT_EQ(0, parley_nonblock(self->fd[i][0], true));
		ASSERT_EQ(0, parley_nonblock(self->fd[i][1], true));
	}
}

FIXTURE_TEARDOWN(edge)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int watch(int ep, int fd, unsigned int events, int i)
{
	struct epoll_event ev = { .events = events, .data.u32 = i };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

/*
 * What is left over from the last time does not keep new data from being
 * told, and is not told again itself.
 */
TEST_F(edge, each_arrival)
{
	int left[PAIRS] = {}, i, k, n, took, rounds = race_scale(20000);
	struct epoll_event ev[2];

	for (i = 0; i < PAIRS; i++)
		ASSERT_EQ(0, watch(self->ep, self->fd[i][1],
				   EPOLLIN | EPOLLET | EPOLLRDHUP, i));
	for (k = 0; k < rounds; k++) {
		i = race_below(&self->r, PAIRS);
		n = 1 + race_below(&self->r, 300);
		ASSERT_EQ(n, send(self->fd[i][0], out, n, 0));
		left[i] += n;
		ASSERT_EQ(1, epoll_wait(self->ep, ev, 2, PARLEY_BOUND_MS));
		ASSERT_EQ(i, ev[0].data.u32);
		ASSERT_EQ(EPOLLIN, ev[0].events);
		/* Some of it, unless too much would be left. */
		took = 1 + race_below(&self->r, left[i]);
		if (left[i] > BUFFER / 2)
			took = left[i];
		ASSERT_EQ(took, recv(self->fd[i][1], in, took, 0));
		left[i] -= took;
		ASSERT_EQ(0, epoll_wait(self->ep, ev, 2, 0));
	}
	/* The end is an edge, too. */
	for (i = 0; i < PAIRS; i++) {
		ASSERT_EQ(0, shutdown(self->fd[i][0], SHUT_WR));
		ASSERT_EQ(1, epoll_wait(self->ep, ev, 2, PARLEY_BOUND_MS));
		ASSERT_EQ(i, ev[0].data.u32);
		ASSERT_EQ(EPOLLIN | EPOLLRDHUP, ev[0].events);
	}
}

/* Room is told when it has come, to a writer who was told that there is none */
TEST_F(edge, each_room)
{
	int i, k, n, full, rounds = race_scale(2000);
	struct epoll_event ev[2];

	for (i = 0; i < PAIRS; i++) {
		ASSERT_EQ(0, watch(self->ep, self->fd[i][0],
				   EPOLLOUT | EPOLLET, i));
		ASSERT_EQ(1, epoll_wait(self->ep, ev, 2, 0));
	}
	for (k = 0; k < rounds; k++) {
		i = race_below(&self->r, PAIRS);
		for (full = 0; (n = send(self->fd[i][0], out,
					 1 + race_below(&self->r, 5000),
					 0)) > 0;)
			full += n;
		ASSERT_EQ(EAGAIN, errno);
		ASSERT_EQ(0, epoll_wait(self->ep, ev, 2, 0));
		while ((n = recv(self->fd[i][1], in,
				 1 + race_below(&self->r, 5000), 0)) > 0)
			;
		ASSERT_EQ(1, epoll_wait(self->ep, ev, 2, PARLEY_BOUND_MS));
		ASSERT_EQ(i, ev[0].data.u32);
		ASSERT_EQ(EPOLLOUT, ev[0].events);
	}
}

/* Bytes of a stream are known by their place in it. */
static unsigned char byte_at(int i, long at)
{
	return (at * 31 + at / 977 + i) & 0xff;
}

struct side {
	int ep;
	int (*fd)[2];
	long total;
	__u64 seed;
	long events;
};

/* Every other connection has a slow reader, the others a slow writer. */
static int piece(struct race_random *r, int i, bool writes)
{
	return 1 + race_below(r, (i & 1) == writes ? 4000 : 150);
}

/*
 * Each turn it writes a little to one of those that it knows to have room;
 * with none left it waits for the next edge.
 */
static long do_write(void *arg)
{
	bool room[PAIRS], done[PAIRS] = {};
	unsigned char buf[4000];
	struct epoll_event ev[EVENTS];
	int i, k, n, m, ready = PAIRS, left = PAIRS;
	long at[PAIRS] = {};
	struct side *s = arg;
	struct race_random r;

	race_random_init(&r, s->seed, 1);
	memset(room, 1, sizeof(room));
	while (left) {
		n = epoll_wait(s->ep, ev, EVENTS, ready ? 0 : PARLEY_BOUND_MS);
		if (n < 0 || (!n && !ready))
			return -ETIME;
		for (k = 0; k < n; k++) {
			s->events++;
			i = ev[k].data.u32;
			ready += !room[i] && !done[i];
			room[i] = true;
		}
		for (i = race_below(&r, PAIRS); ready; i = (i + 1) % PAIRS) {
			if (!room[i] || done[i])
				continue;
			n = piece(&r, i, true);
			if (n > s->total - at[i])
				n = s->total - at[i];
			for (k = 0; k < n; k++)
				buf[k] = byte_at(i, at[i] + k);
			m = send(s->fd[i][0], buf, n, MSG_NOSIGNAL);
			if (m < 0 && errno != EAGAIN)
				return -errno;
			if (m < 0) {
				room[i] = false;
				ready--;
				continue;
			}
			at[i] += m;
			if (at[i] == s->total) {
				shutdown(s->fd[i][0], SHUT_WR);
				done[i] = true;
				ready--;
				left--;
			}
			break;
		}
	}
	return 0;
}

static long do_read(void *arg)
{
	bool data[PAIRS] = {}, done[PAIRS] = {};
	struct epoll_event ev[EVENTS];
	unsigned char buf[4000];
	int i, k, n, ready = 0, left = PAIRS;
	long at[PAIRS] = {};
	struct side *s = arg;
	struct race_random r;

	race_random_init(&r, s->seed, 2);
	while (left) {
		n = epoll_wait(s->ep, ev, EVENTS, ready ? 0 : PARLEY_BOUND_MS);
		if (n < 0 || (!n && !ready))
			return -ETIME;
		for (k = 0; k < n; k++) {
			s->events++;
			i = ev[k].data.u32;
			ready += !data[i] && !done[i];
			data[i] = true;
		}
		for (i = race_below(&r, PAIRS); ready; i = (i + 1) % PAIRS) {
			if (!data[i] || done[i])
				continue;
			n = recv(s->fd[i][1], buf, piece(&r, i, false), 0);
			if (n < 0 && errno != EAGAIN)
				return -errno;
			for (k = 0; k < n; k++)
				if (buf[k] != byte_at(i, at[i] + k))
					return -EBADMSG;
			if (n > 0) {
				at[i] += n;
				break;
			}
			data[i] = false;
			ready--;
			if (!n) {
				if (at[i] != s->total)
					return -ENODATA;
				done[i] = true;
				left--;
			}
		}
	}
	return 0;
}

TEST_F_TIMEOUT(edge, little_by_little, 300)
{
	struct side writer = {
		.ep = epoll_create1(EPOLL_CLOEXEC), .fd = self->fd,
		.total = race_scale(60000), .seed = race_seed(),
	};
	struct side reader = writer;
	int i;

	reader.ep = self->ep;
	for (i = 0; i < PAIRS; i++) {
		ASSERT_EQ(0, watch(writer.ep, self->fd[i][0],
				   EPOLLOUT | EPOLLET, i));
		ASSERT_EQ(0, watch(reader.ep, self->fd[i][1],
				   EPOLLIN | EPOLLRDHUP | EPOLLET, i));
	}
	ASSERT_EQ(0, parley_thread_start(&self->thread, 0, do_read, &reader));
	EXPECT_EQ(0, do_write(&writer));
	EXPECT_EQ(0, parley_thread_join(&self->thread));
	TH_LOG("%ld events of room, %ld of data", writer.events,
	       reader.events);
}

/* One event, then silence until it is asked for again: what is there counts */
TEST_F(edge, oneshot_with_rest)
{
	int k, left = 0, took, rounds = race_scale(5000);
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET | EPOLLONESHOT };
	struct epoll_event seen;

	ASSERT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_ADD, self->fd[0][1], &ev));
	for (k = 0; k < rounds; k++) {
		if (left < 100) {
			ASSERT_EQ(300, send(self->fd[0][0], out, 300, 0));
			left += 300;
		}
		ASSERT_EQ(1, epoll_wait(self->ep, &seen, 1, PARLEY_BOUND_MS));
		took = 1 + race_below(&self->r, 99);
		ASSERT_EQ(took, recv(self->fd[0][1], in, took, 0));
		left -= took;
		ASSERT_EQ(1, send(self->fd[0][0], out, 1, 0));
		left++;
		ASSERT_EQ(0, epoll_wait(self->ep, &seen, 1, 0));
		ASSERT_EQ(0, epoll_ctl(self->ep, EPOLL_CTL_MOD,
				       self->fd[0][1], &ev));
	}
}

TEST_HARNESS_MAIN
