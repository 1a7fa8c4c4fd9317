/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of deciders share: the ioctls by which calls are looked at
 * and decided, threads that wait in them, and how to say what a listener and a
 * caller should look like afterwards.
 *
 * Include it after kselftest_harness.h. Functions return a negative errno when
 * they fail; none of them exits. What is_...() and ..._is() functions find
 * different they print as a comment.
 */
#ifndef PARLEY_SELFTEST_LIB_DECIDE_H
#define PARLEY_SELFTEST_LIB_DECIDE_H

#include "lib.h"

/* Looking at calls */

/* @next holds pointers and rooms, or zeroes; the rest is filled in here. */
int decide_next(int fd, unsigned int flags, struct parley_next_call *next);
/* the id of the next call, without waiting for one; ids are above 0 */
long long decide_next_id(int fd, unsigned int flags);
/* whether there is nothing to be given */
bool decide_next_is_none(int fd, unsigned int flags);

/* Verdicts */

/* @d without its size */
int decide(int fd, struct parley_decision *d);
/* a verdict and nothing else */
int decide_call(int fd, __u64 id, unsigned int verdict, unsigned int flags);
int decide_refuse(int fd, __u64 id, __u32 code, __u32 retry_after_ms,
		  const char *reply);
int decide_accept(int fd, __u64 id, unsigned int flags, const char *reply);
int decide_review(int fd);
/* no rules but a default that says only @verdict */
int decide_rules(int fd, unsigned int verdict);

/* Calls */

/*
 * A new non-blocking socket that calls @listener and was looked at: its id.
 * Nothing older may be there that was not given yet.
 */
long long decide_offer(int listener, int *call);
/* the same, and then DEFER, or ACCEPT */
long long decide_offer_deferred(int listener, int *call);
long long decide_offer_approved(int listener, int *call, unsigned int flags);

/* How things are */

bool decide_backlog_is(int fd, unsigned int pending, unsigned int deferred,
		       unsigned int approved);
/* the call of @fd failed with ECONNREFUSED, or will soon */
bool decide_refused_is(int fd, unsigned int reason, unsigned int code);
/* nothing is known about the call of @fd */
bool decide_waits(int fd);
/* accept(2) returns this very call, and the connection works */
bool decide_accepts(int listener, int call);
/* accept(2) has nothing to take, and poll(2) knows it */
bool decide_accepts_none(int listener);

/* A thread that waits in PARLEY_IOC_NEXT_CALL; the result is the id. */
struct decide_waiter {
	struct parley_thread thread;
	int fd;
	unsigned int flags;
	struct parley_next_call next;
};

int decide_waiter_start(struct decide_waiter *w, int fd, unsigned int flags);
/* and has gone to sleep there */
int decide_waiter_blocked(struct decide_waiter *w, int fd, unsigned int flags);
long long decide_waiter_join(struct decide_waiter *w);

#endif /* PARLEY_SELFTEST_LIB_DECIDE_H */
