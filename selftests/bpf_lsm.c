// SPDX-License-Identifier: GPL-2.0
/*
 * Security modules: which of their hooks are called for parley's sockets, as
 * for those of AF_UNIX and TCP that do the same; and that what a module refuses
 * does not happen, and can be done as soon as it does not refuse it any more.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/un.h>
#include <unistd.h>

#include "bpf_lsm.h"
#include "lib_bpf.h"

#define HOST	"127.0.0.1"
#define PORT	8810

/* As enum lsm_hook has them. */
static const char *const hook_names[LSM_HOOK_COUNT] = {
	"socket_create", "socket_post_create", "socket_socketpair",
	"socket_bind", "socket_connect", "socket_listen", "socket_accept",
	"socket_sendmsg", "socket_recvmsg", "socket_getsockname",
	"socket_getpeername", "socket_getsockopt", "socket_setsockopt",
	"socket_shutdown", "socket_getpeersec_stream", "sk_alloc_security",
	"sk_free_security", "sk_clone_security", "sock_graft",
	"unix_stream_connect", "inet_conn_request", "inet_csk_clone",
	"inet_conn_established", "socket_sock_rcv_skb",
};

FIXTURE(lsm) {
	struct policy p;
	struct bpf_link *link[LSM_HOOK_COUNT];
	struct lsm_watch *watch;
};

/* Whether programs are asked at all, which is said at boot. */
static bool is_asked(void)
{
	char dir[] = "/tmp/parley-lsm-XXXXXX", path[64], text[256] = "";
	int fd;

	if (!mkdtemp(dir) || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	if (!mount("none", dir, "securityfs", 0, NULL)) {
		snprintf(path, sizeof(path), "%s/lsm", dir);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
			text[0] = 0;
		close(fd);
		umount(dir);
	}
	rmdir(dir);
	return strstr(text, "bpf");
}

FIXTURE_SETUP(lsm)
{
	struct bpf_program *program;
	int n = 0;

	if (!is_asked())
		SKIP(return, "BPF programs are no security module here");
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, policy_open(&self->p, "bpf_lsm.bpf.o"));
	ASSERT_EQ(0, policy_load(&self->p));
	self->watch = policy_variables(&self->p, sizeof(*self->watch));
	ASSERT_NE(NULL, self->watch);
	bpf_object__for_each_program(program, self->p.object) {
		self->link[n] = bpf_program__attach_lsm(program);
		ASSERT_NE(NULL, self->link[n]);
		n++;
	}
	ASSERT_EQ(LSM_HOOK_COUNT, n);
	self->watch->pid = getpid();
}

FIXTURE_TEARDOWN(lsm)
{
	int i;

	for (i = 0; i < LSM_HOOK_COUNT; i++)
		bpf_link__destroy(self->link[i]);
	policy_end(&self->p);
	EXPECT_EQ(0, parley_expect_clean());
}

/* The same for each family: a name to listen at, and one to call from. */
static void address(struct parley_addr *a, int family)
{
	static const char name[] = "\0parley-lsm";
	struct sockaddr_un *un = (void *)&a->ss;

	if (family != AF_UNIX) {
		parley_addr(a, HOST, PORT);
		return;
	}
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, name, sizeof(name));
	a->len = offsetof(struct sockaddr_un, sun_path) + sizeof(name);
}

static bool exchange(int from, int to)
{
	char c = 'x';

	return send(from, &c, 1, MSG_NOSIGNAL) == 1 &&
	       parley_wait(to, POLLIN) > 0 && recv(to, &c, 1, 0) == 1;
}

/* Everything that is done with sockets, once. */
static bool live(int family)
{
	int l, fd, new, pair[2], value = 0;
	struct parley_addr a, name;
	socklen_t len;
	char label[256];

	address(&a, family);
	l = socket(family, SOCK_STREAM, 0);
	if (l < 0 || bind(l, &a.sa, a.len) || listen(l, 1))
		return false;
	len = sizeof(name.ss);
	if (getsockname(l, &name.sa, &len))
		return false;
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0 || (connect(fd, &a.sa, a.len) && errno != EINPROGRESS))
		return false;
	new = accept(l, NULL, NULL);
	if (new < 0 || parley_wait(fd, POLLOUT) <= 0)
		return false;
	len = sizeof(name.ss);
	if (getpeername(new, &name.sa, &len))
		return false;
	len = sizeof(value);
	if (setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &value, sizeof(value)) ||
	    getsockopt(fd, SOL_SOCKET, SO_PRIORITY, &value, &len))
		return false;
	len = sizeof(label);
	getsockopt(new, SOL_SOCKET, SO_PEERSEC, label, &len);
	if (!exchange(fd, new) || !exchange(new, fd) ||
	    shutdown(fd, SHUT_RDWR))
		return false;
	if (family != AF_INET) {
		if (socketpair(family, SOCK_STREAM, 0, pair))
			return false;
		close(pair[0]);
		close(pair[1]);
	}
	return !close(fd) && !close(new) && !close(l);
}

static bool as_unix(const struct lsm_watch *w, enum lsm_hook hook)
{
	unsigned int count = w->count[LSM_PARLEY][hook];

	if (count && count == w->count[LSM_UNIX][hook])
		return true;
	printf("# %s: %u, AF_UNIX %u, TCP %u\n", hook_names[hook], count,
	       w->count[LSM_UNIX][hook], w->count[LSM_INET][hook]);
	fflush(stdout);
	return false;
}

/* A bit later, and beside those of tests that were before this one. */
static bool all_freed(const struct lsm_watch *w)
{
	const unsigned int *count = w->count[LSM_PARLEY];

	return parley_until(__atomic_load_n(&count[LSM_sk_free_security],
					    __ATOMIC_ACQUIRE) >=
			    count[LSM_sk_alloc_security]);
}

TEST_F(lsm, as_others)
{
	static const enum lsm_hook hooks[] = {
		LSM_socket_create, LSM_socket_post_create,
		LSM_socket_socketpair, LSM_socket_bind, LSM_socket_connect,
		LSM_socket_listen, LSM_socket_accept, LSM_socket_sendmsg,
		LSM_socket_recvmsg, LSM_socket_getsockname,
		LSM_socket_getpeername, LSM_socket_getsockopt,
		LSM_socket_setsockopt, LSM_socket_shutdown,
		LSM_sk_alloc_security, LSM_sock_graft,
	};
	static const enum lsm_hook never[] = {
		LSM_unix_stream_connect, LSM_inet_conn_request,
		LSM_inet_csk_clone, LSM_inet_conn_established,
		LSM_socket_sock_rcv_skb,
	};
	const struct lsm_watch *w = self->watch;
	int i;

	EXPECT_TRUE(live(AF_PARLEY));
	EXPECT_TRUE(live(AF_UNIX));
	EXPECT_TRUE(live(AF_INET));
	for (i = 0; i < (int)ARRAY_SIZE(hooks); i++)
		EXPECT_TRUE(as_unix(w, hooks[i]));
	/* Where AppArmor answers for a family, nobody else is asked. */
	EXPECT_EQ(w->count[LSM_INET][LSM_socket_getpeersec_stream],
		  w->count[LSM_PARLEY][LSM_socket_getpeersec_stream]);
	/*
	 * An accepted socket has its listener's label, as TCP's has, which is
	 * made by whoever happens to handle the packet.
	 */
	EXPECT_EQ(1, w->count[LSM_PARLEY][LSM_sk_clone_security]);
	EXPECT_TRUE(all_freed(w));
	/* They are about what only those families have. */
	for (i = 0; i < (int)ARRAY_SIZE(never); i++)
		EXPECT_EQ(0, w->count[LSM_PARLEY][never[i]])
			TH_LOG("%s", hook_names[never[i]]);
}

/* What is refused; the error of what is done meanwhile is returned. */
#define DENIED(w, hook, what)						\
({									\
	int __err;							\
									\
	(w)->deny = LSM_##hook + 1;					\
	__err = (what) < 0 ? -errno : 0;				\
	(w)->deny = 0;							\
	__err;								\
})

/* On a connection: nothing is sent, and nothing that was is lost. */
static bool denied_data(struct lsm_watch *w, int fd, int peer)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	char c = 'x';

	return DENIED(w, socket_sendmsg, send(fd, &c, 1, 0)) == -EPERM &&
	       DENIED(w, socket_sendmsg, write(fd, &c, 1)) == -EPERM &&
	       recv(peer, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN &&
	       send(fd, &c, 1, 0) == 1 &&
	       DENIED(w, socket_recvmsg, recv(peer, &c, 1, 0)) == -EPERM &&
	       recv(peer, &c, 1, MSG_DONTWAIT) == 1 &&
	       DENIED(w, socket_shutdown, shutdown(fd, SHUT_WR)) == -EPERM &&
	       DENIED(w, socket_getpeername,
		      getpeername(fd, (void *)&name, &len)) == -EPERM &&
	       parley_talks(fd, peer);
}

TEST_F(lsm, denied)
{
	struct lsm_watch *w = self->watch;
	char name[200] = "reply";
	int fd, l, new, pair[2];
	socklen_t len = sizeof(name);
	struct parley_addr a;
	struct parley_stat st;

	EXPECT_EQ(-EPERM, DENIED(w, socket_create,
				 socket(AF_PARLEY, SOCK_STREAM, 0)));
	EXPECT_EQ(-EPERM, DENIED(w, socket_post_create,
				 socket(AF_PARLEY, SOCK_STREAM, 0)));
	EXPECT_EQ(-ENOMEM, DENIED(w, sk_alloc_security,
				  socket(AF_PARLEY, SOCK_STREAM, 0)));
	EXPECT_EQ(-EPERM, DENIED(w, socket_socketpair,
				 socketpair(AF_PARLEY, SOCK_STREAM, 0, pair)));

	ASSERT_EQ(0, parley_addr(&a, HOST, PORT));
	fd = parley_socket(0);
	EXPECT_EQ(-EPERM, DENIED(w, socket_bind, bind(fd, &a.sa, a.len)));
	EXPECT_EQ(0, parley_port(fd));
	EXPECT_EQ(0, parley_bind(fd, HOST, PORT));
	EXPECT_EQ(-EPERM, DENIED(w, socket_listen, listen(fd, 1)));
	EXPECT_EQ(0, parley_sockopt(fd, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_EQ(-EPERM, DENIED(w, socket_setsockopt,
				 setsockopt(fd, SOL_PARLEY, PARLEY_REPLY_DATA,
					    name, 7)));
	EXPECT_EQ(-EPERM, DENIED(w, socket_getsockopt,
				 getsockopt(fd, SOL_PARLEY, PARLEY_REPLY_DATA,
					    name, &len)));
	EXPECT_EQ(-EPERM, DENIED(w, socket_getsockname,
				 getsockname(fd, (void *)name, &len)));
	len = sizeof(name);
	EXPECT_EQ(0, getsockopt(fd, SOL_PARLEY, PARLEY_REPLY_DATA, name, &len));
	EXPECT_EQ(0, len);
	ASSERT_EQ(0, close(fd));

	l = parley_listener(HOST, PORT, 5);
	ASSERT_LE(0, l);
	ASSERT_EQ(0, parley_nonblock(l, true));
	fd = parley_socket(SOCK_NONBLOCK);
	EXPECT_EQ(-EPERM, DENIED(w, socket_connect, connect(fd, &a.sa, a.len)));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(0, st.called);
	EXPECT_EQ(0, parley_pending(l));

	/* The call stays where it is, for who may accept it. */
	ASSERT_EQ(-EINPROGRESS, test_connect(fd, HOST, PORT));
	EXPECT_EQ(-EPERM, DENIED(w, socket_accept, accept(l, NULL, NULL)));
	EXPECT_EQ(1, parley_pending(l));
	EXPECT_EQ(-ENOMEM, DENIED(w, sk_alloc_security, accept(l, NULL, NULL)));
	EXPECT_EQ(1, parley_pending(l));
	new = test_accept(l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(parley_talks(fd, new));
	ASSERT_EQ(0, parley_nonblock(fd, false));
	EXPECT_TRUE(denied_data(w, fd, new));
}

TEST_HARNESS_MAIN
