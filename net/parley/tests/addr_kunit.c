// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of addr.c: what is taken from user space and what is given to it,
 * byte by byte, and which addresses stand in each other's way.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "../addr.c"

#define PORT		4321
#define POISON		0xa5

#define IP_MAPPED(a, b, c, d) \
	{ .s6_addr = { [10] = 0xff, 0xff, (a), (b), (c), (d) } }
#define IP_DB8(n)	{ .s6_addr = { 0x20, 0x01, 0x0d, 0xb8, [15] = (n) } }
#define IP_LINK(n)	{ .s6_addr = { 0xfe, 0x80, [15] = (n) } }
#define IP_LOOPBACK	{ .s6_addr = { [15] = 1 } }
#define IP_ANY		{ .s6_addr = { 0 } }

#define SIN(a, b, c, d) \
	{ .v4 = { .sin_family = AF_INET, .sin_port = htons(PORT), \
		  .sin_addr.s_addr = htonl((u32)(a) << 24 | (b) << 16 | \
					   (c) << 8 | (d)) } }
#define SIN6(scope, ...) \
	{ .v6 = { .sin6_family = AF_INET6, .sin6_port = htons(PORT), \
		  .sin6_flowinfo = htonl(0x12345), \
		  .sin6_addr = __VA_ARGS__, .sin6_scope_id = (scope) } }
#define LEN4		((int)sizeof(struct sockaddr_in))
#define LEN6		((int)sizeof(struct sockaddr_in6))

/*
 * All of an address is a hash key, padding included. Names the address, since
 * memcmp() alone would not say what differs.
 */
static void addr_expect(struct kunit *test, const struct parley_addr *got,
			const struct parley_addr *want)
{
	KUNIT_EXPECT_EQ_MSG(test, memcmp(got, want, sizeof(*got)), 0,
			    "got %pI6c scope %u port %u pad %u, want %pI6c",
			    &got->ip, got->scope, ntohs(got->port), got->pad,
			    &want->ip);
}

/**
 * struct addr_parse_case - one address as user space passes it
 * @name: what is special about it
 * @from: the address; ports are PORT
 * @len: its length
 * @fixed: the family that the socket has, 0 if none yet
 * @err: expected result
 * @ip: expected address, where there is no error
 * @scope: expected scope
 */
struct addr_parse_case {
	const char *name;
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		u8 raw[sizeof(struct sockaddr_storage)];
	} from;
	int len;
	u8 fixed;
	int err;
	struct in6_addr ip;
	u32 scope;
};

static const struct addr_parse_case addr_parse_cases[] = {
	/* lengths */
	{ "negative", SIN(127, 0, 0, 1), -1, 0, -EINVAL },
	{ "nothing", SIN(127, 0, 0, 1), 0, 0, -EINVAL },
	{ "half a family", SIN(127, 0, 0, 1), 1, 0, -EINVAL },
	{ "only a family, IPv4", SIN(127, 0, 0, 1), 2, 0, -EINVAL },
	{ "only a family, IPv6", SIN6(0, IP_LOOPBACK), 2, 0, -EINVAL },
	{ "short IPv4", SIN(127, 0, 0, 1), LEN4 - 1, 0, -EINVAL },
	{ "short IPv6", SIN6(0, IP_LOOPBACK), LEN6 - 1, 0, -EINVAL },
	{ "IPv6 as long as IPv4", SIN6(0, IP_LOOPBACK), LEN4, 0, -EINVAL },
	{ "IPv6 without scope", SIN6(0, IP_LOOPBACK), LEN6 - 4, 0, -EINVAL },
	{ "IPv4", SIN(127, 0, 0, 1), LEN4, 0, 0, IP_MAPPED(127, 0, 0, 1) },
	{ "IPv6", SIN6(0, IP_LOOPBACK), LEN6, 0, 0, IP_LOOPBACK },
	{ "long IPv4", SIN(10, 1, 2, 3), LEN4 + 1, 0, 0,
	  IP_MAPPED(10, 1, 2, 3) },
	{ "IPv4 in a storage", SIN(10, 1, 2, 3),
	  sizeof(struct sockaddr_storage), 0, 0, IP_MAPPED(10, 1, 2, 3) },
	{ "IPv6 in a storage", SIN6(0, IP_DB8(1)),
	  sizeof(struct sockaddr_storage), 0, 0, IP_DB8(1) },

	/* families */
	{ "AF_UNSPEC", { .sa.sa_family = AF_UNSPEC }, LEN6, 0, -EAFNOSUPPORT },
	{ "AF_UNIX", { .sa.sa_family = AF_UNIX }, LEN6, 0, -EAFNOSUPPORT },
	{ "AF_PARLEY", { .sa.sa_family = AF_PARLEY }, LEN6, 0, -EAFNOSUPPORT },
	{ "family above a byte", { .sa.sa_family = 256 + AF_INET }, LEN6, 0,
	  -EAFNOSUPPORT },
	{ "only a family, AF_UNSPEC", { .sa.sa_family = AF_UNSPEC }, 2, 0,
	  -EAFNOSUPPORT },
	{ "IPv4 on IPv4", SIN(127, 0, 0, 1), LEN4, AF_INET, 0,
	  IP_MAPPED(127, 0, 0, 1) },
	{ "IPv6 on IPv4", SIN6(0, IP_LOOPBACK), LEN6, AF_INET, -EAFNOSUPPORT },
	{ "IPv6 on IPv6", SIN6(0, IP_LOOPBACK), LEN6, AF_INET6, 0,
	  IP_LOOPBACK },
	{ "IPv4 on IPv6", SIN(127, 0, 0, 1), LEN4, AF_INET6, -EAFNOSUPPORT },
	{ "short IPv6 on IPv4", SIN6(0, IP_LOOPBACK), 2, AF_INET,
	  -EAFNOSUPPORT },

	/* wildcards, and IPv4 in IPv6's form */
	{ "0.0.0.0", SIN(0, 0, 0, 0), LEN4, 0, 0, IP_MAPPED(0, 0, 0, 0) },
	{ "::", SIN6(0, IP_ANY), LEN6, 0, 0, IP_ANY },
	{ "mapped", SIN6(0, IP_MAPPED(10, 1, 2, 3)), LEN6, 0, 0,
	  IP_MAPPED(10, 1, 2, 3) },
	{ "mapped wildcard", SIN6(0, IP_MAPPED(0, 0, 0, 0)), LEN6, AF_INET6, 0,
	  IP_MAPPED(0, 0, 0, 0) },
	{ "mapped on IPv4", SIN6(0, IP_MAPPED(10, 1, 2, 3)), LEN6, AF_INET,
	  -EAFNOSUPPORT },

	/* scopes: link-local addresses need one, others must not keep one */
	{ "link-local", SIN6(7, IP_LINK(1)), LEN6, 0, 0, IP_LINK(1), 7 },
	{ "link-local, high scope", SIN6(0xfffffff0u, IP_LINK(1)), LEN6, 0, 0,
	  IP_LINK(1), 0xfffffff0u },
	{ "link-local without scope", SIN6(0, IP_LINK(1)), LEN6, 0, -EINVAL },
	{ "global with scope", SIN6(7, IP_DB8(1)), LEN6, 0, 0, IP_DB8(1) },
	{ "loopback with scope", SIN6(7, IP_LOOPBACK), LEN6, 0, 0,
	  IP_LOOPBACK },
	{ ":: with scope", SIN6(7, IP_ANY), LEN6, 0, 0, IP_ANY },
	{ "mapped link-local with scope", SIN6(7, IP_MAPPED(169, 254, 1, 1)),
	  LEN6, 0, 0, IP_MAPPED(169, 254, 1, 1) },
	{ "IPv4 link-local", SIN(169, 254, 1, 1), LEN4, 0, 0,
	  IP_MAPPED(169, 254, 1, 1) },
};

static void addr_parse_desc(const struct addr_parse_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(addr_parse, addr_parse_cases, addr_parse_desc);

static void addr_test_parse(struct kunit *test)
{
	const struct addr_parse_case *c = test->param_value;
	u8 copied, family = c->fixed;
	struct parley_addr addr, want;
	void *from;

	/*
	 * No byte more than @len in an allocation of its own: reading further
	 * is for KASAN to find.
	 */
	copied = clamp_t(int, c->len, 0, sizeof(c->from));
	from = kunit_kzalloc(test, copied ?: 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, from);
	memcpy(from, &c->from, copied);

	memset(&addr, POISON, sizeof(addr));
	KUNIT_ASSERT_EQ(test,
			parley_addr_parse(&addr, &family, from, c->len),
			c->err);
	if (c->err) {
		KUNIT_EXPECT_EQ(test, family, c->fixed);
		return;
	}

	memset(&want, 0, sizeof(want));
	want.ip = c->ip;
	want.scope = c->scope;
	want.port = htons(PORT);
	addr_expect(test, &addr, &want);
	KUNIT_EXPECT_EQ(test, family, c->from.sa.sa_family);
}

/* A hash key may have no padding that assignment would not copy. */
static void addr_test_key(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, sizeof(struct parley_addr),
			sizeof(struct in6_addr) + sizeof(u32) +
			sizeof(__be16) + sizeof(u16));
}

/**
 * struct addr_fill_case - one address as user space gets it
 * @name: what is special about it
 * @ip: the address; ports are PORT
 * @scope: its scope
 * @family: the form that the socket uses
 * @want: expected address
 * @len: its length
 */
struct addr_fill_case {
	const char *name;
	struct in6_addr ip;
	u32 scope;
	u8 family;
	union {
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} want;
	int len;
};

#define FILLED6(scope, ...) \
	{ .v6 = { .sin6_family = AF_INET6, .sin6_port = htons(PORT), \
		  .sin6_addr = __VA_ARGS__, .sin6_scope_id = (scope) } }

static const struct addr_fill_case addr_fill_cases[] = {
	{ "IPv4", IP_MAPPED(10, 1, 2, 3), 0, AF_INET, SIN(10, 1, 2, 3), LEN4 },
	{ "IPv4, no family yet", IP_MAPPED(10, 1, 2, 3), 0, 0,
	  SIN(10, 1, 2, 3), LEN4 },
	{ "0.0.0.0", IP_MAPPED(0, 0, 0, 0), 0, AF_INET, SIN(0, 0, 0, 0),
	  LEN4 },
	{ "IPv4 on IPv6", IP_MAPPED(10, 1, 2, 3), 0, AF_INET6,
	  FILLED6(0, IP_MAPPED(10, 1, 2, 3)), LEN6 },
	{ "IPv6", IP_DB8(1), 0, AF_INET6, FILLED6(0, IP_DB8(1)), LEN6 },
	{ "::", IP_ANY, 0, AF_INET6, FILLED6(0, IP_ANY), LEN6 },
	{ "link-local", IP_LINK(1), 7, AF_INET6, FILLED6(7, IP_LINK(1)),
	  LEN6 },
	/* Cannot be said in this form; must not be made up from 4 bytes. */
	{ "IPv6 on IPv4", IP_DB8(1), 0, AF_INET, SIN(0, 0, 0, 0), LEN4 },
};

static void addr_fill_desc(const struct addr_fill_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(addr_fill, addr_fill_cases, addr_fill_desc);

static void addr_test_fill(struct kunit *test)
{
	const struct addr_fill_case *c = test->param_value;
	struct parley_addr addr = {
		.ip = c->ip,
		.scope = c->scope,
		.port = htons(PORT),
	};
	struct sockaddr_storage got;
	const void *rest;
	int len;

	memset(&got, POISON, sizeof(got));
	len = parley_addr_fill(&addr, c->family, &got);
	KUNIT_ASSERT_EQ(test, len, c->len);
	/* Initialisers clear what they do not name, sin_zero included. */
	KUNIT_EXPECT_EQ_MSG(test, memcmp(&got, &c->want, len), 0, "got %*ph",
			    len, &got);
	rest = memchr_inv((u8 *)&got + len, POISON, sizeof(got) - len);
	KUNIT_EXPECT_NULL(test, rest);
}

/* What user space was told, it can say: the same address comes back. */
static void addr_test_round_trip(struct kunit *test)
{
	const struct addr_parse_case *c = test->param_value;
	struct sockaddr_storage told;
	struct parley_addr addr, again;
	u8 family = c->fixed;
	int len;

	if (c->err)
		return;
	KUNIT_ASSERT_EQ(test,
			parley_addr_parse(&addr, &family, &c->from, c->len),
			0);
	memset(&told, POISON, sizeof(told));
	len = parley_addr_fill(&addr, family, &told);
	KUNIT_ASSERT_EQ(test, parley_addr_parse(&again, &family, &told, len),
			0);
	addr_expect(test, &again, &addr);
}

/**
 * struct addr_any_case - a family's wildcard and loopback
 * @name: the family
 * @family: likewise
 * @any: its wildcard
 * @loopback: its loopback address
 */
struct addr_any_case {
	const char *name;
	u8 family;
	struct in6_addr any;
	struct in6_addr loopback;
};

static const struct addr_any_case addr_any_cases[] = {
	{ "none", 0, IP_MAPPED(0, 0, 0, 0), IP_MAPPED(127, 0, 0, 1) },
	{ "IPv4", AF_INET, IP_MAPPED(0, 0, 0, 0), IP_MAPPED(127, 0, 0, 1) },
	{ "IPv6", AF_INET6, IP_ANY, IP_LOOPBACK },
};

static void addr_any_desc(const struct addr_any_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(addr_any, addr_any_cases, addr_any_desc);

static void addr_test_any(struct kunit *test)
{
	const struct addr_any_case *c = test->param_value;
	struct parley_addr addr, want;

	memset(&addr, POISON, sizeof(addr));
	parley_addr_set_any(&addr, c->family);
	memset(&want, 0, sizeof(want));
	want.ip = c->any;
	addr_expect(test, &addr, &want);
	KUNIT_EXPECT_TRUE(test, parley_addr_is_any(&addr));
	KUNIT_EXPECT_EQ(test, parley_addr_is_v4(&addr), c->family != AF_INET6);

	addr.port = htons(PORT);
	KUNIT_EXPECT_TRUE(test, parley_addr_is_any(&addr));

	parley_addr_set_loopback(&addr);
	want.ip = c->loopback;
	want.port = htons(PORT);
	addr_expect(test, &addr, &want);
	KUNIT_EXPECT_FALSE(test, parley_addr_is_any(&addr));
	KUNIT_EXPECT_EQ(test, parley_addr_is_v4(&addr), c->family != AF_INET6);
}

/* Nearly wildcards: one bit anywhere makes it an address. */
static void addr_test_not_any(struct kunit *test)
{
	struct parley_addr addr;
	int bit;

	for (bit = 0; bit < 128; bit++) {
		parley_addr_set_any(&addr, AF_INET6);
		addr.ip.s6_addr[bit / 8] ^= 1 << bit % 8;
		KUNIT_EXPECT_FALSE_MSG(test, parley_addr_is_any(&addr),
				       "%pI6c", &addr.ip);
		parley_addr_set_any(&addr, AF_INET);
		addr.ip.s6_addr[bit / 8] ^= 1 << bit % 8;
		KUNIT_EXPECT_FALSE_MSG(test, parley_addr_is_any(&addr),
				       "%pI6c", &addr.ip);
	}
}

/**
 * struct addr_bound - a bound address, and whom it is in the way of
 * @name: the address
 * @ip: likewise
 * @scope: its scope
 * @v6only: its socket's IPV6_V6ONLY
 * @overlaps: one character for each of addr_bounds, '-' for no overlap
 */
struct addr_bound {
	const char *name;
	struct in6_addr ip;
	u32 scope;
	bool v6only;
	const char *overlaps;
};

/*
 * The columns are those of the rows: 4 and 6 are the wildcards, o is :: with
 * v6only, small letters are specific addresses.
 */
static const struct addr_bound addr_bounds[] = {
	{ "0.0.0.0",		IP_MAPPED(0, 0, 0, 0),
	  0, false, "46-ab------" },
	{ "::",			IP_ANY,
	  0, false, "46oabcdefgh" },
	{ ":: v6only",		IP_ANY,
	  0, true,  "-6o--cdefgh" },
	{ "127.0.0.1",		IP_MAPPED(127, 0, 0, 1),
	  0, false, "46-a-------" },
	{ "10.1.2.3",		IP_MAPPED(10, 1, 2, 3),
	  0, false, "46--b------" },
	{ "::1",		IP_LOOPBACK,
	  0, false, "-6o--c-----" },
	{ "2001:db8::1",	IP_DB8(1),
	  0, false, "-6o---de---" },
	{ "2001:db8::1 v6only",	IP_DB8(1),
	  0, true,  "-6o---de---" },
	{ "2001:db8::2",	IP_DB8(2),
	  0, false, "-6o-----f--" },
	{ "fe80::1%2",		IP_LINK(1),
	  2, false, "-6o------g-" },
	{ "fe80::1%3",		IP_LINK(1),
	  3, false, "-6o-------h" },
};

static void addr_bound_desc(const struct addr_bound *b, char *desc)
{
	strscpy(desc, b->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(addr_bound, addr_bounds, addr_bound_desc);

static struct parley_addr addr_of_bound(const struct addr_bound *b)
{
	/* Different ports: only the hosts are to be compared. */
	struct parley_addr addr = {
		.ip = b->ip,
		.scope = b->scope,
		.port = htons(PORT + (b - addr_bounds)),
	};

	return addr;
}

static void addr_test_overlap(struct kunit *test)
{
	const struct addr_bound *a = test->param_value;
	struct parley_addr left = addr_of_bound(a);
	unsigned int i;

	KUNIT_ASSERT_EQ(test, strlen(a->overlaps), ARRAY_SIZE(addr_bounds));
	for (i = 0; i < ARRAY_SIZE(addr_bounds); i++) {
		const struct addr_bound *b = &addr_bounds[i];
		struct parley_addr right = addr_of_bound(b);
		bool want = a->overlaps[i] != '-';

		/* Each pair is seen from both sides: once in its own row. */
		KUNIT_EXPECT_EQ_MSG(test,
				    parley_addr_overlap(&left, a->v6only,
							&right, b->v6only),
				    want, "%s and %s", a->name, b->name);
		KUNIT_EXPECT_EQ_MSG(test,
				    parley_addr_overlap(&right, b->v6only,
							&left, a->v6only),
				    want, "%s and %s", b->name, a->name);
	}
}

static struct kunit_case addr_cases[] = {
	KUNIT_CASE(addr_test_key),
	KUNIT_CASE_PARAM(addr_test_parse, addr_parse_gen_params),
	KUNIT_CASE_PARAM(addr_test_fill, addr_fill_gen_params),
	KUNIT_CASE_PARAM(addr_test_round_trip, addr_parse_gen_params),
	KUNIT_CASE_PARAM(addr_test_any, addr_any_gen_params),
	KUNIT_CASE(addr_test_not_any),
	KUNIT_CASE_PARAM(addr_test_overlap, addr_bound_gen_params),
	{}
};

static struct kunit_suite addr_suite = {
	.name = "parley-addr",
	.test_cases = addr_cases,
};

kunit_test_suite(addr_suite);

MODULE_DESCRIPTION("Tests of AF_PARLEY's parts");
MODULE_LICENSE("GPL");
