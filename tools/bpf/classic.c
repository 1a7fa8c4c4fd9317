// SPDX-License-Identifier: GPL-2.0
/*
 * A server with a classic filter, which needs no privilege and no library. It
 * lets in callers of its own user whose call data begin with "mail":
 *
 *	classic 7000
 *	parleyctl call --data 'mail for you' 127.0.0.1:7000
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/parley.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Where a member of the packet is. */
#define AT(member)	offsetof(struct parley_packet, member)

/*
 * The packet is in network byte order, and loads turn it into the host's. A
 * load from beyond the end of the packet returns 0, which refuses the call, so
 * data of less than four bytes need no test of their own.
 */
static void attach_filter(int fd)
{
	struct sock_filter code[] = {
		/* The caller's uid, as this process sees it. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(uid)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, getuid(), 0, 5),
		/* The data come after the header, however long that is. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT(header_len)),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x6d61696c, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, PARLEY_FILTER_ACCEPT),
		BPF_STMT(BPF_RET | BPF_K, PARLEY_FILTER_REFUSE),
	};
	struct sock_fprog filter = {
		.len = ARRAY_SIZE(code),
		.filter = code,
	};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
		       sizeof(filter)))
		err(1, "SO_ATTACH_FILTER");
}

static void serve(int fd)
{
	static const char welcome[] = "thank you\n";
	struct ucred caller;
	socklen_t len = sizeof(caller);
	char mail[4096];

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &caller, &len))
		err(1, "SO_PEERCRED");
	printf("mail from process %d\n", caller.pid);
	fflush(stdout);
	if (write(fd, welcome, sizeof(welcome) - 1) < 0 && errno != EPIPE)
		warn("write");
	/* What would be left unread makes close(2) a reset for the caller. */
	while (read(fd, mail, sizeof(mail)) > 0)
		;
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = {
		.sin_family = AF_INET,
		.sin_port = htons(argc > 1 ? atoi(argv[1]) : 7000),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	int listener, call;

	signal(SIGPIPE, SIG_IGN);
	listener = socket(AF_PARLEY, SOCK_STREAM, 0);
	if (listener < 0)
		err(1, "socket");
	/* Before listen(2): then no call comes that it is not asked about. */
	attach_filter(listener);
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) ||
	    listen(listener, 16))
		err(1, "127.0.0.1:%d", ntohs(here.sin_port));
	while (1) {
		/* Calls that the filter refuses are not seen here. */
		call = accept(listener, NULL, NULL);
		if (call >= 0) {
			serve(call);
			close(call);
		} else if (errno != ECONNREFUSED && errno != ECONNABORTED) {
			err(1, "accept");
		}
	}
}
