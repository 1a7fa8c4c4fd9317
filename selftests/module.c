// SPDX-License-Identifier: GPL-2.0
/*
 * The module comes and goes: not while anybody has a socket, and a hundred
 * times in a row otherwise. PARLEY_KO is where it is. Whatever happens, it is
 * loaded when this program ends.
 */
#include "kselftest_harness.h"

#include <sched.h>

#include "lib.h"
#include "lib_module.h"
#include "lib_race.h"

#define PORT	6700

FIXTURE(module) {
	int fd[2];
};

FIXTURE_SETUP(module)
{
	ASSERT_EQ(0, parley_ns_enter());
}

FIXTURE_TEARDOWN(module)
{
	int err = module_load();

	EXPECT_TRUE(err == 0 || err == -EEXIST);
	EXPECT_EQ(0, parley_expect_clean());
}

/* Something that is connected, and talks. */
static bool connection(void)
{
	int listener, fd[2];
	bool good;

	listener = parley_listener("127.0.0.1", PORT, 1);
	if (listener < 0 || parley_pair(listener, fd))
		return false;
	good = parley_talks(fd[0], fd[1]);
	close(fd[0]);
	close(fd[1]);
	close(listener);
	return good;
}

static bool alive(void)
{
	return module_unload() == -EWOULDBLOCK && connection();
}

TEST_F(module, refuses_to_go_with_a_socket)
{
	int fd = parley_socket(0);

	ASSERT_LE(0, fd);
	EXPECT_TRUE(alive());
	ASSERT_EQ(0, parley_bind(fd, "127.0.0.1", PORT + 1));
	EXPECT_TRUE(alive());
	ASSERT_EQ(0, listen(fd, 1));
	EXPECT_TRUE(alive());
	ASSERT_EQ(0, close(fd));
	EXPECT_TRUE(module_unload_in_time());
	EXPECT_EQ(-EAFNOSUPPORT, parley_socket(0));
}

TEST_F(module, refuses_to_go_with_a_call)
{
	int listener = parley_listener("127.0.0.1", PORT + 1, 1);
	int fd = parley_call("127.0.0.1", PORT + 1);

	ASSERT_LE(0, listener);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(alive());
	ASSERT_EQ(0, close(listener));
	EXPECT_TRUE(alive());
	ASSERT_EQ(0, close(fd));
	EXPECT_TRUE(module_unload_in_time());
}

TEST_F(module, refuses_to_go_with_a_connection)
{
	int listener = parley_listener("127.0.0.1", PORT + 1, 1);

	ASSERT_LE(0, listener);
	ASSERT_EQ(0, parley_pair(listener, self->fd));
	ASSERT_EQ(0, close(listener));
	EXPECT_TRUE(alive());
	ASSERT_EQ(1, send(self->fd[0], "x", 1, 0));
	ASSERT_EQ(0, close(self->fd[0]));
	EXPECT_TRUE(alive());
	ASSERT_EQ(0, close(self->fd[1]));
	EXPECT_TRUE(module_unload_in_time());
}

TEST_F(module, refuses_to_go_with_an_accepted_socket)
{
	int listener = parley_listener("127.0.0.1", PORT + 1, 1);

	ASSERT_LE(0, listener);
	ASSERT_EQ(0, parley_pair(listener, self->fd));
	ASSERT_EQ(0, close(listener));
	ASSERT_EQ(0, close(self->fd[0]));
	/* No socket(2) made this one. */
	EXPECT_EQ(-EWOULDBLOCK, module_unload());
	EXPECT_EQ(0, recv(self->fd[1], &listener, 1, 0));
	ASSERT_EQ(0, close(self->fd[1]));
	EXPECT_TRUE(module_unload_in_time());
}

/* A descriptor on its way between processes is a socket too. */
TEST_F(module, refuses_to_go_with_a_socket_in_another_process)
{
	int fd = parley_socket(0);
	struct parley_gate end;
	pid_t child;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_gate_init(&end));
	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(parley_gate_wait(&end) ? 1 : 0);
	ASSERT_EQ(0, close(fd));
	EXPECT_TRUE(alive());
	ASSERT_EQ(0, parley_gate_open(&end));
	ASSERT_EQ(0, parley_reap(child));
	EXPECT_TRUE(module_unload_in_time());
}

/* What is left of a module: nothing that could be opened or looked at. */
TEST_F(module, leaves_nothing)
{
	struct parley_stat st;

	EXPECT_EQ(0, parley_stat(&st));
	EXPECT_LT(0, parley_sysctl_read("parley/max_backlog"));
	EXPECT_EQ(0, parley_proto_sockets());
	ASSERT_TRUE(module_unload_in_time());
	EXPECT_EQ(-ENOENT, parley_stat(&st));
	EXPECT_EQ(-ENOENT, parley_sysctl_read("parley/max_backlog"));
	EXPECT_EQ(-ENOENT, parley_proto_sockets());
	EXPECT_EQ(-EAFNOSUPPORT, parley_socket(0));
	EXPECT_EQ(-ENOENT, module_unload());
	/* A namespace that is older than the module has everything again. */
	ASSERT_EQ(0, module_load());
	EXPECT_EQ(-EEXIST, module_load());
	EXPECT_EQ(0, parley_stat(&st));
	EXPECT_LT(0, parley_sysctl_read("parley/max_backlog"));
	EXPECT_TRUE(connection());
}

TEST_F(module, a_hundred_times)
{
	unsigned int times = race_scale(100);
	unsigned int i;

	for (i = 0; i < times; i++) {
		if (i)
			ASSERT_EQ(0, module_load());
		ASSERT_TRUE(connection());
		ASSERT_TRUE(module_unload_in_time()) {
			TH_LOG("time %u", i);
		}
	}
}

/* While others go on trying to make sockets and namespaces. */
static int stop;

static long knock(void *arg)
{
	long made = 0;
	int fd;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		fd = parley_socket(0);
		if (fd == -EAFNOSUPPORT)
			continue;
		if (fd < 0)
			return fd;
		if (parley_port(fd))
			return -EBADF;
		close(fd);
		made++;
	}
	return made;
}

static long unshare_again(void *arg)
{
	long made = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		if (unshare(CLONE_NEWNET))
			return -errno;
		made++;
	}
	return made;
}

TEST_F(module, races_with_users)
{
	int tries = 0, enough = race_scale(30), gone = 0;
	__u64 end = parley_now_ns() + 3 * PARLEY_BOUND_MS * 1000000ULL;
	struct parley_thread t[2];
	long sockets, spaces;

	ASSERT_EQ(0, parley_thread_start(&t[0], 0, knock, NULL));
	ASSERT_EQ(0, parley_thread_start(&t[1], 0, unshare_again, NULL));
	for (; gone < enough && parley_now_ns() < end; tries++) {
		/* Somebody may have a socket; then it must stay. */
		switch (module_unload()) {
		case 0:
			gone++;
			ASSERT_EQ(0, module_load());
			break;
		case -EWOULDBLOCK:
			break;
		default:
			ASSERT_EQ(0, errno);
		}
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	sockets = parley_thread_join(&t[0]);
	spaces = parley_thread_join(&t[1]);
	EXPECT_LT(0, sockets);
	EXPECT_LT(0, spaces);
	TH_LOG("unloaded %d times in %d, %ld sockets, %ld namespaces", gone,
	       tries, sockets, spaces);
	EXPECT_EQ(enough, gone);
}

TEST_HARNESS_MAIN
