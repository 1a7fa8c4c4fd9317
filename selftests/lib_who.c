// SPDX-License-Identifier: GPL-2.0
/* Who calls, and who is said to have called; see lib_who.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib_terms.h"
#include "lib_who.h"

#define GROUPS	64

int who_caller_start(struct who_caller *c)
{
	int step = 0, fd, events;

	if (parley_gate_init(&c->changed) || parley_gate_init(&c->end))
		return -errno;
	c->pid = parley_fork();
	if (c->pid)
		return c->pid < 0 ? c->pid : parley_gate_wait(&c->changed);
	WHO_STEP(!c->before || c->before(c));
	fd = parley_call(c->host, c->port);
	WHO_STEP(fd >= 0);
	WHO_STEP(!c->after || c->after(c));
	WHO_STEP(!parley_gate_open(&c->changed));
	/* Who accepted may have hung up already. */
	events = parley_wait(fd, POLLOUT);
	WHO_STEP(events > 0 && !(events & POLLERR));
	WHO_STEP(!parley_gate_wait(&c->end));
	_exit(0);
}

int who_caller_end(struct who_caller *c)
{
	return parley_gate_open(&c->end) ?: parley_reap(c->pid);
}

static bool who_differs(const char *what, long got, long want)
{
	if (got == want)
		return false;
	printf("# %s is %ld, not %ld\n", what, got, want);
	fflush(stdout);
	return true;
}

static bool who_groups_are(const gid_t *got, const struct who *w)
{
	int i;

	for (i = 0; i < w->groups; i++)
		if (who_differs("a supplementary group", got[i], w->group[i]))
			return false;
	return true;
}

/* Groups come whole or not at all. */
bool who_peer_is(int fd, const struct who *w)
{
	socklen_t len = sizeof(struct ucred), size = w->groups * sizeof(gid_t);
	gid_t group[GROUPS];
	struct ucred c;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) ||
	    who_differs("the peer's uid", c.uid, w->uid) ||
	    who_differs("the peer's gid", c.gid, w->gid) ||
	    who_differs("the peer's pid", c.pid, w->pid))
		return false;
	len = sizeof(group);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, group, &len) ||
	    who_differs("the length of the peer's groups", len, size) ||
	    !who_groups_are(group, w))
		return false;
	if (!size)
		return true;
	len = size - 1;
	return getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, group, &len) &&
	       errno == ERANGE && len == size;
}

static bool who_info_is(const struct parley_call_info *info,
			const struct who *w)
{
	return !who_differs("uid", info->uid, w->uid) &&
	       !who_differs("gid", info->gid, w->gid) &&
	       !who_differs("pid", info->pid, w->pid) &&
	       !who_differs("number of groups", info->groups, w->groups);
}

bool who_called_is(int fd, const struct who *w)
{
	struct parley_call_info info;

	return !terms_info(fd, &info) && who_info_is(&info, w) &&
	       who_peer_is(fd, w);
}

bool who_offers_is(int listener, const struct who *w)
{
	gid_t group[GROUPS];
	struct parley_next_call next = {
		.size = sizeof(next),
		.flags = PARLEY_NEXT_REWIND,
		.groups = (uintptr_t)group,
		.groups_room = GROUPS,
	};

	return !ioctl(listener, PARLEY_IOC_NEXT_CALL, &next) &&
	       who_info_is(&next.info, w) &&
	       !who_differs("groups given", next.groups_room, w->groups) &&
	       who_groups_are(group, w);
}

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

static void who_message(struct msghdr *msg, union control *control,
			struct iovec *byte)
{
	memset(msg, 0, sizeof(*msg));
	memset(control, 0, sizeof(*control));
	msg->msg_iov = byte;
	msg->msg_iovlen = 1;
	msg->msg_control = control;
	msg->msg_controllen = sizeof(*control);
}

int who_send_fd(int to, int fd)
{
	struct iovec byte = { .iov_base = "x", .iov_len = 1 };
	union control control;
	struct msghdr msg;

	who_message(&msg, &control, &byte);
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	return sendmsg(to, &msg, 0) == 1 ? 0 : -errno;
}

int who_receive_fd(int from)
{
	union control control;
	struct msghdr msg;
	struct iovec byte;
	char c;
	int fd;

	byte.iov_base = &c;
	byte.iov_len = 1;
	who_message(&msg, &control, &byte);
	if (parley_wait(from, POLLIN) <= 0 || recvmsg(from, &msg, 0) != 1 ||
	    !CMSG_FIRSTHDR(&msg))
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}
