// SPDX-License-Identifier: GPL-2.0
/* Processes and threads for the tests, and where they are; see lib.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"

int parley_gate_init(struct parley_gate *g)
{
	return pipe2(g->fd, O_CLOEXEC) ? -errno : 0;
}

int parley_gate_open(struct parley_gate *g)
{
	return write(g->fd[1], "", 1) == 1 ? 0 : -errno;
}

int parley_gate_wait(struct parley_gate *g)
{
	int n = parley_wait(g->fd[0], POLLIN);
	char c;

	if (n < 0)
		return n;
	return read(g->fd[0], &c, 1) == 1 ? 0 : -EPIPE;
}

pid_t parley_fork(void)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		/* Nothing of a test outlives it, also when it fails. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(255);
	}
	return pid;
}

/* The exit code of a child, 128 + the signal that ended it. */
int parley_reap(pid_t pid)
{
	int status;

	if (!parley_until(waitpid(pid, &status, WNOHANG) == pid))
		return -ETIME;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void *parley_thread_main(void *arg)
{
	struct parley_thread *t = arg;

	__atomic_store_n(&t->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	t->result = t->fn(t->arg);
	__atomic_store_n(&t->done, 1, __ATOMIC_RELEASE);
	return NULL;
}

int parley_thread_start(struct parley_thread *t, long nr,
			long (*fn)(void *arg), void *arg)
{
	int err;

	t->fn = fn;
	t->arg = arg;
	t->nr = nr;
	t->tid = 0;
	t->done = 0;
	err = -pthread_create(&t->thread, NULL, parley_thread_main, t);
	if (err)
		return err;
	return parley_until(__atomic_load_n(&t->tid, __ATOMIC_ACQUIRE)) ?
	       0 : -ETIME;
}

/* System calls by number: the caller waits for just this one to block. */
static long parley_do_accept(void *arg)
{
	struct parley_thread *t = arg;
	long ret = syscall(SYS_accept4, t->fd, NULL, NULL, 0);

	return ret < 0 ? -errno : ret;
}

int parley_thread_accept(struct parley_thread *t, int fd)
{
	t->fd = fd;
	return parley_thread_start(t, SYS_accept4, parley_do_accept, t);
}

static long parley_do_connect(void *arg)
{
	struct parley_thread *t = arg;
	long ret = syscall(SYS_connect, t->fd, &t->addr.sa, t->addr.len);

	return ret < 0 ? -errno : ret;
}

int parley_thread_connect(struct parley_thread *t, int fd, const char *host,
			  int port)
{
	int err = parley_addr(&t->addr, host, port);

	t->fd = fd;
	return err ?: parley_thread_start(t, SYS_connect, parley_do_connect, t);
}

/*
 * Interruptible sleep, not just any: a thread that waits for a lock is not
 * where the test wants it. The file syscall says "running" until the thread
 * is off its processor.
 */
static bool parley_sleeps_in(pid_t tid, long nr)
{
	char path[64], state = 0;
	long now = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%ld", &now) != 1)
		now = -1;
	fclose(f);
	if (now != nr)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(f);
	return state == 'S';
}

int parley_blocked(pid_t tid, long nr)
{
	return parley_until(parley_sleeps_in(tid, nr)) ? 0 : -ETIME;
}

int parley_thread_blocked(struct parley_thread *t)
{
	bool ok = parley_until(parley_sleeps_in(t->tid, t->nr) ||
			       parley_thread_done(t));

	return ok && !parley_thread_done(t) ? 0 : -ETIME;
}

bool parley_thread_done(struct parley_thread *t)
{
	return __atomic_load_n(&t->done, __ATOMIC_ACQUIRE);
}

long parley_thread_sleeps(struct parley_thread *t)
{
	char path[64], line[128];
	long n = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", t->tid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
			break;
	fclose(f);
	return n;
}

int parley_thread_kill(struct parley_thread *t, int sig)
{
	return syscall(SYS_tgkill, getpid(), t->tid, sig) ? -errno : 0;
}

long parley_thread_join(struct parley_thread *t)
{
	if (!parley_until(parley_thread_done(t)))
		return -ETIME;
	pthread_join(t->thread, NULL);
	return t->result;
}

static int parley_signals;

static void parley_count(int sig)
{
	(void)sig;
	__atomic_add_fetch(&parley_signals, 1, __ATOMIC_RELEASE);
}

int parley_caught(void)
{
	return __atomic_load_n(&parley_signals, __ATOMIC_ACQUIRE);
}

int parley_catch(int sig, int flags)
{
	struct sigaction sa = {
		.sa_handler = parley_count,
		.sa_flags = flags,
	};

	return sigaction(sig, &sa, NULL) ? -errno : 0;
}
