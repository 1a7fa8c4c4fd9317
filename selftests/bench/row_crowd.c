// SPDX-License-Identifier: GPL-2.0
/*
 * Rows about the one among many: a call in a long backlog, and a listener among
 * many listeners.
 */
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "stats.h"
#include "task.h"

#define BACKLOG_MAX	65535
#define VSOCK_MAX	1000
#define TCP_MAX		10000
#define STRIDE		7919	/* a prime: visits all, no two neighbours in a row */

/**
 * struct crowd - the state of both rows
 * @fds: those that wait: callers, the oldest first from @head, or listeners
 * @batch: those that were accepted
 * @room: how many @fds there may be
 * @head: index of the oldest one
 */
struct crowd {
	int *fds;
	int *batch;
	long room;
	long head;
};

static void new_crowd(struct lane *l)
{
	struct crowd *c = calloc(1, sizeof(*c));

	if (!c)
		die("calloc: %m");
	c->room = l->size->n + l->ops;
	c->fds = calloc(c->room, sizeof(*c->fds));
	c->batch = calloc(l->ops, sizeof(*c->batch));
	if (!c->fds || !c->batch)
		die("calloc: %m");
	l->state = c;
}

static void free_crowd(struct crowd *c)
{
	free(c->fds);
	free(c->batch);
	free(c);
}

static int queue_one(struct lane *l)
{
	int fd = family_async_caller(l->family, l->tuning);

	family_call(l->family, fd, &l->addr);
	return fd;
}

static void backlog_start(struct lane *l)
{
	struct crowd *c;
	long i;

	new_crowd(l);
	c = l->state;
	l->listener = family_listener(l->family, l->tuning, BACKLOG_MAX, &l->addr);
	for (i = 0; i < l->size->n; i++)
		c->fds[i] = queue_one(l);
}

/* Queues some, accepts as many, the oldest, and closes both their ends. */
static void backlog_round(struct lane *l, double *value)
{
	struct crowd *c = l->state;
	double t[4];
	long i;

	t[0] = now_ns();
	for (i = 0; i < l->ops; i++)
		c->fds[(c->head + l->size->n + i) % c->room] = queue_one(l);
	t[1] = now_ns();
	for (i = 0; i < l->ops; i++)
		c->batch[i] = family_accept(l->listener);
	t[2] = now_ns();
	for (i = 0; i < l->ops; i++) {
		close(c->batch[i]);
		close(c->fds[(c->head + i) % c->room]);
	}
	t[3] = now_ns();
	c->head = (c->head + l->ops) % c->room;
	for (i = 0; i < 3; i++)
		value[i] = (t[i + 1] - t[i]) / l->ops;
}

static void backlog_stop(struct lane *l)
{
	struct crowd *c = l->state;
	long i;

	for (i = 0; i < l->size->n; i++)
		close(c->fds[(c->head + i) % c->room]);
	close(l->listener);
	free_crowd(c);
}

/* They look for ports, or sockets, the longer the more there are, and take ages. */
static bool backlog_fits(const struct family *f, long n)
{
	if (f->domain == AF_VSOCK)
		return n <= VSOCK_MAX;
	if (f->domain == AF_INET)
		return n <= TCP_MAX;
	return family_connects(f, n);
}

static const struct row_size backlog_sizes[] = {
	{ 1000, "1000", 1000 },
	{ 10000, "10000", 1000 },
	{ 50000, "50000", 1000 },
	{ }
};

const struct row row_backlog = {
	.name = "backlog",
	.per = "call",
	.figures = { "queue", "accept", "close" },
	.sizes = backlog_sizes,
	.rounds = { 5, 0 },
	.fits = backlog_fits,
	.start = backlog_start,
	.round = backlog_round,
	.stop = backlog_stop,
};

static int listen_at(struct lane *l, long n)
{
	struct address addr;
	int fd;

	family_address(l->family, n, &addr);
	fd = family_bind(l->family, l->tuning, &addr);
	if (listen(fd, 1))
		die("%s: listen: %m", l->family->name);
	return fd;
}

static void listeners_start(struct lane *l)
{
	struct crowd *c;
	long i;

	new_crowd(l);
	c = l->state;
	for (i = 0; i < l->size->n; i++)
		c->fds[i] = listen_at(l, i);
}

static void bind_some(struct lane *l)
{
	long i;

	for (i = 0; i < l->ops; i++)
		close(listen_at(l, l->size->n + i));
}

/* Nobody listens there, and the socket is as good as new. */
static void look_up_some(struct lane *l)
{
	int fd = family_caller(l->family, l->tuning);
	struct address addr;
	long i;

	for (i = 0; i < l->ops; i++) {
		family_address(l->family, l->size->n + i, &addr);
		family_connect_refused(l->family, fd, &addr);
	}
	close(fd);
}

static void connect_some(struct lane *l)
{
	struct crowd *c = l->state;
	struct address addr;
	int caller;
	long i, k;

	for (i = 0; i < l->ops; i++) {
		k = i * STRIDE % l->size->n;
		family_address(l->family, k, &addr);
		caller = family_async_caller(l->family, l->tuning);
		family_call(l->family, caller, &addr);
		close(family_accept(c->fds[k]));
		close(caller);
	}
}

static void listeners_round(struct lane *l, double *value)
{
	double t[4];
	int i;

	t[0] = now_ns();
	bind_some(l);
	t[1] = now_ns();
	look_up_some(l);
	t[2] = now_ns();
	connect_some(l);
	t[3] = now_ns();
	for (i = 0; i < 3; i++)
		value[i] = (t[i + 1] - t[i]) / l->ops;
}

static void listeners_stop(struct lane *l)
{
	struct crowd *c = l->state;
	long i;

	for (i = 0; i < l->size->n; i++)
		close(c->fds[i]);
	free_crowd(c);
}

/* Types of one family would be in each other's way at the same addresses. */
static bool listeners_fit(const struct family *f, long n)
{
	return family_connects(f, n) && f->type == SOCK_STREAM;
}

static const struct row_size listeners_sizes[] = {
	{ 10, "10", 500 },
	{ 1000, "1000", 500 },
	{ 10000, "10000", 500 },
	{ }
};

const struct row row_listeners = {
	.name = "listeners",
	.per = "call",
	.figures = { "bind", "refused", "connect" },
	.sizes = listeners_sizes,
	.rounds = { 5, 0 },
	.fits = listeners_fit,
	.start = listeners_start,
	.round = listeners_round,
	.stop = listeners_stop,
};
