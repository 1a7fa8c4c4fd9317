// SPDX-License-Identifier: GPL-2.0
/*
 * What a policy costs: socket, connect, accept and close of both ends, with no
 * policy, with each kind of one, and with all of them. One process does both
 * ends, one after the other, so there is no waiting in it.
 *
 * Time is CLOCK_MONOTONIC: instructions where QEMU counts them as nanoseconds
 * (-icount shift=0), so the same boot gives the same numbers.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/parley.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define CYCLES		20
#define ROUNDS		401
#define RULES		16
#define OBJECT		"/bpf/policy.bpf.o"

#ifndef SO_ATTACH_BPF
#define SO_ATTACH_BPF	50
#endif

static struct bpf_object *object;

static int fail(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	return -1;
}

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

/**
 * struct kind - a policy
 * @name: for the table
 * @set: gives it to a listener. Return: 0 or -1 and errno
 * @ns: of each round, for one cycle
 * @lsk: the listener
 * @addr: its address
 */
static struct kind {
	const char *name;
	int (*set)(int lsk);
	double ns[ROUNDS];
	int lsk;
	struct sockaddr_in addr;
} kinds[] = {
	{ "no policy", set_none },
	{ "16 rules", set_rules },
	{ "classic filter", set_classic },
	{ "eBPF filter", set_ebpf },
	{ "struct_ops, condition alone", set_asked },
	{ "struct_ops, all it can have", set_told },
	{ "16 rules, eBPF filter, struct_ops", set_all },
};

/* The first of them need no struct_ops. */
#define KINDS_EVERYWHERE	4

static size_t n_kinds = ARRAY_SIZE(kinds);

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

static int load(void)
{
	static struct bpf_link *links[2];
	int fd = socket(AF_PARLEY, SOCK_STREAM, 0);
	char name[PARLEY_POLICY_NAME_MAX];
	socklen_t len = sizeof(name);
	struct bpf_map *map;
	int n = 0;

	if (fd < 0)
		return fail("socket");
	object = bpf_object__open(OBJECT);
	if (!object)
		return fail(OBJECT);
	if (getsockopt(fd, SOL_PARLEY, PARLEY_POLICY, name, &len))
		forget_policies();
	close(fd);
	if (bpf_object__load(object))
		return fail(OBJECT);
	bpf_object__for_each_map(map, object) {
		if (!bpf_map__autocreate(map) || n == 2 ||
		    bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
			continue;
		links[n] = bpf_map__attach_struct_ops(map);
		if (!links[n++])
			return fail(bpf_map__name(map));
	}
	return 0;
}

static int open_listener(struct kind *k)
{
	socklen_t len = sizeof(k->addr);

	k->addr.sin_family = AF_INET;
	k->addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	k->lsk = socket(AF_PARLEY, SOCK_STREAM, 0);
	if (k->lsk < 0 || bind(k->lsk, (struct sockaddr *)&k->addr, len) ||
	    getsockname(k->lsk, (struct sockaddr *)&k->addr, &len) || listen(k->lsk, 8))
		return fail("listener");
	return k->set(k->lsk) ? fail(k->name) : 0;
}

static int cycle(const struct kind *k)
{
	int caller, callee;

	caller = socket(AF_PARLEY, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (caller < 0)
		return fail("socket");
	if (!connect(caller, (const struct sockaddr *)&k->addr, sizeof(k->addr)) ||
	    errno != EINPROGRESS)
		return fail("connect");
	callee = accept(k->lsk, NULL, NULL);
	if (callee < 0)
		return fail("accept");
	close(callee);
	close(caller);
	return 0;
}

static int measure(struct kind *k, double *ns)
{
	struct timespec from, to;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 0; i < CYCLES; i++)
		if (cycle(k))
			return -1;
	clock_gettime(CLOCK_MONOTONIC, &to);
	*ns = ((to.tv_sec - from.tv_sec) * 1e9 + to.tv_nsec - from.tv_nsec) / CYCLES;
	return 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * The least counts: what else the kernel did meanwhile only ever adds. The
 * spread is that of the better half.
 */
static void report(void)
{
	double base = kinds[0].ns[0];
	size_t i;

	printf("%-36s %10s %10s %9s %9s\n", "policy", "a cycle", "more", "more, %", "spread, %");
	for (i = 0; i < n_kinds; i++) {
		double *ns = kinds[i].ns;

		printf("%-36s %10.0f %10.0f %9.2f %9.2f\n", kinds[i].name, ns[0],
		       ns[0] - base, 100 * (ns[0] - base) / base,
		       100 * (ns[ROUNDS / 2] - ns[0]) / ns[0]);
	}
}

int main(void)
{
	size_t i, round;
	double warm;

	if (load())
		return 1;
	for (i = 0; i < n_kinds; i++)
		if (open_listener(&kinds[i]) || measure(&kinds[i], &warm))
			return 1;
	for (round = 0; round < ROUNDS; round++)
		for (i = 0; i < n_kinds; i++)
			if (measure(&kinds[i], &kinds[i].ns[round]))
				return 1;
	for (i = 0; i < n_kinds; i++)
		qsort(kinds[i].ns, ROUNDS, sizeof(double), compare);
	report();
	return 0;
}
