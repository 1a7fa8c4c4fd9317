// SPDX-License-Identifier: GPL-2.0
/*
 * A caller: waits at most one second for the verdict of the server at
 * 127.0.0.1:7000, prints what it says, or why there was no connection.
 */
#include <arpa/inet.h>
#include <err.h>
#include <linux/parley.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
	struct sockaddr_in there = {
		.sin_family = AF_INET,
		.sin_port = htons(7000),
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	struct parley_refusal refusal;
	socklen_t len = sizeof(refusal);
	__u32 timeout_ms = 1000;
	char buf[256];
	ssize_t n;
	int fd;

	fd = socket(AF_PARLEY, SOCK_STREAM, 0);
	if (fd < 0)
		err(1, "AF_PARLEY (is the module parley loaded?)");
	if (setsockopt(fd, SOL_PARLEY, PARLEY_CONNECT_TIMEOUT, &timeout_ms,
		       sizeof(timeout_ms)))
		err(1, "PARLEY_CONNECT_TIMEOUT");

	if (connect(fd, (struct sockaddr *)&there, sizeof(there))) {
		warn("connect");
		if (!getsockopt(fd, SOL_PARLEY, PARLEY_REFUSAL, &refusal, &len) &&
		    refusal.reason == PARLEY_REASON_BACKLOG_FULL)
			warnx("the server is busy, call again later");
		return 1;
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, n, stdout);
	return 0;
}
