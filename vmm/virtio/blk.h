/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What blk.c, which carries out requests, and blk_device.c, the device around
 * them, share.
 *
 * A queue is served by one loop, that of its lane: an I/O thread of the disk's,
 * or the main thread.  So the disk as a whole belongs to as many loops as it
 * has lanes, and each queue, with all its requests, to one.
 *
 * Locks: none.  What a queue has is its loop's, but that
 *   counts, highest   are written there and read by the main thread (atomic)
 *   fault             is exchanged between both (atomic)
 *   held              is the main thread's while the device is stopped
 * The block is shared by all (see block.h), and so are the limits
 * (throttle.h), if there are any; config is under dev->lock.
 */
#ifndef VIREO_VIRTIO_BLK_H
#define VIREO_VIRTIO_BLK_H

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
	struct loop_call retry;
	uint32_t fault;		   /* BLK_FAULT of the last failure, or 0 */
	struct loop_call on_fault; /* in the main thread */
	struct blk_count counts[BLOCK_NR_OPS];
	uint64_t highest;
};

struct virtio_blk {
	struct virtio_pci vpci;
	struct block *block;
	const struct disk_config *disk;
	struct throttle throttle;
	struct blk_lane *lanes;
	unsigned int nr_lanes;
	struct blk_queue *queues;
	struct virtio_blk_config config;
	char serial[VIRTIO_BLK_ID_BYTES]; /* padded with zeros */
	int failed; /* an errno, since it was last started; the main thread's */
	struct log_limit io_log;
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

/* blk_device.c: the main thread hears of a failure. */
void blk_on_fault(void *queue);

#endif
