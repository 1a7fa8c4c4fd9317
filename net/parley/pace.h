/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a granted quality of service means: credit.c, pace.c, grant.c. Part of
 * parley.h, which includes it.
 */
#ifndef _NET_PARLEY_PACE_H
#define _NET_PARLEY_PACE_H

#include <linux/atomic.h>
#include <linux/hrtimer.h>
#include <linux/types.h>

struct parley_call;
struct parley_flowspec;
struct parley_qos;
struct parley_sock;
struct sock;

/* credit.c: a token bucket as numbers. Pure. */

/**
 * struct parley_credit - how much may be sent at one rate
 * @rate: bytes per second; 0: there is no such limit, and the rest is unused
 * @depth: the most that comes together while nobody sends; a byte at least
 * @late: and how much more for a sender who was cut short, and is woken late
 * @batch: what such a sender is woken for
 * @have: what there is, or, below 0, how much too much was sent
 * @at: when that was so
 *
 * In billionths of a byte, so that a nanosecond at any rate is a whole number
 * and nothing is ever rounded away; in 64 bits, so at most 4.6e9 bytes.
 */
struct parley_credit {
	u64 rate;
	s64 depth;
	s64 late;
	s64 batch;
	s64 have;
	u64 at;
};

void parley_credit_init(struct parley_credit *c, u64 rate, u64 depth,
			bool late, u64 now);
void parley_credit_refill(struct parley_credit *c, u64 now, bool late);
u64 parley_credit_bytes(const struct parley_credit *c);
bool parley_credit_has(const struct parley_credit *c, u64 bytes);
bool parley_credit_worth(const struct parley_credit *c, u64 bytes, u64 least);
void parley_credit_spend(struct parley_credit *c, u64 bytes);
u64 parley_credit_due(const struct parley_credit *c, u64 least);

/* pace.c: a paced socket */

/* The limits of one direction: token_rate with its bucket, and peak_rate. */
enum { PARLEY_PACE_RATE, PARLEY_PACE_PEAK, PARLEY_PACES };

/**
 * struct parley_pace - how fast a socket may send
 * @credit: what it may send now, of each limit. The ring's wlock
 * @policed: shorter pieces count as so many bytes; does not change
 * @max_sdu: no record is longer; does not change
 * @cut_short: the last send could have sent more, had there been credit. The
 *	ring's wlock
 * @wish: the record that was refused last costs so much, 0 if there is none.
 *	The ring's wlock
 * @ready: from when on a send is worth while, CLOCK_MONOTONIC in ns. Written
 *	under the ring's wlock, read without by those who wait
 * @timer: runs until @ready if somebody waits
 * @sk: whose it is; set with @sk's own pointer to this
 *
 * Lifetime: the socket's. The timer holds nothing: parley_pace_stop() waits
 * for it, and nobody starts it after that.
 */
struct parley_pace {
	struct parley_credit credit[PARLEY_PACES];
	u32 policed;
	u32 max_sdu;
	bool cut_short;
	u64 wish;
	atomic64_t ready;
	struct hrtimer timer;
	struct sock *sk;
};

struct parley_pace *parley_pace_new(const struct parley_flowspec *flow,
				    bool records, gfp_t gfp);
void parley_pace_free(struct parley_pace *pace);
size_t parley_pace_room(struct parley_pace *pace, u64 now, size_t count);
bool parley_pace_fits(struct parley_pace *pace, u64 now, size_t len);
void parley_pace_spent(struct parley_pace *pace, size_t len, bool sent);
bool __parley_pace_ready(struct parley_pace *pace);
void parley_pace_stop(struct parley_sock *psk);

/**
 * parley_pace_ready - whether there is credit for a send that is worth while
 * @pace: the sending socket's, or NULL
 *
 * Context: any. If not, sk_write_space() is called once there is.
 * Return: true if there is, or none is needed.
 */
static inline bool parley_pace_ready(struct parley_pace *pace)
{
	return likely(!pace) || __parley_pace_ready(pace);
}

/**
 * parley_pace_max - the longest record that may be sent
 * @pace: the sending socket's, or NULL
 *
 * Context: any.
 * Return: bytes.
 */
static inline size_t parley_pace_max(const struct parley_pace *pace)
{
	return likely(!pace) ? SIZE_MAX : pace->max_sdu;
}

/* grant.c: what is granted to a call, and what that means */
int parley_grant_prepare(struct parley_call *call, struct sock *callee,
			 struct parley_pace **pace);
void parley_grant_join(struct parley_call *call, struct sock *callee,
		       struct parley_pace **pace);
bool parley_grant_promise(struct parley_call *call,
			  const struct parley_qos *granted);
void parley_grant_return(struct parley_call *call);
void parley_grant_closed(struct parley_sock *psk);

#endif /* _NET_PARLEY_PACE_H */
