// SPDX-License-Identifier: GPL-2.0
/*
 * One script on AF_UNIX, TCP and AF_PARLEY: conformance.script says what is
 * done, conformance.differs where parley's results are not those of both
 * others, and why. A difference that is not in that list fails, and so does a
 * line of the list that is not true (any more).
 */
#include "kselftest_harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "lib_conform.h"

#define STEPS	1500
#define ROWS	1500
#define FIELDS	7

static const char script_text[] =
#include "conformance.script.h"
;

static const char differs_text[] =
#include "conformance.differs.h"
;

enum { UNIX, TCP, PARLEY, PEERS };

static const int families[] = { AF_UNIX, AF_INET, AF_PARLEY };

struct step {
	const char *scene;
	const char *text;
	int again;			/* the same step, earlier in the scene */
	char result[PEERS][CONFORM_TEXT];
};

struct row {
	char *field[FIELDS];
	int seen;
};

enum { WHERE, SCENE, STEP, IN_UNIX, IN_TCP, IN_PARLEY, REASON };

static struct step steps[STEPS];
static int n_steps;
static struct row rows[ROWS];
static int n_rows;
static const char *reasons[ROWS];
static int n_reasons;

/* Ends the line that starts at @at; returns where the next one starts. */
static char *next_line(char *at)
{
	char *end = strchr(at, '\n');

	if (!end)
		return NULL;
	*end = 0;
	return end + 1;
}

static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && end[-1] == ' ')
		*--end = 0;
	while (*text == ' ')
		text++;
	return text;
}

/* "== name" or "== name [type]": NULL if it is not for @type */
static const char *scene_name(char *line, const char *type)
{
	char *only = strchr(line, '[');

	if (only) {
		*only++ = 0;
		only[strcspn(only, "]")] = 0;
		if (strcmp(only, type))
			return NULL;
	}
	return trim(line + 2);
}

static int same_before(const char *scene, const char *text)
{
	int i, n = 0;

	for (i = 0; i < n_steps; i++)
		n += steps[i].scene == scene && !strcmp(steps[i].text, text);
	return n;
}

static bool read_script(const char *type)
{
	const char *scene = NULL;
	char *line, *next;

	n_steps = 0;
	for (line = strdup(script_text); line && *line; line = next) {
		next = next_line(line);
		if (!strncmp(line, "==", 2)) {
			scene = scene_name(line, type);
			continue;
		}
		line = trim(line);
		if (!*line || *line == '#' || !scene)
			continue;
		if (n_steps == STEPS)
			return false;
		steps[n_steps].again = same_before(scene, line);
		steps[n_steps].scene = scene;
		steps[n_steps].text = line;
		memset(steps[n_steps].result, 0, sizeof(steps[0].result));
		n_steps++;
	}
	return true;
}

/* @where is "stream" or "stream@6.1,6.12": a type, and kernels */
static bool is_here(const char *where, const char *type)
{
	size_t n = strlen(type);
	struct utsname u;
	const char *at;

	if (strncmp(where, type, n))
		return false;
	if (!where[n])
		return true;
	if (where[n] != '@' || uname(&u))
		return false;
	for (at = where + n + 1; *at; at += strcspn(at, ",") + 1) {
		n = strcspn(at, ",");
		if (!strncmp(at, u.release, n) &&
		    (u.release[n] < '0' || u.release[n] > '9'))
			return true;
		if (!at[n])
			break;
	}
	return false;
}

static bool read_row(char *line, const char *type)
{
	struct row *row = &rows[n_rows];
	int i;

	memset(row, 0, sizeof(*row));
	for (i = 0; i < FIELDS; i++) {
		row->field[i] = strsep(&line, "|");
		if (!row->field[i])
			return false;
		row->field[i] = trim(row->field[i]);
	}
	if (is_here(row->field[WHERE], type))
		n_rows++;
	return !line;
}

static bool read_differs(const char *type)
{
	char *line, *next;

	n_rows = 0;
	n_reasons = 0;
	for (line = strdup(differs_text); line && *line; line = next) {
		next = next_line(line);
		if (n_rows == ROWS || n_reasons == ROWS)
			return false;
		/* A reason's text is for readers; its name is looked up. */
		if (*line == '=') {
			line[strcspn(line, ":")] = 0;
			reasons[n_reasons++] = trim(line + 1);
		} else if (*line && *line != '#' && *line != ' ' &&
			   !read_row(line, type)) {
			printf("# not a row: %s\n", line);
			return false;
		}
	}
	return true;
}

static bool known_reason(const char *name)
{
	int i;

	for (i = 0; i < n_reasons; i++)
		if (!strcmp(reasons[i], name))
			return true;
	return false;
}

/* Runs one scene; returns the step after it. */
static int run_scene(int first, int who, int type)
{
	struct conform c;
	int i, err;

	err = parley_ns_enter() ?: conform_begin(&c, families[who], type);
	for (i = first; i < n_steps && steps[i].scene == steps[first].scene;
	     i++) {
		if (err)
			snprintf(steps[i].result[who], CONFORM_TEXT,
				 "(no begin: %d)", err);
		else
			conform_step(&c, steps[i].text, steps[i].result[who]);
	}
	if (!err)
		conform_end(&c);
	if (families[who] == AF_PARLEY && parley_expect_clean())
		snprintf(steps[i - 1].result[who], CONFORM_TEXT,
			 "(something is left)");
	return i;
}

static void step_name(const struct step *s, char *name, size_t size)
{
	if (s->again)
		snprintf(name, size, "%s (%d)", s->text, s->again + 1);
	else
		snprintf(name, size, "%s", s->text);
}

/* A step that peers do not have: there parley has only one to be like. */
static bool differs(const struct step *s)
{
	return strcmp(s->result[UNIX], s->result[PARLEY]) ||
	       (s->result[TCP][0] &&
		strcmp(s->result[TCP], s->result[PARLEY]));
}

static struct row *find_row(const struct step *s)
{
	char name[128];
	int i;

	step_name(s, name, sizeof(name));
	for (i = 0; i < n_rows; i++)
		if (!strcmp(rows[i].field[SCENE], s->scene) &&
		    !strcmp(rows[i].field[STEP], name))
			return &rows[i];
	return NULL;
}

static bool row_is_right(const struct row *row, const struct step *s)
{
	return !strcmp(row->field[IN_UNIX], s->result[UNIX]) &&
	       !strcmp(row->field[IN_TCP], s->result[TCP]) &&
	       !strcmp(row->field[IN_PARLEY], s->result[PARLEY]);
}

static void print_step(const struct step *s, const char *type,
		       const char *reason)
{
	char name[128];

	step_name(s, name, sizeof(name));
	printf("# %s | %s | %s | %s | %s | %s | %s\n", type, s->scene, name,
	       s->result[UNIX], s->result[TCP], s->result[PARLEY], reason);
}

/* Return: how many steps are not as the list has it. */
static int compare(const char *type)
{
	int i, wrong = 0;

	for (i = 0; i < n_steps; i++) {
		struct step *s = &steps[i];
		struct row *row = find_row(s);

		if (row)
			row->seen++;
		if (!differs(s) && !row)
			continue;
		if (differs(s) && row && row_is_right(row, s) &&
		    known_reason(row->field[REASON])) {
			print_step(s, type, row->field[REASON]);
			continue;
		}
		wrong++;
		print_step(s, type, !row ? "NOT IN THE LIST" :
			   !differs(s) ? "NO LONGER DIFFERS" :
			   row_is_right(row, s) ? "NO SUCH REASON" :
			   "NOT AS IN THE LIST");
	}
	for (i = 0; i < n_rows; i++)
		if (rows[i].seen != 1) {
			wrong++;
			printf("# %s | %s: %s\n", rows[i].field[SCENE],
			       rows[i].field[STEP], rows[i].seen ?
			       "LISTED TWICE" : "NO SUCH STEP");
		}
	fflush(stdout);
	return wrong;
}

FIXTURE(conformance) {
};

FIXTURE_VARIANT(conformance) {
	const char *name;
	int type;
};

FIXTURE_VARIANT_ADD(conformance, stream) {
	.name = "stream",
	.type = SOCK_STREAM,
};

FIXTURE_VARIANT_ADD(conformance, seqpacket) {
	.name = "seqpacket",
	.type = SOCK_SEQPACKET,
};

FIXTURE_SETUP(conformance)
{
	ASSERT_EQ(0, parley_ns_enter());
	ASSERT_TRUE(read_script(variant->name));
	ASSERT_TRUE(read_differs(variant->name));
	ASSERT_LT(0, n_steps);
}

FIXTURE_TEARDOWN(conformance)
{
	EXPECT_EQ(0, parley_expect_clean());
}

TEST_F_TIMEOUT(conformance, script, 600)
{
	int who, i;

	for (who = 0; who < PEERS; who++) {
		if (families[who] == AF_INET && variant->type != SOCK_STREAM)
			continue;
		for (i = 0; i < n_steps;)
			i = run_scene(i, who, variant->type);
	}
	EXPECT_EQ(0, compare(variant->name));
}

TEST_HARNESS_MAIN
