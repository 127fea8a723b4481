// SPDX-License-Identifier: GPL-2.0-or-later
#include "paging.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "cpu.h"
#include "memory.h"

#define PAGE 4096ULL
#define PRESENT 1ULL
#define LARGE (1ULL << 7)
#define ADDRESS 0x000ffffffffff000ULL /* bits 51 to 12 of an entry */

/* How one way of paging cuts up an address. */
struct mode {
	unsigned int levels;
	unsigned int index_bits;
	unsigned int top_bits; /* of the highest level */
	unsigned int entry;    /* bytes */
	unsigned int bits;     /* of an address that is translated */
	uint64_t root; /* what of CR3 is the address of the first table */
};

static const struct mode legacy = { 2, 10, 10, 4, 32, 0xfffff000 };
static const struct mode pae = { 3, 9, 2, 8, 32, 0xffffffe0 };
static const struct mode four = { 4, 9, 9, 8, 48, ADDRESS };
static const struct mode five = { 5, 9, 9, 8, 57, ADDRESS };

static const struct mode *mode_of(const struct cpu_regs *regs)
{
	if (regs->efer & EFER_LMA)
		return regs->cr4 & CR4_LA57 ? &five : &four;
	return regs->cr4 & CR4_PAE ? &pae : &legacy;
}

/* Whether an entry at @level (1: that of a page table) ends the walk. */
static bool is_page(const struct mode *mode, const struct cpu_regs *regs,
		    unsigned int level, uint64_t entry)
{
	if (level == 1)
		return true;
	if (!(entry & LARGE))
		return false;
	if (mode == &legacy)
		return regs->cr4 & CR4_PSE;
	return level == 2 || (level == 3 && mode != &pae);
}

static uint64_t page_base(const struct mode *mode, unsigned int level,
			  uint64_t size, uint64_t entry)
{
	/* 4 MiB pages keep bits 39 to 32 of the address in bits 20 to 13. */
	if (mode == &legacy && level == 2)
		return (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32;
	return entry & ADDRESS & ~(size - 1);
}

static bool canonical(uint64_t va, unsigned int bits)
{
	uint64_t high = va >> (bits - 1);

	return !high || high == UINT64_MAX >> (bits - 1);
}

int paging_walk(const struct mem *mem, const struct cpu_regs *regs, uint64_t va,
		uint64_t *gpa, uint64_t *left)
{
	const struct mode *mode = mode_of(regs);
	unsigned int level, shift, bits;
	uint64_t table, entry, index, size;

	if (regs->efer & EFER_LMA && !canonical(va, mode->bits))
		return -EFAULT;
	if (!(regs->efer & EFER_LMA) && va > UINT32_MAX)
		return -EFAULT;
	if (!(regs->cr0 & CR0_PG)) {
		*gpa = va;
		*left = PAGE - va % PAGE;
		return 0;
	}
	table = regs->cr3 & mode->root;
	for (level = mode->levels; level; level--) {
		shift = 12 + (level - 1) * mode->index_bits;
		bits = level == mode->levels ? mode->top_bits :
					       mode->index_bits;
		index = va >> shift & ((1ULL << bits) - 1);
		entry = 0;
		if (mem_read(mem, table + index * mode->entry, &entry,
			     mode->entry) ||
		    !(entry & PRESENT))
			return -EFAULT;
		if (is_page(mode, regs, level, entry)) {
			size = 1ULL << shift;
			*gpa = page_base(mode, level, size, entry) + va % size;
			*left = size - va % size;
			return 0;
		}
		table = entry & ADDRESS;
	}
	return -EFAULT;
}

/* @to_guest says which way; *@buf is what moves. */
static size_t copy(const struct mem *mem, const struct cpu_regs *regs,
		   uint64_t va, uint8_t *buf, size_t len, bool to_guest)
{
	uint64_t gpa, n;
	size_t done = 0;

	while (done < len) {
		if (paging_walk(mem, regs, va + done, &gpa, &n))
			break;
		/* A block of RAM may end inside a large page. */
		if (n > PAGE - gpa % PAGE)
			n = PAGE - gpa % PAGE;
		if (n > len - done)
			n = len - done;
		if (to_guest ? mem_write(mem, gpa, buf + done, n) :
			       mem_read(mem, gpa, buf + done, n))
			break;
		done += n;
	}
	return done;
}

size_t paging_read(const struct mem *mem, const struct cpu_regs *regs,
		   uint64_t va, void *buf, size_t len)
{
	return copy(mem, regs, va, buf, len, false);
}

size_t paging_write(const struct mem *mem, const struct cpu_regs *regs,
		    uint64_t va, const void *buf, size_t len)
{
	return copy(mem, regs, va, (uint8_t *)buf, len, true);
}
