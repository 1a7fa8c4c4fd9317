// SPDX-License-Identifier: GPL-2.0
/*
 * Decisions about the calls in a backlog: what a policy says of a call that
 * was taken, and what user space says of any. The outcome itself is
 * backlog.c's.
 */
#include <linux/pid.h>

#include "parley.h"

/**
 * parley_verdict_store - the kernel's policy has judged a call
 * @call: the call
 * @ruling: what it said; afterwards what is to be dropped
 *
 * Context: listener's lock held.
 */
void parley_verdict_store(struct parley_call *call,
			  struct parley_ruling *ruling)
{
	lockdep_assert_held(&call->listener->lock);

	call->judged = ruling->verdict == PARLEY_ACCEPT;
	/* Whoever ends the call looks for it when the lock is free. */
	swap(call->policy, ruling->policy);
	swap(call->ruling, *ruling);
}

/* From now on the call can be decided by its id. */
static void parley_verdict_know(struct parley_call *call)
{
	struct parley_listener *l = call->listener;
	struct rb_node **link = &l->known.rb_node;
	struct rb_node *parent = NULL;

	lockdep_assert_held(&l->lock);

	if (!RB_EMPTY_NODE(&call->by_id))
		return;
	while (*link) {
		parent = *link;
		if (call->id < rb_entry(parent, struct parley_call, by_id)->id)
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}
	rb_link_node(&call->by_id, parent, link);
	rb_insert_color(&call->by_id, &l->known);
}

static struct parley_call *parley_verdict_find(struct parley_listener *l,
					       u64 id)
{
	struct rb_node *node = l->known.rb_node;

	while (node) {
		struct parley_call *call = rb_entry(node, struct parley_call,
						    by_id);

		if (id == call->id)
			return call;
		node = id < call->id ? node->rb_left : node->rb_right;
	}
	return NULL;
}

/**
 * parley_verdict_defer - put a call off
 * @call: a new call, or one after parley_backlog_leave()
 *
 * Context: listener's lock held. parley_deadline_set() must follow.
 */
void parley_verdict_defer(struct parley_call *call)
{
	struct parley_conf *conf = call->listener->conf;
	struct parley_defer_timeout defer;

	spin_lock(&conf->lock);
	defer = conf->defer;
	spin_unlock(&conf->lock);
	/* More time is not to be had by deferring once more. */
	if (!call->deferred && defer.timeout_ms) {
		call->defer_deadline = ktime_get_ns() +
				       mul_u32_u32(defer.timeout_ms,
						   NSEC_PER_MSEC);
		call->defer_verdict = defer.verdict;
	}
	WRITE_ONCE(call->deferred, true);
	parley_verdict_know(call);
	parley_backlog_enter(call, PARLEY_CALL_DEFERRED);
}

/**
 * parley_verdict_apply - do what the kernel's policy said
 * @call: a call that parley_backlog_take() or parley_verdict_offer() gave
 * @ruling: what it said; dropped
 *
 * Context: process, no locks of ours.
 * Return: true if the call is to be established, false if there is nothing
 * left to do with it: it is refused, deferred, or has gone.
 */
bool parley_verdict_apply(struct parley_call *call,
			  struct parley_ruling *ruling)
{
	struct parley_listener *l = call->listener;
	u8 verdict = ruling->verdict;
	u8 reason = ruling->reason;
	bool mine;

	spin_lock_bh(&l->lock);
	mine = call->state == PARLEY_CALL_JUDGING;
	if (mine)
		parley_verdict_store(call, ruling);
	if (mine && verdict == PARLEY_REFUSE) {
		__parley_backlog_end(call, PARLEY_CALL_REFUSED, reason);
	} else if (mine && verdict == PARLEY_DEFER) {
		parley_backlog_leave(call);
		call->seen = false;
		parley_verdict_defer(call);
		parley_deadline_set(call);
	}
	spin_unlock_bh(&l->lock);

	parley_policy_drop(l, call, ruling);
	if (mine && verdict == PARLEY_REFUSE)
		parley_backlog_ended(call);
	else if (mine && verdict == PARLEY_DEFER)
		parley_listener_wake_all(l, POLL_PRI);
	return mine && verdict == PARLEY_ACCEPT;
}

/* What a thread has reserved is not taken from it but by a refusal. */
static bool parley_verdict_reserved(const struct parley_call *call)
{
	return call->reserver && call->reserver != task_pid(current);
}

/* Whether user space may say this of the call now. */
static int parley_verdict_check(const struct parley_call *call,
				const struct parley_ruling *ruling, u32 flags)
{
	bool refuse = ruling->verdict == PARLEY_REFUSE;
	const void *grant;

	if (call->state == PARLEY_CALL_JUDGING && !refuse)
		return -EBUSY;
	if (call->state == PARLEY_CALL_APPROVED) {
		if (!(flags & PARLEY_DECIDE_AGAIN))
			return -EALREADY;
		if (parley_verdict_reserved(call) && !refuse)
			return -EBUSY;
	}
	if (!ruling->granted)
		return 0;
	grant = ruling->granted->data;
	return parley_qos_within(grant, parley_terms_qos(call->terms)) ? 0 :
								 -EINVAL;
}

/*
 * What a decider said before does not hold any more. @ruling brings nothing
 * of its own; afterwards it has what is to be dropped.
 */
static void parley_verdict_reset(struct parley_call *call,
				 struct parley_ruling *ruling,
				 struct pid **thread)
{
	parley_grant_return(call);
	*ruling = call->decision;
	call->decision = (struct parley_ruling) { .rule = PARLEY_RULE_NONE };
	*thread = parley_unreserve(call);
}

static struct pid *parley_verdict_approve(struct parley_call *call,
					  struct parley_ruling *ruling,
					  u32 flags)
{
	struct pid *thread;

	parley_backlog_leave(call);
	swap(call->decision, *ruling);
	thread = parley_unreserve(call);
	if (flags & PARLEY_DECIDE_RESERVE)
		parley_reserve(call);
	call->turn = ++call->listener->turns;
	parley_backlog_enter(call, PARLEY_CALL_APPROVED);
	return thread;
}

static struct pid *parley_verdict_park(struct parley_call *call,
				       struct parley_ruling *ruling)
{
	struct pid *thread;

	parley_backlog_leave(call);
	parley_verdict_reset(call, ruling, &thread);
	call->seen = true;
	parley_verdict_defer(call);
	parley_deadline_set(call);
	return thread;
}

static struct pid *parley_verdict_undo(struct parley_call *call,
				       struct parley_ruling *ruling)
{
	struct pid *thread;

	parley_backlog_leave(call);
	parley_verdict_reset(call, ruling, &thread);
	call->seen = false;
	WRITE_ONCE(call->shown, false);
	parley_backlog_enter(call, call->state == PARLEY_CALL_DEFERRED ?
			     PARLEY_CALL_DEFERRED : PARLEY_CALL_PENDING);
	return thread;
}

static void parley_verdict_refuse(struct parley_call *call,
				  struct parley_ruling *ruling)
{
	swap(call->decision, *ruling);
	__parley_backlog_end(call, PARLEY_CALL_REFUSED, PARLEY_REASON_SERVER);
	parley_call_get(call); /* put in parley_verdict_done() */
}

/*
 * An approved call is sure of what it was granted, so what is left has to be
 * enough now. Return: true, or false and the call is refused.
 */
static bool parley_verdict_fits(struct parley_call *call,
				const struct parley_ruling *ruling)
{
	if (ruling->verdict != PARLEY_ACCEPT ||
	    parley_grant_promise(call, parley_call_grant(call, ruling)))
		return true;
	__parley_backlog_end(call, PARLEY_CALL_REFUSED, PARLEY_REASON_QOS);
	parley_call_get(call); /* put in parley_verdict_done() */
	return false;
}

/* Return: the thread that had the call reserved, to be put, or NULL. */
static struct pid *parley_verdict_do(struct parley_call *call,
				     struct parley_ruling *ruling, u32 flags)
{
	switch (ruling->verdict) {
	case PARLEY_ACCEPT:
		return parley_verdict_approve(call, ruling, flags);
	case PARLEY_REFUSE:
		parley_verdict_refuse(call, ruling);
		return NULL;
	case PARLEY_DEFER:
		return parley_verdict_park(call, ruling);
	default:
		return parley_verdict_undo(call, ruling);
	}
}

/* What is left to do when the lock is free. */
static void parley_verdict_done(struct parley_listener *l,
				struct parley_call *call, u8 verdict,
				u32 flags)
{
	switch (verdict) {
	case PARLEY_ACCEPT:
		if (!(flags & PARLEY_DECIDE_RESERVE))
			parley_listener_wake(l);
		break;
	case PARLEY_REFUSE:
		parley_backlog_ended(call);
		parley_call_put(call); /* hold in ..._refuse(), ..._fits() */
		break;
	case PARLEY_UNDECIDE:
		parley_listener_wake_all(l, POLL_PRI);
		break;
	}
}

/**
 * parley_verdict_decide - PARLEY_IOC_DECIDE
 * @l: the listener
 * @id: the call
 * @ruling: what is decided; afterwards what is to be dropped
 * @flags: PARLEY_DECIDE_*
 *
 * Context: process, no locks of ours.
 * Return: 0, -ENOENT, -EALREADY, -EBUSY, -EINVAL for a grant above what was
 * asked, -EDQUOT for one above what is left, and then the call is refused.
 */
int parley_verdict_decide(struct parley_listener *l, u64 id,
			  struct parley_ruling *ruling, u32 flags)
{
	struct parley_call *call, *mark = NULL;
	u8 verdict = ruling->verdict;
	struct pid *thread = NULL;
	int err = -ENOENT;

	spin_lock_bh(&l->lock);
	call = parley_verdict_find(l, id);
	if (call)
		err = parley_verdict_check(call, ruling, flags);
	if (!err && !parley_verdict_fits(call, ruling))
		err = -EDQUOT;
	if (!err && flags & PARLEY_DECIDE_RESERVE)
		mark = parley_reserve_forget(l);
	if (!err)
		thread = parley_verdict_do(call, ruling, flags);
	spin_unlock_bh(&l->lock);
	if (mark)
		parley_call_put(mark); /* hold in parley_reserve_mark() */
	put_pid(thread); /* hold in parley_reserve() */
	if (!err || err == -EDQUOT)
		parley_verdict_done(l, call, err ? PARLEY_REFUSE : verdict,
				    flags);
	return err;
}

/**
 * parley_verdict_offer - the oldest call that nobody has looked at
 * @l: the listener
 * @deferred: deferred ones too
 * @judge: set if the policy is to be asked first; then the call is taken, for
 *	parley_verdict_apply() and parley_verdict_give()
 *
 * Context: process.
 * Return: the call, held, and seen unless @judge; NULL where there is none.
 */
struct parley_call *parley_verdict_offer(struct parley_listener *l,
					 bool deferred, bool *judge)
{
	struct parley_call *call, *other;

	spin_lock_bh(&l->lock);
	call = list_first_entry_or_null(&l->fresh, struct parley_call, node);
	other = list_first_entry_or_null(&l->deferred, struct parley_call,
					 node);
	if (deferred && other && (!call || other->id < call->id))
		call = other;
	if (call) {
		*judge = call->state == PARLEY_CALL_PENDING && !call->judged;
		parley_backlog_leave(call);
		if (*judge) {
			call->approved = false;
			parley_backlog_enter(call, PARLEY_CALL_JUDGING);
		} else {
			call->seen = true;
			parley_verdict_know(call);
			parley_backlog_enter(call, call->state);
		}
		parley_call_get(call); /* put by who took it */
	}
	spin_unlock_bh(&l->lock);
	return call;
}

/**
 * parley_verdict_give - a call that the policy agrees with is looked at
 * @call: what parley_verdict_offer() gave to be judged; still held
 *
 * Context: process.
 * Return: true if it is pending again, and seen; false if it has gone.
 */
bool parley_verdict_give(struct parley_call *call)
{
	struct parley_listener *l = call->listener;
	bool back;

	spin_lock_bh(&l->lock);
	back = call->state == PARLEY_CALL_JUDGING;
	if (back) {
		parley_backlog_leave(call);
		call->seen = true;
		parley_verdict_know(call);
		parley_backlog_enter(call, PARLEY_CALL_PENDING);
	}
	spin_unlock_bh(&l->lock);
	if (back)
		parley_listener_wake(l);
	return back;
}

/**
 * parley_verdict_unsee - it could not be shown after all
 * @call: what parley_verdict_offer() gave; still held
 *
 * Context: process.
 */
void parley_verdict_unsee(struct parley_call *call)
{
	struct parley_listener *l = call->listener;

	spin_lock_bh(&l->lock);
	if (call->state == PARLEY_CALL_PENDING ||
	    call->state == PARLEY_CALL_DEFERRED) {
		parley_backlog_leave(call);
		call->seen = false;
		parley_backlog_enter(call, call->state);
	}
	spin_unlock_bh(&l->lock);
	parley_listener_wake_all(l, POLL_PRI);
}

/* All calls of a list become unseen and, with @review, pending, unjudged. */
static unsigned int parley_verdict_renew(struct list_head *list, bool review)
{
	struct parley_call *call, *next;
	struct list_head *at = NULL;
	unsigned int n = 0;

	list_for_each_entry_safe_reverse(call, next, list, node) {
		parley_backlog_leave(call);
		call->seen = false;
		if (review)
			call->judged = false;
		parley_backlog_merge(call, review ? PARLEY_CALL_PENDING :
				     call->state, &at);
		n++;
	}
	return n;
}

/**
 * parley_verdict_rewind - all undecided calls are new again
 * @l: the listener
 *
 * Context: process.
 */
void parley_verdict_rewind(struct parley_listener *l)
{
	unsigned int n;

	spin_lock_bh(&l->lock);
	n = parley_verdict_renew(&l->seen, false);
	n += parley_verdict_renew(&l->parked, false);
	spin_unlock_bh(&l->lock);
	if (n)
		parley_listener_wake_all(l, POLL_PRI);
}

/**
 * parley_verdict_review - PARLEY_IOC_REVIEW: judge the deferred calls again
 * @l: the listener
 *
 * Context: process.
 * Return: how many calls are pending again.
 */
int parley_verdict_review(struct parley_listener *l)
{
	unsigned int n;

	spin_lock_bh(&l->lock);
	n = parley_verdict_renew(&l->deferred, true);
	n += parley_verdict_renew(&l->parked, true);
	spin_unlock_bh(&l->lock);
	if (n)
		parley_listener_wake_all(l, POLL_IN);
	return n;
}
