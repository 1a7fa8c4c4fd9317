// SPDX-License-Identifier: GPL-2.0
/*
 * Messages, and the few steps that several subcommands have in common.
 * Messages go to standard error: standard output is for data.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "parleyctl.h"

static char prefix[32] = "parleyctl";
static bool quiet;

void set_prefix(const char *text)
{
	snprintf(prefix, sizeof(prefix), "%s", text);
}

void set_quiet(void)
{
	quiet = true;
}

/* Tells what happens; --quiet leaves it out. */
void say(const char *fmt, ...)
{
	va_list args;

	if (quiet)
		return;
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

static void complain(const char *fmt, va_list args)
{
	fprintf(stderr, "%s: ", prefix);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

int failure(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	return EXIT_FAILED;
}

/* A further line for a failure: why, or the way out. */
void hint(const char *fmt, ...)
{
	va_list args;

	fputs("  ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

int usage_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	complain(fmt, args);
	va_end(args);
	fprintf(stderr, "Try '%s --help'.\n", prefix);
	return EXIT_USAGE;
}

/* Returns -1 after it has told why. */
int open_socket(int flags)
{
	int fd = socket(AF_PARLEY, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	int err = errno;

	if (fd >= 0)
		return fd;
	failure("socket: %s", strerror(err));
	if (err == EAFNOSUPPORT)
		hint("load the module parley first");
	return -1;
}

/*
 * Is @fd the terminal of somebody else's foreground? Reading from it would
 * stop this process (SIGTTIN).
 */
bool in_background(int fd)
{
	pid_t foreground = isatty(fd) ? tcgetpgrp(fd) : -1;

	return foreground >= 0 && foreground != getpgrp();
}

/* All that is in @file, at most @max bytes: EFBIG; -1 and errno, or 0. */
int read_all(FILE *file, size_t max, struct bytes *bytes)
{
	size_t room = 0;

	bytes->len = 0;
	do {
		char *data;

		room = room ? 2 * room : 4096;
		data = realloc(bytes->data, room);
		if (!data)
			return -1;
		bytes->data = data;
		bytes->len += fread(data + bytes->len, 1, room - bytes->len,
				    file);
	} while (bytes->len == room && room <= max);
	if (ferror(file))
		return -1;
	if (bytes->len <= max)
		return 0;
	errno = EFBIG;
	return -1;
}

int write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failure("standard output: %s", strerror(errno));
		buf += n;
		len -= n;
	}
	return EXIT_OK;
}

/* Has all that was printed arrived? */
int end_output(void)
{
	if (fflush(stdout) || ferror(stdout))
		return failure("standard output: %s", strerror(errno));
	return EXIT_OK;
}

double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}
