// SPDX-License-Identifier: GPL-2.0
/*
 * Measures the socket families beside each other.
 *
 *	bench [--mode counted|smp] [--only ROW[:SIZE],...] [--families NAME,...]
 *	      [--rounds N] [--list]
 *
 * Counted, families are measured one after another, each in rounds that follow
 * each other: nothing drifts there. Otherwise all are made ready first and then
 * measured by turns, a round of each.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "machine.h"
#include "task.h"

#define LANES_MAX	32

struct run run = { .counted = true };

static const struct row * const rows[] = {
	&row_pingpong,
	&row_stream,
	&row_cycle,
	&row_connect,
	&row_accepted,
	&row_request,
	&row_epoll,
	&row_backlog,
	&row_listeners,
	&row_memory_pair,
	&row_memory_pending,
	&row_policy,
};

/* Whether @name is, or only begins with, an item of @list; or there is none. */
static bool in_list(const char *list, const char *name, bool begins)
{
	size_t len;

	if (!list)
		return true;
	for (;; list += len + 1) {
		len = strcspn(list, ",");
		if (len && !strncmp(list, name, len) && (begins || !name[len]))
			return true;
		if (!list[len])
			return false;
	}
}

/* Blanks are left out: "stream:64KiB". */
static bool size_wanted(const struct row *row, const struct row_size *size)
{
	char name[64], *from, *to;

	snprintf(name, sizeof(name), "%s:%s", row->name, size->label);
	for (from = to = name; *from; from++)
		if (*from != ' ')
			*to++ = *from;
	*to = 0;
	return in_list(run.only, name, true) && row->rounds[!run.counted];
}

static bool family_wanted(const struct row *row, const struct family *f, long n)
{
	return in_list(run.families, f->name, false) && !family_lacks(f) &&
	       (!row->fits || row->fits(f, n));
}

static struct lane *new_lane(const struct family *f, const struct tuning *t,
			     const struct row_size *size)
{
	struct lane *l = calloc(1, sizeof(*l));

	if (!l)
		die("calloc: %m");
	l->family = f;
	l->tuning = t;
	l->size = size;
	l->ops = run.counted ? size->ops : (size->ops + 3) / 4;
	return l;
}

static int add_lanes(const struct row *row, const struct row_size *size, struct lane **lanes,
		     int n)
{
	const struct tuning *t;
	const struct family *f;

	for (f = families; f < families + n_families; f++) {
		if (!family_wanted(row, f, size->n))
			continue;
		for (t = f->tunings; t < f->tunings + TUNINGS_MAX && t->name; t++) {
			if (t != f->tunings && !(row->tunings & t->rows))
				continue;
			if (n == LANES_MAX)
				die("%s: too many lanes", row->name);
			lanes[n++] = new_lane(f, t, size);
		}
	}
	return n;
}

static int rounds_of(const struct row *row)
{
	return run.rounds ?: row->rounds[!run.counted];
}

/* The first round of a lane is for what is done once only. */
static void start(const struct row *row, struct lane *l)
{
	double value[FIGURES_MAX];

	row->start(l);
	row->round(l, value);
}

static void one_round(const struct row *row, struct lane *l, int round)
{
	double value[FIGURES_MAX];
	int k;

	row->round(l, value);
	for (k = 0; k < FIGURES_MAX && row->figures[k]; k++)
		l->samples[k][round] = value[k];
}

/* Whatever drifts meanwhile drifts for all of them. */
static void measure_by_turns(const struct row *row, struct lane **lanes, int n)
{
	int i, round;

	for (i = 0; i < n; i++)
		start(row, lanes[i]);
	for (round = 0; round < rounds_of(row); round++)
		for (i = 0; i < n; i++)
			one_round(row, lanes[i], round);
	for (i = 0; i < n; i++)
		row->stop(lanes[i]);
}

/*
 * What one puts off, to be freed by RCU or by a work item, is not to be done in
 * somebody else's round, but in the next one of its own.
 */
static void measure_in_a_row(const struct row *row, struct lane **lanes, int n)
{
	int i, round;

	for (i = 0; i < n; i++) {
		machine_settle();
		start(row, lanes[i]);
		for (round = 0; round < rounds_of(row); round++)
			one_round(row, lanes[i], round);
		row->stop(lanes[i]);
	}
}

static void measure(const struct row *row, struct lane **lanes, int n)
{
	int i, k;

	if (run.counted && !row->together)
		measure_in_a_row(row, lanes, n);
	else
		measure_by_turns(row, lanes, n);
	for (k = 0; k < FIGURES_MAX && row->figures[k]; k++)
		for (i = 0; i < n; i++)
			report_lane(row, k, lanes[i], rounds_of(row));
	for (i = 0; i < n; i++)
		free(lanes[i]);
}

static void measure_row(const struct row *row)
{
	struct lane *lanes[LANES_MAX];
	const struct row_size *size;
	int n = 0;

	for (size = row->sizes; size->label; size++) {
		if (size_wanted(row, size))
			n = add_lanes(row, size, lanes, n);
		if (row->together && size[1].label)
			continue;
		measure(row, lanes, n);
		n = 0;
	}
}

static void list(void)
{
	const struct row_size *s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		for (s = rows[i]->sizes; s->label; s++)
			printf("row %s%s%s\n", rows[i]->name, *s->label ? ":" : "", s->label);
	for (i = 0; i < n_families; i++)
		printf("family %s\n", families[i].name);
	exit(0);
}

static void options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "mode", required_argument, NULL, 'm' },
		{ "only", required_argument, NULL, 'o' },
		{ "families", required_argument, NULL, 'f' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "list", no_argument, NULL, 'l' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1)
		switch (c) {
		case 'm':
			run.counted = !strcmp(optarg, "counted");
			if (!run.counted && strcmp(optarg, "smp"))
				die("--mode is counted or smp");
			break;
		case 'o':
			run.only = optarg;
			break;
		case 'f':
			run.families = optarg;
			break;
		case 'r':
			run.rounds = atoi(optarg);
			if (run.rounds < 1 || run.rounds > ROUNDS_MAX)
				die("--rounds is 1 to %d", ROUNDS_MAX);
			break;
		case 'l':
			list();
			break;
		default:
			die("see the head of bench.c");
		}
	if (optind < argc)
		die("%s: what is that?", argv[optind]);
}

int main(int argc, char **argv)
{
	size_t i;

	options(argc, argv);
	report_start();
	task_init();
	machine_init();
	for (i = 0; i < n_families; i++)
		if (in_list(run.families, families[i].name, false) && family_lacks(&families[i]))
			report_note("no %s: %s", families[i].name, family_lacks(&families[i]));
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		measure_row(rows[i]);
	return 0;
}
