/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The books of a storm with verdicts: what lib_tally.h does not know of, who
 * refused a call, what the deciders did, how many of them died with what in
 * their hands, and whether all of that agrees with the kernel's counters.
 *
 * Each call carries its number: in its call data, and as its group. What goes
 * with a verdict names the call, so that its caller can tell whether it is
 * meant.
 */
#ifndef PARLEY_SELFTEST_LIB_BOOKS_H
#define PARLEY_SELFTEST_LIB_BOOKS_H

#include "lib_race.h"
#include "lib_tally.h"

#define BOOKS_MORTALS	2	/* threads of a process that dies */
#define BOOKS_DATA_MAX	200
#define BOOKS_RULE_CODE	7700	/* of refusals by rules; a call's is its number + 1 */
#define BOOKS_RULE_REPLY "by the rules"
#define BOOKS_REPLY	"welcome"	/* the listener's own */

/* Ends of a call beside those of enum tally_what. */
enum books_end {
	BOOKS_RULE = TALLY_COUNTERS,
	BOOKS_SERVER,
	BOOKS_EXPIRED,
	BOOKS_ENDS,
};

/* What else is counted; by those who may die not to the last one. */
enum books_what {
	BOOKS_ACCEPT,		/* verdicts that were taken */
	BOOKS_REFUSE,
	BOOKS_DEFER,
	BOOKS_UNDECIDE,
	BOOKS_RESERVE,
	BOOKS_NO_CALL,		/* ENOENT */
	BOOKS_ALREADY,
	BOOKS_BUSY,
	BOOKS_ABORTED,		/* a reservation whose caller has gone */
	BOOKS_NO_FILES,		/* and one that was given back for want of them */
	BOOKS_SUCCESSIONS,	/* calls that another decider had seen before */
	BOOKS_DEFERRED,		/* deferred ones that were given */
	BOOKS_REVIEWED,
	BOOKS_TABLES,
	BOOKS_BY_TIMEOUT,	/* accepted for want of a decision */
	BOOKS_NO_ECHO,		/* the server died while they talked */
	BOOKS_DEATHS,
	BOOKS_LOST,		/* deaths in accept(2), at most so many descriptors */
	BOOKS_COUNTERS,
};

struct books {
	struct tally *tally;
	unsigned int count[BOOKS_COUNTERS];
	unsigned int accepting[BOOKS_MORTALS];	/* who might lose one now */
	int tick[2];				/* for who kills deciders */
};

struct books *books_new(unsigned int calls);
void books_add(struct books *b, enum books_what what, unsigned int n);
unsigned int books_count(const struct books *b, enum books_what what);
/* how a call ended, of either enum, and how many did so */
void books_end(struct books *b, unsigned int id, int end);
unsigned int books_ended(const struct books *b, int end);

/* Ticks for who kills deciders; says whether to go on. */
void books_tick(struct books *b);
bool books_wait_tick(struct books *b);

/* Callers: call data and group of a call; whether the reply is for it. */
int books_terms(int fd, unsigned int id, struct race_random *r);
bool books_reply_agrees(int fd, unsigned int id);

/* Servers: the number of a call by its call data and group, or -1. */
int books_number(const void *data, unsigned int len, __u64 group);
/* the reply that is for this call only; its length */
unsigned int books_reply(void *buf, unsigned int id);

/*
 * Prints the books and compares them with each other and with the counters of
 * a network namespace in which nothing else was called; how much is wrong.
 */
int books_balance(struct books *b, const struct parley_stat *st,
		  unsigned int killed);

#endif
