// SPDX-License-Identifier: GPL-2.0
/*
 * A row about what a policy costs: socket, connect, accept and close of both ends,
 * with no policy, with each kind of one, and with all of them. One process does
 * both ends, one after the other, so there is no waiting in it.
 */
#include <errno.h>
#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/parley.h>

#include "bench.h"
#include "stats.h"

#define BACKLOG	8
#define RULES	16
#define OBJECT	"/bpf/policy.bpf.o"

#ifndef SO_ATTACH_BPF
#define SO_ATTACH_BPF	50
#endif

static struct bpf_object *object;

static int set_none(int lsk)
{
	return 0;
}

/* None of the rules matches; the default says yes. */
static int set_rules(int lsk)
{
	struct parley_rule rules[RULES] = { };
	struct parley_rules arg = {
		.size = sizeof(arg),
		.rule_size = sizeof(rules[0]),
		.count = RULES,
		.rules = (uintptr_t)rules,
	};
	int i;

	for (i = 0; i < RULES; i++) {
		rules[i].match = PARLEY_MATCH_UID;
		rules[i].uid_min = 100000 + i;
		rules[i].uid_max = 100000 + i;
		rules[i].then.verdict = PARLEY_REFUSE;
	}
	return ioctl(lsk, PARLEY_IOC_SET_RULES, &arg);
}

static int set_classic(int lsk)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct parley_packet, uid)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xffffffff, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, PARLEY_FILTER_REFUSE),
		BPF_STMT(BPF_RET | BPF_K, PARLEY_FILTER_ACCEPT),
	};
	struct sock_fprog prog = {
		.len = ARRAY_SIZE(code),
		.filter = code,
	};

	return setsockopt(lsk, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

static int set_ebpf(int lsk)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(object, "filter");
	int fd = bpf_program__fd(prog);

	return setsockopt(lsk, SOL_SOCKET, SO_ATTACH_BPF, &fd, sizeof(fd));
}

static int set_asked(int lsk)
{
	return setsockopt(lsk, SOL_PARLEY, PARLEY_POLICY, "asked", 5);
}

static int set_told(int lsk)
{
	return setsockopt(lsk, SOL_PARLEY, PARLEY_POLICY, "told", 4);
}

static int set_all(int lsk)
{
	return set_rules(lsk) ?: set_ebpf(lsk) ?: set_told(lsk);
}

typedef int (*set_fn)(int lsk);

/* In the order of the row's sizes; the first of them need no struct_ops. */
static const set_fn set[] = {
	set_none,
	set_rules,
	set_classic,
	set_ebpf,
	set_asked,
	set_told,
	set_all,
};

#define KINDS_EVERYWHERE	4

static long n_kinds;

/* Where the kernel lets modules have none, the filter is loaded alone. */
static void forget_policies(void)
{
	struct bpf_program *prog;
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
		if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			bpf_map__set_autocreate(map, false);
	bpf_object__for_each_program(prog, object)
		if (bpf_program__type(prog) == BPF_PROG_TYPE_STRUCT_OPS)
			bpf_program__set_autoload(prog, false);
	n_kinds = KINDS_EVERYWHERE;
}

static void attach_policies(void)
{
	struct bpf_map *map;

	/* Nobody closes the links: they are for as long as the process is. */
	bpf_object__for_each_map(map, object)
		if (bpf_map__autocreate(map) && bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS &&
		    !bpf_map__attach_struct_ops(map))
			die("%s: %m", bpf_map__name(map));
}

static void load(void)
{
	int fd = socket(AF_PARLEY, SOCK_STREAM, 0);
	char name[PARLEY_POLICY_NAME_MAX];
	socklen_t len = sizeof(name);

	if (fd < 0)
		die("socket: %m");
	object = bpf_object__open(OBJECT);
	if (!object)
		die(OBJECT ": %m");
	n_kinds = ARRAY_SIZE(set);
	if (getsockopt(fd, SOL_PARLEY, PARLEY_POLICY, name, &len))
		forget_policies();
	close(fd);
	if (bpf_object__load(object))
		die(OBJECT ": %m");
	attach_policies();
}

static bool policy_fits(const struct family *f, long kind)
{
	if (!family_is_parley(f) || f->type != SOCK_STREAM)
		return false;
	if (!object)
		load();
	return kind < n_kinds;
}

static void policy_start(struct lane *l)
{
	set_fn fn = set[l->size->n];

	l->listener = family_listener(l->family, l->tuning, BACKLOG, &l->addr);
	if (fn(l->listener))
		die("%s: %m", l->size->label);
}

static void policy_stop(struct lane *l)
{
	close(l->listener);
}

static const struct row_size policy_kinds[] = {
	{ 0, "none", 20 },
	{ 1, "16 rules", 20 },
	{ 2, "classic filter", 20 },
	{ 3, "eBPF filter", 20 },
	{ 4, "struct_ops asked", 20 },
	{ 5, "struct_ops told all", 20 },
	{ 6, "all three", 20 },
	{ }
};

/*
 * What it adds is little beside what comes and goes, such as what RCU frees at
 * times: many short rounds, of which one has nothing of that.
 */
const struct row row_policy = {
	.name = "policy",
	.per = "cycle",
	.figures = { "" },
	.sizes = policy_kinds,
	.rounds = { 401, 0 },
	.together = true,
	.least = true,
	.fits = policy_fits,
	.start = policy_start,
	.round = cycle_round,
	.stop = policy_stop,
};
