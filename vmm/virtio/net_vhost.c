// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Network cards whose queues others serve: the kernel, for a TAP interface, or a
 * vhost-user backend.
 *
 * The control queue, the link and the interface's offloads stay here.  What the
 * kernel does not do is done by net.c as for other cards, queue by queue; with a
 * vhost-user backend there is nobody else: what the driver sends while it is
 * gone is lost, as with the cable out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_ring.h>

#include "../error.h"
#include "../vm.h"
#include "net.h"

#define BIT64(n) (1ULL << (n))
#define DEVICE "/dev/vhost-net"

/* Of a backend's features, those that change how rings and frames look. */
#define LAYOUT                                                                \
	(BIT64(VIRTIO_NET_F_MRG_RXBUF) | BIT64(VIRTIO_RING_F_INDIRECT_DESC) | \
	 BIT64(VIRTIO_RING_F_EVENT_IDX))
#define OFFLOADS                                                           \
	(BIT64(VIRTIO_NET_F_CSUM) | BIT64(VIRTIO_NET_F_HOST_TSO4) |        \
	 BIT64(VIRTIO_NET_F_HOST_TSO6) | BIT64(VIRTIO_NET_F_HOST_ECN) |    \
	 BIT64(VIRTIO_NET_F_HOST_UFO) | BIT64(VIRTIO_NET_F_GUEST_CSUM) |   \
	 BIT64(VIRTIO_NET_F_GUEST_TSO4) | BIT64(VIRTIO_NET_F_GUEST_TSO6) | \
	 BIT64(VIRTIO_NET_F_GUEST_ECN) | BIT64(VIRTIO_NET_F_GUEST_UFO))

#ifndef VIRTIO_F_IN_ORDER
#define VIRTIO_F_IN_ORDER 35
#endif
#ifndef VIRTIO_F_RING_PACKED
#define VIRTIO_F_RING_PACKED 34
#endif

/* A guest may set its card up in another way any number of times. */
static const char untold[] = "nobody knows";

/* What has changed, of who serves the card. */
static void tell(struct virtio_nic *nic, const char *why)
{
	struct net_vhost *v = &nic->vhost;

	if (__atomic_exchange_n(&v->why, why, __ATOMIC_ACQ_REL) == why)
		return;
	/* There are only so many reasons, but they may take turns. */
	if (__atomic_add_fetch(&v->log.seen, 1, __ATOMIC_RELAXED) > 16)
		return;
	if (why)
		log_info(nic->vpci.pci.dev.id, "not %s: %s",
			 v->backends->ops->name, why);
	else
		log_info(nic->vpci.pci.dev.id, "%s serves its queues",
			 v->backends->ops->name);
}

/* ---- a vhost-user backend's end of the card --------------------------------------- */

static ssize_t none_recv(struct net_port *port, struct net_packet *packet)
{
	(void)port;
	(void)packet;
	return -EAGAIN;
}

static int none_send(struct net_port *port, const struct virtio_net_hdr_v1 *hdr,
		     struct iovec *iov, unsigned int nr)
{
	(void)port;
	(void)hdr;
	(void)iov;
	(void)nr;
	return -ENOTCONN;
}

/* Queues of pairs that are not used are not handed over. */
static int none_enable(struct net_port *port, bool on)
{
	(void)port;
	(void)on;
	return 0;
}

static void none_close(struct net_backend *backend)
{
	(void)backend;
}

static const struct net_ops none_ops = {
	.recv = none_recv,
	.send = none_send,
	.enable = none_enable,
	.close = none_close,
};

static void on_changed(void *opaque, bool there)
{
	struct virtio_nic *nic = opaque;

	__atomic_store_n(&nic->backend->ports->up, there, __ATOMIC_RELEASE);
	net_set_carrier(nic, there);
}

int net_vhost_user_open(struct virtio_nic *nic, struct error *err)
{
	int rc = net_new(&nic->backend, sizeof(*nic->backend), &none_ops,
			 nic->nr_pairs, err);

	if (!rc)
		nic->backend->ports->up = true;
	return rc;
}

static int connect_user(struct virtio_nic *nic, struct error *err)
{
	struct device *dev = &nic->vpci.pci.dev;
	struct vhost *vh = nic->vhost.backends;
	int rc;

	vhost_init(vh, &vhost_user_ops, &dev->vm->mem);
	vh->unit = 2;
	nic->vhost.nr = 1;
	nic->vhost.peer = (struct vhost_peer){ .vh = vh,
					       .id = dev->id,
					       .loop = dev->vm->loop,
					       .changed = on_changed,
					       .opaque = nic };
	rc = vhost_peer_open(&nic->vhost.peer, nic->cfg->path, err);
	if (rc)
		return rc;
	if (vh->nr_rings < 2 * nic->nr_pairs)
		return error_set(err, EINVAL,
				 "%s has %u pairs of queues, not %u",
				 nic->cfg->path, vh->nr_rings / 2,
				 nic->nr_pairs);
	nic->backend->offloads = vh->features & OFFLOADS;
	nic->vhost.peer.wanted = vh->features & (OFFLOADS | LAYOUT);
	return 0;
}

/* ---- the kernel ------------------------------------------------------------------- */

static int open_kernel(struct virtio_nic *nic)
{
	struct net_vhost *v = &nic->vhost;
	struct vhost *vh;
	unsigned int i;
	int rc = 0;

	for (i = 0; i < nic->nr_pairs && !rc; i++) {
		vh = &v->backends[i];
		vhost_init(vh, &vhost_net_ops, &nic->vpci.pci.dev.vm->mem);
		v->nr++;
		vh->backend_fd = nic->backend->ports[i].fd;
		rc = vhost_kernel_open(vh, DEVICE);
	}
	return rc;
}

/* ---- the card ----------------------------------------------------------------------- */

static int open_all(struct virtio_nic *nic, struct error *err)
{
	const char *id = nic->vpci.pci.dev.id;
	int rc;

	if (nic->cfg->kind == NET_VHOST_USER) {
		rc = connect_user(nic, err);
		if (rc)
			error_prefix(err, "network card %s", id);
		return rc;
	}
	rc = open_kernel(nic);
	if (!rc)
		return 0;
	if (nic->cfg->vhost == VHOST_ON)
		return error_sys(err, -rc, "network card %s: cannot open %s",
				 id, DEVICE);
	log_info(id, "not vhost-net: cannot open %s: %s", DEVICE,
		 strerror(-rc));
	net_vhost_close(nic);
	return 0;
}

int net_vhost_open(struct virtio_nic *nic, struct error *err)
{
	struct net_vhost *v = &nic->vhost;
	int rc;

	if (nic->cfg->kind != NET_VHOST_USER &&
	    (nic->cfg->kind != NET_TAP || nic->cfg->vhost == VHOST_OFF))
		return 0;
	v->backends = calloc(nic->nr_pairs, sizeof(*v->backends));
	if (!v->backends)
		return error_sys(err, ENOMEM, "cannot make a network card");
	v->why = untold;
	rc = open_all(nic, err);
	if (rc)
		net_vhost_close(nic);
	return rc;
}

int net_vhost_init(struct virtio_nic *nic)
{
	struct virtio_dev *vdev = &nic->vpci.vdev;
	struct net_vhost *v = &nic->vhost;
	unsigned int i;

	if (!v->nr)
		return 0;
	v->queues = calloc(2 * nic->nr_pairs, sizeof(*v->queues));
	if (!v->queues)
		return -ENOMEM;
	for (i = 0; i < 2 * nic->nr_pairs; i++)
		vhost_queue_init(&v->queues[i],
				 v->nr > 1 ? &v->backends[i / 2] : v->backends,
				 &vdev->queues[i], v->nr > 1 ? i % 2 : i);
	/* They promise no order; and what they lack would keep them away. */
	vdev->features &= ~BIT64(VIRTIO_F_IN_ORDER);
	vdev->features &= v->backends->features | ~LAYOUT;
	if (nic->cfg->kind == NET_VHOST_USER)
		vdev->features &= ~BIT64(VIRTIO_F_RING_PACKED);
	return 0;
}

void net_vhost_close(struct virtio_nic *nic)
{
	struct net_vhost *v = &nic->vhost;
	unsigned int i;

	if (v->peer.loop)
		vhost_peer_close(&v->peer);
	if (v->queues)
		for (i = 0; i < 2 * nic->nr_pairs; i++)
			vhost_queue_destroy(&v->queues[i]);
	for (i = 0; i < v->nr; i++)
		vhost_destroy(&v->backends[i]);
	free(v->queues);
	free(v->backends);
	*v = (struct net_vhost){ .nr = 0 };
}

/* Why the queue is to be served here; what nobody need be told, too. */
static const char *unfit(struct virtio_nic *nic, const struct net_pair *pair)
{
	unsigned int index = (unsigned int)(pair - nic->pairs);

	if (index >= __atomic_load_n(&nic->nr_active, __ATOMIC_ACQUIRE))
		return "the driver does not use them";
	if (!__atomic_load_n(&nic->link_up, __ATOMIC_ACQUIRE))
		return "the link is down";
	if (nic->cfg->kind == NET_VHOST_USER)
		return NULL;
	if (throttle_on(&nic->throttle))
		return "the card has limits";
	/* The interface has the header that newer drivers have. */
	if (!virtio_has(&nic->vpci.vdev, VIRTIO_F_VERSION_1))
		return "the driver uses the legacy interface";
	return NULL;
}

bool net_vhost_attach(struct virtio_dev *vdev, unsigned int index)
{
	struct virtio_nic *nic = nic_of_vdev(vdev);
	struct net_pair *pair = net_pair_of(nic, index);
	const char *why;

	if (!nic->vhost.nr || !pair)
		return false;
	why = unfit(nic, pair);
	if (why && pair != nic->pairs)
		return false;
	if (!why && vdev->queues[index].ring.at.packed)
		why = "the ring is packed";
	if (!why) {
		if (pair == nic->pairs && !nic->begun)
			net_begin(nic);
		net_put_back(pair, index % 2);
		why = vhost_queue_start(&nic->vhost.queues[index]);
	}
	tell(nic, why);
	return !why;
}

void net_vhost_detach(struct virtio_dev *vdev, unsigned int index)
{
	/* What became of a frame is nobody's worry. */
	vhost_queue_stop(&nic_of_vdev(vdev)->vhost.queues[index]);
}
