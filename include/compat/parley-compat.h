/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lets code that is written for the newest kernel build on the older ones.
 * Nothing but adapters lives here; each says which kernel made it needless.
 */
#ifndef _PARLEY_COMPAT_H
#define _PARLEY_COMPAT_H

#include <linux/btf.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/poll.h>
#include <linux/security.h>
#include <linux/socket.h>
#include <linux/sysctl.h>
#include <linux/timer.h>
#include <net/net_namespace.h>

/* 6.10: accept() takes struct proto_accept_arg */
#ifdef PARLEY_HAVE_ACCEPT_ARG
#define PARLEY_DEFINE_ACCEPT(...)
#define PARLEY_ACCEPT_OP(fn)	fn
#else
struct proto_accept_arg {
	int flags;
	int err;
	int is_empty;
	bool kern;
};

#define PARLEY_DEFINE_ACCEPT(fn)					\
static int fn##_flags(struct socket *sock, struct socket *newsock,	\
		      int flags, bool kern)				\
{									\
	struct proto_accept_arg arg = { .flags = flags, .kern = kern };	\
									\
	return fn(sock, newsock, &arg);					\
}

#define PARLEY_ACCEPT_OP(fn)	fn##_flags
#endif

/* 6.19: bind() and connect() take struct sockaddr_unsized */
#ifndef PARLEY_HAVE_SOCKADDR_UNSIZED
#define sockaddr_unsized	sockaddr
#endif

/* 6.6: tables of sysctls are registered with their size */
#ifdef PARLEY_HAVE_NET_SYSCTL_SZ
#define PARLEY_SYSCTL_END
#else
#define PARLEY_SYSCTL_END	{ }
static inline struct ctl_table_header *
register_net_sysctl_sz(struct net *net, const char *path,
		       struct ctl_table *table, size_t size)
{
	return register_net_sysctl(net, path, table);
}
#endif

/* 6.16: timer_container_of() instead of from_timer() */
#ifndef timer_container_of
#define timer_container_of(var, timer, field) \
	container_of(timer, typeof(*(var)), field)
#endif

/* 6.2: timer_delete() instead of del_timer() */
#ifndef PARLEY_HAVE_TIMER_DELETE
#define timer_delete(timer)	del_timer(timer)
#endif

/* 6.13: hrtimer_setup() instead of hrtimer_init() and an assignment */
#ifndef PARLEY_HAVE_HRTIMER_SETUP
static inline void
hrtimer_setup(struct hrtimer *timer,
	      enum hrtimer_restart (*function)(struct hrtimer *),
	      clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/* 6.14: struct lsm_prop instead of a number, struct lsm_context for text */
#ifndef PARLEY_HAVE_LSM_PROP
#define LSM_ID_UNDEF	0

struct lsm_prop {
	u32 secid;
};

struct lsm_context {
	char *context;
	u32 len;
	int id;
};

static inline void security_current_getlsmprop_subj(struct lsm_prop *prop)
{
	security_current_getsecid_subj(&prop->secid);
}

static inline int security_lsmprop_to_secctx(struct lsm_prop *prop,
					     struct lsm_context *cp, int lsmid)
{
	int err = security_secid_to_secctx(prop->secid, &cp->context, &cp->len);

	return err ?: (int)cp->len;
}

static inline void parley_release_secctx(struct lsm_context *cp)
{
	security_release_secctx(cp->context, cp->len);
}

#define security_release_secctx	parley_release_secctx
#endif

/* 6.13: the namespace is a string */
#ifdef PARLEY_HAVE_IMPORT_NS_STRING
#define PARLEY_IMPORT_NS(ns)	MODULE_IMPORT_NS(#ns)
#else
#define PARLEY_IMPORT_NS(ns)	MODULE_IMPORT_NS(ns)
#endif

/* 7.0: kfuncs take trusted arguments without being told */
#ifndef KF_TRUSTED_ARGS
#ifndef KF_IMPLICIT_ARGS
#error "whether kfuncs take trusted arguments only is not known"
#endif
#define KF_TRUSTED_ARGS	0
#endif

/* 6.12: file->f_owner is a pointer */
#ifndef PARLEY_HAVE_FILE_OWNER
static inline struct fown_struct *file_f_owner(struct file *file)
{
	return &file->f_owner;
}

static inline int file_f_owner_allocate(struct file *file)
{
	return 0;
}
#endif

/* Gone in 7.x, where poll_wait() alone looks into the table */
#ifndef PARLEY_HAVE_POLL_DOES_NOT_WAIT
static inline bool poll_does_not_wait(const poll_table *p)
{
	return !p || !p->_qproc;
}
#endif

#endif /* _PARLEY_COMPAT_H */
