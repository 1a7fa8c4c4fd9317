/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of outputs share: a buffer that is given to the kernel twice,
 * each time full of another byte, tells which bytes were written. What was
 * written must be nothing that the kernel had in the same place before.
 *
 * Include it after kselftest_harness.h. What is found is printed as a comment.
 */
#ifndef PARLEY_SELFTEST_LIB_POISON_H
#define PARLEY_SELFTEST_LIB_POISON_H

#include "lib.h"

#define POISON_ROOM	1024	/* no value is so long */
#define POISON_BYTES	2
extern const unsigned char poison_byte[POISON_BYTES];

/**
 * struct poison - an output, and what came of asking for it
 * @name: for comments
 * @get: asks with room for *@len bytes at @buf, and stores how many there are.
 *	Return: 0, or a negative errno and @buf is as it was
 * @arg: @get's own
 * @ticks: the value is another one each time
 * @whole: it comes whole or not at all; else as much as there is room for
 * @loose: or less than that, or only if there is just as much room
 * @names: *@len is the whole length, however little came, as with accept(2)
 * @len: of the value, or what was returned instead of it
 * @value: the value, once poison_value() was called
 */
struct poison {
	const char *name;
	int (*get)(void *buf, socklen_t *len, const void *arg);
	const void *arg;
	bool ticks;
	bool whole;
	bool loose;
	bool names;
	int len;
	unsigned char value[POISON_ROOM];
};

/*
 * Asks with more room than needed: every byte up to the length is written, none
 * beyond, and none of them is out of place. Errors are fine as long as nothing
 * is written.
 */
bool poison_value(struct poison *p);
/* The same with room for 0 bytes, 1 byte and so on, up to some too many. */
bool poison_rooms(struct poison *p);

/* of a value that is expected to be there */
bool poison_is(struct poison *p, int len);

/* no address of the kernel, and nothing it fills memory with */
bool poison_clean(const char *name, const void *bytes, size_t len);
bool poison_is_zero(const char *name, const void *bytes, size_t len);
/* all of them are still what poison_fill() made them */
bool poison_untouched(const char *name, const void *bytes, size_t len,
		      int which);
void poison_fill(void *bytes, size_t len, int which);

#endif /* PARLEY_SELFTEST_LIB_POISON_H */
