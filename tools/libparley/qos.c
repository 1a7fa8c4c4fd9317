// SPDX-License-Identifier: GPL-2.0
/* Quality of service as numbers. */
#include "internal.h"

const struct parley_flowspec plib_flow_unspecified = {
	.token_rate = PARLEY_QOS_UNSPECIFIED,
	.bucket_size = PARLEY_QOS_UNSPECIFIED,
	.peak_rate = PARLEY_QOS_UNSPECIFIED,
	.latency_us = PARLEY_QOS_UNSPECIFIED,
	.delay_variation_us = PARLEY_QOS_UNSPECIFIED,
	.service = PARLEY_SERVICE_BESTEFFORT,
	.max_sdu = PARLEY_QOS_UNSPECIFIED,
	.min_policed = PARLEY_QOS_UNSPECIFIED,
};
