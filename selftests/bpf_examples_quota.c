// SPDX-License-Identifier: GPL-2.0
/*
 * The example quotas of tools/bpf: never more connections than may be, however
 * many callers and acceptors race, and a place is free again as soon as its
 * connection is closed, or its call has come to nothing.
 *
 * PARLEY_STORM_SEED repeats a run, PARLEY_STORM_SCALE is a percentage of the
 * usual size.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib_bpf_race.h"
#include "lib_decide.h"
#include "lib_terms.h"

#define HOST		"127.0.0.1"
#define PORT		7630
#define MAX		4
#define CALLERS		16
#define ACCEPTORS	3
#define CALLS		150	/* of each caller */
#define CODE		31
#define RETRY_MS	77
#define CGROUP		"/sys/fs/cgroup/parley_quota"
#define OTHER_UID	1000

static const struct setting settings[] = {
	{ "max", MAX }, { "code", CODE }, { "retry_after_ms", RETRY_MS }, { }
};

static __u64 seed;
static int listener;
static unsigned int calls;
static unsigned int complaints;
static unsigned int live, most;		/* connections, as acceptors know */
static unsigned int accepted, refused, full, taken_back;

static void add(unsigned int *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static void wrong(const char *what, long value)
{
	if (__atomic_add_fetch(&complaints, 1, __ATOMIC_RELAXED) > 20)
		return;
	printf("# should not be: %s %ld\n", what, value);
	fflush(stdout);
}

/* Refused by the quota, in the way that was said? */
static bool over_quota(int fd)
{
	struct parley_refusal r;

	return !parley_refusal(fd, &r) && r.reason == PARLEY_REASON_POLICY &&
	       r.code == CODE && r.retry_after_ms == RETRY_MS;
}

/* A call that somebody has to accept; or it is taken back before. */
static void one_call(struct race_random *r)
{
	bool patient = race_below(r, 3);
	int fd, err;

	fd = parley_socket(patient ? 0 : SOCK_NONBLOCK);
	err = test_connect(fd, HOST, PORT);
	if (err == -EINPROGRESS) {
		race_spin(race_below(r, 50000));
		add(&taken_back);
	} else if (!err) {
		add(&accepted);
	} else if (err == -ECONNREFUSED && over_quota(fd)) {
		add(&refused);
	} else if (err == -ECONNREFUSED &&
		   parley_reason(fd) == PARLEY_REASON_BACKLOG_FULL) {
		add(&full);
	} else {
		wrong("connect", err);
	}
	close(fd);
}

static long caller_main(void *arg)
{
	struct race_random r;
	unsigned int i;

	race_random_init(&r, seed, 10 + *(unsigned int *)arg);
	for (i = 0; i < calls; i++)
		one_call(&r);
	return 0;
}

static long acceptor_main(void *arg)
{
	unsigned int now;
	int fd;

	for (;;) {
		fd = test_accept(listener, 0);
		if (fd < 0)
			return fd;
		/* Counted later and out earlier than the policy does. */
		now = __atomic_add_fetch(&live, 1, __ATOMIC_ACQ_REL);
		if (now > MAX)
			wrong("connections at a time", now);
		if (now > __atomic_load_n(&most, __ATOMIC_RELAXED))
			__atomic_store_n(&most, now, __ATOMIC_RELAXED);
		race_spin(1000);
		__atomic_sub_fetch(&live, 1, __ATOMIC_ACQ_REL);
		close(fd);
	}
}

/* Accepts several and keeps them, so that it gets crowded. */
static long keeper_main(void *arg)
{
	int fd[MAX], i, n, err = 0;

	while (!err) {
		for (n = 0; n < MAX - 1 && !err; n++) {
			fd[n] = test_accept(listener, 0);
			err = fd[n] < 0 ? fd[n] : 0;
			if (err)
				break;
			if (__atomic_add_fetch(&live, 1, __ATOMIC_ACQ_REL) >
			    MAX)
				wrong("connections at a time", live);
		}
		for (i = 0; i < n; i++) {
			__atomic_sub_fetch(&live, 1, __ATOMIC_ACQ_REL);
			close(fd[i]);
		}
	}
	return err;
}

/* A process that calls until it is killed. */
static void victim_main(unsigned int number)
{
	struct race_random r;

	race_random_init(&r, seed, 1000 + number);
	for (;;)
		one_call(&r);
}

FIXTURE(bpf_examples_quota) {
	struct policy policy;
	struct parley_thread acceptor[ACCEPTORS], caller[CALLERS], keeper;
	unsigned int number[CALLERS];
};

FIXTURE_VARIANT(bpf_examples_quota) {
	const char *name;
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(bpf_examples_quota, uid_accept) {
	.name = "quota_uid", .stage = PARLEY_STAGE_ACCEPT,
};

FIXTURE_VARIANT_ADD(bpf_examples_quota, uid_arrival) {
	.name = "quota_uid", .stage = PARLEY_STAGE_ARRIVAL,
};

FIXTURE_VARIANT_ADD(bpf_examples_quota, cgroup_accept) {
	.name = "quota_cgroup", .stage = PARLEY_STAGE_ACCEPT,
};

FIXTURE_VARIANT_ADD(bpf_examples_quota, cgroup_arrival) {
	.name = "quota_cgroup", .stage = PARLEY_STAGE_ARRIVAL,
};

FIXTURE_SETUP(bpf_examples_quota)
{
	if (!policy_possible())
		SKIP(return, NO_POLICIES);
	seed = race_seed();
	calls = race_scale(CALLS);
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, settings_start(&self->policy, variant->name, settings));
	listener = parley_listener(HOST, PORT, 64);
	ASSERT_LE(0, listener);
	ASSERT_EQ(0, terms_set_stage(listener, variant->stage));
	ASSERT_EQ(0, policy_choose(listener, variant->name));
	ASSERT_TRUE(!mkdir(CGROUP, 0755) || errno == EEXIST);
}

FIXTURE_TEARDOWN(bpf_examples_quota)
{
	if (complaints)
		TH_LOG("seed %llu", (unsigned long long)seed);
	EXPECT_EQ(0, complaints);
	rmdir(CGROUP);
	policy_end(&self->policy);
	EXPECT_EQ(0, policy_expect_clean());
}

/* A call that the policy has judged: its socket, or -ECONNREFUSED. */
static int judged(void)
{
	int fd = parley_call(HOST, PORT);
	struct parley_call_info info;
	int err;

	if (fd < 0)
		return fd;
	/* To be looked at is to be judged; on arrival it has been. */
	err = terms_next(listener, &info, PARLEY_NEXT_NOWAIT);
	if (!err)
		return fd;
	if (err != -EAGAIN || !over_quota(fd))
		wrong("call that was looked at", err);
	close(fd);
	return -ECONNREFUSED;
}

/* Just @room calls are let in, and all of them are taken back again. */
static bool room_is(unsigned int room)
{
	int fd[MAX + 1];
	unsigned int n = 0;

	while (n < MAX + 1 && (fd[n] = judged()) >= 0)
		n++;
	if (n != room) {
		printf("# room for %u, expected %u\n", n, room);
		fflush(stdout);
	}
	while (n && fd[n - 1] >= 0 && !close(fd[n - 1]))
		n--;
	return !n && fd[room] == -ECONNREFUSED;
}

/* A child that is somebody else and calls: whether there is room for it. */
static bool room_for(const char *cgroup, uid_t uid)
{
	pid_t pid = parley_fork();
	char path[64];
	int fd;

	if (pid)
		return pid > 0 && parley_reap(pid) == 0;
	if (cgroup) {
		snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
		fd = open(path, O_WRONLY);
		if (fd < 0 || write(fd, "0", 1) != 1)
			_exit(2);
		close(fd);
	}
	if (setresuid(uid, uid, uid))
		_exit(3);
	_exit(judged() < 0);
}

/* A child whose call has a place, until it is killed. */
static pid_t start_holder(void)
{
	struct parley_gate gate;
	pid_t pid;

	if (parley_gate_init(&gate))
		return -1;
	pid = parley_fork();
	if (pid)
		return pid < 0 || parley_gate_wait(&gate) ? -1 : pid;
	if (judged() < 0 || parley_gate_open(&gate))
		_exit(1);
	for (;;)
		pause();
}

/* Each way in which a place becomes free. */
TEST_F(bpf_examples_quota, places)
{
	int call[MAX], callee, i;
	pid_t holder;

	ASSERT_TRUE(room_is(MAX));
	for (i = 0; i < MAX; i++) {
		call[i] = judged();
		ASSERT_LE(0, call[i]);
	}
	EXPECT_TRUE(room_is(0));
	/* The caller gives up. */
	EXPECT_EQ(0, close(call[0]));
	EXPECT_TRUE(room_is(1));
	EXPECT_EQ(0, parley_unspec(call[1]));
	EXPECT_TRUE(room_is(2));
	/* A connection goes on to count until the accepted end is closed. */
	callee = test_accept(listener, 0);
	ASSERT_LE(0, callee);
	EXPECT_TRUE(room_is(2));
	EXPECT_EQ(0, close(call[2]));
	EXPECT_TRUE(room_is(2));
	EXPECT_EQ(0, close(callee));
	EXPECT_TRUE(room_is(3));
	/* Its process is killed. */
	holder = start_holder();
	ASSERT_LT(0, holder);
	EXPECT_TRUE(room_is(2));
	EXPECT_EQ(0, kill(holder, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, parley_reap(holder));
	EXPECT_TRUE(room_is(3));
	/* The listener is shut down; another one has the same quota. */
	EXPECT_EQ(0, shutdown(listener, SHUT_RDWR));
	EXPECT_EQ(0, listen(listener, 64));
	EXPECT_TRUE(room_is(MAX));
}

/* Users, and control groups, have places of their own. */
TEST_F(bpf_examples_quota, others)
{
	bool by_uid = !strcmp(variant->name, "quota_uid");
	int i;

	for (i = 0; i < MAX; i++)
		ASSERT_LE(0, judged());
	EXPECT_FALSE(room_for(NULL, 0));
	EXPECT_EQ(by_uid, room_for(NULL, OTHER_UID));
	EXPECT_EQ(!by_uid, room_for(CGROUP, 0));
	EXPECT_TRUE(room_for(CGROUP, OTHER_UID));
}

/* What a server accepts against the policy's word counts, too. */
TEST_F(bpf_examples_quota, against)
{
	struct parley_call_info info;
	int call, callee;

	ASSERT_EQ(0, policy_choose(listener, ""));
	call = parley_call(HOST, PORT);
	ASSERT_LE(0, call);
	ASSERT_EQ(0, terms_next(listener, &info, PARLEY_NEXT_NOWAIT));
	ASSERT_EQ(0, terms_decide(listener, info.id, PARLEY_ACCEPT));
	ASSERT_EQ(0, policy_choose(listener, variant->name));
	EXPECT_TRUE(room_is(MAX));
	callee = test_accept(listener, 0);
	ASSERT_LE(0, callee);
	EXPECT_TRUE(room_is(MAX - 1));
	EXPECT_EQ(0, close(callee));
	EXPECT_TRUE(room_is(MAX));
}

TEST_F_TIMEOUT(bpf_examples_quota, exact, 300)
{
	unsigned int i, kills;
	pid_t victim;

	for (i = 0; i < ACCEPTORS; i++)
		ASSERT_EQ(0, parley_thread_start(&self->acceptor[i], 0,
						 acceptor_main, NULL));
	ASSERT_EQ(0, parley_thread_start(&self->keeper, 0, keeper_main, NULL));
	victim = parley_fork();
	ASSERT_LE(0, victim);
	if (!victim)
		victim_main(0);
	for (i = 0; i < CALLERS; i++) {
		self->number[i] = i;
		ASSERT_EQ(0, parley_thread_start(&self->caller[i], 0,
						 caller_main,
						 &self->number[i]));
	}
	for (kills = 0, i = 0; i < CALLERS; i++) {
		pthread_join(self->caller[i].thread, NULL);
		kill(victim, SIGKILL);
		EXPECT_EQ(128 + SIGKILL, parley_reap(victim));
		victim = parley_fork();
		ASSERT_LE(0, victim);
		if (!victim)
			victim_main(++kills);
	}
	kill(victim, SIGKILL);
	EXPECT_EQ(128 + SIGKILL, parley_reap(victim));
	ASSERT_EQ(0, shutdown(listener, SHUT_RDWR));
	for (i = 0; i < ACCEPTORS; i++)
		EXPECT_EQ(-EINVAL, parley_thread_join(&self->acceptor[i]));
	EXPECT_EQ(-EINVAL, parley_thread_join(&self->keeper));

	TH_LOG("accepted %u, over quota %u, backlog full %u, taken back %u",
	       accepted, refused, full, taken_back);
	TH_LOG("at most %u at a time", most);
	EXPECT_EQ(0, live);
	EXPECT_LT(0, accepted);
	EXPECT_LT(0, refused);
	EXPECT_LT(0, taken_back);
	/* All is free again, to the last place. */
	ASSERT_EQ(0, listen(listener, 64));
	EXPECT_TRUE(room_is(MAX));
}

TEST_HARNESS_MAIN
