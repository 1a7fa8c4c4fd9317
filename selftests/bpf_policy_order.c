// SPDX-License-Identifier: GPL-2.0
/*
 * A policy is told first, whoever else learns of the same: a caller that knows
 * of its connection, of the end of it, or that it was refused, finds it
 * counted. Otherwise a policy that lets in one at a time would refuse who
 * calls again at once.
 *
 * The caller is this process, the server another one, and each caller waits
 * in two ways: asleep, and looking all the time, which sees things earlier.
 *
 * PARLEY_STORM_SCALE is a percentage of the usual size.
 */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/socket.h>

#include "lib_bpf_script.h"
#include "lib_decide.h"
#include "lib_race.h"

#define HOST	"127.0.0.1"
#define PORT	8660
#define ROUNDS	2000

FIXTURE(order) {
	struct policy p;
	struct script *s;
	unsigned int rounds;
	int l;
};

FIXTURE_VARIANT(order) {
	unsigned int stage;
	bool looks;
};

FIXTURE_VARIANT_ADD(order, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(order, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

FIXTURE_VARIANT_ADD(order, accept_looks) {
	.stage = PARLEY_STAGE_ACCEPT, .looks = true,
};

FIXTURE_VARIANT_ADD(order, arrival_looks) {
	.stage = PARLEY_STAGE_ARRIVAL, .looks = true,
};

FIXTURE_SETUP(order)
{
	if (!policy_possible())
		SKIP(return, NO_POLICIES);
	self->rounds = race_scale(ROUNDS);
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 4);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
	ASSERT_EQ(0, script_start_for(&self->p, self->l, &self->s));
}

FIXTURE_TEARDOWN(order)
{
	policy_end(&self->p);
	EXPECT_EQ(0, policy_expect_clean());
}

/* At once: nothing is waited for here. */
static __u64 times(const struct script *s, enum script_program program)
{
	return __atomic_load_n(&s->seen[program].times, __ATOMIC_ACQUIRE);
}

/* A process that does the same with one call after the other. */
static pid_t serve(int l, unsigned int rounds, int (*one)(int l))
{
	pid_t pid = parley_fork();
	int err = 0;

	if (pid)
		return pid;
	while (rounds-- && !err)
		err = one(l);
	_exit(-err);
}

/* What connect(2) says in the end. */
static int call_in(bool looks, int *fd)
{
	int err;

	*fd = parley_socket(looks ? SOCK_NONBLOCK : 0);
	err = *fd < 0 ? *fd : test_connect(*fd, HOST, PORT);
	while (looks && (err == -EINPROGRESS || err == -EALREADY))
		err = test_connect(*fd, HOST, PORT);
	/* Looked when it had been told by the one before. */
	return err == -EISCONN ? 0 : err;
}

/* What read(2) says in the end. */
static int read_in(bool looks, int fd)
{
	ssize_t n;
	char c;

	do {
		n = recv(fd, &c, 1, looks ? MSG_DONTWAIT : 0);
	} while (n < 0 && errno == EAGAIN);
	return n < 0 ? -errno : n;
}

static int accept_and_close(int l)
{
	int fd = test_accept(l, 0);

	return fd < 0 ? fd : close(fd);
}

/* Each one is a connection by now, and each end has been counted. */
TEST_F_TIMEOUT(order, connected_and_closed, 300)
{
	unsigned int i, early[2] = { };
	pid_t server;
	int fd;

	server = serve(self->l, self->rounds, accept_and_close);
	ASSERT_LT(0, server);
	for (i = 1; i <= self->rounds; i++) {
		ASSERT_EQ(0, call_in(variant->looks, &fd));
		early[0] += times(self->s, SCRIPT_ESTABLISHED) != i;
		ASSERT_EQ(0, read_in(variant->looks, fd));
		early[1] += times(self->s, SCRIPT_CLOSED) != i;
		ASSERT_EQ(0, close(fd));
	}
	EXPECT_EQ(0, parley_reap(server));
	EXPECT_EQ(0, early[0]);
	EXPECT_EQ(0, early[1]);
	EXPECT_EQ(i - 1, self->s->seen[SCRIPT_ESTABLISHED].claimed);
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* What the policy put off, the server's other half accepts. */
static int decide_and_accept(int l)
{
	struct parley_next_call next = { };
	int err;

	/* Judged by being taken, if it has not been, and found there. */
	err = decide_next(l, PARLEY_NEXT_DEFERRED, &next);
	err = err ?: decide_call(l, next.info.id, PARLEY_ACCEPT, 0);
	return err ?: accept_and_close(l);
}

TEST_F_TIMEOUT(order, deferred, 300)
{
	unsigned int i, early[2] = { };
	pid_t server;
	int fd;

	self->s->verdict = PARLEY_DEFER;
	server = serve(self->l, self->rounds, decide_and_accept);
	ASSERT_LT(0, server);
	for (i = 1; i <= self->rounds; i++) {
		ASSERT_EQ(0, call_in(variant->looks, &fd));
		early[0] += times(self->s, SCRIPT_ESTABLISHED) != i;
		ASSERT_EQ(0, read_in(variant->looks, fd));
		early[1] += times(self->s, SCRIPT_CLOSED) != i;
		ASSERT_EQ(0, close(fd));
	}
	EXPECT_EQ(0, parley_reap(server));
	EXPECT_EQ(0, early[0]);
	EXPECT_EQ(0, early[1]);
	EXPECT_EQ(0, self->s->seen[SCRIPT_ESTABLISHED].claimed);
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* The policy says yes, the server no. */
static int look_and_refuse(int l)
{
	struct parley_next_call next = { };
	int err = decide_next(l, 0, &next);

	return err ?: decide_call(l, next.info.id, PARLEY_REFUSE, 0);
}

TEST_F_TIMEOUT(order, refused, 300)
{
	unsigned int i, early = 0;
	pid_t server;
	int fd;

	server = serve(self->l, self->rounds, look_and_refuse);
	ASSERT_LT(0, server);
	for (i = 1; i <= self->rounds; i++) {
		ASSERT_EQ(-ECONNREFUSED, call_in(variant->looks, &fd));
		early += times(self->s, SCRIPT_DROPPED) != i;
		ASSERT_EQ(0, close(fd));
	}
	EXPECT_EQ(0, parley_reap(server));
	EXPECT_EQ(0, early);
	EXPECT_EQ(i - 1, times(self->s, SCRIPT_CONDITION));
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* A rule refuses what the policy accepts. */
static int accept_nothing(int l)
{
	for (;;)
		test_accept(l, 0);
	return 0;
}

TEST_F_TIMEOUT(order, refused_by_rule, 300)
{
	unsigned int i, early = 0;
	pid_t server;
	int fd;

	ASSERT_EQ(0, decide_rules(self->l, PARLEY_REFUSE));
	server = serve(self->l, 1, accept_nothing);
	ASSERT_LT(0, server);
	for (i = 1; i <= self->rounds; i++) {
		ASSERT_EQ(-ECONNREFUSED, call_in(variant->looks, &fd));
		early += times(self->s, SCRIPT_DROPPED) != i;
		ASSERT_EQ(0, close(fd));
	}
	ASSERT_EQ(0, shutdown(self->l, SHUT_RDWR));
	EXPECT_EQ(0, kill(server, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, parley_reap(server));
	EXPECT_EQ(0, early);
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* Who takes its call back has it counted when it is back. */
TEST_F_TIMEOUT(order, taken_back, 300)
{
	unsigned int i, early = 0;
	int fd;

	for (i = 1; i <= self->rounds; i++) {
		ASSERT_LT(0, decide_offer(self->l, &fd));
		ASSERT_EQ(0, variant->looks ? parley_unspec(fd) : close(fd));
		early += times(self->s, SCRIPT_DROPPED) != i;
		ASSERT_EQ(variant->looks ? 0 : -1, close(fd));
	}
	EXPECT_EQ(0, early);
	EXPECT_TRUE(script_balanced(self->s, 0));
}

TEST_HARNESS_MAIN
