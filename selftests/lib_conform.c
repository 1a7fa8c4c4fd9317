// SPDX-License-Identifier: GPL-2.0
/* Runs the steps of lib_conform.h: sockets, addresses, results. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib_conform.h"

#define PORT		7700
#define SLOT_PAIR	"9"
/* A step that sleeps this long would sleep for ever: nothing else happens. */
#define SLEEP_MS	150

/* Set by a handler that runs in the only thread there is. */
static int alarms, pipes;

static void on_signal(int sig)
{
	if (sig == SIGALRM)
		__atomic_add_fetch(&alarms, 1, __ATOMIC_RELAXED);
	else
		__atomic_add_fetch(&pipes, 1, __ATOMIC_RELAXED);
}

long conform_result(long ret)
{
	return ret < 0 ? -errno : ret;
}

void conform_say(struct conform *c, const char *fmt, ...)
{
	size_t used = strlen(c->note);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->note + used, sizeof(c->note) - used, fmt, ap);
	va_end(ap);
}

int conform_fd(const struct conform *c, const char *word)
{
	return c->fd[(word[0] - 'a') % 26];
}

/* Addresses: a digit is a name that both sides know, others are strange. */
int conform_addr(const struct conform *c, const char *word, const void **addr,
		 socklen_t *len)
{
	static union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_un un;
		char room[256];
	} a;
	bool inet = c->family != AF_UNIX;

	memset(&a, 0, sizeof(a));
	*addr = &a;
	if (!strcmp(word, "other"))
		inet = !inet;
	if (inet) {
		a.in.sin_family = AF_INET;
		a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		a.in.sin_port = htons(PORT + word[0] - '0');
		*len = sizeof(a.in);
	} else {
		a.un.sun_family = AF_UNIX;
		*len = offsetof(struct sockaddr_un, sun_path) + 1 +
		       sprintf(a.un.sun_path + 1, "conform%c", word[0]);
	}
	/* For nobody is it too short to have a family. */
	if (!strcmp(word, "other"))
		*len = sizeof(a.un);
	if (!strcmp(word, "any")) {
		a.in.sin_port = inet ? 0 : a.in.sin_port;
		if (!inet)
			*len = sizeof(sa_family_t);
	} else if (!strcmp(word, "foreign") && inet) {
		a.in.sin_addr.s_addr = inet_addr("192.0.2.1");
	} else if (!strcmp(word, "foreign")) {
		sprintf(a.un.sun_path, "/no/such/directory/x");
		*len = sizeof(a.un);
	} else if (!strcmp(word, "unspec")) {
		a.sa.sa_family = AF_UNSPEC;
		*len = sizeof(a.in);
	} else if (!strcmp(word, "short")) {
		*len = 1;
	} else if (!strcmp(word, "long")) {
		*len = sizeof(struct sockaddr_storage) + 1;
	} else if (!strcmp(word, "bad")) {
		*addr = (void *)8;
	}
	return 0;
}

const char *conform_addr_word(const struct conform *c, const void *addr,
			      socklen_t len)
{
	const struct sockaddr_un *un = addr;
	const struct sockaddr_in *in = addr;
	static char slot[2];
	int n = -1;

	if (!len)
		return "nothing";
	if (c->family == AF_UNIX) {
		if (len == sizeof(sa_family_t))
			return "unnamed";
		if (len == 11 && !memcmp(un->sun_path + 1, "conform", 7))
			n = un->sun_path[8] - '0';
	} else {
		if (len != sizeof(*in))
			return "other";
		if (!in->sin_port)
			return "unnamed";
		n = ntohs(in->sin_port) - PORT;
	}
	if (n < 1 || n > 9)
		return "some";
	slot[0] = '0' + n;
	return slot;
}

static long op_socket(struct conform *c, int argc, char **argv)
{
	int type = c->type, proto = 0, i, fd;

	for (i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "nonblock"))
			type |= SOCK_NONBLOCK;
		else if (!strcmp(argv[i], "cloexec"))
			type |= SOCK_CLOEXEC;
		else if (!strcmp(argv[i], "raw"))
			type = SOCK_RAW;
		else if (!strcmp(argv[i], "rdm"))
			type = SOCK_RDM;
		else if (!strcmp(argv[i], "type99"))
			type = 99;
		else if (!strcmp(argv[i], "type9"))
			type = 9;
		else if (!strcmp(argv[i], "badflag"))
			type |= 0x40000;
		else
			proto = atoi(argv[i]);
	}
	fd = socket(c->family, type, proto);
	c->fd[argv[1][0] - 'a'] = fd;
	return fd < 0 ? -errno : 0;
}

static long op_bind(struct conform *c, int argc, char **argv)
{
	const void *addr;
	socklen_t len;

	conform_addr(c, argv[2], &addr, &len);
	return conform_result(bind(conform_fd(c, argv[1]), addr, len));
}

static long op_connect(struct conform *c, int argc, char **argv)
{
	const void *addr;
	socklen_t len;

	conform_addr(c, argv[2], &addr, &len);
	return conform_result(connect(conform_fd(c, argv[1]), addr, len));
}

static long op_listen(struct conform *c, int argc, char **argv)
{
	return conform_result(listen(conform_fd(c, argv[1]), atoi(argv[2])));
}

static long op_accept(struct conform *c, int argc, char **argv)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int flags = 0, i, fd;

	for (i = 3; i < argc; i++) {
		if (!strcmp(argv[i], "nonblock"))
			flags |= SOCK_NONBLOCK;
		else if (!strcmp(argv[i], "cloexec"))
			flags |= SOCK_CLOEXEC;
		else if (!strcmp(argv[i], "badflag"))
			flags |= 1;
	}
	fd = accept4(conform_fd(c, argv[1]), (void *)&ss, &len, flags);
	if (fd < 0)
		return -errno;
	c->fd[argv[2][0] - 'a'] = fd;
	conform_say(c, "from %s", conform_addr_word(c, &ss, len));
	return 0;
}

/* On any family: the caller does not wait, the server takes the call. */
static int join(struct conform *c, int l, int fd[2])
{
	struct pollfd p = { .events = POLLOUT };
	const void *addr;
	socklen_t len;

	conform_addr(c, SLOT_PAIR, &addr, &len);
	fd[0] = socket(c->family, c->type | SOCK_NONBLOCK, 0);
	if (fd[0] < 0)
		return -errno;
	if (connect(fd[0], addr, len) && errno != EINPROGRESS)
		return -errno;
	fd[1] = accept(l, NULL, NULL);
	if (fd[1] < 0)
		return -errno;
	p.fd = fd[0];
	if (poll(&p, 1, PARLEY_BOUND_MS) != 1)
		return -ETIME;
	return parley_nonblock(fd[0], false);
}

static int make_pair(struct conform *c, int fd[2])
{
	const void *addr;
	socklen_t len;
	int one = 1;
	int l, err;

	conform_addr(c, SLOT_PAIR, &addr, &len);
	l = socket(c->family, c->type, 0);
	if (l < 0)
		return -errno;
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l, addr, len) || listen(l, 1))
		err = -errno;
	else
		err = join(c, l, fd);
	close(l);
	return err;
}

static long op_pair(struct conform *c, int argc, char **argv)
{
	int fd[2] = { -1, -1 };
	int err = make_pair(c, fd);

	c->fd[argv[1][0] - 'a'] = fd[0];
	c->fd[argv[2][0] - 'a'] = fd[1];
	return err;
}

static long op_socketpair(struct conform *c, int argc, char **argv)
{
	int fd[2];

	if (socketpair(c->family, c->type, 0, fd))
		return -errno;
	c->fd[argv[1][0] - 'a'] = fd[0];
	c->fd[argv[2][0] - 'a'] = fd[1];
	return 0;
}

static long op_name(struct conform *c, int argc, char **argv)
{
	bool peer = !strcmp(argv[0], "peer");
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd = conform_fd(c, argv[1]);
	long ret;

	ret = peer ? getpeername(fd, (void *)&ss, &len) :
		     getsockname(fd, (void *)&ss, &len);
	if (ret)
		return -errno;
	conform_say(c, "%s", conform_addr_word(c, &ss, len));
	return 0;
}

static long op_close(struct conform *c, int argc, char **argv)
{
	struct linger now = { .l_onoff = 1 };
	int *fd = &c->fd[argv[1][0] - 'a'];
	long ret;

	if (!strcmp(argv[0], "abort"))
		setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	ret = conform_result(close(*fd));
	*fd = -1;
	return ret;
}

static long op_shutdown(struct conform *c, int argc, char **argv)
{
	static const char * const how[] = { "rd", "wr", "rdwr", "bad" };
	int i;

	for (i = 0; i < 3 && strcmp(argv[2], how[i]); i++)
		;
	return conform_result(shutdown(conform_fd(c, argv[1]), i));
}

static const struct conform_word socket_words[] = {
	{ "socket", op_socket, 1 },
	{ "bind", op_bind, 2 },
	{ "connect", op_connect, 2 },
	{ "listen", op_listen, 2 },
	{ "accept", op_accept, 2 },
	{ "pair", op_pair, 2 },
	{ "socketpair", op_socketpair, 2 },
	{ "name", op_name, 1 },
	{ "peer", op_name, 1 },
	{ "close", op_close, 1 },
	{ "abort", op_close, 1 },
	{ "shutdown", op_shutdown, 2 },
	{ }
};

static const struct conform_word *find(const char *word)
{
	static const struct conform_word * const all[] = {
		socket_words, conform_data_words, conform_file_words,
	};
	const struct conform_word *w;
	int i;

	for (i = 0; i < 3; i++)
		for (w = all[i]; w->word; w++)
			if (!strcmp(w->word, word))
				return w;
	return NULL;
}

/*
 * What a step sends over the loopback device is worked off in order, maybe by
 * another thread: once these bytes have come, so has all that was before.
 */
static void settle(struct conform *c)
{
	char byte = 0;
	int i;

	for (i = 0; c->family == AF_INET && i < 3; i++)
		if (write(c->ping[0], &byte, 1) != 1 ||
		    read(c->ping[1], &byte, 1) != 1)
			conform_say(c, "(unsettled)");
}

static void sleep_limit(int ms)
{
	struct itimerval t = {
		.it_value.tv_usec = ms * 1000,
		.it_interval.tv_usec = ms * 1000,
	};

	setitimer(ITIMER_REAL, &t, NULL);
}

static long run(struct conform *c, const struct conform_word *w, int argc,
		char **argv)
{
	long ret;

	alarms = 0;
	pipes = 0;
	sleep_limit(SLEEP_MS);
	ret = w->op(c, argc, argv);
	sleep_limit(0);
	settle(c);
	return ret;
}

static void describe(struct conform *c, long ret, char *result)
{
	const char *name = ret < 0 ? strerrorname_np(-ret) : NULL;

	if (alarms && (ret == -EINTR || ret == -ERESTART))
		snprintf(result, CONFORM_TEXT, "sleeps");
	else if (ret < 0)
		snprintf(result, CONFORM_TEXT, "%s%s%.20s", name ?: "error",
			 pipes ? " SIGPIPE" : "", c->note);
	else if (c->note[0])
		snprintf(result, CONFORM_TEXT, "%s", c->note);
	else
		snprintf(result, CONFORM_TEXT, "%ld", ret);
}

void conform_step(struct conform *c, const char *line, char *result)
{
	const struct conform_word *w;
	char *argv[CONFORM_WORDS];
	char copy[128];
	char *save;
	int argc = 0;
	char *word;

	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok_r(copy, " ", &save); word && argc < CONFORM_WORDS;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	c->note[0] = 0;
	w = argc ? find(argv[0]) : NULL;
	if (!w || argc <= w->args) {
		snprintf(result, CONFORM_TEXT, "(no such step)");
		return;
	}
	describe(c, run(c, w, argc, argv), result);
}

/* Where one processor does everything, it does it in order. */
static int stay(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

int conform_begin(struct conform *c, int family, int type)
{
	struct sigaction sa = { .sa_handler = on_signal };
	int i;

	memset(c, 0, sizeof(*c));
	c->family = family;
	c->type = type;
	for (i = 0; i < 26; i++)
		c->fd[i] = -1;
	c->ping[0] = -1;
	c->ping[1] = -1;
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGPIPE, &sa, NULL);
	if (family != AF_INET)
		return 0;
	return stay() ?: make_pair(c, c->ping);
}

void conform_end(struct conform *c)
{
	struct linger now = { .l_onoff = 1 };
	int i;

	for (i = 0; i < 26; i++) {
		if (c->fd[i] < 0)
			continue;
		/* No TIME_WAIT that the next scene would meet. */
		setsockopt(c->fd[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(c->fd[i]);
	}
	if (c->ping[0] >= 0)
		close(c->ping[0]);
	if (c->ping[1] >= 0)
		close(c->ping[1]);
}
