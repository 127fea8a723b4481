/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Packed rings (virtio 1.2, 2.8): driver and device write into the same
 * descriptors, each with flags that change their sense with each round.
 *
 * Included by vring.h, where what is said of rings holds here, too.  A place in a
 * ring is a descriptor's index with the wrap counter in bit 15.
 */
#ifndef _VIREO_VRING_PACKED_H
#define _VIREO_VRING_PACKED_H

/* More of a descriptor's flags. */
#define VIREO_PACKED_AVAIL (1U << 7)
#define VIREO_PACKED_USED (1U << 15)

/* Of event suppression (2.8.14): a place, and above it one of these. */
#define VIREO_PACKED_ENABLE 0
#define VIREO_PACKED_DISABLE 1
#define VIREO_PACKED_DESC 2

#define VIREO_PACKED_WRAP 0x8000U

/* The place @n descriptors further on, of no more than the ring has. */
static inline u16 vireo_packed_on(const struct vireo_vring *vring, u16 place,
				  u16 n)
{
	u32 at = (place & (VIREO_PACKED_WRAP - 1)) + n;
	u16 wrap = place & VIREO_PACKED_WRAP;

	if (at >= vring->num) {
		at -= vring->num;
		wrap ^= VIREO_PACKED_WRAP;
	}
	return at | wrap;
}

/* The place from which that is on. */
static inline u16 vireo_packed_back(const struct vireo_vring *vring, u16 place,
				    u16 n)
{
	return vireo_packed_on(vring, place, vring->num - n) ^
	       VIREO_PACKED_WRAP;
}

static inline bool vireo_packed_pending(const struct vireo_vring *vring)
{
	u16 at = vring->next_avail & (VIREO_PACKED_WRAP - 1), flags;
	bool wrap = vring->next_avail & VIREO_PACKED_WRAP;

	/* Acquire: what it says is there can be read. */
	flags = smp_load_acquire(&vring->packed[at].flags);
	return !!(flags & VIREO_PACKED_AVAIL) == wrap &&
	       !!(flags & VIREO_PACKED_USED) != wrap;
}

/* A structure of event suppression is written at once. */
static inline void vireo_packed_wish(struct vireo_vring *vring, u16 place,
				     u16 flags)
{
	WRITE_ONCE(*vring->device, place | (u32)flags << 16);
}

/* Asks to be notified of the next chain. */
static inline void vireo_packed_notify(struct vireo_vring *vring)
{
	if (vring->event_idx)
		vireo_packed_wish(vring, vring->next_avail, VIREO_PACKED_DESC);
	else if (vring->no_notify)
		vireo_packed_wish(vring, 0, VIREO_PACKED_ENABLE);
	vring->no_notify = false;
}

/* As one of a split ring: what is next there is the ID. */
static inline struct vireo_desc
vireo_packed_copy(const struct vireo_packed_desc *desc)
{
	return (struct vireo_desc){
		.addr = READ_ONCE(desc->addr),
		.len = READ_ONCE(desc->len),
		.flags = READ_ONCE(desc->flags),
		.next = READ_ONCE(desc->id),
	};
}

/* All of a table, in its order: flags but WRITE mean nothing there (2.8.7). */
static inline int vireo_packed_walk_table(struct vireo_vring *vring,
					  struct vireo_chain *chain,
					  const struct vireo_desc *indirect)
{
	int num = vireo_vring_table(vring, indirect), i, ret;
	const struct vireo_packed_desc *table;
	struct vireo_desc desc;

	if (num < 0)
		return num;
	table = (const struct vireo_packed_desc *)vring->table;
	for (i = 0; i < num; i++) {
		desc = vireo_packed_copy(&table[i]);
		ret = vireo_chain_add(vring, chain, &desc);
		if (ret)
			return ret;
	}
	return 0;
}

/* A chain lies in the ring one after the other; the last one has the ID. */
static inline int vireo_packed_walk(struct vireo_vring *vring,
				    struct vireo_chain *chain)
{
	u16 at = vring->next_avail & (VIREO_PACKED_WRAP - 1);
	struct vireo_desc desc;
	int ret;

	for (;;) {
		/* A chain of more than there are runs into itself. */
		if (chain->nr_desc == vring->num)
			return vireo_vring_break(vring, VIREO_QUEUE_BAD_CHAIN);
		desc = vireo_packed_copy(&vring->packed[at]);
		if (++at == vring->num)
			at = 0;
		chain->head = desc.next;
		chain->nr_desc++;
		if (desc.flags & VIREO_DESC_INDIRECT) {
			if (chain->nr_desc > 1)
				return vireo_vring_break(vring,
							 VIREO_QUEUE_BAD_INDIRECT);
			return vireo_packed_walk_table(vring, chain, &desc);
		}
		ret = vireo_chain_add(vring, chain, &desc);
		if (ret || !(desc.flags & VIREO_DESC_NEXT))
			return ret;
	}
}

static inline int vireo_packed_pop(struct vireo_vring *vring,
				   struct vireo_chain *chain)
{
	int ret;

	if (!vireo_packed_pending(vring))
		return 0;
	vireo_chain_init(chain);
	ret = vireo_packed_walk(vring, chain);
	if (ret)
		return ret;
	vring->next_avail =
		vireo_packed_on(vring, vring->next_avail, chain->nr_desc);
	return 1;
}

/* One used descriptor, in the place of the first of as many as it took. */
static inline void vireo_packed_push(struct vireo_vring *vring, u16 head,
				     u16 nr_desc, u32 len)
{
	u16 place = vring->next_used, flags = 0;
	struct vireo_packed_desc *desc =
		&vring->packed[place & (VIREO_PACKED_WRAP - 1)];

	if (place & VIREO_PACKED_WRAP)
		flags = VIREO_PACKED_AVAIL | VIREO_PACKED_USED;
	if (len)
		flags |= VIREO_DESC_WRITE;
	WRITE_ONCE(desc->id, head);
	WRITE_ONCE(desc->len, len);
	vring->next_used = vireo_packed_on(vring, place, nr_desc);
	vring->pushed += nr_desc;
	/* Release: who sees the flags sees what was written, data included. */
	smp_store_release(&desc->flags, flags);
}

/* Counts on over two rounds, after which places are the same again. */
static inline u32 vireo_packed_count(const struct vireo_vring *vring, u16 place)
{
	u32 at = place & (VIREO_PACKED_WRAP - 1);

	return place & VIREO_PACKED_WRAP ? at : at + vring->num;
}

/* Whether the driver wants to hear of the last @pushed descriptors. */
static inline bool vireo_packed_signal(const struct vireo_vring *vring,
				       u32 pushed)
{
	u32 event = READ_ONCE(*vring->driver), both = 2U * vring->num, ago;

	if ((event >> 16 & 3) == VIREO_PACKED_DISABLE)
		return false;
	/* Also of a descriptor that there is not. */
	if ((event >> 16 & 3) != VIREO_PACKED_DESC || !vring->event_idx ||
	    (event & (VIREO_PACKED_WRAP - 1)) >= vring->num)
		return true;
	ago = vireo_packed_count(vring, vring->next_used) + both - 1 -
	      vireo_packed_count(vring, event);
	return (ago >= both ? ago - both : ago) < pushed;
}

#endif /* _VIREO_VRING_PACKED_H */
