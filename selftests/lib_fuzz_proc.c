// SPDX-License-Identifier: GPL-2.0
/* What the fuzzer's calls do: processes, signals, users, namespaces, /proc. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/parley.h>

#include "lib.h"
#include "lib_fuzz.h"

#define PORT	7001

/* The number of a socket goes with it to the other process. */
long fuzz_do_pass(struct fuzz_actor *a, const __u64 *v)
{
	char buf[CMSG_SPACE(sizeof(int))] = { 0 };
	struct cmsghdr *c = (void *)buf;
	unsigned int number;
	struct iovec iov = { .iov_base = &number, .iov_len = sizeof(number) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = buf,
		.msg_controllen = sizeof(buf),
	};
	int fd = fuzz_numbered_fd(a, v[0], &number);

	if (fd < 0)
		return -EBADF;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return fuzz_result(sendmsg(a->pair, &msg, MSG_DONTWAIT | MSG_NOSIGNAL));
}

long fuzz_do_take(struct fuzz_actor *a, const __u64 *v)
{
	char buf[CMSG_SPACE(sizeof(int))] = { 0 };
	struct cmsghdr *c = (void *)buf;
	unsigned int number = 0;
	struct iovec iov = { .iov_base = &number, .iov_len = sizeof(number) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = buf,
		.msg_controllen = sizeof(buf),
	};
	long ret = fuzz_result(recvmsg(a->pair, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
	int fd;

	if (ret < 0)
		return ret;
	if (msg.msg_controllen < sizeof(buf))
		return -EAGAIN;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fuzz_keep(a, v[0], fd, number < FUZZ_TAGS ? number : 0);
}

static void nap(__u64 ms)
{
	struct timespec ts = { .tv_nsec = ms % 120 * 1000000 };

	nanosleep(&ts, NULL);
}

/* In a child, which may be killed at any time. */
static void child(int fd, __u64 what)
{
	struct parley_next_call next = { .size = sizeof(next) };
	struct parley_addr addr;
	char byte = 'x';

	switch (what % 7) {
	case 1:
		accept4(fd, NULL, NULL, 0);
		break;
	case 2:
		parley_addr(&addr, "127.0.0.1", PORT);
		if (connect(fd, &addr.sa, addr.len))
			break;
		break;
	case 3:
		if (recv(fd, &byte, 1, 0) < 0)
			break;
		break;
	case 4:
		while (send(fd, &byte, 1, MSG_NOSIGNAL) == 1)
			;
		break;
	case 5:
		ioctl(fd, PARLEY_IOC_NEXT_CALL, &next);
		break;
	case 6:
		close(fd);
		break;
	default:
		break;
	}
}

/* A child that has all descriptors, does something and is gone. */
long fuzz_do_fork(struct fuzz_actor *a, const __u64 *v)
{
	unsigned int number;
	int fd = fuzz_numbered_fd(a, v[0], &number);
	pid_t parent = getpid(), pid;

	fuzz_tag_spoil(a, number);
	pid = syscall(SYS_fork);
	if (pid < 0)
		return fuzz_result(pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			child(fd, v[1]);
		_exit(0);
	}
	nap(v[2]);
	if (v[1] % 7)
		kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

long fuzz_do_signal(struct fuzz_actor *a, const __u64 *v)
{
	unsigned int nr = v[0] % FUZZ_ACTORS;
	unsigned int first = nr / FUZZ_THREADS * FUZZ_THREADS;

	return fuzz_result(syscall(SYS_tgkill, a->sh->box[first].tid, a->sh->box[nr].tid,
				   SIGUSR1));
}

long fuzz_do_pause(struct fuzz_actor *a, const __u64 *v)
{
	(void)a;
	nap(v[0]);
	return 0;
}

const char *const fuzz_sysctls[] = {
	"parley/connect_timeout_ms", "parley/defer_timeout_ms", "parley/max_backlog",
	"parley/max_call_data", "parley/max_pending", "core/somaxconn",
	"ipv4/ip_unprivileged_port_start", "ipv6/bindv6only", "parley/connect_timeout_ms",
	"parley/max_pending_per_user",
};

const unsigned int fuzz_sysctl_count = ARRAY_SIZE(fuzz_sysctls);

long fuzz_do_sysctl(struct fuzz_actor *a, const __u64 *v)
{
	(void)a;
	return parley_sysctl_write(fuzz_sysctls[v[0] % fuzz_sysctl_count], v[1] & 0xffffffff);
}

/* This thread only: its sockets from now on, not those that it has. */
long fuzz_do_netns(struct fuzz_actor *a, const __u64 *v)
{
	a->sh->moved[a->nr] = true;
	if (v[0] % 3 == 2)
		return parley_ns_enter();
	return fuzz_result(setns(a->ns[v[0] % 3], CLONE_NEWNET));
}

/* libc's function would take the other threads along. */
long fuzz_do_user(struct fuzz_actor *a, const __u64 *v)
{
	a->sh->moved[a->nr] = true;
	return fuzz_result(syscall(SYS_setresuid, (uid_t)v[0], (uid_t)v[0], 0));
}

long fuzz_do_fcntl(struct fuzz_actor *a, const __u64 *v)
{
	int fd = fuzz_fd(a, v[0]);
	int flags = fcntl(fd, F_GETFL);

	switch (v[1] % 8) {
	case 0:
		return fuzz_result(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
	case 1:
		return fuzz_result(fcntl(fd, F_SETFL, flags & ~O_NONBLOCK));
	case 2:
		return fuzz_result(fcntl(fd, F_SETFL, flags | O_ASYNC));
	case 3:
		return fuzz_result(fcntl(fd, F_SETFL, flags & ~O_ASYNC));
	case 4:
		return fuzz_result(fcntl(fd, F_SETOWN, getpid()));
	case 5:
		return fuzz_result(fcntl(fd, F_SETOWN, 0));
	case 6:
		return fuzz_result(fcntl(fd, F_SETSIG, SIGUSR2));
	default:
		return fuzz_result(fcntl(fd, F_SETSIG, 0));
	}
}

long fuzz_do_proc(struct fuzz_actor *a, const __u64 *v)
{
	static const char *const files[] = {
		"/proc/thread-self/net/parley_stat", "/proc/thread-self/net/parley_policies",
		"/proc/thread-self/net/protocols", "/proc/sys/net/parley/max_backlog",
	};
	int fd = open(files[v[0] % ARRAY_SIZE(files)], O_RDONLY | O_CLOEXEC);
	long ret, all = 0;

	if (fd < 0)
		return fuzz_result(fd);
	do {
		ret = fuzz_result(read(fd, a->buf, 1 + v[1] % 5000));
		all += ret > 0 ? ret : 0;
	} while (ret > 0 && all < 65536);
	close(fd);
	return ret;
}
