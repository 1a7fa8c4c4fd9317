// SPDX-License-Identifier: GPL-2.0
/* Tables of rules for the tests; see lib_ruleset.h. */
#include <stdio.h>
#include <string.h>

#include "lib_ruleset.h"

/* Bytes of a pool; @n of them, none if it is 0. */
struct bytes {
	const char *at;
	size_t n;
};

static struct bytes pooled(const struct parley_ruleset *rs, __u32 at, __u32 n)
{
	size_t len;
	const char *pool = parley_ruleset_pool(rs, &len);

	if (!n || at > len || n > len - at)
		return (struct bytes) { NULL, n };
	return (struct bytes) { pool + at, n };
}

static struct bytes text(const char *s)
{
	return (struct bytes) { s, s ? strlen(s) : 0 };
}

static bool differ(const char *what)
{
	printf("# %s differs\n", what);
	fflush(stdout);
	return false;
}

static bool same(const char *what, struct bytes a, struct bytes b)
{
	if (a.n == b.n && (!a.n || (a.at && b.at && !memcmp(a.at, b.at, a.n))))
		return true;
	printf("# %s is '%.*s', not '%.*s'\n", what, (int)a.n, a.at ?: "(none)",
	       (int)b.n, b.at ?: "(none)");
	fflush(stdout);
	return false;
}

static bool masked(const struct parley_rule *r)
{
	return r->data_mask != r->data_value;
}

/* Where things are in a pool is nobody's business. */
static struct parley_rule placeless(const struct parley_rule *r)
{
	struct parley_rule rule = *r;

	rule.data_value = 0;
	rule.data_mask = 0;
	rule.then.reply = 0;
	rule.over.reply = 0;
	return rule;
}

bool ruleset_rule_is(const struct parley_ruleset *rs, size_t index,
		     const struct ruleset_want *want)
{
	const struct parley_rule *r = parley_ruleset_rule(rs, index);
	struct parley_rule is, be = want->rule;
	const char *mask = want->mask ?: want->value;

	if (!r)
		return differ("the number of rules");
	is = placeless(r);
	be.data_len = text(want->value).n;
	be.then.reply_len = text(want->then).n;
	be.over.reply_len = text(want->over).n;
	if (memcmp(&is, &be, sizeof(is)))
		return differ("a member of the rule");
	if (want->value && masked(r) != !!want->mask)
		return differ("the presence of a mask");
	return same("the value", pooled(rs, r->data_value, r->data_len),
		    text(want->value)) &&
	       same("the mask", pooled(rs, r->data_mask, r->data_len),
		    text(mask)) &&
	       same("the reply", pooled(rs, r->then.reply, r->then.reply_len),
		    text(want->then)) &&
	       same("the reply beyond the rate",
		    pooled(rs, r->over.reply, r->over.reply_len),
		    text(want->over));
}

static bool answer_is(const struct parley_ruleset *a,
		      const struct parley_rule_answer *x,
		      const struct parley_ruleset *b,
		      const struct parley_rule_answer *y)
{
	return same("a reply", pooled(a, x->reply, x->reply_len),
		    pooled(b, y->reply, y->reply_len));
}

static bool rule_is(const struct parley_ruleset *a, const struct parley_rule *x,
		    const struct parley_ruleset *b, const struct parley_rule *y)
{
	struct parley_rule is = placeless(x), be = placeless(y);

	if (memcmp(&is, &be, sizeof(is)))
		return differ("a member of a rule");
	if (masked(x) != masked(y))
		return differ("the presence of a mask");
	return same("a value", pooled(a, x->data_value, x->data_len),
		    pooled(b, y->data_value, y->data_len)) &&
	       same("a mask", pooled(a, x->data_mask, x->data_len),
		    pooled(b, y->data_mask, y->data_len)) &&
	       answer_is(a, &x->then, b, &y->then) &&
	       answer_is(a, &x->over, b, &y->over);
}

bool ruleset_is(const struct parley_ruleset *a, const struct parley_ruleset *b)
{
	struct parley_rule_answer x = *parley_ruleset_default(a);
	struct parley_rule_answer y = *parley_ruleset_default(b);
	size_t i;

	if (parley_ruleset_count(a) != parley_ruleset_count(b))
		return differ("the number of rules");
	for (i = 0; i < parley_ruleset_count(a); i++)
		if (!rule_is(a, parley_ruleset_rule(a, i), b,
			     parley_ruleset_rule(b, i))) {
			printf("# in rule %zu\n", i);
			return false;
		}
	if (!answer_is(a, &x, b, &y))
		return false;
	x.reply = 0;
	y.reply = 0;
	return !memcmp(&x, &y, sizeof(x)) || differ("the default");
}

struct parley_ruleset *ruleset_of(const char *text)
{
	struct parley_ruleset *rs = parley_ruleset_new();
	struct parley_rule_error err;

	if (!rs || !parley_ruleset_parse(rs, text, strlen(text), &err))
		return rs;
	printf("# %u:%u: %s: %s\n", err.line, err.column, err.message, text);
	fflush(stdout);
	parley_ruleset_free(rs);
	return NULL;
}

bool ruleset_error_is(const struct parley_rule_error *e, unsigned int line,
		      unsigned int column, __u32 rule, __u32 field,
		      const char *message)
{
	if (e->line == line && e->column == column && e->rule == rule &&
	    e->field == field && !strcmp(e->message, message))
		return true;
	printf("# %u:%u rule %u field %u: %s\n# and not\n", e->line, e->column,
	       e->rule, e->field, e->message);
	printf("# %u:%u rule %u field %u: %s\n", line, column, rule, field,
	       message);
	fflush(stdout);
	return false;
}
