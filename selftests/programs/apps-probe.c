// SPDX-License-Identifier: GPL-2.0
/*
 * A dynamically linked program that knows nothing of parley, for apps_run.c:
 * makes sockets of all kinds and says what it got.
 *
 *	apps-probe			names them
 *	apps-probe twice		in two processes
 *	apps-probe served		with a TCP socket as standard error
 *	apps-probe env			shows LD_PRELOAD
 *	apps-probe exit CODE
 *
 * It is made on one Debian and may run with the C library of an older one, so
 * it keeps to functions that never changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PARLEY	18

static const struct {
	const char *kind;
	int domain;
	int type;
	int protocol;
} sockets[] = {
	{ "tcp", AF_INET, SOCK_STREAM, 0 },
	{ "tcp", AF_INET, SOCK_STREAM, IPPROTO_TCP },
	{ "tcp", AF_INET6, SOCK_STREAM, 0 },
	{ "tcp", AF_INET6, SOCK_STREAM, IPPROTO_TCP },
	{ "tcp", AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0 },
	{ "tcp", AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP },
	{ "tcp", AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0 },
	{ "tcp", AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP },
	{ "udp", AF_INET, SOCK_DGRAM, 0 },
	{ "udp", AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP },
	{ "raw", AF_INET, SOCK_RAW, IPPROTO_ICMP },
	{ "unix", AF_UNIX, SOCK_STREAM, 0 },
	{ "netlink", AF_NETLINK, SOCK_RAW, 0 },
	{ "multipath", AF_INET, SOCK_STREAM, 262 },
	{ "sctp", AF_INET, SOCK_STREAM, IPPROTO_SCTP },
	{ "seqpacket", AF_INET, SOCK_SEQPACKET, 0 },
};

#define SOCKETS	(sizeof(sockets) / sizeof(*sockets))

static int flags_wrong;
static int errno_wrong;

static const char *name_of(int i)
{
	int fd, domain = 0, type = sockets[i].type;
	socklen_t len = sizeof(domain);
	const char *name;

	errno = 77;
	fd = socket(sockets[i].domain, type, sockets[i].protocol);
	if (fd < 0)
		return "refused";
	errno_wrong |= errno != 77;
	flags_wrong |= !(fcntl(fd, F_GETFD) & FD_CLOEXEC) !=
		       !(type & SOCK_CLOEXEC);
	flags_wrong |= !(fcntl(fd, F_GETFL) & O_NONBLOCK) !=
		       !(type & SOCK_NONBLOCK);
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len))
		name = "broken";
	else if (domain == PARLEY)
		name = "parley";
	else
		name = domain == sockets[i].domain ? "itself" : "another";
	close(fd);
	return name;
}

static void probe(void)
{
	unsigned int i;

	for (i = 0; i < SOCKETS; i++)
		printf("%s is %s\n", sockets[i].kind, name_of(i));
	printf("flags %s\nerrno %s\n", flags_wrong ? "wrong" : "kept",
	       errno_wrong ? "wrong" : "kept");
	fflush(stdout);
}

/* A connection over TCP, made before there is anything to say about it. */
static int served(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int listener, client, server;
	char c;

	/* Made by system calls, so that it is TCP's in any case. */
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = syscall(41, AF_INET, SOCK_STREAM, 0);
	client = syscall(41, AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (void *)&a, len) || listen(listener, 1) ||
	    getsockname(listener, (void *)&a, &len) ||
	    connect(client, (void *)&a, len))
		return 1;
	server = accept(listener, NULL, NULL);
	if (server < 0 || dup2(server, 2) < 0)
		return 1;
	close(socket(AF_INET, SOCK_STREAM, 0));
	puts(recv(client, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN ?
	     "not a word" : "somebody wrote into the connection");
	return 0;
}

int main(int argc, char *argv[])
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "exit"))
		return atoi(argv[2]);
	if (!strcmp(what, "env")) {
		printf("LD_PRELOAD=%s\n", getenv("LD_PRELOAD"));
		return 0;
	}
	if (!strcmp(what, "served"))
		return served();
	probe();
	if (!strcmp(what, "twice")) {
		if (!fork()) {
			probe();
			return 0;
		}
		wait(NULL);
	}
	return 0;
}
