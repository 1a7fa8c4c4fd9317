// SPDX-License-Identifier: GPL-2.0
/* What rule files call things, for reading and for writing. */
#include "rulefile.h"

const char *const plib_verdicts[PARLEY_DEFER + 1] = {
	[PARLEY_ACCEPT] = "accept",
	[PARLEY_REFUSE] = "refuse",
	[PARLEY_DEFER] = "defer",
};

const char *const plib_services[PARLEY_SERVICE_GUARANTEED + 1] = {
	[PARLEY_SERVICE_NOTRAFFIC] = "notraffic",
	[PARLEY_SERVICE_BESTEFFORT] = "besteffort",
	[PARLEY_SERVICE_CONTROLLEDLOAD] = "controlledload",
	[PARLEY_SERVICE_GUARANTEED] = "guaranteed",
};

const struct plib_flow_member plib_flow_members[] = {
	{ "bucket", offsetof(struct parley_flowspec, bucket_size), false },
	{ "peak", offsetof(struct parley_flowspec, peak_rate), false },
	{ "latency", offsetof(struct parley_flowspec, latency_us), true },
	{ "variation", offsetof(struct parley_flowspec, delay_variation_us),
	  true },
	{ "sdu", offsetof(struct parley_flowspec, max_sdu), false },
	{ "policed", offsetof(struct parley_flowspec, min_policed), false },
};

const size_t plib_flow_members_count = ARRAY_SIZE(plib_flow_members);

/*
 * The best of everything, which the kernel cuts down to the request. Only
 * guaranteed service needs a rate to be said.
 */
void plib_flow_default(struct parley_flowspec *flow, uint32_t token_rate)
{
	*flow = plib_flow_unspecified;
	flow->token_rate = token_rate;
	flow->latency_us = 0;
	flow->delay_variation_us = 0;
	flow->min_policed = 0;
	flow->service = token_rate == PARLEY_QOS_UNSPECIFIED ?
			PARLEY_SERVICE_CONTROLLEDLOAD :
			PARLEY_SERVICE_GUARANTEED;
}
