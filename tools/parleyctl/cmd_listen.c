// SPDX-License-Identifier: GPL-2.0
/*
 * parleyctl listen: takes calls one after the other, by itself, at each Enter
 * (--step) or not at all (--no-accept), and shows the backlog meanwhile.
 *
 * One poll() waits for everything: the listener, standard input, and the
 * signals that end the program (a signalfd).
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <linux/parley.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parleyctl.h"

enum mode { MODE_ACCEPT, MODE_STEP, MODE_NO_ACCEPT };

struct listen_opts {
	enum mode mode;
	long backlog;		/* -1: as many as the system allows */
	long count;		/* end after so many calls; 0: never */
	bool echo;
};

struct server {
	struct listen_opts opts;
	int listener;
	int arrivals;		/* epoll: calls have come to the listener */
	int signals;		/* signalfd: it is time to end */
	int input;		/* standard input, or -1: nobody types */
	long served;
};

enum event { EVENT_CALL, EVENT_LINE, EVENT_END };

static void usage(FILE *to)
{
	fputs("Usage: parleyctl listen [OPTION]... ADDRESS:PORT\n"
	      "Takes calls, one after the other, and prints what the callers send.\n"
	      "0.0.0.0 and [::] take calls to any address of this host; port 0: any port.\n\n"
	      "  -b, --backlog N    let N calls wait (default: as many as the system allows)\n"
	      "  -n, --count N      end after N calls (default, and 0: go on)\n"
	      "  -e, --echo         send back what a caller sends instead of printing it\n"
	      "  -s, --step         accept a call at each Enter only, and show the backlog\n"
	      "  -N, --no-accept    let the calls wait; Enter shows the backlog\n"
	      "  -q, --quiet        only print what the callers send, and errors\n"
	      "  -h, --help         show this\n\n"
	      "Ctrl-C or SIGTERM ends it; with --step and --no-accept the end of standard\n"
	      "input does too. Exit status: 0 ended so, 1 failed, 2 the command line is wrong.\n",
	      to);
}

static int get_backlog(int listener, struct parley_backlog *backlog)
{
	socklen_t len = sizeof(*backlog);

	memset(backlog, 0, sizeof(*backlog));
	if (getsockopt(listener, SOL_PARLEY, PARLEY_BACKLOG, backlog, &len))
		return failure("PARLEY_BACKLOG: %s", strerror(errno));
	return EXIT_OK;
}

static int show_backlog(const struct server *server)
{
	struct parley_backlog backlog;

	if (get_backlog(server->listener, &backlog))
		return EXIT_FAILED;
	say("backlog: %u of %u places taken", backlog.pending, backlog.limit);
	return EXIT_OK;
}

/* Binds and listens at the first address of @address that allows it. */
static int open_listener(struct server *server, const char *address)
{
	struct parley_backlog backlog;
	struct addrinfo *list;
	char text[ADDR_TEXT];
	int ret = addr_resolve(address, &list);

	if (ret)
		return ret;
	server->listener = open_socket(SOCK_NONBLOCK);
	if (server->listener < 0)
		ret = EXIT_FAILED;
	else if (bind(server->listener, list->ai_addr, list->ai_addrlen))
		ret = failure("cannot bind to %s: %s", address,
			      strerror(errno));
	else if (listen(server->listener, server->opts.backlog))
		ret = failure("cannot listen at %s: %s", address,
			      strerror(errno));
	else
		ret = get_backlog(server->listener, &backlog);
	freeaddrinfo(list);
	if (ret)
		return ret;

	addr_local(server->listener, text);
	if (server->opts.backlog > (long)backlog.limit)
		say("listening at %s, backlog %u instead of %ld\n"
		    "  the limits are net.parley.max_backlog and net.core.somaxconn",
		    text, backlog.limit, server->opts.backlog);
	else
		say("listening at %s, backlog %u", text, backlog.limit);
	return EXIT_OK;
}

/*
 * Does anybody type? A background job must not read from its terminal, and
 * /dev/null is not meant to end a listener that lets calls wait.
 */
static int choose_input(enum mode mode)
{
	struct stat st;

	if (mode == MODE_ACCEPT || in_background(STDIN_FILENO))
		return -1;
	if (mode == MODE_NO_ACCEPT && !isatty(STDIN_FILENO) &&
	    (fstat(STDIN_FILENO, &st) || S_ISCHR(st.st_mode)))
		return -1;
	return STDIN_FILENO;
}

/*
 * A server that accepts by itself is told of calls for as long as they wait;
 * one that does not, once for each that comes.
 */
static int open_events(struct server *server)
{
	struct epoll_event call = { .events = EPOLLIN };
	sigset_t set;

	if (server->opts.mode != MODE_ACCEPT)
		call.events |= EPOLLET;
	server->arrivals = epoll_create1(EPOLL_CLOEXEC);
	if (server->arrivals < 0 ||
	    epoll_ctl(server->arrivals, EPOLL_CTL_ADD, server->listener, &call))
		return failure("epoll: %s", strerror(errno));

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	server->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (server->signals < 0)
		return failure("signalfd: %s", strerror(errno));
	server->input = choose_input(server->opts.mode);
	return EXIT_OK;
}

/* Waits until @fd is ready for @events; false when a signal ends it all. */
static bool wait_for(const struct server *server, int fd, short events)
{
	struct pollfd pfd[2] = {
		{ .fd = server->signals, .events = POLLIN },
		{ .fd = fd, .events = events },
	};

	while (poll(pfd, ARRAY_SIZE(pfd), -1) < 0) {
		if (errno != EINTR)
			return false;
	}
	return !pfd[0].revents;
}

static enum event next_event(struct server *server)
{
	struct epoll_event call;
	char c;

	while (1) {
		struct pollfd pfd[3] = {
			{ .fd = server->signals, .events = POLLIN },
			{ .fd = server->arrivals, .events = POLLIN },
			{ .fd = server->input, .events = POLLIN },
		};

		if (poll(pfd, ARRAY_SIZE(pfd), -1) < 0 && errno != EINTR)
			return EVENT_END;
		if (pfd[0].revents)
			return EVENT_END;
		if (pfd[1].revents &&
		    epoll_wait(server->arrivals, &call, 1, 0) > 0)
			return EVENT_CALL;
		if (pfd[2].revents) {
			if (read(server->input, &c, 1) != 1)
				return EVENT_END;
			if (c == '\n')
				return EVENT_LINE;
		}
	}
}

/* Sends all of @buf back; false when the connection is over. */
static bool send_back(const struct server *server, int fd, const char *buf,
		      size_t len)
{
	while (len) {
		ssize_t n = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			if (!wait_for(server, fd, POLLOUT))
				return false;
			continue;
		}
		if (n < 0) {
			say("sending: %s", strerror(errno));
			return false;
		}
		buf += n;
		len -= n;
	}
	return true;
}

/* Carries the data of one connection until its end. */
static int serve(const struct server *server, int fd)
{
	unsigned long long total = 0;
	char buf[16384];
	int ret = EXIT_OK;
	ssize_t n;

	while (wait_for(server, fd, POLLIN)) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			say("receiving: %s", strerror(errno));
		if (n <= 0)
			break;
		total += n;
		if (!server->opts.echo)
			ret = write_all(STDOUT_FILENO, buf, n);
		else if (!send_back(server, fd, buf, n))
			break;
		if (ret)
			return ret;
	}
	say("call ended, %llu bytes received", total);
	return EXIT_OK;
}

/* Takes the oldest call, if one waits, and serves it. */
static int take_call(struct server *server)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd, ret;

	fd = accept4(server->listener, (struct sockaddr *)&peer, &len,
		     SOCK_CLOEXEC);
	if (fd < 0 && (errno == EAGAIN || errno == EINTR)) {
		if (server->opts.mode == MODE_STEP)
			say("no call waits");
		return EXIT_OK;
	}
	if (fd < 0)
		return failure("accept: %s", strerror(errno));
	say_peer(fd, "accepted a call from", &peer, "");
	ret = serve(server, fd);
	close(fd);
	server->served++;
	return ret;
}

/* What the mode makes of a call that has come, or of Enter. */
static int handle(struct server *server, enum event event)
{
	switch (server->opts.mode) {
	case MODE_ACCEPT:
		return take_call(server);
	case MODE_STEP:
		if (event == EVENT_LINE)
			return take_call(server);
		return show_backlog(server);
	default:
		return show_backlog(server);
	}
}

static int run(struct server *server)
{
	const struct listen_opts *opts = &server->opts;
	struct parley_backlog backlog;
	int ret;

	if (opts->mode == MODE_STEP)
		say("Enter accepts the next call, Ctrl-D stops");
	else if (opts->mode == MODE_NO_ACCEPT && server->input >= 0)
		say("calls are left waiting; Enter shows the backlog, Ctrl-D stops");
	else if (opts->mode == MODE_NO_ACCEPT)
		say("calls are left waiting");
	do {
		enum event event = next_event(server);

		if (event == EVENT_END)
			break;
		ret = handle(server, event);
		if (ret)
			return ret;
	} while (!opts->count || server->served < opts->count);

	ret = get_backlog(server->listener, &backlog);
	if (!ret && backlog.pending)
		say("stopped listening, waiting calls refused: %u",
		    backlog.pending);
	else if (!ret)
		say("stopped listening");
	return ret;
}

/* Everything that @server has open ends with the process. */
static int serve_address(const struct listen_opts *opts, const char *address)
{
	struct server server = { .opts = *opts, .listener = -1 };
	int ret = open_listener(&server, address);

	if (!ret)
		ret = open_events(&server);
	if (!ret)
		ret = run(&server);
	return ret;
}

int cmd_listen(int argc, char **argv)
{
	static const struct option options[] = {
		{ "backlog", required_argument, NULL, 'b' },
		{ "count", required_argument, NULL, 'n' },
		{ "echo", no_argument, NULL, 'e' },
		{ "step", no_argument, NULL, 's' },
		{ "no-accept", no_argument, NULL, 'N' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct listen_opts opts = { .backlog = -1 };
	int c;

	while ((c = getopt_long(argc, argv, "b:n:esNqh", options, NULL)) != -1) {
		switch (c) {
		case 'b':
			if (parse_number("--backlog", optarg, INT_MAX,
					 &opts.backlog))
				return EXIT_USAGE;
			break;
		case 'n':
			if (parse_number("--count", optarg, LONG_MAX,
					 &opts.count))
				return EXIT_USAGE;
			break;
		case 'e':
			opts.echo = true;
			break;
		case 's':
		case 'N':
			if (opts.mode != MODE_ACCEPT)
				return usage_error("give --step or --no-accept, once");
			opts.mode = c == 's' ? MODE_STEP : MODE_NO_ACCEPT;
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
		return usage_error("give one ADDRESS:PORT to listen at");
	return serve_address(&opts, argv[optind]);
}
