// SPDX-License-Identifier: GPL-2.0
/*
 * Policies that return whatever there is and call the kernel's functions with
 * whatever arguments, together with rules and filters that say something else:
 * what each function returns, what becomes of the call and what both ends are
 * told is always what the test has worked out before.
 *
 * PARLEY_STORM_SEED repeats a run, PARLEY_STORM_SCALE is a percentage of the
 * usual size.
 */
#include "kselftest_harness.h"

#include <grp.h>
#include <string.h>
#include <unistd.h>

#include "bpf_fuzz.h"
#include "lib_bpf_race.h"
#include "lib_decide.h"
#include "lib_filter.h"
#include "lib_terms.h"

#define HOST		"127.0.0.1"
#define PORT		7650
#define CASES		4000
#define DATA_MAX	300
#define RULE_REPLY	"the rule's"

static const gid_t groups[] = { 3, 500, 70000 };

/* Cases */

/**
 * struct stage - what one of the three stages says
 * @by: enum parley_decider; 0 if it is not there
 * @verdict: enum parley_verdict
 * @reason: with a refusal
 * @code: likewise
 * @retry_after_ms: likewise
 * @reply: or NULL
 * @reply_len: of it
 * @grants: whether there is a grant
 * @grant: it
 */
struct stage {
	unsigned int by;
	unsigned int verdict;
	unsigned int reason;
	__u32 code;
	__u32 retry_after_ms;
	const void *reply;
	__u32 reply_len;
	bool grants;
	struct parley_qos grant;
};

/**
 * struct a_case - a call, and what is said to it
 * @terms: of the call
 * @asked: QoS that it asks for
 * @data: its data
 * @max_data: net.parley.max_call_data
 * @result: of the policy's steps
 * @read: what the policy's last step that reads call data has read
 * @read_len: so many bytes; -1 for none
 * @rules: what is said
 * @filter: likewise
 * @policy: likewise
 * @sum: what becomes of it
 */
struct a_case {
	struct terms terms;
	struct parley_qos asked;
	__u8 data[DATA_MAX];
	unsigned int max_data;
	__s32 result[FUZZ_STEPS];
	__u8 read[FUZZ_BYTES];
	int read_len;
	struct stage rules;
	struct stage filter;
	struct stage policy;
	struct stage sum;
};

static struct race_random chance;
static struct fuzz *fuzz;

static bool one_of(unsigned int n)
{
	return race_below(&chance, n) == 0;
}

/* Numbers at the edges of something, or any. */
static __u32 number(__u32 edge)
{
	switch (race_below(&chance, 8)) {
	case 0:
		return 0;
	case 1:
		return 1;
	case 2:
		return edge - 1;
	case 3:
		return edge;
	case 4:
		return edge + 1;
	case 5:
		return 0xffffffff;
	case 6:
		return 0x80000000 - race_below(&chance, 2);
	}
	return race_random(&chance);
}

static void random_flow(struct parley_flowspec *f)
{
	__u32 *member = (__u32 *)f;
	unsigned int i;

	for (i = 0; i < sizeof(*f) / sizeof(*member); i++)
		member[i] = one_of(3) ? PARLEY_QOS_UNSPECIFIED : number(1000);
	f->service = one_of(20) ? number(4) : race_below(&chance, 4);
}

/* Nearly always it makes sense; @valid: always. */
static void random_qos(struct parley_qos *q, bool valid)
{
	valid |= !one_of(4);
	do {
		random_flow(&q->send);
		q->recv = q->send;
	} while (valid && !model_qos_valid(q));
	do {
		random_flow(&q->recv);
	} while (valid && !model_qos_valid(q));
}

static void random_terms(struct a_case *c)
{
	memset(&c->terms, 0, sizeof(c->terms));
	terms_qos_none(&c->asked);
	c->terms.len = one_of(4) ? 0 : race_below(&chance, DATA_MAX + 1);
	c->terms.data = c->data;
	terms_fill(c->data, sizeof(c->data), race_random(&chance));
	if (one_of(2)) {
		random_qos(&c->asked, true);
		c->terms.qos = &c->asked;
	}
	c->max_data = one_of(4) ? race_below(&chance, FUZZ_BYTES) : 4096;
}

/* A table that accepts all calls and says nothing is as good as none. */
static int random_rules(int l, struct stage *s)
{
	struct parley_rule_answer a = { };

	memset(s, 0, sizeof(*s));
	if (!one_of(3))
		return decide_rules(l, PARLEY_ACCEPT);
	s->by = PARLEY_BY_RULE;
	s->verdict = one_of(2) ? PARLEY_ACCEPT : 1 + race_below(&chance, 2);
	s->reason = PARLEY_REASON_RULE;
	a.verdict = s->verdict;
	if (s->verdict == PARLEY_REFUSE) {
		s->code = number(7);
		s->retry_after_ms = number(7);
		rules_say(&a, s->code, s->retry_after_ms);
	}
	if (s->verdict != PARLEY_DEFER && one_of(2)) {
		s->reply = RULE_REPLY;
		s->reply_len = strlen(RULE_REPLY);
		a.reply_len = s->reply_len;
	}
	if (s->verdict == PARLEY_ACCEPT && one_of(2)) {
		random_qos(&s->grant, true);
		s->grants = true;
		a.grant = s->grant;
		a.flags = PARLEY_ANSWER_QOS;
	}
	return terms_rule(l, &a, RULE_REPLY, strlen(RULE_REPLY));
}

static void flow_rate(struct parley_flowspec *f, __u32 rate)
{
	if (rate && f->token_rate > rate)
		f->token_rate = rate;
	if (rate && f->token_rate > f->peak_rate)
		f->token_rate = f->peak_rate;
}

static int random_filter(int l, struct stage *s, const struct parley_qos *asked)
{
	struct filter_answer a = { };
	int err;

	memset(s, 0, sizeof(*s));
	if (!one_of(3)) {
		err = filter_detach(l);
		return err == -ENOENT ? 0 : err;
	}
	a.ret = one_of(2) ? race_below(&chance, 4) : number(2);
	a.cb[PARLEY_CB_CODE] = number(9);
	a.cb[PARLEY_CB_RETRY_AFTER] = number(9);
	a.cb[PARLEY_CB_SEND_RATE] = one_of(2) ? 0 : number(1000);
	a.cb[PARLEY_CB_RECV_RATE] = one_of(2) ? 0 : number(1000);
	a.cb[PARLEY_CB_ZERO] = one_of(8) ? number(1) : 0;

	s->by = PARLEY_BY_FILTER;
	s->verdict = a.ret == PARLEY_FILTER_REFUSE || a.cb[PARLEY_CB_ZERO] ?
		     PARLEY_REFUSE : a.ret == PARLEY_FILTER_DEFER ?
		     PARLEY_DEFER : PARLEY_ACCEPT;
	s->reason = a.cb[PARLEY_CB_ZERO] ? PARLEY_REASON_POLICY_FAULT :
					   PARLEY_REASON_FILTER;
	s->code = a.cb[PARLEY_CB_CODE];
	s->retry_after_ms = a.cb[PARLEY_CB_RETRY_AFTER];
	s->grants = a.cb[PARLEY_CB_SEND_RATE] || a.cb[PARLEY_CB_RECV_RATE];
	s->grant = *asked;
	flow_rate(&s->grant.send, a.cb[PARLEY_CB_SEND_RATE]);
	flow_rate(&s->grant.recv, a.cb[PARLEY_CB_RECV_RATE]);
	return filter_set_answer(l, &a);
}

/* What a step returns, and does to what the policy says. */
static __s32 step_result(struct a_case *c, const struct fuzz_step *step)
{
	struct stage *s = &c->policy;
	__u32 len = step->b & (FUZZ_BYTES - 1), n = 0, i;

	switch (step->kind) {
	case FUZZ_REFUSAL:
		s->code = step->a;
		s->retry_after_ms = step->b;
		return 0;
	case FUZZ_REPLY:
		len = step->a & (FUZZ_BYTES - 1);
		if (!len)
			return -EINVAL;
		if (len > c->max_data)
			return -EMSGSIZE;
		if (s->reply)
			return -EALREADY;
		s->reply = fuzz->bytes;
		s->reply_len = len;
		return 0;
	case FUZZ_QOS:
		if (!model_qos_valid(&fuzz->grant[!!step->a]))
			return -EINVAL;
		if (s->grants)
			return -EALREADY;
		s->grants = true;
		s->grant = fuzz->grant[!!step->a];
		return 0;
	case FUZZ_DATA:
		if (step->a < c->terms.len)
			n = c->terms.len - step->a;
		if (n > len)
			n = len;
		memset(c->read, 0, sizeof(c->read));
		memcpy(c->read, c->data + (n ? step->a : 0), n);
		c->read_len = len;
		return n;
	case FUZZ_GROUP:
		for (i = 0; i < ARRAY_SIZE(groups); i++)
			if (groups[i] == step->a)
				return 1;
		return !step->a;
	}
	return 0;
}

static void random_policy(struct a_case *c)
{
	struct stage *s = &c->policy;
	struct fuzz_step *step;
	unsigned int i;

	memset(s, 0, sizeof(*s));
	memset(fuzz, 0, sizeof(*fuzz));
	c->read_len = -1;
	fuzz->said = one_of(4) ? (__s32)number(3) :
				 (__s32)race_below(&chance, 3);
	random_qos(&fuzz->grant[0], false);
	random_qos(&fuzz->grant[1], false);
	terms_fill(fuzz->bytes, sizeof(fuzz->bytes), race_random(&chance));
	for (i = 0; i < FUZZ_STEPS; i++) {
		step = &fuzz->step[i];
		step->kind = race_below(&chance, FUZZ_KINDS);
		step->a = number(c->terms.len);
		step->b = number(c->terms.len);
		if (step->kind == FUZZ_GROUP)
			step->a = number(groups[race_below(&chance, 3)]);
		if (step->kind == FUZZ_LABEL)
			c->read_len = -1;
		c->result[i] = step_result(c, step);
	}
	s->by = PARLEY_BY_POLICY;
	s->verdict = fuzz->said;
	s->reason = PARLEY_REASON_POLICY;
	if (fuzz->said < PARLEY_ACCEPT || fuzz->said > PARLEY_DEFER) {
		s->verdict = PARLEY_REFUSE;
		s->reason = PARLEY_REASON_POLICY_FAULT;
		s->reply = NULL;
	}
	if (s->verdict == PARLEY_DEFER)
		s->reply = NULL;
}

static void merge(struct stage *sum, const struct stage *s)
{
	static const unsigned int rank[] = { 0, 2, 1 };
	struct stage first = *sum;

	if (!s->by)
		return;
	if (!sum->by || rank[s->verdict] > rank[sum->verdict]) {
		*sum = *s;
	} else if (s->verdict == sum->verdict && !sum->reply) {
		sum->reply = s->reply;
		sum->reply_len = s->reply_len;
	}
	sum->grants = first.grants || s->grants;
	sum->grant = s->grants ? s->grant : first.grant;
	if (first.grants && s->grants)
		model_qos_cut(&sum->grant, &first.grant);
}

static void predict(struct a_case *c)
{
	struct stage *sum = &c->sum;

	memset(sum, 0, sizeof(*sum));
	merge(sum, &c->rules);
	merge(sum, &c->filter);
	merge(sum, &c->policy);
	if (!sum->grants)
		sum->grant = c->asked;
	else
		model_qos_cut(&sum->grant, &c->asked);
	/* Who says what means nothing has nothing to say. */
	if (sum->verdict == PARLEY_REFUSE &&
	    sum->reason == PARLEY_REASON_POLICY_FAULT) {
		sum->code = 0;
		sum->retry_after_ms = 0;
		sum->reply = NULL;
	}
	if (!sum->reply)
		sum->reply_len = 0;
}

/* What became of it */

static bool differs(const char *what, long is, long want)
{
	if (is == want)
		return false;
	printf("# %s: %ld, expected %ld\n", what, is, want);
	fflush(stdout);
	return true;
}

static bool steps_agree(const struct a_case *c)
{
	bool bad = differs("asked", fuzz->asked, 1) |
		   differs("data_len", fuzz->data_len, c->terms.len);
	__u32 len, i;

	for (i = 0; i < FUZZ_STEPS; i++) {
		const struct fuzz_step *s = &fuzz->step[i];
		__s32 want = c->result[i];

		len = s->b & (FUZZ_BYTES - 1);
		if (s->kind == FUZZ_LABEL)
			want = len < fuzz->label_len ? len : fuzz->label_len;
		if (differs("a step's result", s->result, want)) {
			printf("# kind %u, a %u, b %u\n", s->kind, s->a, s->b);
			bad = true;
		}
	}
	if (c->read_len > 0)
		bad |= differs("data that was read", memcmp(fuzz->read,
			       c->read, c->read_len), 0);
	return !bad;
}

/* Programs that only look on could not say anything. */
static bool told_agrees(const struct a_case *c)
{
	bool accepted = c->sum.verdict == PARLEY_ACCEPT;
	bool claimed = c->policy.verdict == PARLEY_ACCEPT;
	bool bad = differs("established", fuzz->told[FUZZ_ESTABLISHED],
			   accepted) |
		   differs("closed", fuzz->told[FUZZ_CLOSED], accepted) |
		   differs("dropped", fuzz->told[FUZZ_DROPPED],
			   claimed && !accepted);
	int event, i;

	for (event = 0; event < FUZZ_EVENTS; event++)
		for (i = 0; i < 3 && fuzz->told[event]; i++)
			bad |= differs("tried", fuzz->tried[event][i], -EPERM);
	return !bad;
}

static bool refusal_agrees(const struct a_case *c, int fd)
{
	struct parley_refusal r = { };

	if (!parley_until(parley_reason(fd) != PARLEY_REASON_NONE) ||
	    parley_refusal(fd, &r))
		return false;
	return !(differs("reason", r.reason, c->sum.reason) |
		 differs("code", r.code, c->sum.code) |
		 differs("retry-after", r.retry_after_ms,
			 c->sum.retry_after_ms)) &&
	       terms_reply_is(fd, c->sum.reply, c->sum.reply_len);
}

static bool info_agrees(const struct a_case *c,
			const struct parley_call_info *info)
{
	bool by_rule = c->sum.by == PARLEY_BY_RULE;

	return !(differs("decided_by", info->decided_by, c->sum.by) |
		 differs("rule", info->rule, by_rule ? 0 : PARLEY_RULE_NONE)) &&
	       terms_qos_eq(&info->granted, &c->sum.grant) &&
	       model_qos_valid(&info->granted);
}

static bool accepted_agrees(const struct a_case *c, int caller, int callee)
{
	struct parley_call_info info;

	return !terms_info(callee, &info) && info_agrees(c, &info) &&
	       terms_qos_is(caller, &c->sum.grant) &&
	       terms_reply_is(caller, c->sum.reply, c->sum.reply_len) &&
	       terms_reply_is(callee, c->sum.reply, c->sum.reply_len);
}

static bool deferred_agrees(const struct a_case *c, int l)
{
	struct parley_call_info info;

	if (terms_next(l, &info, PARLEY_NEXT_DEFERRED | PARLEY_NEXT_NOWAIT))
		return false;
	/* Nothing is decided yet, but what it will get. */
	return terms_qos_eq(&info.granted, &c->sum.grant) &&
	       decide_backlog_is(l, 0, 1, 0);
}

static bool outcome_agrees(const struct a_case *c, int l, int caller)
{
	int fd = test_accept(l, 0);
	bool agrees;

	if (c->sum.verdict == PARLEY_ACCEPT) {
		agrees = fd >= 0 && accepted_agrees(c, caller, fd);
		close(fd);
		return agrees;
	}
	if (differs("accept", fd, -EAGAIN))
		return false;
	return c->sum.verdict == PARLEY_DEFER ? deferred_agrees(c, l) :
						refusal_agrees(c, caller);
}

static bool one_case(struct a_case *c, int l)
{
	int caller, err;
	bool agrees;

	random_terms(c);
	err = random_rules(l, &c->rules) ?:
	      random_filter(l, &c->filter, &c->asked);
	random_policy(c);
	predict(c);
	caller = parley_socket(SOCK_NONBLOCK);
	err = err ?: terms_apply(caller, &c->terms) ?:
	      parley_sysctl_write("parley/max_call_data", c->max_data);
	if (differs("preparing", err, 0) || caller < 0)
		return false;
	test_connect(caller, HOST, PORT);
	agrees = outcome_agrees(c, l, caller);
	/* Who is deferred takes it back with this. */
	close(caller);
	agrees &= parley_until(decide_backlog_is(l, 0, 0, 0));
	agrees &= !parley_sysctl_write("parley/max_call_data", 4096);
	return steps_agree(c) && told_agrees(c) && agrees;
}

FIXTURE(bpf_fuzz) {
	struct policy policy;
	int l;
};

FIXTURE_VARIANT(bpf_fuzz) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(bpf_fuzz, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(bpf_fuzz, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

FIXTURE_SETUP(bpf_fuzz)
{
	if (!policy_possible())
		SKIP(return, NO_POLICIES);
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, setgroups(ARRAY_SIZE(groups), groups));
	ASSERT_EQ(0, policy_start(&self->policy, "bpf_fuzz.bpf.o", NULL));
	fuzz = policy_variables(&self->policy, sizeof(*fuzz));
	ASSERT_NE(NULL, fuzz);
	self->l = parley_listener(HOST, PORT, 8);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
	ASSERT_EQ(0, policy_choose(self->l, "fuzz"));
}

FIXTURE_TEARDOWN(bpf_fuzz)
{
	policy_end(&self->policy);
	EXPECT_EQ(0, policy_expect_clean());
}

TEST_F_TIMEOUT(bpf_fuzz, cases, 500)
{
	unsigned int i, cases = race_scale(CASES), seen[3] = { };
	__u64 seed = race_seed();
	struct a_case c;

	race_random_init(&chance, seed, 1);
	for (i = 0; i < cases; i++) {
		ASSERT_TRUE(one_case(&c, self->l)) {
			TH_LOG("seed %llu, case %u", (unsigned long long)seed,
			       i);
			TH_LOG("rules %u, filter %u, policy %d",
			       c.rules.by ? c.rules.verdict : 9,
			       c.filter.by ? c.filter.verdict : 9, fuzz->said);
		}
		seen[c.sum.verdict]++;
	}
	TH_LOG("accepted %u, refused %u, deferred %u", seen[PARLEY_ACCEPT],
	       seen[PARLEY_REFUSE], seen[PARLEY_DEFER]);
}

TEST_HARNESS_MAIN
