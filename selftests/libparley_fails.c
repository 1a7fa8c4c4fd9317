// SPDX-License-Identifier: GPL-2.0
/*
 * parley_accept() when something comes in between: verdicts that are none, no
 * descriptor to be had, callers that go away and others that decide while the
 * condition thinks. Nothing is lost, and no other call is taken instead.
 */
#include "kselftest_harness.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"
#include "lib_condition.h"
#include "lib_terms.h"

#define PORT	5410
#define NOWAIT	PARLEY_ACCEPT_NOWAIT

FIXTURE(fails) {
	int l;
	int call;
	int got;
	struct condition c;
	struct parley_qos qos;
	struct parley_backlog b;
};

FIXTURE_SETUP(fails)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 16);
	ASSERT_LE(0, self->l);
	terms_qos_some(&self->qos);
	self->call = terms_call("127.0.0.1", PORT, &(struct terms) {
		.qos = &self->qos });
	ASSERT_LE(0, self->call);
}

FIXTURE_TEARDOWN(fails)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* As if nobody had asked: undecided, and presented once more. */
static bool undecided(int l, int call, struct condition *c)
{
	struct parley_backlog b;
	int asked = c->asked, new;

	if (parley_get_backlog(l, &b) || b.pending != 1 || b.deferred ||
	    b.approved || parley_revents(call, POLLOUT))
		return false;
	memset(c, 0, offsetof(struct condition, asked));
	new = condition_accept(l, c, NOWAIT);
	return new >= 0 && c->asked == asked + 1 && condition_saw(c, call) &&
	       parley_talks(call, new) && !close(new);
}

TEST_F(fails, verdict_is_none)
{
	static const int verdicts[] = { PARLEY_UNDECIDE, 4, -1, 0x10000 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verdicts); i++) {
		self->c.verdict = verdicts[i];
		EXPECT_EQ(-EINVAL, condition_accept(self->l, &self->c, NOWAIT));
		EXPECT_EQ(i + 1, self->c.asked);
	}
	EXPECT_TRUE(undecided(self->l, self->call, &self->c));
}

TEST_F(fails, grant_is_more)
{
	self->qos.send.token_rate++;
	self->c.qos = &self->qos;
	EXPECT_EQ(-EINVAL, condition_accept(self->l, &self->c, NOWAIT));
	self->qos.send.token_rate = 0;
	EXPECT_EQ(-EINVAL, condition_accept(self->l, &self->c, NOWAIT));
	EXPECT_EQ(2, self->c.asked);
	EXPECT_TRUE(undecided(self->l, self->call, &self->c));
}

/* What does not go with the verdict. */
TEST_F(fails, answer_is_wrong)
{
	self->c.code = 1;
	EXPECT_EQ(-EINVAL, condition_accept(self->l, &self->c, NOWAIT));
	self->c.verdict = PARLEY_DEFER;
	EXPECT_EQ(-EINVAL, condition_accept(self->l, &self->c, NOWAIT));
	self->c.code = 0;
	self->c.reply = "x";
	self->c.reply_len = 1;
	EXPECT_EQ(-EINVAL, condition_accept(self->l, &self->c, NOWAIT));
	self->c.verdict = PARLEY_REFUSE;
	self->c.qos = &self->qos;
	EXPECT_EQ(-EINVAL, condition_accept(self->l, &self->c, NOWAIT));
	EXPECT_EQ(4, self->c.asked);
	EXPECT_TRUE(undecided(self->l, self->call, &self->c));
}

TEST_F(fails, reply_is_too_long)
{
	static char reply[4097];

	self->c.reply = reply;
	self->c.reply_len = sizeof(reply);
	EXPECT_EQ(-EMSGSIZE, condition_accept(self->l, &self->c, NOWAIT));
	self->c.verdict = PARLEY_REFUSE;
	EXPECT_EQ(-EMSGSIZE, condition_accept(self->l, &self->c, NOWAIT));
	self->c.reply_len = (size_t)1 << 32;
	EXPECT_EQ(-EMSGSIZE, condition_accept(self->l, &self->c, NOWAIT));
	self->c.reply = (void *)1;
	self->c.reply_len = 1;
	EXPECT_EQ(-EFAULT, condition_accept(self->l, &self->c, NOWAIT));
	EXPECT_EQ(4, self->c.asked);
	EXPECT_TRUE(undecided(self->l, self->call, &self->c));
}

TEST_F(fails, no_descriptor)
{
	int i;

	ASSERT_EQ(0, parley_nofile(self->call + 1));
	for (i = 0; i < 100; i++) {
		EXPECT_EQ(-EMFILE, condition_accept(self->l, &self->c, 0));
		EXPECT_EQ(i + 1, self->c.asked);
		ASSERT_TRUE(condition_saw(&self->c, self->call));
		ASSERT_EQ(0, parley_get_backlog(self->l, &self->b));
		EXPECT_EQ(1, self->b.pending);
		EXPECT_EQ(0, self->b.approved);
	}
	ASSERT_EQ(0, parley_nofile(1024));
	EXPECT_TRUE(undecided(self->l, self->call, &self->c));
}

/* Undone to the last: the reply of the first verdict is not left over. */
TEST_F(fails, no_descriptor_then_refused)
{
	ASSERT_EQ(0, parley_nofile(self->call + 1));
	self->c.reply = "welcome";
	self->c.reply_len = 7;
	EXPECT_EQ(-EMFILE, condition_accept(self->l, &self->c, 0));
	memset(&self->c, 0, sizeof(self->c));
	self->c.verdict = PARLEY_REFUSE;
	EXPECT_EQ(-ECONNREFUSED, condition_accept(self->l, &self->c, 0));
	EXPECT_EQ(ECONNREFUSED, parley_so_error(self->call));
	EXPECT_TRUE(terms_reply_is(self->call, NULL, 0));
}

static int unasked(const struct parley_offer *offer,
		   struct parley_answer *answer, void *arg)
{
	abort();
}

/* Found before any call is looked at. */
TEST_F(fails, arguments)
{
	struct parley_addr a = { .len = sizeof(a.ss) };
	socklen_t len = 0x80000000;
	int fd = parley_socket(0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, condition_accept(self->l, &self->c, 0x8));
	EXPECT_EQ(-EINVAL, condition_accept(self->l, &self->c, 0x40000000));
	EXPECT_EQ(-EINVAL, condition_accept(fd, &self->c, 0));
	EXPECT_EQ(-EINVAL, condition_accept(self->call, &self->c, 0));
	EXPECT_EQ(-EBADF, condition_accept(-1, &self->c, 0));
	EXPECT_EQ(-1, parley_accept(self->l, &a.sa, NULL,
				    unasked, NULL, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, parley_accept(self->l, &a.sa, &len,
				    unasked, NULL, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, self->c.asked);
	EXPECT_TRUE(undecided(self->l, self->call, &self->c));
}

/* What may happen while the condition thinks; @arg is a descriptor. */

static void caller_closes(struct condition *c)
{
	close(c->arg);
}

static void caller_gives_up(struct condition *c)
{
	parley_unspec(c->arg);
}

static void caller_times_out(struct condition *c)
{
	parley_wait(c->arg, POLLOUT);
}

static void other_accepts(struct condition *c)
{
	parley_decide(c->arg, c->info.id, PARLEY_ACCEPT, NULL, 0);
}

static void other_refuses(struct condition *c)
{
	parley_decide(c->arg, c->info.id, PARLEY_REFUSE, NULL, 0);
}

static void other_takes(struct condition *c)
{
	c->arg = test_accept(c->arg, 0);
}

static void listener_closes(struct condition *c)
{
	shutdown(c->arg, SHUT_RD);
}

FIXTURE(gone) {
	int l;
	int call;
	int next;
	struct condition c;
	struct parley_backlog b;
};

FIXTURE_VARIANT(gone) {
	int verdict;
};

FIXTURE_VARIANT_ADD(gone, accept) { .verdict = PARLEY_ACCEPT };
FIXTURE_VARIANT_ADD(gone, refuse) { .verdict = PARLEY_REFUSE };
FIXTURE_VARIANT_ADD(gone, defer) { .verdict = PARLEY_DEFER };
FIXTURE_VARIANT_ADD(gone, none) { .verdict = 99 };

FIXTURE_SETUP(gone)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 16);
	ASSERT_LE(0, self->l);
	self->call = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, self->call);
	self->c.verdict = variant->verdict;
}

FIXTURE_TEARDOWN(gone)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* A call, and one behind it, which must not be taken in its place. */
static int two_calls(int call, int *next)
{
	int err = test_connect(call, "127.0.0.1", PORT);

	if (err != -EINPROGRESS)
		return err ?: -EBADMSG;
	*next = parley_call("127.0.0.1", PORT);
	return *next < 0 ? *next : 0;
}

/* The error that there is, and that only the other call waits. */
static bool aborted(int l, int next, struct condition *c, int err)
{
	struct parley_backlog b;
	int want = c->verdict == 99 ? -EINVAL : -ECONNABORTED;
	int new;

	if (err != want || c->asked != 1)
		return false;
	if (parley_get_backlog(l, &b) || b.pending != 1 || b.deferred ||
	    parley_revents(next, POLLOUT))
		return false;
	c->meanwhile = NULL;
	c->verdict = PARLEY_ACCEPT;
	new = condition_accept(l, c, NOWAIT);
	return new >= 0 && condition_saw(c, next) && parley_talks(next, new);
}

TEST_F(gone, caller_closes)
{
	ASSERT_EQ(0, two_calls(self->call, &self->next));
	self->c.meanwhile = caller_closes;
	self->c.arg = self->call;
	EXPECT_TRUE(aborted(self->l, self->next, &self->c,
			    condition_accept(self->l, &self->c, 0)));
}

TEST_F(gone, caller_gives_up)
{
	ASSERT_EQ(0, two_calls(self->call, &self->next));
	self->c.meanwhile = caller_gives_up;
	self->c.arg = self->call;
	EXPECT_TRUE(aborted(self->l, self->next, &self->c,
			    condition_accept(self->l, &self->c, 0)));
}

TEST_F(gone, caller_times_out)
{
	ASSERT_EQ(0, parley_call_timeout(self->call, 20));
	ASSERT_EQ(0, two_calls(self->call, &self->next));
	self->c.meanwhile = caller_times_out;
	self->c.arg = self->call;
	EXPECT_TRUE(aborted(self->l, self->next, &self->c,
			    condition_accept(self->l, &self->c, 0)));
	EXPECT_EQ(ETIMEDOUT, parley_so_error(self->call));
}

TEST_F(gone, other_refuses)
{
	ASSERT_EQ(0, two_calls(self->call, &self->next));
	self->c.meanwhile = other_refuses;
	self->c.arg = self->l;
	EXPECT_TRUE(aborted(self->l, self->next, &self->c,
			    condition_accept(self->l, &self->c, 0)));
	EXPECT_EQ(ECONNREFUSED, parley_so_error(self->call));
}

TEST_F(gone, other_takes)
{
	ASSERT_EQ(0, two_calls(self->call, &self->next));
	self->c.meanwhile = other_takes;
	self->c.arg = self->l;
	EXPECT_TRUE(aborted(self->l, self->next, &self->c,
			    condition_accept(self->l, &self->c, 0)));
	ASSERT_LE(0, self->c.arg);
	EXPECT_TRUE(parley_talks(self->call, self->c.arg));
}

/* It stays approved, for accept(2). */
TEST_F(gone, other_accepts)
{
	int new;

	ASSERT_EQ(0, two_calls(self->call, &self->next));
	self->c.meanwhile = other_accepts;
	self->c.arg = self->l;
	EXPECT_EQ(variant->verdict == 99 ? -EINVAL : -ECONNABORTED,
		  condition_accept(self->l, &self->c, 0));
	ASSERT_EQ(0, parley_get_backlog(self->l, &self->b));
	EXPECT_EQ(1, self->b.approved);
	EXPECT_EQ(1, self->b.pending);
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(parley_talks(self->call, new));
}

TEST_F(gone, listener_closes)
{
	ASSERT_EQ(0, two_calls(self->call, &self->next));
	self->c.meanwhile = listener_closes;
	self->c.arg = self->l;
	EXPECT_EQ(-EINVAL, condition_accept(self->l, &self->c, 0));
	EXPECT_EQ(1, self->c.asked);
	EXPECT_EQ(ECONNREFUSED, parley_so_error(self->call));
	EXPECT_EQ(ECONNREFUSED, parley_so_error(self->next));
	EXPECT_EQ(PARLEY_REASON_LISTENER_CLOSED, parley_reason(self->call));
}

/* Who cancels a thread does so before or after, not in between. */

struct cancelled {
	int l;
	int got;
};

static int cancelled_condition(const struct parley_offer *offer,
			       struct parley_answer *answer, void *arg)
{
	pthread_cancel(pthread_self());
	pthread_testcancel();
	return PARLEY_ACCEPT;
}

static void *cancelled_accept(void *arg)
{
	struct cancelled *c = arg;

	c->got = parley_accept(c->l, NULL, NULL, cancelled_condition, NULL, 0);
	pthread_testcancel();
	return NULL;
}

TEST_F(fails, cancelled)
{
	struct cancelled c = { .l = self->l, .got = -1 };
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, pthread_create(&thread, NULL, cancelled_accept, &c));
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(PTHREAD_CANCELED, result);
	ASSERT_LE(0, c.got);
	EXPECT_TRUE(parley_talks(self->call, c.got));
}

TEST_HARNESS_MAIN
