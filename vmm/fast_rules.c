// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rules of <linux/vireo.h>, interpreted in user space.  The module has the
 * other interpreter of the same table; both must agree on every access.
 *
 * The device's lock is held, but the module, which knows nothing of it, may
 * serve another vCPU from the same shadow pages meanwhile: what must not be
 * lost between the two is changed atomically.
 */
#include <unistd.h>

#include "bus.h"
#include "fastpath.h"

/* Widths are 1, 2, 4 and 8, which are also their VIREO_WIDTH_* bits. */
static bool covers(const struct vireo_rule *rule, uint64_t off,
		   unsigned int size)
{
	return off >= rule->offset && off - rule->offset + size <= rule->len &&
	       (!rule->widths || rule->widths & size);
}

static void signal_eventfd(int fd)
{
	uint64_t one = 1;

	/* A full counter has signalled already. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

/* In one atomic step: (old & keep) | set.  What it was. */
static uint64_t update(uint8_t *p, unsigned int size, uint64_t keep,
		       uint64_t set)
{
#define UPDATE(type)                                                         \
	({                                                                   \
		type old_ = __atomic_load_n((type *)p, __ATOMIC_RELAXED);    \
                                                                             \
		while (!__atomic_compare_exchange_n((type *)p, &old_,        \
						    (type)((old_ & keep) |   \
							   set),             \
						    false, __ATOMIC_SEQ_CST, \
						    __ATOMIC_RELAXED))       \
			;                                                    \
		old_;                                                        \
	})
	switch (size) {
	case 1:
		return UPDATE(uint8_t);
	case 2:
		return UPDATE(uint16_t);
	case 4:
		return UPDATE(uint32_t);
	default:
		return UPDATE(uint64_t);
	}
#undef UPDATE
}

static void store(struct fast_region *region, const struct vireo_rule *rule,
		  uint64_t dist, unsigned int size, uint64_t val)
{
	uint8_t *p = region->shadow + rule->shadow + dist;
	uint64_t mask;

	if (!rule->mask) {
		bus_store(p, size, val);
		return;
	}
	mask = rule->mask >> (dist * 8);
	if ((uintptr_t)p % size == 0) {
		update(p, size, ~mask, val & mask);
		return;
	}
	/* Byte by byte, as an atomic access must not cross a cache line. */
	for (; size; size--, p++, mask >>= 8, val >>= 8)
		update(p, 1, ~mask, val & mask);
}

static bool indexed_read(const uint8_t *shadow, const struct vireo_rule *rule,
			 uint64_t dist, unsigned int size, uint64_t *val)
{
	uint32_t idx = (uint32_t)bus_load(shadow + rule->index, 4);
	bool match = (idx & rule->mask) == rule->value;

	if (match == !!(rule->flags & VIREO_RULE_NOT_EQUAL))
		return false;
	if (rule->flags & VIREO_RULE_READ_ONES)
		*val = UINT64_MAX;
	else
		*val = bus_load(shadow + rule->shadow +
					(idx & rule->index_mask) + dist,
				size);
	return true;
}

static uint64_t clock_read(const uint8_t *shadow, const struct vireo_rule *rule,
			   uint64_t dist)
{
	/* Of 2^64 ns, which is what makes the module's product fit. */
	uint64_t m = (uint64_t)(((unsigned __int128)rule->value << 64) /
				1000000000U);
	uint64_t ns = loop_now() + bus_load(shadow + rule->shadow, 8);
	uint64_t count = (uint64_t)(((unsigned __int128)ns * m) >> 64);

	return (count & rule->mask) >> (dist * 8);
}

/* Turns @bits into 0.  What the bytes were. */
static uint64_t clear(struct fast_region *region, const struct vireo_rule *rule,
		      uint64_t dist, unsigned int size, uint64_t bits)
{
	uint64_t old;

	old = update(region->shadow + rule->shadow + dist, size, ~bits, 0);
	if (rule->fd != -1 && old && !(old & ~bits))
		signal_eventfd(rule->fd);
	return old;
}

bool fast_rules_read(struct fast_region *region, uint64_t off,
		     unsigned int size, uint64_t *val)
{
	const struct vireo_rule *rule = region->rules;
	uint64_t dist;
	uint32_t i;

	if (region->off)
		return false;
	for (i = 0; i < region->nr_rules; i++, rule++) {
		if (!covers(rule, off, size))
			continue;
		dist = off - rule->offset;
		switch (rule->type) {
		case VIREO_RULE_POST:
			if (!(rule->flags & VIREO_RULE_READ_SHADOW))
				continue;
			/* fall through */
		case VIREO_RULE_SHADOW:
			*val = bus_load(region->shadow + rule->shadow + dist,
					size);
			return true;
		case VIREO_RULE_CONST:
			*val = rule->value;
			return true;
		case VIREO_RULE_INDEXED:
			if (indexed_read(region->shadow, rule, dist, size, val))
				return true;
			continue;
		case VIREO_RULE_CLOCK:
			*val = clock_read(region->shadow, rule, dist);
			return true;
		case VIREO_RULE_CLEAR:
			if (dist % size)
				continue;
			if (rule->flags & VIREO_RULE_READ_CLEAR)
				*val = clear(region, rule, dist, size,
					     UINT64_MAX);
			else
				*val = bus_load(region->shadow + rule->shadow +
							dist,
						size);
			return true;
		}
	}
	return false;
}

bool fast_rules_write(struct fast_region *region, uint64_t off,
		      unsigned int size, uint64_t val)
{
	const struct vireo_rule *rule = region->rules;
	uint64_t dist;
	uint32_t i;

	if (region->off)
		return false;
	for (i = 0; i < region->nr_rules; i++, rule++) {
		if (!covers(rule, off, size))
			continue;
		dist = off - rule->offset;
		switch (rule->type) {
		case VIREO_RULE_SHADOW:
			if (rule->flags & VIREO_RULE_WRITE_THROUGH) {
				store(region, rule, dist, size, val);
				return true;
			}
			/* fall through */
		case VIREO_RULE_CONST:
		case VIREO_RULE_CLOCK:
			if (rule->flags & VIREO_RULE_WRITE_DROP)
				return true;
			continue;
		case VIREO_RULE_POST:
			/* Before the device knows: it may store over it. */
			if (rule->flags & VIREO_RULE_WRITE_THROUGH)
				store(region, rule, dist, size, val);
			region->range->ops->write(region->range->dev, off, size,
						  val);
			return true;
		case VIREO_RULE_EVENT:
			if ((val & rule->mask) != rule->value)
				continue;
			signal_eventfd(rule->fd);
			return true;
		case VIREO_RULE_CLEAR:
			if (!(rule->flags & VIREO_RULE_WRITE_ONE_CLEAR) ||
			    dist % size)
				continue;
			clear(region, rule, dist, size, val);
			return true;
		}
	}
	return false;
}
