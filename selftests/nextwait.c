// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting in PARLEY_IOC_NEXT_CALL: what ends the wait, who is woken by what,
 * also beside threads that wait in accept(2), and that no wake-up is lost when
 * signals, withdrawals and calls come together. PARLEY_STORM_SEED and
 * PARLEY_STORM_SCALE are as for the storm.
 */
#include "kselftest_harness.h"

#include <signal.h>

#include "lib.h"
#include "lib_decide.h"
#include "lib_race.h"
#include "lib_terms.h"

#define PORT	5250
#define MS	1000000ULL
#define WAITERS	5

FIXTURE(nextwait) {
	int l;
	int call;
	long long id;
	struct decide_waiter w[WAITERS];
	struct parley_thread acceptor;
};

FIXTURE_SETUP(nextwait)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 64);
	ASSERT_LE(0, self->l);
}

FIXTURE_TEARDOWN(nextwait)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(nextwait, nothing_there)
{
	struct parley_next_call next = {};
	unsigned long long start;

	EXPECT_EQ(-EAGAIN, decide_next(self->l, PARLEY_NEXT_NOWAIT, &next));
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	EXPECT_EQ(-EAGAIN, decide_next(self->l, 0, &next));
	EXPECT_EQ(-EAGAIN, decide_next(self->l, PARLEY_NEXT_DEFERRED |
				       PARLEY_NEXT_REWIND, &next));
	ASSERT_EQ(0, parley_nonblock(self->l, false));
	ASSERT_EQ(0, parley_timeo(self->l, SO_RCVTIMEO, 100));
	start = race_ticks_ns();
	EXPECT_EQ(-EAGAIN, decide_next(self->l, 0, &next));
	/* Rounded to the kernel's ticks, as everywhere with SO_RCVTIMEO. */
	EXPECT_GE(race_ticks_ns() - start, 90 * MS);
	/* Only what was given before is nothing, too. */
	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(-EAGAIN, decide_next(self->l, 0, &next));
}

TEST_F(nextwait, interrupted)
{
	struct decide_waiter *w = &self->w[0];

	ASSERT_EQ(0, parley_catch(SIGUSR1, 0));
	ASSERT_EQ(0, decide_waiter_blocked(w, self->l, 0));
	ASSERT_EQ(0, parley_thread_kill(&w->thread, SIGUSR1));
	EXPECT_EQ(-EINTR, decide_waiter_join(w));

	/* With a time-out it cannot be restarted. */
	ASSERT_EQ(0, parley_catch(SIGUSR1, SA_RESTART));
	ASSERT_EQ(0, parley_timeo(self->l, SO_RCVTIMEO, PARLEY_BOUND_MS));
	ASSERT_EQ(0, decide_waiter_blocked(w, self->l, 0));
	ASSERT_EQ(0, parley_thread_kill(&w->thread, SIGUSR1));
	EXPECT_EQ(-EINTR, decide_waiter_join(w));

	/* Nor is a rewind: it would begin again. */
	ASSERT_EQ(0, parley_timeo(self->l, SO_RCVTIMEO, 0));
	ASSERT_EQ(0, decide_waiter_blocked(w, self->l, PARLEY_NEXT_REWIND));
	ASSERT_EQ(0, parley_thread_kill(&w->thread, SIGUSR1));
	EXPECT_EQ(-EINTR, decide_waiter_join(w));

	ASSERT_EQ(0, decide_waiter_blocked(w, self->l, PARLEY_NEXT_DEFERRED));
	ASSERT_EQ(0, parley_thread_kill(&w->thread, SIGUSR1));
	ASSERT_TRUE(parley_until(parley_caught() == 4));
	ASSERT_EQ(0, parley_thread_blocked(&w->thread));
	self->call = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call);
	EXPECT_LT(0, decide_waiter_join(w));
	EXPECT_EQ(parley_port(self->call),
		  ntohs(((struct sockaddr_in *)&w->next.info.caller)->sin_port));
}

/* The end of listening is for all to know. */
TEST_F(nextwait, shutdown)
{
	int i;

	for (i = 0; i < WAITERS; i++)
		ASSERT_EQ(0, decide_waiter_blocked(&self->w[i], self->l, i % 2 ?
						   PARLEY_NEXT_DEFERRED : 0));
	ASSERT_EQ(0, shutdown(self->l, SHUT_RD));
	for (i = 0; i < WAITERS; i++)
		EXPECT_EQ(-EINVAL, decide_waiter_join(&self->w[i]));
}

/* With calls there that were all given: these are refused, the wait ends. */
TEST_F(nextwait, shutdown_with_calls)
{
	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, decide_waiter_blocked(&self->w[0], self->l, 0));
	ASSERT_EQ(0, shutdown(self->l, SHUT_RDWR));
	EXPECT_EQ(-EINVAL, decide_waiter_join(&self->w[0]));
	EXPECT_TRUE(decide_refused_is(self->call, PARLEY_REASON_LISTENER_CLOSED,
				      0));
}

/* Who waits holds the listener, whatever becomes of the descriptor. */
TEST_F(nextwait, descriptor_closed)
{
	int other = dup(self->l);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, decide_waiter_blocked(&self->w[0], self->l, 0));
	ASSERT_EQ(0, close(self->l));
	self->call = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call);
	self->id = decide_waiter_join(&self->w[0]);
	ASSERT_LT(0, self->id);
	EXPECT_EQ(0, decide_call(other, self->id, PARLEY_ACCEPT, 0));
	EXPECT_TRUE(decide_accepts(other, self->call));
}

/*
 * One call wakes one of many: the others have not even been looked at, they
 * went to sleep as often as before.
 */
TEST_F(nextwait, wakes_one)
{
	long sleeps[WAITERS];
	long long last = 0;
	int i, round, done, who, call;

	for (i = 0; i < WAITERS; i++) {
		ASSERT_EQ(0, decide_waiter_blocked(&self->w[i], self->l, 0));
		sleeps[i] = parley_thread_sleeps(&self->w[i].thread);
		ASSERT_LT(0, sleeps[i]);
	}
	for (round = 1; round <= WAITERS; round++) {
		call = parley_call("127.0.0.1", PORT);
		ASSERT_LE(0, call);
		who = -1;
		ASSERT_TRUE(parley_until(({
			for (done = 0, i = 0; i < WAITERS; i++)
				if (parley_thread_done(&self->w[i].thread)) {
					done++;
					who = sleeps[i] ? i : who;
				}
			done >= round;
		})));
		ASSERT_EQ(round, done);
		ASSERT_LE(0, who);
		sleeps[who] = 0;
		self->id = decide_waiter_join(&self->w[who]);
		EXPECT_LT(last, self->id);
		last = self->id;
		EXPECT_EQ(0, decide_refuse(self->l, self->id, round, 0, NULL));
		EXPECT_TRUE(decide_refused_is(call, PARLEY_REASON_SERVER,
					      round));
		for (i = 0; i < WAITERS; i++) {
			if (!sleeps[i])
				continue;
			EXPECT_EQ(0, parley_thread_blocked(&self->w[i].thread));
			EXPECT_EQ(sleeps[i],
				  parley_thread_sleeps(&self->w[i].thread));
		}
	}
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 0));
}

/* Calls that come at once are given to different ones. */
TEST_F(nextwait, share)
{
	int call[WAITERS], i, k;

	for (i = 0; i < WAITERS; i++)
		ASSERT_EQ(0, decide_waiter_blocked(&self->w[i], self->l, 0));
	for (i = 0; i < WAITERS; i++) {
		call[i] = parley_call("127.0.0.1", PORT);
		ASSERT_LE(0, call[i]);
	}
	for (i = 0; i < WAITERS; i++) {
		EXPECT_LT(0, decide_waiter_join(&self->w[i]));
		EXPECT_EQ(0, self->w[i].next.info.flags);
		for (k = 0; k < i; k++)
			EXPECT_NE(self->w[k].next.info.id,
				  self->w[i].next.info.id);
	}
	EXPECT_TRUE(decide_backlog_is(self->l, WAITERS, 0, 0));
	EXPECT_TRUE(decide_next_is_none(self->l, 0));
}

/*
 * Who looks at a call does not take it: the one that sleeps in accept(2) has
 * to wake as well, whoever of the two went to sleep first.
 */
FIXTURE(both) {
	int l;
	int call;
	struct decide_waiter w[2];
	struct parley_thread acceptor[2];
};

FIXTURE_VARIANT(both) {
	bool acceptors_first;
};

FIXTURE_VARIANT_ADD(both, accept_first) { .acceptors_first = true };
FIXTURE_VARIANT_ADD(both, next_first) {};

FIXTURE_SETUP(both)
{
	int i, k;

	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 64);
	ASSERT_LE(0, self->l);
	for (k = 0; k < 2; k++) {
		for (i = 0; i < 2; i++) {
			if (k == variant->acceptors_first) {
				ASSERT_EQ(0, decide_waiter_blocked(&self->w[i],
								   self->l, 0));
				continue;
			}
			ASSERT_EQ(0, parley_thread_accept(&self->acceptor[i],
							  self->l));
			ASSERT_EQ(0, parley_thread_blocked(&self->acceptor[i]));
		}
	}
}

FIXTURE_TEARDOWN(both)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int accepted(struct parley_thread *acceptor)
{
	return parley_thread_done(&acceptor[0]) +
	       parley_thread_done(&acceptor[1]);
}

/* The waiters may have seen calls before that; if not, they still wait. */
static bool waiters_end(int listener, struct decide_waiter *w)
{
	bool good = !shutdown(listener, SHUT_RD);
	long long id;
	int i;

	for (i = 0; i < 2; i++) {
		id = decide_waiter_join(&w[i]);
		good &= id > 0 || id == -EINVAL;
	}
	return good;
}

TEST_F(both, accept_takes)
{
	int i;

	for (i = 1; i <= 2; i++) {
		self->call = parley_call("127.0.0.1", PORT);
		ASSERT_LE(0, self->call);
		EXPECT_EQ(POLLOUT, parley_wait(self->call, POLLOUT));
		EXPECT_TRUE(parley_until(accepted(self->acceptor) >= i));
		EXPECT_EQ(i, accepted(self->acceptor));
	}
	for (i = 0; i < 2; i++)
		EXPECT_LE(0, parley_thread_join(&self->acceptor[i]));
	EXPECT_TRUE(waiters_end(self->l, self->w));
}

/* An approval is for those who accept. */
TEST_F(both, approval)
{
	int i;

	self->call = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call);
	ASSERT_EQ(POLLOUT, parley_wait(self->call, POLLOUT));
	ASSERT_TRUE(parley_until(accepted(self->acceptor) == 1));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	self->call = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call);
	/* Somebody, accept(2) or NEXT_CALL, has asked the rules. */
	ASSERT_TRUE(parley_until(parley_revents(self->l, POLLPRI) == POLLPRI));
	EXPECT_EQ(0, decide_call(self->l,
				 decide_next_id(self->l, PARLEY_NEXT_DEFERRED),
				 PARLEY_ACCEPT, 0));
	EXPECT_EQ(POLLOUT, parley_wait(self->call, POLLOUT));
	for (i = 0; i < 2; i++)
		EXPECT_LE(0, parley_thread_join(&self->acceptor[i]));
	EXPECT_TRUE(waiters_end(self->l, self->w));
}

/* Calls that become new again wake those who wait for new ones. */
TEST_F(nextwait, undecided)
{
	self->id = decide_offer(self->l, &self->call);
	ASSERT_LT(0, self->id);
	ASSERT_EQ(0, decide_waiter_blocked(&self->w[0], self->l, 0));
	ASSERT_EQ(0, decide_call(self->l, self->id, PARLEY_UNDECIDE, 0));
	EXPECT_EQ(self->id, decide_waiter_join(&self->w[0]));

	/* Approved, and then not after all. */
	ASSERT_EQ(0, decide_waiter_blocked(&self->w[0], self->l, 0));
	ASSERT_EQ(0, decide_call(self->l, self->id, PARLEY_ACCEPT, 0));
	ASSERT_EQ(0, parley_thread_blocked(&self->w[0].thread));
	ASSERT_EQ(0, decide_call(self->l, self->id, PARLEY_UNDECIDE,
				 PARLEY_DECIDE_AGAIN));
	EXPECT_EQ(self->id, decide_waiter_join(&self->w[0]));

	/* A deferred one is new for those who want such. */
	ASSERT_EQ(0, decide_call(self->l, self->id, PARLEY_DEFER, 0));
	ASSERT_EQ(0, decide_waiter_blocked(&self->w[0], self->l, 0));
	ASSERT_EQ(0, decide_waiter_blocked(&self->w[1], self->l,
					   PARLEY_NEXT_DEFERRED));
	ASSERT_EQ(0, decide_call(self->l, self->id, PARLEY_UNDECIDE, 0));
	EXPECT_EQ(self->id, decide_waiter_join(&self->w[1]));
	EXPECT_EQ(0, parley_thread_blocked(&self->w[0].thread));
	ASSERT_EQ(1, decide_review(self->l));
	EXPECT_EQ(self->id, decide_waiter_join(&self->w[0]));
}

TEST_F(nextwait, review)
{
	int call[WAITERS], i, k, n;
	long long id[WAITERS];

	for (i = 0; i < WAITERS; i++) {
		id[i] = decide_offer_deferred(self->l, &call[i]);
		ASSERT_LT(0, id[i]);
	}
	for (i = 0; i < WAITERS; i++)
		ASSERT_EQ(0, decide_waiter_blocked(&self->w[i], self->l, 0));
	ASSERT_EQ(WAITERS, decide_review(self->l));
	for (i = 0; i < WAITERS; i++)
		ASSERT_LT(0, decide_waiter_join(&self->w[i]));
	for (i = 0; i < WAITERS; i++) {
		for (n = k = 0; k < WAITERS; k++)
			n += id[i] == (long long)self->w[k].next.info.id;
		EXPECT_EQ(1, n);
	}
}

/* Another one begins again: each has one, whoever looks first. */
TEST_F(nextwait, rewind)
{
	long long first, second, mine, theirs;
	int call[2];

	first = decide_offer(self->l, &call[0]);
	second = decide_offer(self->l, &call[1]);
	ASSERT_LT(0, first);
	ASSERT_LT(first, second);
	ASSERT_EQ(0, decide_waiter_blocked(&self->w[0], self->l, 0));
	mine = decide_next_id(self->l, PARLEY_NEXT_REWIND);
	theirs = decide_waiter_join(&self->w[0]);
	EXPECT_TRUE((mine == first && theirs == second) ||
		    (mine == second && theirs == first));
}

/* accept(2) asks the rules, and what they put off somebody waits for. */
TEST_F(nextwait, deferred_by_accept)
{
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	self->call = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call);
	EXPECT_TRUE(decide_next_is_none(self->l, 0));
	EXPECT_LT(0, decide_next_id(self->l, PARLEY_NEXT_DEFERRED));
	ASSERT_EQ(0, decide_waiter_blocked(&self->w[0], self->l,
					   PARLEY_NEXT_DEFERRED));
	ASSERT_EQ(0, parley_thread_accept(&self->acceptor, self->l));
	ASSERT_EQ(0, parley_thread_blocked(&self->acceptor));
	self->call = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call);
	self->id = decide_waiter_join(&self->w[0]);
	EXPECT_LT(0, self->id);
	EXPECT_EQ(0, parley_thread_blocked(&self->acceptor));
	ASSERT_EQ(0, decide_call(self->l, self->id, PARLEY_ACCEPT, 0));
	EXPECT_LE(0, parley_thread_join(&self->acceptor));
	EXPECT_EQ(POLLOUT, parley_wait(self->call, POLLOUT));
}

/* The rules put off at once, in the caller's connect(2). */
TEST_F(nextwait, deferred_on_arrival)
{
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	ASSERT_EQ(0, decide_waiter_blocked(&self->w[0], self->l, 0));
	ASSERT_EQ(0, decide_waiter_blocked(&self->w[1], self->l,
					   PARLEY_NEXT_DEFERRED));
	self->call = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call);
	EXPECT_LT(0, decide_waiter_join(&self->w[1]));
	EXPECT_EQ(0, parley_thread_blocked(&self->w[0].thread));
	EXPECT_EQ(0, parley_revents(self->l, POLLPRI));
	ASSERT_EQ(1, decide_review(self->l));
	/* Reviewed, it is pending, until who waits asks the rules again. */
	EXPECT_EQ(POLLPRI, parley_wait(self->l, POLLPRI));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	EXPECT_EQ(0, parley_thread_blocked(&self->w[0].thread));
	ASSERT_EQ(0, shutdown(self->l, SHUT_RD));
	EXPECT_EQ(-EINVAL, decide_waiter_join(&self->w[0]));
}

/*
 * Deciders and acceptors that sleep, are interrupted, and share the work:
 * each call gets its verdict, none is left lying with somebody asleep.
 */
#define DECIDERS	3
#define ACCEPTORS	2

struct sleeper {
	pthread_t thread;
	int listener;
	bool accepts;
	bool approves;
	bool looks;
	unsigned int served;
	unsigned int interrupted;
	int error;
};

static int sleeper_decide(struct sleeper *s)
{
	struct parley_next_call next = {};
	int err = decide_next(s->listener, 0, &next);

	if (err || s->looks)
		return err;
	err = s->approves ? decide_accept(s->listener, next.info.id, 0, NULL) :
	      decide_refuse(s->listener, next.info.id, 5, 0, NULL);
	/* Withdrawn, accepted or decided while we thought about it. */
	if (err == -ENOENT)
		return 0;
	if (s->approves && (err == -EBUSY || err == -EALREADY))
		return 0;
	return err;
}

static void *sleeper_main(void *arg)
{
	struct sleeper *s = arg;
	int ret;

	for (;;) {
		ret = s->accepts ? test_accept(s->listener, 0) :
				   sleeper_decide(s);
		if (ret >= 0) {
			s->served++;
			if (s->accepts)
				close(ret);
		} else if (ret == -EINTR) {
			s->interrupted++;
		} else {
			s->error = -ret;
			return NULL;
		}
	}
}

FIXTURE(sleepers) {
	struct race_random random;
	struct sleeper s[DECIDERS + ACCEPTORS];
	unsigned int n;
	int l;
};

FIXTURE_VARIANT(sleepers) {
	bool acceptors;		/* they take what the deciders approve */
	bool looks;		/* and the deciders decide nothing */
	bool signals;
	bool decoys;
	bool rewind;		/* somebody begins again all the time */
};

FIXTURE_VARIANT_ADD(sleepers, single) {};
FIXTURE_VARIANT_ADD(sleepers, signals) { .signals = true };
FIXTURE_VARIANT_ADD(sleepers, decoys) { .decoys = true, .signals = true };
FIXTURE_VARIANT_ADD(sleepers, rewind) { .rewind = true, .signals = true };
FIXTURE_VARIANT_ADD(sleepers, acceptors) {
	.acceptors = true, .signals = true
};

FIXTURE_VARIANT_ADD(sleepers, lookers) { .acceptors = true, .looks = true };
FIXTURE_VARIANT_ADD(sleepers, everything) {
	.acceptors = true, .signals = true, .decoys = true, .rewind = true
};

FIXTURE_SETUP(sleepers)
{
	__u64 seed = race_seed();
	unsigned int i;

	TH_LOG("seed %llu", (unsigned long long)seed);
	race_random_init(&self->random, seed, 4);
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_catch(SIGUSR1, 0));
	self->l = parley_listener("127.0.0.1", PORT, 64);
	ASSERT_LE(0, self->l);
	self->n = DECIDERS + (variant->acceptors ? ACCEPTORS : 0);
	for (i = 0; i < self->n; i++) {
		self->s[i].listener = self->l;
		self->s[i].accepts = i >= DECIDERS;
		self->s[i].approves = variant->acceptors;
		self->s[i].looks = variant->looks;
		ASSERT_EQ(0, pthread_create(&self->s[i].thread, NULL,
					    sleeper_main, &self->s[i]));
	}
}

FIXTURE_TEARDOWN(sleepers)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int call_somebody(void)
{
	int fd = parley_socket(SOCK_NONBLOCK);
	int err = test_connect(fd, "127.0.0.1", PORT);

	/* A verdict may have been quicker than connect(2) returned. */
	if (!err || err == -EINPROGRESS || err == -ECONNREFUSED)
		return fd;
	close(fd);
	return err;
}

/* Begins again, and what it is given itself the others must get again. */
static bool meddle(int listener)
{
	long long id = decide_next_id(listener, PARLEY_NEXT_REWIND);

	if (id > 0)
		id = decide_call(listener, id, PARLEY_UNDECIDE, 0);
	return id == 0 || id == -EAGAIN || id == -ENOENT || id == -EBUSY ||
	       id == -EALREADY;
}

TEST_F_TIMEOUT(sleepers, none_lost, 600)
{
	unsigned int rounds = race_scale(1500), i, served = 0, interrupted = 0;
	int want = variant->acceptors ? POLLOUT : POLLHUP;
	struct race_random *r = &self->random;
	int fd, decoy, events;

	for (i = 0; i < rounds; i++) {
		if (variant->decoys && race_below(r, 2)) {
			decoy = call_somebody();
			ASSERT_LE(0, decoy);
			race_spin(race_below(r, 3000));
			close(decoy);
		}
		fd = call_somebody();
		ASSERT_LE(0, fd);
		if (variant->rewind)
			EXPECT_TRUE(meddle(self->l));
		if (variant->signals) {
			race_spin(race_below(r, 3000));
			pthread_kill(self->s[race_below(r, self->n)].thread,
				     SIGUSR1);
		}
		events = parley_wait(fd, POLLOUT);
		close(fd);
		ASSERT_EQ(want, events & want) {
			TH_LOG("round %u: events %d", i, events);
		}
	}
	ASSERT_EQ(0, shutdown(self->l, SHUT_RDWR));
	for (i = 0; i < self->n; i++) {
		pthread_join(self->s[i].thread, NULL);
		/* It ended because nobody listens, not before. */
		EXPECT_EQ(EINVAL, self->s[i].error);
		served += self->s[i].served;
		interrupted += self->s[i].interrupted;
	}
	TH_LOG("%u verdicts and accepts, %u interrupted", served, interrupted);
	EXPECT_EQ(variant->signals, !!interrupted);
}

TEST_HARNESS_MAIN
