// SPDX-License-Identifier: GPL-2.0
/*
 * What the family has in each network namespace, and its defaults.
 */
#include <linux/percpu.h>

#include "parley.h"

unsigned int parley_net_id __read_mostly;

static void parley_net_defaults(struct parley_net *pn)
{
	pn->max_backlog = 4096;
	pn->max_pending = 65536;
	pn->max_pending_per_user = 16384;
	pn->connect_timeout_ms = 30 * MSEC_PER_SEC;
	pn->max_call_data = 4096;
	pn->defer_timeout_ms = 0;
}

/**
 * parley_count_sum - a count over all processors
 * @pn: the namespace
 * @what: which one
 *
 * Context: any.
 * Return: the sum, exact once nothing changes any more.
 */
long parley_count_sum(struct parley_net *pn, enum parley_count what)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(pn->counts, cpu)->n[what]);
	return sum;
}

/**
 * parley_count_reasons - calls that failed, over all processors
 * @pn: the namespace
 * @reason: why
 *
 * Context: any.
 * Return: the sum, exact once nothing changes any more.
 */
long parley_count_reasons(struct parley_net *pn, enum parley_reason reason)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(pn->counts, cpu)->reasons[reason]);
	return sum;
}

static int __net_init parley_net_init(struct net *net)
{
	struct parley_net *pn = parley_net(net);
	int err;

	parley_net_defaults(pn);
	parley_sweep_init_net(pn);
	pn->counts = alloc_percpu(struct parley_counts);
	if (!pn->counts)
		return -ENOMEM;
	err = parley_table_init_net(pn);
	if (err)
		goto err_counts;
	err = parley_port_init_net(pn);
	if (err)
		goto err_table;
	err = parley_user_init_net(pn);
	if (err)
		goto err_port;
	err = parley_sysctl_init_net(net);
	if (err)
		goto err_user;
	err = parley_proc_init_net(net);
	if (err)
		goto err_sysctl;
	return 0;

err_sysctl:
	parley_sysctl_exit_net(net);
err_user:
	parley_user_exit_net(pn);
err_port:
	parley_port_exit_net(pn);
err_table:
	parley_table_exit_net(pn);
err_counts:
	free_percpu(pn->counts);
	return err;
}

static void __net_exit parley_net_exit(struct net *net)
{
	struct parley_net *pn = parley_net(net);

	WARN_ON_ONCE(atomic_read(&pn->pending));
	parley_proc_exit_net(net);
	parley_sysctl_exit_net(net);
	parley_user_exit_net(pn);
	parley_port_exit_net(pn);
	parley_table_exit_net(pn);
	parley_sweep_exit_net(pn);
	free_percpu(pn->counts);
}

static struct pernet_operations parley_net_ops = {
	.init	= parley_net_init,
	.exit	= parley_net_exit,
	.id	= &parley_net_id,
	.size	= sizeof(struct parley_net),
};

/**
 * parley_netns_init - at module load, before there can be sockets
 *
 * Context: process.
 * Return: 0 or a negative errno.
 */
int __init parley_netns_init(void)
{
	return register_pernet_subsys(&parley_net_ops);
}

/**
 * parley_netns_exit - at module unload, when there can be no sockets
 *
 * Context: process.
 */
void parley_netns_exit(void)
{
	unregister_pernet_subsys(&parley_net_ops);
}
