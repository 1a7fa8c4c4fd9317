// SPDX-License-Identifier: GPL-2.0
/*
 * parleyctl listen: takes calls one after the other, by itself, as rules, BPF
 * or people decide, at each Enter (--step) or not at all (--no-accept).
 */
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listen.h"
#include "policy.h"

static void usage(FILE *to)
{
	fputs("Usage: parleyctl listen [OPTION]... ADDRESS:PORT\n"
	      "Takes calls, one after the other, and prints what the callers send.\n"
	      "0.0.0.0 and [::] take calls to any address of this host; port 0: any port.\n\n"
	      "  -b, --backlog N    let N calls wait (default: as many as the system allows)\n"
	      "  -f, --fair-share PERCENT\n"
	      "                     let no user have more calls waiting than PERCENT of the\n"
	      "                     places that are free (default: as many as there are)\n"
	      "  -n, --count N      end after N calls (default, and 0: go on)\n"
	      "  -e, --echo         send back what a caller sends instead of printing it\n"
	      "  -s, --step         accept a call at each Enter only, and show the backlog\n"
	      "  -N, --no-accept    let the calls wait; Enter shows the backlog\n"
	      "  -r, --rules FILE   let these rules decide, see parley-rules(5)\n"
	      "  -F, --filter FILE[,NAME=VALUE]...\n"
	      "                     let the eBPF socket filter in this object decide\n"
	      "  -P, --policy NAME  let this policy decide, see parleyctl-policy(1)\n"
	      "  -L, --policy-link PATH\n"
	      "                     likewise, by where its link is pinned\n"
	      "  -S, --stage WHEN   ask all of these at 'accept', when a call is taken\n"
	      "                     (default), or at 'arrival', before it takes a place in\n"
	      "                     the backlog\n"
	      "  -a, --ask          ask about each call that they defer\n"
	      "  -c, --control PATH let others decide: 'parleyctl ask', 'calls', 'decide',\n"
	      "                     'review' and 'rules' find the listener at PATH\n"
	      "  -D, --defer-timeout MS[:accept]\n"
	      "                     refuse calls, or accept them, that were deferred so long\n"
	      "                     ago (default: sysctl net.parley.defer_timeout_ms)\n"
	      "  -C, --capacity send=RATE,recv=RATE\n"
	      "                     guarantee callers no more than this, all together: what\n"
	      "                     is sent to them, what is received (default: anything)\n"
	      "  -R, --reply TEXT|@FILE\n"
	      "                     data for callers that are accepted\n"
	      "  -q, --quiet        only print what the callers send, and errors\n"
	      "  -h, --help         show this\n\n"
	      "If several are to decide, the strictest verdict counts. With --ask or --control,\n"
	      "and no --rules, all calls are deferred until somebody decides.\n\n"
	      "Ctrl-C or SIGTERM ends it; with --step, --no-accept and --ask the end of\n"
	      "standard input does too. Exit status: 0 ended so, 1 failed, 2 the command line\n"
	      "is wrong.\n", to);
}

/* MS, MS:refuse or MS:accept. */
static int parse_defer(const char *text, struct parley_defer_timeout *defer)
{
	char *copy = strdup(text), *verdict = copy;
	int ret;

	if (!copy)
		return failure("--defer-timeout: out of memory");
	strsep(&verdict, ":");
	ret = parse_ms("--defer-timeout", copy, &defer->timeout_ms);
	defer->verdict = PARLEY_REFUSE;
	if (!ret && verdict && !strcmp(verdict, "accept"))
		defer->verdict = PARLEY_ACCEPT;
	else if (!ret && verdict && strcmp(verdict, "refuse"))
		ret = usage_error("--defer-timeout: '%s' is neither 'accept' nor 'refuse'",
				  verdict);
	free(copy);
	return ret;
}

static int parse_stage(const char *text, uint32_t *stage)
{
	if (!strcmp(text, "arrival"))
		*stage = PARLEY_STAGE_ARRIVAL;
	else if (!strcmp(text, "accept"))
		*stage = PARLEY_STAGE_ACCEPT;
	else
		return usage_error("--stage: '%s' is neither 'accept' nor 'arrival'",
				   text);
	return EXIT_OK;
}

static int parse_mode(enum mode mode, struct listen_opts *opts)
{
	if (opts->mode != MODE_ACCEPT || opts->ask)
		return usage_error("give --step, --no-accept or --ask, once");
	opts->mode = mode;
	opts->ask = mode == MODE_ACCEPT;
	return EXIT_OK;
}

/* Options about which calls are accepted, and who decides. */
static int parse_policy(int c, struct listen_opts *opts)
{
	switch (c) {
	case 'r':
		opts->rules = optarg;
		return EXIT_OK;
	case 'F':
		opts->filter = optarg;
		return EXIT_OK;
	case 'P':
		opts->policy = optarg;
		return policy_name_check(optarg);
	case 'L':
		opts->policy_link = optarg;
		return EXIT_OK;
	case 'S':
		return parse_stage(optarg, &opts->stage);
	case 'a':
		return parse_mode(MODE_ACCEPT, opts);
	case 's':
		return parse_mode(MODE_STEP, opts);
	case 'N':
		return parse_mode(MODE_NO_ACCEPT, opts);
	case 'c':
		opts->control = optarg;
		return EXIT_OK;
	case 'D':
		opts->has_defer = true;
		return parse_defer(optarg, &opts->defer);
	default:
		usage(stderr);
		return EXIT_USAGE;
	}
}

static int parse_option(int c, struct listen_opts *opts)
{
	unsigned long number;
	int ret;

	switch (c) {
	case 'b':
		ret = parse_number("--backlog", optarg, INT_MAX, &number);
		opts->backlog = number;
		return ret;
	case 'f':
		ret = parse_number("--fair-share", optarg, 100, &number);
		opts->fair_share = number;
		return ret;
	case 'n':
		return parse_number("--count", optarg, LONG_MAX, &opts->count);
	case 'e':
		opts->echo = true;
		return EXIT_OK;
	case 'C':
		opts->has_capacity = true;
		return parse_capacity("--capacity", optarg, &opts->capacity);
	case 'R':
		return parse_bytes("--reply", optarg, &opts->reply);
	case 'q':
		set_quiet();
		return EXIT_OK;
	default:
		return parse_policy(c, opts);
	}
}

/* Everything that the server has open ends with the process. */
static int serve_address(const struct listen_opts *opts, const char *address)
{
	struct server server = { .opts = *opts };
	int ret = listener_open(&server, address);

	if (!ret)
		ret = server_run(&server);
	door_close(&server.door);
	return ret;
}

int cmd_listen(int argc, char **argv)
{
	static const struct option options[] = {
		{ "backlog", required_argument, NULL, 'b' },
		{ "fair-share", required_argument, NULL, 'f' },
		{ "count", required_argument, NULL, 'n' },
		{ "echo", no_argument, NULL, 'e' },
		{ "step", no_argument, NULL, 's' },
		{ "no-accept", no_argument, NULL, 'N' },
		{ "rules", required_argument, NULL, 'r' },
		{ "filter", required_argument, NULL, 'F' },
		{ "policy", required_argument, NULL, 'P' },
		{ "policy-link", required_argument, NULL, 'L' },
		{ "stage", required_argument, NULL, 'S' },
		{ "ask", no_argument, NULL, 'a' },
		{ "control", required_argument, NULL, 'c' },
		{ "defer-timeout", required_argument, NULL, 'D' },
		{ "capacity", required_argument, NULL, 'C' },
		{ "reply", required_argument, NULL, 'R' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct listen_opts opts = { .backlog = -1 };
	int c, ret;

	while ((c = getopt_long(argc, argv, "b:f:n:esNr:F:P:L:S:ac:D:C:R:qh", options,
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
		return usage_error("give one ADDRESS:PORT to listen at");
	if (opts.ask && opts.rules && !strcmp(opts.rules, "-"))
		return usage_error("--ask needs standard input: give --rules a file");
	if (opts.policy && opts.policy_link)
		return usage_error("give --policy or --policy-link, not both");
	return serve_address(&opts, argv[optind]);
}
