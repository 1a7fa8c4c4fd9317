// SPDX-License-Identifier: GPL-2.0
/*
 * MSG_MORE: the reader of a stream is not woken for what is not all there is,
 * until it is, or 200 ms have gone by. epoll tells, edge by edge, who is
 * woken: it does not look by itself.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "lib.h"
#include "lib_race.h"
#include "lib_record.h"

#define PORT	7900
#define HELD_MAX 16384		/* as much may be held back */

static char out[1 << 18], in[1 << 18];

FIXTURE(more) {
	int epoll;		/* on fd[1], by edges */
	int fd[2];
	struct parley_thread thread;
};

static int watch_new(int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		return -errno;
	return epoll;
}

FIXTURE_SETUP(more)
{
	int i;

	for (i = 0; i < sizeof(out); i++)
		out[i] = i ^ i / 251;
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_STREAM, 0, self->fd));
	self->epoll = watch_new(self->fd[1]);
	ASSERT_LE(0, self->epoll);
}

FIXTURE_TEARDOWN(more)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Was the reader woken since the last look? */
static bool woken(int epoll)
{
	struct epoll_event event;

	return epoll_wait(epoll, &event, 1, 0) == 1;
}

static long hold(int fd, size_t n)
{
	return record_put(fd, out, n, MSG_MORE);
}

static long drain(int fd)
{
	long n, sum = 0;

	while ((n = record_get(fd, in, sizeof(in), 0, NULL)) > 0)
		sum += n;
	return sum;
}

/*
 * Sends @n bytes with more to come. Return: whether they are held back. Now
 * and then the 200 ms may be over before one could look, so it is tried again.
 */
static bool held(int epoll, int *fd, size_t n)
{
	int i;

	for (i = 0; i < 20; i++) {
		drain(fd[1]);
		woken(epoll);
		if (hold(fd[0], n) != n)
			return false;
		if (!woken(epoll))
			return true;
	}
	return false;
}

TEST_F(more, held)
{
	ASSERT_TRUE(held(self->epoll, self->fd, 10));
	/* It is there, for who looks. */
	EXPECT_EQ(10, record_queued(self->fd[1]));
	EXPECT_EQ(10, record_unsent(self->fd[0]));
	EXPECT_EQ(POLLIN, parley_revents(self->fd[1], POLLIN));
	EXPECT_EQ(10, record_get(self->fd[1], in, 100, MSG_PEEK, NULL));
	EXPECT_EQ(10, record_get(self->fd[1], in, 100, 0, NULL));
	EXPECT_EQ(0, memcmp(out, in, 10));
	/* It wakes nobody else who was asked about it later. */
	ASSERT_TRUE(held(self->epoll, self->fd, 1));
	ASSERT_TRUE(held(self->epoll, self->fd, HELD_MAX - 1));
}

TEST_F(more, time)
{
	struct pollfd pfd = { .fd = self->epoll, .events = POLLIN };
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(held(self->epoll, self->fd, 10));
		EXPECT_EQ(1, poll(&pfd, 1, PARLEY_BOUND_MS));
		EXPECT_TRUE(woken(self->epoll));
		EXPECT_EQ(10, record_queued(self->fd[1]));
	}
}

static long do_recv(void *arg)
{
	long n = syscall(SYS_recvfrom, *(int *)arg, in, sizeof(in), 0, NULL,
			 NULL);

	return n < 0 ? -errno : n;
}

/* The same for who sleeps in recv(2). */
TEST_F(more, time_blocked)
{
	__u64 begun;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_recvfrom,
						 do_recv, &self->fd[1]));
		ASSERT_EQ(0, parley_thread_blocked(&self->thread));
		begun = race_ticks_ns();
		ASSERT_EQ(10, hold(self->fd[0], 10));
		EXPECT_EQ(10, parley_thread_join(&self->thread));
		TH_LOG("%llu ms", (race_ticks_ns() - begun) / 1000000);
	}
}

TEST_F(more, no_more)
{
	ASSERT_TRUE(held(self->epoll, self->fd, 10));
	ASSERT_EQ(1, record_put(self->fd[0], out + 10, 1, 0));
	EXPECT_TRUE(woken(self->epoll));
	EXPECT_EQ(11, record_get(self->fd[1], in, 100, 0, NULL));
	EXPECT_EQ(0, memcmp(out, in, 11));
}

TEST_F(more, much)
{
	ASSERT_TRUE(held(self->epoll, self->fd, HELD_MAX - 1));
	ASSERT_EQ(1, hold(self->fd[0], 1));
	EXPECT_TRUE(woken(self->epoll));
	/* By itself it is too much as well. */
	drain(self->fd[1]);
	ASSERT_EQ(HELD_MAX, hold(self->fd[0], HELD_MAX));
	EXPECT_TRUE(woken(self->epoll));
}

/* With small buffers it is a third of them. */
TEST_F(more, third)
{
	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF,
					4500));
	ASSERT_TRUE(held(self->epoll, self->fd, 2999));
	ASSERT_EQ(1, hold(self->fd[0], 1));
	EXPECT_TRUE(woken(self->epoll));
}

/* Who wants to hear from the other end has said what there is to say. */
TEST_F(more, sender_reads)
{
	ASSERT_TRUE(held(self->epoll, self->fd, 10));
	EXPECT_EQ(-EAGAIN, record_get(self->fd[0], in, 10, 0, NULL));
	EXPECT_TRUE(woken(self->epoll));
	ASSERT_TRUE(held(self->epoll, self->fd, 10));
	EXPECT_EQ(-EAGAIN, record_get(self->fd[0], in, 10, MSG_PEEK, NULL));
	EXPECT_TRUE(woken(self->epoll));

	/* Not if there was something to be read. */
	ASSERT_EQ(1, record_put(self->fd[1], out, 1, 0));
	ASSERT_TRUE(held(self->epoll, self->fd, 10));
	EXPECT_EQ(1, record_get(self->fd[0], in, 10, 0, NULL));
	EXPECT_EQ(-EAGAIN, record_get(self->fd[0], in, 10, 0, NULL));
	EXPECT_TRUE(woken(self->epoll));
}

TEST_F(more, sender_polls)
{
	ASSERT_TRUE(held(self->epoll, self->fd, 10));
	EXPECT_EQ(POLLOUT, parley_revents(self->fd[0], POLLIN | POLLOUT));
	EXPECT_TRUE(woken(self->epoll));
}

/* Nobody waits for room while the other one waits for word. */
TEST_F(more, sender_waits)
{
	int limit = record_limit(self->fd[0], self->fd[1]);

	EXPECT_LT(HELD_MAX, limit);
	ASSERT_LE(limit, sizeof(out));
	EXPECT_EQ(limit, hold(self->fd[0], limit));
	EXPECT_TRUE(woken(self->epoll));
	EXPECT_EQ(-EAGAIN, hold(self->fd[0], 1));
	EXPECT_EQ(limit, drain(self->fd[1]));
}

TEST_F(more, shutdown)
{
	ASSERT_TRUE(held(self->epoll, self->fd, 10));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_TRUE(woken(self->epoll));
	EXPECT_EQ(10, record_get(self->fd[1], in, 100, 0, NULL));
	EXPECT_EQ(0, record_get(self->fd[1], in, 100, 0, NULL));
}

TEST_F(more, close)
{
	ASSERT_TRUE(held(self->epoll, self->fd, 10));
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_TRUE(woken(self->epoll));
	EXPECT_EQ(10, record_get(self->fd[1], in, 100, 0, NULL));
	EXPECT_EQ(0, record_get(self->fd[1], in, 100, 0, NULL));
}

/* What is held back dies with its reader, who has not read it. */
TEST_F(more, reader_closes)
{
	ASSERT_TRUE(held(self->epoll, self->fd, 10));
	ASSERT_EQ(0, close(self->epoll));
	ASSERT_EQ(0, close(self->fd[1]));
	EXPECT_EQ(ECONNRESET, parley_so_error(self->fd[0]));
}

/* Records are complete. */
TEST_F(more, records)
{
	int fd[2], epoll;

	ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_SEQPACKET, 0, fd));
	epoll = watch_new(fd[1]);
	ASSERT_LE(0, epoll);
	ASSERT_EQ(10, hold(fd[0], 10));
	EXPECT_TRUE(woken(epoll));
}

static int option(int fd, int name, int value)
{
	return parley_set_sockopt(fd, IPPROTO_TCP, name, value);
}

/* The same without the flag, until the cork is taken off. */
TEST_F(more, cork)
{
	int i;

	ASSERT_EQ(0, option(self->fd[0], TCP_CORK, 1));
	for (i = 0; i < 20; i++) {
		drain(self->fd[1]);
		woken(self->epoll);
		ASSERT_EQ(10, record_put(self->fd[0], out, 10, 0));
		if (!woken(self->epoll))
			break;
	}
	EXPECT_GT(20, i);
	ASSERT_EQ(0, option(self->fd[0], TCP_CORK, 0));
	EXPECT_TRUE(woken(self->epoll));
	EXPECT_EQ(10, drain(self->fd[1]));
	ASSERT_EQ(1, record_put(self->fd[0], out, 1, 0));
	EXPECT_TRUE(woken(self->epoll));
	/* Nobody is woken for nothing. */
	ASSERT_EQ(0, option(self->fd[0], TCP_CORK, 1));
	ASSERT_EQ(0, option(self->fd[0], TCP_CORK, 0));
	EXPECT_FALSE(woken(self->epoll));
}

TEST_F(more, no_delay)
{
	ASSERT_TRUE(held(self->epoll, self->fd, 10));
	ASSERT_EQ(0, option(self->fd[0], TCP_NODELAY, 1));
	EXPECT_TRUE(woken(self->epoll));
	/* With it, the flag still means what it says. */
	ASSERT_TRUE(held(self->epoll, self->fd, 10));
}

/* The end of a file that is sent is the end of the matter. */
TEST_F(more, sendfile)
{
	char name[] = "/tmp/parley-more-XXXXXX";
	int file = mkstemp(name);

	ASSERT_LE(0, file);
	ASSERT_EQ(0, unlink(name));
	ASSERT_EQ(5000, write(file, out, 5000));
	ASSERT_EQ(0, lseek(file, 0, SEEK_SET));
	ASSERT_EQ(5000, sendfile(self->fd[0], file, NULL, 5000));
	EXPECT_TRUE(woken(self->epoll));
	drain(self->fd[1]);
	ASSERT_EQ(0, lseek(file, 0, SEEK_SET));
	woken(self->epoll);
	/* It is shorter than was asked for. */
	ASSERT_EQ(5000, sendfile(self->fd[0], file, NULL, 20000));
	EXPECT_TRUE(parley_until(woken(self->epoll)));
	EXPECT_EQ(5000, drain(self->fd[1]));
}

/* Two who write, with more or without, and one who sleeps for it. */
struct writer {
	pthread_t thread;
	struct race_random random;
	int fd;
	unsigned int rounds;
	bool bad;
};

static struct race_line line;

static void *writer_run(void *arg)
{
	struct writer *w = arg;
	unsigned int i;

	for (i = 0; i < w->rounds && !w->bad; i++) {
		race_line_meet(&line);
		race_spin(race_below(&w->random, 2000));
		w->bad |= hold(w->fd, 1) != 1;
		race_spin(race_below(&w->random, 500));
		/* One way or another it says that this was all. */
		if (race_below(&w->random, 2))
			w->bad |= record_put(w->fd, out, 1, 0) != 1;
		else
			w->bad |= hold(w->fd, 1) != 1 ||
				  parley_revents(w->fd, POLLOUT) != POLLOUT;
		race_line_meet(&line);
	}
	return NULL;
}

TEST_F(more, race)
{
	unsigned int rounds = race_scale(3000), i, slow = 0;
	__u64 seed = race_seed(), begun;
	struct writer w[2] = {};
	long n, sum;

	TH_LOG("seed %llu", (unsigned long long)seed);
	ASSERT_EQ(0, parley_timeo(self->fd[1], SO_RCVTIMEO, PARLEY_BOUND_MS));
	race_line_init(&line, 3);
	for (i = 0; i < 2; i++) {
		w[i].fd = self->fd[0];
		w[i].rounds = rounds;
		race_random_init(&w[i].random, seed, i);
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, writer_run,
					    &w[i]));
	}
	for (i = 0; i < rounds; i++) {
		begun = parley_now_ns();
		race_line_meet(&line);
		for (sum = 0; sum < 4; sum += n) {
			n = recv(self->fd[1], in, sizeof(in), 0);
			if (n <= 0)
				break;
		}
		slow += parley_now_ns() - begun > 150000000;
		race_line_meet(&line);
		EXPECT_EQ(4, sum);
	}
	for (i = 0; i < 2; i++) {
		pthread_join(w[i].thread, NULL);
		EXPECT_FALSE(w[i].bad);
	}
	/* Some may be slow on a slow machine, but not as a rule. */
	TH_LOG("%u of %u rounds were slow", slow, rounds);
	EXPECT_GT(rounds / 10 + 1, slow);
}

/* Nobody ever says that this was all: the time must tell, each time. */
TEST_F(more, race_with_time)
{
	unsigned int total = race_scale(400), i;
	struct race_random random;
	__u64 seed = race_seed();
	pid_t child;

	TH_LOG("seed %llu", (unsigned long long)seed);
	race_random_init(&random, seed, 1);
	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child) {
		unsigned int got = 0;
		struct timeval tv = { .tv_sec = PARLEY_BOUND_MS / 1000 };
		ssize_t n;

		setsockopt(self->fd[1], SOL_SOCKET, SO_RCVTIMEO, &tv,
			   sizeof(tv));
		for (; got < total; got += n) {
			n = recv(self->fd[1], in, sizeof(in), 0);
			if (n <= 0)
				_exit(1);
		}
		_exit(0);
	}
	for (i = 0; i < total; i++) {
		ASSERT_EQ(1, hold(self->fd[0], 1));
		race_spin(race_below(&random, 3000000));
	}
	EXPECT_EQ(0, parley_reap(child));
}

TEST_HARNESS_MAIN
