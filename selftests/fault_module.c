// SPDX-License-Identifier: GPL-2.0
/*
 * No memory while the module comes, while it goes, and while a network namespace
 * comes: what was begun is undone, and the next try finds nothing of it. And
 * what a namespace has in /proc.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include "lib_fault.h"
#include "lib_module.h"
#include "lib_race.h"

#define PORT	9700
#define SLOW	900	/* seconds: namespaces and modules come and go */
#define STAT	"/proc/net/parley_stat"
#define SYSCTL	"/proc/sys/net/parley/max_backlog"

FIXTURE(fault_module) {
	struct fault f;
};

FIXTURE_SETUP(fault_module)
{
	int err = module_load();

	ASSERT_TRUE(err == 0 || err == -EEXIST);
	ASSERT_EQ(0, parley_ns_enter());
}

FIXTURE_TEARDOWN(fault_module)
{
	int err = module_load();

	EXPECT_TRUE(err == 0 || err == -EEXIST);
	EXPECT_EQ(0, parley_expect_clean());
}

/* Everything there, and somebody can connect. */
static bool works(void)
{
	int listener = parley_listener("127.0.0.1", PORT, 1), fd[2];
	struct parley_stat st;
	bool good;

	if (listener < 0 || parley_pair(listener, fd))
		return false;
	good = parley_talks(fd[0], fd[1]) && !parley_stat(&st) &&
	       parley_sysctl_read("parley/max_backlog") > 0;
	close(fd[0]);
	close(fd[1]);
	close(listener);
	return good;
}

/* And nothing there. */
static bool gone(void)
{
	struct parley_stat st;

	return parley_socket(0) == -EAFNOSUPPORT && parley_stat(&st) == -ENOENT &&
	       parley_sysctl_read("parley/max_backlog") == -ENOENT &&
	       parley_proto_sockets() == -ENOENT && module_unload() == -ENOENT;
}

static ino_t this_ns(void)
{
	struct stat st;

	return stat("/proc/thread-self/ns/net", &st) ? 0 : st.st_ino;
}

/* What is said of a call trace goes for memory of processors as well. */
TEST_F_TIMEOUT(fault_module, namespace, SLOW)
{
	ino_t ns;
	long ret;

	fault_spare(FAULT_PAGE, "pcpu_alloc");
	fault_start(&self->f, FAULT_ALL, FAULT_OWN);
	while (fault_next(&self->f)) {
		ns = this_ns();
		ASSERT_NE(0, ns);
		ret = FAULT(&self->f, unshare(CLONE_NEWNET));
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		ASSERT_EQ(ret < 0, this_ns() == ns);
		if (!ret)
			ASSERT_EQ(0, parley_ns_enter());
		ASSERT_TRUE(works());
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS));
	/* Four at least: sysctls, their table, and two files. */
	EXPECT_LT(3, self->f.refused[FAULT_SLAB]);
}

/* Whatever the module cannot get when it begins, it was not there. */
TEST_F_TIMEOUT(fault_module, loads, SLOW)
{
	long ret;

	ASSERT_TRUE(module_unload_in_time());
	/* Without a cache of its own it says so with a call trace. */
	fault_spare(FAULT_SLAB, "__kmem_cache_create_args");
	fault_spare(FAULT_PAGE, "pcpu_alloc");
	fault_start(&self->f, FAULT_MEMORY, "do_one_initcall");
	self->f.step = race_scale(100) < 100 ? 3 : 1;
	while (fault_next(&self->f)) {
		ret = FAULT(&self->f, module_load());
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		if (ret < 0) {
			ASSERT_TRUE(gone());
			continue;
		}
		ASSERT_TRUE(works());
		ASSERT_TRUE(module_unload_in_time());
		ASSERT_TRUE(gone());
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS));
}

/* To go needs no memory. */
TEST_F_TIMEOUT(fault_module, unloads, SLOW)
{
	fault_start(&self->f, FAULT_MEMORY, FAULT_OWN);
	while (fault_next(&self->f)) {
		ASSERT_EQ(0, FAULT(&self->f, module_unload()));
		ASSERT_TRUE(gone());
		ASSERT_EQ(0, module_load());
	}
	EXPECT_TRUE(fault_came(&self->f, 0));
	EXPECT_TRUE(works());
}

TEST_F(fault_module, sysctl)
{
	char text[16];
	long ret, n;
	int fd, len;

	fd = open(SYSCTL, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		n = parley_sysctl_read("parley/max_backlog");
		len = snprintf(text, sizeof(text), "%ld", n + 1);
		ret = FAULT(&self->f, pwrite(fd, text, len, 0));
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		ASSERT_EQ(ret < 0 ? n : n + 1,
			  parley_sysctl_read("parley/max_backlog"));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS | FAULT_COPIES));
	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ret = FAULT(&self->f, pread(fd, text, sizeof(text), 0));
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		if (ret > 0)
			ASSERT_EQ(n + 1, strtol(text, NULL, 10));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS | FAULT_COPIES));
}

TEST_F(fault_module, counters)
{
	char text[4096], all[4096];
	long n, ret;
	int fd;

	fd = open(STAT, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	n = read(fd, all, sizeof(all));
	ASSERT_LT(0, n);
	ASSERT_EQ(0, close(fd));
	fault_start(&self->f, FAULT_MEMORY, FAULT_ANY);
	while (fault_next(&self->f)) {
		fd = FAULT(&self->f, open(STAT, O_RDONLY | O_CLOEXEC));
		ASSERT_TRUE(fault_says(&self->f, fd, 0));
		if (fd >= 0)
			ASSERT_EQ(0, close(fd));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS));
	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		fd = open(STAT, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		ret = FAULT(&self->f, read(fd, text, sizeof(text)));
		ASSERT_TRUE(fault_says(&self->f, ret, 0));
		if (ret < 0)
			ret = read(fd, text, sizeof(text));
		ASSERT_EQ(n, ret);
		ASSERT_EQ(0, memcmp(text, all, n));
		ASSERT_EQ(0, close(fd));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_SLABS | FAULT_COPIES));
}

FAULT_HARNESS_MAIN;
