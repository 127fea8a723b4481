// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a hostile driver asks of a SCSI controller: addresses, commands, sizes and
 * directions.  A request that is one is answered, whatever it says.
 */
#include "hostile_scsi.h"

/* ---- who is meant ------------------------------------------------------------ */

/* Every value of each byte of an address */
static void luns(struct hostile *h)
{
	struct hostile q[HS_QUEUES];
	struct hs hs = COMMAND(0x12, 0, 0, 0, 36);
	unsigned int at, value;

	hs_begin(h, q);
	hs.in = 36;
	for (at = 0; at < 8; at++)
		for (value = 0; value < 256; value += at < 3 ? 1 : 51) {
			memset(hs.req.lun, 0, 8);
			hs.req.lun[0] = 1;
			hs.req.lun[at] = (uint8_t)value;
			hs_ask(&q[HS_REQUEST], &hs);
		}
}

static void luns_of_tasks(struct hostile *h)
{
	struct hostile q[HS_QUEUES];
	struct virtio_scsi_ctrl_tmf_req tmf = { .type = VIRTIO_SCSI_T_TMF };
	unsigned int i, n;

	hs_begin(h, q);
	for (i = 0; i < 512; i++) {
		memset(tmf.lun, 0, 8);
		tmf.lun[0] = 1;
		tmf.lun[h_random(h) % 8] = (uint8_t)h_random(h);
		tmf.subtype = h_random(h) % 10;
		n = hs_put_tmf(&q[HS_CONTROL], 1, &tmf);
		h_go(&q[HS_CONTROL]);
		hs_back(&q[HS_CONTROL], n);
	}
}

/* ---- commands ---------------------------------------------------------------- */

/* Every operation code, to both units, with data each way and anything in it */
static void opcodes(struct hostile *h)
{
	struct hostile q[HS_QUEUES];
	unsigned int op, i;

	hs_begin(h, q);
	for (op = 0; op < 256; op++) {
		struct hs hs = COMMAND((uint8_t)op);

		for (i = 1; i < 32; i++)
			hs.req.cdb[i] = h_random(h) % 3 ? 0 :
							  (uint8_t)h_random(h);
		hs.req.lun[1] = h_random(h) % 2;
		hs.out = h_random(h) % 3 ? 0 : h_random(h) % ROOM;
		hs.in = hs.out || h_random(h) % 3 == 0 ? 0 : h_random(h) % ROOM;
		hs_ask(&q[HS_REQUEST + h_random(h) % 2], &hs);
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

	hs_begin(h, q);
	for (op = 0; op < sizeof(ops); op++)
		for (i = 0; i < 5; i++)
			for (j = 0; j < 5; j++) {
				struct hs hs = COMMAND(ops[op]);

				memset(hs.req.cdb + 2, ends[i], 8);
				memset(hs.req.cdb + 6, ends[j], 8);
				hs.out = h_random(h) % 2 ? 1024 : 0;
				hs.in = hs.out ? 0 : 1024;
				hs_ask(&q[HS_REQUEST], &hs);
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

	hs_begin(h, q);
	for (i = 0; i < sizeof(short_of) / sizeof(short_of[0]); i++)
		for (way = 0; way < 3; way++) {
			hs = short_of[i];
			hs.in = way == 1 ? 200 : 0;
			hs.out = way == 2 ? 200 : 0;
			assert_int_equal(hs_ask(&q[HS_REQUEST], &hs)->response,
					 VIRTIO_SCSI_S_OVERRUN);
		}
}

/* Lists of descriptors and of mode pages whose lengths lie */
static void lists(struct hostile *h)
{
	struct hostile q[HS_QUEUES];
	uint8_t *list = rig_mem(h->rig, SLOT(0) + OUT, ROOM);
	unsigned int i, j;

	hs_begin(h, q);
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
		hs_ask(&q[HS_REQUEST], hs);
	}
}

static void both_ways(struct hostile *h)
{
	struct hostile q[HS_QUEUES];
	struct hs hs = COMMAND(0x28, 0, 0, 0, 0, 0, 0, 0, 1);

	hs_begin(h, q);
	hs.in = hs.out = 512;
	assert_int_equal(hs_ask(&q[HS_REQUEST], &hs)->response,
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

	hs_begin(h, q);
	for (i = 0; i < 4; i++) {
		memcpy(rig_mem(h->rig, SLOT(0), REQ_LEN), &hs.req, REQ_LEN);
		n = hs_put_bufs(&q[HS_REQUEST], bufs, 3);
		h_go(&q[HS_REQUEST]);
		hs_back(&q[HS_REQUEST], n);
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

	hs_begin(h, q);
	memcpy(rig_mem(h->rig, SLOT(0), REQ_LEN), &hs.req, REQ_LEN);
	for (i = 0; i < 3; i++) {
		hs_put_bufs(&q[HS_REQUEST], bufs, 3);
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
		n = hs_put(h, 0, &hs);
		h_go(h);
		hs_back(h, n);
		assert_in_range(hs_resp_of(h, 0)->sense_len, 0,
				sense < 18 ? sense : 18);
		n = hs_put(h, 0, &inquiry);
		h_go(h);
		hs_back(h, n);
	}
}

static void sizes_in_flight(struct hostile *h)
{
	const struct hs hs = COMMAND(0x28, 0, 0, 0, 0, 0, 0, 0, 8);
	struct hs read = hs;
	unsigned int n;

	read.in = 4096;
	n = hs_put(h, 0, &read);
	h_ring_bell(h);
	write_size(h, CDB_SIZE, 0);
	write_size(h, SENSE_SIZE, 252);
	hs_back(h, n);
	assert_int_equal(read_size(h, CDB_SIZE), 32);
	assert_int_equal(read_size(h, SENSE_SIZE), 96);
}

static void short_request(struct hostile *h)
{
	struct hs hs = COMMAND(0);

	hs.req_len--;
	hs_put(h, 0, &hs);
	h_go(h);
}

static void short_response(struct hostile *h)
{
	struct hs hs = COMMAND(0);

	hs.resp_len--;
	hs_put(h, 0, &hs);
	h_go(h);
}

static void no_response(struct hostile *h)
{
	struct hs hs = COMMAND(0);

	hs.resp_len = 0;
	hs_put(h, 0, &hs);
	h_go(h);
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
	{ 0 }
};
