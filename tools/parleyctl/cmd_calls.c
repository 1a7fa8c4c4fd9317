// SPDX-License-Identifier: GPL-2.0
/*
 * parleyctl calls: lists the undecided calls of another process' listener, or
 * shows each that comes.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "control.h"
#include "show.h"

static void usage(FILE *to)
{
	fputs("Usage: parleyctl calls --control PATH [OPTION]...\n"
	      "Lists the undecided calls of a listener, the oldest first. 'parleyctl decide'\n"
	      "takes their ids. Looking changes nothing for those who decide.\n\n"
	      "  -c, --control PATH   where 'parleyctl listen --control PATH' serves\n"
	      "  -f, --follow         go on with those that come, until the listener has gone.\n"
	      "                       This one then is a decider: of several that wait for new\n"
	      "                       calls, each call goes to one\n"
	      "  -j, --json           a JSON array; with --follow, an object on each line\n"
	      "  -h, --help           show this\n\n"
	      "Exit status: 0 success, 1 failed, 2 the command line is wrong.\n", to);
}

static int list(const struct control *control, bool json)
{
	struct json_object *array;
	struct look look;
	size_t i;
	int ret = look_at_calls(control, &look);

	if (ret)
		return ret;
	if (json) {
		array = json_object_new_array();
		for (i = 0; i < look.count; i++)
			json_object_array_add(array,
					      json_call(look.offers[i]));
		puts(json_object_to_json_string_ext(array,
						    JSON_C_TO_STRING_PRETTY |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
		json_object_put(array);
	} else if (look.count) {
		print_calls_head();
		for (i = 0; i < look.count; i++)
			print_call(look.offers[i]);
	} else {
		say("no call waits for a decision");
	}
	look_free(&look);
	return end_output();
}

/* One call that is new; errno EAGAIN: there is none. */
static int fetch(const struct control *control, struct parley_offer **offer,
		 unsigned int flags)
{
	int ret, err;

	if (control_lock(control))
		return -1;
	ret = parley_next_call(control->listener, offer, flags |
			       PARLEY_NEXT_DEFERRED | PARLEY_NEXT_NOWAIT);
	err = errno;
	control_unlock(control);
	errno = err;
	return ret;
}

/*
 * Shows what is new; with PARLEY_NEXT_REWIND in @flags all there is. @over:
 * nothing will come any more.
 */
static int show_new(const struct control *control, unsigned int flags,
		    bool json, bool *over)
{
	struct parley_offer *offer;

	while (!fetch(control, &offer, flags)) {
		if (json)
			print_json_line(json_call(offer));
		else
			print_call(offer);
		parley_offer_free(offer);
		flags = 0;
		if (end_output())
			return EXIT_FAILED;
	}
	*over = errno == EINVAL; /* it does not listen any more */
	if (errno == EAGAIN || errno == EINTR || *over)
		return EXIT_OK;
	return failure("PARLEY_IOC_NEXT_CALL: %s", strerror(errno));
}

static int follow(const struct control *control, bool json)
{
	int events = control_events(control);
	struct epoll_event event;
	bool over = false;
	int ret;

	if (events < 0)
		return EXIT_FAILED;
	if (!json)
		print_calls_head();
	ret = show_new(control, PARLEY_NEXT_REWIND, json, &over);
	while (!ret && !over) {
		struct pollfd pfd[2] = {
			{ .fd = control->connection, .events = POLLRDHUP },
			{ .fd = events, .events = POLLIN },
		};

		if (poll(pfd, ARRAY_SIZE(pfd), -1) < 0 && errno != EINTR)
			return failure("poll: %s", strerror(errno));
		if (pfd[0].revents)
			break;
		if (pfd[1].revents && epoll_wait(events, &event, 1, 0) > 0)
			ret = show_new(control, 0, json, &over);
	}
	return ret;
}

int cmd_calls(int argc, char **argv)
{
	static const struct option options[] = {
		{ "control", required_argument, NULL, 'c' },
		{ "follow", no_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool json = false, on = false;
	struct control control;
	const char *path = NULL;
	int c, ret;

	while ((c = getopt_long(argc, argv, "c:fjh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			path = optarg;
			break;
		case 'f':
			on = true;
			break;
		case 'j':
			json = true;
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
	return on ? follow(&control, json) : list(&control, json);
}
