// SPDX-License-Identifier: GPL-2.0
/*
 * Whether a library can be preloaded into a program. Where it cannot, the
 * loader says nothing, or nothing that one would understand, and the program
 * runs on TCP: better to be told.
 */
#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "parley-run.h"

#define SCRIPTS_MAX	4	/* a script's interpreter may be a script */
#define HEADERS_MAX	128

struct program {
	int fd;
	union {
		ElfW(Ehdr) elf;
		char head[256];	/* the first bytes, and a zero at least */
	};
	ssize_t len;
};

/*
 * As execvp(3) does; an executable further on is better than a file here.
 * Return: 0 or a negative errno.
 */
static int find(const char *name, char *path)
{
	const char *dir = getenv("PATH") ?: "/bin:/usr/bin";
	int err = -ENOENT;
	struct stat st;
	size_t n;

	if (!*name)
		return -ENOENT;
	if (strchr(name, '/')) {
		if (snprintf(path, PATH_MAX, "%s", name) >= PATH_MAX)
			return -ENAMETOOLONG;
		return access(path, X_OK) ? -errno : 0;
	}
	for (;; dir += n + 1) {
		n = strcspn(dir, ":");
		if (snprintf(path, PATH_MAX, "%.*s%s%s", (int)n, dir,
			     n ? "/" : "", name) < PATH_MAX &&
		    !stat(path, &st) && S_ISREG(st.st_mode)) {
			if (!access(path, X_OK))
				return 0;
			err = -EACCES;
		}
		if (!dir[n])
			return err;
	}
}

/* Whether the kernel would tell the loader not to trust the environment. */
static const char *privilege(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return NULL;
	if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
		return "is setuid";
	if ((st.st_mode & S_ISGID) && (st.st_mode & 0010) &&
	    st.st_gid != getgid())
		return "is setgid";
	if (getuid() && fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return "has file capabilities";
	return NULL;
}

static bool is_elf(const struct program *p)
{
	return p->len >= (ssize_t)sizeof(p->elf) &&
	       !memcmp(p->head, ELFMAG, SELFMAG);
}

/* Whether it has a loader. What cannot be read is left to the kernel. */
static bool is_static(const struct program *p)
{
	ElfW(Phdr) ph[HEADERS_MAX];
	size_t i, n = p->elf.e_phnum;

	if (p->elf.e_phentsize != sizeof(*ph) || n > HEADERS_MAX ||
	    pread(p->fd, ph, n * sizeof(*ph), p->elf.e_phoff) !=
	    (ssize_t)(n * sizeof(*ph)))
		return false;
	for (i = 0; i < n; i++)
		if (ph[i].p_type == PT_INTERP)
			return false;
	return true;
}

static bool read_program(struct program *p, const char *path)
{
	memset(p, 0, sizeof(*p));
	p->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (p->fd < 0)
		return false;
	p->len = pread(p->fd, p->head, sizeof(p->head) - 1, 0);
	return true;
}

/* ELF class and machine; those of a library are what it can be loaded into. */
static bool same_machine(const struct program *p, const char *library)
{
	struct program lib;
	bool same = true;

	if (!read_program(&lib, library))
		return true;
	if (is_elf(&lib))
		same = p->elf.e_ident[EI_CLASS] == lib.elf.e_ident[EI_CLASS] &&
		       p->elf.e_machine == lib.elf.e_machine;
	close(lib.fd);
	return same;
}

static void check_elf(const struct program *p, const char *path,
		      const char *library)
{
	const char *why;

	if (!same_machine(p, library))
		errx(EXIT_CANNOT_RUN,
		     "%s is for another machine than %s, which cannot be preloaded into it",
		     path, library);
	if (is_static(p))
		errx(EXIT_CANNOT_RUN,
		     "%s is statically linked: nothing can be preloaded into it, it would use TCP",
		     path);
	why = privilege(p->fd);
	if (why)
		errx(EXIT_CANNOT_RUN,
		     "%s %s: the loader ignores LD_PRELOAD then, it would use TCP",
		     path, why);
}

/* The interpreter that a script names in its first line, or NULL. */
static char *interpreter(struct program *p)
{
	char *name;

	if (p->len < 3 || memcmp(p->head, "#!", 2))
		return NULL;
	name = p->head + 2;
	name += strspn(name, " \t");
	name[strcspn(name, " \t\n")] = 0;
	return *name ? name : NULL;
}

void check_program(const char *name, const char *library, char *path)
{
	char at[PATH_MAX];
	struct program p;
	char *next;
	int i;

	errno = -find(name, path);
	if (errno)
		err(errno == ENOENT || errno == ENOTDIR ? EXIT_NOT_FOUND :
		    EXIT_CANNOT_RUN, "%s", name);
	snprintf(at, sizeof(at), "%s", path);
	/* A program that may be executed but not read can be anything. */
	for (i = 0; i < SCRIPTS_MAX && read_program(&p, at); i++) {
		next = interpreter(&p);
		if (is_elf(&p))
			check_elf(&p, at, library);
		close(p.fd);
		if (!next)
			return;
		snprintf(at, sizeof(at), "%s", next);
	}
}
