/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linear addresses as the guest sees them: a walk of its page tables, in every
 * mode of the processor, that takes no notice of rights.  The tables are the
 * guest's and may hold anything.
 */
#ifndef VIREO_PAGING_H
#define VIREO_PAGING_H

#include <stddef.h>
#include <stdint.h>

struct cpu_regs;
struct mem;

/*
 * The guest-physical address of @va, and in *left how many bytes from there on
 * are in the same page.  -EFAULT if nothing is mapped there.
 */
int paging_walk(const struct mem *mem, const struct cpu_regs *regs, uint64_t va,
		uint64_t *gpa, uint64_t *left);

/*
 * Copies up to @len bytes of RAM from or to @va on; returns how many, which is
 * less where something is not mapped or is not RAM.
 */
size_t paging_read(const struct mem *mem, const struct cpu_regs *regs,
		   uint64_t va, void *buf, size_t len);
size_t paging_write(const struct mem *mem, const struct cpu_regs *regs,
		    uint64_t va, const void *buf, size_t len);

#endif
