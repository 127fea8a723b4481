// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * virtio SCSI host (virtio 1.2, 5.6): requests.
 *
 * A request is a header with a CDB and the data that the driver sends; the
 * device writes a response with sense data, and the data that it sends.  How
 * long CDB and sense data are, the driver says in the configuration.
 */
#include "scsi.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>

#include "../error.h"
#include "../state.h"

#define BIT64(n) (1ULL << (n))

#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* A header and a response go with the data. */
#define SCSI_SEG_MAX (SCSI_QUEUE_SIZE - 2)
#define SCSI_MAX_SECTORS 0xffff

#define REQUEST_HEAD offsetof(struct virtio_scsi_cmd_req, cdb)
#define RESPONSE_HEAD offsetof(struct virtio_scsi_cmd_resp, sense)

/* ---- who is meant -------------------------------------------------------- */

struct scsi_target *scsi_find(const struct virtio_scsi *scsi,
			      const uint8_t lun[8], unsigned int *unit)
{
	static const uint8_t zeros[4];
	struct scsi_target *target;

	/* 1, target, unit by peripheral or flat addressing, zeros */
	if (lun[0] != 1 || lun[1] >= SCSI_TARGETS ||
	    (lun[2] && (lun[2] & 0xc0) != 0x40) || memcmp(lun + 4, zeros, 4))
		return NULL;
	*unit = (lun[2] & 0x3fU) << 8 | lun[3];
	target = scsi->targets[lun[1]];
	return target && !target->removed ? target : NULL;
}

/* ---- responses ----------------------------------------------------------- */

static struct scsi_req *request_get(struct virtio_scsi *scsi)
{
	struct scsi_req *req = scsi->free;

	if (req)
		scsi->free = req->next;
	else
		req = malloc(sizeof(*req));
	return req;
}

static void request_put(struct virtio_scsi *scsi, struct scsi_req *req)
{
	req->next = scsi->free;
	scsi->free = req;
}

void scsi_signal_later(struct virtio_scsi *scsi, unsigned int queue)
{
	struct scsi_queue *q = &scsi->queues[queue];

	loop_defer(q->vq->loop, &q->signal);
}

/*
 * Gives the request back; @resp stands before the sense data and the data,
 * which has @moved bytes for the driver.
 */
static void respond(struct virtio_scsi *scsi, struct scsi_req *req,
		    struct virtio_scsi_cmd_resp *resp, uint64_t moved)
{
	const struct ring_chain *chain = &req->chain;
	size_t len = RESPONSE_HEAD + scsi->config.sense_size;

	iov_put(chain->iov + chain->nr_read, chain->nr_write, resp, len);
	virtio_push(scsi->queues[req->queue].vq, chain,
		    (uint32_t)(len + moved));
	scsi_signal_later(scsi, req->queue);
	request_put(scsi, req);
}

static void refuse(struct virtio_scsi *scsi, struct scsi_req *req,
		   uint8_t response)
{
	struct virtio_scsi_cmd_resp resp = { .response = response };

	respond(scsi, req, &resp, 0);
}

static void fill_response(const struct scsi_req *req, uint32_t sense_size,
			  struct virtio_scsi_cmd_resp *resp)
{
	const struct scsi_cmd *cmd = &req->cmd;

	if (cmd->cancelled || cmd->overrun) {
		resp->response = cmd->overrun ? VIRTIO_SCSI_S_OVERRUN :
						req->response;
		resp->resid = (uint32_t)req->data_len;
		return;
	}
	resp->status = cmd->status;
	resp->resid = (uint32_t)(req->data_len - cmd->moved);
	resp->sense_len = MIN(cmd->sense_len, sense_size);
	memcpy(resp->sense, cmd->sense, resp->sense_len);
}

static void link_req(struct virtio_scsi *scsi, struct scsi_req *req)
{
	req->next = scsi->in_flight;
	req->prev = &scsi->in_flight;
	if (req->next)
		req->next->prev = &req->next;
	scsi->in_flight = req;
	scsi->nr_in_flight++;
}

static void unlink_req(struct scsi_req *req)
{
	*req->prev = req->next;
	if (req->next)
		req->next->prev = req->prev;
	req->target->scsi->nr_in_flight--;
}

static void request_done(struct scsi_cmd *cmd)
{
	struct scsi_req *req = container_of(cmd, struct scsi_req, cmd);
	struct scsi_target *target = req->target;
	struct virtio_scsi *scsi = target->scsi;
	struct virtio_scsi_cmd_resp resp = { 0 };
	bool awaited = req->awaited;
	uint64_t moved;

	unlink_req(req);
	fill_response(req, scsi->config.sense_size, &resp);
	moved = cmd->dir == SCSI_IN && !resp.response ? cmd->moved : 0;
	respond(scsi, req, &resp, moved);
	scsi_target_put(target);
	if (awaited)
		scsi_awaited_ended(scsi);
}

void scsi_forget(struct scsi_req *req)
{
	struct virtio_scsi *scsi = req->target->scsi;
	bool awaited = req->awaited;

	unlink_req(req);
	scsi_target_put(req->target);
	request_put(scsi, req);
	if (awaited)
		scsi_awaited_ended(scsi);
}

/* ---- requests ------------------------------------------------------------ */

/*
 * The data lies behind a head of @skip bytes in @nr buffers of @len; the
 * chain's own array is left for the response.
 */
static void set_data(struct scsi_req *req, enum scsi_dir dir,
		     const struct iovec *iov, unsigned int nr, size_t skip,
		     uint64_t len)
{
	struct scsi_cmd *cmd = &req->cmd;

	memcpy(req->data, iov, nr * sizeof(*iov));
	cmd->dir = dir;
	cmd->iov = req->data;
	cmd->nr_iov = nr;
	cmd->len = len - skip;
	req->data_len = cmd->len;
	iov_trim_front(&cmd->iov, &cmd->nr_iov, skip);
}

/* False if the request has not the parts that it must have. */
static bool parse(struct virtio_scsi *scsi, struct scsi_req *req,
		  struct virtio_scsi_cmd_req *head)
{
	const struct ring_chain *chain = &req->chain;
	size_t out = REQUEST_HEAD + scsi->config.cdb_size;
	size_t in = RESPONSE_HEAD + scsi->config.sense_size;
	struct scsi_cmd *cmd = &req->cmd;

	if (chain->read_len < out || chain->write_len < in)
		return false;
	memset(head, 0, sizeof(*head));
	iov_get(chain->iov, chain->nr_read, head, out);
	cmd->cdb_len = MIN(scsi->config.cdb_size, SCSI_CDB_LEN);
	memcpy(cmd->cdb, head->cdb, SCSI_CDB_LEN);
	req->tag = head->tag;

	cmd->dir = SCSI_NONE;
	cmd->nr_iov = 0;
	cmd->len = 0;
	req->data_len = 0;
	if (chain->read_len > out)
		set_data(req, SCSI_OUT, chain->iov, chain->nr_read, out,
			 chain->read_len);
	else if (chain->write_len > in)
		set_data(req, SCSI_IN, chain->iov + chain->nr_read,
			 chain->nr_write, in, chain->write_len);
	return true;
}

/* INOUT, which is not offered. */
static bool both_ways(const struct virtio_scsi *scsi,
		      const struct ring_chain *chain)
{
	return chain->read_len > REQUEST_HEAD + scsi->config.cdb_size &&
	       chain->write_len > RESPONSE_HEAD + scsi->config.sense_size;
}

static struct aio *aio_for(const struct scsi_target *target)
{
	const struct virtio_scsi *scsi = target->scsi;
	const struct scsi_lun *lun = &target->lun;
	struct aio *aio = lun->medium ? scsi->aio[lun->medium->block->aio] :
					NULL;

	return aio ? aio : scsi->aio[AIO_THREADS];
}

static void handle(struct virtio_scsi *scsi, struct scsi_req *req,
		   const struct virtio_scsi_cmd_req *head)
{
	struct scsi_target *target;
	unsigned int unit;

	target = scsi_find(scsi, head->lun, &unit);
	if (!target) {
		refuse(scsi, req, VIRTIO_SCSI_S_BAD_TARGET);
		return;
	}
	if (both_ways(scsi, &req->chain)) {
		refuse(scsi, req, VIRTIO_SCSI_S_FAILURE);
		return;
	}
	req->target = target;
	req->awaited = false;
	link_req(scsi, req);
	target->in_flight++;

	req->cmd.lun = &target->lun;
	req->cmd.aio = aio_for(target);
	req->cmd.other_lun = unit != 0;
	req->cmd.done = request_done;
	scsi_submit(&req->cmd);
}

bool scsi_serve_requests(struct virtio_scsi *scsi, unsigned int queue)
{
	struct virtio_queue *vq = scsi->queues[queue].vq;
	struct virtio_scsi_cmd_req head;
	struct scsi_req *req;
	unsigned int n;

	for (n = 0; n < VIRTIO_BUDGET; n++) {
		req = request_get(scsi);
		if (!req) {
			virtio_break(vq, "out of memory");
			break;
		}
		req->queue = queue;
		if (!virtio_pop(vq, &req->chain)) {
			request_put(scsi, req);
			break;
		}
		if (!parse(scsi, req, &head)) {
			request_put(scsi, req);
			virtio_break(vq, "request without header or response");
			break;
		}
		handle(scsi, req, &head);
	}
	return n == VIRTIO_BUDGET;
}

/* ---- the device ---------------------------------------------------------- */

static bool serve(struct virtio_dev *vdev, unsigned int index)
{
	struct virtio_scsi *scsi = to_scsi(vdev);

	switch (index) {
	case SCSI_QUEUE_CONTROL:
		return scsi_serve_control(scsi);
	case SCSI_QUEUE_EVENT:
		scsi_serve_events(scsi);
		return false;
	default:
		return scsi_serve_requests(scsi, index);
	}
}

/* With the requests ends the function that waits for some. */
static void quiesce(struct virtio_dev *vdev, unsigned int index)
{
	scsi_drain(to_scsi(vdev));
	virtio_signal(&vdev->queues[index]);
}

static void reset_queue(struct virtio_dev *vdev, unsigned int index)
{
	struct virtio_scsi *scsi = to_scsi(vdev);

	if (index == SCSI_QUEUE_CONTROL)
		scsi_drop_function(scsi);
	else if (index >= SCSI_QUEUE_REQUEST)
		scsi_drop_held(scsi, index);
}

static void set_sizes(struct virtio_scsi *scsi)
{
	scsi->config.sense_size = VIRTIO_SCSI_SENSE_DEFAULT_SIZE;
	scsi->config.cdb_size = VIRTIO_SCSI_CDB_DEFAULT_SIZE;
}

/* To the driver it is as if all units were switched on (5.6.6.1.3). */
static void reset(struct virtio_dev *vdev)
{
	struct virtio_scsi *scsi = to_scsi(vdev);
	unsigned int i;

	scsi->missed = false;
	scsi->nr_kept = 0;
	scsi_drop_function(scsi);
	scsi_drop_held(scsi, 0);
	pthread_mutex_lock(&vdev->dev->lock);
	set_sizes(scsi);
	pthread_mutex_unlock(&vdev->dev->lock);
	for (i = 0; i < SCSI_TARGETS; i++)
		if (scsi->targets[i]) {
			scsi_lun_reset(&scsi->targets[i]->lun);
			scsi->targets[i]->notify = 0;
		}
}

/* Two fields, which stay as they are while requests have these sizes. */
static void config_write(struct virtio_dev *vdev, uint64_t off,
			 unsigned int size, uint64_t val)
{
	struct virtio_scsi_config *config = &to_scsi(vdev)->config;

	if (size != 4 || vdev->phase != VIRTIO_SETUP)
		return;
	if (off == offsetof(struct virtio_scsi_config, sense_size) &&
	    val <= VIRTIO_SCSI_SENSE_SIZE)
		config->sense_size = (uint32_t)val;
	if (off == offsetof(struct virtio_scsi_config, cdb_size) &&
	    val <= VIRTIO_SCSI_CDB_SIZE)
		config->cdb_size = (uint32_t)val;
}

static const struct virtio_class scsi_virtio_class = {
	.id = VIRTIO_ID_SCSI,
	.nr_queues = SCSI_QUEUE_REQUEST + 1,
	.queue_size = SCSI_QUEUE_SIZE,
	.pci_class = 0x010000, /* mass storage, SCSI */
	.serve = serve,
	.quiesce = quiesce,
	.reset_queue = reset_queue,
	.reset = reset,
	.config_write = config_write,
};

static void config_init(struct virtio_scsi *scsi)
{
	struct virtio_dev *vdev = &scsi->vpci.vdev;

	scsi->config = (struct virtio_scsi_config){
		.num_queues = vdev->nr_queues - SCSI_QUEUE_REQUEST,
		.seg_max = SCSI_SEG_MAX,
		.max_sectors = SCSI_MAX_SECTORS,
		.cmd_per_lun = SCSI_QUEUE_SIZE,
		.event_info_size = sizeof(struct virtio_scsi_event),
		.max_target = SCSI_TARGETS - 1,
	};
	set_sizes(scsi);
	vdev->features = BIT64(VIRTIO_SCSI_F_HOTPLUG) |
			 BIT64(VIRTIO_SCSI_F_CHANGE);
	vdev->config = &scsi->config;
	vdev->config_len = sizeof(scsi->config);
}

static void on_signal(void *opaque)
{
	struct scsi_queue *q = opaque;

	virtio_signal(q->vq);
}

static void queues_init(struct virtio_scsi *scsi)
{
	struct virtio_dev *vdev = &scsi->vpci.vdev;
	unsigned int i;

	for (i = 0; i < vdev->nr_queues; i++) {
		scsi->queues[i].vq = &vdev->queues[i];
		vdev->queues[i].loop = scsi->loop;
		scsi->queues[i].signal.fn = on_signal;
		scsi->queues[i].signal.opaque = &scsi->queues[i];
	}
}

static void targets_free(struct virtio_scsi *scsi)
{
	unsigned int i;

	for (i = 0; i < SCSI_TARGETS; i++)
		if (scsi->targets[i])
			scsi_target_free(scsi->targets[i]);
}

static int targets_make(struct virtio_scsi *scsi, const struct config *cfg,
			struct error *err)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; rc >= 0 && i < cfg->nr_scsi; i++)
		rc = scsi_target_add(scsi, &cfg->scsi[i], false, err);
	for (i = 0; rc >= 0 && i < cfg->nr_cdroms; i++)
		rc = scsi_target_add(scsi, &cfg->cdroms[i], true, err);
	return rc < 0 ? rc : 0;
}

/* The most that a disk asks for; if none does, one for each vCPU. */
static unsigned int queues_wanted(const struct config *cfg)
{
	unsigned int i, n = 0;

	for (i = 0; i < cfg->nr_scsi; i++)
		if (cfg->scsi[i].queues > n)
			n = cfg->scsi[i].queues;
	if (!n)
		n = MIN(cfg->cpus, SCSI_QUEUES_BY_DEFAULT);
	return n ? MIN(n, SCSI_MAX_QUEUES) : 1;
}

static int scsi_realize(struct device *dev, const void *config,
			struct error *err)
{
	struct virtio_scsi *scsi = scsi_of(dev);
	const struct config *cfg = config;
	int rc;

	scsi->retry.fn = scsi_retry;
	scsi->retry.opaque = scsi;
	rc = scsi_loop_make(scsi, cfg, err);
	if (rc)
		return rc;
	rc = targets_make(scsi, cfg, err);
	if (rc)
		goto err_targets;
	scsi->vpci.vdev.nr_queues =
		(uint16_t)(SCSI_QUEUE_REQUEST + queues_wanted(cfg));
	config_init(scsi);
	rc = virtio_pci_init(&scsi->vpci, &scsi_virtio_class, err);
	if (rc)
		goto err_targets;
	queues_init(scsi);
	return 0;

err_targets:
	targets_free(scsi);
	scsi_loop_end(scsi);
	scsi_loop_close(scsi);
	return rc;
}

static void scsi_unrealize(struct device *dev)
{
	struct virtio_scsi *scsi = scsi_of(dev);
	struct scsi_req *req;
	unsigned int i;

	scsi_loop_end(scsi);
	scsi_drop_function(scsi);
	scsi_drop_held(scsi, 0);
	loop_unpost(scsi->loop, &scsi->retry);
	for (i = 0; i < scsi->vpci.vdev.nr_queues; i++)
		loop_undefer(scsi->loop, &scsi->queues[i].signal);
	virtio_pci_destroy(&scsi->vpci);
	targets_free(scsi);
	scsi_loop_close(scsi);
	while ((req = scsi->free)) {
		scsi->free = req->next;
		free(req);
	}
}

static void scsi_start(struct device *dev)
{
	struct virtio_scsi *scsi = scsi_of(dev);
	unsigned int i;

	/* What failed before is history, and targets are the main thread's. */
	for (i = 0; i < SCSI_TARGETS; i++)
		if (scsi->targets[i])
			scsi->targets[i]->failed = 0;
	virtio_pci_start(dev);
	loop_post(scsi->loop, &scsi->retry);
}

/* ---- state ------------------------------------------------------------------ */

#define SAVED(member)                              \
	{                                          \
		STATE_U(struct scsi_saved, member) \
	}
static const struct state_field target_fields[] = {
	{ STATE_BOOL(struct scsi_saved, present) },
	{ STATE_BOOL(struct scsi_saved, write_cache) },
	{ STATE_BOOL(struct scsi_saved, stopped) },
	{ STATE_BOOL(struct scsi_saved, locked) },
	{ STATE_BOOL(struct scsi_saved, tray_open) },
	SAVED(attentions),
	{ STATE_U(struct scsi_saved, media_event), .max = SCSI_MEDIA_REMOVED },
	SAVED(notify),
	{ 0 },
};

static const struct state_field scsi_fields[] = {
	STATE_VIRTIO(struct virtio_scsi),
	{ STATE_U(struct virtio_scsi, config.sense_size),
	  .max = VIRTIO_SCSI_SENSE_SIZE },
	{ STATE_U(struct virtio_scsi, config.cdb_size),
	  .max = VIRTIO_SCSI_CDB_SIZE },
	{ STATE_BOOL(struct virtio_scsi, missed) },
	{ STATE_U(struct virtio_scsi, nr_kept), .max = SCSI_KEPT_EVENTS },
	{ STATE_BYTES(struct virtio_scsi, kept) },
	{ .name = "targets",
	  .kind = STATE_GROUP,
	  .count = SCSI_TARGETS,
	  .stride = sizeof(struct scsi_saved),
	  .offset = offsetof(struct virtio_scsi, saved),
	  .fields = target_fields },
	{ 0 },
};

static int scsi_prepare(void *obj, struct error *err)
{
	struct virtio_scsi *scsi = obj;
	unsigned int i;

	for (i = 0; i < SCSI_TARGETS; i++) {
		const struct scsi_target *t = scsi->targets[i];

		scsi->saved[i] = (struct scsi_saved){ .present = t };
		if (!t)
			continue;
		scsi->saved[i].write_cache = t->lun.write_cache;
		scsi->saved[i].stopped = t->lun.stopped;
		scsi->saved[i].locked = t->lun.locked;
		scsi->saved[i].tray_open = t->lun.tray_open;
		scsi->saved[i].attentions = t->lun.attentions;
		scsi->saved[i].media_event = (uint8_t)t->lun.media_event;
		scsi->saved[i].notify = t->notify;
	}
	return virtio_pci_state_prepare(obj, err);
}

static int scsi_loaded(void *obj, struct error *err)
{
	struct virtio_scsi *scsi = obj;
	struct scsi_target *t;
	unsigned int i;

	for (i = 0; i < SCSI_TARGETS; i++) {
		t = scsi->targets[i];
		if (scsi->saved[i].present != !!t)
			return error_set(err, EINVAL,
					 "targets[%u]: %s there, %s here", i,
					 scsi->saved[i].present ? "one" :
								  "none",
					 t ? "one" : "none");
		if (!t)
			continue;
		t->lun.write_cache = scsi->saved[i].write_cache;
		t->lun.stopped = scsi->saved[i].stopped;
		t->lun.locked = scsi->saved[i].locked;
		t->lun.tray_open = scsi->saved[i].tray_open;
		t->lun.attentions = scsi->saved[i].attentions;
		t->lun.media_event =
			(enum scsi_media_event)scsi->saved[i].media_event;
		t->notify = scsi->saved[i].notify;
	}
	return virtio_pci_state_loaded(obj, err);
}

static const struct state_table scsi_state = {
	.version = 1,
	.fields = scsi_fields,
	.prepare = scsi_prepare,
	.loaded = scsi_loaded,
};

const struct dev_class virtio_scsi_class = {
	.name = "scsi",
	.size = sizeof(struct virtio_scsi),
	.realize = scsi_realize,
	.begin = scsi_loop_begin,
	.reset = virtio_pci_reset,
	.start = scsi_start,
	.stop = virtio_pci_stop,
	.state = &scsi_state,
	.unrealize = scsi_unrealize,
};
