// SPDX-License-Identifier: GPL-2.0
/* Reading a rule file: what a rule says to the calls it is for. */
#include <errno.h>
#include <stdlib.h>

#include "rulefile.h"

int plib_answer_verdict(struct plib_parse *p)
{
	int verdict = plib_lookup(p->word, p->len, plib_verdicts,
				  ARRAY_SIZE(plib_verdicts));

	if (verdict < 0)
		return plib_expected(p, p->where == PLIB_IN_RULE ?
				     "accept, refuse, defer or default" :
				     "accept, refuse or defer");
	p->answer->verdict = verdict;
	plib_next(p);
	return 0;
}

int plib_answer_code(struct plib_parse *p)
{
	return plib_number32(p, "a code", &p->answer->code);
}

int plib_answer_retry(struct plib_parse *p)
{
	return plib_time(p, "a time", &p->answer->retry_after_ms);
}

int plib_answer_reply(struct plib_parse *p)
{
	unsigned char *reply;
	size_t len;
	int err;

	if (plib_bytes(p, &reply, &len))
		return -1;
	err = plib_pool_share(p->rs, reply, len, &p->answer->reply);
	if (err)
		plib_fail_errno(p);
	p->answer->reply_len = len;
	free(reply);
	return err;
}

/* What struct parley_flowspec does not allow. */
static int plib_flow_check(struct plib_parse *p, const char *at,
			   const struct parley_flowspec *f)
{
	bool unspecified = f->token_rate == PARLEY_QOS_UNSPECIFIED;

	if (f->service == PARLEY_SERVICE_GUARANTEED && unspecified)
		return plib_fail(p, at, "guaranteed service takes a rate");
	if (f->service != PARLEY_SERVICE_NOTRAFFIC && !f->token_rate)
		return plib_fail(p, at, "a rate of 0 takes service notraffic");
	if (f->service != PARLEY_SERVICE_NOTRAFFIC && !f->bucket_size)
		return plib_fail(p, at, "a bucket of 0 takes service notraffic");
	if (!unspecified && f->peak_rate < f->token_rate)
		return plib_fail(p, at, "the peak is below the rate");
	if (f->min_policed != PARLEY_QOS_UNSPECIFIED &&
	    f->min_policed > f->max_sdu)
		return plib_fail(p, at, "policed is above sdu");
	return 0;
}

/* The word at hand may be a member of a flow; returns which, or -1. */
static int plib_flow_find(const struct plib_parse *p)
{
	size_t i;

	for (i = 0; i < plib_flow_members_count; i++)
		if (plib_is(p, plib_flow_members[i].name))
			return i;
	return plib_is(p, "service") ? (int)i : -1;
}

static int plib_flow_set(struct plib_parse *p, struct parley_flowspec *f, int i)
{
	const struct plib_flow_member *m = &plib_flow_members[i];
	int service;
	void *value;

	plib_next(p);
	if ((size_t)i < plib_flow_members_count) {
		value = (char *)f + m->offset;
		return m->delay ? plib_delay(p, "a delay", value) :
				  plib_size(p, "a number of bytes", value);
	}
	service = plib_lookup(p->word, p->len, plib_services,
			      ARRAY_SIZE(plib_services));
	if (service < 0)
		return plib_expected(p, PLIB_SERVICE_NAMES);
	f->service = service;
	plib_next(p);
	return 0;
}

static int plib_flow(struct plib_parse *p, struct parley_flowspec *f)
{
	const char *at = p->word;
	unsigned int seen = 0;
	uint32_t rate;
	int i;

	plib_next(p);
	if (plib_size(p, "bytes per second", &rate))
		return -1;
	plib_flow_default(f, rate);
	for (i = plib_flow_find(p); i >= 0; i = plib_flow_find(p)) {
		if (seen & BIT(i))
			return plib_fail(p, p->word, "%.*s is there twice",
					 (int)p->len, p->word);
		seen |= BIT(i);
		if (plib_flow_set(p, f, i))
			return -1;
	}
	return plib_flow_check(p, at, f);
}

int plib_answer_grant(struct plib_parse *p)
{
	struct parley_qos *grant = &p->answer->grant;
	bool send, sent = false, received = false;

	p->answer->flags |= PARLEY_ANSWER_QOS;
	plib_flow_default(&grant->send, PARLEY_QOS_UNSPECIFIED);
	plib_flow_default(&grant->recv, PARLEY_QOS_UNSPECIFIED);
	do {
		send = plib_is(p, "send");
		if (!send && !plib_is(p, "recv"))
			return plib_expected(p, "send or recv");
		if (send ? sent : received)
			return plib_fail(p, p->word, "%s is there twice",
					 send ? "send" : "recv");
		*(send ? &sent : &received) = true;
		if (plib_flow(p, send ? &grant->send : &grant->recv))
			return -1;
	} while (plib_is(p, "send") || plib_is(p, "recv"));
	return 0;
}
