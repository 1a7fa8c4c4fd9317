// SPDX-License-Identifier: GPL-2.0
/*
 * A hundred thousand connections at once, each of which carries a byte in
 * both directions. What they cost is measured beside AF_UNIX. Where memory is
 * short there are fewer, and the program says how many.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/un.h>

#include "lib.h"
#include "lib_race.h"

#define PORT		7620
#define MOST		100000
#define HOSTS		5	/* ports towards one address are limited */
#define SAMPLE		2000
#define SPOKEN		1000
#define RESERVE		(64L << 20)
/* So many are made without a look at the memory. */
#define STRIDE		8000

static int call[MOST], got[MOST];

FIXTURE(scale) {
	int l[HOSTS];
	long file_max;
};

static long number_in(const char *path)
{
	long value = -1;
	FILE *f = fopen(path, "re");

	if (!f)
		return -errno;
	if (fscanf(f, "%ld", &value) != 1)
		value = -EIO;
	fclose(f);
	return value;
}

static int write_number(const char *path, long value)
{
	FILE *f = fopen(path, "we");
	int err;

	if (!f)
		return -errno;
	err = fprintf(f, "%ld\n", value) < 0;
	return fclose(f) || err ? -EIO : 0;
}

static long memory(const char *what)
{
	char name[64];
	long value, found = -ENOENT;
	FILE *f = fopen("/proc/meminfo", "re");

	if (!f)
		return -errno;
	while (fscanf(f, "%63s %ld %*[^\n]", name, &value) == 2)
		if (!strcmp(name, what))
			found = value * 1024;
	fclose(f);
	return found;
}

FIXTURE_SETUP(scale)
{
	char host[16];
	int i;

	ASSERT_EQ(0, parley_ns_enter());
	self->file_max = number_in("/proc/sys/fs/file-max");
	ASSERT_LT(0, self->file_max);
	if (self->file_max < 3 * MOST)
		ASSERT_EQ(0, write_number("/proc/sys/fs/file-max", 3 * MOST));
	ASSERT_EQ(0, parley_nofile(2 * MOST + 100));
	for (i = 0; i < HOSTS; i++) {
		snprintf(host, sizeof(host), "127.0.0.%d", i + 1);
		self->l[i] = parley_listener(host, PORT, 100);
		ASSERT_LE(0, self->l[i]);
	}
}

FIXTURE_TEARDOWN(scale)
{
	struct parley_stat st;
	int i;

	for (i = 0; i < MOST && call[i]; i++) {
		close(call[i]);
		close(got[i]);
	}
	/* So many take longer to go than what is usually waited for. */
	for (i = 0; i < 10 && !parley_stat(&st) && st.sockets > HOSTS; i++)
		parley_until(!parley_stat(&st) && st.sockets <= HOSTS);
	EXPECT_EQ(0, parley_expect_clean());
	EXPECT_EQ(0, write_number("/proc/sys/fs/file-max", self->file_max));
}

static int make_one(const int *l, int i)
{
	char host[16];

	snprintf(host, sizeof(host), "127.0.0.%d", i % HOSTS + 1);
	call[i] = parley_call(host, PORT);
	if (call[i] < 0)
		return call[i];
	got[i] = test_accept(l[i % HOSTS], 0);
	return got[i] < 0 ? got[i] : 0;
}

/* Both ways: each end has written and read. */
static bool talk(int i)
{
	char c = i, d = ~c, e = ~c;

	return send(call[i], &c, 1, MSG_DONTWAIT) == 1 &&
	       recv(got[i], &d, 1, MSG_DONTWAIT) == 1 && c == d &&
	       send(got[i], &d, 1, MSG_DONTWAIT) == 1 &&
	       recv(call[i], &e, 1, MSG_DONTWAIT) == 1 && c == e;
}

static int make_unix(int l, const struct sockaddr_un *a, socklen_t len, int i)
{
	call[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (call[i] < 0 || connect(call[i], (void *)a, len))
		return -errno;
	got[i] = accept(l, NULL, NULL);
	return got[i] < 0 ? -errno : 0;
}

/* An idle pair, and one that has spoken: bytes of memory for each */
TEST_F(scale, cost_of_a_pair)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 6;
	long before, idle, spoken, other;
	int l = socket(AF_UNIX, SOCK_STREAM, 0);
	int i;

	memcpy(a.sun_path + 1, "scale", 5);
	ASSERT_EQ(0, bind(l, (void *)&a, len));
	ASSERT_EQ(0, listen(l, 100));

	/* What is allocated once for all is not counted. */
	for (i = 0; i < SAMPLE; i++)
		ASSERT_EQ(0, make_unix(l, &a, len, i));
	for (i = 0; i < SAMPLE; i++) {
		close(call[i]);
		close(got[i]);
	}
	before = memory("MemFree:");
	for (i = 0; i < SAMPLE; i++)
		ASSERT_EQ(0, make_unix(l, &a, len, i));
	other = (before - memory("MemFree:")) / SAMPLE;
	for (i = 0; i < SAMPLE; i++) {
		close(call[i]);
		close(got[i]);
	}

	before = memory("MemFree:");
	for (i = 0; i < SAMPLE; i++)
		ASSERT_EQ(0, make_one(self->l, i));
	idle = (before - memory("MemFree:")) / SAMPLE;
	for (i = 0; i < SAMPLE; i++)
		ASSERT_TRUE(talk(i));
	spoken = (before - memory("MemFree:")) / SAMPLE;
	TH_LOG("bytes for a pair: %ld idle, %ld after talking; AF_UNIX %ld",
	       idle, spoken, other);
	printf("# bytes for a pair: %ld idle, %ld after talking; AF_UNIX %ld\n",
	       idle, spoken, other);
	fflush(stdout);
}

/*
 * Pages that nobody needs are given back after a second or two: those of all
 * that were made in the meantime would be there at once.
 */
static bool short_of_memory(void)
{
	struct parley_stat st;

	parley_until(!parley_stat(&st) && !st.pages);
	return memory("MemFree:") < RESERVE;
}

TEST_F_TIMEOUT(scale, hundred_thousand, 1500)
{
	struct epoll_event ev[64];
	int i, k, n = race_scale(MOST), seen = 0;
	int ep = epoll_create1(EPOLL_CLOEXEC);
	long before, used;
	struct parley_stat st;
	char c;

	before = memory("MemAvailable:");
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, make_one(self->l, i)) {
			TH_LOG("after %d connections", i);
		}
		ASSERT_TRUE(talk(i));
		if (i % STRIDE == STRIDE - 1 && short_of_memory())
			n = i + 1;
	}
	used = before - memory("MemAvailable:");
	printf("# %d connections, all of them have talked: %ld MiB, ", n,
	       used >> 20);
	printf("%ld bytes each\n", used / n);
	fflush(stdout);
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(2 * n + HOSTS, st.sockets);

	/* Some speak: those are heard, and no others. */
	n = n < 10000 ? n : 10000;
	for (i = 0; i < n; i++) {
		ev[0].events = EPOLLIN | EPOLLET;
		ev[0].data.u32 = i;
		ASSERT_EQ(0, epoll_ctl(ep, EPOLL_CTL_ADD, got[i], &ev[0]));
	}
	ASSERT_EQ(0, epoll_wait(ep, ev, 64, 0));
	for (i = 0; i < n; i += n / SPOKEN)
		ASSERT_EQ(1, send(call[i], "x", 1, 0));
	while ((k = epoll_wait(ep, ev, 64, 0)) > 0)
		while (k--) {
			ASSERT_EQ(0, ev[k].data.u32 % (n / SPOKEN));
			ASSERT_EQ(1, recv(got[ev[k].data.u32], &c, 1, 0));
			seen++;
		}
	EXPECT_EQ((n + n / SPOKEN - 1) / (n / SPOKEN), seen);
	close(ep);
}

TEST_HARNESS_MAIN
