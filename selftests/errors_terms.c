// SPDX-License-Identifier: GPL-2.0
/*
 * What is refused of the options that calls are made, judged and accepted by:
 * each one in each state of a socket, set and got, and with bad input. After
 * each failure all options are as they were, and the socket works.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "lib_terms.h"

#define HOST	"127.0.0.1"
#define PORT	7380	/* of the listener that callers call */
#define SUBJECT	7381	/* of the socket that is tested */
#define CLOSED	7382
#define BAD	((void *)1)

/* States of a socket, as bits. */
enum {
	FRESH = 1, BOUND = 2, LISTENING = 4, CALLING = 8, CALLER = 16,
	ACCEPTED = 32, PAIRED = 64, ENDED = 128, FAILED = 256, WITHDRAWN = 512,
	LAST = WITHDRAWN,
	REST = FRESH | BOUND | FAILED | WITHDRAWN,
	ALL = 2 * LAST - 1,
};

static const char *state_name(int state)
{
	static const char *const names[] = {
		"fresh", "bound", "listening", "calling", "connected",
		"accepted", "paired", "ended", "failed", "withdrawn",
	};

	return names[__builtin_ctz(state)];
}

struct subject {
	int l;
	int fd;
	int peer;
};

FIXTURE(errors_terms) {
	struct subject s;
	int row;		/* of the test's table */
	bool none;		/* no security module has labels here */
};

FIXTURE_SETUP(errors_terms)
{
	char label[256];
	FILE *f = fopen("/proc/self/attr/current", "re");

	self->none = !f || !fgets(label, sizeof(label), f);
	if (f)
		fclose(f);
	ASSERT_EQ(0, parley_ns_enter());
	self->s.l = parley_listener(HOST, PORT, 10);
	ASSERT_LE(0, self->s.l);
	ASSERT_EQ(0, parley_nonblock(self->s.l, true));
}

FIXTURE_TEARDOWN(errors_terms)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int make_connected(struct subject *s, int state)
{
	int pair[2], err;

	if (state == PAIRED)
		err = socketpair(AF_PARLEY, SOCK_STREAM, 0, pair);
	else
		err = parley_pair(s->l, pair);
	s->fd = pair[state != CALLER];
	s->peer = pair[state == CALLER];
	if (!err && state == ENDED)
		err = shutdown(s->fd, SHUT_RDWR) || close(s->peer);
	return err;
}

/* Makes s->fd a socket in @state. */
static int make(struct subject *s, int state)
{
	int err = 0;

	s->peer = -1;
	if (state & (CALLER | ACCEPTED | PAIRED | ENDED))
		return make_connected(s, state);
	s->fd = parley_socket(SOCK_NONBLOCK);
	if (s->fd < 0)
		return s->fd;
	if (state & (BOUND | LISTENING))
		err = parley_bind(s->fd, HOST, SUBJECT);
	if (!err && state == LISTENING)
		err = listen(s->fd, 5) ? -errno : 0;
	if (state & (CALLING | WITHDRAWN))
		err = test_connect(s->fd, HOST, PORT) != -EINPROGRESS;
	if (!err && state == WITHDRAWN)
		err = parley_unspec(s->fd);
	if (state == FAILED)
		err = test_connect(s->fd, HOST, CLOSED) != -ECONNREFUSED;
	return err;
}

/* Whether s->fd, still in @state, is good for what it should be. */
static bool works(struct subject *s, int state)
{
	int new;
	char c;

	switch (state) {
	case LISTENING:
		s->peer = parley_call(HOST, SUBJECT);
		new = test_accept(s->fd, 0);
		close(s->fd);
		s->fd = new;
		break;
	case FRESH:
	case BOUND:
	case FAILED:
	case WITHDRAWN:
		if (test_connect(s->fd, HOST, PORT) != -EINPROGRESS)
			return false;
		__attribute__((fallthrough));
	case CALLING:
		s->peer = test_accept(s->l, 0);
		break;
	case ENDED:
		return !recv(s->fd, &c, 1, 0);
	}
	return s->fd >= 0 && s->peer >= 0 && parley_talks(s->fd, s->peer);
}

static void drop(struct subject *s, int state)
{
	close(s->fd);
	if (state != ENDED)
		close(s->peer);
}

/* All that can be got of a socket, and what comes instead of it. */
struct snapshot {
	struct {
		int err;
		socklen_t len;
		unsigned char bytes[1024];
	} option[16];
};

static void snapshot(int fd, struct snapshot *s)
{
	int i;

	memset(s, 0, sizeof(*s));
	for (i = 1; i < ARRAY_SIZE(s->option); i++) {
		if (i == PARLEY_CONNECT_TIME)
			continue;
		s->option[i].len = sizeof(s->option[i].bytes);
		s->option[i].err = terms_get(fd, i, s->option[i].bytes,
					     &s->option[i].len);
	}
}

#define FD	(self->s.fd)

/* @call on a socket in @state has to fail with @error, or 0: to succeed. */
#define FAILS(state, error, call)					\
do {									\
	static struct snapshot before, after;				\
									\
	ASSERT_EQ(0, make(&self->s, state)) {				\
		TH_LOG("%s", state_name(state));			\
	}								\
	snapshot(FD, &before);						\
	errno = 0;							\
	EXPECT_EQ(error, (call) < 0 ? errno : 0) {			\
		TH_LOG("%s socket, row %d: %s", state_name(state),	\
		       self->row, #call);				\
	}								\
	snapshot(FD, &after);						\
	if (error)							\
		EXPECT_EQ(0, memcmp(&before, &after, sizeof(after))) {	\
			TH_LOG("%s socket changed by %s",		\
			       state_name(state), #call);		\
		}							\
	EXPECT_TRUE(works(&self->s, state)) {				\
		TH_LOG("%s socket after %s", state_name(state), #call);	\
	}								\
	drop(&self->s, state);						\
} while (0)

static int set(int fd, int name, const void *value, socklen_t len)
{
	return setsockopt(fd, SOL_PARLEY, name, value, len);
}

static int get(int fd, int name, void *value, int len)
{
	socklen_t l = len;

	return getsockopt(fd, SOL_PARLEY, name, value, &l);
}

static const __u64 group = 42;
static const __u32 zero;
static const __u32 stage = PARLEY_STAGE_ARRIVAL;
static const __u32 inherit = PARLEY_INHERIT_NONBLOCK;
static const struct parley_defer_timeout defer = { 1000, PARLEY_ACCEPT };
static const struct parley_capacity capacity = { 1000, 2000 };
static const char text[] = "I am not a number";
static struct parley_qos qos;

#define VALUE(v)	.value = &(v), .len = sizeof(v)

/* In which states each of them may be set; EINVAL in all others. */
static const struct {
	int name;
	const void *value;
	socklen_t len;
	int states;
} settable[] = {
	{ PARLEY_CALL_DATA, VALUE(text), REST },
	{ PARLEY_CALL_DATA, NULL, 0, REST },
	{ PARLEY_QOS, VALUE(qos), REST },
	{ PARLEY_GROUP, VALUE(group), REST },
	{ PARLEY_REPLY_DATA, VALUE(text), REST | LISTENING },
	{ PARLEY_REPLY_DATA, NULL, 0, REST | LISTENING },
	{ PARLEY_STAGE, VALUE(stage), REST | LISTENING },
	{ PARLEY_STAGE, VALUE(zero), REST | LISTENING },
	{ PARLEY_DEFER_TIMEOUT, VALUE(defer), REST | LISTENING },
	{ PARLEY_INHERIT, VALUE(inherit), REST | LISTENING },
	{ PARLEY_INHERIT, VALUE(zero), REST | LISTENING },
	{ PARLEY_CAPACITY, VALUE(capacity), REST | LISTENING },
	{ PARLEY_FAIR_SHARE, VALUE(zero), REST | LISTENING },
};

TEST_F(errors_terms, set_in_each_state)
{
	int state, i, error;

	terms_qos_some(&qos);
	for (state = FRESH; state <= LAST; state *= 2)
		for (i = 0; i < ARRAY_SIZE(settable); i++) {
			self->row = i;
			error = settable[i].states & state ? 0 : EINVAL;
			FAILS(state, error,
			      set(FD, settable[i].name, settable[i].value,
				  settable[i].len));
		}
}

/* What only the kernel says cannot be set anywhere. */
TEST_F(errors_terms, set_read_only)
{
	static const int names[] = {
		PARLEY_REFUSAL, PARLEY_BACKLOG, PARLEY_CALL_INFO,
		PARLEY_CONNECT_TIME, PARLEY_PEERSEC, 0, 18,
	};
	char bytes[1024] = { 0 };
	int state, i;

	for (state = FRESH; state <= LAST; state *= 2)
		for (i = 0; i < ARRAY_SIZE(names); i++) {
			self->row = i;
			FAILS(state, ENOPROTOOPT,
			      set(FD, names[i], bytes, sizeof(bytes)));
		}
}

/* In which states each of them may be got, and what comes in all others. */
static const struct {
	int name;
	int states;
	int error;
} gettable[] = {
	{ PARLEY_CONNECT_TIMEOUT, ALL },
	{ PARLEY_REFUSAL, ALL },
	{ PARLEY_BACKLOG, LISTENING, EINVAL },
	{ PARLEY_CALL_DATA, ALL },
	{ PARLEY_REPLY_DATA, ALL },
	{ PARLEY_QOS, ALL },
	{ PARLEY_GROUP, ALL },
	{ PARLEY_CALL_INFO, ACCEPTED | ENDED, EINVAL },
	{ PARLEY_STAGE, REST | LISTENING, EINVAL },
	{ PARLEY_DEFER_TIMEOUT, REST | LISTENING, EINVAL },
	{ PARLEY_INHERIT, REST | LISTENING, EINVAL },
	{ PARLEY_CONNECT_TIME, CALLER | ACCEPTED | PAIRED, ENOTCONN },
	{ PARLEY_PEERSEC, ACCEPTED | ENDED, EINVAL },
	{ PARLEY_POLICY_LINK, 0, ENOPROTOOPT },
	{ 0, 0, ENOPROTOOPT },
	{ PARLEY_CAPACITY, REST | LISTENING, EINVAL },
	{ PARLEY_FAIR_SHARE, REST | LISTENING, EINVAL },
	{ 18, 0, ENOPROTOOPT },
};

TEST_F(errors_terms, get_in_each_state)
{
	int state, i, error;
	char bytes[1024];

	for (state = FRESH; state <= LAST; state *= 2)
		for (i = 0; i < ARRAY_SIZE(gettable); i++) {
			self->row = i;
			error = gettable[i].error;
			if (gettable[i].states & state)
				error = 0;
			if (gettable[i].name == PARLEY_PEERSEC && !error &&
			    self->none)
				error = ENOPROTOOPT;
			/* How long a connection lasted is not said. */
			if (gettable[i].name == PARLEY_CONNECT_TIME &&
			    state == ENDED)
				continue;
			FAILS(state, error,
			      get(FD, gettable[i].name, bytes, sizeof(bytes)));
		}
}

static const __u32 bad_stages[] = { 2, 3, 0x80000000, 0xffffffff };
static const __u32 bad_flags[] = { 4, 5, 7, 0x80000000, 0xffffffff };
static const struct parley_defer_timeout bad_verdicts[] = {
	{ 1000, PARLEY_DEFER }, { 1000, PARLEY_UNDECIDE }, { 0, 4 },
	{ 0, 0x80000000 }, { 0, 0xffffffff },
};

/* Options of a listener: numbers that mean nothing. */
TEST_F(errors_terms, set_unknown)
{
	int state, i;

	for (state = FRESH; state <= LAST; state *= 2) {
		if (!(state & (REST | LISTENING)))
			continue;
		for (i = 0; i < ARRAY_SIZE(bad_stages); i++)
			FAILS(state, EINVAL,
			      set(FD, PARLEY_STAGE, &bad_stages[i], 4));
		for (i = 0; i < ARRAY_SIZE(bad_flags); i++)
			FAILS(state, EINVAL,
			      set(FD, PARLEY_INHERIT, &bad_flags[i], 4));
		for (i = 0; i < ARRAY_SIZE(bad_verdicts); i++)
			FAILS(state, EINVAL,
			      set(FD, PARLEY_DEFER_TIMEOUT, &bad_verdicts[i],
				  sizeof(bad_verdicts[i])));
	}
}

/* Those of a fixed length. */
static const struct {
	int name;
	int len;
} fixed[] = {
	{ PARLEY_CONNECT_TIMEOUT, sizeof(__u32) },
	{ PARLEY_QOS, sizeof(struct parley_qos) },
	{ PARLEY_GROUP, sizeof(__u64) },
	{ PARLEY_STAGE, sizeof(__u32) },
	{ PARLEY_DEFER_TIMEOUT, sizeof(struct parley_defer_timeout) },
	{ PARLEY_INHERIT, sizeof(__u32) },
};

TEST_F(errors_terms, set_short)
{
	char bytes[256] = { 0 };
	int i, len;

	for (i = 0; i < ARRAY_SIZE(fixed); i++) {
		self->row = i;
		for (len = 0; len < fixed[i].len; len++)
			FAILS(FRESH, EINVAL,
			      set(FD, fixed[i].name, bytes, len));
		FAILS(FRESH, EINVAL, set(FD, fixed[i].name, bytes, -1));
		FAILS(FRESH, EINVAL, set(FD, fixed[i].name, bytes, INT_MIN));
		FAILS(FRESH, EINVAL, set(FD, fixed[i].name, NULL, 0));
	}
}

TEST_F(errors_terms, set_from_nowhere)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(fixed); i++) {
		self->row = i;
		FAILS(FRESH, EFAULT,
		      set(FD, fixed[i].name, BAD, fixed[i].len));
		FAILS(FRESH, EFAULT,
		      set(FD, fixed[i].name, NULL, fixed[i].len));
	}
	FAILS(FRESH, EFAULT, set(FD, PARLEY_CALL_DATA, BAD, 1));
	FAILS(FRESH, EFAULT, set(FD, PARLEY_CALL_DATA, BAD, 4096));
	FAILS(FRESH, EFAULT, set(FD, PARLEY_REPLY_DATA, BAD, 1));
	FAILS(LISTENING, EFAULT, set(FD, PARLEY_REPLY_DATA, BAD, 4096));
	/* Nothing is nowhere. */
	FAILS(FRESH, 0, set(FD, PARLEY_CALL_DATA, BAD, 0));
	FAILS(LISTENING, 0, set(FD, PARLEY_REPLY_DATA, BAD, 0));
}

TEST_F(errors_terms, set_long)
{
	static const int names[] = { PARLEY_CALL_DATA, PARLEY_REPLY_DATA };
	static char bytes[TERMS_DATA_MAX + 1];
	int i;

	for (i = 0; i < 2; i++) {
		FAILS(FRESH, EMSGSIZE, set(FD, names[i], bytes, 4097));
		FAILS(BOUND, EMSGSIZE, set(FD, names[i], bytes, 65536));
		FAILS(FAILED, EMSGSIZE, set(FD, names[i], BAD, INT_MAX));
		FAILS(FRESH, EINVAL, set(FD, names[i], bytes, -1));
		FAILS(FRESH, EINVAL, set(FD, names[i], bytes, INT_MIN));
	}
	FAILS(LISTENING, EMSGSIZE, set(FD, PARLEY_REPLY_DATA, bytes, 4097));
}

/* What the caller's program does not know of a struct it does not get. */
TEST_F(errors_terms, get_short)
{
	static const struct {
		int name;
		int state;
		int len;
	} rows[] = {
		{ PARLEY_QOS, FRESH, sizeof(struct parley_qos) },
		{ PARLEY_QOS, ACCEPTED, sizeof(struct parley_qos) },
		{ PARLEY_GROUP, ACCEPTED, sizeof(__u64) },
		{ PARLEY_CALL_INFO, ACCEPTED,
		  sizeof(struct parley_call_info) },
		{ PARLEY_STAGE, LISTENING, sizeof(__u32) },
		{ PARLEY_DEFER_TIMEOUT, LISTENING,
		  sizeof(struct parley_defer_timeout) },
		{ PARLEY_INHERIT, LISTENING, sizeof(__u32) },
	};
	unsigned char full[1024], part[1024];
	socklen_t room, len;
	int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ASSERT_EQ(0, make(&self->s, rows[i].state));
		len = sizeof(full);
		ASSERT_EQ(0, terms_get(FD, rows[i].name, full, &len));
		ASSERT_EQ(rows[i].len, len);
		for (room = 0; room <= rows[i].len + 4; room++) {
			memset(part, 0xee, sizeof(part));
			len = room;
			ASSERT_EQ(0, terms_get(FD, rows[i].name, part, &len));
			EXPECT_EQ(room < rows[i].len ? room : rows[i].len, len);
			EXPECT_EQ(0, memcmp(full, part, len));
			EXPECT_EQ(0xee, part[len]);
		}
		drop(&self->s, rows[i].state);
	}
}

/* Wherever a value or its length should go and cannot. */
TEST_F(errors_terms, get_to_nowhere)
{
	static const struct {
		int name;
		int state;
	} rows[] = {
		{ PARLEY_QOS, FRESH }, { PARLEY_GROUP, FRESH },
		{ PARLEY_CALL_INFO, ACCEPTED }, { PARLEY_STAGE, LISTENING },
		{ PARLEY_DEFER_TIMEOUT, LISTENING },
		{ PARLEY_INHERIT, LISTENING },
		{ PARLEY_CONNECT_TIME, CALLER }, { PARLEY_CALL_DATA, FRESH },
		{ PARLEY_REPLY_DATA, LISTENING },
	};
	char bytes[1024];
	int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		self->row = i;
		FAILS(rows[i].state, EINVAL, get(FD, rows[i].name, bytes, -1));
		FAILS(rows[i].state, EFAULT,
		      getsockopt(FD, SOL_PARLEY, rows[i].name, bytes, BAD));
		if (rows[i].name == PARLEY_CALL_DATA ||
		    rows[i].name == PARLEY_REPLY_DATA)
			continue;
		FAILS(rows[i].state, EFAULT,
		      get(FD, rows[i].name, BAD, sizeof(bytes)));
	}
	/* Bytes have to be there before they can be put nowhere. */
	ASSERT_EQ(0, make(&self->s, FRESH));
	ASSERT_EQ(0, terms_set_data(FD, text, sizeof(text)));
	ASSERT_EQ(0, terms_set_reply(FD, text, sizeof(text)));
	EXPECT_EQ(-1, get(FD, PARLEY_CALL_DATA, BAD, sizeof(bytes)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, get(FD, PARLEY_REPLY_DATA, BAD, sizeof(bytes)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_TRUE(terms_data_is(FD, text, sizeof(text)));
	EXPECT_TRUE(terms_reply_is(FD, text, sizeof(text)));
}

/* A default reply that the socket once had is no reply to its own call. */
TEST_F(errors_terms, reply_of_a_caller)
{
	ASSERT_EQ(0, make(&self->s, FRESH));
	ASSERT_EQ(0, terms_set_reply(FD, text, sizeof(text)));
	ASSERT_EQ(-EINPROGRESS, test_connect(FD, HOST, PORT));
	EXPECT_TRUE(terms_reply_is(FD, NULL, 0));
	self->s.peer = test_accept(self->s.l, 0);
	ASSERT_LE(0, self->s.peer);
	EXPECT_TRUE(terms_reply_is(FD, NULL, 0));
	EXPECT_TRUE(terms_reply_is(self->s.peer, NULL, 0));
}

TEST_HARNESS_MAIN
