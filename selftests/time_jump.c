// SPDX-License-Identifier: GPL-2.0
/*
 * The clock on the wall jumps by years, forwards and backwards, and a time
 * namespace shows another one: calls that are pending, deferred calls, paced
 * connections and rates of rules go by none of them.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <sched.h>
#include <time.h>

#include "lib_decide.h"
#include "lib_pace.h"
#include "lib_rules.h"
#include "lib_terms.h"
#include "lib_time.h"

#define HOST	"127.0.0.1"
#define PORT	7850
#define YEAR	(365LL * 86400)
#define LONG_MS	600000		/* longer than a test, shorter than a jump */
#define SOON_MS	80
#define RATE	20000		/* bytes a second */
#define BUCKET	4096

/* Where the clock jumps to, in seconds from now. */
static const long long jumps[] = { 10 * YEAR, -10 * YEAR, 100 * YEAR, -30 * YEAR };

FIXTURE(jump) {
	int listener;
	unsigned long long begun;	/* CLOCK_MONOTONIC and */
	struct timespec wall;		/* CLOCK_REALTIME at that moment */
};

static long long wall_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

FIXTURE_SETUP(jump)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, clock_gettime(CLOCK_REALTIME, &self->wall));
	self->begun = parley_now_ns();
	self->listener = parley_listener(HOST, PORT, 64);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, parley_nonblock(self->listener, true));
}

/* So far from what it would be. */
static int jump(const struct _test_data_jump *self, long long seconds)
{
	unsigned long long gone = parley_now_ns() - self->begun + self->wall.tv_nsec;
	const struct timespec ts = {
		.tv_sec = self->wall.tv_sec + gone / TIME_SECOND + seconds,
		.tv_nsec = gone % TIME_SECOND,
	};

	return clock_settime(CLOCK_REALTIME, &ts) ? -errno : 0;
}

FIXTURE_TEARDOWN(jump)
{
	EXPECT_EQ(0, jump(self, 0));
	EXPECT_EQ(0, parley_expect_clean());
}

/*
 * After each jump something short goes on as it has to; what else was there to
 * happen would have happened by its end.
 */
static bool soon(void)
{
	unsigned long long begun = parley_now_ns();
	int fd = time_call(PORT + 1, SOON_MS);
	bool right;

	right = fd >= 0 && parley_wait(fd, POLLOUT) & POLLERR &&
		time_right("a call after a jump", SOON_MS,
			   parley_now_ns() - begun, 16, false) &&
		parley_so_error(fd) == ETIMEDOUT;
	close(fd);
	return right;
}

/* Without it nothing here would be tested. */
static bool has_jumped(const struct _test_data_jump *self, long long seconds)
{
	long long off = wall_seconds() - self->wall.tv_sec - seconds;

	return off >= 0 && off < LONG_MS / 1000;
}

TEST_F(jump, pending)
{
	unsigned long long most = LONG_MS * TIME_MS, now, called;
	struct parley_next_call next = {};
	int fd, before;
	unsigned int i;

	ASSERT_LE(0, parley_listener(HOST, PORT + 1, 64));
	called = parley_now_ns();
	fd = time_call(PORT, LONG_MS);
	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(jumps); i++) {
		/* This one is there when the clock jumps. */
		now = parley_now_ns();
		before = time_call(PORT + 1, SOON_MS);
		ASSERT_LE(0, before);
		ASSERT_EQ(0, jump(self, jumps[i]));
		EXPECT_TRUE(has_jumped(self, jumps[i]));
		EXPECT_TRUE(soon());
		EXPECT_TRUE(parley_wait(before, POLLOUT) & POLLERR);
		EXPECT_TRUE(time_right("a call before a jump", SOON_MS,
				       parley_now_ns() - now, 16, false));
		close(before);
		EXPECT_TRUE(decide_waits(fd));
		ASSERT_EQ(0, decide_next(self->listener, PARLEY_NEXT_NOWAIT |
					 PARLEY_NEXT_REWIND, &next));
		now = parley_now_ns() - called;
		EXPECT_GE(now, next.info.age_ns);
		EXPECT_LE(most - now, next.info.timeout_ns);
		EXPECT_GE(most, next.info.timeout_ns);
		EXPECT_GE(most, next.info.timeout_ns + next.info.age_ns);
	}
}

TEST_F(jump, deferred)
{
	unsigned long long now;
	int fd, before;
	unsigned int i;

	ASSERT_LE(0, parley_listener(HOST, PORT + 1, 64));
	ASSERT_EQ(0, terms_set_stage(self->listener, PARLEY_STAGE_ARRIVAL));
	ASSERT_EQ(0, decide_rules(self->listener, PARLEY_DEFER));
	ASSERT_EQ(0, terms_set_defer(self->listener, LONG_MS, PARLEY_REFUSE));
	fd = time_call(PORT, 0);
	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(jumps); i++) {
		ASSERT_EQ(0, terms_set_defer(self->listener, SOON_MS,
					     PARLEY_REFUSE));
		now = parley_now_ns();
		before = time_call(PORT, 0);
		ASSERT_LE(0, before);
		ASSERT_EQ(0, jump(self, jumps[i]));
		EXPECT_TRUE(decide_refused_is(before,
					      PARLEY_REASON_DEFER_EXPIRED, 0));
		EXPECT_TRUE(time_right("deferred", SOON_MS,
				       parley_now_ns() - now, 16, false));
		close(before);
		EXPECT_TRUE(soon());
		EXPECT_TRUE(decide_waits(fd));
	}
}

/* Who waits in a system call waits as long as was said. */
TEST_F(jump, blocking)
{
	struct parley_thread accepts, calls;
	unsigned long long now;
	unsigned int i;
	int fd;

	ASSERT_EQ(0, parley_nonblock(self->listener, false));
	ASSERT_LE(0, parley_listener(HOST, PORT + 1, 64));
	ASSERT_EQ(0, parley_timeo(self->listener, SO_RCVTIMEO, SOON_MS));
	for (i = 0; i < ARRAY_SIZE(jumps); i++) {
		fd = parley_socket(0);
		ASSERT_EQ(0, parley_timeo(fd, SO_SNDTIMEO, SOON_MS));
		now = parley_now_ns();
		ASSERT_EQ(0, parley_thread_accept(&accepts, self->listener));
		ASSERT_EQ(0, parley_thread_connect(&calls, fd, HOST, PORT + 1));
		ASSERT_EQ(0, jump(self, jumps[i]));
		EXPECT_EQ(-EAGAIN, parley_thread_join(&accepts));
		EXPECT_EQ(-EINPROGRESS, parley_thread_join(&calls));
		EXPECT_TRUE(time_right("system calls", SOON_MS,
				       parley_now_ns() - now, 16, true));
		close(fd);
	}
}

/* How long a connection has been there. */
TEST_F(jump, connected)
{
	unsigned long long begun = parley_now_ns(), made;
	struct parley_call_info info;
	unsigned int i;
	int fd[2];
	__u64 ns;

	ASSERT_EQ(0, parley_nonblock(self->listener, false));
	ASSERT_EQ(0, parley_pair(self->listener, fd));
	made = parley_now_ns();
	for (i = 0; i < ARRAY_SIZE(jumps); i++) {
		ASSERT_EQ(0, jump(self, jumps[i]));
		begun = made - begun > LONG_MS * TIME_MS ? made : begun;
		ASSERT_EQ(0, terms_connect_time(fd[0], &ns));
		EXPECT_GE(parley_now_ns() - begun, ns);
		ASSERT_EQ(0, terms_connect_time(fd[1], &ns));
		EXPECT_GE(parley_now_ns() - begun, ns);
		ASSERT_EQ(0, terms_info(fd[1], &info));
		EXPECT_GE(made - begun, info.age_ns);
		EXPECT_LT(0, info.age_ns);
	}
}

/* No credit comes from a jump, and none is lost. */
TEST_F(jump, paced)
{
	const struct parley_flowspec flow = pace_flow(RATE, BUCKET);
	unsigned long long begun, gone;
	long sent, most;
	unsigned int i;
	int fd[2];

	begun = parley_now_ns();
	ASSERT_EQ(0, pace_pair(self->listener, HOST, PORT, &flow, false, fd));
	sent = pace_drain(fd[0], BUCKET);
	ASSERT_LE(BUCKET, sent);
	for (i = 0; i < ARRAY_SIZE(jumps); i++) {
		ASSERT_EQ(0, jump(self, jumps[i]));
		sent += pace_drain(fd[0], BUCKET);
		/* Who waits is woken, for something. */
		ASSERT_EQ(POLLOUT, parley_wait(fd[0], POLLOUT));
		most = pace_drain(fd[0], BUCKET);
		EXPECT_LT(0, most);
		sent += most;
		ASSERT_LT(0, pace_get(fd[1]));
		gone = parley_now_ns() - begun;
		most = BUCKET + RATE * PACE_LATE_MS / 1000 + 1 +
		       gone / 1000 * RATE / 1000000;
		EXPECT_GE(most, sent);
	}
}

/* One more of the rule that has a token now and then; @begun: not before this. */
static bool takes(int listener, unsigned long long *begun)
{
	const struct rules_call c = { .terms.group = 1 };

	*begun = parley_now_ns();
	return rules_code(listener, &c) == 0;
}

/* A day has not passed; a short time has when it has. */
TEST_F(jump, rates)
{
	struct rules *t = rules_new();
	struct parley_rule *r = rules_add(t, PARLEY_ACCEPT);
	unsigned long long now, next;
	unsigned int i;

	ASSERT_NE(NULL, t);
	rules_group(r, 0);
	rules_once(r, 1);
	rules_say(&r->over, 9, 0);
	r = rules_add(t, PARLEY_ACCEPT);
	r->flags |= PARLEY_RULE_RATE;
	r->rate.calls = 1;
	r->rate.burst = 1;
	r->rate.interval_ms = SOON_MS;
	r->over.verdict = PARLEY_REFUSE;
	rules_say(&r->over, 8, 0);
	ASSERT_EQ(0, rules_set(self->listener, t));
	EXPECT_EQ(0, rules_code(self->listener, NULL));
	for (i = 0; i < ARRAY_SIZE(jumps); i++) {
		ASSERT_TRUE(parley_until(takes(self->listener, &now)));
		ASSERT_EQ(0, jump(self, jumps[i]));
		EXPECT_EQ(9, rules_code(self->listener, NULL));
		ASSERT_TRUE(parley_until(takes(self->listener, &next)));
		EXPECT_LE(SOON_MS * TIME_MS, parley_now_ns() - now);
		EXPECT_EQ(9, rules_code(self->listener, NULL));
	}
	rules_free(t);
}

/* In a time namespace, by a process of its own */

static int enter_later(long long seconds)
{
	char text[32];
	int fd, len, err = 0;

	if (unshare(CLONE_NEWTIME))
		return -errno;
	fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = snprintf(text, sizeof(text), "monotonic %lld 0", seconds);
	if (write(fd, text, len) != len)
		err = -errno;
	close(fd);
	return err;
}

/* What somebody there sees: a line of its code for each thing that is wrong. */
static int seen_later(int listener, unsigned long long before)
{
	unsigned long long begun = parley_now_ns();
	struct parley_next_call next = {};
	int call, got;
	__u64 ns;

	if (begun - before < YEAR * TIME_SECOND)
		return 10;
	if (!soon())
		return 11;
	call = time_call(PORT, LONG_MS);
	if (call < 0 || decide_next(listener, PARLEY_NEXT_NOWAIT, &next))
		return 12;
	if (next.info.age_ns > parley_now_ns() - begun)
		return 13;
	if (next.info.timeout_ns > LONG_MS * TIME_MS ||
	    next.info.timeout_ns < LONG_MS * TIME_MS - 60 * TIME_SECOND)
		return 14;
	got = test_accept(listener, 0);
	if (got < 0 || terms_connect_time(got, &ns))
		return 15;
	return ns > parley_now_ns() - begun ? 16 : 0;
}

TEST_F(jump, time_namespace)
{
	unsigned long long before = parley_now_ns();
	pid_t pid;

	ASSERT_LE(0, parley_listener(HOST, PORT + 1, 64));
	pid = parley_fork();
	if (!pid) {
		/* The next child is the first one in it. */
		if (enter_later(10 * YEAR))
			_exit(1);
		pid = parley_fork();
		if (!pid)
			_exit(seen_later(self->listener, before));
		_exit(pid < 0 ? 2 : parley_reap(pid));
	}
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, parley_reap(pid));
}

TEST_HARNESS_MAIN
