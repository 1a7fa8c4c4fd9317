// SPDX-License-Identifier: GPL-2.0
/*
 * Socket options of TCP and IP: addresses being the Internet's, programs made
 * for TCP run on parley, and set what they always have. Options that only tune
 * how packets travel are kept and given back, since there are no packets. One
 * that would have to change what a program sees is not here: whoever asks for
 * that has to be told no.
 */
#include <linux/in6.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <net/inet_ecn.h>
#include <net/tcp.h>

#include "parley.h"

/* How values of an option are taken. */
#define PARLEY_HABIT_FLAG	BIT(0)	/* any is good, counts as 0 or 1 */
#define PARLEY_HABIT_CLIP	BIT(1)	/* counts as the nearest good one */
#define PARLEY_HABIT_INITIAL	BIT(2)	/* stored plus one; 0: nobody set it */
#define PARLEY_HABIT_MINUS	BIT(3)	/* -1 brings that back */
#define PARLEY_HABIT_ECN	BIT(4)	/* two bits are not for programs */

/**
 * struct parley_habit - an option that is kept
 * @level: its level
 * @name: its name
 * @size: that of its member of struct parley_habits
 * @at: that member's offset
 * @how: PARLEY_HABIT_*
 * @min: the least value
 * @max: the greatest one
 */
struct parley_habit {
	int level;
	int name;
	u8 size;
	u8 at;
	u8 how;
	s32 min;
	s32 max;
};

#define PARLEY_HABIT(_level, _name, _member, _how, _min, _max)		\
	{ .level = IPPROTO_##_level, .name = _name, .how = _how,	\
	  .at = offsetof(struct parley_habits, _member),		\
	  .size = sizeof_field(struct parley_habits, _member),		\
	  .min = _min, .max = _max }
#define PARLEY_HABIT_BOOL(_level, _name, _member)			\
	PARLEY_HABIT(_level, _name, _member, PARLEY_HABIT_FLAG, 0, 1)
#define PARLEY_HABIT_TCP(_name, _member, _max)				\
	PARLEY_HABIT(TCP, _name, _member, PARLEY_HABIT_INITIAL, 1, _max)

static const struct parley_habit parley_habits[] = {
	PARLEY_HABIT_BOOL(TCP, TCP_NODELAY, nodelay),
	PARLEY_HABIT_BOOL(TCP, TCP_CORK, cork),
	PARLEY_HABIT_BOOL(TCP, TCP_QUICKACK, quickack),
	PARLEY_HABIT_BOOL(TCP, TCP_FASTOPEN_CONNECT, fastopen_connect),
	PARLEY_HABIT_TCP(TCP_KEEPIDLE, keepidle, MAX_TCP_KEEPIDLE),
	PARLEY_HABIT_TCP(TCP_KEEPINTVL, keepintvl, MAX_TCP_KEEPINTVL),
	PARLEY_HABIT_TCP(TCP_KEEPCNT, keepcnt, MAX_TCP_KEEPCNT),
	PARLEY_HABIT_TCP(TCP_SYNCNT, syncnt, MAX_TCP_SYNCNT),
	PARLEY_HABIT(TCP, TCP_USER_TIMEOUT, user_timeout, 0, 0, S32_MAX),
	PARLEY_HABIT(TCP, TCP_FASTOPEN, fastopen, 0, 0, U16_MAX),
	PARLEY_HABIT(TCP, TCP_DEFER_ACCEPT, defer_accept, PARLEY_HABIT_CLIP,
		     0, U16_MAX),
	PARLEY_HABIT(TCP, TCP_NOTSENT_LOWAT, notsent_lowat, 0, S32_MIN,
		     S32_MAX),
	PARLEY_HABIT(IP, IP_TOS, tos, PARLEY_HABIT_ECN, S32_MIN, S32_MAX),
	PARLEY_HABIT(IP, IP_TTL, ttl,
		     PARLEY_HABIT_INITIAL | PARLEY_HABIT_MINUS, 1, U8_MAX),
	PARLEY_HABIT(IP, IP_MTU_DISCOVER, pmtudisc, PARLEY_HABIT_INITIAL,
		     IP_PMTUDISC_DONT, IP_PMTUDISC_OMIT),
	PARLEY_HABIT_BOOL(IP, IP_BIND_ADDRESS_NO_PORT, late_port),
	PARLEY_HABIT_BOOL(IP, IP_RECVERR, recverr),
	PARLEY_HABIT(IPV6, IPV6_TCLASS, tclass,
		     PARLEY_HABIT_ECN | PARLEY_HABIT_MINUS, 0, U8_MAX),
	PARLEY_HABIT(IPV6, IPV6_UNICAST_HOPS, hops,
		     PARLEY_HABIT_INITIAL | PARLEY_HABIT_MINUS, 0, U8_MAX),
	PARLEY_HABIT(IPV6, IPV6_MTU_DISCOVER, pmtudisc6, PARLEY_HABIT_INITIAL,
		     IPV6_PMTUDISC_DONT, IPV6_PMTUDISC_OMIT),
	PARLEY_HABIT_BOOL(IPV6, IPV6_RECVERR, recverr6),
};

static const struct parley_habit *parley_habit_find(int level, int name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parley_habits); i++)
		if (parley_habits[i].level == level &&
		    parley_habits[i].name == name)
			return &parley_habits[i];
	return NULL;
}

static void parley_habit_store(struct parley_sock *psk,
			       const struct parley_habit *habit, u32 value)
{
	void *at = (void *)psk->habits + habit->at;

	switch (habit->size) {
	case sizeof(u8):
		*(u8 *)at = value;
		break;
	case sizeof(u16):
		*(u16 *)at = value;
		break;
	default:
		*(u32 *)at = value;
	}
}

static u32 parley_habit_load(const struct parley_sock *psk,
			     const struct parley_habit *habit)
{
	const void *at = (const void *)psk->habits + habit->at;

	if (!psk->habits)
		return 0;
	switch (habit->size) {
	case sizeof(u8):
		return *(const u8 *)at;
	case sizeof(u16):
		return *(const u16 *)at;
	default:
		return *(const u32 *)at;
	}
}

/* Made with the first option that is set: most sockets never have one. */
static struct parley_habits *parley_habits_of(struct parley_sock *psk)
{
	if (!psk->habits)
		psk->habits = kzalloc(sizeof(*psk->habits), GFP_KERNEL_ACCOUNT);
	return psk->habits;
}

static int parley_habit_set(struct parley_sock *psk,
			    const struct parley_habit *habit, int value)
{
	if (habit->how & PARLEY_HABIT_FLAG)
		value = !!value;
	if (habit->how & PARLEY_HABIT_CLIP)
		value = clamp(value, habit->min, habit->max);
	if (habit->how & PARLEY_HABIT_MINUS && value == -1) {
		if (psk->habits)
			parley_habit_store(psk, habit, 0);
		return 0;
	}
	if (value < habit->min || value > habit->max)
		return -EINVAL;
	if (!parley_habits_of(psk))
		return -ENOMEM;
	if (habit->how & PARLEY_HABIT_ECN)
		value &= ~INET_ECN_MASK;
	if (habit->how & PARLEY_HABIT_INITIAL)
		value++;
	parley_habit_store(psk, habit, value);
	return 0;
}

/* Where nobody has set anything: what TCP would say. */
static int parley_habit_initial(const struct net *net,
				const struct parley_habit *habit)
{
	const struct netns_ipv4 *ipv4 = &net->ipv4;

	if (habit->level == IPPROTO_IPV6)
		return habit->name == IPV6_UNICAST_HOPS ?
		       IPV6_DEFAULT_HOPLIMIT : IPV6_PMTUDISC_WANT;
	if (habit->level == IPPROTO_IP)
		return habit->name == IP_TTL ?
		       READ_ONCE(ipv4->sysctl_ip_default_ttl) :
		       IP_PMTUDISC_WANT;
	switch (habit->name) {
	case TCP_KEEPIDLE:
		return READ_ONCE(ipv4->sysctl_tcp_keepalive_time) / HZ;
	case TCP_KEEPINTVL:
		return READ_ONCE(ipv4->sysctl_tcp_keepalive_intvl) / HZ;
	case TCP_KEEPCNT:
		return READ_ONCE(ipv4->sysctl_tcp_keepalive_probes);
	default:
		return READ_ONCE(ipv4->sysctl_tcp_syn_retries);
	}
}

static int parley_habit_get(const struct parley_sock *psk,
			    const struct parley_habit *habit)
{
	u32 value = parley_habit_load(psk, habit);

	if (!(habit->how & PARLEY_HABIT_INITIAL))
		return value;
	return value ? value - 1 :
	       parley_habit_initial(sock_net(&psk->sk), habit);
}

static int parley_set_v6only(struct parley_sock *psk, int value)
{
	parley_settle(psk);
	if (psk->sk.sk_state != TCP_CLOSE || psk->bound)
		return -EINVAL;
	psk->v6only = !!value;
	return 0;
}

/* An int; IP takes a single byte, too. Return: 0 or a negative errno. */
static int parley_inet_value(int level, sockptr_t val, unsigned int len,
			     int *value)
{
	u8 byte;

	if (len >= sizeof(*value))
		return copy_from_sockptr(value, val, sizeof(*value)) ?
		       -EFAULT : 0;
	if (level != IPPROTO_IP || !len)
		return -EINVAL;
	if (copy_from_sockptr(&byte, val, sizeof(byte)))
		return -EFAULT;
	*value = byte;
	return 0;
}

/* Whoever takes the cork off, or wants no delay, has said all there is. */
static void parley_habit_push(struct parley_sock *psk)
{
	WRITE_ONCE(psk->cork, psk->habits && psk->habits->cork);
	if (psk->sk.sk_state == TCP_ESTABLISHED &&
	    (!psk->cork || psk->habits->nodelay))
		psk->ops->push(&psk->sk);
}

/**
 * parley_inet_setsockopt - setsockopt(2) of TCP's and IP's options
 * @sk: the socket
 * @level: IPPROTO_TCP, IPPROTO_IP or IPPROTO_IPV6; others have no options here
 * @name: the option
 * @val: its value
 * @len: the value's length in bytes
 *
 * Context: process, may sleep.
 * Return: 0, -ENOPROTOOPT for what is not known here, -EINVAL for a value that
 * is too short or out of range, or where the socket is past that, -EFAULT,
 * -ENOMEM.
 */
int parley_inet_setsockopt(struct sock *sk, int level, int name, sockptr_t val,
			   unsigned int len)
{
	const struct parley_habit *habit = parley_habit_find(level, name);
	bool v6only = level == IPPROTO_IPV6 && name == IPV6_V6ONLY;
	int value, err;

	if (!habit && !v6only)
		return -ENOPROTOOPT;
	err = parley_inet_value(level, val, len, &value);
	if (err)
		return err;
	lock_sock(sk);
	if (v6only)
		err = parley_set_v6only(parley_sk(sk), value);
	else
		err = parley_habit_set(parley_sk(sk), habit, value);
	if (level == IPPROTO_TCP && !err &&
	    (name == TCP_CORK || name == TCP_NODELAY))
		parley_habit_push(parley_sk(sk));
	release_sock(sk);
	return err;
}

/* TCP's name for how far a connection has come, or gone. */
static u8 parley_tcp_state(struct parley_sock *psk)
{
	struct sock *sk = &psk->sk;
	bool ended, cut;

	parley_settle(psk);
	if (sk->sk_state != TCP_ESTABLISHED)
		return sk->sk_state;
	ended = psk->ops->ended(sk);
	cut = psk->ops->cut(sk);
	if (ended)
		return cut ? TCP_CLOSE : TCP_CLOSE_WAIT;
	return cut ? TCP_FIN_WAIT2 : TCP_ESTABLISHED;
}

/*
 * What is true without packets: the state, and on a listener what TCP puts
 * into two members that have other names: calls that wait, and may wait.
 */
static void parley_tcp_info(struct parley_sock *psk, struct tcp_info *info)
{
	struct parley_backlog backlog;

	memset(info, 0, sizeof(*info));
	info->tcpi_state = parley_tcp_state(psk);
	if (info->tcpi_state != TCP_LISTEN ||
	    parley_listener_info(psk, &backlog))
		return;
	info->tcpi_unacked = backlog.pending + backlog.deferred +
			     backlog.approved;
	info->tcpi_sacked = backlog.limit;
}

static int parley_inet_put(const void *from, int size, int room,
			   char __user *val, int __user *len)
{
	size = min(size, room);
	if (copy_to_user(val, from, size) || put_user(size, len))
		return -EFAULT;
	return 0;
}

static int parley_get_tcp_info(struct sock *sk, int room, char __user *val,
			       int __user *len)
{
	struct tcp_info info;

	lock_sock(sk);
	parley_tcp_info(parley_sk(sk), &info);
	release_sock(sk);
	return parley_inet_put(&info, sizeof(info), room, val, len);
}

/**
 * parley_inet_getsockopt - getsockopt(2) of TCP's and IP's options
 * @sk: the socket
 * @level: as for parley_inet_setsockopt()
 * @name: the option
 * @room: for how many bytes there is room
 * @val: where the value goes
 * @len: where the length goes
 *
 * Context: process, may sleep.
 * Return: 0, -ENOPROTOOPT, -EFAULT.
 */
int parley_inet_getsockopt(struct sock *sk, int level, int name, int room,
			   char __user *val, int __user *len)
{
	const struct parley_habit *habit = parley_habit_find(level, name);
	struct parley_sock *psk = parley_sk(sk);
	u8 byte;
	int value;

	if (level == IPPROTO_TCP && name == TCP_INFO)
		return parley_get_tcp_info(sk, room, val, len);
	if (!habit && !(level == IPPROTO_IPV6 && name == IPV6_V6ONLY))
		return -ENOPROTOOPT;
	lock_sock(sk);
	if (habit)
		value = parley_habit_get(psk, habit);
	else
		value = psk->v6only;
	release_sock(sk);
	/* Who has room for a byte only knows that the value is one. */
	if (room > 0 && room < sizeof(value) && level == IPPROTO_IP) {
		byte = value;
		return parley_inet_put(&byte, sizeof(byte), room, val, len);
	}
	return parley_inet_put(&value, sizeof(value), room, val, len);
}
