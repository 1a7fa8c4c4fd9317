// SPDX-License-Identifier: GPL-2.0
/*
 * Two policies of two versions each, which say one thing or another by chance,
 * now and then what means nothing. What they say names the call, so that its
 * caller can tell whether it is meant.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "parley.bpf.h"
#include "bpf_note.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* A call's group is its number + 1. */
static __always_inline struct bpf_note *note_of(struct parley_request *call)
{
	__u32 number = call->group - 1;

	return bpf_map_lookup_elem(&notes, &number);
}

static __always_inline void storm_reply(struct parley_request *call)
{
	__u32 token[2] = { STORM_MAGIC, call->group - 1 };

	bpf_parley_set_reply(call, token, sizeof(token));
}

static __always_inline void storm_grant(struct parley_request *call, __u32 dice)
{
	struct parley_qos qos;

	__builtin_memset(&qos, 0xff, sizeof(qos));
	qos.send.service = PARLEY_SERVICE_BESTEFFORT;
	qos.send.token_rate = dice * 1000 + 1;
	qos.recv.service = PARLEY_SERVICE_CONTROLLEDLOAD;
	qos.recv.latency_us = dice * 1000;
	bpf_parley_set_qos(call, &qos);
}

/* Does the call data name the same call as the group? */
static __always_inline int storm_agrees(struct parley_request *call)
{
	__u32 token[2];

	return bpf_parley_call_data(call, 0, token, sizeof(token)) ==
		       sizeof(token) && token[0] == STORM_MAGIC &&
	       token[1] + 1ULL == call->group;
}

static __always_inline int storm_condition(struct parley_request *call, int v)
{
	struct bpf_note *note = note_of(call);
	__u32 dice = bpf_get_prandom_u32() % 100;

	if (!note || !storm_agrees(call))
		return -1;
	if (dice % 2)
		storm_reply(call);
	if (dice % 4 == 0)
		storm_grant(call, dice);
	bpf_parley_set_refusal(call, STORM_POLICY_CODE + v, call->group);
	if (dice < 60 + 5 * v) {
		note_add(&note->accepted);
		return PARLEY_ACCEPT;
	}
	if (dice < 80) {
		note_add(&note->deferred);
		return PARLEY_DEFER;
	}
	note_add(&note->refused);
	return dice < 97 ? PARLEY_REFUSE : dice;
}

NOTED_POLICY(0, storm_condition, "storm_a");
NOTED_POLICY(1, storm_condition, "storm_a");
NOTED_POLICY(2, storm_condition, "storm_b");
NOTED_POLICY(3, storm_condition, "storm_b");
