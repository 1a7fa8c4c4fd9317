// SPDX-License-Identifier: GPL-2.0
/* What the fuzzer's calls do: rules, deciders, and ioctl(2) in general. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/parley.h>

#include "lib_fuzz.h"

/* What is pointed to is in the buffer behind the struct. */
#define FIRST	(64 * 1024)
#define SECOND	(128 * 1024)
#define THIRD	(192 * 1024)
#define NOWHERE	8

/* A patch that hits a pointer makes it a bad one; any other might hit this program. */
static __u64 pointer(const void *buf, __u64 patched, __u64 wanted)
{
	return patched == wanted ? (unsigned long)buf + wanted : NOWHERE;
}

struct table {
	struct parley_rules arg;
	struct parley_rule rule[FUZZ_RULES];
	unsigned char pool[FUZZ_POOL];
};

static void an_answer(struct parley_rule_answer *ans, struct race_random *r)
{
	ans->verdict = race_below(r, 3);
	if (ans->verdict == PARLEY_REFUSE) {
		ans->code = race_below(r, 10);
		ans->retry_after_ms = race_below(r, 2) * 1000;
	}
	if (ans->verdict != PARLEY_DEFER && !race_below(r, 3)) {
		ans->reply = race_below(r, 64);
		ans->reply_len = race_below(r, 64);
	}
	if (ans->verdict == PARLEY_ACCEPT && !race_below(r, 3)) {
		ans->flags = PARLEY_ANSWER_QOS;
		fuzz_qos(&ans->grant, race_random(r));
	}
}

static void a_condition(struct parley_rule *rule, struct race_random *r)
{
	switch (race_below(r, 9)) {
	case 0:
		rule->match |= PARLEY_MATCH_CALLER;
		memcpy(rule->caller + 10, "\xff\xff\x7f", 3);
		rule->caller_prefix = 104;
		break;
	case 1:
		rule->match |= PARLEY_MATCH_PORT;
		rule->port_min = 7001;
		rule->port_max = 7001 + race_below(r, 3);
		break;
	case 2:
		rule->match |= PARLEY_MATCH_UID;
		rule->uid_max = race_below(r, 2) * 1000;
		break;
	case 3:
		rule->match |= PARLEY_MATCH_GID;
		rule->gid_max = race_below(r, 2) * 1000;
		break;
	case 4:
		rule->match |= PARLEY_MATCH_CGROUP;
		rule->cgroup_id = 1;
		break;
	case 5:
		rule->match |= PARLEY_MATCH_GROUP;
		rule->group = race_below(r, 3);
		break;
	case 6:
		rule->match |= PARLEY_MATCH_QOS;
		rule->qos.send_max = race_below(r, 2) ? 65536 : PARLEY_QOS_UNSPECIFIED;
		rule->qos.recv_max = PARLEY_QOS_UNSPECIFIED;
		rule->qos.services = 1 + race_below(r, 15);
		break;
	case 7:
		rule->match |= PARLEY_MATCH_DATA;
		rule->data_offset = race_below(r, 3);
		rule->data_len = 1 + race_below(r, 4);
		rule->data_mask = rule->data_value;
		break;
	default:
		break;
	}
}

static void a_rule(struct parley_rule *rule, struct race_random *r)
{
	while (race_below(r, 2))
		a_condition(rule, r);
	an_answer(&rule->then, r);
	if (race_below(r, 4))
		return;
	rule->flags = PARLEY_RULE_RATE;
	rule->rate.calls = 1 + race_below(r, 3);
	rule->rate.interval_ms = 1 + race_below(r, 1000);
	rule->rate.burst = 1 + race_below(r, 3);
	an_answer(&rule->over, r);
}

static void a_table(struct table *t, __u64 seed)
{
	struct race_random r;
	unsigned int i;

	race_random_init(&r, seed, 2);
	memset(t, 0, sizeof(*t));
	t->arg.size = sizeof(t->arg);
	t->arg.rule_size = sizeof(t->rule[0]);
	t->arg.count = race_below(&r, FUZZ_RULES + 1);
	t->arg.pool_len = FUZZ_POOL;
	t->arg.rules = offsetof(struct table, rule);
	t->arg.pool = offsetof(struct table, pool);
	for (i = 0; i < t->arg.count; i++)
		a_rule(&t->rule[i], &r);
	an_answer(&t->arg.otherwise, &r);
	/* Bytes that match call data; see fuzz_bytes(). */
	memset(t->pool, 'a' + seed % 4, sizeof(t->pool));
}

long fuzz_do_set_rules(struct fuzz_actor *a, const __u64 *v)
{
	struct table *t = (void *)a->buf;

	a_table(t, v[1]);
	fuzz_patch(t, sizeof(*t), v[2], v[3]);
	t->arg.rules = pointer(t, t->arg.rules, offsetof(struct table, rule));
	t->arg.pool = pointer(t, t->arg.pool, offsetof(struct table, pool));
	return fuzz_result(ioctl(fuzz_fd(a, v[0]), PARLEY_IOC_SET_RULES, t));
}

long fuzz_do_get_rules(struct fuzz_actor *a, const __u64 *v)
{
	struct parley_rules *arg = (void *)a->buf;
	long ret;

	memset(arg, 0, 2 * sizeof(*arg));
	arg->size = sizeof(*arg);
	arg->rule_size = sizeof(struct parley_rule);
	arg->count = v[1] > FUZZ_RULES ? FUZZ_RULES : v[1];
	arg->pool_len = v[2] > FUZZ_POOL ? FUZZ_POOL : v[2];
	arg->rules = FIRST;
	arg->pool = SECOND;
	fuzz_patch(arg, sizeof(*arg), v[3], v[4]);
	arg->rules = pointer(arg, arg->rules, FIRST);
	arg->pool = pointer(arg, arg->pool, SECOND);
	ret = fuzz_result(ioctl(fuzz_fd(a, v[0]), PARLEY_IOC_GET_RULES, arg));
	if (!ret && (arg->count > FUZZ_RULES || arg->pool_len > FUZZ_POOL) && !v[3])
		fuzz_found(a->sh, "GET_RULES gave %u rules and %u bytes", arg->count,
			   arg->pool_len);
	return ret;
}

long fuzz_do_next_call(struct fuzz_actor *a, const __u64 *v)
{
	struct parley_next_call *next = (void *)a->buf;
	long ret;

	memset(next, 0, 2 * sizeof(*next));
	next->size = sizeof(*next);
	next->flags = v[2];
	next->data = FIRST;
	next->groups = SECOND;
	next->label = THIRD;
	next->data_room = v[3] > 65536 ? 65536 : v[3];
	next->groups_room = 1000;
	next->label_room = 1000;
	fuzz_patch(next, offsetof(struct parley_next_call, info), v[4], v[5]);
	next->data = pointer(next, next->data, FIRST);
	next->groups = pointer(next, next->groups, SECOND);
	next->label = pointer(next, next->label, THIRD);
	ret = fuzz_result(ioctl(fuzz_fd(a, v[0]), PARLEY_IOC_NEXT_CALL, next));
	if (ret || next->size < sizeof(*next))
		return ret;
	a->sh->id[v[1] % FUZZ_IDS] = next->info.id;
	if (next->pad || next->info.pad || !next->info.id)
		fuzz_found(a->sh, "NEXT_CALL gave id %llu, pads %#x and %#x",
			   (unsigned long long)next->info.id, next->pad, next->info.pad);
	return ret;
}

long fuzz_do_decide(struct fuzz_actor *a, const __u64 *v)
{
	struct parley_decision *d = (void *)a->buf;
	struct race_random r;

	race_random_init(&r, v[4], 3);
	memset(d, 0, 2 * sizeof(*d));
	d->size = sizeof(*d);
	d->verdict = v[2];
	d->id = a->sh->id[v[1] % FUZZ_IDS];
	d->flags = v[3];
	d->reply = FIRST;
	if (d->verdict == PARLEY_REFUSE) {
		d->code = race_below(&r, 10);
		d->retry_after_ms = race_below(&r, 1000);
	}
	if (d->verdict <= PARLEY_REFUSE && race_below(&r, 2))
		d->reply_len = race_below(&r, 100);
	/* What nobody asked for can always be granted. */
	if (d->flags & PARLEY_DECIDE_QOS) {
		fuzz_qos(&d->qos, v[4]);
		d->qos.send.service = PARLEY_SERVICE_BESTEFFORT;
	}
	fuzz_patch(d, sizeof(*d), v[5], v[6]);
	d->reply = pointer(d, d->reply, FIRST);
	return fuzz_result(ioctl(fuzz_fd(a, v[0]), PARLEY_IOC_DECIDE, d));
}

long fuzz_do_review(struct fuzz_actor *a, const __u64 *v)
{
	return fuzz_result(ioctl(fuzz_fd(a, v[0]), PARLEY_IOC_REVIEW, 0));
}

/* Any request, with bytes that may or may not be what it takes; no pointer in them. */
long fuzz_do_ioctl(struct fuzz_actor *a, const __u64 *v)
{
	struct race_random r;
	__u32 *word = (void *)a->buf;
	unsigned int i;

	race_random_init(&r, v[2], 4);
	for (i = 0; i < 1024; i++)
		word[i] = race_below(&r, 8) ? 0 : race_below(&r, 300);
	fuzz_patch(a->buf, 600, v[3], v[4]);
	return fuzz_result(ioctl(fuzz_fd(a, v[0]), v[1], a->buf));
}
