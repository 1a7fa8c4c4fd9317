// SPDX-License-Identifier: GPL-2.0
/*
 * bind(): which addresses may be bound side by side, what SO_REUSEADDR
 * changes about it, which addresses and ports may be bound at all, and
 * ephemeral ports.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PORT	5000
#define NOBODY	65534

/* Every kind of address that a socket can have. */
static const struct endpoint {
	const char *host;
	int v6only;
} endpoints[] = {
	{ "127.0.0.1", 0 },
	{ "127.0.0.2", 0 },
	{ "0.0.0.0", 0 },
	{ "::1", 0 },
	{ "fd00::1", 0 },
	{ "::", 0 },
	{ "::", 1 },
	{ "::ffff:127.0.0.1", 0 },
	{ "::ffff:127.0.0.2", 0 },
	{ "::ffff:0.0.0.0", 0 },
	{ "::1", 1 },
};

#define N	((int)ARRAY_SIZE(endpoints))

/* Line and column are indices into endpoints[], X says that they overlap. */
static const char overlap[N][N + 1] = {
	"X.X..X.X.X.",
	".XX..X..XX.",
	"XXX..X.XXX.",
	"...X.XX...X",
	"....XXX....",
	"XXXXXXXXXXX",
	"...XXXX...X",
	"X.X..X.X.X.",
	".XX..X..XX.",
	"XXX..X.XXX.",
	"...X.XX...X",
};

#define REUSE	1
#define RPORT	2

static int endpoint_socket(const struct endpoint *e, int options)
{
	int fd, err;

	fd = parley_socket(0);
	if (fd < 0)
		return fd;
	err = parley_v6only(fd, e->v6only);
	if (!err && options & REUSE)
		err = parley_set_sockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!err && options & RPORT) {
		err = parley_set_sockopt(fd, SOL_SOCKET, SO_REUSEPORT, 1);
		/* Newer kernels let none but Internet sockets set it. */
		if (err == -EOPNOTSUPP)
			err = 0;
	}
	if (!err)
		return fd;
	close(fd);
	return err;
}

FIXTURE(bind) {
};

FIXTURE_SETUP(bind)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_ns_addr6("fd00::1"));
	ASSERT_EQ(0, parley_ns_addr6("fe80::1"));
}

FIXTURE_TEARDOWN(bind)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* All pairs: what bind() and listen() of the second socket say. */
FIXTURE(pairs) {
};

FIXTURE_VARIANT(pairs) {
	int first;		/* options of the socket that is bound first */
	int second;
	bool listening;		/* the first one listens already */
	bool shared;		/* overlapping bind() is allowed */
};

FIXTURE_VARIANT_ADD(pairs, plain) {
};

FIXTURE_VARIANT_ADD(pairs, reuseaddr) {
	.first = REUSE, .second = REUSE, .shared = true,
};

FIXTURE_VARIANT_ADD(pairs, reuseaddr_first) {
	.first = REUSE,
};

FIXTURE_VARIANT_ADD(pairs, reuseaddr_second) {
	.second = REUSE,
};

FIXTURE_VARIANT_ADD(pairs, reuseaddr_listening) {
	.first = REUSE, .second = REUSE, .listening = true,
};

FIXTURE_VARIANT_ADD(pairs, reuseport) {
	.first = RPORT, .second = RPORT,
};

FIXTURE_SETUP(pairs)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_ns_addr6("fd00::1"));
}

FIXTURE_TEARDOWN(pairs)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(pairs, overlap)
{
	int i, j, a, b, want;

	for (i = 0; i < N; i++)
		for (j = 0; j < N; j++) {
			a = endpoint_socket(&endpoints[i], variant->first);
			ASSERT_GE(a, 0);
			b = endpoint_socket(&endpoints[j], variant->second);
			ASSERT_GE(b, 0);
			ASSERT_EQ(0, parley_bind(a, endpoints[i].host, PORT));
			if (variant->listening)
				ASSERT_EQ(0, listen(a, 1));

			want = overlap[i][j] == 'X' && !variant->shared ?
			       -EADDRINUSE : 0;
			EXPECT_EQ(want, parley_bind(b, endpoints[j].host, PORT))
				TH_LOG("row %d column %d", i, j);
			/* Once the first one has gone nothing is in the way. */
			EXPECT_EQ(0, close(a));
			if (want) {
				EXPECT_EQ(0, parley_bind(b, endpoints[j].host,
							 PORT))
					TH_LOG("row %d column %d", i, j);
			}
			EXPECT_EQ(0, listen(b, 1));
			EXPECT_EQ(0, close(b));
		}
}

/* Another port never overlaps, and a bind() that failed leaves no trace. */
TEST_F(pairs, other_port)
{
	int i, a, b, c;

	for (i = 0; i < N; i++) {
		a = endpoint_socket(&endpoints[i], variant->first);
		b = endpoint_socket(&endpoints[i], variant->second);
		ASSERT_GE(a, 0);
		ASSERT_GE(b, 0);
		ASSERT_EQ(0, parley_bind(a, endpoints[i].host, PORT));
		ASSERT_EQ(0, listen(a, 1));
		EXPECT_EQ(-EADDRINUSE, parley_bind(b, endpoints[i].host, PORT));
		EXPECT_EQ(0, parley_bind(b, endpoints[i].host, PORT + 1));
		EXPECT_EQ(PORT + 1, parley_port(b));
		EXPECT_EQ(0, listen(b, 1));
		EXPECT_EQ(0, close(a));
		c = endpoint_socket(&endpoints[i], 0);
		EXPECT_EQ(0, parley_bind(c, endpoints[i].host, PORT));
		EXPECT_EQ(0, close(b));
		EXPECT_EQ(0, close(c));
	}
}

/* SO_REUSEADDR lets two sockets be bound, but only one of them listen. */
TEST_F(bind, reuseaddr_listen)
{
	int i, j, a, b, want;

	for (i = 0; i < N; i++)
		for (j = 0; j < N; j++) {
			a = endpoint_socket(&endpoints[i], REUSE);
			b = endpoint_socket(&endpoints[j], REUSE);
			ASSERT_GE(a, 0);
			ASSERT_GE(b, 0);
			ASSERT_EQ(0, parley_bind(a, endpoints[i].host, PORT));
			ASSERT_EQ(0, parley_bind(b, endpoints[j].host, PORT));
			EXPECT_EQ(0, listen(a, 1));
			want = overlap[i][j] == 'X' ? -EADDRINUSE : 0;
			EXPECT_EQ(want, listen(b, 1) ? -errno : 0)
				TH_LOG("row %d column %d", i, j);
			EXPECT_EQ(!want, parley_sockopt(b, SOL_SOCKET,
							SO_ACCEPTCONN));
			/* The first one may change its backlog all the same. */
			EXPECT_EQ(0, listen(a, 2));
			EXPECT_EQ(0, close(a));
			EXPECT_EQ(0, listen(b, 1));
			EXPECT_EQ(0, close(b));
		}
}

/* A listener's port is free at once, whatever became of its calls. */
TEST_F(bind, no_time_wait)
{
	int l, again, call, pair[2];

	l = parley_listener("127.0.0.1", PORT, 5);
	ASSERT_GE(l, 0);
	ASSERT_EQ(0, parley_pair(l, pair));
	call = parley_call("127.0.0.1", PORT);
	ASSERT_GE(call, 0);
	EXPECT_EQ(-EADDRINUSE, parley_bound("127.0.0.1", PORT));
	ASSERT_EQ(0, close(l));
	/* The accepted socket has the same local address and port. */
	EXPECT_TRUE(parley_name_is(pair[1], "127.0.0.1", PORT));
	again = parley_listener("0.0.0.0", PORT, 5);
	EXPECT_GE(again, 0);
	EXPECT_TRUE(parley_talks(pair[0], pair[1]));
	EXPECT_EQ(0, close(pair[1]));
	EXPECT_EQ(0, close(pair[0]));
	ASSERT_EQ(0, parley_pair(again, pair));
	EXPECT_TRUE(parley_talks(pair[0], pair[1]));
}

TEST_F(bind, not_local)
{
	static const char *const hosts[] = {
		"192.0.2.1", "224.0.0.1", "255.255.255.255", "127.255.255.255",
		"2001:db8::1", "ff05::1", "::ffff:192.0.2.1",
		"::ffff:224.0.0.1",
	};
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(hosts); i++) {
		fd = parley_socket(0);
		ASSERT_GE(fd, 0);
		EXPECT_EQ(-EADDRNOTAVAIL, parley_bind(fd, hosts[i], PORT))
			TH_LOG("%s", hosts[i]);
		EXPECT_EQ(0, parley_bind(fd, strchr(hosts[i], ':') ?
					 "::1" : "127.0.0.1", PORT))
			TH_LOG("%s", hosts[i]);
		EXPECT_EQ(0, close(fd));
	}
}

TEST_F(bind, mapped_needs_dual)
{
	int fd = parley_socket(0);

	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, parley_v6only(fd, 1));
	EXPECT_EQ(-EINVAL, parley_bind(fd, "::ffff:127.0.0.1", PORT));
	ASSERT_EQ(0, parley_v6only(fd, 0));
	EXPECT_EQ(0, parley_bind(fd, "::ffff:127.0.0.1", PORT));
	EXPECT_TRUE(parley_name_is(fd, "::ffff:127.0.0.1", PORT));
}

TEST_F(bind, link_local)
{
	struct parley_addr a;
	int fd, pair[2];

	fd = parley_socket(0);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, parley_addr(&a, "fe80::1", PORT));
	EXPECT_EQ(-1, bind(fd, &a.sa, a.len));
	EXPECT_EQ(EINVAL, errno);
	/* No such interface. */
	a.v6.sin6_scope_id = 999;
	EXPECT_EQ(-1, bind(fd, &a.sa, a.len));
	a.v6.sin6_scope_id = 1;
	ASSERT_EQ(0, bind(fd, &a.sa, a.len));
	ASSERT_EQ(0, listen(fd, 1));
	/* It shows the scope, so what it shows can be called. */
	ASSERT_EQ(0, parley_pair(fd, pair));
	EXPECT_TRUE(parley_talks(pair[0], pair[1]));
}

TEST_F(bind, bound_once)
{
	static const char *const hosts[] = { "127.0.0.1", "::1" };
	int i, fd, l, call, pair[2];

	for (i = 0; i < 2; i++) {
		l = parley_listener(hosts[i], PORT, 2);
		ASSERT_GE(l, 0);
		EXPECT_EQ(-EINVAL, parley_bind(l, hosts[i], PORT + 1));
		fd = parley_bound(hosts[i], PORT + 1);
		ASSERT_GE(fd, 0);
		EXPECT_EQ(-EINVAL, parley_bind(fd, hosts[i], PORT + 2));
		EXPECT_EQ(PORT + 1, parley_port(fd));
		ASSERT_EQ(0, parley_pair(l, pair));
		call = parley_call(hosts[i], PORT);
		ASSERT_GE(call, 0);
		EXPECT_EQ(-EINVAL, parley_bind(call, hosts[i], PORT + 2));
		EXPECT_EQ(-EINVAL, parley_bind(pair[0], hosts[i], PORT + 2));
		EXPECT_EQ(-EINVAL, parley_bind(pair[1], hosts[i], PORT + 2));
		EXPECT_EQ(1, parley_pending(l));
		EXPECT_TRUE(parley_talks(pair[0], pair[1]));
		/* None of them has taken the port that it asked for. */
		EXPECT_EQ(0, close(parley_bound(hosts[i], PORT + 2)));
		close(l);
		close(fd);
	}
}

TEST_F(bind, family_is_fixed)
{
	int fd = parley_bound("127.0.0.1", PORT);

	ASSERT_GE(fd, 0);
	EXPECT_EQ(-EAFNOSUPPORT, test_connect(fd, "::1", PORT));
	fd = parley_bound("::1", PORT);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-EAFNOSUPPORT, test_connect(fd, "127.0.0.1", PORT));

	/* A refused call fixes it too. */
	fd = parley_socket(0);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(-ECONNREFUSED, test_connect(fd, "127.0.0.1", PORT));
	EXPECT_EQ(-EAFNOSUPPORT, parley_bind(fd, "::1", PORT + 1));
	EXPECT_EQ(0, parley_bind(fd, "127.0.0.1", PORT + 1));
}

TEST_F(bind, v6only)
{
	int fd, i;

	for (i = 1; i >= 0; i--) {
		ASSERT_EQ(0, parley_sysctl_write("ipv6/bindv6only", i));
		fd = parley_socket(0);
		ASSERT_GE(fd, 0);
		EXPECT_EQ(i, parley_sockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY));
		EXPECT_EQ(0, parley_v6only(fd, !i));
		EXPECT_EQ(!i, parley_sockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY));
		ASSERT_EQ(0, parley_bind(fd, "::", PORT + i));
		EXPECT_EQ(-EINVAL, parley_v6only(fd, i));
		EXPECT_EQ(!i, parley_sockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY));
	}
}

/* What a child says: the first of its steps that went wrong, or 0. */
#define STEP(cond)	do { step++; if (!(cond)) _exit(step); } while (0)

TEST_F(bind, privileged)
{
	int fd, pid, step = 0;

	fd = parley_bound("127.0.0.1", 80);
	EXPECT_GE(fd, 0);
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, parley_sysctl_write("ipv4/ip_unprivileged_port_start",
					 100));
	pid = parley_fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		STEP(!setresuid(NOBODY, NOBODY, NOBODY));
		fd = parley_socket(0);
		STEP(fd >= 0);
		STEP(parley_bind(fd, "127.0.0.1", 1) == -EACCES);
		STEP(parley_bind(fd, "0.0.0.0", 99) == -EACCES);
		STEP(parley_bind(fd, "127.0.0.1", 100) == 0);
		STEP(parley_port(fd) == 100);
		fd = parley_socket(0);
		STEP(parley_bind(fd, "::1", 99) == -EACCES);
		STEP(parley_bind(fd, "::1", 0) == 0);
		/* To call a privileged port needs no privilege. */
		STEP(test_connect(parley_socket(0), "::1", 1) ==
		     -ECONNREFUSED);
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
}

/* Who owns the network namespace may bind every port in it, and only there. */
TEST_F(bind, privileged_in_user_namespace)
{
	int pid, step = 0;

	pid = parley_fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		STEP(!setresuid(NOBODY, NOBODY, NOBODY));
		STEP(!unshare(CLONE_NEWUSER));
		STEP(parley_bound("127.0.0.1", 80) == -EACCES);
		STEP(!parley_ns_enter());
		STEP(parley_bound("127.0.0.1", 80) >= 0);
		STEP(parley_bound("::1", 1023) >= 0);
		STEP(!parley_expect_clean());
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
}

#define LOW	40000
#define PORTS	5

/* Port 0 gives every port of the range once, and then none. */
TEST_F(bind, ephemeral)
{
	static const char *const hosts[] = { "127.0.0.1", "127.0.0.2", "::1" };
	int fd[PORTS], i, h, port;
	unsigned int seen;

	ASSERT_EQ(0, parley_sysctl_set("ipv4/ip_local_port_range",
				       "40000 40004"));
	for (h = 0; h < 3; h++) {
		seen = 0;
		for (i = 0; i < PORTS; i++) {
			fd[i] = parley_bound(hosts[h], 0);
			ASSERT_GE(fd[i], 0);
			port = parley_port(fd[i]);
			ASSERT_GE(port, LOW);
			ASSERT_LT(port, LOW + PORTS);
			seen |= 1u << (port - LOW);
		}
		EXPECT_EQ((1u << PORTS) - 1, seen);
		EXPECT_EQ(-EADDRINUSE, parley_bound(hosts[h], 0));
		/* The one that is given back is the one that comes next. */
		port = parley_port(fd[2]);
		EXPECT_EQ(0, close(fd[2]));
		fd[2] = parley_bound(hosts[h], 0);
		EXPECT_EQ(port, parley_port(fd[2]));
	}
	EXPECT_EQ(-EADDRINUSE, parley_bound("0.0.0.0", 0));
	EXPECT_EQ(-EADDRINUSE, parley_bound("::", 0));
	/* Ports that are asked for need not be in the range. */
	EXPECT_GE(parley_bound("0.0.0.0", LOW + PORTS), 0);
}

/* Explicitly bound ports are left out. */
TEST_F(bind, ephemeral_avoids)
{
	int i, fd;

	ASSERT_EQ(0, parley_sysctl_set("ipv4/ip_local_port_range",
				       "40000 40004"));
	for (i = 0; i < PORTS; i++)
		if (i != 3)
			ASSERT_GE(parley_bound("0.0.0.0", LOW + i), 0);
	fd = parley_bound("127.0.0.1", 0);
	EXPECT_EQ(LOW + 3, parley_port(fd));
	EXPECT_EQ(-EADDRINUSE, parley_bound("127.0.0.1", 0));
	EXPECT_EQ(LOW + 3, parley_port(parley_bound("127.0.0.2", 0)));
}

/*
 * All ports of the range are taken, by name: bind() with port 0 and connect()
 * try each of them in vain, and a signal ends that.
 */

#define TAKEN	600
#define SIGNALS	12

static void alarm_after(unsigned long long us)
{
	struct itimerval once = {
		.it_value = { .tv_sec = us / 1000000, .tv_usec = us % 1000000 },
	};

	setitimer(ITIMER_REAL, &once, NULL);
}

/* Looks for a port with signals at different times: how many ended it. */
static int interrupt(int fd, int (*look)(int fd, const char *host, int port),
		     int port, int vain)
{
	unsigned long long us, begun = parley_now_ns();
	int i, err, n = 0;

	err = look(fd, "127.0.0.1", port);
	us = (parley_now_ns() - begun) / 1000;
	for (i = 0; i < 50 * SIGNALS && n < SIGNALS && err == vain; i++) {
		alarm_after(1 + us * (i % SIGNALS) / SIGNALS);
		err = look(fd, "127.0.0.1", port);
		alarm_after(0);
		if (err == -EINTR) {
			err = vain;
			n++;
		}
	}
	return err == vain ? n : err;
}

TEST_F(bind, interrupted)
{
	int fd, i, first = -1;

	ASSERT_EQ(0, parley_nofile(TAKEN + 100));
	ASSERT_EQ(0, parley_sysctl_set("ipv4/ip_local_port_range",
				       "40000 40599"));
	for (i = 0; i < TAKEN; i++) {
		fd = parley_bound("127.0.0.1", LOW + i);
		ASSERT_LE(0, fd);
		if (!i)
			first = fd;
	}
	ASSERT_EQ(0, parley_catch(SIGALRM, 0));
	fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, fd);
	EXPECT_EQ(SIGNALS, interrupt(fd, parley_bind, 0, -EADDRINUSE));
	EXPECT_EQ(0, parley_port(fd));
	ASSERT_EQ(0, listen(first, 1));
	EXPECT_EQ(SIGNALS, interrupt(fd, test_connect, LOW, -EADDRNOTAVAIL));
	EXPECT_EQ(0, parley_port(fd));
	EXPECT_EQ(0, parley_pending(first));
	/* It has all numbers that it had. */
	ASSERT_LE(0, parley_bound("127.0.0.1", LOW + TAKEN));
	ASSERT_EQ(0, parley_sysctl_set("ipv4/ip_local_port_range",
				       "40000 40601"));
	EXPECT_EQ(0, parley_bind(fd, "127.0.0.1", 0));
	EXPECT_EQ(LOW + TAKEN + 1, parley_port(fd));
}

TEST_HARNESS_MAIN
