// SPDX-License-Identifier: GPL-2.0
/*
 * The calls that wait at a listener. What enters a backlog or leaves it, and
 * every outcome of a delivered call, is decided in this file, under the
 * listener's lock: a verdict and a withdrawal that race have one winner, and
 * the numbers are right at each moment. What leads to a verdict is in
 * verdict.c, what a call is charged to in charge.c.
 *
 * Nothing that sleeps, wakes or runs foreign code happens under that lock.
 */
#include "parley.h"

/* Where a call waits, by its state. */
static struct list_head *parley_backlog_list(struct parley_listener *l,
					     const struct parley_call *call)
{
	switch (call->state) {
	case PARLEY_CALL_PENDING:
		return call->seen ? &l->seen : &l->fresh;
	case PARLEY_CALL_DEFERRED:
		return call->seen ? &l->parked : &l->deferred;
	case PARLEY_CALL_APPROVED:
		return call->reserver ? &l->reserved : &l->approved;
	default:
		return &l->judging;
	}
}

/* First come, first served; first approved, where they are. */
static bool parley_backlog_before(const struct parley_call *a,
				  const struct parley_call *b)
{
	if (a->state == PARLEY_CALL_APPROVED)
		return (s32)(a->turn - b->turn) < 0;
	return a->id < b->id;
}

/*
 * A call is mostly the last of all on its list or, coming back, the first. Of
 * those that are judged the order means nothing.
 */
static void parley_backlog_insert(struct list_head *list,
				  struct parley_call *call)
{
	struct list_head *at = list;
	struct parley_call *pos;

	if (call->state != PARLEY_CALL_JUDGING && !list_empty(list)) {
		pos = list_last_entry(list, struct parley_call, node);
		if (parley_backlog_before(call, pos))
			list_for_each_entry(pos, list, node)
				if (parley_backlog_before(call, pos)) {
					at = &pos->node;
					break;
				}
	}
	list_add_tail(&call->node, at);
}

/* What poll, and accept before it takes the lock, count a call as. */
#define PARLEY_TALLY_READY	0x1
#define PARLEY_TALLY_URGENT	0x2
#define PARLEY_TALLY_RESERVED	0x4

static u8 parley_backlog_tallied(const struct parley_call *call)
{
	switch (call->state) {
	case PARLEY_CALL_PENDING:
		return PARLEY_TALLY_READY;
	case PARLEY_CALL_DEFERRED:
		return call->seen ? 0 : PARLEY_TALLY_URGENT;
	case PARLEY_CALL_APPROVED:
		return call->reserver ? PARLEY_TALLY_RESERVED :
					PARLEY_TALLY_READY;
	default:
		return 0;
	}
}

static void parley_backlog_bump(u32 *number, u8 bit, u8 old, u8 new)
{
	if ((old ^ new) & bit)
		WRITE_ONCE(*number, *number + (new & bit ? 1 : -1));
}

/*
 * Read without the lock: a number must not go down and up again where a call
 * only goes from one list to another, since nobody is woken for that.
 */
static void parley_backlog_tally(struct parley_listener *l, u8 old, u8 new)
{
	lockdep_assert_held(&l->lock);

	parley_backlog_bump(&l->ready, PARLEY_TALLY_READY, old, new);
	parley_backlog_bump(&l->urgent, PARLEY_TALLY_URGENT, old, new);
	parley_backlog_bump(&l->reservations, PARLEY_TALLY_RESERVED, old, new);
}

/**
 * parley_backlog_leave - take a call off the list of its state
 * @call: a call in a backlog; what decides on its list may be changed now,
 *	until parley_backlog_enter()
 *
 * Context: listener's lock held.
 */
void parley_backlog_leave(struct parley_call *call)
{
	struct parley_listener *l = call->listener;

	lockdep_assert_held(&l->lock);

	list_del_init(&call->node);
	l->count[call->state]--;
	call->tallied = parley_backlog_tallied(call);
}

static struct list_head *parley_backlog_arrive(struct parley_call *call,
					       enum parley_call_state to)
{
	struct parley_listener *l = call->listener;

	lockdep_assert_held(&l->lock);

	if (call->state != to)
		parley_call_step(call, to);
	l->count[to]++;
	parley_backlog_tally(l, call->tallied, parley_backlog_tallied(call));
	return parley_backlog_list(l, call);
}

/**
 * parley_backlog_enter - put a call on the list of a state
 * @call: a new call, or one after parley_backlog_leave()
 * @to: the state; may be the one that it has
 *
 * Context: listener's lock held.
 */
void parley_backlog_enter(struct parley_call *call, enum parley_call_state to)
{
	parley_backlog_insert(parley_backlog_arrive(call, to), call);
}

/**
 * parley_backlog_merge - as parley_backlog_enter(), for many calls in a row
 * @call: a call after parley_backlog_leave(), older than the one before
 * @to: PARLEY_CALL_PENDING or PARLEY_CALL_DEFERRED
 * @at: NULL at first; where the search goes on
 *
 * Context: listener's lock held.
 */
void parley_backlog_merge(struct parley_call *call, enum parley_call_state to,
			  struct list_head **at)
{
	struct list_head *list = parley_backlog_arrive(call, to);

	if (!*at)
		*at = list->prev;
	while (*at != list &&
	       list_entry(*at, struct parley_call, node)->id > call->id)
		*at = (*at)->prev;
	list_add(&call->node, *at);
}

static int __parley_backlog_add(struct parley_listener *l,
				struct parley_call *call, u32 timeout_ms,
				struct parley_ruling *ruling)
{
	bool defer = ruling && ruling->verdict == PARLEY_DEFER;
	int reason;

	lockdep_assert_held(&l->lock);

	if (!rcu_access_pointer(l->sk))
		return PARLEY_REASON_NO_LISTENER;
	call->listener = l; /* with its reference */
	reason = parley_charge(call);
	if (reason) {
		call->listener = NULL;
		return reason;
	}

	call->id = atomic64_inc_return(&call->pn->next_id);
	if (timeout_ms)
		call->deadline = call->since +
				 mul_u32_u32(timeout_ms, NSEC_PER_MSEC);
	parley_call_get(call); /* put in parley_backlog_ended() */
	parley_port_keep(l, parley_sk(call->caller)->dest);
	if (ruling)
		parley_verdict_store(call, ruling);
	if (defer)
		parley_verdict_defer(call);
	else
		parley_backlog_enter(call, PARLEY_CALL_PENDING);
	parley_deadline_set(call);
	return 0;
}

/**
 * parley_backlog_add - deliver a call
 * @l: whom it is for; the current context's reference becomes the call's
 * @call: a new call
 * @timeout_ms: withdraw it after so many milliseconds, 0 for never
 * @ruling: what the policy said on arrival, PARLEY_ACCEPT or PARLEY_DEFER;
 *	NULL if it was not asked
 *
 * Context: process.
 * Return: 0, and from then on anything may happen to the call, the enum
 * parley_reason for which it is refused, or -ENOMEM.
 */
int parley_backlog_add(struct parley_listener *l, struct parley_call *call,
		       u32 timeout_ms, struct parley_ruling *ruling)
{
	bool defer = ruling && ruling->verdict == PARLEY_DEFER;
	struct parley_net *pn = call->pn;
	struct parley_user *old = NULL;
	int reason;

	reason = parley_charge_prepare(l, call);
	if (reason)
		return reason;
	/* The call may end at once, and the listener with it. */
	rcu_read_lock();
	spin_lock_bh(&l->lock);
	reason = __parley_backlog_add(l, call, timeout_ms, ruling);
	if (!reason)
		old = parley_user_keep(l, call);
	spin_unlock_bh(&l->lock);
	if (old)
		parley_user_put(pn, old);
	if (!reason && defer)
		parley_listener_wake_all(l, POLL_PRI);
	else if (!reason)
		parley_backlog_wake(l);
	rcu_read_unlock();
	return reason;
}

/**
 * parley_backlog_wake - there is one call more to take and to look at
 * @l: the listener; one acceptor and one decider are woken, and all polls
 *
 * Context: any, not under @l's lock.
 */
void parley_backlog_wake(struct parley_listener *l)
{
	parley_listener_wake(l);
	if (wq_has_sleeper(&l->deciders))
		wake_up_interruptible(&l->deciders);
}

static void parley_backlog_count(struct parley_call *call,
				 enum parley_call_state to)
{
	static const u8 what[PARLEY_CALL_STATES] = {
		[PARLEY_CALL_ESTABLISHED]	= PARLEY_COUNT_ESTABLISHED,
		[PARLEY_CALL_REFUSED]		= PARLEY_COUNT_REFUSED,
		[PARLEY_CALL_WITHDRAWN]		= PARLEY_COUNT_WITHDRAWN,
	};

	parley_count(call->pn, what[to], 1);
	if (to == PARLEY_CALL_REFUSED || call->reason)
		parley_count_reason(call->pn, call->reason);
}

/**
 * __parley_backlog_end - the one step that decides a call
 * @call: a call that was delivered
 * @to: the outcome
 * @reason: what PARLEY_REFUSAL tells the caller
 *
 * Context: listener's lock held.
 * Return: true for the winner, who calls parley_backlog_ended() once the lock
 * is free.
 */
bool __parley_backlog_end(struct parley_call *call, enum parley_call_state to,
			  enum parley_reason reason)
{
	struct parley_listener *l = call->listener;
	bool reserved;

	lockdep_assert_held(&l->lock);

	if (parley_state_ended(call->state))
		return false;

	reserved = call->state == PARLEY_CALL_APPROVED && call->reserver;
	parley_backlog_leave(call);
	parley_deadline_clear(call);
	if (!RB_EMPTY_NODE(&call->by_id)) {
		rb_erase(&call->by_id, &l->known);
		RB_CLEAR_NODE(&call->by_id);
	}
	parley_uncharge(call);
	call->reason = reason;
	parley_backlog_count(call, to);
	if (to != PARLEY_CALL_ESTABLISHED) {
		parley_port_release_implicit(parley_sk(call->caller));
		parley_grant_return(call);
	}
	parley_call_step(call, to);
	if (reserved && reason != PARLEY_REASON_LISTENER_CLOSED)
		parley_reserve_mark(call);
	/* After the mark: its thread may just be looking. */
	parley_backlog_tally(l, call->tallied, 0);
	return true;
}

/**
 * parley_backlog_ended - after __parley_backlog_end() said true
 * @call: the call; its caller is told, references are dropped
 *
 * Context: any, no locks of ours but the caller's lock_sock().
 */
void parley_backlog_ended(struct parley_call *call)
{
	struct sock *caller = call->caller;
	bool established;

	lockdep_assert_not_held(&call->listener->lock);

	established = parley_call_state(call) == PARLEY_CALL_ESTABLISHED;
	/* Before the caller sees it, and calls again. */
	if (established)
		parley_ops_established(call->listener, call);
	else
		parley_ops_dropped(call->listener, call, &call->policy);
	/* Before it is told: who sees the outcome finds the error. */
	if (parley_call_state(call) == PARLEY_CALL_REFUSED)
		WRITE_ONCE(caller->sk_err, ECONNREFUSED);
	else if (call->reason == PARLEY_REASON_TIMED_OUT)
		WRITE_ONCE(caller->sk_err, ETIMEDOUT);
	parley_call_tell(call);
	call->ops->answer(caller, call);
	/* Established, the accepted socket's peer has the reference. */
	if (!established)
		sock_put(caller); /* hold in parley_call_alloc() */
	parley_call_put(call); /* hold in __parley_backlog_add() */
}

/**
 * parley_backlog_end - refuse or withdraw a call, unless it has its outcome
 * @call: a call that was delivered; the current context holds it
 * @to: PARLEY_CALL_REFUSED or PARLEY_CALL_WITHDRAWN
 * @reason: what PARLEY_REFUSAL tells the caller
 *
 * Context: any, no locks of ours but the caller's lock_sock().
 * Return: true if this was what decided the call.
 */
bool parley_backlog_end(struct parley_call *call, enum parley_call_state to,
			enum parley_reason reason)
{
	struct parley_listener *l = call->listener;
	bool won;

	spin_lock_bh(&l->lock);
	won = __parley_backlog_end(call, to, reason);
	spin_unlock_bh(&l->lock);
	if (won)
		parley_backlog_ended(call);
	return won;
}

static void parley_backlog_join(struct parley_call *call, struct sock *callee,
				struct parley_pace **pace)
{
	struct parley_sock *from = parley_sk(call->caller);
	u64 now = ktime_get_ns();

	sock_hold(callee); /* put in the caller's close */
	from->peer = callee;
	from->since = now;
	parley_sk(callee)->peer = call->caller;
	parley_sk(callee)->since = now;
	call->waited = now - call->since;
	parley_grant_join(call, callee, pace);
}

/**
 * parley_backlog_establish - turn a call into a connection
 * @call: a call that parley_backlog_take() or parley_reserve_take() gave
 * @callee: the new socket, complete; nobody knows it yet
 * @reply: reply data if the verdict brought none; taken over with success
 * @pace: what parley_grant_prepare() gave; likewise
 *
 * Context: process.
 * Return: true if there is a connection now, on both sides; false if the
 * caller gave up, the listener was closed, or has too little capacity left,
 * and @callee is still unused.
 */
bool parley_backlog_establish(struct parley_call *call, struct sock *callee,
			      struct parley_blob **reply,
			      struct parley_pace **pace)
{
	struct parley_listener *l = call->listener;
	bool refused = false, won = false;

	spin_lock_bh(&l->lock);
	if (call->state == PARLEY_CALL_JUDGING &&
	    !parley_grant_promise(call, parley_call_granted(call))) {
		refused = __parley_backlog_end(call, PARLEY_CALL_REFUSED,
					       PARLEY_REASON_QOS);
	} else if (call->state == PARLEY_CALL_JUDGING) {
		parley_backlog_join(call, callee, pace);
		if (!parley_call_reply(call))
			swap(call->ruling.reply, *reply);
		won = __parley_backlog_end(call, PARLEY_CALL_ESTABLISHED,
					   PARLEY_REASON_NONE);
	}
	spin_unlock_bh(&l->lock);
	if (won || refused)
		parley_backlog_ended(call);
	return won;
}

/* Nobody decided a deferred call: its default. Return: whether it ended. */
static bool parley_backlog_default(struct parley_call *call)
{
	if (call->defer_verdict != PARLEY_ACCEPT)
		return __parley_backlog_end(call, PARLEY_CALL_REFUSED,
					    PARLEY_REASON_DEFER_EXPIRED);
	if (!parley_grant_promise(call, parley_call_granted(call)))
		return __parley_backlog_end(call, PARLEY_CALL_REFUSED,
					    PARLEY_REASON_QOS);
	call->decision.by = PARLEY_BY_TIMEOUT;
	call->decision.verdict = PARLEY_ACCEPT;
	parley_backlog_leave(call);
	call->turn = ++call->listener->turns;
	parley_backlog_enter(call, PARLEY_CALL_APPROVED);
	return false;
}

/**
 * parley_backlog_expire - a deadline of a call may have passed
 * @call: a call that was delivered
 *
 * Context: softirq.
 */
void parley_backlog_expire(struct parley_call *call)
{
	struct parley_listener *l = call->listener;
	u64 now = ktime_get_ns();
	bool approved = false;
	bool ended = false;

	spin_lock_bh(&l->lock);
	if (!parley_state_ended(call->state)) {
		if (call->deadline && call->deadline <= now) {
			ended = __parley_backlog_end(call,
						     PARLEY_CALL_WITHDRAWN,
						     PARLEY_REASON_TIMED_OUT);
		} else if (call->state == PARLEY_CALL_DEFERRED &&
			   call->defer_deadline &&
			   call->defer_deadline <= now) {
			ended = parley_backlog_default(call);
			approved = !ended;
		}
		if (!ended)
			parley_deadline_set(call);
	}
	spin_unlock_bh(&l->lock);
	if (ended)
		parley_backlog_ended(call);
	if (approved)
		parley_listener_wake(l);
}

/* The oldest call that no decision is needed for, or nobody works on. */
static struct parley_call *parley_backlog_oldest(struct parley_listener *l)
{
	struct parley_call *fresh, *seen;

	fresh = list_first_entry_or_null(&l->approved, struct parley_call,
					 node);
	if (fresh)
		return fresh;
	fresh = list_first_entry_or_null(&l->fresh, struct parley_call, node);
	seen = list_first_entry_or_null(&l->seen, struct parley_call, node);
	if (!fresh || (seen && seen->id < fresh->id))
		return seen;
	return fresh;
}

/**
 * parley_backlog_take - the next call for an accept
 * @l: the listener
 *
 * The call stays charged, and may be withdrawn or refused meanwhile.
 *
 * Context: process.
 * Return: the call, held, for parley_backlog_establish() or
 * parley_backlog_untake(); NULL where there is none.
 */
struct parley_call *parley_backlog_take(struct parley_listener *l)
{
	struct parley_call *call;

	if (!READ_ONCE(l->ready))
		return NULL;

	spin_lock_bh(&l->lock);
	call = parley_backlog_oldest(l);
	if (call) {
		call->approved = call->state == PARLEY_CALL_APPROVED;
		parley_backlog_leave(call);
		parley_backlog_enter(call, PARLEY_CALL_JUDGING);
		parley_call_get(call); /* put by who took it */
	}
	spin_unlock_bh(&l->lock);
	return call;
}

/**
 * parley_backlog_untake - accept failed: the call goes back where it was
 * @call: what parley_backlog_take() gave; still held
 *
 * Context: process.
 */
void parley_backlog_untake(struct parley_call *call)
{
	struct parley_listener *l = call->listener;
	bool back = false;

	spin_lock_bh(&l->lock);
	if (call->state == PARLEY_CALL_JUDGING) {
		parley_backlog_leave(call);
		parley_backlog_enter(call, call->approved ?
				     PARLEY_CALL_APPROVED :
				     PARLEY_CALL_PENDING);
		if (call->reserver)
			parley_reserve_watch(l);
		back = true;
	}
	spin_unlock_bh(&l->lock);
	if (back)
		parley_backlog_wake(l);
}

static struct parley_call *parley_backlog_any(struct parley_listener *l)
{
	struct list_head *lists[] = {
		&l->fresh, &l->seen, &l->deferred, &l->parked, &l->approved,
		&l->reserved, &l->judging,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lists); i++)
		if (!list_empty(lists[i]))
			return list_first_entry(lists[i], struct parley_call,
						node);
	return NULL;
}

/**
 * parley_backlog_clear - refuse all who wait at a listener that is closed
 * @l: the listener; its @sk is NULL, so nothing is delivered any more
 *
 * A call that is being judged can only go from one list to another: the loop
 * ends with all of them empty.
 *
 * Context: process.
 */
void parley_backlog_clear(struct parley_listener *l)
{
	struct parley_call *call;

	for (;;) {
		spin_lock_bh(&l->lock);
		call = parley_backlog_any(l);
		if (call)
			__parley_backlog_end(call, PARLEY_CALL_REFUSED,
					     PARLEY_REASON_LISTENER_CLOSED);
		spin_unlock_bh(&l->lock);
		if (!call)
			break;
		parley_backlog_ended(call);
		cond_resched();
	}
	parley_reserve_clear(l);
}
