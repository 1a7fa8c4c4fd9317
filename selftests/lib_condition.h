/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of parley_accept() share: a condition that takes down what it
 * is told and says what the test wants, and callers that are asked about.
 *
 * Include it after kselftest_harness.h. Functions return a negative errno when
 * they fail; none of them exits. What is_...() functions find different they
 * print as a comment.
 */
#ifndef PARLEY_SELFTEST_LIB_CONDITION_H
#define PARLEY_SELFTEST_LIB_CONDITION_H

#include "lib.h"

#include <parley.h>

#define CONDITION_GROUPS	1024

/**
 * struct condition - what a condition is to say, and what it was told
 * @verdict: what it returns
 * @reply: reply data that it gives, NULL for none
 * @reply_len: bytes of it
 * @in_place: write the reply where there is room for it, do not point to it
 * @qos: the grant, or NULL
 * @code: likewise
 * @retry_after_ms: likewise
 * @meanwhile: is called before it returns, or NULL
 * @arg: for @meanwhile
 * @asked: how often it was asked; the rest is from the last time
 * @fresh: the answer came as it should
 * @info: of the call
 * @caller: address and length
 * @callee: likewise
 * @data: the call data
 * @data_len: bytes of it
 * @no_data: the pointer was NULL
 * @has_qos: the pointer was not
 * @asked_qos: what it pointed to
 * @group_qos: the pointer was not NULL
 * @group: as told
 * @groups: the first ones
 * @groups_len: how many there were
 * @no_groups: the pointer was NULL
 * @label: as told
 * @has_label: the pointer was not NULL
 */
struct condition {
	int verdict;
	const void *reply;
	size_t reply_len;
	bool in_place;
	const struct parley_qos *qos;
	__u32 code;
	__u32 retry_after_ms;
	void (*meanwhile)(struct condition *c);
	long arg;

	int asked;
	bool fresh;
	struct parley_call_info info;
	struct parley_addr caller;
	struct parley_addr callee;
	char data[65536];
	size_t data_len;
	bool no_data;
	bool has_qos;
	struct parley_qos asked_qos;
	bool group_qos;
	__u64 group;
	__u32 groups[CONDITION_GROUPS];
	size_t groups_len;
	bool no_groups;
	char label[4096];
	bool has_label;
};

/* parley_accept() without an address: the descriptor or a negative errno */
int condition_accept(int fd, struct condition *c, int flags);
/* the same with a plain verdict, that does not wait */
int condition_say(int fd, int verdict, int flags);
/* whether the last call it was asked about is that of @caller */
bool condition_saw(const struct condition *c, int caller);

#endif /* PARLEY_SELFTEST_LIB_CONDITION_H */
