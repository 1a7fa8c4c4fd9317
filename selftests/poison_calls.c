// SPDX-License-Identifier: GPL-2.0
/*
 * What the ioctls write into the memory of a program, and what a filter is
 * given: all that belongs to a call, and nothing else. See poison.c.
 */
#include "kselftest_harness.h"

#include <ctype.h>
#include <fcntl.h>
#include <grp.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/sockios.h>

#include "lib_decide.h"
#include "lib_filter.h"
#include "lib_poison.h"

#define HOST	"127.0.0.1"
#define PORT	8730
#define ROOM	1024		/* more than any struct or what goes with it */
#define GROUP	0x0102030405060708ULL
#define DATA	"call data, as many bytes as there are"
#define DATALEN	((int)sizeof(DATA))
#define LABEL	256
#define SECRET	0xc3

static const gid_t groups[] = { 11, 22, 33 };
#define GROUPS	ARRAY_SIZE(groups)

FIXTURE(ioctls) {
	int l;
	int fd;
};

FIXTURE_SETUP(ioctls)
{
	const struct terms t = { .data = DATA, .len = DATALEN, .group = GROUP };

	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, setgroups(GROUPS, groups));
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	self->fd = terms_call(HOST, PORT, &t);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(ioctls)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* All that PARLEY_IOC_NEXT_CALL can write to, and more. */
struct next {
	union {
		struct parley_next_call arg;
		unsigned char bytes[ROOM];
	};
	unsigned char data[ROOM];
	unsigned char groups[ROOM];
	unsigned char label[ROOM];
};

/* What is beyond the struct of a program that is newer must be zero. */
static void next_prepare(struct next *n, __u32 size, int which)
{
	poison_fill(n, sizeof(*n), which);
	if (size > sizeof(n->arg))
		memset(n->bytes + sizeof(n->arg), 0, size - sizeof(n->arg));
	n->arg.size = size;
	n->arg.flags = PARLEY_NEXT_REWIND | PARLEY_NEXT_NOWAIT;
	n->arg.data = (uintptr_t)n->data;
	n->arg.groups = (uintptr_t)n->groups;
	n->arg.label = (uintptr_t)n->label;
	n->arg.data_room = ROOM;
	n->arg.groups_room = ROOM / sizeof(__u32);
	n->arg.label_room = ROOM;
	n->arg.pad = 0;
}

static int next_ask(int l, struct next *n)
{
	return ioctl(l, PARLEY_IOC_NEXT_CALL, n->bytes) ? -errno : 0;
}

/* Nothing but what was asked for; all of the description. */
static bool next_is(struct next *n, __u32 size, int which)
{
	struct parley_call_info *info = &n->arg.info;

	return n->arg.size == size && n->arg.data_room == DATALEN &&
	       n->arg.groups_room == GROUPS &&
	       n->arg.label_room == info->label_len && !info->pad &&
	       poison_clean("a call", info, sizeof(*info)) &&
	       poison_untouched("behind a call", n->bytes + size, ROOM - size,
				which) &&
	       poison_untouched("behind its data", n->data + DATALEN,
				ROOM - DATALEN, which) &&
	       poison_untouched("behind its groups", n->groups + sizeof(groups),
				ROOM - sizeof(groups), which) &&
	       poison_untouched("behind its label", n->label + info->label_len,
				ROOM - info->label_len, which) &&
	       !memcmp(n->data, DATA, DATALEN) &&
	       !memcmp(n->groups, groups, sizeof(groups));
}

/* Of which it is told by when it looks. */
static void next_stop_clocks(struct parley_call_info *info)
{
	info->age_ns = 0;
	info->timeout_ns = 0;
}

TEST_F(ioctls, next_call)
{
	static const __u32 sizes[] = {
		PARLEY_NEXT_CALL_SIZE_VER0, sizeof(struct parley_next_call) + 8,
		ROOM - 8,
	};
	static struct next first, second;
	int i;

	for (i = 0; i < (int)ARRAY_SIZE(sizes); i++) {
		next_prepare(&first, sizes[i], 0);
		ASSERT_EQ(0, next_ask(self->l, &first));
		EXPECT_TRUE(next_is(&first, sizes[i], 0));
		next_prepare(&second, sizes[i], 1);
		ASSERT_EQ(0, next_ask(self->l, &second));
		EXPECT_TRUE(next_is(&second, sizes[i], 1));
		/* Shown already, once it was: the only difference. */
		first.arg.info.flags |= PARLEY_INFO_SEEN;
		next_stop_clocks(&first.arg.info);
		next_stop_clocks(&second.arg.info);
		EXPECT_EQ(0, memcmp(&first.arg.info, &second.arg.info,
				    sizeof(first.arg.info)));
		EXPECT_TRUE(poison_is_zero("what is not known",
					   second.bytes + sizeof(second.arg),
					   sizes[i] - sizeof(second.arg)));
	}
}

/* Less than one room fits: the struct says how much, and nothing else comes. */
TEST_F(ioctls, next_call_rooms)
{
	static struct next n;
	__u32 *room;
	int i, whole;

	for (i = 0; i < 2; i++) {
		next_prepare(&n, sizeof(n.arg), i);
		room = i ? &n.arg.groups_room : &n.arg.data_room;
		whole = i ? (int)GROUPS : DATALEN;
		*room = whole - 1;
		EXPECT_EQ(-ERANGE, next_ask(self->l, &n));
		EXPECT_EQ(whole, *room);
		EXPECT_TRUE(poison_untouched("data", n.data, ROOM, i));
		EXPECT_TRUE(poison_untouched("groups", n.groups, ROOM, i));
		EXPECT_TRUE(poison_untouched("label", n.label, ROOM, i));
		next_prepare(&n, sizeof(n.arg), i);
		*room = whole;
		EXPECT_EQ(0, next_ask(self->l, &n));
		EXPECT_TRUE(next_is(&n, sizeof(n.arg), i));
	}
}

/* One that fails otherwise leaves all as it was. */
static int next_fails(int l, struct next *n)
{
	static struct next before;
	int err;

	before = *n;
	err = next_ask(l, n);
	return err && memcmp(&before, n, sizeof(before)) ? -EBADMSG : err;
}

TEST_F(ioctls, next_call_fails)
{
	static struct next n;
	__u32 size;

	for (size = 0; size < PARLEY_NEXT_CALL_SIZE_VER0; size++) {
		next_prepare(&n, size, size & 1);
		ASSERT_EQ(-EINVAL, next_fails(self->l, &n));
	}
	next_prepare(&n, sizeof(n.arg), 0);
	n.arg.pad = 1;
	EXPECT_EQ(-EINVAL, next_fails(self->l, &n));
	next_prepare(&n, ROOM, 0);
	n.bytes[ROOM - 1] = 1;
	EXPECT_EQ(-E2BIG, next_fails(self->l, &n));
	ASSERT_EQ(0, close(self->fd));
	next_prepare(&n, sizeof(n.arg), 0);
	EXPECT_EQ(-EAGAIN, next_fails(self->l, &n));
	next_prepare(&n, sizeof(n.arg), 0);
	EXPECT_EQ(-EINVAL, next_fails(parley_socket(0), &n));
}

/* What is only read stays as it was. */
TEST_F(ioctls, decide)
{
	struct parley_decision d = { .size = sizeof(d), .id = 1 }, before;
	__u32 v;

	for (v = 0; v < 6; v++) {
		d.verdict = v;
		before = d;
		EXPECT_EQ(-1, ioctl(self->l, PARLEY_IOC_DECIDE, &d));
		EXPECT_EQ(0, memcmp(&d, &before, sizeof(d)));
	}
	d.verdict = PARLEY_ACCEPT;
	d.id = decide_next_id(self->l, 0);
	before = d;
	EXPECT_EQ(0, ioctl(self->l, PARLEY_IOC_DECIDE, &d));
	EXPECT_EQ(0, memcmp(&d, &before, sizeof(d)));
}

#define RULES	3
#define REPLY	"a reply"

static struct rules *some_rules(void)
{
	struct rules *t = rules_new();
	int i;

	for (i = 0; t && i < RULES; i++)
		rules_reply(t, &rules_refuse(t, i + 1)->then, REPLY);
	return t;
}

struct got_rules {
	struct parley_rules arg;
	unsigned char beyond[64];
	unsigned char rules[8 * ROOM];
	unsigned char pool[ROOM];
};

static int get_rules(int l, struct got_rules *g, __u32 rule_size, int which)
{
	poison_fill(g, sizeof(*g), which);
	g->arg.size = sizeof(g->arg);
	g->arg.rule_size = rule_size;
	g->arg.count = sizeof(g->rules) / rule_size;
	g->arg.pool_len = sizeof(g->pool);
	g->arg.rules = (uintptr_t)g->rules;
	g->arg.pool = (uintptr_t)g->pool;
	return ioctl(l, PARLEY_IOC_GET_RULES, &g->arg) ? -errno : 0;
}

/* Rules are as long as the program says; what the kernel does not know is 0. */
static bool rules_are(const struct got_rules *g, const struct rules *t,
		      __u32 size, int which)
{
	const unsigned char *rule = g->rules;
	int i;

	for (i = 0; i < RULES; i++, rule += size)
		if (memcmp(rule, &t->rule[i], sizeof(t->rule[i])) ||
		    !poison_is_zero("behind a rule", rule + sizeof(t->rule[i]),
				    size - sizeof(t->rule[i])))
			return false;
	return g->arg.count == RULES && g->arg.pool_len == t->arg.pool_len &&
	       g->arg.bad_rule == PARLEY_RULE_NONE &&
	       g->arg.bad_field == PARLEY_FIELD_NONE &&
	       !memcmp(&g->arg.otherwise, &t->arg.otherwise,
		       sizeof(t->arg.otherwise)) &&
	       poison_untouched("behind the table", g->beyond,
				sizeof(g->beyond), which) &&
	       poison_untouched("behind the rules", rule,
				g->rules + sizeof(g->rules) - rule, which) &&
	       poison_untouched("behind the pool", g->pool + g->arg.pool_len,
				sizeof(g->pool) - g->arg.pool_len, which) &&
	       !memcmp(g->pool, t->pool, g->arg.pool_len);
}

TEST_F(ioctls, rules)
{
	static const __u32 sizes[] = {
		PARLEY_RULE_SIZE_VER0, sizeof(struct parley_rule) + 8, ROOM,
	};
	struct rules *t = some_rules();
	static struct got_rules g;
	int i, which;

	ASSERT_NE(NULL, t);
	ASSERT_EQ(0, rules_set(self->l, t));
	for (i = 0; i < (int)ARRAY_SIZE(sizes); i++)
		for (which = 0; which < POISON_BYTES; which++) {
			ASSERT_EQ(0, get_rules(self->l, &g, sizes[i], which));
			EXPECT_TRUE(rules_are(&g, t, sizes[i], which));
		}
	/* None at all. */
	rules_free(t);
	t = rules_new();
	ASSERT_EQ(0, rules_set(self->l, t));
	ASSERT_EQ(0, get_rules(self->l, &g, ROOM, 0));
	EXPECT_EQ(0, g.arg.count);
	EXPECT_TRUE(poison_is_zero("default", &g.arg.otherwise,
				   sizeof(g.arg.otherwise)));
	EXPECT_TRUE(poison_untouched("rules", g.rules, sizeof(g.rules), 0));
	EXPECT_TRUE(poison_untouched("pool", g.pool, sizeof(g.pool), 0));
}

/* Numbers of bytes. */
TEST_F(ioctls, numbers)
{
	static const unsigned long requests[] = {
		SIOCINQ, SIOCOUTQ, SIOCATMARK, 0x894B /* SIOCOUTQNSD */,
	};
	int fd[4] = { self->l, self->fd, parley_socket(0), -1 };
	unsigned char buf[64];
	int i, k, n, which;

	fd[3] = test_accept(self->l, 0);
	ASSERT_LE(0, fd[3]);
	for (i = 0; i < 4; i++)
		for (k = 0; k < 4; k++)
			for (which = 0; which < POISON_BYTES; which++) {
				poison_fill(buf, sizeof(buf), which);
				n = ioctl(fd[i], requests[k], buf) ? 0 : 4;
				EXPECT_TRUE(poison_is_zero("number", buf, n));
				EXPECT_TRUE(poison_untouched("a number", buf + n,
							     sizeof(buf) - n,
							     which));
			}
}

/* Requests that are none. */
TEST_F(ioctls, unknown)
{
	unsigned char buf[ROOM];
	int nr;

	poison_fill(buf, sizeof(buf), 0);
	for (nr = 6; nr < 256; nr++) {
		EXPECT_EQ(-1, ioctl(self->l, _IO(PARLEY_IOC_MAGIC, nr), buf));
		EXPECT_EQ(-1, ioctl(self->fd, _IO(PARLEY_IOC_MAGIC, nr), buf));
	}
	EXPECT_EQ(-1, ioctl(self->l, _IO(PARLEY_IOC_MAGIC, 0), buf));
	EXPECT_TRUE(poison_untouched("nothing", buf, sizeof(buf), 0));
}

/* Only text, and no number in it that is somewhere in memory. */
static bool proc_is_text(const char *path)
{
	char buf[4096];
	ssize_t n, i;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return false;
	buf[n] = 0;
	for (i = 0; i < n; i++)
		if (!isprint((unsigned char)buf[i]) && buf[i] != '\n')
			return false;
	return !strstr(buf, "ffff8") && !strstr(buf, "ffffff");
}

TEST_F(ioctls, proc)
{
	EXPECT_TRUE(proc_is_text("/proc/net/parley_stat"));
	EXPECT_TRUE(proc_is_text("/proc/net/parley_policies"));
}

/* Filters */

#define PACKET_ROOM	512

/*
 * A filter that has @len bytes of what it sees copied to a map, and refuses with
 * what became of that as the code: 0, or -EFAULT.
 */
static int filter_copies(int l, int map, int len)
{
	return filter_use(l,
		E_COPY(6, 1),
		E_VALUE(3, map), E_MORE,
		E_SET(2, 0),
		E_SET(4, len),
		E_CALL(BPF_FUNC_skb_load_bytes),
		E_STORE(BPF_W, 6, E_CB(PARLEY_CB_CODE), 0),
		E_SET(0, PARLEY_FILTER_REFUSE),
		E_EXIT);
}

static int packet_map(void)
{
	return filter_map(BPF_MAP_TYPE_ARRAY, PACKET_ROOM, 1, 0);
}

TEST_F(ioctls, packet)
{
	struct rules_call long_one = { .terms.len = 300 }, c = {
		.terms = { .data = DATA, .len = DATALEN, .group = GROUP },
	};
	const int len = FILTER_PACKET + DATALEN;
	unsigned char packet[PACKET_ROOM], secret[300];
	int map = packet_map();

	ASSERT_LE(0, map);
	ASSERT_EQ(0, close(self->fd));
	memset(secret, SECRET, sizeof(secret));
	long_one.terms.data = secret;

	/* What comes first is longer: the packet is kept for the next call. */
	ASSERT_EQ(0, filter_copies(self->l, map, FILTER_PACKET + 300));
	EXPECT_TRUE(filter_refuses(self->l, &long_one, PARLEY_REASON_FILTER, 0,
				   0));
	ASSERT_EQ(0, filter_map_get(map, 0, packet));
	EXPECT_EQ(SECRET, packet[FILTER_PACKET + 299]);

	/* A byte more than there is gives none at all. */
	ASSERT_EQ(0, filter_copies(self->l, map, len + 1));
	EXPECT_TRUE(filter_refuses(self->l, &c, PARLEY_REASON_FILTER, -EFAULT,
				   0));
	ASSERT_EQ(0, filter_map_get(map, 0, packet));
	EXPECT_TRUE(poison_is_zero("a packet", packet, len + 1));

	poison_fill(packet, sizeof(packet), 0);
	ASSERT_EQ(0, filter_map_set(map, 0, packet));
	ASSERT_EQ(0, filter_copies(self->l, map, len));
	EXPECT_TRUE(filter_refuses(self->l, &c, PARLEY_REASON_FILTER, 0, 0));
	ASSERT_EQ(0, filter_map_get(map, 0, packet));
	EXPECT_TRUE(poison_clean("a packet", packet, len));
	/* One of them may well be there by chance, in a port, a time or an id. */
	EXPECT_EQ(NULL, memmem(packet, len, secret, 4));
	EXPECT_EQ(0, memcmp(packet + FILTER_PACKET, DATA, DATALEN));
	EXPECT_TRUE(poison_untouched("behind a packet", packet + len,
				     sizeof(packet) - len, 0));
}

TEST_HARNESS_MAIN
