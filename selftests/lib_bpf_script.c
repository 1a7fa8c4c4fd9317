// SPDX-License-Identifier: GPL-2.0
/* The policy that does as it is told; see lib_bpf_script.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <string.h>

#include "lib_bpf_script.h"

int script_start(struct policy *p, const char *name, struct script **s)
{
	int err = policy_start(p, SCRIPT_FILE, name);

	if (err)
		return err;
	*s = policy_variables(p, sizeof(**s));
	if (*s)
		return 0;
	policy_end(p);
	return -ENOENT;
}

int script_start_for(struct policy *p, int listener, struct script **s)
{
	int err = script_start(p, NULL, s);

	return err ?: policy_choose(listener, SCRIPT_NAME);
}

/* The kernel writes while the test looks. */
static __u64 script_now(const __u64 *count)
{
	return __atomic_load_n(count, __ATOMIC_RELAXED);
}

static __u64 script_times(const struct script *s, enum script_program program)
{
	return script_now(&s->seen[program].times);
}

bool script_ran(const struct script *s, unsigned int conditions,
		unsigned int established, unsigned int closed,
		unsigned int dropped)
{
	const unsigned int want[] = {
		conditions, established, closed, dropped
	};
	static const char *const name[] = {
		"condition", "established", "closed", "dropped"
	};
	bool good = true;
	int i;

	for (i = 0; i < SCRIPT_PROGRAMS; i++) {
		if (parley_until(script_times(s, i) == want[i]))
			continue;
		printf("# %s() ran %llu times, not %u\n", name[i],
		       (unsigned long long)script_times(s, i), want[i]);
		fflush(stdout);
		good = false;
	}
	return good;
}

static bool script_sums(const struct script *s, unsigned int open)
{
	const __u64 dropped = script_times(s, SCRIPT_DROPPED);
	const struct script_seen *seen = s->seen;

	return script_now(&seen[SCRIPT_CONDITION].accepted) ==
	       script_now(&seen[SCRIPT_ESTABLISHED].claimed) + dropped &&
	       script_times(s, SCRIPT_ESTABLISHED) ==
	       script_times(s, SCRIPT_CLOSED) + open &&
	       script_now(&seen[SCRIPT_DROPPED].claimed) == dropped;
}

bool script_balanced(const struct script *s, unsigned int open)
{
	const struct script_seen *seen = s->seen;

	if (parley_until(script_sums(s, open)))
		return true;
	printf("# accepted %llu, established %llu (claimed %llu), ",
	       (unsigned long long)seen[SCRIPT_CONDITION].accepted,
	       (unsigned long long)seen[SCRIPT_ESTABLISHED].times,
	       (unsigned long long)seen[SCRIPT_ESTABLISHED].claimed);
	printf("closed %llu, dropped %llu (claimed %llu); open %u\n",
	       (unsigned long long)seen[SCRIPT_CLOSED].times,
	       (unsigned long long)seen[SCRIPT_DROPPED].times,
	       (unsigned long long)seen[SCRIPT_DROPPED].claimed, open);
	fflush(stdout);
	return false;
}

int script_verdict(int listener, const struct rules_call *c)
{
	struct filter_said said;
	int err = filter_ask(listener, c, &said);

	if (err)
		return err;
	if ((said.verdict == PARLEY_ACCEPT &&
	     said.info.decided_by != PARLEY_BY_POLICY) ||
	    (said.verdict == PARLEY_REFUSE &&
	     said.refusal.reason != PARLEY_REASON_POLICY)) {
		printf("# verdict %d, decided by %u, reason %u\n",
		       said.verdict, said.info.decided_by,
		       said.refusal.reason);
		fflush(stdout);
		return -EBADMSG;
	}
	return said.verdict;
}
