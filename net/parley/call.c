// SPDX-License-Identifier: GPL-2.0
/*
 * A call: one attempt to connect, an object of its own from connect(2) until
 * neither end asks about it any more. Its outcome is decided once, under its
 * listener's lock (backlog.c); here it is made and freed.
 */
#include <linux/cgroup.h>
#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "parley.h"

static struct kmem_cache *parley_call_cache;

/*
 * The security label as text, if a module has one: what the modules hand out
 * otherwise pins nothing, and may mean something else later. The text is the
 * module's, too, but stays as it is until it is released in parley_call_put().
 * Return: 0 or -ENOMEM.
 */
static int parley_call_label(struct lsm_context *label)
{
	struct lsm_prop prop;
	int ret;

	security_current_getlsmprop_subj(&prop);
	ret = security_lsmprop_to_secctx(&prop, label, LSM_ID_UNDEF);
	if (ret < 0)
		memset(label, 0, sizeof(*label));
	return ret == -ENOMEM ? ret : 0;
}

/*
 * Who calls: as it is now, whatever the process becomes later. What is taken
 * here is put in parley_call_put(). Return: 0 or -ENOMEM.
 */
static int parley_call_identify(struct parley_call *call)
{
	int err = parley_call_label(&call->label);

	if (err)
		return err;
	call->pid = get_pid(task_tgid(current));
	call->cred = parley_cred_get(current_cred());
#ifdef CONFIG_CGROUPS
	rcu_read_lock();
	call->cgroup_id = cgroup_id(task_dfl_cgroup(current));
	rcu_read_unlock();
#endif
	return 0;
}

/**
 * parley_call_alloc - begin a call
 * @caller: the calling socket
 * @to: whom it calls
 *
 * The identity of the call is that of the current task, and its terms are
 * those of the socket, from now on.
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
	call->pn = parley_net(sock_net(caller));
	/* put in parley_call_put() */
	call->user = parley_user_get(call->pn, current_uid());
	if (!call->user)
		goto err_call;
	if (parley_call_identify(call))
		goto err_user;

	INIT_LIST_HEAD(&call->node);
	RB_CLEAR_NODE(&call->by_id);
	refcount_set(&call->ref, 1);
	timerqueue_init(&call->due);
	call->state = PARLEY_CALL_NEW;
	call->to = *to;
	call->since = ktime_get_ns();
	call->ruling.rule = PARLEY_RULE_NONE;
	call->decision.rule = PARLEY_RULE_NONE;
	sock_hold(caller); /* put with the outcome, or by @caller's peer */
	call->caller = caller;
	call->ops = parley_sk(caller)->ops;
	/* put in parley_call_put() */
	call->terms = parley_terms_get(parley_sk(caller)->terms);
	call->netns_cookie = sock_net(caller)->net_cookie;
	parley_count(call->pn, PARLEY_COUNT_CALLS, 1);
	parley_count(call->pn, PARLEY_COUNT_CALLED, 1);
	return call;

err_user:
	parley_user_put(call->pn, call->user);
err_call:
	kmem_cache_free(parley_call_cache, call);
	return NULL;
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
 * @call: the call; gone with its last reference. If its caller calls again, a
 *	poll may still look at it, and it goes after a grace period
 *
 * Context: any, no locks of ours.
 */
void parley_call_put(struct parley_call *call)
{
	if (!refcount_dec_and_test(&call->ref))
		return;

	DEBUG_NET_WARN_ON_ONCE(!parley_call_ended(call));
	DEBUG_NET_WARN_ON_ONCE(!list_empty(&call->node));
	DEBUG_NET_WARN_ON_ONCE(timerqueue_node_queued(&call->due));
	DEBUG_NET_WARN_ON_ONCE(call->policy);
	if (call->listener)
		parley_listener_put(call->listener);
	parley_ruling_drop(&call->ruling);
	parley_ruling_drop(&call->decision);
	parley_terms_put(call->terms);
	if (call->label.context)
		security_release_secctx(&call->label);
	put_pid(call->reserver); /* hold in parley_reserve() */
	put_pid(call->pid);
	put_cred(call->cred);
	kfree(call->share); /* of a call that was never charged */
	parley_user_put(call->pn, call->user);
	parley_count(call->pn, PARLEY_COUNT_CALLS, -1);
	if (call->replaced)
		call_rcu(&call->rcu, parley_call_free_rcu);
	else
		kmem_cache_free(parley_call_cache, call);
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
	parley_count_reason(call->pn, reason);
	parley_call_step(call, PARLEY_CALL_REFUSED);
	parley_call_tell(call);
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
 * parley_call_tell - the caller may know the outcome
 * @call: a call that has ended, and whose policy has been told
 *
 * Context: any.
 */
void parley_call_tell(struct parley_call *call)
{
	/* Pairs with parley_call_ended(). */
	smp_store_release(&call->told, true);
	smp_mb(); /* the flag, then who waits: parley_call_withdraw() */
	wake_up_var(&call->told);
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
 * Context: process, no locks of ours but the caller's lock_sock().
 * Return: true if the call is withdrawn by this, false if it had its outcome
 * already.
 */
bool parley_call_withdraw(struct parley_call *call, enum parley_reason reason)
{
	bool won = parley_backlog_end(call, PARLEY_CALL_WITHDRAWN, reason);

	/* Whoever ended it needs no lock of ours to say so. */
	if (!won)
		wait_var_event(&call->told, parley_call_ended(call));
	return won;
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
