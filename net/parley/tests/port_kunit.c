// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of port.c and number.c: which numbers a search tries, in which order,
 * and what it gives back. The table of bound sockets is a bitmap here.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>

#include "../number.c"
#include "../port.c"

#define PORTS		65536

/* Never looked up here: nothing below needs a namespace. */
unsigned int parley_net_id;

/* Ports that somebody named in bind(2). */
static DECLARE_BITMAP(port_taken, PORTS);
/* How often each port was tried, up to once, and how often in all. */
static DECLARE_BITMAP(port_tried, PORTS);
static unsigned int port_tries;
static bool port_tried_twice;
/* What binding a port that is free returns. */
static int port_result;

int parley_table_bind(struct parley_sock *psk, const struct parley_addr *addr,
		      bool implicit)
{
	unsigned int port = ntohs(addr->port);

	port_tries++;
	if (__test_and_set_bit(port, port_tried))
		port_tried_twice = true;
	return test_bit(port, port_taken) ? -EADDRINUSE : port_result;
}

void parley_table_unbind(struct parley_sock *psk)
{
}

/**
 * struct port_context - what a destination, or a namespace, has of ports
 * @sets: numbers in use
 */
struct port_context {
	struct parley_numbers sets[2];
};

static void port_forget_tries(void)
{
	bitmap_zero(port_tried, PORTS);
	port_tries = 0;
	port_tried_twice = false;
}

static int port_init(struct kunit *test)
{
	struct port_context *c;

	c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	parley_numbers_init(&c->sets[0], 0);
	parley_numbers_init(&c->sets[1], 0);
	bitmap_zero(port_taken, PORTS);
	port_forget_tries();
	port_result = 0;
	test->priv = c;
	return 0;
}

static void port_exit(struct kunit *test)
{
	struct port_context *c = test->priv;

	if (!c)
		return;
	bitmap_free(c->sets[0].all);
	bitmap_free(c->sets[1].all);
}

/* Search the numbers of one parity. Return: the port or an error. */
static int port_search(struct kunit *test, int parity, int low, int high)
{
	struct port_context *c = test->priv;
	struct parley_addr addr = { };
	struct parley_port_half half;
	int err;

	port_forget_tries();
	parley_port_half(&half, c->sets, parity, low, high);
	err = parley_port_search(NULL, &half, &addr, false);
	KUNIT_EXPECT_FALSE(test, port_tried_twice);
	return err ?: ntohs(addr.port);
}

/* As parley_port_release() does. */
static void port_give_back(struct kunit *test, int port)
{
	struct port_context *c = test->priv;

	parley_numbers_give(&c->sets[port & 1], port >> 1);
}

struct port_range {
	int low;
	int high;
};

static const struct port_range port_ranges[] = {
	{ 32768, 60999 }, { 32769, 60999 }, { 32768, 60998 }, { 32769, 60998 },
	{ 1, 65535 }, { 1, 1 }, { 2, 2 }, { 1, 2 }, { 2, 3 }, { 65535, 65535 },
	{ 65534, 65535 }, { 65534, 65534 },
};

static void port_range_desc(const struct port_range *range, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%d to %d", range->low,
		 range->high);
}

KUNIT_ARRAY_PARAM(port_range, port_ranges, port_range_desc);

/* The halves together are the range: nothing is missing, nothing is twice. */
static void port_test_half(struct kunit *test)
{
	const struct port_range *range = test->param_value;
	struct port_context *c = test->priv;
	struct parley_port_half half;
	int parity, id, port;

	for (parity = 0; parity < 2; parity++) {
		parley_port_half(&half, c->sets, parity, range->low,
				 range->high);
		KUNIT_EXPECT_PTR_EQ(test, half.set, &c->sets[parity]);
		for (id = half.min; id <= half.max; id++) {
			port = id * 2 + half.parity;
			KUNIT_ASSERT_GE(test, port, range->low);
			KUNIT_ASSERT_LE(test, port, range->high);
			/* What parley_port_release() makes of the port. */
			KUNIT_ASSERT_EQ(test, port & 1, parity);
			KUNIT_ASSERT_EQ(test, port >> 1, id);
			KUNIT_ASSERT_FALSE(test, test_bit(port, port_tried));
			__set_bit(port, port_tried);
		}
	}
	KUNIT_EXPECT_EQ(test, bitmap_weight(port_tried, PORTS),
			range->high - range->low + 1);
}

/* Each number of the range is given out once, wherever the search begins. */
static void port_test_exhaust(struct kunit *test)
{
	static const unsigned int begins[] = { 0, 500, 504, 510, UINT_MAX };
	const int low = 1001, high = 1020;
	struct port_context *c = test->priv;
	DECLARE_BITMAP(given, 1024);
	int i, n, parity, port;

	for (i = 0; i < ARRAY_SIZE(begins); i++) {
		bitmap_zero(given, 1024);
		for (parity = 0; parity < 2; parity++) {
			c->sets[parity].next = begins[i];
			for (n = 0; n < (high - low + 1) / 2; n++) {
				port = port_search(test, parity, low, high);
				KUNIT_ASSERT_GE(test, port, low);
				KUNIT_ASSERT_LE(test, port, high);
				KUNIT_ASSERT_EQ(test, port & 1, parity);
				KUNIT_ASSERT_FALSE(test, test_bit(port, given));
				__set_bit(port, given);
				/* Those in use are not even looked at. */
				KUNIT_EXPECT_EQ(test, port_tries, 1);
			}
			port = port_search(test, parity, low, high);
			KUNIT_EXPECT_EQ(test, port, -EADDRINUSE);
			KUNIT_EXPECT_EQ(test, port_tries, 0);
		}
		for (port = low; port <= high; port++)
			port_give_back(test, port);
		KUNIT_EXPECT_TRUE(test, parley_numbers_empty(&c->sets[0]));
		KUNIT_EXPECT_TRUE(test, parley_numbers_empty(&c->sets[1]));
	}
}

/* A number that was just given back is the last to be used again. */
static void port_test_rotates(struct kunit *test)
{
	int i, port;

	for (i = 0; i < 25; i++) {
		port = port_search(test, 0, 1000, 1019);
		KUNIT_ASSERT_EQ(test, port, 1000 + i % 10 * 2);
		port_give_back(test, port);
	}
}

/* Ports that were named in bind(2) are passed over, and stay available. */
static void port_test_taken(struct kunit *test)
{
	struct port_context *c = test->priv;

	c->sets[0].next = 505;
	bitmap_set(port_taken, 1010, 8);
	KUNIT_EXPECT_EQ(test, port_search(test, 0, 1000, 1019), 1018);
	KUNIT_EXPECT_EQ(test, port_tries, 5);
	/* Behind the last comes the first. */
	__set_bit(1000, port_taken);
	KUNIT_EXPECT_EQ(test, port_search(test, 0, 1000, 1019), 1002);

	port_give_back(test, 1018);
	port_give_back(test, 1002);
	KUNIT_EXPECT_TRUE(test, parley_numbers_empty(&c->sets[0]));
}

/* All are taken: each is tried once, from wherever the search begins. */
static void port_test_all_taken(struct kunit *test)
{
	struct port_context *c = test->priv;
	unsigned int begin;

	bitmap_fill(port_taken, PORTS);
	for (begin = 499; begin <= 510; begin++) {
		c->sets[0].next = begin;
		KUNIT_EXPECT_EQ(test, port_search(test, 0, 1000, 1019),
				-EADDRINUSE);
		KUNIT_EXPECT_EQ(test, port_tries, 10);
		KUNIT_EXPECT_TRUE(test, parley_numbers_empty(&c->sets[0]));
	}
}

/* The range has no number of that parity. */
static void port_test_none(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, port_search(test, 0, 1001, 1001), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, port_search(test, 1, 1000, 1000), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, port_search(test, 1, 1001, 1001), 1001);
	KUNIT_EXPECT_EQ(test, port_search(test, 1, 1001, 1001), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, port_tries, 0);
}

/* An error that another number would not mend ends the search. */
static void port_test_error(struct kunit *test)
{
	struct port_context *c = test->priv;

	port_result = -ENOMEM;
	KUNIT_EXPECT_EQ(test, port_search(test, 0, 1000, 1019), -ENOMEM);
	KUNIT_EXPECT_EQ(test, port_tries, 1);
	KUNIT_EXPECT_TRUE(test, parley_numbers_empty(&c->sets[0]));
}

/* As long as few numbers are in use, it stays with the window. */
static void port_test_window(struct kunit *test)
{
	struct port_context *c = test->priv;
	int i, port, kept;

	c->sets[0].next = 20000;
	kept = port_search(test, 0, 32768, 60999);
	KUNIT_EXPECT_EQ(test, kept, 40000);
	for (i = 0; i < 5 * PARLEY_WINDOW; i++) {
		/* The one that is in use is where the window goes around. */
		if (i == PARLEY_WINDOW - 1)
			port_give_back(test, kept);
		port = port_search(test, 0, 32768, 60999);
		KUNIT_ASSERT_EQ(test, port,
				40000 + (i + 1) % PARLEY_WINDOW * 2);
		port_give_back(test, port);
	}
	KUNIT_EXPECT_NULL(test, c->sets[0].all);
	KUNIT_EXPECT_TRUE(test, parley_numbers_empty(&c->sets[0]));
}

/* What the window has is not lost, and not given twice, when it is left. */
static void port_test_leave_window(struct kunit *test)
{
	struct port_context *c = test->priv;
	int i, port;

	c->sets[1].next = 30000;
	for (i = 0; i < 2 * PARLEY_WINDOW; i++) {
		port = port_search(test, 1, 1, 65535);
		KUNIT_ASSERT_EQ(test, port, 60001 + 2 * i);
		KUNIT_ASSERT_EQ(test, !c->sets[1].all, i < PARLEY_WINDOW);
	}
	/* Out of the middle of what was the window, and of what was not. */
	port_give_back(test, 60101);
	port_give_back(test, 60901);
	c->sets[1].next = 30000;
	KUNIT_EXPECT_EQ(test, port_search(test, 1, 1, 65535), 60101);
	KUNIT_EXPECT_EQ(test, port_search(test, 1, 1, 65535), 60901);
	KUNIT_EXPECT_EQ(test, port_search(test, 1, 1, 65535),
			60001 + 2 * 2 * PARLEY_WINDOW);
	for (i = 0; i <= 2 * PARLEY_WINDOW; i++)
		port_give_back(test, 60001 + 2 * i);
	KUNIT_EXPECT_TRUE(test, parley_numbers_empty(&c->sets[1]));
}

/* Every number of a parity, also where the window reaches beyond the last. */
static void port_test_all(struct kunit *test)
{
	struct port_context *c = test->priv;
	unsigned long *given;
	int i, port;

	given = bitmap_zalloc(PORTS, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, given);
	c->sets[1].next = 32760;
	for (i = 0; i < PORTS / 2; i++) {
		port = port_search(test, 1, 1, 65535);
		if (port < 0 || __test_and_set_bit(port, given))
			break;
	}
	KUNIT_EXPECT_EQ(test, i, PORTS / 2);
	KUNIT_EXPECT_EQ(test, port_search(test, 1, 1, 65535), -EADDRINUSE);
	bitmap_free(given);
}

static struct kunit_case port_cases[] = {
	KUNIT_CASE_PARAM(port_test_half, port_range_gen_params),
	KUNIT_CASE(port_test_exhaust),
	KUNIT_CASE(port_test_rotates),
	KUNIT_CASE(port_test_taken),
	KUNIT_CASE(port_test_all_taken),
	KUNIT_CASE(port_test_none),
	KUNIT_CASE(port_test_error),
	KUNIT_CASE(port_test_window),
	KUNIT_CASE(port_test_leave_window),
	KUNIT_CASE(port_test_all),
	{}
};

static struct kunit_suite port_suite = {
	.name = "parley-port",
	.init = port_init,
	.exit = port_exit,
	.test_cases = port_cases,
};

kunit_test_suite(port_suite);
