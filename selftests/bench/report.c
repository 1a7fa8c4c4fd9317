// SPDX-License-Identifier: GPL-2.0
/*
 * What the benchmark says: a line for each figure, in columns that are separated
 * by tabs, and notes, which begin with "#". table.awk makes tables of it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>

#include "bench.h"
#include "stats.h"

void report_start(void)
{
	struct utsname name;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (uname(&name))
		die("uname: %m");
	report_note("%s, %s", name.release,
		    run.counted ? "one processor, instructions counted" :
				  "two processors, nanoseconds");
	puts("mode\trow\tsize\tfigure\tfamily\ttuning\tunit\tvalue\tleast\tmedian\tspread\trounds");
}

/**
 * report_lane() - a figure of a family
 * @row: of this row
 * @figure: index of the figure
 * @l: the family; its samples get sorted
 * @rounds: how many samples there are
 */
void report_lane(const struct row *row, int figure, struct lane *l, int rounds)
{
	const char *unit = row->unit;
	struct stats s;
	char text[32];

	if (!unit) {
		snprintf(text, sizeof(text), "%s/%s", run.counted ? "insn" : "ns", row->per);
		unit = text;
	}
	stats_of(l->samples[figure], rounds, &s);
	printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.1f\t%.1f\t%.1f\t%.2f\t%d\n",
	       run.counted ? "counted" : "smp", row->name, l->size->label, row->figures[figure],
	       l->family->name, l->tuning->name, unit, row->least ? s.least : s.median, s.least,
	       s.median, s.spread, rounds);
}

void report_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# failed: ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	exit(1);
}
