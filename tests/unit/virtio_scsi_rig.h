/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A virtio-scsi controller with a disk and a drive, and a driver for it. */
#ifndef TEST_VIRTIO_SCSI_RIG_H
#define TEST_VIRTIO_SCSI_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "virtio_rig.h"
#include "virtio/virtio_devices.h"

#include <linux/virtio_scsi.h>

#define CONTROL 0
#define EVENT 1
#define REQUEST 2

#define REQ RIG_DATA
#define RESP (RIG_DATA + 0x1000)
#define DATA (RIG_DATA + 0x2000)
#define TMF (RIG_DATA + 0x40000)
#define EVENTS (RIG_DATA + 0x50000)
#define SLOT 0x10000 /* of a second request and its data */

#define SECTORS 2048
#define UNTOUCHED 0xee

#define F(bit) (1ULL << VIRTIO_SCSI_F_##bit)

struct fixture {
	struct rig *rig;
	char path[2][40];
	struct config cfg;
};

static inline void make_image(char path[40])
{
	uint32_t sector[128];
	unsigned int s, i;
	int fd;

	strcpy(path, "/tmp/vireo-test-scsi-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	for (s = 0; s < SECTORS; s++) {
		for (i = 0; i < 128; i++)
			sector[i] = s << 8 | i;
		assert_int_equal(write(fd, sector, 512), 512);
	}
	close(fd);
}

/* A disk, target 0, and a drive, target 1. */
static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	make_image(f->path[0]);
	make_image(f->path[1]);
	f->cfg.cpus = 1;
	f->cfg.nr_scsi = 1;
	f->cfg.scsi[0].path = f->path[0];
	f->cfg.nr_cdroms = 1;
	f->cfg.cdroms[0].path = f->path[1];
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->rig)
		rig_free(f->rig);
	unlink(f->path[0]);
	unlink(f->path[1]);
	free(f);
	return 0;
}

static inline void start(struct fixture *f, uint64_t features)
{
	f->rig = rig_new(&virtio_scsi_class, &f->cfg);
	rig_drive(f->rig, features);
}

/* Which unit, and with what the request is made. */
struct ask {
	uint8_t lun[8];
	uint64_t tag;
	uint8_t cdb[32];
	uint32_t len; /* of the data */
	bool out;
	unsigned int slot;
	unsigned int queue; /* after the first of requests */
};

#define TARGET(n)                     \
	{                             \
		1, (uint8_t)(n), 0, 0 \
	}

static inline void add(struct fixture *f, const struct ask *ask)
{
	struct virtio_scsi_cmd_req req = { .tag = ask->tag };
	uint64_t at = (uint64_t)ask->slot * SLOT;
	const struct rig_buf bufs[3] = {
		{ REQ + at, sizeof(req), false },
		{ RESP + at, sizeof(struct virtio_scsi_cmd_resp), true },
		{ DATA + at, ask->len, !ask->out },
	};

	memcpy(req.lun, ask->lun, 8);
	memcpy(req.cdb, ask->cdb, 32);
	memcpy(rig_mem(f->rig, REQ + at, sizeof(req)), &req, sizeof(req));
	memset(rig_mem(f->rig, RESP + at, 0x1000), UNTOUCHED, 0x1000);
	if (!ask->out)
		memset(rig_mem(f->rig, DATA + at, 0x2000), UNTOUCHED, 0x2000);
	if (!ask->len)
		rig_add(f->rig, REQUEST + ask->queue, bufs, 2);
	else if (ask->out)
		rig_add(f->rig, REQUEST + ask->queue,
			(const struct rig_buf[]){ bufs[0], bufs[2], bufs[1] },
			3);
	else
		rig_add(f->rig, REQUEST + ask->queue, bufs, 3);
}

static inline struct virtio_scsi_cmd_resp *resp_of(struct fixture *f,
						   unsigned int slot)
{
	return rig_mem(f->rig, RESP + (uint64_t)slot * SLOT,
		       sizeof(struct virtio_scsi_cmd_resp));
}

static inline uint8_t *data_of(struct fixture *f, unsigned int slot)
{
	return rig_mem(f->rig, DATA + (uint64_t)slot * SLOT, SLOT - 0x2000);
}

/* Waits until @n chains of queue @q have come back. */
static inline void finish(struct fixture *f, unsigned int q, unsigned int n,
			  struct vring_used_elem *last)
{
	unsigned int tries = 0, used = 0;

	while ((used += rig_used(f->rig, q, last)) < n && tries++ < 1000)
		rig_run(f->rig);
	assert_int_equal(used, n);
}

static inline struct virtio_scsi_cmd_resp *
request(struct fixture *f, const struct ask *ask, uint32_t *used_len)
{
	struct vring_used_elem elem = { 0 };

	add(f, ask);
	rig_kick(f->rig, REQUEST);
	finish(f, REQUEST, 1, &elem);
	if (used_len)
		*used_len = elem.len;
	return resp_of(f, ask->slot);
}

/* Hears what is pending, that is: the reset. */
static inline void settle(struct fixture *f, unsigned int target)
{
	const struct ask ready = { .lun = TARGET(target) };
	struct virtio_scsi_cmd_resp *resp = request(f, &ready, NULL);

	assert_int_equal(resp->response, VIRTIO_SCSI_S_OK);
	assert_int_equal(resp->status, 2);
	assert_int_equal(resp->sense_len, 18);
	assert_int_equal(resp->sense[2], 6);
	assert_int_equal(resp->sense[12], 0x29);
	assert_int_equal(request(f, &ready, NULL)->status, 0);
}

#define READ(target, sector, n)                        \
	{                                              \
		.lun = TARGET(target), .len = (n)*512, \
		.cdb = { 0x28,                         \
			 0,                            \
			 0,                            \
			 0,                            \
			 (sector) >> 8,                \
			 (sector)&0xff,                \
			 0,                            \
			 0,                            \
			 n }                           \
	}

/* Of the control queue; its answer is at TMF + 0x100. */
static inline void add_tmf(struct fixture *f, uint32_t subtype, uint8_t target,
			   uint8_t unit, uint64_t tag)
{
	const struct virtio_scsi_ctrl_tmf_req tmf = {
		.type = VIRTIO_SCSI_T_TMF,
		.subtype = subtype,
		.lun = { 1, target, 0x40, unit },
		.tag = tag,
	};
	const struct rig_buf bufs[2] = {
		{ TMF, sizeof(tmf), false },
		{ TMF + 0x100, 1, true },
	};

	memcpy(rig_mem(f->rig, TMF, sizeof(tmf)), &tmf, sizeof(tmf));
	*(uint8_t *)rig_mem(f->rig, TMF + 0x100, 1) = UNTOUCHED;
	rig_add(f->rig, CONTROL, bufs, 2);
}

static inline uint8_t tmf(struct fixture *f, uint32_t subtype, uint8_t target,
			  uint8_t unit, uint64_t tag)
{
	add_tmf(f, subtype, target, unit, tag);
	rig_kick(f->rig, CONTROL);
	finish(f, CONTROL, 1, NULL);
	return *(uint8_t *)rig_mem(f->rig, TMF + 0x100, 1);
}

#endif
