// SPDX-License-Identifier: GPL-2.0
/*
 * Deciders that die, and their successors: whoever holds the listener, by
 * inheritance or in a message, finds each call where the dead one has left it.
 * Processes are killed thousands of times, at any moment between looking at a
 * call and having accepted it. Several deciders at once are in rivals.c.
 * PARLEY_STORM_SEED and PARLEY_STORM_SCALE are as for the storm.
 */
#include "kselftest_harness.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include "lib.h"
#include "lib_decide.h"
#include "lib_race.h"
#include "lib_terms.h"

#define PORT	5600
#define CALLS	6
#define LONG_MS	60000	/* longer than any test lasts */

/* A listener in a message, over a pair of AF_UNIX sockets. */

union rights {
	char buf[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static int rights_send(int to, int fd)
{
	char byte = 'l';
	struct iovec iov = { &byte, 1 };
	union rights u = {};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.buf,
		.msg_controllen = sizeof(u.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(to, &msg, 0) == 1 ? 0 : -errno;
}

static int rights_receive(int from)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	union rights u = {};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.buf,
		.msg_controllen = sizeof(u.buf),
	};
	int fd, err = parley_wait(from, POLLIN);

	if (err < 0)
		return err;
	if (recvmsg(from, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* How the successor comes to the listener. */
enum heir { BY_FORK, BY_MESSAGE, BY_MESSAGE_LATER };

FIXTURE(heir) {
	int l;
	int link[2];
	int call[CALLS];
	int port[CALLS];
	pid_t child;
	unsigned long long begun;
	struct parley_gate ready;
	struct parley_gate go;
	struct parley_gate done;
	struct parley_next_call next;
};

FIXTURE_VARIANT(heir) {
	enum heir how;
};

FIXTURE_VARIANT_ADD(heir, by_fork) { .how = BY_FORK };
FIXTURE_VARIANT_ADD(heir, by_message) { .how = BY_MESSAGE };
/* The message is all there is while the first decider dies. */
FIXTURE_VARIANT_ADD(heir, in_flight) { .how = BY_MESSAGE_LATER };

/* One call in each of the states in which a decider may leave it. */
static void first_decider(int l)
{
	long long id[CALLS];
	int i;

	for (i = 0; i < CALLS - 1; i++) {
		id[i] = decide_next_id(l, 0);
		if (id[i] < 0)
			_exit(10 + i);
	}
	if (decide_call(l, id[1], PARLEY_DEFER, 0) ||
	    decide_call(l, id[2], PARLEY_ACCEPT, 0) ||
	    decide_refuse(l, id[3], 33, 0, NULL) ||
	    decide_call(l, id[4], PARLEY_ACCEPT, PARLEY_DECIDE_RESERVE))
		_exit(20);
}

FIXTURE_SETUP(heir)
{
	int i;

	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_gate_init(&self->ready));
	ASSERT_EQ(0, parley_gate_init(&self->go));
	ASSERT_EQ(0, parley_gate_init(&self->done));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->link));
	self->l = -1;
	if (variant->how == BY_FORK)
		self->l = parley_listener("127.0.0.1", PORT, 64);
	self->child = parley_fork();
	ASSERT_LE(0, self->child);
	if (!self->child) {
		if (variant->how != BY_FORK)
			self->l = parley_listener("127.0.0.1", PORT, 64);
		if (terms_set_defer(self->l, LONG_MS, PARLEY_REFUSE) ||
		    (variant->how != BY_FORK &&
		     rights_send(self->link[1], self->l)))
			_exit(1);
		parley_gate_open(&self->ready);
		parley_gate_wait(&self->go);
		first_decider(self->l);
		parley_gate_open(&self->done);
		poll(NULL, 0, -1);
		_exit(2);
	}
	ASSERT_EQ(0, close(self->link[1]));
	ASSERT_EQ(0, parley_gate_wait(&self->ready));
	self->begun = parley_now_ns();
	for (i = 0; i < CALLS; i++) {
		self->call[i] = parley_socket(SOCK_NONBLOCK);
		ASSERT_LE(0, self->call[i]);
		ASSERT_EQ(0, parley_call_timeout(self->call[i],
						 i ? LONG_MS : 0));
		ASSERT_EQ(-EINPROGRESS, test_connect(self->call[i], "127.0.0.1",
						     PORT));
		self->port[i] = parley_port(self->call[i]);
	}
	parley_gate_open(&self->go);
	ASSERT_EQ(0, parley_gate_wait(&self->done));
	if (variant->how == BY_MESSAGE)
		self->l = rights_receive(self->link[0]);
	ASSERT_EQ(0, kill(self->child, SIGKILL));
	ASSERT_EQ(128 + SIGKILL, parley_reap(self->child));
}

FIXTURE_TEARDOWN(heir)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int caller_port(const struct parley_next_call *next)
{
	return ntohs(((struct sockaddr_in *)&next->info.caller)->sin_port);
}

TEST_F(heir, goes_on)
{
	static const int left[] = { 0, 1, 5 };
	unsigned int flags = PARLEY_NEXT_DEFERRED | PARLEY_NEXT_REWIND;
	struct parley_call_info *info = &self->next.info;
	unsigned long long dead = parley_now_ns();
	long long id[3];
	int i;

	if (variant->how == BY_MESSAGE_LATER)
		self->l = rights_receive(self->link[0]);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	EXPECT_TRUE(decide_backlog_is(self->l, 2, 1, 2));
	EXPECT_TRUE(decide_refused_is(self->call[3], PARLEY_REASON_SERVER, 33));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, decide_next(self->l, flags, &self->next));
		flags = PARLEY_NEXT_DEFERRED;
		id[i] = info->id;
		EXPECT_EQ(self->port[left[i]], caller_port(&self->next));
		EXPECT_EQ((i == 1 ? PARLEY_INFO_DEFERRED : 0) |
			  (i == 2 ? 0 : PARLEY_INFO_SEEN), info->flags);
		/* Its age and deadlines are those that it had. */
		EXPECT_GE(parley_now_ns() - self->begun, info->age_ns);
		if (i == 0) {
			EXPECT_EQ(0, info->timeout_ns);
		} else {
			EXPECT_LT(0, info->timeout_ns);
			EXPECT_GE(LONG_MS * 1000000ULL, info->timeout_ns +
				  (parley_now_ns() - dead));
		}
		EXPECT_EQ(i == 1, !!info->defer_timeout_ns);
		EXPECT_GT(LONG_MS * 1000000ULL, info->defer_timeout_ns);
	}
	EXPECT_TRUE(decide_next_is_none(self->l, flags));
	EXPECT_EQ(0, decide_refuse(self->l, id[0], 11, 0, NULL));
	EXPECT_TRUE(decide_refused_is(self->call[0], PARLEY_REASON_SERVER, 11));
	/* The reserved one at last, too. */
	EXPECT_TRUE(decide_accepts(self->l, self->call[2]));
	EXPECT_EQ(0, decide_call(self->l, id[2], PARLEY_DEFER, 0));
	EXPECT_TRUE(decide_accepts(self->l, self->call[4]));
	EXPECT_EQ(0, decide_call(self->l, id[1], PARLEY_ACCEPT, 0));
	EXPECT_TRUE(decide_accepts(self->l, self->call[1]));
	EXPECT_EQ(0, decide_call(self->l, id[2], PARLEY_ACCEPT, 0));
	EXPECT_TRUE(decide_accepts(self->l, self->call[5]));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 0));
}

/* Nobody goes on: with the last descriptor all calls are refused. */
TEST_F(heir, has_no_heir)
{
	int i;

	if (self->l >= 0)
		ASSERT_EQ(0, close(self->l));
	ASSERT_EQ(0, close(self->link[0]));
	for (i = 0; i < CALLS; i++) {
		if (i == 3)
			continue;
		EXPECT_TRUE(decide_refused_is(self->call[i],
					      PARLEY_REASON_LISTENER_CLOSED,
					      0));
	}
	/* The port is free for the next one. */
	EXPECT_LE(0, parley_listener("127.0.0.1", PORT, 4));
}

/* A thread that dies, with a successor in its own process. */
static long decide_some(void *arg)
{
	return decide_next_id(*(int *)arg, 0);
}

TEST_F(heir, in_the_same_process)
{
	struct parley_thread t;
	long long id;

	if (variant->how != BY_FORK)
		self->l = self->l < 0 ? rights_receive(self->link[0]) : self->l;
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, parley_thread_start(&t, SYS_ioctl, decide_some, &self->l));
	id = parley_thread_join(&t);
	ASSERT_LT(0, id);
	/* The last of them is the one that nobody had looked at. */
	EXPECT_TRUE(decide_next_is_none(self->l, 0));
	EXPECT_EQ(0, decide_call(self->l, id, PARLEY_REFUSE, 0));
	EXPECT_TRUE(decide_refused_is(self->call[5], PARLEY_REASON_SERVER, 0));
}

/*
 * Killed at any moment. The decider says how many steps it has made; the test
 * kills it after some, and keeps the books of its calls: each is answered,
 * once, or still there for the next one.
 */
#define WAITING	16

struct diary {
	unsigned int steps;
	unsigned int idle;	/* nothing to do but to wait */
	int wrong;
	int where;
};

FIXTURE(killed) {
	struct race_random random;
	struct diary *diary;
	int l;
	int call[WAITING];
	int port[WAITING];
	unsigned int established;
	unsigned int refused;
};

FIXTURE_VARIANT(killed) {
	unsigned int rounds;
	bool reserves;		/* always; else all verdicts in turns */
};

FIXTURE_VARIANT_ADD(killed, anywhere) { .rounds = 2000 };
FIXTURE_VARIANT_ADD(killed, reserving) { .rounds = 1200, .reserves = true };

FIXTURE_SETUP(killed)
{
	__u64 seed = race_seed();

	TH_LOG("seed %llu", (unsigned long long)seed);
	ASSERT_EQ(0, parley_ns_enter());
	race_random_init(&self->random, seed, 7);
	self->diary = mmap(NULL, sizeof(*self->diary), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->diary);
	self->l = parley_listener("127.0.0.1", PORT, WAITING);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(killed)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static void step(struct diary *d)
{
	__atomic_add_fetch(&d->steps, 1, __ATOMIC_ACQ_REL);
}

static void wrong(struct diary *d, int where, int what)
{
	d->where = where;
	d->wrong = what;
	_exit(1);
}

/* Approved ones, the decider's own or its predecessors'; whether there were. */
static bool mortal_accepts(struct diary *d, int l, __u64 id)
{
	struct parley_call_info info;
	int fd = test_accept(l, 0);

	if (fd == -EAGAIN && !id)
		return false;
	if (fd < 0)
		wrong(d, 1, fd);
	step(d);
	if (terms_info(fd, &info) || (id && info.id != id))
		wrong(d, 2, info.id);
	close(fd);
	return true;
}

/* A verdict; the code of a refusal tells which call the decider meant. */
static void mortal_decides(struct diary *d, int l, struct race_random *r,
			   const struct parley_next_call *next, bool reserves)
{
	unsigned int dice = reserves ? 0 : race_below(r, 10);
	__u64 id = next->info.id;
	int err;

	if (dice < 4) {
		err = decide_call(l, id, PARLEY_ACCEPT, PARLEY_DECIDE_RESERVE);
		step(d);
		if (!err)
			mortal_accepts(d, l, id);
	} else if (dice < 6) {
		err = decide_call(l, id, PARLEY_ACCEPT, 0);
	} else if (dice < 8) {
		err = decide_refuse(l, id, caller_port(next), 0, NULL);
	} else {
		err = decide_call(l, id, dice < 9 ? PARLEY_DEFER :
				  PARLEY_UNDECIDE, 0);
	}
	step(d);
	if (err)
		wrong(d, 3, err);
}

static void mortal(struct diary *d, int l, __u64 seed, bool reserves)
{
	unsigned int flags = PARLEY_NEXT_REWIND;
	struct parley_next_call next;
	struct race_random r;
	int err;

	race_random_init(&r, seed, 1);
	for (;;) {
		memset(&next, 0, sizeof(next));
		err = decide_next(l, flags | PARLEY_NEXT_DEFERRED, &next);
		flags = 0;
		step(d);
		if (!err) {
			mortal_decides(d, l, &r, &next, reserves);
		} else if (err != -EAGAIN) {
			wrong(d, 4, err);
		} else if (!mortal_accepts(d, l, 0)) {
			__atomic_store_n(&d->idle, 1, __ATOMIC_RELEASE);
			parley_wait(l, POLLIN | POLLPRI);
			__atomic_store_n(&d->idle, 0, __ATOMIC_RELEASE);
		}
	}
}

/* Kills a decider after @steps of its steps, or once it has nothing to do. */
static int murder(struct diary *d, pid_t child, unsigned int steps,
		  unsigned int turns)
{
	unsigned long long end = parley_deadline();

	while (__atomic_load_n(&d->steps, __ATOMIC_ACQUIRE) < steps &&
	       !__atomic_load_n(&d->idle, __ATOMIC_ACQUIRE) && !d->wrong &&
	       !parley_expired(end))
		sched_yield();
	race_spin(turns);
	kill(child, SIGKILL);
	return parley_reap(child);
}

static int call_again(int *call, int *port)
{
	*call = parley_call("127.0.0.1", PORT);
	if (*call < 0)
		return *call;
	*port = parley_port(*call);
	return *port < 0 ? *port : 0;
}

/*
 * What has become of a call: 0 if nothing has, 1 if it has its answer, and
 * less than 0 where that cannot be.
 */
static int look_after(int call, int port, unsigned int *established,
		      unsigned int *refused)
{
	int events = parley_revents(call, POLLOUT);
	struct parley_refusal r;

	if (!events)
		return 0;
	if (events & POLLOUT) {
		*established += 1;
	} else {
		*refused += 1;
		if (parley_refusal(call, &r) ||
		    r.reason != PARLEY_REASON_SERVER || (int)r.code != port) {
			printf("# reason %u, code %u, port %d\n", r.reason,
			       r.code, port);
			return -EBADMSG;
		}
	}
	close(call);
	return 1;
}

static bool books_agree(int l, unsigned int waiting)
{
	struct parley_backlog b;

	if (!parley_backlog(l, &b) &&
	    b.pending + b.deferred + b.approved == waiting)
		return true;
	printf("# backlog %u, %u, %u; %u callers wait\n", b.pending,
	       b.deferred, b.approved, waiting);
	return false;
}

/* The last one decides all that is left: nothing is missing. */
static unsigned int last_will(int l)
{
	unsigned int flags = PARLEY_NEXT_REWIND, answered = 0;
	struct parley_next_call next = {};
	struct parley_backlog b;
	int err;

	while (!decide_next(l, flags | PARLEY_NEXT_DEFERRED, &next)) {
		err = flags ? decide_call(l, next.info.id, PARLEY_ACCEPT, 0) :
		      decide_refuse(l, next.info.id, caller_port(&next), 0,
				    NULL);
		if (err)
			printf("# last verdict: %d\n", err);
		answered += !flags;
		flags = 0;
	}
	/* Those of the dead are for us within a moment. */
	while (!parley_backlog(l, &b) && b.approved &&
	       parley_wait(l, POLLIN) == POLLIN)
		answered += test_accept(l, 0) >= 0;
	return answered;
}

TEST_F_TIMEOUT(killed, nothing_lost, 600)
{
	unsigned int rounds = race_scale(variant->rounds), i, k, waiting;
	struct race_random *r = &self->random;
	struct diary *d = self->diary;
	struct parley_stat st;
	pid_t child;
	int ret;

	for (k = 0; k < WAITING; k++)
		ASSERT_EQ(0, call_again(&self->call[k], &self->port[k]));
	for (i = 0; i < rounds; i++) {
		memset(d, 0, sizeof(*d));
		child = parley_fork();
		ASSERT_LE(0, child);
		if (!child)
			mortal(d, self->l, race_random(r), variant->reserves);
		race_random(r);
		ASSERT_EQ(128 + SIGKILL, murder(d, child, race_below(r, 20),
						race_below(r, 30000))) {
			TH_LOG("round %u: %d at %d", i, d->wrong, d->where);
		}
		for (waiting = k = 0; k < WAITING; k++) {
			ret = look_after(self->call[k], self->port[k],
					 &self->established, &self->refused);
			ASSERT_LE(0, ret);
			waiting += !ret;
			if (ret)
				self->call[k] = -1;
		}
		ASSERT_TRUE(books_agree(self->l, waiting)) {
			TH_LOG("round %u", i);
		}
		for (k = 0; k < WAITING; k++)
			if (self->call[k] < 0)
				ASSERT_EQ(0, call_again(&self->call[k],
							&self->port[k]));
	}
	EXPECT_EQ(WAITING, last_will(self->l));
	for (k = 0; k < WAITING; k++)
		EXPECT_EQ(1, look_after(self->call[k], self->port[k],
					&self->established, &self->refused));
	TH_LOG("%u killed, %u established, %u refused", rounds,
	       self->established, self->refused);
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(st.called, self->established + self->refused);
	EXPECT_EQ(self->established, st.established);
	EXPECT_EQ(self->refused, st.refused);
	EXPECT_EQ(0, st.withdrawn);
	EXPECT_LT(0, self->established);
	EXPECT_EQ(!variant->reserves, self->refused > WAITING);
}

TEST_HARNESS_MAIN
