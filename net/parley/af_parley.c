// SPDX-License-Identifier: GPL-2.0
/*
 * AF_PARLEY: the family and its sockets.
 *
 * A connection of this family exists only after the server has taken the
 * call. Three kinds of objects make that:
 *
 *  - a socket (struct parley_sock), as in any family: at rest, listening,
 *    calling, or connected;
 *  - a call (struct parley_call), what connect(2) makes: from whom, to whom,
 *    since when, on what terms. It waits in a backlog until it has its
 *    outcome, which it gets exactly once: ESTABLISHED, REFUSED or WITHDRAWN;
 *  - a listener (struct parley_listener), what listen(2) makes: the backlog.
 *
 * A caller is one socket, an accepted connection is two that know each other
 * as peers; between them there is no third object, each end has a ring that
 * the other writes into.
 *
 * Locks, outermost first:
 *
 *   lock_sock(sk)           a socket's own fields, and sk_state. Never two
 *                           sockets at once
 *   ring->wlock, ->rlock    writers, readers of one direction. Under
 *                           lock_sock() they are only tried for, and by who
 *                           gives pages back, with parley_ring_reclaiming
 *   listener->lock          a backlog, and the state of each of its calls
 *   port lock, conf->lock,  what the tables say of one port; what becomes of
 *   set->lock               calls that stay deferred, and what a listener has
 *                           promised; which numbers are in use. One of them
 *                           at most
 *
 * The last ones are spinlocks, taken with softirqs off. A policy is asked
 * under none of these, but for the caller's own lock_sock() where the call is
 * judged on arrival or withdrawn. The outcome of a call is decided under the
 * listener's lock alone, so an accept never waits for a caller who sits on its
 * own lock_sock(); the caller's socket takes note when it is next used
 * (parley_settle()). Until the outcome is stored, what the
 * socket has for the sake of its call is the call's: the implicit port goes,
 * and the peer comes, under the listener's lock.
 *
 * References: a call holds its caller until the outcome, and its listener as
 * long as it lives; a socket holds its call and its peer. Those two cycles are
 * cut by the outcome and by release. Each hold in the code names its put.
 *
 * Namespaces: every socket belongs to one and holds it, so a namespace that
 * goes away has no sockets, no calls and no listeners left.
 *
 * States of sk_state: TCP_CLOSE (new, bound, or a call failed), TCP_LISTEN,
 * TCP_SYN_SENT (its call is pending, or nobody looked at the outcome yet),
 * TCP_ESTABLISHED (until release, also when the peer has gone).
 */
#include <linux/cred.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <net/ip.h>
#include <net/tcp_states.h>

#include "parley.h"

struct proto parley_proto = {
	.name		= "PARLEY",
	.owner		= THIS_MODULE,
	.obj_size	= sizeof(struct parley_sock),
};

/**
 * parley_set_state - the only writer of a socket's sk_state
 * @sk: the socket
 * @state: a TCP_ state of those at the head of this file
 *
 * Context: process, under lock_sock().
 */
void parley_set_state(struct sock *sk, int state)
{
	sock_owned_by_me(sk);
	/* Pairs with those who look without the lock: poll and the data. */
	smp_store_release(&sk->sk_state, state);
}

/**
 * parley_set_peercred - who is at the other end, for SO_PEERCRED
 * @sk: the socket
 * @pid: the process
 * @cred: its credentials
 *
 * Context: process.
 */
void parley_set_peercred(struct sock *sk, struct pid *pid,
			 const struct cred *cred)
{
	struct pid *old_pid;
	const struct cred *old_cred;

	spin_lock(&sk->sk_peer_lock);
	old_pid = sk->sk_peer_pid;
	old_cred = sk->sk_peer_cred;
	sk->sk_peer_pid = get_pid(pid);
	sk->sk_peer_cred = parley_cred_get(cred);
	spin_unlock(&sk->sk_peer_lock);

	put_pid(old_pid);
	put_cred(old_cred);
}

/**
 * parley_may_listen - whether a socket listens, or could
 * @psk: any socket
 *
 * Context: process, under lock_sock().
 * Return: true unless it calls or is connected.
 */
bool parley_may_listen(struct parley_sock *psk)
{
	parley_settle(psk);
	return psk->sk.sk_state == TCP_CLOSE || psk->sk.sk_state == TCP_LISTEN;
}

/* The last reference has gone, the peer's too. Any context. */
static void parley_sock_destruct(struct sock *sk)
{
	struct parley_sock *psk = parley_sk(sk);
	struct parley_net *pn = parley_net(sock_net(sk));
	struct parley_call *call;
	unsigned int pages;

	WARN_ON_ONCE(psk->bound);
	WARN_ON_ONCE(rcu_access_pointer(psk->listener));

	pages = parley_ring_destroy(&psk->rx);
	if (pages)
		parley_count(pn, PARLEY_COUNT_PAGES, -(long)pages);
	parley_sweep_forget(psk);
	call = rcu_dereference_protected(psk->call, 1);
	if (call)
		parley_call_put(call);
	parley_pace_free(psk->pace);
	kfree(psk->habits);
	parley_terms_put(psk->terms);
	parley_conf_put(psk->conf);
	parley_count(pn, PARLEY_COUNT_SOCKETS, -1);
}

static void parley_sock_init(struct sock *sk)
{
	struct parley_net *pn = parley_net(sock_net(sk));
	struct parley_sock *psk = parley_sk(sk);
	int i;

	sk->sk_destruct = parley_sock_destruct;
	parley_addr_set_any(&psk->local, AF_INET);
	parley_ring_init(&psk->rx);
	for (i = 0; i < PARLEY_SWEEPS; i++)
		INIT_LIST_HEAD(&psk->sweep_node[i]);
	psk->timeout_ms = READ_ONCE(pn->connect_timeout_ms);
	parley_count(pn, PARLEY_COUNT_SOCKETS, 1);
}

/**
 * parley_sock_alloc - a new socket
 * @net: its namespace
 * @sock: what it is for
 * @kern: not for user space
 *
 * Context: process, may sleep.
 * Return: the socket with one reference, or NULL.
 */
struct sock *parley_sock_alloc(struct net *net, struct socket *sock, int kern)
{
	struct sock *sk;

	sk = sk_alloc(net, PF_PARLEY, GFP_KERNEL, &parley_proto, kern);
	if (!sk)
		return NULL;

	sock_init_data(sock, sk);
	parley_sock_init(sk);
#if IS_ENABLED(CONFIG_IPV6)
	parley_sk(sk)->v6only = READ_ONCE(net->ipv6.sysctl.bindv6only);
#endif
	return sk;
}

/**
 * parley_sock_clone - a socket with the options of a listener
 * @lsk: the listening socket
 *
 * Context: process, under @lsk's lock_sock(), may sleep.
 * Return: the socket with one reference and no struct socket yet, or NULL.
 */
struct sock *parley_sock_clone(struct sock *lsk)
{
	const struct parley_sock *from = parley_sk(lsk);
	struct parley_habits *habits = NULL;
	struct parley_sock *psk;
	struct sock *sk;

	sock_owned_by_me(lsk);
	/* Where cloning fails, what was copied is put: nobody's reference. */
	DEBUG_NET_WARN_ON_ONCE(lsk->sk_peer_pid || lsk->sk_peer_cred);

	if (from->habits) {
		habits = kmemdup(from->habits, sizeof(*habits),
				 GFP_KERNEL_ACCOUNT);
		if (!habits)
			return NULL;
	}
	sk = sk_clone_lock(lsk, GFP_KERNEL);
	if (!sk) {
		kfree(habits);
		return NULL;
	}

	__acquire(&sk->sk_lock.slock); /* by sk_clone_lock() */

	/* What the copy must not share with the listener. */
	spin_lock_init(&sk->sk_peer_lock);
	sk->sk_peer_pid = NULL;
	sk->sk_peer_cred = NULL;
	atomic64_set(&sk->sk_cookie, 0);
	sock_reset_flag(sk, SOCK_FASYNC);
	sock_reset_flag(sk, SOCK_RCU_FREE);
	sk->sk_priority = READ_ONCE(lsk->sk_priority);
	parley_filter_forget(sk);

	psk = parley_sk(sk);
	memset((void *)psk + sizeof(*sk), 0, sizeof(*psk) - sizeof(*sk));
	sk->sk_state = TCP_CLOSE;
	parley_sock_init(sk);
	psk->family = from->family;
	psk->v6only = from->v6only;
	psk->cork = from->cork;
	psk->habits = habits; /* freed in parley_sock_destruct() */
	psk->timeout_ms = from->timeout_ms;
	bh_unlock_sock(sk);
	__sock_put(sk); /* a clone comes with two references */
	return sk;
}

/* Everything that others may reach the socket by is undone. */
static void parley_sock_close(struct sock *sk)
{
	struct parley_sock *psk = parley_sk(sk);

	/* Mostly the outcome is there, and there is nothing to withdraw. */
	parley_settle(psk);
	if (sk->sk_state == TCP_LISTEN)
		parley_listener_close(psk);
	if (sk->sk_state == TCP_SYN_SENT) {
		parley_call_withdraw(parley_own_call(psk), PARLEY_REASON_NONE);
		/* Too late for that: a connection, to be closed like any. */
		parley_settle(psk);
	}
	if (sk->sk_state == TCP_ESTABLISHED) {
		psk->ops->close(sk);
		parley_set_state(sk, TCP_CLOSE);
	}
	parley_pace_stop(psk);
	parley_port_release(psk);
	parley_ops_release(psk);
}

static int parley_release(struct socket *sock)
{
	struct sock *sk = sock->sk;

	if (!sk)
		return 0;

	/* Before the peer sees the end, and calls again. */
	if (parley_sk(sk)->callee) {
		parley_ops_closed(parley_sk(sk));
		parley_grant_closed(parley_sk(sk));
	}

	lock_sock(sk);
	parley_sock_close(sk);
	sock_orphan(sk);
	sock->sk = NULL;
	sock_prot_inuse_add(sock_net(sk), &parley_proto, -1);
	release_sock(sk);
	sock_put(sk);
	return 0;
}

static bool parley_may_bind_port(struct sock *sk, __be16 port)
{
	struct net *net = sock_net(sk);

	return !port || !inet_port_requires_bind_service(net, ntohs(port)) ||
	       ns_capable(net->user_ns, CAP_NET_BIND_SERVICE);
}

static int __parley_bind(struct sock *sk, const void *uaddr, int len)
{
	struct parley_sock *psk = parley_sk(sk);
	u8 family = psk->family;
	struct parley_addr addr;
	int err;

	parley_settle(psk);
	if (sk->sk_state != TCP_CLOSE || psk->bound)
		return -EINVAL;
	err = parley_addr_parse(&addr, &family, uaddr, len);
	if (err)
		return err;
	if (family == AF_INET6 && psk->v6only && parley_addr_is_v4(&addr))
		return -EINVAL;
	if (!parley_local_has(sock_net(sk), &addr))
		return -EADDRNOTAVAIL;
	if (!parley_may_bind_port(sk, addr.port))
		return -EACCES;

	err = parley_port_bind(psk, &addr);
	if (!err)
		psk->family = family;
	return err;
}

static int parley_bind(struct socket *sock, struct sockaddr_unsized *uaddr,
		       int len)
{
	struct sock *sk = sock->sk;
	int err;

	lock_sock(sk);
	err = __parley_bind(sk, uaddr, len);
	release_sock(sk);
	return err;
}

/* The own address or the peer's, as far as there is one. */
static int parley_name(struct parley_sock *psk, bool peer,
		       struct parley_addr *addr)
{
	int state = psk->sk.sk_state;
	struct parley_call *call = parley_own_call(psk);

	if (peer && state != TCP_ESTABLISHED)
		return -ENOTCONN;
	if (state != TCP_ESTABLISHED && state != TCP_SYN_SENT)
		*addr = psk->local;
	else if (!call) /* a pair */
		parley_addr_set_any(addr, AF_INET);
	else
		*addr = peer == psk->callee ? call->from : call->to;
	return 0;
}

static int parley_getname(struct socket *sock, struct sockaddr *uaddr, int peer)
{
	struct sock *sk = sock->sk;
	struct parley_sock *psk = parley_sk(sk);
	struct parley_addr addr;
	int ret;

	lock_sock(sk);
	parley_settle(psk);
	ret = parley_name(psk, peer, &addr);
	if (!ret)
		ret = parley_addr_fill(&addr, psk->family, uaddr);
	release_sock(sk);
	return ret;
}

static int parley_shutdown(struct socket *sock, int how)
{
	struct sock *sk = sock->sk;
	struct parley_sock *psk = parley_sk(sk);
	int err = 0;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	how++; /* to RCV_SHUTDOWN | SEND_SHUTDOWN */

	lock_sock(sk);
	parley_settle(psk);
	if (sk->sk_state == TCP_ESTABLISHED)
		psk->ops->shutdown(sk, how);
	else if (sk->sk_state == TCP_LISTEN && (how & RCV_SHUTDOWN))
		parley_listener_close(psk);
	else
		err = -ENOTCONN;
	release_sock(sk);
	return err;
}

static int parley_socketpair(struct socket *sock1, struct socket *sock2)
{
	struct socket *socks[] = { sock1, sock2 };
	int i;

	parley_local_join(sock1->sk, sock2->sk);
	for (i = 0; i < 2; i++) {
		struct sock *sk = socks[i]->sk;

		lock_sock(sk);
		parley_set_peercred(sk, task_tgid(current), current_cred());
		parley_sk(sk)->since = ktime_get_ns();
		parley_set_state(sk, TCP_ESTABLISHED);
		socks[i]->state = SS_CONNECTED;
		release_sock(sk);
	}
	return 0;
}

PARLEY_DEFINE_ACCEPT(parley_accept)

static const struct proto_ops parley_socket_ops = {
	.family		= PF_PARLEY,
	.owner		= THIS_MODULE,
	.release	= parley_release,
	.bind		= parley_bind,
	.connect	= parley_connect,
	.socketpair	= parley_socketpair,
	.accept		= PARLEY_ACCEPT_OP(parley_accept),
	.getname	= parley_getname,
	.poll		= parley_poll,
	.ioctl		= parley_ioctl,
#ifdef CONFIG_COMPAT
	.compat_ioctl	= parley_compat_ioctl,
#endif
	.listen		= parley_listen,
	.shutdown	= parley_shutdown,
	.setsockopt	= parley_setsockopt,
	.getsockopt	= parley_getsockopt,
	.sendmsg	= parley_sendmsg,
	.recvmsg	= parley_recvmsg,
	.mmap		= sock_no_mmap,
	.splice_read	= parley_splice_read,
#ifdef PARLEY_HAVE_SPLICE_EOF
	.splice_eof	= parley_splice_eof,
#endif
};

static int parley_create(struct net *net, struct socket *sock, int protocol,
			 int kern)
{
	if (sock->type != SOCK_STREAM && sock->type != SOCK_SEQPACKET)
		return -ESOCKTNOSUPPORT;
	if (protocol)
		return -EPROTONOSUPPORT;

	sock->state = SS_UNCONNECTED;
	sock->ops = &parley_socket_ops;
	if (!parley_sock_alloc(net, sock, kern))
		return -ENOMEM;
	sock_prot_inuse_add(net, &parley_proto, 1);
	return 0;
}

const struct net_proto_family parley_family = {
	.family		= PF_PARLEY,
	.create		= parley_create,
	.owner		= THIS_MODULE,
};
