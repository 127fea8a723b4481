// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A socket device (virtio 1.2, 5.10) of which the kernel serves the queues: the
 * guest has an address in the host's AF_VSOCK.
 *
 * The queue of events is served here, and has none: its one event is for a
 * guest that goes on elsewhere.
 */
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <string.h>
#include <sys/eventfd.h>

#include "../config.h"
#include "../error.h"
#include "../vm.h"
#include "pci.h"
#include "virtio_devices.h"
#include "../vhost/vhost.h"

#define DEVICE "/dev/vhost-vsock"
#define QUEUE_SIZE 128
#define BIT64(n) (1ULL << (n))
#define F_SEQPACKET 1

#ifndef VIRTIO_F_IN_ORDER
#define VIRTIO_F_IN_ORDER 35
#endif
#ifndef VIRTIO_F_RING_PACKED
#define VIRTIO_F_RING_PACKED 34
#endif

enum { RX, TX, EVENTS, NR_QUEUES };

struct vsock_vhost {
	struct virtio_pci vpci;
	struct vhost vhost;
	struct vhost_queue queues[EVENTS];
	struct virtio_vsock_config config;
	struct log_limit log;
};

static struct vsock_vhost *vsock_of(struct virtio_dev *vdev)
{
	return container_of(vdev, struct vsock_vhost, vpci.vdev);
}

static bool vsock_serve(struct virtio_dev *vdev, unsigned int index)
{
	(void)vdev;
	(void)index;
	return false;
}

/* Nothing is moved until both can be: each packet may be answered. */
static bool vsock_attach(struct virtio_dev *vdev, unsigned int index)
{
	struct vsock_vhost *v = vsock_of(vdev);
	const char *why;
	int rc = 0;

	if (index >= EVENTS)
		return false;
	why = vhost_queue_start(&v->queues[index]);
	if (!why && v->queues[RX].on && v->queues[TX].on) {
		rc = vhost_vsock_run(&v->vhost, true);
		/* It heard no ring before. */
		eventfd_write(vdev->queues[RX].doorbell.fd, 1);
		eventfd_write(vdev->queues[TX].doorbell.fd, 1);
	}
	if (why || rc)
		log_guest(&v->log, vdev->dev->id,
			  "the kernel does not take queue %u: %s", index,
			  why ? why : strerror(-rc));
	if (rc)
		vhost_queue_stop(&v->queues[index]);
	return !why && !rc;
}

static void vsock_detach(struct virtio_dev *vdev, unsigned int index)
{
	struct vsock_vhost *v = vsock_of(vdev);

	if (v->queues[RX].on && v->queues[TX].on)
		vhost_vsock_run(&v->vhost, false);
	vhost_queue_stop(&v->queues[index]);
}

static const struct virtio_class vsock_virtio_class = {
	.id = VIRTIO_ID_VSOCK,
	.nr_queues = NR_QUEUES,
	.queue_size = QUEUE_SIZE,
	.pci_class = 0x078000, /* communication, of no other kind */
	.serve = vsock_serve,
	.attach = vsock_attach,
	.detach = vsock_detach,
};

static int vsock_open(struct vsock_vhost *v, uint32_t cid, struct error *err)
{
	int rc = vhost_kernel_open(&v->vhost, DEVICE);

	if (rc)
		return error_sys(err, -rc, "cannot open %s%s", DEVICE,
				 rc == -ENOENT ? " (is the kernel's module "
						 "vhost_vsock loaded?)" :
						 "");
	rc = vhost_vsock_set_cid(&v->vhost, cid);
	if (rc == -EADDRINUSE)
		return error_set(err, EADDRINUSE, "another machine has cid=%u",
				 cid);
	return rc ? error_sys(err, -rc, "cannot have cid=%u", cid) : 0;
}

static int vsock_realize(struct device *dev, const void *config,
			 struct error *err)
{
	struct vsock_vhost *v =
		container_of(dev, struct vsock_vhost, vpci.pci.dev);
	const struct vsock_config *cfg = config;
	struct virtio_dev *vdev = &v->vpci.vdev;
	unsigned int i;
	int rc;

	if (cfg->vhost == VHOST_OFF)
		return error_set(err, EINVAL,
				 "%s: only the kernel serves sockets, so "
				 "vhost=off cannot be",
				 dev->id);
	vhost_init(&v->vhost, &vhost_vsock_ops, &dev->vm->mem);
	rc = vsock_open(v, cfg->cid, err);
	if (rc) {
		error_prefix(err, "%s", dev->id);
		goto err_vhost;
	}
	v->config.guest_cid = cfg->cid;
	vdev->config = &v->config;
	vdev->config_len = sizeof(v->config);
	vdev->features = v->vhost.features & BIT64(F_SEQPACKET);
	rc = virtio_pci_init(&v->vpci, &vsock_virtio_class, err);
	if (rc)
		goto err_vhost;
	vdev->features &=
		~(BIT64(VIRTIO_F_IN_ORDER) | BIT64(VIRTIO_F_RING_PACKED));
	for (i = 0; i < EVENTS; i++)
		vhost_queue_init(&v->queues[i], &v->vhost, &vdev->queues[i], i);
	return 0;

err_vhost:
	vhost_destroy(&v->vhost);
	return rc;
}

static void vsock_unrealize(struct device *dev)
{
	struct vsock_vhost *v =
		container_of(dev, struct vsock_vhost, vpci.pci.dev);
	unsigned int i;

	virtio_pci_destroy(&v->vpci);
	for (i = 0; i < EVENTS; i++)
		vhost_queue_destroy(&v->queues[i]);
	vhost_destroy(&v->vhost);
}

const struct dev_class virtio_vsock_vhost_class = {
	.name = "vsock",
	.size = sizeof(struct vsock_vhost),
	.realize = vsock_realize,
	.reset = virtio_pci_reset,
	.start = virtio_pci_start,
	.stop = virtio_pci_stop,
	.unrealize = vsock_unrealize,
};
