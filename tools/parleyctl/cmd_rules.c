// SPDX-License-Identifier: GPL-2.0
/*
 * parleyctl rules: shows or replaces the rules of another process' listener, or
 * checks a file.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "rules.h"
#include "show.h"

static void usage(FILE *to)
{
	fputs("Usage: parleyctl rules --control PATH [--json]\n"
	      "       parleyctl rules --control PATH FILE\n"
	      "       parleyctl rules --check FILE [--json]\n"
	      "Shows the rules of a listener, or puts those of FILE (-: standard input) in\n"
	      "their place, or has the kernel check those of FILE and shows them. The text\n"
	      "is that of rule files, see parley-rules(5).\n\n"
	      "  -c, --control PATH   where 'parleyctl listen --control PATH' serves\n"
	      "  -k, --check          change nothing\n"
	      "  -j, --json           show the rules as JSON\n"
	      "  -h, --help           show this\n\n"
	      "Exit status: 0 success, 1 failed, 2 the command line is wrong.\n", to);
}

/* The lines of @text: the last is the default if it says so. */
static void print_json(char *text)
{
	struct json_object *object = json_object_new_object();
	struct json_object *rules = json_object_new_array();
	const char *otherwise = "accept";
	char *line;

	while ((line = strsep(&text, "\n"))) {
		if (!strncmp(line, "default ", 8))
			otherwise = line + 8;
		else if (*line)
			json_object_array_add(rules,
					      json_object_new_string(line));
	}
	json_add(object, "rules", rules);
	json_add(object, "default", json_object_new_string(otherwise));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(object);
}

static int show(const struct parley_ruleset *rules, bool json)
{
	char *text = parley_ruleset_format(rules);

	if (!text)
		return failure("these rules cannot be shown: %s",
			       strerror(errno));
	if (json)
		print_json(text);
	else
		fputs(text, stdout);
	free(text);
	return end_output();
}

static int show_from(int fd, bool json)
{
	struct parley_ruleset *rules = parley_get_rules(fd);
	int ret;

	if (!rules)
		return failure("PARLEY_IOC_GET_RULES: %s", strerror(errno));
	ret = show(rules, json);
	parley_ruleset_free(rules);
	return ret;
}

static int replace(int fd, const char *path)
{
	struct parley_ruleset *rules;
	int ret = rules_load(path, &rules);

	if (ret)
		return ret;
	ret = rules_set(fd, path, rules);
	parley_ruleset_free(rules);
	return ret;
}

/* The kernel checks on a socket that ends with this process. */
static int check(const char *path, bool json)
{
	struct parley_ruleset *rules;
	int fd, ret = rules_load(path, &rules);

	if (ret)
		return ret;
	fd = open_socket(0);
	ret = fd < 0 ? EXIT_FAILED : rules_set(fd, path, rules);
	if (!ret)
		ret = show(rules, json);
	parley_ruleset_free(rules);
	return ret;
}

int cmd_rules(int argc, char **argv)
{
	static const struct option options[] = {
		{ "control", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'k' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *path = NULL;
	bool json = false, dry = false;
	struct control control;
	int c, ret;

	while ((c = getopt_long(argc, argv, "c:kjh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			path = optarg;
			break;
		case 'k':
			dry = true;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	argc -= optind;
	if (argc > 1 || (dry && argc != 1))
		return usage_error("give one FILE%s", dry ? "" : ", or none");
	if (dry && path)
		return usage_error("give --check or --control, not both");
	if (dry)
		return check(argv[optind], json);
	if (argc && json)
		return usage_error("--json goes with showing rules only");
	ret = control_open(&control, path);
	if (ret)
		return ret;
	return argc ? replace(control.listener, argv[optind]) :
		      show_from(control.listener, json);
}
