// SPDX-License-Identifier: GPL-2.0
/* parley_connect(): put the terms of a call on its socket, then call. */
#include <errno.h>
#include <netinet/in.h>

#include "internal.h"

static int plib_set(int fd, int name, const void *value, socklen_t len)
{
	return setsockopt(fd, SOL_PARLEY, name, value, len);
}

/*
 * Sets errno to why a socket takes no terms, as connect(2) would say it. It is
 * not asked, since the call could end just now, and a new one would be made.
 */
static void plib_why_not(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(int);
	int listens = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len))
		return;
	if (listens) {
		errno = EINVAL;
		return;
	}
	len = sizeof(peer);
	if (getpeername(fd, (struct sockaddr *)&peer, &len))
		errno = EALREADY;
	else
		errno = EISCONN;
}

/* Any number may be a group: EINVAL is about the socket, nothing else. */
static int plib_set_group(int fd, uint64_t group)
{
	if (!plib_set(fd, PARLEY_GROUP, &group, sizeof(group)))
		return 0;
	if (errno == EINVAL)
		plib_why_not(fd);
	return -1;
}

static int plib_set_data(int fd, const void *data, size_t len)
{
	if (len > INT32_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	return plib_set(fd, PARLEY_CALL_DATA, data, len);
}

/* To ask for nothing in particular is not to ask. */
static int plib_set_qos(int fd, const struct parley_qos *qos)
{
	const struct parley_qos none = {
		.send = plib_flow_unspecified,
		.recv = plib_flow_unspecified,
	};

	return plib_set(fd, PARLEY_QOS, qos ? qos : &none, sizeof(*qos));
}

static int plib_set_timeout(int fd, uint32_t ms)
{
	if (!ms)
		return 0;
	if (ms == PARLEY_TIMEOUT_NEVER)
		ms = 0;
	return plib_set(fd, PARLEY_CONNECT_TIMEOUT, &ms, sizeof(ms));
}

int parley_connect(int fd, const struct sockaddr *to, socklen_t len,
		   const struct parley_terms *terms)
{
	static const struct parley_terms none;

	if (!terms)
		terms = &none;
	if (plib_set_group(fd, terms->group) ||
	    plib_set_data(fd, terms->data, terms->data_len) ||
	    plib_set_qos(fd, terms->qos) ||
	    plib_set_timeout(fd, terms->timeout_ms))
		return -1;
	return connect(fd, to, len);
}
