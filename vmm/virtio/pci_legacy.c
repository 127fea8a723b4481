// SPDX-License-Identifier: GPL-2.0-or-later
#include "pci_legacy.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "pci.h"

/* Where the device's configuration begins, without and with MSI-X. */
#define HEADER_LEN 20
#define HEADER_MSIX_LEN 24

/* A queue is one block, at a page that the driver says (2.7.2). */
#define QUEUE_SHIFT VIRTIO_PCI_QUEUE_ADDR_SHIFT
#define QUEUE_ALIGN VIRTIO_PCI_VRING_ALIGN

uint16_t virtio_legacy_id(uint16_t virtio_id)
{
	static const uint16_t ids[] = {
		[VIRTIO_ID_NET] = 0x1000,     [VIRTIO_ID_BLOCK] = 0x1001,
		[VIRTIO_ID_CONSOLE] = 0x1003, [VIRTIO_ID_RNG] = 0x1005,
		[VIRTIO_ID_BALLOON] = 0x1002, [VIRTIO_ID_SCSI] = 0x1004,
		[VIRTIO_ID_9P] = 0x1009,
	};

	return virtio_id < sizeof(ids) / sizeof(ids[0]) ? ids[virtio_id] : 0;
}

/* The queue that is selected, or NULL. */
static struct virtio_queue *selected(struct virtio_pci *vpci)
{
	if (vpci->queue_select >= vpci->vdev.nr_queues)
		return NULL;
	return &vpci->vdev.queues[vpci->queue_select];
}

static void put(uint8_t *header, unsigned int off, uint32_t val,
		unsigned int size)
{
	memcpy(header + off, &val, size);
}

/* As the driver reads it, but for ISR status. */
static void header_show(struct virtio_pci *vpci, uint8_t *header)
{
	const struct virtio_queue *vq = selected(vpci);
	struct virtio_dev *vdev = &vpci->vdev;

	memset(header, 0, HEADER_MSIX_LEN);
	put(header, VIRTIO_PCI_HOST_FEATURES, virtio_legacy_features(vdev), 4);
	put(header, VIRTIO_PCI_GUEST_FEATURES, (uint32_t)vdev->driver_features,
	    4);
	put(header, VIRTIO_PCI_QUEUE_SEL, vpci->queue_select, 2);
	put(header, VIRTIO_PCI_STATUS, vdev->status, 1);
	put(header, VIRTIO_MSI_CONFIG_VECTOR, vpci->config_vector, 2);
	put(header, VIRTIO_MSI_QUEUE_VECTOR, vq ? vq->vector : VIRTIO_NO_VECTOR,
	    2);
	if (!vq)
		return;
	put(header, VIRTIO_PCI_QUEUE_NUM, vdev->queue_size, 2);
	if (vq->enabled)
		put(header, VIRTIO_PCI_QUEUE_PFN,
		    (uint32_t)(vq->at.desc >> QUEUE_SHIFT), 4);
}

static uint64_t legacy_read(void *opaque, uint64_t off, unsigned int size)
{
	struct virtio_pci *vpci = opaque;
	const struct virtio_dev *vdev = &vpci->vdev;
	unsigned int header_len =
		pci_msix_enabled(&vpci->pci) ? HEADER_MSIX_LEN : HEADER_LEN;
	uint8_t header[HEADER_MSIX_LEN];
	uint64_t val = 0;

	if (off == VIRTIO_PCI_ISR && size == 1)
		return virtio_pci_isr_read(vpci);
	if (off < header_len) {
		if (off + size > header_len)
			return UINT64_MAX;
		header_show(vpci, header);
		memcpy(&val, header + off, size);
		return val;
	}
	off -= header_len;
	if (off + size > vdev->config_len)
		return UINT64_MAX;
	memcpy(&val, (const uint8_t *)vdev->config + off, size);
	return val;
}

/* Descriptors, the available ring behind them, the used one on its own page. */
static void set_page(struct virtio_pci *vpci, uint32_t page)
{
	struct virtio_dev *vdev = &vpci->vdev;
	struct virtio_queue *vq = selected(vpci);
	struct ring_layout *at;

	if (!page) {
		/* The driver is done with it, and so with the device. */
		if (vq && vq->enabled)
			virtio_reset_wait(vdev);
		return;
	}
	vq = virtio_queue_setup(vdev, vpci->queue_select);
	if (!vq)
		return;
	at = &vq->at;
	at->desc = (uint64_t)page << QUEUE_SHIFT;
	at->avail = at->desc + sizeof(struct vring_desc) * at->num;
	at->used = (at->avail + 2 * (3ULL + at->num) + QUEUE_ALIGN - 1) &
		   ~(QUEUE_ALIGN - 1ULL);
	virtio_queue_enable(vq);
}

static void legacy_write(void *opaque, uint64_t off, unsigned int size,
			 uint64_t val)
{
	struct virtio_pci *vpci = opaque;
	struct virtio_dev *vdev = &vpci->vdev;
	unsigned int header_len =
		pci_msix_enabled(&vpci->pci) ? HEADER_MSIX_LEN : HEADER_LEN;

	if (off >= header_len) {
		virtio_config_write(vdev, off - header_len, size, val);
		return;
	}
	/* Of a driver that mixes both, the interface that it began with counts. */
	if (vdev->phase == VIRTIO_SETUP)
		vpci->legacy = true;
	switch (off) {
	case VIRTIO_PCI_GUEST_FEATURES:
		virtio_features_write(vdev, 0, (uint32_t)val);
		break;
	case VIRTIO_PCI_QUEUE_PFN:
		if (size == 4)
			set_page(vpci, (uint32_t)val);
		break;
	case VIRTIO_PCI_QUEUE_SEL:
		vpci->queue_select = (uint16_t)val;
		break;
	case VIRTIO_LEGACY_NOTIFY:
		virtio_legacy_kick(vdev, (uint16_t)val);
		break;
	case VIRTIO_PCI_STATUS:
		virtio_legacy_status_write(vdev, (uint8_t)val);
		break;
	case VIRTIO_MSI_CONFIG_VECTOR:
		virtio_pci_set_vector(vpci, NULL, (uint16_t)val);
		break;
	case VIRTIO_MSI_QUEUE_VECTOR:
		if (selected(vpci))
			virtio_pci_set_vector(vpci, selected(vpci),
					      (uint16_t)val);
		break;
	}
	vdev->transport->show(vdev);
}

static const struct bus_ops legacy_ops = {
	.read = legacy_read,
	.write = legacy_write,
};

void virtio_legacy_init(struct virtio_pci *vpci)
{
	struct device *dev = &vpci->pci.dev;
	struct bus_range range = {
		.name = dev->id,
		.len = 32,
		.ops = &legacy_ops,
		.dev = vpci,
		.lock = &dev->lock,
	};

	while (range.len < HEADER_MSIX_LEN + vpci->vdev.config_len)
		range.len *= 2;
	pci_bar_init(&vpci->pci, VIRTIO_PCI_BAR_LEGACY, PCI_BAR_IO, &range);
}
