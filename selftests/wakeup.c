// SPDX-License-Identifier: GPL-2.0
/*
 * No wake-up is lost: several threads sleep in accept(), calls come one at a
 * time or in handfuls, beside signals, decoys that are withdrawn at once and
 * listeners that shrink, and every call is accepted. Nothing here takes long
 * unless a call is left lying with an acceptor asleep; then the bound of
 * parley_wait() ends the test.
 */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/epoll.h>

#include "lib.h"
#include "lib_race.h"

#define PORT		7200
#define ACCEPTORS	4

struct acceptor {
	pthread_t thread;
	int listener;
	int epoll;		/* or -1: sleeps in accept() */
	pid_t tid;
	unsigned int accepted;
	unsigned int interrupted;
	unsigned int nothing;	/* woken, but the call was gone */
	int error;
};

static int acceptor_wait(struct acceptor *a)
{
	struct epoll_event event;

	if (a->epoll < 0)
		return 0;
	return epoll_wait(a->epoll, &event, 1, -1) < 0 ? -errno : 0;
}

static void *acceptor_main(void *arg)
{
	struct acceptor *a = arg;
	int fd;

	__atomic_store_n(&a->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	for (;;) {
		fd = acceptor_wait(a);
		if (!fd)
			fd = test_accept(a->listener, 0);
		if (fd >= 0) {
			a->accepted++;
			close(fd);
		} else if (fd == -EINTR) {
			a->interrupted++;
		} else if (fd == -EAGAIN && a->epoll >= 0) {
			a->nothing++;
		} else {
			a->error = -fd;
			return NULL;
		}
	}
}

FIXTURE(wakeup) {
	struct race_random random;
	struct acceptor acceptor[ACCEPTORS];
	int listener;
};

struct trouble {
	unsigned int calls;	/* at a time */
	bool signals;		/* hit an acceptor when a call comes */
	bool decoys;		/* a call that is taken back comes first */
	bool backlog;		/* listen() again when a call comes */
};

FIXTURE_VARIANT(wakeup) {
	struct trouble is;
	bool epoll;		/* EPOLLEXCLUSIVE instead of accept() */
};

FIXTURE_VARIANT_ADD(wakeup, single) { .is.calls = 1 };
FIXTURE_VARIANT_ADD(wakeup, handful) { .is.calls = ACCEPTORS + 3 };
FIXTURE_VARIANT_ADD(wakeup, signals) { .is.calls = 1, .is.signals = true };
FIXTURE_VARIANT_ADD(wakeup, decoys) { .is.calls = 1, .is.decoys = true };
FIXTURE_VARIANT_ADD(wakeup, everything) {
	.is.calls = 2, .is.signals = true, .is.decoys = true, .is.backlog = true
};

FIXTURE_VARIANT_ADD(wakeup, epoll) { .is.calls = 1, .epoll = true };
FIXTURE_VARIANT_ADD(wakeup, epoll_everything) {
	.is.calls = 2, .epoll = true, .is.signals = true, .is.decoys = true,
	.is.backlog = true
};

/* A listener and its acceptors, all of them asleep; the listener. */
static int acceptors_start(struct acceptor *a, bool epoll)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int listener, i, err;

	err = parley_ns_enter() ?: parley_catch(SIGUSR1, 0);
	if (err)
		return err;
	listener = parley_listener("127.0.0.1", PORT, 64);
	if (listener < 0)
		return listener;
	err = parley_nonblock(listener, epoll);
	for (i = 0; i < ACCEPTORS && !err; i++) {
		a[i].listener = listener;
		a[i].epoll = -1;
		if (epoll) {
			a[i].epoll = epoll_create1(EPOLL_CLOEXEC);
			if (epoll_ctl(a[i].epoll, EPOLL_CTL_ADD, listener,
				      &event))
				return -errno;
		}
		err = -pthread_create(&a[i].thread, NULL, acceptor_main, &a[i]);
	}
	for (i = 0; i < ACCEPTORS && !err; i++) {
		if (!parley_until(__atomic_load_n(&a[i].tid,
						  __ATOMIC_ACQUIRE)))
			return -ETIME;
		err = parley_blocked(a[i].tid, epoll ? SYS_epoll_wait :
						       SYS_accept4);
	}
	return err ?: listener;
}

FIXTURE_SETUP(wakeup)
{
	__u64 seed = race_seed();

	TH_LOG("seed %llu", (unsigned long long)seed);
	race_random_init(&self->random, seed, 3);
	self->listener = acceptors_start(self->acceptor, variant->epoll);
	ASSERT_LE(0, self->listener);
}

FIXTURE_TEARDOWN(wakeup)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* A call that somebody may accept before connect() returns. */
static int call(void)
{
	int fd = parley_socket(SOCK_NONBLOCK);
	int err = test_connect(fd, "127.0.0.1", PORT);

	if (!err || err == -EINPROGRESS)
		return fd;
	close(fd);
	return err;
}

static bool wakeup_round(struct race_random *r, struct acceptor *acceptor,
			 int listener, const struct trouble *v,
			 unsigned int *accepted)
{
	int fd[ACCEPTORS + 3], decoy;
	bool good = true;
	unsigned int i;
	int err;

	if (v->decoys && race_below(r, 2)) {
		decoy = call();
		race_spin(race_below(r, 3000));
		if (race_below(r, 2)) {
			err = parley_unspec(decoy);
			*accepted += err == -EISCONN;
		}
		close(decoy);
	}
	for (i = 0; i < v->calls; i++) {
		fd[i] = call();
		good &= fd[i] >= 0;
	}
	if (v->signals) {
		race_spin(race_below(r, 3000));
		i = race_below(r, ACCEPTORS);
		pthread_kill(acceptor[i].thread, SIGUSR1);
	}
	/* Room for the next round's calls there is always. */
	if (v->backlog && listen(listener, v->calls + race_below(r, 64)))
		good = false;
	for (i = 0; i < v->calls; i++) {
		err = parley_wait(fd[i], POLLOUT);
		if (!(err & POLLOUT) || err < 0) {
			printf("# call %u: poll %d\n", i, err);
			good = false;
		}
		close(fd[i]);
		*accepted += 1;
	}
	return good;
}

TEST_F_TIMEOUT(wakeup, none_lost, 600)
{
	unsigned int rounds = race_scale(variant->is.calls > 2 ? 600 : 2000);
	unsigned int i, accepted = 0, sure = 0, busy = 0, interrupted = 0;
	struct parley_stat st;

	for (i = 0; i < rounds; i++) {
		if (!wakeup_round(&self->random, self->acceptor,
				  self->listener, &variant->is, &sure)) {
			EXPECT_EQ(rounds, i);
			break;
		}
	}
	ASSERT_EQ(0, shutdown(self->listener, SHUT_RDWR));
	for (i = 0; i < ACCEPTORS; i++) {
		struct acceptor *a = &self->acceptor[i];

		pthread_join(a->thread, NULL);
		/* It ended because nobody listens, not before. */
		EXPECT_EQ(EINVAL, a->error);
		accepted += a->accepted;
		interrupted += a->interrupted;
		busy += !!a->accepted;
	}
	TH_LOG("%u accepted, %u interrupted, by %u of %u threads", accepted,
	       interrupted, busy, ACCEPTORS);
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(accepted, st.established);
	/* Decoys that were closed may have been accepted before that. */
	EXPECT_LE(sure, accepted);
	if (!variant->is.decoys)
		EXPECT_EQ(sure, accepted);
	EXPECT_EQ(variant->is.signals, !!interrupted);
}

/*
 * One call wakes one sleeper: the others go on sleeping, so that a thousand
 * of them cost nothing.
 */
FIXTURE(herd) {
	struct acceptor acceptor[ACCEPTORS];
	int listener;
};

FIXTURE_VARIANT(herd) {
	bool epoll;
};

FIXTURE_VARIANT_ADD(herd, accept) {};
FIXTURE_VARIANT_ADD(herd, epoll) { .epoll = true };

FIXTURE_SETUP(herd)
{
	self->listener = acceptors_start(self->acceptor, variant->epoll);
	ASSERT_LE(0, self->listener);
}

FIXTURE_TEARDOWN(herd)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(herd, one_wakes)
{
	long nr = variant->epoll ? SYS_epoll_wait : SYS_accept4;
	struct parley_thread view[ACCEPTORS] = {};
	long before[ACCEPTORS];
	int i, fd, woken = 0;

	for (i = 0; i < ACCEPTORS; i++) {
		view[i].tid = self->acceptor[i].tid;
		before[i] = parley_thread_sleeps(&view[i]);
		ASSERT_LE(0, before[i]);
	}
	fd = call();
	ASSERT_LE(0, fd);
	/* Accepted, and closed by now. */
	ASSERT_LT(0, parley_wait(fd, POLLOUT));
	for (i = 0; i < ACCEPTORS; i++) {
		ASSERT_EQ(0, parley_blocked(view[i].tid, nr));
		woken += parley_thread_sleeps(&view[i]) != before[i];
	}
	EXPECT_EQ(1, woken);
	ASSERT_EQ(0, shutdown(self->listener, SHUT_RDWR));
	for (i = 0; i < ACCEPTORS; i++)
		pthread_join(self->acceptor[i].thread, NULL);
}

TEST_HARNESS_MAIN
