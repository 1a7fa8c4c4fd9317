// SPDX-License-Identifier: GPL-2.0
/*
 * connect(2): begin a call, wait for its outcome, take note of it. The three
 * are apart, since the outcome may come when nobody waits: whichever system
 * call looks next at the socket settles it, under the socket's own lock.
 */
#include <linux/sched/signal.h>

#include "parley.h"

static void parley_settle_established(struct parley_sock *psk)
{
	struct sock *sk = &psk->sk;

	sk->sk_socket->state = SS_CONNECTED;
	parley_set_state(sk, TCP_ESTABLISHED);
}

static void parley_settle_failed(struct parley_sock *psk,
				 struct parley_call *call)
{
	psk->reason = call->reason;
	/* Without a peer: what a clone of a later listener would copy. */
	parley_set_peercred(&psk->sk, NULL, NULL);
	parley_set_state(&psk->sk, TCP_CLOSE);
}

/**
 * parley_settle - take note of the outcome of a call, if there is one
 * @psk: any socket
 *
 * Context: process, under lock_sock().
 */
void parley_settle(struct parley_sock *psk)
{
	struct parley_call *call;

	sock_owned_by_me(&psk->sk);

	if (psk->sk.sk_state != TCP_SYN_SENT)
		return;
	call = parley_own_call(psk);
	switch (parley_call_outcome(call)) {
	case PARLEY_CALL_ESTABLISHED:
		parley_settle_established(psk);
		break;
	case PARLEY_CALL_REFUSED:
	case PARLEY_CALL_WITHDRAWN:
		parley_settle_failed(psk, call);
		break;
	default:
		break;
	}
}

/*
 * Wait for the outcome of the pending call. Return: what connect(2) says of
 * it; @again once the time is over; -EINTR or -ERESTARTSYS for a signal, and
 * the call goes on.
 */
static int parley_connect_wait(struct sock *sk, long timeo, int again)
{
	struct parley_call *call = parley_own_call(parley_sk(sk));
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int err = 0;

	/* Who does not wait needs no place on the queue. */
	if (!timeo && !parley_call_ended(call))
		return again;

	parley_call_get(call); /* another thread may begin the next one */
	add_wait_queue(sk_sleep(sk), &wait);
	smp_mb(); /* queued, then look: pairs with wq_has_sleeper() */
	while (!parley_call_ended(call)) {
		if (!timeo) {
			err = again;
			break;
		}
		if (signal_pending(current)) {
			err = sock_intr_errno(timeo);
			break;
		}
		release_sock(sk);
		timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, timeo);
		lock_sock(sk);
	}
	remove_wait_queue(sk_sleep(sk), &wait);

	if (!err) {
		parley_settle(parley_sk(sk));
		err = parley_call_error(call);
		/* Told by the return value; the next call's is not ours. */
		if (err && parley_own_call(parley_sk(sk)) == call)
			sock_error(sk);
	}
	parley_call_put(call);
	return err;
}

/* What the user means, and whether it can be reached. */
static int parley_connect_parse(struct parley_sock *psk, const void *uaddr,
				int len, struct parley_addr *to, u8 *family)
{
	int err;

	*family = psk->family;
	err = parley_addr_parse(to, family, uaddr, len);
	if (err)
		return err;
	if (parley_addr_is_any(to))
		parley_addr_set_loopback(to);
	if (psk->v6only && *family == AF_INET6 && parley_addr_is_v4(to))
		return -ENETUNREACH;
	if (psk->bound && !parley_addr_is_any(&psk->local) &&
	    parley_addr_is_v4(&psk->local) != parley_addr_is_v4(to))
		return -EINVAL;
	if (psk->bound && parley_addr_is_any(&psk->local) &&
	    parley_addr_is_v4(&psk->local) && !parley_addr_is_v4(to))
		return -EINVAL;

	psk->ops = parley_transport_find(sock_net(&psk->sk), to);
	return psk->ops ? 0 : -ENETUNREACH;
}

/* The caller's own address, with a port that is unique towards @to. */
static int parley_connect_bind(struct parley_sock *psk,
			       struct parley_call *call)
{
	int err;

	if (!psk->bound) {
		err = parley_port_bind_implicit(psk, &call->to);
		if (err)
			return err;
	}
	call->from = psk->local;
	if (parley_addr_is_any(&call->from)) {
		call->from.ip = call->to.ip;
		call->from.scope = call->to.scope;
	}
	return 0;
}

static int parley_connect_deliver(struct parley_sock *psk,
				  struct parley_call *call)
{
	struct parley_call *old = parley_own_call(psk);
	struct sock *sk = &psk->sk;
	int ret;

	WRITE_ONCE(sk->sk_err, 0);
	rcu_assign_pointer(psk->call, call); /* with its reference */
	if (old) {
		old->replaced = true;
		parley_call_put(old);
	}

	/* The verdict may come before deliver() returns. */
	parley_set_state(sk, TCP_SYN_SENT);
	ret = psk->ops->deliver(call, psk->timeout_ms);
	if (!ret)
		return 0;
	parley_call_refuse(call, ret > 0 ? ret : PARLEY_REASON_NONE);
	parley_settle(psk);
	return ret > 0 ? -ECONNREFUSED : ret;
}

static int parley_connect_start(struct sock *sk, const void *uaddr, int len)
{
	struct parley_sock *psk = parley_sk(sk);
	struct parley_call *call;
	struct parley_addr to;
	u8 family;
	int err;

	psk->reason = PARLEY_REASON_NONE;
	err = parley_connect_parse(psk, uaddr, len, &to, &family);
	if (err)
		return err;

	call = parley_call_alloc(sk, &to);
	if (!call)
		return -ENOMEM;
	err = parley_connect_bind(psk, call);
	if (err) {
		parley_call_abandon(call);
		return err;
	}
	psk->family = family;
	return parley_connect_deliver(psk, call);
}

/* connect(2) with AF_UNSPEC: never mind. */
static int parley_connect_cancel(struct sock *sk)
{
	struct parley_sock *psk = parley_sk(sk);

	if (sk->sk_state == TCP_LISTEN)
		return -EINVAL;
	if (sk->sk_state == TCP_SYN_SENT) {
		parley_call_withdraw(parley_own_call(psk), PARLEY_REASON_NONE);
		parley_settle(psk);
	}
	if (sk->sk_state == TCP_ESTABLISHED)
		return -EISCONN;
	WRITE_ONCE(sk->sk_err, 0);
	return 0;
}

static int __parley_connect(struct sock *sk, const void *uaddr, int len,
			    int flags)
{
	long timeo = sock_sndtimeo(sk, flags & O_NONBLOCK);
	const struct sockaddr *sa = uaddr;
	int again = -EALREADY;
	int err;

	if (len < (int)offsetofend(struct sockaddr, sa_family))
		return -EINVAL;

	parley_settle(parley_sk(sk));
	if (sa->sa_family == AF_UNSPEC)
		return parley_connect_cancel(sk);

	switch (sk->sk_state) {
	case TCP_LISTEN:
		return -EINVAL;
	case TCP_ESTABLISHED:
		if (!parley_sk(sk)->restart)
			return -EISCONN;
		parley_sk(sk)->restart = false;
		return 0;
	case TCP_SYN_SENT:
		break;
	default:
		/* An earlier failure that nobody has been told of yet. */
		err = sock_error(sk);
		if (!err)
			err = parley_connect_start(sk, uaddr, len);
		if (err)
			return err;
		again = -EINPROGRESS;
		break;
	}
	err = parley_connect_wait(sk, timeo, again);
	parley_sk(sk)->restart = err == -ERESTARTSYS;
	return err;
}

/**
 * parley_connect - connect(2)
 * @sock: the socket
 * @uaddr: whom to call; AF_UNSPEC withdraws a pending call
 * @len: its length in bytes
 * @flags: O_NONBLOCK
 *
 * Context: process, may sleep.
 * Return: 0 once the server said yes; -EINPROGRESS, -EALREADY, -EISCONN,
 * -ECONNREFUSED, -ETIMEDOUT, -ECONNABORTED where another thread withdrew the
 * call, -EINTR or -ERESTARTSYS, -EINVAL, -EAFNOSUPPORT, -ENETUNREACH,
 * -EADDRNOTAVAIL, -ENOMEM.
 */
int parley_connect(struct socket *sock, struct sockaddr_unsized *uaddr,
		   int len, int flags)
{
	struct sock *sk = sock->sk;
	int err;

	lock_sock(sk);
	err = __parley_connect(sk, uaddr, len, flags);
	release_sock(sk);
	return err;
}

/**
 * parley_wait_connected - before data can move
 * @sk: any socket
 * @timeo: how long a pending call is waited for
 *
 * Context: process, may sleep.
 * Return: 0 if connected, -ENOTCONN, -EAGAIN, or what became of the call.
 */
int parley_wait_connected(struct sock *sk, long timeo)
{
	int err;

	/* Pairs with parley_set_state(): @peer is there. */
	if (likely(smp_load_acquire(&sk->sk_state) == TCP_ESTABLISHED))
		return 0;

	lock_sock(sk);
	parley_settle(parley_sk(sk));
	switch (sk->sk_state) {
	case TCP_ESTABLISHED:
		err = 0;
		break;
	case TCP_SYN_SENT:
		err = parley_connect_wait(sk, timeo, -EAGAIN);
		break;
	default:
		err = sock_error(sk) ?: -ENOTCONN;
		break;
	}
	release_sock(sk);
	return err;
}
