// SPDX-License-Identifier: GPL-2.0
/*
 * What is received is what was sent, byte by byte, and nothing that the pages
 * of the connection had in them before. See poison.c.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib_poison.h"
#include "lib_record.h"
#include "lib_terms.h"

#define HOST	"127.0.0.1"
#define PORT	8750
#define SECRET	0xc3		/* what was sent before */
#define SENT	0x21		/* what is sent */
#define ROOM	16384

FIXTURE(data) {
	int fd[2];
	unsigned char *buf;
	unsigned char *out;
	bool records;
};

FIXTURE_VARIANT(data) {
	int type;
};

FIXTURE_VARIANT_ADD(data, stream) { .type = SOCK_STREAM };
FIXTURE_VARIANT_ADD(data, records) { .type = SOCK_SEQPACKET };

static int receive(int fd, void *buf, size_t len, int flags)
{
	int n = recv(fd, buf, len, flags | MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

/* A connection whose pages are full of what nobody is to see again. */
FIXTURE_SETUP(data)
{
	int l, i;

	ASSERT_EQ(0, parley_ns_enter());
	l = variant->type == SOCK_STREAM ? parley_listener(HOST, PORT, 1) :
					   record_listener(HOST, PORT, 1);
	ASSERT_LE(0, l);
	ASSERT_EQ(0, parley_pair(l, self->fd));
	self->records = variant->type == SOCK_SEQPACKET;
	self->buf = malloc(ROOM);
	self->out = malloc(ROOM);
	ASSERT_NE(NULL, self->buf);
	ASSERT_NE(NULL, self->out);
	memset(self->out, SECRET, ROOM);
	for (i = 0; i < 4; i++)
		ASSERT_EQ(ROOM, send(self->fd[0], self->out, ROOM, 0));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(ROOM, receive(self->fd[1], self->buf, ROOM, 0));
	memset(self->out, SENT, ROOM);
}

FIXTURE_TEARDOWN(data)
{
	free(self->buf);
	free(self->out);
	EXPECT_EQ(0, parley_expect_clean());
}

static const int lengths[] = { 0, 1, 2, 7, 8, 9, 100, 4087, 4088, 4089, 5000 };
#define LENGTHS	((int)ARRAY_SIZE(lengths))

/* @n bytes of what was sent, and nothing behind them. */
static bool is_sent(const unsigned char *buf, int n, int which)
{
	int i;

	for (i = 0; i < n; i++)
		if (buf[i] != SENT) {
			printf("# byte %d of %d is %#x\n", i, n, buf[i]);
			fflush(stdout);
			return false;
		}
	return poison_untouched("behind the data", buf + n, ROOM - n, which);
}

/* Whatever the length, and whatever the room for it. */
TEST_F(data, rooms)
{
	int i, k, n, least, which;

	for (i = 0; i < LENGTHS; i++)
		for (k = 0; k < LENGTHS; k++) {
			n = lengths[i];
			which = (i + k) & 1;
			if (!n && !self->records)
				continue;
			ASSERT_EQ(n, send(self->fd[0], self->out, n, 0));
			least = lengths[k] < n ? lengths[k] : n;
			poison_fill(self->buf, ROOM, which);
			EXPECT_EQ(least, receive(self->fd[1], self->buf,
						 lengths[k], MSG_PEEK));
			EXPECT_TRUE(is_sent(self->buf, least, which));
			if (self->records) {
				poison_fill(self->buf, ROOM, which);
				EXPECT_EQ(n, receive(self->fd[1], self->buf,
						     lengths[k],
						     MSG_PEEK | MSG_TRUNC));
				EXPECT_TRUE(is_sent(self->buf, least, which));
			}
			poison_fill(self->buf, ROOM, which);
			EXPECT_EQ(least, receive(self->fd[1], self->buf,
						 lengths[k], 0));
			EXPECT_TRUE(is_sent(self->buf, least, which));
			/* Of a stream the rest is still there. */
			if (self->records || least == n)
				continue;
			poison_fill(self->buf, ROOM, which);
			EXPECT_EQ(n - least, receive(self->fd[1], self->buf,
						     ROOM, 0));
			EXPECT_TRUE(is_sent(self->buf, n - least, which));
		}
	EXPECT_EQ(-EAGAIN, receive(self->fd[1], self->buf, ROOM, 0));
}

/* Thrown away is not copied. */
TEST_F(data, discarded)
{
	ASSERT_EQ(5000, send(self->fd[0], self->out, 5000, 0));
	poison_fill(self->buf, ROOM, 0);
	if (self->records) {
		EXPECT_EQ(5000, receive(self->fd[1], self->buf, 10, MSG_TRUNC));
		EXPECT_TRUE(is_sent(self->buf, 10, 0));
	} else {
		EXPECT_EQ(5000, receive(self->fd[1], self->buf, ROOM,
					MSG_TRUNC));
		EXPECT_TRUE(is_sent(self->buf, 0, 0));
	}
}

/* What fails writes nothing. */
TEST_F(data, failures)
{
	static const int flags[] = { 0, MSG_PEEK, MSG_OOB, MSG_ERRQUEUE };
	int fresh = socket(AF_PARLEY, variant->type, 0), i, s;
	const int fd[] = { self->fd[1], fresh };

	poison_fill(self->buf, ROOM, 0);
	for (s = 0; s < 2; s++)
		for (i = 0; i < 4; i++)
			EXPECT_GT(0, receive(fd[s], self->buf, ROOM, flags[i]));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(0, receive(self->fd[1], self->buf, ROOM, 0));
	EXPECT_TRUE(poison_untouched("nothing", self->buf, ROOM, 0));
}

/* There is neither an address nor anything else with it. */
TEST_F(data, message)
{
	unsigned char name[256], control[256];
	struct iovec iov[3] = {
		{ self->buf, 3 }, { self->buf + 100, 1 }, { self->buf + 200, 5 },
	};
	struct msghdr msg = {
		.msg_name = name, .msg_namelen = sizeof(name),
		.msg_iov = iov, .msg_iovlen = 3,
		.msg_control = control, .msg_controllen = sizeof(control),
		.msg_flags = -1,
	};
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);

	poison_fill(self->buf, ROOM, 0);
	poison_fill(name, sizeof(name), 0);
	poison_fill(control, sizeof(control), 0);
	poison_fill(&from, sizeof(from), 0);
	ASSERT_EQ(7, send(self->fd[0], self->out, 7, 0));
	EXPECT_EQ(7, recvmsg(self->fd[1], &msg, MSG_DONTWAIT));
	EXPECT_EQ(0, msg.msg_namelen);
	EXPECT_EQ(0, msg.msg_controllen);
	EXPECT_EQ(0, msg.msg_flags & ~MSG_EOR);
	EXPECT_TRUE(poison_untouched("the name", name, sizeof(name), 0));
	EXPECT_TRUE(poison_untouched("control", control, sizeof(control), 0));
	EXPECT_TRUE(poison_untouched("between", self->buf + 3, 97, 0));
	EXPECT_TRUE(poison_untouched("between", self->buf + 101, 99, 0));
	EXPECT_TRUE(poison_untouched("behind", self->buf + 203, 100, 0));

	ASSERT_EQ(1, send(self->fd[0], self->out, 1, 0));
	EXPECT_EQ(1, recvfrom(self->fd[1], self->buf, 1, MSG_DONTWAIT,
			      (struct sockaddr *)&from, &len));
	EXPECT_EQ(0, len);
	EXPECT_TRUE(poison_untouched("from", &from, sizeof(from), 0));
}

/* A pipe gets the bytes, not the pages that they were in. */
TEST_F(data, spliced)
{
	int i, n, pipefd[2];

	ASSERT_EQ(0, pipe2(pipefd, O_NONBLOCK));
	for (i = 0; i < LENGTHS; i++) {
		n = lengths[i];
		if (!n)
			continue;
		ASSERT_EQ(n, send(self->fd[0], self->out, n, 0));
		ASSERT_EQ(n, splice(self->fd[1], NULL, pipefd[1], NULL, ROOM,
				    SPLICE_F_NONBLOCK));
		poison_fill(self->buf, ROOM, 0);
		EXPECT_EQ(n, read(pipefd[0], self->buf, ROOM));
		EXPECT_TRUE(is_sent(self->buf, n, 0));
		EXPECT_EQ(-1, read(pipefd[0], self->buf, ROOM));
	}
}

TEST_HARNESS_MAIN
