/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory objects.
 *
 * An object is a shmem file of the module's own.  Mappings of its descriptor
 * are mappings of that file, with shmem's vm_operations and a page_mkwrite of
 * ours.  A page is *open* if it may be written without a fault: a page table
 * may have it writable, or somebody in the kernel holds it.  There is one rule:
 *
 *   what is open has been recorded by every tracker,
 *
 * a tracker being a dirty log, which has then set its bit, or a snapshot, which
 * has then kept what was in it.  So whoever opens a page (vireo_mem_open())
 * records it first, and a tracker that wants to hear of a page again closes it
 * (vireo_mem_close()): takes the write permission from all page tables.
 *
 * Locks, in the order in which they nest; mmap_lock is outside of all:
 *
 *  1 vireo_mem.gate     rwsem     read: opening pages; write: closing them, and
 *                                 the lists of trackers
 *  2 a folio's lock               of a page being opened or closed, or that a
 *                                 snapshot looks at
 *  3 i_mmap_rwsem, page table locks, KVM's mmu_lock, the locks of shmem
 *    vireo_snapshot.kept spinlock from page to copy
 *    vireo_mem.ops_lock mutex     vm_operations are made once
 *
 * Memory is allocated inside 1 and 2: nothing that reclaim waits for takes
 * them.  User memory is not touched inside them, since that takes mmap_lock.
 *
 * A fault opens a page in page_mkwrite, or at once if there is no tracker, and
 * returns with the folio locked; the page table is set before the folio is
 * unlocked.  Closing locks the folio, too:
 * so it comes after that, and no page migrates meanwhile, which hides its
 * write permission in an entry that the walk of page tables passes over.
 *
 * References: a mapping, a snapshot and a VM's map hold the object's struct file,
 * a mapping of a snapshot the snapshot's.  So objects are undone by
 * their release, and the last reference to the module is dropped by the VFS, not
 * by code of the module.
 */
#ifndef _VIREO_MEM_H
#define _VIREO_MEM_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "stats.h"
#include "vireo.h"

#define VIREO_HUGE_PAGES (VIREO_MEM_HUGE_SIZE / PAGE_SIZE)

/**
 * struct vireo_mem - a memory object
 * @shm: the shmem file; owns a reference
 * @mapping: its pages
 * @nr_pages: its size
 * @gate: see above
 * @open: bit n: page n is open
 * @lent: bit n: a mapping of a snapshot may have page n; set and cleared under
 *        the folio's lock; NULL until there is a snapshot
 * @logs: struct vireo_log.link; protected by @gate
 * @snapshots: struct vireo_snapshot.link; protected by @gate
 * @nr_logs: in @logs
 * @nr_snapshots: in @snapshots
 * @shm_ops: shmem's, which those below are made from; read-only once @ops_made
 * @vm_ops: of its mappings; likewise
 * @snap_vm_ops: of its snapshots' mappings; likewise
 * @ops_made: whether those are there
 * @ops_lock: serializes making them
 * @stats: statistics
 * @name: as given
 */
struct vireo_mem {
	struct file *shm;
	struct address_space *mapping;
	pgoff_t nr_pages;
	struct rw_semaphore gate;
	unsigned long *open;
	unsigned long *lent;
	struct list_head logs;
	struct list_head snapshots;
	u32 nr_logs;
	u32 nr_snapshots;
	const struct vm_operations_struct *shm_ops;
	struct vm_operations_struct vm_ops;
	struct vm_operations_struct snap_vm_ops;
	bool ops_made;
	struct mutex ops_lock;
	struct vireo_mem_stats stats;
	char name[32];
};

/**
 * struct vireo_log - a dirty log
 * @link: in vireo_mem.logs
 * @mem_file: the object; owns a reference
 * @dirty: bit n: page n was written
 * @huge: bit n: huge page n was, as a whole
 */
struct vireo_log {
	struct list_head link;
	struct file *mem_file;
	unsigned long *dirty;
	unsigned long *huge;
};

/**
 * struct vireo_snapshot - a snapshot
 * @link: in vireo_mem.snapshots
 * @mem_file: the object; owns a reference
 * @kept: from page to its copy, or to a value if it was zero; owns a reference
 *        to each; under its lock a page can be had before it is dropped
 * @zero: a page of zeros, for mappings
 * @limit: bytes that may be copied, 0: any
 * @nr_copied: pages copied
 * @nr_zero: pages found to be zero
 * @error: 0, or the errno with which it failed; set once
 * @wait: woken when it fails
 * @drop: drops what a failed one has kept
 */
struct vireo_snapshot {
	struct list_head link;
	struct file *mem_file;
	struct xarray kept;
	struct page *zero;
	u64 limit;
	atomic64_t nr_copied;
	atomic64_t nr_zero;
	int error;
	wait_queue_head_t wait;
	struct work_struct drop;
};

/**
 * vireo_mem_bitmap() - make a bitmap with a bit for each page
 * @mem: the object
 *
 * It ends with a huge page, so that a range of it never needs to be cut.
 *
 * Return: the bitmap, for kvfree(), or NULL.
 */
static inline unsigned long *vireo_mem_bitmap(const struct vireo_mem *mem)
{
	pgoff_t bits = round_up(mem->nr_pages, VIREO_HUGE_PAGES);

	return kvcalloc(BITS_TO_LONGS(bits), sizeof(unsigned long),
			GFP_KERNEL_ACCOUNT);
}

/* mem.c */
long vireo_mem_create(void *unused, union vireo_arg *arg, void __user *uarg);
struct vireo_mem *vireo_mem_of(struct file *file);
int vireo_mem_map_shm(struct vireo_mem *mem, struct file *owner,
		      struct vm_area_struct *vma);
struct page *vireo_mem_page(struct vireo_mem *mem, pgoff_t index, bool write);
ssize_t vireo_mem_rw(struct vireo_mem *mem, u64 pos, struct iov_iter *iter,
		     bool write);

/* mem_range.c */
long vireo_mem_prefault(void *object, union vireo_arg *arg, void __user *uarg);
long vireo_mem_discard(void *object, union vireo_arg *arg, void __user *uarg);
void vireo_mem_look(const struct vireo_mem_stats *s,
		    struct vireo_mem_stat *stat);

/* track.c */

/* Tells a tracker of a page that could not be closed; the folio is locked. */
typedef void (*vireo_held_fn)(void *tracker, pgoff_t index, struct page *page);

struct folio *vireo_mem_lock_folio(struct vireo_mem *mem, pgoff_t index);
void vireo_mem_record(struct vireo_mem *mem, struct folio *folio, pgoff_t first,
		      pgoff_t nr);
void vireo_mem_open(struct vireo_mem *mem, struct folio *folio, pgoff_t first,
		    pgoff_t nr);
long vireo_mem_close(struct vireo_mem *mem, pgoff_t first, pgoff_t end,
		     vireo_held_fn held, void *tracker);

/* dirty.c */
long vireo_mem_dirty_log(void *object, union vireo_arg *arg, void __user *uarg);
void vireo_log_mark(struct vireo_log *log, pgoff_t first, pgoff_t nr);

/* snapshot.c */
long vireo_mem_snapshot(void *object, union vireo_arg *arg, void __user *uarg);
void vireo_snapshot_keep(struct vireo_snapshot *s, pgoff_t index,
			 struct page *page);
vm_fault_t vireo_snapshot_fault(struct vm_fault *vmf);
int vireo_snapshot_mremap(struct vm_area_struct *vma);

/* mem_map.c */
void vireo_mem_map_init(struct vireo_vm *vm);
void vireo_mem_unmap_all(struct vireo_vm *vm);
long vireo_mem_map(void *object, union vireo_arg *arg, void __user *uarg);
long vireo_mem_unmap(void *object, union vireo_arg *arg, void __user *uarg);
ssize_t vireo_mem_map_rw(struct vireo_vm *vm, u64 gpa, struct iov_iter *iter,
			 bool write);
struct page *vireo_map_page(struct vireo_vm *vm, u64 gpa, bool write);
int vireo_map_copy(struct vireo_vm *vm, u64 gpa, void *buf, size_t len,
		   bool write);

#endif /* _VIREO_MEM_H */
