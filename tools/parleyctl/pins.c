// SPDX-License-Identifier: GPL-2.0
/*
 * Where policies are pinned: the link at DIR/NAME, its maps in DIR/NAME+maps.
 * The file system takes no dots in names, and policies take no commas and plus
 * signs: a dot is written as a comma.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "policy.h"

static void maps_dir(const struct policy_opts *opts, const char *name,
		     char path[static PIN_PATH])
{
	char *c;

	snprintf(path, PIN_PATH, "%s/%s+maps", opts->dir, name);
	for (c = path + strlen(opts->dir); *c; c++) {
		if (*c == '.')
			*c = ',';
	}
}

void pin_path(const struct policy_opts *opts, const char *name,
	      char path[static PIN_PATH])
{
	maps_dir(opts, name, path);
	*strrchr(path, '+') = '\0';
}

void pin_map_path(const struct policy_opts *opts, const char *name,
		  const char *map, char path[static PIN_PATH])
{
	size_t len;

	maps_dir(opts, name, path);
	len = strlen(path);
	snprintf(path + len, PIN_PATH - len, "/%s", map);
}

/* A descriptor of what is pinned at @path; -1 and errno. */
int pin_open(const char *path)
{
	union bpf_attr attr = { .pathname = (unsigned long)path };

	return syscall(__NR_bpf, BPF_OBJ_GET, &attr, sizeof(attr));
}

/* Is @fd the link of a struct_ops map? Once it is detached, of none: 0. */
static bool is_struct_ops_link(int fd, __u32 *map_id)
{
	char path[64], line[128];
	bool found = false;
	FILE *file;

	*map_id = 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "map_id: %u", map_id) == 1)
			continue;
		if (!strcmp(line, "link_type:\tstruct_ops\n"))
			found = true;
	}
	fclose(file);
	return found;
}

static int fd_by_id(int cmd, __u32 id)
{
	union bpf_attr attr = { .map_id = id };

	return syscall(__NR_bpf, cmd, &attr, sizeof(attr));
}

static int info_by_fd(int fd, void *info, size_t len)
{
	union bpf_attr attr = { 0 };

	if (fd < 0)
		return -1;
	attr.info.bpf_fd = fd;
	attr.info.info = (unsigned long)info;
	attr.info.info_len = len;
	return syscall(__NR_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));
}

/* Policies are the only struct_ops that are of a type of the module's BTF. */
static bool is_policy_map(__u32 id)
{
	/* Up to btf_vmlinux_id, which older headers have no name for. */
	__u32 map_info[20] = { 0 };
	char name[64] = "";
	struct bpf_btf_info btf_info = {
		.name = (unsigned long)name,
		.name_len = sizeof(name),
	};
	int map, btf = -1;
	bool is;

	map = fd_by_id(BPF_MAP_GET_FD_BY_ID, id);
	if (!info_by_fd(map, map_info, sizeof(map_info)))
		btf = fd_by_id(BPF_BTF_GET_FD_BY_ID, map_info[19]);
	is = !info_by_fd(btf, &btf_info, sizeof(btf_info)) &&
	     !strcmp(name, "parley");
	if (btf >= 0)
		close(btf);
	if (map >= 0)
		close(map);
	return is;
}

/*
 * A descriptor of the link of a policy that is pinned at @path, also if it is
 * detached; -1 and errno: EMEDIUMTYPE if something else is pinned there.
 */
int pin_open_link(const char *path)
{
	int fd = pin_open(path);
	__u32 map_id;

	if (fd < 0)
		return -1;
	if (is_struct_ops_link(fd, &map_id) &&
	    (!map_id || is_policy_map(map_id)))
		return fd;
	close(fd);
	errno = EMEDIUMTYPE;
	return -1;
}

/* Why pin_open_link() failed. */
int pin_failure(const char *path)
{
	if (errno == EMEDIUMTYPE)
		return failure("%s is not the link of a policy", path);
	return failure("%s: %s", path, strerror(errno));
}

static bool is_bpffs(const char *dir)
{
	struct statfs fs;

	return !statfs(dir, &fs) && fs.f_type == BPF_FS_MAGIC;
}

static int tell_no_bpffs(const char *dir)
{
	failure("%s is not in a BPF file system", dir);
	hint("mount -t bpf bpffs /sys/fs/bpf");
	return EXIT_FAILED;
}

/* In sysfs, where nothing is mounted yet, nobody may make directories. */
static int make_dir(const char *dir, struct pins *pins)
{
	char parent[PIN_PATH];
	int err;

	pins->made_dir = !mkdir(dir, 0755);
	err = errno;
	if (!pins->made_dir && err != EEXIST) {
		snprintf(parent, sizeof(parent), "%s", dir);
		if (err == EPERM && !is_bpffs(dirname(parent)))
			return tell_no_bpffs(dir);
		return failure("%s: %s", dir, strerror(err));
	}
	if (is_bpffs(dir))
		return EXIT_OK;
	if (pins->made_dir)
		rmdir(dir);
	pins->made_dir = false;
	return tell_no_bpffs(dir);
}

/*
 * Only one at a time loads or unloads there; the lock ends with the process.
 * -1 and errno: ENOENT if the directory is not there, or has been removed by
 * the one that had it locked.
 */
static int lock_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat is, was;
	int err;

	if (fd < 0)
		return -1;
	if (!flock(fd, LOCK_EX) && !fstat(fd, &was) && !stat(dir, &is)) {
		if (is.st_dev == was.st_dev && is.st_ino == was.st_ino)
			return fd;
		errno = ENOENT;
	}
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

/* Makes the directory to pin policies in, if need be, and locks it. */
int pin_begin(const struct policy_opts *opts, struct pins *pins)
{
	int ret;

	do {
		ret = make_dir(opts->dir, pins);
		if (ret)
			return ret;
		pins->lock = lock_dir(opts->dir);
	} while (pins->lock < 0 && errno == ENOENT);
	if (pins->lock >= 0)
		return EXIT_OK;
	failure("%s: %s", opts->dir, strerror(errno));
	pin_undo(opts, NULL, pins);
	return EXIT_FAILED;
}

/* Makes the directory that the maps of a policy are pinned in. */
int pin_make_maps(const struct policy_opts *opts, const char *name,
		  struct pins *pins)
{
	char path[PIN_PATH];

	maps_dir(opts, name, path);
	pins->made_maps = !mkdir(path, 0755);
	if (!pins->made_maps && errno != EEXIST)
		return failure("%s: %s", path, strerror(errno));
	return EXIT_OK;
}

/* Removes the directories that were made, which must be empty again. */
void pin_undo(const struct policy_opts *opts, const char *name,
	      struct pins *pins)
{
	char path[PIN_PATH];

	if (pins->made_maps) {
		maps_dir(opts, name, path);
		rmdir(path);
	}
	if (pins->made_dir)
		rmdir(opts->dir);
	pins->made_maps = false;
	pins->made_dir = false;
}

/* Unpins the maps of a policy, but for those that @keep wants. */
void pin_clear_maps(const struct policy_opts *opts, const char *name,
		    bool (*keep)(const char *map, void *arg), void *arg)
{
	char path[PIN_PATH];
	struct dirent *entry;
	DIR *dir;

	maps_dir(opts, name, path);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (!keep || !keep(entry->d_name, arg))
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
	rmdir(path);
}

static int tell_missing(const struct policy_opts *opts, const char *name,
			const char *path)
{
	struct policies policies;
	int err = errno, ret;

	if (err == EPERM || err == EACCES) {
		failure("%s: %s", path, strerror(err));
		hint("to unload policies takes root");
		return EXIT_FAILED;
	}
	if (err != ENOENT)
		return pin_failure(path);
	ret = policies_read(&policies);
	if (!ret && policies_find(&policies, name))
		ret = failure("policy '%s' is not pinned in %s: who loaded it holds it",
			      name, opts->dir);
	else if (!ret)
		ret = failure("no policy '%s' is loaded", name);
	free(policies.policy);
	return ret;
}

/*
 * Detaching takes effect at once, whoever else holds the link, be it listeners
 * that have chosen the policy by it. A link that is detached already is no
 * error: what is left are its pins.
 */
int policy_unload(const struct policy_opts *opts, const char *name)
{
	union bpf_attr attr = { 0 };
	char path[PIN_PATH];
	int fd;

	pin_path(opts, name, path);
	/* The lock is held until the process ends. */
	fd = lock_dir(opts->dir) < 0 ? -1 : pin_open_link(path);
	if (fd < 0)
		return tell_missing(opts, name, path);
	attr.link_detach.link_fd = fd;
	if (syscall(__NR_bpf, BPF_LINK_DETACH, &attr, sizeof(attr)))
		return failure("%s: cannot be detached: %s", path,
			       strerror(errno));
	close(fd);
	if (unlink(path))
		return failure("%s: %s", path, strerror(errno));
	pin_clear_maps(opts, name, NULL, NULL);
	say("policy %s is unloaded", name);
	return EXIT_OK;
}
