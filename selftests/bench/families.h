/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The families that are compared, each seen in the same way: sockets, listeners,
 * addresses and connections.
 */
#ifndef PARLEY_BENCH_FAMILIES_H
#define PARLEY_BENCH_FAMILIES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <linux/vm_sockets.h>

/* Which rows a tuning makes a difference to. */
#define TUNE_DATA	0x1
#define TUNE_CONNECT	0x2
#define TUNE_REQUEST	0x4

/**
 * struct tuning - how sockets of a family are set up
 * @name: for the report; NULL ends a list
 * @rows: TUNE_*; the first of a family is for all
 * @buffer: bytes for each direction, 0 for the family's default
 * @nodelay: TCP_NODELAY
 * @gather: TCP: none while a stream goes on, but at its end
 * @cork: TCP_CORK while a stream goes on, which parley takes too
 * @reset: TCP: callers close with a reset, which leaves no TIME_WAIT
 * @fastopen: TCP: the first data travel with the call
 */
struct tuning {
	const char *name;
	int rows;
	long buffer;
	bool nodelay;
	bool gather;
	bool cork;
	bool reset;
	bool fastopen;
};

#define TUNINGS_MAX	6

/**
 * struct family - one way to talk
 * @name: for the report
 * @domain: of socket(2); AF_UNSPEC for pipes
 * @type: of socket(2)
 * @tunings: the first is the family's default
 */
struct family {
	const char *name;
	int domain;
	int type;
	struct tuning tunings[TUNINGS_MAX];
};

/**
 * struct end - one end of a connection
 * @in: to read from
 * @out: to write to; the same descriptor, except for pipes
 */
struct end {
	int in;
	int out;
};

struct address {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_un un;
		struct sockaddr_vm vm;
	};
	socklen_t len;
};

extern const struct family families[];
extern const size_t n_families;

bool family_is_pipe(const struct family *f);
bool family_is_parley(const struct family *f);
/* has listeners and addresses, whatever the number is that rows give along */
bool family_connects(const struct family *f, long n);
/* NULL if the kernel has it, else why not */
const char *family_lacks(const struct family *f);

void set_option(int fd, int level, int name, const void *value, socklen_t len);
int family_socket(const struct family *f, const struct tuning *t, int flags);
/* a socket that calls, and one whose call does not wait for its verdict */
int family_caller(const struct family *f, const struct tuning *t);
int family_async_caller(const struct family *f, const struct tuning *t);
/* an address of one's own for each @n from 0, or any that is free if below */
void family_address(const struct family *f, long n, struct address *a);
int family_bind(const struct family *f, const struct tuning *t, struct address *addr);
int family_listener(const struct family *f, const struct tuning *t, int backlog,
		    struct address *addr);
/* for a caller: completes the connection */
void family_connect(const struct family *f, int fd, const struct address *addr);
/* for one that does not wait: begins it, accept(2) completes it */
void family_call(const struct family *f, int fd, const struct address *addr);
/* for a caller: that nobody listens there is what is expected */
void family_connect_refused(const struct family *f, int fd, const struct address *addr);
int family_accept(int listener);
void family_pair_at(const struct family *f, const struct tuning *t, int listener,
		    const struct address *addr, struct end end[2]);
void family_pair(const struct family *f, const struct tuning *t, struct end end[2]);

/* says that more will be sent soon, or that this was all */
void end_gather(const struct end *e, const struct tuning *t, bool more);
void end_close(struct end *e);
/* all of it, or the benchmark ends; end_recv is false at the end of file */
void end_send(const struct end *e, const void *data, size_t len);
bool end_recv(const struct end *e, void *data, size_t len);
/* what there is, 0 at the end of file */
size_t end_read(const struct end *e, void *data, size_t len);

#endif /* PARLEY_BENCH_FAMILIES_H */
