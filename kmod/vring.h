/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Virtqueues as the device sees them, split and packed (virtio 1.2, 2.7 and 2.8):
 * taking descriptor chains and giving them back.  What packed rings have of their
 * own is in vring_packed.h.
 *
 * A ring is hostile: every index, length and chain is bounded, and each
 * descriptor is copied once, for the driver may change it at any time.  What is
 * wrong breaks the ring, for good.
 *
 * Taking and giving back touch different fields, and have a lock of their own
 * each: see queue.h.
 *
 * In a header and without any of the kernel but the types, so that a unit test
 * can have it in user space.
 */
#ifndef _VIREO_VRING_H
#define _VIREO_VRING_H

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/types.h>
#include <asm/barrier.h>
#else
#include "userspace.h"
#endif

#include <linux/vireo_queue.h>

#define VIREO_DESC_NEXT 1
#define VIREO_DESC_WRITE 2
#define VIREO_DESC_INDIRECT 4

#define VIREO_AVAIL_NO_INTERRUPT 1
#define VIREO_USED_NO_NOTIFY 1

struct vireo_desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
};

/* The event fields (2.7.6, 2.7.8) follow the last element of each ring. */
struct vireo_avail {
	u16 flags;
	u16 idx;
	u16 ring[];
};

struct vireo_used_elem {
	u32 id;
	u32 len;
};

struct vireo_used {
	u16 flags;
	u16 idx;
	struct vireo_used_elem ring[];
};

/* A descriptor of a packed ring (2.8.13): as long as one of a split ring. */
struct vireo_packed_desc {
	u64 addr;
	u32 len;
	u16 id;
	u16 flags;
};

/* Bytes of the parts of a ring, event fields included. */
static inline u32 vireo_desc_bytes(u16 num)
{
	return num * sizeof(struct vireo_desc);
}

static inline u32 vireo_avail_bytes(u16 num, bool packed)
{
	if (packed)
		return sizeof(u32);
	return sizeof(struct vireo_avail) + (num + 1) * sizeof(u16);
}

static inline u32 vireo_used_bytes(u16 num, bool packed)
{
	if (packed)
		return sizeof(u32);
	return sizeof(struct vireo_used) +
	       num * sizeof(struct vireo_used_elem) + sizeof(u16);
}

/**
 * struct vireo_seg - a buffer of a request
 * @addr: guest-physical
 * @len: bytes, not 0
 */
struct vireo_seg {
	u64 addr;
	u32 len;
};

/**
 * struct vireo_chain - a request as it lies in the ring
 * @head: by which the driver knows it
 * @nr_desc: packed: descriptors that it takes in the ring
 * @nr_read: buffers that the driver filled
 * @nr_write: buffers, behind those, that the device may fill
 * @read_len: bytes of the first
 * @write_len: bytes of the others; both together less than 2^32
 * @seg: the buffers; nothing is known of their addresses
 */
struct vireo_chain {
	u16 head;
	u16 nr_desc;
	u16 nr_read;
	u16 nr_write;
	u32 read_len;
	u32 write_len;
	struct vireo_seg seg[VIREO_QUEUE_MAX_SEGS];
};

/**
 * struct vireo_vring - a virtqueue
 * @num: its size; of a split ring a power of two
 * @is_packed: VIRTIO_F_RING_PACKED was negotiated
 * @indirect: VIRTIO_F_INDIRECT_DESC was
 * @event_idx: VIRTIO_F_EVENT_IDX was
 * @desc: the parts of a split ring, which the driver may change at any time
 * @avail: likewise
 * @used: likewise
 * @packed: those of a packed one: descriptors, which both sides write
 * @driver: the driver's event suppression
 * @device: the device's
 * @table: room for an indirect table of VIREO_QUEUE_MAX_NUM, if @indirect
 * @next_avail: what is taken next: split: counts on; packed: a descriptor, and
 *              the wrap counter in bit 15
 * @fault: VIREO_QUEUE_OK, or why it is broken
 * @no_notify: the driver was told not to notify
 * @next_used: where the next goes that is given back, likewise
 * @pushed: elements, of a packed ring descriptors, that were given back since it
 *          was last asked whether to signal
 */
struct vireo_vring {
	u16 num;
	bool is_packed;
	bool indirect;
	bool event_idx;
	union {
		struct {
			const struct vireo_desc *desc;
			const struct vireo_avail *avail;
			struct vireo_used *used;
		};
		struct {
			struct vireo_packed_desc *packed;
			const u32 *driver;
			u32 *device;
		};
	};
	struct vireo_desc *table;

	u16 next_avail;
	u8 fault;
	bool no_notify;

	u16 next_used;
	u32 pushed;
};

/*
 * Copies from guest memory.  Whoever includes this has it; @vring is embedded in
 * what it needs for that.  Return: 0, -EFAULT if some of it is not memory, or
 * another negative errno if it cannot be done now.
 */
int vireo_vring_read(struct vireo_vring *vring, u64 addr, void *to, u32 len);

static inline int vireo_vring_break(struct vireo_vring *vring, u8 fault)
{
	WRITE_ONCE(vring->fault, fault);
	return -EINVAL;
}

static inline void vireo_chain_init(struct vireo_chain *chain)
{
	chain->nr_desc = 0;
	chain->nr_read = 0;
	chain->nr_write = 0;
	chain->read_len = 0;
	chain->write_len = 0;
}

static inline int vireo_chain_add(struct vireo_vring *vring,
				  struct vireo_chain *chain,
				  const struct vireo_desc *desc)
{
	struct vireo_seg *seg = &chain->seg[chain->nr_read + chain->nr_write];
	bool write = desc->flags & VIREO_DESC_WRITE;

	if (!write && chain->nr_write)
		return vireo_vring_break(vring, VIREO_QUEUE_BAD_CHAIN);
	if (!desc->len)
		return 0;
	if (chain->nr_read + chain->nr_write == VIREO_QUEUE_MAX_SEGS)
		return vireo_vring_break(vring, VIREO_QUEUE_BAD_CHAIN);
	if (U32_MAX - chain->read_len - chain->write_len < desc->len)
		return vireo_vring_break(vring, VIREO_QUEUE_BAD_LEN);
	seg->addr = desc->addr;
	seg->len = desc->len;
	if (write) {
		chain->nr_write++;
		chain->write_len += desc->len;
	} else {
		chain->nr_read++;
		chain->read_len += desc->len;
	}
	return 0;
}

/* The descriptor that is looked at is this copy. */
static inline struct vireo_desc vireo_desc_copy(const struct vireo_desc *desc)
{
	return (struct vireo_desc){
		.addr = READ_ONCE(desc->addr),
		.len = READ_ONCE(desc->len),
		.flags = READ_ONCE(desc->flags),
		.next = READ_ONCE(desc->next),
	};
}

/* Copies the table that a descriptor names (2.7.5.3). Return: its size or < 0. */
static inline int vireo_vring_table(struct vireo_vring *vring,
				    const struct vireo_desc *desc)
{
	u32 num = desc->len / sizeof(*desc);
	int ret;

	if (!vring->indirect || desc->flags & VIREO_DESC_NEXT ||
	    desc->len % sizeof(*desc) || !num || num > VIREO_QUEUE_MAX_NUM)
		return vireo_vring_break(vring, VIREO_QUEUE_BAD_INDIRECT);
	ret = vireo_vring_read(vring, desc->addr, vring->table, desc->len);
	if (ret == -EFAULT)
		return vireo_vring_break(vring, VIREO_QUEUE_BAD_ADDR);
	return ret ? -EAGAIN : (int)num;
}

#include "vring_packed.h"

/* ---- taking ------------------------------------------------------------- */

static inline bool vireo_vring_pending(const struct vireo_vring *vring)
{
	if (vring->is_packed)
		return vireo_packed_pending(vring);
	/* Acquire: what it says is there can be read. */
	return smp_load_acquire(&vring->avail->idx) != vring->next_avail;
}

/* Asks the driver not to notify: somebody looks anyway. */
static inline void vireo_vring_no_notify(struct vireo_vring *vring)
{
	/* With event indexes no wish is renewed, and that is enough. */
	if (vring->event_idx || vring->no_notify)
		return;
	if (vring->is_packed)
		vireo_packed_wish(vring, 0, VIREO_PACKED_DISABLE);
	else
		WRITE_ONCE(vring->used->flags, VIREO_USED_NO_NOTIFY);
	vring->no_notify = true;
}

/*
 * Asks the driver to notify of the next chain.  Return: whether there is one
 * already, of which no notification may come.
 */
static inline bool vireo_vring_notify(struct vireo_vring *vring)
{
	if (vring->is_packed) {
		vireo_packed_notify(vring);
	} else if (vring->event_idx) {
		WRITE_ONCE(*(u16 *)&vring->used->ring[vring->num],
			   vring->next_avail);
	} else if (vring->no_notify) {
		WRITE_ONCE(vring->used->flags, 0);
		vring->no_notify = false;
	}
	/* The wish before the second look at the ring (2.7.13.4). */
	smp_mb();
	return vireo_vring_pending(vring);
}

/**
 * vireo_vring_walk() - read the chain that begins with a descriptor
 * @vring: the ring; not broken; split: in a packed one a head does not say where
 *         it is
 * @head: any number
 * @chain: filled
 *
 * Return: 0, -EINVAL if the ring is broken, or -EAGAIN if it cannot be read now.
 */
static inline int vireo_vring_walk(struct vireo_vring *vring, u16 head,
				   struct vireo_chain *chain)
{
	const struct vireo_desc *from = vring->desc;
	u32 num = vring->num, i = head, steps = 0;
	struct vireo_desc desc;
	int ret;

	vireo_chain_init(chain);
	chain->head = head;
	for (;;) {
		if (i >= num)
			return vireo_vring_break(vring, VIREO_QUEUE_BAD_HEAD);
		/* One that visits more than there are is a loop. */
		if (steps++ == num)
			return vireo_vring_break(vring, VIREO_QUEUE_BAD_CHAIN);
		desc = vireo_desc_copy(&from[i]);
		if (desc.flags & VIREO_DESC_INDIRECT) {
			if (from != vring->desc)
				return vireo_vring_break(vring,
							 VIREO_QUEUE_BAD_INDIRECT);
			ret = vireo_vring_table(vring, &desc);
			if (ret < 0)
				return ret;
			from = vring->table;
			num = ret;
			steps = 0;
			i = 0;
			continue;
		}
		ret = vireo_chain_add(vring, chain, &desc);
		if (ret || !(desc.flags & VIREO_DESC_NEXT))
			return ret;
		i = desc.next;
	}
}

/**
 * vireo_vring_pop() - take the next chain
 * @vring: the ring
 * @chain: filled
 *
 * Return: 1; 0 if there is none; else as vireo_vring_walk().
 */
static inline int vireo_vring_pop(struct vireo_vring *vring,
				  struct vireo_chain *chain)
{
	u16 ahead, slot, head;
	int ret;

	if (vring->fault)
		return -EINVAL;
	if (vring->is_packed)
		return vireo_packed_pop(vring, chain);
	/* Acquire: as above. */
	ahead = smp_load_acquire(&vring->avail->idx) - vring->next_avail;
	if (!ahead)
		return 0;
	if (ahead > vring->num)
		return vireo_vring_break(vring, VIREO_QUEUE_BAD_INDEX);
	slot = vring->next_avail & (vring->num - 1);
	head = READ_ONCE(vring->avail->ring[slot]);
	ret = vireo_vring_walk(vring, head, chain);
	if (ret)
		return ret;
	vring->next_avail++;
	return 1;
}

/**
 * vireo_vring_unpop() - have the chain that was taken last not taken
 * @vring: the ring
 * @nr_desc: of the chain
 */
static inline void vireo_vring_unpop(struct vireo_vring *vring, u16 nr_desc)
{
	if (vring->is_packed)
		vring->next_avail =
			vireo_packed_back(vring, vring->next_avail, nr_desc);
	else
		vring->next_avail--;
}

/* ---- giving back -------------------------------------------------------- */

/**
 * vireo_vring_push() - give a chain back
 * @vring: the ring
 * @head: of the chain
 * @nr_desc: likewise
 * @len: bytes written to the start of its buffers
 */
static inline void vireo_vring_push(struct vireo_vring *vring, u16 head,
				    u16 nr_desc, u32 len)
{
	struct vireo_used_elem *elem;

	if (vring->is_packed) {
		vireo_packed_push(vring, head, nr_desc, len);
		return;
	}
	elem = &vring->used->ring[vring->next_used & (vring->num - 1)];
	WRITE_ONCE(elem->id, head);
	WRITE_ONCE(elem->len, len);
	vring->next_used++;
	vring->pushed++;
	/* Release: who sees the index sees what was written, data included. */
	smp_store_release(&vring->used->idx, vring->next_used);
}

/**
 * vireo_vring_signal() - does the driver want an interrupt for what was given?
 * @vring: the ring
 *
 * Return: whether, for what was given back since this was last asked.
 */
static inline bool vireo_vring_signal(struct vireo_vring *vring)
{
	u32 pushed = vring->pushed;
	u16 event;

	if (!pushed)
		return false;
	vring->pushed = 0;
	/* What was given back before the look at the driver's wish (2.7.7.2). */
	smp_mb();
	if (vring->is_packed)
		return vireo_packed_signal(vring, pushed);
	if (!vring->event_idx)
		return !(READ_ONCE(vring->avail->flags) &
			 VIREO_AVAIL_NO_INTERRUPT);
	event = READ_ONCE(vring->avail->ring[vring->num]);
	return (u16)(vring->next_used - event - 1) < pushed;
}

#endif /* _VIREO_VRING_H */
