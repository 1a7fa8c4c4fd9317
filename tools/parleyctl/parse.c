// SPDX-License-Identifier: GPL-2.0
/*
 * What the user writes on the command line: numbers, times, bytes, rates,
 * verdicts. Each function returns an exit code after it has told what is wrong
 * with which option, and what would be right.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parleyctl.h"

/* More than any kernel takes as call data, and less than hurts. */
#define BYTES_MAX	1000000

/* A number from 0 to @max. */
int parse_number(const char *option, const char *text, unsigned long max,
		 unsigned long *number)
{
	char *end;

	errno = 0;
	*number = strtoul(text, &end, 10);
	if (errno || end == text || *end || strchr(text, '-') || *number > max)
		return usage_error("%s: '%s' is not a number from 0 to %lu",
				   option, text, max);
	return EXIT_OK;
}

/* A time: milliseconds, or a number with a unit. */
int parse_ms(const char *option, const char *text, uint32_t *ms)
{
	static const struct {
		const char *name;
		unsigned long ms;
	} units[] = {
		{ "", 1 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 },
		{ "h", 3600000 },
	};
	unsigned long number;
	char *end;
	size_t i;

	errno = 0;
	number = strtoul(text, &end, 10);
	for (i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(end, units[i].name))
			continue;
		if (errno || end == text || strchr(text, '-') ||
		    number > UINT32_MAX / units[i].ms)
			break;
		*ms = number * units[i].ms;
		return EXIT_OK;
	}
	return usage_error("%s: '%s' is not a time: write milliseconds, or ms, s, m, h with it",
			   option, text);
}

static int read_file(const char *option, const char *path, struct bytes *bytes)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	int ret = EXIT_OK;

	if (!file || read_all(file, BYTES_MAX, bytes))
		ret = failure("%s: %s: %s", option, path, strerror(errno));
	if (file && file != stdin)
		fclose(file);
	return ret;
}

/* The text itself, or what is in a file: @FILE, @- for standard input. */
int parse_bytes(const char *option, const char *text, struct bytes *bytes)
{
	free(bytes->data);
	bytes->data = NULL;
	if (text[0] == '@')
		return read_file(option, text + 1, bytes);
	bytes->data = strdup(text);
	bytes->len = strlen(text);
	return bytes->data ? EXIT_OK : failure("%s: out of memory", option);
}

int parse_verdict(const char *text, int *verdict)
{
	static const struct {
		const char *name;
		int verdict;
	} verdicts[] = {
		{ "accept", PARLEY_ACCEPT }, { "refuse", PARLEY_REFUSE },
		{ "defer", PARLEY_DEFER }, { "undecide", PARLEY_UNDECIDE },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verdicts); i++) {
		if (!strcmp(text, verdicts[i].name)) {
			*verdict = verdicts[i].verdict;
			return EXIT_OK;
		}
	}
	return usage_error("'%s' is no verdict: write accept, refuse, defer or undecide",
			   text);
}

enum unit { UNIT_BYTES, UNIT_TIME, UNIT_SERVICE };

/* What can be said of a direction; the first one may be left out. */
static const struct qos_key {
	const char *name;
	size_t offset;
	enum unit unit;
} qos_keys[] = {
	{ "rate", offsetof(struct parley_flowspec, token_rate), UNIT_BYTES },
	{ "bucket", offsetof(struct parley_flowspec, bucket_size), UNIT_BYTES },
	{ "peak", offsetof(struct parley_flowspec, peak_rate), UNIT_BYTES },
	{ "latency", offsetof(struct parley_flowspec, latency_us), UNIT_TIME },
	{ "variation", offsetof(struct parley_flowspec, delay_variation_us),
	  UNIT_TIME },
	{ "service", offsetof(struct parley_flowspec, service), UNIT_SERVICE },
	{ "sdu", offsetof(struct parley_flowspec, max_sdu), UNIT_BYTES },
	{ "policed", offsetof(struct parley_flowspec, min_policed),
	  UNIT_BYTES },
};

static bool parse_size(const char *text, uint64_t most, __u64 *value)
{
	unsigned long long number;
	unsigned int shift;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 10);
	shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
	if (errno || end == text || strchr(text, '-') || end[!!shift] ||
	    number > most >> shift)
		return false;
	*value = number << shift;
	return true;
}

static bool parse_bytes_unit(const char *text, uint32_t *value)
{
	__u64 size;

	if (!parse_size(text, UINT32_MAX - 1, &size))
		return false;
	*value = size;
	return true;
}

static bool parse_us_unit(const char *text, uint32_t *value)
{
	unsigned long number, unit;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	unit = !strcmp(end, "us") ? 1 : !strcmp(end, "ms") ? 1000 :
	       !strcmp(end, "s") ? 1000000 : 0;
	if (errno || end == text || strchr(text, '-') || !unit ||
	    number > (UINT32_MAX - 1) / unit)
		return false;
	*value = number * unit;
	return true;
}

static bool parse_service(const char *text, uint32_t *value)
{
	static const char *const names[] = {
		[PARLEY_SERVICE_NOTRAFFIC] = "notraffic",
		[PARLEY_SERVICE_BESTEFFORT] = "besteffort",
		[PARLEY_SERVICE_CONTROLLEDLOAD] = "controlledload",
		[PARLEY_SERVICE_GUARANTEED] = "guaranteed",
	};
	uint32_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(text, names[i])) {
			*value = i;
			return true;
		}
	}
	return false;
}

static const struct qos_key *find_key(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(qos_keys); i++) {
		if (!strcmp(qos_keys[i].name, name))
			return &qos_keys[i];
	}
	return NULL;
}

/* One NAME=VALUE, such as send=64K, recv-peak=1M or service=guaranteed. */
static bool parse_qos_item(char *item, struct parley_qos *qos)
{
	char *value = strchr(item, '=');
	const struct qos_key *key;
	bool send, recv, ok;
	uint32_t number;

	if (!value)
		return false;
	*value++ = '\0';
	send = !strncmp(item, "send", 4);
	recv = !strncmp(item, "recv", 4);
	if (!send && !recv)
		key = find_key(item);
	else if (!item[4])
		key = qos_keys;
	else
		key = item[4] == '-' ? find_key(item + 5) : NULL;
	if (!key)
		return false;
	ok = key->unit == UNIT_BYTES ? parse_bytes_unit(value, &number) :
	     key->unit == UNIT_TIME ? parse_us_unit(value, &number) :
				      parse_service(value, &number);
	if (ok && !recv)
		memcpy((char *)&qos->send + key->offset, &number, 4);
	if (ok && !send)
		memcpy((char *)&qos->recv + key->offset, &number, 4);
	return ok;
}

/* A list of them; what is not said is unspecified. */
int parse_qos(const char *option, const char *text, struct parley_qos *qos)
{
	char *copy = strdup(text), *rest = copy, *item;
	int ret = EXIT_OK;

	if (!copy)
		return failure("%s: out of memory", option);
	memset(qos, 0xff, sizeof(*qos));
	qos->send.service = PARLEY_SERVICE_BESTEFFORT;
	qos->recv.service = PARLEY_SERVICE_BESTEFFORT;
	while (!ret && (item = strsep(&rest, ","))) {
		char shown[64];

		snprintf(shown, sizeof(shown), "%s", item);
		if (!parse_qos_item(item, qos))
			ret = usage_error("%s: '%s': write send=64K,recv=1M,service=guaranteed",
					  option, shown);
	}
	free(copy);
	return ret;
}

/* send=64K,recv=1M or one of them; what is not said is unlimited. */
int parse_capacity(const char *option, const char *text,
		   struct parley_capacity *capacity)
{
	char *copy = strdup(text), *rest = copy, *item;
	bool ok = true;

	if (!copy)
		return failure("%s: out of memory", option);
	capacity->send = PARLEY_CAPACITY_UNLIMITED;
	capacity->recv = PARLEY_CAPACITY_UNLIMITED;
	while (ok && (item = strsep(&rest, ",")))
		ok = !strncmp(item, "send=", 5) ?
		     parse_size(item + 5, UINT64_MAX, &capacity->send) :
		     !strncmp(item, "recv=", 5) &&
		     parse_size(item + 5, UINT64_MAX, &capacity->recv);
	free(copy);
	return ok ? EXIT_OK : usage_error("%s: '%s': write send=64K,recv=1M",
					  option, text);
}

/* Why the kernel did not take a QoS that could be read. */
void hint_qos(void)
{
	hint("rates and buckets must not be 0 but with service=notraffic, a peak not below");
	hint("its rate, policed not above sdu; service=guaranteed needs a rate");
}
