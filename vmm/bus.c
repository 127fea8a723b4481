// SPDX-License-Identifier: GPL-2.0-or-later
#include "bus.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "error.h"
#include "fastpath.h"

void bus_init(struct bus *bus, enum bus_kind kind)
{
	memset(bus, 0, offsetof(struct bus, slots));
	bus->kind = kind;
	bus->seq = 2;
	bus->unclaimed_reads = 0;
	bus->unclaimed_writes = 0;
	pthread_mutex_init(&bus->change, NULL);
}

void bus_destroy(struct bus *bus)
{
	pthread_mutex_destroy(&bus->change);
}

/* Readers that meet an odd or changed count look again. */
static void change_begin(struct bus *bus)
{
	__atomic_store_n(&bus->seq, bus->seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void change_end(struct bus *bus)
{
	__atomic_store_n(&bus->seq, bus->seq + 1, __ATOMIC_RELEASE);
}

/* Slots are words that readers may see half-changed: copy word by word. */
static void slot_store(struct bus_slot *to, const struct bus_slot *from)
{
	__atomic_store_n(&to->base, from->base, __ATOMIC_RELAXED);
	__atomic_store_n(&to->last, from->last, __ATOMIC_RELAXED);
	__atomic_store_n(&to->range, from->range, __ATOMIC_RELAXED);
}

int bus_insert(struct bus *bus, struct bus_range *range, struct error *err)
{
	struct bus_slot slot = {
		.base = range->base,
		.last = range->base + range->len - 1,
		.range = range,
	};
	uint32_t at, i;
	int rc;

	if (!range->len || slot.last < slot.base ||
	    (bus->kind == BUS_PIO && slot.last > 0xffff))
		return error_set(err, EINVAL, "%s: bad range", range->name);

	/* The kernel serves nothing of it until it is in the table. */
	pthread_mutex_lock(&bus->change);
	for (at = 0; at < bus->count; at++)
		if (bus->slots[at].base > slot.base)
			break;
	if ((at > 0 && bus->slots[at - 1].last >= slot.base) ||
	    (at < bus->count && bus->slots[at].base <= slot.last)) {
		rc = error_set(err, EEXIST, "%s: address is taken",
			       range->name);
		goto out;
	}
	if (bus->count == BUS_MAX_RANGES) {
		rc = error_set(err, ENOSPC, "%s: too many ranges on the bus",
			       range->name);
		goto out;
	}

	change_begin(bus);
	for (i = bus->count; i > at; i--)
		slot_store(&bus->slots[i], &bus->slots[i - 1]);
	slot_store(&bus->slots[at], &slot);
	__atomic_store_n(&bus->count, bus->count + 1, __ATOMIC_RELAXED);
	change_end(bus);
	rc = 0;
out:
	pthread_mutex_unlock(&bus->change);
	if (rc || !range->fast)
		return rc;

	rc = fast_region_map(range->fast, bus->kind, err);
	if (rc)
		bus_remove(bus, range);
	return rc;
}

void bus_remove(struct bus *bus, struct bus_range *range)
{
	uint32_t at, i;

	if (range->fast)
		fast_region_unmap(range->fast);

	pthread_mutex_lock(&bus->change);
	for (at = 0; at < bus->count; at++)
		if (bus->slots[at].range == range)
			break;
	if (at < bus->count) {
		change_begin(bus);
		for (i = at; i + 1 < bus->count; i++)
			slot_store(&bus->slots[i], &bus->slots[i + 1]);
		__atomic_store_n(&bus->count, bus->count - 1, __ATOMIC_RELAXED);
		change_end(bus);
	}
	pthread_mutex_unlock(&bus->change);
}

/* Apart from bus_find(), which then needs no registers of its own. */
static __attribute__((noinline)) struct bus_range *
bus_search(struct bus *bus, struct bus_hint *hint, uint64_t addr, uint64_t last)
{
	uint32_t seq, lo, hi, mid;

	for (;;) {
		seq = __atomic_load_n(&bus->seq, __ATOMIC_ACQUIRE);
		if (seq & 1)
			continue;
		/* The last slot that begins at or before addr. */
		lo = 0;
		hi = __atomic_load_n(&bus->count, __ATOMIC_RELAXED);
		while (lo < hi) {
			mid = (lo + hi) / 2;
			if (__atomic_load_n(&bus->slots[mid].base,
					    __ATOMIC_RELAXED) <= addr)
				lo = mid + 1;
			else
				hi = mid;
		}
		if (lo) {
			struct bus_slot *s = &bus->slots[lo - 1];

			hint->slot.base =
				__atomic_load_n(&s->base, __ATOMIC_RELAXED);
			hint->slot.last =
				__atomic_load_n(&s->last, __ATOMIC_RELAXED);
			hint->slot.range =
				__atomic_load_n(&s->range, __ATOMIC_RELAXED);
		}
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&bus->seq, __ATOMIC_RELAXED) == seq)
			break;
	}

	hint->seq = lo ? seq : 0;
	if (!lo || last > hint->slot.last || last < addr)
		return NULL;
	return hint->slot.range;
}

/* The range that holds all of [addr, addr + size), or NULL. */
static inline struct bus_range *bus_find(struct bus *bus, struct bus_hint *hint,
					 uint64_t addr, unsigned int size)
{
	uint32_t seq = __atomic_load_n(&bus->seq, __ATOMIC_ACQUIRE);
	uint64_t last = addr + size - 1;

	if (hint->seq == seq && addr >= hint->slot.base &&
	    last <= hint->slot.last && last >= addr)
		return hint->slot.range;
	return bus_search(bus, hint, addr, last);
}

static uint64_t width_mask(unsigned int size)
{
	return UINT64_MAX >> (64 - size * 8);
}

static __attribute__((noinline)) uint64_t
read_locked(struct bus_range *range, uint64_t off, unsigned int size)
{
	struct fast_value v = { .known = false };

	if (range->lock)
		pthread_mutex_lock(range->lock);
	if (range->fast) {
		fast_region_drain(range->fast);
		if (off < range->fast->rules_end)
			v = fast_rules_read(range->fast, off, size);
	}
	if (!v.known)
		v.val = range->ops->read(range->dev, off, size);
	if (range->lock)
		pthread_mutex_unlock(range->lock);
	return v.val & width_mask(size);
}

uint64_t bus_read(struct bus *bus, struct bus_hint *hint, uint64_t addr,
		  unsigned int size)
{
	struct bus_range *range = bus_find(bus, hint, addr, size);
	struct fast_value v;
	uint64_t off;

	if (!range) {
		__atomic_fetch_add(&bus->unclaimed_reads, 1, __ATOMIC_RELAXED);
		return width_mask(size);
	}
	off = addr - hint->slot.base;
	if (range->fast && off < range->fast->rules_end) {
		v = fast_rules_peek(range->fast, off, size);
		if (v.known)
			return v.val & width_mask(size);
	}
	return read_locked(range, off, size);
}

void bus_write(struct bus *bus, struct bus_hint *hint, uint64_t addr,
	       unsigned int size, uint64_t val)
{
	struct bus_range *range = bus_find(bus, hint, addr, size);
	uint64_t off;

	if (!range) {
		__atomic_fetch_add(&bus->unclaimed_writes, 1, __ATOMIC_RELAXED);
		return;
	}
	off = addr - hint->slot.base;
	val &= width_mask(size);
	if (range->lock)
		pthread_mutex_lock(range->lock);
	if (range->fast) {
		fast_region_drain(range->fast);
		if (off < range->fast->rules_end &&
		    fast_rules_write(range->fast, off, size, val))
			goto out;
	}
	range->ops->write(range->dev, off, size, val);
out:
	if (range->lock)
		pthread_mutex_unlock(range->lock);
}
