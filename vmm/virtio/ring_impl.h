/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the two kinds of ring have in common, and what ring.c calls of each:
 * ring_split.c (virtio 1.2, 2.7) and ring_packed.c (2.8).
 */
#ifndef VIREO_VIRTIO_RING_IMPL_H
#define VIREO_VIRTIO_RING_IMPL_H

#include <errno.h>
#include <string.h>
#include <linux/virtio_ring.h>

#include "../memory.h"
#include "ring.h"

/* Flags of a descriptor, of either kind. */
#define DESC_NEXT VRING_DESC_F_NEXT
#define DESC_WRITE VRING_DESC_F_WRITE
#define DESC_INDIRECT VRING_DESC_F_INDIRECT

/* Both kinds of descriptor are this long. */
#define DESC_SIZE 16U

/* Returns @err, so that a function can end with it. */
int ring_fault(struct ring *ring, int err, const char *what);

void chain_init(struct ring_chain *chain);
/* Adds a buffer, of which all is checked here. */
int chain_add(struct ring *ring, struct ring_chain *chain, uint64_t addr,
	      uint32_t len, bool writable);
/* The table that an indirect descriptor names. */
int indirect_table(struct ring *ring, uint64_t addr, uint32_t len,
		   const void **table, uint32_t *num);

/* A table may lie at any address: copy bytes, and only once. */
static inline void desc_copy(void *to, const void *table, uint32_t i)
{
	memcpy(to, (const char *)table + i * DESC_SIZE, DESC_SIZE);
	__asm__ __volatile__("" ::: "memory");
}

int split_start(struct ring *ring);
bool split_pending(const struct ring *ring);
void split_want_notify(struct ring *ring);
int split_pop(struct ring *ring, struct ring_chain *chain);
/* The chain that begins at @head. */
int split_take(struct ring *ring, uint16_t head, struct ring_chain *chain);
void split_push(struct ring *ring, const struct ring_chain *chain,
		uint32_t len);
bool split_should_signal(struct ring *ring);

int packed_start(struct ring *ring);
bool packed_pending(const struct ring *ring);
void packed_want_notify(struct ring *ring);
int packed_pop(struct ring *ring, struct ring_chain *chain);
void packed_push(struct ring *ring, const struct ring_chain *chain,
		 uint32_t len);
bool packed_should_signal(struct ring *ring);

#endif
