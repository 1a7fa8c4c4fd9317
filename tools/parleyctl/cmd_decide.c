// SPDX-License-Identifier: GPL-2.0
/*
 * parleyctl decide: the verdict on one call of another process' listener.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"

struct decide_opts {
	const char *path;
	unsigned long id;
	int verdict;
	struct bytes reply;
	struct parley_qos grant;
	struct parley_answer answer;
	unsigned int flags;
};

static void usage(FILE *to)
{
	fputs("Usage: parleyctl decide --control PATH [OPTION]... ID VERDICT\n"
	      "Decides on the call ID, as 'parleyctl calls' shows it. VERDICT is one of\n\n"
	      "  accept     the listener's next accept(2) connects it\n"
	      "  refuse     the caller is refused\n"
	      "  defer      the call waits for a later decision\n"
	      "  undecide   the call is given to the next who waits for new calls\n\n"
	      "  -c, --control PATH       where 'parleyctl listen --control PATH' serves\n"
	      "  -r, --reply TEXT|@FILE   accept, refuse: data for the caller\n"
	      "  -C, --code N             refuse: the server's own code\n"
	      "  -t, --retry-after MS     refuse: when to call again, as in 500 or 2s\n"
	      "  -Q, --qos send=RATE,...  accept: what is granted, seen from the caller\n"
	      "  -a, --again              even if it is accepted already and just not connected\n"
	      "  -h, --help               show this\n\n"
	      "Exit status: 0 decided, 1 it could not be, 2 the command line is wrong.\n",
	      to);
}

/*
 * A pending call can be decided after somebody was given it, and nobody may
 * have been. Returns whether it is among the undecided ones.
 */
static bool find(const struct control *control, unsigned long id)
{
	struct look look;
	bool found = false;
	size_t i;

	if (look_at_calls(control, &look))
		return false;
	for (i = 0; i < look.count; i++)
		found |= look.offers[i]->info->id == id;
	look_free(&look);
	return found;
}

static int explain(const struct decide_opts *opts, int err)
{
	switch (err) {
	case ENOENT:
		failure("there is no call %lu to decide on", opts->id);
		hint("its caller has gone, or it was decided: see 'parleyctl calls --control %s'",
		     opts->path);
		break;
	case EALREADY:
		failure("call %lu is accepted already, and waits for accept(2)",
			opts->id);
		hint("--again takes that back");
		break;
	case EBUSY:
		failure("call %lu is just being accepted", opts->id);
		hint("it may still be refused");
		break;
	case EDQUOT:
		failure("call %lu is refused: the listener has too little capacity left",
			opts->id);
		break;
	case EMSGSIZE:
		failure("--reply: %zu bytes are too many", opts->reply.len);
		hint("the limit is net.parley.max_call_data");
		break;
	case EINVAL:
		failure("call %lu: the kernel does not take this decision",
			opts->id);
		if (opts->answer.qos)
			hint("--qos must make sense, and not be above what the caller asked for");
		else
			hint("is the listener still listening?");
		break;
	default:
		failure("call %lu: %s", opts->id, strerror(err));
		break;
	}
	return EXIT_FAILED;
}

static int try(int fd, const struct decide_opts *opts)
{
	if (!parley_decide(fd, opts->id, opts->verdict, &opts->answer,
			   opts->flags))
		return 0;
	return errno;
}

static int decide(const struct control *control, const struct decide_opts *opts)
{
	int err = try(control->listener, opts);

	if (err == ENOENT && find(control, opts->id))
		err = try(control->listener, opts);
	return err ? explain(opts, err) : EXIT_OK;
}

/* What goes with which verdict. */
static int check(const struct decide_opts *opts)
{
	const struct parley_answer *answer = &opts->answer;
	bool refuse = opts->verdict == PARLEY_REFUSE;
	bool accept = opts->verdict == PARLEY_ACCEPT;

	if (opts->reply.data && !accept && !refuse)
		return usage_error("--reply goes with accept and refuse only");
	if (answer->code && !refuse)
		return usage_error("--code goes with refuse only");
	if (answer->retry_after_ms && !refuse)
		return usage_error("--retry-after goes with refuse only");
	if (answer->qos && !accept)
		return usage_error("--qos goes with accept only");
	return EXIT_OK;
}

static int parse_option(int c, struct decide_opts *opts)
{
	unsigned long number;
	int ret;

	switch (c) {
	case 'c':
		opts->path = optarg;
		return EXIT_OK;
	case 'r':
		ret = parse_bytes("--reply", optarg, &opts->reply);
		opts->answer.reply = opts->reply.data;
		opts->answer.reply_len = opts->reply.len;
		return ret;
	case 'C':
		ret = parse_number("--code", optarg, UINT32_MAX, &number);
		opts->answer.code = number;
		return ret;
	case 't':
		return parse_ms("--retry-after", optarg,
				&opts->answer.retry_after_ms);
	case 'Q':
		opts->answer.qos = &opts->grant;
		return parse_qos("--qos", optarg, &opts->grant);
	case 'a':
		opts->flags = PARLEY_DECIDE_AGAIN;
		return EXIT_OK;
	default:
		usage(stderr);
		return EXIT_USAGE;
	}
}

int cmd_decide(int argc, char **argv)
{
	static const struct option options[] = {
		{ "control", required_argument, NULL, 'c' },
		{ "reply", required_argument, NULL, 'r' },
		{ "code", required_argument, NULL, 'C' },
		{ "retry-after", required_argument, NULL, 't' },
		{ "qos", required_argument, NULL, 'Q' },
		{ "again", no_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct decide_opts opts = { 0 };
	struct control control;
	int c, ret = EXIT_OK;

	while (!ret && (c = getopt_long(argc, argv, "c:r:C:t:Q:ah", options,
					NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return EXIT_OK;
		}
		ret = parse_option(c, &opts);
	}
	if (!ret && optind != argc - 2)
		ret = usage_error("give the ID of a call, and accept, refuse, defer or undecide");
	if (!ret)
		ret = parse_number("ID", argv[optind], UINT64_MAX, &opts.id);
	if (!ret)
		ret = parse_verdict(argv[optind + 1], &opts.verdict);
	if (!ret)
		ret = check(&opts);
	if (!ret)
		ret = control_open(&control, opts.path);
	return ret ? ret : decide(&control, &opts);
}
