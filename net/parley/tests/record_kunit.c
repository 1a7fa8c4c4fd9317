// SPDX-License-Identifier: GPL-2.0
/*
 * Tests of ring_record.c, against a model that is a plain array of records.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/uio.h>

#include "ring_kunit.h"

#define RECORD_HEAD	sizeof(struct parley_record)
#define RECORD_MOST	4096
/* A record with its header that ends where a page does. */
#define RECORD_PAGE	(PAGE_SIZE - RECORD_HEAD)

/**
 * struct record_model - what must be in the ring
 * @rec: the records, oldest first from @first on
 * @first: the one that is read next
 * @next: the one that is written next
 */
static struct record_model {
	struct parley_record rec[RECORD_MOST];
	unsigned int first;
	unsigned int next;
} *model;

static size_t record_size(u32 len)
{
	return RECORD_HEAD + round_up((size_t)len, RECORD_HEAD);
}

/* A byte of the record that is written as number @nr. */
static u8 record_byte(unsigned int nr, size_t at)
{
	return ring_byte(nr * 65521 + at);
}

static unsigned long record_payload(void)
{
	unsigned long bytes = 0;
	unsigned int nr;

	for (nr = model->first; nr != model->next; nr++)
		bytes += model->rec[nr].len;
	return bytes;
}

/* Write the next record. Return: parley_ring_write_record()'s. */
static int record_write(struct ring_context *c, u32 len, u32 flags,
			unsigned long limit)
{
	struct parley_record rec = { .len = len, .flags = flags };
	struct kvec vec = { .iov_base = c->out, .iov_len = len };
	struct iov_iter from;
	u32 i;
	int ret;

	for (i = 0; i < len; i++)
		c->out[i] = record_byte(model->next, i);
	iov_iter_kvec(&from, ITER_SOURCE, &vec, 1, len);
	ring_attempt(c, record_size(len));

	mutex_lock(&c->ring.wlock);
	ret = parley_ring_write_record(&c->ring, &from, &rec, limit,
				       &c->allocated);
	mutex_unlock(&c->ring.wlock);
	if (ret > 0) {
		c->written += record_size(len);
		model->rec[model->next++] = rec;
	}
	return ret;
}

/* Read with room for @room bytes, and compare with the model. */
static long record_read(struct ring_context *c, size_t room, bool peek,
			struct parley_record *rec)
{
	struct kvec vec = { .iov_base = c->in, .iov_len = room };
	const struct parley_record *want = &model->rec[model->first];
	struct iov_iter to;
	long n, i;

	memset(c->in, RING_POISON, room);
	iov_iter_kvec(&to, ITER_DEST, &vec, 1, room);

	mutex_lock(&c->ring.rlock);
	n = parley_ring_read_record(&c->ring, &to, room, peek, rec);
	mutex_unlock(&c->ring.rlock);
	if (n < 0)
		return n;

	c->wrong += model->first == model->next;
	c->wrong += rec->len != want->len || rec->flags != want->flags;
	c->wrong += n != min_t(size_t, room, want->len);
	for (i = 0; i < n; i++)
		c->wrong += c->in[i] != record_byte(model->first, i);
	c->wrong += !!memchr_inv(c->in + n, RING_POISON, room - n);
	if (!peek) {
		c->consumed += record_size(want->len);
		model->first++;
	}
	return n;
}

static void record_expect_sane(struct kunit *test)
{
	struct ring_context *c = test->priv;
	unsigned long bytes;

	ring_expect_sane(test, c);
	mutex_lock(&c->ring.rlock);
	bytes = parley_ring_payload(&c->ring);
	mutex_unlock(&c->ring.rlock);
	KUNIT_EXPECT_EQ(test, bytes, record_payload());
}

static void record_expect_write(struct kunit *test, u32 len,
				unsigned long limit, int want)
{
	struct ring_context *c = test->priv;

	KUNIT_ASSERT_LE(test, len, RING_BUFFER);
	KUNIT_ASSERT_LT(test, model->next, RECORD_MOST);
	KUNIT_EXPECT_EQ(test, record_write(c, len, len % 3 ? MSG_EOR : 0,
					   limit), want);
	record_expect_sane(test);
}

static void record_expect_read(struct kunit *test, size_t room, long want)
{
	struct ring_context *c = test->priv;
	struct parley_record rec;

	KUNIT_ASSERT_LE(test, room, RING_BUFFER);
	KUNIT_EXPECT_EQ(test, record_read(c, room, false, &rec), want);
	record_expect_sane(test);
}

static void record_expect_peek(struct kunit *test, size_t room, long want)
{
	struct ring_context *c = test->priv;
	struct parley_record rec;

	KUNIT_EXPECT_EQ(test, record_read(c, room, true, &rec), want);
	record_expect_sane(test);
}

static void record_test_empty(struct kunit *test)
{
	struct ring_context *c = test->priv;

	record_expect_read(test, 100, -EAGAIN);
	record_expect_peek(test, 100, -EAGAIN);
	KUNIT_EXPECT_EQ(test, c->allocated, 0);
	record_expect_write(test, 10, RING_NO_LIMIT, 1);
	record_expect_read(test, 100, 10);
	record_expect_read(test, 100, -EAGAIN);
	record_expect_read(test, 0, -EAGAIN);
	KUNIT_EXPECT_EQ(test, c->allocated, 1);
}

static const u32 record_sizes[] = {
	0, 1, 7, 8, 9, RECORD_PAGE - 1, RECORD_PAGE, RECORD_PAGE + 1,
	PAGE_SIZE, 2 * PAGE_SIZE - RECORD_HEAD, 2 * PAGE_SIZE, 15 * PAGE_SIZE,
};

static void record_size_desc(const u32 *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u bytes", *size);
}

KUNIT_ARRAY_PARAM(record_size, record_sizes, record_size_desc);

/* From each place of a page that a header may have, up to its end. */
static void record_test_boundary(struct kunit *test)
{
	const u32 size = *(const u32 *)test->param_value;
	u32 at;

	for (at = 0; at < 40; at += 8) {
		/* The header of the next begins @at bytes before the end. */
		record_expect_write(test, RECORD_PAGE - at, RING_NO_LIMIT, 1);
		record_expect_write(test, size, RING_NO_LIMIT, 1);
		record_expect_write(test, 3, RING_NO_LIMIT, 1);
		record_expect_read(test, RING_BUFFER, RECORD_PAGE - at);
		record_expect_peek(test, RING_BUFFER, size);
		record_expect_read(test, RING_BUFFER, size);
		record_expect_read(test, RING_BUFFER, 3);
		record_expect_read(test, RING_BUFFER, -EAGAIN);
		/* The next round is to begin where a page does. */
		while (!ring_reclaim(test->priv))
			;
	}
}

static void record_test_wrap(struct kunit *test)
{
	int i;

	for (i = 0; i < 200; i++)
		record_expect_write(test, 499, RING_NO_LIMIT, 1);
	for (i = 0; i < 200; i++)
		record_expect_read(test, 1000, 499);
	record_expect_read(test, 1000, -EAGAIN);
	/* And each as soon as it is there. */
	for (i = 0; i < 200; i++) {
		record_expect_write(test, 499, RING_NO_LIMIT, 1);
		record_expect_read(test, 499, 499);
	}
}

/* Empty records are records, and need space as well. */
static void record_test_zero(struct kunit *test)
{
	const unsigned long limit = 1200;
	struct ring_context *c = test->priv;
	unsigned int n;

	for (n = 0; record_write(c, 0, n % 2 ? MSG_EOR : 0, limit) > 0; n++)
		;
	KUNIT_EXPECT_EQ(test, n, limit / RECORD_HEAD);
	record_expect_sane(test);
	while (n--) {
		record_expect_peek(test, 0, 0);
		record_expect_read(test, n % 2 ? 0 : 100, 0);
	}
	record_expect_read(test, 100, -EAGAIN);
}

/* Where two thirds are in use, only what fits enters; below, everything. */
static void record_test_full(struct kunit *test)
{
	const unsigned long limit = 9000;

	record_expect_write(test, 9001, limit, -EMSGSIZE);
	record_expect_write(test, 9000, limit, 1);
	record_expect_write(test, 0, limit, 0);
	record_expect_write(test, 9001, limit, -EMSGSIZE);
	record_expect_read(test, RING_BUFFER, 9000);

	/* 6000 bytes in all: a third is free, to the byte. */
	record_expect_write(test, 5992, limit, 1);
	record_expect_write(test, 9000, limit, 1);
	record_expect_write(test, 0, limit, 0);
	record_expect_read(test, RING_BUFFER, 5992);
	record_expect_write(test, 0, limit, 0);
	record_expect_read(test, RING_BUFFER, 9000);

	/* 6008: it is not, so that a record needs space for itself. */
	record_expect_write(test, 6000, limit, 1);
	record_expect_write(test, 2985, limit, 0);
	record_expect_write(test, 9000, limit, 0);
	record_expect_write(test, 2976, limit, 1);
	record_expect_write(test, 1, limit, 0);
	record_expect_write(test, 0, limit, 1);
	record_expect_write(test, 0, limit, 0);
	record_expect_read(test, RING_BUFFER, 6000);
	record_expect_read(test, RING_BUFFER, 2976);
	record_expect_read(test, RING_BUFFER, 0);
}

/* SO_SNDBUF and SO_RCVBUF may shrink at any time, below what is there too. */
static void record_test_limit_shrinks(struct kunit *test)
{
	record_expect_write(test, 20000, 20000, 1);
	record_expect_write(test, 100, 8000, 0);
	record_expect_write(test, 100, 99, -EMSGSIZE);
	record_expect_write(test, 0, 0, 0);
	record_expect_write(test, 1, 0, -EMSGSIZE);
	record_expect_write(test, 20000, 40000, 1);
	record_expect_read(test, RING_BUFFER, 20000);
	record_expect_read(test, RING_BUFFER, 20000);
}

/* What there is no room for is lost, and nothing of the next is touched. */
static void record_test_truncate(struct kunit *test)
{
	static const size_t rooms[] = {
		0, 1, RECORD_PAGE, PAGE_SIZE, 2 * PAGE_SIZE + 1, 10000,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(rooms); i++) {
		record_expect_write(test, 10001, RING_NO_LIMIT, 1);
		record_expect_write(test, 77, RING_NO_LIMIT, 1);
		record_expect_peek(test, rooms[i], rooms[i]);
		record_expect_read(test, rooms[i], rooms[i]);
		record_expect_read(test, 100, 77);
	}
}

static void record_test_peek(struct kunit *test)
{
	struct ring_context *c = test->priv;
	const void *page;
	int i;

	record_expect_write(test, RECORD_PAGE, RING_NO_LIMIT, 1);
	record_expect_write(test, 2 * PAGE_SIZE, RING_NO_LIMIT, 1);
	record_expect_read(test, RING_BUFFER, RECORD_PAGE);
	/* The next one begins on a page that the reader has not entered. */
	page = c->ring.rpage;
	for (i = 0; i < 3; i++) {
		record_expect_peek(test, RING_BUFFER, 2 * PAGE_SIZE);
		record_expect_peek(test, 1, 1);
		record_expect_peek(test, 0, 0);
	}
	KUNIT_EXPECT_PTR_EQ(test, (const void *)c->ring.rpage, page);
	KUNIT_EXPECT_NULL(test, c->ring.spare);
	record_expect_read(test, RING_BUFFER, 2 * PAGE_SIZE);
}

static unsigned int record_count(const struct page *page)
{
	unsigned int pages = 0;

	/* A list that bites its tail shall end all the same. */
	while (page && pages < 1000) {
		page = (const struct page *)page_private(page);
		pages++;
	}
	return pages;
}

static unsigned int record_reserve(const struct parley_ring *ring)
{
	return record_count(ring->wspare) + record_count(ring->spare);
}

/* Before and after a write that came to nothing. */
static void record_expect_undone(struct kunit *test, struct parley_ring *was,
				 u32 len, int err)
{
	struct ring_context *c = test->priv;
	struct parley_ring *ring = &c->ring;
	int used = atomic_read(&ring_pages) - record_reserve(ring);

	memcpy(was, ring, sizeof(*was));
	record_expect_write(test, len, RING_NO_LIMIT, err);
	KUNIT_EXPECT_EQ(test, ring->head, was->head);
	KUNIT_EXPECT_PTR_EQ(test, ring->wpage, was->wpage);
	KUNIT_EXPECT_EQ(test, ring->woff, was->woff);
	KUNIT_EXPECT_PTR_EQ(test, ring->first, was->first);
	if (ring->wpage)
		KUNIT_EXPECT_EQ(test, page_private(ring->wpage), 0);
	/* What it did not need before is in reserve, each page once. */
	KUNIT_EXPECT_EQ(test, atomic_read(&ring_pages) - record_reserve(ring),
			used);
}

static const u32 record_faults[] = {
	0, 1, 100, RECORD_PAGE - 101, RECORD_PAGE - 100, RECORD_PAGE - 99,
	PAGE_SIZE, 3 * PAGE_SIZE - 1,
};

KUNIT_ARRAY_PARAM(record_fault, record_faults, record_size_desc);

/* The writer's memory ends in the middle: nothing was written. */
static void record_test_write_fault(struct kunit *test)
{
	const u32 good = *(const u32 *)test->param_value;
	struct ring_context *c = test->priv;
	struct parley_ring was;
	int round;

	/* On a new ring, behind other records, and on one read empty. */
	for (round = 0; round < 3; round++) {
		/* Of those in reserve the next one is made. */
		atomic_set(&ring_page_budget, 4);
		ring_copy_budget = good;
		record_expect_undone(test, &was, 3 * PAGE_SIZE, -EFAULT);
		ring_copy_budget = SIZE_MAX;
		record_expect_read(test, 100, round == 1 ? 92 : -EAGAIN);
		record_expect_write(test, 3 * PAGE_SIZE, RING_NO_LIMIT, 1);
		record_expect_read(test, RING_BUFFER, 3 * PAGE_SIZE);
		atomic_set(&ring_page_budget, INT_MAX);
		if (round == 0)
			while (!ring_reclaim(c))
				;
		if (round == 0)
			record_expect_write(test, 92, RING_NO_LIMIT, 1);
	}
}

static const int record_budgets[] = { 0, 1, 3 };

static void record_budget_desc(const int *pages, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%d pages", *pages);
}

KUNIT_ARRAY_PARAM(record_budget, record_budgets, record_budget_desc);

static void record_test_no_memory(struct kunit *test)
{
	const int budget = *(const int *)test->param_value;
	struct ring_context *c = test->priv;
	struct parley_ring was;
	int round;

	for (round = 0; round < 2; round++) {
		atomic_set(&ring_page_budget, budget);
		record_expect_undone(test, &was, 5 * PAGE_SIZE, -ENOMEM);
		/* What is smaller than what there is in reserve goes. */
		record_expect_write(test, budget * PAGE_SIZE, RING_NO_LIMIT,
				    -ENOMEM);
		if (budget)
			record_expect_write(test, budget * PAGE_SIZE -
					    RECORD_HEAD - 1, RING_NO_LIMIT, 1);
		atomic_set(&ring_page_budget, INT_MAX);
		record_expect_write(test, 5 * PAGE_SIZE, RING_NO_LIMIT, 1);
		if (budget)
			record_expect_read(test, RING_BUFFER, budget *
					   PAGE_SIZE - RECORD_HEAD - 1);
		record_expect_read(test, RING_BUFFER, 5 * PAGE_SIZE);
		while (!ring_reclaim(c))
			;
	}
}

/* The reader's memory ends in the middle: the record stays. */
static void record_test_read_fault(struct kunit *test)
{
	const u32 good = *(const u32 *)test->param_value;

	record_expect_write(test, 92, RING_NO_LIMIT, 1);
	record_expect_write(test, 3 * PAGE_SIZE, RING_NO_LIMIT, 1);
	record_expect_read(test, 100, 92);
	ring_copy_budget = good;
	record_expect_peek(test, RING_BUFFER, -EFAULT);
	ring_copy_budget = good;
	record_expect_read(test, RING_BUFFER, -EFAULT);
	ring_copy_budget = SIZE_MAX;
	record_expect_peek(test, RING_BUFFER, 3 * PAGE_SIZE);
	record_expect_read(test, RING_BUFFER, 3 * PAGE_SIZE);
}

/* The counters wrap on 32 bits after 4 GiB; only differences may matter. */
static void record_test_counters_wrap(struct kunit *test)
{
	struct ring_context *c = test->priv;
	int i;

	c->ring.head = ULONG_MAX - 2007;
	c->ring.tail = ULONG_MAX - 2007;
	for (i = 0; i < 8; i++)
		record_expect_write(test, 500, 9000, 1);
	KUNIT_EXPECT_LT(test, c->ring.head, c->ring.tail);
	record_expect_write(test, 9000, 9000, 1);
	record_expect_write(test, 0, 9000, 0);
	for (i = 0; i < 8; i++)
		record_expect_read(test, 500, 500);
	record_expect_read(test, RING_BUFFER, 9000);
	record_expect_read(test, 1, -EAGAIN);
}

/* A burial: what was there is gone, and nothing seems unsent. */
static void record_test_bury(struct kunit *test)
{
	struct ring_context *c = test->priv;
	bool unread = false;

	record_expect_write(test, 3 * PAGE_SIZE, RING_NO_LIMIT, 1);
	record_expect_write(test, 0, RING_NO_LIMIT, 1);
	c->freed += parley_ring_bury(&c->ring, &unread);
	KUNIT_EXPECT_TRUE(test, unread);
	c->consumed = c->written;
	model->first = model->next;
	record_expect_sane(test);
	KUNIT_EXPECT_EQ(test, atomic_read(&ring_pages), 0);

	/* A record without a byte is unread as well. */
	record_expect_write(test, 0, RING_NO_LIMIT, 1);
	unread = false;
	c->freed += parley_ring_bury(&c->ring, &unread);
	KUNIT_EXPECT_TRUE(test, unread);
	c->consumed = c->written;
	model->first = model->next;
	record_expect_sane(test);
}

static const struct ring_mix record_mixes[] = {
	{ "small", 20, 400, 0 },
	{ "lines", 300, 3 * PAGE_SIZE, 0 },
	{ "pages", 3 * PAGE_SIZE, 9 * PAGE_SIZE, 0 },
	{ "many pages", RING_BUFFER, 40 * PAGE_SIZE, 0 },
};

KUNIT_ARRAY_PARAM(record_mix, record_mixes, ring_mix_desc);

/* What a writer of @len bytes must be told. */
static int record_predict(struct ring_context *c, u32 len, unsigned long limit)
{
	unsigned long used = c->written - c->consumed;

	if (len > limit)
		return -EMSGSIZE;
	if (used + record_size(len) <= limit)
		return 1;
	return used < limit && limit - used >= limit / 3;
}

static void record_random_write(struct kunit *test, const struct ring_mix *mix,
				u32 *seed)
{
	unsigned long limit = ring_random(seed) % mix->limit + 1;
	struct ring_context *c = test->priv;
	u32 len = ring_random(seed) % (mix->chunk + 1);
	int want = record_predict(c, len, limit);

	if (want > 0 && len && ring_random(seed) % 8 == 0) {
		ring_copy_budget = ring_random(seed) % len;
		want = -EFAULT;
	}
	record_expect_write(test, len, limit, want);
	ring_copy_budget = SIZE_MAX;
}

static void record_random_read(struct kunit *test, const struct ring_mix *mix,
			       u32 *seed)
{
	size_t room = ring_random(seed) % (mix->chunk + 1);
	bool some = model->first != model->next;
	u32 len = some ? model->rec[model->first].len : 0;
	long want = some ? min_t(size_t, room, len) : -EAGAIN;

	if (ring_random(seed) % 4 == 0)
		record_expect_peek(test, room, want);
	if (want > 0 && ring_random(seed) % 8 == 0) {
		ring_copy_budget = ring_random(seed) % want;
		want = -EFAULT;
	}
	record_expect_read(test, room, want);
	ring_copy_budget = SIZE_MAX;
}

static void record_test_random(struct kunit *test)
{
	const struct ring_mix *mix = test->param_value;
	struct ring_context *c = test->priv;
	u32 seed = mix->chunk;

	while (model->next < 500 && !c->wrong) {
		record_random_write(test, mix, &seed);
		if (ring_random(&seed) % 2)
			record_random_write(test, mix, &seed);
		record_random_read(test, mix, &seed);
		if (ring_random(&seed) % 8 == 0)
			ring_reclaim(c);
	}
	while (model->first != model->next && !c->wrong)
		record_expect_read(test, RING_BUFFER,
				   model->rec[model->first].len);
	KUNIT_EXPECT_EQ(test, c->wrong, 0);
}

static int record_init(struct kunit *test)
{
	model = kunit_kzalloc(test, sizeof(*model), GFP_KERNEL);
	return model ? ring_init(test) : -ENOMEM;
}

static struct kunit_case record_cases[] = {
	KUNIT_CASE(record_test_empty),
	KUNIT_CASE_PARAM(record_test_boundary, record_size_gen_params),
	KUNIT_CASE(record_test_wrap),
	KUNIT_CASE(record_test_zero),
	KUNIT_CASE(record_test_full),
	KUNIT_CASE(record_test_limit_shrinks),
	KUNIT_CASE(record_test_truncate),
	KUNIT_CASE(record_test_peek),
	KUNIT_CASE_PARAM(record_test_write_fault, record_fault_gen_params),
	KUNIT_CASE_PARAM(record_test_no_memory, record_budget_gen_params),
	KUNIT_CASE_PARAM(record_test_read_fault, record_fault_gen_params),
	KUNIT_CASE(record_test_counters_wrap),
	KUNIT_CASE(record_test_bury),
	KUNIT_CASE_PARAM(record_test_random, record_mix_gen_params),
	{}
};

static struct kunit_suite record_suite = {
	.name = "parley-record",
	.init = record_init,
	.exit = ring_exit,
	.test_cases = record_cases,
};

kunit_test_suite(record_suite);
