// SPDX-License-Identifier: GPL-2.0
/*
 * Programs in memory, and files of them. In a file each begins with a line
 * "# program NUMBER"; what is read is in the order of the numbers, so a ring of
 * the last programs can be run again as it is.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib_fuzz.h"

#define HEAD	"# program "

int fuzz_corpus_add(struct fuzz_corpus *c, const struct fuzz_prog *p)
{
	struct fuzz_prog *more;
	unsigned int room;

	if (c->n == c->room) {
		room = c->room ? 2 * c->room : 64;
		more = realloc(c->prog, room * sizeof(*more));
		if (!more)
			return -ENOMEM;
		c->prog = more;
		c->room = room;
	}
	c->prog[c->n++] = *p;
	return 0;
}

void fuzz_corpus_free(struct fuzz_corpus *c)
{
	free(c->prog);
	memset(c, 0, sizeof(*c));
}

/* Those that came late have more to tell. */
const struct fuzz_prog *fuzz_corpus_any(const struct fuzz_corpus *c, struct race_random *r)
{
	unsigned int a, b;

	if (!c->n)
		return NULL;
	a = race_below(r, c->n);
	b = race_below(r, c->n);
	return &c->prog[a > b ? a : b];
}

struct numbered {
	unsigned long long number;
	unsigned int at;
	struct fuzz_prog prog;
};

static int by_number(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

/* All of a file; a ring has zeroes between its programs, which become blanks. */
static char *slurp(const char *path)
{
	size_t room = 1 << 16, n = 0, got, i;
	char *text = malloc(room), *more;
	FILE *f = fopen(path, "re");

	while (f && text && (got = fread(text + n, 1, room - n - 1, f)) > 0) {
		n += got;
		if (n + 1 < room)
			continue;
		room *= 2;
		more = realloc(text, room);
		if (!more)
			free(text);
		text = more;
	}
	if (!f || !text) {
		free(text);
		text = NULL;
	} else {
		for (i = 0; i < n; i++)
			if (!text[i])
				text[i] = '\n';
		text[n] = 0;
	}
	if (f)
		fclose(f);
	return text;
}

/* The programs of @text; NULL or what is wrong with one of them. */
static const char *split(char *text, struct numbered **list, unsigned int *count)
{
	char *at = strstr(text, HEAD), *next;
	const char *wrong = NULL;
	struct numbered *more;

	for (; at && !wrong; at = next) {
		next = strstr(at + 1, HEAD);
		if (next)
			next[-1] = 0;
		more = realloc(*list, (*count + 1) * sizeof(*more));
		if (!more)
			return "no memory";
		*list = more;
		more += *count;
		more->number = strtoull(at + strlen(HEAD), NULL, 10);
		more->at = *count;
		(*count)++;
		wrong = fuzz_prog_read(&more->prog, at);
	}
	return wrong;
}

const char *fuzz_corpus_read(struct fuzz_corpus *c, const char *path)
{
	struct numbered *list = NULL;
	unsigned int i, count = 0;
	const char *wrong;
	char *text;

	text = slurp(path);
	if (!text)
		return "it cannot be read";
	wrong = split(text, &list, &count);
	if (count)
		qsort(list, count, sizeof(*list), by_number);
	for (i = 0; !wrong && i < count; i++)
		if (list[i].prog.n && fuzz_corpus_add(c, &list[i].prog))
			wrong = "no memory";
	free(list);
	free(text);
	return wrong;
}
