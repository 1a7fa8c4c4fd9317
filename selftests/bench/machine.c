// SPDX-License-Identifier: GPL-2.0
/*
 * The machine: how many descriptors a process may have, and how much memory is
 * in use. Its sysctls are set by whoever boots it.
 */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "machine.h"

#define DESCRIPTORS	300000
#define SETTLE_SECONDS	5

void machine_init(void)
{
	struct rlimit limit = { DESCRIPTORS, DESCRIPTORS };

	if (setrlimit(RLIMIT_NOFILE, &limit))
		report_note("only so many descriptors: %ld", sysconf(_SC_OPEN_MAX));
	/* The kernel goes on with what it begins while it boots. */
	machine_settle();
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die("%s: %m", path);
	close(fd);
}

/* Slabs that are wholly free go back; what caches keep for each processor, too. */
static void shrink_slabs(void)
{
	glob_t found;
	size_t i;

	if (glob("/sys/kernel/slab/*/shrink", 0, NULL, &found))
		die("no /sys/kernel/slab");
	for (i = 0; i < found.gl_pathc; i++)
		write_to(found.gl_pathv[i], "1");
	globfree(&found);
}

/* The sum of all numbers after @word in @path. */
static double sum_of(const char *path, const char *word)
{
	FILE *file = fopen(path, "r");
	char line[256], name[64];
	double sum = 0, value;

	if (!file)
		die("%s: %m", path);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " %63s %lf", name, &value) == 2 && !strcmp(name, word))
			sum += value;
	fclose(file);
	return sum;
}

void machine_settle(void)
{
	struct timespec settle = { .tv_sec = SETTLE_SECONDS };

	while (nanosleep(&settle, &settle))
		;
}

/**
 * machine_memory() - how much memory is in use
 *
 * Lets the machine settle, and has caches give back what they can spare. Free pages that wait at
 * a processor are not in MemFree, but neither are they in use.
 *
 * Return: bytes.
 */
double machine_memory(void)
{
	machine_settle();
	write_to("/proc/sys/vm/drop_caches", "3");
	shrink_slabs();
	return (sum_of("/proc/meminfo", "MemTotal:") - sum_of("/proc/meminfo", "MemFree:")) * KIB -
	       sum_of("/proc/zoneinfo", "count:") * sysconf(_SC_PAGESIZE);
}
