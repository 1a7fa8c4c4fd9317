// SPDX-License-Identifier: GPL-2.0
/*
 * Data against the end of the connection: close and shutdown, by the owner, by
 * another thread and by the peer, race with writes and reads. Whatever was
 * written before a proper end arrives; after a rude one the writer learns of
 * it; nobody hangs.
 */
#include "kselftest_harness.h"

#include <signal.h>

#include "lib.h"
#include "lib_race.h"

#define PORT	7300
#define CHUNK	3000
#define MOST	60000

/* What the threads of one round do with the two ends, fd[0] and fd[1]. */
struct round {
	int fd[2];
	unsigned int amount;	/* how far the racer goes */
	unsigned int delay;	/* of the racer, in turns */
	unsigned int seed;
	size_t written;
	size_t read;
	int write_error;
	int read_error;
	bool garbled;
};

/* The byte at an offset of the stream. */
static unsigned char pattern(const struct round *r, size_t at)
{
	return (at * 31 + at / 251 + r->seed) & 0xff;
}

static void fill(const struct round *r, unsigned char *buf, size_t at, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		buf[i] = pattern(r, at + i);
}

/* Writes until @most or an error. */
static void write_some(struct round *r, size_t most)
{
	unsigned char buf[CHUNK];
	size_t want;
	ssize_t n;

	while (r->written < most) {
		want = 1 + (r->written * 7 + r->seed) % CHUNK;
		if (want > most - r->written)
			want = most - r->written;
		fill(r, buf, r->written, want);
		n = send(r->fd[0], buf, want, MSG_NOSIGNAL);
		if (n < 0) {
			r->write_error = errno;
			return;
		}
		r->written += n;
	}
}

/* Reads until @most, the end or an error. */
static void read_some(struct round *r, size_t most)
{
	unsigned char buf[CHUNK], want[CHUNK];
	size_t size;
	ssize_t n;

	while (r->read < most) {
		size = most - r->read;
		n = recv(r->fd[1], buf, size < CHUNK ? size : CHUNK, 0);
		if (n < 0)
			r->read_error = errno;
		if (n <= 0)
			return;
		fill(r, want, r->read, n);
		r->garbled |= !!memcmp(want, buf, n);
		r->read += n;
	}
}

enum kind {
	WRITER_CLOSES,
	READER_CLOSES,
	READER_LINGERS_NOT,	/* SO_LINGER {1, 0} */
	WRITER_SHUT,		/* SHUT_WR by a third thread */
	READER_SHUT,		/* SHUT_RD by a third thread */
	READER_SHUT_BOTH,	/* SHUT_RDWR at the reader's end */
	WRITER_SHUT_BOTH,
};

FIXTURE(race) {
	struct race_random random;
	int listener;
};

FIXTURE_VARIANT(race) {
	enum kind kind;
	int buffer;		/* SO_SNDBUF and SO_RCVBUF, 0: the default */
};

FIXTURE_VARIANT_ADD(race, writer_closes) { WRITER_CLOSES, 0 };
FIXTURE_VARIANT_ADD(race, writer_closes_small) { WRITER_CLOSES, 1 };
FIXTURE_VARIANT_ADD(race, reader_closes) { READER_CLOSES, 0 };
FIXTURE_VARIANT_ADD(race, reader_closes_small) { READER_CLOSES, 1 };
FIXTURE_VARIANT_ADD(race, reader_aborts_small) { READER_LINGERS_NOT, 1 };
FIXTURE_VARIANT_ADD(race, writer_shut) { WRITER_SHUT, 0 };
FIXTURE_VARIANT_ADD(race, writer_shut_small) { WRITER_SHUT, 1 };
FIXTURE_VARIANT_ADD(race, reader_shut) { READER_SHUT, 0 };
FIXTURE_VARIANT_ADD(race, reader_shut_small) { READER_SHUT, 1 };
FIXTURE_VARIANT_ADD(race, reader_shut_both_small) { READER_SHUT_BOTH, 1 };
FIXTURE_VARIANT_ADD(race, writer_shut_both_small) { WRITER_SHUT_BOTH, 1 };

FIXTURE_SETUP(race)
{
	__u64 seed = race_seed();
	int buffer = variant->buffer;

	TH_LOG("seed %llu", (unsigned long long)seed);
	race_random_init(&self->random, seed, 4);
	ASSERT_EQ(0, parley_ns_enter());
	self->listener = parley_listener("127.0.0.1", PORT, 8);
	ASSERT_LE(0, self->listener);
	/* The accepted end inherits it; the sum is the smaller one's. */
	if (buffer) {
		ASSERT_EQ(0, parley_set_sockopt(self->listener, SOL_SOCKET,
						SO_RCVBUF, buffer));
		ASSERT_EQ(0, parley_set_sockopt(self->listener, SOL_SOCKET,
						SO_SNDBUF, buffer));
	}
}

FIXTURE_TEARDOWN(race)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static struct race_line start_line;
static struct round now;
static enum kind kind;
static bool over;

static void reader_turn(void)
{
	struct linger rude = { .l_onoff = 1 };

	if (kind != READER_CLOSES && kind != READER_LINGERS_NOT) {
		read_some(&now, SIZE_MAX);
		return;
	}
	read_some(&now, now.amount);
	if (kind == READER_LINGERS_NOT)
		setsockopt(now.fd[1], SOL_SOCKET, SO_LINGER, &rude,
			   sizeof(rude));
	close(now.fd[1]);
}

static void third_turn(void)
{
	race_spin(now.delay);
	if (kind == WRITER_SHUT)
		shutdown(now.fd[0], SHUT_WR);
	else if (kind == WRITER_SHUT_BOTH)
		shutdown(now.fd[0], SHUT_RDWR);
	else if (kind == READER_SHUT)
		shutdown(now.fd[1], SHUT_RD);
	else if (kind == READER_SHUT_BOTH)
		shutdown(now.fd[1], SHUT_RDWR);
}

static void *turns(void *arg)
{
	void (*turn)(void) = arg;

	for (;;) {
		race_line_meet(&start_line);
		if (over)
			return NULL;
		turn();
		race_line_meet(&start_line);
	}
}

/* What the two ends know, after both have come to theirs. */
static bool plausible(const struct round *r)
{
	if (r->garbled || r->read > r->written)
		return false;
	switch (kind) {
	case WRITER_CLOSES:
		return !r->write_error && r->written == r->amount &&
		       r->read == r->written && !r->read_error;
	case READER_CLOSES:
	case READER_LINGERS_NOT:
		return r->read == r->amount &&
		       (r->write_error == EPIPE ||
			r->write_error == ECONNRESET);
	case WRITER_SHUT:
	case WRITER_SHUT_BOTH:
		return r->write_error == EPIPE && r->read == r->written &&
		       !r->read_error;
	case READER_SHUT:
	case READER_SHUT_BOTH:
		return r->write_error == EPIPE && !r->read_error;
	}
	return false;
}

static void round_begin(struct race_random *random, int listener)
{
	memset(&now, 0, sizeof(now));
	now.seed = race_below(random, 1000);
	now.amount = race_below(random, MOST);
	now.delay = race_below(random, 40000);
	if (parley_pair(listener, now.fd) < 0)
		now.garbled = true;
}

TEST_F_TIMEOUT(race, ends, 600)
{
	unsigned int rounds = race_scale(800), i, most = 0, least = MOST;
	bool good = true;
	pthread_t thread[2];

	kind = variant->kind;
	race_line_init(&start_line, 3);
	ASSERT_EQ(0, pthread_create(&thread[0], NULL, turns, reader_turn));
	ASSERT_EQ(0, pthread_create(&thread[1], NULL, turns, third_turn));
	for (i = 0; i < rounds && good; i++) {
		round_begin(&self->random, self->listener);
		race_line_meet(&start_line);
		write_some(&now, kind == WRITER_CLOSES ? now.amount : SIZE_MAX);
		if (kind == WRITER_CLOSES)
			close(now.fd[0]);
		race_line_meet(&start_line);

		good = plausible(&now);
		EXPECT_TRUE(good) {
			TH_LOG("round %u: %u, wrote %zu (%d), read %zu (%d)%s",
			       i, now.amount, now.written, now.write_error,
			       now.read, now.read_error,
			       now.garbled ? ", garbled" : "");
		}
		most = now.read > most ? now.read : most;
		least = now.read < least ? now.read : least;
		if (kind != WRITER_CLOSES)
			close(now.fd[0]);
		if (kind != READER_CLOSES && kind != READER_LINGERS_NOT)
			close(now.fd[1]);
	}
	over = true;
	race_line_meet(&start_line);
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	TH_LOG("%u to %u bytes arrived", least, most);
	EXPECT_LT(least, most);
}

TEST_HARNESS_MAIN
