// SPDX-License-Identifier: GPL-2.0
/*
 * Faults that come by chance, to whoever is in the module's code: system calls
 * of several threads, timers, work and interrupts. Who is told of one tries
 * again, and in the end everything that was called has been accepted, and
 * everything that was said was heard, once.
 *
 * And tables that cannot grow, which they do in work that no thread waits for.
 */
#include "kselftest_harness.h"

#include <sched.h>
#include <sys/ioctl.h>

#include "lib_fault.h"
#include "lib_race.h"
#include "lib_rules.h"

#define PORT	9800
#define HOST	"127.0.0.1"
#define SLOW	600	/* seconds at most */
#define MANY	100	/* more than fit into a table that has not grown */

FIXTURE(fault_storm) {
	unsigned int injected[FAULT_KINDS];
	int fd[MANY];
	int l;
};

FIXTURE_SETUP(fault_storm)
{
	ASSERT_EQ(0, parley_ns_enter());
}

FIXTURE_TEARDOWN(fault_storm)
{
	fault_dry(self->injected);
	EXPECT_EQ(0, parley_expect_clean());
}

/* Nothing of what any table would need to be larger. */
static void no_growth(void)
{
	fault_rain(FAULT_MEMORY, "bucket_table_alloc", 100, 1000000);
}

/* Until there is no room: how many there are then. What it says is ENOMEM. */
static int fill(int (*enter)(int i), int *fd)
{
	int i;

	no_growth();
	for (i = 0; i < MANY; i++) {
		fd[i] = enter(i);
		if (fd[i] == -ENOMEM)
			return i;
		if (fd[i] < 0)
			return fd[i];
	}
	return -E2BIG;
}

static int enter_bound(int i)
{
	return parley_bound(HOST, PORT + i);
}

TEST_F(fault_storm, bound)
{
	int n = fill(enter_bound, self->fd), i;

	ASSERT_LT(0, n);
	for (i = 0; i < n; i++) {
		ASSERT_TRUE(parley_name_is(self->fd[i], HOST, PORT + i));
		ASSERT_EQ(-EADDRINUSE, enter_bound(i));
	}
	fault_dry(self->injected);
	EXPECT_LT(0, self->injected[FAULT_SLAB]);
	self->fd[n] = enter_bound(n);
	ASSERT_LE(0, self->fd[n]);
	EXPECT_TRUE(parley_name_is(self->fd[n], HOST, PORT + n));
}

static int *listeners;

static int enter_listening(int i)
{
	return listen(listeners[i], 1) ? -errno : listeners[i];
}

TEST_F(fault_storm, listening)
{
	int fd[MANY], n, i;

	listeners = self->fd;
	for (i = 0; i < MANY; i++) {
		self->fd[i] = enter_bound(i);
		ASSERT_LE(0, self->fd[i]);
	}
	n = fill(enter_listening, fd);
	ASSERT_LT(0, n);
	EXPECT_EQ(0, parley_sockopt(self->fd[n], SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_EQ(-ECONNREFUSED, parley_call(HOST, PORT + n));
	fault_dry(self->injected);
	EXPECT_LT(0, self->injected[FAULT_SLAB]);
	ASSERT_EQ(0, listen(self->fd[n], 1));
	for (i = 0; i <= n; i++) {
		int call = parley_call(HOST, PORT + i);

		ASSERT_LE(0, call);
		ASSERT_EQ(1, parley_pending(self->fd[i]));
		ASSERT_EQ(0, close(call));
	}
}

static int enter_calling(int i)
{
	char host[32];

	snprintf(host, sizeof(host), "127.0.1.%d", i + 1);
	return parley_call(host, PORT);
}

TEST_F(fault_storm, called)
{
	int n, i;

	self->l = parley_listener("0.0.0.0", PORT, MANY);
	ASSERT_LE(0, self->l);
	n = fill(enter_calling, self->fd);
	ASSERT_LT(0, n);
	EXPECT_EQ(n, parley_pending(self->l));
	fault_dry(self->injected);
	EXPECT_LT(0, self->injected[FAULT_SLAB]);
	self->fd[n] = enter_calling(n);
	ASSERT_LE(0, self->fd[n]);
	for (i = 0; i <= n; i++) {
		int got = test_accept(self->l, 0);

		ASSERT_LE(0, got);
		ASSERT_TRUE(parley_talks(self->fd[i], got));
		ASSERT_EQ(0, close(got));
	}
}

/* Who calls is the real user. */
static int enter_as(int i)
{
	int fd;

	if (setresuid(1000 + i, -1, -1))
		return -errno;
	fd = parley_call(HOST, PORT);
	return setresuid(0, -1, -1) ? -errno : fd;
}

TEST_F(fault_storm, users)
{
	int n, i;

	self->l = parley_listener(HOST, PORT, MANY);
	ASSERT_LE(0, self->l);
	n = fill(enter_as, self->fd);
	ASSERT_LT(0, n);
	EXPECT_EQ(n, parley_pending(self->l));
	fault_dry(self->injected);
	EXPECT_LT(0, self->injected[FAULT_SLAB]);
	self->fd[n] = enter_as(n);
	ASSERT_LE(0, self->fd[n]);
	for (i = 0; i <= n; i++)
		ASSERT_LE(0, test_accept(self->l, 0));
}

/* The storm */

#define SERVERS	3
#define CALLERS	6
#define MOST	20000	/* bytes of a message */

enum { PLAIN, DEFERRED, PACED, GROUPS };

/* What servers are: one looks at each call and decides. */
static const struct {
	int type;
	unsigned int stage;
	bool decides;
} kinds[SERVERS] = {
	{ SOCK_STREAM, PARLEY_STAGE_ACCEPT, false },
	{ SOCK_SEQPACKET, PARLEY_STAGE_ARRIVAL, false },
	{ SOCK_STREAM, PARLEY_STAGE_ACCEPT, true },
};

/* Each has books of its own. */
struct party {
	struct parley_thread thread;
	int l;
	int port;
	int type;
	bool decides;
	unsigned int number;
	unsigned int rounds;
	unsigned int done;
	unsigned int faults;
	char bytes[MOST];
	char want[MOST];
};

/* What is tried again: whatever a fault may be answered with. */
static bool faulty(struct party *p, long ret)
{
	if (ret >= 0 || (errno != ENOMEM && errno != EFAULT))
		return false;
	p->faults++;
	return true;
}

#define AGAIN(p, call)							\
({									\
	long __r;							\
									\
	do {								\
		__r = (call);						\
	} while (faulty(p, __r));					\
	__r;								\
})

static bool say(struct party *p, int fd, const void *bytes, size_t len)
{
	size_t sent = 0;
	long n;

	while (sent < len) {
		n = AGAIN(p, send(fd, bytes + sent, len - sent, MSG_NOSIGNAL));
		if (n <= 0)
			return false;
		sent += n;
	}
	return true;
}

static long hear(struct party *p, int fd)
{
	size_t sum = 0;
	long n;

	while ((n = AGAIN(p, recv(fd, p->bytes + sum, MOST - sum, 0))) > 0)
		sum += n;
	return n < 0 ? -errno : sum;
}

static unsigned int length_of(unsigned int id)
{
	return 1 + id * 7919 % (MOST - 1);
}

static int call_once(struct party *p, unsigned int id)
{
	const __u64 group = id % GROUPS;
	struct parley_addr to;
	struct parley_qos qos;
	__u32 back;
	int fd;

	fd = AGAIN(p, socket(AF_PARLEY, p->type, 0));
	if (fd < 0 || parley_addr(&to, HOST, p->port))
		return -1;
	terms_qos_none(&qos);
	qos.send.token_rate = 100000000;
	if (AGAIN(p, setsockopt(fd, SOL_PARLEY, PARLEY_CALL_DATA, &id, sizeof(id))) ||
	    AGAIN(p, setsockopt(fd, SOL_PARLEY, PARLEY_GROUP, &group, sizeof(group))) ||
	    (group == PACED &&
	     AGAIN(p, setsockopt(fd, SOL_PARLEY, PARLEY_QOS, &qos, sizeof(qos)))))
		return -2;
	if (AGAIN(p, connect(fd, &to.sa, to.len)))
		return -3;
	fault_bytes(p->want, MOST, id);
	if (!say(p, fd, p->want, length_of(id)) || shutdown(fd, SHUT_WR))
		return -4;
	if (hear(p, fd) != sizeof(back))
		return -5;
	memcpy(&back, p->bytes, sizeof(back));
	close(fd);
	return back == id ? 0 : -6;
}

static long caller(void *arg)
{
	struct party *p = arg;
	int err;

	while (p->done < p->rounds) {
		err = call_once(p, p->number * p->rounds + p->done);
		if (err)
			return err;
		__atomic_add_fetch(&p->done, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

static int serve_once(struct party *p, int fd)
{
	socklen_t len = sizeof(__u32);
	__u32 id;

	if (AGAIN(p, getsockopt(fd, SOL_PARLEY, PARLEY_CALL_DATA, &id, &len)))
		return -12;
	if (hear(p, fd) != length_of(id) ||
	    !fault_bytes_are(p->bytes, length_of(id), id))
		return -13;
	if (!say(p, fd, &id, sizeof(id)))
		return -14;
	close(fd);
	__atomic_add_fetch(&p->done, 1, __ATOMIC_RELAXED);
	return 0;
}

/* An acceptance that only this thread collects, with something to say. */
static int decide_on(struct party *p)
{
	struct parley_next_call next = { .size = sizeof(next) };
	struct parley_decision d = {
		.size = sizeof(d),
		.verdict = PARLEY_ACCEPT,
		.flags = PARLEY_DECIDE_RESERVE,
		.reply = (unsigned long)"welcome",
		.reply_len = 7,
	};

	if (AGAIN(p, ioctl(p->l, PARLEY_IOC_NEXT_CALL, &next)))
		return -1;
	d.id = next.info.id;
	return AGAIN(p, ioctl(p->l, PARLEY_IOC_DECIDE, &d));
}

/* Until the listener is shut down. */
static long server(void *arg)
{
	struct party *p = arg;
	int fd, err = 0;

	while (!err) {
		fd = p->decides ? decide_on(p) : 0;
		if (!fd)
			fd = AGAIN(p, accept(p->l, NULL, NULL));
		if (fd < 0)
			return errno == EINVAL ? 0 : -11;
		err = serve_once(p, fd);
	}
	return err;
}

static unsigned int progress(struct party *p)
{
	return __atomic_load_n(&p->done, __ATOMIC_RELAXED);
}

/* However long it takes, as long as it goes on. */
static long party_end(struct party *p)
{
	unsigned int done;

	do {
		done = progress(p);
		parley_until(parley_thread_done(&p->thread) || progress(p) != done);
	} while (!parley_thread_done(&p->thread) && progress(p) != done);
	return parley_thread_join(&p->thread);
}

static struct party servers[SERVERS], callers[CALLERS];

/* Some are put off for a moment, some may send only so fast. */
static int listener_of(int port, int type, unsigned int stage, bool defers)
{
	int fd = socket(AF_PARLEY, type, 0), err;
	struct rules *t = rules_new();
	struct parley_qos qos;
	struct parley_rule *r;

	if (!t || parley_bind(fd, HOST, port) || listen(fd, 16))
		return -1;
	if (defers)
		rules_group(rules_add(t, PARLEY_DEFER), DEFERRED);
	r = rules_add(t, PARLEY_ACCEPT);
	rules_group(r, PACED);
	terms_qos_none(&qos);
	qos.send.token_rate = 50000000;
	rules_grant(&r->then, &qos);
	rules_reply(t, &r->then, "slowly");
	err = rules_set(fd, t) ?: terms_set_defer(fd, 1, PARLEY_ACCEPT);
	rules_free(t);
	return err ?: terms_set_stage(fd, stage) ?: fd;
}

TEST_F_TIMEOUT(fault_storm, calls, SLOW)
{
	unsigned int rounds = race_scale(1000), served = 0, faults = 0, i;
	struct parley_stat st;

	for (i = 0; i < SERVERS; i++) {
		servers[i].decides = kinds[i].decides;
		servers[i].l = listener_of(PORT + i, kinds[i].type, kinds[i].stage,
					   !kinds[i].decides);
		ASSERT_LE(0, servers[i].l);
	}
	fault_rain(FAULT_ALL, FAULT_OWN, 10, 1000000);
	for (i = 0; i < SERVERS; i++)
		ASSERT_EQ(0, parley_thread_start(&servers[i].thread, 0, server,
						 &servers[i]));
	for (i = 0; i < CALLERS; i++) {
		callers[i].number = i;
		callers[i].rounds = rounds;
		callers[i].port = PORT + i % SERVERS;
		callers[i].type = kinds[i % SERVERS].type;
		ASSERT_EQ(0, parley_thread_start(&callers[i].thread, 0, caller,
						 &callers[i]));
	}
	for (i = 0; i < CALLERS; i++)
		EXPECT_EQ(0, party_end(&callers[i]));
	for (i = 0; i < SERVERS; i++) {
		EXPECT_EQ(0, shutdown(servers[i].l, SHUT_RD));
		EXPECT_EQ(0, party_end(&servers[i]));
		served += servers[i].done;
		faults += servers[i].faults;
	}
	for (i = 0; i < CALLERS; i++)
		faults += callers[i].faults;
	fault_dry(self->injected);
	fault_count(self->injected);

	EXPECT_EQ(CALLERS * rounds, served);
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(CALLERS * rounds, st.established);
	EXPECT_EQ(0, st.withdrawn);
	EXPECT_LT(0, self->injected[FAULT_SLAB]);
	EXPECT_LT(0, self->injected[FAULT_PAGE]);
	EXPECT_LT(0, self->injected[FAULT_COPY]);
	TH_LOG("%u calls; %u slab, %u page, %u usercopy; %u were told", served,
	       self->injected[FAULT_SLAB], self->injected[FAULT_PAGE],
	       self->injected[FAULT_COPY], faults);
}

FAULT_HARNESS_MAIN;
