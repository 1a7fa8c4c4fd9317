// SPDX-License-Identifier: GPL-2.0
/*
 * Classic filters: what the number means that they return, and that they see
 * the call data, as far as there is any. What they see of the call itself is
 * in filter_fields.c.
 */
#include "kselftest_harness.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib_filter.h"

#define HOST	"127.0.0.1"
#define PORT	7600
#define LONG	2000	/* statements */

FIXTURE(filter) {
	int l;
};

FIXTURE_VARIANT(filter) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(filter, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(filter, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

FIXTURE_SETUP(filter)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data",
					 TERMS_DATA_MAX));
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
}

FIXTURE_TEARDOWN(filter)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int verdict_of(int l, __u32 value)
{
	int err = filter_say(l, value);

	return err ?: filter_verdict(l, NULL);
}

/* Two numbers mean something; every other one is a yes. */
TEST_F(filter, returned)
{
	static const __u32 yes[] = {
		1, 3, 4, 0xff, 0x100, 0x102, 0xffff, 0x10000, 0x10002,
		0x02000000, 0x7fffffff, 0x80000000, 0x80000002, 0xfffffffe,
		0xffffffff,
	};
	size_t i;

	EXPECT_TRUE(filter_accepts(self->l, NULL, PARLEY_BY_ACCEPT));
	EXPECT_EQ(PARLEY_REFUSE, verdict_of(self->l, PARLEY_FILTER_REFUSE));
	EXPECT_EQ(PARLEY_DEFER, verdict_of(self->l, PARLEY_FILTER_DEFER));
	for (i = 0; i < ARRAY_SIZE(yes); i++)
		EXPECT_EQ(PARLEY_ACCEPT, verdict_of(self->l, yes[i]))
			TH_LOG("returned %#x", yes[i]);
	EXPECT_EQ(PARLEY_REFUSE, verdict_of(self->l, PARLEY_FILTER_REFUSE));
	ASSERT_EQ(0, filter_detach(self->l));
	EXPECT_TRUE(filter_accepts(self->l, NULL, PARLEY_BY_ACCEPT));
}

/* The accumulator as it is: the data says what becomes of the call. */
TEST_F(filter, returned_data)
{
	const struct rules_call none = {};
	struct rules_call c = { .terms.len = 1 };

	ASSERT_EQ(0, filter_set(self->l, C_LOAD(BPF_B, FILTER_PACKET),
				C_RET_A));
	c.terms.data = "\0";
	EXPECT_EQ(PARLEY_REFUSE, filter_verdict(self->l, &c));
	c.terms.data = "\1";
	EXPECT_EQ(PARLEY_ACCEPT, filter_verdict(self->l, &c));
	c.terms.data = "\2";
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, &c));
	c.terms.data = "\3";
	EXPECT_EQ(PARLEY_ACCEPT, filter_verdict(self->l, &c));
	EXPECT_EQ(PARLEY_REFUSE, filter_verdict(self->l, &none));
}

/* The first member says where the data begins. */
TEST_F(filter, header_len)
{
	const struct rules_call c = {
		.terms = { .data = "abcdefgh", .len = 8 },
	};

	EXPECT_TRUE(filter_sees_member(self->l, &c, header_len, FILTER_PACKET));
	ASSERT_EQ(0, filter_set(self->l,
				C_LOAD(BPF_W, FILTER_AT(header_len)),
				BPF_STMT(BPF_MISC | BPF_TAX, 0),
				BPF_STMT(BPF_LD | BPF_IND | BPF_W, 4),
				C_JEQ(0x65666768, 0, 1),
				C_RET(PARLEY_FILTER_DEFER),
				C_RET(PARLEY_FILTER_ACCEPT)));
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, &c));
}

/* Loads a byte, or more, that is not there: refused as everywhere. */
static bool is_beyond(int l, const struct rules_call *c, int size, __u32 at)
{
	if (filter_set(l, C_LOAD(size, at), C_RET(PARLEY_FILTER_DEFER)))
		return false;
	if (filter_verdict(l, c) == PARLEY_REFUSE)
		return true;
	printf("# there is something at %u\n", at);
	return false;
}

static bool is_there(int l, const struct rules_call *c, int size, __u32 at)
{
	if (filter_set(l, C_LOAD(size, at), C_RET(PARLEY_FILTER_DEFER)))
		return false;
	if (filter_verdict(l, c) == PARLEY_DEFER)
		return true;
	printf("# there is nothing at %u\n", at);
	return false;
}

/* All that is there can be seen, and nothing behind it. */
static bool sees_data(int l, const unsigned char *data, __u32 len)
{
	const struct rules_call c = { .terms = { .data = data, .len = len } };
	const __u32 at = FILTER_PACKET, end = at + len;
	__u32 i;

	if (!filter_sees_member(l, &c, header_len, at) ||
	    !filter_sees_member(l, &c, data_len, len))
		return false;
	/* The first ones, the last ones, and one for each page. */
	for (i = 0; i < len; i += i < 8 || i > len - 8 ? 1 : 2039)
		if (!filter_sees(l, &c, at + i, 1, data[i]))
			return false;
	if (len && !filter_sees(l, &c, end - 1, 1, data[len - 1]))
		return false;
	return is_there(l, &c, BPF_W, end - 4) &&
	       is_beyond(l, &c, BPF_B, end) && is_beyond(l, &c, BPF_H, end) &&
	       is_beyond(l, &c, BPF_W, end) &&
	       is_beyond(l, &c, BPF_H, end - 1) &&
	       is_beyond(l, &c, BPF_W, end - 1) &&
	       is_beyond(l, &c, BPF_W, end - 3);
}

TEST_F(filter, call_data)
{
	static const __u32 lens[] = {
		0, 1, 2, 3, 4, 7, 95, 96, 97, 4095, 4096, 4097, 65535, 65536,
	};
	unsigned char *data = malloc(TERMS_DATA_MAX);
	size_t i;

	ASSERT_NE(NULL, data);
	terms_fill(data, TERMS_DATA_MAX, 5);
	for (i = 0; i < ARRAY_SIZE(lens); i++)
		EXPECT_TRUE(sees_data(self->l, data, lens[i]))
			TH_LOG("of %u bytes", lens[i]);
}

/* Words at any place, also across whatever the pieces of the packet are. */
TEST_F(filter, words_of_data)
{
	struct rules_call c = { .terms.len = TERMS_DATA_MAX };
	unsigned char *data = malloc(TERMS_DATA_MAX);
	__u32 at, word;

	ASSERT_NE(NULL, data);
	terms_fill(data, TERMS_DATA_MAX, 6);
	c.terms.data = data;
	for (at = 1; at + 4 < TERMS_DATA_MAX; at += at < 8 ? 1 : 1021) {
		word = data[at] << 24 | data[at + 1] << 16 |
		       data[at + 2] << 8 | data[at + 3];
		ASSERT_TRUE(filter_sees(self->l, &c, FILTER_PACKET + at, 4,
					word));
		ASSERT_TRUE(filter_sees(self->l, &c, FILTER_PACKET + at, 2,
					word >> 16));
	}
	for (at = 4096 - FILTER_PACKET - 6; at < 4096 + 6; at++)
		ASSERT_TRUE(filter_sees(self->l, &c, FILTER_PACKET + at, 1,
					data[at]));
}

TEST_F(filter, far_beyond)
{
	static const __u32 far[] = {
		FILTER_PACKET + 1, 4096, 65536, 0x7ffffffc, 0x7fffffff,
		0x80000000, 0xff000000,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(far); i++)
		EXPECT_TRUE(is_beyond(self->l, NULL, BPF_B, far[i]));
	/* By an index, also one that makes the sum small again. */
	ASSERT_EQ(0, filter_set(self->l,
				BPF_STMT(BPF_LDX | BPF_IMM, 0xffffffff),
				BPF_STMT(BPF_LD | BPF_IND | BPF_W, 5),
				C_RET(PARLEY_FILTER_DEFER)));
	EXPECT_LE(0, filter_verdict(self->l, NULL));
	ASSERT_EQ(0, filter_set(self->l,
				BPF_STMT(BPF_LDX | BPF_IMM, FILTER_PACKET),
				BPF_STMT(BPF_LD | BPF_IND | BPF_B, 0),
				C_RET(PARLEY_FILTER_DEFER)));
	EXPECT_EQ(PARLEY_REFUSE, filter_verdict(self->l, NULL));
	/* The nibble that headers of IP have. */
	ASSERT_EQ(0, filter_set(self->l,
				BPF_STMT(BPF_LDX | BPF_MSH | BPF_B,
					 FILTER_PACKET),
				C_RET(PARLEY_FILTER_DEFER)));
	EXPECT_EQ(PARLEY_REFUSE, filter_verdict(self->l, NULL));
}

/* The length of the packet, and arithmetic with what is in it. */
TEST_F(filter, arithmetic)
{
	const struct rules_call c = { .terms = { .data = "12345", .len = 5 } };

	ASSERT_EQ(0, filter_set(self->l,
				C_LOAD(BPF_W, FILTER_AT(header_len)),
				BPF_STMT(BPF_ST, 3),
				C_LOAD(BPF_W, FILTER_AT(data_len)),
				BPF_STMT(BPF_LDX | BPF_MEM, 3),
				BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
				BPF_STMT(BPF_MISC | BPF_TAX, 0),
				BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
				BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
				C_JEQ(0, 0, 1),
				C_RET(PARLEY_FILTER_DEFER),
				C_RET(PARLEY_FILTER_ACCEPT)));
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, &c));
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, NULL));
	/* Division by what is zero refuses, as everywhere. */
	ASSERT_EQ(0, filter_set(self->l,
				BPF_STMT(BPF_LD | BPF_IMM, 1),
				BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
				C_RET(PARLEY_FILTER_DEFER)));
	EXPECT_EQ(PARLEY_REFUSE, filter_verdict(self->l, NULL));
}

/*
 * A long one; one that is longer than programs are, or none, is no program.
 * What the memory of a socket's options has room for is less.
 */
TEST_F(filter, longest)
{
	struct sock_filter *f = calloc(BPF_MAXINSNS + 1, sizeof(*f));
	const struct sock_filter ret = C_RET(PARLEY_FILTER_DEFER);
	const struct sock_filter step = BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1);
	int i;

	ASSERT_NE(NULL, f);
	for (i = 0; i < BPF_MAXINSNS; i++)
		f[i] = step;
	f[LONG - 1] = ret;
	ASSERT_EQ(0, filter_attach(self->l, f, LONG));
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, NULL));
	EXPECT_EQ(LONG, filter_len(self->l));

	f[BPF_MAXINSNS] = ret;
	EXPECT_EQ(-EINVAL, filter_attach(self->l, f, BPF_MAXINSNS + 1));
	EXPECT_EQ(-EINVAL, filter_attach(self->l, f, 0));
	/* One that may end without a word. */
	EXPECT_EQ(-EINVAL, filter_attach(self->l, f, 1));
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, NULL));
}

/* Each call is asked about just once, and in vain where the caller has gone. */
TEST_F(filter, withdrawn)
{
	int fd;

	ASSERT_EQ(0, filter_say(self->l, PARLEY_FILTER_REFUSE));
	fd = parley_call(HOST, PORT);
	if (variant->stage == PARLEY_STAGE_ARRIVAL) {
		EXPECT_EQ(-ECONNREFUSED, fd);
		return;
	}
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_EQ(0, parley_pending(self->l));
}

/* A caller that waits hears of it at once. */
TEST_F(filter, blocking)
{
	struct parley_thread acceptor;
	int fd;

	ASSERT_EQ(0, parley_nonblock(self->l, false));
	ASSERT_EQ(0, filter_say(self->l, PARLEY_FILTER_REFUSE));
	ASSERT_EQ(0, parley_thread_accept(&acceptor, self->l));
	ASSERT_EQ(0, parley_thread_blocked(&acceptor));
	fd = parley_socket(0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-ECONNREFUSED, test_connect(fd, HOST, PORT));
	EXPECT_EQ(PARLEY_REASON_FILTER, parley_reason(fd));
	EXPECT_EQ(0, parley_thread_blocked(&acceptor));
	ASSERT_EQ(0, filter_say(self->l, PARLEY_FILTER_ACCEPT));
	EXPECT_EQ(0, test_connect(fd, HOST, PORT));
	EXPECT_EQ(PARLEY_REASON_NONE, parley_reason(fd));
	EXPECT_LE(0, parley_thread_join(&acceptor));
}

TEST_HARNESS_MAIN
