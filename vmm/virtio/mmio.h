/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device on no bus, its registers in memory (virtio 1.2, 4.2, version
 * 2 of the interface).  The ACPI tables tell the guest of it.
 *
 * All such devices share a few interrupt pins, so that an interrupt takes the
 * device's lock and irqs.lock, unlike a message of PCI.  As on PCI, doorbells
 * are eventfds.
 *
 * Locks, beyond those of virtio.h:
 *   dev->lock   mutex   everything here
 */
#ifndef VIREO_VIRTIO_MMIO_H
#define VIREO_VIRTIO_MMIO_H

#include "../bus.h"
#include "../irq.h"
#include "virtio.h"

/* Device @n has a page at this address, behind the ECAM. */
#define VIRTIO_MMIO_BASE(n) (0xbfe00000ULL + 0x1000ULL * (n))
#define VIRTIO_MMIO_LEN 0x1000
#define VIRTIO_MMIO_MAX 256
/* Pins that no slot of PCI is wired to. */
#define VIRTIO_MMIO_GSI(n) (20 + ((n)&3))

struct virtio_mmio {
	struct virtio_dev *vdev;
	struct bus_range range;
	struct irq_source irq;
	uint32_t device_select;
	uint32_t driver_select;
	uint32_t queue_select;
	uint32_t isr;
};

/* As virtio_pci_init, which calls it; vm->nr_virtio_mmio counts them. */
int virtio_mmio_new(struct virtio_mmio **mmio, struct virtio_dev *vdev,
		    const struct virtio_class *class, struct device *dev,
		    struct error *err);
void virtio_mmio_free(struct virtio_mmio *mmio);

#endif
