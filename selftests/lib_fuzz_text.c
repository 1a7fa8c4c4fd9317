// SPDX-License-Identifier: GPL-2.0
/*
 * Programs as text. A line is a call: the thread, with a + if the next call
 * does not wait, the name, and arguments by their names.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib_fuzz.h"

static int write_call(const struct fuzz_call *c, char *text, size_t room)
{
	const struct fuzz_op *op = &fuzz_ops[c->op];
	size_t used = 0;
	unsigned int i;
	int n;

	n = snprintf(text, room, "%u%s %s", c->actor, c->async ? "+" : "", op->name);
	for (i = 0; n >= 0 && i < FUZZ_ARGS && op->arg[i].name; i++) {
		used += n;
		if (used >= room)
			return -ENOSPC;
		n = snprintf(text + used, room - used, " %s=%#llx", op->arg[i].name,
			     (unsigned long long)c->arg[i]);
	}
	used += n;
	if (n < 0 || used + 1 >= room)
		return -ENOSPC;
	text[used] = '\n';
	text[used + 1] = 0;
	return used + 1;
}

int fuzz_prog_write(const struct fuzz_prog *p, char *text, size_t room)
{
	size_t used = 0;
	unsigned int i;
	int n;

	text[0] = 0;
	for (i = 0; i < p->n; i++) {
		n = write_call(&p->call[i], text + used, room - used);
		if (n < 0)
			return n;
		used += n;
	}
	return used;
}

static const char *read_args(const struct fuzz_op *op, struct fuzz_call *c, char **rest)
{
	const char *word;
	char *equal, *end;
	unsigned int i;

	for (i = 0; i < FUZZ_ARGS && op->arg[i].name; i++) {
		word = strtok_r(NULL, " ", rest);
		if (!word)
			return "too few arguments";
		equal = strchr(word, '=');
		if (!equal || strncmp(word, op->arg[i].name, equal - word) ||
		    op->arg[i].name[equal - word])
			return "not the argument that was due";
		c->arg[i] = strtoull(equal + 1, &end, 0);
		if (!equal[1] || *end)
			return "not a number";
	}
	return strtok_r(NULL, " ", rest) ? "too many arguments" : NULL;
}

static const char *read_call(struct fuzz_call *c, char *line)
{
	char *rest, *word, *end;
	int op;

	memset(c, 0, sizeof(*c));
	word = strtok_r(line, " ", &rest);
	if (!word)
		return "an empty line";
	c->actor = strtoul(word, &end, 10);
	if (end == word || c->actor >= FUZZ_ACTORS)
		return "no such thread";
	c->async = *end == '+';
	if (end[c->async])
		return "no such thread";
	word = strtok_r(NULL, " ", &rest);
	op = word ? fuzz_op_find(word) : -1;
	if (op < 0)
		return "no such call";
	c->op = op;
	return read_args(&fuzz_ops[op], c, &rest);
}

const char *fuzz_prog_read(struct fuzz_prog *p, const char *text)
{
	const char *wrong = NULL;
	char *copy = strdup(text);
	char *rest, *line;

	if (!copy)
		return "no memory";
	memset(p, 0, sizeof(*p));
	for (line = strtok_r(copy, "\n", &rest); line && !wrong;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (*line == '#')
			continue;
		if (p->n == FUZZ_CALLS)
			wrong = "too many calls";
		else
			wrong = read_call(&p->call[p->n++], line);
	}
	free(copy);
	return wrong;
}

bool fuzz_prog_same(const struct fuzz_prog *a, const struct fuzz_prog *b)
{
	const struct fuzz_call *c, *d;
	unsigned int i;

	if (a->n != b->n)
		return false;
	for (i = 0; i < a->n; i++) {
		c = &a->call[i];
		d = &b->call[i];
		if (c->op != d->op || c->actor != d->actor || !c->async != !d->async ||
		    memcmp(c->arg, d->arg, sizeof(c->arg)))
			return false;
	}
	return true;
}
