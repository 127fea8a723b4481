/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hostile driver of a SCSI controller with a disk and an empty drive. */
#ifndef TEST_HOSTILE_SCSI_H
#define TEST_HOSTILE_SCSI_H

#include "hostile.h"

#include <linux/virtio_scsi.h>

#include "virtio/virtio_devices.h"

enum { HS_CONTROL, HS_EVENT, HS_REQUEST, HS_REQUEST_1, HS_QUEUES };

#define HS_BLOCKS 2048

/* The disk gets another size, which it had not before. */
static inline void hs_resize(struct rig *rig)
{
	struct scsi_status_of st;
	struct error err = { "" };
	uint64_t size;

	assert_true(virtio_scsi_status(rig->dev, 0, &st));
	size = block_size(st.blk.block) == HS_BLOCKS * 512 ? HS_BLOCKS * 1024 :
							     HS_BLOCKS * 512;
	assert_int_equal(virtio_scsi_resize(rig->dev, 0, size, &err), 0);
}

/* ---- requests ---- */

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
static inline void hs_begin(const struct hostile *h,
			    struct hostile q[HS_QUEUES])
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
static inline unsigned int
hs_put_bufs(struct hostile *q, const struct rig_buf *bufs, unsigned int nr)
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

static inline unsigned int hs_put(struct hostile *q, unsigned int slot,
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
	return hs_put_bufs(q, bufs, 4);
}

static inline const struct virtio_scsi_cmd_resp *
hs_resp_of(const struct hostile *q, unsigned int slot)
{
	return rig_mem(q->rig, SLOT(slot) + RESP, RESP_LEN);
}

/* Until a chain of @n comes back. */
static inline void hs_back(struct hostile *q, unsigned int n)
{
	unsigned int i;
	uint32_t len;
	bool is;

	for (i = 0; !(is = h_take(q, n, &len)) && i < 20000; i++)
		h_wait(q);
	assert_true(is);
	assert_false(h_broken(q));
}

static inline const struct virtio_scsi_cmd_resp *hs_ask(struct hostile *q,
							const struct hs *hs)
{
	unsigned int n = hs_put(q, 0, hs);

	h_go(q);
	hs_back(q, n);
	return hs_resp_of(q, 0);
}

static inline unsigned int
hs_put_tmf(struct hostile *q, unsigned int slot,
	   const struct virtio_scsi_ctrl_tmf_req *tmf)
{
	const struct rig_buf bufs[2] = {
		{ SLOT(slot), sizeof(*tmf), false },
		{ SLOT(slot) + RESP, 1, true },
	};

	memcpy(rig_mem(q->rig, SLOT(slot), sizeof(*tmf)), tmf, sizeof(*tmf));
	return hs_put_bufs(q, bufs, 2);
}

extern const struct hostile_case hostile_scsi_cases[];
extern const struct hostile_case hostile_scsi_task_cases[];

#endif
