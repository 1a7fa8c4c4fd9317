// SPDX-License-Identifier: GPL-2.0
/*
 * Which calls a rule is meant for: each kind of thing that a rule can ask for,
 * by calls that have it and calls that have not. The rules refuse, each with a
 * code of its own. Who calls is in rules_who.c.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <unistd.h>

#include "lib_rules.h"

#define HOST	"127.0.0.1"
#define PORT	7420
#define OTHERS	50	/* the code of the default */
#define ANY	PARLEY_QOS_UNSPECIFIED

FIXTURE(match) {
	struct rules *t;
	int l;
};

FIXTURE_VARIANT(match) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(match, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(match, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

static int listener(const char *host, int port, unsigned int stage)
{
	int l = parley_listener(host, port, 10);
	int err;

	if (l < 0)
		return l;
	err = parley_nonblock(l, true) ?: terms_set_stage(l, stage);
	return err ?: l;
}

FIXTURE_SETUP(match)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = listener(HOST, PORT, variant->stage);
	ASSERT_LE(0, self->l);
	self->t = rules_new();
	ASSERT_NE(NULL, self->t);
	rules_say(&self->t->arg.otherwise, OTHERS, 0);
}

FIXTURE_TEARDOWN(match)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int code_from(int l, const char *from, const char *to)
{
	const struct rules_call c = { .from = from, .to = to };

	return rules_code(l, &c);
}

/* Every call, or none: a rule that asks for nothing, and no rule at all. */
TEST_F(match, nothing)
{
	EXPECT_EQ(0, rules_code(self->l, NULL));
	ASSERT_EQ(0, rules_set(self->l, self->t));
	EXPECT_EQ(OTHERS, rules_code(self->l, NULL));
	rules_refuse(self->t, 1);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	EXPECT_EQ(1, rules_code(self->l, NULL));
}

TEST_F(match, caller_v4)
{
	const int l = self->l;

	rules_caller(rules_refuse(self->t, 1), "127.1.2.3", 128);
	rules_caller(rules_refuse(self->t, 2), "127.1.3.0", 96 + 24);
	rules_caller(rules_refuse(self->t, 3), "127.1.4.2", 96 + 31);
	rules_caller(rules_refuse(self->t, 4), "127.64.0.0", 96 + 10);
	rules_caller(rules_refuse(self->t, 5), "::1", 128);
	rules_caller(rules_refuse(self->t, 6), "128.0.0.0", 96 + 1);
	ASSERT_EQ(0, rules_set(l, self->t));

	EXPECT_EQ(OTHERS, code_from(l, NULL, NULL));
	EXPECT_EQ(OTHERS, code_from(l, "127.0.0.1", NULL));
	EXPECT_EQ(1, code_from(l, "127.1.2.3", NULL));
	EXPECT_EQ(OTHERS, code_from(l, "127.1.2.2", NULL));
	EXPECT_EQ(OTHERS, code_from(l, "127.1.2.255", NULL));
	EXPECT_EQ(2, code_from(l, "127.1.3.1", NULL));
	EXPECT_EQ(2, code_from(l, "127.1.3.254", NULL));
	EXPECT_EQ(OTHERS, code_from(l, "127.1.4.1", NULL));
	EXPECT_EQ(3, code_from(l, "127.1.4.2", NULL));
	EXPECT_EQ(3, code_from(l, "127.1.4.3", NULL));
	EXPECT_EQ(OTHERS, code_from(l, "127.1.4.4", NULL));
	EXPECT_EQ(OTHERS, code_from(l, "127.63.255.254", NULL));
	EXPECT_EQ(4, code_from(l, "127.64.0.1", NULL));
	EXPECT_EQ(4, code_from(l, "127.127.255.254", NULL));
	EXPECT_EQ(OTHERS, code_from(l, "127.128.0.1", NULL));
}

/* One listener for both: IPv4 callers are ::ffff:0:0/96. */
TEST_F(match, caller_v6)
{
	int l = listener("::", PORT + 1, variant->stage);

	ASSERT_LE(0, l);
	ASSERT_EQ(0, parley_ns_addr6("fd12:3456::1"));
	ASSERT_EQ(0, parley_ns_addr6("fd12:3456::2"));
	ASSERT_EQ(0, parley_ns_addr6("fd12:3457::1"));
	ASSERT_EQ(0, parley_ns_addr6("fd92:3456::1"));
	rules_caller(rules_refuse(self->t, 1), "fd12:3456::1", 128);
	rules_caller(rules_refuse(self->t, 2), "fd12:3456::", 32);
	rules_caller(rules_refuse(self->t, 3), "127.2.0.0", 96 + 16);
	rules_caller(rules_refuse(self->t, 4), "0.0.0.0", 96);
	rules_caller(rules_refuse(self->t, 5), "fd00::", 9);
	ASSERT_EQ(0, rules_set(l, self->t));

	EXPECT_EQ(1, code_from(l, "fd12:3456::1", "::1"));
	EXPECT_EQ(2, code_from(l, "fd12:3456::2", "::1"));
	EXPECT_EQ(5, code_from(l, "fd12:3457::1", "::1"));
	EXPECT_EQ(OTHERS, code_from(l, "fd92:3456::1", "::1"));
	EXPECT_EQ(OTHERS, code_from(l, NULL, "::1"));
	EXPECT_EQ(4, code_from(l, NULL, HOST));
	EXPECT_EQ(3, code_from(l, "127.2.3.4", HOST));
	EXPECT_EQ(4, code_from(l, "127.3.0.1", HOST));
	/* The same caller, said as IPv6 has it. */
	EXPECT_EQ(3, code_from(l, "::ffff:127.2.3.4", "::ffff:127.0.0.1"));
	/* Who is called, and not by whom, is another matter. */
	EXPECT_EQ(1, code_from(l, NULL, "fd12:3456::1"));
	EXPECT_EQ(OTHERS, code_from(l, "::1", "fd12:3456::1"));
}

/* Half of all addresses, and all of them. */
TEST_F(match, caller_prefix_1_and_0)
{
	int l = listener("::", PORT + 1, variant->stage);

	ASSERT_LE(0, l);
	ASSERT_EQ(0, parley_ns_addr6("fd12:3456::1"));
	rules_caller(rules_refuse(self->t, 1), "8000::", 1);
	rules_caller(rules_refuse(self->t, 2), "::", 95);
	rules_caller(rules_refuse(self->t, 3), "::fffe:0:0", 95);
	rules_caller(rules_refuse(self->t, 4), "::", 0);
	ASSERT_EQ(0, rules_set(l, self->t));
	EXPECT_EQ(1, code_from(l, "fd12:3456::1", "::1"));
	EXPECT_EQ(2, code_from(l, NULL, "::1"));
	EXPECT_EQ(3, code_from(l, NULL, HOST));
	self->t->rule[2].match = 0;
	memset(self->t->rule[2].caller, 0, 16);
	self->t->rule[2].caller_prefix = 0;
	self->t->rule[2].then.verdict = PARLEY_ACCEPT;
	self->t->rule[2].then.code = 0;
	ASSERT_EQ(0, rules_set(l, self->t));
	EXPECT_EQ(1, code_from(l, "fd12:3456::1", "::1"));
	EXPECT_EQ(0, code_from(l, NULL, HOST));
}

/* The port that was called, at a listener for each. */
TEST_F(match, port)
{
	static const int ports[] = { 1, 2, 7430, 7431, 7432, 7433, 65535 };
	static const int codes[] = { 1, OTHERS, OTHERS, 2, 2, 3, 4 };
	unsigned int i;
	int l;

	rules_port(rules_refuse(self->t, 1), 0, 1);
	rules_port(rules_refuse(self->t, 2), 7431, 7432);
	rules_port(rules_refuse(self->t, 3), 7433, 7433);
	rules_port(rules_refuse(self->t, 4), 7434, 65535);
	for (i = 0; i < ARRAY_SIZE(ports); i++) {
		l = listener(HOST, ports[i], variant->stage);
		ASSERT_LE(0, l);
		ASSERT_EQ(0, rules_set(l, self->t));
		EXPECT_EQ(codes[i], rules_code(l, NULL));
		close(l);
	}
}

static int code_group(int l, __u64 group)
{
	const struct rules_call c = { .terms.group = group };

	return rules_code(l, &c);
}

TEST_F(match, group)
{
	rules_group(rules_refuse(self->t, 1), 42);
	rules_group(rules_refuse(self->t, 2), 0);
	rules_group(rules_refuse(self->t, 3), 1ULL << 32);
	rules_group(rules_refuse(self->t, 4), UINT64_MAX);
	ASSERT_EQ(0, rules_set(self->l, self->t));

	EXPECT_EQ(1, code_group(self->l, 42));
	EXPECT_EQ(OTHERS, code_group(self->l, 43));
	EXPECT_EQ(OTHERS, code_group(self->l, 42 + (1ULL << 32)));
	EXPECT_EQ(2, code_group(self->l, 0));
	EXPECT_EQ(2, rules_code(self->l, NULL));
	EXPECT_EQ(3, code_group(self->l, 1ULL << 32));
	EXPECT_EQ(OTHERS, code_group(self->l, 1));
	EXPECT_EQ(4, code_group(self->l, UINT64_MAX));
	EXPECT_EQ(OTHERS, code_group(self->l, UINT32_MAX));
}

static int code_qos(int l, __u32 send, __u32 recv, __u32 service)
{
	struct parley_qos qos;
	const struct rules_call c = { .terms.qos = &qos };

	terms_qos_none(&qos);
	qos.send.token_rate = send;
	qos.recv.token_rate = recv;
	qos.recv.service = service;
	return rules_code(l, &c);
}

static void refuse_qos(struct rules *t, __u32 code, struct parley_rule_qos qos)
{
	struct parley_rule *r = rules_refuse(t, code);

	r->match |= PARLEY_MATCH_QOS;
	r->qos = qos;
}

TEST_F(match, qos)
{
	const int be = PARLEY_SERVICE_BESTEFFORT;
	const int load = PARLEY_SERVICE_CONTROLLEDLOAD;
	const int no = PARLEY_SERVICE_NOTRAFFIC;
	const int l = self->l;

#define BOUNDS(...)	((struct parley_rule_qos){ __VA_ARGS__ })
	refuse_qos(self->t, 1, BOUNDS(1000, 2000, 0, ANY, 0xf));
	refuse_qos(self->t, 2, BOUNDS(0, ANY, 300, 400, 0xf));
	refuse_qos(self->t, 3, BOUNDS(0, ANY, 0, ANY, 1 << load));
	refuse_qos(self->t, 4, BOUNDS(0, ANY, 0, ANY, 1 << no));
	refuse_qos(self->t, 5, BOUNDS(ANY, ANY, ANY, ANY, 1 << be));
	ASSERT_EQ(0, rules_set(l, self->t));

	EXPECT_EQ(OTHERS, code_qos(l, 999, 5, be));
	EXPECT_EQ(1, code_qos(l, 1000, 5, be));
	EXPECT_EQ(1, code_qos(l, 2000, 5, be));
	EXPECT_EQ(OTHERS, code_qos(l, 2001, 5, be));
	EXPECT_EQ(OTHERS, code_qos(l, 5, 299, be));
	EXPECT_EQ(2, code_qos(l, 5, 300, be));
	EXPECT_EQ(2, code_qos(l, ANY, 400, be));
	EXPECT_EQ(OTHERS, code_qos(l, 5, 401, be));
	EXPECT_EQ(3, code_qos(l, 5, 5, load));
	EXPECT_EQ(1, code_qos(l, 1500, 5, load));
	EXPECT_EQ(4, code_qos(l, 5, 0, no));
	EXPECT_EQ(5, code_qos(l, ANY, ANY, be));
	EXPECT_EQ(OTHERS, code_qos(l, ANY, ANY - 1, be));
	EXPECT_EQ(OTHERS, code_qos(l, ANY - 1, ANY, be));
	/* Who did not ask at all did not ask for anything in particular. */
	EXPECT_EQ(5, rules_code(l, NULL));
}

static int code_data(int l, const void *data, socklen_t len)
{
	const struct rules_call c = { .terms = { .data = data, .len = len } };

	return rules_code(l, &c);
}

TEST_F(match, call_data)
{
	const int l = self->l;

	rules_data(self->t, rules_refuse(self->t, 1), 0, "GET /", NULL);
	rules_data(self->t, rules_refuse(self->t, 2), 0, "QUIT",
		   "\xdf\xdf\xdf\xdf");
	rules_data(self->t, rules_refuse(self->t, 3), 2, "\x80", "\xf0");
	rules_data(self->t, rules_refuse(self->t, 4), 7, "!", NULL);
	ASSERT_EQ(0, rules_set(l, self->t));

	EXPECT_EQ(OTHERS, rules_code(l, NULL));
	EXPECT_EQ(1, code_data(l, "GET /", 5));
	EXPECT_EQ(1, code_data(l, "GET / HTTP", 10));
	EXPECT_EQ(OTHERS, code_data(l, "GET ", 4));
	EXPECT_EQ(OTHERS, code_data(l, "GET x", 5));
	EXPECT_EQ(OTHERS, code_data(l, "SET /", 5));
	EXPECT_EQ(2, code_data(l, "quit", 4));
	EXPECT_EQ(2, code_data(l, "QuIt now", 8));
	EXPECT_EQ(OTHERS, code_data(l, "quiz", 4));
	EXPECT_EQ(OTHERS, code_data(l, "qui", 3));
	EXPECT_EQ(3, code_data(l, "\0\0\x80", 3));
	EXPECT_EQ(3, code_data(l, "\0\0\x8f\0", 4));
	EXPECT_EQ(OTHERS, code_data(l, "\0\0\x90", 3));
	EXPECT_EQ(OTHERS, code_data(l, "\0\0\x0f", 3));
	EXPECT_EQ(4, code_data(l, "1234567!", 8));
	EXPECT_EQ(4, code_data(l, "1234567!!", 9));
	EXPECT_EQ(OTHERS, code_data(l, "1234567", 7));
	EXPECT_EQ(OTHERS, code_data(l, "123456!", 7));
}

/* The first byte of the longest data that may be, its last, and no more. */
TEST_F(match, long_data)
{
	const socklen_t len = TERMS_DATA_MAX;
	const int l = self->l;
	struct parley_rule *r;
	char *data;

	data = malloc(len);
	ASSERT_NE(NULL, data);
	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data", len));
	terms_fill(data, len, 5);
	r = rules_refuse(self->t, 1);
	rules_data(self->t, r, len, "\1", "\1");
	r = rules_refuse(self->t, 2);
	r->match |= PARLEY_MATCH_DATA;
	r->data_len = len;
	r->data_value = rules_bytes(self->t, data, len);
	r->data_mask = r->data_value;
	r = rules_refuse(self->t, 3);
	r->match |= PARLEY_MATCH_DATA;
	r->data_offset = len - 1;
	r->data_len = 1;
	r->data_value = rules_bytes(self->t, data + len - 1, 1);
	r->data_mask = r->data_value;
	r = rules_refuse(self->t, 4);
	rules_data(self->t, r, UINT32_MAX, "x", NULL);
	ASSERT_EQ(0, rules_set(l, self->t));

	EXPECT_EQ(2, code_data(l, data, len));
	EXPECT_EQ(OTHERS, code_data(l, data, len - 1));
	data[0] ^= 1;
	EXPECT_EQ(3, code_data(l, data, len));
	data[len - 1] ^= 0x80;
	EXPECT_EQ(OTHERS, code_data(l, data, len));
	data[0] ^= 1;
	EXPECT_EQ(OTHERS, code_data(l, data, len));
}

/* Rules may have their bytes at the same place, or at places that overlap. */
TEST_F(match, shared_bytes)
{
	struct rules *t = self->t;
	struct parley_rule *a, *b;

	a = rules_refuse(t, 1);
	rules_data(t, a, 0, "abcdef", NULL);
	b = rules_refuse(t, 2);
	*b = *a;
	b->then.code = 2;
	b->data_value += 2;
	b->data_mask += 2;
	b->data_len = 4;
	/* Its reply is also what is looked for. */
	b->then.reply = a->data_value;
	b->then.reply_len = 3;
	ASSERT_EQ(0, rules_set(self->l, t));
	EXPECT_EQ(1, code_data(self->l, "abcdef", 6));
	EXPECT_EQ(2, code_data(self->l, "cdef", 4));
	EXPECT_EQ(OTHERS, code_data(self->l, "abcde", 5));
}

/* Of all that match the first decides, however much more others ask for. */
TEST_F(match, first)
{
	struct rules *t = self->t;
	struct parley_rule *r;
	int i;

	for (i = 1; i <= 5; i++) {
		r = rules_refuse(t, i);
		rules_group(r, i % 3);
		rules_port(r, PORT, PORT + i);
	}
	ASSERT_EQ(0, rules_set(self->l, t));
	EXPECT_EQ(1, code_group(self->l, 1));
	EXPECT_EQ(2, code_group(self->l, 2));
	EXPECT_EQ(3, code_group(self->l, 0));
	EXPECT_EQ(OTHERS, code_group(self->l, 3));

	/* One for all, in front of the others: they are never asked. */
	t->rule[2] = (struct parley_rule){ .then = t->rule[2].then };
	ASSERT_EQ(0, rules_set(self->l, t));
	EXPECT_EQ(1, code_group(self->l, 1));
	EXPECT_EQ(2, code_group(self->l, 2));
	EXPECT_EQ(3, code_group(self->l, 0));
	EXPECT_EQ(3, code_group(self->l, 3));
}

/* The last of as many as may be. */
TEST_F(match, last)
{
	int i;

	for (i = 0; i < PARLEY_RULES_MAX; i++)
		rules_group(rules_refuse(self->t, 1000 + i), i);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	EXPECT_EQ(1000, code_group(self->l, 0));
	EXPECT_EQ(1511, code_group(self->l, 511));
	EXPECT_EQ(1999 + 24, code_group(self->l, PARLEY_RULES_MAX - 1));
	EXPECT_EQ(OTHERS, code_group(self->l, PARLEY_RULES_MAX));
}

/* Everything at once: a call that misses one of them misses. */
TEST_F(match, all)
{
	struct parley_rule *r = rules_refuse(self->t, 1);
	struct parley_qos qos;
	struct rules_call c = {
		.from = "127.1.2.3",
		.terms = { "data", 4, &qos, 42 },
	};
	const int l = self->l;

	terms_qos_some(&qos);
	rules_caller(r, "127.1.0.0", 96 + 16);
	rules_port(r, PORT, PORT);
	rules_uid(r, 0, 0);
	rules_gid(r, 0, 0);
	rules_group(r, 42);
	rules_data(self->t, r, 2, "ta", NULL);
	r->match |= PARLEY_MATCH_QOS;
	r->qos.send_max = qos.send.token_rate;
	r->qos.recv_max = qos.recv.token_rate;
	r->qos.services = 1 << PARLEY_SERVICE_GUARANTEED;
	ASSERT_EQ(0, rules_set(l, self->t));

	EXPECT_EQ(1, rules_code(l, &c));
	c.from = "127.2.2.3";
	EXPECT_EQ(OTHERS, rules_code(l, &c));
	c.from = "127.1.9.9";
	EXPECT_EQ(1, rules_code(l, &c));
	c.terms.data = "dada";
	EXPECT_EQ(OTHERS, rules_code(l, &c));
	c.terms.data = "zeta";
	EXPECT_EQ(1, rules_code(l, &c));
	c.terms.group = 43;
	EXPECT_EQ(OTHERS, rules_code(l, &c));
	c.terms.group = 42;
	qos.send.token_rate++;
	EXPECT_EQ(OTHERS, rules_code(l, &c));
	c.terms.qos = NULL;
	EXPECT_EQ(OTHERS, rules_code(l, &c));
	EXPECT_EQ(OTHERS, rules_code(l, NULL));
}

TEST_HARNESS_MAIN
