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
	/* A driver's of a packed ring: where it adds, and where it looks. */
	struct vireo_packed_desc *packed;
	u32 *driver;
	u16 add;
	u16 look;
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
	r->avail = calloc(1, vireo_avail_bytes(NUM, false));
	r->indirect = calloc(TABLE_SIZE, sizeof(*r->indirect));
	r->chain = calloc(1, sizeof(*r->chain));
	r->ring = (struct vireo_vring){
		.num = NUM,
		.indirect = true,
		.desc = r->desc,
		.avail = r->avail,
		.used = calloc(1, vireo_used_bytes(NUM, false)),
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

	vireo_vring_unpop(&r->ring, 0);
	assert_int_equal(vireo_vring_pop(&r->ring, r->chain), 1);
	vireo_vring_push(&r->ring, 3, 0, 8);
	assert_int_equal(r->ring.used->idx, 1);
	assert_int_equal(r->ring.used->ring[0].id, 3);
	assert_int_equal(r->ring.used->ring[0].len, 8);
}

static void indexes_wrap(void **state)
{
	struct rig *r = *state;

	r->desc[0].len = 1;
	r->avail->idx = r->ring.next_avail = 0xfffc;
	r->ring.next_used = 0xfffc;
	for (int i = 0; i < 20; i++) {
		offer(r, 0);
		assert_int_equal(vireo_vring_pop(&r->ring, r->chain), 1);
		vireo_vring_push(&r->ring, 0, 0, 0);
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
		vireo_vring_push(&r->ring, 0, 0, 0);
		assert_int_equal(vireo_vring_signal(&r->ring), i == 2);
	}
	/* Over several at once. */
	r->avail->ring[NUM] = 7;
	for (int i = 0; i < 5; i++)
		vireo_vring_push(&r->ring, 0, 0, 0);
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
	vireo_vring_push(&r->ring, 0, 0, 0);
	assert_false(vireo_vring_signal(&r->ring));
}

/* ---- packed rings ------------------------------------------------------------ */

static int setup_packed(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->packed = calloc(1, vireo_desc_bytes(NUM));
	r->driver = calloc(1, vireo_avail_bytes(NUM, true));
	r->indirect = calloc(TABLE_SIZE, sizeof(*r->indirect));
	r->chain = calloc(1, sizeof(*r->chain));
	r->ring = (struct vireo_vring){
		.num = NUM,
		.is_packed = true,
		.indirect = true,
		.packed = r->packed,
		.driver = r->driver,
		.device = calloc(1, vireo_used_bytes(NUM, true)),
		.table = calloc(VIREO_QUEUE_MAX_NUM, sizeof(*r->ring.table)),
		.next_avail = VIREO_PACKED_WRAP,
		.next_used = VIREO_PACKED_WRAP,
	};
	r->add = r->look = VIREO_PACKED_WRAP;
	*state = r;
	return 0;
}

static int teardown_packed(void **state)
{
	struct rig *r = *state;

	free(r->ring.table);
	free(r->ring.device);
	free(r->chain);
	free(r->indirect);
	free(r->driver);
	free(r->packed);
	free(r);
	return 0;
}

/* Of @nr descriptors; the last can be written. */
static void offer_packed(struct rig *r, u16 id, u16 nr)
{
	struct vireo_packed_desc *first = &r->packed[r->add & 0x7fff];
	u16 first_flags = 0;

	for (u16 i = 0; i < nr; i++) {
		struct vireo_packed_desc *d = &r->packed[r->add & 0x7fff];
		u16 flags = r->add & VIREO_PACKED_WRAP ? VIREO_PACKED_AVAIL :
							 VIREO_PACKED_USED;

		flags |= i + 1 < nr ? VIREO_DESC_NEXT : VIREO_DESC_WRITE;
		/* Only the last one's ID counts. */
		*d = (struct vireo_packed_desc){
			.addr = 100U * id + i,
			.len = i + 1U,
			.id = i + 1 < nr ? 0xdead : id,
			.flags = d->flags,
		};
		if (i)
			d->flags = flags;
		else
			first_flags = flags;
		r->add = vireo_packed_on(&r->ring, r->add, 1);
	}
	first->flags = first_flags;
}

/* Whether the next one that is given back is that. */
static bool given_back(struct rig *r, u16 id, u16 nr, u32 len)
{
	const struct vireo_packed_desc *d = &r->packed[r->look & 0x7fff];
	u16 both = VIREO_PACKED_AVAIL | VIREO_PACKED_USED;
	u16 want = r->look & VIREO_PACKED_WRAP ? both : 0;

	if ((d->flags & both) != want || d->id != id || d->len != len ||
	    !!(d->flags & VIREO_DESC_WRITE) != !!len)
		return false;
	r->look = vireo_packed_on(&r->ring, r->look, nr);
	return true;
}

static void packed_chains(void **state)
{
	struct rig *r = *state;
	u16 place;

	/* Of any size. */
	for (r->ring.num = 1; r->ring.num <= NUM; r->ring.num++) {
		memset(r->packed, 0, vireo_desc_bytes(NUM));
		r->ring.next_avail = r->ring.next_used = VIREO_PACKED_WRAP;
		r->add = r->look = VIREO_PACKED_WRAP;
		assert_int_equal(vireo_vring_pop(&r->ring, r->chain), 0);
		for (u16 i = 0; i < 100; i++) {
			u16 nr = i % r->ring.num + 1;

			offer_packed(r, i, nr);
			place = r->ring.next_avail;
			assert_int_equal(vireo_vring_pop(&r->ring, r->chain),
					 1);
			assert_int_equal(r->chain->head, i);
			assert_int_equal(r->chain->nr_desc, nr);
			assert_int_equal(r->chain->nr_read, nr - 1);
			assert_int_equal(r->chain->nr_write, 1);
			assert_int_equal(r->chain->write_len, nr);
			assert_int_equal(r->chain->seg[nr - 1].addr,
					 100 * i + nr - 1);
			assert_int_equal(vireo_vring_pop(&r->ring, r->chain),
					 0);
			vireo_vring_unpop(&r->ring, nr);
			assert_int_equal(r->ring.next_avail, place);
			assert_int_equal(vireo_vring_pop(&r->ring, r->chain),
					 1);
			assert_int_equal(r->ring.next_avail, r->add);
			vireo_vring_push(&r->ring, i, nr, i % 3);
			assert_true(given_back(r, i, nr, i % 3));
			assert_int_equal(r->ring.next_used, r->look);
		}
	}
}

/* They are given back in another order than they were taken. */
static void packed_out_of_order(void **state)
{
	struct rig *r = *state;

	for (int round = 0; round < 20; round++) {
		offer_packed(r, 1, 2);
		offer_packed(r, 2, 1);
		offer_packed(r, 3, 3);
		for (int i = 1; i <= 3; i++) {
			assert_int_equal(vireo_vring_pop(&r->ring, r->chain),
					 1);
			assert_int_equal(r->chain->head, i);
		}
		assert_int_equal(vireo_vring_pop(&r->ring, r->chain), 0);
		vireo_vring_push(&r->ring, 3, 3, 1);
		vireo_vring_push(&r->ring, 1, 2, 1);
		vireo_vring_push(&r->ring, 2, 1, 1);
		assert_true(given_back(r, 3, 3, 1));
		assert_true(given_back(r, 1, 2, 1));
		assert_true(given_back(r, 2, 1, 1));
	}
}

static void packed_indirect(void **state)
{
	struct vireo_packed_desc *table;
	struct rig *r = *state;

	table = (struct vireo_packed_desc *)r->indirect;
	offer_packed(r, 7, 1);
	r->packed[0].addr = TABLE;
	r->packed[0].len = 3 * sizeof(*table);
	r->packed[0].flags |= VIREO_DESC_INDIRECT;
	/* Flags but WRITE mean nothing there. */
	table[0] = (struct vireo_packed_desc){ 1, 16, 9, 0 };
	table[1] = (struct vireo_packed_desc){ 2, 0, 9, VIREO_DESC_INDIRECT };
	table[2] = (struct vireo_packed_desc){
		3, 5, 9, VIREO_DESC_WRITE | VIREO_DESC_NEXT
	};
	assert_int_equal(vireo_vring_pop(&r->ring, r->chain), 1);
	assert_int_equal(r->chain->head, 7);
	assert_int_equal(r->chain->nr_desc, 1);
	assert_int_equal(r->chain->read_len, 16);
	assert_int_equal(r->chain->write_len, 5);
	vireo_vring_unpop(&r->ring, 1);
	r->packed[0].addr = 1;
	assert_int_equal(vireo_vring_pop(&r->ring, r->chain), -EAGAIN);
	assert_int_equal(r->ring.fault, VIREO_QUEUE_OK);
}

/* The descriptor at @i is spoilt so: a chain of three is no good, then. */
static void packed_faults(void **state)
{
	struct rig *r = *state;
	static const struct {
		u16 i, set, clear;
		u32 len;
		u64 addr;
		int fault;
	} cases[] = {
		{ .i = 2,
		  .set = VIREO_DESC_NEXT,
		  .fault = VIREO_QUEUE_BAD_CHAIN },
		{ .i = 0,
		  .set = VIREO_DESC_WRITE,
		  .fault = VIREO_QUEUE_BAD_CHAIN },
		{ .i = 1, .len = U32_MAX, .fault = VIREO_QUEUE_BAD_LEN },
		{ .i = 1,
		  .set = VIREO_DESC_INDIRECT,
		  .clear = VIREO_DESC_NEXT,
		  .len = 16,
		  .addr = TABLE,
		  .fault = VIREO_QUEUE_BAD_INDIRECT },
		{ .i = 0,
		  .set = VIREO_DESC_INDIRECT,
		  .len = 16,
		  .addr = TABLE,
		  .fault = VIREO_QUEUE_BAD_INDIRECT },
		{ .i = 0,
		  .set = VIREO_DESC_INDIRECT,
		  .clear = VIREO_DESC_NEXT,
		  .len = 17,
		  .addr = TABLE,
		  .fault = VIREO_QUEUE_BAD_INDIRECT },
		{ .i = 0,
		  .set = VIREO_DESC_INDIRECT,
		  .clear = VIREO_DESC_NEXT,
		  .len = 16 * 1025,
		  .addr = TABLE,
		  .fault = VIREO_QUEUE_BAD_INDIRECT },
		{ .i = 0,
		  .set = VIREO_DESC_INDIRECT,
		  .clear = VIREO_DESC_NEXT,
		  .len = 16,
		  .addr = 2,
		  .fault = VIREO_QUEUE_BAD_ADDR },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vireo_packed_desc *d = &r->packed[cases[i].i];

		memset(r->packed, 0, vireo_desc_bytes(NUM));
		r->ring.next_avail = r->add = VIREO_PACKED_WRAP;
		r->ring.fault = VIREO_QUEUE_OK;
		offer_packed(r, 1, 3);
		/* A chain that does not end runs into these. */
		for (int k = 3; k < NUM; k++)
			r->packed[k].flags = VIREO_DESC_NEXT | VIREO_DESC_WRITE;
		d->flags |= cases[i].set;
		d->flags &= ~cases[i].clear;
		d->len = cases[i].len ? cases[i].len : d->len;
		d->addr = cases[i].addr ? cases[i].addr : d->addr;
		if (cases[i].i == 2)
			for (int k = 0; k < 2; k++)
				r->packed[k].len = 0;
		assert_int_equal(vireo_vring_pop(&r->ring, r->chain), -EINVAL);
		assert_int_equal(r->ring.fault, cases[i].fault);
		assert_int_equal(r->ring.next_avail, VIREO_PACKED_WRAP);
		/* For good. */
		offer_packed(r, 1, 1);
		assert_int_equal(vireo_vring_pop(&r->ring, r->chain), -EINVAL);
	}
}

static void packed_flags(void **state)
{
	struct rig *r = *state;

	vireo_vring_no_notify(&r->ring);
	assert_int_equal(*r->ring.device, VIREO_PACKED_DISABLE << 16);
	assert_false(vireo_vring_notify(&r->ring));
	assert_int_equal(*r->ring.device, VIREO_PACKED_ENABLE << 16);
	offer_packed(r, 1, 1);
	assert_true(vireo_vring_notify(&r->ring));
	assert_false(vireo_vring_signal(&r->ring));
	vireo_vring_push(&r->ring, 1, 1, 0);
	assert_true(vireo_vring_signal(&r->ring));
	assert_false(vireo_vring_signal(&r->ring));
	*r->driver = VIREO_PACKED_DISABLE << 16;
	vireo_vring_push(&r->ring, 1, 1, 0);
	assert_false(vireo_vring_signal(&r->ring));
	/* One that was not negotiated, and one that there is not. */
	for (u32 flags = VIREO_PACKED_DESC; flags <= 3; flags++) {
		*r->driver = flags << 16 | 5;
		vireo_vring_push(&r->ring, 1, 1, 0);
		assert_true(vireo_vring_signal(&r->ring));
	}
}

/* The driver hears of the descriptor that it asks for, and of no other. */
static void packed_event_index(void **state)
{
	struct rig *r = *state;
	u32 n;

	r->ring.event_idx = true;
	for (r->ring.num = 1; r->ring.num <= NUM; r->ring.num++) {
		u16 last = r->ring.num * 2;

		/* From anywhere, so many at once, after a wish as far ahead. */
		for (u16 from = 0; from < last; from++)
			for (u16 nr = 1; nr <= r->ring.num; nr++)
				for (u16 wish = 0; wish < r->ring.num; wish++) {
					u16 at = VIREO_PACKED_WRAP;

					for (n = 0; n < from; n++)
						at = vireo_packed_on(&r->ring,
								     at, 1);
					r->ring.next_used = at;
					*r->driver = VIREO_PACKED_DESC << 16 |
						     vireo_packed_on(&r->ring,
								     at, wish);
					for (n = 0; n < nr; n++)
						vireo_vring_push(&r->ring, 0, 1,
								 0);
					assert_int_equal(vireo_vring_signal(
								 &r->ring),
							 wish < nr);
				}
	}
	/* More than the ring has, with no look in between. */
	r->ring.num = 1;
	r->ring.next_used = VIREO_PACKED_WRAP;
	*r->driver = VIREO_PACKED_DESC << 16 | VIREO_PACKED_WRAP;
	vireo_vring_push(&r->ring, 0, 1, 0);
	vireo_vring_push(&r->ring, 0, 1, 0);
	assert_true(vireo_vring_signal(&r->ring));

	r->ring.next_avail = 3 | VIREO_PACKED_WRAP;
	r->ring.num = NUM;
	vireo_vring_notify(&r->ring);
	assert_int_equal(*r->ring.device,
			 VIREO_PACKED_DESC << 16 | VIREO_PACKED_WRAP | 3);
	vireo_vring_no_notify(&r->ring);
	assert_int_equal(*r->ring.device,
			 VIREO_PACKED_DESC << 16 | VIREO_PACKED_WRAP | 3);
}

/* ---- anything ------------------------------------------------------------------ */

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

/* What is taken keeps to the rules. */
static void keeps_to_rules(const struct vireo_chain *c)
{
	u64 bytes = 0;

	assert_true(c->nr_read + c->nr_write <= VIREO_QUEUE_MAX_SEGS);
	for (u32 k = 0; k < (u32)c->nr_read + c->nr_write; k++) {
		assert_int_not_equal(c->seg[k].len, 0);
		bytes += c->seg[k].len;
	}
	assert_true(bytes == (u64)c->read_len + c->write_len);
}

/* Whatever lies there. */
static void anything(void **state)
{
	struct rig *r = *state;
	u32 seed = 1, taken = 0;

	for (int i = 0; i < 200000; i++) {
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
		if (ret == 1) {
			keeps_to_rules(r->chain);
			taken++;
		}
	}
	assert_true(taken > 1000);
}

static void packed_anything(void **state)
{
	struct rig *r = *state;
	u32 seed = 1, taken = 0;

	for (int i = 0; i < 200000; i++) {
		struct vireo_packed_desc *d = r->packed;
		int ret;

		fill(r->packed, vireo_desc_bytes(NUM), &seed);
		fill(r->indirect, TABLE_SIZE * sizeof(*r->indirect), &seed);
		for (int k = 0; k < NUM; k++) {
			u32 n = random_number(&seed);

			d[k].flags &= n & 1 ? 0xffff : ~VIREO_DESC_INDIRECT;
			if (n & 2)
				d[k].flags &= ~VIREO_DESC_NEXT;
			if (n & 4)
				d[k].addr = TABLE + (n >> 8 & 0xf0);
			if (n & 8)
				d[k].len = (n >> 4 & 15) * 16;
		}
		r->ring.fault = 0;
		*r->driver = random_number(&seed) << 8;
		r->ring.event_idx = random_number(&seed) & 1;
		ret = vireo_vring_pop(&r->ring, r->chain);
		assert_true(ret == 1 || !ret || r->ring.fault);
		if (ret == 1) {
			keeps_to_rules(r->chain);
			assert_in_range(r->chain->nr_desc, 1, NUM);
			vireo_vring_push(&r->ring, r->chain->head,
					 r->chain->nr_desc, i);
			vireo_vring_signal(&r->ring);
			taken++;
		}
		assert_true((r->ring.next_avail & 0x7fff) < NUM);
		assert_true((r->ring.next_used & 0x7fff) < NUM);
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
#define PACKED(test) \
	cmocka_unit_test_setup_teardown(test, setup_packed, teardown_packed)
		PACKED(packed_chains),
		PACKED(packed_out_of_order),
		PACKED(packed_indirect),
		PACKED(packed_faults),
		PACKED(packed_flags),
		PACKED(packed_event_index),
		PACKED(packed_anything),
	};

	return cmocka_run_group_tests_name("vring", tests, NULL, NULL);
}
