// SPDX-License-Identifier: GPL-2.0
/* The eBPF filter of parleyctl listen. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf.h"
#include "policy.h"

/* Of all that is in the object, only the first socket filter is loaded. */
static struct bpf_program *choose_program(struct bpf_object *object)
{
	struct bpf_program *program, *chosen = NULL;
	struct bpf_map *map;

	bpf_object__for_each_program(program, object) {
		if (!chosen && bpf_program__type(program) ==
			       BPF_PROG_TYPE_SOCKET_FILTER)
			chosen = program;
		else
			bpf_program__set_autoload(program, false);
	}
	bpf_object__for_each_map(map, object) {
		if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			bpf_map__set_autocreate(map, false);
	}
	return chosen;
}

static int load_object(struct bpf_object *object, const char *file)
{
	int err = bpf_object__load(object);

	if (!err)
		return EXIT_OK;
	failure("--filter: %s: %s", file, bpf_error(-err));
	if (err == -EPERM && geteuid())
		hint("to load BPF programs takes root, or CAP_BPF");
	else
		bpf_log_hint();
	return EXIT_FAILED;
}

/* The socket keeps the program, and that its maps. */
static int attach(int fd, struct bpf_program *program)
{
	int prog = bpf_program__fd(program);

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &prog, sizeof(prog)))
		return failure("--filter: SO_ATTACH_BPF: %s", strerror(errno));
	return EXIT_OK;
}

static int use_object(int fd, struct bpf_object *object, const char *file,
		      char *settings)
{
	struct bpf_program *program = choose_program(object);
	int ret = EXIT_OK;
	char *setting;

	if (!program)
		return failure("--filter: %s: there is no SEC(\"socket\") in it",
			       file);
	while (!ret && (setting = strsep(&settings, ",")))
		ret = object_set(object, setting);
	if (!ret)
		ret = load_object(object, file);
	return ret ? ret : attach(fd, program);
}

/* FILE, or FILE,NAME=VALUE and so on. */
int filter_attach(int fd, const char *spec)
{
	char *file = strdup(spec), *settings = file;
	struct bpf_object *object;
	int ret;

	if (!file)
		return failure("--filter: out of memory");
	bpf_log_keep();
	strsep(&settings, ",");
	object = bpf_object__open_file(file, NULL);
	if (object) {
		ret = use_object(fd, object, file, settings);
		bpf_object__close(object);
	} else {
		ret = failure("--filter: %s: %s", file, bpf_error(errno));
		bpf_log_hint();
	}
	bpf_log_drop();
	free(file);
	return ret;
}
