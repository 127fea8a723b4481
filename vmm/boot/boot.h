/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct boot: puts a kernel, its initrd and what they expect of firmware into
 * guest RAM, and says in which state the boot processor enters them.
 *
 * Guest-physical memory below 1 MiB as a direct boot leaves it:
 *
 *   0x01000  page tables (64-bit entry): one PML4, one PDPT, up to three PDs
 *   0x06000  zero page (bzImage) or PVH start info, modules and memory map
 *   0x07000  GDT
 *   0x07100  command line
 *   0xa0000  nothing
 *   0xe0000  ACPI tables, the RSDP first; reserved in the memory map
 *
 * RAM is all zeros at the first boot, so only what differs is written; at
 * later ones (boot.dirty) what has to be zero is cleared.  Everything here
 * runs in the main thread while no vCPU does.
 */
#ifndef VIREO_BOOT_H
#define VIREO_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <asm/bootparam.h>

#include "memmap.h"

struct boot_format;
struct cpu_entry;
struct error;
struct vm;

#define BOOT_PAGE_TABLES 0x1000
#define BOOT_MAX_PDS 3 /* RAM below 4 GiB ends before the third GiB does */
#define BOOT_INFO 0x6000
#define BOOT_GDT 0x7000
#define BOOT_CMDLINE 0x7100
#define BOOT_CMDLINE_MAX 0x8000 /* with its NUL */
#define BOOT_ACPI 0xe0000
#define BOOT_ACPI_SIZE 0x20000
#define BOOT_LOW_END 0x100000 /* kernels are loaded from here on */

struct boot_file {
	const char *path; /* borrowed from the config; NULL: none */
	int fd;
	uint64_t size;
};

/* [off, off + filesz) of the file goes to gpa; the rest of memsz is zero. */
struct boot_segment {
	uint64_t off;
	uint64_t filesz;
	uint64_t gpa;
	uint64_t memsz;
};

#define BOOT_MAX_SEGMENTS 16

/* What a format's parser finds out about a kernel file. */
struct boot_image {
	const struct boot_format *format;
	uint64_t entry;
	uint64_t end;	      /* of the memory that the kernel starts in */
	uint64_t initrd_last; /* highest address an initrd may reach */
	uint32_t cmdline_max; /* without the NUL */
	unsigned int nr_segments;
	struct boot_segment segments[BOOT_MAX_SEGMENTS];
	struct setup_header setup; /* bzImage only */
};

struct boot {
	struct boot_file kernel;
	struct boot_file initrd;
	struct boot_image image;
	uint64_t initrd_gpa;
	const char *cmdline; /* borrowed, never NULL */
	bool dirty;	     /* the guest has run */
};

struct boot_format {
	/* -ENOEXEC, with no text: the file is of another format. */
	int (*parse)(const struct boot_file *file, struct boot_image *image,
		     struct error *err);
	/*
	 * Writes the format's structures and fills @entry.  @low is the host
	 * address of the first BOOT_LOW_END bytes of guest memory.
	 */
	void (*enter)(const struct boot *boot, uint8_t *low,
		      const struct memmap *map, struct cpu_entry *entry);
};

extern const struct boot_format boot_bzimage;
extern const struct boot_format boot_elf;

/* Reads exactly @len bytes; a shorter file is -EINVAL. */
int boot_read(const struct boot_file *file, uint64_t off, void *buf, size_t len,
	      struct error *err);

/* The flat GDT that both boot protocols ask for: code 0x10, data 0x18. */
void boot_gdt(uint8_t *low, bool long_mode, struct cpu_entry *entry);

static inline void boot_clear(const struct boot *boot, void *p, size_t len)
{
	if (boot->dirty)
		memset(p, 0, len);
}

/*
 * What vm.c calls.  boot_open opens and checks the files and decides where
 * everything goes; boot_load writes it to guest RAM, at start and at each
 * reset of the guest.
 */
int boot_open(struct vm *vm, struct error *err);
int boot_load(struct vm *vm, struct cpu_entry *entry, struct error *err);
void boot_close(struct vm *vm);

#endif
