// SPDX-License-Identifier: GPL-2.0
/* What the fuzzer's calls do: socket options and filters. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib_filter.h"
#include "lib_fuzz.h"
#include "lib_fuzz_opt.h"

#define CANARY	0x5a

/* The length says more than there is: the kernel has to find out by itself. */
static long set(int fd, __u64 option, const void *value, size_t size, __u64 how)
{
	return fuzz_result(setsockopt(fd, FUZZ_OPT_LEVEL(option), FUZZ_OPT_NAME(option), value,
				      fuzz_length(how, size)));
}

long fuzz_do_setopt(struct fuzz_actor *a, const __u64 *v)
{
	memset(a->buf, 0, 64);
	memcpy(a->buf, &v[2], sizeof(v[2]));
	return set(fuzz_fd(a, v[0]), v[1], a->buf, sizeof(int), v[3]);
}

/* A pad, and what comes after the value, are what they are to be. */
static void check_got(struct fuzz_actor *a, __u64 option, socklen_t room, socklen_t len)
{
	struct parley_call_info *info = (void *)a->buf;
	socklen_t i;

	if (len > room) {
		fuzz_found(a->sh, "getsockopt(%#llx) with room for %u says %u",
			   (unsigned long long)option, room, len);
		return;
	}
	for (i = len; i < room; i++)
		if (a->buf[i] != CANARY) {
			fuzz_found(a->sh, "getsockopt(%#llx) says %u, but wrote at %u",
				   (unsigned long long)option, len, i);
			return;
		}
	if (option == FUZZ_P(PARLEY_CALL_INFO) && len >= sizeof(*info) && info->pad)
		fuzz_found(a->sh, "PARLEY_CALL_INFO.pad is %#x", info->pad);
}

long fuzz_do_getopt(struct fuzz_actor *a, const __u64 *v)
{
	socklen_t room = v[2] > FUZZ_BUF && (int)v[2] > 0 ? v[2] % FUZZ_BUF : v[2];
	socklen_t len = room;
	long ret;

	if ((int)room > 0)
		memset(a->buf, CANARY, room);
	ret = fuzz_result(getsockopt(fuzz_fd(a, v[0]), FUZZ_OPT_LEVEL(v[1]), FUZZ_OPT_NAME(v[1]),
				     a->buf, &len));
	/* Elsewhere lengths mean other things. */
	if (!ret && FUZZ_OPT_LEVEL(v[1]) == SOL_PARLEY)
		check_got(a, v[1], room, len);
	/* What was given in it is a descriptor. */
	if (!ret && v[1] == FUZZ_S(SO_PEERPIDFD) && len == sizeof(int)) {
		int fd;

		memcpy(&fd, a->buf, sizeof(fd));
		close(fd);
	}
	return ret;
}

long fuzz_do_set_qos(struct fuzz_actor *a, const __u64 *v)
{
	struct parley_qos *qos = (void *)a->buf;

	memset(a->buf, 0, 2 * sizeof(*qos));
	fuzz_qos(qos, v[1]);
	fuzz_patch(qos, sizeof(*qos), v[2], v[3]);
	return set(fuzz_fd(a, v[0]), FUZZ_P(PARLEY_QOS), qos, sizeof(*qos), v[4]);
}

long fuzz_do_set_bytes(struct fuzz_actor *a, const __u64 *v)
{
	size_t size = v[2] > FUZZ_BUF ? v[2] % FUZZ_BUF : v[2];
	int option = v[1] == PARLEY_REPLY_DATA ? PARLEY_REPLY_DATA : PARLEY_CALL_DATA;

	fuzz_bytes(a->buf, size, v[3]);
	return fuzz_result(setsockopt(fuzz_fd(a, v[0]), SOL_PARLEY, option,
				      v[4] & 1 ? NULL : a->buf, size));
}

/* Times are kept short: programs have to come to their end. */
static size_t two(char *buf, __u64 option, __u64 first, __u64 second)
{
	struct timeval tv = { .tv_sec = first == 65536, .tv_usec = second % 20000 };
	struct linger linger = { .l_onoff = first & 1, .l_linger = second };
	__u32 pair[2] = { first, second };
	__u64 big[2] = { first, second };

	switch (option) {
	case FUZZ_S(SO_LINGER):
		memcpy(buf, &linger, sizeof(linger));
		return sizeof(linger);
	case FUZZ_S(SO_SNDTIMEO):
	case FUZZ_S(SO_RCVTIMEO):
		memcpy(buf, &tv, sizeof(tv));
		return sizeof(tv);
	case FUZZ_P(PARLEY_DEFER_TIMEOUT):
		memcpy(buf, pair, sizeof(pair));
		return sizeof(pair);
	case FUZZ_P(PARLEY_GROUP):
		memcpy(buf, big, sizeof(big[0]));
		return sizeof(big[0]);
	default:
		memcpy(buf, big, sizeof(big));
		return sizeof(big);
	}
}

long fuzz_do_set_two(struct fuzz_actor *a, const __u64 *v)
{
	size_t size;

	memset(a->buf, 0, 64);
	size = two(a->buf, v[1], v[2], v[3]);
	return set(fuzz_fd(a, v[0]), v[1], a->buf, size, v[4]);
}

/* The first two are loaded where the kernel takes policies. */
long fuzz_do_set_policy(struct fuzz_actor *a, const __u64 *v)
{
	static const char *const names[] = {
		"quota_uid", "shed", "", "nobody", "much_too_long_for_a_name",
	};
	const char *name = names[v[1] % ARRAY_SIZE(names)];

	memset(a->buf, 0, 64);
	memcpy(a->buf, name, strlen(name));
	return set(fuzz_fd(a, v[0]), FUZZ_P(PARLEY_POLICY), a->buf, strlen(name), v[2]);
}

/* Classic programs: what they return depends on the call, or does not. */
static unsigned int classic(struct sock_filter *f, __u64 seed)
{
	unsigned int n = 0;

	switch (seed % 6) {
	case 0:
	case 1:
	case 2:
		f[n++] = (struct sock_filter)C_RET(seed % 6);
		break;
	case 3:
		f[n++] = (struct sock_filter)C_LOAD(BPF_W, FILTER_AT(data_len));
		f[n++] = (struct sock_filter)C_RET_A;
		break;
	case 4:
		f[n++] = (struct sock_filter)C_LOAD(BPF_B, FILTER_PACKET);
		f[n++] = (struct sock_filter)C_JEQ('a', 0, 1);
		f[n++] = (struct sock_filter)C_RET(PARLEY_FILTER_DEFER);
		f[n++] = (struct sock_filter)C_RET(PARLEY_FILTER_ACCEPT);
		break;
	default:
		f[n++] = (struct sock_filter)C_LOAD(BPF_W, seed % 512);
		f[n++] = (struct sock_filter)C_RET_A;
	}
	return n;
}

long fuzz_do_filter(struct fuzz_actor *a, const __u64 *v)
{
	struct sock_filter f[8];
	struct sock_fprog prog = { .filter = f };
	int fd = fuzz_fd(a, v[0]), none = 0;
	socklen_t len = 8;

	switch (v[1] % 4) {
	case 0:
		prog.len = classic(f, v[2]);
		fuzz_patch(f, prog.len * sizeof(f[0]), v[3], v[4]);
		return fuzz_result(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
					      sizeof(prog)));
	case 1:
		return fuzz_result(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none,
					      sizeof(none)));
	case 2:
		return fuzz_result(setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &none,
					      sizeof(none)));
	default:
		return fuzz_result(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, a->buf, &len));
	}
}

/* Programs that say something in cb[], where they should or should not. */
long fuzz_do_bpf(struct fuzz_actor *a, const __u64 *v)
{
	struct bpf_insn insns[] = {
		E_SET(2, v[2]),
		E_STORE(BPF_W, 1, E_CB(v[1] % 5), 2),
		E_SET(0, v[1] / 5 % 4),
		E_EXIT,
	};
	unsigned int skip = v[1] / 20 % 2 ? 2 : 0;

	return fuzz_keep(a, v[0], filter_load_type(BPF_PROG_TYPE_SOCKET_FILTER, insns + skip,
						   ARRAY_SIZE(insns) - skip), 0);
}

long fuzz_do_set_bpf(struct fuzz_actor *a, const __u64 *v)
{
	int fd = fuzz_fd(a, v[0]), program = fuzz_fd(a, v[1]);

	if (v[2] & 1)
		return fuzz_result(setsockopt(fd, SOL_PARLEY, PARLEY_POLICY_LINK, &program,
					      sizeof(program)));
	return fuzz_result(setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)));
}
