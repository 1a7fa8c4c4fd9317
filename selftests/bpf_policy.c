// SPDX-License-Identifier: GPL-2.0
/*
 * How struct_ops policies come and go: which are taken, what they are called,
 * by what they are held, and what /proc/net/parley_policies says.
 */
#include "kselftest_harness.h"

#include <fcntl.h>

#include "lib_bpf_script.h"

#define HOST	"127.0.0.1"
#define PORT	8500
#define LEAST	"bpf_policy_least.bpf.o"	/* loads fast */
#define PINNED	"/sys/fs/bpf/parley_policy_test"

FIXTURE(policy) {
	struct policy p;
	struct script *s;
	int l;
};

FIXTURE_SETUP(policy)
{
	if (!policy_possible())
		SKIP(return, NO_POLICIES);
	ASSERT_EQ(0, parley_ns_enter());
	unlink(PINNED);
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(policy)
{
	policy_end(&self->p);
	unlink(PINNED);
	EXPECT_EQ(0, policy_expect_clean());
}

TEST_F(policy, is_listed)
{
	struct policy second;
	struct script *s;

	EXPECT_EQ(0, policy_listed());
	ASSERT_EQ(0, script_start(&self->p, NULL, &self->s));
	EXPECT_EQ(1, policy_listed());
	EXPECT_TRUE(policy_lists("script 0x0 link"));
	ASSERT_EQ(0, script_start(&second, "second", &s));
	EXPECT_EQ(2, policy_listed());
	EXPECT_TRUE(policy_lists("second 0x0 link"));
	policy_end(&self->p);
	EXPECT_EQ(1, policy_listed());
	EXPECT_TRUE(policy_lists("second 0x0 link"));
	policy_end(&second);
	EXPECT_EQ(0, policy_listed());
}

/* Loads one of this name: 0 or an error; it is gone again afterwards. */
static int try_name(const char *name, unsigned int flags)
{
	struct policy p;
	int err;

	err = policy_open(&p, LEAST);
	if (err)
		return err;
	policy_log_quiet(true);
	err = policy_rename(&p, name) ?: policy_flag(&p, flags) ?:
	      policy_load(&p) ?: policy_attach(&p);
	policy_log_quiet(false);
	policy_end(&p);
	return err;
}

TEST_F(policy, names)
{
	static const char *const good[] = {
		"a", "az.AZ-09_", "fifteen_letters",
	};
	static const char *const bad[] = {
		"", "sixteen_letters_", " ", "a\n", "\x7f", "\xc3\xa4",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		EXPECT_EQ(0, try_name(good[i], 0))
			TH_LOG("name %zu", i);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, try_name(bad[i], 0))
			TH_LOG("name %zu", i);
}

/* All characters: letters, digits, and three more. */
TEST_F(policy, name_characters)
{
	static const char edges[] = "!,/:@[`{";
	char name[] = "x?x";
	size_t i;

	for (i = 0; edges[i]; i++) {
		name[1] = edges[i];
		EXPECT_EQ(-EINVAL, try_name(name, 0))
			TH_LOG("name %s", name);
	}
}

TEST_F(policy, flags)
{
	unsigned int flag;

	EXPECT_EQ(0, try_name("flagged", PARLEY_POLICY_UNPRIVILEGED));
	for (flag = 2; flag; flag <<= 10)
		EXPECT_EQ(-EINVAL, try_name("flagged", flag))
			TH_LOG("flag %#x", flag);
	EXPECT_EQ(-EINVAL, try_name("flagged", ~0U));
	ASSERT_EQ(0, policy_open(&self->p, SCRIPT_FILE));
	ASSERT_EQ(0, policy_flag(&self->p, PARLEY_POLICY_UNPRIVILEGED));
	ASSERT_EQ(0, policy_load(&self->p));
	ASSERT_EQ(0, policy_attach(&self->p));
	EXPECT_TRUE(policy_lists("script 0x1 link"));
}

TEST_F(policy, one_of_a_name)
{
	struct policy second;

	ASSERT_EQ(0, script_start(&self->p, NULL, &self->s));
	ASSERT_EQ(0, policy_open(&second, SCRIPT_FILE));
	ASSERT_EQ(0, policy_load(&second));
	EXPECT_EQ(1, policy_listed());
	EXPECT_EQ(-EEXIST, policy_attach(&second));
	EXPECT_EQ(1, policy_listed());
	/* Names differ by case. */
	EXPECT_EQ(0, try_name("Script", 0));
	EXPECT_EQ(0, try_name("scrip", 0));
	policy_end(&self->p);
	EXPECT_EQ(0, policy_attach(&second));
	EXPECT_TRUE(policy_lists("script 0x0 link"));
	policy_end(&second);
}

/* Leaves programs out: of an object only those that its policy names. */
static int try_without(const char *program)
{
	struct policy p;
	int err;

	err = policy_start(&p, program, NULL);
	policy_end(&p);
	return err;
}

/* A policy may have nothing but a condition, but must have that. */
TEST_F(policy, missing_programs)
{
	EXPECT_EQ(0, try_without(LEAST));
	policy_log_quiet(true);
	EXPECT_EQ(-EINVAL, try_without("bpf_policy_none.bpf.o"));
	policy_log_quiet(false);
	EXPECT_EQ(0, policy_listed());
}

/* Without a link: by writing to the map, until its element is deleted. */
TEST_F(policy, by_a_map)
{
	const __u32 zero = 0;
	struct policy second;
	struct bpf_map *map;
	int fd;

	ASSERT_EQ(0, policy_open(&self->p, SCRIPT_FILE));
	map = policy_ops_map(&self->p);
	ASSERT_NE(NULL, map);
	ASSERT_EQ(0, bpf_map__set_map_flags(map, bpf_map__map_flags(map) &
					    ~BPF_F_LINK));
	ASSERT_EQ(0, policy_load(&self->p));
	EXPECT_EQ(0, policy_listed());
	ASSERT_EQ(0, policy_attach(&self->p));
	EXPECT_TRUE(policy_lists("script 0x0 map"));
	self->s = policy_variables(&self->p, sizeof(*self->s));
	ASSERT_NE(NULL, self->s);

	ASSERT_EQ(0, policy_choose(self->l, SCRIPT_NAME));
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(self->l, NULL));
	self->s->verdict = PARLEY_REFUSE;
	EXPECT_EQ(PARLEY_REFUSE, script_verdict(self->l, NULL));

	/* A map is no link. */
	fd = bpf_map__fd(map);
	EXPECT_EQ(-EINVAL, policy_choose_link(self->l, fd));
	policy_log_quiet(true);
	EXPECT_EQ(-EEXIST, policy_start(&second, SCRIPT_FILE, NULL));
	policy_log_quiet(false);

	ASSERT_EQ(0, bpf_map_delete_elem(fd, &zero));
	EXPECT_EQ(0, policy_listed());
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_POLICY_FAULT,
				   0, 0));
	EXPECT_TRUE(script_ran(self->s, 2, 1, 1, 0));
}

/* A link that is pinned needs no process. */
TEST_F(policy, pinned)
{
	int fd;

	ASSERT_EQ(0, script_start(&self->p, NULL, &self->s));
	ASSERT_EQ(0, bpf_obj_pin(policy_link_fd(&self->p), PINNED));
	policy_end(&self->p);
	EXPECT_TRUE(policy_lists("script 0x0 link"));
	ASSERT_EQ(0, policy_choose(self->l, SCRIPT_NAME));
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(self->l, NULL));
	fd = bpf_obj_get(PINNED);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, policy_choose_link(self->l, fd));
	ASSERT_EQ(0, policy_choose(self->l, ""));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(1, policy_listed());
	ASSERT_EQ(0, unlink(PINNED));
	EXPECT_TRUE(parley_until(!policy_listed()));
}

static int module_unload(void)
{
	return syscall(SYS_delete_module, "parley", O_NONBLOCK) ? -errno : 0;
}

/* Its programs are called by the module, which has to stay. */
TEST_F(policy, holds_the_module)
{
	ASSERT_EQ(0, close(self->l));
	ASSERT_TRUE(parley_until(!parley_proto_sockets()));
	ASSERT_EQ(0, script_start(&self->p, NULL, &self->s));
	EXPECT_EQ(-EWOULDBLOCK, module_unload());
	ASSERT_EQ(0, bpf_link__pin(self->p.link, PINNED));
	policy_end(&self->p);
	EXPECT_EQ(-EWOULDBLOCK, module_unload());
	EXPECT_TRUE(policy_lists("script 0x0 link"));
}

TEST_HARNESS_MAIN
