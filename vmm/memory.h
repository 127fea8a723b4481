/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest RAM: where it lies in guest-physical space, how the VMM may touch it,
 * who wrote to it, and what it was.  Nothing else in the VMM turns a guest
 * address into a pointer.
 *
 * The layout is fixed at start and read without a lock.
 *
 *   0 .......... RAM_LOW_MAX   RAM, up to 2816 MiB
 *   RAM_LOW_MAX .. 4 GiB       ECAM, PCI windows, IOAPIC, LAPIC, flash
 *   4 GiB ...                  the rest of the RAM, then the 64-bit PCI window
 *
 * The memory is one object behind a file descriptor; offsets below are into
 * it.  Where it comes from and what it can do is its backend's: vireo.ko's
 * objects log and freeze themselves; for memfd and hugetlb the VMM does so,
 * with userfaultfd, KVM's log and one of its own (memory/).
 *
 * Locks:
 *   mem.lock      mutex   beginning and end of logs and snapshots, fetching
 *                         from a log, discarding
 *   freezer.lock  mutex   the snapshots that userfaultfd feeds, inside mem.lock
 *                         (memory/uffd.c)
 * Who holds one of them does not write guest memory through the mapping: that
 * may wait for the thread that copies, which takes freezer.lock.
 */
#ifndef VIREO_MEMORY_H
#define VIREO_MEMORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct accel;
struct error;
struct mem_backend;
struct mem_freezer;
struct mem_log;
struct mem_snapshot;

#define RAM_LOW_MAX 0xb0000000ULL
#define RAM_HIGH_BASE 0x100000000ULL

#define MEM_PAGE 4096ULL
#define MEM_HUGE_PAGE (2ULL << 20)

#define MEM_MAX_NODE 1023
#define MEM_MAX_PREFAULT 64

/* In the order of the words of --memory backend=. */
enum mem_kind { MEM_AUTO, MEM_VIREO, MEM_MEMFD, MEM_HUGETLB };

struct mem_options {
	uint64_t size; /* bytes, a multiple of 2 MiB */
	enum mem_kind kind;
	bool huge;
	bool has_node;
	unsigned int node;
	int file;	       /* of mem_backend_file; stays the caller's */
	unsigned int prefault; /* threads; 0: do not; UINT_MAX: find out */
};

struct mem_block {
	uint64_t gpa;
	uint64_t len;
	uint8_t *hva;
	uint64_t fd_offset;
};

#define MEM_MAX_BLOCKS 2

struct mem {
	uint64_t size;
	int fd;
	uint8_t *base; /* one mapping of the whole object */
	unsigned int nr_blocks;
	struct mem_block blocks[MEM_MAX_BLOCKS];
	const struct mem_backend *backend;
	struct accel *accel; /* has the blocks as slots 0, 1; NULL: nobody */

	/* The VMM's own log: anybody sets bits of it while logging is on. */
	bool logging;
	uint64_t *own_log; /* a bit per MEM_PAGE; stays once it is there */

	pthread_mutex_t lock;
	struct mem_log *logs;	     /* those that the VMM feeds */
	struct mem_freezer *freezer; /* NULL while there are no snapshots */
};

extern const struct mem_backend mem_backend_memfd;
extern const struct mem_backend mem_backend_hugetlb;
extern const struct mem_backend mem_backend_vireo;
/* Begins as a file says, which nobody changes; is not chosen by mem_choose. */
extern const struct mem_backend mem_backend_file;

/*
 * What @opt asks for; @no_vireo says why there is no memory of the module's to
 * be had, NULL if there is.  NULL if @opt insists on it.
 */
const struct mem_backend *mem_choose(const struct mem_options *opt,
				     const char *no_vireo, struct error *err);
const char *mem_backend_name(const struct mem *mem);

int mem_init(struct mem *mem, const struct mem_backend *backend,
	     const struct mem_options *opt, struct error *err);
/* No log or snapshot is left, and no vCPU. */
void mem_destroy(struct mem *mem);

/* Gives the blocks to the guest; @accel will be asked what it wrote. */
int mem_attach(struct mem *mem, struct accel *accel, struct error *err);

/* ---- access ---- */

/* The VMM's intent; MEM_WRITE does what mem_written does. */
enum mem_prot { MEM_READ, MEM_WRITE };

/*
 * The host address of [gpa, gpa + len), or NULL if any byte of it is not RAM
 * or the range crosses from one block into another.  len 0 gives NULL.
 */
void *mem_ptr(const struct mem *mem, uint64_t gpa, uint64_t len,
	      enum mem_prot prot);

void mem_mark(const struct mem *mem, uint64_t offset, uint64_t len);

/*
 * Tells the logs that [p, p + len), from mem_ptr, was written: what is written
 * after mem_ptr returned, possibly much later, and by whoever it was handed to,
 * is known only by this, called once it is done.
 */
static inline void mem_written(const struct mem *mem, const void *p,
			       uint64_t len)
{
	if (__builtin_expect(__atomic_load_n(&mem->logging, __ATOMIC_ACQUIRE),
			     0))
		mem_mark(mem, (uint64_t)((const uint8_t *)p - mem->base), len);
}

/*
 * Makes huge pages of a range of them, keeping what is there; false if the host
 * does not, and for some of them perhaps if true.  For what is about to be
 * filled: that is less work than 512 pages for each.
 */
bool mem_make_huge(const struct mem *mem, uint64_t offset, uint64_t len);

/* May mem->fd be written to?  Not if snapshots would not see that. */
bool mem_file_ok(const struct mem *mem);

/* 0, or -EFAULT if the range is not RAM; then nothing was copied. */
int mem_read(const struct mem *mem, uint64_t gpa, void *buf, uint64_t len);
int mem_write(const struct mem *mem, uint64_t gpa, const void *buf,
	      uint64_t len);

/*
 * Frees [offset, offset + len), whole pages of the backend: they read as zeros
 * until written again.  Snapshots keep what was there; logs have it written.
 */
int mem_discard(struct mem *mem, uint64_t offset, uint64_t len);

/* ---- who wrote: logs ---- */

/*
 * Begins a log, empty, of what is written from now on by vCPUs and the VMM.
 * Several can be on at once, and each tells its owner everything.
 */
int mem_log_start(struct mem *mem, struct mem_log **log, struct error *err);

/*
 * Takes from a log: bit n of @bitmap is the page at start + n * MEM_PAGE.
 * @start is a multiple of MEM_HUGE_PAGE, @len of MEM_PAGE; what lies behind
 * @len in the last word is 0.  A write that ended, and was told by mem_written,
 * before the call is in it; one that comes after is in what the next call
 * gives.  The number of bits set, or -errno.
 */
int64_t mem_log_fetch(struct mem_log *log, uint64_t start, uint64_t len,
		      uint64_t *bitmap);
void mem_log_stop(struct mem_log *log);

/* ---- what it was: snapshots ---- */

struct mem_snapshot_stat {
	uint64_t bytes;	 /* of the memory */
	uint64_t limit;	 /* as given */
	uint64_t copied; /* bytes */
	uint64_t zero;	 /* bytes that were zero, and so not copied */
	int error; /* 0, or why it has failed: ENOMEM, ENOSPC (the limit) */
};

/*
 * Freezes the memory as it is.  Only with the module's memory may others write
 * meanwhile: else vCPUs and devices are stopped, no I/O into guest memory is in
 * flight, and they go on when the call has returned.  Pages are copied before
 * they are written, up to @limit bytes (0: without limit).  When that cannot be
 * done, the snapshot fails and the guest does not notice.
 *
 * There can be several at once, dropped in any order.
 */
int mem_snapshot_arm(struct mem *mem, uint64_t limit,
		     struct mem_snapshot **snapshot, struct error *err);
/* 0; -EIO if the snapshot has failed; -EINVAL past the end.  Any thread. */
int mem_snapshot_read(struct mem_snapshot *snapshot, uint64_t offset, void *buf,
		      size_t len);
int mem_snapshot_stat(struct mem_snapshot *snapshot,
		      struct mem_snapshot_stat *stat);
void mem_snapshot_drop(struct mem_snapshot *snapshot);

#endif
