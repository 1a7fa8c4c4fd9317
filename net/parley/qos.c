// SPDX-License-Identifier: GPL-2.0
/*
 * Quality of service as numbers: what makes sense, and what is more than
 * something else. Pure; tests/qos_kunit.c. Pacing is not done here.
 */
#include <linux/minmax.h>

#include "parley.h"

#define PARLEY_FLOW_UNSPECIFIED {				\
	.token_rate		= PARLEY_QOS_UNSPECIFIED,	\
	.bucket_size		= PARLEY_QOS_UNSPECIFIED,	\
	.peak_rate		= PARLEY_QOS_UNSPECIFIED,	\
	.latency_us		= PARLEY_QOS_UNSPECIFIED,	\
	.delay_variation_us	= PARLEY_QOS_UNSPECIFIED,	\
	.service		= PARLEY_SERVICE_BESTEFFORT,	\
	.max_sdu		= PARLEY_QOS_UNSPECIFIED,	\
	.min_policed		= PARLEY_QOS_UNSPECIFIED,	\
}

const struct parley_qos parley_qos_none = {
	.send = PARLEY_FLOW_UNSPECIFIED,
	.recv = PARLEY_FLOW_UNSPECIFIED,
};

static bool parley_flow_valid(const struct parley_flowspec *f)
{
	if (f->service > PARLEY_SERVICE_GUARANTEED)
		return false;
	if (f->service == PARLEY_SERVICE_GUARANTEED &&
	    f->token_rate == PARLEY_QOS_UNSPECIFIED)
		return false;
	if (f->service != PARLEY_SERVICE_NOTRAFFIC &&
	    (!f->token_rate || !f->bucket_size || !f->peak_rate))
		return false;
	if (f->token_rate != PARLEY_QOS_UNSPECIFIED &&
	    f->peak_rate < f->token_rate)
		return false;
	return f->min_policed == PARLEY_QOS_UNSPECIFIED ||
	       f->min_policed <= f->max_sdu;
}

/**
 * parley_qos_valid - whether a wish or a grant makes sense
 * @qos: what user space said
 *
 * Context: any.
 * Return: true if it agrees with the comment at struct parley_flowspec.
 */
bool parley_qos_valid(const struct parley_qos *qos)
{
	return parley_flow_valid(&qos->send) && parley_flow_valid(&qos->recv);
}

static bool parley_flow_within(const struct parley_flowspec *grant,
			       const struct parley_flowspec *asked)
{
	return grant->token_rate <= asked->token_rate &&
	       grant->bucket_size <= asked->bucket_size &&
	       grant->peak_rate <= asked->peak_rate &&
	       grant->service <= asked->service &&
	       grant->max_sdu <= asked->max_sdu &&
	       grant->latency_us >= asked->latency_us &&
	       grant->delay_variation_us >= asked->delay_variation_us &&
	       grant->min_policed >= asked->min_policed;
}

/**
 * parley_qos_within - whether a grant is no more than what was asked
 * @grant: what is to be granted
 * @asked: what the caller asked for
 *
 * Context: any.
 * Return: true if no part of @grant is better than the same part of @asked.
 */
bool parley_qos_within(const struct parley_qos *grant,
		       const struct parley_qos *asked)
{
	return parley_flow_within(&grant->send, &asked->send) &&
	       parley_flow_within(&grant->recv, &asked->recv);
}

static void parley_flow_clamp(struct parley_flowspec *grant,
			      const struct parley_flowspec *asked)
{
	grant->token_rate = min(grant->token_rate, asked->token_rate);
	grant->bucket_size = min(grant->bucket_size, asked->bucket_size);
	grant->peak_rate = min(grant->peak_rate, asked->peak_rate);
	grant->service = min(grant->service, asked->service);
	grant->max_sdu = min(grant->max_sdu, asked->max_sdu);
	grant->latency_us = max(grant->latency_us, asked->latency_us);
	grant->delay_variation_us = max(grant->delay_variation_us,
					asked->delay_variation_us);
	grant->min_policed = max(grant->min_policed, asked->min_policed);

	/* Cut down one by one, they may not fit together any more. */
	if (grant->token_rate != PARLEY_QOS_UNSPECIFIED)
		grant->token_rate = min(grant->token_rate, grant->peak_rate);
	if (grant->min_policed > grant->max_sdu)
		grant->min_policed = PARLEY_QOS_UNSPECIFIED;
}

/**
 * parley_qos_clamp - cut a grant down to what was asked
 * @grant: changed where it is more
 * @asked: what the caller asked for
 *
 * Context: any.
 */
void parley_qos_clamp(struct parley_qos *grant, const struct parley_qos *asked)
{
	parley_flow_clamp(&grant->send, &asked->send);
	parley_flow_clamp(&grant->recv, &asked->recv);
}
