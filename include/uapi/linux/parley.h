/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * AF_PARLEY: sockets whose connections exist only once the server has looked
 * at the caller and said yes. Everything user space needs is in this header;
 * addresses are struct sockaddr_in and struct sockaddr_in6 of <netinet/in.h>.
 *
 * An extensible struct is read by getsockopt(2) with the length that the
 * caller knows: the kernel fills as much as fits and says in optlen how much
 * that was. New members are only ever added at the end.
 */
#ifndef _UAPI_LINUX_PARLEY_H
#define _UAPI_LINUX_PARLEY_H

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
 * @PARLEY_CONNECT_TIMEOUT: __u32, milliseconds until a call that nobody has
 *	decided is withdrawn with ETIMEDOUT; 0 means never. Starts as the
 *	sysctl net.parley.connect_timeout_ms. Set it before connect(2);
 *	EINVAL while a call is pending and on connected or listening sockets.
 * @PARLEY_REFUSAL: struct parley_refusal, get only: why the last connect(2)
 *	of this socket failed. Kept until the next connect(2).
 * @PARLEY_BACKLOG: struct parley_backlog, get only, listeners only (EINVAL
 *	on others).
 */
enum parley_sockopt {
	PARLEY_CONNECT_TIMEOUT = 1,
	PARLEY_REFUSAL = 2,
	PARLEY_BACKLOG = 3,
};

/**
 * enum parley_reason - why a call did not become a connection
 * @PARLEY_REASON_NONE: no call of this socket has failed
 * @PARLEY_REASON_NO_LISTENER: nobody listens at the address (ECONNREFUSED)
 * @PARLEY_REASON_BACKLOG_FULL: the listener's backlog is full (ECONNREFUSED)
 * @PARLEY_REASON_LIMIT: the network namespace has net.parley.max_pending
 *	undecided calls already (ECONNREFUSED)
 * @PARLEY_REASON_LISTENER_CLOSED: the listener was closed, or shut down,
 *	before it decided (ECONNREFUSED)
 * @PARLEY_REASON_TIMED_OUT: nobody decided in time (ETIMEDOUT)
 */
enum parley_reason {
	PARLEY_REASON_NONE = 0,
	PARLEY_REASON_NO_LISTENER = 1,
	PARLEY_REASON_BACKLOG_FULL = 2,
	PARLEY_REASON_LIMIT = 3,
	PARLEY_REASON_LISTENER_CLOSED = 9,
	PARLEY_REASON_TIMED_OUT = 10,
};

/**
 * struct parley_refusal - why connect(2) failed
 * @reason: one of enum parley_reason
 * @code: the server's own code for the refusal, 0 if it gave none
 * @retry_after_ms: when the server suggests to call again, in milliseconds
 *	from the refusal; 0 if it does not say
 * @data_len: bytes of reply data that came with the refusal
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
 * @pending: calls that nobody has decided
 * @deferred: calls that were put off for a later decision
 * @approved: calls that are approved and not yet collected by accept(2)
 */
struct parley_backlog {
	__u32 limit;
	__u32 pending;
	__u32 deferred;
	__u32 approved;
};

#endif /* _UAPI_LINUX_PARLEY_H */
