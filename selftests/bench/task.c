// SPDX-License-Identifier: GPL-2.0
/*
 * The process at the other end: started, pinned to a processor, watched, ended.
 */
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "task.h"

/* One that fails has said why; without it nothing would ever end. */
static void on_child(int sig)
{
	siginfo_t info = { };

	if (!waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid &&
	    (info.si_code != CLD_EXITED || info.si_status))
		_exit(1);
}

static void watch_children(void)
{
	struct sigaction sa = { .sa_handler = on_child, .sa_flags = SA_RESTART };

	if (sigaction(SIGCHLD, &sa, NULL))
		die("sigaction: %m");
}

/* Counted, there is only one processor. */
static void pin(int cpu)
{
	cpu_set_t set;

	if (run.counted)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity: %m");
}

void task_init(void)
{
	signal(SIGPIPE, SIG_IGN);
	watch_children();
	pin(0);
}

static void close_range_of(unsigned int first, unsigned int last)
{
	if (first <= last && syscall(SYS_close_range, first, last, 0))
		die("close_range: %m");
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void close_all_but(int *keep, int n)
{
	unsigned int next = STDERR_FILENO + 1;
	int i;

	qsort(keep, n, sizeof(*keep), compare);
	for (i = 0; i < n; i++) {
		close_range_of(next, keep[i] - 1);
		next = keep[i] + 1;
	}
	close_range_of(next, INT_MAX);
}

/**
 * task_start() - start the other end
 * @l: the lane it is for; gets its pid
 * @keep: descriptors that it needs; get sorted. An end that it held besides would
 *	keep the other one from seeing the end of file
 * @n: how many
 * @fn: what it does; it ends by returning
 */
void task_start(struct lane *l, int *keep, int n, void (*fn)(struct lane *l))
{
	l->pid = fork();
	if (l->pid < 0)
		die("fork: %m");
	if (l->pid)
		return;
	signal(SIGCHLD, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close_all_but(keep, n);
	pin(1);
	fn(l);
	_exit(0);
}

static int reap(struct lane *l)
{
	int status;

	if (waitpid(l->pid, &status, 0) != l->pid)
		die("waitpid: %m");
	l->pid = 0;
	return status;
}

void task_end(struct lane *l)
{
	int status = reap(l);

	if (status)
		die("%s: the other end ended with status %x", l->family->name, status);
}

/* The signal that ends it is not the failure that the handler looks for. */
void task_kill(struct lane *l)
{
	int status;

	signal(SIGCHLD, SIG_DFL);
	if (kill(l->pid, SIGKILL))
		die("kill: %m");
	status = reap(l);
	watch_children();
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		die("%s: the other end ended with status %x", l->family->name, status);
}

/**
 * struct signpost - shared by two processes
 * @value: how often it was raised
 * @seen: how often that was waited for
 */
struct signpost {
	atomic_int value;
	int seen;
};

struct signpost *signpost_new(void)
{
	struct signpost *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		die("mmap: %m");
	return s;
}

void signpost_free(struct signpost *s)
{
	munmap(s, sizeof(*s));
}

void signpost_raise(struct signpost *s)
{
	atomic_fetch_add(&s->value, 1);
	syscall(SYS_futex, &s->value, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Waits until it was raised once more than at the last time. */
void signpost_await(struct signpost *s)
{
	while (atomic_load(&s->value) == s->seen)
		syscall(SYS_futex, &s->value, FUTEX_WAIT, s->seen, NULL, NULL, 0);
	s->seen++;
}
