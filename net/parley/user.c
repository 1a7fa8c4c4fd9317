// SPDX-License-Identifier: GPL-2.0
/*
 * The users who call in a network namespace: an object for each, as long as a
 * socket has a call of theirs, whatever became of it, or a listener remembers
 * them. What they are charged for is in charge.c.
 */
#include <linux/rhashtable.h>
#include <linux/slab.h>

#include "parley.h"

static const struct rhashtable_params parley_users_params = {
	.head_offset = offsetof(struct parley_user, node),
	.key_offset = offsetof(struct parley_user, uid),
	.key_len = sizeof(kuid_t),
	.automatic_shrinking = true,
};

static struct parley_user *parley_user_alloc(kuid_t uid)
{
	struct parley_user *user = kzalloc(sizeof(*user), GFP_KERNEL_ACCOUNT);

	if (!user)
		return NULL;
	user->uid = uid;
	refcount_set(&user->ref, 1);
	return user;
}

/* Return: NULL where @user is in the table now, or whom it met there. */
static struct parley_user *parley_user_insert(struct parley_net *pn,
					      struct parley_user *user)
{
	return rhashtable_lookup_get_insert_fast(&pn->users, &user->node,
						 parley_users_params);
}

/**
 * parley_user_get - find a user, or begin with one
 * @pn: the namespace
 * @uid: the user's real id, as RLIMIT_NPROC counts: what a program with the
 *	set-user-ID bit does is on its user's account, not on its owner's
 *
 * Context: process, may sleep.
 * Return: the user, held (put in parley_user_put()), or NULL without memory.
 */
struct parley_user *parley_user_get(struct parley_net *pn, kuid_t uid)
{
	struct parley_user *user, *new = NULL;

	for (;;) {
		rcu_read_lock();
		user = rhashtable_lookup(&pn->users, &uid,
					 parley_users_params);
		if (!user && new)
			user = parley_user_insert(pn, new);
		if (!user && new) {
			rcu_read_unlock();
			return new;
		}
		/*
		 * At zero somebody is about to remove it. Do that for them:
		 * they may not come to it before we are done here.
		 */
		if (!IS_ERR_OR_NULL(user) &&
		    !refcount_inc_not_zero(&user->ref)) {
			rhashtable_remove_fast(&pn->users, &user->node,
					       parley_users_params);
			rcu_read_unlock();
			continue;
		}
		rcu_read_unlock();
		if (user)
			break;
		new = parley_user_alloc(uid);
		if (!new)
			return NULL;
	}
	kfree(new);
	return IS_ERR(user) ? NULL : user;
}

/**
 * parley_user_put - let go of a user
 * @pn: the namespace
 * @user: the user; gone with the last reference
 *
 * Context: any.
 */
void parley_user_put(struct parley_net *pn, struct parley_user *user)
{
	if (!refcount_dec_and_test(&user->ref))
		return;
	DEBUG_NET_WARN_ON_ONCE(atomic_read(&user->pending));
	rhashtable_remove_fast(&pn->users, &user->node, parley_users_params);
	kfree_rcu(user, rcu);
}

/**
 * parley_user_keep - remember who called last, who may well be the next
 * @l: a listener that takes calls
 * @call: a call that is delivered there
 *
 * Context: @l's lock held.
 * Return: who was remembered, to be put when the lock is free, or NULL.
 */
struct parley_user *parley_user_keep(struct parley_listener *l,
				     struct parley_call *call)
{
	struct parley_user *old = l->user;

	lockdep_assert_held(&l->lock);

	if (old == call->user)
		return NULL;
	/* Put by who gets it from here, or in parley_user_forget(). */
	refcount_inc(&call->user->ref);
	l->user = call->user;
	return old;
}

/**
 * parley_user_forget - nobody will be the next
 * @l: a listener that takes no calls any more
 * @pn: its namespace
 *
 * Context: process.
 */
void parley_user_forget(struct parley_listener *l, struct parley_net *pn)
{
	struct parley_user *user;

	spin_lock_bh(&l->lock);
	user = l->user;
	l->user = NULL;
	spin_unlock_bh(&l->lock);
	if (user)
		parley_user_put(pn, user);
}

/**
 * parley_user_init_net - the users of a new namespace
 * @pn: the namespace
 *
 * Context: process.
 * Return: 0 or a negative errno.
 */
int parley_user_init_net(struct parley_net *pn)
{
	return rhashtable_init(&pn->users, &parley_users_params);
}

/**
 * parley_user_exit_net - no call is left in the namespace
 * @pn: the namespace
 *
 * Context: process.
 */
void parley_user_exit_net(struct parley_net *pn)
{
	WARN_ON_ONCE(atomic_read(&pn->users.nelems));
	rhashtable_destroy(&pn->users);
}
