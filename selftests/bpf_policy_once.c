// SPDX-License-Identifier: GPL-2.0
/*
 * Whatever becomes of a call that a policy has accepted, the policy is told of
 * it exactly once: established() and then closed(), or dropped(). And with
 * whom else decides: a policy hears of all connections of its listeners.
 */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/wait.h>

#include "lib_bpf_script.h"
#include "lib_decide.h"

#define HOST	"127.0.0.1"
#define PORT	8580
#define LIMIT	4

FIXTURE(once) {
	struct policy p;
	struct script *s;
	int l;
	bool arrival;
};

FIXTURE_VARIANT(once) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(once, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(once, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

FIXTURE_SETUP(once)
{
	if (!policy_possible())
		SKIP(return, NO_POLICIES);
	ASSERT_EQ(0, parley_ns_enter());
	self->arrival = variant->stage == PARLEY_STAGE_ARRIVAL;
	self->l = parley_listener(HOST, PORT, LIMIT);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
	ASSERT_EQ(0, script_start_for(&self->p, self->l, &self->s));
}

FIXTURE_TEARDOWN(once)
{
	policy_end(&self->p);
	EXPECT_EQ(0, policy_expect_clean());
}

TEST_F(once, accepted_and_closed)
{
	int fd[2], i;

	for (i = 1; i <= 20; i++) {
		ASSERT_EQ(0, parley_pair(self->l, fd));
		EXPECT_TRUE(script_ran(self->s, i, i, i - 1, 0));
		EXPECT_TRUE(script_balanced(self->s, 1));
		/* The caller's end does not matter. */
		ASSERT_EQ(0, close(fd[i & 1]));
		EXPECT_TRUE(script_ran(self->s, i, i, i - !(i & 1), 0));
		ASSERT_EQ(0, close(fd[!(i & 1)]));
		EXPECT_TRUE(script_ran(self->s, i, i, i, 0));
	}
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* shutdown(2) is no close, and a duplicate holds the socket. */
TEST_F(once, closed_at_last)
{
	int fd[2], dup, gone;
	struct parley_gate end;
	pid_t child;

	ASSERT_EQ(0, parley_pair(self->l, fd));
	ASSERT_EQ(0, shutdown(fd[1], SHUT_RDWR));
	EXPECT_TRUE(script_ran(self->s, 1, 1, 0, 0));
	dup = dup2(fd[1], 400);
	ASSERT_LE(0, dup);
	ASSERT_EQ(0, close(fd[1]));
	EXPECT_TRUE(script_ran(self->s, 1, 1, 0, 0));
	ASSERT_EQ(0, parley_gate_init(&end));
	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(parley_gate_wait(&end) ? 1 : 0);
	ASSERT_EQ(0, close(dup));
	ASSERT_EQ(0, close(fd[0]));
	EXPECT_TRUE(script_ran(self->s, 1, 1, 0, 0));
	ASSERT_EQ(0, parley_gate_open(&end));
	gone = parley_reap(child);
	EXPECT_EQ(0, gone);
	EXPECT_TRUE(script_ran(self->s, 1, 1, 1, 0));
}

/* The caller gives up: before anybody asked, and after a yes. */
TEST_F(once, withdrawn)
{
	int fd = parley_call(HOST, PORT);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(script_ran(self->s, self->arrival, 0, 0, self->arrival));
	/* NEXT_CALL asks, and takes nothing. */
	ASSERT_LT(0, decide_offer(self->l, &fd));
	EXPECT_TRUE(script_ran(self->s, 1 + self->arrival, 0, 0,
			       self->arrival));
	ASSERT_EQ(0, parley_unspec(fd));
	EXPECT_TRUE(script_ran(self->s, 1 + self->arrival, 0, 0,
			       1 + self->arrival));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* And the one that runs out of time does, in a timer. */
TEST_F(once, timed_out)
{
	struct parley_addr to;
	int fd = parley_socket(SOCK_NONBLOCK);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_call_timeout(fd, 100));
	ASSERT_EQ(0, parley_addr(&to, HOST, PORT));
	ASSERT_EQ(-1, connect(fd, &to.sa, to.len));
	if (!self->arrival)
		EXPECT_LT(0, decide_next_id(self->l, 0));
	EXPECT_EQ(POLLERR | POLLHUP, parley_wait(fd, 0));
	EXPECT_TRUE(script_ran(self->s, 1, 0, 0, 1));
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* The policy says yes, and the server no; or the server puts it off. */
TEST_F(once, server_refuses)
{
	long long id;
	int fd;

	id = decide_offer(self->l, &fd);
	ASSERT_LT(0, id);
	EXPECT_TRUE(script_ran(self->s, 1, 0, 0, 0));
	ASSERT_EQ(0, decide_call(self->l, id, PARLEY_REFUSE, 0));
	EXPECT_TRUE(script_ran(self->s, 1, 0, 0, 1));
	id = decide_offer_deferred(self->l, &fd);
	ASSERT_LT(0, id);
	EXPECT_TRUE(script_ran(self->s, 2, 0, 0, 1));
	ASSERT_EQ(0, decide_call(self->l, id, PARLEY_REFUSE, 0));
	EXPECT_TRUE(script_ran(self->s, 2, 0, 0, 2));
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* Both say yes: the policy's claim holds, though the server decided. */
TEST_F(once, server_accepts)
{
	int fd, new;

	ASSERT_LT(0, decide_offer_approved(self->l, &fd, 0));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_SERVER, PARLEY_RULE_NONE));
	EXPECT_TRUE(script_ran(self->s, 1, 1, 0, 0));
	EXPECT_EQ(1, self->s->seen[SCRIPT_ESTABLISHED].claimed);
	ASSERT_EQ(0, close(new));
	EXPECT_TRUE(script_ran(self->s, 1, 1, 1, 0));
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* The policy puts it off, the server accepts: there was no claim. */
TEST_F(once, server_accepts_deferred)
{
	long long id;
	int fd, new;

	self->s->verdict = PARLEY_DEFER;
	ASSERT_EQ(-EINPROGRESS, rules_connect(self->l, NULL, &fd));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	id = decide_next_id(self->l, PARLEY_NEXT_DEFERRED);
	ASSERT_LT(0, id);
	EXPECT_TRUE(script_ran(self->s, 1, 0, 0, 0));
	ASSERT_EQ(0, decide_call(self->l, id, PARLEY_ACCEPT, 0));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(script_ran(self->s, 1, 1, 0, 0));
	EXPECT_EQ(0, self->s->seen[SCRIPT_ESTABLISHED].claimed);
	EXPECT_EQ(0, self->s->seen[SCRIPT_ESTABLISHED].is_claimed);
	ASSERT_EQ(0, close(new));
	EXPECT_TRUE(script_ran(self->s, 1, 1, 1, 0));
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* A deferred call whose time is up is accepted: likewise. */
TEST_F(once, timeout_accepts)
{
	int fd, new;

	ASSERT_EQ(0, terms_set_defer(self->l, 1, PARLEY_ACCEPT));
	self->s->verdict = PARLEY_DEFER;
	ASSERT_EQ(-EINPROGRESS, rules_connect(self->l, NULL, &fd));
	new = test_accept(self->l, 0);
	if (new == -EAGAIN) {
		EXPECT_EQ(POLLIN, parley_wait(self->l, POLLIN));
		new = test_accept(self->l, 0);
	}
	ASSERT_LE(0, new);
	EXPECT_TRUE(rules_decided_is(new, PARLEY_BY_TIMEOUT,
				     PARLEY_RULE_NONE));
	EXPECT_TRUE(script_ran(self->s, 1, 1, 0, 0));
	EXPECT_EQ(0, self->s->seen[SCRIPT_ESTABLISHED].claimed);
	ASSERT_EQ(0, close(new));
	EXPECT_TRUE(script_ran(self->s, 1, 1, 1, 0));
}

/* REVIEW: what was put off is asked about again, and may be again and again. */
TEST_F(once, reviewed)
{
	int fd, new, i;

	self->s->verdict = PARLEY_DEFER;
	ASSERT_EQ(-EINPROGRESS, rules_connect(self->l, NULL, &fd));
	for (i = 1; i < 10; i++) {
		EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
		EXPECT_TRUE(script_ran(self->s, i, 0, 0, 0));
		EXPECT_EQ(1, decide_review(self->l));
	}
	self->s->verdict = PARLEY_ACCEPT;
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(script_ran(self->s, 10, 1, 0, 0));
	EXPECT_EQ(1, self->s->seen[SCRIPT_ESTABLISHED].claimed);
	ASSERT_EQ(0, close(new));
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* A yes that the server put off, asked about once more: dropped before. */
TEST_F(once, reviewed_after_yes)
{
	int fd, new;

	ASSERT_LT(0, decide_offer_deferred(self->l, &fd));
	EXPECT_TRUE(script_ran(self->s, 1, 0, 0, 0));
	EXPECT_EQ(1, decide_review(self->l));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(script_ran(self->s, 2, 1, 0, 1));
	EXPECT_TRUE(script_balanced(self->s, 1));
	ASSERT_EQ(0, close(new));
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* An accept(2) that runs out of descriptors: asked once, not more. */
TEST_F(once, accept_fails)
{
	int fd = parley_call(HOST, PORT), new, i;

	ASSERT_LE(0, fd);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, parley_nofile(3));
		EXPECT_EQ(-EMFILE, test_accept(self->l, 0));
		ASSERT_EQ(0, parley_nofile(1024));
	}
	EXPECT_EQ(0, self->s->seen[SCRIPT_ESTABLISHED].times);
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(script_ran(self->s, 1, 1, 0, 0));
	ASSERT_EQ(0, close(new));
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* Nothing is to be paid to where accept(2) writes: it was a connection. */
TEST_F(once, accept_faults)
{
	int fd = parley_call(HOST, PORT);
	socklen_t len = 16;

	ASSERT_LE(0, fd);
	ASSERT_EQ(-1, accept(self->l, (void *)8, &len));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TRUE(script_ran(self->s, 1, 1, 1, 0));
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* The listener goes, with calls of all kinds. */
TEST_F(once, listener_closed)
{
	int fd[4], i;

	ASSERT_LT(0, decide_offer_approved(self->l, &fd[0], 0));
	ASSERT_LT(0, decide_offer_deferred(self->l, &fd[1]));
	ASSERT_LT(0, decide_offer(self->l, &fd[2]));
	fd[3] = parley_call(HOST, PORT);
	ASSERT_LE(0, fd[3]);
	EXPECT_TRUE(script_ran(self->s, 3 + self->arrival, 0, 0, 0));
	ASSERT_EQ(0, close(self->l));
	EXPECT_TRUE(script_ran(self->s, 3 + self->arrival, 0, 0,
			       3 + self->arrival));
	EXPECT_TRUE(script_balanced(self->s, 0));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(PARLEY_REASON_LISTENER_CLOSED, parley_reason(fd[i]));
}

/* A full backlog: nobody is asked about what there is no room for. */
TEST_F(once, backlog_full)
{
	int fd[LIMIT], new, i;

	for (i = 0; i < LIMIT; i++) {
		fd[i] = parley_call(HOST, PORT);
		ASSERT_LE(0, fd[i]);
	}
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(-ECONNREFUSED, rules_connect(self->l, NULL, &new));
		EXPECT_EQ(PARLEY_REASON_BACKLOG_FULL, parley_reason(new));
		ASSERT_EQ(0, close(new));
	}
	EXPECT_TRUE(script_ran(self->s, self->arrival ? LIMIT : 0, 0, 0, 0));
	for (i = 0; i < LIMIT; i++)
		ASSERT_LE(0, test_accept(self->l, 0));
	EXPECT_TRUE(script_ran(self->s, LIMIT, LIMIT, 0, 0));
	EXPECT_TRUE(script_balanced(self->s, LIMIT));
}

/* A claim that came when the policy was chosen after the call. */
TEST_F(once, chosen_meanwhile)
{
	int fd, new;

	ASSERT_EQ(0, policy_choose(self->l, ""));
	/* Judged by nobody; on arrival it will not be asked about any more. */
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, policy_choose(self->l, SCRIPT_NAME));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(script_ran(self->s, !self->arrival, 1, 0, 0));
	EXPECT_EQ(!self->arrival, self->s->seen[SCRIPT_ESTABLISHED].claimed);
	ASSERT_EQ(0, close(new));
	EXPECT_TRUE(script_ran(self->s, !self->arrival, 1, 1, 0));
	/* And one that it had accepted when the listener let it go. */
	ASSERT_LT(0, decide_offer(self->l, &fd));
	ASSERT_EQ(0, policy_choose(self->l, ""));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	ASSERT_EQ(0, close(new));
	EXPECT_TRUE(script_ran(self->s, 1 + !self->arrival, 2, 2, 0));
	EXPECT_TRUE(script_balanced(self->s, 0));
}

/* What a process that is killed had in hand: a caller, or a server. */
enum phase { CALLING, CONNECTED, LISTENING, LOOKED, ACCEPTED, PHASES };

static void server_until(int l, enum phase phase)
{
	int fd = -1, new = -1;

	close(l);
	l = parley_listener(HOST, PORT + 1, LIMIT);
	if (l < 0 || policy_choose(l, SCRIPT_NAME) || parley_nonblock(l, true))
		_exit(1);
	fd = parley_call(HOST, PORT + 1);
	if (fd < 0)
		_exit(2);
	if (phase >= LOOKED && decide_next_id(l, 0) < 0)
		_exit(3);
	if (phase == ACCEPTED)
		new = test_accept(l, 0);
	if (phase == ACCEPTED && new < 0)
		_exit(4);
}

static pid_t victim(int l, enum phase phase, struct parley_gate *ready)
{
	pid_t pid = parley_fork();
	int fd = -1;

	if (pid)
		return pid;
	if (phase >= LISTENING)
		server_until(l, phase);
	else
		fd = parley_call(HOST, PORT);
	if (phase == CONNECTED && (test_accept(l, 0) < 0 || fd < 0))
		_exit(5);
	if (parley_gate_open(ready))
		_exit(6);
	for (;;)
		pause();
}

TEST_F(once, killed)
{
	struct parley_gate ready;
	enum phase phase;
	pid_t pid;
	int status;

	for (phase = 0; phase < PHASES; phase++) {
		ASSERT_EQ(0, parley_gate_init(&ready));
		pid = victim(self->l, phase, &ready);
		ASSERT_LT(0, pid);
		EXPECT_EQ(0, parley_gate_wait(&ready));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_TRUE(script_balanced(self->s, 0))
			TH_LOG("phase %d", phase);
	}
	/* Those that were connected, and looked at. */
	EXPECT_EQ(2, self->s->seen[SCRIPT_ESTABLISHED].times);
	EXPECT_EQ(1 + self->arrival, self->s->seen[SCRIPT_DROPPED].times);
}

TEST_HARNESS_MAIN
