// SPDX-License-Identifier: GPL-2.0-or-later
#include "virtio.h"

#include <errno.h>
#include <stdlib.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "../vm.h"

#define BIT64(n) (1ULL << (n))

static void virtio_set_phase(struct virtio_dev *vdev, enum virtio_phase phase)
{
	__atomic_store_n(&vdev->phase, phase, __ATOMIC_RELEASE);
}

static enum virtio_phase virtio_phase(const struct virtio_dev *vdev)
{
	return __atomic_load_n(&vdev->phase, __ATOMIC_ACQUIRE);
}

bool virtio_is_live(const struct virtio_dev *vdev)
{
	return vdev->started && virtio_phase(vdev) == VIRTIO_LIVE;
}

bool virtio_has(const struct virtio_dev *vdev, unsigned int feature)
{
	return vdev->driver_features & BIT64(feature);
}

/* [lock] All registers to their values after reset (2.4, 4.1.4.3). */
static void virtio_clear(struct virtio_dev *vdev)
{
	struct virtio_queue *vq;

	vdev->driver_features = 0;
	vdev->status = 0;
	vdev->kicked = 0;
	for (vq = vdev->queues; vq < vdev->queues + vdev->class->nr_queues;
	     vq++) {
		vq->enabled = false;
		vq->at = (struct ring_layout){
			.num = vdev->class->queue_size,
		};
	}
	vdev->transport->reset(vdev);
	virtio_set_phase(vdev, VIRTIO_SETUP);
}

/* [loop] Takes the rings from the device and gives them to the registers. */
static void virtio_give_back(struct virtio_dev *vdev)
{
	if (vdev->announced)
		vdev->transport->dead(vdev);
	vdev->announced = false;
	if (vdev->class->reset)
		vdev->class->reset(vdev);
	pthread_mutex_lock(&vdev->dev->lock);
	virtio_clear(vdev);
	pthread_mutex_unlock(&vdev->dev->lock);
}

/* [lock] */
static void virtio_post(struct virtio_dev *vdev, uint32_t queues)
{
	vdev->kicked |= queues;
	loop_post(vdev->loop, &vdev->call);
}

void virtio_serve_later(struct virtio_dev *vdev, unsigned int index)
{
	pthread_mutex_lock(&vdev->dev->lock);
	virtio_post(vdev, 1U << index);
	pthread_mutex_unlock(&vdev->dev->lock);
}

void virtio_serve(struct virtio_dev *vdev, unsigned int index)
{
	/* A kick that comes while the device is stopped waits for its start. */
	if (!vdev->started ||
	    (virtio_is_live(vdev) && vdev->class->serve(vdev, index)))
		virtio_serve_later(vdev, index);
}

/* In the loop: what the registers have asked for. */
static void virtio_on_call(void *opaque)
{
	struct virtio_dev *vdev = opaque;
	uint32_t kicked;
	unsigned int i;

	if (!vdev->started)
		return;
	if (virtio_phase(vdev) == VIRTIO_RESETTING)
		virtio_give_back(vdev);
	if (!virtio_is_live(vdev))
		return;
	if (!vdev->announced)
		vdev->transport->live(vdev);
	vdev->announced = true;

	pthread_mutex_lock(&vdev->dev->lock);
	kicked = vdev->kicked;
	vdev->kicked = 0;
	pthread_mutex_unlock(&vdev->dev->lock);
	for (i = 0; i < vdev->class->nr_queues; i++)
		if (kicked & (1U << i))
			virtio_serve(vdev, i);
}

int virtio_init(struct virtio_dev *vdev, const struct virtio_class *class,
		const struct virtio_transport *transport, struct device *dev)
{
	unsigned int i;

	vdev->queues = calloc(class->nr_queues, sizeof(*vdev->queues));
	if (!vdev->queues)
		return -ENOMEM;
	vdev->class = class;
	vdev->transport = transport;
	vdev->dev = dev;
	vdev->loop = dev->vm->loop;
	vdev->call.fn = virtio_on_call;
	vdev->call.opaque = vdev;
	vdev->features |= BIT64(VIRTIO_F_VERSION_1) |
			  BIT64(VIRTIO_RING_F_INDIRECT_DESC) |
			  BIT64(VIRTIO_RING_F_EVENT_IDX);
	for (i = 0; i < class->nr_queues; i++) {
		vdev->queues[i].vdev = vdev;
		vdev->queues[i].index = i;
		vdev->queues[i].doorbell.fd = -1;
	}
	return 0;
}

void virtio_destroy(struct virtio_dev *vdev)
{
	loop_unpost(vdev->loop, &vdev->call);
	free(vdev->queues);
}

void virtio_reset(struct virtio_dev *vdev)
{
	virtio_give_back(vdev);
}

void virtio_start(struct virtio_dev *vdev)
{
	vdev->started = true;
	/* Whatever was asked for while it was stopped. */
	pthread_mutex_lock(&vdev->dev->lock);
	if (vdev->kicked || vdev->phase == VIRTIO_RESETTING)
		virtio_post(vdev, 0);
	pthread_mutex_unlock(&vdev->dev->lock);
}

void virtio_stop(struct virtio_dev *vdev)
{
	vdev->started = false;
	loop_unpost(vdev->loop, &vdev->call);
}

uint32_t virtio_features_read(const struct virtio_dev *vdev, uint32_t select)
{
	return select < 2 ? (uint32_t)(vdev->features >> (32 * select)) : 0;
}

void virtio_features_write(struct virtio_dev *vdev, uint32_t select,
			   uint32_t val)
{
	uint64_t mask;

	/* They are settled once the driver has said so (3.1.1). */
	if (select >= 2 || vdev->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	mask = (uint64_t)UINT32_MAX << (32 * select);
	vdev->driver_features &= ~mask;
	vdev->driver_features |= (uint64_t)val << (32 * select);
}

/* [lock] NEEDS_RESET (2.1.2). */
static void virtio_set_broken(struct virtio_dev *vdev, const char *why)
{
	log_guest(&vdev->guest_log, vdev->dev->id, "%s: device needs reset",
		  why);
	virtio_set_phase(vdev, VIRTIO_BROKEN);
	vdev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	vdev->transport->show(vdev);
	vdev->transport->signal_config(vdev);
}

/* [lock] DRIVER_OK: the loop takes the rings. */
static void virtio_go_live(struct virtio_dev *vdev)
{
	struct virtio_queue *vq;
	uint32_t queues = 0;
	unsigned int i;

	for (i = 0; i < vdev->class->nr_queues; i++) {
		vq = &vdev->queues[i];
		if (!vq->enabled)
			continue;
		vq->at.indirect = virtio_has(vdev, VIRTIO_RING_F_INDIRECT_DESC);
		vq->at.event_idx = virtio_has(vdev, VIRTIO_RING_F_EVENT_IDX);
		if (ring_start(&vq->ring, &vdev->dev->vm->mem, &vq->at)) {
			virtio_set_broken(vdev, vq->ring.fault);
			return;
		}
		queues |= 1U << i;
	}
	virtio_set_phase(vdev, VIRTIO_LIVE);
	/* Chains may have been added before. */
	virtio_post(vdev, queues);
}

void virtio_status_write(struct virtio_dev *vdev, uint8_t status)
{
	uint8_t new = status & ~vdev->status;

	if (!status) {
		if (vdev->phase == VIRTIO_SETUP) {
			virtio_clear(vdev);
		} else {
			virtio_set_phase(vdev, VIRTIO_RESETTING);
			virtio_post(vdev, 0);
		}
		return;
	}

	/* Only the device sets this one, and no bit is cleared but by 0. */
	new &= (uint8_t)~VIRTIO_CONFIG_S_NEEDS_RESET;
	/* Refused features are seen as a bit that stays clear (3.1.1). */
	if (new &VIRTIO_CONFIG_S_FEATURES_OK &&
	    (vdev->driver_features & ~vdev->features ||
	     !virtio_has(vdev, VIRTIO_F_VERSION_1)))
		new &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	vdev->status |= new;
	if (!(new &VIRTIO_CONFIG_S_DRIVER_OK) || vdev->phase != VIRTIO_SETUP)
		return;
	if (vdev->status & VIRTIO_CONFIG_S_FEATURES_OK)
		virtio_go_live(vdev);
	else
		virtio_set_broken(vdev, "DRIVER_OK without FEATURES_OK");
}

void virtio_kick(struct virtio_dev *vdev, unsigned int index)
{
	if (vdev->phase == VIRTIO_LIVE && index < vdev->class->nr_queues &&
	    vdev->queues[index].enabled)
		virtio_post(vdev, 1U << index);
}

struct virtio_queue *virtio_queue_setup(struct virtio_dev *vdev,
					unsigned int index)
{
	if (vdev->phase != VIRTIO_SETUP || index >= vdev->class->nr_queues ||
	    vdev->queues[index].enabled)
		return NULL;
	return &vdev->queues[index];
}

void virtio_break(struct virtio_queue *vq, const char *why)
{
	struct virtio_dev *vdev = vq->vdev;

	pthread_mutex_lock(&vdev->dev->lock);
	if (vdev->phase == VIRTIO_LIVE)
		virtio_set_broken(vdev, why);
	pthread_mutex_unlock(&vdev->dev->lock);
}

bool virtio_pop(struct virtio_queue *vq, struct ring_chain *chain)
{
	int ret;

	if (!virtio_is_live(vq->vdev) || !vq->enabled)
		return false;
	ret = ring_pop(&vq->ring, chain);
	if (ret < 0)
		virtio_break(vq, vq->ring.fault);
	return ret > 0;
}

void virtio_push(struct virtio_queue *vq, const struct ring_chain *chain,
		 uint32_t len)
{
	ring_push(&vq->ring, chain, len);
}

void virtio_signal(struct virtio_queue *vq)
{
	struct virtio_dev *vdev = vq->vdev;

	if (!virtio_is_live(vdev) || !vq->enabled ||
	    !ring_should_signal(&vq->ring))
		return;
	pthread_mutex_lock(&vdev->dev->lock);
	vdev->transport->signal_queue(vdev, vq);
	pthread_mutex_unlock(&vdev->dev->lock);
}

void virtio_config_changed(struct virtio_dev *vdev)
{
	vdev->config_generation++;
	vdev->transport->show(vdev);
	if (vdev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		vdev->transport->signal_config(vdev);
}
