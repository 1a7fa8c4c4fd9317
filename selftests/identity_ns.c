// SPDX-License-Identifier: GPL-2.0
/*
 * Who calls, as readers in other user and pid namespaces see it: by the names
 * that it has there, or by none.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib_who.h"

#define HOST	"127.0.0.1"
#define PORT	7340

FIXTURE(reader) {
	int l;
};

FIXTURE_SETUP(reader)
{
	ASSERT_EQ(0, setgroups(0, NULL));
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(reader)
{
	EXPECT_EQ(0, parley_expect_clean());
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

/* A child in a user namespace of its own, and the gates to have it mapped. */
struct mapped {
	pid_t pid;
	struct parley_gate unshared;
	struct parley_gate mapped;
};

/* In the child it returns 0 with ids 0 to 9 for 1000 and 2000 and on. */
static pid_t mapped_fork(struct mapped *m)
{
	int step = 100;

	if (parley_gate_init(&m->unshared) || parley_gate_init(&m->mapped))
		return -errno;
	m->pid = parley_fork();
	if (m->pid < 0)
		return m->pid;
	if (!m->pid) {
		WHO_STEP(!unshare(CLONE_NEWUSER));
		WHO_STEP(!parley_gate_open(&m->unshared));
		WHO_STEP(!parley_gate_wait(&m->mapped));
		return 0;
	}
	if (parley_gate_wait(&m->unshared) ||
	    !write_map(m->pid, "uid_map", "0 1000 10\n") ||
	    !write_map(m->pid, "gid_map", "0 2000 10\n") ||
	    parley_gate_open(&m->mapped))
		return -EBADMSG;
	return m->pid;
}

static bool be_mapped(struct who_caller *c)
{
	static const gid_t groups[] = { 2001, 5000 };

	return !setgroups(2, groups) && !setegid(2003) && !seteuid(1005);
}

/* Readers have the ids of their own user namespace, or the overflow ids. */
TEST_F(reader, user_namespace_inside)
{
	const gid_t nogroup = parley_sysctl_read("../kernel/overflowgid");
	const uid_t nobody = parley_sysctl_read("../kernel/overflowuid");
	const gid_t inside[] = { 1, nogroup };
	struct who_caller known = {
		.host = HOST, .port = PORT, .before = be_mapped,
	};
	struct who_caller unknown = { .host = HOST, .port = PORT };
	struct who w = { 5, 3, 0, 2, inside };
	struct who u = { nobody, nogroup, 0, 0, NULL };
	int pid, new, step = 0;
	struct mapped m;

	ASSERT_EQ(0, who_caller_start(&known));
	ASSERT_EQ(0, who_caller_start(&unknown));
	w.pid = known.pid;
	u.pid = unknown.pid;
	pid = mapped_fork(&m);
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(who_offers_is(self->l, &w));
		new = test_accept(self->l, 0);
		WHO_STEP(new >= 0);
		WHO_STEP(who_called_is(new, &w));
		WHO_STEP(who_offers_is(self->l, &u));
		new = test_accept(self->l, 0);
		WHO_STEP(new >= 0);
		WHO_STEP(who_called_is(new, &u));
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
	EXPECT_EQ(0, who_caller_end(&known));
	EXPECT_EQ(0, who_caller_end(&unknown));
}

/* The other way round: who is root in a container is not so outside. */
TEST_F(reader, user_namespace_outside)
{
	static const gid_t inside[] = { 7 }, outside[] = { 2007 };
	struct who w = { 1003, 2004, 0, 1, outside };
	struct who own = { 3, 4, 0, 1, inside };
	struct parley_gate gate;
	int pid, fd, new, step = 0;
	struct mapped m;

	ASSERT_EQ(0, parley_gate_init(&gate));
	pid = mapped_fork(&m);
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(!setgroups(1, inside));
		WHO_STEP(!setresgid(4, 4, 4) && !setresuid(3, 3, 3));
		own.pid = getpid();
		fd = parley_call(HOST, PORT);
		WHO_STEP(fd >= 0);
		WHO_STEP(parley_wait(fd, POLLOUT) == POLLOUT);
		WHO_STEP(!parley_gate_wait(&gate));
		/* It knows itself by its own names. */
		fd = parley_call(HOST, PORT);
		WHO_STEP(fd >= 0);
		WHO_STEP(who_offers_is(self->l, &own));
		new = test_accept(self->l, 0);
		WHO_STEP(new >= 0 && who_called_is(new, &own));
		_exit(0);
	}
	w.pid = pid;
	ASSERT_EQ(POLLIN, parley_wait(self->l, POLLIN));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(who_called_is(new, &w));
	EXPECT_EQ(0, parley_gate_open(&gate));
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

static bool pid_is(int fd, pid_t pid)
{
	const struct who w = { .pid = pid };

	return who_called_is(fd, &w);
}

/* Readers have the pid of their own pid namespace, or 0. */
TEST_F(reader, pid_namespaces)
{
	struct parley_gate gate, end;
	int fd, new, pid, step = 0;
	const struct who hidden = { .pid = 0 };

	ASSERT_EQ(0, parley_gate_init(&gate));
	ASSERT_EQ(0, parley_gate_init(&end));
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	pid = fork_inner();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(getpid() == 1);
		/* The call from outside. */
		WHO_STEP(who_offers_is(self->l, &hidden));
		new = test_accept(self->l, 0);
		WHO_STEP(new >= 0 && pid_is(new, 0));
		/* Its own; then one that is looked at outside. */
		fd = parley_call(HOST, PORT);
		WHO_STEP(fd >= 0);
		new = test_accept(self->l, 0);
		WHO_STEP(new >= 0 && pid_is(new, 1));
		fd = parley_call(HOST, PORT);
		WHO_STEP(fd >= 0);
		WHO_STEP(!parley_gate_open(&gate));
		WHO_STEP(parley_wait(fd, POLLOUT) == POLLOUT);
		WHO_STEP(!parley_gate_wait(&end));
		_exit(0);
	}
	ASSERT_EQ(0, parley_gate_wait(&gate));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(pid_is(new, pid));
	EXPECT_EQ(0, parley_gate_open(&end));
	EXPECT_EQ(0, parley_reap(pid));
}

TEST_HARNESS_MAIN
