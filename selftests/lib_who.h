/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of identities share: processes that call and then become
 * somebody else, and who a call or a connection is said to be from.
 *
 * Include it after kselftest_harness.h. What ..._is() functions find different
 * they print as a comment.
 */
#ifndef PARLEY_SELFTEST_LIB_WHO_H
#define PARLEY_SELFTEST_LIB_WHO_H

#include "lib.h"

/* In a child: its exit code says which step failed. */
#define WHO_STEP(cond)	do { step++; if (!(cond)) _exit(step); } while (0)

/*
 * A process that calls, and becomes somebody else while the call waits.
 * @before and @after return whether they could; @arg is theirs.
 */
struct who_caller {
	const char *host;
	int port;
	bool (*before)(struct who_caller *c);
	bool (*after)(struct who_caller *c);
	const char *arg;
	pid_t pid;
	struct parley_gate changed;
	struct parley_gate end;
};

/* the call waits, and @after is done, when it returns */
int who_caller_start(struct who_caller *c);
/* after the call was accepted: the exit code of the process */
int who_caller_end(struct who_caller *c);

/* Who somebody is, as the reader's namespaces have it. */
struct who {
	uid_t uid;
	gid_t gid;
	pid_t pid;
	int groups;
	const gid_t *group;
};

/* SO_PEERCRED and SO_PEERGROUPS of a connected socket */
bool who_peer_is(int fd, const struct who *w);
/* the same and PARLEY_CALL_INFO, of an accepted socket */
bool who_called_is(int fd, const struct who *w);
/* what PARLEY_IOC_NEXT_CALL says about the oldest call */
bool who_offers_is(int listener, const struct who *w);

/* Descriptors by a UNIX socket; the descriptor that came, or -EBADMSG */
int who_send_fd(int to, int fd);
int who_receive_fd(int from);

#endif /* PARLEY_SELFTEST_LIB_WHO_H */
