// SPDX-License-Identifier: GPL-2.0
/*
 * The second stage of a listener's policy: the socket filter that
 * SO_ATTACH_FILTER or SO_ATTACH_BPF gave it. It is run on a packet that is the
 * call, struct parley_packet and the call data. The core attaches, replaces
 * and locks filters; which one a socket has is read once for each call, under
 * RCU, so that a call is judged by the old or by the new.
 */
#include <linux/cred.h>
#include <linux/filter.h>
#include <linux/pid.h>
#include <linux/skbuff.h>
#include <linux/user_namespace.h>

#include "parley.h"

/* Up to here a packet is in one piece, and is kept for the next call. */
#define PARLEY_PACKET_LINEAR	SKB_WITH_OVERHEAD(1024)

/*
 * Ids are those of who called listen(2). What has no name there is all ones, as
 * for rules: the overflow id could be somebody else's.
 */
static void parley_packet_who(struct parley_packet *p,
			      struct parley_listener *l,
			      const struct parley_call *call)
{
	struct user_namespace *ns;

	spin_lock_bh(&l->lock);
	ns = l->cred->user_ns;
	p->uid = htonl(from_kuid(ns, call->cred->euid));
	p->gid = htonl(from_kgid(ns, call->cred->egid));
	p->pid = htonl(pid_nr_ns(call->pid, ns_of_pid(l->pid)));
	spin_unlock_bh(&l->lock);
	p->cgroup_id = cpu_to_be64(call->cgroup_id);
	p->netns_cookie = cpu_to_be64(call->netns_cookie);
}

static void parley_packet_qos(struct parley_packet *p,
			      const struct parley_qos *qos)
{
	const u32 *from = (const u32 *)qos;
	size_t i;

	BUILD_BUG_ON(sizeof(*qos) != sizeof(p->qos));
	for (i = 0; i < ARRAY_SIZE(p->qos); i++)
		p->qos[i] = htonl(from[i]);
}

static void parley_packet_fill(struct parley_packet *p,
			       struct parley_listener *l,
			       const struct parley_call *call)
{
	u64 age = div_u64(ktime_get_ns() - call->since, NSEC_PER_MSEC);

	p->header_len = htonl(sizeof(*p));
	p->data_len = htonl(parley_blob_len(parley_terms_data(call->terms)));
	p->flags = htonl(parley_call_flags(call));
	parley_packet_who(p, l, call);
	p->caller_port = call->from.port;
	p->callee_port = call->to.port;
	memcpy(p->caller, &call->from.ip, sizeof(p->caller));
	memcpy(p->callee, &call->to.ip, sizeof(p->callee));
	p->backlog = htonl(READ_ONCE(l->charged));
	p->backlog_limit = htonl(READ_ONCE(l->limit));
	p->age_ms = htonl(min_t(u64, age, U32_MAX));
	p->group = cpu_to_be64(call->terms ? call->terms->group : 0);
	parley_packet_qos(p, parley_terms_qos(call->terms));
}

/* Return: an empty packet with room for @len bytes, or NULL without memory. */
static struct sk_buff *parley_packet_alloc(u32 len)
{
	u32 more = len - min_t(u32, len, PARLEY_PACKET_LINEAR);
	/* One that is kept is not for the caller to pay. */
	gfp_t gfp = more ? GFP_KERNEL_ACCOUNT : GFP_KERNEL;
	struct sk_buff *skb;
	int err;

	skb = alloc_skb_with_frags(PARLEY_PACKET_LINEAR, more,
				   PAGE_ALLOC_COSTLY_ORDER, &err, gfp);
	if (!skb)
		return NULL;
	skb_reset_mac_header(skb);
	skb_reset_network_header(skb);
	skb_reset_transport_header(skb);
	return skb;
}

/*
 * Most packets are as short as the one before. Nothing of that is left: what
 * is read of a packet is written anew, and a filter writes nothing but cb[].
 */
static struct sk_buff *parley_packet_get(struct parley_listener *l, u32 len)
{
	struct sk_buff *skb = NULL;

	if (len <= PARLEY_PACKET_LINEAR)
		skb = xchg(&l->packet, NULL);
	if (!skb)
		return parley_packet_alloc(len);
	skb_trim(skb, 0);
	memset(bpf_skb_cb(skb), 0, BPF_SKB_CB_LEN);
	return skb;
}

static void parley_packet_put(struct parley_listener *l, struct sk_buff *skb)
{
	if (!skb_is_nonlinear(skb))
		skb = xchg(&l->packet, skb);
	consume_skb(skb);
}

/* Return: the call as a packet, or NULL without memory. */
static struct sk_buff *parley_packet_new(struct parley_listener *l,
					 const struct parley_call *call)
{
	const struct parley_blob *data = parley_terms_data(call->terms);
	u32 len = sizeof(struct parley_packet) + parley_blob_len(data);
	u32 linear = min_t(u32, len, PARLEY_PACKET_LINEAR);
	struct sk_buff *skb;

	BUILD_BUG_ON(sizeof(struct parley_packet) != PARLEY_PACKET_SIZE_VER0);
	BUILD_BUG_ON(sizeof(struct parley_packet) > PARLEY_PACKET_LINEAR);
	skb = parley_packet_get(l, len);
	if (!skb)
		return NULL;
	skb_put(skb, linear);
	skb->data_len = len - linear;
	skb->len = len;
	parley_packet_fill((struct parley_packet *)skb->data, l, call);
	if (data && skb_store_bits(skb, sizeof(struct parley_packet),
				   data->data, data->len)) {
		kfree_skb(skb);
		return NULL;
	}
	return skb;
}

static struct sk_filter *parley_filter_of(struct sock *lsk)
{
	return lsk ? rcu_dereference(lsk->sk_filter) : NULL;
}

/**
 * parley_filter_there - whether a listener has a filter
 * @l: the listener
 *
 * Context: any.
 * Return: true if it had a moment ago.
 */
bool parley_filter_there(struct parley_listener *l)
{
	bool there;

	rcu_read_lock();
	there = parley_filter_of(rcu_dereference(l->sk));
	rcu_read_unlock();
	return there;
}

/* Return: true if there was a filter, and @ret is what it said. */
static bool parley_filter_run(struct parley_listener *l, struct sk_buff *skb,
			      u32 *ret)
{
	struct sk_filter *filter;
	struct sock *lsk;

	rcu_read_lock();
	lsk = rcu_dereference(l->sk);
	filter = parley_filter_of(lsk);
	if (filter) {
		/*
		 * As for a packet that a socket receives. Without a device,
		 * loads of its number would end a classic filter with whatever
		 * it had in its accumulator.
		 */
		skb->sk = lsk;
		skb->dev = sock_net(lsk)->loopback_dev;
		*ret = bpf_prog_run_pin_on_cpu(filter->prog, skb);
		skb->dev = NULL;
		skb->sk = NULL;
	}
	rcu_read_unlock();
	return filter;
}

/* Who asks for no rate may ask for a peak, and the two have to fit. */
static void parley_filter_rate(struct parley_flowspec *flow, u32 rate)
{
	if (rate)
		flow->token_rate = min3(flow->token_rate, rate,
					flow->peak_rate);
}

/* Return: 0 or -ENOMEM. */
static int parley_filter_grant(const struct parley_call *call, const u32 *cb,
			       struct parley_ruling *ruling)
{
	struct parley_qos qos = *parley_terms_qos(call->terms);
	struct parley_blob *granted;

	if (!cb[PARLEY_CB_SEND_RATE] && !cb[PARLEY_CB_RECV_RATE])
		return 0;
	parley_filter_rate(&qos.send, cb[PARLEY_CB_SEND_RATE]);
	parley_filter_rate(&qos.recv, cb[PARLEY_CB_RECV_RATE]);
	granted = parley_blob_new(KERNEL_SOCKPTR(&qos), sizeof(qos));
	if (IS_ERR(granted))
		return PTR_ERR(granted);
	ruling->granted = granted; /* put with the ruling */
	return 0;
}

/* Return: 0 or -ENOMEM. */
static int parley_filter_say(const struct parley_call *call, u32 ret,
			     const u32 *cb, struct parley_ruling *ruling)
{
	ruling->by = PARLEY_BY_FILTER;
	if (cb[PARLEY_CB_ZERO]) {
		ruling->verdict = PARLEY_REFUSE;
		ruling->reason = PARLEY_REASON_POLICY_FAULT;
		return 0;
	}
	switch (ret) {
	case PARLEY_FILTER_REFUSE:
		ruling->verdict = PARLEY_REFUSE;
		ruling->reason = PARLEY_REASON_FILTER;
		ruling->code = cb[PARLEY_CB_CODE];
		ruling->retry_after_ms = cb[PARLEY_CB_RETRY_AFTER];
		return 0;
	case PARLEY_FILTER_DEFER:
		ruling->verdict = PARLEY_DEFER;
		break;
	default:
		ruling->verdict = PARLEY_ACCEPT;
		break;
	}
	return parley_filter_grant(call, cb, ruling);
}

/**
 * parley_filter_judge - ask the listener's filter about a call
 * @l: the listener
 * @call: a call that the current context holds
 * @ruling: filled if there still is a filter
 *
 * Context: process, may sleep, not under a lock of ours.
 * Return: 0 or -ENOMEM.
 */
int parley_filter_judge(struct parley_listener *l,
			const struct parley_call *call,
			struct parley_ruling *ruling)
{
	struct sk_buff *skb;
	u32 said;
	int err = 0;

	skb = parley_packet_new(l, call);
	if (!skb)
		return -ENOMEM;
	if (parley_filter_run(l, skb, &said))
		err = parley_filter_say(call, said,
					(const u32 *)bpf_skb_cb(skb), ruling);
	parley_packet_put(l, skb);
	return err;
}

/**
 * parley_filter_exit - when a listener goes
 * @l: the listener
 *
 * Context: any.
 */
void parley_filter_exit(struct parley_listener *l)
{
	consume_skb(l->packet);
}

/**
 * parley_filter_forget - an accepted socket does not have its listener's
 * @sk: a clone of the listener that nobody else knows; its lock is held
 *
 * Context: process.
 */
void parley_filter_forget(struct sock *sk)
{
	sock_reset_flag(sk, SOCK_FILTER_LOCKED);
	sk_detach_filter(sk); /* ENOENT where there is none */
}
