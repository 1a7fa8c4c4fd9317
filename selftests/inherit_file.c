// SPDX-License-Identifier: GPL-2.0
/*
 * PARLEY_INHERIT: what accepted sockets take over of the listener's open file.
 * The signals are blocked and fetched with sigtimedwait(), so that nothing
 * depends on when they come.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib_terms.h"

#define HOST	"127.0.0.1"
#define PORT	7370
#define USER	1001
#define BOTH	(PARLEY_INHERIT_NONBLOCK | PARLEY_INHERIT_ASYNC)

/* In a child: its exit code says which step failed. */
#define STEP(cond)	do { step++; if (!(cond)) _exit(step); } while (0)

FIXTURE(file) {
	int l;
	int sig;
};

FIXTURE_SETUP(file)
{
	sigset_t set;

	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	self->sig = SIGRTMIN + 4;
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, self->sig);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
}

FIXTURE_TEARDOWN(file)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static bool nonblocking(int fd)
{
	return fcntl(fd, F_GETFL) & O_NONBLOCK;
}

/* A connection that @l accepts with @flags: the accepted end, and the other. */
static int connection(int l, int flags, int *call)
{
	*call = parley_call(HOST, PORT);
	return *call < 0 ? *call : test_accept(l, flags);
}

static long block_in_recv(void *arg)
{
	char c;
	long n = syscall(SYS_recvfrom, *(int *)arg, &c, 1, 0, NULL, NULL);

	return n < 0 ? -errno : n;
}

/* Whether recv(2) waits where there is nothing, and ends when there is. */
static bool blocks(int fd, int peer)
{
	struct parley_thread t;

	return !parley_thread_start(&t, SYS_recvfrom, block_in_recv, &fd) &&
	       !parley_thread_blocked(&t) &&
	       send(peer, "", 1, MSG_NOSIGNAL) == 1 &&
	       parley_thread_join(&t) == 1;
}

TEST_F(file, flags)
{
	EXPECT_EQ(0, terms_inherit(self->l));
	EXPECT_EQ(0, terms_set_inherit(self->l, PARLEY_INHERIT_ASYNC));
	EXPECT_EQ(PARLEY_INHERIT_ASYNC, terms_inherit(self->l));
	EXPECT_EQ(0, terms_set_inherit(self->l, BOTH));
	EXPECT_EQ(BOTH, terms_inherit(self->l));
	EXPECT_EQ(-EINVAL, terms_set_inherit(self->l, BOTH + 1));
	EXPECT_EQ(BOTH, terms_inherit(self->l));
	EXPECT_EQ(0, terms_set_inherit(self->l, 0));
	EXPECT_EQ(0, terms_inherit(self->l));
}

/* All of them with all: the listener's file, the flag, and accept4(2). */
TEST_F(file, nonblock)
{
	int i, new, call;
	bool want;
	char c;

	for (i = 0; i < 16; i++) {
		ASSERT_EQ(0, terms_set_inherit(self->l,
					       (i & 1 ?
						PARLEY_INHERIT_NONBLOCK : 0) |
					       (i & 8 ?
						PARLEY_INHERIT_ASYNC : 0)));
		ASSERT_EQ(0, parley_nonblock(self->l, i & 2));
		want = (i & 3) == 3 || i & 4;
		new = connection(self->l, i & 4 ? SOCK_NONBLOCK : 0, &call);
		ASSERT_LE(0, new);
		EXPECT_EQ(want, nonblocking(new))
			TH_LOG("case %d", i);
		if (want) {
			EXPECT_EQ(-1, recv(new, &c, 1, 0));
			EXPECT_EQ(EAGAIN, errno);
		} else {
			EXPECT_TRUE(blocks(new, call));
		}
		close(new);
		close(call);
	}
}

/* What counts is how it is when accept(2) returns. */
TEST_F(file, nonblock_now)
{
	int new;

	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_LE(0, parley_call(HOST, PORT));
	ASSERT_LE(0, parley_call(HOST, PORT));
	ASSERT_LE(0, parley_call(HOST, PORT));
	ASSERT_EQ(0, terms_set_inherit(self->l, PARLEY_INHERIT_NONBLOCK));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(nonblocking(new));
	/* That of the listener is its own. */
	ASSERT_EQ(0, parley_nonblock(new, false));
	EXPECT_TRUE(nonblocking(self->l));
	ASSERT_EQ(0, parley_nonblock(self->l, false));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_FALSE(nonblocking(new));
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_inherit(self->l, 0));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_FALSE(nonblocking(new));
}

/* The descriptor's own flag is never taken over. */
TEST_F(file, cloexec)
{
	int i, new, call;

	ASSERT_EQ(0, terms_set_inherit(self->l, BOTH));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, fcntl(self->l, F_SETFD, i & 1 ? FD_CLOEXEC : 0));
		new = connection(self->l, i & 2 ? SOCK_CLOEXEC : 0, &call);
		ASSERT_LE(0, new);
		EXPECT_EQ(i & 2 ? FD_CLOEXEC : 0, fcntl(new, F_GETFD))
			TH_LOG("case %d", i);
	}
}

/*
 * Fetches one signal, waiting for it or not. Where one did not come in time,
 * the next ones are not waited for so long.
 */
static int fetch(int sig, siginfo_t *info, bool wait)
{
	static int seconds = PARLEY_BOUND_MS / 1000;
	struct timespec bound = { .tv_sec = wait ? seconds : 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	memset(info, 0, sizeof(*info));
	if (sigtimedwait(&set, info, &bound) > 0)
		return 0;
	if (wait)
		seconds = 1;
	return -errno;
}

static void forget(int sig)
{
	siginfo_t info;

	while (!fetch(sig, &info, false))
		;
}

static int async(int fd, bool yes)
{
	int flags = fcntl(fd, F_GETFL);

	flags = yes ? flags | O_ASYNC : flags & ~O_ASYNC;
	return fcntl(fd, F_SETFL, flags) ? -errno : 0;
}

/* The listener tells @owner, a process or, if negative, a process group. */
static int tell(int l, int owner, int sig)
{
	if (fcntl(l, F_SETOWN, owner) || fcntl(l, F_SETSIG, sig))
		return -errno;
	return async(l, true);
}

static bool owner_is(int fd, int type, int pid)
{
	struct f_owner_ex o = { .type = -1 };

	if (!fcntl(fd, F_GETOWN_EX, &o) && (!pid || o.type == type) &&
	    o.pid == pid)
		return true;
	printf("# owner is %d of type %d, not %d of type %d\n", o.pid, o.type,
	       pid, type);
	fflush(stdout);
	return false;
}

/* Data comes for @fd: whether @sig tells of it, and for which descriptor. */
static bool told(int fd, int peer, int sig, int about)
{
	siginfo_t info;
	char c;
	int err;

	forget(sig);
	if (send(peer, "", 1, MSG_NOSIGNAL) != 1)
		return false;
	err = fetch(sig, &info, true);
	if (recv(fd, &c, 1, MSG_DONTWAIT) != 1)
		return false;
	if (!err && info.si_code == POLL_IN && info.si_band & POLLIN &&
	    info.si_fd == about)
		return true;
	printf("# error %d, code %d, band %lx, descriptor %d, not %d\n", -err,
	       info.si_code, info.si_band, info.si_fd, about);
	fflush(stdout);
	return false;
}

/* Data comes for @fd, and nobody gets a signal; none is on its way. */
static bool untold(int fd, int peer, int sig)
{
	siginfo_t info;
	char c;

	forget(sig);
	forget(SIGIO);
	return send(peer, "", 1, MSG_NOSIGNAL) == 1 &&
	       recv(fd, &c, 1, MSG_DONTWAIT) == 1 &&
	       fetch(sig, &info, false) == -EAGAIN &&
	       fetch(SIGIO, &info, false) == -EAGAIN;
}

TEST_F(file, async_process)
{
	int new, call;

	ASSERT_EQ(0, tell(self->l, getpid(), self->sig));
	ASSERT_EQ(0, terms_set_inherit(self->l, PARLEY_INHERIT_ASYNC));
	new = connection(self->l, 0, &call);
	ASSERT_LE(0, new);
	EXPECT_EQ(O_ASYNC, fcntl(new, F_GETFL) & O_ASYNC);
	EXPECT_FALSE(nonblocking(new));
	EXPECT_TRUE(owner_is(new, F_OWNER_PID, getpid()));
	EXPECT_EQ(self->sig, fcntl(new, F_GETSIG));
	/* Nobody knew the descriptor when it was taken over. */
	EXPECT_TRUE(told(new, call, self->sig, -1));
	EXPECT_TRUE(told(new, call, self->sig, -1));
	ASSERT_EQ(0, async(new, false));
	EXPECT_TRUE(untold(new, call, self->sig));
	ASSERT_EQ(0, async(new, true));
	EXPECT_TRUE(told(new, call, self->sig, new));
	/* It does not need the listener, and does not follow it. */
	ASSERT_EQ(0, fcntl(self->l, F_SETSIG, 0));
	ASSERT_EQ(0, fcntl(self->l, F_SETOWN, 0));
	EXPECT_TRUE(told(new, call, self->sig, new));
	ASSERT_EQ(0, close(self->l));
	EXPECT_TRUE(told(new, call, self->sig, new));
}

/* Without F_SETSIG it is SIGIO, which says no more than that. */
TEST_F(file, async_sigio)
{
	siginfo_t info;
	int new, call;

	ASSERT_EQ(0, tell(self->l, getpid(), 0));
	ASSERT_EQ(0, terms_set_inherit(self->l, BOTH));
	new = connection(self->l, 0, &call);
	ASSERT_LE(0, new);
	EXPECT_EQ(0, fcntl(new, F_GETSIG));
	forget(SIGIO);
	ASSERT_EQ(1, send(call, "", 1, 0));
	EXPECT_EQ(0, fetch(SIGIO, &info, true));
	EXPECT_EQ(SIGIO, info.si_signo);
}

TEST_F(file, async_group)
{
	struct parley_gate ready;
	siginfo_t info;
	int pid, new, call, step = 0;

	ASSERT_EQ(0, parley_gate_init(&ready));
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		STEP(!setpgid(0, 0));
		STEP(!parley_gate_open(&ready));
		/* First for the call, then for what came after it. */
		STEP(!fetch(self->sig, &info, true));
		STEP(info.si_fd == self->l);
		STEP(!fetch(self->sig, &info, true));
		STEP(info.si_fd == -1 && info.si_code == POLL_IN);
		_exit(0);
	}
	ASSERT_EQ(0, parley_gate_wait(&ready));
	ASSERT_EQ(0, tell(self->l, -pid, self->sig));
	ASSERT_EQ(0, terms_set_inherit(self->l, PARLEY_INHERIT_ASYNC));
	new = connection(self->l, 0, &call);
	ASSERT_LE(0, new);
	EXPECT_TRUE(owner_is(new, F_OWNER_PGRP, pid));
	ASSERT_EQ(1, send(call, "", 1, 0));
	EXPECT_EQ(0, parley_reap(pid));
	/* This process is in another group. */
	EXPECT_EQ(-EAGAIN, fetch(self->sig, &info, false));
}

static long wait_for_signal(void *arg)
{
	siginfo_t info;
	int err;

	/* Until it is not about the listener. */
	do {
		err = fetch(*(int *)arg, &info, true);
	} while (!err && info.si_fd != -1);
	return err ?: info.si_code;
}

/* One thread is told, and no other one of its process. */
TEST_F(file, async_thread)
{
	struct f_owner_ex owner = { .type = F_OWNER_TID };
	struct parley_thread t;
	siginfo_t info;
	int new, call;

	ASSERT_EQ(0, parley_thread_start(&t, SYS_rt_sigtimedwait,
					 wait_for_signal, &self->sig));
	owner.pid = t.tid;
	ASSERT_EQ(0, fcntl(self->l, F_SETOWN_EX, &owner));
	ASSERT_EQ(0, fcntl(self->l, F_SETSIG, self->sig));
	ASSERT_EQ(0, async(self->l, true));
	ASSERT_EQ(0, terms_set_inherit(self->l, PARLEY_INHERIT_ASYNC));
	new = connection(self->l, 0, &call);
	ASSERT_LE(0, new);
	EXPECT_TRUE(owner_is(new, F_OWNER_TID, t.tid));
	ASSERT_EQ(1, send(call, "", 1, 0));
	EXPECT_EQ(POLL_IN, parley_thread_join(&t));
	EXPECT_EQ(-EAGAIN, fetch(self->sig, &info, false));
}

/* Without the flag nothing of it comes over. */
TEST_F(file, async_not_asked_for)
{
	static const __u32 flags[] = { 0, PARLEY_INHERIT_NONBLOCK };
	int i, new, call;

	ASSERT_EQ(0, tell(self->l, getpid(), self->sig));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, terms_set_inherit(self->l, flags[i]));
		new = connection(self->l, 0, &call);
		ASSERT_LE(0, new);
		EXPECT_EQ(0, fcntl(new, F_GETFL) & O_ASYNC);
		EXPECT_TRUE(owner_is(new, 0, 0));
		EXPECT_EQ(0, fcntl(new, F_GETSIG));
		EXPECT_TRUE(untold(new, call, self->sig));
	}
}

/* Owner and signal come over also where the listener is quiet itself. */
TEST_F(file, async_quiet)
{
	int new, call;

	ASSERT_EQ(0, tell(self->l, getpid(), self->sig));
	ASSERT_EQ(0, async(self->l, false));
	ASSERT_EQ(0, terms_set_inherit(self->l, PARLEY_INHERIT_ASYNC));
	new = connection(self->l, 0, &call);
	ASSERT_LE(0, new);
	EXPECT_EQ(0, fcntl(new, F_GETFL) & O_ASYNC);
	EXPECT_TRUE(owner_is(new, F_OWNER_PID, getpid()));
	EXPECT_EQ(self->sig, fcntl(new, F_GETSIG));
	EXPECT_TRUE(untold(new, call, self->sig));
	ASSERT_EQ(0, async(new, true));
	EXPECT_TRUE(told(new, call, self->sig, new));
}

/* The owner may have ended, or never have been. */
TEST_F(file, async_nobody)
{
	struct parley_gate gate;
	int pid, new, call;

	ASSERT_EQ(0, terms_set_inherit(self->l, PARLEY_INHERIT_ASYNC));
	ASSERT_EQ(0, async(self->l, true));
	new = connection(self->l, 0, &call);
	ASSERT_LE(0, new);
	EXPECT_EQ(O_ASYNC, fcntl(new, F_GETFL) & O_ASYNC);
	EXPECT_TRUE(owner_is(new, 0, 0));
	EXPECT_TRUE(untold(new, call, self->sig));

	ASSERT_EQ(0, parley_gate_init(&gate));
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(parley_gate_wait(&gate) ? 1 : 0);
	ASSERT_EQ(0, tell(self->l, pid, self->sig));
	ASSERT_EQ(0, parley_gate_open(&gate));
	ASSERT_EQ(0, parley_reap(pid));
	new = connection(self->l, 0, &call);
	ASSERT_LE(0, new);
	EXPECT_TRUE(owner_is(new, 0, 0));
	EXPECT_TRUE(untold(new, call, self->sig));
}

/* Who has an open file's signals sent may only reach its own processes. */
static int tell_as(uid_t uid, int l, int owner, int sig)
{
	int pid = parley_fork(), step = 0;

	if (pid)
		return pid < 0 ? pid : parley_reap(pid);
	STEP(!setresuid(uid, uid, uid));
	STEP(!tell(l, owner, sig));
	_exit(0);
}

/* Accepting for somebody does not lend it one's rights. */
TEST_F(file, async_rights_of_who_asked)
{
	int new, call;

	ASSERT_EQ(0, terms_set_inherit(self->l, PARLEY_INHERIT_ASYNC));
	ASSERT_EQ(0, tell_as(USER, self->l, getpid(), self->sig));
	new = connection(self->l, 0, &call);
	ASSERT_LE(0, new);
	EXPECT_TRUE(owner_is(new, F_OWNER_PID, getpid()));
	EXPECT_TRUE(untold(new, call, self->sig));

	ASSERT_EQ(0, tell_as(0, self->l, getpid(), self->sig));
	new = connection(self->l, 0, &call);
	ASSERT_LE(0, new);
	EXPECT_TRUE(told(new, call, self->sig, -1));
}

/* Nor does it take rights away from who asked. */
TEST_F(file, async_accepted_by_somebody)
{
	struct parley_gate accepted, end;
	int pid, call, step = 0;
	siginfo_t info;

	ASSERT_EQ(0, parley_gate_init(&accepted));
	ASSERT_EQ(0, parley_gate_init(&end));
	ASSERT_EQ(0, terms_set_inherit(self->l, PARLEY_INHERIT_ASYNC));
	ASSERT_EQ(0, tell(self->l, getpid(), self->sig));
	call = parley_call(HOST, PORT);
	ASSERT_LE(0, call);
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		STEP(!setresuid(USER, USER, USER));
		STEP(test_accept(self->l, 0) >= 0);
		STEP(!parley_gate_open(&accepted));
		STEP(!parley_gate_wait(&end));
		_exit(0);
	}
	ASSERT_EQ(0, parley_gate_wait(&accepted));
	forget(self->sig);
	ASSERT_EQ(1, send(call, "", 1, 0));
	EXPECT_EQ(0, fetch(self->sig, &info, true));
	EXPECT_EQ(-1, info.si_fd);
	EXPECT_EQ(0, parley_gate_open(&end));
	EXPECT_EQ(0, parley_reap(pid));
}

/* Sends as soon as there is a connection: it looks all the time. */
static long call_and_send(void *arg)
{
	unsigned long long end = parley_deadline();
	int fd = parley_call(HOST, PORT);
	long n;

	*(int *)arg = fd;
	do {
		n = send(fd, "", 1, MSG_NOSIGNAL);
	} while (n < 0 && errno == EAGAIN && !parley_expired(end));
	return n < 0 ? -errno : n;
}

/* Data may come before accept(2) has even returned; it is told of, too. */
TEST_F(file, async_first_data)
{
	struct parley_thread t;
	int i, new, call;
	siginfo_t info;

	ASSERT_EQ(0, tell(self->l, getpid(), self->sig));
	ASSERT_EQ(0, terms_set_inherit(self->l, PARLEY_INHERIT_ASYNC));
	for (i = 0; i < 1000; i++) {
		ASSERT_EQ(0, parley_thread_start(&t, SYS_sendto,
						 call_and_send, &call));
		new = test_accept(self->l, 0);
		ASSERT_LE(0, new);
		ASSERT_EQ(1, parley_thread_join(&t));
		/* First the listener's, then the connection's. */
		do {
			ASSERT_EQ(0, fetch(self->sig, &info, true))
				TH_LOG("connection %d", i);
		} while (info.si_fd != -1);
		EXPECT_EQ(POLL_IN, info.si_code);
		forget(self->sig);
		close(call);
		forget(self->sig);
		close(new);
	}
}

TEST_HARNESS_MAIN
