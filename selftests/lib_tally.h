/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The books of a race test, in memory that all its processes share: how each
 * call ended for its caller, whether a server accepted it, and whether that
 * agrees with the kernel's counters.
 */
#ifndef PARLEY_SELFTEST_LIB_TALLY_H
#define PARLEY_SELFTEST_LIB_TALLY_H

#include <stdbool.h>

#include "lib.h"

#define TALLY_MAX_ID	0xfffff
#define TALLY_NO_TOKEN	(-1)	/* end of file, or errno */
#define TALLY_STRANGE	(-2)	/* bytes, but no token */

/* How a call ended for the caller, and after that what else is counted. */
enum tally_what {
	TALLY_KILLED,		/* nobody is left to say */
	TALLY_ESTABLISHED,
	TALLY_NO_LISTENER,
	TALLY_FULL,
	TALLY_LIMIT,
	TALLY_CLOSED,		/* the listener */
	TALLY_TIMED_OUT,
	TALLY_GONE,		/* withdrawn, or refused and not asked why */
	TALLY_UNKNOWN,		/* closed while it was pending */
	TALLY_NOT_MADE,
	TALLY_ENDS,
	/* callers */
	TALLY_INTERRUPTS = TALLY_ENDS,
	/* servers */
	TALLY_ACCEPTED,
	TALLY_MUTE,		/* end of file instead of a token */
	TALLY_ANONYMOUS,	/* mute, and no number in the address */
	TALLY_ACCEPT_INTERRUPTS,
	TALLY_NOT_LISTENING,
	TALLY_NO_FILES,
	TALLY_SHUTDOWNS,
	TALLY_REBIRTHS,
	/* both */
	TALLY_WRONG,
	TALLY_COUNTERS,
};

/* Who is told now and then that calls have ended. */
enum tally_listener {
	TALLY_SERVER_0,
	TALLY_SERVER_1,
	TALLY_KILLER,
	TALLY_LISTENERS,
};

struct tally_call {
	unsigned char end;	/* enum tally_what */
	unsigned char accepted;	/* how often; more than once is wrong */
	unsigned char bound;	/* the address is the number */
	unsigned char told;	/* the token was sent */
	unsigned char mute;	/* the caller has decided to send none */
};

struct tally {
	unsigned int calls;
	unsigned int next;
	unsigned int stop;
	unsigned int count[TALLY_COUNTERS];
	int tick[TALLY_LISTENERS][2];
	struct tally_call call[];
};

struct tally *tally_new(unsigned int calls);
unsigned int tally_count(const struct tally *t, enum tally_what what);
void tally_add(struct tally *t, enum tally_what what, unsigned int n);
void tally_wrong(struct tally *t, unsigned int id, const char *what,
		 long value);

/* Callers: the number of the next call (t->calls and more: none), its end. */
unsigned int tally_next(struct tally *t);
void tally_end(struct tally *t, unsigned int id, enum tally_what end);

/* Servers: a connection was accepted, from @id if that is known already. */
void tally_accept(struct tally *t, int id);
void tally_identify(struct tally *t, unsigned int id);

/* Call numbers as addresses of 127/8; -1 if the address is not a number. */
void tally_address(struct parley_addr *a, unsigned int id);
int tally_address_id(const struct parley_addr *a);

/* Call numbers as tokens on a connection. */
int tally_send(int fd, unsigned int id);
int tally_receive(int fd);

/* Ticks: waits for one, says whether to go on. */
void tally_tick(struct tally *t, unsigned int id);
bool tally_wait_tick(struct tally *t, enum tally_listener who);
void tally_stop(struct tally *t);
bool tally_stopped(const struct tally *t);

/*
 * Prints the books and compares them with each other and with the counters of
 * a network namespace in which nothing else was called; how much is wrong.
 */
int tally_balance(struct tally *t, const struct parley_stat *st,
		  unsigned int killed);

#endif
