// SPDX-License-Identifier: GPL-2.0
/*
 * ioctl(2) as a 32-bit program does it: through the gate that those enter the
 * kernel by, which a 64-bit program may use too, with what its pointers point
 * to below 4 GiB. The structures are the same for both.
 */
#include "kselftest_harness.h"

#include <linux/sockios.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib.h"
#include "lib_decide.h"
#include "lib_terms.h"

#define PORT		7900
#define NR32_GETPID	20
#define NR32_IOCTL	54

#ifdef __x86_64__
static long gate(long nr, long a, long b, long c)
{
	long ret = nr;

	asm volatile("int $0x80" : "+a" (ret) : "b" (a), "c" (b), "d" (c) :
		     "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}
#else
static long gate(long nr, long a, long b, long c)
{
	return -EOPNOTSUPP;
}
#endif

static void no_gate(int sig)
{
	_exit(1);
}

/*
 * Where there is no such gate, whoever tries gets SIGSEGV, which the kernel only
 * logs if nobody handles it.
 */
static bool has_gate(void)
{
	pid_t pid = parley_fork();

	if (!pid) {
		signal(SIGSEGV, no_gate);
		_exit(gate(NR32_GETPID, 0, 0, 0) <= 0);
	}
	return pid > 0 && !parley_reap(pid);
}

/* What the kernel is shown. */
struct low {
	int value;
	char data[16];
	struct parley_next_call next;
	struct parley_decision decision;
	struct parley_rules rules;
	struct parley_rule rule;
};

FIXTURE(compat) {
	struct low *low;
	int l;
	int call;
	int got;
};

FIXTURE_SETUP(compat)
{
	if (!has_gate())
		SKIP(return, "no system calls of 32-bit programs here");
	ASSERT_EQ(0, parley_ns_enter());
	self->low = mmap(NULL, sizeof(*self->low), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	ASSERT_NE(MAP_FAILED, self->low);
	self->l = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->l);
}

FIXTURE_TEARDOWN(compat)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int ioctl32(int fd, unsigned long cmd, void *arg)
{
	return gate(NR32_IOCTL, fd, cmd, (long)arg);
}

TEST_F(compat, queue)
{
	int pair[2];

	ASSERT_EQ(0, parley_pair(self->l, pair));
	ASSERT_EQ(5, send(pair[0], "hello", 5, 0));
	EXPECT_EQ(0, ioctl32(pair[1], FIONREAD, &self->low->value));
	EXPECT_EQ(5, self->low->value);
	EXPECT_EQ(0, ioctl32(pair[0], SIOCOUTQ, &self->low->value));
	EXPECT_EQ(5, self->low->value);
	EXPECT_EQ(0, ioctl32(pair[0], SIOCOUTQNSD, &self->low->value));
	EXPECT_EQ(0, self->low->value);
	EXPECT_EQ(-EFAULT, ioctl32(pair[1], FIONREAD, (void *)1));
	EXPECT_EQ(-EINVAL, ioctl32(self->l, FIONREAD, &self->low->value));
	EXPECT_EQ(-ENOTTY, ioctl32(self->l, _IO(PARLEY_IOC_MAGIC, 99),
				   &self->low->value));
}

/* A call is looked at, put off, reviewed and accepted. */
TEST_F(compat, calls)
{
	struct parley_next_call *next = &self->low->next;
	struct parley_decision *d = &self->low->decision;

	self->call = parley_socket(SOCK_NONBLOCK);
	ASSERT_EQ(0, setsockopt(self->call, SOL_PARLEY, PARLEY_CALL_DATA,
				"hello", 5));
	ASSERT_EQ(self->call, test_call(self->call, "127.0.0.1", PORT));

	next->size = sizeof(*next);
	next->data = (uintptr_t)self->low->data;
	next->data_room = sizeof(self->low->data);
	ASSERT_EQ(0, ioctl32(self->l, PARLEY_IOC_NEXT_CALL, next));
	EXPECT_EQ(5, next->info.data_len);
	EXPECT_STREQ("hello", self->low->data);

	d->size = sizeof(*d);
	d->id = next->info.id;
	d->verdict = PARLEY_DEFER;
	ASSERT_EQ(0, ioctl32(self->l, PARLEY_IOC_DECIDE, d));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	EXPECT_EQ(1, ioctl32(self->l, PARLEY_IOC_REVIEW, NULL));
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 0, 0));

	d->verdict = PARLEY_ACCEPT;
	d->reply = (uintptr_t)self->low->data;
	d->reply_len = 4;
	ASSERT_EQ(0, ioctl32(self->l, PARLEY_IOC_DECIDE, d));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(terms_reply_is(self->call, "hell", 4));
	EXPECT_TRUE(parley_talks(self->call, self->got));
}

TEST_F(compat, rules)
{
	struct parley_rules *rules = &self->low->rules;

	self->low->rule.match = PARLEY_MATCH_PORT;
	self->low->rule.port_min = PORT;
	self->low->rule.port_max = PORT;
	self->low->rule.then.verdict = PARLEY_REFUSE;
	self->low->rule.then.code = 77;
	rules->size = sizeof(*rules);
	rules->rule_size = sizeof(self->low->rule);
	rules->rules = (uintptr_t)&self->low->rule;
	rules->count = 1;
	ASSERT_EQ(0, ioctl32(self->l, PARLEY_IOC_SET_RULES, rules));

	self->call = parley_call("127.0.0.1", PORT);
	ASSERT_LE(0, self->call);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_refused_is(self->call, PARLEY_REASON_RULE, 77));

	memset(&self->low->rule, 0, sizeof(self->low->rule));
	ASSERT_EQ(0, ioctl32(self->l, PARLEY_IOC_GET_RULES, rules));
	EXPECT_EQ(1, rules->count);
	EXPECT_EQ(77, self->low->rule.then.code);
}

TEST_HARNESS_MAIN
