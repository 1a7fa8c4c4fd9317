// SPDX-License-Identifier: GPL-2.0
/*
 * Rule files that are not good: where and how each is wrong, that the table is
 * as before, and files that cannot be read. Nothing here asks the kernel.
 */
#include "kselftest_harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib_ruleset.h"

#define NO_FIELD	PARLEY_FIELD_NONE
#define NAMES		"notraffic, besteffort, controlledload or guaranteed"
#define SERVICE		NAMES " is expected, not "
#define CLAUSE		"a condition or an answer is expected, not "
#define UNSIGNED_64	"18446744073709551615"

/**
 * struct bad - a line that is no rule
 * @text: the line
 * @column: where it is wrong
 * @field: which field of the rule that is
 * @message: what is wrong
 */
static const struct bad {
	const char *text;
	unsigned int column;
	__u32 field;
	const char *message;
} lines[] = {
	/* verdicts and clauses */
	{ "allow", 1, NO_FIELD,
	  "accept, refuse, defer or default is expected, not 'allow'" },
	{ "  Accept", 3, NO_FIELD,
	  "accept, refuse, defer or default is expected, not 'Accept'" },
	{ "undecide", 1, NO_FIELD,
	  "accept, refuse, defer or default is expected, not 'undecide'" },
	{ "accept from ::1", 8, NO_FIELD,
	  "a condition or an answer is expected, not 'from'" },
	{ "accept uid 1 uid 2", 14, PARLEY_FIELD_UID, "uid is there twice" },
	{ "accept burst 1", 8, NO_FIELD,
	  "a condition or an answer is expected, not 'burst'" },
	{ "accept \x1b[2Jx\x7f", 8, NO_FIELD,
	  "a condition or an answer is expected, not '?[2Jx?'" },
	{ "accept aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 8, NO_FIELD,
	  CLAUSE "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'" },
	{ "accept aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xa9", 8, NO_FIELD,
	  CLAUSE "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'" },

	/* caller */
	{ "accept caller", 14, PARLEY_FIELD_CALLER,
	  "an IPv4 or IPv6 address is missing" },
	{ "accept caller # here", 15, PARLEY_FIELD_CALLER,
	  "an IPv4 or IPv6 address is missing" },
	{ "accept caller localhost", 15, PARLEY_FIELD_CALLER,
	  "an IPv4 or IPv6 address is expected, not 'localhost'" },
	{ "accept caller 1.2.3", 15, PARLEY_FIELD_CALLER,
	  "an IPv4 or IPv6 address is expected, not '1.2.3'" },
	{ "accept caller /8", 15, PARLEY_FIELD_CALLER,
	  "an IPv4 or IPv6 address is expected, not '/8'" },
	{ "accept caller 10.0.0.0/33", 24, PARLEY_FIELD_CALLER,
	  "the prefix is a number from 0 to 32" },
	{ "accept caller ::/129", 18, PARLEY_FIELD_CALLER,
	  "the prefix is a number from 0 to 128" },
	{ "accept caller ::/", 18, PARLEY_FIELD_CALLER,
	  "the prefix is a number from 0 to 128" },
	{ "accept caller ::/8x", 18, PARLEY_FIELD_CALLER,
	  "the prefix is a number from 0 to 128" },
	{ "accept caller ::/4294967304", 18, PARLEY_FIELD_CALLER,
	  "the prefix is a number from 0 to 128" },
	{ "accept caller 10.0.0.1/8", 15, PARLEY_FIELD_CALLER,
	  "the address has bits beyond its prefix" },
	{ "accept caller 2001:db8:8000::/32", 15, PARLEY_FIELD_CALLER,
	  "the address has bits beyond its prefix" },

	/* numbers */
	{ "accept port", 12, PARLEY_FIELD_PORT, "a port is missing" },
	{ "accept port http", 13, PARLEY_FIELD_PORT,
	  "a port is expected, not 'http'" },
	{ "accept port 65536", 13, PARLEY_FIELD_PORT,
	  "a port is at most 65535" },
	{ "accept port 1-65536", 15, PARLEY_FIELD_PORT,
	  "a port is at most 65535" },
	{ "accept port 2-1", 13, PARLEY_FIELD_PORT,
	  "the range ends below its start" },
	{ "accept port 1-", 13, PARLEY_FIELD_PORT,
	  "a port is expected, not '1-'" },
	{ "accept port -1", 13, PARLEY_FIELD_PORT,
	  "a port is expected, not '-1'" },
	{ "accept port 1K", 13, PARLEY_FIELD_PORT,
	  "a port is expected, not '1K'" },
	{ "accept port 7000 -7099", 18, NO_FIELD,
	  "a condition or an answer is expected, not '-7099'" },
	{ "accept uid 4294967295", 12, PARLEY_FIELD_UID,
	  "a uid is at most 4294967294" },
	{ "accept uid 2-1", 12, PARLEY_FIELD_UID,
	  "the range ends below its start" },
	{ "accept gid 0-4294967295", 14, PARLEY_FIELD_GID,
	  "a gid is at most 4294967294" },
	{ "accept gid staff", 12, PARLEY_FIELD_GID,
	  "a gid is expected, not 'staff'" },
	{ "accept cgroup /user", 15, PARLEY_FIELD_MATCH,
	  "the id of a cgroup is expected, not '/user'" },
	{ "accept group 18446744073709551616", 14, PARLEY_FIELD_MATCH,
	  "a group is at most " UNSIGNED_64 },
	{ "accept group 0x10000000000000000", 14, PARLEY_FIELD_MATCH,
	  "a group is at most " UNSIGNED_64 },
	{ "accept group 0x", 14, PARLEY_FIELD_MATCH,
	  "a group is expected, not '0x'" },
	{ "accept group 1-2", 14, PARLEY_FIELD_MATCH,
	  "a group is expected, not '1-2'" },

	/* qos */
	{ "accept qos", 11, PARLEY_FIELD_QOS, "send, recv or service is missing" },
	{ "accept qos uid 1", 12, PARLEY_FIELD_QOS,
	  "send, recv or service is expected, not 'uid'" },
	{ "accept qos send 1 recv 1 send 1", 26, PARLEY_FIELD_QOS,
	  "send is there twice" },
	{ "accept qos send 1T", 17, PARLEY_FIELD_QOS,
	  "bytes per second is expected, not '1T'" },
	{ "accept qos send 4G", 17, PARLEY_FIELD_QOS,
	  "bytes per second is at most 4294967294" },
	{ "accept qos send unspecified-1", 17, PARLEY_FIELD_QOS,
	  "the range ends below its start" },
	{ "accept qos service best", 20, PARLEY_FIELD_QOS,
	  SERVICE "'best'" },
	{ "accept qos service guaranteed,", 20, PARLEY_FIELD_QOS,
	  SERVICE "'guaranteed,'" },

	/* data and bytes */
	{ "accept data \"x\"", 13, PARLEY_FIELD_DATA,
	  "an offset is expected, not '\"x\"'" },
	{ "accept data 4294967296 x00", 13, PARLEY_FIELD_DATA,
	  "an offset is at most 4294967295" },
	{ "accept data 0", 14, PARLEY_FIELD_DATA,
	  "\"text\" or xHEX is missing" },
	{ "accept data 0 hello", 15, PARLEY_FIELD_DATA,
	  "\"text\" or xHEX is expected, not 'hello'" },
	{ "accept data 0 \"\"", 15, PARLEY_FIELD_DATA,
	  "there are no bytes in it" },
	{ "accept data 0 x", 15, PARLEY_FIELD_DATA, "there are no bytes in it" },
	{ "accept data 0 x0", 16, PARLEY_FIELD_DATA,
	  "two hexadecimal digits are expected for each byte" },
	{ "accept data 0 x00zz", 18, PARLEY_FIELD_DATA,
	  "two hexadecimal digits are expected for each byte" },
	{ "accept data 0 \"abc", 15, PARLEY_FIELD_DATA,
	  "the quote is not closed" },
	{ "accept data 0 \"abc\\\"", 15, PARLEY_FIELD_DATA,
	  "the quote is not closed" },
	{ "accept data 0 \"", 15, PARLEY_FIELD_DATA, "the quote is not closed" },
	{ "accept data 0 \"a\"b", 18, PARLEY_FIELD_DATA,
	  "a space is missing after the quote" },
	{ "accept data 0 \"a\\q\"", 17, PARLEY_FIELD_DATA,
	  "only \\n, \\t, \\r, \\\\, \\\" and \\xNN are known" },
	{ "accept data 0 \"a\\", 17, PARLEY_FIELD_DATA,
	  "only \\n, \\t, \\r, \\\\, \\\" and \\xNN are known" },
	{ "accept data 0 \"a\\x4\"", 17, PARLEY_FIELD_DATA,
	  "\\x takes two hexadecimal digits" },
	{ "accept data 0 x00 mask", 23, PARLEY_FIELD_DATA,
	  "\"text\" or xHEX is missing" },
	{ "accept data 0 x0000 mask xff", 26, PARLEY_FIELD_DATA,
	  "the mask has 1 bytes, the value 2" },
	{ "accept data 0 x00 mask xffff", 24, PARLEY_FIELD_DATA,
	  "the mask has 2 bytes, the value 1" },
	{ "accept data 0 x0f1f mask x0f0f", 26, PARLEY_FIELD_DATA,
	  "byte 2 of the value has bits outside the mask" },
	{ "accept mask x00", 8, NO_FIELD,
	  "a condition or an answer is expected, not 'mask'" },

	/* answers */
	{ "accept code 1", 8, PARLEY_FIELD_THEN,
	  "code does not go with accept" },
	{ "defer retry-after 1s", 7, PARLEY_FIELD_THEN,
	  "retry-after does not go with defer" },
	{ "defer reply \"x\"", 7, PARLEY_FIELD_THEN,
	  "reply does not go with defer" },
	{ "refuse grant send 1", 8, PARLEY_FIELD_THEN,
	  "grant does not go with refuse" },
	{ "refuse code 4294967296", 13, PARLEY_FIELD_THEN,
	  "a code is at most 4294967295" },
	{ "refuse retry-after 2", 21, PARLEY_FIELD_THEN,
	  "a time ends with ms, s, m or h" },
	{ "refuse retry-after 2d", 21, PARLEY_FIELD_THEN,
	  "a time ends with ms, s, m or h" },
	{ "refuse retry-after s", 20, PARLEY_FIELD_THEN,
	  "a time is expected, not 's'" },
	{ "refuse retry-after 1194h", 20, PARLEY_FIELD_THEN,
	  "a time is at most 4294967295ms" },
	{ "refuse retry-after 18446744073709551615h", 20, PARLEY_FIELD_THEN,
	  "a time is at most 4294967295ms" },
	{ "accept grant", 13, PARLEY_FIELD_THEN, "send or recv is missing" },
	{ "accept grant 64K", 14, PARLEY_FIELD_THEN,
	  "send or recv is expected, not '64K'" },
	{ "accept grant send", 18, PARLEY_FIELD_THEN,
	  "bytes per second is missing" },
	{ "accept grant send 1 send 2", 21, PARLEY_FIELD_THEN,
	  "send is there twice" },
	{ "accept grant send 1 peak 2 peak 3", 28, PARLEY_FIELD_THEN,
	  "peak is there twice" },
	{ "accept grant send 0", 14, PARLEY_FIELD_THEN,
	  "a rate of 0 takes service notraffic" },
	{ "accept grant send 1 bucket 0", 14, PARLEY_FIELD_THEN,
	  "a bucket of 0 takes service notraffic" },
	{ "accept grant send 2 peak 1", 14, PARLEY_FIELD_THEN,
	  "the peak is below the rate" },
	{ "accept grant send 1 recv 2 sdu 1 policed 2", 21, PARLEY_FIELD_THEN,
	  "policed is above sdu" },
	{ "accept grant send unspecified service guaranteed", 14,
	  PARLEY_FIELD_THEN, "guaranteed service takes a rate" },
	{ "accept grant send 1 latency 5", 30, PARLEY_FIELD_THEN,
	  "a delay ends with us, ms or s" },
	{ "accept grant send 1 latency 4295s", 29, PARLEY_FIELD_THEN,
	  "a delay is at most 4294967294us" },
	{ "accept grant send 1 service good", 29, PARLEY_FIELD_THEN,
	  SERVICE "'good'" },

	/* rates */
	{ "accept rate 100", 13, PARLEY_FIELD_RATE,
	  "a rate as 100/1s is expected, not '100'" },
	{ "accept rate", 12, PARLEY_FIELD_RATE, "a rate as 100/1s is missing" },
	{ "accept rate x/1s", 13, PARLEY_FIELD_RATE,
	  "a rate as 100/1s is expected, not 'x/1s'" },
	{ "accept rate 1x/1s", 13, PARLEY_FIELD_RATE,
	  "the rate is expected, not '1x/1s'" },
	{ "accept rate 0/1s", 13, PARLEY_FIELD_RATE,
	  "the rate is at least 1 call" },
	{ "accept rate 1/0s", 15, PARLEY_FIELD_RATE,
	  "the interval is at least 1ms" },
	{ "accept rate 1/", 13, PARLEY_FIELD_RATE,
	  "a rate as 100/1s is expected, not '1/'" },
	{ "accept rate 1/10", 17, PARLEY_FIELD_RATE,
	  "a time ends with ms, s, m or h" },
	{ "accept rate 1/25h", 15, PARLEY_FIELD_RATE,
	  "the interval is at most 86400000ms" },
	{ "accept rate 4294967296/s", 13, PARLEY_FIELD_RATE,
	  "the rate is at most 4294967295" },
	{ "accept rate 1/s burst 0", 23, PARLEY_FIELD_RATE,
	  "the burst is at least 1" },
	{ "accept rate 1/s rate 2/s", 17, PARLEY_FIELD_RATE,
	  "rate is there twice" },
	{ "accept else refuse", 8, PARLEY_FIELD_OVER,
	  "else comes after a rate" },
	{ "accept rate 1/s else", 21, PARLEY_FIELD_OVER,
	  "accept, refuse or defer is missing" },
	{ "accept rate 1/s else uid 1", 22, PARLEY_FIELD_OVER,
	  "accept, refuse or defer is expected, not 'uid'" },
	{ "accept rate 1/s else refuse uid 1", 29, PARLEY_FIELD_UID,
	  "uid cannot be said after else" },
	{ "accept rate 1/s else refuse else accept", 29, PARLEY_FIELD_OVER,
	  "else cannot be said after else" },
	{ "accept rate 1/s else defer code 1", 28, PARLEY_FIELD_OVER,
	  "code does not go with defer" },
	{ "refuse code 1 rate 1/s else refuse code 2 code 3", 43,
	  PARLEY_FIELD_OVER, "code is there twice" },

	/* the default */
	{ "default", 8, NO_FIELD, "accept, refuse or defer is missing" },
	{ "default drop", 9, NO_FIELD,
	  "accept, refuse or defer is expected, not 'drop'" },
	{ "default refuse uid 1", 16, PARLEY_FIELD_UID,
	  "uid cannot be said of the default" },
	{ "default accept rate 1/s", 16, PARLEY_FIELD_RATE,
	  "rate cannot be said of the default" },
	{ "default accept code 1", 16, PARLEY_FIELD_THEN,
	  "code does not go with accept" },
};

/* Each alone, and as the third line of a table that is unchanged by it. */
TEST(bad_lines)
{
	struct parley_ruleset *rs, *before;
	struct parley_rule_error err;
	char text[256];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		rs = ruleset_of("refuse data 9 \"nine\"\ndefault defer");
		before = ruleset_of("refuse data 9 \"nine\"\ndefault defer");
		ASSERT_NE(NULL, rs);
		ASSERT_NE(NULL, before);
		snprintf(text, sizeof(text),
			 "accept data 3 \"three\"\n\n%s\nnonsense", lines[i].text);
		memset(&err, 0xff, sizeof(err));
		EXPECT_EQ(-1, parley_ruleset_parse(rs, text, strlen(text),
						   &err));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_TRUE(ruleset_error_is(&err, 3, lines[i].column, 2,
					     lines[i].field,
					     lines[i].message)) {
			TH_LOG("%s", lines[i].text);
		}
		EXPECT_TRUE(ruleset_is(rs, before));
		EXPECT_EQ(-1, parley_ruleset_parse(rs, text, strlen(text),
						   NULL));
		EXPECT_EQ(EINVAL, errno);
		parley_ruleset_free(rs);
		parley_ruleset_free(before);
	}
}

/* What is wrong with texts as a whole. */
TEST(bad_texts)
{
	static const char zero[] = "accept\nrefuse \0code 1\n";
	static const char after[] = "default refuse\n# ok\n \taccept\n";
	static const char twice[] = "default refuse\ndefault accept";
	struct parley_ruleset *rs = parley_ruleset_new();
	struct parley_rule_error err;

	ASSERT_NE(NULL, rs);
	EXPECT_EQ(-1, parley_ruleset_parse(rs, zero, sizeof(zero) - 1, &err));
	EXPECT_TRUE(ruleset_error_is(&err, 2, 8, 1, NO_FIELD,
				     "there is a zero byte"));
	EXPECT_EQ(-1, parley_ruleset_parse(rs, after, strlen(after), &err));
	EXPECT_TRUE(ruleset_error_is(&err, 3, 3, 0, NO_FIELD,
				     "the default is the last line"));
	EXPECT_EQ(-1, parley_ruleset_parse(rs, twice, strlen(twice), &err));
	EXPECT_TRUE(ruleset_error_is(&err, 2, 1, 0, NO_FIELD,
				     "the default is the last line"));
	EXPECT_EQ(0, parley_ruleset_count(rs));
	EXPECT_EQ(PARLEY_ACCEPT, parley_ruleset_default(rs)->verdict);
	parley_ruleset_free(rs);
}

TEST(too_many_rules)
{
	struct parley_ruleset *rs = parley_ruleset_new();
	struct parley_rule_error err;
	int i;

	ASSERT_NE(NULL, rs);
	for (i = 0; i < PARLEY_RULES_MAX - 1; i++)
		ASSERT_EQ(0, parley_ruleset_parse(rs, "accept", 6, NULL));
	EXPECT_EQ(-1, parley_ruleset_parse(rs, "accept\nrefuse", 13, &err));
	EXPECT_EQ(E2BIG, errno);
	EXPECT_TRUE(ruleset_error_is(&err, 2, 0, PARLEY_RULES_MAX, NO_FIELD,
				     "there are more than 1024 rules"));
	EXPECT_EQ(PARLEY_RULES_MAX - 1, parley_ruleset_count(rs));
	EXPECT_EQ(0, parley_ruleset_parse(rs, "accept\ndefault refuse", 21,
					  NULL));
	parley_ruleset_free(rs);
}

TEST(too_many_bytes)
{
	static const char head[] = "refuse reply \"";
	struct parley_ruleset *rs = parley_ruleset_new();
	size_t len = sizeof(head) - 1, size = (1 << 20) + 1;
	struct parley_rule_error err;
	char *text = malloc(len + size + 1);

	ASSERT_NE(NULL, rs);
	ASSERT_NE(NULL, text);
	memcpy(text, head, len);
	memset(text + len, 'a', size);
	text[len + size] = '"';
	EXPECT_EQ(-1, parley_ruleset_parse(rs, text, len + size + 1, &err));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_TRUE(ruleset_error_is(&err, 1, 0, 0, PARLEY_FIELD_THEN,
				     "the bytes of all rules together exceed 1 MiB"));
	text[len + size - 1] = '"';
	EXPECT_EQ(0, parley_ruleset_parse(rs, text, len + size, &err));
	EXPECT_EQ(size - 1, parley_ruleset_rule(rs, 0)->then.reply_len);
	parley_ruleset_free(rs);
	free(text);
}

FIXTURE(file) {
	char path[32];
	struct parley_ruleset *rs;
	struct parley_rule_error err;
};

FIXTURE_SETUP(file)
{
	int fd;

	snprintf(self->path, sizeof(self->path), "/tmp/rules.XXXXXX");
	fd = mkstemp(self->path);
	ASSERT_LE(0, fd);
	close(fd);
	self->rs = parley_ruleset_new();
	ASSERT_NE(NULL, self->rs);
}

FIXTURE_TEARDOWN(file)
{
	unlink(self->path);
	parley_ruleset_free(self->rs);
}

static bool fill(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return false;
	fputs(text, f);
	return !fclose(f);
}

TEST_F(file, load)
{
	ASSERT_TRUE(fill(self->path, "accept uid 1\nrefuse"));
	EXPECT_EQ(0, parley_ruleset_load(self->rs, self->path, &self->err));
	EXPECT_EQ(2, parley_ruleset_count(self->rs));
	ASSERT_TRUE(fill(self->path, ""));
	EXPECT_EQ(0, parley_ruleset_load(self->rs, self->path, NULL));
	EXPECT_EQ(2, parley_ruleset_count(self->rs));
}

/* Longer than what is read at once. */
TEST_F(file, load_long)
{
	FILE *f = fopen(self->path, "we");
	int i;

	ASSERT_NE(NULL, f);
	for (i = 0; i < PARLEY_RULES_MAX; i++)
		fprintf(f, "accept uid %d # so many times\n", i);
	ASSERT_EQ(0, fclose(f));
	ASSERT_EQ(0, parley_ruleset_load(self->rs, self->path, NULL));
	ASSERT_EQ(PARLEY_RULES_MAX, parley_ruleset_count(self->rs));
	for (i = 0; i < PARLEY_RULES_MAX; i++)
		ASSERT_EQ(i, parley_ruleset_rule(self->rs, i)->uid_min);
}

TEST_F(file, load_bad)
{
	ASSERT_TRUE(fill(self->path, "accept\n\n\trefuse uid x\n"));
	EXPECT_EQ(-1, parley_ruleset_load(self->rs, self->path, &self->err));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(ruleset_error_is(&self->err, 3, 13, 1, PARLEY_FIELD_UID,
				     "a uid is expected, not 'x'"));
	EXPECT_EQ(-1, parley_ruleset_load(self->rs, self->path, NULL));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, parley_ruleset_count(self->rs));
}

TEST_F(file, load_none)
{
	EXPECT_EQ(-1, parley_ruleset_load(self->rs, "/tmp", &self->err));
	EXPECT_EQ(EISDIR, errno);
	EXPECT_TRUE(ruleset_error_is(&self->err, 0, 0, PARLEY_RULE_NONE,
				     NO_FIELD, "Is a directory"));
	EXPECT_EQ(-1, parley_ruleset_load(self->rs, "/tmp/none/such", NULL));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(-1, parley_ruleset_load(self->rs, "/dev/zero", &self->err));
	EXPECT_EQ(EFBIG, errno);
}

TEST_HARNESS_MAIN
