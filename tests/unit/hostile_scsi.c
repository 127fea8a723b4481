// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a hostile driver does with a SCSI controller: addresses, commands, sizes
 * and directions, task management, events, resets of one queue or all with
 * requests in flight.  A request that is one is answered, whatever it says.
 */
#include "hostile_scsi.h"

#define SLOT(n) (RIG_DATA + 0x8000ULL * (n))
#define RESP 0x800
#define OUT 0x1000
#define IN 0x4000
#define ROOM 0x3000

#define REQ_LEN sizeof(struct virtio_scsi_cmd_req)
#define RESP_LEN sizeof(struct virtio_scsi_cmd_resp)
#define RESP_HEAD offsetof(struct virtio_scsi_cmd_resp, sense)
#define REQ_HEAD offsetof(struct virtio_scsi_cmd_req, cdb)

/* A request as the driver makes it. */
struct hs {
	struct virtio_scsi_cmd_req req;
	uint32_t req_len, out, resp_len, in;
};

#define COMMAND(...)                                                \
	{                                                           \
		.req = { .lun = { 1, 0 }, .cdb = { __VA_ARGS__ } }, \
		.req_len = REQ_LEN, .resp_len = RESP_LEN            \
	}

/* A controller that is ready, with the driver's view of each of its queues. */
static void begin(const struct hostile *h, struct hostile q[HS_QUEUES])
{
	unsigned int i;

	for (i = 0; i < HS_QUEUES; i++) {
		q[i] = *h;
		q[i].q = i;
	}
	h_negotiate(&q[0]);
	for (i = 0; i < HS_QUEUES; i++)
		h_queue(&q[i]);
	rig_driver_ok(h->rig);
	assert_false(h_broken(&q[0]));
}

/* A chain of these buffers, but the empty ones; returns its descriptors. */
static unsigned int put_bufs(struct hostile *q, const struct rig_buf *bufs,
			     unsigned int nr)
{
	unsigned int i, n = 0, at[H_MAX_BUFS];

	for (i = 0; i < nr; i++)
		if (bufs[i].len)
			at[n++] = i;
	for (i = 0; i < n; i++)
		h_desc(q, (q->next + i) % H_NUM, bufs[at[i]].addr,
		       bufs[at[i]].len,
		       (bufs[at[i]].write ? H_WRITE : 0) |
			       (i + 1 < n ? H_NEXT : 0));
	h_offer(q, n);
	return n;
}

static unsigned int put(struct hostile *q, unsigned int slot,
			const struct hs *hs)
{
	const struct rig_buf bufs[4] = {
		{ SLOT(slot), hs->req_len, false },
		{ SLOT(slot) + OUT, hs->out, false },
		{ SLOT(slot) + RESP, hs->resp_len, true },
		{ SLOT(slot) + IN, hs->in, true },
	};

	memset(rig_mem(q->rig, SLOT(slot) + RESP, RESP_LEN), 0xee, RESP_LEN);
	memcpy(rig_mem(q->rig, SLOT(slot), REQ_LEN), &hs->req, REQ_LEN);
	return put_bufs(q, bufs, 4);
}

static const struct virtio_scsi_cmd_resp *resp_of(const struct hostile *q,
						  unsigned int slot)
{
	return rig_mem(q->rig, SLOT(slot) + RESP, RESP_LEN);
}

/* Until a chain of @n comes back. */
static void back(struct hostile *q, unsigned int n)
{
	unsigned int i;
	uint32_t len;
	bool is;

	for (i = 0; !(is = h_take(q, n, &len)) && i < 20000; i++)
		h_wait(q);
	assert_true(is);
	assert_false(h_broken(q));
}

static const struct virtio_scsi_cmd_resp *ask(struct hostile *q,
					      const struct hs *hs)
{
	unsigned int n = put(q, 0, hs);

	h_go(q);
	back(q, n);
	return resp_of(q, 0);
}

static unsigned int put_tmf(struct hostile *q, unsigned int slot,
			    const struct virtio_scsi_ctrl_tmf_req *tmf)
{
	const struct rig_buf bufs[2] = {
		{ SLOT(slot), sizeof(*tmf), false },
		{ SLOT(slot) + RESP, 1, true },
	};

	memcpy(rig_mem(q->rig, SLOT(slot), sizeof(*tmf)), tmf, sizeof(*tmf));
	return put_bufs(q, bufs, 2);
}

/* ---- who is meant ------------------------------------------------------------ */

/* Every value of each byte of an address */
static void luns(struct hostile *h)
{
	struct hostile q[HS_QUEUES];
	struct hs hs = COMMAND(0x12, 0, 0, 0, 36);
	unsigned int at, value;

	begin(h, q);
	hs.in = 36;
	for (at = 0; at < 8; at++)
		for (value = 0; value < 256; value += at < 3 ? 1 : 51) {
			memset(hs.req.lun, 0, 8);
			hs.req.lun[0] = 1;
			hs.req.lun[at] = (uint8_t)value;
			ask(&q[HS_REQUEST], &hs);
		}
}

static void luns_of_tasks(struct hostile *h)
{
	struct hostile q[HS_QUEUES];
	struct virtio_scsi_ctrl_tmf_req tmf = { .type = VIRTIO_SCSI_T_TMF };
	unsigned int i, n;

	begin(h, q);
	for (i = 0; i < 512; i++) {
		memset(tmf.lun, 0, 8);
		tmf.lun[0] = 1;
		tmf.lun[h_random(h) % 8] = (uint8_t)h_random(h);
		tmf.subtype = h_random(h) % 10;
		n = put_tmf(&q[HS_CONTROL], 1, &tmf);
		h_go(&q[HS_CONTROL]);
		back(&q[HS_CONTROL], n);
	}
}

/* ---- commands ---------------------------------------------------------------- */

/* Every operation code, to both units, with data each way and anything in it */
static void opcodes(struct hostile *h)
{
	struct hostile q[HS_QUEUES];
	unsigned int op, i;

	begin(h, q);
	for (op = 0; op < 256; op++) {
		struct hs hs = COMMAND((uint8_t)op);

		for (i = 1; i < 32; i++)
			hs.req.cdb[i] = h_random(h) % 3 ? 0 :
							  (uint8_t)h_random(h);
		hs.req.lun[1] = h_random(h) % 2;
		hs.out = h_random(h) % 3 ? 0 : h_random(h) % ROOM;
		hs.in = hs.out || h_random(h) % 3 == 0 ? 0 : h_random(h) % ROOM;
		ask(&q[HS_REQUEST + h_random(h) % 2], &hs);
	}
}

/* What a disk can, at the ends of what addresses and counts can say */
static void ranges(struct hostile *h)
{
	static const uint8_t ops[] = { 0x08, 0x0a, 0x28, 0x2a, 0x2f, 0x35,
				       0x41, 0x42, 0x88, 0x8a, 0x8f, 0x91,
				       0x93, 0x9e, 0xa8, 0xaa, 0xaf };
	static const uint8_t ends[] = { 0, 1, 0x7f, 0x80, 0xff };
	struct hostile q[HS_QUEUES];
	unsigned int op, i, j;

	begin(h, q);
	for (op = 0; op < sizeof(ops); op++)
		for (i = 0; i < 5; i++)
			for (j = 0; j < 5; j++) {
				struct hs hs = COMMAND(ops[op]);

				memset(hs.req.cdb + 2, ends[i], 8);
				memset(hs.req.cdb + 6, ends[j], 8);
				hs.out = h_random(h) % 2 ? 1024 : 0;
				hs.in = hs.out ? 0 : 1024;
				ask(&q[HS_REQUEST], &hs);
			}
}

/* More data than there are buffers, and buffers the wrong way */
static void overruns(struct hostile *h)
{
	static const struct hs short_of[] = {
		COMMAND(0x28, 0, 0, 0, 0, 0, 0, 0, 2),
		COMMAND(0x2a, 0, 0, 0, 0, 0, 0, 0, 2),
		COMMAND(0x12, 0, 0, 0, 255),
		COMMAND(0x41, 0, 0, 0, 0, 0, 0, 0, 8),
		COMMAND(0x42, 0, 0, 0, 0, 0, 0, 0xff, 0xff),
		COMMAND(0x55, 0x10, 0, 0, 0, 0, 0, 0xff, 0xff),
		COMMAND(0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff,
			0xff),
		COMMAND(0xa0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff),
	};
	struct hostile q[HS_QUEUES];
	unsigned int i, way;
	struct hs hs;

	begin(h, q);
	for (i = 0; i < sizeof(short_of) / sizeof(short_of[0]); i++)
		for (way = 0; way < 3; way++) {
			hs = short_of[i];
			hs.in = way == 1 ? 200 : 0;
			hs.out = way == 2 ? 200 : 0;
			assert_int_equal(ask(&q[HS_REQUEST], &hs)->response,
					 VIRTIO_SCSI_S_OVERRUN);
		}
}

/* Lists of descriptors and of mode pages whose lengths lie */
static void lists(struct hostile *h)
{
	struct hostile q[HS_QUEUES];
	uint8_t *list = rig_mem(h->rig, SLOT(0) + OUT, ROOM);
	unsigned int i, j;

	begin(h, q);
	for (i = 0; i < 200; i++) {
		struct hs unmap = COMMAND(0x42);
		struct hs select = COMMAND(0x55, 0x10);
		struct hs *hs = i % 2 ? &unmap : &select;
		uint32_t len = h_random(h) % 3 ? 8 + 16 * (h_random(h) % 300) :
						 h_random(h) % ROOM;

		for (j = 0; j < 128; j++)
			list[j] = h_random(h) % 2 ? 0 : (uint8_t)h_random(h);
		hs->req.cdb[7] = (uint8_t)(len >> 8);
		hs->req.cdb[8] = (uint8_t)len;
		hs->out = len < ROOM ? len : ROOM;
		ask(&q[HS_REQUEST], hs);
	}
}

static void both_ways(struct hostile *h)
{
	struct hostile q[HS_QUEUES];
	struct hs hs = COMMAND(0x28, 0, 0, 0, 0, 0, 0, 0, 1);

	begin(h, q);
	hs.in = hs.out = 512;
	assert_int_equal(ask(&q[HS_REQUEST], &hs)->response,
			 VIRTIO_SCSI_S_FAILURE);
}

/* Request, response and data are one place. */
static void all_in_one(struct hostile *h)
{
	const struct hs hs = COMMAND(0x28, 0, 0, 0, 0, 0, 0, 0, 1);
	const struct rig_buf bufs[3] = {
		{ SLOT(0), REQ_LEN, false },
		{ SLOT(0), RESP_LEN, true },
		{ SLOT(0), 512, true },
	};
	struct hostile q[HS_QUEUES];
	unsigned int i, n;

	begin(h, q);
	for (i = 0; i < 4; i++) {
		memcpy(rig_mem(h->rig, SLOT(0), REQ_LEN), &hs.req, REQ_LEN);
		n = put_bufs(&q[HS_REQUEST], bufs, 3);
		h_go(&q[HS_REQUEST]);
		back(&q[HS_REQUEST], n);
	}
}

/* The disk is read into the rings. */
static void into_rings(struct hostile *h)
{
	const struct hs hs = COMMAND(0x28, 0, 0, 0, 0, 0, 0, 0, 128);
	const struct rig_buf bufs[3] = {
		{ SLOT(0), REQ_LEN, false },
		{ SLOT(0) + RESP, RESP_LEN, true },
		{ RIG_DESC(0), RIG_DESC(HS_QUEUES) - RIG_DESC(0), true },
	};
	struct hostile q[HS_QUEUES];
	unsigned int i;

	begin(h, q);
	memcpy(rig_mem(h->rig, SLOT(0), REQ_LEN), &hs.req, REQ_LEN);
	for (i = 0; i < 3; i++) {
		put_bufs(&q[HS_REQUEST], bufs, 3);
		h_go(&q[HS_REQUEST]);
		h_wait(&q[HS_REQUEST]);
	}
}

/* ---- sizes ------------------------------------------------------------------- */

static void write_size(struct hostile *h, size_t off, uint32_t val)
{
	rig_write(h->rig, VIRTIO_PCI_DEVICE + off, 4, val);
}

#define CDB_SIZE offsetof(struct virtio_scsi_config, cdb_size)
#define SENSE_SIZE offsetof(struct virtio_scsi_config, sense_size)

static uint32_t read_size(struct hostile *h, size_t off)
{
	return (uint32_t)rig_read(h->rig, VIRTIO_PCI_DEVICE + off, 4);
}

/* Any sizes before DRIVER_OK; requests are as long as the device then says. */
static void sizes(struct hostile *h)
{
	static const uint32_t values[] = { 0,	1,   5,	  6,	 15,
					   16,	17,  18,  96,	 251,
					   252, 253, 255, 0x100, UINT32_MAX };
	const unsigned int nr = sizeof(values) / sizeof(values[0]);
	struct hs hs = COMMAND(0xff), inquiry = COMMAND(0x12, 0, 0, 0, 36);
	unsigned int i, n;
	uint32_t cdb, sense;

	for (i = 0; i < nr; i++) {
		h_negotiate(h);
		write_size(h, CDB_SIZE, values[i]);
		write_size(h, SENSE_SIZE, values[h_random(h) % nr]);
		cdb = read_size(h, CDB_SIZE);
		sense = read_size(h, SENSE_SIZE);
		assert_in_range(cdb, 0, 255);
		assert_in_range(sense, 0, 252);
		h_queue(h);
		rig_driver_ok(h->rig);
		hs.req_len = inquiry.req_len = (uint32_t)REQ_HEAD + cdb;
		hs.resp_len = inquiry.resp_len = (uint32_t)RESP_HEAD + sense;
		inquiry.in = 36;
		n = put(h, 0, &hs);
		h_go(h);
		back(h, n);
		assert_in_range(resp_of(h, 0)->sense_len, 0,
				sense < 18 ? sense : 18);
		n = put(h, 0, &inquiry);
		h_go(h);
		back(h, n);
	}
}

static void sizes_in_flight(struct hostile *h)
{
	const struct hs hs = COMMAND(0x28, 0, 0, 0, 0, 0, 0, 0, 8);
	struct hs read = hs;
	unsigned int n;

	read.in = 4096;
	n = put(h, 0, &read);
	h_ring_bell(h);
	write_size(h, CDB_SIZE, 0);
	write_size(h, SENSE_SIZE, 252);
	back(h, n);
	assert_int_equal(read_size(h, CDB_SIZE), 32);
	assert_int_equal(read_size(h, SENSE_SIZE), 96);
}

static void short_request(struct hostile *h)
{
	struct hs hs = COMMAND(0);

	hs.req_len--;
	put(h, 0, &hs);
	h_go(h);
}

static void short_response(struct hostile *h)
{
	struct hs hs = COMMAND(0);

	hs.resp_len--;
	put(h, 0, &hs);
	h_go(h);
}

static void no_response(struct hostile *h)
{
	struct hs hs = COMMAND(0);

	hs.resp_len = 0;
	put(h, 0, &hs);
	h_go(h);
}

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

	begin(h, q);
	memset(rig_mem(h->rig, SLOT(1), 64), 0, 64);
	memcpy(rig_mem(h->rig, SLOT(1), 4), &type, 4);
	put_bufs(&q[HS_CONTROL], bufs, 2);
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

	begin(h, q);
	for (i = 0; i < 64; i++) {
		tmf.subtype = i < 32 ? i : UINT32_MAX - h_random(h);
		tmf.tag = i % 2 ? 0 : UINT64_MAX;
		n = put_tmf(&q[HS_CONTROL], 1, &tmf);
		h_go(&q[HS_CONTROL]);
		back(&q[HS_CONTROL], n);
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

	begin(h, q);
	for (i = 0; i < 64; i++) {
		an.type = i % 2 ? VIRTIO_SCSI_T_AN_QUERY :
				  VIRTIO_SCSI_T_AN_SUBSCRIBE;
		an.lun[1] = i % 3;
		an.event_requested = i % 5 ? h_random(h) : UINT32_MAX;
		memcpy(rig_mem(h->rig, SLOT(1), sizeof(an)), &an, sizeof(an));
		n = put_bufs(&q[HS_CONTROL], bufs, 2);
		h_go(&q[HS_CONTROL]);
		back(&q[HS_CONTROL], n);
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
		n = put(q, 4 + i, &read);
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

	begin(h, q);
	for (round = 0; round < 4; round++) {
		n = put_reads(&q[HS_REQUEST], 2);
		put_reads(&q[HS_REQUEST_1], 2);
		n_tmf = put_tmf(&q[HS_CONTROL], 1, &tmf);
		/* And another that has to wait. */
		put_tmf(&q[HS_CONTROL], 2, &tmf);
		h_ring_bell(&q[round % 2 ? HS_CONTROL : HS_REQUEST]);
		h_ring_bell(&q[round % 2 ? HS_REQUEST : HS_REQUEST_1]);
		h_ring_bell(&q[round % 2 ? HS_REQUEST_1 : HS_CONTROL]);
		for (i = 0; i < 2; i++) {
			back(&q[HS_CONTROL], n_tmf);
			back(&q[HS_REQUEST], n);
			back(&q[HS_REQUEST_1], n);
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
	n = put_tmf(&q, 1, &tmf);
	h_go(&q);
	back(&q, n);
}

/* ---- resets ------------------------------------------------------------------ */

static const struct virtio_scsi_ctrl_tmf_req abort_all = {
	.type = VIRTIO_SCSI_T_TMF,
	.subtype = VIRTIO_SCSI_T_TMF_ABORT_TASK_SET,
	.lun = { 1, 0 },
};

/* Reads on both queues, a function that waits for them, buffers for events */
static void fill(struct hostile q[HS_QUEUES])
{
	const struct rig_buf event = { SLOT(3), 16, true };

	put_reads(&q[HS_REQUEST], 2);
	put_reads(&q[HS_REQUEST_1], 2);
	put_tmf(&q[HS_CONTROL], 1, &abort_all);
	put_bufs(&q[HS_EVENT], &event, 1);
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
		begin(h, q);
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

	begin(h, q);
	h_run(&q[0]);
	for (i = 0; i < HS_QUEUES; i++) {
		fill(q);
		serve_all(&q[HS_REQUEST]);
		rig_write(h->rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, i);
		rig_write(h->rig, 58, 2, 1);
		for (j = 0; j < 50; j++)
			h_wait(&q[i]);
		if (!(h->features & H_RESET)) {
			begin(h, q);
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
				back(&q[j], n);
			back(&q[j], n);
		}
		begin(h, q);
		h_run(&q[0]);
	}
}

/* And the function that waits for the reads is reset with its queue. */
static void control_reset_alone(struct hostile *h)
{
	const struct hs inquiry = COMMAND(0x12);
	struct hostile q[HS_QUEUES];
	unsigned int i, n;

	begin(h, q);
	h_run(&q[0]);
	for (i = 0; i < 4; i++) {
		put_tmf(&q[HS_CONTROL], 1, &abort_all);
		rig_write(h->rig, VIRTIO_PCI_COMMON_Q_SELECT, 2, HS_CONTROL);
		h_ring_bell(&q[HS_CONTROL]);
		rig_write(h->rig, 58, 2, 1);
		n = put(&q[HS_REQUEST], 0, &inquiry);
		h_go(&q[HS_REQUEST]);
		back(&q[HS_REQUEST], n);
		if (h->features & H_RESET)
			h_queue(&q[HS_CONTROL]);
		else
			back(&q[HS_CONTROL], 2);
	}
}

/* The machine stops and goes on with all in flight. */
static void stops_in_flight(struct hostile *h)
{
	struct hostile q[HS_QUEUES];
	unsigned int i;

	begin(h, q);
	h_run(&q[0]);
	for (i = 0; i < 3; i++) {
		fill(q);
		serve_all(&q[HS_REQUEST]);
		devices_stop(&h->rig->vm);
		devices_start(&h->rig->vm);
		back(&q[HS_REQUEST], 3);
		back(&q[HS_REQUEST], 3);
		back(&q[HS_REQUEST_1], 3);
		back(&q[HS_REQUEST_1], 3);
		back(&q[HS_CONTROL], 2);
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

	begin(h, q);
	h_run(&q[0]);
	for (i = 0; i < 40; i++) {
		for (j = 0; j < i % 4; j++)
			put_bufs(&q[HS_EVENT], &buf, 1);
		if (i % 3)
			h_ring_bell(&q[HS_EVENT]);
		hs_resize(h->rig);
		hs_resize(h->rig);
		h_run(&q[HS_EVENT]);
		while (h_take(&q[HS_EVENT], 1, &len))
			assert_int_equal(len, 16);
		if (i % 8 == 7) {
			begin(h, q);
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

	begin(h, q);
	h_run(&q[0]);
	put_bufs(&q[HS_EVENT], &buf, 1);
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
	begin(h, q);
	h_run(&q[0]);
	for (i = 0; i < 8; i++) {
		number = virtio_scsi_attach(h->rig->dev, &disk, &err);
		assert_in_range(number, 2, 3);
		read.req.lun[1] = (uint8_t)number;
		n = put(&q[HS_REQUEST], 0, &read);
		put(&q[HS_REQUEST], 1, &read);
		h_ring_bell(&q[HS_REQUEST]);
		if (i % 2)
			serve_all(&q[HS_REQUEST]);
		virtio_scsi_detach(h->rig->dev, (unsigned int)number);
		back(&q[HS_REQUEST], n);
		back(&q[HS_REQUEST], n);
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

	begin(h, q);
	h_run(&q[0]);
	read.in = 8192;
	for (i = 0; i < 8; i++) {
		n = put(&q[HS_REQUEST], 0, &read);
		h_ring_bell(&q[HS_REQUEST]);
		if (i % 3)
			serve_all(&q[HS_REQUEST]);
		hs_resize(h->rig);
		back(&q[HS_REQUEST], n);
	}
}

const struct hostile_case hostile_scsi_cases[] = {
	CASE(luns, WORKS, WORKS),
	CASE(luns_of_tasks, WORKS, WORKS),
	CASE(opcodes, WORKS, WORKS),
	CASE(ranges, WORKS, WORKS),
	CASE(overruns, WORKS, WORKS),
	CASE(lists, WORKS, WORKS),
	CASE(both_ways, WORKS, WORKS),
	CASE(all_in_one, WORKS, WORKS),
	CASE(into_rings, ANY, ANY),
	CASE(sizes, WORKS, WORKS),
	CASE(sizes_in_flight, WORKS, WORKS),
	CASE(short_request, BREAKS, BREAKS),
	CASE(short_response, BREAKS, BREAKS),
	CASE(no_response, BREAKS, BREAKS),
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
