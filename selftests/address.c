// SPDX-License-Identifier: GPL-2.0
/*
 * The addresses of calls: what both ends are called in every mix of
 * families, which listener gets a call, where calls cannot go, and the
 * ephemeral ports of callers.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PORT	5000
#define SOURCE	6000

FIXTURE(address) {
};

FIXTURE_SETUP(address)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_ns_addr6("fd00::1"));
}

FIXTURE_TEARDOWN(address)
{
	EXPECT_EQ(0, parley_expect_clean());
}

#define M(v4)	"::ffff:" v4

/* Who listens where, calls what, bound to what, and what the ends see. */
static const struct mix {
	const char *host;
	const char *source;	/* NULL: the caller is not bound */
	const char *dest;
	const char *caller;	/* of the caller's socket */
	const char *called;
	const char *server;	/* of the accepted socket */
	const char *client;
} mixes[] = {
	{ "127.0.0.1", NULL, "127.0.0.1",
	  "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1" },
	{ "0.0.0.0", NULL, "127.0.0.2",
	  "127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.2" },
	{ "::1", NULL, "::1", "::1", "::1", "::1", "::1" },
	{ "::", NULL, "fd00::1", "fd00::1", "fd00::1", "fd00::1", "fd00::1" },
	/* IPv4 callers at an IPv6 listener, and the other way round */
	{ "::", NULL, "127.0.0.2",
	  "127.0.0.2", "127.0.0.2", M("127.0.0.2"), M("127.0.0.2") },
	{ "::", NULL, M("127.0.0.2"), M("127.0.0.2"), M("127.0.0.2"),
	  M("127.0.0.2"), M("127.0.0.2") },
	{ "127.0.0.1", NULL, M("127.0.0.1"),
	  M("127.0.0.1"), M("127.0.0.1"), "127.0.0.1", "127.0.0.1" },
	{ "0.0.0.0", NULL, M("127.0.0.3"),
	  M("127.0.0.3"), M("127.0.0.3"), "127.0.0.3", "127.0.0.3" },
	{ M("127.0.0.1"), NULL, "127.0.0.1",
	  "127.0.0.1", "127.0.0.1", M("127.0.0.1"), M("127.0.0.1") },
	{ M("0.0.0.0"), NULL, "127.0.0.4",
	  "127.0.0.4", "127.0.0.4", M("127.0.0.4"), M("127.0.0.4") },
	/* callers that are bound, to an address or just to a port */
	{ "127.0.0.1", "127.0.0.3", "127.0.0.1",
	  "127.0.0.3", "127.0.0.1", "127.0.0.1", "127.0.0.3" },
	{ "127.0.0.1", "0.0.0.0", "127.0.0.1",
	  "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1" },
	{ "::", "::1", "fd00::1", "::1", "fd00::1", "fd00::1", "::1" },
	{ "::", "::", "fd00::1",
	  "fd00::1", "fd00::1", "fd00::1", "fd00::1" },
	{ "::", "127.0.0.3", "127.0.0.1",
	  "127.0.0.3", "127.0.0.1", M("127.0.0.1"), M("127.0.0.3") },
	{ "127.0.0.1", M("127.0.0.3"), M("127.0.0.1"),
	  M("127.0.0.3"), M("127.0.0.1"), "127.0.0.1", "127.0.0.3" },
	{ "127.0.0.1", "::", M("127.0.0.1"),
	  M("127.0.0.1"), M("127.0.0.1"), "127.0.0.1", "127.0.0.1" },
	/* the wildcard is a name of the loopback address */
	{ "0.0.0.0", NULL, "0.0.0.0",
	  "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1" },
	{ "::", NULL, "::", "::1", "::1", "::1", "::1" },
	{ "::", NULL, "0.0.0.0",
	  "127.0.0.1", "127.0.0.1", M("127.0.0.1"), M("127.0.0.1") },
	{ "127.0.0.1", NULL, M("0.0.0.0"),
	  M("127.0.0.1"), M("127.0.0.1"), "127.0.0.1", "127.0.0.1" },
};

TEST_F(address, names)
{
	const struct mix *m;
	struct parley_addr a;
	int l, fd, new, port;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mixes); i++) {
		m = &mixes[i];
		l = parley_listener(m->host, PORT, 5);
		ASSERT_GE(l, 0);
		fd = parley_socket(SOCK_NONBLOCK);
		ASSERT_GE(fd, 0);
		EXPECT_TRUE(parley_name_is(fd, "0.0.0.0", 0));
		if (m->source)
			ASSERT_EQ(0, parley_bind(fd, m->source, SOURCE));
		ASSERT_EQ(-EINPROGRESS, test_connect(fd, m->dest, PORT))
			TH_LOG("mix %u", i);
		/* The address is the caller's identity while it waits. */
		port = parley_port(fd);
		if (m->source)
			EXPECT_EQ(SOURCE, port);
		EXPECT_GT(port, 0);
		EXPECT_TRUE(parley_name_is(fd, m->caller, port))
			TH_LOG("mix %u", i);
		EXPECT_EQ(-ENOTCONN, parley_peer(fd, &a));

		a.len = sizeof(a.ss);
		new = accept(l, &a.sa, &a.len);
		ASSERT_GE(new, 0);
		EXPECT_TRUE(parley_addr_is(&a, m->client, port))
			TH_LOG("mix %u", i);
		EXPECT_TRUE(parley_peer_is(new, m->client, port))
			TH_LOG("mix %u", i);
		EXPECT_TRUE(parley_name_is(new, m->server, PORT))
			TH_LOG("mix %u", i);
		EXPECT_TRUE(parley_name_is(fd, m->caller, port))
			TH_LOG("mix %u", i);
		EXPECT_TRUE(parley_peer_is(fd, m->called, PORT))
			TH_LOG("mix %u", i);
		EXPECT_TRUE(parley_name_is(l, m->host, PORT));
		EXPECT_EQ(-ENOTCONN, parley_peer(l, &a));
		EXPECT_TRUE(parley_talks(fd, new));
		ASSERT_EQ(0, close(l));
		ASSERT_EQ(0, close(fd));
		ASSERT_EQ(0, close(new));
	}
}

/* Calls that no listener of theirs gets, although there are others. */
TEST_F(address, not_for_that_listener)
{
	static const struct {
		const char *host;
		int v6only;
		const char *dest;
	} rows[] = {
		{ "127.0.0.1", 0, "127.0.0.2" },
		{ "127.0.0.1", 0, "::1" },
		{ "127.0.0.1", 0, M("127.0.0.2") },
		{ "0.0.0.0", 0, "::1" },
		{ "::1", 0, "127.0.0.1" },
		{ "::1", 0, "fd00::1" },
		{ "::", 1, "127.0.0.1" },
		{ "::", 1, M("127.0.0.1") },
		{ M("127.0.0.1"), 0, "::1" },
		{ M("0.0.0.0"), 0, "::1" },
	};
	unsigned int i;
	int l, fd;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		l = parley_socket(0);
		ASSERT_GE(l, 0);
		ASSERT_EQ(0, parley_v6only(l, rows[i].v6only));
		ASSERT_EQ(0, parley_bind(l, rows[i].host, PORT));
		ASSERT_EQ(0, listen(l, 5));
		fd = parley_socket(SOCK_NONBLOCK);
		EXPECT_EQ(-ECONNREFUSED,
			  test_connect(fd, rows[i].dest, PORT))
			TH_LOG("row %u", i);
		EXPECT_EQ(PARLEY_REASON_NO_LISTENER, parley_reason(fd));
		EXPECT_EQ(0, parley_pending(l));
		ASSERT_EQ(0, close(fd));
		ASSERT_EQ(0, close(l));
	}
}

/* Listeners that share a port number and each get their own calls. */
TEST_F(address, side_by_side)
{
	static const struct {
		const char *host;
		const char *dest;
	} rows[] = {
		{ "127.0.0.1", "127.0.0.1" },
		{ "127.0.0.2", M("127.0.0.2") },
		{ "::1", "::1" },
		{ "fd00::1", "fd00::1" },
		{ M("127.0.0.3"), "127.0.0.3" },
	};
	int i, k, l[5], call, new;

	for (i = 0; i < 5; i++) {
		l[i] = parley_listener(rows[i].host, PORT, 5);
		ASSERT_GE(l[i], 0);
	}
	for (i = 0; i < 5; i++) {
		call = parley_call(rows[i].dest, PORT);
		ASSERT_GE(call, 0);
		for (k = 0; k < 5; k++)
			EXPECT_EQ(k == i, parley_pending(l[k]));
		new = test_accept(l[i], 0);
		ASSERT_GE(new, 0);
		EXPECT_TRUE(parley_talks(call, new));
	}
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, close(l[i]));
	/* Both wildcards, one for each family. */
	l[0] = parley_listener("0.0.0.0", PORT, 5);
	ASSERT_GE(l[0], 0);
	l[1] = parley_socket(0);
	ASSERT_EQ(0, parley_v6only(l[1], 1));
	ASSERT_EQ(0, parley_bind(l[1], "::", PORT));
	ASSERT_EQ(0, listen(l[1], 5));
	ASSERT_GE(parley_call("::1", PORT), 0);
	EXPECT_EQ(0, parley_pending(l[0]));
	EXPECT_EQ(1, parley_pending(l[1]));
	ASSERT_GE(parley_call(M("127.0.0.1"), PORT), 0);
	ASSERT_GE(parley_call("127.0.0.1", PORT), 0);
	EXPECT_EQ(2, parley_pending(l[0]));
	EXPECT_EQ(1, parley_pending(l[1]));
}

TEST_F(address, unreachable)
{
	static const char *const hosts[] = {
		"192.0.2.1", "224.0.0.1", "255.255.255.255", "2001:db8::1",
		"ff05::1", M("192.0.2.1"), M("224.0.0.1"),
	};
	struct parley_stat st;
	unsigned int i;
	int l, fd, new;

	l = parley_listener("::", PORT, 5);
	ASSERT_GE(l, 0);
	for (i = 0; i < ARRAY_SIZE(hosts); i++) {
		fd = parley_socket(i & 1 ? SOCK_NONBLOCK : 0);
		EXPECT_EQ(-ENETUNREACH, test_connect(fd, hosts[i], PORT))
			TH_LOG("%s", hosts[i]);
		EXPECT_EQ(0, parley_so_error(fd));
		EXPECT_EQ(0, parley_port(fd));
		ASSERT_EQ(0, parley_nonblock(fd, true));
		EXPECT_EQ(-EINPROGRESS,
			  test_connect(fd, strchr(hosts[i], ':') ?
					 "::1" : "127.0.0.1", PORT))
			TH_LOG("%s", hosts[i]);
		EXPECT_EQ(0, parley_unspec(fd));
		EXPECT_EQ(0, close(fd));
	}
	/* A socket for IPv6 only has no way to IPv4. */
	fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_EQ(0, parley_v6only(fd, 1));
	EXPECT_EQ(-ENETUNREACH, test_connect(fd, M("127.0.0.1"), PORT));
	EXPECT_EQ(-EINPROGRESS, test_connect(fd, "::1", PORT));
	new = test_accept(l, 0);
	ASSERT_GE(new, 0);
	EXPECT_TRUE(parley_talks(fd, new));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(1, st.established);
	EXPECT_EQ(0, st.pending);
}

/* An IPv6 source does not reach IPv4, nor the other way round. */
TEST_F(address, source_of_the_other_family)
{
	int l, fd, err;

	l = parley_listener("::", PORT, 5);
	ASSERT_GE(l, 0);
	fd = parley_bound("::1", SOURCE);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, parley_nonblock(fd, true));
	err = test_connect(fd, M("127.0.0.1"), PORT);
	EXPECT_TRUE(err == -EAFNOSUPPORT || err == -EINVAL);
	EXPECT_EQ(-EINPROGRESS, test_connect(fd, "::1", PORT));
	EXPECT_EQ(0, close(fd));
	fd = parley_bound(M("127.0.0.1"), SOURCE);
	ASSERT_GE(fd, 0);
	ASSERT_EQ(0, parley_nonblock(fd, true));
	err = test_connect(fd, "::1", PORT);
	EXPECT_TRUE(err == -EAFNOSUPPORT || err == -EINVAL);
	EXPECT_EQ(-EINPROGRESS, test_connect(fd, M("127.0.0.1"), PORT));
	EXPECT_EQ(1, parley_pending(l));
}

/* Ephemeral ports: a range of three, and what they are unique for. */
#define LOW	40000
#define PORTS	3

FIXTURE(ephemeral) {
	int l[2];
	int fd[PORTS];
};

FIXTURE_VARIANT(ephemeral) {
	const char *host;
	const char *dest;
	const char *other;	/* an address that overlaps neither */
	const char *wildcard;
};

FIXTURE_VARIANT_ADD(ephemeral, v4) {
	.host = "127.0.0.1", .dest = "127.0.0.1", .other = "127.0.0.2",
	.wildcard = "0.0.0.0",
};

FIXTURE_VARIANT_ADD(ephemeral, v6) {
	.host = "::1", .dest = "::1", .other = "fd00::1", .wildcard = "::",
};

FIXTURE_VARIANT_ADD(ephemeral, mapped) {
	.host = "::", .dest = M("127.0.0.1"), .other = "127.0.0.2",
	.wildcard = "0.0.0.0",
};

FIXTURE_SETUP(ephemeral)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_ns_addr6("fd00::1"));
	ASSERT_EQ(0, parley_sysctl_set("ipv4/ip_local_port_range",
				       "40000 40002"));
	self->l[0] = parley_listener(variant->host, PORT, 10);
	ASSERT_GE(self->l[0], 0);
	self->l[1] = parley_listener(variant->host, PORT + 1, 10);
	ASSERT_GE(self->l[1], 0);
}

FIXTURE_TEARDOWN(ephemeral)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Fills the range towards @port; the ports seen, a bit for each one. */
static unsigned int fill(int *fd, const char *dest, int port)
{
	unsigned int seen = 0;
	int i, got;

	for (i = 0; i < PORTS; i++) {
		fd[i] = parley_call(dest, port);
		got = fd[i] < 0 ? -1 : parley_port(fd[i]);
		if (got >= LOW && got < LOW + PORTS)
			seen |= 1u << (got - LOW);
	}
	return seen;
}

#define ALL	((1u << PORTS) - 1)

TEST_F(ephemeral, exhausted)
{
	int more[PORTS], fd, new;

	EXPECT_EQ(ALL, fill(self->fd, variant->dest, PORT));
	fd = parley_socket(SOCK_NONBLOCK);
	EXPECT_EQ(-EADDRNOTAVAIL, test_connect(fd, variant->dest, PORT));
	EXPECT_EQ(0, parley_so_error(fd));
	EXPECT_EQ(PORTS, parley_pending(self->l[0]));
	/* The same numbers once more, for calls to somebody else. */
	EXPECT_EQ(ALL, fill(more, variant->dest, PORT + 1));
	EXPECT_EQ(-EADDRNOTAVAIL, parley_call(variant->dest, PORT + 1));
	/* Who has a port of its own is not concerned. */
	ASSERT_EQ(0, parley_bind(fd, variant->dest, SOURCE));
	EXPECT_EQ(-EINPROGRESS, test_connect(fd, variant->dest, PORT));
	EXPECT_EQ(0, close(fd));
	/* Being accepted does not free the port, the end of it does. */
	new = test_accept(self->l[0], 0);
	ASSERT_GE(new, 0);
	EXPECT_EQ(-EADDRNOTAVAIL, parley_call(variant->dest, PORT));
	EXPECT_EQ(0, close(self->fd[0]));
	EXPECT_EQ(0, close(new));
	ASSERT_TRUE(parley_until((fd = parley_call(variant->dest, PORT)) >= 0));
	EXPECT_EQ(-EADDRNOTAVAIL, parley_call(variant->dest, PORT));
}

TEST_F(ephemeral, other_address)
{
	int l, i;

	l = parley_listener(variant->other, PORT + 2, 10);
	ASSERT_GE(l, 0);
	EXPECT_EQ(ALL, fill(self->fd, variant->other, PORT + 2));
	for (i = 0; i < PORTS; i++) {
		EXPECT_TRUE(parley_name_is(self->fd[i], variant->other,
					   parley_port(self->fd[i])));
	}
	EXPECT_EQ(-EADDRNOTAVAIL, parley_call(variant->other, PORT + 2));
	EXPECT_EQ(ALL, fill(self->fd, variant->dest, PORT));
}

/* However a call fails, its port is free once the caller has noticed. */
TEST_F(ephemeral, given_back)
{
	int fd, port, i;

	ASSERT_EQ(ALL, fill(self->fd, variant->dest, PORT));
	port = parley_port(self->fd[1]);
	ASSERT_EQ(0, parley_unspec(self->fd[1]));
	fd = parley_call(variant->dest, PORT);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(port, parley_port(fd));
	EXPECT_EQ(0, close(fd));
	fd = parley_call(variant->dest, PORT);
	EXPECT_EQ(port, parley_port(fd));
	EXPECT_EQ(0, close(fd));

	ASSERT_EQ(0, parley_call_timeout(self->fd[1], 20));
	ASSERT_EQ(-EINPROGRESS,
		  test_connect(self->fd[1], variant->dest, PORT));
	EXPECT_EQ(POLLERR | POLLHUP, parley_wait(self->fd[1], 0));
	EXPECT_EQ(ETIMEDOUT, parley_so_error(self->fd[1]));
	fd = parley_call(variant->dest, PORT);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(port, parley_port(fd));

	/* Refused, with the sockets still open. */
	ASSERT_EQ(0, close(self->l[0]));
	self->fd[1] = fd;
	for (i = 0; i < PORTS; i++) {
		EXPECT_EQ(POLLERR | POLLHUP, parley_wait(self->fd[i], 0));
		EXPECT_EQ(ECONNREFUSED, parley_so_error(self->fd[i]));
	}
	self->l[0] = parley_listener(variant->host, PORT, 10);
	ASSERT_GE(self->l[0], 0);
	EXPECT_EQ(ALL, fill(self->fd, variant->dest, PORT));
	ASSERT_EQ(0, listen(self->l[0], 1));
	for (i = 0; i < PORTS; i++)
		EXPECT_EQ(0, close(self->fd[i]));
	/* Refused at once, more often than there are ports. */
	ASSERT_GE(parley_call(variant->dest, PORT), 0);
	for (i = 0; i < 2 * PORTS; i++) {
		EXPECT_EQ(-ECONNREFUSED, parley_call(variant->dest, PORT));
		EXPECT_EQ(-ECONNREFUSED, parley_call(variant->dest, 1));
	}
	EXPECT_EQ(ALL, fill(self->fd, variant->dest, PORT + 1));
}

/* Ports of bind() are not given to callers whose address overlaps. */
TEST_F(ephemeral, avoids_bound)
{
	const char *const hosts[] = { variant->dest, variant->wildcard };
	int fd, i;

	for (i = 0; i < 2; i++) {
		fd = parley_bound(hosts[i], LOW + 1);
		ASSERT_GE(fd, 0);
		EXPECT_EQ(ALL & ~2u, fill(self->fd, variant->dest, PORT));
		EXPECT_EQ(-EADDRNOTAVAIL, self->fd[2]);
		EXPECT_EQ(0, close(self->fd[0]));
		EXPECT_EQ(0, close(self->fd[1]));
		EXPECT_EQ(0, close(fd));
	}
	fd = parley_bound(variant->other, LOW + 1);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(ALL, fill(self->fd, variant->dest, PORT));
}

/* Nor can bind() take the port that a caller has. */
TEST_F(ephemeral, excludes_bind)
{
	int fd, port, new;

	ASSERT_EQ(ALL, fill(self->fd, variant->dest, PORT));
	port = parley_port(self->fd[0]);
	EXPECT_EQ(-EADDRINUSE, parley_bound(variant->dest, port));
	EXPECT_EQ(-EADDRINUSE, parley_bound(variant->wildcard, port));
	EXPECT_EQ(-EADDRINUSE, parley_bound(variant->dest, 0));
	fd = parley_bound(variant->other, port);
	EXPECT_GE(fd, 0);
	EXPECT_EQ(0, close(fd));
	new = test_accept(self->l[0], 0);
	ASSERT_GE(new, 0);
	EXPECT_EQ(-EADDRINUSE, parley_bound(variant->dest, port));
}

/* SO_REUSEADDR is for sockets that are bound, not for callers. */
TEST_F(ephemeral, reuseaddr)
{
	int fd, call, port;

	call = parley_socket(SOCK_NONBLOCK);
	ASSERT_EQ(0, parley_set_sockopt(call, SOL_SOCKET, SO_REUSEADDR, 1));
	ASSERT_EQ(-EINPROGRESS, test_connect(call, variant->dest, PORT));
	port = parley_port(call);
	fd = parley_socket(0);
	ASSERT_EQ(0, parley_set_sockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1));
	EXPECT_EQ(-EADDRINUSE, parley_bind(fd, variant->dest, port));
	EXPECT_EQ(-EADDRINUSE, parley_bind(fd, variant->wildcard, port));
	ASSERT_EQ(0, parley_unspec(call));
	ASSERT_EQ(0, parley_bind(fd, variant->dest, LOW));
	EXPECT_EQ(ALL & ~1u, fill(self->fd, variant->dest, PORT));
	EXPECT_EQ(-EADDRNOTAVAIL, test_connect(call, variant->dest, PORT));
}

/* Two calls to different listeners may share a port: both have to end. */
TEST_F(ephemeral, shared_port)
{
	int more[PORTS], i, k;

	ASSERT_EQ(ALL, fill(self->fd, variant->dest, PORT));
	ASSERT_EQ(ALL, fill(more, variant->dest, PORT + 1));
	for (i = 0; i < PORTS; i++) {
		for (k = 0; parley_port(more[k]) != LOW + i; k++)
			;
		EXPECT_EQ(0, close(more[k]));
		more[k] = -1;
		EXPECT_EQ(-EADDRINUSE, parley_bound(variant->dest, LOW + i));
	}
	for (i = 0; i < PORTS; i++) {
		int port = parley_port(self->fd[i]);

		EXPECT_EQ(0, parley_unspec(self->fd[i]));
		EXPECT_GE(parley_bound(variant->wildcard, port), 0);
	}
	EXPECT_EQ(-EADDRNOTAVAIL, parley_call(variant->dest, PORT));
}

TEST_HARNESS_MAIN
