/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM as what a debugger works on: breakpoints, who runs and why it stopped.
 *
 * Software breakpoints are INT3s in guest memory, at the physical address that
 * the linear one had when they were set.  Where none can be written, because
 * nothing is mapped there yet or it is no RAM, or where the host would not stop
 * at it, a debug register is taken instead, of which there are four.
 *
 * Main thread only; vCPUs read @debug while they run, so it changes only while
 * all are parked.
 */
#ifndef VIREO_GDB_TARGET_H
#define VIREO_GDB_TARGET_H

#include "../cpu.h"
#include "../vm.h"
#include "stub.h"

struct gdb_target {
	struct vm *vm;
	unsigned int can; /* enum cpu_can; all else is refused */
	struct cpu_debug debug;
	/* Beside debug.int3 */
	struct {
		uint64_t gpa;
		uint8_t byte; /* that the INT3 is in the place of */
	} under[CPU_MAX_BREAKPOINTS];
	/* What debug.watch is made from: each may take several. */
	struct {
		enum gdb_point point;
		uint64_t addr;
		uint64_t len;
	} asked[CPU_NR_WATCHES];
	unsigned int nr_asked;
	uint8_t asked_of[CPU_NR_WATCHES]; /* index in asked of each watch */

	bool debugging;	  /* set_debug was called with debug */
	bool interrupted; /* the client wanted it to stop */
	bool ours;	  /* paused for the debugger, not for others */
};

extern const struct gdb_target_ops gdb_vm_ops;

/* In the listener: why all are parked; the guest was reset. */
void gdb_target_paused(struct gdb_target *t, struct gdb_stop *why);
void gdb_target_reset(struct gdb_target *t);

#endif
