// SPDX-License-Identifier: GPL-2.0
/* A policy that does as it is told, and takes down what it sees. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "parley.bpf.h"
#include "lib_bpf_script.h"

char LICENSE[] SEC("license") = "GPL";

struct script script;

static __always_inline void look(struct parley_request *call,
				 struct script_seen *seen)
{
	__u32 room;

	__sync_fetch_and_add(&seen->times, 1);
	if (call->claimed)
		__sync_fetch_and_add(&seen->claimed, 1);
	seen->id = call->id;
	seen->listener = call->listener;
	seen->cgroup_id = call->cgroup_id;
	seen->netns_cookie = call->netns_cookie;
	seen->group = call->group;
	seen->age_ns = call->age_ns;
	seen->flags = call->flags;
	seen->uid = call->uid;
	seen->gid = call->gid;
	seen->pid = call->pid;
	seen->data_len = call->data_len;
	seen->label_len = call->label_len;
	seen->backlog = call->backlog;
	seen->backlog_limit = call->backlog_limit;
	seen->caller_port = call->caller_port;
	seen->callee_port = call->callee_port;
	__builtin_memcpy(seen->caller, call->caller, sizeof(seen->caller));
	__builtin_memcpy(seen->callee, call->callee, sizeof(seen->callee));
	seen->is_claimed = call->claimed;
	parley_request_qos(&seen->qos, call);

	/* Always asked for; what there is no room for is not touched. */
	room = script.data_room;
	if (room <= sizeof(script.data))
		seen->data_got = bpf_parley_call_data(call, script.data_at,
						      script.data, room);
	room = script.label_room;
	if (room <= sizeof(script.label))
		seen->label_got = bpf_parley_label(call, script.label, room);
	seen->in_group = bpf_parley_in_group(call, script.gid);
}

static __always_inline int give_reply(struct parley_request *call)
{
	__u32 len = script.reply_len;

	if (len > sizeof(script.reply))
		return -1;
	return bpf_parley_set_reply(call, script.reply, len);
}

static __always_inline void speak(struct parley_request *call,
				  struct script_seen *seen)
{
	if (script.refusal)
		seen->refusal_ret = bpf_parley_set_refusal(call, script.code,
							   script.retry_after_ms);
	if (script.replies > 0)
		seen->reply_ret[0] = give_reply(call);
	if (script.replies > 1)
		seen->reply_ret[1] = give_reply(call);
	if (script.grants > 0)
		seen->qos_ret[0] = bpf_parley_set_qos(call, &script.grant);
	if (script.grants > 1)
		seen->qos_ret[1] = bpf_parley_set_qos(call, &script.grant);
}

SEC("struct_ops/condition")
int BPF_PROG(condition, struct parley_request *call)
{
	struct script_seen *seen = &script.seen[SCRIPT_CONDITION];
	int verdict = script.verdict;

	look(call, seen);
	speak(call, seen);
	if (verdict == PARLEY_ACCEPT)
		__sync_fetch_and_add(&seen->accepted, 1);
	return verdict;
}

SEC("struct_ops/established")
void BPF_PROG(established, struct parley_request *call)
{
	look(call, &script.seen[SCRIPT_ESTABLISHED]);
	speak(call, &script.seen[SCRIPT_ESTABLISHED]);
}

SEC("struct_ops/closed")
void BPF_PROG(closed, struct parley_request *call)
{
	look(call, &script.seen[SCRIPT_CLOSED]);
	speak(call, &script.seen[SCRIPT_CLOSED]);
}

SEC("struct_ops/dropped")
void BPF_PROG(dropped, struct parley_request *call)
{
	look(call, &script.seen[SCRIPT_DROPPED]);
	speak(call, &script.seen[SCRIPT_DROPPED]);
}

SEC(".struct_ops.link")
struct parley_policy_ops policy = {
	.condition = (void *)condition,
	.established = (void *)established,
	.closed = (void *)closed,
	.dropped = (void *)dropped,
	.name = "script",
};
