// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The requests of a virtio block device (virtio 1.2, 5.2).
 *
 * A request is taken from the ring, checked, and handed to the disk's block; it
 * completes later, in the same loop.  What was taken in one round of the loop
 * goes out as one batch, and what completes in one round is told by one
 * interrupt.
 */
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "../config.h"
#include "../vm.h"
#include "blk.h"

static struct blk_req *blk_req_get(struct blk_queue *q)
{
	struct blk_req *req = q->free;

	if (req)
		q->free = req->next;
	else
		req = malloc(sizeof(*req));
	if (req)
		req->queue = q;
	return req;
}

static void blk_req_put(struct blk_req *req)
{
	req->next = req->queue->free;
	req->queue->free = req;
}

static void blk_finish(struct blk_req *req, uint8_t status)
{
	struct virtio_queue *vq = req->queue->vq;
	uint32_t put = status == VIRTIO_BLK_S_OK ? req->put : 0;

	*req->status = status;
	/* blk_parse has cut it off the buffers. */
	mem_written(vq->ring.mem, req->status, 1);
	/* The status counts if nothing before it was left out (2.7.8.2). */
	virtio_push(vq, &req->chain, put == req->in_len ? put + 1 : put);
	loop_defer(vq->loop, &req->queue->signal);
	blk_req_put(req);
}

/* Added to by one thread, and read by another. */
static void add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

static void count(struct blk_req *req, int ret)
{
	const struct block_req *b = &req->block;
	struct blk_queue *q = req->queue;
	struct blk_count *count = &q->counts[b->op];

	if (ret) {
		add(&count->failed, 1);
		return;
	}
	add(&count->ops, 1);
	add(&count->bytes, b->len);
	add(&count->ns, loop_now() - req->started);
	if ((b->op == BLOCK_WRITE || b->op == BLOCK_ZERO) &&
	    b->offset + b->len > q->highest)
		__atomic_store_n(&q->highest, b->offset + b->len,
				 __ATOMIC_RELAXED);
}

void blk_failed(struct blk_queue *q, enum block_op op, uint64_t offset, int err)
{
	struct virtio_blk *blk = q->blk;

	log_guest(&blk->io_log, blk->vpci.pci.dev.id,
		  "%s at byte %llu failed: %s",
		  op == BLOCK_READ ? "reading" : "writing",
		  (unsigned long long)offset, strerror(err));
	__atomic_store_n(&q->fault, BLK_FAULT(err, op), __ATOMIC_RELEASE);
	loop_post(blk->vpci.vdev.loop, &q->on_fault);
}

/* The VM stops for it; then it is tried again. */
static void blk_hold(struct blk_req *req)
{
	struct blk_req **end;

	req->next = NULL;
	for (end = &req->queue->held; *end; end = &(*end)->next)
		;
	*end = req;
}

static void blk_done(struct block_req *block, int ret)
{
	struct blk_req *req = container_of(block, struct blk_req, block);
	struct blk_queue *q = req->queue;

	count(req, ret);
	q->in_flight--;
	if (ret) {
		blk_failed(q, block->op, block->offset, -ret);
		if (q->blk->disk->on_error == ON_ERROR_STOP) {
			blk_hold(req);
			return;
		}
	}
	blk_finish(req, ret ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
}

static void blk_begin(struct blk_req *req)
{
	struct blk_queue *q = req->queue;

	q->in_flight++;
	block_submit(q->blk->block, q->lane->aio, &req->block);
}

/* 0, or how long it has to wait for the limits. */
static uint64_t blk_ask(struct blk_req *req)
{
	const struct block_req *b = &req->block;
	bool write = b->op != BLOCK_READ;

	if (b->op == BLOCK_FLUSH)
		return 0;
	return throttle_ask(&req->queue->blk->throttle, loop_now(), write,
			    b->op == BLOCK_READ || b->op == BLOCK_WRITE ?
				    b->len :
				    0);
}

/* As many as may; the timer comes back for the others. */
static void blk_on_time(void *opaque)
{
	struct blk_queue *q = opaque;
	struct blk_req *req;
	uint64_t wait;

	while ((req = q->waiting)) {
		wait = blk_ask(req);
		if (wait) {
			loop_timer_arm(q->lane->loop, &q->wait,
				       loop_now() + wait);
			return;
		}
		q->waiting = req->next;
		blk_begin(req);
	}
	q->waiting_end = &q->waiting;
}

static void blk_start(struct blk_req *req)
{
	struct blk_queue *q = req->queue;
	uint64_t wait = 0;

	if (q->holding) {
		blk_hold(req);
		return;
	}
	if (q->waiting) {
		req->next = NULL;
		*q->waiting_end = req;
		q->waiting_end = &req->next;
		return;
	}
	if (throttle_on(&q->blk->throttle))
		wait = blk_ask(req);
	if (!wait) {
		blk_begin(req);
		return;
	}
	req->next = NULL;
	q->waiting = req;
	q->waiting_end = &req->next;
	loop_timer_arm(q->lane->loop, &q->wait, loop_now() + wait);
}

void blk_queue_retry(void *opaque)
{
	struct blk_queue *q = opaque;
	struct blk_req *req;

	if (!virtio_is_live(q->vq->vdev))
		return;
	while ((req = q->held)) {
		q->held = req->next;
		blk_start(req);
	}
}

/* Writing needs whole blocks of what the host can write (with O_DIRECT). */
static bool blk_may(const struct virtio_blk *blk, enum block_op op,
		    uint64_t offset, uint64_t len)
{
	uint32_t align = blk->block->align;

	if (op == BLOCK_READ || op == BLOCK_FLUSH)
		return true;
	return !blk->block->readonly &&
	       (!align || !((offset | len) & (align - 1)));
}

/* Hands on what lies in the disk; anything else is an error (5.2.6.2). */
static void blk_submit(struct blk_req *req, enum block_op op, uint64_t sector,
		       uint64_t len)
{
	struct blk_queue *q = req->queue;
	struct virtio_blk *blk = q->blk;
	uint64_t sectors = block_size(blk->block) / BLOCK_SECTOR;

	if (len % BLOCK_SECTOR || sector > sectors ||
	    len / BLOCK_SECTOR > sectors - sector ||
	    !blk_may(blk, op, sector * BLOCK_SECTOR, len)) {
		add(&q->counts[op].invalid, 1);
		blk_finish(req, VIRTIO_BLK_S_IOERR);
		return;
	}
	req->started = loop_now();
	req->block.op = op;
	req->block.offset = sector * BLOCK_SECTOR;
	req->block.len = len;
	req->block.done = blk_done;
	/* A driver that cannot flush gets a write-through disk. */
	req->block.sync = !virtio_has(&blk->vpci.vdev, VIRTIO_BLK_F_FLUSH);
	blk_start(req);
}

/* One range, as max_discard_seg and max_write_zeroes_seg say. */
static void blk_range(struct blk_req *req, enum block_op op)
{
	struct virtio_dev *vdev = &req->queue->blk->vpci.vdev;
	struct virtio_blk_discard_write_zeroes range;
	bool zero = op == BLOCK_ZERO;

	if (!virtio_has(vdev, zero ? VIRTIO_BLK_F_WRITE_ZEROES :
				     VIRTIO_BLK_F_DISCARD) ||
	    req->out_len != sizeof(range)) {
		blk_finish(req, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	iov_get(req->out, req->nr_out, &range, sizeof(range));
	if (range.flags & ~(zero ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0U)) {
		blk_finish(req, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	if (!range.num_sectors ||
	    range.num_sectors >
		    (zero ? BLK_ZERO_SECTORS : BLK_DISCARD_SECTORS)) {
		blk_finish(req, VIRTIO_BLK_S_IOERR);
		return;
	}
	req->block.punch = range.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	blk_submit(req, op, range.sector,
		   (uint64_t)range.num_sectors * BLOCK_SECTOR);
}

static void blk_get_id(struct blk_req *req)
{
	const char *serial = req->queue->blk->serial;

	req->put = (uint32_t)iov_put(req->in, req->nr_in, serial,
				     VIRTIO_BLK_ID_BYTES);
	blk_finish(req, VIRTIO_BLK_S_OK);
}

/* False if the chain has no header or no place for the status. */
static bool blk_parse(struct blk_req *req, struct virtio_blk_outhdr *hdr)
{
	struct ring_chain *chain = &req->chain;
	struct iovec *last;

	if (chain->read_len < sizeof(*hdr) || !chain->write_len)
		return false;

	/* How the driver cuts the parts up does not matter (2.7.4). */
	req->out = chain->iov;
	req->nr_out = chain->nr_read;
	req->out_len = chain->read_len - sizeof(*hdr);
	iov_get(req->out, req->nr_out, hdr, sizeof(*hdr));
	iov_trim_front(&req->out, &req->nr_out, sizeof(*hdr));

	req->in = chain->iov + chain->nr_read;
	req->nr_in = chain->nr_write;
	req->in_len = chain->write_len - 1;
	last = &req->in[req->nr_in - 1];
	req->status = (uint8_t *)last->iov_base + last->iov_len - 1;
	iov_trim_back(req->in, &req->nr_in, 1);
	req->put = 0;
	req->block.punch = false;
	return true;
}

static void blk_handle(struct blk_req *req, const struct virtio_blk_outhdr *hdr)
{
	switch (hdr->type) {
	case VIRTIO_BLK_T_IN:
		req->block.iov = req->in;
		req->block.nr_iov = req->nr_in;
		req->put = req->in_len;
		blk_submit(req, BLOCK_READ, hdr->sector, req->in_len);
		break;
	case VIRTIO_BLK_T_OUT:
		req->block.iov = req->out;
		req->block.nr_iov = req->nr_out;
		blk_submit(req, BLOCK_WRITE, hdr->sector, req->out_len);
		break;
	case VIRTIO_BLK_T_FLUSH:
		blk_submit(req, BLOCK_FLUSH, 0, 0);
		break;
	case VIRTIO_BLK_T_GET_ID:
		blk_get_id(req);
		break;
	case VIRTIO_BLK_T_DISCARD:
		blk_range(req, BLOCK_DISCARD);
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		blk_range(req, BLOCK_ZERO);
		break;
	default:
		blk_finish(req, VIRTIO_BLK_S_UNSUPP);
	}
}

static bool blk_serve(struct virtio_dev *vdev, unsigned int index)
{
	struct blk_queue *q = &blk_of_vdev(vdev)->queues[index];
	struct virtio_blk_outhdr hdr;
	struct blk_req *req;
	unsigned int n;

	for (n = 0; n < VIRTIO_BUDGET; n++) {
		req = blk_req_get(q);
		if (!req) {
			virtio_break(q->vq, "out of memory");
			break;
		}
		if (!virtio_pop(q->vq, &req->chain)) {
			blk_req_put(req);
			break;
		}
		if (!blk_parse(req, &hdr)) {
			blk_req_put(req);
			virtio_break(q->vq, "request without header or status");
			break;
		}
		blk_handle(req, &hdr);
	}
	return n == VIRTIO_BUDGET;
}

void blk_take_held(struct blk_queue *q, uint16_t head)
{
	struct blk_req *req = blk_req_get(q);
	struct virtio_blk_outhdr hdr;

	if (!req) {
		virtio_break(q->vq, "out of memory");
		return;
	}
	if (ring_retake(&q->vq->ring, head, &req->chain) < 0 ||
	    !blk_parse(req, &hdr)) {
		blk_req_put(req);
		virtio_break(q->vq, "request changed while it was held");
		return;
	}
	q->holding = true;
	blk_handle(req, &hdr);
	q->holding = false;
}

static void on_signal(void *opaque)
{
	struct blk_queue *q = opaque;

	virtio_signal(q->vq);
}

static void blk_quiesce(struct virtio_dev *vdev, unsigned int index)
{
	struct blk_queue *q = &blk_of_vdev(vdev)->queues[index];
	struct blk_req *req;

	/* Who stops does not wait for the limits. */
	loop_timer_cancel(q->lane->loop, &q->wait);
	while ((req = q->waiting)) {
		q->waiting = req->next;
		blk_begin(req);
	}
	q->waiting_end = &q->waiting;
	while (q->in_flight)
		aio_wait(q->lane->aio);
	virtio_signal(q->vq);
}

void blk_drop_held(struct blk_queue *q)
{
	struct blk_req *req;

	while ((req = q->held)) {
		q->held = req->next;
		blk_req_put(req);
	}
}

/* What is held is of the ring that goes. */
static void blk_reset_queue(struct virtio_dev *vdev, unsigned int index)
{
	blk_drop_held(&blk_of_vdev(vdev)->queues[index]);
}

static void blk_reset(struct virtio_dev *vdev)
{
	struct virtio_blk *blk = blk_of_vdev(vdev);
	unsigned int i;

	for (i = 0; i < vdev->nr_queues; i++)
		blk_drop_held(&blk->queues[i]);
}

const struct virtio_class blk_virtio_class = {
	.id = VIRTIO_ID_BLOCK,
	.nr_queues = 1,
	.queue_size = BLK_QUEUE_SIZE,
	.pci_class = 0x018000, /* mass storage, other */
	.serve = blk_serve,
	.quiesce = blk_quiesce,
	.attach = blk_kernel_attach,
	.detach = blk_kernel_detach,
	.reset_queue = blk_reset_queue,
	.reset = blk_reset,
};

void blk_queue_init(struct blk_queue *q, struct virtio_blk *blk,
		    unsigned int index)
{
	q->blk = blk;
	q->vq = &blk->vpci.vdev.queues[index];
	q->lane = &blk->lanes[index % blk->nr_lanes];
	q->vq->loop = q->lane->loop;
	q->signal.fn = on_signal;
	q->signal.opaque = q;
	q->waiting_end = &q->waiting;
	q->wait.fn = blk_on_time;
	q->wait.opaque = q;
	q->retry.fn = blk_queue_retry;
	q->retry.opaque = q;
	q->on_fault.fn = blk_on_fault;
	q->on_fault.opaque = q;
	q->kernel.event.fd = -1;
}

void blk_queue_destroy(struct blk_queue *q)
{
	struct blk_req *req;

	loop_undefer(q->lane->loop, &q->signal);
	loop_unpost(q->lane->loop, &q->retry);
	loop_unpost(q->blk->vpci.vdev.loop, &q->on_fault);
	blk_drop_held(q);
	while ((req = q->free)) {
		q->free = req->next;
		free(req);
	}
}
