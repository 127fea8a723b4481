// SPDX-License-Identifier: GPL-2.0-or-later
/* Split rings, with drivers good and bad. */
#include "ring_rig.h"

#define NUM 8
#define DESC 0x1000
#define AVAIL 0x2000
#define USED 0x3000

struct fixture {
	struct ring_rig r;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t *used_event;
	uint16_t *avail_event;
};

static void start(struct fixture *f, bool indirect, bool event_idx)
{
	const struct ring_layout at = {
		.num = NUM,
		.desc = DESC,
		.avail = AVAIL,
		.used = USED,
		.indirect = indirect,
		.event_idx = event_idx,
	};

	assert_int_equal(ring_start(&f->r.ring, &f->r.mem, &at), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	ring_rig_init(&f->r);
	f->desc = mem_ptr(&f->r.mem, DESC, 16 * NUM, MEM_WRITE);
	f->avail = mem_ptr(&f->r.mem, AVAIL, 6 + 2 * NUM, MEM_WRITE);
	f->used = mem_ptr(&f->r.mem, USED, 6 + 8 * NUM, MEM_WRITE);
	f->used_event = &f->avail->ring[NUM];
	f->avail_event = (uint16_t *)&f->used->ring[NUM];
	start(f, true, false);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	mem_destroy(&f->r.mem);
	free(f);
	return 0;
}

static void set_desc(struct fixture *f, unsigned int i, uint64_t addr,
		     uint32_t len, uint16_t flags, uint16_t next)
{
	f->desc[i] = (struct vring_desc){ addr, len, flags, next };
}

static void push(struct fixture *f, uint16_t head, uint32_t len)
{
	const struct ring_chain chain = { .head = head };

	ring_push(&f->r.ring, &chain, len);
}

static void add(struct fixture *f, uint16_t head)
{
	f->avail->ring[f->avail->idx % NUM] = head;
	f->avail->idx++;
}

static void expect_fault(struct fixture *f, const char *what)
{
	ring_rig_fault(&f->r, what);
	/* And it stays so, whatever the driver does now. */
	f->avail->idx = f->r.ring.next_avail;
	ring_rig_fault(&f->r, what);
}

static void test_chain(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 0);
	set_desc(f, 3, DATA, 16, VRING_DESC_F_NEXT, 1);
	set_desc(f, 1, DATA + 4096, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
		 7);
	set_desc(f, 7, DATA + 9000, 1, VRING_DESC_F_WRITE, 0);
	add(f, 3);
	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 1);
	assert_int_equal(f->r.chain.head, 3);
	assert_int_equal(f->r.chain.nr_read, 1);
	assert_int_equal(f->r.chain.nr_write, 2);
	assert_int_equal(f->r.chain.read_len, 16);
	assert_int_equal(f->r.chain.write_len, 513);
	assert_ptr_equal(f->r.chain.iov[0].iov_base, f->r.mem.base + DATA);
	assert_ptr_equal(f->r.chain.iov[2].iov_base,
			 f->r.mem.base + DATA + 9000);
	assert_int_equal(f->r.chain.iov[1].iov_len, 512);
	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 0);

	push(f, 3, 513);
	assert_int_equal(f->used->idx, 1);
	assert_int_equal(f->used->ring[0].id, 3);
	assert_int_equal(f->used->ring[0].len, 513);
}

static void test_indirect(void **state)
{
	struct fixture *f = *state;
	const struct vring_desc table[3] = {
		{ DATA, 100, VRING_DESC_F_NEXT, 2 },
		{ 0, 0, 0, 0 },
		{ DATA + 100, 50, VRING_DESC_F_WRITE, 0 },
	};

	mem_write(&f->r.mem, TABLE, table, sizeof(table));
	/* A normal descriptor may come before (2.7.5.3.2). */
	set_desc(f, 0, DATA + 500, 20, VRING_DESC_F_NEXT, 5);
	set_desc(f, 5, TABLE, sizeof(table),
		 VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	add(f, 0);
	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 1);
	assert_int_equal(f->r.chain.nr_read, 2);
	assert_int_equal(f->r.chain.read_len, 120);
	assert_int_equal(f->r.chain.nr_write, 1);
	assert_int_equal(f->r.chain.write_len, 50);
}

/* Indexes run over 16 bits. */
static void test_wrap(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	set_desc(f, 2, DATA, 8, VRING_DESC_F_WRITE, 0);
	for (i = 0; i < 70000; i++) {
		add(f, 2);
		assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 1);
		push(f, 2, 8);
		assert_int_equal(f->used->idx, (uint16_t)(i + 1));
	}
	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 0);
}

static void test_bad_layout(void **state)
{
	struct fixture *f = *state;
	const struct ring_layout good = f->r.ring.at;
	struct ring_layout at;
	unsigned int i;
	const struct {
		uint16_t num;
		uint64_t desc, avail, used;
	} bad[] = {
		{ 0, DESC, AVAIL, USED },
		{ 6, DESC, AVAIL, USED },
		{ 2048, DESC, AVAIL, USED },
		{ NUM, DESC + 8, AVAIL, USED },
		{ NUM, DESC, AVAIL + 1, USED },
		{ NUM, DESC, AVAIL, USED + 2 },
		{ NUM, RAM, AVAIL, USED },
		{ NUM, RAM - 16 * NUM + 16, AVAIL, USED },
		{ NUM, DESC, RAM - 6 - 2 * NUM + 2, USED },
		{ NUM, DESC, AVAIL, RAM - 8 * NUM - 4 },
		{ NUM, UINT64_MAX & ~15ULL, AVAIL, USED },
	};

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		at = good;
		at.num = bad[i].num;
		at.desc = bad[i].desc;
		at.avail = bad[i].avail;
		at.used = bad[i].used;
		assert_int_not_equal(ring_start(&f->r.ring, &f->r.mem, &at), 0);
		assert_non_null(f->r.ring.fault);
	}
	at = good;
	at.desc = RAM - 16 * NUM;
	assert_int_equal(ring_start(&f->r.ring, &f->r.mem, &at), 0);
}

static void test_bad_index(void **state)
{
	struct fixture *f = *state;

	f->avail->idx = NUM + 1;
	expect_fault(f, "avail index ran ahead");

	start(f, true, false);
	f->avail->idx = 0;
	add(f, NUM);
	expect_fault(f, "bad descriptor index");

	start(f, true, false);
	f->avail->idx = 0;
	set_desc(f, 0, DATA, 8, VRING_DESC_F_NEXT, NUM);
	add(f, 0);
	expect_fault(f, "bad descriptor index");
}

static void test_loop(void **state)
{
	struct fixture *f = *state;

	set_desc(f, 0, DATA, 8, VRING_DESC_F_NEXT, 1);
	set_desc(f, 1, DATA, 8, VRING_DESC_F_NEXT, 0);
	add(f, 0);
	expect_fault(f, "descriptors loop");

	/* Of empty buffers, which fill no list. */
	start(f, true, false);
	f->avail->idx = 0;
	set_desc(f, 0, DATA, 0, VRING_DESC_F_NEXT, 0);
	add(f, 0);
	expect_fault(f, "descriptors loop");
}

static void test_bad_buffer(void **state)
{
	struct fixture *f = *state;
	const struct {
		uint64_t addr;
		uint32_t len;
	} bad[] = {
		{ RAM, 1 },	      { RAM - 1, 2 },
		{ UINT64_MAX, 1 },    { UINT64_MAX - 7, 16 },
		{ DATA, UINT32_MAX },
	};
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		start(f, true, false);
		f->avail->idx = 0;
		set_desc(f, 0, bad[i].addr, bad[i].len, VRING_DESC_F_WRITE, 0);
		add(f, 0);
		expect_fault(f, "buffer outside of RAM");
	}
}

static void test_order(void **state)
{
	struct fixture *f = *state;

	set_desc(f, 0, DATA, 8, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	set_desc(f, 1, DATA, 8, 0, 0);
	add(f, 0);
	expect_fault(f, "readable after writable");
}

static void bad_indirect(struct fixture *f, bool offered, uint64_t addr,
			 uint32_t len, uint16_t flags, const char *what)
{
	start(f, offered, false);
	f->avail->idx = 0;
	set_desc(f, 0, addr, len, VRING_DESC_F_INDIRECT | flags, 1);
	add(f, 0);
	expect_fault(f, what);
}

static void test_bad_indirect(void **state)
{
	struct fixture *f = *state;
	struct vring_desc table[RING_MAX_IOV + 1];
	unsigned int i;

	memset(table, 0, sizeof(table));
	mem_write(&f->r.mem, TABLE, table, sizeof(table));
	bad_indirect(f, false, TABLE, 16, 0, "indirect not allowed here");
	bad_indirect(f, true, TABLE, 16, VRING_DESC_F_NEXT,
		     "indirect not allowed here");
	bad_indirect(f, true, TABLE, 0, 0, "bad indirect length");
	bad_indirect(f, true, TABLE, 17, 0, "bad indirect length");
	bad_indirect(f, true, TABLE, 0xfffffff0, 0, "bad indirect length");
	bad_indirect(f, true, TABLE, 16 * (RING_MAX_NUM + 1), 0,
		     "bad indirect length");
	bad_indirect(f, true, RAM - 16, 32, 0, "indirect outside of RAM");

	table[0].flags = VRING_DESC_F_INDIRECT;
	mem_write(&f->r.mem, TABLE, table, 16);
	bad_indirect(f, true, TABLE, 16, 0, "nested indirect table");

	table[0] = (struct vring_desc){ DATA, 1, VRING_DESC_F_NEXT, 1 };
	mem_write(&f->r.mem, TABLE, table, 16);
	bad_indirect(f, true, TABLE, 16, 0, "bad descriptor index");

	/* A table of itself, of empty buffers. */
	table[0] = (struct vring_desc){ DATA, 0, VRING_DESC_F_NEXT, 0 };
	mem_write(&f->r.mem, TABLE, table, 16);
	bad_indirect(f, true, TABLE, 16 * RING_MAX_NUM, 0, "descriptors loop");

	for (i = 0; i <= RING_MAX_IOV; i++)
		table[i] = (struct vring_desc){ DATA, 1, VRING_DESC_F_NEXT,
						(uint16_t)(i + 1) };
	table[RING_MAX_IOV].flags = 0;
	mem_write(&f->r.mem, TABLE, table, sizeof(table));
	bad_indirect(f, true, TABLE, sizeof(table), 0, "too many buffers");

	/* One less is what a chain can have. */
	table[RING_MAX_IOV - 1].flags = 0;
	mem_write(&f->r.mem, TABLE, table, sizeof(table));
	start(f, true, false);
	f->avail->idx = 0;
	add(f, 0);
	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 1);
	assert_int_equal(f->r.chain.nr_read, RING_MAX_IOV);
}

/* What the driver changes after it was popped changes nothing. */
static void test_changed(void **state)
{
	struct fixture *f = *state;

	set_desc(f, 0, DATA, 16, 0, 0);
	add(f, 0);
	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 1);
	set_desc(f, 0, RAM, UINT32_MAX, VRING_DESC_F_NEXT, 9);
	f->avail->ring[0] = 77;
	assert_int_equal(f->r.chain.head, 0);
	assert_int_equal(f->r.chain.read_len, 16);
	assert_ptr_equal(f->r.chain.iov[0].iov_base, f->r.mem.base + DATA);
	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 0);
}

/* A driver that never waits for what it gave. */
static void test_in_flight(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	set_desc(f, 0, DATA, 16, 0, 0);
	for (i = 0; i < NUM; i++) {
		add(f, 0);
		assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 1);
	}
	push(f, 0, 0);
	add(f, 0);
	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 1);
	add(f, 0);
	expect_fault(f, "more chains than the ring has");
}

static void test_polled(void **state)
{
	struct fixture *f = *state;

	start(f, true, true);
	*f->avail_event = 77;
	f->r.ring.polled = true;
	assert_false(ring_pending(&f->r.ring));
	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 0);
	assert_int_equal(*f->avail_event, 77);
	add(f, 0);
	assert_true(ring_pending(&f->r.ring));
	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 1);
	assert_false(ring_pending(&f->r.ring));
	f->r.ring.polled = false;
	assert_false(ring_want_notify(&f->r.ring));
	assert_int_equal(*f->avail_event, 1);
	add(f, 0);
	assert_true(ring_want_notify(&f->r.ring));
}

static void test_flags(void **state)
{
	struct fixture *f = *state;

	set_desc(f, 0, DATA, 16, 0, 0);
	add(f, 0);
	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 1);
	assert_int_equal(f->used->flags, VRING_USED_F_NO_NOTIFY);
	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 0);
	assert_int_equal(f->used->flags, 0);

	assert_false(ring_should_signal(&f->r.ring));
	push(f, 0, 0);
	assert_true(ring_should_signal(&f->r.ring));
	assert_false(ring_should_signal(&f->r.ring));
	f->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	push(f, 0, 0);
	assert_false(ring_should_signal(&f->r.ring));
}

static void test_event_idx(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	start(f, true, true);
	set_desc(f, 0, DATA, 16, 0, 0);
	for (i = 0; i < 3; i++)
		add(f, 0);
	for (i = 0; i < 3; i++) {
		assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 1);
		push(f, 0, 0);
	}
	assert_int_equal(*f->avail_event, 0);
	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 0);
	assert_int_equal(*f->avail_event, 3);

	/* Interrupts when the index passes used_event, and once. */
	*f->used_event = 2;
	assert_true(ring_should_signal(&f->r.ring));
	*f->used_event = 4;
	push(f, 0, 0);
	assert_false(ring_should_signal(&f->r.ring));
	push(f, 0, 0);
	assert_true(ring_should_signal(&f->r.ring));
	/* The flag means nothing then. */
	f->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	*f->used_event = 5;
	push(f, 0, 0);
	assert_true(ring_should_signal(&f->r.ring));
}

static void test_iov(void **state)
{
	char a[4] = "abc", b[6] = "defgh", out[16] = "";
	struct iovec list[2] = { { a, 3 }, { b, 5 } };
	struct iovec *iov = list;
	unsigned int nr = 2;

	(void)state;
	assert_int_equal(iov_get(iov, nr, out, 5), 5);
	assert_string_equal(out, "abcde");
	assert_int_equal(iov_get(iov, nr, out, 16), 8);
	assert_int_equal(iov_put(iov, nr, "XYZUV", 5), 5);
	assert_string_equal(a, "XYZ");
	assert_string_equal(b, "UVfgh");

	iov_trim_front(&iov, &nr, 4);
	assert_int_equal(nr, 1);
	assert_ptr_equal(iov->iov_base, b + 1);
	assert_int_equal(iov->iov_len, 4);
	iov_trim_back(iov, &nr, 1);
	assert_int_equal(iov->iov_len, 3);
	iov_trim_back(iov, &nr, 3);
	assert_int_equal(nr, 0);
	iov_trim_front(&iov, &nr, 1);
	iov_trim_back(iov, &nr, 1);
	assert_int_equal(nr, 0);
}

/*
 * What a device writes after ring_pop, and the ring itself, is told to a log
 * that began in between.
 */
static void test_writes_are_told(void **state)
{
	struct fixture *f = *state;
	uint64_t bitmap[RAM / MEM_PAGE / 64];
	struct mem_log *log;

	start(f, false, true);
	set_desc(f, 0, DATA, 16, VRING_DESC_F_NEXT, 1);
	set_desc(f, 1, DATA + 4096, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE,
		 2);
	set_desc(f, 2, DATA + 3 * 4096 - 1, 2, VRING_DESC_F_WRITE, 0);
	add(f, 0);
	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 1);
	assert_int_equal(mem_log_start(&f->r.mem, &log, NULL), 0);
	assert_int_equal(mem_log_fetch(log, 0, RAM, bitmap), 0);
	ring_push(&f->r.ring, &f->r.chain, 514);
	assert_int_equal(mem_log_fetch(log, 0, RAM, bitmap), 4);
	assert_true(bitmap[0] == 1ULL << USED / 4096);
	assert_true(bitmap[DATA / 4096 / 64] == 0xe);
	/* The wish for a notification. */
	assert_int_equal(ring_pop(&f->r.ring, &f->r.chain), 0);
	assert_int_equal(mem_log_fetch(log, 0, RAM, bitmap), 1);
	assert_true(bitmap[0] == 1ULL << USED / 4096);
	mem_log_stop(log);
}

/* Two owners take turns: what one took and did not give back the next takes. */
static void test_owners(void **state)
{
	struct fixture *f = *state;
	struct ring *a = &f->r.ring, b;
	unsigned int i;

	for (i = 0; i < 0x10003; i++) {
		set_desc(f, i % NUM, DATA + 16 * i % 4096, 16, 0, 0);
		add(f, (uint16_t)(i % NUM));
		assert_int_equal(ring_pop(a, &f->r.chain), 1);
		if (i & 1)
			push(f, f->r.chain.head, i);
		assert_true(ring_start(&b, &f->r.mem, &a->at) == 0);
		ring_resume(&b, ring_place(a));
		assert_int_equal(b.in_flight, 0);
		/* The driver was told by who gave back. */
		assert_false(ring_should_signal(&b));
		assert_int_equal(ring_place(&b).avail, (uint16_t)(i + 1));
		if (!(i & 1)) {
			assert_int_equal(ring_retake(&b, (uint16_t)(i % NUM),
						     &f->r.chain),
					 1);
			assert_int_equal(b.in_flight, 1);
			assert_int_equal(f->r.chain.head, i % NUM);
			assert_int_equal(f->r.chain.read_len, 16);
			ring_push(&b, &f->r.chain, i);
			assert_true(ring_should_signal(&b));
		}
		assert_int_equal(f->used->ring[i % NUM].len, i);
		assert_int_equal(f->used->idx, (uint16_t)(i + 1));
		*a = b;
	}
	/* The other left the driver with the wish not to ring. */
	f->used->flags = VRING_USED_F_NO_NOTIFY;
	assert_int_equal(ring_pop(a, &f->r.chain), 0);
	assert_int_equal(f->used->flags, 0);
	/* The driver may have changed what was taken. */
	set_desc(f, 0, DATA, 16, VRING_DESC_F_NEXT, 0);
	assert_int_equal(ring_retake(a, 0, &f->r.chain), -EINVAL);
	assert_string_equal(a->fault, "descriptors loop");
	assert_int_equal(ring_retake(a, NUM, &f->r.chain), -EINVAL);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_chain),	 TEST(test_indirect),
		TEST(test_wrap),	 TEST(test_bad_layout),
		TEST(test_bad_index),	 TEST(test_loop),
		TEST(test_bad_buffer),	 TEST(test_order),
		TEST(test_bad_indirect), TEST(test_changed),
		TEST(test_in_flight),	 TEST(test_polled),
		TEST(test_flags),	 TEST(test_event_idx),
		TEST(test_iov),		 TEST(test_writes_are_told),
		TEST(test_owners),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
