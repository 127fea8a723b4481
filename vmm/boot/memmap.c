// SPDX-License-Identifier: GPL-2.0-or-later
#include "memmap.h"

#include "boot.h"
#include "device/pci.h"
#include "memory.h"

/* Where conventional memory ends and video memory of a PC begins. */
#define LOW_RAM_END 0xa0000

static void add(struct memmap *map, uint64_t base, uint64_t end, uint32_t type)
{
	map->entries[map->nr++] = (struct memmap_entry){
		.base = base,
		.len = end - base,
		.type = type,
	};
}

void memmap_build(struct memmap *map, const struct mem *mem)
{
	const struct mem_block *low = &mem->blocks[0];
	unsigned int i;

	map->nr = 0;
	add(map, 0, LOW_RAM_END, MEMMAP_RAM);
	add(map, BOOT_ACPI, BOOT_ACPI + BOOT_ACPI_SIZE, MEMMAP_RESERVED);
	add(map, BOOT_LOW_END, low->gpa + low->len, MEMMAP_RAM);
	/* Linux uses the ECAM only if firmware has reserved it. */
	add(map, PCI_ECAM_BASE, PCI_ECAM_BASE + PCI_ECAM_SIZE, MEMMAP_RESERVED);
	for (i = 1; i < mem->nr_blocks; i++)
		add(map, mem->blocks[i].gpa,
		    mem->blocks[i].gpa + mem->blocks[i].len, MEMMAP_RAM);
}
