// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio block device (virtio 1.2, 5.2) over a raw image.
 *
 * A request is taken from the ring, checked, and handed to the image with a
 * completion function; nothing here assumes that it completes at once.  All of
 * it runs in the device's loop.
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "../block/raw.h"
#include "../config.h"
#include "../error.h"
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

struct blk_req {
	struct raw_req raw;
	struct virtio_blk *blk;
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

struct virtio_blk {
	struct virtio_pci vpci;
	struct raw raw;
	struct virtio_blk_config config;
	char serial[VIRTIO_BLK_ID_BYTES]; /* padded with zeros */
	struct blk_req *free;		  /* requests not in use */
	const struct disk_config *disk;
	struct blk_count counts[RAW_NR_OPS];
	uint64_t highest;
	struct log_limit io_log;
};

static struct virtio_blk *to_blk(struct virtio_dev *vdev)
{
	return container_of(vdev, struct virtio_blk, vpci.vdev);
}

static struct blk_req *blk_req_get(struct virtio_blk *blk)
{
	struct blk_req *req = blk->free;

	if (req)
		blk->free = req->next;
	else
		req = malloc(sizeof(*req));
	if (req)
		req->blk = blk;
	return req;
}

static void blk_req_put(struct blk_req *req)
{
	req->next = req->blk->free;
	req->blk->free = req;
}

static void blk_finish(struct blk_req *req, uint8_t status)
{
	struct virtio_queue *vq = req->blk->vpci.vdev.queues;
	uint32_t put = status == VIRTIO_BLK_S_OK ? req->put : 0;

	*req->status = status;
	/* The status counts if nothing before it was left out (2.7.8.2). */
	virtio_push(vq, req->chain.head, put == req->in_len ? put + 1 : put);
	blk_req_put(req);
}

static void count(struct blk_req *req, int ret)
{
	const struct raw_req *raw = &req->raw;
	struct blk_count *count = &req->blk->counts[raw->op];

	if (ret) {
		count->failed++;
		return;
	}
	count->ops++;
	count->bytes += raw->len;
	count->ns += loop_now() - req->started;
	if ((raw->op == RAW_WRITE || raw->op == RAW_ZERO) &&
	    raw->offset + raw->len > req->blk->highest)
		req->blk->highest = raw->offset + raw->len;
}

static void blk_done(struct raw_req *raw, int ret)
{
	struct blk_req *req = container_of(raw, struct blk_req, raw);

	count(req, ret);
	if (ret)
		log_guest(&req->blk->io_log, req->blk->vpci.pci.dev.id,
			  "%s at byte %llu failed: %s",
			  raw->op == RAW_READ ? "reading" : "writing",
			  (unsigned long long)raw->offset, strerror(-ret));
	blk_finish(req, ret ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
}

/* Hands on what lies in the image; anything else is an error (5.2.6.2). */
static void blk_submit(struct blk_req *req, enum raw_op op, uint64_t sector,
		       uint64_t len)
{
	struct virtio_blk *blk = req->blk;
	uint64_t sectors = blk->raw.size / RAW_SECTOR;

	if (len % RAW_SECTOR || sector > sectors ||
	    len / RAW_SECTOR > sectors - sector ||
	    (op != RAW_READ && op != RAW_FLUSH && blk->raw.readonly)) {
		blk->counts[op].invalid++;
		blk_finish(req, VIRTIO_BLK_S_IOERR);
		return;
	}
	req->started = loop_now();
	req->raw.op = op;
	req->raw.offset = sector * RAW_SECTOR;
	req->raw.len = len;
	req->raw.done = blk_done;
	/* A driver that cannot flush gets a write-through disk. */
	req->raw.sync = !virtio_has(&blk->vpci.vdev, VIRTIO_BLK_F_FLUSH);
	raw_submit(&blk->raw, &req->raw);
}

/* One range, as max_discard_seg and max_write_zeroes_seg say. */
static void blk_range(struct blk_req *req, enum raw_op op)
{
	struct virtio_dev *vdev = &req->blk->vpci.vdev;
	struct virtio_blk_discard_write_zeroes range;
	bool zero = op == RAW_ZERO;

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
	req->raw.punch = range.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	blk_submit(req, op, range.sector,
		   (uint64_t)range.num_sectors * RAW_SECTOR);
}

static void blk_get_id(struct blk_req *req)
{
	const char *serial = req->blk->serial;

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
		req->raw.iov = req->in;
		req->raw.nr_iov = req->nr_in;
		req->put = req->in_len;
		blk_submit(req, RAW_READ, hdr->sector, req->in_len);
		break;
	case VIRTIO_BLK_T_OUT:
		req->raw.iov = req->out;
		req->raw.nr_iov = req->nr_out;
		blk_submit(req, RAW_WRITE, hdr->sector, req->out_len);
		break;
	case VIRTIO_BLK_T_FLUSH:
		blk_submit(req, RAW_FLUSH, 0, 0);
		break;
	case VIRTIO_BLK_T_GET_ID:
		blk_get_id(req);
		break;
	case VIRTIO_BLK_T_DISCARD:
		blk_range(req, RAW_DISCARD);
		break;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		blk_range(req, RAW_ZERO);
		break;
	default:
		blk_finish(req, VIRTIO_BLK_S_UNSUPP);
	}
}

static bool blk_serve(struct virtio_dev *vdev, unsigned int index)
{
	struct virtio_queue *vq = &vdev->queues[index];
	struct virtio_blk *blk = to_blk(vdev);
	struct virtio_blk_outhdr hdr;
	struct blk_req *req;
	unsigned int n;

	for (n = 0; n < VIRTIO_BUDGET; n++) {
		req = blk_req_get(blk);
		if (!req) {
			virtio_break(vq, "out of memory");
			break;
		}
		if (!virtio_pop(vq, &req->chain)) {
			blk_req_put(req);
			break;
		}
		if (!blk_parse(req, &hdr)) {
			blk_req_put(req);
			virtio_break(vq, "request without header or status");
			break;
		}
		blk_handle(req, &hdr);
	}
	virtio_signal(vq);
	return n == VIRTIO_BUDGET;
}

static const struct virtio_class blk_virtio_class = {
	.id = VIRTIO_ID_BLOCK,
	.nr_queues = 1,
	.queue_size = BLK_QUEUE_SIZE,
	.pci_class = 0x018000, /* mass storage, other */
	.serve = blk_serve,
};

static void blk_config_init(struct virtio_blk *blk)
{
	struct virtio_blk_config *c = &blk->config;
	struct virtio_dev *vdev = &blk->vpci.vdev;

	c->capacity = blk->raw.size / RAW_SECTOR;
	c->seg_max = BLK_SEG_MAX;
	c->blk_size = blk->raw.block_size;
	vdev->features = BIT64(VIRTIO_BLK_F_SEG_MAX) |
			 BIT64(VIRTIO_BLK_F_BLK_SIZE) |
			 BIT64(VIRTIO_BLK_F_FLUSH);
	if (blk->raw.readonly) {
		vdev->features |= BIT64(VIRTIO_BLK_F_RO);
	} else {
		vdev->features |= BIT64(VIRTIO_BLK_F_DISCARD) |
				  BIT64(VIRTIO_BLK_F_WRITE_ZEROES);
		c->max_discard_sectors = BLK_DISCARD_SECTORS;
		c->max_discard_seg = 1;
		c->discard_sector_alignment = blk->raw.block_size / RAW_SECTOR;
		c->max_write_zeroes_sectors = BLK_ZERO_SECTORS;
		c->max_write_zeroes_seg = 1;
		c->write_zeroes_may_unmap = 1;
	}
	vdev->config = c;
	/* The fields that some feature here gives a meaning. */
	vdev->config_len =
		offsetof(struct virtio_blk_config, write_zeroes_may_unmap) + 4;
}

static int blk_realize(struct device *dev, const void *config,
		       struct error *err)
{
	struct virtio_blk *blk =
		container_of(dev, struct virtio_blk, vpci.pci.dev);
	const struct disk_config *disk = config;
	const char *serial = disk->serial ? disk->serial : dev->id;
	int rc;

	rc = raw_open(&blk->raw, disk->path, disk->readonly, err);
	if (rc)
		return rc;
	blk->disk = disk;
	memcpy(blk->serial, serial, strnlen(serial, sizeof(blk->serial)));
	blk_config_init(blk);
	rc = virtio_pci_init(&blk->vpci, &blk_virtio_class, err);
	if (rc)
		goto err_raw;
	return 0;

err_raw:
	raw_close(&blk->raw);
	return rc;
}

static void blk_unrealize(struct device *dev)
{
	struct virtio_blk *blk =
		container_of(dev, struct virtio_blk, vpci.pci.dev);
	struct blk_req *req;

	virtio_pci_destroy(&blk->vpci);
	while ((req = blk->free)) {
		blk->free = req->next;
		free(req);
	}
	raw_close(&blk->raw);
}

void virtio_blk_status(const struct device *dev, struct blk_status *status)
{
	const struct virtio_blk *blk =
		container_of(dev, struct virtio_blk, vpci.pci.dev);

	*status = (struct blk_status){
		.raw = &blk->raw,
		.config = blk->disk,
		.counts = blk->counts,
		.highest = blk->highest,
	};
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
