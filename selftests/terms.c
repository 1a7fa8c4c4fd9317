// SPDX-License-Identifier: GPL-2.0
/*
 * What a call brings along: call data and the group. They are what the caller
 * had set when it called connect(2), and stay for its later calls. How long
 * calls wait and connections last is here, too.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <unistd.h>

#include "lib_terms.h"

#define PORT	7300
#define OTHER	7301

static unsigned char bytes[TERMS_DATA_MAX + 1];
static unsigned char more[TERMS_DATA_MAX + 1];

FIXTURE(call) {
	int l;
};

FIXTURE_VARIANT(call) {
	const char *host;
};

FIXTURE_VARIANT_ADD(call, v4) { .host = "127.0.0.1" };
FIXTURE_VARIANT_ADD(call, v6) { .host = "::1" };

FIXTURE_SETUP(call)
{
	terms_fill(bytes, sizeof(bytes), 1);
	terms_fill(more, sizeof(more), 2);
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener(variant->host, PORT, 10);
	ASSERT_LE(0, self->l);
}

FIXTURE_TEARDOWN(call)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Data of @len bytes at @data arrive with the call, and only there. */
static bool data_arrives(int l, const char *host, const void *data,
			 socklen_t len)
{
	const struct terms t = { .data = data, .len = len };
	struct parley_call_info info;
	int call, new;
	bool ok;

	call = terms_call(host, PORT, &t);
	new = test_accept(l, 0);
	ok = call >= 0 && new >= 0 && terms_data_is(new, data, len) &&
	     terms_data_is(call, data, len) && !terms_info(new, &info) &&
	     info.data_len == len && parley_talks(call, new);
	close(call);
	close(new);
	return ok;
}

TEST_F(call, data_lengths)
{
	static const unsigned int usual[] = { 0, 1, 2, 255, 4095, 4096 };
	static const unsigned int large[] = { 4097, 65535, 65536 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(usual); i++)
		EXPECT_TRUE(data_arrives(self->l, variant->host, bytes,
					 usual[i]))
			TH_LOG("%u bytes", usual[i]);
	ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data", 65536));
	for (i = 0; i < ARRAY_SIZE(large); i++)
		EXPECT_TRUE(data_arrives(self->l, variant->host, bytes,
					 large[i]))
			TH_LOG("%u bytes", large[i]);
}

/* Nothing cares what is in it, a zero ends nothing. */
TEST_F(call, data_is_any_bytes)
{
	unsigned int i;

	memset(bytes, 0, 100);
	EXPECT_TRUE(data_arrives(self->l, variant->host, bytes, 100));
	memset(bytes, 0xff, 100);
	EXPECT_TRUE(data_arrives(self->l, variant->host, bytes, 100));
	for (i = 0; i < 256; i++)
		bytes[i] = i;
	EXPECT_TRUE(data_arrives(self->l, variant->host, bytes, 256));
}

/* The sysctl bounds it, now and in this network namespace. */
TEST_F(call, data_too_long)
{
	static const int limits[] = { 0, 1, 100, 4096, 65535, 65536 };
	unsigned int i, limit;
	int fd;

	EXPECT_EQ(4096, parley_sysctl_read("parley/max_call_data"));
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		limit = limits[i];
		ASSERT_EQ(0, parley_sysctl_write("parley/max_call_data",
						 limit));
		fd = parley_socket(0);
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, terms_set_data(fd, bytes, limit));
		EXPECT_EQ(-EMSGSIZE, terms_set_data(fd, more, limit + 1))
			TH_LOG("limit %u", limit);
		EXPECT_TRUE(terms_data_is(fd, bytes, limit));
		EXPECT_EQ(0, terms_set_data(fd, NULL, 0));
		EXPECT_TRUE(terms_data_is(fd, NULL, 0));
		close(fd);
	}
	EXPECT_EQ(-EINVAL, parley_sysctl_write("parley/max_call_data", 65537));
	EXPECT_EQ(-EINVAL, parley_sysctl_write("parley/max_call_data", -1));
	EXPECT_EQ(65536, parley_sysctl_read("parley/max_call_data"));
}

/* Each setting replaces the one before as a whole. */
TEST_F(call, data_replaced)
{
	int fd = parley_socket(0);

	ASSERT_LE(0, fd);
	EXPECT_TRUE(terms_data_is(fd, NULL, 0));
	EXPECT_EQ(0, terms_len(fd, PARLEY_CALL_DATA));
	EXPECT_EQ(0, terms_set_data(fd, bytes, 1000));
	EXPECT_TRUE(terms_data_is(fd, bytes, 1000));
	EXPECT_EQ(0, terms_set_data(fd, more, 10));
	EXPECT_TRUE(terms_data_is(fd, more, 10));
	EXPECT_EQ(0, terms_set_data(fd, bytes, 0));
	EXPECT_TRUE(terms_data_is(fd, NULL, 0));
	EXPECT_EQ(0, terms_set_data(fd, bytes, 4096));
	EXPECT_TRUE(terms_data_is(fd, bytes, 4096));
}

/* The whole or nothing, and how much the whole is. */
TEST_F(call, data_rooms)
{
	static const int around[] = { -300, -299, -2, -1, 0, 1, 2, 100 };
	const struct terms t = { .data = bytes, .len = 300 };
	int i, k, call, new, fd, room;
	socklen_t len;

	call = terms_call(variant->host, PORT, &t);
	new = test_accept(self->l, 0);
	ASSERT_LE(0, call);
	ASSERT_LE(0, new);
	for (i = 0; i < ARRAY_SIZE(around); i++)
		for (k = 0; k < 2; k++) {
			fd = k ? call : new;
			room = 300 + around[i];
			len = room;
			memset(more, 0xee, 500);
			EXPECT_EQ(room < 300 ? -ERANGE : 0,
				  terms_get(fd, PARLEY_CALL_DATA, more, &len))
				TH_LOG("room for %d", room);
			EXPECT_EQ(300, len);
			EXPECT_EQ(0xee, more[room < 300 ? 0 : 300]);
			if (room >= 300)
				EXPECT_EQ(0, memcmp(bytes, more, 300));
		}
	EXPECT_EQ(300, terms_len(call, PARLEY_CALL_DATA));
	EXPECT_EQ(300, terms_len(new, PARLEY_CALL_DATA));
}

TEST_F(call, group)
{
	static const __u64 groups[] = {
		0, 1, 0x80000000ULL, 0xffffffffULL, 0x0123456789abcdefULL,
		1ULL << 63, ~0ULL,
	};
	struct terms t = { 0 };
	struct parley_call_info info;
	int call, new;
	size_t i;

	call = parley_socket(0);
	ASSERT_LE(0, call);
	EXPECT_TRUE(terms_group_is(call, 0));
	for (i = 0; i < ARRAY_SIZE(groups); i++) {
		t.group = groups[i];
		call = terms_call(variant->host, PORT, &t);
		ASSERT_LE(0, call);
		EXPECT_TRUE(terms_group_is(call, t.group));
		new = test_accept(self->l, 0);
		ASSERT_LE(0, new);
		EXPECT_TRUE(terms_group_is(new, t.group));
		ASSERT_EQ(0, terms_info(new, &info));
		EXPECT_EQ(t.group, info.group);
		EXPECT_TRUE(terms_group_is(call, t.group));
	}
}

/* Whether fd has just these terms. */
static bool terms_are(int fd, const struct terms *t)
{
	return terms_data_is(fd, t->data, t->len) &&
	       terms_group_is(fd, t->group) && terms_qos_is(fd, t->qos);
}

/* Whether a call that is accepted from @l, made by @call, has these terms. */
static bool terms_arrive(int l, int call, const struct terms *t)
{
	struct parley_qos seen = *t->qos;
	struct parley_call_info info;
	int new = test_accept(l, 0);
	bool ok;

	terms_qos_swap(&seen);
	ok = new >= 0 && terms_data_is(new, t->data, t->len) &&
	     terms_group_is(new, t->group) && terms_qos_is(new, &seen) &&
	     !terms_info(new, &info) && info.group == t->group &&
	     info.data_len == t->len && terms_qos_eq(&info.qos, t->qos) &&
	     terms_are(call, t) && parley_talks(call, new);
	close(new);
	return ok;
}

/* Whether all three are refused, as they are to be set before connect(2). */
static bool terms_fixed(int fd, const struct terms *t)
{
	return terms_set_data(fd, t->data, t->len) == -EINVAL &&
	       terms_set_data(fd, NULL, 0) == -EINVAL &&
	       terms_set_group(fd, t->group) == -EINVAL &&
	       terms_set_qos(fd, t->qos) == -EINVAL;
}

/* Two sets of terms that have nothing in common. */
static void two_terms(struct terms *a, struct terms *b, struct parley_qos *q)
{
	terms_qos_some(&q[0]);
	q[1] = q[0];
	terms_qos_swap(&q[1]);
	a->data = bytes;
	a->len = 700;
	a->qos = &q[0];
	a->group = 0x1111222233334444ULL;
	b->data = more;
	b->len = 300;
	b->qos = &q[1];
	b->group = 0x5555666677778888ULL;
}

/* While the call is pending, and ever after: what connect(2) took counts. */
TEST_F(call, frozen_at_connect)
{
	struct terms a = { 0 }, b = { 0 };
	struct parley_qos q[2];
	int call, new;

	two_terms(&a, &b, q);
	call = terms_call(variant->host, PORT, &a);
	ASSERT_LE(0, call);
	EXPECT_EQ(-EALREADY, test_connect(call, variant->host, PORT));
	EXPECT_TRUE(terms_fixed(call, &b));
	EXPECT_TRUE(terms_are(call, &a));
	new = test_accept(self->l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(terms_fixed(call, &b));
	EXPECT_TRUE(terms_fixed(new, &b));
	EXPECT_TRUE(terms_fixed(self->l, &b));
	EXPECT_TRUE(terms_are(call, &a));
	EXPECT_TRUE(terms_data_is(new, a.data, a.len));
	EXPECT_TRUE(terms_group_is(new, a.group));
	/* Whoever has hung up has still called on these terms. */
	close(call);
	EXPECT_TRUE(terms_data_is(new, a.data, a.len));
	EXPECT_TRUE(terms_group_is(new, a.group));
	EXPECT_TRUE(terms_fixed(new, &b));
}

/* A blocking caller's terms are as fixed as anyone's. */
TEST_F(call, frozen_while_blocked)
{
	struct terms a = { 0 }, b = { 0 };
	struct parley_thread t;
	struct parley_qos q[2];
	int call;

	two_terms(&a, &b, q);
	call = parley_socket(0);
	ASSERT_LE(0, call);
	ASSERT_EQ(0, terms_apply(call, &a));
	ASSERT_EQ(0, parley_thread_connect(&t, call, variant->host, PORT));
	ASSERT_EQ(0, parley_thread_blocked(&t));
	EXPECT_TRUE(terms_fixed(call, &b));
	EXPECT_TRUE(terms_are(call, &a));
	EXPECT_TRUE(terms_arrive(self->l, call, &a));
	EXPECT_EQ(0, parley_thread_join(&t));
}

/* Terms stay for the calls that follow one that failed, however it did. */
TEST_F(call, stay_for_later_calls)
{
	struct terms a = { 0 }, b = { 0 };
	struct parley_call_info info;
	struct parley_qos q[2];
	int call, l;

	two_terms(&a, &b, q);
	call = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, call);
	ASSERT_EQ(0, terms_apply(call, &a));
	EXPECT_EQ(-ECONNREFUSED, test_connect(call, variant->host, OTHER));
	EXPECT_TRUE(terms_are(call, &a));

	l = parley_listener(variant->host, OTHER, 1);
	ASSERT_LE(0, l);
	EXPECT_EQ(-EINPROGRESS, test_connect(call, variant->host, OTHER));
	ASSERT_EQ(0, close(l));
	EXPECT_EQ(ECONNREFUSED, parley_so_error(call));
	EXPECT_TRUE(terms_are(call, &a));

	EXPECT_EQ(-EINPROGRESS, test_connect(call, variant->host, PORT));
	EXPECT_EQ(0, parley_unspec(call));
	EXPECT_EQ(0, parley_pending(self->l));
	EXPECT_TRUE(terms_are(call, &a));

	EXPECT_EQ(-EINPROGRESS, test_connect(call, variant->host, PORT));
	ASSERT_EQ(0, terms_next(self->l, &info, 0));
	EXPECT_EQ(0, terms_decide(self->l, info.id, PARLEY_REFUSE));
	EXPECT_EQ(ECONNREFUSED, parley_so_error(call));
	EXPECT_TRUE(terms_are(call, &a));

	EXPECT_EQ(-EINPROGRESS, test_connect(call, variant->host, PORT));
	EXPECT_TRUE(terms_arrive(self->l, call, &a));
}

/* After a failure they may be set anew, and the next call brings these. */
TEST_F(call, changed_after_failure)
{
	struct terms a = { 0 }, b = { 0 };
	struct parley_qos q[2];
	int call, i;

	two_terms(&a, &b, q);
	for (i = 0; i < 3; i++) {
		call = parley_socket(SOCK_NONBLOCK);
		ASSERT_LE(0, call);
		ASSERT_EQ(0, terms_apply(call, &a));
		if (i == 0)
			ASSERT_EQ(-ECONNREFUSED,
				  test_connect(call, variant->host, OTHER));
		if (i == 1) {
			ASSERT_EQ(-EINPROGRESS,
				  test_connect(call, variant->host, PORT));
			ASSERT_EQ(0, parley_unspec(call));
		}
		if (i == 2) {
			ASSERT_EQ(0, parley_call_timeout(call, 10));
			ASSERT_EQ(-EINPROGRESS,
				  test_connect(call, variant->host, PORT));
			ASSERT_LT(0, parley_wait(call, POLLOUT));
			ASSERT_EQ(ETIMEDOUT, parley_so_error(call));
			ASSERT_EQ(0, parley_call_timeout(call, 0));
		}
		EXPECT_EQ(0, terms_apply(call, &b))
			TH_LOG("failure %d", i);
		EXPECT_TRUE(terms_are(call, &b));
		ASSERT_EQ(-EINPROGRESS,
			  test_connect(call, variant->host, PORT));
		EXPECT_TRUE(terms_arrive(self->l, call, &b));
		close(call);
	}
}

/* What was set once and taken back leaves no trace. */
TEST_F(call, cleared_after_failure)
{
	struct terms a = { 0 }, b = { 0 };
	struct parley_qos q[2], none;
	int call;

	two_terms(&a, &b, q);
	call = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, call);
	ASSERT_EQ(0, terms_apply(call, &a));
	ASSERT_EQ(-ECONNREFUSED, test_connect(call, variant->host, OTHER));
	terms_qos_none(&none);
	b.data = NULL;
	b.len = 0;
	b.qos = &none;
	b.group = 0;
	ASSERT_EQ(0, terms_apply(call, &b));
	ASSERT_EQ(-EINPROGRESS, test_connect(call, variant->host, PORT));
	EXPECT_TRUE(terms_arrive(self->l, call, &b));
}

/* Each of several calls has its own. */
TEST_F(call, of_each_call)
{
	struct terms t = { 0 };
	int i, fd[8], new;

	for (i = 0; i < 8; i++) {
		t.data = bytes + i * 100;
		t.len = 10 + i;
		t.group = i * 7;
		fd[i] = terms_call(variant->host, PORT, &t);
		ASSERT_LE(0, fd[i]);
	}
	for (i = 0; i < 8; i++) {
		new = test_accept(self->l, 0);
		ASSERT_LE(0, new);
		EXPECT_TRUE(terms_data_is(new, bytes + i * 100, 10 + i));
		EXPECT_TRUE(terms_group_is(new, i * 7));
		EXPECT_TRUE(parley_talks(fd[i], new));
	}
}

/* A listener's own terms are nobody's, least of all of who calls it. */
TEST_F(call, of_the_listener_stay_there)
{
	struct terms a = { 0 }, b = { 0 };
	struct parley_qos q[2], none;
	int l, call, new;

	two_terms(&a, &b, q);
	terms_qos_none(&none);
	l = parley_bound(variant->host, OTHER);
	ASSERT_LE(0, l);
	ASSERT_EQ(0, terms_apply(l, &a));
	ASSERT_EQ(0, listen(l, 1));
	EXPECT_TRUE(terms_are(l, &a));
	call = parley_call(variant->host, OTHER);
	ASSERT_LE(0, call);
	new = test_accept(l, 0);
	ASSERT_LE(0, new);
	EXPECT_TRUE(terms_data_is(new, NULL, 0));
	EXPECT_TRUE(terms_group_is(new, 0));
	EXPECT_TRUE(terms_qos_is(new, &none));
	EXPECT_TRUE(terms_data_is(call, NULL, 0));
}

/* How long a call had waited is known, and does not grow any more. */
TEST_F(call, age)
{
	unsigned long long called[2], accepted[2];
	struct parley_call_info info, later;
	int call, new;

	called[0] = parley_now_ns();
	call = parley_call(variant->host, PORT);
	called[1] = parley_now_ns();
	ASSERT_LE(0, call);
	parley_pause();
	accepted[0] = parley_now_ns();
	new = test_accept(self->l, 0);
	accepted[1] = parley_now_ns();
	ASSERT_LE(0, new);
	ASSERT_EQ(0, terms_info(new, &info));
	EXPECT_LE(accepted[0] - called[1], info.age_ns);
	EXPECT_GE(accepted[1] - called[0], info.age_ns);
	parley_pause();
	ASSERT_EQ(0, terms_info(new, &later));
	EXPECT_EQ(info.age_ns, later.age_ns);
	EXPECT_EQ(0, memcmp(&info, &later, sizeof(info)));
}

/* Both ends count from the moment at which the call was accepted. */
TEST_F(call, connect_time)
{
	unsigned long long accepted[2], read[2];
	int i, fd[2];
	__u64 ns[2];

	fd[0] = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, fd[0]);
	EXPECT_EQ(-ENOTCONN, terms_connect_time(fd[0], &ns[0]));
	EXPECT_EQ(-ENOTCONN, terms_connect_time(self->l, &ns[0]));
	ASSERT_EQ(-EINPROGRESS, test_connect(fd[0], variant->host, PORT));
	EXPECT_EQ(-ENOTCONN, terms_connect_time(fd[0], &ns[0]));
	accepted[0] = parley_now_ns();
	fd[1] = test_accept(self->l, 0);
	accepted[1] = parley_now_ns();
	ASSERT_LE(0, fd[1]);
	for (i = 0; i < 4; i++) {
		read[0] = parley_now_ns();
		ASSERT_EQ(0, terms_connect_time(fd[i % 2], &ns[i % 2]));
		read[1] = parley_now_ns();
		EXPECT_LE(read[0] - accepted[1], ns[i % 2]);
		EXPECT_GE(read[1] - accepted[0], ns[i % 2]);
	}
	EXPECT_EQ(-ENOTCONN, terms_connect_time(self->l, &ns[0]));
}

TEST_HARNESS_MAIN
