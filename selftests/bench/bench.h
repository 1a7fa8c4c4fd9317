/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the benchmark share: how a run is to be done, what a row of
 * the table is, and a lane, which is one family, tuned in one way, on one row.
 *
 * Nothing here returns an error that the caller would have to look at: whatever
 * fails ends the benchmark with a message, since a figure that was got past an
 * error is worth nothing.
 */
#ifndef PARLEY_BENCH_H
#define PARLEY_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "families.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define KIB		1024L
#define MIB		(1024L * KIB)

#define FIGURES_MAX	4
#define ROUNDS_MAX	512

/**
 * struct run - what the command line asks for
 * @counted: time are instructions, and there is one processor
 * @rounds: how often each lane is measured; 0 lets the row say
 * @only: rows whose names begin with one of these, by commas; NULL for all
 * @families: likewise, families, by their whole names
 */
struct run {
	bool counted;
	int rounds;
	const char *only;
	const char *families;
};

extern struct run run;

/**
 * struct lane - a family on a row
 * @family: which one
 * @tuning: how its sockets are set up
 * @size: the size of the row that is measured
 * @ops: how many operations a round has
 * @end: this process' end of the connection, if the row has one
 * @listener: if the row has one
 * @addr: where that listens
 * @pid: the process at the other end, 0 without one
 * @state: the row's own
 * @samples: for each of the row's figures what each round gave
 */
struct lane {
	const struct family *family;
	const struct tuning *tuning;
	const struct row_size *size;
	long ops;
	struct end end;
	int listener;
	struct address addr;
	pid_t pid;
	void *state;
	double samples[FIGURES_MAX][ROUNDS_MAX];
};

/**
 * struct row_size - one size, or kind, of a row
 * @n: bytes, connections, whatever the row counts
 * @label: for the table
 * @ops: operations of each round, counted; otherwise it is a quarter of that
 */
struct row_size {
	long n;
	const char *label;
	long ops;
};

/**
 * struct row - one thing that is measured
 * @name: what --only looks for
 * @unit: of the figures; NULL for time: insn or ns
 * @per: what the time is divided by: "cycle", "KiB"
 * @figures: what a round gives; one that is "" needs no name
 * @sizes: ends with one without a label
 * @rounds: how many, counted and otherwise; 0: this row is not for that mode
 * @tunings: those that make a difference to it, TUNE_*
 * @together: all sizes and families are measured by turns
 * @least: the least of the rounds is the figure, not the median: right where
 *	nothing is put off that would have to be paid for in a later round
 * @fits: whether a family can do it, with that size; NULL if all can
 * @start: makes a lane ready
 * @round: measures it once, @value has one for each figure
 * @stop: takes down what @start set up
 */
struct row {
	const char *name;
	const char *unit;
	const char *per;
	const char *figures[FIGURES_MAX];
	const struct row_size *sizes;
	int rounds[2];
	int tunings;
	bool together;
	bool least;
	bool (*fits)(const struct family *f, long n);
	void (*start)(struct lane *l);
	void (*round)(struct lane *l, double *value);
	void (*stop)(struct lane *l);
};

/* row_data.c */
extern const struct row row_pingpong, row_stream;
/* row_connect.c */
extern const struct row row_cycle, row_connect, row_accepted;
void cycle_round(struct lane *l, double *value);
/* row_request.c */
extern const struct row row_request;
/* row_epoll.c */
extern const struct row row_epoll;
/* row_crowd.c */
extern const struct row row_backlog, row_listeners;
/* row_memory.c */
extern const struct row row_memory_pair, row_memory_pending;
/* row_policy.c */
extern const struct row row_policy;

/* report.c */
void report_start(void);
void report_lane(const struct row *row, int figure, struct lane *l, int rounds);
void report_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif /* PARLEY_BENCH_H */
