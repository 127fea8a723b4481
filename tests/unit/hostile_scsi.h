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

extern const struct hostile_case hostile_scsi_cases[];

#endif
