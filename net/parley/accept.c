// SPDX-License-Identifier: GPL-2.0
/*
 * accept(2): take the oldest call, make a socket for it, and turn the two
 * into a connection if the caller is still there. Until that last step the
 * call stays in the backlog, so an accept that fails loses nothing.
 */
#include <linux/sched/signal.h>

#include "parley.h"

/* Why one does not go on waiting, or 0. */
static int parley_accept_stop(struct parley_listener *l, long timeo)
{
	/* A dying process shall not take what it cannot serve. */
	if (fatal_signal_pending(current))
		return -EINTR;
	if (!rcu_access_pointer(l->sk))
		return -EINVAL;
	if (!timeo)
		return -EAGAIN;
	if (signal_pending(current))
		return sock_intr_errno(timeo);
	return 0;
}

/*
 * Wait for a call and take it. The wait is exclusive: each call wakes one.
 * After every wake the backlog is looked at before time and signals are, so
 * whoever leaves without a call has not slept through anybody's wake-up; and
 * who is woken once more while already leaving with a call passes that on.
 */
static struct parley_call *parley_accept_wait(struct sock *sk,
					      struct parley_listener *l,
					      long *timeo)
{
	struct parley_call *call;
	DEFINE_WAIT(wait);
	bool woken;
	int err;

	for (;;) {
		prepare_to_wait_exclusive(sk_sleep(sk), &wait,
					  TASK_INTERRUPTIBLE);
		call = fatal_signal_pending(current) ? NULL :
		       parley_backlog_take(l);
		if (call)
			break;
		err = parley_accept_stop(l, *timeo);
		if (err) {
			call = ERR_PTR(err);
			break;
		}
		*timeo = schedule_timeout(*timeo);
	}
	/* A wake-up takes its waiter off the queue. */
	woken = list_empty_careful(&wait.entry);
	finish_wait(sk_sleep(sk), &wait);
	if (woken && READ_ONCE(l->ready))
		parley_listener_wake(l);
	return call;
}

/* Without a place on the queue nobody's wake-up can come here by mistake. */
static struct parley_call *parley_accept_take(struct sock *sk,
					      struct parley_listener *l,
					      long *timeo)
{
	struct parley_call *call = parley_backlog_take(l);
	int err;

	if (call)
		return call;
	err = parley_accept_stop(l, *timeo);
	if (err)
		return ERR_PTR(err);
	return parley_accept_wait(sk, l, timeo);
}

/*
 * The socket that the server gets, complete but for its peer. Return: it, or
 * an error for accept(2).
 */
static struct sock *parley_accept_socket(struct sock *lsk,
					 struct parley_call *call)
{
	struct sock *sk = ERR_PTR(-EINVAL);
	struct parley_sock *psk;

	/* What is copied holds still, and no listener has a peer. */
	lock_sock(lsk);
	if (lsk->sk_state == TCP_LISTEN)
		sk = parley_sock_clone(lsk) ?: ERR_PTR(-ENOMEM);
	release_sock(lsk);
	if (IS_ERR(sk))
		return sk;

	psk = parley_sk(sk);
	psk->local = call->to;
	psk->callee = true;
	psk->ops = call->ops;
	parley_call_get(call); /* put in parley_sock_destruct() */
	RCU_INIT_POINTER(psk->call, call);
	parley_set_peercred(sk, call->pid, call->cred);
	/* Nobody knows the socket: as good as under its lock_sock(). */
	WRITE_ONCE(sk->sk_state, TCP_ESTABLISHED);
	return sk;
}

/* Return: the connected socket, or an error for accept(2). */
static struct sock *parley_accept_one(struct sock *lsk,
				      struct parley_listener *l, long *timeo)
{
	struct parley_call *call;
	struct sock *sk;
	bool won;

	for (;;) {
		call = parley_accept_take(lsk, l, timeo);
		if (IS_ERR(call))
			return ERR_CAST(call);

		sk = parley_accept_socket(lsk, call);
		if (IS_ERR(sk)) {
			parley_backlog_untake(call);
			parley_call_put(call);
			return sk;
		}
		won = parley_backlog_establish(call, sk);
		parley_call_put(call); /* hold in parley_backlog_take() */
		if (won)
			return sk;
		sock_put(sk); /* the caller has gone: on to the next */
	}
}

/**
 * parley_accept - accept(2)
 * @sock: the listening socket
 * @newsock: the socket to fill
 * @arg: the flags
 *
 * Context: process, may sleep.
 * Return: 0, -EINVAL where @sock does not listen (any more), -EAGAIN, -EINTR
 * or -ERESTARTSYS, -ENOMEM. No call is lost by an error.
 */
int parley_accept(struct socket *sock, struct socket *newsock,
		  struct proto_accept_arg *arg)
{
	struct sock *lsk = sock->sk;
	struct parley_listener *l;
	struct sock *sk;
	long timeo;

	l = parley_listener_get(parley_sk(lsk));
	if (!l)
		return -EINVAL;

	timeo = sock_rcvtimeo(lsk, arg->flags & O_NONBLOCK);
	sk = parley_accept_one(lsk, l, &timeo);
	parley_listener_put(l);
	if (IS_ERR(sk))
		return PTR_ERR(sk);

	sock_prot_inuse_add(sock_net(sk), &parley_proto, 1);
	lock_sock(sk);
	sock_graft(sk, newsock);
	newsock->state = SS_CONNECTED;
	release_sock(sk);
	return 0;
}
