// SPDX-License-Identifier: GPL-2.0
/*
 * Calls, their data and their terms as people read them. Bytes are written as
 * in rule files: in quotes, with escapes for what cannot be printed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "show.h"

/* Writes the bytes at @data, in quotes; says how many there are if not all. */
const char *data_text(const void *data, size_t len, char text[static DATA_TEXT])
{
	const size_t last = DATA_TEXT - 40;
	const unsigned char *bytes = data;
	size_t i, at = 0;

	text[at++] = '"';
	for (i = 0; i < len && at < last; i++) {
		unsigned char c = bytes[i];

		if (c == '\n')
			at += sprintf(text + at, "\\n");
		else if (c == '"' || c == '\\')
			at += sprintf(text + at, "\\%c", c);
		else if (c < ' ' || c > '~')
			at += sprintf(text + at, "\\x%02x", c);
		else
			text[at++] = c;
	}
	at += sprintf(text + at, "\"");
	if (i < len)
		sprintf(text + at, "... (%zu bytes)", len);
	return text;
}

static const char *bytes_text(uint32_t value, char text[static TIME_TEXT])
{
	static const char units[] = "GMK";
	int shift, i;

	for (i = 0, shift = 30; i < 3; i++, shift -= 10) {
		if (value && !(value & ((1U << shift) - 1))) {
			snprintf(text, TIME_TEXT, "%u%c", value >> shift,
				 units[i]);
			return text;
		}
	}
	snprintf(text, TIME_TEXT, "%u", value);
	return text;
}

const char *time_text(uint64_t ns, char text[static TIME_TEXT])
{
	double s = ns / 1e9;

	if (s < 10)
		snprintf(text, TIME_TEXT, "%.1f s", s);
	else if (s < 600)
		snprintf(text, TIME_TEXT, "%.0f s", s);
	else
		snprintf(text, TIME_TEXT, "%.0f min", s / 60);
	return text;
}

const char *ms_text(uint32_t ms, char text[static TIME_TEXT])
{
	if (ms % 1000)
		snprintf(text, TIME_TEXT, "%u ms", ms);
	else
		snprintf(text, TIME_TEXT, "%u s", ms / 1000);
	return text;
}

static int flow_text(const char *name, const struct parley_flowspec *flow,
		     char *text, size_t room)
{
	static const char *const services[] = { "notraffic", "besteffort",
						"controlledload", "guaranteed" };
	const struct {
		const char *name;
		uint32_t value;
		const char *unit;
	} parts[] = {
		{ " bucket ", flow->bucket_size, "" },
		{ " peak ", flow->peak_rate, "/s" },
		{ " sdu ", flow->max_sdu, "" },
		{ " policed ", flow->min_policed, "" },
	};
	char number[TIME_TEXT];
	int at = snprintf(text, room, "%s", name);
	size_t i;

	if (flow->token_rate != PARLEY_QOS_UNSPECIFIED)
		at += snprintf(text + at, room - at, " %s/s",
			       bytes_text(flow->token_rate, number));
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		if (parts[i].value != PARLEY_QOS_UNSPECIFIED)
			at += snprintf(text + at, room - at, "%s%s%s",
				       parts[i].name,
				       bytes_text(parts[i].value, number),
				       parts[i].unit);
	}
	if (flow->latency_us != PARLEY_QOS_UNSPECIFIED)
		at += snprintf(text + at, room - at, " latency %u us",
			       flow->latency_us);
	if (flow->delay_variation_us != PARLEY_QOS_UNSPECIFIED)
		at += snprintf(text + at, room - at, " variation %u us",
			       flow->delay_variation_us);
	if (flow->service < ARRAY_SIZE(services))
		at += snprintf(text + at, room - at, " %s",
			       services[flow->service]);
	return at;
}

const char *qos_text(const struct parley_qos *qos, char text[static QOS_TEXT])
{
	int at = flow_text("send", &qos->send, text, QOS_TEXT);

	at += snprintf(text + at, QOS_TEXT - at, ", ");
	flow_text("receive", &qos->recv, text + at, QOS_TEXT - at);
	return text;
}

/* Does @qos say more than one that was never set? */
bool qos_says(const struct parley_qos *qos)
{
	struct parley_qos unset;

	memset(&unset, 0xff, sizeof(unset));
	unset.send.service = PARLEY_SERVICE_BESTEFFORT;
	unset.recv.service = PARLEY_SERVICE_BESTEFFORT;
	return memcmp(qos, &unset, sizeof(unset)) != 0;
}

/* "@what ADDRESS (uid U, pid P)@more" about the peer of a connection. */
void say_peer(int fd, const char *what, const struct sockaddr_storage *peer,
	      const char *more)
{
	char text[ADDR_TEXT];
	struct ucred cred;
	socklen_t len = sizeof(cred);

	addr_text(peer, text);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		say("%s %s (SO_PEERCRED: %s)%s", what, text, strerror(errno),
		    more);
	else
		say("%s %s (uid %u, pid %d)%s", what, text, cred.uid, cred.pid,
		    more);
}

static void say_terms(const struct parley_call_info *info, const void *data,
		      size_t len)
{
	char text[DATA_TEXT], qos[QOS_TEXT];

	if (len)
		say("  data: %s", data_text(data, len, text));
	if (info->flags & PARLEY_INFO_QOS)
		say("  asks for: %s", qos_text(&info->qos, qos));
	if (info->group)
		say("  group: %llu", (unsigned long long)info->group);
}

static void say_decider(const struct parley_call_info *info)
{
	switch (info->decided_by) {
	case PARLEY_BY_RULE:
		if (info->rule == PARLEY_RULE_NONE)
			say("  accepted by the default of the rules");
		else
			say("  accepted by rule %u", info->rule);
		break;
	case PARLEY_BY_FILTER:
		say("  accepted by the filter");
		break;
	case PARLEY_BY_POLICY:
		say("  accepted by the policy");
		break;
	case PARLEY_BY_SERVER:
		say("  accepted by a decider");
		break;
	case PARLEY_BY_TIMEOUT:
		say("  accepted since nobody decided in time");
		break;
	}
}

/* On what terms the accepted socket @fd was called, and who decided. */
void say_accepted(int fd)
{
	struct parley_call_info info;
	char *data = NULL;
	ssize_t len = 0;

	if (parley_get_call_info(fd, &info)) {
		say("  PARLEY_CALL_INFO: %s", strerror(errno));
		return;
	}
	if (info.data_len) {
		data = malloc(info.data_len);
		len = data ? parley_get_call_data(fd, data, info.data_len) : 0;
	}
	say_terms(&info, data, len > 0 ? len : 0);
	free(data);
	say_decider(&info);
	if (qos_says(&info.granted)) {
		char qos[QOS_TEXT];

		say("  granted: %s", qos_text(&info.granted, qos));
	}
}

/* All that is known of a call which waits for a verdict. */
void say_offer(const struct parley_offer *offer)
{
	const struct parley_call_info *info = offer->info;
	char caller[ADDR_TEXT], callee[ADDR_TEXT], time[TIME_TEXT];
	size_t i;

	addr_text(offer->caller, caller);
	addr_text(offer->callee, callee);
	say("call %llu from %s to %s", (unsigned long long)info->id, caller,
	    callee);
	fprintf(stderr, "  uid %u, gid %u, pid %u", info->uid, info->gid,
		info->pid);
	for (i = 0; i < offer->groups_len; i++)
		fprintf(stderr, "%s%u", i ? " " : ", groups ",
			offer->groups[i]);
	if (offer->label)
		fprintf(stderr, ", label %s", offer->label);
	fputc('\n', stderr);
	say_terms(info, offer->data, offer->data_len);
	if (info->timeout_ns)
		say("  the caller gives up in %s",
		    time_text(info->timeout_ns, time));
	if (info->defer_timeout_ns)
		say("  the default verdict comes in %s",
		    time_text(info->defer_timeout_ns, time));
}

#define CALLS_COLUMNS	"%-4s %-8s %6s %5s %5s  %-16s %-16s "

void print_calls_head(void)
{
	printf(CALLS_COLUMNS "%s\n", "ID", "STATE", "WAITS", "UID", "PID",
	       "CALLER", "CALLED", "TERMS");
}

/* One line about an undecided call. */
void print_call(const struct parley_offer *offer)
{
	const struct parley_call_info *info = offer->info;
	char caller[ADDR_TEXT], callee[ADDR_TEXT], time[TIME_TEXT];
	char id[24], uid[16], pid[16], data[DATA_TEXT], qos[QOS_TEXT];
	const char *comma = "";

	snprintf(id, sizeof(id), "%llu", (unsigned long long)info->id);
	snprintf(uid, sizeof(uid), "%u", info->uid);
	snprintf(pid, sizeof(pid), "%u", info->pid);
	printf(CALLS_COLUMNS, id,
	       info->flags & PARLEY_INFO_DEFERRED ? "deferred" : "pending",
	       time_text(info->age_ns, time), uid, pid,
	       addr_text(offer->caller, caller),
	       addr_text(offer->callee, callee));
	if (offer->data_len) {
		printf("data %s", data_text(offer->data, offer->data_len, data));
		comma = ", ";
	}
	if (offer->qos) {
		printf("%s%s", comma, qos_text(offer->qos, qos));
		comma = ", ";
	}
	if (offer->group)
		printf("%sgroup %llu", comma,
		       (unsigned long long)offer->group);
	putchar('\n');
}
