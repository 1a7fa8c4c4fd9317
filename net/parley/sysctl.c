// SPDX-License-Identifier: GPL-2.0
/*
 * net.parley.*, in each network namespace, written by root of the user
 * namespace that owns it.
 */
#include <linux/slab.h>
#include <linux/sysctl.h>

#include "parley.h"

#define PARLEY_SYSCTL(field, min, max) {				\
	.procname	= #field,					\
	.data		= (void *)offsetof(struct parley_net, field),	\
	.maxlen		= sizeof_field(struct parley_net, field),	\
	.mode		= 0644,						\
	.proc_handler	= proc_douintvec_minmax,			\
	.extra1		= min,						\
	.extra2		= max,						\
}

static unsigned int parley_one = 1;
static unsigned int parley_data_max = PARLEY_DATA_MAX;

/* data is an offset here, made an address for each namespace. */
static const struct ctl_table parley_sysctls[] = {
	PARLEY_SYSCTL(connect_timeout_ms, NULL, NULL),
	PARLEY_SYSCTL(defer_timeout_ms, NULL, NULL),
	PARLEY_SYSCTL(max_backlog, &parley_one, NULL),
	PARLEY_SYSCTL(max_call_data, NULL, &parley_data_max),
	PARLEY_SYSCTL(max_pending, NULL, NULL),
	PARLEY_SYSCTL(max_pending_per_user, NULL, NULL),
	PARLEY_SYSCTL_END
};

/**
 * parley_sysctl_init_net - for a new namespace
 * @net: the namespace
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int parley_sysctl_init_net(struct net *net)
{
	struct parley_net *pn = parley_net(net);
	struct ctl_table *table;
	unsigned long offset;
	size_t i;

	table = kmemdup(parley_sysctls, sizeof(parley_sysctls), GFP_KERNEL);
	if (!table)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(parley_sysctls); i++) {
		offset = (unsigned long)table[i].data;
		if (table[i].procname)
			table[i].data = (void *)pn + offset;
	}

	pn->sysctl = register_net_sysctl_sz(net, "net/parley", table,
					    ARRAY_SIZE(parley_sysctls));
	if (!pn->sysctl) {
		kfree(table);
		return -ENOMEM;
	}
	return 0;
}

/**
 * parley_sysctl_exit_net - when a namespace goes
 * @net: the namespace
 *
 * Context: process.
 */
void parley_sysctl_exit_net(struct net *net)
{
	struct parley_net *pn = parley_net(net);
	const struct ctl_table *table = pn->sysctl->ctl_table_arg;

	unregister_net_sysctl_table(pn->sysctl);
	kfree(table);
}
