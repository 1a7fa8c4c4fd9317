// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/net/parley_stat has a line for each cause of a refusal: each is made
 * to happen, and only its own line may change. That the causes add up to the
 * refusals is checked at the end of every test of every program.
 */
#include "kselftest_harness.h"

#include <sys/ioctl.h>

#include "lib_decide.h"
#include "lib_filter.h"
#include "lib_rules.h"
#include "lib_terms.h"

#define HOST	"127.0.0.1"
#define PORT	7700

static const char *const names[] = {
	"refused_error", "refused_no_listener", "refused_backlog_full",
	"refused_limit", "refused_rule", "refused_policy",
	"refused_policy_fault", "refused_server", "refused_defer_expired",
	"refused_listener_closed", "withdrawn_timed_out", "refused_qos",
	"refused_filter", "refused_user_limit", "refused_fair_share",
};

#define CAUSES	((int)ARRAY_SIZE(names))

FIXTURE(causes) {
	int l;
	long before[CAUSES];
};

/* Return: whether all lines are there, once each. */
static bool read_causes(long *value)
{
	int i, found = 0;
	char name[64];
	long n;
	FILE *f;

	f = fopen("/proc/net/parley_stat", "re");
	if (!f)
		return false;
	while (fscanf(f, "%63s %ld", name, &n) == 2)
		for (i = 0; i < CAUSES; i++)
			if (!strcmp(name, names[i])) {
				value[i] = n;
				found++;
			}
	fclose(f);
	return found == CAUSES;
}

/* Since the last time just this has happened, @by times. */
static bool since(long *before, int cause, long by)
{
	long now[CAUSES];
	bool ok = true;
	int i;

	if (!read_causes(now))
		return false;
	for (i = 0; i < CAUSES; i++) {
		if (now[i] - before[i] == (i == cause ? by : 0))
			continue;
		printf("# %s: %ld, before %ld\n", names[i], now[i], before[i]);
		ok = false;
	}
	memcpy(before, now, sizeof(now));
	return ok;
}

#define counted(self, cause, by)	since((self)->before, cause, by)

FIXTURE_SETUP(causes)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 4);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_TRUE(read_causes(self->before));
	EXPECT_TRUE(counted(self, 0, 0));
}

FIXTURE_TEARDOWN(causes)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* A call that is refused. Return: for what reason. */
static int refused(int port)
{
	int fd = parley_socket(SOCK_NONBLOCK);
	int reason, err = test_connect(fd, HOST, port);

	reason = err == -ECONNREFUSED ? parley_reason(fd) : err;
	close(fd);
	return reason;
}

TEST_F(causes, before_the_backlog)
{
	__u32 percent = 1;
	int i, call;

	EXPECT_EQ(PARLEY_REASON_NO_LISTENER, refused(PORT + 1));
	EXPECT_EQ(PARLEY_REASON_NO_LISTENER, refused(PORT + 1));
	EXPECT_TRUE(counted(self, PARLEY_REASON_NO_LISTENER, 2));

	call = parley_call(HOST, PORT);
	ASSERT_LE(0, call);
	EXPECT_TRUE(counted(self, 0, 0));
	ASSERT_EQ(0, parley_sysctl_write("parley/max_pending", 1));
	EXPECT_EQ(PARLEY_REASON_LIMIT, refused(PORT));
	EXPECT_TRUE(counted(self, PARLEY_REASON_LIMIT, 1));
	ASSERT_EQ(0, parley_sysctl_write("parley/max_pending_per_user", 1));
	EXPECT_EQ(PARLEY_REASON_USER_LIMIT, refused(PORT));
	EXPECT_TRUE(counted(self, PARLEY_REASON_USER_LIMIT, 1));
	ASSERT_EQ(0, terms_set(self->l, PARLEY_FAIR_SHARE, &percent,
			       sizeof(percent)));
	close(call);
	ASSERT_LE(0, parley_call(HOST, PORT));
	EXPECT_EQ(PARLEY_REASON_FAIR_SHARE, refused(PORT));
	EXPECT_TRUE(counted(self, PARLEY_REASON_FAIR_SHARE, 1));

	percent = 0;
	ASSERT_EQ(0, terms_set(self->l, PARLEY_FAIR_SHARE, &percent,
			       sizeof(percent)));
	ASSERT_EQ(0, parley_sysctl_write("parley/max_pending", 10));
	ASSERT_EQ(0, parley_sysctl_write("parley/max_pending_per_user", 10));
	for (i = 1; i < 4; i++)
		ASSERT_LE(0, parley_call(HOST, PORT));
	EXPECT_EQ(PARLEY_REASON_BACKLOG_FULL, refused(PORT));
	EXPECT_TRUE(counted(self, PARLEY_REASON_BACKLOG_FULL, 1));
	close(self->l);
	EXPECT_TRUE(counted(self, PARLEY_REASON_LISTENER_CLOSED, 4));
}

/* A call that waits is refused by rules or a filter when it is to be taken. */
TEST_F(causes, by_the_policy)
{
	struct rules *t = rules_new();
	int one, two;

	ASSERT_NE(NULL, t);
	rules_refuse(t, 7);
	ASSERT_EQ(0, rules_set(self->l, t));
	one = parley_call(HOST, PORT);
	ASSERT_LE(0, one);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_refused_is(one, PARLEY_REASON_RULE, 7));
	EXPECT_TRUE(counted(self, PARLEY_REASON_RULE, 1));
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	EXPECT_EQ(PARLEY_REASON_RULE, refused(PORT));
	EXPECT_TRUE(counted(self, PARLEY_REASON_RULE, 1));

	t->arg.count = 0;
	ASSERT_EQ(0, rules_set(self->l, t));
	ASSERT_EQ(0, filter_say(self->l, 0));
	EXPECT_EQ(PARLEY_REASON_FILTER, refused(PORT));
	EXPECT_TRUE(counted(self, PARLEY_REASON_FILTER, 1));
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ACCEPT));
	two = parley_call(HOST, PORT);
	ASSERT_LE(0, two);
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_refused_is(two, PARLEY_REASON_FILTER, 0));
	EXPECT_TRUE(counted(self, PARLEY_REASON_FILTER, 1));
	rules_free(t);
}

TEST_F(causes, by_the_server)
{
	const struct parley_capacity none = { 0 };
	struct parley_qos qos;
	long long id;
	int call;

	id = decide_offer(self->l, &call);
	ASSERT_LT(0, id);
	ASSERT_EQ(0, decide_refuse(self->l, id, 1, 2, NULL));
	EXPECT_TRUE(counted(self, PARLEY_REASON_SERVER, 1));

	ASSERT_EQ(0, terms_set_defer(self->l, 1, PARLEY_REFUSE));
	id = decide_offer_deferred(self->l, &call);
	ASSERT_LT(0, id);
	EXPECT_TRUE(decide_refused_is(call, PARLEY_REASON_DEFER_EXPIRED, 0));
	EXPECT_TRUE(counted(self, PARLEY_REASON_DEFER_EXPIRED, 1));

	ASSERT_EQ(0, terms_set(self->l, PARLEY_CAPACITY, &none, sizeof(none)));
	call = parley_socket(SOCK_NONBLOCK);
	terms_qos_some(&qos);
	qos.send.service = PARLEY_SERVICE_GUARANTEED;
	ASSERT_EQ(0, terms_set_qos(call, &qos));
	ASSERT_EQ(-EINPROGRESS, test_connect(call, HOST, PORT));
	EXPECT_EQ(-EAGAIN, test_accept(self->l, 0));
	EXPECT_TRUE(decide_refused_is(call, PARLEY_REASON_QOS, 0));
	EXPECT_TRUE(counted(self, PARLEY_REASON_QOS, 1));
}

/* Who gives up, or has no time left, was not refused. */
TEST_F(causes, withdrawn)
{
	struct parley_stat st;
	int call;

	close(parley_call(HOST, PORT));
	call = parley_call(HOST, PORT);
	ASSERT_EQ(0, parley_unspec(call));
	EXPECT_TRUE(counted(self, 0, 0));
	ASSERT_EQ(0, parley_call_timeout(call, 1));
	ASSERT_EQ(call, test_call(call, HOST, PORT));
	EXPECT_EQ(POLLERR | POLLHUP, parley_wait(call, POLLERR) & (POLLERR | POLLHUP));
	EXPECT_EQ(PARLEY_REASON_TIMED_OUT, parley_reason(call));
	EXPECT_TRUE(counted(self, PARLEY_REASON_TIMED_OUT, 1));
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(0, st.refused);
	EXPECT_EQ(3, st.withdrawn);
}

/* What is no refusal for the caller, but counts as one, has a line, too. */
TEST_F(causes, error)
{
	int fd = socket(AF_PARLEY, SOCK_SEQPACKET, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EPROTOTYPE, test_connect(fd, HOST, PORT));
	EXPECT_EQ(PARLEY_REASON_NONE, parley_reason(fd));
	EXPECT_TRUE(counted(self, PARLEY_REASON_NONE, 1));
}

/* Each namespace counts its own. */
TEST_F(causes, of_the_namespace)
{
	pid_t child = parley_fork();

	ASSERT_LE(0, child);
	if (!child)
		_exit(parley_ns_enter() ||
		      refused(PORT) != PARLEY_REASON_NO_LISTENER ||
		      !counted(self, PARLEY_REASON_NO_LISTENER, 1));
	EXPECT_EQ(0, parley_reap(child));
	EXPECT_TRUE(counted(self, 0, 0));
}

TEST_HARNESS_MAIN
