// SPDX-License-Identifier: GPL-2.0
/*
 * What is refused: each system call and option with bad input, in each
 * state of the socket. Every case proves the errno and, by using the socket
 * for what it was there for, that the failed call has not changed its state.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib.h"

#define PORT	5000	/* of the listener that callers call */
#define SUBJECT	5001	/* of the socket that is tested */
#define BAD	((void *)1)

enum state { FRESH, BOUND, LISTENING, CALLING, CONNECTED, FAILED, STATES };

static const char *const names[] = {
	"fresh", "bound", "listening", "calling", "connected", "failed",
};

struct subject {
	int l;
	int fd;
	int peer;
};

FIXTURE(errors) {
	struct subject s;
};

FIXTURE_VARIANT(errors) {
	const char *host;
	const char *other;	/* an address of the other family */
};

FIXTURE_VARIANT_ADD(errors, v4) {
	.host = "127.0.0.1", .other = "::1",
};

FIXTURE_VARIANT_ADD(errors, v6) {
	.host = "::1", .other = "127.0.0.1",
};

FIXTURE_SETUP(errors)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->s.l = parley_listener(variant->host, PORT, 10);
	ASSERT_GE(self->s.l, 0);
	ASSERT_EQ(0, parley_nonblock(self->s.l, true));
}

FIXTURE_TEARDOWN(errors)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Makes self->fd a non-blocking socket in @state. */
static int make(struct subject *self, const char *host, enum state state)
{
	int pair[2], err = 0, tmp;

	self->peer = -1;
	if (state == CONNECTED) {
		err = parley_pair(self->l, pair);
		self->fd = pair[0];
		self->peer = pair[1];
		return err ?: parley_nonblock(self->fd, true);
	}
	self->fd = parley_socket(SOCK_NONBLOCK);
	if (self->fd < 0)
		return self->fd;
	if (state == BOUND || state == LISTENING)
		err = parley_bind(self->fd, host, SUBJECT);
	if (!err && state == LISTENING)
		err = listen(self->fd, 5);
	if (state == CALLING)
		err = test_connect(self->fd, host, PORT) != -EINPROGRESS;
	if (state == FAILED) {
		tmp = parley_listener(host, PORT + 2, 1);
		err = test_connect(self->fd, host, PORT + 2) != -EINPROGRESS;
		close(tmp);
	}
	return err;
}

/* Whether self->fd, still in @state, is good for all that it should be. */
static bool intact(struct subject *self, const char *host,
		   enum state state)
{
	int call, new;
	bool ok;

	switch (state) {
	case FRESH:
		if (parley_port(self->fd) ||
		    parley_bind(self->fd, host, SUBJECT))
			return false;
		__attribute__((fallthrough));
	case BOUND:
		if (parley_sockopt(self->fd, SOL_SOCKET, SO_ACCEPTCONN) ||
		    listen(self->fd, 5))
			return false;
		__attribute__((fallthrough));
	case LISTENING:
		if (!parley_name_is(self->fd, host, SUBJECT) ||
		    parley_limit(self->fd) != 5 || parley_pending(self->fd))
			return false;
		call = parley_call(host, SUBJECT);
		new = test_accept(self->fd, 0);
		ok = call >= 0 && new >= 0 && parley_talks(call, new);
		close(call);
		close(new);
		return ok;
	case FAILED:
		if (parley_revents(self->fd, 0) != (POLLERR | POLLHUP) ||
		    parley_so_error(self->fd) != ECONNREFUSED ||
		    parley_reason(self->fd) != PARLEY_REASON_LISTENER_CLOSED ||
		    test_connect(self->fd, host, PORT) != -EINPROGRESS)
			return false;
		__attribute__((fallthrough));
	case CALLING:
		if (parley_pending(self->l) != 1 ||
		    parley_revents(self->fd, POLLIN | POLLOUT))
			return false;
		self->peer = test_accept(self->l, 0);
		__attribute__((fallthrough));
	default:
		return self->peer >= 0 && parley_talks(self->fd, self->peer);
	}
}

#define FD	(self->s.fd)

/* @call, with self->s.fd in @state, has to fail with @error. */
#define FAILS(state, error, call)					\
do {									\
	ASSERT_EQ(0, make(&self->s, variant->host, state));		\
	errno = 0;							\
	EXPECT_EQ(error, (long)(call) < 0 ? errno : 0) {		\
		TH_LOG("%s socket: %s", names[state], #call);		\
	}								\
	EXPECT_TRUE(intact(&self->s, variant->host, state)) {		\
		TH_LOG("%s socket after %s", names[state], #call);	\
	}								\
	close(self->s.fd);						\
	close(self->s.peer);						\
} while (0)

TEST_F(errors, socket)
{
	static const struct {
		int type;
		int protocol;
		int error;
	} rows[] = {
		{ SOCK_SEQPACKET, 1, EPROTONOSUPPORT },
		{ SOCK_DGRAM, 0, ESOCKTNOSUPPORT },
		{ SOCK_RAW, 0, ESOCKTNOSUPPORT },
		{ SOCK_RDM, 0, ESOCKTNOSUPPORT },
		{ 0, 0, ESOCKTNOSUPPORT },
		{ SOCK_STREAM, 1, EPROTONOSUPPORT },
		{ SOCK_STREAM, IPPROTO_TCP, EPROTONOSUPPORT },
		{ SOCK_STREAM, 255, EPROTONOSUPPORT },
		{ SOCK_STREAM, -1, EPROTONOSUPPORT },
		{ SOCK_STREAM | 0x100, 0, EINVAL },
		{ 15, 0, EINVAL },
	};
	int fd[2], sock;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		errno = 0;
		sock = socket(AF_PARLEY, rows[i].type, rows[i].protocol);
		EXPECT_EQ(-1, sock);
		EXPECT_EQ(rows[i].error, errno)
			TH_LOG("row %u", i);
		errno = 0;
		EXPECT_EQ(-1, socketpair(AF_PARLEY, rows[i].type,
					 rows[i].protocol, fd));
		EXPECT_EQ(rows[i].error, errno)
			TH_LOG("row %u", i);
	}
	EXPECT_EQ(-1, syscall(SYS_socketpair, AF_PARLEY, SOCK_STREAM, 0, BAD));
	EXPECT_EQ(EFAULT, errno);
}

/* Lengths and families are checked first, whatever the state. */
TEST_F(errors, bind_address)
{
	struct parley_addr a, o, x;
	int i;

	parley_addr(&a, variant->host, SUBJECT + 1);
	parley_addr(&o, variant->other, SUBJECT + 1);
	x = a;
	for (i = 0; i < (int)a.len; i++)
		FAILS(FRESH, EINVAL, bind(FD, &a.sa, i));
	FAILS(FRESH, EINVAL, bind(FD, &a.sa, -1));
	FAILS(FRESH, EINVAL, bind(FD, &a.sa, sizeof(a.ss) + 1));
	FAILS(FRESH, EFAULT, bind(FD, BAD, a.len));
	FAILS(FRESH, EFAULT, bind(FD, NULL, a.len));
	FAILS(BOUND, EINVAL, bind(FD, &a.sa, a.len));
	FAILS(LISTENING, EINVAL, bind(FD, &a.sa, a.len));
	FAILS(CALLING, EINVAL, bind(FD, &a.sa, a.len));
	FAILS(CONNECTED, EINVAL, bind(FD, &a.sa, a.len));
	/* A failed caller has its family and nothing else. */
	FAILS(FAILED, EAFNOSUPPORT, bind(FD, &o.sa, o.len));

	x.len = sizeof(x.v6);
	for (i = 0; i < AF_MAX; i++) {
		if (i == AF_INET || i == AF_INET6)
			continue;
		x.sa.sa_family = i;
		FAILS(FRESH, EAFNOSUPPORT, bind(FD, &x.sa, x.len));
	}
	x.sa.sa_family = 0xffff;
	FAILS(FRESH, EAFNOSUPPORT, bind(FD, &x.sa, x.len));
	/* Somebody else's. */
	FAILS(FRESH, EADDRINUSE,
	      (errno = -parley_bind(FD, variant->host, PORT)) ? -1 : 0);
}

TEST_F(errors, connect_address)
{
	struct parley_addr a, o, x;
	int i, state_error;
	enum state s;

	parley_addr(&a, variant->host, PORT);
	parley_addr(&o, variant->other, PORT);
	x = a;
	x.sa.sa_family = AF_UNIX;
	for (i = 0; i < (int)a.len; i++)
		FAILS(FRESH, EINVAL, connect(FD, &a.sa, i));
	for (s = FRESH; s < FAILED; s++) {
		FAILS(s, EINVAL, connect(FD, &a.sa, 0));
		FAILS(s, EINVAL, connect(FD, &a.sa, 1));
		FAILS(s, EINVAL, connect(FD, &a.sa, -1));
		FAILS(s, EINVAL, connect(FD, &a.sa, sizeof(a.ss) + 1));
		FAILS(s, EFAULT, connect(FD, BAD, a.len));
	}
	for (s = FRESH; s <= BOUND; s++) {
		FAILS(s, EINVAL, connect(FD, &a.sa, a.len - 1));
		FAILS(s, EAFNOSUPPORT, connect(FD, &x.sa, sizeof(x.v6)));
	}
	/* Where the state is in the way nobody looks at the address. */
	for (s = LISTENING; s <= CONNECTED; s++) {
		state_error = s == LISTENING ? EINVAL :
			      s == CALLING ? EALREADY : EISCONN;
		FAILS(s, state_error, connect(FD, &a.sa, a.len));
		FAILS(s, state_error, connect(FD, &a.sa, a.len - 1));
		FAILS(s, state_error, connect(FD, &x.sa, sizeof(x.v6)));
	}
	FAILS(BOUND, EAFNOSUPPORT, connect(FD, &o.sa, o.len));
	FAILS(LISTENING, EINVAL,
	      (errno = -parley_unspec(FD)) ? -1 : 0);
	FAILS(CONNECTED, EISCONN,
	      (errno = -parley_unspec(FD)) ? -1 : 0);
}

TEST_F(errors, listen_and_accept)
{
	struct parley_addr a = { .len = sizeof(a.ss) };
	enum state s;

	FAILS(FRESH, EINVAL, listen(FD, 1));
	FAILS(CALLING, EINVAL, listen(FD, 1));
	FAILS(CONNECTED, EINVAL, listen(FD, 1));
	for (s = FRESH; s < FAILED; s++) {
		FAILS(s, s == LISTENING ? EAGAIN : EINVAL,
		      accept(FD, NULL, NULL));
		FAILS(s, s == LISTENING ? EAGAIN : EINVAL,
		      accept(FD, &a.sa, &a.len));
		FAILS(s, EINVAL, accept4(FD, NULL, NULL, 1));
		FAILS(s, EINVAL, accept4(FD, NULL, NULL, O_APPEND));
	}
}

TEST_F(errors, names)
{
	struct parley_addr a = { .len = 0 };
	socklen_t negative = -1;
	enum state s;

	for (s = FRESH; s < FAILED; s++) {
		a.len = sizeof(a.ss);
		if (s != CONNECTED)
			FAILS(s, ENOTCONN, getpeername(FD, &a.sa,
						       &a.len));
		FAILS(s, EFAULT, getsockname(FD, BAD, &a.len));
		FAILS(s, EFAULT, getsockname(FD, &a.sa, BAD));
		FAILS(s, EINVAL, getsockname(FD, &a.sa, &negative));
	}
	FAILS(CONNECTED, EFAULT, getpeername(FD, BAD, &a.len));
	FAILS(CONNECTED, EINVAL, getpeername(FD, &a.sa, &negative));
}

TEST_F(errors, shutdown)
{
	enum state s;
	int how;

	for (s = FRESH; s < FAILED; s++) {
		FAILS(s, EINVAL, shutdown(FD, -1));
		FAILS(s, EINVAL, shutdown(FD, 3));
		FAILS(s, EINVAL, shutdown(FD, 1 << 16));
	}
	for (how = SHUT_RD; how <= SHUT_RDWR; how++) {
		FAILS(FRESH, ENOTCONN, shutdown(FD, how));
		FAILS(BOUND, ENOTCONN, shutdown(FD, how));
	}
	FAILS(LISTENING, ENOTCONN, shutdown(FD, SHUT_WR));
}

TEST_F(errors, transfer)
{
	struct parley_addr a;
	enum state s;
	char c = 0;

	parley_addr(&a, variant->host, PORT);
	for (s = FRESH; s <= LISTENING; s++) {
		FAILS(s, ENOTCONN, send(FD, &c, 1, MSG_NOSIGNAL));
		FAILS(s, ENOTCONN, recv(FD, &c, 1, 0));
		FAILS(s, EOPNOTSUPP, sendto(FD, &c, 1, MSG_NOSIGNAL,
					    &a.sa, a.len));
	}
	FAILS(CALLING, EAGAIN, send(FD, &c, 1, MSG_NOSIGNAL));
	FAILS(CALLING, EAGAIN, recv(FD, &c, 1, 0));
	FAILS(CONNECTED, EAGAIN, recv(FD, &c, 1, 0));
	FAILS(CONNECTED, EISCONN, sendto(FD, &c, 1, MSG_NOSIGNAL,
					 &a.sa, a.len));
	FAILS(CONNECTED, EOPNOTSUPP, send(FD, &c, 1,
					  MSG_OOB | MSG_NOSIGNAL));
	FAILS(CONNECTED, EOPNOTSUPP, recv(FD, &c, 1, MSG_OOB));
	FAILS(CONNECTED, EFAULT, send(FD, BAD, 1, MSG_NOSIGNAL));
	FAILS(CONNECTED, EFAULT, sendmsg(FD, BAD, MSG_NOSIGNAL));
	FAILS(CONNECTED, EFAULT, recvmsg(FD, BAD, 0));
}

static int set(int fd, int level, int name, const void *value, socklen_t len)
{
	return setsockopt(fd, level, name, value, len);
}

static int get(int fd, int level, int name, void *value, int len)
{
	socklen_t l = len;

	return getsockopt(fd, level, name, value, &l);
}

TEST_F(errors, unknown_options)
{
	static const struct {
		int level;
		int name;
	} rows[] = {
		{ SOL_PARLEY, 0 }, { SOL_PARLEY, 9999 }, { SOL_PARLEY, -1 },
		{ SOL_SOCKET, 9999 }, { 0x1234, 1 }, { -1, 1 },
		{ IPPROTO_TCP, 9999 }, { IPPROTO_IPV6, 9999 },
		{ IPPROTO_IP, 9999 }, { AF_PARLEY, PARLEY_BACKLOG },
	};
	enum state s;
	unsigned int i;
	int v = 1;

	for (s = FRESH; s < STATES; s++)
		for (i = 0; i < ARRAY_SIZE(rows); i++) {
			FAILS(s, ENOPROTOOPT, set(FD, rows[i].level,
						  rows[i].name, &v, sizeof(v)));
			FAILS(s, ENOPROTOOPT, get(FD, rows[i].level,
						  rows[i].name, &v, sizeof(v)));
		}
}

TEST_F(errors, set_options)
{
	char buf[64] = { 0 };
	enum state s;
	int i;

	for (s = FRESH; s < STATES; s++) {
		FAILS(s, ENOPROTOOPT, set(FD, SOL_PARLEY, PARLEY_REFUSAL,
					  buf, sizeof(struct parley_refusal)));
		FAILS(s, ENOPROTOOPT, set(FD, SOL_PARLEY, PARLEY_BACKLOG,
					  buf, sizeof(struct parley_backlog)));
		FAILS(s, EINVAL, set(FD, SOL_PARLEY,
				     PARLEY_CONNECT_TIMEOUT, buf, -1));
	}
	for (i = 0; i < 4; i++) {
		FAILS(FRESH, EINVAL, set(FD, SOL_PARLEY,
					 PARLEY_CONNECT_TIMEOUT, buf, i));
		FAILS(FRESH, EINVAL, set(FD, IPPROTO_IPV6, IPV6_V6ONLY,
					 buf, i));
	}
	FAILS(FRESH, EFAULT, set(FD, SOL_PARLEY, PARLEY_CONNECT_TIMEOUT,
				 BAD, 4));
	FAILS(FRESH, EFAULT, set(FD, IPPROTO_IPV6, IPV6_V6ONLY, BAD, 4));
	for (s = LISTENING; s <= CONNECTED; s++) {
		FAILS(s, EINVAL, set(FD, SOL_PARLEY,
				     PARLEY_CONNECT_TIMEOUT, buf, 4));
	}
	for (s = BOUND; s <= CONNECTED; s++) {
		FAILS(s, EINVAL, set(FD, IPPROTO_IPV6, IPV6_V6ONLY,
				     buf, 4));
	}
}

TEST_F(errors, get_options)
{
	static const struct {
		int level;
		int name;
	} rows[] = {
		{ SOL_PARLEY, PARLEY_CONNECT_TIMEOUT },
		{ SOL_PARLEY, PARLEY_REFUSAL },
		{ SOL_PARLEY, PARLEY_BACKLOG },
		{ IPPROTO_IPV6, IPV6_V6ONLY },
		{ IPPROTO_TCP, TCP_NODELAY },
	};
	char buf[64];
	enum state s;
	int i;

	/* On a listener all of them can be had. */
	for (i = 0; i < 5; i++) {
		FAILS(LISTENING, 0, get(FD, rows[i].level, rows[i].name,
					buf, sizeof(buf)));
		FAILS(LISTENING, EINVAL, get(FD, rows[i].level,
					     rows[i].name, buf, -1));
		FAILS(LISTENING, EFAULT, get(FD, rows[i].level,
					     rows[i].name, BAD, sizeof(buf)));
		FAILS(LISTENING, EFAULT, getsockopt(FD, rows[i].level,
						    rows[i].name, buf, BAD));
	}
	for (s = FRESH; s < STATES; s++) {
		if (s != LISTENING)
			FAILS(s, EINVAL, get(FD, SOL_PARLEY,
					     PARLEY_BACKLOG, buf, sizeof(buf)));
	}
}

TEST_F(errors, other_calls)
{
	enum state s;

	for (s = FRESH; s < STATES; s++) {
		FAILS(s, ENOTTY, ioctl(FD, 0x12345678, BAD));
		FAILS(s, ENODEV, mmap(NULL, 4096, PROT_READ, MAP_SHARED,
				      FD, 0) == MAP_FAILED ? -1 : 0);
		FAILS(s, ESPIPE, lseek(FD, 0, SEEK_SET));
	}
	FAILS(LISTENING, EINVAL, ioctl(FD, SIOCINQ, &s));
	FAILS(LISTENING, EINVAL, ioctl(FD, SIOCOUTQ, &s));
	FAILS(CONNECTED, EFAULT, ioctl(FD, SIOCINQ, BAD));
	FAILS(CONNECTED, EFAULT, ioctl(FD, SIOCOUTQ, BAD));
}

TEST_HARNESS_MAIN
