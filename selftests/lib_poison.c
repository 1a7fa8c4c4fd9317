// SPDX-License-Identifier: GPL-2.0
/* Which bytes of a buffer the kernel wrote, and what; see lib_poison.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib_poison.h"

/* Too much room by so many bytes, in front of what must stay. */
#define POISON_MORE	8
#define POISON_BEYOND	64

const unsigned char poison_byte[POISON_BYTES] = { 0xa5, 0x5a };

static bool bad(const char *name, const char *format, ...)
{
	va_list args;

	printf("# %s: ", name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	return false;
}

void poison_fill(void *bytes, size_t len, int which)
{
	memset(bytes, poison_byte[which], len);
}

bool poison_untouched(const char *name, const void *bytes, size_t len,
		      int which)
{
	const unsigned char *p = bytes;
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != poison_byte[which])
			return bad(name, "byte %zu is written, as %#x", i, p[i]);
	return true;
}

bool poison_is_zero(const char *name, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i])
			return bad(name, "byte %zu is %#x, not 0", i, p[i]);
	return true;
}

/*
 * Where x86-64 has its memory, its modules and itself. All ones in the upper
 * half is also what many members say if they mean nothing.
 */
static bool is_address(uint64_t value)
{
	return (value >= 0xffff800000000000 && value < 0xffffffff00000000) ||
	       (value >= 0xffffffff80000000 && value < 0xffffffffff000000);
}

/* The compiler's, SLUB's and the page allocator's, on kernels for debugging. */
static bool is_filling(const unsigned char *p)
{
	static const unsigned char with[] = { 0xfe, 0xaa, 0x6b, 0x5a, 0xbb, 0xcc };
	size_t i;

	for (i = 0; i < sizeof(with); i++)
		if (p[0] == with[i] && p[1] == with[i] && p[2] == with[i] &&
		    p[3] == with[i])
			return true;
	return false;
}

bool poison_clean(const char *name, const void *bytes, size_t len)
{
	const unsigned char *p = bytes;
	uint64_t value;
	size_t i;

	for (i = 0; i + 4 <= len; i++)
		if (is_filling(p + i))
			return bad(name, "byte %zu and on are %#x", i, p[i]);
	for (i = 0; i + sizeof(value) <= len; i += 4) {
		memcpy(&value, p + i, sizeof(value));
		if (is_address(value))
			return bad(name, "at byte %zu is %#llx", i,
				   (unsigned long long)value);
	}
	return true;
}

/* Asks with @room, and looks at what is beyond what came. */
static int poison_get(struct poison *p, unsigned char *buf, int room,
		      int which, socklen_t *got)
{
	socklen_t len = room;
	int err, n;

	poison_fill(buf, room + POISON_BEYOND, which);
	err = p->get(buf, &len, p->arg);
	*got = len;
	n = err ? 0 : p->names && len > room ? room : (int)len;
	if (n > room) {
		bad(p->name, "%d bytes where there is room for %d", n, room);
		return -EBADMSG;
	}
	if (!poison_untouched(p->name, buf + n, room + POISON_BEYOND - n,
			      which)) {
		bad(p->name, "it says %d bytes, in room for %d (error %d)", n,
		    room, -err);
		return -EBADMSG;
	}
	return err ? err : n;
}

/* Both times. Return: bytes, all of them written, or an error. */
static int poison_twice(struct poison *p, unsigned char *value, int room)
{
	static unsigned char buf[POISON_ROOM];
	int first, second, i;
	socklen_t len, again;

	first = poison_get(p, value, room, 0, &len);
	if (first == -EBADMSG)
		return first;
	second = poison_get(p, buf, room, 1, &again);
	if (first != second || len != again) {
		bad(p->name, "%d and then %d", first, second);
		return -EBADMSG;
	}
	for (i = 0; i < first; i++) {
		if (value[i] == poison_byte[0] && buf[i] == poison_byte[1]) {
			bad(p->name, "byte %d of %d is not written", i, first);
			return -EBADMSG;
		}
		if (!p->ticks && value[i] != buf[i]) {
			bad(p->name, "byte %d is %#x, then %#x", i, value[i],
			    buf[i]);
			return -EBADMSG;
		}
	}
	return first;
}

bool poison_value(struct poison *p)
{
	p->len = poison_twice(p, p->value, POISON_ROOM - POISON_BEYOND);
	if (p->len == -EBADMSG)
		return false;
	return p->len <= 0 || poison_clean(p->name, p->value, p->len);
}

bool poison_is(struct poison *p, int len)
{
	if (!poison_value(p))
		return false;
	return p->len == len || bad(p->name, "%d instead of %d", p->len, len);
}

bool poison_rooms(struct poison *p)
{
	static unsigned char value[POISON_ROOM];
	int room, n, most;

	if (!poison_value(p))
		return false;
	most = p->len > 0 ? p->len : POISON_MORE;
	for (room = 0; room <= most + POISON_MORE; room++) {
		n = poison_twice(p, value, room);
		if (n == -EBADMSG)
			return false;
		if (n > 0 && p->len <= 0 && p->loose)
			continue;
		if (n > 0 && p->len <= 0)
			return bad(p->name, "%d bytes, but %d with more room", n,
				   p->len);
		if (n > 0 && p->whole && n != p->len)
			return bad(p->name, "%d bytes of %d", n, p->len);
		if (n >= 0 && !p->whole && !p->loose && p->len >= 0 &&
		    n != (room < p->len ? room : p->len))
			return bad(p->name, "%d bytes of %d in room for %d", n,
				   p->len, room);
		if (n > 0 && !p->ticks && memcmp(value, p->value, n))
			return bad(p->name, "other %d bytes in room for %d", n,
				   room);
		if (n < 0 && room >= most && p->len >= 0)
			return bad(p->name, "error %d with room for %d", -n,
				   room);
	}
	return true;
}
