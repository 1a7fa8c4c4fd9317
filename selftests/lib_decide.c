// SPDX-License-Identifier: GPL-2.0
/* Looking at calls and deciding them; see lib_decide.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib_decide.h"

int decide_next(int fd, unsigned int flags, struct parley_next_call *next)
{
	next->size = sizeof(*next);
	next->flags = flags;
	return ioctl(fd, PARLEY_IOC_NEXT_CALL, next) ? -errno : 0;
}

long long decide_next_id(int fd, unsigned int flags)
{
	struct parley_next_call next = {};
	int err = decide_next(fd, flags | PARLEY_NEXT_NOWAIT, &next);

	return err ?: (long long)next.info.id;
}

bool decide_next_is_none(int fd, unsigned int flags)
{
	long long id = decide_next_id(fd, flags);

	if (id == -EAGAIN)
		return true;
	printf("# the next call is %lld\n", id);
	fflush(stdout);
	return false;
}

int decide(int fd, struct parley_decision *d)
{
	d->size = sizeof(*d);
	return ioctl(fd, PARLEY_IOC_DECIDE, d) ? -errno : 0;
}

int decide_call(int fd, __u64 id, unsigned int verdict, unsigned int flags)
{
	struct parley_decision d = {
		.verdict = verdict,
		.id = id,
		.flags = flags,
	};

	return decide(fd, &d);
}

int decide_refuse(int fd, __u64 id, __u32 code, __u32 retry_after_ms,
		  const char *reply)
{
	struct parley_decision d = {
		.verdict = PARLEY_REFUSE,
		.id = id,
		.code = code,
		.retry_after_ms = retry_after_ms,
		.reply = (uintptr_t)reply,
		.reply_len = reply ? strlen(reply) : 0,
	};

	return decide(fd, &d);
}

int decide_accept(int fd, __u64 id, unsigned int flags, const char *reply)
{
	struct parley_decision d = {
		.verdict = PARLEY_ACCEPT,
		.id = id,
		.flags = flags,
		.reply = (uintptr_t)reply,
		.reply_len = reply ? strlen(reply) : 0,
	};

	return decide(fd, &d);
}

int decide_review(int fd)
{
	int n = ioctl(fd, PARLEY_IOC_REVIEW);

	return n < 0 ? -errno : n;
}

int decide_rules(int fd, unsigned int verdict)
{
	struct parley_rules rules = {
		.size = sizeof(rules),
		.rule_size = sizeof(struct parley_rule),
		.otherwise.verdict = verdict,
	};

	return ioctl(fd, PARLEY_IOC_SET_RULES, &rules) ? -errno : 0;
}

long long decide_offer(int listener, int *call)
{
	struct parley_addr to;
	int err;

	err = parley_name(listener, &to);
	if (err)
		return err;
	*call = parley_socket(SOCK_NONBLOCK);
	if (*call < 0)
		return *call;
	if (!connect(*call, &to.sa, to.len))
		return -EISCONN;
	if (errno != EINPROGRESS)
		return -errno;
	return decide_next_id(listener, 0);
}

/* Decides what was just offered. */
static long long decide_offered(int listener, long long id,
				unsigned int verdict, unsigned int flags)
{
	int err;

	if (id < 0)
		return id;
	err = decide_call(listener, id, verdict, flags);
	return err ?: id;
}

long long decide_offer_deferred(int listener, int *call)
{
	return decide_offered(listener, decide_offer(listener, call),
			      PARLEY_DEFER, 0);
}

long long decide_offer_approved(int listener, int *call, unsigned int flags)
{
	return decide_offered(listener, decide_offer(listener, call),
			      PARLEY_ACCEPT, flags);
}

bool decide_backlog_is(int fd, unsigned int pending, unsigned int deferred,
		       unsigned int approved)
{
	struct parley_backlog b;
	int err = parley_backlog(fd, &b);

	if (!err && b.pending == pending && b.deferred == deferred &&
	    b.approved == approved)
		return true;
	printf("# backlog: error %d, pending %u, deferred %u, approved %u; ",
	       -err, b.pending, b.deferred, b.approved);
	printf("not %u, %u, %u\n", pending, deferred, approved);
	fflush(stdout);
	return false;
}

bool decide_refused_is(int fd, unsigned int reason, unsigned int code)
{
	int events = parley_wait(fd, 0), error = parley_so_error(fd);
	struct parley_refusal r;
	int err = parley_refusal(fd, &r);

	if (!err && events == (POLLERR | POLLHUP) && error == ECONNREFUSED &&
	    r.reason == reason && r.code == code)
		return true;
	printf("# events %#x, error %d, reason %u, code %u; ", events, error,
	       r.reason, r.code);
	printf("not reason %u, code %u\n", reason, code);
	fflush(stdout);
	return false;
}

bool decide_waits(int fd)
{
	int events = parley_revents(fd, POLLIN | POLLOUT);

	if (!events)
		return true;
	printf("# the call has ended: events %#x, error %d\n", events,
	       parley_so_error(fd));
	fflush(stdout);
	return false;
}

bool decide_accepts(int listener, int call)
{
	struct parley_addr peer, name;
	int fd, err;

	err = parley_wait(listener, POLLIN);
	if (err != POLLIN) {
		printf("# nothing to accept: events %#x\n", err);
		return false;
	}
	fd = test_accept(listener, 0);
	if (fd < 0) {
		printf("# accept: error %d\n", -fd);
		return false;
	}
	err = parley_peer(fd, &peer) ?: parley_name(call, &name);
	if (err || !parley_addr_eq(&peer, &name))
		printf("# accepted port %d, not port %d\n",
		       parley_addr_port(&peer), parley_addr_port(&name));
	else if (parley_talks(call, fd))
		return true;
	fflush(stdout);
	return false;
}

bool decide_accepts_none(int listener)
{
	int events = parley_revents(listener, POLLIN);
	int fd;

	if (events) {
		printf("# something to accept: events %#x\n", events);
		return false;
	}
	if (parley_nonblock(listener, true))
		return false;
	fd = test_accept(listener, 0);
	if (fd == -EAGAIN)
		return true;
	printf("# accept: %d\n", fd);
	fflush(stdout);
	return false;
}

static long decide_wait(void *arg)
{
	struct decide_waiter *w = arg;
	int err = decide_next(w->fd, w->flags, &w->next);

	return err ?: (long)w->next.info.id;
}

int decide_waiter_start(struct decide_waiter *w, int fd, unsigned int flags)
{
	w->fd = fd;
	w->flags = flags;
	memset(&w->next, 0, sizeof(w->next));
	return parley_thread_start(&w->thread, SYS_ioctl, decide_wait, w);
}

int decide_waiter_blocked(struct decide_waiter *w, int fd, unsigned int flags)
{
	int err = decide_waiter_start(w, fd, flags);

	return err ?: parley_thread_blocked(&w->thread);
}

long long decide_waiter_join(struct decide_waiter *w)
{
	return parley_thread_join(&w->thread);
}
