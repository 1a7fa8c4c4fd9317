/* SPDX-License-Identifier: GPL-2.0 */
/* What bpf_policy_core.bpf.c has seen. */
#ifndef PARLEY_SELFTEST_LIB_BPF_CORE_H
#define PARLEY_SELFTEST_LIB_BPF_CORE_H

/**
 * struct core_seen - the variables of that policy
 * @conditions: how often condition() ran
 * @closed: how often closed() did
 * @group: the rest is from the last call
 * @moon_phase: there is none
 */
struct core_seen {
	__u64 conditions;
	__u64 closed;
	__u64 group;
	__u64 moon_phase;
	__u32 pid;
	__u32 uid;
	__u32 callee_port;
	__u32 callee_last;
	__u32 token_rate;
	__u32 has_pid;
	__u32 has_moon_phase;
	__u32 data;
};

#endif /* PARLEY_SELFTEST_LIB_BPF_CORE_H */
