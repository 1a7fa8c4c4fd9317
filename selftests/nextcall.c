// SPDX-License-Identifier: GPL-2.0
/*
 * PARLEY_IOC_NEXT_CALL: which call is given, in what order and how often, what
 * is said about it, rooms that are too small, and what it refuses to do.
 * Waiting for a call is in nextwait.c.
 */
#include "kselftest_harness.h"

#include <grp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib.h"
#include "lib_decide.h"
#include "lib_terms.h"

#define PORT	5200
#define CALLS	8
#define ROOM	64
#define GROUPS	3
#define BLANK	0xee

FIXTURE(nextcall) {
	int l;
	int call[CALLS];
	long long id[CALLS];
	struct parley_next_call next;
	char data[ROOM];
	char label[4096];
	__u32 groups[ROOM];
};

FIXTURE_SETUP(nextcall)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 64);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(nextcall)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Calls that are pending, and not given; how many could be made. */
static int make_calls(int *call, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		call[i] = parley_call("127.0.0.1", PORT);
		if (call[i] < 0)
			break;
	}
	return i;
}

/* The oldest first, each once; nobody is taken from the backlog. */
TEST_F(nextcall, order)
{
	struct parley_call_info *info = &self->next.info;
	struct sockaddr_in *caller, *callee;
	int i;

	ASSERT_EQ(CALLS, make_calls(self->call, CALLS));
	for (i = 0; i < CALLS; i++) {
		ASSERT_EQ(0, decide_next(self->l, 0, &self->next));
		self->id[i] = info->id;
		EXPECT_LT(i ? self->id[i - 1] : 0, self->id[i]);
		caller = (struct sockaddr_in *)&info->caller;
		callee = (struct sockaddr_in *)&info->callee;
		EXPECT_EQ(AF_INET, caller->sin_family);
		EXPECT_EQ(htonl(INADDR_LOOPBACK), caller->sin_addr.s_addr);
		EXPECT_EQ(parley_port(self->call[i]), ntohs(caller->sin_port));
		EXPECT_EQ(AF_INET, callee->sin_family);
		EXPECT_EQ(htonl(INADDR_LOOPBACK), callee->sin_addr.s_addr);
		EXPECT_EQ(PORT, ntohs(callee->sin_port));
		EXPECT_TRUE(decide_backlog_is(self->l, CALLS, 0, 0));
	}
	EXPECT_TRUE(decide_next_is_none(self->l, 0));
	for (i = 0; i < CALLS; i++) {
		EXPECT_TRUE(decide_waits(self->call[i]));
		EXPECT_TRUE(decide_accepts(self->l, self->call[i]));
	}
	EXPECT_TRUE(decide_accepts_none(self->l));
}

/* What was accepted or withdrawn is not given, whether seen or not. */
TEST_F(nextcall, gone)
{
	ASSERT_EQ(5, make_calls(self->call, 5));
	ASSERT_LT(0, decide_next_id(self->l, 0));
	ASSERT_LT(0, decide_next_id(self->l, 0));
	EXPECT_TRUE(decide_accepts(self->l, self->call[0]));
	ASSERT_EQ(0, close(self->call[1]));
	ASSERT_EQ(0, parley_unspec(self->call[2]));
	EXPECT_TRUE(decide_accepts(self->l, self->call[3]));
	ASSERT_EQ(0, decide_next(self->l, PARLEY_NEXT_REWIND, &self->next));
	EXPECT_EQ(0, self->next.info.flags & PARLEY_INFO_SEEN);
	EXPECT_TRUE(decide_next_is_none(self->l, 0));
	EXPECT_TRUE(decide_accepts(self->l, self->call[4]));
	EXPECT_TRUE(decide_next_is_none(self->l, PARLEY_NEXT_REWIND));
}

TEST_F(nextcall, rewind)
{
	unsigned int flags = PARLEY_NEXT_REWIND;
	int i, round;

	ASSERT_EQ(4, make_calls(self->call, 4));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, decide_next(self->l, 0, &self->next));
		EXPECT_EQ(0, self->next.info.flags);
		self->id[i] = self->next.info.id;
	}
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 4; i++) {
			ASSERT_EQ(0, decide_next(self->l, flags, &self->next));
			if (i == 3 && !round)
				self->id[3] = self->next.info.id;
			EXPECT_EQ(self->id[i], self->next.info.id);
			EXPECT_EQ(i == 3 && !round ? 0 : PARLEY_INFO_SEEN,
				  self->next.info.flags);
			flags = 0;
		}
		EXPECT_TRUE(decide_next_is_none(self->l, 0));
		flags = PARLEY_NEXT_REWIND;
	}
	/* With each request the oldest is given, again and again. */
	for (i = 0; i < 3; i++)
		EXPECT_EQ(self->id[0], decide_next_id(self->l, flags));
	EXPECT_EQ(self->id[1], decide_next_id(self->l, 0));
}

/* Decided calls are not undecided ones, whoever begins again. */
TEST_F(nextcall, rewind_and_verdicts)
{
	int i;

	for (i = 0; i < 6; i++) {
		self->id[i] = decide_offer(self->l, &self->call[i]);
		ASSERT_LT(0, self->id[i]);
	}
	ASSERT_EQ(0, decide_call(self->l, self->id[0], PARLEY_ACCEPT, 0));
	ASSERT_EQ(0, decide_call(self->l, self->id[1], PARLEY_DEFER, 0));
	ASSERT_EQ(0, decide_call(self->l, self->id[2], PARLEY_REFUSE, 0));
	ASSERT_EQ(0, decide_call(self->l, self->id[3], PARLEY_UNDECIDE, 0));
	EXPECT_EQ(self->id[3], decide_next_id(self->l, PARLEY_NEXT_REWIND));
	EXPECT_EQ(self->id[4], decide_next_id(self->l, 0));
	EXPECT_EQ(self->id[5], decide_next_id(self->l, 0));
	EXPECT_TRUE(decide_next_is_none(self->l, 0));

	ASSERT_EQ(0, decide_next(self->l, PARLEY_NEXT_DEFERRED |
				 PARLEY_NEXT_REWIND, &self->next));
	EXPECT_EQ(self->id[1], self->next.info.id);
	EXPECT_EQ(PARLEY_INFO_SEEN | PARLEY_INFO_DEFERRED,
		  self->next.info.flags);
	for (i = 3; i < 6; i++)
		EXPECT_EQ(self->id[i], decide_next_id(self->l,
						      PARLEY_NEXT_DEFERRED));
	EXPECT_TRUE(decide_next_is_none(self->l, PARLEY_NEXT_DEFERRED));
}

/* Deferred calls only who asks for them sees, at the place of their age. */
TEST_F(nextcall, deferred)
{
	int i;

	for (i = 0; i < 4; i++) {
		self->id[i] = decide_offer(self->l, &self->call[i]);
		ASSERT_LT(0, self->id[i]);
	}
	for (i = 0; i < 4; i += 2) {
		ASSERT_EQ(0, decide_call(self->l, self->id[i], PARLEY_DEFER,
					 0));
		/* Who defers a call has seen it. */
		EXPECT_TRUE(decide_next_is_none(self->l,
						PARLEY_NEXT_DEFERRED));
	}
	for (i = 3; i >= 0; i--)
		ASSERT_EQ(0, decide_call(self->l, self->id[i], PARLEY_UNDECIDE,
					 0));
	EXPECT_EQ(self->id[1], decide_next_id(self->l, 0));
	for (i = 0; i < 4; i++) {
		if (i == 1)
			continue;
		ASSERT_EQ(0, decide_next(self->l, PARLEY_NEXT_DEFERRED,
					 &self->next));
		EXPECT_EQ(self->id[i], self->next.info.id);
		/* Undecided, as if it had never been given. */
		EXPECT_EQ(i % 2 ? 0 : PARLEY_INFO_DEFERRED,
			  self->next.info.flags);
	}
	EXPECT_TRUE(decide_next_is_none(self->l, PARLEY_NEXT_DEFERRED));
	EXPECT_TRUE(decide_backlog_is(self->l, 2, 2, 0));
}

/* What the rules put off is given at once, but only where that is wanted. */
TEST_F(nextcall, deferred_by_rules)
{
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	ASSERT_EQ(2, make_calls(self->call, 2));
	EXPECT_TRUE(decide_backlog_is(self->l, 2, 0, 0));
	EXPECT_TRUE(decide_next_is_none(self->l, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 2, 0));
	ASSERT_EQ(1, make_calls(self->call + 2, 1));
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 2, 0));
	ASSERT_EQ(0, decide_next(self->l, PARLEY_NEXT_DEFERRED, &self->next));
	EXPECT_EQ(PARLEY_INFO_DEFERRED, self->next.info.flags);
	EXPECT_EQ(parley_port(self->call[0]),
		  ntohs(((struct sockaddr_in *)&self->next.info.caller)->sin_port));
	ASSERT_LT(0, decide_next_id(self->l, PARLEY_NEXT_DEFERRED));
	ASSERT_EQ(0, decide_next(self->l, PARLEY_NEXT_DEFERRED, &self->next));
	EXPECT_EQ(PARLEY_INFO_DEFERRED, self->next.info.flags);
	EXPECT_TRUE(decide_next_is_none(self->l, PARLEY_NEXT_DEFERRED));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 3, 0));
	EXPECT_TRUE(decide_accepts_none(self->l));
}

/* A table that says @verdict to calls of group 7. */
static int rule_for_group(int fd, unsigned int verdict)
{
	struct parley_rule rule = {
		.match = PARLEY_MATCH_GROUP,
		.group = 7,
		.then.verdict = verdict,
	};
	struct parley_rules rules = {
		.size = sizeof(rules),
		.rule_size = sizeof(rule),
		.count = 1,
		.rules = (uintptr_t)&rule,
	};

	return ioctl(fd, PARLEY_IOC_SET_RULES, &rules) ? -errno : 0;
}

/* The rules come first, and what they have let pass they have let pass. */
TEST_F(nextcall, rules_first)
{
	struct terms t = {};
	int i;

	ASSERT_EQ(0, rule_for_group(self->l, PARLEY_REFUSE));
	for (i = 0; i < 6; i++) {
		t.group = i % 2 ? 7 : i;
		self->call[i] = terms_call("127.0.0.1", PORT, &t);
		ASSERT_LE(0, self->call[i]);
	}
	for (i = 0; i < 4; i += 2) {
		ASSERT_EQ(0, decide_next(self->l, 0, &self->next));
		EXPECT_EQ(i, self->next.info.group);
		EXPECT_EQ(0, self->next.info.flags);
	}
	EXPECT_TRUE(decide_refused_is(self->call[1], PARLEY_REASON_RULE, 0));
	/* What nobody looks at is not judged. */
	EXPECT_TRUE(decide_waits(self->call[3]));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_REFUSE));
	EXPECT_TRUE(decide_accepts(self->l, self->call[0]));
	EXPECT_TRUE(decide_accepts(self->l, self->call[2]));
	EXPECT_TRUE(decide_next_is_none(self->l, 0));
	for (i = 3; i < 6; i++)
		EXPECT_TRUE(decide_refused_is(self->call[i],
					      PARLEY_REASON_RULE, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 0, 0));
}

TEST_F(nextcall, arrival)
{
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	ASSERT_EQ(1, make_calls(self->call, 1));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 1, 0));
	EXPECT_TRUE(decide_next_is_none(self->l, 0));
	ASSERT_EQ(0, decide_next(self->l, PARLEY_NEXT_DEFERRED, &self->next));
	EXPECT_EQ(PARLEY_INFO_DEFERRED, self->next.info.flags);
	/* Judged when it came, not again when it is looked at. */
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_ACCEPT));
	ASSERT_EQ(1, make_calls(self->call + 1, 1));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_REFUSE));
	ASSERT_LT(0, decide_next_id(self->l, 0));
	EXPECT_TRUE(decide_accepts(self->l, self->call[1]));
}

/* Age and deadlines; those of the terms themselves are tested elsewhere. */
TEST_F(nextcall, times)
{
	struct parley_call_info *info = &self->next.info;
	unsigned long long begun, made, asked, told;
	int i;

	ASSERT_EQ(0, terms_set_defer(self->l, 40000, PARLEY_REFUSE));
	for (i = 0; i < 2; i++) {
		self->call[i] = parley_socket(SOCK_NONBLOCK);
		ASSERT_LE(0, self->call[i]);
		ASSERT_EQ(0, parley_call_timeout(self->call[i],
						 i ? 60000 : 0));
	}
	begun = parley_now_ns();
	for (i = 0; i < 2; i++)
		ASSERT_EQ(-EINPROGRESS, test_connect(self->call[i],
						     "127.0.0.1", PORT));
	made = parley_now_ns();
	ASSERT_EQ(0, decide_next(self->l, 0, &self->next));
	EXPECT_EQ(0, info->timeout_ns);
	EXPECT_EQ(0, info->defer_timeout_ns);
	EXPECT_EQ(0, info->decided_by);
	asked = parley_now_ns();
	ASSERT_EQ(0, decide_next(self->l, 0, &self->next));
	told = parley_now_ns();
	EXPECT_LE(asked - made, info->age_ns);
	EXPECT_GE(told - begun, info->age_ns);
	EXPECT_GE(60000000000ULL - (asked - made), info->timeout_ns);
	EXPECT_LE(60000000000ULL - (told - begun), info->timeout_ns);
	EXPECT_EQ(0, info->defer_timeout_ns);

	begun = parley_now_ns();
	ASSERT_EQ(0, decide_call(self->l, info->id, PARLEY_DEFER, 0));
	made = parley_now_ns();
	ASSERT_EQ(0, decide_call(self->l, info->id, PARLEY_UNDECIDE, 0));
	asked = parley_now_ns();
	ASSERT_EQ(0, decide_next(self->l, PARLEY_NEXT_DEFERRED, &self->next));
	told = parley_now_ns();
	EXPECT_GE(40000000000ULL - (asked - made), info->defer_timeout_ns);
	EXPECT_LE(40000000000ULL - (told - begun), info->defer_timeout_ns);
	EXPECT_LT(0, info->timeout_ns);
}

/* A call with data and three supplementary groups. */
static int rich_call(void)
{
	static const gid_t groups[GROUPS] = { 300, 7, 12345 };
	struct terms t = { .data = "condition", .len = 9, .group = 42 };

	if (setgroups(GROUPS, groups))
		return -errno;
	return terms_call("127.0.0.1", PORT, &t);
}

/* Too little room for one of them: all say what is needed, nothing is given. */
TEST_F(nextcall, rooms_too_small)
{
	struct parley_next_call *next = &self->next;
	int i, labelled;

	self->call[0] = rich_call();
	ASSERT_LE(0, self->call[0]);
	ASSERT_EQ(0, decide_next(self->l, 0, next));
	labelled = next->label_room;
	for (i = 0; i < (labelled ? 3 : 2); i++) {
		ASSERT_EQ(0, decide_call(self->l, next->info.id,
					 PARLEY_UNDECIDE, 0));
		memset(next, 0, sizeof(*next));
		next->data = (uintptr_t)self->data;
		next->groups = (uintptr_t)self->groups;
		next->label = (uintptr_t)self->label;
		next->data_room = i == 0 ? 8 : ROOM;
		next->groups_room = i == 1 ? 2 : ROOM;
		next->label_room = i == 2 ? labelled - 1 : sizeof(self->label);
		EXPECT_EQ(-ERANGE, decide_next(self->l, 0, next));
		EXPECT_EQ(9, next->data_room);
		EXPECT_EQ(GROUPS, next->groups_room);
		EXPECT_EQ(labelled, next->label_room);
		EXPECT_EQ(9, next->info.data_len);
		EXPECT_EQ(42, next->info.group);
		EXPECT_EQ(0, next->info.flags);
		/* Asked again with what it says, it is given, and was not before. */
		EXPECT_EQ(0, decide_next(self->l, 0, next));
		EXPECT_EQ(0, next->info.flags);
	}
}

TEST_F(nextcall, rooms)
{
	struct parley_next_call *next = &self->next;
	unsigned int extra, labelled;
	char current[4096] = "";
	FILE *f;

	f = fopen("/proc/self/attr/current", "re");
	if (f) {
		if (fscanf(f, "%4095[^\n]", current) != 1)
			current[0] = 0;
		fclose(f);
	}
	self->call[0] = rich_call();
	ASSERT_LE(0, self->call[0]);
	ASSERT_EQ(0, decide_next(self->l, 0, next));
	labelled = next->label_room;
	EXPECT_EQ(9, next->data_room);
	EXPECT_EQ(GROUPS, next->groups_room);
	EXPECT_EQ(9, next->info.data_len);
	EXPECT_EQ(GROUPS, next->info.groups);
	EXPECT_EQ(labelled, next->info.label_len);
	for (extra = 0; extra < 2; extra++) {
		memset(self->data, BLANK, sizeof(self->data));
		memset(self->groups, BLANK, sizeof(self->groups));
		memset(self->label, BLANK, sizeof(self->label));
		next->data = (uintptr_t)self->data;
		next->groups = (uintptr_t)self->groups;
		next->label = (uintptr_t)self->label;
		next->data_room = 9 + extra;
		next->groups_room = GROUPS + extra;
		next->label_room = labelled + extra;
		ASSERT_EQ(0, decide_next(self->l, PARLEY_NEXT_REWIND, next));
		EXPECT_EQ(9, next->data_room);
		EXPECT_EQ(GROUPS, next->groups_room);
		EXPECT_EQ(labelled, next->label_room);
		EXPECT_EQ(0, memcmp("condition", self->data, 9));
		EXPECT_EQ((char)BLANK, self->data[9]);
		/* The kernel keeps them sorted. */
		EXPECT_EQ(7, self->groups[0]);
		EXPECT_EQ(300, self->groups[1]);
		EXPECT_EQ(12345, self->groups[2]);
		EXPECT_EQ(BLANK * 0x01010101U, self->groups[3]);
		EXPECT_EQ((char)BLANK, self->label[labelled]);
		if (labelled)
			EXPECT_EQ(0, strncmp(current, self->label, labelled));
	}
	/* Room at no address is no room that anybody wants filled. */
	memset(next, 0, sizeof(*next));
	next->data_room = 1;
	next->groups_room = ROOM;
	EXPECT_EQ(0, decide_next(self->l, PARLEY_NEXT_REWIND, next));
	EXPECT_EQ(9, next->data_room);
	EXPECT_EQ(GROUPS, next->groups_room);
	EXPECT_EQ(labelled, next->label_room);
}

/* Nothing there to say: no bytes are written, and no room is too small. */
TEST_F(nextcall, rooms_for_nothing)
{
	struct parley_next_call *next = &self->next;

	ASSERT_EQ(0, setgroups(0, NULL));
	ASSERT_EQ(1, make_calls(self->call, 1));
	self->data[0] = BLANK;
	next->data = (uintptr_t)self->data;
	next->groups = (uintptr_t)self->groups;
	ASSERT_EQ(0, decide_next(self->l, 0, next));
	EXPECT_EQ(0, next->data_room);
	EXPECT_EQ(0, next->groups_room);
	EXPECT_EQ(0, next->info.data_len);
	EXPECT_EQ(0, next->info.groups);
	EXPECT_EQ((char)BLANK, self->data[0]);
}

/* One that is younger was put off on arrival: both are found by their ids. */
TEST_F(nextcall, older_later)
{
	long long older, younger;

	ASSERT_EQ(1, make_calls(self->call, 1));
	ASSERT_EQ(0, decide_rules(self->l, PARLEY_DEFER));
	ASSERT_EQ(0, parley_set_sockopt(self->l, SOL_PARLEY, PARLEY_STAGE,
					PARLEY_STAGE_ARRIVAL));
	ASSERT_EQ(1, make_calls(self->call + 1, 1));
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 1, 0));
	EXPECT_TRUE(decide_next_is_none(self->l, 0));
	EXPECT_TRUE(decide_backlog_is(self->l, 0, 2, 0));
	older = decide_next_id(self->l, PARLEY_NEXT_DEFERRED);
	younger = decide_next_id(self->l, PARLEY_NEXT_DEFERRED);
	ASSERT_LT(0, older);
	EXPECT_LT(older, younger);
	EXPECT_EQ(0, decide_call(self->l, older, PARLEY_REFUSE, 0));
	EXPECT_EQ(0, decide_call(self->l, younger, PARLEY_ACCEPT, 0));
	EXPECT_TRUE(decide_refused_is(self->call[0], PARLEY_REASON_SERVER, 0));
	EXPECT_TRUE(decide_accepts(self->l, self->call[1]));
}

static int next_raw(int fd, void *arg)
{
	return ioctl(fd, PARLEY_IOC_NEXT_CALL, arg) ? -errno : 0;
}

/* Whatever cannot be written, the call is still there. */
TEST_F(nextcall, bad_pointers)
{
	long page = sysconf(_SC_PAGESIZE);
	struct parley_next_call *next;
	char *map;

	map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, mprotect(map + page, page, PROT_NONE));
	self->call[0] = rich_call();
	ASSERT_LE(0, self->call[0]);
	EXPECT_EQ(-EFAULT, next_raw(self->l, NULL));
	EXPECT_EQ(-EFAULT, next_raw(self->l, map + page));
	next = (void *)(map + page - sizeof(*next) + 8);
	next->size = sizeof(*next);
	EXPECT_EQ(-EFAULT, next_raw(self->l, next));
	self->next.data = (uintptr_t)map + page - 8;
	self->next.data_room = ROOM;
	EXPECT_EQ(-EFAULT, decide_next(self->l, 0, &self->next));
	memset(&self->next, 0, sizeof(self->next));
	self->next.groups = (uintptr_t)map + page - 8;
	self->next.groups_room = ROOM;
	EXPECT_EQ(-EFAULT, decide_next(self->l, 0, &self->next));
	memset(&self->next, 0, sizeof(self->next));
	EXPECT_EQ(0, decide_next(self->l, PARLEY_NEXT_REWIND, &self->next));
	EXPECT_EQ(42, self->next.info.group);
	EXPECT_TRUE(decide_backlog_is(self->l, 1, 0, 0));
}

/* A struct of another version, unknown flags, padding. */
TEST_F(nextcall, bad_struct)
{
	struct {
		struct parley_next_call next;
		__u64 more[2];
	} later = { .next.size = sizeof(later) };
	struct parley_next_call *next = &self->next;

	ASSERT_EQ(1, make_calls(self->call, 1));
	EXPECT_EQ(-EINVAL, next_raw(self->l, next));
	next->size = 4;
	EXPECT_EQ(-EINVAL, next_raw(self->l, next));
	next->size = PARLEY_NEXT_CALL_SIZE_VER0 - 8;
	EXPECT_EQ(-EINVAL, next_raw(self->l, next));
	EXPECT_EQ(-EINVAL, decide_next(self->l, 8, next));
	EXPECT_EQ(-EINVAL, decide_next(self->l, 0x80000000, next));
	next->pad = 1;
	EXPECT_EQ(-EINVAL, decide_next(self->l, 0, next));
	later.more[1] = 1;
	EXPECT_EQ(-E2BIG, next_raw(self->l, &later));
	later.more[1] = 0;
	/* None of these has looked at the call. */
	EXPECT_EQ(0, next_raw(self->l, &later));
	EXPECT_EQ(0, later.next.info.flags);
	EXPECT_LT(0, later.next.info.id);
	EXPECT_EQ(0, later.more[0] | later.more[1]);
}

TEST_F(nextcall, only_listeners)
{
	struct parley_next_call next = {};
	int fd, pair[2];

	ASSERT_EQ(0, parley_pair(self->l, pair));
	EXPECT_EQ(-EINVAL, decide_next(pair[0], 0, &next));
	EXPECT_EQ(-EINVAL, decide_next(pair[1], 0, &next));
	ASSERT_EQ(1, make_calls(self->call, 1));
	EXPECT_EQ(-EINVAL, decide_next(self->call[0], 0, &next));
	fd = parley_socket(0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, decide_next(fd, 0, &next));
	ASSERT_EQ(0, parley_bind(fd, "127.0.0.1", PORT + 1));
	EXPECT_EQ(-EINVAL, decide_next(fd, 0, &next));
	ASSERT_EQ(0, listen(fd, 1));
	EXPECT_EQ(-EAGAIN, decide_next(fd, PARLEY_NEXT_NOWAIT, &next));
	ASSERT_EQ(0, shutdown(self->l, SHUT_RD));
	EXPECT_EQ(-EINVAL, decide_next(self->l, 0, &next));
	ASSERT_EQ(0, listen(self->l, 1));
	EXPECT_EQ(-EAGAIN, decide_next(self->l, 0, &next));
}

/* One listener's calls are not another one's. */
TEST_F(nextcall, two_listeners)
{
	int other = parley_listener("127.0.0.1", PORT + 1, 8);
	long long id;

	ASSERT_LE(0, other);
	self->call[0] = parley_call("127.0.0.1", PORT + 1);
	ASSERT_LE(0, self->call[0]);
	EXPECT_TRUE(decide_next_is_none(self->l, 0));
	id = decide_next_id(other, 0);
	ASSERT_LT(0, id);
	EXPECT_EQ(-ENOENT, decide_call(self->l, id, PARLEY_ACCEPT, 0));
	EXPECT_EQ(0, decide_call(other, id, PARLEY_ACCEPT, 0));
	/* Ids go up over all listeners of a namespace. */
	ASSERT_EQ(1, make_calls(self->call, 1));
	EXPECT_LT(id, decide_next_id(self->l, 0));
}

TEST_HARNESS_MAIN
