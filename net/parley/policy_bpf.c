// SPDX-License-Identifier: GPL-2.0
/*
 * Where struct_ops policies come from: what the BPF core asks of the module
 * when one is loaded, linked, updated and unloaded, and the functions that its
 * programs may call. Only on kernels where a module may offer that; without
 * BTF for the module (as when it was stripped) the core says nothing, calls
 * nothing, and there are no policies.
 */
#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/module.h>

#include "parley.h"

PARLEY_IMPORT_NS(BPF_INTERNAL);

/* The verifier lets nothing pass for @call but what the program was given. */
static struct parley_policy_run *parley_run_of(struct parley_request *call)
{
	return container_of(call, struct parley_policy_run, request);
}

/* Return: how many of the bytes wanted were there; the rest is zero. */
static u32 parley_bpf_copy(const void *from, u32 len, u32 offset, void *to,
			   u32 size)
{
	u32 n = offset < len ? min(size, len - offset) : 0;

	if (n)
		memcpy(to, from + offset, n);
	memset(to + n, 0, size - n);
	return n;
}

/* setgroups(2) has sorted them. */
static bool parley_bpf_has_group(const struct group_info *groups, kgid_t gid)
{
	int low = 0, high = groups->ngroups;

	while (low < high) {
		int mid = low + (high - low) / 2;

		if (gid_eq(groups->gid[mid], gid))
			return true;
		if (gid_gt(groups->gid[mid], gid))
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

/*
 * Once only: to free what was there before may sleep. Return: 0, -EALREADY,
 * -ENOMEM.
 */
static int parley_bpf_keep(struct parley_blob **place, void *from, u32 len)
{
	struct parley_blob *blob;

	if (*place)
		return -EALREADY;
	blob = __parley_blob_new(KERNEL_SOCKPTR(from), len,
				 GFP_NOWAIT | __GFP_ACCOUNT | __GFP_NOWARN);
	if (IS_ERR(blob))
		return PTR_ERR(blob);
	*place = blob; /* put with the ruling */
	return 0;
}

__bpf_kfunc_start_defs();

/**
 * bpf_parley_call_data - read call data
 * @call: what the program was given
 * @offset: where to begin
 * @to: where the bytes go; what is beyond the data is zeroed
 * @to__sz: bytes there
 *
 * Context: in any program of a policy.
 * Return: how many bytes there were.
 */
__bpf_kfunc u32 bpf_parley_call_data(struct parley_request *call, u32 offset,
				     void *to, u32 to__sz)
{
	const struct parley_call *of = parley_run_of(call)->call;
	const struct parley_blob *data = parley_terms_data(of->terms);

	return parley_bpf_copy(data ? data->data : NULL, parley_blob_len(data),
			       offset, to, to__sz);
}

/**
 * bpf_parley_label - read the caller's security label
 * @call: what the program was given
 * @to: where the bytes go; what is beyond the label is zeroed
 * @to__sz: bytes there
 *
 * Context: in any program of a policy.
 * Return: how many bytes there were, 0 where there are no labels.
 */
__bpf_kfunc u32 bpf_parley_label(struct parley_request *call, void *to,
				 u32 to__sz)
{
	const struct lsm_context *label = &parley_run_of(call)->call->label;

	return parley_bpf_copy(label->context, label->len, 0, to, to__sz);
}

/**
 * bpf_parley_in_group - whether the caller is in a group
 * @call: what the program was given
 * @gid: the group's id in the initial user namespace
 *
 * Context: in any program of a policy.
 * Return: true if it is the effective group or a supplementary one.
 */
__bpf_kfunc bool bpf_parley_in_group(struct parley_request *call, u32 gid)
{
	const struct cred *cred = parley_run_of(call)->call->cred;
	kgid_t kgid = make_kgid(&init_user_ns, gid);

	return gid_eq(cred->egid, kgid) ||
	       parley_bpf_has_group(cred->group_info, kgid);
}

/**
 * bpf_parley_set_refusal - what a refusal tells the caller
 * @call: what condition() was given
 * @code: for struct parley_refusal
 * @retry_after_ms: likewise
 *
 * Context: condition() only.
 * Return: 0, or -EPERM elsewhere.
 */
__bpf_kfunc int bpf_parley_set_refusal(struct parley_request *call, u32 code,
				       u32 retry_after_ms)
{
	struct parley_ruling *ruling = parley_run_of(call)->ruling;

	if (!ruling)
		return -EPERM;
	ruling->code = code;
	ruling->retry_after_ms = retry_after_ms;
	return 0;
}

/**
 * bpf_parley_set_reply - reply data that goes with the verdict
 * @call: what condition() was given
 * @data: the bytes
 * @data__sz: how many, at least one (EINVAL)
 *
 * Context: condition() only.
 * Return: 0, -EALREADY where it was set before, -EMSGSIZE above
 * net.parley.max_call_data, -ENOMEM, or -EPERM elsewhere.
 */
__bpf_kfunc int bpf_parley_set_reply(struct parley_request *call,
				     const void *data, u32 data__sz)
{
	struct parley_policy_run *run = parley_run_of(call);

	if (!run->ruling)
		return -EPERM;
	if (!data__sz)
		return -EINVAL;
	if (data__sz > READ_ONCE(run->call->pn->max_call_data))
		return -EMSGSIZE;
	return parley_bpf_keep(&run->ruling->reply, (void *)data, data__sz);
}

/**
 * bpf_parley_set_qos - the most that an acceptance grants
 * @call: what condition() was given
 * @grant: from the caller's end; cut down to what it asked for
 *
 * Context: condition() only.
 * Return: 0, -EALREADY where it was set before, -EINVAL for what PARLEY_QOS
 * would not take either, -ENOMEM, or -EPERM elsewhere.
 */
__bpf_kfunc int bpf_parley_set_qos(struct parley_request *call,
				   const struct parley_qos *grant)
{
	struct parley_ruling *ruling = parley_run_of(call)->ruling;
	struct parley_qos qos;

	if (!ruling)
		return -EPERM;
	/* It may be in a map, where it may change meanwhile. */
	memcpy(&qos, grant, sizeof(qos));
	if (!parley_qos_valid(&qos))
		return -EINVAL;
	return parley_bpf_keep(&ruling->granted, &qos, sizeof(qos));
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(parley_kfunc_ids)
BTF_ID_FLAGS(func, bpf_parley_call_data, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_parley_label, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_parley_in_group, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_parley_set_refusal, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_parley_set_reply, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_parley_set_qos, KF_TRUSTED_ARGS)
BTF_KFUNCS_END(parley_kfunc_ids)

static const struct btf_kfunc_id_set parley_kfuncs = {
	.owner	= THIS_MODULE,
	.set	= &parley_kfunc_ids,
};

/* Called if and only if the module has BTF. */
static int parley_bpf_begin(struct btf *btf)
{
	parley_ops_usable = true;
	return 0;
}

static int parley_bpf_check_member(const struct btf_type *t,
				   const struct btf_member *member,
				   const struct bpf_prog *prog)
{
	/* All are called under rcu_read_lock(). */
	return prog->sleepable ? -EINVAL : 0;
}

static bool parley_bpf_name_ok(const char *name)
{
	const char *c = name;

	if (!*name || strnlen(name, PARLEY_POLICY_NAME_MAX) ==
		      PARLEY_POLICY_NAME_MAX)
		return false;
	for (; *c; c++)
		if (!isascii(*c) || !(isalnum(*c) || strchr("_-.", *c)))
			return false;
	return true;
}

/* Return: 1 for what is taken over here, 0 for what the core does. */
static int parley_bpf_init_member(const struct btf_type *t,
				  const struct btf_member *member,
				  void *kdata, const void *udata)
{
	const struct parley_policy_ops *from = udata;
	struct parley_policy_ops *to = kdata;

	switch (__btf_member_bit_offset(t, member) / BITS_PER_BYTE) {
	case offsetof(struct parley_policy_ops, name):
		if (!parley_bpf_name_ok(from->name))
			return -EINVAL;
		strscpy_pad(to->name, from->name, sizeof(to->name));
		return 1;
	case offsetof(struct parley_policy_ops, flags):
		if (from->flags & ~PARLEY_POLICY_UNPRIVILEGED)
			return -EINVAL;
		to->flags = from->flags;
		return 1;
	default:
		return 0;
	}
}

static int parley_bpf_validate(void *kdata)
{
	struct parley_policy_ops *ops = kdata;

	return ops->condition ? 0 : -EINVAL;
}

static int parley_bpf_reg(void *kdata, struct bpf_link *link)
{
	return parley_ops_register(kdata, link);
}

static void parley_bpf_unreg(void *kdata, struct bpf_link *link)
{
	parley_ops_unregister(kdata);
}

static int parley_bpf_update(void *kdata, void *old_kdata,
			     struct bpf_link *link)
{
	return parley_ops_update(kdata, old_kdata);
}

/* Programs write through the functions above, and nowhere else. */
static int parley_bpf_struct_access(struct bpf_verifier_log *log,
				    const struct bpf_reg_state *reg, int off,
				    int size)
{
	bpf_log(log, "a call is read only, but for bpf_parley_set_*()\n");
	return -EACCES;
}

static bool parley_bpf_is_valid_access(int off, int size,
				       enum bpf_access_type type,
				       const struct bpf_prog *prog,
				       struct bpf_insn_access_aux *info)
{
	return bpf_tracing_btf_ctx_access(off, size, type, prog, info);
}

static const struct bpf_func_proto *
parley_bpf_func_proto(enum bpf_func_id func_id, const struct bpf_prog *prog)
{
	return bpf_base_func_proto(func_id, prog);
}

static const struct bpf_verifier_ops parley_bpf_verifier_ops = {
	.get_func_proto		= parley_bpf_func_proto,
	.is_valid_access	= parley_bpf_is_valid_access,
	.btf_struct_access	= parley_bpf_struct_access,
};

/* For control flow integrity: they show what type each member has. */
static int parley_stub_condition(struct parley_request *call)
{
	return PARLEY_REFUSE;
}

static void parley_stub_established(struct parley_request *call)
{
}

static void parley_stub_closed(struct parley_request *call)
{
}

static void parley_stub_dropped(struct parley_request *call)
{
}

static struct parley_policy_ops parley_bpf_stubs = {
	.condition	= parley_stub_condition,
	.established	= parley_stub_established,
	.closed		= parley_stub_closed,
	.dropped	= parley_stub_dropped,
};

static struct bpf_struct_ops parley_bpf_ops = {
	.verifier_ops	= &parley_bpf_verifier_ops,
	.init		= parley_bpf_begin,
	.check_member	= parley_bpf_check_member,
	.init_member	= parley_bpf_init_member,
	.validate	= parley_bpf_validate,
	.reg		= parley_bpf_reg,
	.unreg		= parley_bpf_unreg,
	.update		= parley_bpf_update,
	.cfi_stubs	= &parley_bpf_stubs,
	.owner		= THIS_MODULE,
	.name		= "parley_policy_ops",
};

/**
 * parley_ops_choose_link - set PARLEY_POLICY_LINK
 * @sk: the socket
 * @fd: descriptor of a policy's link
 *
 * Context: process, may sleep; parley_ops_usable.
 * Return: 0, -EBADF, -EINVAL where it is no link, or not one of a policy, or
 * the socket does not listen and never will, -ENOMEM.
 */
int parley_ops_choose_link(struct sock *sk, int fd)
{
	struct parley_policy *policy;
	struct bpf_link *link;
	int err = -EINVAL;

	link = bpf_link_get_from_fd(fd);
	if (IS_ERR(link))
		return PTR_ERR(link);
	policy = parley_ops_find_link(link);
	if (policy)
		err = parley_ops_install(sk, policy, link);
	if (err) {
		parley_ops_put(policy);
		bpf_link_put(link);
	}
	return err;
}

/**
 * parley_ops_unlink - let go of a link
 * @link: it, or NULL
 *
 * Context: any.
 */
void parley_ops_unlink(struct bpf_link *link)
{
	if (link)
		bpf_link_put(link);
}

/**
 * parley_bpf_init - at module load
 *
 * There is nothing to undo: what is registered goes with the module's BTF, and
 * a policy that is loaded holds the module.
 *
 * Context: process.
 * Return: 0, also where there can be no policies, or a negative errno.
 */
int __init parley_bpf_init(void)
{
	int err;

	err = register_btf_kfunc_id_set(BPF_PROG_TYPE_STRUCT_OPS,
					&parley_kfuncs);
	if (err)
		return err;
	return register_bpf_struct_ops(&parley_bpf_ops, parley_policy_ops);
}
