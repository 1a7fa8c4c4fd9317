// SPDX-License-Identifier: GPL-2.0
/*
 * Which addresses are a namespace's own: those that one can bind to, and whose
 * listeners callers reach without leaving the kernel.
 */
#include <linux/inetdevice.h>
#include <linux/ipv6.h>
#include <net/addrconf.h>
#include <net/route.h>

#include "parley.h"

#if IS_ENABLED(CONFIG_IPV6)
static bool parley_local_has_v6(struct net *net, const struct parley_addr *addr)
{
	struct net_device *dev = NULL;
	bool has = false;

	/* With ipv6.disable=1 there are no tables to look into. */
	if (!ipv6_mod_enabled())
		return false;

	rcu_read_lock();
	if (addr->scope)
		dev = dev_get_by_index_rcu(net, addr->scope);
	if (dev || !addr->scope)
		has = ipv6_chk_addr(net, &addr->ip, dev, 0);
	rcu_read_unlock();
	return has;
}
#else
static bool parley_local_has_v6(struct net *net, const struct parley_addr *addr)
{
	return false;
}
#endif

/*
 * Looking into the routing table takes longer than the rest of a connect's own
 * work: what was found last holds until the table changes, which its
 * generation tells, as it does for routes that sockets keep.
 */
static bool parley_local_has_v4(struct net *net, __be32 ip)
{
	struct parley_net *pn = parley_net(net);
	u64 known;

	/* The generation comes first: a change meanwhile counts. */
	known = (u64)(__force u32)ip << 32 | (u32)rt_genid_ipv4(net);
	if (atomic64_read(&pn->local_v4) == known)
		return true;
	smp_rmb(); /* the generation, then the routes */
	if (inet_addr_type(net, ip) != RTN_LOCAL)
		return false;
	atomic64_set(&pn->local_v4, known);
	return true;
}

/**
 * parley_local_has - whether an address is this namespace's own
 * @net: the namespace
 * @addr: the address; a wildcard counts as its own
 *
 * Context: process.
 * Return: true if one can bind to it.
 */
bool parley_local_has(struct net *net, const struct parley_addr *addr)
{
	if (parley_addr_is_any(addr))
		return true;
	if (!parley_addr_is_v4(addr))
		return parley_local_has_v6(net, addr);
	return parley_local_has_v4(net, addr->ip.s6_addr32[3]);
}
