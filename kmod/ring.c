// SPDX-License-Identifier: GPL-2.0
/*
 * The POST ring, producer side.
 *
 * Invariants:
 *  - ring->tail is what the module appended so far; the owner cannot change
 *    it, whatever it writes into the shared page.
 *  - The index of an entry is masked, so no head value makes the module
 *    write outside the ring.  A head that claims more free room than there
 *    is costs the owner its own unread entries and nobody else anything.
 */
#include "rules.h"

static_assert(sizeof(struct vireo_post) == 16, "ABI");
static_assert(sizeof(struct vireo_ring) == 128, "ABI");

/**
 * vireo_ring_init() - start an empty ring
 * @ring: the module's side
 * @shared: zeroed memory for the header and @entries entries
 * @entries: a power of two
 */
void vireo_ring_init(struct vireo_post_ring *ring, struct vireo_ring *shared,
		     u32 entries)
{
	ring->shared = shared;
	ring->mask = entries - 1;
	ring->tail = 0;
	ring->used = 0;
	shared->entries = entries;
}

/**
 * vireo_ring_push() - append a posted write
 * @ring: the ring, not full; the caller serializes
 * @offset: from the start of the region
 * @width: 1, 2, 4 or 8
 * @vcpu: id of the vCPU
 * @value: the data, zero-extended
 *
 * Return: whether the ring was empty: the owner must be signalled.
 */
bool vireo_ring_push(struct vireo_post_ring *ring, u32 offset, u32 width,
		     u16 vcpu, u64 value)
{
	struct vireo_ring *shared = ring->shared;
	u32 tail = ring->tail, head;
	struct vireo_post *post = &shared->post[tail & ring->mask];

	post->value = value;
	post->offset = offset;
	post->vcpu = vcpu;
	post->width = width;
	post->reserved = 0;

	ring->tail = tail + 1;
	/* Release: the entry is there before the tail that covers it. */
	smp_store_release(&shared->tail, tail + 1);

	/*
	 * Pairs with the owner's full barrier between storing head and its
	 * last look at tail: either the owner sees this entry, or this load
	 * sees that the owner had taken all before it.
	 */
	smp_mb();
	head = READ_ONCE(shared->head);
	ring->used = tail + 1 - head;
	return head == tail;
}
