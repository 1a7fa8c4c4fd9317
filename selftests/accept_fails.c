// SPDX-License-Identifier: GPL-2.0
/*
 * An accept() that finds a call and then fails loses nothing: the call stays
 * where it was, and nothing that belongs to the listener is put twice. What
 * makes it fail is a filter on the listener that the new socket may not be
 * charged for, since net.core.optmem_max has been lowered.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <sched.h>
#include <sys/wait.h>

#include "lib_decide.h"

#define PORT	7700
#define OPTMEM	"core/optmem_max"

/* Older kernels have one optmem_max for all namespaces, in the first one. */
static int optmem_write(long value)
{
	int fd, err = parley_sysctl_write(OPTMEM, value);
	pid_t pid;

	if (err != -ENOENT)
		return err;
	pid = parley_fork();
	if (pid)
		return pid < 0 ? pid : -parley_reap(pid);
	fd = open("/proc/1/ns/net", O_RDONLY | O_CLOEXEC);
	_exit(fd < 0 || setns(fd, CLONE_NEWNET) ||
	      parley_sysctl_write(OPTMEM, value));
}

FIXTURE(accept_fails) {
	int l;
	bool lowered;
};

FIXTURE_SETUP(accept_fails)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_socket(0);
	ASSERT_LE(0, self->l);
}

FIXTURE_TEARDOWN(accept_fails)
{
	EXPECT_EQ(0, optmem_write(131072));
	EXPECT_EQ(0, parley_expect_clean());
}

static int attach_filter(int fd)
{
	struct sock_filter pass = BPF_STMT(BPF_RET | BPF_K, 0xffffffff);
	struct sock_fprog prog = { .len = 1, .filter = &pass };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
			  sizeof(prog)) ? -errno : 0;
}

TEST_F(accept_fails, no_call_is_lost)
{
	int fd, new, i;

	ASSERT_EQ(0, parley_bind(self->l, "127.0.0.1", PORT));
	ASSERT_EQ(0, attach_filter(self->l));
	ASSERT_EQ(0, listen(self->l, 4));
	fd = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, fd);

	ASSERT_EQ(0, optmem_write(0));
	for (i = 0; i < 100; i++) {
		EXPECT_EQ(-ENOMEM, test_accept(self->l, 0));
		EXPECT_EQ(1, parley_pending(self->l));
		EXPECT_EQ(POLLIN, parley_revents(self->l, POLLIN));
		EXPECT_EQ(0, parley_revents(fd, POLLOUT));
	}
	ASSERT_EQ(0, optmem_write(131072));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(parley_talks(fd, new));
}

/* A listener that has called before knows somebody's credentials. */
TEST_F(accept_fails, former_caller)
{
	int first, fd, new, i;

	first = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, first);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(-EINPROGRESS, test_connect(self->l, "127.0.0.1", PORT));
	ASSERT_EQ(0, parley_unspec(self->l));
	ASSERT_EQ(0, parley_nonblock(self->l, false));

	ASSERT_EQ(0, parley_bind(self->l, "127.0.0.1", PORT + 1));
	ASSERT_EQ(0, attach_filter(self->l));
	ASSERT_EQ(0, listen(self->l, 4));
	fd = parley_call("127.0.0.1", PORT + 1);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, optmem_write(0));
	for (i = 0; i < 1000; i++)
		ASSERT_EQ(-ENOMEM, test_accept(self->l, 0));
	ASSERT_EQ(0, optmem_write(131072));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(parley_talks(fd, new));
}

/* What was approved keeps its place before what was approved later. */
TEST_F(accept_fails, no_turn_is_lost)
{
	int call[3], i;

	ASSERT_EQ(0, parley_bind(self->l, "127.0.0.1", PORT));
	ASSERT_EQ(0, attach_filter(self->l));
	ASSERT_EQ(0, listen(self->l, 4));
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	for (i = 0; i < 3; i++)
		ASSERT_LT(0, decide_offer_approved(self->l, &call[i], 0));
	ASSERT_EQ(0, optmem_write(0));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(-ENOMEM, test_accept(self->l, 0));
	ASSERT_EQ(0, optmem_write(131072));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(decide_accepts(self->l, call[i]));
}

TEST_HARNESS_MAIN
