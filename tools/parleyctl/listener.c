// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the socket of parleyctl listen: everything is set before it listens,
 * so that the first call already meets it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "listen.h"
#include "policy.h"
#include "rules.h"

static int set(int fd, const char *option, int name, const void *value,
	       size_t len)
{
	if (!setsockopt(fd, SOL_PARLEY, name, value, len))
		return EXIT_OK;
	if (errno != EMSGSIZE)
		return failure("%s: %s", option, strerror(errno));
	failure("%s: %zu bytes are too many", option, len);
	hint("the limit is net.parley.max_call_data");
	return EXIT_FAILED;
}

static int set_options(int fd, const struct listen_opts *opts)
{
	int ret = EXIT_OK;

	if (opts->stage != PARLEY_STAGE_ACCEPT)
		ret = set(fd, "--stage", PARLEY_STAGE, &opts->stage,
			  sizeof(opts->stage));
	if (!ret && opts->reply.len)
		ret = set(fd, "--reply", PARLEY_REPLY_DATA, opts->reply.data,
			  opts->reply.len);
	if (!ret && opts->has_defer)
		ret = set(fd, "--defer-timeout", PARLEY_DEFER_TIMEOUT,
			  &opts->defer, sizeof(opts->defer));
	if (!ret && opts->fair_share)
		ret = set(fd, "--fair-share", PARLEY_FAIR_SHARE,
			  &opts->fair_share, sizeof(opts->fair_share));
	if (!ret && opts->has_capacity)
		ret = set(fd, "--capacity", PARLEY_CAPACITY, &opts->capacity,
			  sizeof(opts->capacity));
	return ret;
}

/*
 * Where somebody decides, accept(2) must not do it: without rules that say
 * otherwise every call is deferred first.
 */
static int set_rules(int fd, const struct listen_opts *opts)
{
	struct parley_ruleset *rules;
	int ret;

	if (!opts->rules)
		return opts->ask || opts->control ? rules_defer_all(fd) :
						    EXIT_OK;
	ret = rules_load(opts->rules, &rules);
	if (ret)
		return ret;
	ret = rules_set(fd, opts->rules, rules);
	parley_ruleset_free(rules);
	return ret;
}

/* Why PARLEY_POLICY or PARLEY_POLICY_LINK was not taken, from errno. */
static int tell_policy(bool link, const char *what)
{
	int err = errno;

	failure("--policy%s: %s: %s", link ? "-link" : "", what, strerror(err));
	if (err == ENOENT)
		hint("no such policy is loaded: see 'parleyctl policy list'");
	else if (err == EINVAL && link)
		hint("it is not the link of a policy that is loaded");
	else if (err == EPERM)
		hint("it takes CAP_NET_ADMIN, unless it was loaded with --unprivileged");
	else if (err == ENOPROTOOPT)
		hint("the kernel lets modules have no struct_ops policies, or parley has no BTF");
	return EXIT_FAILED;
}

static int set_policy(int fd, const char *name)
{
	if (setsockopt(fd, SOL_PARLEY, PARLEY_POLICY, name, strlen(name)))
		return tell_policy(false, name);
	return EXIT_OK;
}

static int set_policy_link(int fd, const char *path)
{
	int link = pin_open(path);
	int ret = EXIT_OK;

	if (link < 0)
		return failure("--policy-link: %s: %s", path, strerror(errno));
	if (setsockopt(fd, SOL_PARLEY, PARLEY_POLICY_LINK, &link, sizeof(link)))
		ret = tell_policy(true, path);
	close(link);
	return ret;
}

/* The socket keeps the filter, and the link. */
static int set_bpf(int fd, const struct listen_opts *opts)
{
	int ret = opts->filter ? filter_attach(fd, opts->filter) : EXIT_OK;

	if (!ret && opts->policy)
		ret = set_policy(fd, opts->policy);
	if (!ret && opts->policy_link)
		ret = set_policy_link(fd, opts->policy_link);
	return ret;
}

static int bind_and_listen(int fd, const struct listen_opts *opts,
			   const char *address)
{
	struct addrinfo *list;
	int ret = addr_resolve(address, &list);

	if (ret)
		return ret;
	if (bind(fd, list->ai_addr, list->ai_addrlen))
		ret = failure("cannot bind to %s: %s", address,
			      strerror(errno));
	else if (listen(fd, opts->backlog))
		ret = failure("cannot listen at %s: %s", address,
			      strerror(errno));
	freeaddrinfo(list);
	return ret;
}

static int tell(int fd, int wanted)
{
	struct parley_backlog backlog;
	char text[ADDR_TEXT];

	if (parley_get_backlog(fd, &backlog))
		return failure("PARLEY_BACKLOG: %s", strerror(errno));
	addr_local(fd, text);
	if (wanted > (long)backlog.limit)
		say("listening at %s, backlog %u instead of %d\n"
		    "  the limits are net.parley.max_backlog and net.core.somaxconn",
		    text, backlog.limit, wanted);
	else
		say("listening at %s, backlog %u", text, backlog.limit);
	return EXIT_OK;
}

/* What it opens ends with the process, but for the door's name. */
int listener_open(struct server *server, const char *address)
{
	const struct listen_opts *opts = &server->opts;
	int fd = open_socket(SOCK_NONBLOCK);
	int ret;

	if (fd < 0)
		return EXIT_FAILED;
	server->listener = fd;
	server->asker.control.listener = fd;
	ret = set_options(fd, opts);
	if (!ret)
		ret = set_rules(fd, opts);
	if (!ret)
		ret = set_bpf(fd, opts);
	if (!ret)
		ret = bind_and_listen(fd, opts, address);
	if (!ret)
		ret = door_open(&server->door, opts->control);
	if (!ret)
		ret = tell(fd, opts->backlog);
	return ret;
}
