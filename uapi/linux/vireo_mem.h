/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Memory objects, dirty logs, snapshots, and what a VM's memory is: part of the
 * ABI of /dev/vireo, included by <linux/vireo.h>, whose rules hold here, too.
 */
#ifndef _UAPI_LINUX_VIREO_MEM_H
#define _UAPI_LINUX_VIREO_MEM_H

#include <linux/types.h>

/*
 * Memory objects.  A memory object is shared memory that can tell who was
 * written and be frozen while it is in use.  mmap(2) of its file descriptor,
 * from any process that has it, gives ordinary memory: pages are there when
 * touched, are charged to the memory cgroup of who touched them first, can be
 * swapped out, and follow mbind(2) on a mapping.  pread(2) and pwrite(2) work on
 * it, too.  Its size never changes.  Only VIREO_MEM_DISCARD frees pages of it:
 * madvise(MADV_REMOVE) is EPERM.
 *
 * "Written" below means by anybody: by a vCPU, by a store of a process that has
 * it mapped, by the kernel on such a process's behalf (read(2), AIO, O_DIRECT
 * too), by the module.  A page that the kernel holds for I/O that was begun
 * earlier counts as written for as long as it is held.
 *
 * What does not work: userfaultfd(2) on a mapping, remap_file_pages(2), which is
 * EACCES, and pinning a mapping for long (VFIO, RDMA, registered buffers of
 * io_uring), which newer kernels refuse.  Memory of hugetlbfs cannot be a memory
 * object.
 *
 * The memory lives until the last descriptor, mapping, snapshot and
 * VIREO_MEM_MAP of it is gone.
 */

#define VIREO_MEM_PAGE_SIZE 4096
#define VIREO_MEM_HUGE_SIZE (2ULL << 20)
#define VIREO_MAX_MEM (1ULL << 43)

/* Flags of VIREO_MEM_CREATE. */
#define VIREO_MEM_HUGE (1U << 0)
#define VIREO_MEM_HUGE_ADVISE (1U << 1)

/**
 * struct vireo_mem_create - make a memory object (VIREO_MEM_CREATE)
 * @size: size of the struct
 * @flags: at most one of
 *         VIREO_MEM_HUGE: of huge pages where there are some to be had;
 *         VIREO_MEM_HUGE_ADVISE: likewise, but only what is first touched by a
 *         mapping that was told MADV_HUGEPAGE; none in an object that does not
 *         end with a huge page.
 *         Both even if the system gives shared memory none; with neither, as
 *         the system's setting for shared memory says (shmem_enabled)
 * @bytes: size of the object, a multiple of VIREO_MEM_PAGE_SIZE, at least one
 *         page, at most VIREO_MAX_MEM
 * @node: NUMA node that all its pages come from, or -1
 * @reserved: must be 0
 * @name: shown in debugfs; NUL-terminated, printable ASCII without spaces,
 *        not empty
 *
 * Returns a file descriptor.
 *
 * Errors: EINVAL (also: no such node, or it has no memory), ENOMEM, EMFILE.
 */
struct vireo_mem_create {
	__u32 size;
	__u32 flags;
	__u64 bytes;
	__s32 node;
	__u32 reserved;
	char name[32];
};

/**
 * struct vireo_mem_range - part of a memory object (VIREO_MEM_PREFAULT,
 * VIREO_MEM_DISCARD)
 * @size: size of the struct
 * @flags: must be 0
 * @start: first byte, a multiple of VIREO_MEM_PAGE_SIZE
 * @len: bytes, likewise, at least one page
 * @done: out: bytes from @start on that are done, also if the call fails
 *
 * VIREO_MEM_PREFAULT makes the pages, but maps them nowhere; several threads
 * may do so at once.  VIREO_MEM_DISCARD frees them: they read as zeros until
 * written again; snapshots keep what was there.  Both stop with EINTR at a
 * signal: call again for the rest.
 *
 * Errors: EINVAL, EINTR, ENOMEM, EFAULT.
 */
struct vireo_mem_range {
	__u32 size;
	__u32 flags;
	__u64 start;
	__u64 len;
	__u64 done;
};

/**
 * struct vireo_mem_stat - what a memory object is made of (VIREO_MEM_STAT)
 * @size: in: size of the struct; out: size that the kernel filled
 * @flags: must be 0
 * @bytes: out: size of the object
 * @resident: out: bytes in memory, @huge included
 * @huge: out: bytes of them in huge pages
 * @swapped: out: bytes that are swapped out
 * @dirtied: out: bytes that became writable, and were recorded for the logs
 *           and snapshots that there were, since the object was made
 * @copied: out: bytes that its snapshots hold copies of
 * @shared: out: bytes of it that are mapped through snapshots as well
 * @discarded: out: bytes that VIREO_MEM_DISCARD freed
 * @logs: out: its dirty logs
 * @snapshots: out: its snapshots
 */
struct vireo_mem_stat {
	__u32 size;
	__u32 flags;
	__u64 bytes;
	__u64 resident;
	__u64 huge;
	__u64 swapped;
	__u64 dirtied;
	__u64 copied;
	__u64 shared;
	__u64 discarded;
	__u32 logs;
	__u32 snapshots;
};

/**
 * struct vireo_dirty_log - begin to log writes (VIREO_MEM_DIRTY_LOG)
 * @size: size of the struct
 * @flags: must be 0
 *
 * Returns the file descriptor of a log, empty, of what is written from now on.
 * Closing it ends the log.  There can be VIREO_MAX_LOGS at once; each tells its
 * owner everything.
 *
 * Errors: EINVAL, ENOSPC (too many), ENOMEM, EMFILE.
 */
struct vireo_dirty_log {
	__u32 size;
	__u32 flags;
};

#define VIREO_MAX_LOGS 8

/* Flag of VIREO_DIRTY_FETCH: leave the log as it is. */
#define VIREO_DIRTY_PEEK (1U << 0)

/**
 * struct vireo_dirty_fetch - take from a log (VIREO_DIRTY_FETCH on a log fd)
 * @size: size of the struct
 * @flags: 0 or VIREO_DIRTY_PEEK
 * @start: first byte of the object, a multiple of VIREO_MEM_HUGE_SIZE
 * @len: bytes, a multiple of VIREO_MEM_PAGE_SIZE
 * @bitmap: user address of a bitmap in 64-bit words: bit n is the page at
 *          start + n * VIREO_MEM_PAGE_SIZE; what lies behind @len is set to 0
 * @huge: 0, or user address of another: bit n is the huge page at
 *        start + n * VIREO_MEM_HUGE_SIZE, set if it was recorded as a whole,
 *        since it is a huge page that was written somewhere; its pages are set
 *        in @bitmap, too
 * @pages: out: bits set in @bitmap
 * @done: out: bytes from @start on that are done, also if the call fails: the
 *        log has what it had of the rest
 *
 * A write that ended before the call is in what it gives.  One that comes after
 * is in what the next call gives; one that happens meanwhile is in either.
 * A page that was only looked at is not in it, but for one that the kernel
 * happened to hold when it was last fetched, having been written then.
 *
 * Errors: EINVAL, EFAULT, EINTR, ENOMEM.
 */
struct vireo_dirty_fetch {
	__u32 size;
	__u32 flags;
	__u64 start;
	__u64 len;
	__u64 bitmap;
	__u64 huge;
	__u64 pages;
	__u64 done;
};

/**
 * struct vireo_mem_snapshot - freeze a memory object (VIREO_MEM_SNAPSHOT)
 * @size: size of the struct
 * @flags: must be 0
 * @limit: bytes that may be copied for it, 0: no limit but memory
 * @arm_ns: out: nanoseconds for which writers were held up
 * @armed: out: pages that had been writable, and no longer were
 *
 * Returns the file descriptor of a snapshot: the memory as it was at one
 * instant during the call.  Writers go on when the call returns, and each page
 * is copied before it is written.  The descriptor can be read from, from any
 * offset, and mapped, shared for reading or privately; a mapping shares with
 * the object the pages that nobody writes.  Mappings keep the snapshot alive.
 * What takes pages of a mapping by reference (vmsplice(2), an O_DIRECT write
 * from it) may see a later write to such a page: read from the descriptor
 * for that.  A mapping is never of huge pages: one at an address (MAP_FIXED,
 * or mremap(2)) where offsets that are multiples of VIREO_MEM_HUGE_SIZE would
 * come to multiples of it is EINVAL, for there the kernel would make some.
 *
 * When a page cannot be copied, for want of memory or past @limit, the write is
 * done all the same and the snapshot has failed: reads are EIO, mappings give
 * SIGBUS, poll(2) POLLERR; VIREO_SNAPSHOT_STAT tells why.
 *
 * Errors: EINVAL, EFAULT, ENOSPC (too many snapshots, or @limit is passed
 * already), ENOMEM, EMFILE.
 */
struct vireo_mem_snapshot {
	__u32 size;
	__u32 flags;
	__u64 limit;
	__u64 arm_ns;
	__u64 armed;
};

#define VIREO_MAX_SNAPSHOTS 64

/**
 * struct vireo_snapshot_stat - state of a snapshot (VIREO_SNAPSHOT_STAT)
 * @size: in: size of the struct; out: size that the kernel filled
 * @flags: must be 0
 * @bytes: out: size of the object
 * @limit: out: as given
 * @copied: out: bytes copied
 * @zero: out: bytes that were found to be zero, and not copied
 * @error: out: 0, or why it failed: ENOMEM, ENOSPC (the limit)
 * @reserved: out: 0
 */
struct vireo_snapshot_stat {
	__u32 size;
	__u32 flags;
	__u64 bytes;
	__u64 limit;
	__u64 copied;
	__u64 zero;
	__u32 error;
	__u32 reserved;
};

/**
 * struct vireo_mem_map - tell what guest memory is (VIREO_MEM_MAP and
 * VIREO_MEM_UNMAP on a VM fd)
 * @size: size of the struct
 * @flags: 0 or VIREO_MEM_MAP_READONLY: not to be written for the guest
 * @gpa: guest-physical address, a multiple of VIREO_MEM_PAGE_SIZE
 * @len: bytes, likewise; must not overlap what is mapped
 * @offset: into the object, likewise
 * @mem_fd: the memory object; UNMAP: must be 0, as @offset
 * @reserved: must be 0
 *
 * This is for the module, which reaches guest memory through it; KVM is told
 * separately.  UNMAP takes @gpa and @len of one mapping.
 *
 * With it pread(2) and pwrite(2) on the VM fd access guest-physical memory,
 * the file offset being the address: EFAULT where nothing is mapped.
 *
 * Errors: EINVAL, EBADF, EEXIST (overlap), ENOENT (UNMAP: no such mapping),
 * ENOSPC (more than VIREO_MAX_MEM_MAPS), ENOMEM.
 */
struct vireo_mem_map {
	__u32 size;
	__u32 flags;
	__u64 gpa;
	__u64 len;
	__u64 offset;
	__s32 mem_fd;
	__u32 reserved;
};

#define VIREO_MEM_MAP_READONLY (1U << 0)
#define VIREO_MAX_MEM_MAPS 64

#endif /* _UAPI_LINUX_VIREO_MEM_H */
