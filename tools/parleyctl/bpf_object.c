// SPDX-License-Identifier: GPL-2.0
/*
 * What is set in a BPF object before it runs: variables in .rodata and entries
 * of maps. What type they are of is in the object's BTF.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf.h"

#define SECTION		".rodata"

/**
 * struct place - something to be filled from a text
 * @what: how messages name it
 * @btf: the object's
 * @type: its type there
 * @data: where to write
 * @size: so many bytes
 */
struct place {
	const char *what;
	const struct btf *btf;
	__u32 type;
	void *data;
	size_t size;
};

static int encode_int(const struct place *place, const struct btf_type *type,
		      const char *text)
{
	bool is_signed = btf_is_int(type) ?
			 btf_int_encoding(type) & BTF_INT_SIGNED :
			 btf_kflag(type);
	bool is_bool = btf_is_int(type) &&
		       btf_int_encoding(type) & BTF_INT_BOOL;
	unsigned int bits = is_bool ? 1 : 8 * type->size;
	unsigned long long max = bits < 64 ? (1ULL << bits) - 1 : ~0ULL;
	unsigned long long number;
	long long min = 0;
	char *end;

	if (type->size > sizeof(number))
		return failure("%s: numbers of its size cannot be set",
			       place->what);
	if (is_signed) {
		max >>= 1;
		min = -(long long)max - 1;
	}
	errno = 0;
	if (text[0] == '-') {
		number = strtoll(text, &end, 0);
		if ((long long)number < min)
			errno = ERANGE;
	} else {
		number = strtoull(text, &end, 0);
		if (number > max)
			errno = ERANGE;
	}
	if (errno || end == text || *end)
		return usage_error("%s: '%s' is not a number from %lld to %llu",
				   place->what, text, min, max);
	/* Its low bytes are the first ones on the machines that have BPF. */
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		number <<= 8 * (sizeof(number) - type->size);
	memcpy(place->data, &number, type->size);
	return EXIT_OK;
}

static bool is_char(const struct btf *btf, __u32 id)
{
	const struct btf_type *type =
		btf__type_by_id(btf, btf__resolve_type(btf, id));

	return type && btf_is_int(type) && type->size == 1 &&
	       !strcmp(btf__name_by_offset(btf, type->name_off), "char");
}

/* Numbers, arrays of char, and structs that are nothing but one of these. */
static int encode(const struct place *place, const char *text)
{
	const struct btf_type *type =
		btf__type_by_id(place->btf,
				btf__resolve_type(place->btf, place->type));
	size_t len = strlen(text);

	if (type && (btf_is_int(type) || btf_is_any_enum(type)))
		return encode_int(place, type, text);
	if (type && btf_is_struct(type) && btf_vlen(type) == 1) {
		struct place member = *place;

		member.type = btf_members(type)->type;
		return encode(&member, text);
	}
	if (!type || !btf_is_array(type) ||
	    !is_char(place->btf, btf_array(type)->type))
		return failure("%s is neither a number nor a text", place->what);
	if (len > place->size)
		return usage_error("%s: '%s' has more than %zu characters",
				   place->what, text, place->size);
	memset(place->data, 0, place->size);
	memcpy(place->data, text, len);
	return EXIT_OK;
}

/* The map that .rodata becomes; NULL if there is none. */
struct bpf_map *object_settings(struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		const char *dot = strrchr(bpf_map__name(map), '.');

		if (bpf_map__is_internal(map) && dot && !strcmp(dot, SECTION))
			return map;
	}
	return NULL;
}

static void hint_settings(const struct btf *btf, const struct btf_type *section)
{
	const struct btf_var_secinfo *info = btf_var_secinfos(section);
	char list[512];
	int i, at = 0;

	list[0] = '\0';
	for (i = 0; i < btf_vlen(section); i++, info++) {
		const struct btf_type *var = btf__type_by_id(btf, info->type);
		const char *name = btf__name_by_offset(btf, var->name_off);

		if (btf_var(var)->linkage != BTF_VAR_GLOBAL_ALLOCATED ||
		    at + strlen(name) + 3 > sizeof(list))
			continue;
		at += sprintf(list + at, "%s%s", at ? ", " : "", name);
	}
	if (at)
		hint("it has: %s", list);
}

/* Finds the variable @place->what. */
static int find_setting(struct bpf_object *object, struct place *place)
{
	const struct btf *btf = bpf_object__btf(object);
	struct bpf_map *map = object_settings(object);
	const struct btf_var_secinfo *info;
	const struct btf_type *section;
	size_t room;
	char *data;
	int i, id;

	if (!btf)
		return failure("there is no BTF in this object: compile it with -g");
	id = btf__find_by_name_kind(btf, SECTION, BTF_KIND_DATASEC);
	if (!map || id < 0)
		return usage_error("there is nothing to set in this object");
	section = btf__type_by_id(btf, id);
	data = bpf_map__initial_value(map, &room);
	info = btf_var_secinfos(section);
	for (i = 0; i < btf_vlen(section); i++, info++) {
		const struct btf_type *var = btf__type_by_id(btf, info->type);
		const char *name = btf__name_by_offset(btf, var->name_off);

		if (strcmp(name, place->what) || !data ||
		    info->offset + info->size > room)
			continue;
		place->btf = btf;
		place->type = var->type;
		place->data = data + info->offset;
		place->size = info->size;
		return EXIT_OK;
	}
	failure("there is no variable '%s'", place->what);
	hint_settings(btf, section);
	return EXIT_USAGE;
}

/* NAME=VALUE, before the object is loaded. */
int object_set(struct bpf_object *object, const char *text)
{
	char *copy = strdup(text), *value = copy;
	struct place place = { .what = copy };
	int ret;

	if (!copy)
		return failure("out of memory");
	strsep(&value, "=");
	if (!value)
		ret = usage_error("'%s': write NAME=VALUE", text);
	else
		ret = find_setting(object, &place);
	if (!ret)
		ret = encode(&place, value);
	free(copy);
	return ret;
}

/* Without a value, an entry that is there already stays as it is. */
static int put_entry(struct bpf_map *map, const char *data, bool has_value)
{
	size_t key_size = bpf_map__key_size(map);

	if (!bpf_map__update_elem(map, data, key_size, data + key_size,
				  bpf_map__value_size(map),
				  has_value ? BPF_ANY : BPF_NOEXIST) ||
	    (!has_value && errno == EEXIST))
		return EXIT_OK;
	return failure("--add: %s: %s", bpf_map__name(map), errno == E2BIG ?
		       "the map is full" : strerror(errno));
}

/* What comes after the last colon is the value, zero if there is none. */
static int add_entry(struct bpf_object *object, struct bpf_map *map,
		     char *key_text, bool commit)
{
	size_t key_size = bpf_map__key_size(map);
	size_t value_size = bpf_map__value_size(map);
	char *data = calloc(1, key_size + value_size);
	char *value_text = strrchr(key_text, ':');
	struct place place = {
		.what = bpf_map__name(map),
		.btf = bpf_object__btf(object),
		.type = bpf_map__btf_key_type_id(map),
		.data = data,
		.size = key_size,
	};
	int ret;

	if (!data)
		return failure("out of memory");
	if (value_text)
		*value_text++ = '\0';
	ret = encode(&place, key_text);
	if (!ret && value_text) {
		place.type = bpf_map__btf_value_type_id(map);
		place.data = data + key_size;
		place.size = value_size;
		ret = encode(&place, value_text);
	}
	if (!ret && commit)
		ret = put_entry(map, data, value_text);
	free(data);
	return ret;
}

/* MAP=KEY or MAP=KEY:VALUE; with @commit the object must have been loaded. */
int object_add(struct bpf_object *object, const char *text, bool commit)
{
	char *copy = strdup(text), *key = copy;
	struct bpf_map *map;
	int ret;

	if (!copy)
		return failure("out of memory");
	strsep(&key, "=");
	map = bpf_object__find_map_by_name(object, copy);
	if (!key)
		ret = usage_error("--add: '%s': write MAP=KEY or MAP=KEY:VALUE",
				  text);
	else if (!map || bpf_map__is_internal(map))
		ret = usage_error("--add: there is no map '%s'", copy);
	else
		ret = add_entry(object, map, key, commit);
	free(copy);
	return ret;
}
