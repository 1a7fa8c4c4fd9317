// SPDX-License-Identifier: GPL-2.0
/*
 * Tables of rules that are refused: for each thing that can be wrong the error,
 * and what is named as wrong. The table that was there stays as it is, down to
 * its token buckets.
 */
#include "kselftest_harness.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib_rules.h"

#define HOST	"127.0.0.1"
#define PORT	7410
#define RULES	5
#define POOL	32
#define DAY_MS	(24 * 60 * 60 * 1000)

FIXTURE(bad) {
	struct rules *old;
	struct rules *t;
	int l;
};

/* Good as it is, with something of each kind; the pool is POOL bytes. */
static void good_rule(struct rules *t)
{
	struct parley_rule *r = rules_refuse(t, 7);

	rules_caller(r, "2001:db8:8000::", 33);
	rules_port(r, 7000, 7099);
	rules_uid(r, 1000, 1999);
	rules_gid(r, 100, 199);
	rules_group(r, 42);
	r->match |= PARLEY_MATCH_CGROUP | PARLEY_MATCH_QOS | PARLEY_MATCH_DATA;
	r->cgroup_id = 77;
	r->qos.send_max = 20;
	r->qos.recv_min = 30;
	r->qos.recv_max = 30;
	r->qos.services = 0xf;
	r->data_offset = 1;
	r->data_len = 4;
	r->data_value = 0;
	r->data_mask = 4;
	rules_once(r, 20);
	r->then.reply = POOL - 2;
	r->then.reply_len = 2;
	r->over.verdict = PARLEY_REFUSE;
	r->over.code = 8;
}

FIXTURE_SETUP(bad)
{
	struct parley_rule *r;
	int i;

	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	self->old = rules_new();
	ASSERT_NE(NULL, self->old);
	/* One call is refused with 1, then all are with 2. */
	r = rules_refuse(self->old, 1);
	rules_once(r, 1);
	rules_say(&r->over, 2, 0);
	ASSERT_EQ(0, rules_set(self->l, self->old));
	ASSERT_EQ(1, rules_code(self->l, NULL));

	self->t = rules_new();
	ASSERT_NE(NULL, self->t);
	rules_bytes(self->t, "\x01\x02\x03\x04\x11\x22\x33\x44", 8);
	rules_bytes(self->t, "0123456789abcdef01234567", POOL - 8);
	for (i = 0; i < RULES; i++)
		good_rule(self->t);
}

/* Whatever was tried: the old table is there, and so is its empty bucket. */
FIXTURE_TEARDOWN(bad)
{
	EXPECT_TRUE(rules_is(self->l, self->old));
	EXPECT_EQ(2, rules_code(self->l, NULL));
	EXPECT_EQ(0, parley_expect_clean());
}

/**
 * struct poke - a member of a rule that is changed
 * @name: the member
 * @offset: where it is
 * @size: how long it is
 * @value: to what
 * @field: what is wrong then
 */
struct poke {
	const char *name;
	size_t offset;
	size_t size;
	__u64 value;
	__u32 field;
};

#define POKE(member, value, field) { \
	#member, offsetof(struct parley_rule, member), \
	sizeof(((struct parley_rule *)0)->member), value, \
	PARLEY_FIELD_##field }

static const struct poke pokes[] = {
	POKE(match, 0x1ff, MATCH),
	POKE(match, 0, MATCH),
	POKE(match, 0xff & ~PARLEY_MATCH_GROUP, MATCH),
	POKE(flags, 3, FLAGS),
	POKE(caller_prefix, 129, CALLER),
	POKE(caller_prefix, 32, CALLER),
	POKE(caller[15], 1, CALLER),
	POKE(port_min, 7100, PORT),
	POKE(port_max, 6999, PORT),
	POKE(uid_min, 2000, UID),
	POKE(uid_max, UINT32_MAX, UID),
	POKE(gid_min, 200, GID),
	POKE(gid_max, UINT32_MAX, GID),
	POKE(qos.send_min, 21, QOS),
	POKE(qos.recv_max, 29, QOS),
	POKE(qos.services, 0, QOS),
	POKE(qos.services, 0x10, QOS),
	POKE(data_len, 0, DATA),
	POKE(data_value, POOL - 3, DATA),
	POKE(data_mask, POOL - 3, DATA),
	POKE(data_mask, UINT32_MAX, DATA),
	POKE(data_mask, 1, DATA),
	POKE(flags, 0, RATE),
	POKE(rate.calls, 0, RATE),
	POKE(rate.interval_ms, 0, RATE),
	POKE(rate.interval_ms, DAY_MS + 1, RATE),
	POKE(rate.burst, 0, RATE),
	POKE(rate.burst, UINT32_MAX, RATE),
	POKE(then.verdict, PARLEY_UNDECIDE, THEN),
	POKE(then.verdict, PARLEY_ACCEPT, THEN),
	POKE(then.verdict, PARLEY_DEFER, THEN),
	POKE(then.flags, 2, THEN),
	POKE(then.flags, PARLEY_ANSWER_QOS, THEN),
	POKE(then.reply, POOL - 1, THEN),
	POKE(then.reply_len, 3, THEN),
	POKE(then.reply_len, UINT32_MAX, THEN),
	POKE(then.grant.send.token_rate, 1, THEN),
	POKE(over.verdict, PARLEY_UNDECIDE, OVER),
	POKE(over.verdict, PARLEY_ACCEPT, OVER),
	POKE(over.flags, 1U << 31, OVER),
	POKE(over.reply_len, POOL + 1, OVER),
	POKE(over.grant.recv.min_policed, 1, OVER),
};

#define POKES	ARRAY_SIZE(pokes)

/* The machine has its least byte first. */
static void poke(struct parley_rule *r, const struct poke *p)
{
	memcpy((char *)r + p->offset, &p->value, p->size);
}

/* Each at the beginning, in the middle and at the end of a table. */
TEST_F(bad, rule)
{
	static const int places[] = { 0, 2, RULES - 1 };
	struct rules *t = self->t;
	struct parley_rule good;
	unsigned int i, j;
	bool ok;

	for (i = 0; i < POKES; i++)
		for (j = 0; j < 3; j++) {
			good = t->rule[places[j]];
			poke(&t->rule[places[j]], &pokes[i]);
			ok = rules_set_fails(self->l, t, -EINVAL, places[j],
					     pokes[i].field);
			EXPECT_TRUE(ok) {
				TH_LOG("rule %d, %s is %#llx", places[j],
				       pokes[i].name,
				       (unsigned long long)pokes[i].value);
			}
			t->rule[places[j]] = good;
		}
}

/* Of two the first, whatever is wrong with it. */
TEST_F(bad, first_of_two)
{
	struct rules *t = self->t;
	unsigned int i;

	for (i = 0; i < POKES; i++) {
		t->rule[1] = t->rule[0];
		poke(&t->rule[1], &pokes[POKES - 1 - i]);
		t->rule[3] = t->rule[0];
		poke(&t->rule[3], &pokes[i]);
		EXPECT_TRUE(rules_set_fails(self->l, t, -EINVAL, 1,
					    pokes[POKES - 1 - i].field));
	}
	/* A rule comes before the default. */
	t->arg.otherwise.verdict = PARLEY_UNDECIDE;
	EXPECT_TRUE(rules_set_fails(self->l, t, -EINVAL, 1,
				    pokes[0].field));
}

/* Alone, in a table with rules, and in one without. */
TEST_F(bad, otherwise)
{
	static const struct parley_rule_answer answers[] = {
		{ .verdict = PARLEY_UNDECIDE },
		{ .verdict = UINT32_MAX },
		{ .verdict = PARLEY_ACCEPT, .flags = 2 },
		{ .verdict = PARLEY_ACCEPT, .code = 1 },
		{ .verdict = PARLEY_DEFER, .retry_after_ms = 1 },
		{ .verdict = PARLEY_DEFER, .reply_len = 1 },
		{ .verdict = PARLEY_REFUSE, .reply_len = POOL + 1 },
		{ .verdict = PARLEY_REFUSE, .reply = POOL, .reply_len = 1 },
		{ .verdict = PARLEY_REFUSE, .flags = PARLEY_ANSWER_QOS },
		{ .verdict = PARLEY_ACCEPT, .flags = PARLEY_ANSWER_QOS,
		  .grant.send.service = 4 },
		{ .verdict = PARLEY_ACCEPT, .grant.recv.service = 1 },
	};
	struct rules *t = self->t;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		t->arg.otherwise = answers[i];
		t->arg.count = RULES;
		EXPECT_TRUE(rules_set_fails(self->l, t, -EINVAL, RULES,
					    PARLEY_FIELD_THEN));
		t->arg.count = 0;
		EXPECT_TRUE(rules_set_fails(self->l, t, -EINVAL, 0,
					    PARLEY_FIELD_THEN));
	}
}

/* Replies are no longer than call data may be, at each of the places. */
TEST_F(bad, reply_too_long)
{
	struct rules *t = self->t;
	struct parley_rule *r = &t->rule[3];
	struct parley_rule_answer *place[] = {
		&r->then, &r->over, &t->arg.otherwise,
	};
	const __u32 rule[] = { 3, 3, RULES };
	unsigned int i;

	rules_say(&t->arg.otherwise, 9, 0);
	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data", 10));
	for (i = 0; i < 3; i++) {
		place[i]->reply = 0;
		place[i]->reply_len = 11;
		EXPECT_EQ(-EMSGSIZE, rules_set(self->l, t));
		EXPECT_EQ(rule[i], t->arg.bad_rule);
		place[i]->reply_len = 10;
	}
	/* As long as may be, everywhere; they stay when less is allowed. */
	ASSERT_EQ(0, rules_set(self->l, t));
	EXPECT_TRUE(rules_is(self->l, t));
	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data", 0));
	EXPECT_TRUE(rules_is(self->l, t));
	EXPECT_EQ(-EMSGSIZE, rules_set(self->l, t));
	EXPECT_EQ(0, t->arg.bad_rule);

	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data", 65536));
	ASSERT_EQ(0, rules_set(self->l, self->old));
	EXPECT_EQ(1, rules_code(self->l, NULL));
}

/*
 * However often bytes of the pool are part of a reply: all replies together are
 * no more than the pool may be. What is the same is counted once.
 */
TEST_F(bad, replies_too_many)
{
	const __u32 fit = RULES_POOL_MAX / TERMS_DATA_MAX;
	struct rules *t = rules_new();
	struct parley_rule *r;
	__u32 i;

	ASSERT_NE(NULL, t);
	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data",
					 TERMS_DATA_MAX));
	t->arg.pool_len = RULES_POOL_MAX;
	for (i = 0; i < PARLEY_RULES_MAX; i++) {
		r = rules_refuse(t, 1);
		r->then.reply = i;
		r->then.reply_len = TERMS_DATA_MAX;
	}
	EXPECT_TRUE(rules_set_fails(self->l, t, -EMSGSIZE, fit,
				    PARLEY_FIELD_THEN));
	for (i = fit; i < PARLEY_RULES_MAX; i++)
		t->rule[i].then.reply = i % fit;
	EXPECT_EQ(0, rules_set(self->l, t));
	rules_once(r, 1);
	r->over = r->then;
	r->over.reply = fit;
	EXPECT_TRUE(rules_set_fails(self->l, t, -EMSGSIZE, PARLEY_RULES_MAX - 1,
				    PARLEY_FIELD_OVER));
	r->over.reply = 0;
	EXPECT_EQ(0, rules_set(self->l, t));
	rules_say(&t->arg.otherwise, 9, 0);
	t->arg.otherwise.reply_len = 1;
	EXPECT_TRUE(rules_set_fails(self->l, t, -EMSGSIZE, PARLEY_RULES_MAX,
				    PARLEY_FIELD_THEN));
	rules_free(t);
	ASSERT_EQ(0, rules_set(self->l, self->old));
	EXPECT_EQ(1, rules_code(self->l, NULL));
}

static int set(int fd, void *arg)
{
	return ioctl(fd, PARLEY_IOC_SET_RULES, arg) ? -errno : 0;
}

static int get(int fd, void *arg)
{
	return ioctl(fd, PARLEY_IOC_GET_RULES, arg) ? -errno : 0;
}

/* The first version was no shorter, and none is longer than a page. */
TEST_F(bad, size)
{
	static const struct {
		__u32 size;
		int err;
	} sizes[] = {
		{ 0, -EINVAL },
		{ 4, -EINVAL },
		{ PARLEY_RULES_SIZE_VER0 - 4, -EINVAL },
		{ PARLEY_RULES_SIZE_VER0 - 1, -EINVAL },
		{ 65536, -E2BIG },
		{ UINT32_MAX, -E2BIG },
	};
	struct rules *t = self->t;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		t->arg.size = sizes[i].size;
		EXPECT_EQ(sizes[i].err, set(self->l, &t->arg));
		EXPECT_EQ(sizes[i].err, get(self->l, &t->arg));
	}
}

/* Longer ones say more, which must be nothing. */
TEST_F(bad, larger_size)
{
	union {
		struct parley_rules arg;
		char bytes[sizeof(struct parley_rules) + 64];
	} u = {};
	unsigned int i;

	for (i = sizeof(u.arg); i < sizeof(u); i++) {
		u.arg = self->t->arg;
		u.arg.size = sizeof(u);
		u.bytes[i] = 1;
		EXPECT_EQ(-E2BIG, set(self->l, &u));
		EXPECT_EQ(-E2BIG, get(self->l, &u));
		/* Beyond what is said to be there nobody looks. */
		u.arg.size = i;
		EXPECT_EQ(0, get(self->l, &u));
		EXPECT_EQ(1, u.bytes[i]);
		u.bytes[i] = 0;
	}
	u.arg = self->t->arg;
	u.arg.size = sizeof(u);
	EXPECT_EQ(0, set(self->l, &u));
	EXPECT_TRUE(rules_is(self->l, self->t));
	EXPECT_EQ(0, get(self->l, &u));
	EXPECT_EQ(sizeof(u), u.arg.size);
	EXPECT_EQ(0, rules_set(self->l, self->old));
	EXPECT_EQ(1, rules_code(self->l, NULL));
}

/* None of the rules is to blame, and none is named. */
TEST_F(bad, rule_size)
{
	static const struct {
		__u32 size;
		int err;
	} sizes[] = {
		{ 0, -EINVAL },
		{ 8, -EINVAL },
		{ PARLEY_RULE_SIZE_VER0 - 8, -EINVAL },
		{ PARLEY_RULE_SIZE_VER0 - 1, -EINVAL },
		{ 65536, -E2BIG },
		{ UINT32_MAX, -E2BIG },
	};
	struct rules *t = self->t;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		t->arg.rule_size = sizes[i].size;
		EXPECT_TRUE(rules_set_fails(self->l, t, sizes[i].err,
					    PARLEY_RULE_NONE,
					    PARLEY_FIELD_NONE));
		EXPECT_EQ(sizes[i].err, get(self->l, &t->arg));
	}
}

#define LARGER	(sizeof(struct parley_rule) + 24)

/* Rules that are longer than ours: what they say more must be nothing. */
TEST_F(bad, larger_rule_size)
{
	struct rules *t = self->t;
	char *rules = calloc(RULES, LARGER);
	unsigned int i;

	ASSERT_NE(NULL, rules);
	for (i = 0; i < RULES; i++) {
		t->rule[i].then.code = 100 + i;
		memcpy(rules + i * LARGER, &t->rule[i], sizeof(*t->rule));
	}
	t->arg.rule_size = LARGER;
	t->arg.rules = (uintptr_t)rules;
	for (i = sizeof(*t->rule); i < LARGER; i++) {
		rules[(i % RULES) * LARGER + i] = 1;
		EXPECT_TRUE(rules_set_fails(self->l, t, -E2BIG,
					    PARLEY_RULE_NONE,
					    PARLEY_FIELD_NONE));
		rules[(i % RULES) * LARGER + i] = 0;
	}
	ASSERT_EQ(0, rules_set(self->l, t));
	EXPECT_TRUE(rules_is(self->l, t));
	/* Read back the same way: zeroes where we know nothing. */
	memset(rules, 0xee, RULES * LARGER);
	EXPECT_EQ(0, get(self->l, &t->arg));
	for (i = 0; i < RULES * LARGER; i++)
		EXPECT_EQ(i % LARGER < sizeof(*t->rule) ?
			  ((char *)&t->rule[i / LARGER])[i % LARGER] : 0,
			  rules[i]);
	EXPECT_EQ(0, rules_set(self->l, self->old));
	EXPECT_EQ(1, rules_code(self->l, NULL));
}

/* Two pages, of which the second is not there. */
static char *edge(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *at = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED || munmap(at + page, page))
		return NULL;
	return at + page;
}

TEST_F(bad, pointers)
{
	struct rules *t = self->t;
	char *end = edge();
	struct {
		__u64 rules;
		__u64 pool;
	} bad[] = {
		{ 0, t->arg.pool },
		{ 1, t->arg.pool },
		{ UINT64_MAX, t->arg.pool },
		{ 1ULL << 63, t->arg.pool },
		{ (uintptr_t)end, t->arg.pool },
		/* All but the last byte of the last rule. */
		{ (uintptr_t)end - RULES * sizeof(*t->rule) + 1, t->arg.pool },
		{ t->arg.rules, 0 },
		{ t->arg.rules, UINT64_MAX },
		{ t->arg.rules, (uintptr_t)end },
		{ t->arg.rules, (uintptr_t)end - POOL + 1 },
	};
	unsigned int i;

	ASSERT_NE(NULL, end);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		t->arg.rules = bad[i].rules;
		t->arg.pool = bad[i].pool;
		EXPECT_TRUE(rules_set_fails(self->l, t, -EFAULT,
					    PARLEY_RULE_NONE,
					    PARLEY_FIELD_NONE));
	}
	EXPECT_EQ(-EFAULT, set(self->l, NULL));
	EXPECT_EQ(-EFAULT, set(self->l, end));
	/* The size is there, the rest is not. */
	memcpy(end - 4, &t->arg.size, 4);
	EXPECT_EQ(-EFAULT, set(self->l, end - 4));
}

TEST_F(bad, pointers_to_get)
{
	struct rules *t = self->t;
	char *end = edge();
	struct parley_rules *arg = &t->arg;

	ASSERT_NE(NULL, end);
	rules_bytes(self->old, "pool", 4);
	ASSERT_EQ(0, rules_set(self->l, self->old));
	ASSERT_EQ(1, rules_code(self->l, NULL));
	arg->rules = (uintptr_t)end - sizeof(*t->rule) + 1;
	EXPECT_EQ(-EFAULT, get(self->l, arg));
	arg->rules = 0;
	EXPECT_EQ(-EFAULT, get(self->l, arg));
	arg->rules = (uintptr_t)t->rule;
	arg->count = 1;
	arg->pool = (uintptr_t)end - 3;
	arg->pool_len = POOL;
	EXPECT_EQ(-EFAULT, get(self->l, arg));
	EXPECT_EQ(-EFAULT, get(self->l, NULL));
	memcpy(end - 4, &arg->size, 4);
	EXPECT_EQ(-EFAULT, get(self->l, end - 4));
	/* Up to the edge there is room. */
	arg->rules = (uintptr_t)end - sizeof(*t->rule);
	arg->pool = (uintptr_t)t->pool;
	EXPECT_EQ(0, get(self->l, arg));
	EXPECT_EQ(0, memcmp(end - sizeof(*t->rule), self->old->rule,
			    sizeof(*t->rule)));
}

TEST_HARNESS_MAIN
