// SPDX-License-Identifier: GPL-2.0
/*
 * The storm of storm.c with verdicts: callers with terms of all kinds that
 * time out, close, take back, are interrupted and are killed, against threads
 * that accept, deciders that say one thing or another and reserve, deciders
 * that are killed again and again, rules that are replaced all the time, and
 * listeners that review, change their stage and their default verdict, stop
 * and start again. Every call has a number of its own; at the end all books
 * and the kernel's counters have to say the same about each.
 *
 * PARLEY_STORM_SEED repeats a run, PARLEY_STORM_CALLS is the number of calls,
 * PARLEY_STORM_SCALE a percentage of the usual number.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include "lib.h"
#include "lib_books.h"
#include "lib_race.h"
#include "lib_serve.h"
#include "lib_tally.h"

#define STORM_CALLS	40000
#define STORM_PORT	7400	/* shared by all servers but one */
#define STORM_PHOENIX	7401	/* comes and goes */
#define STORM_NOBODY	7499
#define ACCEPTORS	2
#define DECIDERS	2	/* who live */
#define CALLERS		6	/* threads in each caller process */
#define PROCESSES	2
#define FILES		64	/* RLIMIT_NOFILE of the living deciders */
#define PATIENCE_MS	40

static struct books *books;
static struct tally *tally;
static __u64 seed;

/* Callers */

struct caller {
	pthread_t thread;
	struct race_random random;
	int fd;			/* left over from a failed call, or -1 */
	int tick;		/* where to say that a call has ended */
	bool done;
	unsigned int id;
	unsigned int timeout;
	struct parley_addr to;
	__u64 begun;
};

/* ECONNREFUSED: by whom, and was it this call that was meant? */
static int refused_by(struct caller *c)
{
	unsigned int code = 0;
	struct parley_refusal r;
	int end;

	if (parley_refusal(c->fd, &r))
		tally_wrong(tally, c->id, "no refusal", errno);
	switch (r.reason) {
	case PARLEY_REASON_NO_LISTENER:
		end = TALLY_NO_LISTENER;
		break;
	case PARLEY_REASON_BACKLOG_FULL:
		end = TALLY_FULL;
		break;
	case PARLEY_REASON_LIMIT:
		end = TALLY_LIMIT;
		break;
	case PARLEY_REASON_LISTENER_CLOSED:
		end = TALLY_CLOSED;
		break;
	case PARLEY_REASON_DEFER_EXPIRED:
		end = BOOKS_EXPIRED;
		break;
	case PARLEY_REASON_RULE:
		end = BOOKS_RULE;
		code = BOOKS_RULE_CODE;
		break;
	case PARLEY_REASON_SERVER:
		end = BOOKS_SERVER;
		code = c->id + 1;
		break;
	default:
		tally_wrong(tally, c->id, "ECONNREFUSED, reason", r.reason);
		end = TALLY_UNKNOWN;
	}
	if (r.code != code)
		tally_wrong(tally, c->id, "code", r.code);
	if (!books_reply_agrees(c->fd, c->id))
		tally_wrong(tally, c->id, "reply of a refusal", r.data_len);
	return end;
}

/* What the result of connect(), or SO_ERROR, means for the call. */
static int verdict(struct caller *c, int err)
{
	switch (err) {
	case 0:
	case -EISCONN:
		if (!books_reply_agrees(c->fd, c->id))
			tally_wrong(tally, c->id, "reply", 0);
		return TALLY_ESTABLISHED;
	case -ETIMEDOUT:
		if (parley_now_ns() - c->begun < c->timeout * 1000000ULL)
			tally_wrong(tally, c->id, "timed out early, ms",
				    c->timeout);
		if (parley_reason(c->fd) != PARLEY_REASON_TIMED_OUT)
			tally_wrong(tally, c->id, "ETIMEDOUT, reason",
				    parley_reason(c->fd));
		return TALLY_TIMED_OUT;
	case -ECONNREFUSED:
		return refused_by(c);
	}
	tally_wrong(tally, c->id, "connect error", -err);
	return TALLY_UNKNOWN;
}

/* AF_UNSPEC takes the call back, or is too late; the reason tells. */
static int take_back(struct caller *c)
{
	int err = parley_unspec(c->fd), reason;

	if (err)
		return verdict(c, err);
	reason = parley_reason(c->fd);
	if (reason == PARLEY_REASON_NONE)
		return TALLY_GONE;
	return verdict(c, reason == PARLEY_REASON_TIMED_OUT ? -ETIMEDOUT :
							      -ECONNREFUSED);
}

static int close_it(struct caller *c)
{
	close(c->fd);
	c->fd = -1;
	return TALLY_UNKNOWN;
}

static int blocking(struct caller *c)
{
	int err = connect(c->fd, &c->to.sa, c->to.len) ? -errno : 0;

	if (err == -EISCONN)
		tally_wrong(tally, c->id, "EISCONN from a new call", 0);
	while (err == -EINTR) {
		tally_add(tally, TALLY_INTERRUPTS, 1);
		switch (race_below(&c->random, 4)) {
		case 0:
			return take_back(c);
		case 1:
			return close_it(c);
		}
		err = connect(c->fd, &c->to.sa, c->to.len) ? -errno : 0;
	}
	return verdict(c, err);
}

static int nonblocking(struct caller *c)
{
	int err = connect(c->fd, &c->to.sa, c->to.len) ? -errno : 0;
	unsigned int dice = race_below(&c->random, 6);
	int events, error;

	/* Somebody may have been quicker than we. */
	if (err != -EINPROGRESS)
		return verdict(c, err);
	if (dice < 2) {
		race_spin(race_below(&c->random, 30000));
		return dice ? take_back(c) : close_it(c);
	}
	while ((events = parley_wait(c->fd, POLLOUT)) == -EINTR)
		;
	error = parley_so_error(c->fd);
	if (events < 0 || !(events & POLLOUT) == !error ||
	    !(events & POLLERR) != !error) {
		tally_wrong(tally, c->id, "verdict's events", events);
		return TALLY_UNKNOWN;
	}
	return verdict(c, -error);
}

/* What the two ends say to each other; the server may die meanwhile. */
static void converse(struct caller *c)
{
	int token = TALLY_NO_TOKEN;

	parley_nonblock(c->fd, false);
	if (race_below(&c->random, 10) == 0)
		return;
	if (!tally_send(c->fd, c->id))
		token = tally_receive(c->fd);
	if (token == TALLY_NO_TOKEN)
		books_add(books, BOOKS_NO_ECHO, 1);
	else if (token != (int)c->id)
		tally_wrong(tally, c->id, "wrong echo", token);
}

static int new_socket(struct caller *c)
{
	struct parley_addr from;
	int err;

	if (c->fd >= 0)
		return 0;
	c->fd = parley_socket(SOCK_CLOEXEC);
	if (c->fd < 0)
		return c->fd;
	if (race_below(&c->random, 2))
		return 0;
	/* Half of the callers wear their number as their address, too. */
	tally_address(&from, c->id);
	err = bind(c->fd, &from.sa, from.len) ? -errno : 0;
	tally->call[c->id].bound = !err;
	return err;
}

static void one_call(struct caller *c)
{
	unsigned int dice = race_below(&c->random, 100);
	bool wait = race_below(&c->random, 2);
	int err, end = TALLY_NOT_MADE;

	c->timeout = 1 + race_below(&c->random, PATIENCE_MS);
	parley_addr(&c->to, "127.0.0.1", dice < 70 ? STORM_PORT :
		    dice < 97 ? STORM_PHOENIX : STORM_NOBODY);
	err = new_socket(c) ?: books_terms(c->fd, c->id, &c->random) ?:
	      parley_call_timeout(c->fd, c->timeout) ?:
	      parley_nonblock(c->fd, !wait);
	if (err) {
		tally_wrong(tally, c->id, "preparing the call", -err);
	} else {
		c->begun = parley_now_ns();
		end = wait ? blocking(c) : nonblocking(c);
	}
	/* Before they talk: then it is known, whatever becomes of us. */
	books_end(books, c->id, end);
	if (end == TALLY_ESTABLISHED)
		converse(c);
	/* A socket whose call has failed may call again, under a new number. */
	if (c->fd >= 0 && (end == TALLY_ESTABLISHED ||
			   tally->call[c->id].bound ||
			   race_below(&c->random, 2)))
		close_it(c);
}

static void *caller_main(void *arg)
{
	struct caller *c = arg;

	c->fd = -1;
	while ((c->id = tally_next(tally)) < tally->calls) {
		one_call(c);
		tally_tick(tally, c->id);
		if (c->id % 32 == 0)
			books_tick(books);
		if (c->id % 4 == 0 && write(c->tick, "", 1) != 1)
			tally_wrong(tally, c->id, "tick", errno);
	}
	__atomic_store_n(&c->done, true, __ATOMIC_RELEASE);
	if (write(c->tick, "", 1) != 1)
		tally_wrong(tally, 0, "last tick", errno);
	if (c->fd >= 0)
		close(c->fd);
	return NULL;
}

/* A process of callers; its first thread pesters the others with signals. */
static void callers_main(unsigned int number)
{
	struct caller c[CALLERS];
	struct race_random random;
	unsigned int i, left = CALLERS;
	int tick[2];
	char byte;

	race_random_init(&random, seed, number * 1000);
	if (parley_catch(SIGUSR1, 0) || pipe2(tick, O_CLOEXEC))
		_exit(1);
	for (i = 0; i < CALLERS; i++) {
		c[i].done = false;
		c[i].tick = tick[1];
		race_random_init(&c[i].random, seed, number * 1000 + i + 1);
		if (pthread_create(&c[i].thread, NULL, caller_main, &c[i]))
			_exit(2);
	}
	while (left) {
		if (read(tick[0], &byte, 1) != 1)
			_exit(3);
		pthread_kill(c[race_below(&random, CALLERS)].thread, SIGUSR1);
		for (left = i = 0; i < CALLERS; i++)
			left += !__atomic_load_n(&c[i].done, __ATOMIC_ACQUIRE);
	}
	for (i = 0; i < CALLERS; i++)
		pthread_join(c[i].thread, NULL);
	_exit(0);
}

/* Servers */

static void server_init(struct server *s, int listener, unsigned int number)
{
	s->books = books;
	s->listener = listener;
	s->slot = -1;
	s->flags = PARLEY_NEXT_DEFERRED;
	race_random_init(&s->random, seed, number);
}

/* What to do about an error: go on, until told to stop. */
static bool goes_on(int err, const char *what)
{
	switch (err) {
	case 0:
	case -EAGAIN:
		return true;
	case -EINTR:
		tally_add(tally, TALLY_ACCEPT_INTERRUPTS, 1);
		return true;
	case -EMFILE:
		tally_add(tally, TALLY_NO_FILES, 1);
		if (parley_nofile(FILES))
			tally_wrong(tally, 0, "setrlimit", 0);
		return true;
	case -EINVAL:
		if (tally_stopped(tally))
			return false;
		tally_add(tally, TALLY_NOT_LISTENING, 1);
		sched_yield();
		return true;
	}
	tally_wrong(tally, 0, what, -err);
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

/* The first server's other job: the listener is never at rest. */
static void restless(struct server *s)
{
	struct race_random *r = &s->random;

	switch (race_below(r, 32)) {
	case 0:
		if (shutdown(s->listener, race_below(r, 2) ? SHUT_RD :
			     SHUT_RDWR))
			tally_wrong(tally, 0, "shutdown", errno);
		tally_add(tally, TALLY_SHUTDOWNS, 1);
		race_spin(race_below(r, 20000));
		break;
	case 1 ... 4:
		if (parley_sysctl_write("parley/max_pending",
					race_below(r, 4) ? 65536 :
					race_below(r, 32)))
			tally_wrong(tally, 0, "max_pending", 0);
		break;
	default:
		serve_upset(s);
	}
	if (listen(s->listener, 1 + race_below(r, 64)))
		tally_wrong(tally, 0, "listen", errno);
}

/* Accepts and upsets (0), or decides (1), and lives to the end. */
static void server_main(unsigned int number, int listener)
{
	struct server s[ACCEPTORS + DECIDERS], own;
	unsigned int n = number ? DECIDERS : ACCEPTORS, i;
	pthread_t thread[ACCEPTORS + DECIDERS];

	server_init(&own, listener, number * 100);
	if (parley_catch(SIGUSR1, 0) || (number && parley_nofile(FILES)))
		_exit(1);
	for (i = 0; i < n; i++) {
		server_init(&s[i], listener, number * 100 + i + 1);
		if (pthread_create(&thread[i], NULL, number ? decider_main :
				   acceptor_main, &s[i]))
			_exit(2);
	}
	while (tally_wait_tick(tally, number)) {
		pthread_kill(thread[race_below(&own.random, n)], SIGUSR1);
		/* Three is the least: everything above is taken, EMFILE. */
		if (!number)
			restless(&own);
		else if (parley_nofile(3))
			tally_wrong(tally, 0, "setrlimit", 0);
	}
	if (number)
		parley_nofile(FILES);
	else if (shutdown(listener, SHUT_RDWR))
		tally_wrong(tally, 0, "last shutdown", errno);
	for (i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	_exit(0);
}

/* Deciders that are killed; the next ones begin with what these have left. */
static void mortals_main(unsigned int life, int listener)
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

static void reaper_main(int listener)
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
			mortals_main(life, listener);
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

/* A listener that lives for a few calls, dies with some in each state. */
static void phoenix_main(void)
{
	struct pollfd pfd = { .events = POLLIN | POLLPRI };
	struct server s;
	int left;

	server_init(&s, -1, 400);
	while (!tally_stopped(tally)) {
		s.listener = parley_listener(race_below(&s.random, 2) ?
					     "127.0.0.1" : "0.0.0.0",
					     STORM_PHOENIX,
					     1 + race_below(&s.random, 16));
		if (s.listener < 0 || parley_nonblock(s.listener, true)) {
			tally_wrong(tally, 0, "listening again", -s.listener);
			_exit(1);
		}
		tally_add(tally, TALLY_REBIRTHS, 1);
		for (left = 0; left < 4; left++)
			serve_upset(&s);
		left = race_below(&s.random, 32);
		while (left-- && !tally_stopped(tally)) {
			/* Nobody has to call here; look up at times. */
			pfd.fd = s.listener;
			if (poll(&pfd, 1, 10) < 0)
				tally_wrong(tally, 0, "poll", errno);
			if (!goes_on(left % 4 ? serve_decide(&s) :
				     serve_accept(&s), "phoenix"))
				break;
		}
		close(s.listener);
	}
	_exit(0);
}

/* The storm itself */

FIXTURE(storm) {
	int listener;
};

FIXTURE_SETUP(storm)
{
	seed = race_seed();
	ASSERT_EQ(0, parley_ns_enter());
	self->listener = parley_listener("127.0.0.1", STORM_PORT, 16);
	ASSERT_LE(0, self->listener);
}

FIXTURE_TEARDOWN(storm)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static pid_t start_callers(int listener, unsigned int number)
{
	pid_t pid = parley_fork();

	if (pid)
		return pid;
	close(listener);
	callers_main(number);
	return 0;
}

static pid_t start_server(int listener, unsigned int number)
{
	pid_t pid = parley_fork();

	if (pid)
		return pid;
	if (number < 2)
		server_main(number, listener);
	if (number == 2)
		reaper_main(listener);
	close(listener);
	phoenix_main();
	return 0;
}

TEST_F_TIMEOUT(storm, verdicts, 900)
{
	static const enum books_what must[] = {
		BOOKS_ACCEPT, BOOKS_REFUSE, BOOKS_DEFER, BOOKS_UNDECIDE,
		BOOKS_RESERVE, BOOKS_NO_CALL, BOOKS_SUCCESSIONS, BOOKS_DEFERRED,
		BOOKS_REVIEWED, BOOKS_TABLES, BOOKS_DEATHS,
	};
	const char *text = getenv("PARLEY_STORM_CALLS");
	unsigned int calls = text ? strtoul(text, NULL, 0) :
				    race_scale(STORM_CALLS);
	pid_t server[4], caller[PROCESSES], victim;
	unsigned int i, kills = 0;
	struct parley_stat st;

	books = books_new(calls);
	ASSERT_NE(NULL, books);
	tally = books->tally;
	TH_LOG("seed %llu, %u calls", (unsigned long long)seed, calls);

	for (i = 0; i < 4; i++) {
		server[i] = start_server(self->listener, i);
		ASSERT_LT(0, server[i]);
	}
	for (i = 0; i < PROCESSES; i++) {
		caller[i] = start_callers(self->listener, 10 + i);
		ASSERT_LT(0, caller[i]);
	}
	/* One process of callers at a time dies before its verdicts. */
	victim = start_callers(self->listener, 100);
	while (tally_wait_tick(tally, TALLY_KILLER)) {
		ASSERT_LT(0, victim);
		kill(victim, SIGKILL);
		EXPECT_LE(0, parley_reap(victim));
		victim = start_callers(self->listener, 101 + kills++);
	}
	for (i = 0; i < PROCESSES; i++)
		EXPECT_EQ(0, parley_reap(caller[i]));
	EXPECT_EQ(0, parley_reap(victim));
	tally_stop(tally);
	books_tick(books);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, parley_reap(server[i]));

	close(self->listener);
	ASSERT_TRUE(parley_until(!parley_stat(&st) && !st.calls &&
				 !st.sockets));
	EXPECT_EQ(0, books_balance(books, &st, kills * CALLERS));
	if (race_one_of_many())
		return;
	/* A storm in which nothing happened proves nothing. */
	EXPECT_LT(calls / 20, tally_count(tally, TALLY_ACCEPTED));
	EXPECT_LT(0, tally_count(tally, TALLY_INTERRUPTS));
	EXPECT_LT(0, books_ended(books, TALLY_TIMED_OUT));
	EXPECT_LT(0, books_ended(books, BOOKS_RULE));
	EXPECT_LT(0, books_ended(books, BOOKS_SERVER));
	for (i = 0; i < ARRAY_SIZE(must); i++)
		EXPECT_LT(0, books_count(books, must[i])) {
			TH_LOG("counter %d", must[i]);
		}
}

TEST_HARNESS_MAIN
