// SPDX-License-Identifier: GPL-2.0
/*
 * Readiness, without a lock. Every fact is written before those who wait are
 * woken, and looked at after sock_poll_wait() has put us among them:
 *
 *   writer                          poll
 *   A: l->ready, ->urgent, state    C: sock_poll_wait(): on the queue
 *      head, tail, wdone, sk_err       smp_mb()
 *   B: smp_mb() in                  D: reads what A writes
 *      wq_has_sleeper() or in
 *      the queue's lock; wake
 *
 * Either D sees A, or B sees C. For space in the ring there is a flag in
 * between, "want": parley_local_has_space() raises it before it looks again,
 * parley_local_write_space() looks at it after the tail has moved. For bytes
 * in the ring there are two: "rwant" likewise, for who sleeps in a system call,
 * and "polled", since epoll is to hear of all bytes, also of those that come
 * while others are still unread.
 */
#include <linux/poll.h>

#include "parley.h"

static __poll_t parley_poll_listener(struct parley_sock *psk)
{
	struct parley_listener *l;
	__poll_t mask = 0;

	rcu_read_lock();
	l = rcu_dereference(psk->listener);
	if (l && READ_ONCE(l->ready))
		mask = EPOLLIN | EPOLLRDNORM;
	if (l && READ_ONCE(l->urgent))
		mask |= EPOLLPRI;
	rcu_read_unlock();
	return mask;
}

static __poll_t parley_poll_connected(struct sock *sk,
				      const struct parley_transport *ops)
{
	bool ended, cut;
	__poll_t mask = 0;
	int target;

	ops->push(sk); /* as who waits in a system call: parley_data_wait() */
	ended = ops->ended(sk);
	cut = ops->cut(sk);
	target = sock_rcvlowat(sk, 0, INT_MAX);
	if (ops->readable(sk, target))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (ended)
		mask |= EPOLLRDHUP;
	if (ended && cut)
		mask |= EPOLLHUP;
	if (ops->sendable(sk))
		mask |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	if (READ_ONCE(sk->sk_err))
		mask |= EPOLLERR;
	return mask;
}

static __poll_t parley_poll_failed(struct sock *sk)
{
	return EPOLLHUP | (READ_ONCE(sk->sk_err) ? EPOLLERR : 0);
}

/*
 * A call whose outcome nobody has taken note of: it may be there all the
 * same, and with ESTABLISHED the peer is set. Nothing is changed here.
 */
static __poll_t parley_poll_caller(struct parley_sock *psk)
{
	const struct parley_transport *ops = NULL;
	struct parley_call *call;
	__poll_t mask = 0;

	rcu_read_lock();
	call = rcu_dereference(psk->call);
	switch (parley_call_outcome(call)) {
	case PARLEY_CALL_ESTABLISHED:
		ops = call->ops;
		break;
	case PARLEY_CALL_REFUSED:
	case PARLEY_CALL_WITHDRAWN:
		mask = parley_poll_failed(&psk->sk);
		break;
	default:
		break;
	}
	rcu_read_unlock();
	return ops ? parley_poll_connected(&psk->sk, ops) : mask;
}

/**
 * parley_poll - poll(2), select(2), epoll(7), and whatever else waits
 * @file: the socket's file
 * @sock: the socket
 * @wait: where to wait, or nothing
 *
 * Context: process, may sleep; takes no lock.
 * Return: what is ready.
 */
__poll_t parley_poll(struct file *file, struct socket *sock, poll_table *wait)
{
	struct sock *sk = sock->sk;
	struct parley_sock *psk = parley_sk(sk);

	if (!poll_does_not_wait(wait) && !READ_ONCE(psk->polled))
		WRITE_ONCE(psk->polled, true);
	sock_poll_wait(file, sock, wait);

	/* Pairs with parley_set_state(). */
	switch (smp_load_acquire(&sk->sk_state)) {
	case TCP_LISTEN:
		return parley_poll_listener(psk);
	case TCP_SYN_SENT:
		return parley_poll_caller(psk);
	case TCP_ESTABLISHED:
		return parley_poll_connected(sk, psk->ops);
	default:
		return parley_poll_failed(sk);
	}
}
