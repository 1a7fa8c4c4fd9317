// SPDX-License-Identifier: GPL-2.0
/* Writing rule files: the text of a table. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "rulefile.h"

/* "64K" rather than "65536". */
static void plib_put_size(FILE *f, uint32_t value)
{
	int shift;

	if (value == PARLEY_QOS_UNSPECIFIED) {
		fputs("unspecified", f);
		return;
	}
	for (shift = 30; value && shift; shift -= 10)
		if (!(value & ((1U << shift) - 1)))
			break;
	if (!value)
		shift = 0;
	fprintf(f, "%u", value >> shift);
	if (shift)
		putc("KMG"[shift / 10 - 1], f);
}

static void plib_put_size_range(FILE *f, const char *name, uint32_t low,
				uint32_t high)
{
	if (!low && high == PARLEY_QOS_UNSPECIFIED)
		return;
	fprintf(f, " %s ", name);
	plib_put_size(f, low);
	if (low == high)
		return;
	putc('-', f);
	plib_put_size(f, high);
}

static void plib_put_range(FILE *f, const char *name, uint32_t low,
			   uint32_t high)
{
	fprintf(f, " %s %u", name, low);
	if (low != high)
		fprintf(f, "-%u", high);
}

static void plib_put_time(FILE *f, uint32_t ms)
{
	if (!ms || ms % 1000)
		fprintf(f, "%ums", ms);
	else if (ms % 60000)
		fprintf(f, "%us", ms / 1000);
	else if (ms % 3600000)
		fprintf(f, "%um", ms / 60000);
	else
		fprintf(f, "%uh", ms / 3600000);
}

static void plib_put_delay(FILE *f, uint32_t us)
{
	if (us == PARLEY_QOS_UNSPECIFIED)
		fputs("unspecified", f);
	else if (!us || us % 1000)
		fprintf(f, "%uus", us);
	else if (us % 1000000)
		fprintf(f, "%ums", us / 1000);
	else
		fprintf(f, "%us", us / 1000000);
}

/* What a backslash makes of a byte, or 0. */
static char plib_escaped(unsigned char c)
{
	switch (c) {
	case '\n':
		return 'n';
	case '\t':
		return 't';
	case '\r':
		return 'r';
	case '"':
	case '\\':
		return c;
	default:
		return 0;
	}
}

static bool plib_plain(unsigned char c)
{
	return (c >= ' ' && c < 0x7f) || plib_escaped(c);
}

static void plib_put_quoted(FILE *f, const unsigned char *bytes, size_t len)
{
	size_t i;

	putc('"', f);
	for (i = 0; i < len; i++) {
		if (plib_escaped(bytes[i]))
			fprintf(f, "\\%c", plib_escaped(bytes[i]));
		else if (plib_plain(bytes[i]))
			putc(bytes[i], f);
		else
			fprintf(f, "\\x%02x", bytes[i]);
	}
	putc('"', f);
}

/* As text if most of it is. */
static void plib_put_bytes(FILE *f, const unsigned char *bytes, size_t len)
{
	size_t i, plain = 0;

	for (i = 0; i < len; i++)
		plain += plib_plain(bytes[i]);
	if (plain >= len - len / 4) {
		plib_put_quoted(f, bytes, len);
		return;
	}
	putc('x', f);
	for (i = 0; i < len; i++)
		fprintf(f, "%02x", bytes[i]);
}

static void plib_put_caller(FILE *f, const struct parley_rule *r)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool v4 = r->caller_prefix >= 96 && !memcmp(r->caller, mapped, 12);
	uint32_t bits = v4 ? 32 : 128;
	char text[INET6_ADDRSTRLEN];

	inet_ntop(v4 ? AF_INET : AF_INET6, r->caller + (v4 ? 12 : 0), text,
		  sizeof(text));
	fprintf(f, " caller %s", text);
	if (r->caller_prefix != 128)
		fprintf(f, "/%u", r->caller_prefix + bits - 128);
}

static void plib_put_services(FILE *f, uint32_t set)
{
	const char *comma = "";
	size_t i;

	fputs(" service ", f);
	for (i = 0; i < ARRAY_SIZE(plib_services); i++) {
		if (!(set & BIT(i)))
			continue;
		fprintf(f, "%s%s", comma, plib_services[i]);
		comma = ",";
	}
}

static void plib_put_qos(FILE *f, const struct parley_rule_qos *q)
{
	fputs(" qos", f);
	plib_put_size_range(f, "send", q->send_min, q->send_max);
	plib_put_size_range(f, "recv", q->recv_min, q->recv_max);
	/* Something has to follow, even if there are no bounds at all. */
	if (q->services != PLIB_SERVICES_ALL ||
	    (!q->send_min && q->send_max == PARLEY_QOS_UNSPECIFIED &&
	     !q->recv_min && q->recv_max == PARLEY_QOS_UNSPECIFIED))
		plib_put_services(f, q->services);
}

static void plib_put_match(FILE *f, const struct parley_ruleset *rs,
			   const struct parley_rule *r)
{
	if (r->match & PARLEY_MATCH_CALLER)
		plib_put_caller(f, r);
	if (r->match & PARLEY_MATCH_PORT)
		plib_put_range(f, "port", r->port_min, r->port_max);
	if (r->match & PARLEY_MATCH_UID)
		plib_put_range(f, "uid", r->uid_min, r->uid_max);
	if (r->match & PARLEY_MATCH_GID)
		plib_put_range(f, "gid", r->gid_min, r->gid_max);
	if (r->match & PARLEY_MATCH_CGROUP)
		fprintf(f, " cgroup %llu", (unsigned long long)r->cgroup_id);
	if (r->match & PARLEY_MATCH_GROUP)
		fprintf(f, " group %llu", (unsigned long long)r->group);
	if (r->match & PARLEY_MATCH_QOS)
		plib_put_qos(f, &r->qos);
	if (!(r->match & PARLEY_MATCH_DATA))
		return;
	fprintf(f, " data %u ", r->data_offset);
	plib_put_bytes(f, rs->pool + r->data_value, r->data_len);
	if (r->data_mask == r->data_value)
		return;
	fputs(" mask ", f);
	plib_put_bytes(f, rs->pool + r->data_mask, r->data_len);
}

static uint32_t plib_member(const struct parley_flowspec *flow,
			    const struct plib_flow_member *m)
{
	return *(const uint32_t *)((const char *)flow + m->offset);
}

static void plib_put_flow(FILE *f, const char *name, bool always,
			  const struct parley_flowspec *flow)
{
	const struct plib_flow_member *m = plib_flow_members;
	struct parley_flowspec plain;
	uint32_t value;
	size_t i;

	plib_flow_default(&plain, PARLEY_QOS_UNSPECIFIED);
	if (!always && !memcmp(&plain, flow, sizeof(plain)))
		return;
	plib_flow_default(&plain, flow->token_rate);
	fprintf(f, " %s ", name);
	plib_put_size(f, flow->token_rate);
	for (i = 0; i < plib_flow_members_count; i++, m++) {
		value = plib_member(flow, m);
		if (value == plib_member(&plain, m))
			continue;
		fprintf(f, " %s ", m->name);
		if (m->delay)
			plib_put_delay(f, value);
		else
			plib_put_size(f, value);
	}
	if (flow->service != plain.service &&
	    flow->service < ARRAY_SIZE(plib_services))
		fprintf(f, " service %s", plib_services[flow->service]);
}

static void plib_put_answer(FILE *f, const struct parley_ruleset *rs,
			    const struct parley_rule_answer *a)
{
	struct parley_flowspec plain;

	if (a->code)
		fprintf(f, " code %u", a->code);
	if (a->retry_after_ms) {
		fputs(" retry-after ", f);
		plib_put_time(f, a->retry_after_ms);
	}
	if (a->reply_len) {
		fputs(" reply ", f);
		plib_put_bytes(f, rs->pool + a->reply, a->reply_len);
	}
	if (!(a->flags & PARLEY_ANSWER_QOS))
		return;
	plib_flow_default(&plain, PARLEY_QOS_UNSPECIFIED);
	fputs(" grant", f);
	/* One of the two has to be there. */
	plib_put_flow(f, "send", !memcmp(&plain, &a->grant.recv, sizeof(plain)),
		      &a->grant.send);
	plib_put_flow(f, "recv", false, &a->grant.recv);
}

static const char *plib_verdict(const struct parley_rule_answer *a)
{
	return a->verdict < ARRAY_SIZE(plib_verdicts) ?
	       plib_verdicts[a->verdict] : "?";
}

static void plib_put_rule(FILE *f, const struct parley_ruleset *rs,
			  const struct parley_rule *r)
{
	fputs(plib_verdict(&r->then), f);
	plib_put_match(f, rs, r);
	plib_put_answer(f, rs, &r->then);
	if (r->flags & PARLEY_RULE_RATE) {
		fprintf(f, " rate %u/", r->rate.calls);
		plib_put_time(f, r->rate.interval_ms);
		if (r->rate.burst != r->rate.calls)
			fprintf(f, " burst %u", r->rate.burst);
		fprintf(f, " else %s", plib_verdict(&r->over));
		plib_put_answer(f, rs, &r->over);
	}
	putc('\n', f);
}

static char *plib_format(const struct parley_ruleset *rs)
{
	char *text = NULL;
	size_t len, i;
	bool bad;
	FILE *f;

	f = open_memstream(&text, &len);
	if (!f)
		return NULL;
	for (i = 0; i < rs->count; i++)
		plib_put_rule(f, rs, &rs->rules[i]);
	fprintf(f, "default %s", plib_verdict(&rs->otherwise));
	plib_put_answer(f, rs, &rs->otherwise);
	putc('\n', f);
	bad = ferror(f);
	if (!fclose(f) && !bad)
		return text;
	free(text);
	errno = ENOMEM;
	return NULL;
}

/* Whether the text says what the table does; some tables cannot be said. */
static bool plib_says(const char *text, const struct parley_ruleset *rs)
{
	struct parley_ruleset *again = parley_ruleset_new();
	bool same = false;

	if (!again)
		return false;
	if (!parley_ruleset_parse(again, text, strlen(text), NULL)) {
		same = plib_ruleset_equal(again, rs);
		errno = EINVAL;
	} else if (errno != ENOMEM) {
		errno = EINVAL;
	}
	parley_ruleset_free(again);
	return same;
}

char *parley_ruleset_format(const struct parley_ruleset *rs)
{
	char *text = plib_format(rs);
	int err;

	if (!text || plib_says(text, rs))
		return text;
	err = errno;
	free(text);
	errno = err;
	return NULL;
}
