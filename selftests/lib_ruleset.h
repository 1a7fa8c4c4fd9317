/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of rule files and of tables of rules share: what a rule is to
 * be, and whether two tables say the same, wherever in their pools the bytes
 * are.
 *
 * Include it after kselftest_harness.h. What is_...() functions find different
 * they print as a comment.
 */
#ifndef PARLEY_SELFTEST_LIB_RULESET_H
#define PARLEY_SELFTEST_LIB_RULESET_H

#include <stdbool.h>
#include <parley.h>

/**
 * struct ruleset_want - what a rule is to be
 * @rule: all of it but the offsets into the pool; the lengths are taken from
 *	what follows
 * @value: the bytes of data, NULL for none
 * @mask: their mask, NULL: all bits count
 * @then: reply data
 * @over: reply data beyond the rate
 */
struct ruleset_want {
	struct parley_rule rule;
	const char *value;
	const char *mask;
	const char *then;
	const char *over;
};

bool ruleset_rule_is(const struct parley_ruleset *rs, size_t index,
		     const struct ruleset_want *want);
bool ruleset_is(const struct parley_ruleset *a, const struct parley_ruleset *b);
/* a new table of this text, or NULL */
struct parley_ruleset *ruleset_of(const char *text);
bool ruleset_error_is(const struct parley_rule_error *e, unsigned int line,
		      unsigned int column, __u32 rule, __u32 field,
		      const char *message);

#endif /* PARLEY_SELFTEST_LIB_RULESET_H */
