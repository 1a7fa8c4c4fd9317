// SPDX-License-Identifier: GPL-2.0
/*
 * The structs of <linux/parley.h>: no hole in any of them, so that there are no
 * bytes which nobody sets, and 32-bit and 64-bit programs have the same ones.
 * The compiler is what tests that: where something is wrong, this program is
 * not built.
 */
#include "kselftest_harness.h"

#include <stddef.h>
#include <linux/parley.h>

/*
 * One struct, and all of its members in their order: each begins where the one
 * before ends, the last one ends where the struct does, and numbers of 64 bits
 * are where any machine would have them.
 */
#define MEMBER(s, m, after, size)					\
	_Static_assert(offsetof(struct s, m) == (after) &&		\
		       sizeof(((struct s *)0)->m) == (size) &&		\
		       ((size) != 8 || offsetof(struct s, m) % 8 == 0),	\
		       #m " of struct " #s " is not where it should be")
#define END(s, after)							\
	_Static_assert(sizeof(struct s) == (after),			\
		       "struct " #s " has a hole at its end")

#define FLOW	32
#define QOS	(2 * FLOW)
#define NAME	128
#define ANSWER	(24 + QOS)

MEMBER(parley_refusal, reason, 0, 4);
MEMBER(parley_refusal, code, 4, 4);
MEMBER(parley_refusal, retry_after_ms, 8, 4);
MEMBER(parley_refusal, data_len, 12, 4);
END(parley_refusal, 16);

MEMBER(parley_backlog, limit, 0, 4);
MEMBER(parley_backlog, pending, 4, 4);
MEMBER(parley_backlog, deferred, 8, 4);
MEMBER(parley_backlog, approved, 12, 4);
END(parley_backlog, 16);

MEMBER(parley_flowspec, token_rate, 0, 4);
MEMBER(parley_flowspec, bucket_size, 4, 4);
MEMBER(parley_flowspec, peak_rate, 8, 4);
MEMBER(parley_flowspec, latency_us, 12, 4);
MEMBER(parley_flowspec, delay_variation_us, 16, 4);
MEMBER(parley_flowspec, service, 20, 4);
MEMBER(parley_flowspec, max_sdu, 24, 4);
MEMBER(parley_flowspec, min_policed, 28, 4);
END(parley_flowspec, FLOW);

MEMBER(parley_qos, send, 0, FLOW);
MEMBER(parley_qos, recv, FLOW, FLOW);
END(parley_qos, QOS);

MEMBER(parley_capacity, send, 0, 8);
MEMBER(parley_capacity, recv, 8, 8);
MEMBER(parley_capacity, send_used, 16, 8);
MEMBER(parley_capacity, recv_used, 24, 8);
END(parley_capacity, 32);

MEMBER(parley_call_info, id, 0, 8);
MEMBER(parley_call_info, flags, 8, 4);
MEMBER(parley_call_info, decided_by, 12, 4);
MEMBER(parley_call_info, rule, 16, 4);
MEMBER(parley_call_info, data_len, 20, 4);
MEMBER(parley_call_info, uid, 24, 4);
MEMBER(parley_call_info, gid, 28, 4);
MEMBER(parley_call_info, pid, 32, 4);
MEMBER(parley_call_info, groups, 36, 4);
MEMBER(parley_call_info, label_len, 40, 4);
MEMBER(parley_call_info, pad, 44, 4);
MEMBER(parley_call_info, cgroup_id, 48, 8);
MEMBER(parley_call_info, netns_cookie, 56, 8);
MEMBER(parley_call_info, group, 64, 8);
MEMBER(parley_call_info, age_ns, 72, 8);
MEMBER(parley_call_info, timeout_ns, 80, 8);
MEMBER(parley_call_info, defer_timeout_ns, 88, 8);
MEMBER(parley_call_info, qos, 96, QOS);
MEMBER(parley_call_info, granted, 96 + QOS, QOS);
MEMBER(parley_call_info, caller, 96 + 2 * QOS, NAME);
MEMBER(parley_call_info, callee, 96 + 2 * QOS + NAME, NAME);
END(parley_call_info, 96 + 2 * QOS + 2 * NAME);

MEMBER(parley_defer_timeout, timeout_ms, 0, 4);
MEMBER(parley_defer_timeout, verdict, 4, 4);
END(parley_defer_timeout, 8);

MEMBER(parley_next_call, size, 0, 4);
MEMBER(parley_next_call, flags, 4, 4);
MEMBER(parley_next_call, data, 8, 8);
MEMBER(parley_next_call, groups, 16, 8);
MEMBER(parley_next_call, label, 24, 8);
MEMBER(parley_next_call, data_room, 32, 4);
MEMBER(parley_next_call, groups_room, 36, 4);
MEMBER(parley_next_call, label_room, 40, 4);
MEMBER(parley_next_call, pad, 44, 4);
MEMBER(parley_next_call, info, 48, sizeof(struct parley_call_info));
END(parley_next_call, 48 + sizeof(struct parley_call_info));

MEMBER(parley_decision, size, 0, 4);
MEMBER(parley_decision, verdict, 4, 4);
MEMBER(parley_decision, id, 8, 8);
MEMBER(parley_decision, flags, 16, 4);
MEMBER(parley_decision, code, 20, 4);
MEMBER(parley_decision, retry_after_ms, 24, 4);
MEMBER(parley_decision, reply_len, 28, 4);
MEMBER(parley_decision, reply, 32, 8);
MEMBER(parley_decision, qos, 40, QOS);
END(parley_decision, 40 + QOS);

MEMBER(parley_rule_answer, verdict, 0, 4);
MEMBER(parley_rule_answer, flags, 4, 4);
MEMBER(parley_rule_answer, code, 8, 4);
MEMBER(parley_rule_answer, retry_after_ms, 12, 4);
MEMBER(parley_rule_answer, reply, 16, 4);
MEMBER(parley_rule_answer, reply_len, 20, 4);
MEMBER(parley_rule_answer, grant, 24, QOS);
END(parley_rule_answer, ANSWER);

MEMBER(parley_rule_qos, send_min, 0, 4);
MEMBER(parley_rule_qos, send_max, 4, 4);
MEMBER(parley_rule_qos, recv_min, 8, 4);
MEMBER(parley_rule_qos, recv_max, 12, 4);
MEMBER(parley_rule_qos, services, 16, 4);
END(parley_rule_qos, 20);

MEMBER(parley_rule_rate, calls, 0, 4);
MEMBER(parley_rule_rate, interval_ms, 4, 4);
MEMBER(parley_rule_rate, burst, 8, 4);
END(parley_rule_rate, 12);

MEMBER(parley_rule, match, 0, 4);
MEMBER(parley_rule, flags, 4, 4);
MEMBER(parley_rule, caller, 8, 16);
MEMBER(parley_rule, caller_prefix, 24, 4);
MEMBER(parley_rule, port_min, 28, 2);
MEMBER(parley_rule, port_max, 30, 2);
MEMBER(parley_rule, uid_min, 32, 4);
MEMBER(parley_rule, uid_max, 36, 4);
MEMBER(parley_rule, gid_min, 40, 4);
MEMBER(parley_rule, gid_max, 44, 4);
MEMBER(parley_rule, cgroup_id, 48, 8);
MEMBER(parley_rule, group, 56, 8);
MEMBER(parley_rule, data_offset, 64, 4);
MEMBER(parley_rule, data_len, 68, 4);
MEMBER(parley_rule, data_value, 72, 4);
MEMBER(parley_rule, data_mask, 76, 4);
MEMBER(parley_rule, qos, 80, 20);
MEMBER(parley_rule, rate, 100, 12);
MEMBER(parley_rule, then, 112, ANSWER);
MEMBER(parley_rule, over, 112 + ANSWER, ANSWER);
END(parley_rule, 112 + 2 * ANSWER);

MEMBER(parley_rules, size, 0, 4);
MEMBER(parley_rules, rule_size, 4, 4);
MEMBER(parley_rules, count, 8, 4);
MEMBER(parley_rules, pool_len, 12, 4);
MEMBER(parley_rules, rules, 16, 8);
MEMBER(parley_rules, pool, 24, 8);
MEMBER(parley_rules, otherwise, 32, ANSWER);
MEMBER(parley_rules, bad_rule, 32 + ANSWER, 4);
MEMBER(parley_rules, bad_field, 36 + ANSWER, 4);
END(parley_rules, 40 + ANSWER);

MEMBER(parley_packet, header_len, 0, 4);
MEMBER(parley_packet, data_len, 4, 4);
MEMBER(parley_packet, flags, 8, 4);
MEMBER(parley_packet, uid, 12, 4);
MEMBER(parley_packet, gid, 16, 4);
MEMBER(parley_packet, pid, 20, 4);
MEMBER(parley_packet, caller_port, 24, 2);
MEMBER(parley_packet, callee_port, 26, 2);
MEMBER(parley_packet, caller, 28, 16);
MEMBER(parley_packet, callee, 44, 16);
MEMBER(parley_packet, backlog, 60, 4);
MEMBER(parley_packet, backlog_limit, 64, 4);
MEMBER(parley_packet, age_ms, 68, 4);
MEMBER(parley_packet, cgroup_id, 72, 8);
MEMBER(parley_packet, netns_cookie, 80, 8);
MEMBER(parley_packet, group, 88, 8);
MEMBER(parley_packet, qos, 96, QOS);
END(parley_packet, 96 + QOS);

/* The first versions, which programs may go on to use for ever. */
_Static_assert(sizeof(struct parley_next_call) >= PARLEY_NEXT_CALL_SIZE_VER0 &&
	       sizeof(struct parley_decision) >= PARLEY_DECISION_SIZE_VER0 &&
	       sizeof(struct parley_rule) >= PARLEY_RULE_SIZE_VER0 &&
	       sizeof(struct parley_rules) >= PARLEY_RULES_SIZE_VER0 &&
	       sizeof(struct parley_packet) >= PARLEY_PACKET_SIZE_VER0,
	       "a struct has become shorter");

TEST(no_holes)
{
	EXPECT_EQ(sizeof(struct parley_call_info), 480);
}

TEST_HARNESS_MAIN
