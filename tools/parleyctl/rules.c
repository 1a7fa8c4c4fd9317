// SPDX-License-Identifier: GPL-2.0
/*
 * Tables of rules: read from files, given to listeners. What is wrong with one
 * is told as compilers do: FILE:LINE:COLUMN.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules.h"

/* As much text as a file of rules may have. */
#define RULES_MAX	0x1000000

static int complain(const char *path, const struct parley_rule_error *error)
{
	const char *what = error->message[0] ? error->message : strerror(errno);

	if (error->line && error->column)
		return failure("%s:%u:%u: %s", path, error->line, error->column,
			       what);
	if (error->line)
		return failure("%s:%u: %s", path, error->line, what);
	return failure("%s: %s", path, what);
}

/* There is no name for standard input that is there everywhere. */
static int load_stdin(struct parley_ruleset *rules,
		      struct parley_rule_error *error)
{
	struct bytes text = { 0 };
	int ret = -1;

	if (!read_all(stdin, RULES_MAX, &text))
		ret = parley_ruleset_parse(rules, text.data, text.len, error);
	free(text.data);
	return ret;
}

/* On success the caller frees @rules. A @path of "-" is standard input. */
int rules_load(const char *path, struct parley_ruleset **rules)
{
	struct parley_rule_error error = { 0 };
	int ret;

	*rules = parley_ruleset_new();
	if (!*rules)
		return failure("out of memory");
	if (strcmp(path, "-"))
		ret = parley_ruleset_load(*rules, path, &error);
	else
		ret = load_stdin(*rules, &error);
	if (!ret)
		return EXIT_OK;
	ret = complain(path, &error);
	parley_ruleset_free(*rules);
	return ret;
}

int rules_set(int fd, const char *path, const struct parley_ruleset *rules)
{
	struct parley_rule_error error = { 0 };

	if (!parley_set_rules(fd, rules, &error))
		return EXIT_OK;
	return complain(path, &error);
}

/* Every call waits until somebody decides. */
int rules_defer_all(int fd)
{
	const struct parley_rule_answer defer = { .verdict = PARLEY_DEFER };
	struct parley_ruleset *rules = parley_ruleset_new();
	int ret;

	if (!rules || parley_ruleset_set_default(rules, &defer))
		ret = failure("rules: %s", strerror(errno));
	else
		ret = rules_set(fd, "rules", rules);
	parley_ruleset_free(rules);
	return ret;
}
