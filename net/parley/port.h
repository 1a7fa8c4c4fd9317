/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Port numbers, and the tables of who is bound and who listens. Part of
 * parley.h, which includes it.
 */
#ifndef _NET_PARLEY_PORT_H
#define _NET_PARLEY_PORT_H

#include <linux/refcount.h>
#include <linux/rhashtable.h>

/* port.c: port numbers, and who has which */

/**
 * struct parley_dest - an address that is being called
 * @node: in parley_net.dests
 * @addr: the address; the hash key
 * @ref: one for each caller that has a port from here, one for a listener
 * @ports: numbers in use, even and odd ones apart
 * @rcu: looked up under RCU
 *
 * Two callers of one destination need different ports; callers of different
 * destinations do not, which is TCP's rule of the four-tuple.
 */
struct parley_dest {
	struct rhash_head node;
	struct parley_addr addr;
	refcount_t ref;
	struct parley_numbers ports[2];
	struct rcu_head rcu;
};

int parley_port_bind(struct parley_sock *psk, struct parley_addr *addr);
int parley_port_bind_implicit(struct parley_sock *psk,
			      const struct parley_addr *to);
void parley_port_release(struct parley_sock *psk);
void parley_port_release_implicit(struct parley_sock *psk);
void parley_port_keep(struct parley_listener *l, struct parley_dest *d);
void parley_port_forget(struct parley_listener *l, struct parley_net *pn);
int parley_port_init_net(struct parley_net *pn);
void parley_port_exit_net(struct parley_net *pn);

/* table.c: who listens where, who is bound to which port */
int parley_table_bind(struct parley_sock *psk, const struct parley_addr *addr,
		      bool implicit);
void parley_table_unbind(struct parley_sock *psk);
int parley_table_listen(struct parley_sock *psk, struct parley_listener *l);
void parley_table_unlisten(struct parley_sock *psk, struct parley_listener *l);
struct parley_listener *parley_table_lookup(struct parley_net *pn,
					    const struct parley_addr *to);
int parley_table_init_net(struct parley_net *pn);
void parley_table_exit_net(struct parley_net *pn);

#endif /* _NET_PARLEY_PORT_H */
