// SPDX-License-Identifier: GPL-2.0
/*
 * Quality of service: which wishes make sense, and that both ends of a
 * connection know what was granted, each from where it stands.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib_terms.h"

#define HOST	"127.0.0.1"
#define PORT	7310
#define ANY	PARLEY_QOS_UNSPECIFIED
#define NOTRAFFIC	PARLEY_SERVICE_NOTRAFFIC
#define BESTEFFORT	PARLEY_SERVICE_BESTEFFORT
#define CONTROLLEDLOAD	PARLEY_SERVICE_CONTROLLEDLOAD
#define GUARANTEED	PARLEY_SERVICE_GUARANTEED

/* The members of struct parley_flowspec by their place. */
enum {
	RATE, BUCKET, PEAK, LATENCY, VARIATION, SERVICE, SDU, POLICED, MEMBERS,
};

struct wish {
	const char *what;
	struct {
		int member;
		__u32 value;
	} set[3];
	int count;
};

static const struct wish valid[] = {
	{ "nothing in particular" },
	{ "least rate", { { RATE, 1 } }, 1 },
	{ "highest rate", { { RATE, ANY - 1 } }, 1 },
	{ "least bucket", { { BUCKET, 1 } }, 1 },
	{ "highest bucket", { { BUCKET, ANY - 1 } }, 1 },
	{ "peak without rate", { { PEAK, 1 } }, 1 },
	{ "peak is rate", { { RATE, 500 }, { PEAK, 500 } }, 2 },
	{ "peak above rate", { { RATE, 500 }, { PEAK, 501 } }, 2 },
	{ "rate without peak", { { RATE, 500 }, { PEAK, ANY } }, 2 },
	{ "no latency at all", { { LATENCY, 0 } }, 1 },
	{ "highest latency", { { LATENCY, ANY - 1 } }, 1 },
	{ "no variation at all", { { VARIATION, 0 } }, 1 },
	{ "highest variation", { { VARIATION, ANY - 1 } }, 1 },
	{ "less latency than variation",
	  { { LATENCY, 1 }, { VARIATION, 2 } }, 2 },
	{ "largest piece alone", { { SDU, 1500 } }, 1 },
	{ "smallest piece alone", { { POLICED, 1500 } }, 1 },
	{ "pieces of one size", { { SDU, 1500 }, { POLICED, 1500 } }, 2 },
	{ "pieces of any size", { { SDU, 1500 }, { POLICED, 0 } }, 2 },
	{ "controlled load", { { SERVICE, CONTROLLEDLOAD } }, 1 },
	{ "guaranteed", { { SERVICE, GUARANTEED }, { RATE, 1 } }, 2 },
	{ "no traffic", { { SERVICE, NOTRAFFIC } }, 1 },
	{ "no traffic, no rate", { { SERVICE, NOTRAFFIC }, { RATE, 0 } }, 2 },
	{ "no traffic, no bucket",
	  { { SERVICE, NOTRAFFIC }, { BUCKET, 0 } }, 2 },
	{ "no traffic, nothing at all",
	  { { SERVICE, NOTRAFFIC }, { RATE, 0 }, { PEAK, 0 } }, 3 },
};

static const struct wish invalid[] = {
	{ "no rate", { { RATE, 0 } }, 1 },
	{ "no rate, controlled load",
	  { { RATE, 0 }, { SERVICE, CONTROLLEDLOAD } }, 2 },
	{ "no rate, guaranteed", { { RATE, 0 }, { SERVICE, GUARANTEED } }, 2 },
	{ "no bucket", { { BUCKET, 0 } }, 1 },
	{ "no bucket, controlled load",
	  { { BUCKET, 0 }, { SERVICE, CONTROLLEDLOAD } }, 2 },
	{ "no bucket, guaranteed",
	  { { BUCKET, 0 }, { SERVICE, GUARANTEED }, { RATE, 1 } }, 3 },
	{ "peak below rate", { { RATE, 500 }, { PEAK, 499 } }, 2 },
	{ "no peak", { { RATE, 1 }, { PEAK, 0 } }, 2 },
	{ "peak below rate, no traffic",
	  { { SERVICE, NOTRAFFIC }, { RATE, 2 }, { PEAK, 1 } }, 3 },
	{ "guaranteed what?", { { SERVICE, GUARANTEED } }, 1 },
	{ "better than guaranteed",
	  { { SERVICE, GUARANTEED + 1 }, { RATE, 1 } }, 2 },
	{ "service of high bits", { { SERVICE, 0x80000001 } }, 1 },
	{ "any service", { { SERVICE, ANY } }, 1 },
	{ "policed above largest", { { SDU, 1499 }, { POLICED, 1500 } }, 2 },
	{ "policed above none", { { SDU, 0 }, { POLICED, 1 } }, 2 },
};

FIXTURE(qos) {
	int l;
	struct parley_qos none;
	struct parley_qos some;
};

FIXTURE_SETUP(qos)
{
	terms_qos_none(&self->none);
	terms_qos_some(&self->some);
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
}

FIXTURE_TEARDOWN(qos)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* @directions: bit 0 is what is sent, bit 1 what is received. */
static void wish(struct parley_qos *qos, const struct wish *w, int directions)
{
	__u32 *member[2] = { (__u32 *)&qos->send, (__u32 *)&qos->recv };
	int i, k;

	terms_qos_none(qos);
	for (i = 0; i < 2; i++)
		for (k = 0; k < w->count; k++)
			if (directions & 1 << i)
				member[i][w->set[k].member] = w->set[k].value;
}

TEST_F(qos, none)
{
	struct parley_call_info info;
	int call, new;

	EXPECT_TRUE(terms_qos_is(self->l, &self->none));
	call = parley_call(HOST, PORT);
	ASSERT_LE(0, call);
	EXPECT_TRUE(terms_qos_is(call, &self->none));
	ASSERT_EQ(0, terms_next(self->l, &info, 0));
	EXPECT_EQ(0, info.flags & PARLEY_INFO_QOS);
	EXPECT_TRUE(terms_qos_eq(&info.qos, &self->none));
	EXPECT_TRUE(terms_qos_eq(&info.granted, &self->none));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(terms_qos_is(call, &self->none));
	EXPECT_TRUE(terms_qos_is(new, &self->none));
	ASSERT_EQ(0, terms_info(new, &info));
	EXPECT_EQ(0, info.flags & PARLEY_INFO_QOS);
	EXPECT_TRUE(terms_qos_eq(&info.qos, &self->none));
	EXPECT_TRUE(terms_qos_eq(&info.granted, &self->none));
}

TEST_F(qos, valid)
{
	struct parley_qos qos;
	int i, k, fd;

	fd = parley_socket(0);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(terms_qos_is(fd, &self->none));
	for (i = 0; i < ARRAY_SIZE(valid); i++)
		for (k = 0; k < 4; k++) {
			wish(&qos, &valid[i], k);
			EXPECT_EQ(0, terms_set_qos(fd, &qos))
				TH_LOG("%s (%d)", valid[i].what, k);
			EXPECT_TRUE(terms_qos_is(fd, &qos));
		}
	EXPECT_EQ(0, terms_set_qos(fd, &self->some));
	EXPECT_TRUE(terms_qos_is(fd, &self->some));
}

/* What makes no sense changes nothing, also not in the other direction. */
TEST_F(qos, invalid)
{
	struct parley_qos qos;
	int i, k, fd;

	fd = parley_socket(0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, terms_set_qos(fd, &self->some));
	for (i = 0; i < ARRAY_SIZE(invalid); i++)
		for (k = 1; k < 4; k++) {
			wish(&qos, &invalid[i], k);
			EXPECT_EQ(-EINVAL, terms_set_qos(fd, &qos))
				TH_LOG("%s (%d)", invalid[i].what, k);
			EXPECT_TRUE(terms_qos_is(fd, &self->some));
		}
}

/* A program of the future knows more members; what they say is not looked at. */
TEST_F(qos, longer)
{
	struct {
		struct parley_qos qos;
		__u32 more[8];
	} value = { .qos = self->some };
	int fd = parley_socket(0);

	ASSERT_LE(0, fd);
	memset(value.more, 0xee, sizeof(value.more));
	EXPECT_EQ(0, terms_set(fd, PARLEY_QOS, &value, sizeof(value)));
	EXPECT_TRUE(terms_qos_is(fd, &self->some));
}

/* To say that nothing is asked for is not to ask; the least of a wish is. */
TEST_F(qos, asked_for_or_not)
{
	struct parley_call_info info;
	struct parley_qos asked;
	int i, k, call, new;

	for (i = 0; i < 2; i++)
		for (k = 0; k <= MEMBERS; k++) {
			asked = self->none;
			if (k < MEMBERS)
				((__u32 *)&asked)[i * MEMBERS + k] = 2;
			call = parley_socket(SOCK_NONBLOCK);
			ASSERT_LE(0, call);
			ASSERT_EQ(0, terms_set_qos(call, &self->some));
			ASSERT_EQ(0, terms_set_qos(call, &asked));
			ASSERT_EQ(-EINPROGRESS, test_connect(call, HOST, PORT));
			new = test_accept(self->l, 0);
			ASSERT_LE(0, new);
			ASSERT_EQ(0, terms_info(new, &info));
			EXPECT_EQ(k < MEMBERS ? PARLEY_INFO_QOS : 0,
				  info.flags & PARLEY_INFO_QOS)
				TH_LOG("member %d of direction %d", k, i);
			EXPECT_TRUE(terms_qos_eq(&info.qos, &asked));
		}
}

/* Plain accept(2) grants all of it; each end sees it from its own side. */
TEST_F(qos, granted_as_asked)
{
	const struct terms t = { .qos = &self->some };
	struct parley_qos seen = self->some;
	struct parley_call_info info;
	int call, new;

	terms_qos_swap(&seen);
	call = terms_call(HOST, PORT, &t);
	ASSERT_LE(0, call);
	EXPECT_TRUE(terms_qos_is(call, &self->some));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(terms_qos_is(call, &self->some));
	EXPECT_TRUE(terms_qos_is(new, &seen));
	ASSERT_EQ(0, terms_info(new, &info));
	EXPECT_EQ(PARLEY_INFO_QOS, info.flags & PARLEY_INFO_QOS);
	EXPECT_TRUE(terms_qos_eq(&info.qos, &self->some));
	EXPECT_TRUE(terms_qos_eq(&info.granted, &self->some));
	/* The listener has nothing to do with it. */
	EXPECT_TRUE(terms_qos_is(self->l, &self->none));
}

/* Less than was asked, in each member, and more in none. */
static void less(struct parley_qos *qos)
{
	struct parley_flowspec *f[2] = { &qos->send, &qos->recv };
	int i;

	for (i = 0; i < 2; i++) {
		f[i]->token_rate -= 1000 + i;
		f[i]->bucket_size -= 100 + i;
		f[i]->peak_rate -= 2000 + i;
		f[i]->latency_us += 300 + i;
		f[i]->delay_variation_us += 400 + i;
		f[i]->service -= 1;
		f[i]->max_sdu -= 50 + i;
		f[i]->min_policed += 60 + i;
	}
}

FIXTURE(grant) {
	int l;
	struct parley_qos asked;
	struct parley_qos granted;
};

FIXTURE_VARIANT(grant) {
	bool rule;		/* granted by a rule, not by DECIDE */
};

FIXTURE_VARIANT_ADD(grant, decided) { .rule = false };
FIXTURE_VARIANT_ADD(grant, rule) { .rule = true };

FIXTURE_SETUP(grant)
{
	terms_qos_some(&self->asked);
	self->granted = self->asked;
	less(&self->granted);
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_nonblock(self->l, true));
}

FIXTURE_TEARDOWN(grant)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Accepts the one call that waits at @l, and grants it @grant. */
static int grant_to(int l, const struct parley_qos *grant, bool rule)
{
	struct parley_rule_answer answer = {
		.verdict = PARLEY_ACCEPT,
		.flags = PARLEY_ANSWER_QOS,
		.grant = *grant,
	};
	struct parley_decision d = {
		.size = sizeof(d),
		.verdict = PARLEY_ACCEPT,
		.flags = PARLEY_DECIDE_QOS,
		.qos = *grant,
	};
	struct parley_call_info info;
	int err;

	if (rule) {
		err = terms_rule(l, &answer, NULL, 0);
		return err ?: test_accept(l, 0);
	}
	err = terms_next(l, &info, 0);
	if (err)
		return err;
	d.id = info.id;
	if (ioctl(l, PARLEY_IOC_DECIDE, &d))
		return -errno;
	return test_accept(l, 0);
}

/* Less is granted; the wish is still known to the server. */
TEST_F(grant, both_ends)
{
	const struct terms t = { .qos = &self->asked };
	struct parley_qos seen = self->granted;
	struct parley_call_info info;
	int call, new;

	terms_qos_swap(&seen);
	call = terms_call(HOST, PORT, &t);
	ASSERT_LE(0, call);
	EXPECT_TRUE(terms_qos_is(call, &self->asked));
	new = grant_to(self->l, &self->granted, variant->rule);
	ASSERT_LE(0, new);
	EXPECT_TRUE(terms_qos_is(call, &self->granted));
	EXPECT_TRUE(terms_qos_is(new, &seen));
	ASSERT_EQ(0, terms_info(new, &info));
	EXPECT_TRUE(terms_qos_eq(&info.qos, &self->asked));
	EXPECT_TRUE(terms_qos_eq(&info.granted, &self->granted));
	EXPECT_TRUE(parley_talks(call, new));
	/* It stays known while the connection does. */
	close(call);
	EXPECT_TRUE(terms_qos_is(new, &seen));
}

/* Who did not ask may be given a rate, but no latency. */
TEST_F(grant, to_who_did_not_ask)
{
	struct parley_call_info info;
	struct parley_qos given, seen;
	int call, new;

	terms_qos_none(&given);
	given.send.token_rate = 1000;
	given.send.peak_rate = 2000;
	given.recv.token_rate = 3000;
	given.recv.bucket_size = 500;
	given.recv.service = PARLEY_SERVICE_NOTRAFFIC;
	seen = given;
	terms_qos_swap(&seen);
	call = parley_call(HOST, PORT);
	ASSERT_LE(0, call);
	new = grant_to(self->l, &given, variant->rule);
	ASSERT_LE(0, new);
	EXPECT_TRUE(terms_qos_is(call, &given));
	EXPECT_TRUE(terms_qos_is(new, &seen));
	ASSERT_EQ(0, terms_info(new, &info));
	EXPECT_EQ(0, info.flags & PARLEY_INFO_QOS);
	EXPECT_TRUE(terms_qos_eq(&info.granted, &given));
}

/* What a decider is told is what will be granted if it says no more. */
TEST_F(grant, known_before)
{
	const struct terms t = { .qos = &self->asked };
	struct parley_rule_answer defers = {
		.verdict = PARLEY_DEFER,
	};
	struct parley_call_info info;

	if (variant->rule)
		ASSERT_EQ(0, terms_rule(self->l, &defers, NULL, 0));
	ASSERT_LE(0, terms_call(HOST, PORT, &t));
	ASSERT_EQ(0, terms_next(self->l, &info, PARLEY_NEXT_DEFERRED));
	EXPECT_TRUE(terms_qos_eq(&info.qos, &self->asked));
	EXPECT_TRUE(terms_qos_eq(&info.granted, &self->asked));
}

TEST_HARNESS_MAIN
