// SPDX-License-Identifier: GPL-2.0
/*
 * Rows about the data of one connection between two processes: messages that go
 * back and forth, and many that go one way.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "stats.h"
#include "task.h"

#define READ_AT_LEAST	(64 * KIB)

static char *new_buffer(size_t len)
{
	char *buffer = malloc(len);

	if (!buffer)
		die("malloc: %m");
	/* Pages that nobody has written to are all one page of zeroes. */
	memset(buffer, 'x', len);
	return buffer;
}

static void start_pair(struct lane *l, void (*fn)(struct lane *l))
{
	struct end end[2];
	int keep[2];

	family_pair(l->family, l->tuning, end);
	keep[0] = end[1].in;
	keep[1] = end[1].out;
	l->end = end[1];
	task_start(l, keep, 2, fn);
	end_close(&end[1]);
	l->end = end[0];
	l->state = new_buffer(l->size->n);
}

/* The other end reads the end of file and goes. */
static void stop_pair(struct lane *l)
{
	end_close(&l->end);
	task_end(l);
	free(l->state);
}

static void echo(struct lane *l)
{
	char *buffer = new_buffer(l->size->n);

	while (end_recv(&l->end, buffer, l->size->n))
		end_send(&l->end, buffer, l->size->n);
}

static void pingpong_start(struct lane *l)
{
	start_pair(l, echo);
}

static void pingpong_round(struct lane *l, double *value)
{
	double from = now_ns();
	long i;

	for (i = 0; i < l->ops; i++) {
		end_send(&l->end, l->state, l->size->n);
		if (!end_recv(&l->end, l->state, l->size->n))
			die("pingpong: the other end has gone");
	}
	*value = (now_ns() - from) / l->ops;
}

static const struct row_size pingpong_sizes[] = {
	{ 1, "1 B", 500 },
	{ 64, "64 B", 500 },
	{ 4 * KIB, "4 KiB", 400 },
	{ 64 * KIB, "64 KiB", 100 },
	{ }
};

const struct row row_pingpong = {
	.name = "pingpong",
	.per = "cycle",
	.figures = { "" },
	.sizes = pingpong_sizes,
	.rounds = { 5, 15 },
	.tunings = TUNE_DATA,
	.start = pingpong_start,
	.round = pingpong_round,
	.stop = stop_pair,
};

/* Reads a round's bytes, whatever pieces they come in, and says so. */
static void drain(struct lane *l)
{
	size_t room = l->size->n < READ_AT_LEAST ? READ_AT_LEAST : l->size->n;
	size_t total = l->size->n * l->ops, got = 0, n;
	char *buffer = new_buffer(room);

	while ((n = end_read(&l->end, buffer, room))) {
		got += n;
		if (got < total)
			continue;
		if (got > total)
			die("stream: %zu bytes instead of %zu", got, total);
		end_send(&l->end, "", 1);
		got = 0;
	}
}

/* A record fits into the sender's buffer, or nowhere. */
static bool stream_fits(const struct family *f, long n)
{
	return f->type != SOCK_SEQPACKET || n < MIB;
}

static void stream_start(struct lane *l)
{
	start_pair(l, drain);
}

static void stream_round(struct lane *l, double *value)
{
	double from = now_ns();
	char done;
	long i;

	end_gather(&l->end, l->tuning, true);
	for (i = 0; i < l->ops; i++)
		end_send(&l->end, l->state, l->size->n);
	end_gather(&l->end, l->tuning, false);
	if (!end_recv(&l->end, &done, 1))
		die("stream: the other end has gone");
	*value = (now_ns() - from) / ((double)l->ops * l->size->n / KIB);
}

/* So many that the buffers' being empty at the start does not matter. */
static const struct row_size stream_sizes[] = {
	{ 64, "64 B", 8192 },
	{ KIB, "1 KiB", 4096 },
	{ 64 * KIB, "64 KiB", 256 },
	{ MIB, "1 MiB", 16 },
	{ }
};

const struct row row_stream = {
	.name = "stream",
	.per = "KiB",
	.figures = { "" },
	.sizes = stream_sizes,
	.rounds = { 5, 15 },
	.tunings = TUNE_DATA,
	.fits = stream_fits,
	.start = stream_start,
	.round = stream_round,
	.stop = stop_pair,
};
