// SPDX-License-Identifier: GPL-2.0
/*
 * What a caller says about its call: data, wanted quality of service, group.
 * A call shares the terms of its socket; who changes them while a call has
 * them makes a copy, so that they are frozen at connect(2).
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "parley.h"

/**
 * __parley_blob_new - take bytes over
 * @from: where they are
 * @len: how many, at least one; the caller has checked that it may be so many
 * @gfp: how to allocate
 *
 * Context: process; may sleep if @gfp says so, or @from is user space.
 * Return: the blob with one reference, or -ENOMEM or -EFAULT as a pointer.
 */
struct parley_blob *__parley_blob_new(sockptr_t from, u32 len, gfp_t gfp)
{
	struct parley_blob *blob;

	blob = kvmalloc(struct_size(blob, data, len), gfp);
	if (!blob)
		return ERR_PTR(-ENOMEM);
	refcount_set(&blob->ref, 1);
	blob->len = len;
	if (copy_from_sockptr(blob->data, from, len)) {
		kvfree(blob);
		return ERR_PTR(-EFAULT);
	}
	return blob;
}

/**
 * parley_blob_new - take bytes over, where one may sleep
 * @from: as for __parley_blob_new()
 * @len: likewise
 *
 * Context: process, may sleep.
 * Return: likewise.
 */
struct parley_blob *parley_blob_new(sockptr_t from, u32 len)
{
	return __parley_blob_new(from, len, GFP_KERNEL_ACCOUNT);
}

/**
 * parley_blob_put - let go of bytes
 * @blob: they, or NULL
 *
 * Context: process or softirq, no spinlocks, not under rcu_read_lock().
 */
void parley_blob_put(struct parley_blob *blob)
{
	if (blob && refcount_dec_and_test(&blob->ref))
		kvfree(blob);
}

/**
 * parley_terms_get - hold terms
 * @terms: they, or NULL
 *
 * Context: any.
 * Return: @terms.
 */
struct parley_terms *parley_terms_get(struct parley_terms *terms)
{
	if (terms)
		refcount_inc(&terms->ref);
	return terms;
}

/**
 * parley_terms_put - let go of terms
 * @terms: they, or NULL
 *
 * Context: as parley_blob_put().
 */
void parley_terms_put(struct parley_terms *terms)
{
	if (!terms || !refcount_dec_and_test(&terms->ref))
		return;
	parley_blob_put(terms->data);
	kfree(terms);
}

/**
 * parley_terms_change - get terms that may be changed
 * @terms: where the socket has its own; a copy is put there if a call has
 *	them too
 *
 * Context: process, under lock_sock(), may sleep.
 * Return: the terms, which nobody else has, or NULL without memory.
 */
struct parley_terms *parley_terms_change(struct parley_terms **terms)
{
	struct parley_terms *old = *terms;
	struct parley_terms *new;

	/* Only who holds the socket's lock can make one reference two. */
	if (old && refcount_read(&old->ref) == 1)
		return old;

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return NULL;
	refcount_set(&new->ref, 1); /* put in parley_sock_destruct() */
	new->qos = *parley_terms_qos(old);
	if (old) {
		new->asked = old->asked;
		new->group = old->group;
		new->data = parley_blob_get(old->data);
	}
	*terms = new;
	parley_terms_put(old);
	return new;
}
