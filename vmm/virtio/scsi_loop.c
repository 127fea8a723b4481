// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio SCSI host: the loop that all of it belongs to, and the engines there.
 *
 * The disks share them, so what one asks for holds for all.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../error.h"
#include "../iothread.h"
#include "scsi.h"

/* ---- polling --------------------------------------------------------------- */

/*
 * Of the request queues only: buffers for events lie in theirs until there are
 * some, and a control request until the function before it has ended.
 */
#define for_each_polled(scsi, q)                        \
	for ((q) = (scsi)->queues + SCSI_QUEUE_REQUEST; \
	     (q) < (scsi)->queues + (scsi)->vpci.vdev.nr_queues; (q)++)

static bool on_poll(void *opaque)
{
	struct virtio_scsi *scsi = opaque;
	struct scsi_queue *q;
	unsigned int i;
	bool any = false;

	for (i = 0; i <= AIO_THREADS; i++)
		if (scsi->aio[i])
			any |= aio_poll(scsi->aio[i]);
	for_each_polled(scsi, q)
	{
		if (!virtio_pending(q->vq))
			continue;
		virtio_serve(q->vq->vdev, q->vq->index);
		any = true;
	}
	return any;
}

static void on_poll_begin(void *opaque)
{
	struct virtio_scsi *scsi = opaque;
	struct scsi_queue *q;

	for_each_polled(scsi, q) if (q->vq->up) virtio_poll_on(q->vq);
}

static bool on_poll_end(void *opaque)
{
	struct virtio_scsi *scsi = opaque;
	struct scsi_queue *q;
	bool any = false;

	for_each_polled(scsi, q) if (q->vq->up) any |= virtio_poll_off(q->vq);
	return any;
}

/* ---- engines --------------------------------------------------------------- */

static bool uses(const struct virtio_scsi *scsi, enum aio_kind kind)
{
	const struct scsi_lun *lun;
	unsigned int i;

	for (i = 0; i < SCSI_TARGETS; i++) {
		lun = scsi->targets[i] ? &scsi->targets[i]->lun : NULL;
		if (lun && lun->medium && lun->medium->block->aio == kind)
			return true;
	}
	return false;
}

/* The host may have no more of what was not asked for. */
static bool asked_for(const struct config *cfg, enum aio_kind kind)
{
	unsigned int i;

	for (i = 0; i < cfg->nr_scsi; i++)
		if (cfg->scsi[i].aio == kind)
			return true;
	return false;
}

/* In the loop's thread: an engine may be bound to the thread that makes it. */
static int open_aio(void *opaque, struct error *err)
{
	struct virtio_scsi *scsi = opaque;
	const struct config *cfg = scsi->vpci.pci.dev.vm->cfg;
	enum aio_kind kind;
	int rc = 0;

	for (kind = AIO_LIBAIO; kind <= AIO_THREADS && !rc; kind++)
		if (kind == AIO_THREADS || uses(scsi, kind)) {
			rc = aio_open(&scsi->aio[kind], scsi->loop, kind,
				      cfg->sandbox, err);
			if (rc == -EAGAIN && !asked_for(cfg, kind))
				rc = 0;
		}
	return rc;
}

/* ---- life ------------------------------------------------------------------ */

/* If a disk has one, all that is at the controller has it. */
static bool wants_thread(const struct config *cfg)
{
	unsigned int i;

	for (i = 0; i < cfg->nr_scsi; i++)
		if (cfg->scsi[i].iothreads)
			return true;
	return false;
}

/* The longest polling, and the processors, on which those that care agree. */
static int thread_options(const struct config *cfg,
			  struct iothread_options *opt, struct error *err)
{
	const struct disk_config *disk;
	uint64_t poll;

	*opt = (struct iothread_options){ .kind = SANDBOX_IO };
	for (disk = cfg->scsi; disk < cfg->scsi + cfg->nr_scsi; disk++) {
		poll = disk->poll * 1000ULL;
		if (poll > opt->poll_max_ns)
			opt->poll_max_ns = poll;
		if (disk->cpus && opt->cpus && strcmp(disk->cpus, opt->cpus))
			return error_set(err, EINVAL,
					 "SCSI disks share a thread: it cannot "
					 "have cpus=%s and cpus=%s",
					 opt->cpus, disk->cpus);
		if (disk->cpus)
			opt->cpus = disk->cpus;
	}
	return 0;
}

int scsi_loop_make(struct virtio_scsi *scsi, const struct config *cfg,
		   struct error *err)
{
	struct device *dev = &scsi->vpci.pci.dev;
	struct iothread_options opt;
	char name[IOTHREAD_NAME + 32];
	int rc;

	scsi->loop = dev->vm->loop;
	if (!wants_thread(cfg))
		return 0;
	rc = thread_options(cfg, &opt, err);
	if (rc)
		return rc;
	snprintf(name, sizeof(name), "io-%s", dev->id);
	rc = iothread_new(&scsi->iothread, dev->vm, name, &opt, err);
	if (!rc)
		scsi->loop = scsi->iothread->loop;
	return rc;
}

int scsi_loop_begin(struct device *dev, struct error *err)
{
	struct virtio_scsi *scsi = scsi_of(dev);

	scsi->poller = (struct loop_poller){
		.poll = on_poll,
		.begin = on_poll_begin,
		.end = on_poll_end,
		.opaque = scsi,
	};
	loop_poller_add(scsi->loop, &scsi->poller);
	return scsi->iothread ?
		       iothread_start(scsi->iothread, open_aio, scsi, err) :
		       open_aio(scsi, err);
}

void scsi_loop_end(struct virtio_scsi *scsi)
{
	if (scsi->iothread)
		iothread_end(scsi->iothread);
	if (scsi->poller.opaque)
		loop_poller_del(scsi->loop, &scsi->poller);
}

void scsi_loop_close(struct virtio_scsi *scsi)
{
	unsigned int i;

	for (i = 0; i <= AIO_THREADS; i++)
		if (scsi->aio[i])
			aio_close(scsi->aio[i]);
	if (scsi->iothread)
		iothread_free(scsi->iothread);
}
