// SPDX-License-Identifier: GPL-2.0
/*
 * Rows about connections that carry nothing: socket, connect, accept and close of
 * both ends.
 *
 * A round is long, since much of what closing costs comes later, when RCU lets go
 * of it; in a short one it would be somebody else's.
 */
#include <unistd.h>

#include "bench.h"
#include "stats.h"
#include "task.h"

#define BACKLOG	128

/* One process at both ends, which never waits. */
static void cycle_start(struct lane *l)
{
	l->listener = family_listener(l->family, l->tuning, BACKLOG, &l->addr);
}

void cycle_round(struct lane *l, double *value)
{
	double from = now_ns();
	int caller, callee;
	long i;

	for (i = 0; i < l->ops; i++) {
		caller = family_async_caller(l->family, l->tuning);
		family_call(l->family, caller, &l->addr);
		callee = family_accept(l->listener);
		close(callee);
		close(caller);
	}
	*value = (now_ns() - from) / l->ops;
}

static void cycle_stop(struct lane *l)
{
	close(l->listener);
}

static const struct row_size one_size[] = {
	{ 0, "", 1000 },
	{ }
};

const struct row row_cycle = {
	.name = "cycle",
	.per = "cycle",
	.figures = { "" },
	.sizes = one_size,
	.rounds = { 5, 15 },
	.tunings = TUNE_CONNECT,
	.fits = family_connects,
	.start = cycle_start,
	.round = cycle_round,
	.stop = cycle_stop,
};

/* Accepts and closes; says so after as many as a round has. */
static void serve(struct lane *l)
{
	long i;

	while (true) {
		for (i = 0; i < l->ops; i++)
			close(family_accept(l->listener));
		signpost_raise(l->state);
	}
}

static void connect_start(struct lane *l)
{
	l->listener = family_listener(l->family, l->tuning, BACKLOG, &l->addr);
	l->state = signpost_new();
	task_start(l, &l->listener, 1, serve);
	close(l->listener);
}

static void connect_round(struct lane *l, double *value)
{
	double from = now_ns();
	long i;
	int fd;

	for (i = 0; i < l->ops; i++) {
		fd = family_caller(l->family, l->tuning);
		family_connect(l->family, fd, &l->addr);
		close(fd);
	}
	signpost_await(l->state);
	*value = (now_ns() - from) / l->ops;
}

static void connect_stop(struct lane *l)
{
	task_kill(l);
	signpost_free(l->state);
}

const struct row row_connect = {
	.name = "connect",
	.per = "cycle",
	.figures = { "" },
	.sizes = one_size,
	.rounds = { 5, 15 },
	.tunings = TUNE_CONNECT,
	.fits = family_connects,
	.start = connect_start,
	.round = connect_round,
	.stop = connect_stop,
};

/*
 * The caller goes on when it knows that it was accepted. Parley's connect(2) says
 * so; who calls others has to wait for something to come, here for the end.
 */
static void accepted_round(struct lane *l, double *value)
{
	double from = now_ns();
	char byte;
	long i;
	int fd;

	for (i = 0; i < l->ops; i++) {
		fd = family_caller(l->family, l->tuning);
		family_connect(l->family, fd, &l->addr);
		if (!family_is_parley(l->family) && read(fd, &byte, 1))
			die("%s: no end of file: %m", l->family->name);
		close(fd);
	}
	signpost_await(l->state);
	*value = (now_ns() - from) / l->ops;
}

const struct row row_accepted = {
	.name = "accepted",
	.per = "cycle",
	.figures = { "" },
	.sizes = one_size,
	.rounds = { 5, 15 },
	.tunings = TUNE_CONNECT,
	.fits = family_connects,
	.start = connect_start,
	.round = accepted_round,
	.stop = connect_stop,
};
