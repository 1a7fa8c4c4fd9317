// SPDX-License-Identifier: GPL-2.0
/* The values in a rule file: numbers, ranges, sizes, times, bytes. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "rulefile.h"

#define PLIB_DAY_MS	86400000U

struct plib_unit {
	const char *name;
	uint32_t factor;
};

static const struct plib_unit plib_no_unit[] = { { "", 1 }, { NULL, 0 } };

static const struct plib_unit plib_size_units[] = {
	{ "", 1 }, { "K", 1U << 10 }, { "M", 1U << 20 }, { "G", 1U << 30 },
	{ NULL, 0 },
};

static const struct plib_unit plib_time_units[] = {
	{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
	{ NULL, 0 },
};

static const struct plib_unit plib_delay_units[] = {
	{ "us", 1 }, { "ms", 1000 }, { "s", 1000000 },
	{ NULL, 0 },
};

static int plib_digit(char c, int base)
{
	int value;

	if (c >= '0' && c <= '9')
		value = c - '0';
	else if (c >= 'a' && c <= 'f')
		value = c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		value = c - 'A' + 10;
	else
		return -1;
	return value < base ? value : -1;
}

/*
 * Digits at @s, decimal or after 0x, as many as there are.
 * Returns how many bytes that were; @over says that the value is not theirs.
 */
static size_t plib_digits(const char *s, size_t len, uint64_t *value,
			  bool *over)
{
	int base = 10;
	size_t i = 0;

	*value = 0;
	*over = false;
	if (len > 2 && s[0] == '0' && s[1] == 'x' && plib_digit(s[2], 16) >= 0) {
		base = 16;
		i = 2;
	}
	for (; i < len && plib_digit(s[i], base) >= 0; i++)
		if (__builtin_mul_overflow(*value, base, value) ||
		    __builtin_add_overflow(*value, plib_digit(s[i], base),
					   value))
			*over = true;
	return i;
}

static const struct plib_unit *plib_find_unit(const struct plib_unit *units,
					      const char *s, size_t len)
{
	for (; units->name; units++)
		if (strlen(units->name) == len && !memcmp(units->name, s, len))
			return units;
	return NULL;
}

/* Part @s of the word, a number and its unit. */
static int plib_value(struct plib_parse *p, const char *what, const char *s,
		      size_t len, const struct plib_unit *units, uint64_t max,
		      uint64_t *value)
{
	const struct plib_unit *unit;
	size_t digits;
	bool over;

	digits = plib_digits(s, len, value, &over);
	if (!digits)
		return plib_expected(p, what);
	unit = plib_find_unit(units, s + digits, len - digits);
	if (!unit && units == plib_time_units)
		return plib_fail(p, s + digits,
				 "a time ends with ms, s, m or h");
	if (!unit && units == plib_delay_units)
		return plib_fail(p, s + digits, "a delay ends with us, ms or s");
	if (!unit)
		return plib_expected(p, what);
	over |= __builtin_mul_overflow(*value, unit->factor, value);
	if (over || *value > max)
		return plib_fail(p, s, "%s is at most %llu%s", what,
				 (unsigned long long)max, units[0].name);
	return 0;
}

int plib_number(struct plib_parse *p, const char *what, uint64_t max,
		uint64_t *value)
{
	if (plib_value(p, what, p->word, p->len, plib_no_unit, max, value))
		return -1;
	plib_next(p);
	return 0;
}

int plib_number32(struct plib_parse *p, const char *what, uint32_t *value)
{
	uint64_t number;

	if (plib_number(p, what, UINT32_MAX, &number))
		return -1;
	*value = number;
	return 0;
}

static int plib_bounds(struct plib_parse *p, const char *what,
		       int (*parse)(struct plib_parse *p, const char *what,
				    const char *s, size_t len, uint32_t max,
				    uint32_t *value),
		       uint32_t max, uint32_t *low, uint32_t *high)
{
	const char *dash = memchr(p->word, '-', p->len);
	size_t len = dash ? (size_t)(dash - p->word) : p->len;

	if (parse(p, what, p->word, len, max, low))
		return -1;
	*high = *low;
	if (dash && parse(p, what, dash + 1, p->len - len - 1, max, high))
		return -1;
	if (*low > *high)
		return plib_fail(p, p->word, "the range ends below its start");
	plib_next(p);
	return 0;
}

static int plib_plain(struct plib_parse *p, const char *what, const char *s,
		      size_t len, uint32_t max, uint32_t *value)
{
	uint64_t number;

	if (plib_value(p, what, s, len, plib_no_unit, max, &number))
		return -1;
	*value = number;
	return 0;
}

int plib_range(struct plib_parse *p, const char *what, uint32_t max,
	       uint32_t *low, uint32_t *high)
{
	return plib_bounds(p, what, plib_plain, max, low, high);
}

/* The number that means "unspecified" is written so, not as a number. */
static int plib_specified(struct plib_parse *p, const char *what, const char *s,
			  size_t len, const struct plib_unit *units,
			  uint32_t *value)
{
	static const char *const unspecified = "unspecified";
	uint64_t number;

	if (!plib_lookup(s, len, &unspecified, 1)) {
		*value = PARLEY_QOS_UNSPECIFIED;
		return 0;
	}
	if (plib_value(p, what, s, len, units, PARLEY_QOS_UNSPECIFIED - 1,
		       &number))
		return -1;
	*value = number;
	return 0;
}

static int plib_one_size(struct plib_parse *p, const char *what, const char *s,
			 size_t len, uint32_t max, uint32_t *value)
{
	(void)max;
	return plib_specified(p, what, s, len, plib_size_units, value);
}

int plib_size(struct plib_parse *p, const char *what, uint32_t *value)
{
	if (plib_specified(p, what, p->word, p->len, plib_size_units, value))
		return -1;
	plib_next(p);
	return 0;
}

int plib_size_range(struct plib_parse *p, const char *what, uint32_t *low,
		    uint32_t *high)
{
	return plib_bounds(p, what, plib_one_size, 0, low, high);
}

int plib_time(struct plib_parse *p, const char *what, uint32_t *ms)
{
	uint64_t number;

	if (plib_value(p, what, p->word, p->len, plib_time_units, UINT32_MAX,
		       &number))
		return -1;
	*ms = number;
	plib_next(p);
	return 0;
}

int plib_delay(struct plib_parse *p, const char *what, uint32_t *us)
{
	if (plib_specified(p, what, p->word, p->len, plib_delay_units, us))
		return -1;
	plib_next(p);
	return 0;
}

/* One of the two numbers of a rate. */
static int plib_rate_part(struct plib_parse *p, const char *what, const char *s,
			  size_t len, const struct plib_unit *units,
			  uint64_t max, uint32_t *value)
{
	uint64_t number;

	if (!len || plib_digit(*s, 10) < 0)
		return plib_expected(p, "a rate as 100/1s");
	if (plib_value(p, what, s, len, units, max, &number))
		return -1;
	*value = number;
	return 0;
}

/* "s" alone is one second. */
static int plib_interval(struct plib_parse *p, const char *s, size_t len,
			 uint32_t *ms)
{
	const struct plib_unit *unit = plib_find_unit(plib_time_units, s, len);

	if (unit) {
		*ms = unit->factor;
		return 0;
	}
	if (plib_rate_part(p, "the interval", s, len, plib_time_units,
			   PLIB_DAY_MS, ms))
		return -1;
	return *ms ? 0 : plib_fail(p, s, "the interval is at least 1ms");
}

int plib_rate(struct plib_parse *p, struct parley_rule_rate *rate)
{
	const char *slash = memchr(p->word, '/', p->len);
	size_t len = slash ? (size_t)(slash - p->word) : 0;

	if (plib_rate_part(p, "the rate", p->word, len, plib_no_unit,
			   UINT32_MAX, &rate->calls))
		return -1;
	if (!rate->calls)
		return plib_fail(p, p->word, "the rate is at least 1 call");
	if (plib_interval(p, slash + 1, p->len - len - 1, &rate->interval_ms))
		return -1;
	plib_next(p);
	return 0;
}

/* Two hexadecimal digits at @s. */
static int plib_octet(const char *s, const char *end, unsigned char *octet)
{
	int high, low;

	if (end - s < 2)
		return -1;
	high = plib_digit(s[0], 16);
	low = plib_digit(s[1], 16);
	if (high < 0 || low < 0)
		return -1;
	*octet = high << 4 | low;
	return 0;
}

static int plib_hex(struct plib_parse *p, unsigned char *out, size_t *len)
{
	const char *s = p->word + 1, *end = p->word + p->len;

	for (*len = 0; s < end; s += 2, (*len)++)
		if (plib_octet(s, end, &out[*len]))
			return plib_fail(p, s, "two hexadecimal digits are expected for each byte");
	return 0;
}

/* What follows a backslash at @s; returns how many bytes that was, or -1. */
static int plib_escape(struct plib_parse *p, const char *s, const char *end,
		       unsigned char *out)
{
	switch (s < end ? *s : '\0') {
	case 'n':
		*out = '\n';
		return 1;
	case 't':
		*out = '\t';
		return 1;
	case 'r':
		*out = '\r';
		return 1;
	case '\\':
	case '"':
		*out = *s;
		return 1;
	case 'x':
		if (plib_octet(s + 1, end, out))
			return plib_fail(p, s - 1, "\\x takes two hexadecimal digits");
		return 3;
	default:
		return plib_fail(p, s - 1, "only \\n, \\t, \\r, \\\\, \\\" and \\xNN are known");
	}
}

static int plib_quoted(struct plib_parse *p, unsigned char *out, size_t *len)
{
	const char *s = p->word + 1, *end = p->word + p->len;
	int n;

	for (*len = 0; s < end && *s != '"'; s++, (*len)++) {
		if (*s != '\\') {
			out[*len] = *s;
			continue;
		}
		n = plib_escape(p, s + 1, end, &out[*len]);
		if (n < 0)
			return -1;
		s += n;
	}
	if (s == end)
		return plib_fail(p, p->word, "the quote is not closed");
	if (s + 1 < end)
		return plib_fail(p, s + 1, "a space is missing after the quote");
	return 0;
}

int plib_bytes(struct plib_parse *p, unsigned char **bytes, size_t *len)
{
	unsigned char *out;
	int err;

	if (!p->len || (*p->word != '"' && *p->word != 'x'))
		return plib_expected(p, "\"text\" or xHEX");
	out = malloc(p->len); /* a word is never shorter than its bytes */
	if (!out)
		return plib_fail_errno(p);
	if (*p->word == '"')
		err = plib_quoted(p, out, len);
	else
		err = plib_hex(p, out, len);
	if (!err && !*len)
		err = plib_fail(p, p->word, "there are no bytes in it");
	if (err) {
		free(out);
		errno = EINVAL;
		return -1;
	}
	*bytes = out;
	plib_next(p);
	return 0;
}
