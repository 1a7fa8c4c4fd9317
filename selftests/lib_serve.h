/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The servers' side of a storm with verdicts: accepting, deciding with all
 * verdicts there are, and listeners whose rules and settings are never at rest.
 * All of it is noted in the books.
 */
#ifndef PARLEY_SELFTEST_LIB_SERVE_H
#define PARLEY_SELFTEST_LIB_SERVE_H

#include "lib_books.h"

/**
 * struct server - a thread that serves
 * @books: where it is noted
 * @random: its own
 * @listener: the listening socket
 * @slot: of books->accepting, for a thread that may be killed; else -1
 * @flags: PARLEY_NEXT_* of the next look; those of the first time go
 */
struct server {
	struct books *books;
	struct race_random random;
	int listener;
	int slot;
	unsigned int flags;
};

/* Accepts one call and talks with its caller; 0 or -errno of accept(2). */
int serve_accept(struct server *s);
/* Looks at one call and says something; 0 or -errno, -EMFILE of accept(2). */
int serve_decide(struct server *s);
/* Replaces rules, changes settings, reviews: one of these. */
void serve_upset(struct server *s);

#endif
