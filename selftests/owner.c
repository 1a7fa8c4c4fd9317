// SPDX-License-Identifier: GPL-2.0
/*
 * Network namespaces and who owns them: what may be done in one by root of the
 * user namespace that it belongs to, by a user with a single capability there,
 * and by all the others; and that the ports which take a privilege stay so
 * whatever changes meanwhile.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <linux/capability.h>

#include "lib_who.h"

#define USER	1234
#define OTHER	1235
#define HOST	"127.0.0.1"
#define PORT	8770
#define LOW	80

static const char *const sysctls[] = {
	"parley/max_backlog", "parley/max_pending", "parley/max_call_data",
	"parley/connect_timeout_ms", "parley/defer_timeout_ms",
};

FIXTURE(owner) {
};

FIXTURE_SETUP(owner)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_sysctl_write("ipv4/ip_unprivileged_port_start",
					 1024));
}

FIXTURE_TEARDOWN(owner)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static bool be_user(uid_t uid)
{
	return !setresgid(uid, uid, uid) && !setresuid(uid, uid, uid);
}

/* Only these capabilities, in the user namespace where the process is. */
static bool keep(__u32 caps)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {
		{ .effective = caps, .permitted = caps },
	};

	return !syscall(SYS_capset, &head, data);
}

/* Somebody else, who takes these along. */
static bool be_user_with(uid_t uid, __u32 caps)
{
	return !prctl(PR_SET_KEEPCAPS, 1) && be_user(uid) && keep(caps);
}

/* A user namespace in which this process is root, and nobody else is. */
static bool write_self(const char *file, const char *format, int id)
{
	char text[32];
	int fd, len;
	bool ok;

	len = snprintf(text, sizeof(text), format, id);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, text, len) == len;
	close(fd);
	return ok;
}

static bool be_root_of_own(void)
{
	uid_t uid = geteuid(), gid = getegid();

	/* Who has changed users owns its files of /proc only then. */
	return !prctl(PR_SET_DUMPABLE, 1) && !unshare(CLONE_NEWUSER) &&
	       write_self("/proc/self/setgroups", "deny", 0) &&
	       write_self("/proc/self/uid_map", "0 %d 1\n", uid) &&
	       write_self("/proc/self/gid_map", "0 %d 1\n", gid);
}

/* All the sysctls. Return: what writing to each of them said, if it agrees. */
static int write_all(long value)
{
	int i, err, first = 1;

	for (i = 0; i < (int)ARRAY_SIZE(sysctls); i++) {
		err = parley_sysctl_write(sysctls[i], value);
		if (err == -EPERM)
			err = -EACCES;
		if (first <= 0 && err != first)
			return -EBADMSG;
		first = err;
	}
	return first;
}

/* Who is not root there, but has the capability for that. */
TEST_F(owner, sysctl_by_capability)
{
	int step = 0;
	pid_t pid;

	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(be_user_with(USER, 1 << CAP_NET_BIND_SERVICE |
				      1 << CAP_NET_RAW));
		WHO_STEP(write_all(1000) == -EACCES);
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(be_user_with(USER, 1 << CAP_NET_ADMIN));
		WHO_STEP(!write_all(1001));
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
	EXPECT_EQ(1001, parley_sysctl_read(sysctls[0]));
}

/* A root who has come from there, and one from somewhere else. */
TEST_F(owner, sysctl_by_other_roots)
{
	struct parley_gate made, end;
	int step = 0, fd;
	char path[64];
	pid_t pid, other;

	ASSERT_EQ(0, parley_gate_init(&made));
	ASSERT_EQ(0, parley_gate_init(&end));
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(be_user(USER) && be_root_of_own());
		/* Not those of the namespace that it still is in. */
		WHO_STEP(write_all(1002) == -EACCES);
		WHO_STEP(!parley_ns_enter());
		WHO_STEP(!write_all(1003));
		/* Further in nobody owns this one. */
		other = parley_fork();
		if (!other) {
			WHO_STEP(be_root_of_own());
			WHO_STEP(write_all(1004) == -EACCES);
			WHO_STEP(parley_bound(HOST, LOW) == -EACCES);
			WHO_STEP(parley_bound(HOST, PORT) >= 0);
			_exit(0);
		}
		WHO_STEP(other > 0 && !parley_reap(other));
		WHO_STEP(parley_sysctl_read(sysctls[0]) == 1003);
		WHO_STEP(!parley_gate_open(&made));
		WHO_STEP(!parley_gate_wait(&end));
		WHO_STEP(parley_sysctl_read(sysctls[0]) == 1005);
		_exit(0);
	}
	ASSERT_EQ(0, parley_gate_wait(&made));
	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);

	/* Root of a namespace beside it cannot even get there. */
	other = parley_fork();
	ASSERT_LE(0, other);
	if (!other) {
		WHO_STEP(be_user(OTHER) && be_root_of_own());
		WHO_STEP(setns(fd, CLONE_NEWNET) && errno == EPERM);
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(other));
	/* Root of all may do all. */
	other = parley_fork();
	ASSERT_LE(0, other);
	if (!other) {
		WHO_STEP(!setns(fd, CLONE_NEWNET));
		WHO_STEP(!write_all(1005));
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(other));
	EXPECT_EQ(0, parley_gate_open(&end));
	EXPECT_EQ(0, parley_reap(pid));
	EXPECT_EQ(4096, parley_sysctl_read(sysctls[0]));
}

/* Who raises all there is to raise has it raised at home only. */
TEST_F(owner, limits)
{
	const char *most = "4294967295";
	const long somaxconn = parley_sysctl_read("core/somaxconn");
	struct parley_stat st;
	int step = 0, l, i;
	pid_t pid;

	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(be_user(USER) && be_root_of_own());
		WHO_STEP(!parley_ns_enter());
		WHO_STEP(!parley_sysctl_set("parley/max_backlog", most));
		WHO_STEP(!parley_sysctl_set("parley/max_pending", most));
		WHO_STEP(parley_sysctl_set("parley/max_call_data", most) ==
			 -EINVAL);
		WHO_STEP(parley_sysctl_write("parley/max_call_data", 65537) ==
			 -EINVAL);
		WHO_STEP(!parley_sysctl_write("parley/max_call_data", 65536));
		l = parley_listener(HOST, PORT, -1);
		WHO_STEP(l >= 0);
		/* There is more than one lid on a backlog. */
		WHO_STEP(parley_limit(l) == somaxconn);
		for (i = 0; i < 10; i++)
			WHO_STEP(parley_call(HOST, PORT) >= 0);
		WHO_STEP(!parley_stat(&st) && st.pending == 10);
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(0, st.pending);
	EXPECT_EQ(0, st.called);
	EXPECT_EQ(4096, parley_sysctl_read("parley/max_backlog"));
	EXPECT_EQ(65536, parley_sysctl_read("parley/max_pending"));
}

/* Ports below the limit, by whatever name the address has. */
TEST_F(owner, low_ports)
{
	static const char *const hosts[] = {
		HOST, "0.0.0.0", "::1", "::", "::ffff:127.0.0.1",
	};
	int step = 0, i;
	pid_t pid;

	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(be_user(USER));
		for (i = 0; i < (int)ARRAY_SIZE(hosts); i++) {
			WHO_STEP(parley_bound(hosts[i], 1) == -EACCES);
			WHO_STEP(parley_bound(hosts[i], 1023) == -EACCES);
			WHO_STEP(parley_bound(hosts[i], 1024 + i) >= 0);
		}
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
	/* The one capability is enough, and no other one is. */
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(be_user_with(USER, 1 << CAP_NET_ADMIN |
				      1 << CAP_NET_BIND_SERVICE));
		for (i = 0; i < (int)ARRAY_SIZE(hosts); i++)
			WHO_STEP(parley_bound(hosts[i], LOW + i) >= 0);
		WHO_STEP(keep(1 << CAP_NET_ADMIN));
		WHO_STEP(parley_bound(HOST, LOW + 10) == -EACCES);
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
}

/* It is asked about when a port is bound, and not again. */
TEST_F(owner, low_ports_change)
{
	const char *start = "ipv4/ip_unprivileged_port_start";
	struct parley_gate raised, lowered;
	int step = 0, l, fd, new;
	pid_t pid;

	ASSERT_EQ(0, parley_gate_init(&raised));
	ASSERT_EQ(0, parley_gate_init(&lowered));
	ASSERT_EQ(0, parley_sysctl_write(start, LOW));
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(be_user(USER));
		l = parley_listener(HOST, LOW, 5);
		WHO_STEP(l >= 0);
		fd = parley_bound(HOST, LOW + 1);
		WHO_STEP(fd >= 0);
		WHO_STEP(!parley_gate_open(&lowered));
		WHO_STEP(!parley_gate_wait(&raised));
		/* What is bound stays, and may listen; the like is not made. */
		WHO_STEP(parley_bound("127.0.0.2", LOW) == -EACCES);
		new = parley_call(HOST, LOW);
		WHO_STEP(new >= 0 && test_accept(l, 0) >= 0);
		WHO_STEP(!listen(fd, 1));
		WHO_STEP(!shutdown(l, SHUT_RDWR) && !listen(l, 1));
		WHO_STEP(!close(l));
		WHO_STEP(parley_bound(HOST, LOW) == -EACCES);
		_exit(0);
	}
	ASSERT_EQ(0, parley_gate_wait(&lowered));
	ASSERT_EQ(0, parley_sysctl_write(start, 1024));
	ASSERT_EQ(0, parley_gate_open(&raised));
	EXPECT_EQ(0, parley_reap(pid));
}

/* To share a port is to bind it. */
TEST_F(owner, low_ports_shared)
{
	int step = 0, l, fd;
	pid_t pid;

	l = parley_socket(0);
	ASSERT_EQ(0, parley_set_sockopt(l, SOL_SOCKET, SO_REUSEADDR, 1));
	ASSERT_EQ(0, parley_bind(l, HOST, LOW));
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(be_user(USER));
		fd = parley_socket(0);
		WHO_STEP(!parley_set_sockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1));
		WHO_STEP(parley_bind(fd, HOST, LOW) == -EACCES);
		/* What root has bound others may use, who were given it. */
		WHO_STEP(!listen(l, 1));
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
}

/* Nobody is given one of them: the range and the limit cannot overlap. */
TEST_F(owner, low_ports_not_given)
{
	int step = 0, i, fd, l;
	pid_t pid;

	ASSERT_EQ(0, parley_sysctl_set("ipv4/ip_local_port_range",
				       "1024 1031"));
	EXPECT_EQ(-EINVAL, parley_sysctl_write("ipv4/ip_unprivileged_port_start",
					       1025));
	EXPECT_EQ(-EINVAL, parley_sysctl_set("ipv4/ip_local_port_range",
					     "1023 1031"));
	l = parley_listener(HOST, PORT, 20);
	ASSERT_LE(0, l);
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(be_user(USER));
		for (i = 0; i < 8; i++) {
			fd = parley_bound(HOST, 0);
			WHO_STEP(fd >= 0 && parley_port(fd) >= 1024);
		}
		WHO_STEP(parley_bound(HOST, 0) == -EADDRINUSE);
		for (i = 0; i < 8; i++) {
			fd = parley_call(HOST, PORT);
			WHO_STEP(fd < 0 || parley_port(fd) >= 1024);
		}
		/* To listen does not bind. */
		WHO_STEP(listen(parley_socket(0), 1) && errno == EINVAL);
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
}

/* Options that take a privilege where they are, take it here. */
TEST_F(owner, options)
{
	int step = 0, fd = parley_socket(0);
	pid_t pid;

	ASSERT_LE(0, fd);
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(be_user(USER));
		WHO_STEP(parley_set_sockopt(fd, SOL_SOCKET, SO_MARK, 1) ==
			 -EPERM);
		WHO_STEP(parley_set_sockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE,
					    1 << 30) == -EPERM);
		WHO_STEP(parley_set_sockopt(fd, SOL_SOCKET, SO_PRIORITY, 7) ==
			 -EPERM);
		/* As root of another place, too. */
		WHO_STEP(be_root_of_own());
		WHO_STEP(!parley_ns_enter());
		WHO_STEP(parley_set_sockopt(fd, SOL_SOCKET, SO_MARK, 1) ==
			 -EPERM);
		WHO_STEP(parley_set_sockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE,
					    1 << 30) == -EPERM);
		fd = parley_socket(0);
		WHO_STEP(fd >= 0);
		WHO_STEP(!parley_set_sockopt(fd, SOL_SOCKET, SO_MARK, 1));
		WHO_STEP(parley_set_sockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE,
					    1 << 30) == -EPERM);
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
}

TEST_HARNESS_MAIN
