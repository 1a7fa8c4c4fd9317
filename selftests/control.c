// SPDX-License-Identifier: GPL-2.0
/*
 * What a message has besides its bytes: control messages, of which none gets
 * across, and none is lost without a word.
 */
#include "kselftest_harness.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "lib.h"

#define PORT	7650

FIXTURE(control) {
	int l;
	int fd[2];
};

FIXTURE_SETUP(control)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->l = parley_listener("127.0.0.1", PORT, 4);
	ASSERT_LE(0, self->l);
	ASSERT_EQ(0, parley_pair(self->l, self->fd));
}

FIXTURE_TEARDOWN(control)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* One byte with a control message of that kind and stated length */
static long say(int fd, int level, int type, size_t len)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(struct ucred))];
	} u = {};
	struct iovec iov = { "x", 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &u, .msg_controllen = sizeof(u),
	};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
	long n;

	cm->cmsg_level = level;
	cm->cmsg_type = type;
	cm->cmsg_len = len;
	n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

static bool quiet(int fd)
{
	return !parley_revents(fd, POLLIN);
}

TEST_F(control, not_passed)
{
	int fd = self->fd[0];

	EXPECT_EQ(-EOPNOTSUPP, say(fd, SOL_SOCKET, SCM_RIGHTS,
				   CMSG_LEN(sizeof(int))));
	EXPECT_EQ(-EOPNOTSUPP, say(fd, SOL_SOCKET, SCM_CREDENTIALS,
				   CMSG_LEN(sizeof(struct ucred))));
	EXPECT_TRUE(quiet(self->fd[1]));
	EXPECT_TRUE(parley_talks(fd, self->fd[1]));
}

TEST_F(control, unknown)
{
	int fd = self->fd[0];

	EXPECT_EQ(-EINVAL, say(fd, SOL_SOCKET, 999, CMSG_LEN(sizeof(int))));
	EXPECT_TRUE(quiet(self->fd[1]));
	/* Of another protocol: not ours to judge, as everywhere. */
	EXPECT_EQ(1, say(fd, IPPROTO_IP, 1, CMSG_LEN(sizeof(int))));
	EXPECT_EQ(1, say(fd, SOL_SOCKET, SO_MARK, CMSG_LEN(sizeof(int))));
	EXPECT_EQ(-EINVAL, say(fd, SOL_SOCKET, SO_MARK, CMSG_LEN(1)));
}

TEST_F(control, malformed)
{
	size_t i;

	for (i = 0; i < sizeof(struct cmsghdr); i++)
		EXPECT_EQ(-EINVAL, say(self->fd[0], IPPROTO_IP, 1, i));
	EXPECT_EQ(-EINVAL, say(self->fd[0], SOL_SOCKET, SCM_RIGHTS, 4096));
	EXPECT_EQ(-EINVAL, say(self->fd[0], SOL_SOCKET, SCM_RIGHTS, -1));
	EXPECT_TRUE(quiet(self->fd[1]));
}

/* Programs ask after each piece whether urgent data came before it. */
TEST_F(control, no_mark)
{
	int at = -1;

	ASSERT_EQ(0, ioctl(self->fd[0], SIOCATMARK, &at));
	EXPECT_EQ(0, at);
	EXPECT_EQ(0, sockatmark(self->fd[1]));
	EXPECT_EQ(-1, ioctl(self->fd[0], SIOCATMARK, (void *)1));
	EXPECT_EQ(EFAULT, errno);
}

TEST_HARNESS_MAIN
