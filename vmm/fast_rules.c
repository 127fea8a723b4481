// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rules of <linux/vireo.h>, interpreted in user space.  The module has the
 * other interpreter of the same table; both must agree on every access.
 *
 * The module knows nothing of the device's lock and may serve another vCPU
 * from the same shadow pages at any time: what must not be lost between the
 * two is changed atomically.  So what only reads needs no lock here either.
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

static inline struct fast_value known(uint64_t val)
{
	return (struct fast_value){ .known = true, .val = val };
}

static inline struct fast_value indexed_read(const uint8_t *shadow,
					     const struct vireo_rule *rule,
					     uint64_t dist, unsigned int size)
{
	uint32_t idx = (uint32_t)bus_load(shadow + rule->index, 4);
	bool match = (idx & rule->mask) == rule->value;

	if (match == !!(rule->flags & VIREO_RULE_NOT_EQUAL))
		return (struct fast_value){ .known = false };
	if (rule->flags & VIREO_RULE_READ_ONES)
		return known(UINT64_MAX);
	return known(bus_load(shadow + rule->shadow + (idx & rule->index_mask) +
				      dist,
			      size));
}

/* @hz * 2^64 / 10^9, rounded down; @hz is below 10^9. */
static uint64_t counts_in_2_64_ns(uint64_t hz)
{
	uint64_t high = (hz << 32) / 1000000000U;
	uint64_t rest = (hz << 32) % 1000000000U;

	return high << 32 | (rest << 32) / 1000000000U;
}

/* By itself, so that what calls nothing saves no registers. */
static __attribute__((noinline)) uint64_t
clock_read(const uint8_t *shadow, const struct vireo_rule *rule, uint64_t dist)
{
	uint64_t ns = loop_now() + bus_load(shadow + rule->shadow, 8);
	/* Of 2^64 ns, which is what makes the module's product fit. */
	uint64_t m = counts_in_2_64_ns(rule->value);
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

/* @locked: whether the device's lock is held; without, there is less to do. */
static inline __attribute__((always_inline)) struct fast_value
read_rules(struct fast_region *region, const uint8_t *shadow, bool locked,
	   uint64_t off, unsigned int size)
{
	const struct vireo_rule *rule = region->rules;
	struct fast_value v;
	uint64_t dist;
	uint32_t i;

	/* Acquire: pairs with fast_region_enable(). */
	if (__atomic_load_n(&region->off, __ATOMIC_ACQUIRE))
		goto out;
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
			return known(
				bus_load(shadow + rule->shadow + dist, size));
		case VIREO_RULE_CONST:
			return known(rule->value);
		case VIREO_RULE_INDEXED:
			v = indexed_read(shadow, rule, dist, size);
			if (v.known)
				return v;
			continue;
		case VIREO_RULE_CLOCK:
			return known(clock_read(shadow, rule, dist));
		case VIREO_RULE_CLEAR:
			if (dist % size)
				continue;
			if (!locked)
				goto out;
			if (rule->flags & VIREO_RULE_READ_CLEAR)
				return known(clear(region, rule, dist, size,
						   UINT64_MAX));
			return known(
				bus_load(shadow + rule->shadow + dist, size));
		}
	}
out:
	return (struct fast_value){ .known = false };
}

struct fast_value fast_rules_peek(struct fast_region *region, uint64_t off,
				  unsigned int size)
{
	/* Acquire: pairs with what fast_region_unmap() does. */
	if (__atomic_load_n(&region->in_kernel, __ATOMIC_ACQUIRE))
		return (struct fast_value){ .known = false };
	return read_rules(region, region->own_shadow, false, off, size);
}

struct fast_value fast_rules_read(struct fast_region *region, uint64_t off,
				  unsigned int size)
{
	return read_rules(region, region->shadow, true, off, size);
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
