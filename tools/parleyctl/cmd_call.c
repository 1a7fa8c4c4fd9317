// SPDX-License-Identifier: GPL-2.0
/*
 * parleyctl call: calls a listener on terms, tells what became of the call and
 * why, and then carries standard input there and the answer to standard
 * output.
 */
#include <errno.h>
#include <getopt.h>
#include <parley.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call.h"

struct call_opts {
	const char *from;	/* ADDRESS:PORT to call from, or NULL */
	const char *send;	/* text instead of standard input, or NULL */
	struct bytes data;
	struct parley_qos qos;
	struct parley_terms terms;
	bool block;
	bool json;
};

static void usage(FILE *to)
{
	fputs("Usage: parleyctl call [OPTION]... ADDRESS:PORT\n"
	      "Calls a listener. The call waits until the server accepts it; then standard\n"
	      "input goes there, and what comes back is printed.\n\n"
	      "  -d, --data TEXT|@FILE\n"
	      "                     data that the server sees before it decides\n"
	      "  -Q, --qos send=RATE,recv=RATE[,service=NAME]\n"
	      "                     ask for a quality of service: bytes per second, K, M or G;\n"
	      "                     notraffic, besteffort, controlledload or guaranteed\n"
	      "  -g, --group N      a group number that travels with the call\n"
	      "  -t, --timeout MS   withdraw the call after this time without a verdict, 0: never\n"
	      "                     (default: sysctl net.parley.connect_timeout_ms)\n"
	      "  -f, --from ADDRESS:PORT\n"
	      "                     call from here; port 0: any\n"
	      "  -s, --send TEXT    send TEXT and a newline instead of standard input\n"
	      "  -b, --block        wait inside a blocking connect(2) instead of poll(2)\n"
	      "  -j, --json         print the outcome, and all that was received, as JSON\n"
	      "  -q, --quiet        only print what the server sends, and errors\n"
	      "  -h, --help         show this\n\n"
	      "Exit status: 0 accepted and talked to, 1 refused, timed out or broken off,\n"
	      "2 the command line is wrong.\n", to);
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

/* Errors of the terms, which are not those of the call. */
static int blame_terms(const struct call_opts *opts, int err)
{
	if (err == EMSGSIZE) {
		failure("--data: %zu bytes are too many", opts->data.len);
		hint("the limit is net.parley.max_call_data");
		return EXIT_FAILED;
	}
	if (err == EINVAL && opts->terms.qos) {
		failure("--qos: the kernel does not take it");
		hint_qos();
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

/* A call that has failed already has given its port back. */
static void say_calling(int fd, const char *them)
{
	char me[ADDR_TEXT];

	addr_local(fd, me);
	if (strcmp(me + strlen(me) - 2, ":0"))
		say("calling %s as %s", them, me);
	else
		say("calling %s", them);
}

/*
 * Calls one address with the socket @outcome->fd, and fills the outcome;
 * anything but EXIT_OK: there was no call.
 */
static int place_call(struct outcome *outcome, const struct addrinfo *to,
		      const struct call_opts *opts)
{
	char them[ADDR_TEXT];
	double start = now_ms();
	int err = 0, ret;

	outcome->to = to->ai_addr;
	addr_text(to->ai_addr, them);
	if (opts->block)
		say("calling %s", them);
	if (parley_connect(outcome->fd, to->ai_addr, to->ai_addrlen,
			   &opts->terms))
		err = errno;
	ret = blame_terms(opts, err);
	if (ret)
		return ret;
	if (err == EINPROGRESS && !opts->block) {
		say_calling(outcome->fd, them);
		err = await_verdict(outcome->fd);
	}
	outcome->error = err;
	outcome->ms = now_ms() - start;
	return EXIT_OK;
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

/* Tells the outcome, and talks if there is somebody to talk to. */
static int conclude(const struct outcome *outcome, const char *text)
{
	struct sink sink = { .keep = outcome->json };
	int ret;

	if (!outcome->json) {
		ret = tell_outcome(outcome);
		return ret ? ret : talk(outcome->fd, text, &sink);
	}
	ret = outcome->error ? EXIT_OK : talk(outcome->fd, text, &sink);
	if (ret)
		tell_outcome_json(outcome, &sink.bytes);
	else
		ret = tell_outcome_json(outcome, &sink.bytes);
	free(sink.bytes.data);
	return ret;
}

/* Calls one address from beginning to end. @over: there is no use in others. */
static int call_one(const struct call_opts *opts, const struct addrinfo *to,
		    bool *over)
{
	struct outcome outcome = {
		.fd = open_socket(opts->block ? 0 : SOCK_NONBLOCK),
		.json = opts->json,
	};
	int ret = EXIT_FAILED;

	*over = true;
	if (outcome.fd < 0)
		return ret;
	ret = opts->from ? bind_from(outcome.fd, opts->from) : EXIT_OK;
	if (!ret)
		ret = place_call(&outcome, to, opts);
	if (!ret) {
		*over = !outcome.error;
		ret = conclude(&outcome, opts->send);
	}
	close(outcome.fd);
	return ret;
}

static int call(const struct call_opts *opts, const char *address)
{
	struct addrinfo *list, *to;
	int ret = addr_resolve(address, &list);
	bool over = false;

	if (ret)
		return ret;
	for (to = list; to && !over; to = to->ai_next)
		ret = call_one(opts, to, &over);
	freeaddrinfo(list);
	return ret;
}

/* The text of --send with its newline. */
static int parse_send(const char *text, const char **line)
{
	char *copy;

	if (asprintf(&copy, "%s\n", text) < 0)
		return failure("--send: out of memory");
	*line = copy;
	return EXIT_OK;
}

static int parse_terms(int c, const char *arg, struct call_opts *opts)
{
	struct parley_terms *terms = &opts->terms;
	unsigned long number;
	uint32_t ms;
	int ret;

	switch (c) {
	case 'd':
		ret = parse_bytes("--data", arg, &opts->data);
		terms->data = opts->data.data;
		terms->data_len = opts->data.len;
		return ret;
	case 'Q':
		terms->qos = &opts->qos;
		return parse_qos("--qos", arg, &opts->qos);
	case 'g':
		ret = parse_number("--group", arg, UINT64_MAX, &number);
		terms->group = number;
		return ret;
	default:
		ret = parse_ms("--timeout", arg, &ms);
		terms->timeout_ms = ms ? ms : PARLEY_TIMEOUT_NEVER;
		return ret;
	}
}

static int parse_option(int c, struct call_opts *opts)
{
	switch (c) {
	case 'd':
	case 'Q':
	case 'g':
	case 't':
		return parse_terms(c, optarg, opts);
	case 'f':
		opts->from = optarg;
		return EXIT_OK;
	case 's':
		return parse_send(optarg, &opts->send);
	case 'b':
		opts->block = true;
		return EXIT_OK;
	case 'j':
		opts->json = true;
		return EXIT_OK;
	case 'q':
		set_quiet();
		return EXIT_OK;
	default:
		usage(stderr);
		return EXIT_USAGE;
	}
}

int cmd_call(int argc, char **argv)
{
	static const struct option options[] = {
		{ "data", required_argument, NULL, 'd' },
		{ "qos", required_argument, NULL, 'Q' },
		{ "group", required_argument, NULL, 'g' },
		{ "timeout", required_argument, NULL, 't' },
		{ "from", required_argument, NULL, 'f' },
		{ "send", required_argument, NULL, 's' },
		{ "block", no_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'j' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct call_opts opts = { 0 };
	int c, ret;

	while ((c = getopt_long(argc, argv, "d:Q:g:t:f:s:bjqh", options,
				NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return EXIT_OK;
		}
		ret = parse_option(c, &opts);
		if (ret)
			return ret;
	}
	if (optind != argc - 1)
		return usage_error("give one ADDRESS:PORT to call");
	return call(&opts, argv[optind]);
}
