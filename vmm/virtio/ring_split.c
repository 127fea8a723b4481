// SPDX-License-Identifier: GPL-2.0-or-later
/* Split rings (virtio 1.2, 2.7). */
#include "ring_impl.h"

/* Sizes with the event index fields. */
static uint64_t avail_size(uint16_t num)
{
	return 6 + 2 * (uint64_t)num;
}

static uint64_t used_size(uint16_t num)
{
	return 6 + 8 * (uint64_t)num;
}

int split_start(struct ring *ring)
{
	const struct ring_layout *at = &ring->at;

	if (at->num & (at->num - 1))
		return ring_fault(ring, -EINVAL, "bad queue size");
	if (at->desc % 16 || at->avail % 2 || at->used % 4)
		return ring_fault(ring, -EINVAL, "misaligned ring");

	/* RAM does not move, so that these pointers stay good. */
	ring->desc =
		mem_ptr(ring->mem, at->desc, at->num * DESC_SIZE, MEM_READ);
	ring->avail =
		mem_ptr(ring->mem, at->avail, avail_size(at->num), MEM_READ);
	ring->used =
		mem_ptr(ring->mem, at->used, used_size(at->num), MEM_WRITE);
	if (!ring->desc || !ring->avail || !ring->used)
		return ring_fault(ring, -EFAULT, "ring outside of RAM");
	return 0;
}

/*
 * The event fields follow the last ring element (2.7.6, 2.7.8): the device
 * says at which index it wants a notification, the driver likewise.
 */
static uint16_t *avail_event(struct ring *ring)
{
	return (uint16_t *)&ring->used->ring[ring->at.num];
}

static uint16_t used_event(const struct ring *ring)
{
	return __atomic_load_n(&ring->avail->ring[ring->at.num],
			       __ATOMIC_RELAXED);
}

/* The pointer is kept, so the memory is told of each write. */
static void used_written(const struct ring *ring)
{
	mem_written(ring->mem, ring->used, used_size(ring->at.num));
}

bool split_pending(const struct ring *ring)
{
	return __atomic_load_n(&ring->avail->idx, __ATOMIC_ACQUIRE) !=
	       ring->next_avail;
}

void split_want_notify(struct ring *ring)
{
	if (ring->at.event_idx) {
		__atomic_store_n(avail_event(ring), ring->next_avail,
				 __ATOMIC_RELAXED);
	} else if (ring->no_notify) {
		__atomic_store_n(&ring->used->flags, 0, __ATOMIC_RELAXED);
		ring->no_notify = false;
	}
	used_written(ring);
}

/* With event indexes no wish was renewed, and that is enough. */
static void split_no_notify(struct ring *ring)
{
	if (ring->at.event_idx || ring->no_notify)
		return;
	__atomic_store_n(&ring->used->flags, VRING_USED_F_NO_NOTIFY,
			 __ATOMIC_RELAXED);
	used_written(ring);
	ring->no_notify = true;
}

/* A descriptor that names a table, which may come after others (2.7.5.3.2). */
static int split_indirect(struct ring *ring, const struct vring_desc *desc,
			  const void **table, uint32_t *num)
{
	if (!ring->at.indirect || desc->flags & DESC_NEXT)
		return ring_fault(ring, -EINVAL, "indirect not allowed here");
	return indirect_table(ring, desc->addr, desc->len, table, num);
}

static int chain_walk(struct ring *ring, struct ring_chain *chain)
{
	const void *table = ring->desc;
	uint32_t num = ring->at.num;
	uint32_t i = chain->head;
	uint32_t steps = 0;
	bool indirect = false;
	struct vring_desc desc;
	int ret;

	for (;;) {
		if (i >= num)
			return ring_fault(ring, -EINVAL,
					  "bad descriptor index");
		/* A chain that visits more than there are is a loop. */
		if (steps++ == num)
			return ring_fault(ring, -EINVAL, "descriptors loop");
		desc_copy(&desc, table, i);
		if (desc.flags & DESC_INDIRECT) {
			if (indirect)
				return ring_fault(ring, -EINVAL,
						  "nested indirect table");
			ret = split_indirect(ring, &desc, &table, &num);
			if (ret)
				return ret;
			indirect = true;
			steps = 0;
			i = 0;
			continue;
		}
		ret = chain_add(ring, chain, desc.addr, desc.len,
				desc.flags & DESC_WRITE);
		if (ret)
			return ret;
		if (!(desc.flags & DESC_NEXT))
			return 0;
		i = desc.next;
	}
}

int split_take(struct ring *ring, uint16_t head, struct ring_chain *chain)
{
	int ret;

	chain->head = head;
	chain_init(chain);
	ret = chain_walk(ring, chain);
	return ret ? ret : 1;
}

int split_pop(struct ring *ring, struct ring_chain *chain)
{
	uint16_t idx = __atomic_load_n(&ring->avail->idx, __ATOMIC_ACQUIRE);
	uint16_t slot = ring->next_avail & (ring->at.num - 1);
	int ret;

	/* It was not empty: an index that now says so went backwards. */
	if (idx == ring->next_avail ||
	    (uint16_t)(idx - ring->next_avail) > ring->at.num)
		return ring_fault(ring, -EINVAL, "avail index ran ahead");
	split_no_notify(ring);
	ret = split_take(ring,
			 __atomic_load_n(&ring->avail->ring[slot],
					 __ATOMIC_RELAXED),
			 chain);
	if (ret > 0)
		ring->next_avail++;
	return ret;
}

void split_push(struct ring *ring, const struct ring_chain *chain, uint32_t len)
{
	struct vring_used_elem *elem;

	elem = &ring->used->ring[ring->next_used & (ring->at.num - 1)];
	elem->id = chain->head;
	elem->len = len;
	ring->next_used++;
	__atomic_store_n(&ring->used->idx, ring->next_used, __ATOMIC_RELEASE);
	used_written(ring);
}

bool split_should_signal(struct ring *ring)
{
	uint16_t old = ring->signalled;
	uint16_t new = ring->next_used;

	if (old == new)
		return false;
	ring->signalled = new;
	/* The used index before the look at the driver's wish (2.7.7.2). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->at.event_idx)
		return vring_need_event(used_event(ring), new, old);
	return !(__atomic_load_n(&ring->avail->flags, __ATOMIC_RELAXED) &
		 VRING_AVAIL_F_NO_INTERRUPT);
}
