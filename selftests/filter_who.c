// SPDX-License-Identifier: GPL-2.0
/*
 * Filters and who somebody is: who may have one, and by which names it sees
 * the caller, those of the namespaces of who called listen(2).
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib_filter.h"
#include "lib_who.h"

#define HOST	"127.0.0.1"
#define PORT	7620
#define NOBODY	65534		/* the overflow id, but a user of its own */
#define NONAME	0xffffffff	/* who has no name in a namespace */

FIXTURE(who) {
	int l;
};

FIXTURE_VARIANT(who) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(who, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(who, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

/* Bound; who listens is up to the test. */
FIXTURE_SETUP(who)
{
	ASSERT_EQ(0, setgroups(0, NULL));
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_bound(HOST, PORT);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
}

FIXTURE_TEARDOWN(who)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Becomes somebody else, for good, and without any capability. */
static bool be(uid_t uid, gid_t gid)
{
	return !setgroups(0, NULL) && !setresgid(gid, gid, gid) &&
	       !setresuid(uid, uid, uid);
}

/* In a child: what a filter sees if this user calls. Returns an exit code. */
static int sees_as(int l, uid_t uid, gid_t gid, uid_t as_uid, gid_t as_gid)
{
	int step = 0;
	pid_t pid;

	pid = parley_fork();
	if (pid)
		return pid < 0 ? pid : parley_reap(pid);
	WHO_STEP(be(uid, gid));
	WHO_STEP(filter_sees_member(l, NULL, uid, as_uid));
	WHO_STEP(filter_sees_member(l, NULL, gid, as_gid));
	_exit(0);
}

TEST_F(who, same_namespace)
{
	ASSERT_EQ(0, listen(self->l, 5));
	EXPECT_EQ(0, sees_as(self->l, 0, 0, 0, 0));
	EXPECT_EQ(0, sees_as(self->l, 1005, 2003, 1005, 2003));
	EXPECT_EQ(0, sees_as(self->l, NOBODY, NOBODY, NOBODY, NOBODY));
	EXPECT_EQ(0, sees_as(self->l, 0xfffffffe, 0xfffffffd, 0xfffffffe,
			     0xfffffffd));
}

/* It is the effective user that counts, as it was when it called. */
static bool before_calling(struct who_caller *c)
{
	return !setresgid(7, 2003, 7) && !setresuid(7, 1005, 7);
}

static bool after_calling(struct who_caller *c)
{
	return !setresuid(-1, 7, -1) && !setresgid(-1, 7, -1);
}

TEST_F(who, effective_then)
{
	struct who_caller c = {
		.host = HOST,
		.port = PORT,
		.before = before_calling,
		.after = after_calling,
	};
	int new;

	ASSERT_EQ(0, listen(self->l, 5));
	ASSERT_EQ(0, filter_set(self->l, C_LOAD(BPF_W, FILTER_AT(uid)),
				C_JEQ(1005, 0, 3),
				C_LOAD(BPF_W, FILTER_AT(gid)),
				C_JEQ(2003, 0, 1), C_RET(1), C_RET(0)));
	ASSERT_EQ(0, who_caller_start(&c));
	new = test_accept(self->l, 0);
	EXPECT_LE(0, new);
	EXPECT_EQ(0, who_caller_end(&c));
}

/* A user who may do nothing may do this: classic filters are for all. */
TEST_F(who, unprivileged)
{
	struct sock_filter bad = BPF_STMT(0xff, 0);
	int step = 0, l = self->l;
	pid_t pid;

	ASSERT_EQ(0, listen(l, 5));
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(be(NOBODY, NOBODY));
		WHO_STEP(filter_sees_member(l, NULL, uid, NOBODY));
		WHO_STEP(!filter_say(l, 0));
		WHO_STEP(filter_verdict(l, NULL) == PARLEY_REFUSE);
		WHO_STEP(!filter_detach(l));
		l = parley_listener(HOST, PORT + 1, 5);
		WHO_STEP(l >= 0);
		WHO_STEP(!parley_nonblock(l, true));
		WHO_STEP(filter_sees_member(l, NULL, uid, NOBODY));
		WHO_STEP(filter_sees_member(l, NULL, pid, getpid()));
		WHO_STEP(filter_attach(l, &bad, 1) == -EINVAL);
		WHO_STEP(!filter_lock(l));
		WHO_STEP(filter_say(l, 0) == -EPERM);
		/* There is no way back. */
		WHO_STEP(parley_set_sockopt(l, SOL_SOCKET, SO_LOCK_FILTER,
					    0) == -EPERM);
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
}

/*
 * eBPF is as everywhere: to load a program takes what the system wants it to
 * take, to attach one takes nothing.
 */
TEST_F(who, unprivileged_ebpf)
{
	const struct filter_answer no = { .cb = { 77, 7 } };
	int given = filter_answers(&no), own, step = 0, l = self->l;
	long disabled = parley_sysctl_read("../kernel/unprivileged_bpf_disabled");
	pid_t pid;

	ASSERT_EQ(0, listen(l, 5));
	ASSERT_LE(0, given);
	ASSERT_LE(0, disabled);
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(be(NOBODY, NOBODY));
		own = filter_answers(&no);
		WHO_STEP(disabled ? own == -EPERM : own >= 0);
		WHO_STEP(!filter_attach_bpf(l, given));
		WHO_STEP(filter_refuses(l, NULL, PARLEY_REASON_FILTER, 77, 7));
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
}

static bool write_map(pid_t pid, const char *file, const char *map)
{
	char path[64];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, map, strlen(map)) == (ssize_t)strlen(map);
	close(fd);
	return ok;
}

/*
 * A child in a user namespace in which users 0 to 9 are 1000 and on out here,
 * and groups 0 to 9 are 2000 and on. It returns 0 there, when it has that.
 */
static pid_t mapped_fork(void)
{
	struct parley_gate unshared, mapped;
	int step = 100;
	pid_t pid;

	if (parley_gate_init(&unshared) || parley_gate_init(&mapped))
		return -errno;
	pid = parley_fork();
	if (pid < 0)
		return pid;
	if (!pid) {
		WHO_STEP(!unshare(CLONE_NEWUSER));
		WHO_STEP(!parley_gate_open(&unshared));
		WHO_STEP(!parley_gate_wait(&mapped));
		return 0;
	}
	if (parley_gate_wait(&unshared) ||
	    !write_map(pid, "uid_map", "0 1000 10\n") ||
	    !write_map(pid, "gid_map", "0 2000 10\n") ||
	    parley_gate_open(&mapped))
		return -EBADMSG;
	return pid;
}

/* Its names count, whoever attached the filter, or accepts. */
TEST_F(who, user_namespace)
{
	const int l = self->l;
	int step = 0;
	pid_t pid;

	pid = mapped_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(!listen(l, 5));
		/* A process of that namespace, there as root. */
		WHO_STEP(!setresgid(0, 0, 0) && !setresuid(0, 0, 0));
		WHO_STEP(filter_sees_member(l, NULL, uid, 0));
		WHO_STEP(filter_sees_member(l, NULL, gid, 0));
		_exit(0);
	}
	ASSERT_EQ(0, parley_reap(pid));
	/* The namespace has gone, and yet is what counts. */
	EXPECT_EQ(0, sees_as(l, 1005, 2003, 5, 3));
	EXPECT_EQ(0, sees_as(l, 1000, 2000, 0, 0));
	EXPECT_EQ(0, sees_as(l, 1009, 2010, 9, NONAME));
	EXPECT_EQ(0, sees_as(l, 1010, 2009, NONAME, 9));
	EXPECT_EQ(0, sees_as(l, 0, 0, NONAME, NONAME));
	EXPECT_EQ(0, sees_as(l, 5, 3, NONAME, NONAME));
	EXPECT_EQ(0, sees_as(l, NOBODY, NOBODY, NONAME, NONAME));

	/* Who listens next has names of its own. */
	ASSERT_EQ(0, listen(l, 5));
	EXPECT_EQ(0, sees_as(l, 1005, 2003, 1005, 2003));
	EXPECT_EQ(0, sees_as(l, 5, 3, 5, 3));
}

/* The other way round: it is not where it attaches or calls that counts. */
TEST_F(who, from_user_namespace)
{
	const int l = self->l;
	int step = 0;
	pid_t pid;

	ASSERT_EQ(0, listen(l, 5));
	pid = mapped_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(!setresgid(4, 4, 4) && !setresuid(3, 3, 3));
		WHO_STEP(filter_sees_member(l, NULL, uid, 1003));
		WHO_STEP(filter_sees_member(l, NULL, gid, 2004));
		WHO_STEP(filter_sees_member(l, NULL, pid, getpid()));
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
}

/* The first process of a pid namespace, which does not see who made it. */
static pid_t fork_inner(void)
{
	pid_t pid;

	if (unshare(CLONE_NEWPID))
		return -errno;
	pid = fork();
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid < 0 ? -errno : pid;
}

TEST_F(who, pid_namespace)
{
	const int l = self->l;
	struct parley_gate listens, end;
	int step = 0;
	pid_t pid;

	ASSERT_EQ(0, parley_gate_init(&listens));
	ASSERT_EQ(0, parley_gate_init(&end));
	pid = fork_inner();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(getpid() == 1);
		WHO_STEP(!listen(l, 5));
		WHO_STEP(filter_sees_member(l, NULL, pid, 1));
		WHO_STEP(!parley_gate_open(&listens));
		WHO_STEP(!parley_gate_wait(&end));
		_exit(0);
	}
	ASSERT_EQ(0, parley_gate_wait(&listens));
	/* Out here nobody has a number in there. */
	EXPECT_TRUE(filter_sees_member(l, NULL, pid, 0));
	EXPECT_EQ(0, parley_gate_open(&end));
	EXPECT_EQ(0, parley_reap(pid));
	EXPECT_TRUE(filter_sees_member(l, NULL, pid, 0));
	ASSERT_EQ(0, listen(l, 5));
	EXPECT_TRUE(filter_sees_member(l, NULL, pid, getpid()));
}

/* Who calls from in there has a number out here. */
TEST_F(who, from_pid_namespace)
{
	const int l = self->l;
	struct parley_gate gate;
	int fd, step = 0;
	pid_t pid;

	ASSERT_EQ(0, parley_gate_init(&gate));
	ASSERT_EQ(0, listen(l, 5));
	pid = fork_inner();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(getpid() == 1);
		WHO_STEP(!parley_gate_wait(&gate));
		fd = parley_call(HOST, PORT);
		WHO_STEP(fd >= 0);
		WHO_STEP(parley_wait(fd, POLLOUT) == POLLOUT);
		_exit(0);
	}
	ASSERT_EQ(0, filter_set(l, C_LOAD(BPF_W, FILTER_AT(pid)),
				C_JEQ(pid, 0, 1), C_RET(1), C_RET(0)));
	EXPECT_EQ(0, parley_gate_open(&gate));
	ASSERT_EQ(POLLIN, parley_wait(l, POLLIN));
	EXPECT_LE(0, test_accept(l, 0));
	EXPECT_EQ(0, parley_reap(pid));
}

static bool join(const char *cgroup)
{
	char path[256];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, "0", 1) == 1;
	close(fd);
	return ok;
}

/* Control groups are directories; the number of the inode is their id. */
TEST_F(who, cgroup)
{
	char dir[] = "/tmp/parley-filter-XXXXXX", one[64];
	int l = self->l, step = 0;
	struct stat st;
	pid_t pid;

	ASSERT_EQ(0, listen(l, 5));
	ASSERT_NE(NULL, mkdtemp(dir));
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_EQ(0, mount("none", dir, "cgroup2", 0, NULL));
	snprintf(one, sizeof(one), "%s/filter-one", dir);
	ASSERT_EQ(0, mkdir(one, 0755));
	ASSERT_EQ(0, stat(one, &st));
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(join(one));
		WHO_STEP(filter_sees_member(l, NULL, cgroup_id, st.st_ino));
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
	EXPECT_FALSE(filter_sees_member(l, NULL, cgroup_id, st.st_ino));
	/* It can be removed some time after its last process has gone. */
	EXPECT_TRUE(parley_until(!rmdir(one)));
	EXPECT_EQ(0, umount(dir));
	EXPECT_EQ(0, rmdir(dir));
}

TEST_HARNESS_MAIN
