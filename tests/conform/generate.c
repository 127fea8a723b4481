// SPDX-License-Identifier: GPL-2.0
/* Random regions. */
#include <string.h>

#include "generate.h"

uint64_t conform_rnd(uint64_t *state, uint64_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state % below;
}

static uint64_t rnd(struct conform_rng *rng, uint64_t below)
{
	return conform_rnd(&rng->state, below);
}

/* Mostly near each other, so that rules share bytes; some at the very end. */
static uint32_t random_shadow(struct conform_rng *rng,
			      const struct conform_region *r, uint32_t reach,
			      uint32_t align)
{
	uint32_t last = r->shadow_pages * VIREO_SHADOW_SIZE - reach;
	uint32_t off = last;

	if (rnd(rng, 4))
		off = (uint32_t)rnd(rng, last < 40 ? last + 1 : 40);
	else if (rnd(rng, 2))
		off = (uint32_t)rnd(rng, last + 1);
	return off & ~(align - 1);
}

static uint64_t random_mask(struct conform_rng *rng)
{
	uint64_t m = rnd(rng, UINT64_MAX);

	switch (rnd(rng, 3)) {
	case 0:
		return m;
	case 1:
		return m & rnd(rng, UINT64_MAX) & 0xff;
	default:
		return UINT64_MAX >> rnd(rng, 64);
	}
}

static void random_indexed(struct conform_rng *rng,
			   const struct conform_region *region,
			   struct vireo_rule *r)
{
	r->flags = rnd(rng, 2) ? VIREO_RULE_NOT_EQUAL : 0;
	r->index = random_shadow(rng, region, 4, 4);
	r->mask = rnd(rng, 4);
	r->value = rnd(rng, 4) & r->mask;
	if (!rnd(rng, 3)) {
		r->flags |= VIREO_RULE_READ_ONES;
		return;
	}
	r->index_mask = (uint32_t)(random_mask(rng) % VIREO_SHADOW_SIZE / 2);
	r->shadow = random_shadow(rng, region, r->index_mask + r->len, 1);
}

/* The types that write through, after the rest of the rule is known. */
static void random_through(struct conform_rng *rng, struct vireo_rule *r)
{
	if (!rnd(rng, 2))
		return;
	r->mask = random_mask(rng);
	if (r->len > 8)
		r->len = 8;
}

static void random_rule(struct conform_rng *rng,
			const struct conform_region *region,
			struct vireo_rule *r)
{
	uint32_t left;

	memset(r, 0, sizeof(*r));
	r->type = (uint8_t)(1 + rnd(rng, 7));
	r->widths = (uint8_t)(rnd(rng, 3) ? 0 : 1 + rnd(rng, 15));
	r->offset = (uint32_t)rnd(rng, region->len);
	if (rnd(rng, 2))
		r->offset &= ~7U;
	left = region->len - r->offset;
	r->len = left < 16 ? left : 16;
	if (rnd(rng, 2))
		r->len = (uint32_t)(1 + rnd(rng, r->len));

	switch (r->type) {
	case VIREO_RULE_SHADOW:
		r->flags = (uint16_t)rnd(rng, 3); /* none, through, drop */
		if (r->flags & VIREO_RULE_WRITE_THROUGH)
			random_through(rng, r);
		r->shadow = random_shadow(rng, region, r->len, 1);
		break;
	case VIREO_RULE_CONST:
		r->flags = rnd(rng, 2) ? VIREO_RULE_WRITE_DROP : 0;
		r->value = rnd(rng, UINT64_MAX);
		break;
	case VIREO_RULE_POST:
		r->flags = (rnd(rng, 2) ? VIREO_RULE_READ_SHADOW : 0) |
			   (rnd(rng, 2) ? VIREO_RULE_WRITE_THROUGH : 0);
		if (r->flags & VIREO_RULE_WRITE_THROUGH)
			random_through(rng, r);
		if (r->flags)
			r->shadow = random_shadow(rng, region, r->len, 1);
		break;
	case VIREO_RULE_EVENT:
		r->fd = (int32_t)rnd(rng, CONFORM_EVENTS);
		r->mask = rnd(rng, 4);
		r->value = rnd(rng, 4) & r->mask;
		break;
	case VIREO_RULE_INDEXED:
		random_indexed(rng, region, r);
		break;
	case VIREO_RULE_CLOCK:
		r->flags = rnd(rng, 2) ? VIREO_RULE_WRITE_DROP : 0;
		if (r->len > 8)
			r->len = 8;
		r->value = rnd(rng, 2) ? 1 + rnd(rng, 999999999) :
					 1 + rnd(rng, 5000000);
		r->mask = random_mask(rng);
		if (!r->mask)
			r->mask = 0xffffff;
		r->shadow = random_shadow(rng, region, 8, 8);
		break;
	default:
		r->flags = (rnd(rng, 2) ? VIREO_RULE_READ_CLEAR : 0) |
			   (rnd(rng, 2) ? VIREO_RULE_WRITE_ONE_CLEAR : 0);
		r->fd = (int32_t)rnd(rng, CONFORM_EVENTS + 1) - 1;
		r->shadow = random_shadow(rng, region, r->len, 8);
	}
}

void conform_random_region(struct conform_rng *rng, struct conform_region *r)
{
	uint32_t i;

	memset(r, 0, sizeof(*r));
	/* Some beyond the offsets that the module finds without a search. */
	r->len = (uint32_t)(1 + rnd(rng, rnd(rng, 4) ? 20 : 180));
	r->nr_rules = (uint32_t)(1 + rnd(rng, CONFORM_MAX_RULES));
	r->shadow_pages =
		rnd(rng, 3) ? 1 :
			      (uint32_t)(1 + rnd(rng, VIREO_MAX_SHADOW_PAGES));
	for (i = 0; i < r->nr_rules; i++) {
		random_rule(rng, r, &r->rules[i]);
		if (r->rules[i].type == VIREO_RULE_POST && !r->ring_entries)
			r->ring_entries = 1U << rnd(rng, 4);
	}
}

/* Values for which events match and bytes become 0. */
static uint64_t random_data(struct conform_rng *rng)
{
	switch (rnd(rng, 4)) {
	case 0:
		return UINT64_MAX;
	case 1:
		return rnd(rng, 4);
	default:
		return rnd(rng, UINT64_MAX);
	}
}

void conform_random_access(struct conform_rng *rng,
			   const struct conform_region *r,
			   unsigned int max_width, struct conform_access *a)
{
	memset(a, 0, sizeof(*a));
	do
		a->width = (uint8_t)(1U << rnd(rng, 4));
	while (a->width > max_width);
	a->off = (int32_t)rnd(rng, r->len + 4) - 2;
	a->write = rnd(rng, 2);
	if (a->write)
		a->data = random_data(rng) & conform_width_mask(a->width);
}

uint32_t conform_random_byte(struct conform_rng *rng,
			     const struct conform_region *r)
{
	const struct vireo_rule *rule = &r->rules[rnd(rng, r->nr_rules)];
	uint32_t pos;

	if (rule->type == VIREO_RULE_INDEXED && rnd(rng, 2))
		return rule->index + (uint32_t)rnd(rng, 4);
	pos = rule->shadow + (uint32_t)rnd(rng, 12);
	return pos % (r->shadow_pages * VIREO_SHADOW_SIZE);
}
