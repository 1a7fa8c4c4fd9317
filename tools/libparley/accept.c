// SPDX-License-Identifier: GPL-2.0
/*
 * parley_accept(): look at a call, ask the condition, decide, and take just
 * this call. Whatever fails in between, the call is where it was.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "internal.h"

#define PLIB_ACCEPT_FLAGS	(PARLEY_ACCEPT_NOWAIT | PARLEY_ACCEPT_REVIEW | \
				 PARLEY_ACCEPT_STRICT)

/* The highest value of net.parley.max_call_data. */
#define PLIB_REPLY_MAX		65536

/* How often, a millisecond apart, an accept(2) elsewhere is waited for. */
#define PLIB_BUSY_TRIES		1000

static void plib_undecide(int fd, uint64_t id, unsigned int flags)
{
	int err = errno;

	/* ENOENT: its caller has gone, there is nothing left to undecide. */
	parley_decide(fd, id, PARLEY_UNDECIDE, NULL, flags);
	errno = err;
}

/*
 * EBUSY: a plain accept(2) in another thread is just taking the call. Either it
 * gets it, or it fails at once and the call is to be decided after all.
 */
static int plib_decide(int fd, uint64_t id, int verdict,
		       const struct parley_answer *answer, unsigned int flags)
{
	struct timespec ms = { .tv_nsec = 1000000 };
	int i;

	for (i = 0; parley_decide(fd, id, verdict, answer, flags); i++) {
		if (errno != EBUSY || i == PLIB_BUSY_TRIES)
			goto failed;
		nanosleep(&ms, NULL);
	}
	return 0;

failed:
	switch (errno) {
	case ENOENT:
	case EALREADY:
	case EBUSY:
		errno = ECONNABORTED;
		break;
	default:
		plib_undecide(fd, id, 0);
		break;
	}
	return -1;
}

/* The call that this thread has reserved. */
static int plib_collect(int fd, uint64_t id, struct sockaddr *addr,
			socklen_t *addrlen, int flags)
{
	int new = accept4(fd, addr, addrlen, flags & ~PLIB_ACCEPT_FLAGS);

	/* ECONNABORTED: its caller has gone. */
	if (new < 0 && errno != ECONNABORTED)
		plib_undecide(fd, id, PARLEY_DECIDE_AGAIN);
	return new;
}

/* What follows from the verdict; for ACCEPT the new descriptor. */
static int plib_conclude(int fd, uint64_t id, int verdict,
			 const struct parley_answer *answer,
			 struct sockaddr *addr, socklen_t *addrlen, int flags)
{
	switch (verdict) {
	case PARLEY_ACCEPT:
		if (plib_decide(fd, id, verdict, answer, PARLEY_DECIDE_RESERVE))
			return -1;
		return plib_collect(fd, id, addr, addrlen, flags);
	case PARLEY_REFUSE:
		if (!plib_decide(fd, id, verdict, answer, 0))
			errno = ECONNREFUSED;
		return -1;
	case PARLEY_DEFER:
		if (!plib_decide(fd, id, verdict, answer, 0))
			errno = EBUSY;
		return -1;
	default:
		plib_undecide(fd, id, 0);
		errno = EINVAL;
		return -1;
	}
}

static int plib_accept(int fd, struct sockaddr *addr, socklen_t *addrlen,
		       parley_condition_fn condition, void *arg, int flags)
{
	struct parley_answer answer = { .buf_room = PLIB_REPLY_MAX };
	unsigned int next = PARLEY_NEXT_DEFERRED;
	struct parley_offer *offer;
	int verdict, new, err;

	if (flags & PARLEY_ACCEPT_NOWAIT)
		next |= PARLEY_NEXT_NOWAIT;
	if (flags & (PARLEY_ACCEPT_REVIEW | PARLEY_ACCEPT_STRICT))
		next |= PARLEY_NEXT_REWIND;

	/* Before a call is looked at: without memory it stays new. */
	answer.buf = malloc(PLIB_REPLY_MAX);
	if (!answer.buf)
		return -1;
	answer.reply = answer.buf;
	offer = plib_next_call(fd, next);
	if (!offer) {
		new = -1;
		goto out;
	}
	verdict = condition(offer, &answer, arg);
	new = plib_conclude(fd, offer->info->id, verdict, &answer, addr,
			    addrlen, flags);
out:
	err = errno;
	parley_offer_free(offer);
	free(answer.buf);
	errno = err;
	return new;
}

int parley_accept(int fd, struct sockaddr *addr, socklen_t *addrlen,
		  parley_condition_fn condition, void *arg, int flags)
{
	int new, cancel;

	if (!condition)
		return accept4(fd, addr, addrlen, flags);
	/* What accept4(2) would find only once the call is taken. */
	if (addr && !addrlen) {
		errno = EFAULT;
		return -1;
	}
	if ((addr && *addrlen > INT32_MAX) ||
	    flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC | PLIB_ACCEPT_FLAGS)) {
		errno = EINVAL;
		return -1;
	}
	/* A thread that ended here would leave a call that nobody decides. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	new = plib_accept(fd, addr, addrlen, condition, arg, flags);
	pthread_setcancelstate(cancel, NULL);
	return new;
}
