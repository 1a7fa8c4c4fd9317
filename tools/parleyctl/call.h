/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What parleyctl call is made of: cmd_call.c places the call, outcome.c tells
 * what became of it, talk.c carries the data.
 */
#ifndef PARLEYCTL_CALL_H
#define PARLEYCTL_CALL_H

#include "parleyctl.h"

/**
 * struct outcome - what became of a call
 * @fd: its socket
 * @to: the address called
 * @error: errno of connect(2), 0: accepted
 * @ms: how long it took
 * @json: tell it as JSON
 */
struct outcome {
	int fd;
	const struct sockaddr *to;
	int error;
	double ms;
	bool json;
};

int tell_outcome(const struct outcome *outcome);
int tell_outcome_json(const struct outcome *outcome,
		      const struct bytes *received);

/**
 * struct sink - where what is received goes
 * @keep: to @bytes instead of standard output
 * @bytes: all that came
 */
struct sink {
	bool keep;
	struct bytes bytes;
};

int talk(int fd, const char *text, struct sink *sink);

#endif /* PARLEYCTL_CALL_H */
