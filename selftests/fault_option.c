// SPDX-License-Identifier: GPL-2.0
/*
 * No memory, and no copy from or to user space, in setsockopt(2), getsockopt(2)
 * and what else asks a socket something: an option that could not be set has the
 * value that it had, and one that could not be read has it still.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>

#include "lib_fault.h"
#include "lib_filter.h"

#define PORT	9500
#define HOST	"127.0.0.1"
#define ROOM	8192
#define MANY	200	/* descriptors: poll(2) needs pages for them */

FIXTURE(fault_option) {
	struct fault f;
	int fd[2];
	int l;
};

FIXTURE_SETUP(fault_option)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_nofile(MANY + 100));
	self->l = parley_listener(HOST, PORT, 8);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(fault_option)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* An option, and two values that differ from each other and from the first. */
struct option {
	int level;
	int name;
	socklen_t len;
	const void *value[2];
};

static const __u32 numbers[] = { 1, 0 }, sizes[] = { 9000, 7000 };
static const int kinds[] = { 16, 8 };	/* of service */
static const __u64 groups[] = { 11, 12 };
static const struct timeval times[] = { { .tv_sec = 5 }, { .tv_sec = 6 } };
static const struct linger lingers[] = { { 1, 4 }, { 1, 5 } };
static const struct parley_defer_timeout defers[] = {
	{ .timeout_ms = 1000, .verdict = PARLEY_ACCEPT },
	{ .timeout_ms = 2000, .verdict = PARLEY_REFUSE },
};

static struct parley_capacity capacities[2];
static struct parley_qos qualities[2];

#define OPTION(level, name, values)					\
	{ level, name, sizeof(*(values)), { values, 1 + (values) } }

static const struct option options[] = {
	{ SOL_PARLEY, PARLEY_CALL_DATA, 9, { "call data", "ATAD LLAC" } },
	{ SOL_PARLEY, PARLEY_REPLY_DATA, 5, { "reply", "YLPER" } },
	OPTION(SOL_PARLEY, PARLEY_QOS, qualities),
	OPTION(SOL_PARLEY, PARLEY_GROUP, groups),
	OPTION(SOL_PARLEY, PARLEY_CONNECT_TIMEOUT, sizes),
	OPTION(SOL_PARLEY, PARLEY_STAGE, numbers),
	OPTION(SOL_PARLEY, PARLEY_DEFER_TIMEOUT, defers),
	OPTION(SOL_PARLEY, PARLEY_INHERIT, numbers),
	OPTION(SOL_PARLEY, PARLEY_FAIR_SHARE, numbers),
	{ SOL_PARLEY, PARLEY_CAPACITY, offsetof(struct parley_capacity, send_used),
	  { &capacities[0], &capacities[1] } },
	OPTION(IPPROTO_TCP, TCP_NODELAY, numbers),
	OPTION(IPPROTO_TCP, TCP_CORK, numbers),
	OPTION(IPPROTO_TCP, TCP_KEEPIDLE, sizes),
	OPTION(IPPROTO_IP, IP_TOS, kinds),
	OPTION(IPPROTO_IPV6, IPV6_V6ONLY, numbers),
	OPTION(SOL_SOCKET, SO_REUSEADDR, numbers),
	OPTION(SOL_SOCKET, SO_SNDBUF, sizes),
	OPTION(SOL_SOCKET, SO_RCVBUF, sizes),
	OPTION(SOL_SOCKET, SO_RCVLOWAT, sizes),
	OPTION(SOL_SOCKET, SO_SNDTIMEO, times),
	OPTION(SOL_SOCKET, SO_RCVTIMEO, times),
	OPTION(SOL_SOCKET, SO_LINGER, lingers),
};

static void options_init(void)
{
	terms_qos_some(&qualities[0]);
	terms_qos_some(&qualities[1]);
	qualities[1].send.token_rate--;
	capacities[0].send = 5;
	capacities[1].send = 6;
}

/* All that getsockopt(2) says of it. */
struct state {
	int err;
	socklen_t len;
	char bytes[ROOM];
};

static void look(int fd, int level, int name, struct state *s)
{
	memset(s, 0, sizeof(*s));
	s->len = sizeof(s->bytes);
	s->err = getsockopt(fd, level, name, s->bytes, &s->len) ? errno : 0;
}

static bool same(const struct state *a, const struct state *b)
{
	return a->err == b->err && a->len == b->len &&
	       !memcmp(a->bytes, b->bytes, a->len);
}

/* @first: on a socket of which nothing else was set. */
static bool sets_with_faults(struct fault *f, const struct option *o, bool first)
{
	static struct state old, new, now;
	int fd = parley_socket(0);
	long ret;

	look(fd, o->level, o->name, &old);
	if (setsockopt(fd, o->level, o->name, o->value[0], o->len))
		return false;
	look(fd, o->level, o->name, first ? &new : &old);
	if (!first && setsockopt(fd, o->level, o->name, o->value[1], o->len))
		return false;
	if (!first)
		look(fd, o->level, o->name, &new);
	close(fd);
	if (same(&old, &new)) {
		printf("# option %d does not change\n", o->name);
		return false;
	}
	fault_start(f, FAULT_ALL, FAULT_ANY);
	while (fault_next(f)) {
		fd = parley_socket(0);
		if (!first)
			setsockopt(fd, o->level, o->name, o->value[0], o->len);
		ret = FAULT(f, setsockopt(fd, o->level, o->name, o->value[!first],
					  o->len));
		if (!fault_says(f, ret, 0))
			return false;
		look(fd, o->level, o->name, &now);
		if (!same(&now, ret < 0 ? &old : &new)) {
			printf("# option %d, level %d: %s\n", o->name, o->level,
			       ret < 0 ? "set" : "not set");
			return false;
		}
		close(fd);
	}
	return fault_seen(f, FAULT_COPIES);
}

TEST_F(fault_option, set)
{
	size_t i;

	options_init();
	for (i = 0; i < ARRAY_SIZE(options); i++) {
		EXPECT_TRUE(sets_with_faults(&self->f, &options[i], true)) {
			TH_LOG("first value of %d of %d", options[i].name,
			       options[i].level);
		}
		EXPECT_TRUE(sets_with_faults(&self->f, &options[i], false)) {
			TH_LOG("value of %d of %d", options[i].name,
			       options[i].level);
		}
	}
}

/* Terms that a call has are copied before they are changed. */
TEST_F(fault_option, set_after_call)
{
	int fd = parley_socket(0), i;
	long ret;

	ASSERT_EQ(0, terms_set_data(fd, "one", 3));
	ASSERT_EQ(-ECONNREFUSED, test_connect(fd, HOST, PORT + 1));
	for (i = 0; i < 2; i++) {
		fault_start(&self->f, FAULT_ALL, FAULT_OWN);
		while (fault_next(&self->f)) {
			ASSERT_EQ(0, terms_set_data(fd, "one", 3));
			ASSERT_EQ(-ECONNREFUSED, test_connect(fd, HOST, PORT + 1));
			ret = FAULT(&self->f, terms_set_data(fd, "two!", 4));
			ASSERT_TRUE(fault_says(&self->f, ret, 0));
			ASSERT_TRUE(terms_data_is(fd, ret < 0 ? "one" : "two!",
						  ret < 0 ? 3 : 4));
		}
		EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS | FAULT_COPIES));
		EXPECT_LT(1, self->f.refused[FAULT_SLAB]);
	}
}

struct readable {
	int level;
	int name;
};

static const struct readable callee[] = {
	{ SOL_PARLEY, PARLEY_CALL_DATA }, { SOL_PARLEY, PARLEY_REPLY_DATA },
	{ SOL_PARLEY, PARLEY_QOS }, { SOL_PARLEY, PARLEY_GROUP },
	{ SOL_PARLEY, PARLEY_CALL_INFO }, { SOL_PARLEY, PARLEY_REFUSAL },
	{ SOL_PARLEY, PARLEY_CONNECT_TIMEOUT }, { SOL_PARLEY, PARLEY_CONNECT_TIME },
	{ IPPROTO_TCP, TCP_INFO }, { IPPROTO_TCP, TCP_NODELAY },
	{ SOL_SOCKET, SO_PEERCRED }, { SOL_SOCKET, SO_TYPE },
	{ SOL_SOCKET, SO_DOMAIN }, { SOL_SOCKET, SO_COOKIE },
};

static const struct readable listener[] = {
	{ SOL_PARLEY, PARLEY_BACKLOG }, { SOL_PARLEY, PARLEY_STAGE },
	{ SOL_PARLEY, PARLEY_DEFER_TIMEOUT }, { SOL_PARLEY, PARLEY_INHERIT },
	{ SOL_PARLEY, PARLEY_CAPACITY }, { SOL_PARLEY, PARLEY_FAIR_SHARE },
	{ SOL_PARLEY, PARLEY_REPLY_DATA },
	{ SOL_SOCKET, SO_ACCEPTCONN }, { SOL_SOCKET, SO_PROTOCOL },
};

static bool gets_with_faults(struct fault *f, int fd, const struct readable *r)
{
	static struct state before, now;
	struct state *s = &now;
	bool moves = r->name == PARLEY_CONNECT_TIME && r->level == SOL_PARLEY;
	long ret;

	look(fd, r->level, r->name, &before);
	if (before.err)
		return false;
	fault_start(f, FAULT_ALL, FAULT_ANY);
	while (fault_next(f)) {
		memset(s, 0, sizeof(*s));
		s->len = sizeof(s->bytes);
		ret = FAULT(f, getsockopt(fd, r->level, r->name, s->bytes, &s->len));
		if (!fault_says(f, ret, 0))
			return false;
		if (ret >= 0 && !moves && !same(&before, s))
			return false;
		look(fd, r->level, r->name, s);
		if (!moves && !same(&before, s))
			return false;
	}
	return fault_seen(f, FAULT_COPIES);
}

TEST_F(fault_option, get)
{
	struct parley_qos qos;
	struct terms t = { .data = "data", .len = 4, .group = 3, .qos = &qos };
	size_t i;

	terms_qos_some(&qos);
	ASSERT_EQ(0, terms_set_reply(self->l, "reply", 5));
	self->fd[0] = terms_call(HOST, PORT, &t);
	ASSERT_LE(0, self->fd[0]);
	self->fd[1] = test_accept(self->l, 0);
	ASSERT_LE(0, self->fd[1]);
	for (i = 0; i < ARRAY_SIZE(callee); i++)
		EXPECT_TRUE(gets_with_faults(&self->f, self->fd[1], &callee[i])) {
			TH_LOG("%d of %d", callee[i].name, callee[i].level);
		}
	for (i = 0; i < ARRAY_SIZE(listener); i++)
		EXPECT_TRUE(gets_with_faults(&self->f, self->l, &listener[i])) {
			TH_LOG("%d of %d", listener[i].name, listener[i].level);
		}
}

/* A filter that could not be attached leaves the one that was there. */
TEST_F(fault_option, filter)
{
	struct sock_filter no[] = { C_LOAD(BPF_W, 0), C_RET(PARLEY_FILTER_REFUSE) };
	struct sock_filter yes[] = { C_RET(PARLEY_FILTER_ACCEPT) };
	struct sock_fprog prog = { .len = 2, .filter = no };
	long ret;

	/* Without memory that is said with a call trace, as if it were a bug. */
	fault_spare(FAULT_SLAB, "__vmalloc_node_range");
	fault_spare(FAULT_PAGE, "__vmalloc_node_range");
	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ASSERT_EQ(0, filter_attach(self->l, yes, 1));
		ret = FAULT(&self->f, setsockopt(self->l, SOL_SOCKET, SO_ATTACH_FILTER,
						 &prog, sizeof(prog)));
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		ASSERT_EQ(ret < 0 ? 1 : 2, filter_len(self->l));
		ASSERT_EQ(ret < 0 ? PARLEY_ACCEPT : PARLEY_REFUSE,
			  filter_verdict(self->l, NULL));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS | FAULT_COPIES));
}

TEST_F(fault_option, filter_bpf)
{
	int program = filter_program(E_SET(0, PARLEY_FILTER_REFUSE), E_EXIT);
	long ret;

	ASSERT_LE(0, program);
	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ASSERT_EQ(0, filter_say(self->l, PARLEY_FILTER_ACCEPT));
		ret = FAULT(&self->f, setsockopt(self->l, SOL_SOCKET, SO_ATTACH_BPF,
						 &program, sizeof(program)));
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		ASSERT_EQ(ret < 0 ? PARLEY_ACCEPT : PARLEY_REFUSE,
			  filter_verdict(self->l, NULL));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS | FAULT_COPIES));
}

/* Of many that are looked at, one is ready: now, or at the next try. */
TEST_F(fault_option, poll)
{
	struct pollfd pfd[MANY];
	long n;
	int i;

	for (i = 0; i < MANY; i += 2) {
		ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_STREAM, 0, self->fd));
		pfd[i] = (struct pollfd){ .fd = self->fd[0], .events = POLLIN };
		pfd[i + 1] = (struct pollfd){ .fd = self->fd[1], .events = POLLIN };
	}
	ASSERT_EQ(1, send(self->fd[0], "x", 1, 0));
	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		n = FAULT(&self->f, poll(pfd, MANY, -1));
		ASSERT_TRUE(fault_says(&self->f, n, 0));
		if (n >= 0) {
			ASSERT_EQ(1, n);
			ASSERT_EQ(POLLIN, pfd[MANY - 1].revents);
		}
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS | FAULT_COPIES));
}

TEST_F(fault_option, epoll)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET }, got;
	int ep;
	long n;

	ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_STREAM, 0, self->fd));
	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ep = epoll_create1(EPOLL_CLOEXEC);
		ASSERT_LE(0, ep);
		n = FAULT(&self->f, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd[1], &e));
		ASSERT_TRUE(fault_says(&self->f, n, 0));
		if (n < 0)
			ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, self->fd[1], &e));
		ASSERT_EQ(0, epoll_wait(ep, &got, 1, 0));
		ASSERT_EQ(1, send(self->fd[0], "x", 1, 0));
		ASSERT_EQ(1, epoll_wait(ep, &got, 1, PARLEY_BOUND_MS));
		ASSERT_EQ(EPOLLIN, got.events);
		ASSERT_EQ(1, recv(self->fd[1], &n, 1, 0));
		ASSERT_EQ(0, close(ep));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS | FAULT_COPIES));
}

/*
 * SIGIO, or not: the core says nothing of a registration that it has no memory
 * for, but F_GETFL does.
 */
TEST_F(fault_option, sigio)
{
	unsigned int without = 0;
	int before, on;

	ASSERT_EQ(0, parley_catch(SIGIO, 0));
	fault_start(&self->f, FAULT_MEMORY, FAULT_ANY);
	while (fault_next(&self->f)) {
		ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_STREAM, 0, self->fd));
		ASSERT_EQ(0, fcntl(self->fd[1], F_SETOWN, getpid()));
		ASSERT_EQ(0, FAULT(&self->f, fcntl(self->fd[1], F_SETFL, O_ASYNC)));
		on = !!(fcntl(self->fd[1], F_GETFL) & O_ASYNC);
		without += !on;
		before = parley_caught();
		ASSERT_EQ(1, send(self->fd[0], "x", 1, 0));
		ASSERT_EQ(before + on, parley_caught());
		ASSERT_EQ(0, close(self->fd[1]));
		ASSERT_EQ(0, close(self->fd[0]));
	}
	EXPECT_TRUE(fault_came(&self->f, FAULT_SLABS));
	EXPECT_LT(0, without);
}

FAULT_HARNESS_MAIN;
