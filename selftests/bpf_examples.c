// SPDX-License-Identifier: GPL-2.0
/*
 * The example policies and the example filter, those of tools/bpf: each does
 * what it says. Quotas, which have to be exact however many calls race, are in
 * bpf_examples_quota.c.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib_bpf_race.h"
#include "lib_decide.h"
#include "lib_filter.h"
#include "lib_terms.h"

#define HOST	"127.0.0.1"
#define PORT	7620
#define LIMIT	8
#define DAY	1440	/* minutes */

FIXTURE(bpf_examples) {
	struct policy policy;
	int l;
};

FIXTURE_SETUP(bpf_examples)
{
	if (!policy_possible())
		SKIP(return, NO_POLICIES);
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, LIMIT);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(bpf_examples)
{
	policy_end(&self->policy);
	EXPECT_EQ(0, policy_expect_clean());
}

/* Loads the policy with these settings, and the listener has it. */
static int use_policy(struct policy *p, int l, const char *name,
		      const struct setting *set)
{
	return settings_start(p, name, set) ?: policy_choose(l, name);
}

/* @from is the address to call from; nothing is said. */
static bool accepts_from(int l, const char *from)
{
	struct rules_call c = { .from = from };

	return filter_accepts(l, &c, PARLEY_BY_POLICY);
}

/* The retry-after of a refusal with @code, or a negative errno. */
static long retry_from(int l, const char *from, __u32 code)
{
	struct rules_call c = { .from = from };
	struct filter_said said;
	int err = filter_ask(l, &c, &said);

	if (err)
		return err;
	if (said.verdict != PARLEY_REFUSE ||
	    said.refusal.reason != PARLEY_REASON_POLICY ||
	    said.refusal.code != code)
		return -EBADMSG;
	return said.refusal.retry_after_ms;
}

TEST_F(bpf_examples, rate_burst)
{
	static const struct setting set[] = {
		{ "per_minute", 1 }, { "burst", 3 }, { "code", 22 }, { }
	};
	unsigned long long begin = parley_now_ns(), gone;
	long retry;
	int i;

	ASSERT_EQ(0, use_policy(&self->policy, self->l, "rate", set));
	for (i = 0; i < 3; i++)
		ASSERT_TRUE(accepts_from(self->l, HOST));
	/* The next token comes a minute after the first was taken. */
	retry = retry_from(self->l, HOST, 22);
	gone = (parley_now_ns() - begin) / 1000000;
	TH_LOG("retry after %ld ms, %llu ms after the first call", retry, gone);
	EXPECT_GE(60001, retry);
	EXPECT_LE(60000, retry + (long)gone);
	/* Others have buckets of their own. */
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(accepts_from(self->l, "127.0.0.2"));
	EXPECT_LT(0, retry_from(self->l, "127.0.0.2", 22));
}

/* Whoever waits as long as was said is let in. */
TEST_F(bpf_examples, rate_again)
{
	static const struct setting set[] = {
		{ "per_minute", 30 }, { "burst", 1 }, { }
	};
	long retry;

	ASSERT_EQ(0, use_policy(&self->policy, self->l, "rate", set));
	ASSERT_TRUE(accepts_from(self->l, HOST));
	retry = retry_from(self->l, HOST, 2);
	ASSERT_LT(0, retry);
	EXPECT_GE(2001, retry);
	/* What is waited for here is the time itself. */
	EXPECT_EQ(0, poll(NULL, 0, retry));
	EXPECT_TRUE(accepts_from(self->l, HOST));
	EXPECT_LT(0, retry_from(self->l, HOST, 2));
}

static int token_add(struct policy *p, const char *text)
{
	char key[64] = { };
	__u64 used = 0;

	memcpy(key, text, strlen(text));
	return bpf_map_update_elem(policy_map_fd(p, "tokens"), key, &used,
				   BPF_NOEXIST);
}

static long long token_used(struct policy *p, const char *text)
{
	char key[64] = { };
	__u64 used;
	int err;

	memcpy(key, text, strlen(text));
	err = bpf_map_lookup_elem(policy_map_fd(p, "tokens"), key, &used);
	return err ? err : (long long)used;
}

/* What becomes of a call with this token; @why is the reply of a refusal. */
static int token_verdict(int l, const char *text, const char *why)
{
	struct terms terms = { .data = text, .len = strlen(text) };
	int fd = terms_call(HOST, PORT, &terms), callee;

	if (fd < 0)
		return fd;
	callee = test_accept(l, 0);
	if (callee >= 0) {
		close(callee);
		close(fd);
		return PARLEY_ACCEPT;
	}
	if (!decide_refused_is(fd, PARLEY_REASON_POLICY, 3) ||
	    !terms_reply_is(fd, why, strlen(why)))
		return -EBADMSG;
	close(fd);
	return PARLEY_REFUSE;
}

TEST_F(bpf_examples, token)
{
	static const char longest[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	static const char * const unknown[] = {
		"sesam", "sesame ", "sesam\nsesame",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde",
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeff",
	};
	unsigned int i;
	int l = self->l;

	ASSERT_EQ(0, use_policy(&self->policy, l, "token", NULL));
	EXPECT_EQ(PARLEY_REFUSE, token_verdict(l, "", "bring a token"));
	EXPECT_EQ(PARLEY_REFUSE, token_verdict(l, "sesame", "unknown token"));
	ASSERT_EQ(0, token_add(&self->policy, "sesame"));
	ASSERT_EQ(0, token_add(&self->policy, longest));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(PARLEY_ACCEPT, token_verdict(l, "sesame", NULL));
	EXPECT_EQ(PARLEY_ACCEPT, token_verdict(l, longest, NULL));
	for (i = 0; i < ARRAY_SIZE(unknown); i++)
		EXPECT_EQ(PARLEY_REFUSE,
			  token_verdict(l, unknown[i], "unknown token"));
	EXPECT_EQ(3, token_used(&self->policy, "sesame"));
	EXPECT_EQ(1, token_used(&self->policy, longest));
	EXPECT_EQ(-ENOENT, token_used(&self->policy, "sesam"));
}

/* The day of the week of a minute since 1970, 0 is Monday. */
static unsigned int weekday(__u64 minute)
{
	return (minute / DAY + 3) % 7;
}

/* Hours that have begun an hour ago, or begin in two. */
static void hours_set(struct setting *set, bool open)
{
	__u64 now = time(NULL) / 60, from = now + (open ? -60 : 120);

	set[0] = (struct setting){ "from", from % DAY };
	set[1] = (struct setting){ "until", (from + 120) % DAY };
	set[2] = (struct setting){ "weekdays", 0x7f };
	set[3] = (struct setting){ };
}

TEST_F(bpf_examples, hours_open)
{
	struct setting set[4];

	hours_set(set, true);
	ASSERT_EQ(0, use_policy(&self->policy, self->l, "hours", set));
	EXPECT_TRUE(accepts_from(self->l, NULL));
}

/* The days are those on which the hours begin. */
TEST_F(bpf_examples, hours_days)
{
	unsigned int today = weekday(time(NULL) / 60 - 60);
	struct rules_call c = { };
	struct setting set[4];

	hours_set(set, true);
	set[2].value = 1 << today;
	ASSERT_EQ(0, use_policy(&self->policy, self->l, "hours", set));
	EXPECT_TRUE(accepts_from(self->l, NULL));
	policy_end(&self->policy);

	set[2].value = 0x7f & ~(1 << today);
	ASSERT_EQ(0, use_policy(&self->policy, self->l, "hours", set));
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, &c));
}

/* Local time may be ahead of UTC, or behind. */
TEST_F(bpf_examples, hours_offset)
{
	static const int offset[] = { 180, -180 };
	struct rules_call c = { };
	struct setting set[5];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		hours_set(set, true);
		set[3] = (struct setting){ "utc_offset", offset[i] };
		set[4] = (struct setting){ };
		ASSERT_EQ(0, use_policy(&self->policy, self->l, "hours", set));
		EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, &c));
		policy_end(&self->policy);

		/* So many minutes later or earlier it is the same time. */
		set[0].value = (set[0].value + DAY + offset[i]) % DAY;
		set[1].value = (set[1].value + DAY + offset[i]) % DAY;
		ASSERT_EQ(0, use_policy(&self->policy, self->l, "hours", set));
		EXPECT_TRUE(accepts_from(self->l, NULL));
		policy_end(&self->policy);
	}
}

/* Who came at night waits for the review in the morning. */
TEST_F(bpf_examples, hours_review)
{
	struct setting set[4];
	int call;

	hours_set(set, false);
	ASSERT_EQ(0, use_policy(&self->policy, self->l, "hours", set));
	call = parley_call(HOST, PORT);
	ASSERT_LE(0, call);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	policy_end(&self->policy);

	hours_set(set, true);
	ASSERT_EQ(0, use_policy(&self->policy, self->l, "hours", set));
	EXPECT_TRUE(decide_accepts_none(self->l));
	EXPECT_EQ(1, decide_review(self->l));
	EXPECT_TRUE(decide_accepts(self->l, call));
}

/* Half of the backlog may fill; then it is later, the fuller it is. */
TEST_F(bpf_examples, shed)
{
	struct parley_refusal r;
	int call[LIMIT / 2 + 1];
	unsigned int i;
	int fd;

	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	ASSERT_EQ(0, use_policy(&self->policy, self->l, "shed", NULL));
	for (i = 0; i < ARRAY_SIZE(call); i++) {
		call[i] = parley_call(HOST, PORT);
		ASSERT_LE(0, call[i]);
		ASSERT_EQ(0, parley_reason(call[i]));
	}
	ASSERT_EQ(LIMIT / 2 + 1, parley_pending(self->l));

	/* 5 of 8 are taken, which is a quarter of what is above 4. */
	fd = parley_socket(SOCK_NONBLOCK);
	EXPECT_EQ(-ECONNREFUSED, test_connect(fd, HOST, PORT));
	EXPECT_EQ(0, parley_refusal(fd, &r));
	EXPECT_EQ(PARLEY_REASON_POLICY, r.reason);
	EXPECT_EQ(4, r.code);
	EXPECT_EQ(100 + (5000 - 100) / 4, r.retry_after_ms);
	EXPECT_EQ(LIMIT / 2 + 1, parley_pending(self->l));

	/* One less, and the next one is welcome. */
	EXPECT_TRUE(decide_accepts(self->l, call[0]));
	call[0] = parley_call(HOST, PORT);
	EXPECT_EQ(0, parley_reason(call[0]));
	EXPECT_EQ(LIMIT / 2 + 1, parley_pending(self->l));
}

/* The filter */

FIXTURE(bpf_examples_filter) {
	struct policy policy;
	int l;
};

FIXTURE_SETUP(bpf_examples_filter)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, LIMIT);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, policy_open(&self->policy, "filter.bpf.o"));
}

FIXTURE_TEARDOWN(bpf_examples_filter)
{
	policy_end(&self->policy);
	EXPECT_EQ(0, parley_expect_clean());
}

static int attach_filter(struct policy *p, int l)
{
	struct bpf_program *prog;
	int err = policy_load(p);

	prog = bpf_object__find_program_by_name(p->object, "filter");
	if (err || !prog)
		return err ?: -ENOENT;
	return filter_attach_bpf(l, bpf_program__fd(prog));
}

TEST_F(bpf_examples_filter, uid)
{
	struct rules_call c = { };

	ASSERT_EQ(0, setting_apply(&self->policy, "uid_min", 1));
	ASSERT_EQ(0, setting_apply(&self->policy, "retry_after_ms", 500));
	ASSERT_EQ(0, attach_filter(&self->policy, self->l));
	EXPECT_TRUE(filter_refuses(self->l, &c, PARLEY_REASON_FILTER, 1, 500));
}

TEST_F(bpf_examples_filter, word)
{
	static const struct {
		const char *data;
		bool accepted;
	} say[] = {
		{ "hello", true }, { "hello there", true }, { "hell", false },
		{ "", false }, { "Hello", false }, { "say hello", false },
	};
	unsigned int i;

	ASSERT_EQ(0, setting_text(&self->policy, "word", "hello"));
	ASSERT_EQ(0, attach_filter(&self->policy, self->l));
	for (i = 0; i < ARRAY_SIZE(say); i++) {
		struct rules_call c = {
			.terms.data = say[i].data,
			.terms.len = strlen(say[i].data),
		};

		EXPECT_TRUE(say[i].accepted ?
			    filter_accepts(self->l, &c, PARLEY_BY_FILTER) :
			    filter_refuses(self->l, &c, PARLEY_REASON_FILTER, 2,
					   0)) {
			TH_LOG("data '%s'", say[i].data);
		}
	}
}

TEST_HARNESS_MAIN
