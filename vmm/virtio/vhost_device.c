// SPDX-License-Identifier: GPL-2.0-or-later
#include "vhost_device.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>

#include "../error.h"
#include "../vm.h"

#ifndef VIRTIO_F_RING_RESET
#define VIRTIO_F_RING_RESET 40
#endif

#define BIT64(n) (1ULL << (n))
/* Of rings, what a backend may know; RING_RESET is stopping one. */
#define RING_FEATURES                                                     \
	(BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_INDIRECT_DESC) | \
	 BIT64(VIRTIO_RING_F_EVENT_IDX))

/* Nobody does: chains wait. */
bool vhost_device_serve(struct virtio_dev *vdev, unsigned int index)
{
	(void)vdev;
	(void)index;
	return false;
}

bool vhost_device_attach(struct virtio_dev *vdev, unsigned int index)
{
	struct vhost_device *d = vhost_device_of(vdev);
	const char *why;

	if (d->vhost.fd < 0)
		return false;
	why = vhost_queue_start(&d->queues[index]);
	if (why)
		log_guest(&d->log, vdev->dev->id,
			  "its backend does not take queue %u: %s", index, why);
	return !why;
}

void vhost_device_detach(struct virtio_dev *vdev, unsigned int index)
{
	struct vhost_device *d = vhost_device_of(vdev);
	bool known = vhost_queue_stop(&d->queues[index]);

	if (d->vhost.fd >= 0 ?
		    known :
		    !d->session && (known || vhost_user_inflight(&d->vhost)))
		return;
	virtio_break(&vdev->queues[index],
		     "its backend has gone, and what it was doing with it");
}

void vhost_device_reset(struct virtio_dev *vdev)
{
	vhost_user_forget(&vhost_device_of(vdev)->vhost);
}

static void on_changed(void *opaque, bool there)
{
	struct vhost_device *d = opaque;
	struct device *dev = &d->vpci.pci.dev;

	(void)there;
	pthread_mutex_lock(&dev->lock);
	virtio_rewire_all(&d->vpci.vdev);
	pthread_mutex_unlock(&dev->lock);
}

int vhost_device_connect(struct vhost_device *d, const char *path,
			 struct error *err)
{
	struct device *dev = &d->vpci.pci.dev;
	int rc;

	vhost_init(&d->vhost, &vhost_user_ops, &dev->vm->mem);
	d->peer = (struct vhost_peer){ .vh = &d->vhost,
				       .id = dev->id,
				       .loop = dev->vm->loop,
				       .changed = on_changed,
				       .opaque = d };
	rc = vhost_peer_open(&d->peer, path, err);
	if (rc) {
		error_prefix(err, "%s", dev->id);
		vhost_destroy(&d->vhost);
	}
	return rc;
}

void vhost_device_disconnect(struct vhost_device *d)
{
	vhost_peer_close(&d->peer);
	vhost_destroy(&d->vhost);
}

int vhost_device_init(struct vhost_device *d, const struct virtio_class *class,
		      uint64_t features, struct error *err)
{
	struct virtio_dev *vdev = &d->vpci.vdev;
	unsigned int i;
	int rc;

	vdev->features = features & d->vhost.features;
	if (d->vhost.nr_rings < vdev->nr_queues) {
		rc = error_set(err, EINVAL,
			       "%s: its backend has %u queues, not %u",
			       d->vpci.pci.dev.id, d->vhost.nr_rings,
			       vdev->nr_queues);
		goto err_connection;
	}
	d->queues = calloc(vdev->nr_queues, sizeof(*d->queues));
	if (!d->queues) {
		rc = error_sys(err, ENOMEM, "cannot make %s",
			       d->vpci.pci.dev.id);
		goto err_connection;
	}
	rc = virtio_pci_init(&d->vpci, class, err);
	if (rc)
		goto err_queues;
	for (i = 0; i < vdev->nr_queues; i++)
		vhost_queue_init(&d->queues[i], &d->vhost, &vdev->queues[i], i);
	vdev->features = (features | RING_FEATURES) & d->vhost.features;
	d->peer.wanted = vdev->features;
	vdev->features |= BIT64(VIRTIO_F_RING_RESET);
	d->vhost.inflight_rings = vdev->nr_queues;
	d->vhost.inflight_num = vdev->queue_size;
	return 0;

err_queues:
	free(d->queues);
err_connection:
	vhost_device_disconnect(d);
	return rc;
}

void vhost_device_destroy(struct vhost_device *d)
{
	unsigned int i, n = d->vpci.vdev.nr_queues;

	virtio_pci_destroy(&d->vpci);
	for (i = 0; i < n; i++)
		vhost_queue_destroy(&d->queues[i]);
	free(d->queues);
	vhost_device_disconnect(d);
}
