// SPDX-License-Identifier: GPL-2.0
/*
 * Messages, numbers of the command line, and the few steps that listen and
 * call have in common. Messages go to standard error: standard output is for
 * data.
 */
#include <errno.h>
#include <linux/parley.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* A second line for a failure: why, or the way out. */
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

/* A number from 0 to @max, or a usage error that names @option. */
int parse_number(const char *option, const char *text, long max, long *number)
{
	char *end;

	errno = 0;
	*number = strtol(text, &end, 10);
	if (errno || end == text || *end || *number < 0 || *number > max)
		return usage_error("%s: '%s' is not a number from 0 to %ld",
				   option, text, max);
	return EXIT_OK;
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

/* "@what ADDRESS (uid U, pid P)@more" about the peer of a connection. */
void say_peer(int fd, const char *what, const struct sockaddr_storage *peer,
	      const char *more)
{
	char text[ADDR_TEXT];
	struct ucred cred;
	socklen_t len = sizeof(cred);

	addr_text(peer, text);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		say("%s %s (SO_PEERCRED: %s)%s", what, text, strerror(errno),
		    more);
	else
		say("%s %s (uid %u, pid %d)%s", what, text, cred.uid, cred.pid,
		    more);
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
