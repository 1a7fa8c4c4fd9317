// SPDX-License-Identifier: GPL-2.0
/*
 * What the verifier makes of policies: programs that must not run are refused,
 * with words that say why, and those that were made for another version of the
 * module run all the same.
 */
#include "kselftest_harness.h"

#include "lib_bpf_core.h"
#include "lib_bpf_script.h"

#define HOST	"127.0.0.1"
#define PORT	8620
#define BAD	"bpf_policy_bad.bpf.o"

FIXTURE(verify) {
	struct policy p;
};

FIXTURE_SETUP(verify)
{
	if (!policy_possible())
		SKIP(return, NO_POLICIES);
	ASSERT_EQ(0, parley_ns_enter());
}

FIXTURE_TEARDOWN(verify)
{
	policy_end(&self->p);
	EXPECT_EQ(0, policy_expect_clean());
}

/* Loads the policy with this program as its condition, and no others. */
static int try_condition(const char *name)
{
	struct bpf_program *program, *wanted;
	struct policy p;
	size_t size;
	void **image;
	int err;

	err = policy_open(&p, BAD);
	if (err)
		return err;
	wanted = bpf_object__find_program_by_name(p.object, name);
	image = bpf_map__initial_value(policy_ops_map(&p), &size);
	if (!wanted || !image)
		return -ENOENT;
	image[0] = wanted;
	bpf_object__for_each_program(program, p.object)
		bpf_program__set_autoload(program, program == wanted);
	policy_log_quiet(true);
	err = policy_load(&p) ?: policy_attach(&p);
	policy_log_quiet(false);
	policy_end(&p);
	return err;
}

/* Refused, and one of these is said about it. */
static bool is_refused(const char *name, const char *text, const char *or)
{
	int err = try_condition(name);

	if (!err) {
		printf("# %s was loaded\n", name);
		fflush(stdout);
		return false;
	}
	return (or && policy_log_found(or)) || policy_log_has(text);
}

TEST_F(verify, good)
{
	EXPECT_EQ(0, try_condition("good"));
}

/* The module's own words. */
TEST_F(verify, read_only)
{
	const char *text = "a call is read only, but for bpf_parley_set_*()";

	EXPECT_TRUE(is_refused("writes", text, NULL));
	EXPECT_TRUE(is_refused("writes_claimed", text, NULL));
}

TEST_F(verify, sleepable)
{
	EXPECT_TRUE(is_refused("sleeps", "unsupported member condition", NULL));
}

/* Functions want the very call that the program was given. */
TEST_F(verify, other_calls)
{
	EXPECT_TRUE(is_refused("null_call", "Possibly NULL pointer passed to",
			       "NULL pointer"));
	/* However much memory it is. */
	EXPECT_TRUE(is_refused("made_up_call",
			       "STRUCT parley_request must point to scalar", NULL));
	EXPECT_TRUE(is_refused("moved_call",
			       "expected pointer to STRUCT parley_request but", NULL));
}

TEST_F(verify, memory)
{
	const char *text = "invalid memory access";

	EXPECT_TRUE(is_refused("small_buffer", text, NULL));
	EXPECT_TRUE(is_refused("small_label", text, NULL));
	EXPECT_TRUE(is_refused("small_reply", text, NULL));
	EXPECT_TRUE(is_refused("small_grant", "indirect access to stack R2",
			       "invalid read from stack R2"));
	EXPECT_TRUE(is_refused("null_grant", "NULL pointer", NULL));
}

TEST_F(verify, out_of_bounds)
{
	EXPECT_TRUE(is_refused("reads_beyond",
			       "access beyond struct parley_request", NULL));
	EXPECT_TRUE(is_refused("reads_before", "invalid negative access",
			       NULL));
	EXPECT_TRUE(is_refused("second_argument", "func 'condition'",
			       "doesn't have 2-th argument"));
}

/* To programs that are no policies the functions do not exist. */
TEST_F(verify, only_for_policies)
{
	struct bpf_program *program, *wanted;
	int err;

	ASSERT_EQ(0, policy_open(&self->p, BAD));
	ASSERT_EQ(0, bpf_map__set_autocreate(policy_ops_map(&self->p), false));
	wanted = bpf_object__find_program_by_name(self->p.object,
						  "not_a_policy");
	ASSERT_NE(NULL, wanted);
	bpf_object__for_each_program(program, self->p.object)
		bpf_program__set_autoload(program, program == wanted);
	policy_log_quiet(true);
	err = policy_load(&self->p);
	policy_log_quiet(false);
	EXPECT_GT(0, err);
	EXPECT_TRUE(policy_log_has("bpf_parley_set_refusal is not allowed"));
}

/* Members are found by their names. */
TEST_F(verify, other_version)
{
	struct parley_qos qos;
	struct rules_call c = {
		.to = "127.0.0.77",
		.terms = { .data = "data", .len = 4, .group = 1ULL << 60 },
	};
	struct core_seen *seen;
	int l;

	ASSERT_EQ(0, policy_start(&self->p, "bpf_policy_core.bpf.o", NULL));
	EXPECT_TRUE(policy_lists("core 0x1 link"));
	seen = policy_variables(&self->p, sizeof(*seen));
	ASSERT_NE(NULL, seen);
	l = parley_listener("0.0.0.0", PORT, 2);
	ASSERT_LE(0, l);
	ASSERT_EQ(0, parley_nonblock(l, true));
	ASSERT_EQ(0, policy_choose(l, "core"));
	terms_qos_some(&qos);
	c.terms.qos = &qos;
	EXPECT_EQ(PARLEY_ACCEPT, script_verdict(l, &c));
	EXPECT_EQ(1, seen->conditions);
	EXPECT_EQ(1, seen->closed);
	EXPECT_EQ(getpid(), seen->pid);
	EXPECT_EQ(geteuid(), seen->uid);
	EXPECT_EQ(PORT, seen->callee_port);
	EXPECT_EQ(77, seen->callee_last);
	EXPECT_EQ(1ULL << 60, seen->group);
	EXPECT_EQ(qos.recv.token_rate, seen->token_rate);
	EXPECT_EQ(1, seen->has_pid);
	EXPECT_EQ(0, seen->has_moon_phase);
	EXPECT_EQ(0, seen->moon_phase);
	EXPECT_EQ(0, memcmp(&seen->data, "data", 4));
}

TEST_HARNESS_MAIN
