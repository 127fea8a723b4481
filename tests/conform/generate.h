/* SPDX-License-Identifier: GPL-2.0 */
/* The generator of conform.c. */
#ifndef VIREO_TESTS_GENERATE_H
#define VIREO_TESTS_GENERATE_H

#include "conform.h"

struct conform_rng {
	uint64_t state; /* not 0 */
};

static inline uint64_t conform_width_mask(unsigned int width)
{
	return width == 8 ? UINT64_MAX : (1ULL << width * 8) - 1;
}

uint64_t conform_rnd(uint64_t *state, uint64_t below);
void conform_random_region(struct conform_rng *rng, struct conform_region *r);
void conform_random_access(struct conform_rng *rng,
			   const struct conform_region *r,
			   unsigned int max_width, struct conform_access *a);
/* A byte of the shadow pages that some rule has to do with. */
uint32_t conform_random_byte(struct conform_rng *rng,
			     const struct conform_region *r);

#endif
