// SPDX-License-Identifier: GPL-2.0
/* A policy that does and says what the test wants. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "parley.bpf.h"
#include "bpf_fuzz.h"

char LICENSE[] SEC("license") = "GPL";

struct fuzz fuzz;

/* What the compiler has not seen: the verifier needs the mask. */
static __always_inline __u32 length(__u32 len)
{
	barrier_var(len);
	return len & (FUZZ_BYTES - 1);
}

static __always_inline int fuzz_step(struct parley_request *call,
				     const struct fuzz_step *s)
{
	switch (s->kind) {
	case FUZZ_REFUSAL:
		return bpf_parley_set_refusal(call, s->a, s->b);
	case FUZZ_REPLY:
		return bpf_parley_set_reply(call, fuzz.bytes, length(s->a));
	case FUZZ_QOS:
		return bpf_parley_set_qos(call, s->a ? &fuzz.grant[1] :
						       &fuzz.grant[0]);
	case FUZZ_DATA:
		return bpf_parley_call_data(call, s->a, fuzz.read,
					    length(s->b));
	case FUZZ_LABEL:
		return bpf_parley_label(call, fuzz.read, length(s->b));
	case FUZZ_GROUP:
		return bpf_parley_in_group(call, s->a);
	default:
		return 0;
	}
}

SEC("struct_ops/condition")
int BPF_PROG(condition, struct parley_request *call)
{
	int i;

	fuzz.asked++;
	fuzz.data_len = call->data_len;
	fuzz.label_len = call->label_len;
	for (i = 0; i < FUZZ_STEPS; i++)
		fuzz.step[i].result = fuzz_step(call, &fuzz.step[i]);
	return fuzz.said;
}

static __always_inline void tell(struct parley_request *call,
				 enum fuzz_event event)
{
	fuzz.told[event]++;
	fuzz.tried[event][0] = bpf_parley_set_refusal(call, 1, 1);
	fuzz.tried[event][1] = bpf_parley_set_reply(call, fuzz.bytes, 1);
	fuzz.tried[event][2] = bpf_parley_set_qos(call, &fuzz.grant[0]);
}

SEC("struct_ops/established")
void BPF_PROG(established, struct parley_request *call)
{
	tell(call, FUZZ_ESTABLISHED);
}

SEC("struct_ops/closed")
void BPF_PROG(closed, struct parley_request *call)
{
	tell(call, FUZZ_CLOSED);
}

SEC("struct_ops/dropped")
void BPF_PROG(dropped, struct parley_request *call)
{
	tell(call, FUZZ_DROPPED);
}

SEC(".struct_ops.link")
struct parley_policy_ops policy = {
	.condition = (void *)condition,
	.established = (void *)established,
	.closed = (void *)closed,
	.dropped = (void *)dropped,
	.name = "fuzz",
};
