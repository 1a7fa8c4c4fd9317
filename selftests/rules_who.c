// SPDX-License-Identifier: GPL-2.0
/*
 * Rules about who calls: the effective user, the effective group and the
 * supplementary ones, the control group. The numbers in a table are those of
 * the user namespace of who set it.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib_rules.h"

#define HOST	"127.0.0.1"
#define PORT	7440
#define OTHERS	50	/* the code of the default */
#define LAST_ID	0xfffffffeU

FIXTURE(who) {
	struct rules *t;
	int l;
};

FIXTURE_VARIANT(who) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(who, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(who, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

FIXTURE_SETUP(who)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
	self->t = rules_new();
	ASSERT_NE(NULL, self->t);
	rules_say(&self->t->arg.otherwise, OTHERS, 0);
}

FIXTURE_TEARDOWN(who)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int code_uid(int l, uid_t real, uid_t effective)
{
	const struct rules_who w = { .uid = { real, effective } };

	return rules_code_as(l, &w);
}

TEST_F(who, uid)
{
	const int l = self->l;

	rules_uid(rules_refuse(self->t, 1), 1000, 1999);
	rules_uid(rules_refuse(self->t, 2), 0, 0);
	rules_uid(rules_refuse(self->t, 3), 2001, LAST_ID - 1);
	rules_uid(rules_refuse(self->t, 4), LAST_ID, LAST_ID);
	ASSERT_EQ(0, rules_set(l, self->t));

	EXPECT_EQ(OTHERS, code_uid(l, 999, 999));
	EXPECT_EQ(1, code_uid(l, 1000, 1000));
	EXPECT_EQ(1, code_uid(l, 1999, 1999));
	EXPECT_EQ(OTHERS, code_uid(l, 2000, 2000));
	EXPECT_EQ(2, code_uid(l, 0, 0));
	EXPECT_EQ(OTHERS, code_uid(l, 1, 1));
	EXPECT_EQ(3, code_uid(l, 65534, 65534));
	EXPECT_EQ(3, code_uid(l, LAST_ID - 1, LAST_ID - 1));
	EXPECT_EQ(4, code_uid(l, LAST_ID, LAST_ID));
	/* It is the effective user that counts. */
	EXPECT_EQ(1, code_uid(l, 0, 1500));
	EXPECT_EQ(OTHERS, code_uid(l, 1500, 500));
	EXPECT_EQ(2, code_uid(l, 1500, 0));
	EXPECT_EQ(2, rules_code(l, NULL));
}

static int code_gid(int l, gid_t real, gid_t effective, int n,
		    const gid_t *groups)
{
	const struct rules_who w = {
		.uid = { 1234, 1234 },
		.gid = { real, effective },
		.groups = n,
		.group = groups,
	};

	return rules_code_as(l, &w);
}

TEST_F(who, gid)
{
	static const gid_t groups[] = { 5, 250, 700, LAST_ID };
	const int l = self->l;

	rules_gid(rules_refuse(self->t, 1), 100, 199);
	rules_gid(rules_refuse(self->t, 2), 250, 250);
	rules_gid(rules_refuse(self->t, 3), 700, 800);
	rules_gid(rules_refuse(self->t, 4), LAST_ID, LAST_ID);
	ASSERT_EQ(0, rules_set(l, self->t));

	EXPECT_EQ(OTHERS, code_gid(l, 99, 99, 0, NULL));
	EXPECT_EQ(1, code_gid(l, 100, 100, 0, NULL));
	EXPECT_EQ(1, code_gid(l, 199, 199, 0, NULL));
	EXPECT_EQ(OTHERS, code_gid(l, 200, 200, 0, NULL));
	/* It is the effective group that counts. */
	EXPECT_EQ(1, code_gid(l, 99, 150, 0, NULL));
	EXPECT_EQ(OTHERS, code_gid(l, 150, 99, 0, NULL));
	/* Or any of the others, the first, in the middle, the last. */
	EXPECT_EQ(OTHERS, code_gid(l, 99, 99, 1, groups));
	EXPECT_EQ(2, code_gid(l, 99, 99, 2, groups));
	EXPECT_EQ(2, code_gid(l, 99, 99, 4, groups));
	EXPECT_EQ(3, code_gid(l, 99, 99, 1, groups + 2));
	EXPECT_EQ(3, code_gid(l, 99, 99, 2, groups + 2));
	EXPECT_EQ(4, code_gid(l, 99, 99, 1, groups + 3));
	/* Rules are asked in their order, not groups. */
	EXPECT_EQ(1, code_gid(l, 99, 110, 4, groups));
	EXPECT_EQ(2, code_gid(l, 700, 700, 2, groups));
}

/* The user and the group of one rule are those of one process. */
TEST_F(who, uid_and_gid)
{
	static const gid_t groups[] = { 30, 40 };
	struct parley_rule *r = rules_refuse(self->t, 1);
	struct rules_who w = {
		.uid = { 20, 20 },
		.gid = { 5, 5 },
		.groups = 2,
		.group = groups,
	};

	rules_uid(r, 20, 29);
	rules_gid(r, 40, 49);
	ASSERT_EQ(0, rules_set(self->l, self->t));
	EXPECT_EQ(1, rules_code_as(self->l, &w));
	w.groups = 1;
	EXPECT_EQ(OTHERS, rules_code_as(self->l, &w));
	w.gid[1] = 49;
	EXPECT_EQ(1, rules_code_as(self->l, &w));
	w.uid[1] = 30;
	EXPECT_EQ(OTHERS, rules_code_as(self->l, &w));
}

/* Control groups are directories; the number of the inode is their id. */
static int cgroup_make(char *path, size_t size, const char *dir,
		       const char *name, __u64 *id)
{
	struct stat st;

	snprintf(path, size, "%s/%s", dir, name);
	if (mkdir(path, 0755) || stat(path, &st))
		return -errno;
	*id = st.st_ino;
	return 0;
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

static void rules_cgroup(struct parley_rule *r, __u64 id)
{
	r->match |= PARLEY_MATCH_CGROUP;
	r->cgroup_id = id;
}

static int code_cgroup(int l, const char *cgroup)
{
	const struct rules_who w = { .cgroup = cgroup };

	return rules_code_as(l, &w);
}

TEST_F(who, cgroup)
{
	char dir[] = "/tmp/parley-rules-XXXXXX";
	char one[64], two[64], below[64];
	__u64 id1, id2, id3;

	ASSERT_EQ(0, cgroup_mount(dir));
	ASSERT_EQ(0, cgroup_make(one, sizeof(one), dir, "rules-one", &id1));
	ASSERT_EQ(0, cgroup_make(two, sizeof(two), dir, "rules-two", &id2));
	ASSERT_EQ(0, cgroup_make(below, sizeof(below), two, "below", &id3));
	rules_cgroup(rules_refuse(self->t, 3), id1 + (1ULL << 32));
	rules_cgroup(rules_refuse(self->t, 1), id1);
	rules_cgroup(rules_refuse(self->t, 2), id2);
	rules_cgroup(rules_refuse(self->t, 4), 0);
	ASSERT_EQ(0, rules_set(self->l, self->t));

	EXPECT_EQ(1, code_cgroup(self->l, one));
	EXPECT_EQ(2, code_cgroup(self->l, two));
	/* One below another is not in that other one. */
	EXPECT_EQ(OTHERS, code_cgroup(self->l, below));
	EXPECT_EQ(OTHERS, code_cgroup(self->l, NULL));

	/* It can be removed some time after its last process has gone. */
	EXPECT_TRUE(parley_until(!rmdir(below)));
	EXPECT_TRUE(parley_until(!rmdir(two)));
	EXPECT_TRUE(parley_until(!rmdir(one)));
	EXPECT_EQ(0, umount(dir));
	EXPECT_EQ(0, rmdir(dir));
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
 * Sets the table from a user namespace in which users 0 to 9 are 1000 and on
 * out here, and groups 0 to 9 are 2000 and on.
 */
static int set_mapped(int l, struct rules *t)
{
	struct parley_gate unshared, mapped;
	pid_t pid;

	if (parley_gate_init(&unshared) || parley_gate_init(&mapped))
		return -errno;
	pid = parley_fork();
	if (pid < 0)
		return pid;
	if (!pid) {
		if (unshare(CLONE_NEWUSER) || parley_gate_open(&unshared) ||
		    parley_gate_wait(&mapped))
			_exit(1);
		_exit(rules_set(l, t) ? 2 : rules_is(l, t) ? 0 : 3);
	}
	if (parley_gate_wait(&unshared) ||
	    !write_map(pid, "uid_map", "0 1000 10\n") ||
	    !write_map(pid, "gid_map", "0 2000 10\n") ||
	    parley_gate_open(&mapped))
		return -EBADMSG;
	return parley_reap(pid);
}

TEST_F(who, user_namespace_uid)
{
	const int l = self->l;

	rules_uid(rules_refuse(self->t, 1), 5, 5);
	rules_uid(rules_refuse(self->t, 2), 0, 0);
	rules_uid(rules_refuse(self->t, 3), 1000, 1009);
	rules_uid(rules_refuse(self->t, 4), 0, LAST_ID);
	ASSERT_EQ(0, set_mapped(l, self->t));
	/* Whoever looks at it: the numbers are not translated. */
	EXPECT_TRUE(rules_is(l, self->t));

	EXPECT_EQ(1, code_uid(l, 1005, 1005));
	EXPECT_EQ(2, code_uid(l, 1000, 1000));
	EXPECT_EQ(4, code_uid(l, 1009, 1009));
	/* Whom that namespace does not know no rule about users is for. */
	EXPECT_EQ(OTHERS, code_uid(l, 5, 5));
	EXPECT_EQ(OTHERS, code_uid(l, 0, 0));
	EXPECT_EQ(OTHERS, code_uid(l, 999, 999));
	EXPECT_EQ(OTHERS, code_uid(l, 1010, 1010));
	EXPECT_EQ(OTHERS, code_uid(l, 65534, 65534));

	/* The same bytes, set from here, are about others. */
	ASSERT_EQ(0, rules_set(l, self->t));
	EXPECT_EQ(1, code_uid(l, 5, 5));
	EXPECT_EQ(3, code_uid(l, 1005, 1005));
	EXPECT_EQ(2, code_uid(l, 0, 0));
	EXPECT_EQ(4, code_uid(l, 65534, 65534));
}

TEST_F(who, user_namespace_gid)
{
	static const gid_t groups[] = { 2007, 3000 }, unknown[] = { 3000, 7 };
	const int l = self->l;

	rules_gid(rules_refuse(self->t, 1), 7, 7);
	rules_gid(rules_refuse(self->t, 2), 0, 0);
	rules_gid(rules_refuse(self->t, 3), 2000, 2009);
	rules_gid(rules_refuse(self->t, 4), 0, LAST_ID);
	ASSERT_EQ(0, set_mapped(l, self->t));

	EXPECT_EQ(1, code_gid(l, 2007, 2007, 0, NULL));
	EXPECT_EQ(2, code_gid(l, 2000, 2000, 0, NULL));
	EXPECT_EQ(4, code_gid(l, 2009, 2009, 0, NULL));
	EXPECT_EQ(OTHERS, code_gid(l, 7, 7, 0, NULL));
	EXPECT_EQ(OTHERS, code_gid(l, 2010, 2010, 0, NULL));
	/* Some groups are known there, others are not. */
	EXPECT_EQ(1, code_gid(l, 7, 7, 1, groups));
	EXPECT_EQ(1, code_gid(l, 7, 7, 2, groups));
	EXPECT_EQ(4, code_gid(l, 2001, 2001, 2, unknown));
	EXPECT_EQ(OTHERS, code_gid(l, 7, 7, 2, unknown));
}

/* The namespace has gone with its last process; the table has not. */
TEST_F(who, user_namespace_gone)
{
	struct rules *other = rules_new();

	ASSERT_NE(NULL, other);
	rules_uid(rules_refuse(self->t, 1), 5, 5);
	ASSERT_EQ(0, set_mapped(self->l, self->t));
	EXPECT_EQ(1, code_uid(self->l, 1005, 1005));
	/* Another one of the same kind, and a table that knows neither. */
	ASSERT_EQ(0, set_mapped(self->l, self->t));
	EXPECT_EQ(1, code_uid(self->l, 1005, 1005));
	ASSERT_EQ(0, rules_set(self->l, other));
	EXPECT_EQ(0, code_uid(self->l, 1005, 1005));
}

TEST_HARNESS_MAIN
