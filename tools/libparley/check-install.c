// SPDX-License-Identifier: GPL-2.0
/*
 * A program as users write them, for check.sh: it is compiled against an
 * installation, as C and as C++, and needs no kernel.
 */
#include <parley.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int never(const struct parley_offer *offer, struct parley_answer *answer,
		 void *arg)
{
	(void)offer;
	(void)answer;
	(void)arg;
	return PARLEY_REFUSE;
}

int main(void)
{
	static const char rules[] = "accept uid 1000 # me\n";
	struct parley_ruleset *rs = parley_ruleset_new();
	struct parley_rule_error error;
	char *text;

	if (!rs || parley_ruleset_parse(rs, rules, strlen(rules), &error)) {
		fprintf(stderr, "cannot parse\n");
		return 1;
	}
	text = parley_ruleset_format(rs);
	if (!text)
		return 1;
	printf("%.*s %s\n", (int)strcspn(text, "\n"), text,
	       parley_reason_name(PARLEY_REASON_RULE));
	free(text);
	parley_ruleset_free(rs);
	/* -1 is no descriptor. */
	return parley_accept(-1, NULL, NULL, never, NULL, 0) != -1;
}
