// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting at a listener: for a call to accept, or to look at. The wait is
 * exclusive, each call wakes one who waits.
 */
#include <linux/sched/signal.h>

#include "parley.h"

/**
 * parley_wait_begin - say for how long
 * @w: what for
 * @sk: the listening socket
 * @nowait: as with O_NONBLOCK
 *
 * Context: process.
 */
void parley_wait_begin(struct parley_wait *w, struct sock *sk, bool nowait)
{
	struct parley_net *pn = parley_net(sock_net(sk));

	w->timeo = sock_rcvtimeo(sk, nowait);
	w->until = jiffies + w->timeo;
	w->last = atomic64_read(&pn->next_id);
}

/* Why one does not go on waiting, or 0. */
static int parley_wait_stop(const struct parley_wait *w)
{
	/* A dying process shall not take what it cannot serve. */
	if (fatal_signal_pending(current))
		return -EINTR;
	if (!rcu_access_pointer(w->l->sk))
		return -EINVAL;
	if (!w->timeo)
		return -EAGAIN;
	if (signal_pending(current))
		return sock_intr_errno(w->timeo);
	return 0;
}

/*
 * A wake-up takes its waiter off the queue. Whether there was one is asked
 * under the queue's lock: later ones are another's. Return: whether there was.
 */
static bool parley_wait_leave(struct parley_wait *w,
			      struct wait_queue_entry *wait)
{
	unsigned long flags;
	bool woken;

	__set_current_state(TASK_RUNNING);
	spin_lock_irqsave(&w->wq->lock, flags);
	woken = list_empty(&wait->entry);
	list_del_init(&wait->entry);
	spin_unlock_irqrestore(&w->wq->lock, flags);
	return woken;
}

/*
 * After every wake the backlog is looked at before time and signals are, so
 * whoever leaves without a call has not slept through anybody's wake-up; and
 * who is woken once more while already leaving passes that on, with a call or
 * without. So does who is killed after it was woken: it does not look, and must
 * not be on the queue again, or its wake-up could not be told from none.
 */
static struct parley_call *parley_wait_queued(struct parley_wait *w)
{
	struct parley_call *call;
	DEFINE_WAIT(wait);
	int err;

	for (;;) {
		if (fatal_signal_pending(current)) {
			call = ERR_PTR(-EINTR);
			break;
		}
		prepare_to_wait_exclusive(w->wq, &wait, TASK_INTERRUPTIBLE);
		call = w->take(w);
		if (call)
			break;
		err = parley_wait_stop(w);
		if (err) {
			call = ERR_PTR(err);
			break;
		}
		w->timeo = schedule_timeout(w->timeo);
	}
	if (parley_wait_leave(w, &wait) && w->more(w->l))
		w->pass(w->l);
	return call;
}

/**
 * parley_wait - take a call, or wait for one
 * @w: what for, and how long
 *
 * Context: process, may sleep.
 * Return: what @w->take gave, or as a pointer -EAGAIN, -EINTR or
 * -ERESTARTSYS, -EINVAL where the listener is closed.
 */
struct parley_call *parley_wait(struct parley_wait *w)
{
	struct parley_call *call = w->take(w);
	int err;

	/* Without a place on the queue nobody's wake-up comes by mistake. */
	if (call)
		return call;
	err = parley_wait_stop(w);
	if (err)
		return ERR_PTR(err);
	return parley_wait_queued(w);
}

/**
 * parley_wait_go_on - whether to look for another call
 * @w: what one waits for
 * @id: a call that came to nothing
 *
 * Such calls may come as fast as they are taken, so time and signals count
 * even if there is no need to sleep. Who does not wait is done with what was
 * there at the beginning: later calls are later events.
 *
 * Context: process, may sleep.
 * Return: 0 to go on, -EAGAIN, -EINTR or -ERESTARTSYS.
 */
int parley_wait_go_on(struct parley_wait *w, u64 id)
{
	cond_resched();
	if (signal_pending(current))
		return sock_intr_errno(w->timeo);
	if (w->timeo != MAX_SCHEDULE_TIMEOUT)
		w->timeo = max_t(long, w->until - jiffies, 0);
	return w->timeo || id <= w->last ? 0 : -EAGAIN;
}
