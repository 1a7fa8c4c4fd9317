/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small language for what is done to sockets, the same on every family: each
 * step is a line of words, its result a short text. conformance.script is
 * written in it, and says more of the words.
 */
#ifndef PARLEY_SELFTEST_CONFORM_H
#define PARLEY_SELFTEST_CONFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "lib.h"

#define CONFORM_WORDS	16
#define CONFORM_TEXT	64

/**
 * struct conform - one run of a scene on one family
 * @family: AF_UNIX, AF_INET or AF_PARLEY
 * @type: SOCK_STREAM or SOCK_SEQPACKET
 * @fd: the sockets a to z, -1 where there is none
 * @ping: a TCP connection whose bytes arrive after all that was sent before
 * @count: how many bytes were sent: makes each of them different
 * @note: what a step has to say besides its result
 */
struct conform {
	int family;
	int type;
	int fd[26];
	int ping[2];
	unsigned int count;
	char note[CONFORM_TEXT];
};

typedef long (*conform_op)(struct conform *c, int argc, char **argv);

struct conform_word {
	const char *word;
	conform_op op;
	int args;		/* words that must follow */
};

extern const struct conform_word conform_data_words[];
extern const struct conform_word conform_file_words[];

int conform_begin(struct conform *c, int family, int type);
void conform_end(struct conform *c);
/* does what @line says; @result has room for CONFORM_TEXT */
void conform_step(struct conform *c, const char *line, char *result);

/* For the words */
int conform_fd(const struct conform *c, const char *word);
int conform_flags(int argc, char **argv, int from);
void conform_msg_flags(struct conform *c, int flags);
int conform_addr(const struct conform *c, const char *word, const void **addr,
		 socklen_t *len);
const char *conform_addr_word(const struct conform *c, const void *addr,
			      socklen_t len);
void conform_say(struct conform *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* -1 becomes the negative errno */
long conform_result(long ret);

#endif /* PARLEY_SELFTEST_CONFORM_H */
