/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls, data and QoS as parleyctl shows them: text.c for people, json.c for
 * programs.
 */
#ifndef PARLEYCTL_SHOW_H
#define PARLEYCTL_SHOW_H

#include <json-c/json.h>
#include <parley.h>
#include <stdio.h>

#include "parleyctl.h"

/* Room for data in quotes, cut off where it is long. */
#define DATA_TEXT	320

/* Room for both directions of a struct parley_qos. */
#define QOS_TEXT	512

/* Room for a time. */
#define TIME_TEXT	24

/* text.c */
const char *data_text(const void *data, size_t len, char text[static DATA_TEXT]);
const char *qos_text(const struct parley_qos *qos, char text[static QOS_TEXT]);
const char *time_text(uint64_t ns, char text[static TIME_TEXT]);
const char *ms_text(uint32_t ms, char text[static TIME_TEXT]);
bool qos_says(const struct parley_qos *qos);
void say_peer(int fd, const char *what, const struct sockaddr_storage *peer,
	      const char *more);
void say_accepted(int fd);
void say_offer(const struct parley_offer *offer);
void print_calls_head(void);
void print_call(const struct parley_offer *offer);

/* json.c */
struct json_object *json_bytes(const void *data, size_t len);
struct json_object *json_qos(const struct parley_qos *qos);
struct json_object *json_call(const struct parley_offer *offer);
void json_add(struct json_object *object, const char *name,
	      struct json_object *value);
void print_json_line(struct json_object *object);

#endif /* PARLEYCTL_SHOW_H */
