// SPDX-License-Identifier: GPL-2.0
/*
 * What the quality of service that was granted to a call means for the
 * connection that it becomes: each end is paced, or silent (pace.c); and what
 * is guaranteed counts for its listener's capacity.
 */
#include "parley.h"

/* Whether anything at all was said about the quality of a call. */
static bool parley_grant_there(const struct parley_call *call)
{
	bool said;

	/*
	 * Only a decider that refuses the call changes these meanwhile. Then it
	 * is not established, and what was prepared is dropped, much or little.
	 */
	said = data_race(call->decision.granted || call->ruling.granted);
	return said || (call->terms && call->terms->asked);
}

/**
 * parley_grant_prepare - make what a connection needs to keep to its grant
 * @call: a call that parley_backlog_take() or parley_reserve_take() gave, and
 *	that nobody else decides: its grant does not change unless it ends
 * @callee: the new socket, which nobody knows yet; gets its own
 * @pace: the caller's goes there, or NULL; for parley_grant_join() or
 *	parley_pace_free()
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int parley_grant_prepare(struct parley_call *call, struct sock *callee,
			 struct parley_pace **pace)
{
	bool records = callee->sk_type == SOCK_SEQPACKET;
	struct parley_pace *from, *to;
	struct parley_qos qos;

	if (likely(!parley_grant_there(call)))
		return 0;
	spin_lock_bh(&call->listener->lock);
	qos = *parley_call_granted(call);
	spin_unlock_bh(&call->listener->lock);

	from = parley_pace_new(&qos.send, records, GFP_KERNEL_ACCOUNT);
	if (IS_ERR(from))
		return PTR_ERR(from);
	to = parley_pace_new(&qos.recv, records, GFP_KERNEL_ACCOUNT);
	if (IS_ERR(to)) {
		parley_pace_free(from);
		return PTR_ERR(to);
	}
	*pace = from;
	if (to)
		to->sk = callee;
	parley_sk(callee)->pace = to; /* freed in parley_sock_destruct() */
	return 0;
}

/**
 * parley_grant_join - a connection begins, and keeps to its grant
 * @call: a call that becomes ESTABLISHED; both ends have their peers
 * @callee: the accepted socket
 * @pace: what parley_grant_prepare() gave; taken over
 *
 * Context: listener's lock held.
 */
void parley_grant_join(struct parley_call *call, struct sock *callee,
		       struct parley_pace **pace)
{
	const struct parley_qos *qos;

	lockdep_assert_held(&call->listener->lock);

	if (likely(!parley_grant_there(call)))
		return;
	if (*pace)
		(*pace)->sk = call->caller;
	/* Seen with the peer; freed in parley_sock_destruct(). */
	swap(parley_sk(call->caller)->pace, *pace);

	qos = parley_call_granted(call);
	if (qos->send.service == PARLEY_SERVICE_NOTRAFFIC)
		call->ops->silence(call->caller);
	if (qos->recv.service == PARLEY_SERVICE_NOTRAFFIC)
		call->ops->silence(callee);
}

/* What of the listener's capacity a flow takes. */
static u32 parley_grant_share(const struct parley_flowspec *flow)
{
	return flow->service == PARLEY_SERVICE_GUARANTEED ? flow->token_rate :
							    0;
}

/* Whether who has @old may have @new: always, if that is no more. */
static bool parley_grant_fits(u64 limit, u64 used, u32 old, u32 new)
{
	return new <= old || (used <= limit && new - old <= limit - used);
}

/**
 * parley_grant_promise - take a call's share of its listener's capacity
 * @call: a call in a backlog
 * @granted: what it is granted
 *
 * A call that has a share may always have less: what it was promised holds,
 * whatever the capacity has become.
 *
 * Context: listener's lock held.
 * Return: true if it has its share now, or needs none; false if too little is
 * left, and then nothing has changed.
 */
bool parley_grant_promise(struct parley_call *call,
			  const struct parley_qos *granted)
{
	struct parley_conf *conf = call->listener->conf;
	struct parley_capacity *c = &conf->capacity;
	u32 send = parley_grant_share(&granted->send);
	u32 recv = parley_grant_share(&granted->recv);
	bool fits;

	lockdep_assert_held(&call->listener->lock);

	if (likely(call->promised[0] == send && call->promised[1] == recv))
		return true;
	spin_lock_bh(&conf->lock);
	fits = parley_grant_fits(c->recv, c->recv_used, call->promised[0],
				 send) &&
	       parley_grant_fits(c->send, c->send_used, call->promised[1],
				 recv);
	if (fits) {
		c->recv_used += (u64)send - call->promised[0];
		c->send_used += (u64)recv - call->promised[1];
		call->promised[0] = send;
		call->promised[1] = recv;
	}
	spin_unlock_bh(&conf->lock);
	return fits;
}

/**
 * parley_grant_return - give a call's share back
 * @call: a call that has one, or none
 *
 * Context: listener's lock held; or the call is ESTABLISHED, and the accepted
 * socket is released.
 */
void parley_grant_return(struct parley_call *call)
{
	struct parley_conf *conf = call->listener->conf;
	struct parley_capacity *c = &conf->capacity;

	if (likely(!call->promised[0] && !call->promised[1]))
		return;
	spin_lock_bh(&conf->lock);
	DEBUG_NET_WARN_ON_ONCE(c->recv_used < call->promised[0] ||
			       c->send_used < call->promised[1]);
	c->recv_used -= call->promised[0];
	c->send_used -= call->promised[1];
	call->promised[0] = 0;
	call->promised[1] = 0;
	spin_unlock_bh(&conf->lock);
}

/**
 * parley_grant_closed - a connection ends: its share is free again
 * @psk: an accepted socket, just being released
 *
 * Context: process. The peer does not see the end yet: it may call again.
 */
void parley_grant_closed(struct parley_sock *psk)
{
	/* An accepted socket's call does not change. */
	parley_grant_return(rcu_dereference_protected(psk->call, 1));
}
