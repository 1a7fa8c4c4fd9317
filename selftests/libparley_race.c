// SPDX-License-Identifier: GPL-2.0
/*
 * parley_accept() in many threads at one socket: each descriptor is that of
 * the very call that the condition in the same thread saw, each call is decided
 * once, and both sides agree about it; also while callers give up, descriptors
 * run out and others accept without asking.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"
#include "lib_condition.h"
#include "lib_race.h"
#include "lib_terms.h"

#define PORT		5430
#define BOUND_S		300	/* for one test on a busy machine */
#define SERVERS		8
#define CALLERS		6
#define CALLS		500	/* of each caller */

enum outcome { ACCEPTED, REFUSED, LEFT, OUTCOMES };

/* What a call carries: who makes it, and what is to become of it. */
struct card {
	__u32 caller;
	__u32 number;
	__u32 verdict;
	__u32 defer;	/* so many times before */
};

struct race {
	struct parley_addr to;
	int l;
	int callers;
	int calls;
	bool impatient;		/* some callers give up */
	bool scarce;		/* descriptors are */
	bool mixed;		/* some calls are accepted without asking */
	int flags;		/* of parley_accept() */
	__u64 seed;
	/* What the servers counted, and what the callers did. */
	unsigned int asked, accepted, refused, deferred, aborted, scant, taken;
	unsigned int outcomes[OUTCOMES];
	unsigned int wrong;
	int stop;
};

#define COUNT(x)	__atomic_add_fetch(&(x), 1, __ATOMIC_RELAXED)

static void wrong(struct race *r, const char *what, long long a, long long b)
{
	COUNT(r->wrong);
	printf("# %s: %lld, %lld\n", what, a, b);
	fflush(stdout);
}

/* The servers */

struct server {
	struct race *r;
	struct race_random random;
	struct card card;
	__u64 id;
	int asked;
};

/* A deferred call comes by again; how often is in its card and its flags. */
static int judge(const struct parley_offer *offer, struct parley_answer *answer,
		 void *arg)
{
	struct server *s = arg;

	s->asked++;
	COUNT(s->r->asked);
	if (offer->data_len != sizeof(s->card)) {
		wrong(s->r, "call data", offer->data_len, 0);
		return PARLEY_REFUSE;
	}
	memcpy(&s->card, offer->data, sizeof(s->card));
	s->id = offer->info->id;
	race_spin(race_below(&s->random, 2000));
	if (s->card.defer && !(offer->info->flags & PARLEY_INFO_DEFERRED))
		return PARLEY_DEFER;
	memcpy(answer->buf, &s->card, sizeof(s->card));
	answer->reply_len = sizeof(s->card);
	if (s->card.verdict == PARLEY_REFUSE)
		answer->code = s->card.number;
	return s->card.verdict;
}

/* Is it this very call? */
static void check_accepted(struct server *s, int fd)
{
	struct parley_call_info info;
	struct card card;

	COUNT(s->r->accepted);
	if (s->card.verdict != PARLEY_ACCEPT)
		wrong(s->r, "accepted in spite of", s->card.verdict, 0);
	if (parley_get_call_info(fd, &info) || info.id != s->id)
		wrong(s->r, "another call", info.id, s->id);
	if (parley_get_call_data(fd, &card, sizeof(card)) != sizeof(card) ||
	    memcmp(&card, &s->card, sizeof(card)))
		wrong(s->r, "another card", card.number, s->card.number);
	if (send(fd, &card, sizeof(card), MSG_NOSIGNAL) < 0 && errno != EPIPE &&
	    errno != ECONNRESET)
		wrong(s->r, "send", errno, 0);
	close(fd);
}

static void check_failed(struct server *s, int err)
{
	struct race *r = s->r;

	switch (err) {
	case ECONNREFUSED:
		COUNT(r->refused);
		if (s->card.verdict != PARLEY_REFUSE)
			wrong(r, "refused in spite of", s->card.verdict, 0);
		break;
	case EBUSY:
		COUNT(r->deferred);
		break;
	case ECONNABORTED:
		COUNT(r->aborted);
		break;
	case EMFILE:
		COUNT(r->scant);
		if (!r->scarce)
			wrong(r, "no descriptor", 0, 0);
		break;
	default:
		wrong(r, "parley_accept", err, 0);
		break;
	}
}

/* Until the socket is shut down; now and then it looks at deferred calls. */
static void *serve(void *arg)
{
	struct server *s = arg;
	struct race *r = s->r;
	int fd, flags;

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		s->asked = 0;
		flags = race_below(&s->random, 4) ? 0 : PARLEY_ACCEPT_REVIEW;
		fd = parley_accept(r->l, NULL, NULL, judge, s,
				   flags | r->flags);
		if (fd < 0 && errno == EAGAIN)
			continue;
		if (fd < 0 && errno == EINVAL) {
			/* It was asked while the socket was shut down. */
			__atomic_add_fetch(&r->aborted, s->asked,
					   __ATOMIC_RELAXED);
			break;
		}
		if (s->asked != 1)
			wrong(r, "asked so often", s->asked, 1);
		if (fd >= 0)
			check_accepted(s, fd);
		else
			check_failed(s, errno);
	}
	return NULL;
}

/* The callers, in a process of their own */

struct caller {
	struct race *r;
	struct race_random random;
	__u32 number;
	unsigned int outcomes[OUTCOMES];
	unsigned int wrong;
};

static void complain(struct caller *c, const char *what, long long a)
{
	c->wrong++;
	printf("# caller %u: %s: %lld\n", c->number, what, a);
	fflush(stdout);
}

/* Both sides know the same of it. */
static void check_outcome(struct caller *c, int fd, int err,
			  const struct card *card)
{
	struct parley_refusal refusal;
	struct card got = { 0 };

	if (err && err != ECONNREFUSED) {
		complain(c, "connect", err);
		return;
	}
	c->outcomes[err ? REFUSED : ACCEPTED]++;
	if (c->r->mixed)
		return;
	if (card->verdict != (err ? PARLEY_REFUSE : PARLEY_ACCEPT))
		complain(c, "the other verdict", card->verdict);
	if (parley_get_reply_data(fd, &got, sizeof(got)) != sizeof(got) ||
	    memcmp(&got, card, sizeof(got)))
		complain(c, "another reply", got.number);
	if (err && (parley_get_refusal(fd, &refusal) ||
		    refusal.reason != PARLEY_REASON_SERVER ||
		    refusal.code != card->number))
		complain(c, "another refusal", refusal.code);
	if (!err && (recv(fd, &got, sizeof(got), MSG_WAITALL) != sizeof(got) ||
		     memcmp(&got, card, sizeof(got))))
		complain(c, "another greeting", got.number);
}

static void call_once(struct caller *c, int fd, const struct card *card)
{
	struct parley_terms terms = {
		.data = card, .data_len = sizeof(*card),
		.timeout_ms = PARLEY_TIMEOUT_NEVER,
	};
	bool leave = c->r->impatient && !race_below(&c->random, 4);
	int err = 0;

	if (leave && parley_nonblock(fd, true))
		complain(c, "O_NONBLOCK", 0);
	if (parley_connect(fd, &c->r->to.sa, c->r->to.len, &terms))
		err = errno;
	if (!leave) {
		check_outcome(c, fd, err, card);
		return;
	}
	/* What became of it is not asked. */
	c->outcomes[LEFT]++;
	if (err && err != EINPROGRESS && err != ECONNREFUSED)
		complain(c, "connect", err);
	race_spin(race_below(&c->random, 100000));
}

static void *call_many(void *arg)
{
	struct caller *c = arg;
	int i, fd;

	for (i = 0; i < c->r->calls; i++) {
		struct card card = {
			.caller = c->number,
			.number = i + 1,
			.verdict = race_below(&c->random, 3) ? PARLEY_ACCEPT :
							       PARLEY_REFUSE,
			.defer = !race_below(&c->random, 5),
		};

		fd = parley_socket(0);
		if (fd < 0) {
			complain(c, "socket", fd);
			return NULL;
		}
		call_once(c, fd, &card);
		close(fd);
	}
	return NULL;
}

/* The exit code says whether all was well; @out gets the counts. */
static void callers(struct race *r, int out)
{
	static struct caller c[CALLERS];
	unsigned int sum[OUTCOMES] = { 0 };
	pthread_t thread[CALLERS];
	int i, k, bad = 0;

	for (i = 0; i < r->callers; i++) {
		c[i].r = r;
		c[i].number = i;
		race_random_init(&c[i].random, r->seed, 100 + i);
		if (pthread_create(&thread[i], NULL, call_many, &c[i]))
			_exit(2);
	}
	for (i = 0; i < r->callers; i++) {
		pthread_join(thread[i], NULL);
		bad |= c[i].wrong;
		for (k = 0; k < OUTCOMES; k++)
			sum[k] += c[i].outcomes[k];
	}
	if (write(out, sum, sizeof(sum)) != sizeof(sum))
		bad = 1;
	_exit(!!bad);
}

FIXTURE(race) {
	struct race r;
	struct server server[SERVERS];
	pthread_t thread[SERVERS];
	struct parley_stat st;
	int gate[2];
	pid_t pid;
};

FIXTURE_SETUP(race)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->r.l = parley_listener("127.0.0.1", PORT, 64);
	ASSERT_LE(0, self->r.l);
	ASSERT_EQ(0, parley_addr(&self->r.to, "127.0.0.1", PORT));
	self->r.callers = CALLERS;
	self->r.calls = race_scale(CALLS);
	self->r.seed = race_seed();
	TH_LOG("PARLEY_STORM_SEED=%llu", (unsigned long long)self->r.seed);
	ASSERT_EQ(0, pipe(self->gate));
	/* Also a thread that has looked at everything looks again. */
	ASSERT_EQ(0, parley_timeo(self->r.l, SO_RCVTIMEO, 10));
}

FIXTURE_TEARDOWN(race)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Hung is a race in which nothing is decided any more, however slow it is. */
static int await(struct race *r, pid_t pid)
{
	unsigned long long end = parley_deadline();
	unsigned int done = 0, now;
	int status, ret;

	while (!(ret = waitpid(pid, &status, WNOHANG))) {
		now = __atomic_load_n(&r->accepted, __ATOMIC_RELAXED) +
		      __atomic_load_n(&r->refused, __ATOMIC_RELAXED) +
		      __atomic_load_n(&r->taken, __ATOMIC_RELAXED);
		if (now != done)
			end = parley_deadline();
		else if (parley_expired(end))
			return -ETIME;
		done = now;
		parley_pause();
	}
	return ret == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -EPIPE;
}

/* Servers here, callers there, until all calls are made. */
static int run(struct race *r, struct server *server, pthread_t *thread,
	       const int gate[2])
{
	int i, status;
	pid_t pid;

	pid = parley_fork();
	if (pid < 0)
		return pid;
	if (!pid)
		callers(r, gate[1]);
	if (r->scarce && parley_nofile(gate[1] + 2))
		return -EMFILE;
	for (i = 0; i < SERVERS; i++) {
		server[i].r = r;
		race_random_init(&server[i].random, r->seed, i);
		if (pthread_create(&thread[i], NULL, serve, &server[i]))
			return -ENOMEM;
	}
	status = await(r, pid);
	__atomic_store_n(&r->stop, 1, __ATOMIC_RELEASE);
	shutdown(r->l, SHUT_RD);
	for (i = 0; i < SERVERS; i++)
		pthread_join(thread[i], NULL);
	if (r->scarce && parley_nofile(1024))
		return -EMFILE;
	if (read(gate[0], r->outcomes, sizeof(r->outcomes)) !=
	    sizeof(r->outcomes))
		return -EPIPE;
	return status;
}

TEST_F_TIMEOUT(race, the_very_call, BOUND_S)
{
	struct race *r = &self->r;
	unsigned int total = r->callers * r->calls;

	ASSERT_EQ(0, run(r, self->server, self->thread, self->gate));
	EXPECT_EQ(0, r->wrong);
	EXPECT_EQ(total, r->outcomes[ACCEPTED] + r->outcomes[REFUSED]);
	EXPECT_EQ(r->outcomes[ACCEPTED], r->accepted);
	EXPECT_EQ(r->outcomes[REFUSED], r->refused);
	EXPECT_LT(0, r->accepted);
	EXPECT_LT(0, r->refused);
	EXPECT_LT(0, r->deferred);
	/* Aborted was who saw a call once more that another decided first. */
	EXPECT_EQ(r->asked, r->accepted + r->refused + r->deferred +
		  r->aborted);
	ASSERT_EQ(0, parley_stat(&self->st));
	EXPECT_EQ(total, self->st.called);
	EXPECT_EQ(r->accepted, self->st.established);
	EXPECT_EQ(r->refused, self->st.refused);
}

/* Winsock's order; all threads see the same call, one of them decides it. */
TEST_F_TIMEOUT(race, strict, BOUND_S)
{
	struct race *r = &self->r;

	r->flags = PARLEY_ACCEPT_STRICT;
	ASSERT_EQ(0, run(r, self->server, self->thread, self->gate));
	EXPECT_EQ(0, r->wrong);
	EXPECT_EQ(r->outcomes[ACCEPTED], r->accepted);
	EXPECT_EQ(r->outcomes[REFUSED], r->refused);
	EXPECT_EQ(r->callers * r->calls, r->accepted + r->refused);
}

TEST_F_TIMEOUT(race, callers_give_up, BOUND_S)
{
	struct race *r = &self->r;
	unsigned int total = r->callers * r->calls;

	r->impatient = true;
	ASSERT_EQ(0, run(r, self->server, self->thread, self->gate));
	EXPECT_EQ(0, r->wrong);
	EXPECT_EQ(total, r->outcomes[ACCEPTED] + r->outcomes[REFUSED] +
		  r->outcomes[LEFT]);
	EXPECT_LT(0, r->outcomes[LEFT]);
	/* Some that left were decided in time. */
	EXPECT_LE(r->outcomes[ACCEPTED], r->accepted);
	EXPECT_LE(r->outcomes[REFUSED], r->refused);
	ASSERT_EQ(0, parley_stat(&self->st));
	EXPECT_EQ(total, self->st.called);
	EXPECT_EQ(r->accepted, self->st.established);
}

/* One descriptor for eight threads: who gets none leaves the call. */
TEST_F_TIMEOUT(race, no_descriptors, BOUND_S)
{
	struct race *r = &self->r;

	r->scarce = true;
	ASSERT_EQ(0, run(r, self->server, self->thread, self->gate));
	EXPECT_EQ(0, r->wrong);
	EXPECT_EQ(r->outcomes[ACCEPTED], r->accepted);
	EXPECT_EQ(r->outcomes[REFUSED], r->refused);
	EXPECT_EQ(r->callers * r->calls, r->accepted + r->refused);
	TH_LOG("%u times without a descriptor", r->scant);
}

/*
 * A thread that accepts without asking gets calls that nobody has decided on;
 * those that others have are not given to it.
 */
static void *take(void *arg)
{
	struct race *r = arg;
	struct parley_call_info info;
	struct card card;
	int fd;

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		fd = accept(r->l, NULL, NULL);
		if (fd < 0 && errno == EINVAL)
			break;
		if (fd < 0)
			continue;
		COUNT(r->taken);
		if (parley_get_call_info(fd, &info) ||
		    info.decided_by != PARLEY_BY_ACCEPT)
			wrong(r, "decided by", info.decided_by, info.id);
		if (parley_get_call_data(fd, &card, sizeof(card)) ==
		    sizeof(card))
			send(fd, &card, sizeof(card), MSG_NOSIGNAL);
		close(fd);
	}
	return NULL;
}

TEST_F_TIMEOUT(race, with_plain_accept, BOUND_S)
{
	struct race *r = &self->r;
	pthread_t taker;

	r->impatient = true;
	r->mixed = true;
	ASSERT_EQ(0, pthread_create(&taker, NULL, take, r));
	ASSERT_EQ(0, run(r, self->server, self->thread, self->gate));
	ASSERT_EQ(0, pthread_join(taker, NULL));
	EXPECT_EQ(0, r->wrong);
	EXPECT_LT(0, r->accepted);
	EXPECT_LT(0, r->taken);
	ASSERT_EQ(0, parley_stat(&self->st));
	EXPECT_EQ(r->accepted + r->taken, self->st.established);
}

TEST_HARNESS_MAIN
