// SPDX-License-Identifier: GPL-2.0
/*
 * parleyctl review: has the rules judge the deferred calls of a listener again.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "control.h"

static void usage(FILE *to)
{
	fputs("Usage: parleyctl review --control PATH\n"
	      "Puts all deferred calls of a listener back among the undecided ones, where its\n"
	      "rules judge them again, and prints how many there were.\n\n"
	      "  -c, --control PATH   where 'parleyctl listen --control PATH' serves\n"
	      "  -h, --help           show this\n\n"
	      "Exit status: 0 success, 1 failed, 2 the command line is wrong.\n", to);
}

int cmd_review(int argc, char **argv)
{
	static const struct option options[] = {
		{ "control", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct control control;
	const char *path = NULL;
	int c, ret;

	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			path = optarg;
			break;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind != argc)
		return usage_error("there is no use for '%s'", argv[optind]);
	ret = control_open(&control, path);
	if (ret)
		return ret;
	ret = parley_review(control.listener);
	if (ret < 0)
		return failure("PARLEY_IOC_REVIEW: %s", strerror(errno));
	printf("%d\n", ret);
	return end_output();
}
