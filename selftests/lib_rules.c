// SPDX-License-Identifier: GPL-2.0
/* Tables of rules, and calls that they decide; see lib_rules.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib_rules.h"

#define RULES_ROOM	(PARLEY_RULES_MAX + 1)
#define POOL_ROOM	(RULES_POOL_MAX + 1)
#define POISON		0xee
#define POISON32	0xeeeeeeeeU
#define DAY_MS		(24 * 60 * 60 * 1000)

struct rules *rules_new(void)
{
	struct rules *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->rule = calloc(RULES_ROOM, sizeof(*t->rule));
	t->pool = calloc(1, POOL_ROOM);
	if (!t->rule || !t->pool) {
		rules_free(t);
		return NULL;
	}
	t->arg.size = sizeof(t->arg);
	t->arg.rule_size = sizeof(*t->rule);
	t->arg.rules = (uintptr_t)t->rule;
	t->arg.pool = (uintptr_t)t->pool;
	return t;
}

void rules_free(struct rules *t)
{
	free(t->rule);
	free(t->pool);
	free(t);
}

struct parley_rule *rules_add(struct rules *t, unsigned int verdict)
{
	struct parley_rule *r = &t->rule[t->arg.count++];

	memset(r, 0, sizeof(*r));
	r->then.verdict = verdict;
	return r;
}

struct parley_rule *rules_refuse(struct rules *t, __u32 code)
{
	struct parley_rule *r = rules_add(t, PARLEY_REFUSE);

	r->then.code = code;
	return r;
}

__u32 rules_bytes(struct rules *t, const void *bytes, __u32 len)
{
	__u32 at = t->arg.pool_len;

	memcpy(t->pool + at, bytes, len);
	t->arg.pool_len += len;
	return at;
}

void rules_caller(struct parley_rule *r, const char *host, __u32 prefix)
{
	struct parley_addr a;
	__u8 *c = r->caller;

	parley_addr(&a, host, 0);
	r->match |= PARLEY_MATCH_CALLER;
	r->caller_prefix = prefix;
	if (a.sa.sa_family == AF_INET6) {
		memcpy(c, &a.v6.sin6_addr, 16);
		return;
	}
	memset(c, 0, 10);
	memset(c + 10, 0xff, 2);
	memcpy(c + 12, &a.v4.sin_addr, 4);
}

void rules_port(struct parley_rule *r, __u16 min, __u16 max)
{
	r->match |= PARLEY_MATCH_PORT;
	r->port_min = min;
	r->port_max = max;
}

void rules_uid(struct parley_rule *r, __u32 min, __u32 max)
{
	r->match |= PARLEY_MATCH_UID;
	r->uid_min = min;
	r->uid_max = max;
}

void rules_gid(struct parley_rule *r, __u32 min, __u32 max)
{
	r->match |= PARLEY_MATCH_GID;
	r->gid_min = min;
	r->gid_max = max;
}

void rules_group(struct parley_rule *r, __u64 group)
{
	r->match |= PARLEY_MATCH_GROUP;
	r->group = group;
}

void rules_data(struct rules *t, struct parley_rule *r, __u32 offset,
		const char *value, const char *mask)
{
	r->match |= PARLEY_MATCH_DATA;
	r->data_offset = offset;
	r->data_len = strlen(value);
	r->data_value = rules_bytes(t, value, r->data_len);
	r->data_mask = r->data_value;
	if (mask)
		r->data_mask = rules_bytes(t, mask, r->data_len);
}

void rules_once(struct parley_rule *r, __u32 burst)
{
	r->flags |= PARLEY_RULE_RATE;
	r->rate.calls = 1;
	r->rate.interval_ms = DAY_MS;
	r->rate.burst = burst;
}

void rules_say(struct parley_rule_answer *a, __u32 code, __u32 retry_after_ms)
{
	a->verdict = PARLEY_REFUSE;
	a->code = code;
	a->retry_after_ms = retry_after_ms;
}

void rules_reply(struct rules *t, struct parley_rule_answer *a,
		 const char *reply)
{
	a->reply_len = strlen(reply);
	a->reply = rules_bytes(t, reply, a->reply_len);
}

void rules_grant(struct parley_rule_answer *a, const struct parley_qos *qos)
{
	a->flags |= PARLEY_ANSWER_QOS;
	a->grant = *qos;
}

int rules_set(int fd, struct rules *t)
{
	t->arg.bad_rule = POISON32;
	t->arg.bad_field = POISON32;
	return ioctl(fd, PARLEY_IOC_SET_RULES, &t->arg) ? -errno : 0;
}

int rules_get(int fd, struct rules *t)
{
	t->arg.count = RULES_ROOM;
	t->arg.pool_len = POOL_ROOM;
	memset(&t->arg.otherwise, POISON, sizeof(t->arg.otherwise));
	return ioctl(fd, PARLEY_IOC_GET_RULES, &t->arg) ? -errno : 0;
}

static bool rules_eq(const char *what, const void *got, const void *want,
		     size_t len)
{
	const unsigned char *a = got, *b = want;
	size_t i;

	if (!memcmp(got, want, len))
		return true;
	for (i = 0; a[i] == b[i]; i++)
		;
	printf("# %s: byte %zu is %#x, not %#x\n", what, i, a[i], b[i]);
	fflush(stdout);
	return false;
}

static bool rules_same(const struct rules *got, const struct rules *t)
{
	if (got->arg.count != t->arg.count ||
	    got->arg.pool_len != t->arg.pool_len) {
		printf("# %u rules, not %u; %u bytes, not %u\n",
		       got->arg.count, t->arg.count, got->arg.pool_len,
		       t->arg.pool_len);
		fflush(stdout);
		return false;
	}
	return rules_eq("rules", got->rule, t->rule,
			t->arg.count * sizeof(*t->rule)) &&
	       rules_eq("pool", got->pool, t->pool, t->arg.pool_len) &&
	       rules_eq("default", &got->arg.otherwise, &t->arg.otherwise,
			sizeof(t->arg.otherwise));
}

bool rules_is(int fd, const struct rules *t)
{
	struct rules *got = rules_new();
	unsigned char *behind;
	bool ok = false;
	int err;

	if (!got)
		return false;
	behind = (unsigned char *)&got->rule[t->arg.count];
	memset(behind, POISON, sizeof(*got->rule));
	got->pool[t->arg.pool_len] = POISON;
	err = rules_get(fd, got);
	if (err) {
		printf("# getting the rules: error %d\n", -err);
		fflush(stdout);
	} else {
		ok = rules_same(got, t) && *behind == POISON &&
		     got->pool[t->arg.pool_len] == POISON;
	}
	rules_free(got);
	return ok;
}

bool rules_set_fails(int fd, struct rules *t, int err, __u32 bad_rule,
		     __u32 bad_field)
{
	int got = rules_set(fd, t);

	if (got == err && t->arg.bad_rule == bad_rule &&
	    t->arg.bad_field == bad_field)
		return true;
	printf("# error %d, not %d; rule %#x, not %#x; field %u, not %u\n",
	       -got, -err, t->arg.bad_rule, bad_rule, t->arg.bad_field,
	       bad_field);
	fflush(stdout);
	return false;
}

static int rules_target(int listener, const struct rules_call *c,
			struct parley_addr *to)
{
	int err = parley_name(listener, to);

	if (err || !c || !c->to)
		return err;
	return parley_addr(to, c->to, parley_addr_port(to));
}

int rules_connect(int listener, const struct rules_call *c, int *fd)
{
	struct parley_addr to;
	int err;

	*fd = parley_socket(SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (*fd < 0)
		return *fd;
	err = rules_target(listener, c, &to);
	if (!err && c && c->from)
		err = parley_bind(*fd, c->from, 0);
	if (!err && c)
		err = terms_apply(*fd, &c->terms);
	if (err)
		return err;
	return connect(*fd, &to.sa, to.len) ? -errno : 0;
}

/* What became of a call that was judged; @told: connect(2) has said it. */
static int rules_outcome(int listener, int fd, bool told)
{
	struct parley_refusal r;
	struct parley_backlog b;
	int err;

	err = parley_refusal(fd, &r) ?: parley_backlog(listener, &b);
	if (err)
		return err;
	if (!r.reason && !told)
		return b.deferred ? -EBUSY : -EBADMSG;
	if (parley_so_error(fd) != (told ? 0 : ECONNREFUSED))
		return -EBADMSG;
	return r.reason == PARLEY_REASON_RULE ? (int)r.code : -ECONNREFUSED;
}

int rules_code(int listener, const struct rules_call *c)
{
	int fd, new, err;

	err = rules_connect(listener, c, &fd);
	if (err == -EINPROGRESS) {
		new = test_accept(listener, 0);
		if (new >= 0)
			close(new);
		err = new < 0 ? new : 0;
		if (err == -EAGAIN)
			err = rules_outcome(listener, fd, false);
	} else if (err == -ECONNREFUSED) {
		err = rules_outcome(listener, fd, true);
	}
	if (fd >= 0)
		close(fd);
	return err;
}

bool rules_refused_is(int fd, __u32 code, __u32 retry_after_ms,
		      const char *reply)
{
	__u32 len = reply ? strlen(reply) : 0;
	struct parley_refusal r;
	int err = parley_refusal(fd, &r);

	if (!err && r.reason == PARLEY_REASON_RULE && r.code == code &&
	    r.retry_after_ms == retry_after_ms && r.data_len == len)
		return terms_reply_is(fd, reply, len);
	printf("# error %d, reason %u; code %u, not %u; ", -err, r.reason,
	       r.code, code);
	printf("retry after %u, not %u; reply of %u bytes, not %u\n",
	       r.retry_after_ms, retry_after_ms, r.data_len, len);
	fflush(stdout);
	return false;
}

bool rules_decided_is(int fd, __u32 by, __u32 rule)
{
	struct parley_call_info info;
	int err = terms_info(fd, &info);

	if (!err && info.decided_by == by && info.rule == rule)
		return true;
	printf("# error %d; decided by %u, not %u; rule %#x, not %#x\n", -err,
	       info.decided_by, by, info.rule, rule);
	fflush(stdout);
	return false;
}

static bool rules_join(const char *cgroup)
{
	char path[256];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, "0", 1) == 1;
	close(fd);
	return ok;
}

int rules_code_as(int listener, const struct rules_who *w)
{
	pid_t pid = parley_fork();
	int code;

	if (pid)
		return pid < 0 ? pid : parley_reap(pid);
	if ((w->cgroup && !rules_join(w->cgroup)) ||
	    setgroups(w->groups, w->group) ||
	    setresgid(w->gid[0], w->gid[1], w->gid[1]) ||
	    setresuid(w->uid[0], w->uid[1], w->uid[1]))
		_exit(101);
	code = rules_code(listener, NULL);
	_exit(code < 0 || code > 100 ? 102 : code);
}
