// SPDX-License-Identifier: GPL-2.0
/*
 * Socket options: parley's own, those that an accepted socket inherits, who
 * is at the other end; and the sysctls of a network namespace. Those of TCP and
 * IP are in options_inet.c.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PORT	5000
#define NOBODY	65534

FIXTURE(options) {
	int l;
};

FIXTURE_VARIANT(options) {
	const char *host;
	const char *dest;
};

FIXTURE_VARIANT_ADD(options, v4) {
	.host = "127.0.0.1", .dest = "127.0.0.1",
};

FIXTURE_VARIANT_ADD(options, v6) {
	.host = "::1", .dest = "::1",
};

FIXTURE_SETUP(options)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(variant->host, PORT, 10);
	ASSERT_GE(self->l, 0);
}

FIXTURE_TEARDOWN(options)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int get_timeout(int fd)
{
	return parley_sockopt(fd, SOL_PARLEY, PARLEY_CONNECT_TIMEOUT);
}

TEST_F(options, connect_timeout)
{
	int fd, early, pair[2];

	early = parley_socket(0);
	EXPECT_EQ(30000, get_timeout(early));
	ASSERT_EQ(0, parley_sysctl_write("parley/connect_timeout_ms", 1234));
	EXPECT_EQ(30000, get_timeout(early));
	fd = parley_socket(SOCK_NONBLOCK);
	EXPECT_EQ(1234, get_timeout(fd));
	EXPECT_EQ(0, parley_call_timeout(fd, 0));
	EXPECT_EQ(0, get_timeout(fd));
	EXPECT_EQ(0, parley_call_timeout(fd, 77777));
	EXPECT_EQ(77777, get_timeout(fd));
	ASSERT_EQ(0, parley_bind(fd, variant->dest, PORT + 1));
	EXPECT_EQ(0, parley_call_timeout(fd, 88888));

	/* Not once the call is under way, and again when it is over. */
	ASSERT_EQ(-EINPROGRESS, test_connect(fd, variant->dest, PORT));
	EXPECT_EQ(-EINVAL, parley_call_timeout(fd, 1));
	EXPECT_EQ(88888, get_timeout(fd));
	ASSERT_EQ(0, parley_unspec(fd));
	EXPECT_EQ(0, parley_call_timeout(fd, 99999));
	EXPECT_EQ(99999, get_timeout(fd));
	EXPECT_EQ(-EINVAL, parley_call_timeout(self->l, 1));
	ASSERT_EQ(0, parley_pair(self->l, pair));
	EXPECT_EQ(-EINVAL, parley_call_timeout(pair[0], 1));
	EXPECT_EQ(-EINVAL, parley_call_timeout(pair[1], 1));
	EXPECT_EQ(1234, get_timeout(pair[0]));
}

/* It says what the last connect() met, until the next one. */
TEST_F(options, refusal)
{
	struct parley_refusal r;
	int fd = parley_socket(SOCK_NONBLOCK);

	ASSERT_EQ(0, parley_refusal(fd, &r));
	EXPECT_EQ(PARLEY_REASON_NONE, (int)r.reason);
	EXPECT_EQ(0U, r.code);
	EXPECT_EQ(0U, r.retry_after_ms);
	EXPECT_EQ(0U, r.data_len);
	EXPECT_EQ(-ECONNREFUSED, test_connect(fd, variant->dest, PORT + 1));
	ASSERT_EQ(0, parley_refusal(fd, &r));
	EXPECT_EQ(PARLEY_REASON_NO_LISTENER, (int)r.reason);
	EXPECT_EQ(0U, r.code);
	EXPECT_EQ(0U, r.retry_after_ms);
	EXPECT_EQ(0U, r.data_len);
	/* Reading it does not use it up. */
	EXPECT_EQ(PARLEY_REASON_NO_LISTENER, parley_reason(fd));
	ASSERT_EQ(-EINPROGRESS, test_connect(fd, variant->dest, PORT));
	EXPECT_EQ(PARLEY_REASON_NONE, parley_reason(fd));
	EXPECT_EQ(0, parley_unspec(fd));
	/* Who has withdrawn was not refused. */
	EXPECT_EQ(PARLEY_REASON_NONE, parley_reason(fd));
}

/* A connect() that fails without being refused is the last one all the same. */
TEST_F(options, refusal_is_of_the_last_connect)
{
	int fd = parley_socket(SOCK_NONBLOCK);

	EXPECT_EQ(-ECONNREFUSED, test_connect(fd, variant->dest, PORT + 1));
	EXPECT_EQ(PARLEY_REASON_NO_LISTENER, parley_reason(fd));
	EXPECT_EQ(-ENETUNREACH, test_connect(fd, variant->dest[0] == '1' ?
					       "192.0.2.1" : "2001:db8::1",
					       PORT));
	EXPECT_EQ(PARLEY_REASON_NONE, parley_reason(fd));
}

TEST_F(options, backlog_of_listeners_only)
{
	int pair[2], fd;

	EXPECT_EQ(10, parley_limit(self->l));
	EXPECT_EQ(0, parley_pending(self->l));
	ASSERT_EQ(0, parley_pair(self->l, pair));
	EXPECT_EQ(-EINVAL, parley_pending(pair[0]));
	EXPECT_EQ(-EINVAL, parley_pending(pair[1]));
	fd = parley_bound(variant->host, PORT + 1);
	EXPECT_EQ(-EINVAL, parley_pending(fd));
	fd = parley_call(variant->dest, PORT);
	EXPECT_EQ(-EINVAL, parley_pending(fd));
	EXPECT_EQ(1, parley_pending(self->l));
	ASSERT_EQ(0, shutdown(self->l, SHUT_RD));
	EXPECT_EQ(-EINVAL, parley_pending(self->l));
}

/* Structs are read with the length that the caller knows. */
TEST_F(options, lengths)
{
	static const struct {
		int name;
		socklen_t size;
	} opts[] = {
		{ PARLEY_BACKLOG, sizeof(struct parley_backlog) },
		{ PARLEY_REFUSAL, sizeof(struct parley_refusal) },
		{ PARLEY_CONNECT_TIMEOUT, sizeof(__u32) },
	};
	unsigned char full[64], part[64];
	socklen_t len, want, i;
	int k, fd;

	for (k = 0; k < 3; k++) {
		fd = self->l;
		if (opts[k].name == PARLEY_REFUSAL) {
			fd = parley_socket(0);
			EXPECT_EQ(-ECONNREFUSED,
				  test_connect(fd, variant->dest, 1));
		}
		len = sizeof(full);
		ASSERT_EQ(0, getsockopt(fd, SOL_PARLEY, opts[k].name, full,
					&len));
		ASSERT_EQ(opts[k].size, len);
		if (len == sizeof(__u32))
			continue;
		for (i = 0; i <= len + 4; i++) {
			memset(part, 0xee, sizeof(part));
			want = i;
			ASSERT_EQ(0, getsockopt(fd, SOL_PARLEY, opts[k].name,
						part, &want));
			EXPECT_EQ(i < len ? i : len, want);
			EXPECT_EQ(0, memcmp(full, part, want));
			EXPECT_EQ(0xee, part[want]);
		}
	}
}

TEST_F(options, socket_level)
{
	int pair[2], i, fd[4];

	ASSERT_EQ(0, parley_pair(self->l, pair));
	fd[0] = parley_socket(0);
	fd[1] = self->l;
	fd[2] = pair[0];
	fd[3] = pair[1];
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(AF_PARLEY,
			  parley_sockopt(fd[i], SOL_SOCKET, SO_DOMAIN));
		EXPECT_EQ(SOCK_STREAM,
			  parley_sockopt(fd[i], SOL_SOCKET, SO_TYPE));
		EXPECT_EQ(0, parley_sockopt(fd[i], SOL_SOCKET, SO_PROTOCOL));
		EXPECT_EQ(0, parley_so_error(fd[i]));
		EXPECT_EQ(i == 1, parley_sockopt(fd[i], SOL_SOCKET,
						 SO_ACCEPTCONN));
	}
	EXPECT_TRUE(parley_talks(pair[0], pair[1]));
}

static const struct {
	const char *name;
	int opt;
	int value;
} inherited[] = {
	{ "SO_SNDBUF", SO_SNDBUF, 54321 },
	{ "SO_RCVBUF", SO_RCVBUF, 65432 },
	{ "SO_RCVLOWAT", SO_RCVLOWAT, 7 },
	{ "SO_PRIORITY", SO_PRIORITY, 3 },
	{ "SO_MARK", SO_MARK, 42 },
	{ "SO_KEEPALIVE", SO_KEEPALIVE, 1 },
};

TEST_F(options, inherited)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 5 };
	struct timeval tv = { .tv_sec = 7 };
	unsigned int i;
	socklen_t len;
	int call, old, new, plain;

	/* What was set while the call was waiting counts too. */
	call = parley_call(variant->dest, PORT);
	ASSERT_GE(call, 0);
	plain = parley_socket(0);
	for (i = 0; i < ARRAY_SIZE(inherited); i++) {
		old = parley_sockopt(plain, SOL_SOCKET, inherited[i].opt);
		EXPECT_EQ(0, parley_set_sockopt(self->l, SOL_SOCKET,
						inherited[i].opt,
						inherited[i].value))
			TH_LOG("%s", inherited[i].name);
		EXPECT_NE(old, parley_sockopt(self->l, SOL_SOCKET,
					      inherited[i].opt))
			TH_LOG("%s", inherited[i].name);
	}
	EXPECT_EQ(0, setsockopt(self->l, SOL_SOCKET, SO_LINGER, &linger,
				sizeof(linger)));
	EXPECT_EQ(0, setsockopt(self->l, SOL_SOCKET, SO_RCVTIMEO, &tv,
				sizeof(tv)));
	tv.tv_sec = 9;
	EXPECT_EQ(0, setsockopt(self->l, SOL_SOCKET, SO_SNDTIMEO, &tv,
				sizeof(tv)));

	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	for (i = 0; i < ARRAY_SIZE(inherited); i++) {
		old = parley_sockopt(self->l, SOL_SOCKET, inherited[i].opt);
		EXPECT_EQ(old, parley_sockopt(new, SOL_SOCKET,
					      inherited[i].opt))
			TH_LOG("%s", inherited[i].name);
	}
	memset(&linger, 0, sizeof(linger));
	len = sizeof(linger);
	EXPECT_EQ(0, getsockopt(new, SOL_SOCKET, SO_LINGER, &linger, &len));
	EXPECT_EQ(1, linger.l_onoff);
	EXPECT_EQ(5, linger.l_linger);
	len = sizeof(tv);
	EXPECT_EQ(0, getsockopt(new, SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
	EXPECT_EQ(7, tv.tv_sec);
	EXPECT_EQ(0, getsockopt(new, SOL_SOCKET, SO_SNDTIMEO, &tv, &len));
	EXPECT_EQ(9, tv.tv_sec);

	/* The caller keeps its own. */
	EXPECT_EQ(parley_sockopt(plain, SOL_SOCKET, SO_SNDBUF),
		  parley_sockopt(call, SOL_SOCKET, SO_SNDBUF));
	EXPECT_EQ(0, parley_sockopt(call, SOL_SOCKET, SO_MARK));
}

TEST_F(options, inherited_v6only)
{
	int i, l, new;

	for (i = 0; i < 2; i++) {
		l = parley_socket(0);
		ASSERT_GE(l, 0);
		ASSERT_EQ(0, parley_v6only(l, i));
		ASSERT_EQ(0, parley_bind(l, "::", PORT + 1));
		ASSERT_EQ(0, listen(l, 1));
		ASSERT_GE(parley_call("::1", PORT + 1), 0);
		new = test_accept(l, 0);
		ASSERT_GE(new, 0);
		EXPECT_EQ(i, parley_sockopt(new, IPPROTO_IPV6, IPV6_V6ONLY));
		ASSERT_EQ(0, close(l));
	}
}

static bool cred_is(int fd, pid_t pid, uid_t uid, gid_t gid)
{
	socklen_t len = sizeof(struct ucred);
	struct ucred c;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len))
		return false;
	if (c.pid == pid && c.uid == uid && c.gid == gid)
		return true;
	printf("# peer is pid %d uid %d gid %d, not pid %d uid %d gid %d\n",
	       c.pid, c.uid, c.gid, pid, uid, gid);
	fflush(stdout);
	return false;
}

#define STEP(cond)	do { step++; if (!(cond)) _exit(step); } while (0)

/* listen(), as somebody else for the moment. */
static int listen_as(int fd, uid_t uid, gid_t gid)
{
	int err;

	if (setegid(gid) || seteuid(uid))
		return -errno;
	err = listen(fd, 10) ? -errno : 0;
	if (seteuid(0) || setegid(0))
		return -errno;
	return err;
}

/* Each end sees the other one as it was at connect() and at listen(). */
TEST_F(options, peercred)
{
	int pid, l, fd, new, step = 0, me = getpid();
	struct parley_gate gate;

	ASSERT_EQ(0, parley_gate_init(&gate));
	l = parley_bound(variant->host, PORT + 1);
	ASSERT_GE(l, 0);
	ASSERT_EQ(0, listen_as(l, 2001, 2002));
	pid = parley_fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		STEP(!setegid(1002) && !seteuid(1001));
		fd = parley_call(variant->dest, PORT + 1);
		STEP(fd >= 0);
		STEP(!seteuid(0) && !setegid(0) && !seteuid(1003));
		STEP(parley_wait(fd, POLLOUT) == POLLOUT);
		STEP(cred_is(fd, me, 2001, 2002));
		STEP(!parley_gate_wait(&gate));
		_exit(0);
	}
	/* Wait for the second change, then decide. */
	ASSERT_EQ(POLLIN, parley_wait(l, POLLIN));
	ASSERT_EQ(0, parley_blocked(pid, SYS_poll));
	new = test_accept(l, 0);
	ASSERT_GE(new, 0);
	EXPECT_TRUE(cred_is(new, pid, 1001, 1002));
	EXPECT_EQ(0, parley_gate_open(&gate));
	EXPECT_EQ(0, parley_reap(pid));
	/* It is still known when the caller has gone. */
	EXPECT_TRUE(cred_is(new, pid, 1001, 1002));
}

/* Who calls listen() again is who listens from then on, as with AF_UNIX. */
TEST_F(options, peercred_of_last_listen)
{
	int pair[2];

	ASSERT_EQ(0, parley_pair(self->l, pair));
	EXPECT_TRUE(cred_is(pair[0], getpid(), 0, 0));
	ASSERT_EQ(0, listen_as(self->l, 2001, 2002));
	EXPECT_TRUE(cred_is(pair[0], getpid(), 0, 0));
	ASSERT_EQ(0, parley_pair(self->l, pair));
	EXPECT_TRUE(cred_is(pair[0], getpid(), 2001, 2002));
	EXPECT_TRUE(cred_is(pair[1], getpid(), 0, 0));
}

TEST_F(options, socketpair)
{
	int fd[2];

	ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_STREAM, 0, fd));
	EXPECT_TRUE(parley_talks(fd[0], fd[1]));
	EXPECT_TRUE(parley_name_is(fd[0], "0.0.0.0", 0));
	EXPECT_TRUE(parley_peer_is(fd[1], "0.0.0.0", 0));
	EXPECT_TRUE(cred_is(fd[0], getpid(), 0, 0));
	EXPECT_TRUE(cred_is(fd[1], getpid(), 0, 0));
	EXPECT_EQ(-EISCONN, test_connect(fd[0], variant->dest, PORT));
	EXPECT_EQ(0, parley_pending(self->l));
}

/* The sysctls */

static const struct {
	const char *name;
	long initial;
	long least;
} sysctls[] = {
	{ "parley/max_backlog", 4096, 1 },
	{ "parley/connect_timeout_ms", 30000, 0 },
	{ "parley/max_pending", 65536, 0 },
	{ "parley/max_pending_per_user", 16384, 0 },
};

#define SYSCTLS	((int)ARRAY_SIZE(sysctls))

FIXTURE(sysctl) {
};

FIXTURE_SETUP(sysctl)
{
	ASSERT_EQ(0, parley_ns_enter());
}

FIXTURE_TEARDOWN(sysctl)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(sysctl, ranges)
{
	static const char *const bad[] = {
		"-1", "x", "99999999999999999999",
	};
	const char *name;
	int i, k;

	for (i = 0; i < SYSCTLS; i++) {
		name = sysctls[i].name;
		EXPECT_EQ(sysctls[i].initial, parley_sysctl_read(name))
			TH_LOG("%s", name);
		EXPECT_EQ(0, parley_sysctl_write(name, sysctls[i].least))
			TH_LOG("%s", name);
		EXPECT_EQ(sysctls[i].least, parley_sysctl_read(name));
		EXPECT_EQ(0, parley_sysctl_write(name, 12345));
		EXPECT_EQ(-EINVAL,
			  parley_sysctl_write(name, sysctls[i].least - 1))
			TH_LOG("%s", name);
		for (k = 0; k < 3; k++) {
			EXPECT_EQ(-EINVAL, parley_sysctl_set(name, bad[k]))
				TH_LOG("%s to %s", name, bad[k]);
		}
		EXPECT_EQ(12345, parley_sysctl_read(name));
	}
}

/* A new namespace starts with the defaults, whatever the old one has. */
TEST_F(sysctl, namespaces)
{
	int i, pid, step = 0;

	for (i = 0; i < SYSCTLS; i++)
		ASSERT_EQ(0, parley_sysctl_write(sysctls[i].name, 2));
	pid = parley_fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		STEP(!parley_ns_enter());
		for (i = 0; i < SYSCTLS; i++) {
			STEP(parley_sysctl_read(sysctls[i].name) ==
			     sysctls[i].initial);
			STEP(!parley_sysctl_write(sysctls[i].name, 3));
		}
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
	for (i = 0; i < SYSCTLS; i++)
		EXPECT_EQ(2, parley_sysctl_read(sysctls[i].name));
}

/* Only the owner of the network namespace may write them. */
TEST_F(sysctl, owner)
{
	int i, pid, step = 0, err;

	pid = parley_fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		STEP(!setresuid(NOBODY, NOBODY, NOBODY));
		for (i = 0; i < SYSCTLS; i++) {
			err = parley_sysctl_write(sysctls[i].name, 3);
			STEP(err == -EACCES || err == -EPERM);
			STEP(parley_sysctl_read(sysctls[i].name) ==
			     sysctls[i].initial);
		}
		STEP(!unshare(CLONE_NEWUSER));
		err = parley_sysctl_write(sysctls[0].name, 3);
		STEP(err == -EACCES || err == -EPERM);
		STEP(!parley_ns_enter());
		for (i = 0; i < SYSCTLS; i++) {
			STEP(!parley_sysctl_write(sysctls[i].name, 3));
			STEP(parley_sysctl_read(sysctls[i].name) == 3);
		}
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
	for (i = 0; i < SYSCTLS; i++) {
		EXPECT_EQ(sysctls[i].initial,
			  parley_sysctl_read(sysctls[i].name));
	}
}

TEST_HARNESS_MAIN
