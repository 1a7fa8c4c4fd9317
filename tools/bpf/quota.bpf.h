/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many connections there are for each key, exactly, however many calls are
 * judged at the same time: what quota_uid and quota_cgroup have in common.
 *
 * Only keys that have connections take room. A hash map would need its entries
 * deleted once they are down to 0, while others are about to count them up
 * again, and nothing can be deleted under a bpf_spin_lock. So the table is an
 * array of buckets, which keys are scattered over; a bucket has a few slots,
 * and all that happens in it happens under its lock. A slot that is down to 0
 * is free for any key.
 *
 * A call is refused, too, when all slots of its bucket are taken by others.
 * With a thousand keys at a time that does not happen, with ten thousand it
 * meets one of a thousand.
 *
 * A connection that others made has to be counted even then: it is lost among
 * those of its bucket, whatever their keys. Which is exact as long as all of a
 * key's are in a slot, or all of them are lost, since who gives one back looks
 * for a slot first. A key that has a slot loses none; and while a bucket has
 * lost ones, no key in it gets a slot, not even a free one, as it might be
 * theirs. Its calls are refused, and what others make of them is lost, too.
 */
#ifndef PARLEY_QUOTA_BPF_H
#define PARLEY_QUOTA_BPF_H

#ifndef QUOTA_BITS
#define QUOTA_BITS	12	/* of 4096 buckets */
#endif
#ifndef QUOTA_SLOTS
#define QUOTA_SLOTS	8
#endif

/* For quota_take(): it has to be counted. */
#define QUOTA_ANY	(~0ULL)

struct quota_slot {
	__u64 key;
	__u64 live;
};

struct quota_bucket {
	struct bpf_spin_lock lock;
	__u32 lost;
	struct quota_slot slots[QUOTA_SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << QUOTA_BITS);
	__type(key, __u32);
	__type(value, struct quota_bucket);
} quota SEC(".maps");

/*
 * How keys are scattered. It is random, lest somebody who may choose among
 * many keys takes those that fill another's bucket. In a map, and not in a
 * variable, for a program that replaces this one and goes on with its maps.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} quota_seed SEC(".maps");

static __always_inline struct quota_bucket *quota_bucket(__u64 key)
{
	__u32 index = 0;
	__u64 *seed = bpf_map_lookup_elem(&quota_seed, &index);

	if (!seed)
		return NULL;
	if (!*seed) {
		__u64 fresh = (__u64)bpf_get_prandom_u32() << 32 |
			      bpf_get_prandom_u32() | 1;

		__sync_val_compare_and_swap(seed, 0, fresh);
	}
	index = (key * *seed) >> 32 >> (32 - QUOTA_BITS);
	return bpf_map_lookup_elem(&quota, &index);
}

/* The slot of @key, or one that it may have, or none. */
static __always_inline struct quota_slot *quota_slot(struct quota_bucket *bucket,
						     __u64 key)
{
	struct quota_slot *slot = NULL;
	int i;

	for (i = QUOTA_SLOTS - 1; i >= 0; i--) {
		if (!bucket->slots[i].live)
			slot = &bucket->slots[i];
		else if (bucket->slots[i].key == key)
			return &bucket->slots[i];
	}
	return bucket->lost ? NULL : slot;
}

/*
 * Counts one more of @key, unless there are @max; with QUOTA_ANY always. Says
 * whether it did.
 */
static __always_inline int quota_take(__u64 key, __u64 max)
{
	struct quota_bucket *bucket = quota_bucket(key);
	struct quota_slot *slot;
	int taken = 0;

	if (!bucket)
		return 0;
	bpf_spin_lock(&bucket->lock);
	slot = quota_slot(bucket, key);
	if (slot && slot->live < max) {
		slot->key = key;
		slot->live++;
		taken = 1;
	} else if (max == QUOTA_ANY) {
		bucket->lost++;
		taken = 1;
	}
	bpf_spin_unlock(&bucket->lock);
	return taken;
}

/* Counts one less of @key. */
static __always_inline void quota_give(__u64 key)
{
	struct quota_bucket *bucket = quota_bucket(key);
	struct quota_slot *slot;

	if (!bucket)
		return;
	bpf_spin_lock(&bucket->lock);
	slot = quota_slot(bucket, key);
	if (slot && slot->live) {
		if (!--slot->live)
			slot->key = 0;
	} else if (bucket->lost) {
		bucket->lost--;
	}
	bpf_spin_unlock(&bucket->lock);
}

#endif /* PARLEY_QUOTA_BPF_H */
