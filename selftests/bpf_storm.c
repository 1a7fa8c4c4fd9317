// SPDX-License-Identifier: GPL-2.0
/*
 * The storm of storm_decide.c with all that the kernel can be told to ask about
 * a call: rules, a filter that is attached, replaced and detached, and policies
 * that are chosen, updated, unloaded and loaded again. Callers time out, close,
 * take back and are killed; servers accept, decide, defer and review, and
 * deciders are killed. At the end all books, the kernel's counters and what the
 * policies noted about each call have to agree.
 *
 * PARLEY_STORM_SEED repeats a run, PARLEY_STORM_CALLS is the number of calls,
 * PARLEY_STORM_SCALE a percentage of the usual number.
 */
#include "kselftest_harness.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include "lib.h"
#include "lib_books.h"
#include "lib_bpf_race.h"
#include "lib_filter.h"
#include "lib_serve.h"

#define CALLS		20000
#define PORT		7700
#define PHOENIX		7701	/* comes and goes */
#define ACCEPTORS	2
#define DECIDERS	2	/* who live */
#define CALLERS		6	/* threads in each caller process */
#define PROCESSES	2
#define PATIENCE_MS	60

/* What all processes share beside the books. */
struct shared {
	struct trouble trouble;
	unsigned int refused[STORM_BYS];
	unsigned int filters;	/* attached or detached */
	unsigned int choices;
	unsigned int finished;	/* the policies may go */
};

static const char * const names[2] = { "storm_a", "storm_b" };

static struct shared *shared;
static struct books *books;
static struct tally *tally;
static int filter[STORM_FILTERS];
static int listener;
static __u64 seed;

static void add(unsigned int *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

/* Callers */

struct caller {
	pthread_t thread;
	struct race_random random;
	struct storm_call call;
};

/* A call that is pending: is waited for, taken back, or left by closing. */
static int pending(struct caller *c)
{
	unsigned int dice = race_below(&c->random, 8);
	int events;

	if (dice < 2)
		race_spin(race_below(&c->random, 100000));
	if (dice == 0)
		return TALLY_UNKNOWN;
	if (dice == 1)
		return storm_take_back(&c->call);
	events = parley_wait(c->call.fd, POLLOUT);
	if (events < 0) {
		tally_wrong(tally, c->call.id, "poll", events);
		return TALLY_UNKNOWN;
	}
	return storm_outcome(&c->call, -parley_so_error(c->call.fd));
}

static void converse(struct caller *c)
{
	int token = TALLY_NO_TOKEN;

	parley_nonblock(c->call.fd, false);
	if (race_below(&c->random, 10) == 0)
		return;
	if (!tally_send(c->call.fd, c->call.id))
		token = tally_receive(c->call.fd);
	if (token == TALLY_NO_TOKEN)
		books_add(books, BOOKS_NO_ECHO, 1);
	else if (token != (int)c->call.id)
		tally_wrong(tally, c->call.id, "echo of another call", token);
}

static void one_call(struct caller *c)
{
	unsigned int patience = 1 + race_below(&c->random, PATIENCE_MS);
	int port = race_below(&c->random, 10) ? PORT : PHOENIX;
	int err, end = TALLY_NOT_MADE;

	c->call.fd = parley_socket(SOCK_CLOEXEC);
	err = books_terms(c->call.fd, c->call.id, &c->random) ?:
	      parley_call_timeout(c->call.fd, patience) ?:
	      parley_nonblock(c->call.fd, race_below(&c->random, 2));
	if (err) {
		tally_wrong(tally, c->call.id, "terms", err);
	} else {
		err = test_connect(c->call.fd, "127.0.0.1", port);
		end = err == -EINPROGRESS ? pending(c) :
					    storm_outcome(&c->call, err);
	}
	/* Before they talk: then it is known, whatever becomes of us. */
	books_end(books, c->call.id, end);
	if (end == TALLY_ESTABLISHED)
		converse(c);
	close(c->call.fd);
}

static void *caller_main(void *arg)
{
	struct caller *c = arg;

	while ((c->call.id = tally_next(tally)) < tally->calls) {
		one_call(c);
		tally_tick(tally, c->call.id);
		if (c->call.id % 32 == 0)
			books_tick(books);
	}
	return NULL;
}

static void callers_main(unsigned int number)
{
	struct caller c[CALLERS];
	unsigned int i;

	for (i = 0; i < CALLERS; i++) {
		c[i].call.books = books;
		c[i].call.refused = shared->refused;
		race_random_init(&c[i].random, seed, number * 1000 + i + 1);
		if (pthread_create(&c[i].thread, NULL, caller_main, &c[i]))
			_exit(2);
	}
	for (i = 0; i < CALLERS; i++)
		pthread_join(c[i].thread, NULL);
	_exit(0);
}

/* Servers */

static void server_init(struct server *s, int fd, unsigned int number)
{
	s->books = books;
	s->listener = fd;
	s->slot = -1;
	s->flags = PARLEY_NEXT_DEFERRED;
	race_random_init(&s->random, seed, number);
}

/* What to do about an error: go on, until told to stop. */
static bool goes_on(int err, const char *what)
{
	if (!err || err == -EAGAIN)
		return true;
	if (err != -EINVAL || !tally_stopped(tally))
		tally_wrong(tally, 0, what, err);
	return false;
}

static void *acceptor_main(void *arg)
{
	while (goes_on(serve_accept(arg), "accept"))
		;
	return NULL;
}

static void *decider_main(void *arg)
{
	while (goes_on(serve_decide(arg), "next call"))
		;
	return NULL;
}

/* The filter is another one, or none. */
static void upset_filter(struct server *s)
{
	unsigned int which = race_below(&s->random, STORM_FILTERS + 2);
	int err;

	if (which < STORM_FILTERS) {
		err = filter_attach_bpf(s->listener, filter[which]);
	} else {
		err = filter_detach(s->listener);
		if (err == -ENOENT)
			err = 0;
	}
	if (err)
		tally_wrong(tally, 0, "changing the filter", err);
	add(&shared->filters);
}

static void upset_policy(struct server *s)
{
	int err = trouble_choose(&shared->trouble, s->listener, names,
				 &s->random);

	if (err)
		tally_wrong(tally, 0, "choosing a policy", err);
	add(&shared->choices);
}

static void upset(struct server *s)
{
	switch (race_below(&s->random, 3)) {
	case 0:
		upset_filter(s);
		break;
	case 1:
		upset_policy(s);
		break;
	default:
		serve_upset(s);
	}
}

/* Accepts and decides, and the listener is never at rest. */
static void server_main(void)
{
	struct server s[ACCEPTORS + DECIDERS], own;
	pthread_t thread[ACCEPTORS + DECIDERS];
	int i;

	server_init(&own, listener, 100);
	for (i = 0; i < ACCEPTORS + DECIDERS; i++) {
		server_init(&s[i], listener, 101 + i);
		if (pthread_create(&thread[i], NULL, i < ACCEPTORS ?
				   acceptor_main : decider_main, &s[i]))
			_exit(2);
	}
	while (tally_wait_tick(tally, TALLY_SERVER_0)) {
		upset(&own);
		/* By chance the listener has a policy to be unloaded. */
		if (race_below(&own.random, 2))
			upset_policy(&own);
	}
	if (shutdown(listener, SHUT_RDWR))
		tally_wrong(tally, 0, "last shutdown", errno);
	for (i = 0; i < ACCEPTORS + DECIDERS; i++)
		pthread_join(thread[i], NULL);
	_exit(0);
}

/* Deciders that are killed; the next ones begin with what these have left. */
static void mortals_main(unsigned int life)
{
	struct server s[BOOKS_MORTALS];
	pthread_t thread;
	int i;

	for (i = 0; i < BOOKS_MORTALS; i++) {
		server_init(&s[i], listener, 50000 + life * 10 + i);
		s[i].flags |= i ? 0 : PARLEY_NEXT_REWIND;
		s[i].slot = i;
		if (i && pthread_create(&thread, NULL, decider_main, &s[i]))
			_exit(2);
	}
	decider_main(&s[0]);
	pthread_join(thread, NULL);
	_exit(0);
}

static void reaper_main(void)
{
	struct race_random r;
	unsigned int life, i;
	pid_t child;

	race_random_init(&r, seed, 300);
	for (life = 0; !tally_stopped(tally); life++) {
		child = parley_fork();
		if (child < 0)
			_exit(1);
		if (!child)
			mortals_main(life);
		books_wait_tick(books);
		race_spin(race_below(&r, 50000));
		kill(child, SIGKILL);
		if (parley_reap(child) < 0)
			_exit(2);
		books_add(books, BOOKS_DEATHS, 1);
		for (i = 0; i < BOOKS_MORTALS; i++) {
			books_add(books, BOOKS_LOST, books->accepting[i]);
			books->accepting[i] = 0;
		}
	}
	_exit(0);
}

/* The policies' owner, and chooses them by their links. */
static void *owner_main(void *arg)
{
	struct owner *o = arg;
	struct race_random r;
	int err;

	race_random_init(&r, seed, 1 + (o - shared->trouble.owner));
	while (!__atomic_load_n(&shared->finished, __ATOMIC_ACQUIRE)) {
		if (race_below(&r, 4))
			err = owner_act(o, &r);
		else
			err = trouble_choose_link(&shared->trouble, listener,
						  &r);
		if (err)
			tally_wrong(tally, 0, "owner of a policy", err);
		race_spin(race_below(&r, 400000));
	}
	return NULL;
}

static void keeper_main(void)
{
	struct trouble *t = &shared->trouble;
	pthread_t thread[2];
	int i;

	if (trouble_load(t))
		_exit(1);
	for (i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, owner_main, &t->owner[i]))
			_exit(2);
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	trouble_unload(t);
	_exit(0);
}

/* A listener that lives for a few calls, dies with some in each state. */
static void phoenix_main(void)
{
	struct pollfd pfd = { .events = POLLIN | POLLPRI };
	struct server s;
	int left, err;

	server_init(&s, -1, 400);
	while (!tally_stopped(tally)) {
		s.listener = parley_listener("127.0.0.1", PHOENIX,
					     1 + race_below(&s.random, 16));
		if (s.listener < 0 || parley_nonblock(s.listener, true))
			_exit(1);
		tally_add(tally, TALLY_REBIRTHS, 1);
		upset_policy(&s);
		for (left = 0; left < 4; left++)
			upset(&s);
		for (left = race_below(&s.random, 32); left; left--) {
			/* Nobody has to call here; look up at times. */
			pfd.fd = s.listener;
			if (poll(&pfd, 1, 10) < 0)
				tally_wrong(tally, 0, "poll", errno);
			err = left % 4 ? serve_decide(&s) : serve_accept(&s);
			if (!goes_on(err, "phoenix"))
				break;
		}
		close(s.listener);
	}
	_exit(0);
}

static int make_filters(void)
{
	static const struct filter_answer answer[STORM_FILTERS] = {
		{ .ret = PARLEY_FILTER_ACCEPT, .cb[PARLEY_CB_SEND_RATE] = 500 },
		{ .ret = 0xffffffff },
		{ .ret = PARLEY_FILTER_DEFER, .cb[PARLEY_CB_RECV_RATE] = 600 },
		{
			.ret = PARLEY_FILTER_REFUSE,
			.cb[PARLEY_CB_CODE] = STORM_FILTER_CODE + 3,
			.cb[PARLEY_CB_RETRY_AFTER] = STORM_FILTER_CODE + 3,
		},
		{ .ret = PARLEY_FILTER_ACCEPT, .cb[PARLEY_CB_ZERO] = 1 },
	};
	int i;

	for (i = 0; i < STORM_FILTERS; i++) {
		filter[i] = filter_answers(&answer[i]);
		if (filter[i] < 0)
			return filter[i];
	}
	return 0;
}

static void (* const server_mains[])(void) = {
	server_main, reaper_main, phoenix_main,
};

#define SERVERS	ARRAY_SIZE(server_mains)

FIXTURE(bpf_storm) {
	unsigned int calls;
	pid_t keeper;
	pid_t server[SERVERS], caller[PROCESSES], victim;
};

FIXTURE_VARIANT(bpf_storm) {
	unsigned int trouble;
};

FIXTURE_VARIANT_ADD(bpf_storm, unloaded) {
	.trouble = TROUBLE_UNLOAD | TROUBLE_NONE,
};

/* Where all that was begun can be told to have ended. */
FIXTURE_VARIANT_ADD(bpf_storm, loaded) {
	.trouble = TROUBLE_NONE,
};

FIXTURE_SETUP(bpf_storm)
{
	const char *text = getenv("PARLEY_STORM_CALLS");

	if (!policy_possible())
		SKIP(return, NO_POLICIES);
	seed = race_seed();
	self->calls = text ? strtoul(text, NULL, 0) : race_scale(CALLS);
	TH_LOG("seed %llu, %u calls", (unsigned long long)seed, self->calls);
	ASSERT_EQ(0, parley_ns_enter());
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	books = books_new(self->calls);
	ASSERT_NE(NULL, books);
	tally = books->tally;
	ASSERT_EQ(0, make_filters());
	ASSERT_EQ(0, trouble_start(&shared->trouble, "bpf_storm.bpf.o",
				   self->calls, variant->trouble));
	listener = parley_listener("127.0.0.1", PORT, 16);
	ASSERT_LE(0, listener);
}

FIXTURE_TEARDOWN(bpf_storm)
{
	trouble_end(&shared->trouble);
	EXPECT_EQ(0, policy_expect_clean());
}

static pid_t start_callers(unsigned int number)
{
	pid_t pid = parley_fork();

	if (!pid) {
		close(listener);
		callers_main(number);
	}
	return pid;
}

static pid_t start(void (*main)(void))
{
	pid_t pid = parley_fork();

	if (!pid)
		main();
	return pid;
}

/* A storm in which nothing happened proves nothing. */
static void expect_all(struct __test_metadata *_metadata)
{
	static const enum books_what must[] = {
		BOOKS_ACCEPT, BOOKS_REFUSE, BOOKS_DEFER, BOOKS_RESERVE,
		BOOKS_DEFERRED, BOOKS_REVIEWED, BOOKS_TABLES, BOOKS_DEATHS,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(must); i++)
		EXPECT_LT(0, books_count(books, must[i])) {
			TH_LOG("counter %d", must[i]);
		}
	TH_LOG("refused by rules %u, filter %u, policy %u, fault %u",
	       shared->refused[STORM_RULES], shared->refused[STORM_FILTER],
	       shared->refused[STORM_POLICY], shared->refused[STORM_FAULT]);
	TH_LOG("filters %u, choices %u", shared->filters, shared->choices);
	for (i = 0; i < STORM_BYS; i++)
		EXPECT_LT(0, shared->refused[i]);
	EXPECT_LT(0, tally_count(tally, TALLY_ACCEPTED));
	EXPECT_LT(0, books_ended(books, TALLY_TIMED_OUT));
	EXPECT_LT(0, books_ended(books, TALLY_GONE));
}

TEST_F_TIMEOUT(bpf_storm, policies, 900)
{
	unsigned int i, kills = 0;
	struct parley_stat st;

	self->keeper = start(keeper_main);
	ASSERT_LT(0, self->keeper);
	ASSERT_TRUE(parley_until(policy_listed() == 2));
	for (i = 0; i < SERVERS; i++) {
		self->server[i] = start(server_mains[i]);
		ASSERT_LT(0, self->server[i]);
	}
	for (i = 0; i < PROCESSES; i++) {
		self->caller[i] = start_callers(10 + i);
		ASSERT_LT(0, self->caller[i]);
	}
	/* One process of callers at a time dies before its verdicts. */
	self->victim = start_callers(100);
	while (tally_wait_tick(tally, TALLY_KILLER)) {
		ASSERT_LT(0, self->victim);
		kill(self->victim, SIGKILL);
		EXPECT_LE(0, parley_reap(self->victim));
		self->victim = start_callers(101 + kills++);
	}
	for (i = 0; i < PROCESSES; i++)
		EXPECT_EQ(0, parley_reap(self->caller[i]));
	EXPECT_EQ(0, parley_reap(self->victim));
	tally_stop(tally);
	books_tick(books);
	for (i = 0; i < SERVERS; i++)
		EXPECT_EQ(0, parley_reap(self->server[i]));

	close(listener);
	/* The policies stay until they have been told of all ends. */
	EXPECT_TRUE(parley_until(!parley_stat(&st) && !st.calls));
	__atomic_store_n(&shared->finished, 1, __ATOMIC_RELEASE);
	EXPECT_EQ(0, parley_reap(self->keeper));
	ASSERT_TRUE(parley_until(!parley_stat(&st) && !st.calls &&
				 !st.sockets));
	EXPECT_EQ(0, books_balance(books, &st, kills * CALLERS));
	EXPECT_EQ(0, trouble_balance(&shared->trouble));
	if (!race_one_of_many())
		expect_all(_metadata);
}

TEST_HARNESS_MAIN
