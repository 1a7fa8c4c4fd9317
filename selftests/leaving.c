// SPDX-License-Identifier: GPL-2.0
/*
 * Who is about to leave the queue of a listener, for a signal, is woken for a call
 * that comes in the same instant: he goes without it, and the next one has to be
 * woken. Signal and call are brought together thousands of times, where either
 * may be the first.
 */
#include "kselftest_harness.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "lib.h"
#include "lib_decide.h"
#include "lib_race.h"

#define PORT	5280

struct signaller {
	pthread_t thread;
	struct race_line line;
	struct parley_thread *victim;	/* NULL: it is over */
	int delay;
};

struct queue {
	int l;
	long (*take)(void *fd);
	long nr;		/* the system call that it makes */
	struct signaller s;
	struct parley_thread first;
	struct parley_thread next;
	struct race_balance balance;
	unsigned int left;	/* who was first went for the signal */
};

FIXTURE(leaving) {
	struct queue q;
};

FIXTURE_VARIANT(leaving) {
	long (*take)(void *fd);
	long nr;
};

static long take_call(void *fd)
{
	int got = test_accept(*(int *)fd, 0);

	return got < 0 ? got : close(got);
}

/* What was seen goes on waiting. */
static long look_at_call(void *fd)
{
	struct parley_next_call next = {};
	int ret = decide_next(*(int *)fd, 0, &next);

	return ret < 0 ? ret : take_call(fd);
}

FIXTURE_VARIANT_ADD(leaving, accept) { .take = take_call, .nr = SYS_accept4 };
FIXTURE_VARIANT_ADD(leaving, next_call) { .take = look_at_call, .nr = SYS_ioctl };

static void *signaller_main(void *arg)
{
	struct signaller *s = arg;

	for (;;) {
		race_line_meet(&s->line);
		if (!s->victim)
			return NULL;
		race_spin(s->delay);
		parley_thread_kill(s->victim, SIGUSR1);
		race_line_meet(&s->line);
	}
}

FIXTURE_SETUP(leaving)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_catch(SIGUSR1, 0));
	self->q.l = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->q.l);
	self->q.take = variant->take;
	self->q.nr = variant->nr;
	race_balance_init(&self->q.balance);
	race_line_init(&self->q.s.line, 2);
	ASSERT_EQ(0, pthread_create(&self->q.s.thread, NULL, signaller_main, &self->q.s));
}

FIXTURE_TEARDOWN(leaving)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Return: a call that is in the backlog, or was taken from there. */
static int call_late(int turns)
{
	int fd = parley_socket(SOCK_NONBLOCK), err;

	race_spin(turns);
	err = test_connect(fd, "127.0.0.1", PORT);
	if (!err || err == -EINPROGRESS)
		return fd;
	close(fd);
	return err;
}

/* Two wait, the first is signalled while a call comes. Return: whether one got it. */
static bool round_good(struct queue *q)
{
	long first;
	int fd;

	if (parley_thread_start(&q->first, q->nr, q->take, &q->l) ||
	    parley_thread_blocked(&q->first) ||
	    parley_thread_start(&q->next, q->nr, q->take, &q->l) ||
	    parley_thread_blocked(&q->next))
		return false;

	q->s.delay = q->balance.first;
	q->s.victim = &q->first;
	race_line_meet(&q->s.line);
	fd = call_late(q->balance.second);
	race_line_meet(&q->s.line);
	first = parley_thread_join(&q->first);
	race_balance_note(&q->balance, first == -EINTR);
	q->left += first == -EINTR;
	if (fd < 0 || (first && first != -EINTR))
		return false;
	if (!(parley_wait(fd, POLLOUT) & POLLOUT))
		return false;
	close(fd);

	/* The next one gets what the first one went without, or a call of its own. */
	fd = first ? -1 : parley_call("127.0.0.1", PORT);
	first = parley_thread_join(&q->next);
	close(fd);
	return !first;
}

TEST_F_TIMEOUT(leaving, none_lost, 600)
{
	unsigned int i, rounds = race_scale(1000);

	for (i = 0; i < rounds; i++)
		if (!round_good(&self->q))
			break;
	EXPECT_EQ(rounds, i);
	TH_LOG("%u of %u left for the signal", self->q.left, i);
	EXPECT_LT(0, self->q.left);
	EXPECT_GT(i, self->q.left);

	self->q.s.victim = NULL;
	race_line_meet(&self->q.s.line);
	pthread_join(self->q.s.thread, NULL);
}

TEST_HARNESS_MAIN
