// SPDX-License-Identifier: GPL-2.0
/*
 * parleyctl policy show: one policy with its settings and what its maps hold,
 * as text or JSON; the text is made from the JSON.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf.h"
#include "policy.h"
#include "show.h"

static const char *map_type(__u32 type)
{
	const char *name = libbpf_bpf_map_type_str(type);

	return name ? name : "unknown";
}

/* Those whose values are the same for all processors. */
static bool has_entries(__u32 type)
{
	return type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH ||
	       type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_LPM_TRIE;
}

static bool all_zero(const char *data, size_t size)
{
	return !size || (!data[0] && !memcmp(data, data + 1, size - 1));
}

static struct json_object *json_entry(const struct btf *btf,
				      const struct bpf_map_info *info,
				      const void *key, const void *value)
{
	struct json_object *entry = json_object_new_object();

	json_add(entry, "key", btf_json(btf, btf ? info->btf_key_type_id : 0,
					key, info->key_size));
	json_add(entry, "value",
		 btf_json(btf, btf ? info->btf_value_type_id : 0, value,
			  info->value_size));
	return entry;
}

/*
 * An array has all its entries; those that are zero are nothing. An entry that
 * goes away meanwhile is left out, and the next key then is the first one:
 * there are not more entries than there can be.
 */
static struct json_object *json_entries(int fd, const struct btf *btf,
					const struct bpf_map_info *info)
{
	struct json_object *list = json_object_new_array();
	bool sparse = info->type == BPF_MAP_TYPE_ARRAY;
	char *key = malloc(2 * info->key_size), *last = NULL;
	char *value = malloc(info->value_size);
	__u32 i;

	for (i = 0; key && value && i < info->max_entries; i++) {
		if (bpf_map_get_next_key(fd, last, key))
			break;
		if (!bpf_map_lookup_elem(fd, key, value) &&
		    !(sparse && all_zero(value, info->value_size)))
			json_object_array_add(list, json_entry(btf, info, key,
							       value));
		last = key + info->key_size;
		memcpy(last, key, info->key_size);
	}
	free(key);
	free(value);
	return list;
}

static struct json_object *json_map(int fd, const struct btf *btf,
				    const char *name,
				    const struct bpf_map_info *info)
{
	struct json_object *object = json_object_new_object();

	json_add(object, "name", json_object_new_string(name));
	json_add(object, "id", json_object_new_uint64(info->id));
	json_add(object, "type", json_object_new_string(map_type(info->type)));
	json_add(object, "max_entries",
		 json_object_new_uint64(info->max_entries));
	json_add(object, "entries", has_entries(info->type) ?
				    json_entries(fd, btf, info) : NULL);
	return object;
}

static struct json_object *json_settings(int fd, const struct btf *btf,
					 const struct bpf_map_info *info)
{
	struct json_object *settings = NULL;
	char *value = malloc(info->value_size);
	__u32 zero = 0;

	if (value && btf && !bpf_map_lookup_elem(fd, &zero, value))
		settings = btf_json(btf, info->btf_value_type_id, value,
				    info->value_size);
	free(value);
	return settings;
}

/*
 * One that cannot be opened any more was unloaded meanwhile. Settings that are
 * not in force yet are left out.
 */
static void add_pin(struct json_object *policy, struct json_object *maps,
		    const char *path, const char *name)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	struct btf *btf = NULL;
	int fd;

	if (name[0] == '+' && strcmp(name, PIN_SETTINGS))
		return;
	fd = pin_open(path);
	if (fd < 0)
		return;
	if (!bpf_map_get_info_by_fd(fd, &info, &len)) {
		if (info.btf_id)
			btf = btf__load_from_kernel_by_id(info.btf_id);
		if (!strcmp(name, PIN_SETTINGS))
			json_add(policy, "settings",
				 json_settings(fd, btf, &info));
		else
			json_object_array_add(maps,
					      json_map(fd, btf, name, &info));
		btf__free(btf);
	}
	close(fd);
}

static void add_maps(const struct policy_opts *opts, const char *name,
		     struct json_object *policy)
{
	struct json_object *maps = json_object_new_array();
	struct dirent **entries;
	char path[PIN_PATH];
	int i, count;

	pin_map_path(opts, name, "", path);
	count = scandir(path, &entries, NULL, alphasort);
	for (i = 0; i < count; i++) {
		if (entries[i]->d_name[0] != '.') {
			pin_map_path(opts, name, entries[i]->d_name, path);
			add_pin(policy, maps, path, entries[i]->d_name);
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	json_add(policy, "maps", maps);
}

/* What its link knows, if it is pinned. */
static int add_link(const struct policy_opts *opts, const char *name,
		    struct json_object *object)
{
	struct json_object *link_id = NULL, *map_id = NULL, *pinned = NULL;
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	char path[PIN_PATH];
	int fd;

	pin_path(opts, name, path);
	fd = pin_open_link(path);
	if (fd < 0 && errno != ENOENT)
		return pin_failure(path);
	if (fd >= 0) {
		pinned = json_object_new_string(path);
		if (!bpf_link_get_info_by_fd(fd, &info, &len)) {
			link_id = json_object_new_uint64(info.id);
			map_id = json_object_new_uint64(info.struct_ops.map_id);
		}
		close(fd);
	}
	json_add(object, "link_id", link_id);
	json_add(object, "map_id", map_id);
	json_add(object, "pinned", pinned);
	json_add(object, "settings", NULL);
	add_maps(opts, name, object);
	return EXIT_OK;
}

static struct json_object *member(struct json_object *object, const char *name)
{
	return json_object_object_get(object, name);
}

static const char *string(struct json_object *object, const char *name)
{
	return json_object_get_string(member(object, name));
}

static void print_map(struct json_object *map)
{
	struct json_object *entries = member(map, "entries");
	size_t i, count = entries ? json_object_array_length(entries) : 0;

	printf("map %s: id %s, %s, ", string(map, "name"), string(map, "id"),
	       string(map, "type"));
	if (entries)
		printf("%zu of %s entries\n", count, string(map, "max_entries"));
	else
		printf("%s entries\n", string(map, "max_entries"));
	for (i = 0; i < count; i++) {
		struct json_object *entry = json_object_array_get_idx(entries, i);

		printf("  ");
		print_value(member(entry, "key"));
		printf(": ");
		print_value(member(entry, "value"));
		putchar('\n');
	}
}

static void print_policy(struct json_object *object)
{
	unsigned int flags = json_object_get_uint64(member(object, "flags"));
	struct json_object *maps = member(object, "maps");
	size_t i;

	printf("policy %s, for %s\n", string(object, "name"),
	       flags & PARLEY_POLICY_UNPRIVILEGED ? "all users" :
						    "CAP_NET_ADMIN");
	if (member(object, "pinned"))
		printf("link %s, map %s, pinned at %s\n",
		       string(object, "link_id"), string(object, "map_id"),
		       string(object, "pinned"));
	else
		printf("not pinned: who loaded it holds it\n");
	if (member(object, "settings")) {
		printf("settings: ");
		print_value(member(object, "settings"));
		putchar('\n');
	}
	for (i = 0; i < json_object_array_length(maps); i++)
		print_map(json_object_array_get_idx(maps, i));
}

static int show(const struct policy_opts *opts, const struct policy *policy)
{
	struct json_object *object = json_object_new_object();
	int ret;

	json_add(object, "name", json_object_new_string(policy->name));
	json_add(object, "flags", json_object_new_uint64(policy->flags));
	json_add(object, "by", json_object_new_string(policy->by));
	ret = add_link(opts, policy->name, object);
	if (!ret && opts->json)
		print_json_line(json_object_get(object));
	else if (!ret)
		print_policy(object);
	json_object_put(object);
	return ret ? ret : end_output();
}

int policy_show(const struct policy_opts *opts, const char *name)
{
	const struct policy *policy;
	struct policies policies;
	int ret = policies_read(&policies);

	if (ret)
		return ret;
	bpf_log_keep();
	policy = policies_find(&policies, name);
	if (policy)
		ret = show(opts, policy);
	else
		ret = failure("no policy '%s' is loaded", name);
	bpf_log_drop();
	free(policies.policy);
	return ret;
}
