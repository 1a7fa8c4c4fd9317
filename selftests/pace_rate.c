// SPDX-License-Identifier: GPL-2.0
/*
 * Granted rates are kept within two per cent: many connections at once, each
 * with a rate of its own, one thread for all or one for each.
 */
#include "kselftest_harness.h"

#include "lib_pace.h"
#include "lib_race.h"

#define HOST	"127.0.0.1"
#define PORT	7600
#define LIMIT	1048576	/* of bytes under way */
#define PERCENT	2
#define STALL	0.02		/* seconds: no sender is to sleep longer */

/**
 * struct flow - a connection under test
 * @fd: [0] sends, [1] receives
 * @rate: bytes per second
 * @bucket: bytes
 * @begin: when it was connected
 * @total: bytes sent
 * @got: bytes received
 * @first: when there was no credit for the first time
 * @last: when there was none for the last time
 * @before: bytes sent by then, @first
 * @after: bytes sent by then, @last
 * @have: credit, as far as one can tell from here
 * @at: when that was so
 * @lost: credit that came in vain, since the test did not run
 */
struct flow {
	int fd[2];
	__u32 rate;
	__u32 bucket;
	unsigned long long begin;
	unsigned long long total;
	unsigned long long got;
	unsigned long long first;
	unsigned long long last;
	unsigned long long before;
	unsigned long long after;
	double have;
	unsigned long long at;
	double lost;
};

static const __u32 rates[] = {
	10000, 10000, 33333, 100000, 250000, 1000000, 1000000, 3000000,
	10000000,
};

#define FLOWS	ARRAY_SIZE(rates)

FIXTURE(rate) {
	int listener;
	struct flow flow[FLOWS];
};

FIXTURE_SETUP(rate)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->listener = parley_listener(HOST, PORT, FLOWS);
	ASSERT_LE(0, self->listener);
}

FIXTURE_TEARDOWN(rate)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Where everything is slow it is the rate that is to be tested, not copying. */
static __u32 scaled(__u32 rate)
{
	return rate > 1000000 ? race_scale(rate / 100) * 100 : rate;
}

static int flow_open(struct flow *f, int listener, __u32 rate, bool callee)
{
	struct parley_flowspec spec = pace_flow(rate, PACE_ANY);
	int i, err;

	f->rate = rate;
	f->bucket = rate / 10 > 4096 ? rate / 10 : 4096;
	err = pace_pair(listener, HOST, PORT, &spec, callee, f->fd);
	for (i = 0; i < 2 && !err; i++)
		err = parley_set_sockopt(f->fd[i], SOL_SOCKET,
					 i ? SO_RCVBUFFORCE : SO_SNDBUFFORCE,
					 LIMIT);
	f->begin = parley_now_ns();
	f->at = f->begin;
	f->have = f->bucket;
	return err;
}

/*
 * On a busy machine the test may be stopped for a while: what did not fit into
 * the bucket meanwhile is nobody's fault.
 */
static void flow_came(struct flow *f, unsigned long long now)
{
	double most = f->bucket + f->rate * 0.001 * PACE_LATE_MS;
	double seconds = (now - f->at) / 1e9;
	double over, stall = f->rate * (seconds - STALL);

	f->have += f->rate * seconds;
	f->at = now;
	over = f->have - most;
	if (over > stall)
		over = stall;
	if (over > 0) {
		f->have -= over;
		f->lost += over;
	}
}

static void flow_sent(struct flow *f, long n)
{
	f->total += n;
	f->have -= n;
}

/* No credit was left at @now: the bucket was empty then. */
static void flow_empty(struct flow *f, unsigned long long now)
{
	if (!f->first) {
		f->first = now;
		f->before = f->total;
		f->lost = 0;
	}
	f->last = now;
	f->after = f->total;
	f->have = 0;
	f->at = now;
}

/* Both ends of one connection do what they can. Return: 0 or an error. */
static int flow_turn(struct flow *f)
{
	unsigned long long now;
	long n;

	do {
		now = parley_now_ns();
		flow_came(f, now);
		n = pace_put(f->fd[0], LIMIT);
		if (n > 0)
			flow_sent(f, n);
	} while (n > 0);
	if (n != -EAGAIN)
		return n;
	/* For want of credit, not of space. */
	if (f->total - f->got < LIMIT / 2)
		flow_empty(f, now);
	n = pace_get(f->fd[1]);
	if (n > 0)
		f->got += n;
	return n < 0 ? n : 0;
}

/*
 * One thread serves all of them for so many milliseconds. Return: how many of
 * these it slept, or an error.
 */
static int flows_run(struct flow *flow, int count, unsigned int ms)
{
	unsigned long long begin = parley_now_ns(), now, slept = 0;
	struct pollfd poll_fd[FLOWS];
	int i, err;

	for (i = 0; i < count; i++) {
		poll_fd[i].fd = flow[i].fd[0];
		poll_fd[i].events = POLLOUT;
	}
	do {
		now = parley_now_ns();
		if (poll(poll_fd, count, PARLEY_BOUND_MS) < 1)
			return -ETIME;
		slept += parley_now_ns() - now;
		for (i = 0; i < count; i++) {
			err = poll_fd[i].revents ? flow_turn(&flow[i]) : 0;
			if (err)
				return err;
		}
	} while (now - begin < ms * 1000000ULL);
	return slept / 1000000;
}

/* At no time is it more than the bucket and what has come since. */
static bool flow_within(const struct flow *f)
{
	double seconds = (parley_now_ns() - f->begin) / 1e9;

	return f->total <= f->bucket + f->rate * 0.001 * PACE_LATE_MS +
			   f->rate * seconds + 1;
}

static bool flow_is_right(const struct flow *f)
{
	double seconds = (f->last - f->first) / 1e9;
	double due = seconds * f->rate - f->lost;
	double percent = (f->after - f->before) * 100 / due;
	bool exact = percent > 100 - PERCENT && percent < 100 + PERCENT;
	bool ok;

	/* Where all is slow, who hardly ran can tell only what is too much. */
	if (race_scale(100) < 100 && f->lost > seconds * f->rate / 10)
		exact = true;
	ok = flow_within(f) && exact;

	printf("# %9u bytes/s: %.3f %% in %.1f s, %.0f bytes lost%s\n",
	       f->rate, percent, seconds, f->lost, ok ? "" : ": WRONG");
	return ok;
}

/* Ten seconds, all at once, in both directions. */
TEST_F(rate, ten_seconds)
{
	int i;

	for (i = 0; i < FLOWS; i++)
		ASSERT_EQ(0, flow_open(&self->flow[i], self->listener,
				       scaled(rates[i]), i & 1));
	ASSERT_LE(0, flows_run(self->flow, FLOWS, race_scale(100) < 100 ?
			       3000 : 10000));
	for (i = 0; i < FLOWS; i++)
		EXPECT_TRUE(flow_is_right(&self->flow[i]));
}

/* A machine that is busy with copying all the time can be no judge of it. */
TEST_F(rate, hundred_megabytes)
{
	struct flow *f = &self->flow[0];
	unsigned int ms = race_scale(1500);
	int slept;

	ASSERT_EQ(0, flow_open(f, self->listener, scaled(100000000), true));
	slept = flows_run(f, 1, ms);
	ASSERT_LE(0, slept);
	printf("# slept %d of %u ms\n", slept, ms);
	EXPECT_TRUE(slept > ms / 10 ? flow_is_right(f) : flow_within(f));
}

static long flow_send(void *arg)
{
	static const char data[65536];
	struct flow *f = arg;
	unsigned long long now;

	do {
		long n;

		n = send(f->fd[0], data, f->rate / 100 < sizeof(data) ?
			 f->rate / 100 : sizeof(data), MSG_NOSIGNAL);
		if (n < 0)
			return -errno;
		now = parley_now_ns();
		flow_came(f, now);
		flow_sent(f, n);
		/* As soon as the burst is over the bucket is nearly empty. */
		if (f->total > 2 * f->bucket && f->have < f->rate / 50)
			flow_empty(f, now);
	} while (now < f->begin + 2000000000ULL);
	return shutdown(f->fd[0], SHUT_WR) ? -errno : 0;
}

static long flow_recv(void *arg)
{
	struct flow *f = arg;
	long n;

	while ((n = recv(f->fd[1], NULL, LIMIT, MSG_TRUNC)) > 0)
		f->got += n;
	return n < 0 ? -errno : 0;
}

/* Senders that sleep, each in a thread of its own. */
TEST_F(rate, blocking)
{
	static const __u32 some[] = { 200000, 1000000, 5000000 };
	struct parley_thread thread[2 * ARRAY_SIZE(some)];
	int i;

	for (i = 0; i < ARRAY_SIZE(some); i++)
		ASSERT_EQ(0, flow_open(&self->flow[i], self->listener,
				       scaled(some[i]), i & 1));
	for (i = 0; i < ARRAY_SIZE(some); i++) {
		struct flow *f = &self->flow[i];

		ASSERT_EQ(0, parley_thread_start(&thread[2 * i], SYS_sendto,
						 flow_send, f));
		ASSERT_EQ(0, parley_thread_start(&thread[2 * i + 1],
						 SYS_recvfrom, flow_recv, f));
	}
	for (i = 0; i < ARRAY_SIZE(thread); i++)
		EXPECT_EQ(0, parley_thread_join(&thread[i]));
	for (i = 0; i < ARRAY_SIZE(some); i++) {
		struct flow *f = &self->flow[i];

		/* Stopped again and again, it was hardly ever without credit. */
		EXPECT_TRUE(f->last - f->first > 1000000000ULL ?
			    flow_is_right(f) : flow_within(f));
		EXPECT_EQ(f->total, f->got);
	}
}

TEST_HARNESS_MAIN
