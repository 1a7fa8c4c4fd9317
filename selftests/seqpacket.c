// SPDX-License-Identifier: GPL-2.0
/*
 * SOCK_SEQPACKET: each send is one record, each recv is one, with the flags,
 * the limits and the bad addresses. What waits is in seqpacket_wait.c.
 */
#include "kselftest_harness.h"

#include <sys/mman.h>
#include <sys/uio.h>

#include "lib.h"
#include "lib_record.h"

#define PORT	7400
#define PAGE	4096
#define SIZE	(5 * PAGE)

static unsigned char out[4 * SIZE], in[4 * SIZE];

FIXTURE(seqpacket) {
	int listener;
	int fd[2];		/* [0] called, [1] was accepted */
	struct parley_thread thread;
};

FIXTURE_SETUP(seqpacket)
{
	int i;

	for (i = 0; i < sizeof(out); i++)
		out[i] = i ^ i / 251;
	memset(in, 0xee, sizeof(in));
	ASSERT_EQ(0, parley_ns_enter());
	self->listener = record_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, parley_pair(self->listener, self->fd));
}

FIXTURE_TEARDOWN(seqpacket)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F(seqpacket, kind)
{
	int i, fds[3] = { self->listener, self->fd[0], self->fd[1] };

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(SOCK_SEQPACKET, parley_sockopt(fds[i], SOL_SOCKET,
							 SO_TYPE));
		EXPECT_EQ(0, parley_sockopt(fds[i], SOL_SOCKET, SO_PROTOCOL));
		EXPECT_EQ(AF_PARLEY, parley_sockopt(fds[i], SOL_SOCKET,
						    SO_DOMAIN));
	}
	EXPECT_TRUE(parley_name_is(self->fd[1], "127.0.0.1", PORT));
	EXPECT_TRUE(parley_peer_is(self->fd[0], "127.0.0.1", PORT));
	EXPECT_TRUE(parley_talks(self->fd[0], self->fd[1]));
}

TEST_F(seqpacket, boundaries)
{
	static const int sizes[] = { 1, 3, 4096, 4088, 7, 2, 10000, 1 };
	int i, at = 0;

	for (i = 0; i < ARRAY_SIZE(sizes); at += sizes[i++])
		ASSERT_EQ(sizes[i], record_put(self->fd[0], out + at, sizes[i],
					       0));
	for (i = at = 0; i < ARRAY_SIZE(sizes); at += sizes[i++]) {
		EXPECT_EQ(sizes[i], record_get(self->fd[1], in, sizeof(in), 0,
					       NULL));
		EXPECT_EQ(0, memcmp(out + at, in, sizes[i]));
	}
	EXPECT_EQ(-EAGAIN, record_get(self->fd[1], in, sizeof(in), 0, NULL));
	/* The other direction has records of its own. */
	EXPECT_EQ(5, record_put(self->fd[1], out, 5, 0));
	EXPECT_EQ(6, record_put(self->fd[1], out, 6, 0));
	EXPECT_EQ(5, read(self->fd[0], in, sizeof(in)));
	EXPECT_EQ(6, read(self->fd[0], in, sizeof(in)));
}

/* MSG_EOR is the sender's to give; write(2) always does, on such sockets. */
TEST_F(seqpacket, end_of_record)
{
	struct iovec iov[2] = { { out, 3 }, { out + 3, 4 } };
	int flags;

	ASSERT_EQ(3, record_put(self->fd[0], out, 3, MSG_EOR));
	ASSERT_EQ(3, record_put(self->fd[0], out, 3, 0));
	ASSERT_EQ(3, write(self->fd[0], out, 3));
	ASSERT_EQ(7, writev(self->fd[0], iov, 2));
	EXPECT_EQ(3, record_get(self->fd[1], in, 10, MSG_PEEK, &flags));
	EXPECT_EQ(MSG_EOR, flags);
	EXPECT_EQ(3, record_get(self->fd[1], in, 10, 0, &flags));
	EXPECT_EQ(MSG_EOR, flags);
	EXPECT_EQ(3, record_get(self->fd[1], in, 10, 0, &flags));
	EXPECT_EQ(0, flags);
	EXPECT_EQ(3, record_get(self->fd[1], in, 10, 0, &flags));
	EXPECT_EQ(MSG_EOR, flags);
	EXPECT_EQ(7, record_get(self->fd[1], in, 7, 0, &flags));
	EXPECT_EQ(MSG_EOR, flags);
	EXPECT_EQ(0, memcmp(out, in, 7));
	/* Nothing else of a sender's flags arrives. */
	ASSERT_EQ(3, record_put(self->fd[0], out, 3, MSG_MORE | MSG_CONFIRM |
				MSG_DONTROUTE | MSG_TRUNC | MSG_CTRUNC));
	EXPECT_EQ(3, record_get(self->fd[1], in, 10, 0, &flags));
	EXPECT_EQ(0, flags);
}

/* A record without a byte, and the end: MSG_EOR can tell them apart. */
TEST_F(seqpacket, empty)
{
	int flags = -1;

	ASSERT_EQ(0, record_put(self->fd[0], out, 0, MSG_EOR));
	ASSERT_EQ(0, record_put(self->fd[0], out, 0, 0));
	ASSERT_EQ(0, write(self->fd[0], out, 0));
	ASSERT_EQ(1, record_put(self->fd[0], out, 1, 0));
	EXPECT_EQ(POLLIN, parley_revents(self->fd[1], POLLIN));
	EXPECT_EQ(1, record_queued(self->fd[1]));
	EXPECT_EQ(3 * RECORD_HEAD + RECORD_SIZE(1), record_unsent(self->fd[0]));
	EXPECT_EQ(0, record_get(self->fd[1], in, 10, 0, &flags));
	EXPECT_EQ(MSG_EOR, flags);
	EXPECT_EQ(0, record_get(self->fd[1], in, 10, 0, &flags));
	EXPECT_EQ(0, flags);
	/* read(2) of nothing does nothing, recv(2) takes a record. */
	EXPECT_EQ(0, read(self->fd[1], in, 0));
	EXPECT_EQ(2 * RECORD_HEAD + 8, record_unsent(self->fd[0]));
	EXPECT_EQ(0, record_get(self->fd[1], in, 0, 0, &flags));
	EXPECT_EQ(MSG_EOR, flags);
	EXPECT_EQ(0, record_get(self->fd[1], in, 0, 0, &flags));
	EXPECT_EQ(MSG_TRUNC, flags);
	EXPECT_EQ(0, record_unsent(self->fd[0]));
	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_EQ(0, record_get(self->fd[1], in, 10, 0, &flags));
	EXPECT_EQ(0, flags);
}

TEST_F(seqpacket, truncated)
{
	static const int rooms[] = { 0, 1, 4087, 4088, 4089, 8192, 9999 };
	int i, flags;

	for (i = 0; i < ARRAY_SIZE(rooms); i++) {
		ASSERT_EQ(10000, record_put(self->fd[0], out, 10000, MSG_EOR));
		ASSERT_EQ(10000, record_put(self->fd[0], out, 10000, 0));
		ASSERT_EQ(4, record_put(self->fd[0], out + 7, 4, 0));
		memset(in, 0xee, sizeof(in));
		EXPECT_EQ(rooms[i], record_get(self->fd[1], in, rooms[i], 0,
					       &flags));
		EXPECT_EQ(MSG_TRUNC | MSG_EOR, flags);
		EXPECT_EQ(0, memcmp(out, in, rooms[i]));
		EXPECT_EQ(0xee, in[rooms[i]]);
		/* Who asks is told how long it was. */
		EXPECT_EQ(10000, record_get(self->fd[1], in, rooms[i],
					    MSG_TRUNC, &flags));
		EXPECT_EQ(MSG_TRUNC, flags);
		EXPECT_EQ(0xee, in[rooms[i]]);
		/* What did not fit is gone, and no more than that. */
		EXPECT_EQ(4, record_get(self->fd[1], in, 4, MSG_TRUNC, &flags));
		EXPECT_EQ(0, flags);
		EXPECT_EQ(0, memcmp(out + 7, in, 4));
	}
	/* The same by read(2), which cannot say so. */
	ASSERT_EQ(9, record_put(self->fd[0], out, 9, 0));
	EXPECT_EQ(2, read(self->fd[1], in, 2));
	EXPECT_EQ(-EAGAIN, record_get(self->fd[1], in, 10, 0, NULL));
}

TEST_F(seqpacket, peek)
{
	int i, flags;

	ASSERT_EQ(10000, record_put(self->fd[0], out, 10000, MSG_EOR));
	ASSERT_EQ(3, record_put(self->fd[0], out, 3, 0));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(10000, record_get(self->fd[1], in, SIZE, MSG_PEEK,
					    &flags));
		EXPECT_EQ(MSG_EOR, flags);
		EXPECT_EQ(0, memcmp(out, in, 10000));
		EXPECT_EQ(9, record_get(self->fd[1], in, 9, MSG_PEEK, &flags));
		EXPECT_EQ(MSG_EOR | MSG_TRUNC, flags);
		EXPECT_EQ(10000, record_get(self->fd[1], in, 0, MSG_PEEK |
					    MSG_TRUNC, &flags));
		EXPECT_EQ(MSG_EOR | MSG_TRUNC, flags);
	}
	EXPECT_EQ(10003, record_queued(self->fd[1]));
	EXPECT_EQ(10000, record_get(self->fd[1], in, SIZE, 0, &flags));
	EXPECT_EQ(3, record_get(self->fd[1], in, SIZE, MSG_PEEK, &flags));
	EXPECT_EQ(3, record_get(self->fd[1], in, SIZE, 0, &flags));
	EXPECT_EQ(-EAGAIN, record_get(self->fd[1], in, SIZE, MSG_PEEK, &flags));
}

/* Flags and options that are for streams change nothing. */
TEST_F(seqpacket, for_streams_only)
{
	int flags;

	ASSERT_EQ(0, parley_set_sockopt(self->fd[1], SOL_SOCKET, SO_RCVLOWAT,
					1000));
	ASSERT_EQ(3, record_put(self->fd[0], out, 3, MSG_MORE));
	EXPECT_EQ(POLLIN, parley_revents(self->fd[1], POLLIN));
	ASSERT_EQ(4, record_put(self->fd[0], out, 4, 0));
	EXPECT_EQ(3, recv(self->fd[1], in, 100, MSG_WAITALL));
	EXPECT_EQ(4, recv(self->fd[1], in, 100, MSG_WAITALL | MSG_PEEK));
	EXPECT_EQ(4, record_get(self->fd[1], in, 100, 0, &flags));
	EXPECT_EQ(0, flags);
}

TEST_F(seqpacket, vectors)
{
	struct iovec to[3] = { { in, 4999 }, { in + 4999, 1 }, { in + 5000,
		5000 } };
	struct iovec from[3] = { { out, 10 }, { out + 10, 0 }, { out + 10,
		5000 } };
	struct sockaddr_storage name;
	char control[64];
	struct msghdr msg = { .msg_iov = from, .msg_iovlen = 3 };

	ASSERT_EQ(5010, sendmsg(self->fd[0], &msg, MSG_EOR));
	ASSERT_EQ(5010, sendmsg(self->fd[0], &msg, 0));
	msg = (struct msghdr){
		.msg_iov = to, .msg_iovlen = 3,
		.msg_name = &name, .msg_namelen = sizeof(name),
		.msg_control = control, .msg_controllen = sizeof(control),
		.msg_flags = 0x7f,
	};
	ASSERT_EQ(5010, recvmsg(self->fd[1], &msg, 0));
	EXPECT_EQ(0, memcmp(out, in, 5010));
	EXPECT_EQ(0, msg.msg_namelen);
	EXPECT_EQ(0, msg.msg_controllen);
	EXPECT_EQ(MSG_EOR, msg.msg_flags);
	msg.msg_iovlen = 2;
	ASSERT_EQ(5000, recvmsg(self->fd[1], &msg, 0));
	EXPECT_EQ(MSG_TRUNC, msg.msg_flags);
	/* No vector at all is a record without a byte. */
	msg = (struct msghdr){};
	EXPECT_EQ(0, sendmsg(self->fd[0], &msg, 0));
	EXPECT_EQ(RECORD_HEAD, record_unsent(self->fd[0]));
}

TEST_F(seqpacket, many_at_once)
{
	struct mmsghdr m[5] = {};
	struct iovec iov[5];
	int i;

	for (i = 0; i < 5; i++) {
		iov[i] = (struct iovec){ out + i, 1000 * i };
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	ASSERT_EQ(5, sendmmsg(self->fd[0], m, 5, MSG_EOR));
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(1000 * i, m[i].msg_len);
		iov[i] = (struct iovec){ in + 3000 * i, 3000 };
	}
	ASSERT_EQ(5, recvmmsg(self->fd[1], m, 5, MSG_DONTWAIT, NULL));
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(i < 3 ? 1000 * i : 3000, m[i].msg_len);
		EXPECT_EQ(i < 4 ? MSG_EOR : MSG_EOR | MSG_TRUNC,
			  m[i].msg_hdr.msg_flags);
		EXPECT_EQ(0, memcmp(out + i, in + 3000 * i, m[i].msg_len));
	}
}

/* As long as the smaller buffer, to the byte, and never longer. */
TEST_F(seqpacket, longest)
{
	static const int buffers[][2] = {
		{ 6000, 30000 }, { 30000, 6000 }, { 1, 30000 }, { 30000, 1 },
		{ 5001, 5001 },
	};
	int i, limit, end;

	for (i = 0; i < ARRAY_SIZE(buffers); i++) {
		ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET,
						SO_SNDBUF, buffers[i][0]));
		ASSERT_EQ(0, parley_set_sockopt(self->fd[1], SOL_SOCKET,
						SO_RCVBUF, buffers[i][1]));
		limit = record_limit(self->fd[0], self->fd[1]);
		EXPECT_EQ(-EMSGSIZE, record_put(self->fd[0], out, limit + 1,
						0));
		EXPECT_EQ(-EMSGSIZE, record_put(self->fd[0], out, sizeof(out),
						0));
		EXPECT_EQ(0, record_unsent(self->fd[0]));
		EXPECT_EQ(limit, record_put(self->fd[0], out, limit, 0));
		/* Also when there is no room for any. */
		EXPECT_EQ(-EAGAIN, record_put(self->fd[0], out, limit, 0));
		EXPECT_EQ(-EMSGSIZE, record_put(self->fd[0], out, limit + 1,
						0));
		EXPECT_EQ(limit, record_get(self->fd[1], in, sizeof(in), 0,
					    NULL));
		EXPECT_EQ(0, memcmp(out, in, limit));
	}
	/* Blocking makes no difference, nor does a length beyond all bounds. */
	EXPECT_EQ(-1, send(self->fd[0], out, limit + 1, 0));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(-1, send(self->fd[0], out, 0x7ffff000, 0));
	EXPECT_EQ(EMSGSIZE, errno);
	EXPECT_EQ(-1, send(self->fd[0], out, 0x100000001, 0));
	EXPECT_TRUE(errno == EMSGSIZE);
	end = record_put(self->fd[0], out, 1, 0);
	EXPECT_EQ(1, end);
}

/* What enters until there is no room, told by what is in the buffer. */
TEST_F(seqpacket, full)
{
	static const int lengths[] = { 0, 1, 8, 100, 1000, 4000, 4096, 8000 };
	int i, n, size, used, limit;

	ASSERT_EQ(0, parley_set_sockopt(self->fd[0], SOL_SOCKET, SO_SNDBUF,
					6144));
	limit = record_limit(self->fd[0], self->fd[1]);
	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		size = RECORD_SIZE(lengths[i]);
		for (n = used = 0;; n++) {
			int room = limit - used >= limit / 3 ? POLLOUT : 0;

			EXPECT_EQ(room, parley_revents(self->fd[0], POLLOUT));
			/* It fits, or a third is free. */
			if (used + size > limit && !room)
				break;
			ASSERT_EQ(lengths[i], record_put(self->fd[0], in,
							 lengths[i], 0));
			used += size;
			EXPECT_EQ(used, record_unsent(self->fd[0]));
		}
		EXPECT_EQ(-EAGAIN, record_put(self->fd[0], out, lengths[i],
					      0));
		EXPECT_EQ(n * lengths[i], record_queued(self->fd[1]));
		while (n--)
			ASSERT_EQ(lengths[i], record_get(self->fd[1], in,
							 sizeof(in), 0, NULL));
		EXPECT_EQ(0, record_unsent(self->fd[0]));
	}
}

TEST_F(seqpacket, queues)
{
	int stream[2];

	EXPECT_EQ(0, record_queued(self->fd[1]));
	ASSERT_EQ(100, record_put(self->fd[0], out, 100, 0));
	ASSERT_EQ(5001, record_put(self->fd[0], out, 5001, 0));
	/* The bytes of all records; and what they occupy. */
	EXPECT_EQ(5101, record_queued(self->fd[1]));
	EXPECT_EQ(RECORD_SIZE(100) + RECORD_SIZE(5001),
		  record_unsent(self->fd[0]));
	EXPECT_EQ(0, record_queued(self->fd[0]));
	EXPECT_EQ(0, record_unsent(self->fd[1]));
	EXPECT_EQ(1, recv(self->fd[1], in, 1, 0));
	EXPECT_EQ(5001, record_queued(self->fd[1]));
	EXPECT_EQ(RECORD_SIZE(5001), record_unsent(self->fd[0]));
	EXPECT_EQ(-EINVAL, record_queued(self->listener));
	ASSERT_EQ(0, close(self->fd[1]));
	EXPECT_EQ(0, record_unsent(self->fd[0]));
	/* A stream has no such overhead. */
	ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_STREAM, 0, stream));
	ASSERT_EQ(100, record_put(stream[0], out, 100, 0));
	EXPECT_EQ(100, record_unsent(stream[0]));
}

TEST_F(seqpacket, other_type)
{
	struct parley_stat st;
	int stream, fd;

	stream = parley_listener("127.0.0.1", PORT + 1, 4);
	ASSERT_LE(0, stream);
	/* One space of ports. */
	fd = record_socket(SOCK_NONBLOCK);
	EXPECT_EQ(-EADDRINUSE, parley_bind(fd, "127.0.0.1", PORT + 1));
	EXPECT_EQ(-EPROTOTYPE, test_connect(fd, "127.0.0.1", PORT + 1));
	EXPECT_EQ(POLLHUP, parley_revents(fd, POLLIN | POLLOUT));
	EXPECT_EQ(0, parley_so_error(fd));
	EXPECT_EQ(0, parley_reason(fd));
	EXPECT_EQ(0, parley_port(fd));
	/* The socket may call where it is understood. */
	EXPECT_EQ(-EINPROGRESS, test_connect(fd, "127.0.0.1", PORT));
	EXPECT_LE(0, test_accept(self->listener, 0));
	EXPECT_EQ(POLLOUT, parley_wait(fd, POLLOUT));

	fd = parley_socket(SOCK_NONBLOCK);
	EXPECT_EQ(-EADDRINUSE, parley_bind(fd, "127.0.0.1", PORT));
	EXPECT_EQ(-EPROTOTYPE, test_connect(fd, "127.0.0.1", PORT));
	ASSERT_EQ(0, parley_nonblock(fd, false));
	EXPECT_EQ(-EPROTOTYPE, test_connect(fd, "127.0.0.1", PORT));
	/* Nobody has been bothered; the books balance. */
	EXPECT_EQ(0, parley_pending(stream));
	EXPECT_EQ(0, parley_pending(self->listener));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(st.called, st.established + st.refused + st.withdrawn +
		  st.pending);
	EXPECT_EQ(3, st.refused);
}

TEST_F(seqpacket, refused)
{
	struct parley_addr to;
	int fd = record_socket(0);

	ASSERT_EQ(0, parley_addr(&to, "127.0.0.1", PORT));
	EXPECT_EQ(-1, sendto(self->fd[0], out, 1, 0, &to.sa, to.len));
	EXPECT_EQ(EISCONN, errno);
	EXPECT_EQ(-1, sendto(fd, out, 1, 0, &to.sa, to.len));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-ENOTCONN, record_put(fd, out, 1, 0));
	EXPECT_EQ(-ENOTCONN, record_put(fd, out, 0, 0));
	EXPECT_EQ(-ENOTCONN, record_get(fd, in, 1, 0, NULL));
	EXPECT_EQ(-ENOTCONN, record_put(self->listener, out, 1, 0));
	EXPECT_EQ(-EOPNOTSUPP, record_put(self->fd[0], out, 1, MSG_OOB));
	EXPECT_EQ(-EOPNOTSUPP, record_get(self->fd[1], in, 1, MSG_OOB, NULL));
	EXPECT_EQ(-EAGAIN, record_get(self->fd[1], in, 1, MSG_ERRQUEUE, NULL));
	EXPECT_EQ(0, record_unsent(self->fd[0]));
}

/* Whatever cannot be read of a record, nothing of it is sent. */
TEST_F(seqpacket, unreadable)
{
	unsigned char *page = parley_half_there(out);
	struct iovec iov[3] = {
		{ out, 5000 }, { page + PAGE, 10 }, { out, 10 },
	};
	int i;

	ASSERT_NE(NULL, page);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-EFAULT, record_put(self->fd[0], page + PAGE, 10, 0));
		EXPECT_EQ(-EFAULT, record_put(self->fd[0], page + PAGE - 100,
					      200, 0));
		EXPECT_EQ(-EFAULT, record_put(self->fd[0], page, 2 * PAGE, 0));
		EXPECT_EQ(-1, writev(self->fd[0], iov, 3));
		EXPECT_EQ(EFAULT, errno);
		EXPECT_EQ(i * RECORD_SIZE(4000), record_unsent(self->fd[0]));
		/* From another place of a page each time. */
		ASSERT_EQ(4000, record_put(self->fd[0], out + i, 4000, 0));
	}
	/* No byte is read of an address where there is none to be. */
	EXPECT_EQ(0, record_put(self->fd[0], page + PAGE, 0, 0));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(4000, record_get(self->fd[1], in, SIZE, 0, NULL));
		EXPECT_EQ(0, memcmp(out + i, in, 4000));
	}
	EXPECT_EQ(0, record_get(self->fd[1], in, SIZE, 0, NULL));
}

/* What cannot be written stays; unix(7) would lose it. */
TEST_F(seqpacket, unwritable)
{
	unsigned char *page = parley_half_there(out);
	struct iovec iov[3] = {
		{ in, 5000 }, { page + PAGE, 10 }, { in, 10 },
	};
	int flags;

	ASSERT_NE(NULL, page);
	ASSERT_EQ(6000, record_put(self->fd[0], out, 6000, MSG_EOR));
	ASSERT_EQ(3, record_put(self->fd[0], out, 3, 0));
	EXPECT_EQ(-EFAULT, record_get(self->fd[1], page + PAGE, 10, 0, NULL));
	EXPECT_EQ(-EFAULT, record_get(self->fd[1], page, 2 * PAGE, 0, NULL));
	EXPECT_EQ(-EFAULT, record_get(self->fd[1], page, 2 * PAGE, MSG_PEEK,
				      NULL));
	EXPECT_EQ(-1, readv(self->fd[1], iov, 3));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(6003, record_queued(self->fd[1]));
	/* What is not needed is not touched. */
	EXPECT_EQ(PAGE, record_get(self->fd[1], page, PAGE, MSG_PEEK, &flags));
	EXPECT_EQ(MSG_EOR | MSG_TRUNC, flags);
	EXPECT_EQ(6000, record_get(self->fd[1], in, SIZE, 0, &flags));
	EXPECT_EQ(MSG_EOR, flags);
	EXPECT_EQ(0, memcmp(out, in, 6000));
	EXPECT_EQ(3, record_get(self->fd[1], page, 2 * PAGE, 0, &flags));
}

static long do_send(void *arg)
{
	long n = syscall(SYS_sendto, *(int *)arg, out, 3, MSG_NOSIGNAL, NULL,
			 0);

	return n < 0 ? -errno : n;
}

TEST_F(seqpacket, send_while_pending)
{
	int fd = record_call("127.0.0.1", PORT), got;

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EAGAIN, record_put(fd, out, 1, 0));
	EXPECT_EQ(-EAGAIN, record_get(fd, in, 1, 0, NULL));
	ASSERT_EQ(0, parley_nonblock(fd, false));
	ASSERT_EQ(0, parley_thread_start(&self->thread, SYS_sendto, do_send,
					 &fd));
	ASSERT_EQ(0, parley_thread_blocked(&self->thread));
	got = test_accept(self->listener, 0);
	ASSERT_LE(0, got);
	EXPECT_EQ(3, parley_thread_join(&self->thread));
	EXPECT_EQ(3, record_get(got, in, 10, 0, NULL));
}

TEST_F(seqpacket, socketpair)
{
	int fd[2], flags;

	ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
				fd));
	EXPECT_EQ(SOCK_SEQPACKET, parley_sockopt(fd[1], SOL_SOCKET, SO_TYPE));
	ASSERT_EQ(3, write(fd[0], out, 3));
	ASSERT_EQ(4, send(fd[0], out, 4, 0));
	EXPECT_EQ(3, record_get(fd[1], in, 10, 0, &flags));
	EXPECT_EQ(MSG_EOR, flags);
	EXPECT_EQ(4, record_get(fd[1], in, 10, 0, &flags));
	EXPECT_EQ(-1, read(fd[1], in, 10));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(-EISCONN, test_connect(fd[0], "127.0.0.1", PORT));
}

/* What a writer does to its memory afterwards is nobody's business. */
TEST_F(seqpacket, reused_memory)
{
	unsigned char *page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, page);
	memset(page, 1, 2 * PAGE);
	ASSERT_EQ(2 * PAGE, record_put(self->fd[0], page, 2 * PAGE, 0));
	memset(page, 2, 2 * PAGE);
	ASSERT_EQ(2 * PAGE, record_put(self->fd[0], page, 2 * PAGE, 0));
	ASSERT_EQ(0, munmap(page, 2 * PAGE));
	EXPECT_EQ(2 * PAGE, record_get(self->fd[1], in, SIZE, 0, NULL));
	EXPECT_EQ(1, in[0] & in[2 * PAGE - 1]);
	EXPECT_EQ(2 * PAGE, record_get(self->fd[1], in, SIZE, 0, NULL));
	EXPECT_EQ(2, in[0] & in[2 * PAGE - 1]);
}

TEST_HARNESS_MAIN
