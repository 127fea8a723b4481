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
