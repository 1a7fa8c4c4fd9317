// SPDX-License-Identifier: GPL-2.0
/* Policies that change while calls come; see lib_bpf_race.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "lib_bpf_race.h"

#define COMPLAINTS	20

static int owner_load(struct owner *o)
{
	struct bpf_link *link = bpf_map__attach_struct_ops(o->version[o->now]);

	if (!link)
		return -errno;
	o->link = link;
	__atomic_store_n(&o->fd, bpf_link__fd(link), __ATOMIC_RELEASE);
	return 0;
}

static void owner_unload(struct owner *o)
{
	__atomic_store_n(&o->fd, -1, __ATOMIC_RELEASE);
	bpf_link__destroy(o->link);
	o->link = NULL;
	o->unloads++;
}

static int trouble_owner(struct trouble *t, unsigned int i, unsigned int what)
{
	struct owner *o = &t->owner[i];
	char name[16];
	int v;

	memset(o, 0, sizeof(*o));
	o->fd = -1;
	o->trouble = what;
	for (v = 0; v < 2; v++) {
		snprintf(name, sizeof(name), "version%u", 2 * i + v);
		o->version[v] = bpf_object__find_map_by_name(t->policy.object,
							     name);
		if (!o->version[v])
			return -ENOENT;
	}
	return 0;
}

int trouble_start(struct trouble *t, const char *file, unsigned int calls,
		  unsigned int what)
{
	struct bpf_map *map;
	int err;

	memset(t, 0, sizeof(*t));
	t->calls = calls;
	err = policy_open(&t->policy, file);
	if (err)
		return err;
	map = bpf_object__find_map_by_name(t->policy.object, "notes");
	if (!map)
		return -ENOENT;
	err = bpf_map__set_max_entries(map, calls) ?: policy_load(&t->policy);
	if (err)
		return err;
	t->note = mmap(NULL, calls * sizeof(*t->note), PROT_READ, MAP_SHARED,
		       bpf_map__fd(map), 0);
	if (t->note == MAP_FAILED)
		return -errno;
	return trouble_owner(t, 0, what) ?: trouble_owner(t, 1, what);
}

int trouble_load(struct trouble *t)
{
	struct owner *o;
	int err;

	/* A version that was never loaded is not ready for owner_update(). */
	for (o = t->owner; o < t->owner + 2; o++) {
		err = owner_load(o) ?:
		      bpf_link__update_map(o->link, o->version[1]);
		if (err)
			return err;
		o->now = 1;
	}
	return 0;
}

void trouble_unload(struct trouble *t)
{
	int i;

	for (i = 0; i < 2; i++)
		if (t->owner[i].link)
			owner_unload(&t->owner[i]);
}

void trouble_end(struct trouble *t)
{
	policy_end(&t->policy);
}

int owner_act(struct owner *o, struct race_random *r)
{
	int err;

	if (!o->link) {
		o->now = race_below(r, 2);
		err = owner_load(o);
		/* Some listener has its link yet. */
		return err == -EEXIST ? 0 : err;
	}
	if (o->trouble & TROUBLE_UNLOAD && race_below(r, 3) == 0) {
		owner_unload(o);
		race_spin(race_below(r, 200000));
		return 0;
	}
	o->now = !o->now;
	o->updates++;
	return bpf_link__update_map(o->link, o->version[o->now]);
}

int owner_update(struct owner *o, unsigned int version)
{
	int fd = __atomic_load_n(&o->fd, __ATOMIC_ACQUIRE), err;

	if (fd < 0)
		return 0;
	err = bpf_link_update(fd, bpf_map__fd(o->version[version]), NULL);
	/* The descriptor may be something else by now. */
	if (o->trouble & TROUBLE_UNLOAD && (err == -EBADF || err == -EINVAL))
		return 0;
	return err;
}

int trouble_choose(struct trouble *t, int listener, const char * const names[2],
		   struct race_random *r)
{
	unsigned int what = t->owner[0].trouble;
	int err;

	if (what & TROUBLE_NONE && race_below(r, 4) == 0)
		return policy_choose(listener, "");
	err = policy_choose(listener, names[race_below(r, 2)]);
	return what & TROUBLE_UNLOAD && err == -ENOENT ? 0 : err;
}

int trouble_choose_link(struct trouble *t, int listener, struct race_random *r)
{
	struct owner *o = &t->owner[race_below(r, 2)];
	int fd = __atomic_load_n(&o->fd, __ATOMIC_ACQUIRE), err;

	if (fd < 0)
		return 0;
	err = policy_choose_link(listener, fd);
	/* The descriptor may be something else by now. */
	if (o->trouble & TROUBLE_UNLOAD && (err == -EBADF || err == -EINVAL))
		return 0;
	return err;
}

static bool note_balances(const struct bpf_note *n, bool exact)
{
	unsigned int ends = n->claimed + n->dropped;
	unsigned int connections = n->claimed + n->unclaimed;

	if (n->wrong || connections > 1)
		return false;
	if (exact)
		return n->accepted == ends && connections == n->closed;
	return n->accepted >= ends && connections >= n->closed;
}

unsigned int trouble_balance(const struct trouble *t)
{
	bool exact = !(t->owner[0].trouble & TROUBLE_UNLOAD);
	struct bpf_note sum = { };
	unsigned int i, wrong = 0;

	for (i = 0; i < t->calls; i++) {
		const struct bpf_note *n = &t->note[i];

		sum.accepted += n->accepted;
		sum.refused += n->refused;
		sum.deferred += n->deferred;
		sum.claimed += n->claimed;
		sum.unclaimed += n->unclaimed;
		sum.closed += n->closed;
		sum.dropped += n->dropped;
		if (note_balances(n, exact) || ++wrong > COMPLAINTS)
			continue;
		printf("# call %u: accepted %u = claimed %u + dropped %u, ", i,
		       n->accepted, n->claimed, n->dropped);
		printf("unclaimed %u, closed %u, wrong %u\n", n->unclaimed,
		       n->closed, n->wrong);
	}
	printf("# noted: accepted %u, refused %u, deferred %u, dropped %u, ",
	       sum.accepted, sum.refused, sum.deferred, sum.dropped);
	printf("established %u + %u, closed %u\n", sum.claimed, sum.unclaimed,
	       sum.closed);
	for (i = 0; i < 2; i++)
		printf("# policy %u: updated %u times, unloaded %u times\n", i,
		       t->owner[i].updates, t->owner[i].unloads);
	fflush(stdout);
	return wrong;
}

/* Refused by the kernel's stages: which of them, and with a code of its own? */
static bool stage_agrees(const struct storm_call *c,
			 const struct parley_refusal *r)
{
	unsigned int code = r->code;
	enum storm_by by;

	switch (r->reason) {
	case PARLEY_REASON_RULE:
		by = STORM_RULES;
		code -= BOOKS_RULE_CODE;
		break;
	case PARLEY_REASON_FILTER:
		by = STORM_FILTER;
		code = code - STORM_FILTER_CODE >= STORM_FILTERS ||
		       r->retry_after_ms != code;
		break;
	case PARLEY_REASON_POLICY:
		by = STORM_POLICY;
		code = code - STORM_POLICY_CODE >= RACE_VERSIONS ||
		       r->retry_after_ms != c->id + 1;
		break;
	default:
		by = STORM_FAULT;
		code |= r->retry_after_ms | r->data_len;
		break;
	}
	__atomic_add_fetch(&c->refused[by], 1, __ATOMIC_RELAXED);
	return !code;
}

static int refused_by(const struct storm_call *c)
{
	struct tally *t = c->books->tally;
	struct parley_refusal r = { };
	bool agrees;
	int end;

	agrees = !parley_refusal(c->fd, &r) &&
		 books_reply_agrees(c->fd, c->id);
	switch (r.reason) {
	case PARLEY_REASON_RULE:
	case PARLEY_REASON_FILTER:
	case PARLEY_REASON_POLICY:
	case PARLEY_REASON_POLICY_FAULT:
		end = BOOKS_RULE;
		agrees &= stage_agrees(c, &r);
		break;
	case PARLEY_REASON_SERVER:
		end = BOOKS_SERVER;
		agrees &= r.code == c->id + 1;
		break;
	case PARLEY_REASON_DEFER_EXPIRED:
		end = BOOKS_EXPIRED;
		agrees &= !r.code;
		break;
	case PARLEY_REASON_LISTENER_CLOSED:
		end = TALLY_CLOSED;
		break;
	case PARLEY_REASON_BACKLOG_FULL:
		end = TALLY_FULL;
		break;
	default:
		end = TALLY_NO_LISTENER;
		agrees &= r.reason == PARLEY_REASON_NO_LISTENER;
	}
	if (!agrees) {
		tally_wrong(t, c->id, "a refusal, reason", r.reason);
		tally_wrong(t, c->id, "its code", r.code);
	}
	return end;
}

int storm_outcome(const struct storm_call *c, int err)
{
	struct tally *t = c->books->tally;

	switch (err) {
	case 0:
		if (!books_reply_agrees(c->fd, c->id))
			tally_wrong(t, c->id, "reply of another call", 0);
		return TALLY_ESTABLISHED;
	case -ETIMEDOUT:
		return TALLY_TIMED_OUT;
	case -ECONNREFUSED:
		return refused_by(c);
	}
	tally_wrong(t, c->id, "connect error", err);
	return TALLY_UNKNOWN;
}

int storm_take_back(const struct storm_call *c)
{
	int err = parley_unspec(c->fd);

	if (err == -EISCONN)
		return storm_outcome(c, 0);
	if (err)
		return storm_outcome(c, err);
	switch (parley_reason(c->fd)) {
	case PARLEY_REASON_NONE:
		return TALLY_GONE;
	case PARLEY_REASON_TIMED_OUT:
		return TALLY_TIMED_OUT;
	}
	return storm_outcome(c, -ECONNREFUSED);
}

/* Puts bytes into a constant variable, no more than it has room for. */
static int setting_put(struct policy *p, const char *name, const void *value,
		       size_t len)
{
	const struct btf *btf = bpf_object__btf(p->object);
	const struct btf_var_secinfo *var;
	const struct btf_type *section, *type;
	struct bpf_map *map;
	char *image = NULL;
	size_t size;
	int id, i;

	id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	map = bpf_object__find_map_by_name(p->object, ".rodata");
	if (id > 0 && map)
		image = bpf_map__initial_value(map, &size);
	if (!image)
		return -ENOENT;
	section = btf__type_by_id(btf, id);
	var = btf_var_secinfos(section);
	for (i = 0; i < btf_vlen(section); i++, var++) {
		type = btf__type_by_id(btf, var->type);
		if (strcmp(btf__name_by_offset(btf, type->name_off), name))
			continue;
		if (len > var->size)
			return -E2BIG;
		memcpy(image + var->offset, value, len);
		return 0;
	}
	return -ENOENT;
}

int setting_apply(struct policy *p, const char *name, __u32 value)
{
	return setting_put(p, name, &value, sizeof(value));
}

int setting_text(struct policy *p, const char *name, const char *text)
{
	return setting_put(p, name, text, strlen(text) + 1);
}

int settings_start(struct policy *p, const char *name,
		   const struct setting *settings)
{
	char file[64];
	int err;

	snprintf(file, sizeof(file), "%s.bpf.o", name);
	err = policy_open(p, file);
	for (; !err && settings && settings->name; settings++)
		err = setting_apply(p, settings->name, settings->value);
	return err ?: policy_load(p) ?: policy_attach(p);
}

/* The model of what is granted */

static bool flow_valid(const struct parley_flowspec *f)
{
	if (f->service > PARLEY_SERVICE_GUARANTEED)
		return false;
	if (f->service == PARLEY_SERVICE_GUARANTEED &&
	    f->token_rate == PARLEY_QOS_UNSPECIFIED)
		return false;
	if (f->service && (!f->token_rate || !f->bucket_size || !f->peak_rate))
		return false;
	if (f->token_rate != PARLEY_QOS_UNSPECIFIED &&
	    f->token_rate > f->peak_rate)
		return false;
	return f->min_policed == PARLEY_QOS_UNSPECIFIED ||
	       f->min_policed <= f->max_sdu;
}

bool model_qos_valid(const struct parley_qos *q)
{
	return flow_valid(&q->send) && flow_valid(&q->recv);
}

static void at_most(__u32 *value, __u32 limit)
{
	if (*value > limit)
		*value = limit;
}

static void at_least(__u32 *value, __u32 limit)
{
	if (*value < limit)
		*value = limit;
}

static void flow_cut(struct parley_flowspec *f,
		     const struct parley_flowspec *to)
{
	at_most(&f->token_rate, to->token_rate);
	at_most(&f->bucket_size, to->bucket_size);
	at_most(&f->peak_rate, to->peak_rate);
	at_most(&f->service, to->service);
	at_most(&f->max_sdu, to->max_sdu);
	at_least(&f->latency_us, to->latency_us);
	at_least(&f->delay_variation_us, to->delay_variation_us);
	at_least(&f->min_policed, to->min_policed);
	if (f->token_rate != PARLEY_QOS_UNSPECIFIED)
		at_most(&f->token_rate, f->peak_rate);
	if (f->min_policed > f->max_sdu)
		f->min_policed = PARLEY_QOS_UNSPECIFIED;
}

void model_qos_cut(struct parley_qos *q, const struct parley_qos *to)
{
	flow_cut(&q->send, &to->send);
	flow_cut(&q->recv, &to->recv);
}
