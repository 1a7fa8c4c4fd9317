// SPDX-License-Identifier: GPL-2.0
/*
 * Pacing: what a sender with a granted rate may send at once, how it waits,
 * and what ends the waiting. How exactly rates are kept is in pace_rate.c.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <linux/sockios.h>

#include "lib_pace.h"

#define HOST	"127.0.0.1"
#define PORT	7500
#define SIZE	1048576
#define WRITERS	4

static char bytes[SIZE];

FIXTURE(pace) {
	int listener;
	int fd[2];		/* [0] sends, [1] receives what is paced */
	unsigned long long begin; /* when they were connected */
	struct parley_thread thread[WRITERS];
};

FIXTURE_VARIANT(pace) {
	bool callee;		/* the accepted socket sends */
};

FIXTURE_VARIANT_ADD(pace, caller) { .callee = false };
FIXTURE_VARIANT_ADD(pace, callee) { .callee = true };

FIXTURE_SETUP(pace)
{
	sigset_t set;

	ASSERT_EQ(0, parley_ns_enter());
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	self->listener = parley_listener(HOST, PORT, 4);
	ASSERT_LE(0, self->listener);
}

FIXTURE_TEARDOWN(pace)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Connects self->fd, and leaves out of the test what does not concern it. */
#define pair_up(flow)							\
({									\
	self->begin = parley_now_ns();					\
	pace_pair(self->listener, HOST, PORT, (flow), variant->callee,	\
		  self->fd);						\
})

/* What comes at @rate since @from. */
static long came(__u32 rate, unsigned long long from)
{
	return (parley_now_ns() - from) / 1e9 * rate + 1;
}

/* So much at once, and what has come meanwhile, where time flies. */
#define expect_burst(bytes, rate, sent)					\
({									\
	long __sent = (sent);						\
									\
	EXPECT_LE((bytes), __sent);					\
	EXPECT_GE((bytes) + came((rate), self->begin), __sent);		\
})

/* The bucket at once, and then no more than what has come meanwhile. */
TEST_F(pace, burst)
{
	struct parley_flowspec flow = pace_flow(1000, 5000);
	long sent, more;

	ASSERT_EQ(0, pair_up(&flow));
	sent = pace_put(self->fd[0], SIZE);
	expect_burst(5000, 1000, sent);
	more = pace_drain(self->fd[0], SIZE);
	ASSERT_LE(0, more);
	expect_burst(5000, 1000, sent + more);
	EXPECT_EQ(sent + more, pace_get(self->fd[1]));
	/* That the peer has read it does not help. */
	expect_burst(5000, 1000,
		     sent + more + pace_drain(self->fd[0], SIZE));
	/* The other direction knows nothing of it. */
	EXPECT_EQ(100000, pace_put(self->fd[1], 100000));
}

/* Whoever grants a rate and no bucket: a tenth of a second, 4 KiB at least. */
TEST_F(pace, burst_by_default)
{
	struct parley_flowspec flow = pace_flow(100, PACE_ANY);

	ASSERT_EQ(0, pair_up(&flow));
	expect_burst(4096, 100, pace_put(self->fd[0], SIZE));
	flow = pace_flow(100000, PACE_ANY);
	ASSERT_EQ(0, pair_up(&flow));
	expect_burst(10000, 100000, pace_put(self->fd[0], SIZE));
}

/* A bucket without a rate limits nothing, and neither does a latency. */
TEST_F(pace, no_rate)
{
	struct parley_flowspec flow = pace_flow(PACE_ANY, 1);

	flow.latency_us = 5;
	flow.max_sdu = 10;
	flow.min_policed = 10;
	ASSERT_EQ(0, pair_up(&flow));
	EXPECT_EQ(100000, pace_put(self->fd[0], 100000));
}

/* All services that allow data are paced. */
TEST_F(pace, services)
{
	struct parley_flowspec flow = pace_flow(10, 3000);
	__u32 service;

	for (service = PARLEY_SERVICE_BESTEFFORT;
	     service <= PARLEY_SERVICE_GUARANTEED; service++) {
		flow.service = service;
		ASSERT_EQ(0, pair_up(&flow));
		expect_burst(3000, 10, pace_put(self->fd[0], SIZE));
	}
}

/* It is what was granted that counts, not what was asked for. */
TEST_F(pace, granted)
{
	struct parley_flowspec flow = pace_flow(1000, 9000);
	struct parley_qos grant;
	struct parley_rule_answer answer = {
		.verdict = PARLEY_ACCEPT,
		.flags = PARLEY_ANSWER_QOS,
	};

	terms_qos_none(&grant);
	if (variant->callee)
		grant.recv.bucket_size = 700;
	else
		grant.send.bucket_size = 700;
	answer.grant = grant;
	ASSERT_EQ(0, terms_rule(self->listener, &answer, NULL, 0));
	ASSERT_EQ(0, pair_up(&flow));
	expect_burst(700, 1000, pace_put(self->fd[0], SIZE));
}

/* Who did not ask is paced too, if the server says so. */
TEST_F(pace, granted_unasked)
{
	struct parley_flowspec nothing = pace_flow(PACE_ANY, PACE_ANY);
	struct parley_rule_answer answer = {
		.verdict = PARLEY_ACCEPT,
		.flags = PARLEY_ANSWER_QOS,
	};

	terms_qos_none(&answer.grant);
	if (variant->callee)
		answer.grant.recv = pace_flow(1000, 600);
	else
		answer.grant.send = pace_flow(1000, 600);
	ASSERT_EQ(0, terms_rule(self->listener, &answer, NULL, 0));
	ASSERT_EQ(0, pair_up(&nothing));
	expect_burst(600, 1000, pace_put(self->fd[0], SIZE));
	EXPECT_EQ(100000, pace_put(self->fd[1], 100000));
}

/* Who does not send saves up a bucket, and not more. */
TEST_F(pace, saved_up)
{
	struct parley_flowspec flow = pace_flow(100000, 2000);
	int i;

	ASSERT_EQ(0, pair_up(&flow));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(2000, pace_put(self->fd[0], 2000));
		ASSERT_EQ(0, pace_until(parley_now_ns(), 50));
		self->begin = parley_now_ns();
		if (i == 2)
			expect_burst(2000, 100000, pace_put(self->fd[0], SIZE));
	}
	/* Nor does who was cut short, but for what being late may cost. */
	EXPECT_LE(0, pace_drain(self->fd[0], SIZE));
	ASSERT_EQ(0, pace_until(parley_now_ns(), 50));
	self->begin = parley_now_ns();
	expect_burst(2000, 100000,
		     pace_put(self->fd[0], SIZE) - 100 * PACE_LATE_MS);
}

/* A hundredth of a second of the peak rate, however full the bucket is. */
TEST_F(pace, peak)
{
	struct parley_flowspec flow = pace_flow(1000, 50000);
	unsigned long long begin;
	long sent;

	flow.peak_rate = 100000;
	ASSERT_EQ(0, pair_up(&flow));
	sent = pace_put(self->fd[0], SIZE);
	expect_burst(1000, 100000, sent);
	EXPECT_EQ(0, pace_until(self->begin, 100));
	sent += pace_drain(self->fd[0], SIZE);
	EXPECT_LE(2000, sent);
	EXPECT_GE(1000 + came(100000, self->begin), sent);
	/* A write that is larger takes its time. */
	begin = parley_now_ns();
	EXPECT_EQ(10000, send(self->fd[0], bytes, 10000, 0));
	EXPECT_LE(10000 - 1000, came(100000, begin));
}

TEST_F(pace, peak_alone)
{
	struct parley_flowspec flow = pace_flow(PACE_ANY, PACE_ANY);

	flow.peak_rate = 50000;
	ASSERT_EQ(0, pair_up(&flow));
	expect_burst(500, 50000, pace_put(self->fd[0], SIZE));
}

/* Ten small pieces cost as much as ten larger ones. */
TEST_F(pace, min_policed)
{
	struct parley_flowspec flow = pace_flow(1, 1000);
	int i;

	flow.min_policed = 100;
	ASSERT_EQ(0, pair_up(&flow));
	for (i = 0; i < 8; i++)
		EXPECT_EQ(1, pace_put(self->fd[0], 1));
	EXPECT_EQ(150, pace_put(self->fd[0], 150));
	EXPECT_EQ(-EAGAIN, pace_put(self->fd[0], 1));
	EXPECT_EQ(158, pace_get(self->fd[1]));
}

/* More than a bucket: it goes when that is full, and is paid for then. */
TEST_F(pace, min_policed_above_bucket)
{
	struct parley_flowspec flow = pace_flow(1000, 10);

	flow.min_policed = 100;
	ASSERT_EQ(0, pair_up(&flow));
	EXPECT_EQ(3, pace_put(self->fd[0], 3));
	EXPECT_EQ(3, send(self->fd[0], bytes, 3, 0));
	EXPECT_LE(100 * 1000000, parley_now_ns() - self->begin);
	flow = pace_flow(1, 10);
	flow.min_policed = 100;
	ASSERT_EQ(0, pair_up(&flow));
	EXPECT_EQ(3, pace_put(self->fd[0], 3));
	EXPECT_EQ(-EAGAIN, pace_put(self->fd[0], 3));
}

TEST_F(pace, blocking)
{
	struct parley_flowspec flow = pace_flow(100000, 1000);
	unsigned long long begin;

	ASSERT_EQ(0, pair_up(&flow));
	begin = parley_now_ns();
	EXPECT_EQ(21000, send(self->fd[0], bytes, 21000, 0));
	EXPECT_LE(200 * 1000000, parley_now_ns() - begin);
	EXPECT_EQ(21000, pace_get(self->fd[1]));
}

/* Nothing to send costs nothing. */
TEST_F(pace, no_bytes)
{
	struct parley_flowspec flow = pace_flow(1, 10);

	ASSERT_EQ(0, pair_up(&flow));
	ASSERT_EQ(10, pace_put(self->fd[0], SIZE));
	EXPECT_EQ(0, pace_put(self->fd[0], 0));
	EXPECT_EQ(0, send(self->fd[0], bytes, 0, 0));
}

TEST_F(pace, timeout)
{
	struct parley_flowspec flow = pace_flow(1, 10);
	unsigned long long begin = parley_now_ns();

	ASSERT_EQ(0, pair_up(&flow));
	ASSERT_EQ(0, parley_timeo(self->fd[0], SO_SNDTIMEO, 50));
	EXPECT_EQ(10, send(self->fd[0], bytes, 1000, 0));
	EXPECT_EQ(-1, send(self->fd[0], bytes, 1000, 0));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LE(80 * 1000000, parley_now_ns() - begin);
}

/* No POLLOUT without credit; it comes with credit for more than a byte. */
TEST_F(pace, poll)
{
	struct parley_flowspec flow = pace_flow(100000, 1000);
	int i;

	ASSERT_EQ(0, pair_up(&flow));
	EXPECT_EQ(POLLOUT, parley_revents(self->fd[0], POLLOUT));
	for (i = 0; i < 5; i++) {
		ASSERT_LE(0, pace_drain(self->fd[0], SIZE));
		ASSERT_EQ(POLLOUT, parley_wait(self->fd[0], POLLOUT));
		EXPECT_LE(500, pace_put(self->fd[0], SIZE));
	}
	flow = pace_flow(1, 10);
	ASSERT_EQ(0, pair_up(&flow));
	ASSERT_EQ(10, pace_put(self->fd[0], SIZE));
	EXPECT_EQ(0, parley_revents(self->fd[0], POLLOUT));
	/* Credit is not space: both must be there. */
	EXPECT_EQ(POLLOUT, parley_revents(self->fd[1], POLLOUT));
}

/* An edge for each time that credit came back, and none before. */
TEST_F(pace, epoll_edge)
{
	struct epoll_event event = { .events = EPOLLOUT | EPOLLET };
	struct parley_flowspec flow = pace_flow(20000, 400);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	unsigned long long begin;
	long sum = 0, sent;

	ASSERT_LE(0, epoll);
	ASSERT_EQ(0, pair_up(&flow));
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->fd[0], &event));
	ASSERT_EQ(1, epoll_wait(epoll, &event, 1, PARLEY_BOUND_MS));
	begin = parley_now_ns();
	while (sum < 4400) {
		sent = pace_drain(self->fd[0], SIZE);
		ASSERT_LT(0, sent);
		sum += sent;
		ASSERT_EQ(1, epoll_wait(epoll, &event, 1, PARLEY_BOUND_MS));
		EXPECT_EQ(EPOLLOUT, event.events);
	}
	EXPECT_LE(sum, 400 + came(20000, begin) + 20 * PACE_LATE_MS);
	flow = pace_flow(1, 10);
	ASSERT_EQ(0, pair_up(&flow));
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->fd[0], &event));
	ASSERT_EQ(1, epoll_wait(epoll, &event, 1, PARLEY_BOUND_MS));
	ASSERT_EQ(10, pace_drain(self->fd[0], SIZE));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
}

/* O_ASYNC: the signal comes when there is credit. */
TEST_F(pace, sigio)
{
	struct parley_flowspec flow = pace_flow(20000, 400);
	struct timespec bound = { PARLEY_BOUND_MS / 1000 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, pair_up(&flow));
	ASSERT_EQ(0, fcntl(self->fd[0], F_SETSIG, SIGUSR1));
	ASSERT_EQ(0, fcntl(self->fd[0], F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(self->fd[0], F_SETFL, O_ASYNC));
	ASSERT_LE(400, pace_drain(self->fd[0], 400));
	ASSERT_EQ(SIGUSR1, sigtimedwait(&set, &info, &bound));
	EXPECT_EQ(POLL_OUT, info.si_code);
	EXPECT_LT(0, pace_put(self->fd[0], 400));
}

static long send_all(void *arg)
{
	const int *fd = arg;
	long sent = send(*fd, bytes, 10000, MSG_NOSIGNAL);

	return sent < 0 ? -errno : sent;
}

/* A thread that has sent 10 bytes, and waits for credit for more. */
#define block()								\
({									\
	struct parley_flowspec flow = pace_flow(1, 10);			\
									\
	ASSERT_EQ(0, pair_up(&flow));					\
	ASSERT_EQ(0, parley_thread_start(&self->thread[0], SYS_sendto,	\
					 send_all, &self->fd[0]));	\
	ASSERT_EQ(0, parley_thread_blocked(&self->thread[0]));		\
})

/* Between one and so many bytes as have come meanwhile, at one each second. */
#define expect_few(sent)						\
({									\
	long __sent = (sent);						\
									\
	EXPECT_LE(10, __sent);						\
	EXPECT_GE(10 + PARLEY_BOUND_MS / 1000, __sent);			\
})

TEST_F(pace, signal)
{
	ASSERT_EQ(0, parley_catch(SIGUSR1, SA_RESTART));
	block();
	ASSERT_EQ(0, parley_thread_kill(&self->thread[0], SIGUSR1));
	expect_few(parley_thread_join(&self->thread[0]));
	EXPECT_EQ(1, parley_caught());
}

TEST_F(pace, shutdown_while_waiting)
{
	block();
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	expect_few(parley_thread_join(&self->thread[0]));
	EXPECT_EQ(-EPIPE, pace_put(self->fd[0], 1));
	EXPECT_EQ(POLLOUT, parley_revents(self->fd[0], POLLOUT));
}

TEST_F(pace, peer_stops_reading)
{
	block();
	ASSERT_EQ(0, shutdown(self->fd[1], SHUT_RD));
	expect_few(parley_thread_join(&self->thread[0]));
	EXPECT_EQ(-EPIPE, pace_put(self->fd[0], 1));
}

TEST_F(pace, peer_closes)
{
	block();
	expect_few(pace_get(self->fd[1]));
	ASSERT_EQ(0, close(self->fd[1]));
	expect_few(parley_thread_join(&self->thread[0]));
}

/* What was not read is a reset, told to who waits or the next time. */
TEST_F(pace, peer_resets)
{
	block();
	ASSERT_EQ(0, close(self->fd[1]));
	expect_few(parley_thread_join(&self->thread[0]));
	EXPECT_EQ(-ECONNRESET, pace_put(self->fd[0], 1));
	EXPECT_EQ(-EPIPE, pace_put(self->fd[0], 1));
}

/* The process that waits is killed: nothing is left, least of all a timer. */
TEST_F(pace, killed_while_waiting)
{
	struct parley_flowspec flow = pace_flow(1, 10);
	pid_t pid;

	ASSERT_EQ(0, pair_up(&flow));
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(self->fd[1]);
		_exit(send_all(&self->fd[0]) < 0);
	}
	ASSERT_EQ(0, close(self->fd[0]));
	ASSERT_EQ(0, parley_blocked(pid, SYS_sendto));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	parley_reap(pid);
	ASSERT_EQ(POLLIN, parley_wait(self->fd[1], POLLIN) & POLLIN);
	expect_few(pace_get(self->fd[1]));
	EXPECT_EQ(0, recv(self->fd[1], bytes, 1, 0));
}

/* Closed while its timer runs, polled by nobody any more. */
TEST_F(pace, closed_while_armed)
{
	struct parley_flowspec flow = pace_flow(1000, 10);
	int i;

	/* Some with one that is about to expire, some with one that is not. */
	for (i = 0; i < 60; i++) {
		flow.token_rate = i % 3 ? 1000 : 1;
		ASSERT_EQ(0, pair_up(&flow));
		ASSERT_LE(10, pace_drain(self->fd[0], SIZE));
		ASSERT_EQ(0, close(self->fd[i & 1]));
		ASSERT_EQ(0, close(self->fd[!(i & 1)]));
	}
}

/* Writers share the bucket: together they send no more than one. */
TEST_F(pace, several_writers)
{
	struct parley_flowspec flow = pace_flow(100000, 1000);
	unsigned long long begin;
	int i;

	ASSERT_EQ(0, pair_up(&flow));
	begin = parley_now_ns();
	for (i = 0; i < WRITERS; i++)
		ASSERT_EQ(0, parley_thread_start(&self->thread[i], SYS_sendto,
						 send_all, &self->fd[0]));
	for (i = 0; i < WRITERS; i++)
		EXPECT_EQ(10000, parley_thread_join(&self->thread[i]));
	EXPECT_LE(WRITERS * 10000 - 1000 - 100 * PACE_LATE_MS,
		  came(100000, begin));
	EXPECT_EQ(WRITERS * 10000, pace_get(self->fd[1]));
}

/* Descriptors of one socket, also in another process, share it too. */
TEST_F(pace, duplicates)
{
	struct parley_flowspec flow = pace_flow(1, 100);
	int other;
	pid_t pid;

	ASSERT_EQ(0, pair_up(&flow));
	other = dup(self->fd[0]);
	ASSERT_LE(0, other);
	EXPECT_EQ(30, pace_put(self->fd[0], 30));
	EXPECT_EQ(30, pace_put(other, 30));
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(pace_put(other, SIZE) != 40);
	EXPECT_EQ(0, parley_reap(pid));
	EXPECT_EQ(-EAGAIN, pace_put(self->fd[0], 1));
}

TEST_F(pace, sendfile)
{
	struct parley_flowspec flow = pace_flow(100000, 1000);
	int file = memfd_create("pace", MFD_CLOEXEC);
	unsigned long long begin;

	ASSERT_LE(0, file);
	ASSERT_EQ(0, ftruncate(file, 16000));
	ASSERT_EQ(0, pair_up(&flow));
	begin = parley_now_ns();
	EXPECT_EQ(16000, sendfile(self->fd[0], file, NULL, 16000));
	EXPECT_LE(150 * 1000000, parley_now_ns() - begin);
	EXPECT_EQ(16000, pace_get(self->fd[1]));
}

TEST_F(pace, splice)
{
	struct parley_flowspec flow = pace_flow(1, 100);
	int fd[2];

	ASSERT_EQ(0, pipe2(fd, O_CLOEXEC));
	ASSERT_EQ(4000, write(fd[1], bytes, 4000));
	ASSERT_EQ(0, pair_up(&flow));
	ASSERT_EQ(0, parley_nonblock(self->fd[0], true));
	EXPECT_EQ(100, splice(fd[0], NULL, self->fd[0], NULL, 4000, 0));
	EXPECT_EQ(100, pace_get(self->fd[1]));
	/* What did not go is still in the pipe. */
	EXPECT_EQ(3900, read(fd[0], bytes, SIZE));
}

/* A direction without traffic ends before it has begun. */
TEST_F(pace, no_traffic)
{
	struct parley_flowspec flow = pace_flow(PACE_ANY, PACE_ANY);

	flow.service = PARLEY_SERVICE_NOTRAFFIC;
	ASSERT_EQ(0, pair_up(&flow));
	EXPECT_EQ(-EPIPE, pace_put(self->fd[0], 1));
	EXPECT_EQ(-EPIPE, pace_put(self->fd[0], 0));
	EXPECT_EQ(0, recv(self->fd[1], bytes, 1, 0));
	EXPECT_EQ(POLLIN | POLLRDHUP,
		  parley_revents(self->fd[1], POLLIN | POLLRDHUP));
	EXPECT_EQ(0, parley_revents(self->fd[0], POLLIN | POLLRDHUP));
	/* The other one is as good as any. */
	EXPECT_EQ(5, pace_put(self->fd[1], 5));
	EXPECT_EQ(5, recv(self->fd[0], bytes, 9, 0));
	ASSERT_EQ(0, shutdown(self->fd[1], SHUT_WR));
	EXPECT_EQ(POLLHUP, parley_revents(self->fd[0], 0));
	EXPECT_EQ(0, recv(self->fd[0], bytes, 9, 0));
}

TEST_F(pace, no_traffic_at_all)
{
	struct parley_qos qos;
	const struct terms t = { .qos = &qos };
	int i;

	terms_qos_none(&qos);
	qos.send.service = PARLEY_SERVICE_NOTRAFFIC;
	qos.recv.service = PARLEY_SERVICE_NOTRAFFIC;
	self->fd[0] = terms_call(HOST, PORT, &t);
	self->fd[1] = test_accept(self->listener, 0);
	ASSERT_LE(0, self->fd[1]);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(POLLHUP, parley_revents(self->fd[i], 0));
		EXPECT_EQ(-EPIPE, pace_put(self->fd[i], 1));
		EXPECT_EQ(0, recv(self->fd[i], bytes, 1, 0));
	}
}

TEST_HARNESS_MAIN
