// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Hostile drivers of a virtio SCSI controller: what test_hostile does to the
 * other devices, to each kind of its queues, and hostile_scsi*.c.
 */
#include "hostile_scsi.h"

#define IMAGE "/tmp/vireo-test-hostile-scsi-XXXXXX"

/* Each machine has an image of its own, which goes when it is opened. */
static const void *config(unsigned int iothreads, unsigned int poll)
{
	static char image[sizeof(IMAGE)], none[] = "none";
	static struct config cfg = {
		.scsi = { { .path = image, .queues = 2 } },
		.nr_scsi = 1,
		.cdroms = { { .path = none } },
		.nr_cdroms = 1,
	};

	strcpy(image, IMAGE);
	cfg.scsi[0].iothreads = iothreads;
	cfg.scsi[0].poll = poll;
	cfg.scsi[0].fd = mkstemp(image);
	assert_true(cfg.scsi[0].fd >= 0);
	assert_int_equal(ftruncate(cfg.scsi[0].fd, HS_BLOCKS * 512), 0);
	unlink(image);
	return &cfg;
}

static const void *scsi_config(void)
{
	return config(0, 0);
}

static const void *thread_config(void)
{
	return config(1, 0);
}

static const void *polling_config(void)
{
	return config(1, 200);
}

/* INQUIRY, which finds no unit attention in its way. */
static unsigned int request_ask(struct rig *rig, struct rig_buf *bufs)
{
	const struct virtio_scsi_cmd_req req = {
		.lun = { 1, 0 },
		.cdb = { 0x12, 0, 0, 0, 36 },
	};
	const uint32_t resp = sizeof(struct virtio_scsi_cmd_resp);

	memcpy(rig_mem(rig, RIG_DATA, sizeof(req)), &req, sizeof(req));
	memset(rig_mem(rig, RIG_DATA + 0x1000, resp), 0xee, resp);
	bufs[0] = (struct rig_buf){ RIG_DATA, sizeof(req), false };
	bufs[1] = (struct rig_buf){ RIG_DATA + 0x1000, resp, true };
	bufs[2] = (struct rig_buf){ RIG_DATA + 0x1800, 36, true };
	return 3;
}

static bool request_answered(struct rig *rig, uint32_t len)
{
	const struct virtio_scsi_cmd_resp *resp =
		rig_mem(rig, RIG_DATA + 0x1000, sizeof(*resp));

	return len == sizeof(*resp) + 36 && !resp->response && !resp->status;
}

/* A task that is not there */
static unsigned int control_ask(struct rig *rig, struct rig_buf *bufs)
{
	const struct virtio_scsi_ctrl_tmf_req tmf = {
		.type = VIRTIO_SCSI_T_TMF,
		.subtype = VIRTIO_SCSI_T_TMF_QUERY_TASK,
		.lun = { 1, 0 },
		.tag = 99,
	};

	memcpy(rig_mem(rig, RIG_DATA, sizeof(tmf)), &tmf, sizeof(tmf));
	*(uint8_t *)rig_mem(rig, RIG_DATA + 0x1000, 1) = 0xee;
	bufs[0] = (struct rig_buf){ RIG_DATA, sizeof(tmf), false };
	bufs[1] = (struct rig_buf){ RIG_DATA + 0x1000, 1, true };
	return 2;
}

static bool control_answered(struct rig *rig, uint32_t len)
{
	return len == 1 && *(uint8_t *)rig_mem(rig, RIG_DATA + 0x1000, 1) ==
				   VIRTIO_SCSI_S_OK;
}

static unsigned int event_ask(struct rig *rig, struct rig_buf *bufs)
{
	memset(rig_mem(rig, RIG_DATA, 16), 0xee, 16);
	bufs[0] = (struct rig_buf){ RIG_DATA, 16, true };
	return 1;
}

static bool event_answered(struct rig *rig, uint32_t len)
{
	const struct virtio_scsi_event *event =
		rig_mem(rig, RIG_DATA, sizeof(*event));

	return len == sizeof(*event) &&
	       event->event & (VIRTIO_SCSI_T_EVENTS_MISSED |
			       VIRTIO_SCSI_T_PARAM_CHANGE);
}

#define HOTPLUG H_F(VIRTIO_SCSI_F_HOTPLUG)
#define CHANGE H_F(VIRTIO_SCSI_F_CHANGE)

static const struct hostile_kind kinds[] = {
	{ "request", &virtio_scsi_class, scsi_config, HS_REQUEST, request_ask,
	  request_answered, 0, NULL },
	{ "control", &virtio_scsi_class, scsi_config, HS_CONTROL, control_ask,
	  control_answered, HOTPLUG, NULL },
	{ "event", &virtio_scsi_class, scsi_config, HS_EVENT, event_ask,
	  event_answered, CHANGE, hs_resize },
	{ "thread", &virtio_scsi_class, thread_config, HS_REQUEST, request_ask,
	  request_answered, 0, NULL },
	{ "polling", &virtio_scsi_class, polling_config, HS_REQUEST_1,
	  request_ask, request_answered, 0, NULL },
	{ 0 }
};

/* The same controller whichever features of its own the driver takes. */
static const struct hostile_kind controllers[] = {
	{ "plain", &virtio_scsi_class, scsi_config, HS_REQUEST, request_ask,
	  request_answered, 0, NULL },
	{ "hotplug", &virtio_scsi_class, scsi_config, HS_REQUEST, request_ask,
	  request_answered, HOTPLUG, NULL },
	{ "hotplug+change", &virtio_scsi_class, scsi_config, HS_REQUEST,
	  request_ask, request_answered, HOTPLUG | CHANGE, NULL },
	{ "thread", &virtio_scsi_class, thread_config, HS_REQUEST, request_ask,
	  request_answered, HOTPLUG | CHANGE, NULL },
	{ "polling", &virtio_scsi_class, polling_config, HS_REQUEST,
	  request_ask, request_answered, HOTPLUG | CHANGE, NULL },
	{ 0 }
};

int main(void)
{
	static const struct hostile_case *const queues[] = {
		hostile_ring_cases,
		hostile_register_cases,
		NULL,
	};
	static const struct hostile_case *const scsi[] = {
		hostile_scsi_cases,
		hostile_scsi_task_cases,
		NULL,
	};
	return hostile_run("hostile-scsi-queues", kinds, queues) +
	       hostile_run("hostile-scsi", controllers, scsi);
}
