// SPDX-License-Identifier: GPL-2.0
/* The words of lib_conform.h that move data, or ask whether it could move. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib_conform.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(arr)	(sizeof(arr) / sizeof((arr)[0]))
#endif

static char bytes[1 << 20];

struct conform_bits {
	const char *name;
	int bit;
};

static const struct conform_bits msg_bits[] = {
	{ "oob", MSG_OOB }, { "peek", MSG_PEEK }, { "dontroute", MSG_DONTROUTE },
	{ "ctrunc", MSG_CTRUNC }, { "trunc", MSG_TRUNC },
	{ "dontwait", MSG_DONTWAIT }, { "eor", MSG_EOR },
	{ "waitall", MSG_WAITALL }, { "errqueue", MSG_ERRQUEUE },
	{ "nosignal", MSG_NOSIGNAL }, { "more", MSG_MORE },
	{ "confirm", MSG_CONFIRM }, { "fin", MSG_FIN }, { "syn", MSG_SYN },
	{ "rst", MSG_RST }, { "waitforone", MSG_WAITFORONE },
	{ "zerocopy", MSG_ZEROCOPY }, { "fastopen", MSG_FASTOPEN },
	{ "cloexec", MSG_CMSG_CLOEXEC }, { "proxy", MSG_PROXY },
};

static const struct conform_bits poll_bits[] = {
	{ "IN", POLLIN }, { "PRI", POLLPRI }, { "OUT", POLLOUT },
	{ "RDHUP", POLLRDHUP }, { "ERR", POLLERR }, { "HUP", POLLHUP },
	{ "NVAL", POLLNVAL }, { "RDBAND", POLLRDBAND },
	{ "WRBAND", POLLWRBAND },
};

int conform_flags(int argc, char **argv, int from)
{
	int flags = 0;
	unsigned int k;
	int i;

	for (i = from; i < argc; i++)
		for (k = 0; k < ARRAY_SIZE(msg_bits); k++)
			if (!strcmp(argv[i], msg_bits[k].name))
				flags |= msg_bits[k].bit;
	return flags;
}

void conform_msg_flags(struct conform *c, int flags)
{
	unsigned int k;

	for (k = 0; k < ARRAY_SIZE(msg_bits); k++)
		if (flags & msg_bits[k].bit)
			conform_say(c, " %s", msg_bits[k].name);
}

static size_t fill_in(struct conform *c, const char *word)
{
	size_t n = strtoul(word, NULL, 0), i;

	if (n > sizeof(bytes))
		n = sizeof(bytes);
	for (i = 0; i < n; i++)
		bytes[i] = 'a' + c->count++ % 26;
	return n;
}

/* How many bytes came, and which, if they are few. */
static long tell(struct conform *c, long n)
{
	if (n < 0)
		return -errno;
	conform_say(c, "%ld", n);
	if (n && n <= 8)
		conform_say(c, " \"%.*s\"", (int)n, bytes);
	return n;
}

static long op_send(struct conform *c, int argc, char **argv)
{
	size_t n = fill_in(c, argv[2]);

	return conform_result(send(conform_fd(c, argv[1]), bytes, n,
				   conform_flags(argc, argv, 3)));
}

static long op_write(struct conform *c, int argc, char **argv)
{
	size_t n = fill_in(c, argv[2]);

	return conform_result(write(conform_fd(c, argv[1]), bytes, n));
}

static long op_sendto(struct conform *c, int argc, char **argv)
{
	size_t n = fill_in(c, argv[3]);
	const void *addr;
	socklen_t len;

	conform_addr(c, argv[2], &addr, &len);
	return conform_result(sendto(conform_fd(c, argv[1]), bytes, n,
				     conform_flags(argc, argv, 4), addr, len));
}

static long op_recv(struct conform *c, int argc, char **argv)
{
	struct iovec iov = { bytes, strtoul(argv[2], NULL, 0) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	long n;

	memset(bytes, '?', 8);
	n = recvmsg(conform_fd(c, argv[1]), &msg,
		    conform_flags(argc, argv, 3));
	tell(c, n);
	if (n >= 0)
		conform_msg_flags(c, msg.msg_flags);
	return conform_result(n);
}

static long op_read(struct conform *c, int argc, char **argv)
{
	return tell(c, read(conform_fd(c, argv[1]), bytes,
			    strtoul(argv[2], NULL, 0)));
}

static long op_recvfrom(struct conform *c, int argc, char **argv)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	long n;

	n = recvfrom(conform_fd(c, argv[1]), bytes, strtoul(argv[2], NULL, 0),
		     0, (void *)&ss, &len);
	tell(c, n);
	if (n >= 0)
		conform_say(c, " from %s", conform_addr_word(c, &ss, len));
	return conform_result(n);
}

/* writev a 3 0 5, readv a 2 2: a vector with these lengths */
static long op_vector(struct conform *c, int argc, char **argv)
{
	struct iovec iov[CONFORM_WORDS];
	int fd = conform_fd(c, argv[1]);
	size_t at = 0;
	int i;

	for (i = 2; i < argc; i++) {
		iov[i - 2].iov_base = bytes + at;
		iov[i - 2].iov_len = strtoul(argv[i], NULL, 0);
		at += iov[i - 2].iov_len;
	}
	if (!strcmp(argv[0], "readv"))
		return tell(c, readv(fd, iov, argc - 2));
	fill_in(c, "64");
	return conform_result(writev(fd, iov, argc - 2));
}

/* vectors a send 1025: so many vectors of a byte */
static long op_vectors(struct conform *c, int argc, char **argv)
{
	size_t n = strtoul(argv[3], NULL, 0);
	struct msghdr msg = { .msg_iovlen = n };
	int fd = conform_fd(c, argv[1]);
	static struct iovec iov[2048];
	size_t i;

	fill_in(c, argv[3]);
	for (i = 0; i < n && i < ARRAY_SIZE(iov); i++)
		iov[i] = (struct iovec){ bytes + i, 1 };
	msg.msg_iov = iov;
	if (!strcmp(argv[2], "send"))
		return conform_result(sendmsg(fd, &msg, 0));
	return conform_result(recvmsg(fd, &msg, MSG_DONTWAIT));
}

/* edge a send 10 4: ten bytes of which only four can be touched */
static long op_edge(struct conform *c, int argc, char **argv)
{
	size_t n = strtoul(argv[3], NULL, 0), good = strtoul(argv[4], NULL, 0);
	int fd = conform_fd(c, argv[1]);
	char *page, *at;
	long ret;

	page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || mprotect(page + 4096, 4096, PROT_NONE))
		return -errno;
	at = page + 4096 - good;
	memset(page, 'x', 4096);
	if (!strcmp(argv[2], "send"))
		ret = conform_result(send(fd, at, n, MSG_DONTWAIT));
	else
		ret = conform_result(recv(fd, at, n, MSG_DONTWAIT));
	munmap(page, 8192);
	return ret;
}

/* huge a send: more bytes than a call can say that it took */
static long op_huge(struct conform *c, int argc, char **argv)
{
	int fd = conform_fd(c, argv[1]);
	size_t n = 3UL << 30;
	char *at;
	long ret;

	at = mmap(NULL, n, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	if (!strcmp(argv[2], "send"))
		ret = conform_result(send(fd, at, n, MSG_DONTWAIT));
	else
		ret = conform_result(recv(fd, at, n, MSG_DONTWAIT));
	munmap(at, n);
	if (ret > 1000)
		conform_say(c, "some");
	return ret;
}

/* pull a 10 nonblock: splice() to a pipe; push a 10: from one */
static long op_splice(struct conform *c, int argc, char **argv)
{
	unsigned int flags = argc > 3 ? SPLICE_F_NONBLOCK : 0;
	int fd = conform_fd(c, argv[1]);
	size_t n = fill_in(c, argv[2]);
	long ret;
	int p[2];

	if (pipe(p))
		return -errno;
	if (!strcmp(argv[0], "pull"))
		ret = splice(fd, NULL, p[1], NULL, n, flags);
	else if (write(p[1], bytes, n) == n)
		ret = splice(p[0], NULL, fd, NULL, n, flags);
	else
		ret = -1;
	ret = conform_result(ret);
	close(p[0]);
	close(p[1]);
	return ret;
}

/* Until no byte more goes in; how many that are, each family has its way. */
static long op_fill(struct conform *c, int argc, char **argv)
{
	int fd = conform_fd(c, argv[1]);

	while (send(fd, bytes, 4096, MSG_DONTWAIT | MSG_NOSIGNAL) > 0 ||
	       send(fd, bytes, 1, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		;
	return -errno;
}

static long op_drain(struct conform *c, int argc, char **argv)
{
	int fd = conform_fd(c, argv[1]);
	long n;

	do {
		n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	} while (n > 0);
	return conform_result(n);
}

static long op_poll(struct conform *c, int argc, char **argv)
{
	struct pollfd p = {
		.fd = conform_fd(c, argv[1]),
		.events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP | POLLRDBAND,
	};
	unsigned int k;

	if (poll(&p, 1, 0) < 0)
		return -errno;
	for (k = 0; k < ARRAY_SIZE(poll_bits); k++)
		if (p.revents & poll_bits[k].bit)
			conform_say(c, "%s%s", c->note[0] ? " " : "",
				    poll_bits[k].name);
	if (!p.revents)
		conform_say(c, "nothing");
	return 0;
}

/* What comes along with data: kind and value for the sender */
static int control(const char *kind, struct msghdr *msg)
{
	struct cmsghdr *cm = msg->msg_control;
	struct ucred *cred = (void *)CMSG_DATA(cm);

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	*(int *)CMSG_DATA(cm) = 1;
	if (!strcmp(kind, "rights")) {
		cm->cmsg_type = SCM_RIGHTS;
	} else if (!strcmp(kind, "badrights")) {
		cm->cmsg_type = SCM_RIGHTS;
		*(int *)CMSG_DATA(cm) = 12345;
	} else if (!strcmp(kind, "creds") || !strcmp(kind, "badcreds")) {
		cm->cmsg_type = SCM_CREDENTIALS;
		cm->cmsg_len = CMSG_LEN(sizeof(*cred));
		*cred = (struct ucred){ getpid(), getuid(), getgid() };
		if (!strcmp(kind, "badcreds"))
			cred->pid = 0x3ffffff;
	} else if (!strcmp(kind, "mark")) {
		cm->cmsg_type = SO_MARK;
	} else if (!strcmp(kind, "unknown")) {
		cm->cmsg_type = 99;
	} else if (!strcmp(kind, "otherlevel")) {
		cm->cmsg_level = 77;
		cm->cmsg_type = 1;
	} else if (!strcmp(kind, "short")) {
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = 3;
	} else if (!strcmp(kind, "empty")) {
		cm->cmsg_len = 0;
	} else if (!strcmp(kind, "long")) {
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = 1000;
	} else {
		return -EINVAL;
	}
	msg->msg_controllen = CMSG_ALIGN(cm->cmsg_len);
	if (msg->msg_controllen < sizeof(*cm) || cm->cmsg_len == 1000)
		msg->msg_controllen = CMSG_SPACE(sizeof(int));
	return 0;
}

static long op_sendcmsg(struct conform *c, int argc, char **argv)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(64)];
	} u = {};
	struct iovec iov = { bytes, fill_in(c, argv[3]) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u,
	};
	int err = control(argv[2], &msg);

	return err ?: conform_result(sendmsg(conform_fd(c, argv[1]), &msg, 0));
}

/* recvcmsg a 10 64 peek: with so much room for what comes along */
static long op_recvcmsg(struct conform *c, int argc, char **argv)
{
	union {
		struct cmsghdr align;
		char room[256];
	} u = {};
	struct iovec iov = { bytes, strtoul(argv[2], NULL, 0) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u,
		.msg_controllen = strtoul(argv[3], NULL, 0),
	};
	struct cmsghdr *cm;
	long n;

	n = recvmsg(conform_fd(c, argv[1]), &msg, MSG_DONTWAIT |
		    conform_flags(argc, argv, 4));
	tell(c, n);
	if (n < 0)
		return -errno;
	for (cm = CMSG_FIRSTHDR(&msg); cm; cm = CMSG_NXTHDR(&msg, cm)) {
		conform_say(c, " +%d/%d", cm->cmsg_level, cm->cmsg_type);
		if (cm->cmsg_level == SOL_SOCKET &&
		    cm->cmsg_type == SCM_RIGHTS)
			close(*(int *)CMSG_DATA(cm));
	}
	conform_msg_flags(c, msg.msg_flags & ~MSG_CMSG_CLOEXEC);
	return n;
}

const struct conform_word conform_data_words[] = {
	{ "send", op_send, 2 },
	{ "write", op_write, 2 },
	{ "sendto", op_sendto, 3 },
	{ "recv", op_recv, 2 },
	{ "read", op_read, 2 },
	{ "recvfrom", op_recvfrom, 2 },
	{ "writev", op_vector, 1 },
	{ "readv", op_vector, 1 },
	{ "vectors", op_vectors, 3 },
	{ "edge", op_edge, 4 },
	{ "huge", op_huge, 2 },
	{ "pull", op_splice, 2 },
	{ "push", op_splice, 2 },
	{ "fill", op_fill, 1 },
	{ "drain", op_drain, 1 },
	{ "poll", op_poll, 1 },
	{ "sendcmsg", op_sendcmsg, 3 },
	{ "recvcmsg", op_recvcmsg, 3 },
	{ }
};
