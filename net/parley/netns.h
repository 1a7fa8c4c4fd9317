/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the family has in each network namespace: tables, limits, counts.
 * Part of parley.h, which includes it.
 */
#ifndef _NET_PARLEY_NETNS_H
#define _NET_PARLEY_NETNS_H

#include <linux/idr.h>
#include <linux/percpu.h>
#include <linux/rhashtable.h>
#include <linux/spinlock.h>
#include <net/netns/generic.h>

/* netns.c, sysctl.c, proc.c: what each network namespace has */

/**
 * enum parley_count - what is counted
 * @PARLEY_COUNT_SOCKETS: sockets that exist
 * @PARLEY_COUNT_CALLS: call objects that exist
 * @PARLEY_COUNT_PAGES: pages of data held
 * @PARLEY_COUNT_CALLED: calls begun, ever
 * @PARLEY_COUNT_ESTABLISHED: calls that became connections, ever
 * @PARLEY_COUNT_REFUSED: calls refused, ever
 * @PARLEY_COUNT_WITHDRAWN: calls withdrawn or timed out, ever
 * @PARLEY_COUNTS: how many there are
 */
enum parley_count {
	PARLEY_COUNT_SOCKETS,
	PARLEY_COUNT_CALLS,
	PARLEY_COUNT_PAGES,
	PARLEY_COUNT_CALLED,
	PARLEY_COUNT_ESTABLISHED,
	PARLEY_COUNT_REFUSED,
	PARLEY_COUNT_WITHDRAWN,
	PARLEY_COUNTS
};

struct parley_counts {
	long n[PARLEY_COUNTS];
};

#define PARLEY_PORT_LOCKS	256

/**
 * struct parley_net - the family in one network namespace
 * @listeners: struct parley_listener by address; RCU, written under the
 *	port's lock
 * @bound: struct parley_sock by port; written under the port's lock
 * @dests: struct parley_dest by address
 * @port_locks: the lock of a port is one of these, by its number
 * @ephemeral: ports that bind(2) chose itself, even and odd ones apart
 * @ephemeral_next: where the next search begins, by parity; a hint
 * @pending: calls charged to all backlogs together
 * @next_id: the last call's id
 * @max_backlog: sysctl
 * @max_pending: sysctl
 * @connect_timeout_ms: sysctl
 * @max_call_data: sysctl
 * @defer_timeout_ms: sysctl
 * @sysctl: the registered table
 * @counts: per processor
 */
struct parley_net {
	struct rhashtable listeners;
	struct rhltable bound;
	struct rhashtable dests;
	spinlock_t port_locks[PARLEY_PORT_LOCKS]; /* the tables */
	struct ida ephemeral[2];
	unsigned int ephemeral_next[2];
	atomic_t pending;
	atomic64_t next_id;
	unsigned int max_backlog;
	unsigned int max_pending;
	unsigned int connect_timeout_ms;
	unsigned int max_call_data;
	unsigned int defer_timeout_ms;
	struct ctl_table_header *sysctl;
	struct parley_counts __percpu *counts;
};

extern unsigned int parley_net_id;

static inline struct parley_net *parley_net(const struct net *net)
{
	return net_generic(net, parley_net_id);
}

static inline void parley_count(struct parley_net *pn, enum parley_count what,
				long by)
{
	this_cpu_add(pn->counts->n[what], by);
}

long parley_count_sum(struct parley_net *pn, enum parley_count what);
int __init parley_netns_init(void);
void parley_netns_exit(void);
int parley_sysctl_init_net(struct net *net);
void parley_sysctl_exit_net(struct net *net);
int parley_proc_init_net(struct net *net);
void parley_proc_exit_net(struct net *net);

#endif /* _NET_PARLEY_NETNS_H */
