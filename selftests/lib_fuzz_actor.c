// SPDX-License-Identifier: GPL-2.0
/* The processes and threads that make the fuzzer's calls, one by one as they are told. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/futex.h>

#include "lib.h"
#include "lib_fuzz.h"

#define BASE	48		/* descriptors below are not a program's */
#define GUARD	(16 << 20)	/* what a kernel that writes too far runs into */

void fuzz_found(struct fuzz_shared *sh, const char *fmt, ...)
{
	va_list args;

	/* The first one of a program is what counts. */
	if (__atomic_fetch_add(&sh->findings, 1, __ATOMIC_SEQ_CST))
		return;
	va_start(args, fmt);
	vsnprintf(sh->finding, sizeof(sh->finding), fmt, args);
	va_end(args);
}

static void drain(int pair)
{
	char buf[CMSG_SPACE(sizeof(int))], byte[8];
	struct iovec iov = { .iov_base = byte, .iov_len = sizeof(byte) };
	struct msghdr msg;

	do {
		memset(&msg, 0, sizeof(msg));
		msg.msg_iov = &iov;
		msg.msg_iovlen = 1;
		msg.msg_control = buf;
		msg.msg_controllen = sizeof(buf);
	} while (recvmsg(pair, &msg, MSG_DONTWAIT) >= 0);
}

/* After a program: as it was before; the first thread does what is for all. */
static void reset(struct fuzz_actor *a)
{
	unsigned int i;

	if (a->sh->moved[a->nr]) {
		syscall(SYS_setresuid, 0, 0, 0);
		setns(a->ns[0], CLONE_NEWNET);
	}
	if (a->nr % FUZZ_THREADS)
		return;
	drain(a->pair);
	for (i = 0; i < FUZZ_SLOTS; i++) {
		a->slot[i] = -1;
		a->number[i] = 0;
	}
	syscall(SYS_close_range, a->base, ~0U, 0);
}

static void make(struct fuzz_actor *a, int nr)
{
	const struct fuzz_call *c = &a->sh->prog.call[nr];
	const struct fuzz_op *op = &fuzz_ops[c->op];
	__u64 begun = parley_now_ns();
	long ret;

	fuzz_cover_mark(a->cover);
	ret = op->run(a, c->arg);
	a->sh->took_ns[nr] = parley_now_ns() - begun;
	a->sh->result[nr] = ret;
	a->sh->made[nr] = true;
	if (ret < 0 && !fuzz_op_may_fail(op, -ret))
		fuzz_found(a->sh, "%s: error %ld", op->name, -ret);
}

static void make_all(struct fuzz_actor *a, struct fuzz_box *box)
{
	int i;

	for (i = box->first; i <= box->last; i++) {
		if (__atomic_load_n(&a->sh->closing, __ATOMIC_ACQUIRE))
			return;
		__atomic_store_n(&box->now, i, __ATOMIC_RELAXED);
		make(a, i);
	}
}

static void serve(struct fuzz_actor *a)
{
	struct fuzz_box *box = &a->sh->box[a->nr];
	unsigned int seen = __atomic_load_n(&box->done, __ATOMIC_ACQUIRE);
	unsigned int go;

	__atomic_store_n(&box->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	if (fuzz_cover_enable(a->cover))
		fuzz_found(a->sh, "KCOV does not work: error %d", errno);
	for (;;) {
		go = __atomic_load_n(&box->go, __ATOMIC_ACQUIRE);
		if (go == seen) {
			syscall(SYS_futex, &box->go, FUTEX_WAIT, seen, NULL, NULL, 0);
			continue;
		}
		seen = go;
		if (box->first == FUZZ_RESET)
			reset(a);
		else
			make_all(a, box);
		__atomic_store_n(&box->done, seen, __ATOMIC_RELEASE);
		syscall(SYS_futex, &box->done, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	}
}

static void *serve_thread(void *arg)
{
	serve(arg);
	return NULL;
}

static void nothing(int sig)
{
	(void)sig;
}

/* Signals only interrupt. */
static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = nothing };

	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	sigaction(SIGIO, &sa, NULL);
	sigaction(SIGPIPE, &sa, NULL);
	sigaction(SIGURG, &sa, NULL);
}

/* Whatever a program opens has a higher number than what is there now. */
static int fill_up(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd < BASE);
	return fd < 0 ? BASE : fd;
}

static char *buffer(void)
{
	char *buf = mmap(NULL, FUZZ_BUF + GUARD, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (buf == MAP_FAILED || mprotect(buf, FUZZ_BUF, PROT_READ | PROT_WRITE))
		_exit(1);
	return buf;
}

void fuzz_actors(struct fuzz_actor *first)
{
	static struct fuzz_actor actor[FUZZ_THREADS];
	static int slot[FUZZ_SLOTS];
	static unsigned int number[FUZZ_SLOTS];
	pthread_t thread;
	unsigned int i;

	catch_signals();
	for (i = 0; i < FUZZ_SLOTS; i++)
		slot[i] = -1;
	first->base = fill_up();
	for (i = 0; i < FUZZ_THREADS; i++) {
		actor[i] = *first;
		actor[i].nr += i;
		actor[i].cover += i;
		actor[i].slot = slot;
		actor[i].number = number;
		actor[i].buf = buffer();
		if (i && pthread_create(&thread, NULL, serve_thread, &actor[i]))
			_exit(1);
	}
	serve(&actor[0]);
	_exit(0);
}
