// SPDX-License-Identifier: GPL-2.0
/*
 * parley_connect() with each of the terms and again without, the getters on
 * sockets of each kind, and looking at calls and deciding without a condition.
 */
#include "kselftest_harness.h"

#include <string.h>
#include <unistd.h>

#include <parley.h>

#include "lib.h"
#include "lib_terms.h"

#define PORT	5420
#define GROUP	0x8000000000000001ULL

FIXTURE(call) {
	int l;
	int fd;
	int got;
	struct parley_addr to;
	struct parley_qos qos;
	struct parley_terms terms;
	struct parley_call_info info;
	struct parley_refusal r;
	struct parley_backlog b;
};

FIXTURE_SETUP(call)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 16);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_addr(&self->to, "127.0.0.1", PORT));
	self->fd = parley_socket(SOCK_NONBLOCK);
	ASSERT_LE(0, self->fd);
	terms_qos_some(&self->qos);
	self->terms = (struct parley_terms) {
		.data = "hello", .data_len = 5, .qos = &self->qos,
		.group = GROUP, .timeout_ms = 12345,
	};
}

FIXTURE_TEARDOWN(call)
{
	EXPECT_EQ(0, parley_expect_clean());
}

static int place(int fd, const struct parley_addr *to,
		 const struct parley_terms *terms)
{
	return parley_connect(fd, &to->sa, to->len, terms) ? -errno : 0;
}

TEST_F(call, with_all_terms)
{
	ASSERT_EQ(-EINPROGRESS, place(self->fd, &self->to, &self->terms));
	EXPECT_EQ(12345, parley_sockopt(self->fd, SOL_PARLEY,
					PARLEY_CONNECT_TIMEOUT));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(terms_data_is(self->got, "hello", 5));
	ASSERT_EQ(0, parley_get_call_info(self->got, &self->info));
	EXPECT_EQ(5, self->info.data_len);
	EXPECT_EQ(GROUP, self->info.group);
	EXPECT_EQ(PARLEY_INFO_QOS, self->info.flags);
	EXPECT_TRUE(terms_qos_eq(&self->qos, &self->info.qos));
}

TEST_F(call, blocking)
{
	int fd = parley_socket(0), got;
	struct parley_thread t;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, parley_thread_accept(&t, self->l));
	EXPECT_EQ(0, place(fd, &self->to, &self->terms));
	got = parley_thread_join(&t);
	ASSERT_LE(0, got);
	EXPECT_TRUE(terms_data_is(got, "hello", 5));
	EXPECT_TRUE(parley_talks(fd, got));
}

/* Nothing is left over from the call before. */
TEST_F(call, again_with_fewer_terms)
{
	static const struct parley_terms none;
	const struct parley_terms *fewer[] = { NULL, &none };
	struct parley_qos unspecified;
	size_t i;

	terms_qos_none(&unspecified);
	for (i = 0; i < ARRAY_SIZE(fewer); i++) {
		ASSERT_EQ(-EINPROGRESS, place(self->fd, &self->to,
					      &self->terms));
		ASSERT_EQ(0, parley_unspec(self->fd));
		ASSERT_EQ(-EINPROGRESS, place(self->fd, &self->to, fewer[i]));
		/* The time was not said, so it stays. */
		EXPECT_EQ(12345, parley_sockopt(self->fd, SOL_PARLEY,
						PARLEY_CONNECT_TIMEOUT));
		self->got = test_accept(self->l, 0);
		ASSERT_LE(0, self->got);
		ASSERT_EQ(0, parley_get_call_info(self->got, &self->info));
		EXPECT_EQ(0, self->info.data_len);
		EXPECT_EQ(0, self->info.group);
		EXPECT_TRUE(terms_qos_eq(&unspecified, &self->info.qos));
		close(self->fd);
		self->fd = parley_socket(SOCK_NONBLOCK);
		ASSERT_LE(0, self->fd);
	}
}

/* Who never asked is not one who asks. */
TEST_F(call, without_qos)
{
	ASSERT_EQ(-EINPROGRESS, place(self->fd, &self->to, NULL));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	ASSERT_EQ(0, parley_get_call_info(self->got, &self->info));
	EXPECT_EQ(0, self->info.flags);
}

TEST_F(call, timeout)
{
	self->terms.timeout_ms = PARLEY_TIMEOUT_NEVER;
	ASSERT_EQ(-EINPROGRESS, place(self->fd, &self->to, &self->terms));
	EXPECT_EQ(0, parley_sockopt(self->fd, SOL_PARLEY,
				    PARLEY_CONNECT_TIMEOUT));
	ASSERT_EQ(0, parley_unspec(self->fd));
	self->terms.timeout_ms = 10;
	ASSERT_EQ(0, parley_nonblock(self->fd, false));
	EXPECT_EQ(-ETIMEDOUT, place(self->fd, &self->to, &self->terms));
	ASSERT_EQ(0, parley_get_refusal(self->fd, &self->r));
	EXPECT_EQ(PARLEY_REASON_TIMED_OUT, self->r.reason);
}

/* Bad terms place no call. */
TEST_F(call, bad_terms)
{
	static char data[4097];

	self->terms.data = data;
	self->terms.data_len = sizeof(data);
	EXPECT_EQ(-EMSGSIZE, place(self->fd, &self->to, &self->terms));
	self->terms.data_len = (size_t)1 << 32 | 5;
	EXPECT_EQ(-EMSGSIZE, place(self->fd, &self->to, &self->terms));
	self->terms.data_len = 5;
	self->qos.recv.service = 4;
	EXPECT_EQ(-EINVAL, place(self->fd, &self->to, &self->terms));
	EXPECT_EQ(0, parley_pending(self->l));
	EXPECT_EQ(-EBADF, place(-1, &self->to, &self->terms));
	EXPECT_EQ(-ENOTSOCK, place(0, &self->to, &self->terms));
}

/* The socket is past that; connect(2) would say so, too. */
TEST_F(call, states)
{
	EXPECT_EQ(-EINVAL, place(self->l, &self->to, &self->terms));
	ASSERT_EQ(-EINPROGRESS, place(self->fd, &self->to, &self->terms));
	EXPECT_EQ(-EALREADY, place(self->fd, &self->to, &self->terms));
	EXPECT_EQ(-EALREADY, place(self->fd, &self->to, NULL));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_EQ(-EISCONN, place(self->fd, &self->to, &self->terms));
	EXPECT_EQ(-EISCONN, place(self->got, &self->to, NULL));
}

TEST_F(call, get_call_data)
{
	char buf[8];

	EXPECT_EQ(0, parley_get_call_data(self->fd, NULL, 0));
	EXPECT_EQ(0, parley_get_call_data(self->fd, buf, sizeof(buf)));
	ASSERT_EQ(-EINPROGRESS, place(self->fd, &self->to, &self->terms));
	EXPECT_EQ(5, parley_get_call_data(self->fd, NULL, 0));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_EQ(5, parley_get_call_data(self->got, NULL, 0));
	EXPECT_EQ(-1, parley_get_call_data(self->got, buf, 4));
	EXPECT_EQ(ERANGE, errno);
	EXPECT_EQ(-1, parley_get_call_data(self->got, buf, 0));
	EXPECT_EQ(ERANGE, errno);
	EXPECT_EQ(5, parley_get_call_data(self->got, buf, 5));
	EXPECT_EQ(0, memcmp("hello", buf, 5));
	EXPECT_EQ(5, parley_get_call_data(self->got, buf, (size_t)1 << 32));
	EXPECT_EQ(-1, parley_get_call_data(-1, NULL, 0));
	EXPECT_EQ(EBADF, errno);
}

TEST_F(call, get_reply_data)
{
	char buf[8];

	ASSERT_EQ(0, terms_set_reply(self->l, "hi", 2));
	EXPECT_EQ(2, parley_get_reply_data(self->l, NULL, 0));
	ASSERT_EQ(-EINPROGRESS, place(self->fd, &self->to, &self->terms));
	EXPECT_EQ(0, parley_get_reply_data(self->fd, NULL, 0));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_EQ(2, parley_get_reply_data(self->fd, NULL, 0));
	EXPECT_EQ(-1, parley_get_reply_data(self->fd, buf, 1));
	EXPECT_EQ(ERANGE, errno);
	EXPECT_EQ(2, parley_get_reply_data(self->fd, buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp("hi", buf, 2));
	EXPECT_EQ(2, parley_get_reply_data(self->got, buf, sizeof(buf)));
}

TEST_F(call, get_label)
{
	char want[4096], label[4096];
	socklen_t len = sizeof(want);
	size_t n;
	int err;

	EXPECT_EQ(-1, parley_get_label(self->fd, label, sizeof(label)));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(-EINPROGRESS, place(self->fd, &self->to, NULL));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	err = terms_get(self->got, PARLEY_PEERSEC, want, &len);
	if (err) {
		/* No security module has any. */
		EXPECT_EQ(-ENOPROTOOPT, err);
		EXPECT_EQ(-1, parley_get_label(self->got, label, 99));
		EXPECT_EQ(ENOPROTOOPT, errno);
		EXPECT_EQ(-1, parley_get_label(self->got, NULL, 0));
		EXPECT_EQ(ENOPROTOOPT, errno);
		return;
	}
	n = strnlen(want, len);
	ASSERT_LT(0, n);
	EXPECT_EQ(n, parley_get_label(self->got, NULL, 0));
	EXPECT_EQ(-1, parley_get_label(self->got, label, n));
	EXPECT_EQ(ERANGE, errno);
	memset(label, 0xee, sizeof(label));
	EXPECT_EQ(n, parley_get_label(self->got, label, n + 1));
	EXPECT_EQ(n, strlen(label));
	EXPECT_EQ(0, memcmp(want, label, n));
	EXPECT_EQ(0xee, (unsigned char)label[n + 1]);
}

TEST_F(call, get_refusal)
{
	ASSERT_EQ(0, parley_get_refusal(self->fd, &self->r));
	EXPECT_EQ(PARLEY_REASON_NONE, self->r.reason);
	ASSERT_EQ(0, parley_addr(&self->to, "127.0.0.1", PORT + 1));
	EXPECT_EQ(-ECONNREFUSED, place(self->fd, &self->to, NULL));
	ASSERT_EQ(0, parley_get_refusal(self->fd, &self->r));
	EXPECT_EQ(PARLEY_REASON_NO_LISTENER, self->r.reason);
	EXPECT_EQ(0, self->r.code | self->r.retry_after_ms | self->r.data_len);
	EXPECT_EQ(-1, parley_get_refusal(0, &self->r));
	EXPECT_EQ(ENOTSOCK, errno);
}

TEST_F(call, get_the_rest)
{
	struct parley_qos qos;

	EXPECT_EQ(-1, parley_get_call_info(self->fd, &self->info));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, parley_get_backlog(self->fd, &self->b));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(-EINPROGRESS, place(self->fd, &self->to, &self->terms));
	ASSERT_EQ(0, parley_get_backlog(self->l, &self->b));
	EXPECT_EQ(16, self->b.limit);
	EXPECT_EQ(1, self->b.pending);
	EXPECT_EQ(0, self->b.deferred | self->b.approved);
	ASSERT_EQ(0, parley_get_qos(self->fd, &qos));
	EXPECT_TRUE(terms_qos_eq(&self->qos, &qos));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	ASSERT_EQ(0, parley_get_qos(self->got, &qos));
	terms_qos_swap(&qos);
	EXPECT_TRUE(terms_qos_eq(&self->qos, &qos));
}

TEST(reasons)
{
	static const char *const names[] = {
		"NONE", "NO_LISTENER", "BACKLOG_FULL", "LIMIT", "RULE",
		"POLICY", "POLICY_FAULT", "SERVER", "DEFER_EXPIRED",
		"LISTENER_CLOSED", "TIMED_OUT", "QOS", "FILTER",
		"USER_LIMIT", "FAIR_SHARE", NULL,
	};
	__u32 i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (!names[i]) {
			EXPECT_EQ(NULL, parley_reason_name(i));
			EXPECT_EQ(NULL, parley_reason_text(i));
			continue;
		}
		EXPECT_STREQ(names[i], parley_reason_name(i));
		ASSERT_NE(NULL, parley_reason_text(i));
		EXPECT_LT(10, strlen(parley_reason_text(i)));
	}
	EXPECT_EQ(NULL, parley_reason_name(~0U));
	EXPECT_EQ(NULL, parley_reason_text(~0U));
}

/* Looking and deciding apart from each other. */

TEST_F(call, next_and_decide)
{
	struct parley_offer *offer = NULL, *same = NULL;
	struct parley_answer answer = {
		.reply = "no", .reply_len = 2, .code = 9, .retry_after_ms = 7,
		.buf = (void *)1, .buf_room = 1,
	};

	EXPECT_EQ(-1, parley_next_call(self->l, &offer, PARLEY_NEXT_NOWAIT));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(NULL, offer);
	parley_offer_free(NULL);
	ASSERT_EQ(-EINPROGRESS, place(self->fd, &self->to, &self->terms));
	EXPECT_EQ(-1, parley_next_call(self->l, &offer, 0x8));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, parley_next_call(self->l, &offer, 0));
	EXPECT_EQ(parley_port(self->fd),
		  ntohs(((struct sockaddr_in *)offer->caller)->sin_port));
	EXPECT_EQ(5, offer->data_len);
	EXPECT_EQ(-1, parley_next_call(self->l, &same, PARLEY_NEXT_NOWAIT));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, parley_next_call(self->l, &same, PARLEY_NEXT_NOWAIT |
				      PARLEY_NEXT_REWIND));
	EXPECT_EQ(offer->info->id, same->info->id);
	parley_offer_free(same);

	EXPECT_EQ(-1, parley_decide(self->l, offer->info->id + 1, PARLEY_REFUSE,
				    NULL, 0));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(-1, parley_decide(self->l, offer->info->id, PARLEY_ACCEPT,
				    NULL, PARLEY_DECIDE_QOS));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, parley_decide(self->l, offer->info->id, PARLEY_REFUSE,
				   &answer, 0));
	ASSERT_EQ(0, parley_get_refusal(self->fd, &self->r));
	EXPECT_EQ(9, self->r.code);
	EXPECT_EQ(7, self->r.retry_after_ms);
	EXPECT_TRUE(terms_reply_is(self->fd, "no", 2));
	parley_offer_free(offer);
}

TEST_F(call, decide_and_collect)
{
	struct parley_answer answer = { .qos = &self->qos };
	struct parley_offer *offer;

	ASSERT_EQ(-EINPROGRESS, place(self->fd, &self->to, &self->terms));
	ASSERT_EQ(0, parley_next_call(self->l, &offer, PARLEY_NEXT_DEFERRED));
	EXPECT_EQ(0, parley_decide(self->l, offer->info->id, PARLEY_DEFER, NULL,
				   0));
	EXPECT_EQ(1, parley_review(self->l));
	EXPECT_EQ(0, parley_review(self->l));
	self->qos.send.token_rate = 1;
	EXPECT_EQ(0, parley_decide(self->l, offer->info->id, PARLEY_ACCEPT,
				   &answer, 0));
	EXPECT_EQ(-1, parley_decide(self->l, offer->info->id, PARLEY_ACCEPT,
				    &answer, 0));
	EXPECT_EQ(EALREADY, errno);
	EXPECT_EQ(0, parley_decide(self->l, offer->info->id, PARLEY_ACCEPT,
				   &answer, PARLEY_DECIDE_AGAIN));
	self->got = test_accept(self->l, 0);
	ASSERT_LE(0, self->got);
	EXPECT_TRUE(terms_qos_is(self->fd, &self->qos));
	parley_offer_free(offer);
	EXPECT_EQ(-1, parley_review(self->fd));
	EXPECT_EQ(EINVAL, errno);
}

TEST_HARNESS_MAIN
