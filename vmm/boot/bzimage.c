// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Linux bzImage, entered at its 64-bit entry point (Linux
 * Documentation/arch/x86/boot.rst, protocol 2.12 and later).
 */
#include <errno.h>
#include <stddef.h>

#include "accel.h"
#include "boot.h"
#include "error.h"

#define SETUP_OFF offsetof(struct boot_params, hdr)
#define SECTOR 512
#define BOOT_FLAG 0xaa55
#define HDRS_MAGIC 0x53726448 /* "HdrS" */
#define PROTOCOL_MIN 0x020c
#define ENTRY64_OFF 0x200
#define LOADER_UNDEFINED 0xff

/* The header ends where its jump instruction goes (boot.rst, "jump"). */
#define JUMP_END_OFF 0x202
#define HEADER_MIN_END \
	(SETUP_OFF + offsetof(struct setup_header, handover_offset))

/* Page table bits (Intel SDM vol. 3, 4.5). */
#define PTE_TABLE 0x03ULL   /* present, writable */
#define PTE_PAGE_2M 0x83ULL /* and a page of its own */
#define GIB (1ULL << 30)

static int malformed(const struct boot_file *file, const char *why,
		     struct error *err)
{
	return error_set(err, EINVAL, "kernel image '%s' is damaged: %s",
			 file->path, why);
}

static int parse(const struct boot_file *file, struct boot_image *image,
		 struct error *err)
{
	struct setup_header *hdr = &image->setup;
	uint64_t body_off, body;
	size_t end;
	int ret;

	if (file->size < SETUP_OFF + sizeof(*hdr))
		return -ENOEXEC;
	ret = boot_read(file, SETUP_OFF, hdr, sizeof(*hdr), err);
	if (ret)
		return ret;
	if (hdr->boot_flag != BOOT_FLAG || hdr->header != HDRS_MAGIC)
		return -ENOEXEC;
	if (hdr->version < PROTOCOL_MIN || !(hdr->xloadflags & XLF_KERNEL_64))
		return error_set(err, EINVAL,
				 "kernel '%s' has no 64-bit entry "
				 "(boot protocol %u.%02u): "
				 "a 64-bit Linux 3.8 or newer is needed",
				 file->path, hdr->version >> 8,
				 hdr->version & 0xff);

	/* What lies behind the header is code, not fields of it. */
	end = JUMP_END_OFF + (hdr->jump >> 8);
	if (end < HEADER_MIN_END)
		return malformed(file, "its setup header is too short", err);
	if (end < SETUP_OFF + sizeof(*hdr))
		memset((uint8_t *)hdr + (end - SETUP_OFF), 0,
		       SETUP_OFF + sizeof(*hdr) - end);

	body_off = ((hdr->setup_sects ? hdr->setup_sects : 4) + 1) * SECTOR;
	body = (uint64_t)hdr->syssize * 16;
	/* syssize is rounded up: the last paragraph may not be whole. */
	if (file->size <= body_off || file->size - body_off + 16 <= body)
		return malformed(file, "it is cut short", err);
	if (body > file->size - body_off)
		body = file->size - body_off;

	/*
	 * Relocatable or not, the kernel unpacks itself to pref_address or
	 * higher and needs init_size bytes from there on; so it is loaded
	 * there, and a lower address would not save any memory.
	 */
	if (hdr->pref_address < BOOT_LOW_END || hdr->pref_address > UINT32_MAX)
		return malformed(file, "its preferred address is impossible",
				 err);
	if (body <= ENTRY64_OFF || body > hdr->init_size)
		return malformed(file, "its size is impossible", err);

	image->entry = hdr->pref_address + ENTRY64_OFF;
	image->end = hdr->pref_address + hdr->init_size;
	image->initrd_last = hdr->initrd_addr_max;
	image->cmdline_max = hdr->cmdline_size;
	image->nr_segments = 1;
	image->segments[0] = (struct boot_segment){
		.off = body_off,
		.filesz = body,
		.gpa = hdr->pref_address,
		.memsz = body,
	};
	return 0;
}

/*
 * The protocol wants the kernel's init_size bytes, the zero page and the
 * command line mapped where they are; all of it lies below image->end.
 */
static void page_tables(const struct boot *boot, uint8_t *low)
{
	unsigned int nr = (unsigned int)((boot->image.end + GIB - 1) / GIB);
	uint64_t *pml4 = (uint64_t *)(low + BOOT_PAGE_TABLES);
	uint64_t *pdpt = pml4 + 512;
	uint64_t *pd = pdpt + 512;
	unsigned int i;

	boot_clear(boot, pml4, 2 * 4096);
	pml4[0] = (BOOT_PAGE_TABLES + 4096) | PTE_TABLE;
	for (i = 0; i < nr; i++)
		pdpt[i] = (BOOT_PAGE_TABLES + (2 + i) * 4096) | PTE_TABLE;
	for (i = 0; i < nr * 512; i++)
		pd[i] = ((uint64_t)i << 21) | PTE_PAGE_2M;
}

static void enter(const struct boot *boot, uint8_t *low,
		  const struct memmap *map, struct cpu_entry *entry)
{
	struct boot_params *bp = (struct boot_params *)(low + BOOT_INFO);
	unsigned int i;

	boot_clear(boot, bp, sizeof(*bp));
	bp->hdr = boot->image.setup;
	bp->hdr.type_of_loader = LOADER_UNDEFINED;
	bp->hdr.cmd_line_ptr = BOOT_CMDLINE;
	bp->hdr.ramdisk_image = (uint32_t)boot->initrd_gpa;
	bp->hdr.ramdisk_size = (uint32_t)boot->initrd.size;
	bp->acpi_rsdp_addr = BOOT_ACPI;
	bp->e820_entries = (uint8_t)map->nr;
	for (i = 0; i < map->nr; i++) {
		bp->e820_table[i].addr = map->entries[i].base;
		bp->e820_table[i].size = map->entries[i].len;
		bp->e820_table[i].type = map->entries[i].type;
	}

	page_tables(boot, low);
	boot_gdt(low, true, entry);
	entry->long_mode = true;
	entry->cr3 = BOOT_PAGE_TABLES;
	entry->rsi = BOOT_INFO;
}

const struct boot_format boot_bzimage = {
	.parse = parse,
	.enter = enter,
};
