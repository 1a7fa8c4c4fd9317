/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tables of rules between files, listeners and the terminal.
 */
#ifndef PARLEYCTL_RULES_H
#define PARLEYCTL_RULES_H

#include <parley.h>

#include "parleyctl.h"

int rules_load(const char *path, struct parley_ruleset **rules);
int rules_set(int fd, const char *path, const struct parley_ruleset *rules);
int rules_defer_all(int fd);

#endif /* PARLEYCTL_RULES_H */
