// SPDX-License-Identifier: GPL-2.0
/*
 * Reading rule files: a text becomes lines, a line becomes a rule, clause by
 * clause. Documentation/man/parley-rules.5 has the grammar.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rulefile.h"

#define PLIB_FILE_MAX	(16 * PLIB_POOL_MAX)

static int plib_rate_clause(struct plib_parse *p);
static int plib_else_clause(struct plib_parse *p);

/**
 * struct plib_clause - what a line may say after its verdict
 * @name: how it begins
 * @where: PLIB_IN_*
 * @verdicts: bit n: with verdict n
 * @match: PARLEY_MATCH_* that it sets
 * @field: where the kernel would find what is wrong with it, 0: in the answer
 * @parse: reads what follows the name
 */
struct plib_clause {
	const char *name;
	unsigned int where;
	unsigned int verdicts;
	uint32_t match;
	uint32_t field;
	int (*parse)(struct plib_parse *p);
};

#define ACCEPT	BIT(PARLEY_ACCEPT)
#define REFUSE	BIT(PARLEY_REFUSE)
#define ANY	(ACCEPT | REFUSE | BIT(PARLEY_DEFER))
#define ANSWER	(PLIB_IN_RULE | PLIB_IN_ELSE | PLIB_IN_DEFAULT)

static const struct plib_clause plib_clauses[] = {
	{ "caller", PLIB_IN_RULE, ANY, PARLEY_MATCH_CALLER,
	  PARLEY_FIELD_CALLER, plib_match_caller },
	{ "port", PLIB_IN_RULE, ANY, PARLEY_MATCH_PORT,
	  PARLEY_FIELD_PORT, plib_match_port },
	{ "uid", PLIB_IN_RULE, ANY, PARLEY_MATCH_UID,
	  PARLEY_FIELD_UID, plib_match_uid },
	{ "gid", PLIB_IN_RULE, ANY, PARLEY_MATCH_GID,
	  PARLEY_FIELD_GID, plib_match_gid },
	{ "cgroup", PLIB_IN_RULE, ANY, PARLEY_MATCH_CGROUP,
	  PARLEY_FIELD_MATCH, plib_match_cgroup },
	{ "group", PLIB_IN_RULE, ANY, PARLEY_MATCH_GROUP,
	  PARLEY_FIELD_MATCH, plib_match_group },
	{ "qos", PLIB_IN_RULE, ANY, PARLEY_MATCH_QOS,
	  PARLEY_FIELD_QOS, plib_match_qos },
	{ "data", PLIB_IN_RULE, ANY, PARLEY_MATCH_DATA,
	  PARLEY_FIELD_DATA, plib_match_data },
	{ "rate", PLIB_IN_RULE, ANY, 0, PARLEY_FIELD_RATE, plib_rate_clause },
	{ "else", PLIB_IN_RULE, ANY, 0, PARLEY_FIELD_OVER, plib_else_clause },
	{ "code", ANSWER, REFUSE, 0, 0, plib_answer_code },
	{ "retry-after", ANSWER, REFUSE, 0, 0, plib_answer_retry },
	{ "reply", ANSWER, ACCEPT | REFUSE, 0, 0, plib_answer_reply },
	{ "grant", ANSWER, ACCEPT, 0, 0, plib_answer_grant },
};

static int plib_rate_clause(struct plib_parse *p)
{
	struct parley_rule_rate *rate = &p->rule.rate;
	const char *at;

	if (plib_rate(p, rate))
		return -1;
	p->rule.flags |= PARLEY_RULE_RATE;
	p->rule.over.verdict = PARLEY_REFUSE;
	rate->burst = rate->calls;
	if (!plib_is(p, "burst"))
		return 0;
	plib_next(p);
	at = p->word;
	if (plib_number32(p, "a number of calls", &rate->burst))
		return -1;
	return rate->burst ? 0 : plib_fail(p, at, "the burst is at least 1");
}

static int plib_else_clause(struct plib_parse *p)
{
	size_t i;

	p->answer = &p->rule.over;
	p->where = PLIB_IN_ELSE;
	for (i = 0; i < ARRAY_SIZE(plib_clauses); i++)
		if (plib_clauses[i].where & PLIB_IN_ELSE)
			p->seen &= ~BIT(i);
	return plib_answer_verdict(p);
}

/* Whether clause @i may stand here. */
static int plib_clause_fits(struct plib_parse *p, unsigned int i)
{
	const struct plib_clause *c = &plib_clauses[i];

	if (!(c->where & p->where))
		return plib_fail(p, p->word, p->where == PLIB_IN_ELSE ?
				 "%s cannot be said after else" :
				 "%s cannot be said of the default", c->name);
	if (p->seen & BIT(i))
		return plib_fail(p, p->word, "%s is there twice", c->name);
	if (!(c->verdicts & BIT(p->answer->verdict)))
		return plib_fail(p, p->word, "%s does not go with %s", c->name,
				 plib_verdicts[p->answer->verdict]);
	if (c->parse == plib_else_clause && !(p->rule.flags & PARLEY_RULE_RATE))
		return plib_fail(p, p->word, "else comes after a rate");
	return 0;
}

static int plib_clause(struct plib_parse *p)
{
	const struct plib_clause *c;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(plib_clauses); i++)
		if (plib_is(p, plib_clauses[i].name))
			break;
	if (i == ARRAY_SIZE(plib_clauses))
		return plib_expected(p, "a condition or an answer");
	c = &plib_clauses[i];
	p->field = c->field ?: p->answer == &p->rule.over ? PARLEY_FIELD_OVER :
							    PARLEY_FIELD_THEN;
	if (plib_clause_fits(p, i))
		return -1;
	p->seen |= BIT(i);
	p->rule.match |= c->match;
	plib_next(p);
	if (c->parse(p))
		return -1;
	p->field = PARLEY_FIELD_NONE;
	return 0;
}

/* A verdict and what follows it. */
static int plib_clauses_parse(struct plib_parse *p)
{
	memset(&p->rule, 0, sizeof(p->rule));
	p->answer = &p->rule.then;
	p->seen = 0;
	p->field = PARLEY_FIELD_NONE;
	if (plib_answer_verdict(p))
		return -1;
	while (p->len)
		if (plib_clause(p))
			return -1;
	return 0;
}

static int plib_default_line(struct plib_parse *p)
{
	p->where = PLIB_IN_DEFAULT;
	plib_next(p);
	if (plib_clauses_parse(p))
		return -1;
	p->ended = true;
	p->rs->otherwise = p->rule.then;
	p->rs->default_line = p->line;
	return 0;
}

static int plib_line(struct plib_parse *p)
{
	const char *zero = memchr(p->start, '\0', p->end - p->start);

	p->field = PARLEY_FIELD_NONE;
	if (zero)
		return plib_fail(p, zero, "there is a zero byte");
	plib_next(p);
	if (!p->len)
		return 0;
	if (p->ended)
		return plib_fail(p, p->word, "the default is the last line");
	if (plib_is(p, "default"))
		return plib_default_line(p);
	p->where = PLIB_IN_RULE;
	if (plib_clauses_parse(p))
		return -1;
	if (plib_ruleset_add(p->rs, &p->rule, p->line))
		return plib_fail_errno(p);
	return 0;
}

int parley_ruleset_parse(struct parley_ruleset *rs, const char *text,
			 size_t len, struct parley_rule_error *err)
{
	const char *end = text + len, *newline;
	struct parley_ruleset before = *rs;
	struct parley_rule_error unused;
	struct plib_parse p = { .rs = rs, .err = err ?: &unused };

	for (; text < end; text = p.end + 1) {
		newline = memchr(text, '\n', end - text);
		p.start = text;
		p.at = text;
		p.end = newline ?: end;
		p.line++;
		if (!plib_line(&p))
			continue;
		/* The memory may have moved, but not what was in it. */
		rs->count = before.count;
		rs->pool_len = before.pool_len;
		rs->otherwise = before.otherwise;
		rs->default_line = before.default_line;
		return -1;
	}
	return 0;
}

/* All of a file, for free(3). */
static char *plib_read_all(int fd, size_t *len)
{
	size_t room = 0;
	char *text = NULL, *more;
	ssize_t n;

	for (*len = 0; ; *len += n) {
		if (*len == room) {
			if (room >= PLIB_FILE_MAX) {
				errno = EFBIG;
				break;
			}
			room = room ? 2 * room : 4096;
			more = realloc(text, room);
			if (!more)
				break;
			text = more;
		}
		n = read(fd, text + *len, room - *len);
		if (!n)
			return text;
		if (n < 0 && errno != EINTR)
			break;
		if (n < 0)
			n = 0;
	}
	free(text);
	return NULL;
}

static char *plib_read_file(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text;
	int err;

	if (fd < 0)
		return NULL;
	text = plib_read_all(fd, len);
	err = errno;
	close(fd);
	errno = err;
	return text;
}

int parley_ruleset_load(struct parley_ruleset *rs, const char *path,
			struct parley_rule_error *err)
{
	size_t len;
	char *text = plib_read_file(path, &len);
	int ret, saved;

	if (!text) {
		saved = errno;
		if (err) {
			memset(err, 0, sizeof(*err));
			err->rule = PARLEY_RULE_NONE;
			snprintf(err->message, sizeof(err->message), "%m");
		}
		errno = saved;
		return -1;
	}
	ret = parley_ruleset_parse(rs, text, len, err);
	saved = errno;
	free(text);
	errno = saved;
	return ret;
}
