/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parley selftests share: a network namespace for each fixture,
 * the proof that a test left nothing behind, sockets in the states that
 * tests start from, and waiting for events instead of for time.
 *
 * Include it after kselftest_harness.h. Functions return a negative errno
 * when they fail; none of them exits, since only the harness ends a test.
 * Addresses are text: "127.0.0.1" is an IPv4 address, "::1" an IPv6 one.
 */
#ifndef PARLEY_SELFTEST_LIB_H
#define PARLEY_SELFTEST_LIB_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <netinet/in.h>
#include <linux/parley.h>

/*
 * No test depends on how long something takes. Whatever does not happen
 * within this bound is taken for hung; it covers slow emulators and kernels
 * with KASAN, so the harness has to wait longer than its usual 30 seconds.
 */
#define PARLEY_BOUND_MS	30000
#define PARLEY_CLEAN_MS	30000
#ifdef TEST_TIMEOUT_DEFAULT
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	90
#endif

/* Polls @cond until it is true; the value says whether it came to be. */
#define parley_until(cond)						\
({									\
	unsigned long long __end = parley_deadline();			\
	bool __ok;							\
									\
	while (!(__ok = !!(cond)) && !parley_expired(__end))		\
		parley_pause();						\
	__ok;								\
})

unsigned long long parley_now_ns(void);
unsigned long long parley_deadline(void);
bool parley_expired(unsigned long long deadline);
void parley_pause(void);

/* The network namespace, its counters and its sysctls */

struct parley_stat {
	long sockets;
	long calls;
	long pending;
	long pages;
	long called;
	long established;
	long refused;
	long withdrawn;
	long causes;		/* of the refusals, all together */
};

int parley_ns_enter(void);
/* gives the loopback device another IPv6 address; all of 127/8 is there */
int parley_ns_addr6(const char *host);
int parley_stat(struct parley_stat *st);
long parley_proto_sockets(void);
int parley_expect_clean(void);

/* @name is the path below /proc/sys/net, "parley/max_backlog" */
int parley_sysctl_set(const char *name, const char *value);
int parley_sysctl_write(const char *name, long value);
long parley_sysctl_read(const char *name);

/* Addresses */

struct parley_addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage ss;
	};
	socklen_t len;
};

int parley_addr(struct parley_addr *a, const char *host, int port);
int parley_addr_port(const struct parley_addr *a);
bool parley_addr_is(const struct parley_addr *a, const char *host, int port);
bool parley_addr_eq(const struct parley_addr *a, const struct parley_addr *b);
int parley_name(int fd, struct parley_addr *a);
int parley_peer(int fd, struct parley_addr *a);
int parley_port(int fd);
bool parley_name_is(int fd, const char *host, int port);
bool parley_peer_is(int fd, const char *host, int port);

/* Sockets; @flags are SOCK_NONBLOCK and SOCK_CLOEXEC */

int parley_socket(int flags);
int parley_bind(int fd, const char *host, int port);
int parley_bound(const char *host, int port);
int parley_listener(const char *host, int port, int backlog);
int test_connect(int fd, const char *host, int port);
int parley_unspec(int fd);
/* @fd, non-blocking, whose call is pending, or accepted already; or closed */
int test_call(int fd, const char *host, int port);
/* the same with a new socket */
int parley_call(const char *host, int port);
/* a connection of the listener's type: @fd[0] called, @fd[1] was accepted by @listener */
int parley_pair(int listener, int fd[2]);
int test_accept(int fd, int flags);
/* two pages, of which only the first may be touched; it has @bytes */
void *parley_half_there(const void *bytes);
int parley_nonblock(int fd, bool on);
int parley_v6only(int fd, int on);
int parley_timeo(int fd, int optname, long ms);
int parley_nofile(unsigned long n);

/* poll() for @events; returns the revents */
int parley_wait(int fd, short events);
/* the revents right now, among them @events */
int parley_revents(int fd, short events);

int parley_so_error(int fd);
int parley_sockopt(int fd, int level, int name);
int parley_set_sockopt(int fd, int level, int name, int value);
int parley_refusal(int fd, struct parley_refusal *r);
int parley_reason(int fd);
int parley_backlog(int fd, struct parley_backlog *b);
int parley_pending(int fd);
int parley_limit(int fd);
int parley_call_timeout(int fd, unsigned int ms);
/* whether both ends carry a byte to the other one */
bool parley_talks(int a, int b);

/* Gates: one process passes when another one has opened it */

struct parley_gate {
	int fd[2];
};

int parley_gate_init(struct parley_gate *g);
int parley_gate_open(struct parley_gate *g);
int parley_gate_wait(struct parley_gate *g);

/*
 * Processes. A child must not use ASSERT_*() and EXPECT_*(): they would run
 * the fixture's teardown in it. It says what went wrong by its exit code.
 */
pid_t parley_fork(void);
int parley_reap(pid_t pid);

/*
 * Threads that sit in one blocking system call. @fn returns the result or a
 * negative errno; @nr is the system call that it blocks in.
 */
struct parley_thread {
	pthread_t thread;
	long (*fn)(void *arg);
	void *arg;
	long nr;
	pid_t tid;
	long result;
	int done;
	int fd;
	struct parley_addr addr;
};

int parley_thread_start(struct parley_thread *t, long nr,
			long (*fn)(void *arg), void *arg);
int parley_thread_accept(struct parley_thread *t, int fd);
int parley_thread_connect(struct parley_thread *t, int fd, const char *host,
			  int port);
int parley_thread_blocked(struct parley_thread *t);
bool parley_thread_done(struct parley_thread *t);
/* how often the thread went to sleep: unchanged means that nobody woke it */
long parley_thread_sleeps(struct parley_thread *t);
int parley_thread_kill(struct parley_thread *t, int sig);
/* the result, or -ETIME (which no parley call returns) when it does not end */
long parley_thread_join(struct parley_thread *t);

/* whether process or thread @tid sleeps in system call @nr, awaited */
int parley_blocked(pid_t tid, long nr);

/* a handler that only counts, @flags 0 or SA_RESTART */
int parley_catch(int sig, int flags);
int parley_caught(void);

#endif /* PARLEY_SELFTEST_LIB_H */
