/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests that unload the module: whatever happens, they have to load it
 * again. PARLEY_KO is where it is.
 */
#ifndef PARLEY_SELFTEST_LIB_MODULE_H
#define PARLEY_SELFTEST_LIB_MODULE_H

#include <stdbool.h>

/* 0, -EEXIST where it is loaded, or another negative errno */
int module_load(void);
/* 0, -EWOULDBLOCK while somebody uses it, or another negative errno */
int module_unload(void);
/* the last socket's memory may be freed, and its hold dropped, a bit later */
bool module_unload_in_time(void);

#endif
