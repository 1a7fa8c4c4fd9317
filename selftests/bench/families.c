// SPDX-License-Identifier: GPL-2.0
/*
 * The families that are compared: their sockets, addresses and listeners, and
 * what tuning does to them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/parley.h>

#include "bench.h"

#define LARGE		(2 * MIB)
#define FIRST_PORT	1024
#define FASTOPEN_QUEUE	4096

const struct family families[] = {
	{ "unix", AF_UNIX, SOCK_STREAM, {
		{ .name = "default" },
		{ .name = "2M buffers", .rows = TUNE_DATA, .buffer = LARGE },
	} },
	{ "seqpacket", AF_UNIX, SOCK_SEQPACKET, {
		{ .name = "default" },
		{ .name = "2M buffers", .rows = TUNE_DATA, .buffer = LARGE },
	} },
	{ "tcp", AF_INET, SOCK_STREAM, {
		{ .name = "nodelay", .nodelay = true },
		{ .name = "nodelay, 2M buffers", .rows = TUNE_DATA, .nodelay = true,
		  .buffer = LARGE },
		{ .name = "nagle", .rows = TUNE_DATA, .nodelay = true, .gather = true },
		{ .name = "nodelay, reset", .rows = TUNE_CONNECT, .nodelay = true, .reset = true },
		{ .name = "fastopen, reset", .rows = TUNE_REQUEST, .nodelay = true, .reset = true,
		  .fastopen = true },
	} },
	{ "vsock", AF_VSOCK, SOCK_STREAM, {
		{ .name = "default" },
		{ .name = "2M buffers", .rows = TUNE_DATA, .buffer = LARGE },
	} },
	{ "pipe", AF_UNSPEC, 0, {
		{ .name = "default" },
		{ .name = "1M buffers", .rows = TUNE_DATA, .buffer = MIB },
	} },
	{ "parley", AF_PARLEY, SOCK_STREAM, {
		{ .name = "default" },
		{ .name = "2M buffers", .rows = TUNE_DATA, .buffer = LARGE },
		{ .name = "cork", .rows = TUNE_DATA, .cork = true },
	} },
	{ "parley-seq", AF_PARLEY, SOCK_SEQPACKET, {
		{ .name = "default" },
		{ .name = "2M buffers", .rows = TUNE_DATA, .buffer = LARGE },
	} },
};

const size_t n_families = ARRAY_SIZE(families);

bool family_is_pipe(const struct family *f)
{
	return f->domain == AF_UNSPEC;
}

bool family_is_parley(const struct family *f)
{
	return f->domain == AF_PARLEY;
}

bool family_connects(const struct family *f, long n)
{
	return !family_is_pipe(f);
}

const char *family_lacks(const struct family *f)
{
	const char *why = NULL;
	struct address local;
	int fd;

	if (family_is_pipe(f))
		return NULL;
	fd = socket(f->domain, f->type, 0);
	if (fd < 0)
		return strerror(errno);
	/* The family may be there without its loopback. */
	family_address(f, -1, &local);
	if (bind(fd, &local.sa, local.len))
		why = strerror(errno);
	close(fd);
	return why;
}

void set_option(int fd, int level, int name, const void *value, socklen_t len)
{
	if (setsockopt(fd, level, name, value, len))
		die("setsockopt %d, %d: %m", level, name);
}

static void set_int(int fd, int level, int name, int value)
{
	set_option(fd, level, name, &value, sizeof(value));
}

/* What SO_SNDBUF and SO_RCVBUF are given is doubled for the overhead. */
static void set_buffers(const struct family *f, int fd, long bytes)
{
	unsigned long long size = bytes;

	if (f->domain == AF_VSOCK) {
		set_option(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &size, sizeof(size));
		set_option(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &size, sizeof(size));
		return;
	}
	set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, bytes / 2);
	set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes / 2);
}

int family_socket(const struct family *f, const struct tuning *t, int flags)
{
	int fd = socket(f->domain, f->type | flags, 0);

	if (fd < 0)
		die("%s: socket: %m", f->name);
	if (t->buffer)
		set_buffers(f, fd, t->buffer);
	if (t->nodelay)
		set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	return fd;
}

static void tune_caller(const struct tuning *t, int fd)
{
	struct linger linger = { .l_onoff = 1 };

	if (t->reset)
		set_option(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	if (t->fastopen)
		set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
}

int family_caller(const struct family *f, const struct tuning *t)
{
	int fd = family_socket(f, t, 0);

	tune_caller(t, fd);
	return fd;
}

/*
 * Parley's connect(2) waits for the verdict, unless the socket is SOCK_NONBLOCK;
 * that of others is done as soon as the call is in the backlog.
 */
int family_async_caller(const struct family *f, const struct tuning *t)
{
	int fd = family_socket(f, t, family_is_parley(f) ? SOCK_NONBLOCK : 0);

	tune_caller(t, fd);
	return fd;
}

void family_address(const struct family *f, long n, struct address *a)
{
	memset(a, 0, sizeof(*a));
	switch (f->domain) {
	case AF_UNIX:
		a->un.sun_family = AF_UNIX;
		a->len = sizeof(sa_family_t);
		/* Abstract: a path would cost a look-up in the file system. */
		if (n >= 0)
			a->len += 1 + snprintf(a->un.sun_path + 1, 16, "bench-%ld", n);
		break;
	case AF_VSOCK:
		a->vm.svm_family = AF_VSOCK;
		a->vm.svm_cid = VMADDR_CID_LOCAL;
		a->vm.svm_port = n >= 0 ? FIRST_PORT + n : VMADDR_PORT_ANY;
		a->len = sizeof(a->vm);
		break;
	default:
		a->in.sin_family = AF_INET;
		a->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		a->in.sin_port = htons(n >= 0 ? FIRST_PORT + n : 0);
		a->len = sizeof(a->in);
		break;
	}
}

int family_bind(const struct family *f, const struct tuning *t, struct address *addr)
{
	int fd = family_socket(f, t, 0);

	/* Connections that were closed keep its port for a while. */
	if (f->domain == AF_INET)
		set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (t->fastopen)
		set_int(fd, IPPROTO_TCP, TCP_FASTOPEN, FASTOPEN_QUEUE);
	if (bind(fd, &addr->sa, addr->len))
		die("%s: bind: %m", f->name);
	return fd;
}

/**
 * family_listener() - a listening socket, at any address
 * @f: the family
 * @t: how it, and so what it accepts, is tuned
 * @backlog: of listen(2)
 * @addr: gets its address
 *
 * Return: the descriptor.
 */
int family_listener(const struct family *f, const struct tuning *t, int backlog,
		    struct address *addr)
{
	int fd;

	family_address(f, -1, addr);
	fd = family_bind(f, t, addr);
	addr->len = sizeof(*addr);
	if (getsockname(fd, &addr->sa, &addr->len))
		die("%s: getsockname: %m", f->name);
	if (listen(fd, backlog))
		die("%s: listen: %m", f->name);
	return fd;
}

void family_connect(const struct family *f, int fd, const struct address *addr)
{
	if (connect(fd, &addr->sa, addr->len))
		die("%s: connect: %m", f->name);
}

void family_call(const struct family *f, int fd, const struct address *addr)
{
	if (!connect(fd, &addr->sa, addr->len)) {
		if (family_is_parley(f))
			die("parley: connected before accept");
		return;
	}
	if (!family_is_parley(f) || errno != EINPROGRESS)
		die("%s: connect: %m", f->name);
}

void family_connect_refused(const struct family *f, int fd, const struct address *addr)
{
	if (!connect(fd, &addr->sa, addr->len))
		die("%s: connected to nobody", f->name);
	if (errno != ECONNREFUSED && (f->domain != AF_VSOCK || errno != ECONNRESET))
		die("%s: connect: %m", f->name);
}

int family_accept(int listener)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		die("accept: %m");
	return fd;
}

static void pipe_pair(const struct tuning *t, struct end end[2])
{
	int i, fd[2];

	for (i = 0; i < 2; i++) {
		if (pipe(fd))
			die("pipe: %m");
		if (t->buffer && fcntl(fd[1], F_SETPIPE_SZ, t->buffer) < 0)
			die("F_SETPIPE_SZ: %m");
		end[i].in = fd[0];
		end[!i].out = fd[1];
	}
}

/**
 * family_pair_at() - a connection between two ends in this process
 * @f: the family, not pipes
 * @t: how both sockets are tuned
 * @listener: who accepts it
 * @addr: its address
 * @end: who called, who was called
 */
void family_pair_at(const struct family *f, const struct tuning *t, int listener,
		    const struct address *addr, struct end end[2])
{
	int fd = family_async_caller(f, t);

	family_call(f, fd, addr);
	end[0].in = fd;
	end[0].out = fd;
	end[1].in = family_accept(listener);
	end[1].out = end[1].in;
	/* AF_UNIX is the one that does not inherit them. */
	if (f->domain == AF_UNIX && t->buffer)
		set_buffers(f, end[1].in, t->buffer);
	if (fcntl(fd, F_SETFL, 0))
		die("fcntl: %m");
}

/**
 * family_pair() - the same, with a listener of its own, or a pair of pipes
 * @f: the family
 * @t: how both sockets are tuned
 * @end: who called, who was called
 */
void family_pair(const struct family *f, const struct tuning *t, struct end end[2])
{
	struct address addr;
	int listener;

	if (family_is_pipe(f)) {
		pipe_pair(t, end);
		return;
	}
	listener = family_listener(f, t, 1, &addr);
	family_pair_at(f, t, listener, &addr, end);
	close(listener);
}

void end_gather(const struct end *e, const struct tuning *t, bool more)
{
	if (t->gather)
		set_int(e->out, IPPROTO_TCP, TCP_NODELAY, !more);
	if (t->cork)
		set_int(e->out, IPPROTO_TCP, TCP_CORK, more);
}

void end_close(struct end *e)
{
	close(e->in);
	if (e->out != e->in)
		close(e->out);
}

/* Sockets have system calls of their own, which are shorter than a file's. */
static bool end_is_socket(const struct end *e)
{
	return e->in == e->out;
}

void end_send(const struct end *e, const void *data, size_t len)
{
	ssize_t n;

	while (len) {
		if (end_is_socket(e))
			n = send(e->out, data, len, MSG_NOSIGNAL);
		else
			n = write(e->out, data, len);
		if (n <= 0)
			die("send: %m");
		data += n;
		len -= n;
	}
}

size_t end_read(const struct end *e, void *data, size_t len)
{
	ssize_t n;

	if (end_is_socket(e))
		n = recv(e->in, data, len, 0);
	else
		n = read(e->in, data, len);
	if (n < 0)
		die("recv: %m");
	return n;
}

bool end_recv(const struct end *e, void *data, size_t len)
{
	size_t got = 0, n;

	while (got < len) {
		n = end_read(e, data + got, len - got);
		if (!n && !got)
			return false;
		if (!n)
			die("recv: the end after %zu of %zu bytes", got, len);
		got += n;
	}
	return true;
}
