// SPDX-License-Identifier: GPL-2.0
/* The calls that the fuzzer knows: what they take, what they make, how they may fail. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/parley.h>
#include <linux/sockios.h>

#include "lib_fuzz.h"

#define VALUES(...)	.count = ARRAY_SIZE(((const __u64[]){ __VA_ARGS__ })),	\
			.value = (const __u64[]){ __VA_ARGS__ }
#define FD		{ "fd", FUZZ_T_FD }
#define OF(n, kind)	{ n, FUZZ_T_OF, kind }
#define NEW(n)		{ n, FUZZ_T_NEW }
#define PICK(n, ...)	{ n, FUZZ_T_PICK, VALUES(__VA_ARGS__) }
#define FLAGS(n, ...)	{ n, FUZZ_T_FLAGS, VALUES(__VA_ARGS__) }
#define NUMBER(n, ...)	{ n, FUZZ_T_NUMBER, VALUES(__VA_ARGS__) }
#define SEED		{ "seed", FUZZ_T_SEED }
#define AT		{ "at", FUZZ_T_PATCH }
#define PUT		NUMBER("put", 0, 1, 2, 4, 255, 65536, 0xffffffff)
#define ID		{ "id", FUZZ_T_ID }
#define HOW_LONG	{ "long", FUZZ_T_RARE, VALUES(1, 2, 3, 4, 5, 6, 7) }
#define RARE(n, ...)	{ n, FUZZ_T_RARE, VALUES(__VA_ARGS__) }
#define HOST		PICK("host", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, \
			     1, 1, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9)
#define PORT		PICK("port", 7001, 7001, 7001, 7001, 7001, 7001, 7001, 7001, 7001, 7001, \
			     7001, 7001, 7002, 7003, 0, 80)
#define SIZE		NUMBER("size", 0, 1, 10, 100, 1000, 4096, 8192, 65536, 250000)
#define ERRORS(...)	((const int[]){ __VA_ARGS__, 0 })

#define SEND_FLAGS	FLAGS("flags", MSG_DONTWAIT, MSG_NOSIGNAL, MSG_MORE, MSG_EOR, MSG_OOB, \
			      MSG_DONTWAIT, MSG_ZEROCOPY)
#define RECV_FLAGS	FLAGS("flags", MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_TRUNC, \
			      MSG_DONTWAIT, MSG_OOB, MSG_ERRQUEUE)
/* Also from what is no parley socket: pipes, epoll, programs. */
#define SEND_ERRORS	ERRORS(EAGAIN, ENOTCONN, EPIPE, ECONNRESET, EMSGSIZE, EISCONN,	\
			       EOPNOTSUPP, ECONNREFUSED, ETIMEDOUT, ECONNABORTED)
#define RECV_ERRORS	ERRORS(EAGAIN, ENOTCONN, ECONNRESET, EOPNOTSUPP, ECONNREFUSED,	\
			       ETIMEDOUT, ECONNABORTED)

const struct fuzz_op fuzz_ops[] = {
	{ "socket", 3, 0, 0, FUZZ_SOCKET,
	  { NEW("new"), PICK("type", SOCK_STREAM, SOCK_STREAM, SOCK_STREAM, SOCK_SEQPACKET),
	    PICK("flags", 0, 0, SOCK_NONBLOCK, SOCK_NONBLOCK, SOCK_NONBLOCK | SOCK_CLOEXEC),
	    RARE("protocol", 6) },
	  fuzz_do_socket, ERRORS(ESOCKTNOSUPPORT, EPROTONOSUPPORT, ENOBUFS) },
	{ "socketpair", 2, 0, 0, FUZZ_CONNECTION,
	  { NEW("new"), NEW("peer"), PICK("type", SOCK_STREAM, SOCK_SEQPACKET),
	    FLAGS("flags", SOCK_NONBLOCK) },
	  fuzz_do_socketpair, ERRORS(ESOCKTNOSUPPORT, ENOBUFS) },
	{ "bind", 4, FUZZ_SOCKET, 0, 0, { FD, HOST, PORT, HOW_LONG },
	  fuzz_do_bind, ERRORS(EAFNOSUPPORT, EADDRNOTAVAIL, EADDRINUSE, EACCES) },
	{ "listen", 4, FUZZ_SOCKET, FUZZ_LISTENER, 0,
	  { FD, PICK("backlog", 1, 2, 3, 8, 100, -1ULL) },
	  fuzz_do_listen, ERRORS(EADDRINUSE) },
	{ "connect", 8, FUZZ_SOCKET, FUZZ_CALLER, 0, { FD, HOST, PORT, HOW_LONG },
	  fuzz_do_connect,
	  ERRORS(EINPROGRESS, EALREADY, EISCONN, ECONNREFUSED, ETIMEDOUT, ECONNABORTED,
		 EPROTOTYPE, ENETUNREACH, EADDRNOTAVAIL, EAFNOSUPPORT, ENOBUFS) },
	{ "unspec", 3, FUZZ_CALLER, FUZZ_SOCKET, 0, { FD },
	  fuzz_do_unspec, ERRORS(EISCONN) },
	{ "accept", 8, FUZZ_LISTENER, 0, FUZZ_CONNECTION,
	  { FD, NEW("new"), FLAGS("flags", SOCK_NONBLOCK, SOCK_CLOEXEC), HOW_LONG },
	  fuzz_do_accept, ERRORS(EAGAIN, ECONNABORTED, EOPNOTSUPP) },
	{ "shutdown", 4, FUZZ_CONNECTION, 0, 0, { FD, PICK("how", 0, 1, 2, 2, 3) },
	  fuzz_do_shutdown, ERRORS(ENOTCONN) },
	{ "name", 2, FUZZ_ANYTHING, 0, 0, { FD, PICK("peer", 0, 1), HOW_LONG },
	  fuzz_do_name, ERRORS(ENOTCONN) },
	{ "close", 5, FUZZ_ANYTHING, FUZZ_ANYTHING, 0, { FD }, fuzz_do_close, NULL },
	{ "dup", 2, FUZZ_ANYTHING, 0, FUZZ_CONNECTION, { FD, NEW("new") }, fuzz_do_dup, NULL },
	{ "send", 6, FUZZ_CONNECTION, 0, 0, { FD, SIZE, SEND_FLAGS, RARE("to", 1) },
	  fuzz_do_send, SEND_ERRORS },
	{ "recv", 6, FUZZ_CONNECTION, 0, 0, { FD, SIZE, RECV_FLAGS },
	  fuzz_do_recv, RECV_ERRORS },
	{ "sendmsg", 3, FUZZ_CONNECTION, 0, 0,
	  { FD, SIZE, SEND_FLAGS, NUMBER("pieces", 0, 1, 3, 16), RARE("control", 1, 2, 3, 4) },
	  fuzz_do_sendmsg, SEND_ERRORS },
	{ "recvmsg", 3, FUZZ_CONNECTION, 0, 0,
	  { FD, SIZE, RECV_FLAGS, NUMBER("pieces", 0, 1, 3, 16) },
	  fuzz_do_recvmsg, RECV_ERRORS },
	{ "sendmmsg", 2, FUZZ_CONNECTION, 0, 0,
	  { FD, SIZE, SEND_FLAGS, NUMBER("pieces", 1, 2, 8) },
	  fuzz_do_sendmmsg, SEND_ERRORS },
	{ "recvmmsg", 2, FUZZ_CONNECTION, 0, 0,
	  { FD, SIZE, RECV_FLAGS, NUMBER("pieces", 1, 2, 8) },
	  fuzz_do_recvmmsg, RECV_ERRORS },
	{ "write", 2, FUZZ_CONNECTION, 0, 0, { FD, SIZE, NUMBER("pieces", 0, 1, 4), HOW_LONG },
	  fuzz_do_write, SEND_ERRORS },
	{ "read", 2, FUZZ_CONNECTION, 0, 0, { FD, SIZE, NUMBER("pieces", 0, 1, 4), HOW_LONG },
	  fuzz_do_read, RECV_ERRORS },
	{ "pipe", 2, 0, 0, FUZZ_PIPE_OUT, { NEW("out"), NEW("in"), PICK("fill", 0, 1, 5000) },
	  fuzz_do_pipe, NULL },
	{ "splice", 3, FUZZ_CONNECTION, 0, 0,
	  { FD, OF("pipe", FUZZ_PIPE_OUT), PICK("way", 0, 1), SIZE, FLAGS("flags", 1, 2, 4) },
	  fuzz_do_splice,
	  ERRORS(EAGAIN, ENOTCONN, EPIPE, ECONNRESET, EMSGSIZE, ECONNREFUSED, ETIMEDOUT,
		 ECONNABORTED, ESPIPE) },
	{ "sendfile", 2, FUZZ_CONNECTION, 0, 0, { FD, SIZE }, fuzz_do_sendfile, SEND_ERRORS },
	{ "queue", 2, FUZZ_CONNECTION, 0, 0,
	  { FD, PICK("request", SIOCINQ, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK, 0x8905, 0xa700,
		     0x5452, 0x8946), RARE("pointer", 1) },
	  fuzz_do_queue, ERRORS(ENOTTY, ENOTCONN, ENODEV, EPERM, ENOENT) },
	{ "poll", 4, FUZZ_ANYTHING, 0, 0,
	  { FD, FLAGS("events", POLLIN, POLLOUT, POLLPRI, POLLRDHUP), NUMBER("ms", 0, 1, 5) },
	  fuzz_do_poll, NULL },
	{ "epoll", 1, 0, 0, FUZZ_EPOLL, { NEW("new") }, fuzz_do_epoll, NULL },
	{ "epoll_ctl", 2, FUZZ_EPOLL, 0, 0,
	  { FD, OF("of", FUZZ_CONNECTION), PICK("do", 1, 1, 1, 2, 3),
	    FLAGS("events", EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP, EPOLLET, EPOLLONESHOT) },
	  fuzz_do_epoll_ctl, ERRORS(EEXIST, ENOENT, ELOOP, EPERM) },
	{ "epoll_wait", 2, FUZZ_EPOLL, 0, 0, { FD, NUMBER("ms", 0, 1, 5) },
	  fuzz_do_epoll_wait, NULL },
	{ "setopt", 8, FUZZ_SOCKET, 0, 0,
	  { FD, { "option", FUZZ_T_NUMBERS }, NUMBER("value", 0, 1, 2, 3, 10, 20, 100, 4096, 65536),
	    HOW_LONG },
	  fuzz_do_setopt,
	  ERRORS(ENOPROTOOPT, EMSGSIZE, EPERM, EDOM, EOPNOTSUPP, ENOENT, EACCES, ENODEV, ENOTTY,
		 ENOBUFS, ENOTCONN) },
	{ "getopt", 8, FUZZ_ANYTHING, 0, 0,
	  { FD, { "option", FUZZ_T_OPTIONS }, NUMBER("room", 4, 8, 16, 64, 600, 5000) },
	  fuzz_do_getopt,
	  ERRORS(ENOPROTOOPT, ERANGE, ENOTCONN, EOPNOTSUPP, ENODATA, ESRCH, EPERM, EACCES) },
	{ "set_qos", 3, FUZZ_SOCKET, 0, 0, { FD, SEED, AT, PUT, HOW_LONG },
	  fuzz_do_set_qos, NULL },
	{ "set_bytes", 3, FUZZ_SOCKET, 0, 0,
	  { FD, PICK("option", PARLEY_CALL_DATA, PARLEY_CALL_DATA, PARLEY_REPLY_DATA),
	    NUMBER("size", 0, 1, 10, 100, 4096, 65536), SEED, RARE("pointer", 1) },
	  fuzz_do_set_bytes, ERRORS(EMSGSIZE) },
	{ "set_two", 3, FUZZ_LISTENER, 0, 0,
	  { FD, { "option", FUZZ_T_PAIRS }, NUMBER("first", 0, 1, 10, 30, 1000, 65536, -1ULL),
	    NUMBER("second", 0, 0, 1, 2, 1000, 65536, -1ULL), HOW_LONG },
	  fuzz_do_set_two, ERRORS(EDOM, EPERM, ENOPROTOOPT) },
	{ "set_policy", 2, FUZZ_LISTENER, 0, 0,
	  { FD, PICK("name", 0, 0, 1, 1, 2, 3, 4), HOW_LONG },
	  fuzz_do_set_policy, ERRORS(ENOENT, EPERM, ENOPROTOOPT, EMSGSIZE) },
	{ "filter", 3, FUZZ_LISTENER, 0, 0,
	  { FD, PICK("do", 0, 0, 0, 0, 1, 2, 3), SEED, AT, PUT },
	  fuzz_do_filter, ERRORS(EPERM, ENOENT, EACCES, EOPNOTSUPP, ENOPROTOOPT, ERANGE) },
	{ "bpf", 1, 0, 0, FUZZ_BPF, { NEW("new"), SEED, NUMBER("value", 0, 1, 2, 7, 4096) },
	  fuzz_do_bpf, ERRORS(EPERM, EACCES, E2BIG) },
	{ "set_bpf", 2, FUZZ_LISTENER, 0, 0,
	  { FD, OF("program", FUZZ_BPF), RARE("link", 1) },
	  fuzz_do_set_bpf, ERRORS(EPERM, ENOPROTOOPT, ENOENT) },
	{ "set_rules", 5, FUZZ_LISTENER, 0, 0, { FD, SEED, AT, PUT },
	  fuzz_do_set_rules, ERRORS(E2BIG, EMSGSIZE, ENOTTY) },
	{ "get_rules", 2, FUZZ_LISTENER, 0, 0,
	  { FD, NUMBER("rules", 0, 1, 6), NUMBER("pool", 0, 100, 256), AT, PUT },
	  fuzz_do_get_rules, ERRORS(E2BIG, ERANGE, ENOTTY) },
	{ "next_call", 5, FUZZ_LISTENER, 0, 0,
	  { FD, ID, FLAGS("flags", PARLEY_NEXT_DEFERRED, PARLEY_NEXT_REWIND, PARLEY_NEXT_NOWAIT,
			  PARLEY_NEXT_NOWAIT), NUMBER("room", 0, 10, 4096), AT, PUT },
	  fuzz_do_next_call, ERRORS(E2BIG, ERANGE, EAGAIN, ENOTTY) },
	{ "decide", 6, FUZZ_LISTENER, 0, 0,
	  { FD, ID, PICK("verdict", 0, 0, 0, 1, 1, 2, 2, 3, 4),
	    FLAGS("flags", PARLEY_DECIDE_QOS, PARLEY_DECIDE_RESERVE, PARLEY_DECIDE_AGAIN), SEED,
	    AT, PUT },
	  fuzz_do_decide,
	  ERRORS(E2BIG, ENOENT, EALREADY, EBUSY, EMSGSIZE, EDQUOT, ENOTTY) },
	{ "review", 1, FUZZ_LISTENER, 0, 0, { FD }, fuzz_do_review, ERRORS(ENOTTY) },
	{ "ioctl", 1, FUZZ_LISTENER, 0, 0,
	  { FD, NUMBER("request", PARLEY_IOC_SET_RULES, PARLEY_IOC_GET_RULES, PARLEY_IOC_NEXT_CALL,
		       PARLEY_IOC_DECIDE, PARLEY_IOC_REVIEW), SEED, AT, PUT },
	  fuzz_do_ioctl,
	  ERRORS(E2BIG, ENOENT, EALREADY, EBUSY, EMSGSIZE, EDQUOT, ENOTTY, EAGAIN, ERANGE,
		 ENODEV, EPERM, ENOTCONN, ENOPKG, EADDRNOTAVAIL) },
	{ "pass", 2, FUZZ_ANYTHING, 0, 0, { FD }, fuzz_do_pass, ERRORS(EAGAIN, ETOOMANYREFS) },
	{ "take", 1, 0, 0, FUZZ_CONNECTION, { NEW("new") }, fuzz_do_take, ERRORS(EAGAIN) },
	{ "fork", 1, FUZZ_ANYTHING, 0, 0,
	  { FD, PICK("what", 0, 1, 2, 3, 4, 5, 6), NUMBER("ms", 0, 1, 4) },
	  fuzz_do_fork, ERRORS(EAGAIN) },
	{ "signal", 2, 0, 0, 0, { PICK("actor", 0, 1, 2, 3) },
	  fuzz_do_signal, ERRORS(ESRCH, EPERM) },
	{ "pause", 1, 0, 0, 0, { NUMBER("ms", 0, 1, 5, 20, 110) }, fuzz_do_pause, NULL },
	{ "sysctl", 2, 0, 0, 0,
	  { PICK("name", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
	    NUMBER("value", 0, 1, 2, 5, 100, 4096, 65536) },
	  fuzz_do_sysctl, ERRORS(EACCES, EPERM, ENOENT, ERANGE) },
	{ "netns", 1, 0, 0, 0, { PICK("which", 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2) },
	  fuzz_do_netns, ERRORS(EPERM, ENOSPC) },
	{ "user", 2, 0, 0, 0, { PICK("uid", 1000, 1000, 1001, 65534, 0) }, fuzz_do_user,
	  ERRORS(EPERM) },
	{ "fcntl", 2, FUZZ_ANYTHING, 0, 0, { FD, PICK("what", 0, 1, 2, 3, 4, 5, 6, 7) },
	  fuzz_do_fcntl, ERRORS(EPERM, ESRCH, ENOTTY) },
	{ "proc", 1, 0, 0, 0, { PICK("file", 0, 1, 2, 3), NUMBER("size", 1, 10, 4096) },
	  fuzz_do_proc, ERRORS(ENOENT) },
	/* Not made by an actor, but done to all of a process. */
	{ "kill", 1, 0, 0, 0, { PICK("process", 0, 1) }, NULL, NULL },
};

const unsigned int fuzz_op_count = ARRAY_SIZE(fuzz_ops);

int fuzz_op_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < fuzz_op_count; i++)
		if (!strcmp(fuzz_ops[i].name, name))
			return i;
	return -1;
}

/* What a bad slot, a bad pointer, a signal or too many descriptors come to. */
static const int common[] = {
	EBADF, ENOTSOCK, EINVAL, EFAULT, EINTR, ENOMEM, EMFILE, ENFILE, EOPNOTSUPP, 0
};

static bool is_in(const int *list, int err)
{
	for (; list && *list; list++)
		if (*list == err)
			return true;
	return false;
}

bool fuzz_op_may_fail(const struct fuzz_op *op, int err)
{
	return is_in(common, err) || is_in(op->err, err);
}
