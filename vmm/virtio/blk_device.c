// SPDX-License-Identifier: GPL-2.0-or-later
/* A disk: its block, its threads, and what the guest and people see of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../config.h"
#include "../device/devices.h"
#include "../error.h"
#include "../iothread.h"
#include "../state.h"
#include "../vm.h"
#include "blk.h"

#define BIT64(n) (1ULL << (n))
/* More have little use, and each costs the guest memory. */
#define QUEUES_BY_DEFAULT 4

/* ---- lanes ----------------------------------------------------------------- */

/* The queues of a lane: i, i + nr_lanes and so on. */
#define for_each_queue_of(lane, q)                                         \
	for ((q) = (lane)->blk->queues + (lane)->index;                    \
	     (q) < (lane)->blk->queues + (lane)->blk->vpci.vdev.nr_queues; \
	     (q) += (lane)->blk->nr_lanes)

static bool lane_poll(void *opaque)
{
	struct blk_lane *lane = opaque;
	bool any = aio_poll(lane->aio);
	struct blk_queue *q;

	for_each_queue_of(lane, q)
	{
		if (!virtio_pending(q->vq))
			continue;
		virtio_serve(q->vq->vdev, q->vq->index);
		any = true;
	}
	return any;
}

static void lane_poll_begin(void *opaque)
{
	struct blk_lane *lane = opaque;
	struct blk_queue *q;

	for_each_queue_of(lane, q) if (q->vq->up) virtio_poll_on(q->vq);
}

static bool lane_poll_end(void *opaque)
{
	struct blk_lane *lane = opaque;
	struct blk_queue *q;
	bool any = false;

	for_each_queue_of(lane, q) if (q->vq->up) any |= virtio_poll_off(q->vq);
	return any;
}

static void lane_add_poller(struct blk_lane *lane)
{
	lane->poller = (struct loop_poller){
		.poll = lane_poll,
		.begin = lane_poll_begin,
		.end = lane_poll_end,
		.opaque = lane,
	};
	loop_poller_add(lane->loop, &lane->poller);
}

static int lane_make(struct blk_lane *lane, struct error *err)
{
	struct virtio_blk *blk = lane->blk;
	const struct disk_config *disk = blk->disk;
	struct device *dev = &blk->vpci.pci.dev;
	struct iothread_options opt = {
		.cpus = disk->cpus,
		.poll_max_ns = disk->poll * 1000ULL,
		.kind = SANDBOX_IO,
	};
	char name[IOTHREAD_NAME + 32];
	int rc;

	lane->loop = dev->vm->loop;
	if (!disk->iothreads)
		return 0;
	if (blk->nr_lanes > 1)
		snprintf(name, sizeof(name), "io-%s-%u", dev->id, lane->index);
	else
		snprintf(name, sizeof(name), "io-%s", dev->id);
	rc = iothread_new(&lane->iothread, dev->vm, name, &opt, err);
	if (!rc)
		lane->loop = lane->iothread->loop;
	return rc;
}

/* In the lane's thread: an engine may be bound to the thread that makes it. */
static int lane_open_aio(void *opaque, struct error *err)
{
	struct blk_lane *lane = opaque;
	struct virtio_blk *blk = lane->blk;
	const struct device *dev = &blk->vpci.pci.dev;
	enum sandbox sandbox = dev->vm->cfg->sandbox;
	int rc;

	if (dev->plugged) {
		lane->aio = hotplug_aio(dev->vm->hotplug, blk->block->direct);
		return 0;
	}
	rc = aio_open(&lane->aio, lane->loop, blk->block->aio, sandbox, err);

	/* The host may have no more of what was not asked for. */
	if (rc == -EAGAIN &&
	    (blk->disk->aio == AIO_AUTO || blk->disk->aio == AIO_KERNEL)) {
		log_info(dev->id, "%s; so aio=threads",
			 err ? err->text : "no Linux AIO");
		rc = aio_open(&lane->aio, lane->loop, AIO_THREADS, sandbox,
			      err);
	}
	return rc;
}

static int blk_begin(struct device *dev, struct error *err)
{
	struct virtio_blk *blk = blk_of_dev(dev);
	struct blk_lane *lane;
	int rc = 0;

	for (lane = blk->lanes; lane < blk->lanes + blk->nr_lanes && !rc;
	     lane++) {
		lane_add_poller(lane);
		rc = lane->iothread ? iothread_start(lane->iothread,
						     lane_open_aio, lane, err) :
				      lane_open_aio(lane, err);
	}
	return rc;
}

static void lane_end(struct blk_lane *lane)
{
	if (lane->iothread)
		iothread_end(lane->iothread);
	if (lane->poller.opaque)
		loop_poller_del(lane->loop, &lane->poller);
}

/* Nobody runs its loop any more. */
static void lane_close(struct blk_lane *lane)
{
	/* Else it is lent. */
	if (lane->aio && !lane->blk->vpci.pci.dev.plugged)
		aio_close(lane->aio);
	if (lane->iothread)
		iothread_free(lane->iothread);
}

static void lanes_close(struct virtio_blk *blk)
{
	unsigned int i;

	for (i = 0; i < blk->nr_lanes; i++)
		lane_close(&blk->lanes[i]);
	free(blk->lanes);
}

static void lanes_end(struct virtio_blk *blk)
{
	unsigned int i;

	for (i = 0; i < blk->nr_lanes; i++)
		lane_end(&blk->lanes[i]);
}

static int lanes_make(struct virtio_blk *blk, struct error *err)
{
	unsigned int i, n = blk->disk->iothreads;
	int rc = 0;

	if (n > blk->vpci.vdev.nr_queues)
		n = blk->vpci.vdev.nr_queues;
	if (!n)
		n = 1;
	blk->lanes = calloc(n, sizeof(*blk->lanes));
	if (!blk->lanes)
		return error_sys(err, ENOMEM, "cannot make %s",
				 blk->vpci.pci.dev.id);
	blk->nr_lanes = n;
	for (i = 0; i < n && !rc; i++) {
		blk->lanes[i].blk = blk;
		blk->lanes[i].index = i;
		rc = lane_make(&blk->lanes[i], err);
	}
	if (!rc)
		return 0;
	blk->nr_lanes = i - 1;
	lanes_end(blk);
	lanes_close(blk);
	return rc;
}

/* ---- what the guest sees ---------------------------------------------------- */

static unsigned int log2_of(unsigned int n)
{
	return (unsigned int)__builtin_ctz(n);
}

static int topology_init(struct virtio_blk *blk, struct error *err)
{
	const struct disk_config *disk = blk->disk;
	struct virtio_blk_config *c = &blk->config;
	unsigned int logical = blk->block->block_size;
	unsigned int physical;

	if (disk->block_size && disk->block_size < logical &&
	    blk->block->direct)
		return error_set(err, EINVAL,
				 "disk %s has blocks of %u bytes: block-size "
				 "cannot be less (but with cache=writeback)",
				 disk->path, logical);
	if (disk->block_size)
		logical = disk->block_size;
	if (block_size(blk->block) % logical)
		return error_set(err, EINVAL,
				 "the size of disk image %s is not a multiple "
				 "of its block-size, %u",
				 disk->path, logical);
	if (logical & (logical - 1))
		return error_set(err, EINVAL,
				 "block-size of disk %s must be a power of two",
				 disk->path);
	physical = disk->physical_size ? disk->physical_size : logical;
	if (physical < logical || physical & (physical - 1))
		return error_set(err, EINVAL,
				 "physical-size of disk %s must be a power of "
				 "two from its block-size, %u",
				 disk->path, logical);
	c->blk_size = logical;
	c->physical_block_exp = (uint8_t)log2_of(physical / logical);
	c->min_io_size = (uint16_t)(disk->min_io / logical);
	c->opt_io_size = disk->opt_io / logical;
	return 0;
}

static int config_init(struct virtio_blk *blk, struct error *err)
{
	struct virtio_blk_config *c = &blk->config;
	struct virtio_dev *vdev = &blk->vpci.vdev;
	int rc = topology_init(blk, err);

	if (rc)
		return rc;
	c->capacity = block_size(blk->block) / BLOCK_SECTOR;
	c->seg_max = BLK_SEG_MAX;
	c->num_queues = vdev->nr_queues;
	vdev->features = BIT64(VIRTIO_BLK_F_SEG_MAX) |
			 BIT64(VIRTIO_BLK_F_BLK_SIZE) |
			 BIT64(VIRTIO_BLK_F_TOPOLOGY);
	if (vdev->nr_queues > 1)
		vdev->features |= BIT64(VIRTIO_BLK_F_MQ);
	/* Without, each write is on stable storage when it is done. */
	if (!blk->block->writethrough)
		vdev->features |= BIT64(VIRTIO_BLK_F_FLUSH);
	if (blk->block->readonly) {
		vdev->features |= BIT64(VIRTIO_BLK_F_RO);
	} else {
		vdev->features |= BIT64(VIRTIO_BLK_F_DISCARD) |
				  BIT64(VIRTIO_BLK_F_WRITE_ZEROES);
		c->max_discard_sectors = BLK_DISCARD_SECTORS;
		c->max_discard_seg = 1;
		c->discard_sector_alignment = c->blk_size / BLOCK_SECTOR;
		c->max_write_zeroes_sectors = BLK_ZERO_SECTORS;
		c->max_write_zeroes_seg = 1;
		c->write_zeroes_may_unmap = 1;
	}
	vdev->config = c;
	/* The fields that some feature here gives a meaning. */
	vdev->config_len =
		offsetof(struct virtio_blk_config, write_zeroes_may_unmap) + 4;
	return 0;
}

int virtio_blk_resize(struct device *dev, uint64_t size, struct error *err)
{
	struct virtio_blk *blk = blk_of_dev(dev);
	int rc;

	if (size % blk->config.blk_size)
		return error_set(err, EINVAL,
				 "the size of %s must be a multiple of %u bytes",
				 dev->id, blk->config.blk_size);
	/* Nothing is to be taken from behind the end by then. */
	if (size && size < block_size(blk->block))
		blk_kernel_resized(blk, size);
	rc = block_resize(blk->block, size, err);
	/* Or again what it was. */
	blk_kernel_resized(blk, block_size(blk->block));
	if (rc)
		return rc;
	pthread_mutex_lock(&dev->lock);
	blk->config.capacity = block_size(blk->block) / BLOCK_SECTOR;
	virtio_config_changed(&blk->vpci.vdev);
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

/* ---- failures --------------------------------------------------------------- */

void blk_on_fault(void *opaque)
{
	struct blk_queue *q = opaque;
	struct virtio_blk *blk = q->blk;
	struct device *dev = &blk->vpci.pci.dev;
	uint32_t fault = __atomic_exchange_n(&q->fault, 0, __ATOMIC_ACQ_REL);
	struct vm_io_error e = {
		.device = dev->id,
		.write = (fault & 0xff) != BLOCK_READ,
		.stops = blk->disk->on_error == ON_ERROR_STOP,
		.err = (int)(fault >> 8),
	};

	if (!fault)
		return;
	blk->failed = e.err;
	vm_io_error(dev->vm, &e);
}

static void blk_start(struct device *dev)
{
	struct virtio_blk *blk = blk_of_dev(dev);
	unsigned int i;

	blk->failed = 0;
	virtio_pci_start(dev);
	for (i = 0; i < blk->vpci.vdev.nr_queues; i++)
		loop_post(blk->queues[i].lane->loop, &blk->queues[i].retry);
}

/* ---- life ------------------------------------------------------------------- */

static unsigned int queues_wanted(const struct virtio_blk *blk)
{
	unsigned int n = blk->disk->queues;

	if (n)
		return n;
	n = blk->vpci.pci.dev.vm->cfg->cpus;
	if (n > QUEUES_BY_DEFAULT)
		n = QUEUES_BY_DEFAULT;
	return n ? n : 1;
}

static void limits_init(struct virtio_blk *blk)
{
	const struct disk_config *disk = blk->disk;
	struct throttle_limit limits[THROTTLE_KINDS] = {
		[THROTTLE_OPS] = { disk->iops, disk->iops_burst },
		[THROTTLE_BYTES] = { disk->bps, disk->bps_burst },
	};

	throttle_init(&blk->throttle);
	throttle_set(&blk->throttle, limits);
}

struct throttle *virtio_blk_throttle(struct device *dev)
{
	return &blk_of_dev(dev)->throttle;
}

void virtio_blk_limit(struct device *dev, const struct throttle_limit *limits)
{
	struct virtio_blk *blk = blk_of_dev(dev);

	throttle_set(&blk->throttle, limits);
	blk_kernel_limited(blk);
}

static int queues_make(struct virtio_blk *blk, struct error *err)
{
	struct virtio_dev *vdev = &blk->vpci.vdev;
	unsigned int i;

	blk->queues = calloc(vdev->nr_queues, sizeof(*blk->queues));
	if (!blk->queues)
		return error_sys(err, ENOMEM, "cannot make %s", vdev->dev->id);
	for (i = 0; i < vdev->nr_queues; i++)
		blk_queue_init(&blk->queues[i], blk, i);
	return 0;
}

static int blk_realize(struct device *dev, const void *config,
		       struct error *err)
{
	struct virtio_blk *blk = blk_of_dev(dev);
	const struct disk_config *disk = config;
	const char *serial = disk->serial ? disk->serial : dev->id;
	const struct block_options options = {
		.path = disk->path,
		.fd = disk->fd,
		.nodes = dev->vm->nodes,
		.format = disk->format,
		.readonly = disk->readonly,
		.cache = disk->cache,
		.aio = disk->aio,
	};
	int rc;

	blk->disk = disk;
	limits_init(blk);
	memcpy(blk->serial, serial, strnlen(serial, sizeof(blk->serial)));
	rc = block_open(&blk->block, &options, err);
	if (rc)
		goto err_throttle;
	blk->vpci.vdev.nr_queues = (uint16_t)queues_wanted(blk);
	rc = config_init(blk, err);
	if (rc)
		goto err_block;
	rc = lanes_make(blk, err);
	if (rc)
		goto err_block;
	rc = virtio_pci_init(&blk->vpci, &blk_virtio_class, err);
	if (rc)
		goto err_lanes;
	rc = queues_make(blk, err);
	if (rc)
		goto err_virtio;
	blk_kernel_open(blk);
	return 0;

err_virtio:
	virtio_pci_destroy(&blk->vpci);
err_lanes:
	lanes_end(blk);
	lanes_close(blk);
err_block:
	block_close(blk->block);
err_throttle:
	throttle_destroy(&blk->throttle);
	return rc;
}

static void blk_unrealize(struct device *dev)
{
	struct virtio_blk *blk = blk_of_dev(dev);
	unsigned int i;

	lanes_end(blk);
	blk_kernel_close(blk);
	for (i = 0; i < blk->vpci.vdev.nr_queues; i++)
		blk_queue_destroy(&blk->queues[i]);
	virtio_pci_destroy(&blk->vpci);
	free(blk->queues);
	lanes_close(blk);
	block_close(blk->block);
	throttle_destroy(&blk->throttle);
}

void virtio_blk_status(const struct device *dev, struct blk_status *status)
{
	const struct virtio_blk *blk = blk_of_dev(dev);
	struct blk_queue *q;

	*status = (struct blk_status){
		.block = blk->block,
		.config = blk->disk,
		.failed = blk->failed,
	};
	for (q = blk->queues; q < blk->queues + blk->vpci.vdev.nr_queues; q++)
		blk_kernel_count(q, status);
}

static const struct state_field blk_fields[] = {
	STATE_VIRTIO(struct virtio_blk),
	{ STATE_U(struct virtio_blk, saved_capacity) },
	{ 0 },
};

static int blk_prepare(void *obj, struct error *err)
{
	struct virtio_blk *blk = obj;

	blk->saved_capacity = blk->config.capacity;
	return virtio_pci_state_prepare(obj, err);
}

static int blk_loaded(void *obj, struct error *err)
{
	struct virtio_blk *blk = obj;

	if (blk->saved_capacity != blk->config.capacity)
		return error_set(
			err, EINVAL,
			"saved_capacity: %llu sectors there, %llu here: another disk",
			(unsigned long long)blk->saved_capacity,
			(unsigned long long)blk->config.capacity);
	return virtio_pci_state_loaded(obj, err);
}

static const struct state_table blk_state = {
	.version = 1,
	.fields = blk_fields,
	.prepare = blk_prepare,
	.loaded = blk_loaded,
};

const struct dev_class virtio_blk_class = {
	.name = "disk",
	.size = sizeof(struct virtio_blk),
	.realize = blk_realize,
	.begin = blk_begin,
	.reset = virtio_pci_reset,
	.start = blk_start,
	.stop = virtio_pci_stop,
	.state = &blk_state,
	.unrealize = blk_unrealize,
};
