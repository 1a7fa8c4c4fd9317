/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of BPF policies share: loading objects and attaching the
 * policies in them, choosing them for sockets, and what the kernel says is
 * loaded.
 *
 * Include it after kselftest_harness.h. Functions return a negative errno when
 * they fail; none of them exits. What libbpf and the verifier say is kept, and
 * printed as a comment where somebody loads what should load.
 */
#ifndef PARLEY_SELFTEST_LIB_BPF_H
#define PARLEY_SELFTEST_LIB_BPF_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "lib.h"

/* Whether the kernel lets modules have policies. */
bool policy_possible(void);

/* Why fixtures SKIP() all their tests; a run is held to a list of skips. */
#define NO_POLICIES	"no struct_ops policies here"

/**
 * struct policy - a loaded object, of which one policy is attached
 * @object: as libbpf has it
 * @link: of the policy, or NULL
 */
struct policy {
	struct bpf_object *object;
	struct bpf_link *link;
};

/* @file is the name of an object, such as "bpf_policy.bpf.o" */
int policy_open(struct policy *p, const char *file);
/* before it is loaded: what the first policy of it is to be called */
int policy_rename(struct policy *p, const char *name);
int policy_flag(struct policy *p, unsigned int flags);
int policy_load(struct policy *p);
/* the first policy of it, by a link */
int policy_attach(struct policy *p);
/* all of that; @name is NULL for that in the object */
int policy_start(struct policy *p, const char *file, const char *name);
/* takes it apart; without a link it stays loaded as long as others hold it */
void policy_end(struct policy *p);

/* of the object: the first policy, any other map, a program */
struct bpf_map *policy_ops_map(const struct policy *p);
int policy_map_fd(const struct policy *p, const char *name);
int policy_link_fd(const struct policy *p);
/* the variables that are zero at first, which the test may read and write */
void *policy_variables(const struct policy *p, size_t size);

/* What was said since the last policy_open(); a test may want failures. */
bool policy_log_found(const char *text);
/* the same, and prints the end of it if not */
bool policy_log_has(const char *text);
void policy_log_quiet(bool quiet);
void policy_log_show(void);

/* Sockets */

int policy_choose(int fd, const char *name);
int policy_choose_link(int fd, int link);
/* whether PARLEY_POLICY is this name */
bool policy_chosen_is(int fd, const char *name);

/* /proc/net/parley_policies */

/* how many are loaded, or a negative errno; -EBADMSG where the form is wrong */
int policy_listed(void);
/* "name flags by", all of a line */
bool policy_lists(const char *line);
/* parley_expect_clean(), and no policies are left either */
int policy_expect_clean(void);

#endif /* PARLEY_SELFTEST_LIB_BPF_H */
