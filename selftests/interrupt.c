// SPDX-License-Identifier: GPL-2.0
/*
 * Signals against accept() and connect(), as duels: neither loses a call, with
 * SA_RESTART neither even returns. PARLEY_STORM_SEED and PARLEY_STORM_SCALE
 * are as for the storm.
 */
#include "kselftest_harness.h"

#include <signal.h>

#include "lib_duel.h"

#define PORT	7150

FIXTURE(signal) {
	struct duel d;
};

FIXTURE_VARIANT(signal) {
	int flags;
};

FIXTURE_VARIANT_ADD(signal, interrupt) { .flags = 0 };
FIXTURE_VARIANT_ADD(signal, restart) { .flags = SA_RESTART };

FIXTURE_SETUP(signal)
{
	__u64 seed = race_seed();

	TH_LOG("seed %llu", (unsigned long long)seed);
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_catch(SIGUSR1, variant->flags));
	race_random_init(&self->d.random, seed, 2);
	ASSERT_EQ(0, parley_addr(&self->d.to, "127.0.0.1", PORT));
	self->d.listener = parley_listener("127.0.0.1", PORT, 64);
	ASSERT_LE(0, self->d.listener);
}

FIXTURE_TEARDOWN(signal)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int duel_caller;

static void turn_connect(struct duel *d)
{
	d->fd = connect(duel_caller, &d->to.sa, d->to.len) ? -errno : 0;
}

static void turn_signal(struct duel *d)
{
	race_spin(d->delay);
	syscall(SYS_tgkill, getpid(), d->second, SIGUSR1);
}

/* One rival does something, the other one sends it a signal. */
static int rivals_start(struct rival *r, struct duel *d,
			void (*turn)(struct duel *d))
{
	if (rival_start(&r[0], d, turn))
		return -1;
	d->second = r[0].tid;
	return rival_start(&r[1], d, turn_signal);
}

static void race_delays_meet(struct duel *d)
{
	d->delay = race_below(&d->random, 20000);
	race_line_meet(&d->start);
	race_spin(race_below(&d->random, 20000));
}

static void turn_blocking_accept(struct duel *d)
{
	d->fd = test_accept(d->listener, 0);
}

TEST_F_TIMEOUT(signal, accept, 600)
{
	unsigned int rounds = race_scale(2500), i, interrupted = 0;
	struct duel *d = &self->d;
	struct rival rival[2];
	bool good = true;
	int fd, got;

	duel_init(d, 3);
	ASSERT_EQ(0, rivals_start(rival, d, turn_blocking_accept));
	for (i = 0; i < rounds && good; i++) {
		fd = parley_socket(SOCK_NONBLOCK);
		race_delays_meet(d);
		/* The acceptor may have been quicker than connect(). */
		good = !connect(fd, &d->to.sa, d->to.len) ||
		       errno == EINPROGRESS;
		race_line_meet(&d->end);

		got = d->fd;
		if (got == -EINTR) {
			interrupted++;
			/* The call is where it was. */
			parley_nonblock(d->listener, true);
			got = test_accept(d->listener, 0);
			parley_nonblock(d->listener, false);
		}
		good &= got >= 0 && parley_wait(fd, POLLOUT) == POLLOUT &&
			parley_talks(fd, got);
		EXPECT_TRUE(good) {
			TH_LOG("round %u: accept %d, afterwards %d", i, d->fd,
			       got);
		}
		close(got);
		close(fd);
	}
	rivals_end(d, rival, 2);
	TH_LOG("%u rounds, %u interrupted", i, interrupted);
	EXPECT_EQ(!(variant->flags & SA_RESTART), !!interrupted);
}

/* The listener answers while a signal hits the caller. */
TEST_F_TIMEOUT(signal, connect, 600)
{
	unsigned int rounds = race_scale(2500), i, interrupted = 0;
	struct duel *d = &self->d;
	struct rival rival[2];
	bool good = true;
	int got, err;

	duel_init(d, 3);
	ASSERT_EQ(0, rivals_start(rival, d, turn_connect));
	for (i = 0; i < rounds && good; i++) {
		duel_caller = parley_socket(0);
		race_delays_meet(d);
		do {
			got = test_accept(d->listener, 0);
		} while (got == -EINTR);
		race_line_meet(&d->end);

		err = d->fd;
		if (err == -EINTR) {
			interrupted++;
			/* It went on, and now it is there. */
			err = connect(duel_caller, &d->to.sa, d->to.len) ?
			      -errno : 0;
			if (err == -EISCONN)
				err = 0;
		}
		good = got >= 0 && !err && parley_talks(duel_caller, got);
		EXPECT_TRUE(good) {
			TH_LOG("round %u: connect %d, afterwards %d, accept %d",
			       i, d->fd, err, got);
		}
		close(got);
		close(duel_caller);
	}
	rivals_end(d, rival, 2);
	TH_LOG("%u rounds, %u interrupted", i, interrupted);
	EXPECT_EQ(!(variant->flags & SA_RESTART), !!interrupted);
}

TEST_HARNESS_MAIN
