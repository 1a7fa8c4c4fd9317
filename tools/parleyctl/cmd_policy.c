// SPDX-License-Identifier: GPL-2.0
/*
 * parleyctl policy: loads struct_ops policies and keeps them, lists and shows
 * those that are loaded, unloads them.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

static void usage(FILE *to)
{
	fputs("Usage: parleyctl policy load [OPTION]... FILE\n"
	      "       parleyctl policy list [-j] [-p DIR]\n"
	      "       parleyctl policy show [-j] [-p DIR] NAME\n"
	      "       parleyctl policy unload [-p DIR] NAME\n"
	      "Policies are BPF programs that judge calls. 'load' reads one from an object\n"
	      "FILE and pins it, so that it stays; listeners choose it by its name. 'list'\n"
	      "shows all that are loaded, 'show' one with its settings and maps. 'unload'\n"
	      "ends one: listeners that still have it refuse their calls.\n\n"
	      "  -s, --set NAME=VALUE   set a variable of the program: a number or a text\n"
	      "  -a, --add MAP=KEY[:VALUE]\n"
	      "                         put an entry into a map, before the first call\n"
	      "  -n, --name NAME        call it so, whatever FILE says\n"
	      "  -u, --unprivileged     any user's listeners may choose it\n"
	      "  -r, --replace          if it is loaded already: put this one in its place,\n"
	      "                         between one call and the next; it goes on with the maps\n"
	      "  -p, --pin DIR          pin it there (default: " PIN_DIR ")\n"
	      "  -j, --json             print JSON\n"
	      "  -h, --help             show this\n\n"
	      "Exit status: 0 success, 1 failed, 2 the command line is wrong.\n", to);
}

static int append(struct texts *texts, const char *text)
{
	const char **more = reallocarray(texts->text, texts->count + 1,
					 sizeof(*more));

	if (!more)
		return failure("out of memory");
	texts->text = more;
	texts->text[texts->count++] = text;
	return EXIT_OK;
}

static int parse_option(int c, struct policy_opts *opts)
{
	switch (c) {
	case 's':
		return append(&opts->set, optarg);
	case 'a':
		return append(&opts->add, optarg);
	case 'n':
		opts->name = optarg;
		return EXIT_OK;
	case 'u':
		opts->unprivileged = true;
		return EXIT_OK;
	case 'r':
		opts->replace = true;
		return EXIT_OK;
	case 'p':
		if (strlen(optarg) > PIN_PATH - PIN_NAMES)
			return usage_error("--pin: the path is too long");
		opts->dir = optarg;
		return EXIT_OK;
	default:
		opts->json = true;
		return EXIT_OK;
	}
}

/*
 * One table for all; @allowed is what this one takes. Returns -1 to go on, with
 * optind at the first argument, or an exit code.
 */
static int parse(int argc, char **argv, const char *allowed,
		 struct policy_opts *opts)
{
	static const struct option options[] = {
		{ "set", required_argument, NULL, 's' },
		{ "add", required_argument, NULL, 'a' },
		{ "name", required_argument, NULL, 'n' },
		{ "unprivileged", no_argument, NULL, 'u' },
		{ "replace", no_argument, NULL, 'r' },
		{ "pin", required_argument, NULL, 'p' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c, ret = EXIT_OK;

	while (!ret && (c = getopt_long(argc, argv, "s:a:n:urp:jh", options,
					NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return EXIT_OK;
		}
		if (c == '?') {
			usage(stderr);
			return EXIT_USAGE;
		}
		if (!strchr(allowed, c))
			return usage_error("-%c is not an option here", c);
		ret = parse_option(c, opts);
	}
	return ret ? ret : -1;
}

static int list(const struct policy_opts *opts, const char *unused)
{
	(void)unused;
	return policy_list(opts);
}

static const struct verb {
	const char *name;
	const char *allowed;
	const char *argument;
	int (*run)(const struct policy_opts *opts, const char *argument);
} verbs[] = {
	{ "load", "sanurpj", "FILE", policy_load },
	{ "list", "pj", NULL, list },
	{ "show", "pj", "NAME", policy_show },
	{ "unload", "p", "NAME", policy_unload },
};

static int run(const struct verb *verb, int argc, char **argv)
{
	struct policy_opts opts = { .dir = PIN_DIR };
	char name[32];
	int ret;

	snprintf(name, sizeof(name), "parleyctl policy %s", verb->name);
	set_prefix(name);
	argv[0] = name;
	ret = parse(argc, argv, verb->allowed, &opts);
	if (ret < 0 && argc - optind != !!verb->argument)
		ret = verb->argument ? usage_error("give one %s", verb->argument) :
				       usage_error("it takes no argument");
	if (ret < 0 && opts.name && policy_name_check(opts.name))
		ret = EXIT_USAGE;
	if (ret < 0 && verb->argument && !strcmp(verb->argument, "NAME") &&
	    policy_name_check(argv[optind]))
		ret = EXIT_USAGE;
	if (ret < 0)
		ret = verb->run(&opts, argv[optind]);
	free(opts.set.text);
	free(opts.add.text);
	return ret;
}

int cmd_policy(int argc, char **argv)
{
	size_t i;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		usage(stdout);
		return EXIT_OK;
	}
	for (i = 0; argc > 1 && i < ARRAY_SIZE(verbs); i++) {
		if (!strcmp(argv[1], verbs[i].name))
			return run(&verbs[i], argc - 1, argv + 1);
	}
	return usage_error("say load, list, show or unload");
}
