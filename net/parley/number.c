// SPDX-License-Identifier: GPL-2.0
/*
 * Sets of port numbers of one parity, halved: 0 to 32767. A set gives out the
 * next free number without looking at those in use one by one. Most sets are
 * small, and have but a window of bits; one that needs more numbers at a time
 * gets a bit for each.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "parley.h"

#define PARLEY_NUMBERS	32768

/**
 * parley_numbers_init - an empty set
 * @set: the set
 * @next: where the first search begins
 *
 * Context: any.
 */
void parley_numbers_init(struct parley_numbers *set, unsigned int next)
{
	memset(set, 0, sizeof(*set));
	spin_lock_init(&set->lock);
	set->next = next;
}

/**
 * parley_numbers_destroy - nobody uses a set any more
 * @set: an empty set
 *
 * Context: any.
 */
void parley_numbers_destroy(struct parley_numbers *set)
{
	WARN_ON_ONCE(!parley_numbers_empty(set));
	bitmap_free(set->all);
}

/**
 * parley_numbers_empty - whether no number is in use
 * @set: a set that nobody changes
 *
 * Context: any.
 * Return: true if there is none.
 */
bool parley_numbers_empty(const struct parley_numbers *set)
{
	return set->all ? bitmap_empty(set->all, PARLEY_NUMBERS) :
			  bitmap_empty(set->window, PARLEY_WINDOW);
}

/*
 * The window can be anywhere while nothing is in it. Return: the number, now
 * in use; -ENOSPC; or -EAGAIN where the window is not enough.
 */
static int parley_numbers_near(struct parley_numbers *set, unsigned int from,
			       unsigned int max)
{
	unsigned int end, bit;

	if (from - set->base >= PARLEY_WINDOW) {
		if (!bitmap_empty(set->window, PARLEY_WINDOW))
			return -EAGAIN;
		set->base = from;
	}
	end = min_t(unsigned int, max + 1 - set->base, PARLEY_WINDOW);
	bit = find_next_zero_bit(set->window, end, from - set->base);
	if (bit >= end)
		return set->base + end > max ? -ENOSPC : -EAGAIN;

	__set_bit(bit, set->window);
	from = set->base + bit;
	/* Around in the window, as long as it has any. */
	bit = find_next_zero_bit(set->window, PARLEY_WINDOW, bit + 1);
	WRITE_ONCE(set->next, set->base + (bit < PARLEY_WINDOW ? bit : 0));
	return from;
}

static int parley_numbers_any(struct parley_numbers *set, unsigned int from,
			      unsigned int max)
{
	unsigned int bit = find_next_zero_bit(set->all, max + 1, from);

	if (bit > max)
		return -ENOSPC;
	__set_bit(bit, set->all);
	WRITE_ONCE(set->next, bit + 1);
	return bit;
}

/* A bit for each number, with those that the window has. */
static int parley_numbers_grow(struct parley_numbers *set)
{
	unsigned long *all;
	unsigned int bit;

	all = bitmap_zalloc(PARLEY_NUMBERS, GFP_KERNEL_ACCOUNT);
	if (!all)
		return -ENOMEM;
	spin_lock_bh(&set->lock);
	if (!set->all) {
		for_each_set_bit(bit, set->window, PARLEY_WINDOW)
			__set_bit(set->base + bit, all);
		swap(set->all, all);
	}
	spin_unlock_bh(&set->lock);
	bitmap_free(all);
	return 0;
}

/**
 * parley_numbers_take - the next free number
 * @set: the set
 * @from: the least that will do
 * @max: the greatest that will do, not less than @from
 *
 * Context: process, may sleep.
 * Return: the number, to be given back with parley_numbers_give(); -ENOSPC,
 * -ENOMEM.
 */
int parley_numbers_take(struct parley_numbers *set, unsigned int from,
			unsigned int max)
{
	int id, err;

	for (;;) {
		spin_lock_bh(&set->lock);
		if (set->all)
			id = parley_numbers_any(set, from, max);
		else
			id = parley_numbers_near(set, from, max);
		spin_unlock_bh(&set->lock);
		if (id != -EAGAIN)
			return id;
		err = parley_numbers_grow(set);
		if (err)
			return err;
	}
}

/**
 * parley_numbers_give - a number is free again
 * @set: the set
 * @id: what parley_numbers_take() gave
 *
 * Context: any.
 */
void parley_numbers_give(struct parley_numbers *set, unsigned int id)
{
	bool used;

	spin_lock_bh(&set->lock);
	if (set->all)
		used = __test_and_clear_bit(id, set->all);
	else
		used = id - set->base < PARLEY_WINDOW &&
		       __test_and_clear_bit(id - set->base, set->window);
	spin_unlock_bh(&set->lock);
	DEBUG_NET_WARN_ON_ONCE(!used);
}
