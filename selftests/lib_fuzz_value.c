// SPDX-License-Identifier: GPL-2.0
/* Values for the fuzzer: structs and bytes from a seed, and how they go wrong. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <limits.h>
#include <string.h>
#include <linux/parley.h>

#include "lib_fuzz.h"

static const __u32 rates[] = {
	1, 1000, 4096, 65536, 1 << 20, 1 << 28, PARLEY_QOS_UNSPECIFIED - 1, PARLEY_QOS_UNSPECIFIED,
	PARLEY_QOS_UNSPECIFIED, PARLEY_QOS_UNSPECIFIED,
};

static __u32 a_rate(struct race_random *r)
{
	return rates[race_below(r, ARRAY_SIZE(rates))];
}

static void a_flow(struct parley_flowspec *f, struct race_random *r)
{
	memset(f, 0xff, sizeof(*f));
	f->service = PARLEY_SERVICE_BESTEFFORT;
	if (!race_below(r, 3))
		return;
	f->service = race_below(r, 4);
	f->token_rate = a_rate(r);
	if (!race_below(r, 3))
		f->bucket_size = a_rate(r);
	if (!race_below(r, 3))
		f->peak_rate = a_rate(r);
	if (f->peak_rate < f->token_rate)
		f->peak_rate = f->token_rate;
	if (f->service == PARLEY_SERVICE_GUARANTEED &&
	    f->token_rate == PARLEY_QOS_UNSPECIFIED)
		f->token_rate = 65536;
	if (!race_below(r, 3))
		f->latency_us = a_rate(r);
	if (!race_below(r, 3))
		f->delay_variation_us = a_rate(r);
	if (!race_below(r, 3))
		f->max_sdu = a_rate(r);
	if (!race_below(r, 3))
		f->min_policed = race_below(r, 64);
	if (f->min_policed > f->max_sdu)
		f->min_policed = f->max_sdu;
}

void fuzz_qos(struct parley_qos *qos, __u64 seed)
{
	struct race_random r;

	race_random_init(&r, seed, 1);
	a_flow(&qos->send, &r);
	a_flow(&qos->recv, &r);
}

/* Few different ones, so that rules and filters find what they look for. */
void fuzz_bytes(void *buf, size_t len, __u64 seed)
{
	memset(buf, 'a' + seed % 4, len);
}

void fuzz_patch(void *buf, size_t len, __u64 at, __u64 value)
{
	size_t n = sizeof(__u32);

	if (!at || !len)
		return;
	at = (at - 1) % len;
	if (n > len - at)
		n = len - at;
	memcpy((char *)buf + at, &value, n);
}

long fuzz_length(__u64 how, size_t size)
{
	switch (how % 8) {
	case 0:
		return size;
	case 1:
		return size ? size - 1 : 0;
	case 2:
		return size + 8;
	case 3:
		return 0;
	case 4:
		return 4;
	case 5:
		return INT_MAX;
	case 6:
		return -1;
	default:
		return size / 2;
	}
}
