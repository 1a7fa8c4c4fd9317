// SPDX-License-Identifier: GPL-2.0
/*
 * Tables of rules, set and got: they come back byte for byte, from sockets in
 * each state that may have one. What is not a table is in rules_bad.c; what
 * tables do is in rules_match.c and after.
 */
#include "kselftest_harness.h"

#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib_rules.h"

#define HOST	"127.0.0.1"
#define PORT	7400

FIXTURE(rules) {
	struct rules *t;
	int fd;
};

FIXTURE_VARIANT(rules) {
	int (*make)(void);
};

static int make_new(void)
{
	return parley_socket(0);
}

static int make_bound(void)
{
	return parley_bound(HOST, PORT);
}

static int make_listening(void)
{
	return parley_listener(HOST, PORT, 10);
}

static int make_stopped(void)
{
	int fd = make_listening();

	return fd >= 0 && shutdown(fd, SHUT_RDWR) ? -errno : fd;
}

static int make_failed(void)
{
	int fd = parley_socket(0);
	int err = test_connect(fd, HOST, PORT);

	return err == -ECONNREFUSED ? fd : -EBADMSG;
}

FIXTURE_VARIANT_ADD(rules, new) { .make = make_new };
FIXTURE_VARIANT_ADD(rules, bound) { .make = make_bound };
FIXTURE_VARIANT_ADD(rules, listening) { .make = make_listening };
FIXTURE_VARIANT_ADD(rules, stopped) { .make = make_stopped };
FIXTURE_VARIANT_ADD(rules, after_failure) { .make = make_failed };

FIXTURE_SETUP(rules)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->fd = variant->make();
	ASSERT_LE(0, self->fd);
	self->t = rules_new();
	ASSERT_NE(NULL, self->t);
}

FIXTURE_TEARDOWN(rules)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* A table that says something of each kind. */
static void make_table(struct rules *t, const char *reply)
{
	struct parley_qos qos;
	struct parley_rule *r;

	terms_qos_some(&qos);
	r = rules_refuse(t, 7);
	rules_caller(r, "192.168.0.0", 112);
	rules_port(r, 7000, 7099);
	rules_say(&r->then, 7, 2000);
	rules_reply(t, &r->then, reply);

	r = rules_add(t, PARLEY_ACCEPT);
	rules_uid(r, 1000, 1999);
	rules_gid(r, 0, 0xfffffffe);
	rules_group(r, 0x123456789abcdef0);
	rules_data(t, r, 12, "\x12\x34", "\xff\x3f");
	rules_grant(&r->then, &qos);
	rules_once(r, 20);
	rules_say(&r->over, 8, 500);
	rules_reply(t, &r->over, "too many");

	r = rules_add(t, PARLEY_DEFER);
	r->match |= PARLEY_MATCH_QOS | PARLEY_MATCH_CGROUP;
	r->cgroup_id = 4711;
	r->qos.send_max = PARLEY_QOS_UNSPECIFIED;
	r->qos.recv_min = 5;
	r->qos.recv_max = 6;
	r->qos.services = 0xf;

	rules_say(&t->arg.otherwise, 1, 0);
	rules_reply(t, &t->arg.otherwise, "closed");
}

/* Nobody has set anything. */
TEST_F(rules, none)
{
	EXPECT_TRUE(rules_is(self->fd, self->t));
}

TEST_F(rules, round_trip)
{
	struct parley_rules before;

	make_table(self->t, "not from there");
	before = self->t->arg;
	ASSERT_EQ(0, rules_set(self->fd, self->t));
	/* Success writes nothing. */
	before.bad_rule = self->t->arg.bad_rule;
	before.bad_field = self->t->arg.bad_field;
	EXPECT_EQ(0, memcmp(&before, &self->t->arg, sizeof(before)));
	EXPECT_EQ(0xeeeeeeee, self->t->arg.bad_rule);
	EXPECT_TRUE(rules_is(self->fd, self->t));
	/* To look does not change it. */
	EXPECT_TRUE(rules_is(self->fd, self->t));
}

/* A table takes the place of another as a whole. */
TEST_F(rules, replaced)
{
	struct rules *other = rules_new();

	ASSERT_NE(NULL, other);
	make_table(self->t, "one");
	rules_refuse(self->t, 99);
	make_table(other, "another, which is longer");
	ASSERT_EQ(0, rules_set(self->fd, self->t));
	ASSERT_EQ(0, rules_set(self->fd, other));
	EXPECT_TRUE(rules_is(self->fd, other));
	ASSERT_EQ(0, rules_set(self->fd, self->t));
	EXPECT_TRUE(rules_is(self->fd, self->t));
	/* The same once more. */
	ASSERT_EQ(0, rules_set(self->fd, self->t));
	EXPECT_TRUE(rules_is(self->fd, self->t));
}

TEST_F(rules, cleared)
{
	struct rules *none = rules_new();

	ASSERT_NE(NULL, none);
	make_table(self->t, "for a while");
	ASSERT_EQ(0, rules_set(self->fd, self->t));
	ASSERT_EQ(0, rules_set(self->fd, none));
	EXPECT_TRUE(rules_is(self->fd, none));
	ASSERT_EQ(0, rules_set(self->fd, none));
	EXPECT_TRUE(rules_is(self->fd, none));
	/* Bytes that no rule points to are no table, either. */
	rules_bytes(none, "bytes", 5);
	ASSERT_EQ(0, rules_set(self->fd, none));
	none->arg.pool_len = 0;
	EXPECT_TRUE(rules_is(self->fd, none));
}

/* No rules, but something that is said to all. */
TEST_F(rules, default_only)
{
	rules_say(&self->t->arg.otherwise, 3, 4);
	rules_reply(self->t, &self->t->arg.otherwise, "nobody");
	ASSERT_EQ(0, rules_set(self->fd, self->t));
	EXPECT_TRUE(rules_is(self->fd, self->t));
}

/* What points to nothing is not looked at. */
TEST_F(rules, no_pointers)
{
	struct rules *t = self->t;

	t->arg.rules = 1;
	t->arg.pool = UINT64_MAX;
	rules_say(&t->arg.otherwise, 3, 4);
	EXPECT_EQ(0, rules_set(self->fd, t));
	t->arg.rules = (uintptr_t)t->rule;
	rules_add(t, PARLEY_DEFER);
	EXPECT_EQ(0, rules_set(self->fd, t));
	t->arg.pool = (uintptr_t)t->pool;
	EXPECT_TRUE(rules_is(self->fd, t));
}

TEST_F(rules, as_many_as_may_be)
{
	struct rules *t = self->t;
	struct parley_rule *r;
	char reply[16];
	int i;

	for (i = 0; i < PARLEY_RULES_MAX; i++) {
		r = rules_refuse(t, i);
		rules_group(r, i * 1000003ULL);
		snprintf(reply, sizeof(reply), "reply %d", i);
		rules_reply(t, &r->then, reply);
	}
	ASSERT_EQ(0, rules_set(self->fd, t));
	EXPECT_TRUE(rules_is(self->fd, t));

	/* One more is too much, however few of them there are really. */
	rules_refuse(t, 1);
	EXPECT_TRUE(rules_set_fails(self->fd, t, -E2BIG, PARLEY_RULE_NONE,
				    PARLEY_FIELD_NONE));
	t->arg.count = UINT32_MAX;
	EXPECT_TRUE(rules_set_fails(self->fd, t, -E2BIG, PARLEY_RULE_NONE,
				    PARLEY_FIELD_NONE));
	t->arg.count = PARLEY_RULES_MAX;
	EXPECT_TRUE(rules_is(self->fd, t));
}

TEST_F(rules, largest_pool)
{
	struct rules *t = self->t;
	struct parley_rule *r;

	terms_fill(t->pool, RULES_POOL_MAX, 1);
	t->arg.pool_len = RULES_POOL_MAX;
	/* The last bytes are the reply, and what is looked for. */
	r = rules_refuse(t, 1);
	r->then.reply = RULES_POOL_MAX - 4096;
	r->then.reply_len = 4096;
	r = rules_refuse(t, 2);
	r->match = PARLEY_MATCH_DATA;
	r->data_len = TERMS_DATA_MAX;
	r->data_value = RULES_POOL_MAX - TERMS_DATA_MAX;
	r->data_mask = r->data_value;
	ASSERT_EQ(0, rules_set(self->fd, t));
	EXPECT_TRUE(rules_is(self->fd, t));

	t->arg.pool_len = RULES_POOL_MAX + 1;
	EXPECT_TRUE(rules_set_fails(self->fd, t, -EMSGSIZE, PARLEY_RULE_NONE,
				    PARLEY_FIELD_NONE));
	t->arg.pool_len = UINT32_MAX;
	EXPECT_TRUE(rules_set_fails(self->fd, t, -EMSGSIZE, PARLEY_RULE_NONE,
				    PARLEY_FIELD_NONE));
	t->arg.pool_len = RULES_POOL_MAX;
	EXPECT_TRUE(rules_is(self->fd, t));
}

/* GET with room for @count rules and @len bytes: what it says is needed. */
static bool needs(int fd, __u32 count, __u32 len, const struct rules *want)
{
	static const struct parley_rule untouched;
	struct rules *t = rules_new();
	bool ok;
	int err;

	if (!t)
		return false;
	t->arg.count = count;
	t->arg.pool_len = len;
	err = ioctl(fd, PARLEY_IOC_GET_RULES, &t->arg) ? errno : 0;
	ok = err == ERANGE && t->arg.count == want->arg.count &&
	     t->arg.pool_len == want->arg.pool_len &&
	     !memcmp(t->rule, &untouched, sizeof(untouched)) && !t->pool[0];
	if (!ok) {
		printf("# room %u, %u: error %d; wanted are %u, %u, not %u, %u\n",
		       count, len, err, t->arg.count, t->arg.pool_len,
		       want->arg.count, want->arg.pool_len);
		fflush(stdout);
	}
	rules_free(t);
	return ok;
}

TEST_F(rules, too_small_rooms)
{
	struct rules *t = self->t, *got = rules_new();
	__u32 count, len;

	ASSERT_NE(NULL, got);
	make_table(t, "a reply");
	ASSERT_EQ(0, rules_set(self->fd, t));
	count = t->arg.count;
	len = t->arg.pool_len;
	EXPECT_TRUE(needs(self->fd, 0, 0, t));
	EXPECT_TRUE(needs(self->fd, count - 1, len, t));
	EXPECT_TRUE(needs(self->fd, count, len - 1, t));
	EXPECT_TRUE(needs(self->fd, count, 0, t));
	EXPECT_TRUE(needs(self->fd, 0, len, t));
	EXPECT_TRUE(needs(self->fd, PARLEY_RULES_MAX, len - 1, t));
	EXPECT_TRUE(needs(self->fd, count - 1, RULES_POOL_MAX, t));

	/* Just enough, and as much as can be said. */
	got->arg.count = count;
	got->arg.pool_len = len;
	EXPECT_EQ(0, ioctl(self->fd, PARLEY_IOC_GET_RULES, &got->arg));
	EXPECT_EQ(0, memcmp(got->rule, t->rule, count * sizeof(*t->rule)));
	EXPECT_EQ(0, memcmp(got->pool, t->pool, len));
	got->arg.count = UINT32_MAX;
	got->arg.pool_len = UINT32_MAX;
	EXPECT_EQ(0, ioctl(self->fd, PARLEY_IOC_GET_RULES, &got->arg));
	EXPECT_EQ(count, got->arg.count);
	EXPECT_EQ(len, got->arg.pool_len);
	EXPECT_EQ(PARLEY_REFUSE, got->arg.otherwise.verdict);
	EXPECT_EQ(1, got->arg.otherwise.code);
}

/* Whoever has the descriptor. */
TEST_F(rules, of_another_process)
{
	pid_t pid;

	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		make_table(self->t, "from a child");
		_exit(rules_set(self->fd, self->t) ? 1 : 0);
	}
	ASSERT_EQ(0, parley_reap(pid));
	make_table(self->t, "from a child");
	EXPECT_TRUE(rules_is(self->fd, self->t));
	pid = parley_fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(rules_is(self->fd, self->t) ? 0 : 1);
	EXPECT_EQ(0, parley_reap(pid));
}

/* A socket and its table, in the course of a life. */
FIXTURE(life) {
	struct rules *t;
};

FIXTURE_SETUP(life)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->t = rules_new();
	ASSERT_NE(NULL, self->t);
	rules_refuse(self->t, 7);
}

FIXTURE_TEARDOWN(life)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* It is the socket's, whether it listens or not. */
TEST_F(life, listen)
{
	struct rules *t = self->t;
	int fd = parley_bound(HOST, PORT);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_nonblock(fd, true));
	ASSERT_EQ(0, rules_set(fd, t));
	ASSERT_EQ(0, listen(fd, 5));
	EXPECT_TRUE(rules_is(fd, t));
	EXPECT_EQ(7, rules_code(fd, NULL));
	ASSERT_EQ(0, listen(fd, 7));
	EXPECT_TRUE(rules_is(fd, t));
	EXPECT_EQ(7, rules_code(fd, NULL));
	ASSERT_EQ(0, shutdown(fd, SHUT_RDWR));
	EXPECT_TRUE(rules_is(fd, t));
	ASSERT_EQ(0, listen(fd, 5));
	EXPECT_TRUE(rules_is(fd, t));
	EXPECT_EQ(7, rules_code(fd, NULL));
	t->rule[0].then.code = 8;
	ASSERT_EQ(0, rules_set(fd, t));
	EXPECT_EQ(8, rules_code(fd, NULL));
}

/* What a socket as this answers to SET and GET. */
static bool refuses(int fd, struct rules *t)
{
	int get;

	if (!rules_set_fails(fd, t, -EINVAL, PARLEY_RULE_NONE,
			     PARLEY_FIELD_NONE))
		return false;
	get = rules_get(fd, t);
	t->arg.count = 1;
	t->arg.pool_len = 0;
	memset(&t->arg.otherwise, 0, sizeof(t->arg.otherwise));
	if (get == -EINVAL)
		return true;
	printf("# GET: error %d\n", -get);
	fflush(stdout);
	return false;
}

/* Who calls or is connected does not listen, and never will. */
TEST_F(life, not_listening)
{
	int l, caller, pair[2];

	l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, l);
	ASSERT_EQ(0, parley_pair(l, pair));
	EXPECT_TRUE(refuses(pair[0], self->t));
	EXPECT_TRUE(refuses(pair[1], self->t));
	close(pair[0]);
	EXPECT_TRUE(refuses(pair[1], self->t));
	close(pair[1]);

	caller = parley_call(HOST, PORT);
	ASSERT_LE(0, caller);
	EXPECT_TRUE(refuses(caller, self->t));
	/* Once it is told no it could. */
	close(l);
	ASSERT_LE(0, parley_wait(caller, POLLOUT));
	EXPECT_EQ(0, rules_set(caller, self->t));
	EXPECT_TRUE(rules_is(caller, self->t));

	ASSERT_EQ(0, socketpair(AF_PARLEY, SOCK_STREAM, 0, pair));
	EXPECT_TRUE(refuses(pair[0], self->t));
	EXPECT_TRUE(refuses(pair[1], self->t));
}

/* A socket that had rules may call as any other. */
TEST_F(life, caller_with_rules)
{
	int l, fd, new;

	l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, l);
	fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, rules_set(fd, self->t));
	ASSERT_EQ(-EINPROGRESS, test_connect(fd, HOST, PORT));
	new = test_accept(l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(parley_talks(fd, new));
	EXPECT_TRUE(refuses(fd, self->t));
}

/* Accepted sockets have none, nor do other listeners. */
TEST_F(life, not_inherited)
{
	struct rules *none = rules_new();
	int l, other, pair[2];

	ASSERT_NE(NULL, none);
	self->t->rule[0].then = (struct parley_rule_answer){};
	l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, l);
	other = parley_listener(HOST, PORT + 1, 10);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, rules_set(l, self->t));
	ASSERT_EQ(0, parley_pair(l, pair));
	EXPECT_TRUE(rules_decided_is(pair[1], PARLEY_BY_RULE, 0));
	EXPECT_TRUE(refuses(pair[1], self->t));
	EXPECT_TRUE(rules_is(other, none));
	ASSERT_EQ(0, parley_pair(other, pair));
	EXPECT_TRUE(rules_decided_is(pair[1], PARLEY_BY_ACCEPT,
				     PARLEY_RULE_NONE));
}

/* A listener that is closed with a table takes it along. */
TEST_F(life, closed)
{
	int l, i;

	for (i = 0; i < 20; i++) {
		l = parley_listener(HOST, PORT, 10);
		ASSERT_LE(0, l);
		ASSERT_EQ(0, rules_set(l, self->t));
		ASSERT_LE(0, parley_call(HOST, PORT));
		close(l);
	}
}

TEST_HARNESS_MAIN
