// SPDX-License-Identifier: GPL-2.0
/*
 * The machine stands still for a while, with calls whose time ends before it,
 * meanwhile and after it. Somebody on the host does that (vm/companion.sh): the
 * emulator stops the machine, whose clocks stop with it; or the emulator itself
 * is stopped, and for the machine so much time has passed at once, as for one
 * that is moved to another host or whose processors were needed by others.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <poll.h>
#include <termios.h>

#include "lib_decide.h"
#include "lib_pace.h"
#include "lib_terms.h"
#include "lib_time.h"

#define HOST	"127.0.0.1"
#define PORT	7950
#define ASKED	"/dev/ttyS2"
#define STILL_MS	600	/* so long the machine stands still */
#define CALLS	40
#define STEP_MS	30		/* from one call's end to the next one's */
#define RATE	20000
#define BUCKET	4096

FIXTURE(stop) {
	int host;
	unsigned long long begun[2 * CALLS];
	int fd[2 * CALLS];
	unsigned long long asked;
	unsigned long long answered;
};

FIXTURE_VARIANT(stop) {
	const char *ask;
	const char *answer;
	bool passes;		/* the machine's clock goes on */
};

FIXTURE_VARIANT_ADD(stop, machine) { "stop", "paused", false };
FIXTURE_VARIANT_ADD(stop, emulator) { "freeze", "frozen", true };

FIXTURE_SETUP(stop)
{
	/* In the shell's VM this is the terminal. */
	if (!getenv("PARLEY_COMPANION"))
		SKIP(return, "nobody on the host to ask");
	ASSERT_EQ(0, parley_ns_enter());
	self->host = open(ASKED, O_RDWR | O_NOCTTY | O_CLOEXEC);
	ASSERT_LE(0, self->host);
}

FIXTURE_TEARDOWN(stop)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Stands still and comes back. Return: the host's answer was this. */
static bool stand_still(struct _test_data_stop *self,
			const struct _fixture_variant_stop *v)
{
	char line[80] = "";
	size_t len = 0;

	dprintf(self->host, "%s 0.%u\n", v->ask, STILL_MS);
	self->asked = parley_now_ns();
	while (len < sizeof(line) - 1 && !strchr(line, '\n') &&
	       read(self->host, &line[len], 1) == 1)
		len++;
	self->answered = parley_now_ns();
	if (!strncmp(line, v->answer, strlen(v->answer)))
		return true;
	printf("# %s: %s\n", v->ask, line);
	fflush(stdout);
	return false;
}

static bool stood_still(struct _test_data_stop *self,
			const struct _fixture_variant_stop *v)
{
	unsigned long long gone = self->answered - self->asked;

	if (!v->passes || time_counted() ||
	    gone + 100 * TIME_MS >= STILL_MS * TIME_MS)
		return true;
	printf("# gone by the machine's clock: %llu ns\n", gone);
	fflush(stdout);
	return false;
}

/* How a call has to end that was begun so many steps ago. */
static bool ended(struct _test_data_stop *self, unsigned int i, int err)
{
	unsigned long long now;
	int events = parley_wait(self->fd[i], POLLOUT);

	now = parley_now_ns();
	return events > 0 && events & POLLERR &&
	       now - self->begun[i] >= (i % CALLS + 4) * STEP_MS * TIME_MS &&
	       parley_so_error(self->fd[i]) == err;
}

TEST_F(stop, calls)
{
	int l = parley_listener(HOST, PORT, CALLS), defers;
	struct parley_stat st;
	unsigned int i, ms;

	ASSERT_LE(0, l);
	for (i = 0; i < CALLS; i++) {
		ms = (i + 4) * STEP_MS;
		self->begun[i] = parley_now_ns();
		self->fd[i] = time_call(PORT, ms);
		ASSERT_LE(0, self->fd[i]);
		defers = parley_listener(HOST, PORT + 1 + i, 1);
		ASSERT_EQ(0, terms_set_stage(defers, PARLEY_STAGE_ARRIVAL));
		ASSERT_EQ(0, decide_rules(defers, PARLEY_DEFER));
		ASSERT_EQ(0, terms_set_defer(defers, ms, PARLEY_REFUSE));
		self->begun[CALLS + i] = parley_now_ns();
		self->fd[CALLS + i] = time_call(PORT + 1 + i, 0);
		ASSERT_LE(0, self->fd[CALLS + i]);
	}
	ASSERT_TRUE(stand_still(self, variant));
	EXPECT_TRUE(stood_still(self, variant));
	for (i = 0; i < CALLS; i++) {
		EXPECT_TRUE(ended(self, i, ETIMEDOUT));
		EXPECT_TRUE(ended(self, CALLS + i, ECONNREFUSED));
	}
	/* Each once. */
	ASSERT_EQ(0, parley_stat(&st));
	EXPECT_EQ(2 * CALLS, st.called);
	EXPECT_EQ(CALLS, st.withdrawn);
	EXPECT_EQ(CALLS, st.refused);
	EXPECT_EQ(0, st.pending);
}

/* What is known of the time is not less than nothing, nor more than there was. */
TEST_F(stop, told)
{
	int l = parley_listener(HOST, PORT, 4);
	struct parley_next_call next = {};
	unsigned long long begun = parley_now_ns(), gone;
	int got;
	__u64 ns;

	ASSERT_LE(0, l);
	self->fd[0] = time_call(PORT, 600000);
	ASSERT_LE(0, self->fd[0]);
	ASSERT_TRUE(stand_still(self, variant));
	ASSERT_EQ(0, decide_next(l, PARLEY_NEXT_NOWAIT, &next));
	gone = parley_now_ns() - begun;
	EXPECT_GE(gone, next.info.age_ns);
	EXPECT_LE(self->answered - self->asked, next.info.age_ns);
	EXPECT_LE(600000 * TIME_MS - gone, next.info.timeout_ns);
	got = test_accept(l, 0);
	ASSERT_LE(0, got);
	ASSERT_EQ(0, terms_connect_time(self->fd[0], &ns));
	EXPECT_GE(parley_now_ns() - begun - next.info.age_ns, ns);
	EXPECT_TRUE(parley_talks(self->fd[0], got));
}

/* Who sleeps in a system call is neither forgotten nor woken early. */
TEST_F(stop, blocking)
{
	int l = parley_listener(HOST, PORT, 4);
	struct parley_thread accepts;
	unsigned long long begun;

	ASSERT_LE(0, l);
	ASSERT_EQ(0, parley_timeo(l, SO_RCVTIMEO, STILL_MS + 100));
	begun = parley_now_ns();
	ASSERT_EQ(0, parley_thread_accept(&accepts, l));
	ASSERT_EQ(0, parley_thread_blocked(&accepts));
	ASSERT_TRUE(stand_still(self, variant));
	EXPECT_EQ(-EAGAIN, parley_thread_join(&accepts));
	EXPECT_TRUE(time_right("accept", STILL_MS + 100,
			       parley_now_ns() - begun, 16, true));
	/* And a call gets through. */
	ASSERT_EQ(0, parley_timeo(l, SO_RCVTIMEO, 0));
	ASSERT_EQ(0, parley_thread_accept(&accepts, l));
	ASSERT_EQ(0, parley_thread_blocked(&accepts));
	self->fd[0] = parley_call(HOST, PORT);
	ASSERT_LE(0, self->fd[0]);
	EXPECT_LE(0, parley_thread_join(&accepts));
}

/* The bucket gets full, and no fuller. */
TEST_F(stop, paced)
{
	const struct parley_flowspec flow = pace_flow(RATE, BUCKET);
	unsigned long long begun, gone;
	int fd[2], l = parley_listener(HOST, PORT, 4);
	long sent;

	ASSERT_LE(0, l);
	begun = parley_now_ns();
	ASSERT_EQ(0, pace_pair(l, HOST, PORT, &flow, false, fd));
	sent = pace_drain(fd[0], BUCKET);
	ASSERT_LE(BUCKET, sent);
	ASSERT_TRUE(stand_still(self, variant));
	ASSERT_EQ(POLLOUT, parley_wait(fd[0], POLLOUT));
	sent += pace_drain(fd[0], BUCKET);
	gone = parley_now_ns() - begun;
	EXPECT_GE(BUCKET + RATE * PACE_LATE_MS / 1000 + 1 +
		  gone / 1000 * RATE / 1000000, sent);
	/* Nearly all that came while we stood still is more than it holds. */
	gone = parley_now_ns() - self->answered;
	if (variant->passes && !time_counted()) {
		EXPECT_GE(2 * BUCKET + RATE * 2 * PACE_LATE_MS / 1000 + 1 +
			  (gone / 1000 + 50000) * RATE / 1000000, sent);
	}
}

TEST_HARNESS_MAIN
