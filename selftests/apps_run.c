// SPDX-License-Identifier: GPL-2.0
/*
 * parley-run itself: which sockets become parley's, which programs it refuses,
 * what it exits with, how it finds its library, and what happens where there
 * is no parley.
 */
#include "kselftest_harness.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "lib.h"
#include "lib_apps.h"
#include "lib_module.h"

#define PROBE		"apps-probe"
#define PROBE_PATH	"/bin/" PROBE
#define LIBRARY		"/bin/libparley-preload.so"
#define WARNING		"AF_PARLEY is not available"

FIXTURE(run) {
	struct app app;
};

FIXTURE_SETUP(run)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_EQ(0, apps_begin());
}

FIXTURE_TEARDOWN(run)
{
	module_load();
	EXPECT_EQ(0, apps_end());
	EXPECT_EQ(0, parley_expect_clean());
}

#define RUN(...)	app_run(&self->app, APP(__VA_ARGS__))
#define SAID(word)	app_said(&self->app, word)
#define SHOW()		TH_LOG("%s", self->app.text)

/* How often @word is in the output. */
static int times(const struct app *a, const char *word)
{
	const char *at = a->text;
	int n = 0;

	for (; (at = strstr(at, word)); at += strlen(word))
		n++;
	return n;
}

/* The probe names each kind of socket, and the family that it got. */
TEST_F_TIMEOUT(run, sockets, APP_TEST_SECONDS)
{
	ASSERT_EQ(0, RUN(PROBE));
	EXPECT_EQ(0, times(&self->app, "parley")) {
		SHOW();
	}
	ASSERT_EQ(0, RUN("parley-run", PROBE));
	EXPECT_EQ(8, times(&self->app, "tcp is parley")) {
		SHOW();
	}
	EXPECT_EQ(8, times(&self->app, "is parley"));
	EXPECT_TRUE(SAID("flags kept"));
	EXPECT_TRUE(SAID("errno kept"));
	EXPECT_FALSE(SAID(WARNING));
}

/* Without the module: TCP, and one word about it. */
TEST_F_TIMEOUT(run, falls_back, APP_TEST_SECONDS)
{
	ASSERT_TRUE(module_unload_in_time());
	ASSERT_EQ(0, RUN("parley-run", PROBE));
	EXPECT_EQ(1, times(&self->app, WARNING)) {
		SHOW();
	}
	EXPECT_EQ(1, times(&self->app, "parley-run:"));
	EXPECT_FALSE(SAID("is parley"));
	EXPECT_TRUE(SAID("flags kept"));
	EXPECT_TRUE(SAID("errno kept"));
	/* One for a whole tree of processes. */
	ASSERT_EQ(0, RUN("parley-run", PROBE, "twice"));
	EXPECT_EQ(1, times(&self->app, WARNING));
	ASSERT_EQ(0, RUN("parley-run", "--quiet", PROBE));
	EXPECT_FALSE(SAID(WARNING));
	EXPECT_FALSE(SAID("is parley"));
	EXPECT_EQ(125, RUN("parley-run", "--require", PROBE));
	EXPECT_TRUE(SAID("AF_PARLEY"));
	EXPECT_FALSE(SAID("tcp is"));
}

/* The library by itself: one word from each process. */
TEST_F_TIMEOUT(run, library_falls_back, APP_TEST_SECONDS)
{
	ASSERT_TRUE(module_unload_in_time());
	ASSERT_EQ(0, RUN("/bin/busybox", "env", "LD_PRELOAD=" LIBRARY, PROBE));
	EXPECT_EQ(1, times(&self->app, WARNING)) {
		SHOW();
	}
	ASSERT_EQ(0, RUN("/bin/busybox", "env", "LD_PRELOAD=" LIBRARY,
			 "PARLEY_RUN=quiet", PROBE));
	EXPECT_FALSE(SAID(WARNING));
	ASSERT_EQ(0, RUN("/bin/busybox", "env", "LD_PRELOAD=" LIBRARY,
			 "PARLEY_RUN=require", PROBE));
	EXPECT_EQ(8, times(&self->app, "tcp is refused"));
	EXPECT_FALSE(SAID(WARNING));
	/* Standard error may be somebody's connection. */
	ASSERT_EQ(0, RUN("/bin/busybox", "env", "LD_PRELOAD=" LIBRARY, PROBE,
			 "served"));
	EXPECT_TRUE(SAID("not a word")) {
		SHOW();
	}
}

TEST_F_TIMEOUT(run, exit_codes, APP_TEST_SECONDS)
{
	EXPECT_EQ(7, RUN("parley-run", PROBE, "exit", "7"));
	EXPECT_EQ(127, RUN("parley-run", "no-such-program"));
	EXPECT_TRUE(SAID("parley-run: no-such-program: No such file"));
	EXPECT_EQ(127, RUN("parley-run", "/no/such/program"));
	EXPECT_EQ(127, RUN("parley-run", ""));
	EXPECT_EQ(126, RUN("parley-run", "/etc/passwd"));
	EXPECT_TRUE(SAID("/etc/passwd: Permission denied"));
	EXPECT_EQ(126, RUN("parley-run", "/etc"));
	EXPECT_EQ(125, RUN("parley-run"));
	EXPECT_TRUE(SAID("which program?"));
	EXPECT_EQ(125, RUN("parley-run", "--no-such-option", PROBE));
	EXPECT_TRUE(SAID("--help"));
	/* What comes after the program is the program's. */
	EXPECT_EQ(0, RUN("parley-run", "--", PROBE, "--help"));
	EXPECT_TRUE(SAID("tcp is parley"));
}

TEST_F_TIMEOUT(run, tells, APP_TEST_SECONDS)
{
	EXPECT_EQ(0, RUN("parley-run", "--help"));
	EXPECT_TRUE(SAID("Usage: parley-run") && SAID("--list"));
	EXPECT_EQ(0, RUN("parley-run", "--list"));
	EXPECT_TRUE(SAID("static") && SAID("setuid") && SAID("io_uring") &&
		    SAID("ENETUNREACH") && SAID("TCP_INFO"));
	EXPECT_EQ(0, RUN("parley-run", "--version"));
	EXPECT_TRUE(SAID("parley-run "));
	EXPECT_EQ(125, app_run_io(&self->app, APP("parley-run", "--list"), NULL,
				  "/dev/full"));
}

/* What is preloaded already stays, in front. */
TEST_F_TIMEOUT(run, appends, APP_TEST_SECONDS)
{
	ASSERT_EQ(0, RUN("parley-run", PROBE, "env"));
	EXPECT_TRUE(SAID("LD_PRELOAD=" LIBRARY "\n")) {
		SHOW();
	}
	ASSERT_EQ(0, RUN("/bin/busybox", "env", "LD_PRELOAD=libm.so.6 libz.so.1",
			 "parley-run", PROBE, "env"));
	EXPECT_TRUE(SAID("LD_PRELOAD=libm.so.6 libz.so.1:" LIBRARY "\n"));
	ASSERT_EQ(0, RUN("/bin/busybox", "env", "LD_PRELOAD=", "parley-run",
			 PROBE, "env"));
	EXPECT_TRUE(SAID("LD_PRELOAD=" LIBRARY "\n"));
	/* Twice is not better. */
	ASSERT_EQ(0, RUN("/bin/busybox", "env",
			 "LD_PRELOAD=libm.so.6:" LIBRARY, "parley-run", PROBE,
			 "env"));
	EXPECT_TRUE(SAID("LD_PRELOAD=libm.so.6:" LIBRARY "\n"));
}

TEST_F_TIMEOUT(run, finds_its_library, APP_TEST_SECONDS)
{
	static const char copy[] = APP_DIR "/bin/parley-run";

	ASSERT_EQ(0, RUN("parley-run", "--library", LIBRARY, PROBE));
	EXPECT_TRUE(SAID("tcp is parley"));
	EXPECT_EQ(125, RUN("parley-run", "--library", "/no/lib.so", PROBE));
	EXPECT_TRUE(SAID("/no/lib.so: No such file"));
	ASSERT_EQ(0, symlink(LIBRARY, APP_DIR "/two words.so"));
	ASSERT_EQ(0, mkdir(APP_DIR "/a:b", 0755));
	ASSERT_EQ(0, RUN("/bin/busybox", "cp", LIBRARY, APP_DIR "/a:b/"));
	EXPECT_EQ(125, RUN("parley-run", "--library",
			   APP_DIR "/a:b/libparley-preload.so", PROBE));
	EXPECT_TRUE(SAID("colons"));
	/* A link is followed, its own name does not matter. */
	EXPECT_EQ(0, RUN("parley-run", "--library", APP_DIR "/two words.so",
			 PROBE, "env"));
	EXPECT_TRUE(SAID("LD_PRELOAD=" LIBRARY "\n"));

	/* As it is installed: below the same prefix, or nowhere. */
	ASSERT_EQ(0, mkdir(APP_DIR "/bin", 0755));
	ASSERT_EQ(0, RUN("/bin/busybox", "cp", "/bin/parley-run", copy));
	EXPECT_EQ(125, RUN(copy, PROBE));
	EXPECT_TRUE(SAID("lib/parley/libparley-preload.so: No such file")) {
		SHOW();
	}
	ASSERT_EQ(0, RUN("/bin/busybox", "mkdir", "-p", APP_DIR "/lib/parley"));
	ASSERT_EQ(0, RUN("/bin/busybox", "cp", LIBRARY, APP_DIR "/lib/parley/"));
	EXPECT_EQ(0, RUN(copy, PROBE, "env"));
	EXPECT_TRUE(SAID("LD_PRELOAD=" APP_DIR
			 "/lib/parley/libparley-preload.so\n"));
}

TEST_F_TIMEOUT(run, refuses_static, APP_TEST_SECONDS)
{
	EXPECT_EQ(126, RUN("parley-run", "/bin/busybox", "true"));
	EXPECT_TRUE(SAID("/bin/busybox is statically linked")) {
		SHOW();
	}
	/* What a script runs counts. */
	ASSERT_EQ(0, app_text(APP_DIR "/script",
			      "#! /bin/busybox sh\ntrue\n"));
	ASSERT_EQ(0, chmod(APP_DIR "/script", 0755));
	EXPECT_EQ(126, RUN("parley-run", APP_DIR "/script"));
	EXPECT_TRUE(SAID("/bin/busybox is statically linked"));
	ASSERT_EQ(0, app_text(APP_DIR "/script", "#!" PROBE_PATH "\n"));
	EXPECT_EQ(0, RUN("parley-run", APP_DIR "/script"));
	EXPECT_TRUE(SAID("tcp is parley"));
}

TEST_F_TIMEOUT(run, refuses_other_machines, APP_TEST_SECONDS)
{
	static const char path[] = APP_DIR "/other";
	int fd;

	ASSERT_EQ(0, RUN("/bin/busybox", "cp", PROBE_PATH, path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	/* e_machine: 40 is ARM's */
	ASSERT_EQ(1, pwrite(fd, "\x28", 1, 18));
	close(fd);
	EXPECT_EQ(126, RUN("parley-run", path));
	EXPECT_TRUE(SAID("another machine"));
}

/* Where the loader would say nothing at all. */
TEST_F_TIMEOUT(run, refuses_privileged, APP_TEST_SECONDS)
{
	static const char path[] = APP_DIR "/privileged";

	ASSERT_EQ(0, RUN("/bin/busybox", "cp", PROBE_PATH, path));
	ASSERT_EQ(0, chown(path, 1234, 1235));
	ASSERT_EQ(0, chmod(path, 04755));
	EXPECT_EQ(126, RUN("parley-run", path));
	EXPECT_TRUE(SAID("is setuid"));
	ASSERT_EQ(0, chmod(path, 02755));
	EXPECT_EQ(126, RUN("parley-run", path));
	EXPECT_TRUE(SAID("is setgid"));
	/* Whose it is it does not change. */
	ASSERT_EQ(0, chown(path, 0, 0));
	ASSERT_EQ(0, chmod(path, 06755));
	EXPECT_EQ(0, RUN("parley-run", path));
	EXPECT_TRUE(SAID("tcp is parley"));
}

TEST_HARNESS_MAIN
