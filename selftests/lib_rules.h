/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of rules share: tables that grow rule by rule, the ioctls that
 * set and get them, and calls of which it is asked which rule decided them.
 *
 * Include it after kselftest_harness.h. Functions return a negative errno when
 * they fail; none of them exits. What ..._is() functions find different they
 * print as a comment.
 */
#ifndef PARLEY_SELFTEST_LIB_RULES_H
#define PARLEY_SELFTEST_LIB_RULES_H

#include "lib_terms.h"

#define RULES_POOL_MAX	(1024 * 1024)

/* Tables */

/**
 * struct rules - a table that is being made
 * @arg: what the ioctls get; begins with no rules, no bytes and a plain yes
 * @rule: of the rules; one more has room than may be
 * @pool: of the bytes; likewise
 */
struct rules {
	struct parley_rules arg;
	struct parley_rule *rule;
	unsigned char *pool;
};

/* NULL without memory */
struct rules *rules_new(void);
void rules_free(struct rules *t);
/* to the end: a rule for all calls; what it returns stays where it is */
struct parley_rule *rules_add(struct rules *t, unsigned int verdict);
/* the same, one that refuses */
struct parley_rule *rules_refuse(struct rules *t, __u32 code);
/* where in the pool these bytes are */
__u32 rules_bytes(struct rules *t, const void *bytes, __u32 len);

/* What a rule asks for; @mask is NULL or as long as @value */
void rules_caller(struct parley_rule *r, const char *host, __u32 prefix);
void rules_port(struct parley_rule *r, __u16 min, __u16 max);
void rules_uid(struct parley_rule *r, __u32 min, __u32 max);
void rules_gid(struct parley_rule *r, __u32 min, __u32 max);
void rules_group(struct parley_rule *r, __u64 group);
void rules_data(struct rules *t, struct parley_rule *r, __u32 offset,
		const char *value, const char *mask);
/* @burst calls at once, and then one a day: no more while a test runs */
void rules_once(struct parley_rule *r, __u32 burst);

/* What an answer says */
void rules_say(struct parley_rule_answer *a, __u32 code, __u32 retry_after_ms);
void rules_reply(struct rules *t, struct parley_rule_answer *a,
		 const char *reply);
void rules_grant(struct parley_rule_answer *a, const struct parley_qos *qos);

/* The ioctls */

/* members that are only written by the kernel are poisoned before */
int rules_set(int fd, struct rules *t);
int rules_get(int fd, struct rules *t);
/* that there is just this table, byte for byte, and nothing was read beyond */
bool rules_is(int fd, const struct rules *t);
/* that SET fails with @err, and what it says is to blame */
bool rules_set_fails(int fd, struct rules *t, int err, __u32 bad_rule,
		     __u32 bad_field);

/* Calls */

/**
 * struct rules_call - a call
 * @from: the address to call from; NULL: any
 * @to: the address to call; NULL: as the listener's name says
 * @terms: what is said
 */
struct rules_call {
	const char *from;
	const char *to;
	struct terms terms;
};

/* calls @listener; @fd is the new non-blocking socket, to be closed */
int rules_connect(int listener, const struct rules_call *c, int *fd);
/*
 * Calls @listener, which does not block, and accepts: the code with which the
 * rules refused the call, 0 if it was accepted, -EBUSY if it was deferred.
 * Rules that are to be told apart refuse with codes of their own.
 */
int rules_code(int listener, const struct rules_call *c);
/* the call was refused by rules, in just this way */
bool rules_refused_is(int fd, __u32 code, __u32 retry_after_ms,
		      const char *reply);
/* an accepted socket: who decided, and which rule */
bool rules_decided_is(int fd, __u32 by, __u32 rule);

/* Processes that are somebody else */

/**
 * struct rules_who - who calls
 * @uid: real and effective user
 * @gid: real and effective group
 * @groups: how many supplementary groups
 * @group: they
 * @cgroup: the directory of a control group, or NULL
 */
struct rules_who {
	uid_t uid[2];
	gid_t gid[2];
	int groups;
	const gid_t *group;
	const char *cgroup;
};

/* as rules_code(), by a process of its own; codes are below 100 */
int rules_code_as(int listener, const struct rules_who *w);

#endif /* PARLEY_SELFTEST_LIB_RULES_H */
