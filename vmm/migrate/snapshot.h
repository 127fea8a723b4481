/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots in files: the state of the machine (machine.h), and its memory as it
 * lies in the memory object, sparse where it is zero.
 *
 * A snapshot is written by the main loop, a piece at a time.  The guest stands
 * still meanwhile, or, live, only until its memory is frozen (mem_snapshot_arm).
 */
#ifndef VIREO_MIGRATE_SNAPSHOT_H
#define VIREO_MIGRATE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct mem;
struct snapshot;
struct vm;

struct snapshot_stat {
	uint64_t paused_ns; /* for which the guest stood still, if it ran */
	uint64_t written;   /* bytes of memory that were not zero */
	uint64_t copied;    /* bytes that the guest wrote meanwhile */
};

/* In the main thread: it has ended, @rc is 0 or -errno with @err. */
typedef void (*snapshot_fn)(void *opaque, int rc,
			    const struct snapshot_stat *stat,
			    const struct error *err);

/*
 * Begins; @done follows, unless this fails.  The descriptors, empty files that
 * can be written to, stay the caller's, and open until then.  -EBUSY: there is
 * one already.
 */
int snapshot_begin(struct vm *vm, int state_fd, int memory_fd, bool live,
		   snapshot_fn done, void *opaque, struct error *err);
/* Ends one that is under way, if there is: the machine ends. */
void snapshot_abort(struct vm *vm);

/* Fills memory, which is all zeros, from a file of its size. */
int snapshot_read_memory(struct mem *mem, int fd, struct error *err);

#endif
