// SPDX-License-Identifier: GPL-2.0
/*
 * parleyctl policy load: opens an object, sets what is to be set, loads it,
 * attaches its policy or puts it in the place of the running one, pins it.
 * Whatever fails, nothing stays behind.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf.h"
#include "policy.h"
#include "show.h"

#define OPS		"parley_policy_ops"
#define MODULE_BTF	"/sys/kernel/btf/parley"

/* A module's BTF is some ten kilobytes. */
#define BTF_MAX		(16 << 20)

/* How new settings are pinned, until they are in force. */
#define NEW_SETTINGS	PIN_SETTINGS "+new"

/**
 * struct load - what is being loaded
 * @opts: how
 * @file: from where
 * @object: what is in it
 * @map: the policy there
 * @name: its name
 * @running: the link of the policy to replace, or -1
 * @link: the new link, or NULL if the old one goes on
 * @pins: where it is pinned
 */
struct load {
	const struct policy_opts *opts;
	const char *file;
	struct bpf_object *object;
	struct bpf_map *map;
	char name[PARLEY_POLICY_NAME_MAX];
	int running;
	struct bpf_link *link;
	struct pins pins;
};

static bool is_policy(struct bpf_object *object, const struct bpf_map *map)
{
	const struct btf *btf = bpf_object__btf(object);
	const struct btf_type *type;

	if (bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS)
		return false;
	type = btf__type_by_id(btf, bpf_map__btf_value_type_id(map));
	return type && !strcmp(btf__name_by_offset(btf, type->name_off), OPS);
}

static int open_object(struct load *load)
{
	struct bpf_map *map;

	load->object = bpf_object__open_file(load->file, NULL);
	if (!load->object) {
		failure("%s: %s", load->file, bpf_error(errno));
		bpf_log_hint();
		return EXIT_FAILED;
	}
	bpf_object__for_each_map(map, load->object) {
		if (!is_policy(load->object, map))
			continue;
		if (load->map)
			return failure("%s: there is more than one struct " OPS,
				       load->file);
		load->map = map;
	}
	if (!load->map)
		return failure("%s: there is no struct " OPS " in it",
			       load->file);
	/* Without a link it could not be pinned, nor unloaded. */
	if (!(bpf_map__map_flags(load->map) & BPF_F_LINK))
		return failure("%s: its struct " OPS " has to be in SEC(\".struct_ops.link\")",
			       load->file);
	return EXIT_OK;
}

/* Where a member of the policy is, and its size; NULL if it has none such. */
static void *find_member(struct load *load, const char *name, size_t *len)
{
	const struct btf *btf = bpf_object__btf(load->object);
	const struct btf_type *type =
		btf__type_by_id(btf, bpf_map__btf_value_type_id(load->map));
	const struct btf_member *member = btf_members(type);
	size_t room;
	char *data = bpf_map__initial_value(load->map, &room);
	int i;

	for (i = 0; i < btf_vlen(type); i++, member++) {
		size_t at = btf_member_bit_offset(type, i) / 8;
		long size = btf__resolve_size(btf, member->type);

		if (strcmp(btf__name_by_offset(btf, member->name_off), name) ||
		    size < 0 || at + size > room)
			continue;
		*len = size;
		return data + at;
	}
	return NULL;
}

/* Name and flags; the kernel would object to a bad name, too. */
static int set_members(struct load *load)
{
	const struct policy_opts *opts = load->opts;
	size_t name_len, flags_len;
	char *name = find_member(load, "name", &name_len);
	uint32_t *flags = find_member(load, "flags", &flags_len);

	if (!name || name_len != sizeof(load->name) || !flags ||
	    flags_len != sizeof(*flags))
		return failure("%s: its struct " OPS " is not that of parley.bpf.h",
			       load->file);
	if (opts->name) {
		memset(name, 0, name_len);
		memcpy(name, opts->name, strlen(opts->name));
	}
	memcpy(load->name, name, sizeof(load->name) - 1);
	if (opts->unprivileged)
		*flags |= PARLEY_POLICY_UNPRIVILEGED;
	return policy_name_check(load->name);
}

static int set_all(struct load *load)
{
	const struct policy_opts *opts = load->opts;
	int ret = set_members(load);
	size_t i;

	for (i = 0; !ret && i < opts->set.count; i++)
		ret = object_set(load->object, opts->set.text[i]);
	for (i = 0; !ret && i < opts->add.count; i++)
		ret = object_add(load->object, opts->add.text[i], false);
	return ret;
}

/* Does the module's BTF have policies, so does the kernel let it have them? */
static int check_btf(void)
{
	static const char registered[] = "bpf_struct_ops_" OPS;
	struct bytes btf = { 0 };
	FILE *file = fopen(MODULE_BTF, "re");
	bool found;

	if (!file) {
		failure(MODULE_BTF ": %s", strerror(errno));
		if (errno == ENOENT)
			hint("load the module parley first; or it was built without BTF");
		return EXIT_FAILED;
	}
	found = !read_all(file, BTF_MAX, &btf) &&
		memmem(btf.data, btf.len, registered, sizeof(registered));
	fclose(file);
	free(btf.data);
	if (found)
		return EXIT_OK;
	failure("this kernel lets modules have no struct_ops policies");
	hint("it takes Linux 6.11 or later; 'parleyctl listen --filter' works on all");
	return EXIT_FAILED;
}

static int check_kernel(void)
{
	__u32 id;

	/* Without this, libbpf cannot see the module's types. */
	if (bpf_btf_get_next_id(0, &id) && errno == EPERM) {
		failure("loading a policy takes root, or CAP_SYS_ADMIN");
		return EXIT_FAILED;
	}
	return check_btf();
}

/* Finds out whether the name is pinned, and what it means. */
static int find_running(struct load *load)
{
	char path[PIN_PATH];

	pin_path(load->opts, load->name, path);
	load->running = pin_open_link(path);
	if (load->running < 0 && errno != ENOENT)
		return pin_failure(path);
	if (load->running < 0) {
		/* What is left of a policy that was not unloaded properly. */
		pin_clear_maps(load->opts, load->name, NULL, NULL);
		return EXIT_OK;
	}
	if (load->opts->replace)
		return EXIT_OK;
	failure("policy %s is pinned already: %s", load->name, path);
	hint("--replace puts this one in its place, 'parleyctl policy unload' ends it");
	return EXIT_FAILED;
}

static bool is_pinned_map(const struct bpf_map *map)
{
	return !bpf_map__is_internal(map) &&
	       bpf_map__type(map) != BPF_MAP_TYPE_STRUCT_OPS;
}

static int reuse_map(struct bpf_map *map, int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_map_get_info_by_fd(fd, &info, &len))
		return failure("map %s: %s", bpf_map__name(map),
			       strerror(errno));
	if (info.type != bpf_map__type(map) ||
	    info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map) ||
	    info.max_entries != bpf_map__max_entries(map)) {
		failure("map %s is another than in the policy that runs",
			bpf_map__name(map));
		hint("unload that first; what its maps hold is lost then");
		return EXIT_FAILED;
	}
	if (bpf_map__reuse_fd(map, fd))
		return failure("map %s: %s", bpf_map__name(map),
			       strerror(errno));
	return EXIT_OK;
}

/* A policy that replaces another goes on with its maps, and so its counts. */
static int reuse_maps(struct load *load)
{
	struct bpf_map *map;
	char path[PIN_PATH];
	int ret = EXIT_OK;

	bpf_object__for_each_map(map, load->object) {
		int fd;

		if (ret || !is_pinned_map(map))
			continue;
		pin_map_path(load->opts, load->name, bpf_map__name(map), path);
		fd = pin_open(path);
		if (fd < 0)
			continue;
		ret = reuse_map(map, fd);
		close(fd);
	}
	return ret;
}

static int load_object(struct load *load)
{
	size_t i;
	int err, ret = EXIT_OK;

	if (load->running >= 0)
		ret = reuse_maps(load);
	if (ret)
		return ret;
	err = bpf_object__load(load->object);
	if (err) {
		failure("%s: the kernel does not take it: %s", load->file,
			bpf_error(-err));
		bpf_log_hint();
		return EXIT_FAILED;
	}
	for (i = 0; !ret && i < load->opts->add.count; i++)
		ret = object_add(load->object, load->opts->add.text[i], true);
	return ret;
}

static int pin_map(struct load *load, struct bpf_map *map, const char *name)
{
	char path[PIN_PATH];

	pin_map_path(load->opts, load->name, name, path);
	if (bpf_map__pin(map, path))
		return failure("%s: %s", path, strerror(errno));
	return EXIT_OK;
}

/* Those that go on are pinned already. */
static int pin_maps(struct load *load)
{
	struct bpf_map *map, *settings = object_settings(load->object);
	char path[PIN_PATH];
	int ret = EXIT_OK;

	bpf_object__for_each_map(map, load->object) {
		pin_map_path(load->opts, load->name, bpf_map__name(map), path);
		if (!ret && is_pinned_map(map) && access(path, F_OK))
			ret = pin_map(load, map, bpf_map__name(map));
	}
	if (ret || !settings)
		return ret;
	/* Of one that was killed. */
	pin_map_path(load->opts, load->name, NEW_SETTINGS, path);
	unlink(path);
	return pin_map(load, settings, NEW_SETTINGS);
}

static void unpin_maps(struct load *load)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, load->object) {
		if (bpf_map__is_pinned(map))
			bpf_map__unpin(map, NULL);
	}
	if (load->running < 0)
		pin_clear_maps(load->opts, load->name, NULL, NULL);
}

/* ENOLINK: the link that is pinned was detached, and the name is taken. */
static int tell_attach(const struct load *load, int err)
{
	if (err == EEXIST || err == ENOLINK)
		return failure("another policy of the name %s is loaded",
			       load->name);
	failure("policy %s: cannot be attached: %s", load->name, strerror(err));
	bpf_log_hint();
	return EXIT_FAILED;
}

static int pin_link(struct load *load)
{
	char path[PIN_PATH];

	pin_path(load->opts, load->name, path);
	/* A link that was there, but detached. */
	if (load->running >= 0)
		unlink(path);
	if (!bpf_link__pin(load->link, path))
		return EXIT_OK;
	failure("%s: %s", path, strerror(errno));
	bpf_link__destroy(load->link);
	return EXIT_FAILED;
}

/*
 * A map that is attached in vain, since the name is taken, is ready to be put
 * into the link that has it.
 */
static int attach(struct load *load)
{
	load->link = bpf_map__attach_struct_ops(load->map);
	if (load->link)
		return pin_link(load);
	if (errno != EEXIST || load->running < 0)
		return tell_attach(load, errno);
	if (bpf_link_update(load->running, bpf_map__fd(load->map), NULL))
		return tell_attach(load, errno);
	return EXIT_OK;
}

static bool is_in_use(const char *name, void *arg)
{
	struct load *load = arg;

	return !strcmp(name, PIN_SETTINGS) ||
	       bpf_object__find_map_by_name(load->object, name);
}

/* The settings are in force now, and what only the old policy had is not. */
static void tidy_pins(struct load *load)
{
	char from[PIN_PATH], to[PIN_PATH];

	pin_map_path(load->opts, load->name, NEW_SETTINGS, from);
	pin_map_path(load->opts, load->name, PIN_SETTINGS, to);
	if (rename(from, to))
		unlink(to);
	pin_clear_maps(load->opts, load->name, is_in_use, load);
}

static int tell(const struct load *load)
{
	struct bpf_link_info info = { 0 };
	__u32 len = sizeof(info);
	int fd = load->link ? bpf_link__fd(load->link) : load->running;
	struct json_object *object;
	char path[PIN_PATH];

	pin_path(load->opts, load->name, path);
	if (bpf_link_get_info_by_fd(fd, &info, &len))
		return failure("%s: %s", path, strerror(errno));
	if (!load->opts->json) {
		say("policy %s is loaded%s: %s", load->name,
		    load->link ? "" : " in the place of the old one", path);
		return EXIT_OK;
	}
	object = json_object_new_object();
	json_add(object, "name", json_object_new_string(load->name));
	json_add(object, "replaced", json_object_new_boolean(!load->link));
	json_add(object, "link_id", json_object_new_uint64(info.id));
	json_add(object, "map_id",
		 json_object_new_uint64(info.struct_ops.map_id));
	json_add(object, "pinned", json_object_new_string(path));
	print_json_line(object);
	return end_output();
}

static int load_and_attach(struct load *load)
{
	int ret = find_running(load);

	if (!ret)
		ret = pin_make_maps(load->opts, load->name, &load->pins);
	if (ret)
		return ret;
	ret = load_object(load);
	if (!ret)
		ret = pin_maps(load);
	if (!ret)
		ret = attach(load);
	if (ret) {
		unpin_maps(load);
		return ret;
	}
	tidy_pins(load);
	return tell(load);
}

/* What is open ends with the process, but for what is pinned. */
int policy_load(const struct policy_opts *opts, const char *file)
{
	struct load load = { .opts = opts, .file = file, .running = -1 };
	int ret;

	bpf_log_keep();
	ret = open_object(&load);
	if (!ret)
		ret = set_all(&load);
	if (!ret)
		ret = check_kernel();
	if (!ret)
		ret = pin_begin(opts, &load.pins);
	if (!ret) {
		ret = load_and_attach(&load);
		if (ret)
			pin_undo(opts, load.name, &load.pins);
	}
	if (load.object)
		bpf_object__close(load.object);
	bpf_log_drop();
	return ret;
}
