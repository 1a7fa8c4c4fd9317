// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses as the user writes and reads them: HOST:PORT, with an IPv6
 * address in brackets.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parleyctl.h"

/*
 * Splits @text in place. The port is a number: parley's ports are its own,
 * the names in /etc/services are those of TCP and UDP.
 */
static int split(char *text, char **host, char **port)
{
	char *colon = strrchr(text, ':');
	unsigned long number;

	if (!colon || !colon[1])
		return usage_error("'%s' has no port: write ADDRESS:PORT, as in 127.0.0.1:7000",
				   text);
	*colon = '\0';
	*port = colon + 1;
	*host = text;
	if (text[0] == '[' && colon > text + 1 && colon[-1] == ']') {
		colon[-1] = '\0';
		*host = text + 1;
	} else if (strchr(text, ':')) {
		return usage_error("'%s:%s': write an IPv6 address in brackets, as in [::1]:7000",
				   text, *port);
	}
	if (!**host)
		return usage_error("':%s' has no address: 0.0.0.0 and [::] stand for any address",
				   *port);
	return parse_number("PORT", *port, 65535, &number);
}

/*
 * Looks up @text. On success the caller frees @list; otherwise this has told
 * why and returns the exit code.
 */
int addr_resolve(const char *text, struct addrinfo **list)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	char *copy = strdup(text);
	char *host = NULL, *port = NULL;
	int ret;

	if (!copy)
		return failure("out of memory");
	ret = split(copy, &host, &port);
	if (!ret) {
		int err = getaddrinfo(host, port, &hints, list);

		if (err)
			ret = failure("'%s' is no address, and no host that is known: %s",
				      host, gai_strerror(err));
	}
	free(copy);
	return ret;
}

const char *addr_text(const void *addr, char text[static ADDR_TEXT])
{
	const struct sockaddr *sa = addr;
	bool v6 = sa->sa_family == AF_INET6;
	char host[ADDR_TEXT - 10], port[6];

	if (getnameinfo(sa, v6 ? sizeof(struct sockaddr_in6) :
				 sizeof(struct sockaddr_in),
			host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(text, ADDR_TEXT, "(address of family %d)",
			 sa->sa_family);
	else
		snprintf(text, ADDR_TEXT, v6 ? "[%s]:%s" : "%s:%s", host, port);
	return text;
}

/* The socket's own address; the caller's identity while its call waits. */
const char *addr_local(int fd, char text[static ADDR_TEXT])
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len)) {
		snprintf(text, ADDR_TEXT, "(getsockname: %m)");
		return text;
	}
	return addr_text(&sa, text);
}
