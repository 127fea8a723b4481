// SPDX-License-Identifier: GPL-2.0-or-later
#include "mmio.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "../vm.h"
#include "pci.h"

#define MAGIC 0x74726976 /* "virt" */
#define VERSION 2
#define VENDOR 0x1af4
/* Newer than some <linux/virtio_mmio.h>. */
#define QUEUE_RESET 0x0c0

static struct virtio_mmio *to_mmio(struct virtio_dev *vdev)
{
	return container_of(vdev, struct virtio_pci, vdev)->mmio;
}

/* ---- what the core asks for, with dev->lock held unless it says otherwise ---- */

static void mmio_raise(struct virtio_mmio *mmio, uint32_t bit)
{
	mmio->isr |= bit;
	irq_set(&mmio->irq, true);
}

/* [queue] */
static void mmio_signal_queue(struct virtio_dev *vdev, struct virtio_queue *vq)
{
	(void)vq;
	pthread_mutex_lock(&vdev->dev->lock);
	mmio_raise(to_mmio(vdev), VIRTIO_MMIO_INT_VRING);
	pthread_mutex_unlock(&vdev->dev->lock);
}

static void mmio_signal_config(struct virtio_dev *vdev)
{
	mmio_raise(to_mmio(vdev), VIRTIO_MMIO_INT_CONFIG);
}

/* Every read comes here: there is nothing to show. */
static void mmio_show(struct virtio_dev *vdev)
{
	(void)vdev;
}

/* One register rings all queues: what is written says which. */
static int mmio_wire(struct virtio_queue *vq, bool on)
{
	struct accel *accel = vq->vdev->dev->vm->accel;

	return accel->ops->ioeventfd(accel, BUS_MMIO,
				     to_mmio(vq->vdev)->range.base +
					     VIRTIO_MMIO_QUEUE_NOTIFY,
				     4, true, vq->index, vq->doorbell.fd, !on);
}

static void mmio_doorbell(struct virtio_queue *vq, bool on)
{
	if (vq->doorbell_on == on)
		return;
	vq->doorbell_on = !mmio_wire(vq, on) && on;
}

static void mmio_reset_queue(struct virtio_queue *vq)
{
	mmio_doorbell(vq, false);
}

static void mmio_reset(struct virtio_dev *vdev)
{
	struct virtio_mmio *mmio = to_mmio(vdev);
	unsigned int i;

	mmio->device_select = 0;
	mmio->driver_select = 0;
	mmio->queue_select = 0;
	mmio->isr = 0;
	irq_set(&mmio->irq, false);
	for (i = 0; i < vdev->nr_queues; i++)
		mmio_reset_queue(&vdev->queues[i]);
}

static const struct virtio_transport mmio_transport = {
	.signal_queue = mmio_signal_queue,
	.signal_config = mmio_signal_config,
	.show = mmio_show,
	.reset = mmio_reset,
	.reset_queue = mmio_reset_queue,
	.doorbell = mmio_doorbell,
};

/* ---- registers, with dev->lock held ------------------------------------------- */

/* The queue that is selected, or NULL. */
static struct virtio_queue *selected(const struct virtio_mmio *mmio)
{
	if (mmio->queue_select >= mmio->vdev->nr_queues)
		return NULL;
	return &mmio->vdev->queues[mmio->queue_select];
}

static uint32_t register_read(const struct virtio_mmio *mmio, uint64_t off)
{
	const struct virtio_queue *vq = selected(mmio);
	const struct virtio_dev *vdev = mmio->vdev;

	switch (off) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return vdev->class->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return virtio_features_read(vdev, mmio->device_select);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return vq ? vdev->queue_size : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return vq && vq->enabled;
	case QUEUE_RESET:
		return vq && vq->resetting;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return mmio->isr;
	case VIRTIO_MMIO_STATUS:
		return vdev->status;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return vdev->config_generation;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return UINT32_MAX; /* there is no shared memory */
	default:
		return 0;
	}
}

static uint64_t mmio_read(void *opaque, uint64_t off, unsigned int size)
{
	const struct virtio_mmio *mmio = opaque;
	const struct virtio_dev *vdev = mmio->vdev;
	uint64_t val = 0;

	if (off < VIRTIO_MMIO_CONFIG)
		return size == 4 && !(off % 4) ? register_read(mmio, off) : 0;
	off -= VIRTIO_MMIO_CONFIG;
	if (off + size > vdev->config_len)
		return UINT64_MAX;
	memcpy(&val, (const uint8_t *)vdev->config + off, size);
	return val;
}

static void set_low(uint64_t *reg, uint32_t val)
{
	*reg = (*reg & ~(uint64_t)UINT32_MAX) | val;
}

static void set_high(uint64_t *reg, uint32_t val)
{
	*reg = (uint32_t)*reg | (uint64_t)val << 32;
}

/* They are frozen while the queue is ready. */
static void queue_write(struct virtio_mmio *mmio, uint64_t off, uint32_t val)
{
	struct virtio_dev *vdev = mmio->vdev;
	struct virtio_queue *vq = virtio_queue_setup(vdev, mmio->queue_select);

	if (!vq) {
		/* What is not in use yet can be taken back. */
		vq = selected(mmio);
		if (vq && off == VIRTIO_MMIO_QUEUE_READY && !val &&
		    vdev->phase == VIRTIO_SETUP)
			vq->enabled = false;
		return;
	}
	switch (off) {
	case VIRTIO_MMIO_QUEUE_NUM:
		if (val <= vdev->queue_size)
			vq->at.num = (uint16_t)val;
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		if (val == 1)
			virtio_queue_enable(vq);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&vq->at.desc, val);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&vq->at.desc, val);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&vq->at.avail, val);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&vq->at.avail, val);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&vq->at.used, val);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&vq->at.used, val);
		break;
	}
}

static void mmio_write(void *opaque, uint64_t off, unsigned int size,
		       uint64_t val64)
{
	struct virtio_mmio *mmio = opaque;
	struct virtio_dev *vdev = mmio->vdev;
	uint32_t val = (uint32_t)val64;

	if (off >= VIRTIO_MMIO_CONFIG) {
		virtio_config_write(vdev, off - VIRTIO_MMIO_CONFIG, size,
				    val64);
		return;
	}
	if (size != 4 || off % 4)
		return;
	switch (off) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		mmio->device_select = val;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		mmio->driver_select = val;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		virtio_features_write(vdev, mmio->driver_select, val);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		mmio->queue_select = val;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		virtio_kick(vdev, val);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		mmio->isr &= ~val;
		if (!mmio->isr)
			irq_set(&mmio->irq, false);
		break;
	case VIRTIO_MMIO_STATUS:
		/* Drivers do not look whether a reset is done. */
		if (!(val & 0xff))
			virtio_reset_wait(vdev);
		else
			virtio_status_write(vdev, (uint8_t)val);
		break;
	case QUEUE_RESET:
		if (val == 1)
			virtio_queue_reset(vdev, mmio->queue_select);
		break;
	default:
		queue_write(mmio, off, val);
	}
}

static const struct bus_ops mmio_ops = {
	.read = mmio_read,
	.write = mmio_write,
};

/* ---- life ---------------------------------------------------------------------- */

int virtio_mmio_new(struct virtio_mmio **out, struct virtio_dev *vdev,
		    const struct virtio_class *class, struct device *dev,
		    struct error *err)
{
	unsigned int nr = dev->vm->nr_virtio_mmio;
	struct virtio_mmio *mmio;
	int rc;

	if (nr == VIRTIO_MMIO_MAX)
		return error_set(err, ENOSPC, "no place for %s", dev->id);
	mmio = calloc(1, sizeof(*mmio));
	if (!mmio)
		return error_sys(err, ENOMEM, "cannot make %s", dev->id);
	mmio->vdev = vdev;
	mmio->range = (struct bus_range){
		.name = dev->id,
		.base = VIRTIO_MMIO_BASE(nr),
		.len = VIRTIO_MMIO_LEN,
		.ops = &mmio_ops,
		.dev = mmio,
		.lock = &dev->lock,
	};
	irq_source_init(&mmio->irq, &dev->vm->irqs, VIRTIO_MMIO_GSI(nr));
	rc = virtio_init(vdev, class, &mmio_transport, dev);
	if (rc) {
		error_sys(err, -rc, "cannot make %s", dev->id);
		goto err_free;
	}
	rc = bus_insert(&dev->vm->mmio, &mmio->range, err);
	if (rc)
		goto err_virtio;
	dev->vm->nr_virtio_mmio++;
	*out = mmio;
	return 0;

err_virtio:
	virtio_destroy(vdev);
err_free:
	free(mmio);
	return rc;
}

void virtio_mmio_free(struct virtio_mmio *mmio)
{
	struct virtio_dev *vdev = mmio->vdev;
	struct vm *vm = vdev->dev->vm;
	unsigned int i;

	bus_remove(&vm->mmio, &mmio->range);
	for (i = 0; i < vdev->nr_queues; i++)
		mmio_reset_queue(&vdev->queues[i]);
	irq_set(&mmio->irq, false);
	virtio_destroy(vdev);
	vm->nr_virtio_mmio--;
	free(mmio);
}
