// SPDX-License-Identifier: GPL-2.0
/* Why calls fail: names and words for enum parley_reason. */
#include "internal.h"

static const struct {
	const char *name;
	const char *text;
} plib_reasons[] = {
	[PARLEY_REASON_NONE] = {
		"NONE", "no call has failed" },
	[PARLEY_REASON_NO_LISTENER] = {
		"NO_LISTENER", "nobody listens at this address" },
	[PARLEY_REASON_BACKLOG_FULL] = {
		"BACKLOG_FULL",
		"as many calls wait there as the listener allows" },
	[PARLEY_REASON_LIMIT] = {
		"LIMIT",
		"net.parley.max_pending calls wait in this network namespace" },
	[PARLEY_REASON_RULE] = {
		"RULE", "the listener's rules refuse it" },
	[PARLEY_REASON_POLICY] = {
		"POLICY", "the listener's policy refuses it" },
	[PARLEY_REASON_POLICY_FAULT] = {
		"POLICY_FAULT",
		"the listener's filter or policy failed, or was unloaded" },
	[PARLEY_REASON_SERVER] = {
		"SERVER", "the server decided against it" },
	[PARLEY_REASON_DEFER_EXPIRED] = {
		"DEFER_EXPIRED", "it was put off, and nobody decided in time" },
	[PARLEY_REASON_LISTENER_CLOSED] = {
		"LISTENER_CLOSED", "the listener was closed before it decided" },
	[PARLEY_REASON_TIMED_OUT] = {
		"TIMED_OUT", "nobody decided in time" },
	[PARLEY_REASON_QOS] = {
		"QOS",
		"the listener has too little capacity left to guarantee it" },
	[PARLEY_REASON_FILTER] = {
		"FILTER", "the listener's filter refuses it" },
	[PARLEY_REASON_USER_LIMIT] = {
		"USER_LIMIT",
		"its user has net.parley.max_pending_per_user calls waiting" },
	[PARLEY_REASON_FAIR_SHARE] = {
		"FAIR_SHARE",
		"its user has a fair share of the listener's backlog already" },
};

const char *parley_reason_name(uint32_t reason)
{
	return reason < ARRAY_SIZE(plib_reasons) ? plib_reasons[reason].name :
						   NULL;
}

const char *parley_reason_text(uint32_t reason)
{
	return reason < ARRAY_SIZE(plib_reasons) ? plib_reasons[reason].text :
						   NULL;
}
