// SPDX-License-Identifier: GPL-2.0
/*
 * The run of the fuzzer: program after program, new ones and changed ones, for
 * so many seconds, and what it tells about them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"
#include "lib_fuzz.h"

#define BATCH		32	/* programs between two looks at what is left */
#define PROGRESS_S	30
#define FINDINGS_MAX	20

struct run {
	const struct fuzz_plan *plan;
	struct fuzz_report *report;
	struct fuzz_team *team;
	struct fuzz_seen *seen;
	struct fuzz_corpus corpus;
	struct fuzz_corpus given;	/* programs of another run, or to be repeated */
	struct race_random random;
	unsigned long long begun;
	unsigned int told_s;
	char text[FUZZ_TEXT_MAX];
};

/* The text of a program, with its number, in r->text. */
static void write_down(struct run *r, const struct fuzz_prog *p)
{
	int n = snprintf(r->text, sizeof(r->text), "# program %lu of seed %#llx\n",
			 r->report->executions, (unsigned long long)r->plan->seed);

	fuzz_prog_write(p, r->text + n, sizeof(r->text) - n);
}

/* Where a crash cannot lose it. */
static void keep_in_ring(struct run *r, const struct fuzz_prog *p)
{
	write_down(r, p);
	fuzz_share_ring(r->report->executions, r->text);
}

static void keep_in_corpus(struct run *r, const struct fuzz_prog *p)
{
	if (fuzz_corpus_add(&r->corpus, p))
		return;
	write_down(r, p);
	fuzz_share_append(FUZZ_CORPUS, r->text);
}

/* Says what was found, and keeps the program; whether to go on. */
static bool tell_finding(struct run *r, const struct fuzz_prog *p, const char *what)
{
	char line[640];

	r->report->findings++;
	snprintf(line, sizeof(line), "# found: %s\n", what);
	fuzz_share_append(FUZZ_FINDINGS, line);
	write_down(r, p);
	fuzz_share_append(FUZZ_FINDINGS, r->text);
	printf("%s", line);
	for (char *l = strtok(r->text, "\n"); l; l = strtok(NULL, "\n"))
		printf("#   %s\n", l);
	fflush(stdout);
	return r->report->findings < FINDINGS_MAX;
}

static unsigned int seconds_gone(const struct run *r)
{
	return (parley_now_ns() - r->begun) / 1000000000;
}

static void put_place(const char *line)
{
	fuzz_share_append(FUZZ_PLACES, line);
}

static void tell_progress(struct run *r)
{
	unsigned int points = r->plan->points;
	struct fuzz_report *rep = r->report;
	char line[256], percent[32] = "";

	fuzz_team_counts(r->team, &rep->calls, &rep->good);
	rep->corpus = r->corpus.n;
	rep->pcs = fuzz_seen_pcs(r->seen);
	rep->edges = fuzz_seen_edges(r->seen);
	r->told_s = seconds_gone(r);
	if (points)
		snprintf(percent, sizeof(percent), " (%.1f%% of %u)", 100.0 * rep->pcs / points,
			 points);
	snprintf(line, sizeof(line),
		 "%u s: programs %lu, calls %lu, good %lu, corpus %u, places %u%s, edges %u\n",
		 r->told_s, rep->executions, rep->calls, rep->good, rep->corpus, rep->pcs,
		 percent, rep->edges);
	fuzz_share_append(FUZZ_PROGRESS, line);
	fuzz_share_clear(FUZZ_PLACES);
	fuzz_seen_tell(r->seen, put_place);
	printf("# %s", line);
	fflush(stdout);
}

/* Runs a program, and looks at what came of it; whether to go on. */
static bool execute(struct run *r, const struct fuzz_prog *p)
{
	struct fuzz_shared *sh = fuzz_team_shared(r->team);
	char line[256];
	bool ok;

	keep_in_ring(r, p);
	r->report->executions++;
	ok = fuzz_team_run(r->team, p);
	if (ok && r->report->executions % BATCH == 0)
		ok = fuzz_team_clean(r->team);
	if (sh->findings)
		ok &= tell_finding(r, p, sh->finding);
	if (fuzz_log_complains(line, sizeof(line))) {
		tell_finding(r, p, line);
		return false;
	}
	if (seconds_gone(r) >= r->told_s + PROGRESS_S)
		tell_progress(r);
	return ok;
}

static bool in_time(const struct run *r)
{
	return seconds_gone(r) < r->plan->seconds;
}

/* What came with the corpus is run first; what shows nothing here is dropped. */
static bool run_given(struct run *r)
{
	unsigned int i;

	for (i = 0; i < r->given.n && in_time(r); i++) {
		if (!execute(r, &r->given.prog[i]))
			return false;
		/* A kernel that does not tell has to believe what another one said. */
		if (fuzz_team_cover(r->team, r->seen) || !r->report->covered)
			keep_in_corpus(r, &r->given.prog[i]);
	}
	/* From now on the new corpus is as good as the old one. */
	fuzz_share_append(FUZZ_PROGRESS, "triaged\n");
	return true;
}

static void next_program(struct run *r, struct fuzz_prog *p)
{
	const struct fuzz_prog *from = fuzz_corpus_any(&r->corpus, &r->random);

	if (!from || !race_below(&r->random, 8)) {
		fuzz_make(p, &r->random);
		return;
	}
	*p = *from;
	fuzz_mutate(p, fuzz_corpus_any(&r->corpus, &r->random), &r->random);
}

static void search(struct run *r)
{
	struct fuzz_prog p;

	while (in_time(r)) {
		next_program(r, &p);
		if (!execute(r, &p))
			return;
		if (fuzz_team_cover(r->team, r->seen))
			keep_in_corpus(r, &p);
	}
}

static void repeat(struct run *r)
{
	unsigned int i, n;

	for (n = 0; n < r->plan->repeat; n++)
		for (i = 0; i < r->given.n; i++) {
			if (!execute(r, &r->given.prog[i]))
				return;
			fuzz_team_cover(r->team, r->seen);
		}
}

/* The policies that programs choose by name; a kernel that takes none does without. */
static void policy(const char *verb, const char *what)
{
	pid_t pid = fork();
	int fd;

	if (!pid) {
		fd = open("/dev/null", O_RDWR);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		execlp("parleyctl", "parleyctl", "policy", verb, what, NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static int begin(struct run *r)
{
	const char *wrong = NULL;

	race_random_init(&r->random, r->plan->seed, 0);
	if (!fuzz_log_open())
		printf("# the kernel's log cannot be read, nobody looks at it\n");
	if (!fuzz_share_open())
		printf("# no memory is shared with the host: a crash loses the program\n");
	if (r->plan->given)
		wrong = fuzz_corpus_read(&r->given, r->plan->given);
	if (wrong) {
		printf("# %s: %s\n", r->plan->given, wrong);
		return -EINVAL;
	}
	r->seen = fuzz_seen_new();
	r->team = fuzz_team_new();
	if (!r->seen || !r->team)
		return -ENOMEM;
	r->report->covered = fuzz_team_has_cover(r->team);
	r->begun = parley_now_ns();
	return 0;
}

int fuzz_run(const struct fuzz_plan *plan, struct fuzz_report *report)
{
	static struct run r;
	int err;

	memset(&r, 0, sizeof(r));
	memset(report, 0, sizeof(*report));
	r.plan = plan;
	r.report = report;
	err = begin(&r);
	if (err)
		return err;
	policy("load", "/bpf/quota_uid.bpf.o");
	policy("load", "/bpf/shed.bpf.o");
	if (plan->replay)
		repeat(&r);
	else if (run_given(&r))
		search(&r);
	if (!report->findings && !fuzz_team_clean(r.team))
		tell_finding(&r, &fuzz_team_shared(r.team)->prog,
			     fuzz_team_shared(r.team)->finding);
	tell_progress(&r);
	fuzz_team_tell(r.team);
	fuzz_team_free(r.team);
	policy("unload", "shed");
	policy("unload", "quota_uid");
	fuzz_seen_free(r.seen);
	fuzz_corpus_free(&r.corpus);
	fuzz_corpus_free(&r.given);
	return 0;
}
