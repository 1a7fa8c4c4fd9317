// SPDX-License-Identifier: GPL-2.0
/*
 * How many calls of one user may wait: in a network namespace
 * (net.parley.max_pending_per_user), and in a backlog that is shared out
 * (PARLEY_FAIR_SHARE). What comes of it when somebody floods is in flood.c.
 */
#include "kselftest_harness.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "lib_decide.h"
#include "lib_rules.h"
#include "lib_terms.h"

#define HOST	"127.0.0.1"
#define PORT	7700
#define ANN	1000
#define BOB	1001
#define LIMIT	"parley/max_pending_per_user"
#define BACKLOG	100
#define THREADS	4
#define ROUNDS	1000

/* The real user id of this thread alone; what it may do it still may. */
static int become(uid_t uid)
{
	return syscall(SYS_setresuid, uid, 0, 0) ? -errno : 0;
}

/*
 * A call by a user. Return: its descriptor if it waits, else the reason for
 * which it was refused as a negative number, or -1000 and less for any error.
 */
static int call_as(uid_t uid, int port)
{
	int fd = parley_socket(SOCK_NONBLOCK);
	int err, reason;

	err = become(uid);
	if (!err)
		err = test_connect(fd, HOST, port);
	if (become(0))
		return -1001;
	if (err == -EINPROGRESS)
		return fd;
	reason = parley_reason(fd);
	close(fd);
	return err == -ECONNREFUSED ? -reason : -1000;
}

/* How many calls get in before one is refused for @reason; -1 if otherwise. */
static int fill_as(uid_t uid, int port, int reason, int *last)
{
	int fd, n = 0;

	while ((fd = call_as(uid, port)) >= 0) {
		*last = fd;
		n++;
	}
	return fd == -reason ? n : -1;
}

#define FILL(uid)							\
	fill_as(uid, PORT, PARLEY_REASON_USER_LIMIT, &self->last)
#define SHARE(uid)							\
	fill_as(uid, PORT, PARLEY_REASON_FAIR_SHARE, &self->last)

FIXTURE(users) {
	int l;
	int last;
};

FIXTURE_SETUP(users)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, BACKLOG);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(users)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Each has as many, and gets a place back with each outcome. */
TEST_F(users, limit)
{
	long long id;

	ASSERT_EQ(0, parley_sysctl_write(LIMIT, 3));
	EXPECT_EQ(3, FILL(ANN));
	EXPECT_EQ(3, FILL(BOB));
	EXPECT_EQ(3, FILL(0));
	EXPECT_EQ(9, parley_pending(self->l));

	/* The oldest is one of the first user's. */
	ASSERT_LE(0, test_accept(self->l, 0));
	EXPECT_EQ(0, FILL(BOB));
	EXPECT_EQ(1, FILL(ANN));
	close(self->last);
	EXPECT_EQ(1, FILL(ANN));
	ASSERT_EQ(0, parley_unspec(self->last));
	EXPECT_EQ(1, FILL(ANN));

	/* It goes on counting while it is deferred, or approved. */
	id = decide_next_id(self->l, 0);
	ASSERT_LT(0, id);
	ASSERT_EQ(0, decide_call(self->l, id, PARLEY_DEFER, 0));
	EXPECT_EQ(0, FILL(ANN));
	ASSERT_EQ(0, decide_call(self->l, id, PARLEY_ACCEPT, 0));
	EXPECT_EQ(0, FILL(ANN));
	ASSERT_EQ(0, decide_call(self->l, id, PARLEY_REFUSE,
				 PARLEY_DECIDE_AGAIN));
	EXPECT_EQ(1, FILL(ANN));

	/* Who has a connection does not wait. */
	ASSERT_EQ(0, parley_sysctl_write(LIMIT, 100));
	while (test_accept(self->l, 0) >= 0)
		;
	ASSERT_EQ(0, parley_sysctl_write(LIMIT, 3));
	EXPECT_EQ(3, FILL(ANN));
	EXPECT_EQ(3, FILL(BOB));
}

/* All listeners of the namespace together, but no other namespace. */
TEST_F(users, over_all_listeners)
{
	int other = parley_listener(HOST, PORT + 1, BACKLOG);
	int fds[2], i;
	pid_t child;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, parley_sysctl_write(LIMIT, 3));
	for (i = 0; i < 2; i++) {
		fds[i] = call_as(ANN, PORT + i);
		EXPECT_LE(0, fds[i]);
	}
	EXPECT_EQ(1, FILL(ANN));
	EXPECT_EQ(-PARLEY_REASON_USER_LIMIT, call_as(ANN, PORT + 1));
	EXPECT_EQ(-PARLEY_REASON_NO_LISTENER, call_as(ANN, PORT + 2));
	close(other);
	EXPECT_EQ(1, FILL(ANN));

	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (parley_ns_enter() || parley_listener(HOST, PORT, BACKLOG) < 0)
			_exit(1);
		for (i = 0; i < 10; i++)
			if (call_as(ANN, PORT) < 0)
				_exit(2);
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(child));
	EXPECT_EQ(0, FILL(ANN));
}

/* What is lowered takes nothing back; zero lets nobody call. */
TEST_F(users, changed)
{
	ASSERT_EQ(0, parley_sysctl_write(LIMIT, 5));
	EXPECT_EQ(5, FILL(ANN));
	ASSERT_EQ(0, parley_sysctl_write(LIMIT, 2));
	EXPECT_EQ(0, FILL(ANN));
	EXPECT_EQ(2, FILL(BOB));
	EXPECT_EQ(7, parley_pending(self->l));
	ASSERT_EQ(0, parley_sysctl_write(LIMIT, 6));
	EXPECT_EQ(1, FILL(ANN));
	ASSERT_EQ(0, parley_sysctl_write(LIMIT, 0));
	EXPECT_EQ(0, FILL(ANN));
	EXPECT_EQ(0, FILL(0));
	EXPECT_EQ(8, parley_pending(self->l));
}

/* The limit of all is not used up by who is above the own one. */
TEST_F(users, beside_max_pending)
{
	ASSERT_EQ(0, parley_sysctl_write("parley/max_pending", 5));
	ASSERT_EQ(0, parley_sysctl_write(LIMIT, 3));
	EXPECT_EQ(3, FILL(ANN));
	EXPECT_EQ(2, fill_as(BOB, PORT, PARLEY_REASON_LIMIT, &self->last));
	EXPECT_EQ(0, FILL(ANN));
	close(self->last);
	EXPECT_EQ(1, fill_as(BOB, PORT, PARLEY_REASON_LIMIT, &self->last));
}

/* Before anybody is asked about a call that would not be let in. */
TEST_F(users, max_pending_on_arrival)
{
	struct rules *t = rules_new();

	ASSERT_NE(NULL, t);
	ASSERT_EQ(0, parley_sysctl_write("parley/max_pending", 2));
	EXPECT_EQ(2, fill_as(ANN, PORT, PARLEY_REASON_LIMIT, &self->last));
	rules_refuse(t, 7);
	ASSERT_EQ(0, rules_set(self->l, t));
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	EXPECT_EQ(-PARLEY_REASON_LIMIT, call_as(BOB, PORT));
	close(self->last);
	EXPECT_EQ(-PARLEY_REASON_RULE, call_as(BOB, PORT));
	EXPECT_EQ(1, parley_pending(self->l));
	rules_free(t);
}

/* Whose account it is does not change with the set-user-ID bit. */
TEST_F(users, real_id)
{
	int i, fd;

	ASSERT_EQ(0, parley_sysctl_write(LIMIT, 3));
	EXPECT_EQ(3, FILL(ANN));
	/* The effective one is the other user's: that is none of ours. */
	ASSERT_EQ(0, syscall(SYS_setresuid, 0, ANN, 0));
	for (i = 0; i < 3; i++) {
		fd = parley_socket(SOCK_NONBLOCK);
		EXPECT_EQ(-EINPROGRESS, test_connect(fd, HOST, PORT));
	}
	ASSERT_EQ(0, syscall(SYS_setresuid, 0, 0, 0));
	EXPECT_EQ(0, FILL(0));
}

struct crowd {
	int l;
	int most;
	long in;
	int bad;
};

/* Calls and gives up, again and again; nobody ever sees more than the limit. */
static void *crowd_call(void *arg)
{
	struct crowd *c = arg;
	int i, fd, err, n;

	if (become(ANN)) {
		c->bad++;
		return NULL;
	}
	for (i = 0; i < ROUNDS; i++) {
		fd = parley_socket(SOCK_NONBLOCK);
		/* Another one may have accepted it already. */
		err = test_connect(fd, HOST, PORT);
		if (!err || err == -EINPROGRESS)
			__atomic_add_fetch(&c->in, 1, __ATOMIC_RELAXED);
		else if (parley_reason(fd) != PARLEY_REASON_USER_LIMIT)
			__atomic_add_fetch(&c->bad, 1, __ATOMIC_RELAXED);
		n = parley_pending(c->l);
		if (n < 0 || n > c->most)
			__atomic_add_fetch(&c->bad, 1, __ATOMIC_RELAXED);
		if (!(i % 3))
			close(test_accept(c->l, 0));
		close(fd);
	}
	return NULL;
}

/* As exact with many at once; and nothing is left charged at the end. */
TEST_F(users, crowd)
{
	struct crowd c = { .l = self->l, .most = 3 };
	pthread_t thread[THREADS];
	int i;

	ASSERT_EQ(0, parley_sysctl_write(LIMIT, c.most));
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, crowd_call, &c));
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	EXPECT_EQ(0, c.bad);
	EXPECT_LT(ROUNDS, c.in);
	while (test_accept(self->l, 0) >= 0)
		;
	EXPECT_EQ(c.most, FILL(ANN));
}

static int set_share(int fd, __u32 percent)
{
	return terms_set(fd, PARLEY_FAIR_SHARE, &percent, sizeof(percent));
}

static int get_share(int fd)
{
	__u32 percent = -1;
	socklen_t len = sizeof(percent);

	if (terms_get(fd, PARLEY_FAIR_SHARE, &percent, &len) ||
	    len != sizeof(percent))
		return -1;
	return percent;
}

TEST_F(users, share_set_and_got)
{
	EXPECT_EQ(0, get_share(self->l));
	EXPECT_EQ(-EINVAL, set_share(self->l, 101));
	EXPECT_EQ(-EINVAL, set_share(self->l, 0xffffffff));
	EXPECT_EQ(-EINVAL, terms_set(self->l, PARLEY_FAIR_SHARE, "\1\0\0", 3));
	EXPECT_EQ(0, get_share(self->l));
	EXPECT_EQ(0, set_share(self->l, 100));
	EXPECT_EQ(100, get_share(self->l));
	EXPECT_EQ(0, set_share(self->l, 1));
	EXPECT_EQ(1, get_share(self->l));
	EXPECT_EQ(0, set_share(self->l, 0));
	EXPECT_EQ(0, get_share(self->l));
}

/* Without it a user may have all. */
TEST_F(users, no_shares)
{
	EXPECT_EQ(BACKLOG, fill_as(ANN, PORT, PARLEY_REASON_BACKLOG_FULL,
				   &self->last));
}

/* Each that comes gets as much as is left free. */
TEST_F(users, share_of_what_is_free)
{
	ASSERT_EQ(0, set_share(self->l, 100));
	EXPECT_EQ(50, SHARE(ANN));
	EXPECT_EQ(25, SHARE(BOB));
	EXPECT_EQ(13, SHARE(BOB + 1));
	EXPECT_EQ(0, SHARE(ANN));
	EXPECT_EQ(88, parley_pending(self->l));
}

TEST_F(users, share_is_a_percentage)
{
	ASSERT_EQ(0, set_share(self->l, 50));
	EXPECT_EQ(33, SHARE(ANN));
	EXPECT_EQ(22, SHARE(BOB));
}

/* Who has nothing there gets a place as long as there is one. */
TEST_F(users, share_of_newcomers)
{
	int i;

	ASSERT_EQ(0, set_share(self->l, 1));
	for (i = 1; i < BACKLOG; i++)
		ASSERT_EQ(1, SHARE(ANN - 1 + i));
	EXPECT_EQ(1, fill_as(2 * ANN, PORT, PARLEY_REASON_BACKLOG_FULL,
			     &self->last));
	EXPECT_EQ(-PARLEY_REASON_BACKLOG_FULL, call_as(3 * ANN, PORT));
	/* The first one's has gone: it is as a newcomer. */
	ASSERT_LE(0, test_accept(self->l, 0));
	EXPECT_EQ(-PARLEY_REASON_FAIR_SHARE, call_as(BOB, PORT));
	EXPECT_LE(0, call_as(ANN, PORT));
}

/* What came before it was set does not count, whenever that ends. */
TEST_F(users, share_set_later)
{
	int early = call_as(ANN, PORT);
	int i;

	ASSERT_LE(0, early);
	ASSERT_EQ(0, set_share(self->l, 1));
	EXPECT_EQ(1, SHARE(ANN));
	close(early);
	EXPECT_EQ(0, SHARE(ANN));
	close(self->last);
	EXPECT_EQ(1, SHARE(ANN));
	ASSERT_EQ(0, set_share(self->l, 0));
	for (i = 0; i < 10; i++)
		EXPECT_LE(0, call_as(ANN, PORT));
	/* One that came with shares still counts, the others do not. */
	ASSERT_EQ(0, set_share(self->l, 2));
	EXPECT_EQ(0, SHARE(ANN));
	ASSERT_EQ(0, listen(self->l, 5));
	EXPECT_EQ(-PARLEY_REASON_BACKLOG_FULL, call_as(BOB, PORT));
}

/* With PARLEY_STAGE_ARRIVAL nobody is judged who has no place. */
TEST_F(users, share_before_rules)
{
	struct rules *t = rules_new();

	ASSERT_NE(NULL, t);
	ASSERT_EQ(0, set_share(self->l, 1));
	EXPECT_EQ(1, SHARE(ANN));
	rules_refuse(t, 7);
	ASSERT_EQ(0, rules_set(self->l, t));
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	EXPECT_EQ(-PARLEY_REASON_FAIR_SHARE, call_as(ANN, PORT));
	EXPECT_EQ(-PARLEY_REASON_RULE, call_as(BOB, PORT));
	ASSERT_EQ(0, parley_sysctl_write(LIMIT, 1));
	ASSERT_EQ(0, set_share(self->l, 0));
	EXPECT_EQ(-PARLEY_REASON_USER_LIMIT, call_as(ANN, PORT));
	EXPECT_EQ(-PARLEY_REASON_RULE, call_as(BOB, PORT));
	rules_free(t);
}

/* Each listener has its own. */
TEST_F(users, share_of_each_listener)
{
	int other = parley_bound(HOST, PORT + 1);

	ASSERT_LE(0, other);
	/* Before listen(2), too. */
	ASSERT_EQ(0, set_share(other, 100));
	ASSERT_EQ(0, listen(other, 10));
	ASSERT_EQ(0, set_share(self->l, 100));
	EXPECT_EQ(50, SHARE(ANN));
	EXPECT_EQ(5, fill_as(ANN, PORT + 1, PARLEY_REASON_FAIR_SHARE,
			     &self->last));
	close(self->l);
	EXPECT_EQ(3, fill_as(BOB, PORT + 1, PARLEY_REASON_FAIR_SHARE,
			     &self->last));
}

TEST_HARNESS_MAIN
