// SPDX-License-Identifier: GPL-2.0
/*
 * The words of lib_conform.h about socket options, ioctls and about a socket
 * as a file.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib_conform.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(arr)	(sizeof(arr) / sizeof((arr)[0]))
#endif

/* By number, since C libraries are behind the kernel. */
static const char * const options[] = {
	[1] = "DEBUG", [2] = "REUSEADDR", [3] = "TYPE", [4] = "ERROR",
	[5] = "DONTROUTE", [6] = "BROADCAST", [7] = "SNDBUF", [8] = "RCVBUF",
	[9] = "KEEPALIVE", [10] = "OOBINLINE", [11] = "NO_CHECK",
	[12] = "PRIORITY", [13] = "LINGER", [14] = "BSDCOMPAT",
	[15] = "REUSEPORT", [16] = "PASSCRED", [17] = "PEERCRED",
	[18] = "RCVLOWAT", [19] = "SNDLOWAT", [20] = "RCVTIMEO",
	[21] = "SNDTIMEO", [22] = "SECURITY_AUTHENTICATION",
	[25] = "BINDTODEVICE", [26] = "ATTACH_FILTER",
	[27] = "DETACH_FILTER", [28] = "PEERNAME", [29] = "TIMESTAMP",
	[30] = "ACCEPTCONN", [31] = "PEERSEC", [32] = "SNDBUFFORCE",
	[33] = "RCVBUFFORCE", [34] = "PASSSEC", [35] = "TIMESTAMPNS",
	[36] = "MARK", [37] = "TIMESTAMPING", [38] = "PROTOCOL",
	[39] = "DOMAIN", [40] = "RXQ_OVFL", [41] = "WIFI_STATUS",
	[42] = "PEEK_OFF", [43] = "NOFCS", [44] = "LOCK_FILTER",
	[45] = "SELECT_ERR_QUEUE", [46] = "BUSY_POLL",
	[47] = "MAX_PACING_RATE", [48] = "BPF_EXTENSIONS",
	[49] = "INCOMING_CPU", [50] = "ATTACH_BPF",
	[51] = "ATTACH_REUSEPORT_CBPF", [52] = "ATTACH_REUSEPORT_EBPF",
	[53] = "CNX_ADVICE", [55] = "MEMINFO", [56] = "INCOMING_NAPI_ID",
	[57] = "COOKIE", [59] = "PEERGROUPS", [60] = "ZEROCOPY",
	[61] = "TXTIME", [62] = "BINDTOIFINDEX", [63] = "TIMESTAMP_NEW",
	[64] = "TIMESTAMPNS_NEW", [65] = "TIMESTAMPING_NEW",
	[66] = "RCVTIMEO_NEW", [67] = "SNDTIMEO_NEW",
	[68] = "DETACH_REUSEPORT_BPF", [69] = "PREFER_BUSY_POLL",
	[70] = "BUSY_POLL_BUDGET", [71] = "NETNS_COOKIE",
	[72] = "BUF_LOCK", [73] = "RESERVE_MEM", [74] = "TXREHASH",
	[75] = "RCVMARK", [76] = "PASSPIDFD", [77] = "PEERPIDFD",
	[78] = "DEVMEM_LINEAR", [79] = "DEVMEM_DMABUF",
	[80] = "DEVMEM_DONTNEED", [82] = "RCVPRIORITY",
	[83] = "PASSRIGHTS", [84] = "INQ",
};

static int option(const char *word)
{
	int i;

	for (i = 1; i < (int)ARRAY_SIZE(options); i++)
		if (options[i] && !strcmp(options[i], word))
			return i;
	return atoi(word);
}

union value {
	int num;
	unsigned char byte;
	unsigned long long wide;
	struct linger linger;
	struct timeval tv;
	struct ucred cred;
	char room[256];
};

static void tell_value(struct conform *c, int name, const union value *v,
		       socklen_t len)
{
	switch (name) {
	case SO_LINGER:
		conform_say(c, "%d %d", v->linger.l_onoff, v->linger.l_linger);
		return;
	case SO_RCVTIMEO:
	case SO_SNDTIMEO:
		conform_say(c, "%ld s", (long)v->tv.tv_sec);
		return;
	case SO_PEERCRED:
		conform_say(c, v->cred.pid == getpid() ? "own" :
			    v->cred.pid ? "other" : "nobody");
		return;
	case SO_COOKIE:
		conform_say(c, v->wide ? "some" : "0");
		return;
	case SO_DOMAIN:
		conform_say(c, v->num == c->family ? "own" : "other");
		return;
	case SO_TYPE:
		conform_say(c, v->num == c->type ? "own" : "other");
		return;
	case SO_PEERNAME:
		conform_say(c, "%s", conform_addr_word(c, v, len));
		return;
	}
	if (len == sizeof(int))
		conform_say(c, "%d", v->num);
	else if (len == 1)
		conform_say(c, "%d", v->byte);
	else
		conform_say(c, "%u bytes", len);
}

/* get a SNDBUF [ROOM] */
static long op_get(struct conform *c, int argc, char **argv)
{
	int fd = conform_fd(c, argv[1]), name = option(argv[2]);
	socklen_t len = argc > 3 ? atoi(argv[3]) : sizeof(union value);
	union value v = {};

	if (getsockopt(fd, SOL_SOCKET, name, &v, &len))
		return -errno;
	if (name == 77 && len == sizeof(int)) {
		close(v.num);
		conform_say(c, "descriptor");
		return 0;
	}
	tell_value(c, name, &v, len);
	return 0;
}

/* set a SNDBUF VALUE [LENGTH] */
static long op_set(struct conform *c, int argc, char **argv)
{
	int fd = conform_fd(c, argv[1]), name = option(argv[2]);
	socklen_t len = sizeof(int);
	union value v = {};

	v.num = atoi(argv[3]);
	if (name == SO_LINGER)
		len = sizeof(v.linger);
	if (name == SO_RCVTIMEO || name == SO_SNDTIMEO) {
		v.tv = (struct timeval){ atoi(argv[3]), 0 };
		len = sizeof(v.tv);
	}
	if (argc > 4)
		len = atoi(argv[4]);
	return conform_result(setsockopt(fd, SOL_SOCKET, name, &v, len));
}

static const struct {
	const char *name;
	unsigned long cmd;
} ioctls[] = {
	{ "FIONREAD", FIONREAD }, { "SIOCOUTQ", SIOCOUTQ },
	{ "SIOCOUTQNSD", SIOCOUTQNSD }, { "SIOCATMARK", SIOCATMARK },
	{ "SIOCGPGRP", SIOCGPGRP }, { "FIOGETOWN", FIOGETOWN },
	{ "SIOCUNIXFILE", SIOCPROTOPRIVATE },
	{ "SIOCGSTAMP", SIOCGSTAMP_OLD }, { "TCGETS", 0x5401 },
	{ "FIGETBSZ", 2 }, { "unknown", 0x12345678 },
};

static long op_ioctl(struct conform *c, int argc, char **argv)
{
	union value v = {};
	unsigned int i;
	long ret;

	for (i = 0; i < ARRAY_SIZE(ioctls); i++)
		if (!strcmp(ioctls[i].name, argv[2]))
			break;
	if (i == ARRAY_SIZE(ioctls))
		return -EINVAL;
	ret = conform_result(ioctl(conform_fd(c, argv[1]), ioctls[i].cmd, &v));
	if (ret >= 0)
		conform_say(c, "%d", v.num);
	return ret;
}

static long op_getfl(struct conform *c, int argc, char **argv)
{
	int fl = fcntl(conform_fd(c, argv[1]), F_GETFL);

	if (fl < 0)
		return -errno;
	conform_say(c, "%s%s%s", (fl & O_ACCMODE) == O_RDWR ? "rdwr" : "?",
		    fl & O_NONBLOCK ? " nonblock" : "",
		    fl & O_ASYNC ? " async" : "");
	return 0;
}

static long op_setfl(struct conform *c, int argc, char **argv)
{
	int fl = 0;

	if (!strcmp(argv[2], "nonblock"))
		fl = O_NONBLOCK;
	else if (!strcmp(argv[2], "async"))
		fl = O_ASYNC;
	else if (!strcmp(argv[2], "append"))
		fl = O_APPEND;
	else if (!strcmp(argv[2], "direct"))
		fl = O_DIRECT;
	return conform_result(fcntl(conform_fd(c, argv[1]), F_SETFL, fl));
}

static long op_cloexec(struct conform *c, int argc, char **argv)
{
	return conform_result(fcntl(conform_fd(c, argv[1]), F_GETFD));
}

static long op_stat(struct conform *c, int argc, char **argv)
{
	struct stat st;

	if (fstat(conform_fd(c, argv[1]), &st))
		return -errno;
	conform_say(c, "%s %o %ld", S_ISSOCK(st.st_mode) ? "socket" : "?",
		    st.st_mode & 07777, (long)st.st_size);
	return 0;
}

static long op_link(struct conform *c, int argc, char **argv)
{
	char path[32], to[32] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d",
		 conform_fd(c, argv[1]));
	if (readlink(path, to, sizeof(to) - 1) < 0)
		return -errno;
	to[strcspn(to, "[")] = 0;
	conform_say(c, "%s", to);
	return 0;
}

/* As a file in /proc it cannot be opened. */
static long op_open(struct conform *c, int argc, char **argv)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d",
		 conform_fd(c, argv[1]));
	return conform_result(open(path, O_RDWR));
}

static long op_file(struct conform *c, int argc, char **argv)
{
	int fd = conform_fd(c, argv[1]);
	char byte = 'x';
	void *at;

	switch (argv[0][0]) {
	case 'l':
		return conform_result(lseek(fd, 0, SEEK_CUR));
	case 'p':
		return conform_result(argv[0][1] == 'r' ?
				      pread(fd, &byte, 1, 0) :
				      pwrite(fd, &byte, 1, 0));
	case 'm':
		at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
		return conform_result(at == MAP_FAILED ? -1 : 0);
	case 'f':
		return conform_result(argv[0][1] == 's' ? fsync(fd) :
				      ftruncate(fd, 0));
	default:
		return conform_result(posix_fallocate(fd, 0, 1) ? -1 : 0);
	}
}

static long op_dup(struct conform *c, int argc, char **argv)
{
	int fd = dup(conform_fd(c, argv[1]));

	c->fd[argv[2][0] - 'a'] = fd;
	return fd < 0 ? -errno : 0;
}

const struct conform_word conform_file_words[] = {
	{ "get", op_get, 2 },
	{ "set", op_set, 3 },
	{ "ioctl", op_ioctl, 2 },
	{ "getfl", op_getfl, 1 },
	{ "setfl", op_setfl, 2 },
	{ "cloexec", op_cloexec, 1 },
	{ "stat", op_stat, 1 },
	{ "link", op_link, 1 },
	{ "open", op_open, 1 },
	{ "lseek", op_file, 1 },
	{ "pread", op_file, 1 },
	{ "pwrite", op_file, 1 },
	{ "mmap", op_file, 1 },
	{ "fsync", op_file, 1 },
	{ "ftruncate", op_file, 1 },
	{ "dup", op_dup, 2 },
	{ }
};
