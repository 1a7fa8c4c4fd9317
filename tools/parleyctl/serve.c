// SPDX-License-Identifier: GPL-2.0
/*
 * The server's side of one connection: prints what comes, or sends it back.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "listen.h"

/* Sends all of @buf back; false when the connection is over. */
static bool send_back(const struct server *server, int fd, const char *buf,
		      size_t len)
{
	while (len) {
		ssize_t n = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			if (!server_wait(server, fd, POLLOUT))
				return false;
			continue;
		}
		if (n < 0) {
			say("sending: %s", strerror(errno));
			return false;
		}
		buf += n;
		len -= n;
	}
	return true;
}

/* Carries the data of one connection until its end. */
int serve(const struct server *server, int fd)
{
	unsigned long long total = 0;
	char buf[16384];
	int ret = EXIT_OK;
	ssize_t n;

	while (server_wait(server, fd, POLLIN)) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			say("receiving: %s", strerror(errno));
		if (n <= 0)
			break;
		total += n;
		if (!server->opts.echo)
			ret = write_all(STDOUT_FILENO, buf, n);
		else if (!send_back(server, fd, buf, n))
			break;
		if (ret)
			return ret;
	}
	say("call ended, %llu bytes received", total);
	return EXIT_OK;
}
