// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a hostile driver does to a SCSI controller at work: task management,
 * resets of one queue or all, disks that come, go and change.
 */
#include "hostile_scsi.h"

/* ---- task management --------------------------------------------------------- */

/* A control request of @type that is cut off at @len, with room for @room. */
static void control_cut(struct hostile *h, uint32_t type, uint32_t len,
			uint32_t room)
{
	struct hostile q[HS_QUEUES];
	const struct rig_buf bufs[2] = {
		{ SLOT(1), len, false },
		{ SLOT(1) + RESP, room, true },
	};

	hs_begin(h, q);
	memset(rig_mem(h->rig, SLOT(1), 64), 0, 64);
	memcpy(rig_mem(h->rig, SLOT(1), 4), &type, 4);
	hs_put_bufs(&q[HS_CONTROL], bufs, 2);
	h_go(&q[HS_CONTROL]);
}

#define TMF_LEN sizeof(struct virtio_scsi_ctrl_tmf_req)
#define AN_LEN sizeof(struct virtio_scsi_ctrl_an_req)

static void no_type(struct hostile *h)
{
	control_cut(h, VIRTIO_SCSI_T_TMF, 3, 8);
}

static void unknown_type(struct hostile *h)
{
	control_cut(h, 3, 64, 64);
}

static void last_type(struct hostile *h)
{
	control_cut(h, UINT32_MAX, 64, 64);
}

static void short_function(struct hostile *h)
{
	control_cut(h, VIRTIO_SCSI_T_TMF, TMF_LEN - 1, 8);
}

static void function_unanswered(struct hostile *h)
{
	control_cut(h, VIRTIO_SCSI_T_TMF, TMF_LEN, 0);
}

static void short_query(struct hostile *h)
{
	control_cut(h, VIRTIO_SCSI_T_AN_QUERY, AN_LEN - 1, 8);
}

static void subscription_unanswered(struct hostile *h)
{
	control_cut(h, VIRTIO_SCSI_T_AN_SUBSCRIBE, AN_LEN,
		    sizeof(struct virtio_scsi_ctrl_an_resp) - 1);
}

/* All there are, and many that there are not */
static void functions(struct hostile *h)
{
	struct virtio_scsi_ctrl_tmf_req tmf = { .type = VIRTIO_SCSI_T_TMF,
						.lun = { 1, 0 } };
	struct hostile q[HS_QUEUES];
	unsigned int i, n;

	hs_begin(h, q);
	for (i = 0; i < 64; i++) {
		tmf.subtype = i < 32 ? i : UINT32_MAX - h_random(h);
		tmf.tag = i % 2 ? 0 : UINT64_MAX;
		n = hs_put_tmf(&q[HS_CONTROL], 1, &tmf);
		h_go(&q[HS_CONTROL]);
		hs_back(&q[HS_CONTROL], n);
	}
}

static void subscriptions(struct hostile *h)
{
	struct virtio_scsi_ctrl_an_req an = { .lun = { 1, 0 } };
	const struct rig_buf bufs[2] = {
		{ SLOT(1), sizeof(an), false },
		{ SLOT(1) + RESP, 5, true },
	};
	struct hostile q[HS_QUEUES];
	unsigned int i, n;

	hs_begin(h, q);
	for (i = 0; i < 64; i++) {
		an.type = i % 2 ? VIRTIO_SCSI_T_AN_QUERY :
				  VIRTIO_SCSI_T_AN_SUBSCRIBE;
		an.lun[1] = i % 3;
		an.event_requested = i % 5 ? h_random(h) : UINT32_MAX;
		memcpy(rig_mem(h->rig, SLOT(1), sizeof(an)), &an, sizeof(an));
		n = hs_put_bufs(&q[HS_CONTROL], bufs, 2);
		h_go(&q[HS_CONTROL]);
		hs_back(&q[HS_CONTROL], n);
	}
}

/* Reads that are on their way; returns the descriptors of each. */
static unsigned int put_reads(struct hostile *q, unsigned int nr)
{
	struct hs read = COMMAND(0x28, 0, 0, 0, 0, 0, 0, 0, 16);
	unsigned int i, n = 0;

	read.in = 8192;
	for (i = 0; i < nr; i++) {
		read.req.tag = 100 + i;
		read.req.cdb[5] = (uint8_t)(16 * i);
		n = hs_put(q, 4 + i, &read);
	}
	return n;
}

/* With reads of both queues in flight, and the bells rung in either order */
static void function_in_flight(struct hostile *h, uint32_t subtype,
			       uint64_t tag)
{
	const struct virtio_scsi_ctrl_tmf_req tmf = {
		.type = VIRTIO_SCSI_T_TMF,
		.subtype = subtype,
		.lun = { 1, 0 },
		.tag = tag,
	};
	struct hostile q[HS_QUEUES];
	unsigned int n, n_tmf, i, round;

	hs_begin(h, q);
	for (round = 0; round < 4; round++) {
		n = put_reads(&q[HS_REQUEST], 2);
		put_reads(&q[HS_REQUEST_1], 2);
		n_tmf = hs_put_tmf(&q[HS_CONTROL], 1, &tmf);
		/* And another that has to wait. */
		hs_put_tmf(&q[HS_CONTROL], 2, &tmf);
		h_ring_bell(&q[round % 2 ? HS_CONTROL : HS_REQUEST]);
		h_ring_bell(&q[round % 2 ? HS_REQUEST : HS_REQUEST_1]);
		h_ring_bell(&q[round % 2 ? HS_REQUEST_1 : HS_CONTROL]);
		for (i = 0; i < 2; i++) {
			hs_back(&q[HS_CONTROL], n_tmf);
			hs_back(&q[HS_REQUEST], n);
			hs_back(&q[HS_REQUEST_1], n);
		}
	}
}

static void abort_in_flight(struct hostile *h)
{
	function_in_flight(h, VIRTIO_SCSI_T_TMF_ABORT_TASK, 101);
}

static void abort_set_in_flight(struct hostile *h)
{
	function_in_flight(h, VIRTIO_SCSI_T_TMF_ABORT_TASK_SET, 0);
}

static void clear_set_in_flight(struct hostile *h)
{
	function_in_flight(h, VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET, 0);
}

static void query_in_flight(struct hostile *h)
{
	function_in_flight(h, VIRTIO_SCSI_T_TMF_QUERY_TASK, 100);
}

static void unit_reset_in_flight(struct hostile *h)
{
	function_in_flight(h, VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET, 0);
}

static void nexus_reset_in_flight(struct hostile *h)
{
	function_in_flight(h, VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET, 0);
}

/* Only the control queue is there. */
static void control_alone(struct hostile *h)
{
	const struct virtio_scsi_ctrl_tmf_req tmf = {
		.type = VIRTIO_SCSI_T_TMF,
		.subtype = VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET,
		.lun = { 1, 0 },
	};
	struct hostile q = *h;
	unsigned int n;

	q.q = HS_CONTROL;
	h_drive(&q);
	n = hs_put_tmf(&q, 1, &tmf);
	h_go(&q);
	hs_back(&q, n);
}

static const struct virtio_scsi_ctrl_tmf_req abort_all = {
	.type = VIRTIO_SCSI_T_TMF,
	.subtype = VIRTIO_SCSI_T_TMF_ABORT_TASK_SET,
	.lun = { 1, 0 },
};

/* Two queues have one ring. */
static void one_ring(struct hostile *h)
{
	struct hostile q[HS_QUEUES];
	unsigned int i;

	for (i = 0; i < HS_QUEUES; i++) {
		q[i] = *h;
		q[i].q = i;
	}
	h_negotiate(&q[0]);
	for (i = 0; i < HS_QUEUES; i++)
		if (i != HS_REQUEST_1)
			h_queue(&q[i]);
	h_ring_at(&q[HS_REQUEST_1], RIG_DESC(HS_REQUEST), RIG_AVAIL(HS_REQUEST),
		  RIG_USED(HS_REQUEST), H_NUM);
	rig_driver_ok(h->rig);
	for (i = 0; i < 4; i++) {
		put_reads(&q[HS_REQUEST], 2);
		hs_put_tmf(&q[HS_CONTROL], 1, &abort_all);
		h_ring_bell(&q[i % 2 ? HS_REQUEST : HS_REQUEST_1]);
		h_ring_bell(&q[i % 2 ? HS_REQUEST_1 : HS_CONTROL]);
		h_ring_bell(&q[i % 2 ? HS_CONTROL : HS_REQUEST]);
		h_wait(&q[HS_REQUEST]);
	}
}

/* ---- resets ------------------------------------------------------------------ */

/* Reads on both queues, a function that waits for them, buffers for events */
static void fill(struct hostile q[HS_QUEUES])
{
	const struct rig_buf event = { SLOT(3), 16, true };

	put_reads(&q[HS_REQUEST], 2);
	put_reads(&q[HS_REQUEST_1], 2);
	hs_put_tmf(&q[HS_CONTROL], 1, &abort_all);
	hs_put_bufs(&q[HS_EVENT], &event, 1);
}

static void do_serve_all(void *opaque)
{
	struct virtio_pci *vpci = opaque;
	unsigned int i;

	for (i = HS_REQUEST; i < HS_QUEUES; i++)
		virtio_serve(&vpci->vdev, i);
	virtio_serve(&vpci->vdev, HS_CONTROL);
}

/* Serves all queues as far as it goes at once: now all is in flight. */
static void serve_all(struct hostile *h)
{
	struct virtio_pci *vpci =
		container_of(h->rig->pci, struct virtio_pci, pci);

	h_ring_bell(h);
	loop_sync(vpci->vdev.queues[0].loop, do_serve_all, vpci);
}

static void all_reset_in_flight(struct hostile *h)
{
	struct hostile q[HS_QUEUES];
	unsigned int i;

	for (i = 0; i < 6; i++) {
		hs_begin(h, q);
		h_run(&q[0]);
		fill(q);
		if (i % 2)
			serve_all(&q[HS_REQUEST]);
		else
			h_ring_bell(&q[HS_CONTROL]);
		rig_set_status(h->rig, 0);
	}
}

/* One queue after the other, in flight; where that cannot be, nothing happens. */
static void queues_reset_in_flight(struct hostile *h)
{
	struct hostile q[HS_QUEUES];
	unsigned int i, j, n;

	hs_begin(h, q);
	h_run(&q[0]);
	for (i = 0; i < HS_QUEUES; i++) {
		fill(q);
		serve_all(&q[HS_REQUEST]);
		rig_write(h->rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, i);
		rig_write(h->rig, 58, 2, 1);
		for (j = 0; j < 50; j++)
			h_wait(&q[i]);
		if (!(h->features & H_RESET)) {
			hs_begin(h, q);
			h_run(&q[0]);
			continue;
		}
		h_queue(&q[i]);
		for (j = 0; j < 50; j++)
			h_wait(&q[i]);
		/* The others have lost nothing: take all that came back. */
		for (j = 0; j < HS_QUEUES; j++) {
			if (j == i || j == HS_EVENT)
				continue;
			n = j == HS_CONTROL ? 2 : 3;
			if (j != HS_CONTROL)
				hs_back(&q[j], n);
			hs_back(&q[j], n);
		}
		hs_begin(h, q);
		h_run(&q[0]);
	}
}

/* And the function that waits for the reads is reset with its queue. */
static void control_reset_alone(struct hostile *h)
{
	const struct hs inquiry = COMMAND(0x12);
	struct hostile q[HS_QUEUES];
	unsigned int i, n;

	hs_begin(h, q);
	h_run(&q[0]);
	for (i = 0; i < 4; i++) {
		hs_put_tmf(&q[HS_CONTROL], 1, &abort_all);
		rig_write(h->rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, HS_CONTROL);
		h_ring_bell(&q[HS_CONTROL]);
		rig_write(h->rig, 58, 2, 1);
		n = hs_put(&q[HS_REQUEST], 0, &inquiry);
		h_go(&q[HS_REQUEST]);
		hs_back(&q[HS_REQUEST], n);
		if (h->features & H_RESET)
			h_queue(&q[HS_CONTROL]);
		else
			hs_back(&q[HS_CONTROL], 2);
	}
}

/* The machine stops and goes on with all in flight. */
static void stops_in_flight(struct hostile *h)
{
	struct hostile q[HS_QUEUES];
	unsigned int i;

	hs_begin(h, q);
	h_run(&q[0]);
	for (i = 0; i < 3; i++) {
		fill(q);
		serve_all(&q[HS_REQUEST]);
		devices_stop(&h->rig->vm);
		devices_start(&h->rig->vm);
		hs_back(&q[HS_REQUEST], 3);
		hs_back(&q[HS_REQUEST], 3);
		hs_back(&q[HS_REQUEST_1], 3);
		hs_back(&q[HS_REQUEST_1], 3);
		hs_back(&q[HS_CONTROL], 2);
	}
}

/* ---- events ------------------------------------------------------------------ */

/* More and more happens; the buffers are too few, and too many. */
static void events(struct hostile *h)
{
	const struct rig_buf buf = { SLOT(3), 16, true };
	struct hostile q[HS_QUEUES];
	unsigned int i, j;
	uint32_t len;

	hs_begin(h, q);
	h_run(&q[0]);
	for (i = 0; i < 40; i++) {
		for (j = 0; j < i % 4; j++)
			hs_put_bufs(&q[HS_EVENT], &buf, 1);
		if (i % 3)
			h_ring_bell(&q[HS_EVENT]);
		hs_resize(h->rig);
		hs_resize(h->rig);
		h_run(&q[HS_EVENT]);
		while (h_take(&q[HS_EVENT], 1, &len))
			assert_int_equal(len, 16);
		if (i % 8 == 7) {
			hs_begin(h, q);
			h_run(&q[0]);
		}
	}
}

/* One buffer for events, of the wrong kind; does anything happen? */
static bool bad_event_buffer(struct hostile *h, uint32_t len, bool write)
{
	const struct rig_buf buf = { SLOT(3), len, write };
	struct hostile q[HS_QUEUES];
	unsigned int i;

	hs_begin(h, q);
	h_run(&q[0]);
	hs_put_bufs(&q[HS_EVENT], &buf, 1);
	h_go(&q[HS_EVENT]);
	hs_resize(h->rig);
	for (i = 0; i < 300 && !h_broken(&q[0]); i++)
		h_wait(&q[0]);
	return h_broken(&q[0]);
}

static void small_event(struct hostile *h)
{
	bool told = h->kind->features & H_F(VIRTIO_SCSI_F_CHANGE);

	assert_int_equal(bad_event_buffer(h, 15, true), told);
}

static void readonly_event(struct hostile *h)
{
	bool told = h->kind->features & H_F(VIRTIO_SCSI_F_CHANGE);

	assert_int_equal(bad_event_buffer(h, 16, false), told);
}

/* Disks come and go with requests in flight, also of their own. */
static void hotplug(struct hostile *h)
{
	char path[] = "/tmp/vireo-test-hostile-scsi-XXXXXX";
	struct disk_config disk = { .path = path };
	struct hs read = COMMAND(0x28, 0, 0, 0, 0, 0, 0, 0, 8);
	struct hostile q[HS_QUEUES];
	struct error err = { "" };
	unsigned int i, n;
	int number, fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	read.in = 4096;
	hs_begin(h, q);
	h_run(&q[0]);
	for (i = 0; i < 8; i++) {
		number = virtio_scsi_attach(h->rig->dev, &disk, &err);
		assert_in_range(number, 2, 3);
		read.req.lun[1] = (uint8_t)number;
		n = hs_put(&q[HS_REQUEST], 0, &read);
		hs_put(&q[HS_REQUEST], 1, &read);
		h_ring_bell(&q[HS_REQUEST]);
		if (i % 2)
			serve_all(&q[HS_REQUEST]);
		virtio_scsi_detach(h->rig->dev, (unsigned int)number);
		hs_back(&q[HS_REQUEST], n);
		hs_back(&q[HS_REQUEST], n);
		h_run(&q[0]);
	}
	close(fd);
	unlink(path);
}

/* It becomes smaller below requests that are on their way. */
static void shrinks(struct hostile *h)
{
	struct hs read = COMMAND(0x28, 0, 0, 0, 0x0f, 0xf0, 0, 0, 16);
	struct hostile q[HS_QUEUES];
	unsigned int i, n;

	hs_begin(h, q);
	h_run(&q[0]);
	read.in = 8192;
	for (i = 0; i < 8; i++) {
		n = hs_put(&q[HS_REQUEST], 0, &read);
		h_ring_bell(&q[HS_REQUEST]);
		if (i % 3)
			serve_all(&q[HS_REQUEST]);
		hs_resize(h->rig);
		hs_back(&q[HS_REQUEST], n);
	}
}

const struct hostile_case hostile_scsi_task_cases[] = {
	CASE(no_type, BREAKS, BREAKS),
	CASE(unknown_type, BREAKS, BREAKS),
	CASE(last_type, BREAKS, BREAKS),
	CASE(short_function, BREAKS, BREAKS),
	CASE(function_unanswered, BREAKS, BREAKS),
	CASE(short_query, BREAKS, BREAKS),
	CASE(subscription_unanswered, BREAKS, BREAKS),
	CASE(functions, WORKS, WORKS),
	CASE(subscriptions, WORKS, WORKS),
	CASE(abort_in_flight, WORKS, WORKS),
	CASE(abort_set_in_flight, WORKS, WORKS),
	CASE(clear_set_in_flight, WORKS, WORKS),
	CASE(query_in_flight, WORKS, WORKS),
	CASE(unit_reset_in_flight, WORKS, WORKS),
	CASE(nexus_reset_in_flight, WORKS, WORKS),
	CASE(control_alone, WORKS, WORKS),
	CASE(one_ring, ANY, ANY),
	CASE(all_reset_in_flight, ANY, ANY),
	CASE(queues_reset_in_flight, WORKS, WORKS),
	CASE(control_reset_alone, WORKS, WORKS),
	CASE(stops_in_flight, WORKS, WORKS),
	CASE(events, WORKS, WORKS),
	CASE(small_event, ANY, ANY),
	CASE(readonly_event, ANY, ANY),
	CASE(hotplug, WORKS, WORKS),
	CASE(shrinks, WORKS, WORKS),
	{ 0 }
};
