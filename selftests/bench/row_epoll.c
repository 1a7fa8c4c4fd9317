// SPDX-License-Identifier: GPL-2.0
/*
 * A row about a server with epoll and many connections: the client sends a
 * request on each of them, and then takes the reply of each.
 */
#include <stdlib.h>
#include <sys/epoll.h>

#include "bench.h"
#include "stats.h"
#include "task.h"

#define BYTES	64
#define EVENTS	64

static char message[BYTES];

/* Level-triggered: who reads a whole request need not read again. */
static void serve(struct lane *l)
{
	struct epoll_event events[EVENTS], event = { .events = EPOLLIN };
	struct end *ends = l->state;
	long left = l->size->n, i;
	int n, fd = epoll_create1(0);

	if (fd < 0)
		die("epoll_create1: %m");
	for (i = 0; i < l->size->n; i++) {
		event.data.ptr = &ends[i];
		if (epoll_ctl(fd, EPOLL_CTL_ADD, ends[i].in, &event))
			die("epoll_ctl: %m");
	}
	while (left) {
		n = epoll_wait(fd, events, EVENTS, -1);
		if (n < 0)
			die("epoll_wait: %m");
		for (i = 0; i < n; i++) {
			struct end *end = events[i].data.ptr;

			if (end_recv(end, message, BYTES)) {
				end_send(end, message, BYTES);
				continue;
			}
			end_close(end);
			left--;
		}
	}
}

static void epoll_start(struct lane *l)
{
	struct end *mine = calloc(l->size->n, sizeof(*mine));
	struct end *others = calloc(l->size->n, sizeof(*others));
	int *keep = calloc(2 * l->size->n, sizeof(*keep));
	struct end pair[2];
	long i;

	if (!mine || !others || !keep)
		die("calloc: %m");
	for (i = 0; i < l->size->n; i++) {
		family_pair(l->family, l->tuning, pair);
		mine[i] = pair[0];
		others[i] = pair[1];
		keep[2 * i] = pair[1].in;
		keep[2 * i + 1] = pair[1].out;
	}
	l->state = others;
	task_start(l, keep, 2 * l->size->n, serve);
	for (i = 0; i < l->size->n; i++)
		end_close(&others[i]);
	free(others);
	free(keep);
	l->state = mine;
}

static void epoll_round(struct lane *l, double *value)
{
	long pass, i, passes = (l->ops + l->size->n - 1) / l->size->n;
	struct end *ends = l->state;
	double from = now_ns();

	for (pass = 0; pass < passes; pass++) {
		for (i = 0; i < l->size->n; i++)
			end_send(&ends[i], message, BYTES);
		for (i = 0; i < l->size->n; i++)
			if (!end_recv(&ends[i], message, BYTES))
				die("epoll: the server has gone");
	}
	*value = (now_ns() - from) / (passes * l->size->n);
}

static void epoll_stop(struct lane *l)
{
	struct end *ends = l->state;
	long i;

	for (i = 0; i < l->size->n; i++)
		end_close(&ends[i]);
	free(ends);
	task_end(l);
}

static const struct row_size epoll_sizes[] = {
	{ 100, "100", 4000 },
	{ 1000, "1000", 4000 },
	{ }
};

const struct row row_epoll = {
	.name = "epoll",
	.per = "request",
	.figures = { "" },
	.sizes = epoll_sizes,
	.rounds = { 5, 15 },
	.start = epoll_start,
	.round = epoll_round,
	.stop = epoll_stop,
};
