// SPDX-License-Identifier: GPL-2.0
/*
 * New programs: mostly what makes sense, so that calls come about, are judged
 * and carry data, with something odd here and there.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <string.h>
#include <linux/parley.h>

#include "lib_fuzz.h"
#include "lib_fuzz_opt.h"

static const __u64 extremes[] = {
	0, 1, 2, 3, 4, 7, 8, 15, 16, 127, 128, 255, 256, 4095, 4096, 4097, 65535, 65536, 65537,
	0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff, 0xffffffffffffffff,
};

unsigned int fuzz_pick_op(struct race_random *r)
{
	static unsigned int total;
	unsigned int i, left;

	if (!total)
		for (i = 0; i < fuzz_op_count; i++)
			total += fuzz_ops[i].weight;
	left = race_below(r, total);
	for (i = 0; left >= fuzz_ops[i].weight; i++)
		left -= fuzz_ops[i].weight;
	return i;
}

static bool fits(enum fuzz_kind kind, enum fuzz_kind want, struct race_random *r)
{
	if (want == FUZZ_ANYTHING)
		return kind != FUZZ_NOTHING;
	/* A call may have become a connection. */
	if (want == FUZZ_CONNECTION && kind == FUZZ_CALLER)
		return race_below(r, 2);
	return kind == want;
}

/* A slot with something of this kind, or any one. */
static unsigned int a_slot(const enum fuzz_kind *kind, enum fuzz_kind want, struct race_random *r)
{
	unsigned int i, found = 0, got = race_below(r, FUZZ_SLOTS);

	if (!race_below(r, 30))
		return got;
	for (i = 0; i < FUZZ_SLOTS; i++) {
		if (!fits(kind[i], want, r))
			continue;
		if (!race_below(r, ++found))
			got = i;
	}
	return got;
}

static __u64 some_flags(const struct fuzz_arg *arg, struct race_random *r)
{
	__u64 flags = 0;

	while (arg->count && !race_below(r, 3))
		flags |= arg->value[race_below(r, arg->count)];
	return flags;
}

__u64 fuzz_fill_arg(const struct fuzz_call *c, unsigned int i, const struct fuzz_guess *g,
		    struct race_random *r)
{
	const struct fuzz_arg *arg = &fuzz_ops[c->op].arg[i];
	const enum fuzz_kind *kind = g->kind[c->actor / FUZZ_THREADS];
	bool odd = !race_below(r, 60);

	switch (arg->type) {
	case FUZZ_T_FD:
		return a_slot(kind, fuzz_ops[c->op].need, r);
	case FUZZ_T_OF:
		return a_slot(kind, arg->count, r);
	case FUZZ_T_NEW:
		return a_slot(kind, FUZZ_NOTHING, r);
	case FUZZ_T_PICK:
		break;
	case FUZZ_T_FLAGS:
		return odd ? 1ULL << race_below(r, 32) : some_flags(arg, r);
	case FUZZ_T_RARE:
		if (race_below(r, 40))
			return 0;
		break;
	case FUZZ_T_NUMBERS:
	case FUZZ_T_PAIRS:
	case FUZZ_T_OPTIONS:
		return fuzz_option(arg->type, r);
	case FUZZ_T_NUMBER:
		odd = !race_below(r, 12);
		if (!odd && !race_below(r, 8))
			return arg->value[race_below(r, arg->count)] + race_below(r, 3) - 1;
		break;
	case FUZZ_T_SEED:
		return race_random(r) & 0xffff;
	case FUZZ_T_PATCH:
		return race_below(r, 12) ? 0 : 1 + 4 * race_below(r, 160) + !race_below(r, 8);
	case FUZZ_T_ID:
		return race_below(r, FUZZ_IDS);
	default:
		return 0;
	}
	if (odd || !arg->count)
		return extremes[race_below(r, ARRAY_SIZE(extremes))];
	return arg->value[race_below(r, arg->count)];
}

void fuzz_fill(struct fuzz_call *c, unsigned int op, unsigned int actor,
	       const struct fuzz_guess *g, struct race_random *r)
{
	unsigned int i;

	memset(c, 0, sizeof(*c));
	c->op = op;
	c->actor = actor;
	c->async = !race_below(r, 12);
	for (i = 0; i < FUZZ_ARGS && fuzz_ops[op].arg[i].name; i++)
		c->arg[i] = fuzz_fill_arg(c, i, g, r);
}

/* What a call does to the slots, if all goes well. */
static void follow(struct fuzz_guess *g, const struct fuzz_call *c)
{
	const struct fuzz_op *op = &fuzz_ops[c->op];
	enum fuzz_kind *kind = g->kind[c->actor / FUZZ_THREADS];
	enum fuzz_kind make = op->make;
	unsigned int i;

	for (i = 0; i < FUZZ_ARGS && op->arg[i].name; i++) {
		unsigned int slot = c->arg[i] % FUZZ_SLOTS;

		if (op->arg[i].type == FUZZ_T_FD && op->turn)
			kind[slot] = op->turn == FUZZ_ANYTHING ? FUZZ_NOTHING : op->turn;
		if (op->arg[i].type != FUZZ_T_NEW)
			continue;
		kind[slot] = make;
		/* pipe(2) makes one of each. */
		if (make == FUZZ_PIPE_OUT)
			make = FUZZ_PIPE_IN;
	}
}

void fuzz_guess(struct fuzz_guess *g, const struct fuzz_prog *p, unsigned int at)
{
	unsigned int i;

	memset(g, 0, sizeof(*g));
	for (i = 0; i < at && i < p->n; i++)
		follow(g, &p->call[i]);
}

/* A program while it is being made. */
struct maker {
	struct fuzz_prog *p;
	struct fuzz_guess g;
	struct race_random *r;
	unsigned int actor;
	__u64 type;		/* that most sockets have */
};

static bool has(const enum fuzz_kind *kind, enum fuzz_kind want)
{
	unsigned int i;

	for (i = 0; i < FUZZ_SLOTS; i++)
		if (kind[i] == want)
			return true;
	return false;
}

static bool has_any(const struct maker *m, enum fuzz_kind want)
{
	return has(m->g.kind[0], want) || has(m->g.kind[1], want);
}

/* Who has nothing of what the call needs lets somebody of the other process make it. */
static void choose_actor(struct maker *m, enum fuzz_kind need)
{
	unsigned int other = (m->actor + FUZZ_THREADS) % FUZZ_ACTORS;

	if (need > FUZZ_ANYTHING && !has(m->g.kind[m->actor / FUZZ_THREADS], need) &&
	    has(m->g.kind[other / FUZZ_THREADS], need))
		m->actor = other;
}

/* Calls mostly go where somebody may listen. */
static void aim(struct maker *m, struct fuzz_call *c)
{
	const struct fuzz_call *b;
	unsigned int i, found = 0;

	if (!race_below(m->r, 8))
		return;
	for (i = 0; i < m->p->n; i++) {
		b = &m->p->call[i];
		if (fuzz_ops[b->op].run != fuzz_do_bind || race_below(m->r, ++found))
			continue;
		c->arg[1] = b->arg[1];
		c->arg[2] = b->arg[2];
	}
}

static struct fuzz_call *add(struct maker *m, unsigned int op);

/* What nobody makes otherwise is made for who needs it. */
static void provide(struct maker *m, enum fuzz_kind want)
{
	const char *name = want == FUZZ_BPF ? "bpf" : want == FUZZ_EPOLL ? "epoll" :
			   want == FUZZ_PIPE_OUT ? "pipe" : NULL;

	if (name && !has(m->g.kind[m->actor / FUZZ_THREADS], want))
		add(m, fuzz_op_find(name));
}

static struct fuzz_call *add(struct maker *m, unsigned int op)
{
	struct fuzz_call *c;
	unsigned int i;

	if (m->p->n == FUZZ_CALLS)
		return NULL;
	choose_actor(m, fuzz_ops[op].need);
	for (i = 0; i < FUZZ_ARGS; i++)
		if (fuzz_ops[op].arg[i].type == FUZZ_T_OF)
			provide(m, fuzz_ops[op].arg[i].count);
	provide(m, fuzz_ops[op].need);
	if (m->p->n == FUZZ_CALLS)
		return NULL;
	c = &m->p->call[m->p->n++];
	fuzz_fill(c, op, m->actor, &m->g, m->r);
	/* What others build on is there when they do. */
	if (fuzz_ops[op].make || fuzz_ops[op].turn == FUZZ_LISTENER)
		c->async = 0;
	if (fuzz_ops[op].run == fuzz_do_splice && c->arg[2] & 1)
		c->arg[1] = a_slot(m->g.kind[m->actor / FUZZ_THREADS], FUZZ_PIPE_IN, m->r);
	if (fuzz_ops[op].run == fuzz_do_connect)
		aim(m, c);
	if (fuzz_ops[op].run == fuzz_do_socket && race_below(m->r, 10))
		c->arg[1] = m->type;
	follow(&m->g, c);
	return c;
}

static struct fuzz_call *add_named(struct maker *m, const char *name)
{
	int op = fuzz_op_find(name);

	return op < 0 ? NULL : add(m, op);
}

/* Terms, settings: a few of these, on whatever is at rest. */
static void add_some(struct maker *m, const char *const *names, unsigned int n)
{
	while (!race_below(m->r, 3))
		add_named(m, names[race_below(m->r, n)]);
}

static void make_listener(struct maker *m)
{
	static const char *const settings[] = {
		"set_rules", "setopt", "set_two", "set_bytes", "filter", "set_policy", "set_bpf",
	};
	struct fuzz_call *c = add_named(m, "socket");
	__u64 slot = c ? c->arg[0] : 0;
	unsigned int before = m->p->n;

	add_named(m, "bind");
	add_some(m, settings, ARRAY_SIZE(settings));
	add_named(m, "listen");
	add_some(m, settings, ARRAY_SIZE(settings));
	/* All of it about this socket. */
	for (; before < m->p->n; before++) {
		c = &m->p->call[before];
		if (fuzz_ops[c->op].arg[0].type == FUZZ_T_FD)
			c->arg[0] = slot;
	}
	fuzz_guess(&m->g, m->p, m->p->n);
}

static void make_call(struct maker *m)
{
	static const char *const terms[] = { "set_qos", "set_bytes", "setopt", "set_two" };
	struct fuzz_call *c = add_named(m, "socket");
	__u64 slot = c ? c->arg[0] : 0;
	unsigned int before = m->p->n;

	add_some(m, terms, ARRAY_SIZE(terms));
	add_named(m, "connect");
	for (; before < m->p->n; before++) {
		c = &m->p->call[before];
		if (fuzz_ops[c->op].arg[0].type == FUZZ_T_FD)
			c->arg[0] = slot;
	}
	fuzz_guess(&m->g, m->p, m->p->n);
}

static void make_data(struct maker *m)
{
	static const char *const moves[] = {
		"send", "recv", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "write", "read",
		"splice", "sendfile", "queue", "poll", "shutdown", "setopt", "epoll_ctl",
	};
	unsigned int i, n = 1 + race_below(m->r, 5);

	if (!has_any(m, FUZZ_CONNECTION))
		add_named(m, "socketpair");
	for (i = 0; i < n; i++) {
		add_named(m, moves[race_below(m->r, ARRAY_SIZE(moves))]);
		if (!race_below(m->r, 3))
			m->actor = race_below(m->r, FUZZ_ACTORS);
	}
}

static void make_decision(struct maker *m)
{
	struct fuzz_call *look = add_named(m, "next_call"), *c;

	c = add_named(m, "decide");
	if (look && c) {
		c->arg[0] = look->arg[0];
		c->arg[1] = look->arg[1];
	}
	if (race_below(m->r, 2))
		add_named(m, "accept");
}

static void make_visit(struct maker *m)
{
	unsigned int from = m->actor;

	add_named(m, "pass");
	m->actor = (from + FUZZ_THREADS) % FUZZ_ACTORS;
	add_named(m, "take");
}

static void make_some(struct maker *m)
{
	switch (race_below(m->r, 14)) {
	case 0:
		make_listener(m);
		break;
	case 1:
	case 2:
	case 3:
		make_call(m);
		break;
	case 4:
	case 5:
		add_named(m, "accept");
		break;
	case 6:
	case 7:
		make_data(m);
		break;
	case 8:
		make_decision(m);
		break;
	case 9:
		make_visit(m);
		break;
	default:
		add(m, fuzz_pick_op(m->r));
	}
}

void fuzz_make(struct fuzz_prog *p, struct race_random *r)
{
	struct maker m = { .p = p, .r = r, .type = race_below(r, 3) ? 1 : 5 };
	unsigned int want = 6 + race_below(r, FUZZ_CALLS - 6);

	memset(p, 0, sizeof(*p));
	if (race_below(r, 10))
		make_listener(&m);
	if (!race_below(r, 3))
		add_named(&m, "socketpair");
	while (p->n < want) {
		m.actor = race_below(r, 4) ? m.actor : race_below(r, FUZZ_ACTORS);
		make_some(&m);
	}
}
