// SPDX-License-Identifier: GPL-2.0
/*
 * What a filter sees of a call: each member of struct parley_packet, in
 * network byte order. Who calls is seen through namespaces in filter_who.c.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <unistd.h>

#include "lib_decide.h"
#include "lib_filter.h"

#define HOST	"127.0.0.1"
#define PORT	7610
#define FROM	40123
#define GROUP	0x0123456789abcdefULL

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE	71
#endif

FIXTURE(fields) {
	int l;
};

FIXTURE_VARIANT(fields) {
	unsigned int stage;
};

FIXTURE_VARIANT_ADD(fields, accept) { .stage = PARLEY_STAGE_ACCEPT };
FIXTURE_VARIANT_ADD(fields, arrival) { .stage = PARLEY_STAGE_ARRIVAL };

static int make_listener(const char *host, int port, int backlog,
			 unsigned int stage)
{
	int l = parley_listener(host, port, backlog);

	if (l < 0)
		return l;
	return parley_nonblock(l, true) ?: terms_set_stage(l, stage) ?: l;
}

FIXTURE_SETUP(fields)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = make_listener(HOST, PORT, 7, variant->stage);
	ASSERT_LE(0, self->l);
}

FIXTURE_TEARDOWN(fields)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* The layout is for ever. */
TEST(layout)
{
	EXPECT_EQ(PARLEY_PACKET_SIZE_VER0, FILTER_AT(qos) + 64);
	EXPECT_EQ(PARLEY_PACKET_SIZE_VER0, FILTER_PACKET);
	EXPECT_EQ(0, FILTER_AT(header_len));
	EXPECT_EQ(4, FILTER_AT(data_len));
	EXPECT_EQ(8, FILTER_AT(flags));
	EXPECT_EQ(12, FILTER_AT(uid));
	EXPECT_EQ(16, FILTER_AT(gid));
	EXPECT_EQ(20, FILTER_AT(pid));
	EXPECT_EQ(24, FILTER_AT(caller_port));
	EXPECT_EQ(26, FILTER_AT(callee_port));
	EXPECT_EQ(28, FILTER_AT(caller));
	EXPECT_EQ(44, FILTER_AT(callee));
	EXPECT_EQ(60, FILTER_AT(backlog));
	EXPECT_EQ(64, FILTER_AT(backlog_limit));
	EXPECT_EQ(68, FILTER_AT(age_ms));
	EXPECT_EQ(72, FILTER_AT(cgroup_id));
	EXPECT_EQ(80, FILTER_AT(netns_cookie));
	EXPECT_EQ(88, FILTER_AT(group));
	EXPECT_EQ(96, FILTER_AT(qos));
}

TEST_F(fields, lengths)
{
	const struct rules_call c = { .terms = { .data = "12345", .len = 5 } };

	EXPECT_TRUE(filter_sees_member(self->l, NULL, header_len,
				       FILTER_PACKET));
	EXPECT_TRUE(filter_sees_member(self->l, NULL, data_len, 0));
	EXPECT_TRUE(filter_sees_member(self->l, &c, header_len,
				       FILTER_PACKET));
	EXPECT_TRUE(filter_sees_member(self->l, &c, data_len, 5));
}

/* The same that accepted sockets have of the call. */
TEST_F(fields, who)
{
	const int l = self->l;
	struct filter_said said;
	socklen_t len = sizeof(__u64);
	__u64 cookie;

	ASSERT_EQ(0, filter_ask(l, NULL, &said));
	ASSERT_EQ(PARLEY_ACCEPT, said.verdict);
	ASSERT_EQ(0, getsockopt(l, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len));
	ASSERT_EQ(getpid(), said.info.pid);
	ASSERT_EQ(cookie, said.info.netns_cookie);
	ASSERT_NE(0, said.info.cgroup_id);
	EXPECT_TRUE(filter_sees_member(l, NULL, uid, geteuid()));
	EXPECT_TRUE(filter_sees_member(l, NULL, gid, getegid()));
	EXPECT_TRUE(filter_sees_member(l, NULL, pid, getpid()));
	EXPECT_TRUE(filter_sees_member(l, NULL, cgroup_id,
				       said.info.cgroup_id));
	EXPECT_TRUE(filter_sees_member(l, NULL, netns_cookie, cookie));
}

TEST_F(fields, group)
{
	const struct rules_call c = { .terms.group = GROUP };

	EXPECT_TRUE(filter_sees_member(self->l, NULL, group, 0));
	EXPECT_TRUE(filter_sees_member(self->l, &c, group, GROUP));
}

/* The members of struct parley_qos are 16 words, all at their places. */
TEST_F(fields, qos)
{
	struct parley_qos qos;
	const struct rules_call c = { .terms.qos = &qos };
	const __u32 *word = (const __u32 *)&qos;
	int i;

	terms_qos_none(&qos);
	EXPECT_TRUE(filter_sees_member(self->l, NULL, flags, 0));
	for (i = 0; i < 16; i++)
		EXPECT_TRUE(filter_sees(self->l, NULL, FILTER_AT(qos[i]), 4,
					word[i]));
	/* To set just that is not to ask. */
	EXPECT_TRUE(filter_sees_member(self->l, &c, flags, 0));
	terms_qos_some(&qos);
	EXPECT_TRUE(filter_sees_member(self->l, &c, flags, PARLEY_INFO_QOS));
	for (i = 0; i < 16; i++)
		EXPECT_TRUE(filter_sees(self->l, &c, FILTER_AT(qos[i]), 4,
					word[i]));
}

/* An address as filters see it. */
static bool sees_host(int l, const struct rules_call *c, __u32 at,
		      const char *host)
{
	unsigned char ip[16] = { [10] = 0xff, 0xff };
	struct parley_addr a;
	int i;

	if (parley_addr(&a, host, 0))
		return false;
	if (a.sa.sa_family == AF_INET6)
		memcpy(ip, &a.v6.sin6_addr, 16);
	else
		memcpy(ip + 12, &a.v4.sin_addr, 4);
	for (i = 0; i < 16; i += 4)
		if (!filter_sees(l, c, at + i, 4,
				 ntohl(*(__u32 *)(ip + i))))
			return false;
	return true;
}

static bool sees_hosts(int l, const char *from, const char *to)
{
	const struct rules_call c = { .from = from, .to = to };

	return sees_host(l, &c, FILTER_AT(caller), from) &&
	       sees_host(l, &c, FILTER_AT(callee), to);
}

TEST_F(fields, addresses)
{
	int any4, any6;

	ASSERT_EQ(0, parley_ns_addr6("fd00::1:2"));
	any4 = make_listener("0.0.0.0", PORT + 1, 5, variant->stage);
	ASSERT_LE(0, any4);
	EXPECT_TRUE(sees_hosts(any4, "127.0.0.5", "127.4.3.2"));
	any6 = make_listener("::", PORT + 2, 5, variant->stage);
	ASSERT_LE(0, any6);
	EXPECT_TRUE(sees_hosts(any6, "::1", "fd00::1:2"));
	EXPECT_TRUE(sees_hosts(any6, "fd00::1:2", "::1"));
	EXPECT_TRUE(sees_hosts(any6, "127.0.0.5", "127.4.3.2"));
	/* A caller that did not bind is where it calls. */
	EXPECT_TRUE(sees_host(self->l, NULL, FILTER_AT(caller), HOST));
	EXPECT_TRUE(sees_host(self->l, NULL, FILTER_AT(callee), HOST));
}

TEST_F(fields, ports)
{
	int fd = parley_bound("127.0.0.5", FROM);

	EXPECT_TRUE(filter_sees_member(self->l, NULL, callee_port, PORT));
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_nonblock(fd, true));
	ASSERT_EQ(0, filter_set(self->l,
				C_LOAD(BPF_H, FILTER_AT(caller_port)),
				C_JEQ(FROM, 0, 1),
				C_RET(PARLEY_FILTER_DEFER),
				C_RET(PARLEY_FILTER_REFUSE)));
	EXPECT_EQ(-EINPROGRESS, test_connect(fd, HOST, PORT));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
}

/* How many wait: with this one, but for one that just arrives. */
TEST_F(fields, backlog)
{
	const int own = variant->stage == PARLEY_STAGE_ACCEPT;
	const int l = self->l;
	int i;

	EXPECT_TRUE(filter_sees_member(l, NULL, backlog_limit, 7));
	EXPECT_TRUE(filter_sees_member(l, NULL, backlog, own));
	ASSERT_EQ(0, listen(l, 9));
	EXPECT_TRUE(filter_sees_member(l, NULL, backlog_limit, 9));

	/* Three that wait, one of them deferred. */
	ASSERT_EQ(0, filter_say(l, PARLEY_FILTER_DEFER));
	ASSERT_LE(0, parley_call(HOST, PORT));
	EXPECT_EQ(-EAGAIN, test_accept(l, 0));
	ASSERT_EQ(0, filter_set(l, C_LOAD(BPF_W, FILTER_AT(backlog)),
				C_JEQ(3, 0, 1),
				C_RET(PARLEY_FILTER_REFUSE),
				C_RET(PARLEY_FILTER_DEFER)));
	ASSERT_LE(0, parley_call(HOST, PORT));
	if (own) {
		ASSERT_LE(0, parley_call(HOST, PORT));
		EXPECT_EQ(-EAGAIN, test_accept(l, 0));
		/* The first one saw all three, the second itself and another */
		EXPECT_TRUE(decide_backlog_is(l, 0, 2, 0));
		return;
	}
	EXPECT_TRUE(decide_backlog_is(l, 0, 2, 0));
	ASSERT_LE(0, parley_call(HOST, PORT));
	EXPECT_TRUE(decide_backlog_is(l, 0, 3, 0));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(-ECONNREFUSED, parley_call(HOST, PORT));
	EXPECT_TRUE(decide_backlog_is(l, 0, 3, 0));
}

/* Defers what is at least so old. */
static int set_age(int l, __u32 ms)
{
	return filter_set(l, C_LOAD(BPF_W, FILTER_AT(age_ms)),
			  BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, ms, 0, 1),
			  C_RET(PARLEY_FILTER_DEFER),
			  C_RET(PARLEY_FILTER_ACCEPT));
}

/* Time passes, but no number of it is waited for in vain. */
TEST_F(fields, age)
{
	unsigned long long end;
	struct parley_call_info info;
	int fd, new;

	/* A call is not older than this test can be. */
	ASSERT_EQ(0, set_age(self->l, 600000));
	EXPECT_EQ(PARLEY_ACCEPT, filter_verdict(self->l, NULL));
	ASSERT_EQ(0, set_age(self->l, 0));
	EXPECT_EQ(PARLEY_DEFER, filter_verdict(self->l, NULL));
	if (variant->stage == PARLEY_STAGE_ARRIVAL)
		return;

	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	end = parley_now_ns() + 60 * 1000000ULL;
	ASSERT_TRUE(parley_until(parley_now_ns() >= end));
	ASSERT_EQ(0, set_age(self->l, 60));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	/* Milliseconds: less than what is known of its age afterwards. */
	ASSERT_EQ(0, terms_next(self->l, &info, PARLEY_NEXT_DEFERRED));
	ASSERT_EQ(0, set_age(self->l, info.age_ns / 1000000 + 600000));
	EXPECT_EQ(1, decide_review(self->l));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(parley_talks(fd, new));
}

/* One that is asked about again is one that was deferred. */
TEST_F(fields, deferred)
{
	struct parley_call_info info;
	int fd;

	ASSERT_EQ(0, filter_set(self->l, C_LOAD(BPF_W, FILTER_AT(flags)),
				C_JEQ(0, 0, 1), C_RET(PARLEY_FILTER_DEFER),
				C_JEQ(PARLEY_INFO_DEFERRED, 0, 1),
				C_RET(PARLEY_FILTER_ACCEPT),
				C_RET(PARLEY_FILTER_REFUSE)));
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	EXPECT_EQ(1, decide_review(self->l));
	EXPECT_TRUE(decide_accepts(self->l, fd));

	/* And which somebody has looked at meanwhile. */
	fd = parley_call(HOST, PORT);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	ASSERT_EQ(0, terms_next(self->l, &info, PARLEY_NEXT_DEFERRED));
	ASSERT_EQ(PARLEY_INFO_DEFERRED, info.flags & PARLEY_INFO_DEFERRED);
	ASSERT_EQ(0, filter_set(self->l, C_LOAD(BPF_W, FILTER_AT(flags)),
				BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K,
					 PARLEY_INFO_DEFERRED, 0, 1),
				C_RET(PARLEY_FILTER_ACCEPT),
				C_RET(PARLEY_FILTER_REFUSE)));
	EXPECT_EQ(1, decide_review(self->l));
	EXPECT_TRUE(decide_accepts(self->l, fd));
}

TEST_HARNESS_MAIN
