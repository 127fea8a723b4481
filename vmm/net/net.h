/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's end of a network card: where its frames go and come from.
 *
 *   tap     a TAP interface of the host's, which knows offloads and queues
 *   user    vireo-slirp, a process that is a router with the host's sockets
 *   link    the card of another machine, by a socket
 *   passt   passt(1), or QEMU's -netdev stream, by a socket
 *
 * and vhost-user, of which only virtio/net_vhost.c knows.
 *
 * A backend has a port for each pair of queues.  What needs a name or a
 * privilege is done when it is opened; later, all is done by descriptors, and
 * none of it waits.
 *
 * Locks: none.  A port belongs to one loop, which alone calls recv and send;
 * offload and enable are called by any one loop at a time.
 */
#ifndef VIREO_NET_NET_H
#define VIREO_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <linux/virtio_net.h>

#include "../config.h"

struct error;
struct net_backend;

#define NET_MAC 6
/* An Ethernet header with one tag of a VLAN. */
#define NET_HEADER 14
#define NET_HEADER_TAGGED 18
/* The longest frame: a segment that is to be cut up. */
#define NET_FRAME_MAX (65535 + NET_HEADER_TAGGED)
#define NET_HDR_LEN sizeof(struct virtio_net_hdr_v1)

struct net_port {
	struct net_backend *backend;
	/* To be watched; recv and send may put another in its place. */
	int fd;
	bool up; /* somebody is at the other end */
	/* Part of a frame is yet to go: send wants to be called, if with none. */
	bool unsent;
};

/* A frame, after what is to be said of it: one read(2) of a TAP interface. */
struct net_packet {
	struct virtio_net_hdr_v1 hdr;
	uint8_t frame[NET_FRAME_MAX];
};

struct net_ops {
	/*
	 * The next frame.  Its length; -EAGAIN: there is none; another error:
	 * this one is lost, or, with port->up false, all that would come after
	 * it.
	 */
	ssize_t (*recv)(struct net_port *port, struct net_packet *packet);
	/*
	 * A frame: 0; -EAGAIN: none of it, until fd can be written to; an error
	 * as of recv.  There is one more element before iov[0], which is the
	 * callee's to use.  With @nr 0, what is unsent.
	 */
	int (*send)(struct net_port *port, const struct virtio_net_hdr_v1 *hdr,
		    struct iovec *iov, unsigned int nr);
	/*
	 * The guest's features: which frames it takes.  NULL where offloads is
	 * 0; -errno.
	 */
	int (*offload)(struct net_backend *backend, uint64_t features);
	/* Whether the port gets frames.  NULL where there is but one port. */
	int (*enable)(struct net_port *port, bool on);
	void (*close)(struct net_backend *backend);
};

struct net_backend {
	const struct net_ops *ops;
	uint64_t offloads; /* features VIRTIO_NET_F_* that it has */
	struct net_port *ports;
	unsigned int nr_ports;
};

/* What no option can check alone; -EINVAL. */
int net_check(const struct net_config *cfg, struct error *err);
/* By what the configuration, which was checked, says; all or nothing. */
int net_open(struct net_backend **backend, const struct net_config *cfg,
	     const char *id, unsigned int nr_ports, struct error *err);
void net_close(struct net_backend *backend);

/* "52:54:00:12:34:56"; -EINVAL if it is none, or no card's. */
int net_parse_mac(const char *text, uint8_t mac[NET_MAC], struct error *err);

/*
 * For the backends: an object of @size bytes, which begins with struct
 * net_backend, and @nr_ports ports, none of which has a descriptor.
 */
int net_new(struct net_backend **backend, size_t size,
	    const struct net_ops *ops, unsigned int nr_ports,
	    struct error *err);

int tap_open(struct net_backend **backend, const struct net_config *cfg,
	     unsigned int nr_ports, struct error *err);
int user_open(struct net_backend **backend, const struct net_config *cfg,
	      struct error *err);
/* Connects to the path; with @listen, waits there if nobody does. */
int stream_open(struct net_backend **backend, const struct net_config *cfg,
		bool listen, struct error *err);
/* With a connected @fd, which becomes the backend's. */
int stream_adopt(struct net_backend **backend, int fd, struct error *err);

#endif
