// SPDX-License-Identifier: GPL-2.0
/* The words of a rule file, and saying what is wrong with one. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "rulefile.h"

/* As much of a word as a message shows. */
#define PLIB_SHOWN	40

static bool plib_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The end of a word: a space that is not between quotes. */
static const char *plib_word_end(const char *at, const char *end)
{
	bool quoted = false;

	for (; at < end; at++) {
		if (*at == '"')
			quoted = !quoted;
		else if (quoted && *at == '\\' && at + 1 < end)
			at++;
		else if (!quoted && plib_space(*at))
			break;
	}
	return at;
}

void plib_next(struct plib_parse *p)
{
	while (p->at < p->end && plib_space(*p->at))
		p->at++;
	p->word = p->at;
	if (p->at < p->end && *p->at != '#')
		p->at = plib_word_end(p->at, p->end);
	p->len = p->at - p->word;
}

static bool plib_equal(const char *word, size_t len, const char *name)
{
	return strlen(name) == len && !memcmp(word, name, len);
}

bool plib_is(const struct plib_parse *p, const char *word)
{
	return plib_equal(p->word, p->len, word);
}

int plib_lookup(const char *word, size_t len, const char *const *names, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (plib_equal(word, len, names[i]))
			return i;
	return -1;
}

/* What a terminal would take for an order is not shown to one. */
static void plib_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static void plib_where(struct plib_parse *p, unsigned int column)
{
	p->err->line = p->line;
	p->err->column = column;
	p->err->rule = p->rs->count;
	p->err->field = p->field;
	plib_printable(p->err->message);
}

int plib_fail(struct plib_parse *p, const char *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->err->message, sizeof(p->err->message), fmt, ap);
	va_end(ap);
	plib_where(p, at - p->start + 1);
	errno = EINVAL;
	return -1;
}

int plib_fail_errno(struct plib_parse *p)
{
	char *message = p->err->message;
	size_t room = sizeof(p->err->message);
	int err = errno;

	if (err == EMSGSIZE)
		snprintf(message, room,
			 "the bytes of all rules together exceed 1 MiB");
	else if (err == E2BIG)
		snprintf(message, room, "there are more than %d rules",
			 PARLEY_RULES_MAX);
	else
		snprintf(message, room, "%m");
	plib_where(p, 0);
	errno = err;
	return -1;
}

int plib_expected(struct plib_parse *p, const char *what)
{
	size_t len = p->len;
	bool cut = len > PLIB_SHOWN;

	if (!len)
		return plib_fail(p, p->word, "%s is missing", what);
	if (cut)
		len = PLIB_SHOWN;
	/* Not in the middle of a character of UTF-8. */
	while (cut && len && (p->word[len] & 0xc0) == 0x80)
		len--;
	return plib_fail(p, p->word, "%s is expected, not '%.*s%s'", what,
			 (int)len, p->word, cut ? "..." : "");
}
