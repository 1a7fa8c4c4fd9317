// SPDX-License-Identifier: GPL-2.0
/* See lib_pace.h. */
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib_pace.h"

static char bytes[1 << 20];

struct parley_flowspec pace_flow(__u32 rate, __u32 bucket)
{
	struct parley_qos qos;

	terms_qos_none(&qos);
	qos.send.token_rate = rate;
	qos.send.bucket_size = bucket;
	return qos.send;
}

int pace_pair(int listener, const char *host, int port,
	      const struct parley_flowspec *flow, bool callee, int fd[2])
{
	struct parley_qos qos;
	struct terms t = { .qos = &qos };
	socklen_t len = sizeof(t.type);
	int err;

	if (getsockopt(listener, SOL_SOCKET, SO_TYPE, &t.type, &len))
		return -errno;
	terms_qos_none(&qos);
	*(callee ? &qos.recv : &qos.send) = *flow;
	fd[callee] = terms_call(host, port, &t);
	if (fd[callee] < 0)
		return fd[callee];
	fd[!callee] = test_accept(listener, 0);
	if (fd[!callee] < 0)
		return fd[!callee];
	err = parley_nonblock(fd[0], false);
	return err ?: parley_nonblock(fd[1], false);
}

long pace_put(int fd, size_t n)
{
	long sent = send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	return sent < 0 ? -errno : sent;
}

long pace_drain(int fd, size_t n)
{
	long sent, sum = 0;

	do {
		sent = pace_put(fd, n);
		if (sent > 0)
			sum += sent;
	} while (sent > 0);
	return sent == -EAGAIN ? sum : sent;
}

long pace_get(int fd)
{
	long got, sum = 0;

	do {
		got = recv(fd, NULL, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);
		if (got > 0)
			sum += got;
	} while (got > 0);
	return !got || errno == EAGAIN ? sum : -errno;
}

int pace_until(unsigned long long from, unsigned int ms)
{
	unsigned long long ns = from + ms * 1000000ULL;
	const struct itimerspec when = {
		.it_value = { ns / 1000000000, ns % 1000000000 },
	};
	int fd, ret;

	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL))
		ret = -errno;
	else
		ret = parley_wait(fd, POLLIN) & POLLIN ? 0 : -ETIME;
	close(fd);
	return ret;
}
