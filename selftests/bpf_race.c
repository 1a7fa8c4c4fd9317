// SPDX-License-Identifier: GPL-2.0
/*
 * Policies that are chosen, replaced, updated and unloaded while calls come:
 * what a call is told is from one version of one policy, at both ends, or from
 * none; and whatever a policy accepted becomes a connection once, or is dropped
 * once.
 *
 * PARLEY_STORM_SEED repeats a run, PARLEY_STORM_SCALE is a percentage of the
 * usual size.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib_bpf_race.h"
#include "lib_terms.h"

#define HOST		"127.0.0.1"
#define PORT		7600
#define CALLERS		3
#define ACCEPTORS	2
#define CALLS		2000	/* of each caller */

/* What a call was told, beside a version. */
#define SAW_NONE	RACE_VERSIONS
#define SAW_FAULT	(RACE_VERSIONS + 1)
#define SAW_NOTHING	(RACE_VERSIONS + 2)

static const char * const names[2] = { "race_a", "race_b" };

static struct trouble trouble;
static __u64 seed;
static int listener;
static unsigned int calls;	/* of each caller */
static unsigned int finished;
static unsigned int complaints;
static unsigned int saw[2][SAW_NOTHING];	/* refused and accepted */

static void wrong(const char *what, unsigned int number, long value)
{
	if (__atomic_add_fetch(&complaints, 1, __ATOMIC_RELAXED) > 20)
		return;
	printf("# should not be: call %u, %s %ld\n", number, what, value);
	fflush(stdout);
}

static bool stopped(void)
{
	return __atomic_load_n(&finished, __ATOMIC_ACQUIRE);
}

static bool refuses(unsigned int kind, unsigned int version)
{
	return kind == RACE_REFUSE || (kind == RACE_EITHER && version % 2 == 0);
}

/* Whether the reply is that of one version; which one, or SAW_... */
static unsigned int reply_version(int fd)
{
	char reply[RACE_LEN(RACE_VERSIONS)], all[sizeof(reply)];
	socklen_t len = sizeof(reply);
	unsigned int v;

	if (terms_get(fd, PARLEY_REPLY_DATA, reply, &len))
		return SAW_NOTHING;
	if (!len)
		return SAW_NONE;
	v = (unsigned char)reply[0] - RACE_BYTE(0);
	if (v >= RACE_VERSIONS || len != RACE_LEN(v))
		return SAW_NOTHING;
	memset(all, RACE_BYTE(v), len);
	return memcmp(reply, all, len) ? SAW_NOTHING : v;
}

/* Whether the grant is what this version grants, or none. */
static bool grant_is(const struct parley_qos *qos, unsigned int version)
{
	struct parley_qos want;

	terms_qos_none(&want);
	if (version < RACE_VERSIONS)
		want.send.token_rate = RACE_RATE(version);
	return terms_qos_eq(qos, &want);
}

static unsigned int see_refused(int fd, unsigned int number, unsigned int kind)
{
	unsigned int v = reply_version(fd);
	struct parley_refusal r;

	if (parley_refusal(fd, &r)) {
		wrong("no refusal", number, errno);
	} else if (r.reason == PARLEY_REASON_POLICY_FAULT) {
		if (r.code || r.retry_after_ms || r.data_len || v != SAW_NONE)
			wrong("a fault says something, code", number, r.code);
		return SAW_FAULT;
	} else if (r.reason != PARLEY_REASON_POLICY || v >= RACE_VERSIONS ||
		   r.code != RACE_CODE(v) ||
		   r.retry_after_ms != RACE_RETRY(v)) {
		wrong("refused, reason", number, r.reason);
		wrong("code", number, r.code);
		wrong("retry-after", number, r.retry_after_ms);
		wrong("reply's version", number, v);
	} else if (!refuses(kind, v)) {
		wrong("refused by a version that accepts", number, v);
	} else {
		return v;
	}
	return SAW_NOTHING;
}

static unsigned int see_accepted(int fd, unsigned int number, unsigned int kind)
{
	unsigned int v = reply_version(fd);
	struct parley_qos qos;
	char byte = -1;

	if (terms_qos(fd, &qos) || v == SAW_NOTHING || !grant_is(&qos, v)) {
		wrong("reply and grant are of different versions", number, v);
		return SAW_NOTHING;
	}
	if (v < RACE_VERSIONS && refuses(kind, v))
		wrong("accepted by a version that refuses", number, v);
	/* The other end says what it has seen. */
	if (recv(fd, &byte, 1, 0) != 1 || byte != (char)v)
		wrong("the accepted socket has seen", number, byte);
	return v;
}

static void one_call(unsigned int number, unsigned int kind)
{
	unsigned int v = SAW_NOTHING;
	bool accepted = false;
	int fd, err;

	fd = parley_socket(SOCK_CLOEXEC);
	err = terms_set_group(fd, number << RACE_KIND_BITS | kind) ?:
	      test_connect(fd, HOST, PORT);
	if (err == -ECONNREFUSED) {
		v = see_refused(fd, number, kind);
	} else if (!err) {
		accepted = true;
		v = see_accepted(fd, number, kind);
	} else {
		wrong("connect", number, err);
	}
	if (v != SAW_NOTHING)
		__atomic_add_fetch(&saw[accepted][v], 1, __ATOMIC_RELAXED);
	close(fd);
}

static long caller_main(void *arg)
{
	unsigned int first = calls * *(unsigned int *)arg, i;
	struct race_random r;

	race_random_init(&r, seed, 10 + first);
	for (i = 0; i < calls; i++)
		one_call(first + i, race_below(&r, 3));
	return 0;
}

/* Who decided, with what grant and reply: one version. */
static long acceptor_main(void *arg)
{
	struct parley_call_info info;
	unsigned int v, by;
	char byte;
	int fd;

	for (;;) {
		fd = test_accept(listener, 0);
		if (fd < 0)
			return fd;
		v = reply_version(fd);
		by = v < RACE_VERSIONS ? PARLEY_BY_POLICY : PARLEY_BY_ACCEPT;
		if (terms_info(fd, &info) || info.decided_by != by ||
		    !grant_is(&info.granted, v))
			wrong("accepted, version",
			      info.group >> RACE_KIND_BITS, v);
		byte = v;
		if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
			wrong("send", info.group >> RACE_KIND_BITS, errno);
		close(fd);
	}
}

/* Looks at all there is until the listener is shut down. */
static long looker_main(void *arg)
{
	struct parley_call_info info;
	int err;

	while (!(err = terms_next(listener, &info, 0)))
		if ((info.group & 3) == RACE_REFUSE &&
		    info.decided_by == PARLEY_BY_POLICY)
			wrong("shown, and yet refused",
			      info.group >> RACE_KIND_BITS, info.decided_by);
	return err;
}

static long owner_main(void *arg)
{
	struct owner *o = arg;
	struct race_random r;
	int err;

	race_random_init(&r, seed, 1 + (o - trouble.owner));
	while (!stopped()) {
		err = owner_act(o, &r);
		if (err)
			wrong("owner", 0, err);
	}
	return 0;
}

/* Updates what others own. */
static long updater_main(void *arg)
{
	struct race_random r;
	int err;

	race_random_init(&r, seed, 3);
	while (!stopped()) {
		err = owner_update(&trouble.owner[race_below(&r, 2)],
				   race_below(&r, 2));
		if (err)
			wrong("update", 0, err);
	}
	return 0;
}

static long chooser_main(void *arg)
{
	struct race_random r;
	unsigned int i;
	int err;

	race_random_init(&r, seed, 4);
	for (i = 0; !stopped(); i++) {
		err = race_below(&r, 3) ?
		      trouble_choose(&trouble, listener, names, &r) :
		      trouble_choose_link(&trouble, listener, &r);
		if (err)
			wrong("choice", 0, err);
		race_spin(race_below(&r, 20000));
	}
	return i;
}

FIXTURE(bpf_race) {
	struct parley_thread owner[2], updater, chooser, looker;
	struct parley_thread caller[CALLERS], acceptor[ACCEPTORS];
	unsigned int number[CALLERS];
};

FIXTURE_VARIANT(bpf_race) {
	unsigned int stage;
	unsigned int trouble;
	bool look;	/* somebody looks at the calls before they are taken */
};

FIXTURE_VARIANT_ADD(bpf_race, accept) {
	.stage = PARLEY_STAGE_ACCEPT,
	.trouble = TROUBLE_UNLOAD | TROUBLE_NONE,
};

FIXTURE_VARIANT_ADD(bpf_race, arrival) {
	.stage = PARLEY_STAGE_ARRIVAL,
	.trouble = TROUBLE_UNLOAD | TROUBLE_NONE,
};

FIXTURE_VARIANT_ADD(bpf_race, look) {
	.stage = PARLEY_STAGE_ACCEPT,
	.trouble = TROUBLE_UNLOAD | TROUBLE_NONE,
	.look = true,
};

FIXTURE_VARIANT_ADD(bpf_race, accept_loaded) {
	.stage = PARLEY_STAGE_ACCEPT,
	.trouble = 0,
};

FIXTURE_VARIANT_ADD(bpf_race, arrival_loaded) {
	.stage = PARLEY_STAGE_ARRIVAL,
	.trouble = 0,
};

FIXTURE_SETUP(bpf_race)
{
	if (!policy_possible())
		SKIP(return, NO_POLICIES);
	seed = race_seed();
	calls = race_scale(CALLS);
	ASSERT_EQ(0, parley_ns_enter());
	listener = parley_listener(HOST, PORT, 64);
	ASSERT_LE(0, listener);
	ASSERT_EQ(0, terms_set_stage(listener, variant->stage));
	ASSERT_EQ(0, trouble_start(&trouble, "bpf_race.bpf.o", CALLERS * calls,
				   variant->trouble));
	ASSERT_EQ(0, trouble_load(&trouble));
	ASSERT_EQ(0, policy_choose(listener, names[0]));
}

FIXTURE_TEARDOWN(bpf_race)
{
	if (complaints)
		TH_LOG("seed %llu", (unsigned long long)seed);
	EXPECT_EQ(0, complaints);
	trouble_unload(&trouble);
	trouble_end(&trouble);
	EXPECT_EQ(0, policy_expect_clean());
}

/*
 * What calls have seen must be all there is to see in this variant, unless there
 * were few of them, when some of it may have been missed; and nothing else.
 */
static void print_saw(unsigned int trouble)
{
	bool all = race_scale(100) == 100;
	unsigned int i;

	for (i = 0; i < RACE_VERSIONS; i++)
		printf("# version %u: refused %u, accepted %u\n", i, saw[0][i],
		       saw[1][i]);
	printf("# none: accepted %u; faults: %u\n", saw[1][SAW_NONE],
	       saw[0][SAW_FAULT]);
	fflush(stdout);
	for (i = 0; all && i < RACE_VERSIONS; i++)
		if (!saw[0][i] || !saw[1][i])
			wrong("nothing seen of version", 0, i);
	if (trouble & TROUBLE_NONE ? all && !saw[1][SAW_NONE] : saw[1][SAW_NONE])
		wrong("without a policy", 0, saw[1][SAW_NONE]);
	if (trouble & TROUBLE_UNLOAD ? all && !saw[0][SAW_FAULT] : saw[0][SAW_FAULT])
		wrong("faults", 0, saw[0][SAW_FAULT]);
}

TEST_F_TIMEOUT(bpf_race, calls, 500)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, parley_thread_start(&self->owner[i], 0, owner_main,
						 &trouble.owner[i]));
	ASSERT_EQ(0, parley_thread_start(&self->updater, 0, updater_main,
					 NULL));
	ASSERT_EQ(0, parley_thread_start(&self->chooser, 0, chooser_main,
					 NULL));
	for (i = 0; i < ACCEPTORS; i++)
		ASSERT_EQ(0, parley_thread_start(&self->acceptor[i], 0,
						 acceptor_main, NULL));
	if (variant->look)
		ASSERT_EQ(0, parley_thread_start(&self->looker, 0, looker_main,
						 NULL));
	for (i = 0; i < CALLERS; i++) {
		self->number[i] = i;
		ASSERT_EQ(0, parley_thread_start(&self->caller[i], 0,
						 caller_main,
						 &self->number[i]));
	}
	/* Each of their calls is bounded by the harness' time alone. */
	for (i = 0; i < CALLERS; i++)
		pthread_join(self->caller[i].thread, NULL);
	__atomic_store_n(&finished, 1, __ATOMIC_RELEASE);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, parley_thread_join(&self->owner[i]));
	EXPECT_EQ(0, parley_thread_join(&self->updater));
	EXPECT_LT(0, parley_thread_join(&self->chooser));
	ASSERT_EQ(0, shutdown(listener, SHUT_RDWR));
	for (i = 0; i < ACCEPTORS; i++)
		EXPECT_EQ(-EINVAL, parley_thread_join(&self->acceptor[i]));
	if (variant->look)
		EXPECT_EQ(-EINVAL, parley_thread_join(&self->looker));
	EXPECT_EQ(0, close(listener));
	EXPECT_EQ(0, trouble_balance(&trouble));
	print_saw(variant->trouble);
}

TEST_HARNESS_MAIN
