// SPDX-License-Identifier: GPL-2.0
/* Pacing of records, which go as a whole or not at all. */
#include "kselftest_harness.h"

#include "lib_pace.h"
#include "lib_record.h"

#define HOST	"127.0.0.1"
#define PORT	7500

static char bytes[100000];

FIXTURE(pacerec) {
	int listener;
	int fd[2];		/* [0] sends, [1] receives what is paced */
	struct parley_thread thread;
};

FIXTURE_VARIANT(pacerec) {
	bool callee;		/* the accepted socket sends */
};

FIXTURE_VARIANT_ADD(pacerec, caller) { .callee = false };
FIXTURE_VARIANT_ADD(pacerec, callee) { .callee = true };

FIXTURE_SETUP(pacerec)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->listener = record_listener(HOST, PORT, 4);
	ASSERT_LE(0, self->listener);
}

FIXTURE_TEARDOWN(pacerec)
{
	EXPECT_EQ(0, parley_expect_clean());
}

#define pair_up(flow)							\
	pace_pair(self->listener, HOST, PORT, (flow), variant->callee,	\
		  self->fd)

/* All of a record, or nothing of it. */
TEST_F(pacerec, whole)
{
	struct parley_flowspec flow = pace_flow(1, 5000);

	ASSERT_EQ(0, pair_up(&flow));
	EXPECT_EQ(3000, record_put(self->fd[0], bytes, 3000, 0));
	EXPECT_EQ(-EAGAIN, record_put(self->fd[0], bytes, 3000, 0));
	EXPECT_EQ(0, parley_revents(self->fd[0], POLLOUT));
	EXPECT_EQ(2000, record_put(self->fd[0], bytes, 2000, 0));
	EXPECT_EQ(-EAGAIN, record_put(self->fd[0], bytes, 1000, 0));
	EXPECT_EQ(3000, record_get(self->fd[1], bytes, sizeof(bytes), 0, NULL));
	EXPECT_EQ(2000, record_get(self->fd[1], bytes, sizeof(bytes), 0, NULL));
	EXPECT_EQ(-EAGAIN, record_get(self->fd[1], bytes, 1, 0, NULL));
	/* The other direction knows nothing of it. */
	EXPECT_EQ(90000, record_put(self->fd[1], bytes, 90000, 0));
}

/* One that no bucket can hold goes when it is full, and is paid for later. */
TEST_F(pacerec, longer_than_the_bucket)
{
	struct parley_flowspec flow = pace_flow(50000, 1000);
	unsigned long long from;

	ASSERT_EQ(0, pair_up(&flow));
	from = parley_now_ns();
	EXPECT_EQ(11000, record_put(self->fd[0], bytes, 11000, 0));
	EXPECT_EQ(-EAGAIN, record_put(self->fd[0], bytes, 1, 0));
	EXPECT_EQ(500, send(self->fd[0], bytes, 500, 0));
	/* 10000 bytes too much, and 500: less a bucket that was full. */
	EXPECT_LE(200000000, parley_now_ns() - from);
}

TEST_F(pacerec, max_sdu)
{
	struct parley_flowspec flow = pace_flow(PACE_ANY, PACE_ANY);

	flow.max_sdu = 1500;
	ASSERT_EQ(0, pair_up(&flow));
	EXPECT_EQ(1500, record_put(self->fd[0], bytes, 1500, 0));
	EXPECT_EQ(-EMSGSIZE, record_put(self->fd[0], bytes, 1501, 0));
	EXPECT_EQ(0, record_put(self->fd[0], bytes, 0, 0));
	EXPECT_EQ(1501, record_put(self->fd[1], bytes, 1501, 0));
}

static long wait_for_credit(void *arg)
{
	struct pollfd p = { *(int *)arg, POLLOUT };

	if (syscall(SYS_poll, &p, 1, PARLEY_BOUND_MS) < 0)
		return -errno;
	return p.revents;
}

/*
 * Who waits for credit waits for what was refused last. Once somebody is
 * content with less, it need not wait for all of that any more.
 */
TEST_F(pacerec, wish_that_has_gone)
{
	struct parley_flowspec flow = pace_flow(5000, 100000);
	unsigned long long from;

	ASSERT_EQ(0, pair_up(&flow));
	ASSERT_EQ(100000, record_put(self->fd[0], bytes, 100000, 0));
	from = parley_now_ns();
	/* For this there will be credit in 18 seconds. */
	EXPECT_EQ(-EAGAIN, record_put(self->fd[0], bytes, 90000, 0));
	ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_poll,
					 wait_for_credit, &self->fd[0]));
	ASSERT_EQ(0, parley_thread_blocked(&self->thread));
	/* And for this there is by now. */
	EXPECT_EQ(1, record_put(self->fd[0], bytes, 1, 0));
	EXPECT_EQ(POLLOUT, parley_thread_join(&self->thread));
	EXPECT_GT(12000000000, parley_now_ns() - from);
}

TEST_HARNESS_MAIN
