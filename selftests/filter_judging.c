// SPDX-License-Identifier: GPL-2.0
/*
 * What happens while a filter is just judging a call: its listener stops, its
 * caller gives up, the filter is taken away, somebody else decides. The filter
 * stays with the call until the test lets it go on.
 */
#include "kselftest_harness.h"

#include <unistd.h>

#include "lib_decide.h"
#include "lib_filter.h"

#define HOST	"127.0.0.1"
#define PORT	7660

/**
 * struct judging - a call that is judged
 * @l: the listener
 * @call: the caller's socket
 * @program: the filter
 * @stall: what the filter does
 * @judge: the thread that runs it
 */
struct judging {
	int l;
	int call;
	int program;
	struct filter_stall *stall;
	struct parley_thread judge;
};

FIXTURE(judging) {
	struct judging j;
};

FIXTURE_SETUP(judging)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->j.program = filter_stalls(&self->j.stall);
	ASSERT_LE(0, self->j.program);
	self->j.stall->ret = PARLEY_FILTER_ACCEPT;
	self->j.l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->j.l);
	ASSERT_EQ(0, filter_attach_bpf(self->j.l, self->j.program));
}

FIXTURE_TEARDOWN(judging)
{
	filter_go(self->j.stall);
	EXPECT_EQ(0, parley_expect_clean());
}

/* A call waits, and a thread that accepts it asks the filter. */
static bool judge_at_accept(struct judging *j)
{
	j->call = parley_call(HOST, PORT);
	return j->call >= 0 &&
	       !parley_thread_accept(&j->judge, j->l) &&
	       filter_stalled(j->stall, 1);
}

/* A thread that calls asks the filter within connect(2). */
static bool judge_on_arrival(struct judging *j)
{
	if (terms_set_stage(j->l, PARLEY_STAGE_ARRIVAL))
		return false;
	j->call = parley_socket(0);
	return j->call >= 0 &&
	       !parley_thread_connect(&j->judge, j->call, HOST, PORT) &&
	       filter_stalled(j->stall, 1);
}

/* Without anything in between, to know that this works. */
TEST_F(judging, accepted)
{
	long new;

	ASSERT_TRUE(judge_at_accept(&self->j));
	EXPECT_TRUE(decide_waits(self->j.call));
	filter_go(self->j.stall);
	new = parley_thread_join(&self->j.judge);
	ASSERT_LE(0, new);
	EXPECT_TRUE(parley_talks(self->j.call, new));
	EXPECT_EQ(1, self->j.stall->entered);
}

TEST_F(judging, accepted_on_arrival)
{
	ASSERT_TRUE(judge_on_arrival(&self->j));
	filter_go(self->j.stall);
	EXPECT_LE(0, test_accept(self->j.l, 0));
	EXPECT_EQ(0, parley_thread_join(&self->j.judge));
	EXPECT_EQ(1, self->j.stall->entered);
}

/* Whatever it says then, there is no listener any more. */
static void stop_at_accept(struct __test_metadata *_metadata,
			   struct judging *j, __u32 ret)
{
	j->stall->ret = ret;
	ASSERT_TRUE(judge_at_accept(j));
	ASSERT_EQ(0, shutdown(j->l, SHUT_RDWR));
	EXPECT_TRUE(decide_refused_is(j->call, PARLEY_REASON_LISTENER_CLOSED,
				      0));
	filter_go(j->stall);
	EXPECT_EQ(-EINVAL, parley_thread_join(&j->judge));
}

TEST_F(judging, stopped_accept)
{
	stop_at_accept(_metadata, &self->j, PARLEY_FILTER_ACCEPT);
}

TEST_F(judging, stopped_refuse)
{
	stop_at_accept(_metadata, &self->j, PARLEY_FILTER_REFUSE);
}

TEST_F(judging, stopped_defer)
{
	stop_at_accept(_metadata, &self->j, PARLEY_FILTER_DEFER);
}

/*
 * Closed for good while a caller is in connect(2); the filter goes, too. The
 * caller hears no whatever it says, and that nobody listens or does any more,
 * or what the filter has said.
 */
static void close_on_arrival(struct __test_metadata *_metadata,
			     struct judging *j, __u32 ret)
{
	int reason;

	j->stall->ret = ret;
	close(j->program);
	ASSERT_TRUE(judge_on_arrival(j));
	ASSERT_EQ(0, close(j->l));
	filter_go(j->stall);
	EXPECT_EQ(-ECONNREFUSED, parley_thread_join(&j->judge));
	reason = parley_reason(j->call);
	EXPECT_TRUE(reason == PARLEY_REASON_LISTENER_CLOSED ||
		    reason == PARLEY_REASON_NO_LISTENER ||
		    (ret == PARLEY_FILTER_REFUSE &&
		     reason == PARLEY_REASON_FILTER))
		TH_LOG("reason %d", reason);
}

TEST_F(judging, closed_accept)
{
	close_on_arrival(_metadata, &self->j, PARLEY_FILTER_ACCEPT);
}

TEST_F(judging, closed_refuse)
{
	close_on_arrival(_metadata, &self->j, PARLEY_FILTER_REFUSE);
}

TEST_F(judging, closed_defer)
{
	close_on_arrival(_metadata, &self->j, PARLEY_FILTER_DEFER);
}

/* A caller that has gone is not accepted; the next one is. */
TEST_F(judging, withdrawn)
{
	struct parley_stat st;
	int call;
	long new;

	ASSERT_TRUE(judge_at_accept(&self->j));
	close(self->j.call);
	EXPECT_TRUE(decide_backlog_is(self->j.l, 0, 0, 0));
	call = parley_call(HOST, PORT);
	ASSERT_LE(0, call);
	filter_go(self->j.stall);
	new = parley_thread_join(&self->j.judge);
	ASSERT_LE(0, new);
	EXPECT_TRUE(parley_talks(call, new));
	EXPECT_EQ(2, self->j.stall->entered);
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(1, st.withdrawn);
	EXPECT_EQ(1, st.established);
}

/* One that has waited long enough hears of that meanwhile. */
TEST_F(judging, timed_out)
{
	self->j.call = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, self->j.call);
	ASSERT_EQ(0, parley_call_timeout(self->j.call, 20));
	ASSERT_EQ(-EINPROGRESS, test_connect(self->j.call, HOST, PORT));
	ASSERT_EQ(0, parley_thread_accept(&self->j.judge, self->j.l));
	EXPECT_EQ(POLLERR | POLLHUP, parley_wait(self->j.call, 0));
	EXPECT_EQ(ETIMEDOUT, parley_so_error(self->j.call));
	EXPECT_EQ(PARLEY_REASON_TIMED_OUT, parley_reason(self->j.call));
	filter_go(self->j.stall);
	ASSERT_EQ(0, shutdown(self->j.l, SHUT_RDWR));
	EXPECT_EQ(-EINVAL, parley_thread_join(&self->j.judge));
}

/* A call that it has begun with is its, also when it is taken away. */
TEST_F(judging, detached)
{
	self->j.stall->ret = PARLEY_FILTER_REFUSE;
	close(self->j.program);
	ASSERT_TRUE(judge_at_accept(&self->j));
	ASSERT_EQ(0, filter_detach(self->j.l));
	EXPECT_TRUE(decide_waits(self->j.call));
	filter_go(self->j.stall);
	EXPECT_TRUE(decide_refused_is(self->j.call, PARLEY_REASON_FILTER, 0));
	/* The thread goes on with others, which nobody judges. */
	EXPECT_FALSE(parley_thread_done(&self->j.judge));
	self->j.call = parley_call(HOST, PORT);
	EXPECT_LE(0, parley_thread_join(&self->j.judge));
	EXPECT_EQ(1, self->j.stall->entered);
}

TEST_F(judging, replaced)
{
	const struct filter_answer other = { .cb = { 88, 99 } };
	int call;

	self->j.stall->ret = PARLEY_FILTER_DEFER;
	close(self->j.program);
	ASSERT_TRUE(judge_at_accept(&self->j));
	call = parley_call(HOST, PORT);
	ASSERT_LE(0, call);
	ASSERT_EQ(0, filter_set_answer(self->j.l, &other));
	filter_go(self->j.stall);
	EXPECT_TRUE(decide_refused_is(call, PARLEY_REASON_FILTER, 88));
	EXPECT_TRUE(decide_waits(self->j.call));
	EXPECT_TRUE(decide_backlog_is(self->j.l, 0, 1, 0));
	EXPECT_EQ(1, self->j.stall->entered);
	ASSERT_EQ(0, shutdown(self->j.l, SHUT_RDWR));
	EXPECT_EQ(-EINVAL, parley_thread_join(&self->j.judge));
}

/* Asked about again, and meanwhile a server that knows it decides. */
static long long judge_again(struct judging *j)
{
	long long id;

	if (filter_detach(j->l))
		return -EBADMSG;
	id = decide_offer_deferred(j->l, &j->call);
	if (id < 0)
		return id;
	if (filter_attach_bpf(j->l, j->program) ||
	    decide_review(j->l) != 1 ||
	    parley_thread_accept(&j->judge, j->l) ||
	    !filter_stalled(j->stall, 1))
		return -EBADMSG;
	return id;
}

TEST_F(judging, decided)
{
	long long id = judge_again(&self->j);

	ASSERT_LT(0, id);
	EXPECT_EQ(-EBUSY, decide_call(self->j.l, id, PARLEY_ACCEPT, 0));
	EXPECT_EQ(0, decide_refuse(self->j.l, id, 77, 0, NULL));
	EXPECT_TRUE(decide_refused_is(self->j.call, PARLEY_REASON_SERVER, 77));
	filter_go(self->j.stall);
	ASSERT_EQ(0, shutdown(self->j.l, SHUT_RDWR));
	EXPECT_EQ(-EINVAL, parley_thread_join(&self->j.judge));
}

/* A decider that asks the filter, by looking at the call. */
TEST_F(judging, stopped_while_looked_at)
{
	struct decide_waiter decider;

	self->j.call = parley_call(HOST, PORT);
	ASSERT_LE(0, self->j.call);
	ASSERT_EQ(0, decide_waiter_start(&decider, self->j.l, 0));
	ASSERT_TRUE(filter_stalled(self->j.stall, 1));
	ASSERT_EQ(0, shutdown(self->j.l, SHUT_RDWR));
	EXPECT_TRUE(decide_refused_is(self->j.call, PARLEY_REASON_LISTENER_CLOSED,
				      0));
	filter_go(self->j.stall);
	EXPECT_EQ(-EINVAL, decide_waiter_join(&decider));
}

TEST_HARNESS_MAIN
