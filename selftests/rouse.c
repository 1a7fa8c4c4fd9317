// SPDX-License-Identifier: GPL-2.0
/*
 * Who waits for data is woken, whatever way it waits in: two ends answer each
 * other thousands of times, so that each byte comes just when the other end
 * goes to sleep, or has not yet. Nothing but a wake-up ends that sleep, so one
 * that is lost is found.
 */
#include "kselftest_harness.h"

#include <sys/epoll.h>

#include "lib.h"
#include "lib_race.h"
#include "lib_record.h"

#define PORT	8000
#define ROUNDS	600

enum way {
	RECV,
	WAITALL,
	LOWAT,
	PEEK,
	POLL,
	POLL_LOWAT,
	EPOLL,		/* registered before the call, by edges */
	NONBLOCK,	/* the same, and a look before each wait */
	TWO_READERS,
};

struct end {
	pthread_t thread;
	int fd;
	int epoll;
	enum way way;
	unsigned int rounds;
	unsigned int done;
	const char *wrong;
};

FIXTURE(rouse) {
	int listener;
	int fd[2];
	int epoll;
};

FIXTURE_VARIANT(rouse) {
	enum way way;
	int type;
};

FIXTURE_VARIANT_ADD(rouse, recv) { RECV, SOCK_STREAM };
FIXTURE_VARIANT_ADD(rouse, waitall) { WAITALL, SOCK_STREAM };
FIXTURE_VARIANT_ADD(rouse, lowat) { LOWAT, SOCK_STREAM };
FIXTURE_VARIANT_ADD(rouse, peek) { PEEK, SOCK_STREAM };
FIXTURE_VARIANT_ADD(rouse, poll) { POLL, SOCK_STREAM };
FIXTURE_VARIANT_ADD(rouse, poll_lowat) { POLL_LOWAT, SOCK_STREAM };
FIXTURE_VARIANT_ADD(rouse, epoll) { EPOLL, SOCK_STREAM };
FIXTURE_VARIANT_ADD(rouse, nonblock) { NONBLOCK, SOCK_STREAM };
FIXTURE_VARIANT_ADD(rouse, two_readers) { TWO_READERS, SOCK_STREAM };
FIXTURE_VARIANT_ADD(rouse, record) { RECV, SOCK_SEQPACKET };
FIXTURE_VARIANT_ADD(rouse, record_epoll) { EPOLL, SOCK_SEQPACKET };
FIXTURE_VARIANT_ADD(rouse, record_two_readers) { TWO_READERS, SOCK_SEQPACKET };

/* The caller, fd[0], is in the epoll before it has anybody to talk to. */
FIXTURE_SETUP(rouse)
{
	bool records = variant->type == SOCK_SEQPACKET;
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	ASSERT_EQ(0, parley_ns_enter());
	self->listener = records ? record_listener("127.0.0.1", PORT, 4) :
				   parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->listener);
	self->fd[0] = records ? record_socket(SOCK_NONBLOCK) :
				parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, self->fd[0]);
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->epoll);
	if (variant->way == EPOLL || variant->way == NONBLOCK)
		ASSERT_EQ(0, epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->fd[0],
				       &event));
	ASSERT_EQ(-EINPROGRESS, test_connect(self->fd[0], "127.0.0.1", PORT));
	self->fd[1] = test_accept(self->listener, 0);
	ASSERT_LE(0, self->fd[1]);
	ASSERT_EQ(0, parley_nonblock(self->fd[0], false));
	ASSERT_EQ(0, parley_timeo(self->fd[0], SO_RCVTIMEO, PARLEY_BOUND_MS));
	ASSERT_EQ(0, parley_timeo(self->fd[1], SO_RCVTIMEO, PARLEY_BOUND_MS));
	if (variant->way == LOWAT || variant->way == POLL_LOWAT)
		ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET,
						SO_RCVLOWAT, 2));
}

FIXTURE_TEARDOWN(rouse)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Waits, in its way, and takes what has come. Return: bytes, or an error. */
static long take(struct end *e, int want)
{
	struct epoll_event event;
	char buf[16];
	long n;

	if (e->way == NONBLOCK) {
		n = recv(e->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n > 0)
			return n;
	}
	switch (e->way) {
	case WAITALL:
		n = recv(e->fd, buf, want, MSG_WAITALL);
		break;
	case LOWAT:
		n = recv(e->fd, buf, sizeof(buf), 0);
		if (n == 1)
			return -ERANGE;
		break;
	case PEEK:
		n = recv(e->fd, buf, sizeof(buf), MSG_PEEK);
		if (n > 0)
			n = recv(e->fd, buf, n, MSG_DONTWAIT);
		break;
	case NONBLOCK:
	case EPOLL:
		n = epoll_wait(e->epoll, &event, 1, PARLEY_BOUND_MS);
		if (n != 1)
			return -ETIMEDOUT;
		n = recv(e->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return 0;
		break;
	case POLL:
	case POLL_LOWAT:
		if (parley_wait(e->fd, POLLIN) != POLLIN)
			return -ETIMEDOUT;
		n = recv(e->fd, buf, sizeof(buf), MSG_DONTWAIT);
		break;
	default:
		n = recv(e->fd, buf, e->way == TWO_READERS ? 1 : sizeof(buf),
			 0);
		break;
	}
	return n < 0 ? -errno : n;
}

/* Edges are for all that is there: the rest is taken without waiting. */
static long take_rest(struct end *e)
{
	long sum = 0, n;
	char buf[16];

	if (e->way != EPOLL && e->way != NONBLOCK)
		return 0;
	while ((n = recv(e->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		sum += n;
	return sum;
}

static void *serve(void *arg)
{
	struct end *e = arg;
	int want = e->way == TWO_READERS ? 1 : 2, got = 0;
	long n;

	while (e->done < e->rounds) {
		n = take(e, want - got);
		/* The end: the other reader has had the last one. */
		if (!n && e->way != EPOLL && e->way != NONBLOCK)
			return NULL;
		if (n < 0) {
			e->wrong = strerror(-n);
			return NULL;
		}
		got += n + take_rest(e);
		if (got < want)
			continue;
		got -= want;
		e->done++;
		if (send(e->fd, "!", 1, MSG_NOSIGNAL) != 1) {
			e->wrong = "cannot answer";
			return NULL;
		}
	}
	return NULL;
}

/* Two bytes, at odds with when the other end looks; then its word. */
static bool ask(int fd, struct race_random *random, int answers)
{
	char buf[4];
	long n;

	if (send(fd, "?", 1, 0) != 1)
		return false;
	race_spin(race_below(random, 1 << race_below(random, 13)));
	if (send(fd, "?", 1, 0) != 1)
		return false;
	race_spin(race_below(random, 1 << race_below(random, 13)));
	while (answers) {
		n = recv(fd, buf, answers, 0);
		if (n <= 0)
			return false;
		answers -= n;
	}
	return true;
}

TEST_F_TIMEOUT(rouse, answers, 300)
{
	unsigned int rounds = race_scale(ROUNDS), i, asked = 0;
	int two = variant->way == TWO_READERS;
	struct race_random random;
	__u64 seed = race_seed();
	struct end e[2];

	TH_LOG("seed %llu", (unsigned long long)seed);
	race_random_init(&random, seed, 1);
	for (i = 0; i <= two; i++) {
		e[i] = (struct end){
			.fd = self->fd[0], .epoll = self->epoll,
			.way = variant->way,
			.rounds = two ? 2 * rounds : rounds,
		};
		ASSERT_EQ(0, pthread_create(&e[i].thread, NULL, serve, &e[i]));
	}
	while (asked < rounds && ask(self->fd[1], &random, 1 + two))
		asked++;
	EXPECT_EQ(rounds, asked);
	/* Whoever is still asleep reads the end. */
	ASSERT_EQ(0, shutdown(self->fd[1], SHUT_WR));
	for (i = 0; i <= two; i++) {
		pthread_join(e[i].thread, NULL);
		EXPECT_EQ(NULL, e[i].wrong)
			TH_LOG("after %u: %s", e[i].done, e[i].wrong);
	}
	EXPECT_EQ(two ? 2 * rounds : rounds, e[0].done + (two ? e[1].done : 0));
}

TEST_HARNESS_MAIN
