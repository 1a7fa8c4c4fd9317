// SPDX-License-Identifier: GPL-2.0
/*
 * A listener's policy: its settings, and the stages that the kernel asks
 * about a call: rules, filter, struct_ops policy. All that are attached are
 * asked, so that each sees all calls, and the strictest verdict counts. A
 * policy never runs under a lock; the call is pinned by who asks, and its
 * caller may withdraw it meanwhile.
 */
#include <linux/slab.h>

#include "parley.h"

/**
 * parley_conf_init - the settings of a socket that nobody has set anything of
 * @conf: filled
 * @net: its namespace
 *
 * Context: process.
 */
void parley_conf_init(struct parley_conf *conf, const struct net *net)
{
	memset(conf, 0, sizeof(*conf));
	refcount_set(&conf->ref, 1);
	spin_lock_init(&conf->lock);
	conf->stage = PARLEY_STAGE_ACCEPT;
	conf->defer.verdict = PARLEY_REFUSE;
	conf->capacity.send = PARLEY_CAPACITY_UNLIMITED;
	conf->capacity.recv = PARLEY_CAPACITY_UNLIMITED;
	conf->defer.timeout_ms = READ_ONCE(parley_net(net)->defer_timeout_ms);
}

/**
 * parley_conf_of - the settings of a socket that listens, or will
 * @psk: the socket
 *
 * Context: process, under lock_sock(), may sleep.
 * Return: the settings, made if there were none, or NULL without memory.
 */
struct parley_conf *parley_conf_of(struct parley_sock *psk)
{
	struct parley_conf *conf = psk->conf;

	sock_owned_by_me(&psk->sk);

	if (conf)
		return conf;
	conf = kmalloc(sizeof(*conf), GFP_KERNEL_ACCOUNT);
	if (!conf)
		return NULL;
	/* The reference is put in parley_sock_destruct(). */
	parley_conf_init(conf, sock_net(&psk->sk));
	psk->conf = conf;
	return conf;
}

/**
 * parley_conf_get - hold settings
 * @conf: they
 *
 * Context: any.
 * Return: @conf.
 */
struct parley_conf *parley_conf_get(struct parley_conf *conf)
{
	refcount_inc(&conf->ref);
	return conf;
}

/**
 * parley_conf_put - let go of settings
 * @conf: they, or NULL; nobody reads them under RCU any more when the last
 *	reference goes
 *
 * Context: process or softirq, no spinlocks.
 */
void parley_conf_put(struct parley_conf *conf)
{
	if (!conf || !refcount_dec_and_test(&conf->ref))
		return;
	parley_blob_put(conf->reply);
	parley_rules_put(rcu_dereference_protected(conf->rules, 1));
	parley_ops_put(rcu_dereference_protected(conf->policy, 1));
	parley_ops_unlink(conf->link);
	kfree(conf);
}

/**
 * parley_ruling_drop - a ruling that is not needed any more
 * @ruling: its references are put; there is no @policy
 *
 * Context: as parley_blob_put().
 */
void parley_ruling_drop(struct parley_ruling *ruling)
{
	DEBUG_NET_WARN_ON_ONCE(ruling->policy);
	parley_blob_put(ruling->reply);
	parley_blob_put(ruling->granted);
	ruling->reply = NULL;
	ruling->granted = NULL;
}

/**
 * parley_policy_drop - what parley_policy_judge() said is not needed any more
 * @l: the listener
 * @call: the call it is about
 * @ruling: what is left of it; the struct_ops policy is told
 *
 * Context: as parley_policy_judge().
 */
void parley_policy_drop(struct parley_listener *l, struct parley_call *call,
			struct parley_ruling *ruling)
{
	parley_ops_dropped(l, call, &ruling->policy);
	parley_ruling_drop(ruling);
}

/* The stricter, the higher. */
static u8 parley_policy_rank(u8 verdict)
{
	static const u8 rank[] = {
		[PARLEY_ACCEPT]	= 0,
		[PARLEY_DEFER]	= 1,
		[PARLEY_REFUSE]	= 2,
	};

	return rank[verdict];
}

/* Cuts @qos down to @most. Return: 0 or -ENOMEM. */
static int parley_policy_cut(struct parley_blob **qos,
			     const struct parley_qos *most)
{
	struct parley_blob *cut;
	struct parley_qos new;

	memcpy(&new, (*qos)->data, sizeof(new));
	if (parley_qos_within(&new, most))
		return 0;
	parley_qos_clamp(&new, most);
	cut = parley_blob_new(KERNEL_SOCKPTR(&new), sizeof(new));
	if (IS_ERR(cut))
		return PTR_ERR(cut);
	parley_blob_put(*qos);
	*qos = cut;
	return 0;
}

/* What several stages grant is the least of it. Return: 0 or -ENOMEM. */
static int parley_policy_grant(struct parley_ruling *sum,
			       struct parley_ruling *stage)
{
	if (!stage->granted)
		return 0;
	if (sum->granted)
		return parley_policy_cut(&sum->granted,
					 (const void *)stage->granted->data);
	swap(sum->granted, stage->granted);
	return 0;
}

/*
 * The strictest verdict counts, with all that the first stage to say so said;
 * a later one that agrees may add a reply. What @stage has afterwards is to be
 * dropped. Return: 0 or -ENOMEM.
 */
static int parley_policy_merge(struct parley_ruling *sum,
			       struct parley_ruling *stage)
{
	u8 rank = parley_policy_rank(stage->verdict);
	u8 most = parley_policy_rank(sum->verdict);
	int err = parley_policy_grant(sum, stage);

	if (err)
		return err;
	if (rank > most) {
		swap(sum->granted, stage->granted);
		swap(*sum, *stage);
	} else if (rank == most && !sum->reply) {
		swap(sum->reply, stage->reply);
	}
	return 0;
}

/* The stages, in the order of being asked. */
enum {
	PARLEY_ASK_RULES,
	PARLEY_ASK_FILTER,
	PARLEY_ASK_OPS,
	PARLEY_ASKS
};

static bool parley_policy_has(struct parley_listener *l, unsigned int stage)
{
	switch (stage) {
	case PARLEY_ASK_RULES:
		return rcu_access_pointer(l->conf->rules);
	case PARLEY_ASK_FILTER:
		return parley_filter_there(l);
	default:
		return rcu_access_pointer(l->conf->policy);
	}
}

/* Return: 0 or -ENOMEM. */
static int parley_policy_ask(struct parley_listener *l,
			     struct parley_call *call, unsigned int stage,
			     struct parley_ruling *ruling)
{
	switch (stage) {
	case PARLEY_ASK_RULES:
		parley_rules_judge(l->conf, call, ruling);
		return 0;
	case PARLEY_ASK_FILTER:
		return parley_filter_judge(l, call, ruling);
	default:
		parley_ops_judge(l, call, ruling);
		return 0;
	}
}

static const struct parley_ruling parley_ruling_none = {
	.verdict	= PARLEY_ACCEPT,
	.by		= PARLEY_BY_ACCEPT,
	.rule		= PARLEY_RULE_NONE,
};

/* One stage after the other. Return: 0 or -ENOMEM. */
static int parley_policy_collect(struct parley_listener *l,
				 struct parley_call *call,
				 struct parley_ruling *sum,
				 struct parley_policy **policy)
{
	struct parley_ruling ruling, *one;
	unsigned int i;
	int err = 0;

	for (i = 0; i < PARLEY_ASKS && !err; i++) {
		if (!parley_policy_has(l, i))
			continue;
		/* Most listeners have one only: its word is all. */
		one = sum->by == PARLEY_BY_ACCEPT ? sum : &ruling;
		*one = parley_ruling_none;
		err = parley_policy_ask(l, call, i, one);
		swap(*policy, one->policy); /* the last one has it */
		if (one == sum)
			continue;
		/* It may have gone meanwhile. */
		if (!err && one->by != PARLEY_BY_ACCEPT)
			err = parley_policy_merge(sum, one);
		parley_ruling_drop(one);
	}
	return err;
}

/**
 * parley_policy_there - whether parley_policy_judge() would have to ask anybody
 * @l: the listener
 * @call: a call that the current context has taken from the backlog
 *
 * Context: any.
 * Return: false where there is no stage, and none has said anything before.
 */
bool parley_policy_there(struct parley_listener *l,
			 const struct parley_call *call)
{
	unsigned int i;

	if (call->ruling.by)
		return true;
	for (i = 0; i < PARLEY_ASKS; i++)
		if (parley_policy_has(l, i))
			return true;
	return false;
}

/**
 * parley_policy_judge - ask the kernel's stages about a call
 * @l: the listener
 * @call: a call that the current context holds
 * @ruling: filled; to be given to the backlog, or to parley_policy_drop()
 *
 * Context: process, may sleep, no locks of ours but the caller's
 * lock_sock().
 * Return: 0, or -ENOMEM and no ruling.
 */
int parley_policy_judge(struct parley_listener *l, struct parley_call *call,
			struct parley_ruling *ruling)
{
	struct parley_policy *policy = NULL;
	int err;

	/* Judged once more: what was said before does not hold any more. */
	parley_ops_dropped(l, call, &call->policy);

	*ruling = parley_ruling_none;
	err = parley_policy_collect(l, call, ruling, &policy);
	if (!err && ruling->granted)
		err = parley_policy_cut(&ruling->granted,
					parley_terms_qos(call->terms));
	if (!err && ruling->verdict == PARLEY_ACCEPT)
		swap(ruling->policy, policy);
	parley_ops_dropped(l, call, &policy);
	if (err)
		parley_ruling_drop(ruling);
	return err;
}
