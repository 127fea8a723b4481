/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory map that the guest is told, in the terms of INT 15h, E820h. */
#ifndef VIREO_MEMMAP_H
#define VIREO_MEMMAP_H

#include <stdint.h>

struct mem;

#define MEMMAP_RAM 1
#define MEMMAP_RESERVED 2

struct memmap_entry {
	uint64_t base;
	uint64_t len;
	uint32_t type;
};

#define MEMMAP_MAX 8

struct memmap {
	unsigned int nr;
	struct memmap_entry entries[MEMMAP_MAX]; /* sorted, not overlapping */
};

void memmap_build(struct memmap *map, const struct mem *mem);

#endif
