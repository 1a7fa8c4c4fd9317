// SPDX-License-Identifier: GPL-2.0
/*
 * Socket options of SOL_PARLEY; those of TCP and IP are in sockopt_inet.c.
 * Values of a fixed length pass through a union; bytes of any length are blobs.
 */
#include <linux/uaccess.h>

#include "parley.h"

/* The value of an option on its way in or out. */
union parley_value {
	u32 num;
	u64 num64;
	struct parley_refusal refusal;
	struct parley_backlog backlog;
	struct parley_qos qos;
	struct parley_defer_timeout defer;
	struct parley_capacity capacity;
	struct parley_call_info info;
};

/* Sockets at rest: what a call takes with it can still be said. */
static struct parley_terms *parley_set_terms(struct parley_sock *psk)
{
	parley_settle(psk);
	if (psk->sk.sk_state != TCP_CLOSE)
		return ERR_PTR(-EINVAL);
	return parley_terms_change(&psk->terms) ?: ERR_PTR(-ENOMEM);
}

static int parley_set_qos(struct parley_sock *psk,
			  const union parley_value *value)
{
	struct parley_terms *terms;

	if (!parley_qos_valid(&value->qos))
		return -EINVAL;
	terms = parley_set_terms(psk);
	if (IS_ERR(terms))
		return PTR_ERR(terms);
	terms->qos = value->qos;
	terms->asked = memcmp(&value->qos, &parley_qos_none,
			      sizeof(parley_qos_none));
	return 0;
}

static int parley_set_group(struct parley_sock *psk,
			    const union parley_value *value)
{
	struct parley_terms *terms = parley_set_terms(psk);

	if (IS_ERR(terms))
		return PTR_ERR(terms);
	terms->group = value->num64;
	return 0;
}

/* Sockets that listen or will. */
static struct parley_conf *parley_set_conf(struct parley_sock *psk)
{
	if (!parley_may_listen(psk))
		return ERR_PTR(-EINVAL);
	return parley_conf_of(psk) ?: ERR_PTR(-ENOMEM);
}

static int parley_set_stage(struct parley_sock *psk,
			    const union parley_value *value)
{
	struct parley_conf *conf;

	if (value->num > PARLEY_STAGE_ARRIVAL)
		return -EINVAL;
	conf = parley_set_conf(psk);
	if (IS_ERR(conf))
		return PTR_ERR(conf);
	WRITE_ONCE(conf->stage, value->num);
	return 0;
}

static int parley_set_defer(struct parley_sock *psk,
			    const union parley_value *value)
{
	struct parley_conf *conf;

	if (value->defer.verdict != PARLEY_ACCEPT &&
	    value->defer.verdict != PARLEY_REFUSE)
		return -EINVAL;
	conf = parley_set_conf(psk);
	if (IS_ERR(conf))
		return PTR_ERR(conf);
	/* Both or neither: a call that is being deferred reads them. */
	spin_lock_bh(&conf->lock);
	conf->defer = value->defer;
	spin_unlock_bh(&conf->lock);
	return 0;
}

static int parley_set_capacity(struct parley_sock *psk,
			       const union parley_value *value)
{
	struct parley_conf *conf = parley_set_conf(psk);

	if (IS_ERR(conf))
		return PTR_ERR(conf);
	spin_lock_bh(&conf->lock);
	conf->capacity.send = value->capacity.send;
	conf->capacity.recv = value->capacity.recv;
	spin_unlock_bh(&conf->lock);
	return 0;
}

static int parley_set_inherit(struct parley_sock *psk,
			      const union parley_value *value)
{
	struct parley_conf *conf;

	if (value->num & ~(PARLEY_INHERIT_NONBLOCK | PARLEY_INHERIT_ASYNC))
		return -EINVAL;
	conf = parley_set_conf(psk);
	if (IS_ERR(conf))
		return PTR_ERR(conf);
	WRITE_ONCE(conf->inherit, value->num);
	return 0;
}

static int parley_set_share(struct parley_sock *psk,
			    const union parley_value *value)
{
	struct parley_conf *conf;

	if (value->num > 100)
		return -EINVAL;
	conf = parley_set_conf(psk);
	if (IS_ERR(conf))
		return PTR_ERR(conf);
	WRITE_ONCE(conf->share, value->num);
	return 0;
}

static int parley_set_policy_link(struct sock *sk, sockptr_t val,
				  unsigned int len)
{
	int fd;

	if (!parley_ops_usable)
		return -ENOPROTOOPT;
	if (len < sizeof(fd))
		return -EINVAL;
	if (copy_from_sockptr(&fd, val, sizeof(fd)))
		return -EFAULT;
	return parley_ops_choose_link(sk, fd);
}

static int parley_set_timeout(struct parley_sock *psk,
			      const union parley_value *value)
{
	parley_settle(psk);
	if (psk->sk.sk_state != TCP_CLOSE)
		return -EINVAL;
	psk->timeout_ms = value->num;
	return 0;
}

/**
 * struct parley_setter - an option of a fixed length
 * @name: its name
 * @size: bytes that user space must give; it may give more
 * @set: under lock_sock(). Return: 0 or a negative errno
 */
struct parley_setter {
	int name;
	unsigned int size;
	int (*set)(struct parley_sock *psk, const union parley_value *value);
};

static const struct parley_setter parley_setters[] = {
	{ PARLEY_CONNECT_TIMEOUT, sizeof(u32), parley_set_timeout },
	{ PARLEY_QOS, sizeof(struct parley_qos), parley_set_qos },
	{ PARLEY_GROUP, sizeof(u64), parley_set_group },
	{ PARLEY_STAGE, sizeof(u32), parley_set_stage },
	{ PARLEY_DEFER_TIMEOUT, sizeof(struct parley_defer_timeout),
	  parley_set_defer },
	{ PARLEY_INHERIT, sizeof(u32), parley_set_inherit },
	{ PARLEY_CAPACITY, offsetof(struct parley_capacity, send_used),
	  parley_set_capacity },
	{ PARLEY_FAIR_SHARE, sizeof(u32), parley_set_share },
};

static int parley_set_value(struct sock *sk, const struct parley_setter *setter,
			    sockptr_t val, unsigned int len)
{
	union parley_value value;
	int err;

	if (len < setter->size)
		return -EINVAL;
	if (copy_from_sockptr(&value, val, setter->size))
		return -EFAULT;
	lock_sock(sk);
	err = setter->set(parley_sk(sk), &value);
	release_sock(sk);
	return err;
}

/* Return: where the socket keeps these bytes, or an error as a pointer. */
static struct parley_blob **parley_set_place(struct parley_sock *psk, int name)
{
	struct parley_terms *terms;
	struct parley_conf *conf;

	if (name == PARLEY_CALL_DATA) {
		terms = parley_set_terms(psk);
		return IS_ERR(terms) ? ERR_CAST(terms) : &terms->data;
	}
	conf = parley_set_conf(psk);
	return IS_ERR(conf) ? ERR_CAST(conf) : &conf->reply;
}

/* PARLEY_CALL_DATA, PARLEY_REPLY_DATA */
static int parley_set_bytes(struct sock *sk, int name, sockptr_t val,
			    unsigned int len)
{
	struct parley_blob *blob = NULL;
	struct parley_blob **place;
	int err = 0;

	if (len > READ_ONCE(parley_net(sock_net(sk))->max_call_data))
		return -EMSGSIZE;
	if (len)
		blob = parley_blob_new(val, len);
	if (IS_ERR(blob))
		return PTR_ERR(blob);

	lock_sock(sk);
	place = parley_set_place(parley_sk(sk), name);
	if (IS_ERR(place))
		err = PTR_ERR(place);
	else
		swap(*place, blob);
	release_sock(sk);
	parley_blob_put(blob);
	return err;
}

/**
 * parley_setsockopt - setsockopt(2) but for SOL_SOCKET
 * @sock: the socket
 * @level: SOL_PARLEY, or one of parley_inet_setsockopt()
 * @name: the option
 * @val: its value
 * @len: the value's length in bytes
 *
 * Context: process, may sleep.
 * Return: 0, -ENOPROTOOPT for what is unknown or can only be read, -EINVAL
 * where the value is too short, makes no sense, or the socket is past that,
 * -EMSGSIZE where it is too long, -ENOENT, -EPERM and -EBADF for policies,
 * -EFAULT, -ENOMEM.
 */
int parley_setsockopt(struct socket *sock, int level, int name, sockptr_t val,
		      unsigned int len)
{
	size_t i;

	if (level != SOL_PARLEY)
		return parley_inet_setsockopt(sock->sk, level, name, val, len);
	if (name == PARLEY_CALL_DATA || name == PARLEY_REPLY_DATA)
		return parley_set_bytes(sock->sk, name, val, len);
	if (name == PARLEY_POLICY)
		return parley_ops_choose(sock->sk, val, len);
	if (name == PARLEY_POLICY_LINK)
		return parley_set_policy_link(sock->sk, val, len);
	for (i = 0; i < ARRAY_SIZE(parley_setters); i++)
		if (parley_setters[i].name == name)
			return parley_set_value(sock->sk, &parley_setters[i],
						val, len);
	return -ENOPROTOOPT;
}

/* The call whose end this socket is, or the last one that failed. */
static struct parley_call *parley_get_call(struct parley_sock *psk)
{
	parley_settle(psk);
	if (psk->sk.sk_state == TCP_ESTABLISHED || psk->reason)
		return parley_own_call(psk);
	return NULL;
}

static void parley_get_refusal(struct parley_sock *psk,
			       struct parley_refusal *refusal)
{
	struct parley_call *call = parley_get_call(psk);
	const struct parley_ruling *ruling;

	memset(refusal, 0, sizeof(*refusal));
	refusal->reason = psk->reason;
	if (!psk->reason || !parley_call_answered(call))
		return;
	ruling = parley_call_ruling(call);
	refusal->code = ruling->code;
	refusal->retry_after_ms = ruling->retry_after_ms;
	refusal->data_len = parley_blob_len(parley_call_reply(call));
}

/* What was granted, from this end, or what was asked for. */
static void parley_get_qos(struct parley_sock *psk, struct parley_qos *qos)
{
	struct parley_call *call = parley_get_call(psk);

	*qos = *parley_terms_qos(psk->terms);
	if (psk->sk.sk_state != TCP_ESTABLISHED || !call)
		return;
	*qos = *parley_call_granted(call);
	if (psk->callee)
		swap(qos->send, qos->recv);
}

static int parley_get_info(struct parley_sock *psk,
			   struct parley_call_info *info)
{
	if (!psk->callee)
		return -EINVAL;
	parley_call_info(parley_own_call(psk), psk->family, info);
	return sizeof(*info);
}

static int parley_get_since(struct parley_sock *psk, u64 *ns)
{
	parley_settle(psk);
	if (psk->sk.sk_state != TCP_ESTABLISHED)
		return -ENOTCONN;
	*ns = ktime_get_ns() - psk->since;
	return sizeof(*ns);
}

/* Of a socket that listens or will. */
static int parley_get_conf(struct parley_sock *psk, int name,
			   union parley_value *value)
{
	struct parley_conf *conf = psk->conf;
	struct parley_conf initial;

	if (!parley_may_listen(psk))
		return -EINVAL;
	if (!conf) {
		parley_conf_init(&initial, sock_net(&psk->sk));
		conf = &initial;
	}
	switch (name) {
	case PARLEY_STAGE:
		value->num = conf->stage;
		return sizeof(value->num);
	case PARLEY_INHERIT:
		value->num = conf->inherit;
		return sizeof(value->num);
	case PARLEY_FAIR_SHARE:
		value->num = conf->share;
		return sizeof(value->num);
	case PARLEY_CAPACITY:
		spin_lock_bh(&conf->lock);
		value->capacity = conf->capacity;
		spin_unlock_bh(&conf->lock);
		return sizeof(value->capacity);
	default:
		value->defer = conf->defer;
		return sizeof(value->defer);
	}
}

static u64 parley_get_group(struct parley_sock *psk)
{
	struct parley_terms *terms = psk->terms;

	if (psk->callee)
		terms = parley_own_call(psk)->terms;
	return terms ? terms->group : 0;
}

static int parley_get_own(struct parley_sock *psk, int name,
			  union parley_value *value)
{
	switch (name) {
	case PARLEY_CONNECT_TIMEOUT:
		value->num = psk->timeout_ms;
		return sizeof(value->num);
	case PARLEY_REFUSAL:
		parley_get_refusal(psk, &value->refusal);
		return sizeof(value->refusal);
	case PARLEY_BACKLOG:
		return parley_listener_info(psk, &value->backlog) ?:
		       (int)sizeof(value->backlog);
	case PARLEY_QOS:
		parley_get_qos(psk, &value->qos);
		return sizeof(value->qos);
	case PARLEY_GROUP:
		value->num64 = parley_get_group(psk);
		return sizeof(value->num64);
	case PARLEY_CALL_INFO:
		return parley_get_info(psk, &value->info);
	case PARLEY_STAGE:
	case PARLEY_DEFER_TIMEOUT:
	case PARLEY_INHERIT:
	case PARLEY_CAPACITY:
	case PARLEY_FAIR_SHARE:
		return parley_get_conf(psk, name, value);
	case PARLEY_CONNECT_TIME:
		return parley_get_since(psk, &value->num64);
	default:
		return -ENOPROTOOPT;
	}
}

/* Return: the length of the value, or a negative errno. */
static int parley_get_value(struct sock *sk, int name,
			    union parley_value *value)
{
	int ret;

	lock_sock(sk);
	ret = parley_get_own(parley_sk(sk), name, value);
	release_sock(sk);
	return ret;
}

/* Bytes are given whole or not at all. */
static int parley_put_bytes(const void *from, u32 size, u32 room,
			    char __user *val, int __user *len)
{
	if (put_user(size, len))
		return -EFAULT;
	if (size > room)
		return -ERANGE;
	return copy_to_user(val, from, size) ? -EFAULT : 0;
}

/* The reply that this socket got, gave, or would give. Holds a reference. */
static struct parley_blob *parley_get_reply(struct parley_sock *psk)
{
	struct parley_call *call = parley_get_call(psk);

	if (call && psk->sk.sk_state != TCP_LISTEN)
		return parley_blob_get(parley_call_answered(call) ?
				       parley_call_reply(call) : NULL);
	if (psk->sk.sk_state == TCP_SYN_SENT || !psk->conf)
		return NULL;
	return parley_blob_get(psk->conf->reply);
}

static struct parley_blob *parley_get_data(struct parley_sock *psk)
{
	struct parley_terms *terms = psk->terms;

	if (psk->callee)
		terms = parley_own_call(psk)->terms;
	return parley_blob_get(parley_terms_data(terms));
}

/* PARLEY_CALL_DATA, PARLEY_REPLY_DATA */
static int parley_get_bytes(struct sock *sk, int name, u32 room,
			    char __user *val, int __user *len)
{
	struct parley_sock *psk = parley_sk(sk);
	struct parley_blob *blob;
	int err;

	lock_sock(sk);
	if (name == PARLEY_CALL_DATA)
		blob = parley_get_data(psk);
	else
		blob = parley_get_reply(psk);
	release_sock(sk);
	err = parley_put_bytes(blob ? blob->data : NULL, parley_blob_len(blob),
			       room, val, len);
	parley_blob_put(blob);
	return err;
}

static int parley_get_policy(struct sock *sk, u32 room, char __user *val,
			     int __user *len)
{
	char name[PARLEY_POLICY_NAME_MAX];
	int err;

	lock_sock(sk);
	err = parley_ops_name(parley_sk(sk), name);
	release_sock(sk);
	return err ?: parley_put_bytes(name, strlen(name) + 1, room, val, len);
}

static int parley_get_peersec(struct parley_sock *psk, u32 room,
			      char __user *val, int __user *len)
{
	const struct lsm_context *label;

	/* An accepted socket's call does not change. */
	if (!psk->callee)
		return -EINVAL;
	label = &rcu_dereference_protected(psk->call, 1)->label;
	if (!label->len)
		return -ENOPROTOOPT;
	return parley_put_bytes(label->context, label->len, room, val, len);
}

/**
 * parley_getsockopt - getsockopt(2) but for SOL_SOCKET
 * @sock: the socket
 * @level: as for parley_setsockopt()
 * @name: the option
 * @val: where the value goes
 * @len: the room there, and then the bytes written
 *
 * Context: process, may sleep.
 * Return: 0, -ENOPROTOOPT, -EINVAL for a negative length or an option that
 * this socket does not have, -ENOTCONN, -ERANGE for bytes that do not fit, and
 * *@len then says how many they are, -EFAULT.
 */
int parley_getsockopt(struct socket *sock, int level, int name,
		      char __user *val, int __user *len)
{
	struct sock *sk = sock->sk;
	union parley_value value;
	int room, size;

	if (get_user(room, len))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (level != SOL_PARLEY)
		return parley_inet_getsockopt(sk, level, name, room, val, len);
	if (name == PARLEY_CALL_DATA || name == PARLEY_REPLY_DATA)
		return parley_get_bytes(sk, name, room, val, len);
	if (name == PARLEY_PEERSEC)
		return parley_get_peersec(parley_sk(sk), room, val, len);
	if (name == PARLEY_POLICY)
		return parley_get_policy(sk, room, val, len);
	size = parley_get_value(sk, name, &value);
	if (size < 0)
		return size;
	size = min(size, room);
	if (copy_to_user(val, &value, size) || put_user(size, len))
		return -EFAULT;
	return 0;
}
