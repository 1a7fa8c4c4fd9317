// SPDX-License-Identifier: GPL-2.0
/*
 * A server with a condition: it looks at each call, who makes it and what it
 * brings, and lets in those of its own user that say a name. The others learn
 * why not. README.md shows its middle.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <parley.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int condition(const struct parley_offer *offer,
		     struct parley_answer *answer, void *arg)
{
	const uid_t *owner = arg;

	if (offer->info->uid != *owner) {
		answer->code = 1;
		return PARLEY_REFUSE;
	}
	if (!offer->data_len) {
		answer->code = 2;
		answer->reply = "say your name as call data";
		answer->reply_len = strlen(answer->reply);
		return PARLEY_REFUSE;
	}
	answer->reply_len = snprintf(answer->buf, answer->buf_room,
				     "good morning, %.*s",
				     (int)offer->data_len,
				     (const char *)offer->data);
	return PARLEY_ACCEPT;
}

int main(void)
{
	struct sockaddr_in here = {
		.sin_family = AF_INET,
		.sin_port = htons(7000),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	uid_t owner = getuid();
	int listener, call;

	signal(SIGPIPE, SIG_IGN);

	listener = socket(AF_PARLEY, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) ||
	    listen(listener, 16))
		err(1, "127.0.0.1:7000");
	while (1) {
		call = parley_accept(listener, NULL, NULL, condition, &owner, 0);
		if (call >= 0)
			close(call);
		else if (errno != ECONNREFUSED && errno != ECONNABORTED)
			err(1, "parley_accept");
	}
}
