// SPDX-License-Identifier: GPL-2.0
/*
 * A policy made for another version of everything: its structs have members
 * that there are not, lack some that there are, and have them in another order.
 * It does not include parley.bpf.h.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include <linux/parley.h>
#include "lib_bpf_core.h"

char LICENSE[] SEC("license") = "GPL";

struct parley_request {
	__u8 claimed;
	__u32 pid;
	__u64 moon_phase;
	__u16 callee_port;
	struct parley_qos qos;
	__u32 uid;
	__u8 callee[16];
	__u64 group;
} __attribute__((preserve_access_index));

struct parley_policy_ops {
	__u32 flags;
	void (*forgotten)(struct parley_request *call);
	char name[PARLEY_POLICY_NAME_MAX];
	void (*closed)(struct parley_request *call);
	int (*condition)(struct parley_request *call);
	__u64 priority;
} __attribute__((preserve_access_index));

extern __u32 bpf_parley_call_data(struct parley_request *call, __u32 offset,
				  void *to, __u32 to__sz) __ksym;

struct core_seen seen;

SEC("struct_ops/condition")
int BPF_PROG(condition, struct parley_request *call)
{
	seen.conditions++;
	seen.pid = call->pid;
	seen.uid = call->uid;
	seen.callee_port = call->callee_port;
	seen.callee_last = call->callee[15];
	seen.group = call->group;
	seen.token_rate = call->qos.recv.token_rate;
	seen.has_pid = bpf_core_field_exists(call->pid);
	seen.has_moon_phase = bpf_core_field_exists(call->moon_phase);
	if (bpf_core_field_exists(call->moon_phase))
		seen.moon_phase = call->moon_phase;
	bpf_parley_call_data(call, 0, &seen.data, sizeof(seen.data));
	return PARLEY_ACCEPT;
}

SEC("struct_ops/closed")
void BPF_PROG(closed, struct parley_request *call)
{
	seen.closed++;
}

SEC(".struct_ops.link")
struct parley_policy_ops policy = {
	.flags = PARLEY_POLICY_UNPRIVILEGED,
	.name = "core",
	.closed = (void *)closed,
	.condition = (void *)condition,
};
