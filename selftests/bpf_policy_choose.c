// SPDX-License-Identifier: GPL-2.0
/*
 * PARLEY_POLICY and PARLEY_POLICY_LINK: who may choose which policy for which
 * sockets, and what each mistake is called.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <sched.h>

#include "lib_bpf_script.h"
#include "lib_who.h"

#define HOST	"127.0.0.1"
#define PORT	8520
#define NOBODY	65534

FIXTURE(choose) {
	struct policy p;
	struct script *s;
	int l;
};

FIXTURE_SETUP(choose)
{
	if (!policy_possible())
		SKIP(return, NO_POLICIES);
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, script_start(&self->p, NULL, &self->s));
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(choose)
{
	policy_end(&self->p);
	EXPECT_EQ(0, policy_expect_clean());
}

static int set(int fd, int name, const void *value, socklen_t len)
{
	return setsockopt(fd, SOL_PARLEY, name, value, len) ? -errno : 0;
}

TEST_F(choose, by_name)
{
	int fd = parley_socket(0);

	ASSERT_LE(0, fd);
	/* Neither bound nor listening. */
	EXPECT_TRUE(policy_chosen_is(fd, ""));
	EXPECT_EQ(0, policy_choose(fd, SCRIPT_NAME));
	EXPECT_TRUE(policy_chosen_is(fd, SCRIPT_NAME));
	ASSERT_EQ(0, parley_bind(fd, HOST, PORT + 1));
	EXPECT_TRUE(policy_chosen_is(fd, SCRIPT_NAME));
	EXPECT_EQ(0, policy_choose(fd, SCRIPT_NAME));
	ASSERT_EQ(0, listen(fd, 2));
	ASSERT_EQ(0, parley_nonblock(fd, true));
	EXPECT_TRUE(policy_chosen_is(fd, SCRIPT_NAME));
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(fd, NULL));
	/* None, and back, while it listens; others do not notice. */
	EXPECT_EQ(0, policy_choose(fd, ""));
	EXPECT_TRUE(policy_chosen_is(fd, ""));
	EXPECT_TRUE(filter_accepts(fd, NULL, PARLEY_BY_ACCEPT));
	EXPECT_EQ(0, policy_choose(fd, SCRIPT_NAME));
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(fd, NULL));
	EXPECT_TRUE(policy_chosen_is(self->l, ""));
	EXPECT_TRUE(filter_accepts(self->l, NULL, PARLEY_BY_ACCEPT));
	EXPECT_TRUE(script_ran(self->s, 2, 2, 2, 0));
}

/* With and without final zero bytes. */
TEST_F(choose, lengths)
{
	static const char name[PARLEY_POLICY_NAME_MAX + 1] = SCRIPT_NAME;
	static const char longest[] = "fifteen_letters";
	struct policy second;
	struct script *s;
	socklen_t len;

	for (len = strlen(name); len <= PARLEY_POLICY_NAME_MAX; len++) {
		EXPECT_EQ(0, set(self->l, PARLEY_POLICY, name, len));
		EXPECT_TRUE(policy_chosen_is(self->l, SCRIPT_NAME));
		EXPECT_EQ(0, set(self->l, PARLEY_POLICY, "", 1));
		EXPECT_TRUE(policy_chosen_is(self->l, ""));
	}
	EXPECT_EQ(0, set(self->l, PARLEY_POLICY, name, len - 1));
	EXPECT_EQ(-EMSGSIZE, set(self->l, PARLEY_POLICY, name, len));
	EXPECT_EQ(-EMSGSIZE, set(self->l, PARLEY_POLICY, name, 0x7fffffff));
	EXPECT_EQ(-EMSGSIZE, set(self->l, PARLEY_POLICY,
				 "sixteen_letters_", 16));
	EXPECT_EQ(-ENOENT, set(self->l, PARLEY_POLICY, name, 5));
	EXPECT_EQ(-ENOENT, policy_choose(self->l, "scripts"));
	EXPECT_EQ(-ENOENT, policy_choose(self->l, "Script"));
	EXPECT_TRUE(policy_chosen_is(self->l, SCRIPT_NAME));
	EXPECT_EQ(0, set(self->l, PARLEY_POLICY, NULL, 0));
	EXPECT_TRUE(policy_chosen_is(self->l, ""));

	ASSERT_EQ(0, script_start(&second, longest, &s));
	EXPECT_EQ(0, set(self->l, PARLEY_POLICY, longest, 15));
	EXPECT_TRUE(policy_chosen_is(self->l, longest));
	EXPECT_EQ(0, set(self->l, PARLEY_POLICY, longest, 16));
	policy_end(&second);
}

/* What comes after a zero byte was meant as something: it is not dropped. */
TEST_F(choose, zero_bytes)
{
	static const char behind[16] = SCRIPT_NAME "\0\0\0\0\0\0\0\0\0!";
	static const char padded[16] = SCRIPT_NAME;
	static const char none[16] = "";
	const int l = self->l;
	int i;

	for (i = 0; i < 2; i++) {
		const char *now = i ? SCRIPT_NAME : "";

		ASSERT_EQ(0, policy_choose(l, now));
		EXPECT_EQ(-EINVAL, set(l, PARLEY_POLICY, "\0script", 7));
		EXPECT_EQ(-EINVAL, set(l, PARLEY_POLICY, "\0script", 8));
		EXPECT_EQ(-EINVAL, set(l, PARLEY_POLICY, "\0x", 2));
		EXPECT_EQ(-EINVAL, set(l, PARLEY_POLICY, "a\0b", 3));
		EXPECT_EQ(-EINVAL, set(l, PARLEY_POLICY, "script\0x", 8));
		EXPECT_EQ(-EINVAL, set(l, PARLEY_POLICY, behind, 16));
		EXPECT_TRUE(policy_chosen_is(l, now));
		/* What is behind is not looked at if it was not given. */
		EXPECT_EQ(0, set(l, PARLEY_POLICY, behind, 15));
		EXPECT_TRUE(policy_chosen_is(l, SCRIPT_NAME));
	}
	EXPECT_EQ(0, set(l, PARLEY_POLICY, padded, 16));
	EXPECT_TRUE(policy_chosen_is(l, SCRIPT_NAME));
	EXPECT_EQ(0, set(l, PARLEY_POLICY, none, 16));
	EXPECT_TRUE(policy_chosen_is(l, ""));
}

/* A name is read whole or not at all. */
TEST_F(choose, rooms)
{
	char name[32];
	socklen_t len;
	int i, err;

	ASSERT_EQ(0, policy_choose(self->l, SCRIPT_NAME));
	for (i = 0; i < 20; i++) {
		memset(name, 0xee, sizeof(name));
		len = i;
		err = getsockopt(self->l, SOL_PARLEY, PARLEY_POLICY, name,
				 &len) ? -errno : 0;
		EXPECT_EQ(i < sizeof(SCRIPT_NAME) ? -ERANGE : 0, err);
		EXPECT_EQ(sizeof(SCRIPT_NAME), len);
		EXPECT_EQ(0xee, (unsigned char)name[err ? 0 : len]);
	}
	/* There is no getting a link. */
	len = sizeof(i);
	EXPECT_EQ(-1, getsockopt(self->l, SOL_PARLEY, PARLEY_POLICY_LINK, &i,
				 &len));
	EXPECT_EQ(ENOPROTOOPT, errno);
}

TEST_F(choose, bad_pointers)
{
	void *nowhere = (void *)8;
	socklen_t len = 16;

	EXPECT_EQ(-EFAULT, set(self->l, PARLEY_POLICY, nowhere, 6));
	EXPECT_EQ(-EFAULT, set(self->l, PARLEY_POLICY_LINK, nowhere, 4));
	EXPECT_EQ(-1, getsockopt(self->l, SOL_PARLEY, PARLEY_POLICY, nowhere,
				 &len));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, set(self->l, PARLEY_POLICY, nowhere, 0));
}

/* Who calls does not judge, and who was accepted neither. */
TEST_F(choose, other_sockets)
{
	int link = policy_link_fd(&self->p), fd, new;
	char name[16];
	socklen_t len = sizeof(name);

	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, policy_choose(fd, SCRIPT_NAME));
	EXPECT_EQ(-EINVAL, policy_choose(fd, ""));
	EXPECT_EQ(-EINVAL, policy_choose_link(fd, link));
	EXPECT_EQ(-1, getsockopt(fd, SOL_PARLEY, PARLEY_POLICY, name, &len));
	EXPECT_EQ(EINVAL, errno);
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_EQ(-EINVAL, policy_choose(fd, SCRIPT_NAME));
	EXPECT_EQ(-EINVAL, policy_choose_link(fd, link));
	EXPECT_EQ(-EINVAL, policy_choose(new, SCRIPT_NAME));
	EXPECT_EQ(-EINVAL, policy_choose_link(new, link));
	EXPECT_EQ(-1, getsockopt(fd, SOL_PARLEY, PARLEY_POLICY, name, &len));
	EXPECT_EQ(EINVAL, errno);
	/* A bad name is worse than a bad socket. */
	EXPECT_EQ(-ENOENT, policy_choose(new, "nosuch"));
}

/* Accepted sockets take over nothing of it. */
TEST_F(choose, accepted_have_none)
{
	char name[16];
	socklen_t len = sizeof(name);
	int fd, new;

	ASSERT_EQ(0, policy_choose_link(self->l, policy_link_fd(&self->p)));
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_EQ(-1, getsockopt(new, SOL_PARLEY, PARLEY_POLICY, name, &len));
	EXPECT_EQ(EINVAL, errno);
	policy_end(&self->p);
	EXPECT_EQ(1, policy_listed());
	ASSERT_EQ(0, close(self->l));
	/* The link goes with the listener, not with its connections. */
	EXPECT_TRUE(parley_until(!policy_listed()));
	EXPECT_TRUE(parley_talks(fd, new));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, close(new));
}

/* What @try says in a process that may do less; a step that fails is 100. */
static int as_somebody(int (*become)(void), int (*try)(int fd, long arg),
		       int fd, long arg)
{
	pid_t pid = parley_fork();

	if (pid)
		return pid < 0 ? pid : -parley_reap(pid);
	if (become())
		_exit(100);
	_exit(-try(fd, arg));
}

static int nobody(void)
{
	return setresgid(NOBODY, NOBODY, NOBODY) ||
	       setresuid(NOBODY, NOBODY, NOBODY);
}

/* All that root may do, but in namespaces of its own. */
static int owner(void)
{
	return nobody() || unshare(CLONE_NEWUSER | CLONE_NEWNET);
}

static int try_fresh(int fd, long name)
{
	int own = parley_socket(0);

	return own < 0 ? -99 : policy_choose(own, (const char *)name);
}

static int try_given(int fd, long name)
{
	return policy_choose(fd, (const char *)name);
}

static int try_link(int fd, long link)
{
	return policy_choose_link(fd, link);
}

static int try_fresh_link(int fd, long link)
{
	int own = parley_socket(0);

	return own < 0 ? -99 : policy_choose_link(own, link);
}

TEST_F(choose, permission)
{
	const long name = (long)SCRIPT_NAME, free = (long)"free";
	struct policy second;

	EXPECT_EQ(-EPERM, as_somebody(nobody, try_fresh, -1, name));
	EXPECT_EQ(-EPERM, as_somebody(owner, try_fresh, -1, name));
	/* It matters who asks, not who made the socket. */
	EXPECT_EQ(-EPERM, as_somebody(nobody, try_given, self->l, name));
	EXPECT_EQ(-EPERM, as_somebody(owner, try_given, self->l, name));
	EXPECT_EQ(-ENOENT, as_somebody(nobody, try_fresh, -1, (long)"none"));
	/* None is for everybody. */
	EXPECT_EQ(0, as_somebody(nobody, try_given, self->l, (long)""));
	EXPECT_EQ(0, as_somebody(owner, try_fresh, -1, (long)""));

	ASSERT_EQ(0, policy_open(&second, SCRIPT_FILE));
	ASSERT_EQ(0, policy_rename(&second, "free"));
	ASSERT_EQ(0, policy_flag(&second, PARLEY_POLICY_UNPRIVILEGED));
	ASSERT_EQ(0, policy_load(&second));
	ASSERT_EQ(0, policy_attach(&second));
	EXPECT_EQ(0, as_somebody(nobody, try_fresh, -1, free));
	EXPECT_EQ(0, as_somebody(owner, try_fresh, -1, free));
	EXPECT_EQ(0, as_somebody(nobody, try_given, self->l, free));
	EXPECT_TRUE(policy_chosen_is(self->l, "free"));
	policy_end(&second);
}

TEST_F(choose, by_link)
{
	int link = policy_link_fd(&self->p);
	int fd = parley_socket(0);

	/* The descriptor is all the permission that is needed. */
	EXPECT_EQ(0, as_somebody(nobody, try_link, self->l, link));
	EXPECT_TRUE(policy_chosen_is(self->l, SCRIPT_NAME));
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(self->l, NULL));
	EXPECT_EQ(0, as_somebody(owner, try_fresh_link, -1, link));
	/* Before listen(2) too. */
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, policy_choose_link(fd, link));
	EXPECT_TRUE(policy_chosen_is(fd, SCRIPT_NAME));
	ASSERT_EQ(0, parley_bind(fd, HOST, PORT + 1));
	ASSERT_EQ(0, listen(fd, 2));
	ASSERT_EQ(0, parley_nonblock(fd, true));
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(fd, NULL));
}

/* It stays as long as somebody listens with it. */
TEST_F(choose, link_pins)
{
	int fd;

	ASSERT_EQ(0, policy_choose_link(self->l, policy_link_fd(&self->p)));
	policy_end(&self->p);
	EXPECT_EQ(1, policy_listed());
	self->s->verdict = PARLEY_REFUSE;
	EXPECT_EQ(PARLEY_REFUSE, script_verdict(self->l, NULL));
	/* Also for those who chose it by name, and by way of a duplicate. */
	fd = parley_listener(HOST, PORT + 1, 2);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_nonblock(fd, true));
	ASSERT_EQ(0, policy_choose(fd, SCRIPT_NAME));
	EXPECT_EQ(PARLEY_REFUSE, script_verdict(fd, NULL));
	ASSERT_LE(0, dup2(self->l, 500));
	ASSERT_EQ(0, close(self->l));
	EXPECT_EQ(PARLEY_REFUSE, script_verdict(500, NULL));
	EXPECT_EQ(1, policy_listed());
	ASSERT_EQ(0, close(500));
	EXPECT_TRUE(parley_until(!policy_listed()));
	EXPECT_TRUE(filter_refuses(fd, NULL, PARLEY_REASON_POLICY_FAULT, 0, 0));
}

/* To choose the same by name is to let go of the link; likewise none. */
TEST_F(choose, link_let_go)
{
	int i;

	for (i = 0; i < 100; i++)
		ASSERT_EQ(0, policy_choose_link(self->l,
						policy_link_fd(&self->p)));
	ASSERT_EQ(0, policy_choose(self->l, SCRIPT_NAME));
	policy_end(&self->p);
	EXPECT_TRUE(parley_until(!policy_listed()));
	ASSERT_EQ(0, script_start(&self->p, NULL, &self->s));
	ASSERT_EQ(0, policy_choose_link(self->l, policy_link_fd(&self->p)));
	policy_end(&self->p);
	EXPECT_EQ(1, policy_listed());
	ASSERT_EQ(0, policy_choose(self->l, ""));
	EXPECT_TRUE(parley_until(!policy_listed()));
	EXPECT_TRUE(filter_accepts(self->l, NULL, PARLEY_BY_ACCEPT));
}

/* A link of another kind: a program at a cgroup. */
static int other_link(void)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	const struct bpf_insn insns[] = { E_SET(0, 1), E_EXIT };
	int program, cgroup, link;

	program = filter_load_type(BPF_PROG_TYPE_CGROUP_SKB, insns, 2);
	cgroup = open("/sys/fs/cgroup", O_RDONLY | O_CLOEXEC);
	link = bpf_link_create(program, cgroup, BPF_CGROUP_INET_INGRESS, &opts);
	close(program);
	close(cgroup);
	return link;
}

TEST_F(choose, no_links)
{
	struct bpf_program *program =
		bpf_object__find_program_by_name(self->p.object, "condition");
	const int map = bpf_map__fd(policy_ops_map(&self->p));
	int other = other_link(), file;

	ASSERT_NE(NULL, program);
	ASSERT_LE(0, other);
	file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, file);
	EXPECT_EQ(-EBADF, policy_choose_link(self->l, -1));
	EXPECT_EQ(-EBADF, policy_choose_link(self->l, 1000));
	EXPECT_EQ(-EBADF, policy_choose_link(self->l, 0x7fffffff));
	EXPECT_EQ(-EINVAL, policy_choose_link(self->l, file));
	EXPECT_EQ(-EINVAL, policy_choose_link(self->l, self->l));
	EXPECT_EQ(-EINVAL, policy_choose_link(self->l, other));
	EXPECT_EQ(-EINVAL, policy_choose_link(self->l,
					      bpf_program__fd(program)));
	EXPECT_EQ(-EINVAL, policy_choose_link(self->l, map));
	EXPECT_EQ(-EINVAL, set(self->l, PARLEY_POLICY_LINK, &other, 3));
	EXPECT_EQ(-EINVAL, set(self->l, PARLEY_POLICY_LINK, NULL, 0));
	EXPECT_TRUE(policy_chosen_is(self->l, ""));
	/* Nothing is held by having failed. */
	ASSERT_EQ(0, close(other));
}

TEST_HARNESS_MAIN
