// SPDX-License-Identifier: GPL-2.0
/*
 * Which port number a socket gets when nobody named one. The range is
 * net.ipv4.ip_local_port_range. bind(2) takes odd numbers first and connect
 * even ones, so that many listeners with numbers of their own do not lie in
 * the way of the callers. Numbers in use are kept in sets (number.c), which
 * find the next free one without looking at those in use.
 */
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <net/ip.h>

#include "parley.h"

static const struct rhashtable_params parley_dests_params = {
	.head_offset = offsetof(struct parley_dest, node),
	.key_offset = offsetof(struct parley_dest, addr),
	.key_len = sizeof(struct parley_addr),
	.automatic_shrinking = true,
};

static struct parley_dest *parley_dest_alloc(const struct parley_addr *addr,
					     int low, int high)
{
	struct parley_dest *d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);
	int parity, last;

	if (!d)
		return NULL;
	d->addr = *addr;
	refcount_set(&d->ref, 1);
	for (parity = 0; parity < 2; parity++) {
		/*
		 * Destinations begin at different numbers, or else all of
		 * them would crowd at the first ports of the table. A window
		 * of numbers fits behind.
		 */
		last = max(low, high - 2 * PARLEY_WINDOW);
		parley_numbers_init(&d->ports[parity],
				    get_random_u32_inclusive(low, last) / 2);
	}
	return d;
}

/* Return: NULL where @d is in the table now, or whom it met there. */
static struct parley_dest *parley_dest_insert(struct parley_net *pn,
					      struct parley_dest *d)
{
	return rhashtable_lookup_get_insert_fast(&pn->dests, &d->node,
						 parley_dests_params);
}

/* Return: the destination, referenced (put in parley_dest_put()), or NULL. */
static struct parley_dest *parley_dest_get(struct parley_net *pn,
					   const struct parley_addr *addr,
					   int low, int high)
{
	struct parley_dest *d, *new = NULL;

	for (;;) {
		rcu_read_lock();
		d = rhashtable_lookup(&pn->dests, addr, parley_dests_params);
		if (!d && new)
			d = parley_dest_insert(pn, new);
		if (!d && new) {
			rcu_read_unlock();
			return new;
		}
		/*
		 * At zero somebody is about to remove it. Do that for them:
		 * they may not come to it before we are done here.
		 */
		if (!IS_ERR_OR_NULL(d) && !refcount_inc_not_zero(&d->ref)) {
			rhashtable_remove_fast(&pn->dests, &d->node,
					       parley_dests_params);
			rcu_read_unlock();
			continue;
		}
		rcu_read_unlock();
		if (d)
			break;
		new = parley_dest_alloc(addr, low, high);
		if (!new)
			return NULL;
	}
	if (unlikely(new))
		kfree(new);
	return IS_ERR(d) ? NULL : d;
}

static void parley_dest_put(struct parley_net *pn, struct parley_dest *d)
{
	if (!refcount_dec_and_test(&d->ref))
		return;
	rhashtable_remove_fast(&pn->dests, &d->node, parley_dests_params);
	parley_numbers_destroy(&d->ports[0]);
	parley_numbers_destroy(&d->ports[1]);
	kfree_rcu(d, rcu);
}

/**
 * parley_port_keep - remember who is called, for the next caller
 * @l: a listener that takes calls
 * @d: whom its caller calls, or NULL
 *
 * Context: @l's lock held, and the caller's lock_sock().
 */
void parley_port_keep(struct parley_listener *l, struct parley_dest *d)
{
	lockdep_assert_held(&l->lock);

	if (l->dest || !d)
		return;
	refcount_inc(&d->ref); /* put in parley_port_forget() */
	l->dest = d;
}

/**
 * parley_port_forget - there will be no next caller
 * @l: a listener that takes no calls any more
 * @pn: its namespace
 *
 * Context: process.
 */
void parley_port_forget(struct parley_listener *l, struct parley_net *pn)
{
	struct parley_dest *d;

	spin_lock_bh(&l->lock);
	d = l->dest;
	l->dest = NULL;
	spin_unlock_bh(&l->lock);
	if (d)
		parley_dest_put(pn, d);
}

/* The numbers of one parity within the range, halved. */
struct parley_port_half {
	struct parley_numbers *set;
	int parity;
	int min;
	int max;
};

static void parley_port_half(struct parley_port_half *half,
			     struct parley_numbers *sets, int parity, int low,
			     int high)
{
	half->set = &sets[parity];
	half->parity = parity;
	half->min = DIV_ROUND_UP(low - parity, 2);
	half->max = (high - parity) >> 1;
}

/* Next free number at or after @from and up to @max; -ENOSPC, -ENOMEM. */
static int parley_port_next(struct parley_port_half *half, int from, int max)
{
	if (from > max)
		return -ENOSPC;
	return parley_numbers_take(half->set, from, max);
}

/*
 * Take a free number from @half and bind @psk to it. A number whose bind
 * fails, since somebody named it in bind(2), goes back and the search goes on
 * behind it: around once, so that each number is tried at most once.
 */
static int parley_port_search(struct parley_sock *psk,
			      struct parley_port_half *half,
			      struct parley_addr *addr, bool implicit)
{
	int max = half->max;
	int start, from;
	int id, err;

	if (half->min > half->max)
		return -EADDRINUSE;

	/* The hint may be from a time with another range. */
	start = READ_ONCE(half->set->next);
	if (start < half->min || start > half->max)
		start = half->min;
	from = start;

	for (;;) {
		id = parley_port_next(half, from, max);
		if (id == -ENOSPC && max == half->max && start > half->min) {
			from = half->min;
			max = start - 1;
			continue;
		}
		if (id < 0)
			return id == -ENOSPC ? -EADDRINUSE : id;

		addr->port = htons(id * 2 + half->parity);
		err = parley_table_bind(psk, addr, implicit);
		if (!err)
			return 0;
		parley_numbers_give(half->set, id);
		if (err != -EADDRINUSE)
			return err;
		if (signal_pending(current))
			return -ERESTARTSYS;
		cond_resched();
		from = id + 1;
	}
}

/*
 * All numbers that bind(2) may choose are taken somewhere, but perhaps not at
 * this address: look at each.
 */
static int parley_port_scan(struct parley_sock *psk, struct parley_addr *addr,
			    int low, int high)
{
	int port, err;

	for (port = low; port <= high; port++) {
		addr->port = htons(port);
		err = parley_table_bind(psk, addr, false);
		if (err != -EADDRINUSE)
			return err;
		if (signal_pending(current))
			return -ERESTARTSYS;
		cond_resched();
	}
	return -EADDRINUSE;
}

/**
 * parley_port_bind - bind, choosing a port where none is named
 * @psk: the socket, not bound
 * @addr: the address; its port is set where it is 0
 *
 * Context: process, under lock_sock(), may sleep.
 * Return: 0, -EADDRINUSE, -ENOMEM, -ERESTARTSYS.
 */
int parley_port_bind(struct parley_sock *psk, struct parley_addr *addr)
{
	struct parley_net *pn = parley_net(sock_net(&psk->sk));
	struct parley_port_half half;
	int low, high, parity, err;

	if (addr->port)
		return parley_table_bind(psk, addr, false);

	inet_get_local_port_range(sock_net(&psk->sk), &low, &high);
	for (parity = 1; parity >= 0; parity--) {
		parley_port_half(&half, pn->ephemeral, parity, low, high);
		err = parley_port_search(psk, &half, addr, false);
		if (!err) {
			psk->ephemeral = true;
			return 0;
		}
		if (err != -EADDRINUSE)
			return err;
	}
	return parley_port_scan(psk, addr, low, high);
}

/**
 * parley_port_bind_implicit - give a caller an address of its own
 * @psk: the socket, not bound
 * @to: the address that it calls, a local one, which becomes its own too
 *
 * Context: process, under lock_sock(), may sleep.
 * Return: 0, -EADDRNOTAVAIL where every port is in use towards @to, -ENOMEM,
 * -ERESTARTSYS.
 */
int parley_port_bind_implicit(struct parley_sock *psk,
			      const struct parley_addr *to)
{
	struct parley_net *pn = parley_net(sock_net(&psk->sk));
	struct parley_addr addr = *to;
	struct parley_port_half half;
	int low, high, parity, err;
	struct parley_dest *d;

	inet_get_local_port_range(sock_net(&psk->sk), &low, &high);
	d = parley_dest_get(pn, to, low, high);
	if (!d)
		return -ENOMEM;

	for (parity = 0; parity < 2; parity++) {
		parley_port_half(&half, d->ports, parity, low, high);
		err = parley_port_search(psk, &half, &addr, true);
		if (!err) {
			psk->dest = d; /* put in parley_port_release() */
			return 0;
		}
		if (err != -EADDRINUSE)
			break;
	}
	parley_dest_put(pn, d);
	return err == -EADDRINUSE ? -EADDRNOTAVAIL : err;
}

/**
 * parley_port_release - unbind, and give back a number that was chosen
 * @psk: the socket; nothing happens if it is not bound
 *
 * Context: any. Under lock_sock(), unless a call that nobody has decided is
 * what the port is for: then under that call's listener->lock.
 */
void parley_port_release(struct parley_sock *psk)
{
	struct parley_net *pn = parley_net(sock_net(&psk->sk));
	unsigned int port = ntohs(psk->local.port);
	struct parley_dest *d = psk->dest;

	if (!psk->bound)
		return;

	parley_table_unbind(psk);
	parley_addr_set_any(&psk->local, psk->family);
	if (d) {
		psk->dest = NULL;
		parley_numbers_give(&d->ports[port & 1], port >> 1);
		parley_dest_put(pn, d);
	}
	if (psk->ephemeral) {
		psk->ephemeral = false;
		parley_numbers_give(&pn->ephemeral[port & 1], port >> 1);
	}
}

/**
 * parley_port_release_implicit - a call has failed: its port is free at once
 * @psk: the caller. The next call may go elsewhere, and gets a number for
 *	there; an address that the user chose stays
 *
 * Context: as for parley_port_release().
 */
void parley_port_release_implicit(struct parley_sock *psk)
{
	if (psk->implicit)
		parley_port_release(psk);
}

/**
 * parley_port_init_net - port numbers of a new namespace
 * @pn: the namespace
 *
 * Context: process.
 * Return: 0 or a negative errno.
 */
int parley_port_init_net(struct parley_net *pn)
{
	parley_numbers_init(&pn->ephemeral[0], 0);
	parley_numbers_init(&pn->ephemeral[1], 0);
	return rhashtable_init(&pn->dests, &parley_dests_params);
}

/**
 * parley_port_exit_net - no socket is left in the namespace
 * @pn: the namespace
 *
 * Context: process.
 */
void parley_port_exit_net(struct parley_net *pn)
{
	WARN_ON_ONCE(atomic_read(&pn->dests.nelems));
	rhashtable_destroy(&pn->dests);
	parley_numbers_destroy(&pn->ephemeral[0]);
	parley_numbers_destroy(&pn->ephemeral[1]);
}
