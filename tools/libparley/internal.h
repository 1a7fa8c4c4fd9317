/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of libparley share. Nothing here is seen outside: the names
 * begin with plib_, and the version script leaves them out.
 */
#ifndef LIBPARLEY_INTERNAL_H
#define LIBPARLEY_INTERNAL_H

#include <stdbool.h>
#include <string.h>

#include "parley.h"

#pragma GCC visibility push(hidden)

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define BIT(n)		(1U << (n))
#define __printf(a, b)	__attribute__((__format__(__printf__, a, b)))

/* offer.c */

/**
 * plib_next_call - PARLEY_IOC_NEXT_CALL with as much room as it takes
 * @fd: a socket that listens
 * @flags: PARLEY_NEXT_*
 *
 * Return: the call, for parley_offer_free(), or NULL and errno.
 */
struct parley_offer *plib_next_call(int fd, unsigned int flags);

/* qos.c */

extern const struct parley_flowspec plib_flow_unspecified;

/* ruleset.c */

#define PLIB_POOL_MAX	1048576

/**
 * struct parley_ruleset - a table of rules
 * @rules: an array with room for @room
 * @lines: for each, the line of the text that it was in, or 0
 * @count: rules there are
 * @room: rules there is memory for
 * @pool: bytes that the rules point into
 * @pool_len: how many
 * @pool_room: bytes there is memory for
 * @otherwise: the default
 * @default_line: as @lines
 */
struct parley_ruleset {
	struct parley_rule *rules;
	unsigned int *lines;
	size_t count;
	size_t room;
	unsigned char *pool;
	size_t pool_len;
	size_t pool_room;
	struct parley_rule_answer otherwise;
	unsigned int default_line;
};

int plib_ruleset_add(struct parley_ruleset *rs, const struct parley_rule *rule,
		     unsigned int line);
/* whether two tables say the same; where in their pools the bytes are is all one */
bool plib_ruleset_equal(const struct parley_ruleset *a,
			const struct parley_ruleset *b);
/* as parley_ruleset_add_bytes(), but equal bytes are put only once */
int plib_pool_share(struct parley_ruleset *rs, const void *data, size_t len,
		    uint32_t *offset);

#pragma GCC visibility pop

#endif /* LIBPARLEY_INTERNAL_H */
