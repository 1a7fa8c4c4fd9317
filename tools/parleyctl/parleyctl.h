/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of parleyctl share: the table of subcommands, exit codes,
 * messages, and the parsing of the command line.
 */
#ifndef PARLEYCTL_H
#define PARLEYCTL_H

#include <linux/parley.h>
#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define __printf(a, b)	__attribute__((__format__(printf, a, b)))

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

/**
 * struct cmd - a subcommand
 * @name: what the user types
 * @summary: one line for the list of subcommands
 * @run: parses argv (argv[0] is "parleyctl NAME") and returns an exit code
 */
struct cmd {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

int cmd_ask(int argc, char **argv);
int cmd_call(int argc, char **argv);
int cmd_calls(int argc, char **argv);
int cmd_decide(int argc, char **argv);
int cmd_listen(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_review(int argc, char **argv);
int cmd_rules(int argc, char **argv);
int cmd_stat(int argc, char **argv);

/**
 * struct bytes - data of any kind
 * @data: malloc()ed or NULL
 * @len: how many
 */
struct bytes {
	char *data;
	size_t len;
};

/* util.c */
void set_prefix(const char *prefix);
void set_quiet(void);
void say(const char *fmt, ...) __printf(1, 2);
int failure(const char *fmt, ...) __printf(1, 2);
void hint(const char *fmt, ...) __printf(1, 2);
int usage_error(const char *fmt, ...) __printf(1, 2);
int open_socket(int flags);
bool in_background(int fd);
int read_all(FILE *file, size_t max, struct bytes *bytes);
int write_all(int fd, const char *buf, size_t len);
int end_output(void);
double now_ms(void);

/* parse.c */
int parse_number(const char *option, const char *text, unsigned long max,
		 unsigned long *number);
int parse_ms(const char *option, const char *text, uint32_t *ms);
int parse_bytes(const char *option, const char *text, struct bytes *bytes);
int parse_qos(const char *option, const char *text, struct parley_qos *qos);
int parse_capacity(const char *option, const char *text,
		   struct parley_capacity *capacity);
int parse_verdict(const char *text, int *verdict);
void hint_qos(void);

/* addr.c */

/* Room for the longest [address%interface]:port and its NUL. */
#define ADDR_TEXT	128

int addr_resolve(const char *text, struct addrinfo **list);
const char *addr_text(const void *addr, char text[static ADDR_TEXT]);
const char *addr_local(int fd, char text[static ADDR_TEXT]);

#endif /* PARLEYCTL_H */
