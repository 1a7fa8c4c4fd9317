// SPDX-License-Identifier: GPL-2.0
/*
 * Socket options: those of SOL_PARLEY, and those of other levels that servers
 * set out of habit and that mean something here or do no harm.
 */
#include <linux/tcp.h>
#include <linux/uaccess.h>

#include "parley.h"

static int parley_set_u32(sockptr_t val, unsigned int len, u32 *to)
{
	if (len < sizeof(*to))
		return -EINVAL;
	return copy_from_sockptr(to, val, sizeof(*to)) ? -EFAULT : 0;
}

static int parley_set_timeout(struct sock *sk, u32 ms)
{
	parley_settle(parley_sk(sk));
	if (sk->sk_state != TCP_CLOSE)
		return -EINVAL;
	parley_sk(sk)->timeout_ms = ms;
	return 0;
}

static int parley_set_v6only(struct sock *sk, u32 on)
{
	struct parley_sock *psk = parley_sk(sk);

	parley_settle(psk);
	if (sk->sk_state != TCP_CLOSE || psk->bound)
		return -EINVAL;
	psk->v6only = !!on;
	return 0;
}

static int parley_set_nodelay(struct sock *sk, u32 on)
{
	parley_sk(sk)->nodelay = !!on;
	return 0;
}

static int parley_set_with(struct sock *sk, sockptr_t val, unsigned int len,
			   int (*set)(struct sock *sk, u32 value))
{
	u32 value;
	int err;

	err = parley_set_u32(val, len, &value);
	if (err)
		return err;
	lock_sock(sk);
	err = set(sk, value);
	release_sock(sk);
	return err;
}

/**
 * parley_setsockopt - setsockopt(2) but for SOL_SOCKET
 * @sock: the socket
 * @level: SOL_PARLEY, IPPROTO_IPV6 or IPPROTO_TCP
 * @name: the option
 * @val: its value
 * @len: the value's length in bytes
 *
 * Context: process, may sleep.
 * Return: 0, -ENOPROTOOPT for what is unknown or can only be read, -EINVAL
 * where the value is too short or the socket is past that, -EFAULT.
 */
int parley_setsockopt(struct socket *sock, int level, int name, sockptr_t val,
		      unsigned int len)
{
	struct sock *sk = sock->sk;

	if (level == SOL_PARLEY && name == PARLEY_CONNECT_TIMEOUT)
		return parley_set_with(sk, val, len, parley_set_timeout);
	if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY)
		return parley_set_with(sk, val, len, parley_set_v6only);
	if (level == IPPROTO_TCP && name == TCP_NODELAY)
		return parley_set_with(sk, val, len, parley_set_nodelay);
	return -ENOPROTOOPT;
}

/* The value of an option on its way out. */
union parley_value {
	u32 num;
	struct parley_refusal refusal;
	struct parley_backlog backlog;
};

static void parley_get_refusal(struct parley_sock *psk,
			       struct parley_refusal *refusal)
{
	parley_settle(psk);
	memset(refusal, 0, sizeof(*refusal));
	refusal->reason = psk->reason;
}

static int parley_get_own(struct parley_sock *psk, int name,
			  union parley_value *value)
{
	switch (name) {
	case PARLEY_CONNECT_TIMEOUT:
		value->num = psk->timeout_ms;
		return sizeof(value->num);
	case PARLEY_REFUSAL:
		parley_get_refusal(psk, &value->refusal);
		return sizeof(value->refusal);
	case PARLEY_BACKLOG:
		return parley_backlog_info(psk, &value->backlog) ?:
		       (int)sizeof(value->backlog);
	default:
		return -ENOPROTOOPT;
	}
}

/* Return: the length of the value, or a negative errno. */
static int parley_get_value(struct sock *sk, int level, int name,
			    union parley_value *value)
{
	struct parley_sock *psk = parley_sk(sk);
	int ret;

	lock_sock(sk);
	if (level == SOL_PARLEY) {
		ret = parley_get_own(psk, name, value);
	} else if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY) {
		value->num = psk->v6only;
		ret = sizeof(value->num);
	} else if (level == IPPROTO_TCP && name == TCP_NODELAY) {
		value->num = psk->nodelay;
		ret = sizeof(value->num);
	} else {
		ret = -ENOPROTOOPT;
	}
	release_sock(sk);
	return ret;
}

/**
 * parley_getsockopt - getsockopt(2) but for SOL_SOCKET
 * @sock: the socket
 * @level: as for parley_setsockopt()
 * @name: the option
 * @val: where the value goes
 * @len: the room there, and then the bytes written
 *
 * Context: process, may sleep.
 * Return: 0, -ENOPROTOOPT, -EINVAL for a negative length or an option that
 * this socket does not have, -EFAULT.
 */
int parley_getsockopt(struct socket *sock, int level, int name,
		      char __user *val, int __user *len)
{
	union parley_value value;
	int room, size;

	if (get_user(room, len))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	size = parley_get_value(sock->sk, level, name, &value);
	if (size < 0)
		return size;
	size = min(size, room);
	if (copy_to_user(val, &value, size) || put_user(size, len))
		return -EFAULT;
	return 0;
}
