// SPDX-License-Identifier: GPL-2.0
/* A security module that counts what it is asked about, and may say no. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "bpf_lsm.h"

/* What is read of the kernel's. */
struct sock_common {
	unsigned short skc_family;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
} __attribute__((preserve_access_index));

struct socket {
	struct sock *sk;
} __attribute__((preserve_access_index));

char LICENSE[] SEC("license") = "GPL";

struct lsm_watch watch;

static __always_inline int family(const struct sock *sk)
{
	return sk ? sk->__sk_common.skc_family : 0;
}

/* -EPERM, as the verifier can follow it: the compiler would calculate it. */
static __always_inline int refuse(void)
{
	long no;

	asm volatile("%0 = -1" : "=r"(no));
	return no;
}

static __always_inline int note(enum lsm_hook hook, int family)
{
	unsigned int pid = bpf_get_current_pid_tgid() >> 32;
	unsigned int *count;

	if (pid != watch.pid && hook != LSM_sk_free_security)
		return 0;
	if (family == 18)
		count = watch.count[LSM_PARLEY];
	else if (family == 1)
		count = watch.count[LSM_UNIX];
	else if (family == 2)
		count = watch.count[LSM_INET];
	else
		return 0;
	__sync_fetch_and_add(&count[hook], 1);
	if (family == 18 && watch.deny == hook + 1)
		return refuse();
	return 0;
}

#define OF_SOCKET(name)							\
SEC("lsm/" #name)							\
int BPF_PROG(name, struct socket *sock)					\
{									\
	return note(LSM_##name, family(sock->sk));			\
}

/* Those that nobody asks for an answer. */
#define OF_SOCK(name)							\
SEC("lsm/" #name)							\
int BPF_PROG(name, struct sock *sk)					\
{									\
	note(LSM_##name, family(sk));					\
	return 0;							\
}

SEC("lsm/socket_create")
int BPF_PROG(socket_create, int family)
{
	return note(LSM_socket_create, family);
}

SEC("lsm/socket_post_create")
int BPF_PROG(socket_post_create, struct socket *sock, int family)
{
	return note(LSM_socket_post_create, family);
}

SEC("lsm/sk_alloc_security")
int BPF_PROG(sk_alloc_security, struct sock *sk, int family)
{
	return note(LSM_sk_alloc_security, family);
}

OF_SOCKET(socket_socketpair)
OF_SOCKET(socket_bind)
OF_SOCKET(socket_connect)
OF_SOCKET(socket_listen)
OF_SOCKET(socket_accept)
OF_SOCKET(socket_sendmsg)
OF_SOCKET(socket_recvmsg)
OF_SOCKET(socket_getsockname)
OF_SOCKET(socket_getpeername)
OF_SOCKET(socket_getsockopt)
OF_SOCKET(socket_setsockopt)
OF_SOCKET(socket_shutdown)
OF_SOCKET(socket_getpeersec_stream)
OF_SOCK(sk_free_security)
OF_SOCK(sk_clone_security)
OF_SOCK(sock_graft)
OF_SOCK(unix_stream_connect)
OF_SOCK(inet_conn_request)
OF_SOCK(inet_csk_clone)
OF_SOCK(inet_conn_established)
OF_SOCK(socket_sock_rcv_skb)
