// SPDX-License-Identifier: GPL-2.0
/*
 * Tags: each call carries a number of its own as its PARLEY_GROUP, and what its
 * two sides hear is put down under it. A call that was refused, withdrawn or
 * timed out is never accepted, and no call is accepted twice.
 *
 * Only what one thread alone did with a socket is certain. Whoever finds another
 * one at it spoils the tag, before doing anything: what is spoiled is not held
 * against the kernel.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <sys/socket.h>
#include <linux/parley.h>

#include "lib_fuzz.h"

#define MAGIC		0x7061726c00000000ULL
#define MAGIC_MASK	0xffffffff00000000ULL
#define SERIAL_SHIFT	8
#define SERIAL_MASK	0xffffffULL

static __u64 group_of(const struct fuzz_shared *sh, unsigned int tag)
{
	return MAGIC | (sh->serial & SERIAL_MASK) << SERIAL_SHIFT | tag;
}

static unsigned int state_add(struct fuzz_shared *sh, unsigned int tag, unsigned int bits)
{
	return __atomic_fetch_or(&sh->state[tag], bits, __ATOMIC_SEQ_CST);
}

static void spoil(struct fuzz_shared *sh, unsigned int tag)
{
	if (tag)
		state_add(sh, tag, FUZZ_TAG_UNSURE);
}

static void check(struct fuzz_shared *sh, unsigned int tag)
{
	unsigned int state = __atomic_load_n(&sh->state[tag], __ATOMIC_SEQ_CST);

	if (!(state & FUZZ_TAG_UNSURE) &&
	    (state & FUZZ_TAG_ACCEPTED) && (state & FUZZ_TAG_FAILED))
		fuzz_found(sh, "call %u was accepted, and its caller was told that it failed", tag);
}

static void fail(struct fuzz_shared *sh, unsigned int tag)
{
	if (!tag)
		return;
	state_add(sh, tag, FUZZ_TAG_FAILED);
	check(sh, tag);
}

/* Nobody else may be in the middle of something with this socket. */
static bool own(struct fuzz_shared *sh, unsigned int number, unsigned int tag)
{
	unsigned int nobody = 0;

	return __atomic_compare_exchange_n(&sh->owner[number], &nobody, tag, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Returns what to hand to the others, 0 if the socket is another thread's. */
unsigned int fuzz_tag_begin(struct fuzz_actor *a, unsigned int number, int fd, bool fresh)
{
	struct fuzz_shared *sh = a->sh;
	unsigned int tag;
	__u64 group;

	if (!number)
		return 0;
	tag = __atomic_add_fetch(&sh->tags, 1, __ATOMIC_SEQ_CST);
	if (tag >= FUZZ_TAGS || !own(sh, number, tag)) {
		fuzz_tag_spoil(a, number);
		return 0;
	}
	group = group_of(sh, tag);
	/* EINVAL while a call waits: that has its tag already. */
	if (fresh && !setsockopt(fd, SOL_PARLEY, PARLEY_GROUP, &group, sizeof(group)))
		__atomic_store_n(&sh->last[number], tag, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&sh->others[number], __ATOMIC_SEQ_CST))
		spoil(sh, __atomic_load_n(&sh->last[number], __ATOMIC_SEQ_CST));
	return tag;
}

void fuzz_tag_spoil(struct fuzz_actor *a, unsigned int number)
{
	if (!number)
		return;
	__atomic_add_fetch(&a->sh->others[number], 1, __ATOMIC_SEQ_CST);
	spoil(a->sh, __atomic_load_n(&a->sh->last[number], __ATOMIC_SEQ_CST));
}

void fuzz_tag_withdrawn(struct fuzz_actor *a, unsigned int number, unsigned int held)
{
	if (held)
		fail(a->sh, a->sh->last[number]);
}

void fuzz_tag_end(struct fuzz_actor *a, unsigned int number, unsigned int held, long ret)
{
	struct fuzz_shared *sh = a->sh;

	if (!number)
		return;
	if (!held) {
		__atomic_sub_fetch(&sh->others[number], 1, __ATOMIC_SEQ_CST);
		return;
	}
	if (ret == -ECONNREFUSED || ret == -ETIMEDOUT)
		fail(sh, sh->last[number]);
	__atomic_store_n(&sh->owner[number], 0, __ATOMIC_SEQ_CST);
}

void fuzz_tag_accepted(struct fuzz_actor *a, int fd)
{
	struct fuzz_shared *sh = a->sh;
	socklen_t len = sizeof(__u64);
	unsigned int tag, before;
	__u64 group;

	if (getsockopt(fd, SOL_PARLEY, PARLEY_GROUP, &group, &len) || len != sizeof(group))
		return;
	tag = group & 0xff;
	if (!tag || tag >= FUZZ_TAGS || group != group_of(sh, tag))
		return;
	before = state_add(sh, tag, FUZZ_TAG_ACCEPTED);
	if (before & FUZZ_TAG_ACCEPTED && !(before & FUZZ_TAG_UNSURE))
		fuzz_found(sh, "call %u was accepted twice", tag);
	check(sh, tag);
}
