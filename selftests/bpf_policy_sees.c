// SPDX-License-Identifier: GPL-2.0
/*
 * What the programs of a policy are given: every member of struct
 * parley_request, call data, label, groups, compared with what the caller and
 * the accepted socket say.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/stat.h>

#include "lib_bpf_script.h"
#include "lib_decide.h"

#define HOST	"127.0.0.1"
#define FROM	"127.3.4.5"
#define PORT	8540
#define CGROUP	"/sys/fs/cgroup/parley_policy_sees"
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE	71
#endif

FIXTURE(sees) {
	struct policy p;
	struct script *s;
	struct script_seen *saw;	/* by condition() */
	int l;
};

FIXTURE_VARIANT(sees) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(sees, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(sees, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

FIXTURE_SETUP(sees)
{
	if (!policy_possible())
		SKIP(return, NO_POLICIES);
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data",
					 TERMS_DATA_MAX));
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
	ASSERT_EQ(0, script_start_for(&self->p, self->l, &self->s));
	self->saw = &self->s->seen[SCRIPT_CONDITION];
}

FIXTURE_TEARDOWN(sees)
{
	policy_end(&self->p);
	rmdir(CGROUP);
	EXPECT_EQ(0, policy_expect_clean());
}

/* Connects: @fd is the caller, the result the accepted socket. */
static int meet(int l, const struct rules_call *c, int *fd)
{
	int err = rules_connect(l, c, fd);

	return err == -EINPROGRESS ? test_accept(l, 0) : err ?: -EBADMSG;
}

static bool equals(const char *what, unsigned long long got,
		   unsigned long long want)
{
	if (got == want)
		return true;
	printf("# %s is %llu, not %llu\n", what, got, want);
	fflush(stdout);
	return false;
}

/* What both the policy and the accepted socket say. */
static bool info_agrees(const struct script_seen *saw, int new, bool arrival)
{
	struct parley_call_info info;

	return !terms_info(new, &info) &&
	       equals("id", saw->id, arrival ? 0 : info.id) &&
	       equals("cgroup_id", saw->cgroup_id, info.cgroup_id) &&
	       equals("netns_cookie", saw->netns_cookie, info.netns_cookie) &&
	       equals("group", saw->group, info.group) &&
	       equals("uid", saw->uid, info.uid) &&
	       equals("gid", saw->gid, info.gid) &&
	       equals("pid", saw->pid, info.pid) &&
	       equals("data_len", saw->data_len, info.data_len) &&
	       equals("label_len", saw->label_len, info.label_len) &&
	       equals("qos", terms_qos_eq(&saw->qos, &info.qos), true);
}

static bool address_is(const __u8 *got, const char *host)
{
	struct parley_addr a;
	__u8 want[16] = { [10] = 0xff, 0xff };

	if (parley_addr(&a, host, 0))
		return false;
	if (a.sa.sa_family == AF_INET)
		memcpy(want + 12, &a.v4.sin_addr, 4);
	else
		memcpy(want, &a.v6.sin6_addr, 16);
	return !memcmp(got, want, sizeof(want));
}

TEST_F(sees, the_caller)
{
	const bool arrival = variant->stage == PARLEY_STAGE_ARRIVAL;
	struct script_seen *saw = self->saw;
	struct parley_qos qos;
	struct rules_call c = { .from = FROM };
	socklen_t len = sizeof(__u64);
	__u64 cookie, before;
	int fd, new;

	terms_qos_some(&qos);
	c.terms.qos = &qos;
	c.terms.group = 0x1122334455667788ULL;
	c.terms.data = "four";
	c.terms.len = 4;
	before = parley_now_ns();
	new = meet(self->l, &c, &fd);
	ASSERT_LE(0, new);
	EXPECT_TRUE(info_agrees(saw, new, arrival));
	EXPECT_EQ(geteuid(), saw->uid);
	EXPECT_EQ(getegid(), saw->gid);
	EXPECT_EQ(getpid(), saw->pid);
	EXPECT_EQ(0x1122334455667788ULL, saw->group);
	EXPECT_EQ(4, saw->data_len);
	EXPECT_TRUE(terms_qos_eq(&saw->qos, &qos));
	EXPECT_EQ(PARLEY_INFO_QOS, saw->flags);
	EXPECT_TRUE(address_is(saw->caller, FROM));
	EXPECT_TRUE(address_is(saw->callee, HOST));
	EXPECT_EQ(parley_port(fd), saw->caller_port);
	EXPECT_EQ(PORT, saw->callee_port);
	EXPECT_EQ(arrival ? 0 : 1, saw->backlog);
	EXPECT_EQ(10, saw->backlog_limit);
	EXPECT_EQ(0, saw->is_claimed);
	EXPECT_GT(parley_now_ns() - before, saw->age_ns);
	EXPECT_LT(0, saw->cgroup_id);
	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie,
				&len));
	EXPECT_EQ(cookie, saw->netns_cookie);
}

/* What is not said, and what other programs see of it all. */
TEST_F(sees, nothing_said)
{
	struct script_seen *est = &self->s->seen[SCRIPT_ESTABLISHED];
	struct script_seen *closed = &self->s->seen[SCRIPT_CLOSED];
	struct parley_qos none;
	int fd, new;

	terms_qos_none(&none);
	new = meet(self->l, NULL, &fd);
	ASSERT_LE(0, new);
	EXPECT_TRUE(terms_qos_eq(&self->saw->qos, &none));
	EXPECT_EQ(0, self->saw->group);
	EXPECT_EQ(0, self->saw->data_len);
	EXPECT_EQ(0, self->saw->flags);
	EXPECT_TRUE(info_agrees(est, new, false));
	EXPECT_EQ(1, est->is_claimed);
	EXPECT_EQ(self->saw->listener, est->listener);
	EXPECT_LE(self->saw->age_ns, est->age_ns);
	ASSERT_EQ(0, close(new));
	EXPECT_TRUE(script_ran(self->s, 1, 1, 1, 0));
	EXPECT_EQ(est->id, closed->id);
	EXPECT_EQ(est->pid, closed->pid);
	EXPECT_EQ(est->caller_port, closed->caller_port);
	EXPECT_EQ(est->listener, closed->listener);
	EXPECT_EQ(0, closed->is_claimed);
	EXPECT_EQ(0, closed->backlog);
}

TEST_F(sees, ipv6)
{
	struct rules_call c = { .from = "fd00::17", .to = "::1" };
	int six, fd, new;

	ASSERT_EQ(0, parley_ns_addr6("fd00::17"));
	six = parley_listener("::", PORT + 1, 3);
	ASSERT_LE(0, six);
	ASSERT_EQ(0, parley_nonblock(six, true));
	ASSERT_EQ(0, terms_set_stage(six, variant->stage));
	ASSERT_EQ(0, policy_choose(six, SCRIPT_NAME));
	new = meet(six, &c, &fd);
	ASSERT_LE(0, new);
	EXPECT_TRUE(address_is(self->saw->caller, "fd00::17"));
	EXPECT_TRUE(address_is(self->saw->callee, "::1"));
	EXPECT_EQ(PORT + 1, self->saw->callee_port);
	EXPECT_EQ(parley_port(fd), self->saw->caller_port);
	/* IPv4 at the same listener. */
	c.from = FROM;
	c.to = HOST;
	new = meet(six, &c, &fd);
	ASSERT_LE(0, new);
	EXPECT_TRUE(address_is(self->saw->caller, FROM));
	EXPECT_TRUE(address_is(self->saw->callee, HOST));
}

/* Two listeners are told apart, also when one took the other's place. */
TEST_F(sees, the_listener)
{
	__u64 first, second;
	int l, fd;

	ASSERT_LE(0, meet(self->l, NULL, &fd));
	first = self->saw->listener;
	EXPECT_LT(0, first);
	ASSERT_LE(0, meet(self->l, NULL, &fd));
	EXPECT_EQ(first, self->saw->listener);
	ASSERT_EQ(0, close(self->l));
	l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, l);
	ASSERT_EQ(0, parley_nonblock(l, true));
	ASSERT_EQ(0, policy_choose(l, SCRIPT_NAME));
	ASSERT_LE(0, meet(l, NULL, &fd));
	second = self->saw->listener;
	EXPECT_LT(first, second);
}

/* How full it is: this call counts, unless it is judged on arrival. */
TEST_F(sees, backlog)
{
	const bool arrival = variant->stage == PARLEY_STAGE_ARRIVAL;
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_LE(0, parley_call(HOST, PORT));
	EXPECT_EQ(arrival ? 3 : 0, self->saw->backlog);
	for (i = 0; i < 4; i++) {
		ASSERT_LE(0, test_accept(self->l, 0));
		EXPECT_EQ(arrival ? 3 : 4 - i, self->saw->backlog);
	}
	EXPECT_TRUE(script_ran(self->s, 4, 4, 0, 0));
}

/* A deferred call that is judged once more is known as such. */
TEST_F(sees, deferred)
{
	__u64 age;
	int fd;

	self->s->verdict = PARLEY_DEFER;
	EXPECT_EQ(-EAGAIN, meet(self->l, NULL, &fd));
	EXPECT_EQ(0, self->saw->flags);
	age = self->saw->age_ns;
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	self->s->verdict = PARLEY_ACCEPT;
	EXPECT_EQ(1, decide_review(self->l));
	ASSERT_LE(0, test_accept(self->l, 0));
	EXPECT_EQ(PARLEY_INFO_DEFERRED, self->saw->flags);
	EXPECT_LT(age, self->saw->age_ns);
	EXPECT_LT(0, self->saw->id);
	EXPECT_TRUE(script_ran(self->s, 2, 1, 0, 0));
}

/* Call data, as far as there is any; the rest of the room is zero. */
static bool data_is(struct script *s, int l, const struct rules_call *c,
		    __u32 at, __u32 room)
{
	const __u8 *data = c->terms.data;
	__u32 len = c->terms.len, n = at < len ? len - at : 0, i;
	int fd, new;

	n = n < room ? n : room;
	memset(s->data, 0xee, sizeof(s->data));
	s->data_at = at;
	s->data_room = room;
	new = meet(l, c, &fd);
	if (new < 0)
		return false;
	close(new);
	close(fd);
	if (!equals("data_len", s->seen[SCRIPT_CONDITION].data_len, len) ||
	    !equals("bytes got", s->seen[SCRIPT_CONDITION].data_got, n) ||
	    (n && memcmp(s->data, data + at, n)))
		return false;
	for (i = n; i < sizeof(s->data); i++)
		if (!equals("byte behind", s->data[i], i < room ? 0 : 0xee))
			return false;
	return true;
}

TEST_F(sees, call_data)
{
	static __u8 data[TERMS_DATA_MAX];
	struct rules_call c = { .terms = { .data = data } };
	const __u32 lens[] = { 0, 1, 100, 4095, 4096, TERMS_DATA_MAX };
	size_t i;

	terms_fill(data, sizeof(data), 5);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		__u32 len = lens[i];

		c.terms.len = len;
		EXPECT_TRUE(data_is(self->s, self->l, &c, 0, SCRIPT_DATA));
		EXPECT_TRUE(data_is(self->s, self->l, &c, 0, 1));
		EXPECT_TRUE(data_is(self->s, self->l, &c, 0, 0));
		EXPECT_TRUE(data_is(self->s, self->l, &c, 1, 16));
		EXPECT_TRUE(data_is(self->s, self->l, &c, len, 16));
		EXPECT_TRUE(data_is(self->s, self->l, &c, len + 1, 16));
		EXPECT_TRUE(data_is(self->s, self->l, &c, ~0U, 16));
		EXPECT_TRUE(data_is(self->s, self->l, &c, ~0U - 7, 16));
		EXPECT_TRUE(data_is(self->s, self->l, &c, 1U << 31, 16));
		if (len)
			EXPECT_TRUE(data_is(self->s, self->l, &c, len - 1, 16));
	}
}

/* All programs can read it, the last one too. */
TEST_F(sees, call_data_at_the_end)
{
	struct rules_call c = { .terms = { .data = "abcdef", .len = 6 } };
	int fd, new;

	self->s->data_room = 6;
	new = meet(self->l, &c, &fd);
	ASSERT_LE(0, new);
	ASSERT_EQ(0, close(fd));
	memset(self->s->data, 0, 6);
	ASSERT_EQ(0, close(new));
	EXPECT_TRUE(script_ran(self->s, 1, 1, 1, 0));
	EXPECT_EQ(6, self->s->seen[SCRIPT_CLOSED].data_got);
	EXPECT_EQ(0, memcmp(self->s->data, "abcdef", 6));
}

/* The label is what PARLEY_PEERSEC says, where there are labels at all. */
TEST_F(sees, label)
{
	__u8 label[SCRIPT_LABEL];
	socklen_t len = sizeof(label);
	int fd, new, err;

	memset(self->s->label, 0xee, SCRIPT_LABEL);
	self->s->label_room = SCRIPT_LABEL;
	new = meet(self->l, NULL, &fd);
	ASSERT_LE(0, new);
	err = terms_get(new, PARLEY_PEERSEC, label, &len);
	if (err == -ENOPROTOOPT)
		len = 0;
	else
		ASSERT_EQ(0, err);
	EXPECT_EQ(len, self->saw->label_len);
	EXPECT_EQ(len, self->saw->label_got);
	EXPECT_EQ(0, memcmp(label, self->s->label, len));
	EXPECT_EQ(0, self->s->label[len]);
	EXPECT_EQ(0, self->s->label[SCRIPT_LABEL - 1]);
	/* A part of it. */
	memset(self->s->label, 0xee, SCRIPT_LABEL);
	self->s->label_room = 3;
	ASSERT_LE(0, meet(self->l, NULL, &fd));
	EXPECT_EQ(len ? 3 : 0, self->saw->label_got);
	EXPECT_EQ(len ? label[0] : 0, self->s->label[0]);
	EXPECT_EQ(0xee, self->s->label[3]);
}

/* In a process of its own: calls, and waits until its call was accepted. */
static int caller_as(int l, const gid_t *groups, int n, bool userns)
{
	pid_t pid = parley_fork();
	int fd;

	if (pid)
		return pid;
	if (setgroups(n, groups) || setresgid(1000, 2000, 3000) ||
	    setresuid(4000, 5000, 6000))
		_exit(1);
	/* Who it is here is nobody's business but the first namespace's. */
	if (userns && unshare(CLONE_NEWUSER))
		_exit(2);
	fd = parley_call(HOST, PORT);
	if (fd < 0)
		_exit(3);
	_exit(parley_wait(fd, POLLOUT) != POLLOUT);
}

static int accept_any(int l)
{
	return parley_wait(l, POLLIN) == POLLIN ? test_accept(l, 0) : -ETIME;
}

TEST_F(sees, groups)
{
	static const gid_t groups[] = { 0, 7, 70, 700, 7000, 70000, 700000 };
	static const struct {
		gid_t gid;
		bool in;
	} ask[] = {
		{ 2000, true }, { 1000, false }, { 3000, false }, { 0, true },
		{ 7, true }, { 70, true }, { 700, true }, { 7000, true },
		{ 70000, true }, { 700000, true }, { 1, false }, { 8, false },
		{ 699, false }, { 701, false }, { 700001, false },
		{ 0xffffffff, false }, { 0xfffffffe, false },
	};
	size_t i;
	int pid;

	for (i = 0; i < ARRAY_SIZE(ask); i++) {
		self->s->gid = ask[i].gid;
		pid = caller_as(self->l, groups, 7, i & 1);
		ASSERT_LT(0, pid);
		ASSERT_LE(0, accept_any(self->l));
		EXPECT_EQ(ask[i].in, self->saw->in_group)
			TH_LOG("group %u", ask[i].gid);
		EXPECT_EQ(5000, self->saw->uid);
		EXPECT_EQ(2000, self->saw->gid);
		EXPECT_EQ(pid, self->saw->pid);
		EXPECT_EQ(0, parley_reap(pid));
	}
}

TEST_F(sees, no_groups)
{
	int pid;

	self->s->gid = 0;
	pid = caller_as(self->l, NULL, 0, false);
	ASSERT_LT(0, pid);
	ASSERT_LE(0, accept_any(self->l));
	EXPECT_EQ(0, self->saw->in_group);
	EXPECT_EQ(0, parley_reap(pid));
}

static pid_t caller_in(const char *cgroup)
{
	pid_t pid = parley_fork();
	int fd;

	if (pid)
		return pid;
	fd = open(cgroup, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		_exit(1);
	fd = parley_call(HOST, PORT);
	if (fd < 0)
		_exit(2);
	_exit(parley_wait(fd, POLLOUT) != POLLOUT);
}

/* The id of a cgroup is the inode number of its directory. */
TEST_F(sees, cgroup)
{
	struct stat st;
	pid_t pid;

	ASSERT_EQ(0, mkdir(CGROUP, 0700));
	ASSERT_EQ(0, stat(CGROUP, &st));
	pid = caller_in(CGROUP "/cgroup.procs");
	ASSERT_LT(0, pid);
	ASSERT_LE(0, accept_any(self->l));
	EXPECT_EQ(st.st_ino, self->saw->cgroup_id);
	EXPECT_EQ(pid, self->saw->pid);
	EXPECT_EQ(0, parley_reap(pid));
}

TEST_HARNESS_MAIN
