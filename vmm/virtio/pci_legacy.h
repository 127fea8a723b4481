/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The legacy interface of a transitional device (virtio 1.2, 4.1.4.10): all
 * registers in I/O BAR 0, for drivers of before virtio 1.0.
 *
 * Such a driver knows no FEATURES_OK, may use a queue before DRIVER_OK, and takes
 * a reset to be done when its write is: the vCPU that writes it waits.
 *
 * Locks: those of pci.h.
 */
#ifndef VIREO_VIRTIO_PCI_LEGACY_H
#define VIREO_VIRTIO_PCI_LEGACY_H

#include <stdint.h>

struct virtio_pci;

#define VIRTIO_PCI_BAR_LEGACY 0
/* Where the number of a queue is written to ring its doorbell. */
#define VIRTIO_LEGACY_NOTIFY 16

/* The PCI device ID of a transitional device; 0: there is none of this kind. */
uint16_t virtio_legacy_id(uint16_t virtio_id);
/* Declares the BAR. */
void virtio_legacy_init(struct virtio_pci *vpci);

#endif
