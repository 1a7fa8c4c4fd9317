// SPDX-License-Identifier: GPL-2.0
/*
 * Listeners and their backlogs. All that is ever charged to a backlog or
 * taken off it, and every outcome of a delivered call, is decided in this
 * file, under the listener's lock: a verdict and a withdrawal that race have
 * one winner, and the numbers are right at each moment.
 *
 * Nothing that sleeps, wakes or runs foreign code happens under that lock.
 */
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/slab.h>

#include "parley.h"

/* At least one call fits: Winsock's "nearest legal value" for 0. */
static u32 parley_backlog_limit(struct sock *sk, int backlog)
{
	u32 max = READ_ONCE(parley_net(sock_net(sk))->max_backlog);

	return clamp_t(u32, backlog, 1, max);
}

static struct parley_listener *parley_listener_alloc(struct sock *sk,
						     int backlog)
{
	struct parley_sock *psk = parley_sk(sk);
	struct parley_listener *l;

	l = kzalloc(sizeof(*l), GFP_KERNEL_ACCOUNT);
	if (!l)
		return NULL;

	spin_lock_init(&l->lock);
	refcount_set(&l->ref, 1); /* put in parley_listener_close() */
	INIT_LIST_HEAD(&l->pending);
	INIT_LIST_HEAD(&l->judging);
	RCU_INIT_POINTER(l->sk, sk);
	l->limit = parley_backlog_limit(sk, backlog);
	l->addr = psk->local;
	l->v6only = psk->v6only;
	l->pid = get_pid(task_tgid(current)); /* put after a grace period */
	l->cred = get_current_cred(); /* likewise */
	return l;
}

/* Whoever found the listener under RCU may use its identity too. */
static void parley_listener_free_rcu(struct rcu_head *rcu)
{
	struct parley_listener *l = container_of(rcu, struct parley_listener,
						 rcu);

	put_pid(l->pid);
	put_cred(l->cred);
	kfree(l);
}

/**
 * parley_listener_put - let go of a listener
 * @l: the listener; gone with its last reference, after a grace period
 *
 * Context: any.
 */
void parley_listener_put(struct parley_listener *l)
{
	if (!refcount_dec_and_test(&l->ref))
		return;
	DEBUG_NET_WARN_ON_ONCE(l->charged || l->ready);
	call_rcu(&l->rcu, parley_listener_free_rcu);
}

/**
 * parley_listener_get - hold the listener of a socket
 * @psk: any socket
 *
 * Context: any.
 * Return: the listener, to be put, or NULL where @psk does not listen.
 */
struct parley_listener *parley_listener_get(struct parley_sock *psk)
{
	struct parley_listener *l;

	rcu_read_lock();
	l = rcu_dereference(psk->listener);
	if (l && !refcount_inc_not_zero(&l->ref))
		l = NULL;
	rcu_read_unlock();
	return l;
}

/**
 * parley_listener_wake - there is a call to take
 * @l: the listener; one of those who wait in accept is woken, and all polls
 *
 * Context: any, not under @l's lock.
 */
void parley_listener_wake(struct parley_listener *l)
{
	struct sock *sk;

	lockdep_assert_not_held(&l->lock);

	/* Listening sockets were bound: SOCK_RCU_FREE keeps the memory. */
	rcu_read_lock();
	sk = rcu_dereference(l->sk);
	if (sk)
		sk->sk_data_ready(sk);
	rcu_read_unlock();
}

/**
 * parley_listener_identify - let a caller know whom it calls
 * @l: the listener, found under RCU
 * @caller: gets the credentials of the last listen(2) for SO_PEERCRED
 *
 * Context: process, under rcu_read_lock().
 */
void parley_listener_identify(struct parley_listener *l, struct sock *caller)
{
	const struct cred *cred;
	struct pid *pid;

	spin_lock_bh(&l->lock);
	pid = get_pid(l->pid);
	cred = get_cred(l->cred);
	spin_unlock_bh(&l->lock);

	parley_set_peercred(caller, pid, cred);
	put_pid(pid);
	put_cred(cred);
}

static int parley_listen_start(struct sock *sk, int backlog)
{
	struct parley_sock *psk = parley_sk(sk);
	struct parley_listener *l;
	int err;

	l = parley_listener_alloc(sk, backlog);
	if (!l)
		return -ENOMEM;

	err = parley_table_listen(psk, l);
	if (err)
		parley_listener_put(l);
	else
		parley_set_state(sk, TCP_LISTEN);
	return err;
}

/* More or fewer may wait from now on; those who do are not touched. */
static void parley_listen_again(struct sock *sk, int backlog)
{
	const struct cred *cred = get_current_cred();
	struct pid *pid = get_pid(task_tgid(current));
	struct parley_listener *l;

	l = rcu_dereference_protected(parley_sk(sk)->listener,
				      lockdep_sock_is_held(sk));
	spin_lock_bh(&l->lock);
	l->limit = parley_backlog_limit(sk, backlog);
	swap(l->pid, pid);
	swap(l->cred, cred);
	spin_unlock_bh(&l->lock);
	put_pid(pid);
	put_cred(cred);
}

/**
 * parley_listen - listen(2)
 * @sock: the socket
 * @backlog: how many calls may wait; already capped by somaxconn
 *
 * Context: process.
 * Return: 0, -EINVAL for a socket that is not bound, calls or is connected,
 * -EADDRINUSE, -ENOMEM.
 */
int parley_listen(struct socket *sock, int backlog)
{
	struct sock *sk = sock->sk;
	int err = -EINVAL;

	lock_sock(sk);
	parley_settle(parley_sk(sk));
	if (sk->sk_state == TCP_LISTEN) {
		parley_listen_again(sk, backlog);
		err = 0;
	} else if (sk->sk_state == TCP_CLOSE && parley_sk(sk)->bound) {
		err = parley_listen_start(sk, backlog);
	}
	release_sock(sk);
	return err;
}

static bool parley_backlog_charge(struct parley_listener *l,
				  struct parley_net *pn)
{
	lockdep_assert_held(&l->lock);

	if (atomic_inc_return(&pn->pending) > READ_ONCE(pn->max_pending)) {
		atomic_dec(&pn->pending);
		return false;
	}
	l->charged++;
	return true;
}

static void parley_backlog_uncharge(struct parley_listener *l,
				    struct parley_net *pn)
{
	lockdep_assert_held(&l->lock);
	DEBUG_NET_WARN_ON_ONCE(!l->charged);

	l->charged--;
	atomic_dec(&pn->pending);
}

/* On to or off the list that accept takes from; poll reads the number. */
static void parley_backlog_ready(struct parley_listener *l, int by)
{
	lockdep_assert_held(&l->lock);
	WRITE_ONCE(l->ready, l->ready + by);
}

static int __parley_backlog_add(struct parley_listener *l,
				struct parley_call *call, u32 timeout_ms)
{
	lockdep_assert_held(&l->lock);

	if (!rcu_access_pointer(l->sk))
		return PARLEY_REASON_NO_LISTENER;
	if (l->charged >= l->limit)
		return PARLEY_REASON_BACKLOG_FULL;
	if (!parley_backlog_charge(l, call->pn))
		return PARLEY_REASON_LIMIT;

	refcount_inc(&l->ref); /* put in parley_call_put() */
	call->listener = l;
	call->id = atomic64_inc_return(&call->pn->next_id);
	parley_call_get(call); /* put in parley_backlog_ended() */
	list_add_tail(&call->node, &l->pending);
	parley_backlog_ready(l, 1);
	parley_call_step(call, PARLEY_CALL_PENDING);
	parley_call_arm(call, timeout_ms);
	return 0;
}

/**
 * parley_backlog_add - deliver a call
 * @l: whom it is for, found under RCU
 * @call: a new call
 * @timeout_ms: withdraw it after so many milliseconds, 0 for never
 *
 * Context: process, under rcu_read_lock().
 * Return: 0, and from then on anything may happen to the call, or the enum
 * parley_reason for which it is refused.
 */
int parley_backlog_add(struct parley_listener *l, struct parley_call *call,
		       u32 timeout_ms)
{
	int reason;

	spin_lock_bh(&l->lock);
	reason = __parley_backlog_add(l, call, timeout_ms);
	spin_unlock_bh(&l->lock);
	if (!reason)
		parley_listener_wake(l);
	return reason;
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
}

/*
 * The one step that decides a call. Whoever gets true is the winner and calls
 * parley_backlog_ended() once the lock is free.
 */
static bool __parley_backlog_end(struct parley_call *call,
				 enum parley_call_state to,
				 enum parley_reason reason)
{
	struct parley_listener *l = call->listener;

	lockdep_assert_held(&l->lock);

	if (parley_state_ended(call->state))
		return false;

	list_del_init(&call->node);
	if (call->state == PARLEY_CALL_PENDING)
		parley_backlog_ready(l, -1);
	parley_backlog_uncharge(l, call->pn);
	parley_backlog_count(call, to);
	call->reason = reason;
	if (to != PARLEY_CALL_ESTABLISHED)
		parley_port_release_implicit(parley_sk(call->caller));
	/* Before the state: who sees the outcome finds the error. */
	if (to == PARLEY_CALL_REFUSED)
		WRITE_ONCE(call->caller->sk_err, ECONNREFUSED);
	else if (reason == PARLEY_REASON_TIMED_OUT)
		WRITE_ONCE(call->caller->sk_err, ETIMEDOUT);
	parley_call_step(call, to);
	return true;
}

/* After __parley_backlog_end() said true: tell the caller, drop references. */
static void parley_backlog_ended(struct parley_call *call)
{
	struct sock *caller = call->caller;
	bool established;

	lockdep_assert_not_held(&call->listener->lock);

	established = parley_call_state(call) == PARLEY_CALL_ESTABLISHED;
	call->ops->answer(caller, call);
	/* Established, the accepted socket's peer has the reference. */
	if (!established)
		sock_put(caller); /* hold in parley_call_alloc() */
	if (timer_delete(&call->timer))
		parley_call_put(call); /* hold in parley_call_arm() */
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

/**
 * parley_backlog_establish - turn a call into a connection
 * @call: a call that parley_backlog_take() gave
 * @callee: the new socket, complete; nobody knows it yet
 *
 * Context: process.
 * Return: true if there is a connection now, on both sides; false if the
 * caller gave up or the listener was closed, and @callee is still unused.
 */
bool parley_backlog_establish(struct parley_call *call, struct sock *callee)
{
	struct parley_listener *l = call->listener;
	bool won = false;

	spin_lock_bh(&l->lock);
	if (call->state == PARLEY_CALL_JUDGING) {
		sock_hold(callee); /* put in the caller's close */
		parley_sk(call->caller)->peer = callee;
		parley_sk(callee)->peer = call->caller;
		won = __parley_backlog_end(call, PARLEY_CALL_ESTABLISHED,
					   PARLEY_REASON_NONE);
	}
	spin_unlock_bh(&l->lock);
	if (won)
		parley_backlog_ended(call);
	return won;
}

/**
 * parley_backlog_take - the oldest call that nobody works on
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
	call = list_first_entry_or_null(&l->pending, struct parley_call, node);
	if (call) {
		list_move_tail(&call->node, &l->judging);
		parley_backlog_ready(l, -1);
		parley_call_step(call, PARLEY_CALL_JUDGING);
		parley_call_get(call); /* put by who took it */
	}
	spin_unlock_bh(&l->lock);
	return call;
}

/* Back among those that wait, where its age says. */
static void parley_backlog_requeue(struct parley_listener *l,
				   struct parley_call *call)
{
	struct list_head *at = &l->pending;
	struct parley_call *pos;

	lockdep_assert_held(&l->lock);

	list_for_each_entry(pos, &l->pending, node) {
		if (pos->id > call->id) {
			at = &pos->node;
			break;
		}
	}
	list_move_tail(&call->node, at);
}

/**
 * parley_backlog_untake - accept failed: somebody else shall have the call
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
		parley_backlog_requeue(l, call);
		parley_backlog_ready(l, 1);
		parley_call_step(call, PARLEY_CALL_PENDING);
		back = true;
	}
	spin_unlock_bh(&l->lock);
	if (back)
		parley_listener_wake(l);
}

static struct parley_call *parley_backlog_refuse_one(struct parley_listener *l)
{
	struct parley_call *call;

	spin_lock_bh(&l->lock);
	call = list_first_entry_or_null(&l->pending, struct parley_call, node);
	if (!call)
		call = list_first_entry_or_null(&l->judging,
						struct parley_call, node);
	if (call)
		__parley_backlog_end(call, PARLEY_CALL_REFUSED,
				     PARLEY_REASON_LISTENER_CLOSED);
	spin_unlock_bh(&l->lock);
	return call;
}

/**
 * parley_listener_close - stop listening and refuse all who wait
 * @psk: a listening socket; bound but not listening afterwards
 *
 * No call is delivered once @l->sk is NULL, and one that an accept has taken
 * can only go from one of the lists to the other: the loop ends with both
 * empty.
 *
 * Context: process, under lock_sock().
 */
void parley_listener_close(struct parley_sock *psk)
{
	struct sock *sk = &psk->sk;
	struct parley_listener *l;
	struct parley_call *call;

	l = rcu_dereference_protected(psk->listener, lockdep_sock_is_held(sk));
	parley_table_unlisten(psk, l);

	spin_lock_bh(&l->lock);
	RCU_INIT_POINTER(l->sk, NULL);
	spin_unlock_bh(&l->lock);

	while ((call = parley_backlog_refuse_one(l))) {
		parley_backlog_ended(call);
		cond_resched();
	}

	parley_set_state(sk, TCP_CLOSE);
	sk->sk_state_change(sk); /* those who wait in accept */
	parley_listener_put(l); /* hold in parley_listener_alloc() */
}

/**
 * parley_backlog_info - PARLEY_BACKLOG
 * @psk: any socket
 * @info: filled
 *
 * Context: process.
 * Return: 0, or -EINVAL where @psk does not listen.
 */
int parley_backlog_info(struct parley_sock *psk, struct parley_backlog *info)
{
	struct parley_listener *l = parley_listener_get(psk);

	if (!l)
		return -EINVAL;
	memset(info, 0, sizeof(*info));
	spin_lock_bh(&l->lock);
	info->limit = l->limit;
	info->pending = l->charged;
	spin_unlock_bh(&l->lock);
	parley_listener_put(l);
	return 0;
}
