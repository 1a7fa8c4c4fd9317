// SPDX-License-Identifier: GPL-2.0
/*
 * A token bucket for each caller's address: so many calls a minute, and so many
 * at once after a while of silence. The next ones are refused and told when
 * there is a token again.
 *
 *	parleyctl policy load rate.bpf.o --set per_minute=600 --set burst=20
 *	parleyctl listen --policy rate --stage arrival 0.0.0.0:7000
 *
 * A bucket is a number, the time when it will be full: each call moves it on
 * by the time that a token takes. Of addresses that are many, those which have
 * not called for longest are forgotten, and so have a full bucket.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "parley.bpf.h"

#define NSEC_PER_MSEC	1000000ULL
#define NSEC_PER_MINUTE	60000000000ULL
#define TRIES		16

char LICENSE[] SEC("license") = "GPL";

/* At least 1, both of them. */
const volatile __u32 per_minute = 60;
const volatile __u32 burst = 10;
/* So many bytes of an IPv6 address are one caller; 16 for all. */
const volatile __u32 ipv6_bytes = 8;
const volatile __u32 code = 2;

struct address {
	__u8 bytes[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct address);
	__type(value, __u64);
} full_at SEC(".maps");

static __always_inline int is_ipv4(const struct address *caller)
{
	int i;

	for (i = 0; i < 10; i++) {
		if (caller->bytes[i])
			return 0;
	}
	return caller->bytes[10] == 0xff && caller->bytes[11] == 0xff;
}

static __always_inline __u64 *find_bucket(struct parley_request *call)
{
	struct address caller;
	__u64 full = 0;
	int i;

	for (i = 0; i < 16; i++)
		caller.bytes[i] = call->caller[i];
	if (!is_ipv4(&caller)) {
		for (i = 0; i < 16; i++) {
			if (i >= ipv6_bytes)
				caller.bytes[i] = 0;
		}
	}
	/* Somebody else may have made it by now: that is as well. */
	if (!bpf_map_lookup_elem(&full_at, &caller))
		bpf_map_update_elem(&full_at, &caller, &full, BPF_NOEXIST);
	return bpf_map_lookup_elem(&full_at, &caller);
}

/* Takes a token. Returns 0, or the nanoseconds until there is one. */
static __always_inline __u64 take(__u64 *bucket)
{
	__u64 token = NSEC_PER_MINUTE / per_minute;
	int i;

	for (i = 0; i < TRIES; i++) {
		__u64 now = bpf_ktime_get_ns();
		__u64 seen = *(volatile __u64 *)bucket;
		__u64 full = seen > now ? seen : now;

		if (full + token > now + burst * token)
			return full + token - (now + burst * token);
		if (__sync_val_compare_and_swap(bucket, seen, full + token) == seen)
			return 0;
	}
	/* That many calls at the same instant. */
	return NSEC_PER_MSEC;
}

SEC("struct_ops/condition")
int BPF_PROG(condition, struct parley_request *call)
{
	__u64 *bucket = find_bucket(call);
	__u64 wait = bucket ? take(bucket) : NSEC_PER_MSEC;

	if (!wait)
		return PARLEY_ACCEPT;
	bpf_parley_set_refusal(call, code, wait / NSEC_PER_MSEC + 1);
	return PARLEY_REFUSE;
}

SEC(".struct_ops.link")
struct parley_policy_ops rate = {
	.condition = (void *)condition,
	.name = "rate",
};
