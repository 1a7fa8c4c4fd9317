// SPDX-License-Identifier: GPL-2.0
/*
 * parleyctl policy: loads policies that then judge, replaces them while there
 * are calls, shows and unloads them; and what it must not do, nothing is left
 * of. PARLEYCTL says where the program is, if it is not in /bin.
 */
#include "kselftest_harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib_bpf.h"
#include "lib_decide.h"
#include "lib_filter.h"
#include "lib_terms.h"

#define HOST		"127.0.0.1"
#define PORT		8660
#define PINS		"/sys/fs/bpf/parley"
#define OTHER_UID	1000
#define LOADERS		4
#define ARGS_MAX	16

/* What parleyctl printed, both to its output and its errors. */
static char said[16384];

/* Who is to run it. */
static uid_t ctl_uid;

/* Starts parleyctl, which prints to @out; its process or a negative errno. */
static pid_t start_ctl(int out, const char *const *args)
{
	const char *path = getenv("PARLEYCTL") ?: "/bin/parleyctl";
	const char *argv[ARGS_MAX] = { path };
	int i, null;
	pid_t pid;

	pid = parley_fork();
	if (pid)
		return pid;
	for (i = 0; args[i] && i < ARGS_MAX - 2; i++)
		argv[i + 1] = args[i];
	if (ctl_uid && setresuid(ctl_uid, ctl_uid, ctl_uid))
		_exit(126);
	null = open("/dev/null", O_RDONLY);
	if (null >= 0 && dup2(null, 0) == 0 && dup2(out, 1) == 1 &&
	    dup2(out, 2) == 2)
		execv(path, (char **)argv);
	_exit(127);
}

/* Its exit status, or a negative errno; said[] is what it printed. */
static int run_ctl(const char *const *args)
{
	int fd = memfd_create("output", MFD_CLOEXEC), ret;
	ssize_t n;

	if (fd < 0)
		return -errno;
	ret = start_ctl(fd, args);
	if (ret > 0)
		ret = parley_reap(ret);
	n = pread(fd, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	close(fd);
	return ret;
}

#define ctl(...)							\
	run_ctl((const char *const []){ __VA_ARGS__, NULL })
#define policy_ctl(...)	ctl("policy", __VA_ARGS__)

/* @file is one of those that policy_open() finds, too. */
static const char *object(const char *file)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", getenv("PARLEY_BPF") ?: "/bpf",
		 file);
	return path;
}

static bool says(const char *text)
{
	char *line, *next;

	if (strstr(said, text))
		return true;
	printf("# parleyctl did not say \"%s\", but:\n", text);
	for (line = said; *line; line = next) {
		next = strchrnul(line, '\n');
		printf("# %.*s\n", (int)(next - line), line);
		if (*next)
			next++;
	}
	fflush(stdout);
	return false;
}

/* Whatever a test that failed has left. */
static void unload_all(void)
{
	DIR *dir = opendir(PINS);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && !strchr(entry->d_name, '+'))
			policy_ctl("unload", entry->d_name);
	}
	if (dir)
		closedir(dir);
}

FIXTURE(ctl) {
	int pair[2][2];
	int l;
};

FIXTURE_SETUP(ctl)
{
	if (!policy_possible())
		SKIP(return, NO_POLICIES);
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 8);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(ctl)
{
	unload_all();
	/* There are no pins left: it is empty, or was not made at all. */
	EXPECT_TRUE(!rmdir(PINS) || errno == ENOENT);
	EXPECT_EQ(0, policy_expect_clean());
}

/* A connection that stays, which the policy has to allow. */
static bool connects(int l, int pair[2])
{
	int err = parley_pair(l, pair);

	if (!err)
		return true;
	printf("# parley_pair: %s\n", strerror(-err));
	fflush(stdout);
	return false;
}

/* A quota of this many, of whom the next one is refused. */
static bool is_full(int l)
{
	return filter_refuses(l, NULL, PARLEY_REASON_POLICY, 1, 1000);
}

/* Connections go on to count, and listeners need not do anything. */
TEST_F(ctl, replace)
{
	const char *quota = object("quota_uid.bpf.o");

	ASSERT_EQ(0, policy_ctl("load", "--set", "max=1", quota));
	EXPECT_TRUE(says(PINS "/quota_uid"));
	EXPECT_TRUE(policy_lists("quota_uid 0x0 link"));
	ASSERT_EQ(0, policy_choose(self->l, "quota_uid"));
	ASSERT_TRUE(connects(self->l, self->pair[0]));
	EXPECT_TRUE(is_full(self->l));
	EXPECT_EQ(0, policy_ctl("show", "quota_uid"));
	EXPECT_TRUE(says("live 1"));

	/* Not without being told to. */
	EXPECT_EQ(1, policy_ctl("load", "--set", "max=2", quota));
	EXPECT_TRUE(says("is pinned already"));
	EXPECT_TRUE(is_full(self->l));

	ASSERT_EQ(0, policy_ctl("load", "-j", "--replace", "--set", "max=2",
				quota));
	EXPECT_TRUE(says("\"replaced\":true"));
	EXPECT_EQ(0, policy_ctl("show", "-j", "quota_uid"));
	EXPECT_TRUE(says("\"live\":1"));
	EXPECT_TRUE(says("\"max\":2"));
	ASSERT_TRUE(connects(self->l, self->pair[1]));
	EXPECT_TRUE(is_full(self->l));
	EXPECT_EQ(0, policy_ctl("show", "-j", "quota_uid"));
	EXPECT_TRUE(says("\"live\":2"));
	EXPECT_EQ(0, policy_ctl("list", "-j"));
	EXPECT_TRUE(says("[{\"name\":\"quota_uid\",\"flags\":0,\"by\":\"link\",\"pinned\":\""
			 PINS "/quota_uid\"}]"));

	ASSERT_EQ(0, policy_ctl("unload", "quota_uid"));
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_POLICY_FAULT,
				   0, 0));
	EXPECT_EQ(0, policy_ctl("list", "-j"));
	EXPECT_STREQ("[]\n", said);
	EXPECT_EQ(1, policy_ctl("unload", "quota_uid"));
	EXPECT_TRUE(says("no policy 'quota_uid' is loaded"));
}

/* What is wrong with the new one, the old one does not suffer from. */
TEST_F(ctl, replace_fails)
{
	const char *quota = object("quota_uid.bpf.o");

	ASSERT_EQ(0, policy_ctl("load", "--set", "max=1", quota));
	ASSERT_EQ(0, policy_choose(self->l, "quota_uid"));
	ASSERT_TRUE(connects(self->l, self->pair[0]));

	EXPECT_EQ(2, policy_ctl("load", "--replace", "--set", "most=2", quota));
	EXPECT_TRUE(says("it has: max, code, retry_after_ms"));
	EXPECT_EQ(2, policy_ctl("load", "--replace", "--set", "max=two",
				quota));
	EXPECT_EQ(2, policy_ctl("load", "--replace", "--add", "list=1", quota));
	EXPECT_EQ(1, policy_ctl("load", "--replace", "--name", "quota_uid",
				object("bpf_quota_small.bpf.o")));
	EXPECT_TRUE(says("map quota is another than in the policy that runs"));

	EXPECT_TRUE(is_full(self->l));
	EXPECT_EQ(0, policy_ctl("show", "-j", "quota_uid"));
	EXPECT_TRUE(says("\"live\":1"));
	EXPECT_TRUE(says("\"max\":1"));
	/* What the failed ones tried to pin is not in the way of another. */
	EXPECT_EQ(0, policy_ctl("load", "--replace", "--set", "max=2",
				object("quota_uid.bpf.o")));
	EXPECT_TRUE(connects(self->l, self->pair[1]));
	EXPECT_EQ(0, policy_ctl("unload", "quota_uid"));
}

/* Settings of one that was killed before they were in force. */
TEST_F(ctl, leftover)
{
	const char *quota = object("quota_uid.bpf.o");
	const char *left = PINS "/quota_uid+maps/+settings+new";
	int map;

	ASSERT_EQ(0, policy_ctl("load", quota));
	map = bpf_obj_get(PINS "/quota_uid+maps/+settings");
	ASSERT_LE(0, map);
	ASSERT_EQ(0, bpf_obj_pin(map, left));
	ASSERT_EQ(0, close(map));
	EXPECT_EQ(0, policy_ctl("show", "quota_uid"));
	EXPECT_EQ(NULL, strstr(said, "+"));
	EXPECT_EQ(0, policy_ctl("load", "--replace", "--set", "max=3", quota));
	EXPECT_EQ(-1, access(left, F_OK));
	EXPECT_EQ(0, policy_ctl("show", "quota_uid"));
	EXPECT_TRUE(says("max 3"));
	EXPECT_EQ(0, policy_ctl("unload", "quota_uid"));
}

/* Whether a call with this token is accepted. */
static bool lets_in(int l, const char *text)
{
	struct rules_call c = {
		.terms = { .data = text, .len = strlen(text) },
	};
	struct filter_said what;

	return !filter_ask(l, &c, &what) && what.verdict == PARLEY_ACCEPT;
}

TEST_F(ctl, entries)
{
	const char *token = object("token.bpf.o");

	ASSERT_EQ(0, policy_ctl("load", "--name", "staff", "--unprivileged",
				"--add", "tokens=sesame", token));
	EXPECT_TRUE(policy_lists("staff 0x1 link"));
	ASSERT_EQ(0, policy_choose(self->l, "staff"));
	EXPECT_TRUE(lets_in(self->l, "sesame"));
	EXPECT_FALSE(lets_in(self->l, "other"));
	EXPECT_EQ(0, policy_ctl("show", "-j", "staff"));
	EXPECT_TRUE(says("\"value\":1}"));
	/* How often it was used is not forgotten. */
	ASSERT_EQ(0, policy_ctl("load", "--name", "staff", "--replace",
				"--add", "tokens=sesame",
				"--add", "tokens=other:5", token));
	EXPECT_TRUE(policy_lists("staff 0x0 link"));
	EXPECT_TRUE(lets_in(self->l, "other"));
	EXPECT_EQ(0, policy_ctl("show", "-j", "staff"));
	EXPECT_TRUE(says("\"value\":1}"));
	EXPECT_TRUE(says("\"value\":6}"));
	/* A second one of the same object has entries of its own. */
	EXPECT_EQ(0, policy_ctl("load", "--name", "guests.b", token));
	EXPECT_EQ(0, access(PINS "/guests,b", F_OK));
	EXPECT_EQ(0, policy_ctl("show", "-j", "guests.b"));
	EXPECT_TRUE(says("\"entries\":[]"));
	EXPECT_EQ(0, policy_ctl("unload", "guests.b"));
	EXPECT_TRUE(lets_in(self->l, "sesame"));
	EXPECT_EQ(0, policy_ctl("unload", "staff"));
}

/* A child with another uid calls, and its call is accepted. */
static bool other_connects(int l)
{
	pid_t pid = parley_fork();
	int pair[2];

	if (pid)
		return pid > 0 && parley_reap(pid) == 0;
	if (setresuid(OTHER_UID, OTHER_UID, OTHER_UID))
		_exit(2);
	_exit(parley_pair(l, pair) ? 3 : 0);
}

TEST_F(ctl, noroot)
{
	ASSERT_EQ(0, policy_ctl("load", object("noroot.bpf.o")));
	ASSERT_EQ(0, policy_choose(self->l, "noroot"));
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_POLICY, 13, 0));
	EXPECT_TRUE(other_connects(self->l));
	EXPECT_EQ(0, policy_ctl("unload", "noroot"));
}

/* A link of another kind, and a map: neither is what parleyctl may end. */
static int foreign_link(void)
{
	const struct bpf_insn yes[] = { E_SET(0, 1), E_EXIT };
	struct bpf_prog_load_opts opts = {
		.sz = sizeof(opts),
		.expected_attach_type = BPF_SK_LOOKUP,
	};
	int ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int prog = bpf_prog_load(BPF_PROG_TYPE_SK_LOOKUP, NULL, "GPL", yes, 2,
				 &opts);
	int link = bpf_link_create(prog, ns, BPF_SK_LOOKUP, NULL);

	close(prog);
	close(ns);
	return link;
}

TEST_F(ctl, foreign)
{
	const char *quota = object("quota_uid.bpf.o");
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	int i, fd[2];

	fd[0] = foreign_link();
	fd[1] = filter_map(BPF_MAP_TYPE_ARRAY, 4, 1, 0);
	ASSERT_TRUE(!mkdir(PINS, 0755) || errno == EEXIST);
	for (i = 0; i < 2; i++) {
		ASSERT_LE(0, fd[i]);
		ASSERT_EQ(0, bpf_obj_pin(fd[i], PINS "/quota_uid"));
		EXPECT_EQ(1, policy_ctl("unload", "quota_uid"));
		EXPECT_TRUE(says("is not the link of a policy"));
		EXPECT_EQ(1, policy_ctl("load", quota));
		EXPECT_TRUE(says("is not the link of a policy"));
		EXPECT_EQ(1, policy_ctl("load", "--replace", quota));
		EXPECT_TRUE(says("is not the link of a policy"));
		EXPECT_EQ(0, unlink(PINS "/quota_uid"));
	}
	/* It is attached still. */
	EXPECT_EQ(0, bpf_link_get_info_by_fd(fd[0], &info, &len));
	EXPECT_NE(0, info.netns.netns_ino);
	EXPECT_EQ(0, policy_listed());
}

/* Somebody has detached its link: what is left can be unloaded or replaced. */
TEST_F(ctl, detached)
{
	const char *token = object("token.bpf.o");
	struct policy other;
	int i, link;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, policy_ctl("load", i ? "--replace" : "--json",
					token));
		link = bpf_obj_get(PINS "/token");
		ASSERT_LE(0, link);
		ASSERT_EQ(0, bpf_link_detach(link));
		ASSERT_EQ(0, close(link));
		EXPECT_EQ(0, policy_listed());
	}
	/* Another one has the name now. */
	ASSERT_EQ(0, policy_start(&other, "bpf_policy_least.bpf.o", "token"));
	EXPECT_EQ(1, policy_ctl("load", "--replace", object("token.bpf.o")));
	EXPECT_TRUE(says("another policy of the name token is loaded"));
	policy_end(&other);
	EXPECT_EQ(0, policy_ctl("unload", "token"));
	EXPECT_EQ(-1, access(PINS "/token", F_OK));
}

/*
 * Of several that load one name at the same time, one does, and the others
 * leave alone what it has pinned.
 */
TEST_F(ctl, at_a_time)
{
	const char *const args[] = {
		"policy", "load", object("quota_uid.bpf.o"), NULL
	};
	int i, null, status, loaded = 0, failed = 0;
	pid_t pid[LOADERS];

	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, null);
	for (i = 0; i < LOADERS; i++)
		pid[i] = start_ctl(null, args);
	for (i = 0; i < LOADERS; i++) {
		ASSERT_LT(0, pid[i]);
		status = parley_reap(pid[i]);
		loaded += status == 0;
		failed += status == 1;
	}
	EXPECT_EQ(1, loaded);
	EXPECT_EQ(LOADERS - 1, failed);
	EXPECT_EQ(0, policy_ctl("show", "quota_uid"));
	EXPECT_TRUE(says("max 16"));
	EXPECT_TRUE(says("map quota:"));
	EXPECT_TRUE(says("map quota_seed:"));
	EXPECT_EQ(0, policy_ctl("unload", "quota_uid"));
}

TEST_F(ctl, bad_objects)
{
	EXPECT_EQ(1, policy_ctl("load", object("bpf_parleyctl_map.bpf.o")));
	EXPECT_TRUE(says("SEC(\".struct_ops.link\")"));
	EXPECT_EQ(1, policy_ctl("load", object("filter.bpf.o")));
	EXPECT_TRUE(says("there is no struct parley_policy_ops in it"));
	EXPECT_EQ(1, policy_ctl("load", object("bpf_policy_none.bpf.o")));
	EXPECT_TRUE(says("cannot be attached"));
	EXPECT_EQ(1, policy_ctl("load", "/nothing"));
	EXPECT_EQ(0, policy_listed());
	/* No directory was made that stays. */
	EXPECT_EQ(-1, access(PINS, F_OK));
}

/* Where pins cannot be, nothing is made, and nothing deleted. */
TEST_F(ctl, no_bpffs)
{
	const char *file = "/tmp/parleyctl_pins/noroot+maps/file";
	int fd;

	ASSERT_EQ(0, mkdir("/tmp/parleyctl_pins", 0755));
	ASSERT_EQ(0, mkdir("/tmp/parleyctl_pins/noroot+maps", 0755));
	fd = open(file, O_WRONLY | O_CREAT, 0644);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(1, policy_ctl("load", "-p", "/tmp/parleyctl_pins",
				object("noroot.bpf.o")));
	EXPECT_TRUE(says("is not in a BPF file system"));
	EXPECT_EQ(1, policy_ctl("unload", "-p", "/tmp/parleyctl_pins",
				"noroot"));
	EXPECT_EQ(0, unlink(file));
	EXPECT_EQ(0, rmdir("/tmp/parleyctl_pins/noroot+maps"));
	EXPECT_EQ(0, rmdir("/tmp/parleyctl_pins"));
	EXPECT_EQ(1, policy_ctl("load", "-p", "/tmp/parleyctl_pins",
				object("noroot.bpf.o")));
	EXPECT_EQ(-1, access("/tmp/parleyctl_pins", F_OK));
	EXPECT_EQ(1, policy_ctl("load", "-p", "/sys/kernel/parleyctl_pins",
				object("noroot.bpf.o")));
	EXPECT_TRUE(says("mount -t bpf"));
	EXPECT_EQ(0, policy_listed());
}

/* Where pins are is not for everybody to see; what is loaded is. */
TEST_F(ctl, another_user)
{
	ASSERT_EQ(0, policy_ctl("load", object("noroot.bpf.o")));
	ASSERT_EQ(0, chmod(PINS, 0700));
	ctl_uid = OTHER_UID;
	EXPECT_EQ(0, policy_ctl("list"));
	EXPECT_TRUE(says("link  CAP_NET_ADMIN ?\n"));
	EXPECT_EQ(0, policy_ctl("list", "-j"));
	EXPECT_TRUE(says("\"pinned\":null"));
	EXPECT_EQ(1, policy_ctl("unload", "noroot"));
	EXPECT_EQ(1, policy_ctl("load", object("token.bpf.o")));
	EXPECT_TRUE(says("takes root"));
	ctl_uid = 0;
	EXPECT_TRUE(policy_lists("noroot 0x0 link"));
	EXPECT_EQ(0, policy_ctl("unload", "noroot"));
}

/* Why a listener cannot have a policy. */
TEST_F(ctl, not_chosen)
{
	const char *path = PINS "_map";
	int map;

	EXPECT_EQ(1, ctl("listen", "--policy", "nobody", HOST ":8661"));
	EXPECT_TRUE(says("see 'parleyctl policy list'"));
	map = filter_map(BPF_MAP_TYPE_ARRAY, 4, 1, 0);
	ASSERT_LE(0, map);
	ASSERT_EQ(0, bpf_obj_pin(map, path));
	EXPECT_EQ(1, ctl("listen", "--policy-link", path, HOST ":8661"));
	EXPECT_TRUE(says("it is not the link of a policy that is loaded"));
	EXPECT_EQ(0, unlink(path));
}

/* The example filter, as if it had been compiled without -g: 0 or an errno. */
static int without_btf(const char *to)
{
	static char data[256 * 1024];
	int in = open(object("filter.bpf.o"), O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ssize_t len = read(in, data, sizeof(data));
	char *at = data;

	if (len <= 0)
		return -errno;
	while ((at = memmem(at, data + len - at, ".BTF", 4)))
		at[1] = 'X';
	len = write(out, data, len) == len ? 0 : -errno;
	close(in);
	close(out);
	return len;
}

/* On every kernel */
TEST(no_btf)
{
	ASSERT_EQ(0, without_btf("/tmp/no_btf.bpf.o"));
	EXPECT_EQ(1, ctl("listen", "--filter", "/tmp/no_btf.bpf.o,word=hello",
			 HOST ":8661"));
	EXPECT_TRUE(says("there is no BTF in this object"));
	EXPECT_EQ(0, unlink("/tmp/no_btf.bpf.o"));
}

TEST(command_line)
{
	char dir[600];

	memset(dir, 'x', sizeof(dir) - 1);
	dir[0] = '/';
	dir[sizeof(dir) - 1] = '\0';
	EXPECT_EQ(2, policy_ctl("list", "--pin", dir));
	EXPECT_TRUE(says("--pin: the path is too long"));
	EXPECT_EQ(2, policy_ctl("show", "--pin", dir, "name"));
	EXPECT_EQ(2, policy_ctl("unload", "--pin", dir, "name"));
	EXPECT_EQ(2, policy_ctl("load", "--pin", dir, "file"));
	/* The longest one there may be. */
	dir[512 - 64] = '\0';
	EXPECT_EQ(0, policy_ctl("list", "--pin", dir));
	EXPECT_EQ(1, policy_ctl("unload", "--pin", dir, "fifteen_letters"));

	EXPECT_EQ(2, policy_ctl("load"));
	EXPECT_EQ(2, policy_ctl("load", "--name", "a/b", "file"));
	EXPECT_EQ(2, policy_ctl("list", "--replace"));
	EXPECT_EQ(2, policy_ctl("unload", "sixteen_letters_"));
	EXPECT_EQ(1, policy_ctl("show", "no_such_policy"));
	EXPECT_EQ(1, policy_ctl("unload", "no_such_policy"));
	EXPECT_EQ(0, policy_ctl("list", "--help"));
}

/* Where there can be no policies, it says so, and makes nothing. */
TEST(impossible)
{
	if (policy_possible())
		return;
	EXPECT_EQ(1, policy_ctl("load", object("noroot.bpf.o")));
	EXPECT_TRUE(says("struct_ops"));
	EXPECT_EQ(-1, access(PINS, F_OK));
	EXPECT_EQ(0, policy_ctl("list", "-j"));
	EXPECT_STREQ("[]\n", said);
	EXPECT_EQ(1, ctl("listen", "--policy", "nobody", HOST ":8661"));
	EXPECT_TRUE(says("the kernel lets modules have no struct_ops policies"));
}

TEST_HARNESS_MAIN
