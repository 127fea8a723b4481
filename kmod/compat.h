/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything that depends on the kernel's version.
 */
#ifndef _VIREO_COMPAT_H
#define _VIREO_COMPAT_H

#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/version.h>

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

#endif /* _VIREO_COMPAT_H */
