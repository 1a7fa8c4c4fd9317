// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of rule.c: which calls a rule is meant for. What a rule may say is in
 * rule_check_kunit.c, how often it applies in rule_rate_kunit.c.
 */
#include <kunit/test.h>
#include <linux/cred.h>
#include <linux/user_namespace.h>

#include "../rule.c"

#define NO_ID		U32_MAX
#define ANY		PARLEY_QOS_UNSPECIFIED
#define RULE_GROUPS	3

#define IP_MAPPED(a, b, c, d) \
	{ .s6_addr = { [10] = 0xff, 0xff, (a), (b), (c), (d) } }
#define IP_DB8(n)	{ .s6_addr = { 0x20, 0x01, 0x0d, 0xb8, [15] = (n) } }

static const struct in6_addr rule_v4 = IP_MAPPED(192, 168, 85, 170);
static const struct in6_addr rule_v6 = {
	.s6_addr = { 0x20, 0x01, 0x0d, 0xb8, 0x5a, 0xa5, 0, 0xff,
		     0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf1 },
};

/* A user namespace for its maps alone: its ids 0 to 9 are 1000 and on. */
static struct user_namespace *rule_namespace(struct kunit *test)
{
	const struct uid_gid_extent extent = { 0, 1000, 10 };
	struct user_namespace *ns;

	ns = kunit_kzalloc(test, sizeof(*ns), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ns);
	ns->uid_map.nr_extents = 1;
	ns->uid_map.extent[0] = extent;
	ns->gid_map.nr_extents = 1;
	ns->gid_map.extent[0] = extent;
	return ns;
}

static struct group_info *rule_groups(struct kunit *test, int n)
{
	struct group_info *groups;

	groups = kunit_kzalloc(test, struct_size(groups, gid, n), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, groups);
	groups->ngroups = n;
	return groups;
}

/* Somebody whom the rules of these tests do not know. */
static struct parley_subject rule_nobody(struct user_namespace *ns)
{
	const struct parley_subject s = {
		.ns	= ns,
		.caller	= &rule_v6,
		.port	= 7000,
		.uid	= (uid_t)-1,
		.gid	= INVALID_GID,
		.qos	= &parley_qos_none,
	};

	return s;
}

/* @from with the bits beyond @prefix cleared. */
static void rule_set_caller(struct parley_rule *r, const struct in6_addr *from,
			    unsigned int prefix)
{
	unsigned int bit;

	r->match |= PARLEY_MATCH_CALLER;
	r->caller_prefix = prefix;
	memset(r->caller, 0, sizeof(r->caller));
	for (bit = 0; bit < prefix; bit++)
		r->caller[bit / 8] |= from->s6_addr[bit / 8] & 0x80 >> bit % 8;
}

/* Each bit of an address against each prefix: does it count? */
static void rule_expect_prefixes(struct kunit *test,
				 const struct in6_addr *from)
{
	struct parley_subject s = rule_nobody(&init_user_ns);
	unsigned int prefix, bit;
	struct in6_addr caller;

	s.caller = &caller;
	for (prefix = 0; prefix <= 128; prefix++) {
		struct parley_rule r = { };

		rule_set_caller(&r, from, prefix);
		caller = *from;
		KUNIT_ASSERT_TRUE_MSG(test, parley_rule_matches(&r, NULL, &s),
				      "%pI6c/%u", from, prefix);
		for (bit = 0; bit < 128; bit++) {
			caller = *from;
			caller.s6_addr[bit / 8] ^= 0x80 >> bit % 8;
			KUNIT_ASSERT_EQ_MSG(test,
					    parley_rule_matches(&r, NULL, &s),
					    bit >= prefix, "%pI6c in %pI6c/%u",
					    &caller, from, prefix);
		}
	}
}

static void rule_test_prefixes(struct kunit *test)
{
	static const struct in6_addr any = { };

	rule_expect_prefixes(test, &rule_v4);
	rule_expect_prefixes(test, &rule_v6);
	rule_expect_prefixes(test, &any);
}

/**
 * struct rule_caller_case - networks, and who is in them
 * @name: what is special about it
 * @net: the rule's address
 * @prefix: how much of it counts
 * @caller: who calls
 * @hit: whether it is in there
 */
struct rule_caller_case {
	const char *name;
	struct in6_addr net;
	u32 prefix;
	struct in6_addr caller;
	bool hit;
};

static const struct rule_caller_case rule_caller_cases[] = {
	{ "IPv4 host", IP_MAPPED(10, 1, 2, 3), 128, IP_MAPPED(10, 1, 2, 3),
	  true },
	{ "IPv4 neighbour", IP_MAPPED(10, 1, 2, 3), 128,
	  IP_MAPPED(10, 1, 2, 2), false },
	{ "IPv4 /31", IP_MAPPED(10, 1, 2, 2), 127, IP_MAPPED(10, 1, 2, 3),
	  true },
	{ "IPv4 /31, next", IP_MAPPED(10, 1, 2, 2), 127,
	  IP_MAPPED(10, 1, 2, 4), false },
	{ "IPv4 /16", IP_MAPPED(192, 168, 0, 0), 112,
	  IP_MAPPED(192, 168, 255, 255), true },
	{ "IPv4 /16, below", IP_MAPPED(192, 168, 0, 0), 112,
	  IP_MAPPED(192, 167, 255, 255), false },
	{ "IPv4 /16, above", IP_MAPPED(192, 168, 0, 0), 112,
	  IP_MAPPED(192, 169, 0, 0), false },
	{ "IPv4 /1, low", IP_MAPPED(0, 0, 0, 0), 97,
	  IP_MAPPED(127, 255, 255, 255), true },
	{ "IPv4 /1, high", IP_MAPPED(0, 0, 0, 0), 97,
	  IP_MAPPED(128, 0, 0, 0), false },
	{ "all of IPv4, low", IP_MAPPED(0, 0, 0, 0), 96,
	  IP_MAPPED(0, 0, 0, 0), true },
	{ "all of IPv4, high", IP_MAPPED(0, 0, 0, 0), 96,
	  IP_MAPPED(255, 255, 255, 255), true },
	{ "IPv6 not in all of IPv4", IP_MAPPED(0, 0, 0, 0), 96, IP_DB8(1),
	  false },
	{ "::1 not in all of IPv4", IP_MAPPED(0, 0, 0, 0), 96,
	  { .s6_addr = { [15] = 1 } }, false },
	{ "IPv4 in ::fffe:0:0/95", { .s6_addr = { [10] = 0xff, 0xfe } }, 95,
	  IP_MAPPED(1, 2, 3, 4), true },
	{ "IPv6 in ::fffe:0:0/95", { .s6_addr = { [10] = 0xff, 0xfe } }, 95,
	  { .s6_addr = { [10] = 0xff, 0xfe, 1, 2, 3, 4 } }, true },
	{ "IPv6 in ::/0", { }, 0, IP_DB8(1), true },
	{ "IPv4 in ::/0", { }, 0, IP_MAPPED(1, 2, 3, 4), true },
	{ "IPv4 in ::/1", { }, 1, IP_MAPPED(1, 2, 3, 4), true },
	{ "ffff:: not in ::/1", { }, 1, { .s6_addr = { 0xff, 0xff } }, false },
	{ "IPv6 host", IP_DB8(1), 128, IP_DB8(1), true },
	{ "IPv6 neighbour", IP_DB8(1), 128, IP_DB8(0), false },
};

static void rule_caller_desc(const struct rule_caller_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(rule_caller, rule_caller_cases, rule_caller_desc);

static void rule_test_caller(struct kunit *test)
{
	const struct rule_caller_case *c = test->param_value;
	struct parley_subject s = rule_nobody(&init_user_ns);
	struct parley_rule r = {
		.match = PARLEY_MATCH_CALLER,
		.caller_prefix = c->prefix,
	};

	memcpy(r.caller, &c->net, sizeof(r.caller));
	s.caller = &c->caller;
	KUNIT_EXPECT_EQ(test, parley_rule_matches(&r, NULL, &s), c->hit);
}

/* Ranges from each of these to each: which of them are within? */
static void rule_test_port(struct kunit *test)
{
	static const u16 ports[] = {
		0, 1, 2, 255, 256, 257, 7000, 32767, 32768, 65534, 65535,
	};
	struct parley_subject s = rule_nobody(&init_user_ns);
	struct parley_rule r = { .match = PARLEY_MATCH_PORT };
	unsigned int i, j, k;
	bool hit;

	for (i = 0; i < ARRAY_SIZE(ports); i++)
		for (j = i; j < ARRAY_SIZE(ports); j++)
			for (k = 0; k < ARRAY_SIZE(ports); k++) {
				r.port_min = ports[i];
				r.port_max = ports[j];
				s.port = ports[k];
				hit = parley_rule_matches(&r, NULL, &s);
				KUNIT_EXPECT_EQ_MSG(test, hit,
						    i <= k && k <= j,
						    "%u in %u-%u", s.port,
						    r.port_min, r.port_max);
			}
}

/* Numbers of 64 bits are compared as a whole. */
static void rule_test_numbers(struct kunit *test)
{
	static const u64 numbers[] = {
		0, 1, 2, U32_MAX, 1ULL << 32, (1ULL << 32) + 1, 1ULL << 63,
		U64_MAX,
	};
	const struct parley_subject none = rule_nobody(&init_user_ns);
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		const struct parley_rule cgroup = {
			.match = PARLEY_MATCH_CGROUP,
			.cgroup_id = numbers[i],
		};
		const struct parley_rule group = {
			.match = PARLEY_MATCH_GROUP,
			.group = numbers[i],
		};

		for (j = 0; j < ARRAY_SIZE(numbers); j++) {
			struct parley_subject s = none;

			/* The other number is never the rule's. */
			s.group = numbers[j];
			s.cgroup_id = numbers[i] + 3;
			KUNIT_EXPECT_EQ(test,
					parley_rule_matches(&group, NULL, &s),
					i == j);
			s.cgroup_id = numbers[j];
			s.group = numbers[i] + 3;
			KUNIT_EXPECT_EQ(test,
					parley_rule_matches(&cgroup, NULL, &s),
					i == j);
		}
	}
}

/**
 * struct rule_id_case - a range of ids, and who is in it
 * @min: the rule's
 * @max: likewise
 * @id: whom the caller is, as the first namespace has it
 * @inside: as the rules' namespace has it; NO_ID if it has not
 * @hit: whether @inside is in the range
 */
struct rule_id_case {
	u32 min;
	u32 max;
	u32 id;
	u32 inside;
	bool hit;
};

static const struct rule_id_case rule_id_cases[] = {
	{ 0, 0, 0, 0, true },
	{ 0, 0, 1, 1, false },
	{ 1, 1, 0, 0, false },
	{ 1000, 1999, 999, 999, false },
	{ 1000, 1999, 1000, 1000, true },
	{ 1000, 1999, 1500, 1500, true },
	{ 1000, 1999, 1999, 1999, true },
	{ 1000, 1999, 2000, 2000, false },
	{ 0, NO_ID - 1, 0, 0, true },
	{ 0, NO_ID - 1, NO_ID - 1, NO_ID - 1, true },
	{ 0, NO_ID - 1, NO_ID, NO_ID, false },
	{ 0, 0, NO_ID, NO_ID, false },
	{ NO_ID - 1, NO_ID - 1, NO_ID - 1, NO_ID - 1, true },
	{ NO_ID - 1, NO_ID - 1, NO_ID - 2, NO_ID - 2, false },
	{ NO_ID - 1, NO_ID - 1, NO_ID, NO_ID, false },
	{ NO_ID - 1, NO_ID - 1, 0, 0, false },
	{ 0x80000000, 0x80000000, 0x80000000, 0x80000000, true },
	{ 0x80000000, 0x80000000, 0x7fffffff, 0x7fffffff, false },

	/* In a namespace: by its own numbers, or not at all. */
	{ 0, 0, 1000, 0, true },
	{ 5, 7, 1004, 4, false },
	{ 5, 7, 1005, 5, true },
	{ 5, 7, 1007, 7, true },
	{ 5, 7, 1008, 8, false },
	{ 9, 9, 1009, 9, true },
	{ 1000, 1009, 1005, 5, false },
	{ 0, NO_ID - 1, 1000, 0, true },
	{ 0, NO_ID - 1, 1009, 9, true },
	{ 0, NO_ID - 1, 999, NO_ID, false },
	{ 0, NO_ID - 1, 1010, NO_ID, false },
	{ 0, NO_ID - 1, 0, NO_ID, false },
	{ 5, 5, 5, NO_ID, false },
	{ 0, NO_ID - 1, NO_ID - 1, NO_ID, false },
	/* The overflow id is nobody's id. */
	{ 65534, 65534, 5, NO_ID, false },
};

static void rule_id_desc(const struct rule_id_case *c, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u, here %u, in %u-%u", c->id,
		 c->inside, c->min, c->max);
}

KUNIT_ARRAY_PARAM(rule_id, rule_id_cases, rule_id_desc);

static struct user_namespace *rule_id_namespace(struct kunit *test,
						const struct rule_id_case *c)
{
	return c->id == c->inside ? &init_user_ns : rule_namespace(test);
}

static void rule_test_uid(struct kunit *test)
{
	const struct rule_id_case *c = test->param_value;
	struct parley_subject s = rule_nobody(rule_id_namespace(test, c));
	const struct parley_rule r = {
		.match = PARLEY_MATCH_UID,
		.uid_min = c->min,
		.uid_max = c->max,
	};

	/* The group that would fit does not count. */
	s.gid = KGIDT_INIT(c->id);
	KUNIT_EXPECT_FALSE(test, parley_rule_matches(&r, NULL, &s));
	s.uid = from_kuid(s.ns, KUIDT_INIT(c->id));
	s.gid = INVALID_GID;
	KUNIT_EXPECT_EQ(test, parley_rule_matches(&r, NULL, &s), c->hit);
}

/* The effective group, or any of the others. */
static void rule_test_gid(struct kunit *test)
{
	const struct rule_id_case *c = test->param_value;
	struct parley_subject s = rule_nobody(rule_id_namespace(test, c));
	struct group_info *groups = rule_groups(test, RULE_GROUPS);
	const struct parley_rule r = {
		.match = PARLEY_MATCH_GID,
		.gid_min = c->min,
		.gid_max = c->max,
	};
	unsigned int i;

	s.uid = from_kuid(s.ns, KUIDT_INIT(c->id));
	KUNIT_EXPECT_FALSE(test, parley_rule_matches(&r, NULL, &s));
	s.gid = KGIDT_INIT(c->id);
	KUNIT_EXPECT_EQ(test, parley_rule_matches(&r, NULL, &s), c->hit);
	s.groups = groups;
	groups->ngroups = 0;
	KUNIT_EXPECT_EQ(test, parley_rule_matches(&r, NULL, &s), c->hit);
	groups->ngroups = RULE_GROUPS;
	s.gid = INVALID_GID;
	for (i = 0; i < RULE_GROUPS; i++) {
		memset(groups->gid, 0xff, RULE_GROUPS * sizeof(kgid_t));
		KUNIT_EXPECT_FALSE(test, parley_rule_matches(&r, NULL, &s));
		groups->gid[i] = KGIDT_INIT(c->id);
		KUNIT_EXPECT_EQ_MSG(test, parley_rule_matches(&r, NULL, &s),
				    c->hit, "group %u", i);
	}
	/* One more than there are. */
	groups->ngroups = RULE_GROUPS - 1;
	KUNIT_EXPECT_FALSE(test, parley_rule_matches(&r, NULL, &s));
}

/**
 * struct rule_qos_case - bounds, and what is asked
 * @name: what is special about it
 * @send: token rate that the caller asks for
 * @recv: likewise
 * @services: the service of send and that of recv
 * @bounds: the rule's
 * @hit: whether they are kept
 */
struct rule_qos_case {
	const char *name;
	u32 send;
	u32 recv;
	u32 services[2];
	struct parley_rule_qos bounds;
	bool hit;
};

#define BE		PARLEY_SERVICE_BESTEFFORT
#define NT		PARLEY_SERVICE_NOTRAFFIC
#define GU		PARLEY_SERVICE_GUARANTEED

static const struct rule_qos_case rule_qos_cases[] = {
	{ "anything", 5, 6, { BE, BE }, { 0, ANY, 0, ANY, 15 }, true },
	{ "zeroes", 0, 0, { NT, NT }, { 0, 0, 0, 0, 15 }, true },
	{ "send at minimum", 100, 5, { BE, BE }, { 100, 200, 0, ANY, 15 },
	  true },
	{ "send below", 99, 5, { BE, BE }, { 100, 200, 0, ANY, 15 }, false },
	{ "send at maximum", 200, 5, { BE, BE }, { 100, 200, 0, ANY, 15 },
	  true },
	{ "send above", 201, 5, { BE, BE }, { 100, 200, 0, ANY, 15 }, false },
	{ "recv at minimum", 5, 100, { BE, BE }, { 0, ANY, 100, 200, 15 },
	  true },
	{ "recv below", 5, 99, { BE, BE }, { 0, ANY, 100, 200, 15 }, false },
	{ "recv at maximum", 5, 200, { BE, BE }, { 0, ANY, 100, 200, 15 },
	  true },
	{ "recv above", 5, 201, { BE, BE }, { 0, ANY, 100, 200, 15 }, false },
	{ "send's bound for recv", 150, 300, { BE, BE },
	  { 250, 350, 100, 200, 15 }, false },
	{ "unsaid, no limit", ANY, ANY, { BE, BE }, { 1, ANY, 1, ANY, 15 },
	  true },
	{ "unsaid send, limit", ANY, 5, { BE, BE }, { 0, ANY - 1, 0, ANY, 15 },
	  false },
	{ "unsaid recv, limit", 5, ANY, { BE, BE }, { 0, ANY, 0, ANY - 1, 15 },
	  false },
	{ "said at the limit", ANY - 1, ANY - 1, { BE, BE },
	  { 0, ANY - 1, 0, ANY - 1, 15 }, true },
	{ "only unsaid", ANY, 5, { BE, BE }, { ANY, ANY, 0, ANY, 15 }, true },
	{ "only unsaid, said", ANY - 1, 5, { BE, BE }, { ANY, ANY, 0, ANY, 15 },
	  false },
	{ "service of both", 5, 5, { GU, GU }, { 0, ANY, 0, ANY, BIT(GU) },
	  true },
	{ "service of send", 5, 5, { GU, BE }, { 0, ANY, 0, ANY, BIT(GU) },
	  true },
	{ "service of recv", 5, 5, { BE, GU }, { 0, ANY, 0, ANY, BIT(GU) },
	  true },
	{ "service of none", 5, 5, { BE, NT }, { 0, ANY, 0, ANY, BIT(GU) },
	  false },
	{ "all but one service", 5, 5, { GU, GU },
	  { 0, ANY, 0, ANY, 15 & ~BIT(GU) }, false },
	{ "no traffic", 5, 5, { NT, BE }, { 0, ANY, 0, ANY, BIT(NT) }, true },
	{ "traffic", 5, 5, { BE, BE }, { 0, ANY, 0, ANY, BIT(NT) }, false },
	{ "service fits, rate not", 5, 5, { GU, GU },
	  { 6, ANY, 0, ANY, BIT(GU) }, false },
};

static void rule_qos_desc(const struct rule_qos_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(rule_qos, rule_qos_cases, rule_qos_desc);

static void rule_test_qos(struct kunit *test)
{
	const struct rule_qos_case *c = test->param_value;
	struct parley_subject s = rule_nobody(&init_user_ns);
	struct parley_qos qos = parley_qos_none;
	const struct parley_rule r = {
		.match = PARLEY_MATCH_QOS,
		.qos = c->bounds,
	};

	qos.send.token_rate = c->send;
	qos.recv.token_rate = c->recv;
	qos.send.service = c->services[0];
	qos.recv.service = c->services[1];
	s.qos = &qos;
	KUNIT_EXPECT_EQ(test, parley_rule_matches(&r, NULL, &s), c->hit);
}

/* A rule that asks for something of each kind; this pool is its. */
static const u8 rule_all_pool[] = "Nixie";

static const struct parley_rule rule_all = {
	.match		= PARLEY_MATCH_ALL,
	.caller		= { 0x20, 0x01, 0x0d, 0xb8 },
	.caller_prefix	= 32,
	.port_min	= 7000,
	.port_max	= 7099,
	.uid_min	= 1000,
	.uid_max	= 1999,
	.gid_min	= 100,
	.gid_max	= 199,
	.cgroup_id	= 77,
	.group		= 42,
	.data_offset	= 2,
	.data_len	= 3,
	.data_value	= 2,
	.data_mask	= 2,
	.qos		= { 10, 20, 30, 40, BIT(BE) },
};

/* A call that is all that rule asks for, but for the kinds in @misses. */
static void rule_call_all(struct parley_subject *s, struct parley_qos *qos,
			  u32 misses)
{
	*qos = parley_qos_none;
	qos->send.token_rate = misses & PARLEY_MATCH_QOS ? 9 : 10;
	qos->recv.token_rate = 40;
	s->qos = qos;
	s->caller = misses & PARLEY_MATCH_CALLER ? &rule_v4 : &rule_v6;
	s->port = misses & PARLEY_MATCH_PORT ? 7100 : 7050;
	s->uid = from_kuid(s->ns,
			   KUIDT_INIT(misses & PARLEY_MATCH_UID ?
				      2000 : 1999));
	s->gid = KGIDT_INIT(misses & PARLEY_MATCH_GID ? 99 : 100);
	s->cgroup_id = misses & PARLEY_MATCH_CGROUP ? 78 : 77;
	s->group = misses & PARLEY_MATCH_GROUP ? 0 : 42;
	s->data = misses & PARLEY_MATCH_DATA ? "Noxia" : "Pixie";
	s->data_len = 5;
}

/* Each set of kinds that are asked for, against each set that do not fit. */
static void rule_test_sets(struct kunit *test)
{
	struct parley_subject s = rule_nobody(&init_user_ns);
	struct parley_rule r = rule_all;
	struct parley_qos qos;
	u32 misses;

	for (misses = 0; misses <= PARLEY_MATCH_ALL; misses++) {
		rule_call_all(&s, &qos, misses);
		for (r.match = 0; r.match <= PARLEY_MATCH_ALL; r.match++)
			KUNIT_ASSERT_EQ_MSG(test,
					    parley_rule_matches(&r,
								rule_all_pool,
								&s),
					    !(r.match & misses),
					    "asks for %#x, misses %#x",
					    r.match, misses);
	}
}

/* Who says nothing is matched by who asks nothing, and by nobody else. */
static void rule_test_nothing(struct kunit *test)
{
	const struct parley_subject s = rule_nobody(&init_user_ns);
	struct parley_rule r = { };

	KUNIT_EXPECT_TRUE(test, parley_rule_matches(&r, NULL, &s));
	r.match = PARLEY_MATCH_GROUP | PARLEY_MATCH_CGROUP;
	KUNIT_EXPECT_TRUE(test, parley_rule_matches(&r, NULL, &s));
	r.group = 1;
	KUNIT_EXPECT_FALSE(test, parley_rule_matches(&r, NULL, &s));
}

static struct kunit_case rule_cases[] = {
	KUNIT_CASE(rule_test_prefixes),
	KUNIT_CASE_PARAM(rule_test_caller, rule_caller_gen_params),
	KUNIT_CASE(rule_test_port),
	KUNIT_CASE(rule_test_numbers),
	KUNIT_CASE_PARAM(rule_test_uid, rule_id_gen_params),
	KUNIT_CASE_PARAM(rule_test_gid, rule_id_gen_params),
	KUNIT_CASE_PARAM(rule_test_qos, rule_qos_gen_params),
	KUNIT_CASE(rule_test_sets),
	KUNIT_CASE(rule_test_nothing),
	{}
};

static struct kunit_suite rule_suite = {
	.name = "parley-rule",
	.test_cases = rule_cases,
};

kunit_test_suite(rule_suite);
