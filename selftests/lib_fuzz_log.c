// SPDX-License-Identifier: GPL-2.0
/* The kernel's log, as the fuzzer reads it: what the file /splats looks for. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <string.h>
#include <unistd.h>

#include "lib_fuzz.h"

#define PATTERNS	"/splats"
#define PATTERNS_MAX	128

static int log_fd = -1;
static regex_t pattern[PATTERNS_MAX];
static unsigned int patterns;

static void read_patterns(void)
{
	FILE *f = fopen(PATTERNS, "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f) && patterns < PATTERNS_MAX) {
		line[strcspn(line, "\n")] = 0;
		if (*line && !regcomp(&pattern[patterns], line, REG_EXTENDED | REG_NOSUB))
			patterns++;
	}
	if (f)
		fclose(f);
}

bool fuzz_log_open(void)
{
	if (!patterns)
		read_patterns();
	log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return patterns && log_fd >= 0 && lseek(log_fd, 0, SEEK_END) >= 0;
}

bool fuzz_log_complains(char *line, size_t room)
{
	char record[2048], *text;
	unsigned int i;
	ssize_t n;

	while ((n = read(log_fd, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		if (n <= 0)
			continue;
		record[n] = 0;
		text = strchr(record, ';');
		text = text ? text + 1 : record;
		text[strcspn(text, "\n")] = 0;
		for (i = 0; i < patterns; i++)
			if (!regexec(&pattern[i], text, 0, NULL, 0)) {
				snprintf(line, room, "%s", text);
				return true;
			}
	}
	return false;
}
