// SPDX-License-Identifier: GPL-2.0
/* A policy that can be attached by its map only, which parleyctl does not do. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "parley.bpf.h"

char LICENSE[] SEC("license") = "GPL";

SEC("struct_ops/condition")
int BPF_PROG(condition, struct parley_request *call)
{
	return PARLEY_ACCEPT;
}

SEC(".struct_ops")
struct parley_policy_ops policy = {
	.condition = (void *)condition,
	.name = "by_map",
};
