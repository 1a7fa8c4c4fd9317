// SPDX-License-Identifier: GPL-2.0
/*
 * No memory, and no copy from or to user space, while data moves: what was sent
 * arrives once and whole, what could not be sent does not, and what could not be
 * received is there for who comes next. Records move as a whole or not at all.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "lib_fault.h"
#include "lib_pace.h"
#include "lib_record.h"

#define LEN	12388	/* three pages and some */
#define SMALL	1000	/* of several messages */
#define COUNT	4
#define PIECES	20	/* more than the kernel has on its stack */
#define PORT	9400

static char out[LEN], in[LEN + 1], file[LEN];

FIXTURE(fault_data) {
	struct fault f;
	int fd[2];
	int pipe[2];
};

FIXTURE_VARIANT(fault_data) {
	int type;
};

FIXTURE_VARIANT_ADD(fault_data, stream) { .type = SOCK_STREAM };
FIXTURE_VARIANT_ADD(fault_data, seqpacket) { .type = SOCK_SEQPACKET };

FIXTURE_SETUP(fault_data)
{
	ASSERT_EQ(0, parley_ns_enter());
	fault_bytes(out, LEN, 5);
	self->fd[0] = -1;
}

FIXTURE_TEARDOWN(fault_data)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* A connection that has no page yet. */
static bool renew(int fd[2], int type)
{
	if (fd[0] >= 0) {
		close(fd[0]);
		close(fd[1]);
	}
	return !socketpair(AF_PARLEY, type, 0, fd);
}

/* All that there is, of any number of records. */
static long take(int fd, char *to, size_t room)
{
	size_t sum = 0;
	long n;

	while ((n = recv(fd, to + sum, room - sum, MSG_DONTWAIT)) > 0)
		sum += n;
	return n < 0 && errno == EAGAIN ? sum : -1;
}

/* Just these bytes of what was sent, and no more. */
static bool arrives(int fd, size_t from, size_t len)
{
	long got = take(fd, in, sizeof(in));

	if (got != len) {
		printf("# %ld bytes instead of %zu\n", got, len);
		return false;
	}
	return fault_bytes_are(in, len, 5 + from);
}

/* What may be cut short is a stream, and not to nothing. */
static bool length_is(int type, long n)
{
	return type == SOCK_STREAM ? n > 0 && n <= LEN : n == LEN;
}

static void pieces(struct iovec *vec, char *at, int n)
{
	size_t each = LEN / n;
	int i;

	for (i = 0; i < n; i++) {
		vec[i].iov_base = at + i * each;
		vec[i].iov_len = i == n - 1 ? LEN - i * each : each;
	}
}

enum how { PLAIN, FILES, VECTOR, MESSAGE, LONG_VECTOR, HOWS };

static long put(int fd, enum how how)
{
	struct iovec vec[PIECES];
	struct msghdr msg = { .msg_iov = vec, .msg_iovlen = 3 };

	pieces(vec, out, how == LONG_VECTOR ? PIECES : 3);
	switch (how) {
	case PLAIN:
		return send(fd, out, LEN, MSG_DONTWAIT);
	case FILES:
		return write(fd, out, LEN);
	case VECTOR:
		return writev(fd, vec, 3);
	case LONG_VECTOR:
		return writev(fd, vec, PIECES);
	default:
		return sendmsg(fd, &msg, MSG_DONTWAIT);
	}
}

static long get(int fd, enum how how, int flags)
{
	struct iovec vec[PIECES];
	struct msghdr msg = { .msg_iov = vec, .msg_iovlen = 3 };

	pieces(vec, in, how == LONG_VECTOR ? PIECES : 3);
	switch (how) {
	case PLAIN:
		return recv(fd, in, LEN, MSG_DONTWAIT | flags);
	case FILES:
		return read(fd, in, LEN);
	case VECTOR:
		return readv(fd, vec, 3);
	case LONG_VECTOR:
		return readv(fd, vec, PIECES);
	default:
		return recvmsg(fd, &msg, MSG_DONTWAIT | flags);
	}
}

TEST_F(fault_data, send)
{
	enum how how;
	long n;

	for (how = PLAIN; how < HOWS; how++) {
		fault_start(&self->f, FAULT_ALL, FAULT_ANY);
		while (fault_next(&self->f)) {
			ASSERT_TRUE(renew(self->fd, variant->type));
			n = FAULT(&self->f, put(self->fd[0], how));
			ASSERT_TRUE(fault_says(&self->f, n, 0));
			if (n < 0) {
				ASSERT_TRUE(arrives(self->fd[1], 0, 0));
				n = put(self->fd[0], how);
			}
			ASSERT_TRUE(length_is(variant->type, n));
			ASSERT_TRUE(arrives(self->fd[1], 0, n));
			ASSERT_TRUE(parley_talks(self->fd[0], self->fd[1]));
		}
		EXPECT_TRUE(fault_seen(&self->f, FAULT_PAGES | FAULT_COPIES)) {
			TH_LOG("in %d", how);
		}
	}
}

/* Behind what is there already, in the same page. */
TEST_F(fault_data, send_more)
{
	long n;

	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ASSERT_TRUE(renew(self->fd, variant->type));
		ASSERT_EQ(100, send(self->fd[0], out, 100, 0));
		n = FAULT(&self->f, send(self->fd[0], out + 100, LEN - 100, 0));
		ASSERT_TRUE(fault_says(&self->f, n, 0));
		if (n < 0)
			n = send(self->fd[0], out + 100, LEN - 100, 0);
		ASSERT_TRUE(length_is(variant->type, n + 100));
		ASSERT_TRUE(arrives(self->fd[1], 0, n + 100));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_COPIES));
}

TEST_F(fault_data, receive)
{
	enum how how;
	long n;

	for (how = PLAIN; how < HOWS; how++) {
		fault_start(&self->f, FAULT_ALL, FAULT_ANY);
		while (fault_next(&self->f)) {
			ASSERT_TRUE(renew(self->fd, variant->type));
			ASSERT_EQ(LEN, put(self->fd[0], PLAIN));
			n = FAULT(&self->f, get(self->fd[1], how, 0));
			ASSERT_TRUE(fault_says(&self->f, n, 0));
			if (n > 0) {
				ASSERT_TRUE(length_is(variant->type, n));
				ASSERT_TRUE(fault_bytes_are(in, n, 5));
			}
			n = n < 0 ? 0 : n;
			ASSERT_TRUE(arrives(self->fd[1], n, LEN - n));
			ASSERT_TRUE(parley_talks(self->fd[0], self->fd[1]));
		}
		EXPECT_TRUE(fault_seen(&self->f, FAULT_COPIES)) {
			TH_LOG("in %d", how);
		}
	}
}

TEST_F(fault_data, peek)
{
	long n;
	int i;

	for (i = 0; i < 2; i++) {
		fault_start(&self->f, FAULT_ALL, FAULT_ANY);
		while (fault_next(&self->f)) {
			ASSERT_TRUE(renew(self->fd, variant->type));
			ASSERT_EQ(LEN, put(self->fd[0], PLAIN));
			n = FAULT(&self->f, get(self->fd[1], i ? MESSAGE : PLAIN,
						MSG_PEEK));
			ASSERT_TRUE(fault_says(&self->f, n, 0));
			if (n > 0)
				ASSERT_TRUE(fault_bytes_are(in, n, 5));
			ASSERT_TRUE(arrives(self->fd[1], 0, LEN));
		}
		EXPECT_TRUE(fault_seen(&self->f, FAULT_COPIES));
	}
}

static void messages(struct mmsghdr *msg, struct iovec *vec, char *at)
{
	int i;

	memset(msg, 0, COUNT * sizeof(*msg));
	for (i = 0; i < COUNT; i++) {
		vec[i].iov_base = at + i * SMALL;
		vec[i].iov_len = SMALL;
		msg[i].msg_hdr.msg_iov = &vec[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
}

/* So many as it says were sent, none in part. */
TEST_F(fault_data, send_several)
{
	struct mmsghdr msg[COUNT];
	struct iovec vec[COUNT];
	long n;

	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ASSERT_TRUE(renew(self->fd, variant->type));
		messages(msg, vec, out);
		n = FAULT(&self->f, sendmmsg(self->fd[0], msg, COUNT, 0));
		ASSERT_TRUE(fault_says(&self->f, n, 0));
		n = n < 0 ? 0 : n;
		ASSERT_TRUE(arrives(self->fd[1], 0, n * SMALL));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_PAGES | FAULT_COPIES));
}

/* Who has received some is told of the fault next time: the core's doing. */
TEST_F(fault_data, receive_several)
{
	struct mmsghdr msg[COUNT];
	struct iovec vec[COUNT];
	int err, i;
	long n;

	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ASSERT_TRUE(renew(self->fd, variant->type));
		for (i = 0; i < COUNT; i++)
			ASSERT_EQ(SMALL, send(self->fd[0], out + i * SMALL, SMALL, 0));
		messages(msg, vec, in);
		n = FAULT(&self->f, recvmmsg(self->fd[1], msg, COUNT, MSG_DONTWAIT,
					     NULL));
		ASSERT_TRUE(fault_says(&self->f, n, 0));
		n = n < 0 ? 0 : n;
		ASSERT_TRUE(fault_bytes_are(in, n * SMALL, 5));
		err = parley_so_error(self->fd[1]);
		ASSERT_TRUE(!err || (n && n < COUNT && err == -fault_errno(&self->f)));
		ASSERT_TRUE(arrives(self->fd[1], n * SMALL, (COUNT - n) * SMALL));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_COPIES));
}

/* Out of a socket: what does not get into the pipe stays in the socket. */
TEST_F(fault_data, splice_out)
{
	long n;

	ASSERT_EQ(0, pipe2(self->pipe, O_NONBLOCK | O_CLOEXEC));
	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ASSERT_TRUE(renew(self->fd, variant->type));
		ASSERT_EQ(LEN, put(self->fd[0], PLAIN));
		n = FAULT(&self->f, splice(self->fd[1], NULL, self->pipe[1], NULL,
					   LEN, SPLICE_F_NONBLOCK));
		ASSERT_TRUE(fault_says(&self->f, n, 0));
		n = n < 0 ? 0 : n;
		if (n)
			ASSERT_TRUE(length_is(variant->type, n));
		ASSERT_EQ(n ? n : -1, read(self->pipe[0], in, LEN));
		ASSERT_TRUE(fault_bytes_are(in, n, 5));
		ASSERT_TRUE(arrives(self->fd[1], n, LEN - n));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_PAGES));
}

/* Into a socket: what is not sent stays in the pipe. */
TEST_F(fault_data, splice_in)
{
	long n;

	ASSERT_EQ(0, pipe2(self->pipe, O_NONBLOCK | O_CLOEXEC));
	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ASSERT_TRUE(renew(self->fd, variant->type));
		ASSERT_EQ(LEN, write(self->pipe[1], out, LEN));
		n = FAULT(&self->f, splice(self->pipe[0], NULL, self->fd[0], NULL,
					   LEN, SPLICE_F_NONBLOCK));
		ASSERT_TRUE(fault_says(&self->f, n, 0));
		n = n < 0 ? 0 : n;
		ASSERT_TRUE(arrives(self->fd[1], 0, n));
		ASSERT_EQ(n < LEN ? LEN - n : -1, read(self->pipe[0], in, LEN));
		ASSERT_TRUE(fault_bytes_are(in, LEN - n, 5 + n));
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_PAGES));
}

TEST_F(fault_data, sendfile)
{
	int mem = memfd_create("fault", MFD_CLOEXEC);
	off_t at;
	long n;

	ASSERT_LE(0, mem);
	ASSERT_EQ(LEN, write(mem, out, LEN));
	fault_start(&self->f, FAULT_ALL, FAULT_ANY);
	while (fault_next(&self->f)) {
		ASSERT_TRUE(renew(self->fd, variant->type));
		at = 0;
		n = FAULT(&self->f, sendfile(self->fd[0], mem, &at, LEN));
		/* The position is copied once the bytes are sent. */
		ASSERT_TRUE(fault_says(&self->f, n, 0));
		if (self->f.kind == FAULT_COPY && n < 0)
			n = take(self->fd[1], file, LEN);
		else
			ASSERT_TRUE(arrives(self->fd[1], 0, n < 0 ? 0 : n));
		if (self->f.kind != FAULT_COPY)
			ASSERT_EQ(n < 0 ? 0 : n, at);
	}
	EXPECT_TRUE(fault_seen(&self->f, FAULT_PAGES));
}

/* How much there is can always be told. */
TEST_F(fault_data, queues)
{
	static const int cmd[] = { SIOCINQ, SIOCOUTQ };
	int want[2], got, i;

	ASSERT_TRUE(renew(self->fd, variant->type));
	ASSERT_EQ(LEN, put(self->fd[0], PLAIN));
	want[0] = LEN;
	want[1] = variant->type == SOCK_STREAM ? LEN : RECORD_SIZE(LEN);
	for (i = 0; i < 2; i++) {
		fault_start(&self->f, FAULT_ALL, FAULT_ANY);
		while (fault_next(&self->f)) {
			ASSERT_EQ(0, FAULT(&self->f, ioctl(self->fd[!i], cmd[i], &got)));
			ASSERT_EQ(want[i], got);
		}
		EXPECT_TRUE(fault_came(&self->f, 0));
	}
}

/* What was not sent costs no credit. */
TEST_F(fault_data, paced)
{
	struct parley_flowspec flow = pace_flow(1, 8192);
	struct parley_addr a;
	long n = -1;
	int l;

	ASSERT_EQ(0, parley_addr(&a, "127.0.0.1", PORT));
	l = socket(AF_PARLEY, variant->type, 0);
	ASSERT_EQ(0, bind(l, &a.sa, a.len));
	ASSERT_EQ(0, listen(l, 1));
	ASSERT_EQ(0, pace_pair(l, "127.0.0.1", PORT, &flow, false, self->fd));
	fault_start(&self->f, FAULT_COPIES, FAULT_ANY);
	while (n < 0 && fault_next(&self->f)) {
		n = FAULT(&self->f, send(self->fd[0], out, 3000, MSG_DONTWAIT));
		ASSERT_TRUE(fault_says(&self->f, n, 0));
	}
	EXPECT_LT(0, self->f.refused[FAULT_COPY]);
	ASSERT_EQ(3000, n);
	EXPECT_EQ(5192, pace_put(self->fd[0], 5192));
	EXPECT_EQ(-EAGAIN, pace_put(self->fd[0], 1000));
	ASSERT_EQ(8192, take(self->fd[1], in, LEN));
}

FAULT_HARNESS_MAIN;
