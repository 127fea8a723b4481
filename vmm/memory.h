/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest RAM: where it lies in guest-physical space and how the VMM may touch
 * it.  Nothing else in the VMM turns a guest address into a pointer.
 *
 * The layout is fixed at start and read without a lock.
 *
 *   0 .......... RAM_LOW_MAX   RAM, up to 2816 MiB
 *   RAM_LOW_MAX .. 4 GiB       ECAM, PCI windows, IOAPIC, LAPIC, flash
 *   4 GiB ...                  the rest of the RAM, then the 64-bit PCI window
 */
#ifndef VIREO_MEMORY_H
#define VIREO_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define RAM_LOW_MAX 0xb0000000ULL
#define RAM_HIGH_BASE 0x100000000ULL

#define MEM_HUGE_PAGE (2ULL << 20)

enum mem_pages { MEM_PAGES_4K, MEM_PAGES_THP, MEM_PAGES_HUGETLB };

struct mem_options {
	uint64_t size; /* bytes, a multiple of 2 MiB */
	enum mem_pages pages;
	bool prefault;
};

struct mem_block {
	uint64_t gpa;
	uint64_t len;
	uint8_t *hva;
	uint64_t fd_offset;
};

/* What gives the memory; memfd today, the module's objects can stand here. */
struct mem_backend {
	const char *name;
	int (*create)(const struct mem_options *opt, int *fd,
		      struct error *err);
};

#define MEM_MAX_BLOCKS 2

struct mem {
	uint64_t size;
	int fd;
	uint8_t *base; /* one mapping of the whole object */
	unsigned int nr_blocks;
	struct mem_block blocks[MEM_MAX_BLOCKS];
	const struct mem_backend *backend;
};

extern const struct mem_backend mem_backend_memfd;

int mem_init(struct mem *mem, const struct mem_backend *backend,
	     const struct mem_options *opt, struct error *err);
void mem_destroy(struct mem *mem);

/* The VMM's intent; MEM_WRITE is what will mark the dirty log. */
enum mem_prot { MEM_READ, MEM_WRITE };

/*
 * The host address of [gpa, gpa + len), or NULL if any byte of it is not RAM
 * or the range crosses from one block into another.  len 0 gives NULL.
 */
void *mem_ptr(const struct mem *mem, uint64_t gpa, uint64_t len,
	      enum mem_prot prot);

/*
 * Makes the aligned 2 MiB of RAM around @p a huge page, keeping what is there;
 * false if the host does not.  For what is about to be filled: that is less
 * work than 512 pages.
 */
bool mem_make_huge(const struct mem *mem, uint8_t *p);

/* 0, or -EFAULT if the range is not RAM; then nothing was copied. */
int mem_read(const struct mem *mem, uint64_t gpa, void *buf, uint64_t len);
int mem_write(const struct mem *mem, uint64_t gpa, const void *buf,
	      uint64_t len);

#endif
