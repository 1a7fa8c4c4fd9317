// SPDX-License-Identifier: GPL-2.0
/*
 * Rules and a filter together: both are asked about each call, the strictest
 * verdict wins, and who said it first says what goes with it. And what servers
 * do with calls that a filter has judged: look, decide, review, wait.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <unistd.h>

#include "lib_decide.h"
#include "lib_filter.h"

#define HOST	"127.0.0.1"
#define PORT	7670
#define NONE	PARLEY_RULE_NONE
#define ANY	PARLEY_QOS_UNSPECIFIED

/* What the rule says with all it says, and the filter. */
#define RULE_CODE	11
#define RULE_RETRY	12
#define RULE_REPLY	"the rule"
#define FILTER_CODE	21
#define FILTER_RETRY	22

FIXTURE(stage) {
	int l;
	struct rules *t;
	__u64 *count;
	int map;
};

FIXTURE_VARIANT(stage) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(stage, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(stage, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

FIXTURE_SETUP(stage)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->map = filter_counters(&self->count);
	ASSERT_LE(0, self->map);
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
	self->t = rules_new();
	ASSERT_NE(NULL, self->t);
}

FIXTURE_TEARDOWN(stage)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* A filter that counts in @map whom it is asked about. */
static int set_filter(int l, int map, __u32 ret, __u32 code, __u32 retry,
		      __u32 send, __u32 recv)
{
	return filter_use(l,
			  E_VALUE(6, map), E_MORE,
			  E_SET(2, 1),
			  E_COUNT(6, 0, 2),
			  E_SET(2, code),
			  E_STORE(BPF_W, 1, E_CB(PARLEY_CB_CODE), 2),
			  E_SET(2, retry),
			  E_STORE(BPF_W, 1, E_CB(PARLEY_CB_RETRY_AFTER), 2),
			  E_SET(2, send),
			  E_STORE(BPF_W, 1, E_CB(PARLEY_CB_SEND_RATE), 2),
			  E_SET(2, recv),
			  E_STORE(BPF_W, 1, E_CB(PARLEY_CB_RECV_RATE), 2),
			  E_SET(0, ret),
			  E_EXIT);
}

/* Verdicts of filters are numbers of their own. */
static __u32 filter_number(int verdict)
{
	return verdict == PARLEY_ACCEPT ? PARLEY_FILTER_ACCEPT :
	       verdict == PARLEY_REFUSE ? PARLEY_FILTER_REFUSE :
					  PARLEY_FILTER_DEFER;
}

static int set_counting(int l, int map, int verdict)
{
	return set_filter(l, map, filter_number(verdict), FILTER_CODE,
			  FILTER_RETRY, 0, 0);
}

/* A table with one rule. */
static int set_rule(int l, struct rules *t, int verdict)
{
	struct parley_rule *r;

	t->arg.count = 0;
	t->arg.pool_len = 0;
	r = rules_add(t, verdict);
	if (verdict == PARLEY_REFUSE)
		rules_say(&r->then, RULE_CODE, RULE_RETRY);
	if (verdict != PARLEY_DEFER)
		rules_reply(t, &r->then, RULE_REPLY);
	return rules_set(l, t);
}

static int strictness(int verdict)
{
	return verdict == PARLEY_ACCEPT ? 0 : verdict == PARLEY_DEFER ? 1 : 2;
}

static bool matches(const char *what, long got, long want)
{
	if (got == want)
		return true;
	printf("# %s is %ld, not %ld\n", what, got, want);
	fflush(stdout);
	return false;
}

/* What became of the call when a rule and a filter say these. */
static bool combines(const struct filter_said *said, int rule, int filter)
{
	const bool by_rule = strictness(rule) >= strictness(filter);
	const int want = by_rule ? rule : filter;
	const bool reply = by_rule && want != PARLEY_DEFER;
	const struct parley_refusal *r = &said->refusal;

	if (!matches("the verdict", said->verdict, want))
		return false;
	if (want == PARLEY_ACCEPT)
		return matches("decided_by", said->info.decided_by,
			       PARLEY_BY_RULE) &&
		       matches("the rule", said->info.rule, 0);
	if (want == PARLEY_DEFER)
		return true;
	return matches("the reason", r->reason, by_rule ?
		       PARLEY_REASON_RULE : PARLEY_REASON_FILTER) &&
	       matches("the code", r->code, by_rule ?
		       RULE_CODE : FILTER_CODE) &&
	       matches("retry-after", r->retry_after_ms, by_rule ?
		       RULE_RETRY : FILTER_RETRY) &&
	       matches("the reply's length", r->data_len, reply ?
		       strlen(RULE_REPLY) : 0);
}

TEST_F(stage, strictest)
{
	static const int verdicts[] = {
		PARLEY_ACCEPT, PARLEY_DEFER, PARLEY_REFUSE,
	};
	struct filter_said said;
	__u64 asked = 0;
	int i, k;

	for (i = 0; i < 3; i++)
		for (k = 0; k < 3; k++) {
			ASSERT_EQ(0, set_rule(self->l, self->t, verdicts[i]));
			ASSERT_EQ(0, set_counting(self->l, self->map,
						  verdicts[k]));
			ASSERT_EQ(0, filter_ask(self->l, NULL, &said));
			EXPECT_TRUE(combines(&said, verdicts[i], verdicts[k]))
				TH_LOG("rule %d, filter %d", verdicts[i],
				       verdicts[k]);
			/* Also where a rule has refused already. */
			EXPECT_EQ(++asked, *self->count);
		}
}

/* Who wins without a code does not borrow that of another. */
TEST_F(stage, nothing_borrowed)
{
	const struct filter_answer fault = { .ret = 1, .cb = { 1, 2, 3, 4, 5 } };

	rules_refuse(self->t, 0);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(0, set_counting(self->l, self->map, PARLEY_REFUSE));
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_RULE, 0, 0));
	/* A fault is a refusal, and may come second, too. */
	ASSERT_EQ(0, filter_set_answer(self->l, &fault));
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_RULE, 0, 0));
	ASSERT_EQ(0, set_rule(self->l, self->t, PARLEY_ACCEPT));
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_POLICY_FAULT,
				   0, 0));
	ASSERT_EQ(0, set_rule(self->l, self->t, PARLEY_DEFER));
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_POLICY_FAULT,
				   0, 0));
}

/* The reply of a rule that agrees goes with the connection. */
TEST_F(stage, reply)
{
	int fd, new;

	ASSERT_EQ(0, terms_set_reply(self->l, "usual", 5));
	ASSERT_EQ(0, set_rule(self->l, self->t, PARLEY_ACCEPT));
	ASSERT_EQ(0, set_counting(self->l, self->map, PARLEY_ACCEPT));
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(terms_reply_is(fd, RULE_REPLY, strlen(RULE_REPLY)));
	EXPECT_TRUE(terms_reply_is(new, RULE_REPLY, strlen(RULE_REPLY)));
	/* A filter alone has none, and the listener's own is given. */
	self->t->arg.count = 0;
	ASSERT_EQ(0, rules_set(self->l, self->t));
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(terms_reply_is(fd, "usual", 5));
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_FILTER, NONE));
}

/* Each may cut down what is granted; the least of it is. */
static bool grants(int l, struct rules *t, int map, const __u32 rule[2],
		   const __u32 filter[2], const __u32 want[2])
{
	struct parley_qos asked, grant;
	const struct rules_call c = { .terms.qos = &asked };
	struct filter_said said;

	terms_qos_some(&asked);
	terms_qos_none(&grant);
	grant.send.token_rate = rule[0];
	grant.recv.token_rate = rule[1];
	grant.send.max_sdu = 100;
	grant.send.min_policed = 50;
	t->arg.count = 0;
	rules_grant(&rules_add(t, PARLEY_ACCEPT)->then, &grant);
	return !rules_set(l, t) &&
	       !set_filter(l, map, 1, 0, 0, filter[0], filter[1]) &&
	       !filter_ask(l, &c, &said) &&
	       matches("the verdict", said.verdict, PARLEY_ACCEPT) &&
	       matches("sent", said.info.granted.send.token_rate, want[0]) &&
	       matches("received", said.info.granted.recv.token_rate, want[1]) &&
	       matches("the largest piece", said.info.granted.send.max_sdu,
		       100);
}

TEST_F(stage, granted)
{
	static const __u32 cases[][3][2] = {
		/* rule, filter, what is granted of 1000000 and 2000001 */
		{ { 500, 600 }, { 0, 0 }, { 500, 600 } },
		{ { 500, 600 }, { 400, 700 }, { 400, 600 } },
		{ { 500, 600 }, { 700, 400 }, { 500, 400 } },
		{ { ANY, ANY }, { 400, 0 }, { 400, 2000001 } },
		{ { 500, ANY }, { ANY, 3000000 }, { 500, 2000001 } },
		{ { ANY, ANY }, { ANY, ANY }, { 1000000, 2000001 } },
		{ { 1, 1 }, { 1, 2 }, { 1, 1 } },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		EXPECT_TRUE(grants(self->l, self->t, self->map, cases[i][0],
				   cases[i][1], cases[i][2]))
			TH_LOG("case %zu", i);
}

/* Whom the filter refuses the rules have counted nevertheless. */
TEST_F(stage, tokens_are_taken)
{
	struct parley_rule *r = rules_add(self->t, PARLEY_ACCEPT);

	rules_once(r, 2);
	rules_say(&r->over, 8, 0);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	ASSERT_EQ(0, set_counting(self->l, self->map, PARLEY_REFUSE));
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_FILTER,
				   FILTER_CODE, FILTER_RETRY));
	ASSERT_EQ(0, filter_detach(self->l));
	EXPECT_TRUE(filter_accepts(self->l, NULL, PARLEY_BY_RULE));
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_RULE, 8, 0));
	EXPECT_EQ(1, *self->count);
}

/* Looked at, decided: it was asked before, and is not asked again. */
TEST_F(stage, looked_at)
{
	struct parley_call_info info;
	int fd, new;

	ASSERT_EQ(0, set_counting(self->l, self->map, PARLEY_ACCEPT));
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, terms_next(self->l, &info, 0));
	EXPECT_EQ(1, *self->count);
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 0, 0));
	ASSERT_EQ(0, set_counting(self->l, self->map, PARLEY_REFUSE));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_EQ(1, *self->count);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_FILTER, NONE));

	/* Whom it refuses nobody sees. */
	fd = parley_call(HOST, PORT);
	EXPECT_TRUE(decide_next_is_none(self->l, PARLEY_NEXT_DEFERRED));
	EXPECT_EQ(2, *self->count);
	if (variant->stage == PARLEY_STAGE_ARRIVAL) {
		EXPECT_EQ(-ECONNREFUSED, fd);
	} else {
		EXPECT_TRUE(decide_refused_is(fd, PARLEY_REASON_FILTER,
					      FILTER_CODE));
	}
}

/* A call that the filter has deferred. */
static int call_deferred(int l, int *fd)
{
	*fd = parley_call(HOST, PORT);
	if (*fd < 0)
		return *fd;
	if (test_accept(l, 0) != -EAGAIN)
		return -EBADMSG;
	return decide_backlog_is(l, 0, 1, 0) && decide_waits(*fd) ? 0 :
	       -EBADMSG;
}

TEST_F(stage, deferred)
{
	struct parley_call_info info;
	int fd, new;

	ASSERT_EQ(0, set_counting(self->l, self->map, PARLEY_DEFER));
	ASSERT_EQ(0, call_deferred(self->l, &fd));
	EXPECT_EQ(POLLPRI, parley_revents(self->l, POLLIN | POLLPRI));
	EXPECT_TRUE(decide_next_is_none(self->l, 0));
	ASSERT_EQ(0, terms_next(self->l, &info, PARLEY_NEXT_DEFERRED));
	EXPECT_EQ(PARLEY_INFO_DEFERRED, info.flags & PARLEY_INFO_DEFERRED);
	ASSERT_EQ(0, terms_decide(self->l, info.id, PARLEY_ACCEPT));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_SERVER, NONE));
	EXPECT_TRUE(parley_talks(fd, new));

	ASSERT_EQ(0, call_deferred(self->l, &fd));
	ASSERT_EQ(0, terms_next(self->l, &info, PARLEY_NEXT_DEFERRED));
	ASSERT_EQ(0, decide_refuse(self->l, info.id, 5, 6, "after all"));
	EXPECT_TRUE(decide_refused_is(fd, PARLEY_REASON_SERVER, 5));
	EXPECT_TRUE(terms_reply_is(fd, "after all", 9));
	EXPECT_EQ(2, *self->count);
}

/* Asked again, about all that it has deferred, and nothing else. */
TEST_F(stage, reviewed)
{
	struct parley_call_info info;
	int one, two;

	ASSERT_EQ(0, set_counting(self->l, self->map, PARLEY_DEFER));
	ASSERT_EQ(0, call_deferred(self->l, &one));
	two = parley_call(HOST, PORT);
	ASSERT_LE(0, two);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	ASSERT_EQ(2, *self->count);
	EXPECT_EQ(2, decide_review(self->l));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_EQ(4, *self->count);
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 2, 0));
	/* By another filter, by looking at them. */
	ASSERT_EQ(0, set_counting(self->l, self->map, PARLEY_ACCEPT));
	EXPECT_EQ(2, decide_review(self->l));
	ASSERT_EQ(0, terms_next(self->l, &info, 0));
	EXPECT_EQ(5, *self->count);
	EXPECT_TRUE(decide_accepts(self->l, one));
	ASSERT_EQ(0, set_counting(self->l, self->map, PARLEY_REFUSE));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_refused_is(two, PARLEY_REASON_FILTER, FILTER_CODE));
	EXPECT_EQ(6, *self->count);
	EXPECT_EQ(0, decide_review(self->l));
}

/* Without anybody's word the default becomes of what it has deferred. */
TEST_F(stage, expired)
{
	struct parley_refusal r;
	int fd, new;

	ASSERT_EQ(0, set_counting(self->l, self->map, PARLEY_DEFER));
	ASSERT_EQ(0, terms_set_defer(self->l, 1, PARLEY_REFUSE));
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_refused_is(fd, PARLEY_REASON_DEFER_EXPIRED, 0));
	ASSERT_EQ(0, parley_refusal(fd, &r));
	EXPECT_EQ(0, r.retry_after_ms);

	ASSERT_EQ(0, terms_set_defer(self->l, 1, PARLEY_ACCEPT));
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	new = test_accept(self->l, 0);
	/* It may have been so quick. */
	if (new == -EAGAIN) {
		ASSERT_EQ(POLLIN, parley_wait(self->l, POLLIN));
		new = test_accept(self->l, 0);
	}
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_TIMEOUT, NONE));
	EXPECT_TRUE(parley_talks(fd, new));
	EXPECT_EQ(2, *self->count);
}

/* Where there is no room no filter is asked. */
TEST_F(stage, full)
{
	int one, two;

	ASSERT_EQ(0, listen(self->l, 1));
	one = parley_call(HOST, PORT);
	ASSERT_LE(0, one);
	ASSERT_EQ(0, set_counting(self->l, self->map, PARLEY_REFUSE));
	two = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, two);
	EXPECT_EQ(-ECONNREFUSED, test_connect(two, HOST, PORT));
	EXPECT_EQ(PARLEY_REASON_BACKLOG_FULL, parley_reason(two));
	EXPECT_EQ(0, *self->count);
}

/* Decided before anybody asked: by a server that knows the call. */
TEST_F(stage, decided_before)
{
	struct parley_call_info info;
	int fd, new;

	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, terms_next(self->l, &info, 0));
	ASSERT_EQ(0, terms_decide(self->l, info.id, PARLEY_ACCEPT));
	ASSERT_EQ(0, set_counting(self->l, self->map, PARLEY_REFUSE));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_SERVER, NONE));
	EXPECT_TRUE(parley_talks(fd, new));
	EXPECT_EQ(0, *self->count);
}

TEST_HARNESS_MAIN
