/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of SOCK_SEQPACKET share. As in lib.h, -errno is a failure. */
#ifndef PARLEY_SELFTEST_LIB_RECORD_H
#define PARLEY_SELFTEST_LIB_RECORD_H

#include <stdbool.h>
#include <stddef.h>

/* What each record takes in the buffers besides its bytes. */
#define RECORD_HEAD	8
#define RECORD_SIZE(len) (RECORD_HEAD + ((len) + 7) / 8 * 8)

int record_socket(int flags);
int record_listener(const char *host, int port, int backlog);
/* as parley_call() */
int record_call(const char *host, int port);
/* without waiting and without SIGPIPE */
long record_put(int fd, const void *buf, size_t len, int flags);
/* without waiting; the msg_flags are stored if @flags is not NULL */
long record_get(int fd, void *buf, size_t room, int how, int *flags);
/* SIOCINQ, SIOCOUTQ */
int record_queued(int fd);
int record_unsent(int fd);
/* the longest record that @from may send to @to */
int record_limit(int from, int to);

#endif /* PARLEY_SELFTEST_LIB_RECORD_H */
