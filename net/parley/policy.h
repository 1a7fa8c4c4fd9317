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

struct bpf_link;
struct group_info;
struct in6_addr;
struct parley_call;
struct parley_listener;
struct parley_policy;
struct parley_rule_table;
struct parley_sock;
struct net;
struct seq_file;
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

struct parley_blob *__parley_blob_new(sockptr_t from, u32 len, gfp_t gfp);
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
 * @uid: the caller's effective user in @ns, or all ones
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
	uid_t uid;
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
 * @reason: enum parley_reason, with PARLEY_REFUSE
 * @rule: which rule, or PARLEY_RULE_NONE
 * @code: for the caller
 * @retry_after_ms: for the caller
 * @reply: reply data or NULL. Holds a reference
 * @granted: a struct parley_qos that is no more than was asked, or NULL for
 *	all of that. Holds a reference
 * @policy: the struct_ops policy that accepted the call and is to be told what
 *	became of it, or NULL. Holds a reference
 */
struct parley_ruling {
	u8 verdict;
	u8 by;
	u8 reason;
	u32 rule;
	u32 code;
	u32 retry_after_ms;
	struct parley_blob *reply;
	struct parley_blob *granted;
	struct parley_policy *policy;
};

/**
 * struct parley_conf - how a socket listens, or will
 * @ref: the socket's and its listener's
 * @stage: PARLEY_STAGE. Written under lock_sock()
 * @inherit: PARLEY_INHERIT. Written under lock_sock()
 * @share: PARLEY_FAIR_SHARE. Written under lock_sock()
 * @lock: of @defer and @capacity; taken under listener->lock
 * @defer: PARLEY_DEFER_TIMEOUT
 * @capacity: PARLEY_CAPACITY, and what of it is promised
 * @reply: PARLEY_REPLY_DATA or NULL. lock_sock()
 * @rules: the table or NULL; written under lock_sock(), read under RCU
 * @policy: the struct_ops policy or NULL; likewise. Holds a reference
 * @link: the link that it was chosen by, or NULL. lock_sock(). Holds a
 *	reference
 */
struct parley_conf {
	refcount_t ref;
	u8 stage;
	u8 inherit;
	u8 share;
	spinlock_t lock; /* defer, capacity */
	struct parley_defer_timeout defer;
	struct parley_capacity capacity;
	struct parley_blob *reply;
	struct parley_rule_table __rcu *rules;
	struct parley_policy __rcu *policy;
	struct bpf_link *link;
};

void parley_conf_init(struct parley_conf *conf, const struct net *net);
struct parley_conf *parley_conf_of(struct parley_sock *psk);
struct parley_conf *parley_conf_get(struct parley_conf *conf);
void parley_conf_put(struct parley_conf *conf);
bool parley_policy_there(struct parley_listener *l,
			 const struct parley_call *call);
int parley_policy_judge(struct parley_listener *l, struct parley_call *call,
			struct parley_ruling *ruling);
void parley_ruling_drop(struct parley_ruling *ruling);
void parley_policy_drop(struct parley_listener *l, struct parley_call *call,
			struct parley_ruling *ruling);

/* policy_filter.c: classic and eBPF socket filters */
bool parley_filter_there(struct parley_listener *l);
int parley_filter_judge(struct parley_listener *l,
			const struct parley_call *call,
			struct parley_ruling *ruling);
void parley_filter_forget(struct sock *sk);
void parley_filter_exit(struct parley_listener *l);

/* policy_ops.c: struct_ops policies, by name and by link */

/**
 * struct parley_request - a call, as policies see it: read only
 * @id: unique in the caller's network namespace; 0 on arrival
 * @listener: a number that no other listener has, or had
 * @cgroup_id: the caller's cgroup in the unified hierarchy
 * @netns_cookie: the caller's network namespace, as SO_NETNS_COOKIE
 * @group: the caller's PARLEY_GROUP
 * @age_ns: nanoseconds since the call was made
 * @flags: PARLEY_INFO_*
 * @uid: the caller's effective user id in the initial user namespace
 * @gid: likewise, the effective group id
 * @pid: the caller's process in the initial pid namespace
 * @data_len: bytes of call data
 * @label_len: bytes of security label
 * @backlog: how many calls wait at the listener
 * @backlog_limit: how many may
 * @caller_port: in host byte order
 * @callee_port: in host byte order
 * @caller: IPv4 as ::ffff:a.b.c.d
 * @callee: likewise
 * @claimed: condition() has accepted it, and nothing became of that yet
 * @qos: what the caller asks for
 * @sealed: NULL. A struct that is nothing but numbers the verifier would take
 *	from anywhere: any memory of its size. With a pointer in it, only what
 *	a program was given passes for one, and so parley_run_of() may rely on
 *	what is behind it
 *
 * Part of what tools/bpf/parley.bpf.h promises: members are found by name, so
 * they may move and be added, but keep their names and kinds.
 */
struct parley_request {
	u64 id;
	u64 listener;
	u64 cgroup_id;
	u64 netns_cookie;
	u64 group;
	u64 age_ns;
	u32 flags;
	u32 uid;
	u32 gid;
	u32 pid;
	u32 data_len;
	u32 label_len;
	u32 backlog;
	u32 backlog_limit;
	u16 caller_port;
	u16 callee_port;
	u8 caller[16];
	u8 callee[16];
	u8 claimed;
	struct parley_qos qos;
	void *sealed;
};

/**
 * struct parley_policy_ops - what a struct_ops policy consists of
 * @condition: judge a call. Return: enum parley_verdict. Must be there
 * @established: the call is a connection now; its caller does not see it yet.
 *	Once for each whose call @condition had accepted, and for those that
 *	others accepted, of listeners that have the policy
 * @closed: the accepted socket is being closed; its peer does not see it yet.
 *	Once for each @established
 * @dropped: a call that @condition accepted did not become a connection, or
 *	is about to be judged again. Once for each such
 * @name: for PARLEY_POLICY; unique among those that are loaded
 * @flags: PARLEY_POLICY_UNPRIVILEGED
 *
 * Context: under rcu_read_lock(), no other lock of ours but a caller's
 * lock_sock(). All but @dropped, which may be called in softirq, in process
 * context. Any number of calls at a time.
 */
struct parley_policy_ops {
	int (*condition)(struct parley_request *call);
	void (*established)(struct parley_request *call);
	void (*closed)(struct parley_request *call);
	void (*dropped)(struct parley_request *call);
	char name[PARLEY_POLICY_NAME_MAX];
	u32 flags;
};

/**
 * struct parley_policy_run - while a policy runs
 * @request: what it is given; its programs know no more than this
 * @call: the call
 * @ruling: where kfuncs put what it says, or NULL where it has no say
 */
struct parley_policy_run {
	struct parley_request request;
	const struct parley_call *call;
	struct parley_ruling *ruling;
};

extern bool parley_ops_usable;

int parley_ops_register(struct parley_policy_ops *ops, struct bpf_link *link);
void parley_ops_unregister(struct parley_policy_ops *ops);
int parley_ops_update(struct parley_policy_ops *ops,
		      struct parley_policy_ops *old);
struct parley_policy *parley_ops_find_link(const struct bpf_link *link);
void parley_ops_put(struct parley_policy *policy);
void parley_ops_release(struct parley_sock *psk);
int parley_ops_install(struct sock *sk, struct parley_policy *policy,
		       struct bpf_link *link);
int parley_ops_choose(struct sock *sk, sockptr_t val, unsigned int len);
int parley_ops_name(struct parley_sock *psk, char *name);
void parley_ops_show(struct seq_file *seq);
void parley_ops_judge(struct parley_listener *l, struct parley_call *call,
		      struct parley_ruling *ruling);
void parley_ops_established(struct parley_listener *l,
			    struct parley_call *call);
void parley_ops_closed(struct parley_sock *psk);
void __parley_ops_dropped(struct parley_listener *l, struct parley_call *call,
			  struct parley_policy **policy);

/**
 * parley_ops_dropped - what a policy has accepted came to nothing
 * @l: the listener
 * @call: a call that the current context holds
 * @policy: where it is noted that there is one to be told, or that not
 *
 * Context: any, no locks of ours but a caller's lock_sock().
 */
static inline void parley_ops_dropped(struct parley_listener *l,
				      struct parley_call *call,
				      struct parley_policy **policy)
{
	if (unlikely(READ_ONCE(*policy)))
		__parley_ops_dropped(l, call, policy);
}

/* policy_bpf.c: how they come from BPF, where modules may have such */
#ifdef PARLEY_HAVE_STRUCT_OPS
int __init parley_bpf_init(void);
int parley_ops_choose_link(struct sock *sk, int fd);
void parley_ops_unlink(struct bpf_link *link);

/* What the programs of a policy may call. */
u32 bpf_parley_call_data(struct parley_request *call, u32 offset, void *to,
			 u32 to__sz);
u32 bpf_parley_label(struct parley_request *call, void *to, u32 to__sz);
bool bpf_parley_in_group(struct parley_request *call, u32 gid);
int bpf_parley_set_refusal(struct parley_request *call, u32 code,
			   u32 retry_after_ms);
int bpf_parley_set_reply(struct parley_request *call, const void *data,
			 u32 data__sz);
int bpf_parley_set_qos(struct parley_request *call,
		       const struct parley_qos *grant);
#else
static inline int parley_bpf_init(void)
{
	return -EOPNOTSUPP;
}

static inline int parley_ops_choose_link(struct sock *sk, int fd)
{
	return -ENOPROTOOPT;
}

static inline void parley_ops_unlink(struct bpf_link *link)
{
}
#endif

/* policy_rules.c: tables of rules */
void parley_rules_judge(struct parley_conf *conf,
			const struct parley_call *call,
			struct parley_ruling *ruling);
void parley_rules_put(struct parley_rule_table *table);
int parley_rules_set(struct sock *sk, void __user *arg);
int parley_rules_get(struct sock *sk, void __user *arg);

#endif /* _NET_PARLEY_POLICY_H */
