// SPDX-License-Identifier: GPL-2.0
/*
 * Duels: two or three threads meet at a starting line and do one thing each,
 * thousands of times, and have to tell the same story every time. Who wins
 * waits a little longer in the next round. PARLEY_STORM_SEED and
 * PARLEY_STORM_SCALE work here too.
 */
#include "kselftest_harness.h"

#include "lib_duel.h"

#define PORT	7100

static void turn_accept(struct duel *d)
{
	race_spin(d->balance.second);
	d->fd = test_accept(d->listener, 0);
}

/* Is @fd the end of a connection whose other end was closed? */
static bool ended(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	return n == 0 || (n < 0 && errno == ECONNRESET);
}

FIXTURE(duel) {
	struct duel d;
};

FIXTURE_SETUP(duel)
{
	__u64 seed = race_seed();

	TH_LOG("seed %llu", (unsigned long long)seed);
	ASSERT_EQ(0, parley_ns_enter());
	race_random_init(&self->d.random, seed, 0);
	ASSERT_EQ(0, parley_addr(&self->d.to, "127.0.0.1", PORT));
	self->d.listener = parley_listener("127.0.0.1", PORT, 64);
	ASSERT_LE(0, self->d.listener);
}

FIXTURE_TEARDOWN(duel)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* connect(AF_UNSPEC) against accept(): exactly one of them gets the call. */
TEST_F_TIMEOUT(duel, unspec_accept, 600)
{
	unsigned int rounds = race_scale(6000), i, won = 0;
	struct duel *d = &self->d;
	struct rival rival;
	bool good = true;
	int fd, err;

	duel_init(d, 2);
	ASSERT_EQ(0, parley_nonblock(d->listener, true));
	ASSERT_EQ(0, rival_start(&rival, d, turn_accept));
	for (i = 0; i < rounds && good; i++) {
		fd = parley_call("127.0.0.1", PORT);
		race_line_meet(&d->start);
		race_spin(d->balance.first);
		err = parley_unspec(fd);
		race_line_meet(&d->end);

		race_balance_note(&d->balance, !err);
		if (!err) {
			won++;
			good = d->fd == -EAGAIN && parley_so_error(fd) == 0 &&
			       parley_revents(fd, POLLIN | POLLOUT) == POLLHUP;
		} else {
			good = err == -EISCONN && d->fd >= 0 &&
			       parley_talks(fd, d->fd);
		}
		EXPECT_TRUE(good) {
			TH_LOG("round %u: AF_UNSPEC %d, accept %d", i, err,
			       d->fd);
		}
		close(fd);
		if (d->fd >= 0)
			close(d->fd);
	}
	rivals_end(d, &rival, 1);
	TH_LOG("%u rounds, %u taken back", i, won);
	EXPECT_LT(0, won);
	EXPECT_LT(won, rounds);
}

/* The same while another thread sits in the blocking connect(). */
TEST_F_TIMEOUT(duel, unspec_accept_connect, 600)
{
	unsigned int rounds = race_scale(2000), i, won = 0;
	struct duel *d = &self->d;
	struct parley_thread caller;
	struct rival rival;
	bool good = true;
	long result;
	int fd, err;

	duel_init(d, 2);
	ASSERT_EQ(0, parley_nonblock(d->listener, true));
	ASSERT_EQ(0, rival_start(&rival, d, turn_accept));
	for (i = 0; i < rounds && good; i++) {
		fd = parley_socket(0);
		parley_thread_connect(&caller, fd, "127.0.0.1", PORT);
		EXPECT_LT(0, parley_wait(d->listener, POLLIN));
		race_line_meet(&d->start);
		race_spin(d->balance.first);
		err = parley_unspec(fd);
		race_line_meet(&d->end);
		result = parley_thread_join(&caller);

		race_balance_note(&d->balance, !err);
		if (!err) {
			won++;
			good = d->fd == -EAGAIN && result == -ECONNABORTED;
		} else {
			good = err == -EISCONN && d->fd >= 0 && result == 0 &&
			       parley_talks(fd, d->fd);
		}
		EXPECT_TRUE(good) {
			TH_LOG("round %u: AF_UNSPEC %d, accept %d, connect %ld",
			       i, err, d->fd, result);
		}
		close(fd);
		if (d->fd >= 0)
			close(d->fd);
	}
	rivals_end(d, &rival, 1);
	TH_LOG("%u rounds, %u taken back", i, won);
	EXPECT_LT(0, won);
	EXPECT_LT(won, rounds);
}

/* close() against accept(): the server sees the end, or nothing at all. */
TEST_F_TIMEOUT(duel, close_accept, 600)
{
	unsigned int rounds = race_scale(6000), i, won = 0;
	struct duel *d = &self->d;
	struct parley_stat st;
	struct rival rival;
	bool good = true;
	int fd;

	duel_init(d, 2);
	ASSERT_EQ(0, parley_nonblock(d->listener, true));
	ASSERT_EQ(0, rival_start(&rival, d, turn_accept));
	for (i = 0; i < rounds && good; i++) {
		fd = parley_call("127.0.0.1", PORT);
		race_line_meet(&d->start);
		race_spin(d->balance.first);
		close(fd);
		race_line_meet(&d->end);

		won += d->fd < 0;
		race_balance_note(&d->balance, d->fd < 0);
		good = d->fd < 0 ? d->fd == -EAGAIN : ended(d->fd);
		EXPECT_TRUE(good) {
			TH_LOG("round %u: accept %d", i, d->fd);
		}
		if (d->fd >= 0)
			close(d->fd);
	}
	rivals_end(d, &rival, 1);
	TH_LOG("%u rounds, %u withdrawn", i, won);
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(i, st.called);
	EXPECT_EQ(won, st.withdrawn);
	EXPECT_EQ(i - won, st.established);
	EXPECT_LT(0, won);
	EXPECT_LT(won, rounds);
}

/*
 * The timer against accept(): a batch of calls runs out of time while the
 * server takes what is left of it. Timers go by ticks: a batch begins with
 * one, so that it always ends about the same time later, and the server finds
 * out when that is.
 */
#define BATCH	16
#define STEP	20000		/* nanoseconds, by which it comes nearer */

struct batch {
	struct duel *d;
	int fd[BATCH];
	struct parley_addr name[BATCH];
	bool over[BATCH];	/* connect() itself said ETIMEDOUT */
	int accepted[BATCH];
	int taken;
	__u64 begun;
	long long patience;	/* of the server, in nanoseconds */
};

static struct batch batch;

static void turn_accept_batch(struct duel *d)
{
	int fd;

	while ((long long)(parley_now_ns() - batch.begun) < batch.patience)
		;
	while ((fd = test_accept(d->listener, 0)) >= 0) {
		if (batch.taken == BATCH) {
			close(fd);
			fd = -E2BIG;
			break;
		}
		batch.accepted[batch.taken++] = fd;
	}
	d->fd = fd;
}

/* Finds and removes the accepted socket that belongs to a call. */
static int batch_take(int n)
{
	struct parley_addr peer;
	int i, fd;

	for (i = 0; i < batch.taken; i++) {
		fd = batch.accepted[i];
		if (fd < 0 || parley_peer(fd, &peer) ||
		    !parley_addr_eq(&peer, &batch.name[n]))
			continue;
		batch.accepted[i] = -1;
		return fd;
	}
	return -ENOENT;
}

/* A call of the batch, which may be over by the time connect() returns. */
static bool batch_call(int n)
{
	int err;

	batch.fd[n] = parley_socket(SOCK_NONBLOCK);
	err = test_connect(batch.fd[n], "127.0.0.1", PORT);
	batch.over[n] = err == -ETIMEDOUT;
	/* The name goes with the call: now, or it is too late. */
	return (err == -EINPROGRESS || batch.over[n]) &&
	       !parley_name(batch.fd[n], &batch.name[n]);
}

static bool batch_judge(int n, __u64 begun, unsigned int *timed_out)
{
	int fd, events, error;
	bool good;

	events = parley_wait(batch.fd[n], POLLOUT);
	error = parley_so_error(batch.fd[n]);
	if (batch.over[n] && !error && events == POLLHUP) {
		events = POLLERR | POLLHUP;
		error = ETIMEDOUT;
	}
	fd = batch_take(n);
	if (error == ETIMEDOUT) {
		*timed_out += 1;
		good = fd == -ENOENT && events & POLLERR &&
		       parley_now_ns() - begun >= 1000000 &&
		       parley_reason(batch.fd[n]) == PARLEY_REASON_TIMED_OUT;
	} else {
		good = !error && fd >= 0 && events == POLLOUT &&
		       parley_talks(batch.fd[n], fd);
	}
	if (!good)
		printf("# call %d: error %d, events %#x, accepted %d\n", n,
		       error, events, fd);
	if (fd >= 0)
		close(fd);
	return good;
}

/* Wait for the edge of a tick. */
static void batch_begin(void)
{
	__u64 tick = race_ticks_ns();

	while (race_ticks_ns() == tick)
		;
	batch.begun = parley_now_ns();
}

/* Larger steps while the server is always late, or always early. */
static int batch_step(int step)
{
	bool late = batch.taken < BATCH / 2;

	step = late == (step < 0) ? step * 3 / 2 : step > 0 ? -STEP : STEP;
	if (step > 50 * STEP || step < -50 * STEP)
		step = step > 0 ? 50 * STEP : -50 * STEP;
	batch.patience += step;
	if (batch.patience < 0)
		batch.patience = 0;
	return step;
}

TEST_F_TIMEOUT(duel, timeout_accept, 600)
{
	unsigned int rounds = race_scale(400), i, timed_out = 0, mixed = 0;
	struct duel *d = &self->d;
	__u64 begun[BATCH];
	struct rival rival;
	bool good = true;
	int n, left, step = STEP;

	batch.patience = 5000000;
	duel_init(d, 2);
	ASSERT_EQ(0, parley_nonblock(d->listener, true));
	ASSERT_EQ(0, parley_sysctl_write("parley/connect_timeout_ms", 1));
	ASSERT_EQ(0, rival_start(&rival, d, turn_accept_batch));
	for (i = 0; i < rounds && good; i++) {
		batch.taken = 0;
		batch_begin();
		for (n = 0; n < BATCH; n++) {
			begun[n] = parley_now_ns();
			good &= batch_call(n);
		}
		race_line_meet(&d->start);
		race_line_meet(&d->end);
		for (n = 0; n < BATCH; n++) {
			good &= batch_judge(n, begun[n], &timed_out);
			close(batch.fd[n]);
		}
		mixed += batch.taken && batch.taken < BATCH;
		/* Too late for most of them is too late. */
		step = batch_step(step);
		for (left = n = 0; n < batch.taken; n++)
			left += batch.accepted[n] >= 0;
		EXPECT_TRUE(good && !left && d->fd == -EAGAIN) {
			TH_LOG("round %u: %d accepted, %d strange, last %d",
			       i, batch.taken, left, d->fd);
			good = false;
		}
	}
	rivals_end(d, &rival, 1);
	TH_LOG("%u calls, %u timed out, %u of %u batches divided", i * BATCH,
	       timed_out, mixed, i);
	EXPECT_LT(0, timed_out);
	EXPECT_LT(timed_out, i * BATCH);
}

/* The listener goes while somebody calls: refused at once or a bit later. */
FIXTURE(listener) {
	struct duel d;
};

FIXTURE_VARIANT(listener) {
	bool shut;	/* shutdown(), then close() */
	bool blocking;
};

FIXTURE_VARIANT_ADD(listener, close) {};
FIXTURE_VARIANT_ADD(listener, close_blocking) { .blocking = true };
FIXTURE_VARIANT_ADD(listener, shutdown) { .shut = true };
FIXTURE_VARIANT_ADD(listener, shutdown_blocking) {
	.shut = true, .blocking = true
};

FIXTURE_SETUP(listener)
{
	__u64 seed = race_seed();

	TH_LOG("seed %llu", (unsigned long long)seed);
	ASSERT_EQ(0, parley_ns_enter());
	race_random_init(&self->d.random, seed, 1);
	ASSERT_EQ(0, parley_addr(&self->d.to, "127.0.0.1", PORT));
}

FIXTURE_TEARDOWN(listener)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int duel_caller;

static void turn_connect(struct duel *d)
{
	race_spin(d->balance.second);
	d->fd = connect(duel_caller, &d->to.sa, d->to.len) ? -errno : 0;
}

TEST_F_TIMEOUT(listener, goes, 600)
{
	unsigned int rounds = race_scale(3000), i, queued = 0;
	struct duel *d = &self->d;
	struct parley_stat st;
	struct rival rival;
	bool good = true;
	int err, reason;

	duel_init(d, 2);
	ASSERT_EQ(0, rival_start(&rival, d, turn_connect));
	for (i = 0; i < rounds && good; i++) {
		d->listener = parley_listener("127.0.0.1", PORT, 4);
		duel_caller = parley_socket(variant->blocking ? 0 :
					    SOCK_NONBLOCK);
		race_line_meet(&d->start);
		race_spin(d->balance.first);
		err = variant->shut ? shutdown(d->listener, SHUT_RDWR) :
				      close(d->listener);
		race_line_meet(&d->end);

		good = !err;
		err = d->fd;
		if (err == -EINPROGRESS) {
			good &= parley_wait(duel_caller, 0) ==
				(POLLERR | POLLHUP);
			err = -parley_so_error(duel_caller);
		}
		reason = parley_reason(duel_caller);
		queued += reason == PARLEY_REASON_LISTENER_CLOSED;
		race_balance_note(&d->balance,
				  reason == PARLEY_REASON_NO_LISTENER);
		good &= err == -ECONNREFUSED &&
			(reason == PARLEY_REASON_LISTENER_CLOSED ||
			 reason == PARLEY_REASON_NO_LISTENER);
		EXPECT_TRUE(good) {
			TH_LOG("round %u: connect %d, error %d, reason %d", i,
			       d->fd, err, reason);
		}
		close(duel_caller);
		if (variant->shut)
			close(d->listener);
	}
	rivals_end(d, &rival, 1);
	TH_LOG("%u rounds, %u calls had been queued", i, queued);
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(i, st.called);
	EXPECT_EQ(i, st.refused);
	EXPECT_LT(0, queued);
	EXPECT_LT(queued, rounds);
}

TEST_HARNESS_MAIN
