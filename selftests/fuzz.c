// SPDX-License-Identifier: GPL-2.0
/*
 * The fuzzer as a test, for a short while; and as a program of its own, which
 * "make fuzz" runs for long:
 *
 *	fuzz --run SECONDS [--seed N] [--corpus FILE] [--points N]
 *	fuzz --replay FILE [--repeat N]
 *
 * PARLEY_STORM_SEED repeats a run as far as scheduling lets it, PARLEY_FUZZ_SECONDS
 * says how long the test takes.
 */
#include "kselftest_harness.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"
#include "lib_fuzz.h"

#define SECONDS		40
#define PROGRAMS	500
/* What a dozen programs reach: with less, next to nothing was done. */
#define PLACES_MIN	800
#define SUCCESS_PERCENT	20

static int fuzz_seconds(void)
{
	const char *text = getenv("PARLEY_FUZZ_SECONDS");

	return text ? atoi(text) : SECONDS;
}

FIXTURE(fuzzer) {
	struct race_random random;
	struct fuzz_prog made;
	struct fuzz_prog read;
	char text[FUZZ_TEXT_MAX];
	char again[FUZZ_TEXT_MAX];
};

FIXTURE_SETUP(fuzzer)
{
	ASSERT_EQ(0, parley_ns_enter());
	race_random_init(&self->random, race_seed(), 0);
}

FIXTURE_TEARDOWN(fuzzer)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F_TIMEOUT(fuzzer, run, 600)
{
	struct fuzz_plan plan = {
		.seed = race_seed(),
		.seconds = fuzz_seconds(),
	};
	struct fuzz_report report;

	if (!fuzz_cover_works())
		SKIP(return, "the kernel does not tell which code of the module runs (KCOV)");
	TH_LOG("seed %llu", (unsigned long long)plan.seed);
	ASSERT_EQ(0, fuzz_run(&plan, &report));
	EXPECT_EQ(0, report.findings);
	EXPECT_TRUE(report.covered);
	EXPECT_LT(PLACES_MIN, report.pcs);
	EXPECT_LT(SUCCESS_PERCENT * report.calls, 100 * report.good);
	EXPECT_LT(0, report.corpus);
}

/* What is written down is what was run. */
TEST_F(fuzzer, text)
{
	struct fuzz_prog *p = &self->made;
	unsigned int i;

	for (i = 0; i < PROGRAMS; i++) {
		if (i % 2)
			fuzz_mutate(p, &self->read, &self->random);
		else
			fuzz_make(p, &self->random);
		ASSERT_LT(0, p->n);
		ASSERT_LT(0, fuzz_prog_write(p, self->text, sizeof(self->text)));
		ASSERT_EQ(NULL, fuzz_prog_read(&self->read, self->text));
		ASSERT_TRUE(fuzz_prog_same(p, &self->read));
		ASSERT_LT(0, fuzz_prog_write(&self->read, self->again, sizeof(self->again)));
		ASSERT_STREQ(self->text, self->again);
	}
}

TEST_F(fuzzer, bad_text)
{
	static const char *const bad[] = {
		"socket new=0 type=1 flags=0 protocol=0\n",	/* by whom? */
		"4 socket new=0 type=1 flags=0 protocol=0\n",
		"0* socket new=0 type=1 flags=0 protocol=0\n",
		"0 sockets new=0 type=1 flags=0 protocol=0\n",
		"0 socket new=0 type=1 flags=0\n",
		"0 socket new=0 type=1 flags=0 protocol=0 more=1\n",
		"0 socket new=0 type=1 protocol=0 flags=0\n",
		"0 socket new=0 type=1 flags=x protocol=0\n",
		"0\n",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_NE(NULL, fuzz_prog_read(&self->read, bad[i])) {
			TH_LOG("text %u", i);
		}
	EXPECT_EQ(NULL, fuzz_prog_read(&self->read,
				       "# a comment\n3+ socket new=0 type=1 flags=0 protocol=0\n"));
	EXPECT_EQ(1, self->read.n);
	EXPECT_EQ(3, self->read.call[0].actor);
	EXPECT_TRUE(self->read.call[0].async);
}

/* The same seed makes the same programs. */
TEST_F(fuzzer, seed)
{
	struct race_random one, two;
	unsigned int i;

	race_random_init(&one, 42, 0);
	race_random_init(&two, 42, 0);
	for (i = 0; i < PROGRAMS; i++) {
		fuzz_make(&self->made, &one);
		fuzz_make(&self->read, &two);
		ASSERT_TRUE(fuzz_prog_same(&self->made, &self->read));
		fuzz_mutate(&self->made, NULL, &one);
		fuzz_mutate(&self->read, NULL, &two);
	}
}

/* What was read from a file does the same again: here, one call that is accepted. */
TEST_F(fuzzer, replay)
{
	static const char text[] =
		"0 socket new=0 type=1 flags=0 protocol=0\n"
		"0 bind fd=0 host=0 port=0x1b59 long=0\n"
		"0 listen fd=0 backlog=2\n"
		"2 socket new=0 type=1 flags=0 protocol=0\n"
		"2+ connect fd=0 host=0 port=0x1b59 long=0\n"
		"1 accept fd=0 new=1 flags=0 long=0\n"
		"3 send fd=0 size=0xa flags=0 to=0\n"
		"1 recv fd=1 size=0xa flags=0\n";
	struct fuzz_team *team = fuzz_team_new();
	struct parley_stat st;
	unsigned long made, good;
	unsigned int i;

	ASSERT_NE(NULL, team);
	ASSERT_EQ(NULL, fuzz_prog_read(&self->read, text));
	for (i = 1; i <= 3; i++) {
		ASSERT_TRUE(fuzz_team_run(team, &self->read));
		ASSERT_STREQ(fuzz_team_shared(team)->finding, "");
		ASSERT_TRUE(fuzz_team_clean(team));
		ASSERT_EQ(0, parley_stat(&st));
		EXPECT_EQ(i, st.established);
	}
	fuzz_team_counts(team, &made, &good);
	EXPECT_EQ(3 * 8, made);
	fuzz_team_free(team);
}

/* As a program: the report is that of one test. */
static int run_plan(const struct fuzz_plan *plan)
{
	struct fuzz_report report = { 0 };
	bool little;
	int err;

	printf("TAP version 13\n1..1\n# seed %llu\n", (unsigned long long)plan->seed);
	err = parley_ns_enter() ?: fuzz_run(plan, &report);
	if (err)
		printf("# it could not begin: %s\n", strerror(-err));
	little = report.covered && !plan->replay && report.pcs <= PLACES_MIN;
	if (little)
		printf("# it came to %u places only\n", report.pcs);
	if (err || report.findings || little) {
		printf("not ok 1 fuzz\n");
		return 1;
	}
	printf("ok 1 fuzz\n");
	return 0;
}

int main(int argc, char **argv)
{
	struct fuzz_plan plan = { .seed = race_seed(), .repeat = 1 };
	int i;

	if (argc < 2 || (strcmp(argv[1], "--run") && strcmp(argv[1], "--replay")))
		return test_harness_run(argc, argv);
	for (i = 1; i + 1 < argc; i += 2) {
		plan.replay |= !strcmp(argv[i], "--replay");
		if (!strcmp(argv[i], "--run"))
			plan.seconds = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--replay"))
			plan.given = argv[i + 1];
		else if (!strcmp(argv[i], "--seed"))
			plan.seed = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--repeat"))
			plan.repeat = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--points"))
			plan.points = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--corpus"))
			plan.given = argv[i + 1];
		else
			return 2;
	}
	return run_plan(&plan);
}
