// SPDX-License-Identifier: GPL-2.0
/*
 * No memory in accept(2), whatever it has to ask and to make: the call is where
 * it was, and the next accept(2) takes it.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>

#include "lib_decide.h"
#include "lib_fault.h"
#include "lib_filter.h"

#define PORT	9300
#define HOST	"127.0.0.1"
#define DATA	4000

static char data[DATA];

FIXTURE(fault_accept) {
	struct fault f;
	struct terms terms;
	struct parley_qos qos;
	int l;
};

FIXTURE_VARIANT(fault_accept) {
	int type;
};

FIXTURE_VARIANT_ADD(fault_accept, stream) { .type = SOCK_STREAM };
FIXTURE_VARIANT_ADD(fault_accept, seqpacket) { .type = SOCK_SEQPACKET };

FIXTURE_SETUP(fault_accept)
{
	struct parley_addr a;

	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_addr(&a, HOST, PORT));
	self->l = socket(AF_PARLEY, variant->type | SOCK_NONBLOCK, 0);
	ASSERT_EQ(0, bind(self->l, &a.sa, a.len));
	ASSERT_EQ(0, listen(self->l, 8));
	fault_bytes(data, DATA, 1);
	terms_qos_some(&self->qos);
	self->terms = (struct terms){ .data = data, .len = DATA, .qos = &self->qos,
				      .group = 77, .type = variant->type };
}

FIXTURE_TEARDOWN(fault_accept)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* The call is there as before, and its caller knows of nothing. */
static bool waits(int listener, int call)
{
	struct pollfd pfd = { .fd = call, .events = POLLOUT };

	return parley_pending(listener) == 1 && poll(&pfd, 1, 0) == 0 &&
	       parley_revents(listener, POLLIN) == POLLIN;
}

/* One call after the other, each accepted with all the faults there are. */
static bool accepts_with_faults(struct fault *f, int listener, const struct terms *t,
				const char *where)
{
	int call = -1;
	long fd;

	fault_start(f, FAULT_ALL, where);
	while (fault_next(f)) {
		if (call < 0)
			call = terms_call(HOST, PORT, t);
		if (call < 0)
			return false;
		fd = FAULT(f, accept4(listener, NULL, NULL, SOCK_CLOEXEC));
		if (!fault_says(f, fd, where ? 0 : -ENFILE))
			return false;
		if (fd < 0 && !waits(listener, call))
			return false;
		if (fd < 0)
			continue;
		if (!parley_talks(call, fd) || !terms_data_is(fd, t->data, t->len) ||
		    !terms_group_is(fd, t->group))
			return false;
		close(fd);
		close(call);
		call = -1;
	}
	return fault_seen(f, FAULT_SLABS) && call < 0;
}

TEST_F(fault_accept, plain)
{
	struct terms t = { .type = variant->type };

	EXPECT_TRUE(accepts_with_faults(&self->f, self->l, &t, FAULT_ANY));
	EXPECT_TRUE(accepts_with_faults(&self->f, self->l, &t, FAULT_OWN));
}

TEST_F(fault_accept, waits)
{
	struct terms t = { .type = variant->type };

	ASSERT_EQ(0, parley_nonblock(self->l, false));
	EXPECT_TRUE(accepts_with_faults(&self->f, self->l, &t, FAULT_ANY));
}

/* Options that have memory of their own, of the listener and of its file. */
TEST_F(fault_accept, inherits)
{
	ASSERT_EQ(0, terms_set_inherit(self->l, PARLEY_INHERIT_NONBLOCK |
				       PARLEY_INHERIT_ASYNC));
	ASSERT_EQ(0, parley_catch(SIGIO, 0));
	ASSERT_EQ(0, fcntl(self->l, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(self->l, F_SETFL, O_NONBLOCK | O_ASYNC));
	ASSERT_EQ(0, parley_set_sockopt(self->l, IPPROTO_TCP, TCP_NODELAY, 1));
	ASSERT_EQ(0, terms_set_reply(self->l, "hello", 5));
	EXPECT_TRUE(accepts_with_faults(&self->f, self->l, &self->terms, FAULT_ANY));
	EXPECT_TRUE(accepts_with_faults(&self->f, self->l, &self->terms, FAULT_OWN));
}

/* The rest is judged, so that a policy is asked; and keeps to its grant. */
TEST_F(fault_accept, rules)
{
	struct rules *t = rules_new();
	struct parley_rule *r;
	struct parley_qos qos;

	ASSERT_NE(NULL, t);
	r = rules_add(t, PARLEY_ACCEPT);
	rules_reply(t, &r->then, "welcome");
	terms_qos_none(&qos);
	rules_grant(&r->then, &qos);
	ASSERT_EQ(0, rules_set(self->l, t));
	EXPECT_TRUE(accepts_with_faults(&self->f, self->l, &self->terms, FAULT_OWN));
	EXPECT_LT(2, self->f.refused[FAULT_SLAB]);
	rules_free(t);
}

TEST_F(fault_accept, filter)
{
	struct filter_answer yes = { .ret = PARLEY_FILTER_ACCEPT };

	yes.cb[PARLEY_CB_SEND_RATE] = 1000000;
	yes.cb[PARLEY_CB_RECV_RATE] = 1000000;
	ASSERT_EQ(0, filter_set_answer(self->l, &yes));
	EXPECT_TRUE(accepts_with_faults(&self->f, self->l, &self->terms, FAULT_OWN));
	EXPECT_LT(3, self->f.refused[FAULT_SLAB]);
	EXPECT_LT(0, self->f.refused[FAULT_PAGE]);
}

TEST_F(fault_accept, rules_and_filter)
{
	struct filter_answer yes = { .ret = PARLEY_FILTER_ACCEPT };
	struct rules *t = rules_new();
	struct parley_rule *r;
	struct parley_qos qos;

	ASSERT_NE(NULL, t);
	r = rules_add(t, PARLEY_ACCEPT);
	terms_qos_none(&qos);
	rules_grant(&r->then, &qos);
	ASSERT_EQ(0, rules_set(self->l, t));
	yes.cb[PARLEY_CB_SEND_RATE] = 1000000;
	ASSERT_EQ(0, filter_set_answer(self->l, &yes));
	EXPECT_TRUE(accepts_with_faults(&self->f, self->l, &self->terms, FAULT_OWN));
	rules_free(t);
}

/* A verdict that was given is not asked for again, so it costs nothing twice. */
TEST_F(fault_accept, rate)
{
	struct terms t = { .type = variant->type };
	struct rules *table = rules_new();
	struct parley_rule *r;
	long fd = -1;
	int call;

	ASSERT_NE(NULL, table);
	r = rules_add(table, PARLEY_ACCEPT);
	rules_once(r, 1);
	r->over.verdict = PARLEY_REFUSE;
	ASSERT_EQ(0, rules_set(self->l, table));
	call = terms_call(HOST, PORT, &t);
	ASSERT_LE(0, call);
	fault_start(&self->f, FAULT_SLABS, FAULT_OWN);
	while (fd < 0 && fault_next(&self->f)) {
		fd = FAULT(&self->f, accept(self->l, NULL, NULL));
		ASSERT_TRUE(fault_says(&self->f, fd, 0));
	}
	EXPECT_LT(0, self->f.refused[FAULT_SLAB]);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(parley_talks(call, fd));
	/* The only one. */
	call = terms_call(HOST, PORT, &t);
	ASSERT_LE(0, call);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_refused_is(call, PARLEY_REASON_RULE, 0));
	rules_free(table);
}

/* What was decided stays decided, and a reserved call stays its owner's. */
TEST_F(fault_accept, decided)
{
	static const unsigned int flags[] = { 0, PARLEY_DECIDE_RESERVE };
	struct terms t = { .type = variant->type };
	int call = -1, i;
	long long id;
	long fd;

	for (i = 0; i < 2; i++) {
		fault_start(&self->f, FAULT_ALL, FAULT_ANY);
		while (fault_next(&self->f)) {
			if (call < 0) {
				call = terms_call(HOST, PORT, &t);
				ASSERT_LE(0, call);
				id = decide_next_id(self->l, 0);
				ASSERT_EQ(0, decide_accept(self->l, id, flags[i],
							   "come in"));
			}
			fd = FAULT(&self->f, accept(self->l, NULL, NULL));
			ASSERT_TRUE(fault_says(&self->f, fd, -ENFILE));
			if (fd < 0) {
				ASSERT_TRUE(decide_backlog_is(self->l, 0, 0, 1));
				ASSERT_TRUE(decide_waits(call));
				continue;
			}
			ASSERT_TRUE(parley_talks(call, fd));
			ASSERT_TRUE(terms_reply_is(call, "come in", 7));
			ASSERT_EQ(0, close(fd));
			ASSERT_EQ(0, close(call));
			call = -1;
		}
		EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS));
	}
}

/*
 * The address is copied once the connection is there, by the core: who cannot
 * be told it gets no descriptor, and the connection ends, as in every family.
 */
TEST_F(fault_accept, address)
{
	struct terms t = { .type = variant->type };
	struct parley_addr a;
	int call;
	char c;
	long fd;

	fault_start(&self->f, FAULT_COPIES, FAULT_ANY);
	while (fault_next(&self->f)) {
		call = terms_call(HOST, PORT, &t);
		ASSERT_LE(0, call);
		a.len = sizeof(a.ss);
		fd = FAULT(&self->f, accept(self->l, &a.sa, &a.len));
		ASSERT_TRUE(fault_says(&self->f, fd, 0));
		ASSERT_EQ(0, parley_pending(self->l));
		if (fd < 0) {
			ASSERT_EQ(0, recv(call, &c, 1, 0));
		} else {
			ASSERT_EQ(parley_port(call), parley_addr_port(&a));
			ASSERT_TRUE(parley_talks(call, fd));
			ASSERT_EQ(0, close(fd));
		}
		ASSERT_EQ(0, close(call));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_COPIES));
}

FAULT_HARNESS_MAIN;
