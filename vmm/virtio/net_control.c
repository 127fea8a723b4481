// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the driver of a network card asks for by its control queue (virtio 1.2,
 * 5.1.6.5): a class, a command, its data, and a byte for the answer.
 */
#include <string.h>

#include "net.h"

/* Both tables full, and what is said of them. */
#define DATA_MAX 1024
#define BIT64(n) (1ULL << (n))

#define GUEST_OFFLOADS                                                     \
	(BIT64(VIRTIO_NET_F_GUEST_CSUM) | BIT64(VIRTIO_NET_F_GUEST_TSO4) | \
	 BIT64(VIRTIO_NET_F_GUEST_TSO6) | BIT64(VIRTIO_NET_F_GUEST_ECN) |  \
	 BIT64(VIRTIO_NET_F_GUEST_UFO))

struct command {
	uint8_t class, cmd;
	uint8_t data[DATA_MAX];
	size_t len; /* of data; it may be more than there is room for */
};

void net_filter_init(struct virtio_nic *nic)
{
	struct net_filter *f = &nic->filter;

	/* Until the driver says otherwise it gets all, but not of all VLANs. */
	memset(f, 0, sizeof(*f));
	f->promisc = true;
	memcpy(f->mac, nic->mac, NET_MAC);
}

void net_filter_publish(struct virtio_nic *nic)
{
	struct net_lane *lane;

	for (lane = nic->lanes; lane < nic->lanes + nic->nr_lanes; lane++) {
		pthread_mutex_lock(&lane->lock);
		lane->filter = nic->filter;
		pthread_mutex_unlock(&lane->lock);
	}
}

static bool set_rx_mode(struct virtio_nic *nic, const struct command *c)
{
	struct net_filter *f = &nic->filter;
	struct virtio_dev *vdev = &nic->vpci.vdev;
	bool on = c->data[0];

	if (c->len != 1)
		return false;
	if (c->cmd > VIRTIO_NET_CTRL_RX_ALLMULTI &&
	    !virtio_has(vdev, VIRTIO_NET_F_CTRL_RX_EXTRA))
		return false;
	switch (c->cmd) {
	case VIRTIO_NET_CTRL_RX_PROMISC:
		f->promisc = on;
		return true;
	case VIRTIO_NET_CTRL_RX_ALLMULTI:
		f->allmulti = on;
		return true;
	case VIRTIO_NET_CTRL_RX_ALLUNI:
		f->alluni = on;
		return true;
	case VIRTIO_NET_CTRL_RX_NOMULTI:
		f->nomulti = on;
		return true;
	case VIRTIO_NET_CTRL_RX_NOUNI:
		f->nouni = on;
		return true;
	case VIRTIO_NET_CTRL_RX_NOBCAST:
		f->nobcast = on;
		return true;
	default:
		return false;
	}
}

/* What the driver reads, too; nobody has to be interrupted for it. */
static void set_mac(struct virtio_nic *nic, const uint8_t mac[NET_MAC])
{
	struct virtio_dev *vdev = &nic->vpci.vdev;

	pthread_mutex_lock(&vdev->dev->lock);
	memcpy(nic->config.mac, mac, NET_MAC);
	vdev->config_generation++;
	vdev->transport->show(vdev);
	pthread_mutex_unlock(&vdev->dev->lock);
	memcpy(nic->filter.mac, mac, NET_MAC);
}

/*
 * A table at *at: a number of 4 bytes, and so many addresses.  One with more
 * than there is room for in the filter is as good as all addresses, and so is
 * one that is longer than a command is read.
 */
static bool get_table(struct net_filter *f, const struct command *c, size_t *at,
		      unsigned int *nr, bool *overflow)
{
	unsigned int have = f->nr_uni + f->nr_multi;
	size_t end;
	uint32_t n;

	*nr = 0;
	if (*at + 4 > c->len || *at + 4 > DATA_MAX)
		return false;
	memcpy(&n, c->data + *at, 4);
	*at += 4;
	if (n > (c->len - *at) / NET_MAC)
		return false;
	end = *at + (size_t)n * NET_MAC;
	*overflow = n > NET_TABLE - have || end > DATA_MAX;
	if (!*overflow) {
		memcpy(f->macs[have], c->data + *at, (size_t)n * NET_MAC);
		*nr = n;
	}
	*at = end;
	return true;
}

static bool set_table(struct virtio_nic *nic, const struct command *c)
{
	struct net_filter f = nic->filter;
	size_t at = 0;

	f.nr_uni = f.nr_multi = 0;
	if (!get_table(&f, c, &at, &f.nr_uni, &f.uni_overflow))
		return false;
	if (at + 4 > DATA_MAX) {
		/* What the other table is cannot be seen. */
		f.multi_overflow = at < c->len;
	} else if (!get_table(&f, c, &at, &f.nr_multi, &f.multi_overflow) ||
		   at != c->len) {
		return false;
	}
	nic->filter = f;
	return true;
}

static bool set_addresses(struct virtio_nic *nic, const struct command *c)
{
	switch (c->cmd) {
	case VIRTIO_NET_CTRL_MAC_ADDR_SET:
		if (c->len != NET_MAC ||
		    !virtio_has(&nic->vpci.vdev, VIRTIO_NET_F_CTRL_MAC_ADDR))
			return false;
		set_mac(nic, c->data);
		return true;
	case VIRTIO_NET_CTRL_MAC_TABLE_SET:
		return set_table(nic, c);
	default:
		return false;
	}
}

static bool set_vlan(struct virtio_nic *nic, const struct command *c)
{
	struct net_filter *f = &nic->filter;
	unsigned int vlan = c->data[0] | (unsigned int)c->data[1] << 8;
	uint8_t bit = (uint8_t)(1U << vlan % 8);

	if (c->len != 2 || vlan >= NET_VLANS)
		return false;
	switch (c->cmd) {
	case VIRTIO_NET_CTRL_VLAN_ADD:
		f->vlans[vlan / 8] |= bit;
		return true;
	case VIRTIO_NET_CTRL_VLAN_DEL:
		f->vlans[vlan / 8] &= (uint8_t)~bit;
		return true;
	default:
		return false;
	}
}

static bool set_pairs(struct virtio_nic *nic, const struct command *c)
{
	unsigned int nr = c->data[0] | (unsigned int)c->data[1] << 8;

	if (c->cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET || c->len != 2 || !nr ||
	    nr > nic->nr_pairs)
		return false;
	net_activate(nic, nr);
	return true;
}

static bool announced(struct virtio_nic *nic, const struct command *c)
{
	struct virtio_dev *vdev = &nic->vpci.vdev;

	if (c->cmd != VIRTIO_NET_CTRL_ANNOUNCE_ACK || c->len)
		return false;
	pthread_mutex_lock(&vdev->dev->lock);
	nic->config.status &= (uint16_t)~VIRTIO_NET_S_ANNOUNCE;
	vdev->transport->show(vdev);
	pthread_mutex_unlock(&vdev->dev->lock);
	return true;
}

static bool set_offloads(struct virtio_nic *nic, const struct command *c)
{
	struct net_backend *backend = nic->backend;
	uint64_t features;

	if (c->cmd != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET ||
	    c->len != sizeof(features))
		return false;
	memcpy(&features, c->data, sizeof(features));
	if (features & ~(GUEST_OFFLOADS & nic->vpci.vdev.driver_features))
		return false;
	if (backend->ops->offload(backend, features))
		return false;
	nic->offloads = features;
	return true;
}

static const struct {
	uint8_t class;
	uint8_t feature; /* that the driver must have taken */
	bool (*run)(struct virtio_nic *nic, const struct command *c);
} classes[] = {
	{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_F_CTRL_RX, set_rx_mode },
	{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_F_CTRL_RX, set_addresses },
	{ VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_F_CTRL_VLAN, set_vlan },
	{ VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_F_GUEST_ANNOUNCE, announced },
	{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_F_MQ, set_pairs },
	{ VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
	  set_offloads },
};

static bool run(struct virtio_nic *nic, const struct command *c)
{
	size_t i;

	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (classes[i].class == c->class)
			return virtio_has(&nic->vpci.vdev,
					  classes[i].feature) &&
			       classes[i].run(nic, c);
	return false;
}

bool net_serve_control(struct virtio_nic *nic, struct virtio_queue *vq)
{
	struct ring_chain chain;
	struct command c;
	struct iovec *iov;
	unsigned int n, nr;
	uint8_t ack;

	for (n = 0; n < VIRTIO_BUDGET; n++) {
		if (!virtio_pop(vq, &chain))
			break;
		if (chain.read_len < 2 || !chain.write_len) {
			virtio_break(vq, "command without class or answer");
			break;
		}
		memset(&c, 0, sizeof(c));
		iov = chain.iov;
		nr = chain.nr_read;
		c.len = chain.read_len - 2;
		iov_get(iov, nr, &c.class, 1);
		iov_trim_front(&iov, &nr, 1);
		iov_get(iov, nr, &c.cmd, 1);
		iov_trim_front(&iov, &nr, 1);
		iov_get(iov, nr, c.data, sizeof(c.data));
		ack = run(nic, &c) ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
		net_filter_publish(nic);
		iov_put(chain.iov + chain.nr_read, chain.nr_write, &ack, 1);
		virtio_push(vq, &chain, 1);
	}
	virtio_signal(vq);
	return n == VIRTIO_BUDGET;
}
