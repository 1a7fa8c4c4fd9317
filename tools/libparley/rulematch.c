// SPDX-License-Identifier: GPL-2.0
/* Reading a rule file: which calls a rule is for. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "rulefile.h"

#define PLIB_ID_MAX	(UINT32_MAX - 1) /* all ones is nobody */

/* Bits of @addr beyond @prefix. */
static bool plib_bits_beyond(const unsigned char addr[16], uint32_t prefix)
{
	uint32_t i;

	for (i = prefix; i < 128; i++)
		if (addr[i / 8] & 0x80 >> i % 8)
			return true;
	return false;
}

/* Part of the word: an address; IPv4 as the kernel has it, in IPv6. */
static int plib_address(struct plib_parse *p, size_t len, bool *v4)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	char text[INET6_ADDRSTRLEN];
	unsigned char *caller = p->rule.caller;

	if (len >= sizeof(text))
		return plib_expected(p, "an IPv4 or IPv6 address");
	memcpy(text, p->word, len);
	text[len] = '\0';
	*v4 = inet_pton(AF_INET, text, caller + 12) == 1;
	if (*v4)
		memcpy(caller, mapped, sizeof(mapped));
	else if (inet_pton(AF_INET6, text, caller) != 1)
		return plib_expected(p, "an IPv4 or IPv6 address");
	return 0;
}

static int plib_prefix(struct plib_parse *p, const char *slash, bool v4)
{
	const char *end = p->word + p->len;
	uint32_t bits = v4 ? 32 : 128, n = 0;
	const char *s;

	p->rule.caller_prefix = 128;
	if (!slash)
		return 0;
	for (s = slash + 1; s < end && *s >= '0' && *s <= '9' && n <= bits; s++)
		n = 10 * n + *s - '0';
	if (s == slash + 1 || s < end || n > bits)
		return plib_fail(p, slash + 1,
				 "the prefix is a number from 0 to %u", bits);
	p->rule.caller_prefix = n + 128 - bits;
	return 0;
}

int plib_match_caller(struct plib_parse *p)
{
	const char *slash = memchr(p->word, '/', p->len);
	size_t len = slash ? (size_t)(slash - p->word) : p->len;
	bool v4;

	if (plib_address(p, len, &v4) || plib_prefix(p, slash, v4))
		return -1;
	if (plib_bits_beyond(p->rule.caller, p->rule.caller_prefix))
		return plib_fail(p, p->word,
				 "the address has bits beyond its prefix");
	plib_next(p);
	return 0;
}

int plib_match_port(struct plib_parse *p)
{
	uint32_t low, high;

	if (plib_range(p, "a port", UINT16_MAX, &low, &high))
		return -1;
	p->rule.port_min = low;
	p->rule.port_max = high;
	return 0;
}

int plib_match_uid(struct plib_parse *p)
{
	return plib_range(p, "a uid", PLIB_ID_MAX, &p->rule.uid_min,
			  &p->rule.uid_max);
}

int plib_match_gid(struct plib_parse *p)
{
	return plib_range(p, "a gid", PLIB_ID_MAX, &p->rule.gid_min,
			  &p->rule.gid_max);
}

int plib_match_cgroup(struct plib_parse *p)
{
	uint64_t id;

	if (plib_number(p, "the id of a cgroup", UINT64_MAX, &id))
		return -1;
	p->rule.cgroup_id = id;
	return 0;
}

int plib_match_group(struct plib_parse *p)
{
	uint64_t group;

	if (plib_number(p, "a group", UINT64_MAX, &group))
		return -1;
	p->rule.group = group;
	return 0;
}

/* Names with commas between them. */
static int plib_service_set(struct plib_parse *p, uint32_t *set)
{
	const char *s = p->word, *end = s + p->len, *comma;
	int service;

	*set = 0;
	for (;;) {
		comma = memchr(s, ',', end - s);
		service = plib_lookup(s, (comma ?: end) - s, plib_services,
				      ARRAY_SIZE(plib_services));
		if (service < 0)
			return plib_expected(p, PLIB_SERVICE_NAMES);
		*set |= BIT(service);
		if (!comma)
			break;
		s = comma + 1;
	}
	plib_next(p);
	return 0;
}

/* One of the three bounds of "qos"; @seen tells which were there. */
static int plib_qos_bound(struct plib_parse *p, unsigned int *seen)
{
	static const char *const names[] = { "send", "recv", "service" };
	struct parley_rule_qos *qos = &p->rule.qos;
	int i = plib_lookup(p->word, p->len, names, ARRAY_SIZE(names));

	if (i < 0)
		return plib_expected(p, "send, recv or service");
	if (*seen & BIT(i))
		return plib_fail(p, p->word, "%s is there twice", names[i]);
	*seen |= BIT(i);
	plib_next(p);
	if (i == 2)
		return plib_service_set(p, &qos->services);
	return plib_size_range(p, "bytes per second",
			       i ? &qos->recv_min : &qos->send_min,
			       i ? &qos->recv_max : &qos->send_max);
}

int plib_match_qos(struct plib_parse *p)
{
	unsigned int seen = 0;

	p->rule.qos = (struct parley_rule_qos) {
		.send_max = PARLEY_QOS_UNSPECIFIED,
		.recv_max = PARLEY_QOS_UNSPECIFIED,
		.services = PLIB_SERVICES_ALL,
	};
	do {
		if (plib_qos_bound(p, &seen))
			return -1;
	} while (plib_is(p, "send") || plib_is(p, "recv") ||
		 plib_is(p, "service"));
	return 0;
}

/*
 * At a place of its own in the pool: at that of the value it would mean that
 * all bits count, and so it does where no mask is given.
 */
static int plib_mask(struct plib_parse *p, const unsigned char *value,
		     const char *at)
{
	struct parley_rule *rule = &p->rule;
	unsigned char *mask;
	size_t len, i;
	int err = -1;

	if (plib_bytes(p, &mask, &len))
		return -1;
	for (i = 0; i < len && i < rule->data_len; i++)
		if (value[i] & ~mask[i])
			break;
	if (len != rule->data_len)
		plib_fail(p, at, "the mask has %zu bytes, the value %u", len,
			  rule->data_len);
	else if (i < len)
		plib_fail(p, at, "byte %zu of the value has bits outside the mask",
			  i + 1);
	else if (memcmp(mask, value, len) ?
		 plib_pool_share(p->rs, mask, len, &rule->data_mask) :
		 parley_ruleset_add_bytes(p->rs, mask, len, &rule->data_mask))
		plib_fail_errno(p);
	else
		err = 0;
	free(mask);
	return err;
}

static int plib_data(struct plib_parse *p, unsigned char **value)
{
	struct parley_rule *rule = &p->rule;
	size_t len;

	if (plib_number32(p, "an offset", &rule->data_offset) ||
	    plib_bytes(p, value, &len))
		return -1;
	if (plib_pool_share(p->rs, *value, len, &rule->data_value))
		return plib_fail_errno(p);
	rule->data_mask = rule->data_value;
	rule->data_len = len;
	if (!plib_is(p, "mask"))
		return 0;
	plib_next(p);
	return plib_mask(p, *value, p->word);
}

int plib_match_data(struct plib_parse *p)
{
	unsigned char *value = NULL;
	int err = plib_data(p, &value);
	int saved = errno;

	free(value);
	errno = saved;
	return err;
}
