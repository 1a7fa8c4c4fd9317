// SPDX-License-Identifier: GPL-2.0
/* Network namespaces, addresses and sockets for the tests; see lib.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib.h"

#define LO_IFINDEX	1	/* in every network namespace */

unsigned long long parley_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* What has not come in time once need not be waited for again and again. */
static bool parley_hung;

static int parley_bound_ms(void)
{
	return parley_hung ? PARLEY_BOUND_MS / 30 : PARLEY_BOUND_MS;
}

unsigned long long parley_deadline(void)
{
	return parley_now_ns() + parley_bound_ms() * 1000000ULL;
}

bool parley_expired(unsigned long long deadline)
{
	if (parley_now_ns() < deadline)
		return false;
	parley_hung = true;
	return true;
}

/* Between two looks at a condition: lets others run, nothing is timed by it. */
void parley_pause(void)
{
	struct timespec ts = { .tv_nsec = 200000 };

	nanosleep(&ts, NULL);
}

int parley_ns_enter(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd, err = 0;

	if (unshare(CLONE_NEWNET))
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr))
		err = -errno;
	close(fd);
	return err;
}

int parley_ns_addr6(const char *host)
{
	/* struct in6_ifreq; <linux/ipv6.h> clashes with <netinet/in.h> */
	struct {
		struct in6_addr addr;
		unsigned int prefixlen;
		int ifindex;
	} ifr = { .prefixlen = 64, .ifindex = LO_IFINDEX };
	struct parley_addr a;
	int fd, err;

	err = parley_addr(&a, host, 0);
	if (err)
		return err;
	ifr.addr = a.v6.sin6_addr;
	a.v6.sin6_scope_id = LO_IFINDEX;
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCSIFADDR, &ifr))
		err = -errno;
	/* A kernel thread makes it usable, soon after. */
	else if (!parley_until(!bind(fd, &a.sa, a.len)))
		err = -ETIME;
	close(fd);
	return err;
}

int parley_sysctl_set(const char *name, const char *value)
{
	char path[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, value, strlen(value));
	if (n < 0)
		n = -errno;
	close(fd);
	return n < 0 ? n : 0;
}

int parley_sysctl_write(const char *name, long value)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%ld", value);
	return parley_sysctl_set(name, buf);
}

long parley_sysctl_read(const char *name)
{
	char path[256];
	long value;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	if (fscanf(f, "%ld", &value) != 1)
		value = -EBADMSG;
	fclose(f);
	return value;
}

int parley_addr(struct parley_addr *a, const char *host, int port)
{
	memset(a, 0, sizeof(*a));
	if (strchr(host, ':')) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		a->len = sizeof(a->v6);
		return inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1 ?
		       0 : -EINVAL;
	}
	a->v4.sin_family = AF_INET;
	a->v4.sin_port = htons(port);
	a->len = sizeof(a->v4);
	return inet_pton(AF_INET, host, &a->v4.sin_addr) == 1 ? 0 : -EINVAL;
}

/* The port is at the same place in both. */
int parley_addr_port(const struct parley_addr *a)
{
	return ntohs(a->v4.sin_port);
}

bool parley_addr_eq(const struct parley_addr *a, const struct parley_addr *b)
{
	if (a->len != b->len || a->sa.sa_family != b->sa.sa_family ||
	    parley_addr_port(a) != parley_addr_port(b))
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
	return !memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr,
		       sizeof(a->v6.sin6_addr)) &&
	       a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
	       a->v6.sin6_flowinfo == b->v6.sin6_flowinfo;
}

bool parley_addr_is(const struct parley_addr *a, const char *host, int port)
{
	struct parley_addr want;
	char buf[INET6_ADDRSTRLEN] = "?";

	if (!parley_addr(&want, host, port) && parley_addr_eq(a, &want))
		return true;
	inet_ntop(a->sa.sa_family, a->sa.sa_family == AF_INET ?
		  (void *)&a->v4.sin_addr : (void *)&a->v6.sin6_addr,
		  buf, sizeof(buf));
	printf("# address is %s port %d (family %d, length %u), ",
	       buf, parley_addr_port(a), a->sa.sa_family, a->len);
	printf("not %s port %d\n", host, port);
	fflush(stdout);
	return false;
}

int parley_name(int fd, struct parley_addr *a)
{
	memset(a, 0, sizeof(*a));
	a->len = sizeof(a->ss);
	return getsockname(fd, &a->sa, &a->len) ? -errno : 0;
}

int parley_peer(int fd, struct parley_addr *a)
{
	memset(a, 0, sizeof(*a));
	a->len = sizeof(a->ss);
	return getpeername(fd, &a->sa, &a->len) ? -errno : 0;
}

int parley_port(int fd)
{
	struct parley_addr a;
	int err = parley_name(fd, &a);

	return err ?: parley_addr_port(&a);
}

bool parley_name_is(int fd, const char *host, int port)
{
	struct parley_addr a;

	return !parley_name(fd, &a) && parley_addr_is(&a, host, port);
}

bool parley_peer_is(int fd, const char *host, int port)
{
	struct parley_addr a;

	return !parley_peer(fd, &a) && parley_addr_is(&a, host, port);
}

int parley_socket(int flags)
{
	int fd = socket(AF_PARLEY, SOCK_STREAM | flags, 0);

	return fd < 0 ? -errno : fd;
}

int parley_bind(int fd, const char *host, int port)
{
	struct parley_addr a;
	int err = parley_addr(&a, host, port);

	if (err)
		return err;
	return bind(fd, &a.sa, a.len) ? -errno : 0;
}

int parley_bound(const char *host, int port)
{
	int fd, err;

	fd = parley_socket(0);
	if (fd < 0)
		return fd;
	err = parley_bind(fd, host, port);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int parley_listener(const char *host, int port, int backlog)
{
	int fd, err;

	fd = parley_bound(host, port);
	if (fd < 0 || !listen(fd, backlog))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int test_connect(int fd, const char *host, int port)
{
	struct parley_addr a;
	int err = parley_addr(&a, host, port);

	if (err)
		return err;
	return connect(fd, &a.sa, a.len) ? -errno : 0;
}

int parley_unspec(int fd)
{
	struct sockaddr sa = { .sa_family = AF_UNSPEC };

	return connect(fd, &sa, sizeof(sa)) ? -errno : 0;
}

int test_call(int fd, const char *host, int port)
{
	int err = fd < 0 ? fd : test_connect(fd, host, port);

	/* It is 0 when a server that was waiting has been quicker. */
	if (!err || err == -EINPROGRESS)
		return fd;
	if (fd >= 0)
		close(fd);
	return err;
}

int parley_call(const char *host, int port)
{
	return test_call(parley_socket(SOCK_NONBLOCK), host, port);
}

/* A socket of the listener's type. */
static int caller_of(int listener)
{
	socklen_t len = sizeof(int);
	int type, fd;

	if (getsockopt(listener, SOL_SOCKET, SO_TYPE, &type, &len))
		return -errno;
	fd = socket(AF_PARLEY, type | SOCK_NONBLOCK, 0);
	return fd < 0 ? -errno : fd;
}

int parley_pair(int listener, int fd[2])
{
	struct parley_addr a;
	int err;

	err = parley_name(listener, &a);
	if (err)
		return err;
	fd[0] = caller_of(listener);
	if (fd[0] < 0)
		return fd[0];
	if (!connect(fd[0], &a.sa, a.len))
		return -EBADMSG;
	if (errno != EINPROGRESS)
		return -errno;
	fd[1] = test_accept(listener, 0);
	if (fd[1] < 0)
		return fd[1];
	return parley_nonblock(fd[0], false);
}

int test_accept(int fd, int flags)
{
	int new = accept4(fd, NULL, NULL, flags);

	return new < 0 ? -errno : new;
}

void *parley_half_there(const void *bytes)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *half = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (half == MAP_FAILED || mprotect(half + page, page, PROT_NONE))
		return NULL;
	return memcpy(half, bytes, page);
}

int parley_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) ? -errno : 0;
}

int parley_v6only(int fd, int on)
{
	return parley_set_sockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, on);
}

int parley_timeo(int fd, int optname, long ms)
{
	struct timeval tv = {
		.tv_sec = ms / 1000,
		.tv_usec = ms % 1000 * 1000,
	};

	if (setsockopt(fd, SOL_SOCKET, optname, &tv, sizeof(tv)))
		return -errno;
	return 0;
}

int parley_nofile(unsigned long n)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl))
		return -errno;
	rl.rlim_cur = n;
	if (rl.rlim_max < n)
		rl.rlim_max = n;
	return setrlimit(RLIMIT_NOFILE, &rl) ? -errno : 0;
}

static int parley_poll(int fd, short events, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int n = poll(&pfd, 1, ms);

	return n < 0 ? -errno : n ? pfd.revents : 0;
}

int parley_wait(int fd, short events)
{
	int got = parley_poll(fd, events, parley_bound_ms());

	if (got)
		return got;
	parley_hung = true;
	return -ETIME;
}

int parley_revents(int fd, short events)
{
	return parley_poll(fd, events, 0);
}

int parley_sockopt(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = 0;

	return getsockopt(fd, level, name, &value, &len) ? -errno : value;
}

int parley_set_sockopt(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

int parley_so_error(int fd)
{
	return parley_sockopt(fd, SOL_SOCKET, SO_ERROR);
}

int parley_refusal(int fd, struct parley_refusal *r)
{
	socklen_t len = sizeof(*r);

	memset(r, 0xff, sizeof(*r));
	if (getsockopt(fd, SOL_PARLEY, PARLEY_REFUSAL, r, &len))
		return -errno;
	return len == sizeof(*r) ? 0 : -EBADMSG;
}

int parley_reason(int fd)
{
	struct parley_refusal r;
	int err = parley_refusal(fd, &r);

	return err ?: (int)r.reason;
}

int parley_backlog(int fd, struct parley_backlog *b)
{
	socklen_t len = sizeof(*b);

	memset(b, 0xff, sizeof(*b));
	if (getsockopt(fd, SOL_PARLEY, PARLEY_BACKLOG, b, &len))
		return -errno;
	return len == sizeof(*b) ? 0 : -EBADMSG;
}

int parley_pending(int fd)
{
	struct parley_backlog b;
	int err = parley_backlog(fd, &b);

	return err ?: (int)b.pending;
}

int parley_limit(int fd)
{
	struct parley_backlog b;
	int err = parley_backlog(fd, &b);

	return err ?: (int)b.limit;
}

int parley_call_timeout(int fd, unsigned int ms)
{
	return parley_set_sockopt(fd, SOL_PARLEY, PARLEY_CONNECT_TIMEOUT, ms);
}

static bool parley_carries(int from, int to, char c)
{
	char got = 0;

	return send(from, &c, 1, MSG_NOSIGNAL) == 1 &&
	       parley_wait(to, POLLIN) > 0 &&
	       recv(to, &got, 1, MSG_DONTWAIT) == 1 && got == c;
}

bool parley_talks(int a, int b)
{
	return parley_carries(a, b, 'x') && parley_carries(b, a, 'y');
}
