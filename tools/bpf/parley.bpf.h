/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * For BPF programs that judge calls: struct_ops policies, and filters.
 *
 * A policy is an object with one struct parley_policy_ops:
 *
 *	SEC("struct_ops/condition")
 *	int BPF_PROG(condition, struct parley_request *call)
 *	{
 *		return call->uid ? PARLEY_ACCEPT : PARLEY_REFUSE;
 *	}
 *
 *	SEC(".struct_ops.link")
 *	struct parley_policy_ops policy = {
 *		.condition = (void *)condition,
 *		.name = "noroot",
 *	};
 *
 * The structs here are found in the running kernel by the names of their
 * members, whatever their layout there is: it may have more of them than are
 * known here, and what it lacks can be asked for with
 * bpf_core_field_exists(). The program that loads the object does that;
 * "parleyctl policy load" is one.
 *
 * Include <linux/bpf.h> and <bpf/bpf_helpers.h> before this, and
 * <bpf/bpf_tracing.h> for BPF_PROG().
 */
#ifndef PARLEY_BPF_H
#define PARLEY_BPF_H

#include <linux/parley.h>

#ifndef __ksym
#define __ksym	__attribute__((section(".ksyms")))
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), \
			     apply_to = record)

/**
 * struct parley_request - a call, as policies see it: read only
 * @id: unique in the caller's network namespace; 0 while the call is judged on
 *	arrival (PARLEY_STAGE_ARRIVAL), since it has none yet
 * @listener: a number that no other listener has, or had since the module was
 *	loaded
 * @cgroup_id: the caller's cgroup in the unified hierarchy
 * @netns_cookie: the caller's network namespace, as SO_NETNS_COOKIE
 * @group: the caller's PARLEY_GROUP
 * @age_ns: nanoseconds since the call was made
 * @flags: PARLEY_INFO_*
 * @uid: the caller's effective user id in the initial user namespace
 * @gid: likewise, the effective group id
 * @pid: the caller's process in the initial pid namespace
 * @data_len: bytes of call data, see bpf_parley_call_data()
 * @label_len: bytes of security label, see bpf_parley_label()
 * @backlog: how many calls wait at the listener, this one included, unless it
 *	is judged on arrival or has ended
 * @backlog_limit: how many may
 * @caller_port: the caller's port, in host byte order
 * @callee_port: the port that was called, in host byte order
 * @caller: the caller's address, IPv4 as ::ffff:a.b.c.d
 * @callee: the address that was called, likewise
 * @claimed: condition() of this policy has accepted this call before, and
 *	neither established() nor dropped() has been called for that yet
 * @qos: what the caller asks for; parley_request_qos() copies it
 *
 * Identity and terms are those of the caller's connect(2).
 */
struct parley_request {
	__u64 id;
	__u64 listener;
	__u64 cgroup_id;
	__u64 netns_cookie;
	__u64 group;
	__u64 age_ns;
	__u32 flags;
	__u32 uid;
	__u32 gid;
	__u32 pid;
	__u32 data_len;
	__u32 label_len;
	__u32 backlog;
	__u32 backlog_limit;
	__u16 caller_port;
	__u16 callee_port;
	__u8 caller[16];
	__u8 callee[16];
	__u8 claimed;
	struct parley_qos qos;
};

/**
 * struct parley_policy_ops - a policy
 * @condition: what is to become of a call: one of enum parley_verdict, but for
 *	PARLEY_UNDECIDE. Anything else refuses it with
 *	PARLEY_REASON_POLICY_FAULT. Asked once for a call, and again after
 *	PARLEY_IOC_REVIEW, after a decision without it was taken back, or when
 *	memory ran out while asking
 * @established: a call has become a connection; @claimed is 0 if it did
 *	without this policy's word, decided by PARLEY_IOC_DECIDE or a time-out.
 *	Neither end has been told yet. May be missing
 * @closed: the connection's accepted socket is being closed; its peer has not
 *	been told yet. Once for each established(). May be missing
 * @dropped: a call that condition() accepted has come to nothing after all:
 *	another stage refused or deferred it, its caller gave up, the listener
 *	was closed; or condition() is about to be asked again. Once for each
 *	condition() that accepted and was not followed by established(). May be
 *	missing
 * @name: for PARLEY_POLICY: letters, digits, '_', '-' and '.'; one policy of a
 *	name at a time (EEXIST)
 * @flags: PARLEY_POLICY_UNPRIVILEGED
 *
 * All of them may run at the same time on several processors, and none may
 * sleep. dropped() may run in softirq. When a policy is updated, the new
 * programs get the rest of what the old ones began.
 */
struct parley_policy_ops {
	int (*condition)(struct parley_request *call);
	void (*established)(struct parley_request *call);
	void (*closed)(struct parley_request *call);
	void (*dropped)(struct parley_request *call);
	char name[PARLEY_POLICY_NAME_MAX];
	__u32 flags;
};

#pragma clang attribute pop

/**
 * parley_request_qos() - copy what the caller asks for
 * @to: where it goes
 * @call: what the program was given
 *
 * Plain assignment may read two members at once, which the verifier refuses.
 */
static __attribute__((always_inline)) inline void
parley_request_qos(struct parley_qos *to, struct parley_request *call)
{
	const volatile __u32 *from = (const volatile void *)&call->qos;
	__u32 i;

#pragma unroll
	for (i = 0; i < sizeof(*to) / sizeof(*from); i++)
		((__u32 *)to)[i] = from[i];
}

/* Copies call data. Returns how many bytes were there; the rest is zeroed. */
extern __u32 bpf_parley_call_data(struct parley_request *call, __u32 offset,
				  void *to, __u32 to__sz) __ksym;

/* Copies the security label, from its beginning; otherwise likewise. */
extern __u32 bpf_parley_label(struct parley_request *call, void *to,
			      __u32 to__sz) __ksym;

/* Whether a group id of the initial user namespace is one of the caller's. */
extern _Bool bpf_parley_in_group(struct parley_request *call,
				 __u32 gid) __ksym;

/*
 * What goes with the verdict; in condition() only, elsewhere -EPERM. Code and
 * retry-after (milliseconds) go with a refusal only; the last ones set count.
 */
extern int bpf_parley_set_refusal(struct parley_request *call, __u32 code,
				  __u32 retry_after_ms) __ksym;

/*
 * Reply data, with an acceptance or a refusal; at least one byte (-EINVAL),
 * -EMSGSIZE above net.parley.max_call_data. Once only (-EALREADY); -ENOMEM.
 * From the stack or a variable: constants in .rodata the verifier refuses here,
 * "write into map forbidden", since it takes the function for one that writes.
 */
extern int bpf_parley_set_reply(struct parley_request *call, const void *data,
				__u32 data__sz) __ksym;

/*
 * What is granted at most, from the caller's end; what is above the request is
 * cut down to it. Once only (-EALREADY); -EINVAL for values that PARLEY_QOS
 * would not take, -ENOMEM.
 */
extern int bpf_parley_set_qos(struct parley_request *call,
			      const struct parley_qos *grant) __ksym;

#endif /* PARLEY_BPF_H */
