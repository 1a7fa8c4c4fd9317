// SPDX-License-Identifier: GPL-2.0
/*
 * Landlock's rules about TCP are about TCP, though parley has its addresses: who
 * is confined by them may use parley, as it may use AF_UNIX. Where the kernel has
 * no such rules there is nothing to see.
 */
#include "kselftest_harness.h"

#include <sys/prctl.h>
#include <unistd.h>

#include "lib_who.h"

#define HOST	"127.0.0.1"
#define PORT	8830

/* Newer than the headers of some build hosts. */
#define RULESET_VERSION	0x1U
#define BIND_TCP	0x1ULL
#define CONNECT_TCP	0x2ULL
#define ABI_WITH_TCP	4

struct ruleset {
	__u64 files;
	__u64 net;
};

FIXTURE(landlock) {
	int abi;
};

FIXTURE_SETUP(landlock)
{
	self->abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
			    RULESET_VERSION);
	ASSERT_EQ(0, parley_ns_enter());
}

FIXTURE_TEARDOWN(landlock)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* From now on without TCP. */
static bool confine(void)
{
	const struct ruleset none = { .net = BIND_TCP | CONNECT_TCP };
	int fd = syscall(SYS_landlock_create_ruleset, &none, sizeof(none), 0);

	return fd >= 0 && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !syscall(SYS_landlock_restrict_self, fd, 0) && !close(fd);
}

TEST_F(landlock, tcp_is_not_parley)
{
	int fd, l, new, step = 0;
	struct parley_addr a;
	pid_t pid;

	if (self->abi < ABI_WITH_TCP)
		return;
	ASSERT_EQ(0, parley_addr(&a, HOST, PORT));
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(confine());
		fd = socket(AF_INET, SOCK_STREAM, 0);
		WHO_STEP(bind(fd, &a.sa, a.len) && errno == EACCES);
		WHO_STEP(connect(fd, &a.sa, a.len) && errno == EACCES);
		l = parley_listener(HOST, PORT, 1);
		WHO_STEP(l >= 0);
		fd = parley_call(HOST, PORT);
		WHO_STEP(fd >= 0);
		new = test_accept(l, 0);
		WHO_STEP(new >= 0 && parley_talks(fd, new));
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
}

TEST_HARNESS_MAIN
