// SPDX-License-Identifier: GPL-2.0
/*
 * Rates under load: many threads of several processes call at once, and just as
 * many are accepted as the rule lets in, whoever asks the rules: who calls, who
 * accepts, or who looks at the calls before.
 *
 * PARLEY_STORM_SCALE is a percentage of the usual size.
 */
#include "kselftest_harness.h"

#include <sys/mman.h>
#include <unistd.h>

#include "lib_race.h"
#include "lib_rules.h"

#define HOST		"127.0.0.1"
#define PORT		7490
#define PROCESSES	2
#define RUNNERS		4	/* threads in each of them */
#define TRIES		40	/* calls of each thread */
#define ALL		(PROCESSES * RUNNERS * TRIES)
#define BURST		57
#define BEYOND		9	/* the code beyond the rate */
#define ROUNDS		6

/**
 * struct crowd - what all the processes have in common
 * @line: the callers' starting line
 * @accepted: calls that were
 * @beyond: calls that were refused since the bucket was empty
 * @wrong: calls that came to something else
 * @looked: calls that somebody looked at
 */
struct crowd {
	struct race_line line;
	unsigned int accepted;
	unsigned int beyond;
	unsigned int wrong;
	unsigned int looked;
};

static struct crowd *crowd;

static void add(unsigned int *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

FIXTURE(crowd) {
	struct rules *t;
	int l;
};

FIXTURE_VARIANT(crowd) {
	unsigned int stage;
	bool look;	/* somebody looks at the calls before they are taken */
};

FIXTURE_VARIANT_ADD(crowd, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(crowd, arrival) { .stage = PARLEY_STAGE_ARRIVAL };
FIXTURE_VARIANT_ADD(crowd, look) {
	.stage = PARLEY_STAGE_ACCEPT,
	.look = true,
};

FIXTURE_SETUP(crowd)
{
	ASSERT_EQ(0, parley_ns_enter());
	crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, crowd);
	self->t = rules_new();
	ASSERT_NE(NULL, self->t);
	self->l = parley_listener(HOST, PORT, 64);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
}

FIXTURE_TEARDOWN(crowd)
{
	EXPECT_EQ(0, crowd->wrong);
	EXPECT_EQ(0, parley_expect_clean());
}

static long runner_main(void *arg)
{
	struct parley_refusal r;
	int fd, err, i;

	race_line_meet(&crowd->line);
	for (i = 0; i < TRIES; i++) {
		fd = parley_socket(SOCK_CLOEXEC);
		err = test_connect(fd, HOST, PORT);
		if (!err)
			add(&crowd->accepted);
		else if (err == -ECONNREFUSED && !parley_refusal(fd, &r) &&
			 r.reason == PARLEY_REASON_RULE && r.code == BEYOND)
			add(&crowd->beyond);
		else
			add(&crowd->wrong);
		close(fd);
	}
	return 0;
}

static void runners_main(void)
{
	struct parley_thread t[RUNNERS];
	int i;

	for (i = 0; i < RUNNERS; i++)
		if (parley_thread_start(&t[i], 0, runner_main, NULL))
			_exit(1);
	for (i = 0; i < RUNNERS; i++)
		pthread_join(t[i].thread, NULL);
	_exit(0);
}

/* Accepts whatever there is until the listener is shut down. */
static long taker_main(void *arg)
{
	int l = *(int *)arg, fd;

	while ((fd = test_accept(l, 0)) >= 0)
		close(fd);
	return fd;
}

static long looker_main(void *arg)
{
	struct parley_call_info info;
	int err;

	while (!(err = terms_next(*(int *)arg, &info, 0)))
		add(&crowd->looked);
	return err;
}

/* All of them call; the bucket holds @burst. Whether that went well. */
static bool round_is(int l, struct rules *t, unsigned int burst)
{
	pid_t pid[PROCESSES];
	unsigned int i;
	bool ok = true;

	rules_once(&t->rule[0], burst);
	if (rules_set(l, t))
		return false;
	crowd->accepted = 0;
	crowd->beyond = 0;
	race_line_init(&crowd->line, PROCESSES * RUNNERS);
	for (i = 0; i < PROCESSES; i++) {
		pid[i] = parley_fork();
		if (!pid[i])
			runners_main();
	}
	for (i = 0; i < PROCESSES; i++)
		if (pid[i] < 0 || parley_reap(pid[i]))
			ok = false;
	if (ok && crowd->accepted == burst && crowd->beyond == ALL - burst)
		return true;
	printf("# accepted %u, not %u; beyond the rate %u, not %u; wrong %u\n",
	       crowd->accepted, burst, crowd->beyond, ALL - burst,
	       crowd->wrong);
	fflush(stdout);
	return false;
}

/* One call more than there are tokens, or hundreds more. */
TEST_F_TIMEOUT(crowd, burst, 500)
{
	unsigned int rounds = race_scale(ROUNDS), i;
	struct parley_thread taker, looker;
	pid_t other;

	rules_say(&rules_add(self->t, PARLEY_ACCEPT)->over, BEYOND, 0);
	other = parley_fork();
	ASSERT_LE(0, other);
	if (!other)
		_exit(taker_main(&self->l) == -EINVAL ? 0 : 1);
	ASSERT_EQ(0, parley_thread_start(&taker, 0, taker_main, &self->l));
	if (variant->look)
		ASSERT_EQ(0, parley_thread_start(&looker, 0, looker_main,
						 &self->l));
	for (i = 0; i < rounds; i++)
		EXPECT_TRUE(round_is(self->l, self->t,
				     i % 3 == 2 ? ALL - 1 : BURST + i));
	ASSERT_EQ(0, shutdown(self->l, SHUT_RDWR));
	EXPECT_EQ(-EINVAL, parley_thread_join(&taker));
	EXPECT_EQ(0, parley_reap(other));
	if (variant->look) {
		EXPECT_EQ(-EINVAL, parley_thread_join(&looker));
		EXPECT_LT(0, crowd->looked);
	}
}

TEST_HARNESS_MAIN
