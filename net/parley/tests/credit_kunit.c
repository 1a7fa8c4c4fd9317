// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of credit.c: what comes in a nanosecond and in an age, at a byte a
 * second and at rates that no machine has, and that nothing is lost or gained
 * on the way.
 */
#include <kunit/test.h>
#include <linux/prandom.h>

#include "../credit.c"

#define CREDIT_START	(5 * NSEC_PER_SEC)	/* somebody just booted */
#define CREDIT_ROUNDS	20000
#define CREDIT_SEED	20260131ULL
#define CREDIT_DEPTH	4096

/**
 * struct credit_case - a rate
 * @name: what is special about it
 * @rate: bytes per second
 */
struct credit_case {
	const char *name;
	u64 rate;
};

static const struct credit_case credit_cases[] = {
	{ "a byte a second", 1 },
	{ "seven bytes a second", 7 },
	{ "a modem", 4200 },
	{ "a number without factors", 999983 },
	{ "a byte a nanosecond", NSEC_PER_SEC },
	{ "hardly less", NSEC_PER_SEC - 1 },
	{ "the highest that can be asked for", U32_MAX - 1 },
	{ "more than can be asked for", 1ULL << 40 },
	{ "the highest number but one bit", 1ULL << 62 },
	{ "the highest bit", 1ULL << 63 },
	{ "the highest number", U64_MAX },
};

static void credit_desc(const struct credit_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(credit, credit_cases, credit_desc);

static u64 credit_param(struct kunit *test)
{
	const struct credit_case *c = test->param_value;

	return c->rate;
}

/* A bucket that has just been emptied. */
static struct parley_credit credit_empty(u64 rate, u64 depth, bool late)
{
	struct parley_credit c;

	parley_credit_init(&c, rate, depth, late, CREDIT_START);
	parley_credit_spend(&c, depth);
	return c;
}

static void credit_test_full(struct kunit *test)
{
	static const u64 depths[] = { 0, 1, 2, CREDIT_DEPTH, U32_MAX };
	u64 rate = credit_param(test);
	struct parley_credit c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(depths); i++) {
		parley_credit_init(&c, rate, depths[i], i & 1, CREDIT_START);
		KUNIT_EXPECT_EQ(test, parley_credit_bytes(&c),
				max_t(u64, depths[i], 1));
		KUNIT_EXPECT_TRUE(test, parley_credit_has(&c, U64_MAX));
		/* Full is full, and stays so. */
		parley_credit_refill(&c, U64_MAX, false);
		KUNIT_EXPECT_EQ(test, parley_credit_bytes(&c),
				max_t(u64, depths[i], 1));
		KUNIT_EXPECT_LE(test, c.depth + c.late, PARLEY_CREDIT_MAX);
	}
}

/* To the nanosecond: when the first byte is there, and the last. */
static void credit_test_refill(struct kunit *test)
{
	u64 rate = credit_param(test);
	struct parley_credit c = credit_empty(rate, CREDIT_DEPTH, false);
	u64 byte = DIV64_U64_ROUND_UP(NSEC_PER_SEC, rate);
	u64 all = rate > NSEC_PER_SEC * CREDIT_DEPTH ? 1 :
		  DIV64_U64_ROUND_UP(NSEC_PER_SEC * CREDIT_DEPTH, rate);
	struct parley_credit at;

	if (rate > NSEC_PER_SEC)
		byte = 1;
	KUNIT_EXPECT_EQ(test, parley_credit_bytes(&c), 0);
	KUNIT_EXPECT_FALSE(test, parley_credit_has(&c, 1));
	at = c;
	parley_credit_refill(&at, CREDIT_START + byte - 1, false);
	KUNIT_EXPECT_EQ(test, parley_credit_bytes(&at), 0);
	parley_credit_refill(&at, CREDIT_START + byte, false);
	KUNIT_EXPECT_LE(test, 1, parley_credit_bytes(&at));
	KUNIT_EXPECT_TRUE(test, parley_credit_has(&at, 1));
	at = c;
	parley_credit_refill(&at, CREDIT_START + all - 1, false);
	KUNIT_EXPECT_GT(test, CREDIT_DEPTH, parley_credit_bytes(&at));
	KUNIT_EXPECT_FALSE(test, parley_credit_has(&at, CREDIT_DEPTH));
	parley_credit_refill(&at, CREDIT_START + all, false);
	KUNIT_EXPECT_EQ(test, parley_credit_bytes(&at), CREDIT_DEPTH);
	KUNIT_EXPECT_TRUE(test, parley_credit_has(&at, CREDIT_DEPTH + 1));
}

/* In many steps as much comes as in one. */
static void credit_test_steps(struct kunit *test)
{
	u64 rate = credit_param(test);
	struct parley_credit one = credit_empty(rate, U32_MAX, false);
	struct parley_credit many = one;
	u64 now = CREDIT_START;
	struct rnd_state rnd;
	unsigned int i;

	prandom_seed_state(&rnd, CREDIT_SEED);
	for (i = 0; i < CREDIT_ROUNDS; i++) {
		now += prandom_u32_state(&rnd) % 100000;
		parley_credit_refill(&many, now, false);
	}
	parley_credit_refill(&one, now, false);
	KUNIT_EXPECT_EQ(test, one.have, many.have);
	KUNIT_EXPECT_EQ(test, one.at, many.at);
}

/* A clock that goes back takes nothing, and gives nothing twice. */
static void credit_test_clock(struct kunit *test)
{
	u64 rate = credit_param(test);
	struct parley_credit c = credit_empty(rate, U32_MAX, false);
	struct parley_credit old;

	parley_credit_refill(&c, CREDIT_START + 5000, false);
	old = c;
	parley_credit_refill(&c, CREDIT_START + 5000, false);
	parley_credit_refill(&c, CREDIT_START + 4999, false);
	parley_credit_refill(&c, CREDIT_START, false);
	parley_credit_refill(&c, 0, false);
	KUNIT_EXPECT_EQ(test, c.have, old.have);
	KUNIT_EXPECT_EQ(test, c.at, old.at);
	/* However far it goes forward. */
	parley_credit_refill(&c, U64_MAX - 1, false);
	KUNIT_EXPECT_EQ(test, parley_credit_bytes(&c), U32_MAX);
}

/* Enough is there when it is due, and not a nanosecond earlier. */
static void credit_test_due(struct kunit *test)
{
	static const u64 owed[] = { 0, 1, 100, CREDIT_DEPTH, 10000000 };
	static const u64 least[] = { 0, 1, 1000, CREDIT_DEPTH, 1 << 30 };
	u64 rate = credit_param(test);
	struct parley_credit c, at;
	size_t i, k;
	u64 due;

	for (i = 0; i < ARRAY_SIZE(owed); i++)
		for (k = 0; k < ARRAY_SIZE(least); k++) {
			c = credit_empty(rate, CREDIT_DEPTH, true);
			parley_credit_spend(&c, owed[i]);
			due = parley_credit_due(&c, least[k]);
			KUNIT_ASSERT_LT(test, CREDIT_START, due);
			at = c;
			parley_credit_refill(&at, due - 1, true);
			KUNIT_EXPECT_FALSE(test,
					   parley_credit_worth(&at, U64_MAX,
							       least[k]));
			parley_credit_refill(&at, due, true);
			KUNIT_EXPECT_TRUE(test,
					  parley_credit_worth(&at, U64_MAX,
							      least[k]));
			KUNIT_EXPECT_EQ(test, 0,
					parley_credit_due(&at, least[k]));
			KUNIT_EXPECT_TRUE(test,
					  parley_credit_has(&at, least[k]));
		}
}

/* The deepest debt at any rate is paid some day, and no number overflows. */
static void credit_test_debt(struct kunit *test)
{
	u64 rate = credit_param(test);
	struct parley_credit c;
	u64 due;
	int i;

	parley_credit_init(&c, rate, U32_MAX, true, CREDIT_START);
	for (i = 0; i < 5; i++)
		parley_credit_spend(&c, U64_MAX);
	KUNIT_EXPECT_EQ(test, c.have, -PARLEY_CREDIT_MAX);
	KUNIT_EXPECT_EQ(test, parley_credit_bytes(&c), 0);
	KUNIT_EXPECT_FALSE(test, parley_credit_has(&c, 0));
	due = parley_credit_due(&c, U32_MAX);
	KUNIT_EXPECT_LT(test, CREDIT_START, due);
	parley_credit_refill(&c, due - 1, false);
	KUNIT_EXPECT_FALSE(test, parley_credit_has(&c, U32_MAX));
	parley_credit_refill(&c, due, false);
	KUNIT_EXPECT_TRUE(test, parley_credit_has(&c, U32_MAX));
}

/* What there is and what was spent add up to what has come, at each moment. */
static void credit_test_sum(struct kunit *test)
{
	u64 rate = credit_param(test);
	struct parley_credit c;
	u64 now = CREDIT_START;
	struct rnd_state rnd;
	s64 come, spent = 0;
	unsigned int i;

	/* At others it is full at once. */
	if (rate > U32_MAX)
		return;
	/* Half full, so that it neither overflows nor is ever in deep debt. */
	parley_credit_init(&c, rate, U32_MAX, false, CREDIT_START);
	parley_credit_spend(&c, U32_MAX / 2);
	come = c.have;
	prandom_seed_state(&rnd, CREDIT_SEED);
	for (i = 0; i < CREDIT_ROUNDS; i++) {
		u64 ns = prandom_u32_state(&rnd) % 40000;

		now += ns;
		parley_credit_refill(&c, now, i & 1);
		come += rate * ns;
		while (parley_credit_bytes(&c) > U32_MAX / 2) {
			parley_credit_spend(&c, 1000000);
			spent += 1000000 * PARLEY_BYTE;
			/* So that the sums do not overflow either. */
			come -= spent;
			spent = 0;
		}
		KUNIT_ASSERT_EQ(test, c.have, come - spent);
	}
}

/* Ten milliseconds more for who was cut short; the others lose it again. */
static void credit_test_late(struct kunit *test)
{
	struct parley_credit c = credit_empty(100000, 200, true);

	parley_credit_refill(&c, CREDIT_START + NSEC_PER_SEC, true);
	KUNIT_EXPECT_EQ(test, parley_credit_bytes(&c), 200 + 1000);
	parley_credit_refill(&c, CREDIT_START + NSEC_PER_SEC, false);
	KUNIT_EXPECT_EQ(test, parley_credit_bytes(&c), 200);
	c = credit_empty(100000, 200, false);
	parley_credit_refill(&c, CREDIT_START + NSEC_PER_SEC, true);
	KUNIT_EXPECT_EQ(test, parley_credit_bytes(&c), 200);
}

/**
 * struct batch_case - what one waits for
 * @rate: bytes per second
 * @depth: bytes
 * @late: as for parley_credit_init()
 * @bytes: the batch
 */
struct batch_case {
	u64 rate;
	u64 depth;
	bool late;
	u64 bytes;
};

/* Half a bucket, but 100 us at least and 5 ms at most; and a byte at least. */
static void credit_test_batch(struct kunit *test)
{
	static const struct batch_case cases[] = {
		{ 1000000, 1000000, true, 5000 },
		{ 1000000, 10000, true, 5000 },
		{ 1000000, 9000, true, 4500 },
		{ 1000000, 100, true, 100 },
		{ 1000000, 1, true, 100 },
		{ 1000000, 50, false, 50 },
		{ 100, 1000, true, 1 },
		{ 1, 1, false, 1 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct batch_case *b = &cases[i];
		struct parley_credit c = credit_empty(b->rate, b->depth,
						      b->late);

		KUNIT_EXPECT_EQ(test, c.batch, b->bytes * PARLEY_BYTE);
	}
}

/* Less than a batch goes if it is all that there is to send. */
static void credit_test_worth(struct kunit *test)
{
	struct parley_credit c = credit_empty(1000000, 100000, true);

	parley_credit_refill(&c, CREDIT_START + 300 * NSEC_PER_USEC, true);
	KUNIT_EXPECT_EQ(test, parley_credit_bytes(&c), 300);
	KUNIT_EXPECT_TRUE(test, parley_credit_worth(&c, 300, 1));
	KUNIT_EXPECT_FALSE(test, parley_credit_worth(&c, 301, 1));
	parley_credit_refill(&c, CREDIT_START + 5 * NSEC_PER_MSEC, true);
	KUNIT_EXPECT_TRUE(test, parley_credit_worth(&c, 100000, 5000));
	KUNIT_EXPECT_FALSE(test, parley_credit_worth(&c, 100000, 5001));
}

static struct kunit_case credit_kunit_cases[] = {
	KUNIT_CASE_PARAM(credit_test_full, credit_gen_params),
	KUNIT_CASE_PARAM(credit_test_refill, credit_gen_params),
	KUNIT_CASE_PARAM(credit_test_steps, credit_gen_params),
	KUNIT_CASE_PARAM(credit_test_clock, credit_gen_params),
	KUNIT_CASE_PARAM(credit_test_due, credit_gen_params),
	KUNIT_CASE_PARAM(credit_test_debt, credit_gen_params),
	KUNIT_CASE_PARAM(credit_test_sum, credit_gen_params),
	KUNIT_CASE(credit_test_late),
	KUNIT_CASE(credit_test_batch),
	KUNIT_CASE(credit_test_worth),
	{}
};

static struct kunit_suite credit_suite = {
	.name = "parley-credit",
	.test_cases = credit_kunit_cases,
};

kunit_test_suite(credit_suite);
