// SPDX-License-Identifier: GPL-2.0
/*
 * Deciding in user space: the ioctls that show a call and take its verdict.
 * Nothing here belongs to a process, so whoever holds the listener can go on
 * where another one has died.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "parley.h"

#define PARLEY_NEXT_ALL		(PARLEY_NEXT_DEFERRED | PARLEY_NEXT_REWIND | \
				 PARLEY_NEXT_NOWAIT)
#define PARLEY_DECIDE_ALL	(PARLEY_DECIDE_QOS | PARLEY_DECIDE_RESERVE | \
				 PARLEY_DECIDE_AGAIN)

/**
 * parley_arg_read - take over an extensible struct, which begins with its size
 * @arg: filled
 * @known: its size here
 * @first: the size of its first version
 * @from: where it is
 *
 * Context: process, may sleep.
 * Return: 0, -EFAULT, -EINVAL for a size that makes no sense, -E2BIG if it
 * says what is not known here.
 */
int parley_arg_read(void *arg, size_t known, size_t first, void __user *from)
{
	u32 size;

	if (get_user(size, (u32 __user *)from))
		return -EFAULT;
	if (size < first)
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(arg, known, from, size);
}

static struct parley_call *parley_next_take(struct parley_wait *w)
{
	return parley_verdict_offer(w->l, w->deferred, &w->judge);
}

static bool parley_next_more(struct parley_listener *l)
{
	return !list_empty(&l->fresh) || READ_ONCE(l->urgent);
}

static void parley_next_pass(struct parley_listener *l)
{
	wake_up_interruptible(&l->deciders);
}

/*
 * A call that the policy was not asked about yet. Return: 1 if it is to be
 * shown, 0 if it came to nothing, or an error for the ioctl.
 */
static int parley_next_judge(struct parley_listener *l,
			     struct parley_call *call)
{
	struct parley_ruling ruling;
	int err;

	err = parley_policy_judge(l, call, &ruling);
	if (err) {
		parley_backlog_untake(call);
		return err;
	}
	return parley_verdict_apply(call, &ruling) && parley_verdict_give(call);
}

/* Return: a call to show, held and seen, or an error for the ioctl. */
static struct parley_call *parley_next_one(struct sock *sk,
					   struct parley_listener *l,
					   u32 flags, bool nowait)
{
	struct parley_wait wait = {
		.l		= l,
		.wq		= &l->deciders,
		.take		= parley_next_take,
		.more		= parley_next_more,
		.pass		= parley_next_pass,
		.deferred	= flags & PARLEY_NEXT_DEFERRED,
	};
	struct parley_call *call;
	int err;
	u64 id;

	parley_wait_begin(&wait, sk, nowait);
	for (;;) {
		wait.judge = false;
		call = parley_wait(&wait);
		if (IS_ERR(call) || !wait.judge)
			return call;
		err = parley_next_judge(l, call);
		if (err > 0)
			return call;
		id = call->id;
		parley_call_put(call); /* hold in parley_verdict_offer() */
		if (!err)
			err = parley_wait_go_on(&wait, id);
		if (err)
			return ERR_PTR(err);
	}
}

/* Return: 0 or -EFAULT. */
static int parley_next_data(struct parley_call *call,
			    struct parley_next_call *next)
{
	struct parley_blob *data = parley_terms_data(call->terms);
	const struct lsm_context *label = &call->label;

	if (data && next->data &&
	    copy_to_user(u64_to_user_ptr(next->data), data->data, data->len))
		return -EFAULT;
	if (label->len && next->label &&
	    copy_to_user(u64_to_user_ptr(next->label), label->context,
			 label->len))
		return -EFAULT;
	if (next->groups)
		return parley_call_groups(call, u64_to_user_ptr(next->groups),
					  next->info.groups);
	return 0;
}

static bool parley_next_fits(const struct parley_next_call *next)
{
	return (!next->data || next->data_room >= next->info.data_len) &&
	       (!next->groups || next->groups_room >= next->info.groups) &&
	       (!next->label || next->label_room >= next->info.label_len);
}

static int parley_next_show(struct parley_call *call, u8 family,
			    struct parley_next_call *next, void __user *arg)
{
	bool fits;
	int err = 0;

	parley_call_info(call, family, &next->info);
	fits = parley_next_fits(next);
	if (fits)
		err = parley_next_data(call, next);
	next->data_room = next->info.data_len;
	next->groups_room = next->info.groups;
	next->label_room = next->info.label_len;
	if (!err && copy_to_user(arg, next,
				 min_t(size_t, next->size, sizeof(*next))))
		err = -EFAULT;
	return err ?: fits ? 0 : -ERANGE;
}

static int parley_next_check(const struct parley_next_call *next)
{
	if (next->flags & ~PARLEY_NEXT_ALL || next->pad)
		return -EINVAL;
	return 0;
}

static int __parley_next_call(struct socket *sock, struct parley_listener *l,
			      struct parley_next_call *next, void __user *arg)
{
	struct sock *sk = sock->sk;
	struct parley_call *call;
	bool nowait;
	int err;

	if (next->flags & PARLEY_NEXT_REWIND)
		parley_verdict_rewind(l);
	nowait = next->flags & PARLEY_NEXT_NOWAIT ||
		 sock->file->f_flags & O_NONBLOCK;
	call = parley_next_one(sk, l, next->flags, nowait);
	/* To start again would be to rewind again. */
	if (call == ERR_PTR(-ERESTARTSYS) && next->flags & PARLEY_NEXT_REWIND)
		return -EINTR;
	if (IS_ERR(call))
		return PTR_ERR(call);
	err = parley_next_show(call, parley_sk(sk)->family, next, arg);
	if (err)
		parley_verdict_unsee(call);
	else
		WRITE_ONCE(call->shown, true);
	parley_call_put(call); /* hold in parley_verdict_offer() */
	return err;
}

/**
 * parley_next_call - PARLEY_IOC_NEXT_CALL
 * @sock: the listening socket
 * @arg: struct parley_next_call
 *
 * Context: process, may sleep.
 * Return: 0, -EINVAL, -E2BIG, -EFAULT, -EAGAIN, -EINTR or -ERESTARTSYS,
 * -ERANGE, -ENOMEM. With an error the call is as if nobody had looked at it.
 */
int parley_next_call(struct socket *sock, void __user *arg)
{
	struct parley_next_call next;
	struct parley_listener *l;
	int err;

	l = parley_listener_get(parley_sk(sock->sk));
	if (!l)
		return -EINVAL;
	err = parley_arg_read(&next, sizeof(next), PARLEY_NEXT_CALL_SIZE_VER0,
			      arg);
	if (!err)
		err = parley_next_check(&next);
	if (!err)
		err = __parley_next_call(sock, l, &next, arg);
	parley_listener_put(l);
	return err;
}

static bool parley_decision_ok(const struct parley_decision *d)
{
	if (d->verdict > PARLEY_UNDECIDE || d->flags & ~PARLEY_DECIDE_ALL)
		return false;
	if (d->verdict != PARLEY_REFUSE && (d->code || d->retry_after_ms))
		return false;
	if (d->verdict != PARLEY_ACCEPT &&
	    d->flags & (PARLEY_DECIDE_QOS | PARLEY_DECIDE_RESERVE))
		return false;
	if (d->verdict != PARLEY_ACCEPT && d->verdict != PARLEY_REFUSE &&
	    d->reply_len)
		return false;
	if (!(d->flags & PARLEY_DECIDE_QOS))
		return !memchr_inv(&d->qos, 0, sizeof(d->qos));
	return parley_qos_valid(&d->qos);
}

/* Takes over what goes with the decision. Return: 0 or an error. */
static int parley_decision_load(const struct parley_decision *d,
				struct parley_ruling *ruling)
{
	struct parley_blob *blob;

	if (d->reply_len) {
		blob = parley_blob_new(USER_SOCKPTR(u64_to_user_ptr(d->reply)),
				       d->reply_len);
		if (IS_ERR(blob))
			return PTR_ERR(blob);
		ruling->reply = blob;
	}
	if (d->flags & PARLEY_DECIDE_QOS) {
		blob = parley_blob_new(KERNEL_SOCKPTR((void *)&d->qos),
				       sizeof(d->qos));
		if (IS_ERR(blob))
			return PTR_ERR(blob);
		ruling->granted = blob;
	}
	return 0;
}

static int __parley_decide(struct sock *sk, struct parley_listener *l,
			   const struct parley_decision *d)
{
	struct parley_ruling ruling = {
		.verdict	= d->verdict,
		.by		= PARLEY_BY_SERVER,
		.rule		= PARLEY_RULE_NONE,
		.code		= d->code,
		.retry_after_ms	= d->retry_after_ms,
	};
	int err;

	if (!parley_decision_ok(d))
		return -EINVAL;
	if (d->reply_len > READ_ONCE(parley_net(sock_net(sk))->max_call_data))
		return -EMSGSIZE;
	err = parley_decision_load(d, &ruling);
	if (!err)
		err = parley_verdict_decide(l, d->id, &ruling, d->flags);
	parley_ruling_drop(&ruling);
	return err;
}

/**
 * parley_decide - PARLEY_IOC_DECIDE
 * @sk: the listening socket
 * @arg: struct parley_decision
 *
 * Context: process, may sleep.
 * Return: 0, -EINVAL, -E2BIG, -EFAULT, -EMSGSIZE, -ENOMEM, -ENOENT, -EALREADY,
 * -EBUSY, -EDQUOT.
 */
int parley_decide(struct sock *sk, void __user *arg)
{
	struct parley_decision decision;
	struct parley_listener *l;
	int err;

	l = parley_listener_get(parley_sk(sk));
	if (!l)
		return -EINVAL;
	err = parley_arg_read(&decision, sizeof(decision),
			      PARLEY_DECISION_SIZE_VER0, arg);
	if (!err)
		err = __parley_decide(sk, l, &decision);
	parley_listener_put(l);
	return err;
}

/**
 * parley_review - PARLEY_IOC_REVIEW
 * @sk: the listening socket
 *
 * Context: process.
 * Return: how many calls are judged again, or -EINVAL.
 */
int parley_review(struct sock *sk)
{
	struct parley_listener *l;
	int n;

	l = parley_listener_get(parley_sk(sk));
	if (!l)
		return -EINVAL;
	n = parley_verdict_review(l);
	parley_listener_put(l);
	return n;
}
