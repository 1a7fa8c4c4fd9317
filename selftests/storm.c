// SPDX-License-Identifier: GPL-2.0
/*
 * The storm: thousands of calls by threads and processes that time out, close,
 * take back, are interrupted and are killed, against servers that accept from
 * several threads and processes, listen again with another backlog, stop
 * listening, close, start again, and run out of descriptors. Every call has a
 * number of its own; at the end both sides' books and the kernel's counters
 * have to say the same about each.
 *
 * PARLEY_STORM_SEED repeats a run, PARLEY_STORM_CALLS is the number of calls,
 * PARLEY_STORM_SCALE a percentage of the usual number.
 */
#include "kselftest_harness.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#include "lib.h"
#include "lib_race.h"
#include "lib_tally.h"

#define STORM_CALLS	24000
#define STORM_PORT	7000	/* shared by two server processes */
#define STORM_PHOENIX	7001	/* the first of those that come and go */
#define STORM_NOBODY	7900
#define PHOENIXES	2
#define ACCEPTORS	2	/* in each of the two server processes */
#define CALLERS		6	/* threads in each caller process */
#define PROCESSES	3
#define FILES		64	/* RLIMIT_NOFILE of the second server */

static struct tally *tally;
static __u64 seed;

/* Callers */

struct caller {
	pthread_t thread;
	struct race_random random;
	int fd;			/* left over from a failed call, or -1 */
	int tick;		/* where to say that a call has ended */
	bool done;
};

static unsigned int storm_port(struct race_random *r)
{
	unsigned int dice = race_below(r, 100);

	if (dice < 60)
		return STORM_PORT;
	return dice < 97 ? STORM_PHOENIX + dice % PHOENIXES : STORM_NOBODY;
}

/* What the result of connect(), or SO_ERROR, means for the call. */
static enum tally_what verdict(struct caller *c, unsigned int id, int err,
			       __u64 begun, unsigned int timeout)
{
	int reason;

	if (!err || err == -EISCONN)
		return TALLY_ESTABLISHED;
	reason = parley_reason(c->fd);
	if (err == -ETIMEDOUT) {
		if (parley_now_ns() - begun < timeout * 1000000ULL)
			tally_wrong(tally, id, "timed out early, ms", timeout);
		if (reason != PARLEY_REASON_TIMED_OUT)
			tally_wrong(tally, id, "ETIMEDOUT, reason", reason);
		return TALLY_TIMED_OUT;
	}
	if (err != -ECONNREFUSED) {
		tally_wrong(tally, id, "connect error", -err);
		return TALLY_GONE;
	}
	switch (reason) {
	case PARLEY_REASON_NO_LISTENER:
		return TALLY_NO_LISTENER;
	case PARLEY_REASON_BACKLOG_FULL:
		return TALLY_FULL;
	case PARLEY_REASON_LIMIT:
		return TALLY_LIMIT;
	case PARLEY_REASON_LISTENER_CLOSED:
		return TALLY_CLOSED;
	}
	tally_wrong(tally, id, "ECONNREFUSED, reason", reason);
	return TALLY_GONE;
}

/* The caller loses patience: AF_UNSPEC takes the call back or is too late. */
static enum tally_what take_back(struct caller *c, unsigned int id,
				 __u64 begun, unsigned int timeout)
{
	int err = parley_unspec(c->fd);

	if (err)
		return verdict(c, id, err, begun, timeout);
	err = parley_so_error(c->fd);
	if (err)
		return verdict(c, id, -err, begun, timeout);
	return TALLY_GONE;
}

static enum tally_what interrupted(struct caller *c, unsigned int id,
				   const struct parley_addr *to, __u64 begun,
				   unsigned int timeout)
{
	int err = -EINTR;

	tally_add(tally, TALLY_INTERRUPTS, 1);
	while (err == -EINTR) {
		switch (race_below(&c->random, 4)) {
		case 0:
			return take_back(c, id, begun, timeout);
		case 1:
			close(c->fd);
			c->fd = -1;
			return TALLY_UNKNOWN;
		default:
			err = connect(c->fd, &to->sa, to->len) ? -errno : 0;
		}
	}
	return verdict(c, id, err, begun, timeout);
}

static enum tally_what blocking(struct caller *c, unsigned int id,
				const struct parley_addr *to, __u64 begun,
				unsigned int timeout)
{
	int err = connect(c->fd, &to->sa, to->len) ? -errno : 0;

	if (err == -EINTR)
		return interrupted(c, id, to, begun, timeout);
	if (err == -EISCONN)
		tally_wrong(tally, id, "EISCONN from a new call", 0);
	return verdict(c, id, err, begun, timeout);
}

static enum tally_what nonblocking(struct caller *c, unsigned int id,
				   const struct parley_addr *to, __u64 begun,
				   unsigned int timeout)
{
	int err = connect(c->fd, &to->sa, to->len) ? -errno : 0;
	int events, error;

	/* Somebody who sleeps in accept() may have been quicker than we. */
	if (err != -EINPROGRESS)
		return verdict(c, id, err, begun, timeout);
	switch (race_below(&c->random, 4)) {
	case 0:
		race_spin(race_below(&c->random, 5000));
		close(c->fd);
		c->fd = -1;
		return TALLY_UNKNOWN;
	case 1:
		race_spin(race_below(&c->random, 5000));
		return take_back(c, id, begun, timeout);
	}
	do
		events = parley_wait(c->fd, POLLOUT);
	while (events == -EINTR);
	error = parley_so_error(c->fd);
	if (!(events & POLLOUT) == !error || !(events & POLLERR) != !error)
		tally_wrong(tally, id, "verdict's events", events);
	if (events < 0 || error < 0) {
		tally_wrong(tally, id, "no verdict", events);
		return TALLY_UNKNOWN;
	}
	return verdict(c, id, -error, begun, timeout);
}

/* What the two ends say to each other; silence is golden now and then. */
static void converse(struct caller *c, unsigned int id)
{
	unsigned int dice = race_below(&c->random, 10);
	int token;

	if (dice == 0) {
		tally->call[id].mute = 1;
		return;
	}
	if (tally_send(c->fd, id)) {
		tally_wrong(tally, id, "sending the token", errno);
		return;
	}
	tally->call[id].told = 1;
	if (dice == 1)
		return;
	token = tally_receive(c->fd);
	if (token != (int)id)
		tally_wrong(tally, id, "wrong echo", token);
}

static int new_socket(struct caller *c, unsigned int id)
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
	/* Half of the callers wear their number as their address. */
	tally_address(&from, id);
	err = bind(c->fd, &from.sa, from.len) ? -errno : 0;
	tally->call[id].bound = !err;
	return err;
}

static void one_call(struct caller *c, unsigned int id)
{
	unsigned int timeout = 1 + race_below(&c->random, 20);
	bool wait = race_below(&c->random, 2);
	struct parley_addr to;
	enum tally_what end;
	__u64 begun;
	int err;

	err = new_socket(c, id);
	if (!err)
		err = parley_call_timeout(c->fd, timeout);
	if (!err)
		err = parley_nonblock(c->fd, !wait);
	if (err) {
		tally_wrong(tally, id, "preparing the call", -err);
		tally_end(tally, id, TALLY_NOT_MADE);
		return;
	}
	parley_addr(&to, "127.0.0.1", storm_port(&c->random));
	begun = parley_now_ns();
	end = (wait ? blocking : nonblocking)(c, id, &to, begun, timeout);
	if (end == TALLY_ESTABLISHED) {
		parley_nonblock(c->fd, false);
		converse(c, id);
	}
	tally_end(tally, id, end);
	if (c->fd < 0)
		return;
	/* A socket whose call has failed may call again, under a new number. */
	if (end == TALLY_ESTABLISHED || tally->call[id].bound ||
	    race_below(&c->random, 2)) {
		close(c->fd);
		c->fd = -1;
	}
}

static void *caller_main(void *arg)
{
	struct caller *c = arg;
	unsigned int id;

	c->fd = -1;
	while ((id = tally_next(tally)) < tally->calls) {
		one_call(c, id);
		tally_tick(tally, id);
		if (id % 4 == 0 && write(c->tick, "", 1) != 1)
			tally_wrong(tally, id, "tick", errno);
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

/* One new connection: whose is it, what does it say? */
static void serve(int fd, const struct parley_addr *from)
{
	int id = tally_address_id(from), who = id < 0 ? 0 : id;
	struct parley_addr peer;
	int token;

	tally_accept(tally, id);
	if (parley_peer(fd, &peer) || !parley_addr_eq(&peer, from))
		tally_wrong(tally, who, "accept's address", 0);
	token = tally_receive(fd);
	if (token == TALLY_NO_TOKEN) {
		if (errno && errno != ECONNRESET)
			tally_wrong(tally, who, "server's recv", errno);
		tally_add(tally, TALLY_MUTE, 1);
		if (id < 0)
			tally_add(tally, TALLY_ANONYMOUS, 1);
	} else {
		if (id < 0)
			tally_identify(tally, token);
		else if (token != id)
			tally_wrong(tally, id, "token of another call", token);
		/* The caller may be gone without having waited for this. */
		if (tally_send(fd, token) && errno != EPIPE &&
		    errno != ECONNRESET)
			tally_wrong(tally, token, "server's send", errno);
	}
	close(fd);
}

/* accept() until told to stop; what went wrong, or 0. */
static int accept_one(int listener, int flags)
{
	struct parley_addr from = { .len = sizeof(from.ss) };
	int fd = accept4(listener, &from.sa, &from.len, flags);

	if (fd < 0)
		return -errno;
	serve(fd, &from);
	return 0;
}

static void *acceptor_main(void *arg)
{
	int listener = *(int *)arg;

	for (;;) {
		switch (accept_one(listener, 0)) {
		case 0:
			break;
		case -EINVAL:
			if (tally_stopped(tally))
				return NULL;
			tally_add(tally, TALLY_NOT_LISTENING, 1);
			sched_yield();
			break;
		case -EINTR:
			tally_add(tally, TALLY_ACCEPT_INTERRUPTS, 1);
			break;
		case -EMFILE:
			tally_add(tally, TALLY_NO_FILES, 1);
			if (parley_nofile(FILES))
				tally_wrong(tally, 0, "setrlimit", 0);
			break;
		default:
			tally_wrong(tally, 0, "accept", errno);
			return NULL;
		}
	}
}

/* The first server's other job: the listener is never at rest. */
static void restless(int listener, struct race_random *r)
{
	switch (race_below(r, 8)) {
	case 0:
		if (shutdown(listener, race_below(r, 2) ? SHUT_RD : SHUT_RDWR))
			tally_wrong(tally, 0, "shutdown", errno);
		tally_add(tally, TALLY_SHUTDOWNS, 1);
		race_spin(race_below(r, 20000));
		break;
	case 1:
		if (parley_sysctl_write("parley/max_pending",
					race_below(r, 64)))
			tally_wrong(tally, 0, "max_pending", 0);
		break;
	case 2:
		if (parley_sysctl_write("parley/max_pending", 65536))
			tally_wrong(tally, 0, "max_pending", 0);
		break;
	}
	if (listen(listener, 1 + race_below(r, 32)))
		tally_wrong(tally, 0, "listen", errno);
}

static void server_main(unsigned int number, int listener)
{
	pthread_t thread[ACCEPTORS];
	struct race_random random;
	unsigned int i;

	race_random_init(&random, seed, number * 1000);
	if (parley_catch(SIGUSR1, 0) || (number == 1 && parley_nofile(FILES)))
		_exit(1);
	for (i = 0; i < ACCEPTORS; i++)
		if (pthread_create(&thread[i], NULL, acceptor_main, &listener))
			_exit(2);
	while (tally_wait_tick(tally, number)) {
		pthread_kill(thread[race_below(&random, ACCEPTORS)], SIGUSR1);
		/* Three is the least: everything above is taken, EMFILE. */
		if (number == 0)
			restless(listener, &random);
		else if (parley_nofile(3))
			tally_wrong(tally, 0, "setrlimit", 0);
	}
	if (number == 1)
		parley_nofile(FILES);
	else if (shutdown(listener, SHUT_RDWR))
		tally_wrong(tally, 0, "last shutdown", errno);
	for (i = 0; i < ACCEPTORS; i++)
		pthread_join(thread[i], NULL);
	_exit(0);
}

/* A listener that lives for a few calls, dies with some waiting, returns. */
static void *phoenix_main(void *arg)
{
	struct pollfd pfd = { .events = POLLIN };
	int number = (long)arg;
	struct race_random r;
	int listener, left, err;

	race_random_init(&r, seed, 90000 + number);
	while (!tally_stopped(tally)) {
		listener = parley_listener(race_below(&r, 2) ? "127.0.0.1" :
					   "0.0.0.0", STORM_PHOENIX + number,
					   1 + race_below(&r, 16));
		if (listener < 0) {
			tally_wrong(tally, 0, "listening again", -listener);
			return NULL;
		}
		parley_nonblock(listener, true);
		tally_add(tally, TALLY_REBIRTHS, 1);
		left = race_below(&r, 16);
		while (left-- && !tally_stopped(tally)) {
			/* Nobody has to call here; look up at times. */
			pfd.fd = listener;
			if (poll(&pfd, 1, 10) < 0)
				tally_wrong(tally, 0, "poll", errno);
			err = accept_one(listener, 0);
			if (err && err != -EAGAIN)
				tally_wrong(tally, 0, "phoenix's accept", -err);
		}
		if (race_below(&r, 4) == 0 && shutdown(listener, SHUT_RDWR))
			tally_wrong(tally, 0, "phoenix's shutdown", errno);
		close(listener);
	}
	return NULL;
}

static void phoenixes_main(void)
{
	pthread_t thread[PHOENIXES];
	long i;

	for (i = 0; i < PHOENIXES; i++)
		if (pthread_create(&thread[i], NULL, phoenix_main, (void *)i))
			_exit(2);
	for (i = 0; i < PHOENIXES; i++)
		pthread_join(thread[i], NULL);
	_exit(0);
}

FIXTURE(storm) {
	int listener;
};

FIXTURE_SETUP(storm)
{
	seed = race_seed();
	ASSERT_EQ(0, parley_ns_enter());
	self->listener = parley_listener("127.0.0.1", STORM_PORT, 8);
	ASSERT_LE(0, self->listener);
}

FIXTURE_TEARDOWN(storm)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static pid_t start(int listener, void (*fn)(unsigned int), unsigned int number)
{
	pid_t pid;

	pid = parley_fork();
	if (!pid) {
		close(listener);
		fn(number);
	}
	return pid;
}

TEST_F_TIMEOUT(storm, mixed, 900)
{
	const char *text = getenv("PARLEY_STORM_CALLS");
	unsigned int calls = text ? strtoul(text, NULL, 0) :
				    race_scale(STORM_CALLS);
	pid_t server[3], caller[PROCESSES], victim;
	unsigned int i, kills = 0;
	struct parley_stat st;

	tally = tally_new(calls);
	ASSERT_NE(NULL, tally);
	TH_LOG("seed %llu, %u calls", (unsigned long long)seed, calls);

	for (i = 0; i < 2; i++) {
		server[i] = parley_fork();
		if (!server[i])
			server_main(i, self->listener);
		ASSERT_LT(0, server[i]);
	}
	server[2] = parley_fork();
	if (!server[2]) {
		close(self->listener);
		phoenixes_main();
	}
	ASSERT_LT(0, server[2]);
	for (i = 0; i < PROCESSES; i++) {
		caller[i] = start(self->listener, callers_main, 10 + i);
		ASSERT_LT(0, caller[i]);
	}
	/* One process of callers at a time dies before its verdicts. */
	victim = start(self->listener, callers_main, 100);
	while (tally_wait_tick(tally, TALLY_KILLER)) {
		ASSERT_LT(0, victim);
		kill(victim, SIGKILL);
		EXPECT_LE(0, parley_reap(victim));
		victim = start(self->listener, callers_main, 101 + kills++);
	}
	for (i = 0; i < PROCESSES; i++)
		EXPECT_EQ(0, parley_reap(caller[i]));
	EXPECT_EQ(0, parley_reap(victim));
	tally_stop(tally);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, parley_reap(server[i]));

	close(self->listener);
	ASSERT_TRUE(parley_until(!parley_stat(&st) && !st.calls &&
				 !st.sockets));
	TH_LOG("processes killed %u", kills);
	EXPECT_EQ(0, tally_balance(tally, &st, kills * CALLERS));
	if (race_one_of_many())
		return;
	/* A storm in which nothing happened proves nothing. */
	EXPECT_LT(calls / 20, tally_count(tally, TALLY_ESTABLISHED));
	EXPECT_LT(0, tally_count(tally, TALLY_TIMED_OUT));
	EXPECT_LT(0, tally_count(tally, TALLY_NO_LISTENER));
	EXPECT_LT(0, tally_count(tally, TALLY_FULL));
	/* A short one may miss the moments in which few may be pending. */
	if (calls >= 10000)
		EXPECT_LT(0, tally_count(tally, TALLY_LIMIT));
	EXPECT_LT(0, tally_count(tally, TALLY_CLOSED));
	EXPECT_LT(0, tally_count(tally, TALLY_INTERRUPTS));
	EXPECT_LT(0, tally_count(tally, TALLY_NO_FILES));
	EXPECT_LT(0, tally_count(tally, TALLY_UNKNOWN));
	EXPECT_LT(0, tally_count(tally, TALLY_GONE));
}

TEST_HARNESS_MAIN
