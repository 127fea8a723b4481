/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What guest memory can come from, one file each, and what they share:
 * prefault.c (threads that make the pages), log.c and uffd.c (logs and
 * snapshots of memory that cannot do so itself).  Private to memory*.
 */
#ifndef VIREO_MEMORY_BACKEND_H
#define VIREO_MEMORY_BACKEND_H

#include "../memory.h"

struct mem_backend {
	const char *name;
	uint64_t page; /* what it is made of; faults and discards are whole */
	bool private;  /* mapped so: nobody else sees what is written */
	bool reserve;  /* mapping it fails if the pages are not there */
	bool file_ok;  /* its snapshots see what is written to the file */

	int (*create)(const struct mem_options *opt, int *fd,
		      struct error *err);
	/* Optional: wishes and rules about the mapping. */
	int (*advise)(const struct mem *mem, const struct mem_options *opt,
		      struct error *err);
	/* Optional: as mem_make_huge(). */
	bool (*make_huge)(const struct mem *mem, uint64_t offset, uint64_t len);
	/* Makes the pages of a range; by several threads at once. */
	int (*prefault)(const struct mem *mem, uint64_t offset, uint64_t len);
	int (*discard)(struct mem *mem, uint64_t offset, uint64_t len);

	/* The caller makes and frees the log; all but mem is the backend's. */
	int (*log_start)(struct mem_log *log, struct error *err);
	int64_t (*log_fetch)(struct mem_log *log, uint64_t start, uint64_t len,
			     uint64_t *bitmap);
	void (*log_stop)(struct mem_log *log);

	/* Likewise; all but mem and limit. */
	int (*snapshot_arm)(struct mem_snapshot *snapshot, struct error *err);
	int (*snapshot_read)(struct mem_snapshot *snapshot, uint64_t offset,
			     void *buf, size_t len);
	int (*snapshot_stat)(struct mem_snapshot *snapshot,
			     struct mem_snapshot_stat *stat);
	void (*snapshot_drop)(struct mem_snapshot *snapshot);
};

struct mem_log {
	struct mem *mem;
	int fd;		      /* vireo: the module's log */
	struct mem_log *next; /* else: mem.logs, under mem.lock */
	uint64_t *pending;    /* what it has not been asked for yet */
};

struct mem_snapshot {
	struct mem *mem;
	uint64_t limit;
	int fd; /* vireo: the module's; else a memfd with the copies */

	/*
	 * uffd.c.  have has a bit per MEM_PAGE that is in fd, or was zero.  It
	 * and error are read without the lock; the rest is the freezer's.
	 */
	struct mem_snapshot *next;
	uint64_t *have;
	uint64_t copied;
	uint64_t zero;
	int error;
};

/* prefault.c: makes and maps the pages of a range, of any memory. */
int mem_populate(const struct mem *mem, uint64_t offset, uint64_t len);

/* log.c: logs of memory that keeps none. */
int own_log_start(struct mem_log *log, struct error *err);
int64_t own_log_fetch(struct mem_log *log, uint64_t start, uint64_t len,
		      uint64_t *bitmap);
void own_log_stop(struct mem_log *log);

/* uffd.c: snapshots of memory that makes none. */
int uffd_snapshot_arm(struct mem_snapshot *snapshot, struct error *err);
int uffd_snapshot_read(struct mem_snapshot *snapshot, uint64_t offset,
		       void *buf, size_t len);
int uffd_snapshot_stat(struct mem_snapshot *snapshot,
		       struct mem_snapshot_stat *stat);
void uffd_snapshot_drop(struct mem_snapshot *snapshot);
/* Copies what the snapshots lack of a range that is about to change. */
void uffd_before_change(struct mem *mem, uint64_t offset, uint64_t len);

/* prefault.c: @threads may be UINT_MAX. */
int mem_prefault(const struct mem *mem, unsigned int threads,
		 struct error *err);

#endif
