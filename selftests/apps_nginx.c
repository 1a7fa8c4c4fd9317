// SPDX-License-Identifier: GPL-2.0
/*
 * nginx on parley: downloads with sendfile and without, uploads, many
 * connections at a time; and behind HAProxy, which speaks TLS to the clients.
 */
#include "kselftest_harness.h"

#include <signal.h>
#include <sys/stat.h>

#include "lib.h"
#include "lib_apps.h"
#include "lib_race.h"

#define WWW		APP_DIR "/www"
#define FILE_SIZE	(race_scale(8) << 20)
#define SMALL_SIZE	4000
#define SITE		"http://127.0.0.1:8080"

static const char config[] =
"daemon off;\n"
"user root;\n"
"worker_processes 2;\n"
"pid " APP_DIR "/nginx.pid;\n"
"error_log stderr notice;\n"
"events { worker_connections 256; }\n"
"http {\n"
"	access_log off;\n"
"	client_body_temp_path " APP_DIR "/body;\n"
"	proxy_temp_path " APP_DIR "/proxy;\n"
"	fastcgi_temp_path " APP_DIR "/fastcgi;\n"
"	uwsgi_temp_path " APP_DIR "/uwsgi;\n"
"	scgi_temp_path " APP_DIR "/scgi;\n"
"	client_max_body_size 100m;\n"
"	keepalive_requests 1000000;\n"
"	server {\n"
"		listen 127.0.0.1:8080 backlog=500 so_keepalive=60:10:5 deferred;\n"
"		listen [::1]:8080;\n"
"		root " WWW ";\n"
"		tcp_nopush on;\n"
"		reset_timedout_connection on;\n"
"		location / { sendfile on; }\n"
"		location /plain/ { alias " WWW "/; sendfile off; }\n"
"		location /up/ { dav_methods PUT; create_full_put_path on; }\n"
"		location /info { return 200 \"$remote_addr $tcpinfo_rtt\\n\"; }\n"
"		location /proxy/ {\n"
"			proxy_pass http://[::1]:8080/;\n"
"			proxy_max_temp_file_size 0;\n"
"		}\n"
"	}\n"
"}\n";

FIXTURE(nginx) {
	struct app server;
	struct app client;
	struct app haproxy;
};

FIXTURE_SETUP(nginx)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, apps_begin());
	ASSERT_EQ(0, mkdir(WWW, 0777));
	ASSERT_EQ(0, app_file(WWW "/file", FILE_SIZE, 1));
	ASSERT_EQ(0, app_file(WWW "/small", SMALL_SIZE, 2));
	ASSERT_EQ(0, app_text(APP_DIR "/nginx.conf", config));
	ASSERT_EQ(0, app_start(&self->server,
			       ON_PARLEY("nginx", "-p", APP_DIR, "-e", "stderr",
					 "-c", APP_DIR "/nginx.conf")));
	ASSERT_EQ(0, app_ready(&self->server, "start worker process "));
}

FIXTURE_TEARDOWN(nginx)
{
	EXPECT_EQ(0, app_stop(&self->server, SIGQUIT));
	EXPECT_FALSE(app_said(&self->server, "[alert]") ||
		     app_said(&self->server, "[error]") ||
		     app_said(&self->server, "[crit]") ||
		     app_said(&self->server, "[warn]")) {
		TH_LOG("%s", self->server.text);
	}
	EXPECT_LT(0, apps_on_parley());
	EXPECT_EQ(0, apps_end());
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F_TIMEOUT(nginx, downloads, APP_TEST_SECONDS)
{
	static const char *const urls[] = {
		SITE "/file", SITE "/plain/file", "http://[::1]:8080/file",
		SITE "/proxy/file",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(urls); i++) {
		EXPECT_EQ(0, app_run(&self->client,
				     ON_PARLEY("curl", "-sSf", "-o",
					       APP_DIR "/got", urls[i])));
		EXPECT_TRUE(app_same(WWW "/file", APP_DIR "/got"))
			TH_LOG("%s: %s", urls[i], self->client.text);
		unlink(APP_DIR "/got");
	}
}

TEST_F_TIMEOUT(nginx, uploads, APP_TEST_SECONDS)
{
	EXPECT_EQ(0, app_run(&self->client,
			     ON_PARLEY("curl", "-sSf", "-T", WWW "/file",
				       SITE "/up/file")));
	EXPECT_TRUE(app_same(WWW "/file", WWW "/up/file"));
	EXPECT_FALSE(app_said(&self->client, "curl"));
}

TEST_F_TIMEOUT(nginx, what_it_knows, APP_TEST_SECONDS)
{
	EXPECT_EQ(0, app_run(&self->client,
			     ON_PARLEY("curl", "-sSf", SITE "/info")));
	EXPECT_TRUE(app_said(&self->client, "127.0.0.1 0"));
}

/*
 * wrk runs for a time, not for a number of requests; where all is slow, it
 * gets more of it. It shows a line about socket errors and other answers if
 * there were any.
 */
TEST_F_TIMEOUT(nginx, wrk, APP_TEST_SECONDS)
{
	unsigned int connections = race_scale(50), seconds;
	char c[16], d[16];

	snprintf(c, sizeof(c), "%u", connections);
	for (seconds = 2; seconds < 100; seconds *= 3) {
		snprintf(d, sizeof(d), "%us", seconds);
		ASSERT_EQ(0, app_run(&self->client,
				     ON_PARLEY("wrk", "-t", "2", "-c", c, "-d",
					       d, "--timeout", "100s",
					       SITE "/small")));
		if (app_number(&self->client, "Requests/sec") > 0 &&
		    apps_on_parley() >= connections)
			break;
	}
	EXPECT_GT(100, seconds);
	EXPECT_FALSE(app_said(&self->client, "rror") ||
		     app_said(&self->client, "Non-2xx")) {
		TH_LOG("%s", self->client.text);
	}
}

/* Nobody is there: as with TCP. */
TEST_F_TIMEOUT(nginx, no_server, APP_TEST_SECONDS)
{
	/* 7: could not connect */
	EXPECT_EQ(7, app_run(&self->client,
			     ON_PARLEY("curl", "-sS", "http://127.0.0.1:8081/")));
	EXPECT_TRUE(app_said(&self->client, "Connection refused") ||
		    app_said(&self->client, "Couldn't connect"))
		TH_LOG("%s", self->client.text);
	EXPECT_EQ(7, app_run(&self->client,
			     ON_PARLEY("curl", "-sS", "http://192.0.2.1/")));
	EXPECT_EQ(0, app_run(&self->client,
			     ON_PARLEY("curl", "-sSf", "-o", "/dev/null",
				       SITE "/small")));
}

static const char haproxy_config[] =
"global\n"
"	log stderr format raw daemon notice\n"
"	ssl-server-verify none\n"
"defaults\n"
"	mode http\n"
"	timeout connect 60s\n"
"	timeout client 60s\n"
"	timeout server 60s\n"
"	timeout check 60s\n"
"	option splice-auto\n"
"	option tcp-smart-accept\n"
"	option tcp-smart-connect\n"
"frontend secure\n"
"	bind 127.0.0.1:8443 ssl crt " APP_DIR "/both.pem alpn h2,http/1.1\n"
"	default_backend site\n"
"frontend plain\n"
"	mode tcp\n"
"	bind [::1]:8000 v6only\n"
"	default_backend raw\n"
"backend site\n"
"	option httpchk GET /small\n"
"	server nginx 127.0.0.1:8080 check inter 500ms\n"
"backend raw\n"
"	mode tcp\n"
"	server nginx [::1]:8080\n";

#define OPENSSL_CONFIG	APP_DIR "/openssl.cnf"

static int make_certificate(struct app *a)
{
	int err;

	err = app_text(OPENSSL_CONFIG,
		       "[req]\ndistinguished_name=dn\n[dn]\n");
	if (err)
		return err;
	err = app_run(a, APP("openssl", "req", "-x509", "-config",
			     OPENSSL_CONFIG, "-newkey", "ec", "-pkeyopt",
			     "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
			     "/CN=127.0.0.1", "-addext",
			     "subjectAltName=IP:127.0.0.1", "-days", "3650",
			     "-keyout", APP_DIR "/both.pem", "-out",
			     APP_DIR "/cert.pem"));
	if (err)
		return err;
	return app_run(a, APP("/bin/busybox", "sh", "-c",
			      "cat " APP_DIR "/cert.pem >>" APP_DIR
			      "/both.pem"));
}

/* TLS, HTTP/2 on one side and HTTP/1.1 on the other, and plain splicing. */
TEST_F_TIMEOUT(nginx, behind_haproxy, APP_TEST_SECONDS)
{
	struct app *haproxy = &self->haproxy;

	ASSERT_EQ(0, make_certificate(&self->client)) {
		TH_LOG("%s", self->client.text);
	}
	ASSERT_EQ(0, app_text(APP_DIR "/haproxy.cfg", haproxy_config));
	ASSERT_EQ(0, app_start(haproxy,
			       ON_PARLEY("haproxy", "-W", "-db", "-f",
					 APP_DIR "/haproxy.cfg")));
	ASSERT_EQ(0, app_ready(haproxy, "Loading success"));
	EXPECT_EQ(0, app_run(&self->client,
			     ON_PARLEY("curl", "-sSf", "--cacert",
				       APP_DIR "/cert.pem", "-o",
				       APP_DIR "/got",
				       "https://127.0.0.1:8443/file")));
	EXPECT_TRUE(app_same(WWW "/file", APP_DIR "/got"))
		TH_LOG("%s", self->client.text);
	EXPECT_EQ(0, app_run(&self->client,
			     ON_PARLEY("curl", "-sSf", "-o", APP_DIR "/got2",
				       "http://[::1]:8000/file")));
	EXPECT_TRUE(app_same(WWW "/file", APP_DIR "/got2"))
		TH_LOG("%s", self->client.text);
	EXPECT_EQ(0, app_run(&self->client,
			     ON_PARLEY("curl", "-sSf", "--cacert",
				       APP_DIR "/cert.pem", "-T", WWW "/file",
				       "https://127.0.0.1:8443/up/tls")));
	EXPECT_TRUE(app_same(WWW "/file", WWW "/up/tls"))
		TH_LOG("%s", self->client.text);
	/* It has asked the server whether it is well, and used it. */
	EXPECT_EQ(0, app_stop(haproxy, SIGUSR1));
	EXPECT_FALSE(app_said(haproxy, "is DOWN") ||
		     app_said(haproxy, "[ALERT]")) {
		TH_LOG("%s", haproxy->text);
	}
}

TEST_HARNESS_MAIN
