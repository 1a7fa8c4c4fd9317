// SPDX-License-Identifier: GPL-2.0
/*
 * Filters that are attached, replaced and detached while they are at work:
 * each call is judged by one of them, once, or by none; and listeners that are
 * closed while somebody attaches something to them.
 *
 * PARLEY_STORM_SEED repeats a run, PARLEY_STORM_SCALE is a percentage of the
 * usual size.
 */
#include "kselftest_harness.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib_filter.h"
#include "lib_race.h"

#define HOST		"127.0.0.1"
#define PORT		7680
#define CALLERS		3
#define ACCEPTORS	2
#define SETTERS		2
#define CALLS		900	/* of each caller */
#define SIDES		3	/* two filters, and none */
#define WITHOUT		2
#define REFUSED		1	/* the group that filters refuse */

/**
 * struct tally - what several threads and processes count in common
 * @stop: enough
 * @wrong: what should not be
 * @refused: calls that a side refused, as their callers have it
 * @called: calls that a side accepted, as their callers have it
 * @accepted: the same, as the accepted sockets have it
 * @nobody: calls for which there was no listener, or not any more
 */
struct tally {
	unsigned int stop;
	unsigned int wrong;
	unsigned int refused[SIDES];
	unsigned int called[SIDES];
	unsigned int accepted[SIDES];
	unsigned int nobody;
};

static struct tally *tally;

static void add(unsigned int *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static bool stopped(void)
{
	return __atomic_load_n(&tally->stop, __ATOMIC_ACQUIRE);
}

static void stop(void)
{
	__atomic_store_n(&tally->stop, 1, __ATOMIC_RELEASE);
}

/* Whatever should not be; a few of them are told. */
static void wrong(const char *what, long value)
{
	if (__atomic_add_fetch(&tally->wrong, 1, __ATOMIC_RELAXED) > 20)
		return;
	printf("# should not be: %s %ld\n", what, value);
	fflush(stdout);
}

/**
 * struct side - one of the filters, and all that tells it from the other
 * @code: of its refusals
 * @retry_after_ms: likewise
 * @rate: what it grants of what is sent; of what is received, one more
 * @program: its descriptor
 */
static struct side {
	__u32 code;
	__u32 retry_after_ms;
	__u32 rate;
	int program;
} sides[WITHOUT] = {
	{ .code = 100, .retry_after_ms = 1000, .rate = 1111 },
	{ .code = 200, .retry_after_ms = 2000, .rate = 2222 },
};

/* Counts whom it is asked about in @map, where its side has its place. */
static int make_program(const struct side *s, int map)
{
	return filter_program(E_COPY(6, 1),
			      E_VALUE(7, map), E_MORE,
			      E_SET(2, 1),
			      E_COUNT(7, (s - sides) * 8, 2),
			      E_SET(2, FILTER_AT(group) + 7),
			      E_COPY(3, 10),
			      E_ADD(3, -8),
			      E_SET(4, 1),
			      E_CALL(BPF_FUNC_skb_load_bytes),
			      E_LOAD(BPF_B, 2, 10, -8),
			      E_JNE(2, REFUSED, 6),
			      E_SET(3, s->code),
			      E_STORE(BPF_W, 6, E_CB(PARLEY_CB_CODE), 3),
			      E_SET(3, s->retry_after_ms),
			      E_STORE(BPF_W, 6, E_CB(PARLEY_CB_RETRY_AFTER), 3),
			      E_SET(0, PARLEY_FILTER_REFUSE),
			      E_EXIT,
			      E_SET(3, s->rate),
			      E_STORE(BPF_W, 6, E_CB(PARLEY_CB_SEND_RATE), 3),
			      E_SET(3, s->rate + 1),
			      E_STORE(BPF_W, 6, E_CB(PARLEY_CB_RECV_RATE), 3),
			      E_SET(0, PARLEY_FILTER_ACCEPT),
			      E_EXIT);
}

static bool make_sides(__u64 **count)
{
	int map = filter_counters(count), i;

	for (i = 0; map >= 0 && i < WITHOUT; i++) {
		sides[i].program = make_program(&sides[i], map);
		if (sides[i].program < 0)
			return false;
	}
	close(map);
	return map >= 0;
}

/* All that goes with a refusal is from one filter. */
static void check_refused(int fd)
{
	struct parley_refusal r;
	int i;

	if (parley_refusal(fd, &r)) {
		wrong("no refusal", errno);
		return;
	}
	if (r.reason == PARLEY_REASON_LISTENER_CLOSED ||
	    r.reason == PARLEY_REASON_NO_LISTENER ||
	    r.reason == PARLEY_REASON_BACKLOG_FULL) {
		add(&tally->nobody);
		return;
	}
	i = r.code == sides[1].code;
	if (r.reason != PARLEY_REASON_FILTER || r.code != sides[i].code ||
	    r.retry_after_ms != sides[i].retry_after_ms || r.data_len)
		wrong("refused with code", r.code);
	add(&tally->refused[i]);
}

/* Which of them has granted this. */
static int side_of(const struct parley_qos *qos)
{
	const __u32 rate = qos->send.token_rate;
	int i;

	for (i = 0; i < WITHOUT; i++)
		if (rate == sides[i].rate &&
		    qos->recv.token_rate == rate + 1)
			return i;
	if (rate != PARLEY_QOS_UNSPECIFIED ||
	    qos->recv.token_rate != PARLEY_QOS_UNSPECIFIED)
		wrong("granted", rate);
	return WITHOUT;
}

static void check_called(int fd, __u64 group)
{
	struct parley_qos qos;
	int i;

	if (terms_qos(fd, &qos)) {
		wrong("no quality of service", errno);
		return;
	}
	i = side_of(&qos);
	if (group == REFUSED && i != WITHOUT)
		wrong("accepted by", i);
	add(&tally->called[i]);
}

static void check_accepted(int fd)
{
	struct parley_call_info info;
	int i;

	if (terms_info(fd, &info)) {
		wrong("no information", errno);
		return;
	}
	i = side_of(&info.granted);
	if (info.decided_by != (i == WITHOUT ? PARLEY_BY_ACCEPT :
					       PARLEY_BY_FILTER))
		wrong("decided by", info.decided_by);
	add(&tally->accepted[i]);
}

/* A blocking call: what connect(2) says. */
static void call(int port, __u64 group)
{
	int fd = parley_socket(SOCK_CLOEXEC), err;

	if (fd < 0) {
		wrong("socket", fd);
		return;
	}
	err = terms_set_group(fd, group) ?: test_connect(fd, HOST, port);
	if (err == -ECONNREFUSED)
		check_refused(fd);
	else if (!err)
		check_called(fd, group);
	else
		wrong("connect", err);
	close(fd);
}

static long caller_main(void *arg)
{
	unsigned int i, calls = *(unsigned int *)arg;

	for (i = 0; i < calls; i++)
		call(PORT, REFUSED + i % 2);
	return 0;
}

static long acceptor_main(void *arg)
{
	int l = *(int *)arg, fd;

	for (;;) {
		fd = test_accept(l, 0);
		if (fd < 0)
			return fd;
		check_accepted(fd);
		close(fd);
	}
}

/* Several of them do this at the same time. */
static long setter_main(void *arg)
{
	const int l = *(int *)arg;
	unsigned int i;
	int err;

	for (i = 0; !stopped(); i++) {
		if (i % 5 == 4)
			err = filter_detach(l);
		else
			err = filter_attach_bpf(l, sides[i % 2].program);
		if (err && (err != -ENOENT || i % 5 != 4))
			wrong("setting a filter", err);
	}
	return i;
}

/* Looks at all there is until the listener is shut down. */
static long looker_main(void *arg)
{
	struct parley_call_info info;
	int err;

	while (!(err = terms_next(*(int *)arg, &info, 0)))
		if (info.group == REFUSED &&
		    info.decided_by == PARLEY_BY_FILTER)
			wrong("shown, and yet refused, id", info.id);
	return err;
}

/* Memory that children have, too. */
static struct tally *share(void)
{
	void *at = mmap(NULL, sizeof(struct tally), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

FIXTURE(race) {
	int l;
	__u64 *asked;	/* how often each filter was */
};

FIXTURE_VARIANT(race) {
	unsigned int stage;
	bool look;	/* somebody looks at the calls before they are taken */
};

FIXTURE_VARIANT_ADD(race, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(race, arrival) { .stage = PARLEY_STAGE_ARRIVAL };
FIXTURE_VARIANT_ADD(race, look) {
	.stage = PARLEY_STAGE_ACCEPT,
	.look = true,
};

FIXTURE_SETUP(race)
{
	ASSERT_EQ(0, parley_ns_enter());
	tally = share();
	ASSERT_NE(NULL, tally);
	ASSERT_TRUE(make_sides(&self->asked));
	self->l = parley_listener(HOST, PORT, 64);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
}

FIXTURE_TEARDOWN(race)
{
	EXPECT_EQ(0, tally->wrong);
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F_TIMEOUT(race, replaced, 500)
{
	struct parley_thread caller[CALLERS], acceptor[ACCEPTORS];
	struct parley_thread setter[SETTERS], looker;
	unsigned int i, calls = race_scale(CALLS), sum = 0;
	long sets = 0;

	for (i = 0; i < ACCEPTORS; i++)
		ASSERT_EQ(0, parley_thread_start(&acceptor[i], 0,
						 acceptor_main, &self->l));
	if (variant->look)
		ASSERT_EQ(0, parley_thread_start(&looker, 0, looker_main,
						 &self->l));
	for (i = 0; i < SETTERS; i++)
		ASSERT_EQ(0, parley_thread_start(&setter[i], 0, setter_main,
						 &self->l));
	for (i = 0; i < CALLERS; i++)
		ASSERT_EQ(0, parley_thread_start(&caller[i], 0, caller_main,
						 &calls));
	/* Each of their calls is bounded by the harness' time alone. */
	for (i = 0; i < CALLERS; i++)
		pthread_join(caller[i].thread, NULL);
	stop();
	for (i = 0; i < SETTERS; i++)
		sets += parley_thread_join(&setter[i]);
	ASSERT_EQ(0, shutdown(self->l, SHUT_RDWR));
	for (i = 0; i < ACCEPTORS; i++)
		EXPECT_EQ(-EINVAL, parley_thread_join(&acceptor[i]));
	if (variant->look)
		EXPECT_EQ(-EINVAL, parley_thread_join(&looker));

	TH_LOG("set %ld times; calls judged by %llu, %llu and none: %u", sets,
	       (unsigned long long)self->asked[0],
	       (unsigned long long)self->asked[1], tally->called[WITHOUT]);
	/* Each call by one of them, and once; and both ends know by whom. */
	for (i = 0; i < SIDES; i++) {
		EXPECT_EQ(tally->called[i], tally->accepted[i]);
		sum += tally->called[i] + tally->refused[i];
		if (i != WITHOUT)
			EXPECT_EQ(self->asked[i],
				  tally->called[i] + tally->refused[i]);
	}
	EXPECT_EQ(CALLERS * calls, sum);
	EXPECT_EQ(0, tally->nobody);
	EXPECT_LT(0, self->asked[0]);
	EXPECT_LT(0, self->asked[1]);
}

/* Listeners that come and go */

#define GHOST_PORT	(PORT + 1)
#define GHOST_ROUNDS	300
#define GHOST_CALLERS	2

/* Calls that filters refuse, until told to stop, whoever listens. */
static long ghost_caller(void *arg)
{
	while (!stopped())
		call(GHOST_PORT, REFUSED);
	return 0;
}

static void ghost_callers(void)
{
	struct parley_thread t[GHOST_CALLERS];
	int i;

	for (i = 0; i < GHOST_CALLERS; i++)
		if (parley_thread_start(&t[i], 0, ghost_caller, NULL))
			_exit(1);
	for (i = 0; i < GHOST_CALLERS; i++)
		pthread_join(t[i].thread, NULL);
	_exit(0);
}

/* One filter after another until the descriptor is not there any more. */
static long ghost_setter(void *arg)
{
	int l = *(int *)arg, err = 0;
	unsigned int i;

	for (i = 0; !err; i++)
		err = filter_attach_bpf(l, sides[i % 2].program);
	return err;
}

/* Takes what there is until the listener is shut down or closed. */
static long ghost_acceptor(void *arg)
{
	int fd;

	while ((fd = test_accept(*(int *)arg, 0)) >= 0)
		wrong("accepted", fd);
	return fd;
}

FIXTURE(ghost) {
	pid_t callers;
	__u64 *asked;
};

FIXTURE_VARIANT(ghost) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(ghost, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(ghost, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

FIXTURE_SETUP(ghost)
{
	ASSERT_EQ(0, parley_ns_enter());
	tally = share();
	ASSERT_NE(NULL, tally);
	ASSERT_TRUE(make_sides(&self->asked));
	self->callers = parley_fork();
	ASSERT_LE(0, self->callers);
	if (!self->callers)
		ghost_callers();
}

FIXTURE_TEARDOWN(ghost)
{
	EXPECT_EQ(0, tally->wrong);
	EXPECT_EQ(0, parley_expect_clean());
}

/* A listener that has a filter before anybody can call it. */
static int ghost_listener(unsigned int stage)
{
	int l = parley_bound(HOST, GHOST_PORT), err;

	if (l < 0)
		return l;
	err = terms_set_stage(l, stage) ?:
	      filter_attach_bpf(l, sides[0].program);
	if (!err && listen(l, 8))
		err = -errno;
	return err ?: l;
}

/* This process makes no descriptor while its setter runs. */
TEST_F_TIMEOUT(ghost, closed, 500)
{
	unsigned int round, rounds = race_scale(GHOST_ROUNDS);
	struct parley_thread setter, acceptor;
	struct race_random random;
	__u64 seed = race_seed();
	int l;

	TH_LOG("seed %llu", (unsigned long long)seed);
	race_random_init(&random, seed, 1);
	for (round = 0; round < rounds; round++) {
		l = ghost_listener(variant->stage);
		ASSERT_LE(0, l);
		ASSERT_EQ(0, parley_thread_start(&setter, 0, ghost_setter, &l));
		ASSERT_EQ(0, parley_thread_start(&acceptor, 0, ghost_acceptor,
						 &l));
		race_spin(race_below(&random, 1000000));
		ASSERT_EQ(0, shutdown(l, SHUT_RDWR));
		ASSERT_EQ(-EINVAL, parley_thread_join(&acceptor));
		race_spin(race_below(&random, 100000));
		ASSERT_EQ(0, close(l));
		ASSERT_EQ(-EBADF, parley_thread_join(&setter));
	}
	stop();
	EXPECT_EQ(0, parley_reap(self->callers));
	TH_LOG("refused by %u and %u, nobody there %u", tally->refused[0],
	       tally->refused[1], tally->nobody);
	EXPECT_LT(0, tally->nobody);
	EXPECT_LT(0, tally->refused[0] + tally->refused[1]);
	/* Some calls were judged and had to hear something else. */
	EXPECT_GE(self->asked[0], tally->refused[0]);
	EXPECT_GE(self->asked[1], tally->refused[1]);
}

TEST_HARNESS_MAIN
