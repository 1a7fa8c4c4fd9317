/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the race tests share: a seeded generator, the size of the test, and a
 * starting line that lets two threads go at the same instant.
 */
#ifndef PARLEY_SELFTEST_LIB_RACE_H
#define PARLEY_SELFTEST_LIB_RACE_H

#include <stdbool.h>
#include <linux/types.h>

/**
 * race_seed() - the seed of this run
 *
 * PARLEY_STORM_SEED if that is set, otherwise a new one; print it, so that a
 * run can be repeated.
 */
__u64 race_seed(void);

/**
 * race_scale() - how many rounds to run
 * @usual: the number on a stock kernel
 *
 * PARLEY_STORM_SCALE is a percentage. Without it, a kernel with kmemleak or
 * KCSAN, where everything is slow, gets a tenth.
 */
unsigned int race_scale(unsigned int usual);

/* One storm of many (make soak): not all that may happen has to in each of them. */
bool race_one_of_many(void);

/* One generator for each thread: seed it with the run's seed and a number. */
struct race_random {
	__u64 state;
};

void race_random_init(struct race_random *r, __u64 seed, __u64 stream);
__u64 race_random(struct race_random *r);
/* Uniform below @limit, which is at least 1. */
unsigned int race_below(struct race_random *r, unsigned int limit);

/* Burn about @turns turns of a loop, then start: places a call in a race. */
void race_spin(unsigned int turns);

/**
 * race_ticks_ns() - time as the kernel's timers count it
 *
 * CLOCK_MONOTONIC_COARSE, which moves when jiffies do. A virtual machine's
 * ticks may come late and several at once: a timer of so many ticks is then
 * early by CLOCK_MONOTONIC, but never by this one.
 */
__u64 race_ticks_ns(void);
/* how many milliseconds of it since @begun, rounded */
long long race_ticks_ms(__u64 begun);

/**
 * struct race_line - the starting line of @runners threads
 * @runners: how many meet here
 * @waiting: how many have arrived
 * @lap: how often the line was crossed
 */
struct race_line {
	unsigned int runners;
	unsigned int waiting;
	unsigned int lap;
};

void race_line_init(struct race_line *line, unsigned int runners);
void race_line_meet(struct race_line *line);

/**
 * struct race_balance - finds the delay at which either side may win
 * @first: turns that the first side waits
 * @second: turns that the second side waits
 * @step: by how much the next result moves it
 * @winner: whether the first side won the last time, -1 at the beginning
 *
 * Who wins waits longer next time, and ever longer while it goes on winning.
 */
struct race_balance {
	int first;
	int second;
	int step;
	int winner;
};

void race_balance_init(struct race_balance *b);
void race_balance_note(struct race_balance *b, int first_won);

#endif
