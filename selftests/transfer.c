// SPDX-License-Identifier: GPL-2.0
/*
 * Streams arrive whole: every mix of write and read sizes, with large and small
 * buffers, in one direction and in both, between threads and processes, and
 * with several writers and readers on the same socket. And descriptors that are
 * passed on to another process.
 */
#include "kselftest_harness.h"

#include <sys/uio.h>

#include "lib.h"
#include "lib_race.h"

#define PORT	6300
#define PERIOD	65521		/* of the pattern, a prime */
#define LARGEST	1048576

/* A pattern with no period that any buffer or page size divides. */
static unsigned char pattern[PERIOD + LARGEST];

static void pattern_init(void)
{
	struct race_random r;
	size_t i;

	race_random_init(&r, 12345, 0);
	for (i = 0; i < PERIOD; i++)
		pattern[i] = race_random(&r);
	for (; i < sizeof(pattern); i++)
		pattern[i] = pattern[i - PERIOD];
}

static const unsigned char *at(size_t offset)
{
	return pattern + offset % PERIOD;
}

/* How large each write or read is; RANDOM is anything up to 64 KiB. */
#define RANDOM	0

struct pump {
	struct parley_thread thread;
	struct race_random random;
	int fd;
	size_t size;
	size_t total;
	bool vectors;		/* readv() and writev() */
	unsigned char *buf;
};

static size_t pump_size(struct pump *p, size_t done)
{
	size_t size = p->size ?: 1 + race_below(&p->random, 65536);

	return size < p->total - done ? size : p->total - done;
}

/* Three pieces, one of them empty now and then. */
static int split(struct pump *p, struct iovec *iov, const void *buf, size_t n)
{
	size_t first = race_below(&p->random, n + 1);
	size_t second = race_below(&p->random, n - first + 1);

	iov[0] = (struct iovec){ (void *)buf, first };
	iov[1] = (struct iovec){ (void *)buf + first, second };
	iov[2] = (struct iovec){ (void *)buf + first + second,
				 n - first - second };
	return 3;
}

static long pump_out(void *arg)
{
	struct pump *p = arg;
	struct iovec iov[3];
	size_t done = 0, n;
	ssize_t sent;

	while (done < p->total) {
		n = pump_size(p, done);
		if (p->vectors)
			sent = writev(p->fd, iov, split(p, iov, at(done), n));
		else
			sent = send(p->fd, at(done), n, MSG_NOSIGNAL);
		/* A blocking write writes all. */
		if (sent != (ssize_t)n)
			return sent < 0 ? -errno : -EIO;
		done += sent;
	}
	return shutdown(p->fd, SHUT_WR) ? -errno : 0;
}

static long pump_in(void *arg)
{
	struct pump *p = arg;
	struct iovec iov[3];
	size_t done = 0, n;
	ssize_t got;

	for (;;) {
		n = p->size ?: 1 + race_below(&p->random, 65536);
		if (p->vectors)
			got = readv(p->fd, iov, split(p, iov, p->buf, n));
		else
			got = recv(p->fd, p->buf, n, 0);
		if (got < 0)
			return -errno;
		if (got == 0)
			return done == p->total ? 0 : -ENODATA;
		if (got > (ssize_t)n || memcmp(p->buf, at(done), got))
			return -EILSEQ;
		done += got;
	}
}

static int pump_start(struct pump *p, long (*fn)(void *), int fd, size_t size,
		      size_t total)
{
	p->fd = fd;
	p->size = size;
	p->total = total;
	race_random_init(&p->random, size, total);
	if (!p->buf)
		p->buf = malloc(LARGEST);
	return p->buf ? parley_thread_start(&p->thread, 0, fn, p) : -ENOMEM;
}

static const size_t sizes[] = { 1, 4095, 4096, 4097, 65536, LARGEST, RANDOM };
#define SIZES	((int)ARRAY_SIZE(sizes))

/* Enough to go round the buffer a few times, not more than is bearable. */
static size_t volume(size_t a, size_t b)
{
	if (a == 1 || b == 1)
		return race_scale(20000) + 3;
	return race_scale(800000) + 5;
}

FIXTURE(transfer) {
	int fd[2];
	struct pump out[2];
	struct pump in[2];
};

FIXTURE_VARIANT(transfer) {
	const char *host;	/* NULL: socketpair() */
	int sndbuf;		/* 0: the default */
	int rcvbuf;
	bool vectors;
};

FIXTURE_VARIANT_ADD(transfer, v4) { .host = "127.0.0.1" };
FIXTURE_VARIANT_ADD(transfer, v6) { .host = "::1", .vectors = true };
FIXTURE_VARIANT_ADD(transfer, socketpair) { .sndbuf = 20000 };

FIXTURE_VARIANT_ADD(transfer, small_sndbuf) {
	.host = "127.0.0.1", .sndbuf = 1
};

FIXTURE_VARIANT_ADD(transfer, small_rcvbuf) {
	.host = "127.0.0.1", .rcvbuf = 1, .vectors = true
};

FIXTURE_VARIANT_ADD(transfer, odd_buffers) {
	.host = "127.0.0.1", .sndbuf = 4999, .rcvbuf = 5003
};

FIXTURE_SETUP(transfer)
{
	int listener, i;

	pattern_init();
	ASSERT_EQ(0, parley_ns_enter());
	if (variant->host) {
		listener = parley_listener(variant->host, PORT, 1);
		ASSERT_LE(0, listener);
		ASSERT_EQ(0, parley_pair(listener, self->fd));
	} else {
		ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_STREAM, 0, self->fd));
	}
	for (i = 0; i < 2; i++) {
		self->out[i].vectors = variant->vectors;
		self->in[i].vectors = variant->vectors;
		if (variant->sndbuf)
			ASSERT_EQ(0, parley_set_sockopt(self->fd[i], SOL_SOCKET,
							SO_SNDBUF,
							variant->sndbuf));
		if (variant->rcvbuf)
			ASSERT_EQ(0, parley_set_sockopt(self->fd[i], SOL_SOCKET,
							SO_RCVBUF,
							variant->rcvbuf));
	}
}

FIXTURE_TEARDOWN(transfer)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* A new pair for each mix, since the stream's end is part of the test. */
static int another_pair(int *fd, const int *like)
{
	int i, error, value;
	int fresh[2];

	if (socketpair(AF_PARLEY, SOCK_STREAM, 0, fresh))
		return -errno;
	for (i = 0; i < 2; i++) {
		value = parley_sockopt(like[i], SOL_SOCKET, SO_SNDBUF);
		error = parley_set_sockopt(fresh[i], SOL_SOCKET, SO_SNDBUF,
					   value / 2);
		value = parley_sockopt(like[i], SOL_SOCKET, SO_RCVBUF);
		error = error ?: parley_set_sockopt(fresh[i], SOL_SOCKET,
						    SO_RCVBUF, value / 2);
		if (error)
			return error;
	}
	memcpy(fd, fresh, sizeof(fresh));
	return 0;
}

TEST_F_TIMEOUT(transfer, every_mix, 600)
{
	int w, r, fd[2];
	size_t total;
	long out, in;

	for (w = 0; w < SIZES; w++) {
		for (r = 0; r < SIZES; r++) {
			total = volume(sizes[w], sizes[r]);
			ASSERT_EQ(0, another_pair(fd, self->fd));
			ASSERT_EQ(0, pump_start(&self->out[0], pump_out, fd[0],
						sizes[w], total));
			ASSERT_EQ(0, pump_start(&self->in[0], pump_in, fd[1],
						sizes[r], total));
			out = parley_thread_join(&self->out[0].thread);
			in = parley_thread_join(&self->in[0].thread);
			EXPECT_EQ(0, out);
			EXPECT_EQ(0, in);
			if (out || in) {
				TH_LOG("writes of %zu, reads of %zu", sizes[w],
				       sizes[r]);
				return;
			}
			close(fd[0]);
			close(fd[1]);
		}
	}
}

/* Both directions at once, over the fixture's own connection. */
TEST_F_TIMEOUT(transfer, both_ways, 300)
{
	size_t total = race_scale(4000000) + 1;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pump_start(&self->out[i], pump_out, self->fd[i],
					RANDOM, total));
		ASSERT_EQ(0, pump_start(&self->in[i], pump_in, self->fd[i],
					RANDOM, total));
	}
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, parley_thread_join(&self->out[i].thread));
		EXPECT_EQ(0, parley_thread_join(&self->in[i].thread));
	}
	EXPECT_EQ(POLLIN | POLLHUP, parley_revents(self->fd[0], POLLIN));
}

/* The ends belong to different processes; one is gone before all is read. */
TEST_F_TIMEOUT(transfer, processes, 300)
{
	size_t total = race_scale(2000000) + 1;
	pid_t child;

	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(self->fd[1]);
		self->out[0].fd = self->fd[0];
		self->out[0].total = total;
		race_random_init(&self->out[0].random, 1, 2);
		_exit(pump_out(&self->out[0]) ? 1 : 0);
	}
	ASSERT_EQ(0, close(self->fd[0]));
	ASSERT_EQ(0, pump_start(&self->in[1], pump_in, self->fd[1], RANDOM,
				total));
	EXPECT_EQ(0, parley_thread_join(&self->in[1].thread));
	EXPECT_EQ(0, parley_reap(child));
	EXPECT_EQ(POLLIN | POLLHUP, parley_revents(self->fd[1], POLLIN));
}

/*
 * Several writers and readers share a connection: which byte goes where is
 * nobody's business, but none gets lost and none comes twice.
 */
#define CROWD	3

struct member {
	struct parley_thread thread;
	struct race_random random;
	int fd;
	unsigned char self;
	size_t total;
	size_t seen[CROWD + 1];
};

static long member_write(void *arg)
{
	struct member *m = arg;
	unsigned char buf[5000];
	size_t done = 0, n;
	ssize_t sent;

	memset(buf, m->self, sizeof(buf));
	while (done < m->total) {
		n = 1 + race_below(&m->random, sizeof(buf));
		n = n < m->total - done ? n : m->total - done;
		sent = send(m->fd, buf, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return -errno;
		done += sent;
	}
	return 0;
}

static long member_read(void *arg)
{
	struct member *m = arg;
	unsigned char buf[5000];
	ssize_t got, i;

	for (;;) {
		got = recv(m->fd, buf, 1 + race_below(&m->random, sizeof(buf)),
			   0);
		if (got <= 0)
			return got < 0 ? -errno : 0;
		for (i = 0; i < got; i++)
			m->seen[buf[i] < CROWD ? buf[i] : CROWD]++;
	}
}

TEST_F_TIMEOUT(transfer, crowd, 300)
{
	struct member writer[CROWD] = {}, reader[CROWD] = {};
	size_t total = race_scale(400000), seen;
	int i, k;

	for (i = 0; i < CROWD; i++) {
		writer[i].fd = self->fd[0];
		writer[i].self = i;
		writer[i].total = total + i;
		race_random_init(&writer[i].random, 7, i);
		reader[i].fd = self->fd[1];
		race_random_init(&reader[i].random, 8, i);
		ASSERT_EQ(0, parley_thread_start(&writer[i].thread, 0,
						 member_write, &writer[i]));
		ASSERT_EQ(0, parley_thread_start(&reader[i].thread, 0,
						 member_read, &reader[i]));
	}
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(0, parley_thread_join(&writer[i].thread));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(0, parley_thread_join(&reader[i].thread));
	for (k = 0; k <= CROWD; k++) {
		for (seen = i = 0; i < CROWD; i++)
			seen += reader[i].seen[k];
		EXPECT_EQ(k < CROWD ? total + k : 0, seen);
	}
}

/* One descriptor over AF_UNIX; the received one, or a negative errno. */
static int pass(int via, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {};
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	if (fd < 0) {
		if (recvmsg(via, &msg, 0) != 1)
			return -errno;
		c = CMSG_FIRSTHDR(&msg);
		if (!c || c->cmsg_type != SCM_RIGHTS)
			return -EBADMSG;
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		return fd;
	}
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(via, &msg, 0) == 1 ? 0 : -errno;
}

/* A process that got a connection, a listener and a pending caller. */
static int heir(int via)
{
	int connection = pass(via, -1);
	int listener = pass(via, -1);
	int caller = pass(via, -1);
	char text[5];
	int got;

	if (connection < 0 || listener < 0 || caller < 0)
		return 1;
	if (read(connection, text, 5) != 5 || write(connection, "heir", 4) != 4)
		return 2;
	got = test_accept(listener, 0);
	if (got < 0 || parley_wait(caller, POLLOUT) != POLLOUT)
		return 3;
	return parley_talks(caller, got) ? 0 : 4;
}

FIXTURE(passing) {
	int listener;
	int fd[2];
};

FIXTURE_SETUP(passing)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->listener = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, parley_pair(self->listener, self->fd));
}

FIXTURE_TEARDOWN(passing)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(passing, descriptors)
{
	int via[2], caller;
	char text[10];
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, via));
	child = parley_fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(self->fd[0]);
		close(self->fd[1]);
		close(self->listener);
		_exit(heir(via[1]));
	}
	caller = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, caller);
	ASSERT_EQ(5, write(self->fd[0], "hello", 5));
	ASSERT_EQ(0, pass(via[0], self->fd[1]));
	ASSERT_EQ(0, pass(via[0], self->listener));
	ASSERT_EQ(0, pass(via[0], caller));
	/* Here they are gone, before the other one has looked. */
	ASSERT_EQ(0, close(self->fd[1]));
	ASSERT_EQ(0, close(self->listener));
	ASSERT_EQ(0, close(caller));
	EXPECT_EQ(0, parley_reap(child));
	EXPECT_EQ(4, read(self->fd[0], text, 10));
	EXPECT_EQ(0, read(self->fd[0], text, 10));
}

TEST_HARNESS_MAIN
