/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of filters share: classic and eBPF programs put together by
 * hand and attached to sockets, and calls of which it is asked what became of
 * them.
 *
 * Include it after kselftest_harness.h. Functions return a negative errno when
 * they fail; none of them exits. What they find different they print as a
 * comment.
 */
#ifndef PARLEY_SELFTEST_LIB_FILTER_H
#define PARLEY_SELFTEST_LIB_FILTER_H

#include <stddef.h>
#include <linux/bpf.h>
#include <linux/filter.h>

#include "lib_rules.h"

#ifndef SO_ATTACH_BPF
#define SO_ATTACH_BPF	50
#endif

/* only to ask for the sizes of its members */
extern const struct parley_packet filter_shape;

#define FILTER_PACKET	sizeof(struct parley_packet)
/* where a member is in what filters see, and the size that it has there */
#define FILTER_AT(member)	offsetof(struct parley_packet, member)
#define FILTER_SIZE(member)	sizeof(filter_shape.member)

/* Classic programs */

/* one statement of a program */
#define C_LOAD(size, at)	BPF_STMT(BPF_LD | BPF_ABS | (size), at)
#define C_RET(value)		BPF_STMT(BPF_RET | BPF_K, value)
#define C_RET_A			BPF_STMT(BPF_RET | BPF_A, 0)
#define C_JEQ(value, yes, no)	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, \
					 yes, no)

int filter_attach(int fd, const struct sock_filter *program, size_t len);
/* attaches a program that is given by its statements */
#define filter_set(fd, ...)						\
	filter_attach(fd, (struct sock_filter[]){ __VA_ARGS__ },	\
		      sizeof((struct sock_filter[]){ __VA_ARGS__ }) /	\
		      sizeof(struct sock_filter))
/* one that always returns this */
int filter_say(int fd, __u32 value);
int filter_detach(int fd);
int filter_lock(int fd);
/* how many statements SO_GET_FILTER says there are */
int filter_len(int fd);

/* eBPF programs: instructions; registers are numbers, 1 is the context */

#define E(c, d, s, o, i) ((struct bpf_insn){			\
	.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define E_SET(d, value)		E(BPF_ALU | BPF_MOV | BPF_K, d, 0, 0, value)
#define E_COPY(d, s)		E(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define E_ADD(d, value)		E(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, value)
#define E_LOAD(size, d, s, at)	E(BPF_LDX | BPF_MEM | (size), d, s, at, 0)
#define E_STORE(size, d, at, s)	E(BPF_STX | BPF_MEM | (size), d, s, at, 0)
#define E_COUNT(d, at, s)	E(BPF_STX | BPF_ATOMIC | BPF_DW, d, s, at, \
				  BPF_ADD)
#define E_JEQ(d, value, to)	E(BPF_JMP | BPF_JEQ | BPF_K, d, 0, to, value)
#define E_JNE(d, value, to)	E(BPF_JMP | BPF_JNE | BPF_K, d, 0, to, value)
#define E_CALL(helper)		E(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define E_EXIT			E(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define E_LONG(d, kind, value)	E(BPF_LD | BPF_DW | BPF_IMM, d, kind, 0, value)
/* a map, and the value of an array's first element: each with E_MORE behind */
#define E_MAP(d, fd)		E_LONG(d, BPF_PSEUDO_MAP_FD, fd)
#define E_VALUE(d, fd)		E_LONG(d, BPF_PSEUDO_MAP_VALUE, fd)
#define E_MORE			E(0, 0, 0, 0, 0)
#define E_CB(n)			offsetof(struct __sk_buff, cb[n])

/* descriptor of a loaded program; what the verifier says is printed */
int filter_load(const struct bpf_insn *insns, size_t len);
#define filter_program(...)						\
	filter_load((struct bpf_insn[]){ __VA_ARGS__ },			\
		    sizeof((struct bpf_insn[]){ __VA_ARGS__ }) /	\
		    sizeof(struct bpf_insn))
/* the same for another type of program; nothing is printed */
int filter_load_type(__u32 type, const struct bpf_insn *insns, size_t len);
int filter_attach_bpf(int fd, int program);
/* attaches a program and lets go of it; takes a negative errno for one */
int filter_take(int fd, int program);
#define filter_use(fd, ...)	filter_take(fd, filter_program(__VA_ARGS__))

/**
 * struct filter_answer - what a program says to all
 * @ret: what it returns
 * @cb: what it leaves in __sk_buff.cb[]; zeroes it does not write
 */
struct filter_answer {
	__u32 ret;
	__u32 cb[5];
};

int filter_answers(const struct filter_answer *a);
int filter_set_answer(int fd, const struct filter_answer *a);

/* Maps with keys that are __u32 */

int filter_map(__u32 type, __u32 value_size, __u32 entries, __u32 flags);
int filter_map_get(int map, __u32 key, void *value);
int filter_map_set(int map, __u32 key, const void *value);
/* an array of __u64 that a program may count in, all in one element */
int filter_counters(__u64 **count);

/**
 * struct filter_stall - a program that stays with a call until it may go on
 * @entered: how many calls it has begun to judge
 * @go: they are let go on
 * @ret: what is returned then
 *
 * It goes on by itself after some seconds.
 */
struct filter_stall {
	__u32 entered;
	__u32 go;
	__u32 ret;
};

/* the program; @stall is shared with it */
int filter_stalls(struct filter_stall **stall);
bool filter_stalled(struct filter_stall *stall, __u32 calls);
void filter_go(struct filter_stall *stall);

/* Calls */

/**
 * struct filter_said - what became of a call
 * @verdict: enum parley_verdict; no more is filled if it is PARLEY_DEFER
 * @refusal: as the caller has it
 * @info: as the accepted socket has it
 */
struct filter_said {
	int verdict;
	struct parley_refusal refusal;
	struct parley_call_info info;
};

/*
 * Calls @listener, which does not block and has no other calls, and accepts.
 * Both ends must agree on what was granted.
 */
int filter_ask(int listener, const struct rules_call *c,
	       struct filter_said *said);
/* the verdict, which the filter alone came to, without code or retry-after */
int filter_verdict(int listener, const struct rules_call *c);
bool filter_accepts(int listener, const struct rules_call *c,
		    unsigned int decided_by);
bool filter_refuses(int listener, const struct rules_call *c,
		    unsigned int reason, __u32 code, __u32 retry_after_ms);
/*
 * Attaches a program that defers if what is there is @value, and asks about a
 * call. @size is 1, 2, 4 or 8; nothing but a filter that could see it defers.
 */
bool filter_sees(int listener, const struct rules_call *c, __u32 at,
		 size_t size, __u64 value);
#define filter_sees_member(l, c, member, value)	\
	filter_sees(l, c, FILTER_AT(member), FILTER_SIZE(member), value)

#endif /* PARLEY_SELFTEST_LIB_FILTER_H */
