// SPDX-License-Identifier: GPL-2.0
/*
 * PARLEY_DECIDE_RESERVE: an approved call is kept for the next accept(2) of
 * the thread that approved it, also among many threads; what happens when the
 * caller goes, when the thread ends, and when somebody decides again.
 */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/epoll.h>

#include "lib.h"
#include "lib_decide.h"
#include "lib_race.h"
#include "lib_terms.h"

#define PORT	5400
#define THREADS	8
#define RESERVE	PARLEY_DECIDE_RESERVE
#define AGAIN	PARLEY_DECIDE_AGAIN

/* A thread that does one thing after another as it is told. */
struct servant {
	pthread_t thread;
	pid_t tid;
	int listener;
	__u64 id;
	struct parley_gate go;
	struct parley_gate done;
	enum { RESERVES, ACCEPTS, ENDS } job;
	long result;
};

static void *servant_main(void *arg)
{
	struct servant *s = arg;

	__atomic_store_n(&s->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	for (;;) {
		if (parley_gate_wait(&s->go) || s->job == ENDS)
			return NULL;
		if (s->job == RESERVES)
			s->result = decide_call(s->listener, s->id,
						PARLEY_ACCEPT, RESERVE);
		else
			s->result = test_accept(s->listener, 0);
		parley_gate_open(&s->done);
	}
}

static int servant_start(struct servant *s, int listener)
{
	s->listener = listener;
	s->tid = 0;
	if (parley_gate_init(&s->go) || parley_gate_init(&s->done))
		return -errno;
	return -pthread_create(&s->thread, NULL, servant_main, s);
}

static void servant_let(struct servant *s, int job)
{
	s->job = job;
	parley_gate_open(&s->go);
}

static long servant_result(struct servant *s)
{
	int err = parley_gate_wait(&s->done);

	return err ?: s->result;
}

static long servant_does(struct servant *s, int job)
{
	servant_let(s, job);
	return servant_result(s);
}

static int servant_end(struct servant *s)
{
	servant_let(s, ENDS);
	return -pthread_join(s->thread, NULL);
}

/* Is the accepted @fd the other end of @call? */
static bool is_callee(int fd, int call)
{
	struct parley_addr peer, name;

	return fd >= 0 && !parley_peer(fd, &peer) &&
	       !parley_name(call, &name) && parley_addr_eq(&peer, &name) &&
	       parley_talks(call, fd);
}

FIXTURE(reserve) {
	int l;
	int call[THREADS];
	long long id[THREADS];
	struct servant s[THREADS];
	struct parley_call_info info;
};

FIXTURE_SETUP(reserve)
{
	int i;

	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 64);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	for (i = 0; i < THREADS; i++) {
		self->id[i] = decide_offer(self->l, &self->call[i]);
		ASSERT_LT(0, self->id[i]);
	}
}

FIXTURE_TEARDOWN(reserve)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* This very call, although others are older, or approved before. */
TEST_F(reserve, own_call_first)
{
	int fd;

	ASSERT_EQ(0, decide_call(self->l, self->id[2], PARLEY_ACCEPT, 0));
	ASSERT_EQ(0, decide_call(self->l, self->id[5], PARLEY_ACCEPT, RESERVE));
	EXPECT_TRUE(decide_backlog_is(self->l, THREADS - 2, 0, 2));
	fd = test_accept(self->l, 0);
	EXPECT_TRUE(is_callee(fd, self->call[5]));
	ASSERT_EQ(0, terms_info(fd, &self->info));
	EXPECT_EQ(self->id[5], self->info.id);
	EXPECT_EQ(PARLEY_BY_SERVER, self->info.decided_by);
	/* That was the reservation; now it is as always. */
	EXPECT_TRUE(decide_accepts(self->l, self->call[2]));
	EXPECT_TRUE(decide_accepts(self->l, self->call[0]));
}

/* Several of one thread: in the order in which they were approved. */
TEST_F(reserve, several_of_one)
{
	static const int order[] = { 6, 1, 3 };
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, decide_call(self->l, self->id[order[i]],
					 PARLEY_ACCEPT, RESERVE));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(is_callee(test_accept(self->l, 0),
				      self->call[order[i]]));
	EXPECT_TRUE(is_callee(test_accept(self->l, 0), self->call[0]));
}

/* Not for others: neither accept(2) nor poll(2) know of it. */
TEST_F(reserve, others_wait)
{
	struct servant *s = self->s;
	int i;

	for (i = 1; i < THREADS; i++)
		ASSERT_EQ(0, close(self->call[i]));
	ASSERT_EQ(0, servant_start(s, self->l));
	s->id = self->id[0];
	ASSERT_EQ(0, servant_does(s, RESERVES));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 1));
	EXPECT_TRUE(decide_accepts_none(self->l));
	EXPECT_TRUE(decide_next_is_none(self->l, PARLEY_NEXT_DEFERRED |
					PARLEY_NEXT_REWIND));
	EXPECT_TRUE(decide_waits(self->call[0]));
	EXPECT_TRUE(is_callee(servant_does(s, ACCEPTS), self->call[0]));
	EXPECT_EQ(0, servant_end(s));
}

/* A thread that sleeps in accept(2) is not woken for it. */
TEST_F(reserve, sleepers_go_on)
{
	struct parley_thread t;
	long sleeps;
	int i;

	for (i = 1; i < THREADS; i++)
		ASSERT_EQ(0, close(self->call[i]));
	ASSERT_EQ(0, decide_call(self->l, self->id[0], PARLEY_DEFER, 0));
	ASSERT_EQ(0, parley_nonblock(self->l, false));
	ASSERT_EQ(0, parley_thread_accept(&t, self->l));
	ASSERT_EQ(0, parley_thread_blocked(&t));
	sleeps = parley_thread_sleeps(&t);
	ASSERT_EQ(0, decide_call(self->l, self->id[0], PARLEY_ACCEPT, RESERVE));
	EXPECT_EQ(0, parley_thread_blocked(&t));
	EXPECT_EQ(sleeps, parley_thread_sleeps(&t));
	EXPECT_TRUE(is_callee(test_accept(self->l, 0), self->call[0]));
	/* The next one is for the sleeper. */
	self->call[1] = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call[1]);
	EXPECT_TRUE(is_callee(parley_thread_join(&t), self->call[1]));
}

/* Each thread gets its own, whatever the order. */
TEST_F(reserve, many_threads)
{
	int i, k;

	for (i = 0; i < THREADS; i++) {
		k = (i * 5 + 3) % THREADS;
		ASSERT_EQ(0, servant_start(&self->s[i], self->l));
		self->s[i].id = self->id[k];
		servant_let(&self->s[i], RESERVES);
	}
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, servant_result(&self->s[i]));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, THREADS));
	EXPECT_TRUE(decide_accepts_none(self->l));
	for (i = 0; i < THREADS; i++)
		servant_let(&self->s[i], ACCEPTS);
	for (i = 0; i < THREADS; i++) {
		k = (i * 5 + 3) % THREADS;
		EXPECT_TRUE(is_callee(servant_result(&self->s[i]),
				      self->call[k]));
		EXPECT_EQ(0, servant_end(&self->s[i]));
	}
}

/* One that has no reservation beside those that have: nothing is mixed up. */
struct pair_of_duties {
	int listener;
	unsigned int rounds;
	bool reserves;
	unsigned int wrong;
	unsigned int served;
};

static void *reserver_main(void *arg)
{
	struct pair_of_duties *p = arg;
	struct parley_call_info info;
	struct parley_next_call next;
	int fd, err;

	for (;;) {
		memset(&next, 0, sizeof(next));
		err = p->reserves ? decide_next(p->listener, 0, &next) : 0;
		if (!err && p->reserves)
			err = decide_call(p->listener, next.info.id,
					  PARLEY_ACCEPT, RESERVE);
		if (err == -EINVAL)
			return NULL;
		/* The other kind of thread may just take it. */
		if (err == -ENOENT || err == -EBUSY)
			continue;
		fd = test_accept(p->listener, 0);
		if (fd == -EINVAL)
			return NULL;
		if (fd < 0 || terms_info(fd, &info) ||
		    (p->reserves && info.id != next.info.id) || err)
			p->wrong++;
		p->served++;
		close(fd);
	}
}

TEST_F_TIMEOUT(reserve, mixed_threads, 600)
{
	struct pair_of_duties p[4] = {};
	unsigned int rounds = race_scale(400), i, k, served = 0;
	pthread_t thread[4];

	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, close(self->call[i]));
	ASSERT_EQ(0, parley_nonblock(self->l, false));
	for (i = 0; i < 4; i++) {
		p[i].listener = self->l;
		p[i].reserves = i < 3;
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, reserver_main,
					    &p[i]));
	}
	for (i = 0; i < rounds; i++) {
		for (k = 0; k < THREADS; k++) {
			self->call[k] = parley_call("127.0.0.1", PORT);
			ASSERT_LE(0, self->call[k]);
		}
		for (k = 0; k < THREADS; k++) {
			ASSERT_LT(0, parley_wait(self->call[k], POLLOUT));
			ASSERT_EQ(0, close(self->call[k]));
		}
	}
	ASSERT_EQ(0, shutdown(self->l, SHUT_RD));
	for (i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		EXPECT_EQ(0, p[i].wrong);
		served += p[i].served;
		TH_LOG("thread %u: %u", i, p[i].served);
	}
	EXPECT_EQ(rounds * THREADS, served);
}

/* The caller goes: the thread is told, once. */
TEST_F(reserve, caller_gone)
{
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, decide_call(self->l, self->id[5 + i],
					 PARLEY_ACCEPT, RESERVE));
		ASSERT_EQ(0, i ? parley_unspec(self->call[5 + i]) :
			  close(self->call[5 + i]));
		EXPECT_TRUE(decide_backlog_is(self->l, THREADS - 1 - i, 0, 0));
		EXPECT_EQ(-ENOENT, decide_call(self->l, self->id[5 + i],
					       PARLEY_ACCEPT, AGAIN));
		EXPECT_EQ(-ECONNABORTED, test_accept(self->l, 0));
	}
	EXPECT_TRUE(is_callee(test_accept(self->l, 0), self->call[0]));
}

/* Also where there is nothing to accept otherwise, and by its time-out. */
TEST_F(reserve, caller_timed_out)
{
	int i;

	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, close(self->call[i]));
	self->call[0] = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, self->call[0]);
	ASSERT_EQ(0, parley_call_timeout(self->call[0], 1000));
	ASSERT_EQ(-EINPROGRESS, test_connect(self->call[0], "127.0.0.1", PORT));
	self->id[0] = decide_next_id(self->l, 0);
	ASSERT_LT(0, self->id[0]);
	ASSERT_EQ(0, decide_call(self->l, self->id[0], PARLEY_ACCEPT, RESERVE));
	EXPECT_EQ(POLLERR | POLLHUP, parley_wait(self->call[0], 0));
	EXPECT_EQ(ETIMEDOUT, parley_so_error(self->call[0]));
	ASSERT_EQ(0, parley_nonblock(self->l, false));
	EXPECT_EQ(-ECONNABORTED, test_accept(self->l, 0));
	EXPECT_TRUE(decide_accepts_none(self->l));
}

/* Who goes on to another call first is not told of the one that has ended. */
TEST_F(reserve, caller_gone_forgotten)
{
	ASSERT_EQ(0, decide_call(self->l, self->id[5], PARLEY_ACCEPT, RESERVE));
	ASSERT_EQ(0, close(self->call[5]));
	ASSERT_EQ(0, decide_call(self->l, self->id[6], PARLEY_ACCEPT, RESERVE));
	EXPECT_TRUE(is_callee(test_accept(self->l, 0), self->call[6]));
	EXPECT_TRUE(is_callee(test_accept(self->l, 0), self->call[0]));
}

/* A thread that ends before it is told leaves nothing at the listener. */
TEST_F(reserve, caller_gone_thread_too)
{
	struct servant *s = self->s;
	struct parley_stat st;

	ASSERT_EQ(0, servant_start(s, self->l));
	s->id = self->id[0];
	ASSERT_EQ(0, servant_does(s, RESERVES));
	ASSERT_EQ(0, close(self->call[0]));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(THREADS, st.calls);
	EXPECT_EQ(THREADS - 1, st.pending);
	EXPECT_EQ(0, servant_end(s));
	EXPECT_TRUE(parley_until(!parley_stat(&st) &&
				 st.calls == THREADS - 1));
	EXPECT_TRUE(is_callee(test_accept(self->l, 0), self->call[1]));
}

/* An accept(2) of another thread does not care. */
TEST_F(reserve, caller_gone_for_others)
{
	struct servant *s = self->s;

	ASSERT_EQ(0, servant_start(s, self->l));
	ASSERT_EQ(0, decide_call(self->l, self->id[3], PARLEY_ACCEPT, RESERVE));
	ASSERT_EQ(0, close(self->call[3]));
	EXPECT_TRUE(is_callee(servant_does(s, ACCEPTS), self->call[0]));
	EXPECT_EQ(-ECONNABORTED, test_accept(self->l, 0));
	EXPECT_EQ(0, servant_end(s));
}

/* Nobody else can take it from the thread, whatever it says. */
TEST_F(reserve, others_cannot)
{
	struct servant *s = self->s;
	unsigned int v;

	ASSERT_EQ(0, servant_start(s, self->l));
	s->id = self->id[4];
	ASSERT_EQ(0, servant_does(s, RESERVES));
	for (v = 0; v < 4; v++) {
		EXPECT_EQ(-EALREADY, decide_call(self->l, self->id[4], v, 0));
		if (v == PARLEY_REFUSE)
			continue;
		EXPECT_EQ(-EBUSY, decide_call(self->l, self->id[4], v, AGAIN));
	}
	EXPECT_EQ(-EBUSY, decide_call(self->l, self->id[4], PARLEY_ACCEPT,
				      RESERVE | AGAIN));
	EXPECT_TRUE(decide_backlog_is(self->l, THREADS - 1, 0, 1));
	EXPECT_TRUE(is_callee(test_accept(self->l, 0), self->call[0]));
	EXPECT_TRUE(is_callee(servant_does(s, ACCEPTS), self->call[4]));
	EXPECT_EQ(0, servant_end(s));
}

/* Refused by another thread: it is as with a caller who goes. */
TEST_F(reserve, again_refused)
{
	struct servant *s = self->s;

	ASSERT_EQ(0, servant_start(s, self->l));
	s->id = self->id[4];
	ASSERT_EQ(0, servant_does(s, RESERVES));
	EXPECT_EQ(0, decide_call(self->l, self->id[4], PARLEY_REFUSE, AGAIN));
	EXPECT_TRUE(decide_refused_is(self->call[4], PARLEY_REASON_SERVER, 0));
	EXPECT_EQ(-ECONNABORTED, servant_does(s, ACCEPTS));
	EXPECT_TRUE(is_callee(servant_does(s, ACCEPTS), self->call[0]));
	EXPECT_EQ(0, servant_end(s));
}

/* My own approval, kept for me only afterwards, or no longer. */
TEST_F(reserve, again_by_myself)
{
	struct servant *s = self->s;

	ASSERT_EQ(0, servant_start(s, self->l));
	ASSERT_EQ(0, decide_call(self->l, self->id[4], PARLEY_ACCEPT, 0));
	ASSERT_EQ(0, decide_call(self->l, self->id[4], PARLEY_ACCEPT,
				 RESERVE | AGAIN));
	EXPECT_TRUE(is_callee(servant_does(s, ACCEPTS), self->call[0]));
	ASSERT_EQ(0, decide_call(self->l, self->id[4], PARLEY_ACCEPT, AGAIN));
	EXPECT_TRUE(is_callee(servant_does(s, ACCEPTS), self->call[4]));
	/* Undecided, it is a call like all others. */
	ASSERT_EQ(0, decide_call(self->l, self->id[6], PARLEY_ACCEPT, RESERVE));
	ASSERT_EQ(0, decide_call(self->l, self->id[6], PARLEY_UNDECIDE, AGAIN));
	EXPECT_TRUE(is_callee(test_accept(self->l, 0), self->call[1]));
	EXPECT_EQ(self->id[6], decide_next_id(self->l, 0));
	EXPECT_EQ(0, servant_end(s));
}

/* accept(2) fails: the call is still mine. */
TEST_F(reserve, emfile)
{
	int i, last = self->call[THREADS - 1];

	ASSERT_EQ(0, decide_call(self->l, self->id[5], PARLEY_ACCEPT, RESERVE));
	ASSERT_EQ(0, parley_nofile(last + 1));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-EMFILE, test_accept(self->l, 0));
	ASSERT_EQ(0, parley_nofile(1024));
	EXPECT_TRUE(decide_backlog_is(self->l, THREADS - 1, 0, 1));
	EXPECT_TRUE(is_callee(test_accept(self->l, 0), self->call[5]));
}

/* The thread ends before: the call is there for all, and poll(2) says so. */
TEST_F(reserve, thread_ends)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int i, epoll = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_LE(0, epoll);
	for (i = 3; i < THREADS; i++)
		ASSERT_EQ(0, close(self->call[i]));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, servant_start(&self->s[i], self->l));
		self->s[i].id = self->id[i];
		ASSERT_EQ(0, servant_does(&self->s[i], RESERVES));
	}
	EXPECT_TRUE(decide_accepts_none(self->l));
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->l, &event));
	ASSERT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	ASSERT_EQ(0, servant_end(&self->s[1]));
	/* An edge that nobody has to wait for in accept(2). */
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, PARLEY_BOUND_MS));
	EXPECT_TRUE(decide_accepts(self->l, self->call[1]));
	/* Those of the living are still theirs. */
	EXPECT_TRUE(decide_accepts_none(self->l));
	EXPECT_TRUE(is_callee(servant_does(&self->s[0], ACCEPTS),
			      self->call[0]));
	EXPECT_EQ(0, servant_end(&self->s[0]));
	EXPECT_EQ(0, servant_end(&self->s[2]));
	EXPECT_TRUE(decide_accepts(self->l, self->call[2]));
}

/* Who sleeps in accept(2) then wakes up. */
TEST_F(reserve, thread_ends_beside_sleepers)
{
	struct parley_thread t[2];
	int i;

	for (i = 2; i < THREADS; i++)
		ASSERT_EQ(0, close(self->call[i]));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, servant_start(&self->s[i], self->l));
		self->s[i].id = self->id[i];
		ASSERT_EQ(0, servant_does(&self->s[i], RESERVES));
	}
	ASSERT_EQ(0, parley_nonblock(self->l, false));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, parley_thread_accept(&t[i], self->l));
		ASSERT_EQ(0, parley_thread_blocked(&t[i]));
	}
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, servant_end(&self->s[i]));
	for (i = 0; i < 2; i++)
		EXPECT_LE(0, parley_thread_join(&t[i]));
	for (i = 0; i < 2; i++)
		EXPECT_TRUE(is_callee(t[0].result, self->call[i]) ||
			    is_callee(t[1].result, self->call[i]));
}

/* A process that dies, with threads and without. */
TEST_F(reserve, process_killed)
{
	struct parley_gate done;
	struct servant s;
	pid_t child;
	int i;

	for (i = 2; i < THREADS; i++)
		ASSERT_EQ(0, close(self->call[i]));
	ASSERT_EQ(0, parley_gate_init(&done));
	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (servant_start(&s, self->l))
			_exit(1);
		s.id = self->id[1];
		if (servant_does(&s, RESERVES) ||
		    decide_call(self->l, self->id[0], PARLEY_ACCEPT, RESERVE))
			_exit(2);
		parley_gate_open(&done);
		poll(NULL, 0, -1);
		_exit(3);
	}
	ASSERT_EQ(0, parley_gate_wait(&done));
	EXPECT_TRUE(decide_accepts_none(self->l));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(128 + SIGKILL, parley_reap(child));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 2));
	EXPECT_EQ(POLLIN, parley_wait(self->l, POLLIN));
	/* Both at the latest now, in whatever order. */
	EXPECT_TRUE(parley_until(test_accept(self->l, 0) >= 0));
	EXPECT_TRUE(parley_until(test_accept(self->l, 0) >= 0));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(POLLOUT, parley_wait(self->call[i], POLLOUT));
}

/* A thread's reservations are not those of a process that it forks. */
TEST_F(reserve, fork)
{
	pid_t child;
	int fd;

	ASSERT_EQ(0, decide_call(self->l, self->id[4], PARLEY_ACCEPT, RESERVE));
	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child) {
		fd = test_accept(self->l, 0);
		_exit(fd < 0 || terms_info(fd, &self->info) ||
		      self->info.id != (__u64)self->id[0]);
	}
	EXPECT_EQ(0, parley_reap(child));
	EXPECT_TRUE(is_callee(test_accept(self->l, 0), self->call[4]));
}

/* Of this listener only. */
TEST_F(reserve, two_listeners)
{
	int other = parley_listener("127.0.0.1", PORT + 1, 8), call;

	ASSERT_LE(0, other);
	call = parley_call("127.0.0.1", PORT + 1);
	ASSERT_LE(0, call);
	ASSERT_EQ(0, decide_call(self->l, self->id[4], PARLEY_ACCEPT, RESERVE));
	EXPECT_TRUE(is_callee(test_accept(other, 0), call));
	EXPECT_TRUE(is_callee(test_accept(self->l, 0), self->call[4]));
}

TEST_HARNESS_MAIN
