/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of calls with terms share: setters and getters of the options
 * that say on what terms a call is made, and what was answered.
 *
 * Include it after kselftest_harness.h. Functions return a negative errno when
 * they fail; none of them exits. What is_...() functions find different they
 * print as a comment.
 */
#ifndef PARLEY_SELFTEST_LIB_TERMS_H
#define PARLEY_SELFTEST_LIB_TERMS_H

#include "lib.h"

#define TERMS_DATA_MAX	65536	/* the highest net.parley.max_call_data */

/* Any option of SOL_PARLEY; @len is the room, and then what getsockopt said. */
int terms_set(int fd, int name, const void *value, socklen_t len);
int terms_get(int fd, int name, void *value, socklen_t *len);
/* how many bytes PARLEY_CALL_DATA, PARLEY_REPLY_DATA, PARLEY_PEERSEC have */
int terms_len(int fd, int name);
/* whether they are just these bytes */
bool terms_is(int fd, int name, const void *value, socklen_t len);

/* Call data and reply data */

/* bytes that differ from those of another @seed at nearly all places */
void terms_fill(void *buf, size_t len, unsigned int seed);
int terms_set_data(int fd, const void *data, socklen_t len);
bool terms_data_is(int fd, const void *data, socklen_t len);
int terms_set_reply(int fd, const void *data, socklen_t len);
bool terms_reply_is(int fd, const void *data, socklen_t len);

/* Quality of service */

/* what nobody has asked for, and something that differs in all members */
void terms_qos_none(struct parley_qos *qos);
void terms_qos_some(struct parley_qos *qos);
void terms_qos_swap(struct parley_qos *qos);
bool terms_qos_eq(const struct parley_qos *a, const struct parley_qos *b);
int terms_set_qos(int fd, const struct parley_qos *qos);
int terms_qos(int fd, struct parley_qos *qos);
bool terms_qos_is(int fd, const struct parley_qos *qos);

int terms_set_group(int fd, __u64 group);
int terms_group(int fd, __u64 *group);
bool terms_group_is(int fd, __u64 group);

/* Of listeners */

int terms_set_stage(int fd, __u32 stage);
int terms_stage(int fd);
int terms_set_inherit(int fd, __u32 flags);
int terms_inherit(int fd);
int terms_set_defer(int fd, __u32 timeout_ms, __u32 verdict);
int terms_defer(int fd, struct parley_defer_timeout *t);

/* Of connections */

int terms_info(int fd, struct parley_call_info *info);
int terms_connect_time(int fd, __u64 *ns);

/* Of deciders */

/* the next call that is given, without its bytes; @flags PARLEY_NEXT_* */
int terms_next(int fd, struct parley_call_info *info, unsigned int flags);
/* the plain verdict on a call, or one with reply data */
int terms_decide(int fd, __u64 id, unsigned int verdict);
int terms_answer(int fd, __u64 id, unsigned int verdict, const void *reply,
		 __u32 len);
/* makes one rule that says @answer to each call; its reply is in @pool */
int terms_rule(int fd, const struct parley_rule_answer *answer,
	       const void *pool, __u32 pool_len);

/* Calls */

struct terms {
	const void *data;
	socklen_t len;
	const struct parley_qos *qos;	/* NULL: none asked for */
	__u64 group;
	int type;			/* of the socket; 0: SOCK_STREAM */
};

int terms_apply(int fd, const struct terms *t);
/* a new non-blocking socket whose call on these terms is pending */
int terms_call(const char *host, int port, const struct terms *t);

#endif /* PARLEY_SELFTEST_LIB_TERMS_H */
