// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is shared with the host, where it gives some (a PCI device whose
 * memory is a file there): what the fuzzer writes is safe whatever becomes of the
 * kernel. selftests/vm/fuzz.sh takes it apart; both know the areas.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib_fuzz.h"

#define DEVICES		"/sys/bus/pci/devices"
#define VENDOR		0x1af4
#define DEVICE		0x1110
#define MIB		1048576UL

static const struct {
	size_t at;
	size_t size;
} areas[] = {
	[FUZZ_RING] = { 0, MIB },
	[FUZZ_PROGRESS] = { MIB, MIB },
	[FUZZ_FINDINGS] = { 2 * MIB, MIB },
	[FUZZ_PLACES] = { 3 * MIB, MIB },
	[FUZZ_CORPUS] = { 4 * MIB, 28 * MIB },
};

static char *memory;
static size_t used[ARRAY_SIZE(areas)];

static unsigned long read_number(const char *device, const char *file)
{
	char path[512];
	unsigned long n = 0;
	FILE *f;

	snprintf(path, sizeof(path), DEVICES "/%s/%s", device, file);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%lx", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

static void map(const char *device)
{
	char path[512];
	int fd;

	/* It decodes its addresses only when it is enabled. */
	snprintf(path, sizeof(path), DEVICES "/%s/enable", device);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "1", 1) < 0)
		printf("# the shared memory cannot be enabled\n");
	if (fd >= 0)
		close(fd);
	snprintf(path, sizeof(path), DEVICES "/%s/resource2", device);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	memory = mmap(NULL, FUZZ_SHARE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		memory = NULL;
	close(fd);
}

bool fuzz_share_open(void)
{
	struct dirent *e;
	DIR *dir;

	memset(used, 0, sizeof(used));
	dir = opendir(DEVICES);
	while (!memory && dir && (e = readdir(dir)))
		if (read_number(e->d_name, "vendor") == VENDOR &&
		    read_number(e->d_name, "device") == DEVICE)
			map(e->d_name);
	if (dir)
		closedir(dir);
	return memory;
}

void fuzz_share_append(enum fuzz_area area, const char *text)
{
	size_t n = strlen(text);

	if (!memory || n > areas[area].size - used[area])
		return;
	memcpy(memory + areas[area].at + used[area], text, n);
	used[area] += n;
}

void fuzz_share_clear(enum fuzz_area area)
{
	if (memory)
		memset(memory + areas[area].at, 0, used[area]);
	used[area] = 0;
}

void fuzz_share_ring(unsigned long number, const char *text)
{
	size_t slots = areas[FUZZ_RING].size / FUZZ_TEXT_MAX;
	char *at = memory + areas[FUZZ_RING].at + number % slots * FUZZ_TEXT_MAX;

	if (!memory)
		return;
	memset(at, 0, FUZZ_TEXT_MAX);
	memcpy(at, text, strnlen(text, FUZZ_TEXT_MAX));
	/* Before the first call of the program is made. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
