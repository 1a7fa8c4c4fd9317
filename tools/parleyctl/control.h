/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a listener is handed to other processes: parleyctl listen --control PATH
 * serves its descriptor at the UNIX socket PATH, to whoever may connect there;
 * the connection stays open, so that its end tells that the server has gone.
 */
#ifndef PARLEYCTL_CONTROL_H
#define PARLEYCTL_CONTROL_H

#include <parley.h>

#include "parleyctl.h"

/* door.c: the serving side */

/**
 * struct door - where the descriptor is handed out
 * @path: of the socket, or NULL: there is no door
 * @socket: listens there
 * @events: epoll: somebody knocks, or leaves
 */
struct door {
	const char *path;
	int socket;
	int events;
};

int door_open(struct door *door, const char *path);
void door_serve(const struct door *door, int listener);
void door_close(const struct door *door);

/* control.c: the side of those who decide */

/**
 * struct control - a listener of another process
 * @path: where it came from
 * @connection: ends when the process does
 * @listener: the descriptor
 */
struct control {
	const char *path;
	int connection;
	int listener;
};

int control_open(struct control *control, const char *path);
int control_lock(const struct control *control);
void control_unlock(const struct control *control);
bool control_gone(const struct control *control);
int control_events(const struct control *control);

/* look.c: all undecided calls at once */

/**
 * struct look - the undecided calls of a listener
 * @offers: one each, oldest first
 * @count: how many
 */
struct look {
	struct parley_offer **offers;
	size_t count;
};

int look_at_calls(const struct control *control, struct look *look);
void look_free(struct look *look);

#endif /* PARLEYCTL_CONTROL_H */
