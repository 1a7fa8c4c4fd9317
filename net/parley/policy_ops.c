// SPDX-License-Identifier: GPL-2.0
/*
 * The third stage of a listener's policy: struct_ops policies, which also
 * learn what became of the calls that they accepted. How they come into the
 * kernel is in policy_bpf.c; here is what a listener has of one: a handle. It
 * is the module's, so a policy can be unloaded while listeners have it. They
 * refuse what comes then, until they are given another.
 *
 * What a policy counts in condition() it has to count out again, so each
 * condition() that accepts is followed by exactly one established() or
 * dropped(), and each established() by exactly one closed(). Who owes that is
 * noted by one pointer, call->policy, which is taken by exchange: set with the
 * ruling, under the listener's lock and only while the call is JUDGING or new;
 * taken by whoever made the outcome, or by who judges once more; set again
 * with the connection, before anybody else knows the accepted socket; taken
 * when that is closed.
 */
#include <linux/capability.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "parley.h"

/**
 * struct parley_policy - a policy's handle
 * @node: in parley_policies while loaded. parley_policies_lock
 * @ref: one while loaded, one for each settings that have it, and one for
 *	each call that it is to be told of
 * @ops: its programs, NULL once it is unloaded; read under RCU
 * @link: what it was loaded by, or NULL for a map alone; to compare with.
 *	parley_policies_lock
 * @flags: PARLEY_POLICY_*. parley_policies_lock
 * @name: does not change
 * @rcu: found under RCU through the settings of a listener
 */
struct parley_policy {
	struct list_head node;
	refcount_t ref;
	struct parley_policy_ops __rcu *ops;
	const struct bpf_link *link;
	u32 flags;
	char name[PARLEY_POLICY_NAME_MAX];
	struct rcu_head rcu;
};

static DEFINE_MUTEX(parley_policies_lock);
static LIST_HEAD(parley_policies);

/* Whether the kernel lets this module have policies. Set at load. */
bool parley_ops_usable __read_mostly;

/**
 * parley_ops_put - let go of a handle
 * @policy: it, or NULL
 *
 * Context: any.
 */
void parley_ops_put(struct parley_policy *policy)
{
	if (policy && refcount_dec_and_test(&policy->ref))
		kfree_rcu(policy, rcu);
}

static struct parley_policy *parley_ops_find(const char *name)
{
	struct parley_policy *policy;

	lockdep_assert_held(&parley_policies_lock);
	list_for_each_entry(policy, &parley_policies, node)
		if (!strcmp(policy->name, name))
			return policy;
	return NULL;
}

static struct parley_policy *
parley_ops_find_ops(const struct parley_policy_ops *ops)
{
	struct parley_policy *policy;

	lockdep_assert_held(&parley_policies_lock);
	list_for_each_entry(policy, &parley_policies, node)
		if (rcu_access_pointer(policy->ops) == ops)
			return policy;
	return NULL;
}

/**
 * parley_ops_register - a policy is loaded
 * @ops: its programs, valid until parley_ops_unregister() or a grace period
 *	after parley_ops_update()
 * @link: the link that does it, or NULL
 *
 * Context: process, may sleep.
 * Return: 0, -EEXIST where its name is taken, -ENOMEM.
 */
int parley_ops_register(struct parley_policy_ops *ops, struct bpf_link *link)
{
	struct parley_policy *policy;
	int err = -EEXIST;

	policy = kzalloc(sizeof(*policy), GFP_KERNEL_ACCOUNT);
	if (!policy)
		return -ENOMEM;
	refcount_set(&policy->ref, 1); /* put in parley_ops_unregister() */
	RCU_INIT_POINTER(policy->ops, ops);
	policy->link = link;
	policy->flags = ops->flags;
	strscpy(policy->name, ops->name, sizeof(policy->name));

	mutex_lock(&parley_policies_lock);
	if (!parley_ops_find(policy->name)) {
		list_add_tail(&policy->node, &parley_policies);
		err = 0;
	}
	mutex_unlock(&parley_policies_lock);
	if (err)
		kfree(policy);
	return err;
}

/**
 * parley_ops_unregister - a policy is unloaded
 * @ops: its programs; not called any more afterwards
 *
 * Context: process, may sleep.
 */
void parley_ops_unregister(struct parley_policy_ops *ops)
{
	struct parley_policy *policy;

	mutex_lock(&parley_policies_lock);
	policy = parley_ops_find_ops(ops);
	if (policy) {
		list_del(&policy->node);
		policy->link = NULL;
		RCU_INIT_POINTER(policy->ops, NULL);
	}
	mutex_unlock(&parley_policies_lock);
	if (WARN_ON_ONCE(!policy))
		return;
	synchronize_rcu();
	parley_ops_put(policy); /* hold in parley_ops_register() */
}

/**
 * parley_ops_update - other programs for a policy
 * @ops: they
 * @old: those that it has
 *
 * Context: process, may sleep.
 * Return: 0, -EINVAL where the two have different names, -ENOENT.
 */
int parley_ops_update(struct parley_policy_ops *ops,
		      struct parley_policy_ops *old)
{
	struct parley_policy *policy;
	int err = 0;

	mutex_lock(&parley_policies_lock);
	policy = parley_ops_find_ops(old);
	if (!policy) {
		err = -ENOENT;
	} else if (strcmp(policy->name, ops->name)) {
		err = -EINVAL;
	} else {
		policy->flags = ops->flags;
		rcu_assign_pointer(policy->ops, ops);
	}
	mutex_unlock(&parley_policies_lock);
	if (!err)
		synchronize_rcu();
	return err;
}

/**
 * parley_ops_find_link - the policy that a link has loaded
 * @link: any link
 *
 * Context: process, may sleep.
 * Return: its handle, held, or NULL.
 */
struct parley_policy *parley_ops_find_link(const struct bpf_link *link)
{
	struct parley_policy *policy, *found = NULL;

	mutex_lock(&parley_policies_lock);
	list_for_each_entry(policy, &parley_policies, node)
		if (policy->link == link) {
			refcount_inc(&policy->ref);
			found = policy;
			break;
		}
	mutex_unlock(&parley_policies_lock);
	return found;
}

/* Return: a handle, held, or an error as a pointer. */
static struct parley_policy *parley_ops_find_name(const char *name)
{
	struct parley_policy *policy;
	bool free = false;

	mutex_lock(&parley_policies_lock);
	policy = parley_ops_find(name);
	if (policy) {
		refcount_inc(&policy->ref);
		free = policy->flags & PARLEY_POLICY_UNPRIVILEGED;
	}
	mutex_unlock(&parley_policies_lock);
	if (!policy)
		return ERR_PTR(-ENOENT);
	/*
	 * What a policy counts, it counts for all who use it: the owner of a
	 * namespace could spend what is meant for others.
	 */
	if (!free && !capable(CAP_NET_ADMIN)) {
		parley_ops_put(policy);
		return ERR_PTR(-EPERM);
	}
	return policy;
}

/**
 * parley_ops_install - a listener gets a policy
 * @sk: the socket
 * @policy: a handle, or NULL; its reference is taken over with success
 * @link: to keep with it, or NULL; likewise
 *
 * Context: process, may sleep.
 * Return: 0, -EINVAL where the socket does not listen and never will, -ENOMEM.
 */
int parley_ops_install(struct sock *sk, struct parley_policy *policy,
		       struct bpf_link *link)
{
	struct parley_sock *psk = parley_sk(sk);
	struct parley_conf *conf = NULL;
	int err = -EINVAL;

	lock_sock(sk);
	if (parley_may_listen(psk)) {
		conf = parley_conf_of(psk);
		err = conf ? 0 : -ENOMEM;
	}
	if (!err) {
		policy = rcu_replace_pointer(conf->policy, policy,
					     lockdep_sock_is_held(sk));
		swap(conf->link, link);
	}
	release_sock(sk);
	if (!err) {
		parley_ops_put(policy);
		parley_ops_unlink(link);
	}
	return err;
}

/**
 * parley_ops_release - a socket is closed
 * @psk: any socket
 *
 * Its settings may live on with connections that it accepted; the link must
 * not, or a policy could not be loaded again until the last of them is closed.
 *
 * Context: process, under lock_sock().
 */
void parley_ops_release(struct parley_sock *psk)
{
	struct bpf_link *link = NULL;

	sock_owned_by_me(&psk->sk);
	if (psk->conf)
		swap(psk->conf->link, link);
	parley_ops_unlink(link);
}

/**
 * parley_ops_choose - set PARLEY_POLICY
 * @sk: the socket
 * @val: the name
 * @len: its length in bytes, with or without a final zero byte
 *
 * Context: process, may sleep.
 * Return: 0, -ENOPROTOOPT, -EMSGSIZE, -EFAULT, -ENOENT, -EPERM, -EINVAL,
 * -ENOMEM.
 */
int parley_ops_choose(struct sock *sk, sockptr_t val, unsigned int len)
{
	char name[PARLEY_POLICY_NAME_MAX + 1] = { };
	struct parley_policy *policy = NULL;
	int err;

	if (!parley_ops_usable)
		return -ENOPROTOOPT;
	if (len > PARLEY_POLICY_NAME_MAX)
		return -EMSGSIZE;
	if (copy_from_sockptr(name, val, len))
		return -EFAULT;
	if (strlen(name) == PARLEY_POLICY_NAME_MAX)
		return -EMSGSIZE;
	/* What begins with a zero byte by mistake is not "none". */
	if (memchr_inv(name + strlen(name), 0, sizeof(name) - strlen(name)))
		return -EINVAL;
	if (*name)
		policy = parley_ops_find_name(name);
	if (IS_ERR(policy))
		return PTR_ERR(policy);
	err = parley_ops_install(sk, policy, NULL);
	if (err)
		parley_ops_put(policy);
	return err;
}

/**
 * parley_ops_name - get PARLEY_POLICY
 * @psk: a socket that listens or will
 * @name: PARLEY_POLICY_NAME_MAX bytes; the name, or an empty one
 *
 * Context: process, under lock_sock().
 * Return: 0, -ENOPROTOOPT, -EINVAL.
 */
int parley_ops_name(struct parley_sock *psk, char *name)
{
	const struct parley_policy *policy = NULL;
	struct sock *sk = &psk->sk;

	if (!parley_ops_usable)
		return -ENOPROTOOPT;
	if (!parley_may_listen(psk))
		return -EINVAL;
	if (psk->conf)
		policy = rcu_dereference_protected(psk->conf->policy,
						   lockdep_sock_is_held(sk));
	strscpy_pad(name, policy ? policy->name : "", PARLEY_POLICY_NAME_MAX);
	return 0;
}

/**
 * parley_ops_show - /proc/net/parley_policies
 * @seq: where it goes
 *
 * Context: process, may sleep.
 */
void parley_ops_show(struct seq_file *seq)
{
	const struct parley_policy *policy;

	seq_puts(seq, "name flags by\n");
	mutex_lock(&parley_policies_lock);
	list_for_each_entry(policy, &parley_policies, node)
		seq_printf(seq, "%s 0x%x %s\n", policy->name, policy->flags,
			   policy->link ? "link" : "map");
	mutex_unlock(&parley_policies_lock);
}

static struct parley_policy *parley_ops_get(struct parley_conf *conf)
{
	struct parley_policy *policy;

	/* One that has just been replaced is not there: its successor is. */
	rcu_read_lock();
	do {
		policy = rcu_dereference(conf->policy);
	} while (policy && !refcount_inc_not_zero(&policy->ref));
	rcu_read_unlock();
	return policy;
}

/* Every member is written: what is between them programs cannot read. */
static void parley_policy_run_init(struct parley_policy_run *run,
				   const struct parley_listener *l,
				   const struct parley_call *call, bool claimed)
{
	struct parley_request *r = &run->request;

	run->call = call;
	run->ruling = NULL;
	r->id = call->id;
	r->listener = l->id;
	r->cgroup_id = call->cgroup_id;
	r->netns_cookie = call->netns_cookie;
	r->group = call->terms ? call->terms->group : 0;
	r->age_ns = ktime_get_ns() - call->since;
	r->flags = parley_call_flags(call);
	r->uid = from_kuid_munged(&init_user_ns, call->cred->euid);
	r->gid = from_kgid_munged(&init_user_ns, call->cred->egid);
	r->pid = pid_nr(call->pid);
	r->data_len = parley_blob_len(parley_terms_data(call->terms));
	r->label_len = call->label.len;
	r->backlog = READ_ONCE(l->charged);
	r->backlog_limit = READ_ONCE(l->limit);
	r->caller_port = ntohs(call->from.port);
	r->callee_port = ntohs(call->to.port);
	memcpy(r->caller, &call->from.ip, sizeof(r->caller));
	memcpy(r->callee, &call->to.ip, sizeof(r->callee));
	r->claimed = claimed;
	r->qos = *parley_terms_qos(call->terms);
	r->sealed = NULL;
}

static void parley_ops_say(int said, struct parley_ruling *ruling)
{
	bool fault = said != PARLEY_ACCEPT && said != PARLEY_REFUSE &&
		     said != PARLEY_DEFER;

	ruling->by = PARLEY_BY_POLICY;
	ruling->verdict = said;
	ruling->reason = PARLEY_REASON_POLICY;
	if (fault) {
		ruling->verdict = PARLEY_REFUSE;
		ruling->reason = PARLEY_REASON_POLICY_FAULT;
	}
	if (ruling->verdict != PARLEY_REFUSE || fault) {
		ruling->code = 0;
		ruling->retry_after_ms = 0;
	}
	/* No verdict yet, or none at all: another stage's has its own reply. */
	if (ruling->verdict == PARLEY_DEFER || fault) {
		parley_blob_put(ruling->reply);
		ruling->reply = NULL;
	}
}

/**
 * parley_ops_judge - ask the listener's struct_ops policy about a call
 * @l: the listener
 * @call: a call that the current context holds
 * @ruling: filled if there is a policy
 *
 * Context: process, may sleep, not under a lock of ours.
 */
void parley_ops_judge(struct parley_listener *l, struct parley_call *call,
		      struct parley_ruling *ruling)
{
	struct parley_policy *policy = parley_ops_get(l->conf);
	const struct parley_policy_ops *ops;
	struct parley_policy_run run;
	int said = -ENOLINK;

	if (!policy)
		return;
	parley_policy_run_init(&run, l, call, false);
	run.ruling = ruling;
	rcu_read_lock();
	ops = rcu_dereference(policy->ops);
	if (ops)
		said = ops->condition(&run.request);
	rcu_read_unlock();
	parley_ops_say(said, ruling);
	if (ruling->verdict == PARLEY_ACCEPT)
		ruling->policy = policy; /* put when it has been told */
	else
		parley_ops_put(policy);
}

enum parley_ops_event {
	PARLEY_OPS_ESTABLISHED,
	PARLEY_OPS_CLOSED,
	PARLEY_OPS_DROPPED,
};

static void parley_ops_tell(const struct parley_policy *policy,
			    enum parley_ops_event event,
			    struct parley_listener *l,
			    const struct parley_call *call, bool claimed)
{
	void (*tell)(struct parley_request *call) = NULL;
	const struct parley_policy_ops *ops;
	struct parley_policy_run run;

	rcu_read_lock();
	ops = rcu_dereference(policy->ops);
	if (ops && event == PARLEY_OPS_ESTABLISHED)
		tell = ops->established;
	else if (ops && event == PARLEY_OPS_CLOSED)
		tell = ops->closed;
	else if (ops)
		tell = ops->dropped;
	if (tell) {
		parley_policy_run_init(&run, l, call, claimed);
		tell(&run.request);
	}
	rcu_read_unlock();
}

/**
 * parley_ops_established - a call has become a connection
 * @l: the listener
 * @call: the call; nobody else knows the accepted socket yet
 *
 * Context: process, no locks of ours.
 */
void parley_ops_established(struct parley_listener *l,
			    struct parley_call *call)
{
	struct parley_policy *policy = call->policy;
	bool claimed;

	/* One that has been unloaded is not to be told any more. */
	if (policy && !rcu_access_pointer(policy->ops)) {
		call->policy = NULL;
		parley_ops_put(policy); /* hold in parley_ops_get() */
		policy = NULL;
	}
	claimed = policy;
	/* Decided by others: then the listener's policy of now is told. */
	if (!policy) {
		policy = parley_ops_get(l->conf);
		call->policy = policy; /* put in parley_ops_closed() */
	}
	if (policy)
		parley_ops_tell(policy, PARLEY_OPS_ESTABLISHED, l, call,
				claimed);
}

/**
 * parley_ops_closed - an accepted socket is closed
 * @psk: the socket
 *
 * Context: process, no locks of ours.
 */
void parley_ops_closed(struct parley_sock *psk)
{
	/* An accepted socket's call does not change. */
	struct parley_call *call = rcu_dereference_protected(psk->call, 1);
	struct parley_policy *policy = xchg(&call->policy, NULL);

	if (!policy)
		return;
	parley_ops_tell(policy, PARLEY_OPS_CLOSED, call->listener, call,
			false);
	parley_ops_put(policy); /* hold in parley_ops_get() */
}

/* See parley_ops_dropped(). */
void __parley_ops_dropped(struct parley_listener *l, struct parley_call *call,
			  struct parley_policy **policy)
{
	struct parley_policy *claim = xchg(policy, NULL);

	if (!claim)
		return;
	parley_ops_tell(claim, PARLEY_OPS_DROPPED, l, call, true);
	parley_ops_put(claim); /* hold in parley_ops_get() */
}
