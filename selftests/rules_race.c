// SPDX-License-Identifier: GPL-2.0
/*
 * Rules that are replaced while they are at work: each call sees one table as a
 * whole, and so does who asks for it; and listeners that are closed and opened
 * while they get their rules. Rates under load are in rules_crowd.c.
 *
 * PARLEY_STORM_SEED repeats a run, PARLEY_STORM_SCALE is a percentage of the
 * usual size.
 */
#include "kselftest_harness.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib_race.h"
#include "lib_rules.h"

#define HOST		"127.0.0.1"
#define PORT		7480
#define CALLERS		3
#define ACCEPTORS	2
#define CALLS		900	/* of each caller */
#define REFUSED		1	/* the group that a rule refuses */
#define ACCEPTED	2	/* the one that a rule accepts; others: default */

/* What several processes count in common. */
struct tally {
	unsigned int stop;
	unsigned int wrong;
	unsigned int saw[2];	/* of each table */
	unsigned int accepted;
	unsigned int closed;
	unsigned int nobody;
	unsigned int full;
};

static struct tally *tally;

static void add(unsigned int *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static bool stopped(void)
{
	return __atomic_load_n(&tally->stop, __ATOMIC_ACQUIRE);
}

static void stop(void)
{
	__atomic_store_n(&tally->stop, 1, __ATOMIC_RELEASE);
}

/* Whatever should not be; a few of them are told. */
static void wrong(const char *what, long value)
{
	if (__atomic_add_fetch(&tally->wrong, 1, __ATOMIC_RELAXED) > 20)
		return;
	printf("# should not be: %s %ld\n", what, value);
	fflush(stdout);
}

/**
 * struct side - one of the two tables, and all that tells it from the other
 * @code: of the rule that refuses; one more is the default's
 * @retry_after_ms: likewise
 * @refuse: its reply
 * @accept: the reply of the rule that accepts
 * @otherwise: that of the default
 * @rate: what is granted
 * @rule: which rule accepts
 */
struct side {
	__u32 code;
	__u32 retry_after_ms;
	char refuse[1024];
	char accept[1024];
	const char *otherwise;
	__u32 rate;
	__u32 rule;
	struct rules *t;
};

static struct side sides[2] = {
	{ .code = 100, .retry_after_ms = 1000, .otherwise = "first",
	  .rate = 1111, .rule = 2 },
	{ .code = 200, .retry_after_ms = 2000, .otherwise = "the second",
	  .rate = 2222, .rule = 5 },
};

static void make_refusal(struct side *s)
{
	struct parley_rule *r = rules_refuse(s->t, s->code);

	rules_group(r, REFUSED);
	r->then.retry_after_ms = s->retry_after_ms;
	rules_reply(s->t, &r->then, s->refuse);
}

static void make_acceptance(struct side *s)
{
	struct parley_rule *r = rules_add(s->t, PARLEY_ACCEPT);
	struct parley_qos qos;

	terms_qos_none(&qos);
	qos.send.token_rate = s->rate;
	rules_group(r, ACCEPTED);
	rules_grant(&r->then, &qos);
	rules_reply(s->t, &r->then, s->accept);
}

/* Nothing is at the same place in both. */
static bool make_sides(void)
{
	struct side *s;
	unsigned int i;

	for (s = sides; s < sides + 2; s++) {
		s->t = rules_new();
		if (!s->t)
			return false;
		memset(s->refuse, s == sides ? 'r' : 'R', s == sides ? 700 : 50);
		memset(s->accept, s == sides ? 'a' : 'A', s == sides ? 9 : 950);
		rules_say(&s->t->arg.otherwise, s->code + 1,
			  s->retry_after_ms + 1);
	}
	rules_group(rules_refuse(sides[0].t, 99), 99);
	make_refusal(&sides[0]);
	make_acceptance(&sides[0]);
	sides[1].t->arg.pool_len = 5000;
	for (i = 0; i < 5; i++)
		rules_group(rules_refuse(sides[1].t, 99), 100 + i);
	make_acceptance(&sides[1]);
	make_refusal(&sides[1]);
	for (s = sides; s < sides + 2; s++)
		rules_reply(s->t, &s->t->arg.otherwise, s->otherwise);
	return true;
}

/* A call that rules refused: all of it is from one table. */
static void check_refused(int fd, __u64 group)
{
	struct parley_refusal r;
	struct side *s;
	bool other;

	if (parley_refusal(fd, &r) || r.reason != PARLEY_REASON_RULE) {
		wrong("reason", r.reason);
		return;
	}
	other = group != REFUSED;
	s = &sides[r.code >= sides[1].code];
	if (r.code != s->code + other ||
	    !rules_refused_is(fd, s->code + other, s->retry_after_ms + other,
			      other ? s->otherwise : s->refuse))
		wrong("refused with code", r.code);
	add(&tally->saw[s - sides]);
}

/* One of the two ends of a connection. */
static void check_accepted(int fd, bool callee)
{
	struct parley_call_info info;
	struct parley_qos qos;
	struct side *s;

	if (terms_qos(fd, &qos)) {
		wrong("no quality of service", errno);
		return;
	}
	if (callee)
		terms_qos_swap(&qos);
	s = &sides[qos.send.token_rate == sides[1].rate];
	if (qos.send.token_rate != s->rate ||
	    !terms_reply_is(fd, s->accept, strlen(s->accept)))
		wrong("granted", qos.send.token_rate);
	if (callee && (terms_info(fd, &info) || info.rule != s->rule ||
		       info.decided_by != PARLEY_BY_RULE ||
		       info.group != ACCEPTED ||
		       info.granted.send.token_rate != s->rate))
		wrong("accepted by rule", info.rule);
	add(&tally->saw[s - sides]);
	add(&tally->accepted);
}

/* A blocking call to @port: what connect(2) says. */
static int call(int port, __u64 group, int *fd)
{
	int err;

	*fd = parley_socket(SOCK_CLOEXEC);
	if (*fd < 0)
		return *fd;
	err = terms_set_group(*fd, group);
	return err ?: test_connect(*fd, HOST, port);
}

static long caller_main(void *arg)
{
	unsigned int i, calls = *(unsigned int *)arg;
	int fd, err;

	for (i = 0; i < calls; i++) {
		err = call(PORT, 1 + i % 3, &fd);
		if (err == -ECONNREFUSED)
			check_refused(fd, 1 + i % 3);
		else if (!err && i % 3 + 1 == ACCEPTED)
			check_accepted(fd, false);
		else
			wrong("connect", err);
		close(fd);
	}
	return 0;
}

static long acceptor_main(void *arg)
{
	int l = *(int *)arg, fd;

	for (;;) {
		fd = test_accept(l, 0);
		if (fd < 0)
			return fd;
		check_accepted(fd, true);
		close(fd);
	}
}

static long setter_main(void *arg)
{
	unsigned int i;
	int err;

	for (i = 0; !stopped(); i++) {
		err = rules_set(*(int *)arg, sides[i % 2].t);
		if (err)
			wrong("setting the rules", err);
	}
	return i;
}

/* What is got is one of the two, too. */
static long getter_main(void *arg)
{
	struct rules *got = rules_new();
	struct rules *t;
	unsigned int i;

	for (i = 0; got && !stopped(); i++) {
		if (rules_get(*(int *)arg, got)) {
			wrong("getting the rules", errno);
			break;
		}
		t = sides[got->arg.count > sides[0].t->arg.count].t;
		if (got->arg.count != t->arg.count ||
		    got->arg.pool_len != t->arg.pool_len ||
		    memcmp(got->rule, t->rule,
			   t->arg.count * sizeof(*t->rule)) ||
		    memcmp(got->pool, t->pool, t->arg.pool_len) ||
		    memcmp(&got->arg.otherwise, &t->arg.otherwise,
			   sizeof(t->arg.otherwise)))
			wrong("rules that were got", got->arg.count);
	}
	return i;
}

FIXTURE(race) {
	int l;
};

FIXTURE_VARIANT(race) {
	unsigned int stage;
	bool look;	/* somebody looks at the calls before they are taken */
};

FIXTURE_VARIANT_ADD(race, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(race, arrival) { .stage = PARLEY_STAGE_ARRIVAL };
FIXTURE_VARIANT_ADD(race, look) {
	.stage = PARLEY_STAGE_ACCEPT,
	.look = true,
};

/* Memory that children have, too. */
static void *share(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

FIXTURE_SETUP(race)
{
	ASSERT_EQ(0, parley_ns_enter());
	tally = share(sizeof(*tally));
	ASSERT_NE(NULL, tally);
	ASSERT_TRUE(make_sides());
	self->l = parley_listener(HOST, PORT, 64);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
}

FIXTURE_TEARDOWN(race)
{
	EXPECT_EQ(0, tally->wrong);
	EXPECT_EQ(0, parley_expect_clean());
}

/* Looks at all there is until the listener is shut down. */
static long looker_main(void *arg)
{
	struct parley_call_info info;
	int err;

	while (!(err = terms_next(*(int *)arg, &info, 0)))
		if (info.group == REFUSED)
			wrong("shown, and yet refused, id", info.id);
	return err;
}

TEST_F_TIMEOUT(race, replaced, 500)
{
	struct parley_thread caller[CALLERS], acceptor[ACCEPTORS];
	struct parley_thread setter, getter, looker;
	unsigned int i, calls = race_scale(CALLS);
	long sets, gets;

	ASSERT_EQ(0, rules_set(self->l, sides[0].t));
	for (i = 0; i < ACCEPTORS; i++)
		ASSERT_EQ(0, parley_thread_start(&acceptor[i], 0,
						 acceptor_main, &self->l));
	if (variant->look)
		ASSERT_EQ(0, parley_thread_start(&looker, 0, looker_main,
						 &self->l));
	for (i = 0; i < CALLERS; i++)
		ASSERT_EQ(0, parley_thread_start(&caller[i], 0, caller_main,
						 &calls));
	ASSERT_EQ(0, parley_thread_start(&setter, 0, setter_main, &self->l));
	ASSERT_EQ(0, parley_thread_start(&getter, 0, getter_main, &self->l));
	/* Each of their calls is bounded by the harness' time alone. */
	for (i = 0; i < CALLERS; i++)
		pthread_join(caller[i].thread, NULL);
	stop();
	sets = parley_thread_join(&setter);
	gets = parley_thread_join(&getter);
	ASSERT_EQ(0, shutdown(self->l, SHUT_RDWR));
	for (i = 0; i < ACCEPTORS; i++)
		EXPECT_EQ(-EINVAL, parley_thread_join(&acceptor[i]));
	if (variant->look)
		EXPECT_EQ(-EINVAL, parley_thread_join(&looker));

	TH_LOG("set %ld times, got %ld times; calls saw %u and %u", sets, gets,
	       tally->saw[0], tally->saw[1]);
	/* A third of the calls was accepted: counted at both ends. */
	EXPECT_EQ(2 * CALLERS * (calls / 3 + (calls % 3 > 1)), tally->accepted);
	EXPECT_LT(0, gets);
	EXPECT_LT(1, sets);
	EXPECT_LT(0, tally->saw[0]);
	EXPECT_LT(0, tally->saw[1]);
}

/* Listeners that come and go */

#define GHOST_PORT	(PORT + 1)
#define GHOST_ROUNDS	300
#define GHOST_CALLERS	2

/* Calls until told to stop, whoever listens. */
static long ghost_caller(void *arg)
{
	unsigned int group;
	int fd, err;

	for (group = 1; !stopped(); group = group % 3 + 1) {
		err = call(GHOST_PORT, group, &fd);
		if (err != -ECONNREFUSED)
			wrong("connect", err);
		switch (parley_reason(fd)) {
		case PARLEY_REASON_LISTENER_CLOSED:
			add(&tally->closed);
			break;
		case PARLEY_REASON_NO_LISTENER:
			add(&tally->nobody);
			break;
		case PARLEY_REASON_BACKLOG_FULL:
			add(&tally->full);
			break;
		default:
			check_refused(fd, group);
		}
		close(fd);
	}
	return 0;
}

static void ghost_callers(void)
{
	struct parley_thread t[GHOST_CALLERS];
	int i;

	for (i = 0; i < GHOST_CALLERS; i++)
		if (parley_thread_start(&t[i], 0, ghost_caller, NULL))
			_exit(1);
	for (i = 0; i < GHOST_CALLERS; i++)
		pthread_join(t[i].thread, NULL);
	_exit(0);
}

/* Sets one table after another until the descriptor is not there any more. */
static long ghost_setter(void *arg)
{
	int l = *(int *)arg, err = 0;
	unsigned int i;

	for (i = 0; !err; i++)
		err = rules_set(l, sides[i % 2].t);
	return err;
}

FIXTURE(ghost) {
	pid_t callers;
};

FIXTURE_VARIANT(ghost) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(ghost, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(ghost, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

FIXTURE_SETUP(ghost)
{
	unsigned int i;

	ASSERT_EQ(0, parley_ns_enter());
	tally = share(sizeof(*tally));
	ASSERT_NE(NULL, tally);
	ASSERT_TRUE(make_sides());
	/* Nobody accepts here: the rules say no to those calls, too. */
	for (i = 0; i < 2; i++)
		sides[i].t->rule[sides[i].rule].group = 99;
	self->callers = parley_fork();
	ASSERT_LE(0, self->callers);
	if (!self->callers)
		ghost_callers();
}

FIXTURE_TEARDOWN(ghost)
{
	EXPECT_EQ(0, tally->wrong);
	EXPECT_EQ(0, parley_expect_clean());
}

/* A listener with rules. */
static int ghost_listener(unsigned int stage)
{
	int l = parley_bound(HOST, GHOST_PORT);
	int err;

	if (l < 0)
		return l;
	err = terms_set_stage(l, stage) ?: rules_set(l, sides[1].t);
	if (!err && listen(l, 8))
		err = -errno;
	return err ?: l;
}

/* This process makes no descriptor while its setter runs. */
TEST_F_TIMEOUT(ghost, closed, 500)
{
	unsigned int round, rounds = race_scale(GHOST_ROUNDS);
	struct parley_thread setter;
	struct race_random random;
	__u64 seed = race_seed();
	int l;

	TH_LOG("seed %llu", (unsigned long long)seed);
	race_random_init(&random, seed, 1);
	for (round = 0; round < rounds; round++) {
		l = ghost_listener(variant->stage);
		ASSERT_LE(0, l);
		ASSERT_EQ(0, parley_thread_start(&setter, 0, ghost_setter, &l));
		race_spin(race_below(&random, 2000000));
		if (round % 4 == 0 && shutdown(l, SHUT_RDWR))
			wrong("shutdown", errno);
		ASSERT_EQ(0, close(l));
		ASSERT_EQ(-EBADF, parley_thread_join(&setter));
	}
	stop();
	EXPECT_EQ(0, parley_reap(self->callers));
	TH_LOG("closed %u, nobody %u, tables %u and %u", tally->closed,
	       tally->nobody, tally->saw[0], tally->saw[1]);
	EXPECT_LT(0, tally->nobody);
	if (variant->stage == PARLEY_STAGE_ARRIVAL) {
		EXPECT_LT(0, tally->saw[0] + tally->saw[1]);
	} else {
		EXPECT_LT(0, tally->closed);
	}
}

static long restless_main(void *arg)
{
	int l = *(int *)arg;
	unsigned int i;

	for (i = 0; !stopped(); i++) {
		if (shutdown(l, i % 2 ? SHUT_RD : SHUT_RDWR))
			wrong("shutdown", errno);
		if (listen(l, 1 + i % 8))
			wrong("listen", errno);
	}
	return i;
}

/* To a socket that listens or not SET and GET are always welcome. */
TEST_F_TIMEOUT(ghost, listening_or_not, 500)
{
	unsigned int i, rounds = race_scale(20 * GHOST_ROUNDS);
	struct parley_thread restless, getter;
	int l = ghost_listener(variant->stage);

	ASSERT_LE(0, l);
	ASSERT_EQ(0, parley_thread_start(&restless, 0, restless_main, &l));
	ASSERT_EQ(0, parley_thread_start(&getter, 0, getter_main, &l));
	for (i = 0; i < rounds; i++)
		ASSERT_EQ(0, rules_set(l, sides[i % 2].t));
	stop();
	EXPECT_LT(0, parley_thread_join(&restless));
	EXPECT_LT(0, parley_thread_join(&getter));
	close(l);
	EXPECT_EQ(0, parley_reap(self->callers));
	TH_LOG("closed %u, nobody %u, full %u, tables %u and %u", tally->closed,
	       tally->nobody, tally->full, tally->saw[0], tally->saw[1]);
	EXPECT_LT(0, tally->nobody);
}

TEST_HARNESS_MAIN
