// SPDX-License-Identifier: GPL-2.0
/*
 * An eBPF filter, for kernels that have no policies as well: lets in callers
 * whose uid is in a range and whose call data begin with a word.
 *
 *	parleyctl listen --filter filter.bpf.o,uid_max=999,word=hello \
 *		127.0.0.1:7000
 *	parleyctl call --data 'hello there' 127.0.0.1:7000
 *
 * A program of one's own loads it as a socket filter and attaches it with
 * SO_ATTACH_BPF before listen(2).
 */
#include <linux/bpf.h>
#include <linux/parley.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* As the user namespace of who listens has them. */
const volatile __u32 uid_min;
const volatile __u32 uid_max = 0xfffffffe;
/* None: any call data will do. */
const volatile char word[16];
/* What the others are told. */
const volatile __u32 code_uid = 1;
const volatile __u32 code_word = 2;
const volatile __u32 retry_after_ms;

/* The program's answer is in two places: what it returns, and cb[]. */
static __always_inline int refuse(struct __sk_buff *skb, __u32 code)
{
	skb->cb[PARLEY_CB_CODE] = code;
	skb->cb[PARLEY_CB_RETRY_AFTER] = retry_after_ms;
	return PARLEY_FILTER_REFUSE;
}

/* Do the data at @offset begin with the word? */
static __always_inline int has_word(struct __sk_buff *skb, __u32 offset)
{
	char c;
	int i;

	for (i = 0; i < sizeof(word); i++) {
		if (!word[i])
			break;
		if (bpf_skb_load_bytes(skb, offset + i, &c, 1) || c != word[i])
			return 0;
	}
	return 1;
}

SEC("socket")
int filter(struct __sk_buff *skb)
{
	__u32 header_len, uid;

	if (bpf_skb_load_bytes(skb, offsetof(struct parley_packet, header_len),
			       &header_len, sizeof(header_len)) ||
	    bpf_skb_load_bytes(skb, offsetof(struct parley_packet, uid), &uid,
			       sizeof(uid)))
		return PARLEY_FILTER_REFUSE;
	uid = bpf_ntohl(uid);
	if (uid < uid_min || uid > uid_max)
		return refuse(skb, code_uid);
	/* The call data come after the header, however long that is. */
	if (!has_word(skb, bpf_ntohl(header_len)))
		return refuse(skb, code_word);
	return PARLEY_FILTER_ACCEPT;
}
