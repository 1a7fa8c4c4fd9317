// SPDX-License-Identifier: GPL-2.0
/*
 * Which code ran, by KCOV: for each thread the places in the module that it
 * came through, in their order. Two in a row are an edge; edges that nobody
 * took before are what the fuzzer is after.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/kcov.h>
#include <linux/parley.h>

#include "lib_fuzz.h"

#define KCOV_FILE	"/sys/kernel/debug/kcov"
#define TEXT_FILE	"/sys/module/parley/sections/.text"
#define PLACES		32768	/* of one thread in one program */
#define EDGE_BITS	20
#define PC_ROOM		65536

struct fuzz_seen {
	unsigned int edges;
	unsigned int pcs;
	__u8 edge[1 << (EDGE_BITS - 3)];
	__u64 pc[PC_ROOM];	/* a hash table, 0 where nothing is */
};

bool fuzz_cover_open(struct fuzz_cover *c)
{
	c->pc = NULL;
	c->fd = open(KCOV_FILE, O_RDWR | O_CLOEXEC);
	if (c->fd < 0)
		return false;
	if (!ioctl(c->fd, KCOV_INIT_TRACE, PLACES)) {
		c->pc = mmap(NULL, PLACES * sizeof(*c->pc), PROT_READ | PROT_WRITE, MAP_SHARED,
			     c->fd, 0);
		if (c->pc != MAP_FAILED)
			return true;
	}
	c->pc = NULL;
	close(c->fd);
	c->fd = -1;
	return false;
}

bool fuzz_cover_works(void)
{
	struct fuzz_cover c;
	bool works = false;
	int fd;

	if (!fuzz_cover_open(&c))
		return false;
	if (!fuzz_cover_enable(&c)) {
		fd = socket(AF_PARLEY, SOCK_STREAM, 0);
		if (fd >= 0)
			close(fd);
		works = __atomic_load_n(&c.pc[0], __ATOMIC_RELAXED);
		ioctl(c.fd, KCOV_DISABLE, 0);
	}
	fuzz_cover_close(&c);
	return works;
}

void fuzz_cover_close(struct fuzz_cover *c)
{
	if (c->pc)
		munmap(c->pc, PLACES * sizeof(*c->pc));
	if (c->fd >= 0)
		close(c->fd);
	c->pc = NULL;
	c->fd = -1;
}

int fuzz_cover_enable(struct fuzz_cover *c)
{
	if (!c->pc)
		return 0;
	return ioctl(c->fd, KCOV_ENABLE, KCOV_TRACE_PC) ? -errno : 0;
}

/* Only the thread itself writes there, and it is not in the kernel now. */
void fuzz_cover_mark(struct fuzz_cover *c)
{
	__u64 n;

	if (!c->pc)
		return;
	n = __atomic_load_n(&c->pc[0], __ATOMIC_RELAXED);
	if (n + 1 >= PLACES)
		return;
	c->pc[n + 1] = 0;
	__atomic_store_n(&c->pc[0], n + 1, __ATOMIC_RELAXED);
}

struct fuzz_seen *fuzz_seen_new(void)
{
	return calloc(1, sizeof(struct fuzz_seen));
}

void fuzz_seen_free(struct fuzz_seen *s)
{
	free(s);
}

static __u64 mix(__u64 x)
{
	x ^= x >> 31;
	x *= 0x9e3779b97f4a7c15ULL;
	return x ^ x >> 29;
}

static void see_pc(struct fuzz_seen *s, __u64 pc)
{
	unsigned int at = mix(pc) % PC_ROOM;

	while (s->pc[at] && s->pc[at] != pc)
		at = (at + 1) % PC_ROOM;
	if (s->pc[at] || s->pcs == PC_ROOM - 1)
		return;
	s->pc[at] = pc;
	s->pcs++;
}

static bool see_edge(struct fuzz_seen *s, __u64 from, __u64 to)
{
	unsigned int at = mix(from * 3 + to) >> (64 - EDGE_BITS);

	if (s->edge[at / 8] & 1 << at % 8)
		return false;
	s->edge[at / 8] |= 1 << at % 8;
	s->edges++;
	return true;
}

unsigned int fuzz_seen_add(struct fuzz_seen *s, struct fuzz_cover *c)
{
	unsigned int new = 0;
	__u64 i, n, last = 0;

	if (!c->pc)
		return 0;
	n = __atomic_load_n(&c->pc[0], __ATOMIC_RELAXED);
	if (n >= PLACES)
		n = PLACES - 1;
	for (i = 1; i <= n; i++) {
		if (c->pc[i]) {
			see_pc(s, c->pc[i]);
			new += see_edge(s, last, c->pc[i]);
		}
		last = c->pc[i];
	}
	__atomic_store_n(&c->pc[0], 0, __ATOMIC_RELAXED);
	return new;
}

unsigned int fuzz_seen_pcs(const struct fuzz_seen *s)
{
	return s->pcs;
}

unsigned int fuzz_seen_edges(const struct fuzz_seen *s)
{
	return s->edges;
}

/* Where the module's code begins, or 0. */
static __u64 text_begins(void)
{
	unsigned long long at = 0;
	FILE *f = fopen(TEXT_FILE, "re");

	if (!f)
		return 0;
	if (fscanf(f, "%llx", &at) != 1)
		at = 0;
	fclose(f);
	return at;
}

void fuzz_seen_tell(const struct fuzz_seen *s, void (*put)(const char *line))
{
	__u64 base = text_begins();
	char line[32];
	unsigned int i;

	for (i = 0; i < PC_ROOM; i++) {
		if (!s->pc[i])
			continue;
		snprintf(line, sizeof(line), "%#llx\n", (unsigned long long)(s->pc[i] - base));
		put(line);
	}
}
