/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What policies of the races note about each call, in an array that the tests
 * map: whether all that was begun also ended, and only once. Shared by tests
 * and BPF programs.
 */
#ifndef PARLEY_SELFTEST_BPF_NOTE_H
#define PARLEY_SELFTEST_BPF_NOTE_H

#include <linux/types.h>

/**
 * struct bpf_note - what the policies, all of them, were told about a call
 * @accepted: how often condition() accepted it
 * @refused: how often it refused it, with or without a meaning
 * @deferred: how often it deferred it
 * @claimed: established() of a call that it accepted
 * @unclaimed: established() of one that others did
 * @closed: closed()
 * @dropped: dropped()
 * @wrong: what came in a wrong order
 */
struct bpf_note {
	__u32 accepted;
	__u32 refused;
	__u32 deferred;
	__u32 claimed;
	__u32 unclaimed;
	__u32 closed;
	__u32 dropped;
	__u32 wrong;
};

/* Of bpf_race.bpf.c: a call's group is its number and one of these. */
enum race_kind {
	RACE_REFUSE,		/* all versions refuse it */
	RACE_ACCEPT,		/* all accept it */
	RACE_EITHER,		/* odd ones accept it */
};

#define RACE_KIND_BITS	2
#define RACE_VERSIONS	4	/* two of each of two policies */
/* What each of them says, and nobody else. */
#define RACE_CODE(v)	(100 * ((v) + 1))
#define RACE_RETRY(v)	(1000 * ((v) + 1))
#define RACE_RATE(v)	(1111 * ((v) + 1))
#define RACE_LEN(v)	(16 * ((v) + 1))
#define RACE_BYTE(v)	('a' + (v))

/* Of bpf_storm.bpf.c */
#define STORM_MAGIC	0x424f4f4b	/* as lib_books.c has it */
#define STORM_POLICY_CODE 7800		/* and the version */
#define STORM_FILTER_CODE 7900		/* and which filter */
#define STORM_FILTERS	5

#endif
