// SPDX-License-Identifier: GPL-2.0
/*
 * Whose memory it is: pages of data are charged to the control group of who
 * writes, calls that wait and what they say to that of who calls. What happens
 * at its limit is not tested: the kernel kills a process of the group, as for
 * pipes, and says so with a call trace.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib.h"
#include "lib_record.h"

#define ROOT	"/sys/fs/cgroup"
#define MEGA	1048576

static char bytes[MEGA];

FIXTURE(memcg) {
	int fd[2];
	char group[64];
};

/* The number in a file of the group, -1 if there is none. */
static long read_number(const char *group, const char *file, const char *key)
{
	char path[128], text[8192], *at = text;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -1;
	text[n] = 0;
	if (key) {
		at = strstr(text, key);
		if (!at)
			return -1;
		at += strlen(key);
	}
	return strtol(at, NULL, 10);
}

static int write_text(const char *group, const char *file, const char *text)
{
	char path[128];
	int fd, err;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

static long charge(const char *group)
{
	return read_number(group, "memory.current", NULL);
}

FIXTURE_SETUP(memcg)
{
	int i, big = 32 * MEGA;

	if (access(ROOT "/memory.stat", F_OK))
		SKIP(return, "no control groups of memory");
	ASSERT_EQ(0, parley_ns_enter());
	snprintf(self->group, sizeof(self->group), ROOT "/parley-%d", getpid());
	ASSERT_EQ(0, mkdir(self->group, 0755));
	ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_STREAM, 0, self->fd));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, setsockopt(self->fd[i], SOL_SOCKET, SO_SNDBUFFORCE,
					&big, sizeof(big)));
		ASSERT_EQ(0, setsockopt(self->fd[i], SOL_SOCKET, SO_RCVBUFFORCE,
					&big, sizeof(big)));
	}
}

FIXTURE_TEARDOWN(memcg)
{
	EXPECT_TRUE(parley_until(!rmdir(self->group)));
	EXPECT_EQ(0, parley_expect_clean());
}

/* Sends until @megas are under way. Return: 0, or an exit code. */
static int writer(const char *group, int fd, int megas)
{
	int i;

	if (write_text(group, "cgroup.procs", "0"))
		return 1;
	for (i = 0; i < megas; i++)
		if (record_put(fd, bytes, MEGA, 0) != MEGA)
			return errno == ENOMEM ? 2 : 3;
	return 0;
}

static pid_t start(const char *group, int fd, int megas)
{
	pid_t child = parley_fork();

	if (!child)
		_exit(writer(group, fd, megas));
	return child;
}

static long drain(int fd)
{
	long n, sum = 0;

	while ((n = record_get(fd, bytes, MEGA, 0, NULL)) > 0)
		sum += n;
	return sum;
}

/* The writer's, also when it has gone, until the pages have. */
TEST_F(memcg, charged)
{
	pid_t child = start(self->group, self->fd[0], 16);

	ASSERT_LE(0, child);
	ASSERT_EQ(0, parley_reap(child));
	EXPECT_LT(15 * MEGA, charge(self->group));
	/* That number is brought up to date now and then. */
	EXPECT_TRUE(parley_until(read_number(self->group, "memory.stat",
					     "\nkernel ") > 15 * MEGA));
	ASSERT_EQ(16 * MEGA, drain(self->fd[1]));
	EXPECT_TRUE(parley_until(charge(self->group) < MEGA));
}

/* Nothing is left of the charge when the connection is closed. */
TEST_F(memcg, closed)
{
	pid_t child = start(self->group, self->fd[0], 16);

	ASSERT_LE(0, child);
	ASSERT_EQ(0, parley_reap(child));
	EXPECT_LT(15 * MEGA, charge(self->group));
	ASSERT_EQ(0, close(self->fd[1]));
	EXPECT_TRUE(parley_until(charge(self->group) < MEGA));
}

/* The reader pays nothing, and its limit is no limit for it. */
TEST_F(memcg, reader_is_free)
{
	pid_t child;
	int i;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(MEGA, record_put(self->fd[0], bytes, MEGA, 0));
	ASSERT_EQ(0, write_text(self->group, "memory.max", "4194304"));
	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (write_text(self->group, "cgroup.procs", "0"))
			_exit(1);
		_exit(drain(self->fd[1]) == 8 * MEGA ? 0 : 2);
	}
	EXPECT_EQ(0, parley_reap(child));
}

#define PORT	7700
#define CALLS	500
#define SAYS	65536

/* Calls and waits to be killed; what it says to its parent is its exit code. */
static int caller(const char *group, struct parley_gate *gate)
{
	int i, fd;

	if (write_text(group, "cgroup.procs", "0"))
		return 1;
	for (i = 0; i < CALLS; i++) {
		fd = parley_socket(SOCK_NONBLOCK);
		if (setsockopt(fd, SOL_PARLEY, PARLEY_CALL_DATA, bytes, SAYS))
			return 2;
		if (test_connect(fd, "127.0.0.1", PORT) != -EINPROGRESS)
			return 3;
	}
	parley_gate_open(gate);
	return pause();
}

/*
 * What waits is on the account of who calls, also while it is deferred; who
 * listens, and decides, pays nothing for it.
 */
TEST_F(memcg, calls)
{
	int l = parley_listener("127.0.0.1", PORT, CALLS);
	struct parley_next_call next = { .size = sizeof(next) };
	struct parley_decision d = { .size = sizeof(d), .verdict = PARLEY_DEFER };
	struct parley_gate gate;
	long before, after;
	pid_t child;
	int i;

	ASSERT_LE(0, l);
	ASSERT_EQ(0, parley_nofile(CALLS + 100));
	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data", SAYS));
	ASSERT_EQ(0, parley_gate_init(&gate));
	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(caller(self->group, &gate));
	ASSERT_EQ(0, parley_gate_wait(&gate));
	EXPECT_EQ(CALLS, parley_pending(l));
	before = charge(self->group);
	EXPECT_LT(CALLS * (long)SAYS, before);
	for (i = 0; i < CALLS; i++) {
		ASSERT_EQ(0, ioctl(l, PARLEY_IOC_NEXT_CALL, &next));
		d.id = next.info.id;
		ASSERT_EQ(0, ioctl(l, PARLEY_IOC_DECIDE, &d));
	}
	after = charge(self->group);
	EXPECT_LT(CALLS * (long)SAYS, after);
	EXPECT_GT(before + MEGA, after);
	kill(child, SIGKILL);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_TRUE(parley_until(charge(self->group) < MEGA));
}

TEST_HARNESS_MAIN
