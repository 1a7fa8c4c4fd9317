// SPDX-License-Identifier: GPL-2.0
/*
 * Where there can be no policies: kernels that let modules have none, and all
 * others when the module was stripped of its BTF. The options say so, nothing
 * loads, and everything else works.
 */
#include "kselftest_harness.h"

#include <fcntl.h>

#include "lib_bpf_script.h"
#include "lib_decide.h"

#define HOST	"127.0.0.1"
#define PORT	8640
#define MODULES	"/modules/"

static int module_load(const char *name)
{
	char path[64];
	int fd, err;

	snprintf(path, sizeof(path), MODULES "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return err;
}

/* Freed sockets and unloaded policies hold it until a bit later. */
static int module_unload(void)
{
	int err = -EBUSY;

	parley_until(!(err = syscall(SYS_delete_module, "parley", O_NONBLOCK) ?
			     -errno : 0) ||
		     (err != -EWOULDBLOCK && err != -EBUSY));
	return err;
}

FIXTURE(absent) {
	bool swapped;
	int l;
};

FIXTURE_SETUP(absent)
{
	ASSERT_EQ(0, parley_ns_enter());
	/* Where policies are possible, it is the module that cannot. */
	if (policy_possible()) {
		ASSERT_EQ(0, module_unload());
		self->swapped = true;
		ASSERT_EQ(0, module_load("parley_nobtf.ko")) {
			module_load("parley.ko");
		}
	}
	self->l = parley_listener(HOST, PORT, 4);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(absent)
{
	EXPECT_EQ(0, policy_expect_clean());
	if (self->swapped) {
		EXPECT_EQ(0, module_unload());
		EXPECT_EQ(0, module_load("parley.ko"));
		EXPECT_TRUE(policy_possible());
	}
}

static int get(int fd, int name)
{
	char value[PARLEY_POLICY_NAME_MAX];
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_PARLEY, name, value, &len) ? -errno : 0;
}

static int set(int fd, int name, const void *value, socklen_t len)
{
	return setsockopt(fd, SOL_PARLEY, name, value, len) ? -errno : 0;
}

/* Nothing is said about values for an option that is not there. */
TEST_F(absent, bad_values)
{
	static const int names[] = { PARLEY_POLICY, PARLEY_POLICY_LINK };
	void *nowhere = (void *)8;
	static const char text[32] = "\0a";
	socklen_t len;
	size_t i;

	for (i = 0; i < 2; i++) {
		for (len = 0; len <= sizeof(text); len++)
			EXPECT_EQ(-ENOPROTOOPT, set(self->l, names[i], text,
						    len));
		EXPECT_EQ(-ENOPROTOOPT, set(self->l, names[i], NULL, 0));
		EXPECT_EQ(-ENOPROTOOPT, set(self->l, names[i], NULL, 3));
		EXPECT_EQ(-ENOPROTOOPT, set(self->l, names[i], NULL, 4));
		EXPECT_EQ(-ENOPROTOOPT, set(self->l, names[i], nowhere, 4));
	}
}

TEST_F(absent, options)
{
	int fd = parley_socket(0), call;

	ASSERT_LE(0, fd);
	call = parley_call(HOST, PORT);
	ASSERT_LE(0, call);
	EXPECT_EQ(-ENOPROTOOPT, get(self->l, PARLEY_POLICY));
	EXPECT_EQ(-ENOPROTOOPT, get(fd, PARLEY_POLICY));
	EXPECT_EQ(-ENOPROTOOPT, get(call, PARLEY_POLICY));
	EXPECT_EQ(-ENOPROTOOPT, get(self->l, PARLEY_POLICY_LINK));
	EXPECT_EQ(-ENOPROTOOPT, policy_choose(self->l, SCRIPT_NAME));
	EXPECT_EQ(-ENOPROTOOPT, policy_choose(self->l, ""));
	EXPECT_EQ(-ENOPROTOOPT, policy_choose(self->l,
					      "a name that is too long"));
	EXPECT_EQ(-ENOPROTOOPT, policy_choose_link(self->l, -1));
	EXPECT_EQ(-ENOPROTOOPT, policy_choose_link(self->l, self->l));
	EXPECT_EQ(-ENOPROTOOPT, policy_choose(call, SCRIPT_NAME));
}

TEST_F(absent, nothing_loads)
{
	static const char *const files[] = {
		SCRIPT_FILE, "bpf_policy_least.bpf.o",
	};
	struct policy p;
	size_t i;

	EXPECT_EQ(0, policy_listed());
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_EQ(0, policy_open(&p, files[i]));
		policy_log_quiet(true);
		EXPECT_GT(0, policy_load(&p));
		policy_log_quiet(false);
		policy_end(&p);
	}
	EXPECT_EQ(0, policy_listed());
}

/* Calls, rules, filters of both kinds, deciders. */
TEST_F(absent, all_else_works)
{
	const struct filter_answer a = { .ret = PARLEY_FILTER_REFUSE,
					 .cb = { 5, 6 } };
	long long id;
	int fd;

	EXPECT_TRUE(filter_accepts(self->l, NULL, PARLEY_BY_ACCEPT));
	ASSERT_EQ(0, filter_say(self->l, PARLEY_FILTER_DEFER));
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, NULL));
	ASSERT_EQ(0, filter_say(self->l, PARLEY_FILTER_ACCEPT));
	EXPECT_EQ(PARLEY_ACCEPT, filter_verdict(self->l, NULL));
	ASSERT_EQ(0, filter_set_answer(self->l, &a));
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_FILTER, 5, 6));
	ASSERT_EQ(0, filter_detach(self->l));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_REFUSE));
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_RULE, 0, 0));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_ACCEPT));
	id = decide_offer(self->l, &fd);
	ASSERT_LT(0, id);
	ASSERT_EQ(0, decide_call(self->l, id, PARLEY_ACCEPT, 0));
	EXPECT_TRUE(decide_accepts(self->l, fd));
}

TEST_HARNESS_MAIN
