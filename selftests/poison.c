// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel writes into the memory of a program: just the bytes that it
 * says, all of them, and nothing that was meant for nobody. Here are options
 * and names, of sockets in all states; poison_calls.c has what deciders are
 * given, poison_data.c what is received.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <unistd.h>

#include "lib_decide.h"
#include "lib_poison.h"
#include "lib_rules.h"

#define PORT	8710

/* Numbers that look like nothing that memory is filled with. */
#define GROUP	0x0102030405060708ULL
#define DATA	"call data, as many bytes as there are"
#define REPLY	"and a reply"

static const struct terms said = { .data = DATA, .len = sizeof(DATA), .group = GROUP };

enum state {
	FRESH, BOUND, LISTENER, CALLING, CALLER, ACCEPTED, REFUSED, PAIRED, STATES
};

static const char *const state_names[STATES] = {
	"fresh", "bound", "listener", "calling", "caller", "accepted",
	"refused", "paired",
};

FIXTURE(poison) {
	int fd[STATES];
};

FIXTURE_VARIANT(poison) {
	const char *host;
	int type;
};

FIXTURE_VARIANT_ADD(poison, ipv4) { .host = "127.0.0.1", .type = SOCK_STREAM };
FIXTURE_VARIANT_ADD(poison, ipv6) { .host = "::1", .type = SOCK_STREAM };
FIXTURE_VARIANT_ADD(poison, records) {
	.host = "127.0.0.1", .type = SOCK_SEQPACKET,
};

/* Its settings are made, with all there is in them. */
static int prepared(const char *host, int port, int type)
{
	int fd = socket(AF_PARLEY, type | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	err = parley_bind(fd, host, port);
	if (!err)
		err = terms_set_reply(fd, REPLY, sizeof(REPLY));
	return err ? err : fd;
}

static int call(const char *host, int port, int type)
{
	struct terms t = said;
	struct parley_qos qos;

	terms_qos_some(&qos);
	t.qos = &qos;
	t.type = type;
	return terms_call(host, port, &t);
}

FIXTURE_SETUP(poison)
{
	const char *host = variant->host;
	int *fd = self->fd, pair[2];
	long long id;

	ASSERT_EQ(0, parley_ns_enter());
	fd[FRESH] = socket(AF_PARLEY, variant->type, 0);
	ASSERT_LE(0, fd[FRESH]);
	fd[BOUND] = prepared(host, PORT, variant->type);
	ASSERT_LE(0, fd[BOUND]);
	fd[LISTENER] = prepared(host, PORT + 1, variant->type);
	ASSERT_LE(0, fd[LISTENER]);
	ASSERT_EQ(0, listen(fd[LISTENER], 7));

	fd[CALLER] = call(host, PORT + 1, variant->type);
	ASSERT_LE(0, fd[CALLER]);
	fd[ACCEPTED] = test_accept(fd[LISTENER], 0);
	ASSERT_LE(0, fd[ACCEPTED]);

	fd[REFUSED] = call(host, PORT + 1, variant->type);
	ASSERT_LE(0, fd[REFUSED]);
	id = decide_next_id(fd[LISTENER], 0);
	ASSERT_LT(0, id);
	ASSERT_EQ(0, decide_refuse(fd[LISTENER], id, 77, 88, REPLY));
	ASSERT_EQ(-ECONNREFUSED, -parley_so_error(fd[REFUSED]));

	fd[CALLING] = call(host, PORT + 1, variant->type);
	ASSERT_LE(0, fd[CALLING]);
	ASSERT_EQ(0, socketpair(AF_PARLEY, variant->type, 0, pair));
	fd[PAIRED] = pair[0];
}

FIXTURE_TEARDOWN(poison)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Options */

struct option {
	int fd;
	int level;
	int name;
};

static int get_option(void *buf, socklen_t *len, const void *arg)
{
	const struct option *o = arg;
	int err, fd;

	err = getsockopt(o->fd, o->level, o->name, buf, len) ? -errno : 0;
	/* That of SO_PEERPIDFD is a descriptor, the same one each time. */
	if (!err && o->level == SOL_SOCKET && o->name == 77) {
		memcpy(&fd, buf, *len < sizeof(fd) ? *len : sizeof(fd));
		if (*len == sizeof(fd))
			close(fd);
	}
	return err;
}

static bool is_bytes(const struct option *o)
{
	return o->level == SOL_PARLEY &&
	       (o->name == PARLEY_CALL_DATA || o->name == PARLEY_REPLY_DATA ||
		o->name == PARLEY_PEERSEC || o->name == PARLEY_POLICY);
}

/*
 * Those of SO_GET_FILTER are not bytes, and SO_PEERPIDFD makes a descriptor that
 * nobody hears of if there is too little room.
 */
static bool is_odd(const struct option *o)
{
	return o->level == SOL_SOCKET && (o->name == 26 || o->name == 77);
}

static bool option_fits(int fd, int level, int name, const char *state)
{
	struct option o = { fd, level, name };
	static struct poison p;
	char text[64];

	snprintf(text, sizeof(text), "%s, level %#x, option %d", state, level,
		 name);
	memset(&p, 0, sizeof(p));
	p.name = text;
	p.get = get_option;
	p.arg = &o;
	p.ticks = level == SOL_PARLEY && name == PARLEY_CONNECT_TIME;
	p.whole = is_bytes(&o);
	p.loose = level != SOL_PARLEY && level != IPPROTO_TCP;
	return is_odd(&o) ? poison_value(&p) : poison_rooms(&p);
}

/* All numbers: of those that are none, nothing must be written. */
TEST_F(poison, options)
{
	static const struct { int level, names; } levels[] = {
		{ SOL_PARLEY, 40 }, { IPPROTO_TCP, 60 }, { IPPROTO_IP, 60 },
		{ IPPROTO_IPV6, 90 }, { SOL_SOCKET, 90 },
	};
	int s, i, name;

	for (s = 0; s < STATES; s++)
		for (i = 0; i < (int)ARRAY_SIZE(levels); i++)
			for (name = 0; name < levels[i].names; name++)
				EXPECT_TRUE(option_fits(self->fd[s],
							levels[i].level, name,
							state_names[s]));
}

/* That those which should have something have it was seen above. */
static int option_len(int fd, int name, struct poison *p)
{
	struct option o = { fd, SOL_PARLEY, name };

	memset(p, 0, sizeof(*p));
	p->name = "option";
	p->get = get_option;
	p->arg = &o;
	p->ticks = name == PARLEY_CONNECT_TIME;
	return poison_value(p) ? p->len : -EBADMSG;
}

TEST_F(poison, all_are_there)
{
	static const struct { enum state state; int name, len; } there[] = {
		{ FRESH, PARLEY_CONNECT_TIMEOUT, 4 },
		{ FRESH, PARLEY_REFUSAL, sizeof(struct parley_refusal) },
		{ FRESH, PARLEY_CALL_DATA, 0 },
		{ FRESH, PARLEY_QOS, sizeof(struct parley_qos) },
		{ FRESH, PARLEY_CAPACITY, sizeof(struct parley_capacity) },
		{ FRESH, PARLEY_DEFER_TIMEOUT, 8 },
		{ BOUND, PARLEY_REPLY_DATA, sizeof(REPLY) },
		{ BOUND, PARLEY_STAGE, 4 },
		{ BOUND, PARLEY_INHERIT, 4 },
		{ LISTENER, PARLEY_BACKLOG, sizeof(struct parley_backlog) },
		{ LISTENER, PARLEY_CAPACITY, sizeof(struct parley_capacity) },
		{ CALLING, PARLEY_CALL_DATA, sizeof(DATA) },
		{ CALLING, PARLEY_GROUP, 8 },
		{ CALLING, PARLEY_CALL_INFO, -EINVAL },
		{ CALLER, PARLEY_REPLY_DATA, sizeof(REPLY) },
		{ CALLER, PARLEY_CONNECT_TIME, 8 },
		{ CALLER, PARLEY_QOS, sizeof(struct parley_qos) },
		{ ACCEPTED, PARLEY_CALL_INFO, sizeof(struct parley_call_info) },
		{ ACCEPTED, PARLEY_CALL_DATA, sizeof(DATA) },
		{ ACCEPTED, PARLEY_REPLY_DATA, sizeof(REPLY) },
		{ REFUSED, PARLEY_REFUSAL, sizeof(struct parley_refusal) },
		{ REFUSED, PARLEY_REPLY_DATA, sizeof(REPLY) - 1 },
		{ PAIRED, PARLEY_CONNECT_TIME, 8 },
		{ PAIRED, PARLEY_CALL_INFO, -EINVAL },
	};
	static struct poison p;
	int i;

	for (i = 0; i < (int)ARRAY_SIZE(there); i++)
		EXPECT_EQ(there[i].len,
			  option_len(self->fd[there[i].state], there[i].name,
				     &p))
			TH_LOG("%s, option %d", state_names[there[i].state],
			       there[i].name);
}

static bool name_is(const void *name, const char *host, int port)
{
	struct parley_addr want;

	/* Zero but for what it says: padding, flow label, scope. */
	memset(&want, 0, sizeof(want));
	if (parley_addr(&want, host, port))
		return false;
	return !memcmp(name, &want.ss, want.len) &&
	       poison_is_zero("behind an address", name + want.len,
			      sizeof(want.ss) - want.len);
}

/* What is in a call's description and says nothing is zero. */
TEST_F(poison, call_info)
{
	struct parley_call_info *info;
	static struct poison p;

	ASSERT_EQ(sizeof(*info), option_len(self->fd[ACCEPTED],
					    PARLEY_CALL_INFO, &p));
	info = (void *)p.value;
	EXPECT_EQ(0, info->pad);
	EXPECT_EQ(GROUP, info->group);
	EXPECT_TRUE(name_is(&info->callee, variant->host, PORT + 1));
	EXPECT_TRUE(name_is(&info->caller, variant->host,
			    parley_port(self->fd[CALLER])));
}

/* Names */

static int get_sockname(void *buf, socklen_t *len, const void *arg)
{
	return getsockname(*(const int *)arg, buf, len) ? -errno : 0;
}

static int get_peername(void *buf, socklen_t *len, const void *arg)
{
	return getpeername(*(const int *)arg, buf, len) ? -errno : 0;
}

/* What an address has that nobody sets: sin_zero, the flow. */
static bool padding_is_zero(const struct poison *p)
{
	if (p->len == sizeof(struct sockaddr_in))
		return poison_is_zero("sin_zero", p->value + 8, 8);
	if (p->len == sizeof(struct sockaddr_in6))
		return poison_is_zero("flow", p->value + 4, 4) &&
		       poison_is_zero("scope", p->value + 24, 4);
	return p->len < 0;
}

TEST_F(poison, names)
{
	struct poison p = { .names = true };
	int s, expected;

	expected = variant->host[0] == ':' ? sizeof(struct sockaddr_in6) :
					     sizeof(struct sockaddr_in);
	for (s = 0; s < STATES; s++) {
		p.name = state_names[s];
		p.arg = &self->fd[s];
		p.get = get_sockname;
		EXPECT_TRUE(poison_rooms(&p));
		/* Who has no address yet has that of IPv4. */
		EXPECT_EQ(s == FRESH || s == PAIRED ?
			  (int)sizeof(struct sockaddr_in) : expected, p.len);
		EXPECT_TRUE(padding_is_zero(&p));
		p.get = get_peername;
		EXPECT_TRUE(poison_rooms(&p));
		EXPECT_TRUE(padding_is_zero(&p));
	}
}

struct acceptor {
	const char *host;
	int listener;
	int port;
	int type;
};

/* One call for each: what accept(2) says of who called. */
static int get_accepted(void *buf, socklen_t *len, const void *arg)
{
	const struct acceptor *a = arg;
	struct parley_addr from;
	int fd, new, err;

	fd = socket(AF_PARLEY, a->type | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = parley_bind(fd, a->host, a->port + 1);
	if (!err)
		err = test_connect(fd, a->host, a->port);
	if (err == -EINPROGRESS)
		err = 0;
	new = err ? err : accept(a->listener, buf, len);
	if (new < 0 && !err)
		err = -errno;
	if (!err && (parley_peer(new, &from) || from.len != *len))
		err = -EBADMSG;
	if (new >= 0)
		close(new);
	close(fd);
	return err;
}

TEST_F(poison, accepted)
{
	struct acceptor a = { variant->host, -1, PORT + 5, variant->type };
	struct poison p = {
		.name = "accept", .names = true, .get = get_accepted, .arg = &a,
	};

	a.listener = prepared(a.host, a.port, a.type);
	ASSERT_LE(0, a.listener);
	ASSERT_EQ(0, listen(a.listener, 1));
	EXPECT_TRUE(poison_rooms(&p));
	EXPECT_TRUE(padding_is_zero(&p));
	EXPECT_LT(0, p.len);
}

TEST_HARNESS_MAIN
