/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What blk.c, which carries out requests, blk_kernel.c, which leaves that to the
 * module, and blk_device.c, the device around them, share.
 *
 * A queue is served by one loop, that of its lane: an I/O thread of the disk's,
 * or the main thread.  So the disk as a whole belongs to as many loops as it
 * has lanes, and each queue, with all its requests, to one.
 *
 * Locks: none.  What a queue has is its loop's, but that
 *   counts, highest   are written there and read by the main thread (atomic)
 *   fault             is exchanged between both (atomic)
 *   held              is the main thread's while the device is stopped
 *   kernel.on, .id    change under blk->kernel.lock
 * The block is shared by all (see block.h), and so are the limits
 * (throttle.h), if there are any; config is under dev->lock.
 *   kernel.lock   mutex   what of the disk the module serves, and what was said
 *                         of it; takes none
 */
#ifndef VIREO_VIRTIO_BLK_H
#define VIREO_VIRTIO_BLK_H

#include <linux/vireo.h>
#include <linux/virtio_blk.h>

#include "../block/block.h"
#include "../block/throttle.h"
#include "pci.h"
#include "virtio_devices.h"

#define BLK_QUEUE_SIZE 128
/* A header and a status byte go with the data. */
#define BLK_SEG_MAX (BLK_QUEUE_SIZE - 2)
#define BLK_DISCARD_SECTORS (1U << 22)
/* Less, since it may come down to writing them. */
#define BLK_ZERO_SECTORS (1U << 16)

struct disk_config;
struct iothread;
struct virtio_blk;

/* A loop that serves queues of the disk, and its I/O. */
struct blk_lane {
	struct virtio_blk *blk;
	struct iothread *iothread; /* NULL: the main thread */
	struct loop *loop;
	struct aio *aio;
	struct loop_poller poller;
	unsigned int index;
};

struct blk_req {
	struct block_req block;
	struct blk_queue *queue;
	struct blk_req *next; /* of queue->free, waiting or held */
	uint8_t *status;      /* in guest memory */
	uint32_t in_len;      /* bytes of data that the driver has room for */
	uint32_t out_len;     /* bytes of data that it has sent */
	uint64_t started;     /* loop_now() */
	uint32_t put;	      /* bytes of room that are filled on success */
	struct iovec *in;     /* the room */
	struct iovec *out;    /* what it has sent */
	unsigned int nr_in;
	unsigned int nr_out;
	struct ring_chain chain;
};

/* What the module has of a queue. */
struct blk_kernel_queue {
	bool on; /* it serves the queue */
	uint32_t id;
	uint64_t errors;		  /* of which the main thread knows */
	struct vireo_queue_counts counts; /* under kernel.lock: as last seen */
	struct loop_fd event;
};

/* And of the disk. */
struct blk_kernel {
	pthread_mutex_t lock;
	int fd;		 /* of VIREO_DISK_CREATE; -1: nothing */
	bool odd_limits; /* it does not know such limits; atomic */
	const char *why; /* was told last; NULL: it serves */
	unsigned int told;
};

struct blk_queue {
	struct virtio_blk *blk;
	struct virtio_queue *vq;
	struct blk_lane *lane;
	struct blk_req *free; /* requests not in use */
	unsigned int in_flight;
	struct loop_call signal; /* deferred to the end of a round */
	struct blk_req *waiting, **waiting_end; /* for the limits */
	struct loop_timer wait;
	struct blk_req *held; /* failed; wait for the VM to go on */
	bool holding;	      /* what is taken now is held */
	struct loop_call retry;
	uint32_t fault;		   /* BLK_FAULT of the last failure, or 0 */
	struct loop_call on_fault; /* in the main thread */
	struct blk_count counts[BLOCK_NR_OPS];
	uint64_t highest;
	struct blk_kernel_queue kernel;
};

struct virtio_blk {
	struct virtio_pci vpci;
	struct block *block;
	const struct disk_config *disk;
	struct throttle throttle;
	struct blk_lane *lanes;
	unsigned int nr_lanes;
	struct blk_queue *queues;
	struct blk_kernel kernel;
	struct virtio_blk_config config;
	char serial[VIRTIO_BLK_ID_BYTES]; /* padded with zeros */
	int failed; /* an errno, since it was last started; the main thread's */
	struct log_limit io_log;
	uint64_t saved_capacity; /* while it is saved or loaded */
};

static inline struct virtio_blk *blk_of_vdev(struct virtio_dev *vdev)
{
	return container_of(vdev, struct virtio_blk, vpci.vdev);
}

static inline struct virtio_blk *blk_of_dev(const struct device *dev)
{
	return container_of(dev, struct virtio_blk, vpci.pci.dev);
}

extern const struct virtio_class blk_virtio_class;

/* blk.c; all but the first from the queue's loop or while it does not run */
void blk_queue_init(struct blk_queue *q, struct virtio_blk *blk,
		    unsigned int index);
void blk_queue_destroy(struct blk_queue *q);
/* Submits what is held once more. */
void blk_queue_retry(void *queue);

/* A request failed on the host: says so. */
void blk_failed(struct blk_queue *q, enum block_op op, uint64_t offset,
		int err);
/* Holds a request that somebody else has taken, to submit it as if it failed. */
void blk_take_held(struct blk_queue *q, uint16_t head);
/* Forgets what is held. */
void blk_drop_held(struct blk_queue *q);

/* blk_kernel.c: aio=kernel */
/* Cannot fail: what the module does not serve is served here. */
void blk_kernel_open(struct virtio_blk *blk);
void blk_kernel_close(struct virtio_blk *blk);
/* For struct virtio_class. */
bool blk_kernel_attach(struct virtio_dev *vdev, unsigned int index);
void blk_kernel_detach(struct virtio_dev *vdev, unsigned int index);
/* Adds what a queue has done, here and there, and makes up for its highest. */
void blk_kernel_count(struct blk_queue *q, struct blk_status *status);
/* The main thread: the disk has another size; its throttle says something new. */
void blk_kernel_resized(struct virtio_blk *blk, uint64_t size);
void blk_kernel_limited(struct virtio_blk *blk);

/* blk_device.c: the main thread hears of a failure. */
void blk_on_fault(void *queue);

#endif
