// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A directory of the host's that the guest mounts by its tag (virtio 1.2, 5.11);
 * virtiofsd has it, and speaks FUSE with the guest.
 */
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "../config.h"
#include "../error.h"
#include "vhost_device.h"
#include "virtio_devices.h"

#define QUEUE_SIZE 1024

struct vhost_fs {
	struct vhost_device d;
	struct virtio_fs_config config;
};

static struct vhost_fs *fs_of(struct device *dev)
{
	return container_of(dev, struct vhost_fs, d.vpci.pci.dev);
}

static const struct virtio_class vhost_fs_virtio_class = {
	.id = VIRTIO_ID_FS,
	.nr_queues = 2,
	.queue_size = QUEUE_SIZE,
	.pci_class = 0x018000, /* mass storage, of no other kind */
	.serve = vhost_device_serve,
	.attach = vhost_device_attach,
	.detach = vhost_device_detach,
	.reset = vhost_device_reset,
};

static int vhost_fs_realize(struct device *dev, const void *config,
			    struct error *err)
{
	const struct fs_config *cfg = config;
	struct vhost_fs *fs = fs_of(dev);
	struct virtio_dev *vdev = &fs->d.vpci.vdev;
	unsigned int n = cfg->queues ? cfg->queues : 1;
	int rc;

	rc = vhost_device_connect(&fs->d, cfg->path, err);
	if (rc)
		return rc;
	/* Not ended by a zero, if it is as long as there is room. */
	memcpy(fs->config.tag, cfg->tag,
	       strnlen(cfg->tag, sizeof(fs->config.tag)));
	fs->config.num_request_queues = n;
	/* Before them one for what must not wait. */
	vdev->nr_queues = (uint16_t)(1 + n);
	vdev->config = &fs->config;
	vdev->config_len = sizeof(fs->config);
	/* Another virtiofsd knows none of the files that the driver has open. */
	fs->d.session = true;
	return vhost_device_init(&fs->d, &vhost_fs_virtio_class, 0, err);
}

static void vhost_fs_unrealize(struct device *dev)
{
	vhost_device_destroy(&fs_of(dev)->d);
}

const struct dev_class vhost_fs_class = {
	.name = "fs",
	.size = sizeof(struct vhost_fs),
	.realize = vhost_fs_realize,
	.reset = virtio_pci_reset,
	.start = virtio_pci_start,
	.stop = virtio_pci_stop,
	.unrealize = vhost_fs_unrealize,
};
