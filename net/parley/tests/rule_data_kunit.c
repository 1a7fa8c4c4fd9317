// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of rule.c: rules that look for bytes in the call data. The data ends
 * where its allocation does: what is read beyond it is for KASAN to find.
 */
#include <kunit/test.h>

#include "../parley.h"

#define DATA_LEN	12

/**
 * struct data_case - bytes that a rule looks for
 * @name: what is special about it
 * @data: the call data
 * @offset: where the rule looks
 * @value: for what
 * @mask: which bits count; NULL: all
 * @len: how many bytes
 * @hit: whether it is there
 */
struct data_case {
	const char *name;
	const char *data;
	u32 offset;
	const char *value;
	const char *mask;
	u32 len;
	bool hit;
};

static const struct data_case data_cases[] = {
	{ "all of it", "hello", 0, "hello", NULL, 5, true },
	{ "first byte", "hello", 0, "h", NULL, 1, true },
	{ "not the first byte", "hello", 0, "e", NULL, 1, false },
	{ "last byte", "hello", 4, "o", NULL, 1, true },
	{ "not the last byte", "hello", 4, "p", NULL, 1, false },
	{ "middle", "hello", 1, "ell", NULL, 3, true },
	{ "to the end", "hello", 3, "lo", NULL, 2, true },
	{ "beyond the end by one", "hello", 3, "lo", NULL, 3, false },
	{ "shorter data", "hell", 0, "hello", NULL, 5, false },
	{ "longer data", "hello!", 0, "hello", NULL, 5, true },
	{ "at the end", "hello", 5, "o", NULL, 1, false },
	{ "after the end", "hello", 6, "o", NULL, 1, false },
	{ "elsewhere", "xhello", 0, "hello", NULL, 5, false },
	{ "no data", "", 0, "h", NULL, 1, false },
	{ "no data, later", "", 1, "h", NULL, 1, false },
	{ "highest offset", "hello", U32_MAX, "o", NULL, 1, false },
	{ "offset and length wrap", "hello", U32_MAX, "hello", NULL, 5, false },
	{ "to the wrap", "hello", U32_MAX - 4, "hello", NULL, 5, false },
	{ "half of the wrap", "hello", 1U << 31, "hello", NULL, 5, false },

	{ "first byte differs", "Hello", 0, "hello", NULL, 5, false },
	{ "last byte differs", "hellO", 0, "hello", NULL, 5, false },
	{ "masked case", "HeLLo", 0, "HELLO", "\xdf\xdf\xdf\xdf\xdf", 5, true },
	{ "masked case, other", "HeXLo", 0, "HELLO", "\xdf\xdf\xdf\xdf\xdf", 5,
	  false },
	{ "first byte masked", "xello", 0, "\0ello", "\0\xff\xff\xff\xff", 5,
	  true },
	{ "last byte masked", "hellx", 0, "hell\0", "\xff\xff\xff\xff\0", 5,
	  true },
	{ "only the last counts", "xxxxo", 0, "\0\0\0\0o", "\0\0\0\0\xff", 5,
	  true },
	{ "only the last, other", "xxxxp", 0, "\0\0\0\0o", "\0\0\0\0\xff", 5,
	  false },
	{ "nothing counts", "hello", 0, "\0\0\0\0\0", "\0\0\0\0\0", 5, true },
	{ "nothing counts, too short", "hell", 0, "\0\0\0\0\0", "\0\0\0\0\0", 5,
	  false },
	{ "high bit", "\x80", 0, "\x80", "\x80", 1, true },
	{ "no high bit", "\x7f", 0, "\x80", "\x80", 1, false },
	{ "a bit must be clear", "\x7f", 0, "\0", "\x80", 1, true },
	{ "a bit is not clear", "\x81", 0, "\0", "\x80", 1, false },
};

static void data_desc(const struct data_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(data, data_cases, data_desc);

/* A copy with nothing behind it. */
static u8 *data_copy(struct kunit *test, const void *from, size_t len)
{
	u8 *to = kunit_kmalloc(test, len ?: 1, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, to);
	memcpy(to, from, len);
	return to;
}

static void data_test_match(struct kunit *test)
{
	const struct data_case *c = test->param_value;
	u32 data_len = strlen(c->data);
	struct parley_subject s = {
		.data = data_copy(test, c->data, data_len),
		.data_len = data_len,
	};
	struct parley_rule r = {
		.match = PARLEY_MATCH_DATA,
		.data_offset = c->offset,
		.data_len = c->len,
	};
	u8 pool[2 * DATA_LEN] = { };

	/* The value is as far from the beginning as the mask lets it. */
	r.data_value = c->mask ? c->len : sizeof(pool) - c->len;
	r.data_mask = c->mask ? 0 : r.data_value;
	memcpy(pool + r.data_value, c->value, c->len);
	if (c->mask)
		memcpy(pool, c->mask, c->len);
	KUNIT_EXPECT_EQ(test,
			parley_rule_matches(&r,
					    data_copy(test, pool, sizeof(pool)),
					    &s),
			c->hit);
}

/* A caller without data has none at all. */
static void data_test_null(struct kunit *test)
{
	const struct parley_subject s = { };
	struct parley_rule r = {
		.match = PARLEY_MATCH_DATA,
		.data_len = 1,
	};

	KUNIT_EXPECT_FALSE(test, parley_rule_matches(&r, "", &s));
	r.data_offset = 1;
	KUNIT_EXPECT_FALSE(test, parley_rule_matches(&r, "", &s));
}

static u8 data_mask_byte(u32 seed, u32 at)
{
	static const u8 bytes[] = { 0x00, 0xff, 0x0f, 0x80, 0x01, 0xfe, 0x55 };

	return bytes[(seed + at) % ARRAY_SIZE(bytes)];
}

/* A bit of the data after another: it matters where the mask has it. */
static void data_expect_bits(struct kunit *test, const struct parley_rule *r,
			     const u8 *pool, struct parley_subject *s, u8 *data)
{
	u32 bit;

	KUNIT_ASSERT_TRUE(test, parley_rule_matches(r, pool, s));
	for (bit = 0; bit < 8 * DATA_LEN; bit++) {
		u32 at = bit / 8 - r->data_offset;
		bool counts;

		counts = bit / 8 >= r->data_offset && at < r->data_len &&
			 (r->data_mask == r->data_value ||
			  pool[r->data_mask + at] & 1 << bit % 8);
		data[bit / 8] ^= 1 << bit % 8;
		KUNIT_ASSERT_EQ_MSG(test, parley_rule_matches(r, pool, s),
				    !counts, "bit %u, bytes %u to %u", bit,
				    r->data_offset,
				    r->data_offset + r->data_len - 1);
		data[bit / 8] ^= 1 << bit % 8;
	}
}

/* Each piece of the data, with masks of all kinds and without. */
static void data_test_bits(struct kunit *test)
{
	u8 *data = data_copy(test, "Wall\0p\xffper\x80!", DATA_LEN);
	struct parley_subject s = { .data = data, .data_len = DATA_LEN };
	struct parley_rule r = { .match = PARLEY_MATCH_DATA };
	u8 pool[2 * DATA_LEN];
	u32 seed, i;

	for (r.data_offset = 0; r.data_offset < DATA_LEN; r.data_offset++) {
		const u32 most = DATA_LEN - r.data_offset;

		for (r.data_len = 1; r.data_len <= most; r.data_len++) {
			memcpy(pool, data + r.data_offset, r.data_len);
			r.data_value = 0;
			r.data_mask = 0;
			data_expect_bits(test, &r, pool, &s, data);
			r.data_mask = r.data_len;
			for (seed = 0; seed < 7; seed++) {
				for (i = 0; i < r.data_len; i++) {
					u8 mask = data_mask_byte(seed, i);

					pool[i] = data[r.data_offset + i] &
						  mask;
					pool[r.data_len + i] = mask;
				}
				data_expect_bits(test, &r, pool, &s, data);
			}
		}
	}
}

static struct kunit_case data_cases_all[] = {
	KUNIT_CASE_PARAM(data_test_match, data_gen_params),
	KUNIT_CASE(data_test_null),
	KUNIT_CASE(data_test_bits),
	{}
};

static struct kunit_suite data_suite = {
	.name = "parley-rule-data",
	.test_cases = data_cases_all,
};

kunit_test_suite(data_suite);
