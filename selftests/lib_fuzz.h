/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fuzzer: programs of system calls, how they are made, written down, run
 * by several processes and threads, and what is held against the kernel
 * meanwhile. Documentation/fuzzing.rst tells how it is used.
 *
 * A program is a list of calls. Each call names the thread that makes it; what
 * it works on are numbered slots, in which earlier calls have left descriptors,
 * so a program means the same wherever it runs. Structs are made from a seed,
 * valid as a rule, and one patch.
 */
#ifndef PARLEY_SELFTEST_LIB_FUZZ_H
#define PARLEY_SELFTEST_LIB_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <linux/types.h>

#include "lib_race.h"

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(arr)	(sizeof(arr) / sizeof((arr)[0]))
#endif

#define FUZZ_CALLS	40	/* in a program, at most */
#define FUZZ_ARGS	7
#define FUZZ_PROCS	2	/* processes that run a program */
#define FUZZ_THREADS	2	/* threads of each */
#define FUZZ_ACTORS	(FUZZ_PROCS * FUZZ_THREADS)
#define FUZZ_SLOTS	16	/* descriptors of each process */
#define FUZZ_IDS	8	/* ids of calls that deciders have seen */
#define FUZZ_TEXT_MAX	8192	/* of a program */
#define FUZZ_TAGS	128	/* calls of a program that are told apart */

/* Programs */

struct fuzz_call {
	__u8 op;		/* index into fuzz_ops */
	__u8 actor;		/* thread that makes it */
	__u8 async;		/* the next call does not wait for it */
	__u64 arg[FUZZ_ARGS];
};

struct fuzz_prog {
	unsigned int n;
	struct fuzz_call call[FUZZ_CALLS];
};

/* What is in a slot, as far as can be told without running the program. */
enum fuzz_kind {
	FUZZ_NOTHING,
	FUZZ_ANYTHING,		/* only as what a call needs */
	FUZZ_SOCKET,		/* at rest */
	FUZZ_LISTENER,
	FUZZ_CALLER,
	FUZZ_CONNECTION,
	FUZZ_PIPE_OUT,		/* to be read */
	FUZZ_PIPE_IN,
	FUZZ_EPOLL,
	FUZZ_BPF,
};

/* How an argument is chosen. */
enum fuzz_type {
	FUZZ_T_NONE,
	FUZZ_T_FD,		/* slot of what the call needs */
	FUZZ_T_NEW,		/* slot for what it makes */
	FUZZ_T_OF,		/* slot of what count says, an enum fuzz_kind */
	FUZZ_T_PICK,		/* one of the values */
	FUZZ_T_FLAGS,		/* some of the values, or'ed */
	FUZZ_T_RARE,		/* 0, but sometimes one of the values */
	FUZZ_T_NUMBERS,		/* an option that is a number, see lib_fuzz_opt.h */
	FUZZ_T_PAIRS,
	FUZZ_T_OPTIONS,		/* any option */
	FUZZ_T_NUMBER,		/* one of the values, or near one, or extreme */
	FUZZ_T_SEED,
	FUZZ_T_PATCH,		/* where a struct is patched; mostly nowhere */
	FUZZ_T_ID,
};

struct fuzz_arg {
	const char *name;
	enum fuzz_type type;
	unsigned int count;
	const __u64 *value;
};

struct fuzz_actor;

struct fuzz_op {
	const char *name;
	unsigned int weight;	/* how often it is taken */
	enum fuzz_kind need;	/* in the slot FUZZ_T_FD */
	enum fuzz_kind turn;	/* what that becomes, or FUZZ_NOTHING */
	enum fuzz_kind make;	/* what comes into FUZZ_T_NEW */
	struct fuzz_arg arg[FUZZ_ARGS];
	long (*run)(struct fuzz_actor *a, const __u64 *arg);
	const int *err;		/* errors beside those that any call has; ends with 0 */
};

extern const struct fuzz_op fuzz_ops[];
extern const unsigned int fuzz_op_count;

/* index of an operation by its name, or -1 */
int fuzz_op_find(const char *name);
/* whether this operation may end with this errno */
bool fuzz_op_may_fail(const struct fuzz_op *op, int err);

/* As text, one call a line */

int fuzz_prog_write(const struct fuzz_prog *p, char *text, size_t room);
/* NULL, or what is wrong; a line that begins with # is none */
const char *fuzz_prog_read(struct fuzz_prog *p, const char *text);
bool fuzz_prog_same(const struct fuzz_prog *a, const struct fuzz_prog *b);

/* Making them */

void fuzz_make(struct fuzz_prog *p, struct race_random *r);
/* changes @p a little; @other lends it calls */
void fuzz_mutate(struct fuzz_prog *p, const struct fuzz_prog *other, struct race_random *r);
/* For both: the kinds of slots before call @at. */
struct fuzz_guess {
	enum fuzz_kind kind[FUZZ_PROCS][FUZZ_SLOTS];
};

void fuzz_guess(struct fuzz_guess *g, const struct fuzz_prog *p, unsigned int at);
void fuzz_fill(struct fuzz_call *c, unsigned int op, unsigned int actor,
	       const struct fuzz_guess *g, struct race_random *r);
__u64 fuzz_fill_arg(const struct fuzz_call *c, unsigned int i, const struct fuzz_guess *g,
		    struct race_random *r);
unsigned int fuzz_pick_op(struct race_random *r);

/* Structs from seeds */

struct parley_qos;
struct parley_decision;

void fuzz_qos(struct parley_qos *qos, __u64 seed);
void fuzz_bytes(void *buf, size_t len, __u64 seed);
/* @at is 0 for none, or one more than the offset */
void fuzz_patch(void *buf, size_t len, __u64 at, __u64 value);
/* a length: @how is 0 for @size, or one of several ways to get it wrong */
long fuzz_length(__u64 how, size_t size);

#define FUZZ_RULES	6
#define FUZZ_POOL	256

/* Running them */

/* What threads that make calls, and those who tell them, share. */
struct fuzz_box {
	unsigned int go;	/* so many times calls were given */
	unsigned int done;	/* and so many times all of them were made */
	int first;		/* index, or FUZZ_RESET */
	int last;
	int now;		/* the one that is being made */
	int tid;
};

#define FUZZ_RESET	(-1)

enum fuzz_tag_bits {
	FUZZ_TAG_ACCEPTED = 1,
	FUZZ_TAG_FAILED = 2,
	FUZZ_TAG_UNSURE = 4,	/* several threads had a hand in it */
};

struct fuzz_shared {
	struct fuzz_prog prog;
	struct fuzz_box box[FUZZ_ACTORS];
	__u64 id[FUZZ_IDS];
	__u64 serial;		/* of the program */
	/* From here on zero when a program begins. */
	unsigned int sockets;	/* so many had a number of their own */
	unsigned int tags;
	unsigned int owner[FUZZ_TAGS];	/* by socket: the tag of who connects it now */
	unsigned int others[FUZZ_TAGS];	/* by socket: who else does */
	unsigned int last[FUZZ_TAGS];	/* by socket: tag of its call */
	unsigned int state[FUZZ_TAGS];	/* by tag: FUZZ_TAG_* */
	bool moved[FUZZ_ACTORS];	/* to another namespace, or user */
	bool closing;		/* no more calls are made */
	bool made[FUZZ_CALLS];
	long result[FUZZ_CALLS];
	__u64 took_ns[FUZZ_CALLS];
	unsigned int findings;
	char finding[512];
};

struct fuzz_cover {
	int fd;
	__u64 *pc;		/* the number of them first */
};

struct fuzz_actor {
	struct fuzz_shared *sh;
	unsigned int nr;
	int *slot;
	unsigned int *number;	/* of the sockets in the slots, 0 for none */
	int pair;		/* to the other process */
	const int *ns;		/* network namespaces */
	struct fuzz_cover *cover;
	int base;		/* first descriptor that belongs to a program */
	char *buf;
};

#define FUZZ_BUF	(256 * 1024)

/* what an operation works on */
int fuzz_fd(struct fuzz_actor *a, __u64 slot);
/* and the number of that socket, 0 for none */
int fuzz_numbered_fd(struct fuzz_actor *a, __u64 slot, unsigned int *number);
/* puts a descriptor, or an error, into a slot */
long fuzz_keep(struct fuzz_actor *a, __u64 slot, long fd, unsigned int number);
long fuzz_result(long ret);
/* something is wrong with the kernel: told once, the run goes on */
__attribute__((format(printf, 2, 3)))
void fuzz_found(struct fuzz_shared *sh, const char *fmt, ...);

/* a process with its threads; does not return */
void fuzz_actors(struct fuzz_actor *first);

/* Tags: calls whose end both sides have to agree on */

/* before connect(2) and after it; @ret is what it returned */
unsigned int fuzz_tag_begin(struct fuzz_actor *a, unsigned int number, int fd, bool fresh);
void fuzz_tag_end(struct fuzz_actor *a, unsigned int number, unsigned int held, long ret);
/* a call of this socket that nobody can accept any more */
void fuzz_tag_withdrawn(struct fuzz_actor *a, unsigned int number, unsigned int held);
void fuzz_tag_accepted(struct fuzz_actor *a, int fd);
/* from now on nothing is certain about this socket */
void fuzz_tag_spoil(struct fuzz_actor *a, unsigned int number);

/* The operations, by what they are about */

long fuzz_do_socket(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_socketpair(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_bind(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_listen(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_connect(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_unspec(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_accept(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_shutdown(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_name(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_close(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_dup(struct fuzz_actor *a, const __u64 *v);

long fuzz_do_send(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_recv(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_sendmsg(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_recvmsg(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_sendmmsg(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_recvmmsg(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_write(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_read(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_pipe(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_splice(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_sendfile(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_queue(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_poll(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_epoll(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_epoll_ctl(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_epoll_wait(struct fuzz_actor *a, const __u64 *v);

long fuzz_do_setopt(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_getopt(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_set_qos(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_set_bytes(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_set_two(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_set_policy(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_filter(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_bpf(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_set_bpf(struct fuzz_actor *a, const __u64 *v);

long fuzz_do_set_rules(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_get_rules(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_next_call(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_decide(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_review(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_ioctl(struct fuzz_actor *a, const __u64 *v);

/* what "sysctl" writes to */
extern const char *const fuzz_sysctls[];
extern const unsigned int fuzz_sysctl_count;

long fuzz_do_pass(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_take(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_fork(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_signal(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_pause(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_sysctl(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_netns(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_user(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_fcntl(struct fuzz_actor *a, const __u64 *v);
long fuzz_do_proc(struct fuzz_actor *a, const __u64 *v);

/* Which code ran */

struct fuzz_seen;

/* false where the kernel has no KCOV, or the module is not built for it */
bool fuzz_cover_works(void);
bool fuzz_cover_open(struct fuzz_cover *c);
void fuzz_cover_close(struct fuzz_cover *c);
int fuzz_cover_enable(struct fuzz_cover *c);
/* the calls before have nothing to do with those behind */
void fuzz_cover_mark(struct fuzz_cover *c);

struct fuzz_seen *fuzz_seen_new(void);
void fuzz_seen_free(struct fuzz_seen *s);
/* takes what @c holds, and empties it; how many edges were new */
unsigned int fuzz_seen_add(struct fuzz_seen *s, struct fuzz_cover *c);
unsigned int fuzz_seen_pcs(const struct fuzz_seen *s);
unsigned int fuzz_seen_edges(const struct fuzz_seen *s);
/* all places, each a line that @put is given, as offsets into the module */
void fuzz_seen_tell(const struct fuzz_seen *s, void (*put)(const char *line));

/* Programs that have shown something new */

struct fuzz_corpus {
	unsigned int n;
	unsigned int room;
	struct fuzz_prog *prog;
};

int fuzz_corpus_add(struct fuzz_corpus *c, const struct fuzz_prog *p);
void fuzz_corpus_free(struct fuzz_corpus *c);
const struct fuzz_prog *fuzz_corpus_any(const struct fuzz_corpus *c, struct race_random *r);
/* programs of a file, in the order of their numbers; NULL or what is wrong */
const char *fuzz_corpus_read(struct fuzz_corpus *c, const char *path);

/* The processes that run programs */

struct fuzz_team;

struct fuzz_team *fuzz_team_new(void);
void fuzz_team_free(struct fuzz_team *t);
/* whether all came to its end; false where a process hangs in the kernel */
bool fuzz_team_run(struct fuzz_team *t, const struct fuzz_prog *p);
struct fuzz_shared *fuzz_team_shared(struct fuzz_team *t);
unsigned int fuzz_team_cover(struct fuzz_team *t, struct fuzz_seen *s);
bool fuzz_team_has_cover(const struct fuzz_team *t);
/* calls that were made, and those of them that succeeded */
void fuzz_team_counts(const struct fuzz_team *t, unsigned long *made, unsigned long *good);
/* how many calls of each kind were made, and succeeded */
void fuzz_team_tell(const struct fuzz_team *t);
/* nothing is left in any namespace, and the counters agree */
bool fuzz_team_clean(struct fuzz_team *t);

/* what the kernel says about itself: whether it complained since the last time */
bool fuzz_log_open(void);
bool fuzz_log_complains(char *line, size_t room);

/* Memory that is shared with the host */

#define FUZZ_SHARE_SIZE	(32UL << 20)

enum fuzz_area {
	FUZZ_RING,		/* the last programs: each is there before it is run */
	FUZZ_PROGRESS,		/* how many, and how much code they reached */
	FUZZ_FINDINGS,		/* what was found wrong, with the program */
	FUZZ_PLACES,		/* which code was reached */
	FUZZ_CORPUS,		/* programs that showed something new */
};

/* false where there is none: what is written then is lost */
bool fuzz_share_open(void);
void fuzz_share_clear(enum fuzz_area area);
void fuzz_share_append(enum fuzz_area area, const char *text);
void fuzz_share_ring(unsigned long number, const char *text);

/* The run */

struct fuzz_plan {
	__u64 seed;
	unsigned int seconds;
	unsigned int repeat;	/* for replay */
	unsigned int points;	/* how many places the module has, 0 if that is not known */
	const char *given;	/* a file of programs to begin with, or NULL */
	bool replay;		/* run those and nothing else */
};

struct fuzz_report {
	unsigned long executions;
	unsigned long calls;
	unsigned long good;
	unsigned int corpus;
	unsigned int pcs;
	unsigned int edges;
	unsigned int findings;
	bool covered;		/* the kernel tells which code ran */
};

/* 0, or a negative errno where it could not begin */
int fuzz_run(const struct fuzz_plan *plan, struct fuzz_report *report);

#endif /* PARLEY_SELFTEST_LIB_FUZZ_H */
