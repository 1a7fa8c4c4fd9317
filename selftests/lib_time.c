// SPDX-License-Identifier: GPL-2.0
/* See lib_time.h. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "lib_time.h"

bool time_counted(void)
{
	return getenv("PARLEY_COUNTED");
}

unsigned int time_days(void)
{
	const char *text = getenv("PARLEY_DAYS");

	return text ? strtoul(text, NULL, 0) : 0;
}

unsigned long long time_tick(void)
{
	struct timespec ts;

	clock_getres(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec * TIME_SECOND + ts.tv_nsec;
}

bool time_right(const char *what, unsigned long long ms, unsigned long long ns,
		unsigned int slack, bool in_ticks)
{
	unsigned long long least = ms * TIME_MS;
	unsigned long long most = least + slack * time_tick();

	if (in_ticks && !time_counted())
		return true;
	if (in_ticks && least / time_tick() >= 63)
		most += least / 8;
	if (ns >= least && (!time_counted() || ns <= most))
		return true;
	printf("# %s: %llu ms took %llu.%06llu ms\n", what, ms, ns / TIME_MS,
	       ns % TIME_MS);
	fflush(stdout);
	return false;
}

int time_until(unsigned long long ns)
{
	const struct itimerspec when = {
		.it_value = { ns / TIME_SECOND, ns % TIME_SECOND },
	};
	int fd, err = 0;
	uint64_t times;

	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL) ||
	    read(fd, &times, sizeof(times)) != sizeof(times))
		err = -errno;
	close(fd);
	return err;
}

int time_call(int port, unsigned int ms)
{
	int err, fd = parley_socket(SOCK_NONBLOCK);

	if (fd < 0)
		return fd;
	err = parley_call_timeout(fd, ms) ?:
	      test_connect(fd, "127.0.0.1", port);
	if (err == -EINPROGRESS)
		return fd;
	close(fd);
	return err ?: -EISCONN;
}
