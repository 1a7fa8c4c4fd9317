/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of pacing share: connections with a granted rate, and time
 * as an event.
 *
 * Include it after kselftest_harness.h. Functions return a negative errno when
 * they fail.
 */
#ifndef PARLEY_SELFTEST_LIB_PACE_H
#define PARLEY_SELFTEST_LIB_PACE_H

#include "lib_terms.h"

#define PACE_ANY	PARLEY_QOS_UNSPECIFIED
/* So long one may be woken late and lose nothing, and a peak may last. */
#define PACE_LATE_MS	10

/* A flow of which nothing is said but its rate and its bucket. */
struct parley_flowspec pace_flow(__u32 rate, __u32 bucket);
/*
 * A connection of the listener's type, of which one direction was asked for, and granted, as @flow
 * says: @fd[0] sends and @fd[1] receives what is paced. The caller sends, or,
 * with @callee, the socket that was accepted. Both are blocking.
 */
int pace_pair(int listener, const char *host, int port,
	      const struct parley_flowspec *flow, bool callee, int fd[2]);
/* Sends what there is credit for. */
long pace_put(int fd, size_t n);
/* Sends until there is no credit, whatever comes in meanwhile. */
long pace_drain(int fd, size_t n);
/* Reads and throws away all that there is. */
long pace_get(int fd);
/* Waits until so much time has passed since @from, by CLOCK_MONOTONIC. */
int pace_until(unsigned long long from, unsigned int ms);

#endif /* PARLEY_SELFTEST_LIB_PACE_H */
