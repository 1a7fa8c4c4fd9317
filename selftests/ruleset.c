// SPDX-License-Identifier: GPL-2.0
/*
 * Rule files that are good: what each text becomes, that its text again
 * becomes the same, and tables that are made without a text. Nothing here asks
 * the kernel.
 */
#include "kselftest_harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib_ruleset.h"

#define NONE		PARLEY_QOS_UNSPECIFIED
#define V4(a, b, c, d)	{ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d }
#define ALL		0xf	/* services */

/* A direction of a grant of which nothing is said. */
#define AS_ASKED {							\
	.token_rate = NONE, .bucket_size = NONE, .peak_rate = NONE,	\
	.service = PARLEY_SERVICE_CONTROLLEDLOAD, .max_sdu = NONE,	\
}

/* A direction of a grant of which only the rate is said. */
#define AT_MOST(rate) {							\
	.token_rate = (rate), .bucket_size = NONE, .peak_rate = NONE,	\
	.service = PARLEY_SERVICE_GUARANTEED, .max_sdu = NONE,		\
}

/**
 * struct good - a line and what it is
 * @text: the line
 * @want: the rule that it becomes
 * @again: what the table's text is; NULL: the same as @text
 */
static const struct good {
	const char *text;
	struct ruleset_want want;
	const char *again;
} lines[] = {
	{ "accept", { .rule = { .match = 0 } } },
	{ "  refuse\t# nobody", {
		.rule.then.verdict = PARLEY_REFUSE }, "refuse" },
	{ "defer\r", { .rule.then.verdict = PARLEY_DEFER }, "defer" },

	/* caller */
	{ "accept caller 192.168.0.0/16", { .rule = {
		.match = PARLEY_MATCH_CALLER, .caller = V4(192, 168, 0, 0),
		.caller_prefix = 112 } } },
	{ "accept caller 127.0.0.1", { .rule = {
		.match = PARLEY_MATCH_CALLER, .caller = V4(127, 0, 0, 1),
		.caller_prefix = 128 } } },
	{ "accept caller 127.0.0.1/32", { .rule = {
		.match = PARLEY_MATCH_CALLER, .caller = V4(127, 0, 0, 1),
		.caller_prefix = 128 } }, "accept caller 127.0.0.1" },
	{ "accept caller 0.0.0.0/0", { .rule = {
		.match = PARLEY_MATCH_CALLER, .caller = V4(0, 0, 0, 0),
		.caller_prefix = 96 } } },
	{ "accept caller ::/0", { .rule = {
		.match = PARLEY_MATCH_CALLER } } },
	{ "accept caller ::1", { .rule = {
		.match = PARLEY_MATCH_CALLER, .caller = { [15] = 1 },
		.caller_prefix = 128 } } },
	{ "accept caller 2001:db8::/33", { .rule = {
		.match = PARLEY_MATCH_CALLER,
		.caller = { 0x20, 0x01, 0x0d, 0xb8 },
		.caller_prefix = 33 } } },
	{ "accept caller ::ffff:10.0.0.0/104", { .rule = {
		.match = PARLEY_MATCH_CALLER, .caller = V4(10, 0, 0, 0),
		.caller_prefix = 104 } }, "accept caller 10.0.0.0/8" },

	/* port, uid, gid, cgroup, group */
	{ "defer port 7000-7099 group 42 cgroup 1234", { .rule = {
		.match = PARLEY_MATCH_PORT | PARLEY_MATCH_GROUP |
			 PARLEY_MATCH_CGROUP,
		.port_min = 7000, .port_max = 7099, .group = 42,
		.cgroup_id = 1234, .then.verdict = PARLEY_DEFER } },
	  "defer port 7000-7099 cgroup 1234 group 42" },
	{ "accept port 0-65535", { .rule = {
		.match = PARLEY_MATCH_PORT, .port_max = 65535 } } },
	{ "accept uid 0", { .rule = { .match = PARLEY_MATCH_UID } } },
	{ "accept uid 1000-1999", { .rule = { .match = PARLEY_MATCH_UID,
		.uid_min = 1000, .uid_max = 1999 } } },
	{ "accept gid 100-4294967294", { .rule = { .match = PARLEY_MATCH_GID,
		.gid_min = 100, .gid_max = 4294967294U } } },
	{ "accept group 0xfFffffffffffffff", { .rule = {
		.match = PARLEY_MATCH_GROUP, .group = ~0ULL } },
	  "accept group 18446744073709551615" },

	/* qos */
	{ "accept qos send 0-1M", { .rule = { .match = PARLEY_MATCH_QOS,
		.qos = { 0, 1 << 20, 0, NONE, ALL } } } },
	{ "accept qos recv 64K send 1G-unspecified", { .rule = {
		.match = PARLEY_MATCH_QOS,
		.qos = { 1 << 30, NONE, 65536, 65536, ALL } } },
	  "accept qos send 1G-unspecified recv 64K" },
	{ "accept qos send unspecified", { .rule = { .match = PARLEY_MATCH_QOS,
		.qos = { NONE, NONE, 0, NONE, ALL } } } },
	{ "accept qos service besteffort,guaranteed", { .rule = {
		.match = PARLEY_MATCH_QOS,
		.qos = { 0, NONE, 0, NONE, 0xa } } } },
	{ "accept qos service notraffic", { .rule = { .match = PARLEY_MATCH_QOS,
		.qos = { 0, NONE, 0, NONE, 0x1 } } } },
	{ "accept qos send 0-unspecified", { .rule = {
		.match = PARLEY_MATCH_QOS,
		.qos = { 0, NONE, 0, NONE, ALL } } },
	  "accept qos service notraffic,besteffort,controlledload,guaranteed" },

	/* data */
	{ "accept data 0 \"hello\"", { .rule = { .match = PARLEY_MATCH_DATA },
		.value = "hello" } },
	{ "accept data 4 x0a0b mask xff0f", { .rule = {
		.match = PARLEY_MATCH_DATA, .data_offset = 4 },
		.value = "\x0a\x0b", .mask = "\xff\x0f" } },
	{ "accept data 4294967295 \"a\\n\\t\\r\\\\\\\"\\x7F#\" # no", { .rule = {
		.match = PARLEY_MATCH_DATA, .data_offset = 4294967295U },
		.value = "a\n\t\r\\\"\x7f#" },
	  "accept data 4294967295 \"a\\n\\t\\r\\\\\\\"\\x7f#\"" },
	{ "accept data 0 x0f mask x0f", { .rule = {
		.match = PARLEY_MATCH_DATA },
		.value = "\x0f", .mask = "\x0f" } },
	{ "accept data 0 \"\xc3\xa9\xc3\xa9\"", { .rule = {
		.match = PARLEY_MATCH_DATA }, .value = "\xc3\xa9\xc3\xa9" },
	  "accept data 0 xc3a9c3a9" },

	/* answers */
	{ "refuse code 7 retry-after 2s reply \"not from there\"", {
		.rule.then = { .verdict = PARLEY_REFUSE, .code = 7,
			       .retry_after_ms = 2000 },
		.then = "not from there" } },
	{ "refuse code 0xffffffff retry-after 90m", { .rule.then = {
		.verdict = PARLEY_REFUSE, .code = 0xffffffff,
		.retry_after_ms = 5400000 } },
	  "refuse code 4294967295 retry-after 90m" },
	{ "refuse retry-after 4294967295ms", { .rule.then = {
		.verdict = PARLEY_REFUSE, .retry_after_ms = 0xffffffff } } },
	{ "refuse retry-after 24h", { .rule.then = {
		.verdict = PARLEY_REFUSE, .retry_after_ms = 86400000 } } },
	{ "refuse code 0 retry-after 0s", { .rule.then = {
		.verdict = PARLEY_REFUSE } }, "refuse" },
	{ "accept gid 100 qos send 0-1M grant send 64K recv 64K", { .rule = {
		.match = PARLEY_MATCH_GID | PARLEY_MATCH_QOS,
		.gid_min = 100, .gid_max = 100,
		.qos = { 0, 1 << 20, 0, NONE, ALL },
		.then = { .flags = PARLEY_ANSWER_QOS, .grant = {
			.send = AT_MOST(65536), .recv = AT_MOST(65536) } } } } },
	{ "accept grant recv 1000 reply \"ok\"", {
		.rule.then = { .flags = PARLEY_ANSWER_QOS, .grant = {
			.send = AS_ASKED, .recv = AT_MOST(1000) } },
		.then = "ok" }, "accept reply \"ok\" grant recv 1000" },
	{ "accept grant send unspecified", { .rule.then = {
		.flags = PARLEY_ANSWER_QOS, .grant = {
			.send = AS_ASKED, .recv = AS_ASKED } } } },
	{ "accept grant send 64K bucket 8K peak 128K latency 10ms variation 9us sdu 15 policed 6", {
		.rule.then = { .flags = PARLEY_ANSWER_QOS, .grant = {
			.send = { 65536, 8192, 131072, 10000, 9,
				  PARLEY_SERVICE_GUARANTEED, 15, 6 },
			.recv = AS_ASKED } } } },
	{ "accept grant send 1 service besteffort recv 0 service notraffic bucket 0", {
		.rule.then = { .flags = PARLEY_ANSWER_QOS, .grant = {
			.send = { 1, NONE, NONE, 0, 0,
				  PARLEY_SERVICE_BESTEFFORT, NONE, 0 },
			.recv = { 0, 0, NONE, 0, 0,
				  PARLEY_SERVICE_NOTRAFFIC, NONE, 0 } } } },
	  "accept grant send 1 service besteffort recv 0 bucket 0 service notraffic" },
	{ "accept grant recv unspecified latency unspecified variation 2s", {
		.rule.then = { .flags = PARLEY_ANSWER_QOS, .grant = {
			.send = AS_ASKED,
			.recv = { NONE, NONE, NONE, NONE, 2000000,
				  PARLEY_SERVICE_CONTROLLEDLOAD, NONE, 0 } } } } },

	/* rates */
	{ "accept rate 100/1s", { .rule = { .flags = PARLEY_RULE_RATE,
		.rate = { 100, 1000, 100 },
		.over.verdict = PARLEY_REFUSE } },
	  "accept rate 100/1s else refuse" },
	{ "accept rate 5/s burst 1 else defer", { .rule = {
		.flags = PARLEY_RULE_RATE, .rate = { 5, 1000, 1 },
		.over.verdict = PARLEY_DEFER } },
	  "accept rate 5/1s burst 1 else defer" },
	{ "refuse rate 1/500ms else accept reply \"you may\"", { .rule = {
		.flags = PARLEY_RULE_RATE, .rate = { 1, 500, 1 },
		.then.verdict = PARLEY_REFUSE }, .over = "you may" } },
	{ "accept uid 1000-1999 data 0 \"hello\" rate 9/1s burst 20 else refuse retry-after 5ms", {
		.rule = {
		.match = PARLEY_MATCH_UID | PARLEY_MATCH_DATA,
		.flags = PARLEY_RULE_RATE, .uid_min = 1000, .uid_max = 1999,
		.rate = { 9, 1000, 20 }, .over = {
			.verdict = PARLEY_REFUSE, .retry_after_ms = 5 } },
		.value = "hello" } },
	{ "accept reply \"in\" rate 4294967295/24h burst 4294967295 else refuse reply \"over\"", {
		.rule = {
		.flags = PARLEY_RULE_RATE,
		.rate = { 4294967295U, 86400000, 4294967295U },
		.over = { .verdict = PARLEY_REFUSE } },
		.then = "in", .over = "over" },
	  "accept reply \"in\" rate 4294967295/24h else refuse reply \"over\"" },
};

TEST(good_lines)
{
	struct parley_ruleset *rs, *again;
	char want[512], *text;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		rs = ruleset_of(lines[i].text);
		ASSERT_NE(NULL, rs);
		EXPECT_EQ(1, parley_ruleset_count(rs));
		EXPECT_TRUE(ruleset_rule_is(rs, 0, &lines[i].want)) {
			TH_LOG("%s", lines[i].text);
		}
		EXPECT_EQ(NULL, parley_ruleset_rule(rs, 1));

		text = parley_ruleset_format(rs);
		ASSERT_NE(NULL, text);
		snprintf(want, sizeof(want), "%s\ndefault accept\n",
			 lines[i].again ?: lines[i].text);
		EXPECT_STREQ(want, text);
		again = ruleset_of(text);
		ASSERT_NE(NULL, again);
		EXPECT_TRUE(ruleset_is(rs, again));
		parley_ruleset_free(again);
		parley_ruleset_free(rs);
		free(text);
	}
}

static const struct {
	const char *text;
	struct parley_rule_answer want;
	const char *reply;
} endings[] = {
	{ "", { .verdict = PARLEY_ACCEPT }, NULL },
	{ "# nothing\n\n \t\n", { .verdict = PARLEY_ACCEPT }, NULL },
	{ "default accept", { .verdict = PARLEY_ACCEPT }, NULL },
	{ "default defer\n\n# the end", { .verdict = PARLEY_DEFER }, NULL },
	{ "default refuse code 1 reply \"closed\"\n",
	  { .verdict = PARLEY_REFUSE, .code = 1 }, "closed" },
	{ "default accept grant send 1K", { .flags = PARLEY_ANSWER_QOS,
		.grant = { .send = AT_MOST(1024), .recv = AS_ASKED } }, NULL },
};

TEST(defaults)
{
	const struct parley_rule_answer *is;
	struct parley_rule_answer want;
	struct parley_ruleset *rs;
	const char *pool;
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(endings); i++) {
		rs = ruleset_of(endings[i].text);
		ASSERT_NE(NULL, rs);
		EXPECT_EQ(0, parley_ruleset_count(rs));
		is = parley_ruleset_default(rs);
		want = endings[i].want;
		if (endings[i].reply) {
			pool = parley_ruleset_pool(rs, &len);
			want.reply = is->reply;
			want.reply_len = strlen(endings[i].reply);
			ASSERT_LE(is->reply + want.reply_len, len);
			EXPECT_EQ(0, memcmp(pool + is->reply, endings[i].reply,
					    want.reply_len));
		}
		EXPECT_EQ(0, memcmp(&want, is, sizeof(want))) {
			TH_LOG("%s", endings[i].text);
		}
		parley_ruleset_free(rs);
	}
}

/* A text may come in parts, and the same bytes are kept once. */
TEST(parts)
{
	struct parley_ruleset *rs = ruleset_of("refuse uid 1 reply \"no\"\n");
	static const char more[] = "accept uid 2 reply \"no\"\ndefault defer";
	static const char last[] = "default refuse reply \"no\"";
	size_t len;

	ASSERT_NE(NULL, rs);
	ASSERT_EQ(0, parley_ruleset_parse(rs, more, strlen(more), NULL));
	EXPECT_EQ(2, parley_ruleset_count(rs));
	EXPECT_EQ(1, parley_ruleset_rule(rs, 0)->uid_min);
	EXPECT_EQ(2, parley_ruleset_rule(rs, 1)->uid_min);
	EXPECT_EQ(PARLEY_DEFER, parley_ruleset_default(rs)->verdict);
	ASSERT_EQ(0, parley_ruleset_parse(rs, last, strlen(last), NULL));
	EXPECT_EQ(PARLEY_REFUSE, parley_ruleset_default(rs)->verdict);
	EXPECT_EQ(0, memcmp("no", parley_ruleset_pool(rs, &len), 2));
	EXPECT_EQ(2, len);
	parley_ruleset_free(rs);
}

TEST(empty)
{
	struct parley_ruleset *rs = parley_ruleset_new();
	size_t len = 1;

	ASSERT_NE(NULL, rs);
	EXPECT_EQ(0, parley_ruleset_count(rs));
	EXPECT_EQ(NULL, parley_ruleset_rule(rs, 0));
	EXPECT_EQ(NULL, parley_ruleset_pool(rs, &len));
	EXPECT_EQ(0, len);
	EXPECT_EQ(PARLEY_ACCEPT, parley_ruleset_default(rs)->verdict);
	EXPECT_EQ(0, parley_ruleset_parse(rs, NULL, 0, NULL));
	parley_ruleset_free(rs);
	parley_ruleset_free(NULL);
}

/* Rules that a program puts together, without a text. */
TEST(by_hand)
{
	struct parley_rule rule = { .match = PARLEY_MATCH_DATA };
	struct parley_ruleset *rs = parley_ruleset_new();
	struct parley_rule_answer answer = { .verdict = PARLEY_REFUSE };
	char *text;

	ASSERT_NE(NULL, rs);
	rule.data_len = 3;
	ASSERT_EQ(0, parley_ruleset_add_bytes(rs, "abc", 3, &rule.data_value));
	EXPECT_EQ(0, rule.data_value);
	/* Not the same place: that would mean something else. */
	ASSERT_EQ(0, parley_ruleset_add_bytes(rs, "abc", 3, &rule.data_mask));
	EXPECT_EQ(3, rule.data_mask);
	ASSERT_EQ(0, parley_ruleset_add(rs, &rule));
	answer.reply = 4;
	answer.reply_len = 2;
	ASSERT_EQ(0, parley_ruleset_set_default(rs, &answer));
	text = parley_ruleset_format(rs);
	EXPECT_STREQ("accept data 0 \"abc\" mask \"abc\"\n"
		     "default refuse reply \"bc\"\n", text);
	free(text);
	parley_ruleset_free(rs);
}

/* What does not lie within the pool is not taken. */
TEST(pool_bounds)
{
	struct parley_rule rule = { .match = PARLEY_MATCH_DATA, .data_len = 3 };
	struct parley_ruleset *rs = parley_ruleset_new();
	__u32 at;

	ASSERT_NE(NULL, rs);
	ASSERT_EQ(0, parley_ruleset_add_bytes(rs, "abcd", 4, &at));
	rule.data_value = 2;
	EXPECT_EQ(-1, parley_ruleset_add(rs, &rule));
	EXPECT_EQ(EINVAL, errno);
	rule.data_value = 1;
	rule.data_mask = 0xffffffff;
	EXPECT_EQ(-1, parley_ruleset_add(rs, &rule));
	EXPECT_EQ(EINVAL, errno);
	rule.data_mask = 1;
	rule.then.reply_len = 5;
	EXPECT_EQ(-1, parley_ruleset_add(rs, &rule));
	EXPECT_EQ(EINVAL, errno);
	rule.then.reply_len = 4;
	rule.over.reply = 4;
	rule.over.reply_len = 1;
	EXPECT_EQ(-1, parley_ruleset_add(rs, &rule));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, parley_ruleset_set_default(rs, &rule.over));
	EXPECT_EQ(EINVAL, errno);
	rule.over.reply = 3;
	EXPECT_EQ(0, parley_ruleset_add(rs, &rule));
	EXPECT_EQ(0, parley_ruleset_set_default(rs, &rule.over));
	EXPECT_EQ(1, parley_ruleset_count(rs));
	parley_ruleset_free(rs);
}

TEST(limits)
{
	struct parley_ruleset *rs = parley_ruleset_new();
	struct parley_rule rule = { 0 };
	char *mega = calloc(1, 1 << 20);
	__u32 at;
	int i;

	ASSERT_NE(NULL, rs);
	ASSERT_NE(NULL, mega);
	for (i = 0; i < PARLEY_RULES_MAX; i++)
		ASSERT_EQ(0, parley_ruleset_add(rs, &rule));
	EXPECT_EQ(-1, parley_ruleset_add(rs, &rule));
	EXPECT_EQ(E2BIG, errno);
	EXPECT_EQ(PARLEY_RULES_MAX, parley_ruleset_count(rs));

	EXPECT_EQ(0, parley_ruleset_add_bytes(rs, mega, 0, &at));
	EXPECT_EQ(0, at);
	EXPECT_EQ(-1, parley_ruleset_add_bytes(rs, mega, (1 << 20) + 1, &at));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(0, parley_ruleset_add_bytes(rs, mega, 1 << 20, &at));
	EXPECT_EQ(-1, parley_ruleset_add_bytes(rs, mega, 1, &at));
	EXPECT_EQ(EMSGSIZE, errno);
	parley_ruleset_free(rs);
	free(mega);
}

/* A table that no text stands for. */
TEST(unsayable)
{
	static const struct parley_rule rules[] = {
		{ .match = 1U << 31 },
		{ .flags = 1U << 31 },
		{ .uid_min = 1 },
		{ .then.verdict = PARLEY_UNDECIDE },
		{ .then.code = 1 },
		{ .match = PARLEY_MATCH_QOS },
		{ .match = PARLEY_MATCH_DATA },
		{ .match = PARLEY_MATCH_CALLER, .caller = { 1 } },
	};
	struct parley_ruleset *rs;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		rs = parley_ruleset_new();
		ASSERT_NE(NULL, rs);
		ASSERT_EQ(0, parley_ruleset_add(rs, &rules[i]));
		EXPECT_EQ(NULL, parley_ruleset_format(rs)) {
			TH_LOG("rule %zu", i);
		}
		EXPECT_EQ(EINVAL, errno);
		parley_ruleset_free(rs);
	}
}

TEST_HARNESS_MAIN
