/* SPDX-License-Identifier: GPL-2.0 */
/* What bpf_lsm.c and the programs that it loads tell each other. */
#ifndef PARLEY_SELFTEST_BPF_LSM_H
#define PARLEY_SELFTEST_BPF_LSM_H

/* Hooks of security modules that have to do with sockets. */
enum lsm_hook {
	LSM_socket_create,
	LSM_socket_post_create,
	LSM_socket_socketpair,
	LSM_socket_bind,
	LSM_socket_connect,
	LSM_socket_listen,
	LSM_socket_accept,
	LSM_socket_sendmsg,
	LSM_socket_recvmsg,
	LSM_socket_getsockname,
	LSM_socket_getpeername,
	LSM_socket_getsockopt,
	LSM_socket_setsockopt,
	LSM_socket_shutdown,
	LSM_socket_getpeersec_stream,
	LSM_sk_alloc_security,
	LSM_sk_free_security,
	LSM_sk_clone_security,
	LSM_sock_graft,
	LSM_unix_stream_connect,
	LSM_inet_conn_request,
	LSM_inet_csk_clone,
	LSM_inet_conn_established,
	LSM_socket_sock_rcv_skb,
	LSM_HOOK_COUNT
};

enum lsm_family { LSM_PARLEY, LSM_UNIX, LSM_INET, LSM_FAMILIES };

/**
 * struct lsm_watch - what is counted, and what is refused
 * @pid: of whom; but that which is freed is counted for all
 * @deny: what is refused to sockets of parley: one of enum lsm_hook, and one,
 *	or 0
 * @count: how often each hook was called for each family
 */
struct lsm_watch {
	unsigned int pid;
	unsigned int deny;
	unsigned int count[LSM_FAMILIES][LSM_HOOK_COUNT];
};

#endif
