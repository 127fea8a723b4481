// SPDX-License-Identifier: GPL-2.0-or-later
#include "vhost.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../memory.h"
#include "../virtio/virtio.h"

#define BIT64(n) (1ULL << (n))

void vhost_init(struct vhost *vh, const struct vhost_ops *ops,
		const struct mem *mem)
{
	*vh = (struct vhost){ .ops = ops,
			      .mem = mem,
			      .fd = -1,
			      .backend_fd = -1,
			      .inflight_fd = -1,
			      .unit = 1 };
	pthread_mutex_init(&vh->lock, NULL);
}

void vhost_destroy(struct vhost *vh)
{
	if (vh->fd >= 0)
		close(vh->fd);
	if (vh->inflight_fd >= 0)
		close(vh->inflight_fd);
	vh->fd = -1;
	vh->inflight_fd = -1;
	pthread_mutex_destroy(&vh->lock);
}

/*
 * [vhost.lock] What it has to know before a ring.  A driver's features are
 * others only after a reset, that is with no ring started.
 */
static int prepare(struct vhost *vh, uint64_t features)
{
	int rc = 0;

	if (vh->fd < 0)
		return -ENOTCONN;
	if (vh->prepared && vh->acked == features)
		return 0;
	if (!vh->prepared)
		rc = vh->ops->own(vh);
	if (!rc)
		rc = vh->ops->set_features(vh, features);
	if (!rc && !vh->prepared)
		rc = vh->ops->set_memory(vh);
	if (rc)
		return rc;
	vh->prepared = true;
	vh->acked = features;
	return 0;
}

static int start(struct vhost_queue *q, int call_fd)
{
	const struct virtio_queue *vq = q->vq;
	const struct ring *ring = &vq->ring;
	const struct vhost_ring r = {
		.num = ring->at.num,
		.base = ring_place(ring).avail,
		.desc = ring->desc,
		.avail = ring->avail,
		.used = ring->used,
		.kick_fd = vq->doorbell.fd,
		.call_fd = call_fd,
	};
	struct vhost *vh = q->vh;
	int rc;

	pthread_mutex_lock(&vh->lock);
	rc = prepare(vh, vq->vdev->driver_features & vh->features);
	if (!rc)
		rc = vh->ops->start(vh, q->index, &r);
	pthread_mutex_unlock(&vh->lock);
	return rc;
}

static void on_call(void *opaque, uint32_t events)
{
	struct vhost_queue *q = opaque;
	struct virtio_dev *vdev = q->vq->vdev;
	uint64_t count;

	(void)events;
	if (read(q->call.fd, &count, sizeof(count)) > 0 && virtio_is_live(vdev))
		vdev->transport->signal_queue(vdev, q->vq);
}

/* Where the transport lends no eventfd, or another one with each vector. */
static int own_call(struct vhost_queue *q)
{
	struct loop_fd *call = &q->call;

	if (call->fd < 0)
		call->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (call->fd < 0)
		return -errno;
	return loop_fd_add(q->vq->loop, call);
}

void vhost_queue_init(struct vhost_queue *q, struct vhost *vh,
		      struct virtio_queue *vq, unsigned int index)
{
	*q = (struct vhost_queue){ .vh = vh, .vq = vq, .index = index };
	q->call.fd = -1;
	q->call.events = EPOLLIN;
	q->call.fn = on_call;
	q->call.opaque = q;
}

void vhost_queue_destroy(struct vhost_queue *q)
{
	if (q->call.fd >= 0)
		close(q->call.fd);
	q->call.fd = -1;
}

const char *vhost_queue_start(struct vhost_queue *q)
{
	struct virtio_queue *vq = q->vq;
	struct virtio_wires wires;
	int rc, call_fd;

	/* What it takes back is a split ring's. */
	if (vq->ring.at.packed)
		return "the ring is packed";
	if (virtio_wires(vq, &wires)) {
		rc = own_call(q);
		if (rc)
			return strerror(-rc);
		call_fd = q->call.fd;
	} else {
		call_fd = wires.call_fd;
	}
	virtio_doorbell(vq, true);
	rc = start(q, call_fd);
	if (rc) {
		loop_fd_del(vq->loop, &q->call);
		return strerror(-rc);
	}
	q->on = true;
	/* It looks at a ring when it is rung. */
	eventfd_write(vq->doorbell.fd, 1);
	return NULL;
}

bool vhost_queue_stop(struct vhost_queue *q)
{
	struct ring *ring = &q->vq->ring;
	struct ring_place place;
	struct vhost *vh = q->vh;
	uint16_t base = 0, used;
	int rc = -ENOTCONN;

	pthread_mutex_lock(&vh->lock);
	if (vh->fd >= 0)
		rc = vh->ops->stop(vh, q->index, &base);
	pthread_mutex_unlock(&vh->lock);
	q->on = false;
	if (q->call.added) {
		loop_fd_del(q->vq->loop, &q->call);
		/* Said while nobody listened. */
		on_call(q, EPOLLIN);
	}
	/*
	 * Where nobody says what was taken, all that was not given back is taken
	 * once more, as if it had been given back in the order of taking.
	 */
	used = __atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE);
	if (!rc && (uint16_t)(base - used) > ring->at.num)
		rc = -EPROTO;
	if (rc)
		base = used;
	place.avail = base;
	place.used = used;
	ring_resume(ring, place);
	/* Which is true if nothing was; the driver can only lie to itself. */
	return !rc ||
	       __atomic_load_n(&ring->avail->idx, __ATOMIC_ACQUIRE) == used;
}
