// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that must not be loaded. The test puts one after the other into the
 * policy and loads no others.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "parley.bpf.h"

char LICENSE[] SEC("license") = "GPL";

char bytes[16];
char large[4096];

SEC("struct_ops/good")
int BPF_PROG(good, struct parley_request *call)
{
	bpf_parley_call_data(call, 0, bytes, sizeof(bytes));
	return PARLEY_ACCEPT;
}

SEC("struct_ops/writes")
int BPF_PROG(writes, struct parley_request *call)
{
	call->uid = 0;
	return PARLEY_ACCEPT;
}

SEC("struct_ops/writes_claimed")
int BPF_PROG(writes_claimed, struct parley_request *call)
{
	call->claimed = 1;
	return PARLEY_ACCEPT;
}

SEC("struct_ops.s/sleeps")
int BPF_PROG(sleeps, struct parley_request *call)
{
	return PARLEY_ACCEPT;
}

SEC("struct_ops/null_call")
int BPF_PROG(null_call, struct parley_request *call)
{
	bpf_parley_call_data((void *)0, 0, bytes, sizeof(bytes));
	return PARLEY_ACCEPT;
}

SEC("struct_ops/made_up_call")
int BPF_PROG(made_up_call, struct parley_request *call)
{
	return bpf_parley_in_group((void *)large, 0);
}

SEC("struct_ops/moved_call")
int BPF_PROG(moved_call, struct parley_request *call)
{
	return bpf_parley_in_group((void *)call + 8, 0);
}

SEC("struct_ops/null_grant")
int BPF_PROG(null_grant, struct parley_request *call)
{
	return bpf_parley_set_qos(call, (void *)0);
}

SEC("struct_ops/small_grant")
int BPF_PROG(small_grant, struct parley_request *call)
{
	__u64 room[4] = { };

	return bpf_parley_set_qos(call, (void *)room);
}

SEC("struct_ops/small_buffer")
int BPF_PROG(small_buffer, struct parley_request *call)
{
	char room[8];

	return bpf_parley_call_data(call, 0, room, sizeof(room) + 8) + room[0];
}

SEC("struct_ops/small_label")
int BPF_PROG(small_label, struct parley_request *call)
{
	return bpf_parley_label(call, large, 2 * sizeof(large));
}

SEC("struct_ops/small_reply")
int BPF_PROG(small_reply, struct parley_request *call)
{
	return bpf_parley_set_reply(call, large, 2 * sizeof(large));
}

/* All that is behind the last member. */
SEC("struct_ops/reads_beyond")
int BPF_PROG(reads_beyond, struct parley_request *call)
{
	return *(volatile __u64 *)((void *)call + 4096);
}

SEC("struct_ops/reads_before")
int BPF_PROG(reads_before, struct parley_request *call)
{
	return *(volatile __u64 *)((void *)call - 8);
}

SEC("struct_ops/second_argument")
int second_argument(unsigned long long *ctx)
{
	return ctx[1];
}

/* No policy at all: the functions are for policies only. */
SEC("socket")
int not_a_policy(struct __sk_buff *skb)
{
	return bpf_parley_set_refusal((void *)skb, 1, 1);
}

SEC(".struct_ops.link")
struct parley_policy_ops policy = {
	.condition = (void *)good,
	.name = "bad",
};
