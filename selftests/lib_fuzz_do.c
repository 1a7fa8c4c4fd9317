// SPDX-License-Identifier: GPL-2.0
/* What the fuzzer's calls do: sockets, addresses, connections. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/parley.h>

#include "lib.h"
#include "lib_fuzz.h"

#define SCOPE		1

long fuzz_result(long ret)
{
	return ret < 0 ? -errno : ret;
}

int fuzz_fd(struct fuzz_actor *a, __u64 slot)
{
	return __atomic_load_n(&a->slot[slot % FUZZ_SLOTS], __ATOMIC_RELAXED);
}

long fuzz_keep(struct fuzz_actor *a, __u64 slot, long fd, unsigned int number)
{
	int old;

	if (fd < 0)
		return fd;
	__atomic_store_n(&a->number[slot % FUZZ_SLOTS], 0, __ATOMIC_SEQ_CST);
	old = __atomic_exchange_n(&a->slot[slot % FUZZ_SLOTS], fd, __ATOMIC_ACQ_REL);
	__atomic_store_n(&a->number[slot % FUZZ_SLOTS], number, __ATOMIC_SEQ_CST);
	if (old >= 0)
		close(old);
	return fd;
}

/* The number goes with the descriptor, or there is none: another thread changes both. */
int fuzz_numbered_fd(struct fuzz_actor *a, __u64 slot, unsigned int *number)
{
	unsigned int *at = &a->number[slot % FUZZ_SLOTS];
	int fd;

	*number = __atomic_load_n(at, __ATOMIC_SEQ_CST);
	fd = fuzz_fd(a, slot);
	return __atomic_load_n(at, __ATOMIC_SEQ_CST) == *number ? fd : -1;
}

long fuzz_do_socket(struct fuzz_actor *a, const __u64 *v)
{
	long fd = fuzz_result(socket(AF_PARLEY, v[1] | v[2], v[3]));
	unsigned int number = __atomic_add_fetch(&a->sh->sockets, 1, __ATOMIC_RELAXED);

	return fuzz_keep(a, v[0], fd, number < FUZZ_TAGS ? number : 0);
}

long fuzz_do_socketpair(struct fuzz_actor *a, const __u64 *v)
{
	int fd[2];
	long ret = fuzz_result(socketpair(AF_PARLEY, v[2] | v[3], 0, fd));

	if (ret < 0)
		return ret;
	fuzz_keep(a, v[0], fd[0], 0);
	return fuzz_keep(a, v[1], fd[1], 0);
}

/* An address; returns the length to give for it. */
static socklen_t address(struct parley_addr *addr, __u64 host, __u64 port, __u64 how)
{
	static const char *const hosts[] = {
		"127.0.0.1", "::1", "127.0.0.2", "0.0.0.0", "::", "::ffff:127.0.0.1",
		"10.1.2.3", "224.0.0.1", "fe80::1",
	};

	if (host % 10 < ARRAY_SIZE(hosts)) {
		parley_addr(addr, hosts[host % 10], port & 0xffff);
		if (host % 10 == 8)
			addr->v6.sin6_scope_id = SCOPE;
	} else {
		memset(addr, 0x55, sizeof(*addr));
		addr->sa.sa_family = AF_UNIX;
		addr->len = sizeof(addr->v4);
	}
	return fuzz_length(how, addr->len);
}

long fuzz_do_bind(struct fuzz_actor *a, const __u64 *v)
{
	struct parley_addr addr;
	socklen_t len = address(&addr, v[1], v[2], v[3]);

	return fuzz_result(bind(fuzz_fd(a, v[0]), &addr.sa, len));
}

long fuzz_do_listen(struct fuzz_actor *a, const __u64 *v)
{
	return fuzz_result(listen(fuzz_fd(a, v[0]), v[1]));
}

long fuzz_do_connect(struct fuzz_actor *a, const __u64 *v)
{
	unsigned int number, held;
	int fd = fuzz_numbered_fd(a, v[0], &number);
	struct parley_addr addr;
	socklen_t len = address(&addr, v[1], v[2], v[3]);
	long ret;

	held = fuzz_tag_begin(a, number, fd, true);
	ret = fuzz_result(connect(fd, &addr.sa, len));
	fuzz_tag_end(a, number, held, ret);
	return ret;
}

long fuzz_do_unspec(struct fuzz_actor *a, const __u64 *v)
{
	struct sockaddr sa = { .sa_family = AF_UNSPEC };
	unsigned int number, held;
	int fd = fuzz_numbered_fd(a, v[0], &number);
	long ret;

	held = fuzz_tag_begin(a, number, fd, false);
	ret = fuzz_result(connect(fd, &sa, sizeof(sa)));
	if (!ret)
		fuzz_tag_withdrawn(a, number, held);
	fuzz_tag_end(a, number, held, -EINPROGRESS);
	return ret;
}

long fuzz_do_accept(struct fuzz_actor *a, const __u64 *v)
{
	struct sockaddr_storage addr;
	socklen_t len = fuzz_length(v[3], sizeof(addr));
	int fd = fuzz_fd(a, v[0]);
	long ret;

	/* A length that is greater than the room would be this program's mistake. */
	if (v[3] % 8 == 2 || v[3] % 8 == 5)
		len = sizeof(addr);
	ret = fuzz_result(accept4(fd, (struct sockaddr *)&addr, &len, v[2]));
	if (ret >= 0)
		fuzz_tag_accepted(a, ret);
	return fuzz_keep(a, v[1], ret, 0);
}

long fuzz_do_shutdown(struct fuzz_actor *a, const __u64 *v)
{
	return fuzz_result(shutdown(fuzz_fd(a, v[0]), v[1]));
}

long fuzz_do_name(struct fuzz_actor *a, const __u64 *v)
{
	struct sockaddr_storage addr;
	socklen_t len = fuzz_length(v[2], sizeof(addr));
	int fd = fuzz_fd(a, v[0]);

	if (v[2] % 8 == 2 || v[2] % 8 == 5)
		len = sizeof(addr);
	if (v[1] & 1)
		return fuzz_result(getpeername(fd, (struct sockaddr *)&addr, &len));
	return fuzz_result(getsockname(fd, (struct sockaddr *)&addr, &len));
}

long fuzz_do_close(struct fuzz_actor *a, const __u64 *v)
{
	int fd = __atomic_exchange_n(&a->slot[v[0] % FUZZ_SLOTS], -1, __ATOMIC_ACQ_REL);

	return fuzz_result(close(fd));
}

long fuzz_do_dup(struct fuzz_actor *a, const __u64 *v)
{
	unsigned int number;
	int fd = fuzz_numbered_fd(a, v[0], &number);

	return fuzz_keep(a, v[1], fuzz_result(fcntl(fd, F_DUPFD_CLOEXEC, a->base)), number);
}
