// SPDX-License-Identifier: GPL-2.0
/*
 * Sheds load: when more than so many per cent of the listener's backlog are
 * taken, calls are refused, and told to come again, the later the fuller it is.
 * Callers that obey spread themselves out, before the backlog is full and all
 * are turned away with nothing.
 *
 *	parleyctl policy load shed.bpf.o --set percent=75
 *	parleyctl listen --policy shed --stage arrival 127.0.0.1:7000
 *
 * It is for PARLEY_STAGE_ARRIVAL: asked any later, the calls wait already.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "parley.bpf.h"

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 percent = 50;
/* What is said just above that, and when the backlog is full. */
const volatile __u32 min_retry_ms = 100;
const volatile __u32 max_retry_ms = 5000;
const volatile __u32 code = 4;

SEC("struct_ops/condition")
int BPF_PROG(condition, struct parley_request *call)
{
	/* All in hundredths of a call. */
	__u64 full = call->backlog_limit * 100ULL;
	__u64 threshold = call->backlog_limit * (__u64)percent;
	__u64 load = call->backlog * 100ULL;
	__u64 retry = max_retry_ms;

	if (load <= threshold)
		return PARLEY_ACCEPT;
	if (load < full && max_retry_ms > min_retry_ms)
		retry = min_retry_ms + (max_retry_ms - min_retry_ms) *
				       (load - threshold) / (full - threshold);
	bpf_parley_set_refusal(call, code, retry);
	return PARLEY_REFUSE;
}

SEC(".struct_ops.link")
struct parley_policy_ops shed = {
	.condition = (void *)condition,
	.name = "shed",
};
