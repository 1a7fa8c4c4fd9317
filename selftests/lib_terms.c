// SPDX-License-Identifier: GPL-2.0
/* The options that say on what terms calls are made; see lib_terms.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib_terms.h"

int terms_set(int fd, int name, const void *value, socklen_t len)
{
	return setsockopt(fd, SOL_PARLEY, name, value, len) ? -errno : 0;
}

int terms_get(int fd, int name, void *value, socklen_t *len)
{
	return getsockopt(fd, SOL_PARLEY, name, value, len) ? -errno : 0;
}

/* A struct or a number is there as a whole. */
static int terms_get_whole(int fd, int name, void *value, socklen_t size)
{
	socklen_t len = size;
	int err;

	memset(value, 0xee, size);
	err = terms_get(fd, name, value, &len);
	if (!err && len != size)
		err = -EBADMSG;
	return err;
}

int terms_len(int fd, int name)
{
	socklen_t len = 0;
	char none;
	int err = terms_get(fd, name, &none, &len);

	if (!err)
		return len ? -EBADMSG : 0;
	return err == -ERANGE ? (int)len : err;
}

bool terms_is(int fd, int name, const void *value, socklen_t len)
{
	/* One byte more than there should be, which nobody may touch. */
	unsigned char *got = malloc(len + 1);
	socklen_t room = len + 1;
	size_t i;
	int err;

	if (!got)
		return false;
	memset(got, 0xee, room);
	err = terms_get(fd, name, got, &room);
	if (!err && room == len && got[len] == 0xee &&
	    (!len || !memcmp(got, value, len))) {
		free(got);
		return true;
	}
	for (i = 0; !err && i < len && i < room; i++)
		if (got[i] != ((const unsigned char *)value)[i])
			break;
	printf("# option %d: error %d, %u bytes, not %u; different from %zu\n",
	       name, -err, room, len, i);
	fflush(stdout);
	free(got);
	return false;
}

void terms_fill(void *buf, size_t len, unsigned int seed)
{
	unsigned char *c = buf;
	uint32_t x = seed * 2654435761U + 1;
	size_t i;

	for (i = 0; i < len; i++) {
		x = x * 1664525U + 1013904223U;
		c[i] = x >> 24;
	}
}

int terms_set_data(int fd, const void *data, socklen_t len)
{
	return terms_set(fd, PARLEY_CALL_DATA, data, len);
}

bool terms_data_is(int fd, const void *data, socklen_t len)
{
	return terms_is(fd, PARLEY_CALL_DATA, data, len);
}

int terms_set_reply(int fd, const void *data, socklen_t len)
{
	return terms_set(fd, PARLEY_REPLY_DATA, data, len);
}

bool terms_reply_is(int fd, const void *data, socklen_t len)
{
	return terms_is(fd, PARLEY_REPLY_DATA, data, len);
}

void terms_qos_none(struct parley_qos *qos)
{
	memset(qos, 0xff, sizeof(*qos));
	qos->send.service = PARLEY_SERVICE_BESTEFFORT;
	qos->recv.service = PARLEY_SERVICE_BESTEFFORT;
}

void terms_qos_some(struct parley_qos *qos)
{
	const struct parley_flowspec send = {
		.token_rate = 1000000,
		.bucket_size = 20000,
		.peak_rate = 3000000,
		.latency_us = 40000,
		.delay_variation_us = 5000,
		.service = PARLEY_SERVICE_GUARANTEED,
		.max_sdu = 6000,
		.min_policed = 700,
	};
	const struct parley_flowspec recv = {
		.token_rate = 2000001,
		.bucket_size = 30001,
		.peak_rate = 4000001,
		.latency_us = 50001,
		.delay_variation_us = 6001,
		.service = PARLEY_SERVICE_CONTROLLEDLOAD,
		.max_sdu = 7001,
		.min_policed = 801,
	};

	qos->send = send;
	qos->recv = recv;
}

void terms_qos_swap(struct parley_qos *qos)
{
	struct parley_flowspec send = qos->send;

	qos->send = qos->recv;
	qos->recv = send;
}

bool terms_qos_eq(const struct parley_qos *a, const struct parley_qos *b)
{
	const __u32 *x = (const __u32 *)a, *y = (const __u32 *)b;
	size_t i;

	for (i = 0; i < sizeof(*a) / sizeof(*x); i++) {
		if (x[i] == y[i])
			continue;
		printf("# member %zu of %s is %u, not %u\n", i % 8,
		       i < 8 ? "send" : "recv", x[i], y[i]);
		fflush(stdout);
		return false;
	}
	return true;
}

int terms_set_qos(int fd, const struct parley_qos *qos)
{
	return terms_set(fd, PARLEY_QOS, qos, sizeof(*qos));
}

int terms_qos(int fd, struct parley_qos *qos)
{
	return terms_get_whole(fd, PARLEY_QOS, qos, sizeof(*qos));
}

bool terms_qos_is(int fd, const struct parley_qos *qos)
{
	struct parley_qos got;

	return !terms_qos(fd, &got) && terms_qos_eq(&got, qos);
}

int terms_set_group(int fd, __u64 group)
{
	return terms_set(fd, PARLEY_GROUP, &group, sizeof(group));
}

int terms_group(int fd, __u64 *group)
{
	return terms_get_whole(fd, PARLEY_GROUP, group, sizeof(*group));
}

bool terms_group_is(int fd, __u64 group)
{
	__u64 got;

	return !terms_group(fd, &got) && got == group;
}

int terms_set_stage(int fd, __u32 stage)
{
	return terms_set(fd, PARLEY_STAGE, &stage, sizeof(stage));
}

int terms_stage(int fd)
{
	__u32 stage;
	int err = terms_get_whole(fd, PARLEY_STAGE, &stage, sizeof(stage));

	return err ?: (int)stage;
}

int terms_set_inherit(int fd, __u32 flags)
{
	return terms_set(fd, PARLEY_INHERIT, &flags, sizeof(flags));
}

int terms_inherit(int fd)
{
	__u32 flags;
	int err = terms_get_whole(fd, PARLEY_INHERIT, &flags, sizeof(flags));

	return err ?: (int)flags;
}

int terms_set_defer(int fd, __u32 timeout_ms, __u32 verdict)
{
	const struct parley_defer_timeout t = {
		.timeout_ms = timeout_ms,
		.verdict = verdict,
	};

	return terms_set(fd, PARLEY_DEFER_TIMEOUT, &t, sizeof(t));
}

int terms_defer(int fd, struct parley_defer_timeout *t)
{
	return terms_get_whole(fd, PARLEY_DEFER_TIMEOUT, t, sizeof(*t));
}

int terms_info(int fd, struct parley_call_info *info)
{
	return terms_get_whole(fd, PARLEY_CALL_INFO, info, sizeof(*info));
}

int terms_connect_time(int fd, __u64 *ns)
{
	return terms_get_whole(fd, PARLEY_CONNECT_TIME, ns, sizeof(*ns));
}

int terms_next(int fd, struct parley_call_info *info, unsigned int flags)
{
	struct parley_next_call next = {
		.size = sizeof(next),
		.flags = flags,
	};

	if (ioctl(fd, PARLEY_IOC_NEXT_CALL, &next))
		return -errno;
	*info = next.info;
	return 0;
}

int terms_decide(int fd, __u64 id, unsigned int verdict)
{
	return terms_answer(fd, id, verdict, NULL, 0);
}

int terms_answer(int fd, __u64 id, unsigned int verdict, const void *reply,
		 __u32 len)
{
	struct parley_decision d = {
		.size = sizeof(d),
		.verdict = verdict,
		.id = id,
		.reply = (uintptr_t)reply,
		.reply_len = len,
	};

	return ioctl(fd, PARLEY_IOC_DECIDE, &d) ? -errno : 0;
}

int terms_rule(int fd, const struct parley_rule_answer *answer,
	       const void *pool, __u32 pool_len)
{
	const struct parley_rule rule = { .then = *answer };
	struct parley_rules rules = {
		.size = sizeof(rules),
		.rule_size = sizeof(rule),
		.count = 1,
		.rules = (uintptr_t)&rule,
		.pool = (uintptr_t)pool,
		.pool_len = pool_len,
	};

	return ioctl(fd, PARLEY_IOC_SET_RULES, &rules) ? -errno : 0;
}

int terms_apply(int fd, const struct terms *t)
{
	int err = terms_set_data(fd, t->data, t->len);

	if (!err && t->qos)
		err = terms_set_qos(fd, t->qos);
	return err ?: terms_set_group(fd, t->group);
}

int terms_call(const char *host, int port, const struct terms *t)
{
	int fd, err;

	fd = socket(AF_PARLEY, (t->type ?: SOCK_STREAM) | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = terms_apply(fd, t);
	if (!err)
		return test_call(fd, host, port);
	close(fd);
	return err;
}
