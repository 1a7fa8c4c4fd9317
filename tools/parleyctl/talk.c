// SPDX-License-Identifier: GPL-2.0
/*
 * The conversation of parleyctl call: standard input goes to the server, what
 * comes back to standard output, both at once.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call.h"

static int put(struct sink *sink, const char *buf, size_t len)
{
	char *data;

	if (!sink->keep)
		return write_all(STDOUT_FILENO, buf, len);
	data = realloc(sink->bytes.data, sink->bytes.len + len);
	if (!data)
		return failure("receiving: out of memory");
	memcpy(data + sink->bytes.len, buf, len);
	sink->bytes.data = data;
	sink->bytes.len += len;
	return EXIT_OK;
}

/* Receives what there is; returns false at the end. */
static bool receive(int fd, struct sink *sink, int *ret)
{
	char buf[16384];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0) {
		*ret = put(sink, buf, n);
		return *ret == EXIT_OK;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n < 0)
		*ret = failure("receiving: %s", strerror(errno));
	return false;
}

/* Sends what the socket takes of the @left bytes at @text. */
static int transmit(int fd, const char **text, size_t *left)
{
	ssize_t n = send(fd, *text, *left, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return EXIT_OK;
	if (n < 0)
		return failure("sending: %s", strerror(errno));
	*text += n;
	*left -= n;
	return EXIT_OK;
}

/*
 * Both directions, until the other side ends. With @text that is all there is
 * to send.
 */
int talk(int fd, const char *text, struct sink *sink)
{
	int in = text || in_background(STDIN_FILENO) ? -1 : STDIN_FILENO;
	size_t left = text ? strlen(text) : 0;
	char buf[16384];
	bool ended = false;
	int ret = EXIT_OK;

	while (ret == EXIT_OK) {
		struct pollfd pfd[2] = {
			{ .fd = fd, .events = left ? POLLIN | POLLOUT : POLLIN },
			{ .fd = left ? -1 : in, .events = POLLIN },
		};

		if (!left && in < 0 && !ended) {
			shutdown(fd, SHUT_WR);
			ended = true;
		}
		if (poll(pfd, ARRAY_SIZE(pfd), -1) < 0 && errno != EINTR)
			return failure("poll: %s", strerror(errno));
		if (pfd[0].revents & (POLLIN | POLLHUP | POLLERR) &&
		    !receive(fd, sink, &ret))
			break;
		if (pfd[0].revents & POLLOUT && ret == EXIT_OK)
			ret = transmit(fd, &text, &left);
		if (pfd[1].revents) {
			ssize_t n = read(in, buf, sizeof(buf));

			text = buf;
			left = n > 0 ? n : 0;
			if (n <= 0)
				in = -1;
		}
	}
	return ret;
}
