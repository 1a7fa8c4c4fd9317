// SPDX-License-Identifier: GPL-2.0
/*
 * Two tables for each namespace: who listens at which address, looked up by
 * every connect under RCU, and who bound to which port, asked only by those
 * who want a port themselves. Both are hashed and grow with use. Callers whose
 * ports connect chose are on lists that only bind(2) walks.
 *
 * What one port's entries say of each other is guarded by the port's lock,
 * one of a few hundred, so that "is it free" and "take it" are one step.
 */
#include <linux/rhashtable.h>
#include <linux/slab.h>

#include "parley.h"

static const struct rhashtable_params parley_listeners_params = {
	.head_offset = offsetof(struct parley_listener, node),
	.key_offset = offsetof(struct parley_listener, addr),
	.key_len = sizeof(struct parley_addr),
	.automatic_shrinking = true,
};

static const struct rhashtable_params parley_bound_params = {
	.head_offset = offsetof(struct parley_sock, bind_node),
	.key_offset = offsetof(struct parley_sock, local.port),
	.key_len = sizeof(__be16),
	.automatic_shrinking = true,
};

static struct parley_port *parley_port(struct parley_net *pn, __be16 port)
{
	/* Callers mostly have even numbers: pairs share a lock. */
	return &pn->ports[(ntohs(port) >> 1) % PARLEY_PORT_LOCKS];
}

/* Whether @psk, about to be bound at @addr, gets in the way of @other. */
static bool parley_table_overlap(struct parley_sock *psk,
				 const struct parley_addr *addr,
				 struct parley_sock *other)
{
	return parley_addr_overlap(addr, psk->v6only, &other->local,
				   other->v6only);
}

/* Sockets that both say SO_REUSEADDR share an address until one listens. */
static bool parley_table_shared(struct parley_sock *psk,
				struct parley_sock *other)
{
	return psk->sk.sk_reuse && other->sk.sk_reuse &&
	       !rcu_access_pointer(other->listener);
}

/* Whether somebody who called bind(2) is in the way. */
static bool parley_table_taken(struct parley_net *pn, struct parley_sock *psk,
			       const struct parley_addr *addr, bool implicit)
{
	struct rhlist_head *list, *pos;
	struct parley_sock *other;
	bool taken = false;

	lockdep_assert_held(&parley_port(pn, addr->port)->lock);

	rcu_read_lock();
	list = rhltable_lookup(&pn->bound, &addr->port, parley_bound_params);
	rhl_for_each_entry_rcu(other, pos, list, bind_node) {
		if (parley_table_overlap(psk, addr, other) &&
		    (implicit || !parley_table_shared(psk, other))) {
			taken = true;
			break;
		}
	}
	rcu_read_unlock();
	return taken;
}

/*
 * Whether a caller is in the way of bind(2). Callers do not get in each
 * other's way: their numbers are kept apart by parley_dest.
 */
static bool parley_table_called(struct parley_port *port,
				struct parley_sock *psk,
				const struct parley_addr *addr)
{
	struct parley_sock *other;

	lockdep_assert_held(&port->lock);

	hlist_for_each_entry(other, &port->callers, call_node)
		if (other->local.port == addr->port &&
		    parley_table_overlap(psk, addr, other))
			return true;
	return false;
}

static int parley_table_enter(struct parley_net *pn, struct parley_port *port,
			      struct parley_sock *psk, bool implicit)
{
	if (!implicit)
		return rhltable_insert(&pn->bound, &psk->bind_node,
				       parley_bound_params);
	hlist_add_head(&psk->call_node, &port->callers);
	return 0;
}

/**
 * parley_table_bind - give a socket an address, if nobody is in the way
 * @psk: the socket, not bound
 * @addr: the address, with its port
 * @implicit: connect chose the port, not the user
 *
 * Context: process, under lock_sock().
 * Return: 0, -EADDRINUSE, or -ENOMEM.
 */
int parley_table_bind(struct parley_sock *psk, const struct parley_addr *addr,
		      bool implicit)
{
	struct parley_net *pn = parley_net(sock_net(&psk->sk));
	struct parley_port *port = parley_port(pn, addr->port);
	struct parley_addr old = psk->local;
	int err = -EADDRINUSE;

	sock_owned_by_me(&psk->sk);
	/* Those who walk the table under RCU may have found us. */
	if (!implicit)
		sock_set_flag(&psk->sk, SOCK_RCU_FREE);

	spin_lock_bh(&port->lock);
	if (!parley_table_taken(pn, psk, addr, implicit) &&
	    (implicit || !parley_table_called(port, psk, addr))) {
		psk->local = *addr;
		psk->implicit = implicit;
		err = parley_table_enter(pn, port, psk, implicit);
		if (err)
			psk->local = old;
		else
			psk->bound = true;
	}
	spin_unlock_bh(&port->lock);

	/* -EBUSY and -E2BIG are what a growing table says for no memory. */
	return err && err != -EADDRINUSE ? -ENOMEM : err;
}

/**
 * parley_table_unbind - take back what parley_table_bind() gave
 * @psk: the socket; it does not listen
 *
 * Context: any; see parley_port_release().
 */
void parley_table_unbind(struct parley_sock *psk)
{
	struct parley_net *pn = parley_net(sock_net(&psk->sk));
	struct parley_port *port = parley_port(pn, psk->local.port);

	spin_lock_bh(&port->lock);
	if (psk->implicit)
		hlist_del(&psk->call_node);
	else
		rhltable_remove(&pn->bound, &psk->bind_node,
				parley_bound_params);
	psk->bound = false;
	psk->implicit = false;
	spin_unlock_bh(&port->lock);
}

/**
 * parley_table_listen - let callers find a listener
 * @psk: the bound socket that will listen
 * @l: its listener, complete but for calls
 *
 * Context: process, under lock_sock().
 * Return: 0, -EADDRINUSE where SO_REUSEADDR let two sockets share an address
 * and the other one listens, or -ENOMEM.
 */
int parley_table_listen(struct parley_sock *psk, struct parley_listener *l)
{
	struct parley_net *pn = parley_net(sock_net(&psk->sk));
	spinlock_t *lock = &parley_port(pn, psk->local.port)->lock;
	struct rhlist_head *list, *pos;
	struct parley_sock *other;
	int err = 0;

	sock_owned_by_me(&psk->sk);

	spin_lock_bh(lock);
	rcu_read_lock();
	list = rhltable_lookup(&pn->bound, &psk->local.port,
			       parley_bound_params);
	rhl_for_each_entry_rcu(other, pos, list, bind_node) {
		if (other != psk && rcu_access_pointer(other->listener) &&
		    parley_addr_overlap(&psk->local, psk->v6only,
					&other->local, other->v6only)) {
			err = -EADDRINUSE;
			break;
		}
	}
	rcu_read_unlock();
	if (!err) {
		err = rhashtable_insert_fast(&pn->listeners, &l->node,
					     parley_listeners_params);
		if (err)
			err = -ENOMEM;
		else
			rcu_assign_pointer(psk->listener, l);
	}
	spin_unlock_bh(lock);
	return err;
}

/**
 * parley_table_unlisten - new callers no longer find a listener
 * @psk: the listening socket
 * @l: its listener
 *
 * Those who found it before may still look at it for a grace period.
 *
 * Context: process, under lock_sock().
 */
void parley_table_unlisten(struct parley_sock *psk, struct parley_listener *l)
{
	struct parley_net *pn = parley_net(sock_net(&psk->sk));
	spinlock_t *lock = &parley_port(pn, l->addr.port)->lock;

	sock_owned_by_me(&psk->sk);

	spin_lock_bh(lock);
	rhashtable_remove_fast(&pn->listeners, &l->node,
			       parley_listeners_params);
	RCU_INIT_POINTER(psk->listener, NULL);
	spin_unlock_bh(lock);
}

/**
 * parley_table_lookup - who takes calls to an address
 * @pn: the namespace
 * @to: the address that is called
 *
 * The very address comes before the wildcard, and an IPv4 wildcard before
 * the IPv6 one that takes IPv4 callers too.
 *
 * Context: under rcu_read_lock(), which also bounds the use of what is found.
 * Return: the listener or NULL.
 */
struct parley_listener *parley_table_lookup(struct parley_net *pn,
					    const struct parley_addr *to)
{
	struct parley_addr key = *to;
	struct parley_listener *l;

	l = rhashtable_lookup(&pn->listeners, &key, parley_listeners_params);
	if (l)
		return l;

	if (parley_addr_is_v4(to)) {
		parley_addr_set_any(&key, AF_INET);
		key.port = to->port;
		l = rhashtable_lookup(&pn->listeners, &key,
				      parley_listeners_params);
		if (l)
			return l;
	}

	parley_addr_set_any(&key, AF_INET6);
	key.port = to->port;
	l = rhashtable_lookup(&pn->listeners, &key, parley_listeners_params);
	if (l && l->v6only && parley_addr_is_v4(to))
		return NULL;
	return l;
}

/**
 * parley_table_init_net - the tables of a new namespace
 * @pn: the namespace
 *
 * Context: process.
 * Return: 0 or a negative errno.
 */
int parley_table_init_net(struct parley_net *pn)
{
	int err, i;

	for (i = 0; i < PARLEY_PORT_LOCKS; i++) {
		spin_lock_init(&pn->ports[i].lock);
		INIT_HLIST_HEAD(&pn->ports[i].callers);
	}

	err = rhashtable_init(&pn->listeners, &parley_listeners_params);
	if (err)
		return err;
	err = rhltable_init(&pn->bound, &parley_bound_params);
	if (err)
		rhashtable_destroy(&pn->listeners);
	return err;
}

/**
 * parley_table_exit_net - the tables go; no socket is left in the namespace
 * @pn: the namespace
 *
 * Context: process.
 */
void parley_table_exit_net(struct parley_net *pn)
{
	int i;

	for (i = 0; i < PARLEY_PORT_LOCKS; i++)
		WARN_ON_ONCE(!hlist_empty(&pn->ports[i].callers));
	WARN_ON_ONCE(atomic_read(&pn->bound.ht.nelems));
	WARN_ON_ONCE(atomic_read(&pn->listeners.nelems));
	rhltable_destroy(&pn->bound);
	rhashtable_destroy(&pn->listeners);
}
