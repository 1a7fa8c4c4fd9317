// SPDX-License-Identifier: GPL-2.0
/*
 * An offer: a call that waits, in one piece of memory with all that it brings.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <netinet/in.h>

#include "internal.h"

/* How much of each there is room for; most calls bring less than this. */
struct plib_rooms {
	size_t data;
	size_t groups;
	size_t label;
};

#define PLIB_ROOMS	{ .data = 1024, .groups = 64, .label = 256 }

/**
 * struct plib_offer - an offer and what it points to
 * @offer: what users see, first so that one pointer is both
 * @next: the request, with the call's info
 * @groups: the supplementary groups; the call data and the label follow
 */
struct plib_offer {
	struct parley_offer offer;
	struct parley_next_call next;
	uint32_t groups[];
};

static struct plib_offer *plib_offer_alloc(const struct plib_rooms *rooms,
					   unsigned int flags)
{
	size_t groups = rooms->groups * sizeof(uint32_t);
	struct plib_offer *o;
	unsigned char *data;

	/* One byte more: the label ends with a NUL here in any case. */
	o = malloc(sizeof(*o) + groups + rooms->data + rooms->label + 1);
	if (!o)
		return NULL;
	memset(o, 0, sizeof(*o));
	data = (unsigned char *)o->groups + groups;
	o->next.size = sizeof(o->next);
	o->next.flags = flags;
	o->next.groups = (uintptr_t)o->groups;
	o->next.groups_room = rooms->groups;
	o->next.data = (uintptr_t)data;
	o->next.data_room = rooms->data;
	o->next.label = (uintptr_t)(data + rooms->data);
	o->next.label_room = rooms->label;
	return o;
}

/* The kernel has said how much it needs. */
static void plib_rooms_grow(struct plib_rooms *rooms,
			    const struct parley_next_call *next)
{
	if (rooms->data < next->data_room)
		rooms->data = next->data_room;
	if (rooms->groups < next->groups_room)
		rooms->groups = next->groups_room;
	if (rooms->label < next->label_room)
		rooms->label = next->label_room;
}

static socklen_t plib_addr_len(const struct sockaddr *addr)
{
	return addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) :
					     sizeof(struct sockaddr_in);
}

static void plib_offer_fill(struct plib_offer *o)
{
	const struct parley_next_call *next = &o->next;
	const struct parley_call_info *info = &next->info;
	struct parley_offer *offer = &o->offer;
	char *label = (char *)(uintptr_t)next->label;

	offer->info = info;
	offer->caller = (const struct sockaddr *)&info->caller;
	offer->caller_len = plib_addr_len(offer->caller);
	offer->callee = (const struct sockaddr *)&info->callee;
	offer->callee_len = plib_addr_len(offer->callee);
	offer->group = info->group;
	if (info->flags & PARLEY_INFO_QOS)
		offer->qos = &info->qos;
	offer->data_len = next->data_room;
	if (offer->data_len)
		offer->data = (const void *)(uintptr_t)next->data;
	offer->groups_len = next->groups_room;
	if (offer->groups_len)
		offer->groups = o->groups;
	if (next->label_room) {
		label[next->label_room] = '\0';
		offer->label = label;
	}
}

struct parley_offer *plib_next_call(int fd, unsigned int flags)
{
	struct plib_rooms rooms = PLIB_ROOMS;
	struct plib_offer *o;
	int err;

	for (;;) {
		o = plib_offer_alloc(&rooms, flags);
		if (!o)
			return NULL;
		if (ioctl(fd, PARLEY_IOC_NEXT_CALL, &o->next) >= 0)
			break;
		err = errno;
		if (err == ERANGE)
			plib_rooms_grow(&rooms, &o->next);
		free(o);
		if (err != ERANGE) {
			errno = err;
			return NULL;
		}
	}
	plib_offer_fill(o);
	return &o->offer;
}

int parley_next_call(int fd, struct parley_offer **offer, unsigned int flags)
{
	*offer = plib_next_call(fd, flags);
	return *offer ? 0 : -1;
}

void parley_offer_free(struct parley_offer *offer)
{
	free(offer);
}
