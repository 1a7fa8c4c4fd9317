// SPDX-License-Identifier: GPL-2.0
/*
 * eBPF filters: they say what classic ones say, and in __sk_buff.cb[] what
 * goes with it; and what they can do besides: look at the packet, count, call
 * other programs, send records.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib_decide.h"
#include "lib_filter.h"

#define HOST	"127.0.0.1"
#define PORT	7640
#define ANY	PARLEY_QOS_UNSPECIFIED

FIXTURE(bpf) {
	int l;
};

FIXTURE_VARIANT(bpf) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(bpf, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(bpf, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

FIXTURE_SETUP(bpf)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data",
					 TERMS_DATA_MAX));
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
}

FIXTURE_TEARDOWN(bpf)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int answer(int l, __u32 ret, __u32 code, __u32 retry_after_ms)
{
	const struct filter_answer a = {
		.ret = ret,
		.cb = { code, retry_after_ms },
	};

	return filter_set_answer(l, &a);
}

TEST_F(bpf, returned)
{
	static const __u32 yes[] = { 1, 3, 0x102, 0x80000000, 0xffffffff };
	size_t i;

	ASSERT_EQ(0, answer(self->l, PARLEY_FILTER_REFUSE, 0, 0));
	EXPECT_EQ(PARLEY_REFUSE, filter_verdict(self->l, NULL));
	ASSERT_EQ(0, answer(self->l, PARLEY_FILTER_DEFER, 0, 0));
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, NULL));
	for (i = 0; i < ARRAY_SIZE(yes); i++) {
		ASSERT_EQ(0, answer(self->l, yes[i], 0, 0));
		EXPECT_EQ(PARLEY_ACCEPT, filter_verdict(self->l, NULL));
	}
	/* Only the lower half of the register is the number. */
	ASSERT_EQ(0, filter_use(self->l,
				E(BPF_LD | BPF_DW | BPF_IMM, 0, 0, 0, 0),
				E(0, 0, 0, 0, 1), E_EXIT));
	EXPECT_EQ(PARLEY_REFUSE, filter_verdict(self->l, NULL));
	ASSERT_EQ(0, filter_use(self->l,
				E(BPF_LD | BPF_DW | BPF_IMM, 0, 0, 0, 2),
				E(0, 0, 0, 0, 1), E_EXIT));
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, NULL));
}

TEST_F(bpf, code_and_retry_after)
{
	static const __u32 value[] = { 0, 1, 0x7fffffff, 0x80000000, ANY };
	const int n = ARRAY_SIZE(value);
	int i, k;

	for (i = 0; i < n; i++)
		for (k = 0; k < n; k++) {
			ASSERT_EQ(0, answer(self->l, 0, value[i], value[k]));
			EXPECT_TRUE(filter_refuses(self->l, NULL,
						   PARLEY_REASON_FILTER,
						   value[i], value[k]));
		}
}

/* What goes with a refusal goes with nothing else. */
TEST_F(bpf, code_of_others)
{
	struct parley_refusal r;
	int fd;

	ASSERT_EQ(0, answer(self->l, PARLEY_FILTER_ACCEPT, 7, 8));
	EXPECT_TRUE(filter_accepts(self->l, NULL, PARLEY_BY_FILTER));
	ASSERT_EQ(0, answer(self->l, PARLEY_FILTER_DEFER, 7, 8));
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_waits(fd));
	/* Nor with what becomes of it later. */
	close(self->l);
	EXPECT_TRUE(decide_refused_is(fd, PARLEY_REASON_LISTENER_CLOSED, 0));
	ASSERT_EQ(0, parley_refusal(fd, &r));
	EXPECT_EQ(0, r.retry_after_ms);
}

/* The last one is to stay zero, or the call is refused and nothing said. */
TEST_F(bpf, fault)
{
	static const __u32 ret[] = { 0, 1, 2, 3, ANY };
	static const __u32 bad[] = { 1, 0x80000000, ANY };
	struct filter_answer a = { .cb = { 7, 8, 9, 10 } };
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(ret); i++)
		for (k = 0; k < ARRAY_SIZE(bad); k++) {
			a.ret = ret[i];
			a.cb[PARLEY_CB_ZERO] = bad[k];
			ASSERT_EQ(0, filter_set_answer(self->l, &a));
			EXPECT_TRUE(filter_refuses(self->l, NULL,
						   PARLEY_REASON_POLICY_FAULT,
						   0, 0));
		}
}

/* It is zero at first, whatever the last call left there. */
TEST_F(bpf, zero_at_first)
{
	ASSERT_EQ(0, filter_use(self->l,
				E_LOAD(BPF_W, 2, 1, E_CB(0)),
				E_LOAD(BPF_W, 3, 1, E_CB(1)),
				E_ADD(2, 5),
				E_ADD(3, 6),
				E_STORE(BPF_W, 1, E_CB(0), 2),
				E_STORE(BPF_W, 1, E_CB(1), 3),
				E_SET(0, 0), E_EXIT));
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_FILTER, 5, 6));
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_FILTER, 5, 6));
}

/* Grants: a rate is what is asked for at most, and all the rest as asked. */
static bool grants(int l, const struct parley_qos *asked, __u32 send,
		   __u32 recv)
{
	const struct filter_answer a = { .ret = 1, .cb = { 0, 0, send, recv } };
	const struct rules_call c = { .terms.qos = asked };
	struct parley_qos want = *asked;
	struct filter_said said;

	if (send && send < want.send.token_rate)
		want.send.token_rate = send;
	if (recv && recv < want.recv.token_rate)
		want.recv.token_rate = recv;
	/* Who wants a peak and leaves open the rest: that is still the peak. */
	if (send && want.send.token_rate > want.send.peak_rate)
		want.send.token_rate = want.send.peak_rate;
	return !filter_set_answer(l, &a) && !filter_ask(l, &c, &said) &&
	       said.verdict == PARLEY_ACCEPT &&
	       terms_qos_eq(&said.info.granted, &want) &&
	       terms_qos_eq(&said.info.qos, asked);
}

TEST_F(bpf, rates)
{
	struct parley_qos none, some;
	const __u32 *const rate[2] = {
		&some.send.token_rate, &some.recv.token_rate,
	};

	terms_qos_none(&none);
	terms_qos_some(&some);
	EXPECT_TRUE(grants(self->l, &some, 0, 0));
	EXPECT_TRUE(grants(self->l, &some, 1, 0));
	EXPECT_TRUE(grants(self->l, &some, 0, 1));
	EXPECT_TRUE(grants(self->l, &some, 1000, 2000));
	/* Never above what was asked. */
	EXPECT_TRUE(grants(self->l, &some, *rate[0] - 1, *rate[1] - 1));
	EXPECT_TRUE(grants(self->l, &some, *rate[0], *rate[1]));
	EXPECT_TRUE(grants(self->l, &some, *rate[0] + 1, *rate[1] + 1));
	EXPECT_TRUE(grants(self->l, &some, ANY, ANY));
	EXPECT_TRUE(grants(self->l, &some, 0x80000000, 5));
	/* Who asked for nothing in particular may be given anything. */
	EXPECT_TRUE(grants(self->l, &none, 0, 0));
	EXPECT_TRUE(grants(self->l, &none, 4711, 0));
	EXPECT_TRUE(grants(self->l, &none, ANY - 1, 0x80000000));
	EXPECT_TRUE(grants(self->l, &none, ANY, ANY));
	none.send.peak_rate = 500;
	EXPECT_TRUE(grants(self->l, &none, 0, 0));
	EXPECT_TRUE(grants(self->l, &none, 499, 0));
	EXPECT_TRUE(grants(self->l, &none, 501, 0));
	EXPECT_TRUE(grants(self->l, &none, 0, 501));
	/* No traffic is no traffic. */
	some.recv.service = PARLEY_SERVICE_NOTRAFFIC;
	some.recv.token_rate = 0;
	EXPECT_TRUE(grants(self->l, &some, 10, 10));
}

/* What a filter grants a call that it defers holds, if nobody says else. */
TEST_F(bpf, rate_of_deferred)
{
	const struct filter_answer a = { .ret = 2, .cb = { 0, 0, 100, 200 } };
	struct parley_call_info info;
	struct parley_qos qos;
	int fd, new;

	ASSERT_EQ(0, filter_set_answer(self->l, &a));
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	ASSERT_EQ(0, terms_next(self->l, &info, PARLEY_NEXT_DEFERRED));
	EXPECT_EQ(100, info.granted.send.token_rate);
	EXPECT_EQ(200, info.granted.recv.token_rate);
	ASSERT_EQ(0, terms_decide(self->l, info.id, PARLEY_ACCEPT));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	ASSERT_EQ(0, terms_qos(fd, &qos));
	EXPECT_EQ(100, qos.send.token_rate);
	EXPECT_EQ(200, qos.recv.token_rate);
	ASSERT_EQ(0, terms_info(new, &info));
	EXPECT_EQ(PARLEY_BY_SERVER, info.decided_by);
}

/* The packet is copied from by a helper; here the ends of the data. */
TEST_F(bpf, load_bytes)
{
	static const __u32 lens[] = { 16, 4096, 65536 };
	static unsigned char data[TERMS_DATA_MAX];
	struct rules_call c = { .terms.data = data };
	__u64 *count;
	int map = filter_counters(&count);
	size_t i;

	ASSERT_LE(0, map);
	terms_fill(data, sizeof(data), 9);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		c.terms.len = lens[i];
		ASSERT_EQ(0, filter_use(self->l,
					E_COPY(6, 1),
					E_SET(2, FILTER_PACKET),
					E_VALUE(3, map), E_MORE,
					E_SET(4, 8),
					E_CALL(BPF_FUNC_skb_load_bytes),
					E_JNE(0, 0, 9),
					E_COPY(1, 6),
					E_SET(2, FILTER_PACKET + lens[i] - 8),
					E_VALUE(3, map), E_MORE,
					E_ADD(3, 8),
					E_SET(4, 8),
					E_CALL(BPF_FUNC_skb_load_bytes),
					E_JNE(0, 0, 1),
					E_SET(0, PARLEY_FILTER_DEFER),
					E_EXIT));
		EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, &c));
		EXPECT_EQ(0, memcmp(&count[0], data, 8));
		EXPECT_EQ(0, memcmp(&count[1], data + lens[i] - 8, 8));
		/* With what is not there it fails. */
		c.terms.len--;
		EXPECT_EQ(PARLEY_ACCEPT, filter_verdict(self->l, &c));
	}
}

/* The whole header at once. */
TEST_F(bpf, header)
{
	struct rules_call c = {
		.from = "127.0.0.3",
		.terms = { .data = "abc", .len = 3, .group = 0x1122334455667788 },
	};
	const struct parley_packet *p;
	__u64 *value;
	int map = filter_counters(&value);

	ASSERT_LE(0, map);
	p = (void *)value;
	ASSERT_EQ(0, filter_use(self->l,
				E_SET(2, 0),
				E_VALUE(3, map), E_MORE,
				E_SET(4, FILTER_PACKET),
				E_CALL(BPF_FUNC_skb_load_bytes),
				E_JNE(0, 0, 1),
				E_SET(0, PARLEY_FILTER_DEFER),
				E_EXIT));
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, &c));
	EXPECT_EQ(FILTER_PACKET, ntohl(p->header_len));
	EXPECT_EQ(3, ntohl(p->data_len));
	EXPECT_EQ(getpid(), ntohl(p->pid));
	EXPECT_EQ(PORT, ntohs(p->callee_port));
	EXPECT_EQ(0, memcmp(p->caller, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\3",
			    16));
	EXPECT_EQ(0, memcmp(&p->group, "\x11\x22\x33\x44\x55\x66\x77\x88", 8));
	EXPECT_EQ(ANY, ntohl(p->qos[0]));
	EXPECT_EQ(PARLEY_SERVICE_BESTEFFORT, ntohl(p->qos[13]));
}

/* A program that lets through so many: each call is counted, and once. */
TEST_F(bpf, counts)
{
	__u64 *count;
	int map = filter_counters(&count), i;

	ASSERT_LE(0, map);
	ASSERT_EQ(0, filter_use(self->l,
				E_VALUE(6, map), E_MORE,
				E_SET(2, 1),
				E_COUNT(6, 0, 2),
				E_LOAD(BPF_DW, 3, 6, 0),
				E_SET(0, PARLEY_FILTER_ACCEPT),
				E(BPF_JMP | BPF_JLE | BPF_K, 3, 0, 1, 3),
				E_SET(0, PARLEY_FILTER_REFUSE),
				E_EXIT));
	for (i = 1; i <= 6; i++) {
		EXPECT_EQ(i <= 3 ? PARLEY_ACCEPT : PARLEY_REFUSE,
			  filter_verdict(self->l, NULL));
		EXPECT_EQ(i, count[0]);
	}
}

/* By the user who calls: what a hash has for it is returned. */
TEST_F(bpf, hash)
{
	int map = filter_map(BPF_MAP_TYPE_HASH, sizeof(__u32), 16, 0);
	__u32 ret = PARLEY_FILTER_DEFER;

	ASSERT_LE(0, map);
	ASSERT_EQ(0, filter_use(self->l,
				E_SET(2, FILTER_AT(uid)),
				E_COPY(3, 10),
				E_ADD(3, -4),
				E_SET(4, 4),
				E_CALL(BPF_FUNC_skb_load_bytes),
				E_MAP(1, map), E_MORE,
				E_COPY(2, 10),
				E_ADD(2, -4),
				E_CALL(BPF_FUNC_map_lookup_elem),
				E_JEQ(0, 0, 1),
				E_LOAD(BPF_W, 0, 0, 0),
				E_EXIT));
	EXPECT_EQ(PARLEY_REFUSE, filter_verdict(self->l, NULL));
	ASSERT_EQ(0, filter_map_set(map, htonl(geteuid()), &ret));
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, NULL));
	ret = PARLEY_FILTER_ACCEPT;
	ASSERT_EQ(0, filter_map_set(map, htonl(geteuid()), &ret));
	EXPECT_EQ(PARLEY_ACCEPT, filter_verdict(self->l, NULL));
}

/* One program goes on as another, and takes along what it has left. */
TEST_F(bpf, tail_call)
{
	int map = filter_map(BPF_MAP_TYPE_PROG_ARRAY, sizeof(__u32), 2, 0);
	int other = filter_program(E_SET(2, 22), E_STORE(BPF_W, 1, E_CB(1), 2),
				   E_SET(0, PARLEY_FILTER_REFUSE), E_EXIT);

	ASSERT_LE(0, map);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, filter_use(self->l,
				E_SET(2, 11),
				E_STORE(BPF_W, 1, E_CB(0), 2),
				E_MAP(2, map), E_MORE,
				E_SET(3, 1),
				E_CALL(BPF_FUNC_tail_call),
				E_SET(0, PARLEY_FILTER_DEFER),
				E_EXIT));
	/* Nothing there: it goes on itself. */
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, NULL));
	ASSERT_EQ(0, filter_map_set(map, 1, &other));
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_FILTER, 11,
				   22));
}

/* The socket that is asked about is the listener. */
TEST_F(bpf, socket)
{
	__u64 *value, cookie;
	int map = filter_counters(&value);
	socklen_t len = sizeof(cookie);

	ASSERT_LE(0, map);
	ASSERT_EQ(0, getsockopt(self->l, SOL_SOCKET, SO_COOKIE, &cookie, &len));
	ASSERT_EQ(0, filter_use(self->l,
				E_COPY(6, 1),
				E_VALUE(7, map), E_MORE,
				E_CALL(BPF_FUNC_get_socket_cookie),
				E_STORE(BPF_DW, 7, 0, 0),
				E_COPY(1, 6),
				E_CALL(BPF_FUNC_get_socket_uid),
				E_STORE(BPF_DW, 7, 8, 0),
				E_SET(0, PARLEY_FILTER_DEFER),
				E_EXIT));
	value[1] = 99;
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, NULL));
	EXPECT_EQ(cookie, value[0]);
	EXPECT_EQ(getuid(), value[1]);
}

/* The ring has a page for who reads, one for who writes, and the data. */
TEST_F(bpf, ring_buffer)
{
	const long page = sysconf(_SC_PAGESIZE);
	int map = filter_map(BPF_MAP_TYPE_RINGBUF, 0, page, 0);
	const __u32 *data;
	const __u64 *end;

	ASSERT_LE(0, map);
	end = mmap(NULL, 2 * page, PROT_READ, MAP_SHARED, map, page);
	ASSERT_NE(MAP_FAILED, end);
	ASSERT_EQ(0, filter_use(self->l,
				E_SET(2, FILTER_AT(callee_port)),
				E_COPY(3, 10),
				E_ADD(3, -8),
				E_SET(4, 8),
				E_CALL(BPF_FUNC_skb_load_bytes),
				E_MAP(1, map), E_MORE,
				E_COPY(2, 10),
				E_ADD(2, -8),
				E_SET(3, 8),
				E_SET(4, 0),
				E_CALL(BPF_FUNC_ringbuf_output),
				E_SET(0, PARLEY_FILTER_REFUSE),
				E_EXIT));
	EXPECT_EQ(PARLEY_REFUSE, filter_verdict(self->l, NULL));
	/* A record: its length, where it is, and the bytes. */
	EXPECT_EQ(16, __atomic_load_n(end, __ATOMIC_ACQUIRE));
	data = (const void *)((const char *)end + page);
	EXPECT_EQ(8, __atomic_load_n(data, __ATOMIC_ACQUIRE));
	EXPECT_EQ(PORT, ntohs(*(const __u16 *)(data + 2)));
	EXPECT_EQ(PARLEY_REFUSE, filter_verdict(self->l, NULL));
	EXPECT_EQ(32, __atomic_load_n(end, __ATOMIC_ACQUIRE));
}

/* What cannot be attached, and that it leaves things as they are. */
TEST_F(bpf, bad)
{
	const struct bpf_insn yes[] = { E_SET(0, 1), E_EXIT };
	int type, map = filter_map(BPF_MAP_TYPE_ARRAY, 8, 1, 0);
	static const __u32 types[] = {
		BPF_PROG_TYPE_SCHED_CLS, BPF_PROG_TYPE_XDP,
		BPF_PROG_TYPE_SK_SKB, BPF_PROG_TYPE_CGROUP_SKB,
	};
	size_t i, loaded = 0;

	ASSERT_EQ(0, answer(self->l, 0, 7, 8));
	ASSERT_LE(0, map);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		type = filter_load_type(types[i], yes, 2);
		loaded += type >= 0;
		if (type >= 0)
			EXPECT_EQ(-EINVAL, filter_attach_bpf(self->l, type));
	}
	EXPECT_LT(0, loaded);
	EXPECT_EQ(-EINVAL, filter_attach_bpf(self->l, map));
	EXPECT_EQ(-EINVAL, filter_attach_bpf(self->l, self->l));
	EXPECT_EQ(-EBADF, filter_attach_bpf(self->l, -1));
	EXPECT_EQ(-EBADF, filter_attach_bpf(self->l, 1000000));
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_FILTER, 7, 8));
}

/* The socket keeps the program, whoever loaded it. */
TEST_F(bpf, program_is_kept)
{
	const struct filter_answer a = { .cb = { 9, 10 } };
	int program, other;

	program = filter_answers(&a);
	ASSERT_LE(0, program);
	other = parley_listener(HOST, PORT + 1, 5);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, parley_nonblock(other, true));
	/* One for two. */
	ASSERT_EQ(0, filter_attach_bpf(self->l, program));
	ASSERT_EQ(0, filter_attach_bpf(other, program));
	close(program);
	EXPECT_TRUE(filter_refuses(self->l, NULL, PARLEY_REASON_FILTER, 9, 10));
	ASSERT_EQ(0, filter_detach(self->l));
	EXPECT_TRUE(filter_accepts(self->l, NULL, PARLEY_BY_ACCEPT));
	EXPECT_TRUE(filter_refuses(other, NULL, PARLEY_REASON_FILTER, 9, 10));
}

TEST_HARNESS_MAIN
