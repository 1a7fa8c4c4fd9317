// SPDX-License-Identifier: GPL-2.0
/*
 * A row about one request and its reply on a fresh connection. Parley can have
 * both travel with the call and the verdict; the others send them as data, and so
 * does parley on the first line.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/parley.h>

#include "bench.h"
#include "stats.h"
#include "task.h"

#define BACKLOG	128
#define BYTES	64

enum {
	BY_DATA,	/* sent and received, as with all families */
	BY_TERMS,	/* the server looks at each call and says what it gets */
	BY_FIXED_TERMS,	/* the server looks at it after it was accepted */
	BY_REFUSAL,	/* there is no connection at all */
};

static char request[BYTES], reply[BYTES];

static int way_of(const struct lane *l)
{
	return family_is_parley(l->family) ? l->size->n : BY_DATA;
}

static void serve_data(struct lane *l)
{
	int fd = family_accept(l->listener);
	struct end end = { fd, fd };

	if (!end_recv(&end, request, BYTES))
		die("request: none came");
	end_send(&end, reply, BYTES);
	close(fd);
}

static void serve_terms(struct lane *l, int verdict)
{
	struct parley_next_call next = {
		.size = sizeof(next),
		.data = (uintptr_t)request,
		.data_room = BYTES,
	};
	struct parley_decision decision = {
		.size = sizeof(decision),
		.verdict = verdict,
		.reply = (uintptr_t)reply,
		.reply_len = BYTES,
	};

	if (ioctl(l->listener, PARLEY_IOC_NEXT_CALL, &next))
		die("PARLEY_IOC_NEXT_CALL: %m");
	if (next.data_room != BYTES)
		die("request: %u bytes came", next.data_room);
	decision.id = next.info.id;
	if (ioctl(l->listener, PARLEY_IOC_DECIDE, &decision))
		die("PARLEY_IOC_DECIDE: %m");
	if (verdict == PARLEY_ACCEPT)
		close(family_accept(l->listener));
}

static void get_terms(int fd, int name, char *data)
{
	socklen_t len = BYTES;

	if (getsockopt(fd, SOL_PARLEY, name, data, &len))
		die("getsockopt %d: %m", name);
	if (len != BYTES)
		die("request: option %d has %u bytes", name, len);
}

static void serve_fixed_terms(struct lane *l)
{
	int fd = family_accept(l->listener);

	get_terms(fd, PARLEY_CALL_DATA, request);
	close(fd);
}

static void serve_one(struct lane *l)
{
	switch (way_of(l)) {
	case BY_DATA:
		serve_data(l);
		break;
	case BY_TERMS:
		serve_terms(l, PARLEY_ACCEPT);
		break;
	case BY_FIXED_TERMS:
		serve_fixed_terms(l);
		break;
	case BY_REFUSAL:
		serve_terms(l, PARLEY_REFUSE);
		break;
	}
}

static void serve(struct lane *l)
{
	long i;

	while (true) {
		for (i = 0; i < l->ops; i++)
			serve_one(l);
		signpost_raise(l->state);
	}
}

static void request_start(struct lane *l)
{
	l->listener = family_listener(l->family, l->tuning, BACKLOG, &l->addr);
	if (way_of(l) == BY_FIXED_TERMS)
		set_option(l->listener, SOL_PARLEY, PARLEY_REPLY_DATA, reply, BYTES);
	l->state = signpost_new();
	task_start(l, &l->listener, 1, serve);
	close(l->listener);
}

static void call_data(struct lane *l, int fd)
{
	struct end end = { fd, fd };

	family_connect(l->family, fd, &l->addr);
	end_send(&end, request, BYTES);
	if (!end_recv(&end, reply, BYTES))
		die("%s: no reply", l->family->name);
}

static void call_terms(struct lane *l, int fd)
{
	set_option(fd, SOL_PARLEY, PARLEY_CALL_DATA, request, BYTES);
	if (way_of(l) == BY_REFUSAL)
		family_connect_refused(l->family, fd, &l->addr);
	else
		family_connect(l->family, fd, &l->addr);
	get_terms(fd, PARLEY_REPLY_DATA, reply);
}

static void request_round(struct lane *l, double *value)
{
	double from = now_ns();
	long i;
	int fd;

	for (i = 0; i < l->ops; i++) {
		fd = family_caller(l->family, l->tuning);
		if (way_of(l) == BY_DATA)
			call_data(l, fd);
		else
			call_terms(l, fd);
		close(fd);
	}
	signpost_await(l->state);
	*value = (now_ns() - from) / l->ops;
}

static void request_stop(struct lane *l)
{
	task_kill(l);
	signpost_free(l->state);
}

/* The others have one way only. */
static bool request_fits(const struct family *f, long way)
{
	return family_connects(f, way) && (way == BY_DATA || family_is_parley(f));
}

static const struct row_size request_sizes[] = {
	{ BY_DATA, "data", 500 },
	{ BY_TERMS, "terms", 500 },
	{ BY_FIXED_TERMS, "fixed terms", 500 },
	{ BY_REFUSAL, "refusal", 500 },
	{ }
};

const struct row row_request = {
	.name = "request",
	.per = "request",
	.figures = { "" },
	.sizes = request_sizes,
	.rounds = { 5, 15 },
	.tunings = TUNE_CONNECT | TUNE_REQUEST,
	.fits = request_fits,
	.start = request_start,
	.round = request_round,
	.stop = request_stop,
};
