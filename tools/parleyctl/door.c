// SPDX-License-Identifier: GPL-2.0
/*
 * The door of a listener: a UNIX socket that gives the listening descriptor to
 * each process that connects. Who may is a matter of the file's mode: its owner
 * and root. Nothing is read from them; what they do, they do with the
 * descriptor, so a process that dies in the middle leaves nothing behind here.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"

static int set_path(struct sockaddr_un *address, const char *path)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	if (!*path || strlen(path) >= sizeof(address->sun_path))
		return usage_error("--control: '%s' has not 1 to %zu characters",
				   path, sizeof(address->sun_path) - 1);
	memcpy(address->sun_path, path, strlen(path) + 1);
	return EXIT_OK;
}

/* A socket that nobody serves was left by a process that was killed. */
static bool is_stale(const struct sockaddr_un *address)
{
	struct stat st;
	bool stale;
	int fd;

	/* connect() says of other files, too, that nobody serves them. */
	if (lstat(address->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *)address,
			sizeof(*address)) && errno == ECONNREFUSED;
	close(fd);
	return stale;
}

/* Binds so that there is no moment in which others may connect. */
static int bind_private(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(0177);
	int ret = bind(fd, (const struct sockaddr *)address, sizeof(*address));
	int err = errno;

	umask(mask);
	errno = err;
	return ret;
}

static int bind_door(int fd, const struct sockaddr_un *address)
{
	const char *path = address->sun_path;

	if (!bind_private(fd, address))
		return EXIT_OK;
	if (errno == EADDRINUSE && is_stale(address)) {
		unlink(path);
		if (!bind_private(fd, address))
			return EXIT_OK;
	}
	if (errno != EADDRINUSE)
		return failure("--control: %s: %s", path, strerror(errno));
	failure("--control: %s exists", path);
	hint("another listener serves it, or it is no socket: choose another path");
	return EXIT_FAILED;
}

/* A @path of NULL makes no door, which is never knocked at. */
int door_open(struct door *door, const char *path)
{
	struct sockaddr_un address;
	struct epoll_event event = { .events = EPOLLIN };
	int ret;

	door->path = NULL;
	door->events = -1;
	if (!path)
		return EXIT_OK;
	ret = set_path(&address, path);
	if (ret)
		return ret;
	door->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC |
				       SOCK_NONBLOCK, 0);
	door->events = epoll_create1(EPOLL_CLOEXEC);
	if (door->socket < 0 || door->events < 0)
		return failure("--control: %s", strerror(errno));
	ret = bind_door(door->socket, &address);
	if (ret)
		return ret;
	door->path = path;
	event.data.fd = door->socket;
	if (listen(door->socket, 16) ||
	    epoll_ctl(door->events, EPOLL_CTL_ADD, door->socket, &event))
		return failure("--control: %s: %s", path, strerror(errno));
	return EXIT_OK;
}

/* Hands @listener to one who has connected. */
static bool hand_over(int fd, int listener)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	char byte = 'P';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &listener, sizeof(int));
	return sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == 1;
}

/* Serves those who knock and forgets those who left; never waits. */
void door_serve(const struct door *door, int listener)
{
	struct epoll_event event = { .events = EPOLLRDHUP };
	struct epoll_event events[16];
	int i, n;

	n = epoll_wait(door->events, events, ARRAY_SIZE(events), 0);
	for (i = 0; i < n; i++) {
		int fd = events[i].data.fd;

		if (fd != door->socket) {
			close(fd);
			continue;
		}
		fd = accept4(door->socket, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		event.data.fd = fd;
		if (!hand_over(fd, listener) ||
		    epoll_ctl(door->events, EPOLL_CTL_ADD, fd, &event))
			close(fd);
	}
}

void door_close(const struct door *door)
{
	if (door->path)
		unlink(door->path);
}
