// SPDX-License-Identifier: GPL-2.0
/*
 * The processes that run the fuzzer's programs, told what to do by one that
 * does nothing else: calls are begun in their order, the next one when one is
 * done, or has blocked for a while, or at once. At the end all are interrupted,
 * and everything is closed.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/futex.h>

#include "lib.h"
#include "lib_fuzz.h"

#define FUZZ_OPS_MAX	128
#define ERRORS		140
#define SPACES		2	/* network namespaces */
#define STEP_MS		4	/* after so long it is asked whether a call has blocked */
#define STEPS		50
#define NUDGE_MS	5
#define GIVE_UP_MS	20000	/* until what is interrupted has to be back */
#define TIMEOUT_MS	100	/* of calls, so that they are seen to time out */

struct fuzz_team {
	struct fuzz_shared *sh;
	struct fuzz_cover cover[FUZZ_ACTORS];
	bool covered;
	pid_t pid[FUZZ_PROCS];
	int pair[FUZZ_PROCS];
	int ns[SPACES];
	long sysctl[16];
	bool tuned;		/* a program wrote sysctls */
	unsigned long made[FUZZ_OPS_MAX];	/* by operation */
	unsigned long good[FUZZ_OPS_MAX];	/* of these, without an error */
	unsigned long long took_ns[FUZZ_OPS_MAX];
	unsigned long error[FUZZ_OPS_MAX][ERRORS];
};

struct fuzz_shared *fuzz_team_shared(struct fuzz_team *t)
{
	return t->sh;
}

bool fuzz_team_has_cover(const struct fuzz_team *t)
{
	return t->covered;
}

void fuzz_team_counts(const struct fuzz_team *t, unsigned long *made, unsigned long *good)
{
	unsigned int i;

	*made = *good = 0;
	for (i = 0; i < fuzz_op_count; i++) {
		*made += t->made[i];
		*good += t->good[i];
	}
}

void fuzz_team_tell(const struct fuzz_team *t)
{
	unsigned int i, e;

	for (i = 0; i < fuzz_op_count; i++) {
		printf("# %s: %lu of %lu, %llu ms", fuzz_ops[i].name, t->good[i], t->made[i],
		       t->took_ns[i] / 1000000);
		for (e = 0; e < ERRORS; e++)
			if (t->error[i][e])
				printf(", %lu %s", t->error[i][e], strerrorname_np(e) ?: "?");
		printf("\n");
	}
}

static bool idle(const struct fuzz_box *box)
{
	return __atomic_load_n(&box->done, __ATOMIC_ACQUIRE) == box->go;
}

static bool wait_idle(struct fuzz_box *box, unsigned int ms)
{
	unsigned long long end = parley_now_ns() + ms * 1000000ULL, now;
	struct timespec ts = { 0 };
	unsigned int done;

	for (;;) {
		done = __atomic_load_n(&box->done, __ATOMIC_ACQUIRE);
		now = parley_now_ns();
		if (done == box->go)
			return true;
		if (now >= end)
			return false;
		ts.tv_nsec = end - now > 999999999 ? 999999999 : end - now;
		syscall(SYS_futex, &box->done, FUTEX_WAIT, done, &ts, NULL, 0);
	}
}

/* Whether a thread sleeps so that signals wake it: it waits for an event, not for a lock. */
static bool asleep(const struct fuzz_box *box)
{
	int tid = __atomic_load_n(&box->tid, __ATOMIC_ACQUIRE), fd;
	char path[64], text[128], *state;
	ssize_t n;

	/* It has not even begun. */
	if (!tid)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	state = strrchr(text, ')');
	return !state || state[2] == 'S';
}

/* A machine that is slow makes no other program of it: what runs is waited for. */
static bool wait_step(struct fuzz_box *box)
{
	unsigned int i;

	for (i = 0; i < STEPS; i++) {
		if (wait_idle(box, STEP_MS))
			return true;
		if (asleep(box))
			return idle(box);
	}
	return false;
}

static void start(struct fuzz_box *box, int first, int last)
{
	box->first = first;
	box->last = last;
	box->now = first;
	__atomic_store_n(&box->go, box->go + 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &box->go, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static int spawn(struct fuzz_team *t, unsigned int p)
{
	struct fuzz_actor first = {
		.sh = t->sh,
		.nr = p * FUZZ_THREADS,
		.pair = t->pair[p],
		.ns = t->ns,
		.cover = &t->cover[p * FUZZ_THREADS],
	};
	unsigned int i;

	for (i = first.nr; i < first.nr + FUZZ_THREADS; i++) {
		t->sh->box[i].tid = 0;
		__atomic_store_n(&t->sh->box[i].done, t->sh->box[i].go, __ATOMIC_RELEASE);
	}
	t->pid[p] = parley_fork();
	if (!t->pid[p])
		fuzz_actors(&first);
	return t->pid[p] < 0 ? t->pid[p] : 0;
}

/* False if it does not die, and then tells where it is. */
static bool bury(struct fuzz_team *t, unsigned int p)
{
	char path[64], text[400] = "";
	int fd, ret;

	kill(t->pid[p], SIGKILL);
	ret = parley_reap(t->pid[p]);
	if (ret == -ETIME)
		ret = parley_reap(t->pid[p]);
	if (ret != -ETIME)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/stack", t->pid[p]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	if (fd >= 0)
		close(fd);
	fuzz_found(t->sh, "process %u does not die; it is in %s", p, text);
	return false;
}

static bool replace(struct fuzz_team *t, unsigned int p)
{
	return bury(t, p) && !spawn(t, p);
}

/* What ended without being told to is not the kernel's doing, most likely. */
static bool revive(struct fuzz_team *t)
{
	unsigned int p;
	int status;

	for (p = 0; p < FUZZ_PROCS; p++) {
		if (waitpid(t->pid[p], &status, WNOHANG) != t->pid[p])
			continue;
		fuzz_found(t->sh, "process %u ended by itself, status %#x", p, status);
		if (spawn(t, p))
			return false;
	}
	return true;
}

/* How many calls, from this one on, are for the same thread and wait for each other. */
static unsigned int in_a_row(const struct fuzz_prog *p, unsigned int i)
{
	unsigned int n = 1;

	while (i + n < p->n && !p->call[i + n - 1].async && fuzz_ops[p->call[i + n].op].run &&
	       p->call[i + n].actor == p->call[i].actor)
		n++;
	return n;
}

static bool give(struct fuzz_team *t, unsigned int i, unsigned int n)
{
	const struct fuzz_call *c = &t->sh->prog.call[i];
	struct fuzz_box *box = &t->sh->box[c->actor];

	/* For who is still busy the other thread stands in; if that is, too, it is left out. */
	if (!wait_step(box)) {
		box = &t->sh->box[c->actor ^ 1];
		if (!wait_step(box))
			return true;
	}
	start(box, i, i + n - 1);
	if (!c[n - 1].async)
		wait_step(box);
	return true;
}

static bool give_all(struct fuzz_team *t)
{
	const struct fuzz_prog *p = &t->sh->prog;
	unsigned int i, n;
	bool ok = true;

	for (i = 0; ok && i < p->n; i += n) {
		n = 1;
		/* The one operation that is done to a process. */
		if (!fuzz_ops[p->call[i].op].run) {
			ok = replace(t, p->call[i].arg[0] % FUZZ_PROCS);
			t->sh->made[i] = true;
			continue;
		}
		n = in_a_row(p, i);
		ok = give(t, i, n);
	}
	return ok;
}

/* Before the next program; what came of each call, by operation. */
static void count(struct fuzz_team *t)
{
	const struct fuzz_shared *sh = t->sh;
	unsigned int i, op;

	for (i = 0; i < sh->prog.n; i++) {
		if (!sh->made[i])
			continue;
		op = sh->prog.call[i].op;
		t->made[op]++;
		t->took_ns[op] += sh->took_ns[i];
		if (sh->result[i] >= 0)
			t->good[op]++;
		else if (sh->result[i] > -ERRORS)
			t->error[op][-sh->result[i]]++;
		t->tuned |= fuzz_ops[op].run == fuzz_do_sysctl;
	}
}

static bool all_idle(struct fuzz_team *t)
{
	unsigned int i;

	for (i = 0; i < FUZZ_ACTORS; i++)
		if (!idle(&t->sh->box[i]))
			return false;
	return true;
}

static void nudge(struct fuzz_team *t)
{
	struct fuzz_box *box;
	unsigned int i;

	for (i = 0; i < FUZZ_ACTORS; i++) {
		box = &t->sh->box[i];
		if (!idle(box))
			syscall(SYS_tgkill, t->pid[i / FUZZ_THREADS],
				__atomic_load_n(&box->tid, __ATOMIC_ACQUIRE), SIGUSR1);
	}
}

/* Waits for all, interrupts who does not come back, kills who does not even then. */
static bool finish(struct fuzz_team *t)
{
	unsigned long long end = parley_now_ns() + GIVE_UP_MS * 1000000ULL;
	unsigned int i, p;
	int call;

	while (!all_idle(t)) {
		nudge(t);
		for (i = 0; i < FUZZ_ACTORS; i++)
			wait_idle(&t->sh->box[i], NUDGE_MS);
		if (!revive(t))
			return false;
		if (parley_now_ns() < end)
			continue;
		for (i = 0; i < FUZZ_ACTORS && idle(&t->sh->box[i]); i++)
			;
		call = i < FUZZ_ACTORS ? t->sh->box[i].now : FUZZ_RESET;
		fuzz_found(t->sh, "%s does not return when it is interrupted",
			   call < 0 ? "closing" : fuzz_ops[t->sh->prog.call[call].op].name);
		for (p = 0; p < FUZZ_PROCS; p++)
			if (!replace(t, p))
				return false;
	}
	return true;
}

static void restore_sysctls(struct fuzz_team *t)
{
	unsigned int i, ns;

	for (ns = 0; ns < SPACES; ns++) {
		setns(t->ns[ns], CLONE_NEWNET);
		for (i = 0; i < fuzz_sysctl_count; i++)
			parley_sysctl_write(fuzz_sysctls[i], t->sysctl[i]);
	}
	setns(t->ns[0], CLONE_NEWNET);
	t->tuned = false;
}

/* One thread of each process does it for all; who has moved comes back by himself. */
static bool reset(struct fuzz_team *t)
{
	struct fuzz_shared *sh = t->sh;
	unsigned int i;

	for (i = 0; i < FUZZ_ACTORS; i++)
		if (i % FUZZ_THREADS == 0 || __atomic_load_n(&sh->moved[i], __ATOMIC_ACQUIRE))
			start(&sh->box[i], FUZZ_RESET, FUZZ_RESET);
	for (i = 0; i < FUZZ_ACTORS; i++)
		wait_idle(&sh->box[i], STEP_MS * STEPS);
	return finish(t);
}

bool fuzz_team_run(struct fuzz_team *t, const struct fuzz_prog *p)
{
	struct fuzz_shared *sh = t->sh;
	unsigned int i;
	bool ok;

	sh->prog = *p;
	sh->serial++;
	memset((char *)sh + offsetof(struct fuzz_shared, sockets), 0,
	       sizeof(*sh) - offsetof(struct fuzz_shared, sockets));
	ok = give_all(t);
	/* Twice: one may have woken another. */
	for (i = 0; i < 2 * FUZZ_ACTORS; i++)
		wait_step(&sh->box[i % FUZZ_ACTORS]);
	__atomic_store_n(&sh->closing, true, __ATOMIC_RELEASE);
	ok = ok && finish(t);
	ok = ok && reset(t) && revive(t);
	count(t);
	if (t->tuned)
		restore_sysctls(t);
	return ok;
}

unsigned int fuzz_team_cover(struct fuzz_team *t, struct fuzz_seen *s)
{
	unsigned int i, new = 0;

	for (i = 0; i < FUZZ_ACTORS; i++)
		new += fuzz_seen_add(s, &t->cover[i]);
	return new;
}

/* One more namespace, or the one where this process is. */
static int space(bool another)
{
	int fd;

	if (another && parley_ns_enter())
		return -1;
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	parley_sysctl_write("parley/connect_timeout_ms", TIMEOUT_MS);
	return fd;
}

static bool spaces(struct fuzz_team *t)
{
	unsigned int i;

	for (i = 0; i < SPACES; i++) {
		t->ns[i] = space(i > 0);
		if (t->ns[i] < 0)
			return false;
	}
	if (setns(t->ns[0], CLONE_NEWNET))
		return false;
	for (i = 0; i < fuzz_sysctl_count; i++)
		t->sysctl[i] = parley_sysctl_read(fuzz_sysctls[i]);
	return true;
}

struct fuzz_team *fuzz_team_new(void)
{
	struct fuzz_team *t = calloc(1, sizeof(*t));
	unsigned int i;

	if (!t)
		return NULL;
	t->sh = mmap(NULL, sizeof(*t->sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	t->covered = fuzz_cover_works();
	for (i = 0; i < FUZZ_ACTORS; i++)
		t->covered &= fuzz_cover_open(&t->cover[i]);
	if (t->sh == MAP_FAILED || !spaces(t) ||
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, t->pair)) {
		free(t);
		return NULL;
	}
	for (i = 0; i < FUZZ_PROCS; i++)
		if (spawn(t, i))
			return NULL;
	return t;
}

void fuzz_team_free(struct fuzz_team *t)
{
	unsigned int i;

	for (i = 0; i < FUZZ_PROCS; i++)
		bury(t, i);
	for (i = 0; i < FUZZ_PROCS; i++)
		close(t->pair[i]);
	for (i = 0; i < SPACES; i++)
		close(t->ns[i]);
	for (i = 0; i < FUZZ_ACTORS; i++)
		fuzz_cover_close(&t->cover[i]);
	munmap(t->sh, sizeof(*t->sh));
	free(t);
}

static bool space_is_empty(struct parley_stat *st)
{
	return !parley_stat(st) && !st->sockets && !st->calls && !st->pending && !st->pages &&
	       !parley_proto_sockets();
}

static bool space_is_clean(struct fuzz_team *t, unsigned int i)
{
	struct parley_stat st = { 0 };

	if (setns(t->ns[i], CLONE_NEWNET) || !parley_until(space_is_empty(&st))) {
		fuzz_found(t->sh, "left in %u: sockets %ld, calls %ld, pending %ld, pages %ld",
			   i, st.sockets, st.calls, st.pending, st.pages);
		return false;
	}
	if (st.called == st.established + st.refused + st.withdrawn && st.refused == st.causes)
		return true;
	fuzz_found(t->sh, "called %ld, established %ld, refused %ld (by causes %ld), withdrawn %ld",
		   st.called, st.established, st.refused, st.causes, st.withdrawn);
	return false;
}

bool fuzz_team_clean(struct fuzz_team *t)
{
	bool clean = true;
	unsigned int i;

	for (i = 0; i < SPACES; i++)
		clean &= space_is_clean(t, i);
	setns(t->ns[0], CLONE_NEWNET);
	return clean;
}
