/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's private header.
 *
 * Objects: a VM (struct vireo_vm) is a file descriptor and owns regions
 * (struct vireo_region).  A region is reached in two ways: by vCPUs through
 * the exit path's entry (kvm_bus.c), which ends before the region does, and by
 * mmap through vireo_vm.regions, with a reference.
 *
 * Locks, in the order in which they nest:
 *
 *  1 vireo_vm.lock           mutex     adding and removing regions
 *  2 kvm->slots_lock         mutex     KVM's; the bus arrays and
 *                                      vireo_bus_dev.attached
 *  3 vireo_stats_lock        mutex     debugfs/stats.c: lists, retired sums
 *  4 vireo_vm.regions' lock  spinlock  from id to region; a lookup takes its
 *                                      reference under it
 *  5 vireo_region.ring_lock  spinlock  the producer side of the POST ring
 *
 * mmap_lock nests inside slots_lock (KVM maps memory of its own under it) and
 * outside 4 (mmap).  So user memory is copied, and mmap looks a region up,
 * without 1 to 3.
 *
 * Serving an access: the vCPU thread is inside kvm->srcu, and takes 5 and
 * nothing else.  Removal waits for kvm->srcu under 1 and 2.
 */
#ifndef _VIREO_H
#define _VIREO_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/xarray.h>

#include "rules.h"
#include "stats.h"

#define VIREO_VERSION "0.1.0"

#define VIREO_MAX_REGIONS 256
#define VIREO_MAX_RING 16384
#define VIREO_MAX_REGION_LEN (1ULL << 30)

struct eventfd_ctx;
struct file;
struct page;
struct vireo_bus_dev;

/**
 * struct vireo_vm - what one VM file descriptor stands for
 * @kvm_file: KVM's VM file; owns a reference, and through it KVM's VM
 * @area_file: the file that mapped areas name, so that a mapping does not keep
 *             the VM file descriptor's object alive; owns a reference
 * @lock: serializes adding and removing regions
 * @regions: from id to region; owns a reference to each
 * @stats: statistics
 * @name: as given
 */
struct vireo_vm {
	struct file *kvm_file;
	struct file *area_file;
	struct mutex lock;
	struct xarray regions;
	struct vireo_vm_stats stats;
	char name[32];
};

/**
 * struct vireo_region - an I/O region
 * @addr: first address
 * @len: bytes
 * @enabled: whether it serves
 * @rules: the compiled rules; owned
 * @shadow: the shadow pages, written by the owner of the VM at any time
 * @ring: the POST ring, if there is one; protected by @ring_lock
 * @ring_lock: serializes vCPUs that post
 * @ring_ctx: signalled when the ring turns non-empty, or NULL; owns a reference
 * @stats: statistics; @stats.counters is what the hot path adds to
 * @kref: held by vireo_vm.regions and by a lookup
 * @bus: VIREO_BUS_*
 * @bus_dev: the entry's handle while vCPUs can reach the region
 * @area: kernel mapping of @pages
 * @pages: shadow pages and ring; owns a reference to each, as do mappings
 * @nr_pages: pages in @pages
 * @name: as given
 *
 * Everything but @enabled and the ring is read-only once published.
 */
struct vireo_region {
	u64 addr;
	u64 len;
	bool enabled;
	struct vireo_rules *rules;
	u8 *shadow;

	struct vireo_post_ring ring;
	spinlock_t ring_lock;
	struct eventfd_ctx *ring_ctx;

	struct vireo_region_stats stats;
	struct kref kref;
	u32 bus;
	struct vireo_bus_dev *bus_dev;
	void *area;
	struct page **pages;
	unsigned int nr_pages;
	char name[32];
};

/* Any ioctl argument. */
union vireo_arg {
	u32 size;
	struct vireo_info info;
	struct vireo_vm_create vm_create;
	struct vireo_io_add io_add;
	struct vireo_io_id io_id;
};

/**
 * struct vireo_ioctl - a row of an ioctl table
 * @cmd: the ioctl's number
 * @size: size of the argument as this module knows it
 * @min_size: size of its first version
 * @fn: does it; the argument is copied in, what it gives back the handler
 *      copies out to the user address
 */
struct vireo_ioctl {
	unsigned int cmd;
	u32 size;
	u32 min_size;
	long (*fn)(void *object, union vireo_arg *arg, void __user *uarg);
};

#define VIREO_IOCTL(_cmd, _fn, _type, _last)           \
	[_IOC_NR(_cmd) & 0x3f] = {                     \
		.cmd = _cmd,                           \
		.size = sizeof(_type),                 \
		.min_size = offsetofend(_type, _last), \
		.fn = _fn,                             \
	}

/* main.c */
bool vireo_bus_in_use(void);
bool vireo_name_ok(const char *name, size_t size, bool spaces);
long vireo_do_ioctl(const struct vireo_ioctl *table, unsigned int rows,
		    void *object, unsigned int cmd, unsigned long uaddr);

/* vm.c */
long vireo_vm_create(void *unused, union vireo_arg *arg, void __user *uarg);

/* io.c */
long vireo_io_add(void *object, union vireo_arg *arg, void __user *uarg);
long vireo_io_del(void *object, union vireo_arg *arg, void __user *uarg);
long vireo_io_enable(void *object, union vireo_arg *arg, void __user *uarg);
void vireo_io_del_all(struct vireo_vm *vm);
struct vireo_region *vireo_region_get(struct vireo_vm *vm, unsigned long id);
void vireo_region_put(struct vireo_region *region);
bool vireo_region_read(struct vireo_region *region, u16 vcpu, u64 addr, u32 len,
		       void *val);
bool vireo_region_write(struct vireo_region *region, u16 vcpu, u64 addr,
			u32 len, const void *val);

/* kvm_bus.c */
bool vireo_kvm_is_vm(const struct file *file);
bool vireo_kvm_is_ours(const struct file *kvm_file);
struct vireo_bus_dev *vireo_bus_add(struct file *kvm_file,
				    struct vireo_region *region);
void vireo_bus_del(struct file *kvm_file, struct vireo_bus_dev *bus_dev);

#endif /* _VIREO_H */
