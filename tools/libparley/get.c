// SPDX-License-Identifier: GPL-2.0
/* The getters: socket options that say what a call was and what became of it. */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

/* What an older kernel does not know stays zero. */
static int plib_get_struct(int fd, int name, void *value, socklen_t len)
{
	memset(value, 0, len);
	return getsockopt(fd, SOL_PARLEY, name, value, &len);
}

static ssize_t plib_get_bytes(int fd, int name, void *buf, size_t room)
{
	socklen_t len = room > INT32_MAX ? INT32_MAX : room;

	if (!getsockopt(fd, SOL_PARLEY, name, buf, &len))
		return len;
	/* Too small is what a room of none is meant to be. */
	return errno == ERANGE && !buf && !room ? (ssize_t)len : -1;
}

ssize_t parley_get_call_data(int fd, void *buf, size_t room)
{
	return plib_get_bytes(fd, PARLEY_CALL_DATA, buf, room);
}

ssize_t parley_get_reply_data(int fd, void *buf, size_t room)
{
	return plib_get_bytes(fd, PARLEY_REPLY_DATA, buf, room);
}

/* Not every security module counts the NUL: it is put here, and not counted. */
static ssize_t plib_label_copy(char *buf, size_t room, const char *label,
			       size_t len)
{
	len = strnlen(label, len);
	if (!buf && !room)
		return len;
	if (len >= room) {
		errno = ERANGE;
		return -1;
	}
	memcpy(buf, label, len);
	buf[len] = '\0';
	return len;
}

ssize_t parley_get_label(int fd, char *buf, size_t room)
{
	ssize_t len, got;
	char *label;

	/* The label of an accepted socket does not change. */
	len = plib_get_bytes(fd, PARLEY_PEERSEC, NULL, 0);
	if (len < 0)
		return -1;
	label = malloc(len + 1);
	if (!label)
		return -1;
	got = plib_get_bytes(fd, PARLEY_PEERSEC, label, len);
	if (got >= 0)
		got = plib_label_copy(buf, room, label, got);
	free(label);
	return got;
}

int parley_get_refusal(int fd, struct parley_refusal *refusal)
{
	return plib_get_struct(fd, PARLEY_REFUSAL, refusal, sizeof(*refusal));
}

int parley_get_call_info(int fd, struct parley_call_info *info)
{
	return plib_get_struct(fd, PARLEY_CALL_INFO, info, sizeof(*info));
}

int parley_get_qos(int fd, struct parley_qos *qos)
{
	return plib_get_struct(fd, PARLEY_QOS, qos, sizeof(*qos));
}

int parley_get_backlog(int fd, struct parley_backlog *backlog)
{
	return plib_get_struct(fd, PARLEY_BACKLOG, backlog, sizeof(*backlog));
}
