// SPDX-License-Identifier: GPL-2.0
/*
 * A policy that goes, or changes, while sockets listen with it: what it
 * refuses, what it is still told, and who may take its place.
 */
#include "kselftest_harness.h"

#include "lib_bpf_script.h"
#include "lib_decide.h"

#define HOST	"127.0.0.1"
#define PORT	8600

FIXTURE(life) {
	struct policy p;
	struct script *s;
	struct policy second;
	struct script *s2;
	int l;
};

FIXTURE_VARIANT(life) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(life, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(life, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

FIXTURE_SETUP(life)
{
	if (!policy_possible())
		SKIP(return, NO_POLICIES);
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
	ASSERT_EQ(0, script_start_for(&self->p, self->l, &self->s));
}

FIXTURE_TEARDOWN(life)
{
	policy_end(&self->p);
	policy_end(&self->second);
	EXPECT_EQ(0, policy_expect_clean());
}

static bool is_at_fault(int l)
{
	return filter_refuses(l, NULL, PARLEY_REASON_POLICY_FAULT, 0, 0);
}

/* Unloaded: it refuses until something else is chosen. */
TEST_F(life, unloaded)
{
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(self->l, NULL));
	policy_end(&self->p);
	EXPECT_EQ(0, policy_listed());
	EXPECT_TRUE(is_at_fault(self->l));
	EXPECT_TRUE(is_at_fault(self->l));
	EXPECT_TRUE(policy_chosen_is(self->l, SCRIPT_NAME));
	EXPECT_EQ(-ENOENT, policy_choose(self->l, SCRIPT_NAME));
	EXPECT_TRUE(is_at_fault(self->l));
	/* Another one. */
	ASSERT_EQ(0, script_start(&self->second, "second", &self->s2));
	EXPECT_TRUE(is_at_fault(self->l));
	ASSERT_EQ(0, policy_choose(self->l, "second"));
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(self->l, NULL));
	policy_end(&self->second);
	EXPECT_TRUE(is_at_fault(self->l));
	/* None. */
	ASSERT_EQ(0, policy_choose(self->l, ""));
	EXPECT_TRUE(filter_accepts(self->l, NULL, PARLEY_BY_ACCEPT));
	EXPECT_TRUE(script_ran(self->s, 1, 1, 1, 0));
}

/* What comes under the same name later is another one. */
TEST_F(life, loaded_again)
{
	policy_end(&self->p);
	ASSERT_EQ(0, script_start(&self->second, NULL, &self->s2));
	EXPECT_TRUE(policy_chosen_is(self->l, SCRIPT_NAME));
	EXPECT_TRUE(is_at_fault(self->l));
	EXPECT_TRUE(script_ran(self->s2, 0, 0, 0, 0));
	ASSERT_EQ(0, policy_choose(self->l, SCRIPT_NAME));
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(self->l, NULL));
	EXPECT_TRUE(script_ran(self->s2, 1, 1, 1, 0));
}

/* Calls that it had accepted stay so; it cannot be told any more. */
TEST_F(life, unloaded_with_calls)
{
	int fd[3], i;

	ASSERT_EQ(0, parley_pair(self->l, fd));
	ASSERT_LT(0, decide_offer(self->l, &fd[2]));
	EXPECT_TRUE(script_ran(self->s, 2, 1, 0, 0));
	policy_end(&self->p);
	EXPECT_TRUE(parley_talks(fd[0], fd[1]));
	i = test_accept(self->l, 0);
	ASSERT_LE(0, i);
	EXPECT_TRUE(parley_talks(fd[2], i));
	ASSERT_EQ(0, close(fd[1]));
	ASSERT_EQ(0, close(i));
	EXPECT_TRUE(script_ran(self->s, 2, 1, 0, 0));
}

/*
 * They are then the business of who was chosen meanwhile, under whatever name:
 * to it they are connections that others made.
 */
static bool is_taken_over(int l, struct script *s, int call, unsigned int n)
{
	int new = test_accept(l, 0);

	return new >= 0 && script_ran(s, 0, n, n - 1, 0) &&
	       !s->seen[SCRIPT_ESTABLISHED].claimed &&
	       parley_talks(call, new) && !close(new) &&
	       script_ran(s, 0, n, n, 0);
}

/* Returns what went wrong, or 0. */
static int take_over(int l, struct policy *old, const struct script *s,
		     struct policy *p, const char *name)
{
	struct script *s2;
	int call[2], i;

	for (i = 0; i < 2; i++)
		if (decide_offer(l, &call[i]) < 0)
			return 1;
	if (!script_ran(s, 2, 0, 0, 0))
		return 2;
	policy_end(old);
	if (script_start(p, name, &s2) || policy_choose(l, name))
		return 3;
	for (i = 0; i < 2; i++)
		if (!is_taken_over(l, s2, call[i], i + 1))
			return 4;
	if (!script_balanced(s2, 0) || !script_ran(s, 2, 0, 0, 0))
		return 5;
	/* And the next one is its own. */
	if (script_verdict(l, NULL) != PARLEY_ACCEPT ||
	    !script_ran(s2, 1, 3, 3, 0))
		return 6;
	return 0;
}

TEST_F(life, taken_over)
{
	EXPECT_EQ(0, take_over(self->l, &self->p, self->s, &self->second,
			       "second"));
}

TEST_F(life, taken_over_by_name)
{
	EXPECT_EQ(0, take_over(self->l, &self->p, self->s, &self->second,
			       SCRIPT_NAME));
}

/* Those that come to nothing are nobody's: it has not accepted them. */
TEST_F(life, not_taken_over)
{
	int fd;

	ASSERT_LT(0, decide_offer(self->l, &fd));
	policy_end(&self->p);
	ASSERT_EQ(0, script_start_for(&self->second, self->l, &self->s2));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(script_ran(self->s2, 0, 0, 0, 0));
	EXPECT_TRUE(script_ran(self->s, 1, 0, 0, 0));
}

/* What is not judged yet meets with the fault. */
TEST_F(life, unloaded_before_judging)
{
	int fd;

	self->s->verdict = PARLEY_DEFER;
	ASSERT_EQ(-EINPROGRESS, rules_connect(self->l, NULL, &fd));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	policy_end(&self->p);
	EXPECT_TRUE(decide_waits(fd));
	EXPECT_EQ(1, decide_review(self->l));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_refused_is(fd, PARLEY_REASON_POLICY_FAULT, 0));
}

/* Others still decide about what it refuses: rules come first. */
TEST_F(life, unloaded_with_rules)
{
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_REFUSE));
	policy_end(&self->p);
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_RULE, 0, 0));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	EXPECT_TRUE(is_at_fault(self->l));
}

/* Loads a second object that may take the first one's place. */
static int prepare(struct policy *p, const char *name, struct script **s)
{
	int err = policy_open(p, SCRIPT_FILE) ?: policy_rename(p, name) ?:
		  policy_load(p);

	if (err)
		return err;
	*s = policy_variables(p, sizeof(**s));
	return *s ? 0 : -ENOENT;
}

static int update(struct policy *p, struct policy *by)
{
	return bpf_link__update_map(p->link, policy_ops_map(by));
}

/* New programs judge at once, and are told of what the old ones began. */
TEST_F(life, updated)
{
	int fd[3], i;

	ASSERT_EQ(0, prepare(&self->second, SCRIPT_NAME, &self->s2));
	ASSERT_EQ(0, parley_pair(self->l, fd));
	ASSERT_LT(0, decide_offer(self->l, &fd[2]));
	EXPECT_TRUE(script_ran(self->s, 2, 1, 0, 0));
	ASSERT_EQ(0, update(&self->p, &self->second));
	EXPECT_EQ(1, policy_listed());
	EXPECT_TRUE(policy_lists("script 0x0 link"));
	i = test_accept(self->l, 0);
	ASSERT_LE(0, i);
	EXPECT_TRUE(script_ran(self->s2, 0, 1, 0, 0));
	EXPECT_EQ(1, self->s2->seen[SCRIPT_ESTABLISHED].claimed);
	ASSERT_EQ(0, close(fd[1]));
	ASSERT_EQ(0, close(i));
	EXPECT_TRUE(script_ran(self->s2, 0, 1, 2, 0));
	self->s2->verdict = PARLEY_REFUSE;
	EXPECT_EQ(PARLEY_REFUSE, script_verdict(self->l, NULL));
	EXPECT_TRUE(script_ran(self->s, 2, 1, 0, 0));
	EXPECT_TRUE(script_ran(self->s2, 1, 1, 2, 0));
}

TEST_F(life, updated_dropped)
{
	int fd;

	ASSERT_EQ(0, prepare(&self->second, SCRIPT_NAME, &self->s2));
	ASSERT_LT(0, decide_offer(self->l, &fd));
	ASSERT_EQ(0, update(&self->p, &self->second));
	ASSERT_EQ(0, close(fd));
	EXPECT_TRUE(script_ran(self->s2, 0, 0, 0, 1));
	EXPECT_TRUE(script_ran(self->s, 1, 0, 0, 0));
}

TEST_F(life, updated_with_flags)
{
	ASSERT_EQ(0, policy_open(&self->second, SCRIPT_FILE));
	ASSERT_EQ(0, policy_flag(&self->second, PARLEY_POLICY_UNPRIVILEGED));
	ASSERT_EQ(0, policy_load(&self->second));
	ASSERT_EQ(0, update(&self->p, &self->second));
	EXPECT_TRUE(policy_lists("script 0x1 link"));
}

/* A policy does not change its name. */
TEST_F(life, not_updated)
{
	ASSERT_EQ(0, prepare(&self->second, "second", &self->s2));
	EXPECT_EQ(-EINVAL, update(&self->p, &self->second));
	EXPECT_TRUE(policy_lists("script 0x0 link"));
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(self->l, NULL));
	EXPECT_TRUE(script_ran(self->s, 1, 1, 1, 0));
	EXPECT_TRUE(script_ran(self->s2, 0, 0, 0, 0));
	/* The link goes on as it was. */
	policy_end(&self->second);
	ASSERT_EQ(0, prepare(&self->second, SCRIPT_NAME, &self->s2));
	EXPECT_EQ(0, update(&self->p, &self->second));
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(self->l, NULL));
	EXPECT_TRUE(script_ran(self->s2, 1, 1, 1, 0));
}

/* Back and forth, with connections all the time. */
TEST_F(life, updated_often)
{
	struct script *const s[] = { self->s, NULL };
	unsigned int total = 0;
	int i, fd[2];

	ASSERT_EQ(0, prepare(&self->second, SCRIPT_NAME, &self->s2));
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, parley_pair(self->l, fd));
		ASSERT_EQ(0, update(&self->p, i & 1 ? &self->p :
						      &self->second));
		ASSERT_EQ(0, close(fd[0]));
		ASSERT_EQ(0, close(fd[1]));
	}
	for (i = 0; i < SCRIPT_DROPPED; i++) {
		total = s[0]->seen[i].times + self->s2->seen[i].times;
		EXPECT_EQ(50, total);
	}
}

/* Detached by whoever has a descriptor, though others hold the link. */
TEST_F(life, detached)
{
	int link;

	ASSERT_EQ(0, policy_choose_link(self->l, policy_link_fd(&self->p)));
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(self->l, NULL));
	ASSERT_EQ(0, bpf_link_detach(policy_link_fd(&self->p)));
	EXPECT_EQ(0, policy_listed());
	EXPECT_TRUE(is_at_fault(self->l));
	link = policy_link_fd(&self->p);
	EXPECT_EQ(-EINVAL, policy_choose_link(self->l, link));
	EXPECT_TRUE(is_at_fault(self->l));
	EXPECT_TRUE(policy_chosen_is(self->l, SCRIPT_NAME));
	/* Its name is free. */
	ASSERT_EQ(0, script_start(&self->second, NULL, &self->s2));
	EXPECT_TRUE(is_at_fault(self->l));
	ASSERT_EQ(0, policy_choose(self->l, SCRIPT_NAME));
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(self->l, NULL));
	EXPECT_TRUE(script_ran(self->s2, 1, 1, 1, 0));
}

/* Two listeners with one policy, one policy after the other at a listener. */
TEST_F(life, changed_with_calls)
{
	int fd[2], call;

	ASSERT_EQ(0, script_start(&self->second, "second", &self->s2));
	ASSERT_EQ(0, parley_pair(self->l, fd));
	ASSERT_LT(0, decide_offer(self->l, &call));
	ASSERT_EQ(0, policy_choose(self->l, "second"));
	/* What the first one accepted is the first one's to the end. */
	ASSERT_EQ(0, close(fd[1]));
	EXPECT_TRUE(script_ran(self->s, 2, 1, 1, 0));
	ASSERT_EQ(0, close(call));
	EXPECT_TRUE(script_ran(self->s, 2, 1, 1, 1));
	EXPECT_TRUE(script_ran(self->s2, 0, 0, 0, 0));
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(self->l, NULL));
	EXPECT_TRUE(script_ran(self->s, 2, 1, 1, 1));
	EXPECT_TRUE(script_ran(self->s2, 1, 1, 1, 0));
	/* Asked again, it is the second one that answers. */
	ASSERT_EQ(0, policy_choose(self->l, SCRIPT_NAME));
	ASSERT_LT(0, decide_offer_deferred(self->l, &call));
	ASSERT_EQ(0, policy_choose(self->l, "second"));
	EXPECT_EQ(1, decide_review(self->l));
	ASSERT_LE(0, test_accept(self->l, 0));
	EXPECT_TRUE(script_ran(self->s, 3, 1, 1, 2));
	EXPECT_TRUE(script_ran(self->s2, 2, 2, 1, 0));
}

TEST_HARNESS_MAIN
