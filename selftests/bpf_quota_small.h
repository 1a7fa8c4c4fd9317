/* SPDX-License-Identifier: GPL-2.0 */
/* How small it is: shared by the test and its policy. */
#ifndef PARLEY_SELFTEST_BPF_QUOTA_SMALL_H
#define PARLEY_SELFTEST_BPF_QUOTA_SMALL_H

#define SMALL_SLOTS	2	/* in the only bucket */
#define SMALL_MAX	2	/* connections of a key */

#endif
