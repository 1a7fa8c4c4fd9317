// SPDX-License-Identifier: GPL-2.0
/* Loading and unloading the module; see lib_module.h. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib.h"
#include "lib_module.h"

int module_load(void)
{
	const char *path = getenv("PARLEY_KO") ?: "/modules/parley.ko";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return err;
}

int module_unload(void)
{
	return syscall(SYS_delete_module, "parley", O_NONBLOCK) ? -errno : 0;
}

bool module_unload_in_time(void)
{
	int err = -EBUSY;

	parley_until(!(err = module_unload()) ||
		     (err != -EWOULDBLOCK && err != -EBUSY));
	return !err;
}
