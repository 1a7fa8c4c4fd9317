/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What parleyctl listen is made of: cmd_listen.c reads the options, listener.c
 * makes the socket, server.c waits for what happens, serve.c carries the data
 * of a connection.
 */
#ifndef PARLEYCTL_LISTEN_H
#define PARLEYCTL_LISTEN_H

#include "ask.h"
#include "control.h"

enum mode { MODE_ACCEPT, MODE_STEP, MODE_NO_ACCEPT };

/**
 * struct listen_opts - the command line
 * @mode: when to accept
 * @ask: ask about deferred calls
 * @backlog: as for listen(2)
 * @count: end after so many connections; 0: never
 * @echo: send back what comes
 * @rules: file of rules, or NULL
 * @filter: file of an eBPF filter and its settings, or NULL
 * @policy: name of a policy, or NULL
 * @policy_link: where its link is pinned, or NULL
 * @control: where to hand out the listener, or NULL
 * @stage: when rules, filter and policy are asked
 * @reply: the default reply
 * @has_defer: @defer was given
 * @defer: what becomes of deferred calls
 * @fair_share: percent of the free places that a user may have; 0: all
 * @has_capacity: @capacity was given
 * @capacity: what can be guaranteed
 */
struct listen_opts {
	enum mode mode;
	bool ask;
	int backlog;
	unsigned long count;
	bool echo;
	const char *rules;
	const char *filter;
	const char *policy;
	const char *policy_link;
	const char *control;
	uint32_t stage;
	struct bytes reply;
	bool has_defer;
	struct parley_defer_timeout defer;
	uint32_t fair_share;
	bool has_capacity;
	struct parley_capacity capacity;
};

/**
 * struct server - a listener at work
 * @opts: what is wanted of it
 * @listener: its socket
 * @door: where others get it
 * @arrivals: epoll: calls have come
 * @deferrals: epoll: a deferred call is new
 * @deferred: how many calls were when that was last told
 * @fresh: a call has come since that is not accepted
 * @signals: signalfd: it is time to end
 * @input: standard input, or -1: nobody types
 * @asker: asks who types
 * @served: how many connections there were
 */
struct server {
	struct listen_opts opts;
	int listener;
	struct door door;
	int arrivals;
	int deferrals;
	unsigned int deferred;
	bool fresh;
	int signals;
	int input;
	struct asker asker;
	unsigned long served;
};

int listener_open(struct server *server, const char *address);
int server_run(struct server *server);
bool server_wait(const struct server *server, int fd, short events);
int serve(const struct server *server, int fd);

#endif /* PARLEYCTL_LISTEN_H */
