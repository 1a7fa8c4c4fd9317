/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Duels: threads that meet at a starting line, thousands of times, and do one
 * thing each.
 */
#ifndef PARLEY_SELFTEST_LIB_DUEL_H
#define PARLEY_SELFTEST_LIB_DUEL_H

#include "lib.h"
#include "lib_race.h"

/**
 * struct duel - what the rivals share
 * @start: where a round begins
 * @end: where it ends
 * @balance: who waits how long, so that either may win
 * @random: of the thread that judges
 * @delay: of a signal, in turns
 * @over: there are no more rounds
 * @listener: the listening socket
 * @fd: what a rival has got, or a negative errno
 * @second: the thread that gets signals
 * @to: the listener's address
 */
struct duel {
	struct race_line start;
	struct race_line end;
	struct race_balance balance;
	struct race_random random;
	unsigned int delay;
	bool over;
	int listener;
	int fd;
	pid_t second;
	struct parley_addr to;
};

/**
 * struct rival - a thread that plays its turn of every round
 * @thread: the thread
 * @tid: its number
 * @duel: where it plays
 * @turn: what it does
 */
struct rival {
	pthread_t thread;
	pid_t tid;
	struct duel *duel;
	void (*turn)(struct duel *d);
};

/* Before each duel: how many threads meet, the judge included. */
void duel_init(struct duel *d, int runners);
int rival_start(struct rival *r, struct duel *d, void (*turn)(struct duel *d));
void rivals_end(struct duel *d, struct rival *r, int n);

#endif
