/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Block queues: virtqueues of virtio block devices that the module serves.
 *
 * A request goes this way:
 *
 *   the ring -> take (queue_serve.c) -> read (queue_blk.c) -> submit (queue_io.c)
 *            -> the disk -> done (queue_serve.c) -> the ring
 *
 * It is taken by the vCPU that rings the doorbell, or by the queue's worker
 * (vireo_queue.taker) when kick_fd is signalled and for what a vCPU leaves.  What
 * would have to wait is submitted, or all of it done, by another worker
 * (vireo_queue.waiter).  It is done in whatever context the disk says so.
 *
 * Locks, in the order in which they nest (those of vireo.h are around them, but
 * for vireo_vm.lock and slots_lock, which a vCPU that serves must not take):
 *
 *  1 vireo_queue.serve   mutex     taking: one thread does it at a time, others
 *                                  leave it to that one
 *    vireo_vm.maps_lock and those of mem.h nest here
 *  2 vireo_disk.lock     spinlock  the limits
 *  3 vireo_queue.lock    spinlock  giving back; taken with interrupts off, and
 *                                  eventfds are signalled under it
 *
 * A request owns the pages that it is about, from the VM's memory objects.  A
 * queue owns its disk's file, and goes when nothing of it is in flight.  Nothing
 * takes a request back that a disk has: closing the VM's descriptor waits for it
 * for VIREO_CLOSE_MS, and leaves what is to be done then to a thread, which has a
 * reference to the module.
 */
#ifndef _VIREO_QUEUE_H
#define _VIREO_QUEUE_H

#include <linux/bio.h>
#include <linux/blk_types.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/spinlock.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "vireo.h"
#include "vring.h"

/* Of vireo_queue_add.features. */
#define VIREO_QUEUE_FEATURES                                              \
	(BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_F_RING_PACKED) |    \
	 BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) |                           \
	 BIT_ULL(VIRTIO_RING_F_EVENT_IDX) | BIT_ULL(VIRTIO_BLK_F_FLUSH) | \
	 BIT_ULL(VIRTIO_BLK_F_DISCARD) | BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES))

/* How long closing a VM waits for its disks. */
#define VIREO_CLOSE_MS 5000
/* What a doorbell takes at most before the vCPU goes on. */
#define VIREO_BELL_BUDGET 64
/* Bytes of requests that may be in flight, unless it is a single one. */
#define VIREO_QUEUE_BYTES (16U << 20)
/* Larger requests are done in pieces of this, one after the other. */
#define VIREO_REQ_BYTES (1U << 20)
/* Buffers of a request that need no memory of their own. */
#define VIREO_REQ_VECS 8

/**
 * struct vireo_bucket - a limit: a token bucket
 * @rate: units per second, 0: no limit
 * @depth: nanoseconds that it may be ahead
 * @ahead: when, in ktime_get_ns(), what was let through would be through at @rate
 */
struct vireo_bucket {
	u64 rate;
	u64 depth;
	u64 ahead;
};

/**
 * struct vireo_disk - what a disk file descriptor stands for
 * @file: what is stored; owns a reference
 * @bdev: if it is a block device, else NULL
 * @flags: VIREO_DISK_*
 * @block_size: least that is read or written
 * @mem_mask: bits that addresses of memory must not have
 * @bytes: what the guest sees; may change at any time
 * @limited: whether there is a limit; likewise
 * @lock: protects @iops and @bps
 * @iops: limit of requests
 * @bps: limit of bytes
 * @serial: for GET_ID
 */
struct vireo_disk {
	struct file *file;
	struct block_device *bdev;
	u32 flags;
	u32 block_size;
	u32 mem_mask;
	u64 bytes;
	bool limited;
	spinlock_t lock;
	struct vireo_bucket iops;
	struct vireo_bucket bps;
	char serial[20];
};

/**
 * struct vireo_ring_part - a part of a ring in kernel space
 * @pages: what it is in; owns a reference to each
 * @nr_pages: of them
 * @at: mapping of @pages
 */
struct vireo_ring_part {
	struct page **pages;
	u32 nr_pages;
	void *at;
};

#define VIREO_RING_PARTS 3

/* Bits of vireo_queue.state. */
#define VIREO_QUEUE_KICKED 0 /* to be looked at */
#define VIREO_QUEUE_STOP 1   /* takes nothing any more */
#define VIREO_QUEUE_HOLDS 2  /* likewise, since a request failed; under lock */

/**
 * struct vireo_queue - a queue
 * @vm: its VM; borrowed, as the VM's release ends the queue
 * @disk_file: the disk's; owns a reference
 * @disk: of it
 * @features: that the driver accepted
 * @flags: VIREO_QUEUE_* of vireo_queue_add
 * @state: bits VIREO_QUEUE_KICKED and so on
 * @serve: see above; protects what follows, up to @todo, and the taking side of
 *         @ring
 * @ring: the ring
 * @chain: the chain that is being taken
 * @spare: a request without content, or NULL
 * @waiting: the one that was taken last, if it waits for the limits
 * @waiting_todo: that one came from @todo
 * @todo: heads that are to be taken first
 * @nr_todo: of them
 * @lock: protects what follows, up to @counts, and the other side of @ring
 * @in_flight: requests that were taken and not given back, held ones not counted
 * @bytes: of their data
 * @batches: who is giving back several: the last of them signals
 * @full: @bytes are too many: @taker is to go on when there are less
 * @slow: vireo_req.link, for @waiter
 * @held: heads of failed ones that were not given back; room for one per
 *        descriptor
 * @nr_held: of them
 * @errors: requests that failed
 * @failed_errno: of the last that did
 * @failed_type: likewise
 * @failed_sector: likewise
 * @counts: for the owner, with cycles in place of ns
 * @idle: woken when @in_flight turns 0
 * @call: signalled to interrupt the driver; owns a reference
 * @event: signalled when there is news for the owner; likewise, or NULL
 * @taker: takes what vCPUs leave
 * @later: the same, when there is something to wait for
 * @waiter: does @slow
 * @kick_file: eventfd that is listened to; owns a reference; or NULL
 * @kick_head: its queue of who waits
 * @kick_wait: the entry there
 * @kick_poll: for getting there
 * @part: of the ring
 * @bus_dev: while vCPUs can reach it by a doorbell
 * @bell_bus: the doorbell: VIREO_BUS_*
 * @bell_len: its bytes, 0: none
 * @bell_addr: its address
 * @bell_match: with VIREO_QUEUE_BELL_MATCH the value that is written
 * @stats: statistics
 * @kref: held by vireo_vm.queues and by a lookup
 * @name: as given
 */
struct vireo_queue {
	struct vireo_vm *vm;
	struct file *disk_file;
	struct vireo_disk *disk;
	u64 features;
	u32 flags;
	unsigned long state;

	struct mutex serve;
	struct vireo_vring ring;
	struct vireo_chain chain;
	struct vireo_req *spare;
	struct vireo_req *waiting;
	bool waiting_todo;
	u16 *todo;
	u32 nr_todo;

	spinlock_t lock;
	u32 in_flight;
	u64 bytes;
	u32 batches;
	bool full;
	struct list_head slow;
	u16 *held;
	u32 nr_held;
	u64 errors;
	u32 failed_errno;
	u32 failed_type;
	u64 failed_sector;
	struct vireo_queue_counts counts;

	wait_queue_head_t idle;
	struct eventfd_ctx *call;
	struct eventfd_ctx *event;
	struct work_struct taker;
	struct delayed_work later;
	struct work_struct waiter;

	struct file *kick_file;
	wait_queue_head_t *kick_head;
	wait_queue_entry_t kick_wait;
	poll_table kick_poll;

	struct vireo_ring_part part[VIREO_RING_PARTS];
	struct vireo_bus_dev *bus_dev;
	u32 bell_bus;
	u32 bell_len;
	u64 bell_addr;
	u64 bell_match;
	struct vireo_queue_stats stats;
	struct kref kref;
	char name[32];
};

/**
 * struct vireo_req - a request
 * @queue: its queue
 * @link: in vireo_queue.slow
 * @begun: when it was taken, in ktime_get_ns()
 * @type: VIRTIO_BLK_T_*
 * @op: enum vireo_queue_op, what it is for statistics
 * @sector: first sector of 512 bytes
 * @bytes: of the disk that it is about
 * @put: what is told to be written, if it succeeds, the status included
 * @head: of its chain
 * @nr_desc: likewise
 * @unmap: WRITE_ZEROES: blocks may be freed
 * @fua: it must be stable when done
 * @nowait: it was submitted so that it does not wait
 * @failed: the disk could not
 * @whole: @waiter is to do all of it, else to submit it
 * @status_offset: of the status in @status
 * @status: page that has the status; owns a reference
 * @nr_vecs: in @vecs
 * @nr_bounce: in @bounce
 * @vecs: data in guest memory; owns a reference to each one's page
 * @bounce: pages that stand in for those, if the disk cannot have them; or NULL;
 *          owned
 * @segs: of one that is done in pieces; owned; or NULL
 * @nr_segs: of them
 * @bio: for a block device
 * @iocb: for a file
 * @inline_vecs: @vecs, if they are few
 */
struct vireo_req {
	struct vireo_queue *queue;
	struct list_head link;
	u64 begun;
	u32 type;
	u32 op;
	u64 sector;
	u64 bytes;
	u32 put;
	u16 head;
	u16 nr_desc;
	bool unmap : 1;
	bool fua : 1;
	bool nowait : 1;
	bool whole : 1;
	bool failed : 1;
	u16 status_offset;
	struct page *status;
	u32 nr_vecs;
	u32 nr_bounce;
	struct bio_vec *vecs;
	struct bio_vec *bounce;
	struct vireo_seg *segs;
	u32 nr_segs;
	union {
		struct bio bio;
		struct kiocb iocb;
	};
	struct bio_vec inline_vecs[VIREO_REQ_VECS];
};

/* Whether it copies from the disk to the guest, or the other way. */
static inline bool vireo_req_reads(const struct vireo_req *req)
{
	return req->op == VIREO_QUEUE_OP_READ;
}

static inline bool vireo_req_has_data(const struct vireo_req *req)
{
	return req->op == VIREO_QUEUE_OP_READ ||
	       req->op == VIREO_QUEUE_OP_WRITE;
}

/* disk.c */
long vireo_disk_create(void *unused, union vireo_arg *arg, void __user *uarg);
struct vireo_disk *vireo_disk_of(struct file *file);
u64 vireo_disk_ask(struct vireo_disk *disk, u64 bytes);

/* queue.c */
long vireo_queue_add(void *object, union vireo_arg *arg, void __user *uarg);
long vireo_queue_del(void *object, union vireo_arg *arg, void __user *uarg);
long vireo_queue_state(void *object, union vireo_arg *arg, void __user *uarg);
bool vireo_queue_stop_all(struct vireo_vm *vm, long limit);
void vireo_queue_del_all(struct vireo_vm *vm);

/* queue_bell.c */
int vireo_queue_bell(struct vireo_queue *q, u64 addr, u32 len, const void *val);
bool vireo_bells_overlap(struct vireo_vm *vm, u32 bus, u64 addr, u64 len,
			 const struct vireo_queue *but);
void vireo_queue_listen(struct vireo_queue *q);
void vireo_queue_unlisten(struct vireo_queue *q);

/* queue_serve.c */
void vireo_queue_init_serve(struct vireo_queue *q);
void vireo_queue_look(struct vireo_queue *q, bool bell);
long vireo_queue_stop(struct vireo_queue *q, long limit, bool signals);
void vireo_queue_end_serve(struct vireo_queue *q);
void vireo_req_free(struct vireo_req *req);
void vireo_req_slow(struct vireo_req *req, bool whole);
void vireo_queue_counts(struct vireo_queue *q, struct vireo_queue_counts *to);
void vireo_req_finish(struct vireo_req *req, u8 status);
void vireo_req_done(struct vireo_req *req, int error);

/* queue_blk.c */

/* What a chain came to. */
enum vireo_read {
	VIREO_READ_SUBMIT, /* to be submitted */
	VIREO_READ_STATUS, /* done, with *status */
	VIREO_READ_BAD,	   /* the ring is broken */
	VIREO_READ_AGAIN,  /* no memory: as if it had not been taken */
};

enum vireo_read vireo_req_read(struct vireo_req *req, struct vireo_chain *chain,
			       u8 *status);
int vireo_req_vecs(struct vireo_req *req, const struct vireo_seg *segs,
		   u32 nr_segs, u64 from, u32 bytes);
void vireo_req_put_vecs(struct vireo_req *req);
void vireo_req_bounced(struct vireo_req *req);

/* queue_io.c */
void vireo_req_submit(struct vireo_req *req, bool nowait);
int vireo_req_do(struct vireo_req *req);

#endif /* _VIREO_QUEUE_H */
