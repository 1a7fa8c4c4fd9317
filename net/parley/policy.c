// SPDX-License-Identifier: GPL-2.0
/*
 * A listener's policy: its settings, and the stages that the kernel asks
 * about a call. A policy never runs under a lock; the call is pinned by who
 * asks, and its caller may withdraw it meanwhile.
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
	kfree(conf);
}

/**
 * parley_ruling_drop - a ruling that is not needed any more
 * @ruling: its references are put
 *
 * Context: as parley_blob_put().
 */
void parley_ruling_drop(struct parley_ruling *ruling)
{
	parley_blob_put(ruling->reply);
	parley_blob_put(ruling->granted);
	ruling->reply = NULL;
	ruling->granted = NULL;
}

/* What a policy grants is cut down to what this caller asked for. */
static int parley_policy_grant(const struct parley_call *call,
			       struct parley_ruling *ruling)
{
	const struct parley_qos *asked = parley_terms_qos(call->terms);
	struct parley_blob *cut;
	struct parley_qos qos;

	memcpy(&qos, ruling->granted->data, sizeof(qos));
	if (parley_qos_within(&qos, asked))
		return 0;
	parley_qos_clamp(&qos, asked);
	cut = parley_blob_new(KERNEL_SOCKPTR(&qos), sizeof(qos));
	if (IS_ERR(cut))
		return PTR_ERR(cut);
	parley_blob_put(ruling->granted);
	ruling->granted = cut;
	return 0;
}

/**
 * parley_policy_judge - ask the kernel's stages about a call
 * @l: the listener
 * @call: a call that the current context holds
 * @ruling: filled; to be given to the backlog, or dropped
 *
 * Context: process, may sleep, no locks of ours but the caller's
 * lock_sock().
 * Return: 0, or -ENOMEM and no ruling.
 */
int parley_policy_judge(struct parley_listener *l, struct parley_call *call,
			struct parley_ruling *ruling)
{
	int err = 0;

	*ruling = (struct parley_ruling) {
		.verdict = PARLEY_ACCEPT,
		.by = PARLEY_BY_ACCEPT,
		.rule = PARLEY_RULE_NONE,
	};
	parley_rules_judge(l->conf, call, ruling);
	if (ruling->granted)
		err = parley_policy_grant(call, ruling);
	if (err)
		parley_ruling_drop(ruling);
	return err;
}
