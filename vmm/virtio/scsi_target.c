// SPDX-License-Identifier: GPL-2.0-or-later
/* virtio SCSI host: what is attached to it, and what changes of that. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../config.h"
#include "../error.h"
#include "../vm.h"
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

static void on_tray_moved(struct scsi_lun *lun)
{
	struct scsi_target *target = target_of(lun);

	vm_tray_moved(target->scsi->vpci.pci.dev.vm, target->id,
		      lun->tray_open);
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

static int open_block(struct block **block, const struct disk_config *config,
		      bool cdrom, struct error *err)
{
	const struct block_options options = {
		.path = config->path,
		.fd = config->fd,
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
	return 0;
}

static void bury(void *opaque)
{
	struct scsi_target *target = opaque;

	target->scsi->targets[target->number] = NULL;
	scsi_target_free(target);
}

int scsi_target_add(struct virtio_scsi *scsi, const struct disk_config *config,
		    bool cdrom, struct error *err)
{
	struct device *dev = &scsi->vpci.pci.dev;
	struct scsi_target *target;
	struct block *block;
	unsigned int i;
	int rc;

	for (i = 0; i < SCSI_TARGETS && scsi->targets[i]; i++)
		;
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
	snprintf(target->id, sizeof(target->id), "%.12s-%s%u", dev->id,
		 cdrom ? "cd" : "hd", i);
	rc = open_block(&block, config, cdrom, err);
	if (rc)
		goto err_free;
	rc = target_init(target, block, cdrom, config, err);
	if (rc)
		goto err_block;
	scsi->targets[i] = target;
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
	loop_unpost(target->scsi->vpci.pci.dev.vm->loop, &target->bury);
	scsi_lun_destroy(&target->lun);
	free(target);
}

/* Not at once: the aio that has just completed something is still at it. */
void scsi_target_put(struct scsi_target *target)
{
	if (!--target->in_flight && target->removed)
		loop_post(target->scsi->vpci.pci.dev.vm->loop, &target->bury);
}

/* ---- for the control protocol -------------------------------------------- */

static struct scsi_target *get_target(const struct device *dev,
				      unsigned int number)
{
	struct scsi_target *target =
		number < SCSI_TARGETS ? scsi_of(dev)->targets[number] : NULL;

	return target && !target->removed ? target : NULL;
}

bool virtio_scsi_status(const struct device *dev, unsigned int number,
			struct scsi_status_of *status)
{
	const struct scsi_target *target = get_target(dev, number);

	if (!target)
		return false;
	*status = (struct scsi_status_of){
		.id = target->id,
		.cdrom = scsi_lun_is_cdrom(&target->lun),
		.locked = target->lun.locked,
		.tray_open = target->lun.tray_open,
		.blk.block = target->lun.medium ? target->lun.medium->block :
						  NULL,
		.blk.highest = target->highest,
	};
	memcpy(status->blk.counts, target->counts, sizeof(target->counts));
	return true;
}

static bool told(const struct virtio_scsi *scsi, unsigned int feature)
{
	return virtio_has(&scsi->vpci.vdev, feature);
}

int virtio_scsi_attach(struct device *dev, const struct disk_config *config,
		       struct error *err)
{
	struct virtio_scsi *scsi = scsi_of(dev);
	int number = scsi_target_add(scsi, config, false, err);

	if (number >= 0 && told(scsi, VIRTIO_SCSI_F_HOTPLUG))
		scsi_event(scsi, scsi->targets[number],
			   VIRTIO_SCSI_T_TRANSPORT_RESET,
			   VIRTIO_SCSI_EVT_RESET_RESCAN);
	return number;
}

void virtio_scsi_detach(struct device *dev, unsigned int number)
{
	struct virtio_scsi *scsi = scsi_of(dev);
	struct scsi_target *target = get_target(dev, number);
	struct scsi_req *req;

	if (!target)
		return;
	if (told(scsi, VIRTIO_SCSI_F_HOTPLUG))
		scsi_event(scsi, target, VIRTIO_SCSI_T_TRANSPORT_RESET,
			   VIRTIO_SCSI_EVT_RESET_REMOVED);
	target->removed = true;
	for (req = scsi->in_flight; req; req = req->next)
		if (req->target == target) {
			req->response = VIRTIO_SCSI_S_BAD_TARGET;
			scsi_cancel(&req->cmd);
		}
	if (!target->in_flight)
		bury(target);
}

int virtio_scsi_resize(struct device *dev, unsigned int number, uint64_t size,
		       struct error *err)
{
	struct virtio_scsi *scsi = scsi_of(dev);
	struct scsi_target *target = get_target(dev, number);
	int rc;

	if (scsi_lun_is_cdrom(&target->lun))
		return error_set(err, EINVAL, "Device '%s' is a drive",
				 target->id);
	rc = block_resize(target->lun.medium->block, size, err);
	if (rc)
		return rc;
	scsi_lun_resized(&target->lun);
	if (told(scsi, VIRTIO_SCSI_F_CHANGE))
		scsi_event(scsi, target, VIRTIO_SCSI_T_PARAM_CHANGE,
			   CAPACITY_CHANGED);
	return 0;
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

int virtio_scsi_eject(struct device *dev, unsigned int number, bool force,
		      struct error *err)
{
	struct scsi_target *target = get_target(dev, number);
	int rc = open_tray(target, force, err);

	if (rc)
		return rc;
	scsi_lun_load(&target->lun, NULL);
	media_changed(target);
	return 0;
}

int virtio_scsi_insert(struct device *dev, unsigned int number,
		       const struct block_options *options, bool force,
		       struct error *err)
{
	struct scsi_target *target = get_target(dev, number);
	struct block *block;
	int rc;

	rc = block_open(&block, options, err);
	if (rc)
		return rc;
	rc = open_tray(target, force, err);
	if (!rc) {
		rc = scsi_lun_load(&target->lun, block);
		if (rc)
			error_sys(err, -rc, "cannot use %s", options->path);
	}
	if (rc) {
		block_close(block);
		return rc;
	}
	move_tray(target, false);
	media_changed(target);
	return 0;
}
