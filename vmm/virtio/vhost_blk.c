// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A virtio disk (virtio 1.2, 5.2) of which a vhost-user backend has the image:
 * qemu-storage-daemon(1), SPDK.
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <string.h>

#include "../config.h"
#include "../error.h"
#include "../vm.h"
#include "vhost_device.h"
#include "virtio_devices.h"

#define BIT64(n) (1ULL << (n))
#define QUEUE_SIZE 256
#define MAX_DEFAULT_QUEUES 4

/* Not CONFIG_WCE: there the driver writes the configuration. */
#define FEATURES                                                      \
	(BIT64(VIRTIO_BLK_F_SIZE_MAX) | BIT64(VIRTIO_BLK_F_SEG_MAX) | \
	 BIT64(VIRTIO_BLK_F_GEOMETRY) | BIT64(VIRTIO_BLK_F_RO) |      \
	 BIT64(VIRTIO_BLK_F_BLK_SIZE) | BIT64(VIRTIO_BLK_F_FLUSH) |   \
	 BIT64(VIRTIO_BLK_F_TOPOLOGY) | BIT64(VIRTIO_BLK_F_MQ) |      \
	 BIT64(VIRTIO_BLK_F_DISCARD) | BIT64(VIRTIO_BLK_F_WRITE_ZEROES))
/* Up to what those have a meaning for, which all backends have. */
#define CONFIG_LEN \
	(offsetof(struct virtio_blk_config, write_zeroes_may_unmap) + 4)

struct vhost_blk {
	struct vhost_device d;
	struct virtio_blk_config config;
};

static struct vhost_blk *blk_of(struct device *dev)
{
	return container_of(dev, struct vhost_blk, d.vpci.pci.dev);
}

static const struct virtio_class vhost_blk_virtio_class = {
	.id = VIRTIO_ID_BLOCK,
	.nr_queues = 1,
	.queue_size = QUEUE_SIZE,
	.pci_class = 0x010000, /* SCSI controller, as virtio disks are */
	.serve = vhost_device_serve,
	.attach = vhost_device_attach,
	.detach = vhost_device_detach,
	.reset = vhost_device_reset,
};

static unsigned int queues_of(const struct vhost_blk *blk,
			      const struct vhost_blk_config *cfg)
{
	const struct vhost *vh = &blk->d.vhost;
	unsigned int n = blk->d.vpci.pci.dev.vm->cfg->cpus;

	if (cfg->queues)
		return cfg->queues;
	if (n > MAX_DEFAULT_QUEUES)
		n = MAX_DEFAULT_QUEUES;
	if (n > vh->nr_rings || !(vh->features & BIT64(VIRTIO_BLK_F_MQ)))
		n = vh->nr_rings;
	if (n > blk->config.num_queues)
		n = blk->config.num_queues;
	return n ? n : 1;
}

static int vhost_blk_realize(struct device *dev, const void *config,
			     struct error *err)
{
	const struct vhost_blk_config *cfg = config;
	struct vhost_blk *blk = blk_of(dev);
	struct virtio_dev *vdev = &blk->d.vpci.vdev;
	int rc;

	rc = vhost_device_connect(&blk->d, cfg->path, err);
	if (rc)
		return rc;
	rc = vhost_user_config(&blk->d.vhost, &blk->config, CONFIG_LEN);
	if (rc) {
		vhost_device_disconnect(&blk->d);
		return error_sys(err, -rc,
				 "%s: %s does not say what disk it is", dev->id,
				 cfg->path);
	}
	if (!(blk->d.vhost.features & BIT64(VIRTIO_BLK_F_MQ)))
		blk->config.num_queues = 1;
	vdev->nr_queues = (uint16_t)queues_of(blk, cfg);
	blk->config.num_queues = vdev->nr_queues;
	vdev->config = &blk->config;
	vdev->config_len = CONFIG_LEN;
	return vhost_device_init(&blk->d, &vhost_blk_virtio_class, FEATURES,
				 err);
}

static void vhost_blk_unrealize(struct device *dev)
{
	vhost_device_destroy(&blk_of(dev)->d);
}

const struct dev_class vhost_blk_class = {
	.name = "vhost-user-blk",
	.size = sizeof(struct vhost_blk),
	.realize = vhost_blk_realize,
	.reset = virtio_pci_reset,
	.start = virtio_pci_start,
	.stop = virtio_pci_stop,
	.unrealize = vhost_blk_unrealize,
};
