// SPDX-License-Identifier: GPL-2.0
/*
 * The quota of tools/bpf with so little room that it is not enough, and with
 * keys that the test gives: a call's group.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "parley.bpf.h"
#include "bpf_quota_small.h"

#define QUOTA_BITS	0
#define QUOTA_SLOTS	SMALL_SLOTS
#include "quota.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("struct_ops/condition")
int BPF_PROG(condition, struct parley_request *call)
{
	return quota_take(call->group, SMALL_MAX) ? PARLEY_ACCEPT :
						    PARLEY_REFUSE;
}

SEC("struct_ops/established")
void BPF_PROG(established, struct parley_request *call)
{
	if (!call->claimed)
		quota_take(call->group, QUOTA_ANY);
}

SEC("struct_ops/closed")
void BPF_PROG(closed, struct parley_request *call)
{
	quota_give(call->group);
}

SEC("struct_ops/dropped")
void BPF_PROG(dropped, struct parley_request *call)
{
	quota_give(call->group);
}

SEC(".struct_ops.link")
struct parley_policy_ops quota_small = {
	.condition = (void *)condition,
	.established = (void *)established,
	.closed = (void *)closed,
	.dropped = (void *)dropped,
	.name = "quota_small",
};
