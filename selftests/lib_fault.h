/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of failing allocations and copies share. A system call is made
 * again and again, and in it the first, the second, the third allocation fails,
 * until one call ends without having come to so many:
 *
 *	fault_start(&f, FAULT_MEMORY | FAULT_COPIES, FAULT_ANY);
 *	while (fault_next(&f)) {
 *		ret = FAULT(&f, listen(fd, 1));
 *		ASSERT_TRUE(fault_says(&f, ret, 0));
 *		...
 *	}
 *	EXPECT_TRUE(fault_seen(&f, FAULT_SLABS | FAULT_COPIES));
 *
 * One kind of fault after the other is gone through, so it is known which errno
 * is due: ENOMEM, or EFAULT. Many faults are made up for by the kernel; then the
 * call has to succeed as if nothing had been.
 *
 * Include it after kselftest_harness.h, and end the file with
 * FAULT_HARNESS_MAIN; where the kernel cannot inject faults the whole program
 * skips, as one test by the name "all". It also prints how many faults of which
 * kind there were.
 */
#ifndef PARLEY_SELFTEST_LIB_FAULT_H
#define PARLEY_SELFTEST_LIB_FAULT_H

#include "lib.h"

enum fault_kind {
	FAULT_SLAB,
	FAULT_PAGE,
	FAULT_COPY,
	FAULT_KINDS,
};

/* sets of them */
#define FAULT_SLABS	0x1
#define FAULT_PAGES	0x2
#define FAULT_COPIES	0x4
#define FAULT_MEMORY	(FAULT_SLABS | FAULT_PAGES)
#define FAULT_ALL	(FAULT_MEMORY | FAULT_COPIES)

/* Where: on behalf of whom the allocation that fails is made. */
#define FAULT_ANY	NULL		/* of the task, whoever asks */
#define FAULT_OWN	"[parley]"	/* the module's code is on the stack */
					/* or a function of the kernel, by name */

struct fault_range {
	unsigned long start;
	unsigned long end;
};

/**
 * struct fault - one system call, with one fault after the other
 * @fd: the task's fail-nth
 * @where: as above
 * @left: kinds that are still to come
 * @kind: which one it is
 * @nth: which one of that kind fails
 * @step: after it that many further on; a test where each takes long may raise it
 * @armed: this round's call was made
 * @fired: and came to the fault
 * @noticed: and failed for it
 * @again: how often this one was repeated
 * @broken: it does not work, or does not end
 * @injected: how many there were of each kind
 * @refused: how many of these the call failed for
 */
struct fault {
	int fd;
	struct fault_range where;
	unsigned int left;
	enum fault_kind kind;
	unsigned int nth;
	unsigned int step;
	bool armed;
	bool fired;
	bool noticed;
	unsigned int again;
	bool broken;
	unsigned int injected[FAULT_KINDS];
	unsigned int refused[FAULT_KINDS];
};

/* the calling thread's; it does not return unless that works */
void fault_start(struct fault *f, unsigned int kinds, const char *where);
/* once a round, before anything of it is prepared */
bool fault_next(struct fault *f);
/* The value of @call, a negative errno if it fails; @call is made once. */
#define FAULT(f, call)							\
({									\
	long __ret;							\
									\
	fault_arm(f);							\
	__ret = (call);							\
	if (__ret < 0)							\
		__ret = -errno;						\
	fault_disarm(f);						\
	__ret;								\
})
void fault_arm(struct fault *f);
void fault_disarm(struct fault *f);
/* the errno, negative, that is due for the fault */
long fault_errno(const struct fault *f);
/*
 * Whether @ret is what it has to be: not negative, or what the fault is to be
 * answered with if there was one. @also is another errno, negative, that the
 * rest of the kernel may answer with, or 0.
 */
bool fault_says(struct fault *f, long ret, long also);
/* whether it came to an end, and calls have failed for each of these kinds */
bool fault_seen(const struct fault *f, unsigned int kinds);
/* the same, but that nobody noticed is good as well */
bool fault_came(const struct fault *f, unsigned int kinds);

/**
 * fault_spare() - from now on, what is below a function does not fail
 * @kind: of these
 * @symbol: the kernel prints a call trace where it fails, though nothing is
 *	wrong
 */
void fault_spare(enum fault_kind kind, const char *symbol);

/*
 * Faults for all tasks, and for interrupts, timers and work: of each kind
 * @percent of those at @where fail, until @most did.
 */
void fault_rain(unsigned int kinds, const char *where, unsigned int percent,
		unsigned int most);
/* no more; how many there were of each kind */
void fault_dry(unsigned int injected[FAULT_KINDS]);
/* for what the program prints: not of a rain that somebody sits in and retries */
void fault_count(const unsigned int injected[FAULT_KINDS]);

/* bytes that say where they are */
void fault_bytes(void *to, size_t len, unsigned int from);
bool fault_bytes_are(const void *bytes, size_t len, unsigned int from);

/* the tests; main() itself is in lib_fault.c */
extern int (*const fault_run)(int argc, char **argv);

#define FAULT_HARNESS_MAIN						\
	int (*const fault_run)(int argc, char **argv) = test_harness_run

#endif /* PARLEY_SELFTEST_LIB_FAULT_H */
