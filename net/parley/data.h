/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How data moves: what system calls do, and below them what depends on where
 * the other end is. Part of parley.h, which includes it.
 */
#ifndef _NET_PARLEY_DATA_H
#define _NET_PARLEY_DATA_H

#include <linux/net.h>
#include <linux/poll.h>
#include <linux/types.h>

struct iov_iter;
struct net;
struct parley_addr;
struct parley_call;
struct pipe_inode_info;
struct sock;

/* data.c: streams, and what streams and records share */
int parley_data_wait(struct sock *sk, long *timeo, size_t target,
		     bool (*ready)(struct sock *sk, size_t target));
bool parley_data_sendable(struct sock *sk, size_t target);
long parley_data_error(long n, long timeo);
int parley_send_check(struct socket *sock, struct msghdr *msg, long timeo);
int parley_recv_check(struct socket *sock, struct msghdr *msg, int flags,
		      long timeo);
int parley_recv_more(struct sock *sk, size_t target, long *timeo);
int parley_sendmsg(struct socket *sock, struct msghdr *msg, size_t len);
int parley_recvmsg(struct socket *sock, struct msghdr *msg, size_t len,
		   int flags);

/* record.c: SOCK_SEQPACKET */
int parley_send_record(struct socket *sock, struct msghdr *msg, size_t len);
int parley_recv_record(struct socket *sock, struct msghdr *msg, size_t len,
		       int flags);

/* splice.c: out of a socket into a pipe, and the end of the other way */
ssize_t parley_splice_read(struct socket *sock, loff_t *ppos,
			   struct pipe_inode_info *pipe, size_t len,
			   unsigned int flags);
void parley_splice_eof(struct socket *sock);

/* ioctl.c, poll.c, sockopt.c */
int parley_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg);
int parley_compat_ioctl(struct socket *sock, unsigned int cmd,
			unsigned long arg);
__poll_t parley_poll(struct file *file, struct socket *sock, poll_table *wait);

/* local_addr.c: addresses of a namespace */
bool parley_local_has(struct net *net, const struct parley_addr *addr);

/* transport_local.c: caller and callee in one namespace */

/**
 * struct parley_transport - what depends on where the other end is
 * @deliver: find the listener of call->to and put the call into its backlog,
 *	or say why that is not possible. Context: process, may sleep. Return:
 *	0, the enum parley_reason of the refusal, or a negative errno
 * @answer: the call has its outcome: tell the caller. Context: any, no locks
 * @send: take bytes for the other end, which need not be told of them at once
 *	if @more come. Return: bytes, 0 if there is no space now, or a negative
 *	errno
 * @recv: hand out bytes that have come. Return: likewise
 * @push: tell the other end now
 * @send_record: take a whole record. Return: 0, -EAGAIN if there is no space
 *	now, -EMSGSIZE if there never will be, or another errno
 * @recv_record: hand out a record, or what @len has room for; says more in
 *	msg->msg_flags. Return: bytes, those of the whole record with MSG_TRUNC,
 *	-EAGAIN if there is none, or another errno
 * @sendable: whether a send would be worth while, or would say -EPIPE; if
 *	not, sk_write_space() is called once that changes
 * @readable: whether there are that many bytes, or will not be more
 * @ended: whether no bytes will come after those that are there
 * @cut: whether nothing can be sent any more
 * @arrived: whether anything has come that was not read
 * @unread: bytes that have come, or -ERESTARTSYS. Context: process, may sleep
 * @unsent: bytes that the other end has not read, as they count for the
 *	buffers
 * @silence: nothing will ever be sent from @sk. Context: @sk and its peer are
 *	about to be connected, nobody else uses them; atomic
 * @shutdown: end the directions in @how (RCV_SHUTDOWN, SEND_SHUTDOWN)
 * @close: the socket goes away. Context: process
 */
struct parley_transport {
	int (*deliver)(struct parley_call *call, u32 timeout_ms);
	void (*answer)(struct sock *caller, struct parley_call *call);
	long (*send)(struct sock *sk, struct iov_iter *from, bool more);
	long (*recv)(struct sock *sk, struct iov_iter *to, size_t len,
		     int flags);
	void (*push)(struct sock *sk);
	int (*send_record)(struct sock *sk, struct msghdr *msg, size_t len);
	long (*recv_record)(struct sock *sk, struct msghdr *msg, size_t len,
			    int flags);
	bool (*sendable)(struct sock *sk);
	bool (*arrived)(struct sock *sk);
	bool (*readable)(struct sock *sk, size_t target);
	bool (*ended)(struct sock *sk);
	bool (*cut)(struct sock *sk);
	long (*unread)(struct sock *sk);
	unsigned long (*unsent)(struct sock *sk);
	void (*silence)(struct sock *sk);
	void (*shutdown)(struct sock *sk, int how);
	void (*close)(struct sock *sk);
};

extern const struct parley_transport parley_local;

const struct parley_transport *
parley_transport_find(struct net *net, const struct parley_addr *to);
void parley_local_join(struct sock *a, struct sock *b);

#endif /* _NET_PARLEY_DATA_H */
