// SPDX-License-Identifier: GPL-2.0
/*
 * Options that an accepted socket takes over from its listener, whenever they
 * were set there: each one alone, all together, and that they work. Those of
 * the open file are in inherit_file.c.
 */
#include "kselftest_harness.h"

#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "lib_terms.h"

#define HOST	"127.0.0.1"
#define PORT	7360
#define LONGEST	32

static const struct linger some_linger = { .l_onoff = 1, .l_linger = 5 };
static const struct timeval some_time = { .tv_sec = 7, .tv_usec = 500000 };
static const struct timeval other_time = { .tv_sec = 9, .tv_usec = 250000 };
static const int on = 1;
static const int some_size = 54321;
static const int other_size = 65432;
static const int some_lowat = 7;
static const int some_priority = 3;
static const int some_mark = 42;
static const __u32 some_timeout = 4321;

#define OPTION(l, n, v)							\
	{ .name = #n, .level = (l), .opt = n, .value = &(v), .len = sizeof(v) }

struct option {
	const char *name;
	int level;
	int opt;
	const void *value;
	socklen_t len;
};

/* They can be set at any time. */
static const struct option anytime[] = {
	OPTION(SOL_SOCKET, SO_SNDBUF, some_size),
	OPTION(SOL_SOCKET, SO_RCVBUF, other_size),
	OPTION(SOL_SOCKET, SO_RCVTIMEO, some_time),
	OPTION(SOL_SOCKET, SO_SNDTIMEO, other_time),
	OPTION(SOL_SOCKET, SO_KEEPALIVE, on),
	OPTION(SOL_SOCKET, SO_LINGER, some_linger),
	OPTION(SOL_SOCKET, SO_PRIORITY, some_priority),
	OPTION(SOL_SOCKET, SO_MARK, some_mark),
	OPTION(SOL_SOCKET, SO_RCVLOWAT, some_lowat),
	OPTION(SOL_SOCKET, SO_OOBINLINE, on),
	OPTION(SOL_SOCKET, SO_DONTROUTE, on),
	OPTION(SOL_SOCKET, SO_BROADCAST, on),
	OPTION(SOL_SOCKET, SO_REUSEADDR, on),
	OPTION(IPPROTO_TCP, TCP_NODELAY, on),
};

/* These not once a socket is bound, or listens. */
static const struct option early[] = {
	OPTION(IPPROTO_IPV6, IPV6_V6ONLY, on),
	OPTION(SOL_PARLEY, PARLEY_CONNECT_TIMEOUT, some_timeout),
};

#define ANYTIME	((int)ARRAY_SIZE(anytime))
#define EARLY	((int)ARRAY_SIZE(early))
#define OPTIONS	(ANYTIME + EARLY)

static const struct option *option(int i)
{
	return i < ANYTIME ? &anytime[i] : &early[i - ANYTIME];
}

static int set(int fd, const struct option *o)
{
	return setsockopt(fd, o->level, o->opt, o->value, o->len) ? -errno : 0;
}

struct value {
	char bytes[LONGEST];
	socklen_t len;
};

static int get(int fd, const struct option *o, struct value *v)
{
	memset(v, 0, sizeof(*v));
	v->len = LONGEST;
	return getsockopt(fd, o->level, o->opt, v->bytes, &v->len) ? -errno : 0;
}

/* Whether the option is the same on two sockets. */
static bool same(int a, int b, const struct option *o)
{
	struct value x, y;

	return !get(a, o, &x) && !get(b, o, &y) && x.len == y.len &&
	       !memcmp(x.bytes, y.bytes, x.len);
}

/* When the listener gets its options. */
enum time { FIRST, BOUND, LISTENING, WAITING };

FIXTURE(inherit) {
	int plain;		/* on which nothing was ever set */
	int l;
	int call;
	int new;
};

FIXTURE_VARIANT(inherit) {
	enum time when;
};

FIXTURE_VARIANT_ADD(inherit, before_bind) { .when = FIRST };
FIXTURE_VARIANT_ADD(inherit, before_listen) { .when = BOUND };
FIXTURE_VARIANT_ADD(inherit, after_listen) { .when = LISTENING };
FIXTURE_VARIANT_ADD(inherit, after_connect) { .when = WAITING };

FIXTURE_SETUP(inherit)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->plain = parley_socket(0);
	ASSERT_LE(0, self->plain);
}

FIXTURE_TEARDOWN(inherit)
{
	EXPECT_EQ(0, parley_expect_clean());
}

struct trial {
	int l;
	int call;
	int new;
};

static int set_some(int fd, const struct option *const *some, int count)
{
	int i, err;

	for (i = 0; i < count; i++) {
		err = set(fd, some[i]);
		if (err)
			return err;
	}
	return 0;
}

/* A connection whose listener got @some options at that time. */
static int try(struct trial *t, enum time when,
	       const struct option *const *some, int count)
{
	int step, err = 0;

	t->l = parley_socket(0);
	for (step = FIRST; !err && step <= WAITING; step++) {
		if (step == BOUND)
			err = parley_bind(t->l, HOST, PORT);
		else if (step == LISTENING)
			err = listen(t->l, 1) ? -errno : 0;
		else if (step == WAITING)
			err = (t->call = parley_call(HOST, PORT)) < 0;
		if (!err && step == when)
			err = set_some(t->l, some, count);
	}
	if (!err)
		err = (t->new = test_accept(t->l, 0)) < 0;
	return err;
}

static void end(struct trial *t)
{
	close(t->l);
	close(t->call);
	close(t->new);
}

/* How many of the options can be set at that time; those come first. */
static int settable(enum time when)
{
	return when == FIRST ? OPTIONS : ANYTIME;
}

/* One comes over, and no other. */
TEST_F(inherit, each_alone)
{
	const struct option *o, *other;
	struct trial t;
	int i, k;

	for (i = 0; i < settable(variant->when); i++) {
		o = option(i);
		ASSERT_EQ(0, try(&t, variant->when, &o, 1))
			TH_LOG("%s", o->name);
		EXPECT_FALSE(same(t.l, self->plain, o))
			TH_LOG("%s was not set", o->name);
		EXPECT_TRUE(same(t.new, t.l, o))
			TH_LOG("%s", o->name);
		for (k = 0; k < OPTIONS; k++) {
			other = option(k);
			if (k != i)
				EXPECT_TRUE(same(t.new, self->plain, other))
					TH_LOG("%s with %s", other->name,
					       o->name);
		}
		end(&t);
	}
}

/* All together; the caller keeps its own. */
TEST_F(inherit, all)
{
	const struct option *all[OPTIONS];
	int i, count = settable(variant->when);
	struct trial t;

	for (i = 0; i < OPTIONS; i++)
		all[i] = option(i);
	ASSERT_EQ(0, try(&t, variant->when, all, count));
	for (i = 0; i < OPTIONS; i++) {
		EXPECT_EQ(i >= count, same(t.l, self->plain, all[i]))
			TH_LOG("%s", all[i]->name);
		EXPECT_TRUE(same(t.new, t.l, all[i]))
			TH_LOG("%s", all[i]->name);
		EXPECT_TRUE(same(t.call, self->plain, all[i]))
			TH_LOG("%s", all[i]->name);
	}
}

/* Afterwards listener and connection do not know each other. */
TEST_F(inherit, none_later)
{
	struct trial t;
	int i;

	ASSERT_EQ(0, try(&t, variant->when, NULL, 0));
	for (i = 0; i < ANYTIME; i++) {
		ASSERT_EQ(0, set(t.l, &anytime[i]));
		EXPECT_TRUE(same(t.new, self->plain, &anytime[i]))
			TH_LOG("%s", anytime[i].name);
	}
	end(&t);
	ASSERT_EQ(0, try(&t, variant->when, NULL, 0));
	for (i = 0; i < ANYTIME; i++) {
		ASSERT_EQ(0, set(t.new, &anytime[i]));
		EXPECT_TRUE(same(t.l, self->plain, &anytime[i]))
			TH_LOG("%s", anytime[i].name);
	}
}

/* They are not only there, they do something. */
TEST_F(inherit, works)
{
	static const struct timeval soon = { .tv_usec = 1000 };
	const struct option timeouts[] = {
		OPTION(SOL_SOCKET, SO_RCVTIMEO, soon),
		OPTION(SOL_SOCKET, SO_SNDTIMEO, soon),
		OPTION(SOL_SOCKET, SO_RCVLOWAT, some_lowat),
	};
	const struct option *some[] = {
		&timeouts[0], &timeouts[1], &timeouts[2],
	};
	static char bytes[65536];
	struct trial t;
	ssize_t n;

	ASSERT_EQ(0, try(&t, variant->when, some, 3));
	ASSERT_EQ(0, parley_nonblock(t.call, false));
	/* Not one byte less than SO_RCVLOWAT says. */
	ASSERT_EQ(some_lowat - 1, send(t.call, bytes, some_lowat - 1, 0));
	EXPECT_EQ(0, parley_revents(t.new, POLLIN));
	ASSERT_EQ(1, send(t.call, bytes, 1, 0));
	EXPECT_EQ(POLLIN, parley_revents(t.new, POLLIN));
	EXPECT_EQ(some_lowat, recv(t.new, bytes, sizeof(bytes), 0));
	/* What would block forever gives up. */
	EXPECT_EQ(-1, recv(t.new, bytes, 1, 0));
	EXPECT_EQ(EAGAIN, errno);
	do {
		n = send(t.new, bytes, sizeof(bytes), MSG_NOSIGNAL);
	} while (n > 0);
	EXPECT_EQ(-1, n);
	EXPECT_EQ(EAGAIN, errno);
}

/* What a listener has of its own is not for connections. */
TEST_F(inherit, nothing_of_the_listener)
{
	struct trial t;

	ASSERT_EQ(0, try(&t, variant->when, NULL, 0));
	EXPECT_EQ(1, parley_sockopt(t.l, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_EQ(0, parley_sockopt(t.new, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_EQ(0, parley_so_error(t.new));
	EXPECT_EQ(-EINVAL, parley_pending(t.new));
	EXPECT_EQ(-EINVAL, test_accept(t.new, 0));
	EXPECT_EQ(PARLEY_REASON_NONE, parley_reason(t.new));
	EXPECT_TRUE(parley_talks(t.new, t.call));
}

TEST_HARNESS_MAIN
