// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A driver that does anything at all to a ring.  The input's first two bytes
 * say how it is set up, the rest is a program: one byte of operation, then its
 * operands.
 *
 *   0  descriptor n (of the ring, or of the table): address, length, flags, next
 *   1  make a chain available, properly
 *   2  any bytes anywhere in the ring's memory
 *   3  the device takes a chain
 *   4  it gives one back, and looks whether the driver wants to know
 *   5  it polls, or no longer
 *   6  another life
 */
#include "ring.h"

#include <stdlib.h>
#include <string.h>
#include <linux/virtio_ring.h>

#include "memory.h"
#include "virtio/ring.h"

#define RAM (2ULL << 20)
/* All that a ring of this fuzzer lies in. */
#define AREA 0x10000U
#define DESC 0x0000U
#define AVAIL 0x4000U
#define USED 0x5000U
#define TABLE 0x8000U
#define DATA 0x100000ULL
#define HELD 16

struct input {
	const uint8_t *data;
	size_t size;
};

struct driver {
	struct mem *mem;
	struct ring ring;
	struct ring_chain held[HELD];
	unsigned int nr_held;
	uint16_t next; /* packed: where the driver is */
	bool wrap;
};

static uint32_t get(struct input *in, unsigned int bytes)
{
	uint32_t val = 0;

	for (; bytes && in->size; bytes--, in->size--)
		val = val << 8 | *in->data++;
	return val;
}

static void check(bool good)
{
	if (!good)
		abort();
}

static void *area(struct driver *d, uint32_t at)
{
	return d->mem->base + at;
}

/* Every byte of a chain is in RAM, and the sums are right. */
static void check_chain(struct driver *d, const struct ring_chain *chain)
{
	const struct mem *mem = d->mem;
	const uint8_t *base;
	uint64_t sum[2] = { 0, 0 };
	unsigned int i;

	check(chain->nr_read + chain->nr_write <= RING_MAX_IOV);
	check(d->ring.in_flight <= d->ring.at.num);
	for (i = 0; i < chain->nr_read + chain->nr_write; i++) {
		base = chain->iov[i].iov_base;
		check(chain->iov[i].iov_len && base >= mem->base &&
		      chain->iov[i].iov_len <= RAM &&
		      (uint64_t)(base - mem->base) <=
			      RAM - chain->iov[i].iov_len);
		sum[i >= chain->nr_read] += chain->iov[i].iov_len;
	}
	check(sum[0] == chain->read_len && sum[1] == chain->write_len);
}

static void begin(struct driver *d, struct input *in, bool packed)
{
	uint32_t how = get(in, 1);
	struct ring_layout at = {
		.num = 1 + get(in, 1) % 64,
		.desc = DESC,
		.avail = AVAIL,
		.used = USED,
		.packed = packed,
		.indirect = how & 1,
		.event_idx = how & 2,
	};

	if (!packed)
		while (at.num & (at.num - 1))
			at.num &= at.num - 1;
	memset(area(d, 0), 0, AREA);
	d->nr_held = 0;
	d->next = 0;
	d->wrap = true;
	check(!ring_start(&d->ring, d->mem, &at));
}

static void set_desc(struct driver *d, struct input *in)
{
	uint32_t how = get(in, 1);
	struct vring_desc desc = {
		/* In RAM, at its end, or anything. */
		.addr = how & 1 ? DATA + get(in, 2) :
			how & 2 ? RAM - get(in, 1) :
			how & 4 ? TABLE + get(in, 1) :
				  (uint64_t)get(in, 4) << 32 | get(in, 4),
		.len = how & 8 ? get(in, 1) : get(in, 4),
		.flags = (uint16_t)get(in, how & 16 ? 1 : 2),
		.next = (uint16_t)get(in, 1),
	};
	struct vring_packed_desc packed = {
		.addr = desc.addr,
		.len = desc.len,
		.id = desc.next,
		.flags = desc.flags,
	};

	memcpy(area(d, (how & 32 ? TABLE : DESC) + 16 * get(in, 1)),
	       d->ring.at.packed ? (void *)&packed : (void *)&desc, 16);
}

static void offer(struct driver *d, struct input *in)
{
	uint32_t n = get(in, 1);
	struct vring_packed_desc *desc;
	struct vring_avail *avail;

	if (!d->ring.at.packed) {
		avail = area(d, AVAIL);
		avail->ring[avail->idx % d->ring.at.num] = (uint16_t)n;
		avail->idx++;
		return;
	}
	for (n = 1 + n % 4; n; n--) {
		desc = (struct vring_packed_desc *)area(d, DESC) + d->next;
		desc->flags &= ~(1U << VRING_PACKED_DESC_F_AVAIL |
				 1U << VRING_PACKED_DESC_F_USED);
		desc->flags |= d->wrap ? 1U << VRING_PACKED_DESC_F_AVAIL :
					 1U << VRING_PACKED_DESC_F_USED;
		if (++d->next == d->ring.at.num) {
			d->next = 0;
			d->wrap = !d->wrap;
		}
	}
}

static void scribble(struct driver *d, struct input *in)
{
	uint32_t at = get(in, 2), n = 1 + get(in, 1) % 16;

	while (n--)
		*(uint8_t *)area(d, at++ % AREA) = (uint8_t)get(in, 1);
}

static void take(struct driver *d)
{
	struct ring_chain *chain = &d->held[d->nr_held];
	int ret;

	if (d->nr_held == HELD)
		return;
	ret = ring_pop(&d->ring, chain);
	check(ret == 1 || ret == 0 || (ret < 0 && d->ring.fault));
	if (ret != 1)
		return;
	check_chain(d, chain);
	d->nr_held++;
}

static void give(struct driver *d, struct input *in)
{
	uint32_t i = get(in, 1), len = get(in, 1);

	if (d->nr_held) {
		i %= d->nr_held;
		ring_push(&d->ring, &d->held[i], len);
		d->held[i] = d->held[--d->nr_held];
	}
	if (len & 1)
		ring_should_signal(&d->ring);
}

void ring_fuzz(const uint8_t *data, size_t size, bool packed)
{
	static const struct mem_options opt = { .size = RAM };
	static struct driver d;
	static struct mem mem;
	struct input in = { data, size };

	if (!d.mem) {
		check(!mem_init(&mem, &mem_backend_memfd, &opt, NULL));
		d.mem = &mem;
	}
	begin(&d, &in, packed);
	while (in.size) {
		switch (get(&in, 1) % 7) {
		case 0:
			set_desc(&d, &in);
			break;
		case 1:
			offer(&d, &in);
			break;
		case 2:
			scribble(&d, &in);
			break;
		case 3:
			take(&d);
			break;
		case 4:
			give(&d, &in);
			break;
		case 5:
			d.ring.polled = get(&in, 1) & 1;
			if (!d.ring.polled)
				ring_want_notify(&d.ring);
			break;
		case 6:
			begin(&d, &in, packed);
			break;
		}
	}
}
