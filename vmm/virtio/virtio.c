// SPDX-License-Identifier: GPL-2.0-or-later
#include "virtio.h"

#include <errno.h>
#include <stdlib.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "../config.h"
#include "../vm.h"

#ifndef VIRTIO_F_IN_ORDER
#define VIRTIO_F_IN_ORDER 35
#endif
#ifndef VIRTIO_F_RING_RESET
#define VIRTIO_F_RING_RESET 40
#endif

#define BIT64(n) (1ULL << (n))

static void virtio_set_phase(struct virtio_dev *vdev, enum virtio_phase phase)
{
	__atomic_store_n(&vdev->phase, phase, __ATOMIC_RELEASE);
}

static enum virtio_phase virtio_phase(const struct virtio_dev *vdev)
{
	return __atomic_load_n(&vdev->phase, __ATOMIC_ACQUIRE);
}

static bool virtio_started(const struct virtio_dev *vdev)
{
	return __atomic_load_n(&vdev->started, __ATOMIC_ACQUIRE);
}

bool virtio_is_live(const struct virtio_dev *vdev)
{
	return virtio_started(vdev) && virtio_phase(vdev) == VIRTIO_LIVE;
}

bool virtio_has(const struct virtio_dev *vdev, unsigned int feature)
{
	return vdev->driver_features & BIT64(feature);
}

/* [lock] */
static void queue_clear(struct virtio_queue *vq)
{
	vq->enabled = false;
	vq->at = (struct ring_layout){ .num = vq->vdev->queue_size };
	__atomic_store_n(&vq->kicked, false, __ATOMIC_RELAXED);
	__atomic_store_n(&vq->resetting, false, __ATOMIC_RELAXED);
}

/* [lock] All registers to their values after reset (2.4, 4.1.4.3). */
static void virtio_clear(struct virtio_dev *vdev)
{
	unsigned int i;

	vdev->driver_features = 0;
	vdev->status = 0;
	for (i = 0; i < vdev->nr_queues; i++)
		queue_clear(&vdev->queues[i]);
	vdev->transport->reset(vdev);
	virtio_set_phase(vdev, VIRTIO_SETUP);
}

/* [loop] Gives the rings, of which none is in use, to the registers. */
static void virtio_give_back(struct virtio_dev *vdev)
{
	if (vdev->class->reset)
		vdev->class->reset(vdev);
	pthread_mutex_lock(&vdev->dev->lock);
	virtio_clear(vdev);
	pthread_mutex_unlock(&vdev->dev->lock);
}

/* [loop] All queues' loops have let go of them. */
static void virtio_on_call(void *opaque)
{
	struct virtio_dev *vdev = opaque;

	if (virtio_started(vdev) && virtio_phase(vdev) == VIRTIO_RESETTING &&
	    !__atomic_load_n(&vdev->busy, __ATOMIC_ACQUIRE))
		virtio_give_back(vdev);
}

/* ---- in the loop of a queue ----------------------------------------------- */

static void queue_up(struct virtio_queue *vq)
{
	if (vq->up)
		return;
	vq->up = true;
	vq->vdev->transport->listen(vq);
}

static void queue_down(struct virtio_queue *vq)
{
	struct virtio_dev *vdev = vq->vdev;

	if (!vq->up)
		return;
	vdev->transport->unlisten(vq);
	if (vdev->class->quiesce)
		vdev->class->quiesce(vdev, vq->index);
	vq->up = false;
}

/* Its device's reset, which waits for this, may have begun or begin now. */
static void queue_let_go(struct virtio_queue *vq)
{
	struct virtio_dev *vdev = vq->vdev;

	__atomic_store_n(&vq->busy, false, __ATOMIC_RELEASE);
	if (!__atomic_sub_fetch(&vdev->busy, 1, __ATOMIC_ACQ_REL))
		loop_post(vdev->loop, &vdev->call);
}

static void queue_reset(struct virtio_queue *vq)
{
	struct virtio_dev *vdev = vq->vdev;

	queue_down(vq);
	if (vdev->class->reset_queue)
		vdev->class->reset_queue(vdev, vq->index);
	pthread_mutex_lock(&vdev->dev->lock);
	queue_clear(vq);
	vdev->transport->reset_queue(vq);
	queue_let_go(vq);
	pthread_mutex_unlock(&vdev->dev->lock);
}

/* What the registers, or a device, have asked for. */
static void queue_on_call(void *opaque)
{
	struct virtio_queue *vq = opaque;
	struct virtio_dev *vdev = vq->vdev;

	if (!__atomic_load_n(&vq->busy, __ATOMIC_ACQUIRE) ||
	    !virtio_started(vdev))
		return;
	if (virtio_phase(vdev) == VIRTIO_RESETTING) {
		queue_down(vq);
		queue_let_go(vq);
		return;
	}
	if (__atomic_load_n(&vq->resetting, __ATOMIC_ACQUIRE)) {
		queue_reset(vq);
		return;
	}
	queue_up(vq);
	if (__atomic_exchange_n(&vq->kicked, false, __ATOMIC_ACQ_REL))
		virtio_serve(vdev, vq->index);
}

static void queue_stop(void *opaque)
{
	struct virtio_queue *vq = opaque;

	queue_down(vq);
	loop_unpost(vq->loop, &vq->call);
}

void virtio_serve_later(struct virtio_dev *vdev, unsigned int index)
{
	struct virtio_queue *vq = &vdev->queues[index];

	__atomic_store_n(&vq->kicked, true, __ATOMIC_RELEASE);
	loop_post(vq->loop, &vq->call);
}

void virtio_serve(struct virtio_dev *vdev, unsigned int index)
{
	bool more = virtio_is_live(vdev) && vdev->class->serve(vdev, index);

	/* What comes while the device is stopped, or stops, waits. */
	if (more || !virtio_started(vdev))
		virtio_serve_later(vdev, index);
}

/* ---- life ------------------------------------------------------------------ */

int virtio_init(struct virtio_dev *vdev, const struct virtio_class *class,
		const struct virtio_transport *transport, struct device *dev)
{
	struct virtio_queue *vq;
	unsigned int i;

	if (!vdev->nr_queues)
		vdev->nr_queues = class->nr_queues;
	if (!vdev->queue_size)
		vdev->queue_size = class->queue_size;
	vdev->queues = calloc(vdev->nr_queues, sizeof(*vdev->queues));
	if (!vdev->queues)
		return -ENOMEM;
	vdev->class = class;
	vdev->transport = transport;
	vdev->dev = dev;
	vdev->loop = dev->vm->loop;
	vdev->call.fn = virtio_on_call;
	vdev->call.opaque = vdev;
	vdev->features |=
		BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_INDIRECT_DESC) |
		BIT64(VIRTIO_RING_F_EVENT_IDX) | BIT64(VIRTIO_F_RING_RESET);
	if (dev->vm->cfg->virtio.packed)
		vdev->features |= BIT64(VIRTIO_F_RING_PACKED);
	if (class->in_order)
		vdev->features |= BIT64(VIRTIO_F_IN_ORDER);
	for (i = 0; i < vdev->nr_queues; i++) {
		vq = &vdev->queues[i];
		vq->vdev = vdev;
		vq->index = (uint16_t)i;
		vq->loop = vdev->loop;
		vq->call.fn = queue_on_call;
		vq->call.opaque = vq;
		vq->doorbell.fd = -1;
	}
	return 0;
}

void virtio_destroy(struct virtio_dev *vdev)
{
	unsigned int i;

	/* The device may have asked for something since it was stopped. */
	for (i = 0; i < vdev->nr_queues; i++)
		loop_sync(vdev->queues[i].loop, queue_stop, &vdev->queues[i]);
	loop_unpost(vdev->loop, &vdev->call);
	free(vdev->queues);
}

void virtio_reset(struct virtio_dev *vdev)
{
	unsigned int i;

	/* It is stopped: no loop uses a queue or is about to. */
	for (i = 0; i < vdev->nr_queues; i++)
		__atomic_store_n(&vdev->queues[i].busy, false,
				 __ATOMIC_RELAXED);
	__atomic_store_n(&vdev->busy, 0, __ATOMIC_RELAXED);
	virtio_give_back(vdev);
}

void virtio_start(struct virtio_dev *vdev)
{
	unsigned int i;

	__atomic_store_n(&vdev->started, true, __ATOMIC_RELEASE);
	/* Whatever was asked for while it was stopped. */
	for (i = 0; i < vdev->nr_queues; i++)
		loop_post(vdev->queues[i].loop, &vdev->queues[i].call);
	loop_post(vdev->loop, &vdev->call);
}

void virtio_stop(struct virtio_dev *vdev)
{
	unsigned int i;

	__atomic_store_n(&vdev->started, false, __ATOMIC_RELEASE);
	for (i = 0; i < vdev->nr_queues; i++)
		loop_sync(vdev->queues[i].loop, queue_stop, &vdev->queues[i]);
	loop_unpost(vdev->loop, &vdev->call);
}

/* ---- what the driver does to registers ------------------------------------- */

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

/* [lock] False if that is no ring. */
static bool queue_start(struct virtio_queue *vq)
{
	struct virtio_dev *vdev = vq->vdev;

	vq->at.packed = virtio_has(vdev, VIRTIO_F_RING_PACKED);
	vq->at.indirect = virtio_has(vdev, VIRTIO_RING_F_INDIRECT_DESC);
	vq->at.event_idx = virtio_has(vdev, VIRTIO_RING_F_EVENT_IDX);
	if (!ring_start(&vq->ring, &vdev->dev->vm->mem, &vq->at))
		return true;
	virtio_set_broken(vdev, vq->ring.fault);
	return false;
}

/* [lock] Its loop takes the queue. */
static void queue_hand_over(struct virtio_queue *vq)
{
	__atomic_add_fetch(&vq->vdev->busy, 1, __ATOMIC_ACQ_REL);
	__atomic_store_n(&vq->busy, true, __ATOMIC_RELEASE);
	/* Chains may have been added before. */
	virtio_serve_later(vq->vdev, vq->index);
}

/* [lock] DRIVER_OK: the loops take the rings. */
static void virtio_go_live(struct virtio_dev *vdev)
{
	unsigned int i;

	for (i = 0; i < vdev->nr_queues; i++)
		if (vdev->queues[i].enabled && !queue_start(&vdev->queues[i]))
			return;
	virtio_set_phase(vdev, VIRTIO_LIVE);
	for (i = 0; i < vdev->nr_queues; i++)
		if (vdev->queues[i].enabled)
			queue_hand_over(&vdev->queues[i]);
}

/* [lock] */
static void virtio_begin_reset(struct virtio_dev *vdev)
{
	unsigned int i;

	if (vdev->phase == VIRTIO_SETUP) {
		virtio_clear(vdev);
		return;
	}
	virtio_set_phase(vdev, VIRTIO_RESETTING);
	for (i = 0; i < vdev->nr_queues; i++)
		loop_post(vdev->queues[i].loop, &vdev->queues[i].call);
	loop_post(vdev->loop, &vdev->call);
}

void virtio_status_write(struct virtio_dev *vdev, uint8_t status)
{
	uint8_t new = status & ~vdev->status;

	if (!status) {
		virtio_begin_reset(vdev);
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
	if (vdev->phase == VIRTIO_LIVE && index < vdev->nr_queues &&
	    vdev->queues[index].enabled)
		virtio_serve_later(vdev, index);
}

struct virtio_queue *virtio_queue_setup(struct virtio_dev *vdev,
					unsigned int index)
{
	bool open = vdev->phase == VIRTIO_SETUP ||
		    (vdev->phase == VIRTIO_LIVE &&
		     virtio_has(vdev, VIRTIO_F_RING_RESET));

	if (!open || index >= vdev->nr_queues || vdev->queues[index].enabled)
		return NULL;
	return &vdev->queues[index];
}

void virtio_queue_enable(struct virtio_queue *vq)
{
	vq->enabled = true;
	if (vq->vdev->phase == VIRTIO_LIVE && queue_start(vq))
		queue_hand_over(vq);
}

void virtio_queue_reset(struct virtio_dev *vdev, unsigned int index)
{
	struct virtio_queue *vq;

	if (!virtio_has(vdev, VIRTIO_F_RING_RESET) ||
	    index >= vdev->nr_queues || !vdev->queues[index].enabled)
		return;
	vq = &vdev->queues[index];
	if (vdev->phase == VIRTIO_SETUP) {
		queue_clear(vq);
		vdev->transport->reset_queue(vq);
	} else if (vdev->phase == VIRTIO_LIVE) {
		__atomic_store_n(&vq->resetting, true, __ATOMIC_RELEASE);
		loop_post(vq->loop, &vq->call);
	}
}

void virtio_break(struct virtio_queue *vq, const char *why)
{
	struct virtio_dev *vdev = vq->vdev;

	pthread_mutex_lock(&vdev->dev->lock);
	if (vdev->phase == VIRTIO_LIVE)
		virtio_set_broken(vdev, why);
	pthread_mutex_unlock(&vdev->dev->lock);
}

/* ---- what the device does with chains --------------------------------------- */

bool virtio_pop(struct virtio_queue *vq, struct ring_chain *chain)
{
	int ret;

	if (!vq->up || !virtio_is_live(vq->vdev))
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

/* Also while it is about to stop: what was in flight comes back then. */
void virtio_signal(struct virtio_queue *vq)
{
	struct virtio_dev *vdev = vq->vdev;

	if (vq->up && virtio_phase(vdev) == VIRTIO_LIVE &&
	    ring_should_signal(&vq->ring))
		vdev->transport->signal_queue(vdev, vq);
}

void virtio_poll_on(struct virtio_queue *vq)
{
	vq->ring.polled = true;
}

bool virtio_poll_off(struct virtio_queue *vq)
{
	vq->ring.polled = false;
	return vq->up && ring_want_notify(&vq->ring);
}

bool virtio_pending(const struct virtio_queue *vq)
{
	return vq->up && ring_pending(&vq->ring);
}

void virtio_config_changed(struct virtio_dev *vdev)
{
	vdev->config_generation++;
	vdev->transport->show(vdev);
	if (vdev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		vdev->transport->signal_config(vdev);
}
