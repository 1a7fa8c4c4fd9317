// SPDX-License-Identifier: GPL-2.0
/* What the fuzzer's calls do: data, and waiting for it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/parley.h>

#include "lib.h"
#include "lib_fuzz.h"

#define PIECES	16
#define PORT	7001

static size_t a_size(__u64 v)
{
	return v > FUZZ_BUF ? v % FUZZ_BUF : v;
}

/* @size bytes in @n pieces of one length, but for the last. */
static int pieces(struct fuzz_actor *a, struct iovec *iov, __u64 n, __u64 size)
{
	size_t left = a_size(size), each;
	unsigned int i;

	n %= PIECES + 1;
	each = n ? left / n : 0;
	for (i = 0; i < n; i++) {
		iov[i].iov_base = a->buf + i * each;
		iov[i].iov_len = i + 1 < n ? each : left - i * each;
	}
	return n;
}

long fuzz_do_send(struct fuzz_actor *a, const __u64 *v)
{
	struct parley_addr addr;
	int fd = fuzz_fd(a, v[0]);

	parley_addr(&addr, "127.0.0.1", PORT);
	if (v[3] & 1)
		return fuzz_result(sendto(fd, a->buf, a_size(v[1]), v[2] | MSG_NOSIGNAL,
					  &addr.sa, addr.len));
	return fuzz_result(send(fd, a->buf, a_size(v[1]), v[2]));
}

long fuzz_do_recv(struct fuzz_actor *a, const __u64 *v)
{
	size_t size = a_size(v[1]);
	long ret = fuzz_result(recv(fuzz_fd(a, v[0]), a->buf, size, v[2]));

	if (ret > (long)size && !(v[2] & MSG_TRUNC))
		fuzz_found(a->sh, "recv() of %zu bytes returned %ld", size, ret);
	return ret;
}

/* Control messages: some that there are, and some that are none. */
static void control(struct msghdr *msg, char *buf, size_t room, __u64 what)
{
	struct cmsghdr *c = (void *)buf;
	int fd = STDOUT_FILENO;

	if (!what)
		return;
	memset(buf, 0, room);
	msg->msg_control = buf;
	msg->msg_controllen = CMSG_SPACE(sizeof(fd));
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = what == 1 ? SCM_RIGHTS : what == 2 ? SCM_CREDENTIALS : 0x29;
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (what == 4)
		c->cmsg_len = 3;
}

long fuzz_do_sendmsg(struct fuzz_actor *a, const __u64 *v)
{
	struct iovec iov[PIECES];
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = pieces(a, iov, v[3], v[1]),
	};
	char buf[CMSG_SPACE(64)];

	control(&msg, buf, sizeof(buf), v[4] % 5);
	return fuzz_result(sendmsg(fuzz_fd(a, v[0]), &msg, v[2]));
}

long fuzz_do_recvmsg(struct fuzz_actor *a, const __u64 *v)
{
	struct iovec iov[PIECES];
	char buf[CMSG_SPACE(64)];
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = pieces(a, iov, v[3], v[1]),
		.msg_control = buf,
		.msg_controllen = sizeof(buf),
	};
	long ret = fuzz_result(recvmsg(fuzz_fd(a, v[0]), &msg, v[2]));

	if (ret > (long)a_size(v[1]) && !(v[2] & MSG_TRUNC))
		fuzz_found(a->sh, "recvmsg() of %zu bytes returned %ld", a_size(v[1]), ret);
	return ret;
}

static int messages(struct fuzz_actor *a, struct mmsghdr *m, struct iovec *iov, const __u64 *v)
{
	unsigned int i, n = v[3] % (PIECES + 1);

	memset(m, 0, n * sizeof(*m));
	for (i = 0; i < n; i++) {
		iov[i].iov_base = a->buf;
		iov[i].iov_len = a_size(v[1]);
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	return n;
}

long fuzz_do_sendmmsg(struct fuzz_actor *a, const __u64 *v)
{
	struct mmsghdr m[PIECES];
	struct iovec iov[PIECES];
	int n = messages(a, m, iov, v);

	return fuzz_result(sendmmsg(fuzz_fd(a, v[0]), m, n, v[2]));
}

long fuzz_do_recvmmsg(struct fuzz_actor *a, const __u64 *v)
{
	struct timespec ts = { .tv_nsec = 1000000 };
	struct mmsghdr m[PIECES];
	struct iovec iov[PIECES];
	int n = messages(a, m, iov, v);

	return fuzz_result(recvmmsg(fuzz_fd(a, v[0]), m, n, v[2], &ts));
}

long fuzz_do_write(struct fuzz_actor *a, const __u64 *v)
{
	struct iovec iov[PIECES];
	int n = pieces(a, iov, v[2], v[1]);
	int fd = fuzz_fd(a, v[0]);

	if (!n)
		return fuzz_result(write(fd, a->buf, a_size(v[1])));
	/* Half of it, and then a page that is not there. */
	if (v[3] == 7)
		iov[n - 1].iov_base = NULL;
	return fuzz_result(writev(fd, iov, n));
}

long fuzz_do_read(struct fuzz_actor *a, const __u64 *v)
{
	struct iovec iov[PIECES];
	int n = pieces(a, iov, v[2], v[1]);
	int fd = fuzz_fd(a, v[0]);

	if (!n)
		return fuzz_result(read(fd, a->buf, a_size(v[1])));
	if (v[3] == 7)
		iov[n - 1].iov_base = NULL;
	return fuzz_result(readv(fd, iov, n));
}

long fuzz_do_pipe(struct fuzz_actor *a, const __u64 *v)
{
	int fd[2];
	long ret = fuzz_result(pipe2(fd, O_CLOEXEC | O_NONBLOCK));

	if (ret < 0)
		return ret;
	if (v[2] && write(fd[1], a->buf, a_size(v[2])) < 0)
		ret = 1;
	fuzz_keep(a, v[0], fd[0], 0);
	return fuzz_keep(a, v[1], fd[1], 0);
}

long fuzz_do_splice(struct fuzz_actor *a, const __u64 *v)
{
	int sock = fuzz_fd(a, v[0]), pipe = fuzz_fd(a, v[1]);

	if (v[2] & 1)
		return fuzz_result(splice(sock, NULL, pipe, NULL, a_size(v[3]), v[4]));
	return fuzz_result(splice(pipe, NULL, sock, NULL, a_size(v[3]), v[4]));
}

long fuzz_do_sendfile(struct fuzz_actor *a, const __u64 *v)
{
	int file = memfd_create("fuzz", MFD_CLOEXEC);
	off_t at = 0;
	long ret;

	if (file < 0 || ftruncate(file, 100000))
		ret = fuzz_result(-1);
	else
		ret = fuzz_result(sendfile(fuzz_fd(a, v[0]), file, &at, a_size(v[1])));
	if (file >= 0)
		close(file);
	return ret;
}

long fuzz_do_queue(struct fuzz_actor *a, const __u64 *v)
{
	/* Room for what other requests may write. */
	memset(a->buf, 0, 4096);
	return fuzz_result(ioctl(fuzz_fd(a, v[0]), v[1], v[2] & 1 ? NULL : a->buf));
}

long fuzz_do_poll(struct fuzz_actor *a, const __u64 *v)
{
	struct pollfd pfd = { .fd = fuzz_fd(a, v[0]), .events = v[1] };

	return fuzz_result(poll(&pfd, 1, v[2] % 10));
}

long fuzz_do_epoll(struct fuzz_actor *a, const __u64 *v)
{
	return fuzz_keep(a, v[0], fuzz_result(epoll_create1(EPOLL_CLOEXEC)), 0);
}

long fuzz_do_epoll_ctl(struct fuzz_actor *a, const __u64 *v)
{
	struct epoll_event ev = { .events = v[3] };

	return fuzz_result(epoll_ctl(fuzz_fd(a, v[0]), v[2], fuzz_fd(a, v[1]), &ev));
}

long fuzz_do_epoll_wait(struct fuzz_actor *a, const __u64 *v)
{
	struct epoll_event ev[4];

	return fuzz_result(epoll_wait(fuzz_fd(a, v[0]), ev, ARRAY_SIZE(ev), v[1] % 10));
}
