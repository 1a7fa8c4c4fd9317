/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libparley: accept with a condition, connect with terms, and rule files, on
 * top of AF_PARLEY sockets.
 *
 *	cc ... $(pkg-config --cflags --libs parley)
 *
 * Functions that return int or ssize_t return -1 and set errno when they fail,
 * those that return a pointer NULL and errno. None prints, none ends the
 * process, all may be called by many threads at once; only a struct
 * parley_ruleset must not be changed by two threads at the same time.
 *
 * Structs and numbers that are the kernel's (struct parley_qos, enum
 * parley_verdict, ...) are explained in <linux/parley.h>. Descriptors are those
 * of AF_PARLEY sockets: EBADF and ENOTSOCK are not repeated below.
 */
#ifndef LIBPARLEY_PARLEY_H
#define LIBPARLEY_PARLEY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <linux/parley.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Deciding on calls */

/**
 * struct parley_offer - a call that waits for a verdict
 * @caller: the caller's address (lpCallerId of Winsock's condition function)
 * @caller_len: bytes of it
 * @callee: the address that was called (lpCalleeId)
 * @callee_len: bytes of it
 * @data: the call data (lpCallerData), NULL if there is none
 * @data_len: bytes of it
 * @qos: what the caller asks for (lpSQOS), NULL if it does not ask
 * @group_qos: always NULL, as lpGQOS, which is reserved
 * @group: the caller's PARLEY_GROUP (g), 0 if it has none
 * @info: the call's id, the caller's identity, age and deadlines
 * @groups: the caller's supplementary group ids, NULL if there are none
 * @groups_len: how many
 * @label: the caller's security label, with a NUL, or NULL
 *
 * All of it is a copy. What is pointed to lives as long as the offer: until
 * the condition returns, or until parley_offer_free().
 */
struct parley_offer {
	const struct sockaddr *caller;
	socklen_t caller_len;
	const struct sockaddr *callee;
	socklen_t callee_len;
	const void *data;
	size_t data_len;
	const struct parley_qos *qos;
	const struct parley_qos *group_qos;
	uint64_t group;
	const struct parley_call_info *info;
	const uint32_t *groups;
	size_t groups_len;
	const char *label;
};

/**
 * struct parley_answer - what goes with a verdict
 * @reply: reply data for the caller (lpCalleeData); with PARLEY_ACCEPT or
 *	PARLEY_REFUSE. A condition finds @buf here and may leave it, or point
 *	to bytes of its own that stay valid until parley_accept() returns
 * @reply_len: bytes at @reply, at most net.parley.max_call_data. 0: none, an
 *	acceptance then brings what the policy or PARLEY_REPLY_DATA has for it
 * @buf: room for a condition to write the reply to; not used by
 *	parley_decide()
 * @buf_room: bytes at @buf, 65536
 * @qos: what is granted, seen from the caller's end, not above what it asked
 *	for; with PARLEY_ACCEPT. NULL: what the policy granted, or all it asked
 *	for. It has to stay valid as @reply
 * @code: the server's own code for the refusal; with PARLEY_REFUSE
 * @retry_after_ms: when to call again, in milliseconds from now, 0: not said;
 *	with PARLEY_REFUSE
 *
 * A condition gets one in which everything but @reply, @buf and @buf_room is
 * zero. What does not go with the verdict must stay zero (EINVAL).
 */
struct parley_answer {
	const void *reply;
	size_t reply_len;
	void *buf;
	size_t buf_room;
	const struct parley_qos *qos;
	uint32_t code;
	uint32_t retry_after_ms;
};

/**
 * typedef parley_condition_fn - the condition of parley_accept()
 * @offer: the call
 * @answer: what is to go with the verdict
 * @arg: as given to parley_accept() (dwCallbackData)
 *
 * It runs in the thread that called parley_accept(), with no lock held. The
 * caller may go away meanwhile; other threads get other calls. It must return:
 * no exception, no longjmp(3). The thread is not cancelled before it has.
 *
 * Returns PARLEY_ACCEPT, PARLEY_REFUSE or PARLEY_DEFER.
 */
typedef int (*parley_condition_fn)(const struct parley_offer *offer,
				   struct parley_answer *answer, void *arg);

/*
 * Flags of parley_accept(), besides SOCK_NONBLOCK and SOCK_CLOEXEC for the new
 * descriptor.
 */
#define PARLEY_ACCEPT_NOWAIT	0x1	/* EAGAIN at once if there is no call */
#define PARLEY_ACCEPT_REVIEW	0x2	/* start again with the oldest call */
#define PARLEY_ACCEPT_STRICT	0x4	/* never pass a deferred call by */

/**
 * parley_accept() - accept a call on a condition, as WSPAccept does
 * @fd: a socket that listens
 * @addr: where the caller's address goes on success, as with accept(2), or
 *	NULL
 * @addrlen: bytes at @addr, then bytes of the address; NULL if @addr is
 * @condition: is asked about the call; NULL: plain accept4(2), with which the
 *	flags PARLEY_ACCEPT_* are EINVAL
 * @arg: for @condition
 * @flags: SOCK_NONBLOCK, SOCK_CLOEXEC, PARLEY_ACCEPT_*
 *
 * Presents the oldest call, undecided or deferred, that was not presented
 * before. It waits for one as accept(2) does: O_NONBLOCK, SO_RCVTIMEO and
 * signals count. The descriptor returned is that of the very call that
 * @condition saw, however many threads accept at the same socket.
 *
 * A deferred call is presented again only with PARLEY_ACCEPT_REVIEW, which
 * makes all calls new, or after parley_review(). With PARLEY_ACCEPT_STRICT in
 * every call the order is Winsock's: the oldest call is presented until it is
 * decided, and those behind it wait.
 *
 * Return: a descriptor of the connection, or -1 and errno:
 *
 * ECONNREFUSED: the verdict was PARLEY_REFUSE.
 * EBUSY: the verdict was PARLEY_DEFER.
 * EDQUOT: the verdict was PARLEY_ACCEPT, but too little is left of
 *	PARLEY_CAPACITY: the call is refused with PARLEY_REASON_QOS.
 * ECONNABORTED: the call was gone when @condition came to its verdict. Its
 *	caller has given up, or somebody else has decided on it.
 * EINVAL: the verdict or what should go with it is none that the kernel takes,
 *	or @flags are unknown, or @fd does not listen (any more).
 * EMSGSIZE: the reply is longer than net.parley.max_call_data.
 * EAGAIN: no call came in time.
 * EINTR: a signal came first.
 * EMFILE, ENFILE, ENOMEM: no descriptor, or no memory, was to be had.
 *
 * With EINVAL, EMSGSIZE, EMFILE, ENFILE and ENOMEM nothing was decided: the
 * call is presented again by the next parley_accept().
 */
int parley_accept(int fd, struct sockaddr *addr, socklen_t *addrlen,
		  parley_condition_fn condition, void *arg, int flags);

/**
 * parley_next_call() - look at the next undecided call
 * @fd: a socket that listens
 * @offer: where a pointer to the call goes, for parley_offer_free()
 * @flags: PARLEY_NEXT_DEFERRED, PARLEY_NEXT_REWIND, PARLEY_NEXT_NOWAIT, of
 *	<linux/parley.h>
 *
 * PARLEY_IOC_NEXT_CALL with room for whatever the call brings.
 *
 * Return: 0, or -1 and errno: EAGAIN (no call came in time), EINTR, EINVAL (it
 * does not listen, unknown flags), ENOMEM.
 */
int parley_next_call(int fd, struct parley_offer **offer, unsigned int flags);

/**
 * parley_offer_free() - give a call's memory back; the call itself waits on
 * @offer: what parley_next_call() gave, or NULL
 */
void parley_offer_free(struct parley_offer *offer);

/**
 * parley_decide() - decide on a call
 * @fd: a socket that listens
 * @id: parley_call_info.id
 * @verdict: one of enum parley_verdict
 * @answer: what goes with the verdict, or NULL. @buf does not count
 * @flags: PARLEY_DECIDE_RESERVE, PARLEY_DECIDE_AGAIN, of <linux/parley.h>
 *
 * Any process that holds the socket may decide; one of several wins.
 *
 * Return: 0, or -1 and errno: ENOENT (no such call, or none any more), EALREADY
 * (it is approved already), EBUSY (accept(2) is just taking it, or it is
 * reserved for another thread), EINVAL (what does not go with the verdict, a
 * grant above the request), EMSGSIZE (the reply), EDQUOT (accepted, but too
 * little is left of PARLEY_CAPACITY: the call is refused).
 */
int parley_decide(int fd, uint64_t id, int verdict,
		  const struct parley_answer *answer, unsigned int flags);

/**
 * parley_review() - put all deferred calls back among the undecided ones
 * @fd: a socket that listens
 *
 * They are judged by the kernel's policy again, as if they just came; how long they may
 * stay deferred still counts from the first time.
 *
 * Return: how many there were, or -1 and errno EINVAL: it does not listen.
 */
int parley_review(int fd);

/* Calling */

/* struct parley_terms.timeout_ms: wait for the verdict without end */
#define PARLEY_TIMEOUT_NEVER	0xffffffffU

/**
 * struct parley_terms - the terms of a call
 * @data: call data, NULL for none
 * @data_len: bytes of it, at most net.parley.max_call_data
 * @qos: what is wanted, NULL: nothing in particular
 * @group: PARLEY_GROUP, 0 for none
 * @timeout_ms: milliseconds until the call is withdrawn, or
 *	PARLEY_TIMEOUT_NEVER; 0 leaves PARLEY_CONNECT_TIMEOUT as it is
 */
struct parley_terms {
	const void *data;
	size_t data_len;
	const struct parley_qos *qos;
	uint64_t group;
	uint32_t timeout_ms;
};

/**
 * parley_connect() - connect(2) on terms
 * @fd: a socket that neither listens nor calls nor is connected
 * @to: the address to call
 * @len: bytes of it
 * @terms: exactly these hold, whatever was set on the socket before; NULL as
 *	one that is all zero
 *
 * Return: 0, or -1 and errno as connect(2): ECONNREFUSED and ETIMEDOUT are
 * explained by parley_get_refusal(), EINPROGRESS with O_NONBLOCK. EMSGSIZE:
 * too much call data. EINVAL: a QoS that is none, or @fd listens.
 */
int parley_connect(int fd, const struct sockaddr *to, socklen_t len,
		   const struct parley_terms *terms);

/* Asking */

/**
 * parley_get_call_data() - the data that a call brought
 * @fd: an accepted socket; on others, what was set for their own calls
 * @buf: where it goes
 * @room: bytes at @buf; with @buf NULL and 0 only the length is told
 *
 * Return: the length, 0 without any, or -1 and errno ERANGE: it does not fit,
 * nothing was read.
 */
ssize_t parley_get_call_data(int fd, void *buf, size_t room);

/**
 * parley_get_reply_data() - the data that came, or went, with the verdict
 * @fd: a socket that has called, accepted or not, or an accepted one; on a
 *	listener, its default for acceptances
 * @buf: where it goes
 * @room: bytes at @buf; with @buf NULL and 0 only the length is told
 *
 * Return: as parley_get_call_data().
 */
ssize_t parley_get_reply_data(int fd, void *buf, size_t room);

/**
 * parley_get_label() - the security label of the process that called
 * @fd: an accepted socket
 * @buf: where it goes, with a NUL
 * @room: bytes at @buf, one more than the length at least; with @buf NULL and
 *	0 only the length is told
 *
 * Return: the length without the NUL, or -1 and errno: ERANGE, ENOPROTOOPT (no
 * security module here has labels), EINVAL (@fd was not accepted).
 */
ssize_t parley_get_label(int fd, char *buf, size_t room);

/**
 * parley_get_refusal() - why the last call of a socket failed
 * @fd: a socket
 * @refusal: filled
 *
 * Return: 0, or -1 and errno.
 */
int parley_get_refusal(int fd, struct parley_refusal *refusal);

/**
 * parley_get_call_info() - who called, from where, on what terms
 * @fd: an accepted socket
 * @info: filled
 *
 * Return: 0, or -1 and errno EINVAL: @fd was not accepted.
 */
int parley_get_call_info(int fd, struct parley_call_info *info);

/**
 * parley_get_qos() - what a connection was granted
 * @fd: a connected socket, seen from this end; on others, what was asked for
 * @qos: filled
 *
 * Return: 0, or -1 and errno.
 */
int parley_get_qos(int fd, struct parley_qos *qos);

/**
 * parley_get_backlog() - how many calls wait
 * @fd: a socket that listens
 * @backlog: filled
 *
 * Return: 0, or -1 and errno EINVAL: it does not listen.
 */
int parley_get_backlog(int fd, struct parley_backlog *backlog);

/**
 * parley_reason_name() - the name of a reason, "BACKLOG_FULL" say
 * @reason: parley_refusal.reason
 *
 * Return: a constant string, or NULL for a number that is not known.
 */
const char *parley_reason_name(uint32_t reason);

/**
 * parley_reason_text() - a reason in words, without a full stop
 * @reason: parley_refusal.reason
 *
 * Return: a constant string, or NULL for a number that is not known.
 */
const char *parley_reason_text(uint32_t reason);

/* Rules */

/* A table of rules, its default, and the pool of bytes that both point into. */
struct parley_ruleset;

/**
 * struct parley_rule_error - what is wrong with a table of rules, and where
 * @line: line of the text, from 1; 0 if it is not known
 * @column: byte of the line, from 1; 0: the line as a whole
 * @rule: index of the rule, or the number of rules for the default;
 *	PARLEY_RULE_NONE if it is none of them
 * @field: one of enum parley_rule_field
 * @message: in words, without line and column and without a full stop
 */
struct parley_rule_error {
	unsigned int line;
	unsigned int column;
	uint32_t rule;
	uint32_t field;
	char message[160];
};

/**
 * parley_ruleset_new() - an empty table, that accepts every call
 *
 * Return: the table, for parley_ruleset_free(), or NULL and errno ENOMEM.
 */
struct parley_ruleset *parley_ruleset_new(void);

/**
 * parley_ruleset_free() - give a table's memory back
 * @rs: a table or NULL
 */
void parley_ruleset_free(struct parley_ruleset *rs);

/**
 * parley_ruleset_add_bytes() - put bytes into a table's pool
 * @rs: the table
 * @data: the bytes
 * @len: how many
 * @offset: where they are in the pool, for struct parley_rule
 *
 * Rules may share bytes. A mask must not be at the same place as its value,
 * unless all bits count.
 *
 * Return: 0, or -1 and errno: EMSGSIZE (the pool would exceed 1 MiB), ENOMEM.
 */
int parley_ruleset_add_bytes(struct parley_ruleset *rs, const void *data,
			     size_t len, uint32_t *offset);

/**
 * parley_ruleset_add() - put a rule at the end of a table
 * @rs: the table
 * @rule: copied; its offsets point into the pool, see
 *	parley_ruleset_add_bytes(). Only they are checked here, the rest by
 *	parley_set_rules()
 *
 * Return: 0, or -1 and errno: EINVAL (not within the pool), E2BIG (there are
 * PARLEY_RULES_MAX already), ENOMEM.
 */
int parley_ruleset_add(struct parley_ruleset *rs,
		       const struct parley_rule *rule);

/**
 * parley_ruleset_set_default() - what a table says if no rule matches
 * @rs: the table
 * @answer: copied, as with parley_ruleset_add()
 *
 * Return: 0, or -1 and errno EINVAL: not within the pool.
 */
int parley_ruleset_set_default(struct parley_ruleset *rs,
			       const struct parley_rule_answer *answer);

/**
 * parley_ruleset_count() - how many rules there are
 * @rs: the table
 */
size_t parley_ruleset_count(const struct parley_ruleset *rs);

/**
 * parley_ruleset_rule() - one of the rules
 * @rs: the table
 * @index: from 0
 *
 * Return: the rule, valid until @rs is changed, or NULL beyond the last one.
 */
const struct parley_rule *parley_ruleset_rule(const struct parley_ruleset *rs,
					      size_t index);

/**
 * parley_ruleset_default() - what the table says if no rule matches
 * @rs: the table
 */
const struct parley_rule_answer *
parley_ruleset_default(const struct parley_ruleset *rs);

/**
 * parley_ruleset_pool() - the bytes that the rules point into
 * @rs: the table
 * @len: how many, filled
 *
 * Return: the bytes, valid until @rs is changed; NULL if there are none.
 */
const void *parley_ruleset_pool(const struct parley_ruleset *rs, size_t *len);

/**
 * parley_ruleset_parse() - add the rules that a text holds to a table
 * @rs: the table; unchanged if there is an error
 * @text: rules as parley-rules(5) describes them
 * @len: bytes of it
 * @err: what is wrong and where, filled if this fails; or NULL
 *
 * Return: 0, or -1 and errno: EINVAL (the text), EMSGSIZE (too many bytes for
 * the pool), E2BIG (too many rules), ENOMEM.
 */
int parley_ruleset_parse(struct parley_ruleset *rs, const char *text,
			 size_t len, struct parley_rule_error *err);

/**
 * parley_ruleset_load() - add the rules that a file holds to a table
 * @rs: the table; unchanged if there is an error
 * @path: the file
 * @err: what is wrong and where, filled if this fails; or NULL. With line 0 it
 *	is the file as such
 *
 * Return: 0, or -1 and errno as parley_ruleset_parse(), open(2) and read(2);
 * EFBIG (16 MiB or more).
 */
int parley_ruleset_load(struct parley_ruleset *rs, const char *path,
			struct parley_rule_error *err);

/**
 * parley_ruleset_format() - the text of a table
 * @rs: the table
 *
 * Return: a string for free(3) that parley_ruleset_parse() makes an equal table
 * of, or NULL and errno: ENOMEM, EINVAL (a rule that cannot be said, since the
 * kernel would not take it or is newer than this library).
 */
char *parley_ruleset_format(const struct parley_ruleset *rs);

/**
 * parley_set_rules() - give a listener a table, in place of the one it has
 * @fd: a socket that listens or will
 * @rs: the table
 * @err: which rule is bad and how, filled if this fails; or NULL. The line is
 *	known if the rule was parsed from a text
 *
 * Return: 0, or -1 and errno: EINVAL (a bad rule, or a socket that is connected
 * or calls), EMSGSIZE (a reply above net.parley.max_call_data), ENOMEM.
 */
int parley_set_rules(int fd, const struct parley_ruleset *rs,
		     struct parley_rule_error *err);

/**
 * parley_get_rules() - the table that a listener has
 * @fd: a socket that listens or will
 *
 * Return: the table, for parley_ruleset_free(), or NULL and errno: EINVAL (a
 * socket that is connected or calls), ENOMEM.
 */
struct parley_ruleset *parley_get_rules(int fd);

#ifdef __cplusplus
}
#endif

#endif /* LIBPARLEY_PARLEY_H */
