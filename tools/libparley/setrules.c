// SPDX-License-Identifier: GPL-2.0
/* Tables of rules to and from the kernel. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "internal.h"

static const char *const plib_fields[] = {
	[PARLEY_FIELD_MATCH] = "it matches on what this kernel does not know",
	[PARLEY_FIELD_FLAGS] = "it has a flag that this kernel does not know",
	[PARLEY_FIELD_CALLER] =
		"caller: the prefix is above 128, or there are bits beyond it",
	[PARLEY_FIELD_PORT] = "port: the lowest is above the highest",
	[PARLEY_FIELD_UID] = "uid: the lowest is above the highest, or it is none",
	[PARLEY_FIELD_GID] = "gid: the lowest is above the highest, or it is none",
	[PARLEY_FIELD_QOS] =
		"qos: a minimum is above its maximum, or there is no service",
	[PARLEY_FIELD_DATA] =
		"data: there are no bytes, or some have bits outside the mask",
	[PARLEY_FIELD_RATE] =
		"rate: a number is zero or too high, or it is over a day",
	[PARLEY_FIELD_THEN] =
		"what it answers does not go with the verdict, or is no grant",
	[PARLEY_FIELD_OVER] =
		"what it answers beyond the rate does not go with the verdict",
};

/* What @err, that the kernel gave for the table, says in words. */
static void plib_explain(const struct parley_rules *r, int err,
			 struct parley_rule_error *why)
{
	const char *text = NULL;

	if (err == EMSGSIZE && r->bad_rule == PARLEY_RULE_NONE)
		text = "the bytes of all rules together exceed 1 MiB";
	else if (err == EMSGSIZE)
		text = "the reply exceeds net.parley.max_call_data, or all of them 1 MiB";
	else if (err == E2BIG)
		text = "there are more rules than the kernel takes";
	else if (err == EINVAL && r->bad_field < ARRAY_SIZE(plib_fields))
		text = plib_fields[r->bad_field];
	errno = err;
	if (text)
		snprintf(why->message, sizeof(why->message), "%s", text);
	else
		snprintf(why->message, sizeof(why->message), "%m");
}

static void plib_blame(const struct parley_ruleset *rs,
		       const struct parley_rules *r, int err,
		       struct parley_rule_error *why)
{
	memset(why, 0, sizeof(*why));
	why->rule = r->bad_rule;
	why->field = r->bad_field;
	if (r->bad_rule < rs->count)
		why->line = rs->lines[r->bad_rule];
	else if (r->bad_rule == rs->count)
		why->line = rs->default_line;
	plib_explain(r, err, why);
}

int parley_set_rules(int fd, const struct parley_ruleset *rs,
		     struct parley_rule_error *err)
{
	struct parley_rules r = {
		.size = sizeof(r),
		.rule_size = sizeof(*rs->rules),
		.count = rs->count,
		.pool_len = rs->pool_len,
		.rules = (uintptr_t)rs->rules,
		.pool = (uintptr_t)rs->pool,
		.otherwise = rs->otherwise,
		.bad_rule = PARLEY_RULE_NONE,
	};
	int saved;

	if (ioctl(fd, PARLEY_IOC_SET_RULES, &r) >= 0)
		return 0;
	saved = errno;
	if (err)
		plib_blame(rs, &r, saved, err);
	errno = saved;
	return -1;
}

/* Makes room for what the kernel says there is. */
static int plib_make_room(struct parley_ruleset *rs,
			  const struct parley_rules *r)
{
	size_t count = r->count ? r->count : 1;
	size_t pool = r->pool_len ? r->pool_len : 1;

	free(rs->rules);
	free(rs->lines);
	free(rs->pool);
	rs->rules = calloc(count, sizeof(*rs->rules));
	rs->lines = calloc(count, sizeof(*rs->lines));
	rs->pool = malloc(pool);
	rs->room = count;
	rs->pool_room = pool;
	return rs->rules && rs->lines && rs->pool ? 0 : -1;
}

/* The table may be replaced by a longer one between two looks at it. */
static int plib_fetch(int fd, struct parley_ruleset *rs)
{
	struct parley_rules r = { 0 };

	do {
		if (plib_make_room(rs, &r))
			return -1;
		memset(&r, 0, sizeof(r));
		r.size = sizeof(r);
		r.rule_size = sizeof(*rs->rules);
		r.count = rs->room;
		r.pool_len = rs->pool_room;
		r.rules = (uintptr_t)rs->rules;
		r.pool = (uintptr_t)rs->pool;
		if (ioctl(fd, PARLEY_IOC_GET_RULES, &r) >= 0) {
			rs->count = r.count;
			rs->pool_len = r.pool_len;
			rs->otherwise = r.otherwise;
			return 0;
		}
	} while (errno == ERANGE);
	return -1;
}

struct parley_ruleset *parley_get_rules(int fd)
{
	struct parley_ruleset *rs = parley_ruleset_new();
	int err;

	if (!rs || !plib_fetch(fd, rs))
		return rs;
	err = errno;
	parley_ruleset_free(rs);
	errno = err;
	return NULL;
}
