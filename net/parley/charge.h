/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Whom a waiting call is charged to. Part of parley.h, which includes it.
 */
#ifndef _NET_PARLEY_CHARGE_H
#define _NET_PARLEY_CHARGE_H

#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/uidgid.h>

struct parley_call;
struct parley_listener;
struct parley_net;

/* user.c: who has calls in a network namespace */

/**
 * struct parley_user - a user who calls
 * @node: in parley_net.users
 * @uid: the real user id; the hash key, does not change
 * @ref: one for each call, and one for each listener that remembers the user
 * @pending: how many calls of this user wait in all backlogs together
 * @rcu: looked up under RCU
 */
struct parley_user {
	struct rhash_head node;
	kuid_t uid;
	refcount_t ref;
	atomic_t pending;
	struct rcu_head rcu;
};

int parley_user_init_net(struct parley_net *pn);
void parley_user_exit_net(struct parley_net *pn);
struct parley_user *parley_user_get(struct parley_net *pn, kuid_t uid);
void parley_user_put(struct parley_net *pn, struct parley_user *user);
struct parley_user *parley_user_keep(struct parley_listener *l,
				     struct parley_call *call);
void parley_user_forget(struct parley_listener *l, struct parley_net *pn);

/* charge.c: what bounds the number of waiting calls */

/**
 * struct parley_share - what a user has of a backlog that is shared out
 * @node: in parley_listener.shares. listener->lock
 * @user: whose it is; held by the calls
 * @waiting: how many calls. listener->lock
 */
struct parley_share {
	struct rb_node node;
	const struct parley_user *user;
	u32 waiting;
};

int parley_charge_prepare(struct parley_listener *l, struct parley_call *call);
int parley_charge_room(struct parley_listener *l,
		       const struct parley_call *call);
int parley_charge(struct parley_call *call);
void parley_uncharge(struct parley_call *call);

#endif /* _NET_PARLEY_CHARGE_H */
