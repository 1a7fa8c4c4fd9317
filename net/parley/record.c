// SPDX-License-Identifier: GPL-2.0
/*
 * SOCK_SEQPACKET: send and receive whole records. Waiting, errors and flags
 * are those of a stream (data.c) but for what unix(7) has otherwise for such
 * sockets: a record enters at once or not at all, and who has too little room
 * for it loses the rest, with MSG_TRUNC. MSG_EOR is handed on.
 */
#include <linux/uio.h>

#include "parley.h"

/* Return: what has become known since the last look, for a sender. */
static int parley_record_failed(struct sock *sk)
{
	return READ_ONCE(sk->sk_err) ? sock_error(sk) : 0;
}

/**
 * parley_send_record - send(2) and the like, of a record
 * @sock: the socket
 * @msg: the bytes, and the flags
 * @len: how many bytes; none make a record too
 *
 * Context: process, may sleep.
 * Return: @len, or a negative errno, and nothing was sent: -EMSGSIZE where the
 * record is longer than SO_SNDBUF, the other end's SO_RCVBUF, or a granted
 * max_sdu.
 */
int parley_send_record(struct socket *sock, struct msghdr *msg, size_t len)
{
	struct sock *sk = sock->sk;
	long timeo;
	int err;

	timeo = sock_sndtimeo(sk, msg->msg_flags & MSG_DONTWAIT);
	err = parley_send_check(sock, msg, timeo);
	if (err)
		return err;

	for (;;) {
		err = parley_record_failed(sk);
		if (err)
			break;
		err = parley_sk(sk)->ops->send_record(sk, msg, len);
		if (err != -EAGAIN)
			break;
		err = parley_data_wait(sk, &timeo, 0, parley_data_sendable);
		if (err)
			break;
	}
	if (!err)
		return len;
	err = parley_data_error(err, timeo);
	/* SIGPIPE is for streams, in POSIX and in unix(7). */
	return sk_stream_error(sk, MSG_NOSIGNAL, err);
}

/**
 * parley_recv_record - recv(2) and the like, of a record
 * @sock: the socket
 * @msg: where the bytes go; MSG_EOR and MSG_TRUNC are stored in its flags
 * @len: how many at most; what is left of the record is lost
 * @flags: MSG_PEEK, MSG_DONTWAIT, MSG_TRUNC; others mean nothing here
 *
 * Context: process, may sleep.
 * Return: bytes, with MSG_TRUNC those that the record has; 0 for an empty
 * record, and at the end; or a negative errno.
 */
int parley_recv_record(struct socket *sock, struct msghdr *msg, size_t len,
		       int flags)
{
	struct sock *sk = sock->sk;
	long timeo;
	long n;

	timeo = sock_rcvtimeo(sk, flags & MSG_DONTWAIT);
	n = parley_recv_check(sock, msg, flags, timeo);
	if (n)
		return n;

	for (;;) {
		n = parley_sk(sk)->ops->recv_record(sk, msg, len, flags);
		if (n != -EAGAIN)
			return parley_data_error(n, timeo);
		n = parley_recv_more(sk, 1, &timeo);
		if (n)
			return n < 0 ? n : 0;
	}
}
