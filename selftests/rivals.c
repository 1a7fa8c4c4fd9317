// SPDX-License-Identifier: GPL-2.0
/*
 * Several deciders at once, threads or processes: each call is given to one of
 * them, and of those who decide the same call one wins, which is what its
 * caller is told. PARLEY_STORM_SEED and PARLEY_STORM_SCALE are as for the
 * storm.
 */
#include "kselftest_harness.h"

#include <stdint.h>
#include <sys/mman.h>

#include "lib.h"
#include "lib_decide.h"
#include "lib_race.h"
#include "lib_terms.h"

#define PORT	5650
#define RIVALS	3
#define BATCH	8

/* What all of them see, in memory that is shared also by processes. */
struct team {
	struct race_line start;
	struct race_line end;
	bool over;
	int listener;
	__u64 seed;
	unsigned int n;		/* ids to decide; 0: look at what there is */
	__u64 id[BATCH];
	/* by rival: what became of the verdict on each, or which were given */
	int result[RIVALS][BATCH];
	unsigned int verdict[RIVALS][BATCH];
	unsigned int given[RIVALS];
	__u64 what[RIVALS][BATCH];
	int error[RIVALS];
};

struct member {
	pthread_t thread;
	pid_t pid;
	struct team *team;
	int number;
};

/* Each goes through the ids in an order of its own. */
static void member_decides(struct team *t, int me, struct race_random *r)
{
	unsigned int first = race_below(r, t->n), i, k;
	char reply[2] = { 'A' + me };

	for (i = 0; i < t->n; i++) {
		k = (first + i) % t->n;
		t->verdict[me][k] = race_below(r, 2);
		t->result[me][k] = t->verdict[me][k] == PARLEY_ACCEPT ?
			decide_accept(t->listener, t->id[k], 0, reply) :
			decide_refuse(t->listener, t->id[k], me + 1, 0, reply);
	}
}

static void member_looks(struct team *t, int me)
{
	long long id;

	t->given[me] = 0;
	while ((id = decide_next_id(t->listener, 0)) > 0) {
		if (t->given[me] == BATCH)
			break;
		t->what[me][t->given[me]++] = id;
	}
	t->error[me] = id;
}

static void *member_main(void *arg)
{
	struct member *m = arg;
	struct race_random r;

	race_random_init(&r, m->team->seed, m->number);
	for (;;) {
		race_line_meet(&m->team->start);
		if (m->team->over)
			return NULL;
		race_spin(race_below(&r, 3000));
		if (m->team->n)
			member_decides(m->team, m->number, &r);
		else
			member_looks(m->team, m->number);
		race_line_meet(&m->team->end);
	}
}

FIXTURE(rivals) {
	struct team *team;
	struct member member[RIVALS];
	int call[BATCH];
	unsigned int wins[RIVALS];
};

FIXTURE_VARIANT(rivals) {
	bool processes;
};

FIXTURE_VARIANT_ADD(rivals, threads) {};
FIXTURE_VARIANT_ADD(rivals, processes) { .processes = true };

FIXTURE_SETUP(rivals)
{
	struct team *t;
	int i;

	ASSERT_EQ(0, parley_ns_enter());
	t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, t);
	self->team = t;
	t->seed = race_seed();
	TH_LOG("seed %llu", (unsigned long long)t->seed);
	t->listener = parley_listener("127.0.0.1", PORT, BATCH);
	ASSERT_LE(0, t->listener);
	ASSERT_EQ(0, parley_nonblock(t->listener, true));
	race_line_init(&t->start, RIVALS + 1);
	race_line_init(&t->end, RIVALS + 1);
	for (i = 0; i < RIVALS; i++) {
		struct member *m = &self->member[i];

		m->team = t;
		m->number = i;
		if (!variant->processes) {
			ASSERT_EQ(0, pthread_create(&m->thread, NULL,
						    member_main, m));
			continue;
		}
		m->pid = parley_fork();
		ASSERT_LE(0, m->pid);
		if (!m->pid) {
			member_main(m);
			_exit(0);
		}
	}
}

FIXTURE_TEARDOWN(rivals)
{
	int i;

	self->team->over = true;
	race_line_meet(&self->team->start);
	for (i = 0; i < RIVALS; i++) {
		if (!variant->processes) {
			pthread_join(self->member[i].thread, NULL);
			continue;
		}
		EXPECT_EQ(0, parley_reap(self->member[i].pid));
	}
	EXPECT_EQ(0, parley_expect_clean());
}

/* Who won the call, or -1 where not just one did. */
static int winner_of(const struct team *t, int k)
{
	int i, winner = -1;

	for (i = 0; i < RIVALS; i++) {
		if (t->result[i][k] == 0) {
			if (winner >= 0)
				return -1;
			winner = i;
		} else if (t->result[i][k] != -EALREADY &&
			   t->result[i][k] != -ENOENT) {
			return -1;
		}
	}
	return winner;
}

/* Does the caller know the very verdict of the winner, and what went with it? */
static bool told_by(const struct team *t, int k, int call, int winner)
{
	char reply[2] = { 'A' + winner };
	struct parley_call_info info;
	int fd;

	if (t->verdict[winner][k] == PARLEY_REFUSE)
		return decide_refused_is(call, PARLEY_REASON_SERVER,
					 winner + 1) &&
		       terms_reply_is(call, reply, 1);
	/* In whatever order they were approved. */
	fd = test_accept(t->listener, 0);
	if (fd < 0 || terms_info(fd, &info))
		return false;
	close(fd);
	return info.decided_by == PARLEY_BY_SERVER;
}

TEST_F_TIMEOUT(rivals, one_wins, 600)
{
	unsigned int rounds = race_scale(500), i, accepted = 0;
	struct team *t = self->team;
	int k, winner[BATCH];
	char reply[2] = "";

	t->n = BATCH;
	for (i = 0; i < rounds; i++) {
		for (k = 0; k < BATCH; k++) {
			t->id[k] = decide_offer(t->listener, &self->call[k]);
			ASSERT_LT(0, (long long)t->id[k]);
		}
		race_line_meet(&t->start);
		race_line_meet(&t->end);
		for (k = 0; k < BATCH; k++) {
			winner[k] = winner_of(t, k);
			ASSERT_LE(0, winner[k]) {
				TH_LOG("round %u, call %d: %d, %d, %d", i, k,
				       t->result[0][k], t->result[1][k],
				       t->result[2][k]);
			}
			self->wins[winner[k]]++;
			ASSERT_TRUE(told_by(t, k, self->call[k], winner[k])) {
				TH_LOG("round %u, call %d", i, k);
			}
		}
		for (k = 0; k < BATCH; k++) {
			if (t->verdict[winner[k]][k] == PARLEY_ACCEPT) {
				accepted++;
				reply[0] = 'A' + winner[k];
				ASSERT_TRUE(terms_reply_is(self->call[k], reply,
							   1));
			}
			ASSERT_EQ(0, close(self->call[k]));
		}
		ASSERT_TRUE(decide_backlog_is(t->listener, 0, 0, 0));
	}
	TH_LOG("%u calls, won by %u, %u, %u; %u accepted", rounds * BATCH,
	       self->wins[0], self->wins[1], self->wins[2], accepted);
	for (k = 0; k < RIVALS; k++)
		EXPECT_LT(0, self->wins[k]);
	EXPECT_LT(0, accepted);
	EXPECT_GT(rounds * BATCH, accepted);
}

/* How often a call was given. */
static int times_given(const struct team *t, __u64 id)
{
	unsigned int i, k;
	int n = 0;

	for (i = 0; i < RIVALS; i++)
		for (k = 0; k < t->given[i]; k++)
			n += t->what[i][k] == id;
	return n;
}

TEST_F_TIMEOUT(rivals, given_once, 600)
{
	unsigned int rounds = race_scale(500), i, k, total;
	struct parley_next_call next;
	struct team *t = self->team;
	unsigned int flags;

	t->n = 0;
	for (i = 0; i < rounds; i++) {
		for (k = 0; k < BATCH; k++) {
			self->call[k] = parley_call("127.0.0.1", PORT);
			ASSERT_LE(0, self->call[k]);
		}
		race_line_meet(&t->start);
		race_line_meet(&t->end);
		for (total = k = 0; k < RIVALS; k++) {
			ASSERT_EQ(-EAGAIN, t->error[k]);
			total += t->given[k];
			self->wins[k] += t->given[k];
		}
		ASSERT_EQ(BATCH, total) {
			TH_LOG("round %u: %u, %u, %u", i, t->given[0],
			       t->given[1], t->given[2]);
		}
		flags = PARLEY_NEXT_REWIND;
		for (k = 0; k < BATCH; k++) {
			memset(&next, 0, sizeof(next));
			ASSERT_EQ(0, decide_next(t->listener, flags, &next));
			flags = 0;
			ASSERT_EQ(1, times_given(t, next.info.id));
			ASSERT_EQ(PARLEY_INFO_SEEN, next.info.flags);
			ASSERT_EQ(0, decide_call(t->listener, next.info.id,
						 PARLEY_REFUSE, 0));
			ASSERT_EQ(0, close(self->call[k]));
		}
	}
	TH_LOG("%u calls, given to %u, %u, %u", rounds * BATCH, self->wins[0],
	       self->wins[1], self->wins[2]);
	for (k = 0; k < RIVALS; k++)
		EXPECT_LT(0, self->wins[k]);
}

TEST_HARNESS_MAIN
