// SPDX-License-Identifier: GPL-2.0
/*
 * Filters that look where packets of a network have something and calls have
 * nothing: what classic ancillary loads and the members of struct __sk_buff
 * are is left open, but for the device; not that a call is judged, that loads
 * which fail refuse it, and that nothing else is seen.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <unistd.h>
#include <linux/if_arp.h>

#include "lib_filter.h"

#define HOST	"127.0.0.1"
#define PORT	7630

FIXTURE(loads) {
	int l;
	struct rules_call c;
};

FIXTURE_VARIANT(loads) {
	unsigned int stage;
	const char *data;
	__u32 len;
};

FIXTURE_VARIANT_ADD(loads, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(loads, arrival) { .stage = PARLEY_STAGE_ARRIVAL };
/* Data that looks like attributes of netlink; and data that is much. */
FIXTURE_VARIANT_ADD(loads, attributes) {
	.data = "\x08\0\1\0abcd\x0c\0\2\0\x08\0\1\0efgh\xff\xff\3\0",
	.len = 24,
};

FIXTURE_VARIANT_ADD(loads, much_data) { .len = TERMS_DATA_MAX };

static unsigned char bytes[TERMS_DATA_MAX];

FIXTURE_SETUP(loads)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data",
					 TERMS_DATA_MAX));
	terms_fill(bytes, sizeof(bytes), 3);
	self->c.terms.data = variant->data ?: (char *)bytes;
	self->c.terms.len = variant->len;
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
}

FIXTURE_TEARDOWN(loads)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* A load that finds nothing ends a program with a zero, another goes on. */
static bool is_judged(int l, const struct rules_call *c)
{
	int verdict = filter_verdict(l, c);

	return verdict == PARLEY_REFUSE || verdict == PARLEY_ACCEPT;
}

/* With and without looking at what there is. */
static bool ancillary(int l, const struct rules_call *c, int size, __u32 what)
{
	return !filter_set(l, BPF_STMT(BPF_LDX | BPF_IMM, 1),
			   C_LOAD(size, SKF_AD_OFF + what),
			   C_RET(PARLEY_FILTER_ACCEPT)) &&
	       is_judged(l, c) &&
	       !filter_set(l, C_LOAD(size, SKF_AD_OFF + what),
			   BPF_STMT(BPF_ALU | BPF_OR | BPF_K, 4), C_RET_A) &&
	       is_judged(l, c);
}

/*
 * One that fails may end a program only as a refusal, and not with what was
 * loaded before, which to many a program is an acceptance.
 */
static bool is_refused_after(int l, const struct rules_call *c, int size,
			     __u32 what)
{
	return !filter_set(l, C_LOAD(BPF_W, FILTER_AT(header_len)),
			   C_LOAD(size, SKF_AD_OFF + what), C_RET(0)) &&
	       filter_verdict(l, c) == PARLEY_REFUSE &&
	       !filter_set(l, C_LOAD(BPF_H, FILTER_AT(callee_port)),
			   BPF_STMT(BPF_MISC | BPF_TAX, 0),
			   C_LOAD(size, SKF_AD_OFF + what), C_RET(0)) &&
	       filter_verdict(l, c) == PARLEY_REFUSE;
}

TEST_F(loads, ancillary)
{
	static const __u32 what[] = {
		SKF_AD_PROTOCOL, SKF_AD_PKTTYPE, SKF_AD_IFINDEX, SKF_AD_NLATTR,
		SKF_AD_NLATTR_NEST, SKF_AD_MARK, SKF_AD_QUEUE, SKF_AD_HATYPE,
		SKF_AD_RXHASH, SKF_AD_CPU, SKF_AD_ALU_XOR_X, SKF_AD_VLAN_TAG,
		SKF_AD_VLAN_TAG_PRESENT, SKF_AD_PAY_OFFSET, SKF_AD_RANDOM,
		SKF_AD_VLAN_TPID,
	};
	static const int size[] = { BPF_B, BPF_H, BPF_W };
	int l = self->l;
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(what); i++)
		for (k = 0; k < ARRAY_SIZE(size); k++) {
			EXPECT_TRUE(ancillary(l, &self->c, size[k], what[i]))
				TH_LOG("load %u", what[i]);
			EXPECT_TRUE(is_refused_after(l, &self->c, size[k],
						     what[i]))
				TH_LOG("load %u", what[i]);
		}
	/* There are no others. */
	EXPECT_EQ(-EINVAL, filter_set(l, C_LOAD(BPF_W, SKF_AD_OFF + SKF_AD_MAX),
				      C_RET(PARLEY_FILTER_ACCEPT)));
}

/* Whatever was loaded before, there is a device. */
static bool finds_device(int l, const struct rules_call *c, int size,
			 __u32 what, __u32 value)
{
	return !filter_set(l, C_LOAD(BPF_W, FILTER_AT(header_len)),
			   C_LOAD(size, SKF_AD_OFF + what),
			   C_JEQ(value, 0, 1), C_RET(PARLEY_FILTER_DEFER),
			   C_RET(PARLEY_FILTER_REFUSE)) &&
	       filter_verdict(l, c) == PARLEY_DEFER;
}

/* It is the loopback device, the first one of any network namespace. */
TEST_F(loads, device)
{
	static const int size[] = { BPF_B, BPF_H, BPF_W };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(size); i++) {
		EXPECT_TRUE(finds_device(self->l, &self->c, size[i],
					 SKF_AD_IFINDEX, 1));
		EXPECT_TRUE(finds_device(self->l, &self->c, size[i],
					 SKF_AD_HATYPE, ARPHRD_LOOPBACK));
	}
}

static bool attribute(int l, const struct rules_call *c, __u32 at, __u32 type,
		      __u32 what)
{
	return !filter_set(l, BPF_STMT(BPF_LD | BPF_IMM, at),
			   BPF_STMT(BPF_LDX | BPF_IMM, type),
			   C_LOAD(BPF_W, SKF_AD_OFF + what),
			   C_RET(PARLEY_FILTER_ACCEPT)) && is_judged(l, c);
}

/* Attributes are looked for in the packet and nowhere else. */
TEST_F(loads, netlink_attributes)
{
	static const __u32 at[] = {
		0, 4, FILTER_PACKET - 4, FILTER_PACKET, FILTER_PACKET + 8,
		FILTER_PACKET + 20, FILTER_PACKET + 24, 4096, 0x7fffffff,
		0x80000000, 0xfffffffc, 0xffffffff,
	};
	static const __u32 what[] = { SKF_AD_NLATTR, SKF_AD_NLATTR_NEST };
	const int l = self->l;
	__u32 type;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(at); i++)
		for (type = 0; type < 8; type++)
			ASSERT_TRUE(attribute(l, &self->c, at[i], type / 2,
					      what[type % 2]));
}

/*
 * Offsets from where headers would begin. What is there, if anything, is the
 * packet: a load either finds what is at the same place in it or fails.
 */
static bool sees_packet_or_nothing(int l, const struct rules_call *c,
				   __u32 from)
{
	if (filter_set(l, C_LOAD(BPF_W, from + FILTER_AT(header_len)),
		       C_JEQ(FILTER_PACKET, 0, 3),
		       C_LOAD(BPF_W, from + FILTER_AT(data_len)),
		       C_JEQ(c->terms.len, 0, 1), C_RET(PARLEY_FILTER_REFUSE),
		       C_RET(PARLEY_FILTER_ACCEPT)))
		return false;
	return filter_verdict(l, c) == PARLEY_REFUSE;
}

static bool sees_nothing(int l, const struct rules_call *c, __u32 at, int size)
{
	if (filter_set(l, C_LOAD(size, at), C_RET(PARLEY_FILTER_ACCEPT)))
		return false;
	if (filter_verdict(l, c) == PARLEY_REFUSE)
		return true;
	printf("# there is something at %#x\n", at);
	return false;
}

TEST_F(loads, negative)
{
	static const __u32 far[] = {
		FILTER_PACKET + TERMS_DATA_MAX - 3,
		FILTER_PACKET + TERMS_DATA_MAX, 0x80000, 0xf0000,
	};
	static const __u32 from[] = { SKF_NET_OFF, SKF_LL_OFF };
	const struct rules_call *c = &self->c;
	const int l = self->l;
	size_t i, k;

	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(sees_packet_or_nothing(l, c, from[i]));
		for (k = 0; k < ARRAY_SIZE(far); k++) {
			EXPECT_TRUE(sees_nothing(l, c, from[i] + far[k],
						 BPF_W));
			EXPECT_TRUE(sees_nothing(l, c, from[i] + far[k] + 3,
						 BPF_B));
		}
		/* Behind the end by one, whatever its length. */
		EXPECT_TRUE(sees_nothing(l, c, from[i] + FILTER_PACKET +
					 variant->len, BPF_B));
	}
	/* Before the beginning of everything. */
	EXPECT_TRUE(sees_nothing(l, c, SKF_NET_OFF - 1, BPF_B));
	EXPECT_TRUE(sees_nothing(l, c, SKF_NET_OFF - 4, BPF_W));
	EXPECT_TRUE(sees_nothing(l, c, SKF_LL_OFF - 1, BPF_B));
	EXPECT_TRUE(sees_nothing(l, c, SKF_LL_OFF - 4, BPF_W));
}

static bool by_index(int l, const struct rules_call *c, int size, __u32 x,
		     __u32 k)
{
	return !filter_set(l, BPF_STMT(BPF_LDX | BPF_IMM, x),
			   BPF_STMT(BPF_LD | BPF_IND | size, k),
			   C_RET(PARLEY_FILTER_ACCEPT)) && is_judged(l, c);
}

/* By an index, which the verifier of programs does not know. */
TEST_F(loads, negative_index)
{
	static const __u32 x[] = {
		SKF_NET_OFF, SKF_LL_OFF, SKF_AD_OFF, 0xffffffff, 0x80000000,
		SKF_NET_OFF - 8, SKF_LL_OFF - 8, SKF_AD_OFF + SKF_AD_CPU,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(x); i++) {
		EXPECT_TRUE(by_index(self->l, &self->c, BPF_W, x[i], 0));
		EXPECT_TRUE(by_index(self->l, &self->c, BPF_B, x[i], 3));
	}
}

#define CONTEXT(member)	offsetof(struct __sk_buff, member)

/* Every member of the context that a socket filter may read. */
TEST_F(loads, context)
{
	static const __u32 at[] = {
		CONTEXT(len), CONTEXT(pkt_type), CONTEXT(mark),
		CONTEXT(queue_mapping), CONTEXT(protocol),
		CONTEXT(vlan_present), CONTEXT(vlan_tci), CONTEXT(vlan_proto),
		CONTEXT(priority), CONTEXT(ingress_ifindex), CONTEXT(ifindex),
		CONTEXT(tc_index), CONTEXT(cb[0]), CONTEXT(cb[1]),
		CONTEXT(cb[2]), CONTEXT(cb[3]), CONTEXT(cb[4]), CONTEXT(hash),
		CONTEXT(napi_id), CONTEXT(gso_segs), CONTEXT(gso_size),
	};
	const int n = ARRAY_SIZE(at);
	__u64 *count;
	int map = filter_counters(&count), i;

	ASSERT_LE(0, map);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, filter_use(self->l,
					E_LOAD(BPF_W, 2, 1, at[i]),
					E_VALUE(3, map), E_MORE,
					E_STORE(BPF_DW, 3, 8, 2),
					E_SET(0, PARLEY_FILTER_REFUSE),
					E_EXIT));
		count[1] = ~0ULL;
		EXPECT_EQ(PARLEY_REFUSE, filter_verdict(self->l, &self->c));
		/* A word, whatever is in it. */
		EXPECT_EQ(0, count[1] >> 32);
		if (at[i] == CONTEXT(len))
			EXPECT_EQ(FILTER_PACKET + variant->len, count[1]);
		if (at[i] == CONTEXT(ifindex))
			EXPECT_EQ(1, count[1]);
		if (at[i] >= CONTEXT(cb[0]) && at[i] <= CONTEXT(cb[4]))
			EXPECT_EQ(0, count[1]);
	}
}

/* Nothing of the packet can be changed, nor of what networks keep with it. */
TEST_F(loads, context_is_not_written)
{
	static const __u32 at[] = {
		CONTEXT(len), CONTEXT(mark), CONTEXT(priority),
		CONTEXT(tc_index), CONTEXT(hash), CONTEXT(cb[4]) + 4,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		const struct bpf_insn insns[] = {
			E_SET(2, 1),
			E_STORE(BPF_W, 1, at[i], 2),
			E_SET(0, 1),
			E_EXIT,
		};

		EXPECT_EQ(-EACCES,
			  filter_load_type(BPF_PROG_TYPE_SOCKET_FILTER, insns,
					   4));
	}
}

/* The same loads that classic programs have, by instructions of their own. */
TEST_F(loads, packet_instructions)
{
	ASSERT_EQ(0, filter_use(self->l,
				E_COPY(6, 1),
				E(BPF_LD | BPF_ABS | BPF_W, 0, 0, 0,
				  FILTER_AT(header_len)),
				E_JEQ(0, FILTER_PACKET, 2),
				E_SET(0, PARLEY_FILTER_ACCEPT),
				E_EXIT,
				E_SET(0, PARLEY_FILTER_DEFER),
				E_EXIT));
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, &self->c));
	ASSERT_EQ(0, filter_use(self->l,
				E_COPY(6, 1),
				E_SET(7, FILTER_PACKET + TERMS_DATA_MAX),
				E(BPF_LD | BPF_IND | BPF_B, 0, 7, 0, 0),
				E_SET(0, PARLEY_FILTER_DEFER),
				E_EXIT));
	EXPECT_EQ(PARLEY_REFUSE, filter_verdict(self->l, &self->c));
}

TEST_HARNESS_MAIN
