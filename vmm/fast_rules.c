// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The rules of <linux/vireo.h>, interpreted in user space.  The module has the
 * other interpreter of the same table; both must agree on every access.
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

bool fast_rules_read(struct fast_region *region, uint64_t off,
		     unsigned int size, uint64_t *val)
{
	const struct vireo_rule *rule = region->rules;
	uint32_t i;

	for (i = 0; i < region->nr_rules; i++, rule++) {
		if (!covers(rule, off, size))
			continue;
		switch (rule->type) {
		case VIREO_RULE_POST:
			if (!(rule->flags & VIREO_RULE_READ_SHADOW))
				continue;
			/* fall through */
		case VIREO_RULE_SHADOW:
			*val = bus_load(region->shadow + rule->shadow +
						(off - rule->offset),
					size);
			return true;
		case VIREO_RULE_CONST:
			*val = rule->value;
			return true;
		case VIREO_RULE_INDEXED:
			if (indexed_read(region->shadow, rule,
					 off - rule->offset, size, val))
				return true;
		}
	}
	return false;
}

bool fast_rules_write(struct fast_region *region, uint64_t off,
		      unsigned int size, uint64_t val)
{
	const struct vireo_rule *rule = region->rules;
	uint64_t one = 1;
	uint32_t i;

	for (i = 0; i < region->nr_rules; i++, rule++) {
		if (!covers(rule, off, size))
			continue;
		switch (rule->type) {
		case VIREO_RULE_SHADOW:
			if (rule->flags & VIREO_RULE_WRITE_THROUGH) {
				bus_store(region->shadow + rule->shadow +
						  (off - rule->offset),
					  size, val);
				return true;
			}
			/* fall through */
		case VIREO_RULE_CONST:
			if (rule->flags & VIREO_RULE_WRITE_DROP)
				return true;
			continue;
		case VIREO_RULE_POST:
			region->range->ops->write(region->range->dev, off, size,
						  val);
			return true;
		case VIREO_RULE_EVENT:
			if ((val & rule->mask) != rule->value)
				continue;
			/* A full counter has signalled already. */
			if (write(rule->fd, &one, sizeof(one)) < 0)
				return true;
			return true;
		}
	}
	return false;
}
