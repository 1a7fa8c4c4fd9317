// SPDX-License-Identifier: GPL-2.0
/* Servers of a storm with verdicts; see lib_serve.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib_decide.h"
#include "lib_serve.h"
#include "lib_terms.h"

#define RULES		3
#define RATE		50	/* calls in each so many milliseconds */
#define RATE_MS		20

/* Who is it? The call data, the group and the address have to agree. */
static int serve_identify(struct server *s, int fd,
			  const struct parley_addr *from)
{
	struct tally *t = s->books->tally;
	char data[BOOKS_DATA_MAX];
	socklen_t len = sizeof(data);
	struct parley_call_info info;
	int id, err;

	err = terms_get(fd, PARLEY_CALL_DATA, data, &len) ?:
	      terms_info(fd, &info);
	if (err) {
		tally_wrong(t, 0, "terms of a connection", err);
		return -1;
	}
	id = books_number(data, len, info.group);
	if (id < 0 || (unsigned int)id >= t->calls) {
		tally_wrong(t, 0, "a call that nobody made", info.group);
		return -1;
	}
	if (t->call[id].bound && tally_address_id(from) != id)
		tally_wrong(t, id, "accept's address", tally_address_id(from));
	if (info.decided_by == PARLEY_BY_TIMEOUT)
		books_add(s->books, BOOKS_BY_TIMEOUT, 1);
	return id;
}

static void serve_talk(struct server *s, int fd, int id)
{
	struct tally *t = s->books->tally;
	int token = tally_receive(fd);

	if (token == TALLY_NO_TOKEN) {
		if (errno && errno != ECONNRESET)
			tally_wrong(t, id, "server's recv", errno);
		return;
	}
	if (token != id)
		tally_wrong(t, id, "token of another call", token);
	/* The caller may be gone without having waited for this. */
	if (tally_send(fd, token) && errno != EPIPE && errno != ECONNRESET)
		tally_wrong(t, id, "server's send", errno);
}

static void serve_flag(struct server *s, unsigned int value)
{
	if (s->slot >= 0)
		__atomic_store_n(&s->books->accepting[s->slot], value,
				 __ATOMIC_RELEASE);
}

int serve_accept(struct server *s)
{
	struct parley_addr from = { .len = sizeof(from.ss) };
	int fd, id;

	/* Who dies from here on may take a descriptor along. */
	serve_flag(s, 1);
	fd = accept4(s->listener, &from.sa, &from.len, 0);
	if (fd < 0) {
		fd = -errno;
		serve_flag(s, 0);
		return fd;
	}
	id = serve_identify(s, fd, &from);
	tally_accept(s->books->tally, id);
	serve_flag(s, 0);
	if (id >= 0)
		serve_talk(s, fd, id);
	close(fd);
	return 0;
}

/* A verdict with all that goes with it, by chance. */
static void serve_think(struct server *s, struct parley_decision *d,
			const struct parley_call_info *info, int id)
{
	unsigned int dice = race_below(&s->random, 100);

	d->verdict = dice < 50 ? PARLEY_ACCEPT : dice < 65 ? PARLEY_REFUSE :
		     dice < 85 ? PARLEY_DEFER : PARLEY_UNDECIDE;
	if (dice < 30)
		d->flags |= PARLEY_DECIDE_RESERVE;
	if (race_below(&s->random, 8) == 0)
		d->flags |= PARLEY_DECIDE_AGAIN;
	if (d->verdict == PARLEY_REFUSE) {
		d->code = id + 1;
		d->retry_after_ms = dice;
	}
	if (d->verdict > PARLEY_REFUSE)
		return;
	if (race_below(&s->random, 2))
		d->reply_len = books_reply((void *)(uintptr_t)d->reply, id);
	if (d->verdict == PARLEY_ACCEPT && info->flags & PARLEY_INFO_QOS &&
	    race_below(&s->random, 2)) {
		d->flags |= PARLEY_DECIDE_QOS;
		d->qos = info->granted;
	}
}

static void serve_note(struct server *s, const struct parley_decision *d,
		       int err)
{
	static const enum books_what taken[] = {
		BOOKS_ACCEPT, BOOKS_REFUSE, BOOKS_DEFER, BOOKS_UNDECIDE,
	};

	switch (err) {
	case 0:
		books_add(s->books, taken[d->verdict], 1);
		if (d->flags & PARLEY_DECIDE_RESERVE)
			books_add(s->books, BOOKS_RESERVE, 1);
		break;
	case -ENOENT:
		books_add(s->books, BOOKS_NO_CALL, 1);
		break;
	case -EALREADY:
		books_add(s->books, BOOKS_ALREADY, 1);
		break;
	case -EBUSY:
		books_add(s->books, BOOKS_BUSY, 1);
		break;
	case -EINVAL:
		/* The listener has been stopped; others would say so, too. */
		break;
	default:
		tally_wrong(s->books->tally, 0, "decide", err);
	}
}

/*
 * Collects what it has reserved, unless somebody has decided otherwise; or
 * gives it back, with -EMFILE.
 */
static int serve_reserved(struct server *s, __u64 id)
{
	int err;

	do
		err = serve_accept(s);
	while (err == -EINTR);
	switch (err) {
	case 0:
	case -EAGAIN:
	case -EINVAL:
		return 0;
	case -ECONNABORTED:
		books_add(s->books, BOOKS_ABORTED, 1);
		return 0;
	case -EMFILE:
		books_add(s->books, BOOKS_NO_FILES, 1);
		decide_call(s->listener, id, PARLEY_UNDECIDE,
			    PARLEY_DECIDE_AGAIN);
		return err;
	}
	tally_wrong(s->books->tally, 0, "accept of a reserved call", err);
	return 0;
}

int serve_decide(struct server *s)
{
	char data[BOOKS_DATA_MAX], reply[64];
	struct parley_next_call next = {
		.data = (uintptr_t)data,
		.data_room = sizeof(data),
	};
	struct parley_decision d = { .reply = (uintptr_t)reply };
	int id, err;

	err = decide_next(s->listener, s->flags, &next);
	s->flags &= ~PARLEY_NEXT_REWIND;
	if (err)
		return err;
	id = books_number(data, next.data_room, next.info.group);
	if (id < 0) {
		tally_wrong(s->books->tally, 0, "terms of a call",
			    next.info.group);
		return 0;
	}
	if (next.info.flags & PARLEY_INFO_SEEN)
		books_add(s->books, BOOKS_SUCCESSIONS, 1);
	if (next.info.flags & PARLEY_INFO_DEFERRED)
		books_add(s->books, BOOKS_DEFERRED, 1);
	/* Now and then one is looked at and left alone. */
	if (race_below(&s->random, 20) == 0)
		return 0;
	d.id = next.info.id;
	serve_think(s, &d, &next.info, id);
	err = decide(s->listener, &d);
	serve_note(s, &d, err);
	if (!err && d.flags & PARLEY_DECIDE_RESERVE)
		return serve_reserved(s, d.id);
	return 0;
}

static void serve_answer(struct race_random *r, struct parley_rule_answer *a)
{
	unsigned int dice = race_below(r, 10);

	memset(a, 0, sizeof(*a));
	a->verdict = dice < 6 ? PARLEY_ACCEPT : dice < 8 ? PARLEY_DEFER :
		     PARLEY_REFUSE;
	if (a->verdict == PARLEY_REFUSE)
		a->code = BOOKS_RULE_CODE;
	if (a->verdict != PARLEY_DEFER && dice % 2)
		a->reply_len = strlen(BOOKS_RULE_REPLY);
}

/* Up to three rules that tell calls apart by one thing or another. */
static int serve_rules(struct server *s)
{
	static const char pool[] = BOOKS_RULE_REPLY "\x00\x01";
	struct parley_rule rule[RULES] = {
		{
			.match = PARLEY_MATCH_DATA,
			.data_offset = 4,	/* the number's lowest byte */
			.data_len = 1,
			.data_value = sizeof(BOOKS_RULE_REPLY) - 1,
			.data_mask = sizeof(BOOKS_RULE_REPLY),
		}, {
			.match = PARLEY_MATCH_QOS,
			.qos.send_max = 2000000,
			.qos.recv_max = PARLEY_QOS_UNSPECIFIED,
			.qos.services = 0xf,
		}, {
			.flags = PARLEY_RULE_RATE,
			.rate = { RATE, RATE_MS, 1 },
		},
	};
	struct parley_rules rules = {
		.size = sizeof(rules),
		.rule_size = sizeof(rule[0]),
		.count = race_below(&s->random, RULES + 1),
		.rules = (uintptr_t)rule,
		.pool = (uintptr_t)pool,
		.pool_len = sizeof(pool) - 1,
	};
	unsigned int i;

	for (i = 0; i < RULES; i++)
		serve_answer(&s->random, &rule[i].then);
	serve_answer(&s->random, &rule[RULES - 1].over);
	serve_answer(&s->random, &rules.otherwise);
	books_add(s->books, BOOKS_TABLES, 1);
	return ioctl(s->listener, PARLEY_IOC_SET_RULES, &rules) ? -errno : 0;
}

void serve_upset(struct server *s)
{
	struct race_random *r = &s->random;
	int ret = 0;

	switch (race_below(r, 10)) {
	case 0:
		ret = terms_set_stage(s->listener, race_below(r, 2));
		break;
	case 1:
		ret = terms_set_defer(s->listener, race_below(r, 20),
				      race_below(r, 2));
		break;
	case 2:
		ret = terms_set_reply(s->listener, BOOKS_REPLY,
				      race_below(r, 2) * strlen(BOOKS_REPLY));
		break;
	case 3:
	case 4:
	case 5:
		ret = decide_review(s->listener);
		if (ret > 0)
			books_add(s->books, BOOKS_REVIEWED, ret);
		break;
	default:
		ret = serve_rules(s);
	}
	/* Somebody else may have stopped it. */
	if (ret < 0 && ret != -EINVAL)
		tally_wrong(s->books->tally, 0, "changing a listener", ret);
}
