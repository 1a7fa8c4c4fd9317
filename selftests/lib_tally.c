// SPDX-License-Identifier: GPL-2.0
/* The books of a race test. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib_tally.h"

#define TALLY_MAGIC	0x50415259
#define TALLY_NET	0x7f100000	/* 127.16.0.0: numbers start here */
#define TALLY_COMPLAINTS 20

/* A tick for every so many calls. */
static const unsigned int tally_every[TALLY_LISTENERS] = {
	[TALLY_SERVER_0] = 8,
	[TALLY_SERVER_1] = 16,
	[TALLY_KILLER] = 256,
};

static const char * const tally_name[TALLY_COUNTERS] = {
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
	[TALLY_INTERRUPTS] = "connect interrupted",
	[TALLY_ACCEPTED] = "accepted",
	[TALLY_MUTE] = "accepted, mute",
	[TALLY_ANONYMOUS] = "accepted, anonymous",
	[TALLY_ACCEPT_INTERRUPTS] = "accept interrupted",
	[TALLY_NOT_LISTENING] = "accept while not listening",
	[TALLY_NO_FILES] = "accept without descriptors",
	[TALLY_SHUTDOWNS] = "listener shut down",
	[TALLY_REBIRTHS] = "listener created",
	[TALLY_WRONG] = "wrong",
};

struct tally *tally_new(unsigned int calls)
{
	struct tally *t;
	int i;

	if (calls > TALLY_MAX_ID)
		return NULL;
	t = mmap(NULL, sizeof(*t) + calls * sizeof(t->call[0]),
		 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t == MAP_FAILED)
		return NULL;
	t->calls = calls;
	for (i = 0; i < TALLY_LISTENERS; i++) {
		if (pipe2(t->tick[i], O_CLOEXEC))
			return NULL;
		/* Ticks may get lost when nobody is in a hurry to read them. */
		if (fcntl(t->tick[i][1], F_SETFL, O_NONBLOCK))
			return NULL;
	}
	return t;
}

unsigned int tally_count(const struct tally *t, enum tally_what what)
{
	return __atomic_load_n(&t->count[what], __ATOMIC_ACQUIRE);
}

void tally_add(struct tally *t, enum tally_what what, unsigned int n)
{
	__atomic_add_fetch(&t->count[what], n, __ATOMIC_ACQ_REL);
}

void tally_wrong(struct tally *t, unsigned int id, const char *what, long value)
{
	if (__atomic_fetch_add(&t->count[TALLY_WRONG], 1, __ATOMIC_ACQ_REL) >=
	    TALLY_COMPLAINTS)
		return;
	printf("# call %u: %s: %ld\n", id, what, value);
	fflush(stdout);
}

static void tally_poke(struct tally *t, enum tally_listener who)
{
	/* EAGAIN: there are ticks enough. */
	if (write(t->tick[who][1], "", 1) != 1 && errno != EAGAIN)
		tally_wrong(t, 0, "tick", errno);
}

unsigned int tally_next(struct tally *t)
{
	unsigned int id = __atomic_fetch_add(&t->next, 1, __ATOMIC_ACQ_REL);

	if (id >= t->calls)
		tally_poke(t, TALLY_KILLER);
	return id;
}

void tally_end(struct tally *t, unsigned int id, enum tally_what end)
{
	__atomic_store_n(&t->call[id].end, end, __ATOMIC_RELEASE);
}

void tally_identify(struct tally *t, unsigned int id)
{
	if (id >= t->calls)
		tally_wrong(t, id, "a call that nobody made", id);
	else if (__atomic_add_fetch(&t->call[id].accepted, 1,
				    __ATOMIC_ACQ_REL) != 1)
		tally_wrong(t, id, "accepted again", t->call[id].accepted);
}

void tally_accept(struct tally *t, int id)
{
	tally_add(t, TALLY_ACCEPTED, 1);
	if (id >= 0)
		tally_identify(t, id);
}

void tally_address(struct parley_addr *a, unsigned int id)
{
	memset(a, 0, sizeof(*a));
	a->len = sizeof(a->v4);
	a->v4.sin_family = AF_INET;
	a->v4.sin_addr.s_addr = htonl(TALLY_NET + id);
}

int tally_address_id(const struct parley_addr *a)
{
	__u32 address = ntohl(a->v4.sin_addr.s_addr);

	if (a->v4.sin_family != AF_INET || address < TALLY_NET ||
	    address > TALLY_NET + TALLY_MAX_ID)
		return -1;
	return address - TALLY_NET;
}

int tally_send(int fd, unsigned int id)
{
	__u32 token[2] = { TALLY_MAGIC, id };
	size_t done = 0;
	ssize_t n;

	while (done < sizeof(token)) {
		n = send(fd, (char *)token + done, sizeof(token) - done,
			 MSG_NOSIGNAL);
		if (n > 0)
			done += n;
		else if (n == 0 || errno != EINTR)
			return -1;
	}
	return 0;
}

int tally_receive(int fd)
{
	__u32 token[2];
	size_t done = 0;
	ssize_t n;

	if (parley_timeo(fd, SO_RCVTIMEO, PARLEY_BOUND_MS))
		return TALLY_STRANGE;
	while (done < sizeof(token)) {
		errno = 0;
		n = recv(fd, (char *)token + done, sizeof(token) - done, 0);
		if (n > 0)
			done += n;
		else if (n == 0 || errno != EINTR)
			return done ? TALLY_STRANGE : TALLY_NO_TOKEN;
	}
	if (token[0] != TALLY_MAGIC || token[1] > TALLY_MAX_ID)
		return TALLY_STRANGE;
	return token[1];
}

void tally_tick(struct tally *t, unsigned int id)
{
	int i;

	for (i = 0; i < TALLY_LISTENERS; i++)
		if (id % tally_every[i] == 0)
			tally_poke(t, i);
}

bool tally_wait_tick(struct tally *t, enum tally_listener who)
{
	char byte;

	while (read(t->tick[who][0], &byte, 1) != 1)
		if (errno != EINTR)
			return false;
	if (who == TALLY_KILLER)
		return __atomic_load_n(&t->next, __ATOMIC_ACQUIRE) < t->calls;
	return !tally_stopped(t);
}

void tally_stop(struct tally *t)
{
	int i;

	__atomic_store_n(&t->stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < TALLY_LISTENERS; i++)
		tally_poke(t, i);
}

bool tally_stopped(const struct tally *t)
{
	return __atomic_load_n(&t->stop, __ATOMIC_ACQUIRE);
}

/* One call: what the caller knows against what the servers know. */
static void tally_check(struct tally *t, unsigned int id)
{
	struct tally_call *c = &t->call[id];

	switch (c->end) {
	case TALLY_ESTABLISHED:
		if ((c->bound || c->told) && !c->accepted)
			tally_wrong(t, id, "only the caller is connected", 0);
		break;
	case TALLY_UNKNOWN:
	case TALLY_KILLED:
		break;
	default:
		if (c->accepted)
			tally_wrong(t, id, "accepted, but for its caller it is",
				    c->end);
	}
}

static void tally_between(struct tally *t, const char *what, long least,
			  long seen, long most)
{
	printf("#   %s: %ld, expected %ld to %ld\n", what, seen, least, most);
	if (seen < least || seen > most)
		tally_wrong(t, 0, what, seen);
}

int tally_balance(struct tally *t, const struct parley_stat *st,
		  unsigned int killed)
{
	unsigned int id, i, identified = 0, mute = 0;
	const unsigned int *n = t->count;
	long unsure, refused;

	for (id = 0; id < t->calls; id++) {
		tally_check(t, id);
		identified += t->call[id].accepted;
		/* Only now: who was killed might have done half of it. */
		t->count[t->call[id].end]++;
		if (t->call[id].end == TALLY_ESTABLISHED)
			mute += t->call[id].mute;
	}
	for (i = 0; i < TALLY_COUNTERS; i++)
		printf("#   %-28s %u\n", tally_name[i], n[i]);
	unsure = n[TALLY_UNKNOWN] + n[TALLY_KILLED];
	refused = n[TALLY_NO_LISTENER] + n[TALLY_FULL] + n[TALLY_LIMIT] +
		  n[TALLY_CLOSED];

	tally_between(t, "killed", 0, n[TALLY_KILLED], killed);
	tally_between(t, "called", t->calls - n[TALLY_NOT_MADE] -
		      n[TALLY_KILLED], st->called,
		      t->calls - n[TALLY_NOT_MADE]);
	tally_between(t, "established", n[TALLY_ACCEPTED], st->established,
		      n[TALLY_ACCEPTED]);
	tally_between(t, "accepted", n[TALLY_ESTABLISHED], n[TALLY_ACCEPTED],
		      n[TALLY_ESTABLISHED] + unsure);
	tally_between(t, "identified", identified, n[TALLY_ACCEPTED] -
		      n[TALLY_ANONYMOUS], identified);
	tally_between(t, "mute", mute, n[TALLY_MUTE], mute + unsure);
	unsure += n[TALLY_GONE];
	tally_between(t, "refused", refused, st->refused, refused + unsure);
	tally_between(t, "withdrawn", n[TALLY_TIMED_OUT], st->withdrawn,
		      n[TALLY_TIMED_OUT] + unsure);
	tally_between(t, "ended", st->called, st->established + st->refused +
		      st->withdrawn, st->called);
	tally_between(t, "left", 0, st->sockets + st->calls + st->pending +
		      st->pages, 0);
	fflush(stdout);
	return n[TALLY_WRONG];
}
