/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rings of io_uring for the tests: requests have a tag, and whoever waits for
 * one of them gets its completions in order, whatever else has completed.
 */
#ifndef PARLEY_SELFTEST_URING_H
#define PARLEY_SELFTEST_URING_H

#include <liburing.h>
#include <stdbool.h>

#define URING_KEPT	256

/**
 * struct uring - a ring
 * @ring: liburing's
 * @kept: completions that nobody has asked for yet
 * @n: how many
 * @flags: of the last completion that uring_wait() returned
 */
struct uring {
	struct io_uring ring;
	struct {
		int tag;
		int res;
		unsigned int flags;
	} kept[URING_KEPT];
	int n;
	unsigned int flags;
};

/* 0, or a negative errno: -EPERM where io_uring is switched off */
int uring_init(struct uring *u, unsigned int entries, unsigned int flags);
void uring_exit(struct uring *u);
/* a request to be prepared; the tag has to be set after that */
struct io_uring_sqe *uring_sqe(struct uring *u);
/* gives @sqe its tag and hands over all that is prepared */
int uring_go(struct uring *u, struct io_uring_sqe *sqe, int tag);
/* the next result of @tag, or -ETIME where there is none within the bound */
int uring_wait(struct uring *u, int tag);
/* whether nothing has completed so far */
bool uring_quiet(struct uring *u);
/* cancels all that has this tag; the result of the cancellation */
int uring_cancel(struct uring *u, int tag);

#endif /* PARLEY_SELFTEST_URING_H */
