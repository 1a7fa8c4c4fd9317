// SPDX-License-Identifier: GPL-2.0
/*
 * Rule files and the kernel: a table goes in and comes back equal, calls are
 * judged by it, and what the kernel does not take is blamed on its line. Which
 * rules match what is not tested here.
 */
#include "kselftest_harness.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <parley.h>

#include "lib.h"
#include "lib_ruleset.h"
#include "lib_terms.h"

#define PORT	5440
#define MANY	PARLEY_RULES_MAX

#define NO_ANSWER "what it answers does not go with the verdict, or is no grant"

FIXTURE(rules) {
	int l;
	int call;
	struct parley_ruleset *rs;
	struct parley_ruleset *got;
	struct parley_rule_error err;
	struct parley_refusal r;
};

FIXTURE_SETUP(rules)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 16);
	ASSERT_LE(0, self->l);
}

FIXTURE_TEARDOWN(rules)
{
	parley_ruleset_free(self->rs);
	parley_ruleset_free(self->got);
	EXPECT_EQ(0, parley_expect_clean());
}

/* Everything that can be said, so the kernel and the text agree on all of it. */
static const char everything[] =
	"refuse caller 192.168.0.0/16 code 7 retry-after 2s reply \"not from there\"\n"
	"accept uid 1000-1999 data 0 \"hello\" rate 100/1s burst 20 else refuse code 2\n"
	"accept gid 100 qos send 0-1M grant send 64K recv 64K\n"
	"accept data 4 x0a0b mask xff0f\n"
	"defer port 7000-7099 group 42 cgroup 1234\n"
	"accept caller ::/0 qos send unspecified recv 1-5 service guaranteed,notraffic\n"
	"accept data 0 x0f mask x0f grant send 1 bucket 2 peak 3 latency 4us\n"
	"accept reply x00ff00 grant recv 8 variation 5us sdu 6 policed 5 service besteffort\n"
	"accept grant send 0 bucket 0 service notraffic recv 5M\n"
	"accept grant send unspecified latency unspecified\n"
	"refuse rate 1/24h burst 1 else defer\n"
	"default refuse code 1 reply \"closed\"\n";

TEST_F(rules, there_and_back)
{
	char *text, *again;

	self->rs = ruleset_of(everything);
	ASSERT_NE(NULL, self->rs);
	EXPECT_EQ(0, parley_set_rules(self->l, self->rs, &self->err)) {
		TH_LOG("line %u, field %u: %s", self->err.line, self->err.field,
		       self->err.message);
	}
	self->got = parley_get_rules(self->l);
	ASSERT_NE(NULL, self->got);
	EXPECT_TRUE(ruleset_is(self->rs, self->got));
	text = parley_ruleset_format(self->rs);
	again = parley_ruleset_format(self->got);
	ASSERT_NE(NULL, text);
	EXPECT_STREQ(text, again);
	free(text);
	free(again);
}

TEST_F(rules, none)
{
	int fd = parley_socket(0);

	self->got = parley_get_rules(self->l);
	ASSERT_NE(NULL, self->got);
	EXPECT_EQ(0, parley_ruleset_count(self->got));
	EXPECT_EQ(PARLEY_ACCEPT, parley_ruleset_default(self->got)->verdict);
	/* And before listen(2). */
	ASSERT_LE(0, fd);
	self->rs = ruleset_of("refuse uid 1\ndefault defer");
	ASSERT_NE(NULL, self->rs);
	ASSERT_EQ(0, parley_set_rules(fd, self->rs, NULL));
	parley_ruleset_free(self->got);
	self->got = parley_get_rules(fd);
	ASSERT_NE(NULL, self->got);
	EXPECT_TRUE(ruleset_is(self->rs, self->got));
	/* An empty table is as none. */
	parley_ruleset_free(self->rs);
	self->rs = parley_ruleset_new();
	ASSERT_EQ(0, parley_set_rules(fd, self->rs, NULL));
	parley_ruleset_free(self->got);
	self->got = parley_get_rules(fd);
	ASSERT_NE(NULL, self->got);
	EXPECT_TRUE(ruleset_is(self->rs, self->got));
}

TEST_F(rules, many)
{
	struct parley_rule rule = { .match = PARLEY_MATCH_UID };
	char reply[1000];
	__u32 at;
	int i;

	self->rs = parley_ruleset_new();
	ASSERT_NE(NULL, self->rs);
	for (i = 0; i < MANY; i++) {
		rule.uid_min = i;
		rule.uid_max = i;
		terms_fill(reply, sizeof(reply), i);
		ASSERT_EQ(0, parley_ruleset_add_bytes(self->rs, reply,
						      sizeof(reply), &at));
		rule.then.reply = at;
		rule.then.reply_len = sizeof(reply);
		ASSERT_EQ(0, parley_ruleset_add(self->rs, &rule));
	}
	ASSERT_EQ(0, parley_set_rules(self->l, self->rs, &self->err));
	self->got = parley_get_rules(self->l);
	ASSERT_NE(NULL, self->got);
	EXPECT_TRUE(ruleset_is(self->rs, self->got));
}

/* The callers of two tables, one after the other. */
TEST_F(rules, are_obeyed)
{
	self->rs = ruleset_of("refuse uid 0 data 1 \"el\" code 99 retry-after 3m reply \"a\\\"b\"");
	ASSERT_NE(NULL, self->rs);
	ASSERT_EQ(0, parley_set_rules(self->l, self->rs, &self->err));
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	self->call = terms_call("127.0.0.1", PORT, &(struct terms) {
		.data = "hello", .len = 5 });
	ASSERT_LE(0, self->call);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	ASSERT_EQ(0, parley_get_refusal(self->call, &self->r));
	EXPECT_EQ(PARLEY_REASON_RULE, self->r.reason);
	EXPECT_EQ(99, self->r.code);
	EXPECT_EQ(180000, self->r.retry_after_ms);
	EXPECT_TRUE(terms_reply_is(self->call, "a\"b", 3));

	parley_ruleset_free(self->rs);
	self->rs = ruleset_of("accept caller 127.0.0.0/8 reply \"in\"\n"
			      "default refuse");
	ASSERT_NE(NULL, self->rs);
	ASSERT_EQ(0, parley_set_rules(self->l, self->rs, &self->err));
	self->call = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call);
	ASSERT_LE(0, test_accept(self->l, 0));
	EXPECT_TRUE(terms_reply_is(self->call, "in", 2));
}

/* What only the kernel can know: the line is told, the old table stays. */
TEST_F(rules, blamed)
{
	static const char *const too_long =
		"the reply exceeds net.parley.max_call_data, or all of them 1 MiB";

	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data", 4));
	self->got = ruleset_of("refuse uid 5 reply \"fine\"");
	ASSERT_NE(NULL, self->got);
	ASSERT_EQ(0, parley_set_rules(self->l, self->got, NULL));

	self->rs = ruleset_of("accept\n\n# here:\nrefuse reply \"12345\"\n"
			      "accept");
	ASSERT_NE(NULL, self->rs);
	EXPECT_EQ(-1, parley_set_rules(self->l, self->rs, &self->err));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_TRUE(ruleset_error_is(&self->err, 4, 0, 1, PARLEY_FIELD_THEN,
				     too_long));
	EXPECT_EQ(-1, parley_set_rules(self->l, self->rs, NULL));
	EXPECT_EQ(EMSGSIZE, errno);

	parley_ruleset_free(self->rs);
	self->rs = ruleset_of("accept\naccept rate 1/s else refuse reply \"12345\"");
	ASSERT_NE(NULL, self->rs);
	EXPECT_EQ(-1, parley_set_rules(self->l, self->rs, &self->err));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_TRUE(ruleset_error_is(&self->err, 2, 0, 1, PARLEY_FIELD_OVER,
				     too_long));

	parley_ruleset_free(self->rs);
	self->rs = ruleset_of("accept\n\ndefault accept reply \"12345\"");
	ASSERT_NE(NULL, self->rs);
	EXPECT_EQ(-1, parley_set_rules(self->l, self->rs, &self->err));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_TRUE(ruleset_error_is(&self->err, 3, 0, 1, PARLEY_FIELD_THEN,
				     too_long));

	parley_ruleset_free(self->rs);
	self->rs = parley_get_rules(self->l);
	ASSERT_NE(NULL, self->rs);
	EXPECT_TRUE(ruleset_is(self->rs, self->got));
}

/* A rule that no text could have brought; it has no line. */
TEST_F(rules, blamed_without_a_line)
{
	static const struct {
		struct parley_rule rule;
		__u32 field;
		const char *message;
	} bad[] = {
		{ { .match = 1U << 31 }, PARLEY_FIELD_MATCH,
		  "it matches on what this kernel does not know" },
		{ { .uid_max = 1 }, PARLEY_FIELD_MATCH,
		  "it matches on what this kernel does not know" },
		{ { .flags = 1U << 31 }, PARLEY_FIELD_FLAGS,
		  "it has a flag that this kernel does not know" },
		{ { .match = PARLEY_MATCH_CALLER, .caller_prefix = 129 },
		  PARLEY_FIELD_CALLER,
		  "caller: the prefix is above 128, or there are bits beyond it" },
		{ { .match = PARLEY_MATCH_PORT, .port_min = 1 },
		  PARLEY_FIELD_PORT, "port: the lowest is above the highest" },
		{ { .match = PARLEY_MATCH_UID, .uid_max = ~0U },
		  PARLEY_FIELD_UID,
		  "uid: the lowest is above the highest, or it is none" },
		{ { .match = PARLEY_MATCH_GID, .gid_min = 1 }, PARLEY_FIELD_GID,
		  "gid: the lowest is above the highest, or it is none" },
		{ { .match = PARLEY_MATCH_QOS }, PARLEY_FIELD_QOS,
		  "qos: a minimum is above its maximum, or there is no service" },
		{ { .match = PARLEY_MATCH_DATA }, PARLEY_FIELD_DATA,
		  "data: there are no bytes, or some have bits outside the mask" },
		{ { .flags = PARLEY_RULE_RATE }, PARLEY_FIELD_RATE,
		  "rate: a number is zero or too high, or it is over a day" },
		{ { .then.code = 1 }, PARLEY_FIELD_THEN,
		  NO_ANSWER },
		{ { .over.verdict = PARLEY_REFUSE }, PARLEY_FIELD_OVER,
		  "what it answers beyond the rate does not go with the verdict" },
	};
	struct parley_rule_answer answer = { .verdict = PARLEY_UNDECIDE };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->rs = ruleset_of("accept\nrefuse");
		ASSERT_NE(NULL, self->rs);
		ASSERT_EQ(0, parley_ruleset_add(self->rs, &bad[i].rule));
		EXPECT_EQ(-1, parley_set_rules(self->l, self->rs, &self->err));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_TRUE(ruleset_error_is(&self->err, 0, 0, 2, bad[i].field,
					     bad[i].message));
		parley_ruleset_free(self->rs);
	}
	self->rs = ruleset_of("accept\ndefault refuse");
	ASSERT_NE(NULL, self->rs);
	ASSERT_EQ(0, parley_ruleset_set_default(self->rs, &answer));
	EXPECT_EQ(-1, parley_set_rules(self->l, self->rs, &self->err));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(ruleset_error_is(&self->err, 0, 0, 1, PARLEY_FIELD_THEN,
				     NO_ANSWER));
}

/* It is not about a rule. */
TEST_F(rules, wrong_socket)
{
	int fd[2];

	self->rs = ruleset_of("refuse");
	ASSERT_NE(NULL, self->rs);
	ASSERT_EQ(0, parley_pair(self->l, fd));
	EXPECT_EQ(-1, parley_set_rules(fd[0], self->rs, &self->err));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(ruleset_error_is(&self->err, 0, 0, PARLEY_RULE_NONE,
				     PARLEY_FIELD_NONE, "Invalid argument"));
	EXPECT_EQ(-1, parley_set_rules(fd[1], self->rs, &self->err));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(NULL, parley_get_rules(fd[1]));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, parley_set_rules(-1, self->rs, &self->err));
	EXPECT_EQ(EBADF, errno);
	EXPECT_TRUE(ruleset_error_is(&self->err, 0, 0, PARLEY_RULE_NONE,
				     PARLEY_FIELD_NONE, "Bad file descriptor"));
	EXPECT_EQ(NULL, parley_get_rules(0));
	EXPECT_NE(0, errno);
}

TEST_HARNESS_MAIN
