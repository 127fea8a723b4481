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

#define VIREO_ABI_VERSION 1

/* Ioctl type byte; numbers 0x00 to 0x3f on the device, 0x40 up on a VM. */
#define VIREO_IOC 0xB7

/* How exits reach the rule interpreter (struct vireo_info.exit_path). */
#define VIREO_EXIT_PATH_OFF 0 /* they do not: VIREO_IO_ADD is -EOPNOTSUPP */
#define VIREO_EXIT_PATH_BUS 1 /* a device on KVM's own PIO and MMIO buses */

/* Capability bits (struct vireo_info.caps): what VIREO_IO_ADD understands. */
#define VIREO_CAP_RULE_SHADOW (1ULL << 0)
#define VIREO_CAP_RULE_CONST (1ULL << 1)
#define VIREO_CAP_RULE_POST (1ULL << 2)
#define VIREO_CAP_RULE_EVENT (1ULL << 3)
#define VIREO_CAP_RULE_INDEXED (1ULL << 4)

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
};

/**
 * struct vireo_vm_create - attach the module to a KVM VM (VIREO_VM_CREATE)
 * @size: size of the struct
 * @flags: must be 0
 * @kvm_fd: a VM file descriptor from KVM_CREATE_VM
 * @reserved: must be 0
 * @name: shown in debugfs; NUL-terminated, printable ASCII, may be empty
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
};

/* Buses (struct vireo_io_add.bus). */
#define VIREO_BUS_PIO 0
#define VIREO_BUS_MMIO 1

/*
 * Rule types (struct vireo_rule.type).  A rule covers an access when the
 * whole access lies within [offset, offset + len) and its width is among
 * @widths.  For each access the first rule in table order that covers it and
 * has something to say about its direction decides; an access that no rule
 * decides goes to user space.
 *
 *  SHADOW  read:  the bytes at shadow + (access offset - offset) of the
 *                 region's shadow page.
 *          write: into the same bytes (WRITE_THROUGH), nothing (WRITE_DROP),
 *                 else not decided.
 *  CONST   read:  the low bytes of @value.
 *          write: nothing (WRITE_DROP), else not decided.
 *  POST    write: appended to the region's ring; a full ring sends the access
 *                 to user space.
 *          read:  as SHADOW (READ_SHADOW), else not decided.
 *  EVENT   write: if (data & @mask) == @value, signals the eventfd @fd, else
 *                 not decided.  A @mask of 0 with a @value of 0 matches all.
 *          read:  not decided.
 *  INDEXED read:  a data port.  idx is the 32-bit word at @index of the shadow
 *                 page, where a SHADOW rule with WRITE_THROUGH latches what is
 *                 written to the index port.  If (idx & @mask) == @value, or
 *                 != with NOT_EQUAL: the bytes at shadow + (idx & @index_mask)
 *                 + (access offset - offset) of the shadow page, or all ones
 *                 (READ_ONES); else not decided.
 *          write: not decided.
 */
#define VIREO_RULE_SHADOW 1
#define VIREO_RULE_CONST 2
#define VIREO_RULE_POST 3
#define VIREO_RULE_EVENT 4
#define VIREO_RULE_INDEXED 5

/* Flags of a rule. */
#define VIREO_RULE_WRITE_THROUGH (1U << 0) /* SHADOW */
#define VIREO_RULE_WRITE_DROP (1U << 1)	   /* SHADOW, CONST */
#define VIREO_RULE_READ_SHADOW (1U << 2)   /* POST */
#define VIREO_RULE_READ_ONES (1U << 3)	   /* INDEXED */
#define VIREO_RULE_NOT_EQUAL (1U << 4)	   /* INDEXED */

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
 * @len: bytes covered, at least 1; offset + len must not pass the region
 * @shadow: SHADOW, POST with READ_SHADOW, INDEXED without READ_ONES: first
 *          byte in the shadow page, shadow + len <= VIREO_SHADOW_SIZE (INDEXED:
 *          shadow + index_mask + len); else must be 0
 * @fd: EVENT: an eventfd; else must be 0
 * @index: INDEXED: where the index is in the shadow page, a multiple of 4, at
 *         most VIREO_SHADOW_SIZE - 4; else must be 0
 * @value: CONST: value; EVENT: data, INDEXED: index to match, no bits outside
 *         @mask; else must be 0
 * @mask: EVENT: bits of the data, INDEXED: of the 32-bit index to match; else
 *        must be 0
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
 * @reserved: must be 0
 *
 * An access that reaches outside the region, even by a byte, goes to user
 * space, as does one whose width is not 1, 2, 4 or 8.
 *
 * The region serves its first access possibly before the call returns.  Its
 * shadow page starts out as zeros: a caller that needs it otherwise adds the
 * region while the guest cannot reach it, or leaves reads undecided by
 * setting VIREO_IO_DISABLED and calls VIREO_IO_ENABLE once the page is
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
	__u32 reserved;
};

/* Flags of vireo_io_add: the region serves nothing until VIREO_IO_ENABLE. */
#define VIREO_IO_DISABLED (1U << 0)

/**
 * struct vireo_io_id - name one region (VIREO_IO_DEL, VIREO_IO_ENABLE)
 * @size: size of the struct
 * @flags: must be 0
 * @id: from vireo_io_add
 * @reserved: must be 0
 *
 * When VIREO_IO_DEL returns, no vCPU serves from the region any more.  Its
 * mapped area stays readable until it is unmapped, so that the last posts
 * are not lost.
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
 * mmap(MAP_SHARED) of the VM fd at offset id * VIREO_IO_AREA_STRIDE gives one
 * shadow page, followed by the POST ring if the region has one.  The module
 * trusts nothing that it reads there.  A mapping may be shorter than the area,
 * not longer, and not executable.  It is the memory and nothing more: it keeps
 * neither the region nor the VM fd's object alive.
 *
 * Errors of mmap: EINVAL (private, executable, or an offset within an area),
 * ENXIO (no such region, or longer than its area), ENOMEM.
 */
#define VIREO_SHADOW_SIZE 4096
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
 * struct vireo_ring - the POST ring at VIREO_SHADOW_SIZE in a region's area
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

#define VIREO_INFO _IOWR(VIREO_IOC, 0x00, struct vireo_info)
#define VIREO_VM_CREATE _IOW(VIREO_IOC, 0x01, struct vireo_vm_create)

#define VIREO_IO_ADD _IOWR(VIREO_IOC, 0x40, struct vireo_io_add)
#define VIREO_IO_DEL _IOW(VIREO_IOC, 0x41, struct vireo_io_id)
#define VIREO_IO_ENABLE _IOW(VIREO_IOC, 0x42, struct vireo_io_id)

#endif /* _UAPI_LINUX_VIREO_H */
