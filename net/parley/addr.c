// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses: to and from user space's form, and what covers what. Pure: no
 * socket, no namespace, no lock; tests/addr_kunit.c tests it by itself.
 */
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/string.h>

#include "parley.h"

static int parley_addr_parse_v4(struct parley_addr *addr, const void *uaddr,
				int len)
{
	const struct sockaddr_in *sin = uaddr;

	if (len < (int)sizeof(*sin))
		return -EINVAL;

	ipv6_addr_set_v4mapped(sin->sin_addr.s_addr, &addr->ip);
	addr->port = sin->sin_port;
	return 0;
}

static int parley_addr_parse_v6(struct parley_addr *addr, const void *uaddr,
				int len)
{
	const struct sockaddr_in6 *sin6 = uaddr;
	int type;

	if (len < (int)sizeof(*sin6))
		return -EINVAL;

	addr->ip = sin6->sin6_addr;
	addr->port = sin6->sin6_port;
	type = ipv6_addr_type(&addr->ip);
	if (type & IPV6_ADDR_LINKLOCAL && !(type & IPV6_ADDR_MULTICAST)) {
		if (!sin6->sin6_scope_id)
			return -EINVAL;
		addr->scope = sin6->sin6_scope_id;
	}
	return 0;
}

/**
 * parley_addr_parse - read a socket address of user space
 * @addr: where to put it; undefined after an error
 * @family: its family; 0 accepts both and is set, else the other is refused
 * @uaddr: the address, already copied into the kernel
 * @len: its length in bytes, as user space said
 *
 * Context: any.
 * Return: 0, -EINVAL where it is too short or a link-local address names no
 * interface, -EAFNOSUPPORT for a family that is not @family.
 */
int parley_addr_parse(struct parley_addr *addr, u8 *family, const void *uaddr,
		      int len)
{
	const struct sockaddr *sa = uaddr;
	int err;

	if (len < (int)offsetofend(struct sockaddr, sa_family))
		return -EINVAL;
	if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6)
		return -EAFNOSUPPORT;
	if (*family && *family != sa->sa_family)
		return -EAFNOSUPPORT;

	memset(addr, 0, sizeof(*addr));
	if (sa->sa_family == AF_INET)
		err = parley_addr_parse_v4(addr, uaddr, len);
	else
		err = parley_addr_parse_v6(addr, uaddr, len);
	if (!err)
		*family = sa->sa_family;
	return err;
}

/**
 * parley_addr_fill - write a socket address for user space
 * @addr: the address
 * @family: the form that the socket uses; 0 counts as AF_INET
 * @uaddr: room for a struct sockaddr_storage; all of what the length that is
 *	returned covers is written
 *
 * Context: any.
 * Return: the length in bytes.
 */
int parley_addr_fill(const struct parley_addr *addr, u8 family, void *uaddr)
{
	struct sockaddr_in6 *sin6 = uaddr;
	struct sockaddr_in *sin = uaddr;

	if (family == AF_INET6) {
		memset(sin6, 0, sizeof(*sin6));
		sin6->sin6_family = AF_INET6;
		sin6->sin6_port = addr->port;
		sin6->sin6_addr = addr->ip;
		sin6->sin6_scope_id = addr->scope;
		return sizeof(*sin6);
	}

	memset(sin, 0, sizeof(*sin));
	sin->sin_family = AF_INET;
	sin->sin_port = addr->port;
	if (parley_addr_is_v4(addr))
		sin->sin_addr.s_addr = addr->ip.s6_addr32[3];
	return sizeof(*sin);
}

/**
 * parley_addr_set_any - the wildcard of a family, without a port
 * @addr: what to set
 * @family: AF_INET6, else AF_INET is meant
 *
 * Context: any.
 */
void parley_addr_set_any(struct parley_addr *addr, u8 family)
{
	memset(addr, 0, sizeof(*addr));
	if (family != AF_INET6)
		ipv6_addr_set_v4mapped(htonl(INADDR_ANY), &addr->ip);
}

/**
 * parley_addr_set_loopback - turn a wildcard into its family's loopback
 * @addr: the wildcard; its port stays
 *
 * Context: any.
 */
void parley_addr_set_loopback(struct parley_addr *addr)
{
	if (parley_addr_is_v4(addr))
		ipv6_addr_set_v4mapped(htonl(INADDR_LOOPBACK), &addr->ip);
	else
		addr->ip = in6addr_loopback;
}

/**
 * parley_addr_is_any - whether this is 0.0.0.0 or ::
 * @addr: the address
 *
 * Context: any.
 * Return: true for a wildcard.
 */
bool parley_addr_is_any(const struct parley_addr *addr)
{
	if (parley_addr_is_v4(addr))
		return addr->ip.s6_addr32[3] == htonl(INADDR_ANY);
	return ipv6_addr_any(&addr->ip);
}

/* Whether a bound @wild takes calls to the address that @addr stands for. */
static bool parley_addr_covers(const struct parley_addr *wild, bool v6only,
			       const struct parley_addr *addr)
{
	if (!parley_addr_is_any(wild))
		return false;
	if (parley_addr_is_v4(wild))
		return parley_addr_is_v4(addr);
	return !parley_addr_is_v4(addr) || !v6only;
}

/**
 * parley_addr_overlap - whether a call could be meant for either of two
 * @a: one bound address
 * @a_v6only: its socket's IPV6_V6ONLY
 * @b: another one; only the hosts are compared, not the ports
 * @b_v6only: its socket's IPV6_V6ONLY
 *
 * Context: any.
 * Return: true if the two stand in each other's way.
 */
bool parley_addr_overlap(const struct parley_addr *a, bool a_v6only,
			 const struct parley_addr *b, bool b_v6only)
{
	if (ipv6_addr_equal(&a->ip, &b->ip) && a->scope == b->scope)
		return true;
	return parley_addr_covers(a, a_v6only, b) ||
	       parley_addr_covers(b, b_v6only, a);
}
