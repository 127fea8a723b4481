// SPDX-License-Identifier: GPL-2.0-or-later
#include "virtio.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
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

/* How often who waits for a reset looks whether it should give up. */
#define RESET_LOOK_NS 10000000

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
	__atomic_store_n(&vq->rewired, false, __ATOMIC_RELAXED);
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
	pthread_cond_broadcast(&vdev->reset_done);
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

static void on_doorbell(void *opaque, uint32_t events)
{
	struct virtio_queue *vq = opaque;

	(void)events;
	virtio_serve(vq->vdev, vq->index);
}

/* Without a doorbell of its own the queue is rung through the bus. */
static bool queue_has_bell(struct virtio_queue *vq)
{
	if (vq->doorbell.fd < 0 && vq->vdev->dev->vm->accel->ops->ioeventfd)
		vq->doorbell.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return vq->doorbell.fd >= 0;
}

void virtio_doorbell(struct virtio_queue *vq, bool on)
{
	struct virtio_dev *vdev = vq->vdev;

	pthread_mutex_lock(&vdev->dev->lock);
	vdev->transport->doorbell(vq, on);
	pthread_mutex_unlock(&vdev->dev->lock);
}

static void queue_listen(struct virtio_queue *vq)
{
	struct loop_fd *bell = &vq->doorbell;

	/* By edge: each ring is heard, and nobody has to read the count. */
	bell->events = EPOLLIN | EPOLLET;
	bell->fn = on_doorbell;
	bell->opaque = vq;
	if (!loop_fd_add(vq->loop, bell))
		virtio_doorbell(vq, true);
}

const char *virtio_wires(struct virtio_queue *vq, struct virtio_wires *wires)
{
	struct virtio_dev *vdev = vq->vdev;
	const char *why;

	if (!vdev->transport->wires)
		return "the device has no messages to interrupt by";
	pthread_mutex_lock(&vdev->dev->lock);
	why = vdev->transport->wires(vq, wires);
	pthread_mutex_unlock(&vdev->dev->lock);
	wires->kick_fd = vq->doorbell.fd;
	return why;
}

/* Somebody hears the doorbell from now on. */
static void queue_begin(struct virtio_queue *vq)
{
	struct virtio_dev *vdev = vq->vdev;

	/* First: who changes them later says so again. */
	__atomic_store_n(&vq->rewired, false, __ATOMIC_SEQ_CST);
	if (!queue_has_bell(vq))
		return;
	vq->elsewhere = vdev->class->attach && virtio_is_live(vdev) &&
			vdev->class->attach(vdev, vq->index);
	if (!vq->elsewhere)
		queue_listen(vq);
}

/* And now nobody; nothing is in flight. */
static void queue_end(struct virtio_queue *vq)
{
	struct virtio_dev *vdev = vq->vdev;

	if (vq->elsewhere) {
		vdev->class->detach(vdev, vq->index);
		vq->elsewhere = false;
		/* There may be chains that nobody rings for once more. */
		__atomic_store_n(&vq->kicked, true, __ATOMIC_RELEASE);
	} else {
		loop_fd_del(vq->loop, &vq->doorbell);
	}
	if (vdev->class->quiesce)
		vdev->class->quiesce(vdev, vq->index);
}

static void queue_up(struct virtio_queue *vq)
{
	if (vq->up)
		return;
	vq->up = true;
	queue_begin(vq);
}

static void queue_down(struct virtio_queue *vq)
{
	if (!vq->up)
		return;
	queue_end(vq);
	vq->up = false;
}

/* Serves it elsewhere, or no longer, or by other wires. */
static void queue_rewire(struct virtio_queue *vq)
{
	struct virtio_dev *vdev = vq->vdev;
	bool was_elsewhere = vq->elsewhere;

	queue_end(vq);
	/* What was signalled by wires that lead nowhere any more is lost. */
	if (was_elsewhere && virtio_is_live(vdev))
		vdev->transport->signal_queue(vdev, vq);
	queue_begin(vq);
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
	if (__atomic_load_n(&vq->rewired, __ATOMIC_ACQUIRE))
		queue_rewire(vq);
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

void virtio_rewire(struct virtio_queue *vq)
{
	if (!vq->vdev->class->attach)
		return;
	__atomic_store_n(&vq->rewired, true, __ATOMIC_RELEASE);
	if (__atomic_load_n(&vq->busy, __ATOMIC_ACQUIRE))
		loop_post(vq->loop, &vq->call);
}

void virtio_rewire_all(struct virtio_dev *vdev)
{
	unsigned int i;

	for (i = 0; i < vdev->nr_queues; i++)
		virtio_rewire(&vdev->queues[i]);
}

/* It was rung through the bus, or by somebody here. */
static void queue_pass_on(struct virtio_queue *vq)
{
	const uint64_t one = 1;

	/* It cannot be full: nobody rings so often. */
	if (write(vq->doorbell.fd, &one, sizeof(one)) < 0)
		return;
}

void virtio_serve(struct virtio_dev *vdev, unsigned int index)
{
	bool more;

	if (vdev->queues[index].elsewhere) {
		queue_pass_on(&vdev->queues[index]);
		return;
	}
	more = virtio_is_live(vdev) && vdev->class->serve(vdev, index);

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
	pthread_cond_init(&vdev->reset_done, NULL);
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
	for (i = 0; i < vdev->nr_queues; i++) {
		loop_sync(vdev->queues[i].loop, queue_stop, &vdev->queues[i]);
		if (vdev->queues[i].doorbell.fd >= 0)
			close(vdev->queues[i].doorbell.fd);
	}
	loop_unpost(vdev->loop, &vdev->call);
	pthread_cond_destroy(&vdev->reset_done);
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
	/* A driver may think that it is done: see virtio_reset_wait. */
	if (virtio_phase(vdev) == VIRTIO_RESETTING)
		virtio_reset(vdev);
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

bool virtio_go_on(struct virtio_dev *vdev, const char **fault)
{
	enum virtio_phase phase = vdev->phase;
	struct virtio_queue *vq;

	virtio_set_phase(vdev, VIRTIO_SETUP);
	for (vq = vdev->queues; vq < vdev->queues + vdev->nr_queues; vq++) {
		if (!vq->enabled || phase != VIRTIO_LIVE)
			continue;
		if (!queue_start(vq)) {
			*fault = vq->ring.fault;
			return false;
		}
		ring_resume(&vq->ring, vq->place);
	}
	virtio_set_phase(vdev, phase);
	for (vq = vdev->queues; vq < vdev->queues + vdev->nr_queues; vq++)
		if (vq->enabled && phase == VIRTIO_LIVE)
			queue_hand_over(vq);
	return true;
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

/* Does the loops' part of a reset, where that is the caller's. */
static bool reset_here(struct virtio_dev *vdev)
{
	unsigned int i;

	if (loop_elsewhere(vdev->loop) || !virtio_started(vdev))
		return false;
	pthread_mutex_unlock(&vdev->dev->lock);
	for (i = 0; i < vdev->nr_queues; i++)
		loop_sync(vdev->queues[i].loop, queue_on_call,
			  &vdev->queues[i]);
	virtio_on_call(vdev);
	pthread_mutex_lock(&vdev->dev->lock);
	return true;
}

void virtio_reset_wait(struct virtio_dev *vdev)
{
	struct timespec until;

	virtio_begin_reset(vdev);
	if (vdev->phase == VIRTIO_SETUP || reset_here(vdev))
		return;
	while (vdev->phase == VIRTIO_RESETTING && !vm_parks(vdev->dev->vm)) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += RESET_LOOK_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		pthread_cond_clockwait(&vdev->reset_done, &vdev->dev->lock,
				       CLOCK_MONOTONIC, &until);
	}
}

/* How buffers are cut up matters to no device here. */
uint32_t virtio_legacy_features(const struct virtio_dev *vdev)
{
	return (uint32_t)vdev->features | 1U << VIRTIO_F_ANY_LAYOUT;
}

/* [lock] Nobody has checked the features before. */
static void legacy_go_live(struct virtio_dev *vdev)
{
	vdev->driver_features &= virtio_legacy_features(vdev);
	virtio_go_live(vdev);
}

void virtio_legacy_status_write(struct virtio_dev *vdev, uint8_t status)
{
	if (!status) {
		virtio_reset_wait(vdev);
		return;
	}
	vdev->status |= status & (uint8_t)~VIRTIO_CONFIG_S_NEEDS_RESET;
	if (status & VIRTIO_CONFIG_S_DRIVER_OK && vdev->phase == VIRTIO_SETUP)
		legacy_go_live(vdev);
}

/* They may use a queue, and say DRIVER_OK when that worked. */
void virtio_legacy_kick(struct virtio_dev *vdev, unsigned int index)
{
	if (vdev->phase == VIRTIO_SETUP && index < vdev->nr_queues &&
	    vdev->queues[index].enabled)
		legacy_go_live(vdev);
	virtio_kick(vdev, index);
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

	if (!vq->up || vq->elsewhere || !virtio_is_live(vq->vdev))
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

	if (vq->up && !vq->elsewhere && virtio_phase(vdev) == VIRTIO_LIVE &&
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
	return vq->up && !vq->elsewhere && ring_want_notify(&vq->ring);
}

bool virtio_pending(const struct virtio_queue *vq)
{
	return vq->up && !vq->elsewhere && ring_pending(&vq->ring);
}

void virtio_config_write(struct virtio_dev *vdev, uint64_t off,
			 unsigned int size, uint64_t val)
{
	if (!vdev->class->config_write)
		return;
	vdev->class->config_write(vdev, off, size, val);
	vdev->transport->show(vdev);
}

void virtio_config_changed(struct virtio_dev *vdev)
{
	vdev->config_generation++;
	vdev->transport->show(vdev);
	if (vdev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		vdev->transport->signal_config(vdev);
}
