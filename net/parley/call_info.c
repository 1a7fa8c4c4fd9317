// SPDX-License-Identifier: GPL-2.0
/*
 * What user space is told of a call, in its own ids: who called, on what
 * terms, what became of it.
 */
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include "parley.h"

/**
 * parley_call_answered - whether the server's answer is for the caller
 * @call: any call
 *
 * A reply that was meant for an acceptance is not told to a caller who gave
 * up, or was refused for another reason, meanwhile.
 *
 * Context: any.
 * Return: true if reply data, code and retry-after may be told.
 */
bool parley_call_answered(const struct parley_call *call)
{
	switch (parley_call_state(call)) {
	case PARLEY_CALL_ESTABLISHED:
		return true;
	case PARLEY_CALL_REFUSED:
		return call->reason == PARLEY_REASON_RULE ||
		       call->reason == PARLEY_REASON_FILTER ||
		       call->reason == PARLEY_REASON_POLICY ||
		       call->reason == PARLEY_REASON_SERVER;
	default:
		return false;
	}
}

/**
 * parley_call_ruling - what decided a call
 * @call: a call that has ended, or its listener's lock is held
 *
 * Context: any.
 * Return: a decider's word, if there is one, or else the policy's.
 */
const struct parley_ruling *parley_call_ruling(const struct parley_call *call)
{
	return call->decision.by ? &call->decision : &call->ruling;
}

/**
 * parley_call_reply - the reply data of a call
 * @call: as for parley_call_ruling()
 *
 * Context: any.
 * Return: the bytes or NULL. Where a decider accepts without a word, those of
 * the policy.
 */
struct parley_blob *parley_call_reply(const struct parley_call *call)
{
	const struct parley_ruling *ruling = parley_call_ruling(call);

	if (ruling->verdict == PARLEY_ACCEPT && !ruling->reply)
		return call->ruling.reply;
	return ruling->reply;
}

/**
 * parley_call_grant - what a call is granted if a decider accepts it
 * @call: as for parley_call_ruling()
 * @said: what the decider says
 *
 * Context: any.
 * Return: what @said grants, or else the policy, or else all that was asked.
 */
const struct parley_qos *parley_call_grant(const struct parley_call *call,
					   const struct parley_ruling *said)
{
	const struct parley_blob *granted = said->granted ?:
					    call->ruling.granted;

	return granted ? (const void *)granted->data :
			 parley_terms_qos(call->terms);
}

/**
 * parley_call_granted - the quality of service of a call
 * @call: as for parley_call_ruling()
 *
 * Context: any.
 * Return: what was granted, from the caller's end: all that was asked, unless
 * a decider or else the policy said less.
 */
const struct parley_qos *parley_call_granted(const struct parley_call *call)
{
	return parley_call_grant(call, &call->decision);
}

/**
 * parley_call_groups - the caller's supplementary groups
 * @call: any call
 * @to: where they go
 * @room: for how many; the caller has checked that it is enough
 *
 * Context: process, may sleep.
 * Return: 0 or -EFAULT.
 */
int parley_call_groups(struct parley_call *call, u32 __user *to, u32 room)
{
	struct user_namespace *ns = current_user_ns();
	struct group_info *groups = call->cred->group_info;
	u32 i, n = min_t(u32, groups->ngroups, room);

	for (i = 0; i < n; i++)
		if (put_user(from_kgid_munged(ns, groups->gid[i]), to + i))
			return -EFAULT;
	return 0;
}

/**
 * parley_call_flags - what there is to say of a call by yes or no
 * @call: any call
 *
 * Context: any.
 * Return: PARLEY_INFO_*.
 */
u32 parley_call_flags(const struct parley_call *call)
{
	u32 flags = 0;

	if (call->terms && call->terms->asked)
		flags |= PARLEY_INFO_QOS;
	if (READ_ONCE(call->deferred))
		flags |= PARLEY_INFO_DEFERRED;
	if (READ_ONCE(call->shown))
		flags |= PARLEY_INFO_SEEN;
	return flags;
}

static u64 parley_call_left(u64 deadline, u64 now)
{
	if (!deadline)
		return 0;
	/* 0 stands for never. */
	return deadline > now ? deadline - now : 1;
}

/* What may change until the call ends. */
static void parley_call_info_now(struct parley_call *call,
				 struct parley_call_info *info)
{
	u8 state = call->state;
	u64 now = ktime_get_ns();

	info->rule = PARLEY_RULE_NONE;
	if (state == PARLEY_CALL_ESTABLISHED || state == PARLEY_CALL_APPROVED) {
		info->decided_by = parley_call_ruling(call)->by;
		info->rule = parley_call_ruling(call)->rule;
	}
	info->flags = parley_call_flags(call);
	info->granted = *parley_call_granted(call);
	if (parley_state_ended(state)) {
		info->age_ns = call->waited;
		return;
	}
	info->age_ns = now - call->since;
	info->timeout_ns = parley_call_left(call->deadline, now);
	info->defer_timeout_ns = parley_call_left(call->defer_deadline, now);
}

static void parley_call_info_who(struct parley_call *call,
				 struct parley_call_info *info)
{
	struct user_namespace *ns = current_user_ns();
	const struct cred *cred = call->cred;

	info->uid = from_kuid_munged(ns, cred->euid);
	info->gid = from_kgid_munged(ns, cred->egid);
	info->pid = pid_vnr(call->pid);
	info->groups = cred->group_info->ngroups;
	info->label_len = call->label.len;
	info->cgroup_id = call->cgroup_id;
	info->netns_cookie = call->netns_cookie;
}

/**
 * parley_call_info - describe a call
 * @call: a call that was delivered; the current context holds it
 * @family: of the listener's addresses
 * @info: filled, all of it
 *
 * Context: process, may sleep; ids are those of the current task's
 * namespaces.
 */
void parley_call_info(struct parley_call *call, u8 family,
		      struct parley_call_info *info)
{
	struct parley_blob *data = parley_terms_data(call->terms);

	memset(info, 0, sizeof(*info));
	info->id = call->id;
	info->data_len = parley_blob_len(data);
	info->group = call->terms ? call->terms->group : 0;
	info->qos = *parley_terms_qos(call->terms);
	parley_call_info_who(call, info);
	parley_addr_fill(&call->from, family, &info->caller);
	parley_addr_fill(&call->to, family, &info->callee);

	spin_lock_bh(&call->listener->lock);
	parley_call_info_now(call, info);
	spin_unlock_bh(&call->listener->lock);
}
