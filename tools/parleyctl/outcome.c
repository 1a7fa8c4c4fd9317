// SPDX-License-Identifier: GPL-2.0
/*
 * What became of a call: accepted, with what reply and what QoS; or why not,
 * and when to try again. As text, or as a JSON object.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "show.h"

/* The reply data, empty if there are none or no memory. */
static struct bytes get_reply(int fd)
{
	struct bytes reply = { 0 };
	ssize_t len = parley_get_reply_data(fd, NULL, 0);

	if (len <= 0)
		return reply;
	reply.data = malloc(len);
	len = reply.data ? parley_get_reply_data(fd, reply.data, len) : 0;
	reply.len = len > 0 ? len : 0;
	return reply;
}

static void tell_reply(int fd, void (*tell)(const char *fmt, ...))
{
	struct bytes reply = get_reply(fd);
	char text[DATA_TEXT];

	if (reply.len)
		tell("reply: %s", data_text(reply.data, reply.len, text));
	free(reply.data);
}

/* A further line of what happens. */
static void say_more(const char *fmt, ...)
{
	char text[2 * DATA_TEXT];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	say("  %s", text);
}

static int tell_accepted(const struct outcome *outcome)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	char after[32], text[QOS_TEXT];
	struct parley_qos granted;

	snprintf(after, sizeof(after), " after %.1f ms", outcome->ms);
	if (getpeername(outcome->fd, (struct sockaddr *)&peer, &len))
		return failure("%s: getpeername: %s",
			       addr_text(outcome->to, text), strerror(errno));
	say_peer(outcome->fd, "accepted by", &peer, after);
	tell_reply(outcome->fd, say_more);
	if (!parley_get_qos(outcome->fd, &granted) && qos_says(&granted))
		say("  granted: %s", qos_text(&granted, text));
	return EXIT_OK;
}

static void hint_refusal(const struct outcome *outcome)
{
	struct parley_refusal refusal;
	char time[TIME_TEXT];
	const char *name;

	if (parley_get_refusal(outcome->fd, &refusal) ||
	    refusal.reason == PARLEY_REASON_NONE)
		return;
	name = parley_reason_name(refusal.reason);
	if (name)
		hint("%s: %s", name, parley_reason_text(refusal.reason));
	else
		hint("reason %u, which this parleyctl does not know",
		     refusal.reason);
	if (refusal.code)
		hint("code: %u", refusal.code);
	if (refusal.retry_after_ms)
		hint("call again after: %s",
		     ms_text(refusal.retry_after_ms, time));
	tell_reply(outcome->fd, hint);
}

static int tell_failed(const struct outcome *outcome)
{
	char to[ADDR_TEXT];

	failure("%s: %s after %.1f ms", addr_text(outcome->to, to),
		strerror(outcome->error), outcome->ms);
	if (outcome->error == ENETUNREACH)
		hint("it is not an address of this network namespace");
	else if (outcome->error == EAFNOSUPPORT)
		hint("--from is of the other family");
	else
		hint_refusal(outcome);
	return EXIT_FAILED;
}

int tell_outcome(const struct outcome *outcome)
{
	if (outcome->error)
		return tell_failed(outcome);
	return tell_accepted(outcome);
}

static struct json_object *json_reply(int fd)
{
	struct bytes reply = get_reply(fd);
	struct json_object *object = json_bytes(reply.data, reply.len);

	free(reply.data);
	return object;
}

static void add_accepted(struct json_object *object, int fd)
{
	char text[ADDR_TEXT];
	struct parley_qos granted;
	struct json_object *server = NULL;
	struct ucred cred;
	socklen_t len = sizeof(cred);

	json_add(object, "caller",
		 json_object_new_string(addr_local(fd, text)));
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len)) {
		server = json_object_new_object();
		json_add(server, "uid", json_object_new_uint64(cred.uid));
		json_add(server, "gid", json_object_new_uint64(cred.gid));
		json_add(server, "pid", json_object_new_int(cred.pid));
	}
	json_add(object, "server", server);
	json_add(object, "granted",
		 parley_get_qos(fd, &granted) ? NULL : json_qos(&granted));
}

static void add_refusal(struct json_object *object, int fd)
{
	struct parley_refusal refusal;
	const char *name = NULL;

	if (parley_get_refusal(fd, &refusal))
		memset(&refusal, 0, sizeof(refusal));
	if (refusal.reason != PARLEY_REASON_NONE)
		name = parley_reason_name(refusal.reason);
	json_add(object, "reason", name ? json_object_new_string(name) : NULL);
	json_add(object, "code", json_object_new_uint64(refusal.code));
	json_add(object, "retry_after_ms",
		 json_object_new_uint64(refusal.retry_after_ms));
}

/* With what was @received, if there was a conversation. */
int tell_outcome_json(const struct outcome *outcome,
		      const struct bytes *received)
{
	struct json_object *object = json_object_new_object();
	const char *error = outcome->error ?
			    strerrorname_np(outcome->error) : NULL;
	char to[ADDR_TEXT], ms[32];

	snprintf(ms, sizeof(ms), "%.1f", outcome->ms);
	json_add(object, "address",
		 json_object_new_string(addr_text(outcome->to, to)));
	json_add(object, "accepted", json_object_new_boolean(!outcome->error));
	json_add(object, "error", error ? json_object_new_string(error) : NULL);
	json_add(object, "ms", json_object_new_double_s(outcome->ms, ms));
	if (outcome->error)
		add_refusal(object, outcome->fd);
	else
		add_accepted(object, outcome->fd);
	json_add(object, "reply", json_reply(outcome->fd));
	if (!outcome->error)
		json_add(object, "received",
			 json_bytes(received->data, received->len));
	print_json_line(object);
	return outcome->error ? EXIT_FAILED : EXIT_OK;
}
