// SPDX-License-Identifier: GPL-2.0
/* Verdicts on calls: PARLEY_IOC_DECIDE and PARLEY_IOC_REVIEW. */
#include <errno.h>
#include <sys/ioctl.h>

#include "internal.h"

static int plib_answer_take(struct parley_decision *d,
			    const struct parley_answer *answer)
{
	if (answer->reply_len > UINT32_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	d->code = answer->code;
	d->retry_after_ms = answer->retry_after_ms;
	d->reply_len = answer->reply_len;
	if (answer->reply_len)
		d->reply = (uintptr_t)answer->reply;
	if (answer->qos) {
		d->flags |= PARLEY_DECIDE_QOS;
		d->qos = *answer->qos;
	}
	return 0;
}

int parley_decide(int fd, uint64_t id, int verdict,
		  const struct parley_answer *answer, unsigned int flags)
{
	struct parley_decision d = {
		.size = sizeof(d),
		.verdict = verdict,
		.id = id,
		.flags = flags,
	};

	/* A grant is said by a pointer; zeros would be one, too: of nothing. */
	if (flags & PARLEY_DECIDE_QOS) {
		errno = EINVAL;
		return -1;
	}
	if (answer && plib_answer_take(&d, answer))
		return -1;
	return ioctl(fd, PARLEY_IOC_DECIDE, &d) < 0 ? -1 : 0;
}

int parley_review(int fd)
{
	return ioctl(fd, PARLEY_IOC_REVIEW);
}
