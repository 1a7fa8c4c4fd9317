// SPDX-License-Identifier: GPL-2.0
/*
 * Two policies of two versions each. What each version says is its own: code,
 * retry-after, reply and grant; so is what it does with the calls of one kind.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "parley.bpf.h"
#include "bpf_note.bpf.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline struct bpf_note *note_of(struct parley_request *call)
{
	__u32 number = call->group >> RACE_KIND_BITS;

	return bpf_map_lookup_elem(&notes, &number);
}

static __always_inline void race_grant(struct parley_request *call, __u32 rate)
{
	struct parley_qos qos;

	__builtin_memset(&qos, 0xff, sizeof(qos));
	qos.send.token_rate = rate;
	qos.send.service = PARLEY_SERVICE_BESTEFFORT;
	qos.recv.service = PARLEY_SERVICE_BESTEFFORT;
	bpf_parley_set_qos(call, &qos);
}

static __always_inline int race_condition(struct parley_request *call, int v)
{
	__u32 kind = call->group & ((1 << RACE_KIND_BITS) - 1);
	struct bpf_note *note = note_of(call);
	char reply[RACE_LEN(RACE_VERSIONS - 1)];

	if (!note)
		return -1;
	__builtin_memset(reply, RACE_BYTE(v), sizeof(reply));
	/* The last ones set count, and only with a refusal. */
	bpf_parley_set_refusal(call, 1, 1);
	bpf_parley_set_refusal(call, RACE_CODE(v), RACE_RETRY(v));
	bpf_parley_set_reply(call, reply, RACE_LEN(v));
	if (kind == RACE_REFUSE || (kind == RACE_EITHER && v % 2 == 0)) {
		note_add(&note->refused);
		return PARLEY_REFUSE;
	}
	race_grant(call, RACE_RATE(v));
	note_add(&note->accepted);
	return PARLEY_ACCEPT;
}

NOTED_POLICY(0, race_condition, "race_a");
NOTED_POLICY(1, race_condition, "race_a");
NOTED_POLICY(2, race_condition, "race_b");
NOTED_POLICY(3, race_condition, "race_b");
