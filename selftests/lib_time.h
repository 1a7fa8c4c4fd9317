/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of time share. Mostly the machine's time goes by as it likes,
 * and all that can be asked for is that nothing comes too early. Where the
 * emulator counts instructions (make check-time) the time that nobody needs
 * costs nothing: there tests wait for days, and nothing may come late.
 */
#ifndef PARLEY_SELFTEST_LIB_TIME_H
#define PARLEY_SELFTEST_LIB_TIME_H

#include "lib.h"

#define TIME_MS		1000000ULL
#define TIME_SECOND	1000000000ULL
#define TIME_DAY	(86400 * TIME_SECOND)

/* Time is counted, so that it is exact, and waiting is cheap. */
bool time_counted(void);
/* So many days may pass: PARLEY_DAYS. */
unsigned int time_days(void);
/* Of the kernel's timers, in nanoseconds. */
unsigned long long time_tick(void);

/*
 * Whether something that was to take @ms milliseconds and took @ns did so: it
 * never takes less. Where time is counted it takes no more than @slack ticks
 * longer. What is wrong is printed.
 *
 * What a socket's time-outs are kept in, as everywhere in the kernel, are ticks:
 * with @in_ticks, what is far off may come later by an eighth. And on a busy
 * machine ticks that came late come all at once, then it may be early.
 */
bool time_right(const char *what, unsigned long long ms, unsigned long long ns,
		unsigned int slack, bool in_ticks);

/* Waits for the end of this time, CLOCK_MONOTONIC, however long that takes. */
int time_until(unsigned long long ns);

/* A new socket that calls @port of 127.0.0.1, and waits so long; 0: for ever. */
int time_call(int port, unsigned int ms);

#endif /* PARLEY_SELFTEST_LIB_TIME_H */
