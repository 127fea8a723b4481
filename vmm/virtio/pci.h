/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio device on the PCI bus (virtio 1.2, 4.1).  A transitional one has the
 * legacy interface, too, in BAR 0 (pci_legacy.h).
 *
 * BAR 1 holds the MSI-X table, one vector for each queue and the last for the
 * configuration.  BAR 2 is ports, a doorbell for each queue: where a processor
 * does not tell what an access to memory was, KVM has to look at the instruction,
 * which takes longer than all the rest.  It is what the capabilities name first;
 * a driver that can do without ports finds doorbells in BAR 4, too.  BAR 4 holds the structures, one a page.  Reading the common
 * and the device's configuration has no side effect: both lie in the shadow page
 * of the BAR's region as the driver reads them.
 *
 * Locks, beyond those of virtio.h and device/pci.h:
 *   dev->lock   mutex   everything here but cfg_cap, which does not change
 */
#ifndef VIREO_VIRTIO_PCI_H
#define VIREO_VIRTIO_PCI_H

#include "../device/pci.h"
#include "../fastpath.h"
#include "virtio.h"

#define VIRTIO_PCI_BAR_MSIX 1
#define VIRTIO_PCI_BAR_BELL 2
#define VIRTIO_PCI_BELL_STEP 2
/* PCI gives a BAR no more than 256 ports; who has more queues has no such BAR. */
#define VIRTIO_PCI_BELL_QUEUES (256 / VIRTIO_PCI_BELL_STEP)
#define VIRTIO_PCI_BAR 4
#define VIRTIO_PCI_BAR_LEN 0x4000
#define VIRTIO_PCI_COMMON 0x0000
#define VIRTIO_PCI_ISR_STATUS 0x1000
#define VIRTIO_PCI_DEVICE 0x2000
#define VIRTIO_PCI_NOTIFY 0x3000
#define VIRTIO_PCI_NOTIFY_STEP 4

struct virtio_mmio;

/*
 * The object of each device begins with this, wherever it is to be: with
 * --virtio transport=mmio, mmio is its transport, and pci only its struct
 * device.
 */
struct virtio_pci {
	struct pci_dev pci;
	struct virtio_dev vdev;
	struct virtio_mmio *mmio;
	struct fast_region fast; /* of VIRTIO_PCI_BAR */
	struct vireo_rule rules[3];
	uint64_t bar_base;  /* 0 while the BAR is not mapped */
	uint64_t io_base;   /* the same of the legacy BAR */
	uint64_t bell_base; /* and of that of doorbells */
	bool legacy;	    /* the driver uses the legacy interface */
	uint32_t device_select;
	uint32_t driver_select;
	uint16_t queue_select;
	uint16_t config_vector;
	uint8_t isr;
	uint8_t cfg_cap;
};

/*
 * Puts a device on the PCI bus, or where the configuration says.
 * vpci->vdev.features, .config, .nr_queues and .queue_size are the device's to
 * set before.
 */
int virtio_pci_init(struct virtio_pci *vpci, const struct virtio_class *class,
		    struct error *err);
void virtio_pci_destroy(struct virtio_pci *vpci);

/*
 * For state tables (virtio_state.c): the fields of struct virtio_pci, with which
 * each object begins, and its prepare and loaded; and the table of a device that
 * has nothing more.
 */
extern const struct state_field virtio_pci_state_fields[];
int virtio_pci_state_prepare(void *obj, struct error *err);
int virtio_pci_state_loaded(void *obj, struct error *err);
extern const struct state_table virtio_plain_state;
/* For virtio_state.c: what follows from registers that were loaded. */
void virtio_pci_loaded(struct virtio_pci *vpci);

#define STATE_VIRTIO(type)                                         \
	{                                                          \
		.name = "virtio", .kind = STATE_GROUP, .count = 1, \
		.stride = sizeof(struct virtio_pci),               \
		.offset = offsetof(type, vpci),                    \
		.fields = virtio_pci_state_fields                  \
	}

/* For pci_legacy.c, with dev->lock held. */
uint8_t virtio_pci_isr_read(struct virtio_pci *vpci);
/* Of the configuration if @vq is NULL. */
void virtio_pci_set_vector(struct virtio_pci *vpci, struct virtio_queue *vq,
			   uint16_t vector);

/* For struct dev_class. */
void virtio_pci_reset(struct device *dev);
void virtio_pci_start(struct device *dev);
void virtio_pci_stop(struct device *dev);

#endif
