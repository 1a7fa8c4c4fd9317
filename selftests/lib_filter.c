// SPDX-License-Identifier: GPL-2.0
/* Filters, and calls that they judge; see lib_filter.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/btf.h>

#include "lib_filter.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(arr)	(sizeof(arr) / sizeof((arr)[0]))
#endif
#define LOG_SIZE	16384
#define STALL_TURNS	(8 << 20)	/* the most that a loop may have */
#define STALL_LOOPS	4

static long filter_bpf(int cmd, union bpf_attr *attr)
{
	long ret = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return ret < 0 ? -errno : ret;
}

int filter_attach(int fd, const struct sock_filter *program, size_t len)
{
	const struct sock_fprog prog = {
		.len = len,
		.filter = (struct sock_filter *)program,
	};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)))
		return -errno;
	return 0;
}

int filter_say(int fd, __u32 value)
{
	return filter_set(fd, C_RET(value));
}

int filter_detach(int fd)
{
	return parley_set_sockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
}

int filter_lock(int fd)
{
	return parley_set_sockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
}

int filter_len(int fd)
{
	socklen_t len = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &len))
		return -errno;
	return len;
}

static int filter_load_attr(union bpf_attr *attr, const struct bpf_insn *insns,
			    size_t len)
{
	attr->insns = (uintptr_t)insns;
	attr->insn_cnt = len;
	attr->license = (uintptr_t)"GPL";
	return filter_bpf(BPF_PROG_LOAD, attr);
}

int filter_load_type(__u32 type, const struct bpf_insn *insns, size_t len)
{
	union bpf_attr attr = { .prog_type = type };

	return filter_load_attr(&attr, insns, len);
}

/* What went wrong is asked for only when something did. */
static int filter_load_told(union bpf_attr *attr, const struct bpf_insn *insns,
			    size_t len)
{
	static char log[LOG_SIZE];
	int fd;

	attr->prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	fd = filter_load_attr(attr, insns, len);
	if (fd >= 0 || fd == -EPERM)
		return fd;
	attr->log_level = 1;
	attr->log_size = sizeof(log);
	attr->log_buf = (uintptr_t)log;
	fd = filter_load_attr(attr, insns, len);
	if (fd < 0) {
		printf("# loading a program: error %d\n# ", -fd);
		for (char *c = log; *c; c++)
			printf(*c == '\n' && c[1] ? "\n# " : "%c", *c);
		fflush(stdout);
	}
	return fd;
}

int filter_load(const struct bpf_insn *insns, size_t len)
{
	union bpf_attr attr = {};

	return filter_load_told(&attr, insns, len);
}

int filter_attach_bpf(int fd, int program)
{
	return parley_set_sockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, program);
}

int filter_take(int fd, int program)
{
	int err;

	if (program < 0)
		return program;
	err = filter_attach_bpf(fd, program);
	close(program);
	return err;
}

int filter_answers(const struct filter_answer *a)
{
	struct bpf_insn insns[12];
	int i, n = 0;

	for (i = 0; i < 5; i++) {
		if (!a->cb[i])
			continue;
		insns[n++] = E_SET(2, a->cb[i]);
		insns[n++] = E_STORE(BPF_W, 1, E_CB(i), 2);
	}
	insns[n++] = E_SET(0, a->ret);
	insns[n++] = E_EXIT;
	return filter_load(insns, n);
}

int filter_set_answer(int fd, const struct filter_answer *a)
{
	return filter_take(fd, filter_answers(a));
}

int filter_map(__u32 type, __u32 value_size, __u32 entries, __u32 flags)
{
	union bpf_attr attr = {
		.map_type = type,
		.key_size = type == BPF_MAP_TYPE_RINGBUF ? 0 : sizeof(__u32),
		.value_size = value_size,
		.max_entries = entries,
		.map_flags = flags,
	};

	return filter_bpf(BPF_MAP_CREATE, &attr);
}

int filter_map_get(int map, __u32 key, void *value)
{
	union bpf_attr attr = {
		.map_fd = map,
		.key = (uintptr_t)&key,
		.value = (uintptr_t)value,
	};

	return filter_bpf(BPF_MAP_LOOKUP_ELEM, &attr);
}

int filter_map_set(int map, __u32 key, const void *value)
{
	union bpf_attr attr = {
		.map_fd = map,
		.key = (uintptr_t)&key,
		.value = (uintptr_t)value,
	};

	return filter_bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

/* An array of one element, which the caller has in its memory, too. */
static int filter_shared(void **at)
{
	long page = sysconf(_SC_PAGESIZE);
	int map = filter_map(BPF_MAP_TYPE_ARRAY, page, 1, BPF_F_MMAPABLE);

	if (map < 0)
		return map;
	*at = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	return *at == MAP_FAILED ? -errno : map;
}

int filter_counters(__u64 **count)
{
	return filter_shared((void **)count);
}

/* Two functions without arguments that return an int; loops need to know. */
static int filter_btf(void)
{
	static const char names[] = "\0int\0filter\0turn";
	struct {
		struct btf_header head;
		struct btf_type num;
		__u32 bits;
		struct btf_type proto;
		struct btf_type func[2];
		char names[sizeof(names)];
	} __attribute__((packed)) btf = {
		.num = { 1, BTF_KIND_INT << 24, { 4 } },
		.bits = BTF_INT_SIGNED << 24 | 32,
		.proto = { 0, BTF_KIND_FUNC_PROTO << 24, { 1 } },
		.func = {
			{ 5, BTF_KIND_FUNC << 24, { 2 } },
			{ 12, BTF_KIND_FUNC << 24, { 2 } },
		},
	};
	union bpf_attr attr = {
		.btf = (uintptr_t)&btf,
		.btf_size = sizeof(btf),
	};

	btf.head = (struct btf_header){
		.magic = BTF_MAGIC,
		.version = BTF_VERSION,
		.hdr_len = sizeof(btf.head),
		.type_len = sizeof(btf) - sizeof(btf.head) - sizeof(names),
		.str_off = sizeof(btf) - sizeof(btf.head) - sizeof(names),
		.str_len = sizeof(names),
	};
	memcpy(btf.names, names, sizeof(names));
	return filter_bpf(BPF_BTF_LOAD, &attr);
}

#define STALL(member)	offsetof(struct filter_stall, member)

/* The program, @turn being where a turn of its loops begins. */
static int filter_stall_program(struct bpf_insn *insns, int map, int *turn)
{
	const struct bpf_insn begin[] = {
		E_VALUE(6, map), E_MORE,
		E_SET(1, 1),
		E(BPF_STX | BPF_ATOMIC | BPF_W, 6, 1, STALL(entered), BPF_ADD),
	};
	const struct bpf_insn end[] = {
		E_LOAD(BPF_W, 0, 6, STALL(ret)),
		E_EXIT,
		/* One turn: returns 1 when there shall be no more. */
		E_VALUE(1, map), E_MORE,
		E_LOAD(BPF_W, 2, 1, STALL(go)),
		E_SET(0, 0),
		E_JEQ(2, 0, 1),
		E_SET(0, 1),
		E_EXIT,
	};
	int n = ARRAY_SIZE(begin), i;

	*turn = n + STALL_LOOPS * 6 + 2;
	memcpy(insns, begin, sizeof(begin));
	for (i = 0; i < STALL_LOOPS; i++) {
		insns[n++] = E_SET(1, STALL_TURNS);
		insns[n] = E_LONG(2, BPF_PSEUDO_FUNC, *turn - n - 1);
		n++;
		insns[n++] = E_MORE;
		insns[n++] = E_SET(3, 0);
		insns[n++] = E_SET(4, 0);
		insns[n++] = E_CALL(BPF_FUNC_loop);
	}
	memcpy(insns + n, end, sizeof(end));
	return n + ARRAY_SIZE(end);
}

int filter_stalls(struct filter_stall **stall)
{
	int map = filter_shared((void **)stall), btf = filter_btf();
	struct bpf_func_info funcs[] = { { 0, 3 }, { 0, 4 } };
	union bpf_attr attr = {
		.prog_btf_fd = btf,
		.func_info_rec_size = sizeof(funcs[0]),
		.func_info = (uintptr_t)funcs,
		.func_info_cnt = 2,
	};
	struct bpf_insn insns[50];
	int program, turn, n;

	if (map < 0 || btf < 0)
		return map < 0 ? map : btf;
	n = filter_stall_program(insns, map, &turn);
	funcs[1].insn_off = turn;
	program = filter_load_told(&attr, insns, n);
	close(btf);
	close(map);
	return program;
}

bool filter_stalled(struct filter_stall *stall, __u32 calls)
{
	return parley_until(__atomic_load_n(&stall->entered,
					    __ATOMIC_ACQUIRE) == calls);
}

void filter_go(struct filter_stall *stall)
{
	__atomic_store_n(&stall->go, 1, __ATOMIC_RELEASE);
}

/* An accepted call: what both ends have been told. */
static int filter_accepted(int fd, int new, struct filter_said *said)
{
	struct parley_qos theirs, ours;
	int err;

	said->verdict = PARLEY_ACCEPT;
	err = terms_info(new, &said->info) ?: terms_qos(fd, &theirs) ?:
	      terms_qos(new, &ours);
	if (err)
		return err;
	terms_qos_swap(&ours);
	if (!terms_qos_eq(&theirs, &ours) ||
	    !terms_qos_eq(&theirs, &said->info.granted))
		return -EBADMSG;
	return 0;
}

/* One that was not; @told: connect(2) has said so. */
static int filter_rejected(int listener, int fd, bool told,
			   struct filter_said *said)
{
	struct parley_backlog b;
	int err;

	err = parley_refusal(fd, &said->refusal) ?:
	      parley_backlog(listener, &b);
	if (err)
		return err;
	if (!told && !said->refusal.reason) {
		said->verdict = PARLEY_DEFER;
		return b.deferred == 1 && !b.pending ? 0 : -EBADMSG;
	}
	said->verdict = PARLEY_REFUSE;
	if (b.deferred || b.pending || b.approved)
		return -EBADMSG;
	return parley_so_error(fd) == (told ? 0 : ECONNREFUSED) ? 0 : -EBADMSG;
}

int filter_ask(int listener, const struct rules_call *c,
	       struct filter_said *said)
{
	int fd, new, err;

	memset(said, 0, sizeof(*said));
	err = rules_connect(listener, c, &fd);
	if (err == -ECONNREFUSED) {
		err = filter_rejected(listener, fd, true, said);
	} else if (err == -EINPROGRESS) {
		new = test_accept(listener, 0);
		if (new >= 0)
			err = filter_accepted(fd, new, said);
		else if (new == -EAGAIN)
			err = filter_rejected(listener, fd, false, said);
		else
			err = new;
		if (new >= 0)
			close(new);
	}
	if (fd >= 0)
		close(fd);
	if (err) {
		printf("# asking about a call: error %d\n", -err);
		fflush(stdout);
	}
	return err;
}

static bool filter_is(const struct filter_said *said, const char *what,
		      unsigned int got, unsigned int want)
{
	if (got == want)
		return true;
	printf("# %s is %u, not %u (verdict %d, reason %u, decided by %u)\n",
	       what, got, want, said->verdict, said->refusal.reason,
	       said->info.decided_by);
	fflush(stdout);
	return false;
}

int filter_verdict(int listener, const struct rules_call *c)
{
	struct filter_said said;
	int err = filter_ask(listener, c, &said);

	if (err)
		return err;
	if (said.verdict == PARLEY_ACCEPT &&
	    (!filter_is(&said, "decided_by", said.info.decided_by,
			PARLEY_BY_FILTER) ||
	     !filter_is(&said, "rule", said.info.rule, PARLEY_RULE_NONE)))
		return -EBADMSG;
	if (said.verdict == PARLEY_REFUSE &&
	    (!filter_is(&said, "reason", said.refusal.reason,
			PARLEY_REASON_FILTER) ||
	     said.refusal.code || said.refusal.retry_after_ms ||
	     said.refusal.data_len))
		return -EBADMSG;
	return said.verdict;
}

bool filter_accepts(int listener, const struct rules_call *c,
		    unsigned int decided_by)
{
	struct filter_said said;

	return !filter_ask(listener, c, &said) &&
	       filter_is(&said, "verdict", said.verdict, PARLEY_ACCEPT) &&
	       filter_is(&said, "decided_by", said.info.decided_by, decided_by);
}

bool filter_refuses(int listener, const struct rules_call *c,
		    unsigned int reason, __u32 code, __u32 retry_after_ms)
{
	struct filter_said said;
	const struct parley_refusal *r = &said.refusal;

	return !filter_ask(listener, c, &said) &&
	       filter_is(&said, "verdict", said.verdict, PARLEY_REFUSE) &&
	       filter_is(&said, "reason", r->reason, reason) &&
	       filter_is(&said, "code", r->code, code) &&
	       filter_is(&said, "retry-after", r->retry_after_ms,
			 retry_after_ms);
}

bool filter_sees(int listener, const struct rules_call *c, __u32 at,
		 size_t size, __u64 value)
{
	const int width = size == 1 ? BPF_B : size == 2 ? BPF_H : BPF_W;
	const __u32 high = size == 8 ? value >> 32 : value;
	int err;

	if (size == 8)
		err = filter_set(listener, C_LOAD(BPF_W, at),
				 C_JEQ(high, 0, 3), C_LOAD(BPF_W, at + 4),
				 C_JEQ((__u32)value, 0, 1),
				 C_RET(PARLEY_FILTER_DEFER),
				 C_RET(PARLEY_FILTER_ACCEPT));
	else
		err = filter_set(listener, C_LOAD(width, at),
				 C_JEQ(high, 0, 1), C_RET(PARLEY_FILTER_DEFER),
				 C_RET(PARLEY_FILTER_ACCEPT));
	err = err ?: filter_verdict(listener, c);
	if (err == PARLEY_DEFER)
		return true;
	printf("# %zu bytes at %d: not %#llx; error or verdict %d\n", size,
	       (int)at, (unsigned long long)value, err);
	fflush(stdout);
	return false;
}
