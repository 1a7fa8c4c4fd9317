// SPDX-License-Identifier: GPL-2.0
/*
 * parleyctl ask: decides on the calls of another process' listener, by asking
 * who sits at the terminal.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "ask.h"

static void usage(FILE *to)
{
	fputs("Usage: parleyctl ask --control PATH\n"
	      "Asks about the undecided calls of a listener, one after the other, the oldest\n"
	      "first. The answers are:\n\n"
	      "  a [TEXT]                 accept; TEXT goes back as reply data\n"
	      "  r [CODE] [TIME] [TEXT]   refuse; TIME: when to call again, as in 500ms or 2s\n"
	      "  d                        defer: ask again at Enter, when no call is left\n"
	      "  q                        leave; so does the end of standard input\n\n"
	      "  -c, --control PATH       where 'parleyctl listen --control PATH' serves\n"
	      "  -h, --help               show this\n\n"
	      "A call that is left without an answer stays undecided, for the next who asks.\n"
	      "Exit status: 0 left, 1 the listener has gone, or failed, 2 the command line is\n"
	      "wrong.\n", to);
}

/* Until somebody leaves, or the listener does. */
static int run(struct asker *asker, int events)
{
	const struct control *control = &asker->control;
	enum ask_step step = ASK_MORE;
	struct epoll_event event;
	int ret = ask_next(asker);

	while (!ret && step == ASK_MORE) {
		struct pollfd pfd[3] = {
			{ .fd = control->connection, .events = POLLRDHUP },
			{ .fd = events, .events = POLLIN },
			{ .fd = STDIN_FILENO, .events = POLLIN },
		};

		if (poll(pfd, ARRAY_SIZE(pfd), -1) < 0) {
			if (errno != EINTR)
				ret = failure("poll: %s", strerror(errno));
			continue;
		}
		if (pfd[0].revents)
			return failure("the listener has gone, its calls were refused");
		if (pfd[1].revents && epoll_wait(events, &event, 1, 0) > 0)
			ret = ask_next(asker);
		else if (pfd[2].revents)
			step = ask_input(asker, STDIN_FILENO);
	}
	ask_leave(asker);
	return ret || step == ASK_FAILED ? EXIT_FAILED : EXIT_OK;
}

int cmd_ask(int argc, char **argv)
{
	static const struct option options[] = {
		{ "control", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct asker asker = { .rewind = true };
	const char *path = NULL;
	int c, events, ret;

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
	ret = control_open(&asker.control, path);
	if (ret)
		return ret;
	events = control_events(&asker.control);
	if (events < 0)
		return EXIT_FAILED;
	say("asking about the calls of %s; Enter asks again about deferred ones",
	    path);
	return run(&asker, events);
}
