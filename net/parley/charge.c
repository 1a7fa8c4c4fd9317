// SPDX-License-Identifier: GPL-2.0
/*
 * What bounds the number of calls that wait. A call is charged when it enters
 * a backlog and uncharged with its outcome, all at once: to the backlog, to
 * the network namespace, to its user there, and, where the listener asks for
 * that, to its user's share of the backlog. Its memory is charged to the
 * control group of the caller by the allocations themselves.
 *
 * A fair share is a share of what is free: a user may have no more calls in
 * the backlog than that. Who comes alone fills the half of it at most, two
 * get a third each, and there is a place left for whoever has none yet. No
 * number has to be chosen for that, and nothing is kept free for nobody.
 */
#include <linux/slab.h>

#include "parley.h"

/**
 * parley_charge_prepare - before a call is charged
 * @l: whom it is for
 * @call: a new call
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int parley_charge_prepare(struct parley_listener *l, struct parley_call *call)
{
	if (!READ_ONCE(l->conf->share))
		return 0;
	/*
	 * Becomes the share, or is freed when there is one already; in
	 * parley_call_put() where the call is never charged.
	 */
	call->share = kzalloc(sizeof(*call->share), GFP_KERNEL_ACCOUNT);
	return call->share ? 0 : -ENOMEM;
}

static struct parley_share *parley_share_find(struct parley_listener *l,
					      const struct parley_user *user,
					      struct rb_node **parent,
					      struct rb_node ***link)
{
	struct rb_node **at = &l->shares.rb_node;
	struct parley_share *share;

	lockdep_assert_held(&l->lock);

	*parent = NULL;
	while (*at) {
		share = rb_entry(*at, struct parley_share, node);
		if (share->user == user)
			return share;
		*parent = *at;
		at = user < share->user ? &(*at)->rb_left : &(*at)->rb_right;
	}
	*link = at;
	return NULL;
}

/* How many calls a user may have there before the next one: one at least. */
static u32 parley_share_max(const struct parley_listener *l, u8 percent)
{
	u32 free = l->limit - l->charged;

	return max_t(u32, mul_u64_u32_div(free, percent, 100), 1);
}

/* Whether the user has its share, and this call would be above it. */
static bool parley_share_full(struct parley_listener *l,
			      const struct parley_call *call)
{
	u8 percent = READ_ONCE(l->conf->share);
	struct rb_node *parent, **link;
	struct parley_share *share;

	if (!percent)
		return false;
	share = parley_share_find(l, call->user, &parent, &link);
	return share && share->waiting >= parley_share_max(l, percent);
}

static void parley_share_charge(struct parley_listener *l,
				struct parley_call *call)
{
	struct rb_node *parent, **link;
	struct parley_share *share;

	/* It came when shares were not asked for yet. */
	if (!call->share)
		return;
	share = parley_share_find(l, call->user, &parent, &link);
	if (share) {
		kfree(call->share);
		call->share = share;
	} else {
		share = call->share;
		share->user = call->user;
		rb_link_node(&share->node, parent, link);
		rb_insert_color(&share->node, &l->shares);
	}
	share->waiting++;
}

static void parley_share_uncharge(struct parley_listener *l,
				  struct parley_call *call)
{
	struct parley_share *share = call->share;

	call->share = NULL;
	if (!share || --share->waiting)
		return;
	rb_erase(&share->node, &l->shares);
	kfree(share);
}

/**
 * parley_charge_room - whether it is worth while to judge a call on arrival
 * @l: the listener
 * @call: a new call
 *
 * Context: process, no locks of ours but lock_sock(). What is said may be
 * outdated.
 * Return: 0, or the enum parley_reason for which it would be refused.
 */
int parley_charge_room(struct parley_listener *l,
		       const struct parley_call *call)
{
	struct parley_net *pn = call->pn;
	bool full = false;

	if (READ_ONCE(l->charged) >= READ_ONCE(l->limit))
		return PARLEY_REASON_BACKLOG_FULL;
	if (READ_ONCE(l->conf->share)) {
		spin_lock_bh(&l->lock);
		full = l->charged < l->limit && parley_share_full(l, call);
		spin_unlock_bh(&l->lock);
	}
	if (full)
		return PARLEY_REASON_FAIR_SHARE;
	if (atomic_read(&call->user->pending) >=
	    READ_ONCE(pn->max_pending_per_user))
		return PARLEY_REASON_USER_LIMIT;
	if (atomic_read(&pn->pending) >= READ_ONCE(pn->max_pending))
		return PARLEY_REASON_LIMIT;
	return 0;
}

/* One more of what there may be @max of. Return: whether there may. */
static bool parley_charge_one(atomic_t *pending, unsigned int max)
{
	int now = atomic_read(pending);

	/* Never more, not even for an instant: another would be refused. */
	do {
		if ((unsigned int)now >= max)
			return false;
	} while (!atomic_try_cmpxchg(pending, &now, now + 1));
	return true;
}

/**
 * parley_charge - a call enters a backlog
 * @call: a new call, with its listener
 *
 * Context: listener's lock held.
 * Return: 0, or the enum parley_reason for which it is refused, and nothing
 * is charged.
 */
int parley_charge(struct parley_call *call)
{
	struct parley_listener *l = call->listener;
	struct parley_user *user = call->user;
	struct parley_net *pn = call->pn;

	lockdep_assert_held(&l->lock);

	if (l->charged >= l->limit)
		return PARLEY_REASON_BACKLOG_FULL;
	if (parley_share_full(l, call))
		return PARLEY_REASON_FAIR_SHARE;
	if (!parley_charge_one(&user->pending,
			       READ_ONCE(pn->max_pending_per_user)))
		return PARLEY_REASON_USER_LIMIT;
	if (!parley_charge_one(&pn->pending, READ_ONCE(pn->max_pending))) {
		atomic_dec(&user->pending);
		return PARLEY_REASON_LIMIT;
	}
	WRITE_ONCE(l->charged, l->charged + 1);
	parley_share_charge(l, call);
	return 0;
}

/**
 * parley_uncharge - a call has its outcome
 * @call: a call that was charged
 *
 * Context: listener's lock held.
 */
void parley_uncharge(struct parley_call *call)
{
	struct parley_listener *l = call->listener;

	lockdep_assert_held(&l->lock);
	DEBUG_NET_WARN_ON_ONCE(!l->charged);

	WRITE_ONCE(l->charged, l->charged - 1);
	parley_share_uncharge(l, call);
	atomic_dec(&call->user->pending);
	atomic_dec(&call->pn->pending);
}
