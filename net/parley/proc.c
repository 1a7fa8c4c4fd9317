// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/net/parley_stat: what there is in a namespace, and what there was.
 * /proc/net/parley_policies: which policies are loaded, for all namespaces.
 */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "parley.h"

#define PARLEY_PROC_STAT	"parley_stat"
#define PARLEY_PROC_POLICIES	"parley_policies"

static const char *const parley_count_names[PARLEY_COUNTS] = {
	[PARLEY_COUNT_SOCKETS]		= "sockets",
	[PARLEY_COUNT_CALLS]		= "calls",
	[PARLEY_COUNT_PAGES]		= "pages",
	[PARLEY_COUNT_CALLED]		= "called",
	[PARLEY_COUNT_ESTABLISHED]	= "established",
	[PARLEY_COUNT_REFUSED]		= "refused",
	[PARLEY_COUNT_WITHDRAWN]	= "withdrawn",
};

static const char *const parley_reason_names[PARLEY_REASONS] = {
	[PARLEY_REASON_NONE]		= "refused_error",
	[PARLEY_REASON_NO_LISTENER]	= "refused_no_listener",
	[PARLEY_REASON_BACKLOG_FULL]	= "refused_backlog_full",
	[PARLEY_REASON_LIMIT]		= "refused_limit",
	[PARLEY_REASON_RULE]		= "refused_rule",
	[PARLEY_REASON_POLICY]		= "refused_policy",
	[PARLEY_REASON_POLICY_FAULT]	= "refused_policy_fault",
	[PARLEY_REASON_SERVER]		= "refused_server",
	[PARLEY_REASON_DEFER_EXPIRED]	= "refused_defer_expired",
	[PARLEY_REASON_LISTENER_CLOSED]	= "refused_listener_closed",
	[PARLEY_REASON_TIMED_OUT]	= "withdrawn_timed_out",
	[PARLEY_REASON_QOS]		= "refused_qos",
	[PARLEY_REASON_FILTER]		= "refused_filter",
	[PARLEY_REASON_USER_LIMIT]	= "refused_user_limit",
	[PARLEY_REASON_FAIR_SHARE]	= "refused_fair_share",
};

static int parley_stat_show(struct seq_file *seq, void *v)
{
	struct parley_net *pn = parley_net(seq_file_single_net(seq));
	int i;

	for (i = 0; i < PARLEY_COUNTS; i++)
		seq_printf(seq, "%s %ld\n", parley_count_names[i],
			   parley_count_sum(pn, i));
	seq_printf(seq, "pending %d\n", atomic_read(&pn->pending));
	for (i = 0; i < PARLEY_REASONS; i++)
		seq_printf(seq, "%s %ld\n", parley_reason_names[i],
			   parley_count_reasons(pn, i));
	return 0;
}

static int parley_policies_show(struct seq_file *seq, void *v)
{
	parley_ops_show(seq);
	return 0;
}

/**
 * parley_proc_init_net - for a new namespace
 * @net: the namespace
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int parley_proc_init_net(struct net *net)
{
	if (!proc_create_net_single(PARLEY_PROC_STAT, 0444, net->proc_net,
				    parley_stat_show, NULL))
		return -ENOMEM;
	if (!proc_create_net_single(PARLEY_PROC_POLICIES, 0444, net->proc_net,
				    parley_policies_show, NULL)) {
		remove_proc_entry(PARLEY_PROC_STAT, net->proc_net);
		return -ENOMEM;
	}
	return 0;
}

/**
 * parley_proc_exit_net - when a namespace goes
 * @net: the namespace
 *
 * Context: process.
 */
void parley_proc_exit_net(struct net *net)
{
	remove_proc_entry(PARLEY_PROC_POLICIES, net->proc_net);
	remove_proc_entry(PARLEY_PROC_STAT, net->proc_net);
}
