// SPDX-License-Identifier: GPL-2.0
/*
 * splice() and sendfile(), into a socket and out of it. What is in the pipe
 * must stay what it was while the ring goes on with its pages.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "lib.h"

#define PORT	7600
#define BYTES	(5 * 4096 + 123)

static void pattern(unsigned char *to, unsigned int seed)
{
	unsigned int i;

	for (i = 0; i < BYTES; i++)
		to[i] = (i * 7 + i / 4096 + seed) & 0xff;
}

FIXTURE(splice) {
	int l;
	int fd[2];
	int pipe[2];
	unsigned char out[BYTES];
	unsigned char in[BYTES];
};

FIXTURE_SETUP(splice)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_pair(self->l, self->fd));
	ASSERT_EQ(0, pipe(self->pipe));
	pattern(self->out, 1);
}

FIXTURE_TEARDOWN(splice)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(splice, out_of_a_socket)
{
	ssize_t n, done = 0, read_back;

	ASSERT_EQ(BYTES, send(self->fd[0], self->out, BYTES, 0));
	while (done < BYTES) {
		n = splice(self->fd[1], NULL, self->pipe[1], NULL,
			   BYTES - done, 0);
		ASSERT_LT(0, n);
		/* The ring's pages are used again before the pipe is read. */
		ASSERT_EQ(100, send(self->fd[1], self->in, 100, 0));
		ASSERT_EQ(100, recv(self->fd[0], self->in, 100, MSG_WAITALL));
		read_back = 0;
		while (read_back < n) {
			ssize_t r = read(self->pipe[0],
					 self->in + done + read_back,
					 n - read_back);

			ASSERT_LT(0, r);
			read_back += r;
		}
		done += n;
	}
	EXPECT_EQ(0, memcmp(self->in, self->out, BYTES));
}

/* Pages that sit in the pipe are not those that the next bytes go to. */
TEST_F(splice, a_pipe_keeps_its_bytes)
{
	unsigned char other[4096];
	ssize_t n;

	memset(other, 0xee, sizeof(other));
	ASSERT_EQ(4096, send(self->fd[0], self->out, 4096, 0));
	n = splice(self->fd[1], NULL, self->pipe[1], NULL, 4096, 0);
	ASSERT_EQ(4096, n);
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(4096, send(self->fd[0], other, 4096, 0));
		ASSERT_EQ(4096, recv(self->fd[1], self->in, 4096,
				     MSG_WAITALL));
	}
	ASSERT_EQ(4096, read(self->pipe[0], self->in, 4096));
	EXPECT_EQ(0, memcmp(self->in, self->out, 4096));
}

TEST_F(splice, into_a_socket)
{
	ssize_t n, done = 0;

	while (done < BYTES) {
		size_t chunk = BYTES - done > 4096 ? 4096 : BYTES - done;

		ASSERT_EQ(chunk, write(self->pipe[1], self->out + done, chunk));
		n = splice(self->pipe[0], NULL, self->fd[0], NULL, chunk, 0);
		ASSERT_EQ(chunk, n);
		done += n;
	}
	ASSERT_EQ(BYTES, recv(self->fd[1], self->in, BYTES, MSG_WAITALL));
	EXPECT_EQ(0, memcmp(self->in, self->out, BYTES));
}

TEST_F(splice, sendfile)
{
	int file = memfd_create("splice", MFD_CLOEXEC);
	off_t at = 0;

	ASSERT_LE(0, file);
	ASSERT_EQ(BYTES, write(file, self->out, BYTES));
	while (at < BYTES)
		ASSERT_LT(0, sendfile(self->fd[0], file, &at, BYTES - at));
	/* What is in the file now is not what was sent. */
	pattern(self->out, 2);
	ASSERT_EQ(BYTES, pwrite(file, self->out, BYTES, 0));
	pattern(self->out, 1);
	ASSERT_EQ(BYTES, recv(self->fd[1], self->in, BYTES, MSG_WAITALL));
	EXPECT_EQ(0, memcmp(self->in, self->out, BYTES));
}

TEST_F(splice, end_and_nothing)
{
	ASSERT_EQ(0, parley_nonblock(self->fd[1], true));
	EXPECT_EQ(-1, splice(self->fd[1], NULL, self->pipe[1], NULL, 4096, 0));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(0, splice(self->fd[1], NULL, self->pipe[1], NULL, 4096, 0));
}

TEST_HARNESS_MAIN
