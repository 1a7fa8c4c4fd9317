// SPDX-License-Identifier: GPL-2.0
/* A table of rules in memory: its rules, its default, its pool of bytes. */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

struct parley_ruleset *parley_ruleset_new(void)
{
	/* All zero is PARLEY_ACCEPT for every call. */
	return calloc(1, sizeof(struct parley_ruleset));
}

void parley_ruleset_free(struct parley_ruleset *rs)
{
	if (!rs)
		return;
	free(rs->rules);
	free(rs->lines);
	free(rs->pool);
	free(rs);
}

static size_t plib_max(size_t a, size_t b)
{
	return a > b ? a : b;
}

static int plib_pool_grow(struct parley_ruleset *rs, size_t len)
{
	size_t room = rs->pool_room;
	void *pool;

	if (len > PLIB_POOL_MAX - rs->pool_len) {
		errno = EMSGSIZE;
		return -1;
	}
	if (len <= room - rs->pool_len)
		return 0;
	room = plib_max(2 * room, plib_max(256, rs->pool_len + len));
	pool = realloc(rs->pool, room);
	if (!pool)
		return -1;
	rs->pool = pool;
	rs->pool_room = room;
	return 0;
}

int parley_ruleset_add_bytes(struct parley_ruleset *rs, const void *data,
			     size_t len, uint32_t *offset)
{
	*offset = 0;
	if (!len)
		return 0;
	if (plib_pool_grow(rs, len))
		return -1;
	memcpy(rs->pool + rs->pool_len, data, len);
	*offset = rs->pool_len;
	rs->pool_len += len;
	return 0;
}

int plib_pool_share(struct parley_ruleset *rs, const void *data, size_t len,
		    uint32_t *offset)
{
	const unsigned char *at = NULL;

	if (len && rs->pool_len)
		at = memmem(rs->pool, rs->pool_len, data, len);
	if (!at)
		return parley_ruleset_add_bytes(rs, data, len, offset);
	*offset = at - rs->pool;
	return 0;
}

static bool plib_in_pool(const struct parley_ruleset *rs, uint32_t at,
			 uint32_t len)
{
	return at <= rs->pool_len && len <= rs->pool_len - at;
}

static bool plib_answer_fits(const struct parley_ruleset *rs,
			     const struct parley_rule_answer *answer)
{
	return !answer->reply_len ||
	       plib_in_pool(rs, answer->reply, answer->reply_len);
}

static bool plib_rule_fits(const struct parley_ruleset *rs,
			   const struct parley_rule *rule)
{
	if (rule->match & PARLEY_MATCH_DATA &&
	    (!plib_in_pool(rs, rule->data_value, rule->data_len) ||
	     !plib_in_pool(rs, rule->data_mask, rule->data_len)))
		return false;
	return plib_answer_fits(rs, &rule->then) &&
	       plib_answer_fits(rs, &rule->over);
}

static int plib_rules_grow(struct parley_ruleset *rs)
{
	size_t room = rs->room;
	unsigned int *lines;
	void *rules;

	if (rs->count < room)
		return 0;
	room = plib_max(2 * room, 16);
	rules = reallocarray(rs->rules, room, sizeof(*rs->rules));
	if (!rules)
		return -1;
	rs->rules = rules;
	lines = reallocarray(rs->lines, room, sizeof(*rs->lines));
	if (!lines)
		return -1;
	rs->lines = lines;
	rs->room = room;
	return 0;
}

int plib_ruleset_add(struct parley_ruleset *rs, const struct parley_rule *rule,
		     unsigned int line)
{
	if (rs->count >= PARLEY_RULES_MAX) {
		errno = E2BIG;
		return -1;
	}
	if (!plib_rule_fits(rs, rule)) {
		errno = EINVAL;
		return -1;
	}
	if (plib_rules_grow(rs))
		return -1;
	rs->rules[rs->count] = *rule;
	rs->lines[rs->count] = line;
	rs->count++;
	return 0;
}

int parley_ruleset_add(struct parley_ruleset *rs,
		       const struct parley_rule *rule)
{
	return plib_ruleset_add(rs, rule, 0);
}

int parley_ruleset_set_default(struct parley_ruleset *rs,
			       const struct parley_rule_answer *answer)
{
	if (!plib_answer_fits(rs, answer)) {
		errno = EINVAL;
		return -1;
	}
	rs->otherwise = *answer;
	rs->default_line = 0;
	return 0;
}

static bool plib_bytes_equal(const struct parley_ruleset *a, uint32_t at_a,
			     const struct parley_ruleset *b, uint32_t at_b,
			     uint32_t len)
{
	return !len || !memcmp(a->pool + at_a, b->pool + at_b, len);
}

static bool plib_answer_equal(const struct parley_ruleset *rs_a,
			      const struct parley_rule_answer *a,
			      const struct parley_ruleset *rs_b,
			      const struct parley_rule_answer *b)
{
	struct parley_rule_answer here = *a;

	if (a->reply_len != b->reply_len ||
	    !plib_bytes_equal(rs_a, a->reply, rs_b, b->reply, a->reply_len))
		return false;
	here.reply = b->reply;
	return !memcmp(&here, b, sizeof(here));
}

static bool plib_masked(const struct parley_rule *rule)
{
	return rule->data_mask != rule->data_value;
}

static bool plib_data_equal(const struct parley_ruleset *rs_a,
			    const struct parley_rule *a,
			    const struct parley_ruleset *rs_b,
			    const struct parley_rule *b)
{
	return a->data_len == b->data_len && plib_masked(a) == plib_masked(b) &&
	       plib_bytes_equal(rs_a, a->data_value, rs_b, b->data_value,
				a->data_len) &&
	       plib_bytes_equal(rs_a, a->data_mask, rs_b, b->data_mask,
				a->data_len);
}

static bool plib_rule_equal(const struct parley_ruleset *rs_a,
			    const struct parley_rule *a,
			    const struct parley_ruleset *rs_b,
			    const struct parley_rule *b)
{
	struct parley_rule here = *a;

	if (!plib_answer_equal(rs_a, &a->then, rs_b, &b->then) ||
	    !plib_answer_equal(rs_a, &a->over, rs_b, &b->over))
		return false;
	if (a->match & b->match & PARLEY_MATCH_DATA &&
	    !plib_data_equal(rs_a, a, rs_b, b))
		return false;
	here.data_value = b->data_value;
	here.data_mask = b->data_mask;
	here.then.reply = b->then.reply;
	here.over.reply = b->over.reply;
	return !memcmp(&here, b, sizeof(here));
}

bool plib_ruleset_equal(const struct parley_ruleset *a,
			const struct parley_ruleset *b)
{
	size_t i;

	if (a->count != b->count ||
	    !plib_answer_equal(a, &a->otherwise, b, &b->otherwise))
		return false;
	for (i = 0; i < a->count; i++)
		if (!plib_rule_equal(a, &a->rules[i], b, &b->rules[i]))
			return false;
	return true;
}

size_t parley_ruleset_count(const struct parley_ruleset *rs)
{
	return rs->count;
}

const struct parley_rule *parley_ruleset_rule(const struct parley_ruleset *rs,
					      size_t index)
{
	return index < rs->count ? &rs->rules[index] : NULL;
}

const struct parley_rule_answer *
parley_ruleset_default(const struct parley_ruleset *rs)
{
	return &rs->otherwise;
}

const void *parley_ruleset_pool(const struct parley_ruleset *rs, size_t *len)
{
	*len = rs->pool_len;
	return rs->pool_len ? rs->pool : NULL;
}
