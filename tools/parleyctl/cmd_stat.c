// SPDX-License-Identifier: GPL-2.0
/*
 * parleyctl stat: the counters of the network namespace, as text or JSON.
 */
#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "parleyctl.h"

#define STAT_FILE	"/proc/net/parley_stat"

static void usage(FILE *to)
{
	fputs("Usage: parleyctl stat [OPTION]... [NAME]...\n"
	      "Shows the counters of this network namespace (" STAT_FILE "),\n"
	      "or those that are named.\n\n"
	      "  -j, --json   as a JSON object\n"
	      "  -h, --help   show this\n\n"
	      "Exit status: 0 success, 1 failed, 2 the command line is wrong.\n", to);
}

/* Reads the file into a new object; NULL after it has told why not. */
static struct json_object *read_stats(void)
{
	FILE *file = fopen(STAT_FILE, "re");
	struct json_object *stats;
	long long value;
	char name[64];

	if (!file) {
		if (errno == ENOENT)
			failure(STAT_FILE ": not there: load the module parley first");
		else
			failure(STAT_FILE ": %s", strerror(errno));
		return NULL;
	}
	stats = json_object_new_object();
	while (stats && fscanf(file, "%63s %lld", name, &value) == 2)
		json_object_object_add(stats, name,
				       json_object_new_int64(value));
	if (!stats || !feof(file)) {
		failure(STAT_FILE ": a line is not \"name value\"");
		json_object_put(stats);
		stats = NULL;
	}
	fclose(file);
	return stats;
}

/* The counters of @all that @names names; all if it names none. */
static struct json_object *choose(struct json_object *all, char **names)
{
	struct json_object *some, *value;

	if (!*names)
		return json_object_get(all);
	some = json_object_new_object();
	for (; *names; names++) {
		if (!json_object_object_get_ex(all, *names, &value)) {
			usage_error("there is no counter '%s' in " STAT_FILE,
				    *names);
			json_object_put(some);
			return NULL;
		}
		json_object_object_add(some, *names, json_object_get(value));
	}
	return some;
}

static void print(struct json_object *stats, bool json)
{
	if (json) {
		puts(json_object_to_json_string_ext(stats,
						    JSON_C_TO_STRING_PRETTY));
		return;
	}
	json_object_object_foreach(stats, name, value)
		printf("%-12s %lld\n", name,
		       (long long)json_object_get_int64(value));
}

int cmd_stat(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct json_object *all, *some;
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "jh", options, NULL)) != -1) {
		switch (c) {
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
	all = read_stats();
	if (!all)
		return EXIT_FAILED;
	some = choose(all, argv + optind);
	json_object_put(all);
	if (!some)
		return EXIT_USAGE;
	print(some, json);
	json_object_put(some);
	if (fflush(stdout))
		return failure("standard output: %s", strerror(errno));
	return EXIT_OK;
}
