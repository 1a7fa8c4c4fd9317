// SPDX-License-Identifier: GPL-2.0
/*
 * Loading and unloading. The order matters: everything that a socket needs
 * comes first, then sock_register() lets user space in; unloading is the exact
 * reverse. A module with open sockets is in use and is not unloaded.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/net.h>
#include <linux/rcupdate.h>

#include "parley.h"

static int __init parley_init(void)
{
	int err;

	BUILD_BUG_ON(offsetof(struct parley_sock, sk));

	err = parley_call_init();
	if (err)
		return err;
	err = proto_register(&parley_proto, 1);
	if (err)
		goto err_call;
	err = parley_netns_init();
	if (err)
		goto err_proto;
	/* Without them everything else works. */
	err = parley_bpf_init();
	if (err && err != -EOPNOTSUPP)
		pr_notice("no struct_ops policies: error %d\n", err);
	err = sock_register(&parley_family);
	if (err)
		goto err_netns;
	return 0;

err_netns:
	parley_netns_exit();
err_proto:
	proto_unregister(&parley_proto);
err_call:
	parley_call_exit();
	return err;
}

static void __exit parley_exit(void)
{
	sock_unregister(PF_PARLEY);
	parley_netns_exit();
	/*
	 * There are no sockets. A timer that was just putting a call, in
	 * softirq, has ended with the grace period in sock_unregister(). What
	 * it, and the last sockets, left to RCU is waited for.
	 */
	rcu_barrier();
	proto_unregister(&parley_proto);
	parley_call_exit();
}

module_init(parley_init);
module_exit(parley_exit);

MODULE_DESCRIPTION("AF_PARLEY: connections that exist once the server has agreed");
MODULE_LICENSE("GPL");
#ifdef PARLEY_AUTOLOAD
MODULE_ALIAS_NETPROTO(PF_PARLEY);
#endif
