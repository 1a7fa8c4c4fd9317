// SPDX-License-Identifier: GPL-2.0
/*
 * Policies that are asked and say yes, so that what is measured is what it
 * costs to ask them.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "parley.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("socket")
int filter(struct __sk_buff *skb)
{
	__u32 uid;

	if (bpf_skb_load_bytes(skb, __builtin_offsetof(struct parley_packet, uid), &uid,
			       sizeof(uid)))
		return PARLEY_FILTER_REFUSE;
	return uid == 0xffffffff ? PARLEY_FILTER_REFUSE : PARLEY_FILTER_ACCEPT;
}

SEC("struct_ops/condition")
int BPF_PROG(condition, struct parley_request *call)
{
	return call->uid == 0xffffffff ? PARLEY_REFUSE : PARLEY_ACCEPT;
}

SEC("struct_ops/established")
void BPF_PROG(established, struct parley_request *call)
{
}

SEC("struct_ops/closed")
void BPF_PROG(closed, struct parley_request *call)
{
}

SEC("struct_ops/dropped")
void BPF_PROG(dropped, struct parley_request *call)
{
}

SEC(".struct_ops.link")
struct parley_policy_ops asked = {
	.condition = (void *)condition,
	.name = "asked",
};

SEC(".struct_ops.link")
struct parley_policy_ops told = {
	.condition = (void *)condition,
	.established = (void *)established,
	.closed = (void *)closed,
	.dropped = (void *)dropped,
	.name = "told",
};
