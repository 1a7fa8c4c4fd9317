/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What goes with a call and comes back with its verdict, and how a listener's
 * policy comes to that verdict. Part of parley.h, which includes it.
 */
#ifndef _NET_PARLEY_POLICY_H
#define _NET_PARLEY_POLICY_H

#include <linux/refcount.h>
#include <linux/sockptr.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>

#include <linux/parley.h>

struct group_info;
struct in6_addr;
struct parley_call;
struct parley_listener;
struct parley_rule_table;
struct parley_sock;
struct net;
struct sock;
struct user_namespace;

/* qos.c: quality of service as numbers. Pure. */

extern const struct parley_qos parley_qos_none;

bool parley_qos_valid(const struct parley_qos *qos);
bool parley_qos_within(const struct parley_qos *grant,
		       const struct parley_qos *asked);
void parley_qos_clamp(struct parley_qos *grant, const struct parley_qos *asked);

/* terms.c: bytes that several objects share, and what a caller says */

/* The most that net.parley.max_call_data can be. */
#define PARLEY_DATA_MAX	65536

/**
 * struct parley_blob - bytes that do not change
 * @ref: references
 * @len: how many bytes
 * @data: they
 */
struct parley_blob {
	refcount_t ref;
	u32 len;
	u8 data[] __aligned(8);
};

/**
 * struct parley_terms - what a caller says about its call
 * @ref: the socket's, and one for each call made with these terms; does not
 *	change while there is more than one
 * @asked: PARLEY_QOS was set to something
 * @qos: it, or parley_qos_none
 * @group: PARLEY_GROUP
 * @data: PARLEY_CALL_DATA, or NULL
 */
struct parley_terms {
	refcount_t ref;
	bool asked;
	struct parley_qos qos;
	u64 group;
	struct parley_blob *data;
};

struct parley_blob *parley_blob_new(sockptr_t from, u32 len);
void parley_blob_put(struct parley_blob *blob);
struct parley_terms *parley_terms_change(struct parley_terms **terms);
struct parley_terms *parley_terms_get(struct parley_terms *terms);
void parley_terms_put(struct parley_terms *terms);

static inline struct parley_blob *parley_blob_get(struct parley_blob *blob)
{
	if (blob)
		refcount_inc(&blob->ref);
	return blob;
}

static inline u32 parley_blob_len(const struct parley_blob *blob)
{
	return blob ? blob->len : 0;
}

static inline const struct parley_qos *
parley_terms_qos(const struct parley_terms *terms)
{
	return terms ? &terms->qos : &parley_qos_none;
}

static inline struct parley_blob *
parley_terms_data(const struct parley_terms *terms)
{
	return terms ? terms->data : NULL;
}

/* rule.c: one rule. Pure. */

/**
 * struct parley_subject - what rules look at
 * @ns: ids in the rules are those of this user namespace
 * @caller: the caller's address
 * @port: the port called, in host byte order
 * @uid: the caller's effective user
 * @gid: the caller's effective group
 * @groups: supplementary groups, or NULL
 * @cgroup_id: the caller's cgroup
 * @group: the caller's PARLEY_GROUP
 * @qos: what the caller asks for
 * @data: call data
 * @data_len: bytes of it
 */
struct parley_subject {
	struct user_namespace *ns;
	const struct in6_addr *caller;
	u16 port;
	kuid_t uid;
	kgid_t gid;
	const struct group_info *groups;
	u64 cgroup_id;
	u64 group;
	const struct parley_qos *qos;
	const u8 *data;
	u32 data_len;
};

bool parley_rule_answer_ok(const struct parley_rule_answer *a, u32 pool_len);
enum parley_rule_field parley_rule_check(const struct parley_rule *r,
					 const u8 *pool, u32 pool_len);
bool parley_rule_matches(const struct parley_rule *r, const u8 *pool,
			 const struct parley_subject *s);
bool parley_bucket_take(atomic64_t *due, const struct parley_rule_rate *rate,
			u64 now);

/* policy.c: the stages of a listener's policy, and its settings */

/**
 * struct parley_ruling - what somebody decided about a call
 * @verdict: enum parley_verdict
 * @by: enum parley_decider
 * @rule: which rule, or PARLEY_RULE_NONE
 * @code: for the caller
 * @retry_after_ms: for the caller
 * @reply: reply data or NULL. Holds a reference
 * @granted: a struct parley_qos that is no more than was asked, or NULL for
 *	all of that. Holds a reference
 */
struct parley_ruling {
	u8 verdict;
	u8 by;
	u32 rule;
	u32 code;
	u32 retry_after_ms;
	struct parley_blob *reply;
	struct parley_blob *granted;
};

/**
 * struct parley_conf - how a socket listens, or will
 * @ref: the socket's and its listener's
 * @stage: PARLEY_STAGE. Written under lock_sock()
 * @inherit: PARLEY_INHERIT. Written under lock_sock()
 * @lock: of @defer; taken under listener->lock
 * @defer: PARLEY_DEFER_TIMEOUT
 * @reply: PARLEY_REPLY_DATA or NULL. lock_sock()
 * @rules: the table or NULL; written under lock_sock(), read under RCU
 */
struct parley_conf {
	refcount_t ref;
	u8 stage;
	u8 inherit;
	spinlock_t lock; /* defer */
	struct parley_defer_timeout defer;
	struct parley_blob *reply;
	struct parley_rule_table __rcu *rules;
};

void parley_conf_init(struct parley_conf *conf, const struct net *net);
struct parley_conf *parley_conf_of(struct parley_sock *psk);
struct parley_conf *parley_conf_get(struct parley_conf *conf);
void parley_conf_put(struct parley_conf *conf);
int parley_policy_judge(struct parley_listener *l, struct parley_call *call,
			struct parley_ruling *ruling);
void parley_ruling_drop(struct parley_ruling *ruling);

/* policy_rules.c: tables of rules */
void parley_rules_judge(struct parley_conf *conf,
			const struct parley_call *call,
			struct parley_ruling *ruling);
void parley_rules_put(struct parley_rule_table *table);
int parley_rules_set(struct sock *sk, void __user *arg);
int parley_rules_get(struct sock *sk, void __user *arg);

#endif /* _NET_PARLEY_POLICY_H */
