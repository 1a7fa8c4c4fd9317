/* SPDX-License-Identifier: GPL-2.0 */
/* The socket options that the fuzzer knows, each a level and a name in one number. */
#ifndef PARLEY_SELFTEST_LIB_FUZZ_OPT_H
#define PARLEY_SELFTEST_LIB_FUZZ_OPT_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <linux/parley.h>

#include "lib_fuzz.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD	77
#endif
#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT	30
#endif

#define FUZZ_OPT(level, name)	((__u64)(level) << 16 | (name))
#define FUZZ_OPT_LEVEL(opt)	((int)((opt) >> 16))
#define FUZZ_OPT_NAME(opt)	((int)((opt) & 0xffff))

#define FUZZ_P(name)	FUZZ_OPT(SOL_PARLEY, name)
#define FUZZ_S(name)	FUZZ_OPT(SOL_SOCKET, name)
#define FUZZ_T(name)	FUZZ_OPT(IPPROTO_TCP, name)
#define FUZZ_I(name)	FUZZ_OPT(IPPROTO_IP, name)
#define FUZZ_6(name)	FUZZ_OPT(IPPROTO_IPV6, name)

/* one of those that are meant */
__u64 fuzz_option(enum fuzz_type which, struct race_random *r);

#endif /* PARLEY_SELFTEST_LIB_FUZZ_OPT_H */
