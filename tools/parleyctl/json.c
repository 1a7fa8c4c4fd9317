// SPDX-License-Identifier: GPL-2.0
/*
 * Calls, their data and their terms as JSON. A member that has no value is
 * null, so that each object of a kind has the same members. Bytes are an
 * object {"hex": ..., "text": ...}, text being null unless they are UTF-8.
 */
#include <string.h>

#include "show.h"

void json_add(struct json_object *object, const char *name,
	      struct json_object *value)
{
	json_object_object_add(object, name, value);
}

/* Length of the UTF-8 character at @s, of @left bytes; 0 if there is none. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	static const struct {
		unsigned char first, last, low, high;
		size_t len;
	} kinds[] = {
		{ 0x01, 0x7f, 0, 0, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (s[0] < kinds[i].first || s[0] > kinds[i].last)
			continue;
		if (left < kinds[i].len)
			return 0;
		if (kinds[i].len > 1 &&
		    (s[1] < kinds[i].low || s[1] > kinds[i].high))
			return 0;
		for (k = 2; k < kinds[i].len; k++) {
			if ((s[k] & 0xc0) != 0x80)
				return 0;
		}
		return kinds[i].len;
	}
	return 0;
}

static bool is_utf8(const unsigned char *data, size_t len)
{
	size_t at = 0, n;

	while (at < len) {
		n = utf8_len(data + at, len - at);
		if (!n)
			return false;
		at += n;
	}
	return true;
}

struct json_object *json_bytes(const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	struct json_object *object;
	const unsigned char *bytes = data;
	char *hex;
	size_t i;

	if (!len)
		return NULL;
	hex = malloc(2 * len);
	if (!hex)
		return NULL;
	for (i = 0; i < len; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	object = json_object_new_object();
	json_add(object, "hex", json_object_new_string_len(hex, 2 * len));
	json_add(object, "text", is_utf8(bytes, len) ?
				 json_object_new_string_len(data, len) : NULL);
	free(hex);
	return object;
}

static void add_u64(struct json_object *object, const char *name,
		    uint64_t value)
{
	json_add(object, name, json_object_new_uint64(value));
}

static struct json_object *json_flow(const struct parley_flowspec *flow)
{
	const struct {
		const char *name;
		uint32_t value;
	} members[] = {
		{ "token_rate", flow->token_rate },
		{ "bucket_size", flow->bucket_size },
		{ "peak_rate", flow->peak_rate },
		{ "latency_us", flow->latency_us },
		{ "delay_variation_us", flow->delay_variation_us },
		{ "service", flow->service },
		{ "max_sdu", flow->max_sdu },
		{ "min_policed", flow->min_policed },
	};
	struct json_object *object = json_object_new_object();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(members); i++) {
		if (members[i].value == PARLEY_QOS_UNSPECIFIED)
			json_add(object, members[i].name, NULL);
		else
			add_u64(object, members[i].name, members[i].value);
	}
	return object;
}

/* An unspecified value is null, services are numbers. */
struct json_object *json_qos(const struct parley_qos *qos)
{
	struct json_object *object;

	if (!qos)
		return NULL;
	object = json_object_new_object();
	json_add(object, "send", json_flow(&qos->send));
	json_add(object, "recv", json_flow(&qos->recv));
	return object;
}

static struct json_object *json_addr(const void *addr)
{
	char text[ADDR_TEXT];

	return json_object_new_string(addr_text(addr, text));
}

/* A deadline that there is not is null. */
static struct json_object *json_deadline(uint64_t ns)
{
	return ns ? json_object_new_uint64(ns) : NULL;
}

/* An undecided call. */
struct json_object *json_call(const struct parley_offer *offer)
{
	const struct parley_call_info *info = offer->info;
	struct json_object *object = json_object_new_object();
	struct json_object *groups = json_object_new_array();
	bool deferred = info->flags & PARLEY_INFO_DEFERRED;
	size_t i;

	add_u64(object, "id", info->id);
	json_add(object, "deferred", json_object_new_boolean(deferred));
	json_add(object, "caller", json_addr(offer->caller));
	json_add(object, "callee", json_addr(offer->callee));
	add_u64(object, "uid", info->uid);
	add_u64(object, "gid", info->gid);
	for (i = 0; i < offer->groups_len; i++)
		json_object_array_add(groups,
				      json_object_new_uint64(offer->groups[i]));
	json_add(object, "groups", groups);
	add_u64(object, "pid", info->pid);
	add_u64(object, "cgroup_id", info->cgroup_id);
	add_u64(object, "netns_cookie", info->netns_cookie);
	json_add(object, "label", offer->label ?
				  json_object_new_string(offer->label) : NULL);
	json_add(object, "data", json_bytes(offer->data, offer->data_len));
	json_add(object, "qos", json_qos(offer->qos));
	add_u64(object, "group", offer->group);
	add_u64(object, "age_ns", info->age_ns);
	json_add(object, "timeout_ns", json_deadline(info->timeout_ns));
	json_add(object, "defer_timeout_ns",
		 json_deadline(info->defer_timeout_ns));
	return object;
}

/* On a line of its own; gives the object back. */
void print_json_line(struct json_object *object)
{
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
						    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
	fflush(stdout);
}
