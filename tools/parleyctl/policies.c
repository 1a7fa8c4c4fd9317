// SPDX-License-Identifier: GPL-2.0
/* Names of policies, and those that are loaded, as the kernel lists them. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy.h"
#include "show.h"

#define POLICIES_FILE	"/proc/net/parley_policies"

int policy_name_check(const char *name)
{
	size_t len = 0;

	while (isalnum((unsigned char)name[len]) ||
	       (name[len] && strchr("_-.", name[len])))
		len++;
	if (len && len < PARLEY_POLICY_NAME_MAX && !name[len])
		return EXIT_OK;
	return usage_error("'%s' is no name of a policy: 1 to %d letters, digits, _, -, .",
			   name, PARLEY_POLICY_NAME_MAX - 1);
}

static int add(struct policies *policies, const struct policy *policy)
{
	struct policy *more = reallocarray(policies->policy,
					   policies->count + 1, sizeof(*more));

	if (!more)
		return failure("out of memory");
	policies->policy = more;
	policies->policy[policies->count++] = *policy;
	return EXIT_OK;
}

/* "NAME FLAGS BY" a line, after a header. */
static int read_lines(FILE *file, struct policies *policies)
{
	struct policy policy;
	int n, ret = EXIT_OK;

	if (fscanf(file, "%*[^\n]") == EOF)
		return failure(POLICIES_FILE ": it has no header");
	while (!ret) {
		n = fscanf(file, "%15s %x %7s", policy.name, &policy.flags,
			   policy.by);
		if (n == EOF)
			break;
		if (n != 3)
			return failure(POLICIES_FILE ": a line is not \"name flags by\"");
		ret = add(policies, &policy);
	}
	return ret;
}

int policies_read(struct policies *policies)
{
	FILE *file = fopen(POLICIES_FILE, "re");
	int ret;

	memset(policies, 0, sizeof(*policies));
	if (!file && errno == ENOENT)
		return failure(POLICIES_FILE ": not there: load the module parley first");
	if (!file)
		return failure(POLICIES_FILE ": %s", strerror(errno));
	ret = read_lines(file, policies);
	fclose(file);
	return ret;
}

const struct policy *policies_find(const struct policies *policies,
				   const char *name)
{
	size_t i;

	for (i = 0; i < policies->count; i++) {
		if (!strcmp(policies->policy[i].name, name))
			return &policies->policy[i];
	}
	return NULL;
}

static void print_json(const struct policy_opts *opts,
		       const struct policies *policies)
{
	struct json_object *list = json_object_new_array();
	size_t i;

	for (i = 0; i < policies->count; i++) {
		const struct policy *policy = &policies->policy[i];
		struct json_object *object = json_object_new_object();
		char path[PIN_PATH];

		pin_path(opts, policy->name, path);
		json_add(object, "name", json_object_new_string(policy->name));
		json_add(object, "flags", json_object_new_uint64(policy->flags));
		json_add(object, "by", json_object_new_string(policy->by));
		json_add(object, "pinned", access(path, F_OK) ? NULL :
					   json_object_new_string(path));
		json_object_array_add(list, object);
	}
	print_json_line(list);
}

/* Only root sees what is in a BPF file system, as a rule. */
static const char *pinned(const char *path)
{
	if (!access(path, F_OK))
		return path;
	return errno == EACCES ? "?" : "-";
}

static void print_table(const struct policy_opts *opts,
			const struct policies *policies)
{
	const char *format = "%-16s %-5s %-13s %s\n";
	size_t i;

	printf(format, "NAME", "BY", "FOR", "PINNED");
	for (i = 0; i < policies->count; i++) {
		const struct policy *policy = &policies->policy[i];
		bool any = policy->flags & PARLEY_POLICY_UNPRIVILEGED;
		char path[PIN_PATH];

		pin_path(opts, policy->name, path);
		printf(format, policy->name, policy->by,
		       any ? "all users" : "CAP_NET_ADMIN",
		       pinned(path));
	}
}

int policy_list(const struct policy_opts *opts)
{
	struct policies policies;
	int ret = policies_read(&policies);

	if (!ret && opts->json)
		print_json(opts, &policies);
	else if (!ret)
		print_table(opts, &policies);
	free(policies.policy);
	return ret ? ret : end_output();
}
