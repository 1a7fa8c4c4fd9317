// SPDX-License-Identifier: GPL-2.0
/*
 * A call: one attempt to connect, an object of its own from connect(2) until
 * neither end asks about it any more. Its outcome is decided once, under its
 * listener's lock (listen.c); here it is made, timed, and freed.
 */
#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/slab.h>

#include "parley.h"

static struct kmem_cache *parley_call_cache;

static unsigned long parley_call_ticks(u64 ns)
{
	u64 ticks = div_u64(ns, TICK_NSEC) + 1;

	/* A tick more: the one that runs is not whole. */
	return min_t(u64, ticks + 1, MAX_JIFFY_OFFSET);
}

/*
 * Where ticks came late the timer may be early by the clock: then it runs for
 * the rest. Return: true if it does.
 */
static bool parley_call_rearm(struct parley_call *call)
{
	u64 now = ktime_get_ns();
	bool early;

	if (now >= call->deadline)
		return false;
	/* Under the lock: whoever ends the call then deletes the timer. */
	spin_lock_bh(&call->listener->lock);
	early = !parley_call_ended(call);
	if (early)
		mod_timer(&call->timer,
			  jiffies + parley_call_ticks(call->deadline - now));
	spin_unlock_bh(&call->listener->lock);
	return early;
}

/* The connect time-out. Softirq; drops the timer's reference. */
static void parley_call_expire(struct timer_list *t)
{
	struct parley_call *call = timer_container_of(call, t, timer);

	if (parley_call_rearm(call))
		return;
	parley_call_withdraw(call, PARLEY_REASON_TIMED_OUT);
	parley_call_put(call); /* hold in parley_call_arm() */
}

/**
 * parley_call_alloc - begin a call
 * @caller: the calling socket
 * @to: whom it calls
 *
 * The identity of the call is that of the current task, from now on.
 *
 * Context: process, under lock_sock(), may sleep.
 * Return: the call with one reference, which holds the caller, or NULL.
 */
struct parley_call *parley_call_alloc(struct sock *caller,
				      const struct parley_addr *to)
{
	struct parley_call *call;

	call = kmem_cache_zalloc(parley_call_cache, GFP_KERNEL_ACCOUNT);
	if (!call)
		return NULL;

	INIT_LIST_HEAD(&call->node);
	refcount_set(&call->ref, 1);
	timer_setup(&call->timer, parley_call_expire, 0);
	call->state = PARLEY_CALL_NEW;
	call->to = *to;
	call->pid = get_pid(task_tgid(current)); /* put in parley_call_put() */
	call->cred = get_current_cred(); /* put in parley_call_put() */
	call->pn = parley_net(sock_net(caller));
	sock_hold(caller); /* put with the outcome, or by @caller's peer */
	call->caller = caller;
	call->ops = parley_sk(caller)->ops;
	parley_count(call->pn, PARLEY_COUNT_CALLS, 1);
	parley_count(call->pn, PARLEY_COUNT_CALLED, 1);
	return call;
}

/**
 * parley_call_get - hold a call
 * @call: a call that the current context can be sure of
 *
 * Context: any.
 */
void parley_call_get(struct parley_call *call)
{
	refcount_inc(&call->ref);
}

static void parley_call_free_rcu(struct rcu_head *rcu)
{
	struct parley_call *call = container_of(rcu, struct parley_call, rcu);

	kmem_cache_free(parley_call_cache, call);
}

/**
 * parley_call_put - let go of a call
 * @call: the call; gone with its last reference
 *
 * Context: any, no locks of ours.
 */
void parley_call_put(struct parley_call *call)
{
	if (!refcount_dec_and_test(&call->ref))
		return;

	DEBUG_NET_WARN_ON_ONCE(!parley_call_ended(call));
	DEBUG_NET_WARN_ON_ONCE(!list_empty(&call->node));
	if (call->listener)
		parley_listener_put(call->listener);
	put_pid(call->pid);
	put_cred(call->cred);
	parley_count(call->pn, PARLEY_COUNT_CALLS, -1);
	call_rcu(&call->rcu, parley_call_free_rcu);
}

/**
 * parley_call_refuse - a call that did not get as far as a backlog
 * @call: a new call
 * @reason: why
 *
 * Context: process, under the caller's lock_sock().
 */
void parley_call_refuse(struct parley_call *call, enum parley_reason reason)
{
	call->reason = reason;
	parley_port_release_implicit(parley_sk(call->caller));
	parley_count(call->pn, PARLEY_COUNT_REFUSED, 1);
	parley_call_step(call, PARLEY_CALL_REFUSED);
	sock_put(call->caller); /* hold in parley_call_alloc() */
}

/**
 * parley_call_abandon - a call that could not even be begun
 * @call: a new call that nobody else has seen, and its only reference
 *
 * Counts as refused, so that the sums come out.
 *
 * Context: process, under the caller's lock_sock().
 */
void parley_call_abandon(struct parley_call *call)
{
	parley_call_refuse(call, PARLEY_REASON_NONE);
	parley_call_put(call);
}

/**
 * parley_call_step - change the state of a call, the only way to do so
 * @call: the call; its listener's lock is held where it has a listener
 * @to: the next state
 *
 * Context: any. A step that the table does not know is refused.
 */
void parley_call_step(struct parley_call *call, enum parley_call_state to)
{
	if (call->listener)
		lockdep_assert_held(&call->listener->lock);
	if (WARN_ON_ONCE(!parley_state_may(call->state, to)))
		return;
	/* Pairs with parley_call_state(): readers see what led here. */
	smp_store_release(&call->state, to);
}

/**
 * parley_call_error - what connect(2) returns for an outcome
 * @call: a call that has ended
 *
 * Context: any.
 * Return: 0 or a negative errno.
 */
int parley_call_error(const struct parley_call *call)
{
	switch (parley_call_state(call)) {
	case PARLEY_CALL_ESTABLISHED:
		return 0;
	case PARLEY_CALL_REFUSED:
		return -ECONNREFUSED;
	default:
		if (call->reason == PARLEY_REASON_TIMED_OUT)
			return -ETIMEDOUT;
		return -ECONNABORTED;
	}
}

/**
 * parley_call_withdraw - the caller gives up
 * @call: a call that was delivered
 * @reason: PARLEY_REASON_TIMED_OUT, or NONE where the caller knows itself
 *
 * Context: any, no locks of ours but the caller's lock_sock().
 * Return: true if the call is withdrawn by this, false if it had its outcome
 * already.
 */
bool parley_call_withdraw(struct parley_call *call, enum parley_reason reason)
{
	return parley_backlog_end(call, PARLEY_CALL_WITHDRAWN, reason);
}

/**
 * parley_call_arm - start the connect time-out
 * @call: a call that is being delivered; its listener's lock is held
 * @timeout_ms: in milliseconds, 0 for none
 *
 * Context: softirqs off. parley_backlog_end() stops the timer.
 */
void parley_call_arm(struct parley_call *call, u32 timeout_ms)
{
	u64 ns = (u64)timeout_ms * NSEC_PER_MSEC;

	lockdep_assert_held(&call->listener->lock);
	if (!timeout_ms)
		return;
	call->deadline = ktime_get_ns() + ns;
	parley_call_get(call); /* put by the timer or who deletes it */
	mod_timer(&call->timer, jiffies + parley_call_ticks(ns));
}

/**
 * parley_call_init - at module load
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int __init parley_call_init(void)
{
	parley_call_cache = KMEM_CACHE(parley_call, SLAB_ACCOUNT);
	return parley_call_cache ? 0 : -ENOMEM;
}

/**
 * parley_call_exit - at module unload, after rcu_barrier()
 *
 * Context: process.
 */
void parley_call_exit(void)
{
	kmem_cache_destroy(parley_call_cache);
}
