// SPDX-License-Identifier: GPL-2.0
/*
 * Rows about memory: what a connection takes of it that nothing is sent on, and a
 * call that nobody has accepted, the caller's socket included.
 *
 * It is that of the whole machine, so that nothing is forgotten: sockets, files,
 * inodes, what hangs off them, pages.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "machine.h"

#define BACKLOG_MAX	65535
#define USE_BYTES	(16 * KIB)

/* Arrays that are written to beforehand take no memory meanwhile. */
static void *new_array(size_t size)
{
	void *array = malloc(size);

	if (!array)
		die("malloc: %m");
	memset(array, 1, size);
	return array;
}

static void pair_start(struct lane *l)
{
	l->state = new_array(2 * l->ops * sizeof(struct end));
}

static void use_pair(struct end *end)
{
	static char bytes[USE_BYTES];
	int i;

	for (i = 0; i < 2; i++) {
		end_send(&end[i], bytes, USE_BYTES);
		if (!end_recv(&end[!i], bytes, USE_BYTES))
			die("memory: the end of the file");
	}
}

static void pair_round(struct lane *l, double *value)
{
	struct end *ends = l->state;
	struct address addr;
	double before;
	int listener;
	long i;

	listener = family_listener(l->family, l->tuning, 1, &addr);
	before = machine_memory();
	for (i = 0; i < l->ops; i++)
		family_pair_at(l->family, l->tuning, listener, &addr, &ends[2 * i]);
	value[0] = (machine_memory() - before) / l->ops;
	for (i = 0; i < l->ops; i++)
		use_pair(&ends[2 * i]);
	value[1] = (machine_memory() - before) / l->ops;
	for (i = 0; i < 2 * l->ops; i++)
		end_close(&ends[i]);
	close(listener);
}

static void free_state(struct lane *l)
{
	free(l->state);
}

static const struct row_size pair_sizes[] = {
	{ 0, "", 4000 },
	{ }
};

const struct row row_memory_pair = {
	.name = "memory-pair",
	.unit = "bytes",
	.figures = { "never used", "used" },
	.sizes = pair_sizes,
	.rounds = { 5, 0 },
	.fits = family_connects,
	.start = pair_start,
	.round = pair_round,
	.stop = free_state,
};

static void pending_start(struct lane *l)
{
	l->state = new_array(l->ops * sizeof(int));
	l->listener = family_listener(l->family, l->tuning, BACKLOG_MAX, &l->addr);
}

static void pending_round(struct lane *l, double *value)
{
	double before = machine_memory();
	int *fds = l->state;
	long i;

	for (i = 0; i < l->ops; i++) {
		fds[i] = family_async_caller(l->family, l->tuning);
		family_call(l->family, fds[i], &l->addr);
	}
	*value = (machine_memory() - before) / l->ops;
	for (i = 0; i < l->ops; i++)
		close(fds[i]);
	/* Others keep what their callers have left until it is accepted. */
	close(l->listener);
	l->listener = family_listener(l->family, l->tuning, BACKLOG_MAX, &l->addr);
}

static void pending_stop(struct lane *l)
{
	close(l->listener);
	free_state(l);
}

const struct row row_memory_pending = {
	.name = "memory-pending",
	.unit = "bytes",
	.figures = { "" },
	.sizes = pair_sizes,
	.rounds = { 5, 0 },
	.fits = family_connects,
	.start = pending_start,
	.round = pending_round,
	.stop = pending_stop,
};
