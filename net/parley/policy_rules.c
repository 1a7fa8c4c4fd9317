// SPDX-License-Identifier: GPL-2.0
/*
 * Tables of rules: taken over from user space as a whole, looked up under
 * RCU, read back. What a single rule means is in rule.c.
 */
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include "parley.h"

#define PARLEY_POOL_MAX	(1024 * 1024)

/* So many may be matched, data and all, before others get a chance to run. */
#define PARLEY_RULES_AT_ONCE	32

/**
 * struct parley_rule_reply - what an answer carries
 * @reply: reply data, or NULL
 * @grant: a struct parley_qos, or NULL
 */
struct parley_rule_reply {
	struct parley_blob *reply;
	struct parley_blob *grant;
};

/**
 * struct parley_rule_entry - a rule in its table
 * @rule: as user space gave it; does not change
 * @then: of @rule.then
 * @over: of @rule.over
 * @due: its token bucket
 */
struct parley_rule_entry {
	struct parley_rule rule;
	struct parley_rule_reply then;
	struct parley_rule_reply over;
	atomic64_t due;
};

/**
 * struct parley_rule_table - the rules of a listener
 * @rcu: looked up under RCU
 * @ref: the settings', and one for each call that is just being judged
 * @ns: whose ids the rules have. Holds a reference
 * @otherwise: the default; does not change
 * @reply: of @otherwise
 * @pool: @pool_len bytes
 * @pool_len: does not change
 * @room: bytes that replies may still have, while the table is made
 * @count: how many rules
 * @rules: they
 */
struct parley_rule_table {
	struct rcu_head rcu;
	refcount_t ref;
	struct user_namespace *ns;
	struct parley_rule_answer otherwise;
	struct parley_rule_reply reply;
	u8 *pool;
	u32 pool_len;
	u32 room;
	u32 count;
	struct parley_rule_entry rules[];
};

static void parley_rule_reply_put(struct parley_rule_reply *r)
{
	parley_blob_put(r->reply);
	parley_blob_put(r->grant);
}

/**
 * parley_rules_put - let go of a table
 * @table: the table, or NULL
 *
 * Context: process or softirq, no spinlocks.
 */
void parley_rules_put(struct parley_rule_table *table)
{
	u32 i;

	if (!table || !refcount_dec_and_test(&table->ref))
		return;
	for (i = 0; i < table->count; i++) {
		parley_rule_reply_put(&table->rules[i].then);
		parley_rule_reply_put(&table->rules[i].over);
	}
	parley_rule_reply_put(&table->reply);
	put_user_ns(table->ns);
	kvfree(table->pool);
	/* Who found it under RCU still looks at @ref. */
	kvfree_rcu(table, rcu);
}

static void parley_subject_fill(struct parley_subject *s,
				const struct parley_rule_table *table,
				const struct parley_call *call)
{
	struct parley_blob *data = parley_terms_data(call->terms);

	s->ns = table->ns;
	s->caller = &call->from.ip;
	s->port = ntohs(call->to.port);
	s->uid = from_kuid(table->ns, call->cred->euid);
	s->gid = call->cred->egid;
	s->groups = call->cred->group_info;
	s->cgroup_id = call->cgroup_id;
	s->group = call->terms ? call->terms->group : 0;
	s->qos = parley_terms_qos(call->terms);
	s->data = data ? data->data : NULL;
	s->data_len = parley_blob_len(data);
}

static void parley_rule_say(const struct parley_rule_answer *answer,
			    const struct parley_rule_reply *reply, u32 rule,
			    struct parley_ruling *ruling)
{
	ruling->verdict = answer->verdict;
	ruling->by = PARLEY_BY_RULE;
	ruling->reason = PARLEY_REASON_RULE;
	ruling->rule = rule;
	ruling->code = answer->code;
	ruling->retry_after_ms = answer->retry_after_ms;
	/* Put with the ruling. */
	ruling->reply = parley_blob_get(reply->reply);
	ruling->granted = parley_blob_get(reply->grant);
}

static void parley_rules_ask(struct parley_rule_table *table,
			     const struct parley_call *call,
			     struct parley_ruling *ruling)
{
	struct parley_subject subject;
	u32 i;

	parley_subject_fill(&subject, table, call);
	for (i = 0; i < table->count; i++) {
		struct parley_rule_entry *e = &table->rules[i];
		const struct parley_rule *r = &e->rule;

		if (i % PARLEY_RULES_AT_ONCE == PARLEY_RULES_AT_ONCE - 1)
			cond_resched();
		if (!parley_rule_matches(r, table->pool, &subject))
			continue;
		if (r->flags & PARLEY_RULE_RATE &&
		    !parley_bucket_take(&e->due, &r->rate, ktime_get_ns()))
			parley_rule_say(&r->over, &e->over, i, ruling);
		else
			parley_rule_say(&r->then, &e->then, i, ruling);
		return;
	}
	parley_rule_say(&table->otherwise, &table->reply, PARLEY_RULE_NONE,
			ruling);
}

/**
 * parley_rules_judge - ask the rules about a call
 * @conf: the listener's settings
 * @call: a call that the current context holds
 * @ruling: filled if there are rules
 *
 * Context: process, may sleep, not under a lock of ours.
 */
void parley_rules_judge(struct parley_conf *conf,
			const struct parley_call *call,
			struct parley_ruling *ruling)
{
	struct parley_rule_table *table;

	/*
	 * The call is judged by this one, whatever replaces it meanwhile. One
	 * that has just been replaced is not there: its successor is.
	 */
	rcu_read_lock();
	do {
		table = rcu_dereference(conf->rules);
	} while (table && !refcount_inc_not_zero(&table->ref));
	rcu_read_unlock();
	if (!table)
		return;
	parley_rules_ask(table, call, ruling);
	parley_rules_put(table);
}

static bool parley_rule_reply_same(const struct parley_rule_answer *a,
				   const struct parley_rule_answer *b)
{
	return a->reply == b->reply && a->reply_len == b->reply_len;
}

/* The reply of an earlier answer with the same bytes of the pool, or NULL. */
static struct parley_blob *
parley_rule_reply_find(const struct parley_rule_table *table,
		       const struct parley_rule_answer *answer)
{
	const struct parley_rule_entry *e;

	for (e = table->rules; e < table->rules + table->count; e++) {
		if (e->then.reply &&
		    parley_rule_reply_same(&e->rule.then, answer))
			return e->then.reply;
		if (e->over.reply &&
		    parley_rule_reply_same(&e->rule.over, answer))
			return e->over.reply;
	}
	return NULL;
}

/*
 * The reply data of an answer. Replies may share bytes of the pool, but have
 * copies of their own, so that they outlive the table: without a limit to all
 * of them a table could take a hundred times as much memory as its pool.
 * Return: the bytes, held, or -EMSGSIZE or -ENOMEM as a pointer.
 */
static struct parley_blob *
parley_rule_reply_bytes(struct parley_rule_table *table,
			const struct parley_rule_answer *answer)
{
	struct parley_blob *blob;

	blob = parley_blob_get(parley_rule_reply_find(table, answer));
	if (blob)
		return blob;
	if (answer->reply_len > table->room)
		return ERR_PTR(-EMSGSIZE);
	table->room -= answer->reply_len;
	return parley_blob_new(KERNEL_SOCKPTR(table->pool + answer->reply),
			       answer->reply_len);
}

/* Makes what an answer carries. Return: 0, -EMSGSIZE or -ENOMEM. */
static int parley_rule_reply_make(struct parley_rule_reply *to,
				  const struct parley_rule_answer *answer,
				  struct parley_rule_table *table)
{
	struct parley_blob *blob;

	if (answer->reply_len) {
		blob = parley_rule_reply_bytes(table, answer);
		if (IS_ERR(blob))
			return PTR_ERR(blob);
		to->reply = blob;
	}
	if (answer->flags & PARLEY_ANSWER_QOS) {
		blob = parley_blob_new(KERNEL_SOCKPTR((void *)&answer->grant),
				       sizeof(answer->grant));
		if (IS_ERR(blob))
			return PTR_ERR(blob);
		to->grant = blob;
	}
	return 0;
}

static int parley_rules_bad(struct parley_rules *arg, u32 rule,
			    enum parley_rule_field field, int err)
{
	arg->bad_rule = rule;
	arg->bad_field = field;
	return err;
}

/* Everything that user space said is looked at before any of it counts. */
static int parley_rules_check(struct parley_rule_table *table,
			      struct parley_rules *arg, u32 max_reply)
{
	enum parley_rule_field field;
	u32 i;

	for (i = 0; i < table->count; i++) {
		const struct parley_rule *r = &table->rules[i].rule;

		cond_resched();
		field = parley_rule_check(r, table->pool, table->pool_len);
		if (field)
			return parley_rules_bad(arg, i, field, -EINVAL);
		if (r->then.reply_len > max_reply)
			return parley_rules_bad(arg, i, PARLEY_FIELD_THEN,
						-EMSGSIZE);
		if (r->over.reply_len > max_reply)
			return parley_rules_bad(arg, i, PARLEY_FIELD_OVER,
						-EMSGSIZE);
	}
	if (!parley_rule_answer_ok(&arg->otherwise, table->pool_len))
		return parley_rules_bad(arg, i, PARLEY_FIELD_THEN, -EINVAL);
	if (arg->otherwise.reply_len > max_reply)
		return parley_rules_bad(arg, i, PARLEY_FIELD_THEN, -EMSGSIZE);
	return 0;
}

static int parley_rules_fill(struct parley_rule_table *table,
			     struct parley_rules *arg)
{
	enum parley_rule_field field;
	struct parley_rule_entry *e;
	int err = 0;
	u32 i;

	table->room = PARLEY_POOL_MAX;
	for (i = 0; i < table->count; i++) {
		e = &table->rules[i];
		cond_resched();
		field = PARLEY_FIELD_THEN;
		err = parley_rule_reply_make(&e->then, &e->rule.then, table);
		if (err)
			break;
		field = PARLEY_FIELD_OVER;
		err = parley_rule_reply_make(&e->over, &e->rule.over, table);
		if (err)
			break;
	}
	if (!err) {
		field = PARLEY_FIELD_THEN;
		err = parley_rule_reply_make(&table->reply, &table->otherwise,
					     table);
	}
	/* Without memory no rule is to blame. */
	return err == -EMSGSIZE ? parley_rules_bad(arg, i, field, err) : err;
}

static int parley_rules_copy(struct parley_rule_table *table,
			     const struct parley_rules *arg)
{
	const void __user *rules = u64_to_user_ptr(arg->rules);
	u32 size = arg->rule_size;
	int err;
	u32 i;

	for (i = 0; i < table->count; i++) {
		struct parley_rule *rule = &table->rules[i].rule;

		cond_resched();
		err = copy_struct_from_user(rule, sizeof(*rule),
					    rules + i * size, size);
		if (err)
			return err;
	}
	if (copy_from_user(table->pool, u64_to_user_ptr(arg->pool),
			   table->pool_len))
		return -EFAULT;
	return 0;
}

static int parley_rules_build(struct parley_rule_table *table,
			      struct parley_rules *arg, u32 max_reply)
{
	int err = parley_rules_copy(table, arg);

	if (!err)
		err = parley_rules_check(table, arg, max_reply);
	if (!err)
		err = parley_rules_fill(table, arg);
	return err;
}

/* Return: the table that @arg describes, or an error as a pointer. */
static struct parley_rule_table *parley_rules_make(struct parley_rules *arg,
						   u32 max_reply)
{
	struct parley_rule_table *table;
	int err;

	table = kvzalloc(struct_size(table, rules, arg->count),
			 GFP_KERNEL_ACCOUNT);
	if (!table)
		return ERR_PTR(-ENOMEM);
	refcount_set(&table->ref, 1); /* put by who replaces it */
	table->ns = get_user_ns(current_user_ns()); /* put in ..._put() */
	table->otherwise = arg->otherwise;
	table->count = arg->count;
	table->pool_len = arg->pool_len;
	err = -ENOMEM;
	table->pool = kvmalloc(arg->pool_len ?: 1, GFP_KERNEL_ACCOUNT);
	if (table->pool)
		err = parley_rules_build(table, arg, max_reply);
	if (err) {
		parley_rules_put(table);
		return ERR_PTR(err);
	}
	return table;
}

/* No rules and a plain yes: the same as no table. */
static bool parley_rules_none(const struct parley_rules *arg)
{
	static const struct parley_rule_answer yes;

	BUILD_BUG_ON(PARLEY_ACCEPT);
	return !arg->count && !memcmp(&arg->otherwise, &yes, sizeof(yes));
}

static int parley_rules_read(struct parley_rules *arg, void __user *from)
{
	int err = parley_arg_read(arg, sizeof(*arg), PARLEY_RULES_SIZE_VER0,
				  from);

	arg->bad_rule = PARLEY_RULE_NONE;
	arg->bad_field = PARLEY_FIELD_NONE;
	return err;
}

static int parley_rules_check_size(const struct parley_rules *arg)
{
	if (arg->rule_size < PARLEY_RULE_SIZE_VER0)
		return -EINVAL;
	return arg->rule_size > PAGE_SIZE ? -E2BIG : 0;
}

static int parley_rules_install(struct sock *sk,
				struct parley_rule_table *table)
{
	struct parley_rule_table *old;
	struct parley_conf *conf;

	conf = parley_conf_of(parley_sk(sk));
	if (!conf)
		return -ENOMEM;
	old = rcu_replace_pointer(conf->rules, table, lockdep_sock_is_held(sk));
	parley_rules_put(old); /* hold in parley_rules_make() */
	return 0;
}

static int parley_rules_take(struct sock *sk, struct parley_rules *arg)
{
	u32 max = READ_ONCE(parley_net(sock_net(sk))->max_call_data);
	struct parley_rule_table *table = NULL;
	int err;

	if (arg->count > PARLEY_RULES_MAX)
		return -E2BIG;
	if (arg->pool_len > PARLEY_POOL_MAX)
		return -EMSGSIZE;
	if (!parley_rules_none(arg)) {
		table = parley_rules_make(arg, max);
		if (IS_ERR(table))
			return PTR_ERR(table);
	}

	lock_sock(sk);
	err = parley_may_listen(parley_sk(sk)) ?
	      parley_rules_install(sk, table) : -EINVAL;
	release_sock(sk);
	if (err)
		parley_rules_put(table);
	return err;
}

/**
 * parley_rules_set - PARLEY_IOC_SET_RULES
 * @sk: the socket
 * @arg: struct parley_rules
 *
 * Context: process, may sleep.
 * Return: 0, -EINVAL, -E2BIG, -EMSGSIZE, -EFAULT, -ENOMEM; where a rule is to
 * blame, @arg says which.
 */
int parley_rules_set(struct sock *sk, void __user *arg)
{
	struct parley_rules __user *to = arg;
	struct parley_rules rules;
	int err;

	err = parley_rules_read(&rules, arg);
	if (err)
		return err;
	err = parley_rules_check_size(&rules) ?: parley_rules_take(sk, &rules);
	if (err && (put_user(rules.bad_rule, &to->bad_rule) ||
		    put_user(rules.bad_field, &to->bad_field)))
		return -EFAULT;
	return err;
}

/* As long as user space knows rules to be. */
static int parley_rules_copy_one(const struct parley_rule *rule, u32 i,
				 const struct parley_rules *arg)
{
	void __user *to = u64_to_user_ptr(arg->rules) + i * arg->rule_size;
	u32 known = min_t(u32, arg->rule_size, sizeof(*rule));

	if (copy_to_user(to, rule, known) ||
	    clear_user(to + known, arg->rule_size - known))
		return -EFAULT;
	return 0;
}

static int parley_rules_copy_out(const struct parley_rule_table *table,
				 struct parley_rules *arg)
{
	u32 count = arg->count, pool_len = arg->pool_len;
	int err;
	u32 i;

	arg->count = table ? table->count : 0;
	arg->pool_len = table ? table->pool_len : 0;
	memset(&arg->otherwise, 0, sizeof(arg->otherwise));
	if (table)
		arg->otherwise = table->otherwise;
	if (count < arg->count || pool_len < arg->pool_len)
		return -ERANGE;
	for (i = 0; i < arg->count; i++) {
		err = parley_rules_copy_one(&table->rules[i].rule, i, arg);
		if (err)
			return err;
	}
	if (arg->pool_len && copy_to_user(u64_to_user_ptr(arg->pool),
					  table->pool, arg->pool_len))
		return -EFAULT;
	return 0;
}

/**
 * parley_rules_get - PARLEY_IOC_GET_RULES
 * @sk: the socket
 * @arg: struct parley_rules
 *
 * Context: process, may sleep.
 * Return: 0, -ERANGE with what is needed in @arg, -EINVAL, -EFAULT.
 */
int parley_rules_get(struct sock *sk, void __user *arg)
{
	struct parley_sock *psk = parley_sk(sk);
	struct parley_rule_table *table = NULL;
	struct parley_rules rules;
	int err;

	err = parley_rules_read(&rules, arg);
	if (!err)
		err = parley_rules_check_size(&rules);
	if (err)
		return err;

	/* Under the lock nobody replaces the table. */
	lock_sock(sk);
	if (!parley_may_listen(psk)) {
		release_sock(sk);
		return -EINVAL;
	}
	if (psk->conf)
		table = rcu_dereference_protected(psk->conf->rules,
						  lockdep_sock_is_held(sk));
	err = parley_rules_copy_out(table, &rules);
	release_sock(sk);
	if ((!err || err == -ERANGE) &&
	    copy_to_user(arg, &rules, min_t(size_t, rules.size, sizeof(rules))))
		return -EFAULT;
	return err;
}
