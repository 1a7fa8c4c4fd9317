/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is asked of the machine rather than of a socket.
 */
#ifndef PARLEY_BENCH_MACHINE_H
#define PARLEY_BENCH_MACHINE_H

void machine_init(void);
/* waits for what is done later: by timers, work items, RCU */
void machine_settle(void);
/* bytes that are in use when all has settled down */
double machine_memory(void);

#endif /* PARLEY_BENCH_MACHINE_H */
