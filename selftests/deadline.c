// SPDX-License-Identifier: GPL-2.0
/*
 * Time-outs of calls that wait at one listener: a caller with much time does
 * not make those with little wait for longer.
 */
#include "kselftest_harness.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "lib.h"

#define HOST	"127.0.0.1"
#define PORT	7700
#define MANY	8
/*
 * The kernel's timers are the coarser, the further off they are: at this
 * distance by a quarter of a second or more. The steps go through all of it.
 */
#define LONG_MS	4100
#define STEP_MS	32
#define EARLY_MS 30
#define SHORT_MS 60
#define LATE_MS	100

/* A caller with little time: beside one with much, or alone. */
struct caller {
	int fd;
	unsigned long long due;
	long long late_ms;	/* -1 until it has failed */
};

FIXTURE(deadline) {
	int epoll;
	int timer;
	unsigned int left;
	unsigned long long slow_due[MANY];
	struct caller beside[MANY];
	struct caller alone[MANY];
};

FIXTURE_SETUP(deadline)
{
	struct epoll_event ev = { .events = EPOLLIN };

	ASSERT_EQ(0, parley_ns_enter());
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->epoll);
	self->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	ASSERT_LE(0, self->timer);
	ASSERT_EQ(0, epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->timer, &ev));
}

FIXTURE_TEARDOWN(deadline)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* A call with so much time. Return: the descriptor. */
static int call(int port, unsigned int ms)
{
	int fd = parley_socket(SOCK_NONBLOCK);

	if (fd < 0 || parley_call_timeout(fd, ms) ||
	    test_connect(fd, HOST, port) != -EINPROGRESS)
		return -1;
	return fd;
}

static int call_short(int epoll, struct caller *c, int port)
{
	struct epoll_event ev = { .events = EPOLLERR, .data.ptr = c };

	c->due = parley_now_ns() + SHORT_MS * 1000000ULL;
	c->late_ms = -1;
	c->fd = call(port, SHORT_MS);
	return epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &ev);
}

static int wake_at(int timer, unsigned long long ns)
{
	const struct itimerspec when = {
		.it_value = { ns / 1000000000, ns % 1000000000 },
	};

	return timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Takes note of who failed. Return: whether the timer has come. */
static bool next_event(int epoll, unsigned int *left)
{
	struct epoll_event ev;
	struct caller *c;

	if (epoll_wait(epoll, &ev, 1, -1) != 1)
		return false;
	c = ev.data.ptr;
	if (!c)
		return true;
	c->late_ms = (long long)(parley_now_ns() - c->due) / 1000000;
	epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
	--*left;
	return false;
}

TEST_F(deadline, not_later_beside_a_longer_one)
{
	unsigned int i, late = 0;
	unsigned long long due;

	for (i = 0; i < MANY; i++) {
		ASSERT_LE(0, parley_listener(HOST, PORT + i, 4));
		ASSERT_LE(0, parley_listener(HOST, PORT + MANY + i, 4));
		due = LONG_MS + i * STEP_MS;
		self->slow_due[i] = parley_now_ns() + due * 1000000;
		ASSERT_LE(0, call(PORT + i, due));
	}
	/* Each short one's time is over just after the long one's. */
	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(0, wake_at(self->timer, self->slow_due[i] -
						  EARLY_MS * 1000000));
		while (!next_event(self->epoll, &self->left))
			;
		self->left += 2;
		ASSERT_EQ(0, call_short(self->epoll, &self->beside[i],
					PORT + i));
		ASSERT_EQ(0, call_short(self->epoll, &self->alone[i],
					PORT + MANY + i));
	}
	ASSERT_EQ(0, wake_at(self->timer, 0));
	while (self->left)
		ASSERT_FALSE(next_event(self->epoll, &self->left));

	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(ETIMEDOUT, parley_so_error(self->beside[i].fd));
		EXPECT_LE(0, self->beside[i].late_ms);
		if (self->beside[i].late_ms >
		    self->alone[i].late_ms + LATE_MS)
			late++;
	}
	/* The machine may have been busy with something else once. */
	EXPECT_GE(1, late);
}

TEST_HARNESS_MAIN
