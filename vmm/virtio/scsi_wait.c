// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio SCSI host: requests that wait, for their disk's limits or, after the
 * host has failed, for the machine to go on.  Neither are at the block layer:
 * they are idle.
 */
#include <string.h>

#include "scsi.h"

static struct scsi_target *target_of(const struct scsi_lun *lun)
{
	return (struct scsi_target *)((char *)lun -
				      offsetof(struct scsi_target, lun));
}

static struct scsi_req *req_of(struct scsi_cmd *cmd)
{
	return container_of(cmd, struct scsi_req, cmd);
}

/* ---- the list of a target ------------------------------------------------ */

static void list_add(struct scsi_target *target, struct scsi_req **list,
		     struct scsi_req *req)
{
	req->idle_next = NULL;
	while (*list)
		list = &(*list)->idle_next;
	*list = req;
	target->scsi->idle++;
}

static struct scsi_req *list_take(struct scsi_target *target,
				  struct scsi_req **list)
{
	struct scsi_req *req = *list;

	if (req) {
		*list = req->idle_next;
		target->scsi->idle--;
	}
	return req;
}

static void end_cancelled(struct scsi_target *target, struct scsi_req **list)
{
	struct scsi_req *req;

	while (*list) {
		if (!(*list)->cmd.cancelled) {
			list = &(*list)->idle_next;
			continue;
		}
		req = list_take(target, list);
		scsi_go(&req->cmd);
	}
}

void scsi_end_cancelled(struct scsi_target *target)
{
	end_cancelled(target, &target->waiting);
	end_cancelled(target, &target->held);
}

/* ---- limits -------------------------------------------------------------- */

/* 0, or how long it has to wait for the limits. */
static uint64_t ask(struct scsi_target *target, const struct scsi_cmd *cmd)
{
	const struct block_req *b = &cmd->req;
	bool moves = b->op == BLOCK_READ || b->op == BLOCK_WRITE;

	if (b->op == BLOCK_FLUSH)
		return 0;
	return throttle_ask(&target->throttle, loop_now(), b->op != BLOCK_READ,
			    moves ? b->len : 0);
}

static void come_back(struct scsi_target *target, uint64_t wait)
{
	loop_timer_arm(target->scsi->loop, &target->wait, loop_now() + wait);
}

static bool on_admit(struct scsi_lun *lun, struct scsi_cmd *cmd)
{
	struct scsi_target *target = target_of(lun);
	uint64_t wait;

	/* Who stops does not wait for the limits. */
	if (target->scsi->draining)
		return true;
	if (!target->waiting) {
		if (!throttle_on(&target->throttle))
			return true;
		wait = ask(target, cmd);
		if (!wait)
			return true;
		come_back(target, wait);
	}
	list_add(target, &target->waiting, req_of(cmd));
	return false;
}

/* As many as may; the timer comes back for the others. */
static void on_time(void *opaque)
{
	struct scsi_target *target = opaque;
	struct scsi_req *req;
	uint64_t wait;

	while ((req = target->waiting)) {
		wait = ask(target, &req->cmd);
		if (wait) {
			come_back(target, wait);
			return;
		}
		list_take(target, &target->waiting);
		scsi_go(&req->cmd);
	}
}

/* ---- failures ------------------------------------------------------------ */

/* In the main thread. */
static void on_fault(void *opaque)
{
	struct scsi_target *target = opaque;
	uint32_t fault =
		__atomic_exchange_n(&target->fault, 0, __ATOMIC_ACQ_REL);
	struct vm_io_error e = {
		.device = target->id,
		.write = (fault & 0xff) != BLOCK_READ,
		.stops = target->on_error == ON_ERROR_STOP,
		.err = (int)(fault >> 8),
	};

	if (!fault)
		return;
	target->failed = e.err;
	vm_io_error(target->scsi->vpci.pci.dev.vm, &e);
}

/* With on-error=stop the VM stops for it; then it is tried again. */
static bool on_failed(struct scsi_lun *lun, struct scsi_cmd *cmd, int ret)
{
	struct scsi_target *target = target_of(lun);
	struct virtio_scsi *scsi = target->scsi;

	log_guest(&scsi->io_log, target->id, "%s at byte %llu failed: %s",
		  cmd->req.op == BLOCK_READ ? "reading" : "writing",
		  (unsigned long long)cmd->req.offset, strerror(-ret));
	__atomic_store_n(&target->fault, BLK_FAULT(-ret, cmd->req.op),
			 __ATOMIC_RELEASE);
	loop_post(scsi_main_loop(scsi), &target->on_fault);
	if (target->on_error != ON_ERROR_STOP)
		return false;
	list_add(target, &target->held, req_of(cmd));
	return true;
}

void scsi_retry(void *opaque)
{
	struct virtio_scsi *scsi = opaque;
	struct scsi_target *target;
	struct scsi_req *req, *list;
	unsigned int i;

	if (!virtio_is_live(&scsi->vpci.vdev))
		return;
	for (i = 0; i < SCSI_TARGETS; i++) {
		target = scsi->targets[i];
		if (!target)
			continue;
		/* Those that fail once more are held anew. */
		list = target->held;
		target->held = NULL;
		while ((req = list_take(target, &list)))
			scsi_go(&req->cmd);
	}
}

/* ---- ends ---------------------------------------------------------------- */

static void wait_for_none(struct virtio_scsi *scsi)
{
	unsigned int i;

	while (scsi->nr_in_flight > scsi->idle)
		for (i = 0; i <= AIO_THREADS; i++)
			if (scsi->aio[i])
				aio_wait(scsi->aio[i]);
}

void scsi_drain(struct virtio_scsi *scsi)
{
	struct scsi_target *target;
	struct scsi_req *req;
	unsigned int i;

	scsi->draining = true;
	for (i = 0; i < SCSI_TARGETS; i++) {
		target = scsi->targets[i];
		if (!target)
			continue;
		loop_timer_cancel(scsi->loop, &target->wait);
		while ((req = list_take(target, &target->waiting)))
			scsi_go(&req->cmd);
	}
	wait_for_none(scsi);
	scsi->draining = false;
}

void scsi_drop_held(struct virtio_scsi *scsi, unsigned int queue)
{
	struct scsi_target *target;
	struct scsi_req *req, **list;
	unsigned int i;

	for (i = 0; i < SCSI_TARGETS; i++) {
		target = scsi->targets[i];
		if (!target)
			continue;
		for (list = &target->held; *list;) {
			if (queue && (*list)->queue != queue) {
				list = &(*list)->idle_next;
				continue;
			}
			req = list_take(target, list);
			scsi_drop(&req->cmd);
			scsi_forget(req);
		}
	}
}

/* ---- life ---------------------------------------------------------------- */

void scsi_wait_init(struct scsi_target *target,
		    const struct disk_config *config)
{
	const struct throttle_limit limits[THROTTLE_KINDS] = {
		[THROTTLE_OPS] = { config->iops, config->iops_burst },
		[THROTTLE_BYTES] = { config->bps, config->bps_burst },
	};

	throttle_init(&target->throttle);
	throttle_set(&target->throttle, limits);
	target->on_error = config->on_error;
	target->wait.fn = on_time;
	target->wait.opaque = target;
	target->on_fault.fn = on_fault;
	target->on_fault.opaque = target;
	target->lun.admit = on_admit;
	target->lun.failed = on_failed;
}

void scsi_wait_destroy(struct scsi_target *target)
{
	loop_timer_cancel(target->scsi->loop, &target->wait);
	loop_unpost(scsi_main_loop(target->scsi), &target->on_fault);
	throttle_destroy(&target->throttle);
}
