// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a call as a table: which step may follow which. Pure;
 * tests/state_kunit.c walks all pairs. Documentation/internals.rst draws it.
 */
#include <linux/bits.h>

#include "parley.h"

#define PARLEY_OUTCOMES	(BIT(PARLEY_CALL_ESTABLISHED) | \
			 BIT(PARLEY_CALL_REFUSED) | \
			 BIT(PARLEY_CALL_WITHDRAWN))

/* By state: the states that may come next. An outcome is final. */
static const u8 parley_state_next[PARLEY_CALL_STATES] = {
	/* Refused or deferred on arrival, or not to be delivered at all. */
	[PARLEY_CALL_NEW]	= BIT(PARLEY_CALL_PENDING) |
				  BIT(PARLEY_CALL_DEFERRED) |
				  BIT(PARLEY_CALL_REFUSED),
	[PARLEY_CALL_PENDING]	= BIT(PARLEY_CALL_JUDGING) |
				  BIT(PARLEY_CALL_DEFERRED) |
				  BIT(PARLEY_CALL_APPROVED) |
				  BIT(PARLEY_CALL_REFUSED) |
				  BIT(PARLEY_CALL_WITHDRAWN),
	/* An accept that fails puts the call back where it was. */
	[PARLEY_CALL_JUDGING]	= BIT(PARLEY_CALL_PENDING) |
				  BIT(PARLEY_CALL_DEFERRED) |
				  BIT(PARLEY_CALL_APPROVED) | PARLEY_OUTCOMES,
	/* Back to pending by PARLEY_IOC_REVIEW. */
	[PARLEY_CALL_DEFERRED]	= BIT(PARLEY_CALL_PENDING) |
				  BIT(PARLEY_CALL_APPROVED) |
				  BIT(PARLEY_CALL_REFUSED) |
				  BIT(PARLEY_CALL_WITHDRAWN),
	/* A decision can be taken back until an accept collects the call. */
	[PARLEY_CALL_APPROVED]	= BIT(PARLEY_CALL_PENDING) |
				  BIT(PARLEY_CALL_JUDGING) |
				  BIT(PARLEY_CALL_DEFERRED) |
				  BIT(PARLEY_CALL_REFUSED) |
				  BIT(PARLEY_CALL_WITHDRAWN),
};

/**
 * parley_state_may - whether a step is allowed
 * @from: the state now
 * @to: the state wanted
 *
 * Context: any.
 * Return: true if a call in @from may go to @to.
 */
bool parley_state_may(enum parley_call_state from, enum parley_call_state to)
{
	if (from >= PARLEY_CALL_STATES || to >= PARLEY_CALL_STATES)
		return false;
	return parley_state_next[from] & BIT(to);
}

/**
 * parley_state_ended - whether a state is an outcome
 * @state: the state
 *
 * Context: any.
 * Return: true for ESTABLISHED, REFUSED and WITHDRAWN.
 */
bool parley_state_ended(enum parley_call_state state)
{
	return PARLEY_OUTCOMES & BIT(state);
}
