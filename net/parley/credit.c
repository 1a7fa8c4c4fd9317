// SPDX-License-Identifier: GPL-2.0
/*
 * A token bucket as numbers: what may be sent now, and when there will be
 * enough. Pure; tests/credit_kunit.c. Who is paced, and who waits, is in
 * pace.c.
 *
 * Credit is counted in billionths of a byte: what comes in a nanosecond is
 * then the rate itself, and no division, hence no rounding, is between the
 * rate that was granted and what is sent.
 */
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/time64.h>

#include "parley.h"

#define PARLEY_BYTE		((s64)NSEC_PER_SEC)
/* A full bucket and the deepest debt still differ by less than S64_MAX. */
#define PARLEY_CREDIT_MAX	(S64_MAX / 2)

/* Who waits is woken for what comes in so long, not for each byte. */
#define PARLEY_BATCH_NS		(5 * NSEC_PER_MSEC)
/* But the bucket shall not overflow meanwhile, if it lasts as long as this. */
#define PARLEY_BATCH_MIN_NS	(100 * NSEC_PER_USEC)
/* So late may one be woken and lose nothing. */
#define PARLEY_LATE_NS		(10 * NSEC_PER_MSEC)

/* What comes at @rate in @ns, as far as it can be counted. */
static s64 parley_credit_of(u64 rate, u64 ns)
{
	u64 sum;

	if (check_mul_overflow(rate, ns, &sum))
		return PARLEY_CREDIT_MAX;
	return min_t(u64, sum, PARLEY_CREDIT_MAX);
}

/* More bytes than can be counted cost as many as can. */
static s64 parley_credit_cost(u64 bytes)
{
	return parley_credit_of(bytes, PARLEY_BYTE);
}

/**
 * parley_credit_init - a full bucket
 * @c: filled
 * @rate: bytes per second
 * @depth: bytes that it holds, at least one
 * @late: a sender who is cut short loses nothing by being woken late
 * @now: CLOCK_MONOTONIC in ns
 *
 * Context: any.
 */
void parley_credit_init(struct parley_credit *c, u64 rate, u64 depth,
			bool late, u64 now)
{
	s64 least = parley_credit_of(rate, PARLEY_BATCH_MIN_NS);
	s64 most = parley_credit_of(rate, PARLEY_BATCH_NS);

	c->rate = rate;
	c->depth = parley_credit_cost(max_t(u64, depth, 1));
	c->late = late ? min(parley_credit_of(rate, PARLEY_LATE_NS),
			     PARLEY_CREDIT_MAX - c->depth) : 0;
	c->batch = clamp(c->depth / 2, max(least, PARLEY_BYTE),
			 max(most, PARLEY_BYTE));
	if (!late)
		c->batch = min(c->batch, c->depth);
	c->have = c->depth;
	c->at = now;
}

/**
 * parley_credit_refill - let what has come meanwhile count
 * @c: the bucket
 * @now: CLOCK_MONOTONIC in ns; going back does nothing
 * @late: the sender was cut short the last time
 *
 * Context: any; one at a time.
 */
void parley_credit_refill(struct parley_credit *c, u64 now, bool late)
{
	s64 most = c->depth + (late ? c->late : 0);
	u64 sum;

	if (now > c->at) {
		if (check_mul_overflow(c->rate, now - c->at, &sum) ||
		    sum >= (u64)(PARLEY_CREDIT_MAX - c->have))
			c->have = PARLEY_CREDIT_MAX;
		else
			c->have += sum;
		c->at = now;
	}
	/* What was kept for who is late is lost to who did not need it. */
	c->have = min(c->have, most);
}

/**
 * parley_credit_bytes - how many bytes may be sent now
 * @c: the bucket, refilled
 *
 * Context: any; one at a time.
 * Return: whole bytes.
 */
u64 parley_credit_bytes(const struct parley_credit *c)
{
	return c->have > 0 ? div_u64(c->have, NSEC_PER_SEC) : 0;
}

/**
 * parley_credit_has - whether something that cannot be split may be sent now
 * @c: the bucket, refilled
 * @bytes: what it costs; if that is more than the bucket holds, a full bucket
 *	is enough, and what is owed then comes first
 *
 * Context: any; one at a time.
 * Return: true if it may.
 */
bool parley_credit_has(const struct parley_credit *c, u64 bytes)
{
	return c->have >= min(parley_credit_cost(bytes), c->depth);
}

/* What one waits for who has to send that much at least. */
static s64 parley_credit_want(const struct parley_credit *c, u64 least)
{
	return max(c->batch, min(parley_credit_cost(least), c->depth));
}

/**
 * parley_credit_worth - whether a part of something may be sent now
 * @c: the bucket, refilled
 * @bytes: what all of it costs
 * @least: what the smallest part costs
 *
 * Context: any; one at a time.
 * Return: true if there is credit for all of it or for a batch: who sends the
 * little that comes in between would never have to wait.
 */
bool parley_credit_worth(const struct parley_credit *c, u64 bytes, u64 least)
{
	return c->have >= min(parley_credit_cost(bytes),
			      parley_credit_want(c, least));
}

/**
 * parley_credit_spend - something was sent
 * @c: the bucket
 * @bytes: what it costs; may be more than there is
 *
 * Context: any; one at a time.
 */
void parley_credit_spend(struct parley_credit *c, u64 bytes)
{
	s64 cost = parley_credit_cost(bytes);

	/* A debt is never deeper than one bucket can be. */
	c->have = c->have < cost - PARLEY_CREDIT_MAX ? -PARLEY_CREDIT_MAX :
						       c->have - cost;
}

/**
 * parley_credit_due - when it is worth while to send again
 * @c: the bucket
 * @least: for something that costs so much, or for a batch if that is more
 *
 * Context: any; one at a time.
 * Return: CLOCK_MONOTONIC in ns; 0 if it is now. If nothing is sent, there is
 * enough then and not a nanosecond before.
 */
u64 parley_credit_due(const struct parley_credit *c, u64 least)
{
	s64 want = parley_credit_want(c, least);
	u64 lack, ns, rest;

	if (c->have >= want)
		return 0;
	lack = want - c->have;
	ns = div64_u64_rem(lack, c->rate, &rest);
	return c->at + ns + !!rest;
}
