/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of parleyctl share that use libbpf. */
#ifndef PARLEYCTL_BPF_H
#define PARLEYCTL_BPF_H

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <json-c/json.h>

#include "parleyctl.h"

/* bpf_log.c */
const char *bpf_error(int err);
void bpf_log_keep(void);
void bpf_log_hint(void);
void bpf_log_drop(void);

/* bpf_object.c */
struct bpf_map *object_settings(struct bpf_object *object);
int object_set(struct bpf_object *object, const char *text);
int object_add(struct bpf_object *object, const char *text, bool commit);

/* bpf_json.c */
struct json_object *btf_json(const struct btf *btf, __u32 id, const void *data,
			     size_t size);
void print_value(struct json_object *value);

#endif /* PARLEYCTL_BPF_H */
