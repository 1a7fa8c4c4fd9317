// SPDX-License-Identifier: GPL-2.0
/*
 * splice(2) and sendfile(2) out of a socket. The bytes are copied into pages
 * that become the pipe's: those of the ring go on to be used by the writer.
 * Into a socket, the kernel's own way through sendmsg() does it.
 */
#include <linux/bvec.h>
#include <linux/mm.h>
#include <linux/pipe_fs_i.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "parley.h"

/*
 * Bytes that can be had at once, waited for unless @nowait; 0 is the end, or
 * an empty record. Nothing is copied: a stream looks at its counters, and of a
 * record there is no room for any byte.
 */
static long parley_splice_wait(struct socket *sock, size_t room, int nowait)
{
	struct msghdr msg = {};

	if (parley_has_records(sock->sk))
		room = 0;

	iov_iter_bvec(&msg.msg_iter, ITER_DEST, NULL, 0, 0);
	return parley_recvmsg(sock, &msg, room, MSG_PEEK | MSG_TRUNC | nowait);
}

static void parley_splice_release(struct splice_pipe_desc *spd, unsigned int i)
{
	__free_page(spd->pages[i]);
}

/* Read up to @len bytes, of which some are there, into pages of @spd. */
static long parley_splice_fill(struct socket *sock, size_t len,
			       struct splice_pipe_desc *spd)
{
	struct bio_vec vec[PIPE_DEF_BUFFERS];
	unsigned int i, n = DIV_ROUND_UP(len, PAGE_SIZE);
	struct msghdr msg = {};
	long got = -ENOMEM;

	for (i = 0; i < n; i++) {
		spd->pages[i] = alloc_page(GFP_KERNEL_ACCOUNT);
		if (!spd->pages[i])
			break;
		vec[i].bv_page = spd->pages[i];
		vec[i].bv_offset = 0;
		vec[i].bv_len = PAGE_SIZE;
	}
	/* A record is not cut for want of memory either. */
	if (i < n && parley_has_records(sock->sk)) {
		while (i--)
			parley_splice_release(spd, i);
		return -ENOMEM;
	}
	n = i;
	len = min_t(size_t, len, n * PAGE_SIZE);
	if (n) {
		iov_iter_bvec(&msg.msg_iter, ITER_DEST, vec, n, len);
		got = parley_recvmsg(sock, &msg, len, MSG_DONTWAIT);
	}
	spd->nr_pages = got > 0 ? DIV_ROUND_UP(got, PAGE_SIZE) : 0;
	for (i = spd->nr_pages; i < n; i++)
		parley_splice_release(spd, i);
	for (i = 0; i < spd->nr_pages; i++) {
		spd->partial[i].offset = 0;
		spd->partial[i].len = min_t(long, got - i * PAGE_SIZE,
					    PAGE_SIZE);
	}
	return got;
}

/**
 * parley_splice_read - splice(2) from a socket to a pipe
 * @sock: the socket
 * @ppos: not for sockets
 * @pipe: the pipe, locked, with a free buffer and a reader
 * @len: how many bytes at most, at least one
 * @flags: SPLICE_F_NONBLOCK: do not wait, whatever the socket's flags say
 *
 * Context: process, may sleep.
 * Return: bytes, 0 at the end of the data, or what parley_recvmsg() says.
 */
ssize_t parley_splice_read(struct socket *sock, loff_t *ppos,
			   struct pipe_inode_info *pipe, size_t len,
			   unsigned int flags)
{
	bool nowait = flags & SPLICE_F_NONBLOCK ||
		      sock->file->f_flags & O_NONBLOCK;
	struct partial_page partial[PIPE_DEF_BUFFERS];
	struct page *pages[PIPE_DEF_BUFFERS];
	struct splice_pipe_desc spd = {
		.pages		= pages,
		.partial	= partial,
		.nr_pages_max	= PIPE_DEF_BUFFERS,
		.ops		= &nosteal_pipe_buf_ops,
		.spd_release	= parley_splice_release,
	};
	unsigned int used = pipe_occupancy(pipe->head, pipe->tail);
	size_t room;
	long n;

	/* What was read must all go into the pipe. */
	room = min_t(size_t, pipe->max_usage - used, PIPE_DEF_BUFFERS);
	room = min_t(size_t, len, room * PAGE_SIZE);

	do {
		n = parley_splice_wait(sock, room, nowait ? MSG_DONTWAIT : 0);
		if (n < 0)
			return n;
		/*
		 * What looks like the end is left to the reading to tell, and
		 * the next record may be longer than the one we saw.
		 */
		if (parley_has_records(sock->sk))
			n = room;
		n = parley_splice_fill(sock, clamp_t(size_t, n, 1, room), &spd);
		/* Another reader may have been faster. */
	} while (n == -EAGAIN && !nowait);
	return n > 0 ? splice_to_pipe(pipe, &spd) : n;
}

/**
 * parley_splice_eof - a splice into a socket has come to its end
 * @sock: the socket
 *
 * What came last was sent as if more would follow.
 *
 * Context: process.
 */
void parley_splice_eof(struct socket *sock)
{
	struct sock *sk = sock->sk;

	/* Pairs with parley_set_state(): @peer is there. */
	if (smp_load_acquire(&sk->sk_state) == TCP_ESTABLISHED)
		parley_sk(sk)->ops->push(sk);
}
