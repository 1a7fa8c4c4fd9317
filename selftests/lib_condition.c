// SPDX-License-Identifier: GPL-2.0
/* A condition for the tests of parley_accept(); see lib_condition.h. */
#include <stdio.h>
#include <string.h>

#include "lib_condition.h"

static void note_addr(struct parley_addr *to, const struct sockaddr *addr,
		      socklen_t len)
{
	memset(to, 0, sizeof(*to));
	to->len = len;
	if (len <= sizeof(to->ss))
		memcpy(&to->ss, addr, len);
}

static void note_bytes(struct condition *c, const struct parley_offer *offer)
{
	size_t n = offer->groups_len;

	c->no_data = !offer->data;
	c->data_len = offer->data_len;
	if (offer->data && offer->data_len <= sizeof(c->data))
		memcpy(c->data, offer->data, offer->data_len);
	c->no_groups = !offer->groups;
	c->groups_len = n;
	if (offer->groups)
		memcpy(c->groups, offer->groups, sizeof(*c->groups) *
		       (n < CONDITION_GROUPS ? n : CONDITION_GROUPS));
	c->has_label = offer->label;
	snprintf(c->label, sizeof(c->label), "%s", offer->label ?: "");
}

static void note(struct condition *c, const struct parley_offer *offer)
{
	c->asked++;
	c->info = *offer->info;
	note_addr(&c->caller, offer->caller, offer->caller_len);
	note_addr(&c->callee, offer->callee, offer->callee_len);
	note_bytes(c, offer);
	c->has_qos = offer->qos;
	if (offer->qos)
		c->asked_qos = *offer->qos;
	c->group_qos = offer->group_qos;
	c->group = offer->group;
}

static int condition(const struct parley_offer *offer,
		     struct parley_answer *answer, void *arg)
{
	struct condition *c = arg;

	note(c, offer);
	c->fresh = answer->buf && answer->reply == answer->buf &&
		   answer->buf_room == 65536 && !answer->reply_len &&
		   !answer->qos && !answer->code && !answer->retry_after_ms;
	/* All of the room is there. */
	memset(answer->buf, 0xa5, answer->buf_room);
	if (c->reply && c->in_place)
		memcpy(answer->buf, c->reply, c->reply_len);
	else if (c->reply)
		answer->reply = c->reply;
	answer->reply_len = c->reply_len;
	answer->qos = c->qos;
	answer->code = c->code;
	answer->retry_after_ms = c->retry_after_ms;
	if (c->meanwhile)
		c->meanwhile(c);
	return c->verdict;
}

int condition_accept(int fd, struct condition *c, int flags)
{
	int new = parley_accept(fd, NULL, NULL, condition, c, flags);

	return new < 0 ? -errno : new;
}

static int plain(const struct parley_offer *offer, struct parley_answer *answer,
		 void *arg)
{
	(void)offer;
	(void)answer;
	return *(int *)arg;
}

int condition_say(int fd, int verdict, int flags)
{
	int new = parley_accept(fd, NULL, NULL, plain, &verdict,
				flags | PARLEY_ACCEPT_NOWAIT);

	return new < 0 ? -errno : new;
}

bool condition_saw(const struct condition *c, int caller)
{
	struct parley_addr own;

	if (parley_name(caller, &own))
		return false;
	if (parley_addr_port(&own) == parley_addr_port(&c->caller))
		return true;
	printf("# asked about port %d, not %d\n", parley_addr_port(&c->caller),
	       parley_addr_port(&own));
	fflush(stdout);
	return false;
}
