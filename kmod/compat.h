/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything that depends on the kernel's version.
 */
#ifndef _VIREO_COMPAT_H
#define _VIREO_COMPAT_H

#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/shmem_fs.h>
#include <linux/version.h>
#include <linux/workqueue.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "vireo needs Linux 6.1 or newer"
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(8, 0, 0)
#error "vireo does not know Linux 8 and newer"
#endif

#define VIREO_KERNEL_IS(major, minor)                             \
	(LINUX_VERSION_CODE >= KERNEL_VERSION(major, minor, 0) && \
	 LINUX_VERSION_CODE < KERNEL_VERSION(major, (minor) + 1, 0))

/*
 * The bus entry depends on the layout of KVM's structures and on how KVM
 * changes them.  These are the kernels whose source was read for that and on
 * which the tests ran; exit_path=auto uses the entry only there.
 */
#define VIREO_BUS_TESTED                                    \
	(VIREO_KERNEL_IS(6, 1) || VIREO_KERNEL_IS(6, 12) || \
	 VIREO_KERNEL_IS(7, 2))

/* 6.8 dropped the count. */
static inline void vireo_eventfd_signal(struct eventfd_ctx *ctx)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx, 1);
#else
	eventfd_signal(ctx);
#endif
}

/* 6.17 has another name for the workqueue of what may run anywhere. */
static inline struct workqueue_struct *vireo_unbound_wq(void)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
	return system_unbound_wq;
#else
	return system_dfl_wq;
#endif
}

static inline void vireo_queue_work(struct work_struct *work)
{
	queue_work(vireo_unbound_wq(), work);
}

static inline void vireo_queue_work_later(struct delayed_work *work,
					  unsigned long delay)
{
	queue_delayed_work(vireo_unbound_wq(), work, delay);
}

/* 6.3 made vm_flags read-only but for accessors. */
static inline void vireo_vm_flags_mod(struct vm_area_struct *vma,
				      unsigned long set, unsigned long clear)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#else
	vm_flags_mod(vma, set, clear);
#endif
}

/* 6.5 dropped the array of VMAs. */
static inline long vireo_pin_user_pages(unsigned long addr, unsigned long nr,
					unsigned int flags, struct page **pages)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
	return pin_user_pages(addr, nr, flags, pages, NULL);
#else
	return pin_user_pages(addr, nr, flags, pages);
#endif
}

/* 6.3 returns errors where there was NULL. */
static inline struct folio *vireo_find_folio(struct address_space *mapping,
					     pgoff_t index)
{
	struct folio *folio = filemap_get_folio(mapping, index);

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	return folio;
#else
	return IS_ERR(folio) ? NULL : folio;
#endif
}

/* 6.9 made it inline, for folios of any size. */
static inline int vireo_folio_mapcount(struct folio *folio)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
	long i, nr = folio_nr_pages(folio);
	int whole, sum = 0;

	for (i = 0; i < nr; i++)
		sum += atomic_read(&folio_page(folio, i)->_mapcount) + 1;
	if (nr == 1)
		return sum;
	whole = folio_entire_mapcount(folio);
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	/* Each page of one of a file counts mappings of the whole. */
	sum -= whole * nr;
#endif
	return sum + whole;
#else
	return folio_mapcount(folio);
#endif
}

/* 6.17 has files that prepare a mapping without seeing it. */
static inline int vireo_vfs_mmap(struct file *file, struct vm_area_struct *vma)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
	return call_mmap(file, vma);
#else
	return vfs_mmap(file, vma);
#endif
}

/* A place for a mapping; 6.10 has it as a function, 6.19 without the mm. */
static inline unsigned long
vireo_unmapped_area(struct file *file, unsigned long addr, unsigned long len,
		    unsigned long pgoff, unsigned long flags)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
	return current->mm->get_unmapped_area(file, addr, len, pgoff, flags);
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 19, 0)
	return mm_get_unmapped_area(current->mm, file, addr, len, pgoff, flags);
#else
	return mm_get_unmapped_area(file, addr, len, pgoff, flags);
#endif
}

/* @mnt: NULL for that of shared memory. */
static inline struct file *vireo_shmem_file_setup(struct vfsmount *mnt,
						  const char *name, loff_t size)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
	const unsigned long flags = VM_NORESERVE;
#else
	const vma_flags_t flags = mk_vma_flags(VMA_NORESERVE_BIT);
#endif

	if (mnt)
		return shmem_file_setup_with_mnt(mnt, name, size, flags);
	return shmem_file_setup(name, size, flags);
}

static inline bool vireo_has_huge_pages(void)
{
	return IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) &&
	       has_transparent_hugepage();
}

/*
 * Takes the write permission from all page table entries of a range that are
 * not huge, and tells KVM and its like.  Entries that stay dirty would get it
 * back from NUMA balancing since 6.3, so they are cleaned, and noted in @bitmap
 * as the kernel wants it; shmem keeps that its folios are dirty elsewhere.
 */
static inline void vireo_write_protect(struct address_space *mapping,
				       pgoff_t first, pgoff_t nr,
				       unsigned long *bitmap)
{
#ifdef CONFIG_MAPPING_DIRTY_HELPERS
	wp_shared_mapping_range(mapping, first, nr);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	{
		pgoff_t start = 0, end = 0;

		clean_record_shared_mapping_range(mapping, first, nr, 0, bitmap,
						  &start, &end);
	}
#endif
#else
	unmap_mapping_range(mapping, (loff_t)first << PAGE_SHIFT,
			    (loff_t)nr << PAGE_SHIFT, 0);
#endif
}

#endif /* _VIREO_COMPAT_H */
