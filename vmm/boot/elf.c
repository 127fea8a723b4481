// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ELF kernels with a PVH entry point: any kernel with an ELF note
 * XEN_ELFNOTE_PHYS32_ENTRY, entered in flat 32-bit mode with a struct
 * hvm_start_info in EBX (Xen, docs/misc/pvh.pandoc and
 * xen/include/public/arch-x86/hvm/start_info.h).
 */
#include <elf.h>
#include <errno.h>

#include "accel.h"
#include "boot.h"
#include "error.h"
#include "memory.h"

#define XEN_ELFNOTE_PHYS32_ENTRY 18
#define START_MAGIC 0x336ec578
#define START_VERSION 1

#define MAX_PHDRS 64
/* Notes of a kernel fit this many times; what lies behind is not looked at. */
#define MAX_NOTES_SIZE 4096
/* Linux's COMMAND_LINE_SIZE on x86, which an ELF file does not tell. */
#define CMDLINE_MAX 2047

struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist_paddr;
	uint64_t cmdline_paddr;
	uint64_t rsdp_paddr;
	uint64_t memmap_paddr;
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct start_module {
	uint64_t paddr;
	uint64_t size;
	uint64_t cmdline_paddr;
	uint64_t reserved;
};

struct start_memmap {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

/* All that is put into the page at BOOT_INFO. */
struct start_page {
	struct start_info info;
	struct start_module initrd;
	struct start_memmap memmap[MEMMAP_MAX];
};

_Static_assert(sizeof(struct start_info) == 56, "start_info.h, version 1");
_Static_assert(sizeof(struct start_module) == 32, "start_info.h");
_Static_assert(sizeof(struct start_memmap) == 24, "start_info.h");
_Static_assert(sizeof(struct start_page) <= 4096, "one page");

struct elf {
	const struct boot_file *file;
	bool is64;
	uint64_t phoff;
	unsigned int phnum;
};

static int damaged(const struct boot_file *file, const char *why,
		   struct error *err)
{
	return error_set(err, EINVAL, "ELF kernel '%s' is damaged: %s",
			 file->path, why);
}

static int read_header(struct elf *elf, struct error *err)
{
	union {
		unsigned char ident[EI_NIDENT];
		Elf32_Ehdr h32;
		Elf64_Ehdr h64;
	} h;
	unsigned int machine, phentsize;
	int ret;

	if (elf->file->size < sizeof(h))
		return -ENOEXEC;
	ret = boot_read(elf->file, 0, &h, sizeof(h), err);
	if (ret)
		return ret;
	if (memcmp(h.ident, ELFMAG, SELFMAG) || h.ident[EI_DATA] != ELFDATA2LSB)
		return -ENOEXEC;
	if (h.ident[EI_CLASS] == ELFCLASS64) {
		elf->is64 = true;
		elf->phoff = h.h64.e_phoff;
		elf->phnum = h.h64.e_phnum;
		phentsize = h.h64.e_phentsize;
		machine = h.h64.e_machine;
	} else if (h.ident[EI_CLASS] == ELFCLASS32) {
		elf->is64 = false;
		elf->phoff = h.h32.e_phoff;
		elf->phnum = h.h32.e_phnum;
		phentsize = h.h32.e_phentsize;
		machine = h.h32.e_machine;
	} else {
		return -ENOEXEC;
	}
	if (machine != EM_386 && machine != EM_X86_64)
		return -ENOEXEC;
	if (!elf->phnum)
		return -ENOEXEC;
	if (phentsize != (elf->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
		return damaged(elf->file, "odd program header size", err);
	if (elf->phnum > MAX_PHDRS)
		return damaged(elf->file, "too many program headers", err);
	return 0;
}

/* Program headers of either class as 64-bit ones. */
static int read_phdrs(const struct elf *elf, Elf64_Phdr *ph, struct error *err)
{
	Elf32_Phdr small;
	unsigned int i;
	int ret;

	if (elf->phoff > elf->file->size)
		return damaged(elf->file, "no program headers", err);
	if (elf->is64)
		return boot_read(elf->file, elf->phoff, ph,
				 elf->phnum * sizeof(*ph), err);
	for (i = 0; i < elf->phnum; i++) {
		ret = boot_read(elf->file, elf->phoff + i * sizeof(small),
				&small, sizeof(small), err);
		if (ret)
			return ret;
		ph[i] = (Elf64_Phdr){
			.p_type = small.p_type,
			.p_offset = small.p_offset,
			.p_paddr = small.p_paddr,
			.p_filesz = small.p_filesz,
			.p_memsz = small.p_memsz,
			.p_align = small.p_align,
		};
	}
	return 0;
}

static size_t align_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

/*
 * Looks for the entry note in one PT_NOTE segment.  1: found, 0: not there.
 * A note's name and descriptor are padded to 4 bytes, or 8 where the segment
 * says so (as for GNU properties, which share a segment with nothing else).
 */
static int find_note(const struct elf *elf, const Elf64_Phdr *ph,
		     uint64_t *entry, struct error *err)
{
	uint8_t buf[MAX_NOTES_SIZE];
	size_t len = ph->p_filesz < sizeof(buf) ? ph->p_filesz : sizeof(buf);
	size_t align = ph->p_align == 8 ? 8 : 4;
	size_t off = 0, name, desc;
	Elf32_Nhdr note;
	uint64_t val;
	int ret;

	if (ph->p_offset > elf->file->size ||
	    ph->p_filesz > elf->file->size - ph->p_offset)
		return damaged(elf->file, "a note lies outside the file", err);
	ret = boot_read(elf->file, ph->p_offset, buf, len, err);
	if (ret)
		return ret;

	while (off < len && len - off >= sizeof(note)) {
		memcpy(&note, buf + off, sizeof(note));
		name = off + sizeof(note);
		desc = align_up(name + note.n_namesz, align);
		if (desc > len || note.n_descsz > len - desc)
			break;
		if (note.n_type == XEN_ELFNOTE_PHYS32_ENTRY &&
		    note.n_namesz == sizeof("Xen") &&
		    !memcmp(buf + name, "Xen", sizeof("Xen")) &&
		    (note.n_descsz == 4 || note.n_descsz == 8)) {
			val = 0;
			memcpy(&val, buf + desc, note.n_descsz);
			*entry = val;
			return 1;
		}
		off = align_up(desc + note.n_descsz, align);
	}
	return 0;
}

static int add_segment(struct boot_image *image, const struct elf *elf,
		       const Elf64_Phdr *ph, struct error *err)
{
	if (ph->p_filesz > ph->p_memsz || ph->p_offset > elf->file->size ||
	    ph->p_filesz > elf->file->size - ph->p_offset)
		return damaged(elf->file, "a segment lies outside the file",
			       err);
	if (ph->p_paddr < BOOT_LOW_END || ph->p_paddr > RAM_LOW_MAX ||
	    ph->p_memsz > RAM_LOW_MAX - ph->p_paddr)
		return error_set(err, EINVAL,
				 "ELF kernel '%s' has a segment at %#llx, "
				 "outside of RAM from 1 MiB to %llu MiB",
				 elf->file->path,
				 (unsigned long long)ph->p_paddr,
				 RAM_LOW_MAX >> 20);
	if (image->nr_segments == BOOT_MAX_SEGMENTS)
		return damaged(elf->file, "too many segments", err);
	image->segments[image->nr_segments++] = (struct boot_segment){
		.off = ph->p_offset,
		.filesz = ph->p_filesz,
		.gpa = ph->p_paddr,
		.memsz = ph->p_memsz,
	};
	if (image->end < ph->p_paddr + ph->p_memsz)
		image->end = ph->p_paddr + ph->p_memsz;
	return 0;
}

static int parse(const struct boot_file *file, struct boot_image *image,
		 struct error *err)
{
	struct elf elf = { .file = file };
	Elf64_Phdr ph[MAX_PHDRS];
	unsigned int i;
	int ret;

	ret = read_header(&elf, err);
	if (ret)
		return ret;
	ret = read_phdrs(&elf, ph, err);
	if (ret)
		return ret;

	for (i = 0, ret = 0; i < elf.phnum && !ret; i++)
		if (ph[i].p_type == PT_NOTE)
			ret = find_note(&elf, &ph[i], &image->entry, err);
	if (ret <= 0)
		return ret ? ret : -ENOEXEC;

	image->end = 0;
	image->nr_segments = 0;
	for (i = 0; i < elf.phnum; i++) {
		if (ph[i].p_type != PT_LOAD || !ph[i].p_memsz)
			continue;
		ret = add_segment(image, &elf, &ph[i], err);
		if (ret)
			return ret;
	}
	for (i = 0; i < image->nr_segments; i++)
		if (image->entry >= image->segments[i].gpa &&
		    image->entry - image->segments[i].gpa <
			    image->segments[i].memsz)
			break;
	if (i == image->nr_segments)
		return damaged(file, "its PVH entry is in no segment", err);

	image->initrd_last = UINT32_MAX;
	image->cmdline_max = CMDLINE_MAX;
	return 0;
}

static void enter(const struct boot *boot, uint8_t *low,
		  const struct memmap *map, struct cpu_entry *entry)
{
	struct start_page *page = (struct start_page *)(low + BOOT_INFO);
	unsigned int i;

	page->info = (struct start_info){
		.magic = START_MAGIC,
		.version = START_VERSION,
		.cmdline_paddr = BOOT_CMDLINE,
		.rsdp_paddr = BOOT_ACPI,
		.memmap_paddr = BOOT_INFO + offsetof(struct start_page, memmap),
		.memmap_entries = map->nr,
	};
	if (boot->initrd.size) {
		page->info.nr_modules = 1;
		page->info.modlist_paddr =
			BOOT_INFO + offsetof(struct start_page, initrd);
		page->initrd = (struct start_module){
			.paddr = boot->initrd_gpa,
			.size = boot->initrd.size,
		};
	}
	for (i = 0; i < map->nr; i++)
		page->memmap[i] = (struct start_memmap){
			.addr = map->entries[i].base,
			.size = map->entries[i].len,
			.type = map->entries[i].type,
		};

	boot_gdt(low, false, entry);
	entry->rbx = BOOT_INFO;
}

const struct boot_format boot_elf = {
	.parse = parse,
	.enter = enter,
};
