// SPDX-License-Identifier: GPL-2.0
/*
 * parley-run: starts a program whose TCP sockets are parley's, by preloading a
 * library that stands in for socket(2).
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/parley.h>

#include "parley-run.h"

enum { OPT_LIBRARY = 256, OPT_LIST, OPT_VERSION };

static const struct option options[] = {
	{ "library", required_argument, NULL, OPT_LIBRARY },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "quiet", no_argument, NULL, 'q' },
	{ "require", no_argument, NULL, 'r' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ }
};

static const char usage[] =
"Usage: parley-run [options] program [argument...]\n"
"Runs a program with parley's sockets in place of TCP's.\n"
"\n"
"  -r, --require         no TCP: fail where the module parley is not loaded\n"
"  -q, --quiet           do not warn when TCP is used because of that\n"
"      --library FILE    preload FILE instead of " PARLEY_RUN_LIBRARY "\n"
"      --list            show what cannot be done this way\n"
"  -h, --help            show this\n"
"      --version         show the version\n"
"\n"
"Addresses and ports are the program's own. The other end must be on parley,\n"
"too: under parley-run, or made for AF_PARLEY. Not possible, among others:\n"
"static and setuid programs, programs without libc (Go), connections to other\n"
"hosts and to TCP servers; --list tells all.\n"
"\n"
"Exit status: that of the program; 125 if parley-run fails, 126 if the program\n"
"cannot be run this way, 127 if there is none.\n";

/* The loader splits LD_PRELOAD at these, and expands dollars. */
static bool can_be_preloaded(const char *path)
{
	return !path[strcspn(path, ": \t\n$")];
}

static void use_library(char *library, const char *path)
{
	if (!realpath(path, library) || access(library, R_OK))
		err(EXIT_TROUBLE, "%s", path);
	if (!can_be_preloaded(library))
		errx(EXIT_TROUBLE,
		     "%s: LD_PRELOAD has no place for blanks, colons and dollars",
		     library);
}

/* Beside this program, where "make install" puts it next to it, or there. */
static void find_library(char *library)
{
	static const char *const places[] = {
		"", "../lib/parley/", NULL,
	};
	char path[PATH_MAX + 64], self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *end;
	int i;

	self[n < 0 ? 0 : n] = 0;
	end = strrchr(self, '/');
	for (i = 0; end && places[i]; i++) {
		end[1] = 0;
		snprintf(path, sizeof(path), "%s%s" PARLEY_RUN_LIBRARY, self,
			 places[i]);
		if (!access(path, R_OK)) {
			use_library(library, path);
			return;
		}
	}
	use_library(library, LIBDIR "/" PARLEY_RUN_LIBRARY);
}

/* Appended to what there is, once, also when parley-run runs parley-run. */
static void preload(const char *library)
{
	const char *old = getenv("LD_PRELOAD");
	size_t n = strlen(library);
	const char *item;
	char *new;

	for (item = old; item && *item; item += strspn(item, ": ")) {
		size_t len = strcspn(item, ": ");

		if (len == n && !memcmp(item, library, n))
			return;
		item += len;
	}
	if (asprintf(&new, "%s%s%s", old ?: "", old && *old ? ":" : "",
		     library) < 0 || setenv("LD_PRELOAD", new, 1))
		err(EXIT_TROUBLE, "LD_PRELOAD");
	free(new);
}

/* Told here, once, instead of by each process of the program. */
static const char *find_out(const char *name, bool require, bool quiet)
{
	int fd = socket(AF_PARLEY, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		close(fd);
		return require ? PARLEY_RUN_REQUIRE :
		       quiet ? PARLEY_RUN_QUIET : NULL;
	}
	if (require)
		err(EXIT_TROUBLE, "AF_PARLEY (is the module parley loaded?)");
	if (!quiet)
		fprintf(stderr, PARLEY_RUN_FALLBACK "\n", name);
	return PARLEY_RUN_QUIET;
}

static void set_mode(const char *mode)
{
	if (mode ? setenv(PARLEY_RUN_ENV, mode, 1) : unsetenv(PARLEY_RUN_ENV))
		err(EXIT_TROUBLE, PARLEY_RUN_ENV);
}

/* What was asked for has to have been written. */
static int finish(void)
{
	if (fflush(stdout) || ferror(stdout))
		err(EXIT_TROUBLE, "standard output");
	return 0;
}

int main(int argc, char *argv[])
{
	char library[PATH_MAX] = "", path[PATH_MAX];
	bool require = false, quiet = false;
	int opt;

	while ((opt = getopt_long(argc, argv, "+hqr", options, NULL)) >= 0) {
		switch (opt) {
		case OPT_LIBRARY:
			use_library(library, optarg);
			break;
		case OPT_LIST:
			show_limits();
			return finish();
		case OPT_VERSION:
			puts("parley-run " VERSION);
			return finish();
		case 'q':
			quiet = true;
			break;
		case 'r':
			require = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return finish();
		default:
			fputs("Try 'parley-run --help'.\n", stderr);
			return EXIT_TROUBLE;
		}
	}
	argv += optind;
	if (!*argv) {
		fputs("parley-run: which program?\n"
		      "Try 'parley-run --help'.\n", stderr);
		return EXIT_TROUBLE;
	}

	if (!*library)
		find_library(library);
	check_program(argv[0], library, path);
	set_mode(find_out(argv[0], require, quiet));
	preload(library);
	execvp(argv[0], argv);
	err(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN, "%s", argv[0]);
}
