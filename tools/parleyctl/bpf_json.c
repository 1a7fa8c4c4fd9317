// SPDX-License-Identifier: GPL-2.0
/*
 * Values of BPF maps as JSON, by their BTF; and JSON as people read it, where
 * zeros in arrays are left out.
 */
#include <ctype.h>
#include <string.h>

#include "bpf.h"
#include "show.h"

static struct json_object *json_hex(const unsigned char *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	char *hex = malloc(2 * size + 1);
	struct json_object *object;
	size_t i;

	if (!hex)
		return NULL;
	for (i = 0; i < size; i++) {
		hex[2 * i] = digits[data[i] >> 4];
		hex[2 * i + 1] = digits[data[i] & 15];
	}
	object = json_object_new_string_len(hex, 2 * size);
	free(hex);
	return object;
}

static struct json_object *json_int(const struct btf_type *type,
				    const void *data)
{
	bool is_signed = btf_is_int(type) ?
			 btf_int_encoding(type) & BTF_INT_SIGNED :
			 btf_kflag(type);
	uint64_t number = 0;
	unsigned int unused;

	if (type->size > sizeof(number))
		return json_hex(data, type->size);
	unused = 8 * (sizeof(number) - type->size);
	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		memcpy((char *)&number + unused / 8, data, type->size);
	else
		memcpy(&number, data, type->size);
	if (btf_is_int(type) && btf_int_encoding(type) & BTF_INT_BOOL)
		return json_object_new_boolean(number);
	if (is_signed)
		return json_object_new_int64((int64_t)(number << unused) >>
					     unused);
	return json_object_new_uint64(number);
}

/* A text, if it is printable and then zero. */
static struct json_object *json_chars(const unsigned char *data, size_t size)
{
	size_t len = 0, i;

	while (len < size && isprint(data[len]))
		len++;
	for (i = len; i < size; i++) {
		if (data[i])
			return json_hex(data, size);
	}
	return json_object_new_string_len((const char *)data, len);
}

static struct json_object *json_array(const struct btf *btf,
				      const struct btf_array *array,
				      const char *data, size_t size)
{
	__u32 id = btf__resolve_type(btf, array->type);
	const struct btf_type *type = btf__type_by_id(btf, id);
	size_t i, step = array->nelems ? size / array->nelems : 0;
	struct json_object *list;

	if (type && btf_is_int(type) && step == 1) {
		const char *name = btf__name_by_offset(btf, type->name_off);

		return (strcmp(name, "char") ? json_hex : json_chars)
			((const unsigned char *)data, size);
	}
	list = json_object_new_array();
	for (i = 0; i < array->nelems; i++)
		json_object_array_add(list, btf_json(btf, id, data + i * step,
						     step));
	return list;
}

/* Locks say nothing. */
static bool is_lock(const struct btf *btf, __u32 id)
{
	const struct btf_type *type =
		btf__type_by_id(btf, btf__resolve_type(btf, id));

	return type && btf_is_struct(type) &&
	       !strcmp(btf__name_by_offset(btf, type->name_off),
		       "bpf_spin_lock");
}

static struct json_object *json_struct(const struct btf *btf,
				       const struct btf_type *type,
				       const char *data, size_t size)
{
	struct json_object *object = json_object_new_object();
	const struct btf_member *member = btf_members(type);
	int i;

	for (i = 0; i < btf_vlen(type); i++, member++) {
		const char *name = btf__name_by_offset(btf, member->name_off);
		size_t at = btf_member_bit_offset(type, i) / 8;
		long len = btf__resolve_size(btf, member->type);

		if (is_lock(btf, member->type) || len < 0 || at + len > size ||
		    btf_member_bitfield_size(type, i))
			continue;
		json_add(object, name,
			 btf_json(btf, member->type, data + at, len));
	}
	return object;
}

/* The variables of a section, but for those that only functions know. */
static struct json_object *json_section(const struct btf *btf,
					const struct btf_type *type,
					const char *data, size_t size)
{
	const struct btf_var_secinfo *info = btf_var_secinfos(type);
	struct json_object *object = json_object_new_object();
	int i;

	for (i = 0; i < btf_vlen(type); i++, info++) {
		const struct btf_type *var = btf__type_by_id(btf, info->type);

		if (btf_var(var)->linkage != BTF_VAR_GLOBAL_ALLOCATED ||
		    info->offset + info->size > size)
			continue;
		json_add(object, btf__name_by_offset(btf, var->name_off),
			 btf_json(btf, var->type, data + info->offset,
				  info->size));
	}
	return object;
}

/* What has no type that is known is a text of hexadecimal digits. */
struct json_object *btf_json(const struct btf *btf, __u32 id, const void *data,
			     size_t size)
{
	const struct btf_type *type = NULL;
	int resolved = id ? btf__resolve_type(btf, id) : -1;

	if (resolved > 0)
		type = btf__type_by_id(btf, resolved);
	if (type && (btf_is_int(type) || btf_is_any_enum(type)) &&
	    type->size <= size)
		return json_int(type, data);
	if (type && btf_is_array(type))
		return json_array(btf, btf_array(type), data, size);
	if (type && btf_is_composite(type))
		return json_struct(btf, type, data, size);
	if (type && btf_is_datasec(type))
		return json_section(btf, type, data, size);
	return json_hex(data, size);
}

static bool is_zero(struct json_object *value)
{
	size_t i;

	switch (json_object_get_type(value)) {
	case json_type_object: {
		json_object_object_foreach(value, key, member) {
			if (key && !is_zero(member))
				return false;
		}
		return true;
	}
	case json_type_array:
		for (i = 0; i < json_object_array_length(value); i++) {
			if (!is_zero(json_object_array_get_idx(value, i)))
				return false;
		}
		return true;
	case json_type_string:
		return !json_object_get_string_len(value);
	default:
		return !json_object_get_int64(value);
	}
}

static void print_object(struct json_object *object)
{
	const char *comma = "";

	json_object_object_foreach(object, name, value) {
		printf("%s%s ", comma, name);
		print_value(value);
		comma = ", ";
	}
}

void print_value(struct json_object *value)
{
	const char *comma = "";
	size_t i;

	switch (json_object_get_type(value)) {
	case json_type_object:
		print_object(value);
		break;
	case json_type_array:
		putchar('[');
		for (i = 0; i < json_object_array_length(value); i++) {
			struct json_object *element =
				json_object_array_get_idx(value, i);

			if (is_zero(element))
				continue;
			printf("%s", comma);
			print_value(element);
			comma = "; ";
		}
		putchar(']');
		break;
	default:
		fputs(json_object_to_json_string_ext(value,
						     JSON_C_TO_STRING_NOSLASHESCAPE),
		      stdout);
	}
}
