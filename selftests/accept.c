// SPDX-License-Identifier: GPL-2.0
/*
 * accept(): the order of calls, the ways in which it fails without losing
 * one, waiting in many threads and processes, and what it returns.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"
#include "lib_race.h"

#define PORT	5000
#define MS	1000000ULL
#define THREADS	6

FIXTURE(accept) {
	int l;
};

FIXTURE_VARIANT(accept) {
	const char *host;
	const char *dest;
	const char *seen;	/* the caller as the server sees it */
};

FIXTURE_VARIANT_ADD(accept, v4) {
	.host = "127.0.0.1", .dest = "127.0.0.1", .seen = "127.0.0.1",
};

FIXTURE_VARIANT_ADD(accept, v6) {
	.host = "::1", .dest = "::1", .seen = "::1",
};

FIXTURE_VARIANT_ADD(accept, dual) {
	.host = "::", .dest = "127.0.0.1", .seen = "::ffff:127.0.0.1",
};

FIXTURE_SETUP(accept)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(variant->host, PORT, 100);
	ASSERT_GE(self->l, 0);
}

FIXTURE_TEARDOWN(accept)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* A call from an address that tells it from the others. */
static int call_from(const char *dest, int port)
{
	int fd, err;

	fd = parley_socket(SOCK_NONBLOCK);
	if (fd < 0)
		return fd;
	err = parley_bind(fd, dest, port);
	if (!err)
		err = test_connect(fd, dest, PORT);
	/* It is 0 when a server that was waiting has been quicker. */
	if (!err || err == -EINPROGRESS)
		return fd;
	close(fd);
	return err;
}

TEST_F(accept, fifo)
{
	int i, fd[20], new;
	struct parley_addr a;

	/* Neither the ports nor the descriptors are in order. */
	for (i = 0; i < 20; i++) {
		fd[i] = call_from(variant->dest, 6000 + i * 7 % 20);
		ASSERT_GE(fd[i], 0);
	}
	for (i = 0; i < 20; i++) {
		memset(&a, 0, sizeof(a));
		a.len = sizeof(a.ss);
		new = accept(self->l, &a.sa, &a.len);
		ASSERT_GE(new, 0);
		EXPECT_TRUE(parley_addr_is(&a, variant->seen,
					   6000 + i * 7 % 20));
		EXPECT_TRUE(parley_peer_is(new, variant->seen,
					   6000 + i * 7 % 20));
		EXPECT_TRUE(parley_talks(fd[i], new));
	}
}

/* Those that gave up, in each of the ways to do so, are not returned. */
TEST_F(accept, skips_withdrawn)
{
	int i, pid, fd[8], new;

	ASSERT_EQ(0, parley_nonblock(self->l, true));
	for (i = 0; i < 8; i++) {
		fd[i] = parley_socket(SOCK_NONBLOCK);
		ASSERT_GE(fd[i], 0);
		ASSERT_EQ(0, parley_call_timeout(fd[i], i == 4 ? 50 : 0));
		ASSERT_EQ(0, parley_bind(fd[i], variant->dest, 6000 + i));
		if (i == 6)
			continue;
		ASSERT_EQ(-EINPROGRESS,
			  test_connect(fd[i], variant->dest, PORT));
	}
	pid = parley_fork();
	ASSERT_GE(pid, 0);
	if (!pid) {
		test_connect(fd[6], variant->dest, PORT);
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
	EXPECT_EQ(0, close(fd[6]));	/* the parent still had it */
	EXPECT_EQ(0, close(fd[0]));
	EXPECT_EQ(0, parley_unspec(fd[2]));
	EXPECT_EQ(POLLERR | POLLHUP, parley_wait(fd[4], 0));
	EXPECT_EQ(4, parley_pending(self->l));
	for (i = 1; i < 8; i += 2) {
		new = test_accept(self->l, 0);
		ASSERT_GE(new, 0);
		EXPECT_TRUE(parley_peer_is(new, variant->seen, 6000 + i));
		EXPECT_TRUE(parley_talks(fd[i], new));
	}
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_EQ(0, parley_pending(self->l));
}

/* A server that waits gets no call that was withdrawn, but the next one. */
TEST_F(accept, blocked_through_withdrawal)
{
	struct parley_thread t;
	int fd, i;

	ASSERT_EQ(0, parley_thread_accept(&t, self->l));
	ASSERT_EQ(0, parley_thread_blocked(&t));
	for (i = 0; i < 20; i++) {
		/* The server may take the call before it is withdrawn. */
		fd = call_from(variant->dest, 6000 + i);
		ASSERT_GE(fd, 0);
		if (parley_unspec(fd))
			break;
		EXPECT_EQ(0, close(fd));
	}
	if (i == 20)
		fd = call_from(variant->dest, 6000 + i);
	ASSERT_GE(parley_thread_join(&t), 0);
	EXPECT_TRUE(parley_peer_is(t.result, variant->seen, 6000 + i));
	EXPECT_TRUE(parley_talks(fd, t.result));
}

TEST_F(accept, nothing_there)
{
	unsigned long long start;
	int pair[2], fd;

	ASSERT_EQ(0, parley_nonblock(self->l, true));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	ASSERT_EQ(0, parley_nonblock(self->l, false));
	ASSERT_EQ(0, parley_timeo(self->l, SO_RCVTIMEO, 100));
	start = race_ticks_ns();
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	/* Rounded to the kernel's ticks, as everywhere with SO_RCVTIMEO. */
	EXPECT_GE(race_ticks_ns() - start, 90 * MS);
	ASSERT_EQ(0, parley_pair(self->l, pair));
	EXPECT_EQ(-EINVAL, test_accept(pair[0], 0));
	EXPECT_EQ(-EINVAL, test_accept(pair[1], 0));
	fd = parley_socket(0);
	EXPECT_EQ(-EINVAL, test_accept(fd, 0));
	ASSERT_EQ(0, parley_bind(fd, variant->host, PORT + 1));
	EXPECT_EQ(-EINVAL, test_accept(fd, 0));
	EXPECT_TRUE(parley_talks(pair[0], pair[1]));
}

TEST_F(accept, interrupted)
{
	struct parley_thread t;
	int fd;

	ASSERT_EQ(0, parley_catch(SIGUSR1, 0));
	ASSERT_EQ(0, parley_thread_accept(&t, self->l));
	ASSERT_EQ(0, parley_thread_blocked(&t));
	ASSERT_EQ(0, parley_thread_kill(&t, SIGUSR1));
	EXPECT_EQ(-EINTR, parley_thread_join(&t));

	/* With a time-out it cannot be restarted. */
	ASSERT_EQ(0, parley_catch(SIGUSR1, SA_RESTART));
	ASSERT_EQ(0, parley_timeo(self->l, SO_RCVTIMEO, PARLEY_BOUND_MS));
	ASSERT_EQ(0, parley_thread_accept(&t, self->l));
	ASSERT_EQ(0, parley_thread_blocked(&t));
	ASSERT_EQ(0, parley_thread_kill(&t, SIGUSR1));
	EXPECT_EQ(-EINTR, parley_thread_join(&t));

	ASSERT_EQ(0, parley_timeo(self->l, SO_RCVTIMEO, 0));
	ASSERT_EQ(0, parley_thread_accept(&t, self->l));
	ASSERT_EQ(0, parley_thread_blocked(&t));
	ASSERT_EQ(0, parley_thread_kill(&t, SIGUSR1));
	ASSERT_TRUE(parley_until(parley_caught() == 3));
	ASSERT_EQ(0, parley_thread_blocked(&t));
	fd = parley_call(variant->dest, PORT);
	ASSERT_GE(fd, 0);
	ASSERT_GE(parley_thread_join(&t), 0);
	EXPECT_TRUE(parley_talks(fd, t.result));
}

/*
 * One call wakes one of many: the others have not even been looked at, they
 * went to sleep as often as before.
 */
TEST_F(accept, wakes_one)
{
	struct parley_thread t[THREADS];
	long sleeps[THREADS];
	int i, round, fd, done, who;

	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, parley_thread_accept(&t[i], self->l));
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, parley_thread_blocked(&t[i]));
		sleeps[i] = parley_thread_sleeps(&t[i]);
		ASSERT_GT(sleeps[i], 0);
	}
	for (round = 1; round <= THREADS; round++) {
		fd = parley_call(variant->dest, PORT);
		ASSERT_GE(fd, 0);
		ASSERT_EQ(POLLOUT, parley_wait(fd, POLLOUT));
		who = -1;
		ASSERT_TRUE(parley_until(({
			for (done = 0, i = 0; i < THREADS; i++)
				if (parley_thread_done(&t[i])) {
					done++;
					who = sleeps[i] ? i : who;
				}
			done >= round;
		})));
		ASSERT_EQ(round, done);
		ASSERT_GE(who, 0);
		sleeps[who] = 0;
		ASSERT_GE(parley_thread_join(&t[who]), 0);
		EXPECT_TRUE(parley_talks(fd, t[who].result));
		for (i = 0; i < THREADS; i++) {
			if (!sleeps[i])
				continue;
			EXPECT_EQ(0, parley_thread_blocked(&t[i]));
			EXPECT_EQ(sleeps[i], parley_thread_sleeps(&t[i]));
		}
	}
	EXPECT_EQ(0, parley_pending(self->l));
}

/* Calls that come at once are all served. */
TEST_F(accept, threads_share)
{
	struct parley_thread t[THREADS];
	int i, fd[THREADS], new, k;

	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, parley_thread_accept(&t[i], self->l));
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, parley_thread_blocked(&t[i]));
	for (i = 0; i < THREADS; i++) {
		fd[i] = call_from(variant->dest, 6000 + i);
		ASSERT_GE(fd[i], 0);
	}
	for (i = 0; i < THREADS; i++) {
		struct parley_addr a;

		new = parley_thread_join(&t[i]);
		ASSERT_GE(new, 0);
		ASSERT_EQ(0, parley_peer(new, &a));
		k = parley_addr_port(&a) - 6000;
		ASSERT_GE(k, 0);
		ASSERT_LT(k, THREADS);
		EXPECT_TRUE(parley_talks(fd[k], new));
		fd[k] = -1;
	}
}

/* Processes that were forked with the listener serve it in turns. */
TEST_F(accept, processes_share)
{
	int i, pid[4], fd, new, port;
	struct parley_addr a;

	for (i = 0; i < 4; i++) {
		pid[i] = parley_fork();
		ASSERT_GE(pid[i], 0);
		if (pid[i])
			continue;
		new = test_accept(self->l, 0);
		if (new < 0 || parley_peer(new, &a))
			_exit(1);
		port = htons(parley_addr_port(&a));
		_exit(write(new, &port, 2) != 2);
	}
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, parley_blocked(pid[i], SYS_accept4));
	/* The parent's descriptor is not needed for it. */
	ASSERT_EQ(0, close(self->l));
	for (i = 0; i < 4; i++) {
		unsigned short said = 0;

		fd = call_from(variant->dest, 6000 + i);
		ASSERT_GE(fd, 0);
		ASSERT_GT(parley_wait(fd, POLLIN), 0);
		EXPECT_EQ(2, read(fd, &said, 2));
		EXPECT_EQ(6000 + i, ntohs(said));
	}
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, parley_reap(pid[i]));
	/* The last one that could serve has gone, and the port with it. */
	EXPECT_EQ(-ECONNREFUSED, parley_call(variant->dest, PORT));
}

/* Calls wait for whoever comes next, also when the first server has died. */
TEST_F(accept, successor)
{
	int fd, pid, new;

	fd = parley_call(variant->dest, PORT);
	ASSERT_GE(fd, 0);
	pid = parley_fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(parley_revents(self->l, POLLIN) != POLLIN);
	EXPECT_EQ(0, parley_reap(pid));
	EXPECT_EQ(1, parley_pending(self->l));
	new = test_accept(self->l, 0);
	ASSERT_GE(new, 0);
	EXPECT_TRUE(parley_talks(fd, new));
}

/* No descriptor for the call: it stays at its place. */
TEST_F(accept, emfile)
{
	struct rlimit rl, old;
	int fd[2], i, new;

	for (i = 0; i < 2; i++) {
		fd[i] = call_from(variant->dest, 6000 + i);
		ASSERT_GE(fd[i], 0);
	}
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	rl = old;
	rl.rlim_cur = fd[1] + 1;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &rl));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-EMFILE, test_accept(self->l, 0));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
	EXPECT_EQ(2, parley_pending(self->l));
	EXPECT_EQ(0, parley_revents(fd[0], POLLIN | POLLOUT));
	for (i = 0; i < 2; i++) {
		new = test_accept(self->l, 0);
		ASSERT_GE(new, 0);
		EXPECT_TRUE(parley_peer_is(new, variant->seen, 6000 + i));
		EXPECT_TRUE(parley_talks(fd[i], new));
	}
}

TEST_F(accept, flags)
{
	static const int flags[] = {
		0, SOCK_NONBLOCK, SOCK_CLOEXEC, SOCK_NONBLOCK | SOCK_CLOEXEC,
	};
	int i, k, new;

	/* The listener's own flags are not taken over. */
	for (k = 0; k < 2; k++) {
		ASSERT_EQ(0, parley_nonblock(self->l, k));
		ASSERT_EQ(0, fcntl(self->l, F_SETFD, k ? FD_CLOEXEC : 0));
		for (i = 0; i < 4; i++) {
			ASSERT_GE(parley_call(variant->dest, PORT), 0);
			new = test_accept(self->l, flags[i]);
			ASSERT_GE(new, 0);
			EXPECT_EQ(!!(flags[i] & SOCK_NONBLOCK),
				  !!(fcntl(new, F_GETFL) & O_NONBLOCK));
			EXPECT_EQ(flags[i] & SOCK_CLOEXEC ? FD_CLOEXEC : 0,
				  fcntl(new, F_GETFD));
		}
	}
}

/* The address is as long as it is, however much of it there is room for. */
TEST_F(accept, address)
{
	struct parley_addr a, peer;
	socklen_t full;
	unsigned int i;
	int fd, new;

	full = strchr(variant->host, ':') ? sizeof(a.v6) : sizeof(a.v4);
	for (i = 0; i <= full + 1; i += 4) {
		fd = parley_call(variant->dest, PORT);
		ASSERT_GE(fd, 0);
		memset(&a, 0xee, sizeof(a));
		a.len = i;
		new = accept(self->l, &a.sa, &a.len);
		ASSERT_GE(new, 0);
		EXPECT_EQ(full, a.len);
		ASSERT_EQ(0, parley_peer(new, &peer));
		EXPECT_EQ(0, memcmp(&a, &peer, i < full ? i : full));
		EXPECT_EQ(0xee, ((unsigned char *)&a)[i]);
		EXPECT_EQ(parley_port(fd), parley_addr_port(&peer));
	}
}

/* Connections do not depend on the listener that they came from. */
TEST_F(accept, outlives_listener)
{
	int pair[2], again[2];

	ASSERT_EQ(0, parley_pair(self->l, pair));
	ASSERT_EQ(0, close(self->l));
	EXPECT_TRUE(parley_talks(pair[0], pair[1]));
	self->l = parley_listener(variant->host, PORT, 100);
	ASSERT_GE(self->l, 0);
	ASSERT_EQ(0, parley_pair(self->l, again));
	EXPECT_TRUE(parley_talks(again[0], again[1]));
	EXPECT_TRUE(parley_talks(pair[0], pair[1]));
}

TEST_HARNESS_MAIN
