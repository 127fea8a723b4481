/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The ABI of /dev/vireo: the only thing that vireo.ko and its users share.
 *
 * Rules that hold for every call:
 *
 *  - An argument struct begins with its size in bytes as the caller knows it,
 *    then flags.  Structs only grow, at the end.  A shorter struct than the
 *    first version is -EINVAL; a longer one than the kernel knows is accepted
 *    if what the kernel does not know is zero, else -E2BIG.
 *  - Unknown flags, unknown enum values and reserved fields that are not zero
 *    are -EINVAL.
 *  - Every object is a file descriptor.  Closing it undoes what it did, in any
 *    order and at any time, including by the death of the process.
 *  - The size that is part of an ioctl's number is not looked at.
 *  - All integers are little-endian; addresses and lengths are in bytes.
 *
 * Opening /dev/vireo gives nothing that the holder of a KVM VM file
 * descriptor does not have already.
 */
#ifndef _UAPI_LINUX_VIREO_H
#define _UAPI_LINUX_VIREO_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include <linux/vireo_mem.h>
#include <linux/vireo_queue.h>

#define VIREO_ABI_VERSION 1

/*
 * Ioctl type byte; numbers 0x00 to 0x3f on the device, 0x40 to 0x7f on a VM,
 * 0x80 to 0xbf on a vCPU, 0xc0 to 0xcf on a memory object, 0xd0 to 0xdf on a
 * dirty log, 0xe0 to 0xef on a snapshot, 0xf0 to 0xff on a disk.
 */
#define VIREO_IOC 0xB7

/* How exits reach the rule interpreter (struct vireo_info.exit_path). */
#define VIREO_EXIT_PATH_OFF 0 /* they do not: VIREO_IO_ADD is -EOPNOTSUPP */
#define VIREO_EXIT_PATH_BUS 1 /* a device on KVM's own PIO and MMIO buses */
#define VIREO_EXIT_PATH_RUN 2 /* vCPUs run by VIREO_VCPU_RUN */

/*
 * Capability bits (struct vireo_info.caps).  Bits 0 to 31 are rule types that
 * VIREO_IO_ADD understands: bit n is type n + 1.
 */
#define VIREO_CAP_RULE_SHADOW (1ULL << 0)
#define VIREO_CAP_RULE_CONST (1ULL << 1)
#define VIREO_CAP_RULE_POST (1ULL << 2)
#define VIREO_CAP_RULE_EVENT (1ULL << 3)
#define VIREO_CAP_RULE_INDEXED (1ULL << 4)
#define VIREO_CAP_RULE_CLOCK (1ULL << 5)
#define VIREO_CAP_RULE_CLEAR (1ULL << 6)
#define VIREO_CAP_STATS (1ULL << 32) /* VIREO_STATS */
#define VIREO_CAP_VCPU (1ULL << 33)  /* VIREO_VCPU_CREATE */
#define VIREO_CAP_MEM (1ULL << 34)   /* VIREO_MEM_CREATE and what it leads to */
#define VIREO_CAP_QUEUE_BLK \
	(1ULL << 35) /* VIREO_DISK_CREATE, VIREO_QUEUE_ADD */
#define VIREO_CAP_QUEUE_BELL (1ULL << 36) /* VIREO_QUEUE_DOORBELL */

/**
 * struct vireo_info - what this module is and can do (VIREO_INFO)
 * @size: in: size of the struct; out: size that the kernel filled
 * @flags: must be 0
 * @abi: out: VIREO_ABI_VERSION of the module
 * @exit_path: out: VIREO_EXIT_PATH_*, the path in use
 * @caps: out: VIREO_CAP_* bits
 * @max_regions: out: I/O regions that one VM can have
 * @max_rules: out: rules that one region can have
 * @max_ring: out: entries that one POST ring can have
 * @reserved: 0
 * @version: out: the module's version, NUL-terminated
 * @why: out: in a few words, why @exit_path is what it is, NUL-terminated
 * @queue_features: out: what vireo_queue_add.features may have, 0 without
 *                  VIREO_CAP_QUEUE_BLK
 */
struct vireo_info {
	__u32 size;
	__u32 flags;
	__u32 abi;
	__u32 exit_path;
	__u64 caps;
	__u32 max_regions;
	__u32 max_rules;
	__u32 max_ring;
	__u32 reserved;
	char version[32];
	char why[96];
	__u64 queue_features;
};

/**
 * struct vireo_vm_create - attach the module to a KVM VM (VIREO_VM_CREATE)
 * @size: size of the struct
 * @flags: must be 0
 * @kvm_fd: a VM file descriptor from KVM_CREATE_VM
 * @reserved: must be 0
 * @name: shown in debugfs; NUL-terminated, printable ASCII, may be empty
 * @vcpus: vCPUs with an id below this have statistics of their own, those
 *         with others share; at most VIREO_MAX_VCPUS
 * @reserved2: must be 0
 *
 * Returns a VM file descriptor.  It holds a reference to @kvm_fd's file, so
 * that the KVM VM lives at least as long.  As with KVM's own descriptors, only
 * the address space that created the KVM VM may use its ioctls: to any other
 * they are EPERM.  Mapping areas is open to whoever has the descriptor.
 *
 * Errors: EBADF (@kvm_fd is not open), EINVAL (not a KVM VM, bad name),
 * EPERM (the VM belongs to another address space), ENOMEM, EMFILE.
 */
struct vireo_vm_create {
	__u32 size;
	__u32 flags;
	__s32 kvm_fd;
	__u32 reserved;
	char name[32];
	__u32 vcpus;
	__u32 reserved2;
};

#define VIREO_MAX_VCPUS 4096

/* Buses (struct vireo_io_add.bus). */
#define VIREO_BUS_PIO 0
#define VIREO_BUS_MMIO 1

/*
 * Rule types (struct vireo_rule.type).  A rule covers an access when the
 * whole access lies within [offset, offset + len) and its width is among
 * @widths.  For each access the first rule in table order that covers it and
 * has something to say about its direction decides; an access that no rule
 * decides goes to user space.  An access may be unaligned.  It is never split:
 * one that reaches over the end of a rule is not covered by it, whatever covers
 * the rest.
 *
 * Each vCPU's accesses take effect in its program order, those that go to user
 * space included: what it posted before is in the ring by then.  So an owner
 * that empties the ring before it handles an access sees each vCPU's accesses
 * in order.
 *
 *  SHADOW  read:  the bytes at shadow + (access offset - offset) of the
 *                 region's shadow pages.
 *          write: into the same bytes (WRITE_THROUGH), nothing (WRITE_DROP),
 *                 else not decided.  With WRITE_THROUGH and a @mask only the
 *                 bits of @mask are stored; the others are left to the owner,
 *                 in one atomic step if the bytes are naturally aligned in the
 *                 shadow pages, else byte by byte.
 *  CONST   read:  the low bytes of @value.
 *          write: nothing (WRITE_DROP), else not decided.
 *  POST    write: appended to the region's ring; a full ring sends the access
 *                 to user space.  With WRITE_THROUGH what is appended is also
 *                 stored, before the owner can see the entry, as SHADOW does
 *                 with WRITE_THROUGH and @mask.
 *          read:  as SHADOW (READ_SHADOW), else not decided.
 *  EVENT   write: if (data & @mask) == @value, signals the eventfd @fd, else
 *                 not decided.  A @mask of 0 with a @value of 0 matches all.
 *          read:  not decided.
 *  INDEXED read:  a data port.  idx is the 32-bit word at @index of the shadow
 *                 pages, where a SHADOW rule with WRITE_THROUGH latches what is
 *                 written to the index port.  If (idx & @mask) == @value, or
 *                 != with NOT_EQUAL: the bytes at shadow + (idx & @index_mask)
 *                 + (access offset - offset) of the shadow pages, or all ones
 *                 (READ_ONES); else not decided.
 *          write: not decided.
 *  CLOCK   read:  a counter that runs.  ns is CLOCK_MONOTONIC in nanoseconds
 *                 plus the 64-bit word at @shadow of the shadow pages, where
 *                 the owner puts what to add (modulo 2^64).  The count is
 *                 (ns * m) >> 64, the product taken in 128 bits, where m is
 *                 @value * 2^64 / 10^9 rounded down, cut to the bits of @mask;
 *                 the access reads its bytes, little-endian, from
 *                 (access offset - offset) on.
 *          write: nothing (WRITE_DROP), else not decided.
 *  CLEAR   read:  the bytes as SHADOW; with READ_CLEAR they become 0.
 *          write: with WRITE_ONE_CLEAR the bits that are one in the data become
 *                 0, else not decided.
 *                 Both are atomic against the owner's own atomic accesses of
 *                 the same width.  Not decided if (access offset - offset) is
 *                 not a multiple of the access's width.  If @fd is not -1 it
 *                 is an eventfd, signalled when an access turned its bytes
 *                 from not 0 to 0.
 *
 * What must be atomic is tried a limited number of times; if the owner changes
 * the same bytes all the while, the access goes to user space.
 */
#define VIREO_RULE_SHADOW 1
#define VIREO_RULE_CONST 2
#define VIREO_RULE_POST 3
#define VIREO_RULE_EVENT 4
#define VIREO_RULE_INDEXED 5
#define VIREO_RULE_CLOCK 6
#define VIREO_RULE_CLEAR 7

/* Flags of a rule. */
#define VIREO_RULE_WRITE_THROUGH (1U << 0)   /* SHADOW, POST */
#define VIREO_RULE_WRITE_DROP (1U << 1)	     /* SHADOW, CONST, CLOCK */
#define VIREO_RULE_READ_SHADOW (1U << 2)     /* POST */
#define VIREO_RULE_READ_ONES (1U << 3)	     /* INDEXED */
#define VIREO_RULE_NOT_EQUAL (1U << 4)	     /* INDEXED */
#define VIREO_RULE_READ_CLEAR (1U << 5)	     /* CLEAR */
#define VIREO_RULE_WRITE_ONE_CLEAR (1U << 6) /* CLEAR */

/* Access widths of a rule, or-ed; 0 means all of them. */
#define VIREO_WIDTH_1 1
#define VIREO_WIDTH_2 2
#define VIREO_WIDTH_4 4
#define VIREO_WIDTH_8 8

/**
 * struct vireo_rule - what one register, or a run of them, does
 * @type: VIREO_RULE_*
 * @widths: VIREO_WIDTH_*, 0 for all
 * @flags: VIREO_RULE_* flags that the type knows
 * @offset: first byte, from the start of the region
 * @len: bytes covered, at least 1; offset + len must not pass the region;
 *       CLOCK, and a WRITE_THROUGH with a @mask: at most 8
 * @shadow: SHADOW, CLOCK, CLEAR, POST with READ_SHADOW or WRITE_THROUGH,
 *          INDEXED without READ_ONES: first byte in the shadow pages, which
 *          shadow + len (CLOCK: 8; INDEXED: index_mask + len) must not pass;
 *          CLOCK, CLEAR: a multiple of 8; else must be 0
 * @fd: EVENT: an eventfd; CLEAR: an eventfd or -1; else must be 0
 * @index: INDEXED: where the index is in the shadow pages, a multiple of 4;
 *         else must be 0
 * @value: CONST: value; EVENT: data, INDEXED: index to match, no bits outside
 *         @mask; CLOCK: frequency in Hz, 1 to 10^9 - 1; else must be 0
 * @mask: EVENT: bits of the data, INDEXED: of the 32-bit index to match; CLOCK:
 *        bits that the counter has, not 0; WRITE_THROUGH: bits that are
 *        stored, counted from the byte at @offset, 0 for all; else must be 0
 * @index_mask: INDEXED without READ_ONES: bits of the index that are added to
 *              @shadow; else must be 0
 * @reserved: must be 0
 */
struct vireo_rule {
	__u8 type;
	__u8 widths;
	__u16 flags;
	__u32 offset;
	__u32 len;
	__u32 shadow;
	__s32 fd;
	__u32 index;
	__u64 value;
	__u64 mask;
	__u32 index_mask;
	__u32 reserved[3];
};

/**
 * struct vireo_io_add - add an I/O region (VIREO_IO_ADD on a VM fd)
 * @size: size of the struct
 * @flags: 0 or VIREO_IO_DISABLED
 * @bus: VIREO_BUS_*
 * @nr_rules: rules in the table, 1 to vireo_info.max_rules
 * @addr: first address; PIO: addr + len <= 0x10000
 * @len: bytes, 1 to 2^30; must not overlap a region of the same VM and bus
 * @rules: user address of struct vireo_rule[nr_rules]
 * @ring_entries: entries of the POST ring: a power of two up to
 *                vireo_info.max_ring if a rule is POST, else 0
 * @ring_fd: eventfd signalled when the ring turns from empty to non-empty;
 *           -1 if there is no ring, or if nobody needs to be woken: posts then
 *           wait until the owner looks
 * @name: shown in debugfs; NUL-terminated, printable ASCII without spaces,
 *        not empty
 * @id: out: the region's id, for VIREO_IO_DEL and mmap
 * @shadow_pages: shadow pages of 4096 bytes, 0 (which is 1) to
 *                VIREO_MAX_SHADOW_PAGES
 *
 * An access that reaches outside the region, even by a byte, goes to user
 * space, as does one whose width is not 1, 2, 4 or 8.
 *
 * The region serves its first access possibly before the call returns.  Its
 * shadow pages start out as zeros: a caller that needs them otherwise adds the
 * region while the guest cannot reach it, or leaves accesses undecided by
 * setting VIREO_IO_DISABLED and calls VIREO_IO_ENABLE once the pages are
 * filled.
 *
 * Errors: EINVAL, EEXIST (overlap), ENOSPC (too many regions here or on
 * KVM's bus), EFAULT, EBADF (not an eventfd), ENOMEM, EOPNOTSUPP (exit path
 * is off).
 */
struct vireo_io_add {
	__u32 size;
	__u32 flags;
	__u32 bus;
	__u32 nr_rules;
	__u64 addr;
	__u64 len;
	__u64 rules;
	__u32 ring_entries;
	__s32 ring_fd;
	char name[32];
	__u32 id;
	__u32 shadow_pages;
};

/* Flag of VIREO_IO_ADD and VIREO_IO_ENABLE: the region serves nothing. */
#define VIREO_IO_DISABLED (1U << 0)

/**
 * struct vireo_io_id - name one region (VIREO_IO_DEL, VIREO_IO_ENABLE)
 * @size: size of the struct
 * @flags: must be 0; VIREO_IO_ENABLE also takes VIREO_IO_DISABLED
 * @id: from vireo_io_add
 * @reserved: must be 0
 *
 * When VIREO_IO_DEL returns, no vCPU serves from the region any more.  Its
 * mapped area stays readable until it is unmapped, so that the last posts
 * are not lost.
 *
 * VIREO_IO_ENABLE lets the region serve; with VIREO_IO_DISABLED it sends what
 * begins after the call to user space, until enabled again.
 *
 * Errors: EINVAL, ENOENT (no such region).
 */
struct vireo_io_id {
	__u32 size;
	__u32 flags;
	__u32 id;
	__u32 reserved;
};

/*
 * The area of a region, shared between the module and the owner of the VM fd:
 * mmap(MAP_SHARED) of the VM fd at offset id * VIREO_IO_AREA_STRIDE gives the
 * shadow pages, followed by the POST ring if the region has one.  The module
 * trusts nothing that it reads there.  A mapping may be shorter than the area,
 * not longer, and not executable.  It is the memory and nothing more: it keeps
 * neither the region nor the VM fd's object alive.
 *
 * Errors of mmap: EINVAL (private, executable, or an offset within an area),
 * EPERM (executable, where the kernel refuses that itself), ENXIO (no such
 * region, or longer than its area), ENOMEM.
 */
#define VIREO_SHADOW_SIZE 4096 /* of one shadow page */
#define VIREO_MAX_SHADOW_PAGES 16
#define VIREO_IO_AREA_STRIDE (1ULL << 24)

/**
 * struct vireo_post - one posted write
 * @value: the data, zero-extended
 * @offset: from the start of the region
 * @vcpu: id of the vCPU that wrote
 * @width: 1, 2, 4 or 8
 * @reserved: 0
 */
struct vireo_post {
	__u64 value;
	__u32 offset;
	__u16 vcpu;
	__u8 width;
	__u8 reserved;
};

/**
 * struct vireo_ring - the POST ring behind the shadow pages in a region's area
 * @head: next entry that the owner will take; only the owner writes it
 * @tail: next entry that the module will fill; only the module writes it
 * @entries: power of two, set by the module
 * @post: entry i is post[i & (entries - 1)]
 *
 * @head and @tail run freely over 32 bits.  The module stores an entry, then
 * @tail with release order; the owner loads @tail with acquire order, uses
 * the entries, then stores @head with release order.  After the store the
 * owner executes a full barrier and loads @tail again before it sleeps on the
 * eventfd, since the module signals only when it finds the ring empty.
 */
struct vireo_ring {
	__u32 head;
	__u32 pad0[15];
	__u32 tail;
	__u32 entries;
	__u32 pad1[14];
	struct vireo_post post[];
};

/**
 * struct vireo_vcpu_create - make a vCPU known (VIREO_VCPU_CREATE on a VM fd)
 * @size: size of the struct
 * @flags: must be 0
 * @vcpu_fd: a vCPU file descriptor of the same KVM VM, from KVM_CREATE_VCPU;
 *           one vCPU can be known once at a time
 * @id: the vCPU's id, as given to KVM_CREATE_VCPU, below VIREO_MAX_VCPUS
 * @run: user address where the caller has mapped @vcpu_fd from offset 0 on,
 *       shared and writable, at least two pages
 *
 * Returns a vCPU file descriptor.  It holds a reference to @vcpu_fd's file and
 * to the first two of its pages.  mmap(MAP_SHARED) of it at offset 0 gives one
 * page, struct vireo_vcpu_page.
 *
 * Closing the VM fd leaves it usable: no region serves any more.
 *
 * Errors: EBADF, EINVAL (not a vCPU of this VM, not its @id, or @run is not
 * such a mapping), EEXIST (it is known), EPERM (as on a VM fd), ENOMEM, EMFILE,
 * EOPNOTSUPP (exit path is off).
 */
struct vireo_vcpu_create {
	__u32 size;
	__u32 flags;
	__s32 vcpu_fd;
	__u32 id;
	__u64 run;
};

/*
 * VIREO_VCPU_RUN, on a vCPU fd, with no argument, does what KVM_RUN does, and
 * returns what it returns.  With the exit path RUN it serves accesses that
 * regions of the VM decide and goes on; with BUS it only runs.  It ends, as
 * KVM_RUN does, with EINTR when a signal is pending or kvm_run.immediate_exit
 * is set, after the last access is complete; after many accesses it ends with
 * EAGAIN, so that the caller's thread does its other work: call it again.
 * A string of several port reads (rep ins), which KVM exits with as one, goes
 * to user space as a whole.  While one thread runs the vCPU, others wait.
 * Its errors are KVM_RUN's, EPERM (as on a VM fd), EINVAL (an argument).
 * As for KVM_RUN, only the thread that runs the vCPU calls it, and the caller
 * enters again (by either ioctl) to complete the access of the last exit.
 */

#define VIREO_NR_EXITS 64
#define VIREO_NR_BUCKETS 48

/**
 * struct vireo_vcpu_page - what the runner of a vCPU counts, for statistics
 * @exits: exits to user space, by KVM_EXIT_*; the last is for higher ones
 * @user_time: exits by the time that user space took, from KVM_RUN's (or
 *             VIREO_VCPU_RUN's) return until it is called again: bucket 0 for
 *             0 cycles of the time stamp counter, n for [2^(n-1), 2^n), the
 *             last for all above
 *
 * Only the owner of the vCPU fd writes it, with plain 64-bit stores; the
 * module shows it and does nothing else with it.
 */
struct vireo_vcpu_page {
	__u64 exits[VIREO_NR_EXITS];
	__u64 user_time[VIREO_NR_BUCKETS];
};

/* What a record describes (struct vireo_stats.what). */
#define VIREO_STATS_VM 0     /* the VM: sums over its regions and vCPUs */
#define VIREO_STATS_REGION 1 /* one region */
#define VIREO_STATS_VCPU 2   /* one vCPU: sums over the VM's regions */
#define VIREO_STATS_QUEUE 3  /* one queue */

/**
 * struct vireo_stats - read a record of statistics (VIREO_STATS on a VM fd)
 * @size: size of the struct
 * @flags: 0 or VIREO_STATS_RESET: count from zero after this
 * @what: VIREO_STATS_*
 * @id: of the region, the vCPU or the queue; VM: must be 0
 * @buf: user address of the buffer
 * @len: in: bytes at @buf; out: bytes of the whole record.  If @len was less,
 *       that many were filled, and nothing was reset.
 * @reserved: must be 0
 *
 * The record is laid out like those of KVM_GET_STATS_FD: struct
 * vireo_stats_header at 0, at id_offset a NUL-terminated name, at desc_offset
 * num_desc descriptors, at data_offset the 64-bit numbers.  A reader goes by
 * the descriptors' names and skips those that it does not know.
 *
 * Errors: EINVAL, ENOENT (no such region, vCPU or queue), EFAULT, ENOMEM.
 */
struct vireo_stats {
	__u32 size;
	__u32 flags;
	__u32 what;
	__u32 id;
	__u64 buf;
	__u32 len;
	__u32 reserved;
};

/* Flags of vireo_stats. */
#define VIREO_STATS_RESET (1U << 0)

/**
 * struct vireo_stats_header - the beginning of a record
 * @version: VIREO_STATS_VERSION; changes only if a reader of the old one would
 *           go wrong
 * @name_size: bytes of a descriptor's name
 * @num_desc: descriptors
 * @id_offset: from the start of the record, of the object's name
 * @desc_offset: of the descriptors
 * @data_offset: of the numbers
 */
struct vireo_stats_header {
	__u32 version;
	__u32 name_size;
	__u32 num_desc;
	__u32 id_offset;
	__u32 desc_offset;
	__u32 data_offset;
};

#define VIREO_STATS_VERSION 1
#define VIREO_STATS_NAME_SIZE 48

/* Kinds of numbers (struct vireo_stats_desc.type). */
#define VIREO_STATS_CUMULATIVE 0 /* only grows, but for a reset */
#define VIREO_STATS_INSTANT 1	 /* as it is now */
#define VIREO_STATS_PEAK 2	 /* the highest so far */
#define VIREO_STATS_LOG_HIST 3 /* bucket 0: 0; n: [2^(n-1), 2^n); last: above */

/* Their units (struct vireo_stats_desc.unit). */
#define VIREO_STATS_NONE 0
#define VIREO_STATS_BYTES 1
#define VIREO_STATS_CYCLES 2 /* of the time stamp counter; see tsc_khz */

/**
 * struct vireo_stats_desc - describes one number, or one array of them
 * @type: VIREO_STATS_CUMULATIVE and so on
 * @unit: VIREO_STATS_NONE and so on
 * @size: how many __u64
 * @offset: of the first, from data_offset
 * @name: NUL-terminated
 */
struct vireo_stats_desc {
	__u32 type;
	__u32 unit;
	__u32 size;
	__u32 offset;
	char name[VIREO_STATS_NAME_SIZE];
};

#define VIREO_INFO _IOWR(VIREO_IOC, 0x00, struct vireo_info)
#define VIREO_VM_CREATE _IOW(VIREO_IOC, 0x01, struct vireo_vm_create)
#define VIREO_MEM_CREATE _IOW(VIREO_IOC, 0x02, struct vireo_mem_create)
#define VIREO_DISK_CREATE _IOW(VIREO_IOC, 0x03, struct vireo_disk_create)

#define VIREO_IO_ADD _IOWR(VIREO_IOC, 0x40, struct vireo_io_add)
#define VIREO_IO_DEL _IOW(VIREO_IOC, 0x41, struct vireo_io_id)
#define VIREO_IO_ENABLE _IOW(VIREO_IOC, 0x42, struct vireo_io_id)
#define VIREO_VCPU_CREATE _IOW(VIREO_IOC, 0x43, struct vireo_vcpu_create)
#define VIREO_STATS _IOWR(VIREO_IOC, 0x44, struct vireo_stats)
#define VIREO_MEM_MAP _IOW(VIREO_IOC, 0x45, struct vireo_mem_map)
#define VIREO_MEM_UNMAP _IOW(VIREO_IOC, 0x46, struct vireo_mem_map)
#define VIREO_QUEUE_ADD _IOWR(VIREO_IOC, 0x47, struct vireo_queue_add)
#define VIREO_QUEUE_DEL _IOWR(VIREO_IOC, 0x48, struct vireo_queue_del)
#define VIREO_QUEUE_STATE _IOWR(VIREO_IOC, 0x49, struct vireo_queue_state)

#define VIREO_VCPU_RUN _IO(VIREO_IOC, 0x80)

#define VIREO_MEM_STAT _IOWR(VIREO_IOC, 0xc0, struct vireo_mem_stat)
#define VIREO_MEM_PREFAULT _IOWR(VIREO_IOC, 0xc1, struct vireo_mem_range)
#define VIREO_MEM_DISCARD _IOWR(VIREO_IOC, 0xc2, struct vireo_mem_range)
#define VIREO_MEM_DIRTY_LOG _IOW(VIREO_IOC, 0xc3, struct vireo_dirty_log)
#define VIREO_MEM_SNAPSHOT _IOWR(VIREO_IOC, 0xc4, struct vireo_mem_snapshot)

#define VIREO_DIRTY_FETCH _IOWR(VIREO_IOC, 0xd0, struct vireo_dirty_fetch)

#define VIREO_SNAPSHOT_STAT _IOWR(VIREO_IOC, 0xe0, struct vireo_snapshot_stat)

#define VIREO_DISK_SET _IOW(VIREO_IOC, 0xf0, struct vireo_disk_set)

#endif /* _UAPI_LINUX_VIREO_H */
