/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rings that others serve: the kernel (/dev/vhost-net, /dev/vhost-vsock), or a
 * process beside this one (vhost-user, QEMU's docs/interop/vhost-user.rst).
 *
 *   vhost.c    a ring handed over and taken back; what both have in common
 *   kernel.c   by ioctls
 *   user.c     by messages over a UNIX socket
 *   peer.c     a vhost-user connection that may go and come back
 *
 * Who serves sees all of the guest's memory, of which it gets the descriptor or
 * the addresses, and is trusted with it; its replies are not: each is bounded,
 * and one that cannot be ends the connection.
 *
 * It writes to memory behind the back of logs (memory.h): who is to keep one
 * with rings handed over would pass it on by a function here, as
 * VHOST_SET_LOG_BASE and its message, with VHOST_F_LOG_ALL.
 *
 * Locks:
 *   vhost.lock   mutex   one request at a time, and all of struct vhost but
 *                        ops, mem, and features; loops of several queues meet
 *                        here.  It is held while a reply is waited for, up to
 *                        VHOST_WAIT_S seconds, after which nobody is there.
 */
#ifndef VIREO_VHOST_VHOST_H
#define VIREO_VHOST_VHOST_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../loop.h"

struct error;
struct mem;
struct ring;
struct vhost;
struct virtio_queue;

#define VHOST_WAIT_S 10
#define VHOST_CONFIG_MAX 256

/* Of a ring, in addresses of this process. */
struct vhost_ring {
	uint16_t num;
	uint16_t base; /* what it takes next */
	const void *desc, *avail, *used;
	int kick_fd, call_fd;
};

/* Each: 0 or -errno; vhost.lock is held. */
struct vhost_ops {
	const char *name;
	/* Once, before all others. */
	int (*own)(struct vhost *vh);
	int (*set_memory)(struct vhost *vh);
	int (*set_features)(struct vhost *vh, uint64_t features);
	int (*start)(struct vhost *vh, unsigned int index,
		     const struct vhost_ring *ring);
	/* Returns with nothing in flight; *base: what it would take next. */
	int (*stop)(struct vhost *vh, unsigned int index, uint16_t *base);
};

struct vhost {
	const struct vhost_ops *ops;
	const struct mem *mem;
	uint64_t features; /* VIRTIO_F_ and so on, that it has */
	pthread_mutex_t lock;
	int fd;		/* -1: nobody is there */
	bool prepared;	/* it has an owner and the memory */
	uint64_t acked; /* the driver's, if prepared */
	int backend_fd; /* vhost-net: the TAP interface */

	/* vhost-user */
	uint64_t protocol;     /* features of it */
	unsigned int nr_rings; /* that it has at most */
	unsigned int unit;     /* of which it tells the number: 1, or a pair */
	int inflight_fd;       /* what it has begun, in a file; or -1 */
	uint64_t inflight_size;
	uint64_t inflight_offset;
	unsigned int inflight_rings;
	unsigned int inflight_num; /* of descriptors of a ring */
};

void vhost_init(struct vhost *vh, const struct vhost_ops *ops,
		const struct mem *mem);
void vhost_destroy(struct vhost *vh);

/* ---- the kernel ---- */

extern const struct vhost_ops vhost_net_ops;
extern const struct vhost_ops vhost_vsock_ops;

/* Opens the device @path; -errno. */
int vhost_kernel_open(struct vhost *vh, const char *path);
int vhost_vsock_set_cid(struct vhost *vh, uint64_t cid);
/* Once both rings are started, until one of them is to be stopped. */
int vhost_vsock_run(struct vhost *vh, bool on);

/* ---- vhost-user ---- */

extern const struct vhost_ops vhost_user_ops;

/*
 * Greets who is at the other end of @fd, which becomes vh->fd if that goes
 * well.  @features: what it must have had before, which it must have again.
 */
int vhost_user_greet(struct vhost *vh, int fd, uint64_t features,
		     struct error *err);
/* Nobody is there any more.  Rings are stopped as before, but for a base. */
void vhost_user_gone(struct vhost *vh);
/* The device's configuration; -EOPNOTSUPP where it has none. */
int vhost_user_config(struct vhost *vh, void *buf, uint32_t len);
/* A driver begins anew: what was begun is of no use to it. */
void vhost_user_forget(struct vhost *vh);
/* Whether requests that were begun are known to whoever comes next. */
bool vhost_user_inflight(const struct vhost *vh);

/* ---- queues ---- */

/* One that can be served so; zeros but for its first three. */
struct vhost_queue {
	struct vhost *vh;
	struct virtio_queue *vq;
	unsigned int index; /* there */
	bool on;
	struct loop_fd call; /* where nothing else interrupts; fd -1: not made */
};

void vhost_queue_init(struct vhost_queue *q, struct vhost *vh,
		      struct virtio_queue *vq, unsigned int index);
/* Of a queue that nobody serves any more. */
void vhost_queue_destroy(struct vhost_queue *q);
/*
 * [queue] For attach and detach of virtio.h: hands the ring over, or says why
 * not; takes it back.  False if it is not known what has become of requests.
 */
const char *vhost_queue_start(struct vhost_queue *q);
bool vhost_queue_stop(struct vhost_queue *q);

#endif
