/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What parleyctl policy is made of. Without libbpf: cmd_policy.c reads the
 * command line, policies.c what the kernel says is loaded, pins.c knows where
 * things are pinned and unloads them. With it: policy_load.c, policy_show.c;
 * bpf_object.c sets variables and map entries, bpf_json.c shows them,
 * bpf_log.c keeps libbpf's messages; and bpf_filter.c for parleyctl listen.
 * no_bpf.c is in the place of these where there is no libbpf.
 */
#ifndef PARLEYCTL_POLICY_H
#define PARLEYCTL_POLICY_H

#include "parleyctl.h"

#define PIN_DIR		"/sys/fs/bpf/parley"

/* How the map of a policy's settings is pinned: no map has a plus in its name. */
#define PIN_SETTINGS	"+settings"

/* Room for a path below a directory of pins, and what comes after that. */
#define PIN_PATH	512
#define PIN_NAMES	64

/**
 * struct texts - an option that may be given several times
 * @text: what was given
 * @count: how often
 */
struct texts {
	const char **text;
	size_t count;
};

/**
 * struct policy_opts - the command line
 * @dir: where policies are pinned
 * @name: of the policy, instead of that in the file
 * @replace: a policy of that name may be running
 * @unprivileged: any listener may choose it
 * @json: output for programs
 * @set: NAME=VALUE
 * @add: MAP=KEY or MAP=KEY:VALUE
 */
struct policy_opts {
	const char *dir;
	const char *name;
	bool replace;
	bool unprivileged;
	bool json;
	struct texts set;
	struct texts add;
};

/**
 * struct policy - a policy that is loaded
 * @name: its name
 * @flags: PARLEY_POLICY_*
 * @by: how it is attached: "link" or "map"
 */
struct policy {
	char name[PARLEY_POLICY_NAME_MAX];
	unsigned int flags;
	char by[8];
};

/**
 * struct policies - all of them
 * @policy: malloc()ed or NULL
 * @count: how many
 */
struct policies {
	struct policy *policy;
	size_t count;
};

/**
 * struct pins - what was done to pin a policy
 * @lock: the directory, which is locked
 * @made_dir: it was made
 * @made_maps: and that of the maps
 */
struct pins {
	int lock;
	bool made_dir;
	bool made_maps;
};

/* policies.c */
int policy_name_check(const char *name);
int policies_read(struct policies *policies);
const struct policy *policies_find(const struct policies *policies,
				   const char *name);
int policy_list(const struct policy_opts *opts);

/* pins.c */
void pin_path(const struct policy_opts *opts, const char *name,
	      char path[static PIN_PATH]);
void pin_map_path(const struct policy_opts *opts, const char *name,
		  const char *map, char path[static PIN_PATH]);
int pin_open(const char *path);
int pin_open_link(const char *path);
int pin_failure(const char *path);
int pin_begin(const struct policy_opts *opts, struct pins *pins);
int pin_make_maps(const struct policy_opts *opts, const char *name,
		  struct pins *pins);
void pin_undo(const struct policy_opts *opts, const char *name,
	      struct pins *pins);
void pin_clear_maps(const struct policy_opts *opts, const char *name,
		    bool (*keep)(const char *map, void *arg), void *arg);
int policy_unload(const struct policy_opts *opts, const char *name);

/* policy_load.c, policy_show.c, bpf_filter.c; or no_bpf.c */
int policy_load(const struct policy_opts *opts, const char *file);
int policy_show(const struct policy_opts *opts, const char *name);
int filter_attach(int fd, const char *spec);

#endif /* PARLEYCTL_POLICY_H */
