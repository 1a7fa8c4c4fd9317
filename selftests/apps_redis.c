// SPDX-License-Identifier: GPL-2.0
/*
 * Redis on parley: the server, its command-line client with values of
 * megabytes, its benchmark, a replica, and a client made for AF_PARLEY.
 */
#include "kselftest_harness.h"

#include <signal.h>

#include "lib.h"
#include "lib_apps.h"
#include "lib_race.h"

#define PORT		"6379"
#define VALUE		APP_DIR "/value"
#define GOT		APP_DIR "/got"
#define VALUE_SIZE	(race_scale(3) << 20)

FIXTURE(redis) {
	struct app server;
	struct app client;
};

FIXTURE_SETUP(redis)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, apps_begin());
	ASSERT_EQ(0, app_start(&self->server,
			       ON_PARLEY("redis-server", "--port", PORT,
					 "--bind", "127.0.0.1", "-::1",
					 "--save", "", "--dir", APP_DIR)));
	ASSERT_EQ(0, app_ready(&self->server, "Ready to accept connections"));
}

FIXTURE_TEARDOWN(redis)
{
	/* The last thing that redis says is that it goes. */
	EXPECT_EQ(0, app_stop(&self->server, SIGTERM));
	EXPECT_LT(0, apps_on_parley());
	EXPECT_EQ(0, apps_end());
	EXPECT_EQ(0, parley_expect_clean());
}

/* A value goes there and back again, over both families of addresses. */
TEST_F_TIMEOUT(redis, values, APP_TEST_SECONDS)
{
	static const char *const hosts[] = { "127.0.0.1", "::1" };
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, app_file(VALUE, VALUE_SIZE, i));
		ASSERT_EQ(0, app_run_io(&self->client,
					ON_PARLEY("redis-cli", "-h", hosts[i],
						  "-x", "SET", "key"),
					VALUE, NULL));
		EXPECT_TRUE(app_said(&self->client, "OK"));
		ASSERT_EQ(0, app_run_io(&self->client,
					ON_PARLEY("redis-cli", "-h", hosts[i],
						  "--raw", "GET", "key"),
					NULL, GOT));
		/* It adds a newline. */
		ASSERT_EQ(0, truncate(GOT, VALUE_SIZE));
		EXPECT_TRUE(app_same(VALUE, GOT));
	}
}

/* Thousands of requests of several kinds, alone and in a pipeline. */
TEST_F_TIMEOUT(redis, benchmark, APP_TEST_SECONDS)
{
	char times[16];
	long before;

	snprintf(times, sizeof(times), "%u", race_scale(3000));
	before = apps_on_parley();
	ASSERT_EQ(0, app_run(&self->client,
			     ON_PARLEY("redis-benchmark", "-h", "127.0.0.1",
				       "-q", "-c", "20", "-n", times, "-t",
				       "ping,set,get,lpush,lrange_100,mset")));
	EXPECT_TRUE(app_said(&self->client, "SET:"));
	EXPECT_TRUE(app_said(&self->client, "MSET (10 keys):"));
	EXPECT_FALSE(app_said(&self->client, "rror"));
	ASSERT_EQ(0, app_run(&self->client,
			     ON_PARLEY("redis-benchmark", "-h", "::1", "-q",
				       "-c", "5", "-P", "16", "-d", "2000",
				       "-n", times, "-t", "set,get")));
	EXPECT_TRUE(app_said(&self->client, "GET:"));
	EXPECT_FALSE(app_said(&self->client, "rror"));
	/* 20 for each of the first seven kinds, and 5 for two. */
	EXPECT_LE(before + 7 * 20 + 2 * 5, apps_on_parley());
}

/* The server connects to another one, and gets all that is there. */
TEST_F_TIMEOUT(redis, replica, APP_TEST_SECONDS)
{
	struct app *replica = &self->client;
	struct app *cli = calloc(1, sizeof(*cli));

	ASSERT_NE(NULL, cli);
	ASSERT_EQ(0, app_file(VALUE, VALUE_SIZE, 7));
	ASSERT_EQ(0, app_run_io(cli, ON_PARLEY("redis-cli", "-x", "SET", "key"),
				VALUE, NULL));
	ASSERT_EQ(0, app_start(replica,
			       ON_PARLEY("redis-server", "--port", "6380",
					 "--bind", "127.0.0.1", "--save", "",
					 "--dir", APP_DIR,
					 "--repl-diskless-load", "swapdb",
					 "--replicaof", "127.0.0.1", PORT)));
	ASSERT_EQ(0, app_ready(replica, "MASTER <-> REPLICA sync: Finished"));
	ASSERT_EQ(0, app_run_io(cli, ON_PARLEY("redis-cli", "-p", "6380",
					       "--raw", "GET", "key"),
				NULL, GOT));
	ASSERT_EQ(0, truncate(GOT, VALUE_SIZE));
	EXPECT_TRUE(app_same(VALUE, GOT));
	EXPECT_EQ(0, app_stop(replica, SIGTERM));
}

/* What is made for parley talks to it, and learns who it is. */
TEST_F_TIMEOUT(redis, native_client, APP_TEST_SECONDS)
{
	static const char ping[] = "PING\r\n", pong[] = "+PONG\r\n";
	socklen_t len = sizeof(struct ucred);
	struct ucred cred;
	char answer[32];
	int fd;

	fd = parley_socket(0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, test_connect(fd, "127.0.0.1", atoi(PORT)));
	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	EXPECT_EQ(self->server.pid, cred.pid);
	ASSERT_EQ(strlen(ping), send(fd, ping, strlen(ping), 0));
	ASSERT_EQ(strlen(pong), recv(fd, answer, strlen(pong), MSG_WAITALL));
	EXPECT_EQ(0, memcmp(pong, answer, strlen(pong)));
	close(fd);
}

TEST_HARNESS_MAIN
