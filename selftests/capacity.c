// SPDX-License-Identifier: GPL-2.0
/*
 * Guaranteed service: what a listener has promised is never more than what it
 * said that it can, whoever accepts; and it gets back all of it.
 */
#include "kselftest_harness.h"

#include <parley.h>
#include <sys/ioctl.h>

#include "lib_race.h"
#include "lib_terms.h"

#define HOST	"127.0.0.1"
#define PORT	7700
#define ANY	PARLEY_QOS_UNSPECIFIED
#define MOST	PARLEY_CAPACITY_UNLIMITED
#define ACCEPTORS 2
#define CALLERS	4

FIXTURE(capacity) {
	int l;
};

FIXTURE_SETUP(capacity)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 100);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(capacity)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int set(int fd, __u64 send, __u64 recv)
{
	const struct parley_capacity c = { .send = send, .recv = recv };

	return terms_set(fd, PARLEY_CAPACITY, &c, sizeof(c));
}

static bool is(int fd, __u64 send, __u64 recv, __u64 send_used,
	       __u64 recv_used)
{
	struct parley_capacity c;
	socklen_t len = sizeof(c);

	if (terms_get(fd, PARLEY_CAPACITY, &c, &len) || len != sizeof(c))
		return false;
	if (c.send == send && c.recv == recv && c.send_used == send_used &&
	    c.recv_used == recv_used)
		return true;
	printf("# %llu of %llu, %llu of %llu\n", c.send_used, c.send,
	       c.recv_used, c.recv);
	return false;
}

/* A wish: to be guaranteed so much, or, with 0, nothing in particular. */
static struct parley_qos wish(__u32 send, __u32 recv)
{
	struct parley_qos qos;

	terms_qos_none(&qos);
	if (send) {
		qos.send.service = PARLEY_SERVICE_GUARANTEED;
		qos.send.token_rate = send;
	}
	if (recv) {
		qos.recv.service = PARLEY_SERVICE_GUARANTEED;
		qos.recv.token_rate = recv;
	}
	return qos;
}

static int call(__u32 send, __u32 recv)
{
	struct parley_qos qos = wish(send, recv);
	const struct terms t = { .qos = &qos };

	return terms_call(HOST, PORT, &t);
}

/* The refusal that this is about, told as all are. */
#define expect_refused(fd)						\
({									\
	int __fd = (fd);						\
									\
	EXPECT_EQ(ECONNREFUSED, parley_so_error(__fd));			\
	EXPECT_EQ(PARLEY_REASON_QOS, parley_reason(__fd));		\
})

static long long next_id(int l)
{
	struct parley_call_info info;
	int err = terms_next(l, &info, PARLEY_NEXT_DEFERRED);

	return err ?: (long long)info.id;
}

static int decide(int l, __u64 id, unsigned int verdict, unsigned int flags)
{
	struct parley_decision d = {
		.size = sizeof(d),
		.verdict = verdict,
		.id = id,
		.flags = flags,
	};

	return ioctl(l, PARLEY_IOC_DECIDE, &d) ? -errno : 0;
}

TEST_F(capacity, option)
{
	const struct parley_capacity c = { 5, 6, 7, 8 };
	int fd = parley_socket(0), called, accepted;
	socklen_t len = sizeof(c);
	struct parley_capacity got;

	EXPECT_TRUE(is(fd, MOST, MOST, 0, 0));
	EXPECT_TRUE(is(self->l, MOST, MOST, 0, 0));
	EXPECT_EQ(0, set(fd, 1, 2));
	EXPECT_TRUE(is(fd, 1, 2, 0, 0));
	/* What is in use cannot be set, and need not be there. */
	EXPECT_EQ(0, terms_set(self->l, PARLEY_CAPACITY, &c, sizeof(c)));
	EXPECT_TRUE(is(self->l, 5, 6, 0, 0));
	EXPECT_EQ(0, terms_set(self->l, PARLEY_CAPACITY, &c.recv, 16));
	EXPECT_TRUE(is(self->l, 6, 7, 0, 0));
	EXPECT_EQ(-EINVAL, terms_set(self->l, PARLEY_CAPACITY, &c, 15));
	called = parley_call(HOST, PORT);
	ASSERT_LE(0, called);
	EXPECT_EQ(-EINVAL, set(called, 1, 1));
	accepted = test_accept(self->l, 0);
	ASSERT_LE(0, accepted);
	EXPECT_EQ(-EINVAL, set(called, 1, 1));
	EXPECT_EQ(-EINVAL, set(accepted, 1, 1));
	EXPECT_EQ(-EINVAL, terms_get(accepted, PARLEY_CAPACITY, &got, &len));
	EXPECT_EQ(-EINVAL, terms_get(called, PARLEY_CAPACITY, &got, &len));
}

/* Up to the last byte, and not one more; the next call is served. */
TEST_F(capacity, refused)
{
	int one, two, three, four;

	ASSERT_EQ(0, set(self->l, MOST, 1000));
	one = call(600, 0);
	two = call(401, 0);
	three = call(400, 0);
	four = call(1, 0);
	ASSERT_LE(0, four);
	ASSERT_LE(0, test_accept(self->l, 0));
	EXPECT_TRUE(is(self->l, MOST, 1000, 0, 600));
	/* Two is refused on the way to three. */
	ASSERT_LE(0, test_accept(self->l, 0));
	expect_refused(two);
	EXPECT_TRUE(is(self->l, MOST, 1000, 0, 1000));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	expect_refused(four);
	EXPECT_EQ(0, parley_so_error(one));
	EXPECT_EQ(0, parley_so_error(three));
	EXPECT_TRUE(is(self->l, MOST, 1000, 0, 1000));
}

/* What callers send is what the listener's side receives. */
TEST_F(capacity, directions)
{
	int fd;

	ASSERT_EQ(0, set(self->l, 100, 2000));
	fd = call(2000, 100);
	ASSERT_LE(0, fd);
	ASSERT_LE(0, test_accept(self->l, 0));
	EXPECT_TRUE(is(self->l, 100, 2000, 100, 2000));
	fd = call(1, 0);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	expect_refused(fd);
	fd = call(0, 1);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	expect_refused(fd);
}

/* If one direction does not fit, nothing is taken of the other. */
TEST_F(capacity, both_or_nothing)
{
	int fd;

	ASSERT_EQ(0, set(self->l, 100, 100));
	fd = call(100, 101);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	expect_refused(fd);
	fd = call(101, 100);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	expect_refused(fd);
	EXPECT_TRUE(is(self->l, 100, 100, 0, 0));
	ASSERT_LE(0, call(100, 100));
	EXPECT_LE(0, test_accept(self->l, 0));
}

/* Only what is guaranteed counts. */
TEST_F(capacity, other_services)
{
	struct parley_qos qos = wish(500, 500);
	const struct terms t = { .qos = &qos };

	ASSERT_EQ(0, set(self->l, 0, 0));
	ASSERT_LE(0, parley_call(HOST, PORT));
	EXPECT_LE(0, test_accept(self->l, 0));
	qos.send.service = PARLEY_SERVICE_CONTROLLEDLOAD;
	qos.recv.service = PARLEY_SERVICE_NOTRAFFIC;
	ASSERT_LE(0, terms_call(HOST, PORT, &t));
	EXPECT_LE(0, test_accept(self->l, 0));
	EXPECT_TRUE(is(self->l, 0, 0, 0, 0));
}

/* Back before the caller sees the end: who calls again at once is let in. */
TEST_F(capacity, given_back)
{
	int fd, new, i;
	char byte;

	ASSERT_EQ(0, set(self->l, 1000, 1000));
	for (i = 0; i < 20; i++) {
		fd = call(1000, 1000);
		ASSERT_LE(0, fd);
		new = test_accept(self->l, 0);
		ASSERT_LE(0, new);
		EXPECT_TRUE(is(self->l, 1000, 1000, 1000, 1000));
		/* The promise is the server's: the caller's end is not its. */
		if (i & 1) {
			ASSERT_EQ(0, close(fd));
			EXPECT_TRUE(is(self->l, 1000, 1000, 1000, 1000));
		}
		ASSERT_EQ(0, close(new));
		if (!(i & 1))
			EXPECT_EQ(0, recv(fd, &byte, 1, 0));
		EXPECT_TRUE(is(self->l, 1000, 1000, 0, 0));
	}
}

/* Connections outlive the listening, and so does what they have. */
TEST_F(capacity, listening_again)
{
	int new;

	ASSERT_EQ(0, set(self->l, 1000, 1000));
	ASSERT_LE(0, call(700, 0));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	ASSERT_EQ(0, shutdown(self->l, SHUT_RD));
	EXPECT_TRUE(is(self->l, 1000, 1000, 0, 700));
	ASSERT_EQ(0, listen(self->l, 10));
	ASSERT_LE(0, call(700, 0));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	ASSERT_EQ(0, close(new));
	EXPECT_TRUE(is(self->l, 1000, 1000, 0, 0));
	/* Nor do they need the listener. */
	ASSERT_LE(0, call(700, 0));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	ASSERT_EQ(0, close(self->l));
	ASSERT_EQ(0, close(new));
}

/* It is what the policy grants that counts, not what was asked for. */
TEST_F(capacity, less_is_granted)
{
	struct parley_rule_answer answer = {
		.verdict = PARLEY_ACCEPT,
		.flags = PARLEY_ANSWER_QOS,
		.grant = wish(300, 0),
	};

	ASSERT_EQ(0, terms_rule(self->l, &answer, NULL, 0));
	ASSERT_EQ(0, set(self->l, 0, 300));
	ASSERT_LE(0, call(5000, 5000));
	EXPECT_LE(0, test_accept(self->l, 0));
	EXPECT_TRUE(is(self->l, 0, 300, 0, 300));
}

/* Capacity that shrinks takes nothing from who has it. */
TEST_F(capacity, shrinks_and_grows)
{
	int fd;

	ASSERT_EQ(0, set(self->l, MOST, 1000));
	ASSERT_LE(0, call(1000, 0));
	EXPECT_LE(0, test_accept(self->l, 0));
	ASSERT_EQ(0, set(self->l, MOST, 10));
	EXPECT_TRUE(is(self->l, MOST, 10, 0, 1000));
	fd = call(1, 0);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	expect_refused(fd);
	ASSERT_LE(0, parley_call(HOST, PORT));
	EXPECT_LE(0, test_accept(self->l, 0));
	ASSERT_EQ(0, set(self->l, MOST, 1001));
	ASSERT_LE(0, call(1, 0));
	EXPECT_LE(0, test_accept(self->l, 0));
}

/* An accept that fails takes nothing, and the call may still come in. */
TEST_F(capacity, accept_fails)
{
	ASSERT_EQ(0, set(self->l, 0, 1000));
	ASSERT_LE(0, call(1000, 0));
	ASSERT_EQ(0, parley_nofile(0));
	EXPECT_EQ(-EMFILE, test_accept(self->l, 0));
	EXPECT_TRUE(is(self->l, 0, 1000, 0, 0));
	ASSERT_EQ(0, parley_nofile(1000));
	EXPECT_LE(0, test_accept(self->l, 0));
	EXPECT_TRUE(is(self->l, 0, 1000, 0, 1000));
}

/* A decision takes it at once, or refuses: what is approved is sure. */
TEST_F(capacity, approved)
{
	long long one, two;
	int first, second;

	ASSERT_EQ(0, set(self->l, 0, 1000));
	first = call(600, 0);
	second = call(600, 0);
	ASSERT_LE(0, second);
	one = next_id(self->l);
	two = next_id(self->l);
	ASSERT_LT(0, two);
	ASSERT_EQ(0, decide(self->l, one, PARLEY_ACCEPT, 0));
	EXPECT_TRUE(is(self->l, 0, 1000, 0, 600));
	EXPECT_EQ(-EDQUOT, decide(self->l, two, PARLEY_ACCEPT, 0));
	expect_refused(second);
	EXPECT_EQ(-ENOENT, decide(self->l, two, PARLEY_ACCEPT, 0));
	/* Nothing can be left for it, and still it is let in. */
	ASSERT_EQ(0, set(self->l, 0, 0));
	EXPECT_LE(0, test_accept(self->l, 0));
	EXPECT_EQ(0, parley_so_error(first));
	EXPECT_TRUE(is(self->l, 0, 0, 0, 600));
}

/* Whatever becomes of an approved call, its share comes back once. */
TEST_F(capacity, approved_in_vain)
{
	static const unsigned int verdicts[] = {
		PARLEY_UNDECIDE, PARLEY_DEFER, PARLEY_REFUSE, PARLEY_ACCEPT,
	};
	long long id;
	int i, fd;

	ASSERT_EQ(0, set(self->l, 1000, 1000));
	for (i = 0; i < ARRAY_SIZE(verdicts); i++) {
		bool stays = verdicts[i] == PARLEY_ACCEPT;

		fd = call(600, 700);
		ASSERT_LE(0, fd);
		id = next_id(self->l);
		ASSERT_LT(0, id);
		ASSERT_EQ(0, decide(self->l, id, PARLEY_ACCEPT, 0));
		EXPECT_TRUE(is(self->l, 1000, 1000, 700, 600));
		EXPECT_EQ(0, decide(self->l, id, verdicts[i],
				    PARLEY_DECIDE_AGAIN));
		EXPECT_TRUE(is(self->l, 1000, 1000, stays ? 700 : 0,
			       stays ? 600 : 0));
		/* Withdrawn. */
		ASSERT_EQ(0, close(fd));
		EXPECT_TRUE(is(self->l, 1000, 1000, 0, 0));
	}
	/* The listener is closed. */
	ASSERT_LE(0, call(600, 700));
	id = next_id(self->l);
	ASSERT_LT(0, id);
	ASSERT_EQ(0, decide(self->l, id, PARLEY_ACCEPT, 0));
	ASSERT_EQ(0, shutdown(self->l, SHUT_RD));
	EXPECT_TRUE(is(self->l, 1000, 1000, 0, 0));
}

/* Decided again, for less, while there is less. */
TEST_F(capacity, approved_for_less)
{
	struct parley_decision d = {
		.size = sizeof(d),
		.verdict = PARLEY_ACCEPT,
		.flags = PARLEY_DECIDE_QOS | PARLEY_DECIDE_AGAIN,
		.qos = wish(300, 0),
	};
	int fd = call(600, 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, set(self->l, 0, 1000));
	d.id = next_id(self->l);
	ASSERT_EQ(0, decide(self->l, d.id, PARLEY_ACCEPT, 0));
	ASSERT_EQ(0, set(self->l, 0, 100));
	ASSERT_EQ(0, ioctl(self->l, PARLEY_IOC_DECIDE, &d));
	EXPECT_TRUE(is(self->l, 0, 100, 0, 300));
	d.qos = wish(301, 0);
	EXPECT_EQ(-1, ioctl(self->l, PARLEY_IOC_DECIDE, &d));
	EXPECT_EQ(EDQUOT, errno);
	expect_refused(fd);
	EXPECT_TRUE(is(self->l, 0, 100, 0, 0));
}

/* A reserved call that does not fit: its thread has been told so. */
TEST_F(capacity, reserved)
{
	long long id;
	int fd, new;

	ASSERT_EQ(0, set(self->l, 0, 100));
	fd = call(101, 0);
	ASSERT_LE(0, fd);
	id = next_id(self->l);
	EXPECT_EQ(-EDQUOT, decide(self->l, id, PARLEY_ACCEPT,
				  PARLEY_DECIDE_RESERVE));
	expect_refused(fd);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	ASSERT_LE(0, call(100, 0));
	id = next_id(self->l);
	EXPECT_EQ(0, decide(self->l, id, PARLEY_ACCEPT,
			    PARLEY_DECIDE_RESERVE));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(is(self->l, 0, 100, 0, 100));
	close(new);
	EXPECT_TRUE(is(self->l, 0, 100, 0, 0));
}

/* Whom it turns away has nothing to do with what else a thread has reserved. */
TEST_F(capacity, reserved_before)
{
	long long one, two;
	int first, second;

	ASSERT_EQ(0, set(self->l, 0, 1000));
	first = call(600, 0);
	second = call(1100, 0);
	ASSERT_LE(0, second);
	one = next_id(self->l);
	two = next_id(self->l);
	ASSERT_LT(0, two);
	ASSERT_EQ(0, decide(self->l, one, PARLEY_ACCEPT,
			    PARLEY_DECIDE_RESERVE));
	ASSERT_EQ(0, close(first));
	EXPECT_EQ(-EDQUOT, decide(self->l, two, PARLEY_ACCEPT,
				  PARLEY_DECIDE_RESERVE));
	expect_refused(second);
	/* The first one is still to be heard of, once. */
	EXPECT_EQ(-ECONNABORTED, test_accept(self->l, 0));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
}

/* Nobody decides: what the time-out accepts has to fit too. */
TEST_F(capacity, defer_timeout)
{
	struct parley_rule_answer defers = { .verdict = PARLEY_DEFER };
	int one, two;

	ASSERT_EQ(0, terms_rule(self->l, &defers, NULL, 0));
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	ASSERT_EQ(0, terms_set_defer(self->l, 20, PARLEY_ACCEPT));
	ASSERT_EQ(0, set(self->l, 0, 1000));
	one = call(600, 0);
	ASSERT_LE(0, one);
	ASSERT_EQ(POLLIN, parley_wait(self->l, POLLIN));
	EXPECT_TRUE(is(self->l, 0, 1000, 0, 600));
	two = call(600, 0);
	ASSERT_LE(0, two);
	ASSERT_NE(0, parley_wait(two, POLLERR) & POLLERR);
	expect_refused(two);
	EXPECT_LE(0, test_accept(self->l, 0));
	EXPECT_EQ(0, parley_so_error(one));
}

/* The kernel's policy on arrival: a call that waits has no share yet. */
TEST_F(capacity, on_arrival)
{
	int one, two;

	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	ASSERT_EQ(0, set(self->l, 0, 100));
	one = call(100, 0);
	two = call(100, 0);
	ASSERT_LE(0, two);
	EXPECT_TRUE(is(self->l, 0, 100, 0, 0));
	EXPECT_LE(0, test_accept(self->l, 0));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_EQ(0, parley_so_error(one));
	expect_refused(two);
}

static int says_yes(const struct parley_offer *offer,
		    struct parley_answer *answer, void *arg)
{
	return PARLEY_ACCEPT;
}

TEST_F(capacity, condition)
{
	int fd;

	ASSERT_EQ(0, set(self->l, 0, 100));
	fd = call(101, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, parley_accept(self->l, NULL, NULL, says_yes, NULL, 0));
	EXPECT_EQ(EDQUOT, errno);
	expect_refused(fd);
	EXPECT_STREQ("QOS", parley_reason_name(PARLEY_REASON_QOS));
	EXPECT_NE(NULL, parley_reason_text(PARLEY_REASON_QOS));
	EXPECT_EQ(-1, parley_accept(self->l, NULL, NULL, says_yes, NULL,
				    PARLEY_ACCEPT_NOWAIT));
	EXPECT_EQ(EAGAIN, errno);
}

/**
 * struct crowd - acceptors that compete for what there is
 * @line: where they meet
 * @l: the listener
 * @got: how many connections they have, all together
 * @fd: they
 */
struct crowd {
	struct race_line line;
	int l;
	int got;
	int fd[CALLERS];
};

static long crowd_accept(void *arg)
{
	struct crowd *c = arg;
	int fd;

	race_line_meet(&c->line);
	while ((fd = test_accept(c->l, 0)) >= 0)
		c->fd[__atomic_fetch_add(&c->got, 1, __ATOMIC_RELAXED)] = fd;
	return fd == -EAGAIN ? 0 : fd;
}

/* As many as fit are let in, and no more, whoever is quicker. */
TEST_F(capacity, race_of_acceptors)
{
	struct parley_thread thread[ACCEPTORS];
	struct crowd c = { .l = self->l };
	int rounds = race_scale(60), refused, i;
	int fd[CALLERS];

	ASSERT_EQ(0, set(self->l, 0, 299));
	race_line_init(&c.line, ACCEPTORS);
	while (rounds--) {
		c.got = 0;
		refused = 0;
		for (i = 0; i < CALLERS; i++) {
			fd[i] = call(100, 0);
			ASSERT_LE(0, fd[i]);
		}
		for (i = 0; i < ACCEPTORS; i++)
			ASSERT_EQ(0, parley_thread_start(&thread[i],
							 SYS_accept4,
							 crowd_accept, &c));
		for (i = 0; i < ACCEPTORS; i++)
			ASSERT_EQ(0, parley_thread_join(&thread[i]));
		ASSERT_EQ(2, c.got);
		EXPECT_TRUE(is(self->l, 0, 299, 0, 200));
		for (i = 0; i < CALLERS; i++) {
			refused += parley_reason(fd[i]) == PARLEY_REASON_QOS;
			close(fd[i]);
		}
		EXPECT_EQ(2, refused);
		for (i = 0; i < c.got; i++)
			close(c.fd[i]);
		ASSERT_TRUE(is(self->l, 0, 299, 0, 0));
	}
}

static long crowd_withdraw(void *arg)
{
	struct crowd *c = arg;
	int i;

	race_line_meet(&c->line);
	for (i = 0; i < CALLERS; i++)
		close(c->fd[i]);
	return 0;
}

/* Callers that give up meanwhile: what they had been promised comes back. */
TEST_F(capacity, race_with_withdrawals)
{
	struct parley_thread thread;
	struct crowd c = { .l = self->l };
	int rounds = race_scale(100), i, got, won = 0;
	int fd[CALLERS];

	ASSERT_EQ(0, set(self->l, 0, 400));
	race_line_init(&c.line, 2);
	while (rounds--) {
		for (i = 0; i < CALLERS; i++) {
			c.fd[i] = call(100, 0);
			ASSERT_LE(0, c.fd[i]);
		}
		ASSERT_EQ(0, parley_thread_start(&thread, SYS_close,
						 crowd_withdraw, &c));
		race_line_meet(&c.line);
		for (got = 0; got < CALLERS; got++) {
			fd[got] = test_accept(self->l, 0);
			if (fd[got] < 0)
				break;
		}
		ASSERT_EQ(0, parley_thread_join(&thread));
		EXPECT_TRUE(is(self->l, 0, 400, 0, 100 * got));
		won += got;
		while (got)
			close(fd[--got]);
		ASSERT_TRUE(is(self->l, 0, 400, 0, 0));
	}
	printf("# %d were quicker than their withdrawal\n", won);
}

TEST_HARNESS_MAIN
