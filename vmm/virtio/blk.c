// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio block device (virtio 1.2, 5.2).
 *
 * A request is taken from the ring, checked, and handed to the disk's block; it
 * completes later, in the same loop.  What was taken in one round of the loop
 * goes out as one batch, and what completes in one round is told by one
 * interrupt.
 *
 * Locks: none.  A queue and its requests are its loop's.  The counters of a
 * queue are written there and read by the main thread, as they are.
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "../block/block.h"
#include "../config.h"
#include "../error.h"
#include "../vm.h"
#include "pci.h"
#include "virtio_devices.h"

#define BIT64(n) (1ULL << (n))

#define BLK_QUEUE_SIZE 128
/* A header and a status byte go with the data. */
#define BLK_SEG_MAX (BLK_QUEUE_SIZE - 2)
#define BLK_DISCARD_SECTORS (1U << 22)
/* Less, since it may come down to writing them. */
#define BLK_ZERO_SECTORS (1U << 16)

struct virtio_blk;
struct blk_queue;

struct blk_req {
	struct block_req block;
	struct blk_queue *queue;
	struct blk_req *next;
	uint8_t *status;   /* in guest memory */
	uint32_t in_len;   /* bytes of data that the driver has room for */
	uint32_t out_len;  /* bytes of data that it has sent */
	uint64_t started;  /* loop_now() */
	uint32_t put;	   /* bytes of room that are filled on success */
	struct iovec *in;  /* the room */
	struct iovec *out; /* what it has sent */
	unsigned int nr_in;
	unsigned int nr_out;
	struct ring_chain chain;
};

struct blk_queue {
	struct virtio_blk *blk;
	struct virtio_queue *vq;
	struct aio *aio;
	struct blk_req *free; /* requests not in use */
	unsigned int in_flight;
	struct loop_call signal; /* deferred to the end of a round */
	struct blk_count counts[BLOCK_NR_OPS];
	uint64_t highest;
};

struct virtio_blk {
	struct virtio_pci vpci;
	struct block *block;
	struct aio *aio;
	struct blk_queue *queues;
	struct virtio_blk_config config;
	char serial[VIRTIO_BLK_ID_BYTES]; /* padded with zeros */
	const struct disk_config *disk;
	struct log_limit io_log;
};

static struct virtio_blk *to_blk(struct virtio_dev *vdev)
{
	return container_of(vdev, struct virtio_blk, vpci.vdev);
}

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

static void blk_done(struct block_req *block, int ret)
{
	struct blk_req *req = container_of(block, struct blk_req, block);
	struct virtio_blk *blk = req->queue->blk;

	count(req, ret);
	if (ret)
		log_guest(&blk->io_log, blk->vpci.pci.dev.id,
			  "%s at byte %llu failed: %s",
			  block->op == BLOCK_READ ? "reading" : "writing",
			  (unsigned long long)block->offset, strerror(-ret));
	req->queue->in_flight--;
	blk_finish(req, ret ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
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
	    (op != BLOCK_READ && op != BLOCK_FLUSH && blk->block->readonly)) {
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
	q->in_flight++;
	block_submit(blk->block, q->aio, &req->block);
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
	struct blk_queue *q = &to_blk(vdev)->queues[index];
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

static void on_signal(void *opaque)
{
	struct blk_queue *q = opaque;

	virtio_signal(q->vq);
}

static void blk_quiesce(struct virtio_dev *vdev, unsigned int index)
{
	struct blk_queue *q = &to_blk(vdev)->queues[index];

	while (q->in_flight)
		aio_wait(q->aio);
	virtio_signal(q->vq);
}

static const struct virtio_class blk_virtio_class = {
	.id = VIRTIO_ID_BLOCK,
	.nr_queues = 1,
	.queue_size = BLK_QUEUE_SIZE,
	.pci_class = 0x018000, /* mass storage, other */
	.serve = blk_serve,
	.quiesce = blk_quiesce,
};

static void blk_config_init(struct virtio_blk *blk)
{
	struct virtio_blk_config *c = &blk->config;
	struct virtio_dev *vdev = &blk->vpci.vdev;

	c->capacity = block_size(blk->block) / BLOCK_SECTOR;
	c->seg_max = BLK_SEG_MAX;
	c->blk_size = blk->block->block_size;
	vdev->features = BIT64(VIRTIO_BLK_F_SEG_MAX) |
			 BIT64(VIRTIO_BLK_F_BLK_SIZE);
	if (!blk->block->writethrough)
		vdev->features |= BIT64(VIRTIO_BLK_F_FLUSH);
	if (blk->block->readonly) {
		vdev->features |= BIT64(VIRTIO_BLK_F_RO);
	} else {
		vdev->features |= BIT64(VIRTIO_BLK_F_DISCARD) |
				  BIT64(VIRTIO_BLK_F_WRITE_ZEROES);
		c->max_discard_sectors = BLK_DISCARD_SECTORS;
		c->max_discard_seg = 1;
		c->discard_sector_alignment =
			blk->block->block_size / BLOCK_SECTOR;
		c->max_write_zeroes_sectors = BLK_ZERO_SECTORS;
		c->max_write_zeroes_seg = 1;
		c->write_zeroes_may_unmap = 1;
	}
	vdev->config = c;
	/* The fields that some feature here gives a meaning. */
	vdev->config_len =
		offsetof(struct virtio_blk_config, write_zeroes_may_unmap) + 4;
}

static int blk_queues_make(struct virtio_blk *blk, struct error *err)
{
	struct virtio_dev *vdev = &blk->vpci.vdev;
	struct blk_queue *q;
	unsigned int i;

	blk->queues = calloc(vdev->nr_queues, sizeof(*blk->queues));
	if (!blk->queues)
		return error_sys(err, ENOMEM, "cannot make %s", vdev->dev->id);
	for (i = 0; i < vdev->nr_queues; i++) {
		q = &blk->queues[i];
		q->blk = blk;
		q->vq = &vdev->queues[i];
		q->aio = blk->aio;
		q->signal.fn = on_signal;
		q->signal.opaque = q;
	}
	return 0;
}

static void blk_queues_free(struct virtio_blk *blk)
{
	struct virtio_dev *vdev = &blk->vpci.vdev;
	struct blk_queue *q;
	struct blk_req *req;

	for (q = blk->queues; q < blk->queues + vdev->nr_queues; q++) {
		loop_undefer(q->vq->loop, &q->signal);
		while ((req = q->free)) {
			q->free = req->next;
			free(req);
		}
	}
	free(blk->queues);
}

static int blk_realize(struct device *dev, const void *config,
		       struct error *err)
{
	struct virtio_blk *blk =
		container_of(dev, struct virtio_blk, vpci.pci.dev);
	const struct disk_config *disk = config;
	const char *serial = disk->serial ? disk->serial : dev->id;
	const struct block_options options = {
		.path = disk->path,
		.readonly = disk->readonly,
	};
	int rc;

	rc = block_open(&blk->block, &options, err);
	if (rc)
		return rc;
	rc = aio_open(&blk->aio, dev->vm->loop, blk->block->aio, err);
	if (rc)
		goto err_block;
	blk->disk = disk;
	memcpy(blk->serial, serial, strnlen(serial, sizeof(blk->serial)));
	blk_config_init(blk);
	rc = virtio_pci_init(&blk->vpci, &blk_virtio_class, err);
	if (rc)
		goto err_aio;
	rc = blk_queues_make(blk, err);
	if (rc)
		goto err_virtio;
	return 0;

err_virtio:
	virtio_pci_destroy(&blk->vpci);
err_aio:
	aio_close(blk->aio);
err_block:
	block_close(blk->block);
	return rc;
}

static void blk_unrealize(struct device *dev)
{
	struct virtio_blk *blk =
		container_of(dev, struct virtio_blk, vpci.pci.dev);

	blk_queues_free(blk);
	virtio_pci_destroy(&blk->vpci);
	aio_close(blk->aio);
	block_close(blk->block);
}

static uint64_t get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void virtio_blk_status(const struct device *dev, struct blk_status *status)
{
	const struct virtio_blk *blk =
		container_of(dev, struct virtio_blk, vpci.pci.dev);
	const struct blk_queue *q;
	unsigned int i;

	*status = (struct blk_status){
		.block = blk->block,
		.config = blk->disk,
	};
	for (q = blk->queues; q < blk->queues + blk->vpci.vdev.nr_queues; q++) {
		for (i = 0; i < BLOCK_NR_OPS; i++) {
			status->counts[i].ops += get(&q->counts[i].ops);
			status->counts[i].bytes += get(&q->counts[i].bytes);
			status->counts[i].ns += get(&q->counts[i].ns);
			status->counts[i].failed += get(&q->counts[i].failed);
			status->counts[i].invalid += get(&q->counts[i].invalid);
		}
		if (get(&q->highest) > status->highest)
			status->highest = get(&q->highest);
	}
}

const struct dev_class virtio_blk_class = {
	.name = "disk",
	.size = sizeof(struct virtio_blk),
	.realize = blk_realize,
	.reset = virtio_pci_reset,
	.start = virtio_pci_start,
	.stop = virtio_pci_stop,
	.unrealize = blk_unrealize,
};
