/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The life of a call as a table, as in net/parley/state.c: table.sh holds the
 * two against each other.
 */
#define NEW		0
#define PENDING		1
#define JUDGING		2
#define DEFERRED	3
#define APPROVED	4
#define ESTABLISHED	5
#define REFUSED		6
#define WITHDRAWN	7
#define STATES		8

#define BIT(n)		(1 << (n))
#define HAS(set, n)	(((set) >> (n)) & 1)

#define OUTCOMES	(BIT(ESTABLISHED) | BIT(REFUSED) | BIT(WITHDRAWN))

#define FROM_NEW	(BIT(PENDING) | BIT(DEFERRED) | BIT(REFUSED))
#define FROM_PENDING	(BIT(JUDGING) | BIT(DEFERRED) | BIT(APPROVED) | \
			 BIT(REFUSED) | BIT(WITHDRAWN))
#define FROM_JUDGING	(BIT(PENDING) | BIT(DEFERRED) | BIT(APPROVED) | \
			 OUTCOMES)
#define FROM_DEFERRED	(BIT(PENDING) | BIT(APPROVED) | \
			 BIT(REFUSED) | BIT(WITHDRAWN))
#define FROM_APPROVED	(BIT(PENDING) | BIT(JUDGING) | BIT(DEFERRED) | \
			 BIT(REFUSED) | BIT(WITHDRAWN))

#define NEXT(s)	((s) == NEW -> FROM_NEW : ((s) == PENDING -> FROM_PENDING : \
		((s) == JUDGING -> FROM_JUDGING : \
		((s) == DEFERRED -> FROM_DEFERRED : \
		((s) == APPROVED -> FROM_APPROVED : 0)))))
#define MAY(from, to)	HAS(NEXT(from), to)
#define ENDED(s)	HAS(OUTCOMES, s)
#define CHARGED(s)	((s) >= PENDING && (s) <= APPROVED)

byte state[MAX];
bit ends[MAX];	/* it has had an outcome */

/* What the search has seen is no part of the model's own state. */
c_decl {
	static unsigned char parley_taken[8][8];

	static void parley_take(int from, int to)
	{
		if (parley_taken[from][to])
			return;
		parley_taken[from][to] = 1;
		printf("taken %d %d\n", from, to);
	}
}
hidden byte from_state;
hidden byte to_state;

/* parley_call_step(): the only way to change a state */
inline step(c, to)
{
	assert(MAY(state[c], to));
	from_state = state[c];
	to_state = to;
	c_code { parley_take(from_state, to_state); }
	state[c] = to;
	if
	:: ENDED(to) ->
		assert(!ends[c]);
		ends[c] = 1
	:: else
	fi
}
