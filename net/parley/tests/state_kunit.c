// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of state.c: every pair of states against a drawing of the table.
 */
#include <kunit/test.h>

#include "../state.c"

/**
 * struct state_row - what is expected of one state
 * @name: the state
 * @state: likewise
 * @may: one character for each state in the order of the enum, '-' where no
 *	step leads there
 * @ended: it is an outcome
 */
struct state_row {
	const char *name;
	enum parley_call_state state;
	const char *may;
	bool ended;
};

/* New, Pending, Judging, Deferred, Approved, Established, Refused, Withdrawn */
static const struct state_row state_rows[] = {
	{ "new",	 PARLEY_CALL_NEW,	  "-P-D--R-", false },
	{ "pending",	 PARLEY_CALL_PENDING,	  "--JDA-RW", false },
	{ "judging",	 PARLEY_CALL_JUDGING,	  "-P-DAERW", false },
	{ "deferred",	 PARLEY_CALL_DEFERRED,	  "-P--A-RW", false },
	{ "approved",	 PARLEY_CALL_APPROVED,	  "-PJD--RW", false },
	{ "established", PARLEY_CALL_ESTABLISHED, "--------", true },
	{ "refused",	 PARLEY_CALL_REFUSED,	  "--------", true },
	{ "withdrawn",	 PARLEY_CALL_WITHDRAWN,	  "--------", true },
};

static void state_row_desc(const struct state_row *row, char *desc)
{
	strscpy(desc, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(state_row, state_rows, state_row_desc);

/* A state that is added without a row here must not go untested. */
static void state_test_complete(struct kunit *test)
{
	unsigned int i;

	KUNIT_ASSERT_EQ(test, ARRAY_SIZE(state_rows), PARLEY_CALL_STATES);
	for (i = 0; i < PARLEY_CALL_STATES; i++) {
		KUNIT_EXPECT_EQ(test, state_rows[i].state, i);
		KUNIT_EXPECT_EQ(test, strlen(state_rows[i].may),
				PARLEY_CALL_STATES);
	}
}

static void state_test_may(struct kunit *test)
{
	const struct state_row *row = test->param_value;
	unsigned int to;

	for (to = 0; to < PARLEY_CALL_STATES; to++)
		KUNIT_EXPECT_EQ_MSG(test, parley_state_may(row->state, to),
				    row->may[to] != '-', "%s to %s", row->name,
				    state_rows[to].name);
}

static void state_test_kind(struct kunit *test)
{
	const struct state_row *row = test->param_value;

	KUNIT_EXPECT_EQ(test, parley_state_ended(row->state), row->ended);
}

/*
 * What a call is charged to gets it back with the outcome, so the table must
 * never let it end twice or start again.
 */
static void state_test_once(struct kunit *test)
{
	unsigned int from, to;

	for (from = 0; from < PARLEY_CALL_STATES; from++) {
		KUNIT_EXPECT_FALSE(test, parley_state_may(from, from));
		KUNIT_EXPECT_FALSE(test,
				   parley_state_may(from, PARLEY_CALL_NEW));
		if (!parley_state_ended(from))
			continue;
		for (to = 0; to < PARLEY_CALL_STATES; to++)
			KUNIT_EXPECT_FALSE(test, parley_state_may(from, to));
	}
}

/* The state is a byte in memory: what no state is leads nowhere. */
static void state_test_out_of_range(struct kunit *test)
{
	unsigned int bad, state;

	for (bad = PARLEY_CALL_STATES; bad <= U8_MAX; bad++) {
		for (state = 0; state < PARLEY_CALL_STATES; state++) {
			KUNIT_EXPECT_FALSE(test, parley_state_may(bad, state));
			KUNIT_EXPECT_FALSE(test, parley_state_may(state, bad));
		}
		KUNIT_EXPECT_FALSE(test, parley_state_may(bad, bad));
	}
	KUNIT_EXPECT_FALSE(test, parley_state_ended(PARLEY_CALL_STATES));
}

static struct kunit_case state_cases[] = {
	KUNIT_CASE(state_test_complete),
	KUNIT_CASE_PARAM(state_test_may, state_row_gen_params),
	KUNIT_CASE_PARAM(state_test_kind, state_row_gen_params),
	KUNIT_CASE(state_test_once),
	KUNIT_CASE(state_test_out_of_range),
	{}
};

static struct kunit_suite state_suite = {
	.name = "parley-state",
	.test_cases = state_cases,
};

kunit_test_suite(state_suite);
