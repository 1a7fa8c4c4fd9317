/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the family has in each network namespace: tables, limits, counts.
 * Part of parley.h, which includes it.
 */
#ifndef _NET_PARLEY_NETNS_H
#define _NET_PARLEY_NETNS_H

#include <linux/bitops.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/rhashtable.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
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

/* One more than the last enum parley_reason. */
#define PARLEY_REASONS	(PARLEY_REASON_FAIR_SHARE + 1)

/**
 * struct parley_counts - what is counted
 * @n: by enum parley_count
 * @reasons: calls that did not become connections, ever, by enum
 *	parley_reason; PARLEY_REASON_NONE are those refused without a reason,
 *	and not those that their callers took back
 */
struct parley_counts {
	long n[PARLEY_COUNTS];
	long reasons[PARLEY_REASONS];
};

/* number.c: sets of numbers */

#define PARLEY_WINDOW	256

/**
 * struct parley_numbers - a set of port numbers of one parity, halved
 * @lock: guards the rest
 * @base: the number of the first bit of @window
 * @next: where the next search is to begin; a hint
 * @window: numbers in use, unless there is @all
 * @all: all numbers in use, or NULL; once there it stays
 */
struct parley_numbers {
	spinlock_t lock; /* the rest */
	unsigned int base;
	unsigned int next;
	unsigned long window[BITS_TO_LONGS(PARLEY_WINDOW)];
	unsigned long *all;
};

void parley_numbers_init(struct parley_numbers *set, unsigned int next);
void parley_numbers_destroy(struct parley_numbers *set);
bool parley_numbers_empty(const struct parley_numbers *set);
int parley_numbers_take(struct parley_numbers *set, unsigned int from,
			unsigned int max);
void parley_numbers_give(struct parley_numbers *set, unsigned int id);

#define PARLEY_PORT_LOCKS	256

/* sweep.c: what is looked after from time to time */

/**
 * enum parley_sweeps - what sockets are looked at for
 * @PARLEY_SWEEP_PAGES: pages of data that they do not use
 * @PARLEY_SWEEP_HELD: data that was held back (MSG_MORE)
 * @PARLEY_SWEEPS: how many there are
 */
enum parley_sweeps {
	PARLEY_SWEEP_PAGES,
	PARLEY_SWEEP_HELD,
	PARLEY_SWEEPS
};

struct parley_sock;

/**
 * struct parley_sweep - the sockets that are looked at for one thing
 * @lock: guards @socks; softirqs off
 * @socks: struct parley_sock, by its sweep_node
 * @work: goes round, as long as there are any
 * @period: how often, in ticks
 * @which: what for
 * @look: looks at a socket that is held. Context: process, may sleep. Return:
 *	whether it is to be looked at again
 */
struct parley_sweep {
	spinlock_t lock; /* @socks */
	struct list_head socks;
	struct delayed_work work;
	unsigned long period;
	enum parley_sweeps which;
	bool (*look)(struct parley_sock *psk);
};

/**
 * struct parley_port - what ports with one lock have
 * @lock: guards what the tables say of these ports
 * @callers: struct parley_sock whose numbers connect chose. @lock
 */
struct parley_port {
	spinlock_t lock; /* what the tables say */
	struct hlist_head callers;
};

/**
 * struct parley_net - the family in one network namespace
 * @listeners: struct parley_listener by address; RCU, written under the
 *	port's lock
 * @bound: struct parley_sock that bind(2) was called for, by port; written
 *	under the port's lock
 * @dests: struct parley_dest by address
 * @users: struct parley_user by user id
 * @ports: what a port has is in one of these, by its number
 * @ephemeral: ports that bind(2) chose itself, even and odd ones apart
 * @pending: calls charged to all backlogs together
 * @next_id: the last call's id
 * @local_v4: an IPv4 address that is the namespace's own, and the generation of
 *	the routes by which it is; written without lock
 * @max_backlog: sysctl
 * @max_pending: sysctl
 * @max_pending_per_user: sysctl
 * @connect_timeout_ms: sysctl
 * @max_call_data: sysctl
 * @defer_timeout_ms: sysctl
 * @sysctl: the registered table
 * @sweeps: what is looked after from time to time
 * @counts: per processor
 */
struct parley_net {
	struct rhashtable listeners;
	struct rhltable bound;
	struct rhashtable dests;
	struct rhashtable users;
	struct parley_port ports[PARLEY_PORT_LOCKS];
	struct parley_numbers ephemeral[2];
	atomic_t pending;
	atomic64_t next_id;
	atomic64_t local_v4;
	unsigned int max_backlog;
	unsigned int max_pending;
	unsigned int max_pending_per_user;
	unsigned int connect_timeout_ms;
	unsigned int max_call_data;
	unsigned int defer_timeout_ms;
	struct ctl_table_header *sysctl;
	struct parley_sweep sweeps[PARLEY_SWEEPS];
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

static inline void parley_count_reason(struct parley_net *pn,
				       enum parley_reason reason)
{
	this_cpu_inc(pn->counts->reasons[reason]);
}

void parley_sweep_init_net(struct parley_net *pn);
void parley_sweep_exit_net(struct parley_net *pn);
void parley_sweep_watch(struct parley_sock *psk, enum parley_sweeps which);
void parley_sweep_forget(struct parley_sock *psk);
long parley_count_sum(struct parley_net *pn, enum parley_count what);
long parley_count_reasons(struct parley_net *pn, enum parley_reason reason);
int __init parley_netns_init(void);
void parley_netns_exit(void);
int parley_sysctl_init_net(struct net *net);
void parley_sysctl_exit_net(struct net *net);
int parley_proc_init_net(struct net *net);
void parley_proc_exit_net(struct net *net);

#endif /* _NET_PARLEY_NETNS_H */
