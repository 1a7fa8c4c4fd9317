// SPDX-License-Identifier: GPL-2.0
/*
 * Sockets that were made by one process and are used by another one, which got
 * them through a UNIX socket: of another user, from another user namespace,
 * network namespace or pid namespace. A listener gives all that it can do; people
 * are named by the names that the reader has for them; and a call is made by who
 * calls connect(2), whatever the socket went through before.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib_decide.h"
#include "lib_filter.h"
#include "lib_who.h"

#define HOST	"127.0.0.1"
#define PORT	8790
#define USER	1234
#define OTHER	1235

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD	77
#endif

/* What a program is told by who runs it: the descriptor to call with. */
#define PROGRAM	"PARLEY_PASSED_FD"

static const gid_t groups[] = { 21, 22 };

FIXTURE(passed) {
	int l;
	int way[2];
	long nobody;
	long nogroup;
	struct parley_gate done;
};

/**
 * struct _fixture_variant_passed - who gets a listener
 * @flags: namespaces of its own
 * @uid: user, as it is before
 * @maps: whether it has the others' users by the same names
 */
FIXTURE_VARIANT(passed) {
	int flags;
	uid_t uid;
	bool maps;
};

FIXTURE_VARIANT_ADD(passed, same_user) { .maps = true };

FIXTURE_VARIANT_ADD(passed, other_user) { .uid = USER, .maps = true };

FIXTURE_VARIANT_ADD(passed, other_netns) {
	.flags = CLONE_NEWNET, .maps = true,
};

FIXTURE_VARIANT_ADD(passed, other_userns) {
	.flags = CLONE_NEWUSER, .uid = USER,
};

FIXTURE_VARIANT_ADD(passed, container) {
	.flags = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID, .uid = USER,
};

FIXTURE_SETUP(passed)
{
	self->nobody = parley_sysctl_read("../kernel/overflowuid");
	self->nogroup = parley_sysctl_read("../kernel/overflowgid");
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, setgroups(ARRAY_SIZE(groups), groups));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				self->way));
	ASSERT_EQ(0, parley_gate_init(&self->done));
	self->l = -1;
}

FIXTURE_TEARDOWN(passed)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int listens(void)
{
	int l = parley_listener(HOST, PORT, 10);

	return l < 0 ? l : parley_nonblock(l, true) ?: l;
}

/*
 * Becomes who gets the listener; in a pid namespace that is its first process,
 * and the one before it only tells how that ended.
 */
static bool become(uid_t uid, int flags)
{
	int status;
	pid_t pid;

	if (uid && (setgroups(0, NULL) || setresgid(uid, uid, uid) ||
		    setresuid(uid, uid, uid)))
		return false;
	if (unshare(flags))
		return false;
	if (!(flags & CLONE_NEWPID))
		return true;
	pid = fork();
	if (pid) {
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			_exit(200);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 201);
	}
	return !prctl(PR_SET_PDEATHSIG, SIGKILL) && getpid() == 1;
}

/*
 * Forks the receiver, which is given the listener; in it 0 is returned. The
 * descriptor that it inherits is not the one that it uses.
 */
static pid_t receiver_fork(int *l, int way[2], uid_t uid, int flags)
{
	int step = 100, err;
	pid_t pid;

	*l = listens();
	pid = *l < 0 ? *l : parley_fork();
	if (pid < 0)
		return pid;
	if (pid) {
		err = who_send_fd(way[0], *l);
		return err ? err : pid;
	}
	close(*l);
	WHO_STEP(become(uid, flags));
	*l = who_receive_fd(way[1]);
	WHO_STEP(*l >= 0);
	return 0;
}

#define RECEIVER()							\
	receiver_fork(&self->l, self->way, variant->uid, variant->flags)

/* All that holders of a listener may do. */
TEST_F(passed, decides)
{
	struct rules *t = rules_new();
	struct parley_call_info info;
	long long id[3];
	int fd[3], i, new, step = 0;
	pid_t pid;

	ASSERT_NE(NULL, t);
	pid = RECEIVER();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(!parley_gate_wait(&self->done));
		for (i = 0; i < 3; i++) {
			id[i] = decide_next_id(self->l, 0);
			WHO_STEP(id[i] > 0);
		}
		WHO_STEP(!decide_refuse(self->l, id[0], 7, 0, "no"));
		WHO_STEP(!decide_call(self->l, id[1], PARLEY_DEFER, 0));
		WHO_STEP(decide_review(self->l) == 1);
		WHO_STEP(!decide_accept(self->l, id[2], 0, "yes"));
		new = test_accept(self->l, 0);
		WHO_STEP(new >= 0 && !terms_info(new, &info));
		WHO_STEP(info.id == (__u64)id[2]);
		WHO_STEP(send(new, "x", 1, 0) == 1);
		/* From now on all of them. */
		rules_refuse(t, 8);
		WHO_STEP(!rules_set(self->l, t) && rules_is(self->l, t));
		WHO_STEP(!filter_say(self->l, 1) && !filter_detach(self->l));
		WHO_STEP(!listen(self->l, 3) && parley_limit(self->l) == 3);
		WHO_STEP(!terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
		_exit(0);
	}
	for (i = 0; i < 3; i++) {
		fd[i] = parley_call(HOST, PORT);
		ASSERT_LE(0, fd[i]);
	}
	ASSERT_EQ(0, parley_gate_open(&self->done));
	EXPECT_EQ(0, parley_reap(pid));
	EXPECT_TRUE(decide_refused_is(fd[0], PARLEY_REASON_SERVER, 7));
	EXPECT_TRUE(terms_reply_is(fd[2], "yes", 3));
	EXPECT_EQ(POLLIN, parley_wait(fd[2], POLLIN) & POLLIN);
	fd[2] = parley_socket(0);
	EXPECT_EQ(-ECONNREFUSED, test_connect(fd[2], HOST, PORT));
	EXPECT_EQ(PARLEY_REASON_RULE, parley_reason(fd[2]));
	/* The one that was reviewed is judged by them, too. */
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_refused_is(fd[1], PARLEY_REASON_RULE, 8));
}

/*
 * The pidfd of the peer, while that lives: as /proc has it, which here is that of
 * the outermost pid namespace. Who does not see the process is given one all the
 * same, but cannot signal it; that is the core's doing.
 */
static pid_t pidfd_peer(int fd)
{
	socklen_t len = sizeof(int);
	char path[64], line[64];
	int pidfd, pid = -1;
	FILE *f;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len))
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Pid: %d", &pid) == 1)
			break;
	if (f)
		fclose(f);
	close(pidfd);
	return pid;
}

/* All that tell who called say the same, in the names of who reads it. */
TEST_F(passed, identities)
{
	struct who w = { .groups = ARRAY_SIZE(groups) };
	gid_t seen[ARRAY_SIZE(groups)];
	bool same = variant->maps;
	struct parley_call_info info;
	int fd, i, new, step = 0;
	pid_t pid, told, caller = getpid();

	w.uid = same ? 0 : self->nobody;
	w.gid = same ? 0 : self->nogroup;
	for (i = 0; i < w.groups; i++)
		seen[i] = same ? groups[i] : self->nogroup;
	w.group = seen;
	w.pid = variant->flags & CLONE_NEWPID ? 0 : getpid();
	pid = RECEIVER();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(!parley_gate_wait(&self->done));
		WHO_STEP(who_offers_is(self->l, &w));
		new = test_accept(self->l, 0);
		WHO_STEP(new >= 0);
		WHO_STEP(who_called_is(new, &w));
		WHO_STEP(!terms_info(new, &info));
		told = pidfd_peer(new);
		WHO_STEP(told == -ENOPROTOOPT || told == caller);
		_exit(0);
	}
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_gate_open(&self->done));
	EXPECT_EQ(0, parley_reap(pid));
}

/* A listener is where it was made, wherever it is used. */
TEST_F(passed, network_namespace)
{
	char big[600] = "";
	long long id;
	int fd, step = 0;
	pid_t pid;

	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data", 500));
	pid = RECEIVER();
	ASSERT_LE(0, pid);
	if (!pid) {
		struct parley_decision d = {
			.verdict = PARLEY_REFUSE, .reply = (uintptr_t)big,
			.reply_len = sizeof(big),
		};

		WHO_STEP(!parley_gate_wait(&self->done));
		id = decide_next_id(self->l, 0);
		WHO_STEP(id > 0);
		d.id = id;
		WHO_STEP(decide(self->l, &d) == -EMSGSIZE);
		WHO_STEP(terms_set_reply(self->l, big, sizeof(big)) ==
			 -EMSGSIZE);
		d.reply_len = 500;
		WHO_STEP(!decide(self->l, &d));
		/* Nor are those who are elsewhere nearer to it. */
		if (variant->flags & CLONE_NEWNET) {
			fd = parley_socket(0);
			WHO_STEP(fd >= 0);
			step++;
			if (test_connect(fd, HOST, PORT) != -ENETUNREACH &&
			    parley_reason(fd) != PARLEY_REASON_NO_LISTENER)
				_exit(step);
		}
		_exit(0);
	}
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_gate_open(&self->done));
	EXPECT_EQ(0, parley_reap(pid));
	EXPECT_TRUE(decide_refused_is(fd, PARLEY_REASON_SERVER, 0));
}

/* What one has locked no other can change, root or not, by no descriptor. */
TEST_F(passed, locked)
{
	int step = 0, more, program;
	pid_t pid;

	pid = RECEIVER();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(!parley_gate_wait(&self->done));
		more = dup(self->l);
		WHO_STEP(more >= 0);
		WHO_STEP(filter_say(more, 1) == -EPERM);
		WHO_STEP(filter_detach(self->l) == -EPERM);
		WHO_STEP(parley_set_sockopt(more, SOL_SOCKET, SO_LOCK_FILTER,
					    0) == -EPERM);
		program = who_receive_fd(self->way[1]);
		WHO_STEP(program >= 0);
		WHO_STEP(filter_attach_bpf(self->l, program) == -EPERM);
		WHO_STEP(filter_len(self->l) == 1);
		WHO_STEP(filter_verdict(self->l, NULL) == PARLEY_REFUSE ||
			 variant->flags & CLONE_NEWNET);
		_exit(0);
	}
	ASSERT_EQ(0, filter_say(self->l, PARLEY_FILTER_REFUSE));
	ASSERT_EQ(0, filter_lock(self->l));
	program = filter_program(E_SET(0, 1), E_EXIT);
	ASSERT_LE(0, program);
	ASSERT_EQ(0, parley_gate_open(&self->done));
	ASSERT_EQ(0, who_send_fd(self->way[0], program));
	EXPECT_EQ(0, parley_reap(pid));
	EXPECT_EQ(-EPERM, filter_detach(self->l));
	EXPECT_EQ(PARLEY_REFUSE, filter_verdict(self->l, NULL));
}

/* Callers */

FIXTURE(caller) {
	int l;
	int way[2];
};

FIXTURE_SETUP(caller)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, setgroups(0, NULL));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				self->way));
	self->l = listens();
	ASSERT_LE(0, self->l);
}

FIXTURE_TEARDOWN(caller)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static bool be_user(uid_t uid)
{
	return !setresgid(uid, uid, uid) && !setresuid(uid, uid, uid);
}

static int cookie(int fd, __u64 *value)
{
	socklen_t len = sizeof(*value);

	return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, value, &len) ?
	       -errno : 0;
}

/*
 * Whoever connects a socket calls, from where the socket is, and says what was
 * put there by others.
 */
TEST_F(caller, of_another_process)
{
	const struct terms t = { .data = "said before", .len = 12, .group = 9 };
	struct who w = { .uid = USER, .gid = USER };
	struct parley_call_info info;
	int fd, new, step = 0;
	__u64 here, from;
	pid_t pid;

	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(be_user(USER) &&
			 !unshare(CLONE_NEWUSER | CLONE_NEWNET));
		fd = who_receive_fd(self->way[1]);
		WHO_STEP(fd >= 0);
		/* It can see that, and say something else. */
		WHO_STEP(terms_data_is(fd, t.data, t.len));
		WHO_STEP(!parley_nonblock(fd, true));
		WHO_STEP(test_connect(fd, HOST, PORT) == -EINPROGRESS);
		_exit(0);
	}
	fd = parley_socket(0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, terms_apply(fd, &t));
	ASSERT_EQ(0, who_send_fd(self->way[0], fd));
	ASSERT_EQ(0, parley_reap(pid));
	w.pid = pid;
	EXPECT_TRUE(who_offers_is(self->l, &w));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(who_called_is(new, &w));
	EXPECT_TRUE(terms_data_is(new, t.data, t.len));
	ASSERT_EQ(0, terms_info(new, &info));
	ASSERT_EQ(0, cookie(self->l, &here));
	ASSERT_EQ(0, cookie(fd, &from));
	EXPECT_EQ(here, from);
	EXPECT_EQ(here, info.netns_cookie);
	EXPECT_TRUE(parley_talks(fd, new));
}

/* The end that was accepted tells what it told, whoever has it now. */
TEST_F(caller, accepted_is_passed)
{
	struct who w = { 0, 0, getpid(), 0, NULL }, u;
	int fd, new, step = 0;
	pid_t pid;

	u = w;
	u.uid = parley_sysctl_read("../kernel/overflowuid");
	u.gid = parley_sysctl_read("../kernel/overflowgid");
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		new = who_receive_fd(self->way[1]);
		WHO_STEP(new >= 0 && be_user(USER) && who_called_is(new, &w));
		WHO_STEP(!unshare(CLONE_NEWUSER) && who_called_is(new, &u));
		_exit(0);
	}
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	ASSERT_EQ(0, who_send_fd(self->way[0], new));
	EXPECT_EQ(0, parley_reap(pid));
}

/* The process has gone, and another one may have its number: no pidfd. */
TEST_F(caller, pidfd_of_the_dead)
{
	struct parley_gate end;
	int new, fd, step = 0;
	pid_t pid;

	ASSERT_EQ(0, parley_gate_init(&end));
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(parley_call(HOST, PORT) >= 0);
		WHO_STEP(!parley_gate_wait(&end));
		_exit(0);
	}
	ASSERT_EQ(POLLIN, parley_wait(self->l, POLLIN));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	fd = pidfd_peer(new);
	EXPECT_TRUE(fd == pid || fd == -ENOPROTOOPT);
	ASSERT_EQ(0, parley_gate_open(&end));
	EXPECT_EQ(0, parley_reap(pid));
	fd = pidfd_peer(new);
	EXPECT_TRUE(fd == -EINVAL || fd == -ESRCH || fd == -ENOPROTOOPT)
		TH_LOG("%d", fd);
	/* A pair is its own process; who never had a peer has no pidfd. */
	EXPECT_GT(0, pidfd_peer(parley_socket(0)));
	EXPECT_GT(0, pidfd_peer(self->l));
}

/* Run as a program of its own, see below: calls, and calls again as who ran it. */
__attribute__((constructor)) static void program(void)
{
	const char *fds = getenv(PROGRAM);
	int fd[2];

	if (!fds)
		return;
	if (sscanf(fds, "%d %d", &fd[0], &fd[1]) != 2)
		_exit(1);
	if (test_connect(fd[0], HOST, PORT) != -EINPROGRESS)
		_exit(2);
	if (setresuid(getuid(), getuid(), getuid()))
		_exit(3);
	if (test_connect(fd[1], HOST, PORT) != -EINPROGRESS)
		_exit(4);
	_exit(0);
}

/* A copy of this program, that runs as another user whoever runs it. */
static int make_setuid(const char *path, uid_t uid)
{
	char buf[65536];
	ssize_t n = 0;
	int from, to;

	from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	if (from < 0 || to < 0)
		return -errno;
	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(to, buf, n) != n)
			return -EIO;
	if (n || fchown(to, uid, uid) || fchmod(to, 04755))
		return -errno;
	close(from);
	close(to);
	return 0;
}

/* It is the effective user that counts, and when. */
TEST_F(caller, setuid_program)
{
	struct who w[3] = {
		{ .uid = USER, .gid = USER }, { .uid = OTHER, .gid = USER },
		{ .uid = USER, .gid = USER },
	};
	char path[] = "/tmp/parley-passed-XXXXXX", text[32];
	int fd[3], i, new, step = 0;
	pid_t pid;

	ASSERT_NE(NULL, mkdtemp(path));
	ASSERT_EQ(0, chmod(path, 0755));
	ASSERT_EQ(0, chdir(path));
	ASSERT_EQ(0, make_setuid("program", OTHER));
	for (i = 0; i < 3; i++) {
		fd[i] = socket(AF_PARLEY, SOCK_STREAM | SOCK_NONBLOCK, 0);
		ASSERT_LE(0, fd[i]);
	}
	snprintf(text, sizeof(text), "%d %d", fd[1], fd[2]);
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		WHO_STEP(be_user(USER));
		/* A call that was made before is not made once more. */
		WHO_STEP(test_connect(fd[0], HOST, PORT) == -EINPROGRESS);
		WHO_STEP(!setenv(PROGRAM, text, 1));
		execl("./program", "program", NULL);
		_exit(99);
	}
	EXPECT_EQ(0, parley_reap(pid));
	for (i = 0; i < 3; i++) {
		w[i].pid = pid;
		EXPECT_TRUE(who_offers_is(self->l, &w[i])) TH_LOG("%d", i);
		new = test_accept(self->l, 0);
		ASSERT_LE(0, new);
		EXPECT_TRUE(who_called_is(new, &w[i])) TH_LOG("%d", i);
	}
	EXPECT_EQ(0, unlink("program"));
	EXPECT_EQ(0, chdir("/tmp"));
	EXPECT_EQ(0, rmdir(path));
}

TEST_HARNESS_MAIN
