// SPDX-License-Identifier: GPL-2.0
/*
 * One rule: whether it makes sense, whether it matches a call, and its token
 * bucket. Pure; tests/rule_kunit.c. Tables of rules are in policy_rules.c.
 */
#include <linux/cred.h>
#include <linux/in6.h>
#include <linux/math64.h>
#include <linux/string.h>
#include <net/ipv6.h>

#include "parley.h"

#define PARLEY_MATCH_ALL	(PARLEY_MATCH_CALLER | PARLEY_MATCH_PORT | \
				 PARLEY_MATCH_UID | PARLEY_MATCH_GID | \
				 PARLEY_MATCH_CGROUP | PARLEY_MATCH_GROUP | \
				 PARLEY_MATCH_QOS | PARLEY_MATCH_DATA)
#define PARLEY_MATCH_MORE	(PARLEY_MATCH_CALLER | PARLEY_MATCH_GID | \
				 PARLEY_MATCH_QOS | PARLEY_MATCH_DATA)
#define PARLEY_SERVICES_ALL	(BIT(PARLEY_SERVICE_GUARANTEED + 1) - 1)
#define PARLEY_DAY_MS		(24 * 60 * 60 * MSEC_PER_SEC)
#define PARLEY_CENTURY_NS	(36525ULL * 24 * 60 * 60 * NSEC_PER_SEC)

static bool parley_zero(const void *at, size_t len)
{
	return !memchr_inv(at, 0, len);
}

static bool parley_in_pool(u32 at, u32 len, u32 pool_len)
{
	return at <= pool_len && len <= pool_len - at;
}

/* What is not matched is zero, so that a later meaning is not a surprise. */
static bool parley_rule_unused_zero(const struct parley_rule *r)
{
	u32 m = r->match;

	return (m & PARLEY_MATCH_CALLER ||
		(parley_zero(r->caller, sizeof(r->caller)) &&
		 !r->caller_prefix)) &&
	       (m & PARLEY_MATCH_PORT || !(r->port_min | r->port_max)) &&
	       (m & PARLEY_MATCH_UID || !(r->uid_min | r->uid_max)) &&
	       (m & PARLEY_MATCH_GID || !(r->gid_min | r->gid_max)) &&
	       (m & PARLEY_MATCH_CGROUP || !r->cgroup_id) &&
	       (m & PARLEY_MATCH_GROUP || !r->group) &&
	       (m & PARLEY_MATCH_QOS || parley_zero(&r->qos, sizeof(r->qos))) &&
	       (m & PARLEY_MATCH_DATA || !(r->data_offset | r->data_len |
					   r->data_value | r->data_mask));
}

static bool parley_rule_caller_ok(const struct parley_rule *r)
{
	struct in6_addr prefix, caller;

	if (!(r->match & PARLEY_MATCH_CALLER))
		return true;
	if (r->caller_prefix > 128)
		return false;
	memcpy(&caller, r->caller, sizeof(caller));
	ipv6_addr_prefix(&prefix, &caller, r->caller_prefix);
	return ipv6_addr_equal(&prefix, &caller);
}

static bool parley_rule_ids_ok(bool used, u32 min, u32 max)
{
	return !used || (min <= max && max != U32_MAX);
}

static bool parley_rule_qos_ok(const struct parley_rule *r)
{
	const struct parley_rule_qos *q = &r->qos;

	if (!(r->match & PARLEY_MATCH_QOS))
		return true;
	return q->send_min <= q->send_max && q->recv_min <= q->recv_max &&
	       q->services && !(q->services & ~PARLEY_SERVICES_ALL);
}

static bool parley_rule_data_ok(const struct parley_rule *r, const u8 *pool,
				u32 pool_len)
{
	u32 i;

	if (!(r->match & PARLEY_MATCH_DATA))
		return true;
	if (!r->data_len || r->data_len > PARLEY_DATA_MAX ||
	    !parley_in_pool(r->data_value, r->data_len, pool_len) ||
	    !parley_in_pool(r->data_mask, r->data_len, pool_len))
		return false;
	if (r->data_mask == r->data_value)
		return true;
	for (i = 0; i < r->data_len; i++)
		if (pool[r->data_value + i] & ~pool[r->data_mask + i])
			return false;
	return true;
}

/* What a token costs, in ns, rounded up: the rate is never exceeded. */
static u64 parley_rate_token(const struct parley_rule_rate *rate)
{
	return DIV_ROUND_UP_ULL((u64)rate->interval_ms * NSEC_PER_MSEC,
				rate->calls);
}

static bool parley_rule_rate_ok(const struct parley_rule *r)
{
	const struct parley_rule_rate *rate = &r->rate;

	if (!(r->flags & PARLEY_RULE_RATE))
		return parley_zero(rate, sizeof(*rate));
	if (!rate->calls || !rate->burst || !rate->interval_ms ||
	    rate->interval_ms > PARLEY_DAY_MS)
		return false;
	/* The bucket is a time; one that is never full again would overflow. */
	return rate->burst <= div64_u64(PARLEY_CENTURY_NS,
					parley_rate_token(rate));
}

/**
 * parley_rule_answer_ok - whether an answer makes sense
 * @a: the answer
 * @pool_len: bytes in the table's pool
 *
 * Context: any.
 * Return: true if it agrees with the comment at struct parley_rule_answer.
 */
bool parley_rule_answer_ok(const struct parley_rule_answer *a, u32 pool_len)
{
	if (a->verdict > PARLEY_DEFER || a->flags & ~PARLEY_ANSWER_QOS)
		return false;
	if (a->verdict != PARLEY_REFUSE && (a->code || a->retry_after_ms))
		return false;
	if (a->verdict == PARLEY_DEFER && a->reply_len)
		return false;
	if (a->reply_len ? !parley_in_pool(a->reply, a->reply_len, pool_len) :
			   a->reply)
		return false;
	if (!(a->flags & PARLEY_ANSWER_QOS))
		return parley_zero(&a->grant, sizeof(a->grant));
	return a->verdict == PARLEY_ACCEPT && parley_qos_valid(&a->grant);
}

/**
 * parley_rule_check - find what is wrong with a rule
 * @r: the rule, as user space gave it
 * @pool: the table's pool
 * @pool_len: bytes in it
 *
 * Context: any.
 * Return: the first field that is bad, or PARLEY_FIELD_NONE.
 */
enum parley_rule_field parley_rule_check(const struct parley_rule *r,
					 const u8 *pool, u32 pool_len)
{
	if (r->match & ~PARLEY_MATCH_ALL || !parley_rule_unused_zero(r))
		return PARLEY_FIELD_MATCH;
	if (r->flags & ~PARLEY_RULE_RATE)
		return PARLEY_FIELD_FLAGS;
	if (!parley_rule_caller_ok(r))
		return PARLEY_FIELD_CALLER;
	if (r->port_min > r->port_max)
		return PARLEY_FIELD_PORT;
	if (!parley_rule_ids_ok(r->match & PARLEY_MATCH_UID, r->uid_min,
				r->uid_max))
		return PARLEY_FIELD_UID;
	if (!parley_rule_ids_ok(r->match & PARLEY_MATCH_GID, r->gid_min,
				r->gid_max))
		return PARLEY_FIELD_GID;
	if (!parley_rule_qos_ok(r))
		return PARLEY_FIELD_QOS;
	if (!parley_rule_data_ok(r, pool, pool_len))
		return PARLEY_FIELD_DATA;
	if (!parley_rule_rate_ok(r))
		return PARLEY_FIELD_RATE;
	if (!parley_rule_answer_ok(&r->then, pool_len))
		return PARLEY_FIELD_THEN;
	if (r->flags & PARLEY_RULE_RATE ?
	    !parley_rule_answer_ok(&r->over, pool_len) :
	    !parley_zero(&r->over, sizeof(r->over)))
		return PARLEY_FIELD_OVER;
	return PARLEY_FIELD_NONE;
}

static bool parley_match_caller(const struct parley_rule *r,
				const struct parley_subject *s)
{
	return ipv6_prefix_equal(s->caller, (const void *)r->caller,
				 r->caller_prefix);
}

/* An id that the namespace does not have is none, all ones: no rule has it. */
static bool parley_match_uid(const struct parley_rule *r,
			     const struct parley_subject *s)
{
	return s->uid >= r->uid_min && s->uid <= r->uid_max;
}

static bool parley_match_one_gid(const struct parley_rule *r,
				 const struct parley_subject *s, kgid_t kgid)
{
	gid_t gid = from_kgid(s->ns, kgid);

	return gid >= r->gid_min && gid <= r->gid_max;
}

static bool parley_match_gid(const struct parley_rule *r,
			     const struct parley_subject *s)
{
	int i;

	if (parley_match_one_gid(r, s, s->gid))
		return true;
	for (i = 0; s->groups && i < s->groups->ngroups; i++)
		if (parley_match_one_gid(r, s, s->groups->gid[i]))
			return true;
	return false;
}

static bool parley_match_qos(const struct parley_rule *r,
			     const struct parley_subject *s)
{
	const struct parley_qos *qos = s->qos;

	return qos->send.token_rate >= r->qos.send_min &&
	       qos->send.token_rate <= r->qos.send_max &&
	       qos->recv.token_rate >= r->qos.recv_min &&
	       qos->recv.token_rate <= r->qos.recv_max &&
	       (BIT(qos->send.service) | BIT(qos->recv.service)) &
	       r->qos.services;
}

static bool parley_match_data(const struct parley_rule *r, const u8 *pool,
			      const struct parley_subject *s)
{
	const u8 *value = pool + r->data_value;
	const u8 *mask = pool + r->data_mask;
	const u8 *at;
	u32 i;

	if (r->data_offset > s->data_len ||
	    r->data_len > s->data_len - r->data_offset)
		return false;
	at = s->data + r->data_offset;
	if (mask == value)
		return !memcmp(at, value, r->data_len);
	for (i = 0; i < r->data_len; i++)
		if ((at[i] & mask[i]) != value[i])
			return false;
	return true;
}

/* What takes more than to compare numbers. Apart, for the sake of the rest. */
static noinline bool parley_match_more(const struct parley_rule *r,
				       const u8 *pool,
				       const struct parley_subject *s)
{
	u32 m = r->match;

	if (m & PARLEY_MATCH_CALLER && !parley_match_caller(r, s))
		return false;
	if (m & PARLEY_MATCH_GID && !parley_match_gid(r, s))
		return false;
	if (m & PARLEY_MATCH_QOS && !parley_match_qos(r, s))
		return false;
	return !(m & PARLEY_MATCH_DATA) || parley_match_data(r, pool, s);
}

/**
 * parley_rule_matches - whether a rule is meant for a call
 * @r: a rule that parley_rule_check() found good
 * @pool: the table's pool
 * @s: what is to be known of the call
 *
 * Context: any.
 * Return: true if all that the rule asks for is so.
 */
bool parley_rule_matches(const struct parley_rule *r, const u8 *pool,
			 const struct parley_subject *s)
{
	u32 m = r->match;

	if (m & PARLEY_MATCH_UID && !parley_match_uid(r, s))
		return false;
	if (m & PARLEY_MATCH_PORT &&
	    (s->port < r->port_min || s->port > r->port_max))
		return false;
	if (m & PARLEY_MATCH_CGROUP && s->cgroup_id != r->cgroup_id)
		return false;
	if (m & PARLEY_MATCH_GROUP && s->group != r->group)
		return false;
	if (m & PARLEY_MATCH_MORE)
		return parley_match_more(r, pool, s);
	return true;
}

/**
 * parley_bucket_take - take a token, if there is one
 * @due: the bucket: the time at which it will be full, zero at the start
 * @rate: how fast it fills and how much it holds
 * @now: a clock that does not go back, in nanoseconds
 *
 * One number is the whole state, so that any number of callers at once get
 * exactly as many tokens as there are.
 *
 * Context: any.
 * Return: true with a token.
 */
bool parley_bucket_take(atomic64_t *due, const struct parley_rule_rate *rate,
			u64 now)
{
	u64 token = parley_rate_token(rate);
	s64 old = atomic64_read(due);
	u64 full;

	do {
		full = max_t(u64, old, now);
		/* So many tokens are out; is there one more? */
		if (full - now > token * (rate->burst - 1ULL))
			return false;
	} while (!atomic64_try_cmpxchg(due, &old, full + token));
	return true;
}
