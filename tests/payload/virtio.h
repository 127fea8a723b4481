/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device on PCI (virtio 1.2, 4.1), set up by a driver that knows where
 * vireo's devices have what.
 */
#ifndef TESTS_PAYLOAD_VIRTIO_H
#define TESTS_PAYLOAD_VIRTIO_H

#include "pci.h"

#define COMMAND 0x04
#define CAPABILITIES 0x34
#define BAR1 0x14
#define BAR2 0x18
#define BAR4 0x20
#define CAP_MSIX 0x11

/*
 * The device's structures, where this one has them in BAR 4, and its doorbells in
 * BAR 2.
 */
#define BAR 0xd0000000
#define MSIX 0xd0100000
#define ISR (BAR + 0x1000)
#define CONFIG (BAR + 0x2000)
#define NOTIFY (BAR + 0x3000)
#define BELL 0x3000

#define NO_VECTOR 0xffff
#define F_NEXT 1
#define F_WRITE 2

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static inline void set32(uint32_t addr, uint32_t v)
{
	*(volatile uint32_t *)(uintptr_t)addr = v;
}

static inline void set16(uint32_t addr, uint16_t v)
{
	*(volatile uint16_t *)(uintptr_t)addr = v;
}

static inline void set8(uint32_t addr, uint8_t v)
{
	*(volatile uint8_t *)(uintptr_t)addr = v;
}

static inline uint32_t get32(uint32_t addr)
{
	return *(volatile uint32_t *)(uintptr_t)addr;
}

/* Two vectors, which nobody waits for. */
static inline void virtio_messages(uint32_t dev)
{
	uint32_t cap = pci_read(dev, CAPABILITIES) & 0xff, i;

	while ((pci_read(dev, cap) & 0xff) != CAP_MSIX)
		cap = pci_read(dev, cap) >> 8 & 0xff;
	pci_write(dev, cap, pci_read(dev, cap) | 1U << 31);
	for (i = 0; i < 2; i++) {
		set32(MSIX + i * 16, 0xfee00000);
		set32(MSIX + i * 16 + 8, 0x30 + i);
		set32(MSIX + i * 16 + 12, 0);
	}
}

/*
 * Up to FEATURES_OK, with those of @features that there are; which they are.
 * Without @ports the doorbells are those in memory only.
 */
static inline uint32_t virtio_begin(uint32_t dev, uint32_t msix, uint32_t ports,
				    uint32_t features)
{
	pci_write(dev, COMMAND, 0);
	pci_write(dev, BAR1, MSIX);
	pci_write(dev, BAR2, BELL);
	pci_write(dev, BAR4, BAR);
	pci_write(dev, BAR4 + 4, 0);
	pci_write(dev, COMMAND, ports ? 7 : 6);
	if (msix)
		virtio_messages(dev);
	set8(BAR + 0x14, 0);
	set8(BAR + 0x14, 3);
	set32(BAR, 0);
	set32(BAR + 8, 0);
	features &= get32(BAR + 4);
	set32(BAR + 0xc, features);
	set32(BAR + 8, 1);
	set32(BAR + 0xc, 1); /* VERSION_1 */
	set8(BAR + 0x14, 11);
	return features;
}

static inline void virtio_queue_on(uint32_t number, uint16_t size,
				   uint16_t vector, volatile void *desc,
				   volatile void *avail, volatile void *used)
{
	set16(BAR + 0x16, (uint16_t)number);
	set16(BAR + 0x18, size);
	set16(BAR + 0x1a, vector);
	set32(BAR + 0x20, (uint32_t)(uintptr_t)desc);
	set32(BAR + 0x28, (uint32_t)(uintptr_t)avail);
	set32(BAR + 0x30, (uint32_t)(uintptr_t)used);
	set16(BAR + 0x1c, 1);
}

static inline void virtio_driver_ok(void)
{
	set8(BAR + 0x14, 15);
}

#endif
