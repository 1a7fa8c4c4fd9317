// SPDX-License-Identifier: GPL-2.0
/*
 * The smallest policy: turns away callers that are root.
 *
 *	parleyctl policy load noroot.bpf.o
 *	parleyctl listen --policy noroot 127.0.0.1:7000
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "parley.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("struct_ops/condition")
int BPF_PROG(condition, struct parley_request *call)
{
	if (call->uid)
		return PARLEY_ACCEPT;
	bpf_parley_set_refusal(call, 13, 0);
	return PARLEY_REFUSE;
}

SEC(".struct_ops.link")
struct parley_policy_ops noroot = {
	.condition = (void *)condition,
	.name = "noroot",
};
