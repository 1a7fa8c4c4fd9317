/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the module share: objects first, then what each file
 * offers the others. Read uapi/linux/parley.h before this, and after it the
 * head comment of af_parley.c, then listen.c, connect.c and accept.c.
 */
#ifndef _NET_PARLEY_H
#define _NET_PARLEY_H

#include <linux/idr.h>
#include <linux/in6.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <net/ipv6.h>
#include <net/netns/generic.h>
#include <net/sock.h>

#include <compat/parley-compat.h>
#include <linux/parley.h>

struct iov_iter;
struct parley_call;
struct parley_listener;
struct parley_net;
struct parley_transport;

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
 * @PARLEY_CALL_JUDGING: in the backlog, an accept is working on it
 * @PARLEY_CALL_ESTABLISHED: outcome: a connection
 * @PARLEY_CALL_REFUSED: outcome: the listener's side said no
 * @PARLEY_CALL_WITHDRAWN: outcome: the caller gave up
 * @PARLEY_CALL_STATES: how many there are
 */
enum parley_call_state {
	PARLEY_CALL_NEW,
	PARLEY_CALL_PENDING,
	PARLEY_CALL_JUDGING,
	PARLEY_CALL_ESTABLISHED,
	PARLEY_CALL_REFUSED,
	PARLEY_CALL_WITHDRAWN,
	PARLEY_CALL_STATES
};

bool parley_state_may(enum parley_call_state from, enum parley_call_state to);
bool parley_state_ended(enum parley_call_state state);
bool parley_state_charged(enum parley_call_state state);

/* ring.c: the bytes of one direction */

/**
 * enum parley_ring_end - whether more bytes can come
 * @PARLEY_RING_OPEN: yes
 * @PARLEY_RING_CLOSING: no write begins any more; one may be under way
 * @PARLEY_RING_CLOSED: head is final
 */
enum parley_ring_end {
	PARLEY_RING_OPEN,
	PARLEY_RING_CLOSING,
	PARLEY_RING_CLOSED
};

/**
 * struct parley_ring - bytes on their way from one writer to one reader
 * @wlock: serialises writers; never taken by the reader of live data
 * @wpage: page that is being filled. wlock
 * @woff: bytes of @wpage in use. wlock
 * @head: bytes ever written. Stored with release under wlock
 * @rlock: serialises readers; never taken by writers
 * @rpage: page that is being read, NULL before the first. rlock, or wlock once
 *	@dead is set
 * @roff: bytes of @rpage consumed. As @rpage
 * @tail: bytes ever consumed. Stored with release under rlock
 * @first: the first page there ever was; written once before @head moves
 * @spare: one consumed page on its way back to the writer; xchg()
 * @wdone: enum parley_ring_end; only ever goes up
 * @rdone: nobody will read any more. Only ever set
 * @dead: the reader's socket is closed: the pages can go. Only ever set
 * @want: the writer waits for space and has found none
 *
 * The pages are a list, linked through page_private(), from the reader's to
 * the writer's. The two sides meet in @head and @tail alone.
 */
struct parley_ring {
	struct mutex wlock; /* writers */
	struct page *wpage;
	unsigned int woff;
	u8 wdone;
	u8 want;
	unsigned long head;

	struct mutex rlock; /* readers */
	struct page *rpage;
	unsigned int roff;
	u8 rdone;
	u8 dead;
	unsigned long tail;

	struct page *first;
	struct page *spare;
};

void parley_ring_init(struct parley_ring *ring);
long parley_ring_write(struct parley_ring *ring, struct iov_iter *from,
		       unsigned long limit, unsigned int *pages);
long parley_ring_read(struct parley_ring *ring, struct iov_iter *to,
		      size_t len, unsigned int *pages);
long parley_ring_peek(struct parley_ring *ring, struct iov_iter *to,
		      size_t len);
long parley_ring_skip(struct parley_ring *ring, size_t len,
		      unsigned int *pages);
bool parley_ring_finish(struct parley_ring *ring);
unsigned int parley_ring_bury(struct parley_ring *ring, bool *unread);
unsigned int parley_ring_destroy(struct parley_ring *ring);

static inline unsigned long parley_ring_used(const struct parley_ring *ring)
{
	unsigned long head, tail;

	/* Pairs with the reader. It only follows head, so it comes first. */
	tail = smp_load_acquire(&ring->tail);
	/* Pairs with the writer. */
	head = smp_load_acquire(&ring->head);
	return head - tail;
}

/* Writable once a third is free, so that a writer is woken for a batch. */
static inline bool parley_ring_writable(const struct parley_ring *ring,
					unsigned long limit)
{
	unsigned long used = parley_ring_used(ring);

	return used < limit && limit - used >= limit / 3;
}

/* af_parley.c: sockets */

/**
 * struct parley_sock - a socket of the family
 * @sk: must be first. sk_state is TCP_CLOSE, TCP_LISTEN, TCP_SYN_SENT (it
 *	calls) or TCP_ESTABLISHED; written under lock_sock() alone, with
 *	release, by parley_set_state()
 * @local: own address. Written as @dest is, while not in the tables
 * @bind_node: in parley_net.bound while bound. The port's lock
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
 * @nodelay: TCP_NODELAY, kept for those that read it back. lock_sock()
 * @rx: what this socket reads; written by its peer
 *
 * Lifetime: struct sock's own reference count. A socket that was ever bound
 * is freed after a grace period (SOCK_RCU_FREE), since the tables are walked
 * under RCU.
 */
struct parley_sock {
	struct sock sk;
	struct parley_addr local;
	struct rhlist_head bind_node;
	struct parley_dest *dest;
	struct parley_listener __rcu *listener;
	struct parley_call __rcu *call;
	struct sock *peer;
	const struct parley_transport *ops;
	u32 timeout_ms;
	u16 reason;
	u8 family;
	bool bound;
	bool implicit;
	bool ephemeral;
	bool v6only;
	bool callee;
	bool restart;
	bool nodelay;
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

static inline struct parley_call *parley_own_call(struct parley_sock *psk)
{
	return rcu_dereference_protected(psk->call,
					 lockdep_sock_is_held(&psk->sk));
}

/* call.c: a call and its outcome */

/**
 * struct parley_call - one attempt to connect
 * @node: in the listener's pending or judging list. listener->lock
 * @listener: whom it is delivered to; its lock guards every field that
 *	changes. Holds a reference from delivery to the end of the call object
 * @caller: the calling socket. Holds a reference until the outcome; with
 *	ESTABLISHED that reference becomes the accepted socket's @peer
 * @timer: the connect time-out. Holds a reference while armed
 * @deadline: CLOCK_MONOTONIC, in ns; set before @timer is armed
 * @ref: references to this object
 * @state: enum parley_call_state; written by parley_call_step() alone, with
 *	release, under listener->lock; read without lock
 * @reason: enum parley_reason; written before an outcome is stored
 * @id: unique in the namespace, ascending in the order of arrival
 * @from: the caller's address; does not change
 * @to: the address that was called; does not change
 * @pid: the caller's process, frozen at connect(2)
 * @cred: the caller's credentials, frozen at connect(2)
 * @pn: the caller's namespace, for counting
 * @ops: how the two ends reach each other; does not change
 * @rcu: poll may look at a call that is just being replaced
 */
struct parley_call {
	struct list_head node;
	struct parley_listener *listener;
	struct sock *caller;
	struct timer_list timer;
	u64 deadline;
	refcount_t ref;
	u8 state;
	u8 reason;
	u64 id;
	struct parley_addr from;
	struct parley_addr to;
	struct pid *pid;
	const struct cred *cred;
	struct parley_net *pn;
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
int parley_call_error(const struct parley_call *call);
bool parley_call_withdraw(struct parley_call *call, enum parley_reason reason);
void parley_call_arm(struct parley_call *call, u32 timeout_ms);

static inline enum parley_call_state
parley_call_state(const struct parley_call *call)
{
	/* Pairs with parley_call_step(): what an outcome means is seen too. */
	return smp_load_acquire(&call->state);
}

static inline bool parley_call_ended(const struct parley_call *call)
{
	return parley_state_ended(parley_call_state(call));
}

/* listen.c: listeners and their backlogs */

/**
 * struct parley_listener - what a socket has while it listens
 * @lock: guards everything here that changes and the state of every call
 *	that was delivered here. Taken in softirq by the calls' timers
 * @ref: the listening socket's own, and one for each call
 * @sk: the listening socket, NULL once it has stopped listening. Written
 *	under @lock, read under RCU
 * @pending: calls that nobody has taken, oldest first. @lock
 * @judging: calls that an accept is working on. @lock
 * @limit: how many calls may wait. @lock
 * @charged: how many calls wait, judged ones included. @lock
 * @ready: how many calls are on @pending; written under @lock, read by poll
 * @node: in parley_net.listeners
 * @addr: where it listens; the hash key, does not change
 * @v6only: does not change
 * @pid: who called listen(2) last. @lock
 * @cred: the credentials there. @lock
 * @rcu: looked up under RCU
 */
struct parley_listener {
	spinlock_t lock; /* the backlog, and its calls' states */
	refcount_t ref;
	struct sock __rcu *sk;
	struct list_head pending;
	struct list_head judging;
	u32 limit;
	u32 charged;
	u32 ready;
	struct rhash_head node;
	struct parley_addr addr;
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
void parley_listener_identify(struct parley_listener *l, struct sock *caller);
int parley_backlog_add(struct parley_listener *l, struct parley_call *call,
		       u32 timeout_ms);
bool parley_backlog_end(struct parley_call *call, enum parley_call_state to,
			enum parley_reason reason);
bool parley_backlog_establish(struct parley_call *call, struct sock *callee);
struct parley_call *parley_backlog_take(struct parley_listener *l);
void parley_backlog_untake(struct parley_call *call);
int parley_backlog_info(struct parley_sock *psk, struct parley_backlog *info);

/* accept.c, connect.c */
int parley_accept(struct socket *sock, struct socket *newsock,
		  struct proto_accept_arg *arg);
int parley_connect(struct socket *sock, struct sockaddr_unsized *uaddr,
		   int len, int flags);
void parley_settle(struct parley_sock *psk);
int parley_wait_connected(struct sock *sk, long timeo);

/* data.c, poll.c, sockopt.c */
int parley_sendmsg(struct socket *sock, struct msghdr *msg, size_t len);
int parley_recvmsg(struct socket *sock, struct msghdr *msg, size_t len,
		   int flags);
int parley_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg);
__poll_t parley_poll(struct file *file, struct socket *sock, poll_table *wait);
int parley_setsockopt(struct socket *sock, int level, int name, sockptr_t val,
		      unsigned int len);
int parley_getsockopt(struct socket *sock, int level, int name,
		      char __user *val, int __user *len);

/* transport_local.c: caller and callee in one namespace */

/**
 * struct parley_transport - what depends on where the other end is
 * @deliver: find the listener of call->to and put the call into its backlog,
 *	or say why that is not possible. Context: process, may sleep. Return:
 *	0, or the enum parley_reason of the refusal
 * @answer: the call has its outcome: tell the caller. Context: any, no locks
 * @send: take bytes for the other end. Return: bytes, 0 if there is no space
 *	now, or a negative errno
 * @recv: hand out bytes that have come. Return: likewise
 * @sendable: whether a send would be worth while, or would say -EPIPE; if
 *	not, sk_write_space() is called once that changes
 * @readable: whether there are that many bytes, or will not be more
 * @ended: whether no bytes will come after those that are there
 * @cut: whether nothing can be sent any more
 * @unread: bytes that have come
 * @unsent: bytes that the other end has not read
 * @shutdown: end the directions in @how (RCV_SHUTDOWN, SEND_SHUTDOWN)
 * @close: the socket goes away. Context: process
 */
struct parley_transport {
	int (*deliver)(struct parley_call *call, u32 timeout_ms);
	void (*answer)(struct sock *caller, struct parley_call *call);
	long (*send)(struct sock *sk, struct iov_iter *from);
	long (*recv)(struct sock *sk, struct iov_iter *to, size_t len,
		     int flags);
	bool (*sendable)(struct sock *sk);
	bool (*readable)(struct sock *sk, size_t target);
	bool (*ended)(struct sock *sk);
	bool (*cut)(struct sock *sk);
	unsigned long (*unread)(struct sock *sk);
	unsigned long (*unsent)(struct sock *sk);
	void (*shutdown)(struct sock *sk, int how);
	void (*close)(struct sock *sk);
};

extern const struct parley_transport parley_local;

const struct parley_transport *
parley_transport_find(struct net *net, const struct parley_addr *to);
bool parley_local_has(struct net *net, const struct parley_addr *addr);
void parley_local_join(struct sock *a, struct sock *b);

/* port.c: port numbers, and who has which */

/**
 * struct parley_dest - an address that is being called
 * @node: in parley_net.dests
 * @addr: the address; the hash key
 * @ref: one for each caller that has a port from here
 * @ports: numbers in use, even and odd ones apart
 * @next: where the next search begins, by parity; a hint
 * @rcu: looked up under RCU
 *
 * Two callers of one destination need different ports; callers of different
 * destinations do not, which is TCP's rule of the four-tuple.
 */
struct parley_dest {
	struct rhash_head node;
	struct parley_addr addr;
	refcount_t ref;
	struct ida ports[2];
	unsigned int next[2];
	struct rcu_head rcu;
};

int parley_port_bind(struct parley_sock *psk, struct parley_addr *addr);
int parley_port_bind_implicit(struct parley_sock *psk,
			      const struct parley_addr *to);
void parley_port_release(struct parley_sock *psk);
void parley_port_release_implicit(struct parley_sock *psk);
int parley_port_init_net(struct parley_net *pn);
void parley_port_exit_net(struct parley_net *pn);

/* table.c: who listens where, who is bound to which port */
int parley_table_bind(struct parley_sock *psk, const struct parley_addr *addr,
		      bool implicit);
void parley_table_unbind(struct parley_sock *psk);
int parley_table_listen(struct parley_sock *psk, struct parley_listener *l);
void parley_table_unlisten(struct parley_sock *psk, struct parley_listener *l);
struct parley_listener *parley_table_lookup(struct parley_net *pn,
					    const struct parley_addr *to);
int parley_table_init_net(struct parley_net *pn);
void parley_table_exit_net(struct parley_net *pn);

/* netns.c, sysctl.c, proc.c: what each network namespace has */

/**
 * enum parley_count - what is counted
 * @PARLEY_COUNT_SOCKETS: sockets that exist
 * @PARLEY_COUNT_CALLS: call objects that exist
 * @PARLEY_COUNT_PAGES: pages of data held
 * @PARLEY_COUNT_CALLED: calls begun, ever
 * @PARLEY_COUNT_ESTABLISHED: calls that became connections, ever
 * @PARLEY_COUNT_REFUSED: calls refused, ever
 * @PARLEY_COUNT_WITHDRAWN: calls withdrawn or timed out, ever
 * @PARLEY_COUNTS: how many there are
 */
enum parley_count {
	PARLEY_COUNT_SOCKETS,
	PARLEY_COUNT_CALLS,
	PARLEY_COUNT_PAGES,
	PARLEY_COUNT_CALLED,
	PARLEY_COUNT_ESTABLISHED,
	PARLEY_COUNT_REFUSED,
	PARLEY_COUNT_WITHDRAWN,
	PARLEY_COUNTS
};

struct parley_counts {
	long n[PARLEY_COUNTS];
};

#define PARLEY_PORT_LOCKS	256

/**
 * struct parley_net - the family in one network namespace
 * @listeners: struct parley_listener by address; RCU, written under the
 *	port's lock
 * @bound: struct parley_sock by port; written under the port's lock
 * @dests: struct parley_dest by address
 * @port_locks: the lock of a port is one of these, by its number
 * @ephemeral: ports that bind(2) chose itself, even and odd ones apart
 * @ephemeral_next: where the next search begins, by parity; a hint
 * @pending: calls charged to all backlogs together
 * @next_id: the last call's id
 * @max_backlog: sysctl
 * @max_pending: sysctl
 * @connect_timeout_ms: sysctl
 * @sysctl: the registered table
 * @counts: per processor
 */
struct parley_net {
	struct rhashtable listeners;
	struct rhltable bound;
	struct rhashtable dests;
	spinlock_t port_locks[PARLEY_PORT_LOCKS]; /* the tables */
	struct ida ephemeral[2];
	unsigned int ephemeral_next[2];
	atomic_t pending;
	atomic64_t next_id;
	unsigned int max_backlog;
	unsigned int max_pending;
	unsigned int connect_timeout_ms;
	struct ctl_table_header *sysctl;
	struct parley_counts __percpu *counts;
};

extern unsigned int parley_net_id;

static inline struct parley_net *parley_net(const struct net *net)
{
	return net_generic(net, parley_net_id);
}

static inline void parley_count(struct parley_net *pn, enum parley_count what,
				long by)
{
	this_cpu_add(pn->counts->n[what], by);
}

long parley_count_sum(struct parley_net *pn, enum parley_count what);
int __init parley_netns_init(void);
void parley_netns_exit(void);
int parley_sysctl_init_net(struct net *net);
void parley_sysctl_exit_net(struct net *net);
int parley_proc_init_net(struct net *net);
void parley_proc_exit_net(struct net *net);

#endif /* _NET_PARLEY_H */
