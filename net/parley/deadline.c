// SPDX-License-Identifier: GPL-2.0
/*
 * The deadlines of the calls at a listener: each call has at most one, in a
 * tree, and the listener has a timer for the earliest. Mostly a call is taken
 * long before, so nothing is done to the timer when a deadline goes away: it
 * finds out when it comes, and goes on to the next. A call that comes later
 * than others, with as much time, only enters the tree.
 */
#include <linux/ktime.h>

#include "parley.h"

/* Timers that have less than this to go come a tick later, not more. */
#define PARLEY_DEADLINE_NEAR	63

static unsigned long parley_deadline_ticks(u64 ns)
{
	/* Rounded up, and a tick more: the one that runs is not whole. */
	u64 ticks = div_u64(ns, TICK_NSEC) + 2;

	/*
	 * What is far off, timers round up, by an eighth at most: too late for
	 * calls with less time that come meanwhile. Come before, and once more.
	 */
	if (ticks >= PARLEY_DEADLINE_NEAR)
		ticks -= ticks / 8;
	return min_t(u64, ticks, MAX_JIFFY_OFFSET);
}

/* Let the timer come at @due. */
static void parley_deadline_arm(struct parley_listener *l, u64 due)
{
	u64 now = ktime_get_ns();
	u64 left = due > now ? due - now : 0;

	lockdep_assert_held(&l->lock);

	l->alarm_due = due;
	if (!mod_timer(&l->alarm, jiffies + parley_deadline_ticks(left)))
		refcount_inc(&l->ref); /* put by the timer or who deletes it */
}

/* When something has to become of a call, or 0. */
static u64 parley_deadline_next(const struct parley_call *call)
{
	u64 next = call->deadline;

	if (call->state == PARLEY_CALL_DEFERRED && call->defer_deadline &&
	    (!next || call->defer_deadline < next))
		next = call->defer_deadline;
	return next;
}

/**
 * parley_deadline_set - what a call waits for has changed
 * @call: a call in a backlog
 *
 * Context: listener's lock held.
 */
void parley_deadline_set(struct parley_call *call)
{
	struct parley_listener *l = call->listener;
	u64 next = parley_deadline_next(call);

	lockdep_assert_held(&l->lock);

	parley_deadline_clear(call);
	if (!next)
		return;
	call->due.expires = ns_to_ktime(next);
	timerqueue_add(&l->deadlines, &call->due);
	if (next < l->alarm_due)
		parley_deadline_arm(l, next);
}

/**
 * parley_deadline_clear - a call has no deadline any more
 * @call: a call in a backlog
 *
 * Context: listener's lock held.
 */
void parley_deadline_clear(struct parley_call *call)
{
	lockdep_assert_held(&call->listener->lock);

	if (timerqueue_node_queued(&call->due))
		timerqueue_del(&call->listener->deadlines, &call->due);
}

/*
 * Where ticks come late the timer may be early by the clock: then it comes
 * once more. Return: a call whose deadline has passed, held, or NULL.
 */
static struct parley_call *parley_deadline_passed(struct parley_listener *l)
{
	struct parley_call *call = NULL;
	struct timerqueue_node *first;

	spin_lock_bh(&l->lock);
	first = timerqueue_getnext(&l->deadlines);
	if (!first) {
		l->alarm_due = U64_MAX;
	} else if (ktime_to_ns(first->expires) > ktime_get_ns()) {
		parley_deadline_arm(l, ktime_to_ns(first->expires));
	} else {
		call = container_of(first, struct parley_call, due);
		parley_call_get(call); /* put in parley_deadline_alarm() */
	}
	spin_unlock_bh(&l->lock);
	return call;
}

/**
 * parley_deadline_alarm - a deadline may have passed
 * @t: the listener's timer
 *
 * Context: softirq.
 */
void parley_deadline_alarm(struct timer_list *t)
{
	struct parley_listener *l = timer_container_of(l, t, alarm);
	struct parley_call *call;

	/* What has passed ends, or goes on to a later one. */
	while ((call = parley_deadline_passed(l))) {
		parley_backlog_expire(call);
		parley_call_put(call);
	}
	parley_listener_put(l); /* hold in parley_deadline_arm() */
}

/**
 * parley_deadline_stop - there are no calls any more, and will be none
 * @l: a listener that is closed
 *
 * Context: process.
 */
void parley_deadline_stop(struct parley_listener *l)
{
	if (timer_delete(&l->alarm))
		parley_listener_put(l); /* hold in parley_deadline_arm() */
}
