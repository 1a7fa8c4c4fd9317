// SPDX-License-Identifier: GPL-2.0
/* The race tests' generator, sizes and starting line. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "lib_race.h"

#define RACE_PATIENCE	2000	/* turns before the processor is given away */
#define RACE_NEAR	32	/* the smallest step of a delay, in turns */
#define RACE_FAR	2000000	/* the longest delay */

__u64 race_seed(void)
{
	const char *text = getenv("PARLEY_STORM_SEED");
	struct timespec now;
	__u64 seed;

	if (text)
		return strtoull(text, NULL, 0);
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed))
		return seed;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000007ULL ^ now.tv_nsec ^ getpid();
}

unsigned int race_scale(unsigned int usual)
{
	const char *text = getenv("PARLEY_STORM_SCALE");
	unsigned long percent = 100;
	unsigned long number;

	if (text)
		percent = strtoul(text, NULL, 0);
	else if (!access("/sys/kernel/debug/kmemleak", F_OK) ||
		 !access("/sys/kernel/debug/kcsan", F_OK))
		percent = 10;
	number = usual * percent / 100;
	return number ? number : 1;
}

bool race_one_of_many(void)
{
	return getenv("PARLEY_STORM_OF_MANY");
}

/* splitmix64 */
__u64 race_random(struct race_random *r)
{
	__u64 z = r->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

void race_random_init(struct race_random *r, __u64 seed, __u64 stream)
{
	r->state = stream;
	r->state = seed ^ race_random(r);
}

unsigned int race_below(struct race_random *r, unsigned int limit)
{
	return race_random(r) % limit;
}

void race_spin(unsigned int turns)
{
	while (turns--)
		__asm__ __volatile__("" ::: "memory");
}

__u64 race_ticks_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

long long race_ticks_ms(__u64 begun)
{
	/* A tick is not exactly so many milliseconds. */
	return (race_ticks_ns() - begun + 500000) / 1000000;
}

void race_line_init(struct race_line *line, unsigned int runners)
{
	line->runners = runners;
	line->waiting = 0;
	line->lap = 0;
}

void race_line_meet(struct race_line *line)
{
	unsigned int lap = __atomic_load_n(&line->lap, __ATOMIC_ACQUIRE);
	unsigned int turns = 0;

	if (__atomic_add_fetch(&line->waiting, 1, __ATOMIC_ACQ_REL) ==
	    line->runners) {
		__atomic_store_n(&line->waiting, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&line->lap, lap + 1, __ATOMIC_RELEASE);
		return;
	}
	while (__atomic_load_n(&line->lap, __ATOMIC_ACQUIRE) == lap)
		if (++turns > RACE_PATIENCE)
			sched_yield();
}

void race_balance_init(struct race_balance *b)
{
	b->first = 0;
	b->second = 0;
	b->step = RACE_NEAR;
	b->winner = -1;
}

void race_balance_note(struct race_balance *b, int first_won)
{
	int lead = b->first - b->second;

	if (first_won == b->winner)
		b->step *= 2;
	else
		b->step /= 4;
	if (b->step < RACE_NEAR)
		b->step = RACE_NEAR;
	if (b->step > RACE_FAR / 4)
		b->step = RACE_FAR / 4;
	b->winner = first_won;

	lead += first_won ? b->step : -b->step;
	if (lead > RACE_FAR)
		lead = RACE_FAR;
	if (lead < -RACE_FAR)
		lead = -RACE_FAR;
	b->first = lead > 0 ? lead : 0;
	b->second = lead < 0 ? -lead : 0;
}
