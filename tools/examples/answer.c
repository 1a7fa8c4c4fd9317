// SPDX-License-Identifier: GPL-2.0
/*
 * A server in its shortest form: takes calls at 127.0.0.1:7000, greets each
 * caller by its user id and hangs up. README.md shows its middle.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <linux/parley.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	struct sockaddr_in here = {
		.sin_family = AF_INET,
		.sin_port = htons(7000),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	socklen_t len = sizeof(struct ucred);
	struct ucred caller;
	int listener, call;

	signal(SIGPIPE, SIG_IGN);

	listener = socket(AF_PARLEY, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) ||
	    listen(listener, 16))
		err(1, "127.0.0.1:7000");
	while ((call = accept(listener, NULL, NULL)) >= 0) {
		getsockopt(call, SOL_SOCKET, SO_PEERCRED, &caller, &len);
		dprintf(call, "good morning, user %u\n", caller.uid);
		close(call);
	}
	err(1, "accept");
}
