// SPDX-License-Identifier: GPL-2.0
/* What parleyctl cannot do without libbpf. */
#include "policy.h"

static int not_built(void)
{
	failure("this parleyctl was built without libbpf");
	hint("build it with libbpf 1.5 or later: make -C tools/parleyctl LIBBPF=PREFIX");
	return EXIT_FAILED;
}

int policy_load(const struct policy_opts *opts, const char *file)
{
	(void)opts;
	(void)file;
	return not_built();
}

int policy_show(const struct policy_opts *opts, const char *name)
{
	(void)opts;
	(void)name;
	return not_built();
}

int filter_attach(int fd, const char *spec)
{
	(void)fd;
	(void)spec;
	return not_built();
}
