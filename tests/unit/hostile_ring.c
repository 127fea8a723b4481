// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a hostile driver does with a ring.  Each case finds a device with
 * DRIVER_OK and an empty ring, and leaves it when the loop has had time for what
 * it was given.
 */
#include "hostile.h"

static void chain(struct hostile *h, unsigned int n)
{
	h_offer(h, n);
	h_go(h);
}

/* Of empty buffers, too, which fill no list. */
static void loop_of(struct hostile *h, unsigned int n, uint32_t len)
{
	unsigned int i;

	for (i = 0; i < H_NUM; i++)
		h_desc_at(h, RIG_DESC(h->q), i, RIG_DATA, len, H_NEXT,
			  (uint16_t)((i + 1) % n));
	chain(h, h->packed ? H_NUM : n);
}

static void loop_self(struct hostile *h)
{
	loop_of(h, 1, 8);
}

static void loop_two(struct hostile *h)
{
	loop_of(h, 2, 8);
}

static void loop_all(struct hostile *h)
{
	loop_of(h, H_NUM, 8);
}

static void loop_empty(struct hostile *h)
{
	loop_of(h, 3, 0);
}

static void one_buffer(struct hostile *h, uint64_t addr, uint32_t len,
		       uint16_t flags)
{
	h_desc(h, 0, addr, len, flags);
	chain(h, 1);
}

static void addr_end(struct hostile *h)
{
	one_buffer(h, RIG_RAM, 1, H_WRITE);
}

static void addr_over_end(struct hostile *h)
{
	one_buffer(h, RIG_RAM - 8, 9, H_WRITE);
}

static void addr_hole(struct hostile *h)
{
	one_buffer(h, 0xb0000000, 16, 0);
}

static void addr_bar(struct hostile *h)
{
	one_buffer(h, rig_bar(h->rig, VIRTIO_PCI_BAR), 16, H_WRITE);
}

static void addr_max(struct hostile *h)
{
	one_buffer(h, UINT64_MAX, 1, H_WRITE);
}

static void addr_wraps(struct hostile *h)
{
	one_buffer(h, UINT64_MAX - 7, 16, 0);
}

static void len_max(struct hostile *h)
{
	one_buffer(h, RIG_DATA, UINT32_MAX, H_WRITE);
}

static void len_sign(struct hostile *h)
{
	one_buffer(h, RIG_DATA, 0x80000000, 0);
}

/* The lengths add up to more than 32 bits. */
static void len_sum(struct hostile *h)
{
	unsigned int i;

	for (i = 0; i < H_NUM; i++)
		h_desc(h, i, 0, 0x40000000, i < H_NUM - 1 ? H_NEXT : 0);
	chain(h, H_NUM);
}

static void no_length(struct hostile *h)
{
	one_buffer(h, RIG_DATA, 0, 0);
}

static void only_readable(struct hostile *h)
{
	one_buffer(h, RIG_DATA, 4096, 0);
}

static void only_writable(struct hostile *h)
{
	one_buffer(h, RIG_DATA, 4096, H_WRITE);
}

static void one_byte(struct hostile *h)
{
	one_buffer(h, RIG_DATA, 1, H_WRITE);
}

static void writable_first(struct hostile *h)
{
	h_desc(h, 0, RIG_DATA, 8, H_NEXT | H_WRITE);
	h_desc(h, 1, RIG_DATA, 8, 0);
	chain(h, 2);
}

static void all_flags(struct hostile *h)
{
	one_buffer(h, RIG_DATA, 16, 0xffff);
}

static void indirect_next(struct hostile *h)
{
	h_desc_at(h, H_TABLE(h->q), 0, RIG_DATA, 8, 0, 0);
	h_desc(h, 0, H_TABLE(h->q), 16, H_INDIRECT | H_NEXT);
	h_desc(h, 1, RIG_DATA, 8, 0);
	chain(h, 2);
}

static void indirect_none(struct hostile *h)
{
	one_buffer(h, H_TABLE(h->q), 0, H_INDIRECT);
}

static void indirect_odd(struct hostile *h)
{
	one_buffer(h, H_TABLE(h->q), 17, H_INDIRECT);
}

static void indirect_huge(struct hostile *h)
{
	one_buffer(h, H_TABLE(h->q), 0xfffffff0, H_INDIRECT);
}

static void indirect_outside(struct hostile *h)
{
	one_buffer(h, RIG_RAM - 16, 32, H_INDIRECT);
}

/* A table that holds tables, or itself. */
static void indirect_nested(struct hostile *h)
{
	h_desc_at(h, H_TABLE(h->q), 0, H_TABLE(h->q), 16, H_INDIRECT, 0);
	one_buffer(h, H_TABLE(h->q), 16, H_INDIRECT);
}

/* The table is the ring. */
static void indirect_ring(struct hostile *h)
{
	one_buffer(h, RIG_DESC(h->q), 16 * H_NUM, H_INDIRECT);
}

static void indirect_many(struct hostile *h)
{
	unsigned int i;

	for (i = 0; i < 256; i++)
		h_desc_at(h, RIG_DATA + 0x10000, i, RIG_DATA, 1,
			  i < 255 ? H_NEXT : 0, (uint16_t)(i + 1));
	one_buffer(h, RIG_DATA + 0x10000, 256 * 16, H_INDIRECT);
}

/* Buffers that are the ring itself: the device writes there. */
static void buffer_is_ring(struct hostile *h)
{
	h_desc(h, 0, RIG_DESC(h->q), 0x3000, H_WRITE);
	chain(h, 1);
	h_go(h);
}

static void bad_head(struct hostile *h)
{
	struct vring_avail *avail = rig_mem(h->rig, RIG_AVAIL(h->q), 64);
	struct vring_packed_desc *ring = rig_mem(h->rig, RIG_DESC(h->q), 256);

	if (h->packed) {
		/* An ID is the driver's own: any will do. */
		h_desc(h, 0, RIG_DATA, 64, H_WRITE);
		ring[0].id = 0xffff;
		chain(h, 1);
		return;
	}
	avail->ring[0] = H_NUM;
	avail->idx = 1;
	h_go(h);
}

static void bad_next(struct hostile *h)
{
	h_desc_at(h, RIG_DESC(h->q), 0, RIG_DATA, 8, H_NEXT, 0xffff);
	chain(h, 1);
}

static void jump(struct hostile *h, uint16_t idx)
{
	struct vring_avail *avail = rig_mem(h->rig, RIG_AVAIL(h->q), 64);
	struct vring_packed_desc *ring = rig_mem(h->rig, RIG_DESC(h->q), 256);
	unsigned int i;

	if (!h->packed) {
		avail->idx = idx;
	} else {
		/* All at once, with flags as they never are. */
		for (i = 0; i < H_NUM; i++)
			ring[i].flags = (uint16_t)(idx | 0x80);
	}
	h_go(h);
}

static void jump_ahead(struct hostile *h)
{
	jump(h, H_NUM + 1);
}

static void jump_half(struct hostile *h)
{
	jump(h, 0x8000);
}

static void jump_back(struct hostile *h)
{
	jump(h, 0xffff);
}

/* The index goes back after a proper request. */
static void jump_back_later(struct hostile *h)
{
	h_works(h);
	jump(h, 0);
}

/* Again and again the same chain, before it has come back. */
static void same_chain(struct hostile *h)
{
	struct vring_avail *avail = rig_mem(h->rig, RIG_AVAIL(h->q), 64);
	unsigned int i, n = h_ask(h);

	if (h->packed) {
		h_ring_bell(h);
		for (i = 0; i < 3 * H_NUM; i += n) {
			h_ask(h);
			h_ring_bell(h);
		}
	} else {
		avail->idx = H_NUM;
	}
	h_go(h);
}

static void used_written(struct hostile *h)
{
	memset(rig_mem(h->rig, RIG_USED(h->q), 0x100), 0xff, 0x100);
	h_ask(h);
	h_go(h);
}

/* Events at places that no index reaches. */
static void bad_event(struct hostile *h)
{
	struct vring_avail *avail = rig_mem(h->rig, RIG_AVAIL(h->q), 64);

	memset(avail, 0xff, h->packed ? 4 : 2);
	if (!h->packed)
		avail->ring[H_NUM] = 0x8000;
	h_ask(h);
	h_go(h);
	h_ask(h);
	h_go(h);
}

struct flipper {
	struct hostile *h;
	bool stop;
};

/* Changes bits of the ring, of its table and of the buffers. */
static void *flip(void *opaque)
{
	struct flipper *f = opaque;
	uint8_t *ring = rig_mem(f->h->rig, RIG_DESC(f->h->q), 0x4000);
	uint8_t *data = rig_mem(f->h->rig, RIG_DATA, 0x2000);
	uint32_t seed = f->h->seed;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		seed = seed * 1664525 + 1013904223;
		__atomic_fetch_xor(&ring[(seed >> 8) % 0x80 +
					 0x1000 * (seed >> 16 & 3)],
				   1 << (seed >> 28 & 7), __ATOMIC_RELAXED);
		__atomic_fetch_xor(&data[(seed >> 8) % 32],
				   1 << (seed >> 24 & 7), __ATOMIC_RELAXED);
	}
	return NULL;
}

static void flips(struct hostile *h)
{
	struct flipper f = { .h = h };
	pthread_t thread;
	unsigned int i, j;

	assert_int_equal(pthread_create(&thread, NULL, flip, &f), 0);
	for (i = 0; i < 10; i++) {
		for (j = 0; j < 4; j++)
			h_ask(h);
		h_go(h);
		/* An I/O thread may have broken it again by now. */
		if (h_broken(h))
			h_bring_up(h);
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

/* Chains of any shape, with anything in them. */
static void anything(struct hostile *h)
{
	uint8_t *data = rig_mem(h->rig, RIG_DATA, 0x1000);
	unsigned int i, n, round, writable;

	for (round = 0; round < 40; round++) {
		n = 1 + h_random(h) % 5;
		writable = h_random(h) % (n + 1);
		for (i = 0; i < 64; i++)
			data[i] = h_random(h) % 4 ? 0 : (uint8_t)h_random(h);
		data[0] = h_random(h) % 16;
		for (i = 0; i < n; i++)
			h_desc(h, (h->next + i) % H_NUM,
			       RIG_DATA + (i ? h_random(h) % 0x2000 : 0),
			       h_random(h) % 3 ? 1U << h_random(h) % 14 :
						 h_random(h) % 700,
			       (i >= writable ? H_WRITE : 0) |
				       (i + 1 < n ? H_NEXT : 0));
		h_offer(h, n);
		h_go(h);
		if (h_broken(h))
			h_drive(h);
	}
}

const struct hostile_case hostile_ring_cases[] = {
	CASE(loop_self, BREAKS, BREAKS),
	CASE(loop_two, BREAKS, BREAKS),
	CASE(loop_all, BREAKS, BREAKS),
	CASE(loop_empty, BREAKS, BREAKS),
	CASE(addr_end, BREAKS, BREAKS),
	CASE(addr_over_end, BREAKS, BREAKS),
	CASE(addr_hole, BREAKS, BREAKS),
	CASE(addr_bar, BREAKS, BREAKS),
	CASE(addr_max, BREAKS, BREAKS),
	CASE(addr_wraps, BREAKS, BREAKS),
	CASE(len_max, BREAKS, BREAKS),
	CASE(len_sign, BREAKS, BREAKS),
	CASE(len_sum, BREAKS, BREAKS),
	CASE(no_length, ANY, ANY),
	CASE(only_readable, ANY, ANY),
	CASE(only_writable, ANY, ANY),
	CASE(one_byte, ANY, ANY),
	CASE(writable_first, BREAKS, BREAKS),
	CASE(all_flags, BREAKS, BREAKS),
	CASE(indirect_next, BREAKS, BREAKS),
	CASE(indirect_none, BREAKS, BREAKS),
	CASE(indirect_odd, BREAKS, BREAKS),
	CASE(indirect_huge, BREAKS, BREAKS),
	CASE(indirect_outside, BREAKS, BREAKS),
	/* A packed table's flags mean nothing. */
	CASE(indirect_nested, BREAKS, ANY),
	CASE(indirect_ring, BREAKS, ANY),
	CASE(indirect_many, BREAKS, BREAKS),
	CASE(buffer_is_ring, ANY, ANY),
	CASE(bad_head, BREAKS, ANY),
	CASE(bad_next, BREAKS, ANY),
	CASE(jump_ahead, BREAKS, ANY),
	CASE(jump_half, BREAKS, ANY),
	CASE(jump_back, BREAKS, ANY),
	CASE(jump_back_later, BREAKS, ANY),
	CASE(same_chain, ANY, ANY),
	CASE(used_written, ANY, ANY),
	CASE(bad_event, WORKS, WORKS),
	CASE(flips, ANY, ANY),
	CASE(anything, ANY, ANY),
	{ 0 }
};
