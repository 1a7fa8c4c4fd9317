// SPDX-License-Identifier: GPL-2.0
/*
 * The moments at which a counter of time ends that somebody keeps in too few
 * bits: five minutes after the start the kernel's ticks have used up 32 bits,
 * later half of the next 32; milliseconds since the start use up 31 bits after
 * 25 days, and 32 after 50. What lasts across such a moment lasts as long as it
 * should.
 *
 * Where time is counted (lib_time.h) the moments are waited for that come within
 * PARLEY_DAYS; elsewhere the same is done across no moment in particular. The
 * first one is soon over, so this is the first program of its kind by name.
 */
#include "kselftest_harness.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "lib_decide.h"
#include "lib_pace.h"
#include "lib_rules.h"
#include "lib_terms.h"
#include "lib_time.h"

#define HOST	"127.0.0.1"
#define PORT	7900
#define PORTS	20	/* for each of those who look */
#define SLACK	4	/* ticks; all look at the same time */
#define DAYS	(400 * 24 * 3600)
#define RATE	20000	/* bytes a second */
#define BUCKET	4096

/* When calls end, in milliseconds from the moment. */
static const int ends[] = {
	-900, -20, -8, -4, -1, 0, 1, 4, 8, 20, 900,
};

#define ENDS	ARRAY_SIZE(ends)

struct call {
	int fd;
	unsigned int ms;
	unsigned long long begun;
};

/* Each of these runs in a process of its own, and says whether all is well. */

static bool took(const char *what, unsigned int ms, unsigned long long begun,
		 bool in_ticks)
{
	return time_right(what, ms, parley_now_ns() - begun, SLACK, in_ticks);
}

/* No later than that, where time is counted. */
static bool within(const char *what, unsigned int ms, unsigned long long begun)
{
	unsigned long long gone = parley_now_ns() - begun;

	if (!time_counted() || gone <= ms * TIME_MS + SLACK * time_tick())
		return true;
	printf("# %s: %llu ns, at most %u ms\n", what, gone, ms);
	fflush(stdout);
	return false;
}

/* A listener at @port that defers all calls for so long. */
static int defers(int port, unsigned int ms)
{
	int l = parley_listener(HOST, port, 4);

	if (l < 0)
		return l;
	return terms_set_stage(l, PARLEY_STAGE_ARRIVAL) ?:
	       decide_rules(l, PARLEY_DEFER) ?:
	       terms_set_defer(l, ms, PARLEY_REFUSE);
}

/*
 * Calls whose time, or that of their deferral, ends about the moment. Return: how
 * many there are; on a slow machine some end in connect(2). Negative: an error.
 */
static int make_calls(struct call *c, int epoll, int port,
		      unsigned long long moment, bool deferred)
{
	struct epoll_event ev = { .events = EPOLLERR };
	int i, made = 0;
	long long ms;

	for (i = 0; i < ENDS; i++, c++) {
		ms = (long long)(moment - parley_now_ns()) / (long long)TIME_MS +
		     ends[i];
		c->ms = ms > 0 ? ms : 1;
		if (deferred && defers(port + i, c->ms) < 0)
			return -1;
		c->begun = parley_now_ns();
		c->fd = time_call(port + i * deferred, deferred ? 0 : c->ms);
		if (c->fd == (deferred ? -ECONNREFUSED : -ETIMEDOUT) &&
		    took("connecting", c->ms, c->begun, false))
			continue;
		ev.data.ptr = c;
		if (c->fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev))
			return -1;
		made++;
	}
	return made;
}

/*
 * They all end, each at its time. Which of them have ended is looked at from just
 * before the first one's: what ended long before is found to be early then.
 */
static bool calls_end(int epoll, int left, unsigned long long moment)
{
	struct epoll_event ev;
	bool right = true;
	struct call *c;

	if (left < 0 || time_until(moment - 950 * TIME_MS))
		return false;
	while (left--) {
		if (epoll_wait(epoll, &ev, 1, PARLEY_BOUND_MS) != 1)
			return false;
		c = ev.data.ptr;
		right = took("a call", c->ms, c->begun, false) && right;
		right = parley_so_error(c->fd) > 0 && right;
		close(c->fd);
	}
	return right;
}

/* The calls are made as early as their time can be said. */
static bool old_calls(unsigned long long moment, int port)
{
	unsigned long long most = 0xfffff000ULL * TIME_MS;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct call c[ENDS];

	if (moment > parley_now_ns() + most && time_until(moment - most))
		return false;
	return parley_listener(HOST, port, 64) >= 0 &&
	       calls_end(epoll, make_calls(c, epoll, port, moment, false),
			 moment);
}

static bool new_calls(unsigned long long moment, int port)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct call c[ENDS];

	return parley_listener(HOST, port, 64) >= 0 &&
	       !time_until(moment - 1000 * TIME_MS) &&
	       calls_end(epoll, make_calls(c, epoll, port, moment, false),
			 moment);
}

static bool deferred_calls(unsigned long long moment, int port)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct call c[ENDS];

	return !time_until(moment - 1000 * TIME_MS) &&
	       calls_end(epoll, make_calls(c, epoll, port, moment, true),
			 moment);
}

static bool accepting(unsigned long long moment, int port)
{
	int l = parley_listener(HOST, port, 4);
	unsigned long long begun;

	if (l < 0 || parley_timeo(l, SO_RCVTIMEO, 200) ||
	    time_until(moment - 100 * TIME_MS))
		return false;
	begun = parley_now_ns();
	return test_accept(l, 0) == -EAGAIN && took("accept", 200, begun, true);
}

static bool connecting(unsigned long long moment, int port)
{
	int fd = parley_socket(0);
	unsigned long long begun;

	if (parley_listener(HOST, port, 4) < 0 ||
	    parley_timeo(fd, SO_SNDTIMEO, 200) ||
	    time_until(moment - 100 * TIME_MS))
		return false;
	begun = parley_now_ns();
	return test_connect(fd, HOST, port) == -EINPROGRESS &&
	       took("connect", 200, begun, true);
}

/* A token comes when it is due, and no other one. */
static bool rates(unsigned long long moment, int port)
{
	int l = parley_listener(HOST, port, 4);
	struct rules *t = rules_new();
	struct parley_rule *r = rules_add(t, PARLEY_ACCEPT);
	unsigned long long begun;

	r->flags |= PARLEY_RULE_RATE;
	r->rate.calls = 1;
	r->rate.burst = 1;
	r->rate.interval_ms = 1000;
	r->over.verdict = PARLEY_REFUSE;
	rules_say(&r->over, 8, 0);
	if (l < 0 || parley_nonblock(l, true) || rules_set(l, t) ||
	    time_until(moment - 500 * TIME_MS))
		return false;
	begun = parley_now_ns();
	return rules_code(l, NULL) == 0 && rules_code(l, NULL) == 8 &&
	       parley_until(!rules_code(l, NULL)) &&
	       took("a token", 1000, begun, false) && rules_code(l, NULL) == 8;
}

/* A paced connection gets a second's credit in a second. */
static bool paces(unsigned long long moment, int port)
{
	const struct parley_flowspec flow = pace_flow(RATE, BUCKET);
	int fd[2], l = parley_listener(HOST, port, 4);
	unsigned long long begun, gone;
	long sent = 0, due, late;

	if (l < 0 || time_until(moment - 500 * TIME_MS))
		return false;
	begun = parley_now_ns();
	if (pace_pair(l, HOST, port, &flow, false, fd))
		return false;
	do {
		sent += pace_drain(fd[0], BUCKET);
		if (parley_wait(fd[0], POLLOUT) != POLLOUT ||
		    pace_get(fd[1]) <= 0)
			return false;
		gone = parley_now_ns() - begun;
	} while (gone < TIME_SECOND);
	due = BUCKET + gone / 1000 * RATE / 1000000;
	late = RATE * PACE_LATE_MS / 1000 + 1;
	if (sent <= due + late && (!time_counted() || sent >= due - 2 * late))
		return true;
	printf("# %ld bytes sent, %ld were due\n", sent, due);
	fflush(stdout);
	return false;
}

static long receive(void *arg)
{
	char byte;

	return recv(*(int *)arg, &byte, 1, 0);
}

/* Who sleeps is woken for what was held back (MSG_MORE) after a fifth of a second. */
static bool withholds(unsigned long long moment, int port)
{
	int fd[2], l = parley_listener(HOST, port, 4);
	struct parley_thread reader;
	unsigned long long begun;

	if (l < 0 || parley_pair(l, fd) ||
	    parley_thread_start(&reader, SYS_recvfrom, receive, &fd[1]) ||
	    parley_thread_blocked(&reader) || time_until(moment - 100 * TIME_MS))
		return false;
	begun = parley_now_ns();
	return send(fd[0], "x", 1, MSG_MORE) == 1 &&
	       parley_thread_join(&reader) == 1 &&
	       within("data of MSG_MORE", 200, begun);
}

static long reserve(void *arg)
{
	int l = *(int *)arg;
	long long id = decide_next_id(l, 0);

	return id < 0 ? id : decide_call(l, id, PARLEY_ACCEPT,
					 PARLEY_DECIDE_RESERVE);
}

/* What was kept for a thread that ends is anybody's after a tenth of one. */
static bool reserves(unsigned long long moment, int port)
{
	int l = parley_listener(HOST, port, 4);
	struct parley_thread decider;
	unsigned long long begun;

	if (l < 0 || parley_call(HOST, port) < 0 ||
	    time_until(moment - 50 * TIME_MS) ||
	    parley_thread_start(&decider, 0, reserve, &l) ||
	    parley_thread_join(&decider))
		return false;
	begun = parley_now_ns();
	return test_accept(l, 0) >= 0 &&
	       within("a call kept for who ended", 100, begun);
}

static const struct {
	const char *name;
	bool (*is_well)(unsigned long long moment, int port);
} looks[] = {
	{ "old calls", old_calls },
	{ "new calls", new_calls },
	{ "deferred calls", deferred_calls },
	{ "accept", accepting },
	{ "connect", connecting },
	{ "rates", rates },
	{ "pacing", paces },
	{ "held data", withholds },
	{ "reserved calls", reserves },
};

/* When the kernel's ticks will be so many, or 0. */
static unsigned long long when_ticks(unsigned long long ticks)
{
	unsigned long long now = parley_now_ns(), ticked = 0;
	FILE *f = fopen("/proc/timer_list", "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "jiffies: %llu", &ticked) == 1)
			break;
	if (f)
		fclose(f);
	if (!ticked || ticked > ticks)
		return 0;
	return now + (ticks - ticked) * time_tick();
}

FIXTURE(bits) {
	unsigned long long moment;	/* CLOCK_MONOTONIC */
	pid_t pid[ARRAY_SIZE(looks)];
};

/* What is counted since the start, and how much of it. */
FIXTURE_VARIANT(bits) {
	bool ticks;
	unsigned long long at;
};

/* In the order in which they come. */
FIXTURE_VARIANT_ADD(bits, none) {};
FIXTURE_VARIANT_ADD(bits, ticks_32) { true, 1ULL << 32 };
FIXTURE_VARIANT_ADD(bits, ms_31) { false, 1ULL << 31 };
FIXTURE_VARIANT_ADD(bits, ms_32) { false, 1ULL << 32 };
FIXTURE_VARIANT_ADD(bits, ticks_31_more) { true, 3ULL << 31 };
FIXTURE_VARIANT_ADD(bits, ticks_32_more) { true, 2ULL << 32 };

FIXTURE_SETUP(bits)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_sysctl_write("parley/connect_timeout_ms", 0));
	if (!variant->at)
		self->moment = parley_now_ns() + 1500 * TIME_MS;
	else if (!time_counted())
		self->moment = 0;
	else if (variant->ticks)
		self->moment = when_ticks(variant->at);
	else
		self->moment = variant->at * TIME_MS;
	if (variant->at && time_counted()) {
		/* It is to come, unless somebody waited too long before. */
		ASSERT_LT(parley_now_ns() + 2 * TIME_SECOND, self->moment);
		if (self->moment > time_days() * TIME_DAY)
			self->moment = 0;
	}
}

FIXTURE_TEARDOWN(bits)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F_TIMEOUT(bits, lasts, DAYS)
{
	unsigned int i;
	int status;

	if (!self->moment)
		return;
	for (i = 0; i < ARRAY_SIZE(looks); i++) {
		self->pid[i] = parley_fork();
		if (!self->pid[i])
			_exit(looks[i].is_well(self->moment,
					       PORT + PORTS * i) ? 0 : 1);
		ASSERT_LT(0, self->pid[i]);
	}
	for (i = 0; i < ARRAY_SIZE(looks); i++) {
		/* That may be a long time. */
		ASSERT_EQ(self->pid[i], waitpid(self->pid[i], &status, 0));
		EXPECT_EQ(0, status) {
			TH_LOG("%s", looks[i].name);
		}
	}
	EXPECT_LT(self->moment, parley_now_ns());
}

TEST_HARNESS_MAIN
