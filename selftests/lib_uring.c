// SPDX-License-Identifier: GPL-2.0
/* Rings of io_uring for the tests; see lib_uring.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <string.h>

#include "lib.h"
#include "lib_uring.h"

#define TAG_CANCEL	0x7fffffff

int uring_init(struct uring *u, unsigned int entries, unsigned int flags)
{
	memset(u, 0, sizeof(*u));
	return io_uring_queue_init(entries, &u->ring, flags);
}

void uring_exit(struct uring *u)
{
	io_uring_queue_exit(&u->ring);
}

struct io_uring_sqe *uring_sqe(struct uring *u)
{
	return io_uring_get_sqe(&u->ring);
}

int uring_go(struct uring *u, struct io_uring_sqe *sqe, int tag)
{
	int n;

	io_uring_sqe_set_data64(sqe, tag);
	n = io_uring_submit(&u->ring);
	return n < 0 ? n : 0;
}

static int take(struct uring *u, int tag)
{
	int i, res;

	for (i = 0; i < u->n && u->kept[i].tag != tag; i++)
		;
	if (i == u->n)
		return -ETIME;
	res = u->kept[i].res;
	u->flags = u->kept[i].flags;
	memmove(&u->kept[i], &u->kept[i + 1],
		(--u->n - i) * sizeof(u->kept[0]));
	return res;
}

static bool has(const struct uring *u, int tag)
{
	int i;

	for (i = 0; i < u->n; i++)
		if (u->kept[i].tag == tag)
			return true;
	return false;
}

int uring_wait(struct uring *u, int tag)
{
	struct __kernel_timespec ts = { .tv_sec = PARLEY_BOUND_MS / 1000 };
	struct io_uring_cqe *cqe;
	int err;

	while (!has(u, tag)) {
		err = io_uring_wait_cqe_timeout(&u->ring, &cqe, &ts);
		if (err == -EINTR)
			continue;
		if (err)
			return -ETIME;
		if (u->n == URING_KEPT)
			return -ENOBUFS;
		u->kept[u->n].tag = cqe->user_data;
		u->kept[u->n].res = cqe->res;
		u->kept[u->n++].flags = cqe->flags;
		io_uring_cqe_seen(&u->ring, cqe);
	}
	return take(u, tag);
}

bool uring_quiet(struct uring *u)
{
	struct io_uring_cqe *cqe;

	io_uring_get_events(&u->ring);
	return !u->n && io_uring_peek_cqe(&u->ring, &cqe) == -EAGAIN;
}

int uring_cancel(struct uring *u, int tag)
{
	struct io_uring_sqe *sqe = uring_sqe(u);
	int err;

	io_uring_prep_cancel64(sqe, tag, 0);
	err = uring_go(u, sqe, TAG_CANCEL);
	return err ?: uring_wait(u, TAG_CANCEL);
}
