// SPDX-License-Identifier: GPL-2.0
/*
 * Listeners: what listen(2) makes, how it is found, woken and closed. What
 * waits there is in backlog.c.
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

static atomic64_t parley_listener_ids;

static struct parley_listener *parley_listener_alloc(struct sock *sk,
						     int backlog)
{
	struct parley_sock *psk = parley_sk(sk);
	struct parley_listener *l;

	if (!parley_conf_of(psk))
		return NULL;
	l = kzalloc(sizeof(*l), GFP_KERNEL_ACCOUNT);
	if (!l)
		return NULL;

	spin_lock_init(&l->lock);
	refcount_set(&l->ref, 1); /* put in parley_listener_close() */
	INIT_LIST_HEAD(&l->fresh);
	INIT_LIST_HEAD(&l->seen);
	INIT_LIST_HEAD(&l->judging);
	INIT_LIST_HEAD(&l->deferred);
	INIT_LIST_HEAD(&l->parked);
	INIT_LIST_HEAD(&l->approved);
	INIT_LIST_HEAD(&l->reserved);
	INIT_LIST_HEAD(&l->marks);
	l->known = RB_ROOT;
	l->shares = RB_ROOT;
	init_waitqueue_head(&l->deciders);
	timerqueue_init_head(&l->deadlines);
	timer_setup(&l->alarm, parley_deadline_alarm, 0);
	l->alarm_due = U64_MAX;
	timer_setup(&l->reaper, parley_reserve_reap, 0);
	l->conf = parley_conf_get(psk->conf); /* put after a grace period */
	RCU_INIT_POINTER(l->sk, sk);
	l->id = atomic64_inc_return(&parley_listener_ids);
	l->limit = parley_backlog_limit(sk, backlog);
	l->addr = psk->local;
	l->type = sk->sk_type;
	l->v6only = psk->v6only;
	l->pid = get_pid(task_tgid(current)); /* put after a grace period */
	l->cred = parley_cred_get(current_cred()); /* likewise */
	return l;
}

/* Whoever found the listener under RCU may use its identity too. */
static void parley_listener_free_rcu(struct rcu_head *rcu)
{
	struct parley_listener *l = container_of(rcu, struct parley_listener,
						 rcu);

	put_pid(l->pid);
	put_cred(l->cred);
	parley_conf_put(l->conf);
	parley_filter_exit(l);
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

	/* They were bound by bind(2): SOCK_RCU_FREE keeps the memory. */
	rcu_read_lock();
	sk = rcu_dereference(l->sk);
	if (sk)
		sk->sk_data_ready(sk);
	rcu_read_unlock();
}

/**
 * parley_listener_wake_all - something else has changed: look
 * @l: the listener; all who wait there for whatever are woken
 * @band: for SIGIO: POLL_IN or POLL_PRI
 *
 * Context: any, not under @l's lock.
 */
void parley_listener_wake_all(struct parley_listener *l, int band)
{
	struct sock *sk;

	lockdep_assert_not_held(&l->lock);

	rcu_read_lock();
	sk = rcu_dereference(l->sk);
	if (sk) {
		sk->sk_state_change(sk);
		sk_wake_async(sk, SOCK_WAKE_IO, band);
	}
	rcu_read_unlock();
	wake_up_interruptible_all(&l->deciders);
}

/**
 * parley_listener_identify - let a caller know whom it calls
 * @l: the listener
 * @caller: gets the credentials of the last listen(2) for SO_PEERCRED
 *
 * Context: process.
 */
void parley_listener_identify(struct parley_listener *l, struct sock *caller)
{
	const struct cred *cred;
	struct pid *pid;

	spin_lock_bh(&l->lock);
	pid = get_pid(l->pid);
	cred = parley_cred_get(l->cred);
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
	const struct cred *cred = parley_cred_get(current_cred());
	struct pid *pid = get_pid(task_tgid(current));
	struct parley_listener *l;

	l = rcu_dereference_protected(parley_sk(sk)->listener,
				      lockdep_sock_is_held(sk));
	spin_lock_bh(&l->lock);
	WRITE_ONCE(l->limit, parley_backlog_limit(sk, backlog));
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

/**
 * parley_listener_close - stop listening and refuse all who wait
 * @psk: a listening socket; bound but not listening afterwards
 *
 * Context: process, under lock_sock().
 */
void parley_listener_close(struct parley_sock *psk)
{
	struct sock *sk = &psk->sk;
	struct parley_listener *l;

	l = rcu_dereference_protected(psk->listener, lockdep_sock_is_held(sk));
	parley_table_unlisten(psk, l);

	/* No call is delivered any more once @sk is NULL. */
	spin_lock_bh(&l->lock);
	RCU_INIT_POINTER(l->sk, NULL);
	spin_unlock_bh(&l->lock);
	parley_backlog_clear(l);
	parley_deadline_stop(l);
	parley_port_forget(l, parley_net(sock_net(sk)));
	parley_user_forget(l, parley_net(sock_net(sk)));

	parley_set_state(sk, TCP_CLOSE);
	sk->sk_state_change(sk); /* those who wait in accept */
	wake_up_interruptible_all(&l->deciders);
	parley_listener_put(l); /* hold in parley_listener_alloc() */
}

/**
 * parley_listener_info - PARLEY_BACKLOG
 * @psk: any socket
 * @info: filled
 *
 * Context: process.
 * Return: 0, or -EINVAL where @psk does not listen.
 */
int parley_listener_info(struct parley_sock *psk, struct parley_backlog *info)
{
	struct parley_listener *l = parley_listener_get(psk);

	if (!l)
		return -EINVAL;
	memset(info, 0, sizeof(*info));
	spin_lock_bh(&l->lock);
	info->limit = l->limit;
	info->pending = l->count[PARLEY_CALL_PENDING] +
			l->count[PARLEY_CALL_JUDGING];
	info->deferred = l->count[PARLEY_CALL_DEFERRED];
	info->approved = l->count[PARLEY_CALL_APPROVED];
	spin_unlock_bh(&l->lock);
	parley_listener_put(l);
	return 0;
}
