/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the races of policies share: objects with two policies of two versions
 * each, owners who update, unload and load them again, choosers who change
 * what a listener has chosen, and the check of what the policies noted.
 *
 * Include it after kselftest_harness.h. Functions return a negative errno when
 * they fail; none of them exits. What they find different they print as a
 * comment.
 */
#ifndef PARLEY_SELFTEST_LIB_BPF_RACE_H
#define PARLEY_SELFTEST_LIB_BPF_RACE_H

#include "bpf_note.h"
#include "lib_books.h"
#include "lib_bpf.h"
#include "lib_race.h"

/* What owners and choosers do, beside updates and choices by name. */
#define TROUBLE_UNLOAD	0x1	/* policies are unloaded and loaded again */
#define TROUBLE_NONE	0x2	/* listeners choose none at times */

/**
 * struct owner - who has loaded a policy
 * @version: two of them
 * @fd: of the link, -1 while it is not loaded; read by others, who may come
 *	late
 * @now: which version that is
 * @trouble: TROUBLE_*
 * @updates: how often it was given another version
 * @unloads: how often it was unloaded
 */
struct owner {
	struct bpf_map *version[2];
	struct bpf_link *link;
	int fd;
	unsigned int now;
	unsigned int trouble;
	unsigned int updates;
	unsigned int unloads;
};

/**
 * struct trouble - two policies, and what they note
 * @policy: the object
 * @note: of each call
 * @calls: how many
 */
struct trouble {
	struct policy policy;
	struct owner owner[2];
	struct bpf_note *note;
	unsigned int calls;
};

/* loads the object, but not the policies; what @what is for */
int trouble_start(struct trouble *t, const char *file, unsigned int calls,
		  unsigned int what);
/* both policies; links are of one process, others do not inherit them */
int trouble_load(struct trouble *t);
void trouble_unload(struct trouble *t);
/* no process has them loaded any more */
void trouble_end(struct trouble *t);

/* one of the things that an owner does; only one thread is an owner */
int owner_act(struct owner *o, struct race_random *r);
/* an update from behind its back, by any thread */
int owner_update(struct owner *o, unsigned int version);
/* a listener gets one of the policies, or none; @names are theirs */
int trouble_choose(struct trouble *t, int listener, const char * const names[2],
		   struct race_random *r);
/* the same by the owner's link, if it has any */
int trouble_choose_link(struct trouble *t, int listener, struct race_random *r);

/*
 * What was begun must have ended: calls that were accepted became connections
 * or were dropped, and all connections were closed; some of which is not told
 * where policies were unloaded. Returns how many calls it is not true for.
 */
unsigned int trouble_balance(const struct trouble *t);

/* Quality of service, worked out as <linux/parley.h> has it */

bool model_qos_valid(const struct parley_qos *q);
void model_qos_cut(struct parley_qos *q, const struct parley_qos *to);

/* What an object leaves to who loads it */

/**
 * struct setting - a number that programs take for a constant
 * @name: of the variable; a list of them ends with NULL
 * @value: what it is to be
 */
struct setting {
	const char *name;
	__u32 value;
};

/* before it is loaded; text is zero-terminated in an array of char */
int setting_apply(struct policy *p, const char *name, __u32 value);
int setting_text(struct policy *p, const char *name, const char *text);
/* loads NAME.bpf.o with these, or none, and attaches its policy */
int settings_start(struct policy *p, const char *name,
		   const struct setting *settings);

/* Callers of a storm with filters and policies */

/* What the books do not tell apart: they have it all for the rules'. */
enum storm_by {
	STORM_RULES,
	STORM_FILTER,
	STORM_POLICY,
	STORM_FAULT,
	STORM_BYS,
};

/**
 * struct storm_call - a call
 * @books: its end is noted by who makes it
 * @refused: where it is counted which of the kernel's stages refused it
 * @id: its number
 * @fd: the caller's socket
 */
struct storm_call {
	struct books *books;
	unsigned int *refused;
	unsigned int id;
	int fd;
};

/* What the result of connect(), or SO_ERROR, means for the books. */
int storm_outcome(const struct storm_call *c, int err);
/* AF_UNSPEC takes the call back, or is too late */
int storm_take_back(const struct storm_call *c);

#endif /* PARLEY_SELFTEST_LIB_BPF_RACE_H */
