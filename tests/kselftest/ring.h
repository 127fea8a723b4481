/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A driver of a block queue: a ring in a memory object, and requests.
 * Guest-physical memory is the object, at RIG_GPA.  Functions give -errno on
 * failure unless they say otherwise.
 */
#ifndef VIREO_KSELFTEST_RING_H
#define VIREO_KSELFTEST_RING_H

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

#define RIG_GPA GUEST_OBJECT
#define RIG_BYTES (8U << 20)
#define RIG_NUM 64
/* In the object: the parts of the ring, then requests, tables, and data. */
#define RIG_DESC 0x1000U
#define RIG_AVAIL 0x2000U
#define RIG_USED 0x3000U
#define RIG_REQ 0x10000U
#define RIG_TABLE 0x20000U
#define RIG_DATA 0x100000U

#define FEATURE(bit) (1ULL << (bit))

/* What the driver fills of a request, and its status. */
struct rig_req {
	struct virtio_blk_outhdr header;
	struct virtio_blk_discard_write_zeroes range;
	uint8_t pad[16];
	uint8_t status;
};

/*
 * @desc is where requests are put together, and, with a split ring, a part of that;
 * a packed one is @packed.
 */
struct rig {
	int dev, mem, kvm, vm;
	uint8_t *p;
	int call, kick, event;
	int disk;
	uint32_t id;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next_avail;	/* the next slot of the driver's */
	uint16_t next_desc;
	uint16_t seen;		/* used elements that rig_wait() has seen */
	uint16_t last_id;	/* of the last that rig_given() counted */
	uint32_t last_len;
	bool is_packed;
	struct vring_packed_desc *packed;
	struct vring_packed_desc_event *driver, *device;
	uint16_t add, look;	/* places, as in struct vireo_queue_add */
	uint16_t given;
	uint8_t nr_desc[RIG_NUM]; /* by ID */
};

int rig_open(struct rig *r);
/* Of a VM of KVM, whose descriptor it takes over. */
int rig_open_on(struct rig *r, int kvm);
void rig_close(struct rig *r);
/* Its ring is a packed one, before anything is put into it. */
void rig_pack(struct rig *r);
/* The place so many descriptors further on. */
uint16_t rig_place(uint16_t place, int n);

struct vireo_disk_create disk_template(int fd, uint64_t bytes);
/* Serves the file from now on; the descriptor may be closed. */
int rig_disk(struct rig *r, int fd, uint64_t bytes, uint32_t flags);
struct vireo_queue_add queue_template(const struct rig *r);
/* Adds the queue; its id is in @r, then. */
int rig_add(struct rig *r, struct vireo_queue_add *add);
int rig_del(struct rig *r, struct vireo_queue_del *del);
struct vireo_queue_state rig_state(const struct rig *r);

struct rig_req *rig_req(struct rig *r, uint16_t head);
void rig_set_desc(struct rig *r, uint16_t i, uint32_t offset, uint32_t len,
		  uint16_t flags, uint16_t next);
/* Makes a descriptor chain available. */
void rig_offer(struct rig *r, uint16_t head);
/* As rig_put(), but not made available. */
uint16_t rig_build(struct rig *r, uint32_t type, uint64_t sector, uint32_t data,
		   uint32_t len);
/*
 * Puts a request into the ring: its header, data of @len bytes at @data of the
 * object, if any, and its status.  Its head.
 */
uint16_t rig_put(struct rig *r, uint32_t type, uint64_t sector, uint32_t data,
		 uint32_t len);
/* Likewise, for DISCARD and WRITE_ZEROES. */
uint16_t rig_put_range(struct rig *r, uint32_t type, uint64_t sector,
		       uint32_t sectors, uint32_t flags);
void rig_kick(struct rig *r);
/* How many have been given back in all. */
uint16_t rig_given(struct rig *r);
/* Until so many more have been given back; false if they are not. */
bool rig_wait(struct rig *r, int nr);
/* Puts, kicks, waits: the status, or 255 if none came. */
uint8_t rig_do(struct rig *r, uint32_t type, uint64_t sector, uint32_t data,
	       uint32_t len);

/* A RAM disk of RIG_DISK bytes that is empty, for O_DIRECT. */
#define RIG_DISK (16UL << 20)
int ram_open(void);

#endif
