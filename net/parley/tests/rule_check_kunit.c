// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of rule.c: what a rule, and an answer, may say. Everything good is
 * good, each field that is bad alone is the one that is named, and of several
 * the first.
 */
#include <kunit/test.h>

#include "../parley.h"

#define ANY		PARLEY_QOS_UNSPECIFIED
#define DATA_MAX	65536	/* the highest net.parley.max_call_data */
#define DAY_MS		(24 * 60 * 60 * 1000)
#define CENTURY_DAYS	36500	/* and those of leap years */

/* The first eight bytes are a value, the next eight its mask. */
static const u8 check_pool[32] = {
	0x00, 0x12, 0xff, 0x80, 0x01, 0x00, 0x40, 0x0f,
	0x00, 0x12, 0xff, 0x80, 0x01, 0xff, 0x41, 0x0f,
};

#define CHECK_FLOW {							\
	.token_rate = 1000, .bucket_size = 100, .peak_rate = 2000,	\
	.latency_us = 10, .delay_variation_us = 1,			\
	.service = PARLEY_SERVICE_GUARANTEED, .max_sdu = 50,		\
	.min_policed = 5,						\
}

#define CHECK_REFUSE {							\
	.verdict = PARLEY_REFUSE, .code = 9, .retry_after_ms = 1000,	\
	.reply = 30, .reply_len = 2,					\
}

/* Says something of each kind. */
static const struct parley_rule check_full = {
	.match		= PARLEY_MATCH_CALLER | PARLEY_MATCH_PORT |
			  PARLEY_MATCH_UID | PARLEY_MATCH_GID |
			  PARLEY_MATCH_CGROUP | PARLEY_MATCH_GROUP |
			  PARLEY_MATCH_QOS | PARLEY_MATCH_DATA,
	.flags		= PARLEY_RULE_RATE,
	.caller		= { 0x20, 0x01, 0x0d, 0xb8, 0x80 },
	.caller_prefix	= 33,
	.port_min	= 7000,
	.port_max	= 7099,
	.uid_min	= 1000,
	.uid_max	= 1999,
	.gid_min	= 100,
	.gid_max	= 199,
	.cgroup_id	= 77,
	.group		= 42,
	.data_offset	= 3,
	.data_len	= 8,
	.data_value	= 0,
	.data_mask	= 8,
	.qos		= { 10, 20, 30, 40, 0xf },
	.rate		= { 10, 1000, 20 },
	.then		= {
		.verdict = PARLEY_ACCEPT,
		.flags = PARLEY_ANSWER_QOS,
		.reply_len = sizeof(check_pool),
		.grant = { CHECK_FLOW, CHECK_FLOW },
	},
	.over		= CHECK_REFUSE,
};

/* Matches all calls and accepts them. */
static const struct parley_rule check_empty;

/**
 * struct check_poke - a field that is changed
 * @name: field and value
 * @offset: where the field is
 * @size: how long it is
 * @value: the value
 * @want: what is bad then
 */
struct check_poke {
	const char *name;
	size_t offset;
	size_t size;
	u64 value;
	enum parley_rule_field want;
};

#define POKE(field, to, bad) {					\
	.name = #field " = " #to,				\
	.offset = offsetof(struct parley_rule, field),		\
	.size = sizeof_field(struct parley_rule, field),	\
	.value = (to),						\
	.want = PARLEY_FIELD_##bad,				\
}

static void check_poke(struct parley_rule *r, const struct check_poke *poke)
{
	void *at = (void *)r + poke->offset;

	switch (poke->size) {
	case sizeof(u8):
		*(u8 *)at = poke->value;
		break;
	case sizeof(u16):
		*(u16 *)at = poke->value;
		break;
	case sizeof(u32):
		*(u32 *)at = poke->value;
		break;
	default:
		*(u64 *)at = poke->value;
	}
}

static void check_poke_desc(const struct check_poke *poke, char *desc)
{
	strscpy(desc, poke->name, KUNIT_PARAM_DESC_SIZE);
}

/* To the rule that says something of each kind. */
static const struct check_poke check_full_pokes[] = {
	POKE(match, 0x1ff, MATCH),
	POKE(match, 0x800000ffU, MATCH),
	/* Each kind that is not asked for any more, but said. */
	POKE(match, 0xff & ~PARLEY_MATCH_CALLER, MATCH),
	POKE(match, 0xff & ~PARLEY_MATCH_PORT, MATCH),
	POKE(match, 0xff & ~PARLEY_MATCH_UID, MATCH),
	POKE(match, 0xff & ~PARLEY_MATCH_GID, MATCH),
	POKE(match, 0xff & ~PARLEY_MATCH_CGROUP, MATCH),
	POKE(match, 0xff & ~PARLEY_MATCH_GROUP, MATCH),
	POKE(match, 0xff & ~PARLEY_MATCH_QOS, MATCH),
	POKE(match, 0xff & ~PARLEY_MATCH_DATA, MATCH),
	POKE(match, 0, MATCH),
	POKE(flags, 3, FLAGS),
	POKE(flags, 0x80000001U, FLAGS),
	/* The rate is said and not used. */
	POKE(flags, 0, RATE),

	POKE(caller_prefix, 128, NONE),
	POKE(caller_prefix, 129, CALLER),
	POKE(caller_prefix, U32_MAX, CALLER),
	POKE(caller_prefix, 32, CALLER),
	POKE(caller_prefix, 0, CALLER),
	POKE(caller[4], 0xc0, CALLER),
	POKE(caller[4], 0x81, CALLER),
	POKE(caller[5], 0x80, CALLER),
	POKE(caller[15], 0x01, CALLER),
	POKE(caller[4], 0x00, NONE),

	POKE(port_min, 7099, NONE),
	POKE(port_min, 7100, PORT),
	POKE(port_max, 7000, NONE),
	POKE(port_max, 6999, PORT),
	POKE(port_max, 0, PORT),
	POKE(port_min, 0, NONE),
	POKE(port_max, 65535, NONE),

	POKE(uid_min, 1999, NONE),
	POKE(uid_min, 2000, UID),
	POKE(uid_max, 1000, NONE),
	POKE(uid_max, 999, UID),
	POKE(uid_max, U32_MAX - 1, NONE),
	POKE(uid_max, U32_MAX, UID),
	POKE(uid_min, U32_MAX, UID),
	POKE(gid_min, 199, NONE),
	POKE(gid_min, 200, GID),
	POKE(gid_max, 100, NONE),
	POKE(gid_max, 99, GID),
	POKE(gid_max, U32_MAX - 1, NONE),
	POKE(gid_max, U32_MAX, GID),
	POKE(gid_min, U32_MAX, GID),

	/* Any number is one. */
	POKE(cgroup_id, 0, NONE),
	POKE(cgroup_id, U64_MAX, NONE),
	POKE(group, 0, NONE),
	POKE(group, U64_MAX, NONE),

	POKE(qos.send_min, 20, NONE),
	POKE(qos.send_min, 21, QOS),
	POKE(qos.send_max, 9, QOS),
	POKE(qos.recv_min, 40, NONE),
	POKE(qos.recv_min, 41, QOS),
	POKE(qos.recv_max, 29, QOS),
	POKE(qos.recv_max, ANY, NONE),
	POKE(qos.services, 0, QOS),
	POKE(qos.services, 1, NONE),
	POKE(qos.services, 8, NONE),
	POKE(qos.services, 16, QOS),
	POKE(qos.services, 0x1f, QOS),
	POKE(qos.services, 0x8000000fU, QOS),

	POKE(data_len, 0, DATA),
	POKE(data_len, 1, NONE),
	POKE(data_len, 24, DATA),	/* not all bits are in the mask */
	POKE(data_len, 25, DATA),
	POKE(data_len, U32_MAX, DATA),
	POKE(data_offset, U32_MAX, NONE),
	POKE(data_value, 8, NONE),	/* its own mask */
	POKE(data_value, 24, NONE),	/* to the end; zeroes */
	POKE(data_value, 25, DATA),
	POKE(data_value, 32, DATA),
	POKE(data_value, U32_MAX, DATA),
	POKE(data_value, U32_MAX - 7, DATA),
	POKE(data_mask, 0, NONE),
	POKE(data_mask, 24, DATA),	/* the end; zeroes, bits outside */
	POKE(data_mask, 25, DATA),
	POKE(data_mask, U32_MAX, DATA),
	POKE(data_mask, 7, DATA),

	POKE(rate.calls, 0, RATE),
	POKE(rate.calls, U32_MAX, NONE),
	POKE(rate.interval_ms, 0, RATE),
	POKE(rate.interval_ms, DAY_MS, NONE),
	POKE(rate.interval_ms, DAY_MS + 1, RATE),
	POKE(rate.interval_ms, U32_MAX, RATE),
	POKE(rate.burst, 0, RATE),
	POKE(rate.burst, 1, NONE),
	/* A tenth of a second each: thirteen years. */
	POKE(rate.burst, U32_MAX, NONE),

	POKE(then.verdict, PARLEY_UNDECIDE, THEN),
	POKE(over.verdict, PARLEY_UNDECIDE, OVER),
	POKE(over.verdict, PARLEY_ACCEPT, OVER), /* and yet a code */
};

KUNIT_ARRAY_PARAM(check_full, check_full_pokes, check_poke_desc);

static void check_test_full(struct kunit *test)
{
	const struct check_poke *poke = test->param_value;
	struct parley_rule r = check_full;

	KUNIT_ASSERT_EQ(test,
			parley_rule_check(&r, check_pool, sizeof(check_pool)),
			PARLEY_FIELD_NONE);
	check_poke(&r, poke);
	KUNIT_EXPECT_EQ(test,
			parley_rule_check(&r, check_pool, sizeof(check_pool)),
			poke->want);
}

/* To the rule that says nothing. */
static const struct check_poke check_empty_pokes[] = {
	POKE(caller[0], 1, MATCH),
	POKE(caller[15], 1, MATCH),
	POKE(caller_prefix, 1, MATCH),
	POKE(caller_prefix, 128, MATCH),
	POKE(port_min, 1, MATCH),
	POKE(port_max, 1, MATCH),
	POKE(uid_min, 1, MATCH),
	POKE(uid_max, 1, MATCH),
	POKE(uid_max, U32_MAX, MATCH),
	POKE(gid_min, 1, MATCH),
	POKE(gid_max, 1, MATCH),
	POKE(cgroup_id, 1, MATCH),
	POKE(cgroup_id, 1ULL << 63, MATCH),
	POKE(group, 1, MATCH),
	POKE(group, 1ULL << 63, MATCH),
	POKE(data_offset, 1, MATCH),
	POKE(data_len, 1, MATCH),
	POKE(data_value, 1, MATCH),
	POKE(data_mask, 1, MATCH),
	POKE(qos.send_min, 1, MATCH),
	POKE(qos.send_max, 1, MATCH),
	POKE(qos.recv_min, 1, MATCH),
	POKE(qos.recv_max, 1, MATCH),
	POKE(qos.services, 1, MATCH),
	POKE(rate.calls, 1, RATE),
	POKE(rate.interval_ms, 1, RATE),
	POKE(rate.burst, 1, RATE),
	POKE(over.verdict, PARLEY_REFUSE, OVER),
	POKE(over.flags, PARLEY_ANSWER_QOS, OVER),
	POKE(over.code, 1, OVER),
	POKE(over.retry_after_ms, 1, OVER),
	POKE(over.reply, 1, OVER),
	POKE(over.reply_len, 1, OVER),
	POKE(over.grant.send.token_rate, 1, OVER),
	POKE(over.grant.recv.min_policed, 1, OVER),

	/* Kinds that zeroes make sense for, and those that they do not. */
	POKE(match, PARLEY_MATCH_CALLER, NONE),
	POKE(match, PARLEY_MATCH_PORT, NONE),
	POKE(match, PARLEY_MATCH_UID, NONE),
	POKE(match, PARLEY_MATCH_GID, NONE),
	POKE(match, PARLEY_MATCH_CGROUP, NONE),
	POKE(match, PARLEY_MATCH_GROUP, NONE),
	POKE(match, PARLEY_MATCH_QOS, QOS),
	POKE(match, PARLEY_MATCH_DATA, DATA),
	POKE(match, 0x100, MATCH),
	POKE(flags, PARLEY_RULE_RATE, RATE),
	POKE(flags, 2, FLAGS),
	POKE(then.verdict, PARLEY_REFUSE, NONE),
	POKE(then.verdict, PARLEY_DEFER, NONE),
	POKE(then.verdict, PARLEY_UNDECIDE, THEN),
};

KUNIT_ARRAY_PARAM(check_empty, check_empty_pokes, check_poke_desc);

/* Nothing is in the pool, either. */
static void check_test_empty(struct kunit *test)
{
	const struct check_poke *poke = test->param_value;
	struct parley_rule r = check_empty;

	KUNIT_ASSERT_EQ(test, parley_rule_check(&r, check_pool, 0),
			PARLEY_FIELD_NONE);
	check_poke(&r, poke);
	KUNIT_EXPECT_EQ(test, parley_rule_check(&r, check_pool, 0),
			poke->want);
}

/* Any of these fields may be bad at once: the first is named. */
static void check_test_first(struct kunit *test)
{
	static const struct check_poke bad[] = {
		POKE(match, 0x1ff, MATCH),
		POKE(flags, 3, FLAGS),
		POKE(caller_prefix, 129, CALLER),
		POKE(port_min, 7100, PORT),
		POKE(uid_max, U32_MAX, UID),
		POKE(gid_max, U32_MAX, GID),
		POKE(qos.services, 0, QOS),
		POKE(data_len, 0, DATA),
		POKE(rate.burst, 0, RATE),
		POKE(then.verdict, PARLEY_UNDECIDE, THEN),
		POKE(over.verdict, PARLEY_UNDECIDE, OVER),
	};
	unsigned int set, i;

	for (set = 1; set < 1U << ARRAY_SIZE(bad); set++) {
		struct parley_rule r = check_full;

		for (i = 0; i < ARRAY_SIZE(bad); i++)
			if (set & BIT(i))
				check_poke(&r, &bad[i]);
		KUNIT_ASSERT_EQ_MSG(test,
				    parley_rule_check(&r, check_pool,
						      sizeof(check_pool)),
				    bad[__ffs(set)].want, "bad are %#x", set);
	}
}

/* As many bytes as call data may have, and no more, are looked for. */
static void check_test_data_len(struct kunit *test)
{
	struct parley_rule r = { .match = PARLEY_MATCH_DATA };
	u8 *pool;

	pool = kunit_kzalloc(test, 2 * DATA_MAX, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pool);
	r.data_len = DATA_MAX;
	KUNIT_EXPECT_EQ(test, parley_rule_check(&r, pool, 2 * DATA_MAX),
			PARLEY_FIELD_NONE);
	r.data_len = DATA_MAX + 1;
	KUNIT_EXPECT_EQ(test, parley_rule_check(&r, pool, 2 * DATA_MAX),
			PARLEY_FIELD_DATA);
}

/* A bucket must be full again within a century, an interval is a day. */
static void check_test_century(struct kunit *test)
{
	static const struct {
		struct parley_rule_rate rate;
		enum parley_rule_field want;
	} cases[] = {
		{ { 1, DAY_MS, CENTURY_DAYS }, PARLEY_FIELD_NONE },
		{ { 1, DAY_MS, CENTURY_DAYS + 26 }, PARLEY_FIELD_RATE },
		{ { 1, DAY_MS, U32_MAX }, PARLEY_FIELD_RATE },
		{ { 2, DAY_MS, 2 * CENTURY_DAYS }, PARLEY_FIELD_NONE },
		{ { 2, DAY_MS, 2 * (CENTURY_DAYS + 26) }, PARLEY_FIELD_RATE },
		{ { 1, 1000, 3153000000U }, PARLEY_FIELD_NONE },
		{ { 1, 1000, 3156000000U }, PARLEY_FIELD_RATE },
		{ { 1, 1, U32_MAX }, PARLEY_FIELD_NONE },
		{ { U32_MAX, 1, U32_MAX }, PARLEY_FIELD_NONE },
		{ { U32_MAX, DAY_MS, U32_MAX }, PARLEY_FIELD_NONE },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct parley_rule r = {
			.flags = PARLEY_RULE_RATE,
			.rate = cases[i].rate,
		};

		KUNIT_EXPECT_EQ_MSG(test, parley_rule_check(&r, check_pool, 0),
				    cases[i].want, "%u in %u ms, burst %u",
				    r.rate.calls, r.rate.interval_ms,
				    r.rate.burst);
	}
}

/**
 * struct check_answer_case - an answer that makes sense, or not
 * @name: what is special about it
 * @answer: it
 * @ok: whether it makes sense, with a pool of 32 bytes
 */
struct check_answer_case {
	const char *name;
	struct parley_rule_answer answer;
	bool ok;
};

#define REPLY(at, len)	.reply = (at), .reply_len = (len)
#define GRANT(...)	.flags = PARLEY_ANSWER_QOS, .grant = { __VA_ARGS__ }
#define CHECK_GRANT	GRANT(CHECK_FLOW, CHECK_FLOW)
/* The peak is below the rate. */
#define CHECK_NONSENSE	{ .token_rate = 2, .bucket_size = 1, .peak_rate = 1 }

static const struct check_answer_case check_answers[] = {
	{ "accept", { PARLEY_ACCEPT }, true },
	{ "refuse", { PARLEY_REFUSE }, true },
	{ "defer", { PARLEY_DEFER }, true },
	{ "undecide", { PARLEY_UNDECIDE }, false },
	{ "no verdict", { U32_MAX }, false },
	{ "unknown flag", { PARLEY_ACCEPT, 2 }, false },
	{ "high flag", { PARLEY_REFUSE, 1U << 31 }, false },

	{ "accept, code", { PARLEY_ACCEPT, .code = 1 }, false },
	{ "refuse, code", { PARLEY_REFUSE, .code = U32_MAX }, true },
	{ "defer, code", { PARLEY_DEFER, .code = 1 }, false },
	{ "accept, retry", { PARLEY_ACCEPT, .retry_after_ms = 1 }, false },
	{ "refuse, retry", { PARLEY_REFUSE, .retry_after_ms = U32_MAX },
	  true },
	{ "defer, retry", { PARLEY_DEFER, .retry_after_ms = 1 }, false },

	{ "accept, reply", { PARLEY_ACCEPT, REPLY(1, 2) }, true },
	{ "refuse, reply", { PARLEY_REFUSE, REPLY(1, 2) }, true },
	{ "defer, reply", { PARLEY_DEFER, REPLY(1, 2) }, false },
	{ "whole pool", { PARLEY_ACCEPT, REPLY(0, 32) }, true },
	{ "more than the pool", { PARLEY_ACCEPT, REPLY(0, 33) }, false },
	{ "last byte", { PARLEY_ACCEPT, REPLY(31, 1) }, true },
	{ "beyond the last byte", { PARLEY_ACCEPT, REPLY(31, 2) }, false },
	{ "behind the pool", { PARLEY_ACCEPT, REPLY(32, 1) }, false },
	{ "far behind", { PARLEY_ACCEPT, REPLY(1U << 31, 1) }, false },
	{ "wraps", { PARLEY_ACCEPT, REPLY(U32_MAX, 2) }, false },
	{ "wraps to the pool", { PARLEY_ACCEPT, REPLY(2, U32_MAX) }, false },
	{ "all that is", { PARLEY_ACCEPT, REPLY(0, U32_MAX) }, false },
	{ "a place for no reply", { PARLEY_ACCEPT, REPLY(1, 0) }, false },

	{ "accept, grant", { PARLEY_ACCEPT, CHECK_GRANT }, true },
	{ "refuse, grant", { PARLEY_REFUSE, CHECK_GRANT }, false },
	{ "defer, grant", { PARLEY_DEFER, CHECK_GRANT }, false },
	{ "grant of nothing", { PARLEY_ACCEPT, PARLEY_ANSWER_QOS }, true },
	{ "grant without its flag",
	  { PARLEY_ACCEPT, .grant = { CHECK_FLOW, CHECK_FLOW } }, false },
	{ "a last bit without its flag",
	  { PARLEY_ACCEPT, .grant.recv.min_policed = 1U << 31 }, false },
	{ "grant, send makes no sense",
	  { PARLEY_ACCEPT, GRANT(CHECK_NONSENSE, CHECK_FLOW) }, false },
	{ "grant, recv makes no sense",
	  { PARLEY_ACCEPT, GRANT(CHECK_FLOW, CHECK_NONSENSE) }, false },
	{ "everything", { PARLEY_ACCEPT, CHECK_GRANT, REPLY(0, 32) }, true },
	{ "everything, refused", CHECK_REFUSE, true },
};

static void check_answer_desc(const struct check_answer_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(check_answer, check_answers, check_answer_desc);

/* Alone, and at both places of a rule. */
static void check_test_answer(struct kunit *test)
{
	const struct check_answer_case *c = test->param_value;
	struct parley_rule r = check_full;

	KUNIT_EXPECT_EQ(test, parley_rule_answer_ok(&c->answer, 32), c->ok);
	r.then = c->answer;
	KUNIT_EXPECT_EQ(test, parley_rule_check(&r, check_pool, 32),
			c->ok ? PARLEY_FIELD_NONE : PARLEY_FIELD_THEN);
	r = check_full;
	r.over = c->answer;
	KUNIT_EXPECT_EQ(test, parley_rule_check(&r, check_pool, 32),
			c->ok ? PARLEY_FIELD_NONE : PARLEY_FIELD_OVER);
}

static struct kunit_case check_cases[] = {
	KUNIT_CASE_PARAM(check_test_full, check_full_gen_params),
	KUNIT_CASE_PARAM(check_test_empty, check_empty_gen_params),
	KUNIT_CASE(check_test_first),
	KUNIT_CASE(check_test_data_len),
	KUNIT_CASE(check_test_century),
	KUNIT_CASE_PARAM(check_test_answer, check_answer_gen_params),
	{}
};

static struct kunit_suite check_suite = {
	.name = "parley-rule-check",
	.test_cases = check_cases,
};

kunit_test_suite(check_suite);
