// SPDX-License-Identifier: GPL-2.0
/*
 * Caller and callee in one network namespace: a call goes straight into the
 * listener's backlog, and each end writes into the ring that the other reads.
 */
#include "parley.h"

/**
 * parley_transport_find - how an address is reached
 * @net: the caller's namespace
 * @to: the address
 *
 * Context: process.
 * Return: the transport, or NULL where nothing leads there.
 */
const struct parley_transport *
parley_transport_find(struct net *net, const struct parley_addr *to)
{
	return parley_local_has(net, to) ? &parley_local : NULL;
}

static struct parley_listener *parley_local_find(struct parley_call *call)
{
	struct parley_listener *l;

	rcu_read_lock();
	l = parley_table_lookup(call->pn, &call->to);
	/* With success the call's, to be put in parley_call_put(). */
	if (l && !refcount_inc_not_zero(&l->ref))
		l = NULL;
	rcu_read_unlock();
	return l;
}

/* PARLEY_STAGE_ARRIVAL: the policy is asked before the call is charged. */
static int parley_local_judge(struct parley_listener *l,
			      struct parley_call *call, u32 timeout_ms)
{
	struct parley_ruling ruling;
	int ret;

	ret = parley_charge_room(l, call);
	if (ret)
		return ret;
	ret = parley_policy_judge(l, call, &ruling);
	if (ret)
		return ret;
	if (ruling.verdict == PARLEY_REFUSE) {
		call->ruling = ruling; /* with its references */
		return ruling.reason;
	}
	ret = parley_backlog_add(l, call, timeout_ms, &ruling);
	parley_policy_drop(l, call, &ruling);
	return ret;
}

static int parley_local_deliver(struct parley_call *call, u32 timeout_ms)
{
	struct parley_listener *l = parley_local_find(call);
	int ret;

	if (!l)
		return PARLEY_REASON_NO_LISTENER;
	if (l->type != call->caller->sk_type) {
		parley_listener_put(l); /* hold in parley_local_find() */
		return -EPROTOTYPE;
	}
	/* Before anybody can say yes, and so before poll sees it. */
	parley_listener_identify(l, call->caller);
	if (READ_ONCE(l->conf->stage) == PARLEY_STAGE_ARRIVAL)
		ret = parley_local_judge(l, call, timeout_ms);
	else
		ret = parley_backlog_add(l, call, timeout_ms, NULL);
	if (ret)
		parley_listener_put(l); /* hold in parley_local_find() */
	return ret;
}

static void parley_local_answer(struct sock *caller, struct parley_call *call)
{
	caller->sk_state_change(caller); /* all who wait, whatever for */
	if (parley_call_state(call) == PARLEY_CALL_ESTABLISHED)
		sk_wake_async(caller, SOCK_WAKE_IO, POLL_OUT);
	else if (parley_call_error(call) != -ECONNABORTED)
		sk_error_report(caller);
}

/* Bytes that may be under way from @sk to @peer: what both ends allow. */
static unsigned long parley_local_limit(const struct sock *sk,
					const struct sock *peer)
{
	return min(READ_ONCE(sk->sk_sndbuf), READ_ONCE(peer->sk_rcvbuf));
}

/* The reader is closed. What it has not read it never will: a reset. */
static void parley_local_bury(struct sock *writer, struct parley_ring *ring)
{
	bool unread = false;
	unsigned int pages;

	pages = parley_ring_bury(ring, &unread);
	if (pages)
		parley_count(parley_net(sock_net(writer)), PARLEY_COUNT_PAGES,
			     -(long)pages);
	if (unread) {
		/* Pairs with parley_recv_more(): all bytes are there. */
		smp_store_release(&writer->sk_err, ECONNRESET);
		sk_error_report(writer);
	}
}

/*
 * What could not be done to a ring while somebody was writing into it is done
 * now: another thread shut the writing down, and the bytes that came last are
 * the last; or the reader closed its end for good, and the pages can go.
 * Pairs with the callers: each first says what it did, unlocking or storing
 * dead or wdone, then looks for the other's. Who finishes has the writers'
 * lock as well, and may be taken for one by who buries: so it looks after it.
 * Not the other way round: of a ring that is buried nobody wants to know
 * whether it has ended. Return: true if the end of the data has come, which
 * the reader wants to know.
 */
static bool parley_local_check_end(struct sock *writer,
				   struct parley_ring *ring)
{
	bool ended = false;

	smp_mb(); /* first say, then look: see above */
	if (unlikely(READ_ONCE(ring->wdone) == PARLEY_RING_CLOSING)) {
		ended = parley_ring_finish(ring);
		smp_mb(); /* and again */
	}
	if (unlikely(READ_ONCE(ring->dead)))
		parley_local_bury(writer, ring);
	return ended;
}

/* The peer may go on with something, or nothing more will come: look. */
static void parley_local_poke(struct sock *peer, int band)
{
	peer->sk_state_change(peer);
	sk_wake_async(peer, SOCK_WAKE_WAITD, band);
}

/* Nobody reads what would be written, or somebody said that it is enough. */
static bool parley_ring_cut(const struct parley_ring *ring)
{
	return READ_ONCE(ring->rdone) || READ_ONCE(ring->wdone);
}

/* How much the reader may be left without a word about, with MSG_MORE. */
#define PARLEY_HELD_MAX	(16 * 1024)

/* The sender has more to say: the reader need not be woken for this. */
static bool parley_local_hold(struct parley_sock *reader, unsigned long limit)
{
	struct parley_ring *ring = &reader->rx;
	unsigned long used = parley_ring_used(ring);

	if (used >= PARLEY_HELD_MAX || used >= limit / 3)
		return false;
	/*
	 * Whoever takes it off then wakes the reader for these bytes, too: the
	 * barrier between them and this is in parley_local_check_end().
	 */
	if (!READ_ONCE(ring->held) && !xchg(&ring->held, 1))
		parley_sweep_watch(reader, PARLEY_SWEEP_HELD);
	return true;
}

/*
 * Bytes have come: wake the reader, if it said that it wants them. Pairs with
 * parley_local_readable(), which says so before it looks again.
 */
static void parley_local_tell(struct sock *reader)
{
	struct parley_ring *ring = &parley_sk(reader)->rx;

	parley_ring_release(ring);
	smp_mb(); /* head, then rwant and polled */
	if (READ_ONCE(ring->rwant))
		WRITE_ONCE(ring->rwant, 0);
	else if (!READ_ONCE(parley_sk(reader)->polled) &&
		 !sock_flag(reader, SOCK_FASYNC))
		return;
	reader->sk_data_ready(reader);
}

static void parley_local_push(struct sock *sk)
{
	struct sock *peer = parley_sk(sk)->peer;

	if (parley_ring_release(&parley_sk(peer)->rx))
		peer->sk_data_ready(peer);
}

/* After a write, without its lock: @pages came new to the ring. */
static void parley_local_new_pages(struct sock *sk, unsigned int pages)
{
	parley_count(parley_net(sock_net(sk)), PARLEY_COUNT_PAGES, pages);
	parley_sweep_watch(parley_sk(parley_sk(sk)->peer), PARLEY_SWEEP_PAGES);
}

/* No more than there is credit for. */
static long parley_local_write_paced(struct parley_pace *pace,
				     struct parley_ring *ring,
				     struct iov_iter *from,
				     unsigned long limit, unsigned int *pages)
{
	size_t count = iov_iter_count(from);
	size_t room = parley_pace_room(pace, ktime_get_ns(), count);
	long n = 0;

	lockdep_assert_held(&ring->wlock);

	if (room) {
		iov_iter_truncate(from, room);
		n = parley_ring_write(ring, from, limit, pages);
		iov_iter_reexpand(from, iov_iter_count(from) + count - room);
	}
	parley_pace_spent(pace, max(n, 0L), n > 0);
	return n;
}

static long parley_local_write(struct parley_pace *pace,
			       struct parley_ring *ring,
			       struct iov_iter *from, unsigned long limit,
			       unsigned int *pages)
{
	if (unlikely(pace))
		return parley_local_write_paced(pace, ring, from, limit, pages);
	return parley_ring_write(ring, from, limit, pages);
}

static long parley_local_send(struct sock *sk, struct iov_iter *from, bool more)
{
	struct sock *peer = parley_sk(sk)->peer;
	struct parley_ring *ring = &parley_sk(peer)->rx;
	unsigned long limit = parley_local_limit(sk, peer);
	unsigned int pages = 0;
	long n = -EPIPE;

	if (mutex_lock_interruptible(&ring->wlock))
		return -ERESTARTSYS;
	if (!parley_ring_cut(ring))
		n = parley_local_write(parley_sk(sk)->pace, ring, from, limit,
				       &pages);
	mutex_unlock(&ring->wlock);
	if (pages)
		parley_local_new_pages(sk, pages);
	if (parley_local_check_end(sk, ring))
		parley_local_poke(peer, POLL_IN);
	else if (n > 0 && !(more && parley_local_hold(parley_sk(peer), limit)))
		parley_local_tell(peer);
	return n;
}

/* As a whole, and only if there is credit for it. */
static int parley_local_write_record(struct parley_pace *pace,
				     struct parley_ring *ring,
				     struct iov_iter *from,
				     const struct parley_record *rec,
				     unsigned long limit, unsigned int *pages)
{
	int ret = 0;

	if (likely(!pace))
		return parley_ring_write_record(ring, from, rec, limit, pages);
	if (parley_pace_fits(pace, ktime_get_ns(), rec->len))
		ret = parley_ring_write_record(ring, from, rec, limit, pages);
	parley_pace_spent(pace, ret > 0 ? rec->len : 0, ret > 0);
	return ret;
}

static int parley_local_send_record(struct sock *sk, struct msghdr *msg,
				    size_t len)
{
	struct sock *peer = parley_sk(sk)->peer;
	struct parley_ring *ring = &parley_sk(peer)->rx;
	unsigned long limit = parley_local_limit(sk, peer);
	struct parley_record rec = {
		.len	= len,
		.flags	= msg->msg_flags & MSG_EOR,
	};
	struct iov_iter from = msg->msg_iter;
	unsigned int pages = 0;
	int ret = -EPIPE;

	if (len > min(limit, parley_pace_max(parley_sk(sk)->pace)))
		return parley_ring_cut(ring) ? -EPIPE : -EMSGSIZE;
	if (mutex_lock_interruptible(&ring->wlock))
		return -ERESTARTSYS;
	if (!parley_ring_cut(ring))
		ret = parley_local_write_record(parley_sk(sk)->pace, ring,
						&from, &rec, limit, &pages);
	mutex_unlock(&ring->wlock);
	if (pages)
		parley_local_new_pages(sk, pages);
	if (parley_local_check_end(sk, ring))
		parley_local_poke(peer, POLL_IN);
	else if (ret > 0)
		parley_local_tell(peer);
	if (ret < 0)
		return ret;
	if (!ret)
		return -EAGAIN;
	/* What is left there says to sendmmsg(2) that no more can be sent. */
	msg->msg_iter = from;
	return 0;
}

/*
 * Space has come: wake the peer's writers, if they said that they want it.
 * Pairs with parley_local_has_space(), which says so before it looks again.
 */
static void parley_local_write_space(struct sock *sk)
{
	struct sock *peer = parley_sk(sk)->peer;
	struct parley_ring *ring = &parley_sk(sk)->rx;

	smp_mb(); /* the tail, then want: pairs with parley_local_has_space() */
	if (!READ_ONCE(ring->want) ||
	    !parley_ring_writable(ring, parley_local_limit(peer, sk)))
		return;
	WRITE_ONCE(ring->want, 0);
	peer->sk_write_space(peer);
}

static long parley_local_recv(struct sock *sk, struct iov_iter *to, size_t len,
			      int flags)
{
	struct parley_ring *ring = &parley_sk(sk)->rx;
	long n;

	if (mutex_lock_interruptible(&ring->rlock))
		return -ERESTARTSYS;
	if ((flags & MSG_PEEK) && (flags & MSG_TRUNC))
		n = min_t(unsigned long, parley_ring_used(ring), len);
	else if (flags & MSG_PEEK)
		n = parley_ring_peek(ring, to, len);
	else if (flags & MSG_TRUNC)
		n = parley_ring_skip(ring, len);
	else
		n = parley_ring_read(ring, to, len);
	mutex_unlock(&ring->rlock);
	if (n > 0 && !(flags & MSG_PEEK))
		parley_local_write_space(sk);
	return n;
}

static long parley_local_recv_record(struct sock *sk, struct msghdr *msg,
				     size_t len, int flags)
{
	struct parley_ring *ring = &parley_sk(sk)->rx;
	struct iov_iter to = msg->msg_iter;
	struct parley_record rec;
	long n;

	if (mutex_lock_interruptible(&ring->rlock))
		return -ERESTARTSYS;
	n = parley_ring_read_record(ring, &to, len, flags & MSG_PEEK, &rec);
	mutex_unlock(&ring->rlock);
	if (n < 0)
		return n;

	msg->msg_iter = to;
	msg->msg_flags |= rec.flags;
	if (len < rec.len)
		msg->msg_flags |= MSG_TRUNC;
	if (!(flags & MSG_PEEK))
		parley_local_write_space(sk);
	return flags & MSG_TRUNC ? rec.len : n;
}

static bool parley_local_ended(struct sock *sk)
{
	struct parley_ring *ring = &parley_sk(sk)->rx;

	/* Pairs with parley_ring_finish(): the last bytes are there. */
	return smp_load_acquire(&ring->wdone) == PARLEY_RING_CLOSED ||
	       READ_ONCE(ring->rdone);
}

static bool parley_local_cut(struct sock *sk)
{
	return parley_ring_cut(&parley_sk(parley_sk(sk)->peer)->rx);
}

/* Whether there is space, or there will be none any more. */
static bool parley_local_has_space(struct sock *sk)
{
	struct sock *peer = parley_sk(sk)->peer;
	struct parley_ring *ring = &parley_sk(peer)->rx;
	unsigned long limit = parley_local_limit(sk, peer);

	if (parley_ring_writable(ring, limit) || parley_local_cut(sk))
		return true;
	WRITE_ONCE(ring->want, 1);
	sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
	smp_mb(); /* pairs with parley_local_write_space() */
	if (parley_ring_writable(ring, limit) || parley_local_cut(sk))
		return true;
	/* A reader may wait for more than there will ever be room for. */
	if (READ_ONCE(ring->rwant)) {
		WRITE_ONCE(ring->rwant, 0);
		peer->sk_data_ready(peer);
	}
	return false;
}

static bool parley_local_sendable(struct sock *sk)
{
	return parley_local_has_space(sk) &&
	       (parley_pace_ready(parley_sk(sk)->pace) || parley_local_cut(sk));
}

/*
 * With SO_RCVLOWAT a reader waits for more, but not for what there is no space
 * for: parley_local_has_space() wakes it when the writer finds that out.
 */
static bool parley_local_enough(struct sock *sk, size_t target)
{
	struct parley_ring *ring = &parley_sk(sk)->rx;
	struct sock *peer = parley_sk(sk)->peer;
	unsigned long used = parley_ring_used(ring);

	return used && (used >= target || parley_has_records(sk) ||
			!parley_ring_writable(ring,
					      parley_local_limit(peer, sk)));
}

static bool parley_local_readable(struct sock *sk, size_t target)
{
	struct parley_ring *ring = &parley_sk(sk)->rx;

	if (parley_local_enough(sk, target) || parley_local_ended(sk))
		return true;
	WRITE_ONCE(ring->rwant, 1);
	smp_mb(); /* pairs with parley_local_tell() */
	return parley_local_enough(sk, target) || parley_local_ended(sk);
}

static bool parley_local_arrived(struct sock *sk)
{
	return parley_ring_used(&parley_sk(sk)->rx);
}

static long parley_local_unread(struct sock *sk)
{
	struct parley_ring *ring = &parley_sk(sk)->rx;
	long bytes;

	if (!parley_has_records(sk))
		return parley_ring_used(ring);
	/* A reader may hang in a page fault. */
	if (mutex_lock_interruptible(&ring->rlock))
		return -ERESTARTSYS;
	bytes = parley_ring_payload(ring);
	mutex_unlock(&ring->rlock);
	return bytes;
}

/* Records count with their headers: their pages may go at any moment. */
static unsigned long parley_local_unsent(struct sock *sk)
{
	return parley_ring_used(&parley_sk(parley_sk(sk)->peer)->rx);
}

/* As if its end had been shut down before the first byte. */
static void parley_local_silence(struct sock *sk)
{
	/* Whoever looks has seen the connection first. */
	WRITE_ONCE(parley_sk(parley_sk(sk)->peer)->rx.wdone,
		   PARLEY_RING_CLOSED);
}

static void parley_local_shutdown(struct sock *sk, int how)
{
	struct sock *peer = parley_sk(sk)->peer;
	struct parley_ring *tx = &parley_sk(peer)->rx;

	/* Whoever writes at this moment still gets its bytes in. */
	if (how & SEND_SHUTDOWN && !READ_ONCE(tx->wdone)) {
		WRITE_ONCE(tx->wdone, PARLEY_RING_CLOSING);
		parley_local_check_end(sk, tx);
	}
	if (how & RCV_SHUTDOWN)
		WRITE_ONCE(parley_sk(sk)->rx.rdone, 1);
	/* The barriers are in the wake-ups. */
	sk->sk_state_change(sk);
	parley_local_poke(peer, how == SHUTDOWN_MASK ? POLL_HUP : POLL_IN);
}

static void parley_local_close(struct sock *sk)
{
	struct parley_ring *ring = &parley_sk(sk)->rx;
	struct sock *peer = parley_sk(sk)->peer;

	if (sock_flag(sk, SOCK_LINGER) && !sk->sk_lingertime) {
		/* Pairs with parley_recv_more(): all bytes are there. */
		smp_store_release(&peer->sk_err, ECONNRESET);
		sk_error_report(peer);
	}
	WRITE_ONCE(ring->rdone, 1);
	WRITE_ONCE(ring->dead, 1);
	parley_local_check_end(peer, ring);
	/* Nobody writes any more. The error comes before the end. */
	smp_store_release(&parley_sk(peer)->rx.wdone, PARLEY_RING_CLOSED);
	parley_local_poke(peer, POLL_HUP);
	sock_put(peer); /* hold in parley_backlog_establish(), or _join() */
}

/**
 * parley_local_join - two new sockets become each other's peers
 * @a: a socket that nobody else knows
 * @b: another one
 *
 * Context: process.
 */
void parley_local_join(struct sock *a, struct sock *b)
{
	sock_hold(a); /* put in parley_local_close() */
	sock_hold(b); /* put in parley_local_close() */
	parley_sk(a)->peer = b;
	parley_sk(b)->peer = a;
	parley_sk(a)->ops = &parley_local;
	parley_sk(b)->ops = &parley_local;
}

const struct parley_transport parley_local = {
	.deliver	= parley_local_deliver,
	.answer		= parley_local_answer,
	.send		= parley_local_send,
	.push		= parley_local_push,
	.recv		= parley_local_recv,
	.send_record	= parley_local_send_record,
	.recv_record	= parley_local_recv_record,
	.sendable	= parley_local_sendable,
	.arrived	= parley_local_arrived,
	.readable	= parley_local_readable,
	.ended		= parley_local_ended,
	.cut		= parley_local_cut,
	.unread		= parley_local_unread,
	.unsent		= parley_local_unsent,
	.silence	= parley_local_silence,
	.shutdown	= parley_local_shutdown,
	.close		= parley_local_close,
};
