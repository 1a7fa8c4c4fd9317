/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the module share: objects first, then what each file
 * offers the others. Read uapi/linux/parley.h before this, and after it the
 * head comment of af_parley.c, then backlog.c, verdict.c, connect.c, accept.c
 * and decide.c.
 */
#ifndef _NET_PARLEY_H
#define _NET_PARLEY_H

#include <linux/idr.h>
#include <linux/in6.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/security.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/timerqueue.h>
#include <linux/wait.h>
#include <net/ipv6.h>
#include <net/netns/generic.h>
#include <net/sock.h>

#include <compat/parley-compat.h>
#include <linux/parley.h>

#include "charge.h"
#include "data.h"
#include "netns.h"
#include "pace.h"
#include "policy.h"
#include "ring.h"
#include "sockopt.h"

struct parley_call;
struct parley_dest;
struct parley_listener;
struct parley_net;
struct parley_transport;

/* As get_cred(). Context: any. */
static inline const struct cred *parley_cred_get(const struct cred *cred)
{
	/* It stores each time what is there already: the core's own race. */
	return data_race(get_cred(cred));
}

/* addr.c: addresses. Pure. */

/**
 * struct parley_addr - an address, IPv4 as IPv4-mapped IPv6
 * @ip: the address; 0.0.0.0 is ::ffff:0.0.0.0, and :: is IPv6's wildcard
 * @scope: interface of a link-local address, else 0
 * @port: in network byte order, 0 if there is none yet
 * @pad: zero, since the whole is a hash key
 */
struct parley_addr {
	struct in6_addr ip;
	u32 scope;
	__be16 port;
	u16 pad;
};

int parley_addr_parse(struct parley_addr *addr, u8 *family, const void *uaddr,
		      int len);
int parley_addr_fill(const struct parley_addr *addr, u8 family, void *uaddr);
void parley_addr_set_any(struct parley_addr *addr, u8 family);
void parley_addr_set_loopback(struct parley_addr *addr);
bool parley_addr_is_any(const struct parley_addr *addr);
bool parley_addr_overlap(const struct parley_addr *a, bool a_v6only,
			 const struct parley_addr *b, bool b_v6only);

static inline bool parley_addr_is_v4(const struct parley_addr *addr)
{
	return ipv6_addr_v4mapped(&addr->ip);
}

/* state.c: the life of a call as a table. Pure. */

/**
 * enum parley_call_state - where a call is in its life
 * @PARLEY_CALL_NEW: not delivered to any listener
 * @PARLEY_CALL_PENDING: in the backlog, nobody has taken it
 * @PARLEY_CALL_JUDGING: in the backlog, an accept is working on it, or a
 *	policy is being asked for PARLEY_IOC_NEXT_CALL
 * @PARLEY_CALL_DEFERRED: in the backlog, put off
 * @PARLEY_CALL_APPROVED: in the backlog, decided; an accept is to collect it
 * @PARLEY_CALL_ESTABLISHED: outcome: a connection
 * @PARLEY_CALL_REFUSED: outcome: the listener's side said no
 * @PARLEY_CALL_WITHDRAWN: outcome: the caller gave up
 * @PARLEY_CALL_STATES: how many there are
 */
enum parley_call_state {
	PARLEY_CALL_NEW,
	PARLEY_CALL_PENDING,
	PARLEY_CALL_JUDGING,
	PARLEY_CALL_DEFERRED,
	PARLEY_CALL_APPROVED,
	PARLEY_CALL_ESTABLISHED,
	PARLEY_CALL_REFUSED,
	PARLEY_CALL_WITHDRAWN,
	PARLEY_CALL_STATES
};

bool parley_state_may(enum parley_call_state from, enum parley_call_state to);
bool parley_state_ended(enum parley_call_state state);

/* af_parley.c: sockets */

/**
 * struct parley_sock - a socket of the family
 * @sk: must be first. sk_state is TCP_CLOSE, TCP_LISTEN, TCP_SYN_SENT (it
 *	calls) or TCP_ESTABLISHED; written under lock_sock() alone, with
 *	release, by parley_set_state()
 * @local: own address. Written as @dest is, while not in the tables
 * @bind_node: in parley_net.bound while bound by bind(2). The port's lock
 * @call_node: on the list of the port's lock while bound by connect(2). The
 *	port's lock
 * @dest: whose port number is used, if it was chosen by connect. lock_sock();
 *	but while the call is undecided, that call's listener->lock
 * @listener: while listening. Written under lock_sock() and the port's lock,
 *	read under either or RCU
 * @call: the call this socket made, or was made by. Written under
 *	lock_sock(), read under RCU by poll. Holds a reference
 * @peer: the other end; for a caller set before its call's outcome is
 *	stored, for others before TCP_ESTABLISHED is; then never changed until
 *	release. Holds a reference
 * @ops: how data moves; valid from TCP_SYN_SENT on
 * @pace: how fast it may send, or NULL; written as @peer
 * @terms: for the calls of this socket, or NULL. lock_sock()
 * @conf: how it listens, or will; NULL if nobody said. Written once, under
 *	lock_sock()
 * @since: when it was connected, CLOCK_MONOTONIC in ns. Written as @peer
 * @timeout_ms: PARLEY_CONNECT_TIMEOUT. lock_sock()
 * @reason: enum parley_reason of the last call that failed. lock_sock()
 * @family: AF_INET, AF_INET6, or 0 before bind or connect said which
 * @bound: in the tables. lock_sock(), or see @dest
 * @implicit: the port was chosen by connect. lock_sock(), or see @dest
 * @ephemeral: the port comes from parley_net.ephemeral. lock_sock()
 * @v6only: IPV6_V6ONLY. Not changed while bound
 * @callee: made by accept, not by connect; does not change
 * @restart: a signal interrupted connect(2), which may be called again for
 *	the user, who then has not been told of a success. lock_sock()
 * @cork: TCP_CORK: each send is as if with MSG_MORE. Written under lock_sock()
 * @habits: options that are kept, or NULL if none was set. Written once, under
 *	lock_sock(), which guards what is in it
 * @polled: somebody has polled it, and may still be waiting for events. Only
 *	ever set
 * @sweep_node: in parley_net.sweeps[].socks while there is something to look
 *	after. parley_sweep.lock
 * @rx: what this socket reads; written by its peer
 *
 * Lifetime: struct sock's own reference count. A socket that bind(2) was ever
 * called for is freed after a grace period (SOCK_RCU_FREE), since what it was
 * entered in is walked under RCU.
 */
struct parley_sock {
	struct sock sk;
	struct parley_addr local;
	union {
		struct rhlist_head bind_node;
		struct hlist_node call_node;
	};
	struct parley_dest *dest;
	struct parley_listener __rcu *listener;
	struct parley_call __rcu *call;
	struct sock *peer;
	const struct parley_transport *ops;
	struct parley_pace *pace;
	struct parley_terms *terms;
	struct parley_conf *conf;
	u64 since;
	u32 timeout_ms;
	u16 reason;
	u8 family;
	bool bound;
	bool implicit;
	bool ephemeral;
	bool v6only;
	bool callee;
	bool restart;
	bool polled;
	bool cork;
	struct parley_habits *habits;
	struct list_head sweep_node[PARLEY_SWEEPS];
	struct parley_ring rx;
};

#define parley_sk(ptr) container_of_const(ptr, struct parley_sock, sk)

extern struct proto parley_proto;
extern const struct net_proto_family parley_family;

struct sock *parley_sock_alloc(struct net *net, struct socket *sock, int kern);
struct sock *parley_sock_clone(struct sock *lsk);
void parley_set_state(struct sock *sk, int state);
void parley_set_peercred(struct sock *sk, struct pid *pid,
			 const struct cred *cred);
bool parley_may_listen(struct parley_sock *psk);

static inline struct parley_call *parley_own_call(struct parley_sock *psk)
{
	return rcu_dereference_protected(psk->call,
					 lockdep_sock_is_held(&psk->sk));
}

/* Whether what it sends and receives are records. */
static inline bool parley_has_records(const struct sock *sk)
{
	return sk->sk_type == SOCK_SEQPACKET;
}

/* call.c: a call and its outcome */

/**
 * struct parley_call - one attempt to connect
 * @node: in one of the listener's lists, by its state. listener->lock
 * @by_id: in listener->known once somebody may name it. listener->lock
 * @listener: whom it is delivered to; its lock guards every field that
 *	changes. Holds a reference from delivery to the end of the call object
 * @caller: the calling socket. Holds a reference until the outcome; with
 *	ESTABLISHED that reference becomes the accepted socket's @peer
 * @due: the next of the two deadlines, in listener->deadlines if there is one.
 *	listener->lock
 * @deadline: connect time-out, CLOCK_MONOTONIC in ns; 0 for none; set before
 *	delivery
 * @defer_deadline: likewise, of the first deferral
 * @since: when it was made, CLOCK_MONOTONIC in ns
 * @waited: how long it took to be established, in ns
 * @ref: references to this object
 * @state: enum parley_call_state; written by parley_call_step() alone, with
 *	release, under listener->lock; read without lock
 * @told: the outcome may be known to the caller: whom it concerns has been told
 *	before. Written with release, once, after the outcome is stored
 * @reason: enum parley_reason; written before an outcome is stored
 * @seen: given by PARLEY_IOC_NEXT_CALL, and not new again
 * @shown: it was given by PARLEY_IOC_NEXT_CALL, ever
 * @judged: the kernel's policy has said yes
 * @deferred: it was deferred at least once
 * @tallied: what it counted as when it left its list
 * @approved: it was APPROVED when it was taken for JUDGING
 * @defer_verdict: for @defer_deadline
 * @replaced: its caller has called again, and may be in poll. Written before
 *	the caller's reference is put
 * @ruling: what the kernel's policy said
 * @decision: what a decider said, or the default of a time-out; @decision.by
 *	is 0 if neither has said anything that still holds
 * @policy: the struct_ops policy that accepted it; with ESTABLISHED the one
 *	that is to be told of its end. NULL if there is none. Stored under
 *	listener->lock or by the only one who knows the accepted socket; taken
 *	by exchange. Holds a reference
 * @promised: bytes per second of the listener's PARLEY_CAPACITY that it has,
 *	from the caller's end what is sent and what is received. listener->lock;
 *	with ESTABLISHED it is the accepted socket's. conf->lock too
 * @turn: when it was approved, as the listener counts; it wraps.
 *	listener->lock
 * @reserver: the thread whose accept shall get it, or NULL; changes between
 *	parley_backlog_leave() and parley_backlog_enter(). Holds a reference
 * @id: unique in the namespace, ascending in the order of arrival
 * @from: the caller's address; does not change
 * @to: the address that was called; does not change
 * @terms: frozen at connect(2), or NULL
 * @pid: the caller's process, frozen at connect(2)
 * @cred: the caller's credentials, frozen at connect(2)
 * @label: the caller's security label at connect(2); no bytes if none
 * @cgroup_id: the caller's cgroup, frozen at connect(2)
 * @netns_cookie: the caller's namespace for user space
 * @pn: the caller's namespace, for counting
 * @user: who is charged for it. Holds a reference
 * @share: what its user has of the backlog, or one that is not used. While
 *	waiting: listener->lock. NULL if shares are not asked for
 * @ops: how the two ends reach each other; does not change
 * @rcu: used if @replaced
 */
struct parley_call {
	struct list_head node;
	struct rb_node by_id;
	struct parley_listener *listener;
	struct sock *caller;
	struct timerqueue_node due;
	u64 deadline;
	u64 defer_deadline;
	u64 since;
	u64 waited;
	refcount_t ref;
	u8 state;
	bool told;
	u8 reason;
	bool seen;
	bool shown;
	bool judged;
	bool deferred;
	u8 tallied;
	bool approved;
	u8 defer_verdict;
	bool replaced;
	struct parley_ruling ruling;
	struct parley_ruling decision;
	struct parley_policy *policy;
	u32 promised[2];
	u32 turn;
	struct pid *reserver;
	u64 id;
	struct parley_addr from;
	struct parley_addr to;
	struct parley_terms *terms;
	struct pid *pid;
	const struct cred *cred;
	struct lsm_context label;
	u64 cgroup_id;
	u64 netns_cookie;
	struct parley_net *pn;
	struct parley_user *user;
	struct parley_share *share;
	const struct parley_transport *ops;
	struct rcu_head rcu;
};

int __init parley_call_init(void);
void parley_call_exit(void);
struct parley_call *parley_call_alloc(struct sock *caller,
				      const struct parley_addr *to);
void parley_call_refuse(struct parley_call *call, enum parley_reason reason);
void parley_call_abandon(struct parley_call *call);
void parley_call_get(struct parley_call *call);
void parley_call_put(struct parley_call *call);
void parley_call_step(struct parley_call *call, enum parley_call_state to);
void parley_call_tell(struct parley_call *call);
int parley_call_error(const struct parley_call *call);
bool parley_call_withdraw(struct parley_call *call, enum parley_reason reason);

static inline enum parley_call_state
parley_call_state(const struct parley_call *call)
{
	/* Pairs with parley_call_step(): what an outcome means is seen too. */
	return smp_load_acquire(&call->state);
}

/* Whether it has ended, as its caller may know. */
static inline bool parley_call_ended(const struct parley_call *call)
{
	/* Pairs with parley_call_tell(): the error is seen too. */
	return smp_load_acquire(&call->told);
}

/* What became of it, as its caller may know; PENDING until then. */
static inline enum parley_call_state
parley_call_outcome(const struct parley_call *call)
{
	return parley_call_ended(call) ? parley_call_state(call) :
					 PARLEY_CALL_PENDING;
}

/* call_info.c: what user space is told of a call */
void parley_call_info(struct parley_call *call, u8 family,
		      struct parley_call_info *info);
int parley_call_groups(struct parley_call *call, u32 __user *to, u32 room);
u32 parley_call_flags(const struct parley_call *call);
bool parley_call_answered(const struct parley_call *call);
const struct parley_ruling *parley_call_ruling(const struct parley_call *call);
struct parley_blob *parley_call_reply(const struct parley_call *call);
const struct parley_qos *parley_call_grant(const struct parley_call *call,
					   const struct parley_ruling *said);
const struct parley_qos *parley_call_granted(const struct parley_call *call);

/* listen.c: listeners */

/**
 * struct parley_listener - what a socket has while it listens
 * @lock: guards everything here that changes and the state of every call
 *	that was delivered here. Taken in softirq by the timers
 * @ref: the listening socket's own, one for each call, one for each timer
 * @sk: the listening socket, NULL once it has stopped listening. Written
 *	under @lock, read under RCU
 * @conf: the socket's settings. Holds a reference
 * @fresh: calls PENDING that nobody has looked at, oldest first. @lock
 * @seen: calls PENDING that PARLEY_IOC_NEXT_CALL gave, oldest first. @lock
 * @judging: calls JUDGING. @lock
 * @deferred: calls DEFERRED that nobody has looked at, oldest first. @lock
 * @parked: calls DEFERRED that were looked at, oldest first. @lock
 * @approved: calls APPROVED for anybody, in the order of approval. @lock
 * @reserved: calls APPROVED for one thread. @lock
 * @marks: calls that were on @reserved and ended before the thread came, at
 *	most one for each thread. @lock
 * @known: calls that can be decided by id. @lock
 * @id: what policies know it by; does not change
 * @limit: how many calls may wait; written under @lock
 * @charged: how many calls wait; written under @lock
 * @count: how many of them in which state. @lock
 * @ready: how many an accept can take; written under @lock, read by poll
 * @urgent: how many are on @deferred; likewise
 * @reservations: how many are on @reserved and @marks; written under @lock
 * @turns: how many approvals there were; it wraps. @lock
 * @deadlines: of the calls, struct parley_call.due. @lock
 * @alarm: for the first of @deadlines, or earlier. Holds a reference while
 *	armed
 * @alarm_due: when @alarm comes at the latest, CLOCK_MONOTONIC in ns; U64_MAX
 *	if it does not come. @lock
 * @deciders: who waits in PARLEY_IOC_NEXT_CALL
 * @reaper: looks for threads that died with a reservation. Holds a reference
 *	while armed
 * @packet: for the next call that a filter is asked about, or NULL; taken by
 *	exchange
 * @dest: the address that its first caller called, or NULL: as long as it is
 *	held here the next ones find it. @lock. Holds a reference
 * @user: who called last, or NULL: as long as it is held here the next call
 *	finds it. @lock. Holds a reference
 * @shares: struct parley_share of the users who have calls here. @lock
 * @node: in parley_net.listeners
 * @addr: where it listens; the hash key, does not change
 * @type: SOCK_STREAM or SOCK_SEQPACKET, as its callers must have it
 * @v6only: does not change
 * @pid: who called listen(2) last. @lock
 * @cred: the credentials there. @lock
 * @rcu: looked up under RCU
 */
struct parley_listener {
	spinlock_t lock; /* the backlog, and its calls' states */
	refcount_t ref;
	struct sock __rcu *sk;
	struct parley_conf *conf;
	struct list_head fresh;
	struct list_head seen;
	struct list_head judging;
	struct list_head deferred;
	struct list_head parked;
	struct list_head approved;
	struct list_head reserved;
	struct list_head marks;
	struct rb_root known;
	u64 id;
	u32 limit;
	u32 charged;
	u32 count[PARLEY_CALL_STATES];
	u32 ready;
	u32 urgent;
	u32 reservations;
	u32 turns;
	struct timerqueue_head deadlines;
	struct timer_list alarm;
	u64 alarm_due;
	wait_queue_head_t deciders;
	struct timer_list reaper;
	struct sk_buff *packet;
	struct parley_dest *dest;
	struct parley_user *user;
	struct rb_root shares;
	struct rhash_head node;
	struct parley_addr addr;
	u16 type;
	bool v6only;
	struct pid *pid;
	const struct cred *cred;
	struct rcu_head rcu;
};

int parley_listen(struct socket *sock, int backlog);
void parley_listener_close(struct parley_sock *psk);
struct parley_listener *parley_listener_get(struct parley_sock *psk);
void parley_listener_put(struct parley_listener *l);
void parley_listener_wake(struct parley_listener *l);
void parley_listener_wake_all(struct parley_listener *l, int band);
void parley_listener_identify(struct parley_listener *l, struct sock *caller);
int parley_listener_info(struct parley_sock *psk, struct parley_backlog *info);

/* backlog.c: what waits at a listener, and how it ends */
int parley_backlog_add(struct parley_listener *l, struct parley_call *call,
		       u32 timeout_ms, struct parley_ruling *ruling);
void parley_backlog_wake(struct parley_listener *l);
void parley_backlog_leave(struct parley_call *call);
void parley_backlog_enter(struct parley_call *call, enum parley_call_state to);
void parley_backlog_merge(struct parley_call *call, enum parley_call_state to,
			  struct list_head **at);
bool __parley_backlog_end(struct parley_call *call, enum parley_call_state to,
			  enum parley_reason reason);
void parley_backlog_ended(struct parley_call *call);
bool parley_backlog_end(struct parley_call *call, enum parley_call_state to,
			enum parley_reason reason);
bool parley_backlog_establish(struct parley_call *call, struct sock *callee,
			      struct parley_blob **reply,
			      struct parley_pace **pace);
void parley_backlog_expire(struct parley_call *call);
struct parley_call *parley_backlog_take(struct parley_listener *l);
void parley_backlog_untake(struct parley_call *call);
void parley_backlog_clear(struct parley_listener *l);

/* deadline.c: when something has to become of them */
void parley_deadline_set(struct parley_call *call);
void parley_deadline_clear(struct parley_call *call);
void parley_deadline_alarm(struct timer_list *t);
void parley_deadline_stop(struct parley_listener *l);

/* verdict.c: decisions about calls in a backlog */
bool parley_verdict_apply(struct parley_call *call,
			  struct parley_ruling *ruling);
void parley_verdict_store(struct parley_call *call,
			  struct parley_ruling *ruling);
void parley_verdict_defer(struct parley_call *call);
int parley_verdict_decide(struct parley_listener *l, u64 id,
			  struct parley_ruling *ruling, u32 flags);
struct parley_call *parley_verdict_offer(struct parley_listener *l,
					 bool deferred, bool *judge);
bool parley_verdict_give(struct parley_call *call);
void parley_verdict_unsee(struct parley_call *call);
void parley_verdict_rewind(struct parley_listener *l);
int parley_verdict_review(struct parley_listener *l);

/* reserve.c: approved calls that are kept for a thread */
void parley_reserve_watch(struct parley_listener *l);
void parley_reserve(struct parley_call *call);
struct pid *parley_unreserve(struct parley_call *call);
void parley_reserve_mark(struct parley_call *call);
struct parley_call *parley_reserve_take(struct parley_listener *l);
struct parley_call *parley_reserve_forget(struct parley_listener *l);
void parley_reserve_clear(struct parley_listener *l);
void parley_reserve_reap(struct timer_list *t);

/* wait.c: waiting for a call */

/**
 * struct parley_wait - what one waits for at a listener
 * @l: the listener
 * @wq: the queue; its waiters are exclusive
 * @take: takes a call if there is one. Return: it, held, NULL, or an error
 * @more: whether there is something for others who wait on @wq
 * @pass: wakes one of them
 * @deferred: for @take
 * @judge: set by @take
 * @timeo: how long to wait, in ticks
 * @until: jiffies at the end of that time
 * @last: the last call's id when the wait began
 */
struct parley_wait {
	struct parley_listener *l;
	wait_queue_head_t *wq;
	struct parley_call *(*take)(struct parley_wait *w);
	bool (*more)(struct parley_listener *l);
	void (*pass)(struct parley_listener *l);
	bool deferred;
	bool judge;
	long timeo;
	unsigned long until;
	u64 last;
};

void parley_wait_begin(struct parley_wait *w, struct sock *sk, bool nowait);
struct parley_call *parley_wait(struct parley_wait *w);
int parley_wait_go_on(struct parley_wait *w, u64 id);

/* decide.c: deciding in user space */
int parley_arg_read(void *arg, size_t known, size_t first, void __user *from);
int parley_next_call(struct socket *sock, void __user *arg);
int parley_decide(struct sock *sk, void __user *arg);
int parley_review(struct sock *sk);

/* inherit.c: what of the listener's file an accepted one takes over */
void parley_inherit(struct socket *sock, struct socket *newsock);

/* accept.c, connect.c */
int parley_accept(struct socket *sock, struct socket *newsock,
		  struct proto_accept_arg *arg);
int parley_connect(struct socket *sock, struct sockaddr_unsized *uaddr,
		   int len, int flags);
void parley_settle(struct parley_sock *psk);
int parley_wait_connected(struct sock *sk, long timeo);

#include "port.h"

#endif /* _NET_PARLEY_H */
