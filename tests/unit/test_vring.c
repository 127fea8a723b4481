// SPDX-License-Identifier: GPL-2.0
/*
 * The module's ring parser (kmod/vring.h), as it is, on rings that are good and
 * on random ones.  Each part of a ring is exactly as large as it must be, for the
 * sanitizers.
 */
#include "cmocka_unit.h"

#include <stdlib.h>

#include "../../kmod/vring.h"

#define NUM 8
#define TABLE 0x1000
#define TABLE_SIZE 16

struct rig {
	struct vireo_vring ring;
	struct vireo_desc *desc;
	struct vireo_avail *avail;
	struct vireo_desc *indirect; /* at TABLE */
	struct vireo_chain *chain;
};

int vireo_vring_read(struct vireo_vring *vring, u64 addr, void *to, u32 len)
{
	const struct rig *rig = (struct rig *)vring;

	if (addr < TABLE || addr - TABLE > TABLE_SIZE * 16 ||
	    len > TABLE_SIZE * 16 - (addr - TABLE))
		return addr == 1 ? -ENOMEM : -EFAULT;
	memcpy(to, (char *)rig->indirect + (addr - TABLE), len);
	return 0;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->desc = calloc(1, vireo_desc_bytes(NUM));
	r->avail = calloc(1, vireo_avail_bytes(NUM));
	r->indirect = calloc(TABLE_SIZE, sizeof(*r->indirect));
	r->chain = calloc(1, sizeof(*r->chain));
	r->ring = (struct vireo_vring){
		.num = NUM,
		.indirect = true,
		.desc = r->desc,
		.avail = r->avail,
		.used = calloc(1, vireo_used_bytes(NUM)),
		.table = calloc(VIREO_QUEUE_MAX_NUM, sizeof(*r->ring.table)),
	};
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	free(r->ring.table);
	free(r->ring.used);
	free(r->chain);
	free(r->indirect);
	free(r->avail);
	free(r->desc);
	free(r);
	return 0;
}

static void offer(struct rig *r, u16 head)
{
	r->avail->ring[r->avail->idx++ % NUM] = head;
}

static void chains(void **state)
{
	struct rig *r = *state;

	assert_int_equal(vireo_vring_pop(&r->ring, r->chain), 0);
	r->desc[3] = (struct vireo_desc){ 100, 16, VIREO_DESC_NEXT, 5 };
	r->desc[5] = (struct vireo_desc){ 200, 0, VIREO_DESC_NEXT, 1 };
	r->desc[1] = (struct vireo_desc){ 300, 7, VIREO_DESC_WRITE, 99 };
	offer(r, 3);
	assert_int_equal(vireo_vring_pop(&r->ring, r->chain), 1);
	assert_int_equal(r->chain->head, 3);
	assert_int_equal(r->chain->nr_read, 1);
	assert_int_equal(r->chain->nr_write, 1);
	assert_int_equal(r->chain->read_len, 16);
	assert_int_equal(r->chain->write_len, 7);
	assert_int_equal(r->chain->seg[1].addr, 300);
	assert_int_equal(vireo_vring_pop(&r->ring, r->chain), 0);

	vireo_vring_unpop(&r->ring);
	assert_int_equal(vireo_vring_pop(&r->ring, r->chain), 1);
	vireo_vring_push(&r->ring, 3, 8);
	assert_int_equal(r->ring.used->idx, 1);
	assert_int_equal(r->ring.used->ring[0].id, 3);
	assert_int_equal(r->ring.used->ring[0].len, 8);
}

static void indexes_wrap(void **state)
{
	struct rig *r = *state;

	r->desc[0].len = 1;
	r->avail->idx = r->ring.next_avail = 0xfffc;
	r->ring.next_used = r->ring.signalled = 0xfffc;
	for (int i = 0; i < 20; i++) {
		offer(r, 0);
		assert_int_equal(vireo_vring_pop(&r->ring, r->chain), 1);
		vireo_vring_push(&r->ring, 0, 0);
		assert_int_equal(r->ring.used->idx, (u16)(0xfffd + i));
		assert_true(vireo_vring_signal(&r->ring));
		assert_false(vireo_vring_signal(&r->ring));
	}
}

static void no_memory_is_no_fault(void **state)
{
	struct rig *r = *state;

	r->desc[0] = (struct vireo_desc){ 1, 16, VIREO_DESC_INDIRECT, 0 };
	offer(r, 0);
	assert_int_equal(vireo_vring_pop(&r->ring, r->chain), -EAGAIN);
	assert_int_equal(r->ring.fault, VIREO_QUEUE_OK);
	r->desc[0].addr = TABLE;
	r->indirect[0].len = 9;
	assert_int_equal(vireo_vring_pop(&r->ring, r->chain), 1);
	assert_int_equal(r->chain->read_len, 9);
}

static void event_index(void **state)
{
	struct rig *r = *state;

	r->ring.event_idx = true;
	r->avail->ring[NUM] = 2;
	for (int i = 0; i < 6; i++) {
		vireo_vring_push(&r->ring, 0, 0);
		assert_int_equal(vireo_vring_signal(&r->ring), i == 2);
	}
	/* Over several at once. */
	r->avail->ring[NUM] = 7;
	for (int i = 0; i < 5; i++)
		vireo_vring_push(&r->ring, 0, 0);
	assert_true(vireo_vring_signal(&r->ring));
	assert_false(vireo_vring_notify(&r->ring));
	assert_int_equal(*(u16 *)(void *)&r->ring.used->ring[NUM], 0);
}

/* The driver's wishes without event indexes. */
static void flags(void **state)
{
	struct rig *r = *state;

	vireo_vring_no_notify(&r->ring);
	assert_int_equal(r->ring.used->flags, VIREO_USED_NO_NOTIFY);
	offer(r, 0);
	assert_true(vireo_vring_notify(&r->ring));
	assert_int_equal(r->ring.used->flags, 0);
	r->avail->flags = VIREO_AVAIL_NO_INTERRUPT;
	vireo_vring_push(&r->ring, 0, 0);
	assert_false(vireo_vring_signal(&r->ring));
}

static u32 random_number(u32 *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void fill(void *p, size_t len, u32 *seed)
{
	u16 *words = p;

	for (size_t i = 0; i < len / 2; i++) {
		u32 n = random_number(seed);

		words[i] = n & 1 ? n >> 4 & 15 : n >> 1;
	}
}

/* Whatever lies there: what is taken keeps to the rules. */
static void anything(void **state)
{
	struct rig *r = *state;
	u32 seed = 1, taken = 0;

	for (int i = 0; i < 200000; i++) {
		const struct vireo_chain *c = r->chain;
		u64 bytes = 0;
		int ret;

		fill(r->desc, vireo_desc_bytes(NUM), &seed);
		fill(r->indirect, TABLE_SIZE * sizeof(*r->indirect), &seed);
		for (int k = 0; k < NUM; k++) {
			u32 n = random_number(&seed);

			r->desc[k].flags &= n & 1 ? 7 : 3;
			r->indirect[k].flags &= n & 2 ? 7 : 3;
			if (n & 4)
				r->desc[k].addr = TABLE + (n >> 8 & 0xf0);
			if (n & 8)
				r->desc[k].len = (n >> 4 & 15) * 16;
		}
		r->ring.fault = 0;
		r->avail->idx = r->ring.next_avail + random_number(&seed) % 10;
		r->avail->ring[r->ring.next_avail % NUM] =
			random_number(&seed) % 9;
		ret = vireo_vring_pop(&r->ring, r->chain);
		assert_true(ret == 1 || !ret || r->ring.fault);
		if (ret != 1)
			continue;
		taken++;
		assert_true(c->nr_read + c->nr_write <= VIREO_QUEUE_MAX_SEGS);
		for (u32 k = 0; k < (u32)c->nr_read + c->nr_write; k++) {
			assert_int_not_equal(c->seg[k].len, 0);
			bytes += c->seg[k].len;
		}
		assert_true(bytes == (u64)c->read_len + c->write_len);
	}
	assert_true(taken > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(chains, setup, teardown),
		cmocka_unit_test_setup_teardown(indexes_wrap, setup, teardown),
		cmocka_unit_test_setup_teardown(no_memory_is_no_fault, setup,
						teardown),
		cmocka_unit_test_setup_teardown(event_index, setup, teardown),
		cmocka_unit_test_setup_teardown(flags, setup, teardown),
		cmocka_unit_test_setup_teardown(anything, setup, teardown),
	};

	return cmocka_run_group_tests_name("vring", tests, NULL, NULL);
}
