// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Drivers that do what the specification forbids, to every kind of device, with
 * rings of both kinds and all features of rings: nothing may be touched that is
 * not the guest's, a ring that cannot be right is said to need a reset, and after
 * that reset the device works.
 *
 * tests/unit/run takes this program from build/asan, where ASan and UBSan watch.
 */
#include <linux/virtio_blk.h>
#include <pthread.h>
#include <stdio.h>

#include "hostile.h"
#include "virtio/virtio_devices.h"

/* ---- kinds of devices -------------------------------------------------------- */

static char image[] = "/tmp/vireo-test-hostile-XXXXXX";
#define SECTORS 64

static const void *blk_config(void)
{
	static struct disk_config disk = { .path = image };

	return &disk;
}

static unsigned int blk_ask(struct rig *rig, struct rig_buf *bufs)
{
	const struct virtio_blk_outhdr hdr = { .sector = 3 };

	memcpy(rig_mem(rig, RIG_DATA, 16), &hdr, 16);
	memset(rig_mem(rig, RIG_DATA + 0x1000, 513), 0xee, 513);
	bufs[0] = (struct rig_buf){ RIG_DATA, 16, false };
	bufs[1] = (struct rig_buf){ RIG_DATA + 0x1000, 512, true };
	bufs[2] = (struct rig_buf){ RIG_DATA + 0x1200, 1, true };
	return 3;
}

/* A hostile request may have written to the image. */
static bool blk_answered(struct rig *rig, uint32_t len)
{
	return len == 513 && *(uint8_t *)rig_mem(rig, RIG_DATA + 0x1200, 1) ==
				     VIRTIO_BLK_S_OK;
}

static const void *rng_config(void)
{
	static struct rng_config rng = { .present = true };

	return &rng;
}

static unsigned int rng_ask(struct rig *rig, struct rig_buf *bufs)
{
	(void)rig;
	bufs[0] = (struct rig_buf){ RIG_DATA, 32, true };
	bufs[1] = (struct rig_buf){ RIG_DATA + 0x1000, 32, true };
	return 2;
}

static bool rng_answered(struct rig *rig, uint32_t len)
{
	(void)rig;
	return len == 64;
}

static const void *vcon_config(void)
{
	static char none[] = "none";
	static struct vcon_config vcon = { .target = none };

	return &vcon;
}

static unsigned int vcon_ask(struct rig *rig, struct rig_buf *bufs)
{
	memcpy(rig_mem(rig, RIG_DATA, 5), "hello", 5);
	bufs[0] = (struct rig_buf){ RIG_DATA, 3, false };
	bufs[1] = (struct rig_buf){ RIG_DATA + 3, 2, false };
	return 2;
}

static bool vcon_answered(struct rig *rig, uint32_t len)
{
	(void)rig;
	return len == 0;
}

static const struct hostile_kind kinds[] = {
	{ "blk", &virtio_blk_class, blk_config, 0, blk_ask, blk_answered },
	{ "rng", &virtio_rng_class, rng_config, 0, rng_ask, rng_answered },
	{ "console", &virtio_console_class, vcon_config, 1, vcon_ask,
	  vcon_answered },
};

#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* ---- what the driver does: with the ring --------------------------------------- */

/*
 * Each case finds a device with DRIVER_OK and an empty ring, and leaves it when
 * the loop has had time for what it was given.
 */
static void go(struct hostile *h)
{
	h_ring_bell(h);
	h_run(h);
}

static void chain(struct hostile *h, unsigned int n)
{
	h_offer(h, n);
	go(h);
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
	go(h);
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
	go(h);
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
	go(h);
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
	go(h);
}

static void used_written(struct hostile *h)
{
	memset(rig_mem(h->rig, RIG_USED(h->q), 0x100), 0xff, 0x100);
	h_ask(h);
	go(h);
}

/* Events at places that no index reaches. */
static void bad_event(struct hostile *h)
{
	struct vring_avail *avail = rig_mem(h->rig, RIG_AVAIL(h->q), 64);

	memset(avail, 0xff, h->packed ? 4 : 2);
	if (!h->packed)
		avail->ring[H_NUM] = 0x8000;
	h_ask(h);
	go(h);
	h_ask(h);
	go(h);
}

/* ---- with the registers ---------------------------------------------------------- */

static void ring_at(struct hostile *h, uint64_t desc, uint64_t avail,
		    uint64_t used, unsigned int num)
{
	h_negotiate(h);
	h_ring_at(h, desc, avail, used, num);
	rig_driver_ok(h->rig);
	go(h);
}

static void ring_end(struct hostile *h)
{
	ring_at(h, RIG_RAM - 16, RIG_AVAIL(h->q), RIG_USED(h->q), H_NUM);
}

static void ring_outside(struct hostile *h)
{
	ring_at(h, RIG_DESC(h->q), RIG_AVAIL(h->q), 0xb0000000, H_NUM);
}

static void ring_top(struct hostile *h)
{
	ring_at(h, RIG_DESC(h->q), UINT64_MAX & ~15ULL, RIG_USED(h->q), H_NUM);
}

static void ring_misaligned(struct hostile *h)
{
	ring_at(h, RIG_DESC(h->q) + 4, RIG_AVAIL(h->q) + 1, RIG_USED(h->q) + 2,
		H_NUM);
}

static void ring_nowhere(struct hostile *h)
{
	ring_at(h, 0, 0, 0, H_NUM);
}

/* All three parts in one place: the device reads what it writes. */
static void ring_over_itself(struct hostile *h)
{
	ring_at(h, RIG_DESC(h->q), RIG_DESC(h->q), RIG_DESC(h->q), H_NUM);
	memset(rig_mem(h->rig, RIG_DESC(h->q), 0x400), 0x81, 0x400);
	go(h);
}

static void ring_of_none(struct hostile *h)
{
	ring_at(h, RIG_DESC(h->q), RIG_AVAIL(h->q), RIG_USED(h->q), 0);
}

static void ring_of_three(struct hostile *h)
{
	ring_at(h, RIG_DESC(h->q), RIG_AVAIL(h->q), RIG_USED(h->q), 3);
}

static void ring_too_long(struct hostile *h)
{
	ring_at(h, RIG_DESC(h->q), RIG_AVAIL(h->q), RIG_USED(h->q), 0xffff);
}

static void early_kick(struct hostile *h)
{
	h_negotiate(h);
	h_queue(h);
	h_ask(h);
	go(h);
	rig_driver_ok(h->rig);
	h_run(h);
}

static void kick_nothing(struct hostile *h)
{
	unsigned int off;

	for (off = VIRTIO_PCI_NOTIFY; off < VIRTIO_PCI_BAR_LEN; off += 4)
		rig_write(h->rig, off, 2, off);
	go(h);
}

static void no_features_ok(struct hostile *h)
{
	h_reset(h);
	h_queue(h);
	rig_set_status(h->rig, VIRTIO_CONFIG_S_DRIVER_OK);
	h_ask(h);
	go(h);
}

static void all_status(struct hostile *h)
{
	unsigned int status;

	for (status = 1; status < 256; status++)
		rig_set_status(h->rig, (uint8_t)status);
	h_ask(h);
	go(h);
}

static void foreign_features(struct hostile *h)
{
	h_reset(h);
	rig_write(h->rig, VIRTIO_PCI_COMMON_GFSELECT, 4, 0);
	rig_write(h->rig, VIRTIO_PCI_COMMON_GF, 4, UINT32_MAX);
	rig_write(h->rig, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	rig_write(h->rig, VIRTIO_PCI_COMMON_GF, 4, UINT32_MAX);
	rig_set_status(h->rig, VIRTIO_CONFIG_S_FEATURES_OK);
	h_queue(h);
	rig_driver_ok(h->rig);
	go(h);
}

/* Features change after they were settled. */
static void late_features(struct hostile *h)
{
	rig_write(h->rig, VIRTIO_PCI_COMMON_GFSELECT, 4, 1);
	rig_write(h->rig, VIRTIO_PCI_COMMON_GF, 4, UINT32_MAX);
	h_works(h);
}

static void reset_in_flight(struct hostile *h)
{
	unsigned int i;

	for (i = 0; i < 5; i++) {
		h_ask(h);
		h_ask(h);
		h_ring_bell(h);
		rig_set_status(h->rig, 0);
		h_reset(h);
		h_drive(h);
		h_ask(h);
		go(h);
		rig_set_status(h->rig, 0);
		h_drive(h);
	}
}

/* The driver goes on as if a reset were done at once. */
static void reset_not_awaited(struct hostile *h)
{
	h_ask(h);
	h_ring_bell(h);
	rig_set_status(h->rig, 0);
	rig_set_status(h->rig, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	h_queue(h);
	rig_set_status(h->rig, 0xf);
	h_ask(h);
	go(h);
}

static void queue_reset(struct hostile *h)
{
	unsigned int i;

	rig_write(h->rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, h->q);
	for (i = 0; i < 4; i++) {
		h_ask(h);
		h_ring_bell(h);
		rig_write(h->rig, 58, 2, 1);
		h_queue(h);
		rig_write(h->rig, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
		go(h);
		rig_write(h->rig, 58, 2, 1);
		h_run(h);
		h_queue(h);
		rig_write(h->rig, 58, 2, 0xffff);
	}
}

static void all_queues(struct hostile *h)
{
	struct rig *rig = h->rig;
	unsigned int q;

	h_negotiate(h);
	for (q = 0; q < 0x10000; q += q < 300 ? 1 : 257) {
		rig_write(rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, q);
		rig_write(rig, VIRTIO_PCI_COMMON_Q_MSIX, 2, q);
		rig_write(rig, VIRTIO_PCI_COMMON_Q_SIZE, 2, q);
		rig_write(rig, VIRTIO_PCI_COMMON_Q_DESCLO, 8, q << 12);
		rig_write(rig, VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
	}
	rig_driver_ok(rig);
	kick_nothing(h);
}

static void all_registers(struct hostile *h)
{
	unsigned int off, size;

	for (off = 0; off < VIRTIO_PCI_BAR_LEN; off += off < 0x50 ? 1 : 61)
		for (size = 1; size <= 8 && off + size <= VIRTIO_PCI_BAR_LEN;
		     size *= 2) {
			rig_read(h->rig, off, size);
			rig_write(h->rig, off, size,
				  (uint64_t)h_random(h) << 32 | h_random(h));
		}
	h_run(h);
}

/* ---- while the device looks ------------------------------------------------------- */

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
		go(h);
		if (h_broken(h))
			h_drive(h);
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
		go(h);
		if (h_broken(h))
			h_drive(h);
	}
}

/* ---- all of them, with all kinds and features --------------------------------------- */

/* What must be seen before the reset. */
enum expect { ANY, BREAKS, WORKS };

static const struct hostile_case {
	const char *name;
	void (*fn)(struct hostile *h);
	enum expect split, packed;
} cases[] = {
#define CASE(fn, split, packed)        \
	{                              \
#fn, fn, split, packed \
	}
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
	CASE(ring_end, BREAKS, BREAKS),
	CASE(ring_outside, BREAKS, BREAKS),
	CASE(ring_top, BREAKS, BREAKS),
	CASE(ring_misaligned, BREAKS, BREAKS),
	CASE(ring_nowhere, ANY, ANY),
	CASE(ring_over_itself, ANY, ANY),
	CASE(ring_of_none, BREAKS, BREAKS),
	CASE(ring_of_three, BREAKS, WORKS),
	CASE(ring_too_long, ANY, ANY),
	CASE(early_kick, WORKS, WORKS),
	CASE(kick_nothing, WORKS, WORKS),
	CASE(no_features_ok, BREAKS, BREAKS),
	CASE(all_status, WORKS, WORKS),
	CASE(foreign_features, ANY, ANY),
	CASE(late_features, WORKS, WORKS),
	CASE(reset_in_flight, WORKS, WORKS),
	CASE(reset_not_awaited, ANY, ANY),
	CASE(queue_reset, ANY, ANY),
	CASE(all_queues, ANY, ANY),
	CASE(all_registers, ANY, ANY),
	CASE(flips, ANY, ANY),
	CASE(anything, ANY, ANY),
};

#define NR_CASES (sizeof(cases) / sizeof(cases[0]))

static const uint64_t ring_features[] = {
	0,
	H_INDIRECT_DESC,
	H_EVENT_IDX,
	H_INDIRECT_DESC | H_EVENT_IDX,
	H_INDIRECT_DESC | H_EVENT_IDX | H_RESET,
	H_PACKED,
	H_PACKED | H_INDIRECT_DESC,
	H_PACKED | H_EVENT_IDX,
	H_PACKED | H_INDIRECT_DESC | H_EVENT_IDX,
	H_PACKED | H_INDIRECT_DESC | H_EVENT_IDX | H_RESET,
};

#define NR_FEATURES (sizeof(ring_features) / sizeof(ring_features[0]))

/* The machine of a kind, for all of its cases. */
static struct rig *rigs[NR_KINDS];

struct run {
	unsigned int kind;
	unsigned int features;
	unsigned int nr;
};

static void run_case(void **state)
{
	const struct run *run = *state;
	const struct hostile_case *c = &cases[run->nr];
	struct hostile h = {
		.kind = &kinds[run->kind],
		.rig = rigs[run->kind],
		.features = ring_features[run->features],
		.q = kinds[run->kind].queue,
		.seed = run->nr + 1000 * run->features,
	};
	enum expect expect;
	unsigned int i;

	h.packed = h.features & H_PACKED;
	rig_msix_on(h.rig);
	h_drive(&h);
	c->fn(&h);
	expect = h.packed ? c->packed : c->split;
	if (expect != ANY)
		assert_int_equal(h_broken(&h), expect == BREAKS);

	/* And yet it works, for more than a round of the ring. */
	h_drive(&h);
	for (i = 0; i < H_NUM + 3; i++)
		h_works(&h);
}

static int make_machines(void **state)
{
	struct error err = { "" };
	unsigned int i;
	int fd;

	(void)state;
	fd = mkstemp(image);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SECTORS * 512), 0);
	close(fd);
	for (i = 0; i < NR_KINDS; i++) {
		rig_next_config.virtio.packed = true;
		if (rig_init_on(&rigs[i], &rig_accel_irqfd_ops, kinds[i].class,
				kinds[i].config(), &err))
			fail_msg("%s: %s", kinds[i].name, err.text);
	}
	return 0;
}

static int free_machines(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < NR_KINDS; i++)
		rig_free(rigs[i]);
	unlink(image);
	return 0;
}

int main(void)
{
	static struct CMUnitTest tests[NR_KINDS * NR_FEATURES * NR_CASES];
	static struct run runs[NR_KINDS * NR_FEATURES * NR_CASES];
	unsigned int kind, features, nr, n = 0;
	char *name;

	for (kind = 0; kind < NR_KINDS; kind++)
		for (features = 0; features < NR_FEATURES; features++)
			for (nr = 0; nr < NR_CASES; nr++, n++) {
				if (asprintf(&name, "%s %s %#llx",
					     kinds[kind].name, cases[nr].name,
					     (unsigned long long)
						     ring_features[features]) <
				    0)
					return 1;
				runs[n] = (struct run){ kind, features, nr };
				tests[n] = (struct CMUnitTest){
					.name = name,
					.test_func = run_case,
					.initial_state = &runs[n],
				};
			}
	n = (unsigned int)cmocka_run_group_tests_name("hostile", tests,
						      make_machines,
						      free_machines);
	for (nr = 0; nr < NR_KINDS * NR_FEATURES * NR_CASES; nr++)
		free((void *)(uintptr_t)tests[nr].name);
	return (int)n;
}
