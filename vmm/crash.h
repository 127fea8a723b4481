/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of a vCPU that cannot go on, or that somebody asks about. */
#ifndef VIREO_CRASH_H
#define VIREO_CRASH_H

#include <stddef.h>

struct cpu_regs;
struct mem;
struct vm;

/* Room for what cpu_describe writes. */
#define CPU_TEXT_MAX 2560

/* All registers but those of x87 and SSE, and the code at RIP, as lines. */
void cpu_describe(const struct cpu_regs *regs, const struct mem *mem,
		  char buf[CPU_TEXT_MAX]);

/* Logs all of it, and what the accelerator knows; the vCPU is parked. */
void crash_report(struct vm *vm, unsigned int vcpu);

#endif
