// SPDX-License-Identifier: GPL-2.0
/*
 * libparley-preload.so: makes socket(2) give parley's sockets where a program
 * asks for TCP's. That is all there is to change: addresses are the same.
 *
 * parley-run preloads it and says in PARLEY_RUN what to do where there is no
 * parley; see parley-run.h. By itself it falls back to TCP and says so once in
 * each process.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/parley.h>

#include "parley-run.h"

#define TYPE_FLAGS	(SOCK_NONBLOCK | SOCK_CLOEXEC)

typedef int (*socket_fn)(int domain, int type, int protocol);

/* libc's, or that of another library which was preloaded after this one. */
static socket_fn next_socket(void)
{
	static socket_fn next;
	socket_fn fn = __atomic_load_n(&next, __ATOMIC_RELAXED);

	if (!fn) {
		/* Whoever else comes here at the same time finds the same. */
		*(void **)&fn = dlsym(RTLD_NEXT, "socket");
		__atomic_store_n(&next, fn, __ATOMIC_RELAXED);
	}
	return fn;
}

static bool is_tcp(int domain, int type, int protocol)
{
	return (domain == AF_INET || domain == AF_INET6) &&
	       (type & ~TYPE_FLAGS) == SOCK_STREAM &&
	       (!protocol || protocol == IPPROTO_TCP);
}

/*
 * A server that was started for one connection may have that as its standard
 * error: not a word of ours into somebody's data.
 */
static bool stderr_is_connection(void)
{
	socklen_t len = sizeof(int);
	int domain;

	return !getsockopt(STDERR_FILENO, SOL_SOCKET, SO_DOMAIN, &domain,
			   &len) &&
	       (domain == AF_INET || domain == AF_INET6 || domain == AF_PARLEY);
}

/* Once in each process; in one piece, since others may write as well. */
static void warn_once(void)
{
	static int warned;
	char text[256];
	int n;

	if (__atomic_exchange_n(&warned, 1, __ATOMIC_RELAXED))
		return;
	if (stderr_is_connection())
		return;
	n = snprintf(text, sizeof(text), PARLEY_RUN_FALLBACK "\n",
		     program_invocation_short_name);
	if (n > 0 && write(STDERR_FILENO, text, strnlen(text, n)) < 0)
		return; /* nobody to tell it to */
}

/*
 * There is no parley here: what now? A negative errno, or 0 for TCP. A process
 * with more privileges than its user does not listen to the environment.
 */
static int fall_back(void)
{
	const char *mode = secure_getenv(PARLEY_RUN_ENV);

	if (mode && !strcmp(mode, PARLEY_RUN_REQUIRE))
		return -EAFNOSUPPORT;
	if (!mode || strcmp(mode, PARLEY_RUN_QUIET))
		warn_once();
	return 0;
}

__attribute__((visibility("default")))
int socket(int domain, int type, int protocol)
{
	socket_fn next = next_socket();
	int old = errno, err;
	int fd;

	if (!next) {
		errno = EAFNOSUPPORT;
		return -1;
	}
	if (!is_tcp(domain, type, protocol))
		return next(domain, type, protocol);

	fd = next(AF_PARLEY, type, 0);
	if (fd >= 0 || (errno != EAFNOSUPPORT && errno != ESOCKTNOSUPPORT))
		return fd;
	err = fall_back();
	if (err) {
		errno = -err;
		return -1;
	}
	errno = old;
	return next(domain, type, protocol);
}
