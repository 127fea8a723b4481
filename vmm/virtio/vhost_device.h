/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What devices share whose queues a vhost-user backend serves, all of them: the
 * transport's registers and interrupts are here, the device is elsewhere.
 *
 * When the backend goes, requests wait for another; or the device needs a reset,
 * where what they would come to cannot be known.
 *
 * Locks: none beyond those of virtio.h and vhost.h; queues are the main
 * thread's.
 */
#ifndef VIREO_VIRTIO_VHOST_DEVICE_H
#define VIREO_VIRTIO_VHOST_DEVICE_H

#include "../vhost/peer.h"
#include "pci.h"

struct vhost_device {
	struct virtio_pci vpci;
	struct vhost vhost;
	struct vhost_peer peer;
	struct vhost_queue *queues;
	/* What its driver has begun is unknown to another backend. */
	bool session;
	struct log_limit log;
};

static inline struct vhost_device *vhost_device_of(struct virtio_dev *vdev)
{
	return container_of(vdev, struct vhost_device, vpci.vdev);
}

/* For struct virtio_class. */
bool vhost_device_serve(struct virtio_dev *vdev, unsigned int index);
bool vhost_device_attach(struct virtio_dev *vdev, unsigned int index);
void vhost_device_detach(struct virtio_dev *vdev, unsigned int index);
void vhost_device_reset(struct virtio_dev *vdev);

/* Connects: vhost.features and the configuration can be asked for. */
int vhost_device_connect(struct vhost_device *d, const char *path,
			 struct error *err);
/*
 * The rest of realize, or all is undone: with vpci.vdev's configuration and
 * number of queues set, and of the device's own features those in @features that
 * the backend has.
 */
int vhost_device_init(struct vhost_device *d, const struct virtio_class *class,
		      uint64_t features, struct error *err);
/* Of a device that was initialized, or only connected. */
void vhost_device_destroy(struct vhost_device *d);
void vhost_device_disconnect(struct vhost_device *d);

#endif
