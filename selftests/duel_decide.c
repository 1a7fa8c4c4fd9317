// SPDX-License-Identifier: GPL-2.0
/*
 * Duels of a verdict: one thread decides a call while the other one takes it
 * back, accepts it, reviews it or stops listening, thousands of times; both
 * and the caller have to tell the same story every time. Duels with timers are
 * in duel_expire.c. PARLEY_STORM_SEED and PARLEY_STORM_SCALE are as for the
 * storm.
 */
#include "kselftest_harness.h"

#include "lib_decide.h"
#include "lib_duel.h"
#include "lib_terms.h"

#define PORT	7300
#define CODE	17
#define RESERVE	PARLEY_DECIDE_RESERVE
#define AGAIN	PARLEY_DECIDE_AGAIN

/* What the rival does, and what it has got of it. */
static struct {
	__u64 id;
	unsigned int verdict;
	unsigned int flags;
	int result;
	int accepted;		/* with RESERVE, a descriptor or -errno */
} rival;

static void turn_decide(struct duel *d)
{
	race_spin(d->balance.second);
	rival.result = rival.verdict == PARLEY_REFUSE && !rival.flags ?
		decide_refuse(d->listener, rival.id, CODE, 0, NULL) :
		decide_call(d->listener, rival.id, rival.verdict, rival.flags);
	rival.accepted = -ENOENT;
	if (!rival.result && rival.flags & RESERVE)
		rival.accepted = test_accept(d->listener, 0);
}

/* What it will do in this round. */
static void rival_prepare(struct duel *d, __u64 id, unsigned int verdicts,
			  unsigned int flags)
{
	rival.id = id;
	rival.verdict = race_below(&d->random, verdicts);
	rival.flags = flags;
}

/* By the verdict: who waits how long, how often the rival won, and lost. */
struct score {
	struct race_balance balance[4];
	unsigned int won[4];
	unsigned int lost[4];
	unsigned int busy;
};

/* Meets the rival; afterwards it is the judge's turn to act. */
static void score_meet(const struct score *s, struct duel *d)
{
	d->balance = s->balance[rival.verdict];
	race_line_meet(&d->start);
	race_spin(d->balance.first);
}

static void score_note(struct score *s, bool lost)
{
	race_balance_note(&s->balance[rival.verdict], lost);
	if (lost)
		s->lost[rival.verdict]++;
	else
		s->won[rival.verdict]++;
	s->busy += rival.result == -EBUSY;
}

FIXTURE(duel) {
	struct duel d;
	struct rival rival;
	struct score score;
	struct parley_stat st;
};

FIXTURE_SETUP(duel)
{
	__u64 seed = race_seed();
	struct duel *d = &self->d;
	int i;

	TH_LOG("seed %llu", (unsigned long long)seed);
	ASSERT_EQ(0, parley_ns_enter());
	race_random_init(&d->random, seed, 5);
	d->listener = parley_listener("127.0.0.1", PORT, 64);
	ASSERT_LE(0, d->listener);
	ASSERT_EQ(0, parley_nonblock(d->listener, true));
	duel_init(d, 2);
	for (i = 0; i < 4; i++)
		race_balance_init(&self->score.balance[i]);
	ASSERT_EQ(0, rival_start(&self->rival, d, turn_decide));
}

FIXTURE_TEARDOWN(duel)
{
	rivals_end(&self->d, &self->rival, 1);
	EXPECT_EQ(0, parley_expect_clean());
}

/* Where both must have won now and then, or nothing was proved. */
#define EXPECT_BOTH(verdict)						\
do {									\
	TH_LOG("verdict %d: won %u, lost %u, busy %u", (int)(verdict),	\
	       self->score.won[verdict], self->score.lost[verdict],	\
	       self->score.busy);					\
	EXPECT_LT(0, self->score.won[verdict]);				\
	EXPECT_LT(0, self->score.lost[verdict]);			\
} while (0)

static void tell(unsigned int round, int mine)
{
	printf("# round %u: verdict %u flags %u: %d (accept %d), against %d\n",
	       round, rival.verdict, rival.flags, rival.result, rival.accepted,
	       mine);
	fflush(stdout);
}

/*
 * connect(AF_UNSPEC) comes through either way, and leaves no error behind. Why
 * the call had failed before, if it had, is what the decider knows, too.
 */
static bool took_back(int call, int unspec)
{
	bool refused = rival.verdict == PARLEY_REFUSE && !rival.result;
	struct parley_refusal r;

	if (unspec || (rival.result && rival.result != -ENOENT) ||
	    parley_so_error(call) || parley_refusal(call, &r))
		return false;
	return r.reason == (refused ? PARLEY_REASON_SERVER :
			    PARLEY_REASON_NONE) &&
	       r.code == (refused ? CODE : 0);
}

TEST_F_TIMEOUT(duel, unspec, 600)
{
	unsigned int rounds = race_scale(5000), i, refused = 0;
	struct duel *d = &self->d;
	int call, err;
	long long id;

	for (i = 0; i < rounds; i++) {
		id = decide_offer(d->listener, &call);
		ASSERT_LT(0, id);
		rival_prepare(d, id, 4, 0);
		score_meet(&self->score, d);
		err = parley_unspec(call);
		race_line_meet(&d->end);

		score_note(&self->score, rival.result);
		refused += rival.verdict == PARLEY_REFUSE && !rival.result;
		ASSERT_TRUE(took_back(call, err)) tell(i, err);
		ASSERT_TRUE(decide_backlog_is(d->listener, 0, 0, 0));
		ASSERT_TRUE(decide_accepts_none(d->listener));
		close(call);
	}
	for (i = 0; i < 4; i++)
		EXPECT_BOTH(i);
	ASSERT_EQ(0, parley_stat(&self->st));
	EXPECT_EQ(refused, self->st.refused);
	EXPECT_EQ(rounds - refused, self->st.withdrawn);
}

/* The caller closes: only the counters can tell. */
TEST_F_TIMEOUT(duel, close, 600)
{
	unsigned int rounds = race_scale(5000), i, refused = 0;
	struct duel *d = &self->d;
	long long id;
	int call;

	for (i = 0; i < rounds; i++) {
		id = decide_offer(d->listener, &call);
		ASSERT_LT(0, id);
		rival_prepare(d, id, 4, 0);
		score_meet(&self->score, d);
		close(call);
		race_line_meet(&d->end);

		score_note(&self->score, rival.result);
		refused += rival.verdict == PARLEY_REFUSE && !rival.result;
		ASSERT_TRUE(!rival.result || rival.result == -ENOENT)
			tell(i, 0);
		ASSERT_TRUE(decide_backlog_is(d->listener, 0, 0, 0));
	}
	for (i = 0; i < 4; i++)
		EXPECT_BOTH(i);
	ASSERT_EQ(0, parley_stat(&self->st));
	EXPECT_EQ(refused, self->st.refused);
	EXPECT_EQ(rounds - refused, self->st.withdrawn);
}

/* A reservation: withdrawn before or after it, or too late for that. */
TEST_F_TIMEOUT(duel, unspec_reserved, 600)
{
	unsigned int rounds = race_scale(5000), i, aborted = 0;
	struct duel *d = &self->d;
	int call, err;
	bool good;

	for (i = 0; i < rounds; i++) {
		rival.id = decide_offer(d->listener, &call);
		ASSERT_LT(0, (long long)rival.id);
		rival.verdict = PARLEY_ACCEPT;
		rival.flags = RESERVE;
		score_meet(&self->score, d);
		err = parley_unspec(call);
		race_line_meet(&d->end);

		score_note(&self->score, !err);
		aborted += rival.accepted == -ECONNABORTED;
		if (err)
			good = err == -EISCONN && !rival.result &&
			       rival.accepted >= 0 &&
			       parley_talks(call, rival.accepted);
		else
			good = rival.result == -ENOENT ||
			       (!rival.result &&
				rival.accepted == -ECONNABORTED);
		ASSERT_TRUE(good) tell(i, err);
		close(call);
		if (rival.accepted >= 0)
			close(rival.accepted);
	}
	EXPECT_BOTH(0);
	TH_LOG("%u rounds, %u told that the caller has gone", i, aborted);
}

/* accept(2) takes a call that was given and that the rival decides. */
static bool accept_agrees(struct duel *d, int call, int fd)
{
	struct parley_call_info info;
	bool won = !rival.result;
	int by;

	if (!won && rival.result != -ENOENT &&
	    (rival.result != -EBUSY || rival.verdict == PARLEY_REFUSE))
		return false;
	if (won && rival.verdict == PARLEY_REFUSE)
		return fd == -EAGAIN &&
		       decide_refused_is(call, PARLEY_REASON_SERVER, CODE);
	if (won && rival.verdict == PARLEY_DEFER)
		return fd == -EAGAIN && decide_waits(call) &&
		       decide_backlog_is(d->listener, 0, 1, 0);
	by = won && rival.verdict == PARLEY_ACCEPT ? PARLEY_BY_SERVER :
						     PARLEY_BY_ACCEPT;
	return fd >= 0 && parley_talks(call, fd) && !terms_info(fd, &info) &&
	       info.id == rival.id && (int)info.decided_by == by;
}

TEST_F_TIMEOUT(duel, accept, 600)
{
	unsigned int rounds = race_scale(6000), i;
	struct duel *d = &self->d;
	long long id;
	int call, fd;

	for (i = 0; i < rounds; i++) {
		id = decide_offer(d->listener, &call);
		ASSERT_LT(0, id);
		rival_prepare(d, id, 4, 0);
		score_meet(&self->score, d);
		fd = test_accept(d->listener, 0);
		race_line_meet(&d->end);

		score_note(&self->score, rival.result);
		ASSERT_TRUE(accept_agrees(d, call, fd)) tell(i, fd);
		close(call);
		if (fd >= 0)
			close(fd);
	}
	for (i = 0; i < 4; i++)
		EXPECT_BOTH(i);
}

/*
 * accept(2) by who reserved the call, and another one who decides again: that
 * can only refuse it.
 */
static bool owner_agrees(int call, int fd)
{
	if (!rival.result)
		return rival.verdict == PARLEY_REFUSE && fd == -ECONNABORTED &&
		       decide_refused_is(call, PARLEY_REASON_SERVER, 0);
	if (rival.result != -ENOENT &&
	    (rival.result != -EBUSY || rival.verdict == PARLEY_REFUSE))
		return false;
	return fd >= 0 && parley_talks(call, fd);
}

TEST_F_TIMEOUT(duel, reserved_again, 600)
{
	unsigned int rounds = race_scale(6000), i;
	struct duel *d = &self->d;
	long long id;
	int call, fd;

	for (i = 0; i < rounds; i++) {
		id = decide_offer_approved(d->listener, &call, RESERVE);
		ASSERT_LT(0, id);
		rival_prepare(d, id, 4, AGAIN);
		if (i % 2)
			rival.verdict = PARLEY_REFUSE;
		else if (rival.verdict == PARLEY_ACCEPT && i % 4)
			rival.flags |= RESERVE;
		score_meet(&self->score, d);
		fd = test_accept(d->listener, 0);
		race_line_meet(&d->end);

		score_note(&self->score, rival.result);
		ASSERT_TRUE(owner_agrees(call, fd)) tell(i, fd);
		close(call);
		if (fd >= 0)
			close(fd);
	}
	EXPECT_BOTH(PARLEY_REFUSE);
}

/* REVIEW against a verdict on the only call that is deferred. */
static bool review_agrees(struct duel *d, int call, int n)
{
	struct parley_backlog b;

	if (rival.result || n < 0 || n > 1 || parley_backlog(d->listener, &b))
		return false;
	switch (rival.verdict) {
	case PARLEY_ACCEPT:
		return decide_waits(call) && b.approved == 1 &&
		       b.pending + b.deferred == 0;
	case PARLEY_REFUSE:
		return decide_refused_is(call, PARLEY_REASON_SERVER, CODE) &&
		       b.approved + b.pending + b.deferred == 0;
	case PARLEY_DEFER:
		return n == 1 && decide_waits(call) &&
		       b.pending + b.deferred == 1 && !b.approved;
	default:
		return n == 1 && decide_waits(call) && b.pending == 1 &&
		       b.deferred + b.approved == 0;
	}
}

TEST_F_TIMEOUT(duel, review, 600)
{
	unsigned int rounds = race_scale(5000), i;
	struct duel *d = &self->d;
	long long id;
	int call, n;

	for (i = 0; i < rounds; i++) {
		id = decide_offer_deferred(d->listener, &call);
		ASSERT_LT(0, id);
		rival_prepare(d, id, 4, 0);
		score_meet(&self->score, d);
		n = decide_review(d->listener);
		race_line_meet(&d->end);

		/* Who decides first leaves nothing to review. */
		if (rival.verdict <= PARLEY_REFUSE)
			score_note(&self->score, n == 1);
		ASSERT_TRUE(review_agrees(d, call, n)) tell(i, n);
		close(call);
		ASSERT_TRUE(decide_backlog_is(d->listener, 0, 0, 0));
	}
	EXPECT_BOTH(PARLEY_ACCEPT);
	EXPECT_BOTH(PARLEY_REFUSE);
}

/* The listener stops: all that was not refused before is refused now. */
static bool end_agrees(int call, bool closed)
{
	bool refused = !rival.result && rival.verdict == PARLEY_REFUSE;

	switch (rival.result) {
	case 0:
	case -ENOENT:
	case -EINVAL:
		break;
	case -EBADF:
		if (closed)
			break;
		return false;
	default:
		return false;
	}
	return decide_refused_is(call, refused ? PARLEY_REASON_SERVER :
				 PARLEY_REASON_LISTENER_CLOSED,
				 refused ? CODE : 0);
}

static bool end_round(struct score *s, struct duel *d, bool closes, int *call)
{
	long long id;
	int err;

	if (closes || d->listener < 0)
		d->listener = parley_listener("127.0.0.1", PORT, 64);
	else if (listen(d->listener, 64))
		return false;
	id = decide_offer(d->listener, call);
	if (id < 0)
		return false;
	rival_prepare(d, id, 4, 0);
	score_meet(s, d);
	err = closes ? close(d->listener) : shutdown(d->listener, SHUT_RD);
	race_line_meet(&d->end);
	return !err;
}

TEST_F_TIMEOUT(duel, listener, 600)
{
	unsigned int rounds = race_scale(5000), i, closes;
	struct duel *d = &self->d;
	int call;

	for (closes = 0; closes < 2; closes++) {
		ASSERT_EQ(0, close(d->listener));
		d->listener = -1;
		for (i = 0; i < rounds / 2; i++) {
			ASSERT_TRUE(end_round(&self->score, d, closes,
					      &call));
			score_note(&self->score, rival.result);
			ASSERT_TRUE(end_agrees(call, closes)) tell(i, closes);
			close(call);
		}
	}
	for (i = 0; i < 4; i++)
		EXPECT_BOTH(i);
	ASSERT_EQ(0, parley_stat(&self->st));
	EXPECT_EQ(self->st.called, self->st.refused);
}

TEST_HARNESS_MAIN
