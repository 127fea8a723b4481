// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a virtio device is, to save and to load: what its driver has set up, and
 * where its queues are.  Nothing is in flight then; what a device holds of a ring
 * without having begun it is left there, to be popped again (replays).
 */
#include <errno.h>
#include <linux/virtio_config.h>

#include "../error.h"
#include "../vm.h"
#include "mmio.h"
#include "pci.h"

static uint32_t nr_queues(const void *obj)
{
	return ((const struct virtio_dev *)obj)->nr_queues;
}

#define QUEUE(member)                                \
	{                                            \
		STATE_U(struct virtio_queue, member) \
	}
static const struct state_field queue_fields[] = {
	{ STATE_BOOL(struct virtio_queue, enabled) },
	{ STATE_BOOL(struct virtio_queue, resetting) },
	QUEUE(vector),
	QUEUE(at.num),
	QUEUE(at.desc),
	QUEUE(at.avail),
	QUEUE(at.used),
	QUEUE(place.avail),
	QUEUE(place.used),
	{ 0 },
};

const struct state_field virtio_state_fields[] = {
	{ STATE_U(struct virtio_dev, driver_features) },
	{ STATE_U(struct virtio_dev, status) },
	{ STATE_U(struct virtio_dev, config_generation) },
	{ STATE_U(struct virtio_dev, phase), .max = VIRTIO_BROKEN },
	{ .name = "queues",
	  .kind = STATE_GROUP,
	  .count_of = nr_queues,
	  .stride = sizeof(struct virtio_queue),
	  .offset = offsetof(struct virtio_dev, queues),
	  .pointer = true,
	  .fields = queue_fields },
	{ 0 },
};

int virtio_state_prepare(struct virtio_dev *vdev, struct error *err)
{
	struct virtio_queue *vq;

	for (vq = vdev->queues; vq < vdev->queues + vdev->nr_queues; vq++) {
		vq->place = (struct ring_place){ 0 };
		if (!vq->enabled || vdev->phase == VIRTIO_SETUP)
			continue;
		vq->place = ring_place(&vq->ring);
		if (!vq->ring.in_flight)
			continue;
		if (!vdev->class->replays)
			return error_set(
				err, EBUSY,
				"queue %u: %u requests that failed on the host wait for the machine to go on",
				vq->index, vq->ring.in_flight);
		vq->place.avail = vq->place.used;
	}
	return 0;
}

static int check_queue(const struct virtio_dev *vdev,
		       const struct virtio_queue *vq, struct error *err)
{
	const uint16_t mask = 0x7fff;

	if (vq->at.num > vdev->queue_size)
		return error_set(err, EINVAL, "queues[%u]: at.num: %u, of %u",
				 vq->index, vq->at.num, vdev->queue_size);
	if (vq->enabled && virtio_has(vdev, VIRTIO_F_RING_PACKED) &&
	    ((vq->place.avail & mask) >= vq->at.num ||
	     (vq->place.used & mask) >= vq->at.num))
		return error_set(err, EINVAL, "queues[%u]: place: out of range",
				 vq->index);
	return 0;
}

int virtio_state_loaded(struct virtio_dev *vdev, struct error *err)
{
	uint64_t known = vdev->features | 1ULL << VIRTIO_F_ANY_LAYOUT;
	const char *fault;
	unsigned int i;
	int rc = 0;

	/* What is only read back may be anything. */
	if (vdev->phase != VIRTIO_SETUP && vdev->driver_features & ~known)
		return error_set(err, EINVAL,
				 "driver_features: %#llx are not offered here",
				 (unsigned long long)(vdev->driver_features &
						      ~known));
	for (i = 0; i < vdev->nr_queues && !rc; i++)
		rc = check_queue(vdev, &vdev->queues[i], err);
	if (rc)
		return rc;
	pthread_mutex_lock(&vdev->dev->lock);
	if (!virtio_go_on(vdev, &fault))
		rc = error_set(err, EINVAL, "queues: %s", fault);
	vdev->transport->show(vdev);
	pthread_mutex_unlock(&vdev->dev->lock);
	return rc;
}

/* ---- with a transport --------------------------------------------------------- */

static uint32_t on_pci(const void *obj)
{
	return !((const struct virtio_pci *)obj)->mmio;
}

static uint32_t on_mmio(const void *obj)
{
	return !!((const struct virtio_pci *)obj)->mmio;
}

static const struct state_field mmio_fields[] = {
	{ STATE_U(struct virtio_mmio, device_select) },
	{ STATE_U(struct virtio_mmio, driver_select) },
	{ STATE_U(struct virtio_mmio, queue_select) },
	{ STATE_U(struct virtio_mmio, isr) },
	{ 0 },
};

const struct state_field virtio_pci_state_fields[] = {
	{ .name = "pci",
	  .kind = STATE_GROUP,
	  .count_of = on_pci,
	  .stride = sizeof(struct pci_dev),
	  .offset = offsetof(struct virtio_pci, pci),
	  .fields = pci_state_fields },
	{ .name = "mmio",
	  .kind = STATE_GROUP,
	  .count_of = on_mmio,
	  .stride = sizeof(struct virtio_mmio),
	  .offset = offsetof(struct virtio_pci, mmio),
	  .pointer = true,
	  .fields = mmio_fields },
	{ STATE_U(struct virtio_pci, device_select) },
	{ STATE_U(struct virtio_pci, driver_select) },
	{ STATE_U(struct virtio_pci, queue_select) },
	{ STATE_U(struct virtio_pci, config_vector) },
	{ STATE_U(struct virtio_pci, isr) },
	{ STATE_BOOL(struct virtio_pci, legacy) },
	{ STATE_PART(struct virtio_pci, vdev, virtio_state_fields) },
	{ 0 },
};

int virtio_pci_state_prepare(void *obj, struct error *err)
{
	struct virtio_pci *vpci = obj;

	if (!vpci->mmio)
		pci_state_prepare(&vpci->pci);
	return virtio_state_prepare(&vpci->vdev, err);
}

static int check_vectors(const struct virtio_pci *vpci, struct error *err)
{
	const struct virtio_dev *vdev = &vpci->vdev;
	bool ok = vpci->config_vector == VIRTIO_NO_VECTOR ||
		  vpci->config_vector < vpci->pci.msix.nr;
	unsigned int i;

	for (i = 0; i < vdev->nr_queues; i++)
		ok = ok && (vdev->queues[i].vector == VIRTIO_NO_VECTOR ||
			    vdev->queues[i].vector < vpci->pci.msix.nr);
	return ok ? 0 :
		    error_set(err, EINVAL, "vectors: one that there is not");
}

int virtio_pci_state_loaded(void *obj, struct error *err)
{
	struct virtio_pci *vpci = obj;
	struct device *dev = &vpci->pci.dev;
	int rc;

	if (vpci->mmio) {
		pthread_mutex_lock(&dev->lock);
		irq_set(&vpci->mmio->irq, vpci->mmio->isr);
		pthread_mutex_unlock(&dev->lock);
		return virtio_state_loaded(&vpci->vdev, err);
	}
	rc = check_vectors(vpci, err);
	if (!rc)
		rc = pci_state_loaded(&vpci->pci, err);
	if (rc)
		return rc;
	virtio_pci_loaded(vpci);
	return virtio_state_loaded(&vpci->vdev, err);
}

static const struct state_field plain_fields[] = {
	{ .name = "virtio",
	  .kind = STATE_GROUP,
	  .count = 1,
	  .stride = sizeof(struct virtio_pci),
	  .fields = virtio_pci_state_fields },
	{ 0 },
};

const struct state_table virtio_plain_state = {
	.version = 1,
	.fields = plain_fields,
	.prepare = virtio_pci_state_prepare,
	.loaded = virtio_pci_state_loaded,
};
