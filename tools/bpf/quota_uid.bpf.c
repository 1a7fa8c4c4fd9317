// SPDX-License-Identifier: GPL-2.0
/*
 * A quota for each user: at most so many connections at a time of one uid, that
 * of the caller in the initial user namespace. The next ones are refused.
 *
 *	parleyctl policy load quota_uid.bpf.o --set max=4
 *	parleyctl listen --policy quota_uid 127.0.0.1:7000
 *	parleyctl policy show quota_uid
 *
 * The count is one for all listeners that have chosen the policy. What a
 * server accepts against its word, or a time-out does, counts as well.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "parley.bpf.h"
#include "quota.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* So many connections at a time, and what the next caller is told. */
const volatile __u32 max = 16;
const volatile __u32 code = 1;
const volatile __u32 retry_after_ms = 1000;

SEC("struct_ops/condition")
int BPF_PROG(condition, struct parley_request *call)
{
	if (quota_take(call->uid, max))
		return PARLEY_ACCEPT;
	bpf_parley_set_refusal(call, code, retry_after_ms);
	return PARLEY_REFUSE;
}

/* What condition() accepted is counted already. */
SEC("struct_ops/established")
void BPF_PROG(established, struct parley_request *call)
{
	if (!call->claimed)
		quota_take(call->uid, QUOTA_ANY);
}

SEC("struct_ops/closed")
void BPF_PROG(closed, struct parley_request *call)
{
	quota_give(call->uid);
}

SEC("struct_ops/dropped")
void BPF_PROG(dropped, struct parley_request *call)
{
	quota_give(call->uid);
}

SEC(".struct_ops.link")
struct parley_policy_ops quota_uid = {
	.condition = (void *)condition,
	.established = (void *)established,
	.closed = (void *)closed,
	.dropped = (void *)dropped,
	.name = "quota_uid",
};
