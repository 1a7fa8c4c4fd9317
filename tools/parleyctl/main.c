// SPDX-License-Identifier: GPL-2.0
/*
 * parleyctl: use and look at AF_PARLEY sockets from the shell. Here is the
 * table of subcommands; each lives in a file of its own.
 */
#include <stdio.h>
#include <string.h>

#include "parleyctl.h"

static const struct cmd cmds[] = {
	{ "listen", "take calls at an address, or let them wait", cmd_listen },
	{ "call", "call a listener and talk to it", cmd_call },
	{ "ask", "ask about the calls of a listener, one after the other", cmd_ask },
	{ "calls", "list the undecided calls of a listener", cmd_calls },
	{ "decide", "accept, refuse or defer one of them", cmd_decide },
	{ "review", "have the deferred ones judged again", cmd_review },
	{ "rules", "show, replace or check rules", cmd_rules },
	{ "policy", "load, list, show and unload policies", cmd_policy },
	{ "stat", "show the counters of this network namespace", cmd_stat },
};

static void usage(FILE *to)
{
	size_t i;

	fputs("Usage: parleyctl COMMAND [OPTION]... [ARGUMENT]...\n\n"
	      "Commands:\n", to);
	for (i = 0; i < ARRAY_SIZE(cmds); i++)
		fprintf(to, "  %-8s %s\n", cmds[i].name, cmds[i].summary);
	fputs("\n'parleyctl COMMAND --help' tells more. Exit status: 0 success,\n"
	      "1 the operation failed, 2 the command line is wrong.\n", to);
}

static int run(const struct cmd *cmd, int argc, char **argv)
{
	char name[32];

	snprintf(name, sizeof(name), "parleyctl %s", cmd->name);
	set_prefix(name);
	argv[0] = name;
	return cmd->run(argc, argv);
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		usage(stdout);
		return EXIT_OK;
	}
	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		if (!strcmp(argv[1], cmds[i].name))
			return run(&cmds[i], argc - 1, argv + 1);
	}
	return usage_error("there is no command '%s'", argv[1]);
}
