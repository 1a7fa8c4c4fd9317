// SPDX-License-Identifier: GPL-2.0
/*
 * Where filters are and where they are not: on sockets that listen or will,
 * whoever has a descriptor, until they are detached, and unless they are
 * locked; never on connections.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <unistd.h>

#include "lib_decide.h"
#include "lib_filter.h"
#include "lib_who.h"

#define HOST	"127.0.0.1"
#define PORT	7650

FIXTURE(attach) {
	int l;
};

FIXTURE_VARIANT(attach) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(attach, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(attach, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

FIXTURE_SETUP(attach)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
}

FIXTURE_TEARDOWN(attach)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int set_code(int fd, __u32 code)
{
	const struct filter_answer a = { .cb = { code } };

	return filter_set_answer(fd, &a);
}

static bool refuses(int l, __u32 code)
{
	return filter_refuses(l, NULL, PARLEY_REASON_FILTER, code, 0);
}

static bool accepts(int l)
{
	return filter_accepts(l, NULL, PARLEY_BY_ACCEPT);
}

static bool is_locked(int fd)
{
	return parley_sockopt(fd, SOL_SOCKET, SO_LOCK_FILTER) == 1;
}

/* In all the states on the way to listening. */
TEST_F(attach, before_listening)
{
	int l = parley_socket(SOCK_NONBLOCK);

	ASSERT_LE(0, l);
	ASSERT_EQ(0, set_code(l, 1));
	ASSERT_EQ(0, parley_bind(l, HOST, PORT + 1));
	ASSERT_EQ(0, terms_set_stage(l, variant->stage));
	ASSERT_EQ(0, listen(l, 5));
	EXPECT_TRUE(refuses(l, 1));
	ASSERT_EQ(0, set_code(l, 2));
	EXPECT_TRUE(refuses(l, 2));

	l = parley_bound(HOST, PORT + 2);
	ASSERT_LE(0, l);
	ASSERT_EQ(0, parley_nonblock(l, true));
	ASSERT_EQ(0, filter_say(l, 0));
	ASSERT_EQ(0, set_code(l, 3));
	ASSERT_EQ(0, listen(l, 5));
	EXPECT_TRUE(refuses(l, 3));
	/* One socket's filter is not another's. */
	EXPECT_TRUE(accepts(self->l));
}

TEST_F(attach, detached)
{
	EXPECT_EQ(-ENOENT, filter_detach(self->l));
	ASSERT_EQ(0, set_code(self->l, 1));
	EXPECT_TRUE(refuses(self->l, 1));
	EXPECT_EQ(0, filter_detach(self->l));
	EXPECT_TRUE(accepts(self->l));
	EXPECT_EQ(-ENOENT, filter_detach(self->l));
	ASSERT_EQ(0, filter_say(self->l, PARLEY_FILTER_DEFER));
	EXPECT_EQ(0, filter_detach(self->l));
	EXPECT_EQ(-ENOENT, filter_detach(self->l));
	EXPECT_TRUE(accepts(self->l));
}

/* Each takes the place of the one before, of whatever kind it was. */
TEST_F(attach, replaced)
{
	__u32 i;

	for (i = 1; i < 5; i++) {
		ASSERT_EQ(0, set_code(self->l, i));
		EXPECT_TRUE(refuses(self->l, i));
		ASSERT_EQ(0, filter_say(self->l, PARLEY_FILTER_DEFER));
		EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, NULL));
	}
	ASSERT_EQ(0, filter_detach(self->l));
	EXPECT_TRUE(accepts(self->l));
}

/* A bad one changes nothing. */
TEST_F(attach, bad)
{
	const struct sock_filter odd = BPF_STMT(0x77, 0);

	ASSERT_EQ(0, set_code(self->l, 1));
	EXPECT_EQ(-EINVAL, filter_attach(self->l, &odd, 1));
	EXPECT_EQ(-EFAULT, filter_attach(self->l, (void *)8, 2));
	EXPECT_EQ(-EINVAL, setsockopt(self->l, SOL_SOCKET, SO_ATTACH_FILTER,
				      &odd, sizeof(odd)) ? -errno : 0);
	EXPECT_TRUE(refuses(self->l, 1));
}

TEST_F(attach, locked)
{
	int program;

	ASSERT_EQ(0, set_code(self->l, 1));
	program = filter_program(E_SET(0, 1), E_EXIT);
	ASSERT_LE(0, program);
	EXPECT_FALSE(is_locked(self->l));
	ASSERT_EQ(0, filter_lock(self->l));
	EXPECT_TRUE(is_locked(self->l));
	EXPECT_EQ(-EPERM, filter_say(self->l, 1));
	EXPECT_EQ(-EPERM, filter_attach_bpf(self->l, program));
	EXPECT_EQ(-EPERM, filter_detach(self->l));
	EXPECT_EQ(-EPERM, parley_set_sockopt(self->l, SOL_SOCKET,
					     SO_LOCK_FILTER, 0));
	EXPECT_EQ(0, filter_lock(self->l));
	EXPECT_TRUE(refuses(self->l, 1));
	/* Also after it has stopped listening, and begun again. */
	ASSERT_EQ(0, shutdown(self->l, SHUT_RDWR));
	EXPECT_EQ(-EPERM, filter_detach(self->l));
	ASSERT_EQ(0, listen(self->l, 5));
	EXPECT_EQ(-EPERM, filter_detach(self->l));
	EXPECT_TRUE(refuses(self->l, 1));
}

/* No filter can be locked in, too. */
TEST_F(attach, locked_without)
{
	ASSERT_EQ(0, filter_lock(self->l));
	EXPECT_EQ(-EPERM, filter_say(self->l, 0));
	EXPECT_EQ(-EPERM, filter_detach(self->l));
	EXPECT_TRUE(accepts(self->l));
}

/* SO_GET_FILTER: classic programs come back as they were. */
TEST_F(attach, got)
{
	const struct sock_filter f[] = {
		C_LOAD(BPF_W, FILTER_AT(uid)), C_JEQ(1000, 0, 1),
		C_RET(PARLEY_FILTER_ACCEPT), C_RET(PARLEY_FILTER_REFUSE),
	};
	struct sock_filter got[6];
	socklen_t len = 6;

	EXPECT_EQ(0, filter_len(self->l));
	ASSERT_EQ(0, filter_attach(self->l, f, 4));
	EXPECT_EQ(4, filter_len(self->l));
	memset(got, 0xee, sizeof(got));
	ASSERT_EQ(0, getsockopt(self->l, SOL_SOCKET, SO_GET_FILTER, got, &len));
	EXPECT_EQ(4, len);
	EXPECT_EQ(0, memcmp(got, f, sizeof(f)));
	/* Of eBPF ones nobody hears. */
	ASSERT_EQ(0, set_code(self->l, 1));
	EXPECT_EQ(-EACCES, filter_len(self->l));
	ASSERT_EQ(0, filter_detach(self->l));
	EXPECT_EQ(0, filter_len(self->l));
}

/* Whoever has inherited the descriptor. */
TEST_F(attach, by_child)
{
	int step = 0, l = self->l;
	pid_t pid;

	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(!set_code(l, 5));
		_exit(0);
	}
	EXPECT_EQ(0, parley_reap(pid));
	EXPECT_TRUE(refuses(l, 5));
}

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(sizeof(int))];
};

static void message(struct msghdr *msg, union control *control,
		    struct iovec *byte)
{
	memset(msg, 0, sizeof(*msg));
	memset(control, 0, sizeof(*control));
	msg->msg_iov = byte;
	msg->msg_iovlen = 1;
	msg->msg_control = control;
	msg->msg_controllen = sizeof(*control);
}

static bool send_fd(int to, int fd)
{
	struct iovec byte = { .iov_base = "x", .iov_len = 1 };
	union control control;
	struct msghdr msg;

	message(&msg, &control, &byte);
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	return sendmsg(to, &msg, 0) == 1;
}

static int receive_fd(int from)
{
	union control control;
	struct msghdr msg;
	struct iovec byte;
	char c;
	int fd;

	byte.iov_base = &c;
	byte.iov_len = 1;
	message(&msg, &control, &byte);
	if (recvmsg(from, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* Whoever was sent the descriptor. */
TEST_F(attach, by_receiver)
{
	int step = 0, pair[2], l, new;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		new = receive_fd(pair[1]);
		WHO_STEP(new >= 0);
		WHO_STEP(!set_code(new, 6));
		WHO_STEP(refuses(new, 6));
		_exit(0);
	}
	l = parley_listener(HOST, PORT + 1, 5);
	ASSERT_LE(0, l);
	ASSERT_EQ(0, parley_nonblock(l, true));
	ASSERT_EQ(0, terms_set_stage(l, variant->stage));
	EXPECT_TRUE(accepts(l));
	ASSERT_TRUE(send_fd(pair[0], l));
	EXPECT_EQ(0, parley_reap(pid));
	EXPECT_TRUE(refuses(l, 6));
}

/* Listening again, with or without a stop in between, changes nothing. */
TEST_F(attach, listening_again)
{
	ASSERT_EQ(0, set_code(self->l, 1));
	ASSERT_EQ(0, listen(self->l, 20));
	EXPECT_TRUE(refuses(self->l, 1));
	ASSERT_EQ(0, shutdown(self->l, SHUT_RDWR));
	ASSERT_EQ(0, listen(self->l, 5));
	EXPECT_TRUE(refuses(self->l, 1));
	ASSERT_EQ(0, shutdown(self->l, SHUT_RDWR));
	ASSERT_EQ(0, set_code(self->l, 2));
	ASSERT_EQ(0, listen(self->l, 5));
	EXPECT_TRUE(refuses(self->l, 2));
	ASSERT_EQ(0, shutdown(self->l, SHUT_RDWR));
	ASSERT_EQ(0, filter_detach(self->l));
	ASSERT_EQ(0, listen(self->l, 5));
	EXPECT_TRUE(accepts(self->l));
}

/* A call that waits is judged by what there is when it is judged. */
TEST_F(attach, while_calls_wait)
{
	int one, two, new;

	one = parley_call(HOST, PORT);
	two = parley_call(HOST, PORT);
	ASSERT_LE(0, two);
	ASSERT_EQ(0, set_code(self->l, 9));
	new = test_accept(self->l, 0);
	if (variant->stage == PARLEY_STAGE_ARRIVAL) {
		ASSERT_LE(0, new);
		EXPECT_TRUE(parley_talks(one, new));
		return;
	}
	EXPECT_EQ(-EAGAIN, new);
	EXPECT_TRUE(decide_refused_is(one, PARLEY_REASON_FILTER, 9));
	EXPECT_TRUE(decide_refused_is(two, PARLEY_REASON_FILTER, 9));
	one = parley_call(HOST, PORT);
	ASSERT_LE(0, one);
	ASSERT_EQ(0, filter_detach(self->l));
	EXPECT_TRUE(decide_accepts(self->l, one));
}

/* Accepted sockets have no filter, and no lock. */
TEST_F(attach, not_inherited)
{
	struct rules_call c = { .terms.group = 1 };
	int fd, new;

	ASSERT_EQ(0, filter_set(self->l, C_LOAD(BPF_W, FILTER_AT(group) + 4),
				C_RET_A));
	ASSERT_EQ(0, filter_lock(self->l));
	ASSERT_EQ(-EINPROGRESS, rules_connect(self->l, &c, &fd));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_EQ(0, filter_len(new));
	EXPECT_EQ(2, filter_len(self->l));
	EXPECT_FALSE(is_locked(new));
	EXPECT_TRUE(is_locked(self->l));
	EXPECT_EQ(-ENOENT, filter_detach(new));
	EXPECT_EQ(0, filter_say(new, 0));
	EXPECT_EQ(1, filter_len(new));
	EXPECT_EQ(0, filter_detach(new));
	EXPECT_EQ(0, filter_lock(new));
	EXPECT_TRUE(parley_talks(fd, new));
	/* The listener's is still there. */
	c.terms.group = 0;
	EXPECT_EQ(PARLEY_REFUSE, filter_verdict(self->l, &c));
	c.terms.group = PARLEY_FILTER_DEFER;
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, &c));
}

FIXTURE(data) {
	int l;
	int fd[2];
};

/* A connection on which both ends have filters that refuse everything. */
FIXTURE_SETUP(data)
{
	int i;

	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 5);
	ASSERT_LE(0, self->l);
	self->fd[0] = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, self->fd[0]);
	/* That of a caller means nothing to its call. */
	ASSERT_EQ(0, filter_say(self->fd[0], 0));
	ASSERT_EQ(0, filter_lock(self->fd[0]));
	ASSERT_EQ(-EINPROGRESS, test_connect(self->fd[0], HOST, PORT));
	self->fd[1] = test_accept(self->l, 0);
	ASSERT_LE(0, self->fd[1]);
	ASSERT_EQ(0, filter_say(self->fd[1], 0));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(1, filter_len(self->fd[i]));
}

FIXTURE_TEARDOWN(data)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* What is sent is received whole. */
static bool carries(int from, int to, size_t len)
{
	static char sent[30000], got[30000];
	size_t at = 0;
	ssize_t n;

	terms_fill(sent, len, len);
	if (send(from, sent, len, MSG_NOSIGNAL) != (ssize_t)len)
		return false;
	while (at < len) {
		if (parley_wait(to, POLLIN) <= 0)
			return false;
		n = recv(to, got + at, sizeof(got) - at, MSG_DONTWAIT);
		if (n <= 0)
			return false;
		at += n;
	}
	return at == len && !memcmp(sent, got, len);
}

TEST_F(data, not_filtered)
{
	int i;

	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(carries(self->fd[i], self->fd[!i], 1));
		EXPECT_TRUE(carries(self->fd[i], self->fd[!i], 160));
		EXPECT_TRUE(carries(self->fd[i], self->fd[!i], 30000));
	}
	ASSERT_EQ(0, set_code(self->fd[1], 7));
	EXPECT_TRUE(carries(self->fd[0], self->fd[1], 500));
	EXPECT_EQ(0, filter_detach(self->fd[1]));
	EXPECT_TRUE(carries(self->fd[0], self->fd[1], 500));
}

TEST_F(data, ends_not_filtered)
{
	char c;

	ASSERT_EQ(0, shutdown(self->fd[0], SHUT_WR));
	EXPECT_LT(0, parley_wait(self->fd[1], POLLIN | POLLRDHUP));
	EXPECT_EQ(0, recv(self->fd[1], &c, 1, MSG_DONTWAIT));
	EXPECT_TRUE(carries(self->fd[1], self->fd[0], 100));
	close(self->fd[1]);
	EXPECT_LT(0, parley_wait(self->fd[0], POLLIN | POLLRDHUP));
	EXPECT_EQ(0, recv(self->fd[0], &c, 1, MSG_DONTWAIT));
}

/* The call of a socket that has a filter of its own is refused by others. */
TEST_F(data, callers_filter)
{
	int fd;

	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	ASSERT_EQ(0, set_code(self->l, 8));
	fd = parley_socket(0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, filter_say(fd, PARLEY_FILTER_DEFER));
	EXPECT_EQ(-ECONNREFUSED, test_connect(fd, HOST, PORT));
	EXPECT_EQ(PARLEY_REASON_FILTER, parley_reason(fd));
	/* Now it listens, and its filter is asked. */
	close(self->l);
	ASSERT_EQ(0, parley_bind(fd, HOST, PORT + 1));
	ASSERT_EQ(0, listen(fd, 5));
	ASSERT_EQ(0, parley_nonblock(fd, true));
	self->l = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, self->l);
	EXPECT_EQ(-EINPROGRESS, test_connect(self->l, HOST, PORT + 1));
	EXPECT_EQ(-EAGAIN, test_accept(fd, 0));
	EXPECT_TRUE(decide_backlog_is(fd, 0, 1, 0));
}

TEST_HARNESS_MAIN
