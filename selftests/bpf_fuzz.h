/* SPDX-License-Identifier: GPL-2.0 */
/* What bpf_fuzz.c wants of its policy, and what came of it. */
#ifndef PARLEY_SELFTEST_BPF_FUZZ_H
#define PARLEY_SELFTEST_BPF_FUZZ_H

#include <linux/parley.h>
#include <linux/types.h>

#define FUZZ_STEPS	6
#define FUZZ_GRANTS	2
#define FUZZ_BYTES	512	/* a power of 2; lengths are below */

enum fuzz_kind {
	FUZZ_NOTHING,
	FUZZ_REFUSAL,		/* a: code, b: retry-after */
	FUZZ_REPLY,		/* a: length */
	FUZZ_QOS,		/* a: which grant */
	FUZZ_DATA,		/* a: offset, b: length */
	FUZZ_LABEL,		/* b: length */
	FUZZ_GROUP,		/* a: group id */
	FUZZ_KINDS,
};

enum fuzz_event {
	FUZZ_ESTABLISHED,
	FUZZ_CLOSED,
	FUZZ_DROPPED,
	FUZZ_EVENTS,
};

/**
 * struct fuzz_step - one call of a function of the kernel's
 * @kind: which one
 * @a: argument
 * @b: argument
 * @result: what it returned
 */
struct fuzz_step {
	__u32 kind;
	__u32 a;
	__u32 b;
	__s32 result;
};

/**
 * struct fuzz - the variables of the policy
 * @said: what condition() returns
 * @step: what it does before
 * @grant: for FUZZ_QOS
 * @bytes: the reply
 * @read: what FUZZ_DATA or FUZZ_LABEL has read, the last of them
 * @asked: how often condition() was asked
 * @data_len: as the call has it
 * @label_len: likewise
 * @told: how often the others were called
 * @tried: what they got from the functions that are not for them
 */
struct fuzz {
	__s32 said;
	struct fuzz_step step[FUZZ_STEPS];
	struct parley_qos grant[FUZZ_GRANTS];
	__u8 bytes[FUZZ_BYTES];
	__u8 read[FUZZ_BYTES];
	__u32 asked;
	__u32 data_len;
	__u32 label_len;
	__u32 told[FUZZ_EVENTS];
	__s32 tried[FUZZ_EVENTS][3];
};

#endif
