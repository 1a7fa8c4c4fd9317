// SPDX-License-Identifier: GPL-2.0
/*
 * Shows one undecided call after the other and takes the answers of a person:
 *
 *	a [TEXT]		accept, with a reply
 *	r [CODE] [TIME] [TEXT]	refuse; TIME: when to call again
 *	d			defer: ask again at Enter, when all are answered
 *	q			leave
 *
 * The end of the input is no answer: the call that is open stays undecided,
 * for whoever decides next.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "show.h"

static void show_prompt(void)
{
	say("accept: a [TEXT]   refuse: r [CODE] [TIME] [TEXT]   defer: d   leave: q");
}

/* Shows the next call, if there is one and no question is open. */
int ask_next(struct asker *asker)
{
	unsigned int flags = PARLEY_NEXT_DEFERRED | PARLEY_NEXT_NOWAIT;
	int err = 0, ret;

	if (asker->offer)
		return EXIT_OK;
	if (asker->rewind)
		flags |= PARLEY_NEXT_REWIND;
	ret = control_lock(&asker->control);
	if (ret)
		return ret;
	if (parley_next_call(asker->control.listener, &asker->offer, flags)) {
		asker->offer = NULL;
		err = errno;
	}
	control_unlock(&asker->control);
	asker->rewind = false;
	if (err == EAGAIN || err == EINTR)
		return EXIT_OK;
	if (err == EINVAL)
		return failure("the listener has gone, its calls were refused");
	if (err)
		return failure("PARLEY_IOC_NEXT_CALL: %s", strerror(err));
	say_offer(asker->offer);
	show_prompt();
	return EXIT_OK;
}

static char *skip_space(char *at)
{
	while (isspace((unsigned char)*at))
		at++;
	return at;
}

/* Cuts a word off the text at @rest. */
static char *cut_word(char **rest)
{
	char *word = skip_space(*rest), *end = word;

	while (*end && !isspace((unsigned char)*end))
		end++;
	*rest = *end ? skip_space(end + 1) : end;
	*end = '\0';
	return word;
}

/* Is @typed @word, or its beginning? */
static bool means(const char *typed, const char *word)
{
	return *typed && !strncmp(word, typed, strlen(typed));
}

/* A number that is a word of its own; then the text goes on behind it. */
static bool take_number(char **rest, bool is_time, uint32_t *number)
{
	static const char digits[] = "0123456789";
	char *text = skip_space(*rest);
	size_t len = strcspn(text, " \t");
	size_t count = strspn(text, digits);
	unsigned long value;
	char word[32];

	if (!count || len >= sizeof(word))
		return true;
	memcpy(word, text, len);
	word[len] = '\0';
	if (!is_time && count < len)
		return true;
	if (is_time ? parse_ms("r", word, number) != EXIT_OK :
		      parse_number("r", word, UINT32_MAX, &value) != EXIT_OK)
		return false;
	if (!is_time)
		*number = value;
	*rest = skip_space(text + len);
	return true;
}

/* Reads an answer; false if it is none. */
static bool read_answer(char *line, int *verdict, struct parley_answer *answer)
{
	char *rest = line;
	const char *word = cut_word(&rest);

	memset(answer, 0, sizeof(*answer));
	if (means(word, "accept")) {
		*verdict = PARLEY_ACCEPT;
	} else if (means(word, "refuse")) {
		*verdict = PARLEY_REFUSE;
		if (!take_number(&rest, false, &answer->code) ||
		    !take_number(&rest, true, &answer->retry_after_ms))
			return false;
	} else {
		*verdict = PARLEY_DEFER;
		return means(word, "defer") && !*rest;
	}
	answer->reply = rest;
	answer->reply_len = strlen(rest);
	return true;
}

static void tell_decided(const struct parley_call_info *info, int verdict,
			 int err)
{
	static const char *const words[] = { "accepted", "refused",
					     "deferred" };
	unsigned long long id = info->id;

	if (!err)
		say("call %llu: %s", id, words[verdict]);
	else if (err == ENOENT)
		say("call %llu: it has gone, or somebody else has decided", id);
	else if (err == EALREADY)
		say("call %llu: somebody else has accepted it", id);
	else if (err == EDQUOT)
		say("call %llu: refused: too little capacity is left", id);
	else
		say("call %llu: %s", id, strerror(err));
}

static enum ask_step answer_line(struct asker *asker)
{
	struct parley_answer answer;
	int verdict, err = 0;

	if (means(asker->line, "quit"))
		return ASK_QUIT;
	if (!asker->offer) {
		asker->rewind = true;
	} else if (read_answer(asker->line, &verdict, &answer)) {
		const struct parley_call_info *info = asker->offer->info;

		if (parley_decide(asker->control.listener, info->id, verdict,
				  &answer, 0))
			err = errno;
		tell_decided(info, verdict, err);
		if (err == EMSGSIZE)
			return ASK_MORE;
		parley_offer_free(asker->offer);
		asker->offer = NULL;
	} else {
		show_prompt();
		return ASK_MORE;
	}
	return ask_next(asker) ? ASK_FAILED : ASK_MORE;
}

/* Takes a character from @fd, and does what the line says at its end. */
enum ask_step ask_input(struct asker *asker, int fd)
{
	ssize_t n;
	char c;

	n = read(fd, &c, 1);
	if (n < 0 && errno == EINTR)
		return ASK_MORE;
	if (n != 1)
		return ASK_QUIT;
	if (c != '\n') {
		if (asker->len < sizeof(asker->line) - 1)
			asker->line[asker->len++] = c;
		return ASK_MORE;
	}
	asker->line[asker->len] = '\0';
	asker->len = 0;
	return answer_line(asker);
}

/* The call that is open is new for whoever asks next. */
void ask_leave(struct asker *asker)
{
	if (!asker->offer)
		return;
	parley_decide(asker->control.listener, asker->offer->info->id,
		      PARLEY_UNDECIDE, NULL, 0);
	parley_offer_free(asker->offer);
	asker->offer = NULL;
}
