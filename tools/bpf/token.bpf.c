// SPDX-License-Identifier: GPL-2.0
/*
 * Lets in who brings a token, as call data, that is on the list. Others are
 * refused, with a reply that says why.
 *
 *	parleyctl policy load token.bpf.o --add tokens=open-sesame
 *	parleyctl listen --policy token 127.0.0.1:7000
 *	parleyctl call --data open-sesame 127.0.0.1:7000
 *	parleyctl policy show token
 *
 * The list shows how often each was used. Tokens can come and go while it is
 * in use: the map is pinned beside the policy, for bpftool and other programs.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "parley.bpf.h"

char LICENSE[] SEC("license") = "GPL";

const volatile __u32 code = 3;

/* Shorter ones are padded with zero bytes. */
struct token {
	char text[64];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct token);
	__type(value, __u64);		/* how often it was used */
} tokens SEC(".maps");

SEC("struct_ops/condition")
int BPF_PROG(condition, struct parley_request *call)
{
	/* On the stack: the kernel takes no constants for reply data. */
	char missing[] = "bring a token";
	char unknown[] = "unknown token";
	struct token token;
	__u64 *used = NULL;

	if (!call->data_len) {
		bpf_parley_set_refusal(call, code, 0);
		bpf_parley_set_reply(call, missing, sizeof(missing) - 1);
		return PARLEY_REFUSE;
	}
	if (call->data_len <= sizeof(token)) {
		bpf_parley_call_data(call, 0, &token, sizeof(token));
		used = bpf_map_lookup_elem(&tokens, &token);
	}
	if (used) {
		__sync_fetch_and_add(used, 1);
		return PARLEY_ACCEPT;
	}
	bpf_parley_set_refusal(call, code, 0);
	bpf_parley_set_reply(call, unknown, sizeof(unknown) - 1);
	return PARLEY_REFUSE;
}

SEC(".struct_ops.link")
struct parley_policy_ops token = {
	.condition = (void *)condition,
	.name = "token",
};
