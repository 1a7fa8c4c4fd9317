// SPDX-License-Identifier: GPL-2.0
/*
 * Reply data: what comes with the verdict, for callers that wait for it in each
 * way there is. Acceptances that bring none have the listener's default,
 * refusals never.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <unistd.h>

#include "lib_terms.h"

#define HOST	"127.0.0.1"
#define PORT	7320
#define NOBODY	7321	/* nobody listens there */
#define FAR	"192.0.2.1"

static unsigned char bytes[TERMS_DATA_MAX + 1];
static unsigned char more[TERMS_DATA_MAX + 1];

/* How a caller waits for the verdict. */
enum way {
	BLOCKED,	/* in connect(2) */
	POLLED,		/* with poll(2) */
	BOUNDED,	/* in connect(2), with SO_SNDTIMEO, which does not pass */
	LATE,		/* with poll(2), once SO_SNDTIMEO has passed */
};

struct caller {
	int fd;
	int result;		/* of connect(2), where no thread sits in it */
	bool thread;
	struct parley_thread t;
};

/* @c->fd calls @port; the call waits at @l when this returns. */
static int begin(struct caller *c, enum way how, int port)
{
	int err = 0;

	c->thread = how == BLOCKED || how == BOUNDED;
	if (how == BOUNDED)
		err = parley_timeo(c->fd, SO_SNDTIMEO, 600000);
	if (how == LATE)
		err = parley_timeo(c->fd, SO_SNDTIMEO, 10);
	if (!err)
		err = parley_nonblock(c->fd, how == POLLED);
	if (err)
		return err;
	if (!c->thread) {
		c->result = test_connect(c->fd, HOST, port);
		return c->result == -EINPROGRESS ? 0 : c->result ?: -EISCONN;
	}
	err = parley_thread_connect(&c->t, c->fd, HOST, port);
	return err ?: parley_thread_blocked(&c->t);
}

/* What became of it: 0 or a negative errno. */
static int end(struct caller *c)
{
	int events;

	if (c->thread)
		return parley_thread_join(&c->t);
	if (c->result != -EINPROGRESS)
		return c->result;
	events = parley_wait(c->fd, POLLOUT);
	return events < 0 ? events : -parley_so_error(c->fd);
}

FIXTURE(reply) {
	int l;
	struct caller c;
};

FIXTURE_VARIANT(reply) {
	enum way how;
};

FIXTURE_VARIANT_ADD(reply, blocked) { .how = BLOCKED };
FIXTURE_VARIANT_ADD(reply, polled) { .how = POLLED };
FIXTURE_VARIANT_ADD(reply, bounded) { .how = BOUNDED };
FIXTURE_VARIANT_ADD(reply, late) { .how = LATE };

FIXTURE_SETUP(reply)
{
	terms_fill(bytes, sizeof(bytes), 1);
	terms_fill(more, sizeof(more), 2);
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	self->c.fd = parley_socket(0);
	ASSERT_LE(0, self->c.fd);
}

FIXTURE_TEARDOWN(reply)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* The call of @c is accepted, and both ends have just this reply. */
static bool accepted_with(int l, struct caller *c, const void *data,
			  socklen_t len)
{
	int new = test_accept(l, 0);
	bool ok;

	ok = new >= 0 && !end(c) && terms_reply_is(c->fd, data, len) &&
	     terms_reply_is(new, data, len) &&
	     parley_reason(c->fd) == PARLEY_REASON_NONE &&
	     parley_talks(c->fd, new);
	/* Reading does not use it up, and it outlasts the connection. */
	close(new);
	return ok && terms_reply_is(c->fd, data, len);
}

/* The call of @c is refused, for @reason and with this reply. */
static bool refused_with(struct caller *c, enum parley_reason reason,
			 const void *data, socklen_t len)
{
	int err = end(c), want = reason == PARLEY_REASON_TIMED_OUT ?
				 -ETIMEDOUT : -ECONNREFUSED;
	struct parley_refusal r = { 0 };

	if (err == want && !parley_refusal(c->fd, &r) && r.reason == reason &&
	    r.data_len == len && terms_reply_is(c->fd, data, len) &&
	    terms_reply_is(c->fd, data, len))
		return true;
	printf("# error %d, reason %u, %u bytes, not %d, %u, %u\n", -err,
	       r.reason, r.data_len, -want, reason, len);
	fflush(stdout);
	return false;
}

/* The verdict of PARLEY_IOC_DECIDE on the only call there is. */
static int decide_one(int l, unsigned int verdict, const void *reply,
		      unsigned int len)
{
	struct parley_call_info info;
	int err = terms_next(l, &info, 0);

	return err ?: terms_answer(l, info.id, verdict, reply, len);
}

TEST_F(reply, none)
{
	EXPECT_TRUE(terms_reply_is(self->c.fd, NULL, 0));
	EXPECT_TRUE(terms_reply_is(self->l, NULL, 0));
	ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
	EXPECT_TRUE(accepted_with(self->l, &self->c, NULL, 0));
}

TEST_F(reply, of_the_listener)
{
	ASSERT_EQ(0, terms_set_reply(self->l, bytes, 500));
	EXPECT_TRUE(terms_reply_is(self->l, bytes, 500));
	ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
	EXPECT_TRUE(terms_reply_is(self->c.fd, NULL, 0));
	EXPECT_TRUE(accepted_with(self->l, &self->c, bytes, 500));
	EXPECT_TRUE(terms_reply_is(self->l, bytes, 500));
}

/* It is the one that the listener has when accept(2) takes the call. */
TEST_F(reply, of_the_listener_now)
{
	struct caller c;

	ASSERT_EQ(0, terms_set_reply(self->l, bytes, 500));
	ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
	ASSERT_EQ(0, terms_set_reply(self->l, more, 600));
	EXPECT_TRUE(terms_reply_is(self->l, more, 600));
	EXPECT_TRUE(accepted_with(self->l, &self->c, more, 600));

	c.fd = parley_socket(0);
	ASSERT_LE(0, c.fd);
	ASSERT_EQ(0, begin(&c, variant->how, PORT));
	ASSERT_EQ(0, terms_set_reply(self->l, NULL, 0));
	EXPECT_TRUE(terms_reply_is(self->l, NULL, 0));
	EXPECT_TRUE(accepted_with(self->l, &c, NULL, 0));
	/* The connection that was there before has kept its own. */
	EXPECT_TRUE(terms_reply_is(self->c.fd, more, 600));
}

/* It may be set as soon as the socket exists. */
TEST_F(reply, of_the_listener_to_be)
{
	int l = parley_socket(SOCK_NONBLOCK);

	ASSERT_LE(0, l);
	ASSERT_EQ(0, terms_set_reply(l, bytes, 10));
	ASSERT_EQ(0, parley_bind(l, HOST, NOBODY));
	EXPECT_TRUE(terms_reply_is(l, bytes, 10));
	ASSERT_EQ(0, listen(l, 1));
	EXPECT_TRUE(terms_reply_is(l, bytes, 10));
	ASSERT_EQ(0, begin(&self->c, variant->how, NOBODY));
	EXPECT_TRUE(accepted_with(l, &self->c, bytes, 10));
}

TEST_F(reply, of_acceptance)
{
	ASSERT_EQ(0, terms_set_reply(self->l, bytes, 500));
	ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
	ASSERT_EQ(0, decide_one(self->l, PARLEY_ACCEPT, more, 60));
	/* Approved is not yet accepted. */
	EXPECT_TRUE(terms_reply_is(self->c.fd, NULL, 0));
	EXPECT_TRUE(accepted_with(self->l, &self->c, more, 60));
}

TEST_F(reply, of_acceptance_without)
{
	ASSERT_EQ(0, terms_set_reply(self->l, bytes, 500));
	ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
	ASSERT_EQ(0, decide_one(self->l, PARLEY_ACCEPT, NULL, 0));
	EXPECT_TRUE(accepted_with(self->l, &self->c, bytes, 500));
}

TEST_F(reply, of_rule)
{
	struct parley_rule_answer answer = {
		.verdict = PARLEY_ACCEPT, .reply = 7, .reply_len = 70,
	};
	struct caller c;

	ASSERT_EQ(0, terms_set_reply(self->l, bytes, 500));
	ASSERT_EQ(0, terms_rule(self->l, &answer, more, 100));
	ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
	EXPECT_TRUE(accepted_with(self->l, &self->c, more + 7, 70));

	memset(&answer, 0, sizeof(answer));
	ASSERT_EQ(0, terms_rule(self->l, &answer, NULL, 0));
	c.fd = parley_socket(0);
	ASSERT_LE(0, c.fd);
	ASSERT_EQ(0, begin(&c, variant->how, PORT));
	EXPECT_TRUE(accepted_with(self->l, &c, bytes, 500));
}

TEST_F(reply, of_refusal)
{
	ASSERT_EQ(0, terms_set_reply(self->l, bytes, 500));
	ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
	ASSERT_EQ(0, decide_one(self->l, PARLEY_REFUSE, more, 60));
	EXPECT_TRUE(refused_with(&self->c, PARLEY_REASON_SERVER, more, 60));
}

TEST_F(reply, of_refusing_rule)
{
	const struct parley_rule_answer answer = {
		.verdict = PARLEY_REFUSE, .reply = 7, .reply_len = 70,
	};

	ASSERT_EQ(0, terms_set_reply(self->l, bytes, 500));
	ASSERT_EQ(0, terms_rule(self->l, &answer, more, 100));
	ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(refused_with(&self->c, PARLEY_REASON_RULE, more + 7, 70));
}

/* The listener's default is for who is accepted, whatever else happens. */
TEST_F(reply, of_refusal_without)
{
	const struct parley_rule_answer answer = { .verdict = PARLEY_REFUSE };

	ASSERT_EQ(0, terms_set_reply(self->l, bytes, 500));
	ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
	ASSERT_EQ(0, decide_one(self->l, PARLEY_REFUSE, NULL, 0));
	EXPECT_TRUE(refused_with(&self->c, PARLEY_REASON_SERVER, NULL, 0));

	ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
	ASSERT_EQ(0, terms_rule(self->l, &answer, NULL, 0));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(refused_with(&self->c, PARLEY_REASON_RULE, NULL, 0));

	ASSERT_EQ(0, parley_call_timeout(self->c.fd, 50));
	/* begin() may find that it is over already. */
	begin(&self->c, variant->how, PORT);
	EXPECT_TRUE(refused_with(&self->c, PARLEY_REASON_TIMED_OUT, NULL, 0));
	ASSERT_EQ(0, parley_call_timeout(self->c.fd, 0));

	ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
	ASSERT_EQ(0, close(self->l));
	EXPECT_TRUE(refused_with(&self->c, PARLEY_REASON_LISTENER_CLOSED,
				 NULL, 0));
}

/* A call that stays deferred is answered by nobody, and yet politely. */
TEST_F(reply, of_defer_timeout)
{
	ASSERT_EQ(0, terms_set_reply(self->l, bytes, 500));
	ASSERT_EQ(0, terms_set_defer(self->l, 20, PARLEY_REFUSE));
	ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
	ASSERT_EQ(0, decide_one(self->l, PARLEY_DEFER, NULL, 0));
	EXPECT_TRUE(refused_with(&self->c, PARLEY_REASON_DEFER_EXPIRED,
				 NULL, 0));

	ASSERT_EQ(0, terms_set_defer(self->l, 20, PARLEY_ACCEPT));
	ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
	ASSERT_EQ(0, decide_one(self->l, PARLEY_DEFER, NULL, 0));
	ASSERT_EQ(POLLIN, parley_wait(self->l, POLLIN));
	EXPECT_TRUE(accepted_with(self->l, &self->c, bytes, 500));
}

static const unsigned int lengths[] = { 1, 2, 4095, 4096, 65535, 65536 };

TEST_F(reply, lengths)
{
	unsigned int i, len;
	struct caller c;

	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data", 65536));
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		len = lengths[i];
		c.fd = parley_socket(0);
		ASSERT_LE(0, c.fd);
		ASSERT_EQ(0, begin(&c, variant->how, PORT));
		ASSERT_EQ(0, decide_one(self->l, PARLEY_REFUSE, more, len));
		EXPECT_TRUE(refused_with(&c, PARLEY_REASON_SERVER, more, len));
		ASSERT_EQ(0, begin(&c, variant->how, PORT));
		ASSERT_EQ(0, terms_set_reply(self->l, bytes, len));
		EXPECT_TRUE(accepted_with(self->l, &c, bytes, len));
		close(c.fd);
		c.fd = parley_socket(0);
		ASSERT_LE(0, c.fd);
		ASSERT_EQ(0, begin(&c, variant->how, PORT));
		ASSERT_EQ(0, decide_one(self->l, PARLEY_ACCEPT, more, len));
		EXPECT_TRUE(accepted_with(self->l, &c, more, len));
		close(c.fd);
	}
}

/* The whole or nothing, at both ends. */
TEST_F(reply, rooms)
{
	static const int rooms[] = { 0, 1, 298, 299, 300, 301, 4096 };
	int i, k, new, fd;
	socklen_t len;

	ASSERT_EQ(0, terms_set_reply(self->l, bytes, 300));
	ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	ASSERT_EQ(0, end(&self->c));
	for (i = 0; i < ARRAY_SIZE(rooms); i++)
		for (k = 0; k < 3; k++) {
			fd = k == 0 ? self->c.fd : k == 1 ? new : self->l;
			len = rooms[i];
			memset(more, 0xee, 301);
			EXPECT_EQ(rooms[i] < 300 ? -ERANGE : 0,
				  terms_get(fd, PARLEY_REPLY_DATA, more, &len))
				TH_LOG("room for %d", rooms[i]);
			EXPECT_EQ(300, len);
			EXPECT_EQ(0xee, more[rooms[i] < 300 ? 0 : 300]);
			if (rooms[i] >= 300)
				EXPECT_EQ(0, memcmp(bytes, more, 300));
		}
}

/* It tells of the last connect(2), however that one ends. */
TEST_F(reply, until_the_next_connect)
{
	struct parley_refusal r;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
		EXPECT_TRUE(terms_reply_is(self->c.fd, NULL, 0));
		ASSERT_EQ(0, decide_one(self->l, PARLEY_REFUSE, bytes + i,
					100 + i));
		EXPECT_TRUE(refused_with(&self->c, PARLEY_REASON_SERVER,
					 bytes + i, 100 + i));
		if (i == 0)
			continue;
		if (i == 1)
			EXPECT_EQ(-ECONNREFUSED,
				  test_connect(self->c.fd, HOST, NOBODY));
		if (i == 2)
			EXPECT_EQ(-ENETUNREACH,
				  test_connect(self->c.fd, FAR, PORT));
		EXPECT_TRUE(terms_reply_is(self->c.fd, NULL, 0));
		ASSERT_EQ(0, parley_refusal(self->c.fd, &r));
		EXPECT_EQ(0, r.data_len);
	}
	ASSERT_EQ(0, begin(&self->c, variant->how, PORT));
	EXPECT_TRUE(terms_reply_is(self->c.fd, NULL, 0));
	EXPECT_EQ(PARLEY_REASON_NONE, parley_reason(self->c.fd));
	EXPECT_TRUE(accepted_with(self->l, &self->c, NULL, 0));
}

/* The bound is that of the network namespace, when the reply is set. */
TEST(reply_too_long)
{
	static const int limits[] = { 0, 1, 4096, 65536 };
	unsigned int i, limit;
	int l;

	ASSERT_EQ(0, parley_ns_enter());
	l = parley_listener(HOST, PORT, 1);
	ASSERT_LE(0, l);
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		limit = limits[i];
		ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data",
						 limit));
		EXPECT_EQ(0, terms_set_reply(l, bytes, limit));
		EXPECT_EQ(-EMSGSIZE, terms_set_reply(l, more, limit + 1))
			TH_LOG("limit %u", limit);
		EXPECT_TRUE(terms_reply_is(l, bytes, limit));
	}
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_HARNESS_MAIN
