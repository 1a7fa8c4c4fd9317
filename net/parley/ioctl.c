// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl(2): how much data waits, and what deciders ask of a listener.
 */
#include <asm/ioctls.h>
#include <linux/compat.h>
#include <linux/sockios.h>
#include <linux/uaccess.h>

#include "parley.h"

static int parley_ioctl_queue(struct sock *sk, unsigned int cmd,
			      int __user *arg)
{
	long bytes = 0;
	int state;

	lock_sock(sk);
	parley_settle(parley_sk(sk));
	state = sk->sk_state;
	release_sock(sk);

	if (state == TCP_LISTEN)
		return -EINVAL;
	if (state == TCP_ESTABLISHED)
		bytes = cmd == SIOCINQ ? parley_sk(sk)->ops->unread(sk) :
					 parley_sk(sk)->ops->unsent(sk);
	if (bytes < 0)
		return bytes;
	return put_user((int)min_t(long, bytes, INT_MAX), arg);
}

/**
 * parley_ioctl - ioctl(2)
 * @sock: the socket
 * @cmd: SIOCINQ (FIONREAD), SIOCOUTQ (TIOCOUTQ), SIOCOUTQNSD, SIOCATMARK, or
 *	PARLEY_IOC_*
 * @arg: as @cmd has it
 *
 * Context: process, may sleep.
 * Return: 0 or more, -EINVAL on a socket that @cmd is not for, -EFAULT,
 * -ERESTARTSYS, what @cmd's own function says, -ENOIOCTLCMD for others.
 */
int parley_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	void __user *p = (void __user *)arg;
	struct sock *sk = sock->sk;

	switch (cmd) {
	case SIOCINQ:
	case SIOCOUTQ:
		return parley_ioctl_queue(sk, cmd, p);
	case SIOCOUTQNSD: /* what is sent is with the reader at once */
	case SIOCATMARK: /* there is no urgent data */
		return put_user(0, (int __user *)p);
	case PARLEY_IOC_SET_RULES:
		return parley_rules_set(sk, p);
	case PARLEY_IOC_GET_RULES:
		return parley_rules_get(sk, p);
	case PARLEY_IOC_NEXT_CALL:
		return parley_next_call(sock, p);
	case PARLEY_IOC_DECIDE:
		return parley_decide(sk, p);
	case PARLEY_IOC_REVIEW:
		return parley_review(sk);
	default:
		return -ENOIOCTLCMD;
	}
}

#ifdef CONFIG_COMPAT
/**
 * parley_compat_ioctl - ioctl(2) of a 32-bit program
 * @sock: the socket
 * @cmd: as in parley_ioctl()
 * @arg: likewise; the structures are the same
 *
 * Context: process, may sleep.
 * Return: as parley_ioctl().
 */
int parley_compat_ioctl(struct socket *sock, unsigned int cmd,
			unsigned long arg)
{
	return parley_ioctl(sock, cmd, (unsigned long)compat_ptr(arg));
}
#endif
