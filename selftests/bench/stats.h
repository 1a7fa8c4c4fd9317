/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The clock, and what is made of its readings.
 */
#ifndef PARLEY_BENCH_STATS_H
#define PARLEY_BENCH_STATS_H

/**
 * struct stats - what many rounds come to
 * @least: the least of them
 * @median: half are below it
 * @spread: what the middle half of them covers, in per cent of @median
 */
struct stats {
	double least;
	double median;
	double spread;
};

double now_ns(void);
void stats_of(double *samples, int n, struct stats *s);

#endif /* PARLEY_BENCH_STATS_H */
