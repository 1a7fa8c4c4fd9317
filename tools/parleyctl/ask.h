/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Asking a person about calls, one after the other: parleyctl ask, and
 * parleyctl listen --ask.
 */
#ifndef PARLEYCTL_ASK_H
#define PARLEYCTL_ASK_H

#include "control.h"

/**
 * struct asker - the question that is open, and the line that is being typed
 * @control: the listener; only @control.listener must be set
 * @offer: the call that is asked about, or NULL
 * @rewind: begin with the oldest call, asked about before or not
 * @line: what was typed so far
 * @len: of it
 */
struct asker {
	struct control control;
	struct parley_offer *offer;
	bool rewind;
	char line[512];
	size_t len;
};

/* What a typed character leads to. */
enum ask_step { ASK_MORE, ASK_QUIT, ASK_FAILED };

int ask_next(struct asker *asker);
enum ask_step ask_input(struct asker *asker, int fd);
void ask_leave(struct asker *asker);

#endif /* PARLEYCTL_ASK_H */
