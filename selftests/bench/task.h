/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The process at the other end of what is measured.
 */
#ifndef PARLEY_BENCH_TASK_H
#define PARLEY_BENCH_TASK_H

#include "bench.h"

void task_init(void);
/* runs @fn, with no other descriptors than @keep's, in a process of its own */
void task_start(struct lane *l, int *keep, int n, void (*fn)(struct lane *l));
/* waits until it has ended, which is its own decision */
void task_end(struct lane *l);
/* for one that would go on for ever */
void task_kill(struct lane *l);

/* a counter that one process waits for and another one raises */
struct signpost;
struct signpost *signpost_new(void);
void signpost_free(struct signpost *s);
void signpost_raise(struct signpost *s);
void signpost_await(struct signpost *s);

#endif /* PARLEY_BENCH_TASK_H */
