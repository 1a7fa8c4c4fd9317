/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What parley-run and the library that it preloads agree on, and the parts of
 * parley-run.
 */
#ifndef PARLEY_RUN_H
#define PARLEY_RUN_H

#define PARLEY_RUN_LIBRARY	"libparley-preload.so"

/*
 * In the environment: what to do where the kernel has no AF_PARLEY. Anything
 * else, or nothing: use TCP, and say so once in each process.
 */
#define PARLEY_RUN_ENV		"PARLEY_RUN"
#define PARLEY_RUN_QUIET	"quiet"		/* use TCP, it was said */
#define PARLEY_RUN_REQUIRE	"require"	/* fail with EAFNOSUPPORT */

#define PARLEY_RUN_FALLBACK						\
	"parley-run: AF_PARLEY is not available (is the module parley "	\
	"loaded?): %s uses TCP"

/* Exit codes, as env(1) has them. */
enum {
	EXIT_TROUBLE = 125,	/* parley-run itself failed */
	EXIT_CANNOT_RUN = 126,	/* the program is there, but cannot be run */
	EXIT_NOT_FOUND = 127,
};

/* program.c: whether a library can be preloaded into a program */

/*
 * check_program() - looks at what execvp(3) would start
 * @name: the program, with or without a path
 * @library: the library that is to be preloaded
 * @path: PATH_MAX bytes; where the program is
 *
 * Does not return for a program that there is no point in starting: says why,
 * and exits with EXIT_CANNOT_RUN or EXIT_NOT_FOUND.
 */
void check_program(const char *name, const char *library, char *path);

/* limits.c: what this way to use parley cannot do */
void show_limits(void);

#endif /* PARLEY_RUN_H */
