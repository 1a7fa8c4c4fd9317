// SPDX-License-Identifier: GPL-2.0
/*
 * Approved calls that are kept for one thread: it decided, with
 * PARLEY_DECIDE_RESERVE, and its next accept(2) gets this very call. Should
 * the call end before, it leaves a mark to tell the thread so. Should the
 * thread end before, the call is for anybody; nobody is told of a thread's end,
 * so while there are reservations a timer looks after them.
 */
#include <linux/pid.h>
#include <linux/sched.h>

#include "parley.h"

#define PARLEY_REAP_TICKS	(HZ / 10)

/**
 * parley_reserve_watch - there is a reservation or a mark
 * @l: the listener
 *
 * Context: listener's lock held.
 */
void parley_reserve_watch(struct parley_listener *l)
{
	lockdep_assert_held(&l->lock);

	if (timer_pending(&l->reaper))
		return;
	if (!mod_timer(&l->reaper, jiffies + PARLEY_REAP_TICKS))
		refcount_inc(&l->ref); /* put by the timer or who deletes it */
}

/**
 * parley_reserve - keep a call for the current thread
 * @call: a call after parley_backlog_leave() that becomes APPROVED next, and
 *	is reserved for nobody
 *
 * Context: process, listener's lock held.
 */
void parley_reserve(struct parley_call *call)
{
	lockdep_assert_held(&call->listener->lock);

	/* put by who unreserves, or in parley_call_put() */
	call->reserver = get_pid(task_pid(current));
	parley_reserve_watch(call->listener);
}

/**
 * parley_unreserve - a call is for anybody
 * @call: a call after parley_backlog_leave()
 *
 * Context: listener's lock held.
 * Return: the thread it was for, to be put when the lock is free, or NULL.
 */
struct pid *parley_unreserve(struct parley_call *call)
{
	struct pid *thread = call->reserver;

	lockdep_assert_held(&call->listener->lock);

	call->reserver = NULL;
	return thread;
}

static struct parley_call *parley_reserve_find(struct list_head *list,
					       const struct pid *thread)
{
	struct parley_call *call;

	list_for_each_entry(call, list, node)
		if (call->reserver == thread)
			return call;
	return NULL;
}

/**
 * parley_reserve_mark - a reserved call has ended
 * @call: the call; its thread is told when it comes, once
 *
 * Context: listener's lock held.
 */
void parley_reserve_mark(struct parley_call *call)
{
	struct parley_listener *l = call->listener;

	lockdep_assert_held(&l->lock);

	if (parley_reserve_find(&l->marks, call->reserver))
		return;
	parley_call_get(call); /* put by who takes it off the list */
	list_add_tail(&call->node, &l->marks);
	WRITE_ONCE(l->reservations, l->reservations + 1);
	parley_reserve_watch(l);
}

/* Return: the call, to be put when the lock is free. */
static struct parley_call *parley_reserve_unmark(struct parley_call *call)
{
	struct parley_listener *l = call->listener;

	lockdep_assert_held(&l->lock);

	list_del_init(&call->node);
	WRITE_ONCE(l->reservations, l->reservations - 1);
	return call;
}

/**
 * parley_reserve_forget - this thread goes on to another call
 * @l: the listener; its lock is held
 *
 * Context: process.
 * Return: a call to be put when the lock is free, or NULL.
 */
struct parley_call *parley_reserve_forget(struct parley_listener *l)
{
	struct parley_call *mark;

	mark = parley_reserve_find(&l->marks, task_pid(current));
	return mark ? parley_reserve_unmark(mark) : NULL;
}

/**
 * parley_reserve_take - the call that was kept for this thread
 * @l: the listener
 *
 * Context: process.
 * Return: the call, held, as parley_backlog_take() gives it; NULL if there is
 * none; -ECONNABORTED as a pointer if it has ended.
 */
struct parley_call *parley_reserve_take(struct parley_listener *l)
{
	struct parley_call *call, *mark;

	if (!READ_ONCE(l->reservations))
		return NULL;

	spin_lock_bh(&l->lock);
	mark = parley_reserve_forget(l);
	call = mark ? NULL : parley_reserve_find(&l->reserved,
						 task_pid(current));
	if (call) {
		call->approved = true;
		parley_backlog_leave(call);
		parley_backlog_enter(call, PARLEY_CALL_JUDGING);
		parley_call_get(call); /* put by who took it */
	}
	spin_unlock_bh(&l->lock);
	if (!mark)
		return call;
	parley_call_put(mark); /* hold in parley_reserve_mark() */
	return ERR_PTR(-ECONNABORTED);
}

/**
 * parley_reserve_clear - the listener is closed
 * @l: the listener; no call of it is undecided any more
 *
 * Context: process.
 */
void parley_reserve_clear(struct parley_listener *l)
{
	struct parley_call *mark;

	do {
		spin_lock_bh(&l->lock);
		mark = list_first_entry_or_null(&l->marks, struct parley_call,
						node);
		if (mark)
			parley_reserve_unmark(mark);
		spin_unlock_bh(&l->lock);
		if (mark)
			parley_call_put(mark); /* hold in ..._mark() */
	} while (mark);
	if (timer_delete(&l->reaper))
		parley_listener_put(l); /* hold in parley_reserve_watch() */
}

static bool parley_reserve_dead(const struct parley_call *call)
{
	struct task_struct *task;
	bool dead;

	rcu_read_lock();
	task = pid_task(call->reserver, PIDTYPE_PID);
	dead = !task || READ_ONCE(task->flags) & PF_EXITING;
	rcu_read_unlock();
	return dead;
}

/*
 * One at a time, so that nothing is put under the lock. Return: false if there
 * is nothing to reap any more; then the timer goes on if it has to.
 */
static bool parley_reserve_reap_one(struct parley_listener *l)
{
	struct parley_call *call, *mark = NULL, *freed = NULL;
	struct pid *thread = NULL;

	spin_lock_bh(&l->lock);
	list_for_each_entry(call, &l->marks, node)
		if (parley_reserve_dead(call)) {
			mark = parley_reserve_unmark(call);
			break;
		}
	list_for_each_entry(call, &l->reserved, node)
		if (!mark && parley_reserve_dead(call)) {
			freed = call;
			break;
		}
	if (freed) {
		parley_backlog_leave(freed);
		thread = parley_unreserve(freed);
		parley_backlog_enter(freed, PARLEY_CALL_APPROVED);
	}
	if (!mark && !freed && l->reservations && rcu_access_pointer(l->sk))
		parley_reserve_watch(l);
	spin_unlock_bh(&l->lock);

	if (mark)
		parley_call_put(mark); /* hold in parley_reserve_mark() */
	put_pid(thread); /* hold in parley_reserve() */
	if (freed)
		parley_listener_wake(l);
	return mark || freed;
}

/**
 * parley_reserve_reap - look for threads that ended with a reservation
 * @t: the listener's timer
 *
 * Context: softirq.
 */
void parley_reserve_reap(struct timer_list *t)
{
	struct parley_listener *l = timer_container_of(l, t, reaper);

	while (parley_reserve_reap_one(l))
		;
	parley_listener_put(l); /* hold in parley_reserve_watch() */
}
