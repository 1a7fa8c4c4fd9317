// SPDX-License-Identifier: GPL-2.0
/*
 * Pacing: a socket whose direction was granted a rate sends no faster. Each
 * such socket has a struct parley_pace of its own, made before the connection
 * and with it; all others have none, and pay for a look at a pointer.
 *
 * What may be sent is counted by who sends, under the ring's wlock. Who waits
 * takes no lock: it compares the clock with one number, the time from which on
 * a send is worth while, and starts a timer for it if that is to come.
 */
#include <linux/ktime.h>
#include <linux/slab.h>

#include "parley.h"

/* Who grants a rate and no bucket means what comes in so long, */
#define PARLEY_BUCKET_PER_S	10
/* and at least this, or short messages would be sent by the byte. */
#define PARLEY_BUCKET_MIN	4096
/* The time over which a peak rate is not exceeded. */
#define PARLEY_PEAK_PER_S	100

static bool parley_pace_said(u32 value)
{
	return value != PARLEY_QOS_UNSPECIFIED;
}

/* There is credit again: those who wait look. */
static enum hrtimer_restart parley_pace_expire(struct hrtimer *timer)
{
	struct parley_pace *pace = container_of(timer, struct parley_pace,
						timer);

	pace->sk->sk_write_space(pace->sk);
	return HRTIMER_NORESTART;
}

static void parley_pace_init(struct parley_pace *pace,
			     const struct parley_flowspec *flow, u64 now)
{
	u32 bucket = flow->bucket_size;

	if (!parley_pace_said(bucket))
		bucket = max_t(u32, flow->token_rate / PARLEY_BUCKET_PER_S,
			       PARLEY_BUCKET_MIN);
	if (parley_pace_said(flow->token_rate))
		parley_credit_init(&pace->credit[PARLEY_PACE_RATE],
				   flow->token_rate, bucket, true, now);
	if (parley_pace_said(flow->peak_rate))
		parley_credit_init(&pace->credit[PARLEY_PACE_PEAK],
				   flow->peak_rate,
				   flow->peak_rate / PARLEY_PEAK_PER_S, false,
				   now);
	if (parley_pace_said(flow->min_policed))
		pace->policed = flow->min_policed;
	pace->max_sdu = flow->max_sdu;
	atomic64_set(&pace->ready, 0);
	hrtimer_setup(&pace->timer, parley_pace_expire, CLOCK_MONOTONIC,
		      HRTIMER_MODE_ABS_SOFT);
}

/**
 * parley_pace_new - what a socket needs to keep to a grant
 * @flow: what is granted of what it sends
 * @records: it sends records, so their length counts
 * @gfp: how to allocate
 *
 * Context: process, may sleep if @gfp says so.
 * Return: a pace that nobody has yet, with full buckets; NULL if there is
 * nothing to keep to; -ENOMEM as a pointer.
 */
struct parley_pace *parley_pace_new(const struct parley_flowspec *flow,
				    bool records, gfp_t gfp)
{
	struct parley_pace *pace;

	if (flow->service == PARLEY_SERVICE_NOTRAFFIC)
		return NULL;
	if (!parley_pace_said(flow->token_rate) &&
	    !parley_pace_said(flow->peak_rate) &&
	    !(records && parley_pace_said(flow->max_sdu)))
		return NULL;
	pace = kzalloc(sizeof(*pace), gfp);
	if (!pace)
		return ERR_PTR(-ENOMEM);
	parley_pace_init(pace, flow, ktime_get_ns());
	return pace;
}

/**
 * parley_pace_free - a pace is not needed any more
 * @pace: it, or NULL; its timer does not run
 *
 * Context: any.
 */
void parley_pace_free(struct parley_pace *pace)
{
	kfree(pace);
}

static void parley_pace_refill(struct parley_pace *pace, u64 now)
{
	unsigned int i;

	for (i = 0; i < PARLEY_PACES; i++)
		if (pace->credit[i].rate)
			parley_credit_refill(&pace->credit[i], now,
					     pace->cut_short);
}

/**
 * parley_pace_room - how much of a stream may be sent now
 * @pace: the sending socket's
 * @now: CLOCK_MONOTONIC in ns
 * @count: how many bytes there are to send, at least one
 *
 * Context: process, the ring's wlock held. parley_pace_spent() must follow.
 * Return: so many bytes, @count at most.
 */
size_t parley_pace_room(struct parley_pace *pace, u64 now, size_t count)
{
	u64 least = max_t(u64, pace->policed, 1);
	u64 cost = max_t(u64, pace->policed, count);
	size_t room = count;
	unsigned int i;

	parley_pace_refill(pace, now);
	for (i = 0; i < PARLEY_PACES; i++) {
		struct parley_credit *c = &pace->credit[i];

		if (!c->rate)
			continue;
		if (!parley_credit_worth(c, cost, least))
			room = 0;
		room = min_t(u64, room, max(parley_credit_bytes(c), least));
	}
	pace->cut_short = room < count;
	pace->wish = 0;
	return room;
}

/**
 * parley_pace_fits - whether a record may be sent now
 * @pace: the sending socket's
 * @now: CLOCK_MONOTONIC in ns
 * @len: its length in bytes, parley_pace_max() at most
 *
 * A record that is longer than a bucket goes when the bucket is full. The next
 * one then waits until what is owed has come too.
 *
 * Context: process, the ring's wlock held. parley_pace_spent() must follow.
 * Return: true if all of it may.
 */
bool parley_pace_fits(struct parley_pace *pace, u64 now, size_t len)
{
	u64 cost = max_t(u64, pace->policed, len);
	bool fits = true;
	unsigned int i;

	parley_pace_refill(pace, now);
	for (i = 0; i < PARLEY_PACES; i++)
		if (pace->credit[i].rate &&
		    !parley_credit_has(&pace->credit[i], cost))
			fits = false;
	pace->cut_short = !fits;
	pace->wish = fits ? 0 : cost;
	return fits;
}

/**
 * parley_pace_spent - what was sent is counted
 * @pace: the sending socket's
 * @len: how many bytes were sent
 * @sent: something was; an empty record is something
 *
 * Context: process, the ring's wlock held.
 */
void parley_pace_spent(struct parley_pace *pace, size_t len, bool sent)
{
	u64 least = max_t(u64, pace->wish, pace->policed);
	u64 cost = max_t(u64, len, pace->policed);
	u64 old = atomic64_read(&pace->ready);
	u64 ready = 0;
	unsigned int i;

	for (i = 0; i < PARLEY_PACES; i++) {
		struct parley_credit *c = &pace->credit[i];

		if (!c->rate)
			continue;
		if (sent)
			parley_credit_spend(c, cost);
		ready = max(ready, parley_credit_due(c, least));
	}
	ready = min_t(u64, ready, KTIME_MAX);
	atomic64_set(&pace->ready, ready);
	if (ready >= old)
		return;
	/* A record that was refused is not wished for any more. */
	smp_mb(); /* ready, then the timer: pairs with __parley_pace_ready() */
	if (hrtimer_active(&pace->timer))
		hrtimer_start(&pace->timer, ns_to_ktime(ready),
			      HRTIMER_MODE_ABS_SOFT);
}

/**
 * __parley_pace_ready - parley_pace_ready() of a paced socket
 * @pace: the socket's
 *
 * Who waits is among the waiters before it asks. If the time moves on
 * meanwhile, since somebody else sends, the timer is early: then all who wait
 * ask again.
 *
 * Context: any, no locks needed; the socket is not released.
 * Return: as parley_pace_ready().
 */
bool __parley_pace_ready(struct parley_pace *pace)
{
	u64 ready = atomic64_read(&pace->ready);

	if (ktime_get_ns() >= ready)
		return true;
	sk_set_bit(SOCKWQ_ASYNC_NOSPACE, pace->sk);
	hrtimer_start(&pace->timer, ns_to_ktime(ready), HRTIMER_MODE_ABS_SOFT);
	smp_mb(); /* the timer, then ready: pairs with parley_pace_spent() */
	if ((u64)atomic64_read(&pace->ready) < ready)
		hrtimer_start(&pace->timer, 0, HRTIMER_MODE_ABS_SOFT);
	return false;
}

/**
 * parley_pace_stop - a socket is released: nobody waits any more
 * @psk: any socket
 *
 * Context: process; waits for the timer.
 */
void parley_pace_stop(struct parley_sock *psk)
{
	if (unlikely(psk->pace))
		hrtimer_cancel(&psk->pace->timer);
}
