// SPDX-License-Identifier: GPL-2.0
/*
 * Random filters, of which the test knows beforehand what they will say:
 * classic ones that it runs itself on the same packet, and eBPF ones that
 * leave anything in cb[] and return anything.
 *
 * PARLEY_STORM_SEED repeats a run, PARLEY_STORM_SCALE is a percentage of the
 * usual size.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <unistd.h>

#include "lib_filter.h"
#include "lib_race.h"

#define HOST		"127.0.0.1"
#define PORT		7690
#define ROUNDS		3000
#define DATA_LEN	70
#define PACKET_LEN	(FILTER_PACKET + DATA_LEN)
#define LONGEST		40
#define SLOTS		4	/* of the memory that programs have */

/* What this program will say. */
struct forecast {
	bool unknown;	/* it saw what differs from call to call */
	__u32 ret;
	union {
		__u32 cb[5];
		__u8 byte[20];
	};
};

FIXTURE(fuzz) {
	int l;
	struct race_random random;
	__u64 seed;
	unsigned char packet[PACKET_LEN];
	struct parley_qos qos;
	struct rules_call c;
};

FIXTURE_VARIANT(fuzz) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(fuzz, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(fuzz, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

/* Has a filter copy the packet that @c is. */
static bool capture(int l, const struct rules_call *c, unsigned char *packet)
{
	__u64 *copy;
	int map = filter_counters(&copy);

	if (map < 0 || filter_use(l,
				  E_SET(2, 0),
				  E_VALUE(3, map), E_MORE,
				  E_SET(4, PACKET_LEN),
				  E_CALL(BPF_FUNC_skb_load_bytes),
				  E_JNE(0, 0, 1),
				  E_SET(0, PARLEY_FILTER_DEFER),
				  E_EXIT))
		return false;
	close(map);
	if (filter_verdict(l, c) != PARLEY_DEFER)
		return false;
	memcpy(packet, copy, PACKET_LEN);
	return true;
}

FIXTURE_SETUP(fuzz)
{
	static unsigned char data[DATA_LEN];

	ASSERT_EQ(0, parley_ns_enter());
	self->seed = race_seed();
	race_random_init(&self->random, self->seed, 1);
	TH_LOG("seed %llu", (unsigned long long)self->seed);
	terms_fill(data, sizeof(data), self->seed);
	terms_qos_some(&self->qos);
	self->c.terms.data = data;
	self->c.terms.len = sizeof(data);
	self->c.terms.qos = &self->qos;
	self->c.terms.group = 0x0000000200000001ULL;
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, variant->stage));
	ASSERT_TRUE(capture(self->l, &self->c, self->packet));
}

FIXTURE_TEARDOWN(fuzz)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Classic programs, and a machine that runs them */

struct machine {
	__u32 a;
	__u32 x;
	__u32 slot[SLOTS];
	const unsigned char *packet;
	struct forecast *f;
};

static bool overlaps(__u32 at, __u32 size, __u32 from, __u32 len)
{
	return at < from + len && at + size > from;
}

/* Loads from the packet; false ends the program with a zero. */
static bool machine_load(struct machine *m, __u32 at, __u32 size, __u32 *value)
{
	__u32 i;

	/* From where headers would begin, and what comes with packets. */
	if (at >= 0x80000000) {
		m->f->unknown = true;
		return false;
	}
	if (at > PACKET_LEN || at + size > PACKET_LEN)
		return false;
	if (overlaps(at, size, FILTER_AT(caller_port), 2) ||
	    overlaps(at, size, FILTER_AT(age_ms), 4))
		m->f->unknown = true;
	for (*value = 0, i = 0; i < size; i++)
		*value = *value << 8 | m->packet[at + i];
	return true;
}

static __u32 size_of(__u16 code)
{
	return BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
}

static bool machine_ld(struct machine *m, const struct sock_filter *s)
{
	switch (BPF_MODE(s->code)) {
	case BPF_IMM:
		m->a = s->k;
		return true;
	case BPF_MEM:
		m->a = m->slot[s->k];
		return true;
	case BPF_LEN:
		m->a = PACKET_LEN;
		return true;
	case BPF_IND:
		return machine_load(m, s->k + m->x, size_of(s->code), &m->a);
	default:
		return machine_load(m, s->k, size_of(s->code), &m->a);
	}
}

static bool machine_ldx(struct machine *m, const struct sock_filter *s)
{
	switch (BPF_MODE(s->code)) {
	case BPF_IMM:
		m->x = s->k;
		return true;
	case BPF_MEM:
		m->x = m->slot[s->k];
		return true;
	case BPF_LEN:
		m->x = PACKET_LEN;
		return true;
	default:
		if (!machine_load(m, s->k, 1, &m->x))
			return false;
		m->x = (m->x & 0xf) * 4;
		return true;
	}
}

/* False where something is divided by zero. */
static bool machine_alu(struct machine *m, const struct sock_filter *s)
{
	const __u32 v = BPF_SRC(s->code) == BPF_X ? m->x : s->k;

	switch (BPF_OP(s->code)) {
	case BPF_ADD:
		m->a += v;
		return true;
	case BPF_SUB:
		m->a -= v;
		return true;
	case BPF_MUL:
		m->a *= v;
		return true;
	case BPF_AND:
		m->a &= v;
		return true;
	case BPF_OR:
		m->a |= v;
		return true;
	case BPF_XOR:
		m->a ^= v;
		return true;
	case BPF_LSH:
		m->a <<= v & 31;
		return true;
	case BPF_RSH:
		m->a >>= v & 31;
		return true;
	case BPF_NEG:
		m->a = -m->a;
		return true;
	case BPF_DIV:
		m->a = v ? m->a / v : 0;
		return v;
	default:
		m->a = v ? m->a % v : 0;
		return v;
	}
}

static bool machine_compare(const struct machine *m,
			    const struct sock_filter *s)
{
	const __u32 v = BPF_SRC(s->code) == BPF_X ? m->x : s->k;

	switch (BPF_OP(s->code)) {
	case BPF_JEQ:
		return m->a == v;
	case BPF_JGT:
		return m->a > v;
	case BPF_JGE:
		return m->a >= v;
	default:
		return m->a & v;
	}
}

/* One that is valid comes to an end. */
static __u32 machine_run(struct machine *m, const struct sock_filter *s)
{
	bool ok = true;

	for (; ok; s++) {
		switch (BPF_CLASS(s->code)) {
		case BPF_LD:
			ok = machine_ld(m, s);
			break;
		case BPF_LDX:
			ok = machine_ldx(m, s);
			break;
		case BPF_ST:
			m->slot[s->k] = m->a;
			break;
		case BPF_STX:
			m->slot[s->k] = m->x;
			break;
		case BPF_ALU:
			ok = machine_alu(m, s);
			break;
		case BPF_JMP:
			s += machine_compare(m, s) ? s->jt : s->jf;
			break;
		case BPF_MISC:
			if (BPF_MISCOP(s->code) == BPF_TAX)
				m->x = m->a;
			else
				m->a = m->x;
			break;
		case BPF_RET:
			return BPF_RVAL(s->code) == BPF_A ? m->a : s->k;
		}
	}
	return 0;
}

/* Mostly small, so that something comes of it; sometimes anything. */
static __u32 any_number(struct race_random *r)
{
	switch (race_below(r, 5)) {
	case 0:
		return race_below(r, 4);
	case 1:
		return race_below(r, 256);
	case 2:
		return 1U << race_below(r, 32);
	case 3:
		return -race_below(r, 4);
	default:
		return race_random(r);
	}
}

/* Where a program may load from: not all of it is there. */
static __u32 any_place(struct race_random *r)
{
	if (!race_below(r, 16))
		return race_random(r) & 0x7fffffff;
	return race_below(r, PACKET_LEN + (race_below(r, 4) ? 0 : 6));
}

/* Arithmetic; no shift too far, no division by zero: that is no program. */
static struct sock_filter any_alu(struct race_random *r, __u16 src)
{
	static const __u16 op[] = {
		BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_AND, BPF_OR,
		BPF_XOR, BPF_LSH, BPF_RSH,
	};
	struct sock_filter s = BPF_STMT(BPF_ALU | BPF_NEG, 0);

	if (!race_below(r, 12))
		return s;
	s.code = BPF_ALU | src | op[race_below(r, ARRAY_SIZE(op))];
	s.k = any_number(r);
	if (BPF_OP(s.code) == BPF_LSH || BPF_OP(s.code) == BPF_RSH)
		s.k %= 32;
	s.k += !s.k;
	return s;
}

static struct sock_filter any_jump(struct race_random *r, __u16 src,
				   unsigned int left)
{
	static const __u16 op[] = { BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET };

	return (struct sock_filter){
		.code = BPF_JMP | src | op[race_below(r, ARRAY_SIZE(op))],
		.jt = race_below(r, left),
		.jf = race_below(r, left),
		.k = any_number(r),
	};
}

static struct sock_filter any_load(struct race_random *r)
{
	static const __u16 size[] = { BPF_B, BPF_H, BPF_W };

	return (struct sock_filter){
		.code = BPF_LD | size[race_below(r, ARRAY_SIZE(size))] |
			(race_below(r, 3) ? BPF_ABS : BPF_IND),
		.k = any_place(r),
	};
}

/* What takes a number, a slot, a place or nothing. */
static struct sock_filter any_simple(struct race_random *r)
{
	static const struct sock_filter what[] = {
		BPF_STMT(BPF_LD | BPF_IMM, 0),
		BPF_STMT(BPF_LDX | BPF_IMM, 0),
		BPF_STMT(BPF_LD | BPF_MEM, 0),
		BPF_STMT(BPF_LDX | BPF_MEM, 0),
		BPF_STMT(BPF_ST, 0),
		BPF_STMT(BPF_STX, 0),
		BPF_STMT(BPF_LDX | BPF_MSH | BPF_B, 0),
		BPF_STMT(BPF_LD | BPF_LEN | BPF_W, 0),
		BPF_STMT(BPF_LDX | BPF_LEN | BPF_W, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_MISC | BPF_TXA, 0),
	};
	const unsigned int i = race_below(r, ARRAY_SIZE(what));
	struct sock_filter s = what[i];

	if (i < 2)
		s.k = any_number(r);
	else if (i < 6)
		s.k = race_below(r, SLOTS);
	else if (i == 6)
		s.k = any_place(r);
	return s;
}

/* One statement that has @left behind it, the last of which returns. */
static struct sock_filter any_statement(struct race_random *r,
					unsigned int left)
{
	const __u16 src = race_below(r, 2) ? BPF_X : BPF_K;

	switch (race_below(r, 6)) {
	case 0:
		return any_load(r);
	case 1:
		return any_jump(r, src, left);
	case 2:
		return any_alu(r, src);
	default:
		return any_simple(r);
	}
}

static unsigned int any_classic(struct race_random *r, struct sock_filter *f)
{
	unsigned int len = SLOTS + 2 + race_below(r, LONGEST - SLOTS - 2), i;

	/* What was never stored cannot be loaded. */
	for (i = 0; i < SLOTS; i++)
		f[i] = (struct sock_filter)BPF_STMT(BPF_ST, i);
	for (; i < len - 1; i++)
		f[i] = any_statement(r, len - 1 - i);
	if (race_below(r, 3))
		f[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
	else
		f[i] = (struct sock_filter)C_RET(race_below(r, 4));
	return len;
}

/* eBPF programs without branches, which are run while they are made */

struct maker {
	struct bpf_insn insns[LONGEST + 16];
	int n;
	__u32 reg[6];	/* 2 to 5 are in use; 6 has the context */
	struct forecast *f;
};

static void make_set(struct maker *m, int reg, __u32 value)
{
	m->insns[m->n++] = E_SET(reg, value);
	m->reg[reg] = value;
}

static void make_access(struct maker *m, struct race_random *r, int reg)
{
	const int width = race_below(r, 3), len = 1 << width;
	const int size = width == 0 ? BPF_B : width == 1 ? BPF_H : BPF_W;
	const int at = race_below(r, 20 / len) * len;

	if (race_below(r, 3)) {
		m->insns[m->n++] = E_STORE(size, 6, E_CB(0) + at, reg);
		memcpy(m->f->byte + at, &m->reg[reg], len);
	} else {
		m->insns[m->n++] = E_LOAD(size, reg, 6, E_CB(0) + at);
		m->reg[reg] = 0;
		memcpy(&m->reg[reg], m->f->byte + at, len);
	}
}

static void make_alu(struct maker *m, struct race_random *r, int reg)
{
	const int other = 2 + race_below(r, 4);
	int op;

	if (race_below(r, 2)) {
		op = BPF_ADD;
		m->reg[reg] += m->reg[other];
	} else {
		op = BPF_XOR;
		m->reg[reg] ^= m->reg[other];
	}
	m->insns[m->n++] = E(BPF_ALU | BPF_X | op, reg, other, 0, 0);
}

/* Loads a program; what it leaves in the last of cb[] is a zero or not. */
static int any_ebpf(struct race_random *r, struct forecast *f)
{
	struct maker m = { .f = f };
	int i, reg, steps = race_below(r, LONGEST - 10);

	m.insns[m.n++] = E_COPY(6, 1);
	for (reg = 2; reg < 6; reg++)
		make_set(&m, reg, any_number(r));
	for (i = 0; i < steps; i++) {
		reg = 2 + race_below(r, 4);
		switch (race_below(r, 4)) {
		case 0:
			make_set(&m, reg, any_number(r));
			break;
		case 1:
			make_alu(&m, r, reg);
			break;
		default:
			make_access(&m, r, reg);
		}
	}
	if (race_below(r, 3)) {
		make_set(&m, 2, 0);
		m.insns[m.n++] = E_STORE(BPF_W, 6, E_CB(PARLEY_CB_ZERO), 2);
		f->cb[PARLEY_CB_ZERO] = 0;
	}
	if (race_below(r, 4))
		make_set(&m, 3, race_below(r, 4));
	m.insns[m.n++] = E(BPF_ALU | BPF_MOV | BPF_X, 0, 3, 0, 0);
	m.insns[m.n++] = E_EXIT;
	f->ret = m.reg[3];
	return filter_load(m.insns, m.n);
}

/* Both */

static __u32 least(__u32 asked, __u32 rate)
{
	return rate && rate < asked ? rate : asked;
}

static bool refused_as(const struct parley_refusal *r,
		       const struct forecast *f)
{
	if (f->cb[PARLEY_CB_ZERO])
		return r->reason == PARLEY_REASON_POLICY_FAULT && !r->code &&
		       !r->retry_after_ms && !r->data_len;
	return r->reason == PARLEY_REASON_FILTER &&
	       r->code == f->cb[PARLEY_CB_CODE] &&
	       r->retry_after_ms == f->cb[PARLEY_CB_RETRY_AFTER] &&
	       !r->data_len;
}

static bool accepted_as(const struct parley_call_info *info,
			const struct forecast *f)
{
	struct parley_qos want = info->qos;

	want.send.token_rate = least(want.send.token_rate,
				     f->cb[PARLEY_CB_SEND_RATE]);
	want.recv.token_rate = least(want.recv.token_rate,
				     f->cb[PARLEY_CB_RECV_RATE]);
	return info->decided_by == PARLEY_BY_FILTER &&
	       terms_qos_eq(&info->granted, &want);
}

/* Whether what became of the call is what was to be expected. */
static bool came_true(const struct filter_said *said, const struct forecast *f)
{
	int want = PARLEY_ACCEPT;

	if (f->unknown)
		return said->verdict == PARLEY_DEFER ||
		       said->refusal.reason == PARLEY_REASON_FILTER ||
		       said->info.decided_by == PARLEY_BY_FILTER;
	if (f->ret == PARLEY_FILTER_REFUSE || f->cb[PARLEY_CB_ZERO])
		want = PARLEY_REFUSE;
	else if (f->ret == PARLEY_FILTER_DEFER)
		want = PARLEY_DEFER;
	if (said->verdict == want &&
	    (want == PARLEY_REFUSE ? refused_as(&said->refusal, f) :
	     want == PARLEY_ACCEPT ? accepted_as(&said->info, f) : true))
		return true;
	printf("# verdict %d, not %d; reason %u, code %#x; ", said->verdict,
	       want, said->refusal.reason, said->refusal.code);
	printf("returned %#x, cb %#x %#x %#x %#x %#x\n", f->ret, f->cb[0],
	       f->cb[1], f->cb[2], f->cb[3], f->cb[4]);
	fflush(stdout);
	return false;
}

TEST_F_TIMEOUT(fuzz, classic, 500)
{
	unsigned int round, len, rounds = race_scale(ROUNDS), unknown = 0;
	unsigned int verdicts[3] = { 0 };
	struct sock_filter f[LONGEST];
	struct filter_said said;

	for (round = 0; round < rounds; round++) {
		struct forecast forecast = { 0 };
		struct machine m = { .packet = self->packet, .f = &forecast };

		len = any_classic(&self->random, f);
		forecast.ret = machine_run(&m, f);
		ASSERT_EQ(0, filter_attach(self->l, f, len))
			TH_LOG("round %u, seed %llu", round,
			       (unsigned long long)self->seed);
		ASSERT_EQ(0, filter_ask(self->l, &self->c, &said));
		ASSERT_TRUE(came_true(&said, &forecast))
			TH_LOG("round %u, seed %llu", round,
			       (unsigned long long)self->seed);
		verdicts[said.verdict]++;
		unknown += forecast.unknown;
	}
	TH_LOG("accepted %u, refused %u, deferred %u; unknown %u", verdicts[0],
	       verdicts[1], verdicts[2], unknown);
	EXPECT_LT(unknown, rounds / 2);
}

TEST_F_TIMEOUT(fuzz, ebpf, 500)
{
	unsigned int round, rounds = race_scale(ROUNDS), faults = 0;
	unsigned int verdicts[3] = { 0 };
	struct parley_qos none;
	struct filter_said said;

	terms_qos_none(&none);
	for (round = 0; round < rounds; round++) {
		struct forecast forecast = { 0 };

		self->c.terms.qos = round % 2 ? &none : &self->qos;
		ASSERT_EQ(0, filter_take(self->l,
					 any_ebpf(&self->random, &forecast)));
		ASSERT_EQ(0, filter_ask(self->l, &self->c, &said));
		ASSERT_TRUE(came_true(&said, &forecast))
			TH_LOG("round %u, seed %llu", round,
			       (unsigned long long)self->seed);
		verdicts[said.verdict]++;
		faults += said.refusal.reason == PARLEY_REASON_POLICY_FAULT;
	}
	TH_LOG("accepted %u, refused %u, deferred %u; faults %u", verdicts[0],
	       verdicts[1], verdicts[2], faults);
	EXPECT_LT(0, faults);
}

TEST_HARNESS_MAIN
