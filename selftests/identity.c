// SPDX-License-Identifier: GPL-2.0
/*
 * Who calls: user, groups, process, control group and network namespace are
 * those of who called connect(2), when it did, whatever it becomes until the
 * server looks. Readers in other namespaces are in identity_ns.c.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib_terms.h"
#include "lib_who.h"

#define HOST	"127.0.0.1"
#define PORT	7330

FIXTURE(identity) {
	int l;
};

FIXTURE_SETUP(identity)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(identity)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static const gid_t some_groups[] = { 10, 20, 30 };
static const gid_t other_groups[] = { 20, 99 };

static bool be_somebody(struct who_caller *c)
{
	/* Effective ids count; the others differ. */
	return !setgroups(3, some_groups) && !setresgid(1, 1002, 3) &&
	       !setresuid(4, 1001, 0);
}

static bool be_somebody_else(struct who_caller *c)
{
	return !seteuid(0) && !setresgid(5, 1004, 6) &&
	       !setgroups(2, other_groups) && !setresuid(7, 1003, 8);
}

TEST_F(identity, credentials)
{
	struct who_caller c = {
		.host = HOST, .port = PORT,
		.before = be_somebody, .after = be_somebody_else,
	};
	struct who w = { 1001, 1002, 0, 3, some_groups };
	int new;

	ASSERT_EQ(0, who_caller_start(&c));
	w.pid = c.pid;
	EXPECT_TRUE(who_offers_is(self->l, &w));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(who_called_is(new, &w));
	EXPECT_EQ(0, who_caller_end(&c));
	/* They outlast the process. */
	EXPECT_TRUE(who_called_is(new, &w));
}

/* Who connects, not who made the socket or holds it. */
TEST_F(identity, of_who_connects)
{
	struct who w = { 1001, 1002, 0, 3, some_groups };
	int fd, pid, new, step = 0;

	fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, fd);
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(be_somebody(NULL));
		WHO_STEP(test_connect(fd, HOST, PORT) == -EINPROGRESS);
		_exit(0);
	}
	ASSERT_EQ(0, parley_reap(pid));
	w.pid = pid;
	EXPECT_EQ(1, parley_pending(self->l));
	EXPECT_TRUE(who_offers_is(self->l, &w));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(who_called_is(new, &w));
	EXPECT_TRUE(parley_talks(fd, new));
}

/* As many as they are. */
TEST_F(identity, many_groups)
{
	struct who w = { 0, 0, getpid(), 0, NULL };
	gid_t group[64];
	int new;

	for (w.groups = 0; w.groups < ARRAY_SIZE(group); w.groups++)
		group[w.groups] = 100 + w.groups * 3;
	w.group = group;
	ASSERT_EQ(0, setgroups(ARRAY_SIZE(group), group));
	ASSERT_LE(0, parley_call(HOST, PORT));
	ASSERT_EQ(0, setgroups(0, NULL));
	EXPECT_TRUE(who_offers_is(self->l, &w));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(who_called_is(new, &w));
}

/* A thread that calls is its process. */
TEST_F(identity, of_threads)
{
	struct parley_call_info info;
	struct parley_thread t;
	int fd, new;

	fd = parley_socket(0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_thread_connect(&t, fd, HOST, PORT));
	ASSERT_EQ(POLLIN, parley_wait(self->l, POLLIN));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	ASSERT_EQ(0, parley_thread_join(&t));
	ASSERT_EQ(0, terms_info(new, &info));
	EXPECT_NE(t.tid, info.pid);
	EXPECT_EQ(getpid(), info.pid);
}

/* The caller sees who listened, at listen(2); the server, who called. */
TEST_F(identity, both_ends)
{
	static const gid_t before[] = { 51, 52 };
	static const gid_t listening[] = { 61, 62, 63 };
	static const gid_t calling[] = { 71 };
	const struct who server = { 0, 0, getpid(), 3, listening };
	const struct who client = { 0, 0, getpid(), 1, calling };
	const struct who nobody = { 0, 0, getpid(), 0, NULL };
	int l, fd, new, pair[2];

	ASSERT_EQ(0, setgroups(2, before));
	l = parley_bound(HOST, PORT + 1);
	ASSERT_LE(0, l);
	ASSERT_EQ(0, setgroups(3, listening));
	ASSERT_EQ(0, listen(l, 1));
	ASSERT_EQ(0, setgroups(1, calling));
	fd = parley_call(HOST, PORT + 1);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, setgroups(0, NULL));
	new = test_accept(l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(who_peer_is(fd, &server));
	EXPECT_TRUE(who_called_is(new, &client));
	/* Without any group there is nothing to read. */
	ASSERT_EQ(0, listen(l, 1));
	fd = parley_call(HOST, PORT + 1);
	ASSERT_LE(0, fd);
	new = test_accept(l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(who_peer_is(fd, &nobody));
	EXPECT_TRUE(who_called_is(new, &nobody));
	ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_STREAM, 0, pair));
	EXPECT_TRUE(who_peer_is(pair[0], &nobody));
	EXPECT_TRUE(who_peer_is(pair[1], &nobody));
}

static bool join_cgroup(const char *dir, const char *name)
{
	char path[256];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s/cgroup.procs", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, "0", 1) == 1;
	close(fd);
	return ok;
}

static bool join_first(struct who_caller *c)
{
	return join_cgroup(c->arg, "first");
}

static bool join_second(struct who_caller *c)
{
	return join_cgroup(c->arg, "second");
}

/* The id of a control group is the number of its inode; 0: there is none. */
static __u64 cgroup_id(const char *dir, const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) ? 0 : st.st_ino;
}

static int cgroup_make(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return mkdir(path, 0755) ? -errno : 0;
}

/* It can be removed some time after its last process has gone. */
static bool cgroup_remove(const char *dir, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return parley_until(!rmdir(path));
}

/* Mounts the unified hierarchy on a directory that it makes for it. */
static int cgroup_mount(char *dir)
{
	if (!mkdtemp(dir) || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", dir, "cgroup2", 0, NULL))
		return -errno;
	return 0;
}

TEST_F(identity, cgroup)
{
	char dir[] = "/tmp/parley-cgroup-XXXXXX";
	struct who_caller c = {
		.host = HOST, .port = PORT, .arg = dir,
		.before = join_first, .after = join_second,
	};
	struct parley_call_info info;
	__u64 first, second;
	int new;

	ASSERT_EQ(0, cgroup_mount(dir));
	ASSERT_EQ(0, cgroup_make(dir, "first"));
	ASSERT_EQ(0, cgroup_make(dir, "second"));
	first = cgroup_id(dir, "first");
	second = cgroup_id(dir, "second");
	EXPECT_NE(first, second);

	ASSERT_EQ(0, who_caller_start(&c));
	/* Not even that its group is gone changes where it called from. */
	EXPECT_TRUE(cgroup_remove(dir, "first"));
	ASSERT_EQ(0, terms_next(self->l, &info, 0));
	EXPECT_EQ(first, info.cgroup_id);
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	ASSERT_EQ(0, terms_info(new, &info));
	EXPECT_EQ(first, info.cgroup_id);
	EXPECT_EQ(0, who_caller_end(&c));

	c.before = join_second;
	c.after = NULL;
	ASSERT_EQ(0, who_caller_start(&c));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	ASSERT_EQ(0, terms_info(new, &info));
	EXPECT_EQ(second, info.cgroup_id);
	EXPECT_EQ(0, who_caller_end(&c));
	EXPECT_TRUE(cgroup_remove(dir, "second"));
	EXPECT_EQ(0, umount(dir));
	EXPECT_EQ(0, rmdir(dir));
}

static __u64 cookie(int fd)
{
	socklen_t len = sizeof(__u64);
	__u64 value = 0;

	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &value, &len) ?
	       0 : value;
}

/* The network namespace is the socket's, wherever the process goes. */
TEST_F(identity, netns_cookie)
{
	struct parley_call_info info;
	int fd[2], other, new, i;
	__u64 mine;

	mine = cookie(self->l);
	EXPECT_NE(0, mine);
	fd[0] = parley_call(HOST, PORT);
	ASSERT_LE(0, fd[0]);
	fd[1] = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, fd[1]);
	ASSERT_EQ(0, parley_ns_enter());
	other = parley_socket(0);
	ASSERT_LE(0, other);
	EXPECT_NE(mine, cookie(other));
	ASSERT_EQ(-EINPROGRESS, test_connect(fd[1], HOST, PORT));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(mine, cookie(fd[i]));
		new = test_accept(self->l, 0);
		ASSERT_LE(0, new);
		EXPECT_EQ(mine, cookie(new));
		ASSERT_EQ(0, terms_info(new, &info));
		EXPECT_EQ(mine, info.netns_cookie);
	}
}

/* Whether @ss is what @a is, and zero after that. */
static bool storage_is(const struct __kernel_sockaddr_storage *ss,
		       const struct parley_addr *a)
{
	struct parley_addr got = { .len = a->len };
	const char *bytes = (const char *)ss;
	size_t i;

	for (i = a->len; i < sizeof(*ss); i++)
		if (bytes[i])
			return false;
	memcpy(&got.ss, ss, a->len);
	return parley_addr_eq(&got, a);
}

/* From where, and to where: as the accepted socket says, and as said before. */
TEST_F(identity, addresses)
{
	static const struct {
		const char *listens;
		const char *calls;
	} rows[] = {
		{ "127.0.0.2", "127.0.0.2" }, { "0.0.0.0", "127.0.0.3" },
		{ "::1", "::1" }, { "::", "::1" }, { "::", "127.0.0.4" },
	};
	struct parley_call_info offered, info;
	struct parley_addr peer, name;
	int i, l, call, new;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		l = parley_listener(rows[i].listens, PORT + 1, 1);
		ASSERT_LE(0, l);
		call = parley_call(rows[i].calls, PORT + 1);
		ASSERT_LE(0, call);
		ASSERT_EQ(0, terms_next(l, &offered, 0));
		new = test_accept(l, 0);
		ASSERT_LE(0, new);
		ASSERT_EQ(0, terms_info(new, &info));
		ASSERT_EQ(0, parley_peer(new, &peer));
		ASSERT_EQ(0, parley_name(new, &name));
		EXPECT_TRUE(storage_is(&info.caller, &peer))
			TH_LOG("%s", rows[i].calls);
		EXPECT_TRUE(storage_is(&info.callee, &name))
			TH_LOG("%s", rows[i].calls);
		EXPECT_TRUE(storage_is(&offered.caller, &peer));
		EXPECT_TRUE(storage_is(&offered.callee, &name));
		EXPECT_EQ(PORT + 1, parley_addr_port(&name));
		EXPECT_EQ(parley_port(call), parley_addr_port(&peer));
		ASSERT_EQ(0, close(l));
		close(new);
	}
}

/* Ids ascend in the order of arrival, also across listeners, and stay. */
TEST_F(identity, ids)
{
	struct parley_call_info offered, info;
	__u64 last = 0;
	int i, l[2], new;

	l[0] = self->l;
	l[1] = parley_listener(HOST, PORT + 1, 10);
	ASSERT_LE(0, l[1]);
	for (i = 0; i < 6; i++)
		ASSERT_LE(0, parley_call(HOST, PORT + i % 2));
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, terms_next(l[i % 2], &offered, 0));
		EXPECT_LT(last, offered.id);
		last = offered.id;
		new = test_accept(l[i % 2], 0);
		ASSERT_LE(0, new);
		ASSERT_EQ(0, terms_info(new, &info));
		EXPECT_EQ(last, info.id);
		EXPECT_EQ(PARLEY_BY_ACCEPT, info.decided_by);
	}
}

TEST_HARNESS_MAIN
