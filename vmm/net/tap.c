// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A TAP interface of the host's.  Each port is a queue of it; what is said of a
 * frame is said as the guest says it (struct virtio_net_hdr_v1), so that the host
 * sums and cuts up what the guest did not, and the other way round.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../error.h"
#include "net.h"

#define BIT64(n) (1ULL << (n))
#define DEVICE "/dev/net/tun"

/* Features of both directions, which the interface has or has not. */
#define TAP_OFFLOADS                                                       \
	(BIT64(VIRTIO_NET_F_CSUM) | BIT64(VIRTIO_NET_F_HOST_TSO4) |        \
	 BIT64(VIRTIO_NET_F_HOST_TSO6) | BIT64(VIRTIO_NET_F_HOST_ECN) |    \
	 BIT64(VIRTIO_NET_F_HOST_UFO) | BIT64(VIRTIO_NET_F_GUEST_CSUM) |   \
	 BIT64(VIRTIO_NET_F_GUEST_TSO4) | BIT64(VIRTIO_NET_F_GUEST_TSO6) | \
	 BIT64(VIRTIO_NET_F_GUEST_ECN) | BIT64(VIRTIO_NET_F_GUEST_UFO))

static ssize_t tap_recv(struct net_port *port, struct net_packet *packet)
{
	ssize_t n = read(port->fd, packet, NET_HDR_LEN + NET_FRAME_MAX);

	if (n < 0)
		return -errno;
	return n < (ssize_t)NET_HDR_LEN ? -EIO : n - (ssize_t)NET_HDR_LEN;
}

static int tap_send(struct net_port *port, const struct virtio_net_hdr_v1 *hdr,
		    struct iovec *iov, unsigned int nr)
{
	/* The kernel only reads it. */
	iov[-1] = (struct iovec){ (void *)(uintptr_t)hdr, sizeof(*hdr) };
	return writev(port->fd, iov - 1, (int)nr + 1) < 0 ? -errno : 0;
}

static int tap_offload(struct net_backend *backend, uint64_t features)
{
	static const struct {
		unsigned int feature;
		unsigned int flag;
	} flags[] = {
		{ VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
		{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
		{ VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
		{ VIRTIO_NET_F_GUEST_UFO, TUN_F_UFO },
	};
	unsigned long set = 0;
	unsigned int i;

	/* Nothing can be cut up where nothing can be summed. */
	if (features & BIT64(VIRTIO_NET_F_GUEST_CSUM)) {
		set = TUN_F_CSUM;
		for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
			if (features & BIT64(flags[i].feature))
				set |= flags[i].flag;
	}
	return ioctl(backend->ports->fd, TUNSETOFFLOAD, set) ? -errno : 0;
}

static int tap_enable(struct net_port *port, bool on)
{
	struct ifreq ifr = { .ifr_flags = on ? IFF_ATTACH_QUEUE :
					       IFF_DETACH_QUEUE };

	if (port->up == on)
		return 0;
	if (ioctl(port->fd, TUNSETQUEUE, &ifr))
		return -errno;
	port->up = on;
	return 0;
}

static void tap_close(struct net_backend *backend)
{
	unsigned int i;

	for (i = 0; i < backend->nr_ports; i++)
		if (backend->ports[i].fd >= 0)
			close(backend->ports[i].fd);
}

static const struct net_ops tap_ops = {
	.recv = tap_recv,
	.send = tap_send,
	.offload = tap_offload,
	.close = tap_close,
};

static const struct net_ops tap_queues_ops = {
	.recv = tap_recv,
	.send = tap_send,
	.offload = tap_offload,
	.enable = tap_enable,
	.close = tap_close,
};

static const char *hint(int errnum)
{
	switch (errnum) {
	case ENOENT:
	case ENODEV:
		return " (is the kernel's module tun loaded?)";
	case EPERM:
	case EACCES:
		return " (it takes CAP_NET_ADMIN, or an interface that was "
		       "made for this user: see vireo net)";
	case EBUSY:
		return " (another machine has it)";
	case EINVAL:
		return " (was it made with as many queues as are asked for?)";
	default:
		return "";
	}
}

/* A queue of the interface @name, or of a new one whose name it becomes. */
static int open_queue(int *out, char name[IFNAMSIZ], bool queues,
		      struct error *err)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK), rc;

	if (fd < 0)
		return error_set(err, errno, "cannot open %s: %s%s", DEVICE,
				 strerror(errno), hint(errno));
	if (queues)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	if (ioctl(fd, TUNSETIFF, &ifr)) {
		rc = error_set(err, errno, "cannot use the interface %s: %s%s",
			       *name ? name : "(new)", strerror(errno),
			       hint(errno));
		close(fd);
		return rc;
	}
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	*out = fd;
	return 0;
}

/* One that somebody else has opened. */
static int adopt(int fd, struct error *err)
{
	struct ifreq ifr = { 0 };
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || ioctl(fd, TUNGETIFF, &ifr))
		return error_sys(err, errno, "fd=%d is no TAP interface", fd);
	if (!(ifr.ifr_flags & IFF_TAP) || !(ifr.ifr_flags & IFF_NO_PI) ||
	    !(ifr.ifr_flags & IFF_VNET_HDR))
		return error_set(err, EINVAL,
				 "fd=%d must have been opened with IFF_TAP, "
				 "IFF_NO_PI and IFF_VNET_HDR",
				 fd);
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC))
		return error_sys(err, errno, "cannot use fd=%d", fd);
	return 0;
}

static int open_ports(struct net_backend *tap, const struct net_config *cfg,
		      struct error *err)
{
	char name[IFNAMSIZ] = "";
	struct net_port *port;
	int rc = 0;

	if (cfg->name && strlen(cfg->name) >= IFNAMSIZ)
		return error_set(err, EINVAL,
				 "name=%.32s has more than %d characters",
				 cfg->name, IFNAMSIZ - 1);
	if (cfg->name)
		strcpy(name, cfg->name);
	for (port = tap->ports; port < tap->ports + tap->nr_ports && !rc;
	     port++) {
		if (cfg->has_fd) {
			rc = adopt((int)cfg->fd, err);
			if (!rc)
				port->fd = (int)cfg->fd;
		} else {
			rc = open_queue(&port->fd, name, tap->nr_ports > 1,
					err);
		}
		port->up = !rc;
		/* All but the first wait until the driver wants them. */
		if (!rc && port != tap->ports && tap_enable(port, false))
			rc = error_sys(err, errno, "cannot stop a queue of %s",
				       name);
	}
	return rc;
}

int tap_open(struct net_backend **backend, const struct net_config *cfg,
	     unsigned int nr_ports, struct error *err)
{
	const struct net_ops *ops = nr_ports > 1 ? &tap_queues_ops : &tap_ops;
	struct net_backend *tap;
	int len = sizeof(struct virtio_net_hdr_v1);
	unsigned int i;
	int rc;

	rc = net_new(&tap, sizeof(*tap), ops, nr_ports, err);
	if (rc)
		return rc;
	rc = open_ports(tap, cfg, err);
	/* Of the interface, but for each queue to be sure. */
	for (i = 0; i < nr_ports && !rc; i++)
		if (ioctl(tap->ports[i].fd, TUNSETVNETHDRSZ, &len))
			rc = error_sys(err, errno,
				       "cannot set up the interface");
	if (rc) {
		net_close(tap);
		return rc;
	}
	tap->offloads = BIT64(VIRTIO_NET_F_CSUM) |
			BIT64(VIRTIO_NET_F_GUEST_CSUM);
	if (!tap_offload(tap, TAP_OFFLOADS))
		tap->offloads = TAP_OFFLOADS;
	tap_offload(tap, 0);
	*backend = tap;
	return 0;
}
