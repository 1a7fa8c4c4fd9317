// SPDX-License-Identifier: GPL-2.0
/*
 * Business hours: calls that come outside them are deferred, so that they wait
 * aside until somebody decides, or until the listener's time-out does.
 *
 *	parleyctl policy load hours.bpf.o --set utc_offset=60 --set until=1080
 *	echo default accept >rules
 *	parleyctl listen --policy hours --rules rules --control /run/door \
 *		--defer-timeout 1h 127.0.0.1:7000
 *	parleyctl review --control /run/door	# in the morning
 *
 * Here, those who call at night are refused after an hour; "1h:accept" would
 * let them in then. A review asks the policy again about those who still wait.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "parley.bpf.h"

#define NSEC_PER_SEC		1000000000ULL
#define MINUTES_PER_DAY		1440

char LICENSE[] SEC("license") = "GPL";

/* Local time is so many minutes ahead of UTC. BPF knows no time zones. */
const volatile __s32 utc_offset;
/* From this minute of the day until before that one, maybe of the next day. */
const volatile __u32 from = 9 * 60;
const volatile __u32 until = 17 * 60;
/* Bit 0 is Monday, bit 6 Sunday: the days that the hours begin on. */
const volatile __u32 weekdays = 0x1f;

static __always_inline int is_open(void)
{
	/* Within a minute: TAI is 37 s ahead of UTC, where it is known. */
	__u64 minutes = bpf_ktime_get_tai_ns() / NSEC_PER_SEC / 60 + utc_offset;
	__u32 minute = minutes % MINUTES_PER_DAY;
	/* The first of January 1970 was a Thursday. */
	__u32 day = (minutes / MINUTES_PER_DAY + 3) % 7;
	__u32 yesterday = (day + 6) % 7;

	if (from <= until)
		return weekdays >> day & 1 && minute >= from && minute < until;
	return (weekdays >> day & 1 && minute >= from) ||
	       (weekdays >> yesterday & 1 && minute < until);
}

SEC("struct_ops/condition")
int BPF_PROG(condition, struct parley_request *call)
{
	return is_open() ? PARLEY_ACCEPT : PARLEY_DEFER;
}

SEC(".struct_ops.link")
struct parley_policy_ops hours = {
	.condition = (void *)condition,
	.name = "hours",
};
