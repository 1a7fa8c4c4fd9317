// SPDX-License-Identifier: GPL-2.0
/*
 * Duels of verdicts and time-outs: a batch of calls runs out of time while
 * they are decided one after the other, or reviewed all at once. Each call ends
 * in the one way that decider and caller both know of. PARLEY_STORM_SEED and
 * PARLEY_STORM_SCALE are as for the storm.
 */
#include "kselftest_harness.h"

#include "lib_decide.h"
#include "lib_duel.h"
#include "lib_terms.h"

#define PORT	7350
#define BATCH	16
#define TIME_MS	12	/* enough to make and to look at a batch */
#define STEP	20000	/* nanoseconds by which the decider moves at least */
#define FAR	1000000	/* and at most */

/* What runs out. */
enum what {
	PATIENCE,	/* the callers' */
	REFUSAL,	/* of those who were put off */
	ACCEPTANCE,
	BOTH,		/* patience and refusal */
	REVIEW,		/* refusal, against REVIEW */
};

static struct batch {
	enum what what;
	int call[BATCH];
	__u64 id[BATCH];
	unsigned int verdict[BATCH];
	int result[BATCH];
	int by[BATCH];		/* accepted: who decided; else -1 */
	int reviewed;
	__u64 begun;
	long long patience;	/* of the decider, in nanoseconds */
	int step;
} batch;

static void turn_decide(struct duel *d)
{
	int n;

	while ((long long)(parley_now_ns() - batch.begun) < batch.patience)
		;
	if (batch.what == REVIEW) {
		batch.reviewed = decide_review(d->listener);
		return;
	}
	for (n = 0; n < BATCH; n++)
		batch.result[n] = batch.verdict[n] == PARLEY_REFUSE ?
			decide_refuse(d->listener, batch.id[n], n + 1, 0,
				      NULL) :
			decide_call(d->listener, batch.id[n], batch.verdict[n],
				    0);
}

FIXTURE(expire) {
	struct duel d;
	struct rival rival;
	unsigned int decided;
	unsigned int late;
	unsigned int mixed;
};

FIXTURE_VARIANT(expire) {
	enum what what;
};

FIXTURE_VARIANT_ADD(expire, patience) { .what = PATIENCE };
FIXTURE_VARIANT_ADD(expire, refusal) { .what = REFUSAL };
FIXTURE_VARIANT_ADD(expire, acceptance) { .what = ACCEPTANCE };
FIXTURE_VARIANT_ADD(expire, both) { .what = BOTH };
FIXTURE_VARIANT_ADD(expire, review) { .what = REVIEW };

FIXTURE_SETUP(expire)
{
	__u64 seed = race_seed();
	struct duel *d = &self->d;

	TH_LOG("seed %llu", (unsigned long long)seed);
	ASSERT_EQ(0, parley_ns_enter());
	race_random_init(&d->random, seed, 6);
	d->listener = parley_listener("127.0.0.1", PORT, BATCH);
	ASSERT_LE(0, d->listener);
	ASSERT_EQ(0, parley_nonblock(d->listener, true));
	if (variant->what == PATIENCE || variant->what == BOTH)
		ASSERT_EQ(0, parley_sysctl_write("parley/connect_timeout_ms",
						 TIME_MS));
	if (variant->what != PATIENCE) {
		ASSERT_EQ(0, terms_set_stage(d->listener,
					     PARLEY_STAGE_ARRIVAL));
		ASSERT_EQ(0, decide_rules(d->listener, PARLEY_DEFER));
		ASSERT_EQ(0, terms_set_defer(d->listener, TIME_MS,
					     variant->what == ACCEPTANCE ?
					     PARLEY_ACCEPT : PARLEY_REFUSE));
	}
	batch.what = variant->what;
	batch.patience = TIME_MS * 1000000LL;
	batch.step = STEP;
	duel_init(d, 2);
	ASSERT_EQ(0, rival_start(&self->rival, d, turn_decide));
}

FIXTURE_TEARDOWN(expire)
{
	rivals_end(&self->d, &self->rival, 1);
	EXPECT_EQ(0, parley_expect_clean());
}

/*
 * Timers go by ticks: a batch begins with one, so that it always ends about
 * the same time later. On a slow machine some calls may be over before they
 * were looked at; the decider then has a number that stands for nothing.
 */
static bool batch_begin(struct duel *d)
{
	__u64 tick = race_ticks_ns();
	long long id;
	int n, err;

	while (race_ticks_ns() == tick)
		;
	batch.begun = parley_now_ns();
	for (n = 0; n < BATCH; n++) {
		batch.verdict[n] = race_below(&d->random, 3);
		batch.by[n] = -1;
		batch.result[n] = -ENOENT;
		batch.call[n] = parley_socket(SOCK_NONBLOCK);
		err = test_connect(batch.call[n], "127.0.0.1", PORT);
		id = decide_next_id(d->listener, PARLEY_NEXT_DEFERRED);
		batch.id[n] = id > 0 ? id : ~0ULL;
		if (err != -EINPROGRESS && err != -ETIMEDOUT &&
		    err != -ECONNREFUSED)
			return false;
	}
	return true;
}

/* Takes all that is approved, or pending, and notes who decided. */
static bool batch_collect(struct duel *d)
{
	struct parley_call_info info;
	int fd, n;

	while ((fd = test_accept(d->listener, 0)) >= 0) {
		if (terms_info(fd, &info))
			return false;
		close(fd);
		for (n = 0; n < BATCH && batch.id[n] != info.id; n++)
			;
		/* One that was never given has no id; it is accepted, too. */
		if (n < BATCH)
			batch.by[n] = info.decided_by;
	}
	return fd == -EAGAIN;
}

/* Waits until each of the calls has its outcome. */
static bool batch_end(struct duel *d)
{
	int n;

	for (n = 0; n < BATCH; n++)
		if (!parley_until(!batch_collect(d) ||
				  parley_revents(batch.call[n], POLLOUT)))
			return false;
	return batch_collect(d);
}

/* Is this how a call may end that the decider could not decide any more? */
static bool late_agrees(int n, int reason)
{
	switch (batch.what) {
	case PATIENCE:
		return batch.result[n] == -ENOENT &&
		       reason == PARLEY_REASON_TIMED_OUT;
	case ACCEPTANCE:
		return batch.result[n] == -EALREADY && !reason &&
		       batch.by[n] == PARLEY_BY_TIMEOUT;
	case BOTH:
		return batch.result[n] == -ENOENT &&
		       (reason == PARLEY_REASON_TIMED_OUT ||
			reason == PARLEY_REASON_DEFER_EXPIRED);
	default:
		return batch.result[n] == -ENOENT &&
		       reason == PARLEY_REASON_DEFER_EXPIRED;
	}
}

/* And one that was decided, or put off once more? */
static bool decided_agrees(int n, int reason, unsigned int code)
{
	bool patient = batch.what != PATIENCE && batch.what != BOTH;

	switch (batch.verdict[n]) {
	case PARLEY_REFUSE:
		return reason == PARLEY_REASON_SERVER &&
		       code == (unsigned int)n + 1;
	case PARLEY_ACCEPT:
		/* It may have been collected, or not soon enough. */
		if (!reason)
			return batch.by[n] == PARLEY_BY_SERVER;
		return !patient && reason == PARLEY_REASON_TIMED_OUT;
	default:
		/* More time is not to be had by deferring. */
		if (batch.what == ACCEPTANCE)
			return !reason && batch.by[n] == PARLEY_BY_TIMEOUT;
		if (!patient && reason == PARLEY_REASON_TIMED_OUT)
			return true;
		return batch.what != PATIENCE &&
		       reason == PARLEY_REASON_DEFER_EXPIRED;
	}
}

static bool batch_agrees(int n)
{
	struct parley_refusal r;
	bool good;

	if (parley_refusal(batch.call[n], &r))
		return false;
	if (batch.id[n] == ~0ULL && batch.what == ACCEPTANCE)
		return batch.result[n] == -ENOENT && !r.reason;
	good = batch.result[n] ? late_agrees(n, r.reason) :
				 decided_agrees(n, r.reason, r.code);
	if (!good)
		printf("# call %d: verdict %u: %d; reason %u, accepted by %d\n",
		       n, batch.verdict[n], batch.result[n], r.reason,
		       batch.by[n]);
	return good;
}

/* REVIEW says how many it has saved: just these are accepted then. */
static bool review_agrees(void)
{
	int n, saved = 0, reason;

	for (n = 0; n < BATCH; n++) {
		reason = parley_reason(batch.call[n]);
		saved += !reason;
		batch.result[n] = reason ? -ENOENT : 0;
		if (reason && reason != PARLEY_REASON_DEFER_EXPIRED)
			return false;
		if (!reason && batch.by[n] != PARLEY_BY_ACCEPT)
			return false;
	}
	return saved == batch.reviewed;
}

/* Nearer to the moment, in larger steps while it is always on one side. */
static void batch_move(int late)
{
	bool back = late > BATCH / 2, was_back = batch.step < 0;

	if (back == was_back)
		batch.step = batch.step * 3 / 2;
	else
		batch.step = back ? -STEP : STEP;
	if (batch.step > FAR || batch.step < -FAR)
		batch.step = batch.step > 0 ? FAR : -FAR;
	batch.patience += batch.step;
}

TEST_F_TIMEOUT(expire, one_outcome, 600)
{
	unsigned int rounds = race_scale(120), i;
	struct duel *d = &self->d;
	struct parley_stat st;
	int n, late;
	bool good;

	for (i = 0; i < rounds; i++) {
		/* What is reviewed the rules shall not put off once more. */
		if (variant->what == REVIEW)
			ASSERT_EQ(0, decide_rules(d->listener, PARLEY_DEFER));
		ASSERT_TRUE(batch_begin(d));
		if (variant->what == REVIEW)
			ASSERT_EQ(0, decide_rules(d->listener, PARLEY_ACCEPT));
		race_line_meet(&d->start);
		race_line_meet(&d->end);
		ASSERT_TRUE(batch_end(d));
		good = variant->what != REVIEW || review_agrees();
		for (late = n = 0; n < BATCH; n++) {
			if (variant->what != REVIEW)
				good &= batch_agrees(n);
			late += batch.result[n] != 0;
			close(batch.call[n]);
		}
		ASSERT_TRUE(good) {
			TH_LOG("round %u, reviewed %d", i, batch.reviewed);
		}
		ASSERT_TRUE(decide_backlog_is(d->listener, 0, 0, 0));
		self->late += late;
		self->decided += BATCH - late;
		self->mixed += late && late < BATCH;
		batch_move(late);
	}
	TH_LOG("%u decided, %u too late, %u of %u batches divided",
	       self->decided, self->late, self->mixed, rounds);
	EXPECT_LT(0, self->decided);
	EXPECT_LT(0, self->late);
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(st.called, st.established + st.refused + st.withdrawn);
}

TEST_HARNESS_MAIN
