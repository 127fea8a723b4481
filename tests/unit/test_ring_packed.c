// SPDX-License-Identifier: GPL-2.0-or-later
/* Packed rings, with drivers good and bad. */
#include "ring_rig.h"

#define NUM 7 /* any size will do */
#define DESC 0x1000
#define DRIVER 0x2000
#define DEVICE 0x3000

#define NEXT VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE
#define INDIRECT VRING_DESC_F_INDIRECT
#define AVAIL (1U << VRING_PACKED_DESC_F_AVAIL)
#define USED (1U << VRING_PACKED_DESC_F_USED)
#define WRAP 0x8000

struct fixture {
	struct ring_rig r;
	struct vring_packed_desc *desc;
	struct vring_packed_desc_event *driver;
	struct vring_packed_desc_event *device;
	/* The driver's side. */
	unsigned int next;
	bool wrap;
	unsigned int seen;
	bool seen_wrap;
};

static void start_num(struct fixture *f, uint16_t num, bool indirect,
		      bool event_idx)
{
	const struct ring_layout at = {
		.num = num,
		.desc = DESC,
		.avail = DRIVER,
		.used = DEVICE,
		.packed = true,
		.indirect = indirect,
		.event_idx = event_idx,
	};

	memset(f->desc, 0, 16 * RING_MAX_NUM);
	memset(f->driver, 0, sizeof(*f->driver));
	memset(f->device, 0, sizeof(*f->device));
	f->next = f->seen = 0;
	f->wrap = f->seen_wrap = true;
	assert_int_equal(ring_start(&f->r.ring, &f->r.mem, &at), 0);
}

static void start(struct fixture *f, bool indirect, bool event_idx)
{
	start_num(f, NUM, indirect, event_idx);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	ring_rig_init(&f->r);
	f->desc = mem_ptr(&f->r.mem, DESC, 16 * NUM, MEM_WRITE);
	f->driver = mem_ptr(&f->r.mem, DRIVER, 4, MEM_WRITE);
	f->device = mem_ptr(&f->r.mem, DEVICE, 4, MEM_WRITE);
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

static void add(struct fixture *f, uint64_t addr, uint32_t len, uint16_t id,
		uint16_t flags)
{
	struct vring_packed_desc *d = &f->desc[f->next];

	d->addr = addr;
	d->len = len;
	d->id = id;
	d->flags = (uint16_t)(flags | (f->wrap ? AVAIL : USED));
	if (++f->next == f->r.ring.at.num) {
		f->next = 0;
		f->wrap = !f->wrap;
	}
}

/* Takes a used descriptor, which stands for @n; false: there is none. */
static bool take(struct fixture *f, unsigned int n, uint16_t *id, uint32_t *len)
{
	const struct vring_packed_desc *d = &f->desc[f->seen];

	if (!!(d->flags & AVAIL) != f->seen_wrap ||
	    !!(d->flags & USED) != f->seen_wrap)
		return false;
	*id = d->id;
	*len = d->flags & WRITE ? d->len : 0;
	f->seen += n;
	if (f->seen >= f->r.ring.at.num) {
		f->seen -= f->r.ring.at.num;
		f->seen_wrap = !f->seen_wrap;
	}
	return true;
}

static int pop(struct fixture *f)
{
	return ring_pop(&f->r.ring, &f->r.chain);
}

static void expect_fault(struct fixture *f, const char *what)
{
	ring_rig_fault(&f->r, what);
	ring_rig_fault(&f->r, what);
}

static void test_chain(void **state)
{
	struct fixture *f = *state;
	uint32_t len;
	uint16_t id;

	assert_int_equal(pop(f), 0);
	add(f, DATA, 16, 99, NEXT);
	add(f, DATA + 4096, 512, 98, NEXT | WRITE);
	add(f, DATA + 9000, 1, 5, WRITE);
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->r.chain.head, 5);
	assert_int_equal(f->r.chain.nr_desc, 3);
	assert_int_equal(f->r.chain.nr_read, 1);
	assert_int_equal(f->r.chain.nr_write, 2);
	assert_int_equal(f->r.chain.write_len, 513);
	assert_ptr_equal(f->r.chain.iov[0].iov_base, f->r.mem.base + DATA);
	assert_ptr_equal(f->r.chain.iov[2].iov_base,
			 f->r.mem.base + DATA + 9000);
	assert_int_equal(pop(f), 0);

	assert_false(take(f, 3, &id, &len));
	ring_push(&f->r.ring, &f->r.chain, 513);
	assert_int_equal(f->desc[0].flags, AVAIL | USED | WRITE);
	assert_true(take(f, 3, &id, &len));
	assert_int_equal(id, 5);
	assert_int_equal(len, 513);
	assert_false(take(f, 1, &id, &len));
}

/* A chain over the end of the ring, and another round. */
static void test_wrap(void **state)
{
	struct fixture *f = *state;
	unsigned int i, n;
	uint32_t len;
	uint16_t id;

	for (i = 0; i < 1000; i++) {
		n = 1 + i % NUM;
		while (n > 1)
			add(f, DATA, n--, 0xffff, NEXT);
		add(f, DATA, 1, (uint16_t)(i % NUM), 0);
		n = 1 + i % NUM;
		assert_int_equal(pop(f), 1);
		assert_int_equal(f->r.chain.head, i % NUM);
		assert_int_equal(f->r.chain.nr_read, n);
		assert_int_equal(f->r.chain.read_len, n * (n + 1) / 2);
		assert_int_equal(pop(f), 0);
		ring_push(&f->r.ring, &f->r.chain, 0);
		assert_true(take(f, n, &id, &len));
		assert_int_equal(id, i % NUM);
		assert_int_equal(len, 0);
		assert_false(take(f, 1, &id, &len));
	}
}

/* Out of order: a used descriptor goes where the next one is due. */
static void test_order(void **state)
{
	struct fixture *f = *state;
	struct ring_chain first, second;
	uint32_t len;
	uint16_t id;

	add(f, DATA, 1, 1, 0);
	add(f, DATA, 1, 9, NEXT);
	add(f, DATA, 1, 2, 0);
	assert_int_equal(pop(f), 1);
	first = f->r.chain;
	assert_int_equal(pop(f), 1);
	second = f->r.chain;
	ring_push(&f->r.ring, &second, 0);
	assert_true(take(f, 2, &id, &len));
	assert_int_equal(id, 2);
	assert_false(take(f, 1, &id, &len));
	ring_push(&f->r.ring, &first, 0);
	assert_true(take(f, 1, &id, &len));
	assert_int_equal(id, 1);
	assert_int_equal(f->r.ring.next_used, 3);
}

static void test_indirect(void **state)
{
	struct fixture *f = *state;
	/* But for WRITE, flags and IDs in it mean nothing. */
	const struct vring_packed_desc table[3] = {
		{ DATA, 100, 7, NEXT | INDIRECT | AVAIL },
		{ DATA + 200, 0, 8, 0 },
		{ DATA + 100, 50, 9, WRITE },
	};

	mem_write(&f->r.mem, TABLE, table, sizeof(table));
	add(f, TABLE, sizeof(table), 3, INDIRECT | WRITE);
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->r.chain.head, 3);
	assert_int_equal(f->r.chain.nr_desc, 1);
	assert_int_equal(f->r.chain.nr_read, 1);
	assert_int_equal(f->r.chain.read_len, 100);
	assert_int_equal(f->r.chain.nr_write, 1);
	assert_int_equal(f->r.chain.write_len, 50);
}

static void test_bad_layout(void **state)
{
	struct fixture *f = *state;
	struct ring_layout at = f->r.ring.at;
	const struct ring_layout good = at;
	const struct {
		uint16_t num;
		uint64_t desc, driver, device;
	} bad[] = {
		{ 0, DESC, DRIVER, DEVICE },
		{ RING_MAX_NUM + 1, DESC, DRIVER, DEVICE },
		{ NUM, DESC + 8, DRIVER, DEVICE },
		{ NUM, DESC, DRIVER + 2, DEVICE },
		{ NUM, DESC, DRIVER, DEVICE + 2 },
		{ NUM, RAM - 16 * NUM + 16, DRIVER, DEVICE },
		{ NUM, DESC, RAM, DEVICE },
		{ NUM, DESC, DRIVER, UINT64_MAX & ~3ULL },
	};
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		at = good;
		at.num = bad[i].num;
		at.desc = bad[i].desc;
		at.avail = bad[i].driver;
		at.used = bad[i].device;
		assert_int_not_equal(ring_start(&f->r.ring, &f->r.mem, &at), 0);
		assert_non_null(f->r.ring.fault);
	}
}

static void test_bad_chains(void **state)
{
	struct fixture *f = *state;
	unsigned int i;

	for (i = 0; i < NUM; i++)
		add(f, DATA, 0, 0, NEXT);
	expect_fault(f, "chain longer than the ring");

	start(f, true, false);
	add(f, DATA, 8, 0, NEXT | WRITE);
	add(f, DATA, 8, 0, 0);
	expect_fault(f, "readable after writable");

	start(f, true, false);
	add(f, RAM - 1, 2, 0, 0);
	expect_fault(f, "buffer outside of RAM");

	start(f, true, false);
	add(f, DATA, 8, 0, NEXT);
	add(f, TABLE, 16, 0, INDIRECT);
	expect_fault(f, "indirect within a chain");

	start(f, true, false);
	add(f, TABLE, 16, 0, INDIRECT | NEXT);
	expect_fault(f, "indirect not allowed here");

	start(f, false, false);
	add(f, TABLE, 16, 0, INDIRECT);
	expect_fault(f, "indirect not allowed here");

	start(f, true, false);
	add(f, TABLE, 16 * (RING_MAX_NUM + 1), 0, INDIRECT);
	expect_fault(f, "bad indirect length");

	start(f, true, false);
	add(f, RAM - 16, 32, 0, INDIRECT);
	expect_fault(f, "indirect outside of RAM");

	/* As many in flight as it likes, by not waiting for any. */
	start(f, true, false);
	for (i = 0; i < NUM; i++) {
		add(f, DATA, 8, 0, 0);
		assert_int_equal(pop(f), 1);
	}
	add(f, DATA, 8, 0, 0);
	expect_fault(f, "more chains than the ring has");
}

/* What the driver changes after it was popped changes nothing. */
static void test_changed(void **state)
{
	struct fixture *f = *state;
	uint32_t len;
	uint16_t id;

	add(f, DATA, 16, 4, 0);
	assert_int_equal(pop(f), 1);
	memset(f->desc, 0xff, 16);
	assert_int_equal(f->r.chain.read_len, 16);
	ring_push(&f->r.ring, &f->r.chain, 0);
	assert_true(take(f, 1, &id, &len));
	assert_int_equal(id, 4);
	assert_int_equal(pop(f), 0);
}

static void one(struct fixture *f)
{
	uint32_t len;
	uint16_t id;

	add(f, DATA, 16, 4, 0);
	assert_int_equal(pop(f), 1);
	ring_push(&f->r.ring, &f->r.chain, 0);
	assert_true(take(f, 1, &id, &len));
}

static void test_flags(void **state)
{
	struct fixture *f = *state;

	add(f, DATA, 16, 0, 0);
	assert_int_equal(pop(f), 1);
	assert_int_equal(f->device->flags, VRING_PACKED_EVENT_FLAG_DISABLE);
	assert_int_equal(pop(f), 0);
	assert_int_equal(f->device->flags, VRING_PACKED_EVENT_FLAG_ENABLE);

	assert_false(ring_should_signal(&f->r.ring));
	ring_push(&f->r.ring, &f->r.chain, 0);
	assert_true(ring_should_signal(&f->r.ring));
	assert_false(ring_should_signal(&f->r.ring));
	f->driver->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	one(f);
	assert_false(ring_should_signal(&f->r.ring));
	/* Not negotiated: it cannot ask for that. */
	f->driver->flags = VRING_PACKED_EVENT_FLAG_DESC;
	one(f);
	assert_true(ring_should_signal(&f->r.ring));
}

static void test_event_idx(void **state)
{
	struct fixture *f = *state;
	unsigned int i, n;

	start(f, true, true);
	assert_int_equal(pop(f), 0);
	assert_int_equal(f->device->flags, VRING_PACKED_EVENT_FLAG_DESC);
	assert_int_equal(f->device->off_wrap, WRAP);
	for (i = 0; i < NUM + 2; i++)
		one(f);
	assert_int_equal(pop(f), 0);
	assert_int_equal(f->device->off_wrap, 2);

	/* Whatever their number, one that passes the event interrupts. */
	f->driver->flags = VRING_PACKED_EVENT_FLAG_DESC;
	for (n = 1; n <= NUM; n++) {
		start(f, true, true);
		f->driver->flags = VRING_PACKED_EVENT_FLAG_DESC;
		f->driver->off_wrap = WRAP | 3;
		for (i = 0; i < n; i++)
			one(f);
		assert_int_equal(ring_should_signal(&f->r.ring), n > 3);
		assert_false(ring_should_signal(&f->r.ring));
	}
	/* The event is the first of the next round. */
	start(f, true, true);
	f->driver->flags = VRING_PACKED_EVENT_FLAG_DESC;
	f->driver->off_wrap = 0;
	for (i = 0; i < NUM; i++) {
		one(f);
		assert_false(ring_should_signal(&f->r.ring));
	}
	one(f);
	assert_true(ring_should_signal(&f->r.ring));
	one(f);
	assert_false(ring_should_signal(&f->r.ring));
	f->driver->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	one(f);
	assert_false(ring_should_signal(&f->r.ring));
	f->driver->flags = VRING_PACKED_EVENT_FLAG_ENABLE;
	one(f);
	assert_true(ring_should_signal(&f->r.ring));
}

/* Two owners take turns, whatever the round. */
static void test_owners(void **state)
{
	struct fixture *f = *state;
	struct ring *a = &f->r.ring, b;
	unsigned int i;
	uint32_t len;
	uint16_t id;

	for (i = 0; i < 100; i++) {
		add(f, DATA, 16, (uint16_t)i, NEXT);
		add(f, DATA, 16, (uint16_t)i, 0);
		assert_int_equal(pop(f), 1);
		ring_push(a, &f->r.chain, 0);
		assert_int_equal(ring_place(a).avail,
				 f->next | (f->wrap ? WRAP : 0));
		assert_int_equal(ring_start(&b, &f->r.mem, &a->at), 0);
		ring_resume(&b, ring_place(a));
		assert_int_equal(ring_place(&b).avail, ring_place(a).avail);
		assert_int_equal(ring_place(&b).used, ring_place(a).used);
		assert_false(ring_should_signal(&b));
		*a = b;
		assert_true(take(f, 2, &id, &len));
		assert_int_equal(id, i);
	}
	f->device->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	assert_int_equal(pop(f), 0);
	assert_int_equal(f->device->flags, VRING_PACKED_EVENT_FLAG_ENABLE);
	assert_int_equal(ring_retake(a, 0, &f->r.chain), -EINVAL);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_chain),      TEST(test_wrap),
		TEST(test_order),      TEST(test_indirect),
		TEST(test_bad_layout), TEST(test_bad_chains),
		TEST(test_changed),    TEST(test_flags),
		TEST(test_event_idx),  TEST(test_owners),
	};

	return cmocka_run_group_tests_name("ring_packed", tests, NULL, NULL);
}
