/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * AF_PARLEY: sockets whose connections exist only once the server has looked
 * at the caller and said yes. Everything user space needs is in this header;
 * addresses are struct sockaddr_in and struct sockaddr_in6 of <netinet/in.h>.
 *
 * An extensible struct is read by getsockopt(2) with the length that the
 * caller knows: the kernel fills as much as fits and says in optlen how much
 * that was. Those of ioctl(2) begin with their size instead, set by the
 * caller, at least that of the first version (EINVAL): members that the kernel
 * knows and the caller does not are zero, and members that only the caller
 * knows must be zero (E2BIG). New members are only ever added at the end, and
 * never to what is part of something else, such as struct parley_qos. Padding
 * must be zero (EINVAL).
 *
 * Bytes of any length (call data, reply data, a label) are read whole or not
 * at all: ERANGE where the room is too small, and the length then says how
 * much is needed.
 */
#ifndef _UAPI_LINUX_PARLEY_H
#define _UAPI_LINUX_PARLEY_H

#include <linux/ioctl.h>
#include <linux/socket.h>
#include <linux/types.h>

/*
 * A module cannot be given a number of its own, AF_MAX is built into the
 * kernel; this is AF_ASH's, which no kernel and no driver ever used.
 */
#ifndef AF_PARLEY
#define AF_PARLEY	18
#endif
#ifndef PF_PARLEY
#define PF_PARLEY	AF_PARLEY
#endif

/* Level of the options below in getsockopt(2) and setsockopt(2). */
#define SOL_PARLEY	0x5041

/**
 * enum parley_sockopt - options of level SOL_PARLEY
 * @PARLEY_CONNECT_TIMEOUT: __u32, milliseconds until a call that is neither
 *	refused nor accepted is withdrawn with ETIMEDOUT; 0 means never. Starts
 *	as the sysctl net.parley.connect_timeout_ms. Set it before connect(2);
 *	EINVAL while a call is pending and on connected or listening sockets.
 * @PARLEY_REFUSAL: struct parley_refusal, get only: why the last connect(2)
 *	of this socket failed. Kept until the next connect(2).
 * @PARLEY_BACKLOG: struct parley_backlog, get only, listeners only (EINVAL
 *	on others).
 * @PARLEY_CALL_DATA: bytes, at most net.parley.max_call_data (EMSGSIZE), that
 *	the server sees before it decides. Set it before connect(2), as
 *	PARLEY_CONNECT_TIMEOUT; it stays for later calls. On an accepted socket
 *	get only: what came with the call.
 * @PARLEY_REPLY_DATA: bytes. On a caller, get only: what came with the
 *	verdict, accepted or refused; kept until the next connect(2). On an
 *	accepted socket, get only: what went with it. Set on a socket that
 *	listens or will: the default for acceptances that bring none of their
 *	own (EMSGSIZE above net.parley.max_call_data); EINVAL on others.
 * @PARLEY_QOS: struct parley_qos. Set before connect(2), as
 *	PARLEY_CONNECT_TIMEOUT: what is wanted. Got on a connected socket: what
 *	was granted, seen from this end; on others: what was set. Which values
 *	are EINVAL is said at struct parley_flowspec.
 * @PARLEY_GROUP: __u64, a number of the application's own that travels with
 *	the call. Set before connect(2), as PARLEY_CONNECT_TIMEOUT; on an
 *	accepted socket get only.
 * @PARLEY_CALL_INFO: struct parley_call_info, get only, accepted sockets only
 *	(EINVAL on others): who called, with what terms, who decided.
 * @PARLEY_STAGE: __u32, one of enum parley_stage, on a socket that listens or
 *	will; EINVAL on others.
 * @PARLEY_DEFER_TIMEOUT: struct parley_defer_timeout, on a socket that
 *	listens or will; EINVAL on others. For calls deferred from then on.
 * @PARLEY_INHERIT: __u32, flags PARLEY_INHERIT_*, on a socket that listens or
 *	will; EINVAL on others.
 * @PARLEY_POLICY: name of a struct_ops policy, at most PARLEY_POLICY_NAME_MAX
 *	bytes (EMSGSIZE), on a socket that listens or will; EINVAL on others.
 *	Set: the policy is asked about calls from then on; no bytes, or an
 *	empty name, for none (EINVAL for more than zero bytes after a zero).
 *	ENOENT if no such policy is loaded; EPERM without
 *	CAP_NET_ADMIN in the initial user namespace, unless the policy has
 *	PARLEY_POLICY_UNPRIVILEGED; ENOPROTOOPT, get too, where the kernel lets
 *	modules have none. Got: the name with its final zero byte, also after
 *	the policy was unloaded.
 * @PARLEY_POLICY_LINK: __s32, set only, as PARLEY_POLICY, but by a descriptor
 *	of the policy's link, which is all the permission that is needed. The
 *	socket keeps the link, and so the policy. EBADF, EINVAL if it is none.
 * @PARLEY_CONNECT_TIME: __u64, get only: nanoseconds since the connection
 *	was established; ENOTCONN without one.
 * @PARLEY_PEERSEC: bytes, get only: the security label of the process that
 *	called, as it was at connect(2), with its final zero byte if the
 *	security module counts one. Accepted sockets only (EINVAL);
 *	ENOPROTOOPT where no security module has labels.
 * @PARLEY_CAPACITY: struct parley_capacity, on a socket that listens or will;
 *	EINVAL on others. Starts as PARLEY_CAPACITY_UNLIMITED both ways. To
 *	set less than what is in use takes nothing from who has it.
 * @PARLEY_FAIR_SHARE: __u32, on a socket that listens or will: a percentage, 0
 *	to 100. No user (by real user id) may have more calls waiting there
 *	than so many percent of the places that are free, but always one:
 *	with 100, a user who comes alone gets half of the backlog, two get a
 *	third each, and whoever has no call waiting gets in as long as there
 *	is any place. 0: no shares, as it starts. Calls that came before it
 *	was set do not count. EINVAL above 100, or on other sockets.
 */
enum parley_sockopt {
	PARLEY_CONNECT_TIMEOUT = 1,
	PARLEY_REFUSAL = 2,
	PARLEY_BACKLOG = 3,
	PARLEY_CALL_DATA = 4,
	PARLEY_REPLY_DATA = 5,
	PARLEY_QOS = 6,
	PARLEY_GROUP = 7,
	PARLEY_CALL_INFO = 8,
	PARLEY_STAGE = 9,
	PARLEY_DEFER_TIMEOUT = 10,
	PARLEY_INHERIT = 11,
	PARLEY_POLICY = 12,
	PARLEY_CONNECT_TIME = 13,
	PARLEY_PEERSEC = 14,
	PARLEY_POLICY_LINK = 15,
	PARLEY_CAPACITY = 16,
	PARLEY_FAIR_SHARE = 17,
};

/**
 * enum parley_reason - why a call did not become a connection
 * @PARLEY_REASON_NONE: no call of this socket has failed
 * @PARLEY_REASON_NO_LISTENER: nobody listens at the address (ECONNREFUSED)
 * @PARLEY_REASON_BACKLOG_FULL: the listener's backlog is full (ECONNREFUSED)
 * @PARLEY_REASON_LIMIT: the network namespace has net.parley.max_pending
 *	calls waiting already (ECONNREFUSED)
 * @PARLEY_REASON_RULE: the listener's rules refuse it (ECONNREFUSED)
 * @PARLEY_REASON_POLICY: the listener's struct_ops policy refuses it
 *	(ECONNREFUSED)
 * @PARLEY_REASON_POLICY_FAULT: the listener's filter or policy said what
 *	means nothing, or its policy has been unloaded (ECONNREFUSED)
 * @PARLEY_REASON_SERVER: the server decided against it (ECONNREFUSED)
 * @PARLEY_REASON_DEFER_EXPIRED: it was deferred, and nobody decided within
 *	PARLEY_DEFER_TIMEOUT (ECONNREFUSED)
 * @PARLEY_REASON_LISTENER_CLOSED: the listener was closed, or shut down,
 *	before it decided (ECONNREFUSED)
 * @PARLEY_REASON_TIMED_OUT: nobody decided in time (ETIMEDOUT)
 * @PARLEY_REASON_QOS: it was to be accepted, but what it was guaranteed is
 *	more than what is left of the listener's PARLEY_CAPACITY (ECONNREFUSED)
 * @PARLEY_REASON_FILTER: the listener's filter refuses it (ECONNREFUSED)
 * @PARLEY_REASON_USER_LIMIT: the caller's user has
 *	net.parley.max_pending_per_user calls waiting already in the network
 *	namespace (ECONNREFUSED)
 * @PARLEY_REASON_FAIR_SHARE: the caller's user has its share of the listener's
 *	backlog already, see PARLEY_FAIR_SHARE (ECONNREFUSED)
 */
enum parley_reason {
	PARLEY_REASON_NONE = 0,
	PARLEY_REASON_NO_LISTENER = 1,
	PARLEY_REASON_BACKLOG_FULL = 2,
	PARLEY_REASON_LIMIT = 3,
	PARLEY_REASON_RULE = 4,
	PARLEY_REASON_POLICY = 5,
	PARLEY_REASON_POLICY_FAULT = 6,
	PARLEY_REASON_SERVER = 7,
	PARLEY_REASON_DEFER_EXPIRED = 8,
	PARLEY_REASON_LISTENER_CLOSED = 9,
	PARLEY_REASON_TIMED_OUT = 10,
	PARLEY_REASON_QOS = 11,
	PARLEY_REASON_FILTER = 12,
	PARLEY_REASON_USER_LIMIT = 13,
	PARLEY_REASON_FAIR_SHARE = 14,
};

/**
 * struct parley_refusal - why connect(2) failed
 * @reason: one of enum parley_reason
 * @code: the server's own code for the refusal, 0 if it gave none
 * @retry_after_ms: when the server suggests to call again, in milliseconds
 *	from the refusal; 0 if it does not say
 * @data_len: bytes of reply data that came with the refusal, to be read with
 *	PARLEY_REPLY_DATA
 */
struct parley_refusal {
	__u32 reason;
	__u32 code;
	__u32 retry_after_ms;
	__u32 data_len;
};

/**
 * struct parley_backlog - the calls that wait at a listener
 * @limit: how many calls may wait: the number given to listen(2), capped by
 *	net.core.somaxconn and net.parley.max_backlog; at least 1
 * @pending: calls that nobody has decided or deferred
 * @deferred: calls that were put off for a later decision
 * @approved: calls that are approved and not yet collected by accept(2)
 */
struct parley_backlog {
	__u32 limit;
	__u32 pending;
	__u32 deferred;
	__u32 approved;
};

/**
 * enum parley_service - kinds of service, the better the higher
 * @PARLEY_SERVICE_NOTRAFFIC: nothing will be sent in this direction; it is as
 *	if it had been shut down before the first byte
 * @PARLEY_SERVICE_BESTEFFORT: the usual
 * @PARLEY_SERVICE_CONTROLLEDLOAD: as if there were little other load
 * @PARLEY_SERVICE_GUARANTEED: at least @token_rate, which must be given
 */
enum parley_service {
	PARLEY_SERVICE_NOTRAFFIC = 0,
	PARLEY_SERVICE_BESTEFFORT = 1,
	PARLEY_SERVICE_CONTROLLEDLOAD = 2,
	PARLEY_SERVICE_GUARANTEED = 3,
};

/* The caller does not ask for anything in particular. */
#define PARLEY_QOS_UNSPECIFIED	0xffffffffU

/**
 * struct parley_flowspec - what is wanted of, or granted to, one direction
 * @token_rate: bytes per second over time. Not 0, except with NOTRAFFIC.
 *	Granted: the sender is paced to it; unspecified, it is not
 * @bucket_size: bytes that may be sent at once on top of it. Not 0, except
 *	with NOTRAFFIC. Granted unspecified: what comes in a tenth of a second,
 *	at least 4096
 * @peak_rate: bytes per second at no time exceeded; not below @token_rate, and
 *	not 0, except with NOTRAFFIC. Granted: over more than a hundredth of a
 *	second
 * @latency_us: longest delay, in microseconds
 * @delay_variation_us: difference of longest and shortest delay, microseconds
 * @service: one of enum parley_service
 * @max_sdu: longest piece of data sent at once, in bytes. Streams have no
 *	pieces; it limits records
 * @min_policed: shorter pieces count as so many bytes; not above @max_sdu.
 *	Granted unspecified: they do not
 *
 * Any but @service may be PARLEY_QOS_UNSPECIFIED. All are, with BESTEFFORT, if
 * PARLEY_QOS was never set; to set just that is not to ask.
 *
 * A grant is never more than what was asked: @token_rate, @bucket_size,
 * @peak_rate, @service and @max_sdu no higher, @latency_us,
 * @delay_variation_us and @min_policed no lower. PARLEY_QOS_UNSPECIFIED is the
 * highest number in this too: who did not ask for a rate may be given any, and
 * who did not ask for a latency is given none.
 */
struct parley_flowspec {
	__u32 token_rate;
	__u32 bucket_size;
	__u32 peak_rate;
	__u32 latency_us;
	__u32 delay_variation_us;
	__u32 service;
	__u32 max_sdu;
	__u32 min_policed;
};

/**
 * struct parley_qos - the quality of service of a connection
 * @send: what this end sends. In the terms of a call: what the caller sends
 * @recv: what this end receives
 */
struct parley_qos {
	struct parley_flowspec send;
	struct parley_flowspec recv;
};

/* PARLEY_CAPACITY: as much as anybody asks for */
#define PARLEY_CAPACITY_UNLIMITED	0xffffffffffffffffULL

/**
 * struct parley_capacity - what a listener can guarantee to all its callers
 * @send: bytes per second that its accepted sockets can send, all together
 * @recv: likewise, that they can receive
 * @send_used: get only: what of @send is promised
 * @recv_used: get only: what of @recv is promised
 *
 * In each direction that is granted with PARLEY_SERVICE_GUARANTEED, a call
 * takes its token_rate of this, both or nothing: from when it is accepted, by
 * accept(2) or, if that comes first, PARLEY_IOC_DECIDE, until the accepted
 * socket is closed. A call for which too little is left is refused with
 * PARLEY_REASON_QOS.
 *
 * Set: the first two are enough, what follows is not looked at.
 */
struct parley_capacity {
	__u64 send;
	__u64 recv;
	__u64 send_used;
	__u64 recv_used;
};

/**
 * enum parley_decider - who decided a call
 * @PARLEY_BY_ACCEPT: nobody in particular, accept(2) just took it
 * @PARLEY_BY_RULE: the listener's rules
 * @PARLEY_BY_FILTER: the listener's filter
 * @PARLEY_BY_POLICY: the listener's struct_ops policy
 * @PARLEY_BY_SERVER: PARLEY_IOC_DECIDE
 * @PARLEY_BY_TIMEOUT: the default verdict of PARLEY_DEFER_TIMEOUT
 */
enum parley_decider {
	PARLEY_BY_ACCEPT = 0,
	PARLEY_BY_RULE = 1,
	PARLEY_BY_FILTER = 2,
	PARLEY_BY_POLICY = 3,
	PARLEY_BY_SERVER = 4,
	PARLEY_BY_TIMEOUT = 5,
};

/* struct parley_call_info.flags */
#define PARLEY_INFO_QOS		0x1U	/* the caller asks for QoS */
#define PARLEY_INFO_DEFERRED	0x2U	/* it is deferred, or once was */
#define PARLEY_INFO_SEEN	0x4U	/* PARLEY_IOC_NEXT_CALL has given it */

/* struct parley_call_info.rule: not one of the rules, but their default */
#define PARLEY_RULE_NONE	0xffffffffU

/**
 * struct parley_call_info - a call: who, from where, to where, on what terms
 * @id: unique in the network namespace, ascending in the order of arrival
 * @flags: PARLEY_INFO_*
 * @decided_by: one of enum parley_decider; 0 if it is undecided
 * @rule: with PARLEY_BY_RULE the index of the rule, or PARLEY_RULE_NONE
 * @data_len: bytes of call data
 * @uid: the caller's effective user id at connect(2), as SO_PEERCRED has it
 * @gid: likewise, the effective group id
 * @pid: the caller's process; 0 if it is not visible in the reader's pid
 *	namespace
 * @groups: how many supplementary groups the caller had (SO_PEERGROUPS)
 * @label_len: bytes of security label, 0 without one (PARLEY_PEERSEC)
 * @pad: zero
 * @cgroup_id: the caller's cgroup in the unified hierarchy, at connect(2)
 * @netns_cookie: the caller's network namespace, as SO_NETNS_COOKIE
 * @group: the caller's PARLEY_GROUP
 * @age_ns: nanoseconds since the call was made; on an accepted socket, how
 *	long it had waited until it was established
 * @timeout_ns: nanoseconds until the caller gives up, 0 for never
 * @defer_timeout_ns: nanoseconds until the default verdict, 0 for never
 * @qos: what the caller asked for
 * @granted: what it was granted; while it is undecided, what it will be if
 *	nobody grants less
 * @caller: the caller's address, as getpeername(2) gives it after accept(2)
 * @callee: the address that was called, as getsockname(2) gives it
 *
 * Ids are those of the reader's user and pid namespaces. Uids and gids that
 * have no name there are the overflow ids.
 */
struct parley_call_info {
	__u64 id;
	__u32 flags;
	__u32 decided_by;
	__u32 rule;
	__u32 data_len;
	__u32 uid;
	__u32 gid;
	__u32 pid;
	__u32 groups;
	__u32 label_len;
	__u32 pad;
	__u64 cgroup_id;
	__u64 netns_cookie;
	__u64 group;
	__u64 age_ns;
	__u64 timeout_ns;
	__u64 defer_timeout_ns;
	struct parley_qos qos;
	struct parley_qos granted;
	struct __kernel_sockaddr_storage caller;
	struct __kernel_sockaddr_storage callee;
};

/**
 * enum parley_stage - when the kernel's policy is asked about a call
 * @PARLEY_STAGE_ACCEPT: when accept(2), or PARLEY_IOC_NEXT_CALL, takes the
 *	call, as Winsock does
 * @PARLEY_STAGE_ARRIVAL: within the caller's connect(2); a call that is
 *	refused then never counts for the backlog
 */
enum parley_stage {
	PARLEY_STAGE_ACCEPT = 0,
	PARLEY_STAGE_ARRIVAL = 1,
};

/**
 * enum parley_verdict - what can be decided about a call
 * @PARLEY_ACCEPT: yes. The next accept(2) that is free collects it
 * @PARLEY_REFUSE: no. The caller's connect(2) fails with ECONNREFUSED
 * @PARLEY_DEFER: later. The call waits aside, others are served
 * @PARLEY_UNDECIDE: PARLEY_IOC_DECIDE only: nothing was decided after all;
 *	PARLEY_IOC_NEXT_CALL gives the call again, as if it never had
 *
 * The first three numbers are Winsock's CF_ACCEPT, CF_REJECT and CF_DEFER.
 */
enum parley_verdict {
	PARLEY_ACCEPT = 0,
	PARLEY_REFUSE = 1,
	PARLEY_DEFER = 2,
	PARLEY_UNDECIDE = 3,
};

/**
 * struct parley_defer_timeout - what becomes of a call that stays deferred
 * @timeout_ms: milliseconds from when it was first deferred, 0 for never.
 *	Starts as the sysctl net.parley.defer_timeout_ms
 * @verdict: PARLEY_REFUSE, as at the start, or PARLEY_ACCEPT
 */
struct parley_defer_timeout {
	__u32 timeout_ms;
	__u32 verdict;
};

/* PARLEY_INHERIT: what accepted sockets take over besides options */
#define PARLEY_INHERIT_NONBLOCK	0x1U	/* O_NONBLOCK of the listener's file */
#define PARLEY_INHERIT_ASYNC	0x2U	/* O_ASYNC, F_SETOWN, F_SETSIG. si_fd is
					 * -1 until O_ASYNC is cleared and set
					 */

/*
 * ioctl(2) on a socket that listens. EINVAL on all others, but for
 * PARLEY_IOC_SET_RULES and _GET_RULES, which are allowed before listen(2).
 */
#define PARLEY_IOC_MAGIC	0xA7
#define PARLEY_IOC_SET_RULES	_IO(PARLEY_IOC_MAGIC, 1) /* parley_rules */
#define PARLEY_IOC_GET_RULES	_IO(PARLEY_IOC_MAGIC, 2) /* parley_rules */
#define PARLEY_IOC_NEXT_CALL	_IO(PARLEY_IOC_MAGIC, 3) /* parley_next_call */
#define PARLEY_IOC_DECIDE	_IO(PARLEY_IOC_MAGIC, 4) /* parley_decision */
#define PARLEY_IOC_REVIEW	_IO(PARLEY_IOC_MAGIC, 5) /* no argument */

/* struct parley_next_call.flags */
#define PARLEY_NEXT_DEFERRED	0x1U	/* deferred calls too */
#define PARLEY_NEXT_REWIND	0x2U	/* from the oldest on, given or not */
#define PARLEY_NEXT_NOWAIT	0x4U	/* as if O_NONBLOCK were set */

/**
 * struct parley_next_call - PARLEY_IOC_NEXT_CALL: look at a call
 * @size: sizeof(struct parley_next_call)
 * @flags: PARLEY_NEXT_*
 * @data: pointer to where the call data goes, or 0: not wanted
 * @groups: pointer to where the supplementary group ids go, each an __u32 as
 *	the reader's user namespace has it, or 0
 * @label: pointer to where the security label goes, or 0
 * @data_room: bytes at @data; afterwards the length of the call data
 * @groups_room: __u32s at @groups; afterwards the number of groups
 * @label_room: bytes at @label; afterwards the length of the label
 * @pad: zero
 * @info: filled
 *
 * Gives the oldest undecided call that was not given before, and waits for
 * one as accept(2) does: EAGAIN with O_NONBLOCK or after SO_RCVTIMEO. Calls
 * are looked at, not taken: each stays where it is, counts for the backlog,
 * and may be accepted, withdrawn or decided by others meanwhile. The kernel's
 * policy is asked first; what it refuses is not seen here.
 *
 * PARLEY_NEXT_REWIND makes all undecided calls new again, for the successor
 * of a process that died with some undecided. It must come with the first
 * request only, or the same call is given again and again.
 *
 * With PARLEY_NEXT_REWIND a signal gives EINTR, whatever SA_RESTART says.
 *
 * ERANGE: one of the rooms is too small; all three say what is needed, @info
 * is filled, and the call was not given.
 */
struct parley_next_call {
	__u32 size;
	__u32 flags;
	__u64 data;
	__u64 groups;
	__u64 label;
	__u32 data_room;
	__u32 groups_room;
	__u32 label_room;
	__u32 pad;
	struct parley_call_info info;
};

#define PARLEY_NEXT_CALL_SIZE_VER0	528

/* struct parley_decision.flags */
#define PARLEY_DECIDE_QOS	0x1U	/* @qos is a grant */
#define PARLEY_DECIDE_RESERVE	0x2U	/* for this thread's next accept(2) */
#define PARLEY_DECIDE_AGAIN	0x4U	/* even if it is approved already */

/**
 * struct parley_decision - PARLEY_IOC_DECIDE: the verdict on a call
 * @size: sizeof(struct parley_decision)
 * @verdict: one of enum parley_verdict
 * @id: the call, as PARLEY_IOC_NEXT_CALL gave it
 * @flags: PARLEY_DECIDE_*
 * @code: for the caller's struct parley_refusal; PARLEY_REFUSE only
 * @retry_after_ms: likewise
 * @reply_len: bytes at @reply, at most net.parley.max_call_data (EMSGSIZE).
 *	If 0, an acceptance brings what the policy, or else PARLEY_REPLY_DATA of
 *	the listener, have for it; a refusal brings none
 * @reply: pointer to the reply data; with PARLEY_ACCEPT or PARLEY_REFUSE
 * @qos: with PARLEY_DECIDE_QOS, what is granted, from the caller's end:
 *	EINVAL above what it asked for. PARLEY_ACCEPT only. Without the flag,
 *	zero; what the policy granted stands, or else all that was asked
 *
 * The decision is final: the policy is not asked any more. ENOENT: no such
 * call, or none any more, since its caller has gone, or it was decided, or
 * was accepted. EALREADY: it is approved, and waits for accept(2); with
 * PARLEY_DECIDE_AGAIN that can be taken back. EBUSY: an accept(2) is just
 * taking it, or it is reserved for another thread; it may be refused even so.
 * EDQUOT: it was to be accepted, but is refused, with PARLEY_REASON_QOS: too
 * little is left of PARLEY_CAPACITY. What is approved has its share.
 *
 * PARLEY_DECIDE_RESERVE keeps an approved call for the next accept(2) of the
 * calling thread on this listener, which returns this very call, or
 * ECONNABORTED if its caller has gone meanwhile. If the thread ends before,
 * the call is for any accept(2). PARLEY_ACCEPT only.
 */
struct parley_decision {
	__u32 size;
	__u32 verdict;
	__u64 id;
	__u32 flags;
	__u32 code;
	__u32 retry_after_ms;
	__u32 reply_len;
	__u64 reply;
	struct parley_qos qos;
};

#define PARLEY_DECISION_SIZE_VER0	104

/*
 * Rules: an ordered table of at most PARLEY_RULES_MAX, of which the first
 * that matches a call decides, or else the table's default does.
 */
#define PARLEY_RULES_MAX	1024

/* struct parley_rule.match: a rule matches if all of these do */
#define PARLEY_MATCH_CALLER	0x01U	/* the caller's address, @caller */
#define PARLEY_MATCH_PORT	0x02U	/* the port, @port_min, @port_max */
#define PARLEY_MATCH_UID	0x04U	/* @uid_min, @uid_max */
#define PARLEY_MATCH_GID	0x08U	/* the group or a supplementary one */
#define PARLEY_MATCH_CGROUP	0x10U	/* @cgroup_id */
#define PARLEY_MATCH_GROUP	0x20U	/* PARLEY_GROUP is @group */
#define PARLEY_MATCH_QOS	0x40U	/* @qos */
#define PARLEY_MATCH_DATA	0x80U	/* bytes of the call data */

/* struct parley_rule.flags */
#define PARLEY_RULE_RATE	0x1U	/* at most @rate, else @over */

/* struct parley_rule_answer.flags */
#define PARLEY_ANSWER_QOS	0x1U	/* @grant is set; PARLEY_ACCEPT only */

/**
 * struct parley_rule_answer - what the rules say to a call
 * @verdict: one of enum parley_verdict
 * @flags: PARLEY_ANSWER_*
 * @code: for the caller's struct parley_refusal; PARLEY_REFUSE only
 * @retry_after_ms: likewise
 * @reply: where in the table's pool the reply data begins
 * @reply_len: bytes of it, 0 for none, at most net.parley.max_call_data; not
 *	with PARLEY_DEFER
 * @grant: with PARLEY_ANSWER_QOS: what is granted at most, from the caller's
 *	end; what is above the request is cut down to it, and @token_rate
 *	then to @peak_rate, so that they still fit
 */
struct parley_rule_answer {
	__u32 verdict;
	__u32 flags;
	__u32 code;
	__u32 retry_after_ms;
	__u32 reply;
	__u32 reply_len;
	struct parley_qos grant;
};

/**
 * struct parley_rule_qos - bounds for what a caller asks for
 * @send_min: token_rate of what the caller sends, in bytes per second
 * @send_max: likewise; PARLEY_QOS_UNSPECIFIED includes those who do not say
 * @recv_min: token_rate of what the caller receives
 * @recv_max: likewise
 * @services: bit n: service n of enum parley_service, in either direction
 */
struct parley_rule_qos {
	__u32 send_min;
	__u32 send_max;
	__u32 recv_min;
	__u32 recv_max;
	__u32 services;
};

/**
 * struct parley_rule_rate - a token bucket
 * @calls: so many calls
 * @interval_ms: in each so many milliseconds, at most a day
 * @burst: and so many at once, at least 1
 */
struct parley_rule_rate {
	__u32 calls;
	__u32 interval_ms;
	__u32 burst;
};

/**
 * struct parley_rule - one rule
 * @match: PARLEY_MATCH_*; 0 matches every call. What is not matched is zero
 * @flags: PARLEY_RULE_*
 * @caller: IPv6 address in network byte order, IPv4 as ::ffff:a.b.c.d; the
 *	bits beyond @caller_prefix are zero
 * @caller_prefix: leading bits that count, 0 to 128
 * @port_min: in host byte order
 * @port_max: likewise
 * @uid_min: as the user namespace of who sets the table has it
 * @uid_max: likewise
 * @gid_min: likewise
 * @gid_max: likewise
 * @cgroup_id: the caller's cgroup
 * @group: the caller's PARLEY_GROUP
 * @data_offset: where in the call data to look
 * @data_len: how many bytes to compare, 1 to 65536; shorter data does not
 *	match
 * @data_value: where in the table's pool the bytes are
 * @data_mask: where in the pool as many bytes of mask are; the same as
 *	@data_value means that all bits count
 * @qos: bounds
 * @rate: with PARLEY_RULE_RATE, else zero
 * @then: what the rule says
 * @over: what it says beyond @rate; zero without PARLEY_RULE_RATE
 */
struct parley_rule {
	__u32 match;
	__u32 flags;
	__u8 caller[16];
	__u32 caller_prefix;
	__u16 port_min;
	__u16 port_max;
	__u32 uid_min;
	__u32 uid_max;
	__u32 gid_min;
	__u32 gid_max;
	__u64 cgroup_id;
	__u64 group;
	__u32 data_offset;
	__u32 data_len;
	__u32 data_value;
	__u32 data_mask;
	struct parley_rule_qos qos;
	struct parley_rule_rate rate;
	struct parley_rule_answer then;
	struct parley_rule_answer over;
};

#define PARLEY_RULE_SIZE_VER0	288

/**
 * enum parley_rule_field - which part of a rule is bad
 * @PARLEY_FIELD_NONE: nothing is wrong
 * @PARLEY_FIELD_MATCH: unknown bits, or something set that is not matched
 * @PARLEY_FIELD_FLAGS: unknown flags
 * @PARLEY_FIELD_CALLER: prefix above 128, or bits beyond it
 * @PARLEY_FIELD_PORT: minimum above maximum
 * @PARLEY_FIELD_UID: likewise, or the id that is none (all ones)
 * @PARLEY_FIELD_GID: likewise
 * @PARLEY_FIELD_QOS: minimum above maximum, no service or an unknown one
 * @PARLEY_FIELD_DATA: no bytes or too many, not within the pool, or a value
 *	with bits outside its mask
 * @PARLEY_FIELD_RATE: a zero, an interval of more than a day, or a bucket
 *	that takes more than a century to fill
 * @PARLEY_FIELD_THEN: see struct parley_rule_answer
 * @PARLEY_FIELD_OVER: likewise
 */
enum parley_rule_field {
	PARLEY_FIELD_NONE = 0,
	PARLEY_FIELD_MATCH = 1,
	PARLEY_FIELD_FLAGS = 2,
	PARLEY_FIELD_CALLER = 3,
	PARLEY_FIELD_PORT = 4,
	PARLEY_FIELD_UID = 5,
	PARLEY_FIELD_GID = 6,
	PARLEY_FIELD_QOS = 7,
	PARLEY_FIELD_DATA = 8,
	PARLEY_FIELD_RATE = 9,
	PARLEY_FIELD_THEN = 10,
	PARLEY_FIELD_OVER = 11,
};

/**
 * struct parley_rules - PARLEY_IOC_SET_RULES, PARLEY_IOC_GET_RULES: the table
 * @size: sizeof(struct parley_rules)
 * @rule_size: sizeof(struct parley_rule), extensible as @size is
 * @count: how many rules. GET: how many fit, then how many there are
 * @pool_len: bytes in the pool, at most 1 MiB (EMSGSIZE). GET: as @count
 * @rules: pointer to the rules, @rule_size bytes each
 * @pool: pointer to bytes that the rules point into
 * @otherwise: the default; a table without rules that accepts is as none
 * @bad_rule: after EINVAL or EMSGSIZE of SET: index of the first bad rule,
 *	@count for the default; PARLEY_RULE_NONE if it is none of them
 * @bad_field: after EINVAL or EMSGSIZE of SET: one of enum parley_rule_field
 *
 * SET replaces the table as a whole: a call is judged by the old one or by
 * the new one. E2BIG: more than PARLEY_RULES_MAX. EMSGSIZE: a reply is longer
 * than net.parley.max_call_data, or all replies together are more than 1 MiB,
 * where the same bytes of the pool count once; @bad_rule says which. Calls that
 * were judged already stay so. GET fails with ERANGE where something does not
 * fit, and @count and @pool_len then say what is needed.
 */
struct parley_rules {
	__u32 size;
	__u32 rule_size;
	__u32 count;
	__u32 pool_len;
	__u64 rules;
	__u64 pool;
	struct parley_rule_answer otherwise;
	__u32 bad_rule;
	__u32 bad_field;
};

#define PARLEY_RULES_SIZE_VER0	128

/*
 * Filters: SO_ATTACH_FILTER and SO_ATTACH_BPF of SOL_SOCKET, on a socket that
 * listens or will, attach a classic or an eBPF socket filter that is asked
 * about each call, after the rules. Connected sockets have none: their data is
 * not filtered, and accepted ones do not inherit the listener's.
 *
 * The filter runs on a packet that is the call: struct parley_packet, then the
 * call data. It returns PARLEY_FILTER_REFUSE, PARLEY_FILTER_DEFER, or anything
 * else to accept. An eBPF program may say more in __sk_buff.cb[], which is
 * zero at first. Something in the last of cb[] is a fault: the call is refused
 * with PARLEY_REASON_POLICY_FAULT.
 */
#define PARLEY_FILTER_REFUSE	0U
#define PARLEY_FILTER_ACCEPT	1U	/* or any other number */
#define PARLEY_FILTER_DEFER	2U

/**
 * enum parley_filter_cb - what an eBPF filter may leave in __sk_buff.cb[]
 * @PARLEY_CB_CODE: for the caller's struct parley_refusal; with a refusal
 * @PARLEY_CB_RETRY_AFTER: milliseconds, likewise
 * @PARLEY_CB_SEND_RATE: token_rate that is granted at most of what the caller
 *	sends, in bytes per second, and no more than the peak_rate it asks for;
 *	0 for all that it asks for
 * @PARLEY_CB_RECV_RATE: likewise, of what it receives
 * @PARLEY_CB_ZERO: to stay zero
 */
enum parley_filter_cb {
	PARLEY_CB_CODE = 0,
	PARLEY_CB_RETRY_AFTER = 1,
	PARLEY_CB_SEND_RATE = 2,
	PARLEY_CB_RECV_RATE = 3,
	PARLEY_CB_ZERO = 4,
};

/**
 * struct parley_packet - a call, as filters see it: all in network byte order
 * @header_len: bytes before the call data: sizeof(struct parley_packet) of the
 *	kernel, which may be more than what the filter knows
 * @data_len: bytes of call data
 * @flags: PARLEY_INFO_*
 * @uid: the caller's effective user id, as the user namespace of who called
 *	listen(2) has it; all ones if it has no name there
 * @gid: likewise, the effective group id
 * @pid: the caller's process, as the pid namespace of who called listen(2) has
 *	it; 0 if it is not visible there
 * @caller_port: the caller's port
 * @callee_port: the port that was called
 * @caller: the caller's address, IPv4 as ::ffff:a.b.c.d
 * @callee: the address that was called, likewise
 * @backlog: how many calls wait at the listener, this one included unless it
 *	is judged on arrival
 * @backlog_limit: how many may
 * @age_ms: milliseconds since the call was made
 * @cgroup_id: the caller's cgroup in the unified hierarchy
 * @netns_cookie: the caller's network namespace, as SO_NETNS_COOKIE
 * @group: the caller's PARLEY_GROUP
 * @qos: what the caller asks for: the members of struct parley_qos in their
 *	order, those of send, then those of recv
 *
 * Identity and terms are those of the caller's connect(2).
 */
struct parley_packet {
	__be32 header_len;
	__be32 data_len;
	__be32 flags;
	__be32 uid;
	__be32 gid;
	__be32 pid;
	__be16 caller_port;
	__be16 callee_port;
	__u8 caller[16];
	__u8 callee[16];
	__be32 backlog;
	__be32 backlog_limit;
	__be32 age_ms;
	__be64 cgroup_id;
	__be64 netns_cookie;
	__be64 group;
	__be32 qos[16];
};

#define PARLEY_PACKET_SIZE_VER0	160

/*
 * Policies: struct_ops programs, on kernels that let modules have such. What
 * they are given and may call is declared for them in parley.bpf.h.
 */
#define PARLEY_POLICY_NAME_MAX	16	/* with the final zero byte */

/* struct parley_policy_ops.flags */
#define PARLEY_POLICY_UNPRIVILEGED	0x1U	/* any listener may choose it */

#endif /* _UAPI_LINUX_PARLEY_H */
