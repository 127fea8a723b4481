// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio SCSI host (virtio 1.2, 5.6.6.2 and 5.6.6.3): the control queue, with
 * task management and subscriptions to events, and the event queue.
 *
 * A request that is at the block layer cannot be taken back: a function that
 * aborts it waits until it ends, and tells what the driver asked for then.
 */
#include "scsi.h"

#include <string.h>

/* A request of the control queue; its type says which. */
union control {
	uint32_t type;
	struct virtio_scsi_ctrl_tmf_req tmf;
	struct virtio_scsi_ctrl_an_req an;
};

/* That a drive has (5.6.6.2.2): VIRTIO_SCSI_EVT_ASYNC_MEDIA_CHANGE */
#define ASYNC_MEDIA_CHANGE 16

/* ---- task management ----------------------------------------------------- */

static void answer(struct virtio_scsi *scsi, const struct ring_chain *chain,
		   const void *resp, size_t len)
{
	iov_put(chain->iov + chain->nr_read, chain->nr_write, resp, len);
	virtio_push(scsi->queues[SCSI_QUEUE_CONTROL].vq, chain, (uint32_t)len);
	scsi_signal_later(scsi, SCSI_QUEUE_CONTROL);
}

static void end_function(struct virtio_scsi *scsi, uint8_t response)
{
	const struct virtio_scsi_ctrl_tmf_resp resp = { .response = response };

	scsi->managing = false;
	answer(scsi, &scsi->function, &resp, sizeof(resp));
}

void scsi_awaited_ended(struct virtio_scsi *scsi)
{
	if (--scsi->awaited)
		return;
	end_function(scsi, VIRTIO_SCSI_S_OK);
	/* What came meanwhile. */
	virtio_serve_later(&scsi->vpci.vdev, SCSI_QUEUE_CONTROL);
}

/* Ends the target's requests, or the one with *@tag, with @response. */
static void abort_requests(struct virtio_scsi *scsi, struct scsi_target *target,
			   const uint64_t *tag, uint8_t response)
{
	struct scsi_req *req;

	for (req = scsi->in_flight; req; req = req->next) {
		if (req->target != target || (tag && req->tag != *tag))
			continue;
		req->response = response;
		req->awaited = true;
		scsi->awaited++;
		scsi_cancel(&req->cmd);
	}
	if (scsi->awaited)
		scsi_end_cancelled(target);
	else
		end_function(scsi, VIRTIO_SCSI_S_OK);
}

void scsi_drop_function(struct virtio_scsi *scsi)
{
	struct scsi_req *req;

	for (req = scsi->in_flight; req; req = req->next)
		req->awaited = false;
	scsi->awaited = 0;
	scsi->managing = false;
}

static bool has_request(const struct virtio_scsi *scsi,
			const struct scsi_target *target, const uint64_t *tag)
{
	const struct scsi_req *req;

	for (req = scsi->in_flight; req; req = req->next)
		if (req->target == target && (!tag || req->tag == *tag))
			return true;
	return false;
}

/*
 * What the driver has made available before it asked is in flight, as far as it
 * goes: else it could come to life after it was said to be aborted.
 */
static void take_requests(struct virtio_scsi *scsi)
{
	unsigned int i, n;

	for (i = SCSI_QUEUE_REQUEST; i < scsi->vpci.vdev.nr_queues; i++)
		for (n = 0; n <= SCSI_QUEUE_SIZE / VIRTIO_BUDGET; n++)
			if (!scsi_serve_requests(scsi, i))
				break;
}

static void manage(struct virtio_scsi *scsi,
		   const struct virtio_scsi_ctrl_tmf_req *tmf)
{
	const uint64_t tag = tmf->tag;
	struct scsi_target *target;
	unsigned int unit;

	take_requests(scsi);
	scsi->managing = true;
	target = scsi_find(scsi, tmf->lun, &unit);
	if (!target) {
		end_function(scsi, VIRTIO_SCSI_S_BAD_TARGET);
		return;
	}
	if (unit && tmf->subtype != VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET) {
		end_function(scsi, VIRTIO_SCSI_S_INCORRECT_LUN);
		return;
	}
	switch (tmf->subtype) {
	case VIRTIO_SCSI_T_TMF_ABORT_TASK:
		abort_requests(scsi, target, &tag, VIRTIO_SCSI_S_ABORTED);
		break;
	case VIRTIO_SCSI_T_TMF_ABORT_TASK_SET:
	case VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET:
		abort_requests(scsi, target, NULL, VIRTIO_SCSI_S_ABORTED);
		break;
	case VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET:
	case VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET:
		scsi_lun_reset(&target->lun);
		abort_requests(scsi, target, NULL, VIRTIO_SCSI_S_RESET);
		break;
	case VIRTIO_SCSI_T_TMF_QUERY_TASK:
		end_function(scsi, has_request(scsi, target, &tag) ?
					   VIRTIO_SCSI_S_FUNCTION_SUCCEEDED :
					   VIRTIO_SCSI_S_OK);
		break;
	case VIRTIO_SCSI_T_TMF_QUERY_TASK_SET:
		end_function(scsi, has_request(scsi, target, NULL) ?
					   VIRTIO_SCSI_S_FUNCTION_SUCCEEDED :
					   VIRTIO_SCSI_S_OK);
		break;
	default: /* CLEAR ACA: there is no auto contingent allegiance */
		end_function(scsi, VIRTIO_SCSI_S_FUNCTION_REJECTED);
	}
}

/* ---- subscriptions ------------------------------------------------------- */

static void notification(struct virtio_scsi *scsi,
			 const struct virtio_scsi_ctrl_an_req *an)
{
	struct virtio_scsi_ctrl_an_resp resp = { 0 };
	struct scsi_target *target;
	unsigned int unit;

	target = scsi_find(scsi, an->lun, &unit);
	if (!target)
		resp.response = VIRTIO_SCSI_S_BAD_TARGET;
	else if (unit)
		resp.response = VIRTIO_SCSI_S_INCORRECT_LUN;
	else if (scsi_lun_is_cdrom(&target->lun))
		resp.event_actual = an->event_requested & ASYNC_MEDIA_CHANGE;
	if (!resp.response && an->type == VIRTIO_SCSI_T_AN_SUBSCRIBE)
		target->notify = resp.event_actual;
	answer(scsi, &scsi->function, &resp, sizeof(resp));
}

/* ---- the control queue --------------------------------------------------- */

/* False if it is none, or has no room for the answer. */
static bool control(struct virtio_scsi *scsi)
{
	const struct ring_chain *chain = &scsi->function;
	union control c = { 0 };
	size_t len;

	len = iov_get(chain->iov, chain->nr_read, &c, sizeof(c));
	if (len < sizeof(c.type))
		return false;
	switch (c.type) {
	case VIRTIO_SCSI_T_TMF:
		if (len < sizeof(c.tmf) ||
		    chain->write_len < sizeof(struct virtio_scsi_ctrl_tmf_resp))
			return false;
		manage(scsi, &c.tmf);
		return true;
	case VIRTIO_SCSI_T_AN_QUERY:
	case VIRTIO_SCSI_T_AN_SUBSCRIBE:
		if (len < sizeof(c.an) ||
		    chain->write_len < sizeof(struct virtio_scsi_ctrl_an_resp))
			return false;
		notification(scsi, &c.an);
		return true;
	default:
		return false;
	}
}

bool scsi_serve_control(struct virtio_scsi *scsi)
{
	struct virtio_queue *vq = scsi->queues[SCSI_QUEUE_CONTROL].vq;
	unsigned int n;

	for (n = 0; n < VIRTIO_BUDGET; n++) {
		if (scsi->managing || !virtio_pop(vq, &scsi->function))
			return false;
		if (!control(scsi)) {
			virtio_break(vq, "no control request");
			return false;
		}
	}
	return true;
}

/* ---- events -------------------------------------------------------------- */

static void put_event(struct virtio_scsi *scsi,
		      const struct virtio_scsi_event *given)
{
	struct virtio_queue *vq = scsi->queues[SCSI_QUEUE_EVENT].vq;
	struct virtio_scsi_event event = *given;
	struct ring_chain chain;

	if (!virtio_pop(vq, &chain)) {
		scsi->missed = true;
		return;
	}
	if (chain.write_len < sizeof(event)) {
		virtio_break(vq, "no room for an event");
		return;
	}
	if (scsi->missed)
		event.event |= VIRTIO_SCSI_T_EVENTS_MISSED;
	scsi->missed = false;
	iov_put(chain.iov + chain.nr_read, chain.nr_write, &event,
		sizeof(event));
	virtio_push(vq, &chain, sizeof(event));
	scsi_signal_later(scsi, SCSI_QUEUE_EVENT);
}

/* Until the queue is served again. */
static void keep_event(struct virtio_scsi *scsi,
		       const struct virtio_scsi_event *event)
{
	if (scsi->nr_kept < SCSI_KEPT_EVENTS)
		scsi->kept[scsi->nr_kept++] = *event;
	else
		scsi->missed = true;
	virtio_serve_later(&scsi->vpci.vdev, SCSI_QUEUE_EVENT);
}

void scsi_event(struct virtio_scsi *scsi, const struct scsi_target *target,
		uint32_t event, uint32_t reason)
{
	const struct virtio_scsi_event e = {
		.event = event,
		.lun = { 1, (uint8_t)target->number },
		.reason = reason,
	};

	/* A driver that comes later finds all as it is then. */
	if (!scsi->queues[SCSI_QUEUE_EVENT].vq->up)
		keep_event(scsi, &e);
	else if (virtio_is_live(&scsi->vpci.vdev))
		put_event(scsi, &e);
}

/* There are buffers: what was kept or missed can be told. */
void scsi_serve_events(struct virtio_scsi *scsi)
{
	const struct virtio_scsi_event none = {
		.event = VIRTIO_SCSI_T_NO_EVENT,
	};
	unsigned int i, n = scsi->nr_kept;

	scsi->nr_kept = 0;
	for (i = 0; i < n; i++)
		put_event(scsi, &scsi->kept[i]);
	if (scsi->missed)
		put_event(scsi, &none);
}
