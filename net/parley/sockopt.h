/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Socket options: which file has those of which level.
 * Part of parley.h, which includes it.
 */
#ifndef _NET_PARLEY_SOCKOPT_H
#define _NET_PARLEY_SOCKOPT_H

#include <linux/net.h>
#include <linux/sockptr.h>

/**
 * struct parley_habits - options of TCP and IP that programs set out of habit
 * @user_timeout: TCP_USER_TIMEOUT
 * @notsent_lowat: TCP_NOTSENT_LOWAT
 * @keepidle: TCP_KEEPIDLE plus one; 0: as TCP's sockets begin
 * @keepintvl: TCP_KEEPINTVL; likewise
 * @defer_accept: TCP_DEFER_ACCEPT
 * @fastopen: TCP_FASTOPEN
 * @ttl: IP_TTL; as @keepidle
 * @hops: IPV6_UNICAST_HOPS; likewise
 * @keepcnt: TCP_KEEPCNT; likewise
 * @syncnt: TCP_SYNCNT; likewise
 * @tos: IP_TOS
 * @tclass: IPV6_TCLASS
 * @pmtudisc: IP_MTU_DISCOVER; as @keepidle
 * @pmtudisc6: IPV6_MTU_DISCOVER; likewise
 * @nodelay: TCP_NODELAY
 * @cork: TCP_CORK
 * @quickack: TCP_QUICKACK
 * @fastopen_connect: TCP_FASTOPEN_CONNECT
 * @late_port: IP_BIND_ADDRESS_NO_PORT
 * @recverr: IP_RECVERR
 * @recverr6: IPV6_RECVERR
 *
 * They are kept for those that read them back, and taken over by accepted
 * sockets; nothing else comes of them but for TCP_CORK, see struct parley_sock.
 * lock_sock().
 */
struct parley_habits {
	u32 user_timeout;
	u32 notsent_lowat;
	u16 keepidle;
	u16 keepintvl;
	u16 defer_accept;
	u16 fastopen;
	u16 ttl;
	u16 hops;
	u8 keepcnt;
	u8 syncnt;
	u8 tos;
	u8 tclass;
	u8 pmtudisc;
	u8 pmtudisc6;
	u8 nodelay;
	u8 cork;
	u8 quickack;
	u8 fastopen_connect;
	u8 late_port;
	u8 recverr;
	u8 recverr6;
};

/* sockopt.c: SOL_PARLEY */
int parley_setsockopt(struct socket *sock, int level, int name, sockptr_t val,
		      unsigned int len);
int parley_getsockopt(struct socket *sock, int level, int name,
		      char __user *val, int __user *len);

/* sockopt_inet.c: IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6 */
int parley_inet_setsockopt(struct sock *sk, int level, int name, sockptr_t val,
			   unsigned int len);
int parley_inet_getsockopt(struct sock *sk, int level, int name, int room,
			   char __user *val, int __user *len);

#endif /* _NET_PARLEY_SOCKOPT_H */
