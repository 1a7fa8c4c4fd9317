// SPDX-License-Identifier: GPL-2.0
/*
 * The work of parleyctl listen: one poll() waits for everything, calls, people
 * who type, processes that want the listener, and the signals that end the
 * program (a signalfd).
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "listen.h"
#include "show.h"

enum event { EVENT_CALL, EVENT_DEFERRED, EVENT_INPUT, EVENT_END };

static unsigned int waiting(const struct parley_backlog *backlog)
{
	return backlog->pending + backlog->deferred + backlog->approved;
}

static int get_backlog(const struct server *server,
		       struct parley_backlog *backlog)
{
	if (parley_get_backlog(server->listener, backlog))
		return failure("PARLEY_BACKLOG: %s", strerror(errno));
	return EXIT_OK;
}

static int show_backlog(const struct server *server)
{
	struct parley_backlog backlog;

	if (get_backlog(server, &backlog))
		return EXIT_FAILED;
	if (backlog.deferred || backlog.approved)
		say("backlog: %u of %u places taken, %u deferred, %u approved",
		    waiting(&backlog), backlog.limit, backlog.deferred,
		    backlog.approved);
	else
		say("backlog: %u of %u places taken", backlog.pending,
		    backlog.limit);
	return EXIT_OK;
}

/*
 * Does anybody type? A background job must not read from its terminal,
 * /dev/null is not meant to end a listener that lets calls wait, and the end of
 * rules that came this way does not, either.
 */
static int choose_input(const struct listen_opts *opts)
{
	struct stat st;

	if (opts->ask)
		return STDIN_FILENO;
	if (opts->mode == MODE_ACCEPT || in_background(STDIN_FILENO))
		return -1;
	if (opts->rules && !strcmp(opts->rules, "-"))
		return -1;
	if (opts->mode == MODE_NO_ACCEPT && !isatty(STDIN_FILENO) &&
	    (fstat(STDIN_FILENO, &st) || S_ISCHR(st.st_mode)))
		return -1;
	return STDIN_FILENO;
}

static int watch(int listener, unsigned int events)
{
	struct epoll_event event = { .events = events };
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd >= 0 && !epoll_ctl(fd, EPOLL_CTL_ADD, listener, &event))
		return fd;
	failure("epoll: %s", strerror(errno));
	return -1;
}

/*
 * A server that accepts by itself is told of calls for as long as they wait;
 * one that does not, once for each that comes.
 */
static int open_events(struct server *server)
{
	bool once = server->opts.mode != MODE_ACCEPT;
	sigset_t set;

	server->arrivals = watch(server->listener,
				 EPOLLIN | (once ? EPOLLET : 0));
	server->deferrals = watch(server->listener, EPOLLPRI | EPOLLET);
	if (server->arrivals < 0 || server->deferrals < 0)
		return EXIT_FAILED;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	server->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (server->signals < 0)
		return failure("signalfd: %s", strerror(errno));
	server->input = choose_input(&server->opts);
	return EXIT_OK;
}

/*
 * Waits until @fd is ready for @events, and hands the listener out meanwhile;
 * false when a signal ends it all.
 */
bool server_wait(const struct server *server, int fd, short events)
{
	while (1) {
		struct pollfd pfd[3] = {
			{ .fd = server->signals, .events = POLLIN },
			{ .fd = server->door.events, .events = POLLIN },
			{ .fd = fd, .events = events },
		};

		if (poll(pfd, ARRAY_SIZE(pfd), -1) < 0 && errno != EINTR)
			return false;
		if (pfd[0].revents)
			return false;
		if (pfd[1].revents)
			door_serve(&server->door, server->listener);
		if (pfd[2].revents)
			return true;
	}
}

static enum event next_event(struct server *server)
{
	struct epoll_event event;

	while (1) {
		struct pollfd pfd[5] = {
			{ .fd = server->signals, .events = POLLIN },
			{ .fd = server->door.events, .events = POLLIN },
			{ .fd = server->arrivals, .events = POLLIN },
			{ .fd = server->deferrals, .events = POLLIN },
			{ .fd = server->input, .events = POLLIN },
		};

		if (poll(pfd, ARRAY_SIZE(pfd), -1) < 0 && errno != EINTR)
			return EVENT_END;
		if (pfd[0].revents)
			return EVENT_END;
		if (pfd[1].revents)
			door_serve(&server->door, server->listener);
		if (pfd[2].revents &&
		    epoll_wait(server->arrivals, &event, 1, 0) > 0)
			return EVENT_CALL;
		if (pfd[3].revents &&
		    epoll_wait(server->deferrals, &event, 1, 0) > 0)
			return EVENT_DEFERRED;
		if (pfd[4].revents)
			return EVENT_INPUT;
	}
}

/* Takes the oldest call that may be taken, and serves it. */
static int take_call(struct server *server)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd, ret;

	fd = accept4(server->listener, (struct sockaddr *)&peer, &len,
		     SOCK_CLOEXEC);
	if (fd < 0 && (errno == EAGAIN || errno == EINTR)) {
		server->fresh = true; /* the rules may have deferred it */
		if (server->opts.mode == MODE_STEP)
			say("no call waits");
		return EXIT_OK;
	}
	if (fd < 0)
		return failure("accept: %s", strerror(errno));
	say_peer(fd, "accepted a call from", &peer, "");
	say_accepted(fd);
	ret = serve(server, fd);
	close(fd);
	server->served++;
	return ret;
}

/*
 * A deferred call is new: somebody ought to decide. Or it is new again, after
 * somebody has looked; that is not told again, as far as it can be known.
 */
static int tell_deferred(struct server *server)
{
	struct parley_backlog backlog;
	bool tell;

	if (server->opts.ask)
		return ask_next(&server->asker);
	if (get_backlog(server, &backlog))
		return EXIT_FAILED;
	tell = server->fresh || backlog.deferred > server->deferred ||
	       server->opts.stage == PARLEY_STAGE_ARRIVAL;
	if (tell && backlog.deferred)
		say("calls deferred: %u", backlog.deferred);
	server->fresh = false;
	server->deferred = backlog.deferred;
	return EXIT_OK;
}

/* Somebody has typed; @over: it is the end. */
static int handle_input(struct server *server, bool *over)
{
	enum ask_step step;
	char c;

	if (server->opts.ask) {
		step = ask_input(&server->asker, server->input);
		*over = step == ASK_QUIT;
		return step == ASK_FAILED ? EXIT_FAILED : EXIT_OK;
	}
	*over = read(server->input, &c, 1) != 1;
	if (*over || c != '\n')
		return EXIT_OK;
	if (server->opts.mode == MODE_STEP)
		return take_call(server);
	return show_backlog(server);
}

/* What is to be done when something has happened. */
static int handle(struct server *server, enum event event, bool *over)
{
	switch (event) {
	case EVENT_CALL:
		if (server->opts.mode == MODE_ACCEPT)
			return take_call(server);
		server->fresh = true;
		return show_backlog(server);
	case EVENT_DEFERRED:
		return tell_deferred(server);
	case EVENT_INPUT:
		return handle_input(server, over);
	default:
		*over = true;
		return EXIT_OK;
	}
}

static void tell_mode(const struct server *server)
{
	const struct listen_opts *opts = &server->opts;

	if (opts->mode == MODE_STEP)
		say("Enter accepts the next call, Ctrl-D stops");
	else if (opts->mode == MODE_NO_ACCEPT && server->input >= 0)
		say("calls are left waiting; Enter shows the backlog, Ctrl-D stops");
	else if (opts->mode == MODE_NO_ACCEPT)
		say("calls are left waiting");
	if (opts->control)
		say("to decide: parleyctl ask --control %s", opts->control);
}

/*
 * Others may hold the listener still, so it does not end by being closed: calls
 * that wait are refused here, and those who decide learn of it.
 */
static int stop(struct server *server)
{
	struct parley_backlog backlog;
	int ret = get_backlog(server, &backlog);

	shutdown(server->listener, SHUT_RDWR);
	if (!ret && waiting(&backlog))
		say("stopped listening, waiting calls refused: %u",
		    waiting(&backlog));
	else if (!ret)
		say("stopped listening");
	return ret;
}

int server_run(struct server *server)
{
	const struct listen_opts *opts = &server->opts;
	bool over = false;
	int ret = open_events(server);

	if (ret)
		return ret;
	tell_mode(server);
	while (!over && !ret && (!opts->count || server->served < opts->count))
		ret = handle(server, next_event(server), &over);
	return ret ? ret : stop(server);
}
