// SPDX-License-Identifier: GPL-2.0
/* The books of a storm with verdicts; see lib_books.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib_books.h"
#include "lib_terms.h"

#define BOOKS_MAGIC	0x424f4f4b

/* What a call carries, and what a reply begins with. */
struct books_token {
	__u32 magic;
	__u32 id;
};

static const char * const books_name[BOOKS_COUNTERS] = {
	[BOOKS_ACCEPT] = "decided: accept",
	[BOOKS_REFUSE] = "decided: refuse",
	[BOOKS_DEFER] = "decided: defer",
	[BOOKS_UNDECIDE] = "decided: undecide",
	[BOOKS_RESERVE] = "reserved",
	[BOOKS_NO_CALL] = "decided: no such call",
	[BOOKS_ALREADY] = "decided: already",
	[BOOKS_BUSY] = "decided: busy",
	[BOOKS_ABORTED] = "reserved, caller gone",
	[BOOKS_NO_FILES] = "reserved, no descriptors",
	[BOOKS_SUCCESSIONS] = "given once more",
	[BOOKS_DEFERRED] = "given while deferred",
	[BOOKS_REVIEWED] = "reviewed",
	[BOOKS_TABLES] = "tables of rules",
	[BOOKS_BY_TIMEOUT] = "accepted by time-out",
	[BOOKS_NO_ECHO] = "no echo",
	[BOOKS_DEATHS] = "deciders killed",
	[BOOKS_LOST] = "of them in accept",
};

static const char * const books_end_name[BOOKS_ENDS] = {
	[TALLY_KILLED] = "callers killed",
	[TALLY_ESTABLISHED] = "established",
	[TALLY_NO_LISTENER] = "refused, no listener",
	[TALLY_FULL] = "refused, backlog full",
	[TALLY_LIMIT] = "refused, limit",
	[TALLY_CLOSED] = "refused, listener closed",
	[TALLY_TIMED_OUT] = "timed out",
	[TALLY_GONE] = "taken back",
	[TALLY_UNKNOWN] = "closed while pending",
	[TALLY_NOT_MADE] = "not made",
	[BOOKS_RULE] = "refused, by rules",
	[BOOKS_SERVER] = "refused, by the server",
	[BOOKS_EXPIRED] = "refused, deferred too long",
};

struct books *books_new(unsigned int calls)
{
	struct books *b;

	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (b == MAP_FAILED)
		return NULL;
	b->tally = tally_new(calls);
	if (!b->tally || pipe2(b->tick, O_CLOEXEC) ||
	    fcntl(b->tick[1], F_SETFL, O_NONBLOCK))
		return NULL;
	return b;
}

void books_add(struct books *b, enum books_what what, unsigned int n)
{
	__atomic_add_fetch(&b->count[what], n, __ATOMIC_ACQ_REL);
}

unsigned int books_count(const struct books *b, enum books_what what)
{
	return __atomic_load_n(&b->count[what], __ATOMIC_ACQUIRE);
}

void books_end(struct books *b, unsigned int id, int end)
{
	__atomic_store_n(&b->tally->call[id].end, end, __ATOMIC_RELEASE);
}

void books_tick(struct books *b)
{
	/* EAGAIN: there are ticks enough. */
	if (write(b->tick[1], "", 1) != 1 && errno != EAGAIN)
		tally_wrong(b->tally, 0, "tick for the killer", errno);
}

bool books_wait_tick(struct books *b)
{
	char byte;

	while (read(b->tick[0], &byte, 1) != 1)
		if (errno != EINTR)
			return false;
	return !tally_stopped(b->tally);
}

int books_terms(int fd, unsigned int id, struct race_random *r)
{
	struct {
		struct books_token token;
		char rest[BOOKS_DATA_MAX];
	} data = { .token = { BOOKS_MAGIC, id } };
	struct parley_qos qos;
	int err;

	if (race_below(r, 3))
		terms_qos_none(&qos);
	else
		terms_qos_some(&qos);
	err = terms_set_data(fd, &data, sizeof(data.token) +
			     race_below(r, BOOKS_DATA_MAX -
					sizeof(data.token)));
	if (!err)
		err = terms_set_qos(fd, &qos);
	return err ?: terms_set_group(fd, id + 1);
}

int books_number(const void *data, unsigned int len, __u64 group)
{
	struct books_token token;

	if (len < sizeof(token))
		return -1;
	memcpy(&token, data, sizeof(token));
	if (token.magic != BOOKS_MAGIC || token.id + 1ULL != group ||
	    token.id > TALLY_MAX_ID)
		return -1;
	return token.id;
}

unsigned int books_reply(void *buf, unsigned int id)
{
	struct books_token token = { BOOKS_MAGIC, id };

	memcpy(buf, &token, sizeof(token));
	return sizeof(token);
}

bool books_reply_agrees(int fd, unsigned int id)
{
	struct books_token token;
	char buf[64];
	socklen_t len = sizeof(buf);

	if (terms_get(fd, PARLEY_REPLY_DATA, buf, &len))
		return false;
	if (!len || (len == strlen(BOOKS_REPLY) &&
		     !memcmp(buf, BOOKS_REPLY, len)) ||
	    (len == strlen(BOOKS_RULE_REPLY) &&
	     !memcmp(buf, BOOKS_RULE_REPLY, len)))
		return true;
	if (len != sizeof(token))
		return false;
	memcpy(&token, buf, sizeof(token));
	return token.magic == BOOKS_MAGIC && token.id == id;
}

unsigned int books_ended(const struct books *b, int end)
{
	unsigned int id, n = 0;

	for (id = 0; id < b->tally->calls; id++)
		n += b->tally->call[id].end == end;
	return n;
}

/* What the calls say, one by one. */
struct books_sums {
	unsigned int end[BOOKS_ENDS];
	unsigned int identified;	/* by servers */
	unsigned int orphans;		/* connected, and no server knows it */
	unsigned int unsure;		/* who does not know, nor do servers */
};

static void books_check(struct books *b, unsigned int id,
			struct books_sums *sums)
{
	struct tally_call *c = &b->tally->call[id];

	sums->end[c->end]++;
	sums->identified += !!c->accepted;
	switch (c->end) {
	case TALLY_ESTABLISHED:
		sums->orphans += !c->accepted;
		break;
	case TALLY_UNKNOWN:
	case TALLY_KILLED:
		sums->unsure += !c->accepted;
		break;
	default:
		if (c->accepted)
			tally_wrong(b->tally, id,
				    "accepted, but for its caller it is",
				    c->end);
	}
}

static void books_between(struct books *b, const char *what, long least,
			  long seen, long most)
{
	printf("#   %s: %ld, expected %ld to %ld\n", what, seen, least, most);
	if (seen < least || seen > most)
		tally_wrong(b->tally, 0, what, seen);
}

static void books_print(const struct books *b, const struct books_sums *sums)
{
	unsigned int i;

	for (i = 0; i < BOOKS_ENDS; i++)
		if (books_end_name[i])
			printf("#   %-28s %u\n", books_end_name[i],
			       sums->end[i]);
	for (i = 0; i < BOOKS_COUNTERS; i++)
		printf("#   %-28s %u\n", books_name[i], b->count[i]);
}

int books_balance(struct books *b, const struct parley_stat *st,
		  unsigned int killed)
{
	struct books_sums sums = {};
	struct tally *t = b->tally;
	unsigned int *n = sums.end;
	unsigned int lost = b->count[BOOKS_LOST];
	long refused, withdrawn, made, id;

	for (id = 0; id < t->calls; id++)
		books_check(b, id, &sums);
	books_print(b, &sums);
	made = t->calls - n[TALLY_NOT_MADE];
	refused = n[TALLY_NO_LISTENER] + n[TALLY_FULL] + n[TALLY_LIMIT] +
		  n[TALLY_CLOSED] + n[BOOKS_RULE] + n[BOOKS_SERVER] +
		  n[BOOKS_EXPIRED];
	withdrawn = n[TALLY_TIMED_OUT] + n[TALLY_GONE];

	books_between(b, "killed", 0, n[TALLY_KILLED], killed);
	books_between(b, "called", made - n[TALLY_KILLED], st->called, made);
	/* Counted and identified, but for those who died between the two. */
	books_between(b, "accepted", sums.identified, t->count[TALLY_ACCEPTED],
		      sums.identified + lost);
	books_between(b, "lost with a decider", 0, sums.orphans, lost);
	books_between(b, "established", sums.identified + sums.orphans,
		      st->established,
		      sums.identified + sums.orphans + sums.unsure);
	books_between(b, "refused", refused, st->refused,
		      refused + sums.unsure);
	books_between(b, "withdrawn", withdrawn, st->withdrawn,
		      withdrawn + sums.unsure);
	books_between(b, "ended", st->called, st->established + st->refused +
		      st->withdrawn, st->called);
	books_between(b, "no echo", 0, b->count[BOOKS_NO_ECHO],
		      b->count[BOOKS_DEATHS] * BOOKS_MORTALS);
	books_between(b, "left", 0, st->sockets + st->calls + st->pending +
		      st->pages, 0);
	fflush(stdout);
	return t->count[TALLY_WRONG];
}
