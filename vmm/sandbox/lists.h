/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The system calls that each kind of thread may make once the guest runs.
 * tools/mkfilters makes the kernel's filters of them when vireo is built;
 * tests/sandbox takes one entry away at a time.
 */
#ifndef VIREO_SANDBOX_LISTS_H
#define VIREO_SANDBOX_LISTS_H

#include <stdint.h>

#include "../sandbox.h"

/* Stands for the number of this process, which is known when it runs. */
#define SANDBOX_OWN_PID 0x4f574e21U

struct sandbox_call {
	const char *name; /* NULL ends a list */
	int nr;
	/* Only if (argument number arg & mask) == value; mask 0: any. */
	unsigned int arg;
	uint32_t mask;
	uint32_t value;
};

extern const struct sandbox_call *const sandbox_lists[SANDBOX_NR_THREADS];

#endif
