// SPDX-License-Identifier: GPL-2.0
/*
 * No memory, and no copy from or to user space, in the ioctls of a listener: a
 * table of rules is replaced or it is not, a call that could not be shown is
 * shown to who asks next, and one that could not be decided is undecided.
 */
#include "kselftest_harness.h"

#include <sched.h>
#include <sys/ioctl.h>

#include "lib_decide.h"
#include "lib_fault.h"
#include "lib_filter.h"

#define PORT	9600
#define HOST	"127.0.0.1"
#define RULES	40	/* with what they carry more than a page */
#define REPLY	3000

static char reply[REPLY + 1];

FIXTURE(fault_decide) {
	struct fault f;
	struct terms terms;
	struct parley_qos qos;
	struct rules *old;
	struct rules *new;
	int l;
};

FIXTURE_SETUP(fault_decide)
{
	struct parley_rule *r;
	int i;

	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 8);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	terms_qos_some(&self->qos);
	self->terms = (struct terms){ .data = "call", .len = 4, .qos = &self->qos,
				      .group = 77 };
	memset(reply, 'r', REPLY);

	self->old = rules_new();
	self->new = rules_new();
	ASSERT_NE(NULL, self->old);
	ASSERT_NE(NULL, self->new);
	rules_refuse(self->old, 1);
	for (i = 0; i < RULES; i++) {
		r = rules_refuse(self->new, 2);
		rules_port(r, i ? 1 : PORT, i ? 1 : PORT);
		rules_reply(self->new, &r->then, i % 2 ? "odd" : reply);
	}
	r = rules_add(self->new, PARLEY_ACCEPT);
	rules_grant(&r->then, &self->qos);
	rules_reply(self->new, &self->new->arg.otherwise, "by default");
}

FIXTURE_TEARDOWN(fault_decide)
{
	rules_free(self->old);
	rules_free(self->new);
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(fault_decide, set_rules)
{
	long ret;

	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ASSERT_EQ(0, rules_set(self->l, self->old));
		ret = FAULT(&self->f, ioctl(self->l, PARLEY_IOC_SET_RULES,
					    &self->new->arg));
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		ASSERT_TRUE(rules_is(self->l, ret < 0 ? self->old : self->new));
		ASSERT_EQ(ret < 0 ? 1 : 2, rules_code(self->l, NULL));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS | FAULT_COPIES));
	/* The table, its bytes, and what several rules carry. */
	EXPECT_LT(4, self->f.refused[FAULT_SLAB]);
	EXPECT_LT(RULES, self->f.refused[FAULT_COPY]);
}

TEST_F(fault_decide, first_rules)
{
	long ret;
	int fd;

	fault_start(&self->f, FAULT_MEMORY, FAULT_OWN);
	while (fault_next(&self->f)) {
		fd = parley_socket(0);
		ret = FAULT(&self->f, ioctl(fd, PARLEY_IOC_SET_RULES,
					    &self->old->arg));
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		if (ret < 0)
			ASSERT_EQ(0, rules_set(fd, self->old));
		ASSERT_TRUE(rules_is(fd, self->old));
		ASSERT_EQ(0, close(fd));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS));
}

TEST_F(fault_decide, get_rules)
{
	struct rules *got = rules_new();
	long ret;

	ASSERT_NE(NULL, got);
	ASSERT_EQ(0, rules_set(self->l, self->new));
	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		got->arg.size = sizeof(got->arg);
		got->arg.rule_size = sizeof(struct parley_rule);
		got->arg.count = RULES + 1;
		got->arg.pool_len = RULES_POOL_MAX;
		ret = FAULT(&self->f, ioctl(self->l, PARLEY_IOC_GET_RULES, &got->arg));
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		ASSERT_TRUE(rules_is(self->l, self->new));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_COPIES));
	EXPECT_LT(RULES, self->f.refused[FAULT_COPY]);
	rules_free(got);
}

/* The call is shown to the next one as if this one had not looked. */
static bool shows_with_faults(struct fault *f, int listener, unsigned int flags,
			      unsigned int deferred, const struct terms *t)
{
	struct parley_next_call next;
	struct parley_backlog b;
	char bytes[64];
	int call = -1;
	__u32 ids[64];
	long ret;

	fault_start(f, FAULT_ALL, FAULT_ANY);
	while (fault_next(f)) {
		if (call < 0)
			call = terms_call(HOST, PORT, t);
		memset(&next, 0, sizeof(next));
		next.size = sizeof(next);
		next.flags = flags | PARLEY_NEXT_NOWAIT;
		next.data = (unsigned long)bytes;
		next.data_room = sizeof(bytes);
		next.groups = (unsigned long)ids;
		next.groups_room = ARRAY_SIZE(ids);
		ret = FAULT(f, ioctl(listener, PARLEY_IOC_NEXT_CALL, &next));
		if (!fault_says(f, ret, 0) || !decide_waits(call))
			return false;
		/* A verdict that has come stays: it may be a deferral. */
		if (ret < 0 && (parley_backlog(listener, &b) ||
				b.pending + b.deferred != 1 || b.deferred > deferred))
			return false;
		if (ret < 0)
			continue;
		if (next.info.data_len != t->len || memcmp(bytes, t->data, t->len) ||
		    !decide_next_is_none(listener, flags) ||
		    !decide_backlog_is(listener, !deferred, deferred, 0))
			return false;
		if (decide_call(listener, next.info.id, PARLEY_ACCEPT, 0) ||
		    !decide_accepts(listener, call))
			return false;
		close(call);
		call = -1;
	}
	return fault_seen(f, FAULT_COPIES) && call < 0;
}

TEST_F(fault_decide, next_call)
{
	EXPECT_TRUE(shows_with_faults(&self->f, self->l, 0, 0, &self->terms));
}

TEST_F(fault_decide, next_call_judged)
{
	struct filter_answer yes = { .ret = PARLEY_FILTER_ACCEPT };

	yes.cb[PARLEY_CB_SEND_RATE] = 1000000;
	ASSERT_EQ(0, filter_set_answer(self->l, &yes));
	EXPECT_TRUE(shows_with_faults(&self->f, self->l, 0, 0, &self->terms));
	EXPECT_LT(1, self->f.refused[FAULT_SLAB]);
}

TEST_F(fault_decide, next_call_deferred)
{
	ASSERT_EQ(0, filter_say(self->l, PARLEY_FILTER_DEFER));
	EXPECT_TRUE(shows_with_faults(&self->f, self->l, PARLEY_NEXT_DEFERRED, 1,
				      &self->terms));
	EXPECT_LT(0, self->f.refused[FAULT_SLAB]);
}

/* What comes of a verdict on a call that was looked at: all of it, or nothing. */
static bool decides_with_faults(struct fault *f, int listener,
				const struct parley_decision *decision,
				const struct terms *t)
{
	struct parley_decision d = *decision;
	int call = -1;
	long ret;

	fault_start(f, FAULT_ALL, FAULT_ANY);
	while (fault_next(f)) {
		if (call < 0) {
			call = terms_call(HOST, PORT, t);
			d.size = sizeof(d);
			d.id = decide_next_id(listener, 0);
		}
		ret = FAULT(f, ioctl(listener, PARLEY_IOC_DECIDE, &d));
		if (!fault_says(f, ret, 0))
			return false;
		if (ret < 0) {
			if (!decide_waits(call) ||
			    !decide_backlog_is(listener, 1, 0, 0))
				return false;
			continue;
		}
		switch (d.verdict) {
		case PARLEY_ACCEPT:
			if (!decide_accepts(listener, call))
				return false;
			break;
		case PARLEY_REFUSE:
			if (!decide_refused_is(call, PARLEY_REASON_SERVER, d.code))
				return false;
			break;
		default:
			if (!decide_backlog_is(listener, 0, 1, 0))
				return false;
		}
		if (d.reply_len && !terms_reply_is(call, reply, d.reply_len))
			return false;
		close(call);
		call = -1;
	}
	return fault_seen(f, FAULT_COPIES) && call < 0;
}

TEST_F(fault_decide, accept)
{
	struct parley_decision d = {
		.verdict = PARLEY_ACCEPT,
		.flags = PARLEY_DECIDE_QOS,
		.qos = self->qos,
		.reply = (unsigned long)reply,
		.reply_len = REPLY,
	};

	EXPECT_TRUE(decides_with_faults(&self->f, self->l, &d, &self->terms));
	EXPECT_LT(1, self->f.refused[FAULT_SLAB]);
	EXPECT_LT(1, self->f.refused[FAULT_COPY]);
}

TEST_F(fault_decide, refuse)
{
	struct parley_decision d = {
		.verdict = PARLEY_REFUSE,
		.code = 5,
		.reply = (unsigned long)reply,
		.reply_len = REPLY,
	};

	EXPECT_TRUE(decides_with_faults(&self->f, self->l, &d, &self->terms));
	EXPECT_LT(0, self->f.refused[FAULT_SLAB]);
}

TEST_F(fault_decide, defer)
{
	struct parley_decision d = { .verdict = PARLEY_DEFER };

	EXPECT_TRUE(decides_with_faults(&self->f, self->l, &d, &self->terms));
}

/* To have them judged again needs no memory. */
TEST_F(fault_decide, review)
{
	int call = parley_call(HOST, PORT);

	ASSERT_LE(0, call);
	ASSERT_EQ(0, filter_say(self->l, PARLEY_FILTER_DEFER));
	ASSERT_EQ(-EAGAIN, test_accept(self->l, 0));
	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ASSERT_EQ(1, FAULT(&self->f, ioctl(self->l, PARLEY_IOC_REVIEW)));
		ASSERT_TRUE(decide_backlog_is(self->l, 1, 0, 0));
		ASSERT_EQ(-EAGAIN, test_accept(self->l, 0));
		ASSERT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	}
	EXPECT_TRUE(fault_came(&self->f, 0));
}

FAULT_HARNESS_MAIN;
