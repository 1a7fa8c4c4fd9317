// SPDX-License-Identifier: GPL-2.0
/*
 * The security label of a caller, as it was at connect(2): AppArmor's on
 * kernels that have it, where the tests load profiles of their own. Where no
 * security module has labels, /proc/self/attr/current cannot be read, and the
 * options have to say so, too.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib_terms.h"
#include "lib_who.h"

#define HOST	"127.0.0.1"
#define PORT	7350
#define LABEL	256		/* more than any here */
#define FIRST	"parley_first"
#define SECOND	"parley_second"

/*
 * What is left is the name: AppArmor adds the mode of a profile in some places
 * and not in others, and older kernels begin with "=" in some.
 */
static void bare(char *label, int len)
{
	char *mode;

	label[len] = 0;
	label[strcspn(label, "\n")] = 0;
	mode = strstr(label, " (");
	if (mode)
		*mode = 0;
	if (label[0] == '=')
		memmove(label, label + 1, strlen(label));
}

/* The label of this process, or a negative errno if there is none. */
static int own_label(char *label)
{
	int fd = open("/proc/self/attr/current", O_RDONLY | O_CLOEXEC);
	int n, err;

	if (fd < 0)
		return -errno;
	n = read(fd, label, LABEL - 1);
	err = n < 0 ? -errno : n ? 0 : -ENODATA;
	close(fd);
	if (!err)
		bare(label, n);
	return err;
}

FIXTURE(label) {
	int l;
	bool none;		/* this kernel has no labels */
	char own[LABEL];
};

FIXTURE_SETUP(label)
{
	self->none = own_label(self->own) < 0;
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(label)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static bool label_is(const char *got, int len, const char *want)
{
	char name[LABEL];

	memcpy(name, got, len);
	bare(name, len);
	if (!strcmp(name, want))
		return true;
	printf("# label is %s (%d bytes), not %s\n", name, len, want);
	fflush(stdout);
	return false;
}

/* Whether the oldest call at @l is given with this label. */
static bool offered_label_is(int l, const char *want)
{
	char label[LABEL];
	struct parley_next_call next = {
		.size = sizeof(next),
		.flags = PARLEY_NEXT_REWIND,
		.label = (uintptr_t)label,
		.label_room = LABEL - 1,
	};

	return !ioctl(l, PARLEY_IOC_NEXT_CALL, &next) &&
	       next.label_room == next.info.label_len &&
	       next.label_room < LABEL &&
	       label_is(label, next.label_room, want);
}

/* Whether an accepted socket has it. */
static bool peer_label_is(int fd, const char *want)
{
	socklen_t len = LABEL - 1;
	struct parley_call_info info;
	char label[LABEL];

	return !terms_get(fd, PARLEY_PEERSEC, label, &len) && len &&
	       terms_len(fd, PARLEY_PEERSEC) == (int)len &&
	       terms_is(fd, PARLEY_PEERSEC, label, len) &&
	       !terms_info(fd, &info) && info.label_len == len &&
	       label_is(label, len, want);
}

/* Where there are no labels, nothing pretends that there were. */
static bool has_no_label(int l, int fd)
{
	struct parley_next_call next = { .size = sizeof(next) };
	struct parley_call_info info;
	socklen_t len = LABEL;
	char label[LABEL];
	int call;

	if (terms_get(fd, PARLEY_PEERSEC, label, &len) != -ENOPROTOOPT ||
	    terms_info(fd, &info) || info.label_len)
		return false;
	call = parley_call(HOST, PORT);
	next.label = (uintptr_t)label;
	next.label_room = LABEL;
	return call >= 0 && !ioctl(l, PARLEY_IOC_NEXT_CALL, &next) &&
	       !next.label_room && !next.info.label_len;
}

TEST_F(label, of_the_caller)
{
	int call, new;

	call = parley_call(HOST, PORT);
	ASSERT_LE(0, call);
	if (!self->none)
		EXPECT_TRUE(offered_label_is(self->l, self->own));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	if (self->none) {
		EXPECT_TRUE(has_no_label(self->l, new));
		return;
	}
	EXPECT_TRUE(peer_label_is(new, self->own));
	/* It outlasts the connection. */
	close(call);
	EXPECT_TRUE(peer_label_is(new, self->own));
}

/* Whole or not at all. */
TEST_F(label, rooms)
{
	char label[LABEL + 1];
	socklen_t len;
	int new, i, n;

	ASSERT_LE(0, parley_call(HOST, PORT));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	n = terms_len(new, PARLEY_PEERSEC);
	ASSERT_EQ(self->none ? -ENOPROTOOPT : n, n);
	for (i = 0; i < n + 3; i++) {
		memset(label, 0xee, sizeof(label));
		len = i;
		EXPECT_EQ(i < n ? -ERANGE : 0,
			  terms_get(new, PARLEY_PEERSEC, label, &len));
		EXPECT_EQ(n, len);
		EXPECT_EQ(0xee, (unsigned char)label[i < n ? 0 : n]);
	}
}

/* A writer of AppArmor's binary policies, as far as a profile needs it. */
enum { AA_U32 = 2, AA_NAME = 4, AA_STRING, AA_STRUCT = 7, AA_STRUCTEND };

struct policy {
	unsigned char bytes[512];
	size_t len;
};

static void put_byte(struct policy *p, unsigned char byte)
{
	p->bytes[p->len++] = byte;
}

static void put_u32(struct policy *p, uint32_t value)
{
	int i;

	put_byte(p, AA_U32);
	for (i = 0; i < 32; i += 8)
		put_byte(p, value >> i);
}

static void put_text(struct policy *p, int type, const char *text)
{
	size_t len = strlen(text) + 1;

	put_byte(p, type);
	put_byte(p, len);
	put_byte(p, len >> 8);
	memcpy(p->bytes + p->len, text, len);
	p->len += len;
}

static void put_struct(struct policy *p, const char *name)
{
	put_text(p, AA_NAME, name);
	put_byte(p, AA_STRUCT);
}

/* Whoever has this profile may do what it could without. */
static void put_profile(struct policy *p, const char *name)
{
	const uint32_t abi = 5, unconfined = 3;
	int i;

	p->len = 0;
	put_text(p, AA_NAME, "version");
	put_u32(p, abi);
	put_struct(p, "profile");
	put_text(p, AA_STRING, name);
	put_struct(p, "flags");
	put_u32(p, 0);
	put_u32(p, unconfined);
	put_u32(p, 0);
	put_byte(p, AA_STRUCTEND);
	for (i = 0; i < 4; i++)
		put_u32(p, 0);
	put_byte(p, AA_STRUCTEND);
}

/* Writes to one of AppArmor's own files, below @dir, where securityfs is. */
static int tell(const char *dir, const char *file, const void *what, size_t len)
{
	char path[128];
	int fd, err;

	snprintf(path, sizeof(path), "%s/apparmor/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write(fd, what, len) < 0 ? -errno : 0;
	close(fd);
	return err;
}

static int policy_load(const char *dir, const char *name)
{
	struct policy p;

	put_profile(&p, name);
	return tell(dir, ".load", p.bytes, p.len);
}

static int policy_remove(const char *dir, const char *name)
{
	return tell(dir, ".remove", name, strlen(name));
}

static bool become(const char *name)
{
	int fd = open("/proc/self/attr/current", O_WRONLY | O_CLOEXEC);
	char command[64], now[LABEL];
	bool ok;

	snprintf(command, sizeof(command), "changeprofile %s", name);
	ok = fd >= 0 && write(fd, command, strlen(command)) > 0;
	close(fd);
	return ok && !own_label(now) && label_is(now, strlen(now), name);
}

static bool become_first(struct who_caller *c)
{
	return become(FIRST);
}

static bool become_second(struct who_caller *c)
{
	return become(SECOND);
}

/* What the caller becomes while the call waits is not what called. */
TEST_F(label, frozen)
{
	struct who_caller c = {
		.host = HOST, .port = PORT,
		.before = become_first, .after = become_second,
	};
	char dir[] = "/tmp/parley-security-XXXXXX";
	int new;

	if (self->none) {
		ASSERT_LE(0, parley_call(HOST, PORT));
		new = test_accept(self->l, 0);
		ASSERT_LE(0, new);
		EXPECT_TRUE(has_no_label(self->l, new));
		return;
	}
	ASSERT_NE(NULL, mkdtemp(dir));
	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_EQ(0, mount("none", dir, "securityfs", 0, NULL));
	ASSERT_EQ(0, policy_load(dir, FIRST));
	ASSERT_EQ(0, policy_load(dir, SECOND));
	EXPECT_EQ(0, who_caller_start(&c));
	EXPECT_TRUE(offered_label_is(self->l, FIRST));
	new = test_accept(self->l, 0);
	EXPECT_LE(0, new);
	EXPECT_TRUE(peer_label_is(new, FIRST));
	EXPECT_EQ(0, who_caller_end(&c));
	EXPECT_TRUE(peer_label_is(new, FIRST));
	EXPECT_EQ(0, policy_remove(dir, FIRST));
	EXPECT_EQ(0, policy_remove(dir, SECOND));
	EXPECT_EQ(0, umount(dir));
	EXPECT_EQ(0, rmdir(dir));
}

TEST_HARNESS_MAIN
