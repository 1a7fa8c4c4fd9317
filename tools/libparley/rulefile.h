/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files that read and write rule files share. Functions that return
 * int return 0, or -1 with errno and the error filled.
 */
#ifndef LIBPARLEY_RULEFILE_H
#define LIBPARLEY_RULEFILE_H

#include "internal.h"

#pragma GCC visibility push(hidden)

/* Which clauses may stand where. */
#define PLIB_IN_RULE		0x1U	/* between a verdict and "else" */
#define PLIB_IN_ELSE		0x2U	/* after "else" */
#define PLIB_IN_DEFAULT		0x4U	/* after "default" and its verdict */

/**
 * struct plib_parse - where a text is being read
 * @rs: the table that rules are added to
 * @err: the error, filled by plib_fail()
 * @start: beginning of the line
 * @at: the first byte of it that is not yet read
 * @end: its end
 * @line: its number, from 1
 * @word: the word at hand, at the end of the line an empty one
 * @len: bytes of it
 * @rule: the rule that the line becomes; of the default only @then
 * @answer: @rule.then, or @rule.over after "else"
 * @where: PLIB_IN_*
 * @seen: bit n: clause n is there already
 * @field: enum parley_rule_field that the word belongs to
 * @ended: the default was there
 */
struct plib_parse {
	struct parley_ruleset *rs;
	struct parley_rule_error *err;
	const char *start;
	const char *at;
	const char *end;
	unsigned int line;
	const char *word;
	size_t len;
	struct parley_rule rule;
	struct parley_rule_answer *answer;
	unsigned int where;
	unsigned int seen;
	uint32_t field;
	bool ended;
};

/* rulewords.c: words, and what is wrong with them */

void plib_next(struct plib_parse *p);
bool plib_is(const struct plib_parse *p, const char *word);
/* index of the word in @names, of which there are @n, or -1 */
int plib_lookup(const char *word, size_t len, const char *const *names, int n);
/* always -1; the message begins at @at */
int plib_fail(struct plib_parse *p, const char *at, const char *fmt, ...)
	__printf(3, 4);
/* always -1; for what is not about the text, with errno as it is */
int plib_fail_errno(struct plib_parse *p);
/* always -1; "@what is expected, not 'word'" */
int plib_expected(struct plib_parse *p, const char *what);

/* rulevalues.c: each takes the word at hand, and goes on to the next one */

int plib_number(struct plib_parse *p, const char *what, uint64_t max,
		uint64_t *value);
int plib_number32(struct plib_parse *p, const char *what, uint32_t *value);
/* "1000" or "1000-1999" */
int plib_range(struct plib_parse *p, const char *what, uint32_t max,
	       uint32_t *low, uint32_t *high);
/* bytes or bytes per second: "64K", "unspecified" */
int plib_size(struct plib_parse *p, const char *what, uint32_t *value);
int plib_size_range(struct plib_parse *p, const char *what, uint32_t *low,
		    uint32_t *high);
/* "2s", in milliseconds */
int plib_time(struct plib_parse *p, const char *what, uint32_t *ms);
/* "10ms" or "unspecified", in microseconds */
int plib_delay(struct plib_parse *p, const char *what, uint32_t *us);
/* "100/1s" */
int plib_rate(struct plib_parse *p, struct parley_rule_rate *rate);
/* "text" or xHEX, for free(3) */
int plib_bytes(struct plib_parse *p, unsigned char **bytes, size_t *len);

/* rulematch.c and ruleanswer.c: what follows the name of the clause */

int plib_match_caller(struct plib_parse *p);
int plib_match_port(struct plib_parse *p);
int plib_match_uid(struct plib_parse *p);
int plib_match_gid(struct plib_parse *p);
int plib_match_cgroup(struct plib_parse *p);
int plib_match_group(struct plib_parse *p);
int plib_match_qos(struct plib_parse *p);
int plib_match_data(struct plib_parse *p);

/* the word at hand is a verdict */
int plib_answer_verdict(struct plib_parse *p);
int plib_answer_code(struct plib_parse *p);
int plib_answer_retry(struct plib_parse *p);
int plib_answer_reply(struct plib_parse *p);
int plib_answer_grant(struct plib_parse *p);

/* ruletext.c: names that are both read and written */

extern const char *const plib_verdicts[PARLEY_DEFER + 1];
extern const char *const plib_services[PARLEY_SERVICE_GUARANTEED + 1];
#define PLIB_SERVICES_ALL	0xfU
#define PLIB_SERVICE_NAMES	\
	"notraffic, besteffort, controlledload or guaranteed"

/* a flow in a grant of which nothing is said: as much as was asked for */
void plib_flow_default(struct parley_flowspec *flow, uint32_t token_rate);

/**
 * struct plib_flow_member - a member of a flow as rule files have it
 * @name: in the text
 * @offset: in struct parley_flowspec
 * @delay: a time, not a number of bytes
 */
struct plib_flow_member {
	const char *name;
	size_t offset;
	bool delay;
};

extern const struct plib_flow_member plib_flow_members[];
extern const size_t plib_flow_members_count;

#pragma GCC visibility pop

#endif /* LIBPARLEY_RULEFILE_H */
