// SPDX-License-Identifier: GPL-2.0
/*
 * The clock and the statistics.
 *
 * Time is CLOCK_MONOTONIC: instructions where QEMU counts them as nanoseconds
 * (-icount shift=0), so the same boot gives the same numbers.
 */
#include <stdlib.h>
#include <time.h>

#include "stats.h"

double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/**
 * stats_of() - sum up samples
 * @samples: get sorted
 * @n: how many, at least one
 * @s: the result
 */
void stats_of(double *samples, int n, struct stats *s)
{
	qsort(samples, n, sizeof(*samples), compare);
	s->least = samples[0];
	s->median = samples[n / 2];
	s->spread = s->median ? 100 * (samples[3 * n / 4] - samples[n / 4]) / s->median : 0;
}
