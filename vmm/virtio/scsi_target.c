// SPDX-License-Identifier: GPL-2.0-or-later
/* virtio SCSI host: what is attached to it, and what changes of that. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "scsi.h"

/* The reason of a changed medium or capacity: a sense code (5.6.6.3). */
#define CAPACITY_CHANGED (0x2a | 0x09 << 8)
#define ASYNC_MEDIA_CHANGE 16

static struct scsi_target *target_of(const struct scsi_lun *lun)
{
	return (struct scsi_target *)((char *)lun -
				      offsetof(struct scsi_target, lun));
}

/* ---- what units tell ----------------------------------------------------- */

/* In the main thread; of very many moves only as many as show the last. */
static void tell_moves(void *opaque)
{
	struct scsi_target *target = opaque;
	unsigned int n =
		__atomic_exchange_n(&target->moves, 0, __ATOMIC_RELAXED);

	for (n = n > 2 ? 2 - n % 2 : n; n; n--) {
		target->told_open = !target->told_open;
		vm_tray_moved(target->scsi->vpci.pci.dev.vm, target->id,
			      target->told_open);
	}
}

static void on_tray_moved(struct scsi_lun *lun)
{
	struct scsi_target *target = target_of(lun);
	struct loop *main_loop = scsi_main_loop(target->scsi);

	__atomic_add_fetch(&target->moves, 1, __ATOMIC_RELAXED);
	if (loop_elsewhere(main_loop))
		loop_post(main_loop, &target->tell);
	else
		tell_moves(target);
}

static void on_count(struct scsi_lun *lun, const struct block_req *req, int ret,
		     uint64_t ns)
{
	struct scsi_target *target = target_of(lun);
	struct blk_count *count = &target->counts[req->op];

	if (ret) {
		count->failed++;
		return;
	}
	count->ops++;
	count->bytes += req->len;
	count->ns += ns;
	if ((req->op == BLOCK_WRITE || req->op == BLOCK_ZERO) &&
	    req->offset + req->len > target->highest)
		target->highest = req->offset + req->len;
}

/* ---- coming and going ---------------------------------------------------- */

static int open_block(struct scsi_target *target, struct block **block,
		      const struct disk_config *config, bool cdrom,
		      struct error *err)
{
	const struct block_options options = {
		.path = config->path,
		.fd = config->fd,
		.nodes = target->scsi->vpci.pci.dev.vm->nodes,
		.format = config->format,
		.readonly = config->readonly || cdrom,
		.cache = config->cache,
		.aio = config->aio,
	};

	*block = NULL;
	if (cdrom && !strcmp(config->path, "none"))
		return 0;
	return block_open(block, &options, err);
}

/* Takes @block, which may be NULL, if it succeeds. */
static int target_init(struct scsi_target *target, struct block *block,
		       bool cdrom, const struct disk_config *config,
		       struct error *err)
{
	const char *serial = config->serial;
	int rc;

	rc = scsi_lun_init(&target->lun, cdrom ? &scsi_cdrom : &scsi_disk,
			   block, serial ? serial : target->id);
	if (rc == -EINVAL)
		return error_set(err, EINVAL,
				 "image %s is smaller than a block",
				 block->path);
	if (rc)
		return error_sys(err, -rc, "cannot make %s", target->id);
	target->lun.tray_moved = on_tray_moved;
	target->lun.count = on_count;
	scsi_wait_init(target, config);
	return 0;
}

static void take_away(void *opaque)
{
	struct scsi_target *target = opaque;

	target->scsi->targets[target->number] = NULL;
}

/* What has completed its last request is no longer at it. */
static void bury(void *opaque)
{
	struct scsi_target *target = opaque;

	loop_sync(target->scsi->loop, take_away, target);
	scsi_target_free(target);
}

static void put_up(void *opaque)
{
	struct scsi_target *target = opaque;

	target->scsi->targets[target->number] = target;
}

/* The main thread alone takes numbers, and gives them back. */
static unsigned int free_number(const struct virtio_scsi *scsi)
{
	unsigned int i;

	for (i = 0; i < SCSI_TARGETS && scsi->targets[i]; i++)
		;
	return i;
}

int scsi_target_add(struct virtio_scsi *scsi, const struct disk_config *config,
		    bool cdrom, struct error *err)
{
	struct device *dev = &scsi->vpci.pci.dev;
	struct scsi_target *target;
	struct block *block;
	unsigned int i = free_number(scsi);
	int rc;

	if (i == SCSI_TARGETS)
		return error_set(err, ENOSPC, "%s has no place for another",
				 dev->id);
	target = calloc(1, sizeof(*target));
	if (!target)
		return error_sys(err, ENOMEM, "cannot add to %s", dev->id);
	target->scsi = scsi;
	target->number = i;
	target->bury.fn = bury;
	target->bury.opaque = target;
	target->tell.fn = tell_moves;
	target->tell.opaque = target;
	snprintf(target->id, sizeof(target->id), "%.12s-%s%u", dev->id,
		 cdrom ? "cd" : "hd", i);
	rc = open_block(target, &block, config, cdrom, err);
	if (rc)
		goto err_free;
	rc = target_init(target, block, cdrom, config, err);
	if (rc)
		goto err_block;
	loop_sync(scsi->loop, put_up, target);
	return (int)i;

err_block:
	if (block)
		block_close(block);
err_free:
	free(target);
	return rc;
}

void scsi_target_free(struct scsi_target *target)
{
	loop_unpost(scsi_main_loop(target->scsi), &target->bury);
	loop_unpost(scsi_main_loop(target->scsi), &target->tell);
	scsi_wait_destroy(target);
	scsi_lun_destroy(&target->lun);
	free(target);
}

/* Not at once: the aio that has just completed something is still at it. */
void scsi_target_put(struct scsi_target *target)
{
	if (!--target->in_flight && target->removed)
		loop_post(scsi_main_loop(target->scsi), &target->bury);
}

/* ---- for the control protocol -------------------------------------------- */

/* What the main thread has the controller's loop do. */
struct change {
	struct virtio_scsi *scsi;
	unsigned int number;
	struct scsi_target *target;
	struct scsi_status_of *status;
	struct block *block;
	bool force;
	struct error *err;
	int rc;
};

static void find_target(struct change *c)
{
	c->target = c->number < SCSI_TARGETS ? c->scsi->targets[c->number] :
					       NULL;
	if (c->target && c->target->removed)
		c->target = NULL;
}

static void do_status(void *opaque)
{
	struct change *c = opaque;
	const struct scsi_target *target;

	find_target(c);
	target = c->target;
	if (!target)
		return;
	*c->status = (struct scsi_status_of){
		.id = target->id,
		.cdrom = scsi_lun_is_cdrom(&target->lun),
		.locked = target->lun.locked,
		.tray_open = target->lun.tray_open,
		.blk.block = target->lun.medium ? target->lun.medium->block :
						  NULL,
		.blk.highest = target->highest,
	};
	memcpy(c->status->blk.counts, target->counts, sizeof(target->counts));
}

bool virtio_scsi_status(const struct device *dev, unsigned int number,
			struct scsi_status_of *status)
{
	struct change c = {
		.scsi = scsi_of(dev),
		.number = number,
		.status = status,
	};

	loop_sync(c.scsi->loop, do_status, &c);
	if (c.target)
		status->blk.failed = c.target->failed;
	return c.target;
}

struct throttle *virtio_scsi_throttle(struct device *dev, unsigned int number)
{
	return &scsi_of(dev)->targets[number]->throttle;
}

static bool told(const struct virtio_scsi *scsi, unsigned int feature)
{
	return virtio_has(&scsi->vpci.vdev, feature);
}

static void do_attach(void *opaque)
{
	struct change *c = opaque;

	if (told(c->scsi, VIRTIO_SCSI_F_HOTPLUG))
		scsi_event(c->scsi, c->scsi->targets[c->number],
			   VIRTIO_SCSI_T_TRANSPORT_RESET,
			   VIRTIO_SCSI_EVT_RESET_RESCAN);
}

int virtio_scsi_attach(struct device *dev, const struct disk_config *config,
		       struct error *err)
{
	struct change c = { .scsi = scsi_of(dev) };
	int number = scsi_target_add(c.scsi, config, false, err);

	if (number < 0)
		return number;
	c.number = (unsigned int)number;
	loop_sync(c.scsi->loop, do_attach, &c);
	return number;
}

static void do_detach(void *opaque)
{
	struct change *c = opaque;
	struct virtio_scsi *scsi = c->scsi;
	struct scsi_req *req;

	find_target(c);
	if (!c->target)
		return;
	if (told(scsi, VIRTIO_SCSI_F_HOTPLUG))
		scsi_event(scsi, c->target, VIRTIO_SCSI_T_TRANSPORT_RESET,
			   VIRTIO_SCSI_EVT_RESET_REMOVED);
	c->target->removed = true;
	c->target->in_flight++;
	for (req = scsi->in_flight; req; req = req->next)
		if (req->target == c->target) {
			req->response = VIRTIO_SCSI_S_BAD_TARGET;
			scsi_cancel(&req->cmd);
		}
	scsi_end_cancelled(c->target);
	scsi_target_put(c->target);
}

void virtio_scsi_detach(struct device *dev, unsigned int number)
{
	struct change c = { .scsi = scsi_of(dev), .number = number };

	loop_sync(c.scsi->loop, do_detach, &c);
}

static void do_resized(void *opaque)
{
	struct change *c = opaque;

	find_target(c);
	scsi_lun_resized(&c->target->lun);
	if (told(c->scsi, VIRTIO_SCSI_F_CHANGE))
		scsi_event(c->scsi, c->target, VIRTIO_SCSI_T_PARAM_CHANGE,
			   CAPACITY_CHANGED);
}

int virtio_scsi_resize(struct device *dev, unsigned int number, uint64_t size,
		       struct error *err)
{
	struct change c = { .scsi = scsi_of(dev), .number = number };
	struct scsi_lun *lun = &c.scsi->targets[number]->lun;
	int rc;

	if (scsi_lun_is_cdrom(lun))
		return error_set(err, EINVAL, "Device '%s' is a drive",
				 c.scsi->targets[number]->id);
	/* A disk's medium stays. */
	rc = block_resize(lun->medium->block, size, err);
	if (!rc)
		loop_sync(c.scsi->loop, do_resized, &c);
	return rc;
}

static void move_tray(struct scsi_target *target, bool open)
{
	if (target->lun.tray_open == open)
		return;
	scsi_lun_tray(&target->lun, open);
	on_tray_moved(&target->lun);
}

static void media_changed(const struct scsi_target *target)
{
	if (target->notify & ASYNC_MEDIA_CHANGE)
		scsi_event(target->scsi, target, VIRTIO_SCSI_T_ASYNC_NOTIFY,
			   ASYNC_MEDIA_CHANGE);
}

/* Opens the tray, or asks the guest to. */
static int open_tray(struct scsi_target *target, bool force, struct error *err)
{
	struct scsi_lun *lun = &target->lun;

	if (!scsi_lun_is_cdrom(lun))
		return error_set(err, EINVAL, "Device '%s' is not removable",
				 target->id);
	if (lun->locked && !lun->tray_open && !force) {
		scsi_lun_ask_eject(lun);
		media_changed(target);
		return error_set(err, EBUSY,
				 "Device '%s' is locked and force was not "
				 "specified, wait for tray to open and try again",
				 target->id);
	}
	move_tray(target, true);
	return 0;
}

/* With c->block, or none, in it */
static void do_load(void *opaque)
{
	struct change *c = opaque;

	find_target(c);
	c->rc = open_tray(c->target, c->force, c->err);
	if (c->rc)
		return;
	c->rc = scsi_lun_load(&c->target->lun, c->block);
	if (c->rc) {
		error_sys(c->err, -c->rc, "cannot use %s", c->block->path);
		return;
	}
	if (c->block)
		move_tray(c->target, false);
	media_changed(c->target);
}

int virtio_scsi_eject(struct device *dev, unsigned int number, bool force,
		      struct error *err)
{
	struct change c = {
		.scsi = scsi_of(dev),
		.number = number,
		.force = force,
		.err = err,
	};

	loop_sync(c.scsi->loop, do_load, &c);
	return c.rc;
}

int virtio_scsi_insert(struct device *dev, unsigned int number,
		       const struct block_options *options, bool force,
		       struct error *err)
{
	struct change c = {
		.scsi = scsi_of(dev),
		.number = number,
		.force = force,
		.err = err,
	};
	int rc = block_open(&c.block, options, err);

	if (rc)
		return rc;
	loop_sync(c.scsi->loop, do_load, &c);
	if (c.rc)
		block_close(c.block);
	return c.rc;
}
