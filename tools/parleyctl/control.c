// SPDX-License-Identifier: GPL-2.0
/*
 * The listener of another process, as parleyctl listen --control hands it out.
 *
 * What has been seen of the calls is a matter of the listener, not of the
 * process that looks. So those that look at all calls take turns, by a lock on
 * the descriptor: one of fcntl(2)'s older kind, which belongs to a process and
 * not to the open file that all of them share. It ends with the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"

/* Seconds until a server that says nothing is taken for a stopped one. */
#define PATIENCE	30

static int explain(const char *path, int err)
{
	failure("--control: %s: %s", path, strerror(err));
	if (err == ENOENT || err == ECONNREFUSED)
		hint("start 'parleyctl listen --control %s ADDRESS:PORT' first",
		     path);
	else if (err == EACCES)
		hint("only who started the listener, and root, may");
	else if (err == EAGAIN)
		hint("the listener does not answer: is it stopped?");
	return EXIT_FAILED;
}

static int enter(const char *path)
{
	const struct timeval patience = { .tv_sec = PATIENCE };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

/* The descriptor that comes through @fd, or -1. */
static int receive(int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room),
	};
	struct cmsghdr *cmsg;
	int listener;

	if (recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) < 0)
		return -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET ||
	    cmsg->cmsg_type != SCM_RIGHTS ||
	    cmsg->cmsg_len != CMSG_LEN(sizeof(int))) {
		errno = EPROTO;
		return -1;
	}
	memcpy(&listener, CMSG_DATA(cmsg), sizeof(int));
	return listener;
}

/* What it opens ends with the process. */
int control_open(struct control *control, const char *path)
{
	struct parley_backlog backlog;

	if (!path)
		return usage_error("give --control PATH, as 'parleyctl listen' had it");
	control->path = path;
	control->connection = enter(path);
	if (control->connection < 0)
		return explain(path, errno);
	control->listener = receive(control->connection);
	if (control->listener < 0)
		return explain(path, errno);
	if (parley_get_backlog(control->listener, &backlog)) {
		failure("--control: %s does not hand out a parley socket that listens",
			path);
		hint("only 'parleyctl listen --control' does, while it listens");
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

int control_lock(const struct control *control)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	while (fcntl(control->listener, F_SETLKW, &lock)) {
		if (errno != EINTR)
			return failure("--control: %s: cannot lock the listener: %s",
				       control->path, strerror(errno));
	}
	return EXIT_OK;
}

void control_unlock(const struct control *control)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	fcntl(control->listener, F_SETLK, &lock);
}

/* Has the process that listens ended? */
bool control_gone(const struct control *control)
{
	struct pollfd pfd = { .fd = control->connection, .events = POLLRDHUP };

	return poll(&pfd, 1, 0) != 0;
}

/*
 * An epoll descriptor that is ready for reading once for each change among the
 * undecided calls; -1 after it has told why not.
 */
int control_events(const struct control *control)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLPRI | EPOLLET };
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd >= 0 && !epoll_ctl(fd, EPOLL_CTL_ADD, control->listener, &event))
		return fd;
	failure("epoll: %s", strerror(errno));
	return -1;
}
