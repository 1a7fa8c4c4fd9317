// SPDX-License-Identifier: GPL-2.0
/*
 * iperf3 on parley: a control connection and streams, in both directions, one
 * and several at a time. Each end counts what it has sent or received, and
 * tells the other.
 */
#include "kselftest_harness.h"

#include <signal.h>

#include "lib.h"
#include "lib_apps.h"
#include "lib_race.h"

#define PORT	"5201"

FIXTURE(iperf) {
	struct app server;
	struct app client;
};

FIXTURE_VARIANT(iperf) {
	const char *host;
	const char *more[3];
	unsigned int on_the_way;
};

FIXTURE_VARIANT_ADD(iperf, up) {
	.host = "127.0.0.1", .more = { "-4" }, .on_the_way = 1 << 20,
};

FIXTURE_VARIANT_ADD(iperf, down) {
	.host = "::1", .more = { "-R" },
};

FIXTURE_VARIANT_ADD(iperf, four_streams) {
	.host = "127.0.0.1", .more = { "-P", "4" }, .on_the_way = 4 << 20,
};

FIXTURE_VARIANT_ADD(iperf, from_files) {
	.host = "127.0.0.1", .more = { "-Z" }, .on_the_way = 1 << 20,
};

FIXTURE_SETUP(iperf)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, apps_begin());
	ASSERT_EQ(0, app_start(&self->server,
			       ON_PARLEY("iperf3", "-s", "-1", "-p", PORT,
					 "--forceflush")));
	ASSERT_EQ(0, app_ready(&self->server, "Server listening"));
}

FIXTURE_TEARDOWN(iperf)
{
	EXPECT_LT(0, apps_on_parley());
	EXPECT_EQ(0, apps_end());
	EXPECT_EQ(0, parley_expect_clean());
}

/* The number behind "bytes" of a sum at the end of the report. */
static double total(const struct app *a, const char *sum)
{
	const char *at = strstr(a->text, sum);

	at = at ? strstr(at, "\"bytes\"") : NULL;
	at = at ? at + strcspn(at, "0123456789") : NULL;
	return at ? strtod(at, NULL) : -1;
}

TEST_F_TIMEOUT(iperf, counts_agree, APP_TEST_SECONDS)
{
	struct app *client = &self->client;
	double sent, received;
	char bytes[16];

	snprintf(bytes, sizeof(bytes), "%u", race_scale(64) << 20);
	EXPECT_EQ(0, app_run(client,
			     ON_PARLEY("iperf3", "-J", "-c", variant->host,
				       "-p", PORT, "-n", bytes,
				       variant->more[0], variant->more[1])));
	EXPECT_FALSE(app_said(client, "\"error\""));
	/* What there is to say in place of TCP's measurements. */
	EXPECT_FALSE(app_said(client, "\"retransmits\"") &&
		     !app_said(client, "\"retransmits\":\t0"));
	sent = total(client, "\"sum_sent\"");
	received = total(client, "\"sum_received\"");
	EXPECT_LE(atof(bytes), sent);
	/* A client that sends ends the test with some of it on its way. */
	EXPECT_LE(sent - variant->on_the_way, received);
	EXPECT_GE(sent, received);
	if (__test_passed(_metadata))
		return;
	TH_LOG("%s", client->text);
}

TEST_HARNESS_MAIN
