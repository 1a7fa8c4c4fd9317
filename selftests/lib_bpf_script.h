/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests and their policy share: a policy that does as it is told, and
 * takes down what it sees. It is in bpf_policy.bpf.c.
 */
#ifndef PARLEY_SELFTEST_LIB_BPF_SCRIPT_H
#define PARLEY_SELFTEST_LIB_BPF_SCRIPT_H

#include <linux/parley.h>

#define SCRIPT_DATA	65536	/* the highest net.parley.max_call_data */
#define SCRIPT_REPLY	(SCRIPT_DATA + 8)
#define SCRIPT_LABEL	256

/* The programs of a policy. */
enum script_program {
	SCRIPT_CONDITION,
	SCRIPT_ESTABLISHED,
	SCRIPT_CLOSED,
	SCRIPT_DROPPED,
	SCRIPT_PROGRAMS,
};

/**
 * struct script_seen - what a program has seen; but for the first three from
 *	the last time
 * @times: how often it ran
 * @claimed: and how often with a claim
 * @accepted: how often it said yes
 * @id: the rest are the members of struct parley_request
 * @data_got: what bpf_parley_call_data() returned
 * @label_got: what bpf_parley_label() returned
 * @in_group: what bpf_parley_in_group() said
 * @refusal_ret: what bpf_parley_set_refusal() returned
 * @reply_ret: the first and the second bpf_parley_set_reply()
 * @qos_ret: the first and the second bpf_parley_set_qos()
 */
struct script_seen {
	__u64 times;
	__u64 claimed;
	__u64 accepted;
	__u64 id;
	__u64 listener;
	__u64 cgroup_id;
	__u64 netns_cookie;
	__u64 group;
	__u64 age_ns;
	__u32 flags;
	__u32 uid;
	__u32 gid;
	__u32 pid;
	__u32 data_len;
	__u32 label_len;
	__u32 backlog;
	__u32 backlog_limit;
	__u16 caller_port;
	__u16 callee_port;
	__u8 caller[16];
	__u8 callee[16];
	__u8 is_claimed;
	struct parley_qos qos;
	__u32 data_got;
	__u32 label_got;
	__u32 in_group;
	__s32 refusal_ret;
	__s32 reply_ret[2];
	__s32 qos_ret[2];
};

/**
 * struct script - the variables of the policy
 * @verdict: what condition() returns
 * @refusal: bpf_parley_set_refusal() is to be called, with @code and
 *	@retry_after_ms, in all programs
 * @code: for it
 * @retry_after_ms: for it
 * @replies: how often to call bpf_parley_set_reply(), up to twice, likewise
 * @reply_len: bytes of @reply
 * @grants: how often to call bpf_parley_set_qos(), up to twice, likewise
 * @grant: for it
 * @data_at: where to begin reading call data
 * @data_room: how much to read
 * @label_room: how much of the label to read
 * @gid: the group for bpf_parley_in_group()
 * @seen: by each program
 * @label: read
 * @data: read
 * @reply: to be given
 */
struct script {
	__s32 verdict;
	__u32 refusal;
	__u32 code;
	__u32 retry_after_ms;
	__u32 replies;
	__u32 reply_len;
	__u32 grants;
	struct parley_qos grant;
	__u32 data_at;
	__u32 data_room;
	__u32 label_room;
	__u32 gid;
	struct script_seen seen[SCRIPT_PROGRAMS];
	__u8 label[SCRIPT_LABEL];
	__u8 data[SCRIPT_DATA];
	__u8 reply[SCRIPT_REPLY];
};

#ifndef __bpf__

#include "lib_bpf.h"
#include "lib_filter.h"

/* What it is called in the object; policy_rename() gives it another name. */
#define SCRIPT_NAME	"script"
#define SCRIPT_FILE	"bpf_policy.bpf.o"

/* loads one, which accepts all and does nothing else */
int script_start(struct policy *p, const char *name, struct script **s);
/* the same, and chooses it for @listener */
int script_start_for(struct policy *p, int listener, struct script **s);
/* how often each program ran; it is waited for */
bool script_ran(const struct script *s, unsigned int conditions,
		unsigned int established, unsigned int closed,
		unsigned int dropped);
/* that of all yesses something became, as it does; @open are still connected */
bool script_balanced(const struct script *s, unsigned int open);
/* the verdict that a call met with, and that the policy's word did it */
int script_verdict(int listener, const struct rules_call *c);

#endif /* __bpf__ */
#endif /* PARLEY_SELFTEST_LIB_BPF_SCRIPT_H */
