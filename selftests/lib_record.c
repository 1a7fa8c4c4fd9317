// SPDX-License-Identifier: GPL-2.0
/* Sockets with records; see lib_record.h. */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib.h"
#include "lib_record.h"

int record_socket(int flags)
{
	int fd = socket(AF_PARLEY, SOCK_SEQPACKET | flags, 0);

	return fd < 0 ? -errno : fd;
}

int record_listener(const char *host, int port, int backlog)
{
	int fd = record_socket(0), err;

	if (fd < 0)
		return fd;
	err = parley_bind(fd, host, port);
	if (!err && listen(fd, backlog))
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int record_call(const char *host, int port)
{
	return test_call(record_socket(SOCK_NONBLOCK), host, port);
}

long record_put(int fd, const void *buf, size_t len, int flags)
{
	long n = send(fd, buf, len, flags | MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 ? -errno : n;
}

long record_get(int fd, void *buf, size_t room, int how, int *flags)
{
	struct iovec iov = { buf, room };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	long n = recvmsg(fd, &msg, how | MSG_DONTWAIT);

	if (n < 0)
		return -errno;
	if (flags)
		*flags = msg.msg_flags;
	return n;
}

int record_queued(int fd)
{
	int value = -1;

	return ioctl(fd, SIOCINQ, &value) ? -errno : value;
}

int record_unsent(int fd)
{
	int value = -1;

	return ioctl(fd, SIOCOUTQ, &value) ? -errno : value;
}

int record_limit(int from, int to)
{
	int mine = parley_sockopt(from, SOL_SOCKET, SO_SNDBUF);
	int theirs = parley_sockopt(to, SOL_SOCKET, SO_RCVBUF);

	return mine < theirs ? mine : theirs;
}
