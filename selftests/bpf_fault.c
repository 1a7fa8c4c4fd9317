// SPDX-License-Identifier: GPL-2.0
/*
 * No memory, and no copy, where struct_ops policies are loaded, chosen and
 * asked: what a policy was told adds up, and what it could not give along it
 * has been told of.
 */
#include "kselftest_harness.h"

#include <sched.h>

#include "lib_bpf_script.h"
#include "lib_decide.h"
#include "lib_fault.h"

#define HOST	"127.0.0.1"
#define PORT	9900

FIXTURE(bpf_fault) {
	struct fault f;
	struct policy p;
	struct script *s;
	struct terms terms;
	struct parley_qos qos;
	int l;
};

FIXTURE_SETUP(bpf_fault)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	terms_qos_some(&self->qos);
	self->terms = (struct terms){ .data = "call", .len = 4, .qos = &self->qos };
	ASSERT_EQ(0, script_start_for(&self->p, self->l, &self->s));
}

FIXTURE_TEARDOWN(bpf_fault)
{
	policy_end(&self->p);
	EXPECT_EQ(0, policy_expect_clean());
}

TEST_F(bpf_fault, choose)
{
	int link = policy_link_fd(&self->p), fd, i;
	long ret;

	for (i = 0; i < 2; i++) {
		fault_start(&self->f, FAULT_ALL, FAULT_ANY);
		while (fault_next(&self->f)) {
			fd = parley_bound(HOST, PORT + 1);
			ASSERT_LE(0, fd);
			ret = FAULT(&self->f, i ? policy_choose_link(fd, link) :
						  policy_choose(fd, SCRIPT_NAME));
			ASSERT_TRUE(fault_says(&self->f, ret, 0));
			ASSERT_TRUE(policy_chosen_is(fd, ret < 0 ? "" : SCRIPT_NAME));
			ASSERT_EQ(0, close(fd));
		}
		EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS | FAULT_COPIES));
	}
}

TEST_F(bpf_fault, name)
{
	char name[64];
	socklen_t len;
	long ret;

	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		len = sizeof(name);
		ret = FAULT(&self->f, getsockopt(self->l, SOL_PARLEY, PARLEY_POLICY,
						 name, &len));
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		ASSERT_TRUE(policy_chosen_is(self->l, SCRIPT_NAME));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_COPIES));
}

/* A policy that cannot be registered is not loaded, and can be later. */
TEST_F(bpf_fault, load)
{
	struct policy p;
	int ret;

	policy_log_quiet(true);
	fault_start(&self->f, FAULT_MEMORY, FAULT_OWN);
	while (fault_next(&self->f)) {
		ASSERT_EQ(0, policy_open(&p, SCRIPT_FILE));
		ASSERT_EQ(0, policy_rename(&p, "second"));
		ASSERT_EQ(0, policy_load(&p));
		fault_arm(&self->f);
		ret = policy_attach(&p);
		fault_disarm(&self->f);
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		ASSERT_EQ(ret < 0 ? 1 : 2, policy_listed());
		if (ret < 0)
			ASSERT_EQ(0, policy_attach(&p));
		ASSERT_EQ(0, policy_choose(self->l, "second"));
		ASSERT_EQ(0, policy_choose(self->l, SCRIPT_NAME));
		policy_end(&p);
		ASSERT_TRUE(parley_until(policy_listed() == 1));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS));
}

/* It gives a reply and a grant along. */
static void generous(struct script *s)
{
	s->replies = 1;
	s->reply_len = 7;
	memcpy(s->reply, "welcome", 7);
	s->grants = 1;
	terms_qos_none(&s->grant);
	s->grant.send.token_rate = 1000000;
}

/* The caller got what the policy was told that it has given. */
static bool got_what_was_given(const struct script *s, int call)
{
	int ret = s->seen[SCRIPT_CONDITION].reply_ret[0];

	return (!ret && terms_reply_is(call, "welcome", 7)) ||
	       (ret == -ENOMEM && terms_len(call, PARLEY_REPLY_DATA) == 0);
}

TEST_F(bpf_fault, accept)
{
	unsigned int without = 0;
	int call = -1;
	long fd;

	generous(self->s);
	fault_start(&self->f, FAULT_ALL, FAULT_OWN);
	while (fault_next(&self->f)) {
		if (call < 0)
			call = terms_call(HOST, PORT, &self->terms);
		ASSERT_LE(0, call);
		fd = FAULT(&self->f, accept(self->l, NULL, NULL));
		ASSERT_TRUE(fault_says(&self->f, fd, 0));
		if (fd < 0) {
			ASSERT_TRUE(decide_backlog_is(self->l, 1, 0, 0));
			ASSERT_TRUE(decide_waits(call));
			continue;
		}
		ASSERT_TRUE(parley_talks(call, fd));
		ASSERT_TRUE(got_what_was_given(self->s, call));
		without += self->s->seen[SCRIPT_CONDITION].reply_ret[0] < 0;
		ASSERT_EQ(0, close(fd));
		ASSERT_EQ(0, close(call));
		call = -1;
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS));
	EXPECT_LT(0, without);
	EXPECT_TRUE(script_balanced(self->s, 0));
}

TEST_F(bpf_fault, arrival)
{
	unsigned int without = 0;
	struct parley_addr to;
	int call, fd;
	long ret;

	ASSERT_EQ(0, parley_addr(&to, HOST, PORT));
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	generous(self->s);
	fault_start(&self->f, FAULT_ALL, FAULT_OWN);
	while (fault_next(&self->f)) {
		call = parley_socket(SOCK_NONBLOCK);
		ASSERT_EQ(0, terms_apply(call, &self->terms));
		ret = FAULT(&self->f, connect(call, &to.sa, to.len));
		ASSERT_TRUE(fault_says(&self->f, ret == -EINPROGRESS ? 0 : ret, 0));
		if (ret != -EINPROGRESS) {
			ASSERT_TRUE(decide_backlog_is(self->l, 0, 0, 0));
			ASSERT_EQ(0, close(call));
			continue;
		}
		fd = test_accept(self->l, 0);
		ASSERT_LE(0, fd);
		ASSERT_TRUE(got_what_was_given(self->s, call));
		without += self->s->seen[SCRIPT_CONDITION].reply_ret[0] < 0;
		ASSERT_EQ(0, close(fd));
		ASSERT_EQ(0, close(call));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS));
	EXPECT_LT(0, without);
	EXPECT_TRUE(script_balanced(self->s, 0));
}

FAULT_HARNESS_MAIN;
