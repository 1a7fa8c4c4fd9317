// SPDX-License-Identifier: GPL-2.0
/*
 * Connections that are not used hold no pages of data: they are given back a
 * second or two after the last use, and what goes on meanwhile is not harmed.
 */
#include "kselftest_harness.h"

#include <sched.h>
#include <sys/wait.h>

#include "lib.h"
#include "lib_race.h"
#include "lib_record.h"

#define PAGE	4096

static const int kinds[] = { SOCK_STREAM, SOCK_SEQPACKET };
static char out[20 * PAGE], in[20 * PAGE];

FIXTURE(idle) {
	int fd[2][2];		/* a stream, and records */
	struct parley_thread thread;
};

FIXTURE_SETUP(idle)
{
	int i;

	for (i = 0; i < sizeof(out); i++)
		out[i] = i ^ i / 251;
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_STREAM, 0, self->fd[0]));
	ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_SEQPACKET, 0, self->fd[1]));
}

FIXTURE_TEARDOWN(idle)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static long pages(void)
{
	struct parley_stat st;

	return parley_stat(&st) ? -1 : st.pages;
}

/* There and back, so that both rings have pages. */
static bool exchange(const int *fd, size_t len)
{
	int i;

	for (i = 0; i < 2; i++)
		if (record_put(fd[i], out, len, 0) != len ||
		    record_get(fd[!i], in, sizeof(in), 0, NULL) != len ||
		    memcmp(out, in, len))
			return false;
	return true;
}

static bool exchange_both(int (*fd)[2], size_t len)
{
	return exchange(fd[0], len) && exchange(fd[1], len);
}

static long do_recv(void *arg)
{
	long n = syscall(SYS_recvfrom, *(int *)arg, in, sizeof(in), 0, NULL,
			 NULL);

	return n < 0 ? -errno : n;
}

/* All of it, again and again; who sleeps for data is not in the way. */
TEST_F(idle, given_back)
{
	EXPECT_EQ(0, pages());
	ASSERT_TRUE(exchange_both(self->fd, 100));
	EXPECT_EQ(4, pages());
	EXPECT_TRUE(parley_until(!pages()));
	ASSERT_TRUE(exchange_both(self->fd, 10 * PAGE));
	EXPECT_LE(40, pages());
	ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_recvfrom, do_recv,
					 &self->fd[0][1]));
	ASSERT_EQ(0, parley_thread_blocked(&self->thread));
	EXPECT_TRUE(parley_until(!pages()));
	ASSERT_EQ(9000, record_put(self->fd[0][0], out, 9000, 0));
	EXPECT_EQ(9000, parley_thread_join(&self->thread));
	EXPECT_EQ(0, memcmp(out, in, 9000));
	ASSERT_TRUE(exchange_both(self->fd, 15000));
}

/*
 * What nobody has read stays, what has been read of it goes; so does what
 * a failed send has left behind.
 */
TEST_F(idle, unread)
{
	int i, k;

	for (k = 0; k < 2; k++) {
		for (i = 0; i < 10; i++)
			ASSERT_EQ(PAGE - 8, record_put(self->fd[k][0], out,
						       PAGE - 8, 0));
		EXPECT_EQ(10 * (k + 1), pages());
	}
	for (k = 0; k < 2; k++) {
		for (i = 0; i < 8; i++)
			ASSERT_EQ(PAGE - 8, record_get(self->fd[k][1], in,
						       PAGE - 8, 0, NULL));
	}
	EXPECT_TRUE(parley_until(pages() <= 6));
	EXPECT_LE(4, pages());
	for (k = 0; k < 2; k++) {
		for (i = 0; i < 2; i++) {
			ASSERT_EQ(PAGE - 8, record_get(self->fd[k][1], in,
						       PAGE - 8, 0, NULL));
			EXPECT_EQ(0, memcmp(out, in, PAGE - 8));
		}
		EXPECT_EQ(-EFAULT, record_put(self->fd[k][1], (void *)16, 10,
					      0));
	}
	EXPECT_TRUE(parley_until(!pages()));
	ASSERT_TRUE(exchange_both(self->fd, 15000));
}

/* A pair that is in use keeps working, and keeps its pages, while others go. */
TEST_F(idle, busy)
{
	unsigned long long end = parley_now_ns() + 2500000000ULL;
	unsigned int n = 0, none = 0;

	ASSERT_TRUE(exchange(self->fd[1], 15000));
	while (parley_now_ns() < end) {
		ASSERT_TRUE(exchange(self->fd[0], 1 + n * 37 % (18 * PAGE)));
		if (++n % 16 == 0)
			none += !pages();
	}
	TH_LOG("%u exchanges", n);
	/* Not even after a stall was it without pages for long. */
	EXPECT_GE(n / 32, none);
	EXPECT_TRUE(parley_until(!pages()));
}

/* Ended in some way, but not closed; or closed at one end. */
TEST_F(idle, ended)
{
	int *fd = self->fd[1];

	ASSERT_TRUE(exchange_both(self->fd, 15000));
	ASSERT_EQ(0, shutdown(self->fd[0][0], SHUT_RDWR));
	ASSERT_EQ(100, record_put(fd[0], out, 100, 0));
	ASSERT_EQ(200, record_put(fd[1], out, 200, 0));
	ASSERT_EQ(0, close(fd[1]));
	EXPECT_EQ(200, record_get(fd[0], in, sizeof(in), 0, NULL));
	EXPECT_TRUE(parley_until(!pages()));
	EXPECT_EQ(0, record_get(self->fd[0][1], in, 10, 0, NULL));
}

#define MANY	3000

TEST_F(idle, thousands)
{
	unsigned int many = race_scale(MANY), i;
	static int fd[MANY][2];

	ASSERT_EQ(0, parley_nofile(2 * MANY + 100));
	for (i = 0; i < many; i++) {
		ASSERT_EQ(0, socketpair(AF_PARLEY, kinds[i % 2], 0, fd[i]));
		ASSERT_TRUE(exchange(fd[i], 100));
	}
	/* Each third one is closed, perhaps while it is looked at. */
	for (i = 0; i < many; i += 3) {
		close(fd[i][0]);
		close(fd[i][1]);
	}
	EXPECT_TRUE(parley_until(!pages()));
	for (i = 1; i < many; i += 3)
		ASSERT_TRUE(exchange(fd[i], 100));
	EXPECT_TRUE(parley_until(!pages()));
}

/* Sockets come and go all the time, and again and again just when looked at. */
TEST_F(idle, closed_meanwhile)
{
	unsigned long long end = parley_now_ns() + 1800000000ULL;
	static int fd[64][2];
	unsigned int n = 0;

	while (parley_now_ns() < end || n < 200) {
		int *pair = fd[n++ % 64];

		if (n > 64) {
			ASSERT_EQ(0, close(pair[0]));
			ASSERT_EQ(0, close(pair[1]));
		}
		ASSERT_EQ(0, socketpair(AF_PARLEY, kinds[n % 2], 0, pair));
		ASSERT_EQ(100, record_put(pair[0], out, 100, 0));
		if (n % 3)
			ASSERT_EQ(100, record_get(pair[1], in, 100, 0, NULL));
	}
	TH_LOG("%u pairs", n);
}

/* A network namespace that goes, with pages and with work under way. */
TEST_F(idle, namespace)
{
	pid_t child;
	int i;

	for (i = 0; i < 20; i++) {
		child = parley_fork();
		ASSERT_LE(0, child);
		if (!child) {
			int fd[2];

			if (unshare(CLONE_NEWNET) ||
			    socketpair(AF_PARLEY, kinds[i % 2], 0, fd) ||
			    record_put(fd[0], out, 15000, 0) != 15000)
				_exit(1);
			if (i % 4 == 3)
				_exit(!parley_until(pages() == 4));
			_exit(0);
		}
		EXPECT_EQ(0, parley_reap(child));
	}
}

TEST_HARNESS_MAIN
