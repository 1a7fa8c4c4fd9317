// SPDX-License-Identifier: GPL-2.0
/*
 * Data of a connected socket: send and receive with their waiting, errors and
 * flags as tcp(7) and unix(7) have them. Here are streams, and what they share
 * with records (record.c). How bytes get across is the transport's business.
 *
 * Takes no lock_sock() once the connection is known: what is used of the
 * socket does not change until release, when no system call is left in it.
 */
#include <linux/sched/signal.h>
#include <linux/uio.h>

#include "parley.h"

/**
 * parley_data_wait - wait until something can be done
 * @sk: a connected socket
 * @timeo: how long, in ticks; what is left is stored
 * @target: for @ready
 * @ready: says whether it can. It is asked without time all the same, since
 *	that is how a writer says that it wants to hear of space
 *
 * Context: process, may sleep.
 * Return: 0, -EAGAIN when the time is over, -EINTR or -ERESTARTSYS.
 */
int parley_data_wait(struct sock *sk, long *timeo, size_t target,
		     bool (*ready)(struct sock *sk, size_t target))
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	int err = 0;

	/* Who waits for an answer has said all there is to say for now. */
	parley_sk(sk)->ops->push(sk);
	if (!*timeo)
		return ready(sk, target) ? 0 : -EAGAIN;

	add_wait_queue(sk_sleep(sk), &wait);
	smp_mb(); /* queued, then look: pairs with wq_has_sleeper() */
	while (!ready(sk, target)) {
		if (signal_pending(current)) {
			err = sock_intr_errno(*timeo);
			break;
		}
		if (!*timeo) {
			err = -EAGAIN;
			break;
		}
		*timeo = wait_woken(&wait, TASK_INTERRUPTIBLE, *timeo);
	}
	remove_wait_queue(sk_sleep(sk), &wait);
	return err;
}

/**
 * parley_data_sendable - for parley_data_wait()
 * @sk: a connected socket
 * @target: not used
 *
 * Context: process.
 * Return: whether a send would not wait.
 */
bool parley_data_sendable(struct sock *sk, size_t target)
{
	return READ_ONCE(sk->sk_err) || parley_sk(sk)->ops->sendable(sk);
}

static bool parley_data_readable(struct sock *sk, size_t target)
{
	return READ_ONCE(sk->sk_err) ||
	       parley_sk(sk)->ops->readable(sk, target);
}

/* An address in a message is wrong in any state, but not equally so. */
static int parley_send_named(struct sock *sk)
{
	int state;

	lock_sock(sk);
	parley_settle(parley_sk(sk));
	state = sk->sk_state;
	release_sock(sk);
	return state == TCP_ESTABLISHED ? -EISCONN : -EOPNOTSUPP;
}

/*
 * What comes along with the bytes goes nowhere. Descriptors and credentials,
 * which somebody would wait for at the other end, are refused; the rest is
 * checked as for every socket.
 */
static int parley_send_control(struct sock *sk, struct msghdr *msg)
{
	struct sockcm_cookie cookie = {};
	struct cmsghdr *cmsg;

	for_each_cmsghdr(cmsg, msg) {
		if (!CMSG_OK(msg, cmsg))
			return -EINVAL;
		if (cmsg->cmsg_level == SOL_SOCKET &&
		    (cmsg->cmsg_type == SCM_RIGHTS ||
		     cmsg->cmsg_type == SCM_CREDENTIALS))
			return -EOPNOTSUPP;
	}
	return sock_cmsg_send(sk, msg, &cookie);
}

/**
 * parley_send_check - before anything is sent
 * @sock: any socket
 * @msg: its flags and its address
 * @timeo: how long a pending call is waited for
 *
 * Context: process, may sleep.
 * Return: 0 if connected, or what send(2) returns.
 */
int parley_send_check(struct socket *sock, struct msghdr *msg, long timeo)
{
	int err;

	if (msg->msg_flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (unlikely(msg->msg_controllen)) {
		err = parley_send_control(sock->sk, msg);
		if (err)
			return err;
	}
	if (msg->msg_namelen)
		return parley_send_named(sock->sk);
	return parley_wait_connected(sock->sk, timeo);
}

/**
 * parley_data_error - whoever set a time-out is told of a signal
 * @n: what came of it
 * @timeo: the time that is left
 *
 * Context: any.
 * Return: @n, or -EINTR where the call shall not be restarted.
 */
long parley_data_error(long n, long timeo)
{
	return n == -ERESTARTSYS ? sock_intr_errno(timeo) : n;
}

/**
 * parley_sendmsg - send(2) and the like
 * @sock: the socket
 * @msg: the bytes, and the flags
 * @len: how many bytes
 *
 * Context: process, may sleep.
 * Return: bytes taken, or a negative errno where none were.
 */
int parley_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)
{
	struct sock *sk = sock->sk;
	const struct parley_transport *ops;
	size_t sent = 0;
	long timeo;
	bool more;
	long n;
	int err;

	if (parley_has_records(sk))
		return parley_send_record(sock, msg, len);
	timeo = sock_sndtimeo(sk, msg->msg_flags & MSG_DONTWAIT);
	err = parley_send_check(sock, msg, timeo);
	if (err)
		return err;
	ops = parley_sk(sk)->ops;
	more = msg->msg_flags & MSG_MORE || READ_ONCE(parley_sk(sk)->cork);

	/* No byte is a write too, and says whether one could be sent. */
	if (!len)
		err = READ_ONCE(sk->sk_err) ? sock_error(sk) :
		      ops->cut(sk) ? -EPIPE : 0;

	while (sent < len) {
		if (READ_ONCE(sk->sk_err)) {
			/* What was sent is told first, the error next time. */
			err = sent ? 0 : sock_error(sk);
			if (sent || err)
				break;
		}
		n = ops->send(sk, &msg->msg_iter, more);
		if (n < 0) {
			err = parley_data_error(n, timeo);
			break;
		}
		sent += n;
		if (sent == len)
			break;
		if (n)
			continue;
		err = parley_data_wait(sk, &timeo, 0, parley_data_sendable);
		if (err)
			break;
	}

	if (sent)
		return sent;
	return err ? sk_stream_error(sk, msg->msg_flags, err) : 0;
}

/**
 * parley_recv_check - before anything is received
 * @sock: any socket
 * @msg: gets no address
 * @flags: those of recv(2)
 * @timeo: how long a pending call is waited for
 *
 * Context: process, may sleep.
 * Return: 0 if connected, or what recv(2) returns.
 */
int parley_recv_check(struct socket *sock, struct msghdr *msg, int flags,
		      long timeo)
{
	msg->msg_namelen = 0;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (flags & MSG_ERRQUEUE) /* there are no such messages */
		return -EAGAIN;
	return parley_wait_connected(sock->sk, timeo);
}

/**
 * parley_recv_more - there was nothing to read
 * @sk: a connected socket
 * @target: how many bytes are worth while
 * @timeo: how long to wait, in ticks; what is left is stored
 *
 * Context: process, may sleep.
 * Return: 1 at the end of the data, 0 after a successful wait for more, or an
 * error.
 */
int parley_recv_more(struct sock *sk, size_t target, long *timeo)
{
	const struct parley_transport *ops = parley_sk(sk)->ops;
	/* Pairs with the transport's stores: the last bytes are there. */
	bool failed = smp_load_acquire(&sk->sk_err);
	bool ended = ops->ended(sk);

	if (ops->arrived(sk))
		return 0;
	if (failed)
		return sock_error(sk);
	if (ended)
		return 1;
	return parley_data_wait(sk, timeo, target, parley_data_readable);
}

/* MSG_PEEK looks from the beginning each time, so it waits first. */
static long parley_recv_peek(struct sock *sk, struct msghdr *msg, size_t len,
			     int flags, size_t target, long *timeo)
{
	const struct parley_transport *ops = parley_sk(sk)->ops;
	int err;

	for (;;) {
		long n;

		if (!parley_data_readable(sk, target)) {
			err = parley_data_wait(sk, timeo, target,
					       parley_data_readable);
			if (err && !ops->arrived(sk))
				return err;
		}
		n = ops->recv(sk, &msg->msg_iter, len, flags);
		if (n)
			return n < 0 ? parley_data_error(n, *timeo) : n;
		err = parley_recv_more(sk, target, timeo);
		if (err)
			return err < 0 ? err : 0;
	}
}

static long parley_recv_data(struct sock *sk, struct msghdr *msg, size_t len,
			     int flags, size_t target, long *timeo)
{
	const struct parley_transport *ops = parley_sk(sk)->ops;
	bool last = false;
	size_t got = 0;
	int err = 0;
	long n;

	while (got < len) {
		/* Less than SO_RCVLOWAT is left alone until more comes. */
		if (!got && !(flags & MSG_WAITALL) &&
		    !parley_data_readable(sk, target)) {
			err = parley_data_wait(sk, timeo, target,
					       parley_data_readable);
			if (err && !ops->arrived(sk))
				break;
		}
		n = ops->recv(sk, &msg->msg_iter, len - got, flags);
		if (n < 0) {
			err = parley_data_error(n, *timeo);
			break;
		}
		got += n;
		if (got >= target || last)
			break;
		if (n)
			continue;
		/* What was read is told first, the error next time. */
		if (got && READ_ONCE(sk->sk_err))
			break;
		err = parley_recv_more(sk, target - got, timeo);
		/* The wait is over, but not for what came during it. */
		last = err && ops->arrived(sk);
		if (err && !last)
			break;
	}
	if (got)
		return got;
	return err < 0 ? err : 0;
}

/**
 * parley_recvmsg - recv(2) and the like
 * @sock: the socket
 * @msg: where the bytes go
 * @len: how many at most
 * @flags: MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT, MSG_TRUNC
 *
 * Context: process, may sleep.
 * Return: bytes, 0 at the end of the data, or a negative errno.
 */
int parley_recvmsg(struct socket *sock, struct msghdr *msg, size_t len,
		   int flags)
{
	struct sock *sk = sock->sk;
	size_t target;
	long timeo;
	int err;

	if (parley_has_records(sk))
		return parley_recv_record(sock, msg, len, flags);
	timeo = sock_rcvtimeo(sk, flags & MSG_DONTWAIT);
	err = parley_recv_check(sock, msg, flags, timeo);
	if (err)
		return err;
	if (!len)
		return 0;

	len = min_t(size_t, len, INT_MAX);
	target = sock_rcvlowat(sk, flags & MSG_WAITALL, len);
	if (flags & MSG_PEEK)
		return parley_recv_peek(sk, msg, len, flags, target, &timeo);
	return parley_recv_data(sk, msg, len, flags, target, &timeo);
}
