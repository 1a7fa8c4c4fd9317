/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Programs that note what becomes of each call; see bpf_note.h. Who includes
 * this says with note_of() which call that is.
 */
#ifndef PARLEY_SELFTEST_BPF_NOTE_BPF_H
#define PARLEY_SELFTEST_BPF_NOTE_BPF_H

#include "bpf_note.h"

/* The test says how many calls it makes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_note);
} notes SEC(".maps");

static __always_inline void note_add(__u32 *counter)
{
	__sync_fetch_and_add(counter, 1);
}

static struct bpf_note *note_of(struct parley_request *call);

/* What is told about a call comes one after the other. */
static __always_inline void note_expect(struct bpf_note *note, __s32 owed)
{
	if (owed < 1)
		note_add(&note->wrong);
}

static __always_inline __s32 note_claims(const struct bpf_note *note)
{
	return note->accepted - note->claimed - note->dropped;
}

SEC("struct_ops/established")
void BPF_PROG(note_established, struct parley_request *call)
{
	struct bpf_note *note = note_of(call);

	if (!note)
		return;
	if (!call->claimed) {
		note_add(&note->unclaimed);
		return;
	}
	note_expect(note, note_claims(note));
	note_add(&note->claimed);
}

SEC("struct_ops/closed")
void BPF_PROG(note_closed, struct parley_request *call)
{
	struct bpf_note *note = note_of(call);

	if (!note)
		return;
	note_expect(note, note->claimed + note->unclaimed - note->closed);
	note_add(&note->closed);
}

SEC("struct_ops/dropped")
void BPF_PROG(note_dropped, struct parley_request *call)
{
	struct bpf_note *note = note_of(call);

	if (!note)
		return;
	note_expect(note, note_claims(note));
	note_add(&note->dropped);
}

/* A version of a policy, which judges by judge(call, v). */
#define NOTED_POLICY(v, judge, called)					\
	SEC("struct_ops/condition" #v)					\
	int BPF_PROG(condition##v, struct parley_request *call)		\
	{								\
		return judge(call, v);					\
	}								\
									\
	SEC(".struct_ops.link")						\
	struct parley_policy_ops version##v = {				\
		.condition = (void *)condition##v,			\
		.established = (void *)note_established,		\
		.closed = (void *)note_closed,				\
		.dropped = (void *)note_dropped,			\
		.name = called,						\
	}

#endif
