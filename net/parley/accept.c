// SPDX-License-Identifier: GPL-2.0
/*
 * accept(2): take a call, ask the policy unless the call is judged, make a
 * socket for it, and turn the two into a connection if the caller is still
 * there. Until that last step the call stays in the backlog, so an accept
 * that fails loses nothing.
 */
#include "parley.h"

static struct parley_call *parley_accept_next(struct parley_wait *w)
{
	return parley_backlog_take(w->l);
}

static bool parley_accept_more(struct parley_listener *l)
{
	return READ_ONCE(l->ready);
}

/*
 * The socket that the server gets, complete but for its peer; the reply data
 * that callers get if nothing else is said; and how fast this one may send.
 * Return: the socket, or an error for accept(2).
 */
static struct sock *parley_accept_socket(struct sock *lsk,
					 struct parley_call *call,
					 struct parley_blob **reply,
					 struct parley_pace **pace)
{
	struct sock *sk = ERR_PTR(-EINVAL);
	struct parley_sock *psk;
	int err;

	/* What is copied holds still, and no listener has a peer. */
	lock_sock(lsk);
	if (lsk->sk_state == TCP_LISTEN)
		sk = parley_sock_clone(lsk) ?: ERR_PTR(-ENOMEM);
	if (!IS_ERR(sk))
		*reply = parley_blob_get(parley_sk(lsk)->conf->reply);
	release_sock(lsk);
	if (IS_ERR(sk))
		return sk;

	psk = parley_sk(sk);
	psk->local = call->to;
	psk->callee = true;
	psk->ops = call->ops;
	parley_call_get(call); /* put in parley_sock_destruct() */
	RCU_INIT_POINTER(psk->call, call);
	parley_set_peercred(sk, call->pid, call->cred);
	/* Nobody knows the socket: as good as under its lock_sock(). */
	WRITE_ONCE(sk->sk_state, TCP_ESTABLISHED);
	err = parley_grant_prepare(call, sk, pace);
	if (err) {
		sock_put(sk);
		return ERR_PTR(err);
	}
	return sk;
}

/*
 * Return: 1 if the policy agrees with a call that was taken, 0 if there is
 * nothing left to do with it, or an error for accept(2).
 */
static int parley_accept_judge(struct parley_listener *l,
			       struct parley_call *call)
{
	struct parley_ruling ruling;
	int err;

	/* Each alone: what lies beside them changes meanwhile. */
	if (READ_ONCE(call->approved) || READ_ONCE(call->judged) ||
	    !parley_policy_there(l, call))
		return 1;
	err = parley_policy_judge(l, call, &ruling);
	return err ?: parley_verdict_apply(call, &ruling);
}

/*
 * Return: the connected socket, NULL if the call came to nothing, or an error
 * for accept(2), and the call is where it was.
 */
static struct sock *parley_accept_call(struct sock *lsk,
				       struct parley_listener *l,
				       struct parley_call *call)
{
	struct parley_blob *reply = NULL;
	struct parley_pace *pace = NULL;
	struct sock *sk;
	int ret;

	ret = parley_accept_judge(l, call);
	if (!ret)
		return NULL;
	sk = ret < 0 ? ERR_PTR(ret) :
		       parley_accept_socket(lsk, call, &reply, &pace);
	if (IS_ERR(sk)) {
		parley_backlog_untake(call);
	} else if (!parley_backlog_establish(call, sk, &reply, &pace)) {
		sock_put(sk);
		sk = NULL;
	}
	parley_blob_put(reply);
	parley_pace_free(pace);
	return sk;
}

/* Return: the connected socket, or an error for accept(2). */
static struct sock *parley_accept_one(struct sock *lsk,
				      struct parley_listener *l, bool nowait)
{
	struct parley_wait wait = {
		.l	= l,
		.wq	= sk_sleep(lsk),
		.take	= parley_accept_next,
		.more	= parley_accept_more,
		.pass	= parley_listener_wake,
	};
	struct parley_call *call;
	struct sock *sk;
	bool reserved;
	int err;
	u64 id;

	parley_wait_begin(&wait, lsk, nowait);
	for (;;) {
		call = parley_reserve_take(l);
		reserved = call;
		if (!call)
			call = parley_wait(&wait);
		if (IS_ERR(call))
			return ERR_CAST(call);
		id = call->id;
		sk = parley_accept_call(lsk, l, call);
		parley_call_put(call); /* hold in parley_backlog_take() */
		if (sk)
			return sk;
		/* Whose caller has gone is not replaced by another. */
		err = reserved ? -ECONNABORTED : parley_wait_go_on(&wait, id);
		if (err)
			return ERR_PTR(err);
	}
}

/**
 * parley_accept - accept(2)
 * @sock: the listening socket
 * @newsock: the socket to fill
 * @arg: the flags
 *
 * Context: process, may sleep.
 * Return: 0, -EINVAL where @sock does not listen (any more), -EAGAIN, -EINTR
 * or -ERESTARTSYS, -ENOMEM, -ECONNABORTED where the call that was reserved for
 * this thread has ended. No call is lost by an error.
 */
int parley_accept(struct socket *sock, struct socket *newsock,
		  struct proto_accept_arg *arg)
{
	struct sock *lsk = sock->sk;
	struct parley_listener *l;
	struct sock *sk;

	l = parley_listener_get(parley_sk(lsk));
	if (!l)
		return -EINVAL;

	sk = parley_accept_one(lsk, l, arg->flags & O_NONBLOCK);
	parley_listener_put(l);
	if (IS_ERR(sk))
		return PTR_ERR(sk);

	sock_prot_inuse_add(sock_net(sk), &parley_proto, 1);
	/* It has no descriptor yet: nobody is there to be locked out. */
	sock_graft(sk, newsock);
	newsock->state = SS_CONNECTED;
	parley_inherit(sock, newsock);
	return 0;
}
