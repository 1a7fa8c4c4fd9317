// SPDX-License-Identifier: GPL-2.0
/*
 * No memory, and no copy from user space, in connect(2): the socket is as it
 * was, nothing waits at the listener, and the same socket may call again.
 */
#include "kselftest_harness.h"

#include <sched.h>

#include "lib_fault.h"
#include "lib_filter.h"

#define PORT	9200
#define HOST	"127.0.0.1"
#define MANY	700	/* descriptors */
#define WINDOW	256	/* port numbers of a set that take no memory */
#define LAST	60999	/* port number */
#define DATA	4000	/* bytes of call data: a packet for a filter has pages */

static char data[DATA];

FIXTURE(fault_connect) {
	struct fault f;
	struct parley_addr to;
	struct terms terms;
	struct parley_qos qos;
	int l;
};

FIXTURE_VARIANT(fault_connect) {
	int type;
};

FIXTURE_VARIANT_ADD(fault_connect, stream) { .type = SOCK_STREAM };
FIXTURE_VARIANT_ADD(fault_connect, seqpacket) { .type = SOCK_SEQPACKET };

FIXTURE_SETUP(fault_connect)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_nofile(MANY));
	ASSERT_EQ(0, parley_addr(&self->to, HOST, PORT));
	self->l = socket(AF_PARLEY, variant->type | SOCK_NONBLOCK, 0);
	ASSERT_EQ(0, bind(self->l, &self->to.sa, self->to.len));
	ASSERT_EQ(0, listen(self->l, MANY));
	fault_bytes(data, DATA, 1);
	terms_qos_some(&self->qos);
	self->terms = (struct terms){ .data = data, .len = DATA, .qos = &self->qos,
				      .group = 77, .type = variant->type };
}

FIXTURE_TEARDOWN(fault_connect)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* As a socket that never called. */
static bool fresh(int listener, int fd, int port)
{
	return parley_port(fd) == port && !parley_so_error(fd) &&
	       !parley_reason(fd) && !parley_pending(listener) &&
	       parley_revents(listener, POLLIN) == 0;
}

/* The call is there, on its terms, and can be accepted. */
static bool accepted(int listener, int fd, const struct terms *t)
{
	int got = test_accept(listener, 0);
	bool good = got >= 0 && parley_talks(fd, got);

	if (good && t)
		good = terms_data_is(got, t->data, t->len) &&
		       terms_group_is(got, t->group);
	close(got);
	return good;
}

/* Calls without waiting, with each fault; @t may be NULL, @port 0. */
static bool calls_with_faults(struct fault *f, int listener, const struct terms *t,
			      const struct parley_addr *to, int port,
			      unsigned int kinds)
{
	long ret;
	int fd;

	fault_start(f, FAULT_ALL, FAULT_ANY);
	while (fault_next(f)) {
		fd = socket(AF_PARLEY, parley_sockopt(listener, SOL_SOCKET, SO_TYPE) |
			    SOCK_NONBLOCK, 0);
		if (fd < 0 || (t && terms_apply(fd, t)) ||
		    (port && parley_bind(fd, HOST, port)))
			return false;
		ret = FAULT(f, connect(fd, &to->sa, to->len));
		if (ret == -EINPROGRESS)
			ret = 0;
		if (!fault_says(f, ret, 0))
			return false;
		if (ret < 0 && (!fresh(listener, fd, port) ||
				test_connect(fd, HOST, PORT) != -EINPROGRESS))
			return false;
		if (port && parley_port(fd) != port)
			return false;
		if (parley_pending(listener) != 1 || !accepted(listener, fd, t))
			return false;
		close(fd);
	}
	return fault_seen(f, kinds);
}

TEST_F(fault_connect, call)
{
	EXPECT_TRUE(calls_with_faults(&self->f, self->l, NULL, &self->to, 0,
				      FAULT_SLABS | FAULT_COPIES));
}

TEST_F(fault_connect, bound)
{
	EXPECT_TRUE(calls_with_faults(&self->f, self->l, NULL, &self->to, PORT + 1,
				      FAULT_SLABS | FAULT_COPIES));
}

TEST_F(fault_connect, on_terms)
{
	EXPECT_TRUE(calls_with_faults(&self->f, self->l, &self->terms, &self->to, 0,
				      FAULT_SLABS | FAULT_COPIES));
}

/* A share of the backlog is made with each call. */
TEST_F(fault_connect, fair_share)
{
	ASSERT_EQ(0, parley_set_sockopt(self->l, SOL_PARLEY, PARLEY_FAIR_SHARE, 50));
	EXPECT_TRUE(calls_with_faults(&self->f, self->l, NULL, &self->to, 0,
				      FAULT_SLABS | FAULT_COPIES));
	EXPECT_LT(1, self->f.refused[FAULT_SLAB]);
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	EXPECT_TRUE(calls_with_faults(&self->f, self->l, NULL, &self->to, 0,
				      FAULT_SLABS | FAULT_COPIES));
}

/* A call that nobody waits for is refused, or not made. */
TEST_F(fault_connect, refused)
{
	struct parley_addr to;
	long ret;
	int fd;

	ASSERT_EQ(0, parley_addr(&to, HOST, PORT + 2));
	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		fd = socket(AF_PARLEY, variant->type, 0);
		ASSERT_LE(0, fd);
		ret = FAULT(&self->f, connect(fd, &to.sa, to.len));
		ASSERT_TRUE(fault_says(&self->f, ret == -ECONNREFUSED ? 0 : ret, 0));
		ASSERT_EQ(ret == -ECONNREFUSED ? PARLEY_REASON_NO_LISTENER : 0,
			  parley_reason(fd));
		ASSERT_EQ(0, parley_port(fd));
		ASSERT_EQ(0, close(fd));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS | FAULT_COPIES));
}

TEST_F(fault_connect, withdraw)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	long ret;
	int fd;

	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		fd = socket(AF_PARLEY, variant->type | SOCK_NONBLOCK, 0);
		ASSERT_LE(0, test_call(fd, HOST, PORT));
		ret = FAULT(&self->f, connect(fd, &none, sizeof(none)));
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		ASSERT_EQ(ret < 0, parley_pending(self->l));
		ASSERT_EQ(0, parley_unspec(fd));
		ASSERT_TRUE(fresh(self->l, fd, 0));
		ASSERT_EQ(0, close(fd));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_COPIES));
}

/* The set of numbers in use towards a destination grows. */
TEST_F(fault_connect, many_callers)
{
	int fd = -1, i;
	long ret;

	/* A set that begins too near the end of the range takes it earlier. */
	ASSERT_EQ(0, parley_sysctl_set("ipv4/ip_local_port_range", "59000 60999"));
	do {
		close(fd);
		fd = socket(AF_PARLEY, variant->type | SOCK_NONBLOCK, 0);
		ASSERT_LE(0, test_call(fd, HOST, PORT));
	} while (parley_port(fd) > LAST - 2 * WINDOW);
	for (i = 1; i < WINDOW; i++) {
		fd = socket(AF_PARLEY, variant->type | SOCK_NONBLOCK, 0);
		ASSERT_LE(0, test_call(fd, HOST, PORT));
	}
	fault_start(&self->f, FAULT_MEMORY, FAULT_OWN);
	while (fault_next(&self->f)) {
		fd = socket(AF_PARLEY, variant->type | SOCK_NONBLOCK, 0);
		ret = FAULT(&self->f, connect(fd, &self->to.sa, self->to.len));
		ASSERT_TRUE(fault_says(&self->f, ret == -EINPROGRESS ? 0 : ret, 0));
		ASSERT_EQ(ret == -EINPROGRESS ? i + 1 : i, parley_pending(self->l));
		if (ret == -EINPROGRESS)
			i++;
		else
			ASSERT_EQ(0, parley_port(fd));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS));
	EXPECT_LT(1, self->f.refused[FAULT_SLAB]);
	while (i--)
		ASSERT_LE(0, test_accept(self->l, 0));
}

/* Somebody waits in accept(2); a connect(2) that waits, too, then gets him. */
TEST_F(fault_connect, waits)
{
	struct parley_thread server;
	long ret;
	int fd, got = -1;

	ASSERT_EQ(0, parley_nonblock(self->l, false));
	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		if (got < 0)
			ASSERT_EQ(0, parley_thread_accept(&server, self->l));
		ASSERT_EQ(0, parley_thread_blocked(&server));
		fd = socket(AF_PARLEY, variant->type, 0);
		ret = FAULT(&self->f, connect(fd, &self->to.sa, self->to.len));
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		if (ret < 0) {
			ASSERT_FALSE(parley_thread_done(&server));
			ASSERT_TRUE(fresh(self->l, fd, 0));
			ASSERT_EQ(0, connect(fd, &self->to.sa, self->to.len));
		}
		got = parley_thread_join(&server);
		ASSERT_LE(0, got);
		ASSERT_TRUE(parley_talks(fd, got));
		ASSERT_EQ(0, close(got));
		ASSERT_EQ(0, close(fd));
		got = -1;
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS | FAULT_COPIES));
}

/* Judged within connect(2): no memory is no verdict. */
static bool judged_with_faults(struct fault *f, int listener, const struct terms *t,
			       const struct parley_addr *to, long says)
{
	long ret;
	int fd;

	if (terms_set_stage(listener, PARLEY_STAGE_ARRIVAL))
		return false;
	fault_start(f, FAULT_ALL, FAULT_ANY);
	while (fault_next(f)) {
		fd = socket(AF_PARLEY, t->type | SOCK_NONBLOCK, 0);
		if (fd < 0 || terms_apply(fd, t))
			return false;
		ret = FAULT(f, connect(fd, &to->sa, to->len));
		if (!fault_says(f, ret == says ? 0 : ret, 0))
			return false;
		if (ret != says && !fresh(listener, fd, 0))
			return false;
		if (ret != says && test_connect(fd, HOST, PORT) != says)
			return false;
		if (says == -EINPROGRESS && !accepted(listener, fd, t))
			return false;
		if (says == -ECONNREFUSED && parley_pending(listener))
			return false;
		close(fd);
	}
	return fault_seen(f, FAULT_SLABS | FAULT_COPIES);
}

TEST_F(fault_connect, arrival_filter)
{
	struct filter_answer yes = { .ret = PARLEY_FILTER_ACCEPT };

	yes.cb[PARLEY_CB_SEND_RATE] = 1000000;
	ASSERT_EQ(0, filter_set_answer(self->l, &yes));
	EXPECT_TRUE(judged_with_faults(&self->f, self->l, &self->terms, &self->to,
				       -EINPROGRESS));
	/* More call data than fits into a small packet. */
	EXPECT_LT(0, self->f.refused[FAULT_PAGE]);
}

TEST_F(fault_connect, arrival_refused)
{
	ASSERT_EQ(0, filter_say(self->l, PARLEY_FILTER_REFUSE));
	EXPECT_TRUE(judged_with_faults(&self->f, self->l, &self->terms, &self->to,
				       -ECONNREFUSED));
}

TEST_F(fault_connect, arrival_rules)
{
	struct rules *t = rules_new();
	struct parley_rule *r;
	struct parley_qos qos;

	ASSERT_NE(NULL, t);
	r = rules_add(t, PARLEY_ACCEPT);
	rules_reply(t, &r->then, "welcome");
	/* More than is asked for: it is cut, and that takes memory. */
	terms_qos_none(&qos);
	rules_grant(&r->then, &qos);
	ASSERT_EQ(0, rules_set(self->l, t));
	ASSERT_EQ(0, filter_say(self->l, PARLEY_FILTER_ACCEPT));
	EXPECT_TRUE(judged_with_faults(&self->f, self->l, &self->terms, &self->to,
				       -EINPROGRESS));
	rules_free(t);
}

FAULT_HARNESS_MAIN;
