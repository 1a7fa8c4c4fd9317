// SPDX-License-Identifier: GPL-2.0
/* Policies for the tests of them; see lib_bpf.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib_bpf.h"

#define POLICIES_FILE	"/proc/net/parley_policies"
#define POLICIES_HEAD	"name flags by\n"
#define POLICY_LOG	(256 * 1024)

/* The members of a policy as the objects of the tests declare them. */
struct policy_image {
	void *programs[4];
	char name[PARLEY_POLICY_NAME_MAX];
	__u32 flags;
};

static char policy_log[POLICY_LOG];
static size_t policy_log_len;
static bool policy_log_is_quiet;

static int policy_print(enum libbpf_print_level level, const char *format,
			va_list args)
{
	size_t room = sizeof(policy_log) - policy_log_len;
	int len;

	if (level == LIBBPF_DEBUG || room < 2)
		return 0;
	len = vsnprintf(policy_log + policy_log_len, room, format, args);
	if (len > 0)
		policy_log_len += (size_t)len < room ? len : (int)room - 1;
	return len;
}

bool policy_log_found(const char *text)
{
	return strstr(policy_log, text);
}

bool policy_log_has(const char *text)
{
	if (policy_log_found(text))
		return true;
	printf("# nobody said \"%s\"\n", text);
	policy_log_show();
	return false;
}

void policy_log_quiet(bool quiet)
{
	policy_log_is_quiet = quiet;
}

void policy_log_show(void)
{
	char *line, *next;

	/* The last lines say what is wrong. */
	line = policy_log + (policy_log_len > 4000 ? policy_log_len - 4000 : 0);
	for (; *line; line = next) {
		next = strchrnul(line, '\n');
		printf("# %.*s\n", (int)(next - line), line);
		if (*next)
			next++;
	}
	fflush(stdout);
}

bool policy_possible(void)
{
	char name[PARLEY_POLICY_NAME_MAX];
	socklen_t len = sizeof(name);
	int fd = parley_socket(0);
	bool possible;

	if (fd < 0)
		return false;
	possible = !getsockopt(fd, SOL_PARLEY, PARLEY_POLICY, name, &len) ||
		   errno != ENOPROTOOPT;
	close(fd);
	return possible;
}

int policy_open(struct policy *p, const char *file)
{
	char path[128];

	memset(p, 0, sizeof(*p));
	memset(policy_log, 0, policy_log_len);
	policy_log_len = 0;
	libbpf_set_print(policy_print);
	snprintf(path, sizeof(path), "%s/%s", getenv("PARLEY_BPF") ?: "/bpf",
		 file);
	p->object = bpf_object__open_file(path, NULL);
	return p->object ? 0 : -errno;
}

struct bpf_map *policy_ops_map(const struct policy *p)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, p->object)
		if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			return map;
	return NULL;
}

static struct policy_image *policy_image(const struct policy *p)
{
	struct bpf_map *map = policy_ops_map(p);
	struct policy_image *image = NULL;
	size_t size;

	if (map)
		image = bpf_map__initial_value(map, &size);
	return image && size >= offsetof(struct policy_image, flags) +
	       sizeof(image->flags) ? image : NULL;
}

int policy_rename(struct policy *p, const char *name)
{
	struct policy_image *image = policy_image(p);
	size_t len = strlen(name);

	if (!image || len > sizeof(image->name))
		return -EINVAL;
	/* One without a final zero byte is what some tests want. */
	memset(image->name, 0, sizeof(image->name));
	memcpy(image->name, name, len);
	return 0;
}

int policy_flag(struct policy *p, unsigned int flags)
{
	struct policy_image *image = policy_image(p);

	if (!image)
		return -EINVAL;
	image->flags = flags;
	return 0;
}

int policy_load(struct policy *p)
{
	int err = bpf_object__load(p->object);

	if (err && !policy_log_is_quiet)
		policy_log_show();
	return err;
}

int policy_attach(struct policy *p)
{
	struct bpf_map *map = policy_ops_map(p);

	if (!map)
		return -ENOENT;
	p->link = bpf_map__attach_struct_ops(map);
	return p->link ? 0 : -errno;
}

int policy_start(struct policy *p, const char *file, const char *name)
{
	int err = policy_open(p, file);

	if (!err && name)
		err = policy_rename(p, name);
	if (!err)
		err = policy_load(p);
	if (!err)
		err = policy_attach(p);
	if (err)
		policy_end(p);
	return err;
}

void policy_end(struct policy *p)
{
	bpf_link__destroy(p->link);
	bpf_object__close(p->object);
	memset(p, 0, sizeof(*p));
}

int policy_map_fd(const struct policy *p, const char *name)
{
	return bpf_object__find_map_fd_by_name(p->object, name);
}

int policy_link_fd(const struct policy *p)
{
	return bpf_link__fd(p->link);
}

void *policy_variables(const struct policy *p, size_t size)
{
	struct bpf_map *map;
	const char *name;
	void *at;

	bpf_object__for_each_map(map, p->object) {
		name = bpf_map__name(map);
		if (strlen(name) < 4 || strcmp(name + strlen(name) - 4, ".bss"))
			continue;
		if (bpf_map__value_size(map) < size)
			return NULL;
		at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			  bpf_map__fd(map), 0);
		return at == MAP_FAILED ? NULL : at;
	}
	return NULL;
}

int policy_choose(int fd, const char *name)
{
	return setsockopt(fd, SOL_PARLEY, PARLEY_POLICY, name,
			  strlen(name)) ? -errno : 0;
}

int policy_choose_link(int fd, int link)
{
	return setsockopt(fd, SOL_PARLEY, PARLEY_POLICY_LINK, &link,
			  sizeof(link)) ? -errno : 0;
}

bool policy_chosen_is(int fd, const char *name)
{
	char is[PARLEY_POLICY_NAME_MAX] = { };
	socklen_t len = sizeof(is);

	if (getsockopt(fd, SOL_PARLEY, PARLEY_POLICY, is, &len)) {
		printf("# PARLEY_POLICY: %s\n", strerror(errno));
		fflush(stdout);
		return false;
	}
	if (len == strlen(name) + 1 && !memcmp(is, name, len))
		return true;
	printf("# PARLEY_POLICY is %.16s (%u bytes), not %s\n", is, len, name);
	fflush(stdout);
	return false;
}

/* Calls @see for each line below the first one, without its end. */
static int policy_list(bool (*see)(const char *line, const void *arg),
		       const void *arg)
{
	FILE *f = fopen(POLICIES_FILE, "re");
	char line[128];
	int n = -EBADMSG;

	if (!f)
		return -errno;
	if (fgets(line, sizeof(line), f) && !strcmp(line, POLICIES_HEAD)) {
		n = 0;
		while (fgets(line, sizeof(line), f)) {
			line[strcspn(line, "\n")] = 0;
			n += see(line, arg);
		}
	}
	fclose(f);
	return n;
}

static bool policy_any(const char *line, const void *arg)
{
	return true;
}

static bool policy_same(const char *line, const void *arg)
{
	return !strcmp(line, arg);
}

static bool policy_left(const char *line, const void *arg)
{
	printf("# left: policy %s\n", line);
	return true;
}

int policy_listed(void)
{
	return policy_list(policy_any, NULL);
}

bool policy_lists(const char *line)
{
	return policy_list(policy_same, line) == 1;
}

int policy_expect_clean(void)
{
	int err = parley_expect_clean();

	/* A link's last reference may be put by a kernel thread. */
	if (parley_until(policy_listed() == 0))
		return err;
	printf("# %d policies are loaded\n", policy_list(policy_left, NULL));
	fflush(stdout);
	return -1;
}
