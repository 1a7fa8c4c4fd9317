// SPDX-License-Identifier: GPL-2.0
/*
 * What belongs to the listener's open file rather than to its socket, and is
 * taken over by accepted ones on request: O_NONBLOCK, and who gets SIGIO.
 */
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>

#include "parley.h"

static void parley_inherit_flag(struct file *to, unsigned int flag)
{
	spin_lock(&to->f_lock);
	to->f_flags |= flag;
	spin_unlock(&to->f_lock);
}

/*
 * F_SETOWN and F_SETSIG. The signals go with the rights of who called
 * F_SETOWN, not of who calls accept(2). A security module gets to see the
 * latter; its own mark of the former cannot be copied.
 */
static void parley_inherit_owner(struct fown_struct *from,
				 struct fown_struct *to, struct file *file)
{
	enum pid_type type;
	kuid_t uid, euid;
	struct pid *pid;
	int signum;

	read_lock_irq(&from->lock);
	pid = get_pid(from->pid);
	type = from->pid_type;
	uid = from->uid;
	euid = from->euid;
	signum = from->signum;
	read_unlock_irq(&from->lock);

	if (pid)
		__f_setown(file, pid, type, 1);
	write_lock_irq(&to->lock);
	to->uid = uid;
	to->euid = euid;
	to->signum = signum;
	write_unlock_irq(&to->lock);
	put_pid(pid);
}

static void parley_inherit_async(struct file *from, struct socket *newsock)
{
	struct fown_struct *fown = file_f_owner(from);
	struct file *to = newsock->file;
	struct sock *sk = newsock->sk;

	/* Without memory the socket is just not registered. */
	if (fown && file_f_owner_allocate(to))
		return;
	if (fown)
		parley_inherit_owner(fown, file_f_owner(to), to);
	if (!(from->f_flags & FASYNC))
		return;
	/* The descriptor is not known here: si_fd is -1. */
	if (to->f_op->fasync(-1, to, 1) < 0)
		return;
	/* What came before this was told to nobody. */
	if (parley_sk(sk)->ops->readable(sk, 1))
		sk_wake_async(sk, SOCK_WAKE_IO, POLL_IN);
}

/**
 * parley_inherit - PARLEY_INHERIT
 * @sock: the listening socket
 * @newsock: the accepted one, complete
 *
 * Context: process, may sleep.
 */
void parley_inherit(struct socket *sock, struct socket *newsock)
{
	struct parley_conf *conf = READ_ONCE(parley_sk(sock->sk)->conf);
	u8 flags = READ_ONCE(conf->inherit);

	/* A kernel user's sockets have no files. */
	if (!flags || !sock->file || !newsock->file)
		return;
	if (flags & PARLEY_INHERIT_NONBLOCK && sock->file->f_flags & O_NONBLOCK)
		parley_inherit_flag(newsock->file, O_NONBLOCK);
	if (flags & PARLEY_INHERIT_ASYNC)
		parley_inherit_async(sock->file, newsock);
}
