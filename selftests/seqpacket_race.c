// SPDX-License-Identifier: GPL-2.0
/*
 * Several writers and readers of one connection of records, each of them of
 * random length: none is torn, lost or doubled, and each reader sees those of
 * one writer in their order.
 */
#include "kselftest_harness.h"

#include <sys/uio.h>

#include "lib.h"
#include "lib_race.h"
#include "lib_record.h"

#define PORT	7600
#define WRITERS	3
#define READERS	2
#define MOST	20000
#define ROUNDS	3000

/* What each record begins with. */
struct head {
	unsigned int writer;
	unsigned int number;
	unsigned int length;
	unsigned int sum;
};

struct runner {
	pthread_t thread;
	unsigned int id;
	struct race_random random;
	const char *wrong;
};

static struct {
	int fd[2];
	unsigned int rounds;
	unsigned int longest;
	bool truncate;		/* readers have too little room, sometimes */
	unsigned char seen[WRITERS][ROUNDS];
} run;

static unsigned int body_sum(const unsigned char *p, unsigned int n)
{
	unsigned int sum = 1;

	while (n--)
		sum = sum * 31 + *p++;
	return sum;
}

/* One record, its body in two parts. */
static bool write_one(struct runner *r, unsigned int number)
{
	static __thread unsigned char body[MOST];
	struct head h = { .writer = r->id, .number = number };
	struct iovec iov[3] = { { &h, sizeof(h) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };
	unsigned int i, cut;
	ssize_t n;

	h.length = race_below(&r->random, run.longest - sizeof(h) + 1);
	for (i = 0; i < h.length; i++)
		body[i] = h.number * 7 + h.writer + i * 13;
	h.sum = body_sum(body, h.length);
	cut = race_below(&r->random, h.length + 1);
	iov[1] = (struct iovec){ body, cut };
	iov[2] = (struct iovec){ body + cut, h.length - cut };
	n = sendmsg(run.fd[0], &msg, MSG_NOSIGNAL | (number % 2 ? MSG_EOR : 0));
	if (n != sizeof(h) + h.length)
		r->wrong = n < 0 ? strerror(errno) : "partial send";
	return !r->wrong;
}

static void *writer(void *arg)
{
	struct runner *r = arg;
	unsigned int i;

	for (i = 0; i < run.rounds && write_one(r, i); i++)
		;
	return NULL;
}

static const char *check(const struct head *h, const unsigned char *body,
			 ssize_t n, int flags, int *last)
{
	unsigned int i;

	if (n < (ssize_t)sizeof(*h))
		return "shorter than a header";
	if (h->writer >= WRITERS || h->number >= run.rounds)
		return "no header";
	if ((flags & MSG_EOR) != (h->number % 2 ? MSG_EOR : 0))
		return "MSG_EOR of another one";
	if ((int)h->number <= last[h->writer])
		return "out of order";
	last[h->writer] = h->number;
	if (__sync_fetch_and_add(&run.seen[h->writer][h->number], 1))
		return "doubled";
	n -= sizeof(*h);
	if (flags & MSG_TRUNC ? n >= h->length : n != h->length)
		return "of another length";
	if (!(flags & MSG_TRUNC) && body_sum(body, n) != h->sum)
		return "wrong sum";
	for (i = 0; i < n; i++)
		if (body[i] != (unsigned char)(h->number * 7 + h->writer +
					       i * 13))
			return "torn";
	return NULL;
}

static void *reader(void *arg)
{
	static __thread unsigned char body[MOST];
	int i, last[WRITERS];
	struct runner *r = arg;

	for (i = 0; i < WRITERS; i++)
		last[i] = -1;
	while (!r->wrong) {
		struct head h;
		struct iovec iov[2] = { { &h, sizeof(h) }, { body, MOST } };
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
		ssize_t n;

		if (run.truncate && race_below(&r->random, 4) == 0)
			iov[1].iov_len = race_below(&r->random, 2000);
		n = recvmsg(run.fd[1], &msg, 0);
		if (!n)
			break;
		if (n < 0)
			r->wrong = strerror(errno);
		else
			r->wrong = check(&h, body, n, msg.msg_flags, last);
	}
	return NULL;
}

FIXTURE(seqrace) {
	int listener;
	__u64 seed;
	struct runner writer[WRITERS];
	struct runner reader[READERS];
};

FIXTURE_VARIANT(seqrace) {
	unsigned int buffer;	/* SO_SNDBUF */
	unsigned int longest;
	unsigned int rounds;
	unsigned int readers;
	bool truncate;
};

FIXTURE_VARIANT_ADD(seqrace, small_records) { 2304, 60, ROUNDS, 2, false };
FIXTURE_VARIANT_ADD(seqrace, small_buffer) { 2304, 4608, 1000, 2, false };
FIXTURE_VARIANT_ADD(seqrace, truncating) { 8000, 8000, 1000, 2, true };
FIXTURE_VARIANT_ADD(seqrace, large_buffer) { 100000, MOST, 600, 2, false };
FIXTURE_VARIANT_ADD(seqrace, one_reader) { 10000, MOST, 600, 1, false };

FIXTURE_SETUP(seqrace)
{
	self->seed = race_seed();
	TH_LOG("seed %llu", (unsigned long long)self->seed);
	ASSERT_EQ(0, parley_ns_enter());
	self->listener = record_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, parley_pair(self->listener, run.fd));
	ASSERT_EQ(0, parley_set_sockopt(run.fd[0], SOL_SOCKET, SO_SNDBUF,
					variant->buffer));
	run.rounds = race_scale(variant->rounds);
	run.longest = variant->longest;
	run.truncate = variant->truncate;
}

FIXTURE_TEARDOWN(seqrace)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static void start(struct runner *r, unsigned int id, __u64 seed,
		  void *(*fn)(void *arg))
{
	r->id = id;
	race_random_init(&r->random, seed, id + 10);
	if (pthread_create(&r->thread, NULL, fn, r))
		r->wrong = "no thread";
}

TEST_F_TIMEOUT(seqrace, records, 300)
{
	unsigned int i, k, lost = 0;

	for (i = 0; i < variant->readers; i++)
		start(&self->reader[i], WRITERS + i, self->seed, reader);
	for (i = 0; i < WRITERS; i++)
		start(&self->writer[i], i, self->seed, writer);
	for (i = 0; i < WRITERS; i++) {
		pthread_join(self->writer[i].thread, NULL);
		EXPECT_EQ(NULL, self->writer[i].wrong)
			TH_LOG("writer %u: %s", i, self->writer[i].wrong);
	}
	ASSERT_EQ(0, shutdown(run.fd[0], SHUT_WR));
	for (i = 0; i < variant->readers; i++) {
		pthread_join(self->reader[i].thread, NULL);
		EXPECT_EQ(NULL, self->reader[i].wrong)
			TH_LOG("reader %u: %s", i, self->reader[i].wrong);
	}
	for (i = 0; i < WRITERS; i++)
		for (k = 0; k < run.rounds; k++)
			lost += run.seen[i][k] != 1;
	EXPECT_EQ(0, lost);
	EXPECT_EQ(0, record_unsent(run.fd[0]));
}

/*
 * One end closes with something unread, while a thread of the other one shuts
 * its writing down: whoever comes first, that is a reset, and nothing seems
 * unsent.
 */
static struct race_line line;
static bool over;

static void *closer(void *arg)
{
	struct race_random *random = arg;

	for (;;) {
		race_line_meet(&line);
		if (over)
			return NULL;
		race_spin(race_below(random, 600));
		close(run.fd[1]);
		race_line_meet(&line);
	}
}

TEST(shutdown_and_close)
{
	unsigned int rounds = race_scale(1500), i, bad = 0;
	struct race_random random[2];
	__u64 seed = race_seed();
	pthread_t thread;

	TH_LOG("seed %llu", (unsigned long long)seed);
	for (i = 0; i < 2; i++)
		race_random_init(&random[i], seed, i);
	ASSERT_EQ(0, parley_ns_enter());
	race_line_init(&line, 2);
	ASSERT_EQ(0, pthread_create(&thread, NULL, closer, &random[1]));
	for (i = 0; i < rounds && !bad; i++) {
		bad |= socketpair(AF_PARLEY, i % 2 ? SOCK_STREAM :
				  SOCK_SEQPACKET, 0, run.fd) != 0;
		bad |= record_put(run.fd[0], &seed, 3, 0) != 3;
		race_line_meet(&line);
		race_spin(race_below(&random[0], 600));
		shutdown(run.fd[0], SHUT_WR);
		race_line_meet(&line);
		bad |= parley_so_error(run.fd[0]) != ECONNRESET;
		bad |= record_unsent(run.fd[0]) != 0;
		EXPECT_FALSE(bad)
			TH_LOG("round %u", i);
		close(run.fd[0]);
	}
	over = true;
	race_line_meet(&line);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_HARNESS_MAIN
