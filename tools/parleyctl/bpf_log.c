// SPDX-License-Identifier: GPL-2.0
/*
 * What libbpf has to say: its errors; and its messages, which are kept, and
 * shown if something fails. The verifier's log tells the story of the program
 * from its beginning; why it was refused is at the end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf.h"

#define LAST_LINES	12

static struct bytes kept;

static int keep(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char *text, *more;
	int len;

	if (level != LIBBPF_WARN)
		return 0;
	len = vasprintf(&text, fmt, args);
	if (len < 0)
		return 0;
	more = realloc(kept.data, kept.len + len + 1);
	if (more) {
		kept.data = more;
		memcpy(more + kept.len, text, len + 1);
		kept.len += len;
	}
	free(text);
	return 0;
}

/* Some of libbpf's errors are its own. */
const char *bpf_error(int err)
{
	static char text[128];

	libbpf_strerror(err, text, sizeof(text));
	return text;
}

void bpf_log_keep(void)
{
	libbpf_set_print(keep);
}

void bpf_log_drop(void)
{
	free(kept.data);
	memset(&kept, 0, sizeof(kept));
}

/* Lines of the verifier's log; the last ones, without the statistics. */
static void hint_verifier(char **lines, size_t count)
{
	while (count && (!lines[count - 1][0] ||
			 !strncmp(lines[count - 1], "processed ", 10) ||
			 !strncmp(lines[count - 1], "verification time", 17) ||
			 !strncmp(lines[count - 1], "stack depth", 11)))
		count--;
	if (count > LAST_LINES) {
		hint("...");
		lines += count - LAST_LINES;
		count = LAST_LINES;
	}
	for (; count; count--, lines++)
		hint("%s", *lines);
}

static char **split(char *text, size_t *count)
{
	char **lines = NULL, **more, *line;

	*count = 0;
	while ((line = strsep(&text, "\n"))) {
		more = reallocarray(lines, *count + 1, sizeof(*lines));
		if (!more)
			break;
		lines = more;
		lines[(*count)++] = line;
	}
	return lines;
}

void bpf_log_hint(void)
{
	static const char mark[] = "libbpf: ";
	size_t i, first = 0, count = 0;
	bool inside = false;
	char **lines = NULL;

	if (kept.data)
		lines = split(kept.data, &count);
	for (i = 0; i < count; i++) {
		const char *line = lines[i];

		if (strstr(line, "-- BEGIN PROG LOAD LOG --")) {
			inside = true;
			first = i + 1;
		} else if (strstr(line, "-- END PROG LOAD LOG --")) {
			inside = false;
			hint_verifier(lines + first, i - first);
		} else if (!inside && line[0]) {
			if (!strncmp(line, mark, strlen(mark)))
				line += strlen(mark);
			hint("%s", line);
		}
	}
	free(lines);
	bpf_log_drop();
}
