// SPDX-License-Identifier: GPL-2.0
/*
 * A look at all undecided calls that changes nothing for others: those that
 * nobody had seen before are unseen afterwards, for who waits for new calls.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"

static int add(struct look *look, struct parley_offer *offer)
{
	struct parley_offer **offers;

	offers = reallocarray(look->offers, look->count + 1, sizeof(*offers));
	if (!offers) {
		parley_offer_free(offer);
		return failure("out of memory");
	}
	look->offers = offers;
	look->offers[look->count++] = offer;
	return EXIT_OK;
}

/* Is @offer older than the last one? Then somebody else has begun anew. */
static bool is_again(const struct look *look, const struct parley_offer *offer)
{
	return look->count &&
	       look->offers[look->count - 1]->info->id >= offer->info->id;
}

/* All calls that are new; with PARLEY_NEXT_REWIND in @flags all are. */
static int fetch(int listener, struct look *look, unsigned int flags)
{
	struct parley_offer *offer;
	int ret = EXIT_OK;

	memset(look, 0, sizeof(*look));
	flags |= PARLEY_NEXT_DEFERRED | PARLEY_NEXT_NOWAIT;
	while (!ret) {
		if (parley_next_call(listener, &offer, flags)) {
			if (errno == EAGAIN)
				break;
			return failure("PARLEY_IOC_NEXT_CALL: %s",
				       strerror(errno));
		}
		if (is_again(look, offer)) {
			parley_offer_free(offer);
			break;
		}
		ret = add(look, offer);
		flags &= ~PARLEY_NEXT_REWIND;
	}
	return ret;
}

/* A call that was decided meanwhile, or has gone, needs nothing. */
static void make_new(int listener, const struct look *look)
{
	size_t i;

	for (i = 0; i < look->count; i++)
		parley_decide(listener, look->offers[i]->info->id,
			      PARLEY_UNDECIDE, NULL, 0);
}

int look_at_calls(const struct control *control, struct look *look)
{
	int ret = control_lock(control);
	struct look fresh;

	memset(look, 0, sizeof(*look));
	if (ret)
		return ret;
	ret = fetch(control->listener, &fresh, 0);
	if (!ret)
		ret = fetch(control->listener, look, PARLEY_NEXT_REWIND);
	make_new(control->listener, &fresh);
	control_unlock(control);
	look_free(&fresh);
	return ret;
}

void look_free(struct look *look)
{
	size_t i;

	for (i = 0; i < look->count; i++)
		parley_offer_free(look->offers[i]);
	free(look->offers);
	memset(look, 0, sizeof(*look));
}
