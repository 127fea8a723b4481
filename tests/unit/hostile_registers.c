// SPDX-License-Identifier: GPL-2.0-or-later
/* What a hostile driver does with the registers; see hostile_ring.c. */
#include "hostile.h"

static void ring_at(struct hostile *h, uint64_t desc, uint64_t avail,
		    uint64_t used, unsigned int num)
{
	h_negotiate(h);
	h_ring_at(h, desc, avail, used, num);
	rig_driver_ok(h->rig);
	h_go(h);
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
	h_go(h);
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
	h_go(h);
	rig_driver_ok(h->rig);
	h_run(h);
}

static void kick_nothing(struct hostile *h)
{
	struct bus_hint hint = { 0 };
	unsigned int off;
	uint64_t port;

	for (off = VIRTIO_PCI_NOTIFY; off < VIRTIO_PCI_BAR_LEN; off += 4)
		rig_write(h->rig, off, 2, off);
	for (off = 0; off < h->rig->pci->bars[VIRTIO_PCI_BAR_BELL].range.len;
	     off++) {
		port = rig_bar(h->rig, VIRTIO_PCI_BAR_BELL) + off;
		bus_write(&h->rig->vm.pio, &hint, port, 1 + off % 2, off);
		bus_read(&h->rig->vm.pio, &hint, port, 2);
	}
	h_go(h);
}

static void no_features_ok(struct hostile *h)
{
	h_reset(h);
	h_queue(h);
	rig_set_status(h->rig, VIRTIO_CONFIG_S_DRIVER_OK);
	h_ask(h);
	h_go(h);
}

static void all_status(struct hostile *h)
{
	unsigned int status;

	for (status = 1; status < 256; status++)
		rig_set_status(h->rig, (uint8_t)status);
	h_ask(h);
	h_go(h);
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
	h_go(h);
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
		h_go(h);
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
	h_go(h);
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
		h_go(h);
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

static void io_write(struct hostile *h, unsigned int off, unsigned int size,
		     uint64_t val)
{
	struct bus_hint hint = { 0 };

	bus_write(&h->rig->vm.pio, &hint, rig_bar(h->rig, 0) + off, size, val);
}

/* The legacy interface, beside the other and by itself, with anything. */
static void legacy_registers(struct hostile *h)
{
	static const uint8_t regs[] = { 4, 8, 8, 14, 16, 18, 18, 20, 22 };
	struct bus_hint hint = { 0 };
	unsigned int i, off;

	for (i = 0; i < 400; i++) {
		off = regs[h_random(h) % sizeof(regs)];
		if (h_random(h) % 8 == 0)
			off = h_random(h) % 64;
		io_write(h, off, 1U << h_random(h) % 3,
			 h_random(h) % 2 ? h_random(h) % 0x20 : h_random(h));
		bus_read(&h->rig->vm.pio, &hint, rig_bar(h->rig, 0) + off,
			 1U << h_random(h) % 3);
		if (i % 40 == 0)
			h_run(h);
	}
	h_run(h);
}

/* A queue at the end of memory, and one that is taken away at work. */
static void legacy_queues(struct hostile *h)
{
	io_write(h, 18, 1, 0);
	io_write(h, 14, 2, h->q);
	io_write(h, 8, 4, (RIG_RAM >> 12) - 1);
	io_write(h, 16, 2, h->q);
	h_run(h);
	io_write(h, 18, 1, 0);
	io_write(h, 8, 4, UINT32_MAX);
	io_write(h, 18, 1, 7);
	h_run(h);
	io_write(h, 18, 1, 0);
	io_write(h, 8, 4, RIG_DATA >> 12);
	io_write(h, 16, 2, h->q);
	io_write(h, 8, 4, 0);
	io_write(h, 18, 1, 0xff);
	h_run(h);
}

const struct hostile_case hostile_register_cases[] = {
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
	CASE(legacy_registers, ANY, ANY),
	CASE(legacy_queues, ANY, ANY),
	{ 0 }
};
