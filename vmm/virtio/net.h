/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What net.c, which moves frames, net_control.c, which the driver tells which of
 * them it wants, and net_device.c, the device around them, share.
 *
 * A pair, a receive and a transmit queue, is served by one loop, that of its
 * lane: an I/O thread of the card's, or the main thread.  So is the port of the
 * backend that the pair has.  Pair i has queues 2i and 2i + 1; the control queue
 * comes after all pairs, or after the first if the driver knows of no more.
 *
 *   port --recv--> packet --filter--> chains of the receive queue
 *   chain of the transmit queue --checked--> port.send
 *
 * What finds no chain, or no room on the host, waits where it is, in the packet
 * or the chain, and whoever can help is watched: the driver's doorbell or the
 * port's descriptor.
 *
 * Where the kernel or a vhost-user backend serves queues (net_vhost.c), all but
 * the control queue are theirs while the link is up.
 *
 * Locks, beyond those of virtio.h:
 *   dev->lock      mutex   config, admin_up, and all changes of link_up
 *   lane.lock      mutex   the lane's copy of the filter: held for a round of
 *                          frames by the lane, while it is copied by who serves
 *                          the control queue, and read by the main thread
 *   (atomic)               counts, read by the main thread; nr_active, link_up
 * A pair and its port are its loop's; filter and offloads are of whose loop the
 * control queue has.
 */
#ifndef VIREO_VIRTIO_NET_H
#define VIREO_VIRTIO_NET_H

#include <linux/virtio_net.h>

#include "../block/throttle.h"
#include "../net/net.h"
#include "../vhost/peer.h"
#include "pci.h"
#include "virtio_devices.h"

#define NET_QUEUE_SIZE 256
#define NET_MAX_PAIRS 16
#define NET_VLANS 4096

#define NET_OFFLOADS_ALL UINT64_MAX

struct iothread;
struct virtio_nic;

/* Which frames the driver wants. */
struct net_filter {
	bool promisc, allmulti, alluni, nomulti, nouni, nobcast;
	bool uni_overflow, multi_overflow; /* more than there is room for */
	uint8_t mac[NET_MAC];
	unsigned int nr_uni, nr_multi; /* in macs, in this order */
	uint8_t macs[NET_TABLE][NET_MAC];
	uint8_t vlans[NET_VLANS / 8]; /* if the driver has CTRL_VLAN */
};

/* A chain of the receive queue that part of a frame has been put into. */
struct net_part {
	uint16_t head;
	uint16_t nr_desc;
	uint32_t len;
};

struct net_rx {
	size_t len;  /* of the frame at hand; 0: none */
	size_t done; /* of it and its header, what is in chains */
	bool have;   /* a chain, for the start of a frame */
	struct ring_chain first;
	struct ring_chain next;
	unsigned int nr_parts; /* after the first */
	struct net_part parts[RING_MAX_NUM];
	struct net_packet packet;
};

struct net_tx {
	bool have; /* a chain that waits */
	struct virtio_net_hdr_v1 hdr;
	struct ring_chain chain;
	/* Of the chain, the frame; there is one before it (struct net_ops). */
	unsigned int nr;
	size_t len;
	struct iovec iov[RING_MAX_IOV + 1];
};

/*
 * Frames that follow each other closely are fetched some at a time: after some
 * were sent the loop looks once more, a little later, and until then wants no
 * doorbell.  Where that finds none, a doorbell is the better way, and it is tried
 * again after some of them, twice as many each time.
 */
struct net_look {
	struct loop_timer timer;
	bool due;	    /* its time has come */
	unsigned int found; /* frames of this round; big ones count for more */
	unsigned int skip;  /* the doorbell by which to try it again */
	unsigned int left;  /* how many they are until then */
};

struct net_pair {
	struct virtio_nic *nic;
	struct net_lane *lane;
	struct net_port *port;
	struct virtio_queue *rxq, *txq;
	struct loop_fd watch;
	bool want_in;  /* frames that come are wanted */
	bool want_out; /* a chain waits for the port */
	bool rx_waits; /* for the limits, until the timer */
	bool tx_waits;
	struct loop_timer wait;
	struct net_look look;
	struct net_rx rx;
	struct net_tx tx;
	struct net_count counts[2]; /* received, sent */
};

/* A loop that serves pairs of the card. */
struct net_lane {
	struct virtio_nic *nic;
	struct iothread *iothread; /* NULL: the main thread */
	struct loop *loop;
	unsigned int index;
	pthread_mutex_t lock;
	struct net_filter filter;
};

/* Who else serves the queues of a card. */
struct net_vhost {
	struct vhost *backends; /* vhost-user: one; the kernel's: of each pair */
	unsigned int nr;	/* 0: nobody */
	struct vhost_queue *queues;
	struct vhost_peer peer; /* vhost-user */
	const char *why;	/* nobody does; atomic */
	struct log_limit log;
};

struct virtio_nic {
	struct virtio_pci vpci;
	const struct net_config *cfg;
	struct net_backend *backend;
	struct throttle throttle;
	struct net_lane *lanes;
	unsigned int nr_lanes;
	struct net_pair *pairs;
	unsigned int nr_pairs;
	unsigned int nr_active;
	struct virtio_net_config config;
	uint8_t mac[NET_MAC]; /* at power-on */
	bool link_up;	      /* both of these: */
	bool admin_up;
	bool carrier;
	struct net_filter filter;
	/* A legacy driver has written its address, which the filter does not
	 * know; atomic. */
	bool mac_written;
	bool begun; /* the backend knows the driver's features */
	/* What the driver wants of them since; NET_OFFLOADS_ALL: all */
	uint64_t offloads;
	struct log_limit io_log;
	struct net_vhost vhost;
};

static inline struct virtio_nic *nic_of_vdev(struct virtio_dev *vdev)
{
	return container_of(vdev, struct virtio_nic, vpci.vdev);
}

static inline struct virtio_nic *nic_of_dev(const struct device *dev)
{
	return container_of(dev, struct virtio_nic, vpci.pci.dev);
}

extern const struct virtio_class nic_virtio_class;

/* net.c */
bool net_serve_rx(struct net_pair *pair);
bool net_serve_tx(struct net_pair *pair);
void net_on_port(void *pair, uint32_t events);
void net_on_time(void *pair);
void net_on_look(void *pair);
/* Nothing is watched for the queue any more. */
void net_quiesce(struct net_pair *pair, bool tx);
/* And nothing of its ring is held. */
void net_drop(struct net_pair *pair, bool tx);
/* The same, but that the ring goes on; a frame that was received is lost. */
void net_put_back(struct net_pair *pair, bool tx);
/* Whether a frame of @len bytes, at least NET_HEADER, is wanted. */
bool net_wanted(const struct virtio_nic *nic, const struct net_filter *filter,
		const uint8_t *frame, size_t len);

/*
 * What a header may ask for of a frame of @len bytes, by a driver that has taken
 * @features (5.1.6.2).
 */
bool net_header_valid(uint64_t features, const struct virtio_net_hdr_v1 *hdr,
		      size_t len);

/* net_control.c */
bool net_serve_control(struct virtio_nic *nic, struct virtio_queue *vq);
/* As after a reset. */
void net_filter_init(struct virtio_nic *nic);
/* To all lanes. */
void net_filter_publish(struct virtio_nic *nic);

/* net_vhost.c */
/* Who is to serve the queues, if somebody is; all or nothing. */
int net_vhost_open(struct virtio_nic *nic, struct error *err);
/* Once there are queues; -ENOMEM. */
int net_vhost_init(struct virtio_nic *nic);
void net_vhost_close(struct virtio_nic *nic);
bool net_vhost_attach(struct virtio_dev *vdev, unsigned int index);
void net_vhost_detach(struct virtio_dev *vdev, unsigned int index);
/* Of a vhost-user backend, before config_init: what it can do. */
int net_vhost_user_open(struct virtio_nic *nic, struct error *err);

/* net_device.c */
/* The pair of a queue, or NULL: the control queue, or one that is not used. */
struct net_pair *net_pair_of(struct virtio_nic *nic, unsigned int index);
/* The loop of the first pair, when the driver has begun; once, as nic.begun. */
void net_begin(struct virtio_nic *nic);
void net_set_carrier(struct virtio_nic *nic, bool carrier);
/* The number of pairs that the driver uses. */
void net_activate(struct virtio_nic *nic, unsigned int nr);

#endif
