/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The messages of vhost-user (QEMU's docs/interop/vhost-user.rst) that this
 * frontend sends; also for the tests, which are a backend.
 */
#ifndef VIREO_VHOST_MESSAGE_H
#define VIREO_VHOST_MESSAGE_H

#include <linux/vhost_types.h>
#include <stdint.h>

#include "../memory.h"
#include "vhost.h"

enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_SET_MEM_TABLE = 5,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_GET_CONFIG = 24,
	VU_GET_INFLIGHT_FD = 31,
	VU_SET_INFLIGHT_FD = 32,
};

/* A feature that says that there are features of the protocol. */
#define VU_F_PROTOCOL 30

#define VU_P_MQ 0
#define VU_P_REPLY_ACK 3
#define VU_P_CONFIG 9
#define VU_P_INFLIGHT 12

#define VU_VERSION 1
#define VU_VERSION_MASK 3
#define VU_REPLY 4
#define VU_NEED_REPLY 8

struct vu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of what follows */
};

struct vu_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t user_addr;
	uint64_t offset; /* in the file */
};

struct vu_memory {
	uint32_t nr;
	uint32_t padding;
	struct vu_region regions[MEM_MAX_BLOCKS];
};

struct vu_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[VHOST_CONFIG_MAX];
};

struct vu_inflight {
	uint64_t size;
	uint64_t offset;
	uint16_t nr_rings;
	uint16_t num;
	uint32_t padding;
};

#define VU_CONFIG_HEADER 12

union vu_payload {
	uint64_t u64;
	struct vhost_vring_state state;
	struct vhost_vring_addr addr;
	struct vu_memory memory;
	struct vu_config config;
	struct vu_inflight inflight;
};

#endif
