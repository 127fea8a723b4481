/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers as GDB numbers them, and target.xml, which tells it so: one
 * table stands behind both.
 */
#ifndef VIREO_GDB_REGS_H
#define VIREO_GDB_REGS_H

#include <stddef.h>
#include <stdint.h>

struct cpu_regs;

#define GDB_REG_MAX 16 /* bytes of the largest */

unsigned int gdb_nr_regs(void);
/* Bytes of register @n, which is one. */
size_t gdb_reg_size(unsigned int n);
void gdb_reg_get(const struct cpu_regs *regs, unsigned int n,
		 uint8_t buf[GDB_REG_MAX]);
/* -EPERM if it is not to be changed, and this would change it. */
int gdb_reg_set(struct cpu_regs *regs, unsigned int n,
		const uint8_t buf[GDB_REG_MAX]);

/* The caller frees it; NULL: no memory. */
char *gdb_target_xml(void);

#endif
