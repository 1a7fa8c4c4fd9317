// SPDX-License-Identifier: GPL-2.0
/* What the kernel counts, and the proof that nothing is left; see lib.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(arr)	(sizeof(arr) / sizeof((arr)[0]))
#endif
#define STAT_FILE	"/proc/net/parley_stat"

int parley_stat(struct parley_stat *st)
{
	struct {
		const char *name;
		long *value;
	} map[] = {
		{ "sockets", &st->sockets },
		{ "calls", &st->calls },
		{ "pending", &st->pending },
		{ "pages", &st->pages },
		{ "called", &st->called },
		{ "established", &st->established },
		{ "refused", &st->refused },
		{ "withdrawn", &st->withdrawn },
	};
	size_t i, found = 0;
	char name[64];
	long value;
	FILE *f;

	f = fopen(STAT_FILE, "re");
	if (!f)
		return -errno;
	st->causes = 0;
	while (fscanf(f, "%63s %ld", name, &value) == 2) {
		if (!strncmp(name, "refused_", 8))
			st->causes += value;
		for (i = 0; i < ARRAY_SIZE(map); i++)
			if (!strcmp(name, map[i].name)) {
				*map[i].value = value;
				found++;
			}
	}
	fclose(f);
	/* A name that is missing or there twice makes the file useless. */
	return found == ARRAY_SIZE(map) ? 0 : -EBADMSG;
}

/* The sockets that /proc/net/protocols counts, for this network namespace. */
long parley_proto_sockets(void)
{
	long n = -ENOENT;
	char line[512];
	FILE *f;

	f = fopen("/proc/net/protocols", "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "PARLEY %*u %ld", &n) == 1)
			break;
	fclose(f);
	return n;
}

/*
 * Proves that the test left nothing in the kernel. The descriptors of the
 * calling process are closed first, so that tests need not do it and a failed
 * assertion is not followed by a bogus leak. The last references may be freed
 * after a grace period, that is why this polls.
 */
int parley_expect_clean(void)
{
	unsigned long long end = parley_now_ns() + PARLEY_CLEAN_MS * 1000000ULL;
	struct parley_stat st = { 0 };
	long proto;
	int err;

	syscall(SYS_close_range, 3, ~0U, 0);
	for (;;) {
		err = parley_stat(&st);
		proto = parley_proto_sockets();
		if (!err && !st.sockets && !st.calls && !st.pending &&
		    !st.pages && !proto)
			break;
		if (err || proto < 0 || parley_now_ns() > end) {
			printf("# left: sockets %ld (protocols says %ld), ",
			       st.sockets, proto);
			printf("calls %ld, pending %ld, pages %ld; error %d\n",
			       st.calls, st.pending, st.pages, err);
			fflush(stdout);
			return -1;
		}
		parley_pause();
	}
	if (st.called == st.established + st.refused + st.withdrawn &&
	    st.refused == st.causes)
		return 0;
	printf("# called %ld: established %ld, refused %ld (%ld with a cause), withdrawn %ld\n",
	       st.called, st.established, st.refused, st.causes, st.withdrawn);
	fflush(stdout);
	return -1;
}
