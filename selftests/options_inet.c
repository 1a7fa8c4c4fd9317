// SPDX-License-Identifier: GPL-2.0
/*
 * Options of TCP and IP: programs made for TCP find those that they set, and
 * what they read back is what TCP says. TCP is beside it, to be compared with.
 */
#include "kselftest_harness.h"

#include <limits.h>
#include <linux/in6.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "lib.h"

#define PORT	5100

/* <netinet/in.h> and <linux/in.h> do not go together. */
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static const struct {
	char name[24];
	int level;
	int opt;
} kept[] = {
	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY },
	{ "TCP_CORK", IPPROTO_TCP, TCP_CORK },
	{ "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE },
	{ "TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL },
	{ "TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT },
	{ "TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT },
	{ "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT },
	{ "TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT },
	{ "IP_MTU_DISCOVER", IPPROTO_IP, IP_MTU_DISCOVER },
	{ "IP_RECVERR", IPPROTO_IP, IP_RECVERR },
	{ "IP_BIND_ADDRESS_NO_PORT", IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT },
	{ "IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS },
	{ "IPV6_MTU_DISCOVER", IPPROTO_IPV6, IPV6_MTU_DISCOVER },
	{ "IPV6_RECVERR", IPPROTO_IPV6, IPV6_RECVERR },
	{ "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS },
	{ "IP_TTL", IPPROTO_IP, IP_TTL },
	{ "IP_TOS", IPPROTO_IP, IP_TOS },
	/* From here on TCP says something else, see below. */
	{ "TCP_QUICKACK", IPPROTO_TCP, TCP_QUICKACK },
	{ "TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT },
	{ "TCP_FASTOPEN", IPPROTO_TCP, TCP_FASTOPEN },
	{ "TCP_FASTOPEN_CONNECT", IPPROTO_TCP, TCP_FASTOPEN_CONNECT },
};

#define KEPT		((int)ARRAY_SIZE(kept))
#define LIKE_TCP	17

FIXTURE(inet) {
	int parley;
	int tcp;
};

FIXTURE_SETUP(inet)
{
	ASSERT_EQ(0, parley_ns_enter());
	self->parley = parley_socket(0);
	ASSERT_LE(0, self->parley);
	self->tcp = socket(AF_INET6, SOCK_STREAM, 0);
	ASSERT_LE(0, self->tcp);
}

FIXTURE_TEARDOWN(inet)
{
	EXPECT_EQ(0, parley_expect_clean());
}

/* Every value that could be at a border: the same errors, the same answers. */
TEST_F(inet, like_tcp)
{
	static const int values[] = {
		INT_MIN, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 60, 126, 127, 128, 254,
		255, 256, 32766, 32767, 32768, 65535, 65536, INT_MAX,
	};
	unsigned int v;
	int i;

	for (i = 0; i < LIKE_TCP; i++) {
		EXPECT_EQ(parley_sockopt(self->tcp, kept[i].level, kept[i].opt),
			  parley_sockopt(self->parley, kept[i].level,
					 kept[i].opt))
			TH_LOG("%s at first", kept[i].name);
		for (v = 0; v < ARRAY_SIZE(values); v++) {
			EXPECT_EQ(parley_set_sockopt(self->tcp, kept[i].level,
						     kept[i].opt, values[v]),
				  parley_set_sockopt(self->parley,
						     kept[i].level, kept[i].opt,
						     values[v]))
				TH_LOG("%s to %d", kept[i].name, values[v]);
			EXPECT_EQ(parley_sockopt(self->tcp, kept[i].level,
						 kept[i].opt),
				  parley_sockopt(self->parley, kept[i].level,
						 kept[i].opt))
				TH_LOG("%s of %d", kept[i].name, values[v]);
		}
	}
}

/* A good one for all of them; flags make 1 of it. */
#define VALUE		4

static bool kept_value(int fd, int i)
{
	int value = parley_sockopt(fd, kept[i].level, kept[i].opt);

	return value == VALUE || value == 1;
}

/*
 * TCP rounds the time of TCP_DEFER_ACCEPT, forgets TCP_QUICKACK, and wants a
 * sysctl for fast open.
 */
TEST_F(inet, kept)
{
	int i;

	for (i = 0; i < KEPT; i++) {
		EXPECT_EQ(0, parley_set_sockopt(self->parley, kept[i].level,
						kept[i].opt, VALUE))
			TH_LOG("%s", kept[i].name);
		EXPECT_TRUE(kept_value(self->parley, i))
			TH_LOG("%s", kept[i].name);
	}
	EXPECT_EQ(0, parley_set_sockopt(self->parley, IPPROTO_TCP,
					TCP_DEFER_ACCEPT, -5));
	EXPECT_EQ(0, parley_sockopt(self->parley, IPPROTO_TCP,
				    TCP_DEFER_ACCEPT));
}

TEST_F(inet, taken_over)
{
	int pair[2], i, l = parley_listener("127.0.0.1", PORT, 1);

	ASSERT_LE(0, l);
	for (i = 0; i < KEPT; i++)
		ASSERT_EQ(0, parley_set_sockopt(l, kept[i].level, kept[i].opt,
						VALUE));
	ASSERT_EQ(0, parley_pair(l, pair));
	for (i = 0; i < KEPT; i++)
		EXPECT_TRUE(kept_value(pair[1], i))
			TH_LOG("%s", kept[i].name);
	EXPECT_EQ(0, parley_sockopt(pair[0], IPPROTO_TCP, TCP_NODELAY));
	EXPECT_TRUE(parley_talks(pair[0], pair[1]));
}

/* What would have to change something is refused, not ignored. */
TEST_F(inet, unknown)
{
	static const struct {
		int level;
		int opt;
	} no[] = {
		{ IPPROTO_TCP, TCP_CONGESTION }, { IPPROTO_TCP, TCP_ULP },
		{ IPPROTO_TCP, TCP_REPAIR }, { IPPROTO_TCP, TCP_MD5SIG },
		{ IPPROTO_TCP, TCP_SAVE_SYN }, { IPPROTO_TCP, TCP_MAXSEG },
		{ IPPROTO_IP, IP_FREEBIND }, { IPPROTO_IP, IP_TRANSPARENT },
		{ IPPROTO_IP, IP_OPTIONS }, { IPPROTO_IPV6, IPV6_PKTINFO },
		{ IPPROTO_TCP, 9999 }, { IPPROTO_UDP, 1 }, { 9999, 1 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(no); i++) {
		EXPECT_EQ(-ENOPROTOOPT, parley_sockopt(self->parley,
						       no[i].level,
						       no[i].opt))
			TH_LOG("%d %d", no[i].level, no[i].opt);
		EXPECT_EQ(-ENOPROTOOPT, parley_set_sockopt(self->parley,
							   no[i].level,
							   no[i].opt, 1))
			TH_LOG("%d %d", no[i].level, no[i].opt);
	}
	EXPECT_EQ(-ENOPROTOOPT, parley_set_sockopt(self->parley, IPPROTO_TCP,
						   TCP_INFO, 1));
}

TEST_F(inet, lengths)
{
	int fd = self->parley, value = 0x01020304, i;
	socklen_t len;
	__u8 byte = 8;

	for (i = 0; i < KEPT; i++) {
		bool ip = kept[i].level == IPPROTO_IP;

		EXPECT_EQ(ip ? 0 : -1, setsockopt(fd, kept[i].level,
						  kept[i].opt, &(__u8){ 1 },
						  1))
			TH_LOG("%s", kept[i].name);
		EXPECT_EQ(-1, setsockopt(fd, kept[i].level, kept[i].opt,
					 &value, 0));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-1, setsockopt(fd, kept[i].level, kept[i].opt, NULL,
					 sizeof(value)));
		EXPECT_EQ(EFAULT, errno);
	}
	ASSERT_EQ(0, setsockopt(fd, IPPROTO_IP, IP_TOS, &byte, 1));
	byte = 0;
	len = 1;
	ASSERT_EQ(0, getsockopt(fd, IPPROTO_IP, IP_TOS, &byte, &len));
	EXPECT_EQ(1, len);
	EXPECT_EQ(8, byte);
	len = sizeof(value);
	ASSERT_EQ(0, getsockopt(fd, IPPROTO_IP, IP_TOS, &value, &len));
	EXPECT_EQ(sizeof(value), len);
	EXPECT_EQ(8, value);
	len = 0;
	ASSERT_EQ(0, getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &len));
	EXPECT_EQ(0, len);
	len = -1;
	ASSERT_EQ(-1, getsockopt(fd, IPPROTO_TCP, TCP_INFO, &value, &len));
	EXPECT_EQ(EINVAL, errno);
}

static int tcp_state(int fd)
{
	struct tcp_info info, zero = { 0 };
	socklen_t len = sizeof(info);

	memset(&info, 0xee, sizeof(info));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return -errno;
	/* All but the state is zero, on sockets that do not listen. */
	zero.tcpi_state = info.tcpi_state;
	if (info.tcpi_state != TCP_LISTEN && memcmp(&info, &zero, len))
		return -EIO;
	return info.tcpi_state;
}

/* As TCP has them, except that the peer's end is seen at once. */
TEST_F(inet, info_states)
{
	int pair[2], l = parley_listener("127.0.0.1", PORT, 7), fd;

	EXPECT_EQ(TCP_CLOSE, tcp_state(self->parley));
	EXPECT_EQ(TCP_LISTEN, tcp_state(l));
	fd = parley_call("127.0.0.1", PORT);
	EXPECT_EQ(TCP_SYN_SENT, tcp_state(fd));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(0, parley_pair(l, pair));
	EXPECT_EQ(TCP_ESTABLISHED, tcp_state(pair[0]));
	EXPECT_EQ(TCP_ESTABLISHED, tcp_state(pair[1]));
	ASSERT_EQ(0, shutdown(pair[0], SHUT_WR));
	EXPECT_EQ(TCP_FIN_WAIT2, tcp_state(pair[0]));
	EXPECT_EQ(TCP_CLOSE_WAIT, tcp_state(pair[1]));
	ASSERT_EQ(0, close(pair[1]));
	EXPECT_EQ(TCP_CLOSE, tcp_state(pair[0]));
}

/* Where TCP's listeners tell how full they are, ours do. */
TEST_F(inet, info_of_listeners)
{
	int l = parley_listener("127.0.0.1", PORT, 7), i;
	struct tcp_info info;
	socklen_t len = sizeof(info);

	for (i = 0; i < 3; i++)
		ASSERT_LE(0, parley_call("127.0.0.1", PORT));
	ASSERT_EQ(0, getsockopt(l, IPPROTO_TCP, TCP_INFO, &info, &len));
	EXPECT_EQ(sizeof(info), len);
	EXPECT_EQ(3, info.tcpi_unacked);
	EXPECT_EQ(7, info.tcpi_sacked);
	/* A program that knows less of the struct. */
	len = 1;
	info.tcpi_ca_state = 0xee;
	ASSERT_EQ(0, getsockopt(l, IPPROTO_TCP, TCP_INFO, &info, &len));
	EXPECT_EQ(1, len);
	EXPECT_EQ(TCP_LISTEN, info.tcpi_state);
	EXPECT_EQ(0xee, info.tcpi_ca_state);
}

TEST_F(inet, ioctls)
{
	int pair[2], l = parley_listener("127.0.0.1", PORT, 1), n = -1;

	ASSERT_EQ(0, parley_pair(l, pair));
	ASSERT_EQ(4, send(pair[0], "data", 4, 0));
	EXPECT_EQ(0, ioctl(pair[0], SIOCOUTQ, &n));
	EXPECT_EQ(4, n);
	/* All of it is with the reader. */
	EXPECT_EQ(0, ioctl(pair[0], SIOCOUTQNSD, &n));
	EXPECT_EQ(0, n);
	n = -1;
	EXPECT_EQ(0, ioctl(pair[1], SIOCATMARK, &n));
	EXPECT_EQ(0, n);
	EXPECT_EQ(-1, ioctl(pair[1], SIOCATMARK, NULL));
	EXPECT_EQ(EFAULT, errno);
}

TEST_HARNESS_MAIN
