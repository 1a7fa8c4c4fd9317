// SPDX-License-Identifier: GPL-2.0
/*
 * rsync's daemon on parley: a tree goes up and comes down, all of it, only
 * what has changed, and nothing; rsync's checksums and ours say that it is the
 * same.
 */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/stat.h>

#include "lib.h"
#include "lib_apps.h"

#define FILES	8
#define URL	"rsync://127.0.0.1:8730/box/"
#define FROM	APP_DIR "/from/"
#define BOX	APP_DIR "/box/"
#define BACK	APP_DIR "/back/"

static const char config[] =
"use chroot = no\n"
"port = 8730\n"
"address = 127.0.0.1\n"
"uid = root\n"
"gid = root\n"
"reverse lookup = no\n"
"socket options = TCP_NODELAY,SO_KEEPALIVE,SO_SNDBUF=300000\n"
"[box]\n"
"	path = " BOX "\n"
"	read only = no\n";

FIXTURE(rsync) {
	struct app server;
	struct app client;
};

static int make_files(unsigned int from, unsigned int to)
{
	char path[64];
	int err = 0;

	for (; from < to && !err; from++) {
		snprintf(path, sizeof(path), FROM "%u", from);
		/* 1 byte, 1 KiB and 1, ..., megabytes */
		err = app_file(path, (1UL << (from * 3)) + 1, from);
	}
	return err;
}

static bool all_same(const char *dir)
{
	char a[64], b[64];
	int i;

	for (i = 0; i < FILES; i++) {
		snprintf(a, sizeof(a), FROM "%u", i);
		snprintf(b, sizeof(b), "%s%u", dir, i);
		if (!app_same(a, b))
			return false;
	}
	return true;
}

FIXTURE_SETUP(rsync)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, apps_begin());
	ASSERT_EQ(0, mkdir(FROM, 0777));
	ASSERT_EQ(0, mkdir(BOX, 0777));
	ASSERT_EQ(0, make_files(0, FILES));
	ASSERT_EQ(0, app_text(APP_DIR "/rsyncd.conf", config));
	ASSERT_EQ(0, app_start(&self->server,
			       ON_PARLEY("rsync", "--daemon", "--no-detach",
					 "--log-file=/proc/self/fd/1",
					 "--config=" APP_DIR "/rsyncd.conf")));
	ASSERT_EQ(0, app_ready(&self->server, "listening on port"));
}

FIXTURE_TEARDOWN(rsync)
{
	app_stop(&self->server, SIGTERM);
	EXPECT_LT(0, apps_on_parley());
	EXPECT_EQ(0, apps_end());
	EXPECT_EQ(0, parley_expect_clean());
}

static int sync_trees(struct app *a, const char *from, const char *to)
{
	return app_run(a, ON_PARLEY("rsync", "-a", "--checksum", "--stats",
				    "--no-human-readable",
				    from, to));
}

TEST_F_TIMEOUT(rsync, up_and_down, APP_TEST_SECONDS)
{
	ASSERT_EQ(0, sync_trees(&self->client, FROM, URL)) {
		TH_LOG("%s", self->client.text);
	}
	EXPECT_TRUE(all_same(BOX));
	EXPECT_EQ(FILES, app_number(&self->client,
				    "regular files transferred:"));
	ASSERT_EQ(0, sync_trees(&self->client, URL, BACK));
	EXPECT_TRUE(all_same(BACK));
	EXPECT_EQ(FILES, app_number(&self->client,
				    "regular files transferred:"));
	/* Again: the checksums agree. */
	ASSERT_EQ(0, sync_trees(&self->client, URL, BACK));
	EXPECT_EQ(0, app_number(&self->client, "regular files transferred:"));
}

/* A file that has grown: what the other side has is not sent again. */
TEST_F_TIMEOUT(rsync, only_what_changed, APP_TEST_SECONDS)
{
	ASSERT_EQ(0, sync_trees(&self->client, FROM, URL));
	ASSERT_EQ(0, truncate(FROM "7", (1 << 21) + 5000));
	ASSERT_EQ(0, sync_trees(&self->client, FROM, URL));
	EXPECT_TRUE(all_same(BOX));
	EXPECT_EQ(1, app_number(&self->client, "regular files transferred:"));
	EXPECT_LE((1 << 20), app_number(&self->client, "Matched data:"));
}

TEST_HARNESS_MAIN
