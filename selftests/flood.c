// SPDX-License-Identifier: GPL-2.0
/*
 * One user floods from a thousand sockets, each of which calls again whenever
 * it can, and another one calls now and then as honest people do. Without
 * limits the honest one is turned away; with a fair share of the backlog, or
 * with a limit for each user of the namespace, it always gets through.
 */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib.h"
#include "lib_terms.h"

#define HOST	"127.0.0.1"
#define PORT	7700
#define SOCKETS	1000
#define CALLS	200
#define LISTENERS 4
#define FLOODER	1000
#define HONEST	1001

FIXTURE(flood) {
	int l[LISTENERS];
	pid_t flooder;
	struct parley_gate gate;
};

/* A call of @fd, wherever that stands: it waits, or was refused at once. */
static int flood_call(int fd, int port)
{
	int err = test_connect(fd, HOST, port);

	/* A refusal that nobody has read yet comes first. */
	if (err == -ECONNREFUSED)
		err = test_connect(fd, HOST, port);
	return err == -EINPROGRESS || err == -EALREADY ||
	       err == -ECONNREFUSED ? 0 : err;
}

/* Never returns: whoever started it kills it. */
static int flood(struct parley_gate *gate)
{
	static struct epoll_event ev[64];
	static int fds[SOCKETS];
	int ep = epoll_create1(0);
	int i, n, at, round = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (setresuid(FLOODER, FLOODER, FLOODER) || ep < 0)
		return 1;
	for (;;) {
		for (i = 0; i < SOCKETS; i++) {
			/* An accepted one, or none yet: another one. */
			if (round && flood_call(fds[i], PORT + i % LISTENERS) != -EISCONN)
				continue;
			if (round)
				close(fds[i]);
			fds[i] = parley_socket(SOCK_NONBLOCK);
			ev[0].events = EPOLLOUT | EPOLLET;
			ev[0].data.u32 = i;
			if (fds[i] < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fds[i], ev) ||
			    flood_call(fds[i], PORT + i % LISTENERS))
				return 2;
		}
		if (!round++)
			parley_gate_open(gate);
		/* As soon as there is a verdict on any, it calls again. */
		n = epoll_wait(ep, ev, 64, 1);
		for (at = 0; at < n; at++)
			flood_call(fds[ev[at].data.u32],
				   PORT + ev[at].data.u32 % LISTENERS);
	}
}

FIXTURE_SETUP(flood)
{
	int i;

	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_nofile(SOCKETS + 100));
	for (i = 0; i < LISTENERS; i++) {
		self->l[i] = parley_listener(HOST, PORT + i, 32);
		ASSERT_LE(0, self->l[i]);
		ASSERT_EQ(0, parley_nonblock(self->l[i], true));
	}
	ASSERT_EQ(0, parley_gate_init(&self->gate));
}

FIXTURE_TEARDOWN(flood)
{
	if (self->flooder > 0) {
		kill(self->flooder, SIGKILL);
		parley_reap(self->flooder);
	}
	EXPECT_EQ(0, parley_expect_clean());
}

static int start(struct parley_gate *gate, pid_t *flooder)
{
	*flooder = parley_fork();
	if (!*flooder)
		_exit(flood(gate));
	return *flooder < 0 ? *flooder : parley_gate_wait(gate);
}

/* Takes one call, whoever's it is, and ends it at once. */
static void serve(int l)
{
	int fd = test_accept(l, 0);

	if (fd >= 0)
		close(fd);
}

/*
 * The honest one calls a listener, whose server takes the calls in their order.
 * Return: 0 once it is accepted, or why it was refused.
 */
static int honest_call(int l, int port)
{
	int fd = parley_socket(SOCK_NONBLOCK);
	int err, reason = 0;

	if (syscall(SYS_setresuid, HONEST, 0, 0))
		return -1;
	err = test_connect(fd, HOST, port);
	if (syscall(SYS_setresuid, 0, 0, 0))
		return -1;
	if (err == -ECONNREFUSED) {
		reason = parley_reason(fd);
		serve(l);
	} else if (err != -EINPROGRESS ||
		   !parley_until((serve(l), parley_revents(fd, POLLOUT) & POLLOUT))) {
		reason = -1;
	}
	close(fd);
	return reason;
}

/* Return: how many of its calls were refused for want of room, or -1. */
static int honest(const int *l)
{
	int i, ret, refused = 0;

	for (i = 0; i < CALLS; i++) {
		ret = honest_call(l[i % LISTENERS], PORT + i % LISTENERS);
		if (ret && ret != PARLEY_REASON_BACKLOG_FULL &&
		    ret != PARLEY_REASON_LIMIT) {
			printf("# call %d: reason %d\n", i, ret);
			return -1;
		}
		refused += !!ret;
	}
	printf("# %d of %d calls refused\n", refused, CALLS);
	return refused;
}

/* That it is a flood: the first call meets full backlogs, and most others do. */
TEST_F(flood, unlimited)
{
	int i;

	ASSERT_EQ(0, start(&self->gate, &self->flooder));
	for (i = 0; i < LISTENERS; i++)
		EXPECT_EQ(32, parley_pending(self->l[i]));
	EXPECT_LT(0, honest(self->l));
}

/* The listeners share out their backlogs. */
TEST_F(flood, fair_share)
{
	__u32 percent = 100;
	int i;

	for (i = 0; i < LISTENERS; i++)
		ASSERT_EQ(0, terms_set(self->l[i], PARLEY_FAIR_SHARE, &percent,
				       sizeof(percent)));
	ASSERT_EQ(0, start(&self->gate, &self->flooder));
	for (i = 0; i < LISTENERS; i++)
		EXPECT_EQ(16, parley_pending(self->l[i]));
	EXPECT_EQ(0, honest(self->l));
}

/* The namespace bounds what each user may have. */
TEST_F(flood, user_limit)
{
	ASSERT_EQ(0, parley_sysctl_write("parley/max_pending", 100));
	ASSERT_EQ(0, parley_sysctl_write("parley/max_pending_per_user", 30));
	ASSERT_EQ(0, start(&self->gate, &self->flooder));
	EXPECT_EQ(0, honest(self->l));
}

/* What bounds all together does not help. */
TEST_F(flood, limit_of_all)
{
	ASSERT_EQ(0, parley_sysctl_write("parley/max_pending", 100));
	ASSERT_EQ(0, start(&self->gate, &self->flooder));
	EXPECT_LT(0, honest(self->l));
}

TEST_HARNESS_MAIN
