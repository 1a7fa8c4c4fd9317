// SPDX-License-Identifier: GPL-2.0
/*
 * Time-outs of every kind and length, from a millisecond to the most that can
 * be said: none ends early, and where time is counted (lib_time.h), none late.
 */
#include "kselftest_harness.h"

#include <limits.h>
#include <sys/epoll.h>

#include "lib_decide.h"
#include "lib_rules.h"
#include "lib_terms.h"
#include "lib_time.h"

#define HOST	"127.0.0.1"
#define PORT	7800
#define SLACK	3	/* ticks: the one that runs, and two of rounding up */
/* Where time is not counted, no longer than this: all at once, or one by one. */
#define AT_ONCE	260
#define EACH	100
#define HOURS	(30 * 3600)

static const unsigned int times[] = {
	1, 2, 3, 4, 5, 7, 8, 9, 10, 100, 250, 255, 256, 257, 1000, 9999, 60000,
	3600000, 86400000,
};

/* The longest ones, about where 31 and 32 bits end. */
static const unsigned int longest[] = {
	0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff,
};

/* Whether it may be waited for. */
static bool is_short(unsigned int ms, unsigned int otherwise)
{
	return time_counted() ? ms * TIME_MS < time_days() * TIME_DAY :
				ms <= otherwise;
}

/* So many of the above. */
static unsigned int count(unsigned int otherwise)
{
	unsigned int n = 0;

	while (n < ARRAY_SIZE(times) && is_short(times[n], otherwise))
		n++;
	return n;
}

/* Calls that nobody decides, all at once */

struct pending {
	int fd;		/* tells of the end: one of these */
	int call;
	int listener;
	unsigned long long begun;
	unsigned long long ended;
};

FIXTURE(pending) {
	int epoll;
	struct pending p[ARRAY_SIZE(times)];
};

/* How a time-out is set, and how it ends. */
FIXTURE_VARIANT(pending) {
	const char *sysctl;
	bool defers;
	unsigned int verdict;
};

FIXTURE_VARIANT_ADD(pending, connect) {
	.verdict = PARLEY_REFUSE,
};

FIXTURE_VARIANT_ADD(pending, connect_sysctl) {
	.sysctl = "parley/connect_timeout_ms", .verdict = PARLEY_REFUSE,
};

FIXTURE_VARIANT_ADD(pending, defer) {
	.defers = true, .verdict = PARLEY_REFUSE,
};

FIXTURE_VARIANT_ADD(pending, defer_accept) {
	.defers = true, .verdict = PARLEY_ACCEPT,
};

FIXTURE_VARIANT_ADD(pending, defer_sysctl) {
	.sysctl = "parley/defer_timeout_ms", .defers = true,
	.verdict = PARLEY_REFUSE,
};

FIXTURE_SETUP(pending)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->epoll);
}

FIXTURE_TEARDOWN(pending)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* A listener for calls with this time-out. */
static int listens(int port, unsigned int ms, bool defers, unsigned int verdict,
		   bool by_sysctl)
{
	int l = parley_listener(HOST, port, 8);
	int err;

	if (l < 0 || !defers)
		return l;
	err = terms_set_stage(l, PARLEY_STAGE_ARRIVAL) ?:
	      decide_rules(l, PARLEY_DEFER);
	if (!err && !by_sysctl)
		err = terms_set_defer(l, ms, verdict);
	return err ?: l;
}

/*
 * Return: 1, 0 if it has ended before connect(2) could say that it goes on, or a
 * negative errno.
 */
static int begin(struct pending *p, int epoll, int port, unsigned int ms,
		 const struct _fixture_variant_pending *v)
{
	struct epoll_event ev = { .events = EPOLLERR, .data.ptr = p };
	int err;

	if (v->sysctl) {
		err = parley_sysctl_write(v->sysctl, ms);
		if (err)
			return err;
	}
	p->listener = listens(port, ms, v->defers, v->verdict, v->sysctl);
	if (p->listener < 0)
		return p->listener;
	p->call = parley_socket(SOCK_NONBLOCK);
	err = v->sysctl && !v->defers ? 0 :
	      parley_call_timeout(p->call, v->defers ? 0 : ms);
	p->begun = parley_now_ns();
	if (!err)
		err = test_connect(p->call, HOST, port);
	if (err == (v->defers ? -ECONNREFUSED : -ETIMEDOUT))
		return time_right("connecting", ms, parley_now_ns() - p->begun,
				  SLACK, false) ? 0 : -EBADE;
	if (err != -EINPROGRESS)
		return err ?: -EISCONN;
	p->fd = p->call;
	if (v->defers && v->verdict == PARLEY_ACCEPT) {
		/* It may be accepted now. */
		p->fd = p->listener;
		ev.events = EPOLLIN;
	}
	return epoll_ctl(epoll, EPOLL_CTL_ADD, p->fd, &ev) ? -errno : 1;
}

/* The next one that ends. */
static struct pending *next_end(int epoll)
{
	struct epoll_event ev;
	struct pending *p;

	if (epoll_wait(epoll, &ev, 1, -1) != 1)
		return NULL;
	p = ev.data.ptr;
	p->ended = parley_now_ns();
	return epoll_ctl(epoll, EPOLL_CTL_DEL, p->fd, NULL) ? NULL : p;
}

TEST_F_TIMEOUT(pending, ends, HOURS)
{
	unsigned int i, end, left = 0, n = count(AT_ONCE);
	struct pending *p;
	int ret;

	for (i = 0; i < n; i++) {
		ret = begin(&self->p[i], self->epoll, PORT + i, times[i],
			    variant);
		ASSERT_LE(0, ret);
		left += ret;
	}
	for (; left; left--) {
		p = next_end(self->epoll);
		ASSERT_NE(NULL, p);
		end = p - self->p;
		EXPECT_TRUE(time_right("pending", times[end],
				       p->ended - p->begun, SLACK, false));
		if (variant->verdict == PARLEY_REFUSE) {
			EXPECT_EQ(variant->defers ? ECONNREFUSED : ETIMEDOUT,
				  parley_so_error(p->call));
		} else {
			EXPECT_LE(0, test_accept(p->listener, 0));
		}
	}
}

/* What is left of a call's time, by the one that has to do with @variant. */
static __u64 left(const struct parley_call_info *info, bool defers)
{
	return defers ? info->defer_timeout_ns : info->timeout_ns;
}

/* The longest do not end at once, and the kernel says how long they last. */
TEST_F_TIMEOUT(pending, longest, HOURS)
{
	unsigned long long now, rest,
			   far = (time_counted() ? 3600000 : 20) * TIME_MS;
	struct parley_next_call next;
	struct pending *p;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(longest); i++)
		ASSERT_EQ(1, begin(&self->p[i], self->epoll, PORT + i,
				   longest[i], variant));
	ASSERT_EQ(0, time_until(parley_now_ns() + far));
	for (i = 0; i < ARRAY_SIZE(longest); i++) {
		p = &self->p[i];
		EXPECT_TRUE(decide_waits(p->call));
		if (variant->defers) {
			EXPECT_EQ(0, parley_revents(p->listener, POLLIN));
		}
		memset(&next, 0, sizeof(next));
		ASSERT_EQ(0, decide_next(p->listener, PARLEY_NEXT_NOWAIT |
					 PARLEY_NEXT_DEFERRED, &next));
		now = parley_now_ns();
		rest = p->begun + longest[i] * TIME_MS - now;
		/* It begins a little later than we say. */
		EXPECT_LE(rest, left(&next.info, variant->defers));
		EXPECT_GE(rest + TIME_SECOND,
			  left(&next.info, variant->defers));
	}
}

/* System calls that wait, one after the other */

FIXTURE(blocking) {
	int listener;
	int pair[2];
	int fd;
};

/* Each returns the socket that is to wait, ready for it. */
static int who_calls(struct _test_data_blocking *self)
{
	if (self->fd >= 0)
		close(self->fd);
	self->fd = parley_socket(0);
	return self->fd;
}

static int who_called(struct _test_data_blocking *self)
{
	int err;

	if (self->fd >= 0)
		return self->fd;
	self->fd = parley_call(HOST, PORT);
	err = self->fd < 0 ? self->fd : parley_nonblock(self->fd, false);
	return err ?: self->fd;
}

static int who_listens(struct _test_data_blocking *self)
{
	return self->listener;
}

static int who_reads(struct _test_data_blocking *self)
{
	return self->pair[0];
}

static int who_writes(struct _test_data_blocking *self)
{
	static const char bytes[4096];

	while (send(self->pair[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	return self->pair[0];
}

/* And each of these waits. */
static int do_connect(int fd)
{
	return test_connect(fd, HOST, PORT);
}

static int do_accept(int fd)
{
	return test_accept(fd, 0);
}

static int do_next(int fd)
{
	struct parley_next_call next = {};

	return decide_next(fd, 0, &next);
}

static int do_recv(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) < 0 ? -errno : 0;
}

static int do_send(int fd)
{
	return send(fd, "", 1, 0) < 0 ? -errno : 0;
}

FIXTURE_VARIANT(blocking) {
	int (*who)(struct _test_data_blocking *self);
	int (*wait)(int fd);
	int option;
	int err;
};

FIXTURE_VARIANT_ADD(blocking, connect) {
	who_calls, do_connect, SO_SNDTIMEO, -EINPROGRESS,
};

FIXTURE_VARIANT_ADD(blocking, connect_again) {
	who_called, do_connect, SO_SNDTIMEO, -EALREADY,
};

FIXTURE_VARIANT_ADD(blocking, accept) {
	who_listens, do_accept, SO_RCVTIMEO, -EAGAIN,
};

FIXTURE_VARIANT_ADD(blocking, next_call) {
	who_listens, do_next, SO_RCVTIMEO, -EAGAIN,
};

FIXTURE_VARIANT_ADD(blocking, recv) {
	who_reads, do_recv, SO_RCVTIMEO, -EAGAIN,
};

FIXTURE_VARIANT_ADD(blocking, recv_before) {
	who_called, do_recv, SO_RCVTIMEO, -EAGAIN,
};

FIXTURE_VARIANT_ADD(blocking, send) {
	who_writes, do_send, SO_SNDTIMEO, -EAGAIN,
};

FIXTURE_SETUP(blocking)
{
	ASSERT_EQ(0, parley_ns_enter());
	/* The calls themselves have time. */
	ASSERT_EQ(0, parley_sysctl_write("parley/connect_timeout_ms", 0));
	self->listener = parley_listener(HOST, PORT, 64);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, parley_pair(self->listener, self->pair));
	self->fd = -1;
}

FIXTURE_TEARDOWN(blocking)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F_TIMEOUT(blocking, ends, 2 * HOURS)
{
	unsigned int i, n = count(EACH);
	unsigned long long begun;
	int fd;

	for (i = 0; i < n; i++) {
		fd = variant->who(self);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, parley_timeo(fd, variant->option, times[i]));
		begun = parley_now_ns();
		EXPECT_EQ(variant->err, variant->wait(fd));
		EXPECT_TRUE(time_right("blocking", times[i],
				       parley_now_ns() - begun, SLACK, true));
	}
}

FIXTURE(one) {
	int epoll;
};

FIXTURE_SETUP(one)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->epoll);
}

FIXTURE_TEARDOWN(one)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* SO_RCVTIMEO takes more than fits into what the kernel counts in. */
TEST_F_TIMEOUT(one, longest_accept, HOURS)
{
	static const long seconds[] = {
		0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 1L << 40,
		1L << 53, (1L << 62) / 1000, LONG_MAX,
	};
	int fd, l = parley_listener(HOST, PORT, 1);
	struct parley_thread t;
	struct timeval tv = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(seconds); i++) {
		tv.tv_sec = seconds[i];
		ASSERT_EQ(0, setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv,
					sizeof(tv)));
		ASSERT_EQ(0, parley_thread_accept(&t, l));
		ASSERT_EQ(0, parley_thread_blocked(&t));
		ASSERT_EQ(0, time_until(parley_now_ns() +
					(time_counted() ? 100 * TIME_SECOND :
							  5 * TIME_MS)));
		ASSERT_FALSE(parley_thread_done(&t)) {
			TH_LOG("%ld seconds", seconds[i]);
		}
		fd = parley_call(HOST, PORT);
		ASSERT_LE(0, fd);
		EXPECT_LE(0, parley_thread_join(&t));
		close(fd);
	}
}

/* One after the other at one listener */

/* Who has little time comes behind those with more, or before. */
static void together(struct __test_metadata *_metadata, int epoll,
		     bool longest_first)
{
	static const unsigned int ms[] = {
		0xffffffff, 86400000, 3600000, 60000, 4100, 1000, 100, 10, 3, 1,
	};
	const unsigned int n = ARRAY_SIZE(ms);
	struct pending p[ARRAY_SIZE(ms)], *done;
	unsigned int i, at, left = 0;
	struct epoll_event ev = { .events = EPOLLERR };

	ASSERT_LE(0, parley_listener(HOST, PORT, n));
	for (i = 0; i < n; i++) {
		at = longest_first ? i : n - 1 - i;
		ev.data.ptr = &p[at];
		p[at].begun = parley_now_ns();
		p[at].fd = time_call(PORT, ms[at]);
		if (p[at].fd == -ETIMEDOUT)
			continue;
		ASSERT_LE(0, p[at].fd);
		ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, p[at].fd, &ev));
		left += is_short(ms[at], AT_ONCE);
	}
	for (; left; left--) {
		done = next_end(epoll);
		ASSERT_NE(NULL, done);
		EXPECT_EQ(ETIMEDOUT, parley_so_error(done->fd));
		EXPECT_TRUE(time_right("together", ms[done - p],
				       done->ended - done->begun, SLACK,
				       false));
	}
	EXPECT_TRUE(decide_waits(p[0].fd));
}

/* More than 32 bits is refused, not cut off. */
TEST_F(one, sysctls)
{
	static const char * const names[] = {
		"parley/connect_timeout_ms", "parley/defer_timeout_ms",
	};
	static const char * const bad[] = {
		"4294967296", "4294967297", "18446744073709551616", "-1",
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_EQ(0, parley_sysctl_set(names[i], "4294967295"));
		for (j = 0; j < ARRAY_SIZE(bad); j++)
			EXPECT_EQ(-EINVAL, parley_sysctl_set(names[i], bad[j]));
		EXPECT_EQ(4294967295, parley_sysctl_read(names[i]));
	}
}

TEST_F_TIMEOUT(one, longest_first, HOURS)
{
	together(_metadata, self->epoll, true);
}

TEST_F_TIMEOUT(one, shortest_first, HOURS)
{
	together(_metadata, self->epoll, false);
}

TEST_HARNESS_MAIN
