// SPDX-License-Identifier: GPL-2.0
/* The rivals of a duel. */
#include <unistd.h>

#include "lib_duel.h"

static void *rival_main(void *arg)
{
	struct rival *r = arg;

	__atomic_store_n(&r->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	for (;;) {
		race_line_meet(&r->duel->start);
		if (r->duel->over)
			return NULL;
		r->turn(r->duel);
		race_line_meet(&r->duel->end);
	}
}

int rival_start(struct rival *r, struct duel *d, void (*turn)(struct duel *d))
{
	r->duel = d;
	r->turn = turn;
	r->tid = 0;
	if (pthread_create(&r->thread, NULL, rival_main, r))
		return -1;
	if (!parley_until(__atomic_load_n(&r->tid, __ATOMIC_ACQUIRE)))
		return -1;
	return 0;
}

void rivals_end(struct duel *d, struct rival *r, int n)
{
	d->over = true;
	race_line_meet(&d->start);
	while (n--)
		pthread_join(r[n].thread, NULL);
}

void duel_init(struct duel *d, int runners)
{
	race_line_init(&d->start, runners);
	race_line_init(&d->end, runners);
	race_balance_init(&d->balance);
	d->over = false;
	d->fd = -1;
}
