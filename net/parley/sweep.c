// SPDX-License-Identifier: GPL-2.0
/*
 * What is looked after from time to time, for as long as any socket of a
 * namespace needs it: pages of data that nobody uses are given back, and data
 * that was held back (MSG_MORE) is announced. A socket that may need it is on
 * a list, where it costs data that flows nothing.
 */
#include <linux/workqueue.h>

#include "parley.h"

static struct parley_sweep *parley_sweep_of(const struct parley_sock *psk,
					    enum parley_sweeps which)
{
	return &parley_net(sock_net(&psk->sk))->sweeps[which];
}

/**
 * parley_sweep_watch - a socket is to be looked at
 * @psk: the socket; held by the caller
 * @which: what for
 *
 * Context: process.
 */
void parley_sweep_watch(struct parley_sock *psk, enum parley_sweeps which)
{
	struct parley_sweep *sweep = parley_sweep_of(psk, which);
	struct list_head *node = &psk->sweep_node[which];

	/*
	 * It will be looked at after this. First there is something to look
	 * after, then we look for the node; parley_sweep_next() takes that off,
	 * then looks.
	 */
	smp_mb();
	if (!list_empty_careful(node))
		return;
	spin_lock_bh(&sweep->lock);
	if (list_empty(node))
		list_add_tail(node, &sweep->socks);
	spin_unlock_bh(&sweep->lock);
	schedule_delayed_work(&sweep->work, sweep->period);
}

/**
 * parley_sweep_forget - a socket goes away
 * @psk: the socket, without references
 *
 * Context: any.
 */
void parley_sweep_forget(struct parley_sock *psk)
{
	int i;

	for (i = 0; i < PARLEY_SWEEPS; i++) {
		struct parley_sweep *sweep = parley_sweep_of(psk, i);

		/* Pairs with parley_sweep_next(), which is done with it. */
		if (list_empty_careful(&psk->sweep_node[i]))
			continue;
		spin_lock_bh(&sweep->lock);
		list_del_init(&psk->sweep_node[i]);
		spin_unlock_bh(&sweep->lock);
	}
}

/*
 * The next socket of a round, or NULL. It is held, and off the list: whoever
 * has something new for us after this puts it there again.
 */
static struct parley_sock *parley_sweep_next(struct parley_sweep *sweep,
					     struct list_head *round)
{
	struct parley_sock *psk = NULL;

	spin_lock_bh(&sweep->lock);
	while (!psk && !list_empty(round)) {
		struct list_head *node = round->next;

		psk = container_of(node - sweep->which, struct parley_sock,
				   sweep_node[0]);
		/* put in parley_sweep_work(), unless it is going already */
		if (!refcount_inc_not_zero(&psk->sk.sk_refcnt))
			psk = NULL;
		/* Who finds it off the list may free it: see _forget(). */
		list_del_init_careful(node);
	}
	spin_unlock_bh(&sweep->lock);
	smp_mb(); /* off the list, then look: see parley_sweep_watch() */
	return psk;
}

static void parley_sweep_work(struct work_struct *work)
{
	struct parley_sweep *sweep = container_of(to_delayed_work(work),
						  struct parley_sweep, work);
	struct parley_sock *psk;
	LIST_HEAD(round);

	spin_lock_bh(&sweep->lock);
	list_splice_init(&sweep->socks, &round);
	spin_unlock_bh(&sweep->lock);

	while ((psk = parley_sweep_next(sweep, &round))) {
		if (sweep->look(psk))
			parley_sweep_watch(psk, sweep->which);
		sock_put(&psk->sk); /* hold in parley_sweep_next() */
		cond_resched();
	}
}

/* Whether the ring still has pages. */
static bool parley_sweep_pages(struct parley_sock *psk)
{
	struct parley_net *pn = parley_net(sock_net(&psk->sk));
	unsigned int pages;
	bool all;

	pages = parley_ring_reclaim(&psk->rx, &all);
	if (pages)
		parley_count(pn, PARLEY_COUNT_PAGES, -(long)pages);
	return !all;
}

/* Once is enough: what is held back after this brings it here again. */
static bool parley_sweep_held(struct parley_sock *psk)
{
	if (parley_ring_release(&psk->rx))
		psk->sk.sk_data_ready(&psk->sk);
	return false;
}

static void parley_sweep_init(struct parley_net *pn, enum parley_sweeps which,
			      unsigned long period,
			      bool (*look)(struct parley_sock *psk))
{
	struct parley_sweep *sweep = &pn->sweeps[which];

	spin_lock_init(&sweep->lock);
	INIT_LIST_HEAD(&sweep->socks);
	INIT_DELAYED_WORK(&sweep->work, parley_sweep_work);
	sweep->which = which;
	sweep->period = period;
	sweep->look = look;
}

/**
 * parley_sweep_init_net - a namespace begins
 * @pn: the namespace
 *
 * Context: process.
 */
void parley_sweep_init_net(struct parley_net *pn)
{
	parley_sweep_init(pn, PARLEY_SWEEP_PAGES, HZ, parley_sweep_pages);
	/* As long as TCP waits with less than a segment: a fifth. */
	parley_sweep_init(pn, PARLEY_SWEEP_HELD, HZ / 5, parley_sweep_held);
}

/**
 * parley_sweep_exit_net - a namespace ends
 * @pn: the namespace, without sockets
 *
 * Context: process, may sleep.
 */
void parley_sweep_exit_net(struct parley_net *pn)
{
	int i;

	for (i = 0; i < PARLEY_SWEEPS; i++) {
		WARN_ON_ONCE(!list_empty(&pn->sweeps[i].socks));
		cancel_delayed_work_sync(&pn->sweeps[i].work);
	}
}
