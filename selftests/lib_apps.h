/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Programs of others under parley-run: starting servers, waiting until they
 * say that they are ready, running clients, comparing what was transferred,
 * and the proof that all of it went over parley.
 *
 * Whatever goes wrong is printed together with what the program said.
 */
#ifndef PARLEY_SELFTEST_LIB_APPS_H
#define PARLEY_SELFTEST_LIB_APPS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Longer than other waits: whole programs are loaded, and do a lot. */
#define APP_BOUND_MS	150000
#define APP_TEST_SECONDS	400
#define APP_OUTPUT_MAX	(256 * 1024)

/* The directory of the test that runs, empty when it begins. */
#define APP_DIR		"/tmp/apps"

/**
 * struct app - a program that was started
 * @pid: its process, and its process group
 * @out: what it writes to standard output and error comes here
 * @text: what it has written so far
 * @len: how much that is
 */
struct app {
	pid_t pid;
	int out;
	char text[APP_OUTPUT_MAX];
	size_t len;
};

/* Makes APP_DIR; ends whatever a test has started. */
int apps_begin(void);
int apps_end(void);

/* The words of a command line, ended by NULL; the last is the program's. */
#define APP(...)	((const char *const[]){ __VA_ARGS__, NULL })
#define ON_PARLEY(...)	APP("parley-run", "--require", __VA_ARGS__)

int app_start(struct app *a, const char *const argv[]);
/* waits for @word in the output */
int app_ready(struct app *a, const char *word);
/* sends @sig and waits for the end: the exit code, 128 + a signal */
int app_stop(struct app *a, int sig);
/* runs a program to its end: the exit code */
int app_run(struct app *a, const char *const argv[]);
/* the same, with standard input and output from and to files, or NULL */
int app_run_io(struct app *a, const char *const argv[], const char *in,
	       const char *out);
bool app_said(const struct app *a, const char *word);
/* the number behind the last @word in the output, -1 without one */
double app_number(const struct app *a, const char *word);

/* Files: @size bytes that do not repeat; text; whether two are the same. */
int app_file(const char *path, size_t size, unsigned int seed);
int app_text(const char *path, const char *text);
bool app_same(const char *a, const char *b);

/**
 * apps_on_parley() - where the traffic of this namespace went
 *
 * Return: connections made on parley, or a negative number if there is, or
 * was a moment ago, any TCP socket.
 */
long apps_on_parley(void);

#endif
