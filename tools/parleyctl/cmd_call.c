// SPDX-License-Identifier: GPL-2.0
/*
 * parleyctl call: calls a listener, tells what became of the call and why,
 * and then carries standard input there and the answer to standard output.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/parley.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "parleyctl.h"

struct call_opts {
	const char *from;	/* ADDRESS:PORT to call from, or NULL */
	const char *send;	/* text instead of standard input, or NULL */
	__u32 timeout;
	bool has_timeout;
	bool block;
};

static const struct {
	__u32 reason;
	const char *name;
	const char *meaning;
} reasons[] = {
	{ PARLEY_REASON_NO_LISTENER, "NO_LISTENER",
	  "nobody listens at this address" },
	{ PARLEY_REASON_BACKLOG_FULL, "BACKLOG_FULL",
	  "as many calls wait there as the listener allows; call again later" },
	{ PARLEY_REASON_LIMIT, "LIMIT",
	  "net.parley.max_pending calls wait in this network namespace already" },
	{ PARLEY_REASON_LISTENER_CLOSED, "LISTENER_CLOSED",
	  "the listener was closed before it decided" },
	{ PARLEY_REASON_TIMED_OUT, "TIMED_OUT",
	  "nobody decided in time; the call has left the backlog" },
};

static void usage(FILE *to)
{
	fputs("Usage: parleyctl call [OPTION]... ADDRESS:PORT\n"
	      "Calls a listener. The call waits until the server accepts it; then standard\n"
	      "input goes there, and what comes back is printed.\n\n"
	      "  -t, --timeout MS   withdraw the call after MS milliseconds without a verdict,\n"
	      "                     0: never (default: sysctl net.parley.connect_timeout_ms)\n"
	      "  -f, --from ADDRESS:PORT\n"
	      "                     call from here; port 0: any\n"
	      "  -s, --send TEXT    send TEXT and a newline instead of standard input\n"
	      "  -b, --block        wait inside a blocking connect(2) instead of poll(2)\n"
	      "  -q, --quiet        only print what the server sends, and errors\n"
	      "  -h, --help         show this\n\n"
	      "Exit status: 0 accepted and talked to, 1 refused, timed out or broken off,\n"
	      "2 the command line is wrong.\n", to);
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

/* Tells that connect() failed with @err, and why, where the kernel knows. */
static void tell_failure(int fd, const char *to, int err, double ms)
{
	struct parley_refusal refusal = { 0 };
	socklen_t len = sizeof(refusal);
	size_t i;

	failure("%s: %s after %.1f ms", to, strerror(err), ms);
	if (err == ENETUNREACH) {
		hint("it is not an address of this network namespace");
		return;
	}
	if (err == EAFNOSUPPORT) {
		hint("--from is of the other family");
		return;
	}
	if (getsockopt(fd, SOL_PARLEY, PARLEY_REFUSAL, &refusal, &len) ||
	    refusal.reason == PARLEY_REASON_NONE)
		return;
	for (i = 0; i < ARRAY_SIZE(reasons); i++) {
		if (reasons[i].reason == refusal.reason) {
			hint("%s: %s", reasons[i].name, reasons[i].meaning);
			return;
		}
	}
	hint("reason %u, which this parleyctl does not know", refusal.reason);
}

/* Waits for the verdict on a call; returns its errno, 0 when accepted. */
static int await_verdict(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err;

	while (poll(&pfd, 1, -1) < 0) {
		if (errno != EINTR)
			return errno;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
		return errno;
	return err;
}

/* Calls one address; returns false after it has told why not. */
static bool place_call(int fd, const struct addrinfo *to, bool block)
{
	char them[ADDR_TEXT], me[ADDR_TEXT], after[32];
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	double start = now_ms();
	int err = 0;

	addr_text(to->ai_addr, them);
	if (block)
		say("calling %s", them);
	if (connect(fd, to->ai_addr, to->ai_addrlen))
		err = errno;
	if (err == EINPROGRESS && !block) {
		say("calling %s as %s", them, addr_local(fd, me));
		err = await_verdict(fd);
	}
	if (err) {
		tell_failure(fd, them, err, now_ms() - start);
		return false;
	}
	snprintf(after, sizeof(after), " after %.1f ms", now_ms() - start);
	if (getpeername(fd, (struct sockaddr *)&peer, &len)) {
		failure("%s: getpeername: %s", them, strerror(errno));
		return false;
	}
	say_peer(fd, "accepted by", &peer, after);
	return true;
}

static int bind_from(int fd, const char *from)
{
	struct addrinfo *list;
	int ret = addr_resolve(from, &list);

	if (ret)
		return ret;
	if (bind(fd, list->ai_addr, list->ai_addrlen))
		ret = failure("--from: %s: %s", from, strerror(errno));
	freeaddrinfo(list);
	return ret;
}

/* Makes a socket as the options want it; -1 after it has told why not. */
static int prepare(const struct call_opts *opts, int *ret)
{
	int fd = open_socket(opts->block ? 0 : SOCK_NONBLOCK);

	*ret = EXIT_FAILED;
	if (fd < 0)
		return -1;
	if (opts->has_timeout &&
	    setsockopt(fd, SOL_PARLEY, PARLEY_CONNECT_TIMEOUT, &opts->timeout,
		       sizeof(opts->timeout))) {
		failure("--timeout: PARLEY_CONNECT_TIMEOUT: %s",
			strerror(errno));
		goto err_close;
	}
	if (opts->from) {
		*ret = bind_from(fd, opts->from);
		if (*ret)
			goto err_close;
	}
	return fd;

err_close:
	close(fd);
	return -1;
}

/* Receives what there is and prints it; returns false at the end. */
static bool receive(int fd, int *ret)
{
	char buf[16384];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0) {
		*ret = write_all(STDOUT_FILENO, buf, n);
		return *ret == EXIT_OK;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n < 0)
		*ret = failure("receiving: %s", strerror(errno));
	return false;
}

/* Sends what the socket takes of the @left bytes at @text. */
static int transmit(int fd, const char **text, size_t *left)
{
	ssize_t n = send(fd, *text, *left, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return EXIT_OK;
	if (n < 0)
		return failure("sending: %s", strerror(errno));
	*text += n;
	*left -= n;
	return EXIT_OK;
}

/*
 * Both directions at once, until the other side ends. With @text that is all
 * there is to send.
 */
static int talk(int fd, const char *text)
{
	int in = text || in_background(STDIN_FILENO) ? -1 : STDIN_FILENO;
	size_t left = text ? strlen(text) : 0;
	char buf[16384];
	bool ended = false;
	int ret = EXIT_OK;

	while (ret == EXIT_OK) {
		struct pollfd pfd[2] = {
			{ .fd = fd, .events = left ? POLLIN | POLLOUT : POLLIN },
			{ .fd = left ? -1 : in, .events = POLLIN },
		};

		if (!left && in < 0 && !ended) {
			shutdown(fd, SHUT_WR);
			ended = true;
		}
		if (poll(pfd, ARRAY_SIZE(pfd), -1) < 0 && errno != EINTR)
			return failure("poll: %s", strerror(errno));
		if (pfd[0].revents & (POLLIN | POLLHUP | POLLERR) &&
		    !receive(fd, &ret))
			break;
		if (pfd[0].revents & POLLOUT && ret == EXIT_OK)
			ret = transmit(fd, &text, &left);
		if (pfd[1].revents) {
			ssize_t n = read(in, buf, sizeof(buf));

			text = buf;
			left = n > 0 ? n : 0;
			if (n <= 0)
				in = -1;
		}
	}
	return ret;
}

static int call(const struct call_opts *opts, const char *address)
{
	struct addrinfo *list, *to;
	int ret = addr_resolve(address, &list);

	if (ret)
		return ret;
	for (to = list; to; to = to->ai_next) {
		int fd = prepare(opts, &ret);

		if (fd < 0)
			break;
		if (place_call(fd, to, opts->block)) {
			ret = talk(fd, opts->send);
			close(fd);
			break;
		}
		close(fd);
		ret = EXIT_FAILED;
	}
	freeaddrinfo(list);
	return ret;
}

/* The text of --send with its newline. */
static const char *line_of(const char *text)
{
	char *line;

	if (asprintf(&line, "%s\n", text) < 0)
		return NULL;
	return line;
}

int cmd_call(int argc, char **argv)
{
	static const struct option options[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "from", required_argument, NULL, 'f' },
		{ "send", required_argument, NULL, 's' },
		{ "block", no_argument, NULL, 'b' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct call_opts opts = { 0 };
	long number;
	int c;

	while ((c = getopt_long(argc, argv, "t:f:s:bqh", options, NULL)) != -1) {
		switch (c) {
		case 't':
			if (parse_number("--timeout", optarg, UINT32_MAX,
					 &number))
				return EXIT_USAGE;
			opts.timeout = number;
			opts.has_timeout = true;
			break;
		case 'f':
			opts.from = optarg;
			break;
		case 's':
			opts.send = line_of(optarg);
			if (!opts.send)
				return failure("--send: out of memory");
			break;
		case 'b':
			opts.block = true;
			break;
		case 'q':
			set_quiet();
			break;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind != argc - 1)
		return usage_error("give one ADDRESS:PORT to call");
	return call(&opts, argv[optind]);
}
