// SPDX-License-Identifier: GPL-2.0
/*
 * The quota of tools/bpf when it has no room for all keys: connections that
 * others make are counted nevertheless, and counted out again as themselves,
 * so that no key ever gets more than it may have, nor less for long.
 *
 * PARLEY_STORM_SEED repeats a run, PARLEY_STORM_SCALE is a percentage of the
 * usual size.
 */
#include "kselftest_harness.h"

#include "bpf_quota_small.h"
#include "lib_bpf.h"
#include "lib_race.h"
#include "lib_rules.h"
#include "lib_terms.h"

#define HOST	"127.0.0.1"
#define PORT	8670
#define NAME	"quota_small"
#define KEYS	6
#define MOST	24	/* connections at a time */
#define STEPS	3000

/* A connection; it is a key's. */
struct held {
	__u64 key;
	int fd[2];
};

FIXTURE(small) {
	struct policy p;
	int l;
};

FIXTURE_SETUP(small)
{
	if (!policy_possible())
		SKIP(return, NO_POLICIES);
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 4);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
	ASSERT_EQ(0, terms_set_stage(self->l, PARLEY_STAGE_ARRIVAL));
	ASSERT_EQ(0, policy_start(&self->p, "bpf_quota_small.bpf.o", NULL));
	ASSERT_EQ(0, policy_choose(self->l, NAME));
}

FIXTURE_TEARDOWN(small)
{
	policy_end(&self->p);
	EXPECT_EQ(0, policy_expect_clean());
}

/* A call of that key, and the connection that it becomes. */
static int ask(int l, __u64 key, struct held *h)
{
	struct rules_call c = { .terms.group = key };
	int err = rules_connect(l, &c, &h->fd[0]);

	h->key = key;
	if (err == -EINPROGRESS) {
		h->fd[1] = test_accept(l, 0);
		if (h->fd[1] >= 0)
			return 0;
		err = h->fd[1];
	}
	close(h->fd[0]);
	return err;
}

/* The same while there is no policy; it hears of the connection only. */
static int force(int l, __u64 key, struct held *h)
{
	struct rules_call c = { .terms.group = key };
	int err = policy_choose(l, "");

	err = err ?: rules_connect(l, &c, &h->fd[0]);
	if (err != -EINPROGRESS)
		return err ?: -EISCONN;
	err = policy_choose(l, NAME);
	h->key = key;
	h->fd[1] = test_accept(l, 0);
	return h->fd[1] < 0 ? h->fd[1] : err;
}

static bool is_refused(int l, __u64 key)
{
	struct held h;
	int err = ask(l, key, &h);

	if (err == -ECONNREFUSED)
		return true;
	printf("# key %llu: %d\n", (unsigned long long)key, err);
	fflush(stdout);
	return false;
}

static int end(const struct held *h)
{
	return close(h->fd[1]) ?: close(h->fd[0]);
}

/* All that was counted has been counted out. */
static bool is_empty(const struct policy *p)
{
	unsigned char bucket[64 + 16 * SMALL_SLOTS] = { };
	__u32 index = 0;
	size_t i;

	if (bpf_map_lookup_elem(policy_map_fd(p, "quota"), &index, bucket))
		return false;
	for (i = 0; i < sizeof(bucket) && !bucket[i];)
		i++;
	return i == sizeof(bucket);
}

TEST_F(small, lost)
{
	struct held a, b, c, d, again;
	const int l = self->l;

	ASSERT_EQ(0, ask(l, 1, &a));
	ASSERT_EQ(0, ask(l, 2, &b));
	EXPECT_TRUE(is_refused(l, 3));
	/* There is no slot for it, and there it is. */
	ASSERT_EQ(0, force(l, 3, &c));
	EXPECT_TRUE(is_refused(l, 3));
	EXPECT_TRUE(is_refused(l, 4));
	/* Who has one goes on as before. */
	ASSERT_EQ(0, ask(l, 1, &again));
	EXPECT_TRUE(is_refused(l, 1));
	ASSERT_EQ(0, end(&again));
	ASSERT_EQ(0, end(&a));
	/* There is one, but nobody knows whose connection is lost. */
	EXPECT_TRUE(is_refused(l, 3));
	EXPECT_TRUE(is_refused(l, 4));
	EXPECT_TRUE(is_refused(l, 1));
	ASSERT_EQ(0, force(l, 4, &d));
	ASSERT_EQ(0, ask(l, 2, &again));
	ASSERT_EQ(0, end(&again));
	ASSERT_EQ(0, end(&c));
	EXPECT_TRUE(is_refused(l, 3));
	/* The last one of them. */
	ASSERT_EQ(0, end(&d));
	ASSERT_EQ(0, ask(l, 3, &c));
	ASSERT_EQ(0, ask(l, 3, &d));
	EXPECT_TRUE(is_refused(l, 3));
	ASSERT_EQ(0, end(&c));
	ASSERT_EQ(0, end(&d));
	ASSERT_EQ(0, end(&b));
	EXPECT_TRUE(is_empty(&self->p));
}

/* More than may be, by force: they count, in a slot and when lost. */
TEST_F(small, more_than_may_be)
{
	struct held h[2][SMALL_MAX + 2], b;
	const int l = self->l;
	int i, k;

	ASSERT_EQ(0, ask(l, 9, &b));
	for (k = 0; k < 2; k++)
		for (i = 0; i < SMALL_MAX + 2; i++)
			ASSERT_EQ(0, force(l, 1 + k, &h[k][i]));
	/* The first one has a slot, and the second one has not. */
	for (i = 0; i < SMALL_MAX + 2; i++) {
		EXPECT_TRUE(is_refused(l, 2));
		if (i < 3)
			EXPECT_TRUE(is_refused(l, 1));
		ASSERT_EQ(0, end(&h[0][i]));
	}
	for (i = 0; i < SMALL_MAX + 2; i++) {
		EXPECT_TRUE(is_refused(l, 2));
		ASSERT_EQ(0, end(&h[1][i]));
	}
	ASSERT_EQ(0, ask(l, 2, &h[1][0]));
	ASSERT_EQ(0, end(&h[1][0]));
	ASSERT_EQ(0, end(&b));
	EXPECT_TRUE(is_empty(&self->p));
}

/* One step: 0, or what should not have been. */
static int step(int l, struct race_random *r, struct held *held,
		unsigned int *n, unsigned int *live)
{
	__u64 key = 1 + race_below(r, KEYS);
	unsigned int i, kind = race_below(r, 16);
	int err;

	if (*n == MOST || (*n && kind < 8)) {
		i = race_below(r, *n);
		live[held[i].key]--;
		err = end(&held[i]);
		held[i] = held[--*n];
		return err;
	}
	err = kind < 10 ? force(l, key, &held[*n]) : ask(l, key, &held[*n]);
	if (err == -ECONNREFUSED)
		/* Whose fault it was that there is none is not known here. */
		return *n ? 0 : err;
	if (err)
		return err;
	if (kind >= 10 && live[key] >= SMALL_MAX)
		return -EDQUOT;
	++*n;
	++live[key];
	return 0;
}

TEST_F_TIMEOUT(small, any_order, 300)
{
	unsigned int n = 0, live[KEYS + 1] = { }, i, steps = race_scale(STEPS);
	struct held held[MOST + 1], h;
	__u64 seed = race_seed();
	struct race_random r;

	TH_LOG("seed %llu", (unsigned long long)seed);
	race_random_init(&r, seed, 1);
	for (i = 0; i < steps; i++)
		ASSERT_EQ(0, step(self->l, &r, held, &n, live));
	while (n)
		ASSERT_EQ(0, end(&held[--n]));
	EXPECT_TRUE(is_empty(&self->p));
	for (i = 1; i <= KEYS; i++) {
		ASSERT_EQ(0, ask(self->l, i, &h));
		ASSERT_EQ(0, end(&h));
	}
}

TEST_HARNESS_MAIN
