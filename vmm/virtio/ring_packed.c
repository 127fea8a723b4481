// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Packed rings (virtio 1.2, 2.8): driver and device write into the same
 * descriptors, each with flags that change their sense with each round.
 */
#include "ring_impl.h"

#define AVAIL (1U << VRING_PACKED_DESC_F_AVAIL)
#define USED (1U << VRING_PACKED_DESC_F_USED)
#define WRAP (1U << VRING_PACKED_EVENT_F_WRAP_CTR)

/* Descriptors pushed without a look at the driver's wish: no matter how many. */
#define PUSHED_MAX 0x8000

int packed_start(struct ring *ring)
{
	const struct ring_layout *at = &ring->at;

	if (at->desc % 16 || at->avail % 4 || at->used % 4)
		return ring_fault(ring, -EINVAL, "misaligned ring");

	/* RAM does not move, so that these pointers stay good. */
	ring->packed =
		mem_ptr(ring->mem, at->desc, at->num * DESC_SIZE, MEM_WRITE);
	ring->driver =
		mem_ptr(ring->mem, at->avail, sizeof(*ring->driver), MEM_READ);
	ring->device =
		mem_ptr(ring->mem, at->used, sizeof(*ring->device), MEM_WRITE);
	if (!ring->packed || !ring->driver || !ring->device)
		return ring_fault(ring, -EFAULT, "ring outside of RAM");
	ring->avail_wrap = true;
	ring->used_wrap = true;
	return 0;
}

/* ---- event suppression (2.8.10), each structure in one access --------------- */

static void set_event(struct ring *ring, uint16_t off_wrap, uint16_t flags)
{
	__atomic_store_n((uint32_t *)ring->device,
			 off_wrap | (uint32_t)flags << 16, __ATOMIC_RELAXED);
	mem_written(ring->mem, ring->device, sizeof(*ring->device));
}

void packed_want_notify(struct ring *ring)
{
	if (ring->at.event_idx)
		set_event(ring,
			  (uint16_t)(ring->next_avail |
				     (ring->avail_wrap ? WRAP : 0)),
			  VRING_PACKED_EVENT_FLAG_DESC);
	else if (ring->no_notify)
		set_event(ring, 0, VRING_PACKED_EVENT_FLAG_ENABLE);
	ring->no_notify = false;
}

/* With event indexes no wish was renewed, and that is enough. */
static void packed_no_notify(struct ring *ring)
{
	if (ring->at.event_idx || ring->no_notify)
		return;
	set_event(ring, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
	ring->no_notify = true;
}

bool packed_should_signal(struct ring *ring)
{
	uint16_t old = (uint16_t)(ring->next_used - ring->pushed);
	uint32_t event;
	uint16_t off;

	if (!ring->pushed)
		return false;
	ring->pushed = 0;
	/* The used descriptors before the look at the driver's wish. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = __atomic_load_n((const uint32_t *)ring->driver,
				__ATOMIC_RELAXED);
	switch (event >> 16 & 3) {
	case VRING_PACKED_EVENT_FLAG_DISABLE:
		return false;
	case VRING_PACKED_EVENT_FLAG_DESC:
		if (ring->at.event_idx)
			break;
		return true;
	default:
		return true;
	}
	off = event & (WRAP - 1);
	/* Of the round before this one. */
	if (!!(event & WRAP) != ring->used_wrap)
		off = (uint16_t)(off - ring->at.num);
	return vring_need_event(off, ring->next_used, old);
}

/* ---- descriptors ------------------------------------------------------------ */

/* Counts @n of them, no more than the ring has, on from @index. */
static void advance(const struct ring *ring, uint16_t *index, bool *wrap,
		    uint16_t n)
{
	uint32_t next = (uint32_t)*index + n;

	if (next >= ring->at.num) {
		next -= ring->at.num;
		*wrap = !*wrap;
	}
	*index = (uint16_t)next;
}

bool packed_pending(const struct ring *ring)
{
	uint16_t flags = __atomic_load_n(&ring->packed[ring->next_avail].flags,
					 __ATOMIC_ACQUIRE);

	return !!(flags & AVAIL) == ring->avail_wrap &&
	       !!(flags & USED) != ring->avail_wrap;
}

/* All of the table, in its order: flags but WRITE mean nothing (2.8.7). */
static int walk_table(struct ring *ring, struct ring_chain *chain,
		      const struct vring_packed_desc *indirect)
{
	struct vring_packed_desc desc;
	const void *table;
	uint32_t i, num;
	int ret;

	if (!ring->at.indirect || indirect->flags & DESC_NEXT)
		return ring_fault(ring, -EINVAL, "indirect not allowed here");
	ret = indirect_table(ring, indirect->addr, indirect->len, &table, &num);
	for (i = 0; !ret && i < num; i++) {
		desc_copy(&desc, table, i);
		ret = chain_add(ring, chain, desc.addr, desc.len,
				desc.flags & DESC_WRITE);
	}
	return ret;
}

/* A chain lies in the ring one after the other; the last one has the ID. */
static int walk_ring(struct ring *ring, struct ring_chain *chain)
{
	struct vring_packed_desc desc;
	uint16_t at = ring->next_avail;
	int ret;

	for (;;) {
		/* A chain of more than there are runs into itself. */
		if (chain->nr_desc == ring->at.num)
			return ring_fault(ring, -EINVAL,
					  "chain longer than the ring");
		desc_copy(&desc, ring->packed, at);
		if (++at == ring->at.num)
			at = 0;
		chain->head = desc.id;
		if (desc.flags & DESC_INDIRECT) {
			if (chain->nr_desc++)
				return ring_fault(ring, -EINVAL,
						  "indirect within a chain");
			return walk_table(ring, chain, &desc);
		}
		chain->nr_desc++;
		ret = chain_add(ring, chain, desc.addr, desc.len,
				desc.flags & DESC_WRITE);
		if (ret || !(desc.flags & DESC_NEXT))
			return ret;
	}
}

int packed_pop(struct ring *ring, struct ring_chain *chain)
{
	int ret;

	packed_no_notify(ring);
	chain_init(chain);
	chain->nr_desc = 0;
	ret = walk_ring(ring, chain);
	if (ret)
		return ret;
	advance(ring, &ring->next_avail, &ring->avail_wrap, chain->nr_desc);
	return 1;
}

/* One used descriptor, in the place of the first of as many as it took. */
void packed_push(struct ring *ring, const struct ring_chain *chain,
		 uint32_t len)
{
	struct vring_packed_desc *desc = &ring->packed[ring->next_used];
	uint16_t flags = ring->used_wrap ? AVAIL | USED : 0;

	desc->id = chain->head;
	desc->len = len;
	if (len)
		flags |= DESC_WRITE;
	__atomic_store_n(&desc->flags, flags, __ATOMIC_RELEASE);
	mem_written(ring->mem, desc, sizeof(*desc));
	advance(ring, &ring->next_used, &ring->used_wrap, chain->nr_desc);
	if (ring->pushed < PUSHED_MAX)
		ring->pushed += chain->nr_desc;
}
