// SPDX-License-Identifier: GPL-2.0
/* Programs from programs: a call more or less, another argument, two spliced. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <string.h>

#include "lib_fuzz.h"

static void insert(struct fuzz_prog *p, struct race_random *r)
{
	unsigned int at = race_below(r, p->n + 1);
	struct fuzz_guess g;

	if (p->n == FUZZ_CALLS)
		return;
	fuzz_guess(&g, p, at);
	memmove(&p->call[at + 1], &p->call[at], (p->n - at) * sizeof(p->call[0]));
	p->n++;
	fuzz_fill(&p->call[at], fuzz_pick_op(r), race_below(r, FUZZ_ACTORS), &g, r);
}

static void drop(struct fuzz_prog *p, struct race_random *r)
{
	unsigned int at = race_below(r, p->n);

	if (p->n < 2)
		return;
	p->n--;
	memmove(&p->call[at], &p->call[at + 1], (p->n - at) * sizeof(p->call[0]));
}

static void change(struct fuzz_prog *p, struct race_random *r)
{
	struct fuzz_call *c = &p->call[race_below(r, p->n)];
	unsigned int args = 0, i;
	struct fuzz_guess g;

	while (args < FUZZ_ARGS && fuzz_ops[c->op].arg[args].name)
		args++;
	if (!args)
		return;
	i = race_below(r, args);
	fuzz_guess(&g, p, c - p->call);
	if (race_below(r, 8))
		c->arg[i] = fuzz_fill_arg(c, i, &g, r);
	else
		c->arg[i] ^= 1ULL << race_below(r, 32);
}

static void repeat(struct fuzz_prog *p, struct race_random *r)
{
	unsigned int from = race_below(r, p->n);

	if (p->n == FUZZ_CALLS)
		return;
	memmove(&p->call[from + 1], &p->call[from], (p->n - from) * sizeof(p->call[0]));
	p->n++;
	if (race_below(r, 2))
		p->call[from].async = 1;
	if (race_below(r, 2))
		p->call[from + 1].actor = p->call[from].actor ^ 1;
}

/* The beginning of one, and the end of another. */
static void splice(struct fuzz_prog *p, const struct fuzz_prog *other, struct race_random *r)
{
	unsigned int keep = 1 + race_below(r, p->n);
	unsigned int from, n;

	if (!other || !other->n)
		return;
	from = race_below(r, other->n);
	n = other->n - from;
	if (n > FUZZ_CALLS - keep)
		n = FUZZ_CALLS - keep;
	memcpy(&p->call[keep], &other->call[from], n * sizeof(p->call[0]));
	p->n = keep + n;
}

static void once(struct fuzz_prog *p, const struct fuzz_prog *other, struct race_random *r)
{
	struct fuzz_call *c = &p->call[race_below(r, p->n)];

	switch (race_below(r, 12)) {
	case 0:
	case 1:
	case 2:
		insert(p, r);
		break;
	case 3:
		drop(p, r);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		change(p, r);
		break;
	case 8:
		repeat(p, r);
		break;
	case 9:
		c->async = !c->async;
		break;
	case 10:
		c->actor = race_below(r, FUZZ_ACTORS);
		break;
	default:
		splice(p, other, r);
	}
}

void fuzz_mutate(struct fuzz_prog *p, const struct fuzz_prog *other, struct race_random *r)
{
	unsigned int n = 1 + race_below(r, 5);

	while (n--)
		once(p, other, r);
}
