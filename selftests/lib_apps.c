// SPDX-License-Identifier: GPL-2.0
/* Programs of others under parley-run; see lib_apps.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"
#include "lib_apps.h"
#include "lib_race.h"

#define APPS_MAX	8

/* Those that run: nothing outlives a test, however that ends. */
static pid_t running[APPS_MAX];

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	return remove(path);
}

int apps_begin(void)
{
	nftw(APP_DIR, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return mkdir(APP_DIR, 0777) ? -errno : 0;
}

int apps_end(void)
{
	int i;

	for (i = 0; i < APPS_MAX; i++) {
		if (!running[i])
			continue;
		kill(-running[i], SIGKILL);
		waitpid(running[i], NULL, 0);
		running[i] = 0;
	}
	nftw(APP_DIR, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static void note_running(pid_t old, pid_t new)
{
	int i;

	for (i = 0; i < APPS_MAX; i++) {
		if (running[i] != old)
			continue;
		running[i] = new;
		return;
	}
}

static void print_output(const struct app *a, const char *what)
{
	const char *at = a->text, *end;

	printf("# %s; the program said:\n", what);
	for (; *at; at = end + !!*end) {
		end = strchrnul(at, '\n');
		printf("#   %.*s\n", (int)(end - at), at);
	}
	fflush(stdout);
}

/* In the child: what a program started by a person would have. */
static void become(const char *const argv[], int out, const char *in_path,
		   const char *out_path)
{
	int in = open(in_path ?: "/dev/null", O_RDONLY);
	int to = out;

	if (out_path)
		to = open(out_path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (in < 0 || to < 0 || dup2(in, 0) < 0 || dup2(to, 1) < 0 ||
	    dup2(out, 2) < 0)
		_exit(124);
	/* Whatever the harness has for itself stays here. */
	syscall(SYS_close_range, 3, ~0U, 0);
	signal(SIGPIPE, SIG_DFL);
	setenv("PATH", "/bin:/usr/bin", 1);
	setenv("HOME", APP_DIR, 1);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static int start_io(struct app *a, const char *const argv[], const char *in,
		    const char *out)
{
	pid_t parent = getpid();
	int fd[2];

	a->len = 0;
	a->text[0] = 0;
	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	fcntl(fd[0], F_SETPIPE_SZ, APP_OUTPUT_MAX);
	a->pid = fork();
	if (a->pid < 0)
		return -errno;
	if (!a->pid) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(124);
		become(argv, fd[1], in, out);
	}
	setpgid(a->pid, a->pid);
	close(fd[1]);
	a->out = fd[0];
	note_running(0, a->pid);
	return 0;
}

int app_start(struct app *a, const char *const argv[])
{
	return start_io(a, argv, NULL, NULL);
}

/* One more piece of output. Return: 1, 0 at the end of it, -ETIME. */
static int read_output(struct app *a, unsigned long long deadline)
{
	struct pollfd p = { .fd = a->out, .events = POLLIN };
	unsigned long long now = parley_now_ns();
	char waste[4096];
	ssize_t n;

	n = poll(&p, 1, now < deadline ? (deadline - now) / 1000000 + 1 : 0);
	if (n <= 0)
		return n ? -errno : -ETIME;
	if (a->len + 1 < sizeof(a->text))
		n = read(a->out, a->text + a->len,
			 sizeof(a->text) - 1 - a->len);
	else
		n = read(a->out, waste, sizeof(waste));
	if (n <= 0)
		return n ? -errno : 0;
	if (a->len + 1 < sizeof(a->text)) {
		a->len += n;
		a->text[a->len] = 0;
	}
	return 1;
}

static unsigned long long app_deadline(void)
{
	return parley_now_ns() + APP_BOUND_MS * 1000000ULL;
}

int app_ready(struct app *a, const char *word)
{
	unsigned long long deadline = app_deadline();
	int ret = 1;

	while (!app_said(a, word) && ret > 0)
		ret = read_output(a, deadline);
	if (ret > 0)
		return 0;
	print_output(a, ret ? "it was not ready in time" : "it ended");
	return ret ?: -EPIPE;
}

/* Reads to the end of the output, and reaps. */
static int finish(struct app *a)
{
	unsigned long long deadline = app_deadline();
	int status, ret;

	do {
		ret = read_output(a, deadline);
	} while (ret > 0);
	close(a->out);
	if (ret) {
		print_output(a, "it did not end in time");
		kill(-a->pid, SIGKILL);
	}
	if (waitpid(a->pid, &status, 0) != a->pid)
		return -errno;
	note_running(a->pid, 0);
	if (ret)
		return ret;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int app_stop(struct app *a, int sig)
{
	int ret;

	if (kill(a->pid, sig))
		return -errno;
	ret = finish(a);
	if (ret && ret != 128 + sig)
		print_output(a, "it did not end well");
	return ret;
}

int app_run_io(struct app *a, const char *const argv[], const char *in,
	       const char *out)
{
	int ret = start_io(a, argv, in, out);

	return ret ?: finish(a);
}

int app_run(struct app *a, const char *const argv[])
{
	return app_run_io(a, argv, NULL, NULL);
}

bool app_said(const struct app *a, const char *word)
{
	return strstr(a->text, word);
}

double app_number(const struct app *a, const char *word)
{
	const char *at = a->text, *last = NULL;

	while ((at = strstr(at, word))) {
		at += strlen(word);
		last = at;
	}
	if (!last)
		return -1;
	last += strcspn(last, "0123456789");
	return *last ? strtod(last, NULL) : -1;
}

int app_file(const char *path, size_t size, unsigned int seed)
{
	struct race_random r;
	__u64 block[512];
	size_t i, n;
	int fd;

	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	race_random_init(&r, seed, 0);
	while (size) {
		for (i = 0; i < 512; i++)
			block[i] = race_random(&r);
		n = size < sizeof(block) ? size : sizeof(block);
		if (write(fd, block, n) != (ssize_t)n) {
			close(fd);
			return -EIO;
		}
		size -= n;
	}
	close(fd);
	return 0;
}

int app_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	ssize_t n = strlen(text);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, n) != n)
		err = -EIO;
	close(fd);
	return err;
}

static void *map(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st) || !st.st_size) {
		printf("# %s: nothing there\n", path);
		return MAP_FAILED;
	}
	*size = st.st_size;
	p = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return p;
}

/* Byte by byte: more than what checksums say. */
bool app_same(const char *a, const char *b)
{
	size_t na, nb, i = 0;
	unsigned char *pa = map(a, &na), *pb = map(b, &nb);
	bool same;

	if (pa == MAP_FAILED || pb == MAP_FAILED)
		return false;
	same = na == nb && !memcmp(pa, pb, na);
	if (!same) {
		while (i < na && i < nb && pa[i] == pb[i])
			i++;
		printf("# %s (%zu bytes) and %s (%zu) differ at %zu\n", a, na,
		       b, nb, i);
	}
	munmap(pa, na);
	munmap(pb, nb);
	return same;
}

/* Also those in TIME_WAIT: what was TCP does not go unseen. */
static bool tcp_in(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[512];
	int n = 0;

	if (!f)
		return errno != ENOENT;
	while (fgets(line, sizeof(line), f)) {
		/* Below a heading; a few are enough to see what they are. */
		if (n++ && n < 5)
			printf("# in %s: %s", path, line);
	}
	fclose(f);
	return n > 1;
}

long apps_on_parley(void)
{
	struct parley_stat st;

	if (tcp_in("/proc/self/net/tcp") || tcp_in("/proc/self/net/tcp6"))
		return -EPROTO;
	return parley_stat(&st) ?: st.established;
}
