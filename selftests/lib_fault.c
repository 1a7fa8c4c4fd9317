// SPDX-License-Identifier: GPL-2.0
/*
 * Faults for the tests, by the kernel's fail-nth and what debugfs has of each
 * kind; see lib_fault.h and the kernel's Documentation/fault-injection.
 *
 * A kind is switched off by asking for a stack that no call has, so it does not
 * count for fail-nth either.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib_fault.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define FAULT_MOST	4000	/* no call has so many; it does not end */
#define FAULT_AGAIN	5
#define FAULT_DEPTH	32	/* the most that there is */
#define FAULT_KSFT_SKIP	4

static const struct {
	const char *dir;
	const char *name;
} fault_kinds[FAULT_KINDS] = {
	[FAULT_SLAB] = { "/sys/kernel/debug/failslab", "slab" },
	[FAULT_PAGE] = { "/sys/kernel/debug/fail_page_alloc", "page" },
	[FAULT_COPY] = { "/sys/kernel/debug/fail_usercopy", "usercopy" },
};

/* Of all tests: each runs in a process of its own. */
static struct fault_totals {
	unsigned int injected[FAULT_KINDS];
	unsigned int refused[FAULT_KINDS];
} *fault_totals;

/* Where the stack must not be. */
static struct fault_range fault_spared[FAULT_KINDS];

/* How many there may be of a rain. */
static unsigned int fault_most[FAULT_KINDS];

static void fault_die(const char *what, const char *of)
{
	printf("# faults: %s %s: errno %d\n", what, of, errno);
	fflush(stdout);
	abort();
}

static void fault_set(enum fault_kind kind, const char *file,
		      unsigned long value)
{
	char path[128], text[32];
	int fd, n;

	snprintf(path, sizeof(path), "%s/%s", fault_kinds[kind].dir, file);
	n = snprintf(text, sizeof(text), "%lu", value);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, n) != n)
		fault_die("cannot set", path);
	close(fd);
}

static unsigned int fault_times(enum fault_kind kind)
{
	char path[128], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/times", fault_kinds[kind].dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		fault_die("cannot read", path);
	close(fd);
	return strtoul(text, NULL, 10);
}

/* The module's memory: there is no code in it but its own. */
static struct fault_range fault_module(void)
{
	struct fault_range range = { 0 };
	unsigned long size, start;
	char line[256];
	FILE *f;

	f = fopen("/proc/modules", "re");
	if (!f)
		fault_die("cannot open", "/proc/modules");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "parley %lu %*s %*s %*s %lx", &size,
			   &start) == 2) {
			range.start = start;
			range.end = start + size;
		}
	fclose(f);
	if (!range.start)
		fault_die("no module", FAULT_OWN);
	return range;
}

/* The compiler, or whoever counts allocations, may have added a suffix. */
static bool fault_is_called(const char *name, const char *symbol)
{
	size_t len = strlen(symbol);

	if (strncmp(name, symbol, len))
		return false;
	name += len;
	return !*name || !strcmp(name, "_noprof") ||
	       (*name == '.' && !strstr(name, ".cold"));
}

/* A function: up to the next one. Return: nothing where there is none. */
static struct fault_range fault_function(const char *symbol)
{
	struct fault_range range = { 0, ULONG_MAX };
	char line[512], name[256];
	unsigned long at;
	FILE *f;
	int i;

	f = fopen("/proc/kallsyms", "re");
	if (!f)
		fault_die("cannot open", "/proc/kallsyms");
	for (i = 0; i < 2; i++) {
		rewind(f);
		while (fgets(line, sizeof(line), f)) {
			if (sscanf(line, "%lx %*c %255s", &at, name) != 2)
				continue;
			if (i && at > range.start && at < range.end)
				range.end = at;
			if (!i && fault_is_called(name, symbol))
				range.start = at;
		}
	}
	fclose(f);
	if (!range.start)
		range.end = 0;
	return range;
}

static struct fault_range fault_range(const char *where)
{
	struct fault_range range = { 0, ULONG_MAX };

	if (!where)
		return range;
	if (!strcmp(where, FAULT_OWN))
		return fault_module();
	range = fault_function(where);
	if (!range.start)
		fault_die("no function", where);
	return range;
}

void fault_spare(enum fault_kind kind, const char *symbol)
{
	fault_spared[kind] = fault_range(symbol);
}

static void fault_off(enum fault_kind kind)
{
	fault_set(kind, "probability", 0);
	fault_set(kind, "stacktrace-depth", 0);
	fault_set(kind, "require-start", 1);
	fault_set(kind, "require-end", 1);
}

static void fault_on(enum fault_kind kind, const struct fault_range *range)
{
	fault_set(kind, "stacktrace-depth", FAULT_DEPTH);
	fault_set(kind, "require-start", range->start);
	fault_set(kind, "require-end", range->end);
	fault_set(kind, "reject-start", fault_spared[kind].start);
	fault_set(kind, "reject-end", fault_spared[kind].end);
}

/* Those who may sleep fail as well, and of pages also single ones. */
static void fault_prepare(void)
{
	unsigned int kind;

	for (kind = 0; kind < FAULT_KINDS; kind++) {
		fault_off(kind);
		fault_set(kind, "verbose", 0);
		fault_set(kind, "interval", 1);
		fault_set(kind, "space", 0);
		fault_set(kind, "task-filter", 0);
	}
	fault_set(FAULT_SLAB, "ignore-gfp-wait", 0);
	fault_set(FAULT_PAGE, "ignore-gfp-wait", 0);
	fault_set(FAULT_PAGE, "min-order", 0);
}

static void fault_number(struct fault *f, unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	/* A fault that is still armed may hit this very write. */
	if (pwrite(f->fd, text, len, 0) != len &&
	    pwrite(f->fd, text, len, 0) != len)
		fault_die("cannot write", FAIL_NTH);
}

/* Whether the fault has not come; the last one may hit the read that asks. */
static bool fault_waits(struct fault *f)
{
	char text[16] = "";

	if (pread(f->fd, text, sizeof(text) - 1, 0) < 0) {
		if (errno != EFAULT)
			fault_die("cannot read", FAIL_NTH);
		return true;
	}
	return atoi(text);
}

/* A page fault is not to be what fails. */
static void fault_lock_memory(void)
{
	static bool locked;

	if (!locked && mlockall(MCL_CURRENT))
		fault_die("cannot lock", "memory");
	locked = true;
}

void fault_start(struct fault *f, unsigned int kinds, const char *where)
{
	unsigned int kind;

	fault_lock_memory();
	memset(f, 0, sizeof(*f));
	for (kind = 0; kind < FAULT_KINDS; kind++)
		fault_off(kind);
	f->fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	if (f->fd < 0)
		fault_die("cannot open", FAIL_NTH);
	f->where = fault_range(where);
	f->left = kinds;
	f->step = 1;
	f->kind = FAULT_KINDS;
}

static bool fault_next_kind(struct fault *f)
{
	if (f->kind < FAULT_KINDS)
		fault_off(f->kind);
	if (!f->left || f->broken) {
		close(f->fd);
		return false;
	}
	f->kind = __builtin_ctz(f->left);
	f->left &= ~(1U << f->kind);
	f->nth = 0;
	f->fired = false;
	fault_on(f->kind, &f->where);
	return true;
}

/*
 * Pages for a slab are needed now and then, and made up for. They may have taken
 * the place of what comes always, or make it come one later the next time.
 */
static bool fault_repeats(struct fault *f)
{
	if (f->kind != FAULT_PAGE || f->noticed || f->again >= FAULT_AGAIN)
		return false;
	f->again++;
	return true;
}

bool fault_next(struct fault *f)
{
	bool first = f->kind == FAULT_KINDS;

	if (!first && (!f->armed || f->nth >= FAULT_MOST))
		f->broken = true;
	if (first || f->broken || !fault_repeats(f)) {
		if ((first || !f->fired || f->broken) && !fault_next_kind(f))
			return false;
		f->again = 0;
		f->nth += f->nth ? f->step : 1;
	}
	f->armed = false;
	f->fired = false;
	f->noticed = false;
	return true;
}

void fault_arm(struct fault *f)
{
	fault_number(f, f->nth);
}

void fault_disarm(struct fault *f)
{
	f->fired = !fault_waits(f);
	f->armed = true;
	fault_number(f, 0);
	if (!f->fired)
		return;
	f->injected[f->kind]++;
	__atomic_add_fetch(&fault_totals->injected[f->kind], 1,
			   __ATOMIC_RELAXED);
}

long fault_errno(const struct fault *f)
{
	return f->kind == FAULT_COPY ? -EFAULT : -ENOMEM;
}

bool fault_says(struct fault *f, long ret, long also)
{
	if (ret >= 0)
		return true;
	if (f->fired && (ret == fault_errno(f) || (also && ret == also))) {
		f->noticed = true;
		f->refused[f->kind]++;
		__atomic_add_fetch(&fault_totals->refused[f->kind], 1,
				   __ATOMIC_RELAXED);
		return true;
	}
	printf("# %s %u %s: errno %ld\n", fault_kinds[f->kind].name, f->nth,
	       f->fired ? "failed" : "did not come", -ret);
	fflush(stdout);
	return false;
}

/* Whether each of @kinds has a count, and the sweep has come to its end. */
static bool fault_counted(const struct fault *f, unsigned int kinds,
			  const unsigned int *counts, const char *what)
{
	bool good = !f->broken && !f->left && f->armed;
	unsigned int kind;

	for (kind = 0; kind < FAULT_KINDS; kind++)
		if (kinds & (1U << kind) && !counts[kind])
			good = false;
	if (good)
		return true;
	printf("# %s:", what);
	for (kind = 0; kind < FAULT_KINDS; kind++)
		printf(" %s %u", fault_kinds[kind].name, counts[kind]);
	printf("%s\n", f->broken ? ", and it did not end" : "");
	fflush(stdout);
	return false;
}

bool fault_seen(const struct fault *f, unsigned int kinds)
{
	return fault_counted(f, kinds, f->refused, "failed for");
}

bool fault_came(const struct fault *f, unsigned int kinds)
{
	return fault_counted(f, kinds, f->injected, "injected");
}

void fault_rain(unsigned int kinds, const char *where, unsigned int percent,
		unsigned int most)
{
	struct fault_range range = fault_range(where);
	unsigned int kind;

	for (kind = 0; kind < FAULT_KINDS; kind++) {
		fault_off(kind);
		fault_most[kind] = kinds & (1U << kind) ? most : 0;
		fault_set(kind, "times", fault_most[kind]);
	}
	for (kind = 0; kind < FAULT_KINDS; kind++) {
		if (!fault_most[kind])
			continue;
		fault_on(kind, &range);
		fault_set(kind, "probability", percent);
	}
}

void fault_dry(unsigned int injected[FAULT_KINDS])
{
	unsigned int kind;

	for (kind = 0; kind < FAULT_KINDS; kind++)
		fault_off(kind);
	for (kind = 0; kind < FAULT_KINDS; kind++)
		injected[kind] = fault_most[kind] - fault_times(kind);
}

void fault_count(const unsigned int injected[FAULT_KINDS])
{
	unsigned int kind;

	for (kind = 0; kind < FAULT_KINDS; kind++)
		__atomic_add_fetch(&fault_totals->injected[kind],
				   injected[kind], __ATOMIC_RELAXED);
}

/* Whether it can be done at all, and done again and again. */
static bool fault_possible(void)
{
	unsigned int kind;
	char path[128];

	for (kind = 0; kind < FAULT_KINDS; kind++) {
		snprintf(path, sizeof(path), "%s/require-start",
			 fault_kinds[kind].dir);
		if (access(path, W_OK))
			return false;
	}
	return !access(FAIL_NTH, W_OK);
}

/* In whichever process comes to its end by exit(3): only the first one does. */
static void fault_finish(void)
{
	unsigned int kind;

	fault_prepare();
	for (kind = 0; kind < FAULT_KINDS; kind++)
		printf("%s %s %u", kind ? "," : "# injected:",
		       fault_kinds[kind].name, fault_totals->injected[kind]);
	for (kind = 0; kind < FAULT_KINDS; kind++)
		printf("%s %s %u", kind ? "," : "; calls failed for:",
		       fault_kinds[kind].name, fault_totals->refused[kind]);
	printf("\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (!fault_possible()) {
		printf("TAP version 13\n1..1\n");
		printf("ok 1 all # SKIP this kernel injects no faults\n");
		return FAULT_KSFT_SKIP;
	}
	fault_totals = mmap(NULL, sizeof(*fault_totals), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fault_totals == MAP_FAILED)
		fault_die("no memory", "");
	fault_prepare();
	/* Where memory is looked after, that takes memory each time. */
	fault_spared[FAULT_SLAB] = fault_function("__alloc_object");
	atexit(fault_finish);
	return fault_run(argc, argv);
}

void fault_bytes(void *to, size_t len, unsigned int from)
{
	unsigned char *c = to;
	size_t i;

	for (i = 0; i < len; i++)
		c[i] = (from + i) * 2654435761U >> 24;
}

bool fault_bytes_are(const void *bytes, size_t len, unsigned int from)
{
	const unsigned char *c = bytes;
	size_t i;

	for (i = 0; i < len; i++) {
		if (c[i] == (unsigned char)((from + i) * 2654435761U >> 24))
			continue;
		printf("# byte %zu of %zu is wrong\n", i, len);
		fflush(stdout);
		return false;
	}
	return true;
}
