// SPDX-License-Identifier: GPL-2.0
/* A policy without a condition, which is not taken. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "parley.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("struct_ops/closed")
void BPF_PROG(closed, struct parley_request *call)
{
}

SEC(".struct_ops.link")
struct parley_policy_ops policy = {
	.closed = (void *)closed,
	.name = "none",
};
